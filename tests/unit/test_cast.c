/* SPDX-License-Identifier: Apache-2.0
 *
 * test_cast.c: CAST and TRY_CAST, implicit casts, common types, decimal result types.
 */
#include "tests/unit/eval.h"

static void numbers(void **state)
{
    (void)state;
    check_cast("INT:300", "TINYINT", "44");
    check_cast("BIGINT:4294967297", "INT", "1");
    check_cast("BIGINT:-1", "SMALLINT", "-1");
    check_cast("TINYINT:-5", "BIGINT", "-5");
    check_cast("INT:5", "DOUBLE", "5.0");
    check_cast("BIGINT:9007199254740993", "DOUBLE", "9.007199254740992E15");
    check_cast("DOUBLE:1.9", "INT", "1");
    check_cast("DOUBLE:-1.9", "BIGINT", "-1");
    check_cast("DOUBLE:1e20", "BIGINT", "9223372036854775807");
    check_cast("DOUBLE:-1e20", "INT", "-2147483648");
    check_cast("DOUBLE:NaN", "INT", "0");
    check_cast("DOUBLE:1e20", "TINYINT", "-1");
    check_cast("FLOAT:2147483648", "INT", "2147483647");
    check_cast("DOUBLE:0.1", "FLOAT", "0.1");
    check_cast("DOUBLE:1e300", "FLOAT", "Infinity");
    check_cast("FLOAT:0.1", "DOUBLE", "0.10000000149011612");
    check_cast("BOOLEAN:true", "INT", "1");
    check_cast("INT:-2", "BOOLEAN", "TRUE");
    check_cast("DOUBLE:0", "BOOLEAN", "FALSE");
    check_cast("DECIMAL(3,2):0.01", "BOOLEAN", "TRUE");
}

static void decimals(void **state)
{
    (void)state;
    check_cast("INT:12", "DECIMAL(5,2)", "12.00");
    check_cast("INT:1234", "DECIMAL(5,2)", "NULL");
    check_cast("BOOLEAN:true", "DECIMAL(5,2)", "1.00");
    check_cast("DOUBLE:1.005", "DECIMAL(5,2)", "1.01");
    check_cast("DOUBLE:1e10", "DECIMAL(5,2)", "NULL");
    check_cast("DOUBLE:NaN", "DECIMAL(5,2)", "!cannot cast 'NaN' to DECIMAL(5, 2)");
    check_cast("DECIMAL(5,2):-1.99", "INT", "-1");
    check_cast("DECIMAL(5,0):300", "TINYINT", "44");
    check_cast("DECIMAL(5,2):1.25", "DOUBLE", "1.25");
    check_cast("DECIMAL(5,2):1.25", "FLOAT", "1.25");
    check_cast("DECIMAL(5,2):1.25", "DECIMAL(5,1)", "1.3");
    check_cast("DECIMAL(5,2):999.99", "DECIMAL(4,1)", "NULL");
    check_cast("STRING: 1.255 ", "DECIMAL(5,2)", "1.26");
    check_cast("STRING:1e2", "DECIMAL(5,2)", "100.00");
    check_cast("STRING:123456", "DECIMAL(5,2)", "NULL");
    check_cast("STRING:12,5", "DECIMAL(5,2)", "!cannot cast '12,5' to DECIMAL(5, 2)");
}

