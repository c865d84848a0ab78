/* SPDX-License-Identifier: Apache-2.0
 *
 * test_base.c: errors, memory, slices, types, columns, batches, packed rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/os.h"
#include "base/row.h"

static struct sq_budget budget;
static struct sq_ctx ctx = {.budget = &budget, .os = &sq_os_posix};

static int no_leak(void **state)
{
    (void)state;
    return budget.used == 0 ? 0 : -1;
}

static void errors_are_cut_and_wrapped(void **state)
{
    (void)state;
    char longer[3000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(sq_fail(&ctx, SQ_DATA, "%s", longer), SQ_DATA);
    assert_int_equal(strlen(ctx.err.msg), SQ_MSG_MAX - 1);
    sq_fail_at(&ctx, SQ_SEMANTIC, (struct sq_span){3, 4}, "no column '%s'", "a");
    sq_hint(&ctx, "did you mean '%s'?", "b");
    assert_int_equal(sq_wrap(&ctx, "file.json:%d", 7), SQ_SEMANTIC);
    assert_string_equal(ctx.err.msg, "file.json:7: no column 'a'");
    assert_string_equal(ctx.err.hint, "did you mean 'b'?");
    assert_int_equal(ctx.err.span.at, 3);
    sq_fail(&ctx, SQ_DATA, "again: %s", ctx.err.msg);   /* the old message as an argument */
    assert_string_equal(ctx.err.msg, "again: file.json:7: no column 'a'");
    sq_wrap(&ctx, "%s", longer);
    assert_int_equal(strlen(ctx.err.msg), SQ_MSG_MAX - 1);
}

static void the_budget_is_kept(void **state)
{
    (void)state;
    struct sq_budget small = {.limit = 1000};
    struct sq_ctx c = {.budget = &small};
    void *a = sq_alloc(&c, 600);
    assert_non_null(a);
    assert_null(sq_alloc(&c, 600));
    assert_int_equal(c.err.rc, SQ_NOMEM);
    assert_null(sq_realloc(&c, a, 2000));
    a = sq_realloc(&c, a, 900);
    assert_int_equal(small.used, 900);
    sq_free(&c, a);
    assert_int_equal(small.used, 0);
    assert_int_equal(small.peak, 900);
    small.fail_at = 2;
    void *b = sq_alloc(&c, 1);
    assert_non_null(b);
    assert_null(sq_alloc(&c, 1));
    sq_free(&c, b);
}

static void an_arena_is_reused(void **state)
{
    (void)state;
    struct sq_arena a;
    sq_arena_init(&a, &ctx);
    for (int i = 0; i < 1000; i++)
        assert_int_equal((uintptr_t)sq_arena_get(&a, 100, 64) % 64, 0);
    assert_non_null(sq_arena_get(&a, 10 << 20, 1));
    sq_arena_reset(&a);
    int64_t kept = budget.used;
    for (int i = 0; i < 400; i++)
        memset(sq_arena_get(&a, 100, 8), 1, 100);
    assert_int_equal(budget.used, kept);
    sq_arena_free(&a);
}

static void the_nearest_word(void **state)
{
    (void)state;
    struct sq_str words[] = {SQ_STR("price"), SQ_STR("bidder"), SQ_STR("id")};
    assert_true(sq_str_is(sq_nearest(SQ_STR("prise"), words, 3), "price"));
    assert_true(sq_str_is(sq_nearest(SQ_STR("PRICE"), words, 3), "price"));
    assert_true(sq_str_is(sq_nearest(SQ_STR("pirce"), words, 3), "price"));
    assert_true(sq_str_is(sq_nearest(SQ_STR("di"), words, 3), "id"));
    assert_null(sq_nearest(SQ_STR("weather"), words, 3).p);
}

static void types_print_as_in_flink(void **state)
{
    (void)state;
    struct sq_arena a;
    struct sq_buf b;
    sq_arena_init(&a, &ctx);
    sq_buf_init(&b, &ctx);
    struct sq_field f[2] = {{SQ_STR("a"), &sq_type_string}, {SQ_STR("b`c"), sq_type_new(&a, SQ_T_DECIMAL, false, 10, 2)}};
    const struct sq_type *row = sq_type_row(&a, true, f, 2);
    sq_type_print(&b, sq_type_map(&a, false, &sq_type_int, sq_type_array(&a, true, row)));
    assert_string_equal(b.p, "MAP<INT, ARRAY<ROW<`a` STRING, `b``c` DECIMAL(10, 2) NOT NULL>>> NOT NULL");
    assert_true(sq_type_equal(row, sq_type_dup(&a, row), true));
    assert_false(sq_type_equal(row, sq_type_row(&a, true, f, 1), true));
    sq_buf_free(&b);
    sq_arena_free(&a);
}

