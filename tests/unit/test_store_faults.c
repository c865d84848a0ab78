/* SPDX-License-Identifier: Apache-2.0
 *
 * test_store_faults.c: the checkpoint store while everything fails: the n-th call to the system, the n-th allocation, the n-th write or read of SQLite, for every
 * n; a full disk; kill -9 at random moments. Each time the error is clean, nothing leaks, nothing is half-made, and the store opens again with the state of before
 * or after, never something else.
 */
#include "store_kit.h"
#include "sqlite_faults.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* A life of a store: new, or with checkpoints up to `last`; one more epoch, prepared and done; one dropped. How far it came is in *at. */
static sq_rc live(struct world *w, struct sq_store **s, uint64_t *prepared, uint64_t *done)
{
    SQ_TRY(sq_store_open(&w->ctx, w->job_dir, SQ_STR("a job's name"), s));
    for (uint64_t epoch = *done + 1; epoch <= 2; epoch++) {
        SQ_TRY(w_put(w, *s, epoch));
        *prepared = epoch;
        SQ_TRY(sq_store_done(*s, epoch, 2));
        *done = epoch;
    }
    SQ_TRY(w_put(w, *s, 3));
    *prepared = 3;
    return sq_store_drop(*s, 3);
}

/* What is there agrees with how far it came: of the step that failed it may have happened or not. */
static void check_after(struct world *w, uint64_t prepared, uint64_t done)
{
    struct sq_store_entry *e;
    uint32_t n;
    struct sq_store *s = w_open_store(w);
    w_ok(w, sq_store_list(s, &w->arena, &e, &n));
    const uint64_t newest = n ? e[0].epoch : 0;
    if (newest < done || newest > prepared + 1)
        fail_msg("newest %llu, prepared %llu, done %llu", (unsigned long long)newest, (unsigned long long)prepared, (unsigned long long)done);
    for (uint32_t i = 0; i < n; i++) {
        if (e[i].status != SQ_STORE_DONE && (i > 0 || e[i].epoch <= done))
            fail_msg("checkpoint %llu is not done", (unsigned long long)e[i].epoch);
        if (!e[i].path && e[i].status == SQ_STORE_DONE)
            fail_msg("checkpoint %llu is gone", (unsigned long long)e[i].epoch);
        if (e[i].path)
            w_check(w, s, e[i].epoch);
    }
    assert_true(done < 2 || n >= 2);                     /* the one before is kept */
    for (uint64_t epoch = 1; epoch < 6; epoch++) {
        char name[64];
        snprintf(name, sizeof name, "chk-%llu.db.tmp", (unsigned long long)epoch);
        assert_false(w_exists(w, name));
    }
    if (n && e[0].status == SQ_STORE_PREPARED)
        w_ok(w, sq_store_drop(s, e[0].epoch));
    w_make(w, s, 7, 1);                                  /* and it goes on */
    w_check(w, s, 7);
    sq_store_close(s);
    sq_arena_free(&w->arena);
}

static int remove_one(void *dir, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)dir, name);
    assert_int_equal(unlink(path), 0);
    return 0;
}

static void start_anew(struct world *w, uint64_t *prepared, uint64_t *done, bool with_history)
{
    if (access(w->job_dir, F_OK) == 0)
        W_REAL->list(NULL, w->job_dir, remove_one, w->job_dir);
    rmdir(w->job_dir);
    *prepared = *done = 0;
    if (with_history) {
        struct sq_store *s = w_open_store(w);
        w_make(w, s, 1, 2);
        *prepared = *done = 1;
        sq_store_close(s);
    }
    w->notices[0] = 0;
}

/* ---- what is made durable, and in which order: kill -9 would not show it ---- */

static void synced(char *trace) { w_trace(trace, 'S'); }

static void durable_in_order(void **state)
{
    struct world w;
    char from[256], to[256];
    (void)state;
    w_begin(&w);
    assert_true(faults_begin());
    faults.synced = synced;
    faults.trace = w.trace;
    struct sq_store *s = w_open_store(&w);
    assert_non_null(strstr(w.trace, "FFFFRF"));          /* the parents of a and a/job, the directory without old logs; then the index, its name, its directory */
    w_make(&w, s, 1, 2);
    w_make(&w, s, 2, 2);
    w.trace[0] = 0;
    w_ok(&w, w_put(&w, s, 3));
    assert_string_equal(w.trace, "FRFS");                /* the file, its name, the directory, the line */
    w.trace[0] = 0;
    w_ok(&w, sq_store_done(s, 3, 2));
    assert_string_equal(w.trace, "S");
    w.trace[0] = 0;
    snprintf(from, sizeof from, "%s/chk-3.db", w.job_dir);
    snprintf(to, sizeof to, "%s/s.db", w.dir);
    w_ok(&w, sq_store_copy(&w.ctx, from, to));
    assert_string_equal(w.trace, "FRF");
    w.trace[0] = 0;
    w_ok(&w, w_put(&w, s, 4));
    w.trace[0] = 0;
    w_ok(&w, sq_store_drop(s, 4));
    assert_string_equal(w.trace, "S");
    w.trace[0] = 0;
    w_ok(&w, sq_store_renew(s));
    assert_string_equal(w.trace, "S");
    sq_store_close(s);
    faults_end();
    w_end(&w);
}

