/* SPDX-License-Identifier: Apache-2.0
 *
 * csv_decode.c: records of CSV into batches.
 *
 * One pass over a record's bytes. Most fields are plain: ASCII text, or a number of a few digits, up to the next delimiter. Their values go
 * straight into the column's memory, 16 bytes at a time; so do fields that nobody wants, without a conversion. At anything else (quotes, escapes,
 * other characters, white space, numbers of another form) the field's text is taken in general and converted by csv_value.c.
 *
 * Invariants: a plain field writes its element at `row`, behind the column's end, so that a record which turns out bad undoes nothing; scalar
 * columns may lag behind in their n meanwhile, settle() brings them up. Text stays where it stands in the record; only what has quotes or
 * escapes within is rewritten, to the batch's heap.
 *
 * FLINK: text behind the end of the record (a newline in a message, a carriage return alone in a file) is refused there silently, here with an
 * error; an empty line of a table with several columns is passed over (there an error).
 */
#include "connectors/formats/csv_internal.h"

#include <stdio.h>

enum kind { SKIP, STRING, INT, BIGINT, DOUBLE, OTHER };

struct plan {
    uint32_t kind, column;                   /* column UINT32_MAX: nobody wants it */
};

struct sq_decoder {
    struct sq_csv_dec d;
    struct plan *plan;                       /* by the record's fields */
    uint32_t nfields;                        /* 0: no column is wanted */
    bool skip_first;                         /* the first record of the file was not met yet */
    bool check_null;
};

struct in {
    const char *p, *end, *start;
    const char *why;                         /* what was wrong at p */
};

static enum sq_csv_status fail(struct in *in, const char *at, const char *why)
{
    in->p = at;
    in->why = why;
    return SQ_CSV_MALFORMED;
}

/* ---- a field in general ---- */

static inline bool at_delimiter(const struct sq_csv_dec *d, const struct in *in)
{
    return in->p < in->end && (size_t)(in->end - in->p) >= d->ch.ndelimiter && memcmp(in->p, d->ch.delimiter, d->ch.ndelimiter) == 0;
}

/* in->p stands behind a field. *more: a delimiter follows, and was passed over. */
static enum sq_csv_status end_field(const struct sq_csv_dec *d, struct in *in, bool quoted, bool *more)
{
    *more = false;
    if (at_delimiter(d, in)) {
        in->p += d->ch.ndelimiter;
        *more = true;
        return SQ_CSV_OK;
    }
    if (in->p == in->end)
        return SQ_CSV_OK;
    if (*in->p != '\n' && *in->p != '\r')
        return fail(in, in->p, quoted ? "expected a delimiter behind the closing quote" : "expected a delimiter");
    while (in->p < in->end && (*in->p == '\n' || *in->p == '\r' || *in->p == ' ' || *in->p == '\t'))
        in->p++;
    return in->p == in->end ? SQ_CSV_OK : fail(in, in->p, "text behind the end of the record");
}

/* Text with escapes (and doubled quotes) in it, rewritten on the heap. */
static bool unescape(const struct sq_csv_dec *d, struct sq_str *s, bool quoted)
{
    static const char from[] = "0nrt", to[] = "\0\n\r\t";
    char *out = sq_arena_get(d->heap, (size_t)s->n + SQ_CSV_PAD, 1), *at = out;

    if (!out)
        return false;
    for (const char *p = s->p, *end = p + s->n; p < end; p++) {
        if (quoted && *p == (char)d->ch.quote) {
            p++;
        } else if (d->ch.escape >= 0 && *p == (char)d->ch.escape) {
            const char *known = memchr(from, *++p, sizeof from - 1);
            *at++ = known ? to[known - from] : *p;
            continue;
        }
        *at++ = *p;
    }
    memset(at, 0, 16);
    *s = (struct sq_str){out, (uint32_t)(at - out)};
    return true;
}

