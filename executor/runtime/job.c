/* SPDX-License-Identifier: Apache-2.0
 *
 * job.c: the life of a job: open everything, turn until the input ends, close everything. With one worker all of it happens on the
 * caller's thread.
 */
#include "executor/runtime/runtime.h"

#include "base/os.h"

static int64_t now_ns(const struct sq_job *job)
{
    return job->ctx->os ? job->ctx->os->mono_ns(job->ctx->os->arg) : 0;
}

/* Sinks last: nothing outside is touched before everything else is known to be good. */
static sq_rc open_ops(struct sq_worker *w)
{
    for (int sinks = 0; sinks < 2; sinks++)
        for (uint32_t i = 0; i < w->nops; i++) {
            struct sq_op *op = w->ops[i];
            if (op && (op->cls == &sq_op_sink) == (sinks == 1) && op->cls->open)
                SQ_TRY(op->cls->open(op));
        }
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
    job->worker.job = job;
    job->worker.ctx = ctx;
    job->started_ns = now_ns(job);
    if (plan->config.state_ttl_ms > 0)
        rc = sq_fail(ctx, SQ_UNSUPPORTED, "'table.exec.state.ttl' is not supported yet: state is kept for good");
    else
        rc = sq_lower(&job->worker, plan);
    if (rc == SQ_OK)
        rc = open_ops(&job->worker);
    if (rc != SQ_OK) {
        sq_job_close(job);
        return rc;
    }
    *out = job;
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
    rc = sq_worker_turn(&job->worker, wait_us, &job->done);
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
}

sq_rc sq_job_stop(struct sq_job *job)
{
    sq_rc rc;

    if (job->failed)
        return sq_fail(job->ctx, SQ_MISUSE, "the job has failed and can only be closed");
    if (job->done)
        return SQ_OK;
    rc = sq_worker_flush(&job->worker, true);
    job->failed = rc != SQ_OK;
    job->done = true;
    job->ended_ns = now_ns(job);
    return rc;
}

static void close_op(struct sq_op *op)
{
    if (op->cls->close)
        op->cls->close(op);
    sq_free(op->ctx, op->outs);
    sq_free(op->ctx, op->ins);
    sq_free(op->ctx, op);
}

void sq_job_close(struct sq_job *job)
{
    if (!job)
        return;
    for (uint32_t i = 0; job->worker.ops && i < job->worker.nops; i++)
        if (job->worker.ops[i])
            close_op(job->worker.ops[i]);
    sq_free(job->ctx, job->worker.ops);
    sq_free(job->ctx, job->worker.sources);
    sq_free(job->ctx, job);
}

sq_rc sq_job_snapshot(struct sq_job *job, struct sq_buf *out)
{
    if (job->failed)
        return sq_fail(job->ctx, SQ_MISUSE, "a failed job has no snapshot");
    return sq_worker_save(&job->worker, out);
}

sq_rc sq_job_restore(struct sq_job *job, struct sq_str in)
{
    sq_rc rc = sq_worker_load(&job->worker, in);

    job->failed = rc != SQ_OK;
    return rc;
}
