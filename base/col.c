/* SPDX-License-Identifier: Apache-2.0
 *
 * col.c: building columns and batches.
 *
 * The validity bits of rows that are not there yet are 1, so appending a value touches no bits, and a column without NULLs shows no bitmap.
 */
#include "base/vec.h"

static uint32_t width(const struct sq_col *c)
{
    return sq_phys_size(sq_type_phys(c->vec.type));
}

sq_rc sq_col_init(struct sq_col *c, struct sq_ctx *ctx, struct sq_arena *heap, const struct sq_type *type)
{
    *c = (struct sq_col){.vec = {.type = type, .enc = SQ_FLAT}, .heap = heap, .ctx = ctx};
    if (!type->nchild)
        return SQ_OK;
    c->kid = sq_calloc(ctx, type->nchild * sizeof *c->kid);
    c->vec.child = c->kid ? sq_calloc(ctx, type->nchild * sizeof *c->vec.child) : NULL;
    if (!c->vec.child)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < type->nchild; i++) {
        c->nkid = i + 1;
        SQ_TRY(sq_col_init(&c->kid[i], ctx, heap, type->child[i].type));
    }
    c->vec.nchild = type->nchild;
    sq_col_seal(c);
    return SQ_OK;
}

void sq_col_free(struct sq_col *c)
{
    if (!c->ctx)
        return;
    for (uint32_t i = 0; i < c->nkid; i++)
        sq_col_free(&c->kid[i]);
    sq_free(c->ctx, c->kid);
    sq_free(c->ctx, c->vec.child);
    sq_free(c->ctx, c->vec.data);
    sq_free(c->ctx, c->bits);
    *c = (struct sq_col){0};
}

void sq_col_reset(struct sq_col *c)
{
    sq_col_truncate(c, 0);
    if (c->vec.valid) {
        memset(c->bits, 0xff, (size_t)(c->cap + 63) / 64 * 8);
        c->vec.valid = NULL;
    }
}

sq_rc sq_col_reserve(struct sq_col *c, uint32_t rows)
{
    uint64_t need = (uint64_t)c->n + rows;
    if (need <= c->cap)
        return SQ_OK;
    if (need > UINT32_MAX / 2)
        return sq_fail(c->ctx, SQ_LIMIT, "a column of more than %u elements", UINT32_MAX / 2);
    uint64_t cap = c->cap ? (uint64_t)c->cap * 2 : 64;
    while (cap < need)
        cap *= 2;
    uint32_t w = width(c);
    if (w) {
        void *data = sq_realloc(c->ctx, c->vec.data, cap * w);
        if (!data)
            return SQ_NOMEM;
        c->vec.data = data;
    }
    size_t words = cap / 64, had = c->cap / 64;
    uint64_t *bits = sq_realloc(c->ctx, c->bits, words * 8);
    if (!bits)
        return SQ_NOMEM;
    memset(bits + had, 0xff, (words - had) * 8);
    if (c->vec.valid)
        c->vec.valid = bits;
    c->bits = bits;
    c->cap = (uint32_t)cap;
    return SQ_OK;
}

static void mark_null(struct sq_col *c, uint32_t r)
{
    c->vec.valid = c->bits;
    sq_bit_clear(c->bits, r);
}

sq_rc sq_col_append_null(struct sq_col *c)
{
    SQ_TRY(sq_col_reserve(c, 1));
    enum sq_phys p = sq_type_phys(c->vec.type);
    if (p == SQ_P_STRUCT)
        for (uint32_t i = 0; i < c->nkid; i++)
            SQ_TRY(sq_col_append_null(&c->kid[i]));
    else if (p == SQ_P_LIST)
        ((struct sq_list *)c->vec.data)[c->n] = (struct sq_list){c->kid[0].n, 0};
    else if (p != SQ_P_NULL)
        memset((char *)c->vec.data + (size_t)c->n * width(c), 0, width(c));
    mark_null(c, c->n++);
    return SQ_OK;
}

sq_rc sq_col_append_view(struct sq_col *c, const char *p, uint32_t len)
{
    SQ_TRY(sq_col_reserve(c, 1));
    if (len > SQ_VIEW_INLINE) {
        char *copy = sq_arena_get(c->heap, len, 1);
        if (!copy)
            return SQ_NOMEM;
        memcpy(copy, p, len);
        p = copy;
    }
    ((struct sq_view *)c->vec.data)[c->n++] = sq_view_of(p, len);
    return SQ_OK;
}

sq_rc sq_col_append_fixed(struct sq_col *c, const void *element)
{
    SQ_TRY(sq_col_reserve(c, 1));
    uint32_t w = width(c);
    memcpy((char *)c->vec.data + (size_t)c->n * w, element, w);
    c->n++;
    return SQ_OK;
}

