/* SPDX-License-Identifier: Apache-2.0
 *
 * test_store_request.c: savepoints: copies, and asking another process for one, which answers, refuses, is slow, dies, or is not there.
 */
#include "store_kit.h"

#include <sys/prctl.h>
#include <sys/wait.h>

enum { SOON_MS = 300, LONG_MS = 20000 };

static int64_t now_ms(void) { return W_REAL->mono_ns(NULL) / 1000000; }

/* What is at `path` is checkpoint `epoch`, whole. */
static void is_copy(struct world *w, const char *path, uint64_t epoch)
{
    struct sq_store_reader *r;
    struct sq_saved v;
    w_ok(w, sq_store_read(&w->ctx, path, &r, &v));
    w_ok(w, sq_store_verify(r));
    assert_int_equal(v.epoch, epoch);
    sq_store_reader_close(r);
}

/* ---- copies ---- */

static void copies(void **state)
{
    struct world w;
    char from[256], to[256], old[512];
    struct stat st;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 1, 1);
    snprintf(from, sizeof from, "%s/chk-1.db", w.job_dir);
    snprintf(to, sizeof to, "%s/new/dir/s.db", w.dir);
    w_ok(&w, sq_store_copy(&w.ctx, from, to));
    is_copy(&w, to, 1);
    w_shell("cmp %s %s", from, to);
    assert_int_equal(stat(to, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    w_bad(&w, sq_store_copy(&w.ctx, from, to), SQ_IO, "s.db: there is such a file");
    snprintf(to, sizeof to, "%s/t.db", w.dir);
    w_shell("touch %s.tmp", to);                          /* of one that was killed */
    w_ok(&w, sq_store_copy(&w.ctx, from, to));
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(w.dir), 0);
    w_ok(&w, sq_store_copy(&w.ctx, from, "here.db"));
    is_copy(&w, "here.db", 1);
    assert_int_equal(chdir(old), 0);
    w_bad(&w, sq_store_copy(&w.ctx, "/nowhere/chk-1.db", "/tmp/never"), SQ_IO, "cannot read checkpoint /nowhere/chk-1.db: no such file");
    snprintf(to, sizeof to, "%s/bad.db", w.dir);
    w_shell("dd if=/dev/zero of=%s bs=1000 seek=900 count=60 conv=notrunc status=none", from);
    w_bad(&w, sq_store_copy(&w.ctx, from, to), SQ_DATA, "cannot copy checkpoint ");
    assert_int_equal(access(to, F_OK), -1);
    w_shell("test ! -e %s.tmp", to);
    sq_store_close(s);
    w_end(&w);
}

/* The n-th call to the outside fails: an error, and no file; or all is well. */
static void copy_fails(void **state)
{
    struct world w;
    char from[256], to[256];
    bool done = false;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 1, 1);
    snprintf(from, sizeof from, "%s/chk-1.db", w.job_dir);
    snprintf(to, sizeof to, "%s/s.db", w.dir);
    for (long n = 1; !done; n++) {
        w.calls = 0;
        w.fail_at = n;
        w.error = -ENOSPC;
        sq_rc rc = sq_store_copy(&w.ctx, from, to);
        done = w.calls < n;
        w.fail_at = 0;
        assert_true(rc == SQ_OK || rc == SQ_IO);
        assert_true(rc == SQ_OK || strstr(w.ctx.err.msg, "s.db") || strstr(w.ctx.err.msg, from) || strstr(w.ctx.err.msg, "directory"));
        if (rc == SQ_OK || access(to, F_OK) == 0)        /* it has its name when only the directory could not be synced */
            is_copy(&w, to, 1);
        if (rc != SQ_OK)
            w_shell("test ! -e %s.tmp", to);
        unlink(to);
    }
    for (long n = 1;; n++) {
        w.budget.fail_at = n;
        sq_rc rc = sq_store_copy(&w.ctx, from, to);
        bool out = w.budget.fail_at > 0;
        w.budget.fail_at = 0;
        if (rc == SQ_OK && out)
            break;
        w_bad(&w, rc, SQ_NOMEM, "out of memory");
        assert_int_equal(access(to, F_OK), -1);
    }
    sq_store_close(s);
    w_end(&w);
}

