/* SPDX-License-Identifier: Apache-2.0
 *
 * agg_state.c: groups, their accumulators and distinct sets.
 *
 * A row of the batch is added to (or taken from) every aggregate's accumulator by one call per aggregate and batch. FILTER and DISTINCT narrow the
 * rows first. A distinct set counts how often each value of a group is there; the aggregate sees a row only when that count leaves or
 * reaches zero. Aggregates with the same argument and filter share a set.
 */
#include "executor/operators/aggregate.h"

/* ---- opening ---- */

static int32_t find_set(struct aggregate *a, const struct sq_agg_item *it)
{
    for (uint32_t i = 0; i < a->nsets; i++)
        if (a->sets[i].arg == (uint32_t)it->arg && a->sets[i].filter == it->filter)
            return (int32_t)i;
    a->sets[a->nsets].arg = (uint32_t)it->arg;
    a->sets[a->nsets].filter = it->filter;
    return (int32_t)a->nsets++;
}

static sq_rc open_items(struct aggregate *a, const struct sq_plan *in, const struct sq_agg_item *items, size_t *payload)
{
    size_t at = sizeof(struct sq_entry) + sizeof(struct group);

    for (uint32_t i = 0; i < a->nitems; i++) {
        const struct sq_agg_item *it = &items[i];
        struct agg_item *m = &a->items[i];
        m->arg = it->arg;
        m->filter = it->filter;
        m->set = it->distinct && it->arg >= 0 ? find_set(a, it) : -1;
        m->call = (struct sq_agg_call){.ctx = a->base.ctx, .agg = it->agg, .arg = it->arg < 0 ? NULL : in->cols[it->arg].type, .opt = it->opt ? it->opt->value : NULL, .ret = it->ret,
                                       .retracts = a->retracts, .overflows = &a->base.m.overflows, .state_bytes = &a->hung};
        if (m->set >= 0)
            a->sets[m->set].nulls |= (it->agg->flags & SQ_AGG_NULLS) != 0;
        m->offset = at;
        at += (it->agg->acc_size(&m->call) + 15) / 16 * 16;
        a->has_drop |= it->agg->drop != NULL;
    }
    *payload = at - sizeof(struct sq_entry);
    return SQ_OK;
}

static sq_rc open_sets(struct aggregate *a)
{
    for (uint32_t i = 0; i < a->nsets; i++) {
        struct distinct *d = &a->sets[i];
        sq_buf_init(&d->bytes, a->base.ctx);
        SQ_TRY(sq_keys_init(&d->keys, a->base.ctx, &a->base.plan->inputs[0]->cols[d->arg].type, &d->arg, 1));
        SQ_TRY(sq_hashtab_init(&d->seen, a->base.ctx, sq_ttl_payload(&a->ttl, sizeof(struct seen))));
    }
    return SQ_OK;
}

sq_rc sq_agg_open_as(struct aggregate *a, const struct sq_plan *in, const uint32_t *group, uint32_t ngroup, const struct sq_agg_item *items, uint32_t nitems)
{
    struct sq_ctx *ctx = a->base.ctx;
    const struct sq_type **types;
    uint32_t ndistinct = 0;
    sq_rc rc;

    for (uint32_t i = 0; i < nitems; i++)
        ndistinct += items[i].distinct;
    a->ngroup = ngroup;
    a->nitems = nitems;
    a->items = sq_calloc(ctx, (a->nitems + 1) * sizeof *a->items);
    a->sets = sq_calloc(ctx, (ndistinct + 1) * sizeof *a->sets);
    types = sq_alloc(ctx, (a->ngroup + 1) * sizeof *types);
    if (!a->items || !a->sets || !types) {
        sq_free(ctx, types);
        return SQ_NOMEM;
    }
    for (uint32_t i = 0; i < a->ngroup; i++)
        types[i] = in->cols[group[i]].type;
    rc = sq_keys_init(&a->keys, ctx, types, group, a->ngroup);
    sq_free(ctx, types);
    SQ_TRY(rc);
    SQ_TRY(open_items(a, in, items, &a->payload));
    SQ_TRY(open_sets(a));
    return sq_hashtab_init(&a->groups, ctx, sq_ttl_payload(&a->ttl, a->payload));
}

