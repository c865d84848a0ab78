/* SPDX-License-Identifier: Apache-2.0
 *
 * agg_merge.c: groups put together from parts: the slices of a window, sessions that a row has joined.
 *
 * Accumulators are merged by the aggregate itself. DISTINCT needs the values: each value of the part's set goes into the other set with its count, and those that were
 * not there go through the aggregates, as rows would.
 */
#include "executor/operators/aggregate.h"

sq_rc sq_agg_merge_groups(struct aggregate *a, struct sq_entry *const *into, struct sq_entry *const *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        group_of(into[i])->rows += group_of(from[i])->rows;
    for (uint32_t k = 0; k < a->nitems; k++) {
        struct agg_item *m = &a->items[k];
        for (uint32_t i = 0; m->set < 0 && i < n; i++)
            SQ_TRY(m->call.agg->merge(&m->call, (char *)into[i] + m->offset, (const char *)from[i] + m->offset));
    }
    return SQ_OK;
}

struct part {                              /* values of a set that are merged at once */
    struct sq_arena heap;
    struct sq_col col;
    struct sq_entry value[SQ_BATCH_ROWS], *values[SQ_BATCH_ROWS];
    const struct seen *seen[SQ_BATCH_ROWS];
    struct sq_entry *group[SQ_BATCH_ROWS];
    void *acc[SQ_BATCH_ROWS];
    uint32_t n;
};

/* A value as the entry of a table of values alone: the set's key without the serial before it. */
static void note_value(struct distinct *d, struct part *p, struct sq_entry *e, struct sq_entry *group)
{
    struct sq_str s = sq_view_str(&e->key);
    uint64_t old;

    memcpy(&old, s.p, sizeof old);
    p->value[p->n] = (struct sq_entry){.hash = e->hash, .key = sq_view_of(s.p + 8, s.n - 8)};
    p->seen[p->n] = SQ_PAYLOAD(e);
    p->group[p->n] = group;
    d->hash[p->n] = e->hash ^ sq_hash_mix(old) ^ sq_hash_mix(group_of(group)->serial);
    p->n++;
}

static sq_rc find_values(struct distinct *d, struct part *p)
{
    sq_buf_reset(&d->bytes);
    for (uint32_t i = 0; i < p->n; i++) {
        struct sq_str s = sq_view_str(&p->value[i].key);
        SQ_TRY(sq_buf_u64(&d->bytes, group_of(p->group[i])->serial));
        SQ_TRY(sq_buf_add(&d->bytes, s.p, s.n));
        if (d->bytes.n > UINT32_MAX)
            return sq_fail(d->keys.ctx, SQ_LIMIT, "the DISTINCT values of one batch take more than 4 GB");
        d->ends[i] = (uint32_t)d->bytes.n;
    }
    for (uint32_t i = 0, at = 0; i < p->n; at = d->ends[i++])
        d->view[i] = sq_view_of(d->bytes.p + at, d->ends[i] - at);
    return sq_hashtab_upsert(&d->seen, p->n, d->hash, d->view, NULL, d->entry);
}

/* The flag before the bytes becomes the entry's. */
static void drop_flag(const struct distinct *d, struct sq_entry *e)
{
    struct sq_str s = sq_view_str(&e->key);

    e->flags = s.p[0] && d->keys.form != SQ_KEY_PACKED ? SQ_ENTRY_NULL : 0;
    e->key = sq_view_of(s.p + 1, s.n - 1);
}

/* Values that were not there go through the aggregates of the set. */
static sq_rc add_values(struct aggregate *a, uint32_t set, struct part *p)
{
    struct distinct *d = &a->sets[set];
    uint32_t n = 0;

    SQ_TRY(find_values(d, p));
    for (uint32_t i = 0; i < p->n; i++) {
        struct seen *to = SQ_PAYLOAD(d->entry[i]);
        bool had = to->count > 0;
        to->count += p->seen[i]->count;
        to->group_hash = p->group[i]->hash;
        if (had)
            continue;
        if (d->nulls)
            drop_flag(d, &p->value[i]);
        p->values[n] = &p->value[i];
        p->group[n++] = p->group[i];
    }
    sq_arena_reset(&p->heap);
    sq_col_reset(&p->col);
    SQ_TRY(sq_keys_append(&d->keys, p->values, n, &p->col));
    sq_col_seal(&p->col);
    for (uint32_t k = 0; n > 0 && k < a->nitems; k++) {
        struct agg_item *m = &a->items[k];
        if (m->set != (int32_t)set)
            continue;
        for (uint32_t i = 0; i < n; i++)
            p->acc[i] = (char *)p->group[i] + m->offset;
        SQ_TRY(m->call.agg->update(&m->call, p->acc, &p->col.vec, (struct sq_rows){NULL, n}, NULL));
    }
    p->n = 0;
    return SQ_OK;
}

static sq_rc merge_set(struct aggregate *a, uint32_t set, const struct sq_hashtab *from, struct sq_entry *(*group)(void *, uint64_t), void *arg, struct part *p)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while ((e = sq_hashtab_next(from, &it))) {
        uint64_t serial;
        memcpy(&serial, sq_view_ptr(&e->key), sizeof serial);
        struct sq_entry *g = group(arg, serial);
        if (!g)
            continue;
        note_value(&a->sets[set], p, e, g);
        if (p->n == SQ_BATCH_ROWS)
            SQ_TRY(add_values(a, set, p));
    }
    return p->n ? add_values(a, set, p) : SQ_OK;
}

sq_rc sq_agg_merge_set(struct aggregate *a, uint32_t set, const struct sq_hashtab *from, struct sq_entry *(*group)(void *, uint64_t), void *arg)
{
    struct sq_ctx *ctx = a->base.ctx;
    struct part *p = sq_alloc(ctx, sizeof *p);

    if (!p)
        return SQ_NOMEM;
    p->n = 0;
    memset(&p->col, 0, sizeof p->col);
    sq_arena_init(&p->heap, ctx);
    sq_rc rc = sq_col_init(&p->col, ctx, &p->heap, a->base.plan->inputs[0]->cols[a->sets[set].arg].type);
    if (rc == SQ_OK)
        rc = merge_set(a, set, from, group, arg, p);
    sq_col_free(&p->col);
    sq_arena_free(&p->heap);
    sq_free(ctx, p);
    return rc;
}
