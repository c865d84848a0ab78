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

static bool merges(const struct sq_plan *p)
{
    for (uint32_t i = 0; i < p->u.agg.nitems; i++)
        if (!p->u.agg.items[i].agg->merge)
            return false;
    return true;
}

static sq_rc storage(struct window_aggregate *x)
{
    struct sq_ctx *ctx = x->a.base.ctx;

    x->time = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->time);
    x->start = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->start);
    x->end = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->end);
    x->which = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->which);
    x->order = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->order);
    x->first = sq_alloc(ctx, (SQ_BATCH_ROWS + 2) * sizeof *x->first);
    x->found = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->found);
    x->hash = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->hash);
    x->key = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->key);
    x->null = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->null);
    x->apart = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->apart);
    x->wm_room = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->wm_room);
    return x->wm_room && x->time && x->start && x->end && x->which && x->order && x->first && x->found && x->hash && x->key && x->null && x->apart ? SQ_OK : SQ_NOMEM;
}

static sq_rc open(struct sq_op *op)
{
    struct window_aggregate *x = SQ_OP(op, struct window_aggregate);
    const struct sq_plan *p = op->plan, *in = p->inputs[0];
    enum sq_window_kind kind = p->u.agg.window->kind;

    x->a.retracts = in->mode != SQ_MODE_INSERT;
    x->watermark = SQ_TS_MIN;
    sq_windows_init(&x->w, p->u.agg.window, &op->config->session);
    if (!p->u.agg.attached && merges(p))
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

/* Where the bucket of a time that is judged by the watermark begins and ends; false: its windows are all over. A row of a step of CUMULATE that is over goes to what has been
 * cumulated; where it is over for the row alone, whose split is ahead of others, to the last step of the first window that is not. */
static bool slice_of(const struct window_aggregate *x, int64_t t, int64_t wm, int64_t *from, int64_t *to)
{
    *from = sq_window_floor(&x->w, t, x->w.slice);
    *to = *from + x->w.slice;
    if (sq_window_last(&x->w, t) <= wm)
        return false;
    if (x->how == BY_STEP && *to <= wm) {
        int64_t base = sq_window_floor(&x->w, t, x->w.spec.size), step = base + (wm - base) / x->w.slice * x->w.slice;
        bool over = step <= x->watermark;
        *from = over ? base : step;
        *to = over ? base + x->w.spec.size : step + x->w.slice;
    }
    return true;
}

/* Of HOP: windows of the row are over for it that the operator has still open, and others are not. Its slice is in both, so it goes to each of the others by itself. */
static bool is_apart(const struct window_aggregate *x, int64_t t, int64_t wm)
{
    int64_t last = sq_window_last(&x->w, t), first = last - (sq_windows_most(&x->w) - 1) * x->w.spec.step;

    while (first <= t)                           /* the most are not always there */
        first += x->w.spec.step;
    return wm > x->watermark && first <= wm && last > wm;
}

static uint32_t slice_bounds(struct window_aggregate *x, const struct sq_batch *in)
{
    int64_t from = 0, to = 0, begin = 0, end = 0;    /* rows often come in the order of time */
    bool ok = false;
    uint32_t n = 0;

    for (uint32_t i = 0; i < in->nsel; i++) {
        int64_t t = x->time[i];
        if (t < from || t >= to || t == SQ_TS_MIN || x->wm) {
            ok = t != SQ_TS_MIN && slice_of(x, t, row_watermark(x, i), &begin, &end);
            from = t == SQ_TS_MIN ? 0 : sq_window_floor(&x->w, t, x->w.slice);
            to = t == SQ_TS_MIN ? 0 : from + x->w.slice;
        }
        x->which[i] = ok;
        x->start[i] = begin;
        x->end[i] = end;
        n += ok;
        if (ok && x->wm && x->how == BY_SLICE && is_apart(x, t, x->wm[i])) {
            x->which[i] = 0;
            x->apart[x->napart++] = i;
        }
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
        if (last && x->found[last - 1]->start == x->start[i] && x->found[last - 1]->end == x->end[i]) {
            x->which[i] = last;
            continue;
        }
        struct bucket *b;
        bool cumulated = x->how == BY_STEP && x->end[i] - x->start[i] != x->w.slice;
        SQ_TRY(sq_window_bucket(x, x->start[i], x->end[i], cumulated, true, &b));
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
        if (!add && g->rows == 0)
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

/* Rows of no time at all are in no window; of the others those that found none are late. */
static void count_late(struct window_aggregate *x, const struct sq_batch *in, uint32_t taken)
{
    struct sq_input_state *s = &x->a.base.ins[0];

    s->late += in->nsel - taken;
}

static sq_rc windows_of_rows(struct window_aggregate *x, const struct sq_batch *in)
{
    uint32_t some = 0, most = sq_windows_most(&x->w);

    for (uint32_t i = 0; i < in->nsel; i++)
        some += x->time[i] != SQ_TS_MIN && sq_window_last(&x->w, x->time[i]) > row_watermark(x, i);
    uint64_t filtered = x->a.base.ins[0].filtered;
    for (uint32_t j = 0; j < most; j++)
        if (window_bounds(x, in, j))
            SQ_TRY(apply(x, in));
    x->a.base.ins[0].filtered = filtered;        /* a row counts once, whatever its windows made of it */
    sq_op_accept(&x->a.base, 0, some);
    count_late(x, in, some);
    return SQ_OK;
}

/* Rows that are late for some of their windows only go to each of the others by itself. */
static sq_rc rows_apart(struct window_aggregate *x, const struct sq_batch *in)
{
    uint64_t filtered = x->a.base.ins[0].filtered;

    for (uint32_t j = 0; j < sq_windows_most(&x->w); j++) {
        uint32_t n = 0;
        memset(x->which, 0, in->nsel * sizeof *x->which);
        for (uint32_t k = 0; k < x->napart; k++) {
            uint32_t i = x->apart[k];
            x->which[i] = sq_window_nth(&x->w, x->time[i], j, &x->start[i], &x->end[i]) && x->end[i] > row_watermark(x, i);
            n += x->which[i];
        }
        if (n)
            SQ_TRY(apply(x, in));
    }
    x->a.base.ins[0].filtered = filtered;
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
        sq_window_times(&x->w, in, &in->cols[p->u.agg.time], x->time);
    if (!p->u.agg.attached && x->how == BY_WINDOW && x->w.slice != x->w.spec.size)
        return windows_of_rows(x, in);
    x->napart = 0;
    taken = p->u.agg.attached ? column_bounds(x, in) : slice_bounds(x, in);
    if (taken)
        SQ_TRY(apply(x, in));
    filtered = op->ins[0].filtered - filtered;
    if (x->napart)
        SQ_TRY(rows_apart(x, in));
    sq_op_accept(op, 0, taken - (uint32_t)filtered);
    count_late(x, in, taken);
    return SQ_OK;
}

/* ---- windows that are over ---- */

static sq_rc put_out(struct window_aggregate *x, struct sq_entry *const *e, uint32_t n, int64_t start, int64_t end)
{
    struct aggregate *a = &x->a;
    struct sq_col *w = a->out.cols + a->ngroup + a->nitems;

    SQ_TRY(sq_check_interrupt(a->base.ctx));
    sq_out_reset(&a->out);
    SQ_TRY(sq_keys_append(&a->keys, e, n, a->out.cols));
    SQ_TRY(sq_agg_results(a, e, n, a->out.cols + a->ngroup));
    for (uint32_t i = 0; i < n; i++) {
        SQ_TRY(sq_col_append_fixed(&w[0], &start));
        SQ_TRY(sq_col_append_fixed(&w[1], &end));
    }
    SQ_TRY(sq_window_time(&x->w, end, n, &w[2]));
    SQ_TRY(sq_out_rows(&a->out, n));
    return sq_emit_batch(&a->base, sq_out_batch(&a->out));
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

    SQ_TRY(sq_window_bucket(x, d->start, d->end, false, false, &b));
    if (!b)
        return SQ_OK;
    SQ_TRY(emit_window(x, b, d->start, d->end));
    sq_window_drop(x, b);
    return SQ_OK;
}

/* Puts the window's slices together; *sum: those, where they are more than one. */
/* Puts the bucket to the others of the window: the first one alone, then a sum of all. */
static sq_rc merge_one(struct window_aggregate *x, const struct sq_window_due *d, struct bucket *b, struct bucket **only, struct bucket **sum)
{
    if (!b)
        return SQ_OK;
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

    SQ_TRY(sq_window_bucket(x, d->start, d->end, false, false, &b));         /* rows that are in it alone */
    SQ_TRY(merge_one(x, d, b, only, sum));
    for (int64_t s = d->start; s < d->end; s += x->w.slice) {
        SQ_TRY(sq_window_bucket(x, s, s + x->w.slice, false, false, &b));
        *later |= b && s >= d->start + x->w.spec.step;
        SQ_TRY(merge_one(x, d, b, only, sum));
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
    SQ_TRY(sq_window_bucket(x, d->start, d->end, false, false, &b));
    if (b)
        sq_window_drop(x, b);
    for (int64_t s = d->start; s < d->start + x->w.spec.step; s += x->w.slice) {
        SQ_TRY(sq_window_bucket(x, s, s + x->w.slice, false, false, &b));
        if (b)
            sq_window_drop(x, b);
    }
    return later ? sq_window_heap_put(&x->due, (struct sq_window_due){.end = d->end + x->w.spec.step, .start = d->start + x->w.spec.step}) : SQ_OK;
}

static sq_rc over_steps(struct window_aggregate *x, const struct sq_window_due *d)
{
    struct bucket *sum, *b;
    int64_t step = x->w.spec.step, end = d->start + x->w.spec.size;

    SQ_TRY(sq_window_bucket(x, d->start, end, true, true, &sum));
    for (int64_t s = d->start; s < d->end; s += step) {
        SQ_TRY(sq_window_bucket(x, s, s + step, false, false, &b));
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

static sq_rc watermark(struct sq_op *op, int64_t ts)
{
    struct window_aggregate *x = SQ_OP(op, struct window_aggregate);
    struct sq_window_due d;

    if (op->plan->final && ts != SQ_TS_MAX)      /* batch mode: nothing is late */
        return SQ_OK;
    int64_t to = sq_window_watermark(&x->w, ts);
    while (sq_window_heap_take(&x->due, to, &d)) {
        x->watermark = d.end > x->watermark ? d.end : x->watermark;
        SQ_TRY(x->how == BY_WINDOW ? over_window(x, &d) : x->how == BY_SLICE ? over_slices(x, &d) : over_steps(x, &d));
    }
    x->watermark = to > x->watermark ? to : x->watermark;
    return sq_emit_watermark(op, ts);
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
    sq_free(ctx, x->which);
    sq_free(ctx, x->order);
    sq_free(ctx, x->first);
    sq_free(ctx, x->found);
    sq_free(ctx, x->hash);
    sq_free(ctx, x->key);
    sq_free(ctx, x->null);
    sq_free(ctx, x->apart);
    sq_free(ctx, x->wm_room);
}

const struct sq_op_class sq_op_window_aggregate = {
    .name = "WindowAggregate", .size = sizeof(struct window_aggregate), .open = open, .batch = batch, .watermark = watermark,
    .snapshot = sq_window_snapshot, .restore = sq_window_restore, .state_bytes = sq_window_bytes, .close = close_op,
};
