/* SPDX-License-Identifier: Apache-2.0
 *
 * test_planner.c: plans as EXPLAIN prints them and what it does not show of them; large statements, parameters, no memory.
 */
#include "plan_kit.h"

/* ---- plans ---- */

static void test_select(void **state)
{
    (void)state;
    PLAN("SELECT 1",
         "Collect inserts, emit=each\n"
         "  Values 1 row, columns EXPR$0\n");
    PLAN("SELECT 1 + 2 AS x, 'a' || 'b', NULL, DATE '2024-01-02'",
         "Collect inserts, emit=each\n"
         "  Values 1 row, columns x, EXPR$1, EXPR$2, EXPR$3\n");
    PLAN("SELECT id, id, v + 1, v + 1 AS y FROM t WHERE v > 3 AND TRUE",
         "Collect inserts, emit=each\n"
         "  Project id, id AS id0, v + 1 AS EXPR$2, v + 1 AS y\n"
         "    Filter v > 3\n"
         "      Scan t (stream) columns id, v\n");
    PLAN("SELECT id FROM t WHERE v IN (1, 2, 3) AND k NOT IN ('a', 'b') AND v BETWEEN 1 AND 4",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Filter v IN (1, 2, 3) AND k NOT IN ('a', 'b') AND v >= 1 AND v <= 4\n"
         "      Scan t (stream) columns id, k, v\n");
    PLAN("SELECT id FROM t WHERE v BETWEEN SYMMETRIC 5 AND 2 OR NOT (v = 7)",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Filter v >= 5 AND v <= 2 OR v >= 2 AND v <= 5 OR NOT v = 7\n"
         "      Scan t (stream) columns id, v\n");
    PLAN("SELECT id FROM t WHERE (v > 1 OR TRUE) AND k = 'a' AND 2 > 1",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Filter k = 'a'\n"
         "      Scan t (stream) columns id, k\n");
    PLAN("SELECT id FROM t WHERE id = 1 OR NULL",
         "Collect inserts, emit=each\n"
         "  Filter id = 1 OR NULL\n"
         "    Scan t (stream) columns id\n");
    PLAN("SELECT * FROM t WHERE 1 = 2",
         "Collect inserts, emit=each\n"
         "  Filter FALSE\n"
         "    Scan t (stream) columns id, k, v, w, d, ts\n");
    PLAN("SELECT NULLIF(v, 0), IFNULL(v, 1), COALESCE(v, w, 3), IF(v > 1, 'a', 'bb'), v IS DISTINCT FROM w, k LIKE 'a%', k NOT LIKE 'b', NOT (v > 1) FROM t",
         "Collect inserts, emit=each\n"
         "  Project CASE WHEN v = 0 THEN NULL ELSE v END AS EXPR$0, COALESCE(v, 1) AS EXPR$1, COALESCE(CAST(v AS BIGINT), w, 3) AS EXPR$2, CASE WHEN v > 1 THEN 'a' ELSE 'bb' END AS EXPR$3, CAST(v AS BIGINT) IS DISTINCT FROM w AS EXPR$4, k LIKE 'a%' AS EXPR$5, k NOT LIKE 'b' AS EXPR$6, NOT v > 1 AS EXPR$7\n"
         "    Scan t (stream) columns k, v, w\n");
    PLAN("SELECT CASE v WHEN 1 THEN 'one' WHEN 2 THEN 'two' END, CASE WHEN FALSE THEN 1 WHEN v > 2 THEN 2 ELSE 3 END FROM t",
         "Collect inserts, emit=each\n"
         "  Project CASE WHEN v = 1 THEN 'one' WHEN v = 2 THEN 'two' END AS EXPR$0, CASE WHEN v > 2 THEN 2 ELSE 3 END AS EXPR$1\n"
         "    Scan t (stream) columns v\n");
    PLAN("SELECT COALESCE(NULL, id, v), id IS NULL, -(v), +v FROM o JOIN (SELECT v FROM t) ON TRUE",
         "Collect inserts, emit=each\n"
         "  Project id AS EXPR$0, FALSE AS EXPR$1, -v AS EXPR$2, v AS EXPR$3\n"
         "    Join CROSS  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan o (stream) columns id\n"
         "      Scan t (stream) columns v\n");
    PLAN("SELECT v / 2, d / 3, d * v, -v, v % 2, 1/0 FROM t",
         "Collect inserts, emit=each\n"
         "  Project v / 2 AS EXPR$0, d / 3 AS EXPR$1, d * CAST(v AS DECIMAL(10, 0)) AS EXPR$2, -v AS EXPR$3, v % 2 AS EXPR$4, 1 / 0 AS EXPR$5\n"
         "    Scan t (stream) columns v, d\n");
    PLAN("SELECT id, ts + INTERVAL '1' DAY, ts - INTERVAL '1-2' YEAR TO MONTH, EXTRACT(YEAR FROM ts), FLOOR(ts TO DAY) FROM t",
         "Collect inserts, emit=each\n"
         "  Project id, ts + INTERVAL '1' DAY AS EXPR$1, ts - INTERVAL '14' MONTH AS EXPR$2, EXTRACT(YEAR, ts) AS EXPR$3, FLOOR(ts, DAY) AS EXPR$4\n"
         "    Scan t (stream) columns id, ts\n");
    PLAN("SELECT a.b, a.c.d, r.a.c.d, l[1], m['x'] FROM r",
         "Collect inserts, emit=each\n"
         "  Project a.b AS b, a.c.d AS d, a.c.d AS d0, l[1] AS EXPR$3, m['x'] AS EXPR$4\n"
         "    Scan r (stream) columns a, l, m\n");
    PLAN("SELECT CAST(v AS STRING), TRY_CAST(k AS INT), CAST(1 AS BIGINT), CAST(v AS INT) FROM t",
         "Collect inserts, emit=each\n"
         "  Project CAST(v AS STRING) AS EXPR$0, TRY_CAST(k AS INT) AS EXPR$1, 1 AS EXPR$2, v AS EXPR$3\n"
         "    Scan t (stream) columns k, v\n");
    PLAN("SELECT default_catalog.default_database.t.id, default_database.t.v, t.k FROM t",
         "Collect inserts, emit=each\n"
         "  Project id, v, k\n"
         "    Scan t (stream) columns id, k, v\n");
    PLAN("SELECT v + 1 AS a FROM (SELECT v * 2 AS v FROM t WHERE w > 0) WHERE v < 10",
         "Collect inserts, emit=each\n"
         "  Project v * 2 + 1 AS a\n"
         "    Filter w > 0 AND v * 2 < 10\n"
         "      Scan t (stream) columns v, w\n");
}

