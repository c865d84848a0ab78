/* SPDX-License-Identifier: Apache-2.0
 *
 * bind_agg.c: aggregates of one query level. A call is noted once (equal calls share one accumulator) and stands in its expression as column
 * SQ_AGG_COL + i. When every expression of the level is bound, sq_agg_place replaces what equals a GROUP BY expression by the
 * group's column and the calls by theirs; a column that is left is the classic error. sq_agg_plan makes the nodes: a project that computes group
 * and argument expressions, and the aggregate.
 */
#include "planner/bind.h"

static bool uses_aggregate(void *found, struct sq_ast_expr *e)
{
    if (e->kind == SQ_A_CALL && !e->over && sq_agg_find(e->text))
        *(bool *)found = true;
    return !*(bool *)found;
}

bool sq_ast_has_aggregate(const struct sq_ast_expr *e)
{
    bool found = false;
    sq_ast_walk((struct sq_ast_expr *)(uintptr_t)e, uses_aggregate, &found);
    return found;
}

static bool same_or_none(const struct sq_expr *a, const struct sq_expr *b)
{
    return a && b ? sq_expr_equal(a, b) : a == b;
}

static sq_rc note_use(struct sq_binder *b, struct sq_aggs *g, const struct sq_agg_use *u, uint32_t *at)
{
    for (uint32_t i = 0; i < g->n; i++) {
        const struct sq_agg_use *o = &g->uses[i];
        if (o->agg == u->agg && o->distinct == u->distinct && same_or_none(o->arg, u->arg) && same_or_none(o->filter, u->filter) &&
            same_or_none(o->opt, u->opt)) {
            *at = i;
            return SQ_OK;
        }
    }
    if (g->n == g->cap) {
        uint32_t cap = g->cap ? 2 * g->cap : 8;
        struct sq_agg_use *p = SQ_NEW_ARRAY(b->arena, struct sq_agg_use, cap);
        if (!p)
            return SQ_NOMEM;
        if (g->n)
            memcpy(p, g->uses, sizeof(*p) * g->n);
        g->uses = p;
        g->cap = cap;
    }
    *at = g->n;
    g->uses[g->n++] = *u;
    return SQ_OK;
}

static sq_rc bind_constant(struct sq_bind_x *inner, const struct sq_ast_expr *a, struct sq_expr **out)
{
    SQ_TRY(sq_bind_expr(inner, a->args[1], out));
    if ((*out)->kind != SQ_X_CONST)
        return SQ_WRONG(inner->b, a->args[1]->span, "the second argument of %.*s must be a constant", SQ_FMT(a->text));
    return SQ_OK;
}

static sq_rc bind_arguments(struct sq_bind_x *inner, const struct sq_ast_expr *a, struct sq_agg_use *u)
{
    struct sq_binder *b = inner->b;
    bool count = sq_str_iis(a->text, "COUNT");
    if (a->star) {
        if (!count)
            return SQ_WRONG(b, a->span, "%.*s(*) is not possible: only COUNT takes *", SQ_FMT(a->text));
    } else if (a->nargs != 1 && !(a->nargs == 2 && u->agg->flags & SQ_AGG_OPT)) {
        return SQ_WRONG(b, a->span, "%.*s takes one argument%s, not %u", SQ_FMT(a->text), u->agg->flags & SQ_AGG_OPT ? " or two" : "", a->nargs);
    } else {
        SQ_TRY(sq_bind_expr(inner, a->args[0], &u->arg));
        if (a->nargs == 2)
            SQ_TRY(bind_constant(inner, a, &u->opt));
    }
    if (a->filter) {
        inner->clause = "FILTER";
        SQ_TRY(sq_bind_predicate(inner, a->filter, &u->filter));
    }
    const struct sq_type *types[2] = {u->arg ? u->arg->type : NULL, u->opt ? u->opt->type : NULL};
    b->ctx->err.span = (struct sq_span){0, 0};
    sq_rc rc = u->agg->derive(b->ctx, b->arena, types, !!u->arg + !!u->opt, &u->ret);
    if (rc != SQ_OK && !b->ctx->err.span.len)
        b->ctx->err.span = sq_bind_span(b, a->span);
    SQ_TRY(rc);
    if (count && u->arg && !u->distinct && !u->arg->type->nullable)
        u->arg = NULL;                                           /* COUNT(x) of what is never NULL counts rows */
    if (!(u->agg->flags & SQ_NEVER_NULL) && (u->filter || (!inner->aggs->ngroup && !inner->aggs->sets)))
        u->ret = sq_type_nullable(b->arena, u->ret, true);       /* may see no row */
    return u->ret ? SQ_OK : SQ_NOMEM;
}

