/* SPDX-License-Identifier: Apache-2.0
 *
 * test_json.c: the json and debezium-json formats. Every case is decoded by the general path and with guessed shapes, padded and (in a block
 * that ends with the record) unpadded, alone and behind records that taught another shape; all must give the same.
 */
#include "base/os.h"
#include "connectors/formats/json_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "append.h"

static struct sq_budget budget;
static struct sq_ctx ctx = {.budget = &budget, .os = &sq_os_posix};
static struct sq_arena arena;
static struct sq_buf text;                        /* what the last run decoded */

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
    sq_buf_free(&text);
    assert_int_equal(budget.used, 0);
    return 0;
}

static const struct sq_type *ty(enum sq_tid id, int p, int s) { return sq_type_new(&arena, id, true, p, s); }

static struct sq_table_column col(const char *name, const struct sq_type *type) { return (struct sq_table_column){.name = sq_str_of(name), .type = type}; }

/* ---- decoding to text: "a|b\n" per row, bad records and fields as "!record column: reason\n" ---- */

static const struct sq_json_options plain = {.parser = true, .null_key_literal = {"null", 4}};

static void on_bad(void *arg, uint32_t record, struct sq_str column, const char *reason)
{
    sq_buf_printf(arg, "!%u %.*s: %s\n", record, SQ_FMT(column), reason);
}

struct run {
    const struct sq_format *format;
    struct sq_json_options opt;
    const struct sq_table_column *cols;
    uint32_t ncols;
    bool guess, padded;
    uint32_t max_rows;
    bool no_bad;
};

static uint64_t nbad, nfiltered;

static void print_rows(const struct sq_batch *b, uint32_t from)
{
    assert_null(sq_batch_check(b));
    for (uint32_t r = from; r < b->rows; r++) {
        if (b->kind)
            sq_buf_printf(&text, "%s ", sq_kind_name(b->kind[r]));
        for (uint32_t c = 0; c < b->ncols; c++) {
            if (c)
                sq_buf_putc(&text, '|');
            if (sq_vec_null(&b->cols[c], r))
                sq_buf_puts(&text, "NULL");
            else
                sq_print_value(&text, &b->cols[c], r, sq_tz_utc);
        }
        sq_buf_putc(&text, '\n');
    }
}

/* Decodes the records; the result is in `text`: rows, reports, and at last the error's message. */
static sq_rc decode(const struct run *run, const char *const *rec, const size_t *len, uint32_t n)
{
    const struct sq_type *types[32];
    struct sq_slice slice[64];
    char *block[64];
    struct sq_decoder *dec;
    struct sq_out out;
    uint32_t record_of[200];
    sq_rc rc = SQ_OK;

    sq_buf_free(&text);
    sq_buf_init(&text, &ctx);
    nbad = nfiltered = 0;
    for (uint32_t i = 0; i < run->ncols; i++)
        types[i] = run->cols[i].type;
    for (uint32_t i = 0; i < n; i++) {
        size_t m = len ? len[i] : strlen(rec[i]);
        block[i] = malloc(m + (run->padded ? SQ_JSON_PAD : 0) + (m == 0));
        memcpy(block[i], rec[i], m);
        if (run->padded)                          /* what stands behind a record must not matter: what would go on best */
            for (int k = 0; k < SQ_JSON_PAD; k++)
                block[i][m + (size_t)k] = "1234567890123\"}}]]"[k % 18];
        slice[i] = (struct sq_slice){block[i], m};
    }
    if (run->format == &sq_format_json)
        rc = sq_json_decoder_open(&ctx, &run->opt, run->cols, run->ncols, run->guess, &dec);
    else
        rc = run->format->decoder_open(&ctx, &run->opt, NULL, run->cols, run->ncols, &dec);
    assert_int_equal(rc, SQ_OK);
    assert_int_equal(sq_out_init(&out, &ctx, types, run->ncols), SQ_OK);
    for (uint32_t at = 0; at < n && rc == SQ_OK;) {
        struct sq_decode d = {.rec = slice + at, .nrec = n - at, .padded = run->padded, .max_rows = run->max_rows ? run->max_rows : 100, .out = &out,
                              .row_record = record_of, .bad = run->no_bad ? NULL : on_bad, .bad_arg = &text};
        sq_out_reset(&out);
        rc = run->format->decode(dec, &d);
        print_rows(sq_out_batch(&out), 0);
        for (uint32_t r = 0; r < out.n; r++)
            assert_true(record_of[r] < n - at && (r == 0 || record_of[r] >= record_of[r - 1]));
        nbad += d.nbad;
        nfiltered += d.nfiltered;
        if (rc != SQ_OK)
            sq_buf_printf(&text, "error in record %u: %s\n", at + d.failed, ctx.err.msg);
        else
            assert_true(d.consumed > 0 || out.n > 0);
        at += d.consumed;
    }
    sq_buf_putc(&text, 0);
    run->format->decoder_close(dec);
    sq_out_free(&out);
    for (uint32_t i = 0; i < n; i++)
        free(block[i]);
    return rc;
}

static void expect_n(struct run run, const char *const *rec, const size_t *len, uint32_t n, const char *want)
{
    run.max_rows = run.max_rows ? run.max_rows : 100;
    for (int mode = 0; mode < 4; mode++) {
        run.guess = mode & 1;
        run.padded = mode & 2;
        decode(&run, rec, len, n);
        if (strcmp(text.p, want) != 0)
            fail_msg("%s%s, %s...\n got:  %s\n want: %s", run.guess ? "guessing" : "general", run.padded ? " padded" : "", rec[0], text.p, want);
    }
}
#define EXPECT(run, want, ...)                                                                        \
    do {                                                                                              \
        const char *const rec_[] = {__VA_ARGS__};                                                     \
        expect_n(run, rec_, NULL, (uint32_t)SQ_LEN(rec_), want);                                      \
    } while (0)

/* ---- one value of each type ---- */

static void one_value(const struct sq_type *type, struct sq_json_options opt, const char *json, const char *want)
{
    struct sq_table_column cols[] = {col("a", type), col("z", &sq_type_int)};
    struct run run = {&sq_format_json, opt, cols, 2, .guess = false};
    char rec[8192], two[8192], rows[8192], reports[8400];

    snprintf(rec, sizeof rec, "{\"a\":%s,\"z\":7}", json);
    snprintf(two, sizeof two, "{\"a\": %s , \"z\": 7 }", json);
    if (want[0] == '!') {
        snprintf(rows, sizeof rows, "error in record 0: column 'a': %s\n", want + 1);
        EXPECT(run, rows, rec);
        EXPECT(run, rows, two);
        run.opt.ignore_errors = true;
        snprintf(reports, sizeof reports, "!0 a: %s\n!1 a: %s\n!2 a: %s\nNULL|7\nNULL|7\nNULL|7\n", want + 1, want + 1, want + 1);
        EXPECT(run, reports, rec, rec, two);
        assert_int_equal(nbad, 0);
        return;
    }
    if (want[0] == '~') {                        /* NULL and a report, whatever the option says */
        snprintf(reports, sizeof reports, "!0 a: %s\n!1 a: %s\n!2 a: %s\nNULL|7\nNULL|7\nNULL|7\n", want + 1, want + 1, want + 1);
        EXPECT(run, reports, rec, rec, two);
        run.opt.ignore_errors = true;
        EXPECT(run, reports, rec, rec, two);
        assert_int_equal(nbad, 0);
        return;
    }
    snprintf(rows, sizeof rows, "%s|7\n%s|7\n%s|7\nNULL|7\n%s|7\n%s|7\n", want, want, want, want, want);
    EXPECT(run, rows, rec, rec, rec, "{\"a\":null,\"z\":7}", two, two);
    run.opt.ignore_errors = true;
    EXPECT(run, rows, rec, rec, rec, "{\"z\":7}", two, two);
    struct sq_table_column last[] = {col("z", &sq_type_int), col("a", type)};    /* the value at the record's very end but for a bracket */
    run.cols = last;
    snprintf(rec, sizeof rec, "{\"z\":7,\"a\":%s}", json);
    snprintf(rows, sizeof rows, "7|%s\n7|%s\n7|%s\n", want, want, want);
    EXPECT(run, rows, rec, rec, rec);
}

