/* SPDX-License-Identifier: Apache-2.0
 *
 * window_aggregate.c: GROUP BY windows. A row goes into its bucket: the group of its key there is updated, as by GROUP BY, a whole batch at a time. When the watermark reaches
 * the end of a window, its groups are put out, once, and what no later window needs is dropped.
 *
 *   TUMBLE, attached    a bucket is a window
 *   HOP                 a bucket is a slice (window.h): a row is added once, however many windows it lies in, and a window merges its slices. Without DISTINCT there is a better
 *                       way (hop.c)
 *   CUMULATE            a bucket is a step; when it is over it is merged into what has been cumulated, which is then put out and kept; rows of a step that is over go there at once
 *
 * An aggregate that cannot be merged gets a row of HOP and CUMULATE once for each window.
 *
 * A row whose windows are all over is late: dropped and counted. It is judged by the watermark of the rows before it in its split (op.h: sq_row_watermark).
 *
 * State: groups of windows that are not over. FLINK: the same, rows that are taken back too; the order of the rows of a window is that in which the groups came first.
 */
#include "executor/operators/window_aggregate.h"

/* ---- opening ---- */

static bool merges(const struct sq_plan *p, bool retracts)
{
    for (uint32_t i = 0; i < p->u.agg.nitems; i++)
        if (!p->u.agg.items[i].agg->merge || (retracts && (p->u.agg.items[i].distinct || p->u.agg.items[i].agg->drop)))
            return false;                        /* what keeps values can take back only what it has seen */
    return true;
}

static sq_rc storage(struct window_aggregate *x)
{
    struct sq_ctx *ctx = x->a.base.ctx;

    x->time = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->time);
    x->start = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->start);
    x->part = sq_calloc(ctx, SQ_BATCH_ROWS * sizeof *x->part);
    x->end = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->end);
    x->which = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->which);
    x->order = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->order);
    x->first = sq_alloc(ctx, (SQ_BATCH_ROWS + 2) * sizeof *x->first);
    x->found = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->found);
    x->hash = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->hash);
    x->key = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->key);
    x->null = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->null);
    x->wm_room = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->wm_room);
    return x->wm_room && x->part && x->time && x->start && x->end && x->which && x->order && x->first && x->found && x->hash && x->key && x->null ? SQ_OK : SQ_NOMEM;
}

static sq_rc open(struct sq_op *op)
{
    struct window_aggregate *x = SQ_OP(op, struct window_aggregate);
    const struct sq_plan *p = op->plan, *in = p->inputs[0];
    enum sq_window_kind kind = p->u.agg.window->kind;

    x->a.retracts = in->mode != SQ_MODE_INSERT;
    x->watermark = SQ_TS_MIN;
    sq_windows_init(&x->w, p->u.agg.window, &op->config->session);
    if (!p->u.agg.attached && merges(p, x->a.retracts) && !sq_window_by_clock(&x->w))   /* by the clock: which windows of a slice are over would not be known after a restart */
        x->how = kind == SQ_WINDOW_HOP && x->w.spec.size != x->w.spec.step ? BY_SLICE : kind == SQ_WINDOW_CUMULATE ? BY_STEP : BY_WINDOW;
    SQ_TRY(storage(x));
    SQ_TRY(sq_window_state_open(x));
    return sq_agg_emit_open(&x->a);
}

/* ---- rows to buckets ---- */

/* What row i of the batch is judged by. */
static inline int64_t row_watermark(const struct window_aggregate *x, uint32_t i) { return x->wm ? x->wm[i] : x->watermark; }

/* The bounds of the bucket number j of each row, by position; which[i] is 1 where it has one that is not over. */
static uint32_t window_bounds(struct window_aggregate *x, const struct sq_batch *in, uint32_t j)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < in->nsel; i++) {
        x->which[i] = x->time[i] != SQ_TS_MIN && sq_window_nth(&x->w, x->time[i], j, &x->start[i], &x->end[i]) && x->end[i] > row_watermark(x, i);
        n += x->which[i];
    }
    return n;
}