sq_rc sq_agg_state_open(struct aggregate *a)
{
    const struct sq_plan *p = a->base.plan;

    a->ttl.us = sq_ttl_us(sq_state_ttl_ms(p, a->base.config, 0));
    return sq_agg_open_as(a, p->inputs[0], p->u.agg.group, p->u.agg.ngroup, p->u.agg.items, p->u.agg.nitems);
}

static void drop_accs(struct aggregate *a, struct sq_entry *e)
{
    for (uint32_t i = 0; i < a->nitems; i++)
        if (a->items[i].call.agg->drop)
            a->items[i].call.agg->drop(&a->items[i].call, (char *)e + a->items[i].offset);
}

void sq_agg_drop_all(struct aggregate *a, const struct sq_hashtab *groups)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while (a->has_drop && groups->ctx && (e = sq_hashtab_next(groups, &it)))
        drop_accs(a, e);
}

void sq_agg_state_close(struct aggregate *a)
{
    sq_agg_drop_all(a, &a->groups);
    sq_hashtab_free(&a->groups);
    sq_keys_free(&a->keys);
    for (uint32_t i = 0; i < a->nsets; i++) {
        sq_hashtab_free(&a->sets[i].seen);
        sq_keys_free(&a->sets[i].keys);
        sq_buf_free(&a->sets[i].bytes);
    }
    sq_free(a->base.ctx, a->sets);
    sq_free(a->base.ctx, a->items);
}

void sq_agg_drop(struct aggregate *a, struct sq_entry *e)
{
    if (a->has_drop)
        drop_accs(a, e);
}

void sq_agg_clear(struct aggregate *a, struct sq_entry *e)
{
    drop_accs(a, e);
    memset(group_of(e) + 1, 0, a->payload - sizeof(struct group));
}

void sq_agg_remove(struct aggregate *a, struct sq_entry *e)
{
    if (a->has_drop)
        drop_accs(a, e);
    sq_hashtab_remove(&a->groups, e);
}

/* ---- time to live ---- */

static int64_t *stamp_of(const struct aggregate *a, struct sq_entry *e) { return sq_ttl_stamp(group_of(e), a->payload); }
static int64_t *seen_stamp(struct sq_entry *e) { return sq_ttl_stamp(SQ_PAYLOAD(e), sizeof(struct seen)); }

void sq_agg_expire(struct aggregate *a, struct sq_entry *const *e, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        int64_t *stamp = stamp_of(a, e[i]);
        if (group_of(e[i])->rows > 0 && sq_ttl_over(&a->ttl, *stamp)) {
            sq_agg_clear(a, e[i]);
            *group_of(e[i]) = (struct group){0};           /* another serial: its values are those of a group that is gone, and go in time */
        }
        *stamp = a->ttl.now;
    }
}

static void sweep_group(void *arg, struct sq_entry *e)
{
    struct aggregate *a = arg;

    if (sq_ttl_over(&a->ttl, *stamp_of(a, e)))
        sq_agg_remove(a, e);
}

struct sweep_set { struct aggregate *a; struct distinct *d; };

static void sweep_seen(void *arg, struct sq_entry *e)
{
    const struct sweep_set *x = arg;

    if (sq_ttl_over(&x->a->ttl, *seen_stamp(e)))
        sq_hashtab_remove(&x->d->seen, e);
}

sq_rc sq_agg_sweep(struct sq_op *op, int64_t now)
{
    struct aggregate *a = SQ_OP(op, struct aggregate);
    uint32_t left = SQ_SWEEP_ENTRIES;
    size_t live = a->groups.count;
    bool whole = true;

    a->ttl.now = now;
    if (a->sweep.table == 0)
        whole = sq_sweep_table(&a->sweep, &a->groups, &left, sweep_group, a);
    for (uint32_t i = 0; i < a->nsets; i++) {
        live += a->sets[i].seen.count;
        if (whole && a->sweep.table == i + 1)
            whole = sq_sweep_table(&a->sweep, &a->sets[i].seen, &left, sweep_seen, &(struct sweep_set){a, &a->sets[i]});
    }
    sq_sweep_next(&a->sweep, &a->ttl, op, whole, live);
    return SQ_OK;
}

