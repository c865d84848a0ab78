/* SPDX-License-Identifier: Apache-2.0
 *
 * window_rank.c: ROW_NUMBER() … <= n within windows: window Top-N and, with n = 1, window deduplication.
 *
 * The rows of a window are kept, packed, until the watermark is at its end; then they are sorted, by partition and order, the places that are wanted are put out once, and nothing of
 * the window stays. A window that has many more rows than it had when it was last looked at is cut down to the places that can still count.
 *
 * State: rows of windows that are not over. Late rows are dropped and counted. FLINK: the same.
 */
#include "executor/keys.h"
#include "executor/sortkey.h"
#include "executor/window_store.h"

#include <stdlib.h>

enum { CUT_AT = 4096 };

struct item { uint32_t at, end, npartition; };               /* in `sorts`: partition key, sort key; the row's number is its place in the array before sorting */

struct window_rank {
    struct sq_op base;
    struct sq_windows w;
    struct sq_window_store store;
    struct sq_keys keys;
    struct sq_out rows, out;
    struct sq_buf sorts;
    struct item *items;
    size_t items_cap;
    uint32_t *order, *wanted;
    size_t order_cap, wanted_cap;
    uint64_t *hash;
    size_t hash_cap;
    int64_t watermark;
    int64_t wm[SQ_BATCH_ROWS];             /* what rows are judged by */
};

static sq_rc window_rank_open(struct sq_op *op)
{
    struct window_rank *x = SQ_OP(op, struct window_rank);
    const struct sq_plan *p = op->plan, *in = p->inputs[0];
    const struct sq_type **types = sq_alloc(op->ctx, (p->u.rank.npartition + 1) * sizeof *types);
    sq_rc rc;

    if (!types)
        return SQ_NOMEM;
    x->watermark = SQ_TS_MIN;
    sq_buf_init(&x->sorts, op->ctx);
    sq_windows_init(&x->w, in->window->spec, &op->config->session);
    for (uint32_t i = 0; i < p->u.rank.npartition; i++)
        types[i] = in->cols[p->u.rank.partition[i]].type;
    rc = sq_keys_init(&x->keys, op->ctx, types, p->u.rank.partition, p->u.rank.npartition);
    sq_free(op->ctx, types);
    SQ_TRY(rc);
    SQ_TRY(sq_window_store_init(&x->store, op->ctx));
    SQ_TRY(sq_op_out(op->ctx, in->cols, in->ncols, &x->rows));
    return sq_op_out(op->ctx, p->cols, p->ncols, &x->out);
}

/* ---- sorting the rows of a window ---- */

static struct sq_str part(const struct window_rank *x, const struct item *i) { return (struct sq_str){x->sorts.p + i->at, i->npartition}; }

static int compare(const void *a, const void *b, void *arg)
{
    const struct window_rank *x = arg;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    const struct item *p = &x->items[i], *q = &x->items[k];
    int d = sq_sortkey_compare(part(x, p), part(x, q));

    if (!d)
        d = sq_sortkey_compare((struct sq_str){x->sorts.p + p->at + p->npartition, p->end - p->at - p->npartition},
                               (struct sq_str){x->sorts.p + q->at + q->npartition, q->end - q->at - q->npartition});
    if (!d)
        d = (i > k) - (i < k);
    else
        return d;
    return x->base.plan->u.rank.last_of_equals ? -d : d;
}

static sq_rc item_of(struct window_rank *x, uint32_t r)
{
    const struct sq_plan *p = x->base.plan;
    struct item *it = &x->items[r];

    it->at = (uint32_t)x->sorts.n;
    SQ_TRY(sq_row_pack(&x->sorts, sq_out_batch(&x->rows)->cols, p->u.rank.partition, p->u.rank.npartition, r));
    it->npartition = (uint32_t)x->sorts.n - it->at;
    SQ_TRY(sq_sortkey(&x->sorts, sq_out_batch(&x->rows)->cols, p->u.rank.keys, p->u.rank.nkeys, r));
    it->end = (uint32_t)x->sorts.n;
    return x->sorts.n > UINT32_MAX / 2 ? sq_fail(x->base.ctx, SQ_LIMIT, "the sort keys of one window take more than 2 GB") : SQ_OK;
}