static enum sq_csv_status quoted_text(const struct sq_csv_dec *d, struct in *in, struct sq_str *s)
{
    const char quote = (char)d->ch.quote, escape = d->ch.escape < 0 ? quote : (char)d->ch.escape;
    const char *open = in->p, *p = open + 1;
    bool rewrite = false;

    for (;; p += 2, rewrite = true) {
        p = sq_csv_find(p, in->end, quote, escape, quote, quote);
        if (p >= in->end)
            return fail(in, open, "the quoted field is not closed");
        if (*p != quote) {
            if (p + 1 == in->end)
                return fail(in, open, "the quoted field is not closed");
        } else if (p + 1 == in->end || p[1] != quote) {
            break;
        }
    }
    *s = (struct sq_str){open + 1, (uint32_t)(p - open - 1)};
    for (p++; p < in->end && (unsigned char)*p <= ' ' && *p != '\n' && *p != '\r' && *p != d->ch.delimiter[0]; p++)
        ;
    in->p = p;
    return rewrite && !unescape(d, s, true) ? SQ_CSV_FATAL : SQ_CSV_OK;
}

/* The text of the field at in->p; leaves in->p behind its delimiter. */
static enum sq_csv_status field_text(const struct sq_csv_dec *d, struct in *in, struct sq_str *s, bool *more)
{
    const char first = d->ch.delimiter[0], escape = d->ch.escape < 0 ? first : (char)d->ch.escape;
    bool rewrite = false;

    if (d->opt.trim)
        while (in->p < in->end && (unsigned char)*in->p <= ' ' && *in->p != '\n' && *in->p != '\r' && *in->p != first)
            in->p++;
    if (d->ch.quote >= 0 && in->p < in->end && *in->p == (char)d->ch.quote) {
        enum sq_csv_status st = quoted_text(d, in, s);
        return st == SQ_CSV_OK ? end_field(d, in, true, more) : st;
    }
    const char *from = in->p;
    for (;;) {
        const char *p = in->p = sq_csv_find(in->p, in->end, first, escape, '\n', '\r');
        if (p >= in->end) {
            in->p = in->end;
            break;
        }
        if (d->ch.escape >= 0 && *p == escape) {
            if (p + 1 == in->end)
                return fail(in, p, "the escape character at the record's end");
            rewrite = true;
            in->p += 2;
        } else if (*p == '\n' || *p == '\r' || at_delimiter(d, in)) {
            break;
        } else {
            in->p++;                                       /* begins like a delimiter of several bytes */
        }
    }
    *s = (struct sq_str){from, (uint32_t)(in->p - from)};
    if (rewrite && !unescape(d, s, false))
        return SQ_CSV_FATAL;
    if (d->opt.trim)
        while (s->n && (unsigned char)s->p[s->n - 1] <= ' ')
            s->n--;
    return end_field(d, in, false, more);
}

static enum sq_csv_status general_field(struct sq_decoder *x, const struct plan *f, struct sq_col *cols, uint32_t row, struct in *in, bool *more)
{
    struct sq_str s;
    enum sq_csv_status st = field_text(&x->d, in, &s, more);

    if (st != SQ_CSV_OK || f->column == UINT32_MAX)
        return st;
    struct sq_col *c = &cols[f->column];
    if (c->n > row)
        sq_col_truncate(c, row);
    c->n = row;
    return sq_csv_value(&x->d, f->column, c, s);
}

/* ---- plain fields ---- */

/* The delimiter and the escape, in every byte of a vector. */
struct stops {
#ifdef __SSE2__
    __m128i delimiter, escape;
#else
    char delimiter, escape;
#endif
};

static inline struct stops stops_of(char delimiter, char escape)
{
#ifdef __SSE2__
    return (struct stops){_mm_set1_epi8(delimiter), _mm_set1_epi8(escape)};
#else
    return (struct stops){delimiter, escape};
#endif
}