/* ROW<id INT, tags ARRAY<STRING>>: nulls, nested nulls, rollback of half a row, and packing there and back. */
static void nested_rows_pack_and_unpack(void **state)
{
    (void)state;
    struct sq_arena a;
    sq_arena_init(&a, &ctx);
    struct sq_field f[2] = {{SQ_STR("id"), &sq_type_int}, {SQ_STR("tags"), sq_type_array(&a, true, &sq_type_string)}};
    const struct sq_type *types[2] = {sq_type_row(&a, true, f, 2), &sq_type_double};
    struct sq_out o, back;
    assert_int_equal(sq_out_init(&o, &ctx, types, 2), SQ_OK);
    assert_int_equal(sq_out_init(&back, &ctx, types, 2), SQ_OK);
    for (int r = 0; r < 200; r++) {
        struct sq_col *row = &o.cols[0];
        if (r % 7 == 0) {
            sq_col_append_null(row);
        } else {
            sq_col_append_fixed(&row->kid[0], &(int32_t){r});
            for (int t = 0; t < r % 3; t++)
                t == 1 ? sq_col_append_null(&row->kid[1].kid[0]) : sq_col_append_view(&row->kid[1].kid[0], "a tag of more than twelve bytes", 31);
            sq_col_append_list(&row->kid[1], (uint32_t)(r % 3));
            sq_col_append_struct(row);
        }
        if (r % 5 == 0) {   /* a record that turns out to be bad in its second column, with half a nested row behind it */
            sq_col_append_fixed(&row->kid[0], &(int32_t){-1});
            sq_col_append_view(&row->kid[1].kid[0], "x", 1);
            sq_out_rollback(&o);
            continue;
        }
        sq_col_append_fixed(&o.cols[1], &(double){r == 3 ? -0.0 : r / 2.0});
        assert_int_equal(sq_out_row(&o, r % 2 ? SQ_INSERT : SQ_DELETE), SQ_OK);
    }
    const struct sq_batch *in = sq_out_batch(&o);
    assert_null(sq_batch_check(in));
    assert_int_equal(in->rows, 160);
    struct sq_buf packed;
    sq_buf_init(&packed, &ctx);
    for (uint32_t r = 0; r < in->rows; r++)
        assert_int_equal(sq_row_pack(&packed, in->cols, NULL, 2, r), SQ_OK);
    const char *at = packed.p, *end = packed.p + packed.n;
    for (uint32_t r = 0; r < in->rows; r++) {
        at = sq_row_unpack(at, end, back.cols, 2);
        assert_non_null(at);
        sq_out_row(&back, SQ_INSERT);
    }
    assert_ptr_equal(at, end);
    const struct sq_batch *out = sq_out_batch(&back);
    for (uint32_t r = 0; r < in->rows; r++)
        for (int c = 0; c < 2; c++)
            assert_int_equal(sq_vec_compare(&in->cols[c], r, &out->cols[c], r), 0);
    assert_int_equal(in->kind[0], SQ_INSERT);
    for (size_t cut = 0; cut < packed.n && cut < 300; cut++) {   /* damaged bytes are an error, not a crash */
        sq_out_reset(&back);
        const char *p = packed.p;
        while (p && p < packed.p + cut)
            p = sq_row_unpack(p, packed.p + cut, back.cols, 2);
        sq_out_rollback(&back);
    }
    sq_buf_free(&packed);
    sq_out_free(&o);
    sq_out_free(&back);
    sq_arena_free(&a);
}

static void a_constant_is_a_deep_copy(void **state)
{
    (void)state;
    struct sq_arena a;
    sq_arena_init(&a, &ctx);
    struct sq_col c;
    const struct sq_type *t = sq_type_array(&a, true, &sq_type_string);
    sq_col_init(&c, &ctx, &a, t);
    sq_col_append_view(&c.kid[0], "one", 3);
    sq_col_append_null(&c.kid[0]);
    sq_col_append_list(&c, 2);
    sq_col_seal(&c);
    struct sq_vec *k = sq_vec_const(&a, &c.vec, 0);
    assert_non_null(k);
    assert_int_equal(sq_vec_compare(k, 17, &c.vec, 0), 0);
    sq_col_free(&c);
    struct sq_list l = *(struct sq_list *)k->data;
    assert_int_equal(l.len, 2);
    assert_true(sq_vec_null(&k->child[0], l.off + 1));
    assert_true(sq_vec_null(sq_vec_const_null(&a, t), 5));
    sq_arena_free(&a);
}

static void order_of_elements(void **state)
{
    (void)state;
    double d[] = {-1, -0.0, 0.0, 1, __builtin_inf(), __builtin_nan("")};
    struct sq_vec v = {.type = &sq_type_double, .data = d};
    assert_int_equal(sq_vec_compare(&v, 1, &v, 2), 0);
    for (uint32_t i = 2; i < 5; i++)
        assert_true(sq_vec_compare(&v, i, &v, i + 1) < 0);
    uint64_t valid = 1;
    v.valid = &valid;
    assert_true(sq_vec_compare(&v, 1, &v, 0) < 0);   /* NULL first */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(errors_are_cut_and_wrapped, no_leak), cmocka_unit_test_teardown(the_budget_is_kept, no_leak),
        cmocka_unit_test_teardown(an_arena_is_reused, no_leak),         cmocka_unit_test_teardown(the_nearest_word, no_leak),
        cmocka_unit_test_teardown(types_print_as_in_flink, no_leak),    cmocka_unit_test_teardown(nested_rows_pack_and_unpack, no_leak),
        cmocka_unit_test_teardown(a_constant_is_a_deep_copy, no_leak),  cmocka_unit_test_teardown(order_of_elements, no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
