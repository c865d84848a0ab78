/* SPDX-License-Identifier: Apache-2.0
 *
 * session_aggregate.c: GROUP BY the windows of SESSION, where sessions are of the group's keys: accumulators in sessions (session.c), put out when the watermark is at
 * a session's end.
 *
 * A batch is worked through row by row to find the sessions, and by aggregate to update them; when a row joins two sessions, what the rows before it do is done first. Each session
 * has distinct sets of its own, so that joining two costs what the later one holds.
 *
 * State: accumulators of open sessions, the values of DISTINCT. FLINK: the same, rows that are taken back too (they open sessions as well; one without rows gives none).
 */
#include "executor/operators/aggregate.h"
#include "executor/operators/session.h"
#include "executor/window.h"

struct session_aggregate {
    struct aggregate a;                    /* without tables: entries are in sessions */
    struct sq_windows w;
    struct sessions s;
    int64_t watermark;                     /* in wall clock time */
    const int64_t *wm;                     /* what the rows of a batch are judged by, by position; NULL: the watermark */
    int64_t *wm_room;
    int64_t *time;                         /* of a batch, by position */
    struct sq_entry **key;
    uint32_t pending;                      /* rows that have found their session: a.row, a.pos, a.entry */
    const struct sq_batch *in;
    struct sq_entry *group;                /* of two sessions that become one */
};

/* The payload of a session: its distinct sets where there are any, then the group as an entry of a table would be. */
static struct sq_entry *entry_of(const struct session_aggregate *x, struct session *s)
{
    return (struct sq_entry *)(void *)((char *)SESSION_PAYLOAD(s) + (x->a.nsets ? 16 : 0));
}
static struct sq_hashtab **sets_of(struct session *s) { return SESSION_PAYLOAD(s); }
static struct session *session_of(struct sq_entry *e) { return (struct session *)(void *)((char *)e - 16) - 1; }   /* of one with sets */

/* ---- groups ---- */

static sq_rc fill(struct session_aggregate *x, struct session *s)
{
    struct sq_entry *e = entry_of(x, s), *owner = s->owner;
    struct sq_ctx *ctx = x->a.base.ctx;

    e->hash = owner->hash;
    e->key = owner->key;
    e->flags = owner->flags;
    group_of(e)->serial = 1;
    if (!x->a.nsets)
        return SQ_OK;
    struct sq_hashtab *t = *sets_of(s) = sq_calloc(ctx, x->a.nsets * sizeof *t);
    if (!t)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < x->a.nsets; i++)
        SQ_TRY(sq_hashtab_init(&t[i], ctx, sizeof(struct seen)));
    return SQ_OK;
}

static void use_sets(struct session_aggregate *x, struct session *s)
{
    for (uint32_t i = 0; i < x->a.nsets; i++)
        x->a.sets[i].seen = (*sets_of(s))[i];
}

static void leave_sets(struct session_aggregate *x, struct session *s)
{
    for (uint32_t i = 0; i < x->a.nsets; i++) {
        (*sets_of(s))[i] = x->a.sets[i].seen;
        memset(&x->a.sets[i].seen, 0, sizeof x->a.sets[i].seen);
    }
}

static void empty(struct session_aggregate *x, struct session *s)
{
    sq_agg_drop(&x->a, entry_of(x, s));
    if (!x->a.nsets || !*sets_of(s))
        return;
    for (uint32_t i = 0; i < x->a.nsets; i++)
        sq_hashtab_free(&(*sets_of(s))[i]);
    sq_free(x->a.base.ctx, *sets_of(s));
    *sets_of(s) = NULL;
}

/* ---- rows ---- */

/* Rows [from, to) of those that are pending, all of one session. */
static sq_rc apply_one(struct session_aggregate *x, uint32_t from, uint32_t to)
{
    struct aggregate *a = &x->a;
    struct session *s = session_of(a->entry[from]);

    use_sets(x, s);
    sq_rc rc = sq_agg_apply(a, x->in, (struct agg_rows){a->row + from, a->pos + from, a->entry + from, to - from});
    leave_sets(x, s);
    return rc;
}

static sq_rc apply_pending(struct session_aggregate *x)
{
    struct aggregate *a = &x->a;
    uint32_t n = x->pending;

    x->pending = 0;
    if (!a->nsets)
        return n ? sq_agg_apply(a, x->in, (struct agg_rows){a->row, a->pos, a->entry, n}) : SQ_OK;
    for (uint32_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && a->entry[to] == a->entry[from];)
            to++;
        SQ_TRY(apply_one(x, from, to));
    }
    return SQ_OK;
}

static struct sq_entry *the_group(void *arg, uint64_t serial)
{
    (void)serial;
    return ((struct session_aggregate *)arg)->group;
}

