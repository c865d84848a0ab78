/* SPDX-License-Identifier: Apache-2.0
 *
 * limit.c: LIMIT and OFFSET without ORDER BY over an insert-only input: the first rows that come. Once it has them, sources that feed
 * nothing else are ended.
 */
#include "executor/op.h"

struct limit {
    struct sq_op base;
    uint64_t seen;                         /* rows that came, up to offset + limit */
    uint32_t sel[SQ_BATCH_ROWS];
};

static sq_rc limit_open(struct sq_op *op)
{
    op->satisfied = op->plan->u.sort.limit == 0;
    return SQ_OK;
}

static sq_rc limit_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct limit *l = SQ_OP(op, struct limit);
    uint64_t first = (uint64_t)op->plan->u.sort.offset;
    uint64_t last = op->plan->u.sort.limit < 0 ? UINT64_MAX : first + (uint64_t)op->plan->u.sort.limit;
    struct sq_batch out = *in;
    uint32_t n = 0;

    for (uint32_t i = 0; i < in->nsel && l->seen < last; i++)
        if (l->seen++ >= first)
            l->sel[n++] = sq_row(in, i);
    op->ins[input].filtered += in->nsel - n;
    sq_op_accept(op, input, n);
    op->satisfied = l->seen == last;
    out.sel = l->sel;
    out.nsel = n;
    return sq_emit_batch(op, n == in->nsel ? in : &out);
}

static sq_rc limit_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    return out->put(out->arg, SQ_NO_KEY_GROUP, &SQ_OP(op, struct limit)->seen, 8);
}

static sq_rc limit_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    return sq_restore_number(op, in, &SQ_OP(op, struct limit)->seen, "state of a LIMIT");
}

const struct sq_op_class sq_op_limit = {
    .name = "Limit", .size = sizeof(struct limit), .open = limit_open, .batch = limit_batch, .snapshot = limit_snapshot, .restore = limit_restore,
};
