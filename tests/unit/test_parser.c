/* SPDX-License-Identifier: Apache-2.0
 *
 * test_parser.c: text to AST and back: round trips of a corpus, precedence, names that are keywords elsewhere, types, statement
 * splitting, errors word for word, limits, every allocation failing once.
 */
#include "parser/parser.h"
#include "tests/unit/ast_equal.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the ones above */
#include <cmocka.h>

struct env { struct sq_budget budget; struct sq_ctx ctx; struct sq_arena arena; struct sq_buf buf; };

static void env_open(struct env *e)
{
    memset(e, 0, sizeof *e);
    e->ctx.budget = &e->budget;
    sq_arena_init(&e->arena, &e->ctx);
    sq_buf_init(&e->buf, &e->ctx);
}

static void env_close(struct env *e)
{
    sq_buf_free(&e->buf);
    sq_arena_free(&e->arena);
    assert_int_equal(e->budget.used, 0);   /* nothing leaks, after errors too */
}

static void explain(struct env *e, struct sq_str text)
{
    struct sq_buf b;

    sq_buf_init(&b, &e->ctx);
    sq_render_error(&b, &e->ctx.err, NULL, text, 1);
    fprintf(stderr, "%s\n", b.p);
    sq_buf_free(&b);
}

static struct sq_ast_stmt *parse(struct env *e, struct sq_str text, uint32_t *at)
{
    struct sq_ast_stmt *s = NULL;

    if (sq_parse(&e->ctx, &e->arena, text, at, &s, NULL) != SQ_OK) {
        explain(e, text);
        fail();
    }
    return s;
}

static struct sq_ast_stmt *parse1(struct env *e, const char *text)
{
    uint32_t at = 0;

    return parse(e, sq_str_of(text), &at);
}

static struct sq_ast_expr *parse_expr(struct env *e, const char *text)
{
    struct sq_ast_expr *x = NULL;

    if (sq_parse_expr(&e->ctx, &e->arena, sq_str_of(text), &x) != SQ_OK) {
        explain(e, sq_str_of(text));
        fail();
    }
    return x;
}

/* ---- round trips ---- */

