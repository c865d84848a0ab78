/* SPDX-License-Identifier: Apache-2.0
 *
 * recover.c: how a job with epochs begins: which checkpoint counts, and how to go on from it (epochs.h has the protocol).
 *
 *   nothing there             the job begins anew, with a savepoint where one is given
 *   newest DONE               restored; every sink with a marker must say the same number
 *   newest DONE, finished     all input had ended: the job begins anew, under a new UUID, with a notice. (The last epoch is DONE only when the job was closed as
 *                             one that has come to its end: who died between its commit and that finds nothing left to do, and doubles nothing.)
 *   newest PREPARED           happened, or has not, as the decider says; then it is committed to the end, or dropped for the one before
 *   newest damaged            dropped for the one before, with a notice; if a sink with a marker has that epoch already, the numbers do not agree and that is
 *                             refused below
 *   all damaged               refused, and nothing removed
 *
 * A sink that is new in the job begins with the checkpoint's number. Any other number that does not agree means that checkpoint and sink are not of one history
 * (one was restored from a backup, a topic was made anew, offsets expired).
 * Going on would lose or double rows, so it is refused, unless 'execution.checkpointing.ignore-sink-epochs' says that the checkpoint is right.
 */
#include "executor/runtime/epochs.h"

#include "base/os.h"

#include <stdio.h>

static bool wants_epochs(const struct sq_epoch_config *c)
{
    return c->trigger != SQ_TRIGGER_CONTINUOUS || c->interval_ms > 0 || c->dir.n > 0;
}

/* ---- before the sinks ---- */

/* The sinks that take part, and which of them decides: the only one with a marker. */
static sq_rc find_sinks(struct sq_epochs *e)
{
    struct sq_job *job = e->job;
    uint32_t marked = 0;

    e->sinks = SQ_NEW_ARRAY(&e->arena, struct sq_op *, (size_t)job->nworkers * job->nnodes + 1);
    if (!e->sinks)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < job->nworkers; i++)
        for (uint32_t k = 0; k < job->workers[i].nops; k++) {
            struct sq_op *op = job->workers[i].ops[k];
            if (!op || op->cls != &sq_op_sink || !op->plan->u.sink.connector->sink->prepare)
                continue;
            e->sinks[e->nsinks++] = op;
            if (sq_sink_promise(op) == SQ_SINK_MARKED && ++marked == 1)
                e->decider = op;
        }
    if (marked != 1 || !e->store)
        e->decider = NULL;
    e->pending = SQ_NEW_ARRAY(&e->arena, struct sq_buf, e->nsinks + 1);
    for (uint32_t i = 0; e->pending && i < e->nsinks; i++)
        sq_buf_init(&e->pending[i], &e->ctx);
    return e->pending ? SQ_OK : SQ_NOMEM;
}

static void make_owner(struct sq_epochs *e)
{
    unsigned char r[8];

    e->ctx.os->random(e->ctx.os->arg, r, sizeof r);
    for (size_t i = 0; i < sizeof r; i++)
        snprintf(e->owner + 2 * i, 3, "%02x", r[i]);
}

static sq_rc list(struct sq_epochs *e, struct sq_arena *arena, struct sq_store_entry **all, uint32_t *n)
{
    return sq_store_list(e->store, arena, all, n);
}

/* The file that 'execution.savepoint.path' means: of a job's directory, its newest checkpoint. */
static sq_rc find_savepoint(struct sq_epochs *e)
{
    const struct sq_os *os = e->job->ctx->os;
    struct sq_buf path;
    struct stat st;
    sq_rc rc = SQ_OK;

    sq_buf_init(&path, e->job->ctx);
    if (os->stat(os->arg, e->config->from.p, &st) >= 0 && S_ISDIR(st.st_mode))
        rc = sq_store_newest(e->job->ctx, e->config->from.p, &path);
    else
        rc = sq_buf_str(&path, e->config->from);
    if (rc == SQ_OK && !(e->savepoint = sq_str_dup(&e->arena, sq_buf_view(&path)).p))
        rc = SQ_NOMEM;
    sq_buf_free(&path);
    return rc;
}

static sq_rc adopt_savepoint(struct sq_epochs *e)
{
    struct sq_ctx *ctx = e->job->ctx;
    struct sq_store_reader *r;
    struct sq_saved saved;
    sq_rc rc;

    SQ_TRY(find_savepoint(e));
    SQ_TRY(sq_store_read(ctx, e->savepoint, &r, &saved));
    rc = sq_store_adopt(e->store, saved.job);
    sq_store_reader_close(r);
    return rc;
}

