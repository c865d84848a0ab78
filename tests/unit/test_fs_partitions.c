/* SPDX-License-Identifier: Apache-2.0
 *
 * test_fs_partitions.c: many partitions with few descriptors, when one is complete, what of the world fails while they are written.
 */
#include "connectors/filesystem/ready.h"
#include "conn_world.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const uint32_t by_s[] = {1};

static void make_table(struct world *w, struct sink *s, const char *options)
{
    char with[512];
    struct sq_table_ext *ext;
    snprintf(with, sizeof with, "connector=filesystem;path=%s/d;format=json%s", w->dir, options);
    struct sq_table_spec *t = kit_spec(&w->arena, kit_cols, 2, with);
    t->partition = by_s;
    t->npartition = 1;
    make_ext(w, t, &s->c, &ext);
    s->spec = (struct sq_sink_spec){.table = t, .ext = ext, .session = &w->session, .mode = SQ_MODE_INSERT};
}

static struct sq_fs_table *fs_of(struct sink *s) { return (struct sq_fs_table *)(void *)s->spec.ext; }

static bool there(const struct world *w, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/d/%s", w->dir, name);
    return access(path, F_OK) == 0;
}

static int count(const struct world *w, const char *what)
{
    char cmd[256], out[32];
    snprintf(cmd, sizeof cmd, "find '%s' %s | wc -l", w->dir, what);
    FILE *f = popen(cmd, "r");
    assert_non_null(f);
    assert_non_null(fgets(out, sizeof out, f));
    pclose(f);
    return (int)strtol(out, NULL, 10);
}

/* ---- descriptors ---- */

static int open_now, open_most;
static int c_open(void *arg, const char *p, int flags, mode_t m)
{
    (void)arg;
    int fd = sq_os_posix.open(NULL, p, flags, m);
    open_now += fd >= 0;
    open_most = open_now > open_most ? open_now : open_most;
    return fd;
}
static int c_close(void *arg, int fd)
{
    (void)arg;
    open_now--;
    return sq_os_posix.close(NULL, fd);
}

/* 500 partitions in turn, at most 5 descriptors; each has one file with its rows in their order. */
static void test_many(void **state)
{
    enum { MANY = 500, ROUNDS = 3 };
    struct world w;
    struct sink s;
    struct sq_writer *wr;
    struct sq_os os = sq_os_posix;
    char cmd[256], rows[64];
    (void)state;
    begin(&w);
    os.open = c_open;
    os.close = c_close;
    w.ctx.os = &os;
    for (int epochs = 0; epochs < 2; epochs++) {
        make_table(&w, &s, "");
        fs_of(&s)->open_files = 5;
        s.spec.epoch = (struct sq_sink_epochs){.on = epochs, .job = SQ_STR("j"), .sink = SQ_STR("t"), .owner = SQ_STR("0123456789abcdef")};
        open_most = 0;
        assert_int_equal(s.c->sink->open(&w.ctx, &s.spec, &wr), SQ_OK);
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < MANY; i++) {
                struct sq_out o;
                snprintf(rows, sizeof rows, "%d:k%03d %d:k%03d", round, i, round + 10, i);
                kit_fill(&w.ctx, &o, rows);
                assert_int_equal(s.c->sink->write(wr, sq_out_batch(&o)), SQ_OK);
                sq_out_free(&o);
                if (i % 100 == 0)
                    assert_int_equal(s.c->sink->flush(wr), SQ_OK);
            }
        if (epochs) {
            assert_int_equal(s.c->sink->prepare(wr, 1, NULL), SQ_OK);
            assert_int_equal(s.c->sink->commit(wr, 1), SQ_OK);
        } else {
            assert_int_equal(s.c->sink->finish(wr), SQ_OK);
        }
        s.c->sink->close(wr);
        assert_int_equal(open_now, 0);
        assert_in_range(open_most, 2, 6);                /* and a directory that is synced */
        assert_int_equal(count(&w, "-type f"), MANY);
        snprintf(cmd, sizeof cmd, "for f in '%s'/d/s=*/*; do tr -dc '0-9\\n' < \"$f\" | tr '\\n' ' '; echo; done | sort -u", w.dir);
        FILE *f = popen(cmd, "r");
        char out[128] = "";
        assert_non_null(fgets(out, sizeof out, f));
        assert_null(fgets(cmd, sizeof cmd, f));
        pclose(f);
        assert_string_equal(out, "0 10 1 11 2 12 \n");
        snprintf(cmd, sizeof cmd, "rm -rf '%s/d'", w.dir);
        assert_int_equal(system(cmd), 0);
    }
    w.ctx.os = &sq_os_posix;
    end(&w);
}

