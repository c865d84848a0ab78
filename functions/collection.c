/* SPDX-License-Identifier: Apache-2.0
 *
 * collection.c: values made of values: ROW(…), ARRAY[…], MAP[…], and the functions of arrays and maps.
 *
 * Elements are equal when they compare as equal; NULL is a value like others here, as in Flink. What looks for doubles or for elements of another array sorts the
 * positions of the elements, so long arrays cost n log n. What each takes is told by code (the `match` of its row), because types of elements have to
 * meet: an element is cast to the array's type where that can be done silently, arrays to their common type.
 *
 * FLINK: MAP_UNION has the later map's entries first; ARRAY_EXCEPT has its NULL last; a MAP that is given a key twice keeps the later value.
 */
#include "functions/kernel.h"

#define ARGS struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out
#define MATCH struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **param, const struct sq_type **ret, bool *fits

static inline struct sq_list list_at(const struct sq_vec *v, uint32_t r)
{
    return SQ_AT(struct sq_list, *v, r);
}

/* ---- constructors ---- */

static sq_rc make_row(ARGS)
{
    (void)out;
    SQ_EACH_ROW(rows, i, r) {
        for (uint32_t k = 0; k < nargs; k++)
            SQ_TRY(sq_col_append(&call->builder->kid[k], &args[k], r));
        SQ_TRY(sq_col_append_struct(call->builder));
    }
    return SQ_OK;
}

static sq_rc make_array(ARGS)
{
    (void)out;
    SQ_EACH_ROW(rows, i, r) {
        for (uint32_t k = 0; k < nargs; k++)
            SQ_TRY(sq_col_append(&call->builder->kid[0], &args[k], r));
        SQ_TRY(sq_col_append_list(call->builder, nargs));
    }
    return SQ_OK;
}

/* The last argument with the key of argument k. */
static uint32_t last_of(const struct sq_vec *args, uint32_t nargs, uint32_t k, uint32_t r)
{
    uint32_t last = k;

    for (uint32_t j = k + 2; j < nargs; j += 2)
        if (sq_vec_compare(&args[k], r, &args[j], r) == 0)
            last = j;
    return last;
}

static bool key_before(const struct sq_vec *args, uint32_t k, uint32_t r)
{
    for (uint32_t j = 0; j < k; j += 2)
        if (sq_vec_compare(&args[k], r, &args[j], r) == 0)
            return true;
    return false;
}

static sq_rc make_map(ARGS)
{
    (void)out;
    SQ_EACH_ROW(rows, i, r) {
        uint32_t n = 0;

        for (uint32_t k = 0; k < nargs; k += 2) {
            if (key_before(args, k, r))
                continue;
            SQ_TRY(sq_col_append(&call->builder->kid[0], &args[k], r));
            SQ_TRY(sq_col_append(&call->builder->kid[1], &args[last_of(args, nargs, k, r) + 1], r));
            n++;
        }
        SQ_TRY(sq_col_append_list(call->builder, n));
    }
    return SQ_OK;
}

/* ---- sorted positions ---- */

/* Stable, by merging runs: idx[0..n) are positions in v; tmp has room for n. */
static void sort_positions(const struct sq_vec *v, uint32_t *idx, uint32_t *tmp, uint32_t n)
{
    for (uint32_t run = 1; run < n; run *= 2) {
        for (uint32_t from = 0; from < n; from += 2 * run) {
            uint32_t mid = from + run < n ? from + run : n, end = from + 2 * run < n ? from + 2 * run : n;
            uint32_t i = from, j = mid;

            for (uint32_t k = from; k < end; k++)
                tmp[k] = j >= end || (i < mid && sq_vec_compare(v, idx[i], v, idx[j]) <= 0) ? idx[i++] : idx[j++];
        }
        memcpy(idx, tmp, n * sizeof *idx);
    }
}

/* The positions of the list's elements in their order; NULL: out of memory. */
static uint32_t *sorted(struct sq_call *call, const struct sq_vec *v, struct sq_list l)
{
    uint32_t *idx = sq_arena_get(call->heap, (2 * (size_t)l.len + 1) * sizeof *idx, 16);

    if (!idx)
        return NULL;
    for (uint32_t i = 0; i < l.len; i++)
        idx[i] = l.off + i;
    sort_positions(v, idx, idx + l.len, l.len);
    return idx;
}

