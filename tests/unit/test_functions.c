/* SPDX-License-Identifier: Apache-2.0
 *
 * test_functions.c: the registry, and every function in every layout of its arguments (see eval.h).
 */
#include "tests/unit/eval.h"

/* ---- the registry ---- */

static void registry(void **state)
{
    size_t n = 0;

    (void)state;
    for (const struct sq_function *f; (f = sq_function_at(n)); n++) {
        assert_non_null(f->name);
        assert_true(f->signature[0] == '(' && strstr(f->signature, ") -> "));
        assert_true(f->help && f->help[0]);
        if (!f->example && !(f->flags & SQ_OPERATOR))
            fail_msg("%s has no example", f->name);
        if (!(f->flags & SQ_LAZY) != (f->kernel != NULL))
            fail_msg("%s: a kernel or lazy", f->name);
        assert_true(sq_function_exists(sq_str_of(f->name)));
    }
    assert_true(n > 150);
    assert_true(sq_function_exists(SQ_STR("substr")));
    assert_false(sq_function_exists(SQ_STR("substrr")));
}

static void errors(void **state)
{
    (void)state;
    check("SUBSTT", "STRING:a", NULL, "!no function 'SUBSTT' (did you mean SUBSTR?)");
    check("substr", "INT:1", NULL, "!no function SUBSTR(INT): it takes (STRING, INT [, INT])");
    check("+", "STRING:1|INT:1", NULL, "!cannot apply '+' to (STRING, INT) (cast one side");
    check("COUMT", "INT:1", NULL, "!did you mean COUNT?");
    check("=", "STRING:1|INT:1", NULL, "!cannot apply '=' to (STRING, INT)");
    check("-", "TIMESTAMP(3):2024-01-01|TIMESTAMP(3):2024-01-01", NULL, "!use TIMESTAMPDIFF");
    check("=", "DATE:2024-01-01|INT:1", NULL, "!cannot apply");
    check("bitmap_build", "STRING:a", NULL, "!BITMAP_BUILD is not supported yet");
    check("EXTRACT", "SYMBOL:DAYS|DATE:2024-01-01", NULL, "!'DAYS' is not a unit of time (did you mean DAY?)");
    check("%", "DOUBLE:1|INT:1", NULL, "!cannot apply '%' to (DOUBLE, INT)");
    check("CASE", "INT:1|INT:2|INT:3", NULL, "!no function CASE(INT, INT, INT)");
    check("NOT", "INT:1", NULL, "!no function NOT(INT): it takes (BOOLEAN)");
}

/* Only names and types: the evaluator computes them. */
static void lazy(void **state)
{
    (void)state;
    check("CASE", "BOOLEAN:true|INT:1|BIGINT:2", "BIGINT", "");
    check("CASE", "BOOLEAN:true|CHAR(1):a|BOOLEAN:true|CHAR(3):abc|NULL", "VARCHAR(3)", "");
    check("COALESCE", "NULL|INT:1|DECIMAL(5,2):1", "DECIMAL(12, 2)", "");
    check("IF", "BOOLEAN:true|DOUBLE:1|INT:2", "DOUBLE", "");
    check("NULLIF", "INT:1|BIGINT:1", "INT", "");
    check("IFNULL", "FLOAT:1|INT:1", "FLOAT", "");
    check("AND", "BOOLEAN:true|BOOLEAN:true|NULL", "BOOLEAN", "");
    check("COALESCE", "INT:1|STRING:a", NULL, "!no function COALESCE(INT, STRING)");
}

static void nullability(void **state)
{
    struct sq_arena a;
    struct sq_resolved fn;
    const struct sq_type *types[2], *strict;

    (void)state;
    sq_arena_init(&a, &eval_ctx);
    strict = sq_type_nullable(&a, &sq_type_int, false);
    types[0] = strict;
    types[1] = strict;
    assert_int_equal(sq_function_resolve(&eval_ctx, &a, SQ_STR("+"), types, 2, &fn), SQ_OK);
    assert_false(fn.ret->nullable);
    types[1] = &sq_type_int;
    assert_int_equal(sq_function_resolve(&eval_ctx, &a, SQ_STR("+"), types, 2, &fn), SQ_OK);
    assert_true(fn.ret->nullable);
    assert_ptr_equal(fn.param[0], types[0]);
    types[0] = sq_type_new(&a, SQ_T_DECIMAL, false, 10, 2);      /* a decimal that always fits is never NULL */
    types[1] = types[0];
    assert_int_equal(sq_function_resolve(&eval_ctx, &a, SQ_STR("*"), types, 2, &fn), SQ_OK);
    assert_false(fn.ret->nullable);
    types[1] = sq_type_new(&a, SQ_T_DECIMAL, false, 38, 2);
    assert_int_equal(sq_function_resolve(&eval_ctx, &a, SQ_STR("*"), types, 2, &fn), SQ_OK);
    assert_true(fn.ret->nullable);
    types[0] = strict;
    types[1] = &sq_type_int;
    assert_int_equal(sq_function_resolve(&eval_ctx, &a, SQ_STR("COALESCE"), types, 2, &fn), SQ_OK);
    assert_false(fn.ret->nullable);
    assert_int_equal(sq_function_resolve(&eval_ctx, &a, SQ_STR("IS NULL"), types + 1, 1, &fn), SQ_OK);
    assert_false(fn.ret->nullable);
    assert_int_equal(sq_function_resolve(&eval_ctx, &a, SQ_STR("NULLIF"), types, 2, &fn), SQ_OK);
    assert_true(fn.ret->nullable);
    assert_int_equal(sq_function_resolve(&eval_ctx, &a, SQ_STR("CURRENT_DATE"), NULL, 0, &fn), SQ_OK);
    assert_false(fn.ret->nullable);
    sq_arena_free(&a);
}

/* ---- arithmetic ---- */

static void integers(void **state)
{
    (void)state;
    check("+", "INT:2|INT:3", "INT", "5");
    check("+", "TINYINT:100|TINYINT:100", "TINYINT", "-56");
    check("+", "SMALLINT:32767|TINYINT:1", "SMALLINT", "-32768");
    check("+", "INT:2147483647|INT:1", "INT", "-2147483648");
    check("+", "BIGINT:9223372036854775807|INT:1", "BIGINT", "-9223372036854775808");
    check("-", "INT:-2147483648|INT:1", "INT", "2147483647");
    check("*", "INT:65536|INT:65536", "INT", "0");
    check("*", "BIGINT:4611686018427387904|BIGINT:2", "BIGINT", "-9223372036854775808");
    check("*", "TINYINT:-128|TINYINT:-1", "TINYINT", "-128");
    check("/", "INT:-7|INT:2", "INT", "-3");
    check("/", "INT:-2147483648|INT:-1", "INT", "-2147483648");
    check("/", "BIGINT:-9223372036854775808|BIGINT:-1", "BIGINT", "-9223372036854775808");
    check("/", "INT:1|INT:0", "INT", "!division by zero (x / NULLIF(y, 0)");
    check("/", "INT|INT:0", "INT", "NULL");
    check("%", "INT:-7|INT:3", "INT", "-1");
    check("%", "BIGINT:10000000003|INT:10", "INT", "3");
    check("%", "INT:7|BIGINT:10", "BIGINT", "7");
    check("%", "BIGINT:-9223372036854775808|BIGINT:-1", "BIGINT", "0");
    check("MOD", "TINYINT:7|SMALLINT:4", "SMALLINT", "3");
    check("%", "INT:1|INT:0", "INT", "!division by zero");
    check("NEG", "INT:-2147483648", "INT", "-2147483648");
    check("NEG", "TINYINT:5", "TINYINT", "-5");
    check("+", "INT:1|NULL", "INT", "NULL");
}

