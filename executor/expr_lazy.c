/* SPDX-License-Identifier: Apache-2.0
 *
 * expr_lazy.c: AND, OR, CASE, COALESCE (an argument is computed only for the rows that need it, so an error in a branch that is not taken
 * never arises), IN, and the parts of ROW, ARRAY and MAP values.
 *
 * Each gives a register of its own; nested values are put together in a builder, and the result is a dictionary over it.
 */
#include "executor/expr_internal.h"

static void identity(struct sq_rows rows, uint32_t *sel)
{
    if (rows.sel)
        memcpy(sel, rows.sel, rows.n * sizeof *sel);
    else
        for (uint32_t i = 0; i < rows.n; i++)
            sel[i] = i;
}

/* ---- AND, OR as values ---- */

static inline bool present(const struct sq_vec *v, uint32_t r)
{
    return v->type->id != SQ_T_NULL && (!v->valid || sq_bit(v->valid, v->enc == SQ_CONST ? 0 : r));
}

/* One argument over the open rows: those it decides get the value and leave; NULL is noted. */
static uint32_t settle(struct node *n, const struct sq_vec *v, bool deciding, uint32_t *open, uint32_t nopen)
{
    const uint8_t *x = v->data;
    uint8_t *reg = n->reg;
    uint32_t k = 0;

    for (uint32_t i = 0; i < nopen; i++) {
        uint32_t r = open[i];
        if (!present(v, r)) {
            sq_bit_clear(n->valid, r);
        } else if (!!x[v->enc == SQ_CONST ? 0 : r] == deciding) {
            reg[r] = deciding;
            sq_bit_set(n->valid, r);
            continue;
        }
        open[k++] = r;
    }
    return k;
}

sq_rc sq_lazy_and_or(struct sq_program *p, struct node *n)
{
    bool deciding = n->kind == SQ_X_OR;
    struct sq_rows rows = sq_scope_rows(p);
    uint32_t *open, nopen = rows.n;
    sq_rc rc = SQ_OK;

    SQ_TRY(sq_node_register(p, n));
    memset(n->valid, 0xff, SQ_BATCH_WORDS * sizeof *n->valid);
    SQ_TRY(sq_sel_take(p, &open));
    identity(rows, open);
    SQ_EACH_ROW(rows, i, r)
        ((uint8_t *)n->reg)[r] = !deciding;
    for (uint32_t a = 0; a < n->nargs && nopen > 0 && rc == SQ_OK; a++) {
        const struct sq_vec *v;
        rc = sq_scope_push(p, a == 0 ? rows : (struct sq_rows){open, nopen});
        if (rc != SQ_OK)
            break;
        rc = sq_node_flat(p, n->args[a], &v);
        if (rc == SQ_OK)
            nopen = settle(n, v, deciding, open, nopen);
        sq_scope_pop(p);
    }
    sq_sel_give(p);
    n->val = (struct sq_vec){.type = n->type, .enc = SQ_FLAT, .data = n->reg, .valid = n->valid};
    return rc;
}

/* ---- AND, OR as predicates: NULL is as good as FALSE, and leaves at once ---- */

static sq_rc select_in(struct sq_program *p, uint32_t node, struct sq_rows rows, uint32_t *sel, uint32_t *n)
{
    sq_rc rc;

    SQ_TRY(sq_scope_push(p, rows));
    rc = sq_node_pick(p, node, sel, n);
    sq_scope_pop(p);
    return rc;
}

static sq_rc select_and(struct sq_program *p, struct node *n, uint32_t *sel, uint32_t *out)
{
    struct sq_rows rows = sq_scope_rows(p);
    uint32_t *now, *next;
    sq_rc rc = SQ_OK;

    SQ_TRY(sq_sel_take(p, &now));
    SQ_TRY(sq_sel_take(p, &next));
    for (uint32_t a = 0; a < n->nargs && rows.n > 0 && rc == SQ_OK; a++) {
        uint32_t k = 0, *swap = now;
        rc = select_in(p, n->args[a], rows, next, &k);
        rows = (struct sq_rows){next, k};
        now = next;
        next = swap;
    }
    if (rc == SQ_OK)
        identity(rows, sel);
    *out = rows.n;
    sq_sel_give(p);
    sq_sel_give(p);
    return rc;
}