static const char *const corpus[] = {
    "SELECT a, b AS c, t.*, COUNT(*) count, sum(x) sum, date, time, timestamp, value, user, start, end, key, day, row, rows, range, offset FROM t;",
    "SELECT DATE '2024-01-01', TIME '10:00:00', TIMESTAMP '2024-01-01 00:00:00', INTERVAL '1' DAY, INTERVAL '1-2' YEAR TO MONTH, INTERVAL -'3' HOURS, INTERVAL '10' DAY(3), CURRENT_TIMESTAMP, X'ff00', 'it''s' 'x';",
    "SELECT CASE WHEN a > end THEN end ELSE end END, CASE x WHEN 1 THEN 'a' END FROM t;",
    "SELECT NOT a = b AND c OR d, a BETWEEN 1 AND 2 AND c, a NOT IN (1,2), a IN (SELECT 1), a LIKE 'x%' ESCAPE '!', a IS NOT NULL, a IS NOT DISTINCT FROM b, -a * b, a || b, -(-1), x IS JSON OBJECT, a = ANY (SELECT 1), a <> ALL (SELECT 2), a.b.c.d.e.f, (a).b, f(x).y[1].z, ROW(1,2), (1,2), ARRAY[1,2], MAP['a',1], arr[1];",
    "SELECT EXTRACT(DAY FROM ts), FLOOR(ts TO HOUR), CEIL(ts TO DAY), TRIM(x), TRIM(BOTH 'a' FROM x), TRIM(LEADING FROM x), TRIM('x' FROM y), POSITION('a' IN b), SUBSTRING(a FROM 2 FOR 3), SUBSTRING(a, 2), OVERLAY(a PLACING 'b' FROM 1 FOR 2), TIMESTAMPADD(DAY, 1, x), TIMESTAMPDIFF(second, a, b), CAST(a AS ROW<x INT, y ARRAY<STRING NOT NULL>>), TRY_CAST(a AS TIMESTAMP(3) WITH LOCAL TIME ZONE), LEFT(a, 2), RIGHT(b, 3), IF(a, b, c), REPLACE(a,b,c), ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC NULLS LAST) AS rn, SUM(x) OVER w, SUM(x) FILTER (WHERE y > 1), COUNT(DISTINCT z), LISTAGG(x, ',') WITHIN GROUP (ORDER BY x), ARRAY_AGG(x ORDER BY y), SUM(a) OVER (ORDER BY ts RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW), LAST_VALUE(x) OVER (ORDER BY t ROWS UNBOUNDED PRECEDING) FROM t WINDOW w AS (PARTITION BY a ORDER BY b) QUALIFY rn = 1;",
    "SELECT window_start FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' MINUTES)) GROUP BY window_start, window_end;",
    "SELECT * FROM TABLE(HOP(DATA => TABLE bids, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '5' MINUTES, SIZE => INTERVAL '10' MINUTES));",
    "SELECT * FROM TABLE(SESSION(TABLE bids PARTITION BY item, DESCRIPTOR(ts), INTERVAL '5' MINUTES)) AS s;",
    "SELECT * FROM TUMBLE((SELECT * FROM b), DESCRIPTOR(ts), INTERVAL '1' DAY);",
    "SELECT * FROM a, b JOIN c ON a.x = c.x LEFT OUTER JOIN d USING (id, k) CROSS JOIN e NATURAL FULL JOIN f, LATERAL TABLE(split(a.s)) AS T(w, l), UNNEST(arr) WITH ORDINALITY AS u (v, o), (SELECT 1) x, (VALUES (1,'a'),(2,'b')) AS v(id, n), (g JOIN h ON TRUE);",
    "SELECT * FROM orders AS o JOIN rates FOR SYSTEM_TIME AS OF o.proc AS r ON o.c = r.c;",
    "SELECT * FROM t /*+ OPTIONS('a'='b', 'c'='d') */ AS x WHERE 1=1;",
    "SELECT /*+ BROADCAST(t), STATE_TTL('a'='1d') */ DISTINCT a FROM t;",
    "SELECT a FROM t GROUP BY GROUPING SETS ((a, b), (a), ()), ROLLUP(x, y), CUBE(z) HAVING COUNT(*) > 1 ORDER BY a DESC LIMIT 10 OFFSET 5 ROWS;",
    "SELECT a FROM t ORDER BY a OFFSET 2 ROWS FETCH NEXT 3 ROWS ONLY;",
    "SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 3 EXCEPT (SELECT 4 UNION SELECT 5) ORDER BY 1 LIMIT 2;",
    "(SELECT 1 ORDER BY 1 LIMIT 1) LIMIT 2;",
    "((SELECT 1)); SELECT ((SELECT 1)); SELECT ((SELECT 1) + 1) IN ((SELECT 1)), 3 IN ((SELECT 1), 2);",
    "SELECT * FROM ((SELECT 1)) AS x, ((SELECT 2) AS y CROSS JOIN z);",
    "WITH a AS (SELECT 1), b (x) AS (VALUES 1, 2) SELECT * FROM a, b;",
    "SELECT * FROM Ticker MATCH_RECOGNIZE (PARTITION BY s ORDER BY r MEASURES a.b AS c PATTERN (A B+ C) DEFINE A AS A.x > (1)) AS M;",
    "VALUES (1, 2), (3, 4); VALUES 1; TABLE t;",
    "SELECT limit FROM t LIMIT 5;",
    "SELECT * FROM x.y.z WHERE EXISTS (SELECT 1 FROM y WHERE y.a = z.a) AND NOT EXISTS (SELECT 2);",
    "SET 'a' = 'b'; SET; SET table.exec.state.ttl = 1 d; SET execution.type=streaming; RESET; RESET 'a'; RESET a.b; SET 'x' = 5;",
    "USE CATALOG c; USE db; USE c.db; SHOW TABLES; SHOW TABLES FROM db NOT LIKE 'a%'; SHOW CREATE TABLE x; SHOW CURRENT CATALOG; SHOW COLUMNS IN t LIKE 'a'; DESC t; DESCRIBE EXTENDED a.b; SHOW CONNECTORS; SHOW OPTIONS 'kafka'; SHOW JOBS; STOP JOB 'a1'; STOP JOB 'it''s' WITH DRAIN; STOP JOB 'b' WITH SAVEPOINT WITH DRAIN; STOP JOB 'b' WITH SAVEPOINT 'sp/it''s.db'; SHOW CHECKPOINT 'chk/a'; SHOW FUNCTIONS;",
    "EXPLAIN SELECT 1; EXPLAIN PLAN FOR SELECT 1; EXPLAIN CHANGELOG_MODE, PLAN_ADVICE INSERT INTO t SELECT 1; EXPLAIN STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;",
    "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;",
    "BEGIN STATEMENT SET; INSERT INTO a SELECT end FROM t; INSERT INTO b SELECT 2; END;",
    "CREATE DATABASE IF NOT EXISTS d COMMENT 'x' WITH ('a'='b'); CREATE CATALOG c WITH ('type'='generic_in_memory'); CREATE TEMPORARY FUNCTION f AS 'a.b.C' LANGUAGE JAVA USING JAR 'x.jar', JAR 'y.jar'; DROP TABLE IF EXISTS a.b; DROP DATABASE d CASCADE; DROP TEMPORARY VIEW v;",
    "ALTER TABLE t RENAME TO u; ALTER TABLE t SET ('a'='b'); ALTER TABLE t RESET ('a','b'); ALTER TABLE t ADD c INT; ALTER TABLE t ADD (c INT, WATERMARK FOR ts AS ts); ALTER TABLE t DROP c; ALTER TABLE t DROP (a, b); ALTER TABLE t DROP PRIMARY KEY; ALTER TABLE t DROP WATERMARK; ALTER TABLE t RENAME a TO b; ALTER TABLE t MODIFY a STRING COMMENT 'x'; ALTER VIEW v RENAME TO w; ALTER VIEW v AS SELECT 1;",
    "CREATE OR REPLACE TEMPORARY TABLE IF NOT EXISTS `my db`.t (\n"
    "  id BIGINT NOT NULL PRIMARY KEY NOT ENFORCED COMMENT 'the id', k DECIMAL(10, 2), n NUMERIC, dp DOUBLE PRECISION, cv CHARACTER VARYING(20), c CHAR, b VARBINARY(10),\n"
    "  ts TIMESTAMP(3) METADATA FROM 'timestamp' VIRTUAL, partition BIGINT METADATA VIRTUAL, offset BIGINT METADATA, cost AS k * 2 COMMENT 'x', pt AS PROCTIME(),\n"
    "  i INTERVAL DAY(3) TO SECOND(3), j INTERVAL YEAR TO MONTH, a INT ARRAY, m MAP<STRING, ROW<a INT 'c', b MULTISET<DATE>>>, r ROW(x INT, y STRING), z TIME(3), l TIMESTAMP_LTZ(3), comment STRING, watermark INT, `primary` INT,\n"
    "  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND\n"
    ") COMMENT 'c' PARTITIONED BY (a, b) WITH ('connector' = 'x') LIKE base (INCLUDING ALL OVERWRITING OPTIONS EXCLUDING WATERMARKS);",
    "CREATE TABLE t (a INT, b INT, CONSTRAINT pk PRIMARY KEY (a, b) NOT ENFORCED); CREATE TABLE t2 WITH ('a'='b') AS SELECT 1; CREATE TABLE t3 (a, b) AS SELECT 1, 2; CREATE TABLE t4 LIKE x; CREATE TABLE t5 (a INT) DISTRIBUTED BY HASH(a) INTO 4 BUCKETS;",
    "CREATE VIEW v (a, b) COMMENT 'x' AS SELECT 1, 2;",
    "INSERT OVERWRITE t PARTITION (dt='2024', h=1) (a, b) SELECT 1, 2; INSERT INTO t (SELECT 1); INSERT INTO t VALUES (1,2),(3,4); INSERT INTO t (a) VALUES (1); INSERT INTO t /*+ OPTIONS('a'='b') */ SELECT 1;",
    "TRUNCATE TABLE t; DELETE FROM t WHERE a = 1; CALL sys.x(); ANALYZE TABLE t COMPUTE STATISTICS;",
    "SELECT a AT TIME ZONE 'UTC', ?, ? + 1 FROM t;",
    "SELECT `select`, `a``b`, `order`.`x` FROM `group`;",
    "SELECT JSON_VALUE(a, '$.x'), a.row, a.select FROM t;",
    "SELECT a -- comment ; with a semicolon\n, /* and ; another */ b FROM t; -- the end",
    "SELECT ';', `;` FROM t",
    "SELECT a.b.c.d.e, (a.b.c.d).e, (a).b.c, ((a.b).c).d, t.r.x[1].y FROM t",
    "SELECT - -1, -(-(-1)), +-1, - a.b, -a[1], NOT NOT a, -(a + b), (-a) * b, -(a * b)",
    "SELECT (a = b) IS NULL, a = (b IS NULL), (a AND b) IS TRUE, NOT (a IN (1)), (NOT a) IN (1), (a OR b) AND c, a OR b AND c, (a = b) = c, a = (b = c)",
    "SELECT a - (b - c), a - b - c, a / (b * c), (a || b) || c, a || (b || c), a % b, (a + b) AT TIME ZONE 'UTC', a + b AT TIME ZONE 'UTC'",
    "SELECT a BETWEEN (b AND c) AND d, (a BETWEEN b AND c) AND d, a BETWEEN SYMMETRIC 1 + 2 AND 3 * 4, NOT a BETWEEN 1 AND 2, a NOT BETWEEN (b = c) AND d",
    "SELECT a LIKE (b LIKE c), (a LIKE b) LIKE c, a SIMILAR TO b, a NOT SIMILAR TO b ESCAPE c, a NOT LIKE b || c",
    "SELECT (a IS DISTINCT FROM b) IS DISTINCT FROM c, a IS NOT DISTINCT FROM (b = c), a IS NOT UNKNOWN, a IS NOT TRUE, a IS FALSE",
    "SELECT POSITION((a IN (1)) IN b), POSITION(a + 1 IN b || c), POSITION(a IN b FROM 3)",
    "SELECT 1, 1.5, .5, 1e3, 1.5E-7, 1., 00012, 123456789012345678901234567890",
    "SELECT x FROM t ORDER BY a DESC NULLS FIRST, b ASC, c NULLS LAST",
    "SELECT 1 UNION (SELECT 2 UNION ALL SELECT 3) UNION SELECT 4",
    "(SELECT 1 UNION SELECT 2) INTERSECT SELECT 3",
    "SELECT 1 INTERSECT (SELECT 2 INTERSECT SELECT 3)",
    "SELECT 1 EXCEPT ALL SELECT 2 EXCEPT SELECT 3",
    "(WITH a AS (SELECT 1) SELECT * FROM a) UNION ALL (SELECT 2 LIMIT 1)",
    "WITH a AS (SELECT 1) (WITH b AS (SELECT 2) SELECT * FROM a, b) LIMIT 5",
    "(SELECT a FROM t ORDER BY a) ORDER BY b",
    "(VALUES (1), (2)) ORDER BY 1",
    "SELECT * FROM a JOIN (b JOIN c ON b.x = c.x) ON a.x = b.x",
    "SELECT * FROM (a, b) JOIN c ON TRUE, (d, e)",
    "SELECT * FROM a LEFT SEMI JOIN b ON a.x = b.x",
    "SELECT * FROM a NATURAL JOIN b NATURAL LEFT JOIN c",
    "SELECT * FROM (SELECT 1 AS a UNION ALL SELECT 2) AS t (x) WHERE x = (SELECT MAX(y) FROM u)",
    "SELECT * FROM a, LATERAL (SELECT * FROM b WHERE b.x = a.x LIMIT 3) AS c",
    "SELECT * FROM TABLE(f(x => 1, y => ROW(1, 2), z => TABLE t PARTITION BY (a, b) ORDER BY c DESC)) AS q (a, b)",
    "SELECT * FROM TABLE(g(TABLE t /*+ OPTIONS('a' = 'b') */, 3)), LATERAL TABLE(h())",
    "SELECT COUNT(*) OVER (), SUM(a) FILTER (WHERE b) OVER (ORDER BY c ROWS BETWEEN 2 PRECEDING AND 3 FOLLOWING), MAX(a) OVER (PARTITION BY b, c ROWS 5 PRECEDING)",
    "SELECT PERCENTILE(0.5) WITHIN GROUP (ORDER BY x DESC), f() WITHIN GROUP (ORDER BY y)",
    "SELECT a FROM t GROUP BY DISTINCT ROLLUP (a, (b, c)), GROUPING SETS (CUBE (a, b), ROLLUP (c), ())",
    "SELECT a FROM t GROUP BY ()",
    "SELECT a FROM t WINDOW w AS (), v AS (ORDER BY x)",
    "SELECT cat.db.f(1), `my fn`(2), db.`select`(3)",
    "SELECT `ROW`(1), `POSITION`(1), `CURRENT_DATE`, CURRENT_DATE, LOCALTIMESTAMP, CURRENT_TIMESTAMP(3)",
    "SELECT TIMESTAMP WITH LOCAL TIME ZONE '2024-01-01 00:00:00'",
    "SELECT INTERVAL '1 2:03:04.5' DAY TO SECOND, INTERVAL '5' WEEK, INTERVAL -'-5' YEAR, INTERVAL +'5' MONTHS, INTERVAL '1' DAY(3) TO SECOND(6)",
    "SELECT FLOOR(INTERVAL '1' DAY TO HOUR)",
    "SELECT ARRAY[], MAP[], ARRAY[ARRAY[1]], ROW(), ROW(1)",
    "SELECT `\xc3\xa4`, '\xe2\x82\xac', x AS `a b` FROM `t-1`",
    "SELECT gr\xc3\xb6\xc3\x9f""e FROM stra\xc3\x9f""e",
    "VALUES 1, (2), (3, 4), ROW(5), ROW(6, 7), ROW()",
    "SELECT CASE WHEN a THEN CASE b WHEN c THEN d END ELSE e END",
    "SELECT /*+ LATE_DATA_SINK(x), OPTIONS('a' = 'b''c') */ a FROM t",
    "SELECT 'a\nb', 'it''s', '', X'', X'0aFF'",
    "SELECT a NOTNULL FROM t",
    "CREATE TABLE t (a ROW<`x y` INT, z ARRAY<MAP<STRING NOT NULL, INT> NOT NULL> NOT NULL> NOT NULL)",
    "CREATE TABLE t (a INT, PRIMARY KEY (a) ENFORCED)",
    "CREATE TABLE t (a INT, PRIMARY KEY (a))",
    "CREATE TABLE t (a INT PRIMARY KEY ENFORCED, b INT NULL)",
    "CREATE TABLE t (a INT) WITH ()",
    "CREATE TABLE t (a INT) LIKE b.c (EXCLUDING CONSTRAINTS) WITH ('a' = 'b')",
    "CREATE TABLE t (WATERMARK FOR r.ts AS r.ts - INTERVAL '1' SECOND)",
    "CREATE TEMPORARY TABLE t PARTITIONED BY (a) AS WITH x AS (SELECT 1) SELECT * FROM x",
    "CREATE VIEW IF NOT EXISTS a.b.c AS (SELECT 1) UNION SELECT 2",
    "ALTER TABLE IF EXISTS t DROP CONSTRAINT pk",
    "ALTER TABLE t ADD WATERMARK FOR ts AS ts",
    "ALTER TABLE t ADD PRIMARY KEY (a, b) NOT ENFORCED",
    "ALTER TABLE t MODIFY (a INT COMMENT 'x', b AS a + 1, c STRING METADATA VIRTUAL)",
    "EXPLAIN JSON_EXECUTION_PLAN CREATE TABLE t WITH ('a' = 'b') AS SELECT 1",
    "EXECUTE INSERT INTO a SELECT 1",
    "SET 'a''b' = 'c''d'",
    "SET key = `quoted`",
    "SHOW VIEWS LIKE 'a'",
    "SHOW CREATE VIEW a.b",
    "DROP FUNCTION IF EXISTS f; DROP CATALOG c; DROP TABLE t",
    "\xef\xbb\xbfSELECT 1",
    "UPDATE t SET a = 1",
    "SHOW USER FUNCTIONS",
    "CREATE MATERIALIZED TABLE t AS SELECT 1",
};

