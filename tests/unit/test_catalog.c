/* SPDX-License-Identifier: Apache-2.0
 *
 * test_catalog.c: names, DDL, settings, SHOW: what statements make of the catalog, and that one that fails makes nothing of it.
 */
#include "base/os.h"
#include "planner/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct world {
    struct sq_budget budget;
    struct sq_ctx ctx;
    struct sq_catalog *catalog;
    struct sq_settings *settings;
    struct sq_arena arena;
    struct sq_bind_env env;
    char notices[4096];
    struct sq_str text;           /* of the last statement */
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

    w->ctx = (struct sq_ctx){.budget = &w->budget, .os = &sq_os_posix, .notice = hear, .notice_arg = w};
    assert_int_equal(sq_catalog_new(&w->ctx, &w->catalog), SQ_OK);
    assert_int_equal(sq_settings_new(&w->ctx, &w->settings), SQ_OK);
    sq_arena_init(&w->arena, &w->ctx);
    w->env = (struct sq_bind_env){.ctx = &w->ctx, .arena = &w->arena, .catalog = w->catalog, .settings = w->settings,
                                  .session = {.tz = sq_tz_utc, .os = &sq_os_posix}};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    sq_arena_free(&w->arena);
    sq_catalog_free(w->catalog);
    sq_settings_free(w->settings);
    assert_int_equal(w->budget.used, 0);
    free(w);
    return 0;
}

static struct sq_ast_stmt *parse(struct world *w, const char *sql)
{
    struct sq_ast_stmt *st = NULL;
    uint32_t at = 0;

    w->text = sq_str_of(sql);
    if (sq_parse(&w->ctx, &w->arena, w->text, &at, &st, NULL) != SQ_OK)
        fail_msg("%s: %s", sql, w->ctx.err.msg);
    return st;
}

static sq_rc run(struct world *w, const char *sql)
{
    struct sq_ast_stmt *st = parse(w, sql);
    struct sq_ctas ctas;

    memset(&w->ctx.err, 0, sizeof w->ctx.err);
    w->notices[0] = 0;
    if (st->kind == SQ_S_SET)
        return sq_settings_set(&w->ctx, w->settings, st->options);
    if (st->kind == SQ_S_RESET)
        return sq_settings_reset(&w->ctx, w->settings, st->noptions ? st->options : NULL);
    return sq_ddl(&w->env, st, &ctas);
}

static void good(struct world *w, const char *sql)
{
    if (run(w, sql) != SQ_OK)
        fail_msg("%s: %s", sql, w->ctx.err.msg);
}

/* The statement fails with the code, a message that holds `part`, and its place at the text `at` (NULL: not looked at). */
static void bad(struct world *w, const char *sql, sq_rc rc, const char *part, const char *at)
{
    uint64_t before = w->catalog->version;
    sq_rc got = run(w, sql);
    const struct sq_error *e = &w->ctx.err;

    if (got != rc || !strstr(e->msg, part))
        fail_msg("%s: rc %d, message '%s', hint '%s'", sql, got, e->msg, e->hint);
    if (at && (e->span.at + e->span.len > w->text.n || e->span.len == 0 || strncmp(sql + e->span.at, at, strlen(at)) != 0))
        fail_msg("%s: place %u+%u, not at '%s' (%s)", sql, e->span.at, e->span.len, at, e->msg);
    assert_int_equal(w->catalog->version, before);
}

static struct sq_table *table(struct world *w, const char *name)
{
    struct sq_name n = {.part = {sq_str_of(name)}, .n = 1};
    struct sq_table *t = NULL;

    assert_int_equal(sq_catalog_lookup(&w->ctx, w->catalog, &n, &t), SQ_OK);
    return t;
}

