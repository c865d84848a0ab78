/* SPDX-License-Identifier: Apache-2.0
 *
 * cast_nested.c: CAST of ARRAY, MAP, MULTISET and ROW, part by part: the vectors of the parts are cast as whole vectors by the kernels of their types, for
 * those elements alone that belong to the rows that are asked for; what is in other rows never fails. The result is then copied row by row.
 */
#include "functions/kernel.h"

sq_kernel sq_cast_parts;

sq_kernel *sq_cast_nested(const struct sq_type *from, const struct sq_type *to)
{
    if (from->id != to->id || from->nchild != to->nchild)
        return NULL;
    for (uint32_t i = 0; i < from->nchild; i++)
        if (!sq_type_equal(from->child[i].type, to->child[i].type, false) && !sq_cast_kernel(from->child[i].type, to->child[i].type))
            return NULL;
    return sq_cast_parts;
}

static sq_rc cast_part(struct sq_call *, const struct sq_vec *, struct sq_rows, const struct sq_type *, struct sq_vec *);

/* The rows that are not NULL. */
static sq_rc present(struct sq_call *call, const struct sq_vec *v, struct sq_rows rows, struct sq_rows *out)
{
    uint32_t *sel = sq_arena_get(call->heap, (rows.n + 1) * sizeof *sel, 16), n = 0;

    if (!sel)
        return call->ctx->err.rc;
    SQ_EACH_ROW(rows, i, r)
        if (!sq_arg_null(v, r))
            sel[n++] = r;
    *out = (struct sq_rows){sel, n};
    return SQ_OK;
}

/* The elements of the rows' lists. */
static sq_rc elements(struct sq_call *call, const struct sq_vec *v, struct sq_rows rows, struct sq_rows *out)
{
    uint64_t total = 0;
    uint32_t *sel, n = 0;

    SQ_EACH_ROW(rows, i, r)
        total += ((const struct sq_list *)v->data)[r].len;
    sel = total < UINT32_MAX ? sq_arena_get(call->heap, (total + 1) * sizeof *sel, 16) : NULL;
    if (!sel)
        return sq_fail(call->ctx, SQ_LIMIT, "no memory for %llu elements", (unsigned long long)total);
    SQ_EACH_ROW(rows, i, r) {
        struct sq_list l = ((const struct sq_list *)v->data)[r];
        for (uint32_t e = l.off; e < l.off + l.len; e++)
            sel[n++] = e;
    }
    *out = (struct sq_rows){sel, n};
    return SQ_OK;
}

static sq_rc cast_children(struct sq_call *call, const struct sq_vec *v, struct sq_rows rows, const struct sq_type *to, struct sq_vec *out)
{
    struct sq_rows inner = rows;

    *out = *v;
    out->type = to;
    out->child = SQ_NEW_ARRAY(call->heap, struct sq_vec, v->nchild + 1);
    if (!out->child)
        return call->ctx->err.rc;
    if (v->type->id != SQ_T_ROW)
        SQ_TRY(elements(call, v, rows, &inner));
    for (uint32_t i = 0; i < v->nchild; i++)
        SQ_TRY(cast_part(call, &v->child[i], inner, to->child[i].type, &out->child[i]));
    return SQ_OK;
}

/* A scalar part, through its own kernel. */
static sq_rc cast_scalars(struct sq_call *call, const struct sq_vec *v, struct sq_rows rows, const struct sq_type *to, struct sq_vec *out)
{
    struct sq_call inner = *call;
    uint32_t most = 0;
    sq_kernel *kernel = sq_cast_kernel(v->type, to);

    SQ_EACH_ROW(rows, i, r)
        most = r >= most ? r + 1 : most;
    size_t words = most / 64 + 1;
    *out = (struct sq_vec){.type = to, .enc = SQ_FLAT};
    out->data = sq_arena_zero(call->heap, (size_t)most * sq_phys_size(sq_type_phys(to)) + 16);
    out->valid = sq_arena_zero(call->heap, words * sizeof(uint64_t));
    if (!out->data || !out->valid || !kernel)
        return call->ctx->err.rc ? call->ctx->err.rc : SQ_INTERNAL;
    SQ_EACH_ROW(rows, i, r)
        sq_bit_set(out->valid, r);
    inner.ret = to;
    return rows.n ? kernel(&inner, v, 1, rows, out) : SQ_OK;
}

static sq_rc cast_part(struct sq_call *call, const struct sq_vec *v, struct sq_rows rows, const struct sq_type *to, struct sq_vec *out)
{
    if (sq_type_equal(v->type, to, false)) {
        *out = *v;
        return SQ_OK;
    }
    SQ_TRY(present(call, v, rows, &rows));
    return to->nchild && v->type->nchild ? cast_children(call, v, rows, to, out) : cast_scalars(call, v, rows, to, out);
}

sq_rc sq_cast_parts(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    struct sq_vec flat = args[0], cast;
    bool constant = flat.enc == SQ_CONST;

    (void)nargs, (void)out;
    flat.enc = SQ_FLAT;
    SQ_TRY(cast_children(call, &flat, constant ? (struct sq_rows){NULL, 1} : rows, call->ret, &cast));
    SQ_EACH_ROW(rows, i, r)
        SQ_TRY(sq_col_append(call->builder, &cast, constant ? 0 : r));
    return SQ_OK;
}
