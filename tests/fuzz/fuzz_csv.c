/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_csv.c: arbitrary bytes as a file of the csv format. The first two bytes choose options, the third where the file is cut; the rest is the file.
 *
 * Checked: a file cut into records in one piece and in two gives the same records, and joined they are the file; padded and unpadded records, large and
 * small batches, give the same rows and reports; the texts are those that a plain reader, byte by byte, finds; what was decoded can be encoded, the
 * framer finds each record of it, and it reads back the same.
 */
#include "base/os.h"
#include "connectors/formats/csv_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_RECORDS = 200, NTEXT = 3, NCOLS = 11 };

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void die(const char *what, const char *a, const char *b)
{
    fprintf(stderr, "fuzz_csv: %s\n--- a\n%s\n--- b\n%s\n", what, a ? a : "", b ? b : "");
    abort();
}

struct world {
    struct sq_budget budget;
    struct sq_ctx ctx;
    struct sq_arena arena;
    struct sq_csv_options opt;
    struct sq_csv_chars ch;
    struct sq_table_column texts[NTEXT], cols[NCOLS];
    struct sq_slice rec[MAX_RECORDS], again[MAX_RECORDS];
    uint32_t nrec, nagain;
    struct sq_buf text;
};

static void setup(struct world *w)
{
    struct sq_arena *a = &w->arena;
    w->ctx = (struct sq_ctx){.budget = &w->budget, .os = &sq_os_posix};
    sq_arena_init(a, &w->ctx);
    sq_buf_init(&w->text, &w->ctx);
    struct sq_field f[] = {{SQ_STR("x"), &sq_type_int}, {SQ_STR("y"), &sq_type_string}};
    const struct { const char *name; const struct sq_type *type; } c[NCOLS] = {
        {"s", &sq_type_string}, {"i", &sq_type_int}, {"n", &sq_type_bigint}, {"d", &sq_type_double}, {"dec", sq_type_new(a, SQ_T_DECIMAL, true, 20, 5)},
        {"b", &sq_type_boolean}, {"ts", &sq_type_timestamp3}, {"date", &sq_type_date}, {"y", &sq_type_bytes}, {"a", sq_type_array(a, true, &sq_type_string)},
        {"r", sq_type_row(a, true, f, 2)},
    };
    for (uint32_t i = 0; i < NCOLS; i++)
        w->cols[i] = (struct sq_table_column){.name = sq_str_of(c[i].name), .type = c[i].type, .ordinal = i, .nfields = NCOLS};
    for (uint32_t i = 0; i < NTEXT; i++)
        w->texts[i] = (struct sq_table_column){.name = sq_str_of(c[i].name), .type = &sq_type_string, .ordinal = i, .nfields = NTEXT};
}

static void choose(struct world *w, uint8_t x, uint8_t y)
{
    static const struct sq_str delimiter[] = {SQ_STR(","), SQ_STR(";"), SQ_STR("\\t"), SQ_STR("\xc2\xa7")};
    const char *bad, *why;
    w->opt = (struct sq_csv_options){
        .delimiter = delimiter[x & 3], .quote = x & 4 ? SQ_STR("'") : SQ_STR("\""), .escape = x & 8 ? SQ_STR("\\") : (struct sq_str){NULL, 0},
        .array_delimiter = SQ_STR("|"), .line_delimiter = SQ_STR("\\n"), .null_literal = SQ_STR("NIL"), .disable_quote = x >> 4 & 1, .comments = x >> 5 & 1,
        .trim = x >> 6 & 1, .scientific = x >> 7 & 1, .ignore_errors = true, .ignore_trailing = y & 1, .trailing_comma = y >> 1 & 1, .fail_missing = y >> 2 & 1,
        .empty_null = y >> 3 & 1, .ignore_first = y >> 4 & 1,
    };
    if (!sq_csv_chars(&w->opt, &w->ch, &bad, &why))
        die(why, bad, NULL);
}

/* ---- cutting ---- */

