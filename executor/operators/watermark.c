/* SPDX-License-Identifier: Apache-2.0
 *
 * watermark.c: event time: computes the watermark expression for every row and sends the greatest value so far behind each batch.
 *
 * Which rows are late must not depend on how rows are cut into batches: a row is judged by the watermark of the rows before it. Only a row whose time is below that
 * watermark can be late anywhere, so where one comes, the rows before it go on first, then the watermark, then the rest. Batches without such rows stay whole.
 *
 * In batch mode there is no watermark but the last. FLINK: emits by wall clock (every 200 ms) and one millisecond less, which closes the same windows; which late rows it
 * drops is a race.
 */
#include "executor/expr.h"
#include "executor/op.h"

struct watermark {
    struct sq_op base;
    struct sq_program *expr;
    int64_t max;
    bool restored;
};

static sq_rc watermark_open(struct sq_op *op)
{
    struct watermark *w = SQ_OP(op, struct watermark);
    struct sq_expr *expr = op->plan->u.watermark.expr;

    w->max = SQ_TS_MIN;
    return sq_program_new(op->ctx, &op->config->session, &expr, 1, &op->m.overflows, &w->expr);
}

static sq_rc no_null_time(struct sq_op *op, const struct sq_batch *in)
{
    uint32_t col = op->plan->u.watermark.col;
    const struct sq_vec *v = &in->cols[col];

    if (v->enc == SQ_FLAT && !v->valid)
        return SQ_OK;
    for (uint32_t i = 0; i < in->nsel; i++)
        if (sq_vec_null(v, sq_row(in, i))) {
            sq_fail_at(op->ctx, SQ_DATA, op->plan->span, "rowtime column '%.*s' is NULL in a row", SQ_FMT(op->plan->cols[col].name));
            return sq_hint(op->ctx, "the column of a WATERMARK must have a value in every row: filter such rows out before, or COALESCE it in a computed column");
        }
    return SQ_OK;
}

static int64_t time_at(const struct sq_vec *v, uint32_t r)
{
    v = sq_vec_at(v, &r);
    return sq_type_phys(v->type) == SQ_P_TS16 ? ((const struct sq_ts16 *)v->data)[r].us : ((const int64_t *)v->data)[r];
}

/* Rows [from, to) of the selection. */
static sq_rc emit_piece(struct watermark *w, const struct sq_batch *in, uint32_t from, uint32_t to)
{
    struct sq_batch out = *in;
    uint32_t own[SQ_BATCH_ROWS];

    if (from == 0 && to == in->nsel)
        return sq_emit_batch(&w->base, in);
    for (uint32_t i = from; i < to && !in->sel; i++)
        own[i - from] = i;
    out.sel = in->sel ? in->sel + from : own;
    out.nsel = to - from;
    SQ_TRY(sq_emit_batch(&w->base, &out));
    return sq_emit_watermark(&w->base, w->max);
}

static sq_rc emit_pieces(struct watermark *w, const struct sq_batch *in, const struct sq_vec *ts)
{
    const struct sq_vec *time = &in->cols[w->base.plan->u.watermark.col];
    int64_t max = w->max;
    uint32_t from = 0;

    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        int64_t next = sq_vec_null(ts, r) ? SQ_TS_MIN : time_at(ts, r);
        if (time_at(time, r) < max && max > w->max && i > from) {
            w->max = max;
            SQ_TRY(emit_piece(w, in, from, i));
            from = i;
        }
        max = next > max ? next : max;
    }
    SQ_TRY(emit_piece(w, in, from, in->nsel));
    w->max = max;
    return sq_emit_watermark(&w->base, w->max);
}

static sq_rc watermark_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct watermark *w = SQ_OP(op, struct watermark);
    struct sq_vec ts;

    sq_op_accept(op, input, in->nsel);
    SQ_TRY(no_null_time(op, in));
    if (op->plan->final)
        return sq_emit_batch(op, in);
    SQ_TRY(sq_program_run(w->expr, in, &ts));
    return emit_pieces(w, in, &ts);
}

static sq_rc watermark_of_input(struct sq_op *op, int64_t ts)
{
    /* what came before says nothing about this column; only the end of input does */
    return ts == SQ_TS_MAX ? sq_emit_watermark(op, ts) : SQ_OK;
}

static sq_rc watermark_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    return out->put(out->arg, SQ_NO_KEY_GROUP, &SQ_OP(op, struct watermark)->max, 8);
}

/* Of several workers that were: the least, which is true for all their rows. */
static sq_rc watermark_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct watermark *w = SQ_OP(op, struct watermark);
    int64_t max = SQ_TS_MIN;

    SQ_TRY(sq_restore_number(op, in, &max, "watermark"));
    w->max = w->restored && w->max < max ? w->max : max;
    w->restored = true;
    return SQ_OK;
}

static void watermark_close(struct sq_op *op)
{
    sq_program_free(SQ_OP(op, struct watermark)->expr);
}

const struct sq_op_class sq_op_watermark = {
    .name = "WatermarkAssigner", .size = sizeof(struct watermark), .open = watermark_open, .batch = watermark_batch,
    .watermark = watermark_of_input, .snapshot = watermark_snapshot, .restore = watermark_restore, .close = watermark_close,
};
