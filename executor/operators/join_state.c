/* SPDX-License-Identifier: Apache-2.0
 *
 * join_state.c: the rows that a join keeps: packed, in buckets by join key, in the order they came.
 *
 * A side that only grows keeps each row as bytes in a slab. A side that takes rows back keeps each distinct row once with a count, in a
 * second table keyed by the whole row, so that a retraction finds its row at once however many have its key.
 *
 * With a time to live (state/ttl.h) each row has a stamp, of when it, its count or the number of its partners was last written. Buckets are rid of rows whose time is over when
 * a batch of the other side comes upon them, and by sweeps.
 */
#include "executor/operators/join.h"

sq_rc sq_side_open(struct side *s, struct sq_ctx *ctx, const struct sq_plan *input, const uint32_t *keys, uint32_t nkeys)
{
    const struct sq_type **types;
    sq_rc rc;

    s->ctx = ctx;
    s->cols = input->cols;
    s->ncols = input->ncols;
    s->counted = input->mode != SQ_MODE_INSERT;
    sq_slab_init(&s->slab, ctx);
    sq_buf_init(&s->pack, ctx);
    types = sq_alloc(ctx, (input->ncols + nkeys + 1) * sizeof *types);
    if (!types)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < nkeys; i++)
        types[i] = input->cols[keys[i]].type;
    rc = sq_keys_init(&s->keys, ctx, types, keys, nkeys);
    for (uint32_t i = 0; i < input->ncols; i++)
        types[i] = input->cols[i].type;
    if (rc == SQ_OK && s->counted)
        rc = sq_keys_init(&s->row_keys, ctx, types, NULL, input->ncols);
    if (input->ncols > 0)
        s->row_keys.form = SQ_KEY_PACKED;
    sq_free(ctx, types);
    SQ_TRY(rc);
    SQ_TRY(sq_hashtab_init(&s->tab, ctx, sizeof(struct bucket)));
    return s->counted ? sq_hashtab_init(&s->rows, ctx, sq_ttl_payload(&s->ttl, sizeof(struct counted))) : SQ_OK;
}

sq_rc sq_side_clear(struct side *s)
{
    sq_hashtab_free(&s->tab);
    sq_hashtab_free(&s->rows);
    sq_slab_free(&s->slab);
    sq_slab_init(&s->slab, s->ctx);
    SQ_TRY(sq_hashtab_init(&s->tab, s->ctx, sizeof(struct bucket)));
    return s->counted ? sq_hashtab_init(&s->rows, s->ctx, sq_ttl_payload(&s->ttl, sizeof(struct counted))) : SQ_OK;
}

void sq_side_close(struct side *s)
{
    if (!s->ctx)
        return;
    sq_keys_free(&s->keys);
    sq_keys_free(&s->row_keys);
    sq_hashtab_free(&s->tab);
    sq_hashtab_free(&s->rows);
    sq_slab_free(&s->slab);
    sq_buf_free(&s->pack);
}

size_t sq_side_bytes(const struct side *s)
{
    return sq_hashtab_bytes(&s->tab) + sq_hashtab_bytes(&s->rows) + s->slab.bytes;
}

/* Entries for the rows that are not skipped, at their positions. */
static sq_rc upsert_some(struct sq_hashtab *t, const struct sq_keys *k, const bool *skip, struct sq_entry **out)
{
    for (uint32_t i = 0, n; i < k->n; i += n ? n : 1) {
        n = 0;
        while (i + n < k->n && !skip[i + n])
            n++;
        if (n)
            SQ_TRY(sq_hashtab_upsert(t, n, k->hash + i, k->key + i, k->null ? k->null + i : NULL, out + i));
    }
    return SQ_OK;
}

static void link_row(struct side *s, struct sq_entry *e, struct jrow *j)
{
    struct bucket *b = SQ_PAYLOAD(e);

    j->next = NULL;
    if (s->counted) {
        ((struct counted *)j)->prev = b->tail;
        ((struct counted *)j)->bucket = e;
    }
    if (b->tail)
        b->tail->next = j;
    else
        b->head = j;
    b->tail = j;
}

static void unlink_row(struct counted *c)
{
    struct bucket *b = SQ_PAYLOAD(c->bucket);

    if (c->prev)
        c->prev->next = c->j.next;
    else
        b->head = c->j.next;
    if (c->j.next)
        ((struct counted *)c->j.next)->prev = c->prev;
    else
        b->tail = c->prev;
}

