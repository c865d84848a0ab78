/* SPDX-License-Identifier: Apache-2.0
 *
 * rank.c: ROW_NUMBER() … <= n: of each partition the rows at places `from` to `to` in an order, on streams that may take rows back.
 *
 * Each partition is an array of its rows, packed, sorted by order-preserving bytes (sortkey.h) and then by arrival; a row finds its place by binary search. Of an input that only
 * grows no row behind `to` is kept. What a row that comes or goes changes is put out at once: with the number, every place behind it has another row; without, one row comes into the
 * places and one goes out of them, at most. What comes out is judged by the watermark of the row that made it come out. Batch mode puts out the places at the end.
 *
 * State: `to` rows for each partition, or all rows where they may be taken back; with a time to live (state/ttl.h), of a partition that no row has gone into or out of for so long
 * nothing is left. FLINK: the same changelog, but for places that get a row equal to the one they had; drops the rows of each sort key by themselves.
 */
#include "executor/hashtab.h"
#include "executor/keys.h"
#include "executor/op.h"
#include "executor/sortkey.h"
#include "executor/state/ttl.h"

struct rrow { uint32_t nkey, nrow; char bytes[]; };           /* sort key, packed row */
struct partition { struct rrow **v; uint32_t n, cap; };      /* payload */

struct rank {
    struct sq_op base;
    struct sq_keys keys;
    struct sq_hashtab partitions;
    struct sq_slab slab;
    struct sq_entry *entry[SQ_BATCH_ROWS];
    struct sq_buf key, row;
    struct sq_out out;
    int64_t from, to;                      /* places, from 0; the last included */
    bool number, retracts;
    bool judged;                           /* the batch has watermarks; of the current row: */
    int64_t judge, wm[SQ_BATCH_ROWS];      /* wm: of the rows of `out` */
    size_t bytes;
    struct sq_ttl ttl;
    struct sq_sweep sweep;
};

static struct partition *partition_of(struct sq_entry *e) { return SQ_PAYLOAD(e); }
static int64_t *stamp_of(struct partition *p) { return sq_ttl_stamp(p, sizeof *p); }
static struct sq_str key_of(const struct rrow *w) { return (struct sq_str){w->bytes, w->nkey}; }
static size_t size_of(const struct rrow *w) { return sizeof *w + w->nkey + w->nrow; }

static sq_rc rank_open(struct sq_op *op)
{
    struct rank *x = SQ_OP(op, struct rank);
    const struct sq_plan *p = op->plan, *in = p->inputs[0];
    const struct sq_type **types = sq_alloc(op->ctx, (p->u.rank.npartition + 1) * sizeof *types);
    sq_rc rc;

    if (!types)
        return SQ_NOMEM;
    sq_slab_init(&x->slab, op->ctx);
    sq_buf_init(&x->key, op->ctx);
    sq_buf_init(&x->row, op->ctx);
    x->from = p->u.rank.from - 1;
    x->to = p->u.rank.to - 1;
    x->number = p->u.rank.number;
    x->retracts = in->mode != SQ_MODE_INSERT;
    for (uint32_t i = 0; i < p->u.rank.npartition; i++)
        types[i] = in->cols[p->u.rank.partition[i]].type;
    rc = sq_keys_init(&x->keys, op->ctx, types, p->u.rank.partition, p->u.rank.npartition);
    sq_free(op->ctx, types);
    SQ_TRY(rc);
    x->ttl.us = sq_ttl_us(sq_state_ttl_ms(p, op->config, 0));
    SQ_TRY(sq_hashtab_init(&x->partitions, op->ctx, sq_ttl_payload(&x->ttl, sizeof(struct partition))));
    return sq_op_out(op->ctx, p->cols, p->ncols, &x->out);
}

/* ---- what comes out ---- */

static sq_rc flush(struct rank *x)
{
    if (x->out.n) {
        struct sq_batch b = *sq_out_batch(&x->out);
        b.wm = x->judged ? x->wm : NULL;
        SQ_TRY(sq_emit_batch(&x->base, &b));
    }
    sq_out_reset(&x->out);
    return SQ_OK;
}

