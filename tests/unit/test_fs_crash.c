/* SPDX-License-Identifier: Apache-2.0
 *
 * test_fs_crash.c: the outside world dies at its n-th call, for every n, and once more in the run after that; at last each row is there once and
 * nothing hidden is left. Before and after a commit what is visible are the rows of the first so many epochs; within one, files get their names one by one.
 *
 * The test plays the runtime's part: it keeps what prepare gave, adopts an epoch whose commit may have begun, drops one whose commit has not.
 */
#include "connectors/filesystem/filesystem.h"
#include "conn_world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

enum { EPOCHS = 4, EACH = 4, PARTITIONS = 3 };

/* ---- a world that dies ---- */

struct mortal { struct sq_os os; long die_at, calls; bool once; int64_t now; };

static bool dead(void *arg)
{
    struct mortal *m = arg;
    return m->die_at && (++m->calls == m->die_at || (m->calls > m->die_at && !m->once));
}
static int m_unlink(void *arg, const char *p) { return dead(arg) ? -EIO : sq_os_posix.unlink(NULL, p); }
static int m_rename(void *arg, const char *a, const char *b) { return dead(arg) ? -EIO : sq_os_posix.rename(NULL, a, b); }
static int m_fsync(void *arg, int fd) { (void)fd; return dead(arg) ? -EIO : 0; }
static int m_mkdir(void *arg, const char *p, mode_t mode) { return dead(arg) ? -EIO : sq_os_posix.mkdir(NULL, p, mode); }
static int m_truncate(void *arg, int fd, int64_t n) { return dead(arg) ? -EIO : sq_os_posix.truncate(NULL, fd, n); }
static int m_open(void *arg, const char *p, int flags, mode_t mode) { return dead(arg) ? -EIO : sq_os_posix.open(NULL, p, flags, mode); }
static ssize_t m_write(void *arg, int fd, const void *p, size_t n)
{
    if (!dead(arg))
        return sq_os_posix.write(NULL, fd, p, n);
    if (((struct mortal *)arg)->calls == ((struct mortal *)arg)->die_at)
        (void)!write(fd, p, n / 2);
    return -EIO;
}
static int64_t m_now(void *arg) { return ((struct mortal *)arg)->now; }

static void born(struct mortal *m, long die_at, bool once, int64_t now)
{
    *m = (struct mortal){.os = sq_os_posix, .die_at = die_at, .once = once, .now = now};
    m->os.arg = m;
    m->os.unlink = m_unlink, m->os.rename = m_rename, m->os.fsync = m_fsync, m->os.mkdir = m_mkdir, m->os.truncate = m_truncate;
    m->os.open = m_open, m->os.write = m_write, m->os.now_us = m_now;
}

/* ---- a job ---- */

struct plan { const char *name, *path, *options; bool partitioned; uint32_t open_files; };

struct job {
    struct world *w;
    const struct plan *plan;
    struct sink s;
    uint64_t prepared, done;               /* as the store has them; 0: none */
    struct sq_buf pending;                 /* of the newer */
    struct sq_buf before;                  /* of `done`, where `prepared` is newer */
    uint64_t clock;                        /* minutes: each epoch takes one */
    int runs;
};

static void make_job(struct job *j, struct world *w, const struct plan *p)
{
    static const uint32_t by_s[] = {1};
    char with[256];
    struct sq_table_ext *ext;
    *j = (struct job){.w = w, .plan = p};
    snprintf(with, sizeof with, "connector=filesystem;path=%s/%s;format=json%s", w->dir, p->path, p->options);
    struct sq_table_spec *t = kit_spec(&w->arena, kit_cols, 2, with);
    t->partition = by_s;
    t->npartition = p->partitioned;
    make_ext(w, t, &j->s.c, &ext);
    ((struct sq_fs_table *)(void *)ext)->open_files = p->open_files;
    j->s.spec = (struct sq_sink_spec){.table = t, .ext = ext, .session = &w->session, .mode = SQ_MODE_INSERT};
    j->s.spec.epoch = (struct sq_sink_epochs){.on = true, .job = SQ_STR("01234567-89ab-4def-8123-456789abcdef"), .sink = SQ_STR("t"), .owner = SQ_STR("aaaaaaaaaaaaaaaa")};
    sq_buf_init(&j->pending, &w->ctx);
    sq_buf_init(&j->before, &w->ctx);
}

