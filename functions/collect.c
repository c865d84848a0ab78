/* SPDX-License-Identifier: Apache-2.0
 *
 * collect.c: ARRAY_AGG (all values of a group, in the order they came, NULLs too), COLLECT (a MULTISET: each value that is not NULL with its count) and LISTAGG (the
 * values that are not NULL in one text, with a separator).
 *
 * An accumulator points to a list of items in order of arrival; the values are packed rows (base/row.h) of one column in one buffer. An item has a count: 1 in an
 * ARRAY_AGG, how often the value is there in a COLLECT, below zero where it was taken back before it came, 0 once it is gone. Where values are looked up (COLLECT,
 * and ARRAY_AGG whose rows may be taken back) items hang in chains by the hash of their bytes, each chain in the order of arrival: so the first of equal values is
 * the one that is taken back, as in Flink. What is gone is swept out when it is more than half.
 *
 * FLINK: ARRAY_AGG of no row is NULL, COLLECT is an empty multiset, LISTAGG of no value is NULL.
 */
#include "base/row.h"
#include "functions/agg.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { NONE = UINT32_MAX, FIRST_ITEMS = 4 };

struct item {
    int64_t count;
    uint32_t at, len;                      /* of the value in bytes */
    uint32_t hash, next;                   /* the next of the chain */
};

struct list {
    struct item *item;
    uint32_t n, cap, gone;
    uint32_t *first, *last;                /* chains, of nchains (a power of two); NULL: not looked up */
    uint32_t nchains;
    struct sq_buf bytes;
    size_t charged;
};

struct acc { struct list *list; uint64_t pad; };

static bool counts(const struct sq_agg_call *c)
{
    return c->ret->id == SQ_T_MULTISET;
}

static bool looks_up(const struct sq_agg_call *c)
{
    return counts(c) || c->retracts;
}

size_t sq_collect_size(const struct sq_agg_call *c)
{
    (void)c;
    return sizeof(struct acc);
}

static sq_rc one_argument(struct sq_ctx *ctx, const char *name, const struct sq_type *const *args, uint32_t n)
{
    if (n != 1)
        return sq_fail(ctx, SQ_SEMANTIC, "%s takes one argument, not %u", name, n);
    if (args[0]->id == SQ_T_NULL || args[0]->id == SQ_T_SYMBOL)
        return sq_fail(ctx, SQ_SEMANTIC, "%s takes a value of a known type", name);
    return SQ_OK;
}

sq_rc sq_array_agg_derive(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    SQ_TRY(one_argument(ctx, "ARRAY_AGG", args, n));
    *ret = sq_type_array(a, true, args[0]);
    return *ret ? SQ_OK : SQ_NOMEM;
}

sq_rc sq_collect_derive(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    SQ_TRY(one_argument(ctx, "COLLECT", args, n));
    *ret = sq_type_multiset(a, false, args[0]);
    return *ret ? SQ_OK : SQ_NOMEM;
}

/* The separator is the second argument; without it ','. */
sq_rc sq_listagg_derive(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    (void)a;
    for (uint32_t i = 0; i < n; i++)
        if (!sq_tid_is_string(args[i]->id)) {
            sq_fail(ctx, SQ_SEMANTIC, i ? "the separator of LISTAGG is a text" : "LISTAGG takes texts");
            return sq_hint(ctx, "CAST(… AS STRING)");
        }
    *ret = &sq_type_string;
    return SQ_OK;
}

/* ---- the list ---- */

static void account(struct sq_agg_call *c, struct list *l)
{
    size_t now = sizeof *l + l->cap * sizeof *l->item + l->bytes.cap + 2 * (size_t)l->nchains * sizeof *l->first;

    *c->state_bytes += now - l->charged;
    l->charged = now;
}

static struct list *list_of(struct sq_agg_call *c, void *acc)
{
    struct acc *a = acc;

