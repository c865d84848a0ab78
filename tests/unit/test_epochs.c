/* SPDX-License-Identifier: Apache-2.0
 *
 * test_epochs.c: what an INSERT runs with when it has epochs and checkpoints: the SET values frozen in its plan, the job's name and directory, what
 * contradicts itself, what is said once; and when a job that failed goes on by itself.
 */
#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    sqluice *db;
    char dir[64];
    char notices[8192];
    char rows[8192];
    sqluice_stmt *q;
};

static void hear(void *arg, const char *text)
{
    struct world *w = arg;
    size_t n = strlen(w->notices);

    snprintf(w->notices + n, sizeof w->notices - n, "%s\n", text);
}

static void good(struct world *w, const char *sql)
{
    if (sqluice_exec(w->db, sql, NULL, NULL) != SQLUICE_OK)
        fail_msg("%s: %s (%s)", sql, sqluice_errmsg(w->db), sqluice_errhint(w->db));
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    sqluice_config config = {.notice = hear, .notice_arg = w};

    snprintf(w->dir, sizeof w->dir, "/tmp/sqluice-epochs-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(chdir(w->dir), 0);               /* for ./sqluice-checkpoints */
    assert_int_equal(sqluice_open(&config, &w->db), SQLUICE_OK);
    good(w, "CREATE TABLE few (id BIGINT) WITH ('connector'='datagen','rows-per-second'='1000000','number-of-rows'='50');"
            "CREATE TABLE endless (id BIGINT) WITH ('connector'='datagen','rows-per-second'='1000');"
            "CREATE TABLE hole (id BIGINT) WITH ('connector'='blackhole');"
            "CREATE TABLE `a/b c` (id BIGINT) WITH ('connector'='blackhole')");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[128];

    sqluice_finalize(w->q);
    sqluice_close(w->db);
    snprintf(command, sizeof command, "cd / && rm -rf %s", w->dir);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

/* The frozen values of a statement that is prepared and not run. */
static const struct sq_job_config *frozen(struct world *w, const char *sql)
{
    sqluice_finalize(w->q);
    w->q = NULL;
    if (sqluice_prepare(w->db, sql, -1, &w->q, NULL) != SQLUICE_OK)
        fail_msg("%s: %s", sql, sqluice_errmsg(w->db));
    return &w->q->plan->config;
}

static void refused(struct world *w, const char *sql, const char *msg, const char *hint)
{
    assert_int_equal(sqluice_exec(w->db, sql, NULL, NULL), SQLUICE_SEMANTIC);
    if (!strstr(sqluice_errmsg(w->db), msg) || !strstr(sqluice_errhint(w->db), hint))
        fail_msg("%s: %s (%s)", sql, sqluice_errmsg(w->db), sqluice_errhint(w->db));
}

#define INSERT "INSERT INTO hole SELECT id FROM endless"
#define INSERT_FEW "INSERT INTO hole SELECT id FROM few"
#define IS(s, text) assert_true(sq_str_is(s, text))

static void none(void **state)
{
    struct world *w = *state;
    const struct sq_epoch_config *e = &frozen(w, INSERT)->epochs;

    assert_true(e->trigger == SQ_TRIGGER_CONTINUOUS && e->interval_ms == 0 && e->dir.n == 0 && e->from.n == 0);
    assert_false(w->q->sync);
    assert_int_equal(frozen(w, INSERT)->name.n, 0);
    good(w, "SET 'execution.checkpointing.interval' = '1 s'; SET 'execution.trigger' = '1 s'; SET 'execution.checkpointing.dir' = 'x'");
    e = &frozen(w, "SELECT id FROM endless")->epochs;
    assert_true(e->trigger == SQ_TRIGGER_CONTINUOUS && e->interval_ms == 0 && e->dir.n == 0);
}

static void values(void **state)
{
    struct world *w = *state;
    const struct sq_job_config *c;

    good(w, "SET 'execution.checkpointing.interval' = '10 s'; SET 'execution.checkpointing.min-pause' = '2 s'; SET 'execution.checkpointing.timeout' = '1 min';"
            "SET 'state.checkpoints.num-retained' = '3'; SET 'execution.checkpointing.mode' = 'at_least_once'; SET 'execution.trigger' = '500 ms';"
            "SET 'execution.trigger.max-rows' = '1000'; SET 'execution.state-recovery.path' = 'file:///tmp/sp.db';"
            "SET 'execution.savepoint.ignore-unclaimed-state' = 'true'; SET 'execution.checkpointing.ignore-sink-epochs' = 'true';"
            "SET 'state.checkpoints.dir' = 'file:///tmp/chk/'; SET 'pipeline.name' = 'my job'");
    c = frozen(w, INSERT);
    assert_true(c->epochs.interval_ms == 10000 && c->epochs.min_pause_ms == 2000 && c->epochs.timeout_ms == 60000 && c->epochs.retained == 3);
    assert_true(c->epochs.at_least_once && c->epochs.allow_dropped_state && c->epochs.ignore_sink_epochs && c->epochs.max_rows == 1000);
    assert_true(c->epochs.trigger == SQ_TRIGGER_INTERVAL && c->epochs.trigger_ms == 500);
    IS(c->epochs.from, "/tmp/sp.db");
    IS(c->epochs.dir, "/tmp/chk/my%20job");
    IS(c->name, "my job");
    good(w, "SET 'execution.trigger' = 'available-now'");
    assert_true(frozen(w, INSERT)->epochs.trigger == SQ_TRIGGER_AVAILABLE_NOW && w->q->sync);
}

static void names(void **state)
{
    struct world *w = *state;
    char many[512];

    good(w, "SET 'execution.checkpointing.interval' = '10 s'; SET 'execution.checkpointing.dir' = 'chk'");
    IS(frozen(w, INSERT)->name, "insert-into_hole");
    IS(frozen(w, INSERT)->epochs.dir, "chk/insert-into_hole");
    sqluice_job_default_name(w->db, "daily");
    IS(frozen(w, INSERT)->name, "daily-hole");
    IS(frozen(w, INSERT_FEW)->epochs.dir, "chk/daily-hole");
    IS(frozen(w, "INSERT INTO `a/b c` SELECT id FROM endless")->epochs.dir, "chk/daily-a%2Fb%20c");
    IS(frozen(w, "EXECUTE STATEMENT SET BEGIN " INSERT "; INSERT INTO `a/b c` SELECT id FROM few; END")->name, "daily-hole_a/b c");
    good(w, "SET 'pipeline.name' = '..'");
    IS(frozen(w, INSERT)->epochs.dir, "chk/%2E.");
    good(w, "SET 'pipeline.name' = 'größe'; RESET 'execution.checkpointing.dir'");
    IS(frozen(w, INSERT)->epochs.dir, "sqluice-checkpoints/größe");
    snprintf(many, sizeof many, "SET 'pipeline.name' = '%0200d'", 1);
    good(w, many);
    assert_int_equal(frozen(w, INSERT)->epochs.dir.n, strlen("sqluice-checkpoints/") + 150 + 17);
    snprintf(many, sizeof many, "%.*s", SQ_FMT(w->q->plan->config.epochs.dir));
    good(w, "SET 'pipeline.name' = '0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'");
    assert_false(sq_str_is(frozen(w, INSERT)->epochs.dir, many));
}

static void when_there_is_a_directory(void **state)
{
    struct world *w = *state;

    good(w, "SET 'execution.checkpointing.dir' = 'chk'");
    assert_int_equal(frozen(w, INSERT)->epochs.dir.n, 0);
    good(w, INSERT_FEW "; " INSERT_FEW);
    assert_non_null(strstr(w->notices, "no checkpoints are made: 'execution.checkpointing.dir' has an effect with 'execution.checkpointing.interval'\n"));
    good(w, "SET 'execution.trigger' = '1 s'");
    IS(frozen(w, INSERT)->epochs.dir, "chk/insert-into_hole");
    good(w, "RESET 'execution.checkpointing.dir'");
    assert_int_equal(frozen(w, INSERT)->epochs.dir.n, 0);
    w->notices[0] = 0;
    good(w, INSERT_FEW "; " INSERT_FEW);
    assert_string_equal(w->notices, "epochs are not made durable: a job that is started again begins anew, so rows may come twice; SET 'execution.checkpointing.dir' to keep them\n");
    good(w, "SET 'execution.trigger' = 'available-now'");
    IS(frozen(w, INSERT)->epochs.dir, "sqluice-checkpoints/insert-into_hole");
    w->notices[0] = 0;
    good(w, INSERT_FEW);
    assert_non_null(strstr(w->notices, "checkpoints are kept in sqluice-checkpoints/insert-into_hole: 'execution.checkpointing.dir' can name another place\n"));
    w->notices[0] = 0;
    good(w, INSERT_FEW);
    assert_null(strstr(w->notices, "checkpoints are kept in"));
}

static void contradictions(void **state)
{
    struct world *w = *state;

    good(w, "SET 'execution.savepoint.path' = 'sp.db'");
    refused(w, INSERT, "begins from a savepoint makes checkpoints itself", "SET 'execution.checkpointing.interval' = '10 s'");
    good(w, "SET 'execution.runtime-mode' = 'batch'");
    refused(w, INSERT_FEW, "no state to begin with: 'execution.savepoint.path'", "RESET");
    good(w, "RESET 'execution.savepoint.path'; SET 'execution.trigger' = 'available-now'");
    refused(w, INSERT_FEW, "'execution.trigger' = 'available-now' cuts a stream into epochs, and 'execution.runtime-mode' is 'batch'", "leave out the trigger");
    good(w, "SELECT id FROM few");
    good(w, "RESET 'execution.trigger'; SET 'execution.checkpointing.interval' = '1 s'");
    assert_true(frozen(w, INSERT_FEW)->epochs.interval_ms == 0 && w->q->plan->config.epochs.dir.n == 0);
    good(w, INSERT_FEW "; " INSERT_FEW);
    assert_string_equal(w->notices, "a job in batch mode makes no checkpoints: 'execution.checkpointing.interval' has no effect on it\n");
}

/* Two INSERTs of a job file with one directory; run again they may, and so may another file's. */
static void clashes(void **state)
{
    struct world *w = *state;

    sqluice_job_default_name(w->db, "daily");
    good(w, "SET 'execution.trigger' = 'available-now'; SET 'execution.checkpointing.dir' = 'chk'");
    good(w, INSERT_FEW);
    good(w, INSERT_FEW);
    refused(w, "INSERT INTO hole SELECT id + 1 FROM few", "one directory, chk/daily-hole", "SET 'pipeline.name' = 'daily-hole-2'");
    good(w, "SET 'pipeline.name' = 'daily-hole-2'; INSERT INTO hole SELECT id + 1 FROM few; RESET 'pipeline.name'");
    good(w, "RESET 'execution.trigger'; SET 'execution.checkpointing.interval' = '10 s'; SET 'execution.checkpointing.dir' = 'other'");
    good(w, INSERT);
    refused(w, INSERT, "one directory, other/daily-hole", "pipeline.name");
    assert_int_equal(sqluice_job_stop(w->db, NULL, 0), SQLUICE_OK);
    assert_int_equal(sqluice_job_wait(w->db, NULL, -1), SQLUICE_DONE);
    sqluice_job_default_name(w->db, NULL);
    good(w, "SET 'pipeline.name' = 'one'; SET 'execution.trigger' = 'available-now'");
    good(w, INSERT_FEW);
}

/* ---- savepoints, and looking at them ---- */

static int keep_row(void *arg, sqluice_stmt *q)
{
    struct world *w = arg;
    size_t n = strlen(w->rows);

    for (int i = 0; i < sqluice_column_count(q) && n < sizeof w->rows; i++) {
        const char *t = sqluice_column_text(q, i);
        n += (size_t)snprintf(w->rows + n, sizeof w->rows - n, "%s%s", i ? "|" : "", t ? t : "-");
    }
    snprintf(w->rows + n, n < sizeof w->rows ? sizeof w->rows - n : 0, "\n");
    return 0;
}

static void shows(struct world *w, const char *sql)
{
    w->rows[0] = 0;
    if (sqluice_exec(w->db, sql, keep_row, w) != SQLUICE_OK)
        fail_msg("%s: %s (%s)", sql, sqluice_errmsg(w->db), sqluice_errhint(w->db));
}

#define HAS(text) do { if (!strstr(w->rows, text)) fail_msg("no \"%s\" in:\n%s", text, w->rows); } while (0)

/* Until the job has made so many checkpoints. */
static void wait_checkpoints(struct world *w, int i, uint64_t n)
{
    sqluice_job job = {0};

    for (int k = 0; k < 400 && job.progress.checkpoints < n; k++) {
        assert_int_not_equal(sqluice_job_wait(w->db, NULL, 25), SQLUICE_INTERRUPT);
        assert_int_equal(sqluice_job_at(w->db, i, &job), 1);
    }
    assert_true(job.progress.checkpoints >= n && job.progress.epoch >= n && job.progress.checkpoint_bytes > 0);
}

static void savepoints(void **state)
{
    struct world *w = *state;
    const char *file;
    char first[64];
    sqluice_job job;

    good(w, "SET 'execution.checkpointing.interval' = '20 ms'; SET 'execution.checkpointing.dir' = 'chk'; SET 'pipeline.name' = 'one'");
    good(w, INSERT);
    wait_checkpoints(w, 0, 2);
    shows(w, "SHOW JOBS");
    HAS("|one|RUNNING|");
    HAS(" in ");
    /* of a job that runs; it goes on */
    assert_int_equal(sqluice_savepoint(w->db, "chk", "sp/", 20000, &file), SQLUICE_OK);
    snprintf(first, sizeof first, "%s", file);
    assert_non_null(strstr(first, "/sp/savepoint-"));
    refused(w, "STOP JOB 'one' WITH SAVEPOINT 'sp/../sp/../chk/one/lock'", "there is such a file", "not there yet");
    refused(w, "STOP JOB 'two' WITH SAVEPOINT", "there is no job 'two'", "SHOW JOBS");
    shows(w, "STOP JOB 'one' WITH SAVEPOINT 'sp/last.db'");
    assert_string_equal(w->rows, "sp/last.db\n");
    assert_int_equal(sqluice_job_at(w->db, 0, &job), 1);
    assert_int_equal(job.status, SQLUICE_JOB_CANCELED);
    assert_non_null(strstr(sqluice_job_account(w->db, job.id), "\n  epochs    "));
    refused(w, "STOP JOB 'one' WITH SAVEPOINT", "does not run: it is CANCELED", "");
    /* another job begins from it, the first one goes on from its own */
    w->notices[0] = 0;
    good(w, "SET 'execution.savepoint.path' = 'sp/last.db'; SET 'pipeline.name' = 'two'");
    good(w, INSERT);
    assert_non_null(strstr(w->notices, "two: goes on from epoch "));
    assert_non_null(strstr(w->notices, "(savepoint, "));
    good(w, "SET 'execution.savepoint.path' = 'chk/one'; SET 'pipeline.name' = 'one'");
    good(w, INSERT);
    assert_non_null(strstr(w->notices, "the job has checkpoints of its own in chk/one and goes on from them, not from chk/one\n"));
    assert_int_equal(sqluice_job_at(w->db, 2, &job), 1);
    assert_true(job.progress.restored > 0);
    assert_int_equal(sqluice_job_stop_with_savepoint(w->db, job.id, NULL, &file), SQLUICE_OK);
    assert_memory_equal(file, "chk/one/savepoint-", 18);
    good(w, "SET 'execution.checkpointing.savepoint-dir' = 'file:saved'; STOP JOB 'two' WITH SAVEPOINT");
    assert_int_equal(sqluice_savepoint(w->db, "chk/two", NULL, 1000, &file), SQLUICE_OK);      /* nobody runs it */
    assert_non_null(strstr(file, "saved/savepoint-"));
    /* from a directory: its newest checkpoint */
    w->notices[0] = 0;
    good(w, "SET 'pipeline.name' = 'three'; SET 'execution.savepoint.path' = 'chk/two'");
    good(w, INSERT);
    assert_non_null(strstr(w->notices, "three: goes on from epoch "));
    assert_int_equal(sqluice_savepoint(w->db, "nowhere", NULL, 1000, &file), SQLUICE_IO);
    assert_null(file);
    assert_int_equal(sqluice_savepoint(w->db, "sp", NULL, 1000, &file), SQLUICE_SEMANTIC);
    assert_int_equal(sqluice_savepoint(w->db, NULL, NULL, 1000, &file), SQLUICE_MISUSE);
    good(w, "RESET; INSERT INTO `a/b c` SELECT id FROM endless");
    refused(w, "STOP JOB 'insert-into_a/b c' WITH SAVEPOINT", "makes no checkpoints", "SET 'execution.checkpointing.interval'");
}

static void looks(void **state)
{
    struct world *w = *state;
    FILE *f;

    good(w, "SET 'execution.trigger' = 'available-now'; SET 'execution.checkpointing.dir' = 'chk'; SET 'pipeline.name' = 'one'; SET 'execution.checkpointing.num-retained' = '2'");
    good(w, "CREATE TABLE n (id BIGINT, c BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='jdbc','url'='jdbc:sqlite:n.db','table-name'='n')");
    good(w, "INSERT INTO n SELECT MOD(id, 10), COUNT(*) FROM few GROUP BY MOD(id, 10)");
    shows(w, "SHOW CHECKPOINT 'chk/one'");
    HAS("job|");
    HAS("|one|-|-|-\n");
    HAS("\nepoch|-|-|-|-|1\n");
    HAS("file|-|chk/one/chk-1.db|-|");
    HAS("\nworkers|-|-|-|-|1\n");
    HAS("|Aggregate by (");
    HAS("split|datagen|Scan few (datagen)");
    HAS("|row 50\n");
    HAS("checkpoint|1|chk/one/chk-1.db|-|");
    shows(w, "SHOW CHECKPOINT 'chk'");              /* the only job there */
    HAS("|one|-|-|-\n");
    assert_null(strstr(w->rows, "running|"));
    good(w, "SET 'pipeline.name' = 'two'; INSERT INTO hole SELECT id FROM few");
    refused(w, "SHOW CHECKPOINT 'chk'", "directory chk has the checkpoints of 2 jobs", "name one of them: chk/one, chk/two");
    refused(w, "SHOW CHECKPOINT 'chk/one/index.db'", "is the index of a job's checkpoints", "name its directory");
    good(w, "RESET 'execution.trigger'; SET 'execution.checkpointing.interval' = '20 ms'; SET 'pipeline.name' = 'three'");
    good(w, INSERT);
    wait_checkpoints(w, 0, 1);
    shows(w, "SHOW CHECKPOINT 'chk/three'");         /* while it runs */
    HAS("\nrunning|-|-|-|-|process ");
    assert_int_equal(sqluice_job_stop(w->db, NULL, 0), SQLUICE_OK);
    assert_int_equal(sqluice_job_wait(w->db, NULL, -1), SQLUICE_DONE);
    f = fopen("chk/two/chk-1.db", "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 70000, SEEK_SET), 0);
    for (int i = 0; i < 400000; i++)
        putc('x', f);
    fclose(f);
    assert_int_equal(sqluice_exec(w->db, "SHOW CHECKPOINT 'chk/two'", NULL, NULL), SQLUICE_DATA);
    assert_non_null(strstr(sqluice_errmsg(w->db), "chk-1.db is damaged"));
}

/* The n-th allocation fails, for every n: an error and nothing lost, or it was got over. */
static void out_of_memory(void **state)
{
    struct world *w = *state;
    bool failed = true;

    good(w, "SET 'execution.trigger' = 'available-now'; SET 'execution.checkpointing.dir' = 'chk'; SET 'pipeline.name' = 'one'");
    good(w, INSERT_FEW);
    good(w, "SET 'execution.savepoint.path' = 'chk/one'; SET 'pipeline.name' = 'two'");
    for (int n = 1; failed; n++) {
        int rc;
        w->db->budget.fail_at = n;
        w->rows[0] = 0;
        rc = sqluice_exec(w->db, "SHOW CHECKPOINT 'chk/one'; " INSERT_FEW "; SHOW JOBS", keep_row, w);
        failed = w->db->budget.fail_at <= 0;
        w->db->budget.fail_at = 0;
        if (rc != SQLUICE_OK && rc != SQLUICE_NOMEM)
            fail_msg("at allocation %d: %s", n, sqluice_errmsg(w->db));
    }
    HAS("file|-|chk/one/chk-");
    good(w, "SHOW CHECKPOINT 'chk/two'");
}

/* ---- restarts ---- */

static void strategy(struct world *w, const char *set, struct sq_restart *r)
{
    good(w, set);
    frozen(w, INSERT);
    *r = w->q->restart;
}

static bool again(struct sq_restart *r, int64_t now_ms, int64_t *pause_ms)
{
    return sq_restart_next(r, now_ms, 0.5, pause_ms);
}

static void restart_strategies(void **state)
{
    struct world *w = *state;
    struct sq_restart r;
    int64_t pause;

    strategy(w, "RESET", &r);                          /* exponential-delay, as Flink's defaults say */
    assert_true(again(&r, 0, &pause) && pause == 1000);
    assert_true(again(&r, 2000, &pause) && pause == 1500);
    assert_true(again(&r, 4000, &pause) && pause == 2250);
    for (int i = 0; i < 100; i++)
        assert_true(again(&r, 5000 + i, &pause));
    assert_int_equal(pause, 60000);
    assert_true(again(&r, 3600 * 1000 + 70 * 1000, &pause) && pause == 1000);     /* an hour without a failure */
    assert_true(sq_restart_next(&r, 3700 * 1000, 0, &pause) && pause == 1350);
    assert_true(sq_restart_next(&r, 3700 * 1000, 1, &pause) && pause == 2475);
    strategy(w, "SET 'restart-strategy.exponential-delay.attempts-before-reset-backoff' = '2'; SET 'restart-strategy.exponential-delay.initial-backoff' = '10 s';"
                "SET 'restart-strategy.exponential-delay.max-backoff' = '15 s'; SET 'restart-strategy.exponential-delay.backoff-multiplier' = '3'", &r);
    assert_true(again(&r, 0, &pause) && pause == 10000);
    assert_true(again(&r, 0, &pause) && pause == 15000);
    assert_false(again(&r, 0, &pause));
    strategy(w, "SET 'restart-strategy' = 'fixed-delay'; SET 'restart-strategy.fixed-delay.attempts' = '2'; SET 'restart-strategy.fixed-delay.delay' = '3 s'", &r);
    assert_true(again(&r, 0, &pause) && pause == 3000);
    assert_true(again(&r, 1000000000, &pause) && pause == 3000);
    assert_false(again(&r, 2000000000, &pause));
    strategy(w, "SET 'restart-strategy' = 'failure-rate'; SET 'restart-strategy.failure-rate.max-failures-per-interval' = '2'", &r);
    assert_true(again(&r, 0, &pause) && pause == 1000);
    assert_true(again(&r, 50000, &pause));
    assert_true(again(&r, 60001, &pause));             /* two within a minute: 50000 and 60001 */
    assert_false(again(&r, 70000, &pause));
    strategy(w, "SET 'restart-strategy' = 'none'", &r);
    assert_false(again(&r, 0, &pause));
}

/* Which failures are got over, and what is said. */
static void restart_errors(void **state)
{
    struct world *w = *state;
    struct sq_ctx *ctx = &w->db->ctx;
    const struct sq_job_plan *plan;
    struct sq_restart r;
    int64_t pause;

    good(w, "SET 'execution.checkpointing.interval' = '1 s'; SET 'restart-strategy' = 'fixed-delay'; SET 'restart-strategy.fixed-delay.attempts' = '1'");
    frozen(w, INSERT);
    plan = w->q->plan;
    r = w->q->restart;
    sq_fail(ctx, SQ_DATA, "a bad row");
    assert_false(sq_restart_after(ctx, &r, plan, &pause));
    sq_fail(ctx, SQ_EXTERNAL, "another run owns it");
    sq_lasting(ctx);
    assert_false(sq_restart_after(ctx, &r, plan, &pause));
    assert_string_equal(w->notices, "");
    sq_fail(ctx, SQ_EXTERNAL, "the broker is down");
    sq_hint(ctx, "start it");
    assert_true(sq_restart_after(ctx, &r, plan, &pause));
    assert_string_equal(w->notices, "failed: the broker is down (start it); it goes on from its newest checkpoint in 1.0 s (restart 1)\n");
    assert_int_equal(ctx->err.rc, SQ_OK);
    sq_fail(ctx, SQ_EXTERNAL, "the broker is down");
    assert_false(sq_restart_after(ctx, &r, plan, &pause));
    assert_string_equal(ctx->err.msg, "failed for good after 1 restart: the broker is down");
    good(w, "RESET 'execution.checkpointing.interval'");
    frozen(w, INSERT);
    r = w->q->restart;
    sq_fail(ctx, SQ_EXTERNAL, "the broker is down");
    assert_false(sq_restart_after(ctx, &r, w->q->plan, &pause));
    memset(&ctx->err, 0, sizeof ctx->err);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(none), T(values), T(names), T(when_there_is_a_directory), T(contradictions), T(clashes), T(savepoints), T(looks), T(out_of_memory), T(restart_strategies), T(restart_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
