/* SPDX-License-Identifier: Apache-2.0
 *
 * test_csv.c: the csv and raw formats. Every case is decoded padded and (in a block that ends with the record) unpadded, in one batch and row by row; all
 * must give the same. Files are cut into records in one piece and in two, at every byte.
 */
#include "base/os.h"
#include "connectors/filesystem/filesystem.h"
#include "connectors/formats/csv_internal.h"
#include "connectors/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

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

static void number(struct sq_table_column *cols, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        cols[i].ordinal = i;
        cols[i].nfields = n;
    }
}

/* "csv.a=x&&csv.b=y": the options of a table; at most 8. */
static uint32_t kv_of(const char *spec, struct sq_kv *kv)
{
    uint32_t n = 0;
    while (spec && *spec) {
        const char *eq = strchr(spec, '='), *end = strstr(eq, "&&");
        if (!end)
            end = spec + strlen(spec);
        kv[n++] = (struct sq_kv){.key = {spec, (uint32_t)(eq - spec)}, .value = {eq + 1, (uint32_t)(end - eq - 1)}};
        spec = *end ? end + 2 : end;
    }
    return n;
}

static sq_rc parse(const struct sq_format *f, const char *spec, void *into)
{
    struct sq_kv kv[8];
    uint32_t n = kv_of(spec, kv);
    struct sq_option_set set = {f->options, f->noptions, "", into};
    return sq_options_parse(&ctx, &arena, "the table", (struct sq_span){0}, kv, n, NULL, &set, 1);
}

/* ---- decoding to text: "a|b\n" per row, bad records and fields as "!record column: reason\n" ---- */

static uint64_t nbad, nfiltered;

static void on_bad(void *arg, uint32_t record, struct sq_str column, const char *reason)
{
    sq_buf_printf(arg, "!%u %.*s: %s\n", record, SQ_FMT(column), reason);
}

