/* SPDX-License-Identifier: Apache-2.0
 *
 * worker.c: the loop of a worker.
 *
 * Alone: each turn asks every source once, in order, and pushes what comes through to the sinks. In batch mode the sources are read one after the
 * other, build sides of joins first.
 *
 * With others: each step first takes a message from every queue that leads to it, the stages downstream first, and then asks its sources; what comes is
 * pushed through to the senders and sinks of the stage. A stage runs only when there is room behind it. With nothing to do the
 * worker sends what its messages hold so far and sleeps until a queue changes. In batch mode a source is read when the one before it has
 * ended on every worker.
 */
#include "executor/runtime/runtime.h"

#include "base/os.h"

enum { NAP_US = 5000, FLUSH_PASSES = 64, FLUSH_AFTER_NS = 5000000 };

/* All consumers of the operator need no more. */
static bool unwanted(const struct sq_op *op)
{
    if (op->satisfied)
        return true;
    if (op->cls == &sq_op_sender)
        return sq_sender_unwanted(op);
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

sq_rc sq_worker_barrier(struct sq_worker *w, uint64_t epoch)
{
    for (uint32_t i = 0; i < w->nsources; i++)
        if (!w->sources[i].from->ended)
            SQ_TRY(sq_emit_barrier(w->sources[i].from, epoch));
    return SQ_OK;
}

static sq_rc ask(struct sq_op *src, bool *got, int64_t *wait_us)
{
    if (!unwanted(src) && !atomic_load_explicit(&src->worker->job->draining, memory_order_relaxed))
        return sq_source_poll(src, got, wait_us);
    *got = true;
    return sq_emit_end(src);
}

sq_rc sq_worker_turn(struct sq_worker *w, int64_t wait_us, bool *done)
{
    bool got = false;

    for (uint32_t i = 0; i < w->nsources; i++) {
        struct sq_op *src = w->sources[i].from;
        if (src->ended)
            continue;
        SQ_TRY(ask(src, &got, &wait_us));
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

/* ---- with others ---- */

bool sq_stage_room(const struct sq_stage *st)
{
    for (uint32_t i = 0; i < st->nsenders; i++)
        if (!sq_sender_room(st->senders[i]))
            return false;
    return true;
}

static bool is_sender(const struct sq_worker *w, uint32_t i)
{
    return w->ops[i] && w->ops[i]->cls == &sq_op_sender;
}

static sq_rc flush_senders(struct sq_worker *w)
{
    for (uint32_t i = 0; i < w->nops; i++)
        if (is_sender(w, i) && !w->ops[i]->ended)
            SQ_TRY(sq_sender_flush(w->ops[i]));
    return SQ_OK;
}

/* The sources before it have ended on all workers. Worker 0 has every source. */
static bool is_next(const struct sq_worker *w, const struct sq_op *src)
{
    const struct sq_job *job = w->job;
    const struct sq_worker *first = &job->workers[0];

    for (uint32_t i = 0; i < first->nsources && first->sources[i].from->plan != src->plan; i++) {
        const struct sq_plan *p = first->sources[i].from->plan;
        if (atomic_load(&job->sources_ended[p->id]) < (p->single ? 1 : job->nworkers))
            return false;
    }
    return true;
}

static sq_rc ask_sources(struct sq_worker *w, bool *got, int64_t *wait_us)
{
    for (uint32_t i = 0; i < w->nsources; i++) {
        struct sq_op *src = w->sources[i].from;
        if (src->ended || (w->one_by_one && !is_next(w, src)) || (!sq_stage_room(&w->sources[i]) && !unwanted(src)))
            continue;
        SQ_TRY(ask(src, got, wait_us));
        if (!src->ended)
            continue;
        atomic_fetch_add(&w->job->sources_ended[src->plan->id], 1);
        sq_job_wake(w->job);
    }
    return SQ_OK;
}

static sq_rc run_stages(struct sq_worker *w, bool *got)
{
    for (uint32_t i = 0; i < w->nops; i++)
        if (is_sender(w, i))
            sq_sender_drain(w->ops[i]);
    for (uint32_t i = 0; i < w->nstages; i++) {
        SQ_TRY(sq_receiver_poll(&w->stages[i], got));
        if (unwanted(w->stages[i].from))
            sq_receiver_unwanted(w->stages[i].from);
    }
    return SQ_OK;
}

static bool drained(const struct sq_worker *w)
{
    for (uint32_t i = 0; i < w->nops; i++)
        if (is_sender(w, i) && sq_sender_waits(w->ops[i]))
            return false;
    return true;
}

/* Every operator that ends a stage has the barrier or has ended: nothing is under way to it. */
static bool stands_still(const struct sq_worker *w, uint64_t epoch)
{
    for (uint32_t i = 0; i < w->nops; i++)
        if (w->ops[i] && w->ops[i]->nouts == 0 && !w->ops[i]->ended && w->ops[i]->epoch != epoch)
            return false;
    return drained(w);
}

/* Nothing came: what is held back goes on, and sinks are told when that lasts. */
static sq_rc nap(struct sq_worker *w, uint32_t seen, int64_t wait_us)
{
    const struct sq_os *os = w->ctx->os;
    int64_t now = os->mono_ns(os->arg);

    SQ_TRY(flush_senders(w));
    if (w->idle_since == 0)
        w->idle_since = now ? now : 1;
    if (!w->flushed && now - w->idle_since >= FLUSH_AFTER_NS) {
        w->flushed = true;
        SQ_TRY(sq_worker_flush(w, false));
    }
    if (wait_us > NAP_US && !w->flushed)
        wait_us = NAP_US;
    if (wait_us > 0)
        sq_event_wait(&w->event, seen, wait_us);
    return SQ_OK;
}

static void tell(struct sq_worker *w)
{
    uint32_t wanted = atomic_load(&w->job->stat_wanted);

    if (wanted == atomic_load_explicit(&w->stat_seen, memory_order_relaxed))
        return;
    pthread_mutex_lock(&w->lock);
    sq_worker_count(w);
    pthread_mutex_unlock(&w->lock);
    atomic_store(&w->stat_seen, wanted);
}

sq_rc sq_worker_step(struct sq_worker *w, int64_t wait_us)
{
    uint32_t seen = sq_event_seen(&w->event);
    uint64_t epoch = atomic_load(&w->job->pause);
    bool got = false;

    if (w->number > 0)                           /* worker 0: the turn has looked */
        SQ_TRY(sq_check_interrupt(w->ctx));
    tell(w);
    if (epoch && atomic_load_explicit(&w->parked, memory_order_relaxed) == epoch) {
        sq_event_wait(&w->event, seen, wait_us);
        return SQ_OK;
    }
    if (epoch > w->epoch) {
        w->epoch = epoch;
        SQ_TRY(sq_worker_barrier(w, epoch));
    }
    SQ_TRY(run_stages(w, &got));
    if (!epoch)
        SQ_TRY(ask_sources(w, &got, &wait_us));
    if (++w->passes % FLUSH_PASSES == 0)
        SQ_TRY(flush_senders(w));
    if (!atomic_load_explicit(&w->done, memory_order_relaxed) && all_ended(w) && drained(w)) {
        atomic_store(&w->done, true);
        sq_job_wake(w->job);
        return SQ_OK;
    }
    if (epoch && stands_still(w, epoch)) {
        atomic_store(&w->parked, epoch);
        sq_job_wake(w->job);
        return SQ_OK;
    }
    if (!got)
        return nap(w, seen, wait_us);
    w->idle_since = 0;
    w->flushed = false;
    return SQ_OK;
}

void *sq_worker_main(void *arg)
{
    struct sq_worker *w = arg;
    sq_rc rc = SQ_OK;

    while (rc == SQ_OK && !atomic_load(&w->job->stop) && !atomic_load_explicit(&w->done, memory_order_relaxed))
        rc = sq_worker_step(w, 100 * 1000);
    if (rc != SQ_OK && !atomic_load(&w->job->stop))
        sq_job_fail(w->job, w, rc);
    return NULL;
}
