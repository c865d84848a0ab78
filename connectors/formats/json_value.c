/* SPDX-License-Identifier: Apache-2.0
 *
 * json_value.c: one JSON value into a column: the conversions of Flink's json format.
 *
 * As there: numbers and booleans may come as strings; a float given to INT or BIGINT loses its fraction; whatever is not "true" is false; any
 * value may become a STRING (objects and arrays as compact JSON); a DECIMAL that has too many digits is NULL; of equal keys the last
 * counts. A field that is missing is NULL or, by option, an error.
 *
 * FLINK: timestamps must have a day that exists; an object given to a scalar column is an error, never a misread record.
 */
#include "connectors/formats/json_internal.h"

#include <stdio.h>

#define TRY(call)                               \
    do {                                        \
        enum sq_json_status try_ = (call);      \
        if (SQ_UNLIKELY(try_ != SQ_JSON_OK))    \
            return try_;                        \
    } while (0)

/* ---- fields by name ---- */

static uint32_t name_hash(const char *p, uint32_t n)
{
    uint64_t head = 0, tail = 0;

    memcpy(&head, p, n < 8 ? n : 8);
    if (n > 8)
        memcpy(&tail, p + n - 8, 8);
    uint64_t h = (head ^ (tail * UINT64_C(0x9E3779B97F4A7C15)) ^ n) * UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)(h >> 32 ^ h);
}

static sq_rc build_slots(struct sq_arena *a, struct sq_json_field *row)
{
    uint32_t size = 4;

    while (size < row->nchild * 2)
        size *= 2;
    row->slot = SQ_NEW_ARRAY(a, uint32_t, size);
    if (!row->slot)
        return SQ_NOMEM;
    row->mask = size - 1;
    for (uint32_t i = row->nchild; i-- > 0;) {             /* the first of equal names comes last, and is found */
        uint32_t at = name_hash(row->child[i].name.p, row->child[i].name.n) & row->mask;
        while (row->slot[at] && !sq_str_eq(row->child[row->slot[at] - 1].name, row->child[i].name))
            at = (at + 1) & row->mask;
        row->slot[at] = i + 1;
    }
    return SQ_OK;
}

static sq_rc build_field(struct sq_arena *a, struct sq_json_field *f, struct sq_str name, const struct sq_type *type)
{
    f->name = sq_str_dup(a, name);
    if (!f->name.p)
        return SQ_NOMEM;
    f->type = type;
    f->nchild = type->nchild;
    if (!f->nchild)
        return SQ_OK;
    f->child = SQ_NEW_ARRAY(a, struct sq_json_field, f->nchild);
    if (!f->child)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < f->nchild; i++)
        SQ_TRY(build_field(a, &f->child[i], type->id == SQ_T_ROW ? type->child[i].name : name, type->child[i].type));
    return type->id == SQ_T_ROW ? build_slots(a, f) : SQ_OK;
}

sq_rc sq_json_dec_init(struct sq_json_dec *d, struct sq_ctx *ctx, const struct sq_json_options *opt, const struct sq_table_column *cols, uint32_t n)
{
    *d = (struct sq_json_dec){.ctx = ctx, .opt = *opt, .format = "json"};
    sq_arena_init(&d->arena, ctx);
    sq_buf_init(&d->scratch, ctx);
    sq_buf_init(&d->reports, ctx);
    d->root.nchild = n;
    d->root.child = SQ_NEW_ARRAY(&d->arena, struct sq_json_field, n ? n : 1);
    if (!d->root.child)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        const struct sq_type *type = sq_type_dup(&d->arena, cols[i].type);
        if (!type)
            return SQ_NOMEM;
        SQ_TRY(build_field(&d->arena, &d->root.child[i], cols[i].name, type));
        d->not_null |= !type->nullable;
    }
    return build_slots(&d->arena, &d->root);
}

void sq_json_dec_free(struct sq_json_dec *d)
{
    sq_buf_free(&d->scratch);
    sq_buf_free(&d->reports);
    sq_arena_free(&d->arena);
}

