/* SPDX-License-Identifier: Apache-2.0
 *
 * hop.c: GROUP BY the windows of HOP. Time is cut into slices as long as the greatest common divisor of size and slide. A row is added once, to the record of its key and slice; what
 * a row costs does not grow with the number of windows that it lies in.
 *
 * From one window to the next some slices leave and some come in. The sum of a key's slices is kept in two parts, as a queue is made of two stacks:
 *
 *     start            middle          until
 *       | old slices ...  | new slices ...  |
 *
 *   new   their records are added to the key's own group as their slices come in
 *   old   each record has become the sum of itself and the key's later old ones; so the sum over the old slices is what stands in the oldest record that is left
 *
 * When the last old slice has left, the new ones become old: their sums are made once, from the last to the first, and the keys' groups are empty again. So each record is added twice
 * at most, whatever the size and the slide. Only keys with a record in a slice that leaves or comes in have another result than in the window before (hop_emit.c).
 *
 * A late row that lies in windows to come all the same is added to all sums that its slice is part of.
 *
 * State: one record for each key and slice, until no window to come has the slice. FLINK: the same rows (it merges all slices for every window), rows that are taken back too.
 */
#include "executor/operators/hop.h"

#include <stdlib.h>

/* ---- what is next ---- */

/* Where the next window with rows begins; false: there is none. */
static bool next_window(const struct hop *x, int64_t *start)
{
    int64_t size = x->w.spec.size, step = x->w.spec.step;

    if (x->nlive == 0 && x->entered.n == 0 && x->coming.n == 0 && x->late.n == 0)
        return false;
    if (x->nlive > 0 || x->entered.n > 0)
        *start = x->start + step;
    else {
        *start = x->coming.n ? sq_window_first(&x->w, x->coming.v[0].end + x->w.slice, SQ_TS_MIN) : INT64_MAX;
        if (x->late.n && x->late.v[0].end < *start)
            *start = x->late.v[0].end;
    }
    if (x->placed && *start <= x->start)
        *start = x->start + step;
    if (x->watermark != SQ_TS_MIN && *start + size <= x->watermark)   /* over before there were rows */
        *start = sq_window_floor(&x->w, x->watermark - size, step) + step;
    return true;
}

static void wake(struct hop *x)
{
    int64_t start;

    if (sq_window_by_clock(&x->w) && next_window(x, &start))
        sq_window_wake(&x->a.base, &x->w, start + x->w.spec.size);
}

/* ---- rows ---- */

struct hop_place { int64_t from, to, over; bool none; struct hop_slice *slice; };   /* the slice of the row before; when its last window is over */

static void find_place(const struct hop *x, int64_t t, struct hop_place *p)
{
    p->from = sq_window_floor(&x->w, t, x->w.slice);
    p->to = p->from + x->w.slice;
    p->over = sq_window_last(&x->w, t);
    p->none = p->over <= t;                      /* between two windows, where the slide is more than the size */
    p->slice = NULL;
}

/* A row is added to a group, with the others of the batch. */
static inline sq_rc add_to(struct hop *x, const struct sq_batch *in, void *group, uint32_t i, uint32_t *n)
{
    struct aggregate *a = &x->a;
    uint32_t r = sq_row(in, i);

    if (*n == SQ_BATCH_ROWS) {
        SQ_TRY(sq_agg_apply(a, in, (struct agg_rows){a->row, a->pos, a->entry, *n}));
        *n = 0;
    }
    a->entry[*n] = hop_entry(group);
    a->row[*n] = r;
    a->pos[(*n)++] = i;
    ((struct group *)group)->rows += sq_kind_adds(sq_row_kind(in, r)) ? 1 : -1;
    return SQ_OK;
}

/* A record that was made for a slice that is old, or before an old one of its key. */
static bool is_old(const struct hop *x, const struct hop_record *r, bool made)
{
    return r->old || (made && ((x->placed && r->slice < x->middle) || (r->next && r->next->old)));
}

/* A record that was made between old ones is old as well. */
static sq_rc begin_old(struct hop *x, struct hop_record *r)
{
    r->old = x->turn;
    if (!r->next || !r->next->old)
        return SQ_OK;
    SQ_TRY(sq_hop_add(x, hop_sum(x, r), hop_sum(x, r->next)));
    return sq_hop_added(x);
}