/* Prints s, parses what was printed, and wants the same again. */
static void round_trip(struct env *e, const struct sq_ast_stmt *s)
{
    struct sq_str printed, again;
    struct sq_ast_stmt *t;
    const char *diff;
    uint32_t at = 0;

    sq_buf_reset(&e->buf);
    assert_int_equal(sq_unparse_stmt(&e->buf, s), SQ_OK);
    printed = sq_str_dup(&e->arena, sq_buf_view(&e->buf));
    t = parse(e, printed, &at);
    assert_int_equal(at, printed.n);
    diff = same_stmt(s, t);
    if (diff) {
        fprintf(stderr, "%.*s\n", SQ_FMT(printed));
        fail_msg("printed and parsed, it differs: %s", diff);
    }
    sq_buf_reset(&e->buf);
    sq_unparse_stmt(&e->buf, t);
    again = sq_buf_view(&e->buf);
    if (!sq_str_eq(printed, again))
        fail_msg("printed twice, it differs:\n%.*s\n%.*s", SQ_FMT(printed), SQ_FMT(again));
}

static uint32_t round_trips(struct env *e, struct sq_str text)
{
    uint32_t at = 0, n = 0;

    for (;;) {
        struct sq_ast_stmt *s = parse(e, text, &at);
        if (!s)
            return n;
        round_trip(e, s);
        n++;
    }
}

static void test_corpus(void **state)
{
    (void)state;
    for (size_t i = 0; i < SQ_LEN(corpus); i++) {
        struct env e;

        env_open(&e);
        if (round_trips(&e, sq_str_of(corpus[i])) == 0)
            fail_msg("no statement in: %s", corpus[i]);
        env_close(&e);
    }
}

static const char sensor_job[] =
    "-- the job as users of old dialects write it\n"
    "CREATE TABLE sensor_data (\n    id STRING,\n    timestamp BIGINT,\n    value DOUBLE\n) WITH (\n    'connector' = 'kafka',\n    'topic' = 'sensor_data'\n);\n"
    "CREATE TABLE sensor_window (\n    id STRING,\n    timestamp BIGINT,\n    value DOUBLE,\n    window END TIMESTAMP(ROWTIME, INTERVAL '10' SECOND)\n) WITH ('format' = 'json');\n"
    "CREATE TABLE sensor_result (\n    id STRING,\n    count BIGINT,\n    sum DOUBLE\n) WITH ('connector' = 'jdbc');\n"
    "INSERT INTO sensor_result\nSELECT\n    sensor_data.id,\n    COUNT(*) AS count,\n    SUM(sensor_data.value) AS sum\nFROM sensor_data\nJOIN sensor_window\n"
    "    ON sensor_data.id = sensor_window.id\n    AND sensor_data.timestamp >= sensor_window.tstart\n    AND sensor_data.timestamp < sensor_window.tend\n"
    "GROUP BY sensor_data.id;";

static void test_sensor_job(void **state)
{
    struct sq_str text = sq_str_of(sensor_job);
    struct env e;
    uint32_t at = 0;
    struct sq_ast_stmt *s;
    struct sq_ast_query *q;

    (void)state;
    env_open(&e);
    assert_int_equal(round_trips(&e, text), 4);
    parse(&e, text, &at);
    s = parse(&e, text, &at);
    assert_int_equal(s->table->cols[3].kind, SQ_C_WINDOW_END);
    assert_true(sq_str_is(s->table->cols[3].name, "window"));
    assert_true(sq_str_is(s->table->cols[3].time_name, "ROWTIME"));
    assert_int_equal(s->table->cols[3].expr->kind, SQ_A_INTERVAL);
    assert_true(sq_str_is(s->table->cols[3].expr->text, "10"));
    assert_int_equal(s->table->cols[3].expr->ival, SQ_U_SECOND);
    parse(&e, text, &at);
    s = parse(&e, text, &at);
    q = s->insert->query;
    assert_true(sq_str_is(q->items[1].alias, "count"));
    assert_true(q->items[1].expr->star);
    assert_true(sq_str_is(q->items[2].expr->args[0]->name.part[1], "value"));
    assert_memory_equal(text.p + s->span.at, "INSERT INTO", 11);
    assert_memory_equal(text.p + q->items[2].expr->args[0]->at.at, "value)", 6);
    assert_int_equal(q->items[2].expr->span.len, sizeof "SUM(sensor_data.value)" - 1);
    env_close(&e);
}

/* ---- names ---- */

static const char *const name_places[] = {
    "SELECT %s FROM t", "SELECT a, %s, b FROM t", "SELECT t.%s, %s.x FROM t", "SELECT %s + %s, -%s, (%s), f(%s, %s) FROM t", "SELECT a AS %s, b AS %s FROM t",
    "SELECT %s AS a FROM %s", "SELECT * FROM %s AS %s", "SELECT * FROM x.%s", "SELECT * FROM %s JOIN %s ON %s = %s.%s", "SELECT a FROM t WHERE %s = 1 AND %s > %s",
    "SELECT %s FROM t GROUP BY %s, %s HAVING %s > 1 ORDER BY %s DESC, %s LIMIT 1", "SELECT CASE WHEN %s THEN %s ELSE %s END, CASE %s WHEN %s THEN %s END FROM t",
    "CREATE TABLE %s (%s INT, %s BIGINT NOT NULL, %s AS %s + 1, %s STRING METADATA FROM 'x' VIRTUAL, WATERMARK FOR %s AS %s, PRIMARY KEY (%s, %s) NOT ENFORCED)",
    "CREATE TABLE t (%s ROW<%s INT, b ARRAY<ROW<%s INT>>>, %s DATE)", "CREATE TABLE t (%s, a) PARTITIONED BY (%s) AS SELECT 1", "INSERT INTO %s (%s, %s) SELECT 1, 2", "INSERT INTO %s SELECT 1",
    "INSERT INTO %s VALUES (%s, 1)", "INSERT INTO t PARTITION (%s = '1') SELECT %s FROM t", "WITH %s AS (SELECT 1), %s (%s, %s) AS (SELECT 1) SELECT * FROM %s, %s",
    "SELECT * FROM (SELECT 1) AS %s (%s, %s)", "SELECT * FROM TABLE(%s(TABLE %s, DESCRIPTOR(%s, %s), %s => 1))", "SELECT %s(1), %s(a, b), x.%s(1) FROM t", "SELECT SUM(%s) OVER %s FROM t WINDOW %s AS (PARTITION BY %s ORDER BY %s)",
    "SELECT SUM(%s) OVER (PARTITION BY %s, %s ORDER BY %s ROWS BETWEEN %s PRECEDING AND CURRENT ROW) FROM t", "SELECT %s IN (%s, 1), %s BETWEEN %s AND %s, %s LIKE %s, %s IS NULL, NOT %s FROM t",
    "SELECT CAST(%s AS INT), ARRAY[%s], MAP[%s, %s], ROW(%s, %s), %s[%s], (%s, %s) FROM t", "SELECT EXTRACT(DAY FROM %s), FLOOR(%s TO DAY), TRIM(BOTH %s FROM %s), POSITION(%s IN %s), SUBSTRING(%s FROM %s FOR %s) FROM t",
    "SELECT EXISTS (SELECT %s), (SELECT %s), %s IN (SELECT %s) FROM t", "SELECT COUNT(DISTINCT %s), COUNT(%s) FILTER (WHERE %s), F(%s ORDER BY %s) FROM t", "SELECT DISTINCT %s FROM t", "VALUES (%s), (%s, %s)",
    "DROP TABLE %s", "DROP VIEW %s.%s", "ALTER TABLE %s RENAME TO %s", "ALTER TABLE %s RENAME %s TO %s", "ALTER TABLE %s ADD (%s INT)", "ALTER TABLE t DROP (%s)", "ALTER TABLE t DROP (%s, %s)", "ALTER TABLE t DROP CONSTRAINT %s",
    "ALTER VIEW %s RENAME TO %s", "CREATE VIEW %s (%s) AS SELECT 1", "DESCRIBE %s", "USE %s", "USE CATALOG %s", "SHOW TABLES FROM %s", "SHOW CREATE TABLE %s", "SHOW COLUMNS FROM %s", "CREATE DATABASE %s", "CREATE CATALOG %s",
    "CREATE FUNCTION %s AS 'x'", "CREATE TABLE t (w END TIMESTAMP(%s, INTERVAL '1' SECOND), %s END TIMESTAMP(x, INTERVAL '1' SECOND))", "CREATE TABLE t LIKE %s", "CREATE TABLE t (CONSTRAINT %s PRIMARY KEY (%s) NOT ENFORCED)",
    "SELECT * FROM a JOIN b USING (%s, %s)", "SELECT * FROM %s FOR SYSTEM_TIME AS OF %s.%s AS %s", "SELECT * FROM UNNEST(%s) AS %s (%s)", "SELECT * FROM a CROSS JOIN %s AS %s", "SELECT a FROM t GROUP BY GROUPING SETS ((%s), (%s, b), ROLLUP (%s), CUBE (%s))",
    "SELECT a FROM t ORDER BY %s NULLS LAST OFFSET 1", "SELECT a FROM t QUALIFY %s = 1", "SELECT f(%s FROM t)", "SELECT * FROM LATERAL TABLE(%s(%s))", "SELECT %s.* FROM %s", "SELECT a AT TIME ZONE %s, %s || %s FROM t", "SELECT f(%s => %s)",
};