static void test_scalars(void **state)
{
    (void)state;
    const struct sq_type *tiny = &sq_type_tinyint, *small = &sq_type_smallint, *i32 = &sq_type_int, *i64 = &sq_type_bigint, *f32 = &sq_type_float,
                         *f64 = &sq_type_double, *b = &sq_type_boolean, *str = &sq_type_string, *date = &sq_type_date, *t0 = ty(SQ_T_TIME, 0, 0),
                         *t3 = ty(SQ_T_TIME, 3, 0), *ts0 = ty(SQ_T_TIMESTAMP, 0, 0), *ts3 = &sq_type_timestamp3, *ts6 = &sq_type_timestamp6,
                         *ts9 = &sq_type_timestamp9, *ltz3 = &sq_type_ltz3, *dec = ty(SQ_T_DECIMAL, 5, 2), *big = ty(SQ_T_DECIMAL, 38, 10),
                         *bytes = &sq_type_bytes;
    struct { const struct sq_type *type; const char *json, *want; } cases[] = {
        {b, "true", "TRUE"}, {b, "false", "FALSE"}, {b, "\"true\"", "TRUE"}, {b, "\" TRUE \"", "TRUE"}, {b, "\"yes\"", "FALSE"}, {b, "1", "FALSE"},
        {b, "{}", "!not a BOOLEAN: {}"},
        {tiny, "127", "127"}, {tiny, "-128", "-128"}, {tiny, "128", "!out of range for TINYINT: 128"}, {tiny, "1.5", "!not a TINYINT: 1.5"}, {tiny, "\"12\"", "12"},
        {small, "-32768", "-32768"}, {small, "32768", "!out of range for SMALLINT: 32768"}, {small, "1.0", "!not a SMALLINT: 1.0"},
        {i32, "0", "0"}, {i32, "-0", "0"}, {i32, "2147483647", "2147483647"}, {i32, "-2147483648", "-2147483648"}, {i32, "2147483648", "!out of range for INT: 2147483648"},
        {i32, "12345678", "12345678"}, {i32, "123456789", "123456789"}, {i32, "1.5", "1"}, {i32, "-1.9", "-1"}, {i32, "1e3", "1000"}, {i32, "2147483648.0", "!not an INT: 2147483648.0"},
        {i32, "1234567890123456", "!out of range for INT: 1234567890123456"},
        {i32, "\"12\"", "12"}, {i32, "\" +12 \"", "12"}, {i32, "\"1.5\"", "!not an INT: \"1.5\""}, {i32, "\"\"", "!not an INT: \"\""}, {i32, "true", "!not an INT: true"},
        {i32, "[1, 2]", "!not an INT: [1, 2]"}, {i32, "{\"a\": {}}", "!not an INT: {\"a\": {}}"}, {i32, "\"\\u0031\"", "1"},
        {i64, "1700000000123", "1700000000123"}, {i64, "9223372036854775807", "9223372036854775807"}, {i64, "-9223372036854775808", "-9223372036854775808"},
        {i64, "9223372036854775808", "!out of range for BIGINT: 9223372036854775808"}, {i64, "123456789012345678901234567890", "!out of range for BIGINT: 123456789012345678901234567890"},
        {i64, "1234567890123456", "1234567890123456"}, {i64, "123456789012345", "123456789012345"}, {i64, "12345678901234567", "12345678901234567"}, {i64, "7", "7"},
        {i64, "1.9e3", "1900"}, {i64, "1e18", "1000000000000000000"}, {i64, "1e19", "!not a BIGINT: 1e19"}, {i64, "\"9\"", "9"},
        {f64, "21.375", "21.375"}, {f64, "-0.0", "-0.0"}, {f64, "0", "0.0"}, {f64, "1", "1.0"}, {f64, "1e10", "1.0E10"}, {f64, "1.25E-5", "1.25E-5"}, {f64, "0.1", "0.1"},
        {f64, "123456789.123456789", "1.2345678912345679E8"}, {f64, "1234567.1234567", "1234567.1234567"}, {f64, "12345678.5", "1.23456785E7"}, {f64, "0.30000000000000004", "0.30000000000000004"},
        {f64, "1e400", "Infinity"}, {f64, "\"NaN\"", "NaN"}, {f64, "\"-Infinity\"", "-Infinity"}, {f64, "\" 1.5 \"", "1.5"}, {f64, "\"1.5f\"", "1.5"}, {f64, "\"abc\"", "!not a DOUBLE: \"abc\""},
        {f64, "false", "!not a DOUBLE: false"}, {f64, "18446744073709551616", "1.8446744073709552E19"},
        {f32, "0.1", "0.1"}, {f32, "1e39", "Infinity"}, {f32, "16777217", "1.6777216E7"}, {f32, "\"2.5\"", "2.5"},
        {dec, "1", "1.00"}, {dec, "1.005", "1.01"}, {dec, "-1.005", "-1.01"}, {dec, "999.99", "999.99"}, {dec, "999.995", "~too large for a DECIMAL(5, 2): 999.995"}, {dec, "1000", "~too large for a DECIMAL(5, 2): 1000"}, {dec, "\" 12.5 \"", "12.50"},
        {dec, "1e2", "100.00"}, {dec, "1.5e-1", "0.15"}, {dec, "\"1e2\"", "100.00"}, {dec, "\"12,50\"", "!not a DECIMAL(5, 2): \"12,50\""}, {dec, "true", "!not a DECIMAL(5, 2): true"},
        {dec, "1e99999", "~too large for a DECIMAL(5, 2): 1e99999"}, {dec, "1e-99999", "0.00"},
        {big, "1234567890123456789012345678.0123456789", "1234567890123456789012345678.0123456789"}, {big, "0.00000000005", "0.0000000001"}, {big, "1e27", "1000000000000000000000000000.0000000000"},
        {str, "\"abc\"", "abc"}, {str, "\"\"", ""}, {str, "\"sensor-00421\"", "sensor-00421"}, {str, "\"sensor-004212\"", "sensor-004212"}, {str, "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"", "caf\xc3\xa9 \xf0\x9f\x98\x80"},
        {str, "\"a\\\"b\\\\c\\/d\\b\\f\\n\\r\\te\"", "a\"b\\c/d\b\f\n\r\te"}, {str, "\"\\u00e9\\u20AC\\ud83d\\ude00\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"}, {str, "\"x\\ud83dy\\ude00\"", "x?y?"},
        {str, "\"\\ud83d\\u0041\"", "?A"}, {str, "12", "12"}, {str, "1.50", "1.50"}, {str, "true", "true"}, {str, "\"a\tb\"", "a\tb"},
        {str, "{ \"k\" : [ 1 , 2.50 , \"\\u00e9\\n\" ] , \"x\" : null }", "{\"k\":[1,2.5,\"\xc3\xa9\\n\"],\"x\":null}"}, {str, "[ ]", "[]"},
        {str, "\"a long string of more than sixteen bytes, and more than thirty-two\"", "a long string of more than sixteen bytes, and more than thirty-two"},
        {bytes, "\"YWJj\"", "abc"}, {bytes, "\"YWI=\"", "ab"}, {bytes, "\"YQ==\"", "a"}, {bytes, "\"\"", ""}, {bytes, "\"YQ=\"", "!not base64: \"YQ=\""}, {bytes, "\"Y*==\"", "!not base64: \"Y*==\""},
        {bytes, "\"YQ==YQ==\"", "!not base64: \"YQ==YQ==\""}, {bytes, "12", "!not a string of base64: 12"}, {bytes, "\"YWJjZGVmZ2hpamtsbW5vcHFy\"", "abcdefghijklmnopqr"},
        {date, "\"2024-02-29\"", "2024-02-29"}, {date, "\"2023-02-29\"", "!not a DATE (yyyy-MM-dd): \"2023-02-29\""}, {date, "\"2024-2-9\"", "!not a DATE (yyyy-MM-dd): \"2024-2-9\""},
        {date, "\"2024-02-29 \"", "!not a DATE (yyyy-MM-dd): \"2024-02-29 \""}, {date, "20240229", "!not a DATE (yyyy-MM-dd): 20240229"},
        {t0, "\"12:34:56\"", "12:34:56"}, {t0, "\"12:34:56.789\"", "12:34:56"}, {t3, "\"12:34:56.789\"", "12:34:56.789"}, {t0, "\"12:34\"", "!not a TIME (HH:mm:ss[.fraction]): \"12:34\""},
        {t0, "\"24:00:00\"", "!not a TIME (HH:mm:ss[.fraction]): \"24:00:00\""},
        {ts3, "\"2024-01-02 03:04:05.678\"", "2024-01-02 03:04:05.678"}, {ts3, "\"2024-01-02 03:04:05\"", "2024-01-02 03:04:05.000"}, {ts3, "\"2024-01-02 03:04:05.6789\"", "2024-01-02 03:04:05.678"},
        {ts0, "\"2024-01-02 03:04:05.9\"", "2024-01-02 03:04:05"}, {ts6, "\"1969-12-31 23:59:59.000001\"", "1969-12-31 23:59:59.000001"}, {ts9, "\"2024-01-02 03:04:05.123456789\"", "2024-01-02 03:04:05.123456789"},
        {ts9, "\"0001-01-01 00:00:00.000000001\"", "0001-01-01 00:00:00.000000001"},
        {ts3, "\"2024-01-02T03:04:05\"", "!not a TIMESTAMP (yyyy-MM-dd HH:mm:ss[.fraction]): \"2024-01-02T03:04:05\""},
        {ts3, "\"2024-01-02 03:04:05Z\"", "!not a TIMESTAMP (yyyy-MM-dd HH:mm:ss[.fraction]): \"2024-01-02 03:04:05Z\""},
        {ts3, "\"2024-01-02 03:04:05.1234567891\"", "!not a TIMESTAMP (yyyy-MM-dd HH:mm:ss[.fraction]): \"2024-01-02 03:04:05.1234567891\""},
        {ts3, "1700000000", "!not a TIMESTAMP (yyyy-MM-dd HH:mm:ss[.fraction]): 1700000000"},
        {ltz3, "\"2024-01-02 03:04:05.678Z\"", "2024-01-02 03:04:05.678"},
        {ltz3, "\"2024-01-02 03:04:05\"", "!not a TIMESTAMP_LTZ (yyyy-MM-dd HH:mm:ss[.fraction]'Z'): \"2024-01-02 03:04:05\""},
        {&sq_type_null, "12", "NULL"},
    };
    for (size_t i = 0; i < SQ_LEN(cases); i++)
        one_value(cases[i].type, plain, cases[i].json, cases[i].want);
    struct sq_json_options iso = plain, tree = plain;
    iso.timestamp = SQ_JSON_ISO;
    tree.parser = false;
    one_value(ts3, iso, "\"2024-01-02T03:04:05.678\"", "2024-01-02 03:04:05.678");
    one_value(ts3, iso, "\"2024-01-02T03:04\"", "2024-01-02 03:04:00.000");
    one_value(ts3, iso, "\"2024-01-02 03:04:05\"", "!not a TIMESTAMP (yyyy-MM-dd'T'HH:mm:ss[.fraction]): \"2024-01-02 03:04:05\"");
    one_value(ltz3, iso, "\"2024-01-02T03:04:05.678Z\"", "2024-01-02 03:04:05.678");
    one_value(str, tree, "1.50", "1.5");
    one_value(str, tree, "150", "150");
}

static void test_nested(void **state)
{
    (void)state;
    const struct sq_field f[] = {{SQ_STR("x"), &sq_type_int}, {SQ_STR("y"), &sq_type_string}};
    const struct sq_type *row = sq_type_row(&arena, true, f, 2), *ints = sq_type_array(&arena, true, &sq_type_int),
                         *map = sq_type_map(&arena, true, &sq_type_string, &sq_type_int), *rows = sq_type_array(&arena, true, row),
                         *maps = sq_type_map(&arena, true, &sq_type_string, rows), *multi = sq_type_multiset(&arena, true, &sq_type_string);
    const struct sq_field g[] = {{SQ_STR("r"), row}, {SQ_STR("m"), maps}, {SQ_STR("l"), sq_type_array(&arena, true, ints)}};
    const struct sq_type *deep = sq_type_row(&arena, true, g, 3);
    struct { const struct sq_type *type; const char *json, *want; } cases[] = {
        {ints, "[1,2, 3 ]", "[1, 2, 3]"}, {ints, "[]", "[]"}, {ints, "[ ]", "[]"}, {ints, "[null,\"4\"]", "[NULL, 4]"}, {ints, "{\"a\":1}", "!not an ARRAY<INT>: {\"a\":1}"},
        {ints, "[1, true]", "!not an INT: true"}, {ints, "7", "!not an ARRAY<INT>: 7"},
        {row, "{\"x\":1,\"y\":\"b\"}", "(1, b)"}, {row, "{\"y\":\"b\"}", "(NULL, b)"}, {row, "{}", "(NULL, NULL)"}, {row, "{\"y\":1,\"q\":[{}],\"x\":2,\"x\":3}", "(3, 1)"},
        {row, "[1]", "!not a ROW<`x` INT, `y` STRING>: [1]"}, {row, "{\"x\":\"?\"}", "!in 'x': not an INT: \"?\""},
        {map, "{\"a\":1,\"b\":2}", "{a=1, b=2}"}, {map, "{\"a\":1,\"b\":2,\"\\u0061\":3}", "{b=2, a=3}"}, {map, "{}", "{}"}, {map, "{\"a\":null}", "{a=NULL}"},
        {map, "{\"a\":1,\"a\":2,\"a\":3,\"b\":4,\"a\":5}", "{b=4, a=5}"}, {map, "{\"a\":\"x\"}", "!not an INT: \"x\""}, {map, "3", "!not a MAP<STRING, INT>: 3"},
        {multi, "{\"a\":2,\"b\":1}", "{a=2, b=1}"},
        {rows, "[{\"x\":1},{\"y\":\"z\"},null]", "[(1, NULL), (NULL, z), NULL]"},
        {deep, "{\"l\":[[1],[],null,[2,3]],\"m\":{\"k\":[{\"x\":1,\"y\":\"q\"}],\"n\":null},\"r\":{\"x\":9}}", "((9, NULL), {k=[(1, q)], n=NULL}, [[1], [], NULL, [2, 3]])"},
    };
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        if (cases[i].want[0] == '!' && (cases[i].json[0] == '[' || cases[i].json[0] == '{') && !strstr(cases[i].want, cases[i].json)) {
            struct sq_table_column c[] = {col("a", cases[i].type)};    /* the error is inside: with ignored errors the rest stays */
            struct run run = {&sq_format_json, plain, c, 1, .guess = false};
            char rec[200], want[300];
            snprintf(rec, sizeof rec, "{\"a\":%s}", cases[i].json);
            snprintf(want, sizeof want, "error in record 0: column 'a': %s\n", cases[i].want + 1);
            EXPECT(run, want, rec);
        } else {
            one_value(cases[i].type, plain, cases[i].json, cases[i].want);
        }
    }
    struct sq_table_column c[] = {col("a", ints), col("m", map), col("r", row)};
    struct run run = {&sq_format_json, plain, c, 3, .guess = false};
    run.opt.ignore_errors = true;
    EXPECT(run,
           "!0 a: not an INT: true\n!0 m: not an INT: \"x\"\n!0 r: in 'x': not an INT: {}\n!1 : malformed JSON at byte 16: expected ',' or ']': }\n"
           "!2 : malformed JSON at byte 27: not a JSON value: ]}\n[1, NULL, 3]|{k=NULL, l=2}|(NULL, z)\n[4]|{b=1}|(5, NULL)\n",
           "{\"a\":[1,true,3],\"m\":{\"k\":\"x\",\"l\":2},\"r\":{\"y\":\"z\",\"x\":{}}}", "{\"a\":[1,2,3,4,5}", "{\"a\":[7,8],\"m\":{\"k\":1,\"l\":]}",
           "{\"a\":[4],\"m\":{\"b\":1},\"r\":{\"x\":5}}");
    assert_int_equal(nbad, 2);
    char many[16000] = "{\"m\":{", want[16000] = "NULL|{";     /* a map with many keys, each twice */
    for (int i = 0; i < 600; i++)
        APPEND(many, "%s\"key%d\":%d", i ? "," : "", i % 300, i);
    for (int i = 300; i < 600; i++)
        APPEND(want, "%skey%d=%d", i > 300 ? ", " : "", i % 300, i);
    APPEND(many, "}}");
    APPEND(want, "}|NULL\n");
    EXPECT(run, want, many);
}