static sq_rc join(void *arg, struct session *into, struct session *from)
{
    struct session_aggregate *x = arg;
    struct sq_entry *to = entry_of(x, into), *it = entry_of(x, from);
    sq_rc rc = SQ_OK;

    SQ_TRY(apply_pending(x));
    SQ_TRY(sq_agg_merge_groups(&x->a, &to, &it, 1));
    x->group = to;
    if (x->a.nsets) {
        use_sets(x, into);
        for (uint32_t i = 0; rc == SQ_OK && i < x->a.nsets; i++)
            rc = sq_agg_merge_set(&x->a, i, &(*sets_of(from))[i], the_group, x);
        leave_sets(x, into);
    }
    empty(x, from);
    return rc;
}

static sq_rc add_row(struct session_aggregate *x, uint32_t i)
{
    struct aggregate *a = &x->a;
    struct sq_input_state *in = &a->base.ins[0];
    uint32_t r = sq_row(x->in, i);
    bool add = sq_kind_adds(sq_row_kind(x->in, r));
    struct session *s;

    if (x->time[i] == SQ_TS_MIN) {
        in->filtered++;
        return SQ_OK;
    }
    SQ_TRY(sq_sessions_row(&x->s, x->key[i], sq_window_ms(x->time[i]), x->wm ? x->wm[i] : x->watermark, &s));
    if (!s)
        return sq_op_late(&a->base, 0, x->in, r);
    struct sq_entry *e = entry_of(x, s);
    if (!e->flags)
        SQ_TRY(fill(x, s));
    if (!add && group_of(e)->rows == 0) {
        in->filtered++;
        return SQ_OK;
    }
    in->accepted++;
    group_of(e)->rows += add ? 1 : -1;
    a->row[x->pending] = r;
    a->pos[x->pending] = i;
    a->entry[x->pending++] = e;
    return SQ_OK;
}

static void wake(struct session_aggregate *x)
{
    if (sq_window_by_clock(&x->w) && x->s.ndue)
        sq_window_wake(&x->a.base, &x->w, x->s.due[0].end);
}

static sq_rc session_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct session_aggregate *x = SQ_OP(op, struct session_aggregate);
    struct aggregate *a = &x->a;

    (void)input;
    x->in = in;
    x->pending = 0;
    SQ_TRY(sq_keys_load(&a->keys, in));
    SQ_TRY(sq_agg_load(a, in));
    if (sq_window_by_clock(&x->w))
        sq_window_now(op, &x->w, x->watermark, in->nsel, x->time);
    else
        sq_window_times(&x->w, in, &in->cols[op->plan->u.agg.time], x->time);
    x->wm = sq_window_row_watermarks(&x->w, in, x->watermark, x->wm_room);
    SQ_TRY(sq_hashtab_upsert(&x->s.keys, in->nsel, a->keys.hash, a->keys.key, a->keys.null, x->key));
    uint64_t taken = op->ins[0].accepted;
    for (uint32_t i = 0; i < in->nsel; i++)
        SQ_TRY(add_row(x, i));
    if (op->ins[0].accepted - taken < in->nsel)
        for (uint32_t i = 0; i < in->nsel; i++)
            sq_sessions_forget(&x->s, x->key[i]);
    wake(x);
    return apply_pending(x);
}

/* ---- sessions that are over ---- */

static sq_rc put_out(struct session_aggregate *x, struct session *s)
{
    struct aggregate *a = &x->a;
    struct sq_entry *e = entry_of(x, s);
    struct sq_col *w = a->out.cols + a->ngroup + a->nitems;

    if (!e->flags || group_of(e)->rows <= 0)
        return SQ_OK;
    SQ_TRY(sq_keys_append(&a->keys, &e, 1, a->out.cols));
    SQ_TRY(sq_agg_results(a, &e, 1, a->out.cols + a->ngroup));
    SQ_TRY(sq_col_append_fixed(&w[0], &s->start));
    SQ_TRY(sq_col_append_fixed(&w[1], &s->end));
    SQ_TRY(sq_window_time(&x->w, s->end, 1, &w[2]));
    return sq_out_row(&a->out, SQ_INSERT);
}

static sq_rc emit(struct session_aggregate *x)
{
    if (x->a.out.n == 0)
        return SQ_OK;
    SQ_TRY(sq_check_interrupt(x->a.base.ctx));
    return sq_emit_batch(&x->a.base, sq_out_batch(&x->a.out));
}