/* ---- our calls to the system ---- */

static void system_calls_fail(void **state)
{
    struct world w;
    uint64_t prepared, done;
    (void)state;
    w_begin(&w);
    for (int kind = 0; kind < 4; kind++)
        for (long n = 1;; n += kind % 3 ? 5 : 1) {       /* two of the four in full */
            struct sq_store *s = NULL;
            start_anew(&w, &prepared, &done, kind & 1);
            w.calls = 0;
            w.fail_at = n;
            w.after_too = kind & 2;
            w.error = n % 2 ? -EIO : -ENOSPC;
            sq_rc rc = live(&w, &s, &prepared, &done);
            bool reached = w.calls >= n;
            w.after_too = false;
            w.fail_at = 0;
            sq_store_close(s);
            if (rc != SQ_OK && rc != SQ_IO && rc != SQ_EXTERNAL)
                fail_msg("call %ld: %d %s", n, rc, w.ctx.err.msg);
            assert_true(rc == SQ_OK || strstr(w.ctx.err.msg, "/dev") || strstr(w.ctx.err.msg, "/tmp"));      /* it names the file */
            check_after(&w, prepared, done);
            if (!reached)
                break;
        }
    w_end(&w);
}

/* ---- memory ---- */

static void allocations_fail(void **state)
{
    struct world w;
    uint64_t prepared, done;
    (void)state;
    w_begin(&w);
    for (int history = 0; history < 2; history++)
        for (long n = 1;; n++) {
            struct sq_store *s = NULL;
            start_anew(&w, &prepared, &done, history);
            w.budget.fail_at = n;
            sq_rc rc = live(&w, &s, &prepared, &done);
            bool reached = w.budget.fail_at <= 0;
            w.budget.fail_at = 0;
            sq_store_close(s);
            if (reached)
                w_bad(&w, rc, SQ_NOMEM, "out of memory");
            assert_int_equal(w.budget.used, 0);
            check_after(&w, prepared, done);
            if (!reached)
                break;
        }
    w_end(&w);
}

/* Reading, and making the index anew, while memory fails. */
static void reading_fails(void **state)
{
    struct world w;
    uint64_t prepared, done;
    (void)state;
    w_begin(&w);
    start_anew(&w, &prepared, &done, true);
    w_shell("cp -r %s %s/copy", w.job_dir, w.dir);
    for (int lost = 0; lost < 2; lost++)
        for (long n = 1;; n++) {
            struct sq_store *s = NULL;
            struct sq_store_reader *r = NULL;
            struct sq_saved v;
            w_shell("rm -rf %s; cp -r %s/copy %s", w.job_dir, w.dir, w.job_dir);
            if (lost)
                w_shell("rm %s/index.db", w.job_dir);
            w.budget.fail_at = n;
            sq_rc rc = sq_store_open(&w.ctx, w.job_dir, SQ_STR("a job's name"), &s);
            if (rc == SQ_OK)
                rc = sq_store_get(s, 1, &r, &v);
            if (rc == SQ_OK)
                rc = sq_store_verify(r);
            bool reached = w.budget.fail_at <= 0;
            w.budget.fail_at = 0;
            sq_store_reader_close(r);
            sq_store_close(s);
            if (reached)
                w_bad(&w, rc, SQ_NOMEM, "out of memory");
            s = w_open_store(&w);
            assert_string_equal(w_list_text(&w, s), lost ? "1P" : "1");
            w_check(&w, s, 1);
            sq_store_close(s);
            sq_arena_reset(&w.arena);
            if (!reached)
                break;
        }
    w_end(&w);
}

/* ---- SQLite's own file operations ---- */

