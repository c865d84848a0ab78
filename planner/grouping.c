/* SPDX-License-Identifier: Apache-2.0
 *
 * grouping.c: GROUP BY with GROUPING SETS, ROLLUP and CUBE. Every element of GROUP BY is a list of sets of expressions (a plain one has one set); several
 * elements multiply: each set of one joined with each of the next. Where more than one set comes out, an EXPAND node gives each row once per
 * set, NULL in the columns that are not in it, and the number of the set is one more key, so that a real NULL stays apart from a left out one.
 * Arguments of aggregates are columns of their own, which are never left out.
 *
 * GROUPING and its like are computed from the number of the set, over the aggregate.
 *
 * FLINK: the empty set gives no row for an input without rows; a set that is written twice comes twice, and GROUP_ID tells them apart;
 * at most 63 expressions.
 */
#include "planner/bind.h"

enum { GROUPS_MAX = 63, SETS_MAX = 4096 };

struct sets {
    uint64_t *p;
    uint32_t n, cap;
};

struct group_binder {
    struct sq_bind_x *x;
    struct sq_arena *arena;
    struct sq_exprs group;
    struct sq_span span;
};

static sq_rc add_set(struct group_binder *g, struct sets *l, uint64_t set)
{
    if (l->n == SETS_MAX)
        return sq_fail_at(g->arena->ctx, SQ_LIMIT, sq_bind_span(g->x->b, g->span), "GROUP BY makes more than %d grouping sets", SETS_MAX);
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? 2 * l->cap : 8;
        uint64_t *p = SQ_NEW_ARRAY(g->arena, uint64_t, cap);
        if (!p)
            return SQ_NOMEM;
        if (l->n)
            memcpy(p, l->p, sizeof(*p) * l->n);
        l->p = p;
        l->cap = cap;
    }
    l->p[l->n++] = set;
    return SQ_OK;
}

/* ---- the sets of an element ---- */

static sq_rc add_group(struct group_binder *g, const struct sq_ast_expr *a, uint64_t *set)
{
    struct sq_expr *e;
    uint32_t k = 0;
    SQ_TRY(sq_bind_expr(g->x, a, &e));
    while (k < g->group.n && !sq_expr_equal(g->group.p[k], e))
        k++;
    if (k == g->group.n)
        SQ_TRY(sq_exprs_add(g->arena, &g->group, e));
    if (k < GROUPS_MAX)
        *set |= UINT64_C(1) << k;
    return SQ_OK;
}

/* One set: an expression, several in parentheses, or none. */
static sq_rc plain_set(struct group_binder *g, const struct sq_ast_group *a, uint64_t *set)
{
    *set = 0;
    if (a->kind == SQ_G_EMPTY)
        return SQ_OK;
    if (a->kind != SQ_G_EXPR)
        return SQ_WRONG(g->x->b, a->span, "only expressions can stand in ROLLUP and CUBE");
    if (a->expr->kind != SQ_A_ROW)
        return add_group(g, a->expr, set);
    for (uint32_t k = 0; k < a->expr->nargs; k++)                /* (a, b) is a, b */
        SQ_TRY(add_group(g, a->expr->args[k], set));
    return SQ_OK;
}

static sq_rc rollup(struct group_binder *g, const struct sq_ast_group *a, struct sets *out)
{
    uint64_t *parts = SQ_NEW_ARRAY(g->arena, uint64_t, a->nsub + 1);
    if (!parts)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < a->nsub; i++)
        SQ_TRY(plain_set(g, a->sub[i], &parts[i]));
    for (uint32_t n = a->nsub; n > 0; n--) {
        uint64_t set = 0;
        for (uint32_t i = 0; i < n; i++)
            set |= parts[i];
        SQ_TRY(add_set(g, out, set));
    }
    return add_set(g, out, 0);
}

static sq_rc cube(struct group_binder *g, const struct sq_ast_group *a, struct sets *out)
{
    uint64_t *parts = SQ_NEW_ARRAY(g->arena, uint64_t, a->nsub + 1);
    if (!parts)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < a->nsub; i++)
        SQ_TRY(plain_set(g, a->sub[i], &parts[i]));
    for (uint64_t left_out = 0; a->nsub >= GROUPS_MAX || left_out < UINT64_C(1) << a->nsub; left_out++) {
        uint64_t set = 0;
        for (uint32_t i = 0; i < a->nsub; i++)
            if (!(left_out >> (a->nsub - 1 - i) & 1))
                set |= parts[i];
        SQ_TRY(add_set(g, out, set));                            /* ends at SETS_MAX */
    }
    return SQ_OK;
}

