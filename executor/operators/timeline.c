/* SPDX-License-Identifier: Apache-2.0
 *
 * timeline.c: rows by key and time (timeline.h).
 *
 * Times come mostly in order, so a new slice is mostly the last one of its key and of the calendar; one in between moves those behind it. Slices are taken from the front alone.
 */
#include "executor/operators/timeline.h"

#include <string.h>

sq_rc timeline_open(struct timeline *l, struct sq_ctx *ctx, const struct sq_plan *input, const uint32_t *keys, uint32_t nkeys, int64_t width)
{
    const struct sq_type **types = sq_alloc(ctx, (nkeys + 1) * sizeof *types);
    sq_rc rc;

    if (!types)
        return SQ_NOMEM;
    l->ctx = ctx;
    l->input = input;
    l->width = width;
    sq_slab_init(&l->slab, ctx);
    sq_buf_init(&l->pack, ctx);
    for (uint32_t i = 0; i < nkeys; i++)
        types[i] = input->cols[keys[i]].type;
    rc = sq_keys_init(&l->keys, ctx, types, keys, nkeys);
    sq_free(ctx, types);
    SQ_TRY(rc);
    return sq_hashtab_init(&l->tab, ctx, sizeof(struct line));
}

void timeline_close(struct timeline *l)
{
    if (!l->ctx)
        return;
    sq_keys_free(&l->keys);
    sq_hashtab_free(&l->tab);
    sq_slab_free(&l->slab);
    sq_buf_free(&l->pack);
    sq_free(l->ctx, l->days);
}

size_t timeline_bytes(const struct timeline *l)
{
    return sq_hashtab_bytes(&l->tab) + l->slab.bytes + l->cap * sizeof *l->days;
}

int64_t timeline_slice(const struct timeline *l, int64_t t)
{
    return t / l->width - (t % l->width < 0);
}

/* ---- the slices of a key ---- */

