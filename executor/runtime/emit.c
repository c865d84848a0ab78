/* SPDX-License-Identifier: Apache-2.0
 *
 * emit.c: the messages between operators of a stage: calls from producer to consumers, with the aligning of several inputs.
 *
 * Invariants, checked in debug builds: batches are well formed; an edge that the plan calls insert-only carries inserts; watermarks rise;
 * nothing comes after the end.
 */
#include "executor/runtime/cut.h"
#include "executor/runtime/runtime.h"

#ifndef NDEBUG
static void check(const struct sq_op *op, const struct sq_batch *b)
{
    const char *wrong = sq_batch_check(b);

    assert(!wrong);
    assert(!op->ended);
    assert(!op->plan || b->ncols == op->plan->ncols);
    if (op->plan && op->plan->mode == SQ_MODE_INSERT && b->kind)
        for (uint32_t i = 0; i < b->nsel; i++)
            assert(b->kind[sq_row(b, i)] == SQ_INSERT);
    if (op->plan && op->plan->mode == SQ_MODE_UPSERT && b->kind)
        for (uint32_t i = 0; i < b->nsel; i++)
            assert(b->kind[sq_row(b, i)] != SQ_UPDATE_BEFORE);
}
#else
static inline void check(const struct sq_op *op, const struct sq_batch *b) { (void)op; (void)b; }
#endif

sq_rc sq_emit_batch(struct sq_op *op, const struct sq_batch *b)
{
    if (b->nsel == 0)
        return SQ_OK;
    check(op, b);
    op->m.out += b->nsel;
    op->m.batches_out++;
    for (uint32_t i = 0; i < op->nouts; i++) {
        struct sq_op *to = op->outs[i].op;
        if (op->outs[i].side)
            continue;
        to->ins[op->outs[i].input].in += b->nsel;
        SQ_TRY(to->cls->batch(to, op->outs[i].input, b));
    }
    return SQ_OK;
}

/* The least watermark of the inputs that are neither idle nor ended (those that ended hold nothing back); where all that have not ended are idle: the greatest of them, so that
 * it does not matter which one became idle first. */
static int64_t aligned(const struct sq_op *op)
{
    int64_t least = SQ_TS_MAX, most = SQ_TS_MIN;
    bool active = false, idle = false;

    for (uint32_t i = 0; i < op->nins; i++) {
        const struct sq_input_state *in = &op->ins[i];
        if (in->ended || in->watermark == SQ_TS_MAX)
            continue;
        active |= !in->idle;
        idle |= in->idle;
        if (in->idle && in->watermark > most)
            most = in->watermark;
        if (!in->idle && in->watermark < least)
            least = in->watermark;
    }
    return active || !idle ? least : most;
}

/* After a restore: what the inputs' watermarks come to. */
void sq_op_realign(struct sq_op *op)
{
    int64_t ts = op->nins ? aligned(op) : SQ_TS_MIN;

    op->event_time = ts > op->watermark ? ts : op->watermark;
}

static sq_rc advance(struct sq_op *op)
{
    int64_t ts = aligned(op);

    if (ts <= op->event_time)
        return SQ_OK;
    op->event_time = ts;
    if (op->cls->watermark)
        return op->cls->watermark(op, ts);
    return ts == SQ_TS_MAX ? SQ_OK : sq_emit_watermark(op, ts);     /* the last one follows what comes out at the end */
}

sq_rc sq_take_watermark(struct sq_op *op, uint32_t input, int64_t ts)
{
    op->ins[input].watermark = ts;
    return advance(op);
}

sq_rc sq_emit_watermark(struct sq_op *op, int64_t ts)
{
    if (ts <= op->watermark)
        return SQ_OK;
    op->watermark = ts;
    for (uint32_t i = 0; i < op->nouts; i++)
        SQ_TRY(sq_take_watermark(op->outs[i].op, op->outs[i].input, ts));
    return SQ_OK;
}

/* The barrier came on every input that has not ended. */
static bool all_at(const struct sq_op *op, uint64_t epoch)
{
    for (uint32_t k = 0; k < op->nins; k++)
        if (!op->ins[k].ended && op->ins[k].barrier != epoch)
            return false;
    return true;
}

