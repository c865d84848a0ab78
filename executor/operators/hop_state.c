/* SPDX-License-Identifier: Apache-2.0
 *
 * hop_state.c: the records of HOP windows, by key and by slice (hop.h).
 *
 * A record is in two lists: that of its key, in the order of slices, and that of its slice. Rows mostly come in the order of time, so a key's records are looked through from the
 * newest. Groups are added up in lists, each aggregate going through a list by itself.
 *
 * Saved is what each record has, and whether it is old; the keys' own sums follow from that and are made again with the next window.
 */
#include "executor/operators/hop.h"

enum { FAR = 32 /* records of a key that are looked through */, REACH = 256 /* slices */ };

sq_rc sq_hop_state_open(struct hop *x)
{
    struct sq_ctx *ctx = x->a.base.ctx;

    x->coming.ctx = x->entered.ctx = x->late.ctx = ctx;
    x->mark = 1;
    x->front = SQ_TS_MIN;
    x->reach = 4 * x->w.spec.size > REACH * x->w.slice ? 4 * x->w.spec.size : REACH * x->w.slice;
    x->turn = 1;
    x->both = sq_window_by_clock(&x->w);
    SQ_TRY(sq_agg_state_open(&x->a));
    sq_hashtab_free(&x->a.groups);
    x->group = (x->a.payload + 15) / 16 * 16;
    sq_slab_init(&x->slab, ctx);
    SQ_TRY(sq_hashtab_init(&x->a.groups, ctx, sizeof(struct hop_key) + x->group));
    return sq_hashtab_init(&x->slices, ctx, sizeof(struct hop_slice));
}

static void drop_record(struct hop *x, struct hop_record *r)
{
    sq_agg_drop(&x->a, hop_entry(hop_own(r)));
    if (x->both)
        sq_agg_drop(&x->a, hop_entry(hop_sum(x, r)));
}

static void drop_far(struct hop *x, const struct sq_hashtab *far)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while (x->a.has_drop && (e = sq_hashtab_next(far, &it)))
        sq_agg_drop(&x->a, hop_entry(SQ_PAYLOAD(e)));
}

void sq_hop_state_close(struct hop *x)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while (x->slices.ctx && (e = sq_hashtab_next(&x->slices, &it))) {
        struct hop_slice *s = SQ_PAYLOAD(e);
        for (struct hop_record *r = s->first; x->a.has_drop && r; r = r->more)
            drop_record(x, r);
        if (s->far && s->far->ctx)
            drop_far(x, s->far);
        if (s->far)
            sq_hashtab_free(s->far);
        sq_free(x->a.base.ctx, s->far);
    }
    for (size_t i = 0; x->a.has_drop && i < x->late.n; i++)
        sq_agg_drop(&x->a, hop_entry(hop_late_group(x->late.v[i].of)));
    sq_window_heap_free(&x->late);
    sq_window_heap_free(&x->coming);
    sq_window_heap_free(&x->entered);
    sq_hashtab_free(&x->slices);
    if (x->slab.ctx)
        sq_slab_free(&x->slab);
    sq_free(x->a.base.ctx, x->touched);
    it = (struct sq_hashtab_iter){0};
    while (x->a.has_drop && x->a.groups.ctx && (e = sq_hashtab_next(&x->a.groups, &it)))
        sq_agg_drop(&x->a, hop_entry(hop_group(e)));
    sq_hashtab_free(&x->a.groups);
    sq_agg_state_close(&x->a);
}

void sq_hop_drop_key(struct hop *x, struct sq_entry *e)
{
    sq_agg_drop(&x->a, hop_entry(hop_group(e)));
    sq_hashtab_remove(&x->a.groups, e);
}

size_t sq_hop_bytes(const struct sq_op *op)
{
    const struct hop *x = (const struct hop *)op;
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;
    size_t far = 0;

    while (x->slices.ctx && (e = sq_hashtab_next(&x->slices, &it)))
        if (((struct hop_slice *)SQ_PAYLOAD(e))->far)
            far += sq_hashtab_bytes(((struct hop_slice *)SQ_PAYLOAD(e))->far);
    return far + sq_hashtab_bytes(&x->a.groups) + sq_hashtab_bytes(&x->slices) + x->slab.bytes + x->a.hung + x->live_cap * sizeof *x->live + (x->late.cap + x->coming.cap + x->entered.cap) * sizeof *x->late.v;
}

