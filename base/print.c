/* SPDX-License-Identifier: Apache-2.0
 *
 * print.c: any value as text, as CAST(… AS STRING) spells it: TRUE, 1.0E10, 2024-01-01 00:00:00.000, +1-02, [a, b], {k=v}, (a, b).
 */
#include "base/text.h"

static void print_interval_ym(struct sq_buf *b, int32_t months)
{
    int64_t v = months < 0 ? -(int64_t)months : months;

    sq_buf_printf(b, "%c%lld-%02lld", months < 0 ? '-' : '+', (long long)(v / 12), (long long)(v % 12));
}

static void print_interval_ds(struct sq_buf *b, int64_t ms)
{
    uint64_t v = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;

    sq_buf_printf(b, "%c%llu %02llu:%02llu:%02llu.%03llu", ms < 0 ? '-' : '+', (unsigned long long)(v / 86400000),
                  (unsigned long long)(v / 3600000 % 24), (unsigned long long)(v / 60000 % 60), (unsigned long long)(v / 1000 % 60),
                  (unsigned long long)(v % 1000));
}

/* Bytes as text: what is not UTF-8 becomes U+FFFD, a maximal run of continuation bytes at a time being one. */
static void print_bytes(struct sq_buf *b, struct sq_str s)
{
    if (sq_utf8_valid(s.p, s.n)) {
        sq_buf_str(b, s);
        return;
    }
    for (uint32_t i = 0, n; i < s.n; i += n) {
        for (n = 1; n < 4 && i + n <= s.n && !sq_utf8_valid(s.p + i, n); n++)
            ;
        if (i + n <= s.n && sq_utf8_valid(s.p + i, n))
            sq_buf_add(b, s.p + i, n);
        else {
            n = 1;
            sq_buf_puts(b, "\xEF\xBF\xBD");
        }
    }
}

static void print_scalar(struct sq_buf *b, const struct sq_vec *v, uint32_t r, const struct sq_tz *tz)
{
    const struct sq_type *t = v->type;
    char buf[64];
    int n = 0;
    struct sq_ts16 ts;

    switch (t->id) {
    case SQ_T_BOOLEAN:
        sq_buf_puts(b, ((const uint8_t *)v->data)[r] ? "TRUE" : "FALSE");
        return;
    case SQ_T_TINYINT:
        n = sq_print_int(((const int8_t *)v->data)[r], buf);
        break;
    case SQ_T_SMALLINT:
        n = sq_print_int(((const int16_t *)v->data)[r], buf);
        break;
    case SQ_T_INT:
        n = sq_print_int(((const int32_t *)v->data)[r], buf);
        break;
    case SQ_T_BIGINT:
        n = sq_print_int(((const int64_t *)v->data)[r], buf);
        break;
    case SQ_T_FLOAT:
        n = sq_print_float(((const float *)v->data)[r], buf);
        break;
    case SQ_T_DOUBLE:
        n = sq_print_double(((const double *)v->data)[r], buf);
        break;
    case SQ_T_DECIMAL:
        n = sq_print_decimal(((const sq_i128 *)v->data)[r], t->s, buf);
        break;
    case SQ_T_CHAR:
    case SQ_T_VARCHAR:
    case SQ_T_SYMBOL:
        sq_buf_str(b, sq_view_str((const struct sq_view *)v->data + r));
        return;
    case SQ_T_BINARY:
    case SQ_T_VARBINARY:
        print_bytes(b, sq_view_str((const struct sq_view *)v->data + r));
        return;
    case SQ_T_DATE:
        n = sq_print_date(((const int32_t *)v->data)[r], buf);
        break;
    case SQ_T_TIME:
        n = sq_print_time(((const int32_t *)v->data)[r], t->p, buf);
        break;
    case SQ_T_TIMESTAMP:
    case SQ_T_TIMESTAMP_LTZ:
        if (t->p > 6)
            ts = ((const struct sq_ts16 *)v->data)[r];
        else
            ts = (struct sq_ts16){.us = ((const int64_t *)v->data)[r]};
        if (t->id == SQ_T_TIMESTAMP_LTZ && tz)
            ts.us = sq_tz_to_local(tz, ts.us);
        n = sq_print_timestamp(ts, t->p, ' ', buf);
        break;
    case SQ_T_INTERVAL_YM:
        print_interval_ym(b, ((const int32_t *)v->data)[r]);
        return;
    case SQ_T_INTERVAL_DS:
        print_interval_ds(b, ((const int64_t *)v->data)[r]);
        return;
    default:
        return;
    }
    sq_buf_add(b, buf, (size_t)n);
}

static void print_inner(struct sq_buf *b, const struct sq_vec *v, uint32_t r, const struct sq_tz *tz)
{
    if (sq_vec_null(v, r))
        sq_buf_puts(b, "NULL");
    else
        sq_print_value(b, v, r, tz);
}

static void print_list(struct sq_buf *b, const struct sq_vec *v, uint32_t r, const struct sq_tz *tz)
{
    struct sq_list l = ((const struct sq_list *)v->data)[r];
    bool map = v->type->id != SQ_T_ARRAY;

    sq_buf_putc(b, map ? '{' : '[');
    for (uint32_t i = 0; i < l.len; i++) {
        if (i)
            sq_buf_puts(b, ", ");
        print_inner(b, &v->child[0], l.off + i, tz);
        if (map) {
            sq_buf_putc(b, '=');
            print_inner(b, &v->child[1], l.off + i, tz);
        }
    }
    sq_buf_putc(b, map ? '}' : ']');
}

sq_rc sq_print_value(struct sq_buf *b, const struct sq_vec *v, uint32_t r, const struct sq_tz *tz)
{
    v = sq_vec_at(v, &r);
    if (v->type->id == SQ_T_NULL || (v->valid && !sq_bit(v->valid, r)))
        return b->rc;
    switch (v->type->id) {
    case SQ_T_ARRAY:
    case SQ_T_MAP:
    case SQ_T_MULTISET:
        print_list(b, v, r, tz);
        break;
    case SQ_T_ROW:
        sq_buf_putc(b, '(');
        for (uint32_t i = 0; i < v->nchild; i++) {
            if (i)
                sq_buf_puts(b, ", ");
            print_inner(b, &v->child[i], r, tz);
        }
        sq_buf_putc(b, ')');
        break;
    default:
        print_scalar(b, v, r, tz);
    }
    return b->rc;
}
