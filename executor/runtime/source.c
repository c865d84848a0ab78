/* SPDX-License-Identifier: Apache-2.0
 *
 * source.c: the operators that bring rows in: Scan drives a connector's reader, Values hands out the plan's constant rows.
 *
 * Splits are listed once, by worker 0, when the job opens (what is not there is an error then), and again now and then where the source finds new
 * ones. Where rows are judged by the watermark of those before them nothing is cut that has an order, such as a file. The list is shared by the workers' scans, under its lock. Where
 * splits are read one after the other, a worker takes the next when it is done with one; else each worker has every n-th. A restored job reads the saved splits, whoever had them, from
 * their saved positions. A split's position is always the one behind the last batch that was pushed through, as a batch reaches the senders or sinks before the next is asked for.
 *
 * At a barrier each worker saves the splits that it has begun, with its own view of them, and worker 0 also those that nobody had taken when it
 * passed: so a split that changes hands while the barrier is under way is saved by who had it then, or as not begun. The batches of VALUES are splits too.
 *
 * A scan tells the WATERMARK node over it of its splits (op.h): when it takes one, when one has ended or has given nothing for the idle time-out, and as long as splits that were
 * there from the beginning are still to be taken by somebody, when they are read one after the other. Of files that come up later a split holds the
 * watermark back from its first row on; where the splits continue each other, they are one.
 *
 * With 'available-now' no source ends: it pauses where its data ends now, and the next run goes on there. 'execution.trigger.max-rows' lets a source
 * wait for the next epoch when it has given so many rows in this one.
 */
#include "executor/runtime/cut.h"
#include "executor/runtime/runtime.h"

#include "base/os.h"

enum { SPLIT_NEW, SPLIT_READING, SPLIT_ENDED };
enum { NOTHING_TO_READ_US = 100 * 1000, SPLITS_EACH = 16, BETWEEN_POLLS_NS = 200 * 1000 * 1000 };   /* small enough that all workers end at about the same time */
#define NOBODY UINT32_MAX

struct split {
    struct sq_split split;
    uint32_t state;
    uint32_t owner;                        /* worker; NOBODY: not taken */
    struct sq_str position;                /* restored */
    bool first;                            /* known from the beginning */
};

struct taken {                             /* a split that this worker has begun */
    struct sq_split split;                 /* texts of the pool's arena */
    uint32_t at;                           /* its place in the pool */
    bool ended;
    bool early;                            /* it holds the watermark back from when it was taken, not only from its first row on */
    bool told, idle;                       /* the WATERMARK node knows of it; and that it gives nothing */
    int64_t last_ns;                       /* on the scan's clock: when its last rows came */
    struct sq_buf position;                /* behind its last row, once it has ended; else the one of the last barrier */
};

struct pool {
    pthread_mutex_t lock;
    bool there;                            /* the lock is */
    struct sq_arena arena;                 /* texts; worker 0's */
    struct split *splits;
    size_t n, cap;
    _Atomic uint32_t version;              /* changes when splits are added */
    _Atomic uint32_t unread;               /* splits from the beginning that nobody has taken */
};

struct scan {
    struct sq_op base;
    struct sq_scan_spec spec;
    struct sq_reader *reader;
    struct pool own, *pool;                /* worker 0's is everybody's */
    uint32_t readers;                      /* workers that scan */
    struct taken *by_number;               /* by the reader's number */
    size_t taken, cap_taken;
    uint32_t version;                      /* of the pool, when it was looked through */
    bool begun;
    bool released;                         /* what it had to wait for has ended ('scan.after') */
    bool unread;                           /* the WATERMARK node was told that there are unread splits */
    int64_t idle_ns;                       /* time-out; 0: none */
    int64_t clock_ns, polled_ns;           /* time that passed while it was asked for rows; when that was last */
    int64_t look_ns;                       /* when to look for idle splits */
    sq_rc bad_rc;                          /* of what was done with a bad record */
};

struct values {
    struct sq_op base;
    bool *done;                            /* by batch: restored as done, or given by this worker */
    uint32_t next;                         /* batches are dealt out: worker k has every n-th that is not done */
};

bool sq_op_is_source(const struct sq_op *op)
{
    return op->cls == &sq_op_scan || op->cls == &sq_op_values;
}

static struct sq_op *first_of(const struct sq_op *op) { return op->worker->job->workers[0].ops[op->plan->id]; }

static bool available_now(const struct sq_op *op) { return op->config->epochs.trigger == SQ_TRIGGER_AVAILABLE_NOW; }