/* A long key of the output is borrowed from the state: so sessions are given back when their rows have gone. */
static sq_rc put_out_over(struct session_aggregate *x, int64_t to)
{
    struct { struct session *s; struct sq_entry *key; } over[256];
    sq_rc rc = SQ_OK;
    uint32_t n;

    do {
        sq_out_reset(&x->a.out);
        for (n = 0; rc == SQ_OK && n < SQ_LEN(over) && (over[n].s = sq_sessions_over(&x->s, to, &over[n].key)); n++)
            rc = put_out(x, over[n].s);
        if (rc == SQ_OK)
            rc = emit(x);
        for (uint32_t i = 0; i < n; i++) {
            empty(x, over[i].s);
            sq_sessions_put(&x->s, over[i].s, over[i].key);
        }
    } while (rc == SQ_OK && n == SQ_LEN(over));
    return rc;
}

static sq_rc advance(struct session_aggregate *x, int64_t to)
{
    x->watermark = to > x->watermark ? to : x->watermark;
    return put_out_over(x, x->watermark);
}

static sq_rc session_watermark(struct sq_op *op, int64_t ts)
{
    struct session_aggregate *x = SQ_OP(op, struct session_aggregate);

    if (op->plan->final && ts != SQ_TS_MAX)      /* batch mode: nothing is late */
        return SQ_OK;
    if (!sq_window_by_clock(&x->w) || ts == SQ_TS_MAX)
        SQ_TRY(advance(x, sq_window_watermark(&x->w, ts)));
    return sq_emit_watermark(op, ts);
}

static sq_rc session_timer(struct sq_op *op, int64_t now)
{
    struct session_aggregate *x = SQ_OP(op, struct session_aggregate);

    SQ_TRY(advance(x, sq_window_watermark(&x->w, now)));
    wake(x);
    return SQ_OK;
}

/* ---- opening and closing ---- */

static sq_rc session_open(struct sq_op *op)
{
    struct session_aggregate *x = SQ_OP(op, struct session_aggregate);

    x->a.retracts = op->plan->inputs[0]->mode != SQ_MODE_INSERT;
    x->watermark = SQ_TS_MIN;
    sq_windows_init(&x->w, op->plan->u.agg.window, &op->config->session);
    x->time = sq_alloc(op->ctx, SQ_BATCH_ROWS * sizeof *x->time);
    x->wm_room = sq_alloc(op->ctx, SQ_BATCH_ROWS * sizeof *x->wm_room);
    x->key = sq_alloc(op->ctx, SQ_BATCH_ROWS * sizeof(struct sq_entry *));
    if (!x->time || !x->wm_room || !x->key)
        return SQ_NOMEM;
    SQ_TRY(sq_agg_state_open(&x->a));
    sq_hashtab_free(&x->a.groups);
    for (uint32_t i = 0; i < x->a.nsets; i++)
        sq_hashtab_free(&x->a.sets[i].seen);
    SQ_TRY(sq_sessions_init(&x->s, op->ctx, x->w.spec.size, (x->a.nsets ? 16 : 0) + sizeof(struct sq_entry) + x->a.payload));
    x->s.arg = x;
    x->s.merge = join;
    return sq_agg_emit_open(&x->a);
}

static sq_rc empty_one(void *x, struct session *s)
{
    if (entry_of(x, s)->flags)
        empty(x, s);
    return SQ_OK;
}

static void session_close(struct sq_op *op)
{
    struct session_aggregate *x = SQ_OP(op, struct session_aggregate);

    if (x->s.ctx && (x->a.nsets || x->a.has_drop))
        sq_sessions_each(&x->s, empty_one, x);
    sq_sessions_free(&x->s);
    sq_agg_emit_close(&x->a);
    sq_agg_state_close(&x->a);
    sq_free(op->ctx, x->time);
    sq_free(op->ctx, x->wm_room);
    sq_free(op->ctx, x->key);
}

static sq_rc add_bytes(void *arg, struct session *s)
{
    struct { const struct session_aggregate *x; size_t n; } *sum = arg;

    for (uint32_t i = 0; *sets_of(s) && i < sum->x->a.nsets; i++)
        sum->n += sizeof(struct sq_hashtab) + sq_hashtab_bytes(&(*sets_of(s))[i]);
    return SQ_OK;
}

static size_t session_bytes(const struct sq_op *op)
{
    const struct session_aggregate *x = (const struct session_aggregate *)op;
    struct { const struct session_aggregate *x; size_t n; } sum = {x, 0};

    if (x->a.nsets)
        sq_sessions_each(&x->s, add_bytes, &sum);
    return sq_sessions_bytes(&x->s) + x->a.hung + sum.n;
}

/* ---- saved: hash, null (bit 0) and closed (bit 1), key start end group, then of each set: how many values, and hash count value of each ---- */

struct saving { struct session_aggregate *x; struct sq_snapshot_out *to; };

static sq_rc save_set(const struct sq_hashtab *t, struct sq_buf *b)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    SQ_TRY(sq_buf_u64(b, t->count));
    while ((e = sq_hashtab_next(t, &it))) {
        struct sq_str key = sq_view_str(&e->key);
        sq_buf_u64(b, e->hash);
        sq_buf_u64(b, (uint64_t)((struct seen *)SQ_PAYLOAD(e))->count);
        sq_buf_u32(b, key.n);
        SQ_TRY(sq_buf_add(b, key.p, key.n));
    }
    return SQ_OK;
}