/* What a SHOW or DESCRIBE gives: cells by '|', rows by newlines. */
static const char *show(struct world *w, const char *sql)
{
    struct sq_ast_stmt *st = parse(w, sql);
    const struct sq_field *cols;
    const struct sq_type *types[8];
    const struct sq_batch *b;
    struct sq_out out;
    struct sq_buf text;
    uint32_t n;
    char *copy;

    assert_int_equal(sq_show_columns(&w->env, st, &cols, &n), SQ_OK);
    for (uint32_t i = 0; i < n; i++)
        types[i] = cols[i].type;
    assert_int_equal(sq_out_init(&out, &w->ctx, types, n), SQ_OK);
    sq_buf_init(&text, &w->ctx);
    if (sq_show_rows(&w->env, st, &out) != SQ_OK) {
        sq_buf_printf(&text, "error: %s", w->ctx.err.msg);
    } else {
        b = sq_out_batch(&out);
        for (uint32_t r = 0; r < b->rows; r++)
            for (uint32_t c = 0; c < n; c++) {
                if (sq_vec_null(&b->cols[c], r))
                    sq_buf_puts(&text, "-");
                else
                    sq_print_value(&text, &b->cols[c], r, sq_tz_utc);
                sq_buf_puts(&text, c + 1 < n ? "|" : "\n");
            }
    }
    copy = sq_arena_printf(&w->arena, "%s", text.p ? text.p : "");
    sq_buf_free(&text);
    sq_out_free(&out);
    return copy;
}

static void shows(struct world *w, const char *sql, const char *part)
{
    const char *got = show(w, sql);

    if (!strstr(got, part))
        fail_msg("%s gives\n%s\nand not\n%s", sql, got, part);
}

#define HOLE " WITH ('connector' = 'blackhole')"
#define FILE " WITH ('connector' = 'filesystem', 'path' = 'none.ndjson', 'format' = 'json')"

/* ---- names ---- */

static void names(void **state)
{
    struct world *w = *state;

    good(w, "CREATE TABLE orders (id INT)" HOLE);
    assert_non_null(table(w, "orders"));
    assert_null(table(w, "Orders"));
    bad(w, "DROP TABLE ordres", SQ_SEMANTIC, "no table 'ordres'", "ordres");
    assert_non_null(strstr(w->ctx.err.hint, "orders"));
    bad(w, "CREATE TABLE orders (id INT)" HOLE, SQ_SEMANTIC, "already", "orders");
    good(w, "CREATE TABLE IF NOT EXISTS orders (other STRING)" HOLE);
    assert_int_equal(table(w, "orders")->cols[0].type->id, SQ_T_INT);
    good(w, "CREATE TEMPORARY TABLE orders (b BIGINT)" HOLE);
    assert_int_equal(table(w, "orders")->cols[0].type->id, SQ_T_BIGINT);
    assert_string_equal(show(w, "SHOW TABLES"), "orders\n");
    good(w, "DROP TEMPORARY TABLE orders");
    assert_int_equal(table(w, "orders")->cols[0].type->id, SQ_T_INT);
    bad(w, "DROP TEMPORARY TABLE orders", SQ_SEMANTIC, "not temporary", "orders");
    bad(w, "DROP VIEW orders", SQ_SEMANTIC, "is a table", "orders");
    good(w, "DROP TABLE orders");
    good(w, "DROP TABLE IF EXISTS orders");
    bad(w, "CREATE TABLE nowhere.t (id INT)" HOLE, SQ_SEMANTIC, "no database 'nowhere'", "nowhere");
}

static void databases(void **state)
{
    struct world *w = *state;

    good(w, "CREATE DATABASE sales COMMENT 'x'");
    good(w, "CREATE DATABASE IF NOT EXISTS sales");
    bad(w, "CREATE DATABASE sales", SQ_SEMANTIC, "already", "sales");
    good(w, "CREATE TABLE sales.t (id INT)" HOLE);
    bad(w, "DROP DATABASE sales", SQ_SEMANTIC, "not empty", "sales");
    bad(w, "USE salse", SQ_SEMANTIC, "no database", "salse");
    good(w, "USE sales");
    assert_non_null(table(w, "t"));
    assert_string_equal(show(w, "SHOW CURRENT DATABASE"), "sales\n");
    bad(w, "DROP DATABASE sales CASCADE", SQ_SEMANTIC, "in use", "sales");
    good(w, "CREATE CATALOG c2 WITH ('type' = 'generic_in_memory')");
    bad(w, "CREATE CATALOG c3 WITH ('type' = 'hive')", SQ_UNSUPPORTED, "hive", "'hive'");
    bad(w, "CREATE CATALOG c3", SQ_SEMANTIC, "type", "c3");
    good(w, "USE CATALOG c2");
    assert_null(table(w, "t"));
    assert_string_equal(show(w, "SHOW CATALOGS"), "c2\ndefault_catalog\n");
    good(w, "USE default_catalog.default_database");
    good(w, "DROP CATALOG c2");
    good(w, "DROP DATABASE sales CASCADE");
    assert_string_equal(show(w, "SHOW DATABASES"), "default_database\n");
}