size_t sq_agg_bytes(const struct sq_op *op)
{
    const struct aggregate *a = (const struct aggregate *)op;
    size_t n = sq_hashtab_bytes(&a->groups) + a->hung;

    for (uint32_t i = 0; i < a->nsets; i++)
        n += sq_hashtab_bytes(&a->sets[i].seen);
    return n;
}

/* ---- applying rows ---- */

sq_rc sq_agg_load(struct aggregate *a, const struct sq_batch *in)
{
    for (uint32_t i = 0; i < a->nsets; i++)
        SQ_TRY(sq_keys_load(&a->sets[i].keys, in));
    return SQ_OK;
}

static inline uint32_t row_at(const struct agg_rows *rows, uint32_t i) { return rows->sel ? rows->sel[i] : i; }

static bool is_true(const struct sq_vec *v, uint32_t r)
{
    v = sq_vec_at(v, &r);
    return v->type->id != SQ_T_NULL && (!v->valid || sq_bit(v->valid, r)) && ((const uint8_t *)v->data)[r];
}

/* The key of row i's value in its group: serial, then the value's bytes (behind a flag, where NULL is a value). Rows whose value is NULL or which the filter refuses are left out. */
static sq_rc set_keys(struct distinct *d, const struct sq_batch *in, const struct agg_rows *rows, uint32_t *list, uint32_t *n)
{
    *n = 0;
    sq_buf_reset(&d->bytes);
    for (uint32_t i = 0; i < rows->n; i++) {
        uint32_t r = row_at(rows, i), pos = rows->pos ? rows->pos[i] : i;
        uint64_t serial = group_of(rows->entry[i])->serial;
        struct sq_str s;
        bool null = sq_vec_null(&in->cols[d->arg], r);
        if ((null && !d->nulls) || (d->filter >= 0 && !is_true(&in->cols[d->filter], r)))
            continue;
        s = null && d->keys.form != SQ_KEY_PACKED ? (struct sq_str){"", 0} : sq_view_str(&d->keys.key[pos]);
        SQ_TRY(sq_buf_u64(&d->bytes, serial));
        if (d->nulls)
            SQ_TRY(sq_buf_putc(&d->bytes, null));
        SQ_TRY(sq_buf_add(&d->bytes, s.p, s.n));
        if (d->bytes.n > UINT32_MAX)
            return sq_fail(d->keys.ctx, SQ_LIMIT, "the DISTINCT values of one batch take more than 4 GB");
        d->ends[*n] = (uint32_t)d->bytes.n;
        d->hash[*n] = d->keys.hash[pos] ^ sq_hash_mix(serial);
        list[(*n)++] = i;
    }
    for (uint32_t i = 0, at = 0; i < *n; at = d->ends[i++])
        d->view[i] = sq_view_of(d->bytes.p + at, d->ends[i] - at);
    return SQ_OK;
}

/* Counts the rows in the set; d->pass gets those that matter to the aggregates. */
static sq_rc set_apply(const struct aggregate *a, struct distinct *d, const struct sq_batch *in, const struct agg_rows *rows)
{
    uint32_t list[SQ_BATCH_ROWS], n;
    bool gone = false;

    SQ_TRY(set_keys(d, in, rows, list, &n));
    SQ_TRY(sq_hashtab_upsert(&d->seen, n, d->hash, d->view, NULL, d->entry));
    d->npass = 0;
    for (uint32_t k = 0; k < n; k++) {
        struct seen *s = SQ_PAYLOAD(d->entry[k]);
        bool add = sq_kind_adds(sq_row_kind(in, row_at(rows, list[k])));
        if (a->ttl.us) {
            if (sq_ttl_over(&a->ttl, *seen_stamp(d->entry[k])))
                s->count = 0;
            *seen_stamp(d->entry[k]) = a->ttl.now;
        }
        s->group_hash = rows->entry[list[k]]->hash;
        if (add ? s->count++ == 0 : s->count > 0 && --s->count == 0)
            d->pass[d->npass++] = list[k];
        gone |= s->count == 0;
    }
    for (uint32_t k = 0; gone && k < n; k++)
        if (d->entry[k]->flags & SQ_ENTRY_LIVE && ((struct seen *)SQ_PAYLOAD(d->entry[k]))->count == 0)
            sq_hashtab_remove(&d->seen, d->entry[k]);
    return SQ_OK;
}