/* ---- what is not JSON ---- */

static void test_malformed(void **state)
{
    (void)state;
    struct sq_table_column cols[] = {col("a", &sq_type_int)};
    struct run run = {&sq_format_json, plain, cols, 1, .guess = false};
    struct { const char *rec; size_t n; const char *want; } cases[] = {
        {"{\"a\":1", 0, "at byte 7: expected ',' or '}', and the record ends here"},
        {"{\"a\":1}}", 0, "at byte 8: text behind the value: }"},
        {"{\"a\":1} {", 0, "at byte 9: text behind the value: {"},
        {"{\"a\":1,}", 0, "at byte 8: expected a field's name in double quotes: }"},
        {"{a:1}", 0, "at byte 2: expected a field's name in double quotes: a:1}"},
        {"{'a':1}", 0, "at byte 2: expected a field's name in double quotes: 'a':1}"},
        {"{\"a\" 1}", 0, "at byte 6: expected ':' after the field's name: 1}"},
        {"{\"a\":}", 0, "at byte 6: not a JSON value: }"},
        {"{\"a\":", 0, "at byte 6: expected a value, and the record ends here"},
        {"{\"b\":", 0, "at byte 6: the record ends where a value should be, and the record ends here"},
        {"{\"a\":01}", 0, "at byte 6: a number with a leading zero: 01}"},
        {"{\"a\":-}", 0, "at byte 6: not a number: -}"},
        {"{\"a\":+1}", 0, "at byte 6: not a JSON value: +1}"},
        {"{\"a\":1.}", 0, "at byte 6: a digit must follow the decimal point: 1.}"},
        {"{\"a\":.5}", 0, "at byte 6: not a JSON value: .5}"},
        {"{\"a\":1e}", 0, "at byte 6: a digit must follow the exponent's letter: 1e}"},
        {"{\"a\":NaN}", 0, "at byte 6: not a JSON value: NaN}"},
        {"{\"a\":tru}", 0, "at byte 6: not a JSON value: tru}"},
        {"{\"b\":truely}", 0, "at byte 10: expected ',' or '}': ly}"},
        {"{\"b\":\"x}", 0, "at byte 6: this string is not closed: \"x}"},
        {"{\"b\":\"x\\", 0, "at byte 6: this string is not closed: \"x\\"},
        {"{\"b\":\"\\x\"}", 0, "at byte 7: unknown escape: \\x\"}"},
        {"{\"b\":\"\\u12g4\"}", 0, "at byte 7: \\u takes four hexadecimal digits: \\u12g4\"}"},
        {"{\"b\":\"\\u12", 0, "at byte 7: \\u takes four hexadecimal digits: \\u12"},
        {"{\"b\":\"\xff\"}", 0, "at byte 7: invalid UTF-8: \\xff\"}"},
        {"{\"b\":\"\xc3\"}", 0, "at byte 7: invalid UTF-8: \\xc3\"}"},
        {"{\"b\":\"ab\xed\xa0\x80\"}", 0, "at byte 9: invalid UTF-8: \\xed\\xa0\\x80\"}"},
        {"{\"b\":\"\xe2\x82", 0, "at byte 7: invalid UTF-8: \\xe2\\x82"},
        {"{\"\xff\":1}", 0, "at byte 3: invalid UTF-8: \\xff\":1}"},
        {"{\"b\":\"x\0y\"}", 11, "at byte 8: a NUL byte in a string: \\x00y\"}"},
        {"{\"a\":1}\0", 8, "at byte 8: text behind the value: \\x00"},
        {"\0", 1, "at byte 1: expected an object or an array of objects: \\x00"},
        {"null", 0, "at byte 1: expected an object or an array of objects: null"},
        {"\"x\"", 0, "at byte 1: expected an object or an array of objects: \"x\""},
        {"{\"a\":1]", 0, "at byte 7: expected ',' or '}': ]"},
        {"{\"b\":[1}", 0, "at byte 8: expected ',' or ']': }"},
        {"{\"b\":[1,]}", 0, "at byte 9: not a JSON value: ]}"},
        {"{\"b\":{\"c\":1,}}", 0, "at byte 13: expected a field's name in double quotes: }}"},
        {"{\"a\":1}//", 0, "at byte 8: text behind the value: //"},
        {"{\"b\":1\n2}", 0, "at byte 8: expected ',' or '}': 2}"},
        {"{\"b\":\x01}", 0, "at byte 6: not a JSON value: \\x01}"},
        {"{", 0, "at byte 2: expected a field's name in double quotes, and the record ends here"},
        {"{\"", 0, "at byte 2: this string is not closed: \""},
        {"{\"b\":\"0123456789012345678901234567890123456789012345678901234567890123456789", 0,
         "at byte 6: this string is not closed: \"01234567890123456789012345678901234567890123456789012345678\xe2\x80\xa6"},
    };
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        char want[600];
        size_t n = cases[i].n ? cases[i].n : strlen(cases[i].rec), len[4] = {7, 7, n, 7};
        const char *rec[4] = {"{\"a\":5}", "{\"a\":5}", cases[i].rec, "{\"a\":6}"};
        run.opt.ignore_errors = false;
        snprintf(want, sizeof want, "error in record 0: malformed JSON %s\n", cases[i].want);
        expect_n(run, rec + 2, len + 2, 1, want);
        snprintf(want, sizeof want, "5\n5\nerror in record 2: malformed JSON %s\n", cases[i].want);
        expect_n(run, rec, len, 4, want);
        run.opt.ignore_errors = true;
        snprintf(want, sizeof want, "!2 : malformed JSON %s\n5\n5\n6\n", cases[i].want);
        expect_n(run, rec, len, 4, want);
        assert_int_equal(nbad, 1);
    }
    run.no_bad = true;
    EXPECT(run, "5\n6\n", "{\"a\":5}", "{", "{\"a\":6}");
}

