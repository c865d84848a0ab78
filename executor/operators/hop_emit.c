/* SPDX-License-Identifier: Apache-2.0
 *
 * hop_emit.c: the rows of a HOP window.
 *
 * Most keys have the same result in a window as in the one before. So where the columns allow it (values of fixed width, keys of fixed width or strings) the result stands as columns from
 * window to window: only keys that were touched are computed anew and put in their places, and the columns go out as they are, with the window's bounds as constants.
 * A key without rows gives its place to the last one. Other columns are made anew for every window.
 */
#include "executor/operators/hop.h"

#include <stddef.h>

enum { SCRATCH = 256 /* results that are computed at once */, AHEAD = 8 };

/* ---- opening ---- */

static bool movable(const struct sq_type *t, bool key)
{
    enum sq_phys p = sq_type_phys(t);
    return p == SQ_P_VIEW ? key : p != SQ_P_LIST && p != SQ_P_STRUCT && p != SQ_P_NULL && sq_phys_size(p) > 0;
}

static sq_rc new_cols(struct hop *x, struct sq_col **out, struct sq_arena *heap, const struct sq_field *f, uint32_t n)
{
    *out = sq_calloc(x->a.base.ctx, (n + 1) * sizeof **out);
    if (!*out)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(sq_col_init(&(*out)[i], x->a.base.ctx, heap, f[i].type));
    return SQ_OK;
}

sq_rc sq_hop_emit_open(struct hop *x)
{
    const struct sq_plan *p = x->a.base.plan;
    struct sq_ctx *ctx = x->a.base.ctx;

    x->kept = true;
    x->sizes = sq_calloc(ctx, p->ncols * sizeof *x->sizes);
    if (!x->sizes)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->ncols - 3; i++) {
        x->kept = x->kept && movable(p->cols[i].type, i < x->a.ngroup);
        x->sizes[i] = sq_phys_size(sq_type_phys(p->cols[i].type));
    }
    sq_arena_init(&x->heap, ctx);
    sq_arena_init(&x->new_heap, ctx);
    x->vecs = sq_calloc(ctx, p->ncols * sizeof *x->vecs);
    x->scratch = sq_calloc(ctx, SCRATCH * x->group);
    x->nothing = sq_calloc(ctx, x->group);
    if (!x->vecs || !x->scratch || !x->nothing)
        return SQ_NOMEM;
    SQ_TRY(new_cols(x, &x->key_cols, &x->heap, p->cols, x->a.ngroup));
    SQ_TRY(new_cols(x, &x->val_cols, &x->new_heap, p->cols + x->a.ngroup, x->a.nitems));
    SQ_TRY(new_cols(x, &x->new_cols, &x->new_heap, p->cols + x->a.ngroup, x->a.nitems));
    return sq_col_init(&x->time_col, ctx, &x->new_heap, p->cols[p->ncols - 1].type);
}

static void free_cols(struct hop *x, struct sq_col *cols, uint32_t n)
{
    for (uint32_t i = 0; cols && i < n; i++)
        if (cols[i].ctx)
            sq_col_free(&cols[i]);
    sq_free(x->a.base.ctx, cols);
}

void sq_hop_emit_close(struct hop *x)
{
    free_cols(x, x->key_cols, x->a.ngroup);
    free_cols(x, x->val_cols, x->a.nitems);
    free_cols(x, x->new_cols, x->a.nitems);
    if (x->time_col.ctx)
        sq_col_free(&x->time_col);
    sq_free(x->a.base.ctx, x->scratch);
    sq_free(x->a.base.ctx, x->nothing);
    sq_free(x->a.base.ctx, x->sizes);
    sq_free(x->a.base.ctx, x->vecs);
    sq_free(x->a.base.ctx, x->live);
    if (x->heap.ctx)
        sq_arena_free(&x->heap);
    if (x->new_heap.ctx)
        sq_arena_free(&x->new_heap);
}

/* ---- results ---- */

/* The sum over the old slices; where there is none, an empty group: which it is for a key is hard to predict, so nothing branches on it. */
static void *old_part(const struct hop *x, const struct hop_key *k)
{
    void *sum = x->nothing;

    if (k->oldest)
        sum = k->oldest->old ? hop_sum(x, k->oldest) : sum;
    return sum;
}

static int64_t rows_of(const void *group) { return ((const struct group *)group)->rows; }

/* Both parts of a key's result in one. */
static sq_rc add_parts(struct hop *x, void *sum, void *old, void *own)
{
    if (x->a.has_drop)                           /* what hangs on a group is not shared */
        SQ_TRY(sq_hop_add(x, sum, old));
    else
        hop_copy(sum, old, x->group);
    return sq_hop_add(x, sum, own);
}

