/* SPDX-License-Identifier: Apache-2.0
 *
 * window_state.c: the buckets of window aggregates, and when which window is due.
 *
 * Each bucket has tables of its own, so that it is dropped whole. The machinery of GROUP BY (agg_state.c) works on the tables of one bucket at a time: using another one
 * moves the tables' heads, never an entry.
 *
 * Timers. A window is in the heap once it has rows: a bucket puts in the earliest window of its own that is not over; a window that is put out puts in the next one that
 * has rows of it. So the heap holds at most one entry for each bucket, and follows from buckets and watermark: it is not saved.
 */
#include "executor/operators/window_aggregate.h"

/* ---- buckets ---- */

static uint64_t hash_of(const struct bucket_name *n) { return sq_hash_mix((uint64_t)n->start ^ sq_hash_mix((uint64_t)n->end + (uint64_t)n->part)); }
static bool same(const struct bucket_name *a, const struct bucket_name *b) { return a->start == b->start && a->end == b->end && a->part == b->part; }

static struct sq_hashtab *table(struct bucket *b, uint32_t i) { return i == 0 ? &b->groups : &b->seen[i - 1]; }
static struct sq_hashtab *in_use(struct window_aggregate *x, uint32_t i) { return i == 0 ? &x->a.groups : &x->a.sets[i - 1].seen; }

void sq_window_use(struct window_aggregate *x, struct bucket *b)
{
    if (x->used == b)
        return;
    for (uint32_t i = 0; x->used && i <= x->a.nsets; i++)
        *table(x->used, i) = *in_use(x, i);
    for (uint32_t i = 0; i <= x->a.nsets; i++) {
        if (b)
            *in_use(x, i) = *table(b, i);
        else
            memset(in_use(x, i), 0, sizeof(struct sq_hashtab));
    }
    x->used = b;
}

int64_t sq_window_late_from(const struct window_aggregate *x, const struct bucket_name *n)
{
    return sq_window_first(&x->w, n->end, SQ_TS_MIN) + (n->part > PART_LATE ? (n->part - PART_LATE) * x->w.spec.step : 0);
}

/* The earliest window of the bucket's that is not over. */
static sq_rc put_timer(struct window_aggregate *x, const struct bucket *b)
{
    int64_t size = x->w.spec.size, step = x->w.spec.step, wm = x->watermark, start, end;

    if (x->how == BY_WINDOW)
        return sq_window_heap_put(&x->due, (struct sq_window_due){.end = b->name.end, .start = b->name.start});
    if (x->how == BY_STEP) {
        int64_t base = sq_window_floor(&x->w, b->name.start, size);
        end = b->name.part == PART_CUMULATED ? base + step : b->name.end;
        if (end <= wm)
            end = base + ((wm - base) / step + 1) * step;
        return end <= base + size ? sq_window_heap_put(&x->due, (struct sq_window_due){.end = end, .start = base}) : SQ_OK;
    }
    start = sq_window_late_from(x, &b->name);
    if (wm != SQ_TS_MIN && start + size <= wm)
        start = sq_window_floor(&x->w, wm - size, step) + step;
    return start <= b->name.start ? sq_window_heap_put(&x->due, (struct sq_window_due){.end = start + size, .start = start}) : SQ_OK;
}

static sq_rc new_bucket(struct window_aggregate *x, const struct bucket_name *n, struct bucket **out)
{
    struct sq_ctx *ctx = x->a.base.ctx;
    struct bucket *b = *out = sq_calloc(ctx, sizeof *b);
    size_t payload = x->a.payload;

    if (!b)
        return SQ_NOMEM;
    b->name = *n;
    if (x->a.nsets && !(b->seen = sq_calloc(ctx, x->a.nsets * sizeof *b->seen)))
        return SQ_NOMEM;
    SQ_TRY(sq_hashtab_init(&b->groups, ctx, payload));
    for (uint32_t i = 0; i < x->a.nsets; i++)
        SQ_TRY(sq_hashtab_init(&b->seen[i], ctx, sizeof(struct seen)));
    return SQ_OK;
}