/* Nothing more comes from it in this run, though its input has no end. It is not idle: its watermark holds back what it held back. */
static sq_rc source_pause(struct sq_op *op)
{
    if (!op->paused)
        atomic_fetch_sub(&op->worker->job->sources_live, 1);
    op->paused = true;
    sq_job_wake(op->worker->job);
    return SQ_OK;
}

sq_rc sq_source_end(struct sq_op *op)
{
    if (!op->paused)
        atomic_fetch_sub(&op->worker->job->sources_live, 1);
    sq_job_touch(op->worker->job);
    return sq_emit_end(op);
}

/* ---- splits ---- */

static const struct sq_source_class *source_of(const struct sq_op *op)
{
    return op->plan->u.scan.connector->source;
}

static bool knows(const struct pool *p, struct sq_str id)
{
    for (size_t i = 0; i < p->n; i++)
        if (sq_str_eq(p->splits[i].split.id, id))
            return true;
    return false;
}

/* The lock is held, or there are no threads yet. Texts are copied. */
static sq_rc add_split(struct scan *s, const struct split *sp)
{
    struct pool *p = s->pool;
    struct split *to;

    SQ_TRY(sq_grow(s->base.ctx, &p->splits, &p->cap, p->n + 1, sizeof *p->splits));
    to = &p->splits[p->n];
    *to = *sp;
    to->owner = NOBODY;
    to->split.id = sq_str_dup(&p->arena, sp->split.id);
    to->split.payload = sq_str_dup(&p->arena, sp->split.payload);
    to->position = sp->position.n ? sq_str_dup(&p->arena, sp->position) : (struct sq_str){NULL, 0};
    if (!to->split.id.p || !to->split.payload.p || (sp->position.n && !to->position.p))
        return SQ_NOMEM;
    p->n++;
    if (sp->first && sp->state != SPLIT_ENDED)
        atomic_fetch_add(&p->unread, 1);
    return SQ_OK;
}

static sq_rc add_new(struct scan *s, const struct sq_split *found, uint32_t n, bool first)
{
    size_t had = s->pool->n;
    sq_rc rc = SQ_OK;

    pthread_mutex_lock(&s->pool->lock);
    for (uint32_t i = 0; i < n && rc == SQ_OK; i++)
        if (!knows(s->pool, found[i].id))
            rc = add_split(s, &(struct split){.split = found[i], .first = first});
    pthread_mutex_unlock(&s->pool->lock);
    if (s->pool->n > had)
        atomic_fetch_add(&s->pool->version, 1);
    return rc;
}

static sq_rc list_splits(struct scan *s)
{
    struct sq_op *op = &s->base;
    struct sq_split *found = NULL;
    struct sq_arena tmp;
    uint32_t n = 0, want = s->readers > 1 && op->plan->u.scan.info.one_by_one ? SPLITS_EACH * s->readers : s->readers;
    sq_rc rc;

    if (op->plan->u.scan.timed)
        want = 1;
    sq_arena_init(&tmp, op->ctx);
    rc = source_of(op)->splits(op->ctx, &tmp, &s->spec, want, &found, &n);
    if (rc == SQ_OK)
        rc = add_new(s, found, n, true);
    sq_arena_free(&tmp);
    return rc;
}

/* Asks worker 0's reader for new splits; it tells when it is time. */
static sq_rc discover(struct scan *s)
{
    struct sq_split *found = NULL;
    struct sq_arena tmp;
    uint32_t n = 0;
    size_t had = s->pool->n;

    if (s->pool != &s->own || !source_of(&s->base)->discover)
        return SQ_OK;
    sq_arena_init(&tmp, s->base.ctx);
    sq_rc rc = source_of(&s->base)->discover(s->reader, &tmp, &found, &n);
    if (rc == SQ_OK && n > 0)
        rc = add_new(s, found, n, false);
    sq_arena_free(&tmp);
    SQ_TRY(rc);
    for (size_t i = had; i < s->pool->n; i++)
        sq_notice(s->base.ctx, "%.*s: found %.*s", SQ_FMT(s->base.plan->u.scan.path), SQ_FMT(s->pool->splits[i].split.id));
    if (s->pool->n > had && s->base.worker->job->nworkers > 1)
        sq_job_wake(s->base.worker->job);
    return SQ_OK;
}

/* ---- what the WATERMARK node is told ---- */

/* Splits that continue each other are one, without a name of their own. */
static bool as_one(const struct scan *s) { return s->base.plan->u.scan.info.ordered; }

static uint32_t told_number(const struct scan *s, uint32_t number) { return as_one(s) ? 1 : number + 1; }

