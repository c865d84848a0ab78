/* SPDX-License-Identifier: Apache-2.0
 *
 * minmax.c: MIN and MAX of anything that compares.
 *
 * Where rows are only added, an accumulator keeps the best value. Where they may be taken back, it keeps all values with their counts in
 * an ordered tree (a treap whose priorities are hashes of the values, so its shape depends on nothing else), and the next best
 * is found in logarithmic time. Values hanging on an accumulator are charged to the operator's state.
 *
 * Invariant: every node's count is above zero. Taking back a value that is not there does nothing.
 */
#include "functions/agg.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct best {                       /* only added: 32 bytes */
    union {
        struct sq_view view;        /* long strings: a block of its own, `cap` bytes */
        char fixed[16];
    } v;
    uint32_t has, cap;
    uint64_t pad;
};

struct node {
    struct node *kid[2];            /* less, greater */
    uint32_t prio, len;
    int64_t count;
    char bytes[];                   /* the element, or the string */
};

struct tree {                       /* under retraction: 16 bytes */
    struct node *root;
    uint64_t pad;
};

static sq_rc derive(struct sq_ctx *ctx, struct sq_arena *a, const char *name, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    struct sq_buf b;

    if (n != 1)
        return sq_fail(ctx, SQ_SEMANTIC, "%s takes one argument, not %u", name, n);
    if (args[0]->nchild == 0 && args[0]->id != SQ_T_SYMBOL) {
        *ret = args[0]->id == SQ_T_NULL ? &sq_type_int : sq_type_nullable(a, args[0], true);
        return *ret ? SQ_OK : SQ_NOMEM;
    }
    sq_buf_init(&b, ctx);
    sq_type_print(&b, args[0]);
    sq_fail(ctx, SQ_SEMANTIC, "%s takes a value with an order (number, text, time), not %s", name, b.p ? b.p : "this type");
    sq_buf_free(&b);
    return sq_hint(ctx, "take %s of one of its fields or elements", name);
}

sq_rc sq_min_derive(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    return derive(ctx, a, "MIN", args, n, ret);
}

sq_rc sq_max_derive(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    return derive(ctx, a, "MAX", args, n, ret);
}

size_t sq_minmax_size(const struct sq_agg_call *c)
{
    return c->retracts ? sizeof(struct tree) : sizeof(struct best);
}

/* ---- order ---- */

#define CMP(a, b) (((a) > (b)) - ((a) < (b)))

static inline int cmp_double(double a, double b)
{
    return a != a || b != b ? (a != a) - (b != b) : CMP(a, b);
}

static inline int cmp_bytes(const char *a, uint32_t na, const char *b, uint32_t nb)
{
    int d = memcmp(a, b, na < nb ? na : nb);
    return d ? d : CMP(na, nb);
}

#define CMP_AS(T)                     \
    do {                              \
        T x, y;                       \
        memcpy(&x, a, sizeof x);      \
        memcpy(&y, b, sizeof y);      \
        return CMP(x, y);             \
    } while (0)

/* Two elements as bytes; of strings their text. */
static int compare(enum sq_phys phys, const char *a, uint32_t na, const char *b, uint32_t nb)
{
    switch (phys) {
    case SQ_P_BOOL: CMP_AS(uint8_t);
    case SQ_P_I8: CMP_AS(int8_t);
    case SQ_P_I16: CMP_AS(int16_t);
    case SQ_P_I32: CMP_AS(int32_t);
    case SQ_P_I64: CMP_AS(int64_t);
    case SQ_P_I128: CMP_AS(sq_i128);
    case SQ_P_F32: {
        float x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        return cmp_double((double)x, (double)y);
    }
    case SQ_P_F64: {
        double x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        return cmp_double(x, y);
    }
    case SQ_P_TS16: {
        struct sq_ts16 x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        return x.us != y.us ? CMP(x.us, y.us) : CMP(x.ns, y.ns);
    }
    default: return cmp_bytes(a, na, b, nb);
    }
}

/* The bytes of element e. */
static inline struct sq_str element(const struct sq_agg_in *in, uint32_t e)
{
    uint32_t w = sq_phys_size(in->phys);

    if (in->phys == SQ_P_VIEW)
        return sq_view_str((const struct sq_view *)in->data + e);
    return (struct sq_str){(const char *)in->data + (size_t)e * w, w};
}

/* ---- only added ---- */