static void print_rows(const struct sq_batch *b)
{
    assert_null(sq_batch_check(b));
    for (uint32_t r = 0; r < b->rows; r++) {
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

struct run {
    const struct sq_format *format;
    const void *opt;
    const struct sq_table_column *cols;
    uint32_t ncols, max_rows;
    bool padded, no_bad, file_start;
};

static sq_rc decode(const struct run *run, const struct sq_slice *rec, uint32_t n)
{
    const struct sq_type *types[32];
    struct sq_slice slice[300];
    char *block[300];
    struct sq_decoder *dec;
    struct sq_out out;
    uint32_t record_of[301];
    sq_rc rc = SQ_OK;

    sq_buf_free(&text);
    sq_buf_init(&text, &ctx);
    nbad = nfiltered = 0;
    for (uint32_t i = 0; i < run->ncols; i++)
        types[i] = run->cols[i].type;
    for (uint32_t i = 0; i < n; i++) {
        size_t m = rec[i].n;
        block[i] = malloc(m + (run->padded ? SQ_CSV_PAD : 0) + (m == 0));
        memcpy(block[i], rec[i].p, m);
        if (run->padded)                          /* what stands behind a record must not matter: what would go on best */
            for (int k = 0; k < SQ_CSV_PAD; k++)
                block[i][m + (size_t)k] = "1234567890123,\"\",;\n"[k % 19];
        slice[i] = (struct sq_slice){block[i], m};
    }
    assert_int_equal(run->format->decoder_open(&ctx, run->opt, NULL, run->cols, run->ncols, &dec), SQ_OK);
    assert_int_equal(sq_out_init(&out, &ctx, types, run->ncols), SQ_OK);
    for (uint32_t at = 0; at < n && rc == SQ_OK;) {
        struct sq_decode d = {.rec = slice + at, .nrec = n - at, .padded = run->padded, .max_rows = run->max_rows ? run->max_rows : 300, .out = &out,
                              .row_record = record_of, .bad = run->no_bad ? NULL : on_bad, .bad_arg = &text, .file_start = run->file_start && at == 0};
        sq_out_reset(&out);
        rc = run->format->decode(dec, &d);
        print_rows(sq_out_batch(&out));
        for (uint32_t r = 0; r < out.n; r++)
            assert_true(record_of[r] < n - at && (r == 0 || record_of[r] > record_of[r - 1]));
        nbad += d.nbad;
        nfiltered += d.nfiltered;
        if (rc != SQ_OK)
            sq_buf_printf(&text, "error in record %u: %s\n", at + d.failed, ctx.err.msg);
        else
            assert_true(d.consumed > 0);
        at += d.consumed;
    }
    sq_buf_putc(&text, 0);
    run->format->decoder_close(dec);
    sq_out_free(&out);
    for (uint32_t i = 0; i < n; i++)
        free(block[i]);
    return rc;
}

static void expect_n(struct run run, const struct sq_slice *rec, uint32_t n, const char *want, const char *label)
{
    for (int mode = 0; mode < 4; mode++) {
        run.padded = mode & 1;
        run.max_rows = mode & 2 ? 1 : 0;
        run.no_bad = mode & 2;
        if (mode & 2 && strchr(want, '!'))        /* the numbers of reports begin anew with each batch */
            break;
        decode(&run, rec, n);
        if (strcmp(text.p, want) != 0)
            fail_msg("%s (%s%s)\n got:  %s\n want: %s", label, run.padded ? "padded" : "unpadded", mode & 2 ? ", row by row" : "", text.p, want);
    }
}

static void expect(struct run run, const char *const *rec, uint32_t n, const char *want)
{
    struct sq_slice s[64];
    for (uint32_t i = 0; i < n; i++)
        s[i] = (struct sq_slice){rec[i], strlen(rec[i])};
    expect_n(run, s, n, want, rec[0]);
}

/* ---- one value of each type ---- */

static void one_value(const struct sq_type *type, const char *field, const char *want)
{
    struct sq_csv_options o;
    struct sq_table_column cols[] = {col("a", type), col("z", &sq_type_int)}, last[] = {col("z", &sq_type_int), col("a", type)};
    struct run run = {.format = &sq_format_csv, .opt = &o, .cols = cols, .ncols = 2};
    char rec[1000], back[1000], rows[1200];
    const char *const recs[] = {rec, rec, rec}, *const backs[] = {back, back};

    number(cols, 2);
    number(last, 2);
    assert_int_equal(parse(&sq_format_csv, NULL, &o), SQ_OK);
    snprintf(rec, sizeof rec, "%s,7", field);
    snprintf(back, sizeof back, "7,%s", field);
    if (want[0] == '!') {
        snprintf(rows, sizeof rows, "error in record 0: column 'a': %s\n", want + 1);
        expect(run, recs, 1, rows);
        assert_non_null(strstr(ctx.err.hint, strstr(want, "it is empty") ? "csv.null-literal" : "csv.ignore-parse-errors"));
        run.cols = last;
        expect(run, backs, 1, rows);
        run.cols = cols;
        if (strstr(want, "element"))              /* the element alone is NULL: see test_nested_errors */
            return;
        o.ignore_errors = true;
        snprintf(rows, sizeof rows, "!0 a: %s\n!1 a: %s\n!2 a: %s\nNULL|7\nNULL|7\nNULL|7\n", want + 1, want + 1, want + 1);
        expect(run, recs, 3, rows);
        assert_int_equal(nbad, 0);
        return;
    }
    if (want[0] == '~') {                         /* NULL and a report, whatever the option says */
        snprintf(rows, sizeof rows, "!0 a: %s\n!1 a: %s\n!2 a: %s\nNULL|7\nNULL|7\nNULL|7\n", want + 1, want + 1, want + 1);
        expect(run, recs, 3, rows);
        o.ignore_errors = true;
        expect(run, recs, 3, rows);
        assert_int_equal(nbad, 0);
        return;
    }
    snprintf(rows, sizeof rows, "%s|7\n%s|7\n%s|7\n", want, want, want);
    expect(run, recs, 3, rows);
    run.cols = last;
    snprintf(rows, sizeof rows, "7|%s\n7|%s\n", want, want);
    expect(run, backs, 2, rows);
}

static void test_scalars(void **state)
{
    (void)state;
    const struct sq_type *tiny = &sq_type_tinyint, *small = &sq_type_smallint, *i32 = &sq_type_int, *i64 = &sq_type_bigint, *f32 = &sq_type_float,
                         *f64 = &sq_type_double, *b = &sq_type_boolean, *str = &sq_type_string, *d = &sq_type_date, *t0 = ty(SQ_T_TIME, 0, 0),
                         *t3 = ty(SQ_T_TIME, 3, 0), *ts3 = &sq_type_timestamp3, *ts9 = &sq_type_timestamp9, *ltz3 = &sq_type_ltz3,
                         *dec = ty(SQ_T_DECIMAL, 5, 2), *bytes = &sq_type_bytes, *ints = sq_type_array(&arena, true, i32),
                         *strs = sq_type_array(&arena, true, str);
    const struct sq_field f[] = {{SQ_STR("x"), i32}, {SQ_STR("y"), str}};
    const struct sq_type *row = sq_type_row(&arena, true, f, 2);
    struct { const struct sq_type *type; const char *field, *want; } cases[] = {
        {b, "true", "TRUE"}, {b, " TRUE ", "TRUE"}, {b, "false", "FALSE"}, {b, "yes", "FALSE"}, {b, "", "FALSE"}, {b, "\"true\"", "TRUE"},
        {tiny, "127", "127"}, {tiny, "-128", "-128"}, {tiny, "128", "!out of range for TINYINT: 128"}, {tiny, "1.5", "!not a TINYINT: 1.5"},
        {small, "32767", "32767"}, {small, "-32769", "!out of range for SMALLINT: -32769"},
        {i32, "0", "0"}, {i32, "-0", "0"}, {i32, "007", "7"}, {i32, "+7", "7"}, {i32, " 7 ", "7"}, {i32, "2147483647", "2147483647"}, {i32, "-2147483648", "-2147483648"},
        {i32, "2147483648", "!out of range for INT: 2147483648"}, {i32, "1.0", "!not an INT: 1.0"}, {i32, "", "!not an INT: it is empty"}, {i32, "-", "!not an INT: -"},
        {i32, "1 2", "!not an INT: 1 2"}, {i32, "ten", "!not an INT: ten"}, {i32, "\"12\"", "12"}, {i32, "12345678", "12345678"}, {i32, "123456789012345", "!out of range for INT: 123456789012345"},
        {i64, "1700000000123", "1700000000123"}, {i64, "9223372036854775807", "9223372036854775807"}, {i64, "-9223372036854775808", "-9223372036854775808"},
        {i64, "9223372036854775808", "!out of range for BIGINT: 9223372036854775808"}, {i64, "123456789012345", "123456789012345"}, {i64, "1234567890123456", "1234567890123456"},
        {f64, "21.375", "21.375"}, {f64, "-0.5", "-0.5"}, {f64, "5.", "5.0"}, {f64, ".5", "0.5"}, {f64, "1e10", "1.0E10"}, {f64, "NaN", "NaN"}, {f64, "-Infinity", "-Infinity"},
        {f64, "1.5d", "1.5"}, {f64, " 1.5 ", "1.5"}, {f64, "", "!not a DOUBLE: it is empty"}, {f64, "x", "!not a DOUBLE: x"}, {f64, "1234567.1234567", "1234567.1234567"},
        {f64, "123456789.5", "1.234567895E8"}, {f64, "0.30000000000000004", "0.30000000000000004"}, {f64, "12", "12.0"}, {f32, "0.1", "0.1"}, {f32, "1e39", "Infinity"},
        {dec, "1", "1.00"}, {dec, "1.005", "1.01"}, {dec, "1000", "~too large for a DECIMAL(5, 2): 1000"}, {dec, " 1.5 ", "1.50"}, {dec, "1E+2", "100.00"}, {dec, "x", "!not a DECIMAL(5, 2): x"},
        {str, "abc", "abc"}, {str, "", ""}, {str, "\"\"", ""}, {str, "\"a,b\"", "a,b"}, {str, "\"a\"\"b\"", "a\"b"}, {str, "\"\"\"\"", "\""}, {str, "a\"b", "a\"b"}, {str, " \"a\"", " \"a\""},
        {str, "\"a\" ", "a"}, {str, "\"two\nlines\"", "two\nlines"}, {str, "caf\xc3\xa9 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xf0\x9f\x98\x80"}, {str, "\"caf\xc3\xa9\"", "caf\xc3\xa9"}, {str, "a\tb", "a\tb"},
        {str, "twelve bytes", "twelve bytes"}, {str, "thirteen byte", "thirteen byte"},
        {str, "a long text of more than sixteen bytes and more than thirty-two of them", "a long text of more than sixteen bytes and more than thirty-two of them"},
        {str, "\"a quoted text of more than sixteen bytes, with a delimiter\"", "a quoted text of more than sixteen bytes, with a delimiter"},
        {str, "\xff", "!not valid UTF-8: \\xff"}, {str, "\"\xc3\"", "!not valid UTF-8: \\xc3"}, {str, "\xed\xa0\x80", "!not valid UTF-8: \\xed\\xa0\\x80"},
        {bytes, "YWJj", "abc"}, {bytes, "YQ==", "a"}, {bytes, "Y*==", "!not base64: Y*=="},
        {d, "2024-02-29", "2024-02-29"}, {d, "2024-2-9", "2024-02-09"}, {d, "2023-02-29", "!not a DATE (yyyy-MM-dd): 2023-02-29"}, {d, "2024-02", "!not a DATE (yyyy-MM-dd): 2024-02"},
        {d, "", "!not a DATE (yyyy-MM-dd): it is empty"},
        {t0, "12:34:56", "12:34:56"}, {t0, "12:34", "12:34:00"}, {t0, "12:34:56.789", "12:34:56"}, {t3, "12:34:56.789", "12:34:56.789"}, {t0, "1:2:3", "!not a TIME (HH:mm:ss[.fraction]): 1:2:3"},
        {ts3, "2024-01-02 03:04:05.6789", "2024-01-02 03:04:05.678"}, {ts9, "2024-01-02 03:04:05.123456789", "2024-01-02 03:04:05.123456789"},
        {ts3, "2024-01-02T03:04:05", "!not a TIMESTAMP (yyyy-MM-dd HH:mm:ss[.fraction]): 2024-01-02T03:04:05"},
        {ltz3, "2024-01-02 03:04:05.678Z", "2024-01-02 03:04:05.678"}, {ltz3, "2024-01-02 03:04:05", "!not a TIMESTAMP_LTZ (yyyy-MM-dd HH:mm:ss[.fraction]'Z'): 2024-01-02 03:04:05"},
        {&sq_type_null, "12", "NULL"},
        {ints, "1;2;3", "[1, 2, 3]"}, {ints, "", "[]"}, {ints, " ", "[]"}, {ints, "5", "[5]"}, {ints, "1;x", "!an element of the ARRAY: not an INT: x"},
        {ints, "1;", "!an element of the ARRAY: not an INT: it is empty"}, {strs, "a;;b", "[a, , b]"}, {strs, "\"a;b,c;\"", "[a, b,c, ]"},
        {row, "1;x", "(1, x)"}, {row, "", "NULL"}, {row, "1;x;y", "!3 elements, where the ROW has 2: 1;x;y"}, {row, "z;x", "!an element of the ROW: not an INT: z"},
    };
    for (size_t i = 0; i < SQ_LEN(cases); i++)
        one_value(cases[i].type, cases[i].field, cases[i].want);
}

/* ---- options and records ---- */

static void test_options(void **state)
{
    (void)state;
    static const struct { const char *options, *rec[5], *want; } cases[] = {
        {"", {"a,1,x", "b,2,y"}, "a|1|x\nb|2|y\n"},
        {"", {"a,1"}, "error in record 0: column 'v': the record has only 2 fields\n"},
        {"", {"a,1,x,y"}, "error in record 0: malformed CSV at byte 7: more fields than the table has columns: y\n"},
        {"", {"a,1,x,"}, "a|1|x\n"}, {"", {"a,1,x, "}, "a|1|x\n"}, {"", {"a,1,x,,"}, "error in record 0: malformed CSV at byte 7: more fields than the table has columns: ,\n"},
        {"csv.allow-trailing-comma=false", {"a,1,x,"}, "error in record 0: malformed CSV: more fields than the table has columns\n"},
        {"csv.ignore-trailing-unmappable=true", {"a,1,x,y,\"z\",", "b,2,y"}, "a|1|x\nb|2|y\n"},
        {"csv.ignore-trailing-unmappable=true", {"a,1,x,\"z"}, "error in record 0: malformed CSV at byte 7: the quoted field is not closed: \"z\n"},
        {"csv.ignore-parse-errors=true", {"a,1", "b,2,y", "c,x,z", "d,4,z,z", "\"e"},
         "!0 v: the record has only 2 fields\n!2 n: not an INT: x\n!3 : malformed CSV at byte 7: more fields than the table has columns: z\n"
         "!4 : malformed CSV at byte 1: the quoted field is not closed: \"e\na|1|NULL\nb|2|y\nc|NULL|z\n"},
        {"csv.ignore-parse-errors=true&&csv.fail-on-missing-columns=true", {"a,1", "b,2,y"}, "!0 : malformed CSV: fewer fields than the table has columns\nb|2|y\n"},
        {"csv.fail-on-missing-columns=true", {"a,1"}, "error in record 0: column 'v': the record has only 2 fields\n"},
        {"", {"", "  ", "a,1,x", "\t"}, "a|1|x\n"},
        {"", {"a,1,x\r", "b,2,y\r\n", "c,3,z\n\n"}, "a|1|x\nb|2|y\nc|3|z\n"},
        {"", {"a,1,x\nb,2,y"}, "error in record 0: malformed CSV at byte 7: text behind the end of the record: b,2,y\n"},
        {"", {"a,1,\"x\"y"}, "error in record 0: malformed CSV at byte 8: expected a delimiter behind the closing quote: y\n"},
        {"", {"\xef\xbb\xbf\"a\",1,x"}, "a|1|x\n"},
        {"csv.field-delimiter=;", {"a;1;x,y"}, "a|1|x,y\n"}, {"csv.field-delimiter=\\t", {"a\t1\tx y"}, "a|1|x y\n"}, {"csv.field-delimiter=\\u0001", {"a\0011\001x"}, "a|1|x\n"},
        {"csv.field-delimiter=\\001", {"a\0011\001x"}, "a|1|x\n"}, {"csv.field-delimiter=\xc2\xa7", {"a\xc2\xa7" "1\xc2\xa7\xc2\xa9x"}, "a|1|\xc2\xa9x\n"},
        {"csv.field-delimiter=|", {"|1|", "a|2|b"}, "|1|\na|2|b\n"}, {"csv.field-delimiter= ", {"a 1 x", "b 2 "}, "a|1|x\nb|2|\n"}, {"format.field-delimiter=;", {"a;1;x"}, "a|1|x\n"},
        {"csv.quote-character='", {"'a,b',1,\"x\""}, "a,b|1|\"x\"\n"}, {"csv.disable-quote-character=true", {"\"a\",1,\"x"}, "\"a\"|1|\"x\n"},
        {"csv.allow-comments=true", {"# a,b", "  #", "a,1,#", "", "  b,2,y"}, "a|1|#\nb|2|y\n"}, {"", {"# a,1,b"}, "# a|1|b\n"},
        {"csv.escape-character=\\", {"a\\,b,1,x\\ny\\\\z", "\"a\\\"b\",2,\\\"", "c\\x,3,\\t\\0x"}, "a,b|1|x\ny\\z\na\"b|2|\"\n"}, /* the last has a NUL: cut there */
        {"csv.escape-character=\\", {"a,1,x\\"}, "error in record 0: malformed CSV at byte 6: the escape character at the record's end: \\\n"},
        {"csv.escape-character=\\", {"a,1,\"x\\"}, "error in record 0: malformed CSV at byte 5: the quoted field is not closed: \"x\\\n"},
        {"csv.null-literal=n/a", {"n/a,n/a,n/a", "a,1,\"n/a\"", "n,2, n/a"}, "NULL|NULL|NULL\na|1|NULL\nn|2| n/a\n"},
        {"csv.null-literal=", {",,", "a,1,\"\""}, "NULL|NULL|NULL\na|1|NULL\n"}, {"csv.null-literal=-1", {"a,-1,-1", "b,1,x"}, "a|NULL|NULL\nb|1|x\n"},
        {"csv.empty-string-as-null=true", {",,", "a,1,x"}, "NULL|NULL|NULL\na|1|x\n"},
        {"csv.trim-spaces=true", {" a , 1 ,  \" x \" ", "b\t,2,y"}, "a|1| x \nb|2|y\n"}, {"", {" a ,1,x "}, " a |1|x \n"},
        {"csv.ignore-first-line=true", {"s,n,v", "a,1,x"}, "a|1|x\n"}, {"csv.ignore-first-line=true&&csv.allow-comments=true", {"# c", "", "s,n,v", "a,1,x"}, "a|1|x\n"},
        {"csv.quote-character=\\u0027", {"'a,b',1,x"}, "a,b|1|x\n"}, {"csv.escape-character=\"", {"\"a\"\"\",1,\"x\""}, "a\"|1|x\n"},
        {"csv.line-delimiter=\\r\\n", {"a,1,x\r"}, "a|1|x\n"},
    };
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        struct sq_csv_options o;
        struct sq_table_column cols[] = {col("s", &sq_type_string), col("n", &sq_type_int), col("v", &sq_type_string)};
        struct run run = {.format = &sq_format_csv, .opt = &o, .cols = cols, .ncols = 3, .file_start = true};
        uint32_t n = 0;
        number(cols, 3);
        if (parse(&sq_format_csv, cases[i].options, &o) != SQ_OK)
            fail_msg("%s: %s", cases[i].options, ctx.err.msg);
        while (n < 5 && cases[i].rec[n])
            n++;
        if (strstr(cases[i].want, "a\"b|2|\""))
            n = 2;
        expect(run, cases[i].rec, n, cases[i].want);
        if (strchr(cases[i].want, '!') || strstr(cases[i].want, "error"))
            continue;
        /* one column at a time, too: the others are passed over */
        for (uint32_t c = 0; c < 3; c++) {
            char want[300] = "";
            size_t len = 0;
            for (const char *p = cases[i].want; *p; p = strchr(p, '\n') + 1) {
                uint32_t bars = 0;
                const char *line_end = strchr(p, '\n');
                if (memchr(p, '|', (size_t)(line_end - p)) == NULL)
                    goto next;                             /* a field with a newline */
                for (const char *q = p; q <= line_end; q++) {
                    if (bars == c && *q != '|' && q < line_end)
                        want[len++] = *q;
                    bars += *q == '|';
                }
                want[len++] = '\n';
            }
            run.cols = &cols[c];
            run.ncols = 1;
            expect(run, cases[i].rec, n, want);
        }
next:;
    }
}

static void test_nested_errors(void **state)
{
    (void)state;
    const struct sq_field f[] = {{SQ_STR("x"), &sq_type_int}, {SQ_STR("y"), &sq_type_int}};
    struct sq_csv_options o;
    struct sq_table_column cols[] = {col("a", sq_type_array(&arena, true, &sq_type_int)), col("r", sq_type_row(&arena, true, f, 2)), col("n", &sq_type_int)};
    struct run run = {.format = &sq_format_csv, .opt = &o, .cols = cols, .ncols = 3};
    static const char *const rec[] = {"1;x,2;3,4", "1;2,x;3,x,9", "1;2;3,7,5", "9,n/a,n/a", "n/a,1;n/a,6", "7,8;9;10,1", "7,8,1"};
    number(cols, 3);
    assert_int_equal(parse(&sq_format_csv, "csv.ignore-parse-errors=true&&csv.null-literal=n/a", &o), SQ_OK);
    expect(run, rec, 7, "!0 a: an element of the ARRAY: not an INT: x\n!1 : malformed CSV at byte 11: more fields than the table has columns: 9\n"
                        "!2 r: 1 element, where the ROW has 2\n!5 r: 3 elements, where the ROW has 2\n!6 r: 1 element, where the ROW has 2\n[1, NULL]|(2, 3)|4\n[1, 2, 3]|(7, NULL)|5\n[9]|NULL|NULL\n[NULL]|(1, NULL)|6\n[7]|(8, 9)|1\n[7]|(8, NULL)|1\n");
}

static void test_one_column(void **state)
{
    (void)state;
    struct sq_csv_options o;
    struct sq_table_column cols[] = {col("s", &sq_type_string)};
    struct run run = {.format = &sq_format_csv, .opt = &o, .cols = cols, .ncols = 1};
    static const char *const rec[] = {"a", "", " "};
    number(cols, 1);
    assert_int_equal(parse(&sq_format_csv, NULL, &o), SQ_OK);
    expect(run, rec, 3, "a\n\n \n");
    o.comments = true;
    expect(run, rec, 3, "a\n");
    run.ncols = 0;                                         /* no column: rows are counted */
    expect(run, rec, 1, "\n");
}

static void test_check(void **state)
{
    (void)state;
    const struct sq_field f[] = {{SQ_STR("x"), sq_type_array(&arena, true, &sq_type_int)}};
    const struct { const char *options; const struct sq_type *type; const char *error; } cases[] = {
        {"", &sq_type_int, NULL},
        {"csv.field-delimiter=ab", &sq_type_int, "table 't': 'csv.field-delimiter' must be a single character"},
        {"csv.field-delimiter=", &sq_type_int, "table 't': 'csv.field-delimiter' must be a single character"},
        {"csv.field-delimiter=\\n", &sq_type_int, "table 't': 'csv.field-delimiter' cannot be a newline"},
        {"csv.field-delimiter=\\u00", &sq_type_int, "table 't': 'csv.field-delimiter' must be a single character"},
        {"csv.field-delimiter=\\ud83d", &sq_type_int, "table 't': 'csv.field-delimiter' must be a single character"},
        {"csv.field-delimiter=\\400", &sq_type_int, "table 't': 'csv.field-delimiter' must be a single character"},
        {"csv.field-delimiter=\\tt", &sq_type_int, "table 't': 'csv.field-delimiter' must be a single character"},
        {"csv.quote-character=", &sq_type_int, "table 't': 'csv.quote-character' must be a single character"},
        {"csv.quote-character=\xc2\xab", &sq_type_int, "table 't': 'csv.quote-character' must be an ASCII character"},
        {"csv.quote-character=,", &sq_type_int, "table 't': 'csv.quote-character' is the field delimiter"},
        {"csv.escape-character=,", &sq_type_int, "table 't': 'csv.escape-character' is the field delimiter"},
        {"csv.escape-character=xy", &sq_type_int, "table 't': 'csv.escape-character' must be a single character"},
        {"csv.array-element-delimiter=::", &sq_type_int, "table 't': 'csv.array-element-delimiter' must be a single character"},
        {"csv.quote-character='&&csv.disable-quote-character=true", &sq_type_int, "table 't': there is a quote character, and quoting is disabled"},
        {"format.quote-character='&&format.disable-quote-character=true", &sq_type_int, "table 't': there is a quote character, and quoting is disabled"},
        {"csv.line-delimiter=;", &sq_type_int, "table 't': 'csv.line-delimiter' can only be '\\n'; lines that end with \\r\\n are read as well"},
        {"", sq_type_map(&arena, true, &sq_type_string, &sq_type_int), "column 'c': format 'csv' has no MAP<STRING, INT>"},
        {"", sq_type_array(&arena, true, sq_type_array(&arena, true, &sq_type_int)), "column 'c': format 'csv' has no ARRAY<INT> within an ARRAY or ROW"},
        {"", sq_type_row(&arena, true, f, 1), "column 'c': format 'csv' has no ARRAY<INT> within an ARRAY or ROW"},
        {"", ty(SQ_T_TIME, 6, 0), "column 'c': format 'csv' has TIME(0) to TIME(3), not TIME(6)"},
        {"", &sq_type_interval_ds, "column 'c': format 'csv' has no INTERVAL DAY TO SECOND"},
    };
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        struct sq_csv_options o;
        struct sq_kv kv[8];
        struct sq_table_column c = col("c", cases[i].type);
        struct sq_table_spec t = {.name = SQ_STR("t"), .cols = &c, .ncols = 1, .options = kv, .noptions = kv_of(cases[i].options, kv)};
        assert_int_equal(parse(&sq_format_csv, cases[i].options, &o), SQ_OK);
        sq_rc rc = sq_format_csv.check(&ctx, &o, &t, i & 1);
        if (!cases[i].error)
            assert_int_equal(rc, SQ_OK);
        else if (rc == SQ_OK || strncmp(ctx.err.msg, cases[i].error, strlen(cases[i].error)) != 0)
            fail_msg("%s: %s, not %s", cases[i].options, rc == SQ_OK ? "no error" : ctx.err.msg, cases[i].error);
    }
}

