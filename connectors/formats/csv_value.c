/* SPDX-License-Identifier: Apache-2.0
 *
 * csv_value.c: the text of a field into a column: the conversions of Flink's csv format.
 *
 * As there: white space around numbers, booleans and times does not matter; whatever is not "true" is false; a DECIMAL that has too many digits is
 * NULL (here reported and counted); months and days of a DATE may have one digit; elements of an ARRAY or ROW stand between array delimiters, an empty field is an empty
 * ARRAY and a NULL ROW. An empty field is no number: it is NULL only by option.
 *
 * FLINK: timestamps must have a day that exists; text must be UTF-8; a field that is the null literal is a NULL ROW.
 */
#include "connectors/formats/csv_internal.h"

#include <stdio.h>

#define PUT(c, ctype, v) (((ctype *)(c)->vec.data)[(c)->n++] = (v))

static bool report(struct sq_csv_dec *d, uint32_t column, const char *msg)
{
    sq_buf_u32(&d->reports, column);
    return sq_buf_add(&d->reports, msg, strlen(msg) + 1) == SQ_OK;
}

/* NULL for a value, and a report of it, or with `fatal` an error. */
static enum sq_csv_status no_value(struct sq_csv_dec *d, uint32_t column, const struct sq_type *type, struct sq_col *c, struct sq_str s, const char *why, bool fatal)
{
    char shown[SQ_SCALAR_SHOWN], name[128], msg[SQ_SCALAR_SHOWN + 400];
    const struct sq_csv_column *f = &d->column[column];
    const char *in = type == f->type ? "" : f->type->id == SQ_T_ROW ? "an element of the ROW: " : "an element of the ARRAY: ";

    const char *text = s.n ? sq_scalar_show(s.p, s.n, shown) : "it is empty";
    if (why)
        snprintf(msg, sizeof msg, "%s%s: %s", in, why, text);
    else
        snprintf(msg, sizeof msg, "%snot %s: %s", in, sq_scalar_type(d->ctx, type, name, sizeof name), text);
    if (fatal) {
        sq_fail(d->ctx, SQ_DATA, "column '%.*s': %s", SQ_FMT(f->name), msg);
        if (s.n == 0 && !d->opt.null_literal.p)
            sq_hint(d->ctx, "if empty fields are NULL: 'csv.null-literal' = ''");
        else
            sq_hint(d->ctx, "to go on with NULL for such values, counted: 'csv.ignore-parse-errors' = 'true'");
        return SQ_CSV_FATAL;
    }
    return report(d, column, msg) && sq_col_append_null(c) == SQ_OK ? SQ_CSV_OK : SQ_CSV_FATAL;
}

static enum sq_csv_status unfit(struct sq_csv_dec *d, uint32_t column, const struct sq_type *type, struct sq_col *c, struct sq_str s, const char *why)
{
    return no_value(d, column, type, c, s, why, !d->opt.ignore_errors);
}

static enum sq_csv_status too_large(struct sq_csv_dec *d, uint32_t column, const struct sq_type *type, struct sq_col *c, struct sq_str s)
{
    char name[128], why[160];

    snprintf(why, sizeof why, "too large for %s", sq_scalar_type(d->ctx, type, name, sizeof name));
    return no_value(d, column, type, c, s, why, false);
}

enum sq_csv_status sq_csv_missing(struct sq_csv_dec *d, uint32_t column, struct sq_col *c, uint32_t have)
{
    char msg[80];

    snprintf(msg, sizeof msg, "the record has only %u field%s", have, have == 1 ? "" : "s");
    if (!d->opt.ignore_errors) {
        sq_fail(d->ctx, SQ_DATA, "column '%.*s': %s", SQ_FMT(d->column[column].name), msg);
        sq_hint(d->ctx, "to %s, counted: 'csv.ignore-parse-errors' = 'true'", d->opt.fail_missing ? "skip such records" : "go on with NULL for what is missing");
        return SQ_CSV_FATAL;
    }
    return report(d, column, msg) && sq_col_append_null(c) == SQ_OK ? SQ_CSV_OK : SQ_CSV_FATAL;
}

/* ---- scalars ---- */

static bool integer(struct sq_str s, int bytes, int64_t *v)
{
    int64_t max = bytes == 8 ? INT64_MAX : ((int64_t)1 << (bytes * 8 - 1)) - 1;
    return sq_parse_int(sq_scalar_trim(s), v) && *v >= -max - 1 && *v <= max;
}

static bool all_digits(struct sq_str s)
{
    s = sq_scalar_trim(s);
    uint32_t i = s.n && (*s.p == '-' || *s.p == '+');
    bool some = i < s.n;
    for (; i < s.n; i++)
        some &= s.p[i] >= '0' && s.p[i] <= '9';
    return some;
}

