/* SPDX-License-Identifier: Apache-2.0
 *
 * temporal_join.c: FOR SYSTEM_TIME AS OF: each row of the left side with the version of its key that was valid at its time; inner and left. The left side only gets inserts, the right one
 * is a table of versions: a row is valid from its time on until the time of the next row of its key; a deletion ends the one before it.
 *
 * Left rows wait in a heap by time until the watermark of both sides is above their time: then every version up to there has come. The versions of a key are kept in order of time. Those
 * that are behind the watermark go, all but the last one (and that too, if it is a deletion); a second heap says when there is something to go.
 * State: the left rows that wait; of each key the last version, and those that are ahead of the watermark.
 *
 * A late version (below the watermark of its split) is valid from that watermark on, so it depends on nothing but its split what it counts for; but a deletion that the
 * watermark is behind is forgotten, and a version that comes later still and says it is older is valid. A late left row (below the
 * watermark of its split) may find that its version is gone: it is dropped as late, and of a LEFT join comes out at once as one that has none.
 *
 * FLINK: as TemporalRowTimeJoinOperator, but for late versions, which count for whatever left rows still wait, and late left rows, which get their version if it is still kept; left rows come out by time here, in the order they came there.
 */
#include "base/row.h"
#include "executor/keys.h"
#include "executor/operators/pairs.h"
#include "executor/window.h"
#include "executor/window_store.h"

#include <string.h>

struct version {
    int64_t t;
    int64_t from;                          /* t, or the watermark that it was judged by where that is further */
    char *bytes;                           /* packed row */
    uint32_t len;                          /* with room for one byte more */
    bool gone;                             /* a deletion */
};

struct history {                           /* payload of a key's entry */
    struct version *v;                     /* by time */
    uint32_t n, cap;
    uint32_t used;                         /* left rows that wait for it, places in `due` */
};

struct waiting { struct sq_entry *e; int64_t t; uint32_t len; char bytes[]; };

struct temporal_join {
    struct sq_op base;
    bool left;                             /* LEFT: rows without a version come out too */
    struct sq_keys keys[2];
    struct sq_hashtab tab;                 /* key -> history, for both sides */
    struct sq_slab slab;
    struct sq_buf pack;
    struct sq_window_heap rows, due;       /* left rows by time; keys by when a version of theirs may go */
    uint64_t number;                       /* of the next one in a heap */
    struct sq_windows w;                   /* for reading times: no zone */
    struct sq_program *residual;
    struct sq_pairs pairs;                 /* left rows that are ripe with their versions */
    struct sq_out ripe, out;
    /* of the current batch, by position */
    bool skip[SQ_BATCH_ROWS], matched[SQ_BATCH_ROWS];
    int64_t time[SQ_BATCH_ROWS], wm[SQ_BATCH_ROWS];
    struct sq_entry *entry[SQ_BATCH_ROWS];
};

/* ---- opening ---- */

static sq_rc open_keys(struct temporal_join *j, uint32_t side)
{
    const struct sq_plan *p = j->base.plan;
    uint32_t n = p->u.join.nkeys, *cols = sq_alloc(j->base.ctx, (n + 1) * sizeof *cols);
    const struct sq_type **types = sq_alloc(j->base.ctx, (n + 1) * sizeof *types);
    sq_rc rc = cols && types ? SQ_OK : SQ_NOMEM;

    for (uint32_t i = 0; rc == SQ_OK && i < n; i++) {
        cols[i] = side == 0 ? p->u.join.keys[i].left : p->u.join.keys[i].right;
        types[i] = p->inputs[side]->cols[cols[i]].type;
    }
    if (rc == SQ_OK)
        rc = sq_keys_init(&j->keys[side], j->base.ctx, types, cols, n);
    sq_free(j->base.ctx, cols);
    sq_free(j->base.ctx, types);
    return rc;
}

static sq_rc temporal_open(struct sq_op *op)
{
    struct temporal_join *j = SQ_OP(op, struct temporal_join);
    const struct sq_plan *p = op->plan;
    struct sq_expr *residual = p->u.join.residual;

    j->left = p->u.join.kind == SQ_JOIN_LEFT;
    j->rows.ctx = j->due.ctx = op->ctx;
    sq_slab_init(&j->slab, op->ctx);
    sq_buf_init(&j->pack, op->ctx);
    SQ_TRY(open_keys(j, 0));
    SQ_TRY(open_keys(j, 1));
    SQ_TRY(sq_hashtab_init(&j->tab, op->ctx, sizeof(struct history)));
    if (residual)
        SQ_TRY(sq_program_new(op->ctx, &op->config->session, &residual, 1, &op->m.overflows, &j->residual));
    SQ_TRY(sq_pairs_open(&j->pairs, op, 0, j->residual));
    SQ_TRY(sq_op_out(op->ctx, p->inputs[0]->cols, p->inputs[0]->ncols, &j->ripe));
    return sq_op_out(op->ctx, p->cols, p->ncols, &j->out);
}