/* ---- complete partitions ---- */

static void write_row(struct world *w, struct sink *s, struct sq_writer *wr, const char *row)
{
    struct sq_out o;
    kit_fill(&w->ctx, &o, row);
    assert_int_equal(s->c->sink->write(wr, sq_out_batch(&o)), SQ_OK);
    sq_out_free(&o);
}

static void epoch(struct sink *s, struct sq_writer *wr, uint64_t n, struct sq_buf *pending)
{
    sq_buf_reset(pending);
    assert_int_equal(s->c->sink->prepare(wr, n, pending), SQ_OK);
    assert_int_equal(s->c->sink->commit(wr, n), SQ_OK);
}

static const int64_t jan2 = INT64_C(1704153600000000);   /* 2024-01-02 00:00 UTC */

static void test_by_watermark(void **state)
{
    struct world w;
    struct sink s;
    struct sq_writer *wr;
    struct sq_buf p;
    (void)state;
    begin(&w);
    sq_buf_init(&p, &w.ctx);
    make_table(&w, &s, ";sink.partition-commit.policy.kind=success-file;sink.partition-commit.trigger=partition-time;sink.partition-commit.delay=1d"
                       ";sink.rolling-policy.rollover-interval=1h;sink.partition-commit.success-file.name=.done");
    s.spec.epoch = (struct sq_sink_epochs){.on = true, .job = SQ_STR("j"), .sink = SQ_STR("t"), .owner = SQ_STR("0123456789abcdef")};
    assert_int_equal(s.c->sink->open(&w.ctx, &s.spec, &wr), SQ_OK);
    write_row(&w, &s, wr, "1:2024-01-01 2:2024-01-02");
    epoch(&s, wr, 1, &p);                                /* no watermark yet; files stay open */
    assert_int_equal(count(&w, "-name 'part-*'"), 0);
    s.c->sink->watermark(wr, jan2);
    epoch(&s, wr, 2, &p);                                /* not behind the day's end yet */
    assert_false(there(&w, "s=2024-01-01/.done"));
    s.c->sink->watermark(wr, jan2 + 1000);
    s.c->sink->close(wr);
    assert_int_equal(s.c->sink->open(&w.ctx, &s.spec, &wr), SQ_OK);    /* what waits is in the list */
    assert_int_equal(s.c->sink->recover(wr, 2, sq_buf_view(&p)), SQ_OK);
    s.c->sink->watermark(wr, jan2 + 2000);
    epoch(&s, wr, 3, &p);
    assert_true(there(&w, "s=2024-01-01/.done"));        /* and then all rows up to there are visible */
    assert_false(there(&w, "s=2024-01-02/.done"));
    assert_int_equal(count(&w, "-name 'part-*'"), 2);
    write_row(&w, &s, wr, "3:2024-01-01");               /* late: once more */
    char path[300];
    snprintf(path, sizeof path, "%s/d/s=2024-01-01/.done", w.dir);
    assert_int_equal(unlink(path), 0);
    epoch(&s, wr, 4, &p);
    assert_true(there(&w, "s=2024-01-01/.done"));
    s.c->sink->last(wr, false);                          /* stopped: the second is not complete */
    epoch(&s, wr, 5, &p);
    assert_false(there(&w, "s=2024-01-02/.done"));
    s.c->sink->close(wr);
    assert_int_equal(s.c->sink->open(&w.ctx, &s.spec, &wr), SQ_OK);
    assert_int_equal(s.c->sink->recover(wr, 5, sq_buf_view(&p)), SQ_OK);
    s.c->sink->last(wr, true);
    epoch(&s, wr, 6, &p);
    assert_true(there(&w, "s=2024-01-02/.done"));
    struct sq_out o;
    kit_fill(&w.ctx, &o, "4:2024-02-30x");
    assert_int_equal(s.c->sink->write(wr, sq_out_batch(&o)), SQ_DATA);
    sq_out_free(&o);
    s.c->sink->close(wr);
    sq_buf_free(&p);
    end(&w);
}

static int64_t clock_us;
static int64_t held(void *arg) { (void)arg; return clock_us; }

