/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_json.c: arbitrary bytes as records of the json format. The first byte chooses options; the rest is cut into records at newlines, each of
 * which is given twice, so that the second meets the shape of the first.
 *
 * Checked: guessed shapes and the general path, padded and unpadded records give the same rows and reports; a record is taken exactly if jansson
 * takes it; strings, integers and doubles are what jansson reads; what was decoded can be encoded, and reads back the same.
 * Known differences to jansson: unescaped control characters and lone surrogates are taken (as Flink does), and \u0000; numbers may overflow;
 * a byte order mark is passed over; nesting ends at 1000.
 */
#include "base/os.h"
#include "connectors/formats/json_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_RECORDS = 64, NCOLS = 15 };

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void die(const char *what, const char *a, const char *b)
{
    fprintf(stderr, "fuzz_json: %s\n--- a\n%s\n--- b\n%s\n", what, a ? a : "", b ? b : "");
    abort();
}

struct world {
    struct sq_budget budget;
    struct sq_ctx ctx;
    struct sq_arena arena;
    struct sq_table_column cols[NCOLS];
    const struct sq_type *types[NCOLS];
    struct sq_json_options opt;
    struct sq_slice rec[2 * MAX_RECORDS];
    uint32_t nrec;
    struct sq_buf text;
};

static void setup(struct world *w)
{
    struct sq_arena *a = &w->arena;
    w->ctx = (struct sq_ctx){.budget = &w->budget, .os = &sq_os_posix};
    sq_arena_init(a, &w->ctx);
    struct sq_field f[] = {{SQ_STR("x"), &sq_type_int}, {SQ_STR("y"), &sq_type_string}};
    const struct sq_type *row = sq_type_row(a, true, f, 2);
    const struct { const char *name; const struct sq_type *type; } c[NCOLS] = {
        {"s", &sq_type_string}, {"n", &sq_type_bigint}, {"d", &sq_type_double}, {"i", &sq_type_int}, {"b", &sq_type_boolean}, {"t", &sq_type_tinyint},
        {"f", &sq_type_float}, {"dec", sq_type_new(a, SQ_T_DECIMAL, true, 20, 5)}, {"date", &sq_type_date}, {"ts", &sq_type_timestamp9},
        {"y", &sq_type_bytes}, {"a", sq_type_array(a, true, &sq_type_int)}, {"m", sq_type_map(a, true, &sq_type_string, sq_type_array(a, true, &sq_type_string))},
        {"r", row}, {"rs", sq_type_array(a, true, row)},
    };
    for (int i = 0; i < NCOLS; i++) {
        w->cols[i] = (struct sq_table_column){.name = sq_str_of(c[i].name), .type = c[i].type};
        w->types[i] = c[i].type;
    }
}

static void on_bad(void *arg, uint32_t record, struct sq_str column, const char *reason)
{
    struct world *w = arg;
    sq_buf_printf(&w->text, "!%u %.*s: %s\n", record, SQ_FMT(column), reason);
}

static void print_row(struct world *w, const struct sq_batch *b, uint32_t r)
{
    for (uint32_t c = 0; c < b->ncols; c++) {
        if (sq_vec_null(&b->cols[c], r))
            sq_buf_puts(&w->text, "|NULL");
        else {
            sq_buf_putc(&w->text, '|');
            sq_print_value(&w->text, &b->cols[c], r, sq_tz_utc);
        }
    }
    sq_buf_putc(&w->text, '\n');
}

static void decode(struct world *w, bool guess, bool padded, uint32_t max_rows, struct sq_out *out)
{
    struct sq_decoder *dec;
    struct sq_slice slice[2 * MAX_RECORDS];
    uint32_t record_of[2 * MAX_RECORDS + 2];
    char *block[2 * MAX_RECORDS];

    sq_buf_reset(&w->text);
    for (uint32_t i = 0; i < w->nrec; i++) {
        size_t n = w->rec[i].n;
        block[i] = malloc(n + (padded ? SQ_JSON_PAD : 0) + !n);
        memcpy(block[i], w->rec[i].p, n);
        if (padded)
            memset(block[i] + n, guess ? '}' : '1', SQ_JSON_PAD);
        slice[i] = (struct sq_slice){block[i], n};
    }
    if (sq_json_decoder_open(&w->ctx, &w->opt, w->cols, NCOLS, guess, &dec) != SQ_OK || sq_out_init(out, &w->ctx, w->types, NCOLS) != SQ_OK)
        abort();
    for (uint32_t at = 0; at < w->nrec;) {
        struct sq_decode d = {.rec = slice + at, .nrec = w->nrec - at, .padded = padded, .max_rows = max_rows, .out = out, .row_record = record_of, .bad = on_bad, .bad_arg = w};
        sq_out_reset(out);
        if (max_rows < 2 * MAX_RECORDS)                /* several batches: reports are not compared, their numbers begin anew */
            d.bad = NULL;
        sq_rc rc = sq_json_decode(dec, &d);
        if (rc != SQ_OK)
            die("an error though errors are ignored", w->ctx.err.msg, NULL);
        const struct sq_batch *b = sq_out_batch(out);
        const char *wrong = sq_batch_check(b);
        if (wrong)
            die(wrong, w->text.p, NULL);
        for (uint32_t r = 0; r < b->rows; r++) {
            if (record_of[r] > d.consumed || record_of[r] >= w->nrec - at)
                die("a row of a record that was not read", NULL, NULL);
            print_row(w, b, r);
        }
        if (d.consumed == 0 && b->rows == 0)
            die("nothing done", NULL, NULL);
        at += d.consumed;
    }
    sq_json_decoder_close(dec);
    for (uint32_t i = 0; i < w->nrec; i++)
        free(block[i]);
}

