/* SPDX-License-Identifier: Apache-2.0
 *
 * agg_emit.c: the changelog of a GROUP BY.
 *
 *   each   row by row as Flink's GroupAggFunction: +I for a group's first row; then -U with the old and +U with the new values, nothing
 *          when they are equal; -D when its last row is taken back.
 *   net    the same, but between the state before and after a batch, once for each group that it touched.
 *   final  one +I per group at the end of input.
 *
 * Where the consumer takes upserts, -U is left out. Net changes are columns over what was computed, old and new values one after the other:
 * flat where every touched group gives at most one row, else dictionaries.
 */
#include "executor/operators/aggregate.h"

/* ---- opening ---- */

static sq_rc new_cols(struct aggregate *a, struct sq_col **out, const struct sq_field *f, uint32_t n)
{
    *out = sq_calloc(a->base.ctx, (n + 1) * sizeof **out);
    if (!*out)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(sq_col_init(&(*out)[i], a->base.ctx, &a->heap, f[i].type));
    return SQ_OK;
}

sq_rc sq_agg_emit_open(struct aggregate *a)
{
    const struct sq_plan *plan = a->base.plan;
    const struct sq_type **types;
    sq_rc rc;

    sq_arena_init(&a->heap, a->base.ctx);
    a->vecs = sq_calloc(a->base.ctx, (plan->ncols + 1) * 2 * sizeof *a->vecs);
    if (!a->vecs)
        return SQ_NOMEM;
    SQ_TRY(new_cols(a, &a->key_cols, plan->cols, a->ngroup));
    SQ_TRY(new_cols(a, &a->old_cols, plan->cols + a->ngroup, a->nitems));
    SQ_TRY(new_cols(a, &a->val_cols, plan->cols + a->ngroup, a->nitems));
    SQ_TRY(sq_op_types(a->base.ctx, plan->cols, plan->ncols, &types));
    rc = sq_out_init(&a->out, a->base.ctx, types, plan->ncols);
    sq_free(a->base.ctx, types);
    return rc;
}

static void free_cols(struct aggregate *a, struct sq_col *cols, uint32_t n)
{
    for (uint32_t i = 0; cols && i < n; i++)
        sq_col_free(&cols[i]);
    sq_free(a->base.ctx, cols);
}

void sq_agg_emit_close(struct aggregate *a)
{
    free_cols(a, a->key_cols, a->ngroup);
    free_cols(a, a->old_cols, a->nitems);
    free_cols(a, a->val_cols, a->nitems);
    sq_free(a->base.ctx, a->vecs);
    if (a->out.ctx)
        sq_out_free(&a->out);
    if (a->heap.ctx)
        sq_arena_free(&a->heap);
}

/* ---- results ---- */

static sq_rc append_results(struct aggregate *a, struct sq_entry *const *e, uint32_t n, struct sq_col *cols)
{
    void *acc[SQ_BATCH_ROWS];

    for (uint32_t i = 0; i < a->nitems; i++) {
        struct agg_item *m = &a->items[i];
        for (uint32_t k = 0; k < n; k++)
            acc[k] = (char *)e[k] + m->offset;
        if (m->call.agg->results) {
            SQ_TRY(m->call.agg->results(&m->call, acc, n, &cols[i]));
            continue;
        }
        for (uint32_t k = 0; k < n; k++)
            SQ_TRY(m->call.agg->result(&m->call, acc[k], &cols[i]));
    }
    return SQ_OK;
}

static bool same_value(const struct sq_col *x, uint32_t i, const struct sq_col *y, uint32_t j)
{
    bool nx = sq_vec_null(&x->vec, i), ny = sq_vec_null(&y->vec, j);
    const uint64_t *a = x->vec.data, *b = y->vec.data;

    if (nx || ny)
        return nx == ny;
    switch (sq_type_phys(x->vec.type)) {
    case SQ_P_I64: case SQ_P_F64: return a[i] == b[j];
    case SQ_P_VIEW: return sq_view_eq((const struct sq_view *)x->vec.data + i, (const struct sq_view *)y->vec.data + j);
    default: return sq_vec_compare(&x->vec, i, &y->vec, j) == 0;
    }
}