void sq_window_free(struct window_aggregate *x, struct bucket *b)
{
    if (!b)
        return;
    if (b == x->used)
        sq_window_use(x, NULL);
    sq_agg_drop_all(&x->a, &b->groups);
    sq_hashtab_free(&b->groups);
    for (uint32_t i = 0; b->seen && i < x->a.nsets; i++)
        sq_hashtab_free(&b->seen[i]);
    sq_free(x->a.base.ctx, b->seen);
    sq_free(x->a.base.ctx, b);
}

/* A late part of a slice hangs on the slice. */
static sq_rc hang_on(struct window_aggregate *x, struct bucket *b)
{
    struct bucket *slice;

    if (b->name.part < PART_LATE)
        return SQ_OK;
    SQ_TRY(sq_window_bucket(x, (struct bucket_name){b->name.start, b->name.end, PART_ALL}, true, &slice));
    b->late = slice->late;
    slice->late = b;
    return SQ_OK;
}

sq_rc sq_window_bucket(struct window_aggregate *x, struct bucket_name n, bool make, struct bucket **out)
{
    uint64_t hash = hash_of(&n);
    struct sq_view key = sq_view_of((const char *)&n, sizeof n);
    struct sq_entry *e = NULL;

    if (x->used && same(&x->used->name, &n)) {
        *out = x->used;
        return SQ_OK;
    }
    *out = NULL;
    sq_hashtab_find(&x->buckets, 1, &hash, &key, NULL, &e);
    if (e)
        *out = *(struct bucket **)SQ_PAYLOAD(e);
    if (e || !make)
        return SQ_OK;
    sq_rc rc = new_bucket(x, &n, out);
    if (rc == SQ_OK)
        rc = sq_hashtab_upsert(&x->buckets, 1, &hash, &key, NULL, &e);
    if (rc != SQ_OK) {
        sq_window_free(x, *out);
        *out = NULL;
        return rc;
    }
    *(struct bucket **)SQ_PAYLOAD(e) = *out;
    SQ_TRY(put_timer(x, *out));
    return hang_on(x, *out);
}

sq_rc sq_window_sum(struct window_aggregate *x, int64_t start, int64_t end, struct bucket **out)
{
    sq_rc rc = new_bucket(x, &(struct bucket_name){start, end, PART_CUMULATED}, out);

    if (rc == SQ_OK)
        return SQ_OK;
    sq_window_free(x, *out);
    *out = NULL;
    return rc;
}

void sq_window_drop(struct window_aggregate *x, struct bucket *b)
{
    struct bucket_name n = b->name;
    uint64_t hash = hash_of(&n);
    struct sq_view key = sq_view_of((const char *)&n, sizeof n);
    struct sq_entry *e;

    for (struct bucket *l = n.part == PART_ALL ? b->late : NULL, *next; l; l = next) {
        next = l->late;
        sq_window_drop(x, l);
    }
    sq_hashtab_find(&x->buckets, 1, &hash, &key, NULL, &e);
    sq_window_free(x, b);
    if (e)
        sq_hashtab_remove(&x->buckets, e);
}

/* ---- opening ---- */

sq_rc sq_window_state_open(struct window_aggregate *x)
{
    struct sq_ctx *ctx = x->a.base.ctx;

    x->due.ctx = ctx;
    SQ_TRY(sq_agg_state_open(&x->a));
    sq_hashtab_free(&x->a.groups);               /* each bucket has its own */
    for (uint32_t i = 0; i < x->a.nsets; i++)
        sq_hashtab_free(&x->a.sets[i].seen);
    return sq_hashtab_init(&x->buckets, ctx, sizeof(struct bucket *));
}

void sq_window_state_close(struct window_aggregate *x)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    if (!x->a.base.ctx)
        return;
    sq_window_use(x, NULL);
    while (x->buckets.ctx && (e = sq_hashtab_next(&x->buckets, &it)))
        sq_window_free(x, *(struct bucket **)SQ_PAYLOAD(e));
    sq_hashtab_free(&x->buckets);
    sq_window_heap_free(&x->due);
    sq_agg_state_close(&x->a);
}

