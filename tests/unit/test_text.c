/* SPDX-License-Identifier: Apache-2.0
 *
 * test_text.c: decimals against Python's decimal module, the calendar, dates and times as text, time zones, printing of values.
 */
#include "base/os.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct sq_budget budget;
static struct sq_ctx ctx = {.budget = &budget, .os = &sq_os_posix};

/* ---- decimals ---- */

struct decimal_case {
    char op;
    const char *a;
    int sa;
    const char *b;
    int sb, p, s;
    const char *result;
};
static const struct decimal_case decimal_cases[] = {
#include "decimal_cases.h"
};

static sq_i128 i128(const char *s)
{
    sq_i128 v = 0;
    bool negative = *s == '-';

    for (s += negative; *s; s++)
        v = v * 10 + (*s - '0');
    return negative ? -v : v;
}

static void decimal_oracle(void **state)
{
    (void)state;
    for (size_t i = 0; i < SQ_LEN(decimal_cases); i++) {
        const struct decimal_case *c = &decimal_cases[i];
        sq_i128 a = i128(c->a), b = i128(c->b), r = 0;
        bool good = c->op == '+'   ? sq_decimal_add(a, c->sa, b, c->sb, c->p, c->s, &r)
                    : c->op == '*' ? sq_decimal_mul(a, c->sa, b, c->sb, c->p, c->s, &r)
                    : c->op == '/' ? sq_decimal_div(a, c->sa, b, c->sb, c->p, c->s, &r)
                                   : sq_decimal_mod(a, c->sa, b, c->sb, c->p, c->s, &r);

        if (good != (c->result != NULL) || (good && r != i128(c->result))) {
            char got[64];

            sq_print_decimal(r, 0, got);
            fail_msg("case %zu: %s e-%d %c %s e-%d as (%d, %d) is %s, not %s", i, c->a, c->sa, c->op, c->b, c->sb, c->p, c->s,
                     c->result ? c->result : "none", good ? got : "none");
        }
    }
}

static void check_parse(const char *text, int p, int s, const char *want)
{
    sq_i128 v;
    char buf[64] = "none";

    if (sq_parse_decimal(sq_str_of(text), p, s, &v))
        sq_print_decimal(v, s, buf);
    assert_string_equal(buf, want);
}

static void decimal_text(void **state)
{
    (void)state;
    check_parse("1.005", 10, 2, "1.01");
    check_parse("-1.005", 10, 2, "-1.01");
    check_parse("1.00499999", 10, 2, "1.00");
    check_parse("+.5", 3, 0, "1");
    check_parse("5.", 3, 1, "5.0");
    check_parse("1e3", 4, 0, "1000");
    check_parse("1e3", 3, 0, "none");
    check_parse("12.5E-1", 3, 2, "1.25");
    check_parse("0e999999999999", 3, 2, "0.00");
    check_parse("1e999999999999", 3, 2, "none");
    check_parse("1e-999999999999", 3, 2, "0.00");
    check_parse("99999999999999999999999999999999999999", 38, 0, "99999999999999999999999999999999999999");
    check_parse("-99999999999999999999999999999999999999", 38, 0, "-99999999999999999999999999999999999999");
    check_parse("99999999999999999999999999999999999999.5", 38, 0, "none");
    check_parse("999999999999999999999999999999999999999", 38, 0, "none");
    check_parse("0.00000000000000000000000000000000000001", 38, 38, "0.00000000000000000000000000000000000001");
    check_parse("-0.05", 3, 2, "-0.05");
    check_parse("000000000000000000000000000000000000000000000000000012", 3, 0, "12");
    check_parse("", 3, 0, "none");
    check_parse(".", 3, 0, "none");
    check_parse("-", 3, 0, "none");
    check_parse("1e", 3, 0, "none");
    check_parse("1.2.3", 3, 0, "none");
    check_parse("1 2", 3, 0, "none");
    check_parse("12,5", 3, 0, "none");
}

