/* SPDX-License-Identifier: Apache-2.0
 *
 * replicate.c: each row as often as its last column says, without that column: behind the counts of INTERSECT ALL and EXCEPT ALL. No state.
 *
 * A change of the count comes as the row with the old one taken back and the row with the new one: so many rows go, and so many come.
 */
#include "executor/op.h"

struct replicate {
    struct sq_op base;
    struct sq_out out;
};

static sq_rc replicate_open(struct sq_op *op)
{
    return sq_op_out(op->ctx, op->plan->cols, op->plan->ncols, &SQ_OP(op, struct replicate)->out);
}

static sq_rc flush(struct replicate *x)
{
    if (x->out.n)
        SQ_TRY(sq_emit_batch(&x->base, sq_out_batch(&x->out)));
    sq_out_reset(&x->out);
    return sq_check_interrupt(x->base.ctx);
}

static sq_rc replicate_row(struct replicate *x, const struct sq_batch *in, uint32_t r)
{
    uint32_t at = r, n = x->base.plan->ncols;
    const struct sq_vec *count = sq_vec_at(&in->cols[n], &at);
    enum sq_kind kind = sq_kind_adds(sq_row_kind(in, r)) ? SQ_INSERT : SQ_DELETE;

    for (int64_t times = ((const int64_t *)count->data)[at]; times > 0; times--) {
        for (uint32_t c = 0; c < n; c++)
            SQ_TRY(sq_col_append(&x->out.cols[c], &in->cols[c], r));
        SQ_TRY(sq_out_row(&x->out, kind));
        if (x->out.n == SQ_BATCH_ROWS)
            SQ_TRY(flush(x));
    }
    return SQ_OK;
}

static sq_rc replicate_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct replicate *x = SQ_OP(op, struct replicate);

    sq_op_accept(op, input, in->nsel);
    for (uint32_t i = 0; i < in->nsel; i++)
        SQ_TRY(replicate_row(x, in, sq_row(in, i)));
    return flush(x);
}

static void replicate_close(struct sq_op *op)
{
    if (SQ_OP(op, struct replicate)->out.ctx)
        sq_out_free(&SQ_OP(op, struct replicate)->out);
}

const struct sq_op_class sq_op_replicate = {
    .name = "Replicate", .size = sizeof(struct replicate), .open = replicate_open, .batch = replicate_batch, .close = replicate_close,
};
