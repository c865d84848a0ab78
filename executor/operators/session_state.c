/* SPDX-License-Identifier: Apache-2.0
 *
 * session_state.c: sessions that are not over, by key.
 *
 * A row of time t is a session [t, t + gap) of its own, which is put together with every session of its key that it touches. A session that was put into another stays as a
 * pointer to it for as long as the batch has rows of it, and until its timer comes up, which is when it is freed.
 *
 * Timers: each session has one in the heap, at the end it had when it was put there. When that comes up and the session has grown it is put there again.
 *
 * FLINK: windows that only touch are one, too; a row is late when its session, after merging, is over.
 */
#include "executor/operators/session.h"

static struct sessions *list_of(struct sq_entry *key) { return SQ_PAYLOAD(key); }

sq_rc sq_session_open(struct session_op *x)
{
    struct sq_ctx *ctx = x->a.base.ctx;

    x->due.ctx = ctx;
    x->watermark = SQ_TS_MIN;
    x->times = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->times);
    x->of = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->of);
    x->kinds = sq_alloc(ctx, SQ_BATCH_ROWS);
    if (!x->times || !x->of || !x->kinds)
        return SQ_NOMEM;
    return sq_hashtab_init(&x->keys, ctx, sizeof(struct sessions));
}

/* ---- sessions ---- */

static size_t group_bytes(const struct session_op *x) { return sizeof(struct sq_entry) + x->a.payload; }

static sq_rc new_session(struct session_op *x, struct sq_entry *key, int64_t start, int64_t end, struct session **out)
{
    struct sq_ctx *ctx = x->a.base.ctx;
    struct session *s = *out = sq_calloc(ctx, sizeof *s);

    if (!s)
        return SQ_NOMEM;
    *s = (struct session){.start = start, .end = end, .number = ++x->made, .key = key};
    sq_buf_init(&s->rows, ctx);
    if (!x->keeps_rows) {
        s->group = sq_calloc(ctx, group_bytes(x));
        if (s->group) {
            s->group->hash = key->hash;
            s->group->key = key->key;            /* long ones are the table's */
            s->group->flags = key->flags;
        }
    }
    sq_rc rc = s->group || x->keeps_rows ? sq_window_heap_put(&x->due, (struct sq_window_due){end, start, s->number, s}) : SQ_NOMEM;
    if (rc != SQ_OK) {
        sq_free(ctx, s->group);
        sq_free(ctx, s);
        return rc;
    }
    x->bytes += sizeof *s + (s->group ? group_bytes(x) : 0);
    return SQ_OK;
}

static void free_contents(struct session_op *x, struct session *s)
{
    struct aggregate *a = &x->a;

    for (uint32_t i = 0; s->group && i < a->nitems; i++)
        if (a->items[i].call.agg->drop)
            a->items[i].call.agg->drop(&a->items[i].call, (char *)s->group + a->items[i].offset);
    x->bytes -= s->rows.cap + (s->group ? group_bytes(x) : 0);
    sq_free(a->base.ctx, s->group);
    sq_buf_free(&s->rows);
    s->group = NULL;
}

static void free_session(struct session_op *x, struct session *s)
{
    free_contents(x, s);
    x->bytes -= sizeof *s;
    sq_free(x->a.base.ctx, s);
}

static void remove_at(struct sessions *l, uint32_t i)
{
    memmove(l->v + i, l->v + i + 1, (l->n - i - 1) * sizeof *l->v);
    l->n--;
}

/* Session i + 1 of the list becomes part of session i. */
static sq_rc merge_next(struct session_op *x, struct sessions *l, uint32_t i)
{
    struct session *to = l->v[i], *from = l->v[i + 1];
    struct aggregate *a = &x->a;
    size_t cap = to->rows.cap;

    to->end = from->end > to->end ? from->end : to->end;
    if (x->keeps_rows && from->rows.n) {
        SQ_TRY(sq_buf_add(&to->rows, from->rows.p, from->rows.n));
        x->bytes += to->rows.cap - cap;
    }
    for (uint32_t k = 0; !x->keeps_rows && k < a->nitems; k++)
        SQ_TRY(a->items[k].call.agg->merge(&a->items[k].call, (char *)to->group + a->items[k].offset, (const char *)from->group + a->items[k].offset));
    if (!x->keeps_rows)
        group_of(to->group)->rows += group_of(from->group)->rows;
    free_contents(x, from);
    from->into = to;
    remove_at(l, i + 1);
    return SQ_OK;
}