    if (!a->list && (a->list = sq_calloc(c->ctx, sizeof *a->list))) {
        sq_buf_init(&a->list->bytes, c->ctx);
        account(c, a->list);
    }
    return a->list;
}

static void hang(struct list *l, uint32_t i)
{
    uint32_t k = l->item[i].hash & (l->nchains - 1);

    l->item[i].next = NONE;
    if (l->first[k] == NONE)
        l->first[k] = i;
    else
        l->item[l->last[k]].next = i;
    l->last[k] = i;
}

/* As many chains as there is room for items, with every item that is there. */
static sq_rc hang_all(struct sq_agg_call *c, struct list *l)
{
    uint32_t *first = sq_realloc(c->ctx, l->first, 2 * (size_t)l->cap * sizeof *first);

    if (!first)
        return c->ctx->err.rc;
    l->first = first;
    l->last = first + l->cap;
    l->nchains = l->cap;
    memset(first, 0xff, 2 * (size_t)l->cap * sizeof *first);
    for (uint32_t i = 0; i < l->n; i++)
        hang(l, i);
    return SQ_OK;
}

/* Leaves out what is gone; the bytes move together. */
static void sweep(struct list *l)
{
    uint32_t n = 0, at = 0;

    for (uint32_t i = 0; i < l->n; i++) {
        struct item m = l->item[i];

        if (m.count == 0)
            continue;
        if (m.len)
            memmove(l->bytes.p + at, l->bytes.p + m.at, m.len);
        m.at = at;
        at += m.len;
        l->item[n++] = m;
    }
    l->n = n;
    l->gone = 0;
    l->bytes.n = at;
}

static sq_rc make_room(struct sq_agg_call *c, struct list *l)
{
    if (l->gone > l->n / 2) {
        sweep(l);
        if (l->first)
            SQ_TRY(hang_all(c, l));
    }
    if (l->n < l->cap)
        return SQ_OK;
    uint32_t cap = l->cap ? 2 * l->cap : FIRST_ITEMS;
    struct item *p = cap > l->cap ? sq_realloc(c->ctx, l->item, cap * sizeof *p) : NULL;
    if (!p)
        return c->ctx->err.rc ? c->ctx->err.rc : sq_fail(c->ctx, SQ_LIMIT, "%s has more than %u values", c->agg->name, l->n);
    l->item = p;
    l->cap = cap;
    return looks_up(c) ? hang_all(c, l) : SQ_OK;
}

/* A new item of these bytes at the end. */
static sq_rc push(struct sq_agg_call *c, struct list *l, struct sq_str value, uint32_t hash, int64_t count)
{
    SQ_TRY(make_room(c, l));
    if (l->bytes.n + value.n > UINT32_MAX)
        return sq_fail(c->ctx, SQ_LIMIT, "the values of one %s take more than 4 GB", c->agg->name);
    l->item[l->n] = (struct item){.count = count, .at = (uint32_t)l->bytes.n, .len = value.n, .hash = hash, .next = NONE};
    SQ_TRY(sq_buf_add(&l->bytes, value.p, value.n));
    if (l->first)
        hang(l, l->n);
    l->n++;
    account(c, l);
    return SQ_OK;
}

static bool is_value(const struct list *l, const struct item *m, struct sq_str value, uint32_t hash)
{
    return m->hash == hash && m->len == value.n && (value.n == 0 || memcmp(l->bytes.p + m->at, value.p, value.n) == 0);
}

/* The first item of the value whose count is above zero, or below; or of any count. */
enum want { ABOVE, BELOW, ANY };
static uint32_t find(const struct list *l, struct sq_str value, uint32_t hash, enum want want)
{
    uint32_t i = l->nchains ? l->first[hash & (l->nchains - 1)] : NONE;

    for (; i != NONE; i = l->item[i].next) {
        int64_t n = l->item[i].count;
        if (n != 0 && (want == ANY || (n > 0) == (want == ABOVE)) && is_value(l, &l->item[i], value, hash))
            return i;
    }
    return NONE;
}

