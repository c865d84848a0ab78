/* SPDX-License-Identifier: Apache-2.0
 *
 * job.c: the life of a job: open everything, turn until the input ends, close everything. With one worker all of it happens on the
 * caller's thread. With several, opening and closing do; the threads start with the first turn, and worker 0 turns on the caller's thread.
 *
 * The first error of any worker is the job's: it stops all of them. A job is paused by a barrier: sources send it and stop, and when it has come
 * through everywhere, nothing is under way between the workers. So snapshots are taken, and so a job is stopped before its end: what the sources
 * gave until then is written.
 */
#include "executor/runtime/cut.h"
#include "executor/runtime/runtime.h"

#include "base/os.h"

#include <signal.h>

static int64_t now_ns(const struct sq_job *job)
{
    return job->ctx->os ? job->ctx->os->mono_ns(job->ctx->os->arg) : 0;
}

/* ---- errors, notices ---- */

void sq_job_wake(struct sq_job *job)
{
    for (uint32_t i = 0; i < job->nworkers; i++)
        sq_event_raise(&job->workers[i].event);
}

void sq_job_fail(struct sq_job *job, struct sq_worker *w, sq_rc rc)
{
    pthread_mutex_lock(&job->lock);
    if (job->error.rc == SQ_OK) {
        job->error = w->ctx->err;
        job->error.rc = rc;
    }
    pthread_mutex_unlock(&job->lock);
    atomic_store(&job->stop, 1);
    sq_job_wake(job);
}

void sq_job_note(void *arg, const char *text)
{
    struct sq_worker *w = arg;

    pthread_mutex_lock(&w->lock);
    sq_buf_add(&w->notices, text, strlen(text) + 1);
    atomic_store(&w->quiet, false);
    pthread_mutex_unlock(&w->lock);
    sq_event_raise(&w->job->workers[0].event);
}

/* Gives the caller what other threads had to say. */
static void deliver(struct sq_job *job, bool drop)
{
    for (uint32_t i = 0; i < job->nworkers; i++) {
        struct sq_worker *w = &job->workers[i];
        if (atomic_load_explicit(&w->quiet, memory_order_acquire))
            continue;
        pthread_mutex_lock(&w->lock);
        atomic_store(&w->quiet, true);
        for (size_t at = 0; at < w->notices.n && !drop; at += strlen(w->notices.p + at) + 1)
            sq_notice(job->ctx, "%s", w->notices.p + at);
        sq_buf_reset(&w->notices);
        pthread_mutex_unlock(&w->lock);
    }
}

/* ---- opening ---- */

static sq_rc list_nodes(struct sq_job *job, const struct sq_plan *p, bool *several)
{
    if (p->id >= job->nnodes)
        return sq_fail(job->ctx, SQ_INTERNAL, "a plan node with number %u", p->id);
    job->nodes[p->id] = p;
    *several |= p->kind == SQ_N_EXCHANGE;
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(list_nodes(job, p->inputs[i], several));
    return SQ_OK;
}

/* A plan that runs on worker 0 alone needs no other. */
static bool all_single(const struct sq_job *job)
{
    for (uint32_t i = 0; i < job->nnodes; i++)
        if (job->nodes[i] && !job->nodes[i]->single)
            return false;
    return true;
}

static sq_rc new_workers(struct sq_job *job)
{
    const struct sq_job_plan *plan = job->plan;
    bool several = plan->config.parallelism > 1;
    uint32_t n;

    job->nnodes = plan->nnodes;
    job->nodes = sq_calloc(job->ctx, (plan->nnodes + 1) * sizeof *job->nodes);
    job->exchanges = sq_calloc(job->ctx, (plan->nnodes + 1) * sizeof *job->exchanges);
    job->sources_ended = sq_calloc(job->ctx, (plan->nnodes + 1) * sizeof *job->sources_ended);
    job->told = sq_alloc(job->ctx, (plan->nnodes + 1) * sizeof *job->told);
    if (!job->nodes || !job->exchanges || !job->sources_ended || !job->told)
        return SQ_NOMEM;
    for (uint32_t i = 0; i <= plan->nnodes; i++)
        atomic_init(&job->told[i], SQ_TS_MIN);
    for (uint32_t i = 0; i < plan->nroots; i++)
        SQ_TRY(list_nodes(job, plan->roots[i], &several));
    n = several && !all_single(job) ? plan->config.parallelism : 1;
    if (n < 1 || n > SQ_WORKERS_MOST)
        return sq_fail(job->ctx, SQ_MISUSE, "a job has 1 to %d workers, not %u", SQ_WORKERS_MOST, n);
    job->workers = sq_calloc(job->ctx, n * sizeof *job->workers);
    if (!job->workers)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        struct sq_worker *w = &job->workers[i];
        w->job = job;
        w->number = i;
        w->own = (struct sq_ctx){.budget = job->ctx->budget, .os = job->ctx->os, .notice = sq_job_note, .notice_arg = w, .interrupt = &job->stop};
        w->ctx = i == 0 ? job->ctx : &w->own;
        sq_event_init(&w->event);
        pthread_mutex_init(&w->lock, NULL);
        sq_buf_init(&w->notices, &w->own);
        atomic_init(&w->quiet, true);
        job->nworkers++;
    }
    return SQ_OK;
}