static bool found(const struct sq_vec *v, const uint32_t *idx, uint32_t n, const struct sq_vec *of, uint32_t e)
{
    uint32_t lo = 0, hi = n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = sq_vec_compare(v, idx[mid], of, e);

        if (c == 0)
            return true;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

/* Marks the first of equal elements. */
static uint8_t *firsts(struct sq_call *call, const struct sq_vec *v, struct sq_list l)
{
    uint32_t *idx = sorted(call, v, l);
    uint8_t *first = idx ? sq_arena_zero(call->heap, l.len + 1) : NULL;

    for (uint32_t i = 0; first && i < l.len; i++)
        first[idx[i] - l.off] = i == 0 || sq_vec_compare(v, idx[i - 1], v, idx[i]) != 0;
    return first;
}

/* ---- looking into arrays ---- */

static sq_rc cardinality(ARGS)
{
    (void)call, (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_list l = list_at(&args[0], r);
        int32_t n = (int32_t)l.len;

        if (args[0].type->id == SQ_T_MULTISET) {
            n = 0;
            for (uint32_t e = l.off; e < l.off + l.len; e++)
                n += ((const int32_t *)args[0].child[1].data)[e];
        }
        ((int32_t *)out->data)[r] = n;
    }
    return SQ_OK;
}

static bool contains(const struct sq_vec *args, uint32_t r, uint32_t *at)
{
    struct sq_list l = list_at(&args[0], r);

    for (*at = 0; *at < l.len; ++*at)
        if (sq_vec_compare(&args[0].child[0], l.off + *at, &args[1], r) == 0)
            return true;
    return false;
}

static sq_rc array_contains(ARGS)
{
    uint32_t at;

    (void)call, (void)nargs;
    SQ_EACH_ROW(rows, i, r)
        if (sq_arg_null(&args[0], r))
            sq_null_out(out, r);
        else
            ((uint8_t *)out->data)[r] = contains(args, r, &at);
    return SQ_OK;
}

static sq_rc array_position(ARGS)
{
    uint32_t at;

    (void)call, (void)nargs;
    SQ_EACH_ROW(rows, i, r)
        ((int32_t *)out->data)[r] = contains(args, r, &at) ? (int32_t)at + 1 : 0;
    return SQ_OK;
}

/* Writes element e to row r of a result that is not nested. */
static void put_element(struct sq_vec *out, uint32_t r, const struct sq_vec *v, uint32_t e)
{
    size_t size = sq_phys_size(sq_type_phys(v->type));

    if (sq_vec_null(v, e))
        sq_null_out(out, r);
    else
        memcpy((char *)out->data + size * r, (const char *)v->data + size * e, size);
}

static sq_rc extreme(const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, int sign)
{
    const struct sq_vec *v = &args[0].child[0];

    SQ_EACH_ROW(rows, i, r) {
        struct sq_list l = list_at(&args[0], r);
        uint32_t best = UINT32_MAX;

        for (uint32_t e = l.off; e < l.off + l.len; e++)
            if (!sq_vec_null(v, e) && (best == UINT32_MAX || sign * sq_vec_compare(v, e, v, best) > 0))
                best = e;
        if (best == UINT32_MAX)
            sq_null_out(out, r);
        else
            put_element(out, r, v, best);
    }
    return SQ_OK;
}

static sq_rc array_max(ARGS)
{
    (void)call, (void)nargs;
    return extreme(args, rows, out, 1);
}

static sq_rc array_min(ARGS)
{
    (void)call, (void)nargs;
    return extreme(args, rows, out, -1);
}

static sq_rc only_element(struct sq_call *call, struct sq_list l)
{
    return l.len <= 1 ? SQ_OK : sq_fail(call->ctx, SQ_DATA, "ELEMENT of an array of %u elements: it must have one at most", l.len);
}

static sq_rc element(ARGS)
{
    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_list l = list_at(&args[0], r);

        SQ_TRY(only_element(call, l));
        if (l.len)
            put_element(out, r, &args[0].child[0], l.off);
        else
            sq_null_out(out, r);
    }
    return SQ_OK;
}

static sq_rc nested_element(ARGS)
{
    (void)nargs, (void)out;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_list l = list_at(&args[0], r);

        SQ_TRY(only_element(call, l));
        SQ_TRY(l.len ? sq_col_append(call->builder, &args[0].child[0], l.off) : sq_col_append_null(call->builder));
    }
    return SQ_OK;
}

static sq_rc array_join(ARGS)
{
    struct sq_buf b = {.ctx = call->ctx};
    sq_rc rc = SQ_OK;

    SQ_EACH_ROW(rows, i, r) {
        const struct sq_vec *v = &args[0].child[0];
        struct sq_list l = list_at(&args[0], r);
        bool some = false;

        sq_buf_reset(&b);
        for (uint32_t e = l.off; e < l.off + l.len; e++) {
            bool null = sq_vec_null(v, e);
            if (null && nargs < 3)
                continue;
            if (some)
                sq_buf_str(&b, sq_text_at(&args[1], r));
            sq_buf_str(&b, null ? sq_text_at(&args[2], r) : sq_view_str((const struct sq_view *)v->data + e));
            some = true;
        }
        SQ_TRY_OUT(b.rc);
        SQ_TRY_OUT(sq_put_copy(call, out, r, b.p ? b.p : "", b.n));
    }
out:
    sq_buf_free(&b);
    return rc;
}

/* ---- arrays out of arrays ---- */