/* ---- versions ---- */

/* The number of versions whose time is at most t. */
static uint32_t upto(const struct history *h, int64_t t)
{
    uint32_t lo = 0, hi = h->n;

    if (hi > 0 && h->v[hi - 1].t <= t)
        return hi;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (h->v[mid].t <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The one that was valid at t; NULL: none. */
static struct version *valid_at(const struct history *h, int64_t t)
{
    uint32_t n = upto(h, t);

    while (n > 0 && h->v[n - 1].from > t)
        n--;
    return n > 0 && !h->v[n - 1].gone ? &h->v[n - 1] : NULL;
}

static sq_rc note(struct temporal_join *j, struct sq_entry *e, int64_t at)
{
    SQ_TRY(sq_window_heap_put(&j->due, (struct sq_window_due){.end = at, .number = j->number++, .of = e}));
    ((struct history *)SQ_PAYLOAD(e))->used++;
    return SQ_OK;
}

static sq_rc more_versions(struct temporal_join *j, struct history *h)
{
    uint32_t cap = h->cap ? h->cap * 2 : 1;
    struct version *v = sq_slab_get(&j->slab, cap * sizeof *v);

    if (!v)
        return SQ_NOMEM;
    if (h->n)
        memcpy(v, h->v, h->n * sizeof *v);
    sq_slab_put(&j->slab, h->v, h->cap * sizeof *v);
    h->v = v;
    h->cap = cap;
    return SQ_OK;
}

/* Puts a version where its time is; of those of one time the last one that came counts, from when it is valid. */
static sq_rc put_version(struct temporal_join *j, struct sq_entry *e, const struct version *new)
{
    struct history *h = SQ_PAYLOAD(e);
    uint32_t at = upto(h, new->t);

    if (at > 0 && h->v[at - 1].t == new->t && h->v[at - 1].from == new->from) {
        sq_slab_put(&j->slab, h->v[at - 1].bytes, h->v[at - 1].len + 1);
        h->v[at - 1] = *new;
    } else {
        if (h->n == h->cap)
            SQ_TRY(more_versions(j, h));
        memmove(h->v + at + 1, h->v + at, (h->n - at) * sizeof *h->v);
        h->v[at] = *new;
        h->n++;
        at++;
    }
    if (at < h->n)                               /* it goes when the next one is valid */
        SQ_TRY(note(j, e, h->v[at].from));
    return h->n > 1 || new->gone ? note(j, e, new->from) : SQ_OK;
}

static void drop_unused(struct temporal_join *j, struct sq_entry *e)
{
    struct history *h = SQ_PAYLOAD(e);

    if (h->n > 0 || h->used > 0)
        return;
    sq_slab_put(&j->slab, h->v, h->cap * sizeof *h->v);
    sq_hashtab_remove(&j->tab, e);
}

/* No left row below the watermark comes any more: what was valid before that goes. */
static void prune(struct temporal_join *j, struct sq_entry *e, int64_t watermark)
{
    struct history *h = SQ_PAYLOAD(e);
    uint32_t keep = h->n;

    while (keep > 0 && h->v[keep - 1].from > watermark)
        keep--;
    if (keep > 0 && !h->v[keep - 1].gone)
        keep--;
    for (uint32_t i = 0; i < keep; i++)
        sq_slab_put(&j->slab, h->v[i].bytes, h->v[i].len + 1);
    if (keep > 0)
        memmove(h->v, h->v + keep, (h->n - keep) * sizeof *h->v);
    h->n -= keep;
}

/* ---- rows that come ---- */

static sq_rc pack(struct temporal_join *j, uint32_t side, const struct sq_batch *in, uint32_t r)
{
    sq_buf_reset(&j->pack);
    return sq_row_pack(&j->pack, in->cols, NULL, j->base.plan->inputs[side]->ncols, r);
}

static sq_rc add_version(struct temporal_join *j, struct sq_entry *e, const struct sq_batch *in, uint32_t r, int64_t t, int64_t from, bool gone)
{
    struct version v = {.t = t, .from = from, .gone = gone};

    SQ_TRY(pack(j, 1, in, r));
    v.len = (uint32_t)j->pack.n;
    if (!(v.bytes = sq_slab_get(&j->slab, v.len + 1)))
        return SQ_NOMEM;
    if (v.len)
        memcpy(v.bytes, j->pack.p, v.len);
    return put_version(j, e, &v);
}

static sq_rc add_waiting(struct temporal_join *j, struct sq_entry *e, const struct sq_batch *in, uint32_t r, int64_t t)
{
    struct waiting *w;

    SQ_TRY(pack(j, 0, in, r));
    if (!(w = sq_slab_get(&j->slab, sizeof *w + j->pack.n)))
        return SQ_NOMEM;
    *w = (struct waiting){.e = e, .t = t, .len = (uint32_t)j->pack.n};
    if (w->len)
        memcpy(w->bytes, j->pack.p, w->len);
    SQ_TRY(sq_window_heap_put(&j->rows, (struct sq_window_due){.end = t, .number = j->number++, .of = w}));
    ((struct history *)SQ_PAYLOAD(e))->used++;
    return SQ_OK;
}

static sq_rc flush(struct temporal_join *j, const int64_t *wm)
{
    if (j->out.n > 0) {
        struct sq_batch b = *sq_out_batch(&j->out);
        b.wm = wm;
        SQ_TRY(sq_emit_batch(&j->base, &b));
    }
    sq_out_reset(&j->out);
    return SQ_OK;
}

/* A left row without a version. */
static sq_rc pad(struct temporal_join *j, const struct sq_batch *in, uint32_t r)
{
    uint32_t n = j->base.plan->inputs[0]->ncols;

    for (uint32_t c = 0; c < n; c++)
        SQ_TRY(sq_col_append(&j->out.cols[c], &in->cols[c], r));
    for (uint32_t c = n; c < j->base.plan->ncols; c++)
        SQ_TRY(sq_col_append_null(&j->out.cols[c]));
    return sq_out_row(&j->out, SQ_INSERT);
}

/* Entries for the rows that are not skipped. */
static sq_rc entries(struct temporal_join *j, const struct sq_keys *k)
{
    for (uint32_t i = 0, n; i < k->n; i += n ? n : 1) {
        for (n = 0; i + n < k->n && !j->skip[i + n]; n++)
            ;
        if (n)
            SQ_TRY(sq_hashtab_upsert(&j->tab, n, k->hash + i, k->key + i, k->null ? k->null + i : NULL, j->entry + i));
    }
    return SQ_OK;
}

/* Late left rows are rows to skip; those of an inner join are counted. */
static sq_rc skip_late(struct temporal_join *j, const struct sq_batch *in, uint32_t *late)
{
    for (uint32_t i = 0; in->wm && i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        if (j->skip[i] || in->wm[r] <= j->time[i])
            continue;
        j->skip[i] = true;
        if (j->left)
            continue;
        SQ_TRY(sq_op_late(&j->base, 0, in, r));
        ++*late;
    }
    return SQ_OK;
}

/* Rows that are late or have a NULL in their key have no version: they come out at once. */
static sq_rc left_batch(struct temporal_join *j, const struct sq_batch *in)
{
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        if (!j->skip[i]) {
            SQ_TRY(add_waiting(j, j->entry[i], in, r, j->time[i]));
        } else if (j->left) {
            j->wm[j->out.n] = in->wm ? in->wm[r] : SQ_TS_MIN;
            SQ_TRY(pad(j, in, r));
        }
    }
    return flush(j, in->wm ? j->wm : NULL);
}

static sq_rc right_batch(struct temporal_join *j, const struct sq_batch *in)
{
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        uint8_t kind = sq_row_kind(in, r);
        int64_t judge = in->wm ? in->wm[r] : SQ_TS_MIN;
        if (!j->skip[i] && kind != SQ_UPDATE_BEFORE)     /* what is valid then follows */
            SQ_TRY(add_version(j, j->entry[i], in, r, j->time[i], judge > j->time[i] ? judge : j->time[i], kind == SQ_DELETE));
    }
    for (uint32_t i = 0; i < in->nsel; i++)
        if (!j->skip[i] && j->entry[i]->flags & SQ_ENTRY_LIVE)
            drop_unused(j, j->entry[i]);                 /* of -U alone */
    return SQ_OK;
}