uint32_t sq_json_child(struct sq_json_dec *d, const struct sq_json_field *row, struct sq_json_text key, uint32_t hint)
{
    struct sq_str name = {key.p, key.n};

    if (hint < row->nchild && sq_str_eq(row->child[hint].name, name) && !key.escaped)
        return hint;
    if (key.escaped) {
        sq_buf_reset(&d->scratch);
        if (sq_buf_reserve(&d->scratch, key.n) != SQ_OK)
            return UINT32_MAX - 1;
        name = (struct sq_str){d->scratch.p, sq_json_unescape(key, d->scratch.p)};
    }
    for (uint32_t at = name_hash(name.p, name.n) & row->mask; row->slot[at]; at = (at + 1) & row->mask)
        if (sq_str_eq(row->child[row->slot[at] - 1].name, name))
            return row->slot[at] - 1;
    return UINT32_MAX;
}

/* ---- errors ---- */

/* NULL for a value, and a report of it, or with `fatal` an error. */
static enum sq_json_status no_value(struct sq_json_dec *d, const struct sq_json_field *f, struct sq_col *c, const char *p, size_t n, const char *why, bool fatal)
{
    char shown[SQ_SCALAR_SHOWN], type[128], in[140] = "", msg[SQ_SCALAR_SHOWN + 400];
    const struct sq_json_field *column = &d->root.child[d->column];

    if (!sq_str_eq(f->name, column->name))
        snprintf(in, sizeof in, "in '%.*s': ", f->name.n > 100 ? 100 : (int)f->name.n, f->name.p);
    sq_scalar_show(p, n, shown);
    sq_scalar_type(d->ctx, f->type, type, sizeof type);
    if (why)
        snprintf(msg, sizeof msg, "%s%s: %s", in, why, shown);
    else
        snprintf(msg, sizeof msg, "%snot %s: %s", in, type, shown);
    if (fatal) {
        sq_fail(d->ctx, SQ_DATA, "column '%.*s': %s", SQ_FMT(column->name), msg);
        sq_hint(d->ctx, "to go on with NULL for such values, counted: '%s.ignore-parse-errors' = 'true'", d->format);
        return SQ_JSON_FATAL;
    }
    sq_buf_u32(&d->reports, d->column);
    sq_buf_add(&d->reports, msg, strlen(msg) + 1);
    if (d->reports.rc != SQ_OK || sq_col_append_null(c) != SQ_OK)
        return SQ_JSON_FATAL;
    return SQ_JSON_OK;
}

enum sq_json_status sq_json_unfit(struct sq_json_dec *d, const struct sq_json_field *f, struct sq_col *c, const char *p, size_t n, const char *why)
{
    return no_value(d, f, c, p, n, why, !d->opt.ignore_errors);
}

/* A decimal of too many digits: NULL as in Flink, but not in silence. */
static enum sq_json_status too_large(struct sq_json_dec *d, const struct sq_json_field *f, struct sq_col *c, struct sq_str s)
{
    char type[128], why[160];
    snprintf(why, sizeof why, "too large for %s", sq_scalar_type(d->ctx, f->type, type, sizeof type));
    return no_value(d, f, c, s.p, s.n, why, false);
}

enum sq_json_status sq_json_missing(struct sq_json_dec *d, const struct sq_json_field *f, struct sq_col *c)
{
    const struct sq_json_field *column = &d->root.child[d->column];

    if (!d->opt.fail_on_missing)
        return sq_col_append_null(c) == SQ_OK ? SQ_JSON_OK : SQ_JSON_FATAL;
    if (f == column)
        sq_fail(d->ctx, SQ_DATA, "column '%.*s': the record has no such field", SQ_FMT(column->name));
    else
        sq_fail(d->ctx, SQ_DATA, "column '%.*s': the object has no field '%.*s'", SQ_FMT(column->name), SQ_FMT(f->name));
    sq_hint(d->ctx, "with '%s.fail-on-missing-field' = 'false' missing fields are NULL", d->format);
    return SQ_JSON_FATAL;
}

