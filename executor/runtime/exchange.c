/* SPDX-License-Identifier: Apache-2.0
 *
 * exchange.c: rows that go to another worker.
 *
 * Between every sender and every receiver of an exchange there is a queue: a ring of a few messages, written by one thread and read by one. A
 * sender copies the rows of a batch, by the key group of their hash, into a message for each receiver; a message is sent when it is
 * full, before anything else than rows and watermarks, and when the worker has nothing to do; a watermark waits for the message that is being filled, as a later one tells more. What was read stays in its place in the ring until the writer
 * comes round and fills it anew: so nothing is allocated in steady state, and nothing is handed back.
 *
 * Sending never blocks: what the ring has no room for waits in a list, charged to the budget, and a stage runs only while none of its senders has such
 * a list and every ring has room. The graph has no cycle, and what reads the last queues can always run; so full queues cannot lock up.
 *
 * A receiver has an input for every sender, and aligns them as any operator does (emit.c): the least watermark of those that are not idle; the barrier
 * when all have it, and until then nothing is taken behind it. A receiver whose consumers need no more says so; sources whose rows nobody needs end.
 */
#include "executor/keys.h"
#include "executor/runtime/runtime.h"

enum message { M_ROWS, M_WATERMARK, M_IDLE, M_BARRIER, M_END };
enum { QUEUE = 8, QUEUE_MANY = 4, SPARE = 12, CACHE_LINE = 64 };

struct msg {
    struct msg *next;                      /* in a list */
    enum message what;
    int64_t value;                         /* watermark, epoch, idle or not */
    struct sq_out rows;                    /* ctx NULL: not used yet */
    int64_t *wm;                           /* as in sq_batch: room for a batch, made when a row first has one */
    bool has_wm;
};

struct queue {
    /* the sender's */
    struct msg *open;                      /* being filled */
    int64_t watermark;                     /* to be sent behind it */
    bool has_watermark;
    struct msg *first, *last;              /* did not fit */
    struct msg *spare;
    uint32_t nspare;
    uint64_t mark;                         /* `taken` when what had been sent at some time has been taken in */
    struct sq_event *wake;                 /* the receiver's worker */
    /* both */
    struct msg **ring;
    uint32_t cap;
    _Alignas(CACHE_LINE) _Atomic uint64_t sent;
    _Alignas(CACHE_LINE) _Atomic uint64_t taken;
};

struct sq_exchange {
    uint32_t nsend, nrecv;
    struct queue *queues;                  /* of sender s and receiver r: s * nrecv + r */
    void *mem;
    _Atomic bool *unwanted;                /* by receiver */
};

struct sender {
    struct sq_op base;
    struct sq_exchange *x;
    struct queue *queues;                  /* its own, one per receiver */
    struct sq_keys keys;
    uint32_t limit;                        /* rows of a message */
    const struct sq_type **types;
    uint32_t order[SQ_BATCH_ROWS];
    uint8_t to[SQ_BATCH_ROWS];
    uint32_t starts[SQ_WORKERS_MOST + 1];
};

struct receiver {
    struct sq_op base;
    struct sq_exchange *x;
    uint32_t number;
};

/* ---- the exchange ---- */

uint32_t sq_exchange_senders(const struct sq_job *job, const struct sq_plan *p)
{
    return p->inputs[0]->single ? 1 : job->nworkers;
}