static sq_rc insert_at(struct session_op *x, struct sq_entry *key, uint32_t i, int64_t start, int64_t end)
{
    struct sessions *l = list_of(key);
    struct session *s;

    if (l->n == l->cap) {
        uint32_t cap = l->cap ? 2 * l->cap : 2;
        struct session **v = sq_realloc(x->a.base.ctx, l->v, cap * sizeof *v);
        if (!v)
            return SQ_NOMEM;
        x->bytes += (cap - l->cap) * sizeof *v;
        l->v = v;
        l->cap = cap;
    }
    SQ_TRY(new_session(x, key, start, end, &s));
    memmove(l->v + i + 1, l->v + i, (l->n - i) * sizeof *l->v);
    l->v[i] = s;
    l->n++;
    return SQ_OK;
}

sq_rc sq_session_of(struct session_op *x, struct sq_entry *key, int64_t t, struct session **out)
{
    struct sessions *l = list_of(key);
    int64_t end = t + x->w.spec.size;
    uint32_t i = l->n;

    while (i > 0 && l->v[i - 1]->end >= t)       /* the first that does not end before */
        i--;
    *out = NULL;
    if (i == l->n || l->v[i]->start > end) {
        if (end <= x->watermark)
            return SQ_OK;
        SQ_TRY(insert_at(x, key, i, t, end));
    }
    struct session *s = l->v[i];
    s->start = t < s->start ? t : s->start;
    s->end = end > s->end ? end : s->end;
    while (i + 1 < l->n && l->v[i + 1]->start <= s->end)
        SQ_TRY(merge_next(x, l, i));
    *out = s;
    return SQ_OK;
}

/* ---- kept rows ---- */

sq_rc sq_session_keep(struct session_op *x, struct session *s, const struct sq_batch *in, uint32_t r)
{
    size_t at = s->rows.n, cap = s->rows.cap;
    uint32_t len;

    SQ_TRY(sq_buf_putc(&s->rows, (char)sq_row_kind(in, r)));
    SQ_TRY(sq_buf_u32(&s->rows, 0));
    SQ_TRY(sq_row_pack(&s->rows, in->cols, NULL, in->ncols, r));
    len = (uint32_t)(s->rows.n - at - 5);
    memcpy(s->rows.p + at + 1, &len, 4);
    x->bytes += s->rows.cap - cap;
    return SQ_OK;
}

static sq_rc damaged(struct session_op *x) { return sq_fail(x->a.base.ctx, SQ_DATA, "the saved state of a session window is damaged"); }

sq_rc sq_session_read(struct session_op *x, const struct session *s, size_t *at)
{
    struct sq_out *o = &x->rows;

    sq_out_reset(o);
    while (*at < s->rows.n && o->n < SQ_BATCH_ROWS) {
        uint32_t len;
        if (s->rows.n - *at < 5)
            return damaged(x);
        memcpy(&len, s->rows.p + *at + 1, 4);
        const char *p = s->rows.p + *at + 5;
        if (s->rows.n - *at - 5 < len || (o->ncols && sq_row_unpack(p, p + len, o->cols, o->ncols) != p + len))
            return x->a.base.ctx->err.rc == SQ_NOMEM ? SQ_NOMEM : damaged(x);
        x->kinds[o->n] = (uint8_t)s->rows.p[*at];
        SQ_TRY(sq_out_row(o, (enum sq_kind)x->kinds[o->n]));
        *at += 5 + len;
    }
    return SQ_OK;
}

/* ---- the end of sessions ---- */

sq_rc sq_session_over(struct session_op *x, int64_t watermark, struct session **out)
{
    struct sq_window_due d;

    *out = NULL;
    while (!*out && sq_window_heap_take(&x->due, watermark, &d)) {
        struct session *s = d.of;
        if (s->into)
            free_session(x, s);
        else if (s->end > watermark)
            SQ_TRY(sq_window_heap_put(&x->due, (struct sq_window_due){s->end, s->start, s->number, s}));
        else if (s->end != d.end || s->start != d.start)         /* over, but in its own place among the others */
            SQ_TRY(sq_window_heap_put(&x->due, (struct sq_window_due){s->end, s->start, s->number, s}));
        else
            *out = s;
    }
    return SQ_OK;
}