static void sqlite_writes_fail(void **state)
{
    struct world w;
    uint64_t prepared, done;
    (void)state;
    w_begin(&w);
    assert_true(faults_begin());
    for (int kind = 0; kind < 4; kind++)
        for (long n = 1;; n += kind % 3 ? 5 : 1) {
            struct sq_store *s = NULL;
            start_anew(&w, &prepared, &done, kind & 1);
            faults.calls = 0;
            faults.writes = true;
            faults.after_too = kind & 2;
            faults.error = n % 2 ? SQLITE_FULL : 0;
            faults.fail_at = n;
            sq_rc rc = live(&w, &s, &prepared, &done);
            bool reached = faults.calls >= n;
            faults.fail_at = 0;
            sq_store_close(s);
            if (rc != SQ_OK && (rc != SQ_IO || !strstr(w.ctx.err.msg, w.job_dir) || (faults.error && !strstr(w.ctx.err.msg, "the disk is full") &&
                                                                                     !strstr(w.ctx.err.msg, "cannot "))))
                fail_msg("write %ld: %d %s", n, rc, w.ctx.err.msg);
            check_after(&w, prepared, done);
            if (!reached)
                break;
        }
    faults_end();
    w_end(&w);
}

static void sqlite_reads_fail(void **state)
{
    struct world w;
    struct sq_store *s;
    (void)state;
    w_begin(&w);
    assert_true(faults_begin());
    s = w_open_store(&w);
    w_make(&w, s, 1, 1);
    for (long n = 1;; n++) {
        struct sq_store_reader *r;
        struct sq_saved v;
        faults.calls = 0;
        faults.reads = true;
        faults.fail_at = n;
        sq_rc rc = sq_store_get(s, 1, &r, &v);
        if (rc == SQ_OK)
            rc = sq_store_verify(r);
        faults.fail_at = 0;
        bool reached = faults.calls >= n;
        sq_store_reader_close(r);
        if (!reached) {
            w_ok(&w, rc);
            break;
        }
        if (rc != SQ_OK)                                 /* not "damaged": the file may be well */
            w_bad(&w, rc, SQ_IO, "cannot read checkpoint");
    }
    faults.reads = false;
    w_check(&w, s, 1);
    sq_store_close(s);
    faults_end();
    w_end(&w);
}

/* SQLite takes its memory itself. */
static void sqlite_memory_fails(void **state)
{
    struct world w;
    uint64_t prepared, done;
    (void)state;
    w_begin(&w);
    assert_true(faults_begin());
    start_anew(&w, &prepared, &done, true);
    const int64_t base = faults.memory_used();
    int failed = 0;
    for (int64_t limit = 1000; limit < 4000000; limit += limit / 12) {
        struct sq_store *s = NULL;
        start_anew(&w, &prepared, &done, true);
        faults.heap_limit(base + limit);
        sq_rc rc = live(&w, &s, &prepared, &done);
        struct sq_store_reader *r = NULL;
        struct sq_saved v;
        if (rc == SQ_OK)
            rc = sq_store_get(s, 2, &r, &v);
        if (rc == SQ_OK)
            rc = sq_store_verify(r);
        sq_store_reader_close(r);
        faults.heap_limit(0);
        sq_store_close(s);
        if (rc != SQ_OK)
            w_bad(&w, rc, SQ_NOMEM, "out of memory");
        failed += rc != SQ_OK;
        check_after(&w, prepared, done);
    }
    assert_true(failed > 20);
    assert_int_equal(faults.memory_used(), base);
    faults_end();
    w_end(&w);
}

/* A limit on the size of files: writes that are short, then fail. */
static void no_more_room(void **state)
{
    struct world w;
    int status;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 1, 1);
    sq_store_close(s);
    pid_t child = fork();
    if (child == 0) {
        struct sq_store_writer *wr;
        struct rlimit limit = {3000000, 3000000};
        char *mb = calloc(1, 1 << 20);
        setrlimit(RLIMIT_FSIZE, &limit);
        signal(SIGXFSZ, SIG_IGN);
        s = w_open_store(&w);
        w_ok(&w, sq_store_begin(s, 2, &wr));
        sq_rc rc = SQ_OK;
        for (uint32_t i = 0; i < 16 && rc == SQ_OK; i++)
            rc = sq_store_chunk(wr, 1, 0, i, mb, 1 << 20);
        w_bad(&w, rc, SQ_IO, "chk-2.db: file too large");
        w_bad(&w, sq_store_chunk(wr, 1, 0, 0, mb, 1), SQ_IO, "a write before this one failed");
        struct sq_saved_op op = {.uid = 1, .name = SQ_STR("x"), .nchunks = 2};
        struct sq_saved v = {.job = sq_store_job(s), .epoch = 2, .ops = &op, .nops = 1};
        int64_t bytes;
        w_bad(&w, sq_store_prepared(wr, &v, &bytes), SQ_IO, "a write before this one failed");
        assert_string_equal(w_list_text(&w, s), "1");
        w_check(&w, s, 1);
        sq_store_close(s);
        free(mb);
        _exit(w_files(&w) == 3 ? 0 : 1);                 /* lock, index, chk-1 */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    w_end(&w);
}