/* The first byte from p on that does not belong to plain text: a delimiter, an escape, a control character below 14, anything above 0x7f. */
static inline const char *plain_end(const char *p, const char *end, struct stops s)
{
#ifdef __SSE2__
    do {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, s.delimiter), _mm_cmpeq_epi8(v, s.escape));
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(hit, _mm_cmplt_epi8(v, _mm_set1_epi8(14))));
        if (mask) {
            p += __builtin_ctz(mask);
            return p < end ? p : end;
        }
        p += 16;
    } while (p < end);
    return end;
#else
    while (p < end && *p != s.delimiter && *p != s.escape && (signed char)*p >= 14)
        p++;
    return p;
#endif
}

/* Behind a plain value at q: true when the field ends there. */
static inline bool ends_at(const char *q, const char *end, char delimiter)
{
    return q < end ? *q == delimiter : q == end;
}

/* What is left of a record that has all its fields, and more. */
static enum sq_csv_status trailing(const struct sq_decoder *x, struct in *in)
{
    struct sq_str s;
    bool more;
    const char *at = in->p;
    enum sq_csv_status st = field_text(&x->d, in, &s, &more);

    if (st != SQ_CSV_OK)
        return st;
    if (!more && x->d.opt.trailing_comma && !x->d.opt.ignore_trailing && sq_scalar_trim(s).n == 0)
        return SQ_CSV_OK;
    if (!x->d.opt.ignore_trailing)
        return fail(in, at, "more fields than the table has columns");
    while (more)
        if ((st = field_text(&x->d, in, &s, &more)) != SQ_CSV_OK)
            return st;
    return SQ_CSV_OK;
}

static enum sq_csv_status too_short(struct sq_decoder *x, struct sq_col *cols, uint32_t row, struct in *in, uint32_t have)
{
    if (x->d.opt.fail_missing || !x->d.opt.ignore_errors) {
        for (uint32_t i = have; i < x->nfields && !x->d.opt.ignore_errors; i++)
            if (x->plan[i].column != UINT32_MAX)
                return sq_csv_missing(&x->d, x->plan[i].column, NULL, have);
        return fail(in, in->end, "fewer fields than the table has columns");
    }
    for (uint32_t i = have; i < x->nfields; i++) {
        if (x->plan[i].column == UINT32_MAX)
            continue;
        struct sq_col *c = &cols[x->plan[i].column];
        if (c->n > row)
            sq_col_truncate(c, row);
        c->n = row;
        if (sq_csv_missing(&x->d, x->plan[i].column, c, have) != SQ_CSV_OK)
            return SQ_CSV_FATAL;
    }
    return SQ_CSV_OK;
}

/* A record of which no field is wanted, whose number of fields is not known. */
static enum sq_csv_status pass_over(const struct sq_decoder *x, struct in *in)
{
    struct sq_str s;
    bool more = true;
    enum sq_csv_status st = SQ_CSV_OK;

    while (more && st == SQ_CSV_OK)
        st = field_text(&x->d, in, &s, &more);
    return st;
}