/* Where the slice of that number is, or would be. */
static uint32_t find_slice(const struct line *k, int64_t number)
{
    uint32_t lo = k->first, hi = k->n;

    if (hi > lo && k->v[hi - 1].number < number)
        return hi;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (k->v[mid].number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static sq_rc more_slices(struct timeline *l, struct line *k)
{
    uint32_t live = k->n - k->first, cap = live < k->cap / 2 ? k->cap : k->cap ? k->cap * 2 : 1;
    struct slice *v = k->v;

    if (cap != k->cap && !(v = sq_slab_get(&l->slab, cap * sizeof *v)))
        return SQ_NOMEM;
    if (live)
        memmove(v, k->v + k->first, live * sizeof *v);
    if (cap != k->cap)
        sq_slab_put(&l->slab, k->v, k->cap * sizeof *v);
    *k = (struct line){v, 0, live, cap};
    return SQ_OK;
}

/* ---- the calendar ---- */

static size_t find_day(const struct timeline *l, int64_t number)
{
    size_t lo = l->first, hi = l->n;

    if (hi > lo && l->days[hi - 1].number < number)
        return hi;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->days[mid].number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static sq_rc new_day(struct timeline *l, size_t at, int64_t number)
{
    if (l->n == l->cap && l->first > l->cap / 2) {
        memmove(l->days, l->days + l->first, (l->n - l->first) * sizeof *l->days);
        at -= l->first;
        l->n -= l->first;
        l->first = 0;
    }
    SQ_TRY(sq_grow(l->ctx, &l->days, &l->cap, l->n + 1, sizeof *l->days));
    memmove(l->days + at + 1, l->days + at, (l->n - at) * sizeof *l->days);
    l->days[at] = (struct day){.number = number};
    l->n++;
    return SQ_OK;
}

static sq_rc note_day(struct timeline *l, int64_t number, struct sq_entry *e)
{
    struct day_key *k = sq_slab_get(&l->slab, sizeof *k);
    size_t at = find_day(l, number);

    if (!k)
        return SQ_NOMEM;
    if (at == l->n || l->days[at].number != number) {
        SQ_TRY(new_day(l, at, number));
        at = find_day(l, number);
    }
    *k = (struct day_key){e, NULL};
    if (l->days[at].tail)
        l->days[at].tail->next = k;
    else
        l->days[at].head = k;
    l->days[at].tail = k;
    return SQ_OK;
}

bool timeline_earliest(const struct timeline *l, int64_t *number)
{
    if (l->first == l->n)
        return false;
    *number = l->days[l->first].number;
    return true;
}

/* ---- rows ---- */

static sq_rc slice_of(struct timeline *l, struct sq_entry *e, int64_t number, struct slice **out)
{
    struct line *k = SQ_PAYLOAD(e);
    uint32_t at = find_slice(k, number);

    if (at < k->n && k->v[at].number == number) {
        *out = &k->v[at];
        return SQ_OK;
    }
    if (k->n == k->cap) {
        at -= k->first;
        SQ_TRY(more_slices(l, k));
    }
    SQ_TRY(note_day(l, number, e));
    memmove(k->v + at + 1, k->v + at, (k->n - at) * sizeof *k->v);
    k->v[at] = (struct slice){.number = number};
    k->n++;
    *out = &k->v[at];
    return SQ_OK;
}

sq_rc timeline_add(struct timeline *l, struct sq_entry *e, const struct sq_batch *in, uint32_t r, int64_t t, int64_t from, bool matched)
{
    struct slice *s;
    struct trow *row;

    sq_buf_reset(&l->pack);
    SQ_TRY(sq_row_pack(&l->pack, in->cols, NULL, l->input->ncols, r));
    if (!(row = sq_slab_get(&l->slab, sizeof *row + l->pack.n)))
        return SQ_NOMEM;
    *row = (struct trow){.t = t, .from = from, .len = (uint32_t)l->pack.n, .matched = matched};
    if (l->pack.n)
        memcpy(row->bytes, l->pack.p, l->pack.n);
    SQ_TRY(slice_of(l, e, timeline_slice(l, t), &s));
    if (s->tail)
        s->tail->next = row;
    else
        s->head = row;
    s->tail = row;
    return SQ_OK;
}

void timeline_range(const struct timeline *l, struct sq_entry *e, int64_t lo, int64_t hi, struct time_range *r)
{
    *r = (struct time_range){.l = SQ_PAYLOAD(e), .lo = lo, .hi = hi, .last = timeline_slice(l, hi)};
    r->at = find_slice(r->l, timeline_slice(l, lo));
    r->row = lo <= hi && r->at < r->l->n && r->l->v[r->at].number <= r->last ? r->l->v[r->at].head : NULL;
}

struct trow *timeline_next(struct time_range *r)
{
    while (r->row) {
        struct trow *row = r->row;
        r->row = row->next;
        if (!r->row && ++r->at < r->l->n && r->l->v[r->at].number <= r->last)
            r->row = r->l->v[r->at].head;
        if (row->t >= r->lo && row->t <= r->hi)
            return row;
    }
    return NULL;
}

void timeline_take(struct timeline *l, int64_t before, struct trow **rows)
{
    *rows = NULL;
    if (l->first == l->n || l->days[l->first].number >= before)
        return;
    struct day *d = &l->days[l->first];
    struct day_key *k = d->head;
    struct line *line = SQ_PAYLOAD(k->e);
    SQ_ASSERT(line->first < line->n && line->v[line->first].number == d->number);
    *rows = line->v[line->first++].head;
    if (line->first == line->n) {
        sq_slab_put(&l->slab, line->v, line->cap * sizeof *line->v);
        sq_hashtab_remove(&l->tab, k->e);
    }
    if (!(d->head = k->next))
        l->first++;
    sq_slab_put(&l->slab, k, sizeof *k);
}

void timeline_give(struct timeline *l, struct trow *row)
{
    sq_slab_put(&l->slab, row, sizeof *row + row->len);
}

/* ---- saved ---- */

static sq_rc save_row(struct sq_buf *b, uint8_t side, const struct trow *row)
{
    sq_buf_reset(b);
    SQ_TRY(sq_buf_putc(b, (char)side));
    SQ_TRY(sq_buf_putc(b, (char)row->matched));
    SQ_TRY(sq_buf_u64(b, (uint64_t)row->t));
    SQ_TRY(sq_buf_u64(b, (uint64_t)row->from));
    return sq_buf_add(b, row->bytes, row->len);
}

sq_rc timeline_save(struct timeline *l, uint8_t side, struct sq_snapshot_out *out)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while ((e = sq_hashtab_next(&l->tab, &it))) {
        const struct line *k = SQ_PAYLOAD(e);
        for (uint32_t i = k->first; i < k->n; i++)
            for (const struct trow *row = k->v[i].head; row; row = row->next) {
                SQ_TRY(save_row(&l->pack, side, row));
                SQ_TRY(out->put(out->arg, sq_key_group(e->hash), l->pack.p, l->pack.n));
            }
    }
    return SQ_OK;
}