static void pins(void **state)
{
    struct world *w = *state;
    struct sq_table *t;

    good(w, "CREATE TABLE t (id INT)" HOLE);
    t = table(w, "t");
    sq_catalog_pin(w->catalog);
    good(w, "DROP TABLE t");
    assert_null(table(w, "t"));
    assert_true(sq_str_is(t->name, "t"));         /* still there for who planned with it */
    sq_catalog_unpin(w->catalog);
}

/* ---- CREATE TABLE ---- */

static void columns(void **state)
{
    struct world *w = *state;
    struct sq_table *t;

    good(w,
         "CREATE TABLE t (id INT, name STRING NOT NULL COMMENT 'who', twice AS id * 2, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND,"
         " PRIMARY KEY (id, name) NOT ENFORCED) COMMENT 'a table'" HOLE);
    t = table(w, "t");
    assert_int_equal(t->ncols, 4);
    assert_int_equal(t->spec.ncols, 3);
    assert_int_equal(t->cols[3].stored, 2);
    assert_false(t->cols[0].type->nullable);
    assert_false(t->spec.cols[0].type->nullable);
    assert_int_equal(t->spec.npk, 2);
    assert_int_equal(t->cols[2].type->id, SQ_T_INT);
    assert_int_equal(t->rowtime, 3);
    assert_string_equal(show(w, "DESCRIBE t"),
                        "id|INT|FALSE|PRI(id, name)|-|-|-\n"
                        "name|STRING|FALSE|PRI(id, name)|-|-|who\n"
                        "twice|INT|FALSE|-|AS id * 2|-|-\n"
                        "ts|TIMESTAMP(3) *ROWTIME*|TRUE|-|-|ts - INTERVAL '5' SECOND|-\n");
}

static void column_errors(void **state)
{
    struct world *w = *state;

    bad(w, "CREATE TABLE t (a INT, b INT, a STRING)" HOLE, SQ_SEMANTIC, "'a' is declared twice", "a STRING");
    bad(w, "CREATE TABLE t (a INT, PRIMARY KEY (b) NOT ENFORCED)" HOLE, SQ_SEMANTIC, "no column 'b'", "b)");
    bad(w, "CREATE TABLE t (a INT, PRIMARY KEY (a))" HOLE, SQ_SEMANTIC, "cannot be enforced", NULL);
    assert_non_null(strstr(w->ctx.err.hint, "NOT ENFORCED"));
    bad(w, "CREATE TABLE t (a INT, PRIMARY KEY (a, a) NOT ENFORCED)" HOLE, SQ_SEMANTIC, "twice", NULL);
    bad(w, "CREATE TABLE t (a INT, b AS a + 1, PRIMARY KEY (b) NOT ENFORCED)" HOLE, SQ_SEMANTIC, "computed", "b)");
    bad(w, "CREATE TABLE t (a INT, b AS a + 1, c AS b + 1)" HOLE, SQ_SEMANTIC, "cannot refer", "b + 1)");
    bad(w, "CREATE TABLE t (aaa INT, b AS aab + 1)" HOLE, SQ_SEMANTIC, "aab", "aab");
    bad(w, "CREATE TABLE t (a INT, WATERMARK FOR b AS b)" HOLE, SQ_SEMANTIC, "no column 'b'", "b AS");
    bad(w, "CREATE TABLE t (a BIGINT, WATERMARK FOR a AS a)" HOLE, SQ_SEMANTIC, "BIGINT", "a AS");
    bad(w, "CREATE TABLE t (a TIMESTAMP(3), WATERMARK FOR a AS 1)" HOLE, SQ_SEMANTIC, "INT", "1)");
    bad(w, "CREATE TABLE t (a INT METADATA)" HOLE, SQ_SEMANTIC, "no metadata 'a'", "a INT");
    bad(w, "CREATE TABLE t (a INT)", SQ_SEMANTIC, "connector", NULL);
    bad(w, "CREATE TABLE t (a INT) WITH ('connector' = 'blackhloe')", SQ_SEMANTIC, "blackhloe", "'blackhloe'");
    bad(w, "CREATE TABLE t (a INT) WITH ('connector' = 'blackhole', 'x' = '1')", SQ_SEMANTIC, "x", "'x'");
    bad(w, "CREATE TABLE t (a INT) WITH ('connector' = 'blackhole', 'connector' = 'print')", SQ_SEMANTIC, "twice", "'connector' = 'print'");
    assert_string_equal(show(w, "SHOW TABLES"), "");
}