sq_rc sq_exchange_new(struct sq_job *job, const struct sq_plan *p, struct sq_exchange **out)
{
    struct sq_exchange *x = *out = sq_calloc(job->ctx, sizeof *x);
    uint32_t n, cap = job->plan->config.queue ? job->plan->config.queue : job->nworkers > 4 ? QUEUE_MANY : QUEUE;

    if (!x)
        return SQ_NOMEM;
    x->nsend = sq_exchange_senders(job, p);
    x->nrecv = p->single ? 1 : job->nworkers;
    n = x->nsend * x->nrecv;
    x->unwanted = sq_calloc(job->ctx, x->nrecv * sizeof *x->unwanted);
    x->mem = sq_calloc(job->ctx, n * sizeof *x->queues + CACHE_LINE);
    if (!x->unwanted || !x->mem)
        return SQ_NOMEM;
    x->queues = (struct queue *)(((uintptr_t)x->mem + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    for (uint32_t i = 0; i < n; i++) {
        x->queues[i].cap = cap;
        x->queues[i].wake = &job->workers[i % x->nrecv].event;
        if (!(x->queues[i].ring = sq_calloc(job->ctx, cap * sizeof *x->queues[i].ring)))
            return SQ_NOMEM;
    }
    return SQ_OK;
}

static void free_msg(struct sq_ctx *ctx, struct msg *m)
{
    if (m && m->rows.ctx)
        sq_out_free(&m->rows);
    if (m)
        sq_free(ctx, m->wm);
    sq_free(ctx, m);
}

static void free_list(struct sq_ctx *ctx, struct msg *m)
{
    while (m) {
        struct msg *next = m->next;
        free_msg(ctx, m);
        m = next;
    }
}

void sq_exchange_free(struct sq_ctx *ctx, struct sq_exchange *x)
{
    if (!x)
        return;
    for (uint32_t i = 0; x->queues && i < x->nsend * x->nrecv; i++) {
        struct queue *q = &x->queues[i];
        free_msg(ctx, q->open);
        free_list(ctx, q->first);
        free_list(ctx, q->spare);
        for (uint32_t k = 0; q->ring && k < q->cap; k++)
            free_msg(ctx, q->ring[k]);
        sq_free(ctx, q->ring);
    }
    sq_free(ctx, x->mem);
    sq_free(ctx, (void *)x->unwanted);
    sq_free(ctx, x);
}

/* ---- queues: the sender's end ---- */

static bool has_room(struct queue *q)
{
    return atomic_load_explicit(&q->sent, memory_order_relaxed) - atomic_load_explicit(&q->taken, memory_order_acquire) < q->cap;
}

static void keep_spare(struct sq_ctx *ctx, struct queue *q, struct msg *m)
{
    if (q->nspare >= SPARE) {
        free_msg(ctx, m);
        return;
    }
    m->next = q->spare;
    q->spare = m;
    q->nspare++;
}

/* Into the ring, which has room; what was read from that place is ours again. */
static void put(struct sq_ctx *ctx, struct queue *q, struct msg *m)
{
    uint64_t at = atomic_load_explicit(&q->sent, memory_order_relaxed);
    struct msg **slot = &q->ring[at % q->cap];

    if (*slot)
        keep_spare(ctx, q, *slot);
    m->next = NULL;
    *slot = m;
    atomic_store_explicit(&q->sent, at + 1, memory_order_release);
    sq_event_raise(q->wake);
}

static void send(struct sq_ctx *ctx, struct queue *q, struct msg *m)
{
    if (!q->first && has_room(q)) {
        put(ctx, q, m);
        return;
    }
    m->next = NULL;
    if (q->first)
        q->last->next = m;
    else
        q->first = m;
    q->last = m;
}

static sq_rc new_msg(struct sender *s, struct queue *q, enum message what, int64_t value, struct msg **out)
{
    struct msg *m = q->spare;

    if (m) {
        q->spare = m->next;
        q->nspare--;
    } else if (!(m = sq_calloc(s->base.ctx, sizeof *m))) {
        return SQ_NOMEM;
    }
    m->what = what;
    m->value = value;
    m->has_wm = false;
    if (what == M_ROWS && m->rows.ctx) {
        sq_out_reset(&m->rows);
    } else if (what == M_ROWS && sq_out_init(&m->rows, s->base.ctx, s->types, s->base.plan->ncols) != SQ_OK) {
        sq_free(s->base.ctx, m);
        return SQ_NOMEM;
    }
    *out = m;
    return SQ_OK;
}

/* What is being filled, and the watermark behind it. */
static sq_rc send_rows(struct sender *s, struct queue *q)
{
    struct msg *m = q->open;

    q->open = NULL;
    if (m) {
        sq_out_batch(&m->rows);
        m->rows.batch.wm = m->has_wm ? m->wm : NULL;
        send(s->base.ctx, q, m);
    }
    if (!q->has_watermark)
        return SQ_OK;
    SQ_TRY(new_msg(s, q, M_WATERMARK, q->watermark, &m));
    q->has_watermark = false;
    send(s->base.ctx, q, m);
    return SQ_OK;
}

static sq_rc send_all(struct sender *s, enum message what, int64_t value)
{
    for (uint32_t r = 0; r < s->x->nrecv; r++) {
        struct msg *m;
        SQ_TRY(send_rows(s, &s->queues[r]));
        SQ_TRY(new_msg(s, &s->queues[r], what, value, &m));
        send(s->base.ctx, &s->queues[r], m);
    }
    return SQ_OK;
}

/* ---- the sender ---- */

static sq_rc sender_open(struct sq_op *op)
{
    struct sender *s = SQ_OP(op, struct sender);

    s->x = op->worker->job->exchanges[op->plan->id];
    s->queues = s->x->queues + (size_t)(s->x->nsend == 1 ? 0 : op->worker->number) * s->x->nrecv;
    s->limit = op->config->batch_rows && op->config->batch_rows < SQ_BATCH_ROWS ? op->config->batch_rows : SQ_BATCH_ROWS;
    SQ_TRY(sq_op_types(op->ctx, op->plan->cols, op->plan->ncols, &s->types));
    if (op->plan->single)
        return SQ_OK;
    const struct sq_type **types = sq_alloc(op->ctx, (op->plan->u.exchange.ncols + 1) * sizeof *types);
    if (!types)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < op->plan->u.exchange.ncols; i++)
        types[i] = s->types[op->plan->u.exchange.cols[i]];
    sq_rc rc = sq_keys_init(&s->keys, op->ctx, types, op->plan->u.exchange.cols, op->plan->u.exchange.ncols);
    sq_free(op->ctx, types);
    return rc;
}

static void sender_close(struct sq_op *op)
{
    struct sender *s = SQ_OP(op, struct sender);

    sq_keys_free(&s->keys);
    sq_free(op->ctx, s->types);
}

/* The watermarks of rows that are about to be appended; rows without one are not late. */
static sq_rc copy_wm(struct sender *s, struct msg *m, const struct sq_batch *in, const uint32_t *sel, uint32_t n)
{
    uint32_t at = m->rows.n;

    if (!in->wm && !m->has_wm)
        return SQ_OK;
    if (!m->wm && !(m->wm = sq_alloc(s->base.ctx, SQ_BATCH_ROWS * sizeof *m->wm)))
        return SQ_NOMEM;
    for (uint32_t i = 0; i < at && !m->has_wm; i++)
        m->wm[i] = SQ_TS_MIN;
    m->has_wm = true;
    for (uint32_t i = 0; i < n; i++)
        m->wm[at + i] = in->wm ? in->wm[sel[i]] : SQ_TS_MIN;
    return SQ_OK;
}

static sq_rc copy_rows(struct sender *s, struct queue *q, const struct sq_batch *in, const uint32_t *sel, uint32_t n)
{
    for (uint32_t at = 0; at < n;) {
        struct sq_batch part = *in;
        uint32_t k;
        if (!q->open)
            SQ_TRY(new_msg(s, q, M_ROWS, 0, &q->open));
        k = s->limit - q->open->rows.n;
        if (k > n - at)
            k = n - at;
        SQ_ASSERT(sel || (at == 0 && k == n) || in->sel == NULL);
        SQ_TRY(copy_wm(s, q->open, in, sel + at, k));
        SQ_TRY(sq_out_append(&q->open->rows, &part, sel + at, k));
        at += k;
        if (q->open->rows.n == s->limit)
            SQ_TRY(send_rows(s, q));
    }
    return SQ_OK;
}

/* The rows' places in the batch by receiver: order[starts[r] .. starts[r + 1]). */
static sq_rc spread_rows(struct sender *s, const struct sq_batch *in)
{
    uint32_t at[SQ_WORKERS_MOST + 1], nrecv = s->x->nrecv;

    if (nrecv == 1) {
        for (uint32_t i = 0; i < in->nsel; i++)
            s->order[i] = sq_row(in, i);
        s->starts[0] = 0;
        s->starts[1] = in->nsel;
        return SQ_OK;
    }
    SQ_TRY(sq_keys_hash(&s->keys, in));
    memset(s->starts, 0, (nrecv + 1) * sizeof *s->starts);
    for (uint32_t i = 0; i < in->nsel; i++) {
        s->to[i] = (uint8_t)(sq_key_group(s->keys.hash[i]) * nrecv / SQ_KEY_GROUPS);
        s->starts[s->to[i] + 1]++;
    }
    for (uint32_t r = 0; r < nrecv; r++)
        s->starts[r + 1] += s->starts[r];
    memcpy(at, s->starts, sizeof at);
    for (uint32_t i = 0; i < in->nsel; i++)
        s->order[at[s->to[i]]++] = sq_row(in, i);
    return SQ_OK;
}

static sq_rc sender_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct sender *s = SQ_OP(op, struct sender);

    SQ_TRY(spread_rows(s, in));
    for (uint32_t r = 0; r < s->x->nrecv; r++)
        SQ_TRY(copy_rows(s, &s->queues[r], in, s->order + s->starts[r], s->starts[r + 1] - s->starts[r]));
    sq_op_accept(op, input, in->nsel);
    return SQ_OK;
}

