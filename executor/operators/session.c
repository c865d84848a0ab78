/* SPDX-License-Identifier: Apache-2.0
 *
 * session.c: which session a row belongs to.
 *
 * The sessions of a key do not touch, so they are kept in one list in the order of time: a row looks for its place from the end, where it nearly always is, by halving. It makes a
 * session, makes one longer, or joins two, of which the earlier takes in the later.
 *
 * Each session is in the heap of timers once, by an end that it had when it was put there. One that has grown since is put back when its time comes; one that went into another
 * is freed then. So making a session longer costs nothing.
 *
 * A row is judged by a watermark of its own, which may be further than the one for which sessions have been put out. A session that is over for a row which would have joined it is
 * closed: it leaves the list, and waits for its timer only.
 *
 * Invariants: of a key, each session ends before the next begins, but for closed ones; sessions that are over are taken in the order of their ends.
 * FLINK: the same sessions: a row exactly `gap` behind the last one still belongs to its session; a late row that touches a session that is not over is taken.
 */
#include "executor/operators/session.h"

struct keyed {                             /* payload of a key */
    struct session **list;                 /* at[from .. from + n); NULL: there is one, or none */
    struct session *one;
    uint32_t from, n, cap;
    uint32_t closed;                       /* sessions that are not in the list, and not put out */
};

static inline struct keyed *keyed_of(struct sq_entry *e) { return SQ_PAYLOAD(e); }
static inline struct session **list_of(struct keyed *k) { return k->list ? k->list + k->from : &k->one; }

sq_rc sq_sessions_init(struct sessions *s, struct sq_ctx *ctx, int64_t gap, size_t payload)
{
    s->ctx = ctx;
    s->gap = gap;
    s->size = sizeof(struct session) + payload;
    sq_slab_init(&s->slab, ctx);
    return sq_hashtab_init(&s->keys, ctx, sizeof(struct keyed));
}

void sq_sessions_free(struct sessions *s)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    if (!s->ctx)
        return;
    while (s->keys.ctx && (e = sq_hashtab_next(&s->keys, &it)))
        sq_free(s->ctx, keyed_of(e)->list);
    sq_hashtab_free(&s->keys);
    sq_slab_free(&s->slab);
    sq_free(s->ctx, s->due);
    memset(s, 0, sizeof *s);
}

size_t sq_sessions_bytes(const struct sessions *s)
{
    return sq_hashtab_bytes(&s->keys) + s->slab.bytes + s->lists + s->due_cap * sizeof *s->due;
}

/* ---- timers ---- */

static bool before(const struct session_due *a, const struct session_due *b) { return a->end != b->end ? a->end < b->end : a->number < b->number; }

static sq_rc push(struct sessions *s, struct session *x)
{
    struct session_due d = {x->end, x->number, x};

    SQ_TRY(sq_grow(s->ctx, &s->due, &s->due_cap, s->ndue + 1, sizeof *s->due));
    size_t i = s->ndue++;
    for (; i > 0 && before(&d, &s->due[(i - 1) / 2]); i = (i - 1) / 2)
        s->due[i] = s->due[(i - 1) / 2];
    s->due[i] = d;
    return SQ_OK;
}

/* Puts d in the place of the first. */
static void sift(struct sessions *s, struct session_due d)
{
    size_t i = 0;

    for (size_t k; (k = 2 * i + 1) < s->ndue; i = k) {
        if (k + 1 < s->ndue && before(&s->due[k + 1], &s->due[k]))
            k++;
        if (!before(&s->due[k], &d))
            break;
        s->due[i] = s->due[k];
    }
    s->due[i] = d;
}

static void pop(struct sessions *s)
{
    struct session_due last = s->due[--s->ndue];

    if (s->ndue)
        sift(s, last);
}

/* ---- the list of a key ---- */

static sq_rc make_room(struct sessions *s, struct keyed *k)
{
    if (!k->list && k->n == 0)
        return SQ_OK;
    if (k->list && k->from + k->n < k->cap)
        return SQ_OK;
    if (k->list && k->from > k->cap / 2) {
        memmove(k->list, k->list + k->from, k->n * sizeof(struct session *));
        k->from = 0;
        return SQ_OK;
    }
    uint32_t cap = k->cap ? 2 * k->cap : 4;
    struct session **list = sq_alloc(s->ctx, cap * sizeof *list);
    if (!list)
        return SQ_NOMEM;
    memcpy(list, list_of(k), k->n * sizeof *list);
    s->lists += (cap - k->cap) * sizeof *list;
    sq_free(s->ctx, k->list);
    k->list = list;
    k->from = 0;
    k->cap = cap;
    return SQ_OK;
}

static void take_out(struct keyed *k, uint32_t i)
{
    struct session **l = list_of(k);

    k->n--;
    if (i == 0 && k->list)
        k->from = k->n ? k->from + 1 : 0;
    else
        memmove(l + i, l + i + 1, (k->n - i) * sizeof *l);
}

