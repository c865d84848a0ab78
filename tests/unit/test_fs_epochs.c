/* SPDX-License-Identifier: Apache-2.0
 *
 * test_fs_epochs.c: files that appear whole and once, however a run ends.
 *
 * A kill is a close that removes nothing: what is buffered is lost, and hidden files stay as they were. What a commit survives is tried at each
 * call that it makes of the system.
 */
#include "connectors/filesystem/filesystem.h"
#include "conn_world.h"

#include <errno.h>
#include <unistd.h>

#define JOB_A "01234567-89ab-4def-8123-456789abcdef"
#define JOB_B "fedcba98-7654-4210-8fed-cba987654321"

/* ---- a run ---- */

struct run {
    struct world *w;
    struct sink s;
    struct sq_writer *wr;
    struct sq_buf pending;                 /* of the last prepare */
};

/* Like the outside world, but nothing is removed; or its n-th call that changes something fails. */
struct harsh { struct sq_os os; long fail_at, calls; bool keeps; };

static int hits(void *arg) { struct harsh *h = arg; return h->fail_at && ++h->calls == h->fail_at ? -EIO : 0; }
static int h_unlink(void *arg, const char *p) { return ((struct harsh *)arg)->keeps ? 0 : hits(arg) ? -EIO : sq_os_posix.unlink(NULL, p); }
static int h_rename(void *arg, const char *a, const char *b) { return hits(arg) ? -EIO : sq_os_posix.rename(NULL, a, b); }
static int h_fsync(void *arg, int fd) { return hits(arg) ? -EIO : sq_os_posix.fsync(NULL, fd); }
static int h_open(void *arg, const char *p, int flags, mode_t m) { return hits(arg) ? -EIO : sq_os_posix.open(NULL, p, flags, m); }
static ssize_t h_write(void *arg, int fd, const void *p, size_t n)
{
    if (!hits(arg))
        return sq_os_posix.write(NULL, fd, p, n);
    (void)!write(fd, p, n / 2);
    return -EIO;
}

static void make_harsh(struct harsh *h, long fail_at, bool keeps)
{
    *h = (struct harsh){.os = sq_os_posix, .fail_at = fail_at, .keeps = keeps};
    h->os.arg = h;
    h->os.unlink = h_unlink, h->os.rename = h_rename, h->os.fsync = h_fsync, h->os.open = h_open, h->os.write = h_write;
}

static sq_rc try_open(struct run *r, struct world *w, const char *path, const char *job, const char *owner, bool overwrite)
{
    char with[256];
    *r = (struct run){.w = w};
    snprintf(with, sizeof with, "connector=filesystem;path=%s;format=json;sink.rolling-policy.file-size=60b", path);
    make_sink(w, &r->s, with, SQ_MODE_INSERT, false, overwrite);
    r->s.spec.epoch = (struct sq_sink_epochs){.on = true, .job = sq_str_of(job), .sink = SQ_STR("`a`.`b`.`t`"), .owner = sq_str_of(owner)};
    sq_buf_init(&r->pending, &w->ctx);
    return r->s.c->sink->open(&w->ctx, &r->s.spec, &r->wr);
}

static void open_run(struct run *r, struct world *w, const char *path, const char *owner)
{
    assert_int_equal(try_open(r, w, path, JOB_A, owner, false), SQ_OK);
}

static void write_some(struct run *r, const char *rows)
{
    struct sq_out o;
    kit_fill(&r->w->ctx, &o, rows);
    assert_int_equal(r->s.c->sink->write(r->wr, sq_out_batch(&o)), SQ_OK);
    sq_out_free(&o);
}

static void prepare(struct run *r, uint64_t n)
{
    sq_buf_reset(&r->pending);
    assert_int_equal(r->s.c->sink->prepare(r->wr, n, &r->pending), SQ_OK);
}

static sq_rc commit(struct run *r, uint64_t n) { return r->s.c->sink->commit(r->wr, n); }
static sq_rc recover(struct run *r, uint64_t n, const struct sq_buf *pending) { return r->s.c->sink->recover(r->wr, n, sq_buf_view(pending)); }
static void last(struct run *r) { r->s.c->sink->last(r->wr, true); }

static void epoch(struct run *r, uint64_t n, const char *rows)
{
    write_some(r, rows);
    prepare(r, n);
    assert_int_equal(commit(r, n), SQ_OK);
}

static void close_run(struct run *r)
{
    r->s.c->sink->close(r->wr);
    sq_buf_free(&r->pending);
}