static void overflow_is_counted(void **state)
{
    uint64_t before = eval_overflows;

    (void)state;
    check("+", "INT:2147483646|INT:1", "INT", "2147483647");
    check("*", "BIGINT:3037000499|BIGINT:3037000499", "BIGINT", "9223372030926249001");
    check("-", "TINYINT:-128|TINYINT:0", "TINYINT", "-128");
    assert_int_equal(eval_overflows, before);
    check("+", "INT:2147483647|INT:1", "INT", "-2147483648");
    assert_true(eval_overflows > before);
    before = eval_overflows;
    check("-", "TINYINT:-128|TINYINT:1", "TINYINT", "127");
    assert_true(eval_overflows > before);
    before = eval_overflows;
    check("*", "DECIMAL(38,0):99999999999999999999999999999999999999|INT:10", NULL, "NULL");
    assert_true(eval_overflows > before);
}

static void floats(void **state)
{
    (void)state;
    check("+", "DOUBLE:1.5|INT:1", "DOUBLE", "2.5");
    check("+", "FLOAT:1.5|INT:1", "FLOAT", "2.5");
    check("+", "FLOAT:1.5|DECIMAL(3,1):1", "DOUBLE", "2.5");
    check("-", "DOUBLE:1|DECIMAL(3,1):0.5", "DOUBLE", "0.5");
    check("*", "DOUBLE:1e308|DOUBLE:10", "DOUBLE", "Infinity");
    check("/", "DOUBLE:1|INT:0", "DOUBLE", "Infinity");
    check("/", "DOUBLE:0|DOUBLE:0", "DOUBLE", "NaN");
    check("NEG", "DOUBLE:0", "DOUBLE", "-0.0");
}

static void decimals(void **state)
{
    (void)state;
    check("+", "DECIMAL(5,2):1.10|DECIMAL(4,1):2.2", "DECIMAL(6, 2)", "3.30");
    check("+", "DECIMAL(5,2):1.10|INT:2", "DECIMAL(13, 2)", "3.10");
    check("-", "DECIMAL(5,2):1.10|DECIMAL(5,2):2.2", "DECIMAL(6, 2)", "-1.10");
    check("*", "DECIMAL(5,2):1.10|DECIMAL(5,2):2.2", "DECIMAL(11, 4)", "2.4200");
    check("*", "DECIMAL(38,10):1.5|DECIMAL(38,10):2", "DECIMAL(38, 6)", "3.000000");
    check("/", "DECIMAL(5,2):1|DECIMAL(5,2):3", "DECIMAL(13, 8)", "0.33333333");
    check("/", "INT:1|DECIMAL(5,2):3", "DECIMAL(18, 6)", "0.333333");
    check("/", "DECIMAL(38,18):1|DECIMAL(38,18):3", "DECIMAL(38, 6)", "0.333333");
    check("/", "DECIMAL(5,2):1|INT:0", NULL, "!division by zero");
    check("%", "DECIMAL(5,2):-7.5|INT:2", "DECIMAL(5, 2)", "-1.50");
    check("MOD", "DECIMAL(5,2):7.5|DECIMAL(3,1):0.7", "DECIMAL(4, 2)", "0.50");
    check("%", "DECIMAL(5,2):1|INT:0", NULL, "!division by zero");
    check("NEG", "DECIMAL(5,2):-1.25", "DECIMAL(5, 2)", "1.25");
    check("+", "DECIMAL(38,0):99999999999999999999999999999999999999|INT:1", "DECIMAL(38, 0)", "NULL");
    check("+", "NULL|DECIMAL(5,2):1", "DECIMAL(13, 2)", "NULL");
}

static void intervals(void **state)
{
    (void)state;
    check("+", "TIMESTAMP(3):2024-02-28 23:59:59.999|DS:1", "TIMESTAMP(3)", "2024-02-29 00:00:00.000");
    check("+", "DS:1|TIMESTAMP(9):2024-02-28 23:59:59.999000001", "TIMESTAMP(9)", "2024-02-29 00:00:00.000000001");
    check("-", "TIMESTAMP(3):2024-01-01|DS:5000", "TIMESTAMP(3)", "2023-12-31 23:59:55.000");
    check("+", "TIMESTAMP(0):2024-01-31 10:00:00|YM:1", "TIMESTAMP(0)", "2024-02-29 10:00:00");
    check("-", "TIMESTAMP(0):2024-03-31 10:00:00|YM:13", "TIMESTAMP(0)", "2023-02-28 10:00:00");
    check("+", "LTZ(3):2024-01-01|DS:1000", "TIMESTAMP_LTZ(3)", "2024-01-01 00:00:01.000");
    check("+", "DATE:2024-01-31|YM:1", "DATE", "2024-02-29");
    check("+", "DATE:2024-01-31|DS:86400000", "DATE", "2024-02-01");
    check("+", "DATE:2024-01-31|DS:3600000", "TIMESTAMP(6)", "2024-01-31 01:00:00.000000");
    check("-", "DATE:2024-01-31|DS:90000000", "TIMESTAMP(6)", "2024-01-29 23:00:00.000000");
    check("-", "TIME(0):00:00:01|DS:2000", "TIME(0)", "23:59:59");
    check("+", "TIME(0):23:59:59|DS:86402000", "TIME(0)", "00:00:01");
    check("+", "TIMESTAMP(3):9999-12-31 23:59:59|DS:1000", "TIMESTAMP(3)", "10000-01-01 00:00:00.000");        /* one year more at each end */
    check("+", "TIMESTAMP(3):9999-12-31 23:59:59|DS:31622401000", NULL, "!out of range");
    check("-", "TIMESTAMP(3):0001-01-01|DS:1000", "TIMESTAMP(3)", "0000-12-31 23:59:59.000");
    check("+", "TIMESTAMP(3):2024-01-01|DS:9223372036854775807", NULL, "!out of range");
    check("-", "TIMESTAMP(3):2024-01-01|YM:2147483647", NULL, "!out of range");
    check("+", "DS:1000|DS:1", NULL, "+0 00:00:01.001");
    check("-", "YM:1|YM:14", NULL, "-1-01");
    check("*", "DS:1000|INT:3", NULL, "+0 00:00:03.000");
    check("*", "BIGINT:2|YM:7", NULL, "+1-02");
    check("*", "DS:9223372036854775807|INT:2", NULL, "!out of range");
    check("/", "DS:1000|INT:3", NULL, "+0 00:00:00.333");
    check("/", "DS:1000|INT:0", NULL, "!division by zero");
    check("NEG", "DS:1000", NULL, "-0 00:00:01.000");
    check("+", "STRING:a|DS:1", NULL, "!cannot apply '+'");
}