static sq_rc apply_some(struct agg_item *m, const struct sq_batch *in, const struct agg_rows *rows, const uint32_t *list, uint32_t n)
{
    const struct sq_vec *arg = m->arg < 0 ? NULL : &in->cols[m->arg];
    void *acc[SQ_BATCH_ROWS];
    uint32_t sel[SQ_BATCH_ROWS];

    for (uint32_t k = 0; k < n; k++) {
        sel[k] = row_at(rows, list[k]);
        acc[k] = (char *)rows->entry[list[k]] + m->offset;
    }
    return m->call.agg->update(&m->call, acc, arg, (struct sq_rows){sel, n}, in->kind);
}

static sq_rc apply_filtered(struct agg_item *m, const struct sq_batch *in, const struct agg_rows *rows)
{
    uint32_t list[SQ_BATCH_ROWS], n = 0;

    for (uint32_t i = 0; i < rows->n; i++) {
        list[n] = i;
        n += is_true(&in->cols[m->filter], row_at(rows, i));
    }
    return apply_some(m, in, rows, list, n);
}

static sq_rc apply_all(struct agg_item *m, const struct sq_batch *in, const struct agg_rows *rows)
{
    const struct sq_vec *arg = m->arg < 0 ? NULL : &in->cols[m->arg];
    void *acc[SQ_BATCH_ROWS];

    for (uint32_t i = 0; i < rows->n; i++)
        acc[i] = (char *)rows->entry[i] + m->offset;
    return m->call.agg->update(&m->call, acc, arg, (struct sq_rows){rows->sel, rows->n}, in->kind);
}

sq_rc sq_agg_apply(struct aggregate *a, const struct sq_batch *in, struct agg_rows rows)
{
    if (rows.n == 0)
        return SQ_OK;
    for (uint32_t i = 0; i < a->nsets; i++)
        SQ_TRY(set_apply(a, &a->sets[i], in, &rows));
    for (uint32_t i = 0; i < a->nitems; i++) {
        struct agg_item *m = &a->items[i];
        if (m->set >= 0)
            SQ_TRY(apply_some(m, in, &rows, a->sets[m->set].pass, a->sets[m->set].npass));
        else if (m->filter >= 0)
            SQ_TRY(apply_filtered(m, in, &rows));
        else
            SQ_TRY(apply_all(m, in, &rows));
    }
    return SQ_OK;
}

/* ---- snapshots: 'G' hash null key rows [serial, where there are distinct sets] accumulators; 'D' set value-hash group-hash count serial value; then [the stamp] ---- */

static sq_rc put_key(struct sq_buf *b, const char *p, uint32_t n)
{
    SQ_TRY(sq_buf_u32(b, n));
    return sq_buf_add(b, p, n);
}

sq_rc sq_agg_save_group(struct aggregate *a, struct sq_entry *e, struct sq_buf *b)
{
    SQ_TRY(sq_buf_u64(b, (uint64_t)group_of(e)->rows));
    if (a->nsets)
        SQ_TRY(sq_buf_u64(b, group_of(e)->serial));
    for (uint32_t i = 0; i < a->nitems; i++)
        SQ_TRY(a->items[i].call.agg->save(&a->items[i].call, (char *)e + a->items[i].offset, b));
    return SQ_OK;
}

static sq_rc save_group(struct aggregate *a, struct sq_entry *e, struct sq_buf *b)
{
    struct sq_str key = sq_view_str(&e->key);

    sq_buf_putc(b, 'G');
    sq_buf_u64(b, e->hash);
    sq_buf_putc(b, e->flags & SQ_ENTRY_NULL ? 1 : 0);
    put_key(b, key.p, key.n);
    SQ_TRY(sq_agg_save_group(a, e, b));
    return a->ttl.us ? sq_buf_u64(b, (uint64_t)*stamp_of(a, e)) : SQ_OK;
}

