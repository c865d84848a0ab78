/* SPDX-License-Identifier: Apache-2.0
 *
 * test_agg.c: the aggregates: result types, values, encodings, retraction, merging, saving and loading.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "functions/function.h"

static struct sq_budget budget;
static struct sq_ctx ctx = {.budget = &budget, .os = &sq_os_posix};
static struct sq_arena arena;
static uint64_t hung, overflows;

static uint64_t rnd(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static struct sq_agg_call call_of(const char *name, const struct sq_type *arg, bool retracts)
{
    struct sq_agg_call c = {.ctx = &ctx, .agg = sq_agg_find(sq_str_of(name)), .arg = arg, .retracts = retracts, .overflows = &overflows, .state_bytes = &hung};
    assert_non_null(c.agg);
    if (c.agg->derive(&ctx, &arena, &arg, arg ? 1 : 0, &c.ret) != SQ_OK)
        fail_msg("%s", ctx.err.msg);
    return c;
}

static void type_is(const char *name, const struct sq_type *arg, const char *want)
{
    struct sq_agg_call c = call_of(name, arg, false);
    struct sq_buf b;
    sq_buf_init(&b, &ctx);
    sq_type_print(&b, c.ret);
    assert_string_equal(b.p, want);
    sq_buf_free(&b);
}

static void result_types(void **state)
{
    const struct sq_type *dec = sq_type_new(&arena, SQ_T_DECIMAL, false, 10, 2), *fine = sq_type_new(&arena, SQ_T_DECIMAL, true, 20, 8);
    const struct sq_type *array = sq_type_array(&arena, true, &sq_type_int), *ret;
    (void)state;
    type_is("COUNT", NULL, "BIGINT NOT NULL");
    type_is("COUNT", &sq_type_string, "BIGINT NOT NULL");
    type_is("SUM", &sq_type_tinyint, "TINYINT");
    type_is("SUM", &sq_type_int, "INT");
    type_is("SUM", &sq_type_float, "FLOAT");
    type_is("SUM", dec, "DECIMAL(38, 2)");
    type_is("AVG", &sq_type_int, "INT");
    type_is("AVG", dec, "DECIMAL(38, 6)");
    type_is("AVG", fine, "DECIMAL(38, 8)");
    type_is("AVG", &sq_type_double, "DOUBLE");
    type_is("MIN", &sq_type_string, "STRING");
    type_is("MAX", dec, "DECIMAL(10, 2)");
    assert_int_equal(sq_agg_find(SQ_STR("SUM"))->derive(&ctx, &arena, (const struct sq_type *const[]){&sq_type_string}, 1, &ret), SQ_SEMANTIC);
    assert_string_equal(ctx.err.msg, "SUM takes a number, not STRING");
    assert_int_equal(sq_agg_find(SQ_STR("max"))->derive(&ctx, &arena, &array, 1, &ret), SQ_SEMANTIC);
    assert_null(sq_agg_find(SQ_STR("MEDIAN")));
}

/* ---- values: one accumulator over a column, in every encoding, at once or in parts that are merged, through save and load ---- */

static void *acc_new(const struct sq_agg_call *c)
{
    size_t n = c->agg->acc_size(c);
    assert_int_equal(n % 16, 0);
    return sq_calloc(&ctx, n);
}

static void acc_drop(struct sq_agg_call *c, void *acc)
{
    if (c->agg->drop)
        c->agg->drop(c, acc);
    sq_free(&ctx, acc);
}

static void text_of(struct sq_agg_call *c, const void *acc, struct sq_buf *b)
{
    struct sq_arena heap;
    struct sq_col col, many;
    void *list[3];

    sq_arena_init(&heap, &ctx);
    assert_int_equal(sq_col_init(&col, &ctx, &heap, c->ret), SQ_OK);
    assert_int_equal(c->agg->result(c, acc, &col), SQ_OK);
    sq_buf_reset(b);
    if (sq_vec_null(&col.vec, 0))
        sq_buf_puts(b, "NULL");
    else
        sq_print_value(b, &col.vec, 0, sq_tz_utc);
    if (c->agg->results) {                       /* says the same, and NULL in the middle */
        void *none = acc_new(c);
        list[0] = list[2] = (void *)(uintptr_t)acc;
        list[1] = none;
        assert_int_equal(sq_col_init(&many, &ctx, &heap, c->ret), SQ_OK);
        for (int twice = 0; twice < 2; twice++)
            assert_int_equal(c->agg->results(c, list, 3, &many), SQ_OK);
        assert_int_equal(many.n, 6);
        for (uint32_t i = 0; i < 6; i++) {
            assert_int_equal(sq_vec_null(&many.vec, i), i % 3 == 1 ? strcmp(c->agg->name, "COUNT") != 0 : sq_vec_null(&col.vec, 0));
            if (i % 3 != 1 && !sq_vec_null(&col.vec, 0))
                assert_int_equal(sq_vec_compare(&many.vec, i, &col.vec, 0), 0);
        }
        sq_col_free(&many);
        sq_free(&ctx, none);
    }
    sq_col_free(&col);
    sq_arena_free(&heap);
}