/* Unpacks the window's rows into x->rows and sorts them. *n: how many. */
static sq_rc sort_rows(struct window_rank *x, const struct sq_window_rows *w, uint32_t *n)
{
    size_t at = 0;

    *n = (uint32_t)w->count[0];
    SQ_TRY(sq_grow(x->base.ctx, &x->items, &x->items_cap, (size_t)*n + 1, sizeof *x->items));
    SQ_TRY(sq_grow(x->base.ctx, &x->order, &x->order_cap, (size_t)*n + 1, sizeof *x->order));
    SQ_TRY(sq_grow(x->base.ctx, &x->hash, &x->hash_cap, (size_t)*n + 1, sizeof *x->hash));
    sq_out_reset(&x->rows);
    sq_buf_reset(&x->sorts);
    SQ_TRY(sq_window_rows_read(&x->store, w, 0, &at, UINT32_MAX, &x->rows, x->hash));
    for (uint32_t r = 0; r < *n; r++) {
        SQ_TRY(item_of(x, r));
        x->order[r] = r;
    }
    qsort_r(x->order, *n, sizeof *x->order, compare, x);
    return SQ_OK;
}

/* Calls fn for the sorted rows at places [from, to], from 0, of their partition. */
static sq_rc each_place(struct window_rank *x, uint32_t n, int64_t from, int64_t to, sq_rc (*fn)(struct window_rank *, uint32_t r, int64_t place))
{
    int64_t place = 0;

    for (uint32_t i = 0; i < n; i++, place++) {
        if (i > 0 && sq_sortkey_compare(part(x, &x->items[x->order[i - 1]]), part(x, &x->items[x->order[i]])) != 0)
            place = 0;
        if (place >= from && place <= to)
            SQ_TRY(fn(x, x->order[i], place));
    }
    return SQ_OK;
}

/* ---- what comes out ---- */

static sq_rc flush(struct window_rank *x)
{
    if (x->out.n)
        SQ_TRY(sq_emit_batch(&x->base, sq_out_batch(&x->out)));
    sq_out_reset(&x->out);
    return sq_check_interrupt(x->base.ctx);
}

static sq_rc put(struct window_rank *x, uint32_t r, int64_t place)
{
    const struct sq_batch *b = sq_out_batch(&x->rows);
    int64_t number = place + 1;

    for (uint32_t c = 0; c < x->rows.ncols; c++)
        SQ_TRY(sq_col_append(&x->out.cols[c], &b->cols[c], r));
    if (x->base.plan->u.rank.number)
        SQ_TRY(sq_col_append_fixed(&x->out.cols[x->rows.ncols], &number));
    SQ_TRY(sq_out_row(&x->out, SQ_INSERT));
    return x->out.n == SQ_BATCH_ROWS ? flush(x) : SQ_OK;
}

static sq_rc over(struct window_rank *x, const struct sq_window_rows *w)
{
    uint32_t n;

    SQ_TRY(sort_rows(x, w, &n));
    SQ_TRY(each_place(x, n, x->base.plan->u.rank.from - 1, x->base.plan->u.rank.to - 1, put));
    return flush(x);
}

/* ---- cutting ---- */

static sq_rc want(struct window_rank *x, uint32_t r, int64_t place)
{
    (void)place;
    x->wanted[r] = 1;
    return SQ_OK;
}