static void decimal_convert(void **state)
{
    sq_i128 v;

    (void)state;
    assert_true(sq_decimal_from_double(1.005, 10, 2, &v) && v == 101);       /* by its shortest digits, not its binary value */
    assert_true(sq_decimal_from_double(-1e30, 38, 5, &v) && v == -i128("100000000000000000000000000000000000"));
    assert_false(sq_decimal_from_double(1e39, 38, 0, &v));
    assert_false(sq_decimal_from_double(0.0 / 0.0 * 1, 38, 0, &v));
    assert_true(sq_decimal_to_double(i128("123456789012345678901234567890"), 10) == 12345678901234567890.12345678901234567890);
    assert_true(sq_decimal_to_double(-5, 2) == -0.05);
    assert_true(sq_decimal_rescale(15, 1, 5, 0, &v) && v == 2);
    assert_true(sq_decimal_rescale(-15, 1, 5, 0, &v) && v == -2);
    assert_true(sq_decimal_rescale(14, 1, 5, 0, &v) && v == 1);
    assert_false(sq_decimal_rescale(100, 0, 4, 2, &v));
    assert_int_equal(sq_decimal_cmp(10, 1, 1, 0), 0);
    assert_int_equal(sq_decimal_cmp(i128("99999999999999999999999999999999999999"), 0, 1, 38), 1);
    assert_int_equal(sq_decimal_cmp(-i128("99999999999999999999999999999999999999"), 0, -1, 38), -1);
}

/* ---- the calendar ---- */

static void calendar(void **state)
{
    int32_t y, m, d, days = -719162;

    (void)state;
    assert_int_equal(sq_days_from_civil(1970, 1, 1), 0);
    assert_int_equal(sq_days_from_civil(1, 1, 1), -719162);
    assert_int_equal(sq_days_from_civil(9999, 12, 31), 2932896);
    for (int32_t year = 1; year <= 2500; year++)
        for (int32_t month = 1; month <= 12; month++) {
            static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
            int n = length[month - 1] + (month == 2 && ((year % 4 == 0 && year % 100) || year % 400 == 0));

            for (int32_t day = 1; day <= n; day++, days++) {
                if (sq_days_from_civil(year, month, day) != days)
                    fail_msg("%d-%d-%d", year, month, day);
                sq_civil_from_days(days, &y, &m, &d);
                if (y != year || m != month || d != day)
                    fail_msg("day %d is %d-%d-%d", days, y, m, d);
            }
        }
    sq_civil_from_days(-719163, &y, &m, &d);
    assert_true(y == 0 && m == 12 && d == 31);
}

static void check_ts(const char *text, bool iso, int p, const char *want)
{
    struct sq_ts16 t;
    char buf[64] = "none";

    if (sq_parse_timestamp(sq_str_of(text), iso, p, &t))
        sq_print_timestamp(t, p, iso ? 'T' : ' ', buf);
    assert_string_equal(buf, want);
}

static void timestamps(void **state)
{
    (void)state;
    check_ts("2024-02-29 10:11:12.123456789", false, 9, "2024-02-29 10:11:12.123456789");
    check_ts("2024-02-29 10:11:12.123456789", false, 3, "2024-02-29 10:11:12.123");
    check_ts("2024-02-29 10:11:12.1", false, 6, "2024-02-29 10:11:12.100000");
    check_ts("2024-2-9 1:2:3", false, 0, "2024-02-09 01:02:03");
    check_ts("2024-02-29", false, 3, "2024-02-29 00:00:00.000");
    check_ts("1969-12-31 23:59:59.999", false, 3, "1969-12-31 23:59:59.999");
    check_ts("0001-01-01 00:00:00", false, 0, "0001-01-01 00:00:00");
    check_ts("9999-12-31 23:59:59.999999999", false, 9, "9999-12-31 23:59:59.999999999");
    check_ts("2023-02-29 00:00:00", false, 0, "none");
    check_ts("2024-02-29 24:00:00", false, 0, "none");
    check_ts("2024-02-29 10:11", false, 0, "none");
    check_ts("2024-02-29 10:11:12.", false, 0, "none");
    check_ts("2024-02-29T10:11:12", false, 0, "none");
    check_ts("2024-02-29 10:11:12 ", false, 0, "none");
    check_ts("2024-02-29T10:11:12", true, 0, "2024-02-29T10:11:12");
    check_ts("2024-02-29T10:11", true, 0, "2024-02-29T10:11:00");
    check_ts("2024-2-29T10:11:12", true, 0, "none");
    check_ts("2024-02-29 10:11:12", true, 0, "none");
    check_ts("0000-01-01 00:00:00", false, 0, "none");
    check_ts("", false, 0, "none");
}