/* ---- slices and records ---- */

sq_rc sq_hop_slice(struct hop *x, int64_t start, struct hop_slice **out)
{
    uint64_t hash = sq_hash_mix((uint64_t)start);
    struct sq_view key = sq_view_of((const char *)&start, sizeof start);
    struct sq_entry *e;

    sq_hashtab_find(&x->slices, 1, &hash, &key, NULL, &e);
    if (!e) {
        SQ_TRY(sq_hashtab_upsert(&x->slices, 1, &hash, &key, NULL, &e));
        ((struct hop_slice *)SQ_PAYLOAD(e))->start = start;
        SQ_TRY(sq_window_heap_put(x->placed && start < x->until ? &x->entered : &x->coming, (struct sq_window_due){.end = start, .of = e}));
    }
    *out = SQ_PAYLOAD(e);
    return SQ_OK;
}

static size_t record_size(const struct hop *x) { return sizeof(struct hop_record) + (x->both ? 2 : 1) * x->group; }

sq_rc sq_hop_record(struct hop *x, struct sq_entry *key, struct hop_slice *slice, struct hop_record **out, bool *made)
{
    struct hop_key *k = hop_key(key);
    struct hop_record *before = k->newest, *r;

    if (x->placed && slice->start < x->until) {  /* among those of the window, which are the oldest */
        for (before = NULL, r = k->oldest; r && r->slice <= slice->start; r = r->next)
            before = r;
    }
    while (before && before->slice > slice->start)
        before = before->prev;
    *made = false;
    *out = before;
    if (before && before->slice == slice->start)
        return SQ_OK;
    r = x->free;
    if (r)
        x->free = r->next;
    else if (!(r = sq_slab_get(&x->slab, record_size(x))))
        return SQ_NOMEM;
    hop_zero(hop_own(r), x->group);
    if (x->both)
        hop_zero(hop_sum(x, r), x->group);
    *r = (struct hop_record){.prev = before, .next = before ? before->next : k->oldest, .owner = key, .slice = slice->start};
    *(before ? &before->next : &k->oldest) = r;
    *(r->next ? &r->next->prev : &k->newest) = r;
    *(slice->last ? &slice->last->more : &slice->first) = r;
    slice->last = r;
    *out = r;
    *made = true;
    return SQ_OK;
}

void sq_hop_forget(struct hop *x, struct hop_record *r)
{
    struct hop_key *k = hop_key(r->owner);

    SQ_ASSERT(k->oldest == r);
    k->oldest = r->next;
    *(r->next ? &r->next->prev : &k->newest) = NULL;
    if (x->a.has_drop)
        drop_record(x, r);
    r->next = NULL;                              /* used again in the order in which they were: so those of a slice stay side by side */
    *(x->free ? &x->last_free->next : &x->free) = r;
    x->last_free = r;
}

sq_rc sq_hop_late(struct hop *x, struct sq_entry *key, int64_t slice, int64_t from, struct hop_late **out)
{
    size_t size = sizeof **out + x->group;
    struct hop_late *l = sq_slab_get(&x->slab, size);

    if (!l)
        return SQ_NOMEM;
    memset(l, 0, size);
    *l = (struct hop_late){.from = from, .slice = slice, .key = key};
    if (sq_window_heap_put(&x->late, (struct sq_window_due){.end = from, .number = x->lates++, .of = l}) != SQ_OK) {
        sq_slab_put(&x->slab, l, size);
        return SQ_NOMEM;
    }
    hop_key(key)->late++;
    *out = l;
    return SQ_OK;
}

bool sq_hop_is_far(struct hop *x, struct sq_entry *key, int64_t slice)
{
    const struct hop_record *r = hop_key(key)->newest;

    if (x->placed && slice < x->until)
        return false;
    if (x->front == SQ_TS_MIN || (slice > x->front && slice - x->front <= x->reach))
        x->front = slice;
    if (slice > x->front)
        return true;
    for (uint32_t i = 0; r && r->slice > slice; i++, r = r->prev)
        if (i == FAR || x->front - slice > x->reach)
            return true;
    return false;
}

