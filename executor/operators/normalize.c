/* SPDX-License-Identifier: Apache-2.0
 *
 * normalize.c: from upserts by key (+I, +U, -D; a deleted row is known by its key alone) to changes with what a row was before (+I, -U, +U, -D).
 *
 * A hash table keeps the last row of each key: its other columns, packed. A row of a new key is +I; one of a known key is -U with what is kept
 * and +U, or nothing when it is the same; a deletion is -D with what is kept, or nothing when the key is not known.
 *
 *   each   row by row, as Flink's ChangelogNormalize
 *   net    the same, but between what was kept before and after a batch, once for each key that it touched
 *
 * Cost per row: one probe, packing and, where it changes, unpacking. State: one packed row per live key; deleted keys leave nothing. With a time to live (state/ttl.h) an equal
 * row is put out as well, so that what is kept behind this operator lives as long; FLINK: the same.
 *
 * Invariants: an entry in the table between batches has a row; a -U and its +U are in one batch, one behind the other.
 */
#include "executor/keys.h"
#include "executor/op.h"
#include "executor/state/ttl.h"

struct kept {                              /* the payload of an entry */
    char *row;                             /* packed; NULL where len is 0 */
    uint32_t len;
    bool present;
};

struct touched { struct sq_entry *entry; struct kept before; uint32_t pos; };

struct normalize {
    struct sq_op base;
    struct sq_keys keys;
    struct sq_hashtab tab;
    uint32_t nkey, nval;
    const uint32_t *key;                   /* columns of the input */
    uint32_t *val;                         /* the others */
    struct sq_buf pack;
    struct sq_out out;                     /* columns: val, then key */
    struct sq_vec *vecs;                   /* in the input's order */
    uint32_t *place;                       /* where out has column i of the input */
    struct sq_entry *entry[SQ_BATCH_ROWS];
    struct touched touched[SQ_BATCH_ROWS];
    uint32_t ntouched;
    int64_t wm[SQ_BATCH_ROWS];             /* of the rows of out: that of the row which they come from */
    bool has_wm;
    struct sq_ttl ttl;
    struct sq_sweep sweep;
};

/* ---- opening ---- */

static sq_rc split_columns(struct normalize *s, const struct sq_type **types)
{
    const struct sq_plan *in = s->base.plan->inputs[0];

    for (uint32_t i = 0; i < in->ncols; i++) {
        uint32_t k = 0;
        while (k < s->nkey && s->key[k] != i)
            k++;
        if (k == s->nkey) {
            s->place[i] = s->nval;
            s->val[s->nval++] = i;
        }
    }
    for (uint32_t v = 0; v < s->nval; v++)
        types[v] = in->cols[s->val[v]].type;
    for (uint32_t k = 0; k < s->nkey; k++) {
        s->place[s->key[k]] = s->nval + k;
        types[s->nval + k] = in->cols[s->key[k]].type;
    }
    SQ_TRY(sq_keys_init(&s->keys, s->base.ctx, types + s->nval, s->key, s->nkey));
    return sq_out_init(&s->out, s->base.ctx, types, in->ncols);
}

static sq_rc normalize_open(struct sq_op *op)
{
    struct normalize *s = SQ_OP(op, struct normalize);
    uint32_t n = op->plan->inputs[0]->ncols;
    const struct sq_type **types = sq_calloc(op->ctx, (n + 1) * sizeof *types);
    sq_rc rc = SQ_NOMEM;

    s->key = op->plan->u.normalize.key.cols;
    s->nkey = op->plan->u.normalize.key.n;
    sq_buf_init(&s->pack, op->ctx);
    s->val = sq_calloc(op->ctx, (n + 1) * sizeof *s->val);
    s->place = sq_calloc(op->ctx, (n + 1) * sizeof *s->place);
    s->vecs = sq_calloc(op->ctx, (n + 1) * sizeof *s->vecs);
    if (types && s->val && s->place && s->vecs)
        rc = split_columns(s, types);
    sq_free(op->ctx, types);
    SQ_TRY(rc);
    s->ttl.us = sq_ttl_us(sq_state_ttl_ms(op->plan, op->config, 0));
    return sq_hashtab_init(&s->tab, op->ctx, sq_ttl_payload(&s->ttl, sizeof(struct kept)));
}