static struct sq_str best_bytes(const struct best *b, enum sq_phys phys)
{
    return phys == SQ_P_VIEW ? sq_view_str(&b->v.view) : (struct sq_str){b->v.fixed, sq_phys_size(phys)};
}

static sq_rc best_set(struct sq_agg_call *c, struct best *b, enum sq_phys phys, struct sq_str s)
{
    b->has = 1;
    if (phys != SQ_P_VIEW) {
        memcpy(b->v.fixed, s.p, s.n);
        return SQ_OK;
    }
    char *old = b->cap ? (char *)(uintptr_t)b->v.view.u.ptr : NULL;   /* cap is not 0: the view is a long one in our block */
    if (s.n <= SQ_VIEW_INLINE) {
        b->v.view = sq_view_of(s.p, s.n);
        sq_free(c->ctx, old);
        *c->state_bytes -= b->cap;
        b->cap = 0;
        return SQ_OK;
    }
    if (b->cap < s.n) {
        char *p = sq_alloc(c->ctx, s.n);
        if (!p)
            return SQ_NOMEM;
        sq_free(c->ctx, old);
        *c->state_bytes += s.n - b->cap;
        b->cap = s.n;
        old = p;
    }
    memcpy(old, s.p, s.n);
    b->v.view = sq_view_of(old, s.n);
    return SQ_OK;
}

static inline sq_rc best_offer(struct sq_agg_call *c, struct best *b, enum sq_phys phys, struct sq_str s, bool max)
{
    if (b->has) {
        struct sq_str had = best_bytes(b, phys);
        int d = compare(phys, s.p, s.n, had.p, had.n);
        if (max ? d <= 0 : d >= 0)
            return SQ_OK;
    }
    return best_set(c, b, phys, s);
}

#define BEST_LOOP(T)                                                       \
    SQ_EACH_ROW(rows, i, r) {                                              \
        struct best *b = acc[i];                                           \
        const T x = ((const T *)in.data)[r];                               \
        T had;                                                             \
        memcpy(&had, b->v.fixed, sizeof had);                              \
        if (!b->has || (max ? x > had : x < had)) {                        \
            memcpy(b->v.fixed, &x, sizeof x);                              \
            b->has = 1;                                                    \
        }                                                                  \
    }

/* ---- under retraction ---- */

static inline struct node *rotate(struct node *n, int side)      /* kid[side] comes up */
{
    struct node *k = n->kid[side];

    n->kid[side] = k->kid[!side];
    k->kid[!side] = n;
    return k;
}

static struct node *new_node(struct sq_agg_call *c, struct sq_str s)
{
    struct node *n = sq_alloc(c->ctx, sizeof *n + s.n);

    if (!n)
        return NULL;
    *n = (struct node){.prio = (uint32_t)XXH3_64bits(s.p, s.n), .len = s.n, .count = 1};
    memcpy(n->bytes, s.p, s.n);
    *c->state_bytes += sizeof *n + s.n;
    return n;
}

static void free_node(struct sq_agg_call *c, struct node *n)
{
    *c->state_bytes -= sizeof *n + n->len;
    sq_free(c->ctx, n);
}

static struct node *find(struct node *n, enum sq_phys phys, struct sq_str s)
{
    while (n) {
        int d = compare(phys, s.p, s.n, n->bytes, n->len);
        if (d == 0)
            return n;
        n = n->kid[d > 0];
    }
    return NULL;
}

static struct node *put(struct node *n, struct node *fresh, enum sq_phys phys)
{
    if (!n)
        return fresh;
    int side = compare(phys, fresh->bytes, fresh->len, n->bytes, n->len) > 0;
    n->kid[side] = put(n->kid[side], fresh, phys);
    return n->kid[side]->prio > n->prio ? rotate(n, side) : n;
}

/* Takes the node with this value out. It is there. */
static struct node *cut(struct sq_agg_call *c, struct node *n, enum sq_phys phys, struct sq_str s)
{
    int d = compare(phys, s.p, s.n, n->bytes, n->len);

    if (d != 0) {
        n->kid[d > 0] = cut(c, n->kid[d > 0], phys, s);
        return n;
    }
    if (!n->kid[0] || !n->kid[1]) {
        struct node *rest = n->kid[0] ? n->kid[0] : n->kid[1];
        free_node(c, n);
        return rest;
    }
    int side = n->kid[1]->prio > n->kid[0]->prio;
    n = rotate(n, side);
    n->kid[!side] = cut(c, n->kid[!side], phys, s);
    return n;
}

