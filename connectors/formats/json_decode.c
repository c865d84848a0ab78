/* SPDX-License-Identifier: Apache-2.0
 *
 * json_decode.c: records of JSON into batches.
 *
 * Most records of a stream look alike: the same keys in the same order with the same white space, only the values differ. So each record is
 * first taken for one of the shape of an earlier record: the bytes between the values (checked when the shape was learned) are
 * compared 16 at a time, and strings, integers and numbers go straight into the columns without a branch on their length. At the first byte
 * that differs the record is decoded by the general path (json_value.c), which learns the new shape. When guesses keep failing, they are
 * made more rarely.
 *
 * Invariants: whatever the fast path accepts the general path accepts with the same values (the fuzz target compares them); the fast
 * path writes elements behind the columns' ends only, so that giving up undoes nothing. While it runs, `row` counts the rows, and scalar
 * columns may lag behind in their n; settle() brings them up.
 *
 * A top-level array gives a row for each of its objects. It is checked as a whole before its first row is given, and may take several calls: the
 * offset of its next element is kept meanwhile.
 *
 * FLINK: a record is checked to its end, also the fields that nobody wants, and text behind the value is refused.
 */
#include "connectors/formats/json_internal.h"

#include <stdio.h>

enum { SHAPE_STEPS = 64, SHAPE_TEXT = 4096, WAIT_MAX = 128 };

enum step_kind { STEP_STRING, STEP_BIGINT, STEP_INT, STEP_DOUBLE, STEP_SKIP_STRING, STEP_SKIP_NUMBER, STEP_VALUE, STEP_SKIP };

struct step {                    /* a literal, then a value */
    uint16_t kind;
    uint16_t column;
    uint32_t lit, nlit;          /* offset in the shape's text, length */
    uint32_t mask;               /* of the first 16 bytes of the literal */
};

struct shape {
    uint32_t nstep, ntext;
    bool known;                  /* learned to its end */
    bool whole;                  /* every wanted column is among the steps */
    struct step step[SHAPE_STEPS + 1];                 /* the last is only a literal: the record's end */
    _Alignas(16) char text[SHAPE_TEXT + 16];        /* literals, each begins at a multiple of 16 */
};

struct sq_decoder {
    struct sq_json_dec d;
    struct shape *shape, *learning;                    /* shape NULL: never guess; learning: the shape, or NULL when not learning now */
    const char *literal;                               /* learning: where the current literal begins */
    uint32_t rest, wait;                               /* records to decode without a guess; how many the next time */
    size_t array_at;                                   /* within a top-level array: offset of its next element; 0: not within one */
    uint8_t *seen;                                     /* the column has a step in the shape */
};

/* ---- learning a shape ---- */

static bool learn_literal(struct shape *s, struct step *t, const char *p, size_t n)
{
    size_t room = n ? (n + 15) / 16 * 16 : 16;

    if (n > SHAPE_TEXT || s->ntext + room > SHAPE_TEXT)
        return false;
    t->lit = s->ntext;
    t->nlit = (uint32_t)n;
    t->mask = n >= 16 ? 0xffff : (1u << n) - 1;
    memset(s->text + s->ntext, 0, room);
    memcpy(s->text + s->ntext, p, n);
    s->ntext += (uint32_t)room;
    return true;
}

static enum step_kind step_for(const struct sq_json_field *f, char first)
{
    bool string = first == '"', number = first == '-' || (first >= '0' && first <= '9');

    if (!f)
        return string ? STEP_SKIP_STRING : number ? STEP_SKIP_NUMBER : STEP_SKIP;
    switch (f->type->id) {
    case SQ_T_CHAR: case SQ_T_VARCHAR: return string ? STEP_STRING : STEP_VALUE;
    case SQ_T_BIGINT: return number ? STEP_BIGINT : STEP_VALUE;
    case SQ_T_INT: return number ? STEP_INT : STEP_VALUE;
    case SQ_T_DOUBLE: return number ? STEP_DOUBLE : STEP_VALUE;
    default: return STEP_VALUE;
    }
}