/* The slice is in the window already: whatever was summed up with it gets the row too. */
static sq_rc add_late(struct hop *x, const struct sq_batch *in, struct hop_record *r, bool made, uint32_t i, uint32_t *n)
{
    bool old = is_old(x, r, made);

    SQ_TRY(sq_hop_touch(x, r->owner));
    if (!old || x->both)
        SQ_TRY(add_to(x, in, hop_own(r), i, n));
    if (!old)
        return add_to(x, in, hop_group(r->owner), i, n);
    if (made) {
        SQ_TRY(sq_agg_apply(&x->a, in, (struct agg_rows){x->a.row, x->a.pos, x->a.entry, *n}));
        *n = 0;
        SQ_TRY(begin_old(x, r));
    }
    for (; r; r = r->prev)
        SQ_TRY(add_to(x, in, hop_sum(x, r), i, n));
    return SQ_OK;
}

/* Some of the row's windows are over for it, though not for the operator: it counts from a later one on. */
static sq_rc add_for_later(struct hop *x, const struct sq_batch *in, struct sq_entry *key, const struct hop_place *p, uint32_t i, uint32_t *n, bool *done)
{
    int64_t from = sq_window_first(&x->w, p->to, x->wm[i]);
    struct hop_late *l;

    *done = from > sq_window_first(&x->w, p->to, x->watermark);
    if (!*done)
        return SQ_OK;
    SQ_TRY(sq_hop_late(x, key, p->from, from, &l));
    return add_to(x, in, hop_late_group(l), i, n);
}

static sq_rc add_row(struct hop *x, const struct sq_batch *in, struct sq_entry *key, struct hop_place *p, uint32_t i, uint32_t *n)
{
    struct sq_input_state *st = &x->a.base.ins[0];
    int64_t t = x->time[i], wm = x->wm ? x->wm[i] : x->watermark;
    struct hop_record *r = hop_key(key)->newest;
    bool made = false, done = false;

    if (t < p->from || t >= p->to)
        find_place(x, t, p);
    if (p->none || p->over <= wm) {
        st->filtered += p->none;
        return p->none ? SQ_OK : sq_op_late(&x->a.base, 0, in, sq_row(in, i));
    }
    st->accepted++;
    if (wm >= p->to && wm > x->watermark)
        SQ_TRY(add_for_later(x, in, key, p, i, n, &done));
    if (done)
        return SQ_OK;
    if (!r || r->slice != p->from) {
        if (!p->slice)
            SQ_TRY(sq_hop_slice(x, p->from, &p->slice));
        if (sq_hop_is_far(x, key, p->from)) {
            void *group;
            SQ_TRY(sq_hop_far(x, key, p->slice, &group));
            return add_to(x, in, group, i, n);
        }
        SQ_TRY(sq_hop_record(x, key, p->slice, &r, &made));
    }
    if (SQ_LIKELY((!x->placed || p->from >= x->until) && !is_old(x, r, made)))
        return add_to(x, in, hop_own(r), i, n);
    return add_late(x, in, r, made, i, n);
}

static void forget_unused(struct hop *x, const struct sq_batch *in, struct sq_entry *const *key)
{
    for (uint32_t i = 0; i < in->nsel; i++)
        if (key[i]->flags & SQ_ENTRY_LIVE && hop_unused(key[i]))
            sq_hop_drop_key(x, key[i]);
}

static sq_rc hop_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct hop *x = SQ_OP(op, struct hop);
    struct aggregate *a = &x->a;
    struct hop_place p = {.from = 0};
    struct sq_entry *key[SQ_BATCH_ROWS];
    uint64_t taken = op->ins[0].accepted;
    uint32_t n = 0;

    (void)input;
    SQ_TRY(sq_keys_load(&a->keys, in));
    if (sq_window_by_clock(&x->w))
        sq_window_now(op, &x->w, x->watermark, in->nsel, x->time);
    else
        sq_window_times(&x->w, in, &in->cols[op->plan->u.agg.time], x->time);
    x->wm = sq_window_row_watermarks(&x->w, in, x->watermark, x->wm_room);
    SQ_TRY(sq_hashtab_upsert(&a->groups, in->nsel, a->keys.hash, a->keys.key, a->keys.null, key));
    for (uint32_t i = 0; i < in->nsel; i++) {
        if (x->time[i] == SQ_TS_MIN)
            op->ins[0].filtered++;
        else
            SQ_TRY(add_row(x, in, key[i], &p, i, &n));
    }
    if (op->ins[0].accepted - taken < in->nsel)
        forget_unused(x, in, key);
    wake(x);
    return sq_agg_apply(a, in, (struct agg_rows){a->row, a->pos, a->entry, n});
}