static void dates_and_times(void **state)
{
    int32_t v;
    char buf[32];

    (void)state;
    assert_true(sq_parse_date(SQ_STR("2024-2-9"), &v));
    sq_print_date(v, buf);
    assert_string_equal(buf, "2024-02-09");
    assert_true(sq_parse_date(SQ_STR("0001-01-01"), &v) && v == -719162);
    assert_false(sq_parse_date(SQ_STR("2024-13-01"), &v));
    assert_false(sq_parse_date(SQ_STR("2024-04-31"), &v));
    assert_false(sq_parse_date(SQ_STR("2024-02-09x"), &v));
    assert_false(sq_parse_date(SQ_STR("20240209"), &v));
    assert_true(sq_parse_time(SQ_STR("10:11:12.3456"), &v) && v == 36672345);
    assert_true(sq_parse_time(SQ_STR("1:2"), &v) && v == 3720000);
    assert_false(sq_parse_time(SQ_STR("24:00:00"), &v));
    sq_print_time(36672120, 3, buf);
    assert_string_equal(buf, "10:11:12.12");
    sq_print_time(36672000, 3, buf);
    assert_string_equal(buf, "10:11:12.0");
    sq_print_time(36672999, 0, buf);
    assert_string_equal(buf, "10:11:12");
}

/* ---- zones ---- */

static const struct sq_tz *zone(struct sq_arena *a, const char *name)
{
    const struct sq_tz *tz = NULL;

    assert_int_equal(sq_tz_find(&ctx, a, sq_str_of(name), &tz), SQ_OK);
    return tz;
}

static void check_local(const struct sq_tz *tz, const char *utc, const char *local)
{
    struct sq_ts16 t;
    char buf[64];

    assert_true(sq_parse_timestamp(sq_str_of(utc), false, 0, &t));
    t.us = sq_tz_to_local(tz, t.us);
    sq_print_timestamp(t, 0, ' ', buf);
    assert_string_equal(buf, local);
}

static void check_utc(const struct sq_tz *tz, const char *local, const char *utc)
{
    struct sq_ts16 t;
    char buf[64];

    assert_true(sq_parse_timestamp(sq_str_of(local), false, 0, &t));
    t.us = sq_tz_to_utc(tz, t.us);
    sq_print_timestamp(t, 0, ' ', buf);
    assert_string_equal(buf, utc);
}

