/* SPDX-License-Identifier: Apache-2.0
 *
 * test_planner_errors.c: what binding and planning refuse: the message, the place in the text, the hint.
 */
#include "plan_kit.h"

static void test_names_missing(void **state)
{
    (void)state;
    WRONG("SELECT prise FROM t",
          "no column 'prise' in t | prise | the columns are id, k, v, w, d, ts");
    WRONG("SELECT ID FROM t",
          "no column 'ID' in t | ID | did you mean 'id'?");
    WRONG("SELECT t.vv FROM t",
          "no column 'vv' in t | t.vv | the columns are id, k, v, w, d, ts");
    WRONG("SELECT x.v FROM t",
          "no table or column 'x' in FROM | x.v | ");
    WRONG("SELECT q.id FROM t AS q WHERE t.id > 1",
          "no table or column 't' in FROM | t.id | ");
    WRONG("SELECT id FROM t JOIN o ON t.id = o.id",
          "column 'id' is ambiguous: it is in 't' and 'o' | id | write t.id, for example");
    WRONG("SELECT a.id FROM t a JOIN (SELECT id FROM o) ON a.id = id",
          "column 'id' is ambiguous: it is in 'a' and a subquery | id | write a.id, for example");
    WRONG("SELECT * FROM tt",
          "no table 'tt' | tt | ");
    WRONG("SELECT t.* FROM o",
          "no table 't' in FROM | t.* | ");
    WRONG("SELECT UPER(k) FROM t",
          "no function 'UPER' | UPER | did you mean UPPER?");
    WRONG("SELECT id AS i FROM t WHERE i > 3",
          "no column 'i' in t | i | 'i' is an alias of SELECT, which WHERE does not see: repeat the expression, or use a subquery");
    WRONG("SELECT k AS g, COUNT(*) FROM t GROUP BY g",
          "no column 'g' in t | g | 'g' is an alias of SELECT, which GROUP BY does not see: repeat the expression, or use a subquery");
    WRONG("SELECT a.x FROM r",
          "no field 'x' in 'a' | a.x | ");
    WRONG("SELECT a.c.x FROM r",
          "no field 'x' in 'c' | a.c.x | ");
    WRONG("SELECT id.x FROM t",
          "'id' is not a ROW, it has no field 'x' | id.x | ");
    WRONG("SELECT * FROM t JOIN t ON TRUE",
          "'t' is twice in FROM | t | give one of them another alias: t AS t2");
    WRONG("SELECT * FROM t JOIN o USING (v)",
          "USING column 'v' is not on the right side of the join | t JOIN o USING (v) | ");
    WRONG("SELECT * FROM t AS q (a, b)",
          "the list of 2 column names does not fit: 'q' has 6 columns | q | ");
    WRONG("WITH q AS (SELECT 1), q AS (SELECT 2) SELECT * FROM q",
          "WITH defines 'q' twice | q | ");
    WRONG("SELECT * FROM log",
          "table 'log' cannot be read: the connector 'log' is a sink only | log | ");
    WRONG("SELECT x",
          "no column 'x': there is no table here to take it from | x | ");
}