/* A value that begins at p and belongs to column `column` (UINT32_MAX: unwanted) comes next. */
static void learn_value(struct sq_decoder *x, const char *p, uint32_t column)
{
    struct shape *s = x->learning;
    const struct sq_json_field *f = column == UINT32_MAX ? NULL : &x->d.root.child[column];

    if (!s)
        return;
    struct step *t = &s->step[s->nstep];
    enum step_kind kind = step_for(f, *p);
    bool quote = kind == STEP_STRING || kind == STEP_SKIP_STRING;      /* the quotes are part of the literals */
    if (s->nstep == SHAPE_STEPS || (f && x->seen[column]) || !learn_literal(s, t, x->literal, (size_t)(p - x->literal) + quote)) {
        x->learning = NULL;
        return;
    }
    if (f)
        x->seen[column] = 1;
    t->kind = (uint16_t)kind;
    t->column = (uint16_t)(f ? column : 0);
    s->nstep++;
}

static void learned_value(struct sq_decoder *x, const char *end)
{
    struct shape *s = x->learning;

    if (!s)
        return;
    const struct step *t = &s->step[s->nstep - 1];
    x->literal = t->kind == STEP_STRING || t->kind == STEP_SKIP_STRING ? end - 1 : end;
}

static void learn_end(struct sq_decoder *x, const char *end)
{
    struct shape *s = x->learning;

    x->learning = NULL;
    if (!s || !learn_literal(s, &s->step[s->nstep], x->literal, (size_t)(end - x->literal))) {
        x->shape->known = false;
        return;
    }
    s->known = s->whole = true;
    for (uint32_t i = 0; i < x->d.root.nchild; i++)
        s->whole &= x->seen[i];
}

/* ---- the fast path ---- */

static inline bool literal_is(const struct shape *s, const struct step *t, const char *p, const char *end)
{
#ifdef __SSE2__
    const char *lit = s->text + t->lit;
    __m128i eq = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_load_si128((const __m128i *)(const void *)lit));
    if (SQ_UNLIKELY(((unsigned)_mm_movemask_epi8(eq) & t->mask) != t->mask))
        return false;
    if (SQ_LIKELY(t->nlit <= 16))
        return true;
    return (size_t)(end - p) >= t->nlit && memcmp(p + 16, lit + 16, t->nlit - 16) == 0;
#else
    return (size_t)(end - p) >= t->nlit && memcmp(p, s->text + t->lit, t->nlit) == 0;
#endif
}