/* ---- framing ---- */

/* Cuts the document, given in two pieces, into records "<…>". */
static void frame(const void *opt, const char *doc, size_t n, size_t first, uint32_t max, struct sq_buf *out)
{
    sq_frame_fn *fn = sq_format_csv.framer(opt);
    struct sq_slice rec[64];
    char *buf = malloc(n + 64);
    size_t begin = 0, at = 0;
    unsigned st = 0;
    bool multi = false, expect_multi = false;

    for (int piece = 0; piece < 2; piece++) {
        size_t have = piece ? n : first;
        memcpy(buf, doc, have);
        memset(buf + have, '"', 64);                       /* behind the bytes: must not matter */
        for (bool full = true; full;) {
            struct sq_frame f = {.p = buf, .n = have, .begin = begin, .at = at, .limit = SIZE_MAX, .state = st, .rec = rec, .max = max};
            full = fn(opt, &f);
            assert_true(f.nrec <= max && f.begin <= have && f.at <= have && f.at >= f.begin);
            for (uint32_t i = 0; i < f.nrec; i++) {
                sq_buf_printf(out, "<%.*s>", (int)f.rec[i].n, f.rec[i].p);
                expect_multi |= memchr(f.rec[i].p, '\n', f.rec[i].n) != NULL;
            }
            multi |= f.multi;
            begin = f.begin, at = f.at, st = f.state;
        }
    }
    assert_true(multi || !expect_multi);
    if (begin < n)
        sq_buf_printf(out, "<%.*s", (int)(n - begin), doc + begin);
    sq_buf_putc(out, 0);
    free(buf);
}

