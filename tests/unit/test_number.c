/* SPDX-License-Identifier: Apache-2.0
 *
 * test_number.c: numbers as text and back, against the C library's correctly rounded strtod and printf, and the table of powers
 * against plain multiplication; UTF-8.
 */
#include "base/pow10.h"
#include "base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t seed = 88172645463325252u;
static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545F4914F6CDD1D);
}

static void test_int(void **state)
{
    (void)state;
    static const struct { const char *text; bool ok; int64_t v; } cases[] = {
        {"0", true, 0}, {"-0", true, 0}, {"+7", true, 7}, {"007", true, 7}, {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN}, {"9223372036854775808", false, 0}, {"-9223372036854775809", false, 0},
        {"18446744073709551616", false, 0}, {"", false, 0}, {"-", false, 0}, {"+-1", false, 0}, {"1 ", false, 0}, {" 1", false, 0},
        {"1.0", false, 0}, {"99999999999999999999999", false, 0},
    };
    char buf[32];
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        int64_t v = 42;
        assert_int_equal(sq_parse_int(sq_str_of(cases[i].text), &v), cases[i].ok);
        if (cases[i].ok)
            assert_true(v == cases[i].v);
    }
    for (int i = 0; i < 100000; i++) {
        int64_t v = (int64_t)(rnd() >> (rnd() & 63)), back;
        if (rnd() & 1)
            v = -v;
        int n = sq_print_int(v, buf);
        char want[32];
        assert_int_equal(n, snprintf(want, sizeof want, "%lld", (long long)v));
        assert_string_equal(buf, want);
        assert_true(sq_parse_int((struct sq_str){buf, (uint32_t)n}, &back) && back == v);
    }
}

static void check_read(const char *text)
{
    double got, want = strtod(text, NULL);
    assert_true(sq_parse_double(sq_str_of(text), false, &got));
    if (memcmp(&got, &want, sizeof got) != 0)
        fail_msg("%s: read %a, should be %a", text, got, want);
}

static void test_read(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "0", "-0", "0.0", "-0.0e5", "1", "1.", ".5", "5.e1", "1e22", "1e23", "9007199254740993", "9007199254740992.99999", "9007199254740993.00001",
        "2.2250738585072014e-308", "2.2250738585072011e-308", "2.2250738585072012e-308", "4.9e-324", "2.4703282292062327e-324",
        "2.4703282292062328e-324", "1e-400", "1e400", "1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880",
        "0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001e120",
        "100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000e-122",
        "8.5e15", "1.00000000000000011102230246251565404236316680908203125", "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126", "1e99999999999", "1e-99999999999", "0e99999999999", "7.2057594037927933e16",
        "6929495644600919.5", "3.2e-322", "6.631236846766476e-316", "1.2345678901234567890123456789e-300",
    };
    static const char *const refused[] = {"", "-", "+", ".", "e1", "1e", "1e+", "1.2.3", "1 ", " 1", "0x10", "1f", "NaN", "Infinity", "--1", "1e1.5", "1,5"};
    double d;
    for (size_t i = 0; i < SQ_LEN(cases); i++)
        check_read(cases[i]);
    for (size_t i = 0; i < SQ_LEN(refused); i++)
        if (sq_parse_double(sq_str_of(refused[i]), false, &d))
            fail_msg("'%s' was read", refused[i]);
    assert_true(sq_parse_double(SQ_STR("NaN"), true, &d) && isnan(d));
    assert_true(sq_parse_double(SQ_STR("-Infinity"), true, &d) && isinf(d) && d < 0);
    assert_true(sq_parse_double(SQ_STR("+Infinity"), true, &d) && isinf(d) && d > 0);
    assert_false(sq_parse_double(SQ_STR("infinity"), true, &d));
    char text[1100];
    for (int i = 0; i < 400000; i++) {               /* random digits and exponents */
        int exp = (int)(rnd() % 700) - 360;
        if (i & 1)
            snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)(rnd() >> (rnd() & 63)), (unsigned long long)rnd(), exp);
        else
            snprintf(text, sizeof text, "%llue%d", (unsigned long long)(rnd() >> (rnd() & 63)), exp);
        check_read(text);
    }
    for (int i = 0; i < 20000; i++) {                /* points exactly halfway between two doubles, and right beside them */
        uint64_t bits = rnd() & ~(UINT64_C(1) << 63);
        double low;
        if (i & 1)                                   /* more of them around 1, where they are short */
            bits = (bits & ((UINT64_C(1) << 52) - 1)) | (uint64_t)(1023 + rnd() % 60) << 52;
        memcpy(&low, &bits, sizeof low);
        if (!isfinite(low) || low > 1e308)
            continue;
        if (i & 2) {                                 /* exact only where long double can hold it */
            long double half = (long double)low + ((long double)nextafter(low, INFINITY) - low) / 2;
            snprintf(text, sizeof text, "%.770Le", half);
        } else {
            snprintf(text, sizeof text, "%.20e", low);
        }
        check_read(text);
        char *e = strchr(text, 'e');
        e[-1] = (char)(e[-1] == '9' ? '8' : e[-1] + 1);
        check_read(text);
    }
}