sq_rc sq_col_append_list(struct sq_col *c, uint32_t len)
{
    SQ_TRY(sq_col_reserve(c, 1));
    SQ_ASSERT(c->kid[0].n >= len);
    ((struct sq_list *)c->vec.data)[c->n++] = (struct sq_list){c->kid[0].n - len, len};
    return SQ_OK;
}

sq_rc sq_col_append_struct(struct sq_col *c)
{
    SQ_TRY(sq_col_reserve(c, 1));
    c->n++;
    return SQ_OK;
}

static sq_rc append_list_of(struct sq_col *c, const struct sq_vec *v, uint32_t r)
{
    struct sq_list l = ((const struct sq_list *)v->data)[r];
    for (uint32_t k = 0; k < c->nkid; k++)
        for (uint32_t i = 0; i < l.len; i++)
            SQ_TRY(sq_col_append(&c->kid[k], &v->child[k], l.off + i));
    return sq_col_append_list(c, l.len);
}

sq_rc sq_col_append(struct sq_col *c, const struct sq_vec *v, uint32_t r)
{
    v = sq_vec_at(v, &r);
    if (v->type->id == SQ_T_NULL || (v->valid && !sq_bit(v->valid, r)))
        return sq_col_append_null(c);
    switch (sq_type_phys(c->vec.type)) {
    case SQ_P_VIEW: {
        const struct sq_view *s = (const struct sq_view *)v->data + r;
        return sq_col_append_view(c, sq_view_ptr(s), s->len);
    }
    case SQ_P_LIST:
        return append_list_of(c, v, r);
    case SQ_P_STRUCT:
        for (uint32_t i = 0; i < c->nkid; i++)
            SQ_TRY(sq_col_append(&c->kid[i], &v->child[i], r));
        return sq_col_append_struct(c);
    case SQ_P_NULL:
        return sq_col_append_null(c);
    default:
        return sq_col_append_fixed(c, (const char *)v->data + (size_t)r * width(c));
    }
}

static sq_rc append_views(struct sq_col *c, const struct sq_view *from, const uint32_t *sel, uint32_t n)
{
    SQ_TRY(sq_col_reserve(c, n));
    struct sq_view *to = (struct sq_view *)c->vec.data + c->n;
    for (uint32_t i = 0; i < n; i++) {
        to[i] = from[sel ? sel[i] : i];
        if (to[i].len <= SQ_VIEW_INLINE)
            continue;
        char *copy = sq_arena_get(c->heap, to[i].len, 1);
        if (!copy)
            return SQ_NOMEM;
        memcpy(copy, to[i].u.ptr, to[i].len);
        to[i].u.ptr = copy;
    }
    c->n += n;
    return SQ_OK;
}

sq_rc sq_col_append_many(struct sq_col *c, const struct sq_vec *v, const uint32_t *sel, uint32_t n)
{
    uint32_t w = width(c);
    enum sq_phys p = sq_type_phys(c->vec.type);
    if (v->enc == SQ_FLAT && !v->valid && w && p != SQ_P_VIEW && p != SQ_P_LIST) {   /* fixed width, all present: copy elements */
        SQ_TRY(sq_col_reserve(c, n));
        char *to = (char *)c->vec.data + (size_t)c->n * w;
        if (!sel)
            memcpy(to, v->data, (size_t)n * w);
        else if (w == 8)
            for (uint32_t i = 0; i < n; i++)
                memcpy(to + (size_t)i * 8, (const char *)v->data + (size_t)sel[i] * 8, 8);
        else
            for (uint32_t i = 0; i < n; i++)
                memcpy(to + (size_t)i * w, (const char *)v->data + (size_t)sel[i] * w, w);
        c->n += n;
        return SQ_OK;
    }
    if (v->enc == SQ_FLAT && !v->valid && p == SQ_P_VIEW)
        return append_views(c, v->data, sel, n);
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(sq_col_append(c, v, sel ? sel[i] : i));
    return SQ_OK;
}

void sq_col_set_null(struct sq_col *c, uint32_t r)
{
    SQ_ASSERT(r < c->n);
    mark_null(c, r);
}

/* Elements of the children that rows below n use. Children may hold more than that: of a row that was never finished. */
static uint32_t kids_used(const struct sq_col *c, uint32_t n)
{
    if (sq_type_phys(c->vec.type) == SQ_P_STRUCT)
        return n;
    const struct sq_list *l = c->vec.data;
    return n ? l[n - 1].off + l[n - 1].len : 0;
}

void sq_col_truncate(struct sq_col *c, uint32_t n)
{
    if (n > c->n)
        n = c->n;
    if (c->vec.valid)
        for (uint32_t r = n; r < c->n; r++)
            sq_bit_set(c->bits, r);
    c->n = n;
    for (uint32_t i = 0; i < c->nkid; i++)
        sq_col_truncate(&c->kid[i], kids_used(c, n));
}