static sq_rc save_seen(const struct aggregate *a, uint32_t set, struct sq_entry *e, struct sq_buf *b)
{
    struct seen *s = SQ_PAYLOAD(e);
    struct sq_str key = sq_view_str(&e->key);
    uint64_t serial;

    memcpy(&serial, key.p, 8);
    SQ_TRY(sq_buf_putc(b, 'D'));
    SQ_TRY(sq_buf_u32(b, set));
    SQ_TRY(sq_buf_u64(b, e->hash ^ sq_hash_mix(serial)));
    SQ_TRY(sq_buf_u64(b, s->group_hash));
    SQ_TRY(sq_buf_u64(b, (uint64_t)s->count));
    SQ_TRY(sq_buf_u64(b, serial));
    SQ_TRY(put_key(b, key.p + 8, key.n - 8));
    return a->ttl.us ? sq_buf_u64(b, (uint64_t)*seen_stamp(e)) : SQ_OK;
}

sq_rc sq_agg_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct aggregate *a = SQ_OP(op, struct aggregate);
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;
    struct sq_buf *b;

    sq_ttl_look(&a->ttl, op);
    while ((e = sq_hashtab_next(&a->groups, &it))) {
        if (a->ttl.us && sq_ttl_over(&a->ttl, *stamp_of(a, e)))
            continue;
        if (!(b = out->begin(out->arg, sq_key_group(e->hash))))
            return op->ctx->err.rc;
        SQ_TRY(save_group(a, e, b));
        SQ_TRY(out->done(out->arg));
    }
    for (uint32_t i = 0; i < a->nsets; i++) {
        it = (struct sq_hashtab_iter){0};
        while ((e = sq_hashtab_next(&a->sets[i].seen, &it))) {
            if (a->ttl.us && sq_ttl_over(&a->ttl, *seen_stamp(e)))
                continue;
            if (!(b = out->begin(out->arg, sq_key_group(((struct seen *)SQ_PAYLOAD(e))->group_hash))))
                return op->ctx->err.rc;
            SQ_TRY(save_seen(a, i, e, b));
            SQ_TRY(out->done(out->arg));
        }
    }
    return SQ_OK;
}

static sq_rc damaged(struct aggregate *a)
{
    return sq_fail(a->base.ctx, SQ_DATA, "the saved state of a GROUP BY is damaged");
}

static bool take(const char **p, const char *end, void *into, size_t n)
{
    if ((size_t)(end - *p) < n)
        return false;
    memcpy(into, *p, n);
    *p += n;
    return true;
}

static bool take_key(const char **p, const char *end, struct sq_str *key)
{
    if (!take(p, end, &key->n, 4) || (size_t)(end - *p) < key->n)
        return false;
    key->p = *p;
    *p += key->n;
    return true;
}

/* Groups are looked up many at a time, as a batch's are: one after the other, each would wait for memory alone. */
enum { LOADED = 512 };
struct loading {
    struct sq_buf bytes;                   /* the records, copied: they are good until the next one only */
    uint32_t n;
    struct { size_t at, end; } record[LOADED];
    uint64_t hash[LOADED];
    struct sq_view key[LOADED];
    uint8_t null[LOADED];
    struct sq_entry *entry[LOADED];
};

sq_rc sq_agg_load_group(struct aggregate *a, struct sq_entry *e, const char **p, const char *end, uint64_t base)
{
    if (group_of(e)->rows != 0 || !take(p, end, &group_of(e)->rows, 8))
        return damaged(a);
    group_of(e)->serial = a->serial + 1;
    if (a->nsets) {
        if (!take(p, end, &group_of(e)->serial, 8))
            return damaged(a);
        group_of(e)->serial += base;
    }
    if (group_of(e)->serial > a->serial)
        a->serial = group_of(e)->serial;
    for (uint32_t i = 0; i < a->nitems; i++)
        SQ_TRY(a->items[i].call.agg->load(&a->items[i].call, (char *)e + a->items[i].offset, p, end));
    return SQ_OK;
}

static sq_rc fill_group(struct aggregate *a, struct sq_entry *e, const char *p, const char *end, uint64_t base)
{
    int64_t stamp = a->ttl.now;                /* saved without a time to live: from now on */

    SQ_TRY(sq_agg_load_group(a, e, &p, end, base));
    if (end - p == SQ_STAMP)
        take(&p, end, &stamp, SQ_STAMP);
    if (a->ttl.us)
        *stamp_of(a, e) = stamp;
    return p == end ? SQ_OK : damaged(a);
}