static sq_rc tell(struct scan *s, enum sq_split_event event, uint32_t number)
{
    struct sq_split_msg m = {event, told_number(s, number), as_one(s) ? SQ_STR("*") : s->by_number[number].split.id};

    return sq_emit_split(&s->base, &m);
}

static sq_rc tell_begin(struct scan *s, uint32_t number)
{
    s->by_number[number].told = true;
    return as_one(s) && number > 0 ? SQ_OK : tell(s, SQ_SPLIT_BEGIN, number);
}

/* Splits that were taken, from the one with this number on, and those that nobody has taken. */
static sq_rc tell_taken(struct scan *s, size_t from)
{
    bool unread;

    for (size_t i = from; i < s->taken; i++)
        if (s->by_number[i].early)
            SQ_TRY(tell_begin(s, (uint32_t)i));
    unread = s->base.plan->u.scan.info.one_by_one && atomic_load_explicit(&s->pool->unread, memory_order_relaxed) > 0;
    if (unread == s->unread)
        return SQ_OK;
    s->unread = unread;
    return sq_emit_split(&s->base, &(struct sq_split_msg){.event = unread ? SQ_SPLITS_UNREAD : SQ_SPLITS_READ});
}

static sq_rc tell_end(struct scan *s, uint32_t number)
{
    if (as_one(s) || (available_now(&s->base) && !s->base.plan->u.scan.info.one_by_one))
        return SQ_OK;                            /* in the next run it goes on, and holds back what it held back */
    return tell(s, SQ_SPLIT_END, number);
}

/* Time passes for idle splits only while the source is asked for rows: not while nothing is taken from it. */
static void pass_time(struct scan *s)
{
    const struct sq_os *os = s->base.ctx->os;
    int64_t now = os->mono_ns(os->arg), passed = now - s->polled_ns;

    if (s->polled_ns)
        s->clock_ns += passed < BETWEEN_POLLS_NS ? passed : BETWEEN_POLLS_NS;
    s->polled_ns = now;
}

static sq_rc rows_came(struct scan *s, uint32_t number)
{
    struct taken *t = &s->by_number[number];

    if (!t->told)
        SQ_TRY(tell_begin(s, number));
    t = &s->by_number[as_one(s) ? 0 : number];
    t->last_ns = s->clock_ns;
    if (!t->idle)
        return SQ_OK;
    t->idle = false;
    return tell(s, SQ_SPLIT_ACTIVE, number);
}

/* Those that have given nothing for the time-out. Looked for now and then: eight times in it. */
static sq_rc find_idle(struct scan *s, int64_t *wait_us)
{
    if (s->clock_ns >= s->look_ns) {
        s->look_ns = s->clock_ns + s->idle_ns / 8;
        for (size_t i = 0; i < s->taken && (i == 0 || !as_one(s)); i++) {
            struct taken *t = &s->by_number[i];
            if ((t->ended && !as_one(s)) || t->idle || !t->told || s->clock_ns - t->last_ns < s->idle_ns)
                continue;
            t->idle = true;
            SQ_TRY(tell(s, SQ_SPLIT_IDLE, (uint32_t)i));
        }
    }
    if (*wait_us > s->idle_ns / 8000 + 1)
        *wait_us = s->idle_ns / 8000 + 1;
    return SQ_OK;
}

static bool is_mine(const struct scan *s, size_t i)
{
    return s->pool->splits[i].state != SPLIT_ENDED && s->pool->splits[i].owner == NOBODY &&
           (s->base.plan->u.scan.info.one_by_one || i % s->readers == s->base.worker->number % s->readers);
}

/* Takes what is this worker's: one split, where they are read one after the other by several workers, else all there are. */
static sq_rc take_splits(struct scan *s)
{
    bool one = s->base.plan->u.scan.info.one_by_one && s->readers > 1;
    struct pool *p = s->pool;
    size_t had = s->taken;
    sq_rc rc = SQ_OK;

    s->version = atomic_load(&p->version);
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n && rc == SQ_OK; i++) {
        bool early = p->splits[i].first || !s->base.plan->u.scan.info.one_by_one;
        if (!is_mine(s, i))
            continue;
        rc = sq_grow(s->base.ctx, &s->by_number, &s->cap_taken, s->taken + 1, sizeof *s->by_number);
        if (rc == SQ_OK)
            rc = source_of(&s->base)->add_split(s->reader, &p->splits[i].split, p->splits[i].position);
        p->splits[i].state = SPLIT_READING;
        p->splits[i].owner = s->base.worker->number;
        if (p->splits[i].first)
            atomic_fetch_sub(&p->unread, 1);
        if (rc != SQ_OK)
            break;
        s->by_number[s->taken] = (struct taken){.split = p->splits[i].split, .at = (uint32_t)i, .early = early, .last_ns = s->clock_ns};
        sq_buf_init(&s->by_number[s->taken++].position, s->base.ctx);
        if (one)
            break;
    }
    pthread_mutex_unlock(&p->lock);
    SQ_TRY(rc);
    return tell_taken(s, had);
}

