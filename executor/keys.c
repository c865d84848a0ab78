/* SPDX-License-Identifier: Apache-2.0
 *
 * keys.c: hashing and packing of key columns. Column by column: one tight loop for each physical type, the encoding hoisted out of it.
 */
#include "executor/keys.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static const uint64_t null_hash = UINT64_C(0x9e3779b97f4a7c15);

uint64_t sq_hash_bytes(const void *p, size_t n)
{
    return XXH3_64bits(p, n);
}

sq_rc sq_keys_init(struct sq_keys *k, struct sq_ctx *ctx, const struct sq_type *const *types, const uint32_t *cols, uint32_t n)
{
    memset(k, 0, sizeof *k);
    k->ctx = ctx;
    k->ncols = n;
    sq_buf_init(&k->pack, ctx);
    k->form = n == 0 ? SQ_KEY_EMPTY : SQ_KEY_PACKED;
    if (n == 1) {
        k->phys = sq_type_phys(types[0]);
        if (k->phys == SQ_P_VIEW)
            k->form = SQ_KEY_VIEW;
        else if (sq_phys_size(k->phys) > 0 && sq_phys_size(k->phys) <= 8 && k->phys != SQ_P_LIST)
            k->form = SQ_KEY_FIXED;
    }
    k->cols = sq_calloc(ctx, (n ? n : 1) * sizeof *k->cols);
    k->hash = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *k->hash);
    k->own = sq_calloc(ctx, SQ_BATCH_ROWS * sizeof *k->own);
    k->own_null = sq_alloc(ctx, SQ_BATCH_ROWS);
    k->ends = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *k->ends);
    if (!k->cols || !k->hash || !k->own || !k->own_null || !k->ends)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        k->cols[i] = cols ? cols[i] : i;
    return SQ_OK;
}

void sq_keys_free(struct sq_keys *k)
{
    if (!k->ctx)
        return;
    sq_free(k->ctx, k->cols);
    sq_free(k->ctx, k->hash);
    sq_free(k->ctx, k->own);
    sq_free(k->ctx, k->own_null);
    sq_free(k->ctx, k->ends);
    sq_buf_free(&k->pack);
    memset(k, 0, sizeof *k);
}

/* ---- hashes ---- */

static inline uint64_t f64_bits(double d)
{
    uint64_t u;

    if (d != d)
        return UINT64_C(0x7ff8000000000000);
    d += 0.0;                                   /* -0.0 becomes 0.0 */
    memcpy(&u, &d, sizeof u);
    return u;
}