static void normalize_close(struct sq_op *op)
{
    struct normalize *s = SQ_OP(op, struct normalize);

    sq_hashtab_free(&s->tab);
    sq_keys_free(&s->keys);
    if (s->out.ctx)
        sq_out_free(&s->out);
    if (s->pack.ctx)
        sq_buf_free(&s->pack);
    sq_free(op->ctx, s->val);
    sq_free(op->ctx, s->place);
    sq_free(op->ctx, s->vecs);
}

/* ---- what is kept ---- */

static struct kept *kept_of(struct sq_entry *e) { return SQ_PAYLOAD(e); }
static int64_t *stamp_of(struct sq_entry *e) { return sq_ttl_stamp(kept_of(e), sizeof(struct kept)); }

static void drop(struct normalize *s, const struct kept *k)
{
    if (k->row)
        sq_slab_put(&s->tab.slab, k->row, k->len);
}

/* The row that s->pack holds, in memory of its own. */
static sq_rc keep(struct normalize *s, struct kept *k)
{
    *k = (struct kept){.len = (uint32_t)s->pack.n, .present = true};
    if (!k->len)
        return SQ_OK;
    k->row = sq_slab_get(&s->tab.slab, k->len);
    if (!k->row) {
        k->present = false;
        return SQ_NOMEM;
    }
    memcpy(k->row, s->pack.p, k->len);
    return SQ_OK;
}

static sq_rc pack_values(struct normalize *s, const struct sq_batch *in, uint32_t r)
{
    sq_buf_reset(&s->pack);
    return sq_row_pack(&s->pack, in->cols, s->val, s->nval, r);
}

static bool same(const struct kept *a, const char *row, size_t len) { return a->len == len && (len == 0 || memcmp(a->row, row, len) == 0); }

/* Rows whose time is over are gone; the batch writes all it comes upon. */
static void expire(struct normalize *s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct kept *k = kept_of(s->entry[i]);
        if (k->present && sq_ttl_over(&s->ttl, *stamp_of(s->entry[i]))) {
            drop(s, k);
            *k = (struct kept){0};
        }
        *stamp_of(s->entry[i]) = s->ttl.now;
    }
}

static void sweep_entry(void *arg, struct sq_entry *e)
{
    struct normalize *s = arg;

    if (!sq_ttl_over(&s->ttl, *stamp_of(e)))
        return;
    drop(s, kept_of(e));
    sq_hashtab_remove(&s->tab, e);
}

static sq_rc normalize_timer(struct sq_op *op, int64_t now)
{
    struct normalize *s = SQ_OP(op, struct normalize);
    uint32_t left = SQ_SWEEP_ENTRIES;

    s->ttl.now = now;
    sq_sweep_next(&s->sweep, &s->ttl, op, sq_sweep_table(&s->sweep, &s->tab, &left, sweep_entry, s), s->tab.count);
    return SQ_OK;
}

/* ---- changes ---- */

static const struct sq_batch *in_order(struct normalize *s, struct sq_batch *view)
{
    *view = *sq_out_batch(&s->out);
    for (uint32_t i = 0; i < view->ncols; i++)
        s->vecs[i] = s->out.vecs[s->place[i]];
    view->cols = s->vecs;
    view->wm = s->has_wm ? s->wm : NULL;
    return view;
}

static sq_rc hand_on(struct normalize *s)
{
    struct sq_batch view;
    sq_rc rc = SQ_OK;

    if (s->out.n)
        rc = sq_emit_batch(&s->base, in_order(s, &view));
    sq_out_reset(&s->out);
    return rc;
}

static sq_rc add_row(struct normalize *s, const struct sq_batch *in, uint32_t r, const struct kept *old, enum sq_kind kind)
{
    if (old && s->nval && !sq_row_unpack(old->row, old->row + old->len, s->out.cols, s->nval))
        return s->base.ctx->err.rc != SQ_OK ? s->base.ctx->err.rc : sq_fail(s->base.ctx, SQ_INTERNAL, "a row in the state of a ChangelogNormalize is damaged");
    for (uint32_t v = 0; v < s->nval && !old; v++)
        SQ_TRY(sq_col_append(&s->out.cols[v], &in->cols[s->val[v]], r));
    for (uint32_t k = 0; k < s->nkey; k++)
        SQ_TRY(sq_col_append(&s->out.cols[s->nval + k], &in->cols[s->key[k]], r));
    s->has_wm = in->wm != NULL;                  /* all rows of out come from one batch */
    if (s->has_wm)
        s->wm[s->out.n] = in->wm[r];
    return sq_out_row(&s->out, kind);
}