sq_rc sq_hop_far(struct hop *x, struct sq_entry *key, struct hop_slice *slice, void **group)
{
    struct sq_ctx *ctx = x->a.base.ctx;
    uint64_t name = (uint64_t)(uintptr_t)key, hash = sq_hash_mix(name);
    struct sq_view view = sq_view_of((const char *)&name, sizeof name);
    struct sq_entry *e;

    if (!slice->far) {
        if (!(slice->far = sq_calloc(ctx, sizeof *slice->far)))
            return SQ_NOMEM;
        SQ_TRY(sq_hashtab_init(slice->far, ctx, x->group));
    }
    size_t had = slice->far->count;
    SQ_TRY(sq_hashtab_upsert(slice->far, 1, &hash, &view, NULL, &e));
    hop_key(key)->late += slice->far->count - had;
    *group = SQ_PAYLOAD(e);
    return SQ_OK;
}

static struct sq_entry *far_key(const struct sq_entry *e)
{
    uint64_t name;

    memcpy(&name, sq_view_ptr(&e->key), sizeof name);
    return (struct sq_entry *)(uintptr_t)name;
}

sq_rc sq_hop_far_done(struct hop *x, struct hop_slice *slice, bool enter)
{
    struct sq_hashtab_iter it = {0};
    struct sq_hashtab *far = slice->far;
    struct sq_entry *e;
    sq_rc rc = SQ_OK;
    bool made;

    slice->far = NULL;
    while (far && far->ctx && (e = sq_hashtab_next(far, &it))) {
        struct sq_entry *key = far_key(e);
        struct hop_record *r = NULL;
        hop_key(key)->late--;
        if (rc == SQ_OK)
            rc = enter ? sq_hop_record(x, key, slice, &r, &made) : sq_hop_touch(x, key);
        if (rc == SQ_OK && r)
            rc = sq_hop_add(x, hop_own(r), SQ_PAYLOAD(e));
    }
    if (rc == SQ_OK)
        rc = sq_hop_added(x);
    if (far && far->ctx)
        drop_far(x, far);
    if (far)
        sq_hashtab_free(far);
    sq_free(x->a.base.ctx, far);
    return rc;
}

void sq_hop_late_done(struct hop *x, struct hop_late *l)
{
    hop_key(l->key)->late--;
    sq_agg_drop(&x->a, hop_entry(hop_late_group(l)));
    sq_slab_put(&x->slab, l, sizeof *l + x->group);
}

/* ---- sums ---- */

sq_rc sq_hop_added(struct hop *x)
{
    struct aggregate *a = &x->a;
    uint32_t n = x->npairs;

    x->npairs = 0;
    for (uint32_t i = 0; i < n; i++)
        ((struct group *)x->into[i])->rows += ((const struct group *)x->from[i])->rows;
    for (uint32_t k = 0; k < a->nitems; k++) {
        struct agg_item *m = &a->items[k];
        size_t at = m->offset - sizeof(struct sq_entry);
        if (m->call.agg->merges) {
            SQ_TRY(m->call.agg->merges(&m->call, x->into, x->from, at, n));
            continue;
        }
        for (uint32_t i = 0; i < n; i++)
            SQ_TRY(m->call.agg->merge(&m->call, (char *)x->into[i] + at, (const char *)x->from[i] + at));
    }
    return SQ_OK;
}

/* ---- saved: hash, null (bit 0) and old (bit 1), key slice from group; from: SQ_TS_MIN, but of a row that counts from a later window on ---- */

static sq_rc save_group(struct hop *x, struct sq_entry *e, bool old, int64_t slice, int64_t from, void *group, struct sq_snapshot_out *out)
{
    struct sq_buf *b = out->begin(out->arg, sq_key_group(e->hash));
    struct sq_str key = sq_view_str(&e->key);

    if (!b)
        return x->a.base.ctx->err.rc;
    sq_buf_u64(b, e->hash);
    sq_buf_putc(b, (char)((e->flags & SQ_ENTRY_NULL ? 1 : 0) | (old ? 2 : 0)));
    sq_buf_u32(b, key.n);
    sq_buf_add(b, key.p, key.n);
    sq_buf_u64(b, (uint64_t)slice);
    sq_buf_u64(b, (uint64_t)from);
    SQ_TRY(sq_agg_save_group(&x->a, hop_entry(group), b));
    return out->done(out->arg);
}