/* The bucket of row i; false: its windows are all over, or there are none. */
static bool bucket_of(const struct window_aggregate *x, uint32_t i, struct bucket_name *n)
{
    int64_t t = x->time[i], wm = row_watermark(x, i), last = sq_window_last(&x->w, t), slice = x->w.slice;

    *n = (struct bucket_name){.start = sq_window_floor(&x->w, t, slice)};
    n->end = n->start + slice;
    if (last <= wm || last <= t)
        return false;
    if (x->how == BY_STEP && n->end <= wm) {
        n->start = sq_window_floor(&x->w, t, x->w.spec.size);
        n->end = n->start + x->w.spec.size;
        n->part = PART_CUMULATED;
        if (wm == x->watermark)
            return true;
        *n = (struct bucket_name){.start = n->start + (wm - n->start) / slice * slice};   /* windows that are not put out yet are over for it: it counts in the next step */
        n->end = n->start + slice;
    } else if (x->how == BY_SLICE && wm > x->watermark && sq_window_first(&x->w, n->end, wm) > sq_window_first(&x->w, n->end, x->watermark)) {
        n->part = PART_LATE + (sq_window_first(&x->w, n->end, wm) - sq_window_first(&x->w, n->end, SQ_TS_MIN)) / x->w.spec.step;
    }
    return true;
}

static uint32_t slice_bounds(struct window_aggregate *x, const struct sq_batch *in)
{
    struct bucket_name name = {.start = 0};          /* rows often come in the order of time */
    int64_t from = 0, to = 0;
    bool ok = false;
    uint32_t n = 0;

    for (uint32_t i = 0; i < in->nsel; i++) {
        int64_t t = x->time[i];
        if (t < from || t >= to || (x->wm && x->wm[i] >= to)) {
            ok = t != SQ_TS_MIN && bucket_of(x, i, &name);
            from = t == SQ_TS_MIN ? 0 : sq_window_floor(&x->w, t, x->w.slice);
            to = from + x->w.slice;
            if (t == SQ_TS_MIN || row_watermark(x, i) >= to)
                to = from;                       /* good for this row alone */
        }
        x->which[i] = ok;
        x->start[i] = name.start;
        x->end[i] = name.end;
        x->part[i] = name.part;
        n += ok;
    }
    return n;
}

static int64_t at(const struct sq_vec *v, uint32_t r)
{
    v = sq_vec_at(v, &r);
    return ((const int64_t *)v->data)[r];
}

static uint32_t column_bounds(struct window_aggregate *x, const struct sq_batch *in)
{
    const struct sq_plan *p = x->a.base.plan;
    uint32_t n = 0;

    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        x->which[i] = !sq_vec_null(&in->cols[p->u.agg.start], r) && !sq_vec_null(&in->cols[p->u.agg.end], r);
        if (!x->which[i])
            continue;
        x->start[i] = at(&in->cols[p->u.agg.start], r);
        x->end[i] = at(&in->cols[p->u.agg.end], r);
        x->which[i] = x->end[i] > row_watermark(x, i);
        n += x->which[i];
    }
    return n;
}

/* The number of each row's bucket among those of the batch, from 1; 0: none. */
static sq_rc find_buckets(struct window_aggregate *x, uint32_t n)
{
    uint32_t last = 0;

    x->nfound = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!x->which[i])
            continue;
        const struct bucket *before = last ? x->found[last - 1] : NULL;
        if (before && before->name.start == x->start[i] && before->name.end == x->end[i] && before->name.part == x->part[i]) {
            x->which[i] = last;
            continue;
        }
        struct bucket *b;
        SQ_TRY(sq_window_bucket(x, (struct bucket_name){x->start[i], x->end[i], x->part[i]}, true, &b));
        if (b->number == 0) {
            x->found[x->nfound] = b;
            b->number = ++x->nfound;
        }
        last = x->which[i] = b->number;
    }
    for (uint32_t k = 0; k < x->nfound; k++)
        x->found[k]->number = 0;
    return SQ_OK;
}

/* Positions bucket by bucket, in their order. */
static void sort_rows(struct window_aggregate *x, uint32_t n)
{
    memset(x->first, 0, (x->nfound + 2) * sizeof *x->first);
    for (uint32_t i = 0; i < n; i++)
        x->first[x->which[i] + 1]++;
    for (uint32_t k = 0; k <= x->nfound; k++)
        x->first[k + 1] += x->first[k];
    for (uint32_t i = 0; i < n; i++)
        x->order[x->first[x->which[i]]++] = i;
    memmove(x->first + 1, x->first, (x->nfound + 1) * sizeof *x->first);
    x->first[0] = 0;
}

