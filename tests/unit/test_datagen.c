/* SPDX-License-Identifier: Apache-2.0
 *
 * test_datagen.c: the connectors without a world outside: print, blackhole, and datagen with its clock held.
 */
#include "conn_world.h"

/* ---- print and blackhole ---- */

static void test_print(void **state)
{
    struct world w;
    struct sink s;
    (void)state;
    begin(&w);
    make_sink(&w, &s, "connector=print", SQ_MODE_RETRACT, false, false);
    assert_true(s.c->sink->shows_changes(s.spec.table, s.spec.ext));
    assert_int_equal(write_rows(&w, &s, "1:a ~1:a ^1:b -1:b #:#"), SQ_OK);
    assert_string_equal(w.shown.p, "+I[1, a]\n-U[1, a]\n+U[1, b]\n-D[1, b]\n+I[null, null]\n");
    sq_buf_reset(&w.shown);
    make_sink(&w, &s, "connector=print;print-identifier=out;standard-error=true", SQ_MODE_INSERT, false, false);
    assert_int_equal(write_rows(&w, &s, "7:x"), SQ_OK);
    assert_string_equal(w.shown.p, "stderr: out> +I[7, x]\n");
    w.ctx.print = NULL;
    assert_int_equal(write_rows(&w, &s, "7:x"), SQ_MISUSE);
    make_sink(&w, &s, "connector=blackhole", SQ_MODE_UPSERT, false, false);
    assert_int_equal(write_rows(&w, &s, "7:x -7:x"), SQ_OK);
    end(&w);
}

/* ---- datagen ---- */

static int64_t held_ns;
static int64_t held_mono(void *arg) { (void)arg; return held_ns; }
static int64_t held_now(void *arg) { (void)arg; return INT64_C(1704067200000000); }   /* 2024-01-01 */
static void held_random(void *arg, void *buf, size_t n)
{
    (void)arg;
    memset(buf, 7, n);
}

static void held_os(struct sq_os *os)
{
    *os = sq_os_posix;
    os->mono_ns = held_mono;
    os->now_us = held_now;
    os->random = held_random;
    held_ns = 1000;
}

static void generate(struct world *w, const struct sq_table_column *cols, uint32_t ncols, const char *with, uint32_t batch, uint32_t stop_at, struct sq_buf *text)
{
    const struct sq_connector *c;
    struct sq_table_ext *ext;
    struct sq_table_spec *t = kit_spec(&w->arena, cols, ncols, with);
    struct sq_source_info info;
    struct sq_split *s;
    struct sq_buf pos;
    uint32_t n, rows = 0;
    make_ext(w, t, &c, &ext);
    assert_int_equal(c->source->info(&w->ctx, t, ext, &info), SQ_OK);
    struct sq_scan_spec scan = {.table = t, .ext = ext, .session = &w->session, .cols = kit_first, .ncols = ncols, .batch_rows = batch};
    assert_int_equal(c->source->splits(&w->ctx, &w->arena, &scan, 4, &s, &n), SQ_OK);
    sq_buf_init(&pos, &w->ctx);
    for (int part = 0; part < 2; part++) {
        struct sq_reader *r;
        struct sq_poll p = {.state = SQ_POLL_ROWS};
        assert_int_equal(c->source->open(&w->ctx, &scan, &r), SQ_OK);
        assert_int_equal(c->source->add_split(r, s, part ? sq_buf_view(&pos) : (struct sq_str){NULL, 0}), SQ_OK);
        while (p.state != SQ_POLL_END) {
            assert_int_equal(c->source->poll(r, &p), SQ_OK);
            if (p.state == SQ_POLL_IDLE) {
                assert_true(p.wait_us > 0);
                held_ns += p.wait_us * 1000;
            }
            for (uint32_t i = 0; p.state == SQ_POLL_ROWS && i < p.batch->nsel; i++) {
                assert_null(sq_batch_check(p.batch));
                for (uint32_t k = 0; k < ncols; k++) {
                    sq_buf_puts(text, k ? "," : "");
                    sq_print_value(text, &p.batch->cols[k], i, sq_tz_utc);
                }
                sq_buf_putc(text, '\n');
                rows++;
            }
            if (!part && stop_at && rows >= stop_at)
                break;
        }
        sq_buf_reset(&pos);
        assert_int_equal(c->source->position(r, 0, &pos), SQ_OK);
        c->source->close(r);
        if (!stop_at)
            break;
    }
    sq_buf_free(&pos);
}