static inline uint32_t f32_bits(float f)
{
    uint32_t u;

    if (f != f)
        return UINT32_C(0x7fc00000);
    f += 0.0f;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* A short string is 16 bytes that are equal exactly when it is: one wide multiplication. */
static inline uint64_t view_hash(const struct sq_view *v)
{
    uint64_t w[2];

    if (v->len > SQ_VIEW_INLINE)
        return XXH3_64bits(v->u.ptr, v->len);
    memcpy(w, v, 16);
    unsigned __int128 m = (unsigned __int128)(w[0] ^ UINT64_C(0xa0761d6478bd642f)) * (w[1] ^ UINT64_C(0xe7037ed1a0b428db));
    uint64_t h = ((uint64_t)m ^ (uint64_t)(m >> 64)) * UINT64_C(0x9fb21c651e98df25);
    return h ^ h >> 32;
}

static inline uint64_t pair_hash(uint64_t a, uint64_t b)
{
    return sq_hash_mix(sq_hash_mix(a) + UINT64_C(0x9e3779b97f4a7c15) * b);
}

static sq_rc nested_hash(struct sq_keys *k, const struct sq_vec *v, uint32_t e, uint64_t *h)
{
    sq_buf_reset(&k->pack);
    SQ_TRY(sq_row_pack(&k->pack, v, NULL, 1, e));
    *h = XXH3_64bits(k->pack.p, k->pack.n);
    return SQ_OK;
}

/* The hash of one element that is not NULL. */
static inline sq_rc element_hash(struct sq_keys *k, enum sq_phys phys, const struct sq_vec *v, uint32_t e, uint64_t *h)
{
    switch (phys) {
    case SQ_P_BOOL: *h = sq_hash_mix(((const uint8_t *)v->data)[e] != 0); break;
    case SQ_P_I8: *h = sq_hash_mix((uint64_t)((const int8_t *)v->data)[e]); break;
    case SQ_P_I16: *h = sq_hash_mix((uint64_t)((const int16_t *)v->data)[e]); break;
    case SQ_P_I32: *h = sq_hash_mix((uint64_t)((const int32_t *)v->data)[e]); break;
    case SQ_P_I64: *h = sq_hash_mix((uint64_t)((const int64_t *)v->data)[e]); break;
    case SQ_P_F32: *h = sq_hash_mix(f32_bits(((const float *)v->data)[e])); break;
    case SQ_P_F64: *h = sq_hash_mix(f64_bits(((const double *)v->data)[e])); break;
    case SQ_P_I128: {
        unsigned __int128 x = (unsigned __int128)((const sq_i128 *)v->data)[e];
        *h = pair_hash((uint64_t)x, (uint64_t)(x >> 64));
        break;
    }
    case SQ_P_TS16: {
        const struct sq_ts16 *t = (const struct sq_ts16 *)v->data + e;
        *h = pair_hash((uint64_t)t->us, (uint64_t)t->ns);
        break;
    }
    case SQ_P_VIEW: *h = view_hash((const struct sq_view *)v->data + e); break;
    default: return nested_hash(k, v, e, h);
    }
    return SQ_OK;
}

/* Hashes of one column into h. Flat columns of the common types have loops of their own. */
static sq_rc column_hash(struct sq_keys *k, const struct sq_vec *v, const struct sq_batch *b, uint64_t *h)
{
    enum sq_phys phys = sq_type_phys(v->type);
    uint32_t n = b->nsel;

    if (phys == SQ_P_NULL) {
        for (uint32_t i = 0; i < n; i++)
            h[i] = null_hash;
        return SQ_OK;
    }
    if (v->enc == SQ_CONST && n > 0) {
        uint64_t one = null_hash;
        if (!sq_vec_null(v, 0))
            SQ_TRY(element_hash(k, phys, v, 0, &one));
        for (uint32_t i = 0; i < n; i++)
            h[i] = one;
        return SQ_OK;
    }
    if (v->enc == SQ_FLAT && !v->valid && phys == SQ_P_VIEW) {
        const struct sq_view *d = v->data;
        for (uint32_t i = 0; i < n; i++)
            h[i] = view_hash(d + sq_row(b, i));
        return SQ_OK;
    }
    if (v->enc == SQ_FLAT && !v->valid && phys == SQ_P_I64) {
        const int64_t *d = v->data;
        for (uint32_t i = 0; i < n; i++)
            h[i] = sq_hash_mix((uint64_t)d[sq_row(b, i)]);
        return SQ_OK;
    }
    if (v->enc == SQ_FLAT && !v->valid && phys == SQ_P_I32) {
        const int32_t *d = v->data;
        for (uint32_t i = 0; i < n; i++)
            h[i] = sq_hash_mix((uint64_t)d[sq_row(b, i)]);
        return SQ_OK;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t e = sq_row(b, i);
        const struct sq_vec *at = sq_vec_at(v, &e);
        if (at->valid && !sq_bit(at->valid, e))
            h[i] = null_hash;
        else
            SQ_TRY(element_hash(k, phys, at, e, &h[i]));
    }
    return SQ_OK;
}

static sq_rc hash_batch(struct sq_keys *k, const struct sq_batch *b)
{
    uint64_t more[SQ_BATCH_ROWS];

    if (k->ncols == 0) {
        for (uint32_t i = 0; i < b->nsel; i++)
            k->hash[i] = null_hash;
        return SQ_OK;
    }
    SQ_TRY(column_hash(k, &b->cols[k->cols[0]], b, k->hash));
    for (uint32_t c = 1; c < k->ncols; c++) {
        SQ_TRY(column_hash(k, &b->cols[k->cols[c]], b, more));
        for (uint32_t i = 0; i < b->nsel; i++)
            k->hash[i] = pair_hash(k->hash[i], more[i]);
    }
    return SQ_OK;
}

/* ---- keys ---- */

static void load_views(struct sq_keys *k, const struct sq_vec *v, const struct sq_batch *b)
{
    bool nulls = false;

    if (v->enc == SQ_FLAT && !b->sel && !v->valid) {
        k->key = v->data;
        return;
    }
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t e = sq_row(b, i);
        const struct sq_vec *at = sq_vec_at(v, &e);
        bool null = at->valid && !sq_bit(at->valid, e);
        k->own_null[i] = null;
        nulls |= null;
        if (null)
            memset(&k->own[i], 0, sizeof k->own[i]);
        else
            k->own[i] = ((const struct sq_view *)at->data)[e];
    }
    k->null = nulls ? k->own_null : NULL;
}

/* The element as 8 bytes, the same for equal values. */
static inline uint64_t fixed_bits(enum sq_phys phys, const void *data, uint32_t e)
{
    switch (phys) {
    case SQ_P_BOOL: return ((const uint8_t *)data)[e] != 0;
    case SQ_P_I8: return (uint64_t)((const int8_t *)data)[e];
    case SQ_P_I16: return (uint64_t)((const int16_t *)data)[e];
    case SQ_P_I32: return (uint64_t)((const int32_t *)data)[e];
    case SQ_P_F32: return f32_bits(((const float *)data)[e]);
    case SQ_P_F64: return f64_bits(((const double *)data)[e]);
    default: return (uint64_t)((const int64_t *)data)[e];
    }
}