/* yyyy-[m]m-[d]d, as java.sql.Date reads it. */
static bool date(struct sq_str s, int32_t *days)
{
    const char *p = s.p, *end = s.p + s.n;
    uint32_t dashes = 0;

    if (sq_scalar_date(&p, end, days) && p == end)
        return true;
    for (uint32_t i = 0; i < s.n; i++)
        dashes += s.p[i] == '-';
    return dashes == 2 && s.n >= 8 && s.p[4] == '-' && sq_parse_date(s, days);
}

static enum sq_csv_status put_integer(struct sq_csv_dec *d, uint32_t column, const struct sq_type *type, struct sq_col *c, struct sq_str s)
{
    int64_t v;
    int bytes = type->id == SQ_T_TINYINT ? 1 : type->id == SQ_T_SMALLINT ? 2 : type->id == SQ_T_INT ? 4 : 8;

    if (!integer(s, bytes, &v)) {
        char why[40];
        snprintf(why, sizeof why, "out of range for %s", sq_tid_name(type->id));
        return unfit(d, column, type, c, s, all_digits(s) ? why : NULL);
    }
    switch (bytes) {
    case 1: PUT(c, int8_t, (int8_t)v); break;
    case 2: PUT(c, int16_t, (int16_t)v); break;
    case 4: PUT(c, int32_t, (int32_t)v); break;
    default: PUT(c, int64_t, v);
    }
    return SQ_CSV_OK;
}

static enum sq_csv_status put_time(struct sq_csv_dec *d, uint32_t column, const struct sq_type *type, struct sq_col *c, struct sq_str s)
{
    const struct sq_str t = sq_scalar_trim(s);
    const char *p = t.p, *end = t.p + t.n;
    int32_t days;
    int64_t ns;

    if (type->id == SQ_T_DATE) {
        if (!date(t, &days))
            return unfit(d, column, type, c, s, "not a DATE (yyyy-MM-dd)");
        PUT(c, int32_t, days);
        return SQ_CSV_OK;
    }
    if (!sq_scalar_time(&p, end, true, &ns) || p != end)
        return unfit(d, column, type, c, s, "not a TIME (HH:mm:ss[.fraction])");
    ns -= ns % sq_scalar_unit[type->p < 0 ? 0 : type->p > 9 ? 9 : type->p];
    PUT(c, int32_t, (int32_t)(ns / 1000000));
    return SQ_CSV_OK;
}

static enum sq_csv_status put_timestamp(struct sq_csv_dec *d, uint32_t column, const struct sq_type *type, struct sq_col *c, struct sq_str s)
{
    bool zone = type->id == SQ_T_TIMESTAMP_LTZ;
    struct sq_ts16 ts;

    if (!sq_scalar_timestamp(sq_scalar_trim(s), false, zone, type->p, &ts))
        return unfit(d, column, type, c, s,
                     zone ? "not a TIMESTAMP_LTZ (yyyy-MM-dd HH:mm:ss[.fraction]'Z')" : "not a TIMESTAMP (yyyy-MM-dd HH:mm:ss[.fraction])");
    if (type->p > 6)
        PUT(c, struct sq_ts16, ts);
    else
        PUT(c, int64_t, ts.us);
    return SQ_CSV_OK;
}

static enum sq_csv_status put_bytes(struct sq_csv_dec *d, uint32_t column, const struct sq_type *type, struct sq_col *c, struct sq_str s)
{
    uint32_t n;
    char *out = sq_arena_get(d->heap, s.n / 4 * 3 + 4, 1);

    if (!out)
        return SQ_CSV_FATAL;
    if (!sq_scalar_base64(s, out, &n))
        return unfit(d, column, type, c, s, "not base64");
    PUT(c, struct sq_view, sq_view_of(out, n));
    return SQ_CSV_OK;
}

static enum sq_csv_status put_scalar(struct sq_csv_dec *d, uint32_t column, const struct sq_type *type, struct sq_col *c, struct sq_str s)
{
    double x;
    sq_i128 dec;