static sq_rc split_ended(struct scan *s, uint32_t number)
{
    struct taken *t = &s->by_number[number];

    t->ended = true;
    sq_buf_reset(&t->position);
    SQ_TRY(source_of(&s->base)->position(s->reader, number, &t->position));
    pthread_mutex_lock(&s->pool->lock);
    s->pool->splits[t->at].state = SPLIT_ENDED;
    pthread_mutex_unlock(&s->pool->lock);
    return SQ_OK;
}

/* ---- scan ---- */

/* A record that the reader rejects goes to who wants it; what is told of one column is a value that became NULL, of a record that is kept. */
static void bad_record(void *arg, struct sq_str split, int64_t number, struct sq_str column, const char *reason, struct sq_str raw)
{
    struct scan *s = arg;

    if (column.n || s->bad_rc != SQ_OK)
        return;
    sq_job_touch(s->base.worker->job);
    s->bad_rc = sq_side_bad(&s->base, split, number, reason, raw);
}

static sq_rc scan_open(struct sq_op *op)
{
    struct scan *s = SQ_OP(op, struct scan);

    s->readers = op->plan->single ? 1 : op->worker->job->nworkers;
    s->spec = (struct sq_scan_spec){.table = op->plan->u.scan.table, .ext = op->plan->u.scan.ext, .session = &op->config->session,
                                    .cols = op->plan->u.scan.cols, .ncols = op->plan->ncols, .batch_rows = op->config->batch_rows,
                                    .available_now = available_now(op)};
    if (op->sides) {
        s->spec.bad = bad_record;
        s->spec.bad_arg = s;
    }
    if (!op->plan->u.scan.info.one_by_one)       /* where splits wait for their turn, that they give nothing means nothing */
        s->idle_ns = op->plan->u.scan.idle_ms * 1000000;
    if (s->spec.batch_rows == 0 || s->spec.batch_rows > SQ_BATCH_ROWS)
        s->spec.batch_rows = SQ_BATCH_ROWS;
    s->pool = &SQ_OP(first_of(op), struct scan)->own;
    if (s->pool == &s->own) {
        sq_arena_init(&s->own.arena, op->ctx);
        pthread_mutex_init(&s->own.lock, NULL);
        s->own.there = true;
        SQ_TRY(list_splits(s));
    }
    return source_of(op)->open(op->ctx, &s->spec, &s->reader);
}

static sq_rc scan_begin(struct scan *s)
{
    s->begun = true;
    SQ_TRY(take_splits(s));
    if (s->taken > 0)
        return SQ_OK;
    if (available_now(&s->base))
        return source_pause(&s->base);
    return s->base.plan->u.scan.info.bounded ? sq_source_end(&s->base) : sq_emit_idle(&s->base, true);
}

/* All that was taken has been read: the next, or the end. */
static sq_rc scan_next(struct scan *s)
{
    size_t had = s->taken;

    SQ_TRY(take_splits(s));
    if (s->taken > had)
        return SQ_OK;
    if (available_now(&s->base))
        return source_pause(&s->base);
    return source_of(&s->base)->discover && !s->base.plan->u.scan.info.bounded ? sq_emit_idle(&s->base, true) : sq_source_end(&s->base);
}

static sq_rc scan_renew(struct scan *s)
{
    if (available_now(&s->base))
        return SQ_OK;
    SQ_TRY(discover(s));
    if (atomic_load_explicit(&s->pool->version, memory_order_relaxed) == s->version || s->base.plan->u.scan.info.bounded)
        return SQ_OK;
    SQ_TRY(take_splits(s));
    return s->taken > 0 && s->base.idle ? sq_emit_idle(&s->base, false) : SQ_OK;
}

/* It has given as many rows as an epoch may have of it. */
static bool has_its_share(struct sq_op *op)
{
    uint64_t most = op->config->epochs.max_rows;
    uint32_t readers = op->plan->single ? 1 : op->worker->job->nworkers;

    if (most == 0 || op->epoch_rows < (most + readers - 1) / readers)
        return false;
    if (available_now(op))
        sq_job_want_epoch(op->worker->job);
    return true;
}