static sq_rc put(struct sq_call *call, const struct sq_vec *v, uint32_t e, uint32_t *n)
{
    ++*n;
    return sq_col_append(&call->builder->kid[0], v, e);
}

static sq_rc put_list(struct sq_call *call, const struct sq_vec *v, struct sq_list l, uint32_t *n)
{
    for (uint32_t e = l.off; e < l.off + l.len; e++)
        SQ_TRY(put(call, v, e, n));
    return SQ_OK;
}

#define EACH_ARRAY(BODY)                                      \
    (void)nargs, (void)out;                                   \
    SQ_EACH_ROW(rows, i, r) {                                 \
        const struct sq_vec *v = &args[0].child[0];           \
        uint32_t n = 0;                                       \
        if (sq_arg_null(&args[0], r)) {                       \
            SQ_TRY(sq_col_append_null(call->builder));        \
            continue;                                         \
        }                                                     \
        struct sq_list l = list_at(&args[0], r);              \
        BODY                                                  \
        SQ_TRY(sq_col_append_list(call->builder, n));         \
    }                                                         \
    return SQ_OK

static sq_rc array_append(ARGS)
{
    EACH_ARRAY(SQ_TRY(put_list(call, v, l, &n)); SQ_TRY(put(call, &args[1], r, &n)););
}

static sq_rc array_prepend(ARGS)
{
    EACH_ARRAY(SQ_TRY(put(call, &args[1], r, &n)); SQ_TRY(put_list(call, v, l, &n)););
}

static sq_rc array_remove(ARGS)
{
    EACH_ARRAY(for (uint32_t e = l.off; e < l.off + l.len; e++) if (sq_vec_compare(v, e, &args[1], r) != 0) SQ_TRY(put(call, v, e, &n)););
}

static sq_rc array_reverse(ARGS)
{
    EACH_ARRAY(for (uint32_t e = l.len; e > 0; e--) SQ_TRY(put(call, v, l.off + e - 1, &n)););
}

static sq_rc array_concat(ARGS)
{
    uint32_t count = nargs;
    EACH_ARRAY((void)v; (void)l; for (uint32_t k = 0; k < count; k++) SQ_TRY(put_list(call, &args[k].child[0], list_at(&args[k], r), &n)););
}

static sq_rc put_firsts(struct sq_call *call, const struct sq_vec *v, struct sq_list l, uint32_t *n)
{
    uint8_t *first = firsts(call, v, l);

    if (!first)
        return call->ctx->err.rc;
    for (uint32_t e = 0; e < l.len; e++)
        if (first[e])
            SQ_TRY(put(call, v, l.off + e, n));
    return SQ_OK;
}

static sq_rc array_distinct(ARGS)
{
    EACH_ARRAY(SQ_TRY(put_firsts(call, v, l, &n)););
}

/* Elements of `l`, each once, that are in the other list, or that are not. */
static sq_rc pick(struct sq_call *call, const struct sq_vec *v, struct sq_list l, const struct sq_vec *other, struct sq_list ol, bool in, bool null_last, uint32_t *n)
{
    uint8_t *first = firsts(call, v, l);
    uint32_t *idx = first ? sorted(call, other, ol) : NULL, null = UINT32_MAX;

    if (!idx)
        return call->ctx->err.rc;
    for (uint32_t e = 0; e < l.len; e++) {
        if (!first[e] || found(other, idx, ol.len, v, l.off + e) != in)
            continue;
        if (null_last && sq_vec_null(v, l.off + e))
            null = l.off + e;
        else
            SQ_TRY(put(call, v, l.off + e, n));
    }
    return null == UINT32_MAX ? SQ_OK : put(call, v, null, n);
}

static sq_rc array_union(ARGS)
{
    EACH_ARRAY(SQ_TRY(put_firsts(call, v, l, &n)); SQ_TRY(pick(call, &args[1].child[0], list_at(&args[1], r), v, l, false, false, &n)););
}

static sq_rc array_intersect(ARGS)
{
    EACH_ARRAY(SQ_TRY(pick(call, v, l, &args[1].child[0], list_at(&args[1], r), true, false, &n)););
}

static sq_rc array_except(ARGS)
{
    EACH_ARRAY(SQ_TRY(pick(call, v, l, &args[1].child[0], list_at(&args[1], r), false, true, &n)););
}

static sq_rc put_sorted(struct sq_call *call, const struct sq_vec *v, struct sq_list l, bool up, bool nulls_first, uint32_t *n)
{
    uint32_t *idx = sorted(call, v, l), nulls = 0;

    if (!idx)
        return call->ctx->err.rc;
    while (nulls < l.len && sq_vec_null(v, idx[nulls]))
        nulls++;
    for (uint32_t i = 0; nulls_first && i < nulls; i++)
        SQ_TRY(put(call, v, idx[i], n));
    for (uint32_t i = nulls; i < l.len; i++)
        SQ_TRY(put(call, v, idx[up ? i : l.len - 1 - (i - nulls)], n));
    for (uint32_t i = 0; !nulls_first && i < nulls; i++)
        SQ_TRY(put(call, v, idx[i], n));
    return SQ_OK;
}