static void test_framing(void **state)
{
    (void)state;
    static const struct { const char *options, *doc, *want; } cases[] = {
        {"", "a,b\nc,d\n", "<a,b><c,d>"}, {"", "a\r\n\r\nb\r\n", "<a><><b>"}, {"", "\"a\nb\",c\nd\n", "<\"a\nb\",c><d>"}, {"", "a,\"b\"\"\n\",c\n\"\"\n\"\"\"\"\nd", "<a,\"b\"\"\n\",c><\"\"><\"\"\"\"><d"},
        {"", "a\"b\nc\"\n", "<a\"b><c\">"}, {"", "x, \"a\nb\n", "<x, \"a><b>"}, {"csv.trim-spaces=true", "x, \"a\nb\"\n", "<x, \"a\nb\">"}, {"", "\"a\" x\"\nb\n", "<\"a\" x\"><b>"},
        {"", "\xef\xbb\xbf\"a\nb\"\n", "<\xef\xbb\xbf\"a\nb\">"}, {"csv.escape-character=\\", "a\\\nb\n\"c\\\"\n\"\nd\\\\\n", "<a\\\nb><\"c\\\"\n\"><d\\\\>"},
        {"csv.disable-quote-character=true&&csv.escape-character=\\", "\"a\\\nb\nc\n", "<\"a\\\nb><c>"}, {"csv.allow-comments=true", "# it's \"\na,b\n  # \"\n \"x\ny\"\n", "<# it's \"><a,b><  # \"><\xff"},
        {"csv.field-delimiter=\xc2\xa7", "a\xc2\xa7\"b\nc\"\n\xc2\xa9\"\nd\n", "<a\xc2\xa7\"b\nc\"><\xc2\xa9\"><d>"}, {"", "\"never closed\na,b\nc", "<\"never closed\na,b\nc"}, {"", "", ""},
        {"csv.quote-character='", "'a\n''\n',\"\nb\n", "<'a\n''\n',\"><b>"},
        {"", "a long line without any special character, which is more than sixty-four bytes\nb\n\"a long quoted field with newlines\n and quotes \"\" in it, of more than sixty-four bytes in all\"\nc\n",
         "<a long line without any special character, which is more than sixty-four bytes><b><\"a long quoted field with newlines\n and quotes \"\" in it, of more than sixty-four bytes in all\"><c>"},
    };
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        struct sq_csv_options o;
        size_t n = strlen(cases[i].doc);
        assert_int_equal(parse(&sq_format_csv, cases[i].options, &o), SQ_OK);
        for (uint32_t max = 1; max <= 64; max = max == 1 ? 2 : max * 8)
            for (size_t first = 0; first <= n; first++) {
                struct sq_buf out = {.ctx = &ctx};
                const char *want = cases[i].want;
                frame(&o, cases[i].doc, n, first, max, &out);
                if (strchr(want, '\xff'))                  /* a blank before a quote, where comments are looked for */
                    want = "<# it's \"><a,b><  # \">< \"x\ny\">";
                if (strcmp(out.p, want) != 0)
                    fail_msg("cut at %zu, %u at a time\n got:  %s\n want: %s", first, max, out.p, want);
                sq_buf_free(&out);
            }
    }
    struct sq_csv_options plain;
    assert_int_equal(parse(&sq_format_csv, "csv.disable-quote-character=true", &plain), SQ_OK);
    assert_null(sq_format_csv.framer(&plain));
}