static void fill(struct sq_buf *b, const char *place, const char *open, struct sq_str word, const char *close)
{
    sq_buf_reset(b);
    for (const char *p = place; *p; p++) {
        if (p[0] == '%' && p[1] == 's') {
            sq_buf_printf(b, "%s%.*s%s", open, SQ_FMT(word), close);
            p++;
        } else {
            sq_buf_putc(b, *p);
        }
    }
}

/* Every word that means something somewhere, as a name in every place: quoted it is read; printed it is read back. */
static void test_every_word_is_a_name(void **state)
{
    const struct sq_str *words;
    size_t n = sq_keywords(&words);
    static const char *const more[] = {"PRECISION", "VARYING", "ZONE", "LOCAL", "SCALAR", "OBJECT", "VALUE", "PLACING", "LEADING", "TRAILING", "BOTH", "SYMMETRIC", "SEMI", "ANTI", "UNBOUNDED", "FOLLOWING",
                                       "PRECEDING", "RESPECT", "IGNORE", "POSITION", "CASCADE", "RESTRICT", "EXTENDED", "LANGUAGE", "JAR", "SYSTEM", "AFTER", "REPLACE", "UNIQUE", "DISTRIBUTED", "AT", "WITHOUT", "POSITION",
                                       "LOCALTIME", "x", "_x", "x$1", "1x", "$x", "a b", "a`b", "\xc3\xa4", "ROWTIME", "timestamp", "value", "count", "sum", "window"};
    struct sq_buf text;
    struct env e;

    (void)state;
    env_open(&e);
    sq_buf_init(&text, &e.ctx);
    for (size_t w = 0; w < n + SQ_LEN(more); w++)
        for (size_t p = 0; p < SQ_LEN(name_places); p++) {
            struct sq_str word = w < n ? words[w] : sq_str_of(more[w - n]);
            uint32_t at = 0;
            struct sq_ast_stmt *s = NULL;

            if (strstr(name_places[p], "f(%s FROM t)"))   /* an error, whatever the name */
                continue;
            fill(&text, name_places[p], "`", memchr(word.p, '`', word.n) ? SQ_STR("a``b") : word, "`");
            s = parse(&e, sq_buf_view(&text), &at);
            round_trip(&e, s);
            sq_arena_reset(&e.arena);
        }
    sq_buf_free(&text);
    env_close(&e);
}

/* These are names without any quotes, in every place. */
static void test_words_that_stay_free(void **state)
{
    static const char *const words[] = {"timestamp", "value", "count", "sum", "window", "date", "time", "user", "start", "end", "key", "year", "month", "hour", "day",
                                        "minute", "second", "first", "last", "min", "max", "avg", "type", "name", "level", "state", "status", "data", "language", "comment", "metadata", "json", "object",
                                        "view", "plan", "over", "filter", "next", "only", "semi", "zone", "at", "precision", "version", "job", "stop", "drain", "savepoint", "tables", "options", "function", "if", "share", "jar", "use",
                                        "show", "reset", "execute", "explain", "describe", "method", "result", "uuid", "id", "percent", "replace"};
    struct sq_buf text, quoted;
    struct env e;

    (void)state;
    env_open(&e);
    sq_buf_init(&text, &e.ctx);
    sq_buf_init(&quoted, &e.ctx);
    for (size_t w = 0; w < SQ_LEN(words); w++)
        for (size_t p = 0; p < SQ_LEN(name_places); p++) {
            uint32_t at = 0, at2 = 0;
            struct sq_ast_stmt *a, *b;
            const char *diff;

            if (strstr(name_places[p], "f(%s FROM t)"))
                continue;
            fill(&text, name_places[p], "", sq_str_of(words[w]), "");
            fill(&quoted, name_places[p], "`", sq_str_of(words[w]), "`");
            a = parse(&e, sq_buf_view(&text), &at);
            b = parse(&e, sq_buf_view(&quoted), &at2);
            diff = same_stmt(a, b);
            if (diff)
                fail_msg("%s: unquoted it means something else: %s", text.p, diff);
            sq_arena_reset(&e.arena);
        }
    sq_buf_free(&text);
    sq_buf_free(&quoted);
    env_close(&e);
}

/* ---- expressions ---- */

static void show(struct sq_buf *b, const struct sq_ast_expr *x)
{
    static const char *const is[] = {"NULL", "TRUE", "FALSE", "UNKNOWN", "JSON"};

    if (x->kind == SQ_A_NAME || x->kind == SQ_A_NUMBER || x->kind == SQ_A_STRING) {
        sq_unparse_expr(b, x);
        return;
    }
    sq_buf_putc(b, '(');
    if (x->kind == SQ_A_BINARY_OP || x->kind == SQ_A_UNARY)
        sq_buf_puts(b, sq_ast_op_name((int)x->ival));
    else if (x->kind == SQ_A_IS)
        sq_buf_printf(b, "IS%s %s", x->negated ? " NOT" : "", is[x->ival]);
    else
        sq_buf_printf(b, "%s%s", x->negated ? "NOT " : "",
                      x->kind == SQ_A_BETWEEN ? "BETWEEN" : x->kind == SQ_A_LIKE ? "LIKE" : x->kind == SQ_A_IN ? "IN" : x->kind == SQ_A_DISTINCT_FROM ? "DISTINCT" :
                      x->kind == SQ_A_INDEX ? "[]" : x->kind == SQ_A_FIELD ? "." : x->kind == SQ_A_AT_TIME_ZONE ? "AT" : x->kind == SQ_A_CALL ? "CALL" : "?");
    for (uint32_t i = 0; i < x->nargs; i++) {
        sq_buf_putc(b, ' ');
        show(b, x->args[i]);
    }
    sq_buf_putc(b, ')');
}

static void test_precedence(void **state)
{
    static const char *const cases[][2] = {
        {"a OR b AND c", "(OR a (AND b c))"},
        {"NOT a AND b", "(AND (NOT a) b)"},
        {"NOT a = b", "(NOT (= a b))"},
        {"NOT a IS NULL", "(NOT (IS NULL a))"},
        {"a = b IS NULL", "(IS NULL (= a b))"},
        {"a = b IN (c)", "(= a (IN b c))"},
        {"a = b NOT IN (c)", "(= a (NOT IN b c))"},
        {"a < b LIKE c", "(< a (LIKE b c))"},
        {"a = b = c", "(= (= a b) c)"},
        {"a = b IS DISTINCT FROM c", "(= a (DISTINCT b c))"},
        {"a IS NOT DISTINCT FROM b + 1", "(NOT DISTINCT a (+ b 1))"},
        {"a BETWEEN b AND c AND d", "(AND (BETWEEN a b c) d)"},
        {"a NOT BETWEEN b + 1 AND c * 2 OR d", "(OR (NOT BETWEEN a (+ b 1) (* c 2)) d)"},
        {"a + b * c - d", "(- (+ a (* b c)) d)"},
        {"a || b + c", "(+ (|| a b) c)"},
        {"a || b * c", "(* (|| a b) c)"},
        {"-a * b", "(* (- a) b)"},
        {"- a[1]", "(- ([] a 1))"},
        {"-a.b", "(- a.b)"},
        {"a - -b", "(- a (- b))"},
        {"a % b / c", "(/ (% a b) c)"},
        {"a = NOT b = c", "(= a (NOT (= b c)))"},
        {"a AT TIME ZONE 'x' + b", "(+ (AT a 'x') b)"},
        {"a IS NULL IS NOT TRUE", "(IS NOT TRUE (IS NULL a))"},
        {"a IN (1) IN (2)", "(IN (IN a 1) 2)"},
        {"f(a).b[c]", "([] (. (CALL a)) c)"},
        {"a >= b AND c <> d OR e != f", "(OR (AND (>= a b) (<> c d)) (<> e f))"},
    };
    struct env e;

    (void)state;
    env_open(&e);
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        sq_buf_reset(&e.buf);
        show(&e.buf, parse_expr(&e, cases[i][0]));
        assert_string_equal(e.buf.p, cases[i][1]);
    }
    env_close(&e);
}