static void feed(struct sq_agg_call *c, void *acc, const struct sq_vec *v, uint32_t from, uint32_t to, const uint8_t *kind)
{
    uint32_t sel[64];
    void *accs[64];
    for (uint32_t i = from; i < to; i++) {
        sel[i - from] = i;
        accs[i - from] = acc;
    }
    assert_int_equal(c->agg->update(c, accs, v, (struct sq_rows){from == 0 ? NULL : sel, to - from}, kind), SQ_OK);
}

static void expect(const char *name, const struct sq_vec *v, uint32_t n, const uint8_t *kind, const char *want)
{
    bool retracts = kind != NULL;
    struct sq_agg_call c = call_of(name, v->type, retracts);
    struct sq_vec dict = {.type = v->type, .enc = SQ_DICT, .child = (struct sq_vec *)(uintptr_t)v, .nchild = 1};
    uint32_t index[64];
    struct sq_buf b, saved;

    sq_buf_init(&b, &ctx);
    sq_buf_init(&saved, &ctx);
    for (uint32_t i = 0; i < n; i++)
        index[i] = i;
    dict.index = index;
    for (int way = 0; way < 4; way++) {
        void *acc = acc_new(&c), *other = acc_new(&c);
        feed(&c, acc, way == 1 ? &dict : v, 0, n / 2, kind);
        if (way == 2 && !retracts) {             /* the second half apart, merged */
            feed(&c, other, v, n / 2, n, kind);
            assert_int_equal(c.agg->merge(&c, acc, other), SQ_OK);
        } else if (way == 3) {                   /* saved in the middle */
            const char *at;
            sq_buf_reset(&saved);
            assert_int_equal(c.agg->save(&c, acc, &saved), SQ_OK);
            at = saved.p;
            assert_int_equal(c.agg->load(&c, other, &at, saved.p + saved.n), SQ_OK);
            assert_ptr_equal(at, saved.p + saved.n);
            feed(&c, other, v, n / 2, n, kind);
            acc_drop(&c, acc);
            acc = other;
            other = acc_new(&c);
            if (saved.n > 0) {                   /* cut short: an error */
                void *bad = acc_new(&c);
                at = saved.p;
                assert_int_equal(c.agg->load(&c, bad, &at, saved.p + saved.n - 1), SQ_DATA);
                acc_drop(&c, bad);
            }
        } else {
            feed(&c, acc, way == 1 ? &dict : v, n / 2, n, kind);
        }
        text_of(&c, acc, &b);
        assert_string_equal(b.p, want);
        acc_drop(&c, acc);
        acc_drop(&c, other);
        assert_int_equal(hung, 0);
    }
    sq_buf_free(&b);
    sq_buf_free(&saved);
}

#define VEC(T, ...) (&(struct sq_vec){.type = T, .data = __VA_ARGS__})