bool sq_json_not_null(const struct sq_json_dec *d, const struct sq_out *out, char *msg, size_t n)
{
    if (SQ_LIKELY(!d->not_null))
        return true;
    for (uint32_t i = 0; i < d->root.nchild; i++) {
        const struct sq_vec *v = &out->cols[i].vec;
        if (d->root.child[i].type->nullable || !v->valid || sq_bit(v->valid, out->n))
            continue;
        snprintf(msg, n, "column '%.*s': it is NOT NULL, and the record has no value for it", SQ_FMT(d->root.child[i].name));
        return false;
    }
    return true;
}

void sq_json_malformed(const struct sq_json_in *in, char *msg, size_t n)
{
    char shown[SQ_SCALAR_SHOWN];
    const char *p = in->p < in->end ? in->p : in->end;

    if (p == in->end)
        snprintf(msg, n, "malformed JSON at byte %zu: %s, and the record ends here", (size_t)(p - in->start) + 1, in->why);
    else
        snprintf(msg, n, "malformed JSON at byte %zu: %s: %s", (size_t)(p - in->start) + 1, in->why, sq_scalar_show(p, (size_t)(in->end - p), shown));
}

void sq_json_report(struct sq_json_dec *d, struct sq_decode *dec, uint32_t record)
{
    for (size_t at = 0; at < d->reports.n;) {
        uint32_t column;
        memcpy(&column, d->reports.p + at, 4);
        const char *reason = d->reports.p + at + 4;
        dec->nbad_values++;
        if (dec->bad)
            dec->bad(dec->bad_arg, record, d->root.child[column].name, reason);
        at += 4 + strlen(reason) + 1;
    }
    sq_buf_reset(&d->reports);
}

sq_rc sq_json_bad_record(struct sq_json_dec *d, struct sq_decode *dec, uint32_t record, const char *msg)
{
    sq_out_rollback(dec->out);
    sq_buf_reset(&d->reports);
    if (!d->opt.ignore_errors) {
        dec->failed = record;
        sq_fail(d->ctx, SQ_DATA, "%s", msg);
        return sq_hint(d->ctx, "to skip such records, counted: '%s.ignore-parse-errors' = 'true'", d->format);
    }
    dec->nbad++;
    if (dec->bad)
        dec->bad(dec->bad_arg, record, (struct sq_str){"", 0}, msg);
    return SQ_OK;
}

struct sq_json_in sq_json_padded(struct sq_json_dec *d, const struct sq_decode *dec, uint32_t record)
{
    const char *p = dec->rec[record].p;
    size_t n = dec->rec[record].n;

    if (!dec->padded) {
        char *copy = sq_arena_get(d->heap, n + SQ_JSON_PAD, 16);
        if (!copy)
            return (struct sq_json_in){0};
        if (n)
            memcpy(copy, p, n);
        memset(copy + n, 0, SQ_JSON_PAD);
        p = copy;
    }
    return (struct sq_json_in){.p = p, .end = p + n, .start = p};
}

/* ---- scalars ---- */

/* A scalar token. Text of strings is unescaped and lasts until the next token; numbers and words are as written. */
enum kind { STRING, NUMBER, TRUE_, FALSE_, NULL_, OBJECT, ARRAY };
struct token {
    enum kind kind;
    struct sq_str text;
    struct sq_str src;                                     /* as it stands in the record, quotes included: for messages */
    struct sq_json_text raw;
    struct sq_json_number num;
};

static enum sq_json_status scan_token(struct sq_json_dec *d, struct sq_json_in *in, int depth, struct token *t)
{
    const char *from = in->p;