/* The oracle. 1: an object, 2: an array of objects, 0: not a record; -1: a known difference. */
static int oracle(struct sq_slice r, json_t **root)
{
    json_error_t e;
    const char *p = r.p;
    size_t n = r.n;

    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3, n -= 3;
    if (memchr(p, 0, n))                               /* never taken; jansson passes over some */
        return 0;
    *root = json_loadb(p, n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &e);
    if (!*root) {
        static const char *const known[] = {"control character", "surrogate", "invalid Unicode", "overflow", "parsing depth", "too big", "NUL byte"};
        for (size_t i = 0; i < SQ_LEN(known); i++)
            if (strstr(e.text, known[i]))
                return -1;
        return 0;
    }
    if (json_is_object(*root))
        return 1;
    if (!json_is_array(*root))
        return 0;
    for (size_t i = 0; i < json_array_size(*root); i++)
        if (!json_is_object(json_array_get(*root, i)))
            return 0;
    return 2;
}

static int depth_of(struct sq_slice r)
{
    int depth = 0, max = 0;
    for (size_t i = 0; i < r.n; i++) {                 /* too high where strings hold brackets: only used to excuse */
        depth += r.p[i] == '[' || r.p[i] == '{';
        max = depth > max ? depth : max;
    }
    return max;
}

static void compare_value(struct world *w, const struct sq_batch *b, uint32_t r, json_t *object)
{
    json_t *v = json_object_get(object, "s");
    if (json_is_string(v)) {
        struct sq_str s = sq_view_str((const struct sq_view *)b->cols[0].data + r);
        if (sq_vec_null(&b->cols[0], r) || s.n != json_string_length(v) || memcmp(s.p, json_string_value(v), s.n) != 0)
            die("another string", json_string_value(v), w->text.p);
    }
    v = json_object_get(object, "d");
    if (json_is_real(v) && (sq_vec_null(&b->cols[2], r) || ((const double *)b->cols[2].data)[r] != json_real_value(v)))
        die("another double", NULL, w->text.p);
    v = json_object_get(object, "n");
    if (json_is_real(v) && json_real_value(v) > -9e15 && json_real_value(v) < 9e15 &&
        (sq_vec_null(&b->cols[1], r) || ((const int64_t *)b->cols[1].data)[r] != (int64_t)json_real_value(v)))
        die("another integer", NULL, w->text.p);
    v = json_object_get(object, "b");
    if (json_is_boolean(v) && (sq_vec_null(&b->cols[4], r) || ((const uint8_t *)b->cols[4].data)[r] != json_is_true(v)))
        die("another boolean", NULL, w->text.p);
    for (int c = 0; c < NCOLS; c++)
        if (json_is_null(json_object_get(object, w->cols[c].name.p)) && !sq_vec_null(&b->cols[c], r))
            die("not NULL", NULL, w->text.p);
}

