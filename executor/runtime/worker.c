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
#include "executor/runtime/cut.h"
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

/* Every source sends the barrier; what it has given until now is before it. */
static sq_rc send_barrier(struct sq_worker *w, uint64_t epoch)
{
    w->epoch = epoch;
    for (uint32_t i = 0; i < w->nsources; i++) {
        struct sq_op *src = w->sources[i].from;
        if (src->ended)
            continue;
        SQ_TRY(sq_cut_op(src, epoch));
        src->epoch_rows = 0;
        SQ_TRY(sq_emit_barrier(src, epoch));
    }
    return SQ_OK;
}

/* An epoch has been committed: what waited for that goes on. */
static sq_rc committed(struct sq_worker *w)
{
    uint64_t epoch = atomic_load_explicit(&w->job->committed, memory_order_acquire);

    if (epoch == w->committed)
        return SQ_OK;
    w->committed = epoch;
    for (uint32_t i = 0; i < w->nsources; i++)
        if (epoch == w->epoch)                   /* no newer barrier has saved other positions since */
            sq_source_committed(w->sources[i].from);
    for (uint32_t i = 0; i < w->nops; i++)
        if (w->ops[i] && w->ops[i]->cls == &sq_op_sink)
            SQ_TRY(sq_sink_resume(w->ops[i]));
    return SQ_OK;
}

/* Every operator that ends a stage has the barrier, or has ended. */
static bool has_come_through(const struct sq_worker *w, uint64_t epoch)
{
    if (w->epoch != epoch)
        return false;
    for (uint32_t i = 0; i < w->nops; i++)
        if (w->ops[i] && w->ops[i]->nouts == 0 && !w->ops[i]->ended && w->ops[i]->epoch != epoch)
            return false;
    return true;
}

static sq_rc ask(struct sq_op *src, bool *got, int64_t *wait_us)
{
    if (!unwanted(src) && !atomic_load_explicit(&src->worker->job->draining, memory_order_relaxed))
        return sq_source_poll(src, got, wait_us);
    *got = true;
    return sq_source_end(src);
}

static sq_rc take_turn(struct sq_worker *w, bool *got, int64_t *wait_us)
{
    for (uint32_t i = 0; i < w->nsources; i++) {
        struct sq_op *src = w->sources[i].from;
        if (src->ended || (src->paused && !atomic_load_explicit(&w->job->draining, memory_order_relaxed)))
            continue;
        if (sq_stage_room(&w->sources[i]))
            SQ_TRY(ask(src, got, wait_us));
        if (w->one_by_one)
            break;
    }
    return SQ_OK;
}

/* ---- processing time ---- */

static bool leads_to(const struct sq_op *from, const struct sq_op *op)
{
    for (uint32_t i = 0; from != op && i < from->nouts; i++)
        if (leads_to(from->outs[i].op, op))
            return true;
    return from == op;
}

/* There is room behind it, and no barrier that it has passed is waited for. */
static bool has_room(const struct sq_worker *w, const struct sq_op *op)
{
    for (uint32_t i = 0; i < w->nsources; i++)
        if (leads_to(w->sources[i].from, op) && !sq_stage_room(&w->sources[i]))
            return false;
    for (uint32_t i = 0; i < w->nstages; i++)
        if (leads_to(w->stages[i].from, op) && !sq_stage_room(&w->stages[i]))
            return false;
    return true;
}

/* Calls the operators whose time has come; lowers *wait_us to when the next one's does. */
static sq_rc run_timers(struct sq_worker *w, bool *got, int64_t *wait_us)
{
    const struct sq_os *os = w->ctx->os;
    int64_t now = w->ntimed ? os->now_us(os->arg) : 0;

    for (uint32_t i = 0; i < w->ntimed; i++) {
        struct sq_op *op = w->timed[i];
        if (op->ended || op->timer_us == SQ_TS_MAX)
            continue;
        if (op->timer_us <= now && has_room(w, op)) {
            op->timer_us = SQ_TS_MAX;
            *got = true;
            sq_job_touch(w->job);
            SQ_TRY(op->cls->timer(op, now));
        }
        if (op->timer_us > now && op->timer_us != SQ_TS_MAX && op->timer_us - now < *wait_us)
            *wait_us = op->timer_us - now;
    }
    return SQ_OK;
}

sq_rc sq_worker_turn(struct sq_worker *w, int64_t wait_us, bool *done)
{
    uint32_t seen = sq_event_seen(&w->event);
    uint64_t barrier = atomic_load_explicit(&w->job->barrier, memory_order_relaxed);
    bool got = false;

    SQ_TRY(committed(w));
    if (barrier > w->epoch) {
        SQ_TRY(send_barrier(w, barrier));
        SQ_TRY(sq_cut_worker(w, barrier));
    }
    if (!atomic_load_explicit(&w->job->pause, memory_order_relaxed)) {
        SQ_TRY(run_timers(w, &got, &wait_us));
        SQ_TRY(take_turn(w, &got, &wait_us));
    }
    *done = all_ended(w);
    if (got || *done)
        return SQ_OK;
    SQ_TRY(sq_worker_flush(w, false));
    if (wait_us > 0 && w->job->epochs)           /* what writes checkpoints may have news */
        sq_event_wait(&w->event, seen, wait_us);
    else if (wait_us > 0)
        w->ctx->os->sleep_us(w->ctx->os->arg, wait_us);
    return SQ_OK;
}