/* ---- from window to window ---- */

static struct hop_slice *slice_of(struct sq_entry *e) { return SQ_PAYLOAD(e); }

/* Records of a slice belong to keys anywhere in memory: the next one's is asked for ahead. */
static inline void ask_ahead(const struct hop_record *r)
{
    const struct hop_record *next = r->more;

    if (!next)
        return;
    __builtin_prefetch((const char *)next->owner + 32);
    __builtin_prefetch(next->more);
}

static int later_first(const void *a, const void *b)
{
    const struct sq_window_due *x = a, *y = b;
    return x->end < y->end ? 1 : x->end > y->end ? -1 : 0;
}

/* A new record becomes old: the sum of the later ones is added. One that a checkpoint brought as old lacks those that become old now. */
static sq_rc make_record_old(struct hop *x, struct hop_record *r)
{
    struct hop_record *later = r->next;

    if (r->old) {
        while (later && later->old && later->old < x->turn)
            later = later->next;
        return later && later->old ? sq_hop_add(x, hop_sum(x, r), hop_sum(x, later)) : SQ_OK;
    }
    sq_hop_clear(x, hop_group(r->owner));
    r->old = x->turn;
    if (x->both)
        SQ_TRY(sq_hop_add(x, hop_sum(x, r), hop_own(r)));
    return later && later->slice < x->until ? sq_hop_add(x, hop_sum(x, r), hop_sum(x, later)) : SQ_OK;
}

/* The new slices become old ones. */
static sq_rc make_old(struct hop *x)
{
    struct sq_window_heap *h = &x->entered;

    x->turn++;
    qsort(h->v, h->n, sizeof *h->v, later_first);
    for (size_t i = 0; i < h->n && h->v[i].end >= x->middle; i++) {
        for (struct hop_record *r = slice_of(h->v[i].of)->first; r; r = r->more) {
            ask_ahead(r);
            SQ_TRY(make_record_old(x, r));
        }
        SQ_TRY(sq_hop_added(x));                 /* the slice before builds on it */
    }
    for (size_t i = 0; i < h->n / 2; i++) {      /* in the order of time it is a heap again */
        struct sq_window_due d = h->v[i];
        h->v[i] = h->v[h->n - 1 - i];
        h->v[h->n - 1 - i] = d;
    }
    x->middle = x->until;
    return SQ_OK;
}

static sq_rc drop_slice(struct hop *x, struct sq_entry *slice)
{
    SQ_TRY(sq_hop_far_done(x, slice_of(slice), false));
    for (struct hop_record *r = slice_of(slice)->first, *more; r; r = more) {
        more = r->more;
        ask_ahead(r);
        SQ_TRY(sq_hop_touch(x, r->owner));
        sq_hop_forget(x, r);
    }
    sq_hashtab_remove(&x->slices, slice);
    return SQ_OK;
}

static sq_rc enter_slice(struct hop *x, struct sq_entry *slice)
{
    SQ_TRY(sq_hop_far_done(x, slice_of(slice), true));
    for (struct hop_record *r = slice_of(slice)->first; r; r = r->more) {
        ask_ahead(r);
        SQ_TRY(sq_hop_touch(x, r->owner));
        if (SQ_LIKELY(!r->old))
            SQ_TRY(sq_hop_add(x, hop_group(r->owner), hop_own(r)));
    }
    SQ_TRY(sq_hop_added(x));
    return sq_window_heap_put(&x->entered, (struct sq_window_due){.end = slice_of(slice)->start, .of = slice});
}

/* What waited for this window is added to its slice, and to what that is summed up in. */
static sq_rc enter_late(struct hop *x, struct hop_late *l)
{
    struct hop_slice *slice;
    struct hop_record *r;
    void *group = hop_late_group(l);
    bool made;

    SQ_TRY(sq_hop_slice(x, l->slice, &slice));
    SQ_TRY(sq_hop_record(x, l->key, slice, &r, &made));
    SQ_TRY(sq_hop_touch(x, l->key));
    if (made && is_old(x, r, true))
        SQ_TRY(begin_old(x, r));
    if (!r->old || x->both)
        SQ_TRY(sq_hop_add(x, hop_own(r), group));
    if (!r->old)
        SQ_TRY(sq_hop_add(x, hop_group(r->owner), group));
    for (struct hop_record *o = r->old ? r : NULL; o; o = o->prev)
        SQ_TRY(sq_hop_add(x, hop_sum(x, o), group));
    SQ_TRY(sq_hop_added(x));
    sq_hop_late_done(x, l);
    return SQ_OK;
}

