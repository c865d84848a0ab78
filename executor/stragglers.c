/* SPDX-License-Identifier: Apache-2.0
 *
 * stragglers.c: rows that wait for the watermark (stragglers.h): packed, in a heap by (watermark, order).
 */
#include "executor/stragglers.h"

#include "base/row.h"

#include <string.h>

struct sq_straggler {
    int64_t watermark;
    uint64_t number;
    uint32_t n, key_group;
    uint8_t kind;
    char bytes[];
};

sq_rc sq_stragglers_init(struct sq_stragglers *s, struct sq_ctx *ctx, const struct sq_plan *rows)
{
    const struct sq_type **types;
    sq_rc rc;

    s->ctx = ctx;
    s->ncols = rows->ncols;
    sq_buf_init(&s->pack, ctx);
    SQ_TRY(sq_op_types(ctx, rows->cols, rows->ncols, &types));
    rc = sq_out_init(&s->rows, ctx, types, rows->ncols);
    sq_free(ctx, types);
    return rc;
}

static size_t size_of(const struct sq_straggler *x) { return sizeof *x + x->n; }

void sq_stragglers_free(struct sq_stragglers *s)
{
    if (!s->ctx)
        return;
    for (size_t i = 0; i < s->n; i++)
        sq_free(s->ctx, s->heap[i]);
    sq_free(s->ctx, s->heap);
    sq_buf_free(&s->pack);
    if (s->rows.ctx)
        sq_out_free(&s->rows);
    *s = (struct sq_stragglers){.ctx = NULL};
}

/* ---- the heap ---- */

static bool before(const struct sq_straggler *a, const struct sq_straggler *b)
{
    return a->watermark < b->watermark || (a->watermark == b->watermark && a->number < b->number);
}

static sq_rc push(struct sq_stragglers *s, struct sq_straggler *x)
{
    size_t i = s->n;

    SQ_TRY(sq_grow(s->ctx, &s->heap, &s->cap, s->n + 1, sizeof(void *)));
    s->n++;
    for (; i > 0 && before(x, s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = x;
    s->bytes += size_of(x);
    return SQ_OK;
}

static struct sq_straggler *pop(struct sq_stragglers *s)
{
    struct sq_straggler *top = s->heap[0], *last = s->heap[--s->n];
    size_t i = 0, k;

    for (; (k = 2 * i + 1) < s->n; i = k) {
        if (k + 1 < s->n && before(s->heap[k + 1], s->heap[k]))
            k++;
        if (!before(s->heap[k], last))
            break;
        s->heap[i] = s->heap[k];
    }
    if (s->n)
        s->heap[i] = last;
    s->bytes -= size_of(top);
    return top;
}

/* ---- rows ---- */

static sq_rc keep(struct sq_stragglers *s, int64_t watermark, uint32_t key_group, uint8_t kind, const char *p, size_t n)
{
    struct sq_straggler *x = sq_alloc(s->ctx, sizeof *x + n);
    sq_rc rc;

    if (!x)
        return SQ_NOMEM;
    *x = (struct sq_straggler){.watermark = watermark, .number = s->number++, .n = (uint32_t)n, .key_group = key_group, .kind = kind};
    memcpy(x->bytes, p, n);
    rc = push(s, x);
    if (rc != SQ_OK)
        sq_free(s->ctx, x);
    return rc;
}

sq_rc sq_stragglers_add(struct sq_stragglers *s, int64_t watermark, uint32_t key_group, const struct sq_batch *in, uint32_t r)
{
    sq_buf_reset(&s->pack);
    SQ_TRY(sq_row_pack(&s->pack, in->cols, NULL, in->ncols, r));
    return keep(s, watermark, key_group, sq_row_kind(in, r), s->pack.p, s->pack.n);
}

int64_t sq_stragglers_least(const struct sq_stragglers *s) { return s->n ? s->heap[0]->watermark : SQ_TS_MAX; }

sq_rc sq_stragglers_take(struct sq_stragglers *s, int64_t to, const struct sq_batch **out)
{
    *out = NULL;
    sq_out_reset(&s->rows);
    while (s->n && s->heap[0]->watermark <= to && s->rows.n < SQ_BATCH_ROWS) {
        struct sq_straggler *x = s->heap[0];
        if (!sq_row_unpack(x->bytes, x->bytes + x->n, s->rows.cols, s->ncols))
            return s->ctx->err.rc != SQ_OK ? s->ctx->err.rc : sq_fail(s->ctx, SQ_DATA, "a saved row is damaged");
        SQ_TRY(sq_out_row(&s->rows, (enum sq_kind)x->kind));
        sq_free(s->ctx, pop(s));
    }
    if (s->rows.n)
        *out = sq_out_batch(&s->rows);
    return SQ_OK;
}

/* ---- saved: mark watermark kind row ---- */

sq_rc sq_stragglers_save(struct sq_stragglers *s, struct sq_snapshot_out *out, const void *mark, size_t n)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct sq_straggler *x = s->heap[i];
        struct sq_buf *b = out->begin(out->arg, x->key_group);
        if (!b)
            return s->ctx->err.rc;
        sq_buf_add(b, mark, n);
        sq_buf_u64(b, (uint64_t)x->watermark);
        sq_buf_putc(b, (char)x->kind);
        SQ_TRY(sq_buf_add(b, x->bytes, x->n));
        SQ_TRY(out->done(out->arg));
    }
    return SQ_OK;
}

sq_rc sq_stragglers_load(struct sq_stragglers *s, uint32_t key_group, const char *p, size_t n)
{
    int64_t watermark;

    if (n < 9 || n > UINT32_MAX || (uint8_t)p[8] > SQ_DELETE)
        return sq_fail(s->ctx, SQ_DATA, "the saved rows that wait for a watermark are damaged");
    memcpy(&watermark, p, 8);
    return keep(s, watermark, key_group, (uint8_t)p[8], p + 9, n - 9);
}