static sq_rc array_sort(ARGS)
{
    uint32_t count = nargs;
    EACH_ARRAY(bool up = count < 2 || SQ_AT(uint8_t, args[1], r); SQ_TRY(put_sorted(call, v, l, up, count < 3 ? up : SQ_AT(uint8_t, args[2], r), &n)););
}

/* The part from start to end, both counted from 1, or from the end where negative. */
static sq_rc put_slice(struct sq_call *call, const struct sq_vec *v, struct sq_list l, int64_t start, int64_t end, uint32_t *n)
{
    int64_t size = l.len;

    start += start < 0 ? size + 1 : 0;
    end += end < 0 ? size + 1 : 0;
    start = start < 1 ? 1 : start;
    end = end == 0 ? 1 : end > size ? size : end;
    for (int64_t at = start; size && at <= end; at++)
        SQ_TRY(put(call, v, l.off + (uint32_t)at - 1, n));
    return SQ_OK;
}

static sq_rc array_slice(ARGS)
{
    uint32_t count = nargs;
    EACH_ARRAY(SQ_TRY(put_slice(call, v, l, SQ_AT(int32_t, args[1], r), count < 3 ? (int64_t)l.len : SQ_AT(int32_t, args[2], r), &n)););
}

/* ---- maps ---- */

static sq_rc map_part(struct sq_call *call, const struct sq_vec *args, struct sq_rows rows, uint32_t part)
{
    SQ_EACH_ROW(rows, i, r) {
        uint32_t n = 0;

        SQ_TRY(put_list(call, &args[0].child[part], list_at(&args[0], r), &n));
        SQ_TRY(sq_col_append_list(call->builder, n));
    }
    return SQ_OK;
}

static sq_rc map_keys(ARGS)
{
    (void)nargs, (void)out;
    return map_part(call, args, rows, 0);
}

static sq_rc map_values(ARGS)
{
    (void)nargs, (void)out;
    return map_part(call, args, rows, 1);
}

static sq_rc map_entries(ARGS)
{
    struct sq_col *row = &call->builder->kid[0];

    (void)nargs, (void)out;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_list l = list_at(&args[0], r);

        for (uint32_t e = l.off; e < l.off + l.len; e++) {
            SQ_TRY(sq_col_append(&row->kid[0], &args[0].child[0], e));
            SQ_TRY(sq_col_append(&row->kid[1], &args[0].child[1], e));
            SQ_TRY(sq_col_append_struct(row));
        }
        SQ_TRY(sq_col_append_list(call->builder, l.len));
    }
    return SQ_OK;
}

static sq_rc put_entry(struct sq_call *call, const struct sq_vec *key, uint32_t k, const struct sq_vec *value, uint32_t v, uint32_t *n)
{
    ++*n;
    SQ_TRY(sq_col_append(&call->builder->kid[0], key, k));
    return sq_col_append(&call->builder->kid[1], value, v);
}

static sq_rc map_from_arrays(ARGS)
{
    (void)nargs, (void)out;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_list k = list_at(&args[0], r), v = list_at(&args[1], r);
        uint32_t n = 0;

        if (k.len != v.len)
            return sq_fail(call->ctx, SQ_DATA, "MAP_FROM_ARRAYS: there are %u keys and %u values", k.len, v.len);
        for (uint32_t e = 0; e < k.len; e++)
            SQ_TRY(put_entry(call, &args[0].child[0], k.off + e, &args[1].child[0], v.off + e, &n));
        SQ_TRY(sq_col_append_list(call->builder, n));
    }
    return SQ_OK;
}

/* The entry's key is in one of the maps behind map k. */
static bool overridden(const struct sq_vec *args, uint32_t nargs, uint32_t k, uint32_t e, uint32_t r)
{
    for (uint32_t j = k + 1; j < nargs; j++) {
        struct sq_list l = list_at(&args[j], r);

        for (uint32_t x = l.off; x < l.off + l.len; x++)
            if (sq_vec_compare(&args[k].child[0], e, &args[j].child[0], x) == 0)
                return true;
    }
    return false;
}

static sq_rc map_union(ARGS)
{
    (void)out;
    SQ_EACH_ROW(rows, i, r) {
        uint32_t n = 0;

        for (uint32_t k = nargs; k-- > 0;) {
            struct sq_list l = list_at(&args[k], r);

            for (uint32_t e = l.off; e < l.off + l.len; e++)
                if (!overridden(args, nargs, k, e, r))
                    SQ_TRY(put_entry(call, &args[k].child[0], e, &args[k].child[1], e, &n));
        }
        SQ_TRY(sq_col_append_list(call->builder, n));
    }
    return SQ_OK;
}

