/* SPDX-License-Identifier: Apache-2.0
 *
 * lower.c: from plan nodes to operators. The plan is a tree or, where inserts share their scans, a graph: a node that several consumers
 * have as input becomes one operator with several edges.
 */
#include "executor/runtime/runtime.h"

static const struct sq_op_class *const classes[] = {
    [SQ_N_SCAN] = &sq_op_scan,         [SQ_N_VALUES] = &sq_op_values,   [SQ_N_WATERMARK] = &sq_op_watermark, [SQ_N_FILTER] = &sq_op_filter,
    [SQ_N_PROJECT] = &sq_op_project,   [SQ_N_AGGREGATE] = &sq_op_aggregate, [SQ_N_JOIN] = &sq_op_join,       [SQ_N_UNION] = &sq_op_union,
    [SQ_N_SORT] = &sq_op_sort,         [SQ_N_LIMIT] = &sq_op_limit,     [SQ_N_SINK] = &sq_op_sink,           [SQ_N_COLLECT] = &sq_op_collect,
};

uint32_t sq_join_build(const struct sq_plan *plan)
{
    return plan->u.join.kind == SQ_JOIN_RIGHT ? 0 : 1;
}

static sq_rc new_op(struct sq_worker *w, const struct sq_plan *plan, const struct sq_job_config *config, struct sq_op **out)
{
    struct sq_op *op;

    if ((size_t)plan->kind >= SQ_LEN(classes) || plan->id >= w->nops)
        return sq_fail(w->ctx, SQ_INTERNAL, "a plan node of kind %d with number %u", (int)plan->kind, plan->id);
    op = sq_calloc(w->ctx, classes[plan->kind]->size);
    if (!op)
        return SQ_NOMEM;
    w->ops[plan->id] = *out = op;
    op->cls = classes[plan->kind];
    op->plan = plan;
    op->ctx = w->ctx;
    op->worker = w;
    op->config = config;
    op->watermark = SQ_TS_MIN;
    op->nins = plan->ninputs;
    op->ins = sq_calloc(w->ctx, (plan->ninputs + 1) * sizeof *op->ins);
    if (!op->ins)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < op->nins; i++)
        op->ins[i].watermark = SQ_TS_MIN;
    return SQ_OK;
}

static sq_rc add_edge(struct sq_op *from, struct sq_op *to, uint32_t input)
{
    struct sq_edge *outs = sq_realloc(from->ctx, from->outs, (from->nouts + 1) * sizeof *outs);

    if (!outs)
        return SQ_NOMEM;
    from->outs = outs;
    outs[from->nouts++] = (struct sq_edge){to, input};
    to->ins[input].from = from;
    return SQ_OK;
}

static sq_rc lower(struct sq_worker *w, const struct sq_plan *plan, const struct sq_job_config *config, struct sq_op **out)
{
    struct sq_op *from;
    uint32_t first;

    if (plan->id < w->nops && w->ops[plan->id]) {
        *out = w->ops[plan->id];
        return SQ_OK;
    }
    SQ_TRY(new_op(w, plan, config, out));
    first = plan->kind == SQ_N_JOIN ? sq_join_build(plan) : 0;
    for (uint32_t i = 0; i < plan->ninputs; i++) {
        uint32_t input = (first + i) % plan->ninputs;
        SQ_TRY(lower(w, plan->inputs[input], config, &from));
        SQ_TRY(add_edge(from, *out, input));
    }
    if (sq_op_is_source(*out))
        w->sources[w->nsources++] = *out;
    return SQ_OK;
}

sq_rc sq_lower(struct sq_worker *w, const struct sq_job_plan *plan)
{
    struct sq_op *root;

    w->nops = plan->nnodes;
    w->ops = sq_calloc(w->ctx, (plan->nnodes + 1) * sizeof *w->ops);
    w->sources = sq_calloc(w->ctx, (plan->nnodes + 1) * sizeof *w->sources);
    if (!w->ops || !w->sources)
        return SQ_NOMEM;
    w->one_by_one = plan->config.batch;
    for (uint32_t i = 0; i < plan->nroots; i++)
        SQ_TRY(lower(w, plan->roots[i], &plan->config, &root));
    return SQ_OK;
}