static sq_rc write_some(struct job *j, struct sq_writer *wr, uint64_t n, uint64_t from, uint64_t to)
{
    char text[256] = "";
    struct sq_out o;
    for (uint64_t i = from; i < to; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d:p%d ", (int)((n - 1) * EACH + i), (int)((n + i) % PARTITIONS));
    text[strlen(text) - 1] = 0;
    kit_fill(&j->w->ctx, &o, text);
    sq_rc rc = j->s.c->sink->write(wr, sq_out_batch(&o));
    sq_out_free(&o);
    return rc;
}

static void keep(struct sq_buf *to, const struct sq_buf *from)
{
    sq_buf_reset(to);
    sq_buf_add(to, from->p, from->n);
}

static struct { int seen[EPOCHS * EACH], rows, hidden, complete; } found;

static int look_at(const char *path, const struct stat *st, int type, struct FTW *at)
{
    char line[64];
    (void)st;
    if (type != FTW_F || path[at->base] == '.') {
        found.hidden += type == FTW_F;
        return 0;
    }
    if (strcmp(path + at->base, "_SUCCESS") == 0) {
        found.complete++;
        return 0;
    }
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        long id = strtol(line + 6, NULL, 10);
        assert_non_null(strchr(line, '\n'));
        if (id == 999)                                   /* of the old file */
            continue;
        assert_in_range(id, 0, EPOCHS * EACH - 1);
        assert_int_equal(++found.seen[id], 1);
        found.rows++;
    }
    fclose(f);
    return 0;
}

/* What is visible: whole epochs, the first ones, each row once. Returns how many. */
static uint64_t look(struct job *j, bool also_hidden)
{
    uint64_t whole = 0;
    memset(&found, 0, sizeof found);
    assert_int_equal(nftw(j->w->dir, look_at, 8, FTW_PHYS), 0);
    while (whole < EPOCHS && found.seen[whole * EACH] && found.seen[whole * EACH + 1] && found.seen[whole * EACH + 2] && found.seen[whole * EACH + 3])
        whole++;
    if (!j->prepared)
        assert_int_equal(found.rows, whole * EACH);
    if (also_hidden)
        assert_int_equal(found.hidden, 0);
    return whole;
}

static sq_rc begin_again(struct job *j, struct sq_writer *wr)
{
    const struct sq_sink_class *c = j->s.c->sink;
    uint64_t n = j->prepared ? j->prepared : j->done;
    if (n == 0)
        return SQ_OK;
    SQ_TRY(c->recover(wr, n, sq_buf_view(&j->pending)));
    if (j->prepared) {
        SQ_TRY(c->commit(wr, n));
        j->done = n;
        j->prepared = 0;
    }
    return SQ_OK;
}

/* Runs until all epochs are done, or the world dies. `drop`: an epoch that is prepared, and whose commit was not begun, has not happened. */
static sq_rc epochs(struct job *j, struct sq_writer *wr, struct mortal *m, bool drop)
{
    const struct sq_sink_class *c = j->s.c->sink;
    SQ_TRY(begin_again(j, wr));
    while (j->done < EPOCHS) {
        uint64_t n = j->done + 1;
        struct sq_buf got;
        m->now = (int64_t)++j->clock * 60 * SQ_US_PER_S;
        SQ_TRY(write_some(j, wr, n, 0, EACH / 2));
        SQ_TRY(write_some(j, wr, n, EACH / 2, EACH));
        if (n == EPOCHS)
            c->last(wr, true);
        sq_buf_init(&got, &j->w->ctx);
        sq_rc rc = c->prepare(wr, n, &got);
        if (rc == SQ_OK) {
            keep(&j->before, &j->pending);
            keep(&j->pending, &got);
            j->prepared = n;
        }
        sq_buf_free(&got);
        SQ_TRY(rc);
        if (drop && m->die_at && m->calls + 1 >= m->die_at) {   /* it dies here, and the decider had not decided */
            keep(&j->pending, &j->before);
            j->prepared = 0;
            m->calls = m->die_at;
            return SQ_IO;
        }
        SQ_TRY(c->commit(wr, n));
        j->done = n;
        j->prepared = 0;
    }
    return SQ_OK;
}

