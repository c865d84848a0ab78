/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshot.c: all state of a job as bytes and back, also with another number of workers.
 *
 *   "SQJ2", u32 records; per record: u64 uid, u32 kind, u32 worker, u64 length, and so many bytes: the runtime's flags, of worker 0's sources the positions
 *   (u64 length, bytes), then state (u32 key group, u64 length, bytes) ended by the key group LAST.
 *
 * Operators are found by their uid. A worker takes the key groups that are its own; what has no key group (a join's flag, a watermark) goes to every worker,
 * as what stands there is true for all. A watermark that several old workers had becomes their least; an input has ended where it had on all.
 * Exchanges are not kept: while a snapshot is taken nothing is in them, and senders say again how things stand. Bytes are not trusted: every
 * length is checked.
 */
#include "executor/runtime/runtime.h"

#define LAST UINT32_C(0xfffffffe)
static const char magic[4] = {'S', 'Q', 'J', '2'};

/* ---- writing ---- */

static sq_rc put_record(void *arg, uint32_t key_group, const void *p, size_t n)
{
    struct sq_buf *b = arg;

    SQ_TRY(sq_buf_u32(b, key_group));
    SQ_TRY(sq_buf_u64(b, n));
    return sq_buf_add(b, p, n);
}

static sq_rc save_flags(const struct sq_op *op, struct sq_buf *b)
{
    SQ_TRY(sq_buf_u64(b, (uint64_t)op->watermark));
    SQ_TRY(sq_buf_u32(b, (uint32_t)op->idle | (uint32_t)op->ended << 1 | (uint32_t)op->satisfied << 2));
    SQ_TRY(sq_buf_u32(b, op->nins));
    for (uint32_t i = 0; i < op->nins; i++) {
        SQ_TRY(sq_buf_u64(b, (uint64_t)op->ins[i].watermark));
        SQ_TRY(sq_buf_u32(b, (uint32_t)op->ins[i].idle | (uint32_t)op->ins[i].ended << 1));
    }
    return SQ_OK;
}

static sq_rc save_op(struct sq_op *op, struct sq_buf *b)
{
    struct sq_snapshot_out out = {.arg = b, .put = put_record};
    size_t start;
    uint64_t size;

    SQ_TRY(sq_buf_u64(b, op->plan->uid));
    SQ_TRY(sq_buf_u32(b, (uint32_t)op->plan->kind));
    SQ_TRY(sq_buf_u32(b, op->worker->number));
    start = b->n;
    SQ_TRY(sq_buf_u64(b, 0));
    SQ_TRY(save_flags(op, b));
    if (sq_op_is_source(op) && op->worker->number == 0) {
        size_t at = b->n;
        SQ_TRY(sq_buf_u64(b, 0));
        SQ_TRY(sq_source_save(op, b));
        uint64_t n = b->n - at - 8;
        memcpy(b->p + at, &n, 8);
    }
    if (op->cls->snapshot)
        SQ_TRY(op->cls->snapshot(op, &out));
    SQ_TRY(sq_buf_u32(b, LAST));
    size = b->n - start - 8;
    memcpy(b->p + start, &size, 8);
    return SQ_OK;
}

/* Only the first operator of a plan node is a record's: exchanges stand between, but keep nothing. */
static bool is_kept(const struct sq_op *op) { return op && op->plan->kind != SQ_N_EXCHANGE; }

sq_rc sq_job_save(struct sq_job *job, struct sq_buf *b)
{
    uint32_t n = 0;
    size_t at;

    SQ_TRY(sq_buf_add(b, magic, sizeof magic));
    at = b->n;
    SQ_TRY(sq_buf_u32(b, 0));
    for (uint32_t i = 0; i < job->nworkers; i++)
        for (uint32_t k = 0; k < job->workers[i].nops; k++) {
            struct sq_op *op = job->workers[i].ops[k];
            if (!is_kept(op))
                continue;
            sq_rc rc = save_op(op, b);
            if (rc != SQ_OK) {
                job->ctx->err = op->ctx->err;
                return rc;
            }
            n++;
        }
    memcpy(b->p + at, &n, 4);
    return b->rc;
}

/* ---- reading ---- */

struct in {
    struct sq_ctx *ctx;
    const char *p, *end;
    uint32_t part, parts;                  /* of the key groups */
};

static sq_rc damaged(struct sq_ctx *ctx)
{
    return sq_fail(ctx, SQ_DATA, "the snapshot is damaged, or of another job");
}

static sq_rc get(struct in *in, void *into, size_t n)
{
    if ((size_t)(in->end - in->p) < n)
        return damaged(in->ctx);
    memcpy(into, in->p, n);
    in->p += n;
    return SQ_OK;
}

static sq_rc get_bytes(struct in *in, const char **p, size_t *n)
{
    uint64_t len = 0;

    SQ_TRY(get(in, &len, 8));
    if ((uint64_t)(in->end - in->p) < len)
        return damaged(in->ctx);
    *p = in->p;
    *n = (size_t)len;
    in->p += len;
    return SQ_OK;
}

/* The next record that is the worker's. */
static sq_rc next_record(void *arg, uint32_t *key_group, const char **p, size_t *n)
{
    struct in *in = arg;

    for (;;) {
        *p = NULL;
        *n = 0;
        SQ_TRY(get(in, key_group, 4));
        if (*key_group == LAST)
            return SQ_OK;
        SQ_TRY(get_bytes(in, p, n));
        if (*key_group == SQ_NO_KEY_GROUP || in->parts == 1)
            return SQ_OK;
        if (*key_group >= SQ_KEY_GROUPS)
            return damaged(in->ctx);
        if (*key_group * in->parts / SQ_KEY_GROUPS == in->part)
            return SQ_OK;
    }
}

/* The first old worker's flags are taken as they are, further ones make them less. */
static sq_rc load_flags(struct sq_op *op, struct in *in, bool first)
{
    uint32_t flags = 0, nins = 0;
    int64_t ts = 0;

    SQ_TRY(get(in, &ts, 8));
    SQ_TRY(get(in, &flags, 4));
    SQ_TRY(get(in, &nins, 4));
    if (nins != op->nins)
        return damaged(in->ctx);
    op->watermark = first || ts < op->watermark ? ts : op->watermark;
    op->idle = (flags & 1) && (first || op->idle);
    op->ended = (flags >> 1 & 1) && (first || op->ended);
    op->satisfied = (flags >> 2 & 1) && (first || op->satisfied);
    for (uint32_t i = 0; i < nins; i++) {
        struct sq_input_state *s = &op->ins[i];
        SQ_TRY(get(in, &ts, 8));
        SQ_TRY(get(in, &flags, 4));
        if (!s->from)                            /* not on this worker: it has ended, always */
            continue;
        s->watermark = first || ts < s->watermark ? ts : s->watermark;
        s->idle = (flags & 1) && (first || s->idle);
        s->ended = (flags >> 1 & 1) && (first || s->ended);
    }
    return SQ_OK;
}

struct record { uint64_t uid; uint32_t kind, worker; struct sq_str bytes; };

static sq_rc read_record(struct in *in, struct record *r)
{
    const char *p;
    size_t n;

    SQ_TRY(get(in, &r->uid, 8));
    SQ_TRY(get(in, &r->kind, 4));
    SQ_TRY(get(in, &r->worker, 4));
    SQ_TRY(get_bytes(in, &p, &n));
    if (n > UINT32_MAX || r->worker >= SQ_WORKERS_MOST)
        return damaged(in->ctx);
    r->bytes = (struct sq_str){p, (uint32_t)n};
    return SQ_OK;
}

static sq_rc load_record(struct sq_op *op, const struct record *r, bool first)
{
    struct in in = {.ctx = op->ctx, .p = r->bytes.p, .end = r->bytes.p + r->bytes.n, .part = op->worker->number,
                    .parts = op->plan->single ? 1 : op->worker->job->nworkers};
    struct sq_snapshot_in records = {.arg = &in, .next = next_record};
    uint32_t key_group;
    const char *p;
    size_t n;

    SQ_TRY(load_flags(op, &in, first));
    if (sq_op_is_source(op) && r->worker == 0) {
        SQ_TRY(get_bytes(&in, &p, &n));
        if (op->worker->number == 0)
            SQ_TRY(sq_source_load(op, (struct sq_str){p, (uint32_t)n}));
    }
    if (op->cls->restore)
        SQ_TRY(op->cls->restore(op, &records));
    else
        SQ_TRY(next_record(&in, &key_group, &p, &n));
    return in.p == in.end ? SQ_OK : damaged(op->ctx);
}

static sq_rc load_op(struct sq_op *op, const struct record *r, uint32_t n)
{
    bool first = true;

    for (uint32_t i = 0; i < n; i++) {
        if (r[i].uid != op->plan->uid)
            continue;
        if (r[i].kind != (uint32_t)op->plan->kind)
            return damaged(op->ctx);
        SQ_TRY(load_record(op, &r[i], first));
        first = false;
    }
    return first ? damaged(op->ctx) : SQ_OK;
}

/* What the sender has passed on is what came to it; it will be said again. */
static sq_rc resume_sender(struct sq_op *op)
{
    const struct sq_op *from = op->ins[0].from;

    op->watermark = op->ins[0].watermark = from->watermark;
    op->idle = op->ins[0].idle = from->idle;
    op->ended = op->ins[0].ended = from->ended;
    return sq_sender_resume(op);
}

static sq_rc load_worker(struct sq_worker *w, const struct record *r, uint32_t n)
{
    for (uint32_t i = 0; i < w->nops; i++)
        if (is_kept(w->ops[i]))
            SQ_TRY(load_op(w->ops[i], r, n));
    for (uint32_t i = 0; i < w->nops; i++) {
        struct sq_op *op = w->ops[i];
        if (op && op->cls == &sq_op_sender && op->ins[0].from->cls != &sq_op_receiver)
            SQ_TRY(resume_sender(op));
        if (op && sq_op_is_source(op) && op->ended)
            atomic_fetch_add(&w->job->sources_ended[i], 1);
    }
    return SQ_OK;
}

/* Every record belongs to a node of the plan. */
static sq_rc check_records(const struct sq_job *job, const struct record *r, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = 0;
        while (k < job->nnodes && !(job->nodes[k] && job->nodes[k]->kind != SQ_N_EXCHANGE && job->nodes[k]->uid == r[i].uid))
            k++;
        if (k == job->nnodes)
            return damaged(job->ctx);
    }
    return SQ_OK;
}

static sq_rc load_all(struct sq_job *job, struct in *in, struct record *r, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(read_record(in, &r[i]));
    if (in->p != in->end)
        return damaged(job->ctx);
    SQ_TRY(check_records(job, r, n));
    for (uint32_t i = 0; i < job->nworkers; i++) {
        sq_rc rc = load_worker(&job->workers[i], r, n);
        if (rc == SQ_OK)
            continue;
        if (i > 0)
            job->ctx->err = job->workers[i].ctx->err;
        return rc;
    }
    return SQ_OK;
}

sq_rc sq_job_load(struct sq_job *job, struct sq_str s)
{
    struct in in = {.ctx = job->ctx, .p = s.p, .end = s.p + s.n, .parts = 1};
    struct record *r;
    char head[4];
    uint32_t n = 0;
    sq_rc rc;

    SQ_TRY(get(&in, head, 4));
    SQ_TRY(get(&in, &n, 4));
    if (memcmp(head, magic, 4) != 0 || n > s.n / 24)
        return damaged(job->ctx);
    r = sq_calloc(job->ctx, (n + 1) * sizeof *r);
    if (!r)
        return SQ_NOMEM;
    rc = load_all(job, &in, r, n);
    sq_free(job->ctx, r);
    return rc;
}
