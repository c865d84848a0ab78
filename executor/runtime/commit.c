/* SPDX-License-Identifier: Apache-2.0
 *
 * commit.c: the thread that makes epochs durable: it writes the chunks of state as they come, and when the cut is whole takes the sinks through steps
 * 2 to 4 of the commit protocol (epochs.h).
 *
 * It has a context of its own. Between sq_commit_complete and the answer the writers of the sinks, the parts of the cut and the store are its own; before
 * that, of all these, only the store. A failure is the answer, and the end of the job: what was prepared is found and decided at the next start.
 */
#include "executor/runtime/epochs.h"

#include "base/os.h"

#include <signal.h>

enum { KEPT_BYTES = 1 << 20, KEPT_MS = 60 * 1000 };

/* ---- chunks ---- */

sq_rc sq_commit_chunk(void *arg, const struct sq_saved_op *op, uint32_t seq, struct sq_buf *b)
{
    struct sq_epochs *e = arg;
    struct sq_epoch_chunk *c = sq_calloc(b->ctx, sizeof *c);

    if (!c)
        return SQ_NOMEM;
    *c = (struct sq_epoch_chunk){.uid = op->uid, .worker = op->worker, .seq = seq, .bytes = *b};
    sq_buf_init(b, b->ctx);
    c->bytes.ctx = &e->ctx;                      /* who frees it */
    pthread_mutex_lock(&e->lock);
    *e->end = c;
    e->end = &c->next;
    pthread_cond_signal(&e->cond);
    pthread_mutex_unlock(&e->lock);
    return SQ_OK;
}

static void free_chunk(struct sq_epochs *e, struct sq_epoch_chunk *c)
{
    sq_buf_free(&c->bytes);
    sq_free(&e->ctx, c);
}

/* Memory that was filled before needs no page faults. It is kept where the next epoch is near, and thrown away where it would lie idle for long. */
static void keep_chunk(struct sq_epochs *e, struct sq_epoch_chunk *c)
{
    if (c->bytes.cap < KEPT_BYTES || sq_epoch_period_ms(e) > KEPT_MS) {
        free_chunk(e, c);
        return;
    }
    sq_buf_reset(&c->bytes);
    pthread_mutex_lock(&e->lock);
    c->next = e->spare;
    e->spare = c;
    pthread_mutex_unlock(&e->lock);
}

bool sq_commit_spare(void *arg, struct sq_buf *b)
{
    struct sq_epochs *e = arg;
    struct sq_epoch_chunk *c;

    pthread_mutex_lock(&e->lock);
    c = e->spare;
    if (c)
        e->spare = c->next;
    pthread_mutex_unlock(&e->lock);
    if (!c)
        return false;
    c->bytes.ctx = b->ctx;
    *b = c->bytes;
    sq_free(b->ctx, c);
    return true;
}

static sq_rc open_writer(struct sq_epochs *e)
{
    return e->writer ? SQ_OK : sq_store_begin(e->store, e->epoch + 1, &e->writer);
}

static sq_rc write_chunk(struct sq_epochs *e, struct sq_epoch_chunk *c)
{
    sq_rc rc = open_writer(e);

    if (rc == SQ_OK)
        rc = sq_store_chunk(e->writer, c->uid, c->worker, c->seq, c->bytes.p, c->bytes.n);
    keep_chunk(e, c);
    return rc;
}

/* ---- an epoch ---- */

bool sq_wants_pending(const struct sq_epochs *e, const struct sq_op *sink)
{
    return e->store && sink != e->decider;
}

static sq_rc prepare_sinks(struct sq_epochs *e, uint64_t n)
{
    for (uint32_t i = 0; i < e->nsinks; i++) {
        sq_buf_reset(&e->pending[i]);
        if (e->last)
            sq_sink_last(e->sinks[i], e->final);
        SQ_TRY(sq_sink_prepare(e->sinks[i], &e->ctx, n, sq_wants_pending(e, e->sinks[i]) ? &e->pending[i] : NULL));
        SQ_FAULT(&e->ctx, "epoch.sink-prepared");
    }
    return SQ_OK;
}

static sq_rc plan_text(struct sq_epochs *e, struct sq_arena *arena, struct sq_str *out)
{
    struct sq_buf b;

    sq_buf_init(&b, &e->ctx);
    for (uint32_t i = 0; i < e->job->nnodes; i++)
        if (e->job->nodes[i] && e->job->nodes[i]->kind != SQ_N_EXCHANGE)
            sq_buf_printf(&b, "%.*s\n", SQ_FMT(e->job->nodes[i]->text));
    *out = b.rc == SQ_OK ? sq_str_dup(arena, sq_buf_view(&b)) : (struct sq_str){NULL, 0};
    sq_buf_free(&b);
    return out->p ? SQ_OK : SQ_NOMEM;
}

static void add_pending(struct sq_epochs *e, struct sq_saved *saved)
{
    for (uint32_t i = 0; i < saved->nops; i++)
        for (uint32_t k = 0; k < e->nsinks; k++)
            if (saved->ops[i].kind == (uint32_t)SQ_N_SINK && sq_str_eq(saved->ops[i].name, sq_sink_name(e->sinks[k])) &&
                saved->ops[i].worker == e->sinks[k]->worker->number && sq_wants_pending(e, e->sinks[k])) {
                saved->ops[i].has_pending = true;
                saved->ops[i].pending = sq_buf_view(&e->pending[k]);
            }
}