/* ---- comparison ---- */

static void six(const char *spec, const char *less, const char *equal, const char *greater)
{
    check("=", spec, "BOOLEAN", equal);
    check("<>", spec, "BOOLEAN", strcmp(equal, "TRUE") == 0 ? "FALSE" : "TRUE");
    check("<", spec, "BOOLEAN", less);
    check(">", spec, "BOOLEAN", greater);
    check("<=", spec, "BOOLEAN", strcmp(less, "TRUE") == 0 || strcmp(equal, "TRUE") == 0 ? "TRUE" : "FALSE");
    check(">=", spec, "BOOLEAN", strcmp(greater, "TRUE") == 0 || strcmp(equal, "TRUE") == 0 ? "TRUE" : "FALSE");
}

static void less(const char *a, const char *b)
{
    char spec[256];

    snprintf(spec, sizeof spec, "%s|%s", a, b);
    six(spec, "TRUE", "FALSE", "FALSE");
    snprintf(spec, sizeof spec, "%s|%s", b, a);
    six(spec, "FALSE", "FALSE", "TRUE");
    snprintf(spec, sizeof spec, "%s|%s", a, a);
    six(spec, "FALSE", "TRUE", "FALSE");
}

static void comparisons(void **state)
{
    (void)state;
    less("TINYINT:-1", "TINYINT:1");
    less("SMALLINT:-1", "TINYINT:1");
    less("INT:1", "BIGINT:4294967296");
    less("BIGINT:-9223372036854775808", "BIGINT:9223372036854775807");
    less("FLOAT:0.5", "DOUBLE:0.75");
    less("INT:1", "DOUBLE:1.5");
    less("DECIMAL(5,2):1.25", "DECIMAL(5,2):1.26");
    less("DECIMAL(5,2):1.25", "DECIMAL(10,4):1.2501");
    less("DECIMAL(38,38):0.1", "DECIMAL(38,0):1");
    less("INT:1", "DECIMAL(5,2):1.01");
    less("BOOLEAN:false", "BOOLEAN:true");
    less("STRING:", "STRING:a");
    less("STRING:a", "STRING:b");
    less("STRING:abcd", "STRING:abcde");
    less("CHAR(3):abc", "STRING:abd");
    less("STRING:abcdefghijklmnop", "STRING:abcdefghijklmnoq");
    less("STRING:abcdefghijklmnop", "STRING:abcdefghijklmnopq");
    less("STRING:abcdefghijkl", "STRING:abcdefghijklm");
    less("STRING:z", "STRING:\xC3\xA9");
    less("STRING:\xEF\xBF\xBD", "STRING:\xF0\x9F\x98\x80");
    less("BYTES:a", "BYTES:b");
    less("DATE:1969-12-31", "DATE:2024-01-01");
    less("TIME(0):10:00:00", "TIME(3):10:00:00.001");
    less("TIMESTAMP(3):2024-01-01", "TIMESTAMP(6):2024-01-01 00:00:00.000001");
    less("TIMESTAMP(3):2024-01-01", "TIMESTAMP(9):2024-01-01 00:00:00.000000001");
    less("TIMESTAMP(9):2024-01-01", "TIMESTAMP(9):2024-01-01 00:00:00.000000001");
    less("LTZ(3):2024-01-01", "LTZ(3):2024-01-02");
    less("DATE:2024-01-01", "TIMESTAMP(3):2024-01-01 00:00:01");
    less("DATE:2024-01-01", "STRING:2024-01-02");
    less("TIMESTAMP(3):2024-01-01", "STRING:2024-01-01 00:00:01");
    less("YM:1", "YM:2");
    less("DS:-1", "DS:1");
    six("DOUBLE:NaN|DOUBLE:NaN", "FALSE", "FALSE", "FALSE");
    six("DOUBLE:-0.0|DOUBLE:0", "FALSE", "TRUE", "FALSE");
    check("=", "DATE:2024-01-01|STRING:yesterday", NULL, "!cannot cast 'yesterday' to DATE");
    check("=", "INT:1|NULL", "BOOLEAN", "NULL");
    check("=", "NULL|NULL", "BOOLEAN", "NULL");
}

static void distinct_from(void **state)
{
    (void)state;
    check("IS DISTINCT FROM", "INT:1|INT:1", "BOOLEAN NOT NULL", "FALSE");
    check("IS DISTINCT FROM", "INT:1|INT:2", "BOOLEAN NOT NULL", "TRUE");
    check("IS DISTINCT FROM", "INT|INT:2", "BOOLEAN NOT NULL", "TRUE");
    check("IS DISTINCT FROM", "INT|INT", "BOOLEAN NOT NULL", "FALSE");
    check("IS DISTINCT FROM", "NULL|INT:1", NULL, "TRUE");
    check("IS DISTINCT FROM", "NULL|NULL", NULL, "FALSE");
    check("IS NOT DISTINCT FROM", "STRING:a|STRING:a", "BOOLEAN NOT NULL", "TRUE");
    check("IS NOT DISTINCT FROM", "STRING|STRING:a", "BOOLEAN NOT NULL", "FALSE");
    check("IS NOT DISTINCT FROM", "DECIMAL(5,2):1|INT:1", NULL, "TRUE");
}

static void tests_of_one(void **state)
{
    (void)state;
    check("IS NULL", "INT:1", "BOOLEAN NOT NULL", "FALSE");
    check("IS NULL", "INT", NULL, "TRUE");
    check("IS NULL", "NULL", NULL, "TRUE");
    check("IS NOT NULL", "STRING", NULL, "FALSE");
    check("IS NOT NULL", "STRING:a", NULL, "TRUE");
    check("IS TRUE", "BOOLEAN:true", NULL, "TRUE");
    check("IS TRUE", "BOOLEAN:false", NULL, "FALSE");
    check("IS TRUE", "BOOLEAN", NULL, "FALSE");
    check("IS NOT TRUE", "BOOLEAN", NULL, "TRUE");
    check("IS FALSE", "BOOLEAN:false", NULL, "TRUE");
    check("IS FALSE", "BOOLEAN", NULL, "FALSE");
    check("IS NOT FALSE", "BOOLEAN", NULL, "TRUE");
    check("IS UNKNOWN", "BOOLEAN", NULL, "TRUE");
    check("IS NOT UNKNOWN", "BOOLEAN", NULL, "FALSE");
    check("IS TRUE", "NULL", NULL, "FALSE");
    check("NOT", "BOOLEAN:true", "BOOLEAN", "FALSE");
    check("NOT", "BOOLEAN", "BOOLEAN", "NULL");
    check("GREATEST", "INT:1|BIGINT:3|INT:2", "BIGINT", "3");
    check("LEAST", "STRING:b|STRING:abcdefghijklmnopq|STRING:c", "STRING", "abcdefghijklmnopq");
    check("GREATEST", "INT:1|INT", "INT", "NULL");
}