    if (in->p >= in->end) {
        sq_json_fail(in, in->p, "expected a value");
        return SQ_JSON_MALFORMED;
    }
    switch (*in->p) {
    case '"':
        if (!sq_json_string(in, &t->raw))
            return SQ_JSON_MALFORMED;
        t->kind = STRING;
        t->text = (struct sq_str){t->raw.p, t->raw.n};
        t->src = (struct sq_str){from, t->raw.n + 2};
        if (t->raw.escaped) {
            sq_buf_reset(&d->scratch);
            if (sq_buf_reserve(&d->scratch, t->raw.n) != SQ_OK)
                return SQ_JSON_FATAL;
            t->text = (struct sq_str){d->scratch.p, sq_json_unescape(t->raw, d->scratch.p)};
        }
        return SQ_JSON_OK;
    case '{':
    case '[':
        t->kind = *in->p == '{' ? OBJECT : ARRAY;
        if (!sq_json_skip(in, depth))
            return SQ_JSON_MALFORMED;
        break;
    case 't':
        t->kind = TRUE_;
        if (!sq_json_literal(in, "true", 4))
            return SQ_JSON_MALFORMED;
        break;
    case 'f':
        t->kind = FALSE_;
        if (!sq_json_literal(in, "false", 5))
            return SQ_JSON_MALFORMED;
        break;
    case 'n':
        t->kind = NULL_;
        if (!sq_json_literal(in, "null", 4))
            return SQ_JSON_MALFORMED;
        break;
    default:
        t->kind = NUMBER;
        if (!sq_json_number(in, &t->num)) {
            if (*in->p != '-' && (*in->p < '0' || *in->p > '9'))
                in->why = "not a JSON value";
            return SQ_JSON_MALFORMED;
        }
    }
    t->text = t->src = (struct sq_str){from, in->p - from > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)(in->p - from)};
    return SQ_JSON_OK;
}

#define PUT(c, ctype, v) (((ctype *)(c)->vec.data)[(c)->n++] = (v))

/* The integer that a token means, by the rules of a type of `bytes` bytes: only INT and BIGINT take floats. */
static bool token_int(const struct token *t, int bytes, int64_t *v)
{
    int64_t max = bytes == 8 ? INT64_MAX : ((int64_t)1 << (bytes * 8 - 1)) - 1;

    if (t->kind == NUMBER && !t->num.is_float && t->num.exact && t->num.exp10 == 0 && t->num.mant <= (uint64_t)INT64_MAX) {
        *v = t->num.negative ? -(int64_t)t->num.mant : (int64_t)t->num.mant;
    } else if (t->kind == NUMBER && t->num.is_float) {
        if (bytes < 4)
            return false;
        double d = sq_json_double(&t->num);
        if (!(d > -9.3e18 && d < 9.3e18))
            return false;
        if (bytes == 8 && !(d >= -9223372036854775808.0 && d < 9223372036854775808.0)) {
            if (d != 9223372036854775808.0)
                return false;
            *v = INT64_MAX;                                /* Java's cast stops there */
            return true;
        }
        if (bytes == 4 && !(d >= -2147483648.0 && d <= 2147483647.0))
            return false;
        *v = (int64_t)d;
    } else if (t->kind == NUMBER || t->kind == STRING) {
        if (!sq_parse_int(sq_scalar_trim(t->text), v))
            return false;
    } else {
        return false;
    }
    return *v >= -max - 1 && *v <= max;
}

static bool token_double(const struct token *t, double *v)
{
    if (t->kind == NUMBER) {
        *v = sq_json_double(&t->num);
        return true;
    }
    return t->kind == STRING && sq_scalar_double(t->text, v);
}

/* 1: a value, 0: too many digits (NULL), -1: not a number. */
static int token_decimal(const struct token *t, const struct sq_type *type, sq_i128 *v)
{
    if (t->kind == NUMBER && t->num.exact && t->num.mant < UINT64_C(1000000000000000000)) {
        int shift = t->num.exp10 + type->s;
        if (shift >= 0 && shift <= 19) {
            sq_i128 x = (sq_i128)t->num.mant * sq_pow10_i128[shift];
            if (x >= sq_pow10_i128[type->p])
                return 0;
            *v = t->num.negative ? -x : x;
            return 1;
        }
    }
    if (t->kind != NUMBER && t->kind != STRING)
        return -1;
    struct sq_str s = t->kind == STRING ? sq_scalar_trim(t->text) : t->text;
    return sq_scalar_decimal(s, type, v);
}

