/* SPDX-License-Identifier: Apache-2.0
 *
 * epochs.c: when an epoch ends, and what follows from that; on the thread of worker 0, after each of its turns.
 *
 * An epoch ends by time (execution.checkpointing.interval, execution.trigger), or early: when a sink holds many rows or a source has given its share, when
 * somebody asks for a savepoint; and it ends with the job: when all input has ended, when with 'available-now' every source has come to where its data
 * ended, when the job is stopped. Where nothing has come in since the last one, time alone makes none.
 *
 *   OPEN        rows flow; the next barrier is not sent yet
 *   CUTTING     the barrier is under way; operators hand over their state as it passes them
 *   COMMITTING  every worker has handed over everything; rows flow again, those for sinks wait there; the committing thread is at work
 *
 * Only when that is done is the next barrier sent, so there is never more than one epoch under way.
 */
#include "executor/runtime/epochs.h"

#include "base/os.h"

enum { REQUESTS_NS = 200 * 1000 * 1000, SOON_US = 1000 };

static int64_t now_ns(const struct sq_job *job) { return job->ctx->os->mono_ns(job->ctx->os->arg); }

int64_t sq_epoch_period_ms(const struct sq_epochs *e)
{
    return e->config->trigger == SQ_TRIGGER_INTERVAL ? e->config->trigger_ms : e->config->interval_ms;
}

static int64_t period_ns(const struct sq_epochs *e) { return sq_epoch_period_ms(e) * 1000000; }

/* When the next epoch is due by time; INT64_MAX: never. */
static int64_t due_ns(const struct sq_epochs *e)
{
    int64_t due = e->began_ns + period_ns(e), pause = e->ended_ns + e->config->min_pause_ms * 1000000;

    if (period_ns(e) <= 0)
        return INT64_MAX;
    return due > pause ? due : pause;
}

int64_t sq_epochs_wait_us(const struct sq_job *job)
{
    const struct sq_epochs *e = job->epochs;
    int64_t due, us;

    if (!e || e->phase != EPOCH_OPEN)
        return 100 * 1000;
    if (atomic_load(&e->wanted))
        return 0;
    due = due_ns(e);
    if (due == INT64_MAX)
        return 100 * 1000;
    us = (due - now_ns(job)) / 1000;
    return us < 0 ? (atomic_load(&job->dirty) ? 0 : SOON_US) : us;
}

void sq_job_want_epoch(struct sq_job *job)
{
    if (!job->epochs || atomic_load_explicit(&job->epochs->wanted, memory_order_relaxed))
        return;
    atomic_store(&job->epochs->wanted, true);
    sq_event_raise(&job->workers[0].event);
}

void sq_epochs_stop(struct sq_job *job) { job->epochs->stop = true; }

/* ---- beginning ---- */

static sq_rc begin(struct sq_epochs *e, bool last, bool final)
{
    struct sq_job *job = e->job;
    uint64_t barrier = atomic_load(&job->barrier) + 1;

    e->last = last;
    e->final = final;
    e->began_ns = e->cut_ns = now_ns(job);
    e->taken_us = job->ctx->os->now_us(job->ctx->os->arg);
    atomic_store(&e->wanted, false);
    atomic_store(&job->dirty, false);
    atomic_store(&e->answer, ANSWER_NONE);
    SQ_TRY(sq_commit_start(e));
    SQ_TRY(sq_cut_init(&e->cut, job, barrier, e->store != NULL));
    e->cut.chunk = sq_commit_chunk;
    e->cut.spare = sq_commit_spare;
    e->cut.arg = e;
    e->phase = EPOCH_CUTTING;
    atomic_store(&job->cut, &e->cut);
    if (last)
        atomic_store(&job->pause, barrier);
    atomic_store(&job->barrier, barrier);
    sq_job_wake(job);
    return SQ_OK;
}

/* Somebody has asked through the directory. */
static sq_rc look_for_requests(struct sq_epochs *e)
{
    int64_t now = now_ns(e->job);

    if (!e->store || e->request_token || now - e->asked_ns < REQUESTS_NS)
        return SQ_OK;
    e->asked_ns = now;
    sq_arena_reset(&e->request_arena);
    e->request_token = NULL;
    SQ_TRY(sq_store_requested(e->store, &e->request_arena, &e->request_path, &e->request_token));
    if (!e->request_path)
        e->request_token = NULL;
    return SQ_OK;
}

/* All sources have come to the end of what there is for this run. */
static bool no_more_now(const struct sq_epochs *e)
{
    return e->config->trigger == SQ_TRIGGER_AVAILABLE_NOW && atomic_load(&e->job->sources_live) == 0;
}

static sq_rc look_whether_due(struct sq_epochs *e, bool ended, bool *done)
{
    SQ_TRY(look_for_requests(e));
    if (ended && e->finished) {                  /* an earlier run committed its last epoch, and found no time to say so */
        *done = true;
        return SQ_OK;
    }
    if (ended)
        return begin(e, true, true);
    if (e->stop || no_more_now(e))
        return begin(e, true, false);
    if (e->request_token || atomic_load(&e->wanted) || (atomic_load(&e->job->dirty) && now_ns(e->job) >= due_ns(e)))
        return begin(e, false, false);
    return SQ_OK;
}

/* ---- under way ---- */