/* Into records whose slices point into `doc`, given up to `first` at first. The last one may have no newline. */
static uint32_t cut(struct world *w, const char *doc, size_t n, size_t first, struct sq_slice *rec)
{
    sq_frame_fn *fn = sq_csv_framer(&w->opt);
    size_t begin = 0, at = 0;
    uint32_t k = 0;
    unsigned state = 0;
    char *buf = malloc(n + SQ_CSV_PAD);

    for (int piece = 0; piece < 2; piece++) {
        size_t have = piece ? n : first;
        memcpy(buf, doc, have);
        memset(buf + have, piece ? '"' : '\n', SQ_CSV_PAD);
        for (bool full = true; full && k < MAX_RECORDS;) {
            if (!fn) {                                     /* lines are records */
                const char *nl = memchr(buf + begin, '\n', have - begin);
                full = nl != NULL;
                if (nl) {
                    size_t end = (size_t)(nl - buf);
                    rec[k++] = (struct sq_slice){doc + begin, end - begin - (end > begin && nl[-1] == '\r')};
                    begin = end + 1;
                }
                continue;
            }
            struct sq_slice some[7];
            struct sq_frame f = {.p = buf, .n = have, .begin = begin, .at = at, .limit = SIZE_MAX, .state = state, .rec = some,
                                 .max = k + 7 > MAX_RECORDS ? MAX_RECORDS - k : 7};
            full = fn(&w->opt, &f);
            if (f.begin > have || f.at > have || f.at < f.begin || (full && f.nrec != f.max))
                die("the framer ran away", NULL, NULL);
            for (uint32_t i = 0; i < f.nrec; i++)
                rec[k++] = (struct sq_slice){doc + (some[i].p - buf), some[i].n};
            begin = f.begin, at = f.at, state = f.state;
        }
    }
    if (k < MAX_RECORDS && begin < n)
        rec[k++] = (struct sq_slice){doc + begin, n - begin - (doc[n - 1] == '\r')};
    free(buf);
    return k;
}

/* ---- decoding to text ---- */

static void on_bad(void *arg, uint32_t record, struct sq_str column, const char *reason)
{
    struct world *w = arg;
    sq_buf_printf(&w->text, "!%u %.*s: %s\n", record, SQ_FMT(column), reason);
}

static void print_row(struct world *w, const struct sq_batch *b, uint32_t r)
{
    for (uint32_t c = 0; c < b->ncols; c++) {
        bool empty = b->cols[c].type->id == SQ_T_VARBINARY && ((const struct sq_view *)b->cols[c].data)[r].len == 0;
        if (sq_vec_null(&b->cols[c], r) || (empty && w->opt.empty_null))
            sq_buf_puts(&w->text, b->cols[c].type->id == SQ_T_ARRAY ? "|[NULL]" : "|NULL");   /* both are written as the null literal */
        else {
            sq_buf_putc(&w->text, '|');
            sq_print_value(&w->text, &b->cols[c], r, sq_tz_utc);
        }
    }
    sq_buf_putc(&w->text, '\n');
}

/* The rows into w->text; of the last batch into `out`, which is to be freed. */
static void decode(struct world *w, const struct sq_table_column *cols, uint32_t ncols, const struct sq_slice *rec, uint32_t n, bool padded, uint32_t max_rows,
                   bool reports, bool file_start, struct sq_out *out)
{
    struct sq_decoder *dec;
    struct sq_slice slice[MAX_RECORDS];
    uint32_t record_of[MAX_RECORDS + 1];
    const struct sq_type *types[NCOLS];

    sq_buf_reset(&w->text);
    for (uint32_t i = 0; i < ncols; i++)
        types[i] = cols[i].type;
    for (uint32_t i = 0; i < n; i++) {
        char *p = sq_arena_get(&w->arena, rec[i].n + SQ_CSV_PAD + 1, 1);
        if (!padded) {                                     /* a block that ends with the record */
            p = malloc(rec[i].n + !rec[i].n);
        } else {
            memset(p + rec[i].n, '1', SQ_CSV_PAD);
        }
        memcpy(p, rec[i].p, rec[i].n);
        slice[i] = (struct sq_slice){p, rec[i].n};
    }
    if (sq_csv_decoder_open(&w->ctx, &w->opt, NULL, cols, ncols, &dec) != SQ_OK || sq_out_init(out, &w->ctx, types, ncols) != SQ_OK)
        abort();
    for (uint32_t at = 0; at < n;) {
        struct sq_decode d = {.rec = slice + at, .nrec = n - at, .padded = padded, .max_rows = max_rows, .out = out, .row_record = record_of,
                              .bad = reports ? on_bad : NULL, .bad_arg = w, .file_start = file_start && at == 0};
        sq_out_reset(out);
        if (sq_csv_decode(dec, &d) != SQ_OK)
            die("an error though errors are ignored", w->ctx.err.msg, NULL);
        const struct sq_batch *b = sq_out_batch(out);
        const char *wrong = sq_batch_check(b);
        if (wrong)
            die(wrong, w->text.p, NULL);
        for (uint32_t r = 0; r < b->rows; r++)
            print_row(w, b, r);
        if (d.consumed == 0)
            die("nothing done", NULL, NULL);
        at += d.consumed;
    }
    sq_buf_putc(&w->text, 0);
    sq_csv_decoder_close(dec);
    for (uint32_t i = 0; i < n && !padded; i++)
        free((void *)slice[i].p);
}

/* ---- the plain reader ---- */

