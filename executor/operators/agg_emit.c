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

    sq_arena_init(&a->heap, a->base.ctx);
    a->vecs = sq_calloc(a->base.ctx, (plan->ncols + 1) * 2 * sizeof *a->vecs);
    a->composed = sq_calloc(a->base.ctx, (a->ngroup + 1) * sizeof *a->composed);
    if (!a->vecs || !a->composed)
        return SQ_NOMEM;
    SQ_TRY(new_cols(a, &a->key_cols, plan->cols, a->ngroup));
    SQ_TRY(new_cols(a, &a->old_cols, plan->cols + a->ngroup, a->nitems));
    SQ_TRY(new_cols(a, &a->val_cols, plan->cols + a->ngroup, a->nitems));
    return sq_op_out(a->base.ctx, plan->cols, plan->ncols, &a->out);
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
    for (uint32_t c = 0; a->composed && c < a->ngroup; c++)
        sq_free(a->base.ctx, a->composed[c]);
    sq_free(a->base.ctx, a->composed);
    sq_free(a->base.ctx, a->vecs);
    if (a->out.ctx)
        sq_out_free(&a->out);
    if (a->heap.ctx)
        sq_arena_free(&a->heap);
}

/* ---- results ---- */

sq_rc sq_agg_results(struct aggregate *a, struct sq_entry *const *e, uint32_t n, struct sq_col *cols)
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
        sq_col_seal(&cols[i]);                   /* results may be nested, and are compared */
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
    return sq_agg_results(a, live, n, a->old_cols);
}