static void test_depth(void **state)
{
    (void)state;
    struct sq_table_column cols[] = {col("a", &sq_type_int)};
    struct run run = {&sq_format_json, plain, cols, 1, .guess = false};
    static char rec[9000];
    for (int depth = 998; depth <= 1001; depth++) {
        rec[0] = 0;
        APPEND(rec, "{\"b\":");
        for (int i = 0; i < depth; i++)
            APPEND(rec, "%s", i % 2 ? "{\"\":" : "[");
        APPEND(rec, "1");
        for (int i = depth; i-- > 0;)
            APPEND(rec, "%c", i % 2 ? '}' : ']');
        APPEND(rec, ",\"a\":3}");
        run.padded = true;
        sq_rc rc = decode(&run, (const char *const[]){rec}, NULL, 1);
        assert_int_equal(rc, depth < SQ_JSON_DEPTH ? SQ_OK : SQ_DATA);
        if (rc != SQ_OK)
            assert_non_null(strstr(text.p, "nested deeper than 1000 levels"));
    }
}

/* ---- options ---- */

static void test_missing(void **state)
{
    (void)state;
    const struct sq_field f[] = {{SQ_STR("x"), &sq_type_int}};
    struct sq_table_column cols[] = {col("a", &sq_type_int), col("b", &sq_type_string), col("r", sq_type_row(&arena, true, f, 1))};
    struct run run = {&sq_format_json, plain, cols, 3, .guess = false};
    EXPECT(run, "1|NULL|NULL\nNULL|x|NULL\nNULL|NULL|NULL\n1|y|(NULL)\n1|NULL|NULL\n", "{\"a\":1}", "{\"b\":\"x\"}", "{}", "{\"r\":{},\"b\":\"y\",\"a\":1}", "{\"a\":1}");
    run.opt.fail_on_missing = true;
    EXPECT(run, "1|x|(2)\n1|NULL|(2)\nerror in record 2: column 'b': the record has no such field\n", "{\"a\":1,\"b\":\"x\",\"r\":{\"x\":2}}",
           "{\"a\":1,\"b\":null,\"r\":{\"x\":2}}", "{\"a\":1,\"r\":{\"x\":2}}");
    EXPECT(run, "error in record 0: column 'r': the object has no field 'x'\n", "{\"a\":1,\"b\":\"x\",\"r\":{}}");
    EXPECT(run, "error in record 0: column 'a': the record has no such field\n", "{}");
}