static void from_text(void **state)
{
    (void)state;
    check_cast("STRING: 12 ", "INT", "12");
    check_cast("STRING:-12.99", "INT", "-12");
    check_cast("STRING:.5", "INT", "0");
    check_cast("STRING:12.", "INT", "12");
    check_cast("STRING:12.x", "INT", "!cannot cast '12.x' to INT");
    check_cast("STRING:300", "TINYINT", "!cannot cast '300' to TINYINT");
    check_cast("STRING:9223372036854775807", "BIGINT", "9223372036854775807");
    check_cast("STRING:9223372036854775808", "BIGINT", "!cannot cast");
    check_cast("STRING:", "INT", "!cannot cast '' to INT (TRY_CAST gives NULL instead)");
    check_cast("STRING:.", "INT", "!cannot cast");
    check_cast("STRING:-", "INT", "!cannot cast");
    check_cast("STRING:1e3", "INT", "!cannot cast");
    check_cast("STRING:1e3", "DOUBLE", "1000.0");
    check_cast("STRING: -Infinity", "DOUBLE", "-Infinity");
    check_cast("STRING:NaN", "FLOAT", "NaN");
    check_cast("STRING:1.5x", "DOUBLE", "!cannot cast");
    check_cast("STRING: Yes ", "BOOLEAN", "TRUE");
    check_cast("STRING:0", "BOOLEAN", "FALSE");
    check_cast("STRING:maybe", "BOOLEAN", "!cannot cast 'maybe' to BOOLEAN");
    check_cast("STRING:this text is far too long to be shown in a message as a whole, therefore it is cut off", "INT", "!a whole, t…' to INT");
    check_cast("STRING:2024-02-29", "DATE", "2024-02-29");
    check_cast("STRING:2024-2", "DATE", "2024-02-01");
    check_cast("STRING:2024", "DATE", "2024-01-01");
    check_cast("STRING:2024-02-29 12:00:00", "DATE", "2024-02-29");
    check_cast("STRING:2023-02-29", "DATE", "!cannot cast");
    check_cast("STRING:10:11", "TIME(0)", "10:11:00");
    check_cast("STRING:2024-02-29 10:11:12.3456", "TIMESTAMP(3)", "2024-02-29 10:11:12.345");
    check_cast("STRING:2024-02-29 10:11:12.345678912", "TIMESTAMP(9)", "2024-02-29 10:11:12.345678912");
    check_cast("STRING:2024-02-29 10:11", "TIMESTAMP(3)", "!cannot cast");
    check_cast("STRING", "INT", "NULL");
    check_cast("NULL", "INT", "NULL");
}

static void trying(void **state)
{
    (void)state;
    eval_try = true;
    check_cast("STRING:12.x", "INT", "NULL");
    check_cast("STRING:12", "INT", "12");
    check_cast("STRING:maybe", "BOOLEAN", "NULL");
    check_cast("STRING:x", "DECIMAL(5,2)", "NULL");
    check_cast("STRING:x", "TIMESTAMP(3)", "NULL");
    check_cast("DOUBLE:NaN", "DECIMAL(5,2)", "NULL");
    eval_try = false;
}

static void to_text(void **state)
{
    (void)state;
    check_cast("INT:-12", "STRING", "-12");
    check_cast("BIGINT:-9223372036854775808", "STRING", "-9223372036854775808");
    check_cast("BOOLEAN:true", "STRING", "TRUE");
    check_cast("DOUBLE:1e10", "STRING", "1.0E10");
    check_cast("DECIMAL(5,2):1.5", "STRING", "1.50");
    check_cast("DATE:2024-02-29", "STRING", "2024-02-29");
    check_cast("TIME(0):10:11:12", "STRING", "10:11:12");
    check_cast("TIMESTAMP(6):2024-02-29", "STRING", "2024-02-29 00:00:00.000000");
    check_cast("YM:14", "STRING", "+1-02");
    check_cast("DS:1", "STRING", "+0 00:00:00.001");
    check_cast("STRING:hello", "VARCHAR(3)", "hel");
    check_cast("STRING:h\xC3\xA9llo", "VARCHAR(2)", "h\xC3\xA9");
    check_cast("STRING:hi", "VARCHAR(3)", "hi");
    check_cast("STRING:hi", "CHAR(4)", "hi  ");
    check_cast("STRING:h\xC3\xA9", "CHAR(3)", "h\xC3\xA9 ");
    check_cast("STRING:hello world and more", "CHAR(13)", "hello world a");
    check_cast("STRING:hello world and more", "CHAR(22)", "hello world and more  ");
    check_cast("CHAR(3):abc", "STRING", "abc");
    check_cast("STRING:abcdefghijklmnopq", "STRING", "abcdefghijklmnopq");
    check_cast("INT:12345", "VARCHAR(3)", "123");
    check_cast("INT:12", "CHAR(4)", "12  ");
    check_cast("BYTES:abc", "STRING", "abc");
    check_cast("STRING:abc", "BYTES", "abc");
    check_cast("STRING:abc", "VARBINARY(2)", "ab");
    check_cast("STRING:abc", "BINARY(2)", "ab");
    check_cast("NULL", "STRING", "NULL");
}