/* ---- with others ---- */

/* Behind the barrier that it has passed on, an operator of the stage waits for that barrier on another input: what came after it has to wait too. */
static bool waits_for_barrier(const struct sq_stage *st)
{
    for (uint32_t i = 0; i < st->njoins; i++)
        if (!st->joins[i]->ended && st->joins[i]->epoch < st->from->epoch)
            return true;
    return false;
}

bool sq_stage_room(const struct sq_stage *st)
{
    for (uint32_t i = 0; i < st->nsenders; i++)
        if (!sq_sender_room(st->senders[i]))
            return false;
    for (uint32_t i = 0; i < st->nsinks; i++)
        if (!sq_sink_room(st->sinks[i]))
            return false;
    return !waits_for_barrier(st);
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

/* A source has been read to its end here. Those that wait for it ('scan.after') are told when its rows have been taken in behind the first exchange: theirs may not come in before. */
static sq_rc source_read(struct sq_worker *w, struct sq_stage *st)
{
    const struct sq_plan *p = st->from->plan;

    for (uint32_t i = 0; p->kind == SQ_N_SCAN && p->u.scan.waited_for && i < st->nsenders; i++)
        SQ_TRY(sq_sender_mark(st->senders[i]));
    st->tells = true;
    w->ntell++;
    return SQ_OK;
}

static void tell_read(struct sq_worker *w, struct sq_stage *st)
{
    for (uint32_t i = 0; i < st->nsenders; i++)
        if (!sq_sender_reached(st->senders[i]))
            return;
    st->tells = false;
    w->ntell--;
    atomic_fetch_add(&w->job->sources_ended[st->from->plan->id], 1);
    sq_job_wake(w->job);
}

static sq_rc ask_sources(struct sq_worker *w, bool *got, int64_t *wait_us)
{
    for (uint32_t i = 0; i < w->nsources; i++) {
        struct sq_op *src = w->sources[i].from;
        if (w->sources[i].tells)
            tell_read(w, &w->sources[i]);
        if (src->ended || (src->paused && !atomic_load(&w->job->draining)) || (w->one_by_one && !is_next(w, src)) ||
            (!sq_stage_room(&w->sources[i]) && !unwanted(src)))
            continue;
        bool paused = src->paused;
        SQ_TRY(ask(src, got, wait_us));
        if (paused || !(src->ended || src->paused))
            continue;
        SQ_TRY(source_read(w, &w->sources[i]));
        tell_read(w, &w->sources[i]);
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

static sq_rc finish_step(struct sq_worker *w, bool got, uint32_t seen, int64_t wait_us)
{
    if (!got)
        return nap(w, seen, wait_us);
    w->idle_since = 0;
    w->flushed = false;
    return SQ_OK;
}

/* Control messages of the coordinator: a barrier to send, one that has come through. */
static sq_rc look_at_barrier(struct sq_worker *w, uint64_t barrier)
{
    if (barrier > w->epoch)
        SQ_TRY(send_barrier(w, barrier));
    return has_come_through(w, barrier) ? sq_cut_worker(w, barrier) : SQ_OK;
}

sq_rc sq_worker_step(struct sq_worker *w, int64_t wait_us)
{
    uint32_t seen = sq_event_seen(&w->event);
    uint64_t pause = atomic_load(&w->job->pause), barrier = atomic_load(&w->job->barrier);
    bool got = false;

    if (w->number > 0)                           /* worker 0: the turn has looked */
        SQ_TRY(sq_check_interrupt(w->ctx));
    tell(w);
    SQ_TRY(committed(w));
    if (pause && atomic_load_explicit(&w->parked, memory_order_relaxed) == pause) {
        sq_event_wait(&w->event, seen, wait_us);
        return SQ_OK;
    }
    SQ_TRY(look_at_barrier(w, barrier));
    SQ_TRY(run_stages(w, &got));
    if (!pause) {
        SQ_TRY(run_timers(w, &got, &wait_us));
        SQ_TRY(ask_sources(w, &got, &wait_us));
    }
    if (++w->passes % FLUSH_PASSES == 0)
        SQ_TRY(flush_senders(w));
    SQ_TRY(look_at_barrier(w, barrier));
    if (!atomic_load_explicit(&w->done, memory_order_relaxed) && all_ended(w) && drained(w) && w->ntell == 0) {
        atomic_store(&w->done, true);
        sq_job_wake(w->job);
        return SQ_OK;
    }
    if (pause && has_come_through(w, pause) && drained(w)) {
        atomic_store(&w->parked, pause);
        sq_job_wake(w->job);
        return SQ_OK;
    }
    return finish_step(w, got, seen, wait_us);
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