static sq_rc one_run(struct job *j, long die_at, bool once, bool drop)
{
    struct mortal m;
    struct sq_writer *wr = NULL;
    char owner[17];
    born(&m, die_at, once, (int64_t)j->clock * 60 * SQ_US_PER_S);
    j->w->ctx.os = &m.os;
    snprintf(owner, sizeof owner, "%016d", ++j->runs);
    j->s.spec.epoch.owner = sq_str_of(owner);
    sq_rc rc = j->s.c->sink->open(&j->w->ctx, &j->s.spec, &wr);
    if (rc == SQ_OK)
        rc = epochs(j, wr, &m, drop);
    if (rc != SQ_OK && !(m.die_at && m.calls >= m.die_at))
        fail_msg("%s, dead at %ld: %s", j->plan->name, die_at, j->w->ctx.err.msg);
    if (wr)
        j->s.c->sink->close(wr);
    j->w->ctx.os = &sq_os_posix;
    uint64_t visible = look(j, false);
    assert_true(visible <= j->done + (j->prepared > 0));
    return rc;
}

static int remove_it(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    return at->level ? remove(path) : 0;
}

static void clear(struct world *w, const struct plan *p)
{
    char path[128];
    assert_int_equal(nftw(w->dir, remove_it, 8, FTW_PHYS | FTW_DEPTH), 0);
    if (strcmp(p->path, "old.json") == 0) {
        snprintf(path, sizeof path, "%s/old.json", w->dir);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs("{\"id\":999}\n", f);
        fclose(f);
    }
}

/* A first death at every call, a second at a few. */
static void dies(const struct plan *p)
{
    struct world w;
    struct job j;
    begin(&w);
    for (int how = 0; how < 4; how++)                    /* one call fails, or all from there on; an epoch that was not decided happened, or did not */
        for (long second = 0; second < (how % 3 ? 1 : 10); second = second * 2 + 1)
            for (long at = 1, whole = 0; !whole; at += second ? 11 - second : how % 3 ? 2 : 1) {
                clear(&w, p);
                make_job(&j, &w, p);
                whole = one_run(&j, at, how & 1, how & 2) == SQ_OK;
                if (second && !whole)
                    one_run(&j, second, how & 1, how & 2);
                if (j.done < EPOCHS || j.prepared)
                    assert_int_equal(one_run(&j, 0, false, how & 2), SQ_OK);
                assert_int_equal(look(&j, true), EPOCHS);
                assert_int_equal(found.complete, strstr(p->options, "success-file") ? PARTITIONS : 0);
                sq_buf_free(&j.pending);
                sq_buf_free(&j.before);
            }
    end(&w);
}

static void test_directory(void **state)
{
    (void)state;
    dies(&(struct plan){"directory", "d/", "", false, 0});
}

static void test_partitions(void **state)
{
    (void)state;
    dies(&(struct plan){"partitions", "d", "", true, 2});
}

/* Files stay open for two minutes, or until they have 100 bytes. */
static void test_spanning(void **state)
{
    (void)state;
    dies(&(struct plan){"spanning", "d/", ";sink.rolling-policy.rollover-interval=2min", false, 0});
    dies(&(struct plan){"spanning by size", "d/", ";sink.rolling-policy.inactivity-interval=1h;sink.rolling-policy.file-size=100b", false, 0});
}

static void test_spanning_partitions(void **state)
{
    (void)state;
    dies(&(struct plan){"spanning partitions", "d", ";sink.rolling-policy.rollover-interval=2min", true, 1});
}

/* Each partition is said to be complete, by the clock at each commit, or at the end. */
static void test_complete(void **state)
{
    (void)state;
    dies(&(struct plan){"complete at once", "d", ";sink.partition-commit.policy.kind=success-file", true, 1});
    dies(&(struct plan){"complete later", "d", ";sink.partition-commit.policy.kind=success-file;sink.partition-commit.delay=1h;sink.rolling-policy.rollover-interval=2min", true, 0});
}

static void test_one_file(void **state)
{
    (void)state;
    dies(&(struct plan){"one file", "new.json", "", false, 0});
    dies(&(struct plan){"one file, and an old one", "old.json", "", false, 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory), cmocka_unit_test(test_partitions), cmocka_unit_test(test_spanning), cmocka_unit_test(test_spanning_partitions),
        cmocka_unit_test(test_complete), cmocka_unit_test(test_one_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