static sq_rc put(struct rank *x, const struct rrow *w, int64_t place, enum sq_kind kind)
{
    uint32_t n = x->base.plan->inputs[0]->ncols;
    const char *p = w->bytes + w->nkey;
    int64_t number = place + 1;

    if (n && sq_row_unpack(p, p + w->nrow, x->out.cols, n) != p + w->nrow)
        return x->base.ctx->err.rc == SQ_NOMEM ? SQ_NOMEM : sq_fail(x->base.ctx, SQ_INTERNAL, "a row in the state of a rank is damaged");
    if (x->number)
        SQ_TRY(sq_col_append_fixed(&x->out.cols[n], &number));
    x->wm[x->out.n] = x->judge;
    SQ_TRY(sq_out_row(&x->out, kind));
    return x->out.n >= SQ_BATCH_ROWS - 1 && kind != SQ_UPDATE_BEFORE ? flush(x) : SQ_OK;     /* both halves of an update in one batch */
}

static bool same(const struct rrow *a, const struct rrow *b)
{
    return a->nrow == b->nrow && memcmp(a->bytes + a->nkey, b->bytes + b->nkey, a->nrow) == 0;
}

/* The row at a place before and after; NULL: there is none. */
static sq_rc change(struct rank *x, const struct rrow *old, const struct rrow *new, int64_t place)
{
    if (old && new && same(old, new))
        return SQ_OK;
    if (old)
        SQ_TRY(put(x, old, place, new ? SQ_UPDATE_BEFORE : SQ_DELETE));
    return new ? put(x, new, place, old ? SQ_UPDATE_AFTER : SQ_INSERT) : SQ_OK;
}

/* A row has come to (`come`), or gone from, index at of the partition, which has it (no more). `other`: the row itself. */
static sq_rc show(struct rank *x, const struct partition *p, int64_t at, const struct rrow *other, bool come)
{
    int64_t n = p->n;

    if (at > x->to)
        return SQ_OK;
    if (x->number) {
        for (int64_t i = at > x->from ? at : x->from; i <= x->to && i < n + !come; i++) {
            const struct rrow *now = i < n ? p->v[i] : NULL;
            const struct rrow *was = come ? (i + 1 < n ? p->v[i + 1] : NULL) : i == at ? other : p->v[i - 1];
            SQ_TRY(change(x, was, now, i));
        }
        return SQ_OK;
    }
    int64_t first = at > x->from ? at : x->from;                  /* the place where a row comes in, or goes out */
    const struct rrow *edge = come ? (x->to + 1 < n ? p->v[x->to + 1] : NULL) : x->to < n ? p->v[x->to] : NULL;
    const struct rrow *mine = come ? (first < n ? p->v[first] : NULL) : first == at ? other : first - 1 < n ? p->v[first - 1] : NULL;
    if (come && edge && mine)
        SQ_TRY(put(x, edge, 0, SQ_DELETE));
    if (mine)
        SQ_TRY(put(x, mine, 0, come ? SQ_INSERT : SQ_DELETE));
    return !come && edge && mine ? put(x, edge, 0, SQ_INSERT) : SQ_OK;
}

/* ---- rows ---- */

