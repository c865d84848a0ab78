/* SPDX-License-Identifier: Apache-2.0
 *
 * jobs.c: jobs in the background: INSERTs whose input has no end.
 *
 * A job has a thread and a context of its own. Its thread opens it, turns it, closes it; the caller waits until it is open, so that what cannot be
 * opened is an error of the INSERT. Then the job takes over the arenas of its statement (tree, plan) and its pin of the catalog, so it runs on what the
 * tables and SET values were when it was started, whatever becomes of them. The arenas and the pin belong to the engine's thread again when the
 * job's thread was joined ("reaped").
 *
 * Between the threads: `ask` and `hard` are atomic and go to the job. Under db->lock come back: opened, ended and progress, and the messages
 * (notices and what print tables write), which the engine's thread hands to the program's callbacks. After `ended` the context, with its error and
 * the account, is the engine's.
 *
 * Invariants: a job that is in the list was opened; `ended` is the last thing that a job's thread says.
 */
#include "api/api.h"
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>

enum { WAIT_US = 50 * 1000, PUBLISH_NS = 100 * 1000 * 1000, KEPT = 100, MESSAGES_MAX = 1 << 20 };
static const int64_t SECOND_NS = 1000 * 1000 * 1000, CLOSE_NS = 10 * 1000 * 1000 * (int64_t)1000;

enum ask { ASK_NOTHING, ASK_DRAIN, ASK_SAVEPOINT, ASK_STOP };
enum said { SAID_NOTICE, SAID_OUT, SAID_ERR };

struct sq_message {
    struct sq_message *next;
    enum said said;
    size_t n;
    char text[];                       /* 0-terminated */
};

struct sq_background {
    sqluice *db;
    struct sq_background *next;
    char id[12];
    struct sq_str name;                /* owned */
    struct sq_arena arena, plan_arena; /* of the statement */
    struct sq_str text;                /* the statement's, in the arena */
    struct sq_job_plan *plan;
    bool pinned, reaped;
    uint32_t error_base;
    pthread_t thread;
    int64_t started_us, started_ns;
    struct sq_restart restart;
    _Atomic int ask, hard;
    struct sq_buf save_to;             /* before ASK_SAVEPOINT: where it is to go; empty: the job's directory */
    /* the thread's until it has ended */
    struct sq_ctx ctx;
    struct sq_job *job;
    struct sq_buf account;
    struct sq_buf saved;               /* the savepoint that was made */
    int64_t published_ns;
    sq_rc rc;
    bool canceled;
    /* under db->lock */
    bool opened, ended;
    sqluice_progress progress;
};

static int64_t now_ns(const sqluice *db)
{
    return db->os.mono_ns(db->os.arg);
}

/* ---- messages ---- */

/* On any thread of the job. A message that finds no memory is lost: its sender knows of no error here. */
static void say(struct sq_background *b, enum said said, struct sq_str prefix, const char *text, size_t n)
{
    sqluice *db = b->db;
    struct sq_ctx ctx = {.budget = &db->budget};
    struct sq_message *m = sq_alloc(&ctx, sizeof *m + prefix.n + n + 3);

    if (!m)
        return;
    *m = (struct sq_message){.said = said};
    if (prefix.n) {
        memcpy(m->text, prefix.p, prefix.n);
        memcpy(m->text + prefix.n, ": ", 2);
        m->n = prefix.n + 2u;
    }
    memcpy(m->text + m->n, text, n);
    m->n += n;
    m->text[m->n] = 0;
    pthread_mutex_lock(&db->lock);
    while (said != SAID_NOTICE && db->message_bytes > MESSAGES_MAX && !atomic_load(&b->hard)) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;                /* to look at `hard` again */
        pthread_cond_timedwait(&db->room, &db->lock, &until);
    }
    *db->messages_end = m;
    db->messages_end = &m->next;
    db->message_bytes += m->n;
    atomic_store(&db->told, true);
    pthread_cond_signal(&db->ended);
    pthread_mutex_unlock(&db->lock);
}

static void job_notice(void *arg, const char *text)
{
    struct sq_background *b = arg;

    say(b, SAID_NOTICE, b->name, text, strlen(text));
}

static void job_print(void *arg, bool to_stderr, const char *text, size_t n)
{
    say(arg, to_stderr ? SAID_ERR : SAID_OUT, SQ_STR(""), text, n);
}