static void test_expressions(void **state)
{
    struct env e;
    struct sq_ast_expr *x;

    (void)state;
    env_open(&e);
    x = parse_expr(&e, "'a' 'b''c'");
    assert_true(sq_str_is(x->text, "ab'c"));
    x = parse_expr(&e, "X'00ff'");
    assert_int_equal(x->text.n, 2);
    assert_memory_equal(x->text.p, "\0\xff", 2);
    x = parse_expr(&e, "INTERVAL -'1-2' YEAR(4) TO MONTH");
    assert_true(sq_str_is(x->text, "-1-2"));
    assert_int_equal(x->ival, SQ_U_YEAR);
    assert_int_equal(x->ival2, SQ_U_MONTH);
    assert_int_equal(x->prec, 4);
    x = parse_expr(&e, "INTERVAL - '-5' days");
    assert_true(sq_str_is(x->text, "5"));
    assert_int_equal(x->ival, SQ_U_DAY);
    assert_int_equal(x->prec, -1);
    x = parse_expr(&e, "timestampadd(minute, 1, t)");
    assert_int_equal(x->args[0]->kind, SQ_A_SYMBOL);
    assert_true(sq_str_is(x->args[0]->text, "MINUTE"));
    x = parse_expr(&e, "current_date");
    assert_int_equal(x->kind, SQ_A_CALL);
    assert_int_equal(x->syntax, SQ_CALL_NOPARENS);
    x = parse_expr(&e, "TRIM(a FROM b)");
    assert_int_equal(x->nargs, 3);
    assert_true(sq_str_is(x->args[0]->text, "BOTH"));
    x = parse_expr(&e, "CASE a WHEN 1 THEN 2 WHEN 3 THEN 4 ELSE 5 END");
    assert_int_equal(x->nargs, 6);
    assert_true(x->ival == 1 && x->ival2 == 1);
    x = parse_expr(&e, "a.b.c.d.e.f");
    assert_int_equal(x->kind, SQ_A_FIELD);
    assert_int_equal(x->args[0]->kind, SQ_A_FIELD);
    assert_int_equal(x->args[0]->args[0]->name.n, 4);
    assert_int_equal(x->span.len, 11);
    x = parse_expr(&e, "  a + b  ");
    assert_int_equal(x->span.at, 2);
    assert_int_equal(x->span.len, 5);
    assert_int_equal(x->at.at, 4);
    assert_int_equal(parse1(&e, "SELECT ?, ? FROM t WHERE a = ?")->nparams, 3);
    x = parse1(&e, "SELECT f(?, ?)")->query->items[0].expr;
    assert_true(x->args[0]->ival == 0 && x->args[1]->ival == 1);
    env_close(&e);
}

static bool count_names(void *arg, struct sq_ast_expr *x)
{
    *(int *)arg += x->kind == SQ_A_NAME;
    return true;
}

static bool stop_at_call(void *arg, struct sq_ast_expr *x)
{
    (void)arg;
    return x->kind != SQ_A_CALL;
}

static void test_walk(void **state)
{
    struct env e;
    struct sq_ast_expr *x;
    int n = 0;

    (void)state;
    env_open(&e);
    x = parse_expr(&e, "a + f(b, c ORDER BY d) FILTER (WHERE e) OVER (PARTITION BY g ORDER BY h ROWS i PRECEDING) + (SELECT z) + CASE j WHEN k THEN l END");
    assert_true(sq_ast_walk(x, count_names, &n));
    assert_int_equal(n, 11);
    assert_false(sq_ast_walk(x, stop_at_call, NULL));
    env_close(&e);
}

/* ---- types ---- */

static void test_types(void **state)
{
    static const char *const cases[][2] = {
        {"int", "INT"}, {"INTEGER NOT NULL", "INT NOT NULL"}, {"STRING", "STRING"}, {"BYTES", "BYTES"}, {"VARCHAR(2147483647)", "STRING"}, {"DEC(5)", "DECIMAL(5, 0)"},
        {"DECIMAL", "DECIMAL(10, 0)"}, {"NUMERIC(38, 38)", "DECIMAL(38, 38)"}, {"DOUBLE PRECISION", "DOUBLE"}, {"CHARACTER VARYING(7)", "VARCHAR(7)"}, {"CHAR VARYING", "VARCHAR(1)"},
        {"BINARY VARYING(3)", "VARBINARY(3)"}, {"CHAR", "CHAR(1)"}, {"TIMESTAMP", "TIMESTAMP(6)"}, {"TIMESTAMP(3) WITHOUT TIME ZONE", "TIMESTAMP(3)"},
        {"TIMESTAMP(9) WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(9)"}, {"TIMESTAMP_LTZ", "TIMESTAMP_LTZ(6)"}, {"TIME", "TIME(0)"}, {"TIME(3) WITHOUT TIME ZONE", "TIME(3)"}, {"DATE", "DATE"},
        {"REAL", "FLOAT"}, {"BOOLEAN", "BOOLEAN"}, {"INT ARRAY", "ARRAY<INT>"}, {"INT ARRAY ARRAY NOT NULL", "ARRAY<ARRAY<INT>> NOT NULL"}, {"STRING MULTISET", "MULTISET<STRING>"},
        {"MAP<STRING NOT NULL, ARRAY<INT>>", "MAP<STRING NOT NULL, ARRAY<INT>>"}, {"MULTISET<INT NOT NULL>", "MULTISET<INT NOT NULL>"}, {"ROW<a INT, `b c` STRING 'comment'>", "ROW<`a` INT, `b c` STRING>"},
        {"ROW(a INT)", "ROW<`a` INT>"}, {"tinyint null", "TINYINT"}, {"ROW<timestamp TIMESTAMP(3), row ROW<end INT>>", "ROW<`timestamp` TIMESTAMP(3), `row` ROW<`end` INT>>"},
    };
    struct env e;

    (void)state;
    env_open(&e);
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        const struct sq_type *t;

        if (sq_parse_type(&e.ctx, &e.arena, sq_str_of(cases[i][0]), &t) != SQ_OK) {
            explain(&e, sq_str_of(cases[i][0]));
            fail();
        }
        sq_buf_reset(&e.buf);
        sq_type_print(&e.buf, t);
        assert_string_equal(e.buf.p, cases[i][1]);
    }
    env_close(&e);
}

static void test_interval_types(void **state)
{
    static const struct { const char *text; enum sq_tid id; } cases[] = {
        {"INTERVAL DAY", SQ_T_INTERVAL_DS}, {"INTERVAL DAY(3) TO SECOND(3)", SQ_T_INTERVAL_DS}, {"INTERVAL SECOND(3, 6)", SQ_T_INTERVAL_DS}, {"INTERVAL YEAR", SQ_T_INTERVAL_YM},
        {"INTERVAL YEAR(4) TO MONTH", SQ_T_INTERVAL_YM}, {"INTERVAL HOUR TO MINUTE NOT NULL", SQ_T_INTERVAL_DS},
    };
    struct env e;

    (void)state;
    env_open(&e);
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        const struct sq_type *t, *again;

        assert_int_equal(sq_parse_type(&e.ctx, &e.arena, sq_str_of(cases[i].text), &t), SQ_OK);
        assert_int_equal(t->id, cases[i].id);
        sq_buf_reset(&e.buf);
        sq_type_print(&e.buf, t);
        assert_int_equal(sq_parse_type(&e.ctx, &e.arena, sq_buf_view(&e.buf), &again), SQ_OK);
        assert_true(sq_type_equal(t, again, true));
    }
    env_close(&e);
}

/* ---- statements ---- */

static void test_splitting(void **state)
{
    struct sq_str text = SQ_STR("; ;SELECT 1; SELEC 2; /* ; */ SELECT ';' -- ;\n; SELECT 'open; x\n'; SELECT 4");
    struct env e;
    struct sq_ast_stmt *s;
    uint32_t at = 0;
    bool complete;

    (void)state;
    env_open(&e);
    assert_int_equal(sq_parse(&e.ctx, &e.arena, text, &at, &s, &complete), SQ_OK);
    assert_true(complete && s->span.at == 3 && s->span.len == 8);
    assert_int_equal(sq_parse(&e.ctx, &e.arena, text, &at, &s, &complete), SQ_SYNTAX);
    assert_true(complete && s == NULL && e.ctx.err.span.at == 13);
    assert_memory_equal(text.p + at, " /* ; */", 8);
    assert_int_equal(sq_parse(&e.ctx, &e.arena, text, &at, &s, &complete), SQ_OK);
    assert_int_equal(sq_parse(&e.ctx, &e.arena, text, &at, &s, &complete), SQ_OK);
    assert_true(complete);
    assert_int_equal(sq_parse(&e.ctx, &e.arena, text, &at, &s, &complete), SQ_OK);
    assert_true(s && !complete && at == text.n);   /* no ';' yet */
    assert_int_equal(sq_parse(&e.ctx, &e.arena, text, &at, &s, &complete), SQ_OK);
    assert_true(!s && complete);
    env_close(&e);
}

static void test_complete(void **state)
{
    static const struct { const char *text; bool complete; } cases[] = {
        {"", true}, {" -- x\n", true}, {"SELECT 1;", true}, {"SELECT 1", false}, {"SELECT", false}, {"SELECT 'a", false}, {"SELECT `a", false}, {"SELECT /* ", false}, {"CREATE TABLE t (a INT,\n", false},
        {"SELECT );", true}, {"SELECT )", true}, {"EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;", false}, {"EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END;", true},
        {"BEGIN STATEMENT SET;", false}, {"BEGIN STATEMENT SET; INSERT INTO t SELECT 1; END", false}, {"/* open", false}, {"SELECT \"a", false},
    };

    (void)state;
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        struct env e;
        struct sq_ast_stmt *s;
        uint32_t at = 0;
        bool complete = !cases[i].complete;

        env_open(&e);
        sq_parse(&e.ctx, &e.arena, sq_str_of(cases[i].text), &at, &s, &complete);
        if (complete != cases[i].complete)
            fail_msg("%s: complete is %d", cases[i].text, complete);
        env_close(&e);
    }
}

static void test_statement_set(void **state)
{
    struct sq_str text = SQ_STR("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELEC 2; END; SELECT 3;");
    struct env e;
    struct sq_ast_stmt *s;
    uint32_t at = 0;

    (void)state;
    env_open(&e);
    assert_int_equal(sq_parse(&e.ctx, &e.arena, text, &at, &s, NULL), SQ_SYNTAX);
    s = parse(&e, text, &at);                        /* the whole set was left behind */
    assert_int_equal(s->kind, SQ_S_QUERY);
    s = parse1(&e, "EXPLAIN ESTIMATED_COST STATEMENT SET BEGIN INSERT INTO a SELECT 1; END;");
    assert_int_equal(s->explained->ninserts, 1);
    env_close(&e);
}