static void numbers(void **state)
{
    int32_t i[] = {5, -2, 9, 7};
    int8_t t[] = {100, 100, 1, 1};
    int64_t l[] = {INT64_MAX, 1, 5, 0};
    double d[] = {0.5, 1.25, -3.0, 2.0};
    float f[] = {16777216.0f, 1.0f, 1.0f, 0.0f};
    uint64_t some = 0x5, none = 0;
    (void)state;
    expect("COUNT", VEC(&sq_type_int, i), 4, NULL, "4");
    expect("COUNT", VEC(&sq_type_int, i, .valid = &some), 4, NULL, "2");
    expect("SUM", VEC(&sq_type_int, i), 4, NULL, "19");
    expect("SUM", VEC(&sq_type_int, i, .valid = &some), 4, NULL, "14");
    expect("SUM", VEC(&sq_type_int, i, .valid = &none), 4, NULL, "NULL");
    expect("AVG", VEC(&sq_type_int, i), 4, NULL, "4");
    expect("MIN", VEC(&sq_type_int, i), 4, NULL, "-2");
    expect("MAX", VEC(&sq_type_int, i), 4, NULL, "9");
    expect("MAX", VEC(&sq_type_int, i, .valid = &none), 4, NULL, "NULL");
    overflows = 0;
    expect("SUM", VEC(&sq_type_tinyint, t), 4, NULL, "-54");
    assert_true(overflows > 0);
    overflows = 0;
    expect("SUM", VEC(&sq_type_bigint, l), 4, NULL, "-9223372036854775803");
    assert_true(overflows > 0);
    expect("SUM", VEC(&sq_type_double, d), 4, NULL, "0.75");
    expect("AVG", VEC(&sq_type_double, d), 4, NULL, "0.1875");
    struct sq_agg_call c = call_of("SUM", &sq_type_float, false);     /* each step rounded to FLOAT */
    void *acc = acc_new(&c);
    struct sq_buf b;
    sq_buf_init(&b, &ctx);
    feed(&c, acc, VEC(&sq_type_float, f), 0, 4, NULL);
    text_of(&c, acc, &b);
    assert_string_equal(b.p, "1.6777216E7");
    sq_buf_free(&b);
    acc_drop(&c, acc);
    expect("MIN", VEC(&sq_type_double, (double[]){NAN, 3, 1, NAN}), 4, NULL, "1.0");
    expect("MAX", VEC(&sq_type_double, (double[]){NAN, 3, 1, 2}), 4, NULL, "NaN");
}

static void decimals(void **state)
{
    const struct sq_type *dec = sq_type_new(&arena, SQ_T_DECIMAL, true, 10, 2), *big = sq_type_new(&arena, SQ_T_DECIMAL, true, 38, 0);
    sq_i128 v[] = {-1500, -1473, 0, 100}, huge[] = {sq_pow10_i128[37] * 9, sq_pow10_i128[37] * 9, 1, 1};
    uint64_t two = 0x3;
    (void)state;
    expect("SUM", VEC(dec, v), 4, NULL, "-28.73");
    expect("AVG", VEC(dec, v, .valid = &two), 4, NULL, "-14.865000");
    expect("AVG", VEC(dec, (sq_i128[]){100, 0, 0, 0}, .valid = (uint64_t[]){7}), 4, NULL, "0.333333");
    expect("MIN", VEC(dec, v), 4, NULL, "-15.00");
    overflows = 0;
    expect("SUM", VEC(big, huge), 4, NULL, "NULL");
    assert_true(overflows > 0);
}

static struct sq_view view(const char *s) { return sq_view_of(s, (uint32_t)strlen(s)); }

static void texts_and_times(void **state)
{
    struct sq_view s[] = {view("pear"), view("a fruit of a long name"), view("apple"), view("quite another fruit, longer")};
    struct sq_ts16 t[] = {{5, 1, 0}, {5, 9, 0}, {4, 999, 0}, {5, 3, 0}};
    uint8_t yes[] = {1, 0, 1, 1};
    (void)state;
    expect("MIN", VEC(&sq_type_string, s), 4, NULL, "a fruit of a long name");
    expect("MAX", VEC(&sq_type_string, s), 4, NULL, "quite another fruit, longer");
    expect("MAX", VEC(&sq_type_string, s, .valid = (uint64_t[]){5}), 4, NULL, "pear");
    expect("MAX", VEC(&sq_type_timestamp9, t), 4, NULL, "1970-01-01 00:00:00.000005009");
    expect("MIN", VEC(&sq_type_timestamp9, t), 4, NULL, "1970-01-01 00:00:00.000004999");
    expect("MIN", VEC(&sq_type_boolean, yes), 4, NULL, "FALSE");
}