/* ---- kill -9 ---- */

struct progress { uint64_t epoch; char step; };

static void endless_life(struct world *w, uint64_t epoch, int out)
{
    struct progress open = {epoch, 'O'};
    struct sq_store *s = w_open_store(w);
    struct sq_store_entry *e;
    uint32_t n;
    assert_int_equal(write(out, &open, sizeof open), sizeof open);
    w_ok(w, sq_store_list(s, &w->arena, &e, &n));
    if (n && e[0].status == SQ_STORE_PREPARED)
        w_ok(w, sq_store_done(s, e[0].epoch, 2));
    epoch = n ? e[0].epoch : epoch;
    for (;;) {
        struct progress p = {++epoch, 'P'};
        w_ok(w, w_put(w, s, epoch));
        assert_int_equal(write(out, &p, sizeof p), sizeof p);
        if (epoch % 7 == 0) {                            /* one that did not happen, then the same again */
            w_ok(w, sq_store_drop(s, epoch));
            w_ok(w, w_put(w, s, epoch));
        }
        w_ok(w, sq_store_done(s, epoch, 2));
        p.step = 'D';
        assert_int_equal(write(out, &p, sizeof p), sizeof p);
    }
}

static void killed(void **state)
{
    enum { KILLS = 80 };
    struct world w;
    uint64_t seed = 99, prepared = 0, done = 0;
    (void)state;
    w_begin(&w);
    struct sq_store *first = w_open_store(&w);
    const int64_t begun = W_REAL->mono_ns(NULL);
    w_make(&w, first, ++done, 2);
    const uint64_t long_us = (uint64_t)(W_REAL->mono_ns(NULL) - begun) / 1000 * 4;   /* a kill comes within the time of four checkpoints */
    sq_store_close(first);
    prepared = done;
    for (int i = 0; i < KILLS; i++) {
        struct progress p;
        int up[2];
        assert_int_equal(pipe(up), 0);
        pid_t child = fork();
        if (child == 0) {
            close(up[0]);
            endless_life(&w, done, up[1]);
            _exit(1);
        }
        close(up[1]);
        if (i % 4)                                       /* else also while it opens */
            assert_int_equal(read(up[0], &p, sizeof p), sizeof p);
        W_REAL->sleep_us(NULL, (int64_t)(w_random(&seed) % long_us));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(up[0], &p, sizeof p) == sizeof p) {
            if (p.step == 'P')
                prepared = p.epoch;
            if (p.step == 'D')
                done = p.epoch;
        }
        close(up[0]);

        struct sq_store_entry *e;
        uint32_t n;
        struct sq_store *s = w_open_store(&w);
        w_ok(&w, sq_store_list(s, &w.arena, &e, &n));
        uint64_t newest = n ? e[0].epoch : 0;
        assert_true(newest >= prepared - (prepared > done) && newest >= done && newest <= prepared + 1);   /* - : it was being dropped */
        if (newest < prepared)
            assert_int_equal(prepared % 7, 0);
        for (uint32_t k = 0; k < n; k++) {
            assert_true(e[k].status == SQ_STORE_DONE || (k == 0 && e[k].epoch > done));
            assert_non_null(e[k].path);
            w_check(&w, s, e[k].epoch);
        }
        sq_store_close(s);
        int files = w_files(&w);
        assert_int_equal(files, 2 + (int)n);             /* lock, index, and nothing that was left over */
        prepared = newest;
        sq_arena_reset(&w.arena);
    }
    assert_true(done > KILLS / 8);
    print_message("%llu checkpoints through %d kills\n", (unsigned long long)done, KILLS);
    w_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durable_in_order),
        cmocka_unit_test(system_calls_fail), cmocka_unit_test(allocations_fail),    cmocka_unit_test(reading_fails), cmocka_unit_test(sqlite_writes_fail),
        cmocka_unit_test(sqlite_reads_fail), cmocka_unit_test(sqlite_memory_fails), cmocka_unit_test(no_more_room),  cmocka_unit_test(killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