/* ---- mathematics ---- */

static void mathematics(void **state)
{
    (void)state;
    check("ABS", "INT:-3", "INT", "3");
    check("ABS", "TINYINT:-128", "TINYINT", "-128");
    check("ABS", "DOUBLE:-3.5", "DOUBLE", "3.5");
    check("ABS", "DECIMAL(5,2):-3.5", "DECIMAL(5, 2)", "3.50");
    check("SIGN", "DECIMAL(5,2):-3.5", "DECIMAL(5, 2)", "-1.00");
    check("SIGN", "INT:7", "INT", "1");
    check("SIGN", "DOUBLE:-7", "DOUBLE", "-1.0");
    check("FLOOR", "DOUBLE:-1.5", "DOUBLE", "-2.0");
    check("FLOOR", "DECIMAL(5,2):-1.5", "DECIMAL(5, 0)", "-2");
    check("CEIL", "DECIMAL(5,2):1.01", "DECIMAL(5, 0)", "2");
    check("CEILING", "INT:7", "INT", "7");
    check("ROUND", "DOUBLE:2.5", "DOUBLE", "3.0");
    check("ROUND", "DOUBLE:-2.5", "DOUBLE", "-3.0");
    check("ROUND", "DOUBLE:1.005|INT:2", "DOUBLE", "1.01");
    check("ROUND", "DOUBLE:646.646|INT:2", "DOUBLE", "646.65");
    check("ROUND", "DOUBLE:1250|INT:-2", "DOUBLE", "1300.0");
    check("ROUND", "DOUBLE:1e300|INT:2", "DOUBLE", "1.0E300");
    check("ROUND", "DOUBLE:NaN|INT:2", "DOUBLE", "NaN");
    check("ROUND", "DOUBLE:123456789|INT:-400", "DOUBLE", "0.0");
    check("ROUND", "DOUBLE:1.5|INT:400", "DOUBLE", "1.5");
    check("ROUND", "FLOAT:1.25|INT:1", "FLOAT", "1.3");
    check("ROUND", "INT:1250|INT:-2", "INT", "1300");
    check("ROUND", "INT:1250|INT:2", "INT", "1250");
    check("ROUND", "INT:1250|INT:-99", "INT", "0");
    check("ROUND", "DECIMAL(5,3):1.255", "DECIMAL(3, 0)", "1");
    check("ROUND", "DECIMAL(5,3):1.255|INT:2", "DECIMAL(5, 2)", "1.26");
    check("ROUND", "DECIMAL(3,2):9.99|INT:1", "DECIMAL(3, 1)", "10.0");
    check("ROUND", "DECIMAL(5,0):12345|INT:-3", "DECIMAL(6, 0)", "12000");
    check("ROUND", "DECIMAL(5,3):1.255|INT:9", "DECIMAL(5, 3)", "1.255");
    check("ROUND", "DECIMAL(5,3):1.255|INT", "DECIMAL(6, 3)", "NULL");
    check("TRUNCATE", "DOUBLE:42.345|INT:2", "DOUBLE", "42.34");
    check("TRUNCATE", "DECIMAL(5,3):-1.259|INT:2", "DECIMAL(5, 2)", "-1.25");
    check("TRUNCATE", "DOUBLE:-42.9", "DOUBLE", "-42.0");
    check("SQRT", "INT:4", "DOUBLE", "2.0");
    check("SQRT", "DOUBLE:-1", "DOUBLE", "NaN");
    check("POWER", "INT:2|INT:10", "DOUBLE", "1024.0");
    check("LOG2", "INT:8", "DOUBLE", "3.0");
    check("LOG", "INT:2|INT:8", "DOUBLE", "3.0");
    check("LOG10", "INT:1000", "DOUBLE", "3.0");
    check("LN", "INT:0", "DOUBLE", "-Infinity");
    check("EXP", "INT:0", "DOUBLE", "1.0");
    check("ATAN2", "INT:0|INT:-1", "DOUBLE", "3.141592653589793");
    check("PI", "", "DOUBLE NOT NULL", "3.141592653589793");
    check("E", "", "DOUBLE NOT NULL", "2.718281828459045");
}

/* ---- strings ---- */

static void pieces(void **state)
{
    (void)state;
    check("CHAR_LENGTH", "STRING:n\xC3\xA9\xF0\x9F\x98\x80", "INT", "3");
    check("OCTET_LENGTH", "STRING:n\xC3\xA9", "INT", "3");
    check("SUBSTR", "STRING:abcdef|INT:2", "STRING", "bcdef");
    check("SUBSTR", "STRING:abcdef|INT:2|INT:3", "STRING", "bcd");
    check("SUBSTR", "STRING:abcdef|INT:0|INT:3", "STRING", "abc");
    check("SUBSTR", "STRING:abcdef|INT:-2|INT:9", "STRING", "ef");
    check("SUBSTR", "STRING:abcdef|INT:-9|INT:4", "STRING", "");
    check("SUBSTR", "STRING:abcdef|INT:9", "STRING", "");
    check("SUBSTR", "STRING:abcdef|INT:2|INT:-1", "STRING", "NULL");
    check("SUBSTR", "STRING:abcdef|INT:2|INT:0", "STRING", "");
    check("SUBSTR", "STRING:|INT:1|INT:1", "STRING", "");
    check("SUBSTRING", "STRING:h\xC3\xA9llo w\xC3\xB6rld and more|INT:2|INT:20", "STRING", "\xC3\xA9llo w\xC3\xB6rld and more");
    check("LEFT", "STRING:\xC3\xA9t\xC3\xA9|INT:2", "STRING", "\xC3\xA9t");
    check("LEFT", "STRING:abc|INT:-1", "STRING", "");
    check("RIGHT", "STRING:\xC3\xA9t\xC3\xA9|INT:2", "STRING", "t\xC3\xA9");
    check("RIGHT", "STRING:abc|INT:9", "STRING", "abc");
    check("TRIM", "STRING:  a b  ", "STRING", "a b");
    check("TRIM", "STRING:    ", "STRING", "");
    check("BTRIM", "STRING:xyaxy|STRING:yx", "STRING", "a");
    check("LTRIM", "STRING:  a ", "STRING", "a ");
    check("RTRIM", "STRING:a\xC3\xA9\xC3\xA9|STRING:\xC3\xA9", "STRING", "a");
    check("TRIM", "SYMBOL:LEADING|STRING:x|STRING:xxax", "STRING", "ax");
    check("TRIM", "SYMBOL:TRAILING|STRING:x|STRING:xxax", "STRING", "xxa");
    check("TRIM", "SYMBOL:BOTH|STRING:x|STRING:xxax", "STRING", "a");
    check("SPLIT_INDEX", "STRING:a,b,c|STRING:,|INT:1", "STRING", "b");
    check("SPLIT_INDEX", "STRING:a,,c|STRING:,|INT:1", "STRING", "");
    check("SPLIT_INDEX", "STRING:a,b|STRING:,|INT:2", "STRING", "NULL");
    check("SPLIT_INDEX", "STRING:a,b,|STRING:,|INT:2", "STRING", "");
    check("SPLIT_INDEX", "STRING:a,b|STRING:,|INT:-1", "STRING", "NULL");
    check("SPLIT_INDEX", "STRING:|STRING:,|INT:0", "STRING", "NULL");
    check("SPLIT_INDEX", "STRING:a--b|STRING:--|INT:1", "STRING", "b");
    check("SPLIT_INDEX", "STRING:a b|STRING:|INT:1", "STRING", "b");
    check("SPLIT_INDEX", "STRING:a,b|INT:44|INT:1", "STRING", "b");
}