static bool low(const struct world *w, char c) { return (unsigned char)c <= ' ' && c != '\n' && c != '\r' && c != w->ch.delimiter[0]; }
static bool is_delimiter(const struct world *w, const char *p, const char *end)
{
    return (size_t)(end - p) >= w->ch.ndelimiter && memcmp(p, w->ch.delimiter, w->ch.ndelimiter) == 0;
}
static char meant(char c) { return c == '0' ? 0 : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c; }

/* One field to `out`; 0: the last, 1: there are more, -1: malformed. */
static int plain_field(const struct world *w, const char **at, const char *end, char *out, uint32_t *n)
{
    const char *p = *at;
    uint32_t k = 0;
    while (w->opt.trim && p < end && low(w, *p))
        p++;
    if (p < end && w->ch.quote == (unsigned char)*p) {
        for (p++;; p++) {
            if (p == end)
                return -1;
            if (*p == (char)w->ch.quote) {
                if (++p == end || *p != (char)w->ch.quote)
                    break;
                out[k++] = *p;
            } else if (w->ch.escape == (unsigned char)*p) {
                if (++p == end)
                    return -1;
                out[k++] = meant(*p);
            } else {
                out[k++] = *p;
            }
        }
        while (p < end && low(w, *p))
            p++;
    } else {
        for (; p < end && *p != '\n' && *p != '\r' && !is_delimiter(w, p, end); p++) {
            if (w->ch.escape == (unsigned char)*p) {
                if (++p == end)
                    return -1;
                out[k++] = meant(*p);
            } else {
                out[k++] = *p;
            }
        }
        while (w->opt.trim && k && (unsigned char)out[k - 1] <= ' ')
            k--;
    }
    *n = k;
    if (p == end)
        return *at = p, 0;
    if (is_delimiter(w, p, end))
        return *at = p + w->ch.ndelimiter, 1;
    if (*p != '\n' && *p != '\r')
        return -1;
    while (p < end && (*p == '\n' || *p == '\r' || *p == ' ' || *p == '\t'))
        p++;
    *at = p;
    return p == end ? 0 : -1;
}