static void names(void **state)
{
    struct world w;
    struct sq_buf b;
    char want[300], path[256];
    (void)state;
    w_begin(&w);
    sq_buf_init(&b, &w.ctx);
    w_ok(&w, sq_store_savepoint_path(&w.ctx, "some/file.db", 7, &b));
    assert_string_equal(b.p, "some/file.db");
    sq_buf_reset(&b);
    w_ok(&w, sq_store_savepoint_path(&w.ctx, "/no/such/dir/", 7, &b));
    assert_string_equal(b.p, "/no/such/dir/savepoint-7.db");
    for (int i = 1; i < 4; i++) {
        sq_buf_reset(&b);
        w_ok(&w, sq_buf_puts(&b, ">"));
        w_ok(&w, sq_store_savepoint_path(&w.ctx, w.dir, 7, &b));
        snprintf(path, sizeof path, i == 1 ? "%s/savepoint-7.db" : "%s/savepoint-7-%d.db", w.dir, i);
        snprintf(want, sizeof want, ">%s", path);
        assert_string_equal(b.p, want);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    w_shell("cd %s && touch $(seq -f savepoint-7-%%.0f.db 4 1000)", w.dir);
    w_bad(&w, sq_store_savepoint_path(&w.ctx, w.dir, 7, &b), SQ_IO, "has 1000 savepoints of checkpoint 7");
    sq_buf_free(&b);
    w_end(&w);
}

/* ---- asking ---- */

enum job { ANSWERS, REFUSES, SLEEPS, DIES, DIES_AFTER_ANSWER, TAKES_AWAY };

/* A process that runs the job: epochs 1 and 2 are done, 3 is prepared. */
static pid_t start_job(struct world *w, enum job what)
{
    int up[2];
    char c;
    assert_int_equal(pipe(up), 0);
    pid_t child = fork();
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);                /* a test that fails leaves nobody behind */
    if (child) {
        close(up[1]);
        assert_int_equal(read(up[0], &c, 1), 1);
        close(up[0]);
        return child;
    }
    struct sq_store *s = w_open_store(w);
    const char *path, *token;
    struct sq_buf made = {.ctx = &w->ctx};
    w_make(w, s, 1, 5);
    w_make(w, s, 2, 5);
    w_ok(w, w_put(w, s, 3));
    assert_int_equal(write(up[1], "x", 1), 1);
    for (;;) {
        w_ok(w, sq_store_requested(s, &w->arena, &path, &token));
        if (path && what == DIES)
            raise(SIGKILL);
        if (path && what == TAKES_AWAY)
            w_shell("rm %s/request-*", w->job_dir);
        if (path && what == REFUSES)
            w_ok(w, sq_store_answer(s, token, NULL, "the sink 'out' is down:\ntwo lines"));
        if (path && (what == ANSWERS || what == DIES_AFTER_ANSWER)) {
            char from[256];
            snprintf(from, sizeof from, "%s/chk-2.db", w->job_dir);
            sq_buf_reset(&made);
            w_ok(w, sq_store_savepoint_path(&w->ctx, path, 2, &made));
            w_ok(w, sq_store_copy(&w->ctx, from, made.p));
            w_ok(w, sq_store_answer(s, token, made.p, NULL));
            if (what == DIES_AFTER_ANSWER)
                raise(SIGKILL);
        }
        W_REAL->sleep_us(NULL, 5000);
    }
}

static void stop_job(pid_t job)
{
    kill(job, SIGKILL);
    assert_int_equal(waitpid(job, NULL, 0), job);
}

static void asked(struct world *w, sq_rc rc, struct sq_buf *made, const char *want, uint64_t epoch)
{
    w_ok(w, rc);
    assert_string_equal(made->p, want);
    is_copy(w, made->p, epoch);
    sq_buf_reset(made);
    w_shell("! ls %s/request-* %s/answer-* 2> /dev/null", w->job_dir, w->job_dir);
}