/* ---- files ---- */

static struct { char path[64]; struct sq_table_ext *ext; struct sq_table_spec table; struct sq_kv kv[8]; struct sq_table_column cols[3]; } file;

static void open_file(const char *options, const char *doc, size_t block)
{
    snprintf(file.path, sizeof file.path, "/tmp/sq_csvXXXXXX");
    int fd = mkstemp(file.path);
    assert_true(fd >= 0 && write(fd, doc, strlen(doc)) == (ssize_t)strlen(doc));
    close(fd);
    file.cols[0] = col("s", &sq_type_string);
    file.cols[1] = col("n", &sq_type_int);
    file.kv[0] = (struct sq_kv){.key = SQ_STR("connector"), .value = SQ_STR("filesystem")};
    file.kv[1] = (struct sq_kv){.key = SQ_STR("path"), .value = sq_str_of(file.path)};
    file.kv[2] = (struct sq_kv){.key = SQ_STR("format"), .value = SQ_STR("csv")};
    file.table = (struct sq_table_spec){.name = SQ_STR("t"), .cols = file.cols, .ncols = 2, .options = file.kv, .noptions = 3 + kv_of(options, file.kv + 3)};
    assert_int_equal(sq_connector_filesystem.table(&ctx, &arena, &file.table, &file.ext), SQ_OK);
    ((struct sq_fs_table *)(void *)file.ext)->block = block;
}

static void bad_line(void *arg, struct sq_str split, int64_t position, struct sq_str column, const char *reason, struct sq_str raw)
{
    (void)arg;
    (void)split;
    (void)raw;
    sq_buf_printf(&text, "!line %lld %.*s: %s\n", (long long)position, SQ_FMT(column), reason);
}

/* Reads the file, closing and opening it again from its position after every `reopen` batches. */
static sq_rc read_file(uint32_t batch_rows, int reopen)
{
    static const uint32_t wanted[] = {0, 1};
    struct sq_scan_spec spec = {.table = &file.table, .ext = file.ext, .cols = wanted, .ncols = 2, .batch_rows = batch_rows, .bad = bad_line};
    const struct sq_source_class *c = sq_connector_filesystem.source;
    struct sq_split *splits;
    struct sq_reader *r;
    struct sq_poll p;
    uint32_t n;
    sq_rc rc;

    sq_buf_free(&text);
    sq_buf_init(&text, &ctx);
    assert_int_equal(c->splits(&ctx, &arena, &spec, 4, &splits, &n), SQ_OK);
    assert_true(n <= 1);
    assert_int_equal(c->open(&ctx, &spec, &r), SQ_OK);
    if (n)
        assert_int_equal(c->add_split(r, &splits[0], (struct sq_str){NULL, 0}), SQ_OK);
    for (int batches = 0;;) {
        rc = c->poll(r, &p);
        if (rc != SQ_OK || p.state == SQ_POLL_END)
            break;
        if (p.state != SQ_POLL_ROWS)
            continue;
        print_rows(p.batch);
        if (reopen && ++batches % reopen == 0) {
            struct sq_buf pos = {.ctx = &ctx};
            assert_int_equal(c->position(r, 0, &pos), SQ_OK);
            c->close(r);
            assert_int_equal(c->open(&ctx, &spec, &r), SQ_OK);
            assert_int_equal(c->add_split(r, &splits[0], sq_buf_view(&pos)), SQ_OK);
            sq_buf_free(&pos);
        }
    }
    if (rc != SQ_OK)
        sq_buf_printf(&text, "error: %s", ctx.err.msg + strlen(file.path));
    sq_buf_putc(&text, 0);
    c->close(r);
    return rc;
}

static void test_files(void **state)
{
    (void)state;
    static const struct { const char *options, *doc, *want; } cases[] = {
        {"", "a,1\n\"b\nb\",2\n\n\"c\"\"\r\n\",3\r\nd,4", "a|1\nb\nb|2\nc\"\r\n|3\nd|4\n"},
        {"csv.ignore-first-line=true", "\"s\nx\",n\na,1\nb,2\n", "a|1\nb|2\n"},
        {"csv.ignore-first-line=true&&csv.disable-quote-character=true", "s,n\n\"a,1\nb,2\n", "\"a|1\nb|2\n"},
        {"csv.allow-comments=true&&csv.ignore-first-line=true", "# \"\n# c\ns,n\na,1\n#\nb,2\n", "a|1\nb|2\n"},
        {"", "a,1\n\"b\nb\",2\n\n\"c\n\n\",x\nd,4\n", "a|1\nb\nb|2\nerror: :5: column 'n': not an INT: x"},
        {"", "a,1\n\"b\nb\",2\n\"never\nclosed\n,4\n", "a|1\nb\nb|2\nerror: :4: malformed CSV at byte 1: the quoted field is not closed: \"never\\nclosed\\n,4\\n"},
        {"csv.ignore-parse-errors=true", "a,1\n\"b\nb\",x\n\nc,y\n\"d\n\n\",4\ne,z,0\nf,6\n",
         "!line 2 n: not an INT: x\n!line 5 n: not an INT: y\n!line 9 : malformed CSV at byte 5: more fields than the table has columns: 0\na|1\nb\nb|NULL\nc|NULL\nd\n\n|4\nf|6\n"},
        {"", "", ""},
    };
    for (size_t i = 0; i < SQ_LEN(cases); i++)
        for (size_t block = 1; block < 90; block += block < 20 ? 1 : 23) {
            open_file(cases[i].options, cases[i].doc, block);
            for (uint32_t rows = 1; rows <= 50; rows += 7)
                for (int reopen = 0; reopen < 3; reopen++) {
                    bool reports = strchr(cases[i].want, '!') != NULL;
                    if (reports && (reopen || rows < 50))  /* reports come when their batch does */
                        if (block < 60)
                            continue;
                    read_file(rows, reopen);
                    const char *got = text.p, *want = cases[i].want, *error = strstr(want, "error:");
                    if (error) {                           /* rows of the batch that failed are not given */
                        got = strstr(got, "error:");
                        want = error;
                    }
                    if ((!reports || (rows == 50 && block > 60 && !reopen)) && (!got || strcmp(got, want) != 0))
                        fail_msg("blocks of %zu, %u rows, reopened %d\n got:  %s\n want: %s", block, rows, reopen, text.p, want);
                    if (reports)
                        assert_non_null(strstr(text.p, "!line 9 : malformed"));
                }
            unlink(file.path);
        }
}