/* Rows behind the last place go; the others stay in the order they came. */
static sq_rc cut(struct window_rank *x, struct sq_window_rows *w)
{
    struct sq_buf kept;
    uint32_t n, r = 0;

    SQ_TRY(sort_rows(x, w, &n));
    SQ_TRY(sq_grow(x->base.ctx, &x->wanted, &x->wanted_cap, (size_t)n + 1, sizeof *x->wanted));
    memset(x->wanted, 0, n * sizeof *x->wanted);
    SQ_TRY(each_place(x, n, 0, x->base.plan->u.rank.to - 1, want));
    sq_buf_init(&kept, x->base.ctx);
    w->count[0] = 0;
    for (size_t at = 0; at < w->rows[0].n; r++) {
        uint32_t len;
        memcpy(&len, w->rows[0].p + at, 4);
        if (x->wanted[r]) {
            w->count[0]++;
            sq_buf_add(&kept, w->rows[0].p + at, 12 + (size_t)len);
        }
        at += 12 + len;
    }
    if (kept.rc != SQ_OK) {
        sq_rc rc = kept.rc;
        sq_buf_free(&kept);
        return rc;
    }
    x->store.bytes += kept.cap - w->rows[0].cap;
    sq_buf_free(&w->rows[0]);
    w->rows[0] = kept;
    w->kept[0] = w->count[0];
    return SQ_OK;
}

/* ---- the operator ---- */

static int64_t at(const struct sq_vec *v, uint32_t r)
{
    v = sq_vec_at(v, &r);
    return ((const int64_t *)v->data)[r];
}

static sq_rc window_rank_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct window_rank *x = SQ_OP(op, struct window_rank);
    const struct sq_plan_window *pw = op->plan->inputs[0]->window;
    struct sq_window_rows *w;
    const int64_t *wm = sq_window_row_watermarks(&x->w, in, x->watermark, x->wm);
    uint32_t late = 0;

    SQ_TRY(sq_keys_load(&x->keys, in));
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        int64_t end = at(&in->cols[pw->end], r);
        if (end <= (wm ? wm[i] : x->watermark)) {
            late++;
            SQ_TRY(sq_op_late(op, input, in, r));
            continue;
        }
        SQ_TRY(sq_window_store_add(&x->store, at(&in->cols[pw->start], r), end, 0, in, r, x->keys.hash[i], &w));
        if (w->count[0] >= CUT_AT && w->count[0] >= 2 * w->kept[0])
            SQ_TRY(cut(x, w));
    }
    sq_op_accept(op, input, in->nsel - late);
    return SQ_OK;
}

static sq_rc window_rank_watermark(struct sq_op *op, int64_t ts)
{
    struct window_rank *x = SQ_OP(op, struct window_rank);
    int64_t to = sq_window_watermark(&x->w, ts);
    struct sq_window_rows *w;

    if (op->plan->final && ts != SQ_TS_MAX)      /* batch mode: nothing is late */
        return SQ_OK;
    while ((w = sq_window_store_take(&x->store, to))) {
        sq_rc rc = over(x, w);
        sq_window_store_give(&x->store, w);
        SQ_TRY(rc);
    }
    x->watermark = to > x->watermark ? to : x->watermark;
    return sq_emit_watermark(op, ts);
}

static sq_rc window_rank_snapshot(struct sq_op *op, struct sq_snapshot_out *out) { return sq_window_store_save(&SQ_OP(op, struct window_rank)->store, out); }

static sq_rc window_rank_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct window_rank *x = SQ_OP(op, struct window_rank);

    x->watermark = op->plan->final ? SQ_TS_MIN : sq_window_watermark(&x->w, op->watermark);
    return sq_window_store_load(&x->store, in);
}

static size_t window_rank_bytes(const struct sq_op *op) { return sq_window_store_bytes(&((const struct window_rank *)op)->store); }

static void window_rank_close(struct sq_op *op)
{
    struct window_rank *x = SQ_OP(op, struct window_rank);

    sq_window_store_free(&x->store);
    sq_keys_free(&x->keys);
    sq_buf_free(&x->sorts);
    if (x->rows.ctx)
        sq_out_free(&x->rows);
    if (x->out.ctx)
        sq_out_free(&x->out);
    sq_free(op->ctx, x->items);
    sq_free(op->ctx, x->order);
    sq_free(op->ctx, x->wanted);
    sq_free(op->ctx, x->hash);
}

const struct sq_op_class sq_op_window_rank = {
    .name = "WindowRank", .size = sizeof(struct window_rank), .open = window_rank_open, .batch = window_rank_batch, .watermark = window_rank_watermark,
    .snapshot = window_rank_snapshot, .restore = window_rank_restore, .state_bytes = window_rank_bytes, .close = window_rank_close,
};