void sq_jobs_deliver(sqluice *db)
{
    struct sq_message *m, *next;

    if (!atomic_load_explicit(&db->told, memory_order_relaxed))
        return;
    pthread_mutex_lock(&db->lock);
    m = db->messages;
    db->messages = NULL;
    db->messages_end = &db->messages;
    db->message_bytes = 0;
    atomic_store(&db->told, false);
    pthread_cond_broadcast(&db->room);
    pthread_mutex_unlock(&db->lock);
    for (; m; m = next) {
        next = m->next;
        if (m->said == SAID_NOTICE && db->config.notice)
            db->config.notice(db->config.notice_arg, m->text);
        else if (m->said != SAID_NOTICE && db->config.print)
            db->config.print(db->config.print_arg, m->said == SAID_ERR, m->text, m->n);
        sq_free(&db->ctx, m);
    }
}

/* ---- the job's thread ---- */

/* Of several tables the one that has given nothing for the longest time. */
static void note_held(const struct sq_node_stats *st, sqluice_progress *p)
{
    const struct sq_plan *scan = st->plan;

    if (st->plan->kind != SQ_N_WATERMARK || !st->held.by[0] || (p->held_by[0] && st->held.ns / 1000000 <= p->held_ms))
        return;
    while (scan->kind != SQ_N_SCAN && scan->ninputs == 1)
        scan = scan->inputs[0];
    if (scan->kind != SQ_N_SCAN)
        return;
    snprintf(p->held_by, sizeof p->held_by, "%.*s: %s", scan->u.scan.table->name.n > 60 ? 60 : (int)scan->u.scan.table->name.n, scan->u.scan.table->name.p, st->held.by);
    p->held_ms = st->held.ns / 1000000;
}

void sq_jobs_progress(const struct sq_job *job, int64_t elapsed_ns, sqluice_progress *p)
{
    struct sq_node_stats nodes[32];
    struct sq_job_stats st;
    uint32_t n = sq_job_nodes(job, nodes, (uint32_t)SQ_LEN(nodes));

    sq_job_stats(job, &st);
    *p = (sqluice_progress){.rows_in = st.rows_in, .rows_out = st.rows_out, .bytes_in = st.bytes_in, .bytes_total = st.bytes_total,
                            .elapsed_ms = elapsed_ns / 1000000, .watermark_us = SQ_TS_MAX, .epoch = st.epoch, .restored = st.restored, .checkpoints = st.checkpoints,
                            .checkpoint_bytes = st.checkpoint_bytes, .checkpoint_ms = st.checkpoint_ns / 1000000};
    for (uint32_t i = 0; i < n && i < SQ_LEN(nodes); i++) {
        p->lag += nodes[i].plan->kind == SQ_N_SCAN ? nodes[i].source.lag : 0;
        if ((nodes[i].plan->kind == SQ_N_SINK || nodes[i].plan->kind == SQ_N_COLLECT) && nodes[i].watermark < p->watermark_us)
            p->watermark_us = nodes[i].watermark;
        note_held(&nodes[i], p);
    }
    if (p->watermark_us == SQ_TS_MAX)
        p->watermark_us = SQ_TS_MIN;               /* none, or the end of all input */
}

sq_rc sq_jobs_account(const struct sq_job *job, struct sq_buf *b)
{
    struct sq_job_stats st;
    char size[32];

    SQ_TRY(sq_job_account(job, b));
    sq_job_stats(job, &st);
    if (st.epoch == 0)
        return SQ_OK;
    sq_buf_printf(b, "  epochs    %llu committed", (unsigned long long)st.epoch);
    if (st.checkpoints) {
        sq_state_size(st.checkpoint_bytes, size, sizeof size);
        sq_buf_printf(b, "; %llu checkpoint%s, the last %s in %lld ms", (unsigned long long)st.checkpoints, st.checkpoints == 1 ? "" : "s", size,
                      (long long)(st.checkpoint_ns / 1000000));
    }
    if (st.restored)
        sq_buf_printf(b, "; went on from epoch %llu", (unsigned long long)st.restored);
    return sq_buf_putc(b, '\n');
}

static void publish(struct sq_background *b, bool opened)
{
    sqluice_progress p;

    b->published_ns = now_ns(b->db);
    sq_jobs_progress(b->job, b->published_ns - b->started_ns, &p);
    pthread_mutex_lock(&b->db->lock);
    b->progress = p;
    b->opened |= opened;
    if (opened)
        pthread_cond_signal(&b->db->ended);
    pthread_mutex_unlock(&b->db->lock);
}

static sq_rc turn_to_end(struct sq_background *b)
{
    bool done = false;

    while (!done) {
        int ask = atomic_load_explicit(&b->ask, memory_order_acquire);

        if (ask == ASK_STOP || ask == ASK_SAVEPOINT) {
            b->canceled = true;
            return ask == ASK_STOP ? sq_job_stop(b->job) : sq_job_stop_with_savepoint(b->job, b->save_to.n ? b->save_to.p : NULL, &b->saved);
        }
        if (ask == ASK_DRAIN)
            sq_job_drain(b->job);
        SQ_TRY(sq_job_turn(b->job, WAIT_US, &done));
        if (now_ns(b->db) - b->published_ns >= PUBLISH_NS)
            publish(b, false);
    }
    return SQ_OK;
}