/* One record by itself: compared with the oracle, encoded, read back. */
static void check_record(struct world *w, struct sq_slice r)
{
    json_t *root = NULL;
    int want = oracle(r, &root);
    struct sq_decoder *dec;
    struct sq_out out, again;
    struct sq_buf json = {.ctx = &w->ctx};
    struct sq_encoder *enc;
    uint32_t n = 0, ends[2 * SQ_BATCH_ROWS];

    if (sq_json_decoder_open(&w->ctx, &w->opt, w->cols, NCOLS, true, &dec) != SQ_OK || sq_out_init(&out, &w->ctx, w->types, NCOLS) != SQ_OK ||
        sq_out_init(&again, &w->ctx, w->types, NCOLS) != SQ_OK)
        abort();
    struct sq_decode d = {.rec = &r, .nrec = 1, .max_rows = SQ_BATCH_ROWS, .out = &out};
    if (sq_json_decode(dec, &d) != SQ_OK)
        die("an error though errors are ignored", w->ctx.err.msg, NULL);
    bool blank = d.nfiltered, ok = d.nbad == 0;
    if (!blank && want >= 0 && ok != (want == 1 || (want == 2 && w->opt.parser)) && depth_of(r) < 1000)
        die(ok ? "taken, but jansson refuses it" : "refused, but jansson takes it", r.n < 2000 ? strndup(r.p, r.n) : "", NULL);
    const struct sq_batch *b = sq_out_batch(&out);
    if (ok && want == 1 && !blank)
        compare_value(w, b, 0, root);
    if (ok && want == 2 && d.consumed == 1)
        for (uint32_t i = 0; i < b->rows; i++)
            compare_value(w, b, i, json_array_get(root, i));
    sq_buf_reset(&w->text);
    for (uint32_t i = 0; i < b->rows; i++)
        print_row(w, b, i);
    if (b->rows) {
        sq_buf_putc(&w->text, 0);
        char *first = strdup(w->text.p);
        if (sq_format_json.encoder_open(&w->ctx, &w->opt, NULL, w->cols, NCOLS, &enc) != SQ_OK || sq_format_json.encode(enc, b, true, &json, ends, &n) != SQ_OK)
            die("cannot encode", w->ctx.err.msg, NULL);
        sq_format_json.encoder_close(enc);
        struct sq_slice *lines = calloc(n, sizeof *lines);
        for (uint32_t i = 0; i < n; i++)
            lines[i] = (struct sq_slice){json.p + (i ? ends[i - 1] : 0), ends[i] - (i ? ends[i - 1] : 0)};
        struct sq_decode e = {.rec = lines, .nrec = n, .max_rows = SQ_BATCH_ROWS, .out = &again};
        if (sq_json_decode(dec, &e) != SQ_OK || e.nbad)
            die("cannot read what was written", json.p, NULL);
        sq_buf_reset(&w->text);
        b = sq_out_batch(&again);
        for (uint32_t i = 0; i < b->rows; i++)
            print_row(w, b, i);
        sq_buf_putc(&w->text, 0);
        if (d.consumed == 1 && strcmp(first, w->text.p) != 0)
            die("does not read back the same", first, w->text.p);
        free(lines);
        free(first);
    }
    sq_buf_free(&json);
    sq_json_decoder_close(dec);
    sq_out_free(&out);
    sq_out_free(&again);
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = calloc(1, sizeof *w);
    struct sq_out out;

    if (size < 2 || !w) {
        free(w);
        return 0;
    }
    setup(w);
    w->opt = (struct sq_json_options){.ignore_errors = true, .parser = data[0] & 1, .timestamp = data[0] >> 1 & 1, .plain_decimal = data[0] >> 2 & 1,
                                      .ignore_null_fields = data[0] >> 3 & 1, .null_key_literal = {"null", 4}};
    sq_buf_init(&w->text, &w->ctx);
    const char *p = (const char *)data + 1, *end = (const char *)data + size;
    while (p < end && w->nrec + 2 <= 2 * MAX_RECORDS) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        if (!nl)
            nl = end;
        w->rec[w->nrec] = w->rec[w->nrec + 1] = (struct sq_slice){p, (size_t)(nl - p)};
        w->nrec += 2;
        p = nl + 1;
    }
    char *want = NULL;
    for (int mode = 0; mode < 4; mode++) {
        decode(w, mode & 1, mode & 2, UINT16_MAX, &out);
        sq_out_free(&out);
        sq_buf_putc(&w->text, 0);
        if (!want)
            want = strdup(w->text.p);
        else if (strcmp(want, w->text.p) != 0)
            die(mode & 1 ? "guessed shapes decode differently" : "padded records decode differently", want, w->text.p);
    }
    free(want);
    want = NULL;
    for (uint32_t limit = 1; limit <= 3; limit++) {    /* small batches give the same rows */
        decode(w, true, true, limit, &out);
        sq_out_free(&out);
        sq_buf_putc(&w->text, 0);
        if (!want)
            want = strdup(w->text.p);
        else if (strcmp(want, w->text.p) != 0)
            die("another batch size decodes differently", want, w->text.p);
    }
    free(want);
    for (uint32_t i = 0; i < w->nrec; i += 2)
        check_record(w, w->rec[i]);
    sq_buf_free(&w->text);
    sq_arena_free(&w->arena);
    if (w->budget.used != 0)
        die("memory is left over", NULL, NULL);
    free(w);
    return 0;
}
