/* SPDX-License-Identifier: Apache-2.0
 *
 * source.c: the operators that bring rows in: Scan drives a connector's reader, Values hands out the plan's constant rows.
 *
 * Splits are listed once, by worker 0, when the job opens (what is not there is an error then), and again now and then where the source finds new
 * ones. The list is shared by the workers' scans, under its lock. Where splits are read one after the other, a worker takes the next when it is
 * done with one; else each worker has its share from the beginning. A restored job's splits begin at their saved positions. A
 * split's position is always the one behind the last batch that was pushed through, as a batch reaches the senders or sinks before the next is
 * asked for.
 */
#include "executor/runtime/runtime.h"

#include "base/os.h"

enum { SPLIT_NEW, SPLIT_READING, SPLIT_ENDED };
enum { NOTHING_TO_READ_US = 100 * 1000, SPLITS_EACH = 16 };   /* small enough that all workers end at about the same time */
#define NOBODY UINT32_MAX

struct split {
    struct sq_split split;
    uint32_t state;
    uint32_t owner;                        /* worker; NOBODY: not taken */
    uint32_t number;                       /* in the owner's reader */
    struct sq_str position;                /* restored */
};

struct pool {
    pthread_mutex_t lock;
    bool there;                            /* the lock is */
    struct sq_arena arena;                 /* texts; worker 0's */
    struct split *splits;
    size_t n, cap;
    _Atomic uint32_t version;              /* changes when splits are added */
};

struct scan {
    struct sq_op base;
    struct sq_scan_spec spec;
    struct sq_reader *reader;
    struct pool own, *pool;                /* worker 0's is everybody's */
    uint32_t readers;                      /* workers that scan */
    uint32_t *by_number;                   /* reader's number -> place in the pool */
    size_t taken, cap_taken;
    uint32_t version;                      /* of the pool, when it was looked through */
    bool begun;
};

struct values {
    struct sq_op base;
    _Atomic uint32_t next, *at;            /* the next batch; worker 0's is everybody's */
};

bool sq_op_is_source(const struct sq_op *op)
{
    return op->cls == &sq_op_scan || op->cls == &sq_op_values;
}

static struct sq_op *first_of(const struct sq_op *op) { return op->worker->job->workers[0].ops[op->plan->id]; }

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
    return SQ_OK;
}