/* The directory has checkpoints, and a savepoint is named too: fine when they are of one history and the savepoint is the older; it is where the job began. */
static sq_rc compare_savepoint(struct sq_epochs *e, uint64_t newest)
{
    struct sq_ctx *ctx = e->job->ctx;
    struct sq_store_reader *r;
    struct sq_saved saved;
    sq_rc rc = SQ_OK;

    SQ_TRY(find_savepoint(e));
    SQ_TRY(sq_store_read(ctx, e->savepoint, &r, &saved));
    if (!sq_str_eq(saved.job, sq_store_job(e->store)) || saved.epoch > newest) {
        sq_fail(ctx, SQ_SEMANTIC, "'execution.savepoint.path' is of %s, and '%.*s' has checkpoints already", saved.epoch > newest ? "a later epoch" : "another job", SQ_FMT(e->config->dir));
        rc = sq_hint(ctx, "RESET 'execution.savepoint.path' goes on from these; another 'pipeline.name' or 'execution.checkpointing.dir' begins from the savepoint");
    } else {
        sq_notice(ctx, "the job goes on from its newest checkpoint; it began from the savepoint of epoch %llu before", (unsigned long long)saved.epoch);
    }
    sq_store_reader_close(r);
    e->savepoint = NULL;
    return rc;
}

/* A finished job begins anew. A savepoint gives its UUID to a store that has no checkpoints of its own. */
static sq_rc settle_job(struct sq_epochs *e)
{
    struct sq_store_entry *all;
    struct sq_arena arena;
    uint32_t n;
    sq_rc rc;

    sq_arena_init(&arena, e->job->ctx);
    rc = list(e, &arena, &all, &n);
    if (rc == SQ_OK && n > 0 && all[0].finished && all[0].status == SQ_STORE_DONE && e->config->trigger != SQ_TRIGGER_AVAILABLE_NOW) {
        sq_notice(e->job->ctx, "the job's last run came to the end of its input (epoch %llu): it begins anew", (unsigned long long)all[0].epoch);
        rc = sq_store_renew(e->store);
        n = 0;
    }
    if (rc == SQ_OK && n == 0 && e->config->from.n)
        rc = adopt_savepoint(e);
    else if (rc == SQ_OK && e->config->from.n)
        rc = compare_savepoint(e, all[0].epoch);
    sq_arena_free(&arena);
    return rc;
}

sq_rc sq_epochs_open(struct sq_job *job)
{
    const struct sq_epoch_config *config = &job->plan->config.epochs;
    struct sq_epochs *e;

    if (!wants_epochs(config))
        return SQ_OK;
    e = job->epochs = sq_calloc(job->ctx, sizeof *e);
    if (!e)
        return SQ_NOMEM;
    e->job = job;
    e->config = config;
    e->ctx = (struct sq_ctx){.budget = job->ctx->budget, .os = job->ctx->os, .notice = sq_job_note, .notice_arg = &job->workers[0], .interrupt = &job->abort};
    e->end = &e->first;
    sq_arena_init(&e->arena, job->ctx);
    sq_arena_init(&e->request_arena, job->ctx);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->cond, NULL);
    e->lock_there = true;
    e->began_ns = e->ended_ns = job->ctx->os->mono_ns(job->ctx->os->arg);
    make_owner(e);
    if (config->dir.n) {
        SQ_TRY(sq_store_open(job->ctx, config->dir.p, job->plan->config.name, &e->store));
        SQ_TRY(settle_job(e));
    }
    return find_sinks(e);
}

void sq_epochs_sink_spec(struct sq_job *job, const struct sq_op *op, struct sq_sink_epochs *s)
{
    struct sq_epochs *e = job->epochs;

    *s = (struct sq_sink_epochs){
        .on = true,
        .job = e->store ? sq_store_job(e->store) : SQ_STR(""),
        .old_job = e->store ? sq_store_old_job(e->store) : SQ_STR(""),
        .sink = sq_sink_name(op),
        .owner = sq_str_of(e->owner),
        .copies = sq_wants_pending(e, op),
        .interval_ms = e->config->trigger == SQ_TRIGGER_INTERVAL ? e->config->trigger_ms : e->config->interval_ms,
        .timeout_ms = e->config->timeout_ms,
    };
}

/* ---- which epoch counts ---- */

struct markers { uint64_t *of; };      /* by sink; of those without a marker not used */