/* ---- time to live ---- */

static size_t stamp_size(const struct side *s) { return s->ttl.us ? SQ_STAMP : 0; }

static int64_t stamp_of(const struct side *s, const struct jrow *j)
{
    int64_t stamp;

    if (s->counted)
        return *sq_ttl_stamp((void *)(uintptr_t)j, sizeof(struct counted));
    memcpy(&stamp, ((const struct plain *)j)->bytes, SQ_STAMP);
    return stamp;
}

static void set_stamp(const struct side *s, struct jrow *j, int64_t stamp)
{
    if (s->counted)
        *sq_ttl_stamp(j, sizeof(struct counted)) = stamp;
    else
        memcpy(((struct plain *)j)->bytes, &stamp, SQ_STAMP);
}

void sq_side_stamp(const struct side *s, struct jrow *j)
{
    if (s->ttl.us)
        set_stamp(s, j, s->ttl.now);
}

static void drop_plain(struct side *s, struct bucket *b, struct jrow *prev, struct jrow *j)
{
    *(prev ? &prev->next : &b->head) = j->next;
    if (b->tail == j)
        b->tail = prev;
    sq_slab_put(&s->slab, j, sizeof(struct plain) + stamp_size(s) + ((struct plain *)j)->len);
}

void sq_side_expire(struct side *s, struct sq_entry *e)
{
    struct bucket *b = SQ_PAYLOAD(e);

    for (struct jrow *j = b->head, *prev = NULL, *next; j; j = next) {
        next = j->next;
        if (sq_ttl_over(&s->ttl, stamp_of(s, j))) {
            if (!s->counted)
                drop_plain(s, b, prev, j);
            else {
                unlink_row((struct counted *)j);
                sq_hashtab_remove(&s->rows, SQ_ENTRY_OF(j));
            }
            continue;
        }
        if (!s->counted && !s->track)              /* in the order of their stamps */
            return;
        prev = j;
    }
}

static void sweep_bucket(void *arg, struct sq_entry *e)
{
    struct side *s = arg;

    sq_side_expire(s, e);
    if (!((struct bucket *)SQ_PAYLOAD(e))->head)
        sq_hashtab_remove(&s->tab, e);
}

sq_rc sq_join_sweep(struct sq_op *op, int64_t now)
{
    struct join *j = SQ_OP(op, struct join);
    uint32_t left = SQ_SWEEP_ENTRIES;
    const struct sq_ttl *ttl = NULL;
    size_t live = 0;
    bool whole = true;

    for (uint32_t n = 0; n < 2; n++) {
        struct side *s = &j->side[n];
        s->ttl.now = now;
        if (whole && j->sweep.table == n) {
            if (s->ttl.us)
                whole = sq_sweep_table(&j->sweep, &s->tab, &left, sweep_bucket, s);
            else
                j->sweep.table++;
        }
        if (s->ttl.us) {
            live += s->tab.count;
            ttl = !ttl || s->ttl.us < ttl->us ? &s->ttl : ttl;
        }
    }
    if (ttl)
        sq_sweep_next(&j->sweep, ttl, op, whole, live);
    return SQ_OK;
}

/* Rows that the batch comes upon and whose time is over have never come. */
static void expire_rows(struct side *s, uint32_t n, const bool *skip)
{
    for (uint32_t i = 0; i < n; i++) {
        struct counted *c = skip[i] ? NULL : SQ_PAYLOAD(s->row[i]);
        if (c && c->count > 0 && sq_ttl_over(&s->ttl, stamp_of(s, &c->j))) {
            unlink_row(c);
            c->count = 0;
        }
    }
}

/* ---- a batch ---- */

sq_rc sq_side_prepare(struct side *s, const struct sq_batch *in, const bool *skip)
{
    SQ_TRY(upsert_some(&s->tab, &s->keys, skip, s->bucket));
    if (!s->counted)
        return SQ_OK;
    SQ_TRY(sq_keys_load(&s->row_keys, in));
    SQ_TRY(upsert_some(&s->rows, &s->row_keys, skip, s->row));
    if (s->ttl.us)
        expire_rows(s, in->nsel, skip);
    return SQ_OK;
}