/* What the reader gave goes on; then its split may have ended. */
static sq_rc give(struct scan *s, const struct sq_poll *poll, int64_t *wait_us)
{
    struct sq_batch out;

    if (poll->batch) {
        out = *poll->batch;
        out.split = told_number(s, poll->split);
        s->base.epoch_rows += out.nsel;
        SQ_TRY(rows_came(s, poll->split));
        SQ_TRY(sq_emit_batch(&s->base, &out));
    }
    if (poll->state == SQ_POLL_SPLIT_END)
        SQ_TRY(tell_end(s, poll->split));
    return s->idle_ns ? find_idle(s, wait_us) : SQ_OK;
}

/* A scan has been read to its end by all workers; with 'available-now', to where it ends now. */
static bool is_read(const struct sq_job *job, const struct sq_plan *p)
{
    const struct sq_op *op = job->workers[0].ops[p->id];

    return job->nworkers == 1 ? op->ended || op->paused : atomic_load(&job->sources_ended[p->id]) >= (p->single ? 1 : job->nworkers);
}

/* 'scan.after': nothing is read before others have been. In batch mode sources are read one after the other anyway, and only what comes of all rows counts. */
static sq_rc wait_for_others(struct scan *s, bool *waits, int64_t *wait_us)
{
    const struct sq_plan *p = s->base.plan;

    *waits = false;
    for (uint32_t i = 0; i < p->u.scan.nafter && !s->base.config->batch; i++)
        *waits |= !is_read(s->base.worker->job, p->u.scan.after[i]);
    if (*waits) {
        *wait_us = *wait_us < NOTHING_TO_READ_US ? *wait_us : NOTHING_TO_READ_US;
        return p->u.scan.continues ? sq_emit_idle(&s->base, true) : SQ_OK;
    }
    s->released = true;
    return p->u.scan.nafter ? sq_emit_idle(&s->base, false) : SQ_OK;
}

static sq_rc scan_poll(struct scan *s, bool *got, int64_t *wait_us)
{
    struct sq_poll poll = {0};
    bool waits = false;

    if (!s->released)
        SQ_TRY(wait_for_others(s, &waits, wait_us));
    if (waits)
        return SQ_OK;
    if (!s->begun) {
        SQ_TRY(scan_begin(s));
        if (s->base.ended || s->base.paused)
            return SQ_OK;
    }
    if (has_its_share(&s->base))
        return SQ_OK;
    SQ_TRY(scan_renew(s));
    if (s->unread)
        SQ_TRY(tell_taken(s, s->taken));
    if (s->idle_ns)
        pass_time(s);
    if (s->taken == 0 && !(s->pool == &s->own && source_of(&s->base)->discover)) {   /* who discovers is polled, to be connected */
        *wait_us = *wait_us < NOTHING_TO_READ_US ? *wait_us : NOTHING_TO_READ_US;
        return SQ_OK;
    }
    SQ_TRY(source_of(&s->base)->poll(s->reader, &poll));
    SQ_TRY(s->bad_rc);
    switch (poll.state) {
    case SQ_POLL_IDLE:
        if (poll.wait_us < *wait_us)
            *wait_us = poll.wait_us;
        return s->idle_ns ? find_idle(s, wait_us) : SQ_OK;
    case SQ_POLL_END:
        *got = true;
        return scan_next(s);
    case SQ_POLL_SPLIT_END:
        SQ_ASSERT(poll.split < s->taken);
        SQ_TRY(split_ended(s, poll.split));
        break;
    case SQ_POLL_ROWS:
        break;
    }
    *got = true;
    sq_job_touch(s->base.worker->job);
    return give(s, &poll, wait_us);
}

static void scan_close(struct sq_op *op)
{
    struct scan *s = SQ_OP(op, struct scan);

    if (s->reader)
        source_of(op)->close(s->reader);
    s->reader = NULL;
    for (size_t i = 0; i < s->taken; i++)
        sq_buf_free(&s->by_number[i].position);
    sq_free(op->ctx, s->by_number);
    sq_free(op->ctx, s->own.splits);
    if (s->own.there)
        pthread_mutex_destroy(&s->own.lock);
    if (s->own.arena.ctx)
        sq_arena_free(&s->own.arena);
}

/* ---- values ---- */

static sq_rc values_open(struct sq_op *op)
{
    struct values *v = SQ_OP(op, struct values);

    v->done = sq_calloc(op->ctx, op->plan->u.values.nbatches + 1);
    return v->done ? SQ_OK : SQ_NOMEM;
}

static void values_close(struct sq_op *op) { sq_free(op->ctx, SQ_OP(op, struct values)->done); }