static void times(void **state)
{
    struct sq_arena a;

    (void)state;
    check_cast("DATE:2024-02-29", "TIMESTAMP(3)", "2024-02-29 00:00:00.000");
    check_cast("TIMESTAMP(3):1969-12-31 23:59:59.999", "DATE", "1969-12-31");
    check_cast("TIMESTAMP(3):1969-12-31 23:59:59.999", "TIME(3)", "23:59:59.999");
    check_cast("TIMESTAMP(3):1969-12-31 23:59:59.999", "TIME(0)", "23:59:59");
    check_cast("TIMESTAMP(6):1969-12-31 23:59:59.123456", "TIMESTAMP(3)", "1969-12-31 23:59:59.123");
    check_cast("TIMESTAMP(9):2024-02-29 10:11:12.123456789", "TIMESTAMP(7)", "2024-02-29 10:11:12.1234567");
    check_cast("TIMESTAMP(9):2024-02-29 10:11:12.123456789", "TIMESTAMP(0)", "2024-02-29 10:11:12");
    check_cast("TIMESTAMP(0):2024-02-29 10:11:12", "TIMESTAMP(9)", "2024-02-29 10:11:12.000000000");
    check_cast("TIME(0):10:11:12", "TIMESTAMP(3)", "1970-01-01 10:11:12.000");
    check_cast("DATE:2024-02-29", "TIME(0)", "!no cast");
    check_cast("INT:1", "TIMESTAMP(3)", "!no cast");
    check_cast("TIMESTAMP(3):2024-02-29", "BIGINT", "!no cast");
    check_cast("DATE:2024-02-29", "INT", "!no cast");
    sq_arena_init(&a, &eval_ctx);
    assert_int_equal(sq_tz_find(&eval_ctx, &a, SQ_STR("America/New_York"), &eval_session.tz), SQ_OK);
    check_cast("TIMESTAMP(3):2024-07-01 12:00:00", "LTZ(3)", "2024-07-01 12:00:00.000");
    check_cast("LTZ(3):2024-07-01 12:00:00", "TIMESTAMP(6)", "2024-07-01 12:00:00.000000");
    check_cast("LTZ(6):2024-07-01 23:00:00.123456", "LTZ(3)", "2024-07-01 23:00:00.123");
    check_cast("LTZ(3):2024-07-01 23:00:00", "DATE", "2024-07-01");
    check_cast("LTZ(3):2024-07-01 23:00:00", "STRING", "2024-07-01 23:00:00.000");
    check_cast("DATE:2024-07-01", "LTZ(3)", "2024-07-01 00:00:00.000");
    check_cast("STRING:2024-03-10 02:30:00", "LTZ(0)", "2024-03-10 03:30:00");
    eval_session.tz = NULL;
    sq_arena_free(&a);
}

static const struct sq_type *type(struct sq_arena *a, const char *name)
{
    return eval_type(a, sq_str_of(name));
}

static void common(struct sq_arena *a, const char *x, const char *y, const char *want)
{
    const struct sq_type *t = sq_type_common(a, type(a, x), type(a, y)), *u = sq_type_common(a, type(a, y), type(a, x));
    char buf[64] = "none", other[64] = "none";

    if (t)
        eval_type_name(t, buf, sizeof buf);
    if (u)
        eval_type_name(u, other, sizeof other);
    if (strcmp(buf, want) != 0 || strcmp(other, want) != 0)
        fail_msg("of %s and %s it is %s and %s, not %s", x, y, buf, other, want);
}

static void common_types(void **state)
{
    struct sq_arena a;

    (void)state;
    sq_arena_init(&a, &eval_ctx);
    common(&a, "INT", "INT", "INT");
    common(&a, "TINYINT", "BIGINT", "BIGINT");
    common(&a, "INT", "FLOAT", "FLOAT");
    common(&a, "FLOAT", "DOUBLE", "DOUBLE");
    common(&a, "FLOAT", "DECIMAL(5,2)", "DOUBLE");
    common(&a, "INT", "DECIMAL(5,2)", "DECIMAL(12, 2)");
    common(&a, "DECIMAL(10,2)", "DECIMAL(5,4)", "DECIMAL(12, 4)");
    common(&a, "DECIMAL(38,0)", "DECIMAL(38,38)", "DECIMAL(38, 38)");
    common(&a, "CHAR(3)", "CHAR(3)", "CHAR(3)");
    common(&a, "CHAR(3)", "CHAR(5)", "VARCHAR(5)");
    common(&a, "CHAR(3)", "VARCHAR(2)", "VARCHAR(3)");
    common(&a, "CHAR(3)", "STRING", "STRING");
    common(&a, "BINARY(3)", "BYTES", "BYTES");
    common(&a, "TIMESTAMP(3)", "TIMESTAMP(6)", "TIMESTAMP(6)");
    common(&a, "TIMESTAMP(6)", "LTZ(3)", "TIMESTAMP_LTZ(6)");
    common(&a, "TIME(0)", "TIME(3)", "TIME(3)");
    common(&a, "NULL", "INT", "INT");
    common(&a, "NULL", "NULL", "NULL");
    common(&a, "INT", "STRING", "none");
    common(&a, "INT", "BOOLEAN", "none");
    common(&a, "DATE", "TIME(0)", "none");
    common(&a, "YM", "DS", "none");
    sq_arena_free(&a);
}