static sq_rc save_one(void *arg, struct session *s)
{
    struct saving *v = arg;
    struct sq_entry *e = entry_of(v->x, s);
    struct sq_str key = sq_view_str(&e->key);

    if (!e->flags)
        return SQ_OK;
    struct sq_buf *b = v->to->begin(v->to->arg, sq_key_group(e->hash));
    if (!b)
        return v->x->a.base.ctx->err.rc;
    sq_buf_u64(b, e->hash);
    sq_buf_putc(b, (char)((e->flags & SQ_ENTRY_NULL ? 1 : 0) | (s->closed ? 2 : 0)));
    sq_buf_u32(b, key.n);
    sq_buf_add(b, key.p, key.n);
    sq_buf_u64(b, (uint64_t)s->start);
    sq_buf_u64(b, (uint64_t)s->end);
    SQ_TRY(sq_agg_save_group(&v->x->a, e, b));
    for (uint32_t i = 0; i < v->x->a.nsets; i++)
        SQ_TRY(save_set(&(*sets_of(s))[i], b));
    return v->to->done(v->to->arg);
}

static sq_rc session_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct session_aggregate *x = SQ_OP(op, struct session_aggregate);
    struct saving v = {x, out};

    return sq_sessions_each(&x->s, save_one, &v);
}

static sq_rc damaged(struct session_aggregate *x)
{
    return sq_fail(x->a.base.ctx, SQ_DATA, "the saved state of SESSION windows is damaged");
}

static bool take(const char **p, const char *end, void *into, size_t n)
{
    if ((size_t)(end - *p) < n)
        return false;
    memcpy(into, *p, n);
    *p += n;
    return true;
}

static bool take_key(const char **p, const char *end, struct sq_view *key)
{
    uint32_t n;

    if (!take(p, end, &n, 4) || (size_t)(end - *p) < n)
        return false;
    *key = sq_view_of(*p, n);
    *p += n;
    return true;
}

static sq_rc load_set(struct session_aggregate *x, struct sq_hashtab *t, uint64_t group_hash, const char **p, const char *end)
{
    uint64_t n, hash;
    int64_t count;
    struct sq_view key;
    struct sq_entry *e;

    if (!take(p, end, &n, 8))
        return damaged(x);
    for (; n > 0; n--) {
        if (!take(p, end, &hash, 8) || !take(p, end, &count, 8) || !take_key(p, end, &key) || key.len < 8)
            return damaged(x);
        SQ_TRY(sq_hashtab_upsert(t, 1, &hash, &key, NULL, &e));
        *(struct seen *)SQ_PAYLOAD(e) = (struct seen){count, group_hash};
    }
    return SQ_OK;
}

static sq_rc load_one(struct session_aggregate *x, const char *p, const char *end)
{
    struct { int64_t start, end; } at;
    struct sq_entry *key;
    struct session *s;
    struct sq_view view;
    uint64_t hash;
    uint8_t null;
    bool closed;

    if (!take(&p, end, &hash, 8) || !take(&p, end, &null, 1) || !take_key(&p, end, &view) || !take(&p, end, &at, sizeof at) || at.end < at.start)
        return damaged(x);
    closed = null & 2;
    null &= 1;
    SQ_TRY(sq_hashtab_upsert(&x->s.keys, 1, &hash, &view, &null, &key));
    SQ_TRY(sq_sessions_load(&x->s, key, at.start, at.end, closed, &s));
    SQ_TRY(fill(x, s));
    SQ_TRY(sq_agg_load_group(&x->a, entry_of(x, s), &p, end, 0));
    group_of(entry_of(x, s))->serial = 1;
    for (uint32_t i = 0; i < x->a.nsets; i++)
        SQ_TRY(load_set(x, &(*sets_of(s))[i], hash, &p, end));
    return p == end ? SQ_OK : damaged(x);
}

static sq_rc session_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct session_aggregate *x = SQ_OP(op, struct session_aggregate);
    uint32_t group;
    const char *p;
    size_t n;

    x->watermark = sq_window_restored(op, &x->w);
    for (;;) {
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p)
            break;
        SQ_TRY(load_one(x, p, p + n));
    }
    wake(x);
    return SQ_OK;
}

const struct sq_op_class sq_op_session_aggregate = {
    .name = "SessionAggregate", .size = sizeof(struct session_aggregate), .open = session_open, .batch = session_batch, .watermark = session_watermark, .timer = session_timer,
    .snapshot = session_snapshot, .restore = session_restore, .state_bytes = session_bytes, .close = session_close,
};