/* Every touched group is still there and the consumer takes upserts: one row each, flat. */
static sq_rc emit_flat(struct aggregate *a)
{
    struct sq_batch out = {.rows = a->ntouched, .ncols = a->ngroup + a->nitems, .cols = a->vecs, .kind = a->kind, .sel = a->val_index};
    uint32_t old[SQ_BATCH_ROWS], now[SQ_BATCH_ROWS], nold = 0;
    uint8_t changed[SQ_BATCH_ROWS];

    SQ_TRY(sq_agg_results(a, a->touched, a->ntouched, a->val_cols));
    for (uint32_t t = 0; t < a->ntouched; t++) {
        bool was = a->was_live[t];
        a->kind[t] = was ? SQ_UPDATE_AFTER : SQ_INSERT;
        changed[t] = !was || a->ttl.us;
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

/* The value columns as dictionaries over what was computed. */
static void dict_values(struct aggregate *a)
{
    struct sq_vec *flat = a->vecs + a->ngroup + a->nitems;

    for (uint32_t c = 0; c < a->nitems; c++) {
        uint32_t at = a->ngroup + c;
        sq_col_seal(&a->old_cols[c]);
        flat[at] = a->old_cols[c].vec;
        a->vecs[at] = (struct sq_vec){.type = flat[at].type, .enc = SQ_DICT, .index = a->val_index, .child = &flat[at], .nchild = 1};
    }
}

static sq_rc emit_dict(struct aggregate *a, uint32_t n)
{
    uint32_t ncols = a->ngroup + a->nitems;
    struct sq_vec *flat = a->vecs + ncols;
    struct sq_batch out = {.rows = n, .nsel = n, .ncols = ncols, .cols = a->vecs, .kind = a->kind};

    for (uint32_t c = 0; c < a->ngroup; c++) {
        sq_col_seal(&a->key_cols[c]);
        flat[c] = a->key_cols[c].vec;
        a->vecs[c] = (struct sq_vec){.type = flat[c].type, .enc = SQ_DICT, .index = a->key_index, .child = &flat[c], .nchild = 1};
    }
    dict_values(a);
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
    SQ_TRY(sq_agg_results(a, live, nlive, a->old_cols));
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
        else if (was && is && (a->ttl.us || !same_values(a, a->old_cols, old, a->old_cols, now))) {
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

/* ---- each ----
 *
 * Rows of one group must be applied one after the other, rows of different groups need not: the batch is cut into rounds, the first with the
 * first row of every group, the second with their second rows, and so on. A round is applied at once, and its results are
 * noted; at last the changes are put out in the order of the rows. Keys are not copied: they are those of the input's rows.
 */

struct rounds {
    uint32_t group[SQ_BATCH_ROWS];         /* of each row: its group, as a position in `touched` */
    uint32_t round[SQ_BATCH_ROWS];
    uint8_t step[SQ_BATCH_ROWS];           /* WAS, IS; 0: takes back from nothing, dropped */
    uint32_t value[SQ_BATCH_ROWS];         /* of each row: where its group's new values are */
    uint32_t last[SQ_BATCH_ROWS];          /* of each group: where its latest values are */
    uint32_t order[SQ_BATCH_ROWS], starts[SQ_BATCH_ROWS + 1];
    uint32_t nrounds;
};
enum { WAS = 1, IS = 2 };

static void each_plan(struct aggregate *a, const struct sq_batch *in, struct rounds *x)
{
    uint32_t seen[SQ_BATCH_ROWS];

    a->ntouched = x->nrounds = 0;
    for (uint32_t i = 0; i < in->nsel; i++) {
        struct sq_entry *e = a->entry[i];
        struct group *g = group_of(e);
        bool add = sq_kind_adds(sq_row_kind(in, sq_row(in, i)));
        uint32_t t = e->mark;
        if (t >= a->ntouched || a->touched[t] != e) {
            t = e->mark = a->ntouched++;
            a->touched[t] = e;
            a->was_live[t] = g->rows > 0;
            seen[t] = 0;
        }
        x->group[i] = t;
        x->step[i] = 0;
        x->round[i] = UINT32_MAX;
        if (!add && g->rows == 0)
            continue;
        if (!g->serial)
            g->serial = ++a->serial;
        x->step[i] = g->rows > 0 ? WAS : 0;
        g->rows += add ? 1 : -1;
        x->step[i] |= g->rows > 0 ? IS : 0;
        x->round[i] = seen[t]++;
        x->nrounds = x->round[i] >= x->nrounds ? x->round[i] + 1 : x->nrounds;
    }
}

/* Positions of the rows by round. */
static void each_order(const struct sq_batch *in, struct rounds *x)
{
    uint32_t at[SQ_BATCH_ROWS + 1];

    memset(x->starts, 0, (x->nrounds + 1) * sizeof *x->starts);
    for (uint32_t i = 0; i < in->nsel; i++)
        if (x->step[i])
            x->starts[x->round[i] + 1]++;
    for (uint32_t r = 0; r < x->nrounds; r++)
        x->starts[r + 1] += x->starts[r];
    memcpy(at, x->starts, (x->nrounds + 1) * sizeof *at);
    for (uint32_t i = 0; i < in->nsel; i++)
        if (x->step[i])
            x->order[at[x->round[i]]++] = i;
}

static sq_rc each_round(struct aggregate *a, const struct sq_batch *in, struct rounds *x, uint32_t r, uint32_t *nvalues)
{
    const uint32_t *pos = x->order + x->starts[r];
    uint32_t n = x->starts[r + 1] - x->starts[r], live = 0;
    struct sq_entry *e[SQ_BATCH_ROWS];

    for (uint32_t k = 0; k < n; k++) {
        e[k] = a->entry[pos[k]];
        a->row[k] = sq_row(in, pos[k]);
    }
    SQ_TRY(sq_agg_apply(a, in, (struct agg_rows){a->row, pos, e, n}));
    for (uint32_t k = 0; k < n; k++) {
        if (x->step[pos[k]] & IS) {
            x->value[pos[k]] = (*nvalues)++;
            e[live++] = e[k];
        } else {
            sq_agg_clear(a, e[k]);               /* the next row of this group begins anew */
        }
    }
    return sq_agg_results(a, e, live, a->old_cols);
}

/* The key columns as those of the input's rows, the others over the values. */
static sq_rc each_flush(struct aggregate *a, const struct sq_batch *in, uint32_t n)
{
    uint32_t ncols = a->ngroup + a->nitems;
    struct sq_vec *flat = a->vecs + ncols;
    struct sq_batch out = {.rows = n, .nsel = n, .ncols = ncols, .cols = a->vecs, .kind = a->kind};

    for (uint32_t c = 0; c < a->ngroup; c++) {
        const struct sq_vec *v = &in->cols[a->base.plan->u.agg.group[c]];
        const uint32_t *index = a->key_index;
        if (v->enc == SQ_CONST) {
            a->vecs[c] = *v;
            continue;
        }
        if (v->enc == SQ_DICT) {
            if (!a->composed[c])
                a->composed[c] = sq_alloc(a->base.ctx, SQ_BATCH_ROWS * sizeof(uint32_t));
            if (!a->composed[c])
                return SQ_NOMEM;
            for (uint32_t k = 0; k < n; k++)
                a->composed[c][k] = v->index[a->key_index[k]];
            index = a->composed[c];
            v = v->child;
        }
        flat[c] = *v;
        a->vecs[c] = (struct sq_vec){.type = v->type, .enc = SQ_DICT, .index = index, .child = &flat[c], .nchild = 1};
    }
    dict_values(a);
    return sq_emit_batch(&a->base, &out);
}

static sq_rc each_out(struct aggregate *a, const struct sq_batch *in, struct rounds *x)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i), *last = &x->last[x->group[i]], now = x->value[i];
        if (n + 2 > SQ_BATCH_ROWS) {
            SQ_TRY(each_flush(a, in, n));
            n = 0;
        }
        if (x->step[i] == WAS)
            put(a, &n, r, *last, SQ_DELETE);
        else if (x->step[i] == IS)
            put(a, &n, r, now, SQ_INSERT);
        else if (x->step[i] && (a->ttl.us || !same_values(a, a->old_cols, *last, a->old_cols, now))) {
            if (!a->upsert)
                put(a, &n, r, *last, SQ_UPDATE_BEFORE);
            put(a, &n, r, now, SQ_UPDATE_AFTER);
        }
        *last = now;
    }
    return each_flush(a, in, n);
}

static void each_count(struct aggregate *a, const struct sq_batch *in, const struct rounds *x)
{
    uint32_t n = x->starts[x->nrounds];

    sq_op_accept(&a->base, 0, n);
    a->base.ins[0].filtered += in->nsel - n;     /* takes back a row that never came */
}

sq_rc sq_agg_each(struct aggregate *a, const struct sq_batch *in)
{
    struct rounds x;
    uint32_t nvalues = 0;

    each_plan(a, in, &x);
    each_order(in, &x);
    each_count(a, in, &x);
    SQ_TRY(sq_agg_net_before(a));
    for (uint32_t t = 0; t < a->ntouched; t++)
        x.last[t] = a->was_live[t] ? nvalues++ : 0;
    for (uint32_t r = 0; r < x.nrounds; r++)
        SQ_TRY(each_round(a, in, &x, r, &nvalues));
    SQ_TRY(each_out(a, in, &x));
    for (uint32_t t = 0; a->retracts && t < a->ntouched; t++)
        if (group_of(a->touched[t])->rows == 0)
            sq_agg_remove(a, a->touched[t]);
    return SQ_OK;
}

/* ---- final ---- */

static sq_rc final_rows(struct aggregate *a, struct sq_entry *const *e, uint32_t n)
{
    SQ_TRY(sq_check_interrupt(a->base.ctx));
    sq_out_reset(&a->out);
    SQ_TRY(sq_keys_append(&a->keys, e, n, a->out.cols));
    SQ_TRY(sq_agg_results(a, e, n, a->out.cols + a->ngroup));
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