/* The shortest digits that read back, by trying; at least two, as Java has it. */
static void want_digits(double v, int max, char *buf, size_t n)
{
    for (int digits = 2; digits <= max; digits++) {
        snprintf(buf, n, "%.*e", digits - 1, v);
        if (max == 17 ? strtod(buf, NULL) == v : strtof(buf, NULL) == (float)v)
            return;
    }
}

static void digits_of(const char *text, char *digits, int *exp)
{
    int n = 0, point = 0, seen = 0, e = 0;
    for (; *text && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.')
            seen = 1;
        else if (*text != '-') {
            if (n || *text != '0')
                digits[n++] = *text;
            point += seen && 1;
        }
    }
    if (*text)
        e = (int)strtol(text + 1, NULL, 10);
    e -= point;
    while (n > 1 && digits[n - 1] == '0') {
        n--;
        e++;
    }
    digits[n] = 0;
    *exp = e;
}

/* `edge`: a power of two, whose neighbour below is nearer: digits that are not the nearest may still be the shortest. */
static void check_print(double v, bool edge)
{
    char buf[32], want[40], d1[40], d2[40];
    int e1, e2, n = sq_print_double(v, buf);
    assert_int_equal(n, strlen(buf));
    if (strtod(buf, NULL) != v)
        fail_msg("%a printed as %s", v, buf);
    want_digits(v, 17, want, sizeof want);
    digits_of(buf, d1, &e1);
    digits_of(want, d2, &e2);
    if (edge ? strlen(d1) > strlen(d2) : strcmp(d1, d2) != 0 || e1 != e2)
        fail_msg("%a printed as %s, should be %s", v, buf, want);
}

static void test_print(void **state)
{
    (void)state;
    static const struct { double v; const char *text; } cases[] = {
        {0.0, "0.0"}, {-0.0, "-0.0"}, {1.0, "1.0"}, {-1.5, "-1.5"}, {0.1, "0.1"}, {0.001, "0.001"}, {0.00099, "9.9E-4"}, {9999999.0, "9999999.0"},
        {1e7, "1.0E7"}, {12345678.0, "1.2345678E7"}, {1e10, "1.0E10"}, {1e-5, "1.0E-5"}, {123456.789, "123456.789"}, {4.9e-324, "4.9E-324"},
        {1e-323, "9.9E-324"}, {2e-323, "2.0E-323"}, {1.7976931348623157e308, "1.7976931348623157E308"}, {2.2250738585072014e-308, "2.2250738585072014E-308"},
        {2e23, "2.0E23"}, {1e23, "1.0E23"}, {9007199254740992.0, "9.007199254740992E15"}, {100.0, "100.0"}, {21.375, "21.375"}, {0.3, "0.3"},
        {0.1 + 0.2, "0.30000000000000004"}, {(double)NAN, "NaN"}, {(double)INFINITY, "Infinity"}, {-(double)INFINITY, "-Infinity"},
    };
    static const struct { float v; const char *text; } floats[] = {
        {0.1f, "0.1"}, {1.4e-45f, "1.4E-45"}, {3.4028235e38f, "3.4028235E38"}, {16777216.0f, "1.6777216E7"}, {1.0f, "1.0"}, {-0.0f, "-0.0"}, {3.3554432e7f, "3.3554432E7"},
        {1.17549435e-38f, "1.1754944E-38"}, {2.5f, "2.5"}, {1e10f, "1.0E10"}, {8.5e-43f, "8.5E-43"}, {33554450.0f, "3.355445E7"},
    };
    char buf[32];
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        sq_print_double(cases[i].v, buf);
        assert_string_equal(buf, cases[i].text);
    }
    for (size_t i = 0; i < SQ_LEN(floats); i++) {
        sq_print_float(floats[i].v, buf);
        assert_string_equal(buf, floats[i].text);
    }
    for (int i = 0; i < 150000; i++) {
        uint64_t bits = rnd();
        double v;
        if (i % 3 == 1)
            bits &= ~((UINT64_C(1) << (rnd() % 53)) - 1);     /* few bits: powers of two and their neighbours */
        memcpy(&v, &bits, sizeof v);
        if (i % 3 == 2)
            v = (double)(int64_t)(rnd() >> (rnd() % 60)) / pow(10, (double)(rnd() % 12));
        if (isfinite(v) && v != 0 && fabs(v) > 1e-320)
            check_print(v, (bits << 12) == 0 && i % 3 != 2);
    }
    for (int e = -1074; e < 1024; e++)
        if (e > -1070)
            check_print(ldexp(1, e), true);
    for (int i = 0; i < 150000; i++) {
        uint32_t bits = (uint32_t)rnd();
        float v;
        char want[40], d1[40], d2[40];
        int e1, e2;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v) || v == 0 || fabsf(v) < 1e-42f)
            continue;
        sq_print_float(v, buf);
        want_digits(v, 9, want, sizeof want);
        digits_of(buf, d1, &e1);
        digits_of(want, d2, &e2);
        if (strtof(buf, NULL) != v || ((bits << 9) && (strcmp(d1, d2) != 0 || e1 != e2)))
            fail_msg("%a printed as %s, should be %s", (double)v, buf, want);
    }
}