static void test_types_wrong(void **state)
{
    (void)state;
    WRONG("SELECT id FROM t WHERE v",
          "the condition of WHERE must be BOOLEAN, but this is INT | v | ");
    WRONG("SELECT id FROM t WHERE v > 1 AND k",
          "the condition of WHERE must be BOOLEAN, but this is STRING | k | ");
    WRONG("SELECT v + TRUE FROM t",
          "cannot apply '+' to (INT, BOOLEAN) | + | ");
    WRONG("SELECT CASE WHEN v > 1 THEN 'a' ELSE 2 END FROM t",
          "the branches of CASE have no common type: CHAR(1) NOT NULL and INT NOT NULL | 2 | write a CAST");
    WRONG("SELECT CASE WHEN v THEN 1 END FROM t",
          "the condition of WHEN must be BOOLEAN, but this is INT | v | ");
    WRONG("SELECT COALESCE(v, k) FROM t",
          "the arguments of COALESCE have no common type: INT and STRING | k | write a CAST");
    WRONG("SELECT CAST(k AS ROW<a INT>) FROM t",
          "cannot cast STRING to ROW<`a` INT> | CAST(k AS ROW<a INT>) | ");
    WRONG("SELECT v[1] FROM t",
          "only an ARRAY or a MAP can be indexed by [ ] | v[1] | ");
    WRONG("SELECT l['a'] FROM r",
          "the index of an ARRAY must be an integer | 'a' | ");
    WRONG("SELECT id FROM t UNION ALL SELECT k FROM f",
          "columns number 1 ('id') of the queries of UNION have no common type: INT and STRING | SELECT id FROM t UNION ALL SELECT k FROM f | write a CAST");
    WRONG("SELECT id FROM t UNION ALL SELECT id, k FROM f",
          "the queries of UNION must have as many columns: the first has 1, this one 2 | SELECT id, k FROM f | ");
    WRONG("VALUES (1), (1, 2)",
          "every row of VALUES must have as many values: the first has 1, this one 2 | (1, 2) | ");
    WRONG("SELECT DATE '2024-13-01'",
          "'2024-13-01' is not a date: write DATE 'yyyy-MM-dd' | DATE '2024-13-01' | ");
    WRONG("SELECT TIMESTAMP 'x'",
          "'x' is not a timestamp: write TIMESTAMP 'yyyy-MM-dd HH:mm:ss' | TIMESTAMP 'x' | ");
    WRONG("SELECT INTERVAL '1 25' DAY TO HOUR",
          "'1 25' is not an interval of DAY TO HOUR | INTERVAL '1 25' DAY TO HOUR | write INTERVAL '10' SECOND, INTERVAL '1 12:30:00' DAY TO SECOND or INTERVAL '1-6' YEAR TO MONTH");
    WRONG("SELECT 123456789012345678901234567890123456789",
          "the number has 39 digits, DECIMAL holds at most 38 | 123456789012345678901234567890123456789 | ");
    WRONG("SELECT ?",
          "parameter 1 has no value: bind one first | ? | ");
    WRONG("SELECT NULLIF(1)",
          "NULLIF takes 2 arguments, not 1 | NULLIF(1) | ");
}

static void test_grouping_wrong(void **state)
{
    (void)state;
    WRONG("SELECT id, COUNT(*) FROM t GROUP BY k",
          "column 'id' must be in GROUP BY or inside an aggregate | id | ");
    WRONG("SELECT id, COUNT(*) FROM t GROUP BY 1",
          "column 'id' must be in GROUP BY or inside an aggregate | id | a number in GROUP BY is a constant, not a position: write the expression");
    WRONG("SELECT v + 1 FROM t GROUP BY v + 2",
          "column 'v' must be in GROUP BY or inside an aggregate | v | ");
    WRONG("SELECT k, SUM(v) FROM t GROUP BY k HAVING v > 1",
          "column 'v' must be in GROUP BY or inside an aggregate | v | ");
    WRONG("SELECT SUM(COUNT(*)) FROM t",
          "aggregates cannot be nested: COUNT stands inside another aggregate | COUNT(*) | ");
    WRONG("SELECT id FROM t WHERE SUM(v) > 1",
          "the aggregate SUM cannot stand in WHERE | SUM(v) | conditions on aggregates go to HAVING");
    WRONG("SELECT k FROM t GROUP BY SUM(v)",
          "the aggregate SUM cannot stand in GROUP BY | SUM(v) | ");
    WRONG("SELECT t.id FROM t JOIN o ON COUNT(*) > 1",
          "the aggregate COUNT cannot stand in ON | COUNT(*) | ");
    WRONG("SELECT SUM(*) FROM t",
          "SUM(*) is not possible: only COUNT takes * | SUM(*) | ");
    WRONG("SELECT COUNT(v, w) FROM t",
          "COUNT takes one argument, not 2 | COUNT(v, w) | ");
    WRONG("SELECT UPPER(DISTINCT k) FROM t",
          "DISTINCT is for aggregate functions; UPPER is not one | UPPER(DISTINCT k) | ");
    WRONG("SELECT SUM(v) FILTER (WHERE v) FROM t",
          "the condition of FILTER must be BOOLEAN, but this is INT | v | ");
    WRONG("SELECT DISTINCT k FROM f ORDER BY v",
          "with SELECT DISTINCT, ORDER BY can only use what is selected | v | ");
    WRONG("SELECT id FROM f ORDER BY 2",
          "ORDER BY 2: there is 1 column | 2 | ");
    WRONG("SELECT id FROM f LIMIT -1",
          "LIMIT must be a whole number that is not negative | -1 | ");
}