static void test_by_clock(void **state)
{
    struct world w;
    struct sink s;
    struct sq_writer *wr;
    struct sq_buf p;
    struct sq_os os = sq_os_posix;
    (void)state;
    begin(&w);
    os.now_us = held;
    w.ctx.os = &os;
    clock_us = jan2;
    sq_buf_init(&p, &w.ctx);
    make_table(&w, &s, ";sink.partition-commit.policy.kind=success-file;sink.partition-commit.delay=1h");
    s.spec.epoch = (struct sq_sink_epochs){.on = true, .job = SQ_STR("j"), .sink = SQ_STR("t"), .owner = SQ_STR("0123456789abcdef")};
    assert_int_equal(s.c->sink->open(&w.ctx, &s.spec, &wr), SQ_OK);
    write_row(&w, &s, wr, "1:a");
    epoch(&s, wr, 1, &p);
    clock_us += INT64_C(3600) * SQ_US_PER_S;
    write_row(&w, &s, wr, "2:a 3:b");
    epoch(&s, wr, 2, &p);
    assert_false(there(&w, "s=a/_SUCCESS"));
    clock_us += 1000;
    epoch(&s, wr, 3, &p);
    assert_true(there(&w, "s=a/_SUCCESS"));
    assert_false(there(&w, "s=b/_SUCCESS"));
    clock_us -= INT64_C(86400) * SQ_US_PER_S;            /* a clock that steps back makes nothing complete */
    epoch(&s, wr, 4, &p);
    assert_false(there(&w, "s=b/_SUCCESS"));
    s.c->sink->close(wr);
    w.ctx.os = &sq_os_posix;
    sq_buf_free(&p);
    end(&w);
}

static void expect_time(const char *options, const char *place, const char *want)
{
    struct world w;
    struct sink s;
    int64_t us;
    char text[64];
    begin(&w);
    make_table(&w, &s, options);
    sq_rc rc = sq_fs_partition_time(&w.ctx, s.spec.table, fs_of(&s), sq_str_of(place), &us);
    if (rc == SQ_OK) {
        text[sq_print_timestamp((struct sq_ts16){.us = us}, 3, ' ', text)] = 0;
        assert_string_equal(text, want);
    } else {
        assert_int_equal(rc, SQ_DATA);
        assert_string_equal(w.ctx.err.msg, want);
    }
    end(&w);
}

static void test_times(void **state)
{
    (void)state;
    expect_time("", "s=2024-01-02/", "2024-01-02 00:00:00.000");
    expect_time("", "s=2024-1-2 3%3A04%3A05.5/", "2024-01-02 03:04:05.500");
    expect_time("", "s=x/", "table 't': the partition 's=x' names no time: 'x' is not yyyy-MM-dd HH:mm:ss or yyyy-MM-dd");
    expect_time("", "s=2024-02-30/", "table 't': the partition 's=2024-02-30' names no time: '2024-02-30' is not yyyy-MM-dd HH:mm:ss or yyyy-MM-dd");
    expect_time(";partition.time-extractor.timestamp-pattern=$s 10:00:00", "s=2024-01-02/", "2024-01-02 10:00:00.000");
    expect_time(";partition.time-extractor.timestamp-pattern=2024-$s-$s", "s=7/", "2024-07-07 00:00:00.000");
    expect_time(";partition.time-extractor.timestamp-formatter=yyyyMMddHH", "s=2024022923/", "2024-02-29 23:00:00.000");
    expect_time(";partition.time-extractor.timestamp-formatter=yyyy/M/d'T'HH:mm:ss.SSS", "s=2024%2F2%2F29T01%3A02%3A03.004/", "2024-02-29 01:02:03.004");
    expect_time(";partition.time-extractor.timestamp-formatter=yyyyMMdd", "s=20240230/", "table 't': the partition 's=20240230' names no time: '20240230' is not of the form yyyyMMdd");
    expect_time(";partition.time-extractor.timestamp-formatter=yyyyMMdd", "s=202402290/", "table 't': the partition 's=202402290' names no time: '202402290' is not of the form yyyyMMdd");
    expect_time(";sink.partition-commit.watermark-time-zone=Asia/Shanghai", "s=2024-01-02/", "2024-01-01 16:00:00.000");
}

/* Without epochs: in batch mode each partition, and a table without partitions its directory. */
static void test_batch(void **state)
{
    struct world w;
    struct sink s;
    (void)state;
    begin(&w);
    w.session.batch = true;
    make_table(&w, &s, ";sink.partition-commit.policy.kind=success-file;sink.partition-commit.delay=1h");
    assert_int_equal(write_rows(&w, &s, "1:a 2:b"), SQ_OK);
    assert_true(there(&w, "s=a/_SUCCESS") && there(&w, "s=b/_SUCCESS") && !there(&w, "_SUCCESS"));
    char with[256];
    snprintf(with, sizeof with, "connector=filesystem;path=%s/d/;format=json;sink.partition-commit.policy.kind=SUCCESS-FILE", w.dir);
    make_sink(&w, &s, with, SQ_MODE_INSERT, false, false);
    assert_int_equal(write_rows(&w, &s, "1:a 2:b"), SQ_OK);
    assert_true(there(&w, "_SUCCESS"));
    end(&w);
}