void sq_col_seal(struct sq_col *c)
{
    for (uint32_t i = 0; i < c->nkid; i++) {
        sq_col_seal(&c->kid[i]);
        c->vec.child[i] = c->kid[i].vec;
    }
}

/* ---- batches ---- */

sq_rc sq_out_init(struct sq_out *o, struct sq_ctx *ctx, const struct sq_type *const *types, uint32_t ncols)
{
    *o = (struct sq_out){.ctx = ctx};
    sq_arena_init(&o->heap, ctx);
    o->cols = sq_calloc(ctx, (ncols ? ncols : 1) * sizeof *o->cols);
    o->vecs = o->cols ? sq_calloc(ctx, (ncols ? ncols : 1) * sizeof *o->vecs) : NULL;
    if (!o->vecs) {
        sq_out_free(o);
        return SQ_NOMEM;
    }
    for (uint32_t i = 0; i < ncols; i++) {
        o->ncols = i + 1;
        sq_rc rc = sq_col_init(&o->cols[i], ctx, &o->heap, types[i]);
        if (rc != SQ_OK) {
            sq_out_free(o);
            return rc;
        }
    }
    return SQ_OK;
}

void sq_out_free(struct sq_out *o)
{
    if (!o->ctx)
        return;
    for (uint32_t i = 0; i < o->ncols; i++)
        sq_col_free(&o->cols[i]);
    sq_free(o->ctx, o->cols);
    sq_free(o->ctx, o->vecs);
    sq_free(o->ctx, o->kind);
    sq_arena_free(&o->heap);
    *o = (struct sq_out){0};
}

void sq_out_reset(struct sq_out *o)
{
    for (uint32_t i = 0; i < o->ncols; i++)
        sq_col_reset(&o->cols[i]);
    sq_arena_reset(&o->heap);
    o->n = 0;
    o->has_kind = false;
}

static sq_rc reserve_kinds(struct sq_out *o, uint32_t rows)
{
    if (o->n + rows <= o->kind_cap)
        return SQ_OK;
    uint32_t cap = o->kind_cap ? o->kind_cap * 2 : 256;
    while (cap < o->n + rows)
        cap *= 2;
    uint8_t *kind = sq_realloc(o->ctx, o->kind, cap);
    if (!kind)
        return SQ_NOMEM;
    o->kind = kind;
    o->kind_cap = cap;
    return SQ_OK;
}

sq_rc sq_out_row(struct sq_out *o, enum sq_kind kind)
{
#ifndef NDEBUG
    for (uint32_t i = 0; i < o->ncols; i++)
        SQ_ASSERT(o->cols[i].n == o->n + 1);
#endif
    if (kind != SQ_INSERT || o->has_kind) {
        SQ_TRY(reserve_kinds(o, 1));
        if (!o->has_kind)
            memset(o->kind, SQ_INSERT, o->n);
        o->has_kind = true;
        o->kind[o->n] = (uint8_t)kind;
    }
    o->n++;
    return SQ_OK;
}

sq_rc sq_out_rows(struct sq_out *o, uint32_t n)
{
    if (o->has_kind) {
        SQ_TRY(reserve_kinds(o, n));
        memset(o->kind + o->n, SQ_INSERT, n);
    }
    o->n += n;
    return SQ_OK;
}

sq_rc sq_out_append(struct sq_out *o, const struct sq_batch *b, const uint32_t *sel, uint32_t n)
{
    bool kinds = false;
    for (uint32_t i = 0; b->kind && i < n && !kinds; i++)
        kinds = b->kind[sel ? sel[i] : i] != SQ_INSERT;
    if (kinds || o->has_kind) {
        SQ_TRY(reserve_kinds(o, n));
        if (!o->has_kind)
            memset(o->kind, SQ_INSERT, o->n);
        o->has_kind = true;
        for (uint32_t i = 0; i < n; i++)
            o->kind[o->n + i] = sq_row_kind(b, sel ? sel[i] : i);
    }
    for (uint32_t c = 0; c < o->ncols; c++)
        SQ_TRY(sq_col_append_many(&o->cols[c], &b->cols[c], sel, n));
    o->n += n;
    return SQ_OK;
}

void sq_out_rollback(struct sq_out *o)
{
    for (uint32_t i = 0; i < o->ncols; i++)
        sq_col_truncate(&o->cols[i], o->n);
}

const struct sq_batch *sq_out_batch(struct sq_out *o)
{
    for (uint32_t i = 0; i < o->ncols; i++) {
        sq_col_seal(&o->cols[i]);
        o->vecs[i] = o->cols[i].vec;
    }
    o->batch = (struct sq_batch){.rows = o->n, .nsel = o->n, .kind = o->has_kind ? o->kind : NULL, .ncols = o->ncols, .cols = o->vecs};
    return &o->batch;
}