static sq_rc add_plain(struct side *s, const struct sq_batch *in, uint32_t pos, int64_t assoc)
{
    struct plain *p;

    sq_buf_reset(&s->pack);
    SQ_TRY(sq_row_pack(&s->pack, in->cols, NULL, s->ncols, sq_row(in, pos)));
    p = sq_slab_get(&s->slab, sizeof *p + stamp_size(s) + s->pack.n);
    if (!p)
        return SQ_NOMEM;
    p->j.assoc = assoc;
    p->len = (uint32_t)s->pack.n;
    if (s->pack.n)
        memcpy(p->bytes + stamp_size(s), s->pack.p, s->pack.n);
    sq_side_stamp(s, &p->j);
    link_row(s, s->bucket[pos], &p->j);
    return SQ_OK;
}

sq_rc sq_side_add(struct side *s, const struct sq_batch *in, uint32_t pos, int64_t count, int64_t assoc)
{
    struct counted *c;

    if (!s->counted)
        return add_plain(s, in, pos, assoc);
    c = SQ_PAYLOAD(s->row[pos]);
    if (c->count == 0)
        link_row(s, s->bucket[pos], &c->j);
    c->count += count;
    c->j.assoc = assoc;
    sq_side_stamp(s, &c->j);
    return SQ_OK;
}

void sq_side_take(struct side *s, uint32_t pos)
{
    struct counted *c = SQ_PAYLOAD(s->row[pos]);

    if (c->count == 0)
        return;                                  /* never came */
    if (--c->count == 0)
        unlink_row(c);
    else
        sq_side_stamp(s, &c->j);
}

void sq_side_clean(struct side *s, uint32_t n, const bool *skip)
{
    if (!s->counted)
        return;
    for (uint32_t i = 0; i < n; i++) {
        if (skip[i])
            continue;
        if (s->row[i]->flags & SQ_ENTRY_LIVE && ((struct counted *)SQ_PAYLOAD(s->row[i]))->count == 0)
            sq_hashtab_remove(&s->rows, s->row[i]);
        if (s->bucket[i]->flags & SQ_ENTRY_LIVE && !((struct bucket *)SQ_PAYLOAD(s->bucket[i]))->head)
            sq_hashtab_remove(&s->tab, s->bucket[i]);
    }
}

static struct sq_str row_bytes(const struct side *s, const struct jrow *j)
{
    if (s->counted)
        return sq_view_str(&SQ_ENTRY_OF((void *)(uintptr_t)j)->key);
    return (struct sq_str){((const struct plain *)j)->bytes + stamp_size(s), ((const struct plain *)j)->len};
}

sq_rc sq_side_append(const struct side *s, const struct jrow *j, struct sq_col *out)
{
    struct sq_str b = row_bytes(s, j);

    if (s->ncols > 0 && !sq_row_unpack(b.p, b.p + b.n, out, s->ncols))
        return s->ctx->err.rc != SQ_OK ? s->ctx->err.rc : sq_fail(s->ctx, SQ_INTERNAL, "a row in the state of a join is damaged");
    return SQ_OK;
}

/* ---- snapshots: side (+ 2: with a stamp), count, assoc, [the stamp], packed row ---- */

static sq_rc save_bucket(struct side *s, uint8_t number, struct sq_entry *e, struct sq_buf *b, struct sq_snapshot_out *out)
{
    for (struct jrow *j = ((struct bucket *)SQ_PAYLOAD(e))->head; j; j = j->next) {
        struct sq_str bytes = row_bytes(s, j);
        if (s->ttl.us && sq_ttl_over(&s->ttl, stamp_of(s, j)))
            continue;
        sq_buf_reset(b);
        SQ_TRY(sq_buf_putc(b, (char)(number + (s->ttl.us ? 2 : 0))));
        SQ_TRY(sq_buf_u64(b, (uint64_t)sq_side_count(s, j)));
        SQ_TRY(sq_buf_u64(b, (uint64_t)j->assoc));
        if (s->ttl.us)
            SQ_TRY(sq_buf_u64(b, (uint64_t)stamp_of(s, j)));
        SQ_TRY(sq_buf_str(b, bytes));
        SQ_TRY(out->put(out->arg, sq_key_group(e->hash), b->p, b->n));
    }
    return SQ_OK;
}

sq_rc sq_join_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct join *j = SQ_OP(op, struct join);
    uint8_t replayed = j->replayed;
    struct sq_entry *e;
    struct sq_buf b;
    sq_rc rc;

    sq_buf_init(&b, op->ctx);
    rc = out->put(out->arg, SQ_NO_KEY_GROUP, &replayed, 1);
    for (uint8_t n = 0; n < 2 && rc == SQ_OK; n++) {
        struct sq_hashtab_iter it = {0};
        sq_ttl_look(&j->side[n].ttl, op);
        while (rc == SQ_OK && (e = sq_hashtab_next(&j->side[n].tab, &it)))
            rc = save_bucket(&j->side[n], n, e, &b, out);
    }
    sq_buf_free(&b);
    return rc;
}