static void window_end(void **state)
{
    struct world *w = *state;
    struct sq_table *t;

    good(w, "CREATE TABLE s (id STRING, timestamp BIGINT, `value` DOUBLE, window END TIMESTAMP(ROWTIME, INTERVAL '10' SECOND))" HOLE);
    t = table(w, "s");
    assert_int_equal(t->ncols, 6);
    assert_true(sq_str_is(t->cols[3].name, "window"));
    assert_int_equal(t->cols[3].type->id, SQ_T_TIMESTAMP_LTZ);
    assert_int_equal(t->cols[3].type->p, 3);
    assert_true(sq_str_is(t->cols[4].name, "tstart"));
    assert_int_equal(t->cols[4].type->id, SQ_T_BIGINT);
    assert_true(sq_str_is(t->cols[5].name, "tend"));
    assert_int_equal(t->cols[5].type->id, SQ_T_BIGINT);
    assert_true(t->cols[5].type->nullable);
    shows(w, "DESCRIBE s", "TIME_BUCKET(INTERVAL '10' SECOND, timestamp) + 10000");
    assert_int_equal(t->rowtime, -1);

    good(w, "CREATE TABLE p (ts TIMESTAMP(6), window END TIMESTAMP(ROWTIME, INTERVAL '1' MINUTE))" HOLE);
    t = table(w, "p");
    assert_int_equal(t->cols[2].type->id, SQ_T_TIMESTAMP);
    assert_int_equal(t->cols[2].type->p, 6);
    assert_int_equal(t->cols[3].type->p, 6);

    good(w, "CREATE TABLE q (a STRING, at AS CAST(a AS TIMESTAMP(3)), WATERMARK FOR at AS at, w END TIMESTAMP(ROWTIME, INTERVAL '1' HOUR))" HOLE);
    shows(w, "DESCRIBE q", "TIME_BUCKET(INTERVAL '1' HOUR, CAST(a AS TIMESTAMP(3)))");

#define W " window END TIMESTAMP(ROWTIME, INTERVAL '10' SECOND)"
    bad(w, "CREATE TABLE x (a INT," W ")" HOLE, SQ_SEMANTIC, "no time column", "window");
    bad(w, "CREATE TABLE x (ts BIGINT, rowtime BIGINT," W ")" HOLE, SQ_SEMANTIC, "two columns", "window");
    bad(w, "CREATE TABLE x (ts STRING," W ")" HOLE, SQ_SEMANTIC, "STRING", "window");
    bad(w, "CREATE TABLE x (ts BIGINT, tstart INT," W ")" HOLE, SQ_SEMANTIC, "'tstart'", "window");
    bad(w, "CREATE TABLE x (ts BIGINT," W ", tend INT)" HOLE, SQ_SEMANTIC, "'tend'", "tend INT");
    bad(w, "CREATE TABLE x (ts BIGINT," W ", w2 END TIMESTAMP(ROWTIME, INTERVAL '1' SECOND))" HOLE, SQ_SEMANTIC, "one 'window END'", "w2");
    bad(w, "CREATE TABLE x (ts BIGINT, window END TIMESTAMP(ROWTIME, INTERVAL '0' SECOND))" HOLE, SQ_SEMANTIC, "more than nothing", "INTERVAL");
    bad(w, "CREATE TABLE x (ts BIGINT, window END TIMESTAMP(ROWTIME, INTERVAL '-1' SECOND))" HOLE, SQ_SEMANTIC, "more than nothing", "INTERVAL");
    bad(w, "CREATE TABLE x (ts BIGINT, window END TIMESTAMP(ROWTIME, INTERVAL '1' MONTH))" HOLE, SQ_SEMANTIC, "months", "INTERVAL");
}

