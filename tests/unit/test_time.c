/* SPDX-License-Identifier: Apache-2.0
 *
 * test_time.c: which columns are time attributes, and which windows nodes have, after binding and all rewriting.
 */
#include "plan_kit.h"

static void create_timed(void)
{
    create("CREATE TABLE clicks (id INT, ts TIMESTAMP(3), proc AS PROCTIME(), twin AS ts, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector' = 'stream')");
    create("CREATE TABLE more (id INT, ts TIMESTAMP(3), proc AS PROCTIME(), twin AS ts, WATERMARK FOR ts AS ts) WITH ('connector' = 'stream')");
    create("CREATE VIEW seen (what, at) AS SELECT id, ts FROM clicks WHERE id > 0");
}

/* 'r' rowtime, 'p' processing time, '-' neither: the columns that the query puts out. */
static const char *attributes(const char *sql, char *text, size_t n)
{
    struct sq_job_plan *j;

    must(plan(sql, true, &j));
    const struct sq_plan *root = j->roots[0];
    size_t i = 0;
    for (; i < root->ncols && i + 1 < n; i++)
        text[i] = !root->time || root->time[i] == SQ_TIME_NONE ? '-' : root->time[i] == SQ_TIME_ROW ? 'r' : 'p';
    text[i] = 0;
    return text;
}

static void test_attributes(void **state)
{
    static const struct { const char *sql, *want; } cases[] = {
        {"SELECT * FROM clicks", "-rp-"},
        {"SELECT proc, twin, ts, ts FROM clicks WHERE id > 1", "p-rr"},
        {"SELECT ts FROM (SELECT id, ts FROM (SELECT * FROM clicks WHERE id > 1) WHERE ts IS NOT NULL)", "r"},
        {"WITH c (a, b) AS (SELECT ts, proc FROM clicks) SELECT b, a FROM c", "pr"},
        {"SELECT at, what FROM seen", "r-"},
        {"SELECT ts, proc FROM clicks AS c (id, ts, proc, twin)", "rp"},
        {"SELECT PROCTIME() AS p, CAST(PROCTIME() AS TIMESTAMP_LTZ(3)) AS q FROM t", "p-"},
        {"SELECT CAST(ts AS TIMESTAMP(3)), CAST(proc AS TIMESTAMP_LTZ(3)), ts + INTERVAL '1' SECOND, COALESCE(ts, ts), CASE WHEN id = 1 THEN ts END, CAST(ts AS STRING) FROM clicks", "------"},
        {"SELECT id, ts FROM clicks UNION ALL SELECT id, ts FROM more", "-r"},
        {"SELECT ts, proc FROM clicks UNION ALL SELECT twin, proc FROM more", "-p"},
        {"SELECT ts FROM clicks UNION SELECT ts FROM more", "-"},
        {"SELECT ts, COUNT(*) FROM clicks GROUP BY ts", "--"},
        {"SELECT DISTINCT ts, proc FROM clicks", "--"},
        {"SELECT MAX(ts), MIN(proc) FROM clicks", "--"},
        {"SELECT c.ts, m.ts, c.proc FROM clicks c JOIN more m ON c.id = m.id", "---"},
        {"SELECT c.ts, m.ts FROM clicks c LEFT JOIN more m ON c.id = m.id", "--"},
        {"SELECT ts FROM clicks LIMIT 3", "r"},
        {"SELECT ts FROM e", "r"},
        {"SELECT ts FROM t", "-"},
    };
    (void)state;
    create_timed();
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        char text[64];
        if (strcmp(attributes(cases[i].sql, text, sizeof text), cases[i].want) != 0)
            fail_msg("%s: %s, not %s", cases[i].sql, text, cases[i].want);
    }
}

static const struct sq_plan *planned(const char *sql)
{
    struct sq_job_plan *j;

    must(plan(sql, true, &j));
    return j->roots[0];
}

/* The window goes on as long as both its bounds do. */
static void test_windows(void **state)
{
    (void)state;
    create_timed();
    const struct sq_plan *p = planned("SELECT window_end AS e, id, window_start AS s FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE id > 1");
    assert_non_null(p->window);
    assert_int_equal(p->window->spec->kind, SQ_WINDOW_TUMBLE);
    assert_int_equal(p->window->end, 0);
    assert_int_equal(p->window->start, 2);
    p = planned("SELECT id, window_start FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))");
    assert_null(p->window);
    p = planned("SELECT window_time, window_start, window_end FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))");
    assert_int_equal(p->time[0], SQ_TIME_ROW);
    assert_int_equal(p->time[1], SQ_TIME_NONE);
}

/* Watermarks are of splits: they are found before upserts are sorted out by key, also where nobody wants the key. */
static void test_upserts(void **state)
{
    (void)state;
    create("CREATE TABLE rates (id INT, k STRING, v INT, ts TIMESTAMP(3), day AS CAST(ts AS DATE), WATERMARK FOR ts AS ts, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'upserts')");
    PLAN("SELECT day, COUNT(*) FROM rates WHERE v > 1 GROUP BY day",
         "Collect changes, emit=each\n"
         "  Aggregate by (day): COUNT(*) [retract]  state: one row for each (day), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Filter v > 1 [retract]\n"
         "      ChangelogNormalize(key=[id]) [retract]  state: the last row of each (id), kept until it is deleted; 'table.exec.state.ttl' would bound it\n"
         "        Watermark ts AS ts [upsert by (id)]\n"
         "          Project id, v, ts, CAST(ts AS DATE) AS day [upsert by (id)]\n"
         "            Scan rates (upserts) columns id, v, ts [upsert by (id)]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_windows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upserts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
