/* SPDX-License-Identifier: Apache-2.0
 *
 * row.c: packing rows to bytes and back. The layout stands in row.h.
 */
#include "base/row.h"

static void pack_element(struct sq_buf *b, const struct sq_vec *v, uint32_t r);

static void pack_list(struct sq_buf *b, const struct sq_vec *v, uint32_t r)
{
    struct sq_list l = ((const struct sq_list *)v->data)[r];
    sq_buf_u32(b, l.len);
    for (uint32_t i = 0; i < l.len; i++)
        sq_row_pack(b, v->child, NULL, v->nchild, l.off + i);
}

/* v is flat or constant with r already at its element, and the element is present. */
static void pack_element(struct sq_buf *b, const struct sq_vec *v, uint32_t r)
{
    enum sq_phys p = sq_type_phys(v->type);
    switch (p) {
    case SQ_P_VIEW: {
        const struct sq_view *s = (const struct sq_view *)v->data + r;
        if (sq_buf_reserve(b, (size_t)s->len + 4) != SQ_OK)
            return;
        sq_buf_u32(b, s->len);
        sq_buf_add(b, sq_view_ptr(s), s->len);
        return;
    }
    case SQ_P_F32: {
        float f = ((const float *)v->data)[r];
        f = f != f ? __builtin_nanf("") : f == 0 ? 0.0f : f;
        sq_buf_add(b, &f, sizeof f);
        return;
    }
    case SQ_P_F64: {
        double d = ((const double *)v->data)[r];
        d = d != d ? __builtin_nan("") : d == 0 ? 0.0 : d;
        sq_buf_add(b, &d, sizeof d);
        return;
    }
    case SQ_P_TS16:
        sq_buf_add(b, (const struct sq_ts16 *)v->data + r, 12);
        return;
    case SQ_P_LIST:
        pack_list(b, v, r);
        return;
    case SQ_P_STRUCT:
        sq_row_pack(b, v->child, NULL, v->nchild, r);
        return;
    default: {
        uint32_t w = sq_phys_size(p);
        sq_buf_add(b, (const char *)v->data + (size_t)r * w, w);
    }
    }
}

sq_rc sq_row_pack(struct sq_buf *b, const struct sq_vec *cols, const uint32_t *which, uint32_t n, uint32_t r)
{
    uint32_t nbytes = (n + 7) / 8;
    SQ_TRY(sq_buf_reserve(b, nbytes + (size_t)n * 16));
    size_t head = b->n;
    memset(b->p + head, 0, nbytes);
    b->n += nbytes;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = r;
        const struct sq_vec *v = sq_vec_at(&cols[which ? which[i] : i], &at);
        if (v->type->id == SQ_T_NULL || (v->valid && !sq_bit(v->valid, at)))
            b->p[head + i / 8] = (char)(b->p[head + i / 8] | 1 << i % 8);
        else
            pack_element(b, v, at);
    }
    if (b->rc == SQ_OK)
        b->p[b->n] = 0;
    return b->rc;
}

static const char *damaged(struct sq_col *c)
{
    sq_fail(c->ctx, SQ_DATA, "a packed row is damaged");
    return NULL;
}

static const char *unpack_element(const char *p, const char *end, struct sq_col *c);

static const char *unpack_list(const char *p, const char *end, struct sq_col *c)
{
    uint32_t len;
    if (end - p < 4)
        return damaged(c);
    memcpy(&len, p, 4);
    p += 4;
    for (uint32_t i = 0; i < len; i++)
        if (!(p = sq_row_unpack(p, end, c->kid, c->nkid)))
            return NULL;
    return sq_col_append_list(c, len) == SQ_OK ? p : NULL;
}

static const char *unpack_element(const char *p, const char *end, struct sq_col *c)
{
    enum sq_phys phys = sq_type_phys(c->vec.type);
    uint32_t n;
    switch (phys) {
    case SQ_P_VIEW:
        if (end - p < 4)
            return damaged(c);
        memcpy(&n, p, 4);
        if ((size_t)(end - p - 4) < n)
            return damaged(c);
        return sq_col_append_view(c, p + 4, n) == SQ_OK ? p + 4 + n : NULL;
    case SQ_P_TS16: {
        struct sq_ts16 t = {0};
        if (end - p < 12)
            return damaged(c);
        memcpy(&t, p, 12);
        return sq_col_append_fixed(c, &t) == SQ_OK ? p + 12 : NULL;
    }
    case SQ_P_LIST:
        return unpack_list(p, end, c);
    case SQ_P_STRUCT:
        p = sq_row_unpack(p, end, c->kid, c->nkid);
        return p && sq_col_append_struct(c) == SQ_OK ? p : NULL;
    default:
        n = sq_phys_size(phys);
        if ((size_t)(end - p) < n)
            return damaged(c);
        return sq_col_append_fixed(c, p) == SQ_OK ? p + n : NULL;
    }
}

const char *sq_row_unpack(const char *row, const char *end, struct sq_col *out, uint32_t n)
{
    uint32_t nbytes = (n + 7) / 8;
    if (n && (size_t)(end - row) < nbytes)
        return damaged(out);
    const char *p = row + nbytes;
    for (uint32_t i = 0; i < n; i++) {
        if (row[i / 8] >> i % 8 & 1) {
            if (sq_col_append_null(&out[i]) != SQ_OK)
                return NULL;
        } else if (!(p = unpack_element(p, end, &out[i]))) {
            return NULL;
        }
    }
    return p;
}

bool sq_row_has_null(const char *row, uint32_t n)
{
    for (uint32_t i = 0; i < (n + 7) / 8; i++)
        if (row[i])
            return true;
    return false;
}