/* What SHOW CREATE TABLE says makes the same table again. */
static void round_trip(void **state)
{
    struct world *w = *state;
    char *text, *again;

    good(w,
         "CREATE TABLE t (id INT, `value` DOUBLE COMMENT 'it''s', twice AS id * 2, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND,"
         " window END TIMESTAMP(ROWTIME, INTERVAL '10' SECOND), CONSTRAINT pk PRIMARY KEY (id) NOT ENFORCED)" HOLE);
    text = sq_arena_printf(&w->arena, "%s", show(w, "SHOW CREATE TABLE t"));
    good(w, "DROP TABLE t");
    good(w, text);
    again = sq_arena_printf(&w->arena, "%s", show(w, "SHOW CREATE TABLE t"));
    assert_string_equal(text, again);
    assert_int_equal(table(w, "t")->ncols, 7);
}

static void secrets(void **state)
{
    struct world *w = *state;

    good(w, "CREATE TABLE d (id INT) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:x.db', 'table-name' = 't', 'password' = 'hush')");
    assert_null(strstr(show(w, "SHOW CREATE TABLE d"), "hush"));
    shows(w, "SHOW CREATE TABLE d", "'password' = '****'");
}

/* ---- LIKE, ALTER, views ---- */

static void like(void **state)
{
    struct world *w = *state;

    good(w, "CREATE TABLE a (id INT, b AS id + 1, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'print', 'print-identifier' = 'p')");
    good(w, "CREATE TABLE c (x STRING) WITH ('print-identifier' = 'q') LIKE a");
    assert_int_equal(table(w, "c")->ncols, 3);
    assert_int_equal(table(w, "c")->npk, 1);
    shows(w, "SHOW CREATE TABLE c", "'q'");
    good(w, "CREATE TABLE d (x STRING)" HOLE " LIKE a (EXCLUDING ALL)");
    assert_int_equal(table(w, "d")->ncols, 2);
    assert_int_equal(table(w, "d")->npk, 0);
    bad(w, "CREATE TABLE e (id STRING) LIKE a", SQ_SEMANTIC, "'id'", "id");
    bad(w, "CREATE TABLE e WITH ('print-identifier' = 'q') LIKE a (INCLUDING OPTIONS)", SQ_SEMANTIC, "print-identifier", "'print-identifier'");
    bad(w, "CREATE TABLE e (b AS id * 7) LIKE a", SQ_SEMANTIC, "'b'", "b AS");
    good(w, "CREATE TABLE e (b AS id * 7) LIKE a (OVERWRITING GENERATED)");
    shows(w, "DESCRIBE e", "id * 7");
}

static void alter(void **state)
{
    struct world *w = *state;

    good(w, "CREATE TABLE t (id INT, a STRING, b AS UPPER(a))" HOLE);
    good(w, "ALTER TABLE t ADD (c BIGINT, d AS c + 1)");
    assert_int_equal(table(w, "t")->ncols, 5);
    bad(w, "ALTER TABLE t ADD c INT", SQ_SEMANTIC, "already", "c INT");
    bad(w, "ALTER TABLE t DROP c", SQ_SEMANTIC, "refers to it", NULL);
    good(w, "ALTER TABLE t DROP (c, d)");
    good(w, "ALTER TABLE t MODIFY id BIGINT");
    assert_int_equal(table(w, "t")->cols[0].type->id, SQ_T_BIGINT);
    bad(w, "ALTER TABLE t MODIFY idd BIGINT", SQ_SEMANTIC, "no column 'idd'", "idd");
    good(w, "ALTER TABLE t ADD PRIMARY KEY (id) NOT ENFORCED");
    assert_int_equal(table(w, "t")->npk, 1);
    bad(w, "ALTER TABLE t DROP id", SQ_SEMANTIC, "PRIMARY KEY", NULL);
    good(w, "ALTER TABLE t RENAME id TO key_id");
    assert_true(sq_str_is(table(w, "t")->cols[table(w, "t")->pk[0]].name, "key_id"));
    bad(w, "ALTER TABLE t RENAME a TO z", SQ_SEMANTIC, "refers to it", NULL);
    good(w, "ALTER TABLE t DROP PRIMARY KEY");
    bad(w, "ALTER TABLE t SET ('connector' = 'nothing')", SQ_SEMANTIC, "nothing", "'nothing'");
    good(w, "ALTER TABLE t SET ('connector' = 'print')");
    assert_string_equal(table(w, "t")->connector->name, "print");
    good(w, "ALTER TABLE t RENAME TO u");
    assert_null(table(w, "t"));
    assert_non_null(table(w, "u"));
    good(w, "ALTER TABLE IF EXISTS t RENAME TO v");
}

