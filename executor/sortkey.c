/* SPDX-License-Identifier: Apache-2.0
 *
 * sortkey.c: order-preserving bytes (sortkey.h): a byte that says whether the value is there, then integers with their sign turned and the high byte first, floating point numbers
 * as such integers, strings with 0 as 0 255 and 0 0 at the end. Of a descending key every byte behind the first is inverted.
 */
#include "executor/sortkey.h"

#include <math.h>

bool sq_sortkey_takes(const struct sq_type *t) { return t->nchild == 0; }

static sq_rc put_bytes(struct sq_buf *b, uint64_t high, uint64_t v, uint32_t n)
{
    char p[16];

    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = n - 1 - i;                 /* byte number, the lowest is 0 */
        p[i] = (char)(at < 8 ? v >> (8 * at) : high >> (8 * (at - 8)));
    }
    return sq_buf_add(b, p, n);
}

static sq_rc put_int(struct sq_buf *b, int64_t v) { return put_bytes(b, 0, (uint64_t)v ^ UINT64_C(1) << 63, 8); }

static sq_rc put_double(struct sq_buf *b, double d)
{
    uint64_t u;

    if (isnan(d))
        return put_bytes(b, 0, UINT64_MAX, 8);
    if (d == 0)
        d = 0;                                   /* no -0.0 */
    memcpy(&u, &d, 8);
    return put_bytes(b, 0, u >> 63 ? ~u : u | UINT64_C(1) << 63, 8);
}

static sq_rc put_string(struct sq_buf *b, struct sq_str s)
{
    for (uint32_t i = 0; i < s.n; i++) {
        SQ_TRY(sq_buf_putc(b, s.p[i]));
        if (s.p[i] == 0)
            SQ_TRY(sq_buf_putc(b, (char)0xff));
    }
    return sq_buf_add(b, "\0", 2);
}

static sq_rc put_value(struct sq_buf *b, const struct sq_vec *v, uint32_t r)
{
    const void *d = v->data;

    switch (sq_type_phys(v->type)) {
    case SQ_P_I8: return put_int(b, ((const int8_t *)d)[r]);
    case SQ_P_I16: return put_int(b, ((const int16_t *)d)[r]);
    case SQ_P_I32: return put_int(b, ((const int32_t *)d)[r]);
    case SQ_P_I64: return put_int(b, ((const int64_t *)d)[r]);
    case SQ_P_F32: return put_double(b, (double)((const float *)d)[r]);
    case SQ_P_F64: return put_double(b, ((const double *)d)[r]);
    case SQ_P_I128: {
        sq_i128 x = ((const sq_i128 *)d)[r];
        return put_bytes(b, (uint64_t)(x >> 64) ^ UINT64_C(1) << 63, (uint64_t)x, 16);
    }
    case SQ_P_TS16:
        SQ_TRY(put_int(b, ((const struct sq_ts16 *)d)[r].us));
        return put_bytes(b, 0, (uint64_t)((const struct sq_ts16 *)d)[r].ns, 2);
    case SQ_P_VIEW: return put_string(b, sq_view_str((const struct sq_view *)d + r));
    default: return put_int(b, ((const uint8_t *)d)[r]);         /* BOOLEAN */
    }
}

sq_rc sq_sortkey(struct sq_buf *b, const struct sq_vec *cols, const struct sq_sort_key *keys, uint32_t n, uint32_t r)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = r;
        const struct sq_vec *v = sq_vec_at(&cols[keys[i].col], &at);
        bool null = v->type->id == SQ_T_NULL || (v->valid && !sq_bit(v->valid, at));
        SQ_TRY(sq_buf_putc(b, null ? (keys[i].nulls_first ? 0 : 2) : 1));
        if (null)
            continue;
        size_t from = b->n;
        SQ_TRY(put_value(b, v, at));
        for (size_t k = from; keys[i].desc && k < b->n; k++)
            b->p[k] = (char)~b->p[k];
    }
    return SQ_OK;
}

int sq_sortkey_compare(struct sq_str a, struct sq_str b)
{
    uint32_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;

    return d ? d : (a.n > b.n) - (a.n < b.n);
}