/* Every entry of one is in the other, which has as many. */
static bool same_entries(const struct sq_vec *a, struct sq_list la, const struct sq_vec *b, struct sq_list lb)
{
    for (uint32_t i = la.off; i < la.off + la.len; i++) {
        uint32_t k = lb.off;

        while (k < lb.off + lb.len && (sq_vec_compare(&a->child[0], i, &b->child[0], k) != 0 || sq_vec_compare(&a->child[1], i, &b->child[1], k) != 0))
            k++;
        if (k == lb.off + lb.len)
            return false;
    }
    return la.len == lb.len;
}

static sq_rc map_equal(ARGS)
{
    (void)call, (void)nargs;
    SQ_EACH_ROW(rows, i, r)
        ((uint8_t *)out->data)[r] = same_entries(&args[0], list_at(&args[0], r), &args[1], list_at(&args[1], r));
    return SQ_OK;
}

static sq_rc map_differs(ARGS)
{
    (void)call, (void)nargs;
    SQ_EACH_ROW(rows, i, r)
        ((uint8_t *)out->data)[r] = !same_entries(&args[0], list_at(&args[0], r), &args[1], list_at(&args[1], r));
    return SQ_OK;
}

/* ---- what they take ---- */

static sq_rc done(struct sq_ctx *ctx, const struct sq_type *ret, const struct sq_type **out, bool *fits)
{
    *out = ret;
    *fits = ret != NULL;
    return ret ? SQ_OK : ctx->err.rc;
}

static bool any_null(const struct sq_type *const *args, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (args[i]->nullable)
            return true;
    return false;
}

static sq_rc row_match(MATCH)
{
    struct sq_field *f = SQ_NEW_ARRAY(a, struct sq_field, n + 1);

    (void)param;
    for (uint32_t i = 0; f && i < n; i++) {
        char *name = sq_arena_printf(a, "EXPR$%u", i);

        if (!name)
            return ctx->err.rc;
        f[i] = (struct sq_field){sq_str_of(name), args[i]};
    }
    return done(ctx, f ? sq_type_row(a, false, f, n) : NULL, ret, fits);
}

/* The common type of args[from], args[from + step], …; *out NULL: none. */
static sq_rc common(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, uint32_t from, uint32_t step, const struct sq_type **out)
{
    *out = args[from];
    for (uint32_t i = from + step; i < n; i += step) {
        ctx->err.rc = SQ_OK;
        if (!(*out = sq_type_common(a, *out, args[i])))
            return ctx->err.rc;
    }
    return SQ_OK;
}

static sq_rc as(struct sq_arena *a, const struct sq_type *t, const struct sq_type *arg, const struct sq_type **param)
{
    *param = sq_type_nullable(a, t, arg->nullable);
    return *param ? SQ_OK : SQ_NOMEM;
}

static sq_rc array_match(MATCH)
{
    const struct sq_type *t;

    if (!n)
        return SQ_OK;
    SQ_TRY(common(ctx, a, args, n, 0, 1, &t));
    if (!t)
        return SQ_OK;
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(as(a, t, args[i], &param[i]));
    return done(ctx, sq_type_array(a, false, t), ret, fits);
}

static sq_rc map_match(MATCH)
{
    const struct sq_type *k, *v;

    if (!n || n % 2)
        return SQ_OK;
    SQ_TRY(common(ctx, a, args, n, 0, 2, &k));
    SQ_TRY(common(ctx, a, args, n, 1, 2, &v));
    if (!k || !v)
        return SQ_OK;
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(as(a, i % 2 ? v : k, args[i], &param[i]));
    return done(ctx, sq_type_map(a, false, k, v), ret, fits);
}

static bool is_list(const struct sq_type *const *args, uint32_t n, enum sq_tid id)
{
    return n > 0 && args[0]->id == id;
}

static sq_rc cardinality_match(MATCH)
{
    (void)param;
    if (n != 1 || (!is_list(args, n, SQ_T_ARRAY) && !is_list(args, n, SQ_T_MAP) && !is_list(args, n, SQ_T_MULTISET)))
        return SQ_OK;
    return done(ctx, sq_type_nullable(a, &sq_type_int, args[0]->nullable), ret, fits);
}

/* (ARRAY, element): the element as the array's type. */
static sq_rc needle(struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **param, bool *may)
{
    const struct sq_type *t;

    *may = n == 2 && is_list(args, n, SQ_T_ARRAY);
    if (!*may)
        return SQ_OK;
    t = args[0]->child[0].type;
    *may = sq_type_equal(args[1], t, false) || sq_cast_implicit(args[1], t);
    return as(a, t, args[1], &param[1]);
}

static sq_rc contains_match(MATCH)
{
    bool may;

    SQ_TRY(needle(a, args, n, param, &may));
    return may ? done(ctx, sq_type_nullable(a, &sq_type_boolean, args[0]->nullable), ret, fits) : SQ_OK;
}