/* The record as a row of NTEXT texts, as decode() prints it, behind w->text. */
static void plain_record(struct world *w, struct sq_slice r, bool *skip_first)
{
    const char *p = r.p, *end = p + r.n, *q;
    char *field[NTEXT], *rest = malloc(r.n + 1);
    uint32_t n[NTEXT] = {0}, k = 0, extra;
    int more = 1;

    for (int i = 0; i < NTEXT; i++)
        field[i] = malloc(r.n + 1);
    if (end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3;
    while (w->opt.comments && p < end && *p == ' ')
        p++;
    for (q = p; q < end && (unsigned char)*q <= ' ' && *q != w->ch.delimiter[0]; q++)
        ;
    if (q == end || (w->opt.comments && *p == '#'))
        goto out;
    if (*skip_first) {
        *skip_first = false;
        goto out;
    }
    while (more > 0 && k < NTEXT)
        more = plain_field(w, &p, end, field[k], &n[k]), k++;
    if (more < 0)
        goto out;
    if (more) {
        more = plain_field(w, &p, end, rest, &extra);
        bool blank = true;
        for (uint32_t i = 0; more == 0 && i < extra; i++)
            blank &= (unsigned char)rest[i] <= ' ';
        if (more < 0 || (!w->opt.ignore_trailing && !(more == 0 && blank && w->opt.trailing_comma)))
            goto out;
        while (more > 0)
            more = plain_field(w, &p, end, rest, &extra);
        if (more < 0)
            goto out;
    } else if (k < NTEXT && w->opt.fail_missing) {
        goto out;
    }
    for (uint32_t i = 0; i < NTEXT; i++) {
        struct sq_str s = {field[i], n[i]};
        bool null = i >= k || sq_str_is(s, "NIL") || (w->opt.empty_null && s.n == 0) || !sq_utf8_valid(s.p, s.n);
        sq_buf_putc(&w->text, '|');
        sq_buf_str(&w->text, null ? SQ_STR("NULL") : s);
    }
    sq_buf_putc(&w->text, '\n');
out:
    for (int i = 0; i < NTEXT; i++)
        free(field[i]);
    free(rest);
}

/* ---- there and back ---- */

static void round_trip(struct world *w, const struct sq_table_column *cols, uint32_t ncols, struct sq_out *out)
{
    struct sq_buf doc = {.ctx = &w->ctx};
    struct sq_encoder *enc;
    struct sq_out again;
    uint32_t n, ends[MAX_RECORDS];
    const struct sq_batch *b = sq_out_batch(out);

    sq_buf_reset(&w->text);
    for (uint32_t r = 0; r < b->rows; r++)
        print_row(w, b, r);
    sq_buf_putc(&w->text, 0);
    char *first = malloc(w->text.n);
    memcpy(first, w->text.p, w->text.n);
    size_t length = w->text.n;
    if (sq_csv_encoder_open(&w->ctx, &w->opt, NULL, cols, ncols, &enc) != SQ_OK)
        abort();
    sq_rc rc = sq_csv_encode(enc, b, true, &doc, ends, &n);
    sq_csv_encoder_close(enc);
    if (rc != SQ_OK && !(rc == SQ_DATA && w->opt.disable_quote))
        die("cannot encode", w->ctx.err.msg, first);
    if (rc == SQ_OK && n && !(w->opt.disable_quote && (w->opt.trim || w->opt.comments))) {
        w->nagain = cut(w, doc.p, doc.n, doc.n / 2, w->again);
        bool whole = w->nagain == n;
        for (uint32_t i = 0; whole && i < n; i++)
            whole = w->again[i].p + w->again[i].n + 1 == doc.p + ends[i];
        if (!whole)
            die("the framer does not find what was encoded", doc.p, first);
        decode(w, cols, ncols, w->again, w->nagain, true, MAX_RECORDS, true, false, &again);
        sq_out_free(&again);
        if (w->text.n != length || memcmp(first, w->text.p, length) != 0)
            die("does not read back the same", first, w->text.p);
    }
    sq_buf_free(&doc);
    free(first);
}

static void keep(struct world *w, char **want, size_t *n, const char *what)
{
    if (!*want) {
        *n = w->text.n;
        *want = malloc(*n);
        memcpy(*want, w->text.p, *n);
    } else if (*n != w->text.n || memcmp(*want, w->text.p, *n) != 0) {
        die(what, *want, w->text.p);
    }
}

static void check_table(struct world *w, const struct sq_table_column *cols, uint32_t ncols, bool texts)
{
    struct sq_out out;
    char *want = NULL;
    size_t n = 0;

    for (int padded = 0; padded < 2; padded++) {
        decode(w, cols, ncols, w->rec, w->nrec, padded, MAX_RECORDS, true, true, &out);
        sq_out_free(&out);
        keep(w, &want, &n, "padded records decode differently");
    }
    free(want);
    want = NULL;
    for (uint32_t limit = 1; limit <= MAX_RECORDS; limit = limit < 3 ? limit + 1 : limit * 67) {
        decode(w, cols, ncols, w->rec, w->nrec, true, limit, false, true, &out);
        sq_out_free(&out);
        keep(w, &want, &n, "another batch size decodes differently");
    }
    if (texts) {
        bool skip_first = w->opt.ignore_first;
        sq_buf_reset(&w->text);
        for (uint32_t i = 0; i < w->nrec; i++)
            plain_record(w, w->rec[i], &skip_first);
        sq_buf_putc(&w->text, 0);
        keep(w, &want, &n, "the plain reader finds other texts");
    }
    free(want);
    decode(w, cols, ncols, w->rec, w->nrec, true, MAX_RECORDS, false, true, &out);
    round_trip(w, cols, ncols, &out);
    sq_out_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = calloc(1, sizeof *w);

    if (size < 3 || !w) {
        free(w);
        return 0;
    }
    setup(w);
    choose(w, data[0], data[1]);
    const char *doc = (const char *)data + 3;
    size_t n = size - 3, first = data[2] * (n + 1) / 256;
    w->nrec = cut(w, doc, n, n, w->rec);
    w->nagain = cut(w, doc, n, first, w->again);
    if (w->nrec != w->nagain)
        die("cut in two pieces there are other records", NULL, NULL);
    size_t at = 0;
    for (uint32_t i = 0; i < w->nrec; i++) {
        const struct sq_slice r = w->rec[i];
        if (r.p != w->again[i].p || r.n != w->again[i].n)
            die("cut in two pieces there are other records", NULL, NULL);
        if (r.p != doc + at)
            die("there is something between the records", NULL, NULL);
        at += r.n;
        at += at < n && doc[at] == '\r';
        at += at < n && doc[at] == '\n';
    }
    if (!w->opt.escape.p && !w->opt.disable_quote && !memchr(doc, 0x7f, n)) {   /* an escape that is not there: the machine cuts, not the masks */
        w->opt.escape = SQ_STR("\x7f");
        w->nagain = cut(w, doc, n, first, w->again);
        w->opt.escape = (struct sq_str){NULL, 0};
        for (uint32_t i = 0; i < w->nrec; i++)
            if (w->nrec != w->nagain || w->rec[i].p != w->again[i].p || w->rec[i].n != w->again[i].n)
                die("masks and machine find other records", NULL, NULL);
    }
    check_table(w, w->texts, NTEXT, true);
    check_table(w, w->cols, NCOLS, false);
    sq_buf_free(&w->text);
    sq_arena_free(&w->arena);
    if (w->budget.used != 0)
        die("memory is left over", NULL, NULL);
    free(w);
    return 0;
}