static sq_rc sender_watermark(struct sq_op *op, int64_t ts)
{
    struct sender *s = SQ_OP(op, struct sender);

    for (uint32_t r = 0; r < s->x->nrecv; r++) {
        struct queue *q = &s->queues[r];
        q->watermark = ts;
        q->has_watermark = true;
        if (!q->open)
            SQ_TRY(send_rows(s, q));
    }
    return sq_emit_watermark(op, ts);
}

static sq_rc sender_idle(struct sq_op *op, bool idle) { return send_all(SQ_OP(op, struct sender), M_IDLE, idle); }
static sq_rc sender_barrier(struct sq_op *op, uint64_t epoch) { return send_all(SQ_OP(op, struct sender), M_BARRIER, (int64_t)epoch); }

static sq_rc sender_end(struct sq_op *op, uint32_t input)
{
    (void)input;
    return send_all(SQ_OP(op, struct sender), M_END, 0);
}

sq_rc sq_sender_flush(struct sq_op *op)
{
    struct sender *s = SQ_OP(op, struct sender);

    for (uint32_t r = 0; r < s->x->nrecv; r++)
        SQ_TRY(send_rows(s, &s->queues[r]));
    return SQ_OK;
}

static sq_rc sender_flush(struct sq_op *op, bool last)
{
    (void)last;
    return sq_sender_flush(op);
}