static sq_rc read_markers(struct sq_epochs *e, struct sq_arena *arena, struct markers *m)
{
    m->of = SQ_NEW_ARRAY(arena, uint64_t, e->nsinks + 1);
    if (!m->of)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < e->nsinks && e->store; i++)
        if (sq_sink_promise(e->sinks[i]) == SQ_SINK_MARKED)
            SQ_TRY(sq_sink_marker(e->sinks[i], e->job->ctx, &m->of[i]));
    return SQ_OK;
}

static sq_rc no_agreement(struct sq_epochs *e, const struct sq_op *sink, uint64_t has, uint64_t want)
{
    struct sq_str name = sq_sink_name(sink);

    sq_fail(e->job->ctx, SQ_EXTERNAL, "sink %.*s has committed epoch %llu of this job, and the newest usable checkpoint in '%.*s' is of epoch %llu: they are not of one history", SQ_FMT(name),
            (unsigned long long)has, SQ_FMT(e->config->dir), (unsigned long long)want);
    sq_lasting(e->job->ctx);
    return sq_hint(e->job->ctx, "going on would %s rows; if the sink is to be taken as it is, 'execution.checkpointing.ignore-sink-epochs' = 'true' goes on from the checkpoint; another "
                                "'pipeline.name' or directory begins anew", has > want ? "double" : "lose");
}

/* A sink that the checkpoint does not know, and that does not know the job: the job has one more now. */
static bool is_new(const struct sq_saved *saved, const struct sq_op *sink, uint64_t marker)
{
    for (uint32_t i = 0; saved && i < saved->nops; i++)
        if (saved->ops[i].kind == (uint32_t)SQ_N_SINK && sq_str_eq(saved->ops[i].name, sq_sink_name(sink)))
            return false;
    return saved && marker == 0;
}

/* Every marker is n. Those that are n - 1 are allowed where the epoch's rows are still to be committed; a sink that is new begins with n. saved NULL: no checkpoint. */
static sq_rc check_markers(struct sq_epochs *e, const struct markers *m, const struct sq_saved *saved, bool behind_is_fine)
{
    uint64_t n = saved ? saved->epoch : 0;

    for (uint32_t i = 0; i < e->nsinks && e->store; i++) {
        if (sq_sink_promise(e->sinks[i]) != SQ_SINK_MARKED || m->of[i] == n || (behind_is_fine && m->of[i] + 1 == n))
            continue;
        if (is_new(saved, e->sinks[i], m->of[i]))
            continue;                            /* begin_new, once the job is known to fit */
        if (!e->config->ignore_sink_epochs)
            return no_agreement(e, e->sinks[i], m->of[i], n);
        SQ_TRY(sq_sink_set_marker(e->sinks[i], e->job->ctx, n));
        sq_notice(e->job->ctx, "sink %.*s had epoch %llu and is taken to have epoch %llu, as 'execution.checkpointing.ignore-sink-epochs' says",
                  SQ_FMT(sq_sink_name(e->sinks[i])), (unsigned long long)m->of[i], (unsigned long long)n);
        m->of[i] = n;
    }
    return SQ_OK;
}

static uint64_t marker_of(const struct sq_epochs *e, const struct markers *m, const struct sq_op *sink)
{
    for (uint32_t i = 0; i < e->nsinks; i++)
        if (e->sinks[i] == sink)
            return m->of[i];
    return 0;
}

/* Checkpoints there are, and none that can be used: to begin anew would read inputs from where their tables say, which may be their end. Nothing is removed. */
static sq_rc none_whole(struct sq_epochs *e)
{
    sq_fail(e->job->ctx, SQ_DATA, "no checkpoint of the job in '%.*s' can be used", SQ_FMT(e->config->dir));
    return sq_hint(e->job->ctx, "bring the directory back from a copy; to begin anew, or from a savepoint ('execution.savepoint.path'), use another 'pipeline.name' or directory");
}