/* The fields of a record into row `row`. */
static inline enum sq_csv_status decode_fields(struct sq_decoder *x, struct sq_col *cols, uint32_t row, struct in *in, struct stops stops)
{
    const char *p = in->p, *q, *const end = in->end;
    const char delimiter = x->d.ch.delimiter[0], quote = x->d.ch.quote < 0 ? '\n' : (char)x->d.ch.quote;
    const struct plan *f = x->plan, *last = f + x->nfields;
    uint64_t m;
    double dv;
    bool more = true;

    if (SQ_UNLIKELY(!x->nfields))
        return pass_over(x, in);
    for (; f < last; f++) {
        switch (f->kind) {
        case SKIP:
        case STRING:
            if (SQ_UNLIKELY(p < end && *p == quote))
                break;
            q = plain_end(p, end, stops);
            if (SQ_UNLIKELY(q < end && *q != delimiter))
                break;
            if (f->kind == STRING) {
                if (SQ_UNLIKELY(x->check_null && sq_csv_is_null(&x->d, (struct sq_str){p, (uint32_t)(q - p)})))
                    break;
                sq_scalar_view((struct sq_view *)cols[f->column].vec.data + row, p, (uint32_t)(q - p));
            }
            goto plain;
        case INT:
        case BIGINT: {
            bool negative = *p == '-';
            unsigned n = sq_scalar_short_int(p + negative, &m);
            q = p + negative + n;
            if (SQ_UNLIKELY(n == 0 || !ends_at(q, end, delimiter)))
                break;
            int64_t v = negative ? -(int64_t)m : (int64_t)m;
            if (f->kind == BIGINT) {
                ((int64_t *)cols[f->column].vec.data)[row] = v;
            } else {
                if (SQ_UNLIKELY(v != (int32_t)v))
                    break;
                ((int32_t *)cols[f->column].vec.data)[row] = (int32_t)v;
            }
            goto plain;
        }
        case DOUBLE: {
            bool negative = *p == '-';
            unsigned n = sq_scalar_short_double(p + negative, &dv);
            q = p + negative + n;
            if (SQ_UNLIKELY(n == 0 || !ends_at(q, end, delimiter)))
                break;
            ((double *)cols[f->column].vec.data)[row] = negative ? -dv : dv;
            goto plain;
        }
        default:
            break;
        }
        in->p = p;
        enum sq_csv_status st = general_field(x, f, cols, row, in, &more);
        if (SQ_UNLIKELY(st != SQ_CSV_OK))
            return st;
        p = in->p;
        if (!more) {
            f++;
            break;
        }
        continue;
plain:
        if (q == end) {
            more = false;
            f++;
            break;
        }
        p = q + 1;
    }
    in->p = p;
    if (SQ_UNLIKELY(more))
        return trailing(x, in);
    return SQ_LIKELY(f == last) ? SQ_CSV_OK : too_short(x, cols, row, in, (uint32_t)(f - x->plan));
}

/* ---- records ---- */

/* Nothing but white space, without a delimiter. */
static bool is_blank(const struct sq_decoder *x, const struct in *in)
{
    const char *p = in->p;
    while (p < in->end && (unsigned char)*p <= ' ' && *p != x->d.ch.delimiter[0])
        p++;
    return p == in->end;
}

/* The record itself when it is padded, else a padded copy on the heap. */
static bool padded(struct sq_decoder *x, const struct sq_decode *dec, uint32_t record, struct in *in)
{
    const char *p = dec->rec[record].p;
    size_t n = dec->rec[record].n;

    if (SQ_UNLIKELY(!dec->padded)) {
        char *copy = sq_arena_get(x->d.heap, n + SQ_CSV_PAD, 16);
        if (!copy)
            return false;
        if (n)
            memcpy(copy, p, n);
        memset(copy + n, 0, SQ_CSV_PAD);
        p = copy;
    }
    *in = (struct in){.p = p, .end = p + n, .start = p};
    return true;
}

static inline enum sq_csv_status decode_record(struct sq_decoder *x, struct sq_col *cols, uint32_t row, struct in *in, struct stops stops)
{
    if (SQ_UNLIKELY(in->end - in->p >= 3 && memcmp(in->p, "\xef\xbb\xbf", 3) == 0))
        in->p += 3;                                        /* the mark that some programs put before UTF-8 */
    if (x->d.opt.comments)
        while (in->p < in->end && *in->p == ' ')
            in->p++;
    if (in->p == in->end ? x->nfields != 1 || x->d.opt.comments : (unsigned char)*in->p <= ' ' && x->nfields != 1 && is_blank(x, in))
        return SQ_CSV_NONE;
    if (x->d.opt.comments && *in->p == '#')
        return SQ_CSV_NONE;
    if (SQ_UNLIKELY(x->skip_first)) {
        x->skip_first = false;
        return SQ_CSV_NONE;
    }
    return decode_fields(x, cols, row, in, stops);
}

/* Every column has exactly `row` elements: what plain fields wrote counts, what a failed record left does not. */
static void settle(struct sq_out *out, uint32_t row)
{
    for (uint32_t i = 0; i < out->ncols; i++) {
        if (out->cols[i].n > row)
            sq_col_truncate(&out->cols[i], row);
        out->cols[i].n = row;
    }
}

