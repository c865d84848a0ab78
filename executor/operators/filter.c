/* SPDX-License-Identifier: Apache-2.0
 *
 * filter.c: rows where the predicate is TRUE go on, as a selection over the same columns.
 *
 * On a changelog each change is judged by itself, as in Flink: a -U passes exactly if its row satisfies the predicate, so an update that
 * leaves the result comes out as a lone -U and one that enters it as a lone +U.
 */
#include "executor/expr.h"
#include "executor/op.h"

struct filter {
    struct sq_op base;
    struct sq_program *pred;
    uint32_t sel[SQ_BATCH_ROWS];
};

static sq_rc filter_open(struct sq_op *op)
{
    struct filter *f = SQ_OP(op, struct filter);
    struct sq_expr *pred = op->plan->u.filter.pred;

    return sq_program_new(op->ctx, &op->config->session, &pred, 1, &op->m.overflows, &f->pred);
}

static sq_rc filter_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct filter *f = SQ_OP(op, struct filter);
    struct sq_batch out = *in;

    sq_program_at(f->pred, op->event_time);
    SQ_TRY(sq_program_select(f->pred, in, f->sel, &out.nsel));
    op->ins[input].filtered += in->nsel - out.nsel;
    sq_op_accept(op, input, out.nsel);
    if (out.nsel == in->nsel)
        return sq_emit_batch(op, in);
    out.sel = f->sel;
    return sq_emit_batch(op, &out);
}

static void filter_close(struct sq_op *op)
{
    sq_program_free(SQ_OP(op, struct filter)->pred);
}

const struct sq_op_class sq_op_filter = {
    .name = "Filter", .size = sizeof(struct filter), .open = filter_open, .batch = filter_batch, .split = sq_emit_split, .close = filter_close,
};