/* Sinks last: nothing outside is touched before everything else is known to be good. */
static sq_rc open_ops(struct sq_worker *w, bool sinks)
{
    for (uint32_t i = 0; i < w->nops; i++) {
        struct sq_op *op = w->ops[i];
        if (op && (op->cls == &sq_op_sink) == sinks && op->cls->open)
            SQ_TRY(op->cls->open(op));
        if (w->receivers[i] && !sinks)
            SQ_TRY(w->receivers[i]->cls->open(w->receivers[i]));
    }
    return SQ_OK;
}

static sq_rc open_worker(struct sq_worker *w, bool sinks)
{
    sq_rc rc = SQ_OK;

    if (!sinks)
        rc = sq_lower(w, w->job->plan);
    if (rc == SQ_OK)
        rc = open_ops(w, sinks);
    if (rc != SQ_OK && w->ctx != w->job->ctx)
        w->job->ctx->err = w->ctx->err;
    return rc;
}

static sq_rc open_job(struct sq_job *job)
{
    SQ_TRY(new_workers(job));
    for (uint32_t i = 0; i < job->nnodes; i++)
        if (job->nodes[i] && job->nodes[i]->kind == SQ_N_EXCHANGE)
            SQ_TRY(sq_exchange_new(job, job->nodes[i], &job->exchanges[i]));
    for (uint32_t i = 0; i < job->nworkers; i++)
        SQ_TRY(open_worker(&job->workers[i], false));
    SQ_TRY(sq_epochs_open(job));
    for (uint32_t i = 0; i < job->nworkers; i++)
        SQ_TRY(open_worker(&job->workers[i], true));
    SQ_TRY(sq_epochs_recover(job));
    SQ_TRY(sq_stats_new(job, job->ctx, &job->sum));
    for (uint32_t i = 0; i < job->nworkers; i++)
        SQ_TRY(sq_stats_new(job, job->ctx, &job->workers[i].stat));
    return SQ_OK;
}

sq_rc sq_job_open(struct sq_ctx *ctx, const struct sq_job_plan *plan, sq_collect_fn *collect, void *collect_arg, struct sq_job **out)
{
    struct sq_job *job = sq_calloc(ctx, sizeof *job);
    sq_rc rc;

    *out = NULL;
    if (!job)
        return SQ_NOMEM;
    job->ctx = ctx;
    job->plan = plan;
    job->collect = collect;
    job->collect_arg = collect_arg;
    pthread_mutex_init(&job->lock, NULL);
    job->started_ns = now_ns(job);
    rc = open_job(job);
    deliver(job, true);                          /* they said what worker 0 said */
    if (rc != SQ_OK) {
        sq_job_close(job);
        return rc;
    }
    *out = job;
    return SQ_OK;
}

/* ---- running ---- */

/* What a worker's call gave, on the caller's thread: its error becomes the job's. */
sq_rc sq_job_told(struct sq_job *job, uint32_t worker, sq_rc rc)
{
    if (rc != SQ_OK && worker > 0)
        job->ctx->err = job->workers[worker].ctx->err;
    return rc;
}

static void join_threads(struct sq_job *job)
{
    for (uint32_t i = 1; i < job->nworkers && job->running; i++)
        if (job->workers[i].thread_there)
            pthread_join(job->workers[i].thread, NULL);
    for (uint32_t i = 1; i < job->nworkers; i++)
        job->workers[i].thread_there = false;
    job->running = false;
}