static sq_rc tree_add(struct sq_agg_call *c, struct tree *t, enum sq_phys phys, struct sq_str s, int64_t times)
{
    struct node *n = find(t->root, phys, s);

    if (n) {
        n->count += times;
        return SQ_OK;
    }
    n = new_node(c, s);
    if (!n)
        return SQ_NOMEM;
    n->count = times;
    t->root = put(t->root, n, phys);
    return SQ_OK;
}

static void tree_take(struct sq_agg_call *c, struct tree *t, enum sq_phys phys, struct sq_str s)
{
    struct node *n = find(t->root, phys, s);

    if (n && --n->count == 0)
        t->root = cut(c, t->root, phys, s);
}

static void tree_free(struct sq_agg_call *c, struct node *n)
{
    while (n) {                      /* the longer way by iteration would need a stack; depth is logarithmic */
        struct node *right = n->kid[1];
        tree_free(c, n->kid[0]);
        free_node(c, n);
        n = right;
    }
}

static sq_rc tree_each(const struct node *n, sq_rc (*fn)(void *, const struct node *), void *arg)
{
    for (; n; n = n->kid[1]) {
        SQ_TRY(tree_each(n->kid[0], fn, arg));
        SQ_TRY(fn(arg, n));
    }
    return SQ_OK;
}

/* ---- the entry points ---- */

static inline sq_rc update(struct sq_agg_call *c, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind, bool max)
{
    struct sq_agg_in in;
    bool nulls = sq_agg_in(&in, arg);

    if (!c->retracts && !nulls && arg->enc == SQ_FLAT)
        switch (in.phys) {
        case SQ_P_I32: BEST_LOOP(int32_t) return SQ_OK;
        case SQ_P_I64: BEST_LOOP(int64_t) return SQ_OK;
        default: break;
        }
    SQ_EACH_ROW(rows, i, r) {
        uint32_t e = sq_agg_at_row(&in, r);
        if (!sq_agg_present(&in, e))
            continue;
        struct sq_str s = element(&in, e);
        if (!c->retracts)
            SQ_TRY(best_offer(c, acc[i], in.phys, s, max));
        else if (!kind || sq_kind_adds(kind[r]))
            SQ_TRY(tree_add(c, acc[i], in.phys, s, 1));
        else
            tree_take(c, acc[i], in.phys, s);
    }
    return SQ_OK;
}

sq_rc sq_min_update(struct sq_agg_call *c, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind)
{
    return update(c, acc, arg, rows, kind, false);
}

sq_rc sq_max_update(struct sq_agg_call *c, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind)
{
    return update(c, acc, arg, rows, kind, true);
}

struct merging { struct sq_agg_call *c; struct tree *into; };

static sq_rc merge_node(void *arg, const struct node *n)
{
    struct merging *m = arg;
    return tree_add(m->c, m->into, sq_type_phys(m->c->arg), (struct sq_str){n->bytes, n->len}, n->count);
}

static sq_rc merge(struct sq_agg_call *c, void *into, const void *from, bool max)
{
    enum sq_phys phys = sq_type_phys(c->arg);

    if (c->retracts)
        return tree_each(((const struct tree *)from)->root, merge_node, &(struct merging){c, into});
    const struct best *b = from;
    return b->has ? best_offer(c, into, phys, best_bytes(b, phys), max) : SQ_OK;
}

sq_rc sq_min_merge(struct sq_agg_call *c, void *into, const void *from) { return merge(c, into, from, false); }
sq_rc sq_max_merge(struct sq_agg_call *c, void *into, const void *from) { return merge(c, into, from, true); }

static sq_rc append(struct sq_col *out, enum sq_phys phys, const char *p, uint32_t n)
{
    _Alignas(16) char x[16];

    if (phys == SQ_P_VIEW)
        return sq_col_append_view(out, p, n);
    memcpy(x, p, n);
    return sq_col_append_fixed(out, x);
}

static sq_rc result(struct sq_agg_call *c, const void *acc, struct sq_col *out, bool max)
{
    enum sq_phys phys = sq_type_phys(c->arg);

    if (!c->retracts) {
        const struct best *b = acc;
        struct sq_str s = best_bytes(b, phys);
        return b->has ? append(out, phys, s.p, s.n) : sq_col_append_null(out);
    }
    const struct node *n = ((const struct tree *)acc)->root;
    if (!n)
        return sq_col_append_null(out);
    while (n->kid[max])
        n = n->kid[max];
    return append(out, phys, n->bytes, n->len);
}