static sq_rc write_checkpoint(struct sq_epochs *e, uint64_t n, struct sq_arena *arena)
{
    struct sq_saved saved = {.job = sq_store_job(e->store), .name = e->job->plan->config.name, .epoch = n, .taken_us = e->taken_us,
                             .workers = e->job->nworkers, .finished = e->final, .decided_by_sink = e->decider != NULL,
                             .decider = e->decider ? sq_sink_name(e->decider) : SQ_STR("")};
    struct sq_store_writer *w;

    SQ_TRY(open_writer(e));
    SQ_TRY(plan_text(e, arena, &saved.plan));
    SQ_TRY(sq_cut_ops(&e->cut, arena, &saved.ops, &saved.nops));
    add_pending(e, &saved);
    w = e->writer;
    e->writer = NULL;
    return sq_store_prepared(w, &saved, &e->written);
}

static sq_rc commit_sinks(struct sq_epochs *e, uint64_t n)
{
    if (e->decider) {
        SQ_TRY(sq_sink_commit(e->decider, &e->ctx, n));
        SQ_FAULT(&e->ctx, "epoch.decided");
    }
    for (uint32_t i = 0; i < e->nsinks; i++) {
        if (e->sinks[i] == e->decider)
            continue;
        SQ_TRY(sq_sink_commit(e->sinks[i], &e->ctx, n));
        SQ_FAULT(&e->ctx, "epoch.sink-committed");
    }
    for (uint32_t i = 0; i < e->nsinks; i++)
        if (sq_sink_holds(e->sinks[i]))
            atomic_store(&e->job->dirty, true);
    return SQ_OK;
}

static sq_rc commit_epoch(struct sq_epochs *e)
{
    uint64_t n = e->epoch + 1;
    struct sq_arena arena;
    sq_rc rc = SQ_OK;

    SQ_FAULT(&e->ctx, "epoch.cut");
    SQ_TRY(prepare_sinks(e, n));
    SQ_FAULT(&e->ctx, "epoch.sinks-prepared");
    sq_arena_init(&arena, &e->ctx);
    if (e->store)
        rc = write_checkpoint(e, n, &arena);
    sq_arena_free(&arena);
    SQ_TRY(rc);
    SQ_FAULT(&e->ctx, "epoch.prepared");
    SQ_TRY(commit_sinks(e, n));
    SQ_FAULT(&e->ctx, "epoch.committed");
    if (e->store && !e->final)                   /* the last one is done when the job has said so: sq_epochs_close */
        SQ_TRY(sq_store_done(e->store, n, e->config->retained));
    SQ_FAULT(&e->ctx, "epoch.done");
    return SQ_OK;
}

/* ---- the thread ---- */

static void answer(struct sq_epochs *e, sq_rc rc)
{
    if (rc != SQ_OK) {
        sq_store_abort(e->writer);
        e->writer = NULL;
    }
    atomic_store_explicit(&e->answer, rc == SQ_OK ? ANSWER_DONE : ANSWER_FAILED, memory_order_release);
    sq_event_raise(&e->job->workers[0].event);
}

/* The next thing to do: a chunk, or with *commit the epoch; neither: leave. */
static struct sq_epoch_chunk *next_work(struct sq_epochs *e, bool *commit)
{
    struct sq_epoch_chunk *c;

    *commit = false;
    pthread_mutex_lock(&e->lock);
    while (!e->first && !e->complete && !e->quit)
        pthread_cond_wait(&e->cond, &e->lock);
    c = e->quit ? NULL : e->first;
    if (c) {
        e->first = c->next;
        if (!e->first)
            e->end = &e->first;
    } else if (!e->quit) {
        *commit = true;
        e->complete = false;
    }
    pthread_mutex_unlock(&e->lock);
    return c;
}

static void *run(void *arg)
{
    struct sq_epochs *e = arg;
    sq_rc rc = SQ_OK;

    for (;;) {
        bool commit;
        struct sq_epoch_chunk *c = next_work(e, &commit);
        if (e->store && (c || commit))
            sq_store_use(e->store, &e->ctx);
        if (c && rc == SQ_OK) {
            rc = write_chunk(e, c);
            if (rc != SQ_OK)
                answer(e, rc);
        } else if (c) {
            free_chunk(e, c);
        } else if (commit && rc == SQ_OK) {
            answer(e, rc = commit_epoch(e));
        } else if (!commit) {
            return NULL;
        }
    }
}

sq_rc sq_commit_start(struct sq_epochs *e)
{
    sigset_t all, before;
    int err;

    if (e->thread_there)
        return SQ_OK;
    sigfillset(&all);                            /* signals are the program's thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&e->thread, NULL, run, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    e->thread_there = err == 0;
    return err == 0 ? SQ_OK : sq_fail(e->job->ctx, SQ_LIMIT, "the system gives no thread for checkpoints");
}

void sq_commit_complete(struct sq_epochs *e)
{
    pthread_mutex_lock(&e->lock);
    e->complete = true;
    pthread_cond_signal(&e->cond);
    pthread_mutex_unlock(&e->lock);
}

static void free_list(struct sq_epochs *e, struct sq_epoch_chunk *c)
{
    while (c) {
        struct sq_epoch_chunk *next = c->next;
        free_chunk(e, c);
        c = next;
    }
}

void sq_commit_close(struct sq_epochs *e)
{
    if (e->thread_there) {
        pthread_mutex_lock(&e->lock);
        e->quit = true;
        pthread_cond_signal(&e->cond);
        pthread_mutex_unlock(&e->lock);
        pthread_join(e->thread, NULL);
        e->thread_there = false;
    }
    if (e->store)
        sq_store_use(e->store, e->job->ctx);
    free_list(e, e->first);
    free_list(e, e->spare);
    e->first = e->spare = NULL;
    sq_store_abort(e->writer);
    e->writer = NULL;
}