static void views(void **state)
{
    struct world *w = *state;

    good(w, "CREATE TABLE t (id INT, a STRING)" FILE);
    good(w, "CREATE VIEW v (x, y) AS SELECT id, a FROM t WHERE id > 1");
    assert_int_equal(table(w, "v")->ncols, 2);
    shows(w, "DESCRIBE v", "x|INT|TRUE");
    shows(w, "SHOW CREATE VIEW v", "default_catalog");
    good(w, "CREATE DATABASE other");
    good(w, "USE other");
    good(w, "CREATE VIEW w AS SELECT * FROM default_database.v");
    assert_int_equal(table(w, "w")->ncols, 2);
    good(w, "USE default_database");
    bad(w, "CREATE VIEW v AS SELECT 1", SQ_SEMANTIC, "already", "v");
    bad(w, "CREATE VIEW u (a) AS SELECT id, a FROM t", SQ_SEMANTIC, "1 column", "u");
    bad(w, "CREATE VIEW u (a, a) AS SELECT id, a FROM t", SQ_SEMANTIC, "two columns", "SELECT");
    bad(w, "CREATE VIEW u AS SELECT x FROM tt", SQ_SEMANTIC, "no table 'tt'", "tt");
    bad(w, "ALTER VIEW v AS SELECT * FROM other.w", SQ_SEMANTIC, "itself", "other.w");
    bad(w, "CREATE TEMPORARY VIEW t AS SELECT * FROM v", SQ_SEMANTIC, "itself", NULL);
    good(w, "ALTER VIEW v AS SELECT 1 AS one");
    assert_int_equal(table(w, "v")->ncols, 1);
    good(w, "CREATE VIEW ww AS WITH t AS (SELECT 1 AS k) SELECT k FROM t");
    assert_null(strstr(show(w, "SHOW CREATE VIEW ww"), "default_database.t"));
    good(w, "DROP VIEW v");
    bad(w, "DROP TABLE ww", SQ_SEMANTIC, "is a view", "ww");
}

/* ---- settings ---- */

static void settings(void **state)
{
    struct world *w = *state;

    assert_true(sq_str_is(sq_setting(w->settings, "execution.runtime-mode"), "streaming"));
    good(w, "SET 'execution.runtime-mode' = 'BATCH'");
    assert_true(sq_str_is(sq_setting(w->settings, "execution.runtime-mode"), "batch"));
    bad(w, "SET 'execution.runtime-mode' = 'bach'", SQ_SEMANTIC, "bach", "'bach'");
    assert_non_null(strstr(w->ctx.err.hint, "batch"));
    good(w, "SET 'parallelism.default' = '1000'");
    assert_non_null(strstr(w->notices, "workers, as this machine has no more cores"));
    good(w, "SET 'parallelism.default' = '4'");
    assert_true(sq_str_is(sq_setting(w->settings, "execution.parallelism"), "4"));
    bad(w, "SET 'execution.parallelism' = 'many'", SQ_SEMANTIC, "whole number", "'many'");
    bad(w, "SET 'execution.parallelism' = '0'", SQ_SEMANTIC, "whole number", "'0'");
    good(w, "SET 'table.exec.state.ttl' = '1 h'");
    good(w, "SET 'table.exec.state.ttl' = '0 ms'");
    bad(w, "SET 'table.exec.state.ttl' = 'soon'", SQ_SEMANTIC, "duration", "'soon'");
    good(w, "SET 'table.optimizer.agg-phase-strategy' = 'TWO_PHASE'");
    assert_non_null(strstr(w->notices, "no effect"));
    good(w, "SET 'my.own.key' = 'x'");
    assert_non_null(strstr(w->notices, "not known"));
    assert_null(strstr(w->notices, "did you mean"));
    good(w, "SET 'execution.runtime-mod' = 'x'");
    assert_non_null(strstr(w->notices, "did you mean 'execution.runtime-mode'"));
    bad(w, "SET 'table.local-time-zone' = 'Europe/Berln'", SQ_SEMANTIC, "Berln", "'Europe/Berln'");
    good(w, "SET 'table.local-time-zone' = 'Europe/Berlin'");
    good(w, "SET 'some.password' = 'hush'");
    shows(w, "SET", "execution.runtime-mode|batch");
    shows(w, "SET", "some.password|****");
    good(w, "RESET 'execution.runtime-mode'");
    assert_true(sq_str_is(sq_setting(w->settings, "execution.runtime-mode"), "streaming"));
    good(w, "RESET");
    assert_false(sq_setting_given(w->settings, "table.local-time-zone"));
    assert_null(sq_setting(w->settings, "my.own.key").p);
}

