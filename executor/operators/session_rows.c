/* SPDX-License-Identifier: Apache-2.0
 *
 * session_rows.c: the window table function SESSION whose result is more than aggregated by its keys: rows are kept, packed, until their session is over, and then go on with its
 * bounds, in the order in which they came.
 *
 * State: the rows of open sessions. FLINK: the same.
 */
#include "executor/operators/session.h"
#include "executor/keys.h"
#include "executor/window.h"

struct kept { struct kept *next; uint32_t n; uint8_t kind; char bytes[]; };   /* a packed row */
struct rows { struct kept *first, *last; };                                    /* payload of a session */

struct session_rows {
    struct sq_op base;
    struct sq_windows w;
    struct sessions s;
    struct sq_keys keys;
    int64_t watermark;
    const int64_t *wm;                     /* what the rows of a batch are judged by, by position; NULL: the watermark */
    int64_t *wm_room;
    int64_t *time;
    struct sq_entry **key;
    struct sq_buf pack;
    struct sq_out out;
};

static struct rows *rows_of(struct session *s) { return SESSION_PAYLOAD(s); }

static sq_rc keep(struct session_rows *x, struct session *s, uint8_t kind, const char *bytes, size_t n)
{
    struct rows *r = rows_of(s);
    struct kept *k;

    if (n > UINT32_MAX - sizeof *k)
        return sq_fail(x->base.ctx, SQ_LIMIT, "a row of more than 4 GB cannot be kept");
    k = sq_slab_get(&x->s.slab, sizeof *k + n);
    if (!k)
        return SQ_NOMEM;
    k->next = NULL;
    k->n = (uint32_t)n;
    k->kind = kind;
    memcpy(k->bytes, bytes, n);
    if (r->last)
        r->last->next = k;
    else
        r->first = k;
    r->last = k;
    return SQ_OK;
}

static void drop_rows(struct session_rows *x, struct session *s)
{
    for (struct kept *k = rows_of(s)->first, *next; k; k = next) {
        next = k->next;
        sq_slab_put(&x->s.slab, k, sizeof *k + k->n);
    }
    *rows_of(s) = (struct rows){NULL, NULL};
}

static sq_rc join(void *arg, struct session *into, struct session *from)
{
    struct rows *to = rows_of(into), *r = rows_of(from);

    (void)arg;
    if (to->last)
        to->last->next = r->first;
    else
        to->first = r->first;
    if (r->last)
        to->last = r->last;
    *r = (struct rows){NULL, NULL};
    return SQ_OK;
}

static sq_rc add_row(struct session_rows *x, const struct sq_batch *in, uint32_t i)
{
    struct sq_input_state *st = &x->base.ins[0];
    uint32_t r = sq_row(in, i);
    struct session *s;

    if (x->time[i] == SQ_TS_MIN) {
        st->filtered++;
        return SQ_OK;
    }
    SQ_TRY(sq_sessions_row(&x->s, x->key[i], sq_window_ms(x->time[i]), x->wm ? x->wm[i] : x->watermark, &s));
    if (!s)
        return sq_op_late(&x->base, 0, in, r);
    st->accepted++;
    sq_buf_reset(&x->pack);
    SQ_TRY(sq_row_pack(&x->pack, in->cols, NULL, in->ncols, r));
    return keep(x, s, sq_row_kind(in, r), x->pack.p, x->pack.n);
}

static sq_rc rows_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct session_rows *x = SQ_OP(op, struct session_rows);
    uint64_t taken = op->ins[0].accepted;

    (void)input;
    SQ_TRY(sq_keys_load(&x->keys, in));
    sq_window_times(&x->w, in, &in->cols[op->plan->u.window.time], x->time);
    x->wm = sq_window_row_watermarks(&x->w, in, x->watermark, x->wm_room);
    SQ_TRY(sq_hashtab_upsert(&x->s.keys, in->nsel, x->keys.hash, x->keys.key, x->keys.null, x->key));
    for (uint32_t i = 0; i < in->nsel; i++)
        SQ_TRY(add_row(x, in, i));
    if (op->ins[0].accepted - taken < in->nsel)
        for (uint32_t i = 0; i < in->nsel; i++)
            sq_sessions_forget(&x->s, x->key[i]);
    return SQ_OK;
}