size_t sq_window_bytes(const struct sq_op *op)
{
    const struct window_aggregate *x = (const struct window_aggregate *)op;
    size_t n = sq_hashtab_bytes(&x->buckets) + x->a.hung + x->due.cap * sizeof *x->due.v;
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while (x->buckets.ctx && (e = sq_hashtab_next(&x->buckets, &it))) {
        const struct bucket *b = *(struct bucket **)SQ_PAYLOAD(e);
        n += sizeof *b + sq_hashtab_bytes(b == x->used ? &x->a.groups : &b->groups);
        for (uint32_t i = 0; i < x->a.nsets; i++)
            n += sq_hashtab_bytes(b == x->used ? &x->a.sets[i].seen : &b->seen[i]);
    }
    return n;
}

/* ---- saved: which bucket, then as GROUP BY has it ---- */

struct saving { struct sq_snapshot_out *to; struct bucket_name name; };

static struct sq_buf *begin_in_bucket(void *arg, uint32_t key_group)
{
    struct saving *s = arg;
    struct sq_buf *b = s->to->begin(s->to->arg, key_group);

    return b && sq_buf_add(b, &s->name, sizeof s->name) == SQ_OK ? b : NULL;
}

static sq_rc done_in_bucket(void *arg) { return ((struct saving *)arg)->to->done(((struct saving *)arg)->to->arg); }

sq_rc sq_window_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct window_aggregate *x = SQ_OP(op, struct window_aggregate);
    struct saving s = {.to = out};
    struct sq_snapshot_out inner = {.arg = &s, .begin = begin_in_bucket, .done = done_in_bucket};
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while ((e = sq_hashtab_next(&x->buckets, &it))) {
        struct bucket *b = *(struct bucket **)SQ_PAYLOAD(e);
        s.name = b->name;
        sq_window_use(x, b);
        SQ_TRY(sq_agg_snapshot(op, &inner));
    }
    return SQ_OK;
}

struct loading { struct window_aggregate *x; struct sq_snapshot_in *from; struct bucket_name name; uint32_t group; const char *p; size_t n; bool there; };

static sq_rc look_ahead(struct loading *l)
{
    SQ_TRY(l->from->next(l->from->arg, &l->group, &l->p, &l->n));
    l->there = l->p != NULL;
    if (!l->there)
        return SQ_OK;
    if (l->n < sizeof l->name)
        return sq_fail(l->x->a.base.ctx, SQ_DATA, "the saved state of a window aggregate is damaged");
    memcpy(&l->name, l->p, sizeof l->name);
    return SQ_OK;
}

/* The records of one bucket. */
static sq_rc next_in_bucket(void *arg, uint32_t *key_group, const char **p, size_t *n)
{
    struct loading *l = arg;
    const struct bucket *b = l->x->used;

    *p = NULL;
    *n = 0;
    if (!l->p)
        SQ_TRY(look_ahead(l));
    if (!l->there || !same(&l->name, &b->name))
        return SQ_OK;
    *key_group = l->group;
    *p = l->p + sizeof l->name;
    *n = l->n - sizeof l->name;
    l->p = NULL;
    return SQ_OK;
}

sq_rc sq_window_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct window_aggregate *x = SQ_OP(op, struct window_aggregate);
    struct loading l = {.x = x, .from = in};
    struct sq_snapshot_in inner = {.arg = &l, .next = next_in_bucket};
    struct bucket *b;

    x->watermark = sq_window_restored(op, &x->w);
    SQ_TRY(look_ahead(&l));
    while (l.there) {
        if (l.name.part < PART_ALL || (l.name.part >= PART_LATE && x->how != BY_SLICE))
            return sq_fail(op->ctx, SQ_DATA, "the saved state of a window aggregate is damaged");
        SQ_TRY(sq_window_bucket(x, l.name, true, &b));
        sq_window_use(x, b);
        SQ_TRY(sq_agg_restore(op, &inner));
    }
    return SQ_OK;
}