/* Rows are counted, as GROUP BY counts them; those that remain stand in a->row, a->pos, a->entry. */
static struct agg_rows count_rows(struct window_aggregate *x, const struct sq_batch *in, const uint32_t *pos, uint32_t n)
{
    struct aggregate *a = &x->a;
    uint32_t k = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct group *g = group_of(a->entry[i]);
        uint32_t r = sq_row(in, pos[i]);
        bool add = sq_kind_adds(sq_row_kind(in, r));
        if (!add && g->rows == 0 && x->how == BY_WINDOW)   /* a part of a window may come to less than nothing */
            continue;
        if (!g->serial)
            g->serial = ++a->serial;
        g->rows += add ? 1 : -1;
        a->entry[k] = a->entry[i];
        a->row[k] = r;
        a->pos[k++] = pos[i];
    }
    a->base.ins[0].filtered += n - k;
    return (struct agg_rows){a->row, a->pos, a->entry, k};
}

static sq_rc add_rows(struct window_aggregate *x, const struct sq_batch *in, struct bucket *b, const uint32_t *pos, uint32_t n)
{
    struct aggregate *a = &x->a;
    const uint64_t *hash = a->keys.hash;
    const struct sq_view *key = a->keys.key;
    const uint8_t *null = a->keys.null;

    sq_window_use(x, b);
    if (n < in->nsel) {
        for (uint32_t i = 0; i < n; i++) {
            x->hash[i] = hash[pos[i]];
            x->key[i] = key[pos[i]];
            if (null)
                x->null[i] = null[pos[i]];
        }
        hash = x->hash;
        key = x->key;
        null = null ? x->null : NULL;
    }
    SQ_TRY(sq_hashtab_upsert(&a->groups, n, hash, key, null, a->entry));
    return sq_agg_apply(a, in, count_rows(x, in, pos, n));
}

static sq_rc apply(struct window_aggregate *x, const struct sq_batch *in)
{
    SQ_TRY(find_buckets(x, in->nsel));
    sort_rows(x, in->nsel);
    for (uint32_t k = 1; k <= x->nfound; k++)
        SQ_TRY(add_rows(x, in, x->found[k - 1], x->order + x->first[k], x->first[k + 1] - x->first[k]));
    return SQ_OK;
}

static void get_times(struct window_aggregate *x, const struct sq_batch *in)
{
    if (sq_window_by_clock(&x->w))
        sq_window_now(&x->a.base, &x->w, x->watermark, in->nsel, x->time);
    else
        sq_window_times(&x->w, in, &in->cols[x->a.base.plan->u.agg.time], x->time);
}

static void wake(struct window_aggregate *x)
{
    if (sq_window_by_clock(&x->w) && x->due.n)
        sq_window_wake(&x->a.base, &x->w, x->due.v[0].end);
}

/* Rows that were not taken: those of no time, and between two windows, are in none; the others are late. */
static sq_rc count_late(struct window_aggregate *x, const struct sq_batch *in, uint32_t taken)
{
    struct sq_op *op = &x->a.base;
    bool attached = op->plan->u.agg.attached;

    for (uint32_t i = 0; taken < in->nsel && i < in->nsel; i++) {
        int64_t last = attached || x->time[i] == SQ_TS_MIN ? SQ_TS_MIN : sq_window_last(&x->w, x->time[i]);
        if (!attached && (x->time[i] == SQ_TS_MIN || last <= x->time[i]))
            op->ins[0].filtered++;
        else if (attached ? !x->which[i] : last <= row_watermark(x, i))
            SQ_TRY(sq_op_late(op, 0, in, sq_row(in, i)));
    }
    return SQ_OK;
}

