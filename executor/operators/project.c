/* SPDX-License-Identifier: Apache-2.0
 *
 * project.c: new columns from expressions; rows, selection and kinds stay. A column that is only passed on is not copied.
 */
#include "executor/expr.h"
#include "executor/op.h"

struct project {
    struct sq_op base;
    struct sq_program *exprs;
    struct sq_vec *cols;
};

static sq_rc project_open(struct sq_op *op)
{
    struct project *p = SQ_OP(op, struct project);

    p->cols = sq_calloc(op->ctx, (op->plan->ncols + 1) * sizeof *p->cols);
    if (!p->cols)
        return SQ_NOMEM;
    return sq_program_new(op->ctx, &op->config->session, op->plan->u.project.exprs, op->plan->ncols, &op->m.overflows, &p->exprs);
}

static sq_rc project_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct project *p = SQ_OP(op, struct project);
    struct sq_batch out = *in;

    sq_op_accept(op, input, in->nsel);
    sq_program_at(p->exprs, op->event_time);
    SQ_TRY(sq_program_run(p->exprs, in, p->cols));
    out.ncols = op->plan->ncols;
    out.cols = p->cols;
    return sq_emit_batch(op, &out);
}

static void project_close(struct sq_op *op)
{
    struct project *p = SQ_OP(op, struct project);

    sq_program_free(p->exprs);
    sq_free(op->ctx, p->cols);
}

const struct sq_op_class sq_op_project = {
    .name = "Project", .size = sizeof(struct project), .open = project_open, .batch = project_batch, .split = sq_emit_split, .close = project_close,
};
