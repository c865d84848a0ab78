/* SPDX-License-Identifier: Apache-2.0
 *
 * lower.c: from plan nodes to operators. The plan is a tree or, where inserts share their scans, a graph: a node that several consumers
 * have as input becomes one operator with several edges. An exchange becomes a sender, where its input ends, and a receiver, where its consumer
 * begins; a worker that has only one of the two sides has only that. What is not on this worker has ended for those who read it.
 */
#include "executor/runtime/runtime.h"

static const struct sq_op_class *const classes[] = {
    [SQ_N_SCAN] = &sq_op_scan,         [SQ_N_VALUES] = &sq_op_values,   [SQ_N_WATERMARK] = &sq_op_watermark, [SQ_N_FILTER] = &sq_op_filter,
    [SQ_N_PROJECT] = &sq_op_project,   [SQ_N_AGGREGATE] = &sq_op_aggregate, [SQ_N_JOIN] = &sq_op_join,       [SQ_N_UNION] = &sq_op_union,
    [SQ_N_SORT] = &sq_op_sort,         [SQ_N_LIMIT] = &sq_op_limit,     [SQ_N_SINK] = &sq_op_sink,           [SQ_N_COLLECT] = &sq_op_collect,
    [SQ_N_EXCHANGE] = &sq_op_sender,   [SQ_N_NORMALIZE] = &sq_op_normalize, [SQ_N_WINDOW] = &sq_op_window,      [SQ_N_WINDOW_AGGREGATE] = &sq_op_window_aggregate,
    [SQ_N_EXPAND] = &sq_op_expand,     [SQ_N_UNNEST] = &sq_op_unnest,   [SQ_N_REPLICATE] = &sq_op_replicate,
    [SQ_N_RANK] = &sq_op_rank,         [SQ_N_OVER] = &sq_op_over,       [SQ_N_SIDE] = &sq_op_side,
};

static const struct sq_op_class *class_of(const struct sq_plan *p)
{
    if (p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_OF_WINDOWS)
        return &sq_op_window_join;
    if (p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_INTERVAL)
        return &sq_op_interval_join;
    if (p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_TEMPORAL)
        return &sq_op_temporal_join;
    if (p->kind == SQ_N_WINDOW_AGGREGATE && p->u.agg.window->kind == SQ_WINDOW_SESSION && !p->u.agg.attached)
        return &sq_op_session_aggregate;
    if (p->kind == SQ_N_WINDOW_AGGREGATE && sq_hop_can(p))
        return &sq_op_hop;
    if (p->kind == SQ_N_WINDOW && p->u.window.spec->kind == SQ_WINDOW_SESSION)
        return &sq_op_session_rows;
    if (p->kind == SQ_N_RANK && p->u.rank.windowed)
        return &sq_op_window_rank;
    return classes[p->kind];
}

uint32_t sq_join_build(const struct sq_plan *plan)
{
    return plan->u.join.kind == SQ_JOIN_RIGHT ? 0 : 1;
}

static sq_rc new_op(struct sq_worker *w, const struct sq_op_class *cls, const struct sq_plan *plan, uint32_t nins, struct sq_op **out)
{
    struct sq_op *op = sq_calloc(w->ctx, cls->size);

    if (!op)
        return SQ_NOMEM;
    *out = op;
    op->cls = cls;
    op->plan = plan;
    op->ctx = w->ctx;
    op->worker = w;
    op->config = &w->job->plan->config;
    op->watermark = op->event_time = SQ_TS_MIN;
    op->timer_us = SQ_TS_MAX;
    op->clock_us = SQ_TS_MIN;
    op->nins = nins;
    op->ins = sq_calloc(w->ctx, (nins + 1) * sizeof *op->ins);
    if (!op->ins)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < nins; i++)
        op->ins[i].watermark = SQ_TS_MIN;
    return SQ_OK;
}

static sq_rc add_edge(struct sq_op *from, struct sq_op *to, uint32_t input)
{
    struct sq_edge *outs = sq_realloc(from->ctx, from->outs, (from->nouts + 1) * sizeof *outs);

    if (!outs)
        return SQ_NOMEM;
    from->outs = outs;
    outs[from->nouts++] = (struct sq_edge){to, input, to->cls == &sq_op_side};
    from->sides |= to->cls == &sq_op_side;
    to->ins[input].from = from;
    return SQ_OK;
}

static sq_rc lower(struct sq_worker *, const struct sq_plan *, bool *seen, struct sq_op **);

/* *out: the receiver. */
static sq_rc lower_exchange(struct sq_worker *w, const struct sq_plan *plan, bool *seen, bool here, struct sq_op **out)
{
    struct sq_op *from;

    if (here) {
        SQ_TRY(new_op(w, &sq_op_receiver, plan, sq_exchange_senders(w->job, plan), &w->receivers[plan->id]));
        w->stages[w->nstages++].from = w->receivers[plan->id];
    }
    *out = w->receivers[plan->id];
    SQ_TRY(lower(w, plan->inputs[0], seen, &from));
    if (!from)
        return SQ_OK;
    SQ_TRY(new_op(w, &sq_op_sender, plan, 1, &w->ops[plan->id]));
    return add_edge(from, w->ops[plan->id], 0);
}