/* Takes an item that is gone out of its chain. */
static void unhang(struct list *l, uint32_t i)
{
    uint32_t k = l->item[i].hash & (l->nchains - 1), before = NONE, at = l->first[k];

    for (; at != i; at = l->item[at].next)
        before = at;
    if (before == NONE)
        l->first[k] = l->item[i].next;
    else
        l->item[before].next = l->item[i].next;
    if (l->last[k] == i)
        l->last[k] = before;
    l->gone++;
}

static sq_rc change(struct sq_agg_call *c, void *acc, struct sq_str value, int64_t by)
{
    struct list *l = list_of(c, acc);
    uint32_t hash = (uint32_t)XXH3_64bits(value.p, value.n), i = NONE;

    if (!l)
        return c->ctx->err.rc;
    if (looks_up(c))
        i = find(l, value, hash, counts(c) ? ANY : by > 0 ? BELOW : ABOVE);
    if (i == NONE)
        return push(c, l, value, hash, by);
    if ((l->item[i].count += by) == 0)
        unhang(l, i);
    return SQ_OK;
}

/* ---- the entry points ---- */

sq_rc sq_collect_update(struct sq_agg_call *c, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind)
{
    struct sq_buf value;
    sq_rc rc = SQ_OK;

    sq_buf_init(&value, c->ctx);
    SQ_EACH_ROW(rows, i, r) {
        if (!(c->agg->flags & SQ_AGG_NULLS) && sq_vec_null(arg, r))
            continue;
        sq_buf_reset(&value);
        SQ_TRY_OUT(sq_row_pack(&value, arg, NULL, 1, r));
        if (value.n > UINT32_MAX)
            SQ_TRY_OUT(sq_fail(c->ctx, SQ_LIMIT, "a value of %s takes more than 4 GB", c->agg->name));
        SQ_TRY_OUT(change(c, acc[i], sq_buf_view(&value), !kind || sq_kind_adds(kind[r]) ? 1 : -1));
    }
out:
    sq_buf_free(&value);
    return rc;
}

sq_rc sq_collect_merge(struct sq_agg_call *c, void *into, const void *from)
{
    const struct list *l = ((const struct acc *)from)->list;

    for (uint32_t i = 0; l && i < l->n; i++)
        if (l->item[i].count)
            SQ_TRY(change(c, into, (struct sq_str){l->bytes.p + l->item[i].at, l->item[i].len}, l->item[i].count));
    return SQ_OK;
}

static sq_rc append(struct sq_agg_call *c, const struct list *l, const struct item *m, struct sq_col *out)
{
    const char *p = l->bytes.p + m->at;
    int32_t count = m->count > INT32_MAX ? INT32_MAX : (int32_t)m->count;

    if (!sq_row_unpack(p, p + m->len, &out->kid[0], 1))
        return c->ctx->err.rc ? c->ctx->err.rc : sq_fail(c->ctx, SQ_DATA, "the saved state of %s is damaged", c->agg->name);
    return counts(c) ? sq_col_append_fixed(&out->kid[1], &count) : SQ_OK;
}

sq_rc sq_collect_result(struct sq_agg_call *c, const void *acc, struct sq_col *out)
{
    const struct list *l = ((const struct acc *)acc)->list;
    uint32_t n = 0;

    for (uint32_t i = 0; l && i < l->n; i++)
        if (l->item[i].count > 0) {
            SQ_TRY(append(c, l, &l->item[i], out));
            n++;
        }
    return n || counts(c) ? sq_col_append_list(out, n) : sq_col_append_null(out);
}

/* The text of an item: behind the bitmap of one byte and the length. */
static struct sq_str text_of(const struct list *l, const struct item *m)
{
    enum { HEAD = 5 };
    return m->len < HEAD ? (struct sq_str){"", 0} : (struct sq_str){l->bytes.p + m->at + HEAD, m->len - HEAD};
}