static sq_rc element(struct group_binder *g, const struct sq_ast_group *a, struct sets *out)
{
    uint64_t set;
    switch (a->kind) {
    case SQ_G_EXPR:
    case SQ_G_EMPTY:
        SQ_TRY(plain_set(g, a, &set));
        return add_set(g, out, set);
    case SQ_G_ROLLUP:
        return rollup(g, a, out);
    case SQ_G_CUBE:
        return cube(g, a, out);
    case SQ_G_SETS:
        for (uint32_t i = 0; i < a->nsub; i++)
            SQ_TRY(element(g, a->sub[i], out));
        return SQ_OK;
    }
    return SQ_OK;
}

static sq_rc multiply(struct group_binder *g, struct sets *all, const struct sets *by)
{
    struct sets out = {0};
    for (uint32_t i = 0; i < all->n; i++)
        for (uint32_t k = 0; k < by->n; k++)
            SQ_TRY(add_set(g, &out, all->p[i] | by->p[k]));
    *all = out;
    return SQ_OK;
}

static void drop_doubles(struct sets *l)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        uint32_t k = 0;
        while (k < n && l->p[k] != l->p[i])
            k++;
        if (k == n)
            l->p[n++] = l->p[i];
    }
    l->n = n;
}

sq_rc sq_bind_group(struct sq_bind_x *x, struct sq_aggs *aggs, const struct sq_ast_query *q)
{
    struct group_binder g = {.x = x, .arena = x->b->arena};
    struct sets all = {0};
    SQ_TRY(add_set(&g, &all, 0));
    for (uint32_t i = 0; i < q->ngroup; i++) {
        struct sets one = {0};
        g.span = q->group[i]->span;
        SQ_TRY(element(&g, q->group[i], &one));
        SQ_TRY(multiply(&g, &all, &one));
    }
    if (q->group_distinct)
        drop_doubles(&all);
    aggs->group = g.group.p;
    aggs->ngroup = g.group.n;
    if (all.n == 1)
        return SQ_OK;
    if (g.group.n > GROUPS_MAX)
        return sq_fail_at(x->b->ctx, SQ_LIMIT, sq_bind_span(x->b, g.span), "grouping sets are of at most %d expressions", GROUPS_MAX);
    aggs->sets = all.p;
    aggs->nsets = all.n;
    return SQ_OK;
}

static bool in_all(const struct sq_aggs *g, uint32_t i)
{
    for (uint32_t k = 0; k < g->nsets; k++)
        if (!(g->sets[k] >> i & 1))
            return false;
    return true;
}

sq_rc sq_bind_group_null(struct sq_bind_x *x, struct sq_expr **e)
{
    const struct sq_aggs *g = x->aggs;
    struct sq_arena *a = x->b->arena;
    for (uint32_t i = 0; i < g->ngroup && !(*e)->type->nullable; i++) {
        if (!sq_expr_equal(*e, g->group[i]) || in_all(g, i))
            continue;
        struct sq_expr *copy = SQ_NEW(a, struct sq_expr);
        if (!copy)
            return SQ_NOMEM;
        *copy = **e;
        if (!(copy->type = sq_type_nullable(a, copy->type, true)))
            return SQ_NOMEM;
        *e = copy;
    }
    return SQ_OK;
}

/* ---- GROUPING ---- */

static struct sq_expr *number(struct sq_bind_x *x, int64_t v, struct sq_span span)
{
    const struct sq_type *t = sq_type_nullable(x->b->arena, &sq_type_bigint, false);
    return t ? sq_expr_const(x->b->arena, sq_vec_const_fixed(x->b->arena, t, &v), span) : NULL;
}

/* values[i] for the set i, as CASE $e WHEN … IN (…) for each value but the commonest kind, 0. */
static sq_rc by_set(struct sq_bind_x *x, const int64_t *values, struct sq_span span, struct sq_expr **out)
{
    struct sq_arena *a = x->b->arena;
    const struct sq_aggs *g = x->aggs;
    const struct sq_type *t = sq_type_nullable(a, &sq_type_bigint, false), *yes = sq_type_nullable(a, &sq_type_boolean, false);
    struct sq_exprs args = {0};
    int64_t most = 0;
    if (!t || !yes)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < g->nsets; i++)
        most = values[i] > most ? values[i] : most;
    for (int64_t v = 1; v <= most; v++) {
        struct sq_exprs in = {0};
        SQ_TRY(sq_exprs_add(a, &in, sq_expr_col(a, SQ_SET_COL, t, span)));
        for (uint32_t i = 0; i < g->nsets; i++)
            if (values[i] == v)
                SQ_TRY(sq_exprs_add(a, &in, number(x, i, span)));
        struct sq_expr *e = sq_expr_new(a, SQ_X_IN, yes, span, 0);
        if (!e)
            return SQ_NOMEM;
        e->args = in.p;
        e->nargs = in.n;
        if (in.n > 1) {
            SQ_TRY(sq_exprs_add(a, &args, e));
            SQ_TRY(sq_exprs_add(a, &args, number(x, v, span)));
        }
    }
    SQ_TRY(sq_exprs_add(a, &args, number(x, 0, span)));
    *out = args.p[0];
    if (args.n == 1)
        return SQ_OK;
    struct sq_expr *e = sq_expr_new(a, SQ_X_CASE, t, span, 0);
    if (!e)
        return SQ_NOMEM;
    e->args = args.p;
    e->nargs = args.n;
    *out = e;
    return SQ_OK;
}