/* ---- sessions that are over ---- */

static sq_rc emit(struct session_rows *x)
{
    if (x->out.n == 0)
        return SQ_OK;
    SQ_TRY(sq_check_interrupt(x->base.ctx));
    SQ_TRY(sq_emit_batch(&x->base, sq_out_batch(&x->out)));
    sq_out_reset(&x->out);
    return SQ_OK;
}

static sq_rc put_out(struct session_rows *x, struct session *s)
{
    uint32_t n = x->base.plan->ncols - 3;
    struct sq_col *w = x->out.cols + n;

    for (struct kept *k = rows_of(s)->first; k; k = k->next) {
        if (!sq_row_unpack(k->bytes, k->bytes + k->n, x->out.cols, n))
            return x->base.ctx->err.rc != SQ_OK ? x->base.ctx->err.rc : sq_fail(x->base.ctx, SQ_DATA, "a row of a session is damaged");
        SQ_TRY(sq_col_append_fixed(&w[0], &s->start));
        SQ_TRY(sq_col_append_fixed(&w[1], &s->end));
        SQ_TRY(sq_window_time(&x->w, s->end, 1, &w[2]));
        SQ_TRY(sq_out_row(&x->out, (enum sq_kind)k->kind));
        if (x->out.n == SQ_BATCH_ROWS)
            SQ_TRY(emit(x));
    }
    return SQ_OK;
}

static sq_rc rows_watermark(struct sq_op *op, int64_t ts)
{
    struct session_rows *x = SQ_OP(op, struct session_rows);
    struct session *s;
    struct sq_entry *key;

    if (op->plan->final && ts != SQ_TS_MAX)      /* batch mode: nothing is late */
        return SQ_OK;
    int64_t to = sq_window_watermark(&x->w, ts);
    x->watermark = to > x->watermark ? to : x->watermark;
    while ((s = sq_sessions_over(&x->s, x->watermark, &key))) {
        sq_rc rc = put_out(x, s);
        drop_rows(x, s);
        sq_sessions_put(&x->s, s, key);
        SQ_TRY(rc);
    }
    SQ_TRY(emit(x));
    return sq_emit_watermark(op, ts);
}

/* ---- opening and closing ---- */

static sq_rc open_keys(struct session_rows *x)
{
    const struct sq_plan *p = x->base.plan;
    const struct sq_type **types = sq_alloc(x->base.ctx, (p->u.window.npartition + 1) * sizeof *types);

    if (!types)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->u.window.npartition; i++)
        types[i] = p->cols[p->u.window.partition[i]].type;
    sq_rc rc = sq_keys_init(&x->keys, x->base.ctx, types, p->u.window.partition, p->u.window.npartition);
    sq_free(x->base.ctx, types);
    return rc;
}

static sq_rc rows_open(struct sq_op *op)
{
    struct session_rows *x = SQ_OP(op, struct session_rows);

    x->watermark = SQ_TS_MIN;
    sq_buf_init(&x->pack, op->ctx);
    sq_windows_init(&x->w, op->plan->u.window.spec, &op->config->session);
    x->time = sq_alloc(op->ctx, SQ_BATCH_ROWS * sizeof *x->time);
    x->wm_room = sq_alloc(op->ctx, SQ_BATCH_ROWS * sizeof *x->wm_room);
    x->key = sq_alloc(op->ctx, SQ_BATCH_ROWS * sizeof(struct sq_entry *));
    if (!x->time || !x->wm_room || !x->key)
        return SQ_NOMEM;
    SQ_TRY(open_keys(x));
    SQ_TRY(sq_sessions_init(&x->s, op->ctx, x->w.spec.size, sizeof(struct rows)));
    x->s.merge = join;
    return sq_op_out(op->ctx, op->plan->cols, op->plan->ncols, &x->out);
}