    if (SQ_UNLIKELY(c->n == c->cap) && sq_col_reserve(c, 1) != SQ_OK)
        return SQ_CSV_FATAL;
    if (sq_csv_is_null(d, s) || type->id == SQ_T_NULL)
        return sq_col_append_null(c) == SQ_OK ? SQ_CSV_OK : SQ_CSV_FATAL;
    switch (type->id) {
    case SQ_T_CHAR:
    case SQ_T_VARCHAR:
        if (SQ_UNLIKELY(!sq_utf8_valid(s.p, s.n)))
            return unfit(d, column, type, c, s, "not valid UTF-8");
        sq_scalar_view((struct sq_view *)c->vec.data + c->n++, s.p, s.n);
        return SQ_CSV_OK;
    case SQ_T_BOOLEAN:
        PUT(c, uint8_t, sq_str_iis(sq_scalar_trim(s), "true"));
        return SQ_CSV_OK;
    case SQ_T_TINYINT:
    case SQ_T_SMALLINT:
    case SQ_T_INT:
    case SQ_T_BIGINT:
        return put_integer(d, column, type, c, s);
    case SQ_T_FLOAT:
    case SQ_T_DOUBLE:
        if (!sq_scalar_double(s, &x))
            return unfit(d, column, type, c, s, NULL);
        if (type->id == SQ_T_DOUBLE)
            PUT(c, double, x);
        else
            PUT(c, float, (float)x);
        return SQ_CSV_OK;
    case SQ_T_DECIMAL:
        switch (sq_scalar_decimal(sq_scalar_trim(s), type, &dec)) {
        case 1: PUT(c, sq_i128, dec); return SQ_CSV_OK;
        case 0: return too_large(d, column, type, c, s);
        default: return unfit(d, column, type, c, s, NULL);
        }
    case SQ_T_DATE:
    case SQ_T_TIME:
        return put_time(d, column, type, c, s);
    case SQ_T_TIMESTAMP:
    case SQ_T_TIMESTAMP_LTZ:
        return put_timestamp(d, column, type, c, s);
    case SQ_T_BINARY:
    case SQ_T_VARBINARY:
        return put_bytes(d, column, type, c, s);
    default:
        return unfit(d, column, type, c, s, NULL);
    }
}

/* ---- ARRAY and ROW ---- */

/* The next element of *rest; false: there was none. */
static bool next_element(const struct sq_csv_dec *d, struct sq_str *rest, struct sq_str *element)
{
    if (!rest->p)
        return false;
    const char *at = memmem(rest->p, rest->n, d->ch.array, d->ch.narray);
    *element = (struct sq_str){rest->p, at ? (uint32_t)(at - rest->p) : rest->n};
    uint32_t used = element->n + d->ch.narray;
    *rest = at ? (struct sq_str){at + d->ch.narray, rest->n - used} : (struct sq_str){NULL, 0};
    if (d->opt.trim)
        *element = sq_scalar_trim(*element);
    return true;
}

static struct sq_str elements(struct sq_str s)
{
    return sq_scalar_trim(s).n ? s : (struct sq_str){NULL, 0};
}

/* Appends to kids that may hold more than their parent's rows say: a record that failed midway leaves elements behind. */
static enum sq_csv_status put_array(struct sq_csv_dec *d, uint32_t column, const struct sq_type *type, struct sq_col *c, struct sq_str s)
{
    struct sq_str rest = elements(s), e;
    uint32_t from = 0;

    if (c->n) {
        struct sq_list last = ((const struct sq_list *)c->vec.data)[c->n - 1];
        from = last.off + last.len;
    }
    sq_col_truncate(&c->kid[0], from);
    while (next_element(d, &rest, &e)) {
        enum sq_csv_status st = put_scalar(d, column, type->child[0].type, &c->kid[0], e);
        if (st != SQ_CSV_OK)
            return st;
    }
    return sq_col_append_list(c, c->kid[0].n - from) == SQ_OK ? SQ_CSV_OK : SQ_CSV_FATAL;
}

static enum sq_csv_status put_row(struct sq_csv_dec *d, uint32_t column, const struct sq_type *type, struct sq_col *c, struct sq_str s)
{
    struct sq_str rest = elements(s), e;
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->nkid; i++)
        sq_col_truncate(&c->kid[i], c->n);
    if (!rest.p || (type->nchild > 1 && sq_csv_is_null(d, s)))
        return sq_col_append_null(c) == SQ_OK ? SQ_CSV_OK : SQ_CSV_FATAL;
    for (struct sq_str count = rest; next_element(d, &count, &e);)
        n++;
    if (n != type->nchild) {
        char why[80];
        snprintf(why, sizeof why, "%u element%s, where the ROW has %u", n, n == 1 ? "" : "s", type->nchild);
        if (!d->opt.ignore_errors)
            return unfit(d, column, type, c, s, why);
        if (!report(d, column, why))                       /* what is missing is NULL, what is too much is not there */
            return SQ_CSV_FATAL;
    }
    for (uint32_t i = 0; i < type->nchild; i++) {
        enum sq_csv_status st;
        if (next_element(d, &rest, &e))
            st = put_scalar(d, column, type->child[i].type, &c->kid[i], e);
        else
            st = sq_col_append_null(&c->kid[i]) == SQ_OK ? SQ_CSV_OK : SQ_CSV_FATAL;
        if (st != SQ_CSV_OK)
            return st;
    }
    return sq_col_append_struct(c) == SQ_OK ? SQ_CSV_OK : SQ_CSV_FATAL;
}

enum sq_csv_status sq_csv_value(struct sq_csv_dec *d, uint32_t column, struct sq_col *c, struct sq_str s)
{
    const struct sq_type *type = d->column[column].type;

    switch (type->id) {
    case SQ_T_ARRAY: return put_array(d, column, type, c, s);
    case SQ_T_ROW: return put_row(d, column, type, c, s);
    default: return put_scalar(d, column, type, c, s);
    }
}