static sq_rc pass_barrier(struct sq_op *op, uint64_t epoch)
{
    if (op->cls->barrier)
        SQ_TRY(op->cls->barrier(op, epoch));
    SQ_TRY(sq_cut_op(op, epoch));
    return sq_emit_barrier(op, epoch);
}

sq_rc sq_take_barrier(struct sq_op *op, uint32_t input, uint64_t epoch)
{
    op->ins[input].barrier = epoch;
    return all_at(op, epoch) ? pass_barrier(op, epoch) : SQ_OK;
}

sq_rc sq_emit_barrier(struct sq_op *op, uint64_t epoch)
{
    op->epoch = epoch;
    for (uint32_t i = 0; i < op->nouts; i++)
        SQ_TRY(sq_take_barrier(op->outs[i].op, op->outs[i].input, epoch));
    return SQ_OK;
}

sq_rc sq_take_idle(struct sq_op *op, uint32_t input, bool idle)
{
    bool all = true;

    op->ins[input].idle = idle;
    for (uint32_t k = 0; k < op->nins; k++)
        all &= op->ins[k].idle || op->ins[k].ended;
    SQ_TRY(advance(op));
    if (op->cls->idle && all != op->idle)
        SQ_TRY(op->cls->idle(op, all));
    return sq_emit_idle(op, all);
}

sq_rc sq_emit_idle(struct sq_op *op, bool idle)
{
    if (idle == op->idle)
        return SQ_OK;
    op->idle = idle;
    for (uint32_t i = 0; i < op->nouts; i++)
        SQ_TRY(sq_take_idle(op->outs[i].op, op->outs[i].input, idle));
    return SQ_OK;
}

sq_rc sq_emit_split(struct sq_op *op, const struct sq_split_msg *m)
{
    for (uint32_t i = 0; i < op->nouts; i++)
        if (op->outs[i].op->cls->split)
            SQ_TRY(op->outs[i].op->cls->split(op->outs[i].op, m));
    return SQ_OK;
}

/* The end of one input may be what a barrier on the others, or the watermark, waited for. */
static sq_rc release(struct sq_op *op)
{
    uint64_t epoch = op->epoch;

    for (uint32_t k = 0; k < op->nins; k++)
        if (!op->ins[k].ended && op->ins[k].barrier > epoch)
            epoch = op->ins[k].barrier;
    return epoch > op->epoch && all_at(op, epoch) ? pass_barrier(op, epoch) : SQ_OK;
}

sq_rc sq_take_end(struct sq_op *op, uint32_t input)
{
    bool all = true;

    if (op->ins[input].ended)                    /* a restored operator is told again */
        return SQ_OK;
    op->ins[input].ended = true;
    if (op->cls->end)
        SQ_TRY(op->cls->end(op, input));
    for (uint32_t k = 0; k < op->nins; k++)
        all &= op->ins[k].ended;
    return all ? sq_emit_end(op) : release(op);
}

sq_rc sq_emit_end(struct sq_op *op)
{
    if (op->ended)
        return SQ_OK;
    SQ_TRY(sq_emit_watermark(op, SQ_TS_MAX));
    op->ended = true;
    for (uint32_t i = 0; i < op->nouts; i++)
        SQ_TRY(sq_take_end(op->outs[i].op, op->outs[i].input));
    return SQ_OK;
}

struct sq_op_metrics sq_op_count(const struct sq_op *op)
{
    struct sq_op_metrics m = op->m;

    m.in = m.filtered = m.late = m.bad = 0;
    for (uint32_t i = 0; i < op->nins; i++) {
        m.in += op->ins[i].in;
        m.filtered += op->ins[i].filtered;
        m.late += op->ins[i].late;
        m.bad += op->ins[i].bad;
    }
    return m;
}

sq_rc sq_op_types(struct sq_ctx *ctx, const struct sq_field *f, uint32_t n, const struct sq_type ***out)
{
    const struct sq_type **t = sq_alloc(ctx, (n + 1) * sizeof *t);

    *out = t;
    if (!t)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        t[i] = f[i].type;
    return SQ_OK;
}

sq_rc sq_op_out(struct sq_ctx *ctx, const struct sq_field *f, uint32_t n, struct sq_out *out)
{
    const struct sq_type **types;

    SQ_TRY(sq_op_types(ctx, f, n, &types));
    sq_rc rc = sq_out_init(out, ctx, types, n);
    sq_free(ctx, types);
    return rc;
}