static void rows_close(struct sq_op *op)
{
    struct session_rows *x = SQ_OP(op, struct session_rows);

    sq_sessions_free(&x->s);
    sq_keys_free(&x->keys);
    sq_buf_free(&x->pack);
    if (x->out.ctx)
        sq_out_free(&x->out);
    sq_free(op->ctx, x->time);
    sq_free(op->ctx, x->wm_room);
    sq_free(op->ctx, x->key);
}

static size_t rows_bytes(const struct sq_op *op)
{
    return sq_sessions_bytes(&((const struct session_rows *)op)->s);
}

/* ---- saved: a record for each row: hash, null (bit 0) and closed (bit 1), key start end kind row; of one session one behind the other ---- */

struct saving { struct session_rows *x; struct sq_snapshot_out *to; };

static sq_rc save_one(void *arg, struct session *s)
{
    struct saving *v = arg;
    struct sq_entry *e = s->owner;
    struct sq_str key = sq_view_str(&e->key);

    for (struct kept *k = rows_of(s)->first; k; k = k->next) {
        struct sq_buf *b = v->to->begin(v->to->arg, sq_key_group(e->hash));
        if (!b)
            return v->x->base.ctx->err.rc;
        sq_buf_u64(b, e->hash);
        sq_buf_putc(b, (char)((e->flags & SQ_ENTRY_NULL ? 1 : 0) | (s->closed ? 2 : 0)));
        sq_buf_u32(b, key.n);
        sq_buf_add(b, key.p, key.n);
        sq_buf_u64(b, (uint64_t)s->start);
        sq_buf_u64(b, (uint64_t)s->end);
        sq_buf_putc(b, (char)k->kind);
        SQ_TRY(sq_buf_add(b, k->bytes, k->n));
        SQ_TRY(v->to->done(v->to->arg));
    }
    return SQ_OK;
}

static sq_rc rows_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct saving v = {SQ_OP(op, struct session_rows), out};

    return sq_sessions_each(&v.x->s, save_one, &v);
}

static bool take(const char **p, const char *end, void *into, size_t n)
{
    if ((size_t)(end - *p) < n)
        return false;
    memcpy(into, *p, n);
    *p += n;
    return true;
}

/* *last: the session of the record before. */
static sq_rc load_one(struct session_rows *x, const char *p, const char *end, struct session **last)
{
    struct { int64_t start, end; } at;
    struct sq_entry *key;
    struct sq_view view;
    uint64_t hash;
    uint32_t n;
    uint8_t null, kind;
    bool closed;

    if (!take(&p, end, &hash, 8) || !take(&p, end, &null, 1) || !take(&p, end, &n, 4) || (size_t)(end - p) < n)
        return sq_fail(x->base.ctx, SQ_DATA, "the saved state of SESSION windows is damaged");
    view = sq_view_of(p, n);
    p += n;
    if (!take(&p, end, &at, sizeof at) || at.end < at.start || !take(&p, end, &kind, 1) || kind > SQ_DELETE)
        return sq_fail(x->base.ctx, SQ_DATA, "the saved state of SESSION windows is damaged");
    closed = null & 2;
    null &= 1;
    SQ_TRY(sq_hashtab_upsert(&x->s.keys, 1, &hash, &view, &null, &key));
    if (!*last || (*last)->owner != key || (*last)->start != at.start || (*last)->end != at.end)
        SQ_TRY(sq_sessions_load(&x->s, key, at.start, at.end, closed, last));
    return keep(x, *last, kind, p, (size_t)(end - p));
}

static sq_rc rows_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct session_rows *x = SQ_OP(op, struct session_rows);
    struct session *last = NULL;
    uint32_t group;
    const char *p;
    size_t n;

    x->watermark = sq_window_restored(op, &x->w);
    for (;;) {
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p)
            return SQ_OK;
        SQ_TRY(load_one(x, p, p + n, &last));
    }
}

const struct sq_op_class sq_op_session_rows = {
    .name = "SessionTableFunction", .size = sizeof(struct session_rows), .open = rows_open, .batch = rows_batch, .watermark = rows_watermark,
    .snapshot = rows_snapshot, .restore = rows_restore, .state_bytes = rows_bytes, .close = rows_close,
};