sq_rc sq_min_result(struct sq_agg_call *c, const void *acc, struct sq_col *out) { return result(c, acc, out, false); }
sq_rc sq_max_result(struct sq_agg_call *c, const void *acc, struct sq_col *out) { return result(c, acc, out, true); }

void sq_minmax_drop(struct sq_agg_call *c, void *acc)
{
    if (c->retracts) {
        tree_free(c, ((struct tree *)acc)->root);
        ((struct tree *)acc)->root = NULL;
        return;
    }
    struct best *b = acc;
    if (b->cap) {
        sq_free(c->ctx, (void *)(uintptr_t)b->v.view.u.ptr);
        *c->state_bytes -= b->cap;
    }
    memset(b, 0, sizeof *b);
}

/* ---- saved: without retraction, whether there is a value (a byte) and it; else how many values, then each with its count. Strings with their length ---- */

struct saving { struct sq_buf *out; bool strings; };

static sq_rc save_node(void *arg, const struct node *n)
{
    const struct saving *s = arg;
    SQ_TRY(sq_buf_u64(s->out, (uint64_t)n->count));
    if (s->strings)
        SQ_TRY(sq_buf_u32(s->out, n->len));
    return sq_buf_add(s->out, n->bytes, n->len);
}

static sq_rc count_node(void *arg, const struct node *n)
{
    (void)n;
    ++*(uint32_t *)arg;
    return SQ_OK;
}

sq_rc sq_minmax_save(struct sq_agg_call *c, const void *acc, struct sq_buf *out)
{
    uint32_t n = 0;

    if (c->retracts) {
        const struct node *root = ((const struct tree *)acc)->root;
        tree_each(root, count_node, &n);
        struct saving s = {out, sq_type_phys(c->arg) == SQ_P_VIEW};
        SQ_TRY(sq_buf_u32(out, n));
        return tree_each(root, save_node, &s);
    }
    const struct best *b = acc;
    enum sq_phys phys = sq_type_phys(c->arg);
    SQ_TRY(sq_buf_putc(out, b->has ? 1 : 0));
    if (!b->has)
        return SQ_OK;
    struct sq_str s = best_bytes(b, phys);
    if (phys == SQ_P_VIEW)
        SQ_TRY(sq_buf_u32(out, s.n));
    return sq_buf_add(out, s.p, s.n);
}

static sq_rc take_bytes(struct sq_agg_call *c, enum sq_phys phys, const char **at, const char *end, struct sq_str *out)
{
    out->n = phys == SQ_P_VIEW ? 0 : sq_phys_size(phys);
    if (phys == SQ_P_VIEW)
        SQ_TRY(sq_agg_take(c, at, end, &out->n, 4));
    if ((size_t)(end - *at) < out->n)
        return sq_fail(c->ctx, SQ_DATA, "the saved state of %s is damaged", c->agg->name);
    out->p = *at;
    *at += out->n;
    return SQ_OK;
}

static sq_rc load_best(struct sq_agg_call *c, void *acc, const char **at, const char *end, bool max)
{
    enum sq_phys phys = sq_type_phys(c->arg);
    struct sq_str s;
    uint8_t has;

    SQ_TRY(sq_agg_take(c, at, end, &has, 1));
    if (!has)
        return SQ_OK;
    SQ_TRY(take_bytes(c, phys, at, end, &s));
    return best_offer(c, acc, phys, s, max);
}

static sq_rc load(struct sq_agg_call *c, void *acc, const char **at, const char *end, bool max)
{
    enum sq_phys phys = sq_type_phys(c->arg);
    struct sq_str s;
    int64_t count;
    uint32_t n;

    if (!c->retracts)
        return load_best(c, acc, at, end, max);
    SQ_TRY(sq_agg_take(c, at, end, &n, 4));
    while (n--) {
        SQ_TRY(sq_agg_take(c, at, end, &count, 8));
        SQ_TRY(take_bytes(c, phys, at, end, &s));
        if (count < 1)
            return sq_fail(c->ctx, SQ_DATA, "the saved state of %s is damaged", c->agg->name);
        SQ_TRY(tree_add(c, acc, phys, s, count));
    }
    return SQ_OK;
}

sq_rc sq_min_load(struct sq_agg_call *c, void *acc, const char **at, const char *end) { return load(c, acc, at, end, false); }
sq_rc sq_max_load(struct sq_agg_call *c, void *acc, const char **at, const char *end) { return load(c, acc, at, end, true); }