static void is(struct world *w, const char *key, const char *value)
{
    assert_true(sq_str_is(sq_setting(w->settings, key), value));
}

/* Keys of epochs and checkpoints: values, old spellings, what is refused. */
static void epoch_settings(void **state)
{
    struct world *w = *state;

    good(w, "SET 'execution.trigger' = 'continuous'");
    good(w, "SET 'execution.trigger' = 'Available-Now'");
    good(w, "SET 'execution.trigger' = '10 s'");
    bad(w, "SET 'execution.trigger' = '0 s'", SQ_SEMANTIC, "'available-now' or an interval", "'0 s'");
    bad(w, "SET 'execution.trigger' = 'availablenow'", SQ_SEMANTIC, "interval such as '10 s'", "'availablenow'");
    assert_string_equal(w->ctx.err.hint, "did you mean 'available-now'?");
    bad(w, "SET 'execution.trigger' = 'continous'", SQ_SEMANTIC, "", NULL);
    assert_string_equal(w->ctx.err.hint, "did you mean 'continuous'?");
    bad(w, "SET 'execution.trigger' = 'once'", SQ_SEMANTIC, "", NULL);
    assert_non_null(strstr(w->ctx.err.hint, "'available-now'"));
    bad(w, "SET 'execution.trigger.max-rows' = '-1'", SQ_SEMANTIC, "from 0 on", "'-1'");
    good(w, "SET 'execution.checkpointing.interval' = '10 s'");
    good(w, "SET 'execution.checkpointing.interval' = '0'");
    bad(w, "SET 'execution.checkpointing.interval' = '5 ms'", SQ_SEMANTIC, "10 ms or more", "'5 ms'");
    bad(w, "SET 'execution.checkpointing.timeout' = '0 s'", SQ_SEMANTIC, "longer than zero", "'0 s'");
    bad(w, "SET 'execution.checkpointing.mode' = 'EXACTLY_TWICE'", SQ_SEMANTIC, "EXACTLY_ONCE", NULL);
    good(w, "SET 'execution.checkpointing.mode' = 'at_least_once'");
    assert_non_null(strstr(w->notices, "'AT_LEAST_ONCE' has no effect"));
    good(w, "SET 'state.checkpoints.num-retained' = '3'");
    is(w, "execution.checkpointing.num-retained", "3");
    bad(w, "SET 'state.checkpoints.num-retained' = '0'", SQ_SEMANTIC, "from 1 on", "'0'");
    good(w, "SET 'state.checkpoints.dir' = 'file:///tmp/chk'");
    is(w, "execution.checkpointing.dir", "file:///tmp/chk");
    assert_true(sq_str_is(sq_path_local(sq_setting(w->settings, "execution.checkpointing.dir")), "/tmp/chk"));
    assert_true(sq_str_is(sq_path_local(SQ_STR("chk")), "chk"));
    assert_true(sq_str_is(sq_path_local(SQ_STR("file:chk")), "chk"));
    bad(w, "SET 'state.checkpoints.dir' = 's3://bucket/chk'", SQ_UNSUPPORTED, "not in 's3://'", "'s3://bucket/chk'");
    good(w, "SET 'execution.state-recovery.path' = '/tmp/sp.db'");
    is(w, "execution.savepoint.path", "/tmp/sp.db");
    good(w, "SET 'execution.state-recovery.ignore-unclaimed-state' = 'true'");
    assert_true(sq_setting_bool(w->settings, "execution.savepoint.ignore-unclaimed-state"));
    good(w, "SET 'execution.savepoint-restore-mode' = 'CLAIM'");
    is(w, "execution.state-recovery.claim-mode", "CLAIM");
    good(w, "SET 'execution.checkpointing.externalized-checkpoint-retention' = 'RETAIN_ON_CANCELLATION'");
    bad(w, "SET 'execution.checkpointing.externalized-checkpoint-retention' = 'DELETE_ON_CANCELLATION'", SQ_UNSUPPORTED, "not supported", "'DELETE_ON_CANCELLATION'");
    good(w, "SET 'restart-strategy' = 'fixeddelay'");
    is(w, "restart-strategy.type", "fixed-delay");
    good(w, "SET 'restart-strategy.type' = 'off'");
    is(w, "restart-strategy", "none");
    bad(w, "SET 'restart-strategy' = 'fixed-dely'", SQ_SEMANTIC, "failure-rate or none", NULL);
    assert_string_equal(w->ctx.err.hint, "did you mean 'fixed-delay'?");
    bad(w, "SET 'restart-strategy.exponential-delay.jitter-factor' = '1.5'", SQ_SEMANTIC, "from 0 to 1", "'1.5'");
    bad(w, "SET 'restart-strategy.exponential-delay.backoff-multiplier' = '0.5'", SQ_SEMANTIC, "from 1 on", "'0.5'");
    good(w, "SET 'restart-strategy.exponential-delay.backoff-multiplier' = '2.0'");
    bad(w, "SET 'restart-strategy.fixed-delay.attempts' = '-1'", SQ_SEMANTIC, "from 0 on", "'-1'");
}