/* The account is kept: an error while it is written is not the job's. */
static void keep_account(struct sq_background *b)
{
    struct sq_error before = b->ctx.err;

    sq_buf_reset(&b->account);
    if (sq_jobs_account(b->job, &b->account) != SQ_OK)
        sq_buf_reset(&b->account);
    b->ctx.err = before;
}

/* One life of a job: from open to close. */
static sq_rc live(struct sq_background *b)
{
    sq_rc rc;

    SQ_TRY(sq_job_open(&b->ctx, b->plan, NULL, NULL, &b->job));
    publish(b, true);
    rc = turn_to_end(b);
    publish(b, false);
    keep_account(b);
    sq_job_close(b->job);
    b->job = NULL;
    return rc;
}

/* Between a failure and a restart nothing is open: to stop is to end. */
static sq_rc pause_job(struct sq_background *b, int64_t pause_ms)
{
    sqluice *db = b->db;
    int64_t until = now_ns(db) + pause_ms * 1000000;

    while (now_ns(db) < until) {
        int ask = atomic_load(&b->ask);

        b->canceled = ask == ASK_STOP || ask == ASK_SAVEPOINT;
        if (ask == ASK_SAVEPOINT)
            return sq_fail(&b->ctx, SQ_EXTERNAL, "the job was between a failure and its restart, and is stopped without a savepoint; its checkpoints are there");
        if (ask == ASK_STOP)
            return SQ_OK;
        SQ_TRY(sq_check_interrupt(&b->ctx));
        db->os.sleep_us(db->os.arg, WAIT_US);
    }
    return SQ_OK;
}

static void *run(void *arg)
{
    struct sq_background *b = arg;
    int64_t pause_ms;

    b->rc = live(b);
    while (b->rc == SQ_EXTERNAL && b->opened && !b->canceled && sq_restart_after(&b->ctx, &b->restart, b->plan, &pause_ms)) {
        b->rc = pause_job(b, pause_ms);
        if (b->rc == SQ_OK && !b->canceled)
            b->rc = live(b);
    }
    pthread_mutex_lock(&b->db->lock);
    b->ended = true;
    pthread_cond_signal(&b->db->ended);
    pthread_mutex_unlock(&b->db->lock);
    return NULL;
}

/* ---- the engine's side ---- */