/* Up to 16 digits without a leading zero, of an integer that ends there. False: not so simple. */
static inline bool fast_int(const char **at, int64_t *v)
{
    const char *p = *at;
    bool negative = *p == '-';
    uint64_t w, w2, m;

    p += negative;
    unsigned n = sq_json_digits(p, &w);
    if (n == 8) {
        unsigned n2 = sq_json_digits(p + 8, &w2);
        static const uint32_t pow10[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
        if (SQ_UNLIKELY(n2 == 8))
            return false;
        m = sq_json_eight(w);
        if (n2)
            m = m * pow10[n2] + sq_json_some(w2, n2);
        n += n2;
    } else {
        if (SQ_UNLIKELY(n == 0))
            return false;
        m = sq_json_some(w, n);
    }
    if (SQ_UNLIKELY((*p == '0' && n > 1) || p[n] == '.' || (p[n] | 0x20) == 'e'))
        return false;
    *v = negative ? -(int64_t)m : (int64_t)m;
    *at = p + n;
    return true;
}

/* Digits, at most 7 before and 7 behind the point, no exponent. The result of the division is correctly rounded: both sides are exact. */
static inline bool fast_double(const char **at, double *v)
{
    static const double pow10[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7};
    static const uint32_t ipow10[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    const char *p = *at;
    bool negative = *p == '-';
    uint64_t w, w2;

    p += negative;
    unsigned n = sq_json_digits(p, &w);
    if (SQ_UNLIKELY(n == 0 || n == 8 || (*p == '0' && n > 1)))
        return false;
    uint64_t m = sq_json_some(w, n);
    p += n;
    unsigned n2 = 0;
    if (SQ_LIKELY(*p == '.')) {
        n2 = sq_json_digits(p + 1, &w2);
        if (SQ_UNLIKELY(n2 == 0 || n2 == 8))
            return false;
        m = m * ipow10[n2] + sq_json_some(w2, n2);
        p += 1 + n2;
    }
    if (SQ_UNLIKELY((*p | 0x20) == 'e'))
        return false;
    double d = (double)(int64_t)m / pow10[n2];
    *v = negative ? -d : d;
    *at = p;
    return true;
}

static inline bool fast_skip_number(const char **at, const char *end)
{
    const char *p = *at + (**at == '-'), *from = p;
    uint64_t w;
    unsigned n;

    do
        p += n = sq_json_digits(p, &w);
    while (n == 8 && p < end);
    if (SQ_UNLIKELY(p == from || (*from == '0' && p > from + 1)))
        return false;
    if (*p == '.') {
        from = ++p;
        do
            p += n = sq_json_digits(p, &w);
        while (n == 8 && p < end);
        if (SQ_UNLIKELY(p == from))
            return false;
    }
    if (SQ_UNLIKELY((*p | 0x20) == 'e'))
        return false;
    *at = p;
    return true;
}

/* A value that the fast path has no way for, or left alone. */
static enum sq_json_status general_step(struct sq_decoder *x, const struct step *t, struct sq_col *c, uint32_t row, const char **p, const char *end,
                                        const char *start)
{
    struct sq_json_in in = {.p = *p, .end = end, .start = start};
    enum sq_json_status st;

    if (t->kind >= STEP_SKIP_STRING && t->kind != STEP_VALUE) {
        st = sq_json_skip(&in, 1) ? SQ_JSON_OK : SQ_JSON_MALFORMED;
    } else {
        if (c->n > row)
            sq_col_truncate(c, row);
        c->n = row;
        x->d.column = t->column;
        st = sq_json_value(&x->d, &x->d.root.child[t->column], c, &in, 1);
        if (st == SQ_JSON_OK && SQ_UNLIKELY(!x->d.root.child[t->column].type->nullable) && sq_vec_null(&c->vec, row))
            st = SQ_JSON_MALFORMED;                    /* the general path says why */
    }
    *p = in.p;
    return st;
}

/* Tries the record as one of the known shape. OK: row `row` is written. MALFORMED: decode it in general. */
static enum sq_json_status guess(struct sq_decoder *x, struct sq_col *cols, uint32_t row, const char *start, const char *end)
{
    const struct shape *s = x->shape;
    const struct step *t = s->step, *last = s->step + s->nstep;
    const char *p = start, *q;
    struct sq_col *c = cols;
    int64_t i;
    double f;

    for (; t < last; t++) {
        if (SQ_UNLIKELY(p >= end || !literal_is(s, t, p, end)))
            return SQ_JSON_MALFORMED;
        p += t->nlit;
        c = cols + t->column;
        switch (t->kind) {
        case STEP_STRING:
            q = sq_json_special(p, end);
            if (SQ_UNLIKELY(q >= end))
                return SQ_JSON_MALFORMED;
            if (SQ_UNLIKELY(*q != '"')) {
                p--;
                break;
            }
            sq_json_view((struct sq_view *)c->vec.data + row, p, (uint32_t)(q - p));
            p = q;
            continue;
        case STEP_BIGINT:
            if (SQ_UNLIKELY(!fast_int(&p, &i)))
                break;
            ((int64_t *)c->vec.data)[row] = i;
            continue;
        case STEP_INT:
            if (SQ_UNLIKELY(!fast_int(&p, &i)))
                break;
            if (SQ_UNLIKELY(i != (int32_t)i))
                return SQ_JSON_MALFORMED;
            ((int32_t *)c->vec.data)[row] = (int32_t)i;
            continue;
        case STEP_DOUBLE:
            if (SQ_UNLIKELY(!fast_double(&p, &f)))
                break;
            ((double *)c->vec.data)[row] = f;
            continue;
        case STEP_SKIP_STRING:
            q = sq_json_special(p, end);
            if (SQ_UNLIKELY(q >= end))
                return SQ_JSON_MALFORMED;
            if (SQ_UNLIKELY(*q != '"')) {
                p--;
                break;
            }
            p = q;
            continue;
        case STEP_SKIP_NUMBER:
            if (SQ_UNLIKELY(!fast_skip_number(&p, end)))
                break;
            continue;
        default:
            break;
        }
        if (SQ_UNLIKELY(p >= end))
            return SQ_JSON_MALFORMED;
        enum sq_json_status st = general_step(x, t, c, row, &p, end, start);
        if (SQ_UNLIKELY(st != SQ_JSON_OK))
            return st;
        if (t->kind == STEP_STRING || t->kind == STEP_SKIP_STRING)
            p--;                                       /* the closing quote belongs to the next literal */
    }
    if (SQ_UNLIKELY(p > end || !literal_is(s, last, p, end) || p + last->nlit != end))
        return SQ_JSON_MALFORMED;
    if (SQ_UNLIKELY(!s->whole))
        for (uint32_t k = 0; k < x->d.root.nchild; k++) {
            if (x->seen[k])
                continue;
            if (!x->d.root.child[k].type->nullable)
                return SQ_JSON_MALFORMED;
            if (cols[k].n > row)
                sq_col_truncate(&cols[k], row);
            cols[k].n = row;
            if (sq_col_append_null(&cols[k]) != SQ_OK)
                return SQ_JSON_FATAL;
        }
    return SQ_JSON_OK;
}

/* Every column has exactly `row` elements: what the fast path wrote counts, what a failed record left does not. */
static void settle(struct sq_out *out, uint32_t row)
{
    for (uint32_t i = 0; i < out->ncols; i++) {
        if (out->cols[i].n > row)
            sq_col_truncate(&out->cols[i], row);
        out->cols[i].n = row;
    }
}

/* ---- the general path ---- */

/* The object at in->p as a row, learning its shape. */
static enum sq_json_status decode_object(struct sq_decoder *x, struct sq_col *cols, uint32_t row, struct sq_json_in *in)
{
    struct sq_json_dec *d = &x->d;
    struct sq_json_text key;
    uint32_t hint = 0;
    enum sq_json_status st;
    bool more;

    if (!sq_json_open(in, '}', &more))
        return SQ_JSON_MALFORMED;
    while (more) {
        if (!sq_json_key(in, &key))
            return SQ_JSON_MALFORMED;
        uint32_t i = sq_json_child(d, &d->root, key, hint);
        if (i == UINT32_MAX - 1)
            return SQ_JSON_FATAL;
        if (in->p < in->end)
            learn_value(x, in->p, i);
        if (i == UINT32_MAX) {
            if (!sq_json_skip(in, 1))
                return SQ_JSON_MALFORMED;
        } else {
            if (cols[i].n > row)
                sq_col_truncate(&cols[i], row);        /* the same name again: the last one counts */
            d->column = i;
            st = sq_json_value(d, &d->root.child[i], &cols[i], in, 1);
            if (st != SQ_JSON_OK)
                return st;
            hint = i + 1;
        }
        learned_value(x, in->p);
        if (!sq_json_next(in, '}', &more))
            return SQ_JSON_MALFORMED;
    }
    for (uint32_t i = 0; i < d->root.nchild; i++) {
        if (cols[i].n > row)
            continue;
        d->column = i;
        st = sq_json_missing(d, &d->root.child[i], &cols[i]);
        if (st != SQ_JSON_OK)
            return st;
    }
    return SQ_JSON_OK;
}

static bool at_end(struct sq_json_in *in)
{
    sq_json_ws(in);
    return in->p == in->end || sq_json_fail(in, in->p, "text behind the value");
}

/* White space, and the mark that some programs put before UTF-8. */
static void begin_record(struct sq_json_in *in)
{
    if (in->end - in->p >= 3 && memcmp(in->p, "\xef\xbb\xbf", 3) == 0)
        in->p += 3;
    sq_json_ws(in);
}

static enum sq_json_status decode_record(struct sq_decoder *x, struct sq_decode *dec, struct sq_json_in *in)
{
    if (*in->p != '{') {
        sq_json_fail(in, in->p, x->d.opt.parser ? "expected an object or an array of objects" : "expected an object");
        return SQ_JSON_MALFORMED;
    }
    struct shape *s = x->rest == 0 ? x->shape : NULL;
    x->learning = s;
    x->literal = in->start;
    if (s) {
        s->nstep = s->ntext = 0;
        s->known = false;
        memset(x->seen, 0, x->d.root.nchild);
    }
    enum sq_json_status st = decode_object(x, dec->out->cols, dec->out->n, in);
    if (st == SQ_JSON_OK && !at_end(in))
        st = SQ_JSON_MALFORMED;
    if (st == SQ_JSON_OK && s)
        learn_end(x, in->end);
    x->learning = NULL;
    return st;
}

/* Checks an array of objects to its end without decoding it. */
static bool check_array(struct sq_json_in in, struct sq_json_in *where)
{
    bool more, ok = sq_json_open(&in, ']', &more);

    while (ok && more) {
        if (in.p < in.end && *in.p != '{')
            ok = sq_json_fail(&in, in.p, "expected an object in the array");
        else
            ok = sq_json_skip(&in, 1) && sq_json_next(&in, ']', &more);
    }
    ok = ok && at_end(&in);
    if (!ok)
        *where = in;
    return ok;
}

/* Rows of a top-level array until it ends (*done) or `limit` rows are there. */
static enum sq_json_status decode_array(struct sq_decoder *x, struct sq_decode *dec, uint32_t record, uint32_t first, struct sq_json_in *in, bool *done)
{
    bool more = true;
    char msg[SQ_JSON_SHOWN + 200];

    *done = false;
    if (x->array_at == 0) {
        if (!check_array(*in, in))
            return SQ_JSON_MALFORMED;
        sq_json_open(in, ']', &more);
    } else {
        in->p = in->start + x->array_at;
    }
    x->learning = NULL;
    while (more) {
        if (dec->out->n - first == dec->max_rows) {
            x->array_at = (size_t)(in->p - in->start);
            return SQ_JSON_OK;
        }
        enum sq_json_status st = decode_object(x, dec->out->cols, dec->out->n, in);
        if (st != SQ_JSON_OK)
            return st;
        if (SQ_UNLIKELY(!sq_json_not_null(&x->d, dec->out, msg, sizeof msg))) {
            if (sq_json_bad_record(&x->d, dec, record, msg) != SQ_OK)
                return SQ_JSON_FATAL;
        } else {
            if (dec->row_record)
                dec->row_record[dec->out->n - first] = record;
            if (sq_out_row(dec->out, SQ_INSERT) != SQ_OK)
                return SQ_JSON_FATAL;
            sq_json_report(&x->d, dec, record);
        }
        sq_json_next(in, ']', &more);
    }
    x->array_at = 0;
    *done = true;
    return SQ_JSON_OK;
}

/* One record by the general path. *done: go on with the next; else the batch is full. */
static sq_rc general(struct sq_decoder *x, struct sq_decode *dec, uint32_t record, uint32_t first, bool *done)
{
    struct sq_json_in in = sq_json_padded(&x->d, dec, record);
    enum sq_json_status st;
    char msg[SQ_JSON_SHOWN + 200];

    *done = true;
    if (!in.p)
        return x->d.ctx->err.rc;
    settle(dec->out, dec->out->n);
    begin_record(&in);
    if (in.p == in.end) {
        dec->nfiltered++;
        return SQ_OK;
    }
    if (*in.p == '[' && x->d.opt.parser) {
        st = decode_array(x, dec, record, first, &in, done);
    } else {
        st = decode_record(x, dec, &in);
        if (st == SQ_JSON_OK && SQ_UNLIKELY(!sq_json_not_null(&x->d, dec->out, msg, sizeof msg)))
            return sq_json_bad_record(&x->d, dec, record, msg);
        if (st == SQ_JSON_OK) {
            if (dec->row_record)
                dec->row_record[dec->out->n - first] = record;
            SQ_TRY(sq_out_row(dec->out, SQ_INSERT));
            sq_json_report(&x->d, dec, record);
        }
    }
    if (st == SQ_JSON_OK)
        return SQ_OK;
    *done = true;
    settle(dec->out, dec->out->n);
    if (st == SQ_JSON_FATAL) {
        dec->failed = record;
        return x->d.ctx->err.rc;
    }
    sq_json_malformed(&in, msg, sizeof msg);
    return sq_json_bad_record(&x->d, dec, record, msg);
}

/* ---- a batch of records ---- */

/* As many records as fit the shape, from dec->consumed on. Stops at the first that does not, or when the batch is full. */
static sq_rc fast(struct sq_decoder *x, struct sq_decode *dec, uint32_t first)
{
    struct sq_out *out = dec->out;
    uint32_t row = out->n, at = dec->consumed, had = row;
    uint32_t limit = dec->max_rows - (row - first);
    uint32_t until = dec->nrec - at > limit ? at + limit : dec->nrec;
    enum sq_json_status st = SQ_JSON_OK;

    for (uint32_t i = 0; i < out->ncols; i++)
        SQ_TRY(sq_col_reserve(&out->cols[i], until - at));
    for (; at < until; at++, row++) {
        const struct sq_slice r = dec->rec[at];
        const char *p = r.p;
        if (SQ_UNLIKELY(!dec->padded)) {
            struct sq_json_in in = sq_json_padded(&x->d, dec, at);
            if (!in.p) {
                st = SQ_JSON_FATAL;
                break;
            }
            p = in.p;
        }
        st = guess(x, out->cols, row, p, p + r.n);
        if (st != SQ_JSON_OK)
            break;
        if (SQ_UNLIKELY(x->d.reports.n))
            sq_json_report(&x->d, dec, at);
        if (dec->row_record)
            dec->row_record[row - first] = at;
    }
    settle(out, row);
    SQ_TRY(sq_out_rows(out, row - had));
    dec->consumed = at;
    if (st == SQ_JSON_OK)
        return SQ_OK;
    sq_buf_reset(&x->d.reports);
    if (st == SQ_JSON_FATAL && x->d.ctx->err.rc == SQ_NOMEM)
        return SQ_NOMEM;
    x->wait = row > had + 4 ? 0 : x->wait < WAIT_MAX ? x->wait * 2 + 1 : x->wait;
    x->rest = x->wait / 2;
    return SQ_OK;
}

sq_rc sq_json_decode(struct sq_decoder *x, struct sq_decode *dec)
{
    struct sq_out *out = dec->out;
    uint32_t first = out->n;
    bool done = true;

    dec->consumed = 0;
    dec->nbad = dec->nfiltered = dec->nbad_values = 0;
    dec->failed = 0;
    x->d.heap = &out->heap;
    sq_buf_reset(&x->d.reports);
    while (dec->consumed < dec->nrec && out->n - first < dec->max_rows) {
        if (x->shape && x->shape->known && x->rest == 0 && x->array_at == 0) {
            SQ_TRY(fast(x, dec, first));
            if (dec->consumed == dec->nrec || out->n - first == dec->max_rows)
                break;
        } else if (x->rest) {
            x->rest--;
        }
        SQ_TRY(general(x, dec, dec->consumed, first, &done));
        if (!done)
            break;
        dec->consumed++;
    }
    return SQ_OK;
}

/* ---- opening ---- */

void sq_json_decoder_close(struct sq_decoder *x)
{
    if (!x)
        return;
    struct sq_ctx *ctx = x->d.ctx;
    sq_json_dec_free(&x->d);
    sq_free(ctx, x->shape);
    sq_free(ctx, x->seen);
    sq_free(ctx, x);
}

sq_rc sq_json_decoder_open(struct sq_ctx *ctx, const struct sq_json_options *opt, const struct sq_table_column *wanted, uint32_t n, bool guess_shapes,
                           struct sq_decoder **out)
{
    struct sq_decoder *x = sq_calloc(ctx, sizeof *x);

    *out = NULL;
    if (!x)
        return SQ_NOMEM;
    sq_rc rc = sq_json_dec_init(&x->d, ctx, opt, wanted, n);
    if (rc == SQ_OK && guess_shapes && n < UINT16_MAX) {
        x->shape = sq_calloc(ctx, sizeof *x->shape);
        x->seen = sq_calloc(ctx, n + 1);
        rc = x->shape && x->seen ? SQ_OK : SQ_NOMEM;
    }
    if (rc != SQ_OK) {
        sq_json_decoder_close(x);
        return rc;
    }
    *out = x;
    return SQ_OK;
}