static void joining(void **state)
{
    (void)state;
    check("||", "STRING:a|STRING:b", "STRING", "ab");
    check("||", "CHAR(5):abcde|STRING:fghijklmno", "STRING", "abcdefghijklmno");
    check("||", "STRING:a|STRING", "STRING", "NULL");
    check("||", "STRING:a|INT:1", NULL, "!cannot apply '||' to (STRING, INT)");
    check("CONCAT", "STRING:a|STRING:|STRING:b", "STRING", "ab");
    check("CONCAT_WS", "STRING:~|STRING:AA|STRING|STRING:BB|STRING:|STRING:CC", "STRING", "AA~BB~~CC");
    check("CONCAT_WS", "STRING|STRING:a", "STRING", "NULL");
    check("CONCAT_WS", "STRING:-|STRING", "STRING", "");
    check("REPEAT", "STRING:ab|INT:7", "STRING", "ababababababab");
    check("REPEAT", "STRING:ab|INT:-1", "STRING", "");
    check("REPEAT", "STRING:ab|INT:2147483647", "STRING", "!too long");
    check("REVERSE", "STRING:a\xC3\xA9\xF0\x9F\x98\x80", "STRING", "\xF0\x9F\x98\x80\xC3\xA9" "a");
    check("LPAD", "STRING:hi|INT:5|STRING:xy", "STRING", "xyxhi");
    check("LPAD", "STRING:hello|INT:2|STRING:x", "STRING", "he");
    check("LPAD", "STRING:hi|INT:-1|STRING:x", "STRING", "NULL");
    check("LPAD", "STRING:hi|INT:5|STRING:", "STRING", "NULL");
    check("RPAD", "STRING:hi|INT:6|STRING:\xC3\xA9z", "STRING", "hi\xC3\xA9z\xC3\xA9z");
    check("OVERLAY", "STRING:abcdef|STRING:xy|INT:2|INT:3", "STRING", "axyef");
    check("OVERLAY", "STRING:xxxxxtest|STRING:xxxx|INT:6", "STRING", "xxxxxxxxx");
    check("OVERLAY", "STRING:xxxxxtest|STRING:xxxx|INT:6|INT:2", "STRING", "xxxxxxxxxst");
    check("OVERLAY", "STRING:abc|STRING:xy|INT:9", "STRING", "abc");
}

static void letter_case(void **state)
{
    (void)state;
    check("UPPER", "STRING:abc XYZ 1", "STRING", "ABC XYZ 1");
    check("UPPER", "STRING:\xC3\xA9t\xC3\xA9", "STRING", "\xC3\x89T\xC3\x89");
    check("UPPER", "STRING:stra\xC3\x9F" "e", "STRING", "STRASSE");
    check("UPPER", "STRING:\xEF\xAC\x81n", "STRING", "FIN");
    check("UPPER", "STRING:\xC3\xBF", "STRING", "\xC5\xB8");
    check("UPPER", "STRING:\xCE\x90", "STRING", "\xCE\x99\xCC\x88\xCC\x81");
    check("LOWER", "STRING:\xC3\x89T\xC3\x89 ABC", "STRING", "\xC3\xA9t\xC3\xA9 abc");
    check("LOWER", "STRING:\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3", "STRING", "\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x82");
    check("LOWER", "STRING:\xCE\xA3\xCE\x9F", "STRING", "\xCF\x83\xCE\xBF");
    check("LOWER", "STRING:\xC4\xB0", "STRING", "i\xCC\x87");
    check("LOWER", "STRING:\xE1\xBA\x9E", "STRING", "\xC3\x9F");
    check("INITCAP", "STRING:hello wORLD 2nd x-ray", "STRING", "Hello World 2nd X-Ray");
}

static void searching(void **state)
{
    (void)state;
    check("POSITION", "STRING:b|STRING:\xC3\xA9" "abc", "INT", "3");
    check("POSITION", "STRING:x|STRING:abc", "INT", "0");
    check("POSITION", "STRING:|STRING:abc", "INT", "1");
    check("LOCATE", "STRING:a|STRING:banana|INT:3", "INT", "4");
    check("LOCATE", "STRING:a|STRING:banana|INT:9", "INT", "0");
    check("LOCATE", "STRING:a|STRING:banana|INT:0", "INT", "2");
    check("INSTR", "STRING:abc|STRING:c", "INT", "3");
    check("REPLACE", "STRING:banana|STRING:an|STRING:AN", "STRING", "bANANa");
    check("REPLACE", "STRING:banana|STRING:x|STRING:y", "STRING", "banana");
    check("REPLACE", "STRING:aaa|STRING:a|STRING:", "STRING", "");
    check("REPLACE", "STRING:ab|STRING:|STRING:-", "STRING", "-a-b-");
    check("STARTSWITH", "STRING:abc|STRING:ab", "BOOLEAN", "TRUE");
    check("STARTSWITH", "STRING:abc|STRING:b", "BOOLEAN", "FALSE");
    check("ENDSWITH", "STRING:abc|STRING:bc", "BOOLEAN", "TRUE");
    check("ENDSWITH", "STRING:abc|STRING:", "BOOLEAN", "TRUE");
    check("ENDSWITH", "BYTES:abc|BYTES:abcd", "BOOLEAN", "FALSE");
}

static void like_is(const char *text, const char *pattern, const char *escape, bool want)
{
    char spec[256];

    snprintf(spec, sizeof spec, "STRING:%s|STRING:%s%s%s", text, pattern, escape ? "|STRING:" : "", escape ? escape : "");
    check("LIKE", spec, "BOOLEAN", want ? "TRUE" : "FALSE");
    check("NOT LIKE", spec, "BOOLEAN", want ? "FALSE" : "TRUE");
}