static void constants(void **state)
{
    int32_t seven = 7;
    uint64_t none = 0;
    struct sq_vec c = {.type = &sq_type_int, .enc = SQ_CONST, .data = &seven}, null = {.type = &sq_type_int, .enc = SQ_CONST, .data = &seven, .valid = &none};
    struct sq_agg_call sum = call_of("SUM", &sq_type_int, false), count = call_of("COUNT", &sq_type_int, false);
    void *a = acc_new(&sum), *n = acc_new(&count);
    struct sq_buf b;
    (void)state;
    sq_buf_init(&b, &ctx);
    feed(&sum, a, &c, 0, 6, NULL);
    feed(&sum, a, &null, 0, 6, NULL);
    text_of(&sum, a, &b);
    assert_string_equal(b.p, "42");
    feed(&count, n, &c, 0, 6, NULL);
    feed(&count, n, &null, 0, 6, NULL);
    text_of(&count, n, &b);
    assert_string_equal(b.p, "6");
    sq_buf_free(&b);
    acc_drop(&sum, a);
    acc_drop(&count, n);
}

static void retraction(void **state)
{
    int32_t i[] = {5, 9, 9, 9, 5, 9};
    struct sq_view s[] = {view("b"), view("a long text, a long text"), view("c"), view("a long text, a long text"), view("c"), view("b")};
    uint8_t k[] = {SQ_INSERT, SQ_INSERT, SQ_UPDATE_AFTER, SQ_DELETE, SQ_UPDATE_BEFORE, SQ_DELETE};   /* + + + - - - */
    uint8_t two[] = {SQ_INSERT, SQ_INSERT, SQ_INSERT, SQ_DELETE, SQ_DELETE, SQ_INSERT};
    (void)state;
    expect("COUNT", VEC(&sq_type_int, i), 6, k, "0");
    expect("SUM", VEC(&sq_type_int, i), 6, k, "NULL");
    expect("AVG", VEC(&sq_type_int, i), 6, k, "NULL");
    expect("MAX", VEC(&sq_type_int, i), 6, k, "NULL");
    expect("MAX", VEC(&sq_type_int, i), 5, k, "9");
    expect("MIN", VEC(&sq_type_int, i), 4, k, "5");
    expect("MIN", VEC(&sq_type_string, s), 3, k, "a long text, a long text");
    expect("MIN", VEC(&sq_type_string, s), 4, k, "b");
    expect("MAX", VEC(&sq_type_string, s), 6, two, "b");
}

/* Thousands of additions and retractions against a plain array. */
static void ordered_values(void **state)
{
    struct sq_agg_call min = call_of("MIN", &sq_type_int, true), max = call_of("MAX", &sq_type_int, true);
    void *a = acc_new(&min), *b = acc_new(&max);
    int32_t live[600];
    uint32_t n = 0;
    uint64_t seed = 5, most = 0;
    struct sq_buf text;
    char want[32];
    (void)state;
    sq_buf_init(&text, &ctx);
    for (int step = 0; step < 6000; step++) {
        bool add = n == 0 || (n < 600 && rnd(&seed) % 100 < (step / 1500 % 2 ? 35u : 65u));
        uint32_t at = n ? (uint32_t)(rnd(&seed) % n) : 0;
        int32_t v = add ? (int32_t)(rnd(&seed) % 200) : live[at];
        uint8_t kind = add ? SQ_INSERT : SQ_DELETE;
        if (add)
            live[n++] = v;
        else
            live[at] = live[--n];
        feed(&min, a, VEC(&sq_type_int, &v), 0, 1, &kind);
        feed(&max, b, VEC(&sq_type_int, &v), 0, 1, &kind);
        most = hung > most ? hung : most;
        int32_t lo = INT32_MAX, hi = INT32_MIN;
        for (uint32_t i = 0; i < n; i++) {
            lo = live[i] < lo ? live[i] : lo;
            hi = live[i] > hi ? live[i] : hi;
        }
        text_of(&min, a, &text);
        snprintf(want, sizeof want, "%d", lo);
        assert_string_equal(text.p, n ? want : "NULL");
        text_of(&max, b, &text);
        snprintf(want, sizeof want, "%d", hi);
        assert_string_equal(text.p, n ? want : "NULL");
    }
    assert_true(most > 5000);
    sq_buf_free(&text);
    acc_drop(&min, a);
    acc_drop(&max, b);
    assert_int_equal(hung, 0);
}

static int setup(void **state)
{
    (void)state;
    sq_arena_init(&arena, &ctx);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sq_arena_free(&arena);
    return budget.used != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(result_types), cmocka_unit_test(numbers), cmocka_unit_test(decimals), cmocka_unit_test(texts_and_times),
        cmocka_unit_test(constants), cmocka_unit_test(retraction), cmocka_unit_test(ordered_values),
    };
    return cmocka_run_group_tests_name("aggregates", tests, setup, teardown);
}