/* ---- encoding ---- */

static void encode_case(const struct sq_type *type, const char *options, const char *json_like, const char *want)
{
    struct sq_csv_options in_opt, o;
    struct sq_table_column cols[] = {col("a", type)};
    const struct sq_type *types[] = {type};
    struct sq_decoder *dec;
    struct sq_encoder *enc;
    struct sq_out out;
    struct sq_buf b = {.ctx = &ctx};
    struct sq_slice rec = {json_like, json_like ? strlen(json_like) : 0};
    uint32_t n = 0, ends[1];

    number(cols, 1);
    assert_int_equal(parse(&sq_format_csv, "csv.field-delimiter=\\u0001&&csv.disable-quote-character=true&&csv.null-literal=NULL&&csv.escape-character=\\", &in_opt), SQ_OK);
    assert_int_equal(parse(&sq_format_csv, options, &o), SQ_OK);
    assert_int_equal(sq_out_init(&out, &ctx, types, 1), SQ_OK);
    assert_int_equal(sq_csv_decoder_open(&ctx, &in_opt, NULL, cols, 1, &dec), SQ_OK);
    struct sq_decode d = {.rec = &rec, .nrec = 1, .max_rows = 1, .out = &out};
    assert_int_equal(sq_csv_decode(dec, &d), SQ_OK);
    assert_int_equal(out.n, 1);
    assert_int_equal(sq_csv_encoder_open(&ctx, &o, NULL, cols, 1, &enc), SQ_OK);
    sq_rc rc = sq_csv_encode(enc, sq_out_batch(&out), true, &b, ends, &n);
    if (want[0] == '!') {
        assert_int_equal(rc, SQ_DATA);
        assert_string_equal(ctx.err.msg, want + 1);
    } else {
        assert_int_equal(rc, SQ_OK);
        assert_true(n == 1 && ends[0] == b.n && b.p[b.n - 1] == '\n');
        b.p[b.n - 1] = 0;
        if (strcmp(b.p, want) != 0)
            fail_msg("%s with %s: got %s, want %s", json_like, options, b.p, want);
    }
    sq_csv_encoder_close(enc);
    sq_csv_decoder_close(dec);
    sq_buf_free(&b);
    sq_out_free(&out);
}

static void test_encode(void **state)
{
    (void)state;
    const struct sq_type *str = &sq_type_string, *i32 = &sq_type_int, *dec = ty(SQ_T_DECIMAL, 20, 8), *ints = sq_type_array(&arena, true, i32),
                         *decs = sq_type_array(&arena, true, dec);
    const struct sq_field f[] = {{SQ_STR("x"), i32}, {SQ_STR("y"), str}};
    const struct sq_type *row = sq_type_row(&arena, true, f, 2);
    struct { const struct sq_type *type; const char *options, *value, *want; } cases[] = {
        {str, "", "abc", "abc"}, {str, "", "a b", "\"a b\""}, {str, "", "a,b", "\"a,b\""}, {str, "", "a\"b", "\"a\"\"b\""}, {str, "", "a\\nb", "\"a\nb\""}, {str, "", "", ""}, {str, "", "NULL", ""},
        {str, "", "123456789012345678901234", "123456789012345678901234"}, {str, "", "1234567890123456789012345", "\"1234567890123456789012345\""},
        {str, "", "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"},
        {str, "", "xxxxxxxxxxxxxxxxxxxxxxx\xf0\x9f\x98\x80", "\"xxxxxxxxxxxxxxxxxxxxxxx\xf0\x9f\x98\x80\""}, /* 25 UTF-16 units */
        {str, "", "xxxxxxxxxxxxxxxxxxxxxx\xf0\x9f\x98\x80", "xxxxxxxxxxxxxxxxxxxxxx\xf0\x9f\x98\x80"},
        {str, "", "#", "\"#\""}, {str, "", "-./:;", "-./:;"}, {str, "", "a+b", "\"a+b\""}, {str, "csv.field-delimiter=\\t", "a,b+#", "a,b+#"}, {str, "csv.field-delimiter=\\t", "a b", "\"a b\""},
        {str, "csv.field-delimiter=|", "abc", "\"abc\""}, {str, "csv.field-delimiter=|", "~", "~"}, {str, "csv.quote-character='", "it's", "'it''s'"},
        {str, "csv.field-delimiter=\xc2\xa7", "\xc2\xa6", "\"\xc2\xa6\""}, {str, "csv.field-delimiter=\xc2\xa7", "\xc2\xa8", "\xc2\xa8"},
        {str, "csv.escape-character=\\", "a\\\\b", "\"a\\\\b\""}, {str, "csv.escape-character=\\", "\"", "\"\"\"\""}, {str, "csv.escape-character=\\", "ab", "ab"},
        {str, "csv.null-literal=n/a", "NULL", "n/a"}, {str, "csv.allow-comments=true&&csv.field-delimiter=\\t", "#x", "\"#x\""},
        {str, "csv.disable-quote-character=true", "a b\"c", "a b\"c"}, {str, "csv.disable-quote-character=true", "a,b", "!column 'a': the text holds the field delimiter, and quoting is disabled"},
        {str, "csv.disable-quote-character=true", "a\\nb", "!column 'a': the text holds a newline, and quoting is disabled"},
        {str, "csv.disable-quote-character=true&&csv.escape-character=\\", "a\\\\b", "!column 'a': the text holds the escape character, and quoting is disabled"},
        {str, "csv.disable-quote-character=true&&csv.allow-comments=true", "#b", "!column 'a': the text holds a # at its beginning, as comments do, and quoting is disabled"},
        {i32, "", "-5", "-5"}, {i32, "csv.field-delimiter=|", "-5", "-5"}, {i32, "csv.field-delimiter=-", "-5", "\"-5\""}, {&sq_type_bigint, "", "9223372036854775807", "9223372036854775807"},
        {&sq_type_double, "", "1e10", "1.0E10"}, {&sq_type_double, "", "NaN", "NaN"}, {&sq_type_float, "", "0.1", "0.1"}, {&sq_type_boolean, "", "true", "true"}, {&sq_type_boolean, "", "no", "false"},
        {dec, "", "100000", "\"1E+5\""}, {dec, "", "1.50", "1.5"}, {dec, "", "0", "0"}, {dec, "", "120", "\"1.2E+2\""}, {dec, "", "-0.00000001", "-1E-8"}, {dec, "", "123.45", "123.45"},
        {dec, "csv.write-bigdecimal-in-scientific-notation=false", "100000", "100000"}, {dec, "csv.write-bigdecimal-in-scientific-notation=false", "-0.00000001", "-0.00000001"},
        {dec, "csv.write-bigdecimal-in-scientific-notation=false", "-1200", "-1200"}, {dec, "csv.field-delimiter=|", "1", "\"1\""},
        {&sq_type_date, "", "2024-02-29", "2024-02-29"}, {ty(SQ_T_TIME, 3, 0), "", "12:34:56.120", "12:34:56.12"}, {&sq_type_timestamp3, "", "2024-01-02 03:04:05.600", "\"2024-01-02 03:04:05.6\""},
        {&sq_type_timestamp3, "", "2024-01-02 03:04:05", "\"2024-01-02 03:04:05\""}, {&sq_type_ltz3, "", "2024-01-02 03:04:05.6Z", "\"2024-01-02 03:04:05.6Z\""},
        {&sq_type_bytes, "", "YWJj", "YWJj"}, {&sq_type_bytes, "", "++++", "\"++++\""},
        {ints, "", "1;2;3", "1;2;3"}, {ints, "", "", ""}, {ints, "", "1;NULL", "1;"}, {ints, "csv.null-literal=n/a", "1;NULL", "1;n/a"}, {ints, "csv.array-element-delimiter=,", "1;2", "\"1,2\""},
        {ints, "csv.array-element-delimiter=\\u20ac", "1;2", "1\xe2\x82\xac" "2"}, {decs, "csv.write-bigdecimal-in-scientific-notation=false", "100", "\"1E+2\""}, {row, "", "1;x y", "\"1;x y\""}, {row, "", "", ""},
    };
    for (size_t i = 0; i < SQ_LEN(cases); i++)
        encode_case(cases[i].type, cases[i].options, cases[i].value, cases[i].want);
}