/* ---- failures ---- */

struct weak { struct sq_os os; long fail_at, calls; };
static bool fails(void *arg) { struct weak *f = arg; return ++f->calls == f->fail_at; }
static int f_open(void *arg, const char *p, int flags, mode_t m) { return fails(arg) ? -ENOSPC : sq_os_posix.open(NULL, p, flags, m); }
static int f_fsync(void *arg, int fd) { return fails(arg) ? -ENOSPC : sq_os_posix.fsync(NULL, fd); }
static int f_rename(void *arg, const char *a, const char *b) { return fails(arg) ? -ENOSPC : sq_os_posix.rename(NULL, a, b); }
static int f_mkdir(void *arg, const char *p, mode_t m) { return access(p, F_OK) != 0 && fails(arg) ? -ENOSPC : sq_os_posix.mkdir(NULL, p, m); }
static ssize_t f_write(void *arg, int fd, const void *p, size_t n) { return fails(arg) ? -ENOSPC : sq_os_posix.write(NULL, fd, p, n); }

/* Whatever call fails without epochs: all files are there, or none. */
static void test_failures(void **state)
{
    struct world w;
    struct sink s;
    char cmd[256];
    (void)state;
    begin(&w);
    for (long at = 1;; at++) {
        struct weak f = {.os = sq_os_posix, .fail_at = at};
        f.os.arg = &f;
        f.os.open = f_open, f.os.fsync = f_fsync, f.os.rename = f_rename, f.os.mkdir = f_mkdir, f.os.write = f_write;
        make_table(&w, &s, "");
        fs_of(&s)->open_files = 1;
        w.ctx.os = &f.os;
        sq_rc rc = write_rows(&w, &s, "1:a 2:b 3:a 4:c");
        w.ctx.os = &sq_os_posix;
        int files = count(&w, "-type f");
        if (rc == SQ_OK) {
            assert_int_equal(files, 3);
            assert_true(at > 10);
            break;
        }
        assert_int_equal(rc, SQ_IO);
        assert_non_null(strstr(w.ctx.err.msg, "no space left on device"));
        assert_true(files == 0 || (files == 3 && strstr(w.ctx.err.msg, "sync directory")));
        snprintf(cmd, sizeof cmd, "rm -rf '%s/d'", w.dir);
        assert_int_equal(system(cmd), 0);
    }
    end(&w);
}

/* Out of memory at every allocation, with epochs and without. */
static void test_memory(void **state)
{
    struct world w;
    struct sink s;
    struct sq_out o;
    char cmd[256];
    (void)state;
    begin(&w);
    kit_fill(&w.ctx, &o, "1:a 2:b-longer-than-twelve 3:a 4:c");
    for (int epochs = 0; epochs < 2; epochs++)
        for (int64_t at = 1;; at++) {
            struct sq_budget budget = {.fail_at = at};
            struct sq_ctx tight = {.os = &sq_os_posix, .budget = &budget};
            struct sq_writer *wr = NULL;
            struct sq_buf p;
            make_table(&w, &s, ";sink.partition-commit.policy.kind=success-file");
            s.spec.epoch = (struct sq_sink_epochs){.on = epochs, .job = SQ_STR("j"), .sink = SQ_STR("t"), .owner = SQ_STR("0123456789abcdef")};
            sq_buf_init(&p, &tight);
            sq_rc rc = s.c->sink->open(&tight, &s.spec, &wr);
            if (rc == SQ_OK)
                rc = s.c->sink->write(wr, sq_out_batch(&o));
            if (rc == SQ_OK)
                rc = epochs ? s.c->sink->prepare(wr, 1, &p) : s.c->sink->finish(wr);
            if (rc == SQ_OK && epochs)
                rc = s.c->sink->commit(wr, 1);
            if (wr)
                s.c->sink->close(wr);
            sq_buf_free(&p);
            assert_int_equal(budget.used, 0);
            snprintf(cmd, sizeof cmd, "rm -rf '%s/d'", w.dir);
            assert_int_equal(system(cmd), 0);
            if (rc == SQ_OK) {
                assert_true(at > 10);
                break;
            }
            assert_int_equal(rc, SQ_NOMEM);
        }
    sq_out_free(&o);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many), cmocka_unit_test(test_by_watermark), cmocka_unit_test(test_by_clock), cmocka_unit_test(test_times),
        cmocka_unit_test(test_batch), cmocka_unit_test(test_failures), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