/* Behind all that are not greater (`behind`), or at the first that is not less. */
static uint32_t place_of(const struct partition *p, struct sq_str key, bool behind)
{
    uint32_t lo = 0, hi = p->n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int d = sq_sortkey_compare(key_of(p->v[mid]), key);
        if (d < 0 || (behind && d == 0))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static sq_rc insert(struct rank *x, struct partition *p, uint32_t at)
{
    struct rrow *w;

    if (p->n == p->cap) {
        uint32_t cap = p->cap ? 2 * p->cap : 4;
        struct rrow **v = sq_realloc(x->base.ctx, p->v, cap * sizeof *v);
        if (!v)
            return SQ_NOMEM;
        x->bytes += (cap - p->cap) * sizeof *v;
        p->v = v;
        p->cap = cap;
    }
    if (!(w = sq_slab_get(&x->slab, sizeof *w + x->key.n + x->row.n)))
        return SQ_NOMEM;
    w->nkey = (uint32_t)x->key.n;
    w->nrow = (uint32_t)x->row.n;
    memcpy(w->bytes, x->key.p, x->key.n);
    if (x->row.n)
        memcpy(w->bytes + x->key.n, x->row.p, x->row.n);
    memmove(p->v + at + 1, p->v + at, (p->n - at) * sizeof *p->v);
    p->v[at] = w;
    p->n++;
    if (x->ttl.us)
        *stamp_of(p) = x->ttl.now;
    return SQ_OK;
}

static void drop(struct rank *x, struct rrow *w) { sq_slab_put(&x->slab, w, size_of(w)); }

static sq_rc come(struct rank *x, struct partition *p)
{
    uint32_t at = place_of(p, sq_buf_view(&x->key), !x->base.plan->u.rank.last_of_equals);

    if (!x->retracts && at > x->to)
        return SQ_OK;
    SQ_TRY(insert(x, p, at));
    if (!x->base.plan->final)
        SQ_TRY(show(x, p, at, p->v[at], true));
    if (!x->retracts && p->n > x->to + 1)
        drop(x, p->v[--p->n]);
    return SQ_OK;
}

static sq_rc go(struct rank *x, struct partition *p, bool *found)
{
    uint32_t at = place_of(p, sq_buf_view(&x->key), false);

    *found = false;
    for (; at < p->n && sq_sortkey_compare(key_of(p->v[at]), sq_buf_view(&x->key)) == 0; at++) {
        struct rrow *w = p->v[at];
        if (w->nrow != x->row.n || memcmp(w->bytes + w->nkey, x->row.p, x->row.n) != 0)
            continue;
        *found = true;
        memmove(p->v + at, p->v + at + 1, (p->n - at - 1) * sizeof *p->v);
        p->n--;
        if (x->ttl.us)
            *stamp_of(p) = x->ttl.now;
        sq_rc rc = show(x, p, at, w, false);
        drop(x, w);
        return rc;
    }
    return SQ_OK;
}

static void forget(struct rank *x, struct sq_entry *e)
{
    x->bytes -= partition_of(e)->cap * sizeof(struct rrow *);
    sq_free(x->base.ctx, partition_of(e)->v);
    sq_hashtab_remove(&x->partitions, e);
}

static void expire(struct rank *x, struct partition *p)
{
    if (sq_ttl_over(&x->ttl, *stamp_of(p)))
        while (p->n)
            drop(x, p->v[--p->n]);
}

static void sweep_partition(void *arg, struct sq_entry *e)
{
    expire(arg, partition_of(e));
    if (!partition_of(e)->n)
        forget(arg, e);
}

static sq_rc rank_timer(struct sq_op *op, int64_t now)
{
    struct rank *x = SQ_OP(op, struct rank);
    uint32_t left = SQ_SWEEP_ENTRIES;

    x->ttl.now = now;
    sq_sweep_next(&x->sweep, &x->ttl, op, sq_sweep_table(&x->sweep, &x->partitions, &left, sweep_partition, x), x->partitions.count);
    return SQ_OK;
}

static sq_rc rank_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct rank *x = SQ_OP(op, struct rank);
    const struct sq_plan *p = op->plan;
    uint32_t taken = 0;

    sq_ttl_look(&x->ttl, op);
    SQ_TRY(sq_keys_load(&x->keys, in));
    SQ_TRY(sq_hashtab_upsert(&x->partitions, in->nsel, x->keys.hash, x->keys.key, x->keys.null, x->entry));
    for (uint32_t i = 0; x->ttl.us && i < in->nsel; i++)
        expire(x, partition_of(x->entry[i]));
    sq_ttl_wake(&x->ttl, op);
    x->judged = in->wm != NULL;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        bool found = true;
        x->judge = in->wm ? in->wm[r] : SQ_TS_MIN;
        sq_buf_reset(&x->key);
        sq_buf_reset(&x->row);
        SQ_TRY(sq_sortkey(&x->key, in->cols, p->u.rank.keys, p->u.rank.nkeys, r));
        SQ_TRY(sq_row_pack(&x->row, in->cols, NULL, in->ncols, r));
        if (sq_kind_adds(sq_row_kind(in, r)))
            SQ_TRY(come(x, partition_of(x->entry[i])));
        else
            SQ_TRY(go(x, partition_of(x->entry[i]), &found));
        taken += found;
    }
    for (uint32_t i = 0; x->retracts && i < in->nsel; i++)
        if (x->entry[i]->flags & SQ_ENTRY_LIVE && partition_of(x->entry[i])->n == 0)
            forget(x, x->entry[i]);
    sq_op_accept(op, input, taken);
    op->ins[input].filtered += in->nsel - taken;         /* takes back a row that never came */
    return flush(x);
}

static sq_rc rank_end(struct sq_op *op, uint32_t input)
{
    struct rank *x = SQ_OP(op, struct rank);
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    (void)input;
    if (!op->plan->final)
        return SQ_OK;
    while ((e = sq_hashtab_next(&x->partitions, &it)))
        for (int64_t i = x->from; i <= x->to && i < partition_of(e)->n; i++)
            SQ_TRY(put(x, partition_of(e)->v[i], i, SQ_INSERT));
    return flush(x);
}

/* ---- saved: partition (hash null (+ 2: a stamp behind the key) key), sort key, row; in order ---- */