static sq_rc windows_of_rows(struct window_aggregate *x, const struct sq_batch *in)
{
    uint32_t some = 0, most = sq_windows_most(&x->w);

    for (uint32_t i = 0; i < in->nsel; i++)
        some += x->time[i] != SQ_TS_MIN && sq_window_last(&x->w, x->time[i]) > (row_watermark(x, i) > x->time[i] ? row_watermark(x, i) : x->time[i]);
    memset(x->part, 0, in->nsel * sizeof *x->part);
    uint64_t filtered = x->a.base.ins[0].filtered;
    for (uint32_t j = 0; j < most; j++)
        if (window_bounds(x, in, j))
            SQ_TRY(apply(x, in));
    x->a.base.ins[0].filtered = filtered;        /* a row counts once, whatever its windows made of it */
    sq_op_accept(&x->a.base, 0, some);
    SQ_TRY(count_late(x, in, some));
    wake(x);
    return SQ_OK;
}

static sq_rc batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct window_aggregate *x = SQ_OP(op, struct window_aggregate);
    const struct sq_plan *p = op->plan;
    uint64_t filtered = op->ins[0].filtered;
    uint32_t taken;

    (void)input;
    SQ_TRY(sq_keys_load(&x->a.keys, in));
    SQ_TRY(sq_agg_load(&x->a, in));
    x->wm = sq_window_row_watermarks(&x->w, in, x->watermark, x->wm_room);
    if (!p->u.agg.attached)
        get_times(x, in);
    if (!p->u.agg.attached && x->how == BY_WINDOW && x->w.slice != x->w.spec.size)
        return windows_of_rows(x, in);
    taken = p->u.agg.attached ? column_bounds(x, in) : slice_bounds(x, in);
    if (taken)
        SQ_TRY(apply(x, in));
    sq_op_accept(op, 0, taken - (op->ins[0].filtered - filtered));
    SQ_TRY(count_late(x, in, taken));
    wake(x);
    return SQ_OK;
}

/* ---- windows that are over ---- */

static struct sq_vec constant(const struct sq_type *t, void *data) { return (struct sq_vec){.type = t, .enc = SQ_CONST, .data = data}; }

/* The window's bounds are the same for all rows. */
static sq_rc put_out(struct window_aggregate *x, struct sq_entry *const *e, uint32_t n, int64_t start, int64_t end)
{
    struct aggregate *a = &x->a;
    const struct sq_plan *p = a->base.plan;
    uint32_t at = p->ncols - 3;
    struct sq_col *time = a->out.cols + at + 2;

    SQ_TRY(sq_check_interrupt(a->base.ctx));
    sq_out_reset(&a->out);
    SQ_TRY(sq_keys_append(&a->keys, e, n, a->out.cols));
    SQ_TRY(sq_agg_results(a, e, n, a->out.cols + a->ngroup));
    SQ_TRY(sq_window_time(&x->w, end, 1, time));
    for (uint32_t i = 0; i < at; i++) {
        sq_col_seal(&a->out.cols[i]);
        a->vecs[i] = a->out.cols[i].vec;
    }
    a->vecs[at] = constant(p->cols[at].type, &start);
    a->vecs[at + 1] = constant(p->cols[at + 1].type, &end);
    a->vecs[at + 2] = constant(p->cols[at + 2].type, time->vec.data);
    return sq_emit_batch(&a->base, &(struct sq_batch){.rows = n, .nsel = n, .ncols = p->ncols, .cols = a->vecs});
}

static sq_rc emit_window(struct window_aggregate *x, struct bucket *b, int64_t start, int64_t end)
{
    struct aggregate *a = &x->a;
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;
    uint32_t n = 0;

    sq_window_use(x, b);
    while ((e = sq_hashtab_next(&a->groups, &it))) {
        if (group_of(e)->rows <= 0)
            continue;
        a->entry[n++] = e;
        if (n == SQ_BATCH_ROWS) {
            SQ_TRY(put_out(x, a->entry, n, start, end));
            n = 0;
        }
    }
    return n ? put_out(x, a->entry, n, start, end) : SQ_OK;
}