static bool token_boolean(const struct token *t, bool *v)
{
    if (t->kind == OBJECT || t->kind == ARRAY)
        return false;
    *v = t->kind == TRUE_ || (t->kind == STRING && sq_str_iis(sq_scalar_trim(t->text), "true"));
    return true;
}

static enum sq_json_status put_bytes(struct sq_json_dec *d, const struct sq_json_field *f, struct sq_col *c, const struct token *t)
{
    uint32_t n;

    if (t->kind != STRING)
        return sq_json_unfit(d, f, c, t->src.p, t->src.n, "not a string of base64");
    char *out = sq_arena_get(d->heap, t->text.n / 4 * 3 + 4, 1);
    if (!out)
        return SQ_JSON_FATAL;
    if (!sq_scalar_base64(t->text, out, &n))
        return sq_json_unfit(d, f, c, t->src.p, t->src.n, "not base64");
    PUT(c, struct sq_view, sq_view_of(out, n));
    return SQ_JSON_OK;
}

/* ---- strings ---- */

/* Strings stay in the record, which lives as long as the batch; what had to be rewritten goes to the heap. */
static enum sq_json_status put_string(struct sq_json_dec *d, struct sq_col *c, struct sq_json_text t)
{
    if (SQ_UNLIKELY(t.escaped)) {
        char *out = sq_arena_get(d->heap, t.n + 16, 1);    /* a view reads 16 bytes */
        if (!out)
            return SQ_JSON_FATAL;
        t.n = sq_json_unescape(t, out);
        t.p = out;
    }
    sq_scalar_view((struct sq_view *)c->vec.data + c->n++, t.p, t.n);
    return SQ_JSON_OK;
}

static enum sq_json_status put_as_text(struct sq_json_dec *d, struct sq_col *c, const struct token *t, const char *end)
{
    if (t->kind == OBJECT || t->kind == ARRAY) {
        sq_buf_reset(&d->scratch);
        sq_json_compact(&d->scratch, t->text.p, end, false);
    } else if (t->kind == NUMBER && t->num.is_float && !d->opt.parser) {
        char buf[32];
        sq_buf_reset(&d->scratch);
        sq_buf_add(&d->scratch, buf, (size_t)sq_print_double(sq_json_double(&t->num), buf));
    } else {
        PUT(c, struct sq_view, sq_view_of(t->text.p, t->text.n));
        return SQ_JSON_OK;
    }
    if (d->scratch.rc != SQ_OK || d->scratch.n > UINT32_MAX / 2)
        return d->scratch.rc != SQ_OK ? SQ_JSON_FATAL : (sq_fail(d->ctx, SQ_LIMIT, "a value of more than 2 GB"), SQ_JSON_FATAL);
    return sq_col_append_view(c, d->scratch.p, (uint32_t)d->scratch.n) == SQ_OK ? SQ_JSON_OK : SQ_JSON_FATAL;
}

static enum sq_json_status put_token(struct sq_json_dec *d, const struct sq_json_field *f, struct sq_col *c, const struct token *t)
{
    const struct sq_type *type = f->type;
    bool iso = d->opt.timestamp == SQ_JSON_ISO, b;
    const char *p = t->text.p, *end = t->text.p + t->text.n;
    int64_t i;
    int32_t days;
    double x;
    sq_i128 dec;
    struct sq_ts16 ts;