static sq_rc temporal_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct temporal_join *j = SQ_OP(op, struct temporal_join);
    uint32_t nulls = sq_pairs_nulls(op->plan, input, in, j->skip), dropped = input == 0 && j->left ? 0 : nulls, late = 0;

    sq_window_times(&j->w, in, &in->cols[input == 0 ? op->plan->u.join.left_time : op->plan->u.join.right_time], j->time);
    if (input == 0)
        SQ_TRY(skip_late(j, in, &late));
    op->ins[input].filtered += dropped;
    sq_op_accept(op, input, in->nsel - dropped - late);
    SQ_TRY(sq_keys_load(&j->keys[input], in));
    SQ_TRY(entries(j, &j->keys[input]));
    return input == 0 ? left_batch(j, in) : right_batch(j, in);
}

/* ---- rows that are ripe ---- */

/* The next left rows below the watermark as a batch, and their histories. */
static sq_rc take_ripe(struct temporal_join *j, int64_t watermark)
{
    struct sq_window_due d;

    sq_out_reset(&j->ripe);
    while (j->ripe.n < SQ_BATCH_ROWS && sq_window_heap_take(&j->rows, watermark == SQ_TS_MAX ? watermark : watermark - 1, &d)) {
        struct waiting *w = d.of;
        j->entry[j->ripe.n] = w->e;
        j->time[j->ripe.n] = w->t;
        bool whole = j->ripe.ncols == 0 || sq_row_unpack(w->bytes, w->bytes + w->len, j->ripe.cols, j->ripe.ncols);
        sq_slab_put(&j->slab, w, sizeof *w + w->len);
        if (!whole)
            return j->base.ctx->err.rc != SQ_OK ? j->base.ctx->err.rc : sq_fail(j->base.ctx, SQ_INTERNAL, "a row in the state of a join is damaged");
        SQ_TRY(sq_out_row(&j->ripe, SQ_INSERT));
    }
    return SQ_OK;
}