/* From what was kept to row r of the batch (its key has no row any more where `gone`). */
static sq_rc add_change(struct normalize *s, const struct sq_batch *in, uint32_t r, const struct kept *before, bool gone)
{
    if (s->out.n + 2 > SQ_BATCH_ROWS)
        SQ_TRY(hand_on(s));
    if (before->present)
        SQ_TRY(add_row(s, in, r, before, gone ? SQ_DELETE : SQ_UPDATE_BEFORE));
    return gone ? SQ_OK : add_row(s, in, r, NULL, before->present ? SQ_UPDATE_AFTER : SQ_INSERT);
}

static sq_rc each_row(struct normalize *s, const struct sq_batch *in, uint32_t i)
{
    struct kept *k = kept_of(s->entry[i]), before = *k;
    uint32_t r = sq_row(in, i);
    bool gone = !sq_kind_adds(sq_row_kind(in, r));

    if (gone && !before.present)
        return SQ_OK;
    if (!gone) {
        SQ_TRY(pack_values(s, in, r));
        if (before.present && !s->ttl.us && same(&before, s->pack.p, s->pack.n))
            return SQ_OK;
    }
    SQ_TRY(add_change(s, in, r, &before, gone));
    *k = (struct kept){0};
    drop(s, &before);
    return gone ? SQ_OK : keep(s, k);
}

static sq_rc net_row(struct normalize *s, const struct sq_batch *in, uint32_t i)
{
    struct sq_entry *e = s->entry[i];
    struct kept *k = kept_of(e);
    uint32_t r = sq_row(in, i);
    struct touched *t;

    if (!e->mark) {
        s->touched[s->ntouched] = (struct touched){e, *k, r};
        e->mark = ++s->ntouched;
    } else if (k->row != s->touched[e->mark - 1].before.row) {
        drop(s, k);                                            /* of this batch: nobody will see it */
    }
    t = &s->touched[e->mark - 1];
    t->pos = r;
    *k = (struct kept){0};
    if (!sq_kind_adds(sq_row_kind(in, r)))
        return SQ_OK;
    SQ_TRY(pack_values(s, in, r));
    return keep(s, k);
}

static sq_rc net_changes(struct normalize *s, const struct sq_batch *in)
{
    for (uint32_t i = 0; i < s->ntouched; i++) {
        struct touched *t = &s->touched[i];
        struct kept *k = kept_of(t->entry);
        t->entry->mark = 0;
        bool both = k->present && t->before.present;
        if ((k->present || t->before.present) && !(both && !s->ttl.us && same(k, t->before.row, t->before.len)))
            SQ_TRY(add_change(s, in, t->pos, &t->before, !k->present));
        drop(s, &t->before);
    }
    s->ntouched = 0;
    return SQ_OK;
}

/* Keys that are gone, or were never there, leave the table. */
static void clean(struct normalize *s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if ((s->entry[i]->flags & SQ_ENTRY_LIVE) && !kept_of(s->entry[i])->present)
            sq_hashtab_remove(&s->tab, s->entry[i]);
}

static sq_rc normalize_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct normalize *s = SQ_OP(op, struct normalize);

    sq_op_accept(op, input, in->nsel);
    sq_ttl_look(&s->ttl, op);
    SQ_TRY(sq_keys_load(&s->keys, in));
    SQ_TRY(sq_hashtab_upsert(&s->tab, in->nsel, s->keys.hash, s->keys.key, s->keys.null, s->entry));
    if (s->ttl.us)
        expire(s, in->nsel);
    for (uint32_t i = 0; i < in->nsel; i++)
        SQ_TRY(op->plan->net ? net_row(s, in, i) : each_row(s, in, i));
    if (op->plan->net)
        SQ_TRY(net_changes(s, in));
    clean(s, in->nsel);
    sq_ttl_wake(&s->ttl, op);
    return hand_on(s);
}