    switch (type->id) {
    case SQ_T_BOOLEAN:
        if (!token_boolean(t, &b))
            break;
        PUT(c, uint8_t, b);
        return SQ_JSON_OK;
    case SQ_T_TINYINT:
        if (!token_int(t, 1, &i))
            break;
        PUT(c, int8_t, (int8_t)i);
        return SQ_JSON_OK;
    case SQ_T_SMALLINT:
        if (!token_int(t, 2, &i))
            break;
        PUT(c, int16_t, (int16_t)i);
        return SQ_JSON_OK;
    case SQ_T_INT:
    case SQ_T_INTERVAL_YM:
        if (!token_int(t, 4, &i))
            break;
        PUT(c, int32_t, (int32_t)i);
        return SQ_JSON_OK;
    case SQ_T_BIGINT:
    case SQ_T_INTERVAL_DS:
        if (!token_int(t, 8, &i))
            break;
        PUT(c, int64_t, i);
        return SQ_JSON_OK;
    case SQ_T_FLOAT:
        if (!token_double(t, &x))
            break;
        PUT(c, float, (float)x);
        return SQ_JSON_OK;
    case SQ_T_DOUBLE:
        if (!token_double(t, &x))
            break;
        PUT(c, double, x);
        return SQ_JSON_OK;
    case SQ_T_DECIMAL:
        switch (token_decimal(t, type, &dec)) {
        case 1:
            PUT(c, sq_i128, dec);
            return SQ_JSON_OK;
        case 0:
            return too_large(d, f, c, t->src);
        }
        break;
    case SQ_T_DATE:
        if (t->kind != STRING || !sq_scalar_date(&p, end, &days) || p != end)
            return sq_json_unfit(d, f, c, t->src.p, t->src.n, "not a DATE (yyyy-MM-dd)");
        PUT(c, int32_t, days);
        return SQ_JSON_OK;
    case SQ_T_TIME:
        if (t->kind != STRING || !sq_scalar_time(&p, end, false, &i) || p != end)
            return sq_json_unfit(d, f, c, t->src.p, t->src.n, "not a TIME (HH:mm:ss[.fraction])");
        i -= i % sq_scalar_unit[type->p < 0 ? 0 : type->p > 9 ? 9 : type->p];
        PUT(c, int32_t, (int32_t)(i / 1000000));
        return SQ_JSON_OK;
    case SQ_T_TIMESTAMP:
    case SQ_T_TIMESTAMP_LTZ: {
        bool zone = type->id == SQ_T_TIMESTAMP_LTZ;
        if (t->kind != STRING || !sq_scalar_timestamp(t->text, iso, zone, type->p, &ts)) {
            char why[120];
            snprintf(why, sizeof why, "not a %s (yyyy-MM-dd%sHH:mm:ss[.fraction]%s)", zone ? "TIMESTAMP_LTZ" : "TIMESTAMP", iso ? "'T'" : " ", zone ? "'Z'" : "");
            return sq_json_unfit(d, f, c, t->src.p, t->src.n, why);
        }
        if (type->p > 6)
            PUT(c, struct sq_ts16, ts);
        else
            PUT(c, int64_t, ts.us);
        return SQ_JSON_OK;
    }
    default:
        break;
    }
    if (sq_tid_is_int(type->id) && t->kind == NUMBER && !t->num.is_float) {
        char why[40];
        snprintf(why, sizeof why, "out of range for %s", sq_tid_name(type->id));
        return sq_json_unfit(d, f, c, t->src.p, t->src.n, why);
    }
    return sq_json_unfit(d, f, c, t->src.p, t->src.n, NULL);
}

/* ---- containers ---- */

/* A record that failed midway may have left elements behind the last list: they are forgotten. */
static uint32_t list_begin(struct sq_col *c)
{
    uint32_t at = 0;

    if (c->n) {
        struct sq_list last = ((const struct sq_list *)c->vec.data)[c->n - 1];
        at = last.off + last.len;
    }
    for (uint32_t i = 0; i < c->nkid; i++)
        sq_col_truncate(&c->kid[i], at);
    return at;
}

static enum sq_json_status put_array(struct sq_json_dec *d, const struct sq_json_field *f, struct sq_col *c, struct sq_json_in *in, int depth)
{
    uint32_t from = list_begin(c);
    bool more;

    if (!sq_json_open(in, ']', &more))
        return SQ_JSON_MALFORMED;
    while (more) {
        TRY(sq_json_value(d, &f->child[0], &c->kid[0], in, depth + 1));
        if (!sq_json_next(in, ']', &more))
            return SQ_JSON_MALFORMED;
    }
    return sq_col_append_list(c, c->kid[0].n - from) == SQ_OK ? SQ_JSON_OK : SQ_JSON_FATAL;
}