static sq_rc add_new(struct scan *s, const struct sq_split *found, uint32_t n)
{
    size_t had = s->pool->n;
    sq_rc rc = SQ_OK;

    pthread_mutex_lock(&s->pool->lock);
    for (uint32_t i = 0; i < n && rc == SQ_OK; i++)
        if (!knows(s->pool, found[i].id))
            rc = add_split(s, &(struct split){.split = found[i]});
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
    uint32_t n = 0;
    sq_rc rc;

    sq_arena_init(&tmp, op->ctx);
    rc = source_of(op)->splits(op->ctx, &tmp, &s->spec, s->readers > 1 && op->plan->u.scan.info.one_by_one ? SPLITS_EACH * s->readers : s->readers, &found, &n);
    if (rc == SQ_OK)
        rc = add_new(s, found, n);
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
        rc = add_new(s, found, n);
    sq_arena_free(&tmp);
    SQ_TRY(rc);
    for (size_t i = had; i < s->pool->n; i++)
        sq_notice(s->base.ctx, "%.*s: found %.*s", SQ_FMT(s->base.plan->u.scan.path), SQ_FMT(s->pool->splits[i].split.id));
    if (s->pool->n > had && s->base.worker->job->nworkers > 1)
        sq_job_wake(s->base.worker->job);
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
    sq_rc rc = SQ_OK;

    s->version = atomic_load(&p->version);
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n && rc == SQ_OK; i++) {
        if (!is_mine(s, i))
            continue;
        rc = sq_grow(s->base.ctx, &s->by_number, &s->cap_taken, s->taken + 1, sizeof *s->by_number);
        if (rc == SQ_OK)
            rc = source_of(&s->base)->add_split(s->reader, &p->splits[i].split, p->splits[i].position);
        p->splits[i].state = SPLIT_READING;
        p->splits[i].owner = s->base.worker->number;
        p->splits[i].number = (uint32_t)s->taken;
        if (rc == SQ_OK)
            s->by_number[s->taken++] = (uint32_t)i;
        if (one)
            break;
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static void split_ended(struct scan *s, uint32_t number)
{
    pthread_mutex_lock(&s->pool->lock);
    s->pool->splits[s->by_number[number]].state = SPLIT_ENDED;
    pthread_mutex_unlock(&s->pool->lock);
}

/* ---- scan ---- */

static sq_rc scan_open(struct sq_op *op)
{
    struct scan *s = SQ_OP(op, struct scan);

    s->readers = op->plan->single ? 1 : op->worker->job->nworkers;
    s->spec = (struct sq_scan_spec){.table = op->plan->u.scan.table, .ext = op->plan->u.scan.ext, .session = &op->config->session,
                                    .cols = op->plan->u.scan.cols, .ncols = op->plan->ncols, .batch_rows = op->config->batch_rows};
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
    return s->base.plan->u.scan.info.bounded ? sq_emit_end(&s->base) : sq_emit_idle(&s->base, true);
}

/* All that was taken has been read: the next, or the end. */
static sq_rc scan_next(struct scan *s)
{
    size_t had = s->taken;

    SQ_TRY(take_splits(s));
    if (s->taken > had)
        return SQ_OK;
    return source_of(&s->base)->discover && !s->base.plan->u.scan.info.bounded ? sq_emit_idle(&s->base, true) : sq_emit_end(&s->base);
}

static sq_rc scan_renew(struct scan *s)
{
    SQ_TRY(discover(s));
    if (atomic_load_explicit(&s->pool->version, memory_order_relaxed) == s->version || s->base.plan->u.scan.info.bounded)
        return SQ_OK;
    SQ_TRY(take_splits(s));
    return s->taken > 0 && s->base.idle ? sq_emit_idle(&s->base, false) : SQ_OK;
}

static sq_rc scan_poll(struct scan *s, bool *got, int64_t *wait_us)
{
    struct sq_poll poll = {0};

    if (!s->begun) {
        SQ_TRY(scan_begin(s));
        if (s->base.ended)
            return SQ_OK;
    }
    SQ_TRY(scan_renew(s));
    if (s->taken == 0 && !(s->pool == &s->own && source_of(&s->base)->discover)) {   /* who discovers is polled, to be connected */
        *wait_us = *wait_us < NOTHING_TO_READ_US ? *wait_us : NOTHING_TO_READ_US;
        return SQ_OK;
    }
    SQ_TRY(source_of(&s->base)->poll(s->reader, &poll));
    switch (poll.state) {
    case SQ_POLL_IDLE:
        if (poll.wait_us < *wait_us)
            *wait_us = poll.wait_us;
        return SQ_OK;
    case SQ_POLL_END:
        *got = true;
        return scan_next(s);
    case SQ_POLL_SPLIT_END:
        SQ_ASSERT(poll.split < s->taken);
        split_ended(s, poll.split);
        break;
    case SQ_POLL_ROWS:
        break;
    }
    *got = true;
    return poll.batch ? sq_emit_batch(&s->base, poll.batch) : SQ_OK;
}

static void scan_close(struct sq_op *op)
{
    struct scan *s = SQ_OP(op, struct scan);

    if (s->reader)
        source_of(op)->close(s->reader);
    s->reader = NULL;
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

    v->at = &SQ_OP(first_of(op), struct values)->next;
    return SQ_OK;
}

/* At most batch_rows rows of a constant batch at a time; they are all there, so a view of a part is a selection. */
static sq_rc values_poll(struct values *v, bool *got)
{
    const struct sq_plan *plan = v->base.plan;
    const struct sq_batch *all;
    uint32_t sel[SQ_BATCH_ROWS], number, step = v->base.config->batch_rows;
    struct sq_batch part;

    *got = true;
    number = atomic_fetch_add(v->at, 1);
    if (number >= plan->u.values.nbatches) {
        atomic_store(v->at, plan->u.values.nbatches);
        return sq_emit_end(&v->base);
    }
    all = &plan->u.values.rows[number];
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

static sq_rc put_str(struct sq_buf *b, struct sq_str s)
{
    SQ_TRY(sq_buf_u32(b, s.n));
    return sq_buf_str(b, s);
}

/* The position of a split that a worker reads. */
static sq_rc put_position(const struct sq_op *op, const struct split *sp, struct sq_buf *out)
{
    const struct sq_op *reads = op->worker->job->workers[sp->owner].ops[op->plan->id];
    size_t at = out->n;

    SQ_TRY(sq_buf_u32(out, 0));
    SQ_TRY(source_of(op)->position(((const struct scan *)reads)->reader, sp->number, out));
    uint32_t n = (uint32_t)(out->n - at - 4);
    memcpy(out->p + at, &n, 4);
    return SQ_OK;
}

sq_rc sq_source_save(struct sq_op *op, struct sq_buf *out)
{
    struct scan *s = SQ_OP(op, struct scan);

    if (op->cls == &sq_op_values)
        return sq_buf_u32(out, atomic_load(SQ_OP(op, struct values)->at));
    SQ_TRY(sq_buf_u32(out, (uint32_t)s->pool->n));
    for (size_t i = 0; i < s->pool->n; i++) {
        struct split *sp = &s->pool->splits[i];
        SQ_TRY(put_str(out, sp->split.id));
        SQ_TRY(put_str(out, sp->split.payload));
        SQ_TRY(sq_buf_u32(out, sp->state));
        SQ_TRY(sp->state == SPLIT_READING && sp->owner != NOBODY ? put_position(op, sp, out) : put_str(out, sp->position));
    }
    return out->rc;
}

static sq_rc damaged(struct sq_op *op)
{
    return sq_fail(op->ctx, SQ_DATA, "the saved positions of %.*s are damaged", SQ_FMT(op->plan->u.scan.path));
}

static bool get_u32(struct sq_str *s, uint32_t *v)
{
    if (s->n < 4)
        return false;
    memcpy(v, s->p, 4);
    *s = (struct sq_str){s->p + 4, s->n - 4};
    return true;
}

static bool get_str(struct sq_str *s, struct sq_str *v)
{
    uint32_t n;

    if (!get_u32(s, &n) || s->n < n)
        return false;
    *v = (struct sq_str){s->p, n};
    *s = (struct sq_str){s->p + n, s->n - n};
    return true;
}

/* What was listed at opening gives way to what was saved: splits are cut by the number of workers, and half of one may have been read. Splits
 * of files that came since are not those of a bounded job; an unbounded one finds them again. */
sq_rc sq_source_load(struct sq_op *op, struct sq_str in)
{
    struct scan *s = SQ_OP(op, struct scan);
    uint32_t n;

    if (op->cls == &sq_op_values) {
        if (!get_u32(&in, &n) || n > op->plan->u.values.nbatches)
            return damaged(op);
        atomic_store(SQ_OP(op, struct values)->at, n);
        return SQ_OK;
    }
    if (!get_u32(&in, &n))
        return damaged(op);
    s->pool->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct split sp = {0};
        if (!get_str(&in, &sp.split.id) || !get_str(&in, &sp.split.payload) || !get_u32(&in, &sp.state) || !get_str(&in, &sp.position) ||
            sp.state > SPLIT_ENDED)
            return damaged(op);
        SQ_TRY(add_split(s, &sp));
    }
    return SQ_OK;
}

const struct sq_op_class sq_op_scan = {.name = "Scan", .size = sizeof(struct scan), .open = scan_open, .close = scan_close};
const struct sq_op_class sq_op_values = {.name = "Values", .size = sizeof(struct values), .open = values_open};
