/* SPDX-License-Identifier: Apache-2.0
 *
 * test_time.c: which columns are time attributes, and which windows nodes have, after binding and all rewriting.
 */
#include "plan_kit.h"

#include "planner/tree.h"

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

/* A node that says its windows itself, as a window table function does. */
static struct sq_plan *windowed(struct sq_window_spec *spec)
{
    static const struct sq_field cols[3] = {{{"a", 1}, &sq_type_int}, {{"s", 1}, &sq_type_int}, {{"e", 1}, &sq_type_int}};
    static const uint8_t time[3] = {SQ_TIME_PROC, SQ_TIME_NONE, SQ_TIME_NONE};
    struct sq_plan *p = sq_node_new(&arena, (enum sq_plan_kind)(SQ_N_NORMALIZE + 60), NULL, (struct sq_span){0, 0});
    struct sq_plan_window *w = SQ_NEW(&arena, struct sq_plan_window);

    *w = (struct sq_plan_window){spec, 1, 2};
    p->cols = cols;
    p->ncols = 3;
    p->time = time;
    p->window = w;
    return p;
}

static void test_windows(void **state)
{
    struct sq_window_spec one = {.kind = SQ_WINDOW_TUMBLE, .size = 10, .step = 10}, two = {.kind = SQ_WINDOW_TUMBLE, .size = 20, .step = 20}, three = one;
    const uint32_t turned[3] = {2, 1, 0}, part[2] = {0, 2};
    struct sq_plan_window w;
    (void)state;

    struct sq_plan *p = sq_node_select(&arena, sq_node_filter(&arena, windowed(&one), sq_expr_bool(&arena, true, (struct sq_span){0, 0})), turned, 3);
    assert_true(sq_plan_window(p, &w));
    assert_true(w.spec == &one && w.start == 1 && w.end == 0);
    assert_int_equal(sq_plan_time(p, 2), SQ_TIME_PROC);
    must(sq_time_annotate(&arena, p));
    assert_int_equal(p->time[2], SQ_TIME_PROC);
    assert_int_equal(p->window->end, 0);
    assert_false(sq_plan_window(sq_node_select(&arena, windowed(&one), part, 2), &w));

    struct sq_plan *u = sq_node_new(&arena, SQ_N_UNION, NULL, (struct sq_span){0, 0}), *in[2] = {windowed(&one), windowed(&three)};
    u->inputs = in;
    u->ninputs = 2;
    u->cols = in[0]->cols;
    u->ncols = 3;
    assert_true(sq_plan_window(u, &w));
    in[1] = windowed(&two);
    assert_false(sq_plan_window(u, &w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_windows, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