static void test_datagen(void **state)
{
    const struct sq_field fields[] = {{SQ_STR("x"), &sq_type_int}, {SQ_STR("y"), &sq_type_string}};
    struct world w;
    struct sq_os os;
    struct sq_buf a, b;
    (void)state;
    begin(&w);
    held_os(&os);
    w.ctx.os = &os;
    sq_buf_init(&a, &w.ctx);
    sq_buf_init(&b, &w.ctx);
    const struct sq_type *dec = sq_type_new(&w.arena, SQ_T_DECIMAL, true, 10, 2), *chr = sq_type_new(&w.arena, SQ_T_CHAR, true, 5, 0);
    const struct sq_type *vch = sq_type_new(&w.arena, SQ_T_VARCHAR, true, 20, 0);
    const struct sq_table_column seq[] = {
        {{"a", 1}, &sq_type_int, SQ_COL_PHYSICAL, {NULL, 0}}, {{"b", 1}, &sq_type_string, SQ_COL_PHYSICAL, {NULL, 0}},
        {{"c", 1}, dec, SQ_COL_PHYSICAL, {NULL, 0}}, {{"d", 1}, &sq_type_double, SQ_COL_PHYSICAL, {NULL, 0}},
    };
    generate(&w, seq, 4, "connector=datagen;fields.a.kind=sequence;fields.a.start=-1;fields.a.end=1;fields.b.kind=sequence;fields.b.start=5;fields.b.end=99;"
                         "fields.c.kind=sequence;fields.c.start=0;fields.c.end=9;fields.d.kind=sequence;fields.d.start=0;fields.d.end=9", 2, 0, &a);
    assert_string_equal(a.p, "-1,5,0.00,0.0\n0,6,1.00,1.0\n1,7,2.00,2.0\n");

    const struct sq_table_column all[] = {
        {{"r", 1}, sq_type_row(&w.arena, true, fields, 2), SQ_COL_PHYSICAL, {NULL, 0}}, {{"l", 1}, sq_type_array(&w.arena, true, &sq_type_double), SQ_COL_PHYSICAL, {NULL, 0}},
        {{"m", 1}, sq_type_map(&w.arena, true, &sq_type_int, &sq_type_boolean), SQ_COL_PHYSICAL, {NULL, 0}}, {{"c", 1}, chr, SQ_COL_PHYSICAL, {NULL, 0}},
        {{"v", 1}, vch, SQ_COL_PHYSICAL, {NULL, 0}}, {{"dec", 3}, dec, SQ_COL_PHYSICAL, {NULL, 0}}, {{"d", 1}, &sq_type_date, SQ_COL_PHYSICAL, {NULL, 0}},
        {{"t", 1}, &sq_type_time0, SQ_COL_PHYSICAL, {NULL, 0}}, {{"ts", 2}, &sq_type_timestamp3, SQ_COL_PHYSICAL, {NULL, 0}},
        {{"lt", 2}, &sq_type_ltz9, SQ_COL_PHYSICAL, {NULL, 0}}, {{"iy", 2}, &sq_type_interval_ym, SQ_COL_PHYSICAL, {NULL, 0}},
        {{"id", 2}, &sq_type_interval_ds, SQ_COL_PHYSICAL, {NULL, 0}}, {{"ti", 2}, &sq_type_tinyint, SQ_COL_PHYSICAL, {NULL, 0}},
        {{"bi", 2}, &sq_type_bigint, SQ_COL_PHYSICAL, {NULL, 0}}, {{"f", 1}, &sq_type_float, SQ_COL_PHYSICAL, {NULL, 0}},
        {{"by", 2}, &sq_type_smallint, SQ_COL_PHYSICAL, {NULL, 0}}, {{"n", 1}, &sq_type_int, SQ_COL_PHYSICAL, {NULL, 0}},
    };
    static const char with[] = "connector=datagen;number-of-rows=300;rows-per-second=100000;fields.n.null-rate=1.0;fields.ts.max-past=1 h;fields.r.x.min=3;fields.r.x.max=4;"
                               "fields.l.length=2;fields.l.element.min=0;fields.l.element.max=0;fields.v.var-len=true;fields.ti.min=-3;fields.ti.max=3;fields.by.max=9";
    sq_buf_reset(&a);
    held_ns = 1000;
    generate(&w, all, 17, with, 64, 0, &a);
    held_ns = 1000;
    generate(&w, all, 17, with, 64, 100, &b);             /* stopped and taken up again */
    assert_string_equal(a.p, b.p);
    int lines = 0;
    for (const char *p = a.p; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, 300);
    assert_non_null(strstr(a.p, "(3, "));
    assert_non_null(strstr(a.p, "(4, "));
    assert_null(strstr(a.p, "(5, "));
    assert_non_null(strstr(a.p, "[0.0, 0.0]"));
    assert_non_null(strstr(a.p, "2024-01-01,00:00:00,2023-12-31 23:"));

    held_ns = 1000;                                       /* the pace: 50 rows at 100 a second take half a second */
    sq_buf_reset(&a);
    generate(&w, seq, 1, "connector=datagen;number-of-rows=51;rows-per-second=100", 7, 0, &a);
    assert_true(held_ns >= 500000000 && held_ns < 530000000);
    w.ctx.os = &sq_os_posix;
    sq_buf_free(&a);
    sq_buf_free(&b);
    end(&w);
}

static void test_datagen_memory(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    const struct sq_table_column cols[] = {{{"m", 1}, sq_type_map(&w.arena, true, &sq_type_string, &sq_type_int), SQ_COL_PHYSICAL, {NULL, 0}}};
    const struct sq_connector *c;
    struct sq_table_ext *ext;
    struct sq_table_spec *t = kit_spec(&w.arena, cols, 1, "connector=datagen;number-of-rows=5;rows-per-second=1000000000");
    make_ext(&w, t, &c, &ext);
    struct sq_scan_spec scan = {.table = t, .ext = ext, .session = &w.session, .cols = kit_first, .ncols = 1, .batch_rows = 2};
    for (int64_t at = 1;; at++) {
        struct sq_budget budget = {.fail_at = at};
        struct sq_ctx tight = {.os = &sq_os_posix, .budget = &budget};
        struct sq_reader *r = NULL;
        struct sq_poll p = {.state = SQ_POLL_ROWS};
        sq_rc rc = c->source->open(&tight, &scan, &r);
        if (rc == SQ_OK)
            rc = c->source->add_split(r, &(struct sq_split){SQ_STR("datagen"), SQ_STR("")}, (struct sq_str){NULL, 0});
        while (rc == SQ_OK && p.state != SQ_POLL_END)
            rc = c->source->poll(r, &p);
        if (r)
            c->source->close(r);
        assert_int_equal(budget.used, 0);
        if (rc == SQ_OK) {
            assert_true(at > 3);
            break;
        }
        assert_int_equal(rc, SQ_NOMEM);
    }
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_print), cmocka_unit_test(test_datagen), cmocka_unit_test(test_datagen_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