/* At most batch_rows rows of a constant batch at a time; they are all there, so a view of a part is a selection. */
static sq_rc values_give(struct values *v, const struct sq_batch *all)
{
    uint32_t sel[SQ_BATCH_ROWS], step = v->base.config->batch_rows;
    struct sq_batch part;

    if (step == 0 || step >= all->nsel)
        return sq_emit_batch(&v->base, all);
    for (uint32_t from = 0; from < all->nsel; from += step) {
        part = *all;
        part.nsel = all->nsel - from < step ? all->nsel - from : step;
        for (uint32_t i = 0; i < part.nsel; i++)
            sel[i] = sq_row(all, from + i);
        part.sel = sel;
        SQ_TRY(sq_emit_batch(&v->base, &part));
    }
    return SQ_OK;
}

static sq_rc values_poll(struct values *v, bool *got)
{
    const struct sq_plan *plan = v->base.plan;
    uint32_t readers = plan->single ? 1 : v->base.worker->job->nworkers;

    if (has_its_share(&v->base))
        return SQ_OK;
    *got = true;
    while (v->next < plan->u.values.nbatches && (v->done[v->next] || v->next % readers != v->base.worker->number % readers))
        v->next++;
    if (v->next == plan->u.values.nbatches)
        return available_now(&v->base) ? source_pause(&v->base) : sq_source_end(&v->base);
    v->done[v->next] = true;
    v->base.epoch_rows += plan->u.values.rows[v->next].nsel;
    sq_job_touch(v->base.worker->job);
    return values_give(v, &plan->u.values.rows[v->next++]);
}

/* ---- both ---- */

sq_rc sq_source_poll(struct sq_op *op, bool *got, int64_t *wait_us)
{
    if (op->cls == &sq_op_values)
        return values_poll(SQ_OP(op, struct values), got);
    return scan_poll(SQ_OP(op, struct scan), got, wait_us);
}

static void read_stats(const struct sq_op *op, struct sq_source_stats *st)
{
    memset(st, 0, sizeof *st);
    st->total_bytes = -1;
    if (op->cls == &sq_op_values)
        st->records = st->rows = op->m.out;
    else if (((const struct scan *)op)->reader && source_of(op)->stats)
        source_of(op)->stats(((const struct scan *)op)->reader, st);
}

/* Splits that nobody has taken: how many bytes there are is not known yet. */
static bool some_left(const struct scan *s)
{
    bool left = false;

    if (s->readers == 1)
        return false;
    pthread_mutex_lock(&s->pool->lock);
    for (size_t i = 0; i < s->pool->n; i++)
        left |= s->pool->splits[i].owner == NOBODY && s->pool->splits[i].state != SPLIT_ENDED;
    pthread_mutex_unlock(&s->pool->lock);
    return left;
}

void sq_source_stats(const struct sq_op *op, struct sq_source_stats *st)
{
    if (op->cls == &sq_op_scan && ((const struct scan *)op)->pool && some_left((const struct scan *)op)) {
        read_stats(op, st);
        st->total_bytes = -1;
    } else {
        read_stats(op, st);
    }
}

/* ---- saving ---- */

static sq_rc keep(struct sq_arena *arena, struct sq_str s, struct sq_str *out)
{
    *out = sq_str_dup(arena, s);
    return out->p ? SQ_OK : SQ_NOMEM;
}

static sq_rc save_taken(struct scan *s, uint32_t number, struct sq_arena *arena, struct sq_saved_split *out)
{
    struct taken *t = &s->by_number[number];
    const struct sq_source_class *cls = source_of(&s->base);
    struct sq_buf shown;
    sq_rc rc = SQ_OK;

    if (!t->ended) {
        sq_buf_reset(&t->position);
        SQ_TRY(cls->position(s->reader, number, &t->position));
    }
    *out = (struct sq_saved_split){.ended = t->ended && !available_now(&s->base)};
    SQ_TRY(keep(arena, t->split.id, &out->id));
    SQ_TRY(keep(arena, t->split.payload, &out->payload));
    SQ_TRY(keep(arena, sq_buf_view(&t->position), &out->position));
    sq_buf_init(&shown, s->base.ctx);
    if (cls->show_position)
        rc = cls->show_position(sq_buf_view(&t->position), &shown);
    if (rc == SQ_OK)
        rc = keep(arena, sq_buf_view(&shown), &out->shown);
    sq_buf_free(&shown);
    return rc;
}