static void test_records(void **state)
{
    (void)state;
    struct sq_table_column cols[] = {col("a", &sq_type_int), col("b", &sq_type_string)};
    struct run run = {&sq_format_json, plain, cols, 2, .guess = false};
    EXPECT(run, "1|x\n2|y\n3|z\n", "", "{\"a\":1,\"b\":\"x\"}", " \t\r", "{\"a\":2,\"b\":\"y\"}\r", "\xef\xbb\xbf{\"a\":3,\"b\":\"z\"}", "\r");
    assert_int_equal(nfiltered, 3);
    /* top-level arrays */
    EXPECT(run, "1|NULL\n2|NULL\n3|x\n4|NULL\n", "[{\"a\":1},{\"a\":2}]", "{\"a\":3,\"b\":\"x\"}", "[]", " [ {\"a\":4} ] ");
    EXPECT(run, "error in record 0: malformed JSON at byte 11: expected an object in the array: 2]\n", "[{\"a\":1}, 2]");
    EXPECT(run, "error in record 0: malformed JSON at byte 10: expected ',' or ']', and the record ends here\n", "[{\"a\":1} ");
    EXPECT(run, "error in record 0: malformed JSON at byte 13: not a JSON value: x}]\n", "[{\"a\":1,\"b\":x}]");
    run.max_rows = 2;
    EXPECT(run, "1|NULL\n2|NULL\n3|NULL\n4|NULL\n5|NULL\n6|y\n7|NULL\n8|NULL\n", "[{\"a\":1},{\"a\":2},{\"a\":3},{\"a\":4},{\"a\":5}]", "{\"a\":6,\"b\":\"y\"}",
           "[{\"a\":7},{\"a\":8}]");
    run.max_rows = 1;
    EXPECT(run, "1|NULL\n2|NULL\n3|x\n4|x\n5|x\n", "[{\"a\":1},{\"a\":2}]", "{\"a\":3,\"b\":\"x\"}", "{\"a\":4,\"b\":\"x\"}", "", "{\"a\":5,\"b\":\"x\"}");
    run.max_rows = 0;
    run.opt.ignore_errors = true;
    EXPECT(run, "!0 : malformed JSON at byte 11: expected an object in the array: 2]\n!1 a: not an INT: \"x\"\nNULL|NULL\n7|NULL\n", "[{\"a\":1}, 2]",
           "[{\"a\":\"x\"},{\"a\":7}]");
    run.opt.parser = run.opt.ignore_errors = false;
    EXPECT(run, "error in record 0: malformed JSON at byte 1: expected an object: [{\"a\":1}]\n", "[{\"a\":1}]");
    /* no wanted column at all: records are still checked and counted */
    run.opt = plain;
    run.ncols = 0;
    EXPECT(run, "\n\n\nerror in record 3: malformed JSON at byte 6: a number with a leading zero: 01}\n", "{\"a\":1}", "{\"a\":2}", "{\"a\":3}", "{\"a\":01}");
}

/* What the fast path could get wrong. */
static void test_shapes(void **state)
{
    (void)state;
    struct sq_table_column cols[] = {col("id", &sq_type_string), col("n", &sq_type_bigint), col("v", &sq_type_double), col("i", &sq_type_int)};
    struct run run = {&sq_format_json, plain, cols, 4, .guess = false};
    const char *base = "{\"id\":\"sensor-0042\",\"n\":1700000000123,\"v\":21.375,\"i\":5}";
#define ROW "sensor-0042|1700000000123|21.375|5\n"
    EXPECT(run, ROW ROW ROW "sensor-0043|-1|-0.5|-2147483648\n" ROW, base, base, base, "{\"id\":\"sensor-0043\",\"n\":-1,\"v\":-0.5,\"i\":-2147483648}", base);
    EXPECT(run, ROW "sensor-0042|1|2.0|3\n" ROW, base, "{\"n\":1,\"id\":\"sensor-0042\",\"i\":3,\"v\":2}", base);                     /* another order */
    EXPECT(run, ROW ROW ROW, base, "{ \"id\" : \"sensor-0042\" , \"n\" : 1700000000123 , \"v\" : 21.375 , \"i\" : 5 }", base);       /* white space */
    EXPECT(run, ROW "a|1|1.0|9\n" ROW, base, "{\"id\":\"a\",\"n\":1,\"v\":1,\"i\":7,\"i\":9}", base);                                 /* a key twice */
    EXPECT(run, ROW "b|1|1.0|7\n" "b|2|2.0|8\n" ROW, base, "{\"id\":\"a\",\"n\":1,\"v\":1,\"i\":7,\"id\":\"b\"}", "{\"id\":\"a\",\"n\":2,\"v\":2,\"i\":8,\"id\":\"b\"}", base);
    EXPECT(run, ROW ROW ROW, base, "{\"i\\u0064\":\"sensor-0042\",\"n\":1700000000123,\"v\":21.375,\"\\u0069\":5}", "{\"i\\u0064\":\"sensor-0042\",\"n\":1700000000123,\"v\":21.375,\"\\u0069\":5}");
    EXPECT(run, ROW "s|NULL|1.0|1\n" "s|NULL|1.0|1\n" ROW, base, "{\"id\":\"s\",\"v\":1,\"i\":1}", "{\"id\":\"s\",\"v\":1,\"i\":1}", base);
    EXPECT(run, ROW ROW ROW, base, "{\"id\":\"sensor-0042\",\"n\":1700000000123,\"v\":21.375,\"i\":5,\"more\":[{\"x\":[1,2]},\"y\"],\"q\":\"\\n\",\"w\":1e5}",
           "{\"id\":\"sensor-0042\",\"n\":1700000000123,\"v\":21.375,\"i\":5,\"more\":[{\"x\":[1,2]},\"y\"],\"q\":\"\\n\",\"w\":1e5}");
    EXPECT(run, ROW "a\tb|1|100.0|1\n" "\xc3\xa9|12|0.001|1\n" ROW, base, "{\"id\":\"a\\tb\",\"n\":1.9,\"v\":1e2,\"i\":1}", "{\"id\":\"\xc3\xa9\",\"n\":\"12\",\"v\":\"1e-3\",\"i\":1.5}", base);
    EXPECT(run, ROW "NULL|NULL|NULL|NULL\n" ROW, base, "{\"id\":null,\"n\":null,\"v\":null,\"i\":null}", base);
    EXPECT(run, ROW "7|7|7.0|7\n" ROW, base, "{\"id\":7,\"n\":7,\"v\":7,\"i\":7}", base);
    EXPECT(run, ROW "error in record 1: column 'i': out of range for INT: 2147483648\n", base, "{\"id\":\"sensor-0042\",\"n\":1700000000123,\"v\":21.375,\"i\":2147483648}", base);
    static const char *const bad[] = {"{\"id\":\"sensor-0042\",\"n\":01,\"v\":21.375,\"i\":5}", "{\"id\":\"sensor-0042\",\"n\":1,\"v\":00.5,\"i\":5}", "{\"id\":\"sensor-0042\",\"n\":1,\"v\":1.,\"i\":5}",
                                      "{\"id\":\"sensor-0042\",\"n\":-,\"v\":1.5,\"i\":5}", "{\"id\":\"sensor-0042\",\"n\":1,\"v\":.5,\"i\":5}", "{\"id\":\"sensor-0042\",\"n\":,\"v\":.5,\"i\":5}",
                                      "{\"id\":\"sensor-0042\",\"n\":1,\"v\":1.5,\"i\":5", "{\"id\":\"sensor-0042\",\"n\":1,\"v\":1.5,\"i\":5}}", "{\"id\":\"sensor-0042\",\"n\":1,\"v\":1.5,\"i\":",
                                      "{\"id\":\"sensor-0042", "{\"id\":\"", "{\"id\":\"sensor-0042\",\"n\":1700000000123,\"v\":21.375,\"i\":5}{\"id\":\"sensor-0042\",\"n\":1700000000123,\"v\":21.375,\"i\":5}",
                                      "{\"id\":\"sensor\xff-0042\",\"n\":1,\"v\":1.5,\"i\":5}", "{\"id\":\"sensor\\-0042\",\"n\":1,\"v\":1.5,\"i\":5}", "{\"id\":\"sensor-0042\",\"n\":1 2,\"v\":1.5,\"i\":5}"};
    run.opt.ignore_errors = true;
    for (size_t i = 0; i < SQ_LEN(bad); i++)
        for (int mode = 0; mode < 4; mode++) {
            run.guess = mode & 1;
            run.padded = mode & 2;
            assert_int_equal(decode(&run, (const char *const[]){base, base, bad[i], base}, NULL, 4), SQ_OK);
            if (nbad != 1 || strncmp(text.p, "!2 : ", 5) != 0 || strcmp(strchr(text.p, '\n') + 1, ROW ROW ROW) != 0)
                fail_msg("%s: %s", bad[i], text.p);
        }
    /* every length of a string and of numbers, at the end of the record and not */
    char rec[40][300];
    const char *recs[40];
    char want[9000] = "";
    for (int i = 0; i < 40; i++) {
        char id[50] = "", num[32] = "", frac[32] = "";
        for (int k = 0; k < i; k++)
            id[k] = (char)('a' + k % 26);
        for (int k = 0; k < 1 + i % 18; k++)
            num[k] = (char)('1' + k % 9);
        for (int k = 0; k < 1 + i % 15; k++)
            frac[k] = (char)('1' + (k * 7) % 9);
        snprintf(rec[i], sizeof rec[i], "{\"id\":\"%s\",\"n\":%s,\"v\":%d.%s,\"i\":%.9s}", id, num, i, frac, num);
        char d[64], value[32];
        snprintf(d, sizeof d, "%d.%s", i, frac);
        sq_print_double(strtod(d, NULL), value);
        APPEND(want, "%s|%s|%s|%.9s\n", id, num, value, num);
        recs[i] = rec[i];
    }
    expect_n(run, recs, NULL, 40, want);
    /* a shape with more fields than are remembered */
    char wide[4000] = "{";
    for (int i = 0; i < 100; i++)
        APPEND(wide, "\"f%d\":%d,", i, i);
    APPEND(wide, "\"i\":3}");
    EXPECT(run, "NULL|NULL|NULL|3\nNULL|NULL|NULL|3\n" ROW, wide, wide, base);
    char longkey[3000] = "{\"";
    memset(longkey + 2, 'k', 2000);
    APPEND(longkey, "\":1,\"i\":4}");
    EXPECT(run, "NULL|NULL|NULL|4\nNULL|NULL|NULL|4\nNULL|NULL|NULL|4\n", longkey, longkey, longkey);
#undef ROW
}