static sq_rc position_match(MATCH)
{
    bool may;

    SQ_TRY(needle(a, args, n, param, &may));
    return may ? done(ctx, sq_type_nullable(a, &sq_type_int, any_null(args, n)), ret, fits) : SQ_OK;
}

static sq_rc remove_match(MATCH)
{
    bool may;

    SQ_TRY(needle(a, args, n, param, &may));
    return may ? done(ctx, args[0], ret, fits) : SQ_OK;
}

static sq_rc append_match(MATCH)
{
    const struct sq_type *t;
    bool may;

    SQ_TRY(needle(a, args, n, param, &may));
    if (!may)
        return SQ_OK;
    t = sq_type_nullable(a, args[0]->child[0].type, args[0]->child[0].type->nullable || args[1]->nullable);
    return done(ctx, t ? sq_type_array(a, any_null(args, n), t) : NULL, ret, fits);
}

/* (ARRAY) -> the same. */
static sq_rc same_match(MATCH)
{
    (void)a, (void)param;
    return n == 1 && is_list(args, n, SQ_T_ARRAY) ? done(ctx, args[0], ret, fits) : SQ_OK;
}

static sq_rc sort_match(MATCH)
{
    bool may = n >= 1 && n <= 3 && is_list(args, n, SQ_T_ARRAY) && args[0]->child[0].type->id != SQ_T_MAP && args[0]->child[0].type->id != SQ_T_MULTISET;

    for (uint32_t i = 1; i < n; i++) {
        may = may && (args[i]->id == SQ_T_BOOLEAN || args[i]->id == SQ_T_NULL);
        param[i] = args[i]->id == SQ_T_NULL ? &sq_type_boolean : args[i];
    }
    return may ? done(ctx, sq_type_nullable(a, args[0], any_null(args, n)), ret, fits) : SQ_OK;
}

static sq_rc slice_match(MATCH)
{
    bool may = (n == 2 || n == 3) && is_list(args, n, SQ_T_ARRAY);

    for (uint32_t i = 1; may && i < n; i++) {
        may = args[i]->id == SQ_T_NULL || (sq_tid_is_int(args[i]->id) && args[i]->id <= SQ_T_INT);
        SQ_TRY(as(a, &sq_type_int, args[i], &param[i]));
    }
    return may ? done(ctx, sq_type_nullable(a, args[0], any_null(args, n)), ret, fits) : SQ_OK;
}

static sq_rc all_common(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, enum sq_tid id, const struct sq_type **param,
                        const struct sq_type **ret, bool *fits)
{
    const struct sq_type *t;

    for (uint32_t i = 0; i < n; i++)
        if (args[i]->id != id)
            return SQ_OK;
    if (!n)
        return SQ_OK;
    SQ_TRY(common(ctx, a, args, n, 0, 1, &t));
    if (!t)
        return SQ_OK;
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(as(a, t, args[i], &param[i]));
    return done(ctx, sq_type_nullable(a, t, any_null(args, n)), ret, fits);
}

static sq_rc arrays_match(MATCH)
{
    return all_common(ctx, a, args, n, SQ_T_ARRAY, param, ret, fits);
}

static sq_rc two_arrays_match(MATCH)
{
    return n == 2 ? all_common(ctx, a, args, n, SQ_T_ARRAY, param, ret, fits) : SQ_OK;
}

static sq_rc maps_match(MATCH)
{
    return all_common(ctx, a, args, n, SQ_T_MAP, param, ret, fits);
}

static sq_rc equal_match(MATCH)
{
    if (n != 2 || (args[0]->id != SQ_T_MAP && args[0]->id != SQ_T_MULTISET))
        return SQ_OK;
    SQ_TRY(all_common(ctx, a, args, n, args[0]->id, param, ret, fits));
    return *fits ? done(ctx, sq_type_nullable(a, &sq_type_boolean, any_null(args, n)), ret, fits) : SQ_OK;
}

static bool plain(const struct sq_type *t)
{
    return t->nchild == 0;
}

static sq_rc extreme_match(MATCH)
{
    (void)param;
    return n == 1 && is_list(args, n, SQ_T_ARRAY) && plain(args[0]->child[0].type) ? done(ctx, sq_type_nullable(a, args[0]->child[0].type, true), ret, fits) : SQ_OK;
}

static sq_rc nested_element_match(MATCH)
{
    (void)param;
    return n == 1 && is_list(args, n, SQ_T_ARRAY) && !plain(args[0]->child[0].type) ? done(ctx, sq_type_nullable(a, args[0]->child[0].type, true), ret, fits) : SQ_OK;
}

static sq_rc join_match(MATCH)
{
    bool may = (n == 2 || n == 3) && is_list(args, n, SQ_T_ARRAY) && sq_tid_is_string(args[0]->child[0].type->id);

    for (uint32_t i = 1; may && i < n; i++) {
        may = sq_tid_is_string(args[i]->id) || args[i]->id == SQ_T_NULL;
        param[i] = args[i]->id == SQ_T_NULL ? &sq_type_string : args[i];
    }
    return may ? done(ctx, sq_type_nullable(a, &sq_type_string, any_null(args, n)), ret, fits) : SQ_OK;
}

