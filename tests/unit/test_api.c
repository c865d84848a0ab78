/* SPDX-License-Identifier: Apache-2.0
 *
 * test_api.c: the public API as an embedding program uses it: statements, rows and their readings, errors and their places, interruption,
 * limits, misuse. The engine's struct is looked into only to make allocations fail.
 */
#include "api/api.h"

#include <glob.h>
#include <pthread.h>
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
    char notices[4096];
    struct sq_buf text;
    struct sq_ctx ctx;                /* of text */
    struct sq_budget budget;
};

static void hear(void *arg, const char *text)
{
    struct world *w = arg;
    size_t n = strlen(w->notices);

    snprintf(w->notices + n, sizeof w->notices - n, "%s\n", text);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    sqluice_config config = {.notice = hear, .notice_arg = w};

    snprintf(w->dir, sizeof w->dir, "/tmp/sqluice-api-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->ctx = (struct sq_ctx){.budget = &w->budget, .os = &sq_os_posix};
    sq_buf_init(&w->text, &w->ctx);
    assert_int_equal(sqluice_open(&config, &w->db), SQLUICE_OK);
    assert_int_equal(sqluice_exec(w->db, "SET 'table.local-time-zone' = 'UTC'", NULL, NULL), SQLUICE_OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[128];

    sqluice_close(w->db);
    sq_buf_free(&w->text);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

static void put_file(struct world *w, const char *name, const char *text)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int keep_row(void *arg, sqluice_stmt *q)
{
    struct world *w = arg;

    if (sqluice_stmt_changelog(q))
        sq_buf_printf(&w->text, "%s ", sqluice_row_kind_name(sqluice_row_kind(q)));
    for (int i = 0; i < sqluice_column_count(q); i++) {
        const char *t = sqluice_column_text(q, i);
        sq_buf_printf(&w->text, "%s%s", i ? "|" : "", t ? t : "-");
    }
    sq_buf_puts(&w->text, "\n");
    return 0;
}

/* Runs SQL in which every % is the folder; gives the rows as text. */
static int run(struct world *w, const char *sql)
{
    char text[4096];
    size_t n = 0;

    for (; *sql && n + sizeof w->dir < sizeof text; sql++) {
        if (*sql == '%') {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", w->dir);
        } else {
            text[n++] = *sql;
        }
    }
    text[n] = 0;
    sq_buf_reset(&w->text);
    return sqluice_exec(w->db, text, keep_row, w);
}
static void good(struct world *w, const char *sql)
{
    if (run(w, sql) != SQLUICE_OK)
        fail_msg("%s: %s (%s)", sql, sqluice_errmsg(w->db), sqluice_errhint(w->db));
}

static void gives(struct world *w, const char *sql, const char *rows)
{
    good(w, sql);
    assert_string_equal(w->text.p ? w->text.p : "", rows);
}

static void readings(struct world *w)
{
    put_file(w, "r.ndjson", "{\"id\":\"a\",\"v\":1}\n{\"id\":\"b\",\"v\":5}\n{\"id\":\"a\",\"v\":2}\n");
    good(w, "CREATE TABLE r (id STRING, v INT) WITH ('connector'='filesystem','path'='%/r.ndjson','format'='json')");
}

#define ENDLESS "CREATE TABLE endless (id INT, s STRING) WITH ('connector'='datagen','rows-per-second'='1000000');"

/* ---- statements and values ---- */

static void values(void **state)
{
    struct world *w = *state;
    sqluice_stmt *q;

    assert_int_equal(sqluice_prepare(w->db, "SELECT 1 AS one, 'x' AS s, 2.50 AS d, CAST(NULL AS INT) AS n, DATE '1970-01-03' AS day", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_stmt_kind(q), SQLUICE_STMT_QUERY);
    assert_int_equal(sqluice_column_count(q), 5);
    assert_string_equal(sqluice_column_name(q, 0), "one");
    assert_string_equal(sqluice_column_decltype(q, 0), "INT NOT NULL");
    assert_string_equal(sqluice_column_decltype(q, 2), "DECIMAL(3, 2) NOT NULL");
    assert_int_equal(sqluice_column_type(q, 1), SQLUICE_TYPE_TEXT);
    assert_int_equal(sqluice_column_type(q, 2), SQLUICE_TYPE_DECIMAL);
    assert_null(sqluice_column_text(q, 0));                 /* no row yet */
    assert_int_equal(sqluice_step(q), SQLUICE_ROW);
    assert_int_equal(sqluice_column_int64(q, 0), 1);
    assert_string_equal(sqluice_column_text(q, 1), "x");
    assert_int_equal(sqluice_column_bytes(q, 1), 1);
    assert_true(sqluice_column_double(q, 2) == 2.5);
    assert_string_equal(sqluice_column_text(q, 2), "2.50");
    assert_int_equal(sqluice_column_int64(q, 2), 2);
    assert_int_equal(sqluice_column_is_null(q, 3), 1);
    assert_null(sqluice_column_text(q, 3));
    assert_int_equal(sqluice_column_int64(q, 4), 2);
    assert_string_equal(sqluice_column_text(q, 4), "1970-01-03");
    assert_null(sqluice_column_text(q, 5));
    assert_int_equal(sqluice_row_kind(q), SQLUICE_INSERT);
    assert_int_equal(sqluice_step(q), SQLUICE_DONE);
    assert_int_equal(sqluice_step(q), SQLUICE_DONE);
    sqluice_finalize(q);
}

static void parameters(void **state)
{
    struct world *w = *state;
    sqluice_stmt *q;

    readings(w);
    assert_int_equal(sqluice_prepare(w->db, "SELECT id, v, ? FROM r WHERE v > ? AND id = ?", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_step(q), SQLUICE_MISUSE);
    sqluice_finalize(q);
    assert_int_equal(sqluice_prepare(w->db, "SELECT id, v, ? FROM r WHERE v > ? AND id = ?", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_bind_double(q, 1, 0.5), SQLUICE_OK);
    assert_int_equal(sqluice_bind_int64(q, 2, 1), SQLUICE_OK);
    assert_int_equal(sqluice_bind_text(q, 4, "a", -1), SQLUICE_MISUSE);
    assert_int_equal(sqluice_bind_text(q, 0, "a", -1), SQLUICE_MISUSE);
    assert_int_equal(sqluice_bind_text(q, 3, "\xff", 1), SQLUICE_DATA);
    assert_int_equal(sqluice_bind_text(q, 3, "abc", 1), SQLUICE_OK);
    assert_int_equal(sqluice_column_count(q), 3);
    assert_int_equal(sqluice_step(q), SQLUICE_ROW);
    assert_string_equal(sqluice_column_text(q, 0), "a");
    assert_int_equal(sqluice_column_int64(q, 1), 2);
    assert_true(sqluice_column_double(q, 2) == 0.5);
    assert_int_equal(sqluice_bind_int64(q, 2, 1), SQLUICE_MISUSE);
    assert_int_equal(sqluice_step(q), SQLUICE_DONE);
    sqluice_finalize(q);
}

static void one_after_the_other(void **state)
{
    struct world *w = *state;
    const char *text = " -- first\nSELECT 1; /* two */ SELECT 2;; SELECT 'a;b' ; -- end\n";
    int at = 0, n = 0, tail;
    sqluice_stmt *q;

    for (;;) {
        assert_int_equal(sqluice_prepare(w->db, text + at, -1, &q, &tail), SQLUICE_OK);
        if (!q)
            break;
        assert_int_equal(sqluice_step(q), SQLUICE_ROW);
        n++;
        at += tail;
        sqluice_finalize(q);
    }
    assert_int_equal(n, 3);
    assert_int_equal(sqluice_prepare(w->db, "SELECT 1; SELECT 2", 8, &q, &tail), SQLUICE_OK);
    assert_int_equal(tail, 8);
    sqluice_finalize(q);
    assert_int_equal(sqluice_incomplete(w->db, "SELECT 1;"), 0);
    assert_int_equal(sqluice_incomplete(w->db, "SELECT 1; SELECT"), 1);
    assert_int_equal(sqluice_incomplete(w->db, "SELECT 'abc"), 1);
    assert_int_equal(sqluice_incomplete(w->db, "SELECT 1 /* x"), 1);
    assert_int_equal(sqluice_incomplete(w->db, ""), 0);
}

static void changes_and_final_rows(void **state)
{
    struct world *w = *state;

    readings(w);
    gives(w, "SELECT id, SUM(v) FROM r GROUP BY id", "a|3\nb|5\n");
    gives(w, "SET 'sql-client.execution.result-mode' = 'changelog'; SELECT id, SUM(v) FROM r GROUP BY id",
          "+I a|1\n+I b|5\n-U a|1\n+U a|3\n");
    gives(w, "SET 'execution.runtime-mode' = 'batch'; SET 'sql-client.execution.result-mode' = 'table'; SELECT id, SUM(v) FROM r GROUP BY id ORDER BY id",
          "a|3\nb|5\n");
    gives(w, "RESET; SELECT id, v FROM r", "a|1\nb|5\na|2\n");
    gives(w, "SET 'sql-client.execution.max-table-result.rows' = '2'; SELECT id, v FROM r", "a|1\nb|5\n");
    assert_non_null(strstr(w->notices, "not shown"));
}

static void jobs(void **state)
{
    struct world *w = *state;
    sqluice_stmt *q;

    readings(w);
    good(w, "CREATE TABLE o (id STRING, v INT) WITH ('connector'='filesystem','path'='%/o.ndjson','format'='json')");
    assert_int_equal(sqluice_prepare(w->db, "INSERT INTO o SELECT id, v * 2 FROM r WHERE v < 5", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_stmt_kind(q), SQLUICE_STMT_INSERT);
    assert_int_equal(sqluice_stmt_bounded(q), 1);
    assert_int_equal(sqluice_column_count(q), 0);
    assert_string_equal(sqluice_account(q), "");
    assert_int_equal(sqluice_step(q), SQLUICE_DONE);
    assert_non_null(strstr(sqluice_account(q), "3 rows in"));
    sqluice_finalize(q);
    gives(w, "SELECT * FROM o", "a|2\na|4\n");
    good(w, "CREATE TABLE o2 (id STRING) WITH ('connector'='filesystem','path'='%/o2.ndjson','format'='json');"
            "CREATE TABLE o3 (v INT) WITH ('connector'='filesystem','path'='%/o3.ndjson','format'='json');"
            "EXECUTE STATEMENT SET BEGIN INSERT INTO o2 SELECT id FROM r; INSERT INTO o3 SELECT v FROM r; END");
    gives(w, "SELECT * FROM o3", "1\n5\n2\n");
    gives(w, "SELECT * FROM o2", "a\nb\na\n");
    good(w, "CREATE TABLE made WITH ('connector'='filesystem','path'='%/made.ndjson','format'='json') AS SELECT id, v + 1 AS w FROM r");
    gives(w, "SELECT w, id FROM made", "2|a\n6|b\n3|a\n");
    /* what cannot be planned makes no table */
    assert_int_equal(run(w, "CREATE TABLE made2 WITH ('connector'='filesystem','path'='%/m2','format'='json') AS SELECT id, COUNT(*) AS n FROM r GROUP BY id"), SQLUICE_SEMANTIC);
    assert_int_equal(run(w, "DESCRIBE made2"), SQLUICE_SEMANTIC);
}

/* ---- errors ---- */

static void error_places(void **state)
{
    struct world *w = *state;
    const char *text = "SELECT 1;\nSELECT idd FROM r;\n";
    sqluice_stmt *q;

    readings(w);
    assert_int_equal(sqluice_exec(w->db, text, NULL, NULL), SQLUICE_SEMANTIC);
    assert_int_equal(sqluice_errcode(w->db), SQLUICE_SEMANTIC);
    assert_int_equal(sqluice_error_offset(w->db), 17);
    assert_int_equal(sqluice_error_length(w->db), 3);
    assert_non_null(strstr(sqluice_error_render(w->db, "job.sql", text, 1), "job.sql:2:8: error: "));
    assert_non_null(strstr(sqluice_error_render(w->db, NULL, text, 1), "^~~ "));
    assert_int_equal(sqluice_prepare(w->db, "SELEC 1", -1, &q, NULL), SQLUICE_SYNTAX);
    assert_null(q);
    assert_int_equal(sqluice_error_offset(w->db), 0);
    /* at run time too */
    text = "  SELECT 2; SELECT 1 + CAST(id AS INT) FROM r";
    assert_int_equal(sqluice_exec(w->db, text, NULL, NULL), SQLUICE_DATA);
    assert_true(sqluice_error_offset(w->db) >= (int)(strstr(text, "CAST") - text));
    assert_int_equal(sqluice_exec(w->db, "SELECT 1", NULL, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_errcode(w->db), SQLUICE_OK);
    assert_string_equal(sqluice_errmsg(w->db), "not an error");
    assert_int_equal(sqluice_error_offset(w->db), -1);
    assert_int_equal(sqluice_exec(w->db, "CREATE TABLE r (id INT) WITH ('connector'='print')", NULL, NULL), SQLUICE_SEMANTIC);
    assert_int_equal(sqluice_error_offset(w->db), 13);
}

static void misuse(void **state)
{
    struct world *w = *state;
    sqluice_stmt *q = NULL;

    assert_int_equal(sqluice_step(NULL), SQLUICE_MISUSE);
    assert_int_equal(sqluice_prepare(NULL, "SELECT 1", -1, &q, NULL), SQLUICE_MISUSE);
    assert_int_equal(sqluice_prepare(w->db, NULL, -1, &q, NULL), SQLUICE_MISUSE);
    assert_int_equal(sqluice_prepare(w->db, "SELECT 1", -1, NULL, NULL), SQLUICE_MISUSE);
    assert_int_equal(sqluice_exec(w->db, NULL, NULL, NULL), SQLUICE_MISUSE);
    assert_int_equal(sqluice_exec(NULL, "SELECT 1", NULL, NULL), SQLUICE_MISUSE);
    assert_int_equal(sqluice_open(NULL, NULL), SQLUICE_MISUSE);
    sqluice_finalize(NULL);
    sqluice_close(NULL);
    sqluice_interrupt(NULL);
    assert_int_equal(sqluice_column_count(NULL), 0);
    assert_null(sqluice_column_name(NULL, 0));
    assert_null(sqluice_column_text(NULL, 0));
    assert_int_equal(sqluice_column_int64(NULL, 0), 0);
    assert_null(sqluice_setting(w->db, "no.such.key"));
    assert_string_equal(sqluice_setting(w->db, "execution.runtime-mode"), "streaming");
    assert_string_equal(sqluice_row_kind_name(3), "-D");
    assert_string_equal(sqluice_row_kind_name(9), "?");
    readings(w);
    assert_int_equal(sqluice_prepare(w->db, "SELECT CAST(id AS INT) FROM r", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_step(q), SQLUICE_DATA);
    assert_int_equal(sqluice_step(q), SQLUICE_MISUSE);
    assert_null(sqluice_column_text(q, 0));
    /* left open: sqluice_close finalizes it */
}

/* ---- the catalog moves under statements ---- */

static void planned_anew(void **state)
{
    struct world *w = *state;
    sqluice_stmt *q, *running;

    readings(w);
    assert_int_equal(sqluice_prepare(w->db, "SELECT * FROM r", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_prepare(w->db, "SELECT * FROM r", -1, &running, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_step(running), SQLUICE_ROW);
    good(w, "ALTER TABLE r ADD x AS v * 10");
    assert_int_equal(sqluice_step(q), SQLUICE_ROW);
    assert_int_equal(sqluice_column_count(q), 3);
    assert_string_equal(sqluice_column_text(q, 2), "10");
    sqluice_finalize(q);
    assert_int_equal(sqluice_prepare(w->db, "SELECT * FROM r", -1, &q, NULL), SQLUICE_OK);
    good(w, "DROP TABLE r");
    assert_int_equal(sqluice_step(running), SQLUICE_ROW);       /* holds what it began with */
    assert_int_equal(sqluice_column_count(running), 2);
    assert_string_equal(sqluice_column_text(running, 0), "b");
    assert_int_equal(sqluice_step(q), SQLUICE_SEMANTIC);
    sqluice_finalize(q);
    sqluice_finalize(running);
}

static int nested_row(void *arg, sqluice_stmt *q)
{
    struct world *w = arg;

    (void)q;
    return sqluice_exec(w->db, "SELECT COUNT(*) FROM r", NULL, NULL);
}

static int stop_row(void *arg, sqluice_stmt *q)
{
    (void)q;
    return ++*(int *)arg == 2;
}

static void callbacks(void **state)
{
    struct world *w = *state;
    int rows = 0;

    readings(w);
    assert_int_equal(sqluice_exec(w->db, "SELECT * FROM r", nested_row, w), SQLUICE_OK);
    assert_int_equal(sqluice_exec(w->db, "SELECT * FROM r; SELECT 1", stop_row, &rows), SQLUICE_INTERRUPT);
    assert_int_equal(rows, 2);
}

/* ---- interruption ---- */

static void *interrupt_soon(void *arg)
{
    usleep(100 * 1000);
    sqluice_interrupt(arg);
    return NULL;
}

static void interrupted_insert(void **state)
{
    struct world *w = *state;
    sqluice_stmt *q;
    pthread_t t;

    good(w, ENDLESS "CREATE TABLE hole (id INT) WITH ('connector'='blackhole'); SET 'table.dml-sync' = 'true'");
    assert_int_equal(sqluice_prepare(w->db, "INSERT INTO hole SELECT id FROM endless", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_stmt_bounded(q), 0);
    assert_int_equal(pthread_create(&t, NULL, interrupt_soon, w->db), 0);
    assert_int_equal(sqluice_step(q), SQLUICE_INTERRUPT);
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_non_null(strstr(sqluice_account(q), "rows in"));
    sqluice_finalize(q);
    good(w, "SELECT 1");                                  /* the request has fallen */
}

static void interrupted_query(void **state)
{
    struct world *w = *state;
    sqluice_stmt *q;

    good(w, ENDLESS);
    assert_int_equal(sqluice_prepare(w->db, "SELECT id FROM endless", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_stmt_changelog(q), 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(sqluice_step(q), SQLUICE_ROW);
    sqluice_interrupt(w->db);
    assert_int_equal(sqluice_step(q), SQLUICE_INTERRUPT);
    sqluice_finalize(q);
    sqluice_interrupt(w->db);                             /* nothing runs: void */
    good(w, "SELECT 1");
}

static int give_up(void *arg, const sqluice_progress *p)
{
    (void)p;
    return ++*(int *)arg >= 2;
}

static void progress(void **state)
{
    struct world *w = *state;
    int calls = 0;
    sqluice_config config = {.progress = give_up, .progress_arg = &calls};
    sqluice *db;

    (void)w;
    assert_int_equal(sqluice_open(&config, &db), SQLUICE_OK);
    assert_int_equal(sqluice_exec(db, ENDLESS "CREATE TABLE hole (id INT) WITH ('connector'='blackhole'); SET 'table.dml-sync' = 'true';"
                                      "INSERT INTO hole SELECT id FROM endless", NULL, NULL),
                     SQLUICE_INTERRUPT);
    assert_true(calls >= 2);
    sqluice_close(db);
}

struct breaker {
    char checkpoints[128];
    int broken;
};

/* Once, as soon as there is a checkpoint. */
static int break_off(void *arg)
{
    struct breaker *b = arg;
    glob_t found;
    int rc = glob(b->checkpoints, 0, NULL, &found);

    if (rc == 0)
        globfree(&found);
    return rc == 0 && b->broken++ == 0;
}

/* An INSERT is broken off between two turns, and the same one goes on from its checkpoint: each row is there once. */
static void broken_off_and_on(void **state)
{
    struct world *w = *state;
    struct breaker b = {.broken = 0};
    sqluice_config config = {.notice = hear, .notice_arg = w, .batch_rows = 1, .turn = break_off, .turn_arg = &b};
    sqluice *db;
    char sql[1024];

    put_file(w, "many.ndjson", "{\"v\":1}\n{\"v\":2}\n{\"v\":3}\n{\"v\":4}\n{\"v\":5}\n{\"v\":6}\n{\"v\":7}\n{\"v\":8}\n{\"v\":9}\n");
    snprintf(sql, sizeof sql,
             "SET 'execution.checkpointing.interval' = '10 ms'; SET 'execution.checkpointing.dir' = '%s/chk'; SET 'execution.trigger.max-rows' = '1';"
             "CREATE TABLE i (v INT) WITH ('connector'='filesystem','path'='%s/many.ndjson','format'='json');"
             "CREATE TABLE o (v INT) WITH ('connector'='filesystem','path'='%s/o/','format'='json')",
             w->dir, w->dir, w->dir);
    snprintf(b.checkpoints, sizeof b.checkpoints, "%s/chk/*/chk-*.db", w->dir);
    assert_int_equal(sqluice_open(&config, &db), SQLUICE_OK);
    assert_int_equal(sqluice_exec(db, sql, NULL, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_exec(db, "INSERT INTO o SELECT v FROM i", NULL, NULL), SQLUICE_INTERRUPT);
    assert_non_null(strstr(sqluice_errmsg(db), "broken off"));
    assert_int_equal(b.broken, 1);
    assert_null(strstr(w->notices, "goes on"));
    assert_int_equal(sqluice_exec(db, "INSERT INTO o SELECT v FROM i", NULL, NULL), SQLUICE_OK);
    assert_non_null(strstr(w->notices, "goes on from epoch"));
    sq_buf_reset(&w->text);
    assert_int_equal(sqluice_exec(db, "SELECT COUNT(*), SUM(v) FROM o", keep_row, w), SQLUICE_OK);
    assert_string_equal(w->text.p, "9|45\n");
    sqluice_close(db);
}

/* ---- several engines, limits ---- */

static void *count_rows(void *arg)
{
    struct world *w = arg;
    intptr_t ok = 1;

    for (int i = 0; i < 20 && ok; i++) {
        sqluice *db;
        sqluice_stmt *q;
        char sql[256];

        ok = sqluice_open(NULL, &db) == SQLUICE_OK;
        snprintf(sql, sizeof sql, "CREATE TABLE r (id STRING, v INT) WITH ('connector'='filesystem','path'='%s/r.ndjson','format'='json')", w->dir);
        ok = ok && sqluice_exec(db, sql, NULL, NULL) == SQLUICE_OK;
        ok = ok && sqluice_prepare(db, "SELECT SUM(v) FROM r", -1, &q, NULL) == SQLUICE_OK && sqluice_step(q) == SQLUICE_ROW && sqluice_column_int64(q, 0) == 8;
        sqluice_close(db);
    }
    return (void *)ok;
}

static void two_engines(void **state)
{
    struct world *w = *state;
    pthread_t t[2];
    void *ok;

    readings(w);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&t[i], NULL, count_rows, w), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(t[i], &ok), 0);
        assert_non_null(ok);
    }
}

static void memory_limit(void **state)
{
    struct world *w = *state;
    sqluice_config config = {.memory_limit_bytes = 8 << 20};
    sqluice *db;

    (void)w;
    assert_int_equal(sqluice_open(&config, &db), SQLUICE_OK);
    assert_int_equal(sqluice_exec(db,
                                  "CREATE TABLE g (id BIGINT, s STRING) WITH ('connector'='datagen','number-of-rows'='1000000','rows-per-second'='100000000',"
                                  "'fields.id.kind'='sequence','fields.id.start'='1','fields.id.end'='1000000');"
                                  "CREATE TABLE hole (id BIGINT, n BIGINT) WITH ('connector'='blackhole');"
                                  "INSERT INTO hole SELECT id, COUNT(*) FROM g GROUP BY id",
                                  NULL, NULL),
                     SQLUICE_NOMEM);
    assert_int_equal(sqluice_exec(db, "SELECT 1", NULL, NULL), SQLUICE_OK);
    sqluice_close(db);
}

/* Every allocation of a script fails once: a clean error, nothing lost, and the engine goes on. */
static void fails_cleanly(struct world *w, const char *sql, const char *after)
{
    int rc = SQLUICE_NOMEM, n = 1;

    for (; rc != SQLUICE_OK && n < 50000; n++) {
        int64_t used = w->db->budget.used;

        w->db->budget.fail_at = n;
        rc = run(w, sql);
        w->db->budget.fail_at = 0;
        if (rc != SQLUICE_OK && rc != SQLUICE_NOMEM)
            fail_msg("%s: allocation %d: %s", sql, n, sqluice_errmsg(w->db));
        good(w, after);
        if (rc != SQLUICE_OK && w->db->budget.used != used)
            fail_msg("%s: allocation %d: %lld bytes are lost", sql, n, (long long)(w->db->budget.used - used));
    }
    if (rc != SQLUICE_OK)
        fail_msg("%s: never ends", sql);
    assert_true(n > 10);
}

static void out_of_memory(void **state)
{
    struct world *w = *state;

    readings(w);
    good(w, "CREATE TABLE o (id STRING, n BIGINT) WITH ('connector'='filesystem','path'='%/o.ndjson','format'='debezium-json')");
    good(w, "CREATE TABLE d (id STRING, n BIGINT, m INT) WITH ('connector'='jdbc','url'='jdbc:sqlite:%/o.db','table-name'='d')");
    fails_cleanly(w, "CREATE VIEW x AS SELECT id, v FROM r; SELECT id, SUM(v), MAX(id) FROM x GROUP BY id", "DROP VIEW IF EXISTS x");
    fails_cleanly(w, "SELECT a.id, b.v + 1 FROM r AS a JOIN r AS b ON a.id = b.id AND a.v <= b.v ORDER BY 1, 2 LIMIT 2", "SELECT 1");
    fails_cleanly(w, "INSERT INTO o SELECT id, COUNT(DISTINCT v) FROM r GROUP BY id", "SELECT 1");
    fails_cleanly(w, "INSERT INTO d SELECT id, COUNT(*), SUM(v) FROM r GROUP BY id", "SELECT 1");
    fails_cleanly(w, "CREATE TABLE c WITH ('connector'='blackhole') AS SELECT UPPER(id) AS u FROM r", "DROP TABLE IF EXISTS c");
    fails_cleanly(w, "CREATE TABLE l (x AS v + 1) LIKE r; ALTER TABLE l ADD y STRING; SHOW CREATE TABLE l; DESCRIBE l", "DROP TABLE IF EXISTS l");
    fails_cleanly(w, "EXPLAIN SELECT id, SUM(v) FROM r WHERE v > 1 GROUP BY id; SHOW TABLES; SET", "SELECT 1");
}

/* ---- clock, SHOW, completion ---- */

static int64_t held(void *arg)
{
    (void)arg;
    return 1700000000000000;
}

static void clock_is_held(void **state)
{
    struct world *w = *state;
    sqluice_config config = {.now_us = held};
    sqluice *db;

    assert_int_equal(sqluice_open(&config, &db), SQLUICE_OK);
    sq_buf_reset(&w->text);
    assert_int_equal(sqluice_exec(db, "SET 'table.local-time-zone' = 'UTC'; SELECT CAST(CURRENT_TIMESTAMP AS STRING), UNIX_TIMESTAMP()", keep_row, w), SQLUICE_OK);
    assert_string_equal(w->text.p, "2023-11-14 22:13:20.000|1700000000\n");
    sqluice_close(db);
}

struct meddler {
    sqluice *db;
    sqluice_stmt *q;
    int rc;
    bool ends;
};

/* Does within a callback what must not be done there. */
static void meddle(struct meddler *m)
{
    if (!m->q)
        return;
    m->rc = sqluice_step(m->q);
    assert_int_equal(sqluice_bind_int64(m->q, 1, 2), SQLUICE_MISUSE);
    sqluice_column_count(m->q);
    if (m->ends)
        sqluice_finalize(m->q);
    sqluice_close(m->db);
}

static void on_notice(void *arg, const char *text)
{
    (void)text;
    meddle(arg);
}

static int on_row(void *arg, sqluice_stmt *q)
{
    struct meddler *m = arg;

    m->rc++;
    sqluice_finalize(q);
    sqluice_close(m->db);
    return 0;
}

static void meddling(void **state)
{
    struct world *w = *state;
    struct meddler m = {.rc = 0};
    sqluice_config config = {.notice = on_notice, .notice_arg = &m};
    sqluice_stmt *q;
    char sql[300];

    assert_int_equal(sqluice_open(&config, &m.db), SQLUICE_OK);
    assert_int_equal(sqluice_exec(m.db, "VALUES (1), (2)", on_row, &m), SQLUICE_MISUSE);
    assert_int_equal(m.rc, 1);
    snprintf(sql, sizeof sql, "CREATE TABLE s (a BIGINT) WITH ('connector'='jdbc','url'='jdbc:sqlite:%s/x.db','table-name'='s')", w->dir);
    assert_int_equal(sqluice_exec(m.db, sql, NULL, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_prepare(m.db, "INSERT INTO s SELECT ?", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_step(q), SQLUICE_MISUSE);             /* no value yet: it can still be given */
    assert_int_equal(sqluice_bind_int64(q, 1, 7), SQLUICE_OK);
    m.q = q;                                                       /* the notice says that the table was created */
    assert_int_equal(sqluice_step(q), SQLUICE_DONE);
    assert_int_equal(m.rc, SQLUICE_MISUSE);
    sqluice_finalize(q);
    snprintf(sql, sizeof sql, "CREATE TABLE s2 (a BIGINT) WITH ('connector'='jdbc','url'='jdbc:sqlite:%s/x.db','table-name'='s2')", w->dir);
    m.q = NULL;
    assert_int_equal(sqluice_exec(m.db, sql, NULL, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_prepare(m.db, "INSERT INTO s2 SELECT ?", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_bind_int64(q, 1, 7), SQLUICE_OK);
    m.q = q;
    m.ends = true;
    assert_int_equal(sqluice_step(q), SQLUICE_MISUSE);
    assert_string_equal(sqluice_errmsg(m.db), "the statement was finalized by a callback");
    sqluice_close(m.db);
}

static void info(void **state)
{
    struct world *w = *state;
    sqluice_stmt *q;
    bool table = false, keyword = false, column = false;
    const char *word, *last = "";

    readings(w);
    gives(w, "SHOW TABLES", "r\n");
    gives(w, "DESCRIBE r", "id|STRING|TRUE|-|-|-\nv|INT|TRUE|-|-|-\n");
    assert_int_equal(sqluice_prepare(w->db, "EXPLAIN SELECT id FROM r", -1, &q, NULL), SQLUICE_OK);
    assert_int_equal(sqluice_stmt_kind(q), SQLUICE_STMT_INFO);
    assert_string_equal(sqluice_column_name(q, 0), "result");
    assert_int_equal(sqluice_step(q), SQLUICE_ROW);
    assert_non_null(strstr(sqluice_column_text(q, 0), "Scan r"));
    assert_int_equal(sqluice_step(q), SQLUICE_DONE);
    sqluice_finalize(q);
    assert_int_equal(run(w, "EXPLAIN DROP TABLE r"), SQLUICE_SYNTAX);
    assert_int_equal(run(w, "EXPLAIN ESTIMATED_COST SELECT 1"), SQLUICE_UNSUPPORTED);
    for (int i = 0; (word = sqluice_completion(w->db, i)); i++) {
        assert_true(strcmp(last, word) < 0);
        last = word;
        keyword |= strcmp(word, "SELECT") == 0;
        table |= strcmp(word, "r") == 0;
        column |= strcmp(word, "v") == 0;
    }
    assert_true(keyword && table && column);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(values), T(parameters), T(one_after_the_other), T(changes_and_final_rows), T(jobs), T(error_places), T(misuse), T(planned_anew), T(callbacks),
        T(interrupted_insert), T(interrupted_query), T(progress), T(broken_off_and_on), T(two_engines), T(memory_limit), T(out_of_memory), T(clock_is_held), T(meddling), T(info),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
