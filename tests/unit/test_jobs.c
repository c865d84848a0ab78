/* SPDX-License-Identifier: Apache-2.0
 *
 * test_jobs.c: jobs in the background by the public API: started, listed, stopped, drained, failed, left to sqluice_close; and what could stand at
 * a place of a text.
 */
#include "api/api.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    sqluice *db;
    char dir[64];
    char notices[4096];
    char rows[4096];
    size_t printed;
    pthread_t self;
    bool elsewhere;                   /* a callback came on another thread */
};

static void hear(void *arg, const char *text)
{
    struct world *w = arg;
    size_t n = strlen(w->notices);

    w->elsewhere |= !pthread_equal(pthread_self(), w->self);
    snprintf(w->notices + n, sizeof w->notices - n, "%s\n", text);
}

static void print(void *arg, int to_stderr, const char *text, size_t n)
{
    struct world *w = arg;

    (void)to_stderr;
    (void)text;
    w->elsewhere |= !pthread_equal(pthread_self(), w->self);
    w->printed += n;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    sqluice_config config = {.notice = hear, .notice_arg = w, .print = print, .print_arg = w};

    snprintf(w->dir, sizeof w->dir, "/tmp/sqluice-jobs-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->self = pthread_self();
    assert_int_equal(sqluice_open(&config, &w->db), SQLUICE_OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[128];

    sqluice_close(w->db);
    assert_false(w->elsewhere);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

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

/* Runs SQL in which every % is the folder. */
static int run(struct world *w, const char *sql)
{
    char text[4096];
    size_t n = 0;

    for (; *sql && n + sizeof w->dir < sizeof text; sql++) {
        if (*sql == '%')
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", w->dir);
        else
            text[n++] = *sql;
    }
    text[n] = 0;
    w->rows[0] = 0;
    return sqluice_exec(w->db, text, keep_row, w);
}

static void good(struct world *w, const char *sql)
{
    if (run(w, sql) != SQLUICE_OK)
        fail_msg("%s: %s (%s)", sql, sqluice_errmsg(w->db), sqluice_errhint(w->db));
}

static void put_file(struct world *w, const char *name, const char *text, int times)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    f = fopen(path, "a");
    assert_non_null(f);
    for (int i = 0; i < times; i++)
        assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static long lines_of(struct world *w, const char *name)
{
    char path[128];
    long n = 0;
    FILE *f;
    int c;

    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    f = fopen(path, "r");
    if (!f)
        return -1;
    while ((c = getc(f)) != EOF)
        n += c == '\n';
    fclose(f);
    return n;
}

static void tables(struct world *w)
{
    good(w, "CREATE TABLE endless (id BIGINT, k INT) WITH ('connector'='datagen','rows-per-second'='20000','fields.k.min'='1','fields.k.max'='3');"
            "CREATE TABLE o (id BIGINT) WITH ('connector'='filesystem','path'='%/o.ndjson','format'='json');"
            "CREATE TABLE n (k INT, c BIGINT) WITH ('connector'='jdbc','url'='jdbc:sqlite:%/n.db','table-name'='n');"
            "CREATE TABLE hole (id BIGINT) WITH ('connector'='blackhole');"
            "CREATE TABLE lines (id BIGINT) WITH ('connector'='print')");
}

/* Starts one job; its id is good until the engine is closed. */
static const char *start(struct world *w, const char *sql)
{
    static char id[16];
    sqluice_stmt *q;

    if (sqluice_prepare(w->db, sql, -1, &q, NULL) != SQLUICE_OK || sqluice_step(q) != SQLUICE_DONE)
        fail_msg("%s: %s", sql, sqluice_errmsg(w->db));
    assert_non_null(sqluice_stmt_job(q));
    snprintf(id, sizeof id, "%s", sqluice_stmt_job(q));
    assert_int_equal(sqluice_stmt_bounded(q), 0);
    assert_int_equal(sqluice_stmt_kind(q), SQLUICE_STMT_INSERT);
    assert_int_equal(sqluice_step(q), SQLUICE_DONE);           /* once is enough */
    sqluice_finalize(q);
    return id;
}

static sqluice_job last_job(struct world *w)
{
    sqluice_job job = {0};

    for (int i = 0; sqluice_job_at(w->db, i, &job); i++)
        ;
    return job;
}

static void wait_rows(struct world *w, uint64_t rows)
{
    for (int i = 0; i < 400 && last_job(w).progress.rows_in < rows; i++)
        assert_int_not_equal(sqluice_job_wait(w->db, NULL, 25), SQLUICE_INTERRUPT);
    assert_true(last_job(w).progress.rows_in >= rows);
}

/* ---- */

static void runs_and_stops(void **state)
{
    struct world *w = *state;
    const char *id;
    sqluice_job job;

    tables(w);
    id = start(w, "INSERT INTO o SELECT id FROM endless");
    assert_int_equal(sqluice_job_at(w->db, 0, &job), 1);
    assert_int_equal(sqluice_job_at(w->db, 1, &job), 0);
    assert_int_equal(sqluice_job_at(w->db, -1, &job), 0);
    assert_int_equal(job.status, SQLUICE_JOB_RUNNING);
    assert_string_equal(job.id, id);
    assert_string_equal(job.name, "insert-into_o");
    assert_int_equal(sqluice_job_wait(w->db, id, 0), SQLUICE_OK);
    assert_string_equal(sqluice_job_account(w->db, id), "");
    good(w, "SELECT 1; CREATE TABLE later (a INT) WITH ('connector'='blackhole'); DROP TABLE o; DROP TABLE endless");   /* it holds what it began with */
    wait_rows(w, 100);
    assert_true(job.progress.bytes_total == -1 && job.progress.watermark_us == INT64_MIN);
    assert_int_equal(sqluice_job_stop(w->db, id, 0), SQLUICE_OK);
    assert_int_equal(sqluice_job_wait(w->db, id, -1), SQLUICE_DONE);
    job = last_job(w);
    assert_int_equal(job.status, SQLUICE_JOB_CANCELED);
    assert_int_equal(job.progress.rows_in, lines_of(w, "o.ndjson"));
    assert_non_null(strstr(sqluice_job_account(w->db, id), "it balances"));
    assert_int_equal(sqluice_job_error(w->db, id), SQLUICE_OK);
    assert_int_equal(sqluice_job_stop(w->db, id, 0), SQLUICE_OK);
}

static void statements(void **state)
{
    struct world *w = *state;
    char sql[128];
    const char *id;

    tables(w);
    good(w, "SHOW JOBS");
    assert_string_equal(w->rows, "");
    good(w, "SET 'pipeline.name' = 'daily'");
    id = start(w, "INSERT INTO hole SELECT id FROM endless");
    good(w, "RESET 'pipeline.name'");
    good(w, "SHOW JOBS");
    assert_memory_equal(w->rows, id, 8);
    assert_non_null(strstr(w->rows, "|daily|RUNNING|20"));
    assert_non_null(strstr(w->rows, "|00:00:0"));
    assert_int_equal(run(w, "STOP JOB 'weekly'"), SQLUICE_SEMANTIC);
    assert_int_equal(sqluice_error_offset(w->db), 9);
    assert_string_equal(sqluice_errhint(w->db), "SHOW JOBS lists them");
    assert_int_equal(run(w, "STOP JOB daily"), SQLUICE_SYNTAX);
    snprintf(sql, sizeof sql, "STOP JOB '%.5s'", id);
    good(w, sql);
    good(w, "SHOW JOBS");
    assert_non_null(strstr(w->rows, "|daily|CANCELED|"));
    assert_int_equal(run(w, "STOP JOB 'daily'"), SQLUICE_SEMANTIC);
    assert_non_null(strstr(sqluice_errmsg(w->db), "it is CANCELED"));
}

/* The input ends where it is: the job has finished, not been cut off. */
static void drained(void **state)
{
    struct world *w = *state;
    const char *id;

    tables(w);
    id = start(w, "INSERT INTO n SELECT k, COUNT(*) FROM endless GROUP BY k");
    wait_rows(w, 100);
    good(w, "STOP JOB 'insert-into_n' WITH DRAIN");
    assert_int_equal(last_job(w).status, SQLUICE_JOB_FINISHED);
    good(w, "SELECT SUM(c) FROM n");
    assert_int_equal(atoll(w->rows), (long long)last_job(w).progress.rows_in);
    assert_non_null(strstr(sqluice_job_account(w->db, id), "it balances"));
}

static void names(void **state)
{
    struct world *w = *state;
    sqluice_job job;

    tables(w);
    assert_int_equal(sqluice_job_default_name(w->db, "file"), SQLUICE_OK);
    good(w, "INSERT INTO hole SELECT id FROM endless; EXECUTE STATEMENT SET BEGIN INSERT INTO hole SELECT id FROM endless; INSERT INTO o SELECT id FROM endless; END");
    assert_int_equal(sqluice_job_default_name(w->db, NULL), SQLUICE_OK);
    good(w, "INSERT INTO hole SELECT id FROM endless");
    good(w, "SET 'pipeline.name' = 'same'; INSERT INTO hole SELECT id FROM endless");
    good(w, "STOP JOB 'same'; INSERT INTO hole SELECT id FROM endless; STOP JOB 'same'");       /* the one that runs */
    assert_int_equal(last_job(w).status, SQLUICE_JOB_CANCELED);
    good(w, "INSERT INTO hole SELECT id FROM endless; INSERT INTO hole SELECT id FROM endless");
    assert_int_equal(run(w, "STOP JOB 'same'"), SQLUICE_SEMANTIC);
    assert_non_null(strstr(sqluice_errmsg(w->db), "more than one"));
    assert_true(sqluice_job_at(w->db, 0, &job) && strcmp(job.name, "file") == 0);
    assert_true(sqluice_job_at(w->db, 1, &job) && strcmp(job.name, "file-2") == 0);
    assert_true(sqluice_job_at(w->db, 2, &job) && strcmp(job.name, "insert-into_hole") == 0);
    assert_int_equal(sqluice_job_stop(w->db, NULL, 0), SQLUICE_OK);
    assert_int_equal(sqluice_job_wait(w->db, NULL, -1), SQLUICE_DONE);
}

static void sync_waits(void **state)
{
    struct world *w = *state;
    sqluice_stmt *q;
    sqluice_job job;

    tables(w);
    good(w, "SET 'table.dml-sync' = 'true';"
            "CREATE TABLE few (id BIGINT) WITH ('connector'='datagen','rows-per-second'='1000000','number-of-rows'='50')");
    assert_int_equal(sqluice_prepare(w->db, "INSERT INTO o SELECT id FROM few", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_step(q), SQLUICE_DONE);
    assert_null(sqluice_stmt_job(q));
    sqluice_finalize(q);
    assert_int_equal(sqluice_job_at(w->db, 0, &job), 0);
    assert_int_equal(lines_of(w, "o.ndjson"), 50);
}

static void created_as(void **state)
{
    struct world *w = *state;

    tables(w);
    good(w, "CREATE TABLE made WITH ('connector'='filesystem','path'='%/made.ndjson','format'='json') AS SELECT id FROM endless; DESCRIBE made");
    assert_non_null(strstr(w->rows, "id|BIGINT"));
    assert_int_equal(last_job(w).status, SQLUICE_JOB_RUNNING);
    good(w, "DROP TABLE made");
    wait_rows(w, 1);
    assert_int_equal(sqluice_job_stop(w->db, "insert-into_made", 0), SQLUICE_OK);
    assert_int_equal(sqluice_job_wait(w->db, NULL, -1), SQLUICE_DONE);
    assert_true(lines_of(w, "made.ndjson") > 0);
}

static void fails_later(void **state)
{
    struct world *w = *state;
    char sql[] = "SELECT 1; INSERT INTO hole SELECT id FROM endless UNION ALL SELECT CAST(s AS BIGINT) FROM bad";
    const char *at = strstr(sql, "CAST");
    sqluice_job job;

    tables(w);
    put_file(w, "bad.ndjson", "{\"s\":\"1\"}\n", 20000);
    put_file(w, "bad.ndjson", "{\"s\":\"x\"}\n", 1);
    good(w, "CREATE TABLE bad (s STRING) WITH ('connector'='filesystem','path'='%/bad.ndjson','format'='json')");
    good(w, sql);
    assert_int_equal(sqluice_job_wait(w->db, NULL, 20000), SQLUICE_DONE);
    assert_int_equal(sqluice_errcode(w->db), SQLUICE_OK);       /* nothing that was called has failed */
    job = last_job(w);
    assert_int_equal(job.status, SQLUICE_JOB_FAILED);
    assert_int_equal(sqluice_job_error(w->db, job.id), SQLUICE_DATA);
    assert_non_null(strstr(sqluice_errmsg(w->db), "'x'"));
    assert_int_equal(sqluice_error_offset(w->db), (int)(at - sql));
    assert_non_null(strstr(sqluice_error_render(w->db, "j.sql", sql, 1), "j.sql:1:"));
    assert_non_null(strstr(sqluice_job_account(w->db, job.id), "rows in"));
    good(w, "SELECT 1");
}

/* What callbacks do is inside of the call: closing is not, starting a job is. */
static void start_another(void *arg, const char *text)
{
    struct world *w = arg;

    hear(arg, text);
    sqluice_close(w->db);
    if (strstr(text, "CREATE TABLE"))
        assert_int_equal(sqluice_exec(w->db, "INSERT INTO hole SELECT id FROM endless", NULL, NULL), SQLUICE_OK);
}

static void callbacks_start_jobs(void **state)
{
    struct world *w = *state;
    sqluice_config config = {.notice = start_another, .notice_arg = w};
    sqluice_job job;

    sqluice_close(w->db);
    assert_int_equal(sqluice_open(&config, &w->db), SQLUICE_OK);
    good(w, "CREATE TABLE endless (id BIGINT, k INT) WITH ('connector'='datagen'); CREATE TABLE hole (id BIGINT) WITH ('connector'='blackhole');"
            "CREATE TABLE fresh (k INT, c BIGINT) WITH ('connector'='jdbc','url'='jdbc:sqlite:%/fresh.db','table-name'='fresh');"
            "INSERT INTO fresh SELECT k, COUNT(*) FROM endless GROUP BY k");
    assert_int_equal(sqluice_job_at(w->db, 1, &job), 1);
    assert_int_equal(sqluice_job_at(w->db, 2, &job), 0);
}

static void cannot_open(void **state)
{
    struct world *w = *state;
    sqluice_stmt *q;
    sqluice_job job;

    tables(w);
    good(w, "CREATE TABLE missing (id BIGINT) WITH ('connector'='filesystem','path'='%/missing.ndjson','format'='json')");
    assert_int_equal(sqluice_prepare(w->db, "INSERT INTO hole SELECT id FROM endless UNION ALL SELECT id FROM missing", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_step(q), SQLUICE_IO);
    assert_null(sqluice_stmt_job(q));
    assert_non_null(strstr(sqluice_errmsg(w->db), "missing"));
    assert_int_equal(sqluice_step(q), SQLUICE_MISUSE);
    sqluice_finalize(q);
    assert_int_equal(sqluice_job_at(w->db, 0, &job), 0);
}

/* More is printed than is kept: the job waits, and nothing is lost. */
static void print_waits(void **state)
{
    struct world *w = *state;
    uint64_t rows;
    size_t printed;

    good(w, "CREATE TABLE fast (id BIGINT) WITH ('connector'='datagen','rows-per-second'='100000000','fields.id.min'='1000000','fields.id.max'='9999999');"
            "CREATE TABLE lines (id BIGINT) WITH ('connector'='print'); INSERT INTO lines SELECT id FROM fast");
    printed = w->printed;                        /* what came before the INSERT's step returned */
    usleep(300 * 1000);
    rows = last_job(w).progress.rows_in;
    usleep(300 * 1000);
    assert_true(last_job(w).progress.rows_in - rows < 200000);
    assert_int_equal(w->printed, printed);
    assert_int_equal(sqluice_job_stop(w->db, NULL, 0), SQLUICE_OK);
    assert_int_equal(sqluice_job_wait(w->db, NULL, -1), SQLUICE_DONE);
    assert_int_equal(w->printed, last_job(w).progress.rows_in * strlen("+I[1000000]\n"));
}

static void notices_come_here(void **state)
{
    struct world *w = *state;

    tables(w);
    good(w, "CREATE TABLE fresh (k INT, c BIGINT) WITH ('connector'='jdbc','url'='jdbc:sqlite:%/fresh.db','table-name'='fresh');"
            "INSERT INTO fresh SELECT k, COUNT(*) FROM endless GROUP BY k");
    assert_non_null(strstr(w->notices, "insert-into_fresh: "));
    assert_non_null(strstr(w->notices, "CREATE TABLE"));
}

static void *interrupt_soon(void *arg)
{
    usleep(100 * 1000);
    sqluice_interrupt(arg);
    return NULL;
}

static void waiting_is_interrupted(void **state)
{
    struct world *w = *state;
    pthread_t t;

    tables(w);
    good(w, "INSERT INTO hole SELECT id FROM endless");
    assert_int_equal(pthread_create(&t, NULL, interrupt_soon, w->db), 0);
    assert_int_equal(sqluice_job_wait(w->db, NULL, -1), SQLUICE_INTERRUPT);
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_int_equal(last_job(w).status, SQLUICE_JOB_RUNNING);
    good(w, "SELECT 1");
}

/* Jobs of two engines, queries beside them; all are left to sqluice_close. */
static void left_running(void **state)
{
    struct world *w = *state;
    sqluice *other;

    tables(w);
    put_file(w, "r.ndjson", "{\"id\":1}\n", 3000);
    good(w, "CREATE TABLE r (id BIGINT) WITH ('connector'='filesystem','path'='%/r.ndjson','format'='json');"
            "INSERT INTO o SELECT id FROM endless; INSERT INTO hole SELECT id FROM endless; INSERT INTO n SELECT k, COUNT(*) FROM endless GROUP BY k");
    assert_int_equal(sqluice_open(NULL, &other), SQLUICE_OK);
    assert_int_equal(sqluice_exec(other, "CREATE TABLE g (id INT) WITH ('connector'='datagen'); CREATE TABLE hole (id INT) WITH ('connector'='blackhole');"
                                         "INSERT INTO hole SELECT id FROM g", NULL, NULL), SQLUICE_OK);
    for (int i = 0; i < 5; i++) {
        good(w, "SELECT COUNT(*) FROM r");
        assert_string_equal(w->rows, "3000\n");
    }
    wait_rows(w, 1);
    sqluice_close(other);
    sqluice_close(w->db);
    w->db = NULL;
    assert_true(lines_of(w, "o.ndjson") > 0);
}

static void signals_are_not_the_jobs(void **state)
{
    struct world *w = *state;
    sigset_t set, pending;

    tables(w);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    good(w, "INSERT INTO hole SELECT id FROM endless");
    assert_int_equal(kill(getpid(), SIGUSR1), 0);       /* its default would end the process */
    usleep(20 * 1000);
    assert_int_equal(sigpending(&pending), 0);
    assert_int_equal(sigismember(&pending, SIGUSR1), 1);
    assert_int_equal(signal(SIGUSR1, SIG_IGN) == SIG_ERR, 0);
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
}

static void many_ended(void **state)
{
    struct world *w = *state;
    sqluice_job job;
    int n = 0;

    tables(w);
    for (int i = 0; i < 110; i++) {
        good(w, "INSERT INTO hole SELECT id FROM endless");
        assert_int_equal(sqluice_job_stop(w->db, NULL, 0), SQLUICE_OK);
        assert_int_equal(sqluice_job_wait(w->db, NULL, -1), SQLUICE_DONE);
    }
    while (sqluice_job_at(w->db, n, &job))
        n++;
    assert_int_equal(n, 100);
}

static void misuse(void **state)
{
    struct world *w = *state;
    sqluice_job job;

    assert_int_equal(sqluice_job_at(NULL, 0, &job), 0);
    assert_int_equal(sqluice_job_at(w->db, 0, NULL), 0);
    assert_int_equal(sqluice_job_stop(NULL, NULL, 0), SQLUICE_MISUSE);
    assert_int_equal(sqluice_job_stop(w->db, "x", 0), SQLUICE_SEMANTIC);
    assert_int_equal(sqluice_job_stop(w->db, NULL, 0), SQLUICE_OK);
    assert_int_equal(sqluice_job_wait(NULL, NULL, 0), SQLUICE_MISUSE);
    assert_int_equal(sqluice_job_wait(w->db, "x", 0), SQLUICE_SEMANTIC);
    assert_int_equal(sqluice_job_wait(w->db, NULL, -1), SQLUICE_DONE);
    assert_null(sqluice_job_account(w->db, "x"));
    assert_null(sqluice_job_account(NULL, "x"));
    assert_int_equal(sqluice_job_error(w->db, NULL), SQLUICE_MISUSE);
    assert_int_equal(sqluice_job_error(w->db, "x"), SQLUICE_SEMANTIC);
    assert_null(sqluice_stmt_job(NULL));
    assert_string_equal(sqluice_job_status_name(SQLUICE_JOB_FAILED), "FAILED");
    assert_string_equal(sqluice_job_status_name(77), "?");
}

/* Every allocation fails once while a job is started: a clean error or a failed job, nothing lost. */
static void out_of_memory(void **state)
{
    struct world *w = *state;
    int rc = SQLUICE_NOMEM, n = 1;
    bool failed = true;

    tables(w);
    good(w, "DROP TABLE o");
    for (; (rc != SQLUICE_OK || failed) && n < 3000; n++) {
        w->db->budget.fail_at = n;
        rc = run(w, "INSERT INTO hole SELECT id FROM endless");
        if (rc == SQLUICE_OK) {
            while (last_job(w).status == SQLUICE_JOB_RUNNING && last_job(w).progress.rows_in == 0)
                sqluice_job_wait(w->db, NULL, 10);
            assert_int_equal(sqluice_job_stop(w->db, NULL, 0), SQLUICE_OK);
            assert_int_equal(sqluice_job_wait(w->db, NULL, -1), SQLUICE_DONE);
        }
        failed = rc == SQLUICE_OK && last_job(w).status == SQLUICE_JOB_FAILED;
        failed |= w->db->budget.fail_at <= 0;               /* it failed somewhere and was got over */
        w->db->budget.fail_at = 0;
        if (rc != SQLUICE_OK && rc != SQLUICE_NOMEM)
            fail_msg("allocation %d: %s", n, sqluice_errmsg(w->db));
    }
    assert_true(n > 10 && n < 3000);
}

/* ---- completion: | is the cursor ---- */

static bool offers(struct world *w, const char *marked, const char *word, int *from_out)
{
    char text[512];
    const char *bar = strchr(marked, '|'), *c;
    int cursor = (int)(bar - marked), from = -1;

    snprintf(text, sizeof text, "%.*s%s", cursor, marked, bar + 1);
    for (int i = 0; (c = sqluice_complete(w->db, text, cursor, i, &from)); i++)
        if (strcmp(c, word) == 0) {
            if (from_out)
                *from_out = from;
            return true;
        }
    return false;
}

#define OFFERS(text, word) do { if (!offers(w, text, word, NULL)) fail_msg("%s offers no %s", text, word); } while (0)
#define NOT(text, word) do { if (offers(w, text, word, NULL)) fail_msg("%s offers %s", text, word); } while (0)

static void completion(void **state)
{
    struct world *w = *state;
    int from;

    tables(w);
    good(w, "CREATE VIEW seen AS SELECT id AS num FROM endless; CREATE TABLE `odd name` (a INT) WITH ('connector'='blackhole')");
    OFFERS("|", "SELECT");
    OFFERS("SELECT 1; sel|", "select");
    NOT("|", "FROM");
    OFFERS("SELECT * FROM |", "endless");
    OFFERS("SELECT * FROM |", "`odd name`");
    OFFERS("SELECT * FROM od|", "`odd name`");
    OFFERS("SELECT * FROM hole, e|", "endless");
    NOT("SELECT * FROM e|", "hole");
    OFFERS("INSERT INTO n|", "n");
    OFFERS("DROP VIEW |", "seen");
    NOT("DROP VIEW |", "hole");
    OFFERS("DROP TABLE IF EXISTS |", "hole");
    OFFERS("SELECT n| FROM seen", "num");
    NOT("SELECT i| FROM seen", "id");
    OFFERS("SELECT k| FROM seen", "key");
    OFFERS("SELECT e.| FROM endless AS e", "k");
    NOT("SELECT e.| FROM endless AS e", "SELECT");
    OFFERS("SELECT endless.i| FROM endless", "id");
    OFFERS("SELECT cou|", "count");
    OFFERS("SELECT COU|", "COUNT");
    OFFERS("SELECT a FROM t wh|", "where");
    OFFERS("SHOW |", "JOBS");
    OFFERS("SHOW CREATE T|", "TABLE");
    OFFERS("SHOW CREATE TABLE h|", "hole");
    OFFERS("CREATE TABLE t (a BIG|", "BIGINT");
    OFFERS("CREATE TABLE t (a INT, |", "WATERMARK");
    OFFERS("USE |", "default_database");
    /* option clauses */
    OFFERS("CREATE TABLE t (a INT) WITH (|", "'connector'");
    OFFERS("CREATE TABLE t (a INT) WITH ('conn|", "connector");
    NOT("CREATE TABLE t (a INT) WITH ('|", "rows-per-second");
    OFFERS("CREATE TABLE t (a INT) WITH ('connector' = 'd|", "datagen");
    OFFERS("CREATE TABLE t (a INT) WITH ('connector' = |", "'datagen'");
    OFFERS("CREATE TABLE t (a INT) WITH ('connector' = 'datagen', 'r|", "rows-per-second");
    OFFERS("CREATE TABLE t (a INT) WITH ('connector' = 'datagen', 'f|')", "fields.");
    NOT("CREATE TABLE t (a INT) WITH ('connector' = 'datagen', '|", "connector");
    OFFERS("CREATE TABLE t (a INT) WITH ('|', 'connector' = 'datagen')", "number-of-rows");
    OFFERS("CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'format' = '|", "debezium-json");
    OFFERS("CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'format' = 'json', 'json.|", "json.ignore-parse-errors");
    OFFERS("CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'format' = 'json', 'json.ignore-parse-errors' = '|", "true");
    OFFERS("SELECT * FROM endless /*+ OPTIONS('rows|", "rows-per-second");
    OFFERS("ALTER TABLE o SET ('p|", "path");
    /* SET */
    OFFERS("SET |", "'execution.runtime-mode'");
    OFFERS("SET 'table.d|", "table.dml-sync");
    OFFERS("SET 'execution.runtime-mode' = '|", "batch");
    OFFERS("SET 'table.dml-sync' = |", "'true'");
    OFFERS("RESET 'pip|", "pipeline.name");
    OFFERS("SHOW OPTIONS '|", "jdbc");
    OFFERS("STOP JOB '|", start(w, "INSERT INTO hole SELECT id FROM endless"));
    /* where the word begins */
    assert_true(offers(w, "SELECT * FROM end|", "endless", &from));
    assert_int_equal(from, 14);
    assert_true(offers(w, "SET 'table.d|", "table.dml-sync", &from));
    assert_int_equal(from, 5);
    /* nothing, and no harm */
    NOT("SELECT 'some text|", "SELECT");
    NOT("-- SELECT |", "nothing");
    NOT(")))((,.=;'`|", "SELECT");
    assert_null(sqluice_complete(NULL, "", 0, 0, NULL));
    assert_null(sqluice_complete(w->db, NULL, 0, 0, NULL));
    assert_non_null(sqluice_complete(w->db, "SEL", 99, 0, NULL));
    assert_non_null(sqluice_complete(w->db, "SEL", -1, 0, NULL));
}

/* Whatever stands before and behind the cursor: words, or none. */
static void completion_anywhere(void **state)
{
    static const char *const texts[] = {
        "CREATE TABLE t (a INT, b AS a + 1, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'it''s', 'format' = 'json');",
        "INSERT INTO hole /*+ OPTIONS('a'='b') */ SELECT e.id, COUNT(*) FROM endless AS e, `odd name` -- comment\n WHERE (e.k IN (1, 2)) GROUP BY e.id;",
        "SET 'table.dml-sync' = 'true'; RESET; ALTER TABLE o SET ('path' = 'x'); EXECUTE STATEMENT SET BEGIN INSERT INTO o SELECT 1; END; STOP JOB 'x' WITH DRAIN",
        "))) ,,, ... === ''' ``` /* */ /*+ ((( '\xc3\xa4\xff` ;;;",
    };
    struct world *w = *state;

    tables(w);
    for (size_t t = 0; t < SQ_LEN(texts); t++)
        for (int at = 0; at <= (int)strlen(texts[t]); at++) {
            const char *c;
            int from = -1;
            for (int i = 0; (c = sqluice_complete(w->db, texts[t], at, i, &from)); i++)
                assert_true(*c && from >= 0 && from <= at);
        }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(runs_and_stops), T(statements), T(drained), T(names), T(sync_waits), T(created_as), T(fails_later), T(cannot_open), T(callbacks_start_jobs), T(print_waits), T(notices_come_here),
        T(waiting_is_interrupted), T(left_running), T(signals_are_not_the_jobs), T(many_ended), T(misuse), T(out_of_memory), T(completion), T(completion_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