void sq_sender_drain(struct sq_op *op)
{
    struct sender *s = SQ_OP(op, struct sender);

    for (uint32_t r = 0; r < s->x->nrecv; r++) {
        struct queue *q = &s->queues[r];
        while (q->first && has_room(q)) {
            struct msg *m = q->first;
            q->first = m->next;
            put(op->ctx, q, m);
        }
    }
}

bool sq_sender_room(const struct sq_op *op)
{
    const struct sender *s = (const struct sender *)op;

    for (uint32_t r = 0; r < s->x->nrecv; r++)
        if (s->queues[r].first || !has_room(&s->queues[r]))
            return false;
    return true;
}

bool sq_sender_waits(const struct sq_op *op)
{
    const struct sender *s = (const struct sender *)op;

    for (uint32_t r = 0; r < s->x->nrecv; r++)
        if (s->queues[r].first)
            return true;
    return false;
}

sq_rc sq_sender_mark(struct sq_op *op)
{
    struct sender *s = SQ_OP(op, struct sender);

    SQ_TRY(sq_sender_flush(op));
    for (uint32_t r = 0; r < s->x->nrecv; r++) {
        struct queue *q = &s->queues[r];
        q->mark = atomic_load_explicit(&q->sent, memory_order_relaxed);
        for (const struct msg *m = q->first; m; m = m->next)
            q->mark++;
    }
    return SQ_OK;
}