static void answered_by_a_job(void **state)
{
    struct world w;
    struct sq_buf made;
    char want[256], old[512];
    (void)state;
    w_begin(&w);
    sq_buf_init(&made, &w.ctx);
    pid_t job = start_job(&w, ANSWERS);
    snprintf(want, sizeof want, "%s/x.db", w.dir);
    asked(&w, sq_store_request(&w.ctx, w.job_dir, want, LONG_MS, &made), &made, want, 2);
    snprintf(want, sizeof want, "%s/savepoint-2.db", w.job_dir);      /* no path: the job's directory */
    asked(&w, sq_store_request(&w.ctx, w.job_dir, NULL, LONG_MS, &made), &made, want, 2);
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(w.dir), 0);                   /* of the asker; the job has another */
    snprintf(want, sizeof want, "%s/rel/savepoint-2.db", w.dir);
    asked(&w, sq_store_request(&w.ctx, "a/job", "rel/", LONG_MS, &made), &made, want, 2);
    assert_int_equal(chdir(old), 0);
    stop_job(job);

    w_shell("rm -r %s", w.job_dir);
    job = start_job(&w, REFUSES);
    w_bad(&w, sq_store_request(&w.ctx, w.job_dir, NULL, LONG_MS, &made), SQ_EXTERNAL, "could not make the savepoint: the sink 'out' is down:\ntwo lines");
    stop_job(job);
    w_shell("! ls %s/request-* %s/answer-* 2> /dev/null", w.job_dir, w.job_dir);
    sq_buf_free(&made);
    w_end(&w);
}

static void several_ask_at_once(void **state)
{
    enum { ASKERS = 6 };
    struct world w;
    pid_t asker[ASKERS];
    (void)state;
    w_begin(&w);
    pid_t job = start_job(&w, ANSWERS);
    for (int i = 0; i < ASKERS; i++)
        if ((asker[i] = fork()) == 0) {
            struct sq_buf made = {.ctx = &w.ctx};
            char path[256];
            snprintf(path, sizeof path, "%s/s%d.db", w.dir, i);
            _exit(sq_store_request(&w.ctx, w.job_dir, path, LONG_MS, &made) == SQ_OK && strcmp(made.p, path) == 0 ? 0 : 1);
        }
    for (int i = 0; i < ASKERS; i++) {
        int status;
        char path[256];
        assert_int_equal(waitpid(asker[i], &status, 0), asker[i]);
        assert_int_equal(status, 0);
        snprintf(path, sizeof path, "%s/s%d.db", w.dir, i);
        is_copy(&w, path, 2);
    }
    stop_job(job);
    w_end(&w);
}

static void job_is_slow(void **state)
{
    struct world w;
    struct sq_buf made;
    char text[96];
    _Atomic int stop = 1;
    (void)state;
    w_begin(&w);
    sq_buf_init(&made, &w.ctx);
    pid_t job = start_job(&w, SLEEPS);
    int64_t begun = now_ms();
    snprintf(text, sizeof text, "process %d has not made the savepoint within %d ms", (int)job, SOON_MS);
    w_bad(&w, sq_store_request(&w.ctx, w.job_dir, NULL, SOON_MS, &made), SQ_EXTERNAL, text);
    assert_true(now_ms() - begun >= SOON_MS && now_ms() - begun < LONG_MS);
    w_shell("! ls %s/request-* 2> /dev/null", w.job_dir);
    w.ctx.interrupt = &stop;
    w_bad(&w, sq_store_request(&w.ctx, w.job_dir, NULL, LONG_MS, &made), SQ_INTERRUPT, "interrupted");
    w.ctx.interrupt = NULL;
    w_shell("! ls %s/request-* 2> /dev/null", w.job_dir);
    stop_job(job);
    w_shell("rm -r %s", w.job_dir);
    job = start_job(&w, TAKES_AWAY);
    w_bad(&w, sq_store_request(&w.ctx, w.job_dir, NULL, LONG_MS, &made), SQ_EXTERNAL, "took the request for a savepoint away without an answer");
    stop_job(job);
    sq_buf_free(&made);
    w_end(&w);
}