/* What the pool holds and nobody has begun. */
static sq_rc save_rest(struct scan *s, struct sq_arena *arena, struct sq_saved_op *to)
{
    struct pool *p = s->pool;
    sq_rc rc = SQ_OK;

    for (size_t i = 0; i < p->n && rc == SQ_OK; i++) {
        struct split *sp = &p->splits[i];
        struct sq_saved_split *out = &to->splits[to->nsplits];
        if (sp->owner == s->base.worker->number)
            continue;                            /* saved with what was taken */
        *out = (struct sq_saved_split){.ended = sp->owner == NOBODY && sp->state == SPLIT_ENDED};
        rc = keep(arena, sp->split.id, &out->id);
        if (rc == SQ_OK)
            rc = keep(arena, sp->split.payload, &out->payload);
        if (rc == SQ_OK)
            rc = keep(arena, sp->position, &out->position);
        to->nsplits++;
    }
    return rc;
}

static sq_rc save_scan(struct scan *s, struct sq_arena *arena, struct sq_saved_op *to)
{
    sq_rc rc = SQ_OK;

    pthread_mutex_lock(&s->pool->lock);
    to->splits = SQ_NEW_ARRAY(arena, struct sq_saved_split, s->pool->n + s->taken + 1);
    if (!to->splits)
        rc = SQ_NOMEM;
    if (rc == SQ_OK && s->base.worker->number == 0)
        rc = save_rest(s, arena, to);
    pthread_mutex_unlock(&s->pool->lock);
    for (size_t i = 0; i < s->taken && rc == SQ_OK; i++)
        rc = save_taken(s, (uint32_t)i, arena, &to->splits[to->nsplits++]);
    return rc;
}

/* The batches that this worker has given, and those that were done before. */
static sq_rc save_values(struct values *v, struct sq_arena *arena, struct sq_saved_op *to)
{
    uint32_t n = v->base.plan->u.values.nbatches;

    to->splits = SQ_NEW_ARRAY(arena, struct sq_saved_split, n + 1);
    if (!to->splits)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        if (!v->done[i])
            continue;
        char *name = sq_arena_printf(arena, "%u", i);
        if (!name)
            return SQ_NOMEM;
        to->splits[to->nsplits++] = (struct sq_saved_split){.id = sq_str_of(name), .payload = SQ_STR(""), .position = SQ_STR(""), .shown = SQ_STR(""), .ended = true};
    }
    return SQ_OK;
}

sq_rc sq_source_cut(struct sq_op *op, struct sq_arena *arena, struct sq_saved_op *to)
{
    return op->cls == &sq_op_values ? save_values(SQ_OP(op, struct values), arena, to) : save_scan(SQ_OP(op, struct scan), arena, to);
}

static struct scan *scan_below(struct sq_worker *w, const struct sq_plan *p)
{
    p = sq_plan_scan(p);
    return w && p && w->ops[p->id] ? SQ_OP(w->ops[p->id], struct scan) : NULL;
}

sq_rc sq_source_place(struct sq_worker *w, const struct sq_plan *p, uint32_t split, struct sq_buf *b)
{
    struct scan *s = scan_below(w, p);
    struct sq_buf position, shown;
    sq_rc rc;

    if (!s || split == 0 || as_one(s) || split > s->taken)
        return s ? sq_buf_printf(b, "%.*s: ", SQ_FMT(s->spec.table->name)) : SQ_OK;
    sq_buf_init(&position, s->base.ctx);
    sq_buf_init(&shown, s->base.ctx);
    rc = source_of(&s->base)->position(s->reader, split - 1, &position);
    if (rc == SQ_OK && source_of(&s->base)->show_position)
        rc = source_of(&s->base)->show_position(sq_buf_view(&position), &shown);
    if (rc == SQ_OK)
        rc = sq_buf_printf(b, "%.*s, %.*s%s%s: ", SQ_FMT(s->spec.table->name), SQ_FMT(s->by_number[split - 1].split.id), shown.n ? ", before " : "", shown.n ? shown.p : "");
    sq_buf_free(&position);
    sq_buf_free(&shown);
    return rc;
}

void sq_source_told(struct sq_worker *w, const struct sq_plan *p, int64_t watermark)
{
    struct scan *s = scan_below(w, p);
    _Atomic int64_t *told = s && s->base.plan->u.scan.waited_for ? &w->job->told[s->base.plan->id] : NULL;
    int64_t was = told ? atomic_load(told) : INT64_MAX;

    while (was < watermark && !atomic_compare_exchange_weak(told, &was, watermark))
        ;
}

int64_t sq_source_continues(struct sq_worker *w, const struct sq_plan *p)
{
    struct scan *s = scan_below(w, p);
    int64_t most = SQ_TS_MIN;

    for (uint32_t i = 0; s && s->base.plan->u.scan.continues && i < s->base.plan->u.scan.nafter; i++) {
        int64_t ts = atomic_load(&w->job->told[s->base.plan->u.scan.after[i]->id]);
        most = ts > most ? ts : most;
    }
    return most;
}