bool sq_sender_reached(const struct sq_op *op)
{
    const struct sender *s = (const struct sender *)op;

    for (uint32_t r = 0; r < s->x->nrecv; r++)
        if (atomic_load_explicit(&s->queues[r].taken, memory_order_acquire) < s->queues[r].mark)
            return false;
    return true;
}

sq_rc sq_sender_resume(struct sq_op *op)
{
    struct sender *s = SQ_OP(op, struct sender);

    if (op->watermark > SQ_TS_MIN)
        SQ_TRY(send_all(s, M_WATERMARK, op->watermark));
    if (op->idle)
        SQ_TRY(send_all(s, M_IDLE, 1));
    return op->ended ? send_all(s, M_END, 0) : SQ_OK;
}

bool sq_sender_unwanted(const struct sq_op *op)
{
    const struct sq_exchange *x = ((const struct sender *)op)->x;

    for (uint32_t r = 0; r < x->nrecv; r++)
        if (!atomic_load_explicit(&x->unwanted[r], memory_order_relaxed))
            return false;
    return true;
}

const struct sq_op_class sq_op_sender = {
    .name = "ExchangeSender", .size = sizeof(struct sender), .open = sender_open, .batch = sender_batch, .watermark = sender_watermark,
    .idle = sender_idle, .barrier = sender_barrier, .end = sender_end, .flush = sender_flush, .close = sender_close,
};

/* ---- the receiver ---- */

static sq_rc receiver_open(struct sq_op *op)
{
    struct receiver *v = SQ_OP(op, struct receiver);

    v->x = op->worker->job->exchanges[op->plan->id];
    v->number = v->x->nrecv == 1 ? 0 : op->worker->number;
    return SQ_OK;
}

static sq_rc take(struct receiver *v, uint32_t sender, const struct msg *m)
{
    struct sq_op *op = &v->base;

    switch (m->what) {
    case M_ROWS:
        op->ins[sender].in += m->rows.batch.nsel;
        sq_op_accept(op, sender, m->rows.batch.nsel);
        return sq_emit_batch(op, &m->rows.batch);
    case M_WATERMARK: return sq_take_watermark(op, sender, m->value);
    case M_IDLE: return sq_take_idle(op, sender, m->value != 0);
    case M_BARRIER: return sq_take_barrier(op, sender, (uint64_t)m->value);
    case M_END: break;
    }
    return sq_take_end(op, sender);
}

sq_rc sq_receiver_poll(const struct sq_stage *stage, bool *got)
{
    struct receiver *v = SQ_OP(stage->from, struct receiver);

    for (uint32_t s = 0; s < v->x->nsend; s++) {
        struct queue *q = &v->x->queues[(size_t)s * v->x->nrecv + v->number];
        uint64_t at = atomic_load_explicit(&q->taken, memory_order_relaxed);
        if (atomic_load_explicit(&q->sent, memory_order_acquire) == at || v->base.ins[s].barrier > v->base.epoch)
            continue;
        if (!sq_stage_room(stage) && q->ring[at % q->cap]->what != M_BARRIER)    /* a barrier gives no rows, and what holds the stage up may wait for it */
            return SQ_OK;
        *got = true;
        SQ_TRY(take(v, s, q->ring[at % q->cap]));
        atomic_store_explicit(&q->taken, at + 1, memory_order_release);
        sq_event_raise(&v->base.worker->job->workers[s].event);
    }
    return SQ_OK;
}

void sq_receiver_unwanted(struct sq_op *op)
{
    struct receiver *v = SQ_OP(op, struct receiver);

    if (atomic_exchange(&v->x->unwanted[v->number], true))
        return;
    sq_job_wake(op->worker->job);
}

const struct sq_op_class sq_op_receiver = {.name = "ExchangeReceiver", .size = sizeof(struct receiver), .open = receiver_open};