sq_rc sq_bind_aggregate(struct sq_bind_x *x, const struct sq_ast_expr *a, const struct sq_agg *agg, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    if (x->inside_agg)
        return SQ_WRONG(b, a->span, "aggregates cannot be nested: %.*s stands inside another aggregate", SQ_FMT(a->text));
    if (!x->aggs) {
        SQ_WRONG(b, a->span, "the aggregate %.*s cannot stand in %s", SQ_FMT(a->text), x->clause);
        return strcmp(x->clause, "WHERE") == 0 ? sq_hint(b->ctx, "conditions on aggregates go to HAVING") : SQ_SEMANTIC;
    }
    if (a->norder)
        return SQ_REFUSE(b, a->span, "ORDER BY inside %.*s is not supported yet", SQ_FMT(a->text));
    struct sq_bind_x inner = *x;
    inner.inside_agg = true;
    inner.naliases = 0;
    struct sq_agg_use u = {.agg = agg, .distinct = a->distinct && !sq_str_iis(a->text, "MIN") && !sq_str_iis(a->text, "MAX"), .span = sq_bind_span(b, a->span)};
    SQ_TRY(bind_arguments(&inner, a, &u));
    uint32_t at;
    SQ_TRY(note_use(b, x->aggs, &u, &at));
    *out = sq_expr_col(b->arena, SQ_AGG_COL + at, u.ret, u.span);
    return *out ? SQ_OK : SQ_NOMEM;
}

/* ---- placing ---- */

/* Group columns of the aggregate: with GROUPING SETS the number of the set is one too. */
static uint32_t keys(const struct sq_aggs *g)
{
    return g->ngroup + (g->sets ? 1 : 0);
}

struct place {
    struct sq_binder *b;
    const struct sq_aggs *aggs;
    const struct sq_plan *from;
};

static sq_rc place_one(void *arg, struct sq_expr *e, struct sq_expr **out)
{
    struct place *p = arg;
    struct sq_arena *a = p->b->arena;
    for (uint32_t i = 0; i < p->aggs->ngroup; i++)
        if (sq_expr_equal(e, p->aggs->group[i])) {
            *out = sq_expr_col(a, i, e->type, e->span);
            return *out ? SQ_OK : SQ_NOMEM;
        }
    if (e->kind != SQ_X_COL)
        return SQ_OK;
    if (e->col == SQ_SET_COL) {
        *out = sq_expr_col(a, p->aggs->ngroup, e->type, e->span);
        return *out ? SQ_OK : SQ_NOMEM;
    }
    if (e->col >= SQ_OVER_COL && e->col < SQ_AGG_COL)
        return SQ_OK;
    if (e->col >= SQ_AGG_COL) {
        *out = sq_expr_col(a, keys(p->aggs) + (e->col - SQ_AGG_COL), e->type, e->span);
        return *out ? SQ_OK : SQ_NOMEM;
    }
    sq_fail_at(p->b->ctx, SQ_SEMANTIC, e->span, "column '%.*s' must be in GROUP BY or inside an aggregate", SQ_FMT(p->from->cols[e->col].name));
    for (uint32_t i = 0; i < p->aggs->ngroup; i++)
        if (p->aggs->group[i]->kind == SQ_X_CONST && sq_tid_is_int(p->aggs->group[i]->type->id))
            return sq_hint(p->b->ctx, "a number in GROUP BY is a constant, not a position: write the expression");
    return SQ_SEMANTIC;
}

sq_rc sq_agg_place(struct sq_binder *b, const struct sq_aggs *aggs, const struct sq_plan *from, struct sq_expr *e, struct sq_expr **out)
{
    return sq_expr_map(b->arena, e, place_one, &(struct place){b, aggs, from}, out);
}

/* ---- nodes ---- */