static void lists(void **state)
{
    struct world *w = *state;

    good(w, "CREATE TABLE orders (id INT)" FILE);
    good(w, "CREATE TABLE old_orders (id INT)" HOLE);
    good(w, "CREATE VIEW recent AS SELECT * FROM orders");
    assert_string_equal(show(w, "SHOW TABLES"), "old_orders\norders\nrecent\n");
    assert_string_equal(show(w, "SHOW TABLES LIKE 'o%'"), "old_orders\norders\n");
    assert_string_equal(show(w, "SHOW TABLES NOT LIKE '%_orders'"), "orders\nrecent\n");
    assert_string_equal(show(w, "SHOW VIEWS"), "recent\n");
    shows(w, "SHOW FUNCTIONS", "UPPER|");
    shows(w, "SHOW CONNECTORS", "blackhole|FALSE|TRUE|");
    shows(w, "SHOW OPTIONS 'filesystem'", "path|STRING|-|TRUE|");
    shows(w, "SHOW OPTIONS 'filesytem'", "error: there is no connector");
    shows(w, "DESCRIBE nothing", "error: no table 'nothing'");
    shows(w, "SHOW CREATE VIEW orders", "is a table");
}

/* Every allocation of a CREATE TABLE fails once: an error, nothing lost, nothing half-made. */
static void out_of_memory(void **state)
{
    struct world *w = *state;
    struct sq_ast_stmt *st = parse(w, "CREATE TABLE t (id INT, ts TIMESTAMP(3), b AS id + 1, WATERMARK FOR ts AS ts, window END TIMESTAMP(ROWTIME, INTERVAL '1' SECOND))" HOLE);
    struct sq_ctas ctas;
    sq_rc rc = SQ_NOMEM;

    for (int n = 1; rc != SQ_OK && n < 10000; n++) {
        struct sq_arena scratch;

        sq_arena_init(&scratch, &w->ctx);
        w->env.arena = &scratch;
        w->budget.fail_at = n;
        rc = sq_ddl(&w->env, st, &ctas);
        w->budget.fail_at = 0;
        sq_arena_free(&scratch);
        w->env.arena = &w->arena;
        if (rc != SQ_OK) {
            assert_int_equal(rc, SQ_NOMEM);
            assert_null(table(w, "t"));
        }
    }
    assert_int_equal(rc, SQ_OK);
    assert_non_null(table(w, "t"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(names), T(databases), T(pins), T(columns), T(column_errors), T(window_end), T(round_trip), T(secrets), T(like), T(alter), T(views),
        T(settings), T(epoch_settings), T(lists), T(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