static void test_check(void **state)
{
    (void)state;
    struct sq_table_column bad[] = {col("m", sq_type_map(&arena, true, &sq_type_int, &sq_type_string))}, good[] = {col("m", sq_type_map(&arena, true, &sq_type_string, &sq_type_string))};
    struct sq_kv kv[] = {{SQ_STR("json.fail-on-missing-field"), SQ_STR("true"), {10, 5}, {20, 4}}};
    struct sq_table_spec t = {.name = SQ_STR("t"), .span = {3, 1}, .cols = good, .ncols = 1, .options = kv, .noptions = 1};
    struct sq_json_options both = plain;
    both.fail_on_missing = both.ignore_errors = true;
    assert_int_equal(sq_format_json.check(&ctx, &plain, &t, false), SQ_OK);
    assert_int_equal(sq_format_json.check(&ctx, &both, &t, false), SQ_SEMANTIC);
    assert_int_equal(ctx.err.span.at, 10);
    assert_int_equal(sq_format_json.check(&ctx, &both, &t, true), SQ_OK);
    t.cols = bad;
    assert_int_equal(sq_format_json.check(&ctx, &plain, &t, true), SQ_UNSUPPORTED);
    assert_string_equal(ctx.err.msg, "column 'm': format 'json' takes only strings as keys of a map, not MAP<INT, STRING>");
    struct sq_json_options schema = plain;
    schema.schema_include = true;
    t.cols = good;
    assert_int_equal(sq_format_debezium_json.check(&ctx, &schema, &t, false), SQ_OK);
    assert_int_equal(sq_format_debezium_json.check(&ctx, &schema, &t, true), SQ_SEMANTIC);
}

/* ---- debezium-json ---- */

static void test_debezium(void **state)
{
    (void)state;
    struct sq_table_column cols[] = {col("id", &sq_type_int), col("name", &sq_type_string)};
    struct run run = {&sq_format_debezium_json, plain, cols, 2, .guess = false};
#define OBJ(i, n) "{\"id\":" #i ",\"name\":\"" n "\"}"
    const char *c = "{\"before\":null,\"after\":" OBJ(1, "a") ",\"source\":{\"x\":[1]},\"op\":\"c\",\"ts_ms\":5}", *r = "{\"op\":\"r\",\"after\":" OBJ(2, "b") "}",
               *u = "{\"before\":" OBJ(1, "a") ",\"after\":" OBJ(1, "aa") ",\"op\":\"u\"}", *d = "{\"before\":" OBJ(2, "b") ",\"after\":null,\"op\":\"d\"}";
    EXPECT(run, "+I 1|a\n+I 2|b\n-U 1|a\n+U 1|aa\n-D 2|b\n", c, r, "", u, d);
    assert_int_equal(nfiltered, 1);
    for (run.max_rows = 1; run.max_rows < 6; run.max_rows++) {           /* kinds are shown only where a batch has others than +I */
        decode(&run, (const char *const[]){u, u, d, u}, NULL, 4);
        assert_string_equal(text.p, "-U 1|a\n+U 1|aa\n-U 1|a\n+U 1|aa\n-D 2|b\n-U 1|a\n+U 1|aa\n");
    }
    run.max_rows = 0;
    EXPECT(run, "error in record 0: the field 'before' of a Debezium update is null; if it comes from PostgreSQL, set REPLICA IDENTITY FULL on the table\n",
           "{\"before\":null,\"after\":" OBJ(1, "a") ",\"op\":\"u\"}");
    EXPECT(run, "error in record 0: the field 'before' of a Debezium delete is null; if it comes from PostgreSQL, set REPLICA IDENTITY FULL on the table\n", "{\"after\":null,\"op\":\"d\"}");
    EXPECT(run, "error in record 0: unknown Debezium operation \"x\": expected \"c\", \"r\", \"u\" or \"d\"\n", "{\"after\":{},\"op\":\"x\"}");
    EXPECT(run, "error in record 0: not a Debezium record: no field 'op'; if it has 'schema' and 'payload', set 'debezium-json.schema-include' = 'true'\n", "{\"after\":{}}");
    EXPECT(run, "error in record 0: malformed JSON at byte 13: expected an object or null: 5}\n", "{ \"before\": 5}");
    EXPECT(run, "error in record 0: malformed JSON at byte 1: expected an object: []\n", "[]");
    EXPECT(run, "error in record 0: column 'id': not an INT: \"x\"\n", "{\"before\":null,\"after\":{\"id\":\"x\"},\"op\":\"c\"}");
    run.opt.ignore_errors = true;
    EXPECT(run, "!0 : malformed JSON at byte 2: expected a field's name in double quotes, and the record ends here\n!1 : unknown Debezium operation \"x\": expected \"c\", \"r\", \"u\" or \"d\"\n"
           "!2 id: not an INT: \"x\"\n-U NULL|NULL\n+U 1|a\n-D 2|b\n",
           "{", "{\"after\":{},\"op\":\"x\"}", "{\"before\":{\"id\":\"x\"},\"after\":" OBJ(1, "a") ",\"op\":\"u\"}", d);
    assert_int_equal(nbad, 2);
    run.opt = plain;
    run.opt.schema_include = true;
    EXPECT(run, "-D 3|c\n", "{\"schema\":{\"type\":\"struct\"},\"payload\":{\"before\":" OBJ(3, "c") ",\"after\":null,\"op\":\"d\"}}");
    EXPECT(run, "error in record 0: not a Debezium record: no field 'payload' (debezium-json.schema-include is true)\n", c);
#undef OBJ
}

/* ---- encoding ---- */