sq_rc sq_jobs_init(sqluice *db)
{
    pthread_condattr_t monotonic;

    db->messages_end = &db->messages;
    if (pthread_condattr_init(&monotonic) != 0)
        return sq_nomem(&db->ctx, sizeof monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    if (pthread_mutex_init(&db->lock, NULL) != 0) {
        pthread_condattr_destroy(&monotonic);
        return sq_nomem(&db->ctx, sizeof db->lock);
    }
    if (pthread_cond_init(&db->ended, &monotonic) != 0 || pthread_cond_init(&db->room, &monotonic) != 0) {
        pthread_condattr_destroy(&monotonic);
        pthread_mutex_destroy(&db->lock);
        return sq_nomem(&db->ctx, sizeof db->ended);
    }
    pthread_condattr_destroy(&monotonic);
    db->shares_ready = true;
    return SQ_OK;
}

static void reap(struct sq_background *b)
{
    if (b->reaped)
        return;
    pthread_join(b->thread, NULL);
    b->reaped = true;
    if (b->rc != SQ_OK) {              /* a message that quotes the statement must not quote its secrets */
        sq_secrets_scrub(b->ctx.err.msg, b->text);
        sq_secrets_scrub(b->ctx.err.hint, b->text);
    }
    b->plan = NULL;
    sq_arena_free(&b->plan_arena);
    sq_arena_free(&b->arena);
    if (b->pinned)
        sq_catalog_unpin(b->db->catalog);
    b->pinned = false;
}

/* Gives back all of a job whose thread has ended, or never began (then it counts as reaped). */
static void free_job(struct sq_background *b)
{
    struct sq_ctx *ctx = &b->db->ctx;

    reap(b);
    sq_buf_free(&b->account);
    sq_buf_free(&b->save_to);
    sq_buf_free(&b->saved);
    sq_free(ctx, (void *)(uintptr_t)b->name.p);
    sq_free(ctx, b);
}

/* b NULL: all. */
static bool has_ended(sqluice *db, const struct sq_background *b)
{
    if (b)
        return b->ended;
    for (b = db->jobs; b; b = b->next)
        if (!b->ended)
            return false;
    return true;
}

static void reap_ended(sqluice *db)
{
    for (struct sq_background *b = db->jobs; b; b = b->next) {
        bool ended;

        if (b->reaped)
            continue;
        pthread_mutex_lock(&db->lock);
        ended = b->ended;
        pthread_mutex_unlock(&db->lock);
        if (ended)
            reap(b);
    }
}

/* Sleeps until a job says something, at most until the moment, and never long: requests to interrupt come from signal handlers. */
static void sleep_locked(sqluice *db, int64_t until_ns)
{
    int64_t ns = until_ns - now_ns(db);
    struct timespec until;

    if (db->messages || ns <= 0)
        return;
    if (ns > (int64_t)WAIT_US * 1000)
        ns = (int64_t)WAIT_US * 1000;
    clock_gettime(CLOCK_MONOTONIC, &until);
    ns += until.tv_nsec;
    until.tv_sec += ns / SECOND_NS;
    until.tv_nsec = ns % SECOND_NS;
    pthread_cond_timedwait(&db->ended, &db->lock, &until);
}

static sq_rc wait_until(sqluice *db, struct sq_background *b, int64_t until_ns, bool *ended)
{
    for (;;) {
        sq_jobs_deliver(db);
        pthread_mutex_lock(&db->lock);
        if (!has_ended(db, b))
            sleep_locked(db, until_ns);
        *ended = has_ended(db, b);
        pthread_mutex_unlock(&db->lock);
        if (*ended)
            break;
        if (atomic_load(&db->requests) > 0)
            return sq_fail(&db->ctx, SQ_INTERRUPT, "interrupted");
        if (now_ns(db) >= until_ns)
            break;
    }
    sq_jobs_deliver(db);
    reap_ended(db);
    return SQ_OK;
}

static sq_rc wait_for(sqluice *db, struct sq_background *b, int64_t until_ns, bool *ended)
{
    sq_rc rc;

    db->waiting++;
    rc = wait_until(db, b, until_ns, ended);
    db->waiting--;
    return rc;
}

void sq_jobs_close(sqluice *db)
{
    int64_t until;
    bool ended;

    if (!db->shares_ready)
        return;
    until = now_ns(db) + CLOSE_NS;
    for (struct sq_background *b = db->jobs; b; b = b->next)
        atomic_store(&b->ask, ASK_STOP);
    atomic_store(&db->requests, 0);
    wait_for(db, NULL, until, &ended);
    for (struct sq_background *b = db->jobs; b && !ended; b = b->next)
        atomic_store(&b->hard, 1);
    while (db->jobs) {
        struct sq_background *b = db->jobs;

        atomic_store(&db->requests, 0);
        wait_for(db, b, INT64_MAX, &ended);
        db->jobs = b->next;
        free_job(b);
    }
    sq_jobs_deliver(db);
    sq_epochs_forget(db);
    sq_free(&db->ctx, (void *)(uintptr_t)db->job_name.p);
    pthread_cond_destroy(&db->room);
    pthread_cond_destroy(&db->ended);
    pthread_mutex_destroy(&db->lock);
}

/* ---- starting ---- */

static struct sq_background *by_id(const sqluice *db, struct sq_str id)
{
    for (struct sq_background *b = db->jobs; b; b = b->next)
        if (sq_str_is(id, b->id))
            return b;
    return NULL;
}

static struct sq_background *by_name(const sqluice *db, struct sq_str name)
{
    for (struct sq_background *b = db->jobs; b; b = b->next)
        if (sq_str_eq(b->name, name))
            return b;
    return NULL;
}

static void make_id(sqluice *db, char id[12])
{
    do {
        uint32_t r;
        db->os.random(db->os.arg, &r, sizeof r);
        snprintf(id, 12, "%08x", (unsigned)r);
    } while (by_id(db, sq_str_of(id)));
}

/* 'pipeline.name'; else the default name with a number where it is taken; else what is written. */
static sq_rc make_name(struct sq_background *b)
{
    sqluice *db = b->db;
    const struct sq_plan *sink = b->plan->roots[0];
    struct sq_str set = b->plan->config.name;
    struct sq_buf buf;
    sq_rc rc;

    sq_buf_init(&buf, &db->ctx);
    if (set.n) {
        sq_buf_str(&buf, set);
    } else {
        for (unsigned k = 1; k == 1 || by_name(db, sq_buf_view(&buf)); k++) {
            sq_buf_reset(&buf);
            if (db->job_name.n)
                sq_buf_str(&buf, db->job_name);
            else
                sq_buf_printf(&buf, "insert-into_%.*s", SQ_FMT(sink->u.sink.table->name));
            if (k > 1)
                sq_buf_printf(&buf, "-%u", k);
            if (buf.rc != SQ_OK)
                break;
        }
    }
    rc = buf.rc;
    if (rc == SQ_OK)
        b->name = sq_buf_view(&buf);           /* the buffer's memory, now the job's */
    else
        sq_buf_free(&buf);
    return rc;
}

/* The statement keeps nothing that the plan may point to. What it is made of does not move. */
static void take_over(struct sq_background *b, sqluice_stmt *s)
{
    b->arena = s->arena;
    b->plan_arena = s->plan_arena;
    b->text = s->text;
    b->pinned = s->pinned;
    sq_arena_init(&s->arena, &s->db->ctx);
    sq_arena_init(&s->plan_arena, &s->db->ctx);
    s->text = (struct sq_str){0};
    s->ast = NULL;
    s->params = NULL;
    s->plan = NULL;
    s->planned = s->pinned = false;
    s->tz = sq_tz_utc;
    s->cols = NULL;
    s->ncols = 0;
}

static sq_rc new_job(sqluice_stmt *s, struct sq_background **out)
{
    sqluice *db = s->db;
    struct sq_background *b = sq_calloc(&db->ctx, sizeof *b);
    sq_rc rc;

    if (!b)
        return SQ_NOMEM;
    b->db = db;
    b->ctx = (struct sq_ctx){.budget = &db->budget, .os = &db->os, .interrupt = &b->hard, .notice = db->config.notice ? job_notice : NULL, .notice_arg = b,
                             .print = db->config.print ? job_print : NULL, .print_arg = b};
    sq_buf_init(&b->account, &b->ctx);
    sq_buf_init(&b->saved, &b->ctx);
    sq_buf_init(&b->save_to, &db->ctx);
    b->plan = s->plan;
    b->restart = s->restart;
    b->started_us = db->os.now_us(db->os.arg);
    b->started_ns = now_ns(db);
    make_id(db, b->id);
    rc = make_name(b);
    if (rc != SQ_OK) {
        sq_free(&db->ctx, b);
        return rc;
    }
    b->error_base = s->base;
    *out = b;
    return SQ_OK;
}

/* Signals are for the program's threads: a handler may jump. */
static int start_thread(struct sq_background *b)
{
    sigset_t all, before;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&b->thread, NULL, run, b);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

static bool wait_open(struct sq_background *b)
{
    sqluice *db = b->db;
    bool opened = false, ended = false;

    while (!opened && !ended) {
        sq_jobs_deliver(db);
        pthread_mutex_lock(&db->lock);
        if (!b->opened && !b->ended)
            sleep_locked(db, INT64_MAX);
        opened = b->opened;
        ended = b->ended;
        pthread_mutex_unlock(&db->lock);
        if (atomic_load(&db->requests) > 0 && !opened)
            atomic_store(&b->hard, 1);
    }
    sq_jobs_deliver(db);
    return opened;
}

/* The oldest of those that have ended go when there are many. */
static void forget_some(sqluice *db)
{
    uint32_t ended = 0;

    if (db->waiting)                   /* a callback has started a job */
        return;
    for (const struct sq_background *b = db->jobs; b; b = b->next)
        ended += b->reaped;
    for (struct sq_background **at = &db->jobs; *at && ended >= KEPT;) {
        struct sq_background *b = *at;

        if (!b->reaped) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        free_job(b);
        ended--;
    }
}

sq_rc sq_jobs_start(sqluice_stmt *s)
{
    sqluice *db = s->db;
    struct sq_background *b, **at;
    sq_rc rc;
    int err;

    reap_ended(db);
    forget_some(db);
    SQ_TRY(new_job(s, &b));
    err = start_thread(b);
    if (err) {
        char why[128];
        b->reaped = true;              /* there is nothing to join */
        free_job(b);
        return sq_fail(&db->ctx, SQ_LIMIT, "no thread for a job in the background: %s", sq_os_strerror(err, why, sizeof why));
    }
    if (!wait_open(b)) {
        rc = b->rc;
        db->ctx.err = b->ctx.err;
        free_job(b);
        return rc;
    }
    take_over(b, s);
    for (at = &db->jobs; *at; at = &(*at)->next)
        ;
    *at = b;
    memcpy(s->job_id, b->id, sizeof s->job_id);
    return SQ_OK;
}

/* ---- asking about them ---- */

static int status_of(const struct sq_background *b, bool ended)
{
    return !ended ? SQLUICE_JOB_RUNNING : b->rc != SQ_OK ? SQLUICE_JOB_FAILED : b->canceled ? SQLUICE_JOB_CANCELED : SQLUICE_JOB_FINISHED;
}

const char *sqluice_job_status_name(int status)
{
    static const char *const names[] = {"?", "RUNNING", "FINISHED", "FAILED", "CANCELED"};

    return names[status >= SQLUICE_JOB_RUNNING && status <= SQLUICE_JOB_CANCELED ? status : 0];
}

static void describe(struct sq_background *b, sqluice_job *out)
{
    sqluice *db = b->db;
    bool ended;

    pthread_mutex_lock(&db->lock);
    ended = b->ended;
    *out = (sqluice_job){.id = b->id, .name = b->name.p, .started_us = b->started_us, .progress = b->progress};
    pthread_mutex_unlock(&db->lock);
    if (!ended)
        out->progress.elapsed_ms = (now_ns(db) - b->started_ns) / 1000000;
    out->status = status_of(b, ended);
}

int sqluice_job_at(sqluice *db, int i, sqluice_job *out)
{
    struct sq_background *b = db ? db->jobs : NULL;

    for (; b && i > 0; i--)
        b = b->next;
    if (!b || i < 0 || !out)
        return 0;
    describe(b, out);
    return 1;
}

bool sq_jobs_uses(sqluice *db, struct sq_str dir)
{
    reap_ended(db);
    for (const struct sq_background *b = db->jobs; b; b = b->next)
        if (!b->reaped && sq_str_eq(b->plan->config.epochs.dir, dir))
            return true;
    return false;
}

bool sq_jobs_id_at(const sqluice *db, size_t i, struct sq_str *id)
{
    for (const struct sq_background *b = db->jobs; b; b = b->next)
        if (!b->reaped && i-- == 0) {
            *id = sq_str_of(b->id);
            return true;
        }
    return false;
}

static sq_rc several(sqluice *db, struct sq_str id, struct sq_span span, const struct sq_background *a, const struct sq_background *b)
{
    sq_fail_at(&db->ctx, SQ_SEMANTIC, span, "'%.*s' is more than one job", SQ_FMT(id));
    return sq_hint(&db->ctx, "give the id: '%s' or '%s'", a->id, b->id);
}

/* By id; by name, where those that run go before those that have ended, and of these the last; by the beginning of an id. */
static sq_rc find(sqluice *db, struct sq_str id, struct sq_span span, struct sq_background **out)
{
    struct sq_background *named = NULL, *begun = NULL, *twin = NULL;

    reap_ended(db);
    *out = by_id(db, id);
    if (*out)
        return SQ_OK;
    for (struct sq_background *p = db->jobs; p && id.n; p = p->next) {
        if (sq_str_eq(p->name, id)) {
            if (named && !named->reaped && !p->reaped)
                return several(db, id, span, named, p);
            if (!named || named->reaped)
                named = p;
        }
        if (id.n < strlen(p->id) && memcmp(p->id, id.p, id.n) == 0) {
            twin = begun;
            begun = p;
        }
    }
    if (!named && twin)
        return several(db, id, span, twin, begun);
    *out = named ? named : begun;
    if (*out)
        return SQ_OK;
    sq_fail_at(&db->ctx, SQ_SEMANTIC, span, "there is no job '%.*s'", SQ_FMT(id));
    return sq_hint(&db->ctx, db->jobs ? "SHOW JOBS lists them" : "no job was started in the background");
}

/* A second request breaks the job off. */
static void ask(struct sq_background *b, enum ask what)
{
    int before = atomic_load(&b->ask);

    if (what == ASK_DRAIN && before == ASK_NOTHING)
        atomic_store(&b->ask, ASK_DRAIN);
    else if (what == ASK_SAVEPOINT && before < ASK_SAVEPOINT)
        atomic_store(&b->ask, ASK_SAVEPOINT);
    else if (what == ASK_STOP && atomic_exchange(&b->ask, ASK_STOP) >= ASK_SAVEPOINT)
        atomic_store(&b->hard, 1);
}

int sqluice_job_stop(sqluice *db, const char *id, int drain)
{
    struct sq_background *b = NULL;
    sq_rc rc;

    if (!db)
        return SQLUICE_MISUSE;
    rc = sq_api_enter(db);
    if (rc == SQ_OK && id)
        rc = find(db, sq_str_of(id), (struct sq_span){0, 0}, &b);
    if (rc == SQ_OK && b)
        ask(b, drain ? ASK_DRAIN : ASK_STOP);
    for (struct sq_background *p = db->jobs; rc == SQ_OK && !b && p; p = p->next)
        ask(p, drain ? ASK_DRAIN : ASK_STOP);
    return sq_api_leave(db, rc, 0);
}

int sqluice_job_wait(sqluice *db, const char *id, int timeout_ms)
{
    struct sq_background *b = NULL;
    bool ended = false;
    sq_rc rc;
    int code;

    if (!db)
        return SQLUICE_MISUSE;
    rc = sq_api_enter(db);
    if (rc == SQ_OK && id)
        rc = find(db, sq_str_of(id), (struct sq_span){0, 0}, &b);
    if (rc == SQ_OK)
        rc = wait_for(db, b, timeout_ms < 0 ? INT64_MAX : now_ns(db) + (int64_t)timeout_ms * 1000000, &ended);
    code = sq_api_leave(db, rc, 0);
    return code == SQLUICE_OK && ended ? SQLUICE_DONE : code;
}

const char *sqluice_job_account(sqluice *db, const char *id)
{
    struct sq_background *b;
    struct sq_error before;
    sq_rc rc;

    if (!db || !id)
        return NULL;
    before = db->ctx.err;
    rc = find(db, sq_str_of(id), (struct sq_span){0, 0}, &b);
    db->ctx.err = before;
    if (rc != SQ_OK)
        return NULL;
    reap_ended(db);
    return b->reaped && b->account.p ? b->account.p : "";
}

int sqluice_job_error(sqluice *db, const char *id)
{
    struct sq_background *b = NULL;
    uint32_t base = 0;
    sq_rc rc;

    if (!db)
        return SQLUICE_MISUSE;
    rc = sq_api_enter(db);
    if (rc == SQ_OK && !id)
        rc = sq_fail(&db->ctx, SQ_MISUSE, "sqluice_job_error needs the id of a job");
    if (rc == SQ_OK)
        rc = find(db, sq_str_of(id), (struct sq_span){0, 0}, &b);
    reap_ended(db);
    if (rc == SQ_OK && b->reaped && b->rc != SQ_OK) {
        rc = b->rc;
        db->ctx.err = b->ctx.err;
        base = b->error_base;
    }
    return sq_api_leave(db, rc, base);
}

int sqluice_job_default_name(sqluice *db, const char *name)
{
    size_t n = name ? strlen(name) : 0;
    char *copy = NULL;
    sq_rc rc;

    if (!db)
        return SQLUICE_MISUSE;
    rc = sq_api_enter(db);
    if (rc == SQ_OK && n > INT_MAX)
        rc = sq_fail(&db->ctx, SQ_LIMIT, "a job's name is longer than 2 GB");
    if (rc == SQ_OK && n) {
        copy = sq_alloc(&db->ctx, n + 1);
        rc = copy ? SQ_OK : SQ_NOMEM;
    }
    if (rc == SQ_OK) {
        sq_free(&db->ctx, (void *)(uintptr_t)db->job_name.p);
        if (copy)
            memcpy(copy, name, n + 1);
        db->job_name = (struct sq_str){copy, (uint32_t)n};
        sq_epochs_forget(db);
    }
    return sq_api_leave(db, rc, 0);
}

/* ---- SHOW JOBS, STOP JOB ---- */

static sq_rc put_text(struct sq_out *o, uint32_t col, const char *text)
{
    return sq_col_append_view(&o->cols[col], text, (uint32_t)strlen(text));
}

static sq_rc show_epochs(struct sq_out *o, const sqluice_progress *p)
{
    int64_t epoch = (int64_t)p->epoch;
    char size[32], text[64];

    SQ_TRY(epoch ? sq_col_append_fixed(&o->cols[6], &epoch) : sq_col_append_null(&o->cols[6]));
    if (p->checkpoints == 0)
        return sq_col_append_null(&o->cols[7]);
    sq_state_size(p->checkpoint_bytes, size, sizeof size);
    snprintf(text, sizeof text, "%s in %lld ms", size, (long long)p->checkpoint_ms);
    return put_text(o, 7, text);
}

static sq_rc show(sqluice_stmt *s, struct sq_background *b)
{
    struct sq_out *o = &s->rows;
    sqluice_job j;
    char text[64];
    long long sec;
    int64_t rows;

    describe(b, &j);
    SQ_TRY(put_text(o, 0, j.id));
    SQ_TRY(put_text(o, 1, j.name));
    SQ_TRY(put_text(o, 2, sqluice_job_status_name(j.status)));
    text[sq_print_timestamp((struct sq_ts16){.us = sq_tz_to_local(s->tz, j.started_us)}, 0, ' ', text)] = 0;
    SQ_TRY(put_text(o, 3, text));
    sec = j.progress.elapsed_ms / 1000;
    snprintf(text, sizeof text, "%02lld:%02lld:%02lld", sec / 3600, sec / 60 % 60, sec % 60);
    SQ_TRY(put_text(o, 4, text));
    rows = (int64_t)j.progress.rows_in;
    SQ_TRY(sq_col_append_fixed(&o->cols[5], &rows));
    SQ_TRY(show_epochs(o, &j.progress));
    return sq_out_row(o, SQ_INSERT);
}

sq_rc sq_jobs_show(sqluice_stmt *s)
{
    for (struct sq_background *b = s->db->jobs; b; b = b->next)
        SQ_TRY(show(s, b));
    return SQ_OK;
}

static sq_rc must_run(struct sq_background *b, struct sq_span at)
{
    sqluice_job j;

    describe(b, &j);
    if (j.status == SQLUICE_JOB_RUNNING)
        return SQ_OK;
    return sq_fail_at(&b->db->ctx, SQ_SEMANTIC, at, "job '%s' does not run: it is %s", b->name.p, sqluice_job_status_name(j.status));
}

/* Waits for the end of a job that was asked to stop: its error is the caller's. */
static sq_rc wait_stopped(struct sq_background *b)
{
    sqluice *db = b->db;
    bool ended;

    SQ_TRY(wait_for(db, b, INT64_MAX, &ended));
    if (b->rc == SQ_OK)
        return SQ_OK;
    db->ctx.err = b->ctx.err;
    db->ctx.err.span = (struct sq_span){0, 0};     /* its place is in another text */
    return b->rc;
}

/* path NULL: by default. The file that was made is in db->savepoint. */
static sq_rc stop_saving(struct sq_background *b, const char *path, struct sq_span path_at, struct sq_span at)
{
    sqluice *db = b->db;
    struct sq_ctx *ctx = &db->ctx;

    if (b->plan->config.epochs.dir.n == 0) {
        sq_fail_at(ctx, SQ_SEMANTIC, at, "job '%s' makes no checkpoints, so there is nothing to save", b->name.p);
        return sq_hint(ctx, "SET 'execution.checkpointing.interval' = '10 s' before its INSERT");
    }
    if (atomic_load(&b->ask) >= ASK_SAVEPOINT)
        return sq_fail_at(ctx, SQ_SEMANTIC, at, "job '%s' is being stopped already", b->name.p);
    sq_buf_reset(&b->save_to);
    SQ_TRY(sq_savepoint_place(db, path, path_at, &b->save_to));
    ask(b, ASK_SAVEPOINT);
    SQ_TRY(wait_stopped(b));
    sq_buf_reset(&db->savepoint);
    return sq_buf_str(&db->savepoint, sq_buf_view(&b->saved));
}

int sqluice_job_stop_with_savepoint(sqluice *db, const char *id, const char *path, const char **file)
{
    struct sq_span nowhere = {0, 0};
    struct sq_background *b = NULL;
    sq_rc rc;

    if (file)
        *file = NULL;
    if (!db)
        return SQLUICE_MISUSE;
    rc = sq_api_enter(db);
    if (rc == SQ_OK && !id)
        rc = sq_fail(&db->ctx, SQ_MISUSE, "sqluice_job_stop_with_savepoint needs the id of a job");
    if (rc == SQ_OK)
        rc = find(db, sq_str_of(id), nowhere, &b);
    if (rc == SQ_OK)
        rc = must_run(b, nowhere);
    if (rc == SQ_OK)
        rc = stop_saving(b, path, nowhere, nowhere);
    if (rc == SQ_OK && file)
        *file = db->savepoint.p;
    return sq_api_leave(db, rc, 0);
}

sq_rc sq_jobs_stop(sqluice_stmt *s)
{
    sqluice *db = s->db;
    struct sq_span at = s->ast->name.span;
    struct sq_str path = s->ast->savepoint_path;
    struct sq_background *b;

    if (s->ast->savepoint && s->ast->drain) {
        sq_fail_at(&db->ctx, SQ_UNSUPPORTED, s->ast->at, "STOP JOB … WITH SAVEPOINT WITH DRAIN is not supported");
        return sq_hint(&db->ctx, "a drained job has come to its end, and nothing can go on from there: leave out one of them");
    }
    SQ_TRY(find(db, s->ast->text, at, &b));
    SQ_TRY(must_run(b, at));
    if (!s->ast->savepoint) {
        ask(b, s->ast->drain ? ASK_DRAIN : ASK_STOP);
        return wait_stopped(b);
    }
    if (path.p)
        path = sq_str_dup(&s->arena, path);
    if (s->ast->savepoint_path.p && !path.p)
        return SQ_NOMEM;
    SQ_TRY(stop_saving(b, path.p, s->ast->savepoint_span, at));
    SQ_TRY(put_text(&s->rows, 0, db->savepoint.p));
    return sq_out_row(&s->rows, SQ_INSERT);
}