static bool same_values(const struct aggregate *a, const struct sq_col *x, uint32_t i, const struct sq_col *y, uint32_t j)
{
    for (uint32_t c = 0; c < a->nitems; c++)
        if (!same_value(&x[c], i, &y[c], j))
            return false;
    return true;
}

/* Column by column: changed[t] where value i[t] of x and j[t] of y differ. */
static void mark_changed(const struct sq_col *x, const uint32_t *i, const struct sq_col *y, const uint32_t *j, uint32_t n, uint8_t *changed)
{
    enum sq_phys phys = sq_type_phys(x->vec.type);
    const uint64_t *a = x->vec.data, *b = y->vec.data;

    if ((phys == SQ_P_I64 || phys == SQ_P_F64) && !x->vec.valid && !y->vec.valid) {
        for (uint32_t t = 0; t < n; t++)
            changed[t] |= a[i[t]] != b[j[t]];
        return;
    }
    for (uint32_t t = 0; t < n; t++)
        if (!changed[t])
            changed[t] = !same_value(x, i[t], y, j[t]);
}

/* ---- net ---- */

static void reset_cols(struct aggregate *a)
{
    for (uint32_t i = 0; i < a->ngroup; i++)
        sq_col_reset(&a->key_cols[i]);
    for (uint32_t i = 0; i < a->nitems; i++) {
        sq_col_reset(&a->old_cols[i]);
        sq_col_reset(&a->val_cols[i]);
    }
    sq_arena_reset(&a->heap);
}

sq_rc sq_agg_net_before(struct aggregate *a)
{
    struct sq_entry *live[SQ_BATCH_ROWS];
    uint32_t n = 0;

    reset_cols(a);
    for (uint32_t t = 0; t < a->ntouched; t++)
        if (a->was_live[t])
            live[n++] = a->touched[t];
    return append_results(a, live, n, a->old_cols);
}

/* Every touched group is still there and the consumer takes upserts: one row each, flat. */
static sq_rc emit_flat(struct aggregate *a)
{
    struct sq_batch out = {.rows = a->ntouched, .ncols = a->ngroup + a->nitems, .cols = a->vecs, .kind = a->kind, .sel = a->val_index};
    uint32_t old[SQ_BATCH_ROWS], now[SQ_BATCH_ROWS], nold = 0;
    uint8_t changed[SQ_BATCH_ROWS];

    SQ_TRY(append_results(a, a->touched, a->ntouched, a->val_cols));
    for (uint32_t t = 0; t < a->ntouched; t++) {
        bool was = a->was_live[t];
        a->kind[t] = was ? SQ_UPDATE_AFTER : SQ_INSERT;
        changed[t] = !was;
        old[t] = was ? nold : 0;                 /* of a new group: any, it is not compared */
        now[t] = t;
        nold += was;
    }
    for (uint32_t c = 0; c < a->nitems && nold > 0; c++)
        mark_changed(&a->old_cols[c], old, &a->val_cols[c], now, a->ntouched, changed);
    for (uint32_t t = 0; t < a->ntouched; t++) {
        a->val_index[out.nsel] = t;
        out.nsel += changed[t];
    }
    for (uint32_t c = 0; c < a->ngroup; c++) {
        sq_col_seal(&a->key_cols[c]);
        a->vecs[c] = a->key_cols[c].vec;
    }
    for (uint32_t c = 0; c < a->nitems; c++) {
        sq_col_seal(&a->val_cols[c]);
        a->vecs[a->ngroup + c] = a->val_cols[c].vec;
    }
    if (nold == 0)
        out.kind = NULL;
    if (out.nsel == out.rows)
        out.sel = NULL;
    return sq_emit_batch(&a->base, &out);
}