static sq_rc lower_inputs(struct sq_worker *w, const struct sq_plan *plan, bool *seen, struct sq_op *op)
{
    uint32_t first = plan->kind == SQ_N_JOIN ? sq_join_build(plan) : 0;
    struct sq_op *from;

    for (uint32_t i = 0; i < plan->ninputs; i++) {
        uint32_t input = (first + i) % plan->ninputs;
        SQ_TRY(lower(w, plan->inputs[input], seen, &from));
        if (op && from)
            SQ_TRY(add_edge(from, op, input));
        else if (op)
            op->ins[input] = (struct sq_input_state){.watermark = SQ_TS_MAX, .ended = true};
    }
    return SQ_OK;
}

static sq_rc lower(struct sq_worker *w, const struct sq_plan *plan, bool *seen, struct sq_op **out)
{
    bool here = w->number == 0 || !plan->single;

    if ((size_t)plan->kind >= SQ_LEN(classes) || !class_of(plan) || plan->id >= w->nops)
        return sq_fail(w->ctx, SQ_INTERNAL, "a plan node of kind %d with number %u", (int)plan->kind, plan->id);
    *out = plan->kind == SQ_N_EXCHANGE ? w->receivers[plan->id] : w->ops[plan->id];
    if (seen[plan->id])
        return SQ_OK;
    seen[plan->id] = true;
    if (plan->kind == SQ_N_EXCHANGE)
        return lower_exchange(w, plan, seen, here, out);
    if (here)
        SQ_TRY(new_op(w, class_of(plan), plan, plan->ninputs, &w->ops[plan->id]));
    if (here && w->ops[plan->id]->cls->timer)
        w->timed[w->ntimed++] = w->ops[plan->id];
    *out = w->ops[plan->id];
    SQ_TRY(lower_inputs(w, plan, seen, *out));
    if (here && sq_op_is_source(*out)) {
        w->sources[w->nsources++].from = *out;
        atomic_fetch_add(&w->job->sources_live, 1);
    }
    return SQ_OK;
}

/* ---- stages ---- */

static void note(struct sq_op **list, uint32_t *n, struct sq_op *op)
{
    uint32_t k = 0;

    while (k < *n && list[k] != op)
        k++;
    if (k == *n)
        list[(*n)++] = op;
}

static void find_ends(const struct sq_op *op, struct sq_stage *st)
{
    for (uint32_t i = 0; i < op->nouts; i++) {
        struct sq_op *to = op->outs[i].op;
        find_ends(to, st);
        if (to->cls == &sq_op_sender)
            note(st->senders, &st->nsenders, to);
        else if (to->cls == &sq_op_sink)
            note(st->sinks, &st->nsinks, to);
        else if (to->nins > 1)
            note(st->joins, &st->njoins, to);
    }
}

static sq_rc end_stages(struct sq_worker *w, struct sq_stage *st, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        st[i].senders = sq_calloc(w->ctx, 3 * (w->nops + 1) * sizeof(struct sq_op *));
        if (!st[i].senders)
            return SQ_NOMEM;
        st[i].sinks = st[i].senders + w->nops + 1;
        st[i].joins = st[i].sinks + w->nops + 1;
        find_ends(st[i].from, &st[i]);
    }
    return SQ_OK;
}

sq_rc sq_lower(struct sq_worker *w, const struct sq_job_plan *plan)
{
    bool *seen = sq_calloc(w->ctx, plan->nnodes + 1);
    struct sq_op *root;
    sq_rc rc = seen ? SQ_OK : SQ_NOMEM;

    w->nops = plan->nnodes;
    w->ops = sq_calloc(w->ctx, (plan->nnodes + 1) * sizeof *w->ops);
    w->receivers = sq_calloc(w->ctx, (plan->nnodes + 1) * sizeof *w->receivers);
    w->sources = sq_calloc(w->ctx, (plan->nnodes + 1) * sizeof *w->sources);
    w->stages = sq_calloc(w->ctx, (plan->nnodes + 1) * sizeof *w->stages);
    w->timed = sq_calloc(w->ctx, (plan->nnodes + 1) * sizeof(struct sq_op *));
    if (!w->timed || !w->ops || !w->receivers || !w->sources || !w->stages)
        rc = SQ_NOMEM;
    w->one_by_one = plan->config.batch;
    for (uint32_t i = 0; i < plan->nroots && rc == SQ_OK; i++)
        rc = lower(w, plan->roots[i], seen, &root);
    sq_free(w->ctx, seen);
    SQ_TRY(rc);
    SQ_TRY(end_stages(w, w->sources, w->nsources));
    return end_stages(w, w->stages, w->nstages);
}

static void free_op(struct sq_op *op)
{
    if (!op)
        return;
    if (op->cls->close)
        op->cls->close(op);
    sq_free(op->ctx, op->outs);
    sq_free(op->ctx, op->ins);
    sq_free(op->ctx, op);
}

void sq_lower_free(struct sq_worker *w)
{
    for (uint32_t i = 0; w->ops && i < w->nops; i++)
        free_op(w->ops[i]);
    for (uint32_t i = 0; w->receivers && i < w->nops; i++)
        free_op(w->receivers[i]);
    for (uint32_t i = 0; i < w->nsources; i++)
        sq_free(w->ctx, w->sources[i].senders);  /* with sinks and joins behind it */
    for (uint32_t i = 0; i < w->nstages; i++)
        sq_free(w->ctx, w->stages[i].senders);
    sq_free(w->ctx, w->ops);
    sq_free(w->ctx, w->receivers);
    sq_free(w->ctx, w->sources);
    sq_free(w->ctx, w->stages);
    sq_free(w->ctx, w->timed);
}