static void report(struct sq_decoder *x, struct sq_decode *dec, uint32_t record)
{
    struct sq_csv_dec *d = &x->d;

    for (size_t at = 0; at < d->reports.n;) {
        uint32_t column;
        memcpy(&column, d->reports.p + at, 4);
        const char *reason = d->reports.p + at + 4;
        dec->nbad_values++;
        if (dec->bad)
            dec->bad(dec->bad_arg, record, d->column[column].name, reason);
        at += 4 + strlen(reason) + 1;
    }
    sq_buf_reset(&d->reports);
}

static sq_rc malformed(struct sq_decoder *x, struct sq_decode *dec, uint32_t record, const struct in *in)
{
    char shown[SQ_SCALAR_SHOWN], msg[SQ_SCALAR_SHOWN + 160];
    size_t byte = (size_t)(in->p - in->start) + 1;

    if (in->p == in->end)
        snprintf(msg, sizeof msg, "malformed CSV: %s", in->why);
    else
        snprintf(msg, sizeof msg, "malformed CSV at byte %zu: %s: %s", byte, in->why, sq_scalar_show(in->p, (size_t)(in->end - in->p), shown));
    sq_buf_reset(&x->d.reports);
    if (!x->d.opt.ignore_errors) {
        dec->failed = record;
        sq_fail(x->d.ctx, SQ_DATA, "%s", msg);
        if (strncmp(in->why, "more fields", 11) == 0)
            return sq_hint(x->d.ctx, "to pass over the fields behind the last column: 'csv.ignore-trailing-unmappable' = 'true'");
        return sq_hint(x->d.ctx, "to skip such records, counted: 'csv.ignore-parse-errors' = 'true'");
    }
    dec->nbad++;
    if (dec->bad)
        dec->bad(dec->bad_arg, record, (struct sq_str){"", 0}, msg);
    return SQ_OK;
}

sq_rc sq_csv_decode(struct sq_decoder *x, struct sq_decode *dec)
{
    struct sq_out *out = dec->out;
    uint32_t first = out->n, row = first, at = 0;
    enum sq_csv_status st = SQ_CSV_OK;
    const struct stops stops = stops_of(x->d.ch.delimiter[0], x->d.ch.escape < 0 ? x->d.ch.delimiter[0] : (char)x->d.ch.escape);
    sq_rc rc = SQ_OK;

    dec->consumed = 0;
    dec->nbad = dec->nfiltered = dec->nbad_values = 0;
    dec->failed = 0;
    x->d.heap = &out->heap;
    sq_buf_reset(&x->d.reports);
    if (dec->file_start)
        x->skip_first = x->d.opt.ignore_first;
    for (uint32_t i = 0; i < out->ncols; i++)
        SQ_TRY(sq_col_reserve(&out->cols[i], dec->nrec < dec->max_rows ? dec->nrec : dec->max_rows));
    for (; at < dec->nrec && row - first < dec->max_rows; at++) {
        struct in in;
        if (!dec->rec[at].p) {                             /* a tombstone */
            dec->nfiltered++;
            continue;
        }
        st = padded(x, dec, at, &in) ? decode_record(x, out->cols, row, &in, stops) : SQ_CSV_FATAL;
        if (SQ_LIKELY(st == SQ_CSV_OK)) {
            if (SQ_UNLIKELY(x->d.reports.n))
                report(x, dec, at);
            if (dec->row_record)
                dec->row_record[row - first] = at;
            row++;
        } else if (st == SQ_CSV_NONE) {
            dec->nfiltered++;
        } else if (st == SQ_CSV_FATAL || malformed(x, dec, at, &in) != SQ_OK) {
            dec->failed = at;
            rc = x->d.ctx->err.rc;
            break;
        } else {
            settle(out, row);                              /* a NULL of the bad record is forgotten */
        }
    }
    settle(out, row);
    SQ_TRY(sq_out_rows(out, row - first));
    dec->consumed = at;
    return rc;
}