/* ---- snapshots: the packed key, the packed values [the stamp] ---- */

static sq_rc save_entry(struct normalize *s, struct sq_entry *e, struct sq_snapshot_out *out)
{
    const struct kept *k = kept_of(e);

    sq_out_reset(&s->out);
    SQ_TRY(sq_keys_append(&s->keys, &e, 1, s->out.cols + s->nval));
    for (uint32_t i = 0; i < s->nkey; i++) {
        sq_col_seal(&s->out.cols[s->nval + i]);
        s->vecs[i] = s->out.cols[s->nval + i].vec;
    }
    sq_buf_reset(&s->pack);
    SQ_TRY(sq_row_pack(&s->pack, s->vecs, NULL, s->nkey, 0));
    SQ_TRY(sq_buf_add(&s->pack, k->row, k->len));
    if (s->ttl.us)
        SQ_TRY(sq_buf_u64(&s->pack, (uint64_t)*stamp_of(e)));
    return out->put(out->arg, sq_key_group(e->hash), s->pack.p, s->pack.n);
}

static sq_rc normalize_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct normalize *s = SQ_OP(op, struct normalize);
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;
    sq_rc rc = SQ_OK;

    sq_ttl_look(&s->ttl, op);
    while (rc == SQ_OK && (e = sq_hashtab_next(&s->tab, &it)))
        if (!s->ttl.us || !sq_ttl_over(&s->ttl, *stamp_of(e)))
            rc = save_entry(s, e, out);
    for (uint32_t i = 0; i < s->out.ncols; i++)
        sq_col_reset(&s->out.cols[i]);
    sq_out_reset(&s->out);
    return rc;
}

static sq_rc load_rows(struct normalize *s, const int64_t *stamp)
{
    struct sq_batch view;
    const struct sq_batch *in = in_order(s, &view);

    SQ_TRY(sq_keys_load(&s->keys, in));
    SQ_TRY(sq_hashtab_upsert(&s->tab, in->nsel, s->keys.hash, s->keys.key, s->keys.null, s->entry));
    for (uint32_t i = 0; i < in->nsel; i++) {
        struct kept *k = kept_of(s->entry[i]);
        drop(s, k);
        *k = (struct kept){0};
        SQ_TRY(pack_values(s, in, i));
        SQ_TRY(keep(s, k));
        if (s->ttl.us)
            *stamp_of(s->entry[i]) = stamp[i];
    }
    sq_out_reset(&s->out);
    sq_ttl_wake(&s->ttl, &s->base);
    return SQ_OK;
}

static sq_rc normalize_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct normalize *s = SQ_OP(op, struct normalize);
    int64_t stamp[SQ_BATCH_ROWS];
    uint32_t group;
    const char *p, *end;
    size_t n;

    sq_ttl_look(&s->ttl, op);
    for (;;) {
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p)
            return s->out.n ? load_rows(s, stamp) : SQ_OK;
        end = p + n;
        p = sq_row_unpack(p, end, s->out.cols + s->nval, s->nkey);
        if (p && s->nval)
            p = sq_row_unpack(p, end, s->out.cols, s->nval);
        stamp[s->out.n] = s->ttl.now;                          /* saved without a time to live: from now on */
        if (p && end - p == SQ_STAMP) {
            memcpy(&stamp[s->out.n], p, SQ_STAMP);
            p = end;
        }
        if (p != end)
            return op->ctx->err.rc == SQ_NOMEM ? SQ_NOMEM : sq_fail(op->ctx, SQ_DATA, "the saved state of a ChangelogNormalize is damaged");
        SQ_TRY(sq_out_row(&s->out, SQ_INSERT));
        if (s->out.n == SQ_BATCH_ROWS)
            SQ_TRY(load_rows(s, stamp));
    }
}

static size_t normalize_bytes(const struct sq_op *op) { return sq_hashtab_bytes(&((const struct normalize *)op)->tab); }

const struct sq_op_class sq_op_normalize = {
    .name = "ChangelogNormalize", .size = sizeof(struct normalize), .open = normalize_open, .batch = normalize_batch, .timer = normalize_timer, .snapshot = normalize_snapshot,
    .restore = normalize_restore, .state_bytes = normalize_bytes, .close = normalize_close,
};
