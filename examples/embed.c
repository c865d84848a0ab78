/* SPDX-License-Identifier: Apache-2.0
 *
 * embed.c: sqluice inside a C program: a table over a file, a query with a parameter, a changelog, an INSERT with its account, an error.
 *
 *     cc -o embed embed.c $(pkg-config --cflags --libs sqluice) && ./embed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqluice.h>

static const char readings[] =
    "{\"id\":\"boiler\",\"value\":20.5}\n"
    "{\"id\":\"pump\",\"value\":1.5}\n"
    "{\"id\":\"boiler\",\"value\":22.5}\n"
    "{\"id\":\"fan\",\"value\":900}\n"
    "{\"id\":\"pump\",\"value\":2.5}\n";

static void on_notice(void *arg, const char *text)
{
    (void)arg;
    printf("notice: %s\n", text);
}

/* Every call returns a code; the engine holds the message. */
static void check(sqluice *db, int rc)
{
    if (rc == SQLUICE_OK || rc == SQLUICE_ROW || rc == SQLUICE_DONE)
        return;
    fprintf(stderr, "error: %s %s\n", sqluice_errmsg(db), sqluice_errhint(db));
    exit(1);
}

static void write_readings(void)
{
    FILE *f = fopen("embed_readings.ndjson", "w");

    if (!f || fwrite(readings, 1, sizeof readings - 1, f) != sizeof readings - 1 || fclose(f) != 0) {
        perror("embed_readings.ndjson");
        exit(1);
    }
}

/* One statement, its parameters, its rows: as in sqlite3. */
static void final_rows(sqluice *db)
{
    sqluice_stmt *q;
    int rc;

    check(db, sqluice_prepare(db, "SELECT id, COUNT(*) AS n, SUM(`value`) AS total FROM readings WHERE `value` < ? GROUP BY id", -1, &q, NULL));
    check(db, sqluice_bind_double(q, 1, 100.0));
    while ((rc = sqluice_step(q)) == SQLUICE_ROW)
        printf("%s: %lld readings, %.1f\n", sqluice_column_text(q, 0), (long long)sqluice_column_int64(q, 1), sqluice_column_double(q, 2));
    check(db, rc);
    sqluice_finalize(q);
}

/* The same query as a stream: every change of the result, with its kind. */
static int on_change(void *arg, sqluice_stmt *q)
{
    (void)arg;
    printf("%s %s %s\n", sqluice_row_kind_name(sqluice_row_kind(q)), sqluice_column_text(q, 0), sqluice_column_text(q, 1));
    return 0;
}

static void changelog(sqluice *db)
{
    check(db, sqluice_exec(db,
                           "SET 'sql-client.execution.result-mode' = 'changelog';"
                           "SELECT id, SUM(`value`) FROM readings WHERE id <> 'fan' GROUP BY id",
                           on_change, NULL));
}

/* A job: it runs to its end in one step, and tells what became of every row. */
static void job(sqluice *db)
{
    sqluice_stmt *q;

    check(db, sqluice_exec(db,
                           "CREATE TABLE hot (id STRING, `value` DOUBLE)"
                           " WITH ('connector' = 'filesystem', 'path' = 'embed_hot.ndjson', 'format' = 'json')",
                           NULL, NULL));
    check(db, sqluice_prepare(db, "INSERT INTO hot SELECT id, `value` FROM readings WHERE `value` > 20", -1, &q, NULL));
    check(db, sqluice_step(q));
    printf("the account %s\n", strlen(sqluice_account(q)) > 0 ? "is there" : "is missing");
    sqluice_finalize(q);
}

int main(void)
{
    const char *wrong = "SELECT idd FROM readings";
    sqluice_config config = {.memory_limit_bytes = 64 << 20, .notice = on_notice};
    sqluice_stmt *q;
    sqluice *db;

    write_readings();
    check(NULL, sqluice_open(&config, &db));
    check(db, sqluice_exec(db,
                           "CREATE TABLE readings (id STRING, `value` DOUBLE)"
                           " WITH ('connector' = 'filesystem', 'path' = 'embed_readings.ndjson', 'format' = 'json')",
                           NULL, NULL));
    final_rows(db);
    changelog(db);
    job(db);
    if (sqluice_prepare(db, wrong, -1, &q, NULL) != SQLUICE_OK)
        printf("%s\n", sqluice_error_render(db, "embed.sql", wrong, 1));
    sqluice_close(db);
    remove("embed_readings.ndjson");
    remove("embed_hot.ndjson");
    return 0;
}
