/* SPDX-License-Identifier: Apache-2.0
 *
 * window_store.c: windows that are not over, by their end, and their rows (window_store.h).
 *
 * A row is packed once and appended to its window's bytes; a window is freed whole. Saved is each row by itself, with its window and side, in the key group of its key.
 */
#include "executor/window_store.h"

#include "executor/keys.h"

enum { HEAD = 4 + 8, SAVED = 8 + 8 + 1 };

/* ---- the heap ---- */

static bool before(const struct sq_window_due *a, const struct sq_window_due *b)
{
    return a->end != b->end ? a->end < b->end : a->start != b->start ? a->start < b->start : a->number < b->number;
}

void sq_window_heap_free(struct sq_window_heap *h)
{
    if (h->ctx)
        sq_free(h->ctx, h->v);
    *h = (struct sq_window_heap){.ctx = h->ctx};
}

sq_rc sq_window_heap_put(struct sq_window_heap *h, struct sq_window_due d)
{
    SQ_TRY(sq_grow(h->ctx, &h->v, &h->cap, h->n + 1, sizeof *h->v));
    size_t i = h->n++;
    for (; i > 0 && before(&d, &h->v[(i - 1) / 2]); i = (i - 1) / 2)
        h->v[i] = h->v[(i - 1) / 2];
    h->v[i] = d;
    return SQ_OK;
}

static void pop(struct sq_window_heap *h)
{
    struct sq_window_due last = h->v[--h->n];
    size_t i = 0;

    for (size_t k; (k = 2 * i + 1) < h->n; i = k) {
        if (k + 1 < h->n && before(&h->v[k + 1], &h->v[k]))
            k++;
        if (!before(&h->v[k], &last))
            break;
        h->v[i] = h->v[k];
    }
    h->v[i] = last;
}

bool sq_window_heap_take(struct sq_window_heap *h, int64_t watermark, struct sq_window_due *out)
{
    if (h->n == 0 || h->v[0].end > watermark)
        return false;
    *out = h->v[0];
    while (h->n && h->v[0].end == out->end && h->v[0].start == out->start && h->v[0].number == out->number && h->v[0].of == out->of)
        pop(h);
    return true;
}

/* ---- windows ---- */

struct name { int64_t start, end; };

static uint64_t hash_of(const struct name *n) { return sq_hash_mix((uint64_t)n->start ^ sq_hash_mix((uint64_t)n->end)); }

sq_rc sq_window_store_init(struct sq_window_store *st, struct sq_ctx *ctx)
{
    *st = (struct sq_window_store){.ctx = ctx, .heap = {.ctx = ctx}};
    return sq_hashtab_init(&st->windows, ctx, sizeof(struct sq_window_rows *));
}

void sq_window_store_give(struct sq_window_store *st, struct sq_window_rows *w)
{
    if (!w)
        return;
    for (int i = 0; i < 2; i++) {
        st->bytes -= w->rows[i].cap < st->bytes ? w->rows[i].cap : st->bytes;
        sq_buf_free(&w->rows[i]);
    }
    sq_free(st->ctx, w);
}

void sq_window_store_free(struct sq_window_store *st)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    if (!st->ctx)
        return;
    while (st->windows.ctx && (e = sq_hashtab_next(&st->windows, &it)))
        sq_window_store_give(st, *(struct sq_window_rows **)SQ_PAYLOAD(e));
    sq_hashtab_free(&st->windows);
    sq_window_heap_free(&st->heap);
    st->ctx = NULL;
}

static sq_rc find(struct sq_window_store *st, int64_t start, int64_t end, struct sq_window_rows **out)
{
    struct name n = {start, end};
    uint64_t hash = hash_of(&n);
    struct sq_view key = sq_view_of((const char *)&n, sizeof n);
    struct sq_entry *e;

    *out = st->recent;
    if (*out && (*out)->start == start && (*out)->end == end)
        return SQ_OK;
    SQ_TRY(sq_hashtab_upsert(&st->windows, 1, &hash, &key, NULL, &e));
    *out = *(struct sq_window_rows **)SQ_PAYLOAD(e);
    if (!*out) {
        struct sq_window_rows *w = *out = sq_calloc(st->ctx, sizeof *w);
        if (!w) {
            sq_hashtab_remove(&st->windows, e);
            return SQ_NOMEM;
        }
        *(struct sq_window_rows **)SQ_PAYLOAD(e) = w;
        w->start = start;
        w->end = end;
        for (int i = 0; i < 2; i++)
            sq_buf_init(&w->rows[i], st->ctx);
        SQ_TRY(sq_window_heap_put(&st->heap, (struct sq_window_due){.end = end, .start = start}));
    }
    st->recent = *out;
    return SQ_OK;
}

struct sq_window_rows *sq_window_store_take(struct sq_window_store *st, int64_t watermark)
{
    struct sq_window_due d;
    struct sq_window_rows *w = NULL;