static void job_dies(void **state)
{
    struct world w;
    struct sq_buf made;
    char want[256];
    (void)state;
    w_begin(&w);
    sq_buf_init(&made, &w.ctx);
    snprintf(want, sizeof want, "%s/savepoint-2.db", w.dir);
    pid_t job = start_job(&w, DIES);
    asked(&w, sq_store_request(&w.ctx, w.job_dir, w.dir, LONG_MS, &made), &made, want, 2);
    assert_non_null(strstr(w.notices, "checkpoint 3 of"));           /* it is prepared */
    assert_int_equal(waitpid(job, NULL, 0), job);
    w_shell("rm -r %s %s", w.job_dir, want);
    job = start_job(&w, DIES_AFTER_ANSWER);              /* the answer counts */
    asked(&w, sq_store_request(&w.ctx, w.job_dir, w.dir, LONG_MS, &made), &made, want, 2);
    assert_int_equal(waitpid(job, NULL, 0), job);
    w_shell("test ! -e %s/savepoint-2-2.db", w.dir);
    sq_buf_free(&made);
    w_end(&w);
}

static void no_job(void **state)
{
    struct world w;
    struct sq_buf made;
    char want[256];
    (void)state;
    w_begin(&w);
    sq_buf_init(&made, &w.ctx);
    w_bad(&w, sq_store_request(&w.ctx, w.job_dir, NULL, LONG_MS, &made), SQ_IO, "is not a job's checkpoint directory");
    assert_int_equal(access(w.job_dir, F_OK), -1);
    struct sq_store *s = w_open_store(&w);
    w_ok(&w, w_put(&w, s, 1));
    sq_store_close(s);
    w_bad(&w, sq_store_request(&w.ctx, w.job_dir, NULL, LONG_MS, &made), SQ_EXTERNAL, "it has no checkpoint that is done");
    s = w_open_store(&w);
    w_ok(&w, sq_store_done(s, 1, 1));
    w_make(&w, s, 2, 2);
    sq_store_close(s);
    w.notices[0] = 0;
    snprintf(want, sizeof want, "%s/savepoint-2.db", w.job_dir);
    asked(&w, sq_store_request(&w.ctx, w.job_dir, NULL, 0, &made), &made, want, 2);
    assert_string_equal(w.notices, "");
    sq_buf_free(&made);
    w_end(&w);
}

static void newest(void **state)
{
    struct world w;
    struct sq_buf path;
    char want[256];
    (void)state;
    w_begin(&w);
    sq_buf_init(&path, &w.ctx);
    w_bad(&w, sq_store_newest(&w.ctx, w.dir, &path), SQ_IO, "is not a job's checkpoint directory");
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 1, 5);
    w_make(&w, s, 2, 5);
    w_ok(&w, w_put(&w, s, 3));
    w_bad(&w, sq_store_newest(&w.ctx, w.job_dir, &path), SQ_EXTERNAL, "is used by process");
    sq_store_close(s);
    w_ok(&w, sq_store_newest(&w.ctx, w.job_dir, &path));
    snprintf(want, sizeof want, "%s/chk-2.db", w.job_dir);
    assert_string_equal(path.p, want);
    assert_non_null(strstr(w.notices, "checkpoint 3 of"));
    sq_buf_free(&path);
    w_end(&w);
}