static sq_rc look_whether_late(struct sq_epochs *e)
{
    int64_t spent_ms = (now_ns(e->job) - e->cut_ns) / 1000000;

    if (e->config->timeout_ms <= 0 || spent_ms < e->config->timeout_ms)
        return SQ_OK;
    sq_fail(e->job->ctx, SQ_LIMIT, "epoch %llu could not be completed within %lld ms ('execution.checkpointing.timeout')", (unsigned long long)(e->epoch + 1),
            (long long)e->config->timeout_ms);
    return sq_hint(e->job->ctx, "%s", e->phase == EPOCH_CUTTING ? "rows between source and sink take long: look at what holds them up"
                                                                : "the disk or a sink takes long to commit");
}

static sq_rc failed(struct sq_epochs *e)
{
    e->job->ctx->err = e->ctx.err;
    return e->ctx.err.rc;
}

static sq_rc look_whether_cut(struct sq_epochs *e)
{
    SQ_TRY(sq_job_cut_ended(e->job));
    if (atomic_load(&e->answer) == ANSWER_FAILED)
        return failed(e);
    if (atomic_load_explicit(&e->cut.left, memory_order_acquire) > 0)
        return look_whether_late(e);
    atomic_store(&e->job->cut, NULL);
    e->phase = EPOCH_COMMITTING;
    sq_commit_complete(e);
    return SQ_OK;
}

/* Copies the checkpoint of the epoch that is committed. */
static sq_rc copy_checkpoint(struct sq_epochs *e, const char *path, struct sq_buf *made)
{
    struct sq_store_entry *all;
    struct sq_arena arena;
    uint32_t n;
    sq_rc rc;

    sq_arena_init(&arena, e->job->ctx);
    rc = sq_store_list(e->store, &arena, &all, &n);
    if (rc == SQ_OK && (n == 0 || all[0].epoch != e->epoch || !all[0].path))
        rc = sq_fail(e->job->ctx, SQ_SEMANTIC, "the job has no checkpoint yet: nothing has come in");
    if (rc == SQ_OK)
        rc = sq_store_savepoint_path(e->job->ctx, path && *path ? path : e->config->dir.p, e->epoch, made);
    if (rc == SQ_OK)
        rc = sq_store_copy(e->job->ctx, all[0].path, made->p);
    sq_arena_free(&arena);
    return rc;
}

static sq_rc answer_request(struct sq_epochs *e)
{
    struct sq_ctx *ctx = e->job->ctx;
    struct sq_buf made;
    sq_rc rc;

    if (!e->request_token)
        return SQ_OK;
    sq_buf_init(&made, ctx);
    rc = copy_checkpoint(e, e->request_path, &made);
    if (rc == SQ_OK)
        sq_notice(ctx, "savepoint: %s", made.p);
    rc = sq_store_answer(e->store, e->request_token, rc == SQ_OK ? made.p : NULL, rc == SQ_OK ? NULL : ctx->err.msg);
    sq_buf_free(&made);
    e->request_token = e->request_path = NULL;
    return rc;
}

static sq_rc look_whether_committed(struct sq_epochs *e, bool *done)
{
    struct sq_job *job = e->job;
    int answered = atomic_load_explicit(&e->answer, memory_order_acquire);

    if (answered == ANSWER_FAILED)
        return failed(e);
    if (answered == ANSWER_NONE)
        return look_whether_late(e);
    if (e->store)
        sq_store_use(e->store, job->ctx);
    e->epoch++;
    e->made += e->store != NULL;
    e->ended_ns = now_ns(job);
    e->spent_ns = e->ended_ns - e->cut_ns;
    e->bytes = e->written;
    e->finished = e->final;
    for (uint32_t i = 0; i < e->nsinks; i++)
        sq_sink_give_back(e->sinks[i]);
    atomic_store_explicit(&job->committed, e->cut.barrier, memory_order_release);
    sq_cut_free(&e->cut);
    e->phase = EPOCH_OPEN;
    sq_job_wake(job);
    SQ_TRY(answer_request(e));
    *done = e->last;
    return SQ_OK;
}

sq_rc sq_epochs_turn(struct sq_job *job, bool ended, int64_t wait_us, bool *done)
{
    struct sq_epochs *e = job->epochs;
    uint32_t seen = sq_event_seen(&job->workers[0].event);
    enum phase before = e->phase;

    *done = false;
    if (e->phase == EPOCH_OPEN)
        SQ_TRY(look_whether_due(e, ended, done));
    if (e->phase == EPOCH_CUTTING)
        SQ_TRY(look_whether_cut(e));
    if (e->phase == EPOCH_COMMITTING)
        SQ_TRY(look_whether_committed(e, done));
    if (ended && !*done && e->phase == before && wait_us > 0)        /* no turn waits any more */
        sq_event_wait(&job->workers[0].event, seen, wait_us);
    return SQ_OK;
}

/* ---- savepoints, counts ---- */

sq_rc sq_epochs_none(struct sq_job *job)
{
    sq_fail(job->ctx, SQ_SEMANTIC, "the job makes no checkpoints, so there is nothing to save");
    return sq_hint(job->ctx, "SET 'execution.checkpointing.interval' = '10 s' before the INSERT");
}

sq_rc sq_epochs_savepoint(struct sq_job *job, const char *path, struct sq_buf *made)
{
    return job->epochs->store ? copy_checkpoint(job->epochs, path, made) : sq_epochs_none(job);
}

void sq_epochs_stats(const struct sq_job *job, struct sq_job_stats *st)
{
    const struct sq_epochs *e = job->epochs;

    if (!e)
        return;
    st->epoch = e->epoch;
    st->checkpoints = e->made;
    st->restored = e->restored;
    st->checkpoint_ns = e->spent_ns;
    st->checkpoint_bytes = e->bytes;
}