static void zones(void **state)
{
    struct sq_arena a;
    const struct sq_tz *tz;

    (void)state;
    sq_arena_init(&a, &ctx);
    tz = zone(&a, "Europe/Berlin");
    check_local(tz, "2024-03-31 00:59:59", "2024-03-31 01:59:59");
    check_local(tz, "2024-03-31 01:00:00", "2024-03-31 03:00:00");
    check_local(tz, "2024-10-27 00:59:59", "2024-10-27 02:59:59");
    check_local(tz, "2024-10-27 01:00:00", "2024-10-27 02:00:00");
    check_utc(tz, "2024-03-31 01:59:59", "2024-03-31 00:59:59");
    check_utc(tz, "2024-03-31 02:30:00", "2024-03-31 01:30:00");     /* in the gap: an hour on */
    check_utc(tz, "2024-03-31 03:00:00", "2024-03-31 01:00:00");
    check_utc(tz, "2024-10-27 02:30:00", "2024-10-27 00:30:00");     /* twice: the first time */
    check_utc(tz, "2024-10-27 03:00:00", "2024-10-27 02:00:00");
    check_local(tz, "2150-07-01 12:00:00", "2150-07-01 14:00:00");   /* by the rule at the file's end */
    check_local(tz, "2150-01-01 12:00:00", "2150-01-01 13:00:00");
    check_utc(tz, "2150-03-29 02:30:00", "2150-03-29 01:30:00");
    check_utc(tz, "2150-10-25 02:30:00", "2150-10-25 00:30:00");
    check_utc(tz, "2150-10-25 03:00:00", "2150-10-25 02:00:00");
    check_local(tz, "1800-01-01 00:00:00", "1800-01-01 00:53:28");
    tz = zone(&a, "America/New_York");
    check_local(tz, "2024-07-04 16:00:00", "2024-07-04 12:00:00");
    check_utc(tz, "2024-03-10 02:30:00", "2024-03-10 07:30:00");
    check_local(tz, "2099-12-31 23:00:00", "2099-12-31 18:00:00");
    tz = zone(&a, "Australia/Sydney");                               /* summer over the new year */
    check_local(tz, "2090-01-01 00:00:00", "2090-01-01 11:00:00");
    check_local(tz, "2090-07-01 00:00:00", "2090-07-01 10:00:00");
    check_local(tz, "2090-12-31 23:00:00", "2091-01-01 10:00:00");
    tz = zone(&a, "Europe/Dublin");                                  /* winter is the "daylight saving" here */
    check_local(tz, "2090-01-01 00:00:00", "2090-01-01 00:00:00");
    check_local(tz, "2090-07-01 00:00:00", "2090-07-01 01:00:00");
    tz = zone(&a, "Asia/Kolkata");
    check_local(tz, "2090-07-01 00:00:00", "2090-07-01 05:30:00");
    check_utc(tz, "2090-07-01 05:30:00", "2090-07-01 00:00:00");
    check_local(zone(&a, "UTC"), "2024-01-01 00:00:00", "2024-01-01 00:00:00");
    check_local(zone(&a, "+02:00"), "2024-01-01 00:00:00", "2024-01-01 02:00:00");
    check_local(zone(&a, "-5"), "2024-01-01 00:00:00", "2023-12-31 19:00:00");
    check_local(zone(&a, "GMT+08:00"), "2024-01-01 00:00:00", "2024-01-01 08:00:00");
    check_local(zone(&a, "UTC-03:30"), "2024-01-01 00:00:00", "2023-12-31 20:30:00");
    check_local(zone(&a, "+0530"), "2024-01-01 00:00:00", "2024-01-01 05:30:00");
    sq_arena_free(&a);
}

/* Every zone: there and back again, hour by hour over some years. A local time may have two instants; the way back gives the first. */
static void zones_round_trip(void **state)
{
    static const char *const names[] = {"Europe/London", "America/Sao_Paulo", "Asia/Tehran", "Pacific/Apia", "Africa/Casablanca", "Australia/Lord_Howe"};
    struct sq_arena a;

    (void)state;
    sq_arena_init(&a, &ctx);
    for (size_t i = 0; i < SQ_LEN(names); i++) {
        const struct sq_tz *tz = zone(&a, names[i]);

        for (int64_t t = INT64_C(1262304000); t < INT64_C(2240000000); t += 3600 * 7) {
            int64_t us = t * 1000000, local = sq_tz_to_local(tz, us), back = sq_tz_to_utc(tz, local);

            if (back != us && (back > us || sq_tz_to_local(tz, back) != local))
                fail_msg("%s: %lld", names[i], (long long)t);
        }
    }
    sq_arena_free(&a);
}

