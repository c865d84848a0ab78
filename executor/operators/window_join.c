/* SPDX-License-Identifier: Apache-2.0
 *
 * window_join.c: joins of rows of the same window: inner, outer, semi and anti, of sides that only get inserts.
 *
 * The rows of both sides are kept, packed, until the watermark of both is at their window's end. Then the window is joined as batch mode joins (join.c): one side is put into a table by
 * key, the other runs through it; what comes out is complete, inserts only, and nothing of the window stays. Rows that come behind that are late, dropped and counted.
 *
 * State: rows of windows that are not over. FLINK: the same (WindowJoinOperator).
 */
#include "executor/operators/join.h"
#include "executor/window_store.h"

struct window_join {
    struct join j;
    struct sq_windows w;
    struct sq_window_store store;
    struct sq_out rows[2];
    int64_t watermark;
    int64_t wm[SQ_BATCH_ROWS];
};

static sq_rc open_rows(struct window_join *x, uint32_t n)
{
    const struct sq_plan *in = x->j.base.plan->inputs[n];

    return sq_op_out(x->j.base.ctx, in->cols, in->ncols, &x->rows[n]);
}

static sq_rc window_join_open(struct sq_op *op)
{
    struct window_join *x = SQ_OP(op, struct window_join);
    SQ_TRY(sq_join_open(op));
    x->j.final = true;
    x->watermark = SQ_TS_MIN;
    sq_windows_init(&x->w, op->plan->inputs[0]->window->spec, &op->config->session);
    SQ_TRY(sq_window_store_init(&x->store, op->ctx));
    SQ_TRY(open_rows(x, 0));
    return open_rows(x, 1);
}

static int64_t at(const struct sq_vec *v, uint32_t r)
{
    v = sq_vec_at(v, &r);
    return ((const int64_t *)v->data)[r];
}

static sq_rc window_join_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct window_join *x = SQ_OP(op, struct window_join);
    const struct sq_plan_window *w = op->plan->inputs[input]->window;
    struct side *s = &x->j.side[input];
    const int64_t *wm = sq_window_row_watermarks(&x->w, in, x->watermark, x->wm);
    uint32_t late = 0;

    SQ_TRY(sq_keys_load(&s->keys, in));
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        int64_t end = at(&in->cols[w->end], r);
        if (end <= (wm ? wm[i] : x->watermark)) {
            late++;
            SQ_TRY(sq_op_late(op, input, in, r));
        } else
            SQ_TRY(sq_window_store_add(&x->store, at(&in->cols[w->start], r), end, input, in, r, s->keys.hash[i], NULL));
    }
    sq_op_accept(op, input, in->nsel - late);
    return SQ_OK;
}

static sq_rc each_batch(struct window_join *x, const struct sq_window_rows *w, uint32_t side, sq_rc (*fn)(struct join *, const struct sq_batch *))
{
    struct sq_out *rows = &x->rows[side];

    for (size_t at = 0; at < w->rows[side].n;) {
        sq_out_reset(rows);
        SQ_TRY(sq_window_rows_read(&x->store, w, side, &at, SQ_BATCH_ROWS, rows, NULL));
        SQ_TRY(fn(&x->j, sq_out_batch(rows)));
        SQ_TRY(sq_check_interrupt(x->j.base.ctx));
    }
    return SQ_OK;
}

static sq_rc join_window(struct window_join *x, const struct sq_window_rows *w)
{
    struct join *j = &x->j;
    bool pads = j->side[1 - j->build].outer || j->kind == SQ_JOIN_ANTI;

    if ((w->count[1 - j->build] == 0 && !j->side[j->build].outer) || (w->count[j->build] == 0 && !pads))
        return SQ_OK;                            /* nothing can come out */
    SQ_TRY(each_batch(x, w, j->build, sq_join_build_rows));
    SQ_TRY(each_batch(x, w, 1 - j->build, sq_join_probe_rows));
    if (j->kind == SQ_JOIN_FULL)
        SQ_TRY(sq_join_unmatched(j));
    SQ_TRY(sq_join_flush(j));
    SQ_TRY(sq_side_clear(&j->side[0]));
    return sq_side_clear(&j->side[1]);
}

static sq_rc window_join_watermark(struct sq_op *op, int64_t ts)
{
    struct window_join *x = SQ_OP(op, struct window_join);
    int64_t to = sq_window_watermark(&x->w, ts);
    struct sq_window_rows *w;

    if (op->plan->final && ts != SQ_TS_MAX)      /* batch mode: nothing is late */
        return SQ_OK;
    while ((w = sq_window_store_take(&x->store, to))) {
        sq_rc rc = join_window(x, w);
        sq_window_store_give(&x->store, w);
        SQ_TRY(rc);
    }
    x->watermark = to > x->watermark ? to : x->watermark;
    return sq_emit_watermark(op, ts);
}

static sq_rc window_join_snapshot(struct sq_op *op, struct sq_snapshot_out *out) { return sq_window_store_save(&SQ_OP(op, struct window_join)->store, out); }

static sq_rc window_join_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct window_join *x = SQ_OP(op, struct window_join);

    x->watermark = op->plan->final ? SQ_TS_MIN : sq_window_watermark(&x->w, op->watermark);
    return sq_window_store_load(&x->store, in);
}

static size_t window_join_bytes(const struct sq_op *op) { return sq_window_store_bytes(&((const struct window_join *)op)->store); }

static void window_join_close(struct sq_op *op)
{
    struct window_join *x = SQ_OP(op, struct window_join);

    for (int i = 0; i < 2; i++)
        if (x->rows[i].ctx)
            sq_out_free(&x->rows[i]);
    sq_window_store_free(&x->store);
    sq_join_close(op);
}

const struct sq_op_class sq_op_window_join = {
    .name = "WindowJoin", .size = sizeof(struct window_join), .open = window_join_open, .batch = window_join_batch, .watermark = window_join_watermark,
    .snapshot = window_join_snapshot, .restore = window_join_restore, .state_bytes = window_join_bytes, .close = window_join_close,
};