/* The plain definition, for comparison. */
static bool like_oracle(const char *s, const char *p)
{
    if (!*p)
        return !*s;
    if (*p == '%')
        return like_oracle(s, p + 1) || (*s && like_oracle(s + 1, p));
    return *s && (*p == '_' || *p == *s) && like_oracle(s + 1, p + 1);
}

static void patterns(void **state)
{
    unsigned seed = 7;

    (void)state;
    like_is("abc", "abc", NULL, true);
    like_is("abc", "ab", NULL, false);
    like_is("abc", "a%", NULL, true);
    like_is("abc", "%c", NULL, true);
    like_is("abc", "%b%", NULL, true);
    like_is("abc", "a_c", NULL, true);
    like_is("a\xC3\xA9" "c", "a_c", NULL, true);
    like_is("a\xC3\xA9" "c", "a__c", NULL, false);
    like_is("\xC3\xA9\xC3\xA9", "%_", NULL, true);
    like_is("", "%", NULL, true);
    like_is("", "_", NULL, false);
    like_is("", "", NULL, true);
    like_is("aXbXc", "a%X%c", NULL, true);
    like_is("ab", "a%b%b", NULL, false);
    like_is("100%", "100!%", "!", true);
    like_is("1000", "100!%", "!", false);
    like_is("a_b", "a!_b", "!", true);
    like_is("axb", "a!_b", "!", false);
    like_is("a!b", "a!!b", "!", true);
    like_is("a\\b", "a\\b", NULL, true);
    check("LIKE", "STRING:a|STRING:a!b|STRING:!", NULL, "!escape character");
    check("LIKE", "STRING:a|STRING:a|STRING:xy", NULL, "!ESCAPE takes one character");
    check("LIKE", "STRING:a|STRING", NULL, "NULL");
    for (int i = 0; i < 400; i++) {
        char s[10] = "", p[10] = "";

        for (int k = 0; k < 8; k++) {
            seed = seed * 1103515245 + 12345;
            if (seed >> 16 & 7)
                s[strlen(s)] = "ab"[seed >> 20 & 1];
            seed = seed * 1103515245 + 12345;
            if (seed >> 16 & 1)
                p[strlen(p)] = "ab%_ab%%"[seed >> 20 & 7];
        }
        like_is(s, p, NULL, like_oracle(s, p));
    }
}

static void codes(void **state)
{
    (void)state;
    check("ASCII", "STRING:abc", "INT", "97");
    check("ASCII", "STRING:", "INT", "0");
    check("CHR", "INT:97", "STRING", "a");
    check("CHR", "BIGINT:-1", "STRING", "");
    check("CHR", "BIGINT:489", "STRING", "\xC3\xA9");
    check("HEX", "INT:255", "STRING", "FF");
    check("HEX", "BIGINT:-1", "STRING", "FFFFFFFFFFFFFFFF");
    check("HEX", "INT:0", "STRING", "0");
    check("HEX", "STRING:hello w\xC3\xB6", "STRING", "68656C6C6F2077C3B6");
    check("TO_BASE64", "STRING:", "STRING", "");
    check("TO_BASE64", "STRING:f", "STRING", "Zg==");
    check("TO_BASE64", "STRING:fo", "STRING", "Zm8=");
    check("TO_BASE64", "STRING:foobar", "STRING", "Zm9vYmFy");
    check("FROM_BASE64", "STRING:Zg==", "STRING", "f");
    check("FROM_BASE64", "STRING:Zm8", "STRING", "fo");
    check("FROM_BASE64", "STRING:Zm9vYmFyZm9vYmFyZm9vYmFy", "STRING", "foobarfoobarfoobar");
    check("FROM_BASE64", "STRING:Z", "STRING", "!'Z' is not base 64");
    check("FROM_BASE64", "STRING:Z===", "STRING", "!is not base 64");
    check("FROM_BASE64", "STRING:a*bc", "STRING", "!is not base 64");
    check("FROM_BASE64", "STRING:/w==", "STRING", "!not a text in UTF-8");
}

/* ---- times ---- */

static void parts(void **state)
{
    static const struct {
        const char *unit, *want;
    } of[] = {{"YEAR", "2024"}, {"QUARTER", "1"}, {"MONTH", "2"}, {"WEEK", "9"}, {"DAY", "29"}, {"DOW", "5"}, {"ISODOW", "4"}, {"DOY", "60"}, {"HOUR", "10"},
              {"MINUTE", "11"}, {"SECOND", "12"}, {"MILLISECOND", "123"}, {"MICROSECOND", "123456"}, {"NANOSECOND", "123456789"}, {"EPOCH", "1709201472"},
              {"DECADE", "202"}, {"CENTURY", "21"}, {"MILLENNIUM", "3"}, {"ISOYEAR", "2024"}};
    char spec[128];

    (void)state;
    for (size_t i = 0; i < SQ_LEN(of); i++) {
        snprintf(spec, sizeof spec, "SYMBOL:%s|TIMESTAMP(9):2024-02-29 10:11:12.123456789", of[i].unit);
        check("EXTRACT", spec, "BIGINT", of[i].want);
    }
    check("EXTRACT", "SYMBOL:DAY|DATE:1969-12-31", "BIGINT", "31");
    check("EXTRACT", "SYMBOL:HOUR|TIME(0):10:11:12", "BIGINT", "10");
    check("EXTRACT", "SYMBOL:HOUR|TIMESTAMP(3):1969-12-31 23:59:59", "BIGINT", "23");
    check("EXTRACT", "SYMBOL:HOUR|DS:90000000", "BIGINT", "1");
    check("EXTRACT", "SYMBOL:MONTH|YM:14", "BIGINT", "2");
    check("EXTRACT", "SYMBOL:MONTH|DS:14", NULL, "!has no MONTH");
    check("WEEK", "DATE:2024-12-30", "BIGINT", "1");
    check("WEEK", "DATE:2023-01-01", "BIGINT", "52");
    check("WEEK", "DATE:2020-12-31", "BIGINT", "53");
    check("EXTRACT", "SYMBOL:ISOYEAR|DATE:2024-12-30", "BIGINT", "2025");
    check("DAYOFWEEK", "DATE:2024-03-03", "BIGINT", "1");
    check("DAYOFYEAR", "DATE:2024-12-31", "BIGINT", "366");
    check("DAYOFMONTH", "TIMESTAMP(3):2024-12-31", "BIGINT", "31");
    check("YEAR", "LTZ(3):2024-12-31 23:30:00", "BIGINT", "2024");
    check("SECOND", "TIME(3):10:11:12.999", "BIGINT", "12");
}