static sq_rc keys_match(MATCH)
{
    (void)param;
    return n == 1 && is_list(args, n, SQ_T_MAP) ? done(ctx, sq_type_array(a, args[0]->nullable, args[0]->child[0].type), ret, fits) : SQ_OK;
}

static sq_rc values_match(MATCH)
{
    (void)param;
    return n == 1 && is_list(args, n, SQ_T_MAP) ? done(ctx, sq_type_array(a, args[0]->nullable, args[0]->child[1].type), ret, fits) : SQ_OK;
}

static sq_rc entries_match(MATCH)
{
    (void)param;
    if (n != 1 || !is_list(args, n, SQ_T_MAP))
        return SQ_OK;
    const struct sq_field f[2] = {{SQ_STR("key"), args[0]->child[0].type}, {SQ_STR("value"), args[0]->child[1].type}};
    const struct sq_type *row = sq_type_row(a, false, f, 2);
    return done(ctx, row ? sq_type_array(a, args[0]->nullable, row) : NULL, ret, fits);
}

static sq_rc from_arrays_match(MATCH)
{
    (void)param;
    if (n != 2 || args[0]->id != SQ_T_ARRAY || args[1]->id != SQ_T_ARRAY)
        return SQ_OK;
    return done(ctx, sq_type_map(a, any_null(args, n), args[0]->child[0].type, args[1]->child[0].type), ret, fits);
}