/* The groups are in the bucket in use. `groups`, where there are distinct sets: serial -> group. */
static sq_rc merge_some(struct window_aggregate *x, struct sq_entry *const *from, uint32_t n, struct sq_hashtab *groups)
{
    struct aggregate *a = &x->a;

    for (uint32_t i = 0; i < n; i++) {
        x->hash[i] = from[i]->hash;
        x->key[i] = from[i]->key;
        x->null[i] = (from[i]->flags & SQ_ENTRY_NULL) != 0;
    }
    SQ_TRY(sq_hashtab_upsert(&a->groups, n, x->hash, x->key, x->null, a->entry));
    for (uint32_t i = 0; a->nsets && i < n; i++) {
        uint64_t serial = group_of(from[i])->serial, hash = sq_hash_mix(serial);
        struct sq_view key = sq_view_of((const char *)&serial, sizeof serial);
        struct sq_entry *e;
        if (!group_of(a->entry[i])->serial)
            group_of(a->entry[i])->serial = ++a->serial;
        SQ_TRY(sq_hashtab_upsert(groups, 1, &hash, &key, NULL, &e));
        *(struct sq_entry **)SQ_PAYLOAD(e) = a->entry[i];
    }
    return sq_agg_merge_groups(a, a->entry, from, n);
}

static struct sq_entry *group_by_serial(void *groups, uint64_t serial)
{
    struct sq_view key = sq_view_of((const char *)&serial, sizeof serial);
    uint64_t hash = sq_hash_mix(serial);
    struct sq_entry *e;

    sq_hashtab_find(groups, 1, &hash, &key, NULL, &e);
    return e ? *(struct sq_entry **)SQ_PAYLOAD(e) : NULL;
}

static sq_rc merge_all(struct window_aggregate *x, const struct bucket *from, struct sq_hashtab *groups)
{
    struct sq_entry *some[256];
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;
    uint32_t n = 0;

    while ((e = sq_hashtab_next(&from->groups, &it))) {
        some[n++] = e;
        if (n == SQ_LEN(some)) {
            SQ_TRY(merge_some(x, some, n, groups));
            n = 0;
        }
    }
    if (n > 0)
        SQ_TRY(merge_some(x, some, n, groups));
    for (uint32_t i = 0; i < x->a.nsets; i++)
        SQ_TRY(sq_agg_merge_set(&x->a, i, &from->seen[i], group_by_serial, groups));
    return SQ_OK;
}

static sq_rc merge(struct window_aggregate *x, struct bucket *to, const struct bucket *from)
{
    struct sq_hashtab groups = {.ctx = NULL};

    sq_window_use(x, to);
    if (x->a.nsets)
        SQ_TRY(sq_hashtab_init(&groups, x->a.base.ctx, sizeof(struct sq_entry *)));
    sq_rc rc = merge_all(x, from, &groups);
    sq_hashtab_free(&groups);
    return rc;
}

static sq_rc over_window(struct window_aggregate *x, const struct sq_window_due *d)
{
    struct bucket *b;

    SQ_TRY(sq_window_bucket(x, (struct bucket_name){d->start, d->end, 0}, false, &b));
    if (!b)
        return SQ_OK;
    SQ_TRY(emit_window(x, b, d->start, d->end));
    sq_window_drop(x, b);
    return SQ_OK;
}

/* Puts the window's slices together; *sum: those, where they are more than one. */
static sq_rc merge_slice(struct window_aggregate *x, const struct sq_window_due *d, struct bucket *b, struct bucket **only, struct bucket **sum)
{
    if (!*only) {
        *only = b;
        return SQ_OK;
    }
    if (!*sum) {
        SQ_TRY(sq_window_sum(x, d->start, d->end, sum));
        SQ_TRY(merge(x, *sum, *only));
    }
    return merge(x, *sum, b);
}

static sq_rc merge_slices(struct window_aggregate *x, const struct sq_window_due *d, struct bucket **only, struct bucket **sum, bool *later)
{
    struct bucket *b;

    for (int64_t s = d->start; s < d->end; s += x->w.slice) {
        SQ_TRY(sq_window_bucket(x, (struct bucket_name){s, s + x->w.slice, 0}, false, &b));
        if (!b)
            continue;
        *later |= s >= d->start + x->w.spec.step;
        SQ_TRY(merge_slice(x, d, b, only, sum));
        for (struct bucket *l = b->late; l; l = l->late)
            if (sq_window_late_from(x, &l->name) <= d->start)
                SQ_TRY(merge_slice(x, d, l, only, sum));
    }
    return SQ_OK;
}