static sq_rc group_id(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    const struct sq_aggs *g = x->aggs;
    int64_t *v = SQ_NEW_ARRAY(x->b->arena, int64_t, g->nsets + 1);
    if (!v)
        return SQ_NOMEM;
    if (a->nargs)
        return SQ_WRONG(x->b, a->span, "GROUP_ID takes no arguments");
    for (uint32_t i = 0; i < g->nsets; i++)
        for (uint32_t k = 0; k < i; k++)
            v[i] += g->sets[k] == g->sets[i];
    return by_set(x, v, sq_bind_span(x->b, a->span), out);
}

/* 1 where the argument is left out. */
static sq_rc left_out(struct sq_bind_x *x, const struct sq_ast_expr *a, const char *name, struct sq_expr **out)
{
    struct sq_aggs *g = x->aggs;
    struct sq_bind_x plain = *x;
    struct sq_expr *e;
    plain.aggs = NULL;
    plain.clause = name;
    SQ_TRY(sq_bind_expr(&plain, a, &e));
    int64_t *v = SQ_NEW_ARRAY(x->b->arena, int64_t, g->nsets + 1);
    uint32_t k = 0;
    if (!v)
        return SQ_NOMEM;
    while (k < g->ngroup && !sq_expr_equal(g->group[k], e))
        k++;
    if (k == g->ngroup)
        return SQ_WRONG(x->b, a->span, "the argument of %s must be one of the expressions of GROUP BY", name);
    for (uint32_t i = 0; i < g->nsets; i++)
        v[i] = !(g->sets[i] >> k & 1);
    return by_set(x, v, sq_bind_span(x->b, a->span), out);
}

sq_rc sq_bind_grouping_call(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    bool id = sq_str_iis(a->text, "GROUP_ID"), grouping = sq_str_iis(a->text, "GROUPING");
    const char *name = id ? "GROUP_ID" : grouping ? "GROUPING" : "GROUPING_ID";
    struct sq_expr *sum = NULL;
    *out = NULL;
    if (!id && !grouping && !sq_str_iis(a->text, "GROUPING_ID"))
        return SQ_OK;
    if (!x->aggs || x->inside_agg)
        return SQ_WRONG(x->b, a->span, "%s cannot stand in %s", name, x->inside_agg ? "an aggregate" : x->clause);
    if (!x->aggs->grouped)
        return SQ_WRONG(x->b, a->span, "%s needs a GROUP BY", name);
    if (id)
        return group_id(x, a, out);
    if (!a->nargs || a->nargs > GROUPS_MAX)
        return SQ_WRONG(x->b, a->span, "%s takes 1 to %d arguments, not %u", name, GROUPS_MAX, a->nargs);
    for (uint32_t i = 0; i < a->nargs; i++) {
        struct sq_expr *bit, *two[2];
        SQ_TRY(left_out(x, a->args[i], name, &bit));
        if (sum) {
            two[0] = sum;
            if (!(two[1] = number(x, 2, sum->span)))
                return SQ_NOMEM;
            SQ_TRY(sq_bind_call(x->b, SQ_STR("*"), two, 2, a->span, &two[0]));
            two[1] = bit;
            SQ_TRY(sq_bind_call(x->b, SQ_STR("+"), two, 2, a->span, &bit));
        }
        sum = bit;
    }
    *out = sum;
    return SQ_OK;
}

/* ---- the node ---- */

sq_rc sq_expand_plan(struct sq_binder *b, const struct sq_aggs *g, struct sq_plan *in, struct sq_span span, struct sq_plan **out)
{
    struct sq_plan *p = sq_node_new(b->arena, SQ_N_EXPAND, in, span);
    struct sq_field *cols = SQ_NEW_ARRAY(b->arena, struct sq_field, in->ncols + 1);
    if (!p || !cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < in->ncols; i++) {
        cols[i] = in->cols[i];
        if (i < g->ngroup && !in_all(g, i) && !(cols[i].type = sq_type_nullable(b->arena, cols[i].type, true)))
            return SQ_NOMEM;
    }
    cols[in->ncols].name = SQ_STR("$e");
    if (!(cols[in->ncols].type = sq_type_nullable(b->arena, &sq_type_bigint, false)))
        return SQ_NOMEM;
    p->cols = cols;
    p->ncols = in->ncols + 1;
    p->u.expand.ngroup = g->ngroup;
    p->u.expand.sets = g->sets;
    p->u.expand.nsets = g->nsets;
    *out = p;
    return SQ_OK;
}