static void zones_unknown(void **state)
{
    static const char *const names[] = {"Europe/Berlim", "../../../etc/passwd", "/etc/passwd", "", "Europe", "+25:00", "+1:99", "UTC+", "a b", ".", "posix/../UTC",
                                        "tzdata.zi", "zone.tab"};
    struct sq_arena a;
    const struct sq_tz *tz;

    (void)state;
    sq_arena_init(&a, &ctx);
    for (size_t i = 0; i < SQ_LEN(names); i++) {
        sq_rc rc = sq_tz_find(&ctx, &a, sq_str_of(names[i]), &tz);

        if (rc == SQ_OK)
            fail_msg("'%s' is taken", names[i]);
        assert_true(ctx.err.msg[0]);
    }
    sq_arena_free(&a);
}

/* ---- values ---- */

static void check_value(const struct sq_vec *v, const char *want)
{
    struct sq_buf b = {.ctx = &ctx};

    assert_int_equal(sq_print_value(&b, v, 0, sq_tz_utc), SQ_OK);
    assert_string_equal(b.p ? b.p : "", want);
    sq_buf_free(&b);
}

#define VALUE(TYPE, C, ...) check_value(&(struct sq_vec){.type = &TYPE, .data = (C[]){__VA_ARGS__}}, want)

static void values(void **state)
{
    static const struct sq_type dec = {.id = SQ_T_DECIMAL, .nullable = true, .p = 10, .s = 2};
    const char *want;
    uint64_t no = 0;
    struct sq_view bytes = sq_view_of("a\xFF\xC3\xA9", 4);

    (void)state;
    want = "TRUE", VALUE(sq_type_boolean, uint8_t, 1);
    want = "-128", VALUE(sq_type_tinyint, int8_t, -128);
    want = "-9223372036854775808", VALUE(sq_type_bigint, int64_t, INT64_MIN);
    want = "1.0E10", VALUE(sq_type_double, double, 1e10);
    want = "0.1", VALUE(sq_type_float, float, 0.1f);
    want = "-0.05", VALUE(dec, sq_i128, -5);
    want = "1970-01-02", VALUE(sq_type_date, int32_t, 1);
    want = "1970-01-01 00:00:00.001", VALUE(sq_type_timestamp3, int64_t, 1000);
    want = "1970-01-01 00:00:00.000001002", VALUE(sq_type_timestamp9, struct sq_ts16, {.us = 1, .ns = 2});
    want = "+1-02", VALUE(sq_type_interval_ym, int32_t, 14);
    want = "-1-02", VALUE(sq_type_interval_ym, int32_t, -14);
    want = "+1 02:03:04.005", VALUE(sq_type_interval_ds, int64_t, 93784005);
    want = "-0 00:00:00.001", VALUE(sq_type_interval_ds, int64_t, -1);
    check_value(&(struct sq_vec){.type = &sq_type_string, .data = &bytes, .valid = &no}, "");
    check_value(&(struct sq_vec){.type = &sq_type_bytes, .data = &bytes}, "a\xEF\xBF\xBD\xC3\xA9");
}

static void nested_values(void **state)
{
    struct sq_arena a;
    struct sq_field fields[2] = {{SQ_STR("x"), &sq_type_int}, {SQ_STR("y"), NULL}};
    int32_t ints[] = {1, 2, 3};
    uint64_t valid = 5;
    struct sq_list list = {0, 3}, none = {0, 0};
    struct sq_vec kids[2] = {{.type = &sq_type_int, .data = ints}, {.type = &sq_type_int, .data = ints, .valid = &valid}};
    struct sq_vec array = {.data = &list, .child = &kids[1], .nchild = 1}, map = {.data = &list, .child = kids, .nchild = 2}, row[2], rec = {.child = row, .nchild = 2};

    (void)state;
    sq_arena_init(&a, &ctx);
    array.type = sq_type_array(&a, true, &sq_type_int);
    map.type = sq_type_map(&a, true, &sq_type_int, &sq_type_int);
    check_value(&array, "[1, NULL, 3]");
    check_value(&map, "{1=1, 2=NULL, 3=3}");
    fields[1].type = array.type;
    row[0] = kids[0];
    row[1] = array;
    rec.type = sq_type_row(&a, true, fields, 2);
    check_value(&rec, "(1, [1, NULL, 3])");
    array.data = &none;
    check_value(&array, "[]");
    sq_arena_free(&a);
}

