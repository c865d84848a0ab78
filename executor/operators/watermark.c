/* SPDX-License-Identifier: Apache-2.0
 *
 * watermark.c: event time: computes the watermark expression for every row and sends the greatest value so far behind each batch.
 *
 * FLINK: emits by wall clock (every 200 ms) and one millisecond less; here behind every batch and as the expression says, so that what
 * a watermark closes does not depend on the clock.
 */
#include "executor/expr.h"
#include "executor/op.h"

struct watermark {
    struct sq_op base;
    struct sq_program *expr;
    int64_t max;
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

static sq_rc watermark_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct watermark *w = SQ_OP(op, struct watermark);
    struct sq_vec ts;

    sq_op_accept(op, input, in->nsel);
    SQ_TRY(no_null_time(op, in));
    SQ_TRY(sq_program_run(w->expr, in, &ts));
    SQ_TRY(sq_emit_batch(op, in));
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        if (!sq_vec_null(&ts, r) && time_at(&ts, r) > w->max)
            w->max = time_at(&ts, r);
    }
    return sq_emit_watermark(op, w->max);
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

static sq_rc watermark_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    return sq_restore_number(op, in, &SQ_OP(op, struct watermark)->max, "watermark");
}

static void watermark_close(struct sq_op *op)
{
    sq_program_free(SQ_OP(op, struct watermark)->expr);
}

const struct sq_op_class sq_op_watermark = {
    .name = "WatermarkAssigner", .size = sizeof(struct watermark), .open = watermark_open, .batch = watermark_batch,
    .watermark = watermark_of_input, .snapshot = watermark_snapshot, .restore = watermark_restore, .close = watermark_close,
};