static sq_rc select_or(struct sq_program *p, struct node *n, uint32_t *sel, uint32_t *out)
{
    struct sq_rows all = sq_scope_rows(p), rows = all;
    uint64_t hit[SQ_BATCH_WORDS] = {0};
    uint32_t *open, *found, k = 0;
    sq_rc rc = SQ_OK;

    SQ_TRY(sq_sel_take(p, &open));
    SQ_TRY(sq_sel_take(p, &found));
    for (uint32_t a = 0; a < n->nargs && rows.n > 0 && rc == SQ_OK; a++) {
        uint32_t nfound = 0, left = 0;
        rc = select_in(p, n->args[a], rows, found, &nfound);
        for (uint32_t i = 0; i < nfound; i++)
            sq_bit_set(hit, found[i]);
        SQ_EACH_ROW(rows, i, r)
            if (!sq_bit(hit, r))
                open[left++] = r;
        rows = (struct sq_rows){open, left};
    }
    SQ_EACH_ROW(all, i, r) {
        sel[k] = r;
        k += sq_bit(hit, r);
    }
    *out = k;
    sq_sel_give(p);
    sq_sel_give(p);
    return rc;
}

sq_rc sq_lazy_select(struct sq_program *p, struct node *n, uint32_t *sel, uint32_t *out)
{
    return n->kind == SQ_X_AND ? select_and(p, n, sel, out) : select_or(p, n, sel, out);
}

/* ---- putting a result together from pieces ---- */

static bool is_nested(const struct node *n)
{
    return n->phys == SQ_P_LIST || n->phys == SQ_P_STRUCT;
}

static sq_rc piece_begin(struct sq_program *p, struct node *n)
{
    SQ_TRY(sq_node_register(p, n));
    memset(n->valid, 0xff, SQ_BATCH_WORDS * sizeof *n->valid);
    n->val = (struct sq_vec){.type = n->type, .enc = SQ_FLAT, .data = n->reg, .valid = n->valid};
    if (!is_nested(n))
        return SQ_OK;
    if (!n->builder) {
        n->builder = sq_calloc(p->ctx, sizeof *n->builder);
        if (!n->builder)
            return SQ_NOMEM;
        SQ_TRY(sq_col_init(n->builder, p->ctx, &p->heap, n->type));
    }
    if (!n->index) {
        n->index = sq_alloc(p->ctx, SQ_BATCH_ROWS * sizeof *n->index);
        if (!n->index)
            return SQ_NOMEM;
    }
    sq_col_reset(n->builder);
    memset(n->index, 0, SQ_BATCH_ROWS * sizeof *n->index);
    return sq_col_append_null(n->builder);       /* element 0: NULL */
}

static void piece_end(struct node *n)
{
    if (!is_nested(n))
        return;
    sq_col_seal(n->builder);
    n->val = (struct sq_vec){.type = n->type, .enc = SQ_DICT, .index = n->index, .child = &n->builder->vec, .nchild = 1};
}

static void piece_null(struct node *n, uint32_t r)
{
    if (!is_nested(n))
        sq_bit_clear(n->valid, r);
}

/* Row r is element e of `from`. */
static sq_rc piece_put(struct node *n, uint32_t r, const struct sq_vec *from, uint32_t e)
{
    from = sq_vec_at(from, &e);
    if (from->type->id == SQ_T_NULL || (from->valid && !sq_bit(from->valid, e))) {
        piece_null(n, r);
        return SQ_OK;
    }
    if (is_nested(n)) {
        n->index[r] = n->builder->n;
        return sq_col_append(n->builder, from, e);
    }
    memcpy((char *)n->reg + (size_t)r * n->width, (const char *)from->data + (size_t)e * n->width, n->width);
    return SQ_OK;
}

