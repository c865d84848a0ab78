/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshot.c: a checkpoint in one piece of memory, for tests and for whoever keeps it elsewhere.
 *
 *   "SQJ3", u32 operators; per operator: u64 uid, u32 kind, u32 worker, u64 records, flags, u32 splits, each id, payload, position and u32 ended, u32 chunks,
 *   each of them as bytes. Bytes are a u64 length and what follows.
 */
#include "executor/runtime/cut.h"
#include "executor/runtime/runtime.h"

static const char magic[4] = {'S', 'Q', 'J', '3'};

/* ---- writing ---- */

struct chunk { const struct sq_saved_op *op; struct sq_buf bytes; };
struct chunks { struct sq_ctx *ctx; pthread_mutex_t lock; struct chunk *c; size_t n, cap; };

static sq_rc keep_chunk(void *arg, const struct sq_saved_op *op, uint32_t seq, struct sq_buf *b)
{
    struct chunks *all = arg;
    sq_rc rc;

    (void)seq;
    pthread_mutex_lock(&all->lock);
    rc = sq_grow(all->ctx, &all->c, &all->cap, all->n + 1, sizeof *all->c);
    if (rc == SQ_OK) {
        all->c[all->n++] = (struct chunk){op, *b};
        sq_buf_init(b, b->ctx);
    }
    pthread_mutex_unlock(&all->lock);
    return rc;
}

static sq_rc put_bytes(struct sq_buf *b, struct sq_str s)
{
    sq_buf_u64(b, s.n);
    return sq_buf_str(b, s);
}

static sq_rc put_op(struct sq_buf *b, const struct sq_saved_op *op, const struct chunks *all)
{
    sq_buf_u64(b, op->uid);
    sq_buf_u32(b, op->kind);
    sq_buf_u32(b, op->worker);
    sq_buf_u64(b, op->records);
    put_bytes(b, op->flags);
    sq_buf_u32(b, op->nsplits);
    for (uint32_t i = 0; i < op->nsplits; i++) {
        put_bytes(b, op->splits[i].id);
        put_bytes(b, op->splits[i].payload);
        put_bytes(b, op->splits[i].position);
        sq_buf_u32(b, op->splits[i].ended);
    }
    sq_buf_u32(b, op->nchunks);
    for (size_t i = 0; i < all->n; i++)
        if (all->c[i].op == op)
            put_bytes(b, sq_buf_view(&all->c[i].bytes));
    return b->rc;
}

static sq_rc put_all(const struct sq_cut *cut, const struct chunks *all, struct sq_buf *b)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < cut->job->nworkers; i++)
        n += cut->parts[i].nops;
    sq_buf_add(b, magic, sizeof magic);
    sq_buf_u32(b, n);
    for (uint32_t i = 0; i < cut->job->nworkers; i++)
        for (uint32_t k = 0; k < cut->parts[i].nops; k++)
            put_op(b, &cut->parts[i].ops[k], all);
    return b->rc;
}

sq_rc sq_job_snapshot(struct sq_job *job, struct sq_buf *out)
{
    struct chunks all = {.ctx = job->ctx};
    struct sq_cut cut;
    sq_rc rc;

    if (job->failed)
        return sq_fail(job->ctx, SQ_MISUSE, "a failed job has no snapshot");
    if (job->epochs)
        return sq_fail(job->ctx, SQ_MISUSE, "a job with epochs makes checkpoints, not snapshots");
    pthread_mutex_init(&all.lock, NULL);
    rc = sq_cut_init(&cut, job, atomic_load(&job->barrier) + 1, true);
    cut.chunk = keep_chunk;
    cut.arg = &all;
    if (rc == SQ_OK)
        rc = sq_job_pause(job, &cut);
    if (rc == SQ_OK)
        rc = put_all(&cut, &all, out);
    job->failed = rc != SQ_OK;
    sq_job_resume(job);
    sq_cut_free(&cut);
    for (size_t i = 0; i < all.n; i++)
        sq_buf_free(&all.c[i].bytes);
    sq_free(job->ctx, all.c);
    pthread_mutex_destroy(&all.lock);
    return rc;
}

/* ---- reading ---- */

struct in { struct sq_ctx *ctx; struct sq_arena arena; const char *p, *end; struct sq_str **chunks; };