/* The newest checkpoint whose file is whole; damaged ones are said, and dropped once an older one is found. */
static sq_rc newest_whole(struct sq_epochs *e, struct sq_arena *arena, struct sq_store_entry *out, struct sq_store_reader **r, struct sq_saved *saved)
{
    struct sq_ctx *ctx = e->job->ctx;
    struct sq_store_entry *all;
    uint32_t n;

    *r = NULL;
    *out = (struct sq_store_entry){0};
    SQ_TRY(list(e, arena, &all, &n));
    for (uint32_t i = 0; i < n; i++) {
        sq_rc rc = sq_store_get(e->store, all[i].epoch, r, saved);
        if (rc == SQ_OK)
            rc = sq_store_verify(*r);
        if (rc == SQ_OK) {
            *out = all[i];
            for (uint32_t k = 0; k < i; k++)
                SQ_TRY(sq_store_drop(e->store, all[k].epoch));
            return SQ_OK;
        }
        sq_store_reader_close(*r);
        *r = NULL;
        if (rc != SQ_DATA)
            return rc;
        sq_notice(ctx, "checkpoint %llu cannot be used: %s", (unsigned long long)all[i].epoch, ctx->err.msg);
    }
    return n ? none_whole(e) : SQ_OK;
}

/* The decider (by the checkpoint) is not what it was: the set of sinks has changed. */
static sq_rc check_decider(struct sq_epochs *e, const struct sq_saved *saved, const struct sq_store_entry *c)
{
    struct sq_str now = e->decider ? sq_sink_name(e->decider) : SQ_STR("");

    if (c->status == SQ_STORE_DONE || (saved->decided_by_sink == (e->decider != NULL) && sq_str_eq(saved->decider, now)))
        return SQ_OK;
    sq_fail(e->job->ctx, SQ_SEMANTIC, "epoch %llu was broken off at its commit, and the job's sinks have changed since", (unsigned long long)c->epoch);
    return sq_hint(e->job->ctx, "run the job once with the sinks that it had, so that the epoch is committed, then change it");
}

/* ---- going on ---- */

static const struct sq_saved_op *saved_sink(const struct sq_saved *saved, const struct sq_op *sink)
{
    for (uint32_t i = 0; i < saved->nops; i++)
        if (saved->ops[i].kind == (uint32_t)SQ_N_SINK && sq_str_eq(saved->ops[i].name, sq_sink_name(sink)) && saved->ops[i].worker == sink->worker->number)
            return &saved->ops[i];
    return NULL;
}

/* Each sink goes on from what it had prepared; what is not known to be committed is. */
static sq_rc recover_sinks(struct sq_epochs *e, const struct sq_saved *saved, const struct markers *m, bool committed)
{
    struct sq_ctx *ctx = e->job->ctx;

    for (uint32_t i = 0; i < e->nsinks; i++) {
        const struct sq_saved_op *s = saved_sink(saved, e->sinks[i]);
        bool marked = sq_sink_promise(e->sinks[i]) == SQ_SINK_MARKED;
        if (marked ? m->of[i] == saved->epoch : !s || !s->has_pending)
            continue;                            /* committed; or new here */
        if (marked && (!s || !s->has_pending))
            return no_agreement(e, e->sinks[i], m->of[i], saved->epoch);
        SQ_TRY(sq_sink_recover(e->sinks[i], ctx, saved->epoch, s->pending));
        if (marked || !committed)
            SQ_TRY(sq_sink_commit(e->sinks[i], ctx, saved->epoch));
        if (sq_sink_holds(e->sinks[i]))
            atomic_store(&e->job->dirty, true);
    }
    return SQ_OK;
}

static sq_rc begin_new(struct sq_epochs *e, const struct sq_saved *saved, const struct markers *m)
{
    for (uint32_t i = 0; i < e->nsinks; i++) {
        if (sq_sink_promise(e->sinks[i]) != SQ_SINK_MARKED || !is_new(saved, e->sinks[i], m->of[i]))
            continue;
        SQ_TRY(sq_sink_set_marker(e->sinks[i], e->job->ctx, saved->epoch));
        sq_notice(e->job->ctx, "sink %.*s is new in the job: it gets what changes from epoch %llu on", SQ_FMT(sq_sink_name(e->sinks[i])), (unsigned long long)saved->epoch + 1);
        m->of[i] = saved->epoch;
    }
    return SQ_OK;
}

static sq_rc restore(struct sq_epochs *e, const struct sq_saved *saved, const struct markers *m, bool committed)
{
    struct sq_job *job = e->job;

    SQ_TRY(sq_job_load_saved(job, saved, e->config->allow_dropped_state));
    SQ_TRY(begin_new(e, saved, m));
    SQ_TRY(recover_sinks(e, saved, m, committed));
    e->epoch = e->restored = saved->epoch;
    e->finished = saved->finished;
    return SQ_OK;
}