static sq_rc rank_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct rank *x = SQ_OP(op, struct rank);
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    sq_ttl_look(&x->ttl, op);
    while ((e = sq_hashtab_next(&x->partitions, &it)))
        for (uint32_t i = 0; i < partition_of(e)->n && !(x->ttl.us && sq_ttl_over(&x->ttl, *stamp_of(partition_of(e)))); i++) {
            const struct rrow *w = partition_of(e)->v[i];
            struct sq_str key = sq_view_str(&e->key);
            struct sq_buf *b = out->begin(out->arg, sq_key_group(e->hash));
            if (!b)
                return op->ctx->err.rc;
            SQ_TRY(sq_buf_u64(b, e->hash));
            SQ_TRY(sq_buf_putc(b, (char)((e->flags & SQ_ENTRY_NULL ? 1 : 0) + (x->ttl.us ? 2 : 0))));
            SQ_TRY(sq_buf_u32(b, key.n));
            SQ_TRY(sq_buf_add(b, key.p, key.n));
            if (x->ttl.us)
                SQ_TRY(sq_buf_u64(b, (uint64_t)*stamp_of(partition_of(e))));
            SQ_TRY(sq_buf_u32(b, w->nkey));
            SQ_TRY(sq_buf_add(b, w->bytes, (size_t)w->nkey + w->nrow));
            SQ_TRY(out->done(out->arg));
        }
    return SQ_OK;
}

static sq_rc load_row(struct rank *x, const char *p, size_t n)
{
    const char *end = p + n;
    struct sq_entry *e;
    struct sq_view key;
    uint64_t hash;
    int64_t stamp = x->ttl.now;                      /* saved without a time to live: from now on */
    uint32_t len, nkey, more;
    uint8_t null;

    if (n < 13)
        return sq_fail(x->base.ctx, SQ_DATA, "the saved state of a rank is damaged");
    memcpy(&hash, p, 8);
    null = p[8] & 1;
    more = p[8] & 2 ? SQ_STAMP : 0;
    memcpy(&len, p + 9, 4);
    p += 13;
    if ((size_t)(end - p) < (size_t)len + more + 4)
        return sq_fail(x->base.ctx, SQ_DATA, "the saved state of a rank is damaged");
    key = sq_view_of(p, len);
    p += len;
    memcpy(&stamp, p, more);
    p += more;
    memcpy(&nkey, p, 4);
    p += 4;
    if ((size_t)(end - p) < nkey)
        return sq_fail(x->base.ctx, SQ_DATA, "the saved state of a rank is damaged");
    sq_buf_reset(&x->key);
    sq_buf_reset(&x->row);
    SQ_TRY(sq_buf_add(&x->key, p, nkey));
    SQ_TRY(sq_buf_add(&x->row, p + nkey, (size_t)(end - p) - nkey));
    SQ_TRY(sq_hashtab_upsert(&x->partitions, 1, &hash, &key, &null, &e));
    SQ_TRY(insert(x, partition_of(e), place_of(partition_of(e), sq_buf_view(&x->key), true)));
    if (x->ttl.us)
        *stamp_of(partition_of(e)) = stamp;
    return SQ_OK;
}

static sq_rc rank_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct rank *x = SQ_OP(op, struct rank);

    sq_ttl_look(&x->ttl, op);
    for (;;) {
        uint32_t group;
        const char *p;
        size_t n;
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p) {
            sq_ttl_wake(&x->ttl, op);
            return SQ_OK;
        }
        SQ_TRY(load_row(x, p, n));
    }
}

static size_t rank_bytes(const struct sq_op *op)
{
    const struct rank *x = (const struct rank *)op;
    return sq_hashtab_bytes(&x->partitions) + x->slab.bytes + x->bytes;
}

static void rank_close(struct sq_op *op)
{
    struct rank *x = SQ_OP(op, struct rank);
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while (x->partitions.ctx && (e = sq_hashtab_next(&x->partitions, &it)))
        sq_free(op->ctx, partition_of(e)->v);
    sq_hashtab_free(&x->partitions);
    sq_slab_free(&x->slab);
    sq_keys_free(&x->keys);
    sq_buf_free(&x->key);
    sq_buf_free(&x->row);
    if (x->out.ctx)
        sq_out_free(&x->out);
}

const struct sq_op_class sq_op_rank = {
    .name = "Rank", .size = sizeof(struct rank), .open = rank_open, .batch = rank_batch, .timer = rank_timer, .end = rank_end,
    .snapshot = rank_snapshot, .restore = rank_restore, .state_bytes = rank_bytes, .close = rank_close,
};