static void test_set(void **state)
{
    static const char *const cases[][3] = {
        {"SET 'a.b' = 'c'", "a.b", "c"}, {"SET a.b = c", "a.b", "c"}, {"SET a.b=1 d ;", "a.b", "1 d"}, {"set pipeline.jars = file:///x/y.jar;", "pipeline.jars", "file:///x/y.jar"},
        {"SET 'a' = 5", "a", "5"}, {"SET a = 'it''s'", "a", "it's"}, {"SET `a` = b", "a", "b"}, {"SET a = b = c", "a", "b = c"}, {"SET a=", "a", ""},
    };
    struct env e;
    struct sq_ast_stmt *s;

    (void)state;
    env_open(&e);
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        s = parse1(&e, cases[i][0]);
        assert_int_equal(s->kind, SQ_S_SET);
        assert_true(sq_str_is(s->options[0].key, cases[i][1]));
        assert_true(sq_str_is(s->options[0].value, cases[i][2]));
        round_trip(&e, s);
    }
    s = parse1(&e, "RESET table.exec.state.ttl");
    assert_true(sq_str_is(s->options[0].key, "table.exec.state.ttl"));
    env_close(&e);
}

static void test_table(void **state)
{
    struct env e;
    struct sq_ast_stmt *s;
    struct sq_ast_from *f;

    (void)state;
    env_open(&e);
    s = parse1(&e, "CREATE TABLE a.t (x INT COMMENT 'c', y AS x + 1, m STRING METADATA FROM 'k' VIRTUAL, WATERMARK FOR x AS x, CONSTRAINT n PRIMARY KEY (x) NOT ENFORCED) WITH ('a' = 'b')");
    assert_int_equal(s->table->ncols, 3);
    assert_int_equal(s->table->cols[1].kind, SQ_C_COMPUTED);
    assert_true(s->table->cols[2].is_virtual && sq_str_is(s->table->cols[2].metadata_key, "k"));
    assert_true(sq_str_is(s->table->pk_name, "n") && s->table->npk == 1 && s->table->pk_enforced_given && !s->table->pk_enforced);
    assert_true(s->table->cols[0].type_span.len == 3);
    s = parse1(&e, "CREATE TABLE t (x INT PRIMARY KEY NOT ENFORCED)");
    assert_true(s->table->cols[0].primary_key && s->table->npk == 0 && s->table->pk_enforced_given && !s->table->pk_enforced);
    f = parse1(&e, "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A (B | C)) DEFINE A AS a > ')') AS m")->query->from;
    assert_true(f->match_recognize.len > 0 && sq_str_is(f->alias, "m"));
    assert_int_equal(f->raw.p[f->raw.n - 1], ')');
    f = parse1(&e, "SELECT * FROM TABLE(TUMBLE((SELECT 1), DESCRIPTOR(a), INTERVAL '1' DAY))")->query->from;
    assert_int_equal(f->call->args[0]->kind, SQ_A_TABLE_ARG);
    assert_int_equal(f->call->args[0]->from->kind, SQ_F_SUBQUERY);
    env_close(&e);
}

/* ---- errors ---- */

static const struct { const char *text, *shown; } errors[] = {
    {"SELEC * FROM t", "f:1:1: error: unexpected 'SELEC', expected a statement\n  1 | SELEC * FROM t\n    | ^~~~~ did you mean SELECT?"},
    {"SELECT * FORM t", "f:1:10: error: unexpected 'FORM', expected ',', ';', FROM, WHERE or GROUP\n  1 | SELECT * FORM t\n    |          ^~~~ did you mean FROM?"},
    {"SELECT a FORM t", "f:1:10: error: unexpected 'FORM'\n  1 | SELECT a FORM t\n    |          ^~~~ did you mean FROM?"},
    {"SELECT a FROM t GROUPE BY a", "f:1:17: error: unexpected 'GROUPE'\n  1 | SELECT a FROM t GROUPE BY a\n    |                 ^~~~~~ did you mean GROUP?"},
    {"INSERT INT t SELECT 1", "f:1:8: error: unexpected 'INT', expected INTO or OVERWRITE\n  1 | INSERT INT t SELECT 1\n    |        ^~~ did you mean INTO?"},
    {"SELECT a FROM t JION u ON TRUE", "f:1:17: error: unexpected 'JION'\n  1 | SELECT a FROM t JION u ON TRUE\n    |                 ^~~~ did you mean JOIN?"},
    {"SELECT a, FROM t", "f:1:11: error: unexpected 'FROM', expected an expression or '*'\n  1 | SELECT a, FROM t\n    |           ^~~~ there is a ',' too many before it"},
    {"SELECT (a + b", "f:1:8: error: this '(' is never closed\n  1 | SELECT (a + b\n    |        ^"},
    {"SELECT a) FROM t", "f:1:9: error: unexpected ')', expected ',', ';', FROM, AS or WHERE\n  1 | SELECT a) FROM t\n    |         ^ no '(' is open here"},
    {"SELECT 'abc\nFROM t", "f:1:8: error: this string has no closing quote\n  1 | SELECT 'abc\n    |        ^ a quote inside a string is doubled: 'it''s'"},
    {"SELECT /* a", "f:1:8: error: this comment is never closed with */\n  1 | SELECT /* a\n    |        ^~"},
    {"SELECT `a", "f:1:8: error: this name has no closing back-quote\n  1 | SELECT `a\n    |        ^"},
    {"SELECT \"a\"", "f:1:8: error: double quotes are not used here\n  1 | SELECT \"a\"\n    |        ^~~ names are quoted with `back-quotes`, strings with 'single quotes'"},
    {"SELECT a\nFROM t\nWHERE", "f:3:6: error: the statement ends too early: expected an expression\n  3 | WHERE\n    |      ^"},
    {"SELECT order FROM t", "f:1:8: error: unexpected 'order', expected an expression or '*'\n  1 | SELECT order FROM t\n    |        ^~~~~ order is a reserved word; as a name write `order`"},
    {"CREATE TABLE t (a STRIN)", "f:1:19: error: no type 'STRIN'\n  1 | CREATE TABLE t (a STRIN)\n    |                   ^~~~~ did you mean STRING?"},
    {"CREATE TABLE t (a TEXT)", "f:1:19: error: no type 'TEXT'\n  1 | CREATE TABLE t (a TEXT)\n    |                   ^~~~ it is called STRING here"},
    {"CREATE TABLE t (a INT) WITH (connector = 'x')", "f:1:30: error: unexpected 'connector', expected a string or ')'\n  1 | CREATE TABLE t (a INT) WITH (connector = 'x')\n    |                              ^~~~~~~~~ strings are in single quotes: 'connector'"},
    {"SELECT a::int", "f:1:9: error: unexpected '::'\n  1 | SELECT a::int\n    |         ^~ a cast is written CAST(x AS type)"},
    {"SELECT\t\tx y z", "f:1:13: error: unexpected 'z', expected ',', ';', FROM, WHERE or GROUP\n  1 | SELECT      x y z\n    |                 ^"},
    {"SELECT '\xe6\x97\xa5\xe6\x9c\xac' x y", "f:1:15: error: unexpected 'y', expected ',', ';', FROM, WHERE or GROUP\n  1 | SELECT '\xe6\x97\xa5\xe6\x9c\xac' x y\n    |                 ^"},
    {"SELECT 'a\xff'", "f:1:10: error: the text is not valid UTF-8: byte 0xff\n  1 | SELECT 'a?'\n    |          ^ save the file as UTF-8"},
    {"SELECT U&'a'", "f:1:8: error: strings of the form U&'...' are not supported\n  1 | SELECT U&'a'\n    |        ^~~~~ write the characters themselves, in UTF-8"},
    {"SELECT 12abc", "f:1:8: error: '12abc' is neither a number nor a name\n  1 | SELECT 12abc\n    |        ^~~~~ a name that begins with a digit is written in `back-quotes`"},
    {"SELECT a FROM t JOIN u", "f:1:17: error: this JOIN has no condition\n  1 | SELECT a FROM t JOIN u\n    |                 ^~~~ add ON ... or USING (...), or write CROSS JOIN for all pairs"},
    {"SELECT INTERVAL '1' DAZ", "f:1:21: error: 'DAZ' is not a unit of an interval\n  1 | SELECT INTERVAL '1' DAZ\n    |                     ^~~ did you mean DAY?"},
    {"SELECT CAST(a AS DECIMAL(39))", "f:1:26: error: the precision of a DECIMAL is from 1 to 38\n  1 | SELECT CAST(a AS DECIMAL(39))\n    |                          ^~"},
    {"SHOW TABELS", "f:1:6: error: SHOW knows no 'TABELS'\n  1 | SHOW TABELS\n    |      ^~~~~~ did you mean TABLES?"},
    {"CREATE OR REPLACE VIEW v AS SELECT 1", "f:1:8: error: CREATE OR REPLACE VIEW is not supported\n  1 | CREATE OR REPLACE VIEW v AS SELECT 1\n    |        ^~ DROP VIEW IF EXISTS, then CREATE VIEW; or ALTER VIEW ... AS"},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < SQ_LEN(errors); i++) {
        struct sq_str text = sq_str_of(errors[i].text);
        struct sq_ast_stmt *s;
        struct env e;
        uint32_t at = 0;

        env_open(&e);
        assert_int_not_equal(sq_parse(&e.ctx, &e.arena, text, &at, &s, NULL), SQ_OK);
        assert_int_equal(at, text.n);
        sq_render_error(&e.buf, &e.ctx.err, "f", text, 1);
        assert_string_equal(e.buf.p, errors[i].shown);
        env_close(&e);
    }
}