static sq_rc load_groups(struct aggregate *a, struct loading *l, uint64_t base)
{
    const char *bytes = l->bytes.p;

    for (uint32_t i = 0; i < l->n; i++) {
        const char *p = bytes + l->record[i].at, *end = bytes + l->record[i].end;
        struct sq_str s;
        if (!take(&p, end, &l->hash[i], 8) || !take(&p, end, &l->null[i], 1) || !take_key(&p, end, &s))
            return damaged(a);
        l->key[i] = sq_view_of(s.p, s.n);
        l->record[i].at = (size_t)(p - bytes);
    }
    SQ_TRY(sq_hashtab_upsert(&a->groups, l->n, l->hash, l->key, l->null, l->entry));
    for (uint32_t i = 0; i < l->n; i++)
        SQ_TRY(fill_group(a, l->entry[i], bytes + l->record[i].at, bytes + l->record[i].end, base));
    l->n = 0;
    sq_buf_reset(&l->bytes);
    return SQ_OK;
}

static sq_rc load_group(struct aggregate *a, struct loading *l, const char *p, size_t n, uint64_t base)
{
    l->record[l->n].at = l->bytes.n;
    SQ_TRY(sq_buf_add(&l->bytes, p, n));
    l->record[l->n++].end = l->bytes.n;
    return l->n == LOADED ? load_groups(a, l, base) : SQ_OK;
}

static sq_rc load_seen(struct aggregate *a, const char *p, const char *end, uint64_t base)
{
    struct { uint64_t hash, group_hash, count, serial; } x;
    struct distinct *d;
    struct sq_entry *e;
    struct sq_view key;
    struct sq_str s;
    int64_t stamp = a->ttl.now;
    uint32_t set;

    if (!take(&p, end, &set, 4) || set >= a->nsets || !take(&p, end, &x, sizeof x) || !take_key(&p, end, &s) || (p != end && !take(&p, end, &stamp, SQ_STAMP)) || p != end)
        return damaged(a);
    x.serial += base;
    d = &a->sets[set];
    sq_buf_reset(&d->bytes);
    SQ_TRY(sq_buf_u64(&d->bytes, x.serial));
    SQ_TRY(sq_buf_add(&d->bytes, s.p, s.n));
    key = sq_view_of(d->bytes.p, (uint32_t)d->bytes.n);
    x.hash ^= sq_hash_mix(x.serial);
    SQ_TRY(sq_hashtab_upsert(&d->seen, 1, &x.hash, &key, NULL, &e));
    *(struct seen *)SQ_PAYLOAD(e) = (struct seen){(int64_t)x.count, x.group_hash};
    if (a->ttl.us)
        *seen_stamp(e) = stamp;
    return SQ_OK;
}

static sq_rc load_all(struct aggregate *a, struct loading *l, struct sq_snapshot_in *in)
{
    uint64_t base = a->serial;             /* the serials of another old worker must not meet those already here */
    uint32_t group;
    const char *p;
    size_t n;

    for (;;) {
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p)
            return l->n ? load_groups(a, l, base) : SQ_OK;
        if (n > 0 && *p == 'G')
            SQ_TRY(load_group(a, l, p + 1, n - 1, base));
        else if (n > 0 && *p == 'D')
            SQ_TRY(load_seen(a, p + 1, p + n, base));
        else
            return damaged(a);
    }
}

sq_rc sq_agg_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct loading *l = sq_calloc(op->ctx, sizeof *l);
    sq_rc rc;

    if (!l)
        return SQ_NOMEM;
    sq_buf_init(&l->bytes, op->ctx);
    sq_ttl_look(&SQ_OP(op, struct aggregate)->ttl, op);
    rc = load_all(SQ_OP(op, struct aggregate), l, in);
    sq_ttl_wake(&SQ_OP(op, struct aggregate)->ttl, op);
    sq_buf_free(&l->bytes);
    sq_free(op->ctx, l);
    return rc;
}