sq_rc sq_listagg_result(struct sq_agg_call *c, const void *acc, struct sq_col *out)
{
    const struct list *l = ((const struct acc *)acc)->list;
    struct sq_str sep = c->opt ? sq_view_str(c->opt->data) : SQ_STR(",");
    uint64_t n = 0, items = 0;
    char *p, *to;

    for (uint32_t i = 0; l && i < l->n; i++)
        if (l->item[i].count > 0)
            n += text_of(l, &l->item[i]).n + (items++ ? sep.n : 0);
    if (!items)
        return sq_col_append_null(out);
    if (n > SQ_STRING_MAX)
        return sq_fail(c->ctx, SQ_LIMIT, "a LISTAGG of %llu bytes is too long", (unsigned long long)n);
    if (!(p = to = sq_arena_get(out->heap, n + 1, 1)))
        return c->ctx->err.rc;
    for (uint32_t i = 0; i < l->n; i++) {
        struct sq_str s = text_of(l, &l->item[i]);
        if (l->item[i].count <= 0)
            continue;
        memcpy(to, s.p, s.n);
        to += s.n;
        if (--items && sep.n) {
            memcpy(to, sep.p, sep.n);
            to += sep.n;
        }
    }
    SQ_TRY(sq_col_reserve(out, 1));
    ((struct sq_view *)out->vec.data)[out->n++] = sq_view_of(p, (uint32_t)n);
    return SQ_OK;
}

bool sq_collect_end(const void *acc, bool last, struct sq_str *value)
{
    const struct list *l = ((const struct acc *)acc)->list;

    for (uint32_t i = 0; l && i < l->n; i++) {
        const struct item *m = &l->item[last ? l->n - 1 - i : i];
        if (m->count > 0) {
            *value = (struct sq_str){l->bytes.p + m->at, m->len};
            return true;
        }
    }
    return false;
}

/* How many items, then each one's count, length and bytes. */
sq_rc sq_collect_save(struct sq_agg_call *c, const void *acc, struct sq_buf *b)
{
    const struct list *l = ((const struct acc *)acc)->list;

    (void)c;
    SQ_TRY(sq_buf_u32(b, l ? l->n - l->gone : 0));
    for (uint32_t i = 0; l && i < l->n; i++) {
        const struct item *m = &l->item[i];
        if (!m->count)
            continue;
        SQ_TRY(sq_buf_u64(b, (uint64_t)m->count));
        SQ_TRY(sq_buf_u32(b, m->len));
        SQ_TRY(sq_buf_add(b, l->bytes.p + m->at, m->len));
    }
    return SQ_OK;
}

sq_rc sq_collect_load(struct sq_agg_call *c, void *acc, const char **at, const char *end)
{
    uint32_t n, len;
    int64_t count;

    SQ_TRY(sq_agg_take(c, at, end, &n, sizeof n));
    while (n-- > 0) {
        SQ_TRY(sq_agg_take(c, at, end, &count, sizeof count));
        SQ_TRY(sq_agg_take(c, at, end, &len, sizeof len));
        if ((size_t)(end - *at) < len || count == 0)
            return sq_fail(c->ctx, SQ_DATA, "the saved state of %s is damaged", c->agg->name);
        struct list *l = list_of(c, acc);
        if (!l)
            return c->ctx->err.rc;
        SQ_TRY(push(c, l, (struct sq_str){*at, len}, (uint32_t)XXH3_64bits(*at, len), count));
        *at += len;
    }
    return SQ_OK;
}

void sq_collect_drop(struct sq_agg_call *c, void *acc)
{
    struct acc *a = acc;
    struct list *l = a->list;

    if (!l)
        return;
    *c->state_bytes -= l->charged;
    sq_buf_free(&l->bytes);
    sq_free(c->ctx, l->first);
    sq_free(c->ctx, l->item);
    sq_free(c->ctx, l);
    a->list = NULL;
}