static inline void fixed_view(struct sq_view *v, uint64_t bits)
{
    v->len = 8;
    memcpy((char *)v + 4, &bits, 8);            /* the last four bytes stay zero */
}

static void load_fixed(struct sq_keys *k, const struct sq_vec *v, const struct sq_batch *b)
{
    bool nulls = false;

    for (uint32_t i = 0; i < b->nsel; i++)
        memset(&k->own[i], 0, sizeof k->own[i]);
    if (v->enc == SQ_FLAT && !v->valid) {
        for (uint32_t i = 0; i < b->nsel; i++)
            fixed_view(&k->own[i], fixed_bits(k->phys, v->data, sq_row(b, i)));
        return;
    }
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t e = sq_row(b, i);
        const struct sq_vec *at = sq_vec_at(v, &e);
        bool null = at->valid && !sq_bit(at->valid, e);
        k->own_null[i] = null;
        nulls |= null;
        if (!null)
            fixed_view(&k->own[i], fixed_bits(k->phys, at->data, e));
    }
    k->null = nulls ? k->own_null : NULL;
}

static sq_rc load_packed(struct sq_keys *k, const struct sq_batch *b)
{
    uint32_t start = 0;

    sq_buf_reset(&k->pack);
    for (uint32_t i = 0; i < b->nsel; i++) {
        SQ_TRY(sq_row_pack(&k->pack, b->cols, k->cols, k->ncols, sq_row(b, i)));
        if (k->pack.n > UINT32_MAX)
            return sq_fail(k->ctx, SQ_LIMIT, "the keys of one batch take more than 4 GB");
        k->ends[i] = (uint32_t)k->pack.n;
    }
    for (uint32_t i = 0; i < b->nsel; i++) {
        k->own[i] = sq_view_of(k->pack.p + start, k->ends[i] - start);
        start = k->ends[i];
    }
    return SQ_OK;
}

sq_rc sq_keys_hash(struct sq_keys *k, const struct sq_batch *b)
{
    k->n = b->nsel;
    return hash_batch(k, b);
}

sq_rc sq_keys_load(struct sq_keys *k, const struct sq_batch *b)
{
    k->n = b->nsel;
    k->key = k->own;
    k->null = NULL;
    SQ_TRY(hash_batch(k, b));                   /* first: it may use the pack buffer */
    switch (k->form) {
    case SQ_KEY_VIEW: load_views(k, &b->cols[k->cols[0]], b); return SQ_OK;
    case SQ_KEY_FIXED: load_fixed(k, &b->cols[k->cols[0]], b); return SQ_OK;
    case SQ_KEY_PACKED: return load_packed(k, b);
    default: return SQ_OK;                      /* own is all zero: the empty key */
    }
}

/* Of fixed-width keys, as many as there are in one loop. */
#define PUT_FIXED(T)                                                       \
    for (uint32_t i = 0; i < n; i++) {                                     \
        uint64_t bits;                                                     \
        memcpy(&bits, (const char *)&e[i]->key + 4, 8);                    \
        ((T *)out->vec.data)[out->n + i] = (T)bits;                        \
    }

static void put_fixed(enum sq_phys phys, struct sq_entry *const *e, uint32_t n, struct sq_col *out)
{
    switch (sq_phys_size(phys)) {
    case 1: PUT_FIXED(uint8_t) break;
    case 2: PUT_FIXED(uint16_t) break;
    case 4: PUT_FIXED(uint32_t) break;
    default: PUT_FIXED(uint64_t) break;
    }
}

/* The one column of VIEW and FIXED keys. */
static sq_rc append_single(const struct sq_keys *k, struct sq_entry *const *e, uint32_t n, struct sq_col *out)
{
    uint32_t at = out->n;

    SQ_TRY(sq_col_reserve(out, n));
    if (k->form == SQ_KEY_FIXED)
        put_fixed(k->phys, e, n, out);
    else
        for (uint32_t i = 0; i < n; i++)
            ((struct sq_view *)out->vec.data)[at + i] = e[i]->key;
    out->n += n;
    for (uint32_t i = 0; i < n; i++)
        if (e[i]->flags & SQ_ENTRY_NULL)
            sq_col_set_null(out, at + i);
    return SQ_OK;
}

sq_rc sq_keys_append(const struct sq_keys *k, struct sq_entry *const *e, uint32_t n, struct sq_col *out)
{
    if (k->form == SQ_KEY_EMPTY)
        return SQ_OK;
    if (k->form != SQ_KEY_PACKED)
        return append_single(k, e, n, out);
    for (uint32_t i = 0; i < n; i++) {
        struct sq_str s = sq_view_str(&e[i]->key);
        if (!sq_row_unpack(s.p, s.p + s.n, out, k->ncols))
            return k->ctx->err.rc != SQ_OK ? k->ctx->err.rc : sq_fail(k->ctx, SQ_INTERNAL, "a key in the state is damaged");
    }
    return SQ_OK;
}