static uint64_t rng = 88172645463325252u;
static uint32_t next(uint32_t n)
{
    rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
    return (uint32_t)(rng >> 33) % n;
}

static void random_field(struct sq_buf *b, int kind)
{
    static const char *const bits[] = {"a", "b,", "\"", "\"\"", "\n", "\r\n", " ", "\\", "\\n", "\xc3\xa9", "\xf0\x9f\x98\x80", ";", "#", "'", "|", "\t", "0", "x", "sensor-", "N", "\xc2\xa7"};
    switch (kind) {
    case 0:
        for (uint32_t n = next(2) ? next(4) : next(30); n > 0; n--)
            sq_buf_puts(b, bits[next(SQ_LEN(bits))]);
        break;
    case 1: sq_buf_printf(b, "%d", (int)next(2000) - 1000); break;
    case 2: sq_buf_printf(b, "%.*f", (int)next(9), (double)((int)next(2000000000) - 1000000000) / (double)(1 + next(100000))); break;
    case 3: sq_buf_printf(b, "%d.%08d", (int)next(100000) - 50000, (int)(next(2) ? next(100000000) : 0)); break;
    default: sq_buf_printf(b, "20%02d-%02d-%02d 0%d:00:0%d.%03d", (int)next(100), 1 + (int)next(12), 1 + (int)next(28), (int)next(10), (int)next(10), (int)next(1000));
    }
}

/* Random rows are written with all kinds of options, cut into records, and read back the same. */
static void test_round_trip(void **state)
{
    (void)state;
    static const char *const options[] = {
        "csv.null-literal=NIL", "csv.null-literal=NIL&&csv.field-delimiter=\\t", "csv.null-literal=NIL&&csv.field-delimiter=|&&csv.escape-character=\\",
        "csv.null-literal=NIL&&csv.quote-character='", "csv.null-literal=NIL&&csv.field-delimiter=\xc2\xa7", "csv.null-literal=NIL&&csv.write-bigdecimal-in-scientific-notation=false",
        "csv.null-literal=NIL&&csv.allow-comments=true&&csv.field-delimiter=\\t", "csv.null-literal=NIL&&csv.field-delimiter=\\u0001&&csv.quote-character=\\u0002", "csv.null-literal=NIL&&csv.trim-spaces=true",
    };
    enum { NROW = 200, NCOL = 6 };
    struct sq_table_column cols[NCOL] = {col("s", &sq_type_string), col("n", &sq_type_int), col("d", &sq_type_double), col("e", ty(SQ_T_DECIMAL, 20, 8)), col("t", &sq_type_timestamp3), col("u", &sq_type_string)};
    static const int kinds[NCOL] = {0, 1, 2, 3, 4, 0};
    const struct sq_type *types[NCOL];
    number(cols, NCOL);
    for (int i = 0; i < NCOL; i++)
        types[i] = cols[i].type;
    for (int round = 0; round < 90; round++) {
        struct sq_csv_options o;
        struct sq_out out;
        struct sq_encoder *enc;
        struct sq_buf doc = {.ctx = &ctx}, v = {.ctx = &ctx}, first = {.ctx = &ctx};
        uint32_t n, ends[NROW];
        struct sq_slice rec[NROW + 1];
        assert_int_equal(parse(&sq_format_csv, options[round % (int)SQ_LEN(options)], &o), SQ_OK);
        assert_int_equal(sq_out_init(&out, &ctx, types, NCOL), SQ_OK);
        struct sq_csv_dec conv = {.ctx = &ctx, .heap = &out.heap, .column = (struct sq_csv_column[NCOL]){{{NULL, 0}, NULL}}, .ch = {.array = ";", .narray = 1}};
        for (int c = 0; c < NCOL; c++)
            conv.column[c] = (struct sq_csv_column){cols[c].name, cols[c].type};
        for (uint32_t r = 0; r < NROW; r++) {
            for (uint32_t c = 0; c < NCOL; c++) {
                if (next(10) == 0) {
                    sq_col_append_null(&out.cols[c]);
                    continue;
                }
                sq_buf_reset(&v);
                random_field(&v, kinds[c]);
                if (kinds[c] == 0)
                    sq_col_append_view(&out.cols[c], v.p ? v.p : "", (uint32_t)v.n);
                else if (sq_csv_value(&conv, c, &out.cols[c], sq_buf_view(&v)) != SQ_CSV_OK)
                    fail_msg("%s", ctx.err.msg);
            }
            sq_out_row(&out, SQ_INSERT);
        }
        sq_buf_free(&text);
        sq_buf_init(&text, &ctx);
        print_rows(sq_out_batch(&out));
        sq_buf_str(&first, sq_buf_view(&text));
        sq_buf_putc(&first, 0);
        assert_int_equal(sq_csv_encoder_open(&ctx, &o, NULL, cols, NCOL, &enc), SQ_OK);
        assert_int_equal(sq_csv_encode(enc, sq_out_batch(&out), true, &doc, ends, &n), SQ_OK);
        assert_int_equal(n, NROW);
        sq_buf_reserve(&doc, 64);
        struct sq_frame f = {.p = doc.p, .n = doc.n, .limit = SIZE_MAX, .rec = rec, .max = NROW + 1};
        assert_false(sq_format_csv.framer(&o)(&o, &f));
        assert_int_equal(f.nrec, NROW);
        assert_int_equal(f.begin, doc.n);
        for (uint32_t r = 0; r < NROW; r++)                /* the framer finds what the encoder wrote */
            assert_true(rec[r].p == doc.p + (r ? ends[r - 1] : 0) && rec[r].n == ends[r] - (r ? ends[r - 1] : 0) - 1);
        for (int padded = 0; padded < 2; padded++) {
            struct run run = {.format = &sq_format_csv, .opt = &o, .cols = cols, .ncols = NCOL, .padded = padded};
            assert_int_equal(decode(&run, rec, NROW), SQ_OK);
            if (strcmp(text.p, first.p) != 0)
                fail_msg("%s: does not read back\n%s--- got\n%s--- from\n%.*s", options[round % (int)SQ_LEN(options)], first.p, text.p, (int)doc.n, doc.p);
        }
        sq_csv_encoder_close(enc);
        sq_buf_free(&doc);
        sq_buf_free(&v);
        sq_buf_free(&first);
        sq_out_free(&out);
    }
}

/* ---- no memory ---- */