static sq_rc put_out(struct temporal_join *j)
{
    const struct sq_batch *in = sq_out_batch(&j->ripe);
    struct sq_batch b;

    sq_pairs_reset(&j->pairs);
    memset(j->matched, 0, in->nsel * sizeof *j->matched);
    for (uint32_t i = 0; i < in->nsel; i++) {
        struct version *v = valid_at(SQ_PAYLOAD(j->entry[i]), j->time[i]);
        if (v)
            SQ_TRY(sq_pairs_add(&j->pairs, in, i, v->bytes, v->len, NULL));
    }
    if (j->pairs.n > 0) {
        SQ_TRY(sq_pairs_batch(&j->pairs, in, &b));
        for (uint32_t i = 0; i < b.nsel; i++)
            j->matched[j->pairs.pos[sq_row(&b, i)]] = true;
        SQ_TRY(sq_emit_batch(&j->base, &b));
    }
    for (uint32_t i = 0; j->left && i < in->nsel; i++)
        if (!j->matched[i])
            SQ_TRY(pad(j, in, i));
    return flush(j, NULL);
}

static sq_rc temporal_watermark(struct sq_op *op, int64_t ts)
{
    struct temporal_join *j = SQ_OP(op, struct temporal_join);
    struct sq_window_due d;

    for (;;) {
        SQ_TRY(sq_check_interrupt(op->ctx));
        SQ_TRY(take_ripe(j, ts));
        if (j->ripe.n == 0)
            break;
        SQ_TRY(put_out(j));
        for (uint32_t i = 0; i < j->ripe.n; i++)
            ((struct history *)SQ_PAYLOAD(j->entry[i]))->used--;
        for (uint32_t i = 0; i < j->ripe.n; i++)
            if (j->entry[i]->flags & SQ_ENTRY_LIVE)
                drop_unused(j, j->entry[i]);
    }
    while (sq_window_heap_take(&j->due, ts, &d)) {
        ((struct history *)SQ_PAYLOAD(d.of))->used--;
        prune(j, d.of, ts);
        drop_unused(j, d.of);
    }
    return sq_emit_watermark(op, ts);
}

/* ---- saved: side, deleted, time, valid from, packed row ---- */

enum { HEAD = 1 + 1 + 8 + 8 };

static sq_rc save(struct temporal_join *j, struct sq_snapshot_out *out, const struct sq_entry *e, char side, const struct version *v)
{
    struct sq_buf *b = &j->pack;

    sq_buf_reset(b);
    SQ_TRY(sq_buf_putc(b, side));
    SQ_TRY(sq_buf_putc(b, (char)v->gone));
    SQ_TRY(sq_buf_u64(b, (uint64_t)v->t));
    SQ_TRY(sq_buf_u64(b, (uint64_t)v->from));
    SQ_TRY(sq_buf_add(b, v->bytes, v->len));
    return out->put(out->arg, sq_key_group(e->hash), b->p, b->n);
}