/* ---- secrets ---- */

static void secrets(void **state)
{
    static const char *const cases[][2] = {
        {"'password' = 'x'", "'password' = '****'"},
        {"'a.SASL.jaas.config'='u \"p\" it''s;', 'b' = 'c'", "'a.SASL.jaas.config'='****', 'b' = 'c'"},
        {"password = x, b = c", "password = ****, b = c"},
        {"(password = mypassword)", "(password = ****)"}, {"(token = r.token)", "(token = r.token)"}, {"(token = r.atoken)", "(token = ****)"},
        {"SET my.token = x;", "SET my.token = ****;"},
        {"'pasword' = 'x', 'db_pwd' = 'y'", "'pasword' = '****', 'db_pwd' = '****'"},
        {"{\"apikey\": \"x\", \"b\": \"c\"}", "{\"apikey\": \"****\", \"b\": \"c\"}"},
        {"'password' 'x'", "'password' '****'"},
        {"'password', 'x')", "'password', '****')"},
        {"'password' =\n\t'x\ny' z", "'password' =\n\t'****' z"},
        {"'password = 'x', 'b' = 'c'", "'password = '****', 'b' = 'c'"},
        {"'a' = 'b, 'secret' = 'x'", "'a' = 'b, 'secret' = '****'"},
        {"'password' = 'x's', 'b' = 'c'", "'password' = '****', 'b' = 'c'"},
        {"'password' = 'x, b", "'password' = '****"},
        {"-- password: 'x'", "-- password: '****'"},
        {"db://me:x@h:1/d?a=b", "db://me:****@h:1/d?a=b"},
        {"db://me:x/y@z@h/d", "db://me:****@h/d"},
        {"db://h:3306/d?mail=a@b", "db://h:3306/d?mail=a@b"},
        {"db://h/d?user=u&password=x'y&ssl=1", "db://h/d?user=u&password=****'y&ssl=1"},
        {"'mechanism' = 'token', 'b' = 'c'", "'mechanism' = 'token', 'b' = 'c'"},
        {"SELECT token, pass FROM t WHERE l.token = r.token", "SELECT token, pass FROM t WHERE l.token = r.token"},
        {"token STRING, path = 'a', topic = 'b', class = 'c'", "token STRING, path = 'a', topic = 'b', class = 'c'"},
        {"password", "password"}, {"'password' =", "'password' ="}, {"'password' = '", "'password' = '"}, {"://", "://"}, {"", ""},
    };
    struct sq_ctx c = {0};
    struct sq_buf b;
    char msg[40];

    (void)state;
    sq_buf_init(&b, &c);
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        sq_buf_reset(&b);
        assert_int_equal(sq_secrets_hide(&b, sq_str_of(cases[i][0])), SQ_OK);
        assert_string_equal(b.p ? b.p : "", cases[i][1]);
    }
    sq_buf_free(&b);
    assert_true(sq_secret_name(SQ_STR("properties.ssl.Key.Password")) && sq_secret_name(SQ_STR("TOKENS")) && !sq_secret_name(SQ_STR("tok")));
    snprintf(msg, sizeof msg, "unexpected 'geheim', geheim");
    sq_secrets_scrub(msg, SQ_STR("'password' 'geheim'"));
    assert_string_equal(msg, "unexpected '****', ****");
    snprintf(msg, sizeof msg, "an x is 'x', gehei");
    sq_secrets_scrub(msg, SQ_STR("'token' = 'x', 'password' 'geheim'"));
    assert_string_equal(msg, "an x is '*', ****");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_oracle), cmocka_unit_test(decimal_text), cmocka_unit_test(decimal_convert), cmocka_unit_test(calendar),
        cmocka_unit_test(timestamps), cmocka_unit_test(dates_and_times), cmocka_unit_test(zones), cmocka_unit_test(zones_round_trip),
        cmocka_unit_test(zones_unknown), cmocka_unit_test(values), cmocka_unit_test(nested_values),
        cmocka_unit_test(secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