/* Refused, at the right place and with the right code; the wording is free. `^` stands before the place. */
static const struct { const char *text; sq_rc rc; const char *part; } refused[] = {
    {"SELECT a FROM", SQ_SYNTAX, "a table's name"},
    {"CREATE TABLE t (a INT, ^a)", SQ_SYNTAX, "no type"},
    {"CREATE TABLE t (a INT, WATERMARK FOR a AS a, ^WATERMARK FOR a AS a)", SQ_SYNTAX, NULL},
    {"CREATE TABLE t (a INT PRIMARY KEY NOT ENFORCED, ^PRIMARY KEY (a) NOT ENFORCED)", SQ_SYNTAX, "twice"},
    {"CREATE TABLE t (a INT, ^UNIQUE (a))", SQ_UNSUPPORTED, "UNIQUE"},
    {"CREATE TABLE t (a ^TIMESTAMP WITH TIME ZONE)", SQ_UNSUPPORTED, NULL},
    {"CREATE TABLE t (a ^RAW('x', 'y'))", SQ_UNSUPPORTED, "RAW"},
    {"CREATE TABLE t (a INT) WITH ('a' = 'b') COMMENT 'x' ^COMMENT 'y'", SQ_SYNTAX, NULL},
    {"ALTER TABLE t ADD a INT ^FIRST", SQ_UNSUPPORTED, "FIRST"},
    {"ALTER TABLE t ADD (a INT ^AFTER b)", SQ_UNSUPPORTED, "AFTER"},
    {"SELECT LAG(a) ^IGNORE NULLS OVER w FROM t", SQ_UNSUPPORTED, "IGNORE NULLS"},
    {"SELECT * FROM t ^/*+ FOO(1) */", SQ_UNSUPPORTED, "OPTIONS"},
    {"SELECT * FROM t /*+ OPTIONS(^'a' 'b') */", SQ_SYNTAX, NULL},
    {"SELECT INTERVAL '1' DAY TO ^YEAR", SQ_SYNTAX, "not an interval"},
    {"SELECT ^MAP['a']", SQ_SYNTAX, "key without a value"},
    {"SELECT ^X'1'", SQ_SYNTAX, NULL},
    {"SELECT \xe2\x80\x9c" "a", SQ_SYNTAX, "typographic"},
    {"SELECT a\xc2\xa0" "b", SQ_SYNTAX, "typographic"},
    {"SELECT a FROM a.b.c.d.e", SQ_SYNTAX, "at most 4 parts"},
    {"SELECT a FROM t LIMIT^ ;", SQ_SYNTAX, "an expression"},
    {"SELECT \x01", SQ_SYNTAX, "control character"},
    {"SELECT $x", SQ_SYNTAX, "variables"},
    {"SELECT UPPER(a FROM b)", SQ_SYNTAX, "UPPER"},
    {"SELECT UPPER(a TO DAY)", SQ_SYNTAX, "UPPER"},
    {"SELECT UPPER(LEADING a FROM b)", SQ_SYNTAX, "UPPER"},
    {"SELECT EXTRACT('DAY' FROM b)", SQ_SYNTAX, "unit"},
    {"SELECT SUM(a) OVER (ROWS BETWEEN UNBOUNDED FOLLOWING AND CURRENT ROW)", SQ_SYNTAX, "UNBOUNDED FOLLOWING"},
    {"CREATE TABLE t (a INT) LIKE b AS SELECT 1", SQ_SYNTAX, "not both"},
    {"CREATE TABLE t (a INT) LIKE b (INCLUDING EVERYTHING)", SQ_SYNTAX, "EVERYTHING"},
    {"CREATE TABLE t (w END DATE(x, INTERVAL '1' DAY))", SQ_SYNTAX, "END TIMESTAMP"},
    {"SHOW CREATE TABLE t LIKE 'x'", SQ_SYNTAX, "LIKE"},
    {"SET a", SQ_SYNTAX, "'key' = 'value'"},
    {"SELECT CAST(a AS DECIMAL(5, 6))", SQ_SYNTAX, "scale"},
    {"SELECT CAST(a AS INT(5))", SQ_SYNTAX, "INT takes no"},
    {"SELECT CAST(a AS VARCHAR(0))", SQ_SYNTAX, "length"},
    {"SELECT CAST(a AS VARCHAR(99999999999))", SQ_SYNTAX, "whole number"},
    {"SELECT CAST(a AS TIMESTAMP(10))", SQ_SYNTAX, "from 0 to 9"},
    {"SELECT CAST(a AS ARRAY)", SQ_SYNTAX, "ARRAY<type>"},
    {"SELECT JSON_VALUE(a, '$.b' ^RETURNING INT)", SQ_UNSUPPORTED, "RETURNING"},
    {"SELECT JSON_OBJECT('a' ^VALUE 1)", SQ_UNSUPPORTED, "VALUE"},
    {"SELECT a + INTERVAL ^10 SECOND", SQ_SYNTAX, "INTERVAL '10' SECOND"},
    {"CREATE TABLE t (a INT) WITH ('a' = 'b',^)", SQ_SYNTAX, "',' too many"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < SQ_LEN(refused); i++) {
        const char *caret = strchr(refused[i].text, '^');
        struct sq_ast_stmt *s;
        struct env e;
        uint32_t at = 0;
        char text[256];
        sq_rc rc;

        env_open(&e);
        if (caret)
            snprintf(text, sizeof text, "%.*s%s", (int)(caret - refused[i].text), refused[i].text, caret + 1);
        else
            snprintf(text, sizeof text, "%s", refused[i].text);
        rc = sq_parse(&e.ctx, &e.arena, sq_str_of(text), &at, &s, NULL);
        if (rc != refused[i].rc || !e.ctx.err.span.len)
            fail_msg("%s: rc %d, %s", text, rc, e.ctx.err.msg);
        if (caret && e.ctx.err.span.at != (uint32_t)(caret - refused[i].text))
            fail_msg("%s: at %u, %s", text, e.ctx.err.span.at, e.ctx.err.msg);
        if (refused[i].part && !strstr(e.ctx.err.msg, refused[i].part) && !strstr(e.ctx.err.hint, refused[i].part))
            fail_msg("%s: %s (%s)", text, e.ctx.err.msg, e.ctx.err.hint);
        env_close(&e);
    }
}

static void render(struct env *e, const char *text, uint32_t at, uint32_t len, const char *file, uint32_t first_line, const char *want)
{
    sq_buf_reset(&e->buf);
    sq_fail_at(&e->ctx, SQ_SEMANTIC, (struct sq_span){at, len}, "no such thing");
    sq_hint(&e->ctx, "look again");
    sq_render_error(&e->buf, &e->ctx.err, file, sq_str_of(text), first_line);
    assert_string_equal(e->buf.p, want);
}

static void test_render(void **state)
{
    struct env e;
    char text[301];

    (void)state;
    env_open(&e);
    render(&e, "a\r\nb c\r\nd", 5, 1, "x.sql", 10, "x.sql:11:3: error: no such thing\n 11 | b c\n    |   ^ look again");
    render(&e, "abc", 0, 0, "x.sql", 1, "x.sql: error: no such thing\n    look again");
    render(&e, "abc", 0, 0, NULL, 1, "error: no such thing\n    look again");
    render(&e, "abc\ndef", 1, 5, NULL, 1, "1:2: error: no such thing\n  1 | abc\n    |  ^~ look again");
    render(&e, "a\033b", 2, 1, NULL, 1, "1:3: error: no such thing\n  1 | a?b\n    |   ^ look again");
    render(&e, "", 0, 1, NULL, 1, "1:1: error: no such thing\n  1 | \n    | ^ look again");
    render(&e, "a", 1, 1, NULL, 12345, "12345:2: error: no such thing\n12345 | a\n      |  ^ look again");
    for (int i = 0; i < 300; i++)
        text[i] = (char)('0' + i % 10);
    text[300] = 0;
    render(&e, text, 200, 3, NULL, 1,
           "1:201: error: no such thing\n"
           "  1 | ...0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789...\n"
           "    |                                                                ^~~ look again");
    render(&e, "WITH ('password' = 'geheim', 'b' = 'c')", 35, 3, NULL, 1,
           "1:36: error: no such thing\n  1 | WITH ('password' = '****', 'b' = 'c')\n    |                                  ^~~ look again");
    render(&e, "WITH ('password' = 'geheim', 'b' = 'c')", 19, 8, NULL, 1,
           "1:20: error: no such thing\n  1 | WITH ('password' = '****', 'b' = 'c')\n    |                    ^~~~~~ look again");
    render(&e, "'a.token' =\n 'x\ny' '", 17, 1, NULL, 1, "3:2: error: no such thing\n  3 | ****' '\n    |     ^ look again");
    render(&e, "'token' = 'x", 10, 1, NULL, 1, "1:11: error: no such thing\n  1 | 'token' = '****\n    |           ^ look again");
    render(&e, "'url' = 'db://me:p@ss@h?token=xyz&a=b' c", 39, 1, NULL, 1,
           "1:40: error: no such thing\n  1 | 'url' = 'db://me:****@h?token=****&a=b' c\n    |                                         ^ look again");
    {
        uint32_t line, col;
        sq_line_col(SQ_STR("\xc3\xa4" "b\nc"), 3, &line, &col);
        assert_true(line == 1 && col == 3);
        sq_line_col(SQ_STR("\xc3\xa4" "b\nc"), 4, &line, &col);
        assert_true(line == 2 && col == 1);
    }
    env_close(&e);
}

/* ---- limits ---- */

static sq_rc parse_text(struct env *e, struct sq_str text, struct sq_ast_stmt **s)
{
    uint32_t at = 0;

    return sq_parse(&e->ctx, &e->arena, text, &at, s, NULL);
}

static void repeat(struct sq_buf *b, const char *s, int n)
{
    for (int i = 0; i < n; i++)
        sq_buf_puts(b, s);
}