static sq_rc temporal_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct temporal_join *j = SQ_OP(op, struct temporal_join);
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    for (size_t i = 0; i < j->rows.n; i++) {
        struct waiting *w = j->rows.v[i].of;
        SQ_TRY(save(j, out, w->e, 0, &(struct version){.t = w->t, .from = w->t, .bytes = w->bytes, .len = w->len}));
    }
    while ((e = sq_hashtab_next(&j->tab, &it))) {
        const struct history *h = SQ_PAYLOAD(e);
        for (uint32_t i = 0; i < h->n; i++)
            SQ_TRY(save(j, out, e, 1, &h->v[i]));
    }
    return SQ_OK;
}

static sq_rc damaged(struct sq_op *op) { return op->ctx->err.rc != SQ_OK ? op->ctx->err.rc : sq_fail(op->ctx, SQ_DATA, "the saved state of a join is damaged"); }

static sq_rc load(struct temporal_join *j, struct sq_out *rows, const char *p, size_t n)
{
    int64_t t, from;
    struct sq_entry *e;

    if (n < HEAD || p[0] < 0 || p[0] > 1 || p[1] < 0 || p[1] > 1)
        return damaged(&j->base);
    uint32_t side = (uint32_t)p[0];
    rows = &rows[side];
    memcpy(&t, p + 2, 8);
    memcpy(&from, p + 10, 8);
    if (rows->ncols && sq_row_unpack(p + HEAD, p + n, rows->cols, rows->ncols) != p + n)
        return damaged(&j->base);
    SQ_TRY(sq_out_row(rows, SQ_INSERT));
    const struct sq_batch *b = sq_out_batch(rows);
    struct sq_keys *k = &j->keys[side];
    SQ_TRY(sq_keys_load(k, b));
    SQ_TRY(sq_hashtab_upsert(&j->tab, 1, k->hash, k->key, k->null, &e));
    SQ_TRY(side == 0 ? add_waiting(j, e, b, 0, t) : add_version(j, e, b, 0, t, from, p[1]));
    sq_out_reset(rows);
    return SQ_OK;
}

static sq_rc temporal_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct temporal_join *j = SQ_OP(op, struct temporal_join);
    struct sq_out rows[2] = {{0}};
    sq_rc rc;

    SQ_TRY_OUT(sq_op_out(op->ctx, op->plan->inputs[0]->cols, op->plan->inputs[0]->ncols, &rows[0]));
    SQ_TRY_OUT(sq_op_out(op->ctx, op->plan->inputs[1]->cols, op->plan->inputs[1]->ncols, &rows[1]));
    for (;;) {
        uint32_t group;
        const char *p;
        size_t n;
        SQ_TRY_OUT(in->next(in->arg, &group, &p, &n));
        if (!p)
            break;
        SQ_TRY_OUT(load(j, rows, p, n));
    }
out:
    for (uint32_t n = 0; n < 2; n++)
        if (rows[n].ctx)
            sq_out_free(&rows[n]);
    return rc;
}

static size_t temporal_bytes(const struct sq_op *op)
{
    const struct temporal_join *j = (const struct temporal_join *)op;
    return sq_hashtab_bytes(&j->tab) + j->slab.bytes + (j->rows.cap + j->due.cap) * sizeof *j->rows.v;
}

static void temporal_close(struct sq_op *op)
{
    struct temporal_join *j = SQ_OP(op, struct temporal_join);

    sq_pairs_close(&j->pairs);
    sq_keys_free(&j->keys[0]);
    sq_keys_free(&j->keys[1]);
    sq_hashtab_free(&j->tab);
    sq_slab_free(&j->slab);
    sq_buf_free(&j->pack);
    sq_window_heap_free(&j->rows);
    sq_window_heap_free(&j->due);
    sq_program_free(j->residual);
    if (j->ripe.ctx)
        sq_out_free(&j->ripe);
    if (j->out.ctx)
        sq_out_free(&j->out);
}

const struct sq_op_class sq_op_temporal_join = {
    .name = "TemporalJoin", .size = sizeof(struct temporal_join), .open = temporal_open, .batch = temporal_batch, .watermark = temporal_watermark,
    .snapshot = temporal_snapshot, .restore = temporal_restore, .state_bytes = temporal_bytes, .close = temporal_close,
};