    while (!w && sq_window_heap_take(&st->heap, watermark, &d)) {
        struct name n = {d.start, d.end};
        uint64_t hash = hash_of(&n);
        struct sq_view key = sq_view_of((const char *)&n, sizeof n);
        struct sq_entry *e;
        sq_hashtab_find(&st->windows, 1, &hash, &key, NULL, &e);
        if (!e)
            continue;
        w = *(struct sq_window_rows **)SQ_PAYLOAD(e);
        sq_hashtab_remove(&st->windows, e);
        if (st->recent == w)
            st->recent = NULL;
    }
    return w;
}

/* ---- rows ---- */

static sq_rc put_head(struct sq_buf *b, size_t at, uint64_t hash)
{
    uint32_t len = (uint32_t)(b->n - at - HEAD);

    memcpy(b->p + at, &len, 4);
    memcpy(b->p + at + 4, &hash, 8);
    return SQ_OK;
}

sq_rc sq_window_store_add(struct sq_window_store *st, int64_t start, int64_t end, uint32_t side, const struct sq_batch *in, uint32_t r, uint64_t hash,
                          struct sq_window_rows **out)
{
    struct sq_window_rows *w;
    char head[HEAD] = {0};

    SQ_TRY(find(st, start, end, &w));
    struct sq_buf *b = &w->rows[side];
    size_t at = b->n, cap = b->cap;
    SQ_TRY(sq_buf_add(b, head, HEAD));
    SQ_TRY(sq_row_pack(b, in->cols, NULL, in->ncols, r));
    SQ_TRY(put_head(b, at, hash));
    st->bytes += b->cap - cap;
    w->count[side]++;
    if (out)
        *out = w;
    return SQ_OK;
}

sq_rc sq_window_rows_read(struct sq_window_store *st, const struct sq_window_rows *w, uint32_t side, size_t *at, uint32_t most, struct sq_out *out, uint64_t *hash)
{
    const struct sq_buf *b = &w->rows[side];

    while (*at < b->n && out->n < most) {
        uint32_t len;
        memcpy(&len, b->p + *at, 4);
        if (hash)
            memcpy(&hash[out->n], b->p + *at + 4, 8);
        const char *p = b->p + *at + HEAD;
        if (out->ncols && sq_row_unpack(p, p + len, out->cols, out->ncols) != p + len)
            return st->ctx->err.rc != SQ_OK ? st->ctx->err.rc : sq_fail(st->ctx, SQ_DATA, "the saved rows of a window are damaged");
        SQ_TRY(sq_out_row(out, SQ_INSERT));
        *at += HEAD + len;
    }
    return SQ_OK;
}

size_t sq_window_store_bytes(const struct sq_window_store *st) { return st->bytes + sq_hashtab_bytes(&st->windows) + st->heap.cap * sizeof *st->heap.v; }

/* ---- saved: start, end, side, packed row ---- */

static sq_rc save_window(const struct sq_window_rows *w, struct sq_buf *b, struct sq_snapshot_out *out)
{
    for (uint32_t side = 0; side < 2; side++)
        for (size_t at = 0; at < w->rows[side].n;) {
            uint32_t len;
            uint64_t hash;
            memcpy(&len, w->rows[side].p + at, 4);
            memcpy(&hash, w->rows[side].p + at + 4, 8);
            sq_buf_reset(b);
            SQ_TRY(sq_buf_u64(b, (uint64_t)w->start));
            SQ_TRY(sq_buf_u64(b, (uint64_t)w->end));
            SQ_TRY(sq_buf_putc(b, (char)side));
            SQ_TRY(sq_buf_add(b, w->rows[side].p + at + 4, 8 + (size_t)len));
            SQ_TRY(out->put(out->arg, sq_key_group(hash), b->p, b->n));
            at += HEAD + len;
        }
    return SQ_OK;
}

sq_rc sq_window_store_save(struct sq_window_store *st, struct sq_snapshot_out *out)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;
    struct sq_buf b;
    sq_rc rc = SQ_OK;

    sq_buf_init(&b, st->ctx);
    while (rc == SQ_OK && (e = sq_hashtab_next(&st->windows, &it)))
        rc = save_window(*(struct sq_window_rows **)SQ_PAYLOAD(e), &b, out);
    sq_buf_free(&b);
    return rc;
}

sq_rc sq_window_store_load(struct sq_window_store *st, struct sq_snapshot_in *in)
{
    for (;;) {
        struct sq_window_rows *w;
        struct name name;
        uint32_t group, len;
        const char *p;
        size_t n;
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p)
            return SQ_OK;
        if (n < SAVED + 8 || p[16] < 0 || p[16] > 1 || n > UINT32_MAX)
            return sq_fail(st->ctx, SQ_DATA, "the saved rows of a window are damaged");
        memcpy(&name, p, sizeof name);
        SQ_TRY(find(st, name.start, name.end, &w));
        struct sq_buf *b = &w->rows[(int)p[16]];
        size_t cap = b->cap;
        len = (uint32_t)(n - SAVED - 8);
        SQ_TRY(sq_buf_u32(b, len));
        SQ_TRY(sq_buf_add(b, p + SAVED, 8 + (size_t)len));
        st->bytes += b->cap - cap;
        w->count[(int)p[16]]++;
    }
}