#define NEST (SQ_PURE | SQ_NESTED)
#define STRICT (SQ_PURE | SQ_STRICT)
#define BOTH (SQ_PURE | SQ_STRICT | SQ_NESTED)
/* name, signature, flags, kernel, match, help, example */
#define ROWS(F) \
    F("ROW", "(ANY ...) -> ROW", NEST | SQ_OPERATOR, make_row, row_match, "a row of values", "CAST(ROW(1, 'a') AS STRING) = '(1, a)'") \
    F("ARRAY", "(ANY ...) -> ARRAY", NEST | SQ_OPERATOR, make_array, array_match, "an array of values", "CAST(ARRAY[1, 2] AS STRING) = '[1, 2]'") \
    F("MAP", "(ANY, ANY ...) -> MAP", NEST | SQ_OPERATOR, make_map, map_match, "a map of keys and values", "MAP['a', 1, 'b', 2]['b'] = 2") \
    F("=", "(MAP, MAP) -> BOOLEAN", STRICT | SQ_OPERATOR, map_equal, equal_match, "true if both have the same entries", "MAP['a', 1, 'b', 2] = MAP['b', 2, 'a', 1]") \
    F("<>", "(MAP, MAP) -> BOOLEAN", STRICT | SQ_OPERATOR, map_differs, equal_match, "true if one has an entry that the other has not", "MAP['a', 1] <> MAP['a', 2]") \
    F("CARDINALITY", "(ARRAY or MAP or MULTISET) -> INT", STRICT, cardinality, cardinality_match, "how many elements there are", "CARDINALITY(ARRAY[3, 4]) = 2") \
    F("ELEMENT", "(ARRAY) -> ANY", STRICT | SQ_ALWAYS_NULLABLE, element, extreme_match, "the only element of an array; NULL if it is empty", "ELEMENT(ARRAY[7]) = 7") \
    F("ELEMENT", "(ARRAY) -> ANY", BOTH | SQ_ALWAYS_NULLABLE, nested_element, nested_element_match, "the only element of an array; NULL if it is empty", "ELEMENT(ARRAY[ARRAY[7]])[1] = 7") \
    F("ARRAY_CONTAINS", "(ARRAY, ANY) -> BOOLEAN", SQ_PURE, array_contains, contains_match, "true if the array has the element, which may be NULL", "ARRAY_CONTAINS(ARRAY[1, 2], 2)") \
    F("ARRAY_POSITION", "(ARRAY, ANY) -> INT", STRICT, array_position, position_match, "the position of the first such element, from 1; 0 if there is none", "ARRAY_POSITION(ARRAY[5, 6, 6], 6) = 2") \
    F("ARRAY_APPEND", "(ARRAY, ANY) -> ARRAY", NEST, array_append, append_match, "the array with one more element at its end", "ARRAY_APPEND(ARRAY[1], 2) = ARRAY[1, 2]") \
    F("ARRAY_PREPEND", "(ARRAY, ANY) -> ARRAY", NEST, array_prepend, append_match, "the array with one more element in front", "ARRAY_PREPEND(ARRAY[1], 2) = ARRAY[2, 1]") \
    F("ARRAY_REMOVE", "(ARRAY, ANY) -> ARRAY", NEST, array_remove, remove_match, "the array without all elements that equal the value", "ARRAY_REMOVE(ARRAY[1, 2, 1], 1) = ARRAY[2]") \
    F("ARRAY_DISTINCT", "(ARRAY) -> ARRAY", BOTH, array_distinct, same_match, "the first of equal elements each", "ARRAY_DISTINCT(ARRAY[1, 2, 1]) = ARRAY[1, 2]") \
    F("ARRAY_REVERSE", "(ARRAY) -> ARRAY", BOTH, array_reverse, same_match, "the elements from the last to the first", "ARRAY_REVERSE(ARRAY[1, 2, 3]) = ARRAY[3, 2, 1]") \
    F("ARRAY_SORT", "(ARRAY [, BOOLEAN] [, BOOLEAN]) -> ARRAY", BOTH, array_sort, sort_match, "the elements in order; then whether it ascends, and whether NULLs are first", "ARRAY_SORT(ARRAY[2, 3, 1], FALSE) = ARRAY[3, 2, 1]") \
    F("ARRAY_SLICE", "(ARRAY, INT [, INT]) -> ARRAY", BOTH, array_slice, slice_match, "the part from a position to another, from 1, or from the end where negative", "ARRAY_SLICE(ARRAY[1, 2, 3, 4], 2, 3) = ARRAY[2, 3]") \
    F("ARRAY_CONCAT", "(ARRAY ...) -> ARRAY", BOTH, array_concat, arrays_match, "the arrays one behind the other", "ARRAY_CONCAT(ARRAY[1], ARRAY[2, 1]) = ARRAY[1, 2, 1]") \
    F("ARRAY_UNION", "(ARRAY, ARRAY) -> ARRAY", BOTH, array_union, two_arrays_match, "the elements of both, each once", "ARRAY_UNION(ARRAY[1, 2], ARRAY[2, 3]) = ARRAY[1, 2, 3]") \
    F("ARRAY_INTERSECT", "(ARRAY, ARRAY) -> ARRAY", BOTH, array_intersect, two_arrays_match, "the elements that both have, each once", "ARRAY_INTERSECT(ARRAY[1, 2, 3], ARRAY[3, 1]) = ARRAY[1, 3]") \
    F("ARRAY_EXCEPT", "(ARRAY, ARRAY) -> ARRAY", BOTH, array_except, two_arrays_match, "the elements that the second has not, each once", "ARRAY_EXCEPT(ARRAY[1, 2, 2], ARRAY[1]) = ARRAY[2]") \
    F("ARRAY_MAX", "(ARRAY) -> ANY", STRICT | SQ_ALWAYS_NULLABLE, array_max, extreme_match, "the greatest element; NULL if there is none", "ARRAY_MAX(ARRAY[1, 3, 2]) = 3") \
    F("ARRAY_MIN", "(ARRAY) -> ANY", STRICT | SQ_ALWAYS_NULLABLE, array_min, extreme_match, "the smallest element; NULL if there is none", "ARRAY_MIN(ARRAY[3, 1, 2]) = 1") \
    F("ARRAY_JOIN", "(ARRAY, STRING [, STRING]) -> STRING", STRICT, array_join, join_match, "the texts with a delimiter between them; NULLs are left out, or written as the third text", "ARRAY_JOIN(ARRAY['a', 'b'], '-') = 'a-b'") \
    F("MAP_KEYS", "(MAP) -> ARRAY", BOTH, map_keys, keys_match, "the keys of a map", "MAP_KEYS(MAP['a', 1]) = ARRAY['a']") \
    F("MAP_VALUES", "(MAP) -> ARRAY", BOTH, map_values, values_match, "the values of a map", "MAP_VALUES(MAP['a', 1]) = ARRAY[1]") \
    F("MAP_ENTRIES", "(MAP) -> ARRAY", BOTH, map_entries, entries_match, "the entries of a map as rows of key and value", "MAP_ENTRIES(MAP['a', 1])[1].`value` = 1") \
    F("MAP_FROM_ARRAYS", "(ARRAY, ARRAY) -> MAP", BOTH, map_from_arrays, from_arrays_match, "a map of keys and as many values", "MAP_FROM_ARRAYS(ARRAY['a', 'b'], ARRAY[1, 2])['b'] = 2") \
    F("MAP_UNION", "(MAP ...) -> MAP", BOTH, map_union, maps_match, "the entries of all; of equal keys the last one's value", "MAP_UNION(MAP['a', 1], MAP['a', 2])['a'] = 2")

#define AS_FUNCTION(name, sig, flags, kernel, match, help, example) {name, sig, (flags) | SQ_MATCHES, kernel, NULL, help, example, NULL},
#define AS_MATCH(name, sig, flags, kernel, match, help, example) match,

const struct sq_function sq_functions_collection[] = {ROWS(AS_FUNCTION) {0}};
static sq_match *const matches[] = {ROWS(AS_MATCH)};

sq_match *sq_collection_match(const struct sq_function *f)
{
    return matches[f - sq_functions_collection];
}