/* 10^q by long multiplication (or 2^k / 10^-q by long division), its first 128 bits. */
static void test_powers(void **state)
{
    (void)state;
    enum { N = 48 };
    uint32_t big[N] = {1};
    for (int q = 0; q <= SQ_POW10_MAX; q++) {
        int top = N * 32 - 1;
        while (!(big[top / 32] >> (top % 32) & 1))
            top--;
        uint64_t w[2] = {0, 0};
        for (int b = 0; b < 128; b++)
            w[b / 64] = w[b / 64] << 1 | (top - b >= 0 ? big[(top - b) / 32] >> ((top - b) % 32) & 1 : 0);
        assert_true(w[0] == sq_pow10_128[q - SQ_POW10_MIN][0] && w[1] == sq_pow10_128[q - SQ_POW10_MIN][1]);
        uint64_t carry = 0;
        for (int i = 0; i < N; i++) {
            carry += (uint64_t)big[i] * 10;
            big[i] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    memset(big, 0, sizeof big);
    big[N - 1] = 1u << 31;                            /* 2^1535, divided by ten again and again: 390 bits stay below 10^-342 */
    for (int q = -1; q >= SQ_POW10_MIN; q--) {
        uint64_t rest = 0;
        for (int i = N - 1; i >= 0; i--) {
            rest = rest << 32 | big[i];
            big[i] = (uint32_t)(rest / 10);
            rest %= 10;
        }
        int top = N * 32 - 1;
        while (!(big[top / 32] >> (top % 32) & 1))
            top--;
        uint64_t w[2] = {0, 0};
        for (int b = 0; b < 128; b++)
            w[b / 64] = w[b / 64] << 1 | (big[(top - b) / 32] >> ((top - b) % 32) & 1);
        assert_true(w[0] == sq_pow10_128[q - SQ_POW10_MIN][0] && w[1] == sq_pow10_128[q - SQ_POW10_MIN][1]);
    }
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct { const char *text; bool ok; int length, width; } cases[] = {
        {"", true, 0, 0}, {"abc", true, 3, 3}, {"caf\xc3\xa9", true, 4, 4}, {"\xe4\xb8\xad\xe6\x96\x87", true, 2, 4}, {"\xf0\x9f\x98\x80", true, 1, 2},
        {"e\xcc\x81", true, 2, 1}, {"0123456789abcdefghij\xc3\xbcklm", true, 24, 24}, {"\x7f", true, 1, 0}, {"\x80", false, 0, 0}, {"\xc0\x80", false, 0, 0},
        {"\xc1\xbf", false, 0, 0}, {"\xe0\x9f\xbf", false, 0, 0}, {"\xed\xa0\x80", false, 0, 0}, {"\xed\x9f\xbf", true, 1, 1}, {"\xf0\x8f\xbf\xbf", false, 0, 0},
        {"\xf4\x8f\xbf\xbf", true, 1, 1}, {"\xf4\x90\x80\x80", false, 0, 0}, {"\xf5\x80\x80\x80", false, 0, 0}, {"\xff", false, 0, 0}, {"a\xc3", false, 0, 0},
        {"\xe4\xb8", false, 0, 0}, {"\xf0\x9f\x98", false, 0, 0}, {"\xc3\x28", false, 0, 0}, {"12345678\xe2\x82\xac", true, 9, 9},
    };
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        struct sq_str s = sq_str_of(cases[i].text);
        if (sq_utf8_valid(s.p, s.n) != cases[i].ok)
            fail_msg("case %zu", i);
        if (cases[i].ok) {
            assert_int_equal(sq_utf8_length(s), cases[i].length);
            assert_int_equal(sq_utf8_width(s), cases[i].width);
        }
    }
    char buf[4];
    for (uint32_t c = 0; c < 0x110000; c += c < 0x900 ? 1 : 97) {
        int n = sq_utf8_put(c, buf);
        assert_int_equal(sq_utf8_valid(buf, (size_t)n), !(c >= 0xd800 && c < 0xe000));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_int), cmocka_unit_test(test_read), cmocka_unit_test(test_print), cmocka_unit_test(test_powers), cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