static const char *encode(const struct sq_format *f, struct sq_json_options opt, const struct sq_table_column *cols, const struct sq_batch *b, bool newline)
{
    struct sq_encoder *e;
    struct sq_buf out = {.ctx = &ctx};
    uint32_t n, ends[64];
    static char result[20000];

    assert_int_equal(f->encoder_open(&ctx, &opt, NULL, cols, b->ncols, &e), SQ_OK);
    sq_rc rc = f->encode(e, b, newline, &out, ends, &n);
    if (rc != SQ_OK) {
        snprintf(result, sizeof result, "error: %s", ctx.err.msg);
    } else {
        assert_int_equal(n, b->nsel);
        assert_int_equal(n ? ends[n - 1] : 0, out.n);
        snprintf(result, sizeof result, "%s", out.p ? out.p : "");
    }
    f->encoder_close(e);
    sq_buf_free(&out);
    return result;
}

static void test_encode(void **state)
{
    (void)state;
    const struct sq_field f[] = {{SQ_STR("x"), &sq_type_int}, {SQ_STR("q\"q"), &sq_type_string}};
    const struct sq_type *dec8 = ty(SQ_T_DECIMAL, 20, 10), *row = sq_type_row(&arena, true, f, 2), *map = sq_type_map(&arena, true, &sq_type_string, &sq_type_double),
                         *t3 = ty(SQ_T_TIME, 3, 0);
    struct sq_table_column cols[] = {col("b", &sq_type_boolean), col("i", &sq_type_bigint), col("f", &sq_type_float), col("d", &sq_type_double), col("dec", dec8), col("s", &sq_type_string),
                                     col("y", &sq_type_bytes), col("dt", &sq_type_date), col("t", t3), col("ts", &sq_type_timestamp3), col("tn", &sq_type_timestamp9), col("lz", &sq_type_ltz3),
                                     col("a", sq_type_array(&arena, true, &sq_type_int)), col("m", map), col("r", row)};
    enum { N = SQ_LEN(cols) };
    const struct sq_type *types[N];
    for (int i = 0; i < N; i++)
        types[i] = cols[i].type;
    struct sq_out out;
    struct sq_decoder *dec;
    struct sq_json_options opt = plain;
    const char *recs[] = {
        "{\"b\":true,\"i\":-5,\"f\":0.1,\"d\":1e10,\"dec\":\"0.00000027\",\"s\":\"a\\\"b\\\\c\\u0001\\n\\u00e9/\",\"y\":\"AAEC/w==\",\"dt\":\"2024-02-29\",\"t\":\"01:02:03.040\",\"ts\":\"2024-01-01 00:00:00\",\"tn\":\"2024-01-01 00:00:00.100000001\",\"lz\":\"2024-01-01 00:00:00.120Z\",\"a\":[1,null],\"m\":{\"k\":1.5,\"l\":null},\"r\":{\"x\":1,\"q\\\"q\":\"z\"}}",
        "{}", "{\"d\":\"NaN\",\"dec\":12.5,\"f\":\"-Infinity\",\"s\":\"\",\"y\":\"\",\"a\":[],\"m\":{},\"r\":{}}"};
    struct sq_slice s[] = {{recs[0], strlen(recs[0])}, {recs[1], 2}, {recs[2], strlen(recs[2])}};
    assert_int_equal(sq_out_init(&out, &ctx, types, N), SQ_OK);
    assert_int_equal(sq_json_decoder_open(&ctx, &opt, cols, N, true, &dec), SQ_OK);
    struct sq_decode d = {.rec = s, .nrec = 3, .max_rows = 10, .out = &out};
    assert_int_equal(sq_json_decode(dec, &d), SQ_OK);
    const struct sq_batch *b = sq_out_batch(&out);
#define FIRST(sep, z, decimal) \
    "{\"b\":true,\"i\":-5,\"f\":0.1,\"d\":1.0E10,\"dec\":" decimal ",\"s\":\"a\\\"b\\\\c\\u0001\\n\xc3\xa9/\",\"y\":\"AAEC/w==\",\"dt\":\"2024-02-29\",\"t\":\"01:02:03.04\",\"ts\":\"2024-01-01" sep \
    "00:00:00\",\"tn\":\"2024-01-01" sep "00:00:00.100000001\",\"lz\":\"2024-01-01" sep "00:00:00.12Z\",\"a\":[1,null],\"m\":{\"k\":1.5,\"l\":" z "},\"r\":{\"x\":1,\"q\\\"q\":\"z\"}}\n"
#define SECOND "{\"b\":null,\"i\":null,\"f\":null,\"d\":null,\"dec\":null,\"s\":null,\"y\":null,\"dt\":null,\"t\":null,\"ts\":null,\"tn\":null,\"lz\":null,\"a\":null,\"m\":null,\"r\":null}\n"
#define THIRD(decimal) "{\"b\":null,\"i\":null,\"f\":\"-Infinity\",\"d\":\"NaN\",\"dec\":" decimal ",\"s\":\"\",\"y\":\"\",\"dt\":null,\"t\":null,\"ts\":null,\"tn\":null,\"lz\":null,\"a\":[],\"m\":{},\"r\":{\"x\":null,\"q\\\"q\":null}}\n"
    assert_string_equal(encode(&sq_format_json, opt, cols, b, true), FIRST(" ", "null", "2.700E-7") SECOND THIRD("12.5000000000"));
    opt.timestamp = SQ_JSON_ISO;
    opt.plain_decimal = true;
    assert_string_equal(encode(&sq_format_json, opt, cols, b, true), FIRST("T", "null", "0.0000002700") SECOND THIRD("12.5000000000"));
    opt.ignore_null_fields = true;
    struct sq_batch some = *b;
    uint32_t sel[] = {1, 2};
    some.sel = sel;
    some.nsel = 2;
    assert_string_equal(encode(&sq_format_json, opt, cols, &some, false), "{}{\"f\":\"-Infinity\",\"d\":\"NaN\",\"dec\":12.5000000000,\"s\":\"\",\"y\":\"\",\"a\":[],\"m\":{},\"r\":{}}");
    /* changes, and a map with a NULL key */
    struct sq_batch change = {.rows = 2, .nsel = 2, .ncols = 1, .cols = &b->cols[1]};
    uint8_t kinds[] = {SQ_UPDATE_AFTER, SQ_UPDATE_BEFORE};
    change.kind = kinds;
    assert_string_equal(encode(&sq_format_debezium_json, plain, cols + 1, &change, true), "{\"before\":null,\"after\":{\"i\":-5},\"op\":\"c\"}\n{\"before\":{\"i\":null},\"after\":null,\"op\":\"d\"}\n");
    change.kind = NULL;
    change.nsel = change.rows = 1;
    assert_string_equal(encode(&sq_format_debezium_json, plain, cols + 1, &change, false), "{\"before\":null,\"after\":{\"i\":-5},\"op\":\"c\"}");
    assert_string_equal(encode(&sq_format_debezium_json, opt, cols + 1, &change, false), "{\"after\":{\"i\":-5},\"op\":\"c\"}");
    struct sq_batch maps = {.rows = 1, .nsel = 1, .ncols = 1, .cols = &b->cols[13]};
    sq_col_set_null(&out.cols[13].kid[0], 1);
    maps.cols = &sq_out_batch(&out)->cols[13];
    assert_string_equal(encode(&sq_format_json, plain, cols + 13, &maps, false), "error: column 'm': a map with a NULL key cannot be written as JSON");
    opt = plain;
    opt.null_key = SQ_JSON_KEY_DROP;
    assert_string_equal(encode(&sq_format_json, opt, cols + 13, &maps, false), "{\"m\":{\"k\":1.5}}");
    opt.null_key = SQ_JSON_KEY_LITERAL;
    opt.null_key_literal = SQ_STR("none");
    assert_string_equal(encode(&sq_format_json, opt, cols + 13, &maps, false), "{\"m\":{\"k\":1.5,\"none\":null}}");
    sq_json_decoder_close(dec);
    sq_out_free(&out);
}

