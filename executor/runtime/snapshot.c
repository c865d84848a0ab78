/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshot.c: all state of a worker as bytes and back.
 *
 *   "SQJ1", u32 operators; per operator: u64 uid, u32 kind, the runtime's flags, the source's positions, then records
 *   (u32 key group, u64 length, bytes) ended by the key group LAST.
 *
 * A snapshot is read back by an equal plan: operators are matched by their place and checked by uid and kind. Bytes are not trusted: every
 * length is checked.
 */
#include "executor/runtime/runtime.h"

#define LAST UINT32_C(0xfffffffe)
static const char magic[4] = {'S', 'Q', 'J', '1'};

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

    SQ_TRY(sq_buf_u64(b, op->plan->uid));
    SQ_TRY(sq_buf_u32(b, (uint32_t)op->plan->kind));
    SQ_TRY(save_flags(op, b));
    if (sq_op_is_source(op)) {
        size_t at = b->n;
        SQ_TRY(sq_buf_u64(b, 0));
        SQ_TRY(sq_source_save(op, b));
        uint64_t n = b->n - at - 8;
        memcpy(b->p + at, &n, 8);
    }
    if (op->cls->snapshot)
        SQ_TRY(op->cls->snapshot(op, &out));
    return sq_buf_u32(b, LAST);
}

sq_rc sq_worker_save(struct sq_worker *w, struct sq_buf *b)
{
    SQ_TRY(sq_buf_add(b, magic, sizeof magic));
    SQ_TRY(sq_buf_u32(b, w->nops));
    for (uint32_t i = 0; i < w->nops; i++)
        if (w->ops[i])
            SQ_TRY(save_op(w->ops[i], b));
    return b->rc;
}

/* ---- reading ---- */

struct in {
    struct sq_ctx *ctx;
    const char *p, *end;
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

static sq_rc next_record(void *arg, uint32_t *key_group, const char **p, size_t *n)
{
    struct in *in = arg;

    *p = NULL;
    *n = 0;
    SQ_TRY(get(in, key_group, 4));
    return *key_group == LAST ? SQ_OK : get_bytes(in, p, n);
}

static sq_rc load_flags(struct sq_op *op, struct in *in)
{
    uint32_t flags = 0, nins = 0;

    SQ_TRY(get(in, &op->watermark, 8));
    SQ_TRY(get(in, &flags, 4));
    SQ_TRY(get(in, &nins, 4));
    if (nins != op->nins)
        return damaged(in->ctx);
    op->idle = flags & 1;
    op->ended = flags >> 1 & 1;
    op->satisfied = flags >> 2 & 1;
    for (uint32_t i = 0; i < nins; i++) {
        SQ_TRY(get(in, &op->ins[i].watermark, 8));
        SQ_TRY(get(in, &flags, 4));
        op->ins[i].idle = flags & 1;
        op->ins[i].ended = flags >> 1 & 1;
    }
    return SQ_OK;
}

static sq_rc load_op(struct sq_op *op, struct in *in)
{
    struct sq_snapshot_in records = {.arg = in, .next = next_record};
    uint64_t uid = 0;
    uint32_t kind = 0, key_group;
    const char *p;
    size_t n;

    SQ_TRY(get(in, &uid, 8));
    SQ_TRY(get(in, &kind, 4));
    if (uid != op->plan->uid || kind != (uint32_t)op->plan->kind)
        return damaged(in->ctx);
    SQ_TRY(load_flags(op, in));
    if (sq_op_is_source(op)) {
        SQ_TRY(get_bytes(in, &p, &n));
        SQ_TRY(sq_source_load(op, (struct sq_str){p, (uint32_t)n}));
    }
    if (op->cls->restore)
        return op->cls->restore(op, &records);
    SQ_TRY(next_record(in, &key_group, &p, &n));
    return p ? damaged(in->ctx) : SQ_OK;
}

sq_rc sq_worker_load(struct sq_worker *w, struct sq_str s)
{
    struct in in = {w->ctx, s.p, s.p + s.n};
    char head[4];
    uint32_t n = 0;

    SQ_TRY(get(&in, head, 4));
    SQ_TRY(get(&in, &n, 4));
    if (memcmp(head, magic, 4) != 0 || n != w->nops)
        return damaged(w->ctx);
    for (uint32_t i = 0; i < n; i++)
        if (w->ops[i])
            SQ_TRY(load_op(w->ops[i], &in));
    return in.p == in.end ? SQ_OK : damaged(w->ctx);
}