/* The list of the last prepare lives on. */
static void killed(struct run *r, struct sq_buf *pending)
{
    struct harsh h;
    make_harsh(&h, 0, true);
    r->w->ctx.os = &h.os;
    r->s.c->sink->close(r->wr);
    r->w->ctx.os = &sq_os_posix;
    sq_buf_init(pending, &r->w->ctx);
    sq_buf_add(pending, r->pending.p, r->pending.n);
    sq_buf_free(&r->pending);
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void shell(const char *cmd, char *out, size_t n)
{
    FILE *f = popen(cmd, "r");
    assert_non_null(f);
    out[fread(out, 1, n - 1, f)] = 0;
    pclose(f);
}

/* The ids in the visible files below a path, in the order of their names. */
static void expect_ids(const char *path, const char *want)
{
    char cmd[512], out[1024];
    snprintf(cmd, sizeof cmd, "find '%s' -type f ! -name '.*' | sort | xargs -r cat | sed 's/^{\"id\":\\([0-9]*\\).*/\\1/' | tr '\\n' ' '", path);
    shell(cmd, out, sizeof out);
    assert_string_equal(out, want);
}

static int hidden(const struct world *w)
{
    char cmd[256], out[32];
    snprintf(cmd, sizeof cmd, "find '%s' -type f -name '.*' | wc -l", w->dir);
    shell(cmd, out, sizeof out);
    return (int)strtol(out, NULL, 10);
}

static void out_dir(const struct world *w, char *path) { snprintf(path, 160, "%s/out/", w->dir); }

/* ---- a directory ---- */

static void test_directory(void **state)
{
    struct world w;
    struct run r;
    char path[160];
    (void)state;
    begin(&w);
    out_dir(&w, path);
    open_run(&r, &w, path, "aaaaaaaaaaaaaaaa");
    write_some(&r, "1:a 2:b");
    expect_ids(path, "");
    prepare(&r, 1);
    expect_ids(path, "");
    assert_int_equal(commit(&r, 1), SQ_OK);
    expect_ids(path, "1 2 ");
    assert_int_equal(commit(&r, 1), SQ_OK);
    prepare(&r, 2);                                      /* nothing came: no file */
    assert_int_equal(commit(&r, 2), SQ_OK);
    write_some(&r, "3:c 4:d 5:e 6:f");                   /* more than 60 bytes: the next one begins */
    write_some(&r, "7:g");
    assert_int_equal(hidden(&w), 2);
    prepare(&r, 3);
    assert_int_equal(commit(&r, 3), SQ_OK);
    expect_ids(path, "1 2 3 4 5 6 7 ");
    write_some(&r, "8:h");
    close_run(&r);                                       /* the job failed here */
    assert_int_equal(hidden(&w), 0);
    expect_ids(path, "1 2 3 4 5 6 7 ");
    end(&w);
}

/* Killed before a prepare, after it, in a commit and after it. */
static void test_directory_kills(void **state)
{
    struct world w;
    struct run r;
    struct sq_buf one, two, none;
    char path[160], cmd[256];
    (void)state;
    begin(&w);
    out_dir(&w, path);
    open_run(&r, &w, path, "aaaaaaaaaaaaaaaa");
    write_some(&r, "1:a 2:b 3:c 4:d");
    write_some(&r, "5:e");
    killed(&r, &none);                                   /* no epoch yet: the next run begins anew */
    assert_int_equal(hidden(&w), 2);

    open_run(&r, &w, path, "bbbbbbbbbbbbbbbb");
    write_some(&r, "1:a 2:b 3:c 4:d");
    assert_int_equal(hidden(&w), 1);
    write_some(&r, "5:e");
    prepare(&r, 1);
    killed(&r, &one);
    snprintf(cmd, sizeof cmd, "cd %s && f=$(ls -A | sort | head -1) && g=${f#.} && mv $f ${g%%.inprogress-*}", path);
    assert_int_equal(system(cmd), 0);                    /* the commit gave the first name */

    open_run(&r, &w, path, "cccccccccccccccc");
    assert_int_equal(recover(&r, 1, &one), SQ_OK);
    assert_int_equal(commit(&r, 1), SQ_OK);
    assert_int_equal(commit(&r, 1), SQ_OK);
    expect_ids(path, "1 2 3 4 5 ");
    write_some(&r, "6:f");
    prepare(&r, 2);
    killed(&r, &two);                                    /* and the decider says that 2 has not happened */

    open_run(&r, &w, path, "dddddddddddddddd");
    assert_int_equal(recover(&r, 1, &one), SQ_OK);       /* 1 is known to be committed */
    assert_int_equal(hidden(&w), 0);
    epoch(&r, 2, "6:f");
    expect_ids(path, "1 2 3 4 5 6 ");
    close_run(&r);

    open_run(&r, &w, path, "eeeeeeeeeeeeeeee");          /* an older checkpoint: the files of epoch 2 would be there twice */
    assert_int_equal(recover(&r, 1, &one), SQ_IO);
    assert_non_null(strstr(w.ctx.err.msg, "is ahead of epoch 1"));
    close_run(&r);
    sq_buf_free(&none);
    sq_buf_free(&one);
    sq_buf_free(&two);
    end(&w);
}

static void test_directory_taken_away(void **state)
{
    struct world w;
    struct run r;
    struct sq_buf p;
    char path[160], cmd[256];
    (void)state;
    begin(&w);
    out_dir(&w, path);
    open_run(&r, &w, path, "aaaaaaaaaaaaaaaa");
    epoch(&r, 1, "1:a");
    killed(&r, &p);
    snprintf(cmd, sizeof cmd, "rm %s*", path);
    assert_int_equal(system(cmd), 0);
    open_run(&r, &w, path, "bbbbbbbbbbbbbbbb");          /* committed, as the checkpoint says: a reader may take files away */
    assert_int_equal(recover(&r, 1, &p), SQ_OK);
    epoch(&r, 2, "2:b");
    expect_ids(path, "2 ");
    close_run(&r);
    assert_int_equal(system(cmd), 0);
    open_run(&r, &w, path, "cccccccccccccccc");          /* not known to be: the rows are lost */
    assert_int_equal(recover(&r, 1, &p), SQ_OK);
    assert_int_equal(commit(&r, 1), SQ_IO);
    assert_non_null(strstr(w.ctx.err.msg, "are gone: neither that file nor"));
    close_run(&r);
    sq_buf_free(&p);
    end(&w);
}

/* Only what is this job's, and this sink's, goes away; and what an older run has left. */
static void test_whose(void **state)
{
    struct world w;
    struct run r, other;
    struct sq_buf p;
    char path[160];
    (void)state;
    begin(&w);
    out_dir(&w, path);
    assert_int_equal(try_open(&other, &w, path, JOB_B, "bbbbbbbbbbbbbbbb", false), SQ_OK);
    write_some(&other, "1:a");
    open_run(&r, &w, path, "aaaaaaaaaaaaaaaa");
    epoch(&r, 1, "2:b");
    assert_int_equal(hidden(&w), 1);
    close_run(&r);
    prepare(&other, 1);
    assert_int_equal(commit(&other, 1), SQ_OK);
    write_some(&other, "3:c");
    killed(&other, &p);
    open_run(&r, &w, path, "cccccccccccccccc");
    r.s.spec.epoch.old_job = SQ_STR(JOB_B);
    epoch(&r, 1, "4:d");
    assert_int_equal(hidden(&w), 0);
    close_run(&r);
    sq_buf_free(&p);
    assert_int_equal(try_open(&r, &w, path, "", "", false), SQ_OK);    /* epochs that are not durable */
    epoch(&r, 1, "5:e");
    write_some(&r, "6:f");
    prepare(&r, 2);
    close_run(&r);
    assert_int_equal(hidden(&w), 0);
    assert_int_equal(try_open(&r, &w, path, JOB_A, "aaaaaaaaaaaaaaaa", true), SQ_SEMANTIC);
    assert_non_null(strstr(w.ctx.err.msg, "INSERT OVERWRITE of a directory"));
    sq_buf_free(&r.pending);
    end(&w);
}

/* ---- one file ---- */

static void test_file(void **state)
{
    struct world w;
    struct run r;
    struct sq_buf p;
    (void)state;
    begin(&w);
    open_run(&r, &w, w.path, "aaaaaaaaaaaaaaaa");
    epoch(&r, 1, "1:a");
    epoch(&r, 2, "2:b");
    assert_true(access(w.path, F_OK) != 0);              /* it appears at the end */
    last(&r);
    prepare(&r, 3);
    assert_int_equal(commit(&r, 3), SQ_OK);
    assert_int_equal(commit(&r, 3), SQ_OK);
    expect_ids(w.path, "1 2 ");
    killed(&r, &p);                                      /* stopped there; goes on */
    assert_int_equal(hidden(&w), 0);
    open_run(&r, &w, w.path, "bbbbbbbbbbbbbbbb");
    assert_int_equal(recover(&r, 3, &p), SQ_OK);
    epoch(&r, 4, "3:c");
    sq_buf_free(&p);
    killed(&r, &p);
    open_run(&r, &w, w.path, "cccccccccccccccc");
    assert_int_equal(recover(&r, 4, &p), SQ_OK);
    last(&r);
    prepare(&r, 5);
    assert_int_equal(commit(&r, 5), SQ_OK);
    expect_ids(w.path, "1 2 3 ");
    close_run(&r);
    assert_int_equal(hidden(&w), 0);
    sq_buf_free(&p);
    end(&w);
}

/* Rows behind the epoch that counts are cut off; those of a stopped run are never taken for those of the next. */
static void test_file_kills(void **state)
{
    struct world w;
    struct run r;
    struct sq_buf p, q;
    (void)state;
    begin(&w);
    put(w.path, "{\"id\":9}");
    open_run(&r, &w, w.path, "aaaaaaaaaaaaaaaa");
    epoch(&r, 1, "1:a");
    killed(&r, &p);
    for (int i = 0; i < 2; i++) {                        /* epoch 2 is prepared, and has not happened */
        open_run(&r, &w, w.path, "bbbbbbbbbbbbbbbb");
        assert_int_equal(recover(&r, 1, &p), SQ_OK);
        write_some(&r, i ? "7:x 8:y" : "7:x");
        prepare(&r, 2);
        killed(&r, &q);
        sq_buf_free(&q);
    }
    open_run(&r, &w, w.path, "cccccccccccccccc");
    assert_int_equal(recover(&r, 1, &p), SQ_OK);
    write_some(&r, "2:b");
    last(&r);
    prepare(&r, 2);
    killed(&r, &q);                                      /* has happened */
    expect_ids(w.path, "9");                             /* no newline behind it */
    for (int i = 0; i < 2; i++) {
        open_run(&r, &w, w.path, "dddddddddddddddd");
        assert_int_equal(recover(&r, 2, &q), SQ_OK);
        assert_int_equal(commit(&r, 2), SQ_OK);
        expect_ids(w.path, "9 1 2 ");
        write_some(&r, "8:z");                           /* of an epoch 3 that never ends */
        assert_int_equal(r.s.c->sink->flush(r.wr), SQ_OK);
        struct sq_buf none;
        killed(&r, &none);
        sq_buf_free(&none);
        assert_int_equal(hidden(&w), 1);
    }
    open_run(&r, &w, w.path, "eeeeeeeeeeeeeeee");
    assert_int_equal(recover(&r, 2, &q), SQ_OK);
    last(&r);
    prepare(&r, 3);
    assert_int_equal(commit(&r, 3), SQ_OK);
    expect_ids(w.path, "9 1 2 ");
    close_run(&r);
    assert_int_equal(hidden(&w), 0);
    sq_buf_free(&p);
    sq_buf_free(&q);
    end(&w);
}

/* Whatever call of a commit fails, the next try, of the same or of the next run, brings it to its end. */
static void test_file_commit_fails(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    for (int overwrite = 0; overwrite < 2; overwrite++)
        for (long at = 1, done = 0; !done; at++) {
            struct run r;
            struct harsh h;
            struct sq_buf p;
            put(w.path, "{\"id\":9}\n");
            assert_int_equal(try_open(&r, &w, w.path, JOB_A, "aaaaaaaaaaaaaaaa", overwrite), SQ_OK);
            write_some(&r, "1:a 2:b");
            last(&r);
            prepare(&r, 1);
            make_harsh(&h, at, false);
            w.ctx.os = &h.os;
            done = commit(&r, 1) == SQ_OK;
            w.ctx.os = &sq_os_posix;
            killed(&r, &p);
            assert_int_equal(try_open(&r, &w, w.path, JOB_A, "bbbbbbbbbbbbbbbb", overwrite), SQ_OK);
            assert_int_equal(recover(&r, 1, &p), SQ_OK);
            assert_int_equal(commit(&r, 1), SQ_OK);
            expect_ids(w.path, overwrite ? "1 2 " : "9 1 2 ");
            write_some(&r, "3:c");
            last(&r);
            prepare(&r, 2);
            assert_int_equal(commit(&r, 2), SQ_OK);
            expect_ids(w.path, overwrite ? "1 2 3 " : "9 1 2 3 ");
            close_run(&r);
            assert_int_equal(hidden(&w), 0);
            sq_buf_free(&p);
            assert_true(!done || at > 2);
        }
    end(&w);
}

static void test_file_empty(void **state)
{
    struct world w;
    struct run r;
    (void)state;
    begin(&w);
    for (int i = 0; i < 4; i++) {                        /* not there, there, with rows, with rows and OVERWRITE */
        if (i == 2)
            put(w.path, "{\"id\":9}\n");
        assert_int_equal(try_open(&r, &w, w.path, JOB_A, "aaaaaaaaaaaaaaaa", i == 3), SQ_OK);
        last(&r);
        prepare(&r, 1);
        assert_int_equal(commit(&r, 1), SQ_OK);
        assert_int_equal(commit(&r, 1), SQ_OK);
        assert_true(access(w.path, F_OK) == 0);
        expect_ids(w.path, i == 2 ? "9 " : "");
        close_run(&r);
        assert_int_equal(hidden(&w), 0);
    }
    end(&w);
}

static void test_file_lost(void **state)
{
    struct world w;
    struct run r;
    struct sq_buf p;
    char cmd[256];
    (void)state;
    begin(&w);
    open_run(&r, &w, w.path, "aaaaaaaaaaaaaaaa");
    epoch(&r, 1, "1:a 2:b");
    killed(&r, &p);
    snprintf(cmd, sizeof cmd, "truncate -s 3 %s/.f.*", w.dir);
    assert_int_equal(system(cmd), 0);
    open_run(&r, &w, w.path, "bbbbbbbbbbbbbbbb");
    assert_int_equal(recover(&r, 1, &p), SQ_IO);
    assert_non_null(strstr(w.ctx.err.msg, "has 3 bytes, and had 34 at epoch 1: rows are lost"));
    close_run(&r);
    snprintf(cmd, sizeof cmd, "rm -f %s/.f.*", w.dir);
    assert_int_equal(system(cmd), 0);
    open_run(&r, &w, w.path, "bbbbbbbbbbbbbbbb");
    assert_int_equal(recover(&r, 1, &p), SQ_IO);
    assert_non_null(strstr(w.ctx.err.msg, "up to epoch 1 are gone"));
    close_run(&r);
    assert_int_equal(try_open(&r, &w, w.path, JOB_B, "bbbbbbbbbbbbbbbb", false), SQ_OK);    /* a savepoint of another job */
    assert_int_equal(recover(&r, 1, &p), SQ_IO);
    assert_non_null(strstr(w.ctx.err.msg, "still in a hidden file of the job that made the savepoint"));
    close_run(&r);
    out_dir(&w, cmd);
    open_run(&r, &w, cmd, "bbbbbbbbbbbbbbbb");
    assert_int_equal(recover(&r, 1, &p), SQ_IO);
    assert_non_null(strstr(w.ctx.err.msg, "was one file at epoch 1, and now is a directory"));
    close_run(&r);
    sq_buf_free(&p);
    end(&w);
}

/* ---- lists that are not whole ---- */

static void test_damaged(void **state)
{
    struct world w;
    struct run r;
    char path[160];
    (void)state;
    begin(&w);
    out_dir(&w, path);
    for (int one = 0; one < 2; one++) {
        struct sq_buf p;
        const char *to = one ? w.path : path;
        open_run(&r, &w, to, "aaaaaaaaaaaaaaaa");
        write_some(&r, "1:a");
        prepare(&r, 1);
        killed(&r, &p);
        for (size_t n = 0; n < p.n; n++) {
            struct sq_buf cut = p;
            cut.n = n;
            open_run(&r, &w, to, "bbbbbbbbbbbbbbbb");
            assert_int_equal(recover(&r, 1, &cut), SQ_DATA);
            close_run(&r);
            p.p[n] ^= 0x41;
            open_run(&r, &w, to, "bbbbbbbbbbbbbbbb");
            if (recover(&r, 1, &p) == SQ_OK)             /* another number or size may be as good */
                (void)!commit(&r, 1);
            close_run(&r);
            p.p[n] ^= 0x41;
        }
        sq_buf_free(&p);
    }
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory), cmocka_unit_test(test_directory_kills), cmocka_unit_test(test_directory_taken_away), cmocka_unit_test(test_whose),
        cmocka_unit_test(test_file), cmocka_unit_test(test_file_kills), cmocka_unit_test(test_file_commit_fails), cmocka_unit_test(test_file_empty),
        cmocka_unit_test(test_file_lost), cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