static void rounding(void **state)
{
    static const struct {
        const char *unit, *floor, *ceil;
    } of[] = {
        {"MILLENNIUM", "2001-01-01 00:00:00.000", "3001-01-01 00:00:00.000"}, {"CENTURY", "2001-01-01 00:00:00.000", "2101-01-01 00:00:00.000"},
        {"DECADE", "2020-01-01 00:00:00.000", "2030-01-01 00:00:00.000"}, {"YEAR", "2024-01-01 00:00:00.000", "2025-01-01 00:00:00.000"},
        {"QUARTER", "2024-10-01 00:00:00.000", "2025-01-01 00:00:00.000"}, {"MONTH", "2024-12-01 00:00:00.000", "2025-01-01 00:00:00.000"},
        {"WEEK", "2024-12-15 00:00:00.000", "2024-12-22 00:00:00.000"}, {"DAY", "2024-12-18 00:00:00.000", "2024-12-19 00:00:00.000"},
        {"HOUR", "2024-12-18 10:00:00.000", "2024-12-18 11:00:00.000"}, {"MINUTE", "2024-12-18 10:11:00.000", "2024-12-18 10:12:00.000"},
        {"SECOND", "2024-12-18 10:11:12.000", "2024-12-18 10:11:13.000"}, {"MILLISECOND", "2024-12-18 10:11:12.123", "2024-12-18 10:11:12.123"},
    };
    char spec[128];

    (void)state;
    for (size_t i = 0; i < SQ_LEN(of); i++) {
        snprintf(spec, sizeof spec, "TIMESTAMP(3):2024-12-18 10:11:12.123|SYMBOL:%s", of[i].unit);
        check("FLOOR", spec, "TIMESTAMP(3)", of[i].floor);
        check("CEIL", spec, "TIMESTAMP(3)", of[i].ceil);
    }
    check("FLOOR", "DATE:2024-12-18|SYMBOL:MONTH", "DATE", "2024-12-01");
    check("FLOOR", "TIME(0):10:11:12|SYMBOL:HOUR", "TIME(0)", "10:00:00");
    check("FLOOR", "TIME(0):10:11:12|SYMBOL:DAY", NULL, "!cannot be rounded");
    check("FLOOR", "TIMESTAMP(3):1969-12-31 23:59:59|SYMBOL:DAY", NULL, "1969-12-31 00:00:00.000");
}

static void adding(void **state)
{
    (void)state;
    check("TIMESTAMPADD", "SYMBOL:MONTH|INT:1|DATE:2024-01-31", "DATE", "2024-02-29");
    check("TIMESTAMPADD", "SYMBOL:SECOND|INT:-1|TIMESTAMP(3):2024-01-01", "TIMESTAMP(3)", "2023-12-31 23:59:59.000");
    check("TIMESTAMPADD", "SYMBOL:SQL_TSI_WEEK|INT:1|TIMESTAMP(3):2024-01-01", "TIMESTAMP(3)", "2024-01-08 00:00:00.000");
    check("TIMESTAMPADD", "SYMBOL:HOUR|INT:25|DATE:2024-01-31", "TIMESTAMP(6)", "2024-02-01 01:00:00.000000");
    check("TIMESTAMPADD", "SYMBOL:DOW|INT:1|DATE:2024-01-31", NULL, "!TIMESTAMPADD takes YEAR");
    check("TIMESTAMPADD", "SYMBOL:YEAR|INT:9000|DATE:2024-01-31", NULL, "!out of range");
    check("TIMESTAMPDIFF", "SYMBOL:DAY|DATE:2024-02-28|DATE:2024-03-01", "INT", "2");
    check("TIMESTAMPDIFF", "SYMBOL:DAY|TIMESTAMP(3):2024-01-01 00:00:01|TIMESTAMP(3):2024-01-02", "INT", "0");
    check("TIMESTAMPDIFF", "SYMBOL:SECOND|TIMESTAMP(3):2024-01-01 00:00:01|TIMESTAMP(3):2024-01-01", "INT", "-1");
    check("TIMESTAMPDIFF", "SYMBOL:MONTH|TIMESTAMP(3):2024-01-31|TIMESTAMP(3):2024-02-29", "INT", "1");
    check("TIMESTAMPDIFF", "SYMBOL:MONTH|TIMESTAMP(3):2024-01-15 12:00:00|TIMESTAMP(3):2024-02-15 11:00:00", "INT", "0");
    check("TIMESTAMPDIFF", "SYMBOL:YEAR|DATE:2024-02-29|DATE:2020-02-29", "INT", "-4");
    check("TIMESTAMPDIFF", "SYMBOL:HOUR|DATE:2024-02-29|TIMESTAMP(3):2024-02-29 02:30:00", "INT", "2");
    check("TIMESTAMPDIFF", "SYMBOL:HOUR|TIME(0):10:00:00|TIME(0):12:00:00", NULL, "!no function TIMESTAMPDIFF(keyword, TIME(0), TIME(0))");
}