static sq_rc emit_dict(struct aggregate *a, uint32_t n)
{
    uint32_t ncols = a->ngroup + a->nitems;
    struct sq_vec *flat = a->vecs + ncols;
    struct sq_batch out = {.rows = n, .nsel = n, .ncols = ncols, .cols = a->vecs, .kind = a->kind};

    for (uint32_t c = 0; c < ncols; c++) {
        struct sq_col *col = c < a->ngroup ? &a->key_cols[c] : &a->old_cols[c - a->ngroup];
        sq_col_seal(col);
        flat[c] = col->vec;
        a->vecs[c] = (struct sq_vec){.type = col->vec.type, .enc = SQ_DICT, .index = c < a->ngroup ? a->key_index : a->val_index,
                                     .child = &flat[c], .nchild = 1};
    }
    return sq_emit_batch(&a->base, &out);
}

static inline void put(struct aggregate *a, uint32_t *n, uint32_t t, uint32_t val, enum sq_kind kind)
{
    a->key_index[*n] = t;
    a->val_index[*n] = val;
    a->kind[(*n)++] = (uint8_t)kind;
}

/* Old and new values in one set of columns, new ones behind the old. */
static sq_rc emit_changes(struct aggregate *a)
{
    struct sq_entry *live[SQ_BATCH_ROWS];
    uint32_t n = 0, nlive = 0, old = 0, now = 0;

    for (uint32_t t = 0; t < a->ntouched; t++) {
        if (group_of(a->touched[t])->rows > 0)
            live[nlive++] = a->touched[t];
        now += a->was_live[t];
    }
    SQ_TRY(append_results(a, live, nlive, a->old_cols));
    for (uint32_t t = 0; t < a->ntouched; t++) {
        bool was = a->was_live[t], is = group_of(a->touched[t])->rows > 0;
        if (n + 2 > SQ_BATCH_ROWS) {
            SQ_TRY(emit_dict(a, n));
            n = 0;
        }
        if (was && !is)
            put(a, &n, t, old, SQ_DELETE);
        else if (!was && is)
            put(a, &n, t, now, SQ_INSERT);
        else if (was && !same_values(a, a->old_cols, old, a->old_cols, now)) {
            if (!a->upsert)
                put(a, &n, t, old, SQ_UPDATE_BEFORE);
            put(a, &n, t, now, SQ_UPDATE_AFTER);
        }
        old += was;
        now += is;
    }
    return emit_dict(a, n);
}

sq_rc sq_agg_net_after(struct aggregate *a)
{
    bool gone = false;

    for (uint32_t t = 0; a->retracts && t < a->ntouched; t++)
        gone |= group_of(a->touched[t])->rows == 0;
    SQ_TRY(sq_keys_append(&a->keys, a->touched, a->ntouched, a->key_cols));
    SQ_TRY(a->upsert && !gone ? emit_flat(a) : emit_changes(a));
    for (uint32_t t = 0; gone && t < a->ntouched; t++)
        if (group_of(a->touched[t])->rows == 0)
            sq_agg_remove(a, a->touched[t]);
    return SQ_OK;
}

/* ---- each ---- */

static sq_rc out_row(struct aggregate *a, struct sq_entry *e, enum sq_kind kind)
{
    SQ_TRY(sq_keys_append(&a->keys, &e, 1, a->out.cols));
    SQ_TRY(append_results(a, &e, 1, a->out.cols + a->ngroup));
    return sq_out_row(&a->out, kind);
}

static void forget(struct aggregate *a, uint32_t rows)
{
    a->out.n -= rows;
    for (uint32_t c = 0; c < a->out.ncols; c++)
        sq_col_truncate(&a->out.cols[c], a->out.n);
}