/* Which entries [from, n) of the keys have an equal one behind them: bits in *later, NULL when none has. */
static sq_rc repeated_keys(struct sq_json_dec *d, const struct sq_col *keys, uint32_t from, uint64_t **later)
{
    uint32_t n = keys->n - from, size = 16;

    *later = NULL;
    if (n < 2)
        return SQ_OK;
    const struct sq_view *view = (const struct sq_view *)keys->vec.data + from;
    while (size < n * 2)
        size *= 2;
    uint32_t small[64] = {0}, *slot = size <= SQ_LEN(small) ? small : sq_calloc(d->ctx, size * sizeof *slot);
    if (!slot)
        return SQ_NOMEM;
    sq_rc rc = SQ_OK;
    for (uint32_t i = 0; i < n; i++) {
        struct sq_str k = sq_view_str(&view[i]);
        uint64_t h = n;
        for (uint32_t b = 0; b < k.n; b++)
            h = (h ^ (unsigned char)k.p[b]) * UINT64_C(0x100000001b3);
        uint32_t at = (uint32_t)(h ^ h >> 32) & (size - 1);
        while (slot[at] && !sq_view_eq(&view[slot[at] - 1], &view[i]))
            at = (at + 1) & (size - 1);
        if (slot[at]) {
            if (!*later)
                *later = sq_calloc(d->ctx, ((size_t)n + 63) / 64 * 8);
            if (!*later) {
                rc = SQ_NOMEM;
                break;
            }
            sq_bit_set(*later, slot[at] - 1);
        }
        slot[at] = i + 1;
    }
    if (slot != small)
        sq_free(d->ctx, slot);
    return rc;
}

/* One pass over the entries of a map; those in `skip` are passed over. */
static enum sq_json_status put_entries(struct sq_json_dec *d, const struct sq_json_field *f, struct sq_col *c, struct sq_json_in *in, int depth,
                                       const uint64_t *skip)
{
    struct sq_json_text key;
    bool more;

    if (!sq_json_open(in, '}', &more))
        return SQ_JSON_MALFORMED;
    for (uint32_t i = 0; more; i++) {
        if (!sq_json_key(in, &key))
            return SQ_JSON_MALFORMED;
        if (skip && sq_bit(skip, i)) {
            if (!sq_json_skip(in, depth + 1))
                return SQ_JSON_MALFORMED;
        } else {
            if (sq_col_reserve(&c->kid[0], 1) != SQ_OK)
                return SQ_JSON_FATAL;
            TRY(put_string(d, &c->kid[0], key));
            TRY(sq_json_value(d, &f->child[1], &c->kid[1], in, depth + 1));
        }
        if (!sq_json_next(in, '}', &more))
            return SQ_JSON_MALFORMED;
    }
    return SQ_JSON_OK;
}

/* MAP and MULTISET; f->child[1] of a MULTISET's field is its count. */
static enum sq_json_status put_map(struct sq_json_dec *d, const struct sq_json_field *f, struct sq_col *c, struct sq_json_in *in, int depth)
{
    const struct sq_json_in start = *in;
    uint32_t from = list_begin(c);
    size_t reports = d->reports.n;
    uint64_t *later = NULL;

    TRY(put_entries(d, f, c, in, depth, NULL));
    if (repeated_keys(d, &c->kid[0], from, &later) != SQ_OK) {
        sq_free(d->ctx, later);
        return SQ_JSON_FATAL;
    }
    if (later) {                                           /* rare: once more, without those */
        *in = start;
        sq_col_truncate(&c->kid[0], from);
        sq_col_truncate(&c->kid[1], from);
        d->reports.n = reports;
        enum sq_json_status st = put_entries(d, f, c, in, depth, later);
        sq_free(d->ctx, later);
        TRY(st);
    }
    return sq_col_append_list(c, c->kid[0].n - from) == SQ_OK ? SQ_JSON_OK : SQ_JSON_FATAL;
}

enum sq_json_status sq_json_object(struct sq_json_dec *d, const struct sq_json_field *row, struct sq_col *cols, uint32_t at, struct sq_json_in *in, int depth)
{
    struct sq_json_text key;
    uint32_t hint = 0;
    bool more, top = row == &d->root;