static void test_not_yet(void **state)
{
    (void)state;
    REFUSED("SELECT id FROM t WHERE v > ALL (SELECT v FROM f) OR k = 'a'",
          "ALL (query) in OR, CASE or SELECT is supported with <> only | v > ALL (SELECT v FROM f) | compare with (SELECT MIN(…) …) or (SELECT MAX(…) …)");
    REFUSED("SELECT k FROM t GROUP BY ROLLUP (k) HAVING EXISTS (SELECT v FROM f)",
          "EXISTS beside aggregates of GROUPING SETS is not supported | EXISTS (SELECT v FROM f) | put the query into FROM, and this into a WHERE around it");
    REFUSED("SELECT id FROM t WHERE EXISTS (SELECT id FROM f WHERE f.k = t.k UNION SELECT 1)",
          "'k' is a column outside of this query: it can be named in a query with FROM and WHERE, and in some with aggregates | t.k | ");
    REFUSED("SELECT t.id FROM t JOIN f ON t.id = f.id AND t.v = (SELECT MAX(v) FROM f)",
          "a query as a value can stand in WHERE, SELECT and HAVING, not in ON | (SELECT MAX(v) FROM f) | put the query into FROM, and this into a WHERE around it");
    REFUSED("SELECT id FROM t LEFT SEMI JOIN f ON t.id = f.id",
          "SEMI and ANTI joins are written as conditions | t LEFT SEMI JOIN f ON t.id = f.id | WHERE EXISTS (SELECT 1 FROM … WHERE …), or WHERE NOT EXISTS (…)");
    WRONG("SELECT SUM(v) OVER (PARTITION BY k) FROM t",
          "OVER needs ORDER BY | OVER (PARTITION BY k) | ");
    REFUSED("SELECT * FROM t FOR SYSTEM_TIME AS OF ts",
          "FOR SYSTEM_TIME AS OF can stand only on the right side of a join: reading a table as it was at a time is not supported | ts | ");
    REFUSED("SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A) DEFINE A AS A.v > 1)",
          "MATCH_RECOGNIZE is not supported yet | MATCH_RECOGNIZE (PATTERN (A) DEFINE A AS A.v > 1) | ");
    REFUSED("SELECT id FROM t ORDER BY id",
          "ORDER BY needs an input that ends, and table 't' (connector 'stream') does not end | id | ");
    REFUSED("SELECT k, COUNT(*) FROM t GROUP BY k LIMIT 3",
          "LIMIT over rows that are updated needs an input that ends, and table 't' (connector 'stream') does not end | LIMIT 3 | ");
    WRONG("SELECT * FROM vw /*+ OPTIONS('a' = 'b') */",
          "OPTIONS cannot be given to a view: 'vw' is one | 'a' | ");
}