/* ---- opening ---- */

void sq_csv_decoder_close(struct sq_decoder *x)
{
    if (!x)
        return;
    struct sq_ctx *ctx = x->d.ctx;
    sq_buf_free(&x->d.reports);
    sq_arena_free(&x->d.arena);
    sq_free(ctx, x);
}

static enum kind kind_of(const struct sq_decoder *x, const struct sq_type *type)
{
    const struct sq_str null = x->d.opt.null_literal;
    bool number = !null.p || !null.n || !((*null.p >= '0' && *null.p <= '9') || *null.p == '-');   /* a plain number is not NULL */

    if (x->d.ch.ndelimiter > 1)
        return OTHER;
    switch (type->id) {
    case SQ_T_CHAR: case SQ_T_VARCHAR: return x->d.opt.trim ? OTHER : STRING;
    case SQ_T_INT: return number ? INT : OTHER;
    case SQ_T_BIGINT: return number ? BIGINT : OTHER;
    case SQ_T_DOUBLE: return number ? DOUBLE : OTHER;
    default: return OTHER;
    }
}

static sq_rc open_plan(struct sq_decoder *x, const struct sq_table_column *wanted, uint32_t n)
{
    struct sq_arena *a = &x->d.arena;

    x->nfields = n ? wanted[0].nfields : 0;
    x->plan = SQ_NEW_ARRAY(a, struct plan, x->nfields + 1);
    x->d.column = SQ_NEW_ARRAY(a, struct sq_csv_column, n + 1);
    if (!x->plan || !x->d.column)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < x->nfields; i++)
        x->plan[i] = (struct plan){x->d.ch.ndelimiter > 1 ? OTHER : SKIP, UINT32_MAX};
    for (uint32_t i = 0; i < n; i++) {
        struct sq_csv_column *c = &x->d.column[i];
        *c = (struct sq_csv_column){sq_str_dup(a, wanted[i].name), sq_type_dup(a, wanted[i].type)};
        if (!c->name.p || !c->type)
            return SQ_NOMEM;
        if (wanted[i].ordinal >= x->nfields)
            return sq_fail(x->d.ctx, SQ_INTERNAL, "column '%.*s' has no place in the record", SQ_FMT(wanted[i].name));
        x->plan[wanted[i].ordinal] = (struct plan){(uint32_t)kind_of(x, c->type), i};
    }
    return SQ_OK;
}

sq_rc sq_csv_decoder_open(struct sq_ctx *ctx, const void *options, const struct sq_session *session, const struct sq_table_column *wanted, uint32_t n,
                          struct sq_decoder **out)
{
    struct sq_decoder *x = sq_calloc(ctx, sizeof *x);
    const char *bad, *why;

    (void)session;                                         /* CSV's timestamps are local, or carry a Z */
    *out = NULL;
    if (!x)
        return SQ_NOMEM;
    x->d.ctx = ctx;
    x->d.opt = *(const struct sq_csv_options *)options;
    sq_arena_init(&x->d.arena, ctx);
    sq_buf_init(&x->d.reports, ctx);
    sq_rc rc = sq_csv_chars(&x->d.opt, &x->d.ch, &bad, &why) ? SQ_OK : sq_fail(ctx, SQ_SEMANTIC, "'csv.%s' %s", bad, why);
    x->check_null = x->d.opt.null_literal.p || x->d.opt.empty_null;
    if (rc == SQ_OK && x->d.opt.null_literal.p) {
        x->d.opt.null_literal = sq_str_dup(&x->d.arena, x->d.opt.null_literal);
        rc = x->d.opt.null_literal.p ? SQ_OK : SQ_NOMEM;
    }
    if (rc == SQ_OK)
        rc = open_plan(x, wanted, n);
    if (rc != SQ_OK) {
        sq_csv_decoder_close(x);
        return rc;
    }
    *out = x;
    return SQ_OK;
}