static void test_group(void **state)
{
    (void)state;
    PLAN("SELECT k, COUNT(*), SUM(v), MIN(v), MAX(v), AVG(v) FROM t GROUP BY k",
         "Collect changes, emit=each\n"
         "  Aggregate by (k): COUNT(*), SUM(v), MIN(v), MAX(v), AVG(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k, v\n");
    PLAN("SELECT k, COUNT(*) AS n FROM t GROUP BY k HAVING COUNT(*) > 3 AND k <> 'a'",
         "Collect changes, emit=each\n"
         "  Filter COUNT(*) > 3 [retract]\n"
         "    Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Filter k <> 'a'\n"
         "        Scan t (stream) columns k\n");
    PLAN("SELECT COUNT(*) FROM t",
         "Collect changes, emit=each\n"
         "  Aggregate: COUNT(*) [retract]  state: one row\n"
         "    Scan t (stream) columns id\n");
    PLAN("SELECT COUNT(*), COUNT(id), COUNT(k) FROM o",
         "Collect changes, emit=each\n"
         "  Project COUNT(*) AS EXPR$0, COUNT(*) AS EXPR$1, COUNT(k) AS EXPR$2 [retract]\n"
         "    Aggregate: COUNT(*), COUNT(k) [retract]  state: one row\n"
         "      Scan o (stream) columns k\n");
    PLAN("SELECT UPPER(k), SUM(v) + 1 FROM t GROUP BY UPPER(k)",
         "Collect changes, emit=each\n"
         "  Project UPPER(k) AS EXPR$0, SUM(v) + 1 AS EXPR$1 [retract]\n"
         "    Aggregate by (UPPER(k)): SUM(v) [retract]  state: one row for each (UPPER(k)), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project UPPER(k), v\n"
         "        Scan t (stream) columns k, v\n");
    PLAN("SELECT k, SUM(v) FILTER (WHERE w > 1), COUNT(DISTINCT v), SUM(v) + SUM(v) FROM t GROUP BY k",
         "Collect changes, emit=each\n"
         "  Project k, SUM(v) FILTER (WHERE w > 1) AS EXPR$1, COUNT(DISTINCT v) AS EXPR$2, SUM(v) + SUM(v) AS EXPR$3 [retract]\n"
         "    Aggregate by (k): SUM(v) FILTER (WHERE w > 1), COUNT(DISTINCT v), SUM(v) [retract]  state: one row for each (k) and every different value of v, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project k, v, w > 1\n"
         "        Scan t (stream) columns k, v, w\n");
    PLAN("SELECT k, SUM(v) AS s FROM t GROUP BY k, v + 1",
         "Collect changes, emit=each\n"
         "  Project k, SUM(v) AS s [retract]\n"
         "    Aggregate by (k, v + 1): SUM(v) [retract]  state: one row for each (k, v + 1), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project k, v + 1, v\n"
         "        Scan t (stream) columns k, v\n");
    PLAN("SELECT CASE WHEN v > 4 THEN 'hi' WHEN v IS NULL THEN NULL ELSE 'lo' END AS c, COUNT(*) FROM t GROUP BY CASE WHEN v > 4 THEN 'hi' WHEN v IS NULL THEN NULL ELSE 'lo' END",
         "Collect changes, emit=each\n"
         "  Aggregate by (CASE WHEN v > 4 THEN 'hi' WHEN v IS NULL THEN NULL ELSE 'lo' END): COUNT(*) [retract]  state: one row for each (CASE WHEN v > 4 THEN 'hi' WHEN v IS NULL THEN NULL ELSE 'lo' END), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Project CASE WHEN v > 4 THEN 'hi' WHEN v IS NULL THEN NULL ELSE 'lo' END\n"
         "      Scan t (stream) columns v\n");
    PLAN("SELECT DISTINCT k FROM t",
         "Collect inserts, emit=each\n"
         "  Distinct by (k)  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k\n");
    PLAN("SELECT SUM(s) FROM (SELECT k, SUM(v) AS s FROM t GROUP BY k) GROUP BY s",
         "Collect changes, emit=each\n"
         "  Project SUM(s) AS EXPR$0 [retract]\n"
         "    Aggregate by (SUM(v)): SUM(SUM(v)) [retract]  state: one row for each (SUM(v)), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Aggregate by (k): SUM(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "        Scan t (stream) columns k, v\n");
    PLAN("SELECT MAX(v), COUNT(DISTINCT k) FROM c GROUP BY v",
         "Collect changes, emit=each\n"
         "  Project MAX(v) AS EXPR$0, COUNT(DISTINCT k) AS EXPR$1 [retract]\n"
         "    Aggregate by (v): MAX(v), COUNT(DISTINCT k) [retract]  state: one row for each (v) and every different value of v, k, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan c (changes) columns k, v [retract]\n");
    PLAN("SELECT id FROM f GROUP BY (id, k)",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Distinct by (id, k)  state: one row for each (id, k), until the end of input\n"
         "      Scan f (filesystem) columns id, k\n");
    PLAN("SELECT SUM(v) FROM f ORDER BY MAX(w)",
         "Collect inserts, emit=each\n"
         "  Project SUM(v) AS EXPR$0\n"
         "    Sort by MAX(w)  state: all rows, until the end of input\n"
         "      Aggregate: SUM(v), MAX(w) [retract]  state: one row\n"
         "        Scan f (filesystem) columns v, w\n");
    PLAN("SELECT 1 FROM t GROUP BY ()",
         "Collect changes, emit=each\n"
         "  Project 1 AS EXPR$0 [retract]\n"
         "    Aggregate [retract]  state: one row\n"
         "      Scan t (stream) columns id\n");
    PLAN("SELECT s FROM (SELECT k, COUNT(*) AS n, SUM(v) AS s FROM t GROUP BY k)",
         "Collect changes, emit=each\n"
         "  Project SUM(v) AS s [retract]\n"
         "    Aggregate by (k): SUM(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns k, v\n");
}

static void test_joins(void **state)
{
    (void)state;
    PLAN("SELECT t.id, o.x FROM t JOIN o ON t.id = o.id AND t.v > o.x",
         "Collect inserts, emit=each\n"
         "  Project id, x\n"
         "    Join INNER on id = id, where CAST(v AS DOUBLE) > x  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id, v\n"
         "      Scan o (stream) columns id, x\n");
    PLAN("SELECT t.id, o.x FROM t LEFT JOIN o ON t.id = o.id AND o.x > 1 AND t.v > 5 WHERE t.v > 2",
         "Collect changes, emit=each\n"
         "  Project id, x [retract]\n"
         "    Join LEFT on id = id, where v > 5 [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Filter v > 2\n"
         "        Scan t (stream) columns id, v\n"
         "      Filter x > 1.0\n"
         "        Scan o (stream) columns id, x\n");
    PLAN("SELECT t.id, o.x FROM t RIGHT JOIN o ON t.id = o.id AND t.v > 5 AND o.x > 1",
         "Collect changes, emit=each\n"
         "  Project id, x [retract]\n"
         "    Join RIGHT on id = id, where x > 1.0 [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project id\n"
         "        Filter v > 5\n"
         "          Scan t (stream) columns id, v\n"
         "      Scan o (stream) columns id, x\n");
    PLAN("SELECT t.id, o.x FROM t LEFT JOIN o ON t.id = o.id WHERE o.x > 1",
         "Collect inserts, emit=each\n"
         "  Project id, x\n"
         "    Join INNER on id = id  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id\n"
         "      Filter x > 1.0\n"
         "        Scan o (stream) columns id, x\n");
    PLAN("SELECT t.id, o.x FROM t LEFT JOIN o ON t.id = o.id WHERE o.x IS NULL",
         "Collect changes, emit=each\n"
         "  Project id, x [retract]\n"
         "    Filter x IS NULL [retract]\n"
         "      Join LEFT on id = id [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "        Scan t (stream) columns id\n"
         "        Scan o (stream) columns id, x\n");
    PLAN("SELECT t.id, o.x FROM t FULL JOIN o ON t.id = o.id AND o.k <> 'cat'",
         "Collect changes, emit=each\n"
         "  Project id, x [retract]\n"
         "    Join FULL on id = id, where k <> 'cat' [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id\n"
         "      Scan o (stream) columns id, k, x\n");
    PLAN("SELECT t.id, o.x FROM t FULL JOIN o ON t.id = o.id WHERE t.v = 1",
         "Collect changes, emit=each\n"
         "  Project id, x [retract]\n"
         "    Join LEFT on id = id [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project id\n"
         "        Filter v = 1\n"
         "          Scan t (stream) columns id, v\n"
         "      Scan o (stream) columns id, x\n");
    PLAN("SELECT t.id, o.x FROM t, o WHERE t.id = o.id AND t.k = 'a' AND o.k = 'b' AND t.v < o.x",
         "Collect inserts, emit=each\n"
         "  Project id, x\n"
         "    Join INNER on id = id, where CAST(v AS DOUBLE) < x  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project id, v\n"
         "        Filter k = 'a'\n"
         "          Scan t (stream) columns id, k, v\n"
         "      Project id, x\n"
         "        Filter k = 'b'\n"
         "          Scan o (stream) columns id, k, x\n");
    PLAN("SELECT t.id, o.x FROM t CROSS JOIN o",
         "Collect inserts, emit=each\n"
         "  Join CROSS  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns id\n"
         "    Scan o (stream) columns x\n");
    PLAN("SELECT id, x FROM t JOIN o USING (id)",
         "Collect inserts, emit=each\n"
         "  Project id, x\n"
         "    Join INNER on id = id  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id\n"
         "      Scan o (stream) columns id, x\n");
    PLAN("SELECT id, x FROM t FULL JOIN o USING (id)",
         "Collect changes, emit=each\n"
         "  Project COALESCE(id, id) AS id, x [retract]\n"
         "    Join FULL on id = id [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id\n"
         "      Scan o (stream) columns id, x\n");
    PLAN("SELECT * FROM t NATURAL JOIN o",
         "Collect inserts, emit=each\n"
         "  Project id, k, v, w, d, ts, x\n"
         "    Join INNER on id = id AND k = k  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id, k, v, w, d, ts\n"
         "      Scan o (stream) columns id, k, x\n");
    PLAN("SELECT * FROM f JOIN o ON f.w = o.id",
         "Collect inserts, emit=each\n"
         "  Project id, k, v, w, id AS id0, k AS k0, x\n"
         "    Join INNER on w = CAST(id AS BIGINT)  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan f (filesystem) columns id, k, v, w\n"
         "      Project id, k, x, CAST(id AS BIGINT)\n"
         "        Scan o (stream) columns id, k, x\n");
    PLAN("SELECT t.id FROM t JOIN o ON UPPER(t.k) = o.k AND t.id IS NOT DISTINCT FROM o.id",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Join INNER on UPPER(k) = k AND id IS NOT DISTINCT FROM id  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project id, UPPER(k)\n"
         "        Scan t (stream) columns id, k\n"
         "      Scan o (stream) columns id, k\n");
    PLAN("SELECT a.id FROM t a JOIN t b ON a.id = b.v JOIN o ON o.id = b.id",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Join INNER on id = id  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project id, id\n"
         "        Join INNER on id = v  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "          Scan t (stream) columns id\n"
         "          Scan t (stream) columns id, v\n"
         "      Scan o (stream) columns id\n");
    PLAN("SELECT a.id FROM t a JOIN (SELECT id AS z FROM o WHERE x > 1) ON a.id = z",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Join INNER on id = z  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id\n"
         "      Project id AS z\n"
         "        Filter x > 1.0\n"
         "          Scan o (stream) columns id, x\n");
    PLAN("SELECT COUNT(*) FROM t JOIN f ON t.id = f.id",
         "Collect changes, emit=each\n"
         "  Aggregate: COUNT(*) [retract]  state: one row\n"
         "    Join INNER on id = id  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id\n"
         "      Scan f (filesystem) columns id\n");
}

static void test_unions(void **state)
{
    (void)state;
    PLAN("SELECT id FROM t UNION ALL SELECT w FROM f",
         "Collect inserts, emit=each\n"
         "  Union\n"
         "    Project CAST(id AS BIGINT) AS id\n"
         "      Scan t (stream) columns id\n"
         "    Scan f (filesystem) columns w\n");
    PLAN("SELECT id FROM t UNION SELECT id FROM f",
         "Collect inserts, emit=each\n"
         "  Distinct by (id)  state: one row for each (id), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Union\n"
         "      Scan t (stream) columns id\n"
         "      Scan f (filesystem) columns id\n");
    PLAN("SELECT * FROM (SELECT id, k FROM t UNION ALL SELECT id, k FROM f UNION ALL SELECT 1, 'x') WHERE id > 3",
         "Collect inserts, emit=each\n"
         "  Union\n"
         "    Filter id > 3\n"
         "      Scan t (stream) columns id, k\n"
         "    Filter id > 3\n"
         "      Scan f (filesystem) columns id, k\n"
         "    Project 1 AS EXPR$0, 'x' AS EXPR$1\n"
         "      Filter FALSE\n"
         "        Values 1 row\n");
    PLAN("SELECT k FROM (SELECT id, k FROM t UNION ALL SELECT id, k FROM f)",
         "Collect inserts, emit=each\n"
         "  Union\n"
         "    Scan t (stream) columns k\n"
         "    Scan f (filesystem) columns k\n");
    PLAN("VALUES (1), (2.5)",
         "Collect inserts, emit=each\n"
         "  Values 2 rows, columns EXPR$0\n");
    PLAN("SELECT b FROM (VALUES (1, 'a'), (2, 'bcd'), (NULL, 'x')) AS q (a, b) WHERE a > 1",
         "Collect inserts, emit=each\n"
         "  Project b\n"
         "    Filter a > 1\n"
         "      Values 3 rows, columns a, b\n");
}

static void test_ordering(void **state)
{
    (void)state;
    PLAN("SELECT id FROM f ORDER BY v DESC, id LIMIT 3",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Sort by v DESC, id limit 3  state: all rows, until the end of input\n"
         "      Scan f (filesystem) columns id, v\n");
    PLAN("SELECT k, SUM(v) AS s FROM f GROUP BY k ORDER BY s, k NULLS LAST",
         "Collect inserts, emit=each\n"
         "  Sort by s, k NULLS LAST  state: all rows, until the end of input\n"
         "    Aggregate by (k): SUM(v) [retract]  state: one row for each (k), until the end of input\n"
         "      Scan f (filesystem) columns k, v\n");
    PLAN("SELECT v AS a FROM f ORDER BY a + 1, 1 DESC NULLS FIRST",
         "Collect inserts, emit=each\n"
         "  Project a\n"
         "    Sort by v + 1, a DESC NULLS FIRST  state: all rows, until the end of input\n"
         "      Project v AS a, v + 1\n"
         "        Scan f (filesystem) columns v\n");
    PLAN("SELECT id FROM f LIMIT 3 OFFSET 1",
         "Collect inserts, emit=each\n"
         "  Limit 3 offset 1\n"
         "    Scan f (filesystem) columns id\n");
    PLAN("SELECT k, COUNT(*) FROM f GROUP BY k LIMIT 3",
         "Collect inserts, emit=each\n"
         "  Materialize limit 3  state: all rows, until the end of input\n"
         "    Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), until the end of input\n"
         "      Scan f (filesystem) columns k\n");
    PLAN("SELECT k FROM t GROUP BY k LIMIT 3",
         "Collect inserts, emit=each\n"
         "  Limit 3\n"
         "    Distinct by (k)  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns k\n");
    PLAN("SELECT id FROM (SELECT id FROM t ORDER BY v)",
         "Collect inserts, emit=each\n"
         "  Scan t (stream) columns id\n");
    PLAN("SELECT id FROM f UNION ALL SELECT v FROM f ORDER BY id + 1 LIMIT 2",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Sort by id + 1 limit 2  state: all rows, until the end of input\n"
         "      Project id, id + 1\n"
         "        Union\n"
         "          Scan f (filesystem) columns id\n"
         "          Scan f (filesystem) columns v\n");
}

static void test_tables(void **state)
{
    (void)state;
    PLAN("SELECT * FROM vw WHERE key = 'a'",
         "Collect changes, emit=each\n"
         "  Aggregate by (k): SUM(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Filter k = 'a'\n"
         "      Scan t (stream) columns k, v\n");
    PLAN("SELECT total FROM vw AS q (a, total)",
         "Collect changes, emit=each\n"
         "  Project SUM(v) AS total [retract]\n"
         "    Aggregate by (k): SUM(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns k, v\n");
    PLAN("WITH q AS (SELECT k, v FROM t WHERE v > 0), p (g, n) AS (SELECT k, COUNT(*) FROM q GROUP BY k) SELECT g, n FROM p",
         "Collect changes, emit=each\n"
         "  Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Filter v > 0\n"
         "      Scan t (stream) columns k, v\n");
    PLAN("SELECT * FROM e",
         "Collect inserts, emit=each\n"
         "  Watermark ts AS ts - INTERVAL '5' SECOND\n"
         "    Project id, ms, TO_TIMESTAMP_LTZ(ms, 3) AS ts, p, id * 2 AS twice\n"
         "      Scan e (stream) columns id, ms, p\n");
    PLAN("SELECT twice FROM e WHERE id > 3",
         "Collect inserts, emit=each\n"
         "  Project twice\n"
         "    Filter id > 3\n"
         "      Watermark ts AS ts - INTERVAL '5' SECOND\n"
         "        Project id, TO_TIMESTAMP_LTZ(ms, 3) AS ts, id * 2 AS twice\n"
         "          Scan e (stream) columns id, ms\n");
    PLAN("SELECT p FROM e",
         "Collect inserts, emit=each\n"
         "  Project p\n"
         "    Watermark ts AS ts - INTERVAL '5' SECOND\n"
         "      Project TO_TIMESTAMP_LTZ(ms, 3) AS ts, p\n"
         "        Scan e (stream) columns ms, p\n");
    PLAN("SELECT id FROM f /*+ OPTIONS('path' = 'b') */",
         "Collect inserts, emit=each\n"
         "  Scan f (filesystem: b) columns id\n");
}

static void test_changelog(void **state)
{
    (void)state;
    PLAN("INSERT INTO db SELECT k, COUNT(*) FROM t GROUP BY k",
         "Sink db (db) upsert by (k) (the key of the query), emit=net\n"
         "  Aggregate by (k): COUNT(*) [upsert by (k)]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k\n");
    NOTICED("db has no PRIMARY KEY; rows are upserted by (k), the key of the query\n");
    PLAN("INSERT INTO db1 SELECT k, COUNT(*) FROM t GROUP BY k",
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Aggregate by (k): COUNT(*) [upsert by (k)]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k\n");
    PLAN("INSERT INTO db1 SELECT k, COUNT(*) FROM t GROUP BY k HAVING COUNT(*) < 10",
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Filter COUNT(*) < 10 [retract]\n"
         "    Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns k\n");
    PLAN("INSERT INTO db1 SELECT 'all', COUNT(*) FROM t",
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Project 'all' AS k, COUNT(*) AS n [upsert]\n"
         "    Aggregate: COUNT(*) [upsert]  state: one row\n"
         "      Scan t (stream) columns id\n");
    PLAN("INSERT INTO db1 SELECT k, w FROM t",
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Scan t (stream) columns k, w\n");
    PLAN("INSERT INTO db2 SELECT k, COUNT(*) FROM t GROUP BY k",
         "Sink db2 (db) upsert by (k, n), emit=net\n"
         "  Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k\n");
    PLAN("INSERT INTO db SELECT k, w FROM t",
         "Sink db (db) insert, emit=net\n"
         "  Scan t (stream) columns k, w\n");
    PLAN("INSERT INTO app SELECT DISTINCT k, w FROM t",
         "Sink app (filesystem) insert, emit=net\n"
         "  Distinct by (k, w)  state: one row for each (k, w), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k, w\n");
    PLAN("INSERT INTO log SELECT k, COUNT(*) FROM t GROUP BY k",
         "Sink log (log) retract, emit=each\n"
         "  Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k\n");
    PLAN("INSERT INTO log SELECT k, SUM(v) FROM c GROUP BY k",
         "Sink log (log) retract, emit=each\n"
         "  Project k, CAST(SUM(v) AS BIGINT) AS n [retract]\n"
         "    Aggregate by (k): SUM(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan c (changes) columns k, v [retract]\n");
    PLAN("INSERT INTO kv SELECT id, k, v FROM u",
         "Sink kv (kv) upsert by (id), emit=net\n"
         "  Scan u (upserts) columns id, k, v [upsert by (id)]\n");
    /* where what a row was before is needed, the last row of each key is kept; the key is read for it, whether the query wants it or not */
    PLAN("INSERT INTO log SELECT k, v FROM u",
         "Sink log (log) retract, emit=each\n"
         "  Project k, CAST(v AS BIGINT) AS n [retract]\n"
         "    ChangelogNormalize(key=[id]) [retract]  state: the last row of each (id), kept until it is deleted; 'table.exec.state.ttl' would bound it\n"
         "      Scan u (upserts) columns id, k, v [upsert by (id)]\n");
    PLAN("INSERT INTO kv SELECT id, k, v FROM u WHERE v > 1",
         "Sink kv (kv) upsert by (id), emit=net\n"
         "  Filter v > 1 [retract]\n"
         "    ChangelogNormalize(key=[id]) [retract]  state: the last row of each (id), kept until it is deleted; 'table.exec.state.ttl' would bound it\n"
         "      Scan u (upserts) columns id, k, v [upsert by (id)]\n");
    PLAN("INSERT INTO log SELECT k, SUM(v) FROM u GROUP BY k",
         "Sink log (log) retract, emit=each\n"
         "  Project k, CAST(SUM(v) AS BIGINT) AS n [retract]\n"
         "    Aggregate by (k): SUM(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      ChangelogNormalize(key=[id]) [retract]  state: the last row of each (id), kept until it is deleted; 'table.exec.state.ttl' would bound it\n"
         "        Scan u (upserts) columns id, k, v [upsert by (id)]\n");
    PLAN("INSERT INTO kv SELECT * FROM c WHERE v > 1",
         "Sink kv (kv) upsert by (id), emit=net\n"
         "  Filter v > 1 [retract]\n"
         "    Scan c (changes) columns id, k, v [retract]\n");
    PLAN("INSERT INTO db1 SELECT a.k, a.n FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) a JOIN (SELECT k, COUNT(*) AS n FROM f GROUP BY k) b ON a.k = b.k",
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Project k, n [retract]\n"
         "    Join INNER on k = k [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "        Scan t (stream) columns k\n"
         "      Distinct by (k)  state: one row for each (k), until the end of input\n"
         "        Scan f (filesystem) columns k\n");
    PLAN("INSERT INTO db1 SELECT a.k, b.n FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) a LEFT JOIN (SELECT k, COUNT(*) AS n FROM f GROUP BY k) b ON a.k = b.k",
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Project k, n [retract]\n"
         "    Join LEFT on k = k [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Distinct by (k)  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "        Scan t (stream) columns k\n"
         "      Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), until the end of input\n"
         "        Scan f (filesystem) columns k\n");
    PLAN("INSERT INTO db SELECT k, COUNT(*) FROM (SELECT k, v FROM c UNION ALL SELECT k, v FROM t) GROUP BY k",
         "Sink db (db) upsert by (k) (the key of the query), emit=net\n"
         "  Aggregate by (k): COUNT(*) [upsert by (k)]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Union [retract]\n"
         "      Scan c (changes) columns k [retract]\n"
         "      Scan t (stream) columns k\n");
    NOTICED("db has no PRIMARY KEY; rows are upserted by (k), the key of the query\n");
    PLAN("EXECUTE STATEMENT SET BEGIN INSERT INTO log SELECT k, w FROM t; INSERT INTO db1 SELECT k, COUNT(*) FROM t WHERE v > 1 GROUP BY k; INSERT INTO app SELECT a.k, b.w FROM t a JOIN t b ON a.id = b.id; END",
         "Sink log (log) insert, emit=each\n"
         "  Project k, w AS n\n"
         "    Scan t (stream) columns id, k, v, w\n"
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Aggregate by (k): COUNT(*) [upsert by (k)]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Filter v > 1\n"
         "      Project k, v\n"
         "        Scan t (stream) columns id, k, v, w (the same as above)\n"
         "Sink app (filesystem) insert, emit=net\n"
         "  Project k, w AS n\n"
         "    Join INNER on id = id  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project id, k\n"
         "        Scan t (stream) columns id, k, v, w (the same as above)\n"
         "      Project id, w\n"
         "        Scan t (stream) columns id, k, v, w (the same as above)\n");
}

static void test_inserts(void **state)
{
    (void)state;
    PLAN("INSERT INTO log (n) SELECT 1",
         "Sink log (log) insert, emit=each\n"
         "  Values 1 row, columns k, n\n");
    PLAN("INSERT INTO log (n, k) VALUES (1, 'a'), (2, 'b')",
         "Sink log (log) insert, emit=each\n"
         "  Values 2 rows, columns k, n\n");
    PLAN("INSERT INTO log SELECT k, v FROM t",
         "Sink log (log) insert, emit=each\n"
         "  Project k, CAST(v AS BIGINT) AS n\n"
         "    Scan t (stream) columns k, v\n");
    PLAN("INSERT INTO nn VALUES (NULL, 'a')",
         "Sink nn (log) insert, emit=each\n"
         "  Values 1 row, columns id, k\n");
    PLAN("INSERT INTO log SELECT k, 7 FROM t WHERE v > 1",
         "Sink log (log) insert, emit=each\n"
         "  Project k, 7 AS n\n"
         "    Filter v > 1\n"
         "      Scan t (stream) columns k, v\n");
    PLAN("INSERT INTO timed SELECT k, ts FROM t",      /* to the declared type, then to the connector's */
         "Sink timed (log) insert, emit=each\n"
         "  Project k, CAST(CAST(ts AS TIMESTAMP(6)) AS TIMESTAMP_LTZ(3)) AS ts\n"
         "    Scan t (stream) columns k, ts\n");
    PLAN("INSERT INTO app SELECT 'x', v + w FROM f",
         "Sink app (filesystem) insert, emit=net\n"
         "  Project 'x' AS k, CAST(v AS BIGINT) + w AS n\n"
         "    Scan f (filesystem) columns v, w\n");
}

/* ---- modes of running ---- */

static void test_batch(void **state)
{
    (void)state;
    config.batch = true;
    PLAN("SELECT k, COUNT(*) FROM f GROUP BY k ORDER BY 2 DESC LIMIT 1",
         "Collect inserts, emit=each\n"
         "  Sort by EXPR$1 DESC limit 1  state: all rows, until the end of input\n"
         "    Aggregate by (k): COUNT(*)  state: one row for each (k), until the end of input\n"
         "      Scan f (filesystem) columns k\n");
    PLAN("SELECT k, COUNT(*) FROM f GROUP BY k LIMIT 1",
         "Collect inserts, emit=each\n"
         "  Limit 1\n"
         "    Aggregate by (k): COUNT(*)  state: one row for each (k), until the end of input\n"
         "      Scan f (filesystem) columns k\n");
    PLAN("INSERT INTO app SELECT f.k, o.w FROM f LEFT JOIN f AS o ON f.id = o.id",
         "Sink app (filesystem) insert, emit=net\n"
         "  Project k, w AS n\n"
         "    Join LEFT on id = id  state: the rows of both sides, until the end of input\n"
         "      Scan f (filesystem) columns id, k\n"
         "      Scan f (filesystem) columns id, w\n");
    PLAN("INSERT INTO db SELECT k, COUNT(*) FROM f GROUP BY k",
         "Sink db (db) upsert by (k) (the key of the query), emit=net\n"
         "  Aggregate by (k): COUNT(*)  state: one row for each (k), until the end of input\n"
         "    Scan f (filesystem) columns k\n");
    PLAN("INSERT INTO db2 SELECT k, COUNT(*) FROM f GROUP BY k",
         "Sink db2 (db) upsert by (k, n), emit=net\n"
         "  Aggregate by (k): COUNT(*)  state: one row for each (k), until the end of input\n"
         "    Scan f (filesystem) columns k\n");
    PLAN("INSERT OVERWRITE app SELECT k, w FROM f",
         "Sink app (filesystem) overwrite insert, emit=net\n"
         "  Scan f (filesystem) columns k, w\n");
    WRONG("SELECT * FROM t", "batch mode needs an input that ends, and table 't' (connector 'stream') does not end | t | SET 'execution.runtime-mode' = 'streaming'");
}

static void test_table_results(void **state)
{
    (void)state;
    TABLE_PLAN("SELECT k, COUNT(*) FROM f GROUP BY k",
               "Collect inserts, emit=net\n"
               "  Materialize  state: all rows, until the end of input\n"
               "    Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), until the end of input\n"
               "      Scan f (filesystem) columns k\n");
    TABLE_PLAN("SELECT k, COUNT(*) FROM t GROUP BY k",
               "Collect rows, emit=net\n"
               "  Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
               "    Scan t (stream) columns k\n");
    TABLE_PLAN("SELECT k FROM f", "Collect inserts, emit=net\n  Scan f (filesystem) columns k\n");
    config.mini_batch = 0;
    TABLE_PLAN("SELECT k FROM f", "Collect inserts, emit=each\n  Scan f (filesystem) columns k\n");
    config.mini_batch = 1;
    PLAN("SELECT k FROM f", "Collect inserts, emit=net\n  Scan f (filesystem) columns k\n");
    config.state_ttl_ms = 5000;
    PLAN("SELECT k, COUNT(*) FROM t GROUP BY k",
         "Collect changes, emit=net\n"
         "  Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), dropped when not written for 5 s ('table.exec.state.ttl')\n"
         "    Scan t (stream) columns k\n");
    config.state_ttl_ms = 0;
    explains_as("SELECT k FROM t WHERE v > 1", true, true,
                "Collect inserts, emit=net\n"
                "  Project k [insert]\n"
                "    Filter v > 1 [insert]\n"
                "      Scan t (stream) columns k, v [insert]\n");
}

/* ---- the parts of a plan that EXPLAIN does not show ---- */

static const struct sq_plan *find(const struct sq_plan *p, enum sq_plan_kind kind)
{
    if (p->kind == kind)
        return p;
    for (uint32_t i = 0; i < p->ninputs; i++) {
        const struct sq_plan *q = find(p->inputs[i], kind);
        if (q)
            return q;
    }
    return NULL;
}

static void check_node(const struct sq_plan *p, struct sq_job_plan *j, bool *ids, uint64_t *uids)
{
    assert_true(p->id < j->nnodes);
    if (ids[p->id] && p->kind == SQ_N_SCAN) {                    /* it is shared */
        assert_true(uids[p->id] == p->uid);
        return;
    }
    assert_false(ids[p->id]);
    ids[p->id] = true;
    for (uint32_t i = 0; i < j->nnodes; i++)
        assert_true(!ids[i] || i == p->id || uids[i] != p->uid);
    uids[p->id] = p->uid;
    assert_true(p->mode == SQ_MODE_INSERT || p->mode == SQ_MODE_UPSERT || p->mode == SQ_MODE_RETRACT);
    for (uint32_t i = 0; i < p->ncols; i++) {
        assert_non_null(p->cols[i].type);
        assert_non_null(p->cols[i].name.p);
    }
    for (uint32_t i = 0; i < p->ninputs; i++)
        check_node(p->inputs[i], j, ids, uids);
}

static void test_nodes(void **state)
{
    struct sq_job_plan *j;
    bool ids[64] = {false};
    uint64_t uids[64];
    (void)state;
    must(plan("INSERT INTO log SELECT a.k, COUNT(*) FROM t a LEFT JOIN t b ON a.id = b.id JOIN t c ON a.id = c.id GROUP BY a.k", true, &j));
    assert_true(j->nnodes < 64);
    for (uint32_t i = 0; i < j->nroots; i++)
        check_node(j->roots[i], j, ids, uids);
    assert_false(j->bounded);
    const struct sq_plan *agg = find(j->roots[0], SQ_N_AGGREGATE);
    assert_int_equal(agg->nkeys, 1);
    assert_int_equal(agg->keys[0].n, 1);
    assert_int_equal(agg->cols[1].type->id, SQ_T_BIGINT);
    assert_false(agg->cols[1].type->nullable);
    assert_true(find(j->roots[0], SQ_N_SCAN)->span.len == 1);
    struct sq_job_plan *again;
    must(plan("INSERT INTO log SELECT a.k, COUNT(*) FROM t a LEFT JOIN t b ON a.id = b.id JOIN t c ON a.id = c.id GROUP BY a.k", true, &again));
    assert_true(again->roots[0]->uid == j->roots[0]->uid);
}

static void type_is(const char *expr, const char *want)
{
    struct sq_bind_env env = env_now();
    struct sq_field cols[] = {{SQ_STR("i"), &sq_type_int}, {SQ_STR("s"), &sq_type_string}, {SQ_STR("b"), sq_type_nullable(&arena, &sq_type_bigint, false)}};
    struct sq_ast_expr *a;
    struct sq_expr *e;
    struct sq_buf b;
    must(sq_parse_expr(&ctx, &arena, sq_str_of(expr), &a));
    must(sq_bind_scalar(&env, a, cols, SQ_LEN(cols), &e));
    sq_buf_init(&b, &ctx);
    must(sq_expr_print(&b, e, cols, SQ_LEN(cols)));
    sq_buf_puts(&b, " :: ");
    must(sq_type_print(&b, e->type));
    check_text(expr, b.p, want);
    sq_buf_free(&b);
}

static void test_types(void **state)
{
    (void)state;
    type_is("1", "1 :: INT NOT NULL");
    type_is("2147483647", "2147483647 :: INT NOT NULL");
    type_is("2147483648", "2147483648 :: BIGINT NOT NULL");
    type_is("9223372036854775808", "9223372036854775808 :: DECIMAL(19, 0) NOT NULL");
    type_is("0.05", "0.05 :: DECIMAL(3, 2) NOT NULL");
    type_is("12.", "12 :: INT NOT NULL");
    type_is("1e3", "1000.0 :: DOUBLE NOT NULL");
    type_is("'abc'", "'abc' :: CHAR(3) NOT NULL");
    type_is("'\xc3\xa9'", "'\xc3\xa9' :: CHAR(1) NOT NULL");
    type_is("TIMESTAMP '2024-01-01 00:00:00.123'", "TIMESTAMP '2024-01-01 00:00:00.123' :: TIMESTAMP(3) NOT NULL");
    type_is("TIMESTAMP '2024-01-01 00:00:00.123456789'", "TIMESTAMP '2024-01-01 00:00:00.123456789' :: TIMESTAMP(9) NOT NULL");
    type_is("INTERVAL '90' MINUTE", "INTERVAL '90' MINUTE :: INTERVAL DAY TO SECOND NOT NULL");
    type_is("INTERVAL '1 2:03:04.5' DAY TO SECOND", "INTERVAL '93784.500' SECOND :: INTERVAL DAY TO SECOND NOT NULL");
    type_is("INTERVAL -'1' DAY", "INTERVAL '-1' DAY :: INTERVAL DAY TO SECOND NOT NULL");
    type_is("NULL", "NULL :: NULL");
    type_is("i + b", "CAST(i AS BIGINT) + b :: BIGINT");
    type_is("b + 1", "b + 1 :: BIGINT NOT NULL");
    type_is("CASE WHEN i > 1 THEN 'a' END", "CASE WHEN i > 1 THEN 'a' END :: CHAR(1)");
    type_is("CASE WHEN i > 1 THEN b ELSE 1 END", "CASE WHEN i > 1 THEN b ELSE 1 END :: BIGINT NOT NULL");
    type_is("COALESCE(i, 1)", "COALESCE(i, 1) :: INT NOT NULL");
    type_is("b IN (1, 2, 3 + 1)", "b IN (1, 2, 4) :: BOOLEAN NOT NULL");
    type_is("i IN (b, 2)", "CAST(i AS BIGINT) = b OR i = 2 :: BOOLEAN");
    type_is("i > 1 AND (s = 'a' OR s = 'b')", "i > 1 AND (s = 'a' OR s = 'b') :: BOOLEAN");
    type_is("(i + 1) * 2 - (3 - i)", "(i + 1) * 2 - (3 - i) :: INT");
    type_is("NOT (i > 1 AND TRUE)", "NOT i > 1 :: BOOLEAN");
    type_is("b IS NULL", "FALSE :: BOOLEAN NOT NULL");
    type_is("CAST(b AS DECIMAL(19, 0))", "CAST(b AS DECIMAL(19, 0)) :: DECIMAL(19, 0) NOT NULL");
    type_is("CAST(b AS DECIMAL(20, 2))", "CAST(b AS DECIMAL(20, 2)) :: DECIMAL(20, 2)");
    type_is("CAST(b AS DECIMAL(20, 2)) IS NULL", "CAST(b AS DECIMAL(20, 2)) IS NULL :: BOOLEAN NOT NULL");
}

/* ---- limits and failures ---- */

static char *repeat(const char *head, const char *part, uint32_t n, const char *tail)
{
    struct sq_buf b;
    sq_buf_init(&b, &ctx);
    sq_buf_puts(&b, head);
    for (uint32_t i = 0; i < n; i++)
        sq_buf_puts(&b, part);
    sq_buf_puts(&b, tail);
    assert_int_equal(b.rc, SQ_OK);
    char *text = (char *)(uintptr_t)sq_str_dup(&arena, sq_buf_view(&b)).p;
    sq_buf_free(&b);
    assert_non_null(text);
    return text;
}

static void test_large(void **state)
{
    struct sq_job_plan *j;
    (void)state;
    must(plan(repeat("SELECT id FROM t WHERE id = 1", " OR id = 2", 900, ""), true, &j));
    must(plan(repeat("SELECT id FROM t WHERE v = 1", " + 1", 900, ""), true, &j));
    must(plan(repeat("SELECT id FROM t", " UNION ALL SELECT id FROM f", 300, ""), true, &j));
    must(plan(repeat("VALUES (1, 'a')", ", (2, 'a longer text than twelve')", 5000, ""), true, &j));
    const struct sq_plan *v = find(j->roots[0], SQ_N_VALUES);
    assert_int_equal(v->u.values.nbatches, 3);
    assert_int_equal(v->u.values.rows[2].rows, 5001 - 2 * SQ_BATCH_ROWS);
    for (uint32_t i = 0; i < 3; i++)
        assert_null(sq_batch_check(&v->u.values.rows[i]));
    must(plan(repeat("SELECT id FROM ", "(SELECT id FROM ", 60, repeat("t", ")", 60, "")), true, &j));
}

static void test_parameters(void **state)
{
    struct sq_bind_env env = env_now();
    int32_t five = 5;
    const struct sq_vec *values[] = {sq_vec_const_fixed(&arena, &sq_type_int, &five), sq_vec_const_str(&arena, &sq_type_string, SQ_STR("x"))};
    struct sq_job_plan *j;
    struct sq_buf b;
    (void)state;
    env.params = values;
    env.nparams = 2;
    must(sq_plan_select(&env, parse("SELECT id FROM t WHERE v > ? AND k = ?")->query, true, &config, &j));
    sq_buf_init(&b, &ctx);
    must(sq_explain(&b, j, false));
    check_text("parameters", b.p, "Collect inserts, emit=each\n  Project id\n    Filter v > 5 AND k = 'x'\n      Scan t (stream) columns id, k, v\n");
    sq_buf_free(&b);
}

/* Every allocation fails once: an error comes out, nothing else happens. */
static void test_out_of_memory(void **state)
{
    static const char *const sql[] = {
        "SELECT t.id, UPPER(o.k) FROM t LEFT JOIN o ON t.w = o.id AND o.x > 1 WHERE t.v IN (1, 2) ORDER BY t.id + 1",
        "INSERT INTO db SELECT k, COUNT(*) FROM (SELECT k, v FROM c UNION ALL SELECT k, v FROM t) GROUP BY k HAVING SUM(v) > 3",
        "INSERT INTO log (n, k) VALUES (1, 'a'), (2, 'b')",
    };
    (void)state;
    for (size_t i = 0; i < SQ_LEN(sql); i++) {
        int n = 1;
        for (int failed = 1; failed; n++) {
            struct sq_job_plan *j;
            struct sq_ast_stmt *s = parse(sql[i]);
            struct sq_arena scratch;
            struct sq_bind_env env = env_now();
            sq_arena_init(&scratch, &ctx);
            env.arena = &scratch;
            memset(&ctx.err, 0, sizeof(ctx.err));
            budget.fail_at = n;
            sq_rc rc = s->kind == SQ_S_INSERT ? sq_plan_inserts(&env, &s->insert, 1, &config, &j) : sq_plan_select(&env, s->query, true, &config, &j);
            failed = budget.fail_at <= 0;
            budget.fail_at = 0;
            if (failed)
                assert_int_equal(rc, SQ_NOMEM);
            sq_arena_free(&scratch);
        }
        assert_true(n > 3 && n < 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_select, setup, teardown),
        cmocka_unit_test_setup_teardown(test_group, setup, teardown),
        cmocka_unit_test_setup_teardown(test_joins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ordering, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changelog, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inserts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_table_results, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nodes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parameters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