struct loading {
    struct sq_out rows[2];
    int64_t count[2][SQ_BATCH_ROWS], assoc[2][SQ_BATCH_ROWS], stamp[2][SQ_BATCH_ROWS];
    bool skip[SQ_BATCH_ROWS];              /* all false */
};

static sq_rc load_flush(struct join *j, struct loading *l, uint32_t n)
{
    const struct sq_batch *b = sq_out_batch(&l->rows[n]);
    struct side *s = &j->side[n];
    int64_t now = s->ttl.now;

    SQ_TRY(sq_keys_load(&s->keys, b));
    SQ_TRY(sq_side_prepare(s, b, l->skip));
    for (uint32_t i = 0; i < b->nsel; i++) {
        s->ttl.now = l->stamp[n][i];
        SQ_TRY(sq_side_add(s, b, i, l->count[n][i], l->assoc[n][i]));
    }
    s->ttl.now = now;
    sq_out_reset(&l->rows[n]);
    return SQ_OK;
}

static sq_rc load_row(struct join *j, struct loading *l, const char *p, size_t len)
{
    const char *end = p + len;
    bool stamped = len > 17 + SQ_STAMP - 1 && (*p & 2);
    size_t at = stamped ? 17 + SQ_STAMP : 17;
    uint8_t n = len > at || (len == at && j->side[*p & 1].ncols == 0) ? (uint8_t)(*p - (stamped ? 2 : 0)) : 2;
    struct sq_out *rows;
    uint32_t i;

    if (n > 1)
        return sq_fail(j->base.ctx, SQ_DATA, "the saved state of a join is damaged");
    rows = &l->rows[n];
    i = rows->n;
    memcpy(&l->count[n][i], p + 1, 8);
    memcpy(&l->assoc[n][i], p + 9, 8);
    l->stamp[n][i] = j->side[n].ttl.now;             /* saved without a time to live: from now on */
    if (stamped)
        memcpy(&l->stamp[n][i], p + 17, SQ_STAMP);
    if (rows->ncols > 0 && sq_row_unpack(p + at, end, rows->cols, rows->ncols) != end)
        return sq_fail(j->base.ctx, SQ_DATA, "the saved state of a join is damaged");
    if (l->count[n][i] < 1 || (l->count[n][i] > 1 && !j->side[n].counted))
        return sq_fail(j->base.ctx, SQ_DATA, "the saved state of a join is damaged");
    SQ_TRY(sq_out_row(rows, SQ_INSERT));
    return rows->n == SQ_BATCH_ROWS ? load_flush(j, l, n) : SQ_OK;
}

static sq_rc load_all(struct join *j, struct loading *l, struct sq_snapshot_in *in)
{
    uint32_t group;
    const char *p;
    size_t n;

    for (;;) {
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p)
            break;
        if (group == SQ_NO_KEY_GROUP && n == 1)
            j->replayed = *p != 0;
        else
            SQ_TRY(load_row(j, l, p, n));
    }
    SQ_TRY(load_flush(j, l, 0));
    return load_flush(j, l, 1);
}

sq_rc sq_join_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct join *j = SQ_OP(op, struct join);
    struct loading *l = sq_calloc(op->ctx, sizeof *l);
    sq_rc rc;

    if (!l)
        return SQ_NOMEM;
    SQ_TRY_OUT(sq_op_out(j->base.ctx, j->side[0].cols, j->side[0].ncols, &l->rows[0]));
    SQ_TRY_OUT(sq_op_out(j->base.ctx, j->side[1].cols, j->side[1].ncols, &l->rows[1]));
    sq_ttl_look(&j->side[0].ttl, op);
    sq_ttl_look(&j->side[1].ttl, op);
    rc = load_all(j, l, in);
    sq_ttl_wake(&j->side[0].ttl, op);
    sq_ttl_wake(&j->side[1].ttl, op);
out:
    for (int i = 0; i < 2; i++)
        if (l->rows[i].ctx)
            sq_out_free(&l->rows[i]);
    sq_free(op->ctx, l);
    return rc;
}