    if (!sq_json_open(in, '}', &more))
        return SQ_JSON_MALFORMED;
    while (more) {
        if (!sq_json_key(in, &key))
            return SQ_JSON_MALFORMED;
        uint32_t i = sq_json_child(d, row, key, hint);
        if (i < row->nchild) {
            if (cols[i].n > at)
                sq_col_truncate(&cols[i], at);             /* the same name again: the last one counts */
            if (top)
                d->column = i;
            TRY(sq_json_value(d, &row->child[i], &cols[i], in, depth + 1));
            hint = i + 1;
        } else if (i != UINT32_MAX) {
            return SQ_JSON_FATAL;
        } else if (!sq_json_skip(in, depth + 1)) {
            return SQ_JSON_MALFORMED;
        }
        if (!sq_json_next(in, '}', &more))
            return SQ_JSON_MALFORMED;
    }
    for (uint32_t i = 0; i < row->nchild; i++) {
        if (cols[i].n > at)
            continue;
        if (top)
            d->column = i;
        TRY(sq_json_missing(d, &row->child[i], &cols[i]));
    }
    return SQ_JSON_OK;
}

static enum sq_json_status put_row(struct sq_json_dec *d, const struct sq_json_field *f, struct sq_col *c, struct sq_json_in *in, int depth)
{
    for (uint32_t i = 0; i < c->nkid; i++)
        if (c->kid[i].n > c->n)
            sq_col_truncate(&c->kid[i], c->n);
    TRY(sq_json_object(d, f, c->kid, c->n, in, depth));
    return sq_col_append_struct(c) == SQ_OK ? SQ_JSON_OK : SQ_JSON_FATAL;
}

enum sq_json_status sq_json_value(struct sq_json_dec *d, const struct sq_json_field *f, struct sq_col *c, struct sq_json_in *in, int depth)
{
    struct token t;
    char first = in->p < in->end ? *in->p : 0;

    if (SQ_UNLIKELY(c->n == c->cap) && sq_col_reserve(c, 1) != SQ_OK)
        return SQ_JSON_FATAL;
    if (depth >= SQ_JSON_DEPTH) {
        sq_json_fail(in, in->p, "nested deeper than 1000 levels");
        return SQ_JSON_MALFORMED;
    }
    switch (f->type->id) {
    case SQ_T_CHAR:
    case SQ_T_VARCHAR:
        if (first == '"') {
            struct sq_json_text s;
            return sq_json_string(in, &s) ? put_string(d, c, s) : SQ_JSON_MALFORMED;
        }
        TRY(scan_token(d, in, depth, &t));
        if (t.kind != NULL_)
            return put_as_text(d, c, &t, in->p);
        break;
    case SQ_T_ARRAY:
        if (first == '[')
            return put_array(d, f, c, in, depth);
        TRY(scan_token(d, in, depth, &t));
        break;
    case SQ_T_MAP:
    case SQ_T_MULTISET:
        if (first == '{')
            return put_map(d, f, c, in, depth);
        TRY(scan_token(d, in, depth, &t));
        break;
    case SQ_T_ROW:
        if (first == '{')
            return put_row(d, f, c, in, depth);
        TRY(scan_token(d, in, depth, &t));
        break;
    case SQ_T_BINARY:
    case SQ_T_VARBINARY:
        TRY(scan_token(d, in, depth, &t));
        if (t.kind != NULL_)
            return put_bytes(d, f, c, &t);
        break;
    default:
        TRY(scan_token(d, in, depth, &t));
        if (t.kind != NULL_ && f->type->id != SQ_T_NULL)
            return put_token(d, f, c, &t);
    }
    if (t.kind == NULL_ || f->type->id == SQ_T_NULL)
        return sq_col_append_null(c) == SQ_OK ? SQ_JSON_OK : SQ_JSON_FATAL;
    return sq_json_unfit(d, f, c, t.src.p, t.src.n, NULL);
}