static void halt(struct sq_job *job)
{
    atomic_store(&job->stop, 1);
    sq_job_wake(job);
    join_threads(job);
    atomic_store(&job->stop, 0);
}

static sq_rc start_threads(struct sq_job *job)
{
    sigset_t all, before;
    int err = 0;

    if (job->running || job->nworkers == 1)
        return SQ_OK;
    job->running = true;
    sigfillset(&all);                            /* signals are the program's thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (uint32_t i = 1; i < job->nworkers && !err; i++) {
        err = pthread_create(&job->workers[i].thread, NULL, sq_worker_main, &job->workers[i]);
        job->workers[i].thread_there = !err;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!err)
        return SQ_OK;
    halt(job);
    return sq_fail(job->ctx, SQ_LIMIT, "the system gives no thread for a worker: lower 'execution.parallelism'");
}

/* After a step of worker 0 that gave rc: the error of any worker. */
static sq_rc settle(struct sq_job *job, sq_rc rc)
{
    deliver(job, false);
    if (rc != SQ_OK)
        sq_job_fail(job, &job->workers[0], rc);
    if (!atomic_load(&job->stop))
        return SQ_OK;
    halt(job);
    deliver(job, false);
    job->ctx->err = job->error;
    return job->error.rc;
}

static bool all_done(struct sq_job *job)
{
    for (uint32_t i = 0; i < job->nworkers; i++)
        if (!atomic_load(&job->workers[i].done))
            return false;
    return true;
}

static sq_rc turn(struct sq_job *job, int64_t wait_us, bool *done)
{
    struct sq_worker *w = &job->workers[0];
    uint32_t seen = sq_event_seen(&w->event);
    sq_rc rc;

    if (job->nworkers == 1)
        return sq_worker_turn(w, wait_us, done);
    SQ_TRY(start_threads(job));
    if (!atomic_load(&w->done)) {
        rc = sq_worker_step(w, wait_us);
    } else {
        rc = SQ_OK;
        if (!all_done(job) && !atomic_load(&job->stop) && wait_us > 0)
            sq_event_wait(&w->event, seen, wait_us);
    }
    SQ_TRY(settle(job, rc));
    *done = all_done(job);
    if (!*done)
        return SQ_OK;
    join_threads(job);
    deliver(job, false);
    return SQ_OK;
}

/* The job is done when its last epoch is committed. */
static sq_rc turn_epochs(struct sq_job *job, int64_t wait_us)
{
    int64_t due_us = sq_epochs_wait_us(job);

    if (wait_us > due_us)
        wait_us = due_us;
    if (!job->ended)
        SQ_TRY(turn(job, wait_us, &job->ended));
    SQ_TRY(sq_epochs_turn(job, job->ended, wait_us, &job->done));
    deliver(job, false);
    if (job->done)
        halt(job);
    return SQ_OK;
}

sq_rc sq_job_turn(struct sq_job *job, int64_t wait_us, bool *done)
{
    sq_rc rc;

    *done = job->done;
    if (job->failed)
        return sq_fail(job->ctx, SQ_MISUSE, "the job has failed and can only be closed");
    if (job->done)
        return SQ_OK;
    SQ_TRY(sq_check_interrupt(job->ctx));        /* between turns nothing is half done: the job may go on, or be stopped */
    rc = job->epochs ? turn_epochs(job, wait_us) : turn(job, wait_us, &job->done);
    job->failed = rc != SQ_OK;
    if (job->done || job->failed)
        job->ended_ns = now_ns(job);
    *done = job->done;
    return rc;
}

sq_rc sq_job_run(struct sq_job *job)
{
    bool done = false;

    while (!done)
        SQ_TRY(sq_job_turn(job, 100000, &done));
    return SQ_OK;
}

void sq_job_drain(struct sq_job *job)
{
    atomic_store(&job->draining, true);
    sq_job_wake(job);
}

/* ---- standing still ---- */

static bool all_parked(struct sq_job *job, uint64_t barrier)
{
    for (uint32_t i = 0; i < job->nworkers; i++)
        if (!atomic_load(&job->workers[i].done) && atomic_load(&job->workers[i].parked) != barrier)
            return false;
    return true;
}

static sq_rc wait_parked(struct sq_job *job, uint64_t barrier)
{
    struct sq_worker *w = &job->workers[0];

    while (!all_parked(job, barrier)) {
        uint32_t seen = sq_event_seen(&w->event);
        sq_rc rc = SQ_OK;
        if (!atomic_load(&w->done) && atomic_load(&w->parked) != barrier)
            rc = sq_worker_step(w, 10000);
        else if (!all_parked(job, barrier) && !atomic_load(&job->stop))
            sq_event_wait(&w->event, seen, 10000);
        SQ_TRY(settle(job, rc));
    }
    return SQ_OK;
}

sq_rc sq_job_pause(struct sq_job *job, struct sq_cut *cut)
{
    uint64_t barrier = atomic_load(&job->barrier) + 1;
    bool ended;

    atomic_store(&job->cut, cut);
    atomic_store(&job->pause, barrier);
    atomic_store(&job->barrier, barrier);
    sq_job_wake(job);
    if (job->nworkers == 1)
        return sq_worker_turn(&job->workers[0], 0, &ended);
    if (!job->done) {
        SQ_TRY(start_threads(job));
        SQ_TRY(wait_parked(job, barrier));
    }
    return sq_job_cut_ended(job);
}

void sq_job_resume(struct sq_job *job)
{
    atomic_store(&job->cut, NULL);
    atomic_store(&job->pause, 0);
    sq_job_wake(job);
}

/* Workers that have left hand over what they had in the end; on the thread that waited for them. */
sq_rc sq_job_cut_ended(struct sq_job *job)
{
    for (uint32_t i = 0; i < job->nworkers; i++) {
        struct sq_worker *w = &job->workers[i];
        if (atomic_load(&w->done) || job->done || job->ended)
            SQ_TRY(sq_job_told(job, i, sq_cut_worker(w, atomic_load(&job->barrier))));
    }
    return SQ_OK;
}

static sq_rc flush_all(struct sq_job *job)
{
    for (uint32_t i = 0; i < job->nworkers; i++)
        SQ_TRY(sq_job_told(job, i, sq_worker_flush(&job->workers[i], true)));
    return SQ_OK;
}

/* Without epochs: what the sources gave until now is written. */
static sq_rc stop_here(struct sq_job *job)
{
    sq_rc rc = job->running ? sq_job_pause(job, NULL) : SQ_OK;

    halt(job);
    return rc == SQ_OK ? flush_all(job) : rc;
}

static sq_rc stop_after_epoch(struct sq_job *job)
{
    bool done = false;

    sq_epochs_stop(job);
    while (!done)
        SQ_TRY(sq_job_turn(job, 100000, &done));
    return flush_all(job);
}

sq_rc sq_job_stop(struct sq_job *job)
{
    sq_rc rc;

    if (job->failed)
        return sq_fail(job->ctx, SQ_MISUSE, "the job has failed and can only be closed");
    if (job->done)
        return SQ_OK;
    rc = job->epochs ? stop_after_epoch(job) : stop_here(job);
    deliver(job, false);
    job->failed = rc != SQ_OK;
    job->done = true;
    job->ended_ns = now_ns(job);
    return rc;
}

sq_rc sq_job_stop_with_savepoint(struct sq_job *job, const char *path, struct sq_buf *made)
{
    if (!job->epochs)
        return sq_epochs_none(job);
    SQ_TRY(sq_job_stop(job));
    return sq_epochs_savepoint(job, path, made);
}

/* ---- closing ---- */

void sq_job_close(struct sq_job *job)
{
    if (!job)
        return;
    if (job->running)
        halt(job);
    sq_epochs_close(job);
    for (uint32_t i = 0; i < job->nworkers; i++)
        sq_lower_free(&job->workers[i]);
    for (uint32_t i = 0; i < job->nworkers; i++) {
        struct sq_worker *w = &job->workers[i];
        sq_free(job->ctx, w->stat);
        sq_buf_free(&w->notices);
        sq_event_free(&w->event);
        pthread_mutex_destroy(&w->lock);
    }
    for (uint32_t i = 0; job->exchanges && i < job->nnodes; i++)
        sq_exchange_free(job->ctx, job->exchanges[i]);
    sq_free(job->ctx, job->exchanges);
    sq_free(job->ctx, (void *)job->sources_ended);
    sq_free(job->ctx, (void *)job->told);
    sq_free(job->ctx, (void *)job->nodes);
    sq_free(job->ctx, job->workers);
    sq_free(job->ctx, job->sum);
    pthread_mutex_destroy(&job->lock);
    sq_free(job->ctx, job);
}