static void nested(const char *before, const char *open, const char *mid, const char *close, const char *after, int n, sq_rc want)
{
    struct env e;
    struct sq_buf b;
    struct sq_ast_stmt *s;
    sq_rc rc;

    env_open(&e);
    sq_buf_init(&b, &e.ctx);
    sq_buf_puts(&b, before);
    repeat(&b, open, n);
    sq_buf_puts(&b, mid);
    repeat(&b, close, n);
    sq_buf_puts(&b, after);
    rc = parse_text(&e, sq_buf_view(&b), &s);
    if (rc != want)
        fail_msg("%s%s x %d: %d %s", before, open, n, rc, e.ctx.err.msg);
    if (rc == SQ_OK)
        round_trip(&e, s);
    sq_buf_free(&b);
    env_close(&e);
}

static void test_limits(void **state)
{
    (void)state;
    nested("SELECT ", "(", "1", ")", "", 200, SQ_OK);
    nested("SELECT ", "(", "1", ")", "", 201, SQ_LIMIT);
    nested("SELECT ", "(", "", "", "", 100000, SQ_LIMIT);
    nested("SELECT ", "f(1 + ", "1", ")", "", 200, SQ_OK);
    nested("SELECT ", "(SELECT a, b + ", "1", ")", "", 200, SQ_OK);
    nested("", "SELECT * FROM (", "SELECT 1", ")", "", 199, SQ_OK);
    nested("", "SELECT * FROM a JOIN b ON a.x = b.x AND a.y IN (1, 2, ", "3", ")", "", 1, SQ_OK);
    nested("", "WITH x AS (SELECT 1), y AS (", "SELECT 1", ") SELECT a FROM b", "", 199, SQ_OK);
    nested("SELECT ", "a[", "1", "]", "", 200, SQ_OK);
    nested("SELECT ", "a[", "1", "]", "", 201, SQ_LIMIT);
    nested("SELECT ", "- ", "1", "", "", 900, SQ_OK);
    nested("SELECT ", "- ", "1", "", "", 1100, SQ_LIMIT);
    nested("SELECT ", "- ", "1", "", "", 100000, SQ_LIMIT);
    nested("SELECT ", "NOT ", "a", "", "", 100000, SQ_LIMIT);
    nested("SELECT ", "CASE WHEN a THEN ", "1", " END", "", 900, SQ_OK);
    nested("SELECT ", "CASE WHEN a THEN ", "1", " END", "", 50000, SQ_LIMIT);
    nested("SELECT a", " OR a", "", "", "", 900, SQ_OK);
    nested("SELECT a", " + a", "", "", "", 100000, SQ_LIMIT);
    nested("SELECT 1", " UNION ALL SELECT 1", "", "", "", 900, SQ_OK);
    nested("SELECT 1", " UNION ALL SELECT 1", "", "", "", 1100, SQ_LIMIT);
    nested("SELECT * FROM a", " CROSS JOIN a", "", "", "", 900, SQ_OK);
    nested("SELECT * FROM a", ", a", "", "", "", 1100, SQ_LIMIT);
    nested("CREATE TABLE t (a ", "ARRAY<", "INT", ">", ")", 99, SQ_OK);
    nested("CREATE TABLE t (a ", "ARRAY<", "INT", ">", ")", 101, SQ_LIMIT);
    nested("CREATE TABLE t (a ", "ROW<a ", "INT", ">", ")", 50000, SQ_LIMIT);
    nested("CREATE TABLE t (a INT ", "ARRAY ", "", "", ")", 50000, SQ_LIMIT);
    nested("SELECT a", ".b", "", "", "", 900, SQ_OK);
    nested("SELECT a", ".b", "", "", "", 5000, SQ_LIMIT);
    nested("SELECT f(x)", ".b", "", "", "", 5000, SQ_LIMIT);
    nested("VALUES (1)", ", (1)", "", "", "", 20000, SQ_OK);
}

static void test_large_statement(void **state)
{
    struct env e;
    struct sq_buf b;
    struct sq_ast_stmt *s;
    uint32_t at = 0;

    (void)state;
    env_open(&e);
    sq_buf_init(&b, &e.ctx);
    sq_buf_puts(&b, "SELECT '");
    repeat(&b, "0123456789abcdef", 1 << 20);
    sq_buf_puts(&b, "', 1; SELECT 2");
    assert_int_equal(sq_parse(&e.ctx, &e.arena, sq_buf_view(&b), &at, &s, NULL), SQ_LIMIT);
    assert_int_equal(sq_parse(&e.ctx, &e.arena, sq_buf_view(&b), &at, &s, NULL), SQ_OK);
    assert_non_null(s);
    sq_buf_free(&b);
    env_close(&e);
}

/* Every allocation fails once: a clean SQ_NOMEM, nothing leaked, and the parse that gets its memory is the same as ever. */
static void test_out_of_memory(void **state)
{
    static const char *const texts[] = {
        "WITH a (x) AS (SELECT 1) SELECT `a``b`, 'it''s' 'x', CASE WHEN a THEN b END, f(DISTINCT x ORDER BY y) OVER (PARTITION BY z ROWS 1 PRECEDING) FROM a JOIN b USING (c) GROUP BY ROLLUP (d) ORDER BY e LIMIT 1",
        "CREATE TABLE t (a ROW<x INT, y MAP<STRING, INT ARRAY>> NOT NULL, b AS a.x + 1, w END TIMESTAMP(ts, INTERVAL '1' SECOND), PRIMARY KEY (a) NOT ENFORCED) WITH ('a' = 'b') LIKE c (INCLUDING ALL)",
        "SELECT a FROM t GROUPE BY a", "SET a = 'b''c'", "TRUNCATE TABLE t",
    };

    (void)state;
    for (size_t i = 0; i < SQ_LEN(texts); i++)
        for (int64_t n = 1;; n++) {
            struct env e;
            struct sq_ast_stmt *s;
            sq_rc rc;

            env_open(&e);
            e.budget.fail_at = n;
            rc = parse_text(&e, sq_str_of(texts[i]), &s);
            e.budget.fail_at = 0;
            env_close(&e);
            if (rc != SQ_NOMEM)
                break;
            assert_true(n < 10000);
        }
}

/* A tiny arena block count is no measure; so the arena itself is made to fail at every step too. */
static void test_budget(void **state)
{
    static const char text[] = "SELECT a + b, f(c) FROM t JOIN u ON t.x = u.x WHERE a IN (1, 2, 3) GROUP BY d HAVING COUNT(*) > 1 ORDER BY 1";

    (void)state;
    for (int64_t limit = 0; limit < 400000; limit += 1500) {
        struct env e;
        struct sq_ast_stmt *s;
        sq_rc rc;

        env_open(&e);
        e.budget.limit = limit + 1;
        rc = parse_text(&e, sq_str_of(text), &s);
        assert_true(rc == SQ_OK || rc == SQ_NOMEM);
        env_close(&e);
    }
}

/* Any sequence of tokens ends in a statement or an error with a place in the text. */
static void test_random_tokens(void **state)
{
    static const char *const tokens[] = {"SELECT", "FROM", "WHERE", "a", "t", "(", ")", ",", "1", "'x'", "=", "+", "*", ".", "AS", "JOIN", "ON", "GROUP", "BY", "ORDER", "LIMIT", "WITH", "VALUES", "INSERT",
                                         "INTO", "CREATE", "TABLE", "INT", "CASE", "WHEN", "THEN", "END", "NOT", "IN", "BETWEEN", "AND", "window", "timestamp", "INTERVAL", "DAY", "ROW", "[", "]", "<", ">", ";", "OVER",
                                         "UNION", "SET", "EXPLAIN", "/*+ x */", "MATCH_RECOGNIZE", "IS", "NULL", "LEFT", "FOR", "`q`", "DATE", "EXISTS", "TO", "?", "-", "=>", "STATEMENT", "BEGIN", "||", "DISTINCT", "ARRAY"};
    uint64_t seed = 42;
    struct env e;
    struct sq_buf b;

    (void)state;
    env_open(&e);
    sq_buf_init(&b, &e.ctx);
    for (int round = 0; round < 3000; round++) {
        struct sq_ast_stmt *s;
        uint32_t at = 0, before;

        sq_buf_reset(&b);
        for (int i = 0, n = 1 + round % 14; i < n; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            sq_buf_printf(&b, "%s ", tokens[(seed >> 33) % SQ_LEN(tokens)]);
        }
        do {
            sq_rc rc;

            before = at;
            rc = sq_parse(&e.ctx, &e.arena, sq_buf_view(&b), &at, &s, NULL);
            assert_true(at > before || at == b.n);
            if (rc == SQ_OK && s)
                round_trip(&e, s);
            else if (rc != SQ_OK && (e.ctx.err.span.len == 0 || e.ctx.err.span.at > b.n || !e.ctx.err.msg[0]))
                fail_msg("%s: no place or no text", b.p);
        } while (at < b.n);
        sq_arena_reset(&e.arena);
    }
    sq_buf_free(&b);
    env_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus), cmocka_unit_test(test_sensor_job), cmocka_unit_test(test_every_word_is_a_name), cmocka_unit_test(test_words_that_stay_free),
        cmocka_unit_test(test_precedence), cmocka_unit_test(test_expressions), cmocka_unit_test(test_walk), cmocka_unit_test(test_types), cmocka_unit_test(test_interval_types),
        cmocka_unit_test(test_splitting), cmocka_unit_test(test_complete), cmocka_unit_test(test_statement_set), cmocka_unit_test(test_set), cmocka_unit_test(test_table),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_refused), cmocka_unit_test(test_render), cmocka_unit_test(test_limits), cmocka_unit_test(test_large_statement),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_budget), cmocka_unit_test(test_random_tokens),
    };

    return cmocka_run_group_tests_name("parser", tests, NULL, NULL);
}