void sq_session_drop(struct session_op *x, struct session *s)
{
    struct sessions *l = list_of(s->key);
    uint32_t i = 0;

    while (i < l->n && l->v[i] != s)
        i++;
    if (i < l->n)
        remove_at(l, i);
    if (l->n == 0) {
        x->bytes -= l->cap * sizeof *l->v;
        sq_free(x->a.base.ctx, l->v);
        sq_hashtab_remove(&x->keys, s->key);
    }
    free_session(x, s);
}

void sq_session_close(struct session_op *x)
{
    struct sq_ctx *ctx = x->a.base.ctx;
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    for (size_t i = 0; i < x->due.n; i++)        /* every session has its timer, but one that is being put out when the job fails */
        free_session(x, x->due.v[i].of);
    sq_window_heap_free(&x->due);
    while (x->keys.ctx && (e = sq_hashtab_next(&x->keys, &it)))
        sq_free(ctx, list_of(e)->v);
    sq_hashtab_free(&x->keys);
    sq_free(ctx, x->times);
    sq_free(ctx, x->of);
    sq_free(ctx, x->kinds);
    if (x->rows.ctx)
        sq_out_free(&x->rows);
}

size_t sq_session_bytes(const struct sq_op *op)
{
    const struct session_op *x = (const struct session_op *)op;
    return sq_hashtab_bytes(&x->keys) + x->bytes + x->a.hung + x->due.cap * sizeof *x->due.v;
}

/* ---- saved: start, end; the group as GROUP BY has it, or 'R' hash null key rows ---- */

static sq_rc save_rows(const struct session *s, struct sq_buf *b)
{
    struct sq_str key = sq_view_str(&s->key->key);

    SQ_TRY(sq_buf_putc(b, 'R'));
    SQ_TRY(sq_buf_u64(b, s->key->hash));
    SQ_TRY(sq_buf_putc(b, s->key->flags & SQ_ENTRY_NULL ? 1 : 0));
    SQ_TRY(sq_buf_u32(b, key.n));
    SQ_TRY(sq_buf_add(b, key.p, key.n));
    return sq_buf_add(b, s->rows.p, s->rows.n);
}

sq_rc sq_session_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct session_op *x = SQ_OP(op, struct session_op);
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while ((e = sq_hashtab_next(&x->keys, &it)))
        for (uint32_t i = 0; i < list_of(e)->n; i++) {
            struct session *s = list_of(e)->v[i];
            struct sq_buf *b = out->begin(out->arg, sq_key_group(e->hash));
            if (!b)
                return op->ctx->err.rc;
            SQ_TRY(sq_buf_u64(b, (uint64_t)s->start));
            SQ_TRY(sq_buf_u64(b, (uint64_t)s->end));
            SQ_TRY(x->keeps_rows ? save_rows(s, b) : sq_agg_save_group(&x->a, s->group, b));
            SQ_TRY(out->done(out->arg));
        }
    return SQ_OK;
}

static sq_rc load_one(struct session_op *x, const char *p, const char *end)
{
    struct sq_entry *e;
    struct sq_str key;
    struct sq_view view;
    int64_t bounds[2];
    uint64_t hash;
    uint8_t null;
    char kind;

    if (end - p < 17)
        return damaged(x);
    memcpy(bounds, p, sizeof bounds);
    kind = p[16];
    p += 17;
    SQ_TRY(sq_agg_group_key(&x->a, &p, end, &hash, &null, &key));
    if (bounds[0] >= bounds[1] || kind != (x->keeps_rows ? 'R' : 'G'))
        return damaged(x);
    view = sq_view_of(key.p, key.n);
    SQ_TRY(sq_hashtab_upsert(&x->keys, 1, &hash, &view, &null, &e));
    struct sessions *l = list_of(e);
    uint32_t i = l->n;
    while (i > 0 && l->v[i - 1]->start > bounds[0])
        i--;
    SQ_TRY(insert_at(x, e, i, bounds[0], bounds[1]));
    if (!x->keeps_rows)
        return sq_agg_fill_group(&x->a, l->v[i]->group, p, end, 0);
    SQ_TRY(sq_buf_add(&l->v[i]->rows, p, (size_t)(end - p)));
    x->bytes += l->v[i]->rows.cap;
    return SQ_OK;
}

sq_rc sq_session_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct session_op *x = SQ_OP(op, struct session_op);

    x->watermark = op->plan->final ? SQ_TS_MIN : sq_window_watermark(&x->w, op->ins[0].watermark);
    for (;;) {
        uint32_t group;
        const char *p;
        size_t n;
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p)
            return SQ_OK;
        SQ_TRY(load_one(x, p, p + n));
    }
}