/* Moves on to the window that begins there, and puts it out. */
static sq_rc move_to(struct hop *x, int64_t start)
{
    struct sq_window_due d;

    if (x->placed && start > x->middle)
        SQ_TRY(make_old(x));
    while (sq_window_heap_take(&x->entered, start - 1, &d))
        SQ_TRY(drop_slice(x, d.of));
    if (x->entered.n == 0)
        x->middle = start;
    x->start = start;
    x->until = start + x->w.spec.size;
    x->front = x->until > x->front ? x->until : x->front;
    x->placed = true;
    while (sq_window_heap_take(&x->coming, x->until - 1, &d))
        SQ_TRY(d.end < start ? drop_slice(x, d.of) : enter_slice(x, d.of));
    while (sq_window_heap_take(&x->late, start, &d))
        SQ_TRY(enter_late(x, d.of));
    return sq_hop_emit(x);
}

static sq_rc advance(struct hop *x, int64_t to)
{
    int64_t start;

    while (next_window(x, &start) && start + x->w.spec.size <= to) {
        SQ_TRY(sq_check_interrupt(x->a.base.ctx));
        SQ_TRY(move_to(x, start));
    }
    x->watermark = to > x->watermark ? to : x->watermark;
    return SQ_OK;
}

static sq_rc hop_watermark(struct sq_op *op, int64_t ts)
{
    struct hop *x = SQ_OP(op, struct hop);

    if (op->plan->final && ts != SQ_TS_MAX)      /* batch mode: nothing is late */
        return SQ_OK;
    if (!sq_window_by_clock(&x->w) || ts == SQ_TS_MAX)
        SQ_TRY(advance(x, sq_window_watermark(&x->w, ts)));
    return sq_emit_watermark(op, ts);
}

static sq_rc hop_timer(struct sq_op *op, int64_t now)
{
    struct hop *x = SQ_OP(op, struct hop);

    SQ_TRY(advance(x, sq_window_watermark(&x->w, now)));
    wake(x);
    return SQ_OK;
}

static sq_rc hop_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    SQ_TRY(sq_hop_restore(op, in));
    wake(SQ_OP(op, struct hop));
    return SQ_OK;
}

/* ---- opening and closing ---- */

static sq_rc hop_open(struct sq_op *op)
{
    struct hop *x = SQ_OP(op, struct hop);

    x->a.retracts = op->plan->inputs[0]->mode != SQ_MODE_INSERT;
    x->watermark = SQ_TS_MIN;
    sq_windows_init(&x->w, op->plan->u.agg.window, &op->config->session);
    x->time = sq_alloc(op->ctx, SQ_BATCH_ROWS * sizeof *x->time);
    x->wm_room = sq_alloc(op->ctx, SQ_BATCH_ROWS * sizeof *x->wm_room);
    if (!x->time || !x->wm_room)
        return SQ_NOMEM;
    SQ_TRY(sq_hop_state_open(x));
    return sq_hop_emit_open(x);
}

static void hop_close(struct sq_op *op)
{
    struct hop *x = SQ_OP(op, struct hop);

    sq_hop_emit_close(x);
    sq_hop_state_close(x);
    sq_free(op->ctx, x->time);
    sq_free(op->ctx, x->wm_room);
}

bool sq_hop_can(const struct sq_plan *p)
{
    if (p->u.agg.attached || p->u.agg.window->kind != SQ_WINDOW_HOP || p->u.agg.window->size == p->u.agg.window->step)
        return false;
    for (uint32_t i = 0; i < p->u.agg.nitems; i++)
        if (p->u.agg.items[i].distinct || !p->u.agg.items[i].agg->merge || (p->inputs[0]->mode != SQ_MODE_INSERT && p->u.agg.items[i].agg->drop))
            return false;                        /* what keeps values can take back only what it has seen */
    return true;
}

const struct sq_op_class sq_op_hop = {
    .name = "HopAggregate", .size = sizeof(struct hop), .open = hop_open, .batch = hop_batch, .watermark = hop_watermark, .timer = hop_timer,
    .snapshot = sq_hop_snapshot, .restore = hop_restore, .state_bytes = sq_hop_bytes, .close = hop_close,
};