static void test_inserts_wrong(void **state)
{
    (void)state;
    WRONG("INSERT INTO timed SELECT k, k FROM t",
          "column 2 ('k0') of the query is STRING, and cannot be written to 'ts' of 'timed', which is TIMESTAMP(6) | k | query: (k STRING, k0 STRING), sink: (k STRING, ts TIMESTAMP(6))");
    WRONG("INSERT INTO log SELECT id, k FROM t",
          "column 1 ('id') of the query is INT, and cannot be written to 'k' of 'log', which is STRING | id | query: (id INT, k STRING), sink: (k STRING, n BIGINT)");
    WRONG("INSERT INTO log SELECT k FROM t",
          "the query has 1 column, but 2 are to be filled in 'log' | SELECT k FROM t | query: (k STRING), sink: (k STRING, n BIGINT)");
    WRONG("INSERT INTO log SELECT k, w, w FROM t",
          "the query has 3 columns, but 2 are to be filled in 'log' | w | query: (k STRING, w BIGINT, w0 BIGINT), sink: (k STRING, n BIGINT)");
    WRONG("INSERT INTO log (k, m) SELECT k, w FROM t",
          "no column 'm' in 'log' | m | ");
    WRONG("INSERT INTO log (k, k) SELECT k, w FROM t",
          "column 'k' is listed twice | k | ");
    WRONG("INSERT INTO nn (k) SELECT k FROM t",
          "column 'id' of 'nn' is NOT NULL and is not among the columns listed | nn | ");
    WRONG("INSERT INTO vw SELECT k, v FROM t",
          "'vw' is a view: rows can be inserted only into a table | vw | ");
    WRONG("INSERT INTO t SELECT * FROM t",
          "table 't' cannot be written: the connector 'stream' is a source only | t | ");
    WRONG("INSERT OVERWRITE log SELECT k, w FROM t",
          "INSERT OVERWRITE is possible only for the connector 'filesystem', and 'log' is 'log' | log | ");
    WRONG("INSERT OVERWRITE app SELECT k, w FROM t",
          "INSERT OVERWRITE needs an input that ends | app | ");
    WRONG("INSERT INTO log PARTITION (k = 'a') SELECT w FROM t",
          "'log' is not PARTITIONED BY any column | k | ");
    WRONG("INSERT INTO log VALUES ('a', 1), ('b', 'x')",
          "the values of one column of VALUES have no common type: INT NOT NULL and CHAR(1) NOT NULL | 'x' | write a CAST");
    WRONG("INSERT INTO log VALUES ('a', TRUE)",
          "column 2 ('EXPR$1') of the query is BOOLEAN NOT NULL, and cannot be written to 'n' of 'log', which is BIGINT | TRUE | query: (EXPR$0 CHAR(1) NOT NULL, EXPR$1 BOOLEAN NOT NULL), sink: (k STRING, n BIGINT)");
}

static void test_changelog_wrong(void **state)
{
    (void)state;
    WRONG("INSERT INTO app SELECT k, COUNT(*) FROM t GROUP BY k",
          "sink 'app' (connector 'filesystem') takes only inserts, but the query updates rows (GROUP BY) | k | write to a table with a PRIMARY KEY in a database, use the format 'debezium-json', or run it with 'execution.runtime-mode' = 'batch'");
    WRONG("INSERT INTO app SELECT t.k, o.id FROM t LEFT JOIN o ON t.id = o.id",
          "sink 'app' (connector 'filesystem') takes only inserts, but the query updates rows (LEFT JOIN) | t LEFT JOIN o ON t.id = o.id | write to a table with a PRIMARY KEY in a database, use the format 'debezium-json', or run it with 'execution.runtime-mode' = 'batch'");
    WRONG("INSERT INTO app SELECT k, v FROM c",
          "sink 'app' (connector 'filesystem') takes only inserts, but the query updates rows (it reads a table of changes) | c | write to a table with a PRIMARY KEY in a database, use the format 'debezium-json', or run it with 'execution.runtime-mode' = 'batch'");
    REFUSED("INSERT INTO kv SELECT MAX(v), k, id FROM t GROUP BY k, id",
          "the rows of the query are updated by (k, v), but the PRIMARY KEY of 'kv' is (id): that is not supported yet | k, id | declare PRIMARY KEY (k, v) NOT ENFORCED, or group the rows by (id)");
    REFUSED("INSERT INTO kv SELECT t.id, t.k, o.id FROM t LEFT JOIN o ON t.id = o.id",
          "the query updates rows (LEFT JOIN) and has no key, so they cannot be upserted by the PRIMARY KEY (id) of 'kv': that is not supported yet | t LEFT JOIN o ON t.id = o.id | group the rows by (id)");
    WRONG("INSERT INTO db SELECT 'x', COUNT(*) FROM t",
          "the query updates rows (an aggregate over all rows), but 'db' has no PRIMARY KEY and the query has no key of its own to upsert by | COUNT(*) | the result is one row: select a constant beside it ('all' AS name), and declare that column of the table PRIMARY KEY NOT ENFORCED");
    WRONG("INSERT INTO db SELECT 'x', COUNT(*) FROM t GROUP BY k",
          "the query updates rows (GROUP BY), but 'db' has no PRIMARY KEY and the query has no key of its own to upsert by | k | select the columns of GROUP BY too: they are the key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_types_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grouping_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inserts_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changelog_wrong, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