/* The slices are merged for this window alone; those of its first slide are in no later one. */
static sq_rc over_slices(struct window_aggregate *x, const struct sq_window_due *d)
{
    struct bucket *only = NULL, *sum = NULL, *b;
    bool later = false;

    sq_rc rc = merge_slices(x, d, &only, &sum, &later);
    if (rc == SQ_OK && only)
        rc = emit_window(x, sum ? sum : only, d->start, d->end);
    if (sum)
        sq_window_free(x, sum);
    SQ_TRY(rc);
    for (int64_t s = d->start; s < d->start + x->w.spec.step; s += x->w.slice) {
        SQ_TRY(sq_window_bucket(x, (struct bucket_name){s, s + x->w.slice, 0}, false, &b));
        if (b)
            sq_window_drop(x, b);
    }
    return later ? sq_window_heap_put(&x->due, (struct sq_window_due){.end = d->end + x->w.spec.step, .start = d->start + x->w.spec.step}) : SQ_OK;
}

static sq_rc over_steps(struct window_aggregate *x, const struct sq_window_due *d)
{
    struct bucket *sum, *b;
    int64_t step = x->w.spec.step, end = d->start + x->w.spec.size;

    SQ_TRY(sq_window_bucket(x, (struct bucket_name){d->start, end, PART_CUMULATED}, true, &sum));
    for (int64_t s = d->start; s < d->end; s += step) {
        SQ_TRY(sq_window_bucket(x, (struct bucket_name){s, s + step, 0}, false, &b));
        if (!b)
            continue;
        SQ_TRY(merge(x, sum, b));
        sq_window_drop(x, b);
    }
    SQ_TRY(emit_window(x, sum, d->start, d->end));
    if (d->end < end)
        return sq_window_heap_put(&x->due, (struct sq_window_due){.end = d->end + step, .start = d->start});
    sq_window_drop(x, sum);
    return SQ_OK;
}

static sq_rc advance(struct window_aggregate *x, int64_t to)
{
    struct sq_window_due d;

    while (sq_window_heap_take(&x->due, to, &d)) {
        x->watermark = d.end > x->watermark ? d.end : x->watermark;
        SQ_TRY(x->how == BY_WINDOW ? over_window(x, &d) : x->how == BY_SLICE ? over_slices(x, &d) : over_steps(x, &d));
    }
    x->watermark = to > x->watermark ? to : x->watermark;
    return SQ_OK;
}

static sq_rc watermark(struct sq_op *op, int64_t ts)
{
    struct window_aggregate *x = SQ_OP(op, struct window_aggregate);

    if (op->plan->final && ts != SQ_TS_MAX)      /* batch mode: nothing is late */
        return SQ_OK;
    if (!sq_window_by_clock(&x->w) || ts == SQ_TS_MAX)
        SQ_TRY(advance(x, sq_window_watermark(&x->w, ts)));
    return sq_emit_watermark(op, ts);
}

static sq_rc timer(struct sq_op *op, int64_t now)
{
    struct window_aggregate *x = SQ_OP(op, struct window_aggregate);

    SQ_TRY(advance(x, sq_window_watermark(&x->w, now)));
    wake(x);
    return SQ_OK;
}

static sq_rc restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    SQ_TRY(sq_window_restore(op, in));
    wake(SQ_OP(op, struct window_aggregate));
    return SQ_OK;
}

static void close_op(struct sq_op *op)
{
    struct window_aggregate *x = SQ_OP(op, struct window_aggregate);
    struct sq_ctx *ctx = op->ctx;

    sq_agg_emit_close(&x->a);
    sq_window_state_close(x);
    sq_free(ctx, x->time);
    sq_free(ctx, x->start);
    sq_free(ctx, x->end);
    sq_free(ctx, x->part);
    sq_free(ctx, x->which);
    sq_free(ctx, x->order);
    sq_free(ctx, x->first);
    sq_free(ctx, x->found);
    sq_free(ctx, x->hash);
    sq_free(ctx, x->key);
    sq_free(ctx, x->null);
    sq_free(ctx, x->wm_room);
}

const struct sq_op_class sq_op_window_aggregate = {
    .name = "WindowAggregate", .size = sizeof(struct window_aggregate), .open = open, .batch = batch, .watermark = watermark, .timer = timer,
    .snapshot = sq_window_snapshot, .restore = restore, .state_bytes = sq_window_bytes, .close = close_op,
};