/* Which windows the clock has closed follows from nothing in a checkpoint: so a record says where it goes on. */
static int64_t goes_on_from(const struct hop *x, const struct hop_record *r)
{
    int64_t from = sq_window_first(&x->w, r->slice + x->w.slice, x->watermark);

    return sq_window_by_clock(&x->w) && from > sq_window_first(&x->w, r->slice + x->w.slice, SQ_TS_MIN) ? from : SQ_TS_MIN;
}

/* As rows that wait for the first window of their slice. */
static sq_rc save_far(struct hop *x, const struct hop_slice *slice, struct sq_snapshot_out *out)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while (slice->far && (e = sq_hashtab_next(slice->far, &it)))
        SQ_TRY(save_group(x, far_key(e), false, slice->start, sq_window_first(&x->w, slice->start + x->w.slice, x->watermark), SQ_PAYLOAD(e), out));
    return SQ_OK;
}

sq_rc sq_hop_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct hop *x = SQ_OP(op, struct hop);
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while ((e = sq_hashtab_next(&x->a.groups, &it)))
        for (struct hop_record *r = hop_key(e)->oldest; r; r = r->next)
            SQ_TRY(save_group(x, e, r->old && !x->both, r->slice, goes_on_from(x, r), hop_own(r), out));
    it = (struct sq_hashtab_iter){0};
    while ((e = sq_hashtab_next(&x->slices, &it)))
        SQ_TRY(save_far(x, SQ_PAYLOAD(e), out));
    for (size_t i = 0; i < x->late.n; i++) {
        struct hop_late *l = x->late.v[i].of;
        SQ_TRY(save_group(x, l->key, false, l->slice, l->from, hop_late_group(l), out));
    }
    return SQ_OK;
}

static bool take(const char **p, const char *end, void *into, size_t n)
{
    if ((size_t)(end - *p) < n)
        return false;
    memcpy(into, *p, n);
    *p += n;
    return true;
}

static sq_rc damaged(struct hop *x) { return sq_fail(x->a.base.ctx, SQ_DATA, "the saved state of HOP windows is damaged"); }

static sq_rc load_record(struct hop *x, const char *p, const char *end)
{
    struct hop_slice *slice;
    struct hop_record *r;
    struct hop_late *l;
    struct sq_entry *key;
    struct sq_view view;
    int64_t start, from;
    uint64_t hash;
    uint32_t n;
    uint8_t null;
    bool made, old;

    if (!take(&p, end, &hash, 8) || !take(&p, end, &null, 1) || !take(&p, end, &n, 4) || (size_t)(end - p) < n)
        return damaged(x);
    view = sq_view_of(p, n);
    p += n;
    if (!take(&p, end, &start, 8) || !take(&p, end, &from, 8) || sq_window_floor(&x->w, start, x->w.slice) != start)
        return damaged(x);
    old = null & 2;
    null &= 1;
    SQ_TRY(sq_hashtab_upsert(&x->a.groups, 1, &hash, &view, &null, &key));
    if (from != SQ_TS_MIN) {
        SQ_TRY(sq_hop_late(x, key, start, from, &l));
        SQ_TRY(sq_agg_load_group(&x->a, hop_entry(hop_late_group(l)), &p, end, 0));
        return p == end ? SQ_OK : damaged(x);
    }
    SQ_TRY(sq_hop_slice(x, start, &slice));
    SQ_TRY(sq_hop_record(x, key, slice, &r, &made));
    r->old = old;
    SQ_TRY(made ? sq_agg_load_group(&x->a, hop_entry(hop_own(r)), &p, end, 0) : damaged(x));
    return p == end ? SQ_OK : damaged(x);
}

sq_rc sq_hop_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct hop *x = SQ_OP(op, struct hop);
    uint32_t group;
    const char *p;
    size_t n;

    x->watermark = sq_window_restored(op, &x->w);
    for (;;) {
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p)
            return SQ_OK;
        SQ_TRY(load_record(x, p, p + n));
    }
}