static void test_nomem(void **state)
{
    (void)state;
    const struct sq_field f[] = {{SQ_STR("x"), &sq_type_int}, {SQ_STR("y"), &sq_type_string}};
    struct sq_table_column cols[] = {col("a", sq_type_array(&arena, true, &sq_type_string)), col("r", sq_type_row(&arena, true, f, 2)), col("s", &sq_type_string), col("b", &sq_type_bytes)};
    const struct sq_type *types[] = {cols[0].type, cols[1].type, cols[2].type, cols[3].type};
    static const char rec[] = "\"a long enough \"\"string\"\";b\",1;y,\"some more \"\"text\"\" than is inline\",YWJjZGVmZ2hpamtsbW5v";
    struct sq_slice s[] = {{rec, sizeof rec - 1}, {rec, sizeof rec - 1}, {"x", 1}};
    struct sq_csv_options o;
    number(cols, 4);
    assert_int_equal(parse(&sq_format_csv, "csv.ignore-parse-errors=true&&csv.null-literal=n/a", &o), SQ_OK);
    for (int at = 1;; at++) {
        struct sq_decoder *dec = NULL;
        struct sq_encoder *enc = NULL;
        struct sq_out out = {0};
        struct sq_buf b = {.ctx = &ctx};
        uint32_t n;
        budget.fail_at = at;
        sq_rc rc = sq_out_init(&out, &ctx, types, 4);
        if (rc == SQ_OK)
            rc = sq_csv_decoder_open(&ctx, &o, NULL, cols, 4, &dec);
        if (rc == SQ_OK) {
            struct sq_decode d = {.rec = s, .nrec = 3, .max_rows = 3, .out = &out};
            rc = sq_csv_decode(dec, &d);
            if (rc == SQ_OK)
                assert_int_equal(out.n, 3);
        }
        if (rc == SQ_OK)
            rc = sq_csv_encoder_open(&ctx, &o, NULL, cols, 4, &enc);
        if (rc == SQ_OK)
            rc = sq_csv_encode(enc, sq_out_batch(&out), true, &b, NULL, &n);
        bool over = budget.fail_at > 0;
        budget.fail_at = 0;
        sq_csv_decoder_close(dec);
        sq_csv_encoder_close(enc);
        sq_buf_free(&b);
        sq_out_free(&out);
        if (over) {
            assert_int_equal(rc, SQ_OK);
            break;
        }
        assert_int_equal(rc, SQ_NOMEM);
        assert_true(at < 1000);
    }
}

/* ---- raw ---- */

static void raw_case(const struct sq_type *type, const char *options, const char *bytes, size_t n, const char *want, bool back)
{
    _Alignas(16) char opt[64];
    struct sq_table_column cols[] = {col("a", type)};
    struct run run = {.format = &sq_format_raw, .opt = opt, .cols = cols, .ncols = 1};
    struct sq_slice rec[] = {{bytes, n}, {bytes, n}};
    char both[400];
    assert_true(sq_format_raw.options_size <= sizeof opt);
    number(cols, 1);
    assert_int_equal(parse(&sq_format_raw, options, opt), SQ_OK);
    snprintf(both, sizeof both, want[0] == '!' ? "error in record 0: column 'a': %s\n" : "%s\n%s\n", want[0] == '!' ? want + 1 : want, want);
    expect_n(run, rec, 2, both, want);
    if (!back)
        return;
    const struct sq_type *types[] = {type};
    struct sq_decoder *dec;
    struct sq_encoder *enc;
    struct sq_out out;
    struct sq_buf b = {.ctx = &ctx};
    uint32_t ends[2], k;
    assert_int_equal(sq_out_init(&out, &ctx, types, 1), SQ_OK);
    assert_int_equal(sq_format_raw.decoder_open(&ctx, opt, NULL, cols, 1, &dec), SQ_OK);
    struct sq_decode d = {.rec = rec, .nrec = 2, .max_rows = 9, .out = &out};
    assert_int_equal(sq_format_raw.decode(dec, &d), SQ_OK);
    assert_int_equal(sq_format_raw.encoder_open(&ctx, opt, NULL, cols, 1, &enc), SQ_OK);
    assert_int_equal(sq_format_raw.encode(enc, sq_out_batch(&out), false, &b, ends, &k), SQ_OK);
    assert_true(k == 2 && ends[0] == n && ends[1] == 2 * n && b.n == 2 * n);
    assert_memory_equal(b.p, bytes, n);
    assert_memory_equal(b.p + n, bytes, n);
    sq_format_raw.encoder_close(enc);
    sq_format_raw.decoder_close(dec);
    sq_buf_free(&b);
    sq_out_free(&out);
}
#define RAW(type, options, bytes, want, back) raw_case(type, options, bytes, sizeof bytes - 1, want, back)

static void test_raw(void **state)
{
    (void)state;
    RAW(&sq_type_string, "", "some text, longer than twelve", "some text, longer than twelve", true);
    RAW(&sq_type_string, "", "\xff", "!not valid UTF-8: \\xff", false);
    RAW(&sq_type_string, "raw.charset=ISO-8859-1", "caf\xe9", "caf\xc3\xa9", true);
    RAW(&sq_type_string, "raw.charset=UTF-16LE", "a\0\xac\x20", "a\xe2\x82\xac", true);
    RAW(&sq_type_string, "raw.charset=UTF-16", "\xfe\xff\0a", "a", true);
    RAW(&sq_type_string, "raw.charset=UTF-16LE", "a\0\xac", "!not text in the charset: a\\x00\\xac", false);
    RAW(&sq_type_bytes, "raw.charset=UTF-16", "\x01 and some more bytes", "\x01 and some more bytes", true);
    RAW(&sq_type_int, "", "\x01\x02\x03\x04", "16909060", true);
    RAW(&sq_type_int, "raw.endianness=little-endian", "\x01\x02\x03\x04", "67305985", true);
    RAW(&sq_type_int, "", "\x01\x02\x03", "!an INT is 4 bytes, and the record has 3: \\x01\\x02\\x03", false);
    RAW(&sq_type_bigint, "", "\xff\xff\xff\xff\xff\xff\xff\xfe", "-2", true);
    RAW(&sq_type_smallint, "", "\xff\xfe", "-2", true);
    RAW(&sq_type_tinyint, "", "\x7f", "127", true);
    RAW(&sq_type_boolean, "", "\x01", "TRUE", true);
    RAW(&sq_type_boolean, "", "\x07", "TRUE", false);
    RAW(&sq_type_double, "", "\x3f\xf8\0\0\0\0\0\0", "1.5", true);
    RAW(&sq_type_float, "raw.endianness=little-endian", "\0\0\xc0\x3f", "1.5", true);

    static const struct { const char *options; int ncols; const char *error; } cases[] = {
        {"", 1, NULL}, {"raw.charset=windows-1252", 1, NULL}, {"raw.charset=klingon", 1, "table 't': 'raw.charset': there is no charset 'klingon'"},
        {"raw.charset=ASCII//TRANSLIT", 1, "table 't': 'raw.charset': there is no charset 'ASCII//TRANSLIT'"}, {"", 2, "table 't': format 'raw' is for tables with one column, and this one has 2"},
        {"", -1, "column 'a': format 'raw' has no DECIMAL"},
    };
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        _Alignas(16) char opt[64];
        struct sq_kv kv[8];
        struct sq_table_column cols[] = {col("a", cases[i].ncols < 0 ? ty(SQ_T_DECIMAL, 5, 2) : &sq_type_string), col("b", &sq_type_int)};
        struct sq_table_spec t = {.name = SQ_STR("t"), .cols = cols, .ncols = (uint32_t)abs(cases[i].ncols), .options = kv, .noptions = kv_of(cases[i].options, kv)};
        assert_int_equal(parse(&sq_format_raw, cases[i].options, opt), SQ_OK);
        sq_rc rc = sq_format_raw.check(&ctx, opt, &t, true);
        if (cases[i].error)
            assert_true(rc != SQ_OK && strcmp(ctx.err.msg, cases[i].error) == 0);
        else
            assert_int_equal(rc, SQ_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),    cmocka_unit_test_setup_teardown(test_options, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nested_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_column, setup, teardown), cmocka_unit_test_setup_teardown(test_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_framing, setup, teardown),    cmocka_unit_test_setup_teardown(test_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_encode, setup, teardown),     cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nomem, setup, teardown),      cmocka_unit_test_setup_teardown(test_raw, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