/* Appends the results of n keys, SCRATCH at most, whose old parts are given. */
static sq_rc append_results(struct hop *x, struct sq_entry *const *e, void *const *old, uint32_t n, struct sq_col *cols)
{
    for (uint32_t i = 0; i < n; i++) {
        void *sum = x->scratch + i * x->group;
        x->result[i] = hop_entry(sum);
        SQ_TRY(add_parts(x, sum, old[i], hop_group(e[i])));
    }
    SQ_TRY(sq_hop_added(x));
    SQ_TRY(sq_agg_results(&x->a, x->result, n, cols));
    for (uint32_t i = 0; x->a.has_drop && i < n; i++)
        sq_hop_clear(x, x->scratch + i * x->group);
    return SQ_OK;
}

/* ---- columns that are kept ---- */

static void put_value(struct sq_col *to, uint32_t at, const struct sq_col *from, uint32_t i, uint32_t size)
{
    char *p = (char *)to->vec.data + (size_t)at * size;
    const char *q = (const char *)from->vec.data + (size_t)i * size;

    if (from->vec.valid && !sq_bit(from->vec.valid, i)) {
        sq_col_set_null(to, at);
        return;
    }
    if (size == 8)
        memcpy(p, q, 8);
    else
        memcpy(p, q, size);
    if (to->vec.valid)
        sq_bit_set(to->vec.valid, at);
}