bool sq_source_waits(struct sq_worker *w, const struct sq_plan *p, struct sq_str id)
{
    struct scan *s = w && w->number == 0 ? scan_below(w, p) : NULL;
    struct pool *pool;
    bool waits = false;

    if (!s)
        return false;
    pool = s->pool;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->n; i++)
        waits |= pool->splits[i].owner == NOBODY && pool->splits[i].state != SPLIT_ENDED && sq_str_eq(pool->splits[i].split.id, id);
    pthread_mutex_unlock(&pool->lock);
    return waits;
}

void sq_source_committed(struct sq_op *op)
{
    struct scan *s = SQ_OP(op, struct scan);

    if (op->cls != &sq_op_scan || !source_of(op)->committed)
        return;
    for (size_t i = 0; i < s->taken; i++)
        if (s->by_number[i].position.n)
            source_of(op)->committed(s->reader, (uint32_t)i, sq_buf_view(&s->by_number[i].position));
}

/* ---- restoring ---- */

static struct split *find_split(struct pool *p, struct sq_str id)
{
    for (size_t i = 0; i < p->n; i++)
        if (sq_str_eq(p->splits[i].split.id, id))
            return &p->splits[i];
    return NULL;
}

/* A split may have been saved by who had begun it, and by worker 0 as one that nobody had: what has a position, or has ended, counts. */
static sq_rc restore_split(struct scan *s, const struct sq_saved_split *in)
{
    struct split *sp = find_split(s->pool, in->id);

    if (!sp)
        return add_split(s, &(struct split){.split = {in->id, in->payload}, .state = in->ended ? SPLIT_ENDED : SPLIT_NEW, .position = in->position, .first = true});
    if (!in->ended && in->position.n == 0)
        return SQ_OK;
    sp->state = in->ended ? SPLIT_ENDED : SPLIT_NEW;
    sp->position = sq_str_dup(&s->pool->arena, in->position);
    return sp->position.p ? SQ_OK : SQ_NOMEM;
}

static sq_rc restore_batch(struct sq_op *op, struct sq_str id)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < id.n; i++)
        n = id.p[i] >= '0' && id.p[i] <= '9' && n < 100000000 ? n * 10 + (uint32_t)(id.p[i] - '0') : UINT32_MAX / 11;
    if (id.n == 0 || n >= op->plan->u.values.nbatches)
        return sq_fail(op->ctx, SQ_DATA, "the saved positions of VALUES are damaged, or of other values");
    for (uint32_t i = 0; i < op->worker->job->nworkers; i++) {
        struct sq_op *other = op->worker->job->workers[i].ops[op->plan->id];
        if (other)
            SQ_OP(other, struct values)->done[n] = true;
    }
    return SQ_OK;
}

/* What was listed at opening gives way to what was saved: splits are cut by the number of workers, and half of one may have been read. Splits of files
 * that came since are not those of a bounded job; an unbounded one finds them again, and with 'available-now' they are what this run is for. */
sq_rc sq_source_load(struct sq_op *op, const struct sq_saved_op *const *saved, uint32_t n)
{
    struct scan *s = SQ_OP(op, struct scan);
    struct split *listed;
    size_t nlisted;
    sq_rc rc = SQ_OK;

    if (op->cls == &sq_op_values) {
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < saved[i]->nsplits; k++)
                SQ_TRY(restore_batch(op, saved[i]->splits[k].id));
        return SQ_OK;
    }
    listed = s->pool->splits;
    nlisted = s->pool->n;
    s->pool->splits = NULL;
    s->pool->n = s->pool->cap = 0;
    for (uint32_t i = 0; i < n && rc == SQ_OK; i++)
        for (uint32_t k = 0; k < saved[i]->nsplits && rc == SQ_OK; k++)
            rc = restore_split(s, &saved[i]->splits[k]);
    for (size_t i = 0; i < nlisted && rc == SQ_OK && available_now(op); i++)
        if (!find_split(s->pool, listed[i].split.id))
            rc = add_split(s, &listed[i]);       /* `first` as it was listed */
    sq_free(op->ctx, listed);
    atomic_store(&s->pool->unread, 0);
    for (size_t i = 0; i < s->pool->n; i++)
        if (s->pool->splits[i].first && s->pool->splits[i].state != SPLIT_ENDED)
            atomic_fetch_add(&s->pool->unread, 1);
    return rc;
}

const struct sq_op_class sq_op_scan = {.name = "Scan", .size = sizeof(struct scan), .open = scan_open, .close = scan_close};
const struct sq_op_class sq_op_values = {.name = "Values", .size = sizeof(struct values), .open = values_open, .close = values_close};