static sq_rc out_flush(struct aggregate *a)
{
    struct sq_batch b = *sq_out_batch(&a->out);

    if (a->upsert && b.kind) {
        uint32_t n = 0;
        for (uint32_t r = 0; r < b.rows; r++) {
            a->val_index[n] = r;
            n += b.kind[r] != SQ_UPDATE_BEFORE;
        }
        b.sel = a->val_index;
        b.nsel = n;
    }
    SQ_TRY(sq_emit_batch(&a->base, &b));
    sq_out_reset(&a->out);
    return SQ_OK;
}

static sq_rc each_row(struct aggregate *a, const struct sq_batch *in, uint32_t pos)
{
    struct sq_entry *e = a->entry[pos];
    struct group *g = group_of(e);
    uint32_t r = sq_row(in, pos);
    bool add = sq_kind_adds(sq_row_kind(in, r)), was = g->rows > 0;

    if (!add && !was) {
        a->base.ins[0].filtered++;               /* takes back a row that never came; its group is left to the clean-up */
        return SQ_OK;
    }
    sq_op_accept(&a->base, 0, 1);
    if (!g->serial)
        g->serial = ++a->serial;
    if (was)
        SQ_TRY(out_row(a, e, SQ_UPDATE_BEFORE));
    g->rows += add ? 1 : -1;
    SQ_TRY(sq_agg_apply(a, in, (struct agg_rows){&r, &pos, &e, 1}));
    if (g->rows == 0) {
        a->out.kind[a->out.n - 1] = SQ_DELETE;
        sq_agg_clear(a, e);                      /* the next row of this group begins anew */
        return SQ_OK;
    }
    SQ_TRY(out_row(a, e, was ? SQ_UPDATE_AFTER : SQ_INSERT));
    if (was && same_values(a, a->out.cols + a->ngroup, a->out.n - 2, a->out.cols + a->ngroup, a->out.n - 1))
        forget(a, 2);
    return SQ_OK;
}

sq_rc sq_agg_each(struct aggregate *a, const struct sq_batch *in)
{
    for (uint32_t i = 0; i < in->nsel; i++) {
        SQ_TRY(each_row(a, in, i));
        if (a->out.n + 2 > SQ_BATCH_ROWS)
            SQ_TRY(out_flush(a));
    }
    SQ_TRY(out_flush(a));
    for (uint32_t i = 0; a->retracts && i < in->nsel; i++)
        if (a->entry[i]->flags & SQ_ENTRY_LIVE && group_of(a->entry[i])->rows == 0)
            sq_agg_remove(a, a->entry[i]);
    return SQ_OK;
}

/* ---- final ---- */

static sq_rc final_rows(struct aggregate *a, struct sq_entry *const *e, uint32_t n)
{
    sq_out_reset(&a->out);
    SQ_TRY(sq_keys_append(&a->keys, e, n, a->out.cols));
    SQ_TRY(append_results(a, e, n, a->out.cols + a->ngroup));
    SQ_TRY(sq_out_rows(&a->out, n));
    return sq_emit_batch(&a->base, sq_out_batch(&a->out));
}

/* GROUP BY nothing gives a row even for no rows. */
static sq_rc final_empty(struct aggregate *a)
{
    struct sq_entry *e = sq_calloc(a->base.ctx, a->groups.stride);
    sq_rc rc = e ? final_rows(a, &e, 1) : SQ_NOMEM;

    sq_free(a->base.ctx, e);
    return rc;
}

sq_rc sq_agg_final(struct aggregate *a)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;
    uint64_t rows = 0;
    uint32_t n = 0;

    while ((e = sq_hashtab_next(&a->groups, &it))) {
        if (group_of(e)->rows <= 0)
            continue;
        a->entry[n++] = e;
        rows++;
        if (n == SQ_BATCH_ROWS) {
            SQ_TRY(final_rows(a, a->entry, n));
            n = 0;
        }
    }
    if (n > 0)
        SQ_TRY(final_rows(a, a->entry, n));
    return rows == 0 && a->base.plan->u.agg.global ? final_empty(a) : SQ_OK;
}
