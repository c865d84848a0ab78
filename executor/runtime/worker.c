/* SPDX-License-Identifier: Apache-2.0
 *
 * worker.c: the loop of a worker: each turn asks every source once, in order, and pushes what comes through to the sinks. In batch mode the
 * sources are read one after the other, build sides of joins first.
 */
#include "executor/runtime/runtime.h"

#include "base/os.h"

/* All consumers of the operator need no more. */
static bool unwanted(const struct sq_op *op)
{
    if (op->satisfied)
        return true;
    if (op->nouts == 0)
        return false;
    for (uint32_t i = 0; i < op->nouts; i++)
        if (!op->outs[i].op->ended && !unwanted(op->outs[i].op))
            return false;
    return true;
}

static bool all_ended(const struct sq_worker *w)
{
    for (uint32_t i = 0; i < w->nops; i++)
        if (w->ops[i] && w->ops[i]->nouts == 0 && !w->ops[i]->ended)
            return false;
    return true;
}

sq_rc sq_worker_flush(struct sq_worker *w, bool last)
{
    for (uint32_t i = 0; i < w->nops; i++) {
        struct sq_op *op = w->ops[i];
        if (op && op->cls->flush && (last || !op->ended))
            SQ_TRY(op->cls->flush(op, last));
    }
    return SQ_OK;
}

sq_rc sq_worker_turn(struct sq_worker *w, int64_t wait_us, bool *done)
{
    bool got = false;

    for (uint32_t i = 0; i < w->nsources; i++) {
        struct sq_op *src = w->sources[i];
        if (src->ended)
            continue;
        if (unwanted(src) || atomic_load_explicit(&w->job->draining, memory_order_relaxed)) {
            got = true;
            SQ_TRY(sq_emit_end(src));
        } else {
            SQ_TRY(sq_source_poll(src, &got, &wait_us));
        }
        if (w->one_by_one)
            break;
    }
    *done = all_ended(w);
    if (got || *done)
        return SQ_OK;
    SQ_TRY(sq_worker_flush(w, false));
    if (wait_us > 0)
        w->ctx->os->sleep_us(w->ctx->os->arg, wait_us);
    return SQ_OK;
}

sq_rc sq_worker_barrier(struct sq_worker *w, uint64_t epoch)
{
    for (uint32_t i = 0; i < w->nsources; i++)
        if (!w->sources[i]->ended)
            SQ_TRY(sq_emit_barrier(w->sources[i], epoch));
    return SQ_OK;
}