static void put_values(struct sq_col *to, const uint32_t *at, const struct sq_col *from, uint32_t n, uint32_t size)
{
    if (!from->vec.valid && !to->vec.valid && size == 8) {
        for (uint32_t i = 0; i < n; i++)
            ((uint64_t *)to->vec.data)[at[i]] = ((const uint64_t *)from->vec.data)[i];
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        put_value(to, at[i], from, i, size);
}

/* The keys' results in their places; new ones get places at the end. */
static sq_rc put_results(struct hop *x, struct sq_entry *const *e, void *const *old, uint32_t n)
{
    uint32_t made = 0, at[SCRATCH];

    for (uint32_t i = 0; i < x->a.nitems; i++)
        sq_col_reset(&x->new_cols[i]);
    SQ_TRY(append_results(x, e, old, n, x->new_cols));
    SQ_TRY(sq_grow(x->a.base.ctx, &x->live, &x->live_cap, x->nlive + n, sizeof(struct sq_entry *)));
    for (uint32_t i = 0; i < n; i++) {
        struct hop_key *k = hop_key(e[i]);
        if (!k->place) {
            x->live[x->nlive++] = e[i];
            k->place = (uint32_t)x->nlive;
            made++;
        }
        at[i] = k->place - 1;
    }
    SQ_TRY(sq_keys_append(&x->a.keys, x->live + x->nlive - made, made, x->key_cols));
    for (uint32_t i = 0; i < x->a.nitems; i++) {
        SQ_TRY(sq_col_reserve(&x->val_cols[i], made));
        x->val_cols[i].n += made;
        put_values(&x->val_cols[i], at, &x->new_cols[i], n, x->sizes[x->a.ngroup + i]);
    }
    return SQ_OK;
}

/* The last row takes the place of one that goes. */
static void fill_place(struct hop *x, uint32_t at)
{
    uint32_t last = (uint32_t)x->nlive - 1, n = x->kept ? x->a.ngroup + x->a.nitems : 0;

    for (uint32_t i = 0; i < n; i++) {
        struct sq_col *c = i < x->a.ngroup ? &x->key_cols[i] : &x->val_cols[i - x->a.ngroup];
        if (at != last)
            put_value(c, at, c, last, x->sizes[i]);
        if (i < x->a.ngroup)
            sq_col_truncate(c, last);
        else
            c->n = last;                         /* whoever comes there says whether it is NULL */
    }
    x->live[at] = x->live[last];
    hop_key(x->live[at])->place = at + 1;
    x->nlive--;
    x->gone++;
}

/* Long texts of keys that are gone stay in the heap; so sometimes the key columns are made anew. */
static sq_rc renew_keys(struct hop *x)
{
    for (uint32_t i = 0; i < x->a.ngroup; i++)
        sq_col_reset(&x->key_cols[i]);
    sq_arena_reset(&x->heap);
    x->gone = 0;
    for (size_t at = 0; at < x->nlive; at += SQ_BATCH_ROWS) {
        size_t n = x->nlive - at < SQ_BATCH_ROWS ? x->nlive - at : SQ_BATCH_ROWS;
        SQ_TRY(sq_keys_append(&x->a.keys, x->live + at, (uint32_t)n, x->key_cols));
    }
    return SQ_OK;
}

/* ---- touched keys ---- */

static void take_away(struct hop *x, struct sq_entry *e)
{
    struct hop_key *k = hop_key(e);

    if (k->place)
        fill_place(x, k->place - 1);
    k->place = 0;
    if (hop_unused(e))
        sq_hop_drop_key(x, e);
}

static sq_rc add_place(struct hop *x, struct sq_entry *e)
{
    if (hop_key(e)->place)
        return SQ_OK;
    SQ_TRY(sq_grow(x->a.base.ctx, &x->live, &x->live_cap, x->nlive + 1, sizeof(struct sq_entry *)));
    x->live[x->nlive++] = e;
    hop_key(e)->place = (uint32_t)x->nlive;
    return SQ_OK;
}

static sq_rc look_at_touched(struct hop *x)
{
    struct sq_entry *some[SCRATCH];
    void *old[SCRATCH];
    uint32_t n = 0;

    for (size_t i = 0; i < x->ntouched; i++) {
        struct sq_entry *e = x->touched[i];
        if (i + 2 * AHEAD < x->ntouched)         /* memory is asked for before it is needed: the key, then its oldest record */
            __builtin_prefetch(hop_key(x->touched[i + 2 * AHEAD]));
        if (i + AHEAD < x->ntouched)
            __builtin_prefetch((char *)hop_key(x->touched[i + AHEAD])->oldest + offsetof(struct hop_record, old));
        old[n] = old_part(x, hop_key(e));
        if (rows_of(hop_group(e)) + rows_of(old[n]) <= 0) {
            take_away(x, e);
            continue;
        }
        if (!x->kept) {
            SQ_TRY(add_place(x, e));
            continue;
        }
        some[n++] = e;
        if (n == SCRATCH) {
            SQ_TRY(put_results(x, some, old, n));
            n = 0;
        }
    }
    x->ntouched = 0;
    if (++x->mark == 0)
        x->mark = 1;
    if (n > 0)
        SQ_TRY(put_results(x, some, old, n));
    return x->kept && x->gone > x->nlive + SQ_BATCH_ROWS ? renew_keys(x) : SQ_OK;
}

/* ---- the window ---- */

static struct sq_vec part_of(const struct sq_col *c, size_t at, uint32_t size)
{
    struct sq_vec v = c->vec;

    v.data = (char *)v.data + at * size;
    if (v.valid)
        v.valid += at / 64;
    return v;
}

static sq_rc anew(struct hop *x, size_t at, uint32_t n)
{
    sq_arena_reset(&x->heap);
    sq_arena_reset(&x->new_heap);
    for (uint32_t i = 0; i < x->a.ngroup; i++)
        sq_col_reset(&x->key_cols[i]);
    for (uint32_t i = 0; i < x->a.nitems; i++)
        sq_col_reset(&x->val_cols[i]);
    SQ_TRY(sq_keys_append(&x->a.keys, x->live + at, n, x->key_cols));
    for (uint32_t k = 0; k < n; k += SCRATCH) {
        void *old[SCRATCH];
        uint32_t some = n - k < SCRATCH ? n - k : SCRATCH;
        for (uint32_t i = 0; i < some; i++)
            old[i] = old_part(x, hop_key(x->live[at + k + i]));
        SQ_TRY(append_results(x, x->live + at + k, old, some, x->val_cols));
    }
    for (uint32_t i = 0; i < x->a.ngroup; i++)
        sq_col_seal(&x->key_cols[i]);
    for (uint32_t i = 0; i < x->a.nitems; i++)
        sq_col_seal(&x->val_cols[i]);
    return SQ_OK;
}

static struct sq_vec constant(const struct sq_type *t, void *data)
{
    return (struct sq_vec){.type = t, .enc = SQ_CONST, .data = data};
}

sq_rc sq_hop_emit(struct hop *x)
{
    const struct sq_plan *p = x->a.base.plan;
    uint32_t ng = x->a.ngroup, ni = x->a.nitems;

    SQ_TRY(look_at_touched(x));
    for (size_t at = 0; at < x->nlive; at += SQ_BATCH_ROWS) {
        uint32_t n = x->nlive - at < SQ_BATCH_ROWS ? (uint32_t)(x->nlive - at) : SQ_BATCH_ROWS;
        if (!x->kept)
            SQ_TRY(anew(x, at, n));
        sq_col_reset(&x->time_col);
        SQ_TRY(sq_window_time(&x->w, x->until, 1, &x->time_col));
        for (uint32_t i = 0; i < ng; i++)
            x->vecs[i] = x->kept ? part_of(&x->key_cols[i], at, x->sizes[i]) : x->key_cols[i].vec;
        for (uint32_t i = 0; i < ni; i++)
            x->vecs[ng + i] = x->kept ? part_of(&x->val_cols[i], at, x->sizes[ng + i]) : x->val_cols[i].vec;
        x->vecs[ng + ni] = constant(p->cols[ng + ni].type, &x->start);
        x->vecs[ng + ni + 1] = constant(p->cols[ng + ni + 1].type, &x->until);
        x->vecs[ng + ni + 2] = constant(p->cols[ng + ni + 2].type, x->time_col.vec.data);
        SQ_TRY(sq_emit_batch(&x->a.base, &(struct sq_batch){.rows = n, .nsel = n, .ncols = p->ncols, .cols = x->vecs}));
    }
    return SQ_OK;
}
