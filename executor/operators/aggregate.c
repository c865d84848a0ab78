/* SPDX-License-Identifier: Apache-2.0
 *
 * aggregate.c: GROUP BY and DISTINCT over a stream that may take rows back.
 *
 * Per batch: the keys are hashed and looked up at once, every aggregate is updated by one call, and what changed is emitted (agg_emit.c).
 * Cost per row: one probe and one addition per aggregate; state: one entry per group, one per distinct value, all values where MIN or MAX
 * must survive retractions. A group without rows disappears.
 *
 * With a time to live (state/ttl.h) each group, and each value of a distinct set, has its own stamp: a value that is over is counted anew in a group that lives on. All
 * values of a MIN or MAX live as long as their group. A group that was written is put out though its results are the same, so that what is kept behind it lives as long.
 *
 * Invariants: a group's row count is never below zero; a row that takes back from a group which is not there is dropped and counted.
 * FLINK: the same changelog as GroupAggFunction where each change is emitted; a global aggregate gives nothing before the first
 * row in streaming mode, and one row for no rows in batch mode. With a time to live, DISTINCT puts out an update for each row that is known; here it never does. The values
 * of MIN and MAX over updates are dropped one by one.
 */
#include "executor/operators/aggregate.h"

static sq_rc aggregate_open(struct sq_op *op)
{
    struct aggregate *a = SQ_OP(op, struct aggregate);
    const struct sq_plan *plan = op->plan;

    a->retracts = plan->inputs[0]->mode != SQ_MODE_INSERT;
    a->upsert = plan->mode == SQ_MODE_UPSERT;
    if (plan->inputs[0]->mode == SQ_MODE_UPSERT)
        return sq_fail(op->ctx, SQ_INTERNAL, "an aggregate was given an upsert stream");
    if (plan->final)
        a->emission = EMIT_FINAL;
    else if (plan->u.agg.nitems == 0 && !a->retracts && plan->u.agg.ngroup > 0)
        a->emission = EMIT_NEW;
    else
        a->emission = plan->net ? EMIT_NET : EMIT_EACH;
    SQ_TRY(sq_agg_state_open(a));
    return sq_agg_emit_open(a);
}

/* Notes that the batch touches the entry's group. */
static inline void touch(struct aggregate *a, struct sq_entry *e)
{
    if (e->mark == a->seq)
        return;
    e->mark = a->seq;
    a->was_live[a->ntouched] = group_of(e)->rows > 0;
    a->touched[a->ntouched++] = e;
}

/* Counts the rows of every group and names new ones. The rows that remain are a->row at positions a->pos. */
static struct agg_rows count_changes(struct aggregate *a, const struct sq_batch *in)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < in->nsel; i++) {
        struct sq_entry *e = a->entry[i];
        struct group *g = group_of(e);
        uint32_t r = sq_row(in, i);
        bool add = sq_kind_adds(sq_row_kind(in, r));
        touch(a, e);
        if (!add && g->rows == 0)
            continue;
        if (!g->serial)
            g->serial = ++a->serial;
        g->rows += add ? 1 : -1;
        a->entry[n] = e;
        a->row[n] = r;
        a->pos[n++] = i;
    }
    return (struct agg_rows){a->row, a->pos, a->entry, n};
}

static struct agg_rows count_inserts(struct aggregate *a, const struct sq_batch *in)
{
    for (uint32_t i = 0; i < in->nsel; i++) {
        struct sq_entry *e = a->entry[i];
        struct group *g = group_of(e);
        if (e->mark != a->seq) {
            touch(a, e);
            if (!g->serial)
                g->serial = ++a->serial;
        }
        g->rows++;
    }
    return (struct agg_rows){in->sel, NULL, a->entry, in->nsel};
}

/* DISTINCT of an insert-only input: the rows that make a new group go on as they are. */
static sq_rc emit_new(struct aggregate *a, const struct sq_batch *in)
{
    struct sq_batch out = *in;
    uint32_t n = 0;

    for (uint32_t i = 0; i < in->nsel; i++)
        if (group_of(a->entry[i])->rows++ == 0)
            a->row[n++] = sq_row(in, i);
    for (uint32_t c = 0; c < a->ngroup; c++)
        a->vecs[c] = in->cols[a->base.plan->u.agg.group[c]];
    out.cols = a->vecs;
    out.ncols = a->ngroup;
    out.sel = a->row;
    out.nsel = n;
    return sq_emit_batch(&a->base, &out);
}

static void count_rows(struct aggregate *a, const struct sq_batch *in, uint32_t accepted)
{
    sq_op_accept(&a->base, 0, accepted);
    a->base.ins[0].filtered += in->nsel - accepted;
}

static sq_rc aggregate_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct aggregate *a = SQ_OP(op, struct aggregate);
    struct agg_rows rows;

    (void)input;
    sq_ttl_look(&a->ttl, op);
    SQ_TRY(sq_keys_load(&a->keys, in));
    SQ_TRY(sq_hashtab_upsert(&a->groups, in->nsel, a->keys.hash, a->keys.key, a->keys.null, a->entry));
    if (a->ttl.us)
        sq_agg_expire(a, a->entry, in->nsel);
    sq_ttl_wake(&a->ttl, op);
    if (a->emission == EMIT_NEW) {
        count_rows(a, in, in->nsel);
        return emit_new(a, in);
    }
    SQ_TRY(sq_agg_load(a, in));
    if (a->emission == EMIT_EACH)
        return sq_agg_each(a, in);
    a->ntouched = 0;
    if (++a->seq == 0)                      /* after 4 G batches: no entry may look touched */
        a->seq = 1;
    rows = in->kind ? count_changes(a, in) : count_inserts(a, in);
    count_rows(a, in, rows.n);
    if (a->emission == EMIT_NET)
        SQ_TRY(sq_agg_net_before(a));
    SQ_TRY(sq_agg_apply(a, in, rows));
    if (a->emission == EMIT_NET)
        return sq_agg_net_after(a);
    for (uint32_t t = 0; a->retracts && t < a->ntouched; t++)
        if (group_of(a->touched[t])->rows == 0)
            sq_agg_remove(a, a->touched[t]);
    return SQ_OK;
}

static sq_rc aggregate_end(struct sq_op *op, uint32_t input)
{
    struct aggregate *a = SQ_OP(op, struct aggregate);

    (void)input;
    return a->emission == EMIT_FINAL ? sq_agg_final(a) : SQ_OK;
}

static void aggregate_close(struct sq_op *op)
{
    sq_agg_emit_close(SQ_OP(op, struct aggregate));
    sq_agg_state_close(SQ_OP(op, struct aggregate));
}

const struct sq_op_class sq_op_aggregate = {
    .name = "GroupAggregate", .size = sizeof(struct aggregate), .open = aggregate_open, .batch = aggregate_batch, .timer = sq_agg_sweep, .end = aggregate_end,
    .snapshot = sq_agg_snapshot, .restore = sq_agg_restore, .state_bytes = sq_agg_bytes, .close = aggregate_close,
};