static void say_restored(struct sq_epochs *e, const struct sq_saved *saved, const char *from)
{
    int64_t ago_ms = (e->job->ctx->os->now_us(e->job->ctx->os->arg) - saved->taken_us) / 1000;

    ago_ms = ago_ms < 0 ? 0 : ago_ms;            /* the clock was set back */
    sq_notice(e->job->ctx, "goes on from epoch %llu (%s, %lld.%lld s old)", (unsigned long long)saved->epoch, from, (long long)(ago_ms / 1000), (long long)(ago_ms / 100 % 10));
}

/* Nothing of this job is in the store: anew, or from a savepoint. */
static sq_rc begin_anew(struct sq_epochs *e, const struct markers *m)
{
    struct sq_store_reader *r;
    struct sq_saved saved;
    sq_rc rc;

    if (!e->savepoint)
        return check_markers(e, m, NULL, false);
    SQ_TRY(sq_store_read(e->job->ctx, e->savepoint, &r, &saved));
    rc = sq_store_verify(r);
    if (rc == SQ_OK)
        rc = check_markers(e, m, &saved, false);
    if (rc == SQ_OK)
        rc = restore(e, &saved, m, true);
    if (rc == SQ_OK)
        say_restored(e, &saved, "savepoint");
    sq_store_reader_close(r);
    return rc;
}

/* PREPARED, and the decider says that it has not happened. */
static sq_rc has_not_happened(struct sq_epochs *e, const struct markers *m, const struct sq_store_entry *c, bool *not)
{
    uint64_t has;

    *not = false;
    if (c->status != SQ_STORE_PREPARED || !e->decider)
        return SQ_OK;
    has = marker_of(e, m, e->decider);
    if (has == c->epoch)
        return SQ_OK;
    if (has + 1 != c->epoch)
        return e->config->ignore_sink_epochs ? SQ_OK : no_agreement(e, e->decider, has, c->epoch);
    *not = true;
    return sq_store_drop(e->store, c->epoch);
}

static sq_rc use(struct sq_epochs *e, const struct sq_store_entry *c, const struct sq_saved *saved, const struct markers *m)
{
    bool done = c->status == SQ_STORE_DONE;

    SQ_TRY(check_markers(e, m, saved, !done && !e->decider));
    SQ_TRY(restore(e, saved, m, done));
    if (!done && !saved->finished)
        SQ_TRY(sq_store_done(e->store, c->epoch, e->config->retained));
    say_restored(e, saved, done ? "checkpoint" : "checkpoint, its commit made up for");
    return SQ_OK;
}

static sq_rc decide(struct sq_epochs *e, struct sq_arena *arena)
{
    struct markers m;
    bool again = true;

    SQ_TRY(read_markers(e, arena, &m));
    while (again && e->store) {
        struct sq_store_entry c;
        struct sq_store_reader *r;
        struct sq_saved saved;
        sq_rc rc;

        SQ_TRY(newest_whole(e, arena, &c, &r, &saved));
        if (!r)
            break;
        rc = check_decider(e, &saved, &c);
        if (rc == SQ_OK)
            rc = has_not_happened(e, &m, &c, &again);
        if (rc == SQ_OK && !again)
            rc = use(e, &c, &saved, &m);
        sq_store_reader_close(r);
        SQ_TRY(rc);
        if (!again)
            return SQ_OK;
    }
    return begin_anew(e, &m);
}

sq_rc sq_epochs_recover(struct sq_job *job)
{
    struct sq_arena arena;
    sq_rc rc;

    if (!job->epochs)
        return SQ_OK;
    sq_arena_init(&arena, job->ctx);
    rc = decide(job->epochs, &arena);
    sq_arena_free(&arena);
    return rc;
}

void sq_epochs_close(struct sq_job *job)
{
    struct sq_epochs *e = job->epochs;

    if (!e)
        return;
    atomic_store(&job->abort, 1);
    sq_commit_close(e);
    atomic_store(&job->cut, NULL);
    if (e->cut.parts)
        sq_cut_free(&e->cut);
    for (uint32_t i = 0; e->pending && i < e->nsinks; i++)
        sq_buf_free(&e->pending[i]);
    if (job->done && !job->failed && e->finished && e->store && sq_store_done(e->store, e->epoch, e->config->retained) != SQ_OK)
        sq_notice(job->ctx, "the next run will find this one's last epoch once more: %s", job->ctx->err.msg);
    sq_store_close(e->store);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->cond);
    sq_arena_free(&e->request_arena);
    sq_arena_free(&e->arena);
    sq_free(job->ctx, e);
    job->epochs = NULL;
}