/* Random rows, written and read again, give the same text. */
static uint64_t seed = 42;
static uint32_t rnd(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static sq_rc random_value(struct sq_col *c)
{
    const struct sq_type *t = c->vec.type;
    char s[64];
    uint64_t u = (uint64_t)rnd(1u << 31) << 33 ^ (uint64_t)rnd(1u << 31) << 8 ^ rnd(256);
    int64_t i = (int64_t)(u >> rnd(64));
    double d;
    float f;
    uint32_t n;

    if (rnd(8) == 0)
        return sq_col_append_null(c);
    switch (sq_type_phys(t)) {
    case SQ_P_BOOL: return sq_col_append_fixed(c, &(uint8_t){(uint8_t)rnd(2)});
    case SQ_P_I8: return sq_col_append_fixed(c, &(int8_t){(int8_t)i});
    case SQ_P_I16: return sq_col_append_fixed(c, &(int16_t){(int16_t)i});
    case SQ_P_I32: return sq_col_append_fixed(c, &(int32_t){t->id == SQ_T_DATE ? (int32_t)rnd(2900000) - 700000 : t->id == SQ_T_TIME ? (int32_t)rnd(86400000) : (int32_t)i});
    case SQ_P_I64: return sq_col_append_fixed(c, &(int64_t){t->id == SQ_T_TIMESTAMP ? (int64_t)rnd(2000000000) * 100000007 : i});
    case SQ_P_TS16: return sq_col_append_fixed(c, &(struct sq_ts16){.us = (int64_t)rnd(2000000000) * 100000007, .ns = (int32_t)rnd(1000)});
    case SQ_P_I128: return sq_col_append_fixed(c, &(sq_i128){(sq_i128)i * (int64_t)(rnd(1000000) + 1)});
    case SQ_P_F64: memcpy(&d, &u, 8); return sq_col_append_fixed(c, &d);
    case SQ_P_F32: memcpy(&f, &u, 4); return sq_col_append_fixed(c, &f);
    case SQ_P_VIEW:
        n = rnd(30);
        for (uint32_t k = 0; k < n; k++)
            s[k] = sq_tid_is_binary(t->id) ? (char)rnd(256) : rnd(4) ? (char)('a' + rnd(26)) : "\"\\\n\t\x01 \x7f/"[rnd(8)];
        return sq_col_append_view(c, s, n);
    case SQ_P_LIST:
        n = rnd(4);
        for (uint32_t k = 0; k < n; k++)
            if (t->id == SQ_T_ARRAY)
                assert_int_equal(random_value(&c->kid[0]), SQ_OK);
            else {
                assert_int_equal(sq_col_append_view(&c->kid[0], (char[]){(char)('a' + k), (char)('a' + rnd(26))}, 2), SQ_OK);
                assert_int_equal(random_value(&c->kid[1]), SQ_OK);
            }
        return sq_col_append_list(c, n);
    default:
        for (uint32_t k = 0; k < c->nkid; k++)
            assert_int_equal(random_value(&c->kid[k]), SQ_OK);
        return sq_col_append_struct(c);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    const struct sq_field f[] = {{SQ_STR("x"), &sq_type_int}, {SQ_STR("y"), &sq_type_string}, {SQ_STR("z"), sq_type_array(&arena, true, &sq_type_double)}};
    struct sq_table_column cols[] = {
        col("a", &sq_type_boolean), col("b", &sq_type_tinyint), col("c", &sq_type_smallint), col("d", &sq_type_int), col("e", &sq_type_bigint), col("f", &sq_type_float), col("g", &sq_type_double),
        col("h", ty(SQ_T_DECIMAL, 38, 7)), col("i", &sq_type_string), col("j", &sq_type_bytes), col("k", &sq_type_date), col("l", ty(SQ_T_TIME, 3, 0)), col("m", &sq_type_timestamp6), col("n", &sq_type_timestamp9),
        col("o", sq_type_array(&arena, true, sq_type_map(&arena, true, &sq_type_string, &sq_type_bigint))), col("p", sq_type_row(&arena, true, f, 3)), col("q", sq_type_map(&arena, true, &sq_type_string, sq_type_row(&arena, true, f, 3)))};
    enum { N = SQ_LEN(cols), ROWS = 60 };
    const struct sq_type *types[N];
    for (int i = 0; i < N; i++)
        types[i] = cols[i].type;
    for (int round = 0; round < 30; round++) {
        struct sq_out out;
        struct sq_json_options opt = plain;
        opt.timestamp = round & 1 ? SQ_JSON_ISO : SQ_JSON_SQL;
        opt.plain_decimal = round & 2;
        opt.ignore_null_fields = round & 4;
        assert_int_equal(sq_out_init(&out, &ctx, types, N), SQ_OK);
        for (int r = 0; r < ROWS; r++) {
            for (int i = 0; i < N; i++)
                assert_int_equal(random_value(&out.cols[i]), SQ_OK);
            assert_int_equal(sq_out_row(&out, SQ_INSERT), SQ_OK);
        }
        sq_buf_free(&text);
        sq_buf_init(&text, &ctx);
        print_rows(sq_out_batch(&out), 0);
        char *want = strdup(text.p);
        struct sq_encoder *e;
        struct sq_buf json = {.ctx = &ctx};
        uint32_t ends[ROWS], n;
        assert_int_equal(sq_format_json.encoder_open(&ctx, &opt, NULL, cols, N, &e), SQ_OK);
        assert_int_equal(sq_format_json.encode(e, sq_out_batch(&out), false, &json, ends, &n), SQ_OK);
        sq_format_json.encoder_close(e);
        const char *rec[ROWS];
        size_t len[ROWS];
        for (int r = 0; r < ROWS; r++) {
            rec[r] = json.p + (r ? ends[r - 1] : 0);
            len[r] = ends[r] - (r ? ends[r - 1] : 0);
        }
        struct run run = {&sq_format_json, opt, cols, N, .guess = round & 1, .padded = round & 2};
        assert_int_equal(decode(&run, rec, len, ROWS), SQ_OK);
        if (strcmp(text.p, want) != 0) {
            char *a = text.p, *b = want;
            while (*a == *b)
                a++, b++;
            fail_msg("round %d: read '%.80s', written '%.80s'", round, a, b);
        }
        free(want);
        sq_buf_free(&json);
        sq_out_free(&out);
    }
}

/* Every allocation failing in turn gives SQ_NOMEM, never a wrong row. */
static void test_nomem(void **state)
{
    (void)state;
    struct sq_table_column cols[] = {col("a", sq_type_array(&arena, true, &sq_type_string)), col("m", sq_type_map(&arena, true, &sq_type_string, &sq_type_string)), col("s", &sq_type_string)};
    const struct sq_type *types[] = {cols[0].type, cols[1].type, cols[2].type};
    static const char rec[] = "{\"a\":[\"\\n a long enough string\",{\"x\" : 1}],\"m\":{\"k\":\"v\",\"k\":\"w\"},\"s\":\"\\u0041 and some more text\"}";
    struct sq_slice s[] = {{rec, sizeof rec - 1}, {rec, sizeof rec - 1}, {rec, sizeof rec - 1}};
    for (int at = 1;; at++) {
        struct sq_decoder *dec = NULL;
        struct sq_out out = {0};
        budget.fail_at = at;
        sq_rc rc = sq_out_init(&out, &ctx, types, 3);
        if (rc == SQ_OK)
            rc = sq_json_decoder_open(&ctx, &plain, cols, 3, true, &dec);
        if (rc == SQ_OK) {
            struct sq_decode d = {.rec = s, .nrec = 3, .max_rows = 3, .out = &out};
            rc = sq_json_decode(dec, &d);
            if (rc == SQ_OK)
                assert_int_equal(out.n, 3);
        }
        bool over = budget.fail_at > 0;
        budget.fail_at = 0;
        sq_json_decoder_close(dec);
        sq_out_free(&out);
        if (over) {
            assert_int_equal(rc, SQ_OK);
            break;
        }
        assert_int_equal(rc, SQ_NOMEM);
        assert_true(at < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),   cmocka_unit_test_setup_teardown(test_nested, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed, setup, teardown), cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),   cmocka_unit_test_setup_teardown(test_records, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shapes, setup, teardown),    cmocka_unit_test_setup_teardown(test_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_debezium, setup, teardown),  cmocka_unit_test_setup_teardown(test_encode, setup, teardown),
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown), cmocka_unit_test_setup_teardown(test_nomem, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