static void implicit_casts(void **state)
{
    static const struct {
        const char *from, *to;
        bool can;
    } of[] = {
        {"TINYINT", "BIGINT", true}, {"BIGINT", "INT", false}, {"INT", "DECIMAL(5,2)", true}, {"DECIMAL(5,2)", "DECIMAL(3,1)", true}, {"DECIMAL(5,2)", "DOUBLE", true},
        {"DOUBLE", "DECIMAL(5,2)", true}, {"DOUBLE", "FLOAT", false}, {"BIGINT", "FLOAT", true}, {"CHAR(3)", "STRING", true}, {"STRING", "VARCHAR(3)", true},
        {"STRING", "CHAR(3)", false}, {"STRING", "INT", false}, {"INT", "STRING", false}, {"TIMESTAMP(3)", "LTZ(3)", true}, {"LTZ(3)", "TIMESTAMP(6)", true},
        {"TIMESTAMP(3)", "DATE", true}, {"DATE", "TIMESTAMP(3)", false}, {"NULL", "DATE", true}, {"BOOLEAN", "INT", false}, {"INT", "BOOLEAN", false},
        {"DATE", "DATE", true}, {"BINARY(3)", "BYTES", true},
    };
    struct sq_arena a;

    (void)state;
    sq_arena_init(&a, &eval_ctx);
    for (size_t i = 0; i < SQ_LEN(of); i++)
        if (sq_cast_implicit(type(&a, of[i].from), type(&a, of[i].to)) != of[i].can)
            fail_msg("%s to %s", of[i].from, of[i].to);
    sq_arena_free(&a);
}

static void nested(void **state)
{
    struct sq_arena a;
    const struct sq_type *ints, *longs;
    struct sq_field f = {SQ_STR("a"), &sq_type_int}, g = {SQ_STR("b"), &sq_type_int};

    (void)state;
    sq_arena_init(&a, &eval_ctx);
    ints = sq_type_array(&a, true, &sq_type_int);
    longs = sq_type_array(&a, true, &sq_type_bigint);
    assert_true(sq_cast_assignable(ints, ints));
    assert_true(sq_cast_assignable(ints, longs));          /* part by part */
    assert_false(sq_cast_assignable(longs, ints));
    assert_true(sq_cast_assignable(sq_type_row(&a, true, &f, 1), sq_type_row(&a, true, &g, 1)));
    assert_non_null(sq_cast_kernel(ints, &sq_type_string));
    assert_non_null(sq_cast_kernel(ints, longs));
    assert_non_null(sq_cast_kernel(longs, ints));
    assert_null(sq_cast_kernel(ints, sq_type_array(&a, true, &sq_type_date)));
    assert_null(sq_cast_kernel(ints, sq_type_map(&a, true, &sq_type_int, &sq_type_int)));
    assert_int_equal(sq_type_common(&a, ints, longs)->child[0].type->id, SQ_T_BIGINT);
    assert_null(sq_type_common(&a, ints, &sq_type_int));
    assert_non_null(sq_type_common(&a, ints, ints));
    sq_arena_free(&a);
}

/* The n-th allocation fails, for every n, until the work is done: an error each time, nothing lost. */
static void out_of_memory(void **state)
{
    const struct sq_type *types[] = {&sq_type_string, &sq_type_int};
    sq_rc rc = SQ_NOMEM;

    (void)state;
    for (int64_t n = 1; rc != SQ_OK; n++) {
        struct sq_arena a;
        struct sq_resolved fn;

        assert_true(n < 100);
        atomic_store(&eval_budget.fail_at, n);
        sq_arena_init(&a, &eval_ctx);
        rc = sq_function_resolve(&eval_ctx, &a, SQ_STR("SUBSTR"), types, 2, &fn);
        assert_true(rc == SQ_OK || rc == SQ_NOMEM);
        sq_arena_free(&a);
    }
    atomic_store(&eval_budget.fail_at, 0);
    assert_int_equal(atomic_load(&eval_budget.used), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers), cmocka_unit_test(decimals), cmocka_unit_test(from_text), cmocka_unit_test(trying), cmocka_unit_test(to_text),
        cmocka_unit_test(times), cmocka_unit_test(common_types), cmocka_unit_test(implicit_casts), cmocka_unit_test(nested), cmocka_unit_test(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