static sq_rc damaged(struct sq_ctx *ctx) { return sq_fail(ctx, SQ_DATA, "the snapshot is damaged, or of another job"); }

static sq_rc get(struct in *in, void *into, size_t n)
{
    if ((size_t)(in->end - in->p) < n)
        return damaged(in->ctx);
    memcpy(into, in->p, n);
    in->p += n;
    return SQ_OK;
}

static sq_rc get_bytes(struct in *in, struct sq_str *s)
{
    uint64_t n = 0;

    SQ_TRY(get(in, &n, 8));
    if ((uint64_t)(in->end - in->p) < n || n > UINT32_MAX)
        return damaged(in->ctx);
    *s = (struct sq_str){in->p, (uint32_t)n};
    in->p += n;
    return SQ_OK;
}

/* How many there are of something that takes at least `least` bytes each. */
static sq_rc get_count(struct in *in, uint32_t *n, size_t least)
{
    SQ_TRY(get(in, n, 4));
    return *n > (size_t)(in->end - in->p) / least ? damaged(in->ctx) : SQ_OK;
}

static sq_rc get_splits(struct in *in, struct sq_saved_op *op)
{
    SQ_TRY(get_count(in, &op->nsplits, 28));
    op->splits = SQ_NEW_ARRAY(&in->arena, struct sq_saved_split, op->nsplits + 1);
    if (!op->splits)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < op->nsplits; i++) {
        uint32_t ended = 0;
        SQ_TRY(get_bytes(in, &op->splits[i].id));
        SQ_TRY(get_bytes(in, &op->splits[i].payload));
        SQ_TRY(get_bytes(in, &op->splits[i].position));
        SQ_TRY(get(in, &ended, 4));
        op->splits[i].ended = ended != 0;
    }
    return SQ_OK;
}

static sq_rc get_op(struct in *in, struct sq_saved_op *op, struct sq_str **chunks)
{
    SQ_TRY(get(in, &op->uid, 8));
    SQ_TRY(get(in, &op->kind, 4));
    SQ_TRY(get(in, &op->worker, 4));
    SQ_TRY(get(in, &op->records, 8));
    SQ_TRY(get_bytes(in, &op->flags));
    SQ_TRY(get_splits(in, op));
    SQ_TRY(get_count(in, &op->nchunks, 8));
    *chunks = SQ_NEW_ARRAY(&in->arena, struct sq_str, op->nchunks + 1);
    if (!*chunks)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < op->nchunks; i++)
        SQ_TRY(get_bytes(in, &(*chunks)[i]));
    return SQ_OK;
}

static sq_rc get_all(struct in *in, struct sq_saved *saved)
{
    char head[4];

    SQ_TRY(get(in, head, 4));
    if (memcmp(head, magic, 4) != 0)
        return damaged(in->ctx);
    SQ_TRY(get_count(in, &saved->nops, 40));
    saved->ops = SQ_NEW_ARRAY(&in->arena, struct sq_saved_op, saved->nops + 1);
    in->chunks = SQ_NEW_ARRAY(&in->arena, struct sq_str *, saved->nops + 1);
    if (!saved->ops || !in->chunks)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < saved->nops; i++)
        SQ_TRY(get_op(in, &saved->ops[i], &in->chunks[i]));
    return in->p == in->end ? SQ_OK : damaged(in->ctx);
}

static sq_rc chunk_at(void *arg, uint32_t op, uint32_t seq, struct sq_str *bytes)
{
    *bytes = ((struct in *)arg)->chunks[op][seq];
    return SQ_OK;
}

sq_rc sq_job_restore(struct sq_job *job, struct sq_str bytes)
{
    struct in in = {.ctx = job->ctx, .p = bytes.p, .end = bytes.p + bytes.n};
    struct sq_saved saved = {.chunk = chunk_at, .arg = &in};
    sq_rc rc;

    if (job->running)
        return sq_fail(job->ctx, SQ_MISUSE, "a job that runs cannot be restored");
    sq_arena_init(&in.arena, job->ctx);
    rc = get_all(&in, &saved);
    for (uint32_t i = 0; rc == SQ_OK && i < saved.nops; i++)
        saved.ops[i].name = SQ_STR("an operator");
    if (rc == SQ_OK)
        rc = sq_job_load_saved(job, &saved, false);
    sq_arena_free(&in.arena);
    job->failed = rc != SQ_OK;
    return rc;
}