/* How many of the key's sessions begin at t or before. */
static uint32_t place_of(struct keyed *k, int64_t t)
{
    struct session **l = list_of(k);
    uint32_t lo = 0, hi = k->n;

    if (hi == 0 || l[hi - 1]->start <= t)
        return hi;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (l[mid]->start <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static sq_rc new_session(struct sessions *s, struct sq_entry *key, int64_t start, int64_t end, struct session **out)
{
    struct session *x = sq_slab_get(&s->slab, s->size);

    if (!x)
        return SQ_NOMEM;
    memset(x, 0, s->size);
    *x = (struct session){.owner = key, .start = start, .end = end, .number = s->number++ & (UINT64_MAX >> 1)};
    if (push(s, x) != SQ_OK) {
        sq_slab_put(&s->slab, x, s->size);
        return SQ_NOMEM;
    }
    *out = x;
    return SQ_OK;
}

static sq_rc insert(struct sessions *s, struct sq_entry *key, uint32_t at, int64_t start, int64_t end, struct session **out)
{
    struct keyed *k = keyed_of(key);

    SQ_TRY(make_room(s, k));
    SQ_TRY(new_session(s, key, start, end, out));
    struct session **l = list_of(k);
    memmove(l + at + 1, l + at, (k->n - at) * sizeof(struct session *));
    l[at] = *out;
    k->n++;
    return SQ_OK;
}

static void close_one(struct keyed *k, uint32_t at)
{
    list_of(k)[at]->closed = 1;
    k->closed++;
    take_out(k, at);
}

/* ---- rows ---- */

sq_rc sq_sessions_row(struct sessions *s, struct sq_entry *key, int64_t t, int64_t watermark, struct session **out)
{
    struct keyed *k = keyed_of(key);
    int64_t end = t + s->gap;
    uint32_t at = place_of(k, t);
    struct session **l = list_of(k), *last = at > 0 ? l[at - 1] : NULL, *next = at < k->n ? l[at] : NULL;

    if (last && t > last->end)
        last = NULL;
    if (next && (next->start > end || next->end <= watermark))
        next = NULL;
    *out = NULL;
    if (last && last->end <= watermark) {        /* over for this row, though it has not been put out */
        if (!next && end <= watermark)
            return SQ_OK;
        close_one(k, --at);
        last = NULL;
    }
    if (!last && !next)
        return end > watermark ? insert(s, key, at, t, end, out) : SQ_OK;
    if (last && next) {
        SQ_TRY(s->merge(s->arg, last, next));
        end = next->end > end ? next->end : end;
        next->owner = NULL;
        take_out(k, at);
    }
    if (!last)
        next->start = t;
    else if (end > last->end)
        last->end = end;
    *out = last ? last : next;
    return SQ_OK;
}

sq_rc sq_sessions_load(struct sessions *s, struct sq_entry *key, int64_t start, int64_t end, bool closed, struct session **out)
{
    if (!closed)
        return insert(s, key, place_of(keyed_of(key), start), start, end, out);
    SQ_TRY(new_session(s, key, start, end, out));
    (*out)->closed = 1;
    keyed_of(key)->closed++;
    return SQ_OK;
}

struct session *sq_sessions_over(struct sessions *s, int64_t watermark, struct sq_entry **key)
{
    while (s->ndue && s->due[0].end <= watermark) {
        struct session *x = s->due[0].s;
        if (!x->owner) {
            pop(s);
            sq_slab_put(&s->slab, x, s->size);
        } else if (x->end > s->due[0].end) {
            sift(s, (struct session_due){x->end, x->number, x});
        } else {
            struct keyed *k = keyed_of(x->owner);
            pop(s);
            if (!x->closed) {
                uint32_t at = place_of(k, x->start) - 1;
                SQ_ASSERT(list_of(k)[at] == x);
                take_out(k, at);
            }
            *key = x->owner;
            return x;
        }
    }
    return NULL;
}

void sq_sessions_put(struct sessions *s, struct session *x, struct sq_entry *key)
{
    keyed_of(key)->closed -= x->closed;
    sq_slab_put(&s->slab, x, s->size);
    sq_sessions_forget(s, key);
}

void sq_sessions_forget(struct sessions *s, struct sq_entry *key)
{
    struct keyed *k = keyed_of(key);

    if (!(key->flags & SQ_ENTRY_LIVE) || k->n > 0 || k->closed > 0)
        return;
    s->lists -= k->cap * sizeof(struct session *);
    sq_free(s->ctx, k->list);
    sq_hashtab_remove(&s->keys, key);
}

sq_rc sq_sessions_each(const struct sessions *s, sq_rc (*fn)(void *, struct session *), void *arg)
{
    for (size_t i = 0; i < s->ndue; i++)
        if (s->due[i].s->owner)
            SQ_TRY(fn(arg, s->due[i].s));
    return SQ_OK;
}