/* What the job sees of requests: not those that are over, torn or not ours; cheaply when nothing changes. */
static void requests_seen(void **state)
{
    struct world w;
    const char *path, *token;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_ok(&w, sq_store_requested(s, &w.arena, &path, &token));
    assert_null(path);
    w_shell("cd %s; printf 'savepoint 1 2\\n/x' > request-0000000000000001; printf 'savepoint 9999999999999999 20\\n/x' > request-0000000000000002;"
            "printf 'savepoint 9999999999999999 2\\n/x' > request-zz; printf 'savepoint 9999999999999999 2\\n/x' > request-00000000000000031", w.job_dir);
    w_ok(&w, sq_store_requested(s, &w.arena, &path, &token));
    assert_null(path);
    assert_false(w_exists(&w, "request-0000000000000001"));
    assert_true(w_exists(&w, "request-0000000000000002"));           /* may be being written */
    w_shell("cd %s; touch -d '10 minutes ago' request-0000000000000002; printf 'savepoint 9999999999999999 2\\n/x' > request-000000000000000b;"
            "printf 'savepoint 9999999999999999 3\\n/yz' > request-000000000000000a", w.job_dir);
    for (int i = 0; i < 3; i++) {                        /* the same again until it is answered */
        w_ok(&w, sq_store_requested(s, &w.arena, &path, &token));
        assert_string_equal(path, "/yz");
        assert_string_equal(token, "000000000000000a");
    }
    assert_false(w_exists(&w, "request-0000000000000002"));
    w_ok(&w, sq_store_answer(s, token, "/yz", NULL));
    w_ok(&w, sq_store_requested(s, &w.arena, &path, &token));
    assert_string_equal(path, "/x");
    w_shell("rm %s/request-000000000000000b", w.job_dir);
    w_ok(&w, sq_store_answer(s, token, "/x", NULL));     /* who asked has gone */
    assert_false(w_exists(&w, "answer-000000000000000b"));
    w_ok(&w, sq_store_requested(s, &w.arena, &path, &token));
    assert_null(path);

    w_shell("touch -d '1 minute ago' %s", w.job_dir);
    w_ok(&w, sq_store_requested(s, &w.arena, &path, &token));
    w.calls = 0;
    for (int i = 0; i < 10; i++)
        w_ok(&w, sq_store_requested(s, &w.arena, &path, &token));
    assert_int_equal(w.calls, 10);                       /* a stat each */
    w_shell("printf 'savepoint 9999999999999999 3\\n/yz' > %s/request-000000000000000c", w.job_dir);
    w_ok(&w, sq_store_requested(s, &w.arena, &path, &token));
    assert_string_equal(token, "000000000000000c");
    sq_store_close(s);
    w_shell("cd %s; touch -d '2 hours ago' answer-1 savepoint-3.db.tmp savepoint-3.db request-000000000000000c; touch answer-2 savepoint-4.db.tmp", w.job_dir);
    s = w_open_store(&w);
    assert_false(w_exists(&w, "answer-1") || w_exists(&w, "savepoint-3.db.tmp"));
    assert_true(w_exists(&w, "answer-2") && w_exists(&w, "savepoint-4.db.tmp") && w_exists(&w, "savepoint-3.db"));
    sq_store_close(s);
    w_end(&w);
}

/* Asking while the outside, or memory, fails: never a hang, and afterwards it works. */
static void asking_fails(void **state)
{
    struct world w;
    struct sq_buf made;
    bool done = false;
    (void)state;
    w_begin(&w);
    sq_buf_init(&made, &w.ctx);
    pid_t job = start_job(&w, ANSWERS);
    for (long n = 1; n < 400 && !done; n++) {
        w.calls = 0;
        w.fail_at = n;
        sq_rc rc = sq_store_request(&w.ctx, w.job_dir, w.dir, SOON_MS, &made);
        done = w.calls < n;
        w.fail_at = 0;
        assert_true(rc == SQ_OK || rc == SQ_IO || rc == SQ_EXTERNAL);
        sq_buf_reset(&made);
    }
    for (long n = 1;; n++) {
        w.budget.fail_at = n;
        sq_rc rc = sq_store_request(&w.ctx, w.job_dir, w.dir, LONG_MS, &made);
        bool out = w.budget.fail_at > 0;
        w.budget.fail_at = 0;
        if (rc == SQ_OK && out)
            break;
        assert_int_equal(rc, SQ_NOMEM);
    }
    stop_job(job);
    sq_buf_reset(&made);
    w_ok(&w, sq_store_request(&w.ctx, w.job_dir, w.dir, LONG_MS, &made));
    sq_buf_free(&made);
    w_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),      cmocka_unit_test(copy_fails), cmocka_unit_test(names),  cmocka_unit_test(answered_by_a_job), cmocka_unit_test(several_ask_at_once),
        cmocka_unit_test(job_is_slow), cmocka_unit_test(job_dies),   cmocka_unit_test(no_job), cmocka_unit_test(requests_seen),     cmocka_unit_test(asking_fails),
        cmocka_unit_test(newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
