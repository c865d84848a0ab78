/* SPDX-License-Identifier: Apache-2.0
 *
 * union.c: UNION ALL: batches of all inputs, as they come. The planner has cast them to one set of types.
 */
#include "executor/op.h"

static sq_rc union_open(struct sq_op *op)
{
    (void)op;
    return SQ_OK;
}

static sq_rc union_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    sq_op_accept(op, input, in->nsel);
    return sq_emit_batch(op, in);
}

const struct sq_op_class sq_op_union = {.name = "Union", .size = sizeof(struct sq_op), .open = union_open, .batch = union_batch};