#define COPY_ROWS(T)                                                       \
    SQ_EACH_ROW(rows, i, r)                                                \
        ((T *)n->reg)[r] = ((const T *)from->data)[from->enc == SQ_CONST ? 0 : r]
struct pair { uint64_t a, b; };

static sq_rc piece_rows(struct node *n, const struct sq_vec *from, struct sq_rows rows)
{
    if (is_nested(n) || from->enc == SQ_DICT || from->valid || from->type->id == SQ_T_NULL) {
        SQ_EACH_ROW(rows, i, r)
            SQ_TRY(piece_put(n, r, from, r));
        return SQ_OK;
    }
    switch (n->width) {
    case 1: COPY_ROWS(uint8_t); break;
    case 2: COPY_ROWS(uint16_t); break;
    case 4: COPY_ROWS(uint32_t); break;
    case 8: COPY_ROWS(uint64_t); break;
    default: COPY_ROWS(struct pair); break;
    }
    return SQ_OK;
}

/* ---- CASE ---- */

static sq_rc branch(struct sq_program *p, struct node *n, uint32_t arg, struct sq_rows rows)
{
    const struct sq_vec *v;
    sq_rc rc;

    if (rows.n == 0)
        return SQ_OK;
    SQ_TRY(sq_scope_push(p, rows));
    rc = sq_node_eval(p, n->args[arg], &v);
    if (rc == SQ_OK)
        rc = piece_rows(n, v, rows);
    sq_scope_pop(p);
    return rc;
}

/* Rows without the taken ones (both ascending), into rest. */
static uint32_t without(struct sq_rows rows, const uint32_t *taken, uint32_t ntaken, uint32_t *rest)
{
    uint32_t k = 0, t = 0;

    SQ_EACH_ROW(rows, i, r) {
        if (t < ntaken && taken[t] == r)
            t++;
        else
            rest[k++] = r;
    }
    return k;
}

sq_rc sq_lazy_case(struct sq_program *p, struct node *n)
{
    struct sq_rows rows = sq_scope_rows(p);
    uint32_t *taken, *rest;
    sq_rc rc = SQ_OK;

    SQ_TRY(piece_begin(p, n));
    SQ_TRY(sq_sel_take(p, &taken));
    SQ_TRY(sq_sel_take(p, &rest));
    for (uint32_t a = 0; a + 1 < n->nargs && rows.n > 0 && rc == SQ_OK; a += 2) {
        uint32_t ntaken = 0;
        rc = select_in(p, n->args[a], rows, taken, &ntaken);
        if (rc == SQ_OK)
            rc = branch(p, n, a + 1, (struct sq_rows){taken, ntaken});
        rows = (struct sq_rows){rest, without(rows, taken, ntaken, rest)};
    }
    if (rc == SQ_OK)
        rc = branch(p, n, n->nargs - 1, rows);
    sq_sel_give(p);
    sq_sel_give(p);
    piece_end(n);
    return rc;
}

/* ---- COALESCE ---- */

sq_rc sq_lazy_coalesce(struct sq_program *p, struct node *n)
{
    struct sq_rows rows = sq_scope_rows(p);
    uint32_t *open;
    sq_rc rc = SQ_OK;

    SQ_TRY(piece_begin(p, n));
    SQ_TRY(sq_sel_take(p, &open));
    for (uint32_t a = 0; a < n->nargs && rows.n > 0 && rc == SQ_OK; a++) {
        const struct sq_vec *v;
        uint32_t left = 0;
        rc = sq_scope_push(p, rows);
        if (rc != SQ_OK)
            break;
        rc = sq_node_eval(p, n->args[a], &v);
        if (rc == SQ_OK) {
            for (uint32_t i = 0; i < rows.n && rc == SQ_OK; i++) {
                uint32_t r = rows.sel ? rows.sel[i] : i;
                if (sq_vec_null(v, r))
                    open[left++] = r;            /* left <= i: in place is safe */
                else
                    rc = piece_put(n, r, v, r);
            }
        }
        sq_scope_pop(p);
        rows = (struct sq_rows){open, left};
    }
    SQ_EACH_ROW(rows, i, r)
        piece_null(n, r);
    sq_sel_give(p);
    piece_end(n);
    return rc;
}