/* The argument's place among the columns from `from` on. */
static int32_t find_or_add(struct sq_arena *a, struct sq_exprs *l, uint32_t from, struct sq_expr *e, sq_rc *rc)
{
    for (uint32_t i = from; i < l->n; i++)
        if (sq_expr_equal(l->p[i], e))
            return (int32_t)i;
    *rc = sq_exprs_add(a, l, e);
    return (int32_t)l->n - 1;
}

static sq_rc item_name(struct sq_binder *b, const struct sq_plan *p, const struct sq_agg_item *it, struct sq_str *name)
{
    struct sq_str arg = it->arg >= 0 ? p->cols[it->arg].name : SQ_STR("*");
    char *text = it->filter >= 0 ? sq_arena_printf(b->arena, "%s(%s%.*s) FILTER (WHERE %.*s)", it->agg->name, it->distinct ? "DISTINCT " : "", SQ_FMT(arg), SQ_FMT(p->cols[it->filter].name))
                                 : sq_arena_printf(b->arena, "%s(%s%.*s)", it->agg->name, it->distinct ? "DISTINCT " : "", SQ_FMT(arg));
    *name = sq_str_of(text);
    return text ? SQ_OK : SQ_NOMEM;
}

static sq_rc make_aggregate(struct sq_binder *b, const struct sq_aggs *g, struct sq_plan *below, struct sq_agg_item *items, struct sq_span span, struct sq_plan **out)
{
    struct sq_plan *p = sq_node_new(b->arena, SQ_N_AGGREGATE, below, span);
    uint32_t ngroup = keys(g), n = ngroup + g->n;
    struct sq_field *cols = SQ_NEW_ARRAY(b->arena, struct sq_field, n ? n : 1);
    uint32_t *group = SQ_NEW_ARRAY(b->arena, uint32_t, ngroup ? ngroup : 1);
    if (!p || !cols || !group)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < ngroup; i++) {
        group[i] = i < g->ngroup ? i : below->ncols - 1;
        cols[i] = below->cols[group[i]];
    }
    for (uint32_t i = 0; i < g->n; i++) {
        cols[ngroup + i].type = items[i].ret;
        SQ_TRY(item_name(b, below, &items[i], &cols[ngroup + i].name));
    }
    p->cols = cols;
    p->ncols = n;
    p->u.agg.group = group;
    p->u.agg.ngroup = ngroup;
    p->u.agg.items = items;
    p->u.agg.nitems = g->n;
    p->u.agg.global = ngroup == 0;
    *out = p;
    return SQ_OK;
}

sq_rc sq_agg_plan(struct sq_binder *b, const struct sq_aggs *g, struct sq_plan *from, struct sq_span span, struct sq_plan **out)
{
    struct sq_exprs pre = {0};
    struct sq_agg_item *items = SQ_NEW_ARRAY(b->arena, struct sq_agg_item, g->n ? g->n : 1);
    uint32_t shared = g->sets ? g->ngroup : 0;                  /* an argument is not NULL where its group column is */
    sq_rc rc = SQ_OK;
    if (!items)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < g->ngroup; i++)
        SQ_TRY(sq_exprs_add(b->arena, &pre, g->group[i]));
    for (uint32_t i = 0; i < g->n; i++) {
        const struct sq_agg_use *u = &g->uses[i];
        items[i].agg = u->agg;
        items[i].distinct = u->distinct;
        items[i].ret = u->ret;
        items[i].opt = u->opt;
        items[i].arg = u->arg ? find_or_add(b->arena, &pre, shared, u->arg, &rc) : -1;
        SQ_TRY(rc);
        items[i].filter = u->filter ? find_or_add(b->arena, &pre, shared, u->filter, &rc) : -1;
        SQ_TRY(rc);
    }
    struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, pre.n ? pre.n : 1);
    if (!names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < pre.n; i++)
        SQ_TRY(sq_expr_label(b->arena, pre.p[i], from, &names[i]));
    struct sq_plan *below = sq_node_project(b->arena, from, pre.p, pre.n, names);
    if (!below)
        return SQ_NOMEM;
    if (g->sets)
        SQ_TRY(sq_expand_plan(b, g, below, span, &below));
    return make_aggregate(b, g, below, items, span, out);
}