static void formats(void **state)
{
    (void)state;
    check("DATE_FORMAT", "TIMESTAMP(3):2024-02-09 15:04:05.678|STRING:yyyy-MM-dd HH:mm:ss.SSS", "STRING", "2024-02-09 15:04:05.678");
    check("DATE_FORMAT", "TIMESTAMP(3):2024-02-09 15:04:05.678|STRING:d/M/yy h:m a", "STRING", "9/2/24 3:4 PM");
    check("DATE_FORMAT", "TIMESTAMP(3):2024-02-09 00:04:05|STRING:EEE, d MMM yyyy hh KK kk", "STRING", "Fri, 9 Feb 2024 12 00 24");
    check("DATE_FORMAT", "TIMESTAMP(3):2024-02-09 15:04:05|STRING:EEEE MMMM DDD Q", "STRING", "Friday February 040 1");
    check("DATE_FORMAT", "TIMESTAMP(3):2024-02-09 15:04:05|STRING:yyyy'T'HH 'o''clock' ''", "STRING", "2024T15 o'clock '");
    check("DATE_FORMAT", "TIMESTAMP(3):2024-02-09|STRING:yyyyMMdd", "STRING", "20240209");
    check("DATE_FORMAT", "STRING:2024-02-09 15:04:05|STRING:HH", "STRING", "15");
    check("DATE_FORMAT", "STRING:never|STRING:HH", "STRING", "NULL");
    check("DATE_FORMAT", "TIMESTAMP(3):2024-02-09|STRING:YYYY", NULL, "!the letter 'Y'");
    check("DATE_FORMAT", "TIMESTAMP(3):2024-02-09|STRING:yyyy 'x", NULL, "!a quote is not closed");
    check("TO_TIMESTAMP", "STRING:2024-02-09 15:04:05", "TIMESTAMP(3)", "2024-02-09 15:04:05.000");
    check("TO_TIMESTAMP", "STRING:2024-02-09 15:04:05.6789", "TIMESTAMP(3)", "2024-02-09 15:04:05.678");
    check("TO_TIMESTAMP", "STRING:tomorrow", "TIMESTAMP(3)", "NULL");
    check("TO_TIMESTAMP", "STRING:09.02.2024 15|STRING:dd.MM.yyyy HH", "TIMESTAMP(3)", "2024-02-09 15:00:00.000");
    check("TO_TIMESTAMP", "STRING:20240209150405|STRING:yyyyMMddHHmmss", "TIMESTAMP(3)", "2024-02-09 15:04:05.000");
    check("TO_TIMESTAMP", "STRING:2024-02-09T15:04:05|STRING:yyyy-MM-dd'T'HH:mm:ss", "TIMESTAMP(3)", "2024-02-09 15:04:05.000");
    check("TO_TIMESTAMP", "STRING:Feb 9, 2024 3:04 PM|STRING:MMM d, yyyy h:mm a", "TIMESTAMP(3)", "2024-02-09 15:04:00.000");
    check("TO_TIMESTAMP", "STRING:2024-2-9 1:2:3|STRING:yyyy-MM-dd HH:mm:ss", "TIMESTAMP(3)", "2024-02-09 01:02:03.000");
    check("TO_TIMESTAMP", "STRING:31.02.2024|STRING:dd.MM.yyyy", "TIMESTAMP(3)", "NULL");
    check("TO_TIMESTAMP_LTZ", "BIGINT:1|INT:0", "TIMESTAMP_LTZ(3)", "1970-01-01 00:00:01.000");
    check("TO_TIMESTAMP_LTZ", "BIGINT:1709201472123|INT:3", "TIMESTAMP_LTZ(3)", "2024-02-29 10:11:12.123");
    check("TO_TIMESTAMP_LTZ", "INT:1", "TIMESTAMP_LTZ(3)", "1970-01-01 00:00:00.001");
    check("TO_TIMESTAMP_LTZ", "BIGINT:9223372036854775807|INT:0", "TIMESTAMP_LTZ(3)", "NULL");
    check("TO_TIMESTAMP_LTZ", "BIGINT:1|INT:6", NULL, "!takes 0 (seconds) or 3");
    check("TO_TIMESTAMP_LTZ", "STRING:2024-07-01 12:00:00|STRING:yyyy-MM-dd HH:mm:ss|STRING:Europe/Berlin", "TIMESTAMP_LTZ(3)", "2024-07-01 10:00:00.000");
    check("TO_TIMESTAMP_LTZ", "STRING:2024-07-01 12:00:00|STRING:yyyy-MM-dd HH:mm:ss|STRING:Europe/Berlim", NULL, "!unknown time zone");
    check("TO_DATE", "STRING:2024-02-09", "DATE", "2024-02-09");
    check("TO_DATE", "STRING:2024-02-09 10:00:00", "DATE", "2024-02-09");
    check("TO_DATE", "STRING:09/02/2024|STRING:dd/MM/yyyy", "DATE", "2024-02-09");
    check("TO_DATE", "STRING:x", "DATE", "NULL");
    check("FROM_UNIXTIME", "INT:0", "STRING", "1970-01-01 00:00:00");
    check("FROM_UNIXTIME", "BIGINT:1709201472|STRING:dd HH", "STRING", "29 10");
    check("UNIX_TIMESTAMP", "STRING:1970-01-02 00:00:00", "BIGINT", "86400");
    check("UNIX_TIMESTAMP", "STRING:2.1.1970|STRING:dd.MM.yyyy", "BIGINT", "86400");
    check("UNIX_TIMESTAMP", "STRING:x", "BIGINT", "-9223372036854775808");
    check("CONVERT_TZ", "STRING:2024-07-01 12:00:00|STRING:UTC|STRING:Asia/Tokyo", "STRING", "2024-07-01 21:00:00");
}

/* With a zone and a held clock. */
static int64_t held(void *arg)
{
    (void)arg;
    return INT64_C(1709249472123456);        /* 2024-02-29 23:31:12.123456 UTC */
}

static void session_zone(void **state)
{
    struct sq_arena a;
    struct sq_os os = sq_os_posix;

    (void)state;
    sq_arena_init(&a, &eval_ctx);
    os.now_us = held;
    eval_session = (struct sq_session){.os = &os};
    assert_int_equal(sq_tz_find(&eval_ctx, &a, SQ_STR("Europe/Berlin"), &eval_session.tz), SQ_OK);
    check("CURRENT_TIMESTAMP", "", "TIMESTAMP_LTZ(3) NOT NULL", "2024-03-01 00:31:12.123");
    check("LOCALTIMESTAMP", "", "TIMESTAMP(3) NOT NULL", "2024-03-01 00:31:12.123");
    check("CURRENT_DATE", "", "DATE NOT NULL", "2024-03-01");
    check("CURRENT_TIME", "", "TIME(0) NOT NULL", "00:31:12");
    check("UNIX_TIMESTAMP", "", "BIGINT NOT NULL", "1709249472");
    eval_session.batch = true;
    eval_session.start_us = 0;
    check("NOW", "", "TIMESTAMP_LTZ(3) NOT NULL", "1970-01-01 01:00:00.000");
    check("CURRENT_ROW_TIMESTAMP", "", "TIMESTAMP_LTZ(3) NOT NULL", "2024-03-01 00:31:12.123");
    check("HOUR", "LTZ(3):2024-03-01 00:31:00", "BIGINT", "0");
    check("FLOOR", "LTZ(3):2024-03-01 00:31:00|SYMBOL:DAY", "TIMESTAMP_LTZ(3)", "2024-03-01 00:00:00.000");
    check("DATE_FORMAT", "LTZ(3):2024-03-01 00:31:00|STRING:HH:mm", "STRING", "00:31");
    check("FROM_UNIXTIME", "INT:0", "STRING", "1970-01-01 01:00:00");
    check("UNIX_TIMESTAMP", "STRING:1970-01-01 01:00:00", "BIGINT", "0");
    check("TO_TIMESTAMP_LTZ", "STRING:1970-01-01 00:00:00", "TIMESTAMP_LTZ(3)", "1970-01-01 01:00:00.000");
    check("=", "TIMESTAMP(3):2024-03-01 00:31:00|LTZ(3):2024-03-01 00:31:00", "BOOLEAN", "TRUE");
    eval_session = (struct sq_session){0};
    sq_arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry), cmocka_unit_test(errors), cmocka_unit_test(lazy), cmocka_unit_test(nullability), cmocka_unit_test(integers),
        cmocka_unit_test(overflow_is_counted), cmocka_unit_test(floats), cmocka_unit_test(decimals), cmocka_unit_test(intervals),
        cmocka_unit_test(comparisons), cmocka_unit_test(distinct_from), cmocka_unit_test(tests_of_one), cmocka_unit_test(mathematics),
        cmocka_unit_test(pieces), cmocka_unit_test(joining), cmocka_unit_test(letter_case), cmocka_unit_test(searching), cmocka_unit_test(patterns),
        cmocka_unit_test(codes), cmocka_unit_test(parts), cmocka_unit_test(rounding), cmocka_unit_test(adding), cmocka_unit_test(formats),
        cmocka_unit_test(session_zone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