/* ---- IN ---- */

static bool int_in(const struct inlist *in, int64_t x)
{
    uint32_t lo = 0, hi = in->n;

    if (in->n <= 8) {
        for (uint32_t i = 0; i < in->n; i++)
            if (in->ints[i] == x)
                return true;
        return false;
    }
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (in->ints[mid] < x)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < in->n && in->ints[lo] == x;
}

static bool str_in(const struct inlist *in, struct sq_str x)
{
    uint32_t lo = 0, hi = in->n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int d = sq_str_cmp(in->strs[mid], x);
        if (d == 0)
            return true;
        if (d < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

static int64_t int_at(const struct sq_vec *v, enum sq_phys phys, uint32_t e)
{
    switch (phys) {
    case SQ_P_BOOL: return ((const uint8_t *)v->data)[e] != 0;
    case SQ_P_I8: return ((const int8_t *)v->data)[e];
    case SQ_P_I16: return ((const int16_t *)v->data)[e];
    case SQ_P_I32: return ((const int32_t *)v->data)[e];
    default: return ((const int64_t *)v->data)[e];
    }
}

/* TRUE, FALSE, or NULL where the row's value is not in a list that has a NULL. */
static void in_put(struct node *n, uint32_t r, bool found, bool has_null)
{
    ((uint8_t *)n->reg)[r] = found;
    if (!found && has_null)
        sq_bit_clear(n->valid, r);
}

static void in_prepared(struct node *n, const struct sq_vec *v, struct sq_rows rows)
{
    enum sq_phys phys = sq_type_phys(v->type);

    SQ_EACH_ROW(rows, i, r) {
        uint32_t e = r;
        const struct sq_vec *at = sq_vec_at(v, &e);
        if (at->valid && !sq_bit(at->valid, e))
            sq_bit_clear(n->valid, r);
        else
            in_put(n, r, n->in->ints ? int_in(n->in, int_at(at, phys, e)) : str_in(n->in, sq_view_str((const struct sq_view *)at->data + e)), n->in->has_null);
    }
}

static void in_compared(struct node *n, const struct sq_vec *v, struct sq_rows rows)
{
    SQ_EACH_ROW(rows, i, r) {
        bool found = false, has_null = false;
        if (sq_vec_null(v, r)) {
            sq_bit_clear(n->valid, r);
            continue;
        }
        for (uint32_t a = 1; a < n->nargs && !found; a++) {
            if (sq_vec_null(&n->argv[a], r))
                has_null = true;
            else
                found = sq_vec_compare(v, r, &n->argv[a], r) == 0;
        }
        in_put(n, r, found, has_null);
    }
}

sq_rc sq_lazy_in(struct sq_program *p, struct node *n)
{
    const struct sq_vec *v;

    SQ_TRY(sq_node_register(p, n));
    memset(n->valid, 0xff, SQ_BATCH_WORDS * sizeof *n->valid);
    for (uint32_t i = 0; i < n->nargs; i++) {
        SQ_TRY(sq_node_eval(p, n->args[i], &v));
        n->argv[i] = *v;
    }
    n->val = (struct sq_vec){.type = n->type, .enc = SQ_FLAT, .data = n->reg, .valid = n->valid};
    if (n->in->prepared && n->argv[0].type->id != SQ_T_NULL)
        in_prepared(n, &n->argv[0], sq_scope_rows(p));
    else
        in_compared(n, &n->argv[0], sq_scope_rows(p));
    return SQ_OK;
}

/* ---- parts of nested values ---- */

sq_rc sq_lazy_field(struct sq_program *p, struct node *n)
{
    const struct sq_vec *row, *kid;

    SQ_TRY(sq_node_eval(p, n->args[0], &row));
    if (row->enc == SQ_DICT && !row->child->valid) {             /* no row is NULL: the field goes by the same index */
        n->val = (struct sq_vec){.type = n->type, .enc = SQ_DICT, .index = row->index, .child = &row->child->child[n->col], .nchild = 1};
        return SQ_OK;
    }
    SQ_TRY(sq_node_flat(p, n->args[0], &row));
    if (row->type->id == SQ_T_NULL || (row->enc == SQ_CONST && sq_vec_null(row, 0))) {
        SQ_TRY(piece_begin(p, n));
        struct sq_rows rows = sq_scope_rows(p);
        SQ_EACH_ROW(rows, i, r)
            piece_null(n, r);
        piece_end(n);
        return SQ_OK;
    }
    kid = &row->child[n->col];
    n->val = *kid;
    if (row->enc == SQ_CONST)
        n->val.enc = SQ_CONST;
    else if (row->valid) {
        SQ_TRY(sq_node_register(p, n));
        for (uint32_t w = 0; w < (p->batch->rows + 63) / 64; w++)
            n->valid[w] = row->valid[w] & (kid->valid ? kid->valid[w] : UINT64_MAX);
        n->val.valid = n->valid;
    }
    return SQ_OK;
}

static sq_rc array_item(struct node *n, uint32_t r, const struct sq_vec *list, uint32_t e, const struct sq_vec *pos)
{
    struct sq_list l = ((const struct sq_list *)list->data)[e];
    uint32_t pe = r;
    const struct sq_vec *pv = sq_vec_at(pos, &pe);
    int64_t i = int_at(pv, sq_type_phys(pv->type), pe);

    if (i >= 1 && i <= l.len)
        return piece_put(n, r, &list->child[0], l.off + (uint32_t)i - 1);
    piece_null(n, r);
    return SQ_OK;
}

static sq_rc map_item(struct node *n, uint32_t r, const struct sq_vec *map, uint32_t e, const struct sq_vec *key)
{
    struct sq_list l = ((const struct sq_list *)map->data)[e];

    for (uint32_t i = l.off; i < l.off + l.len; i++)
        if (!sq_vec_null(&map->child[0], i) && sq_vec_compare(&map->child[0], i, key, r) == 0)
            return piece_put(n, r, &map->child[1], i);
    piece_null(n, r);
    return SQ_OK;
}

sq_rc sq_lazy_item(struct sq_program *p, struct node *n)
{
    struct sq_rows rows = sq_scope_rows(p);
    const struct sq_vec *of, *at;

    SQ_TRY(sq_node_eval(p, n->args[0], &of));
    SQ_TRY(sq_node_eval(p, n->args[1], &at));
    SQ_TRY(piece_begin(p, n));
    SQ_EACH_ROW(rows, i, r) {
        uint32_t e = r;
        const struct sq_vec *v = sq_vec_at(of, &e);
        if (sq_vec_null(of, r) || sq_vec_null(at, r))
            piece_null(n, r);
        else
            SQ_TRY(v->type->id == SQ_T_ARRAY ? array_item(n, r, v, e, at) : map_item(n, r, v, e, at));
    }
    piece_end(n);
    return SQ_OK;
}

/* ---- CURRENT_WATERMARK ---- */

sq_rc sq_lazy_watermark(struct sq_program *p, struct node *n)
{
    struct sq_rows rows = sq_scope_rows(p);

    SQ_TRY(sq_node_register(p, n));
    SQ_EACH_ROW(rows, i, r) {
        int64_t ts = p->batch->wm && p->batch->wm[r] > p->event_time ? p->batch->wm[r] : p->event_time;
        if (ts == INT64_MIN) {
            sq_bit_clear(n->valid, r);
            continue;
        }
        sq_bit_set(n->valid, r);
        if (n->phys == SQ_P_TS16)
            ((struct sq_ts16 *)n->reg)[r] = (struct sq_ts16){.us = ts};
        else
            ((int64_t *)n->reg)[r] = ts;
    }
    n->val = (struct sq_vec){.type = n->type, .enc = SQ_FLAT, .data = n->reg, .valid = n->valid};
    return SQ_OK;
}
