/* SPDX-License-Identifier: Apache-2.0
 *
 * subquery.c: queries inside of conditions become joins, below the WHERE that they stand in.
 *
 *   [NOT] EXISTS (…)            SEMI or ANTI join
 *   x [NOT] IN (SELECT y …)     SEMI join on x = y; ANTI join on x = y, or, where one of them may be NULL, on (x = y) IS NOT FALSE: no row comes out where the answer is unknown
 *   x op ANY|SOME (…)           SEMI join on x op y;   x op ALL (…)   ANTI join on (x op y) IS NOT TRUE
 *   t, LATERAL (SELECT …)       a query that names columns of t: a join on its conditions, aggregated before where it has aggregates, ranked where it has ORDER BY and LIMIT
 *   (SELECT …) as a value       LEFT join with the one row; where it says column = outer column, an aggregate for each value of the column, joined by it
 *
 * They are taken so where they stand alone or between ANDs in WHERE; elsewhere mark.c has them. Values can stand anywhere in WHERE and SELECT. A query may name columns of the one it stands in (it is *correlated*) in the conditions of its own
 * WHERE, which then are conditions of the join.
 *
 * A SEMI or ANTI join shows its right side's columns, too, for as long as the tree is being rewritten, and a project over it keeps them from view; sq_narrow_joins takes them off.
 */
#include "planner/subquery.h"

/* ---- nodes ---- */

struct sq_plan *sq_sub_join(struct sq_binder *b, struct sq_plan *l, struct sq_plan *r, enum sq_join_kind kind, struct sq_span span)
{
    struct sq_plan *p = sq_node_new(b->arena, SQ_N_JOIN, NULL, sq_bind_span(b, span));
    struct sq_field *cols = SQ_NEW_ARRAY(b->arena, struct sq_field, l->ncols + r->ncols + 1);
    if (!p || !cols || !(p->inputs = SQ_NEW_ARRAY(b->arena, struct sq_plan *, 2)))
        return NULL;
    p->inputs[0] = l;
    p->inputs[1] = r;
    p->ninputs = 2;
    p->ncols = l->ncols + r->ncols;
    p->u.join.kind = kind;
    for (uint32_t i = 0; i < p->ncols; i++) {
        cols[i] = i < l->ncols ? l->cols[i] : r->cols[i - l->ncols];
        if (i >= l->ncols && !(cols[i].type = sq_type_nullable(b->arena, cols[i].type, true)))
            return NULL;
    }
    p->cols = cols;
    return p;
}

static sq_rc left_columns(struct sq_binder *b, struct sq_plan *join, uint32_t n, struct sq_plan **out)
{
    uint32_t *first = SQ_NEW_ARRAY(b->arena, uint32_t, n + 1);
    if (!first)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        first[i] = i;
    *out = sq_node_select(b->arena, join, first, n);
    return *out ? SQ_OK : SQ_NOMEM;
}

sq_rc sq_widen_joins(struct sq_arena *a, struct sq_plan *p, bool wide)
{
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(sq_widen_joins(a, p->inputs[i], wide));
    if (p->kind != SQ_N_JOIN || (p->u.join.kind != SQ_JOIN_SEMI && p->u.join.kind != SQ_JOIN_ANTI))
        return SQ_OK;
    const struct sq_plan *l = p->inputs[0], *r = p->inputs[1];
    uint32_t n = l->ncols + (wide ? r->ncols : 0);
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, n + 1);
    if (!cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        cols[i] = i < l->ncols ? l->cols[i] : r->cols[i - l->ncols];
    p->cols = cols;
    p->ncols = n;
    return SQ_OK;
}

sq_rc sq_half_join(struct sq_binder *b, struct sq_plan *l, struct sq_plan *r, enum sq_join_kind kind, struct sq_expr *on, struct sq_span span, struct sq_plan **out)
{
    struct sq_plan *j = sq_sub_join(b, l, r, kind, span);
    if (!j)
        return SQ_NOMEM;
    j->u.join.residual = on;
    return left_columns(b, j, l->ncols, out);
}

/* ---- the query and its conditions ---- */

/* Its rows can be taken one by one: conditions may be moved out of it. */
bool sq_sub_plain(const struct sq_ast_query *q)
{
    bool plain = q->kind == SQ_Q_SELECT && q->from && !q->grouped && !q->ngroup && !q->having && !q->limit && !q->offset && !q->nwith && !q->qualify;
    for (uint32_t i = 0; plain && i < q->nitems; i++)
        plain = !sq_ast_has_aggregate(q->items[i].expr);
    return plain;
}

static sq_rc move_one(void *arg, struct sq_expr *e, struct sq_expr **out)
{
    const struct sq_sub *s = arg;
    if (e->kind != SQ_X_COL)
        return SQ_OK;
    *out = sq_expr_col(s->b->arena, e->col >= OUTER_COL ? e->col - OUTER_COL : e->col + s->nouter, e->type, e->span);
    return *out ? SQ_OK : SQ_NOMEM;
}

/* An expression over inner columns and outer ones, over the columns of the join. */
sq_rc sq_sub_to_join(struct sq_sub *s, struct sq_expr *e, struct sq_expr **out) { return sq_expr_map(s->b->arena, e, move_one, s, out); }

static bool is_outer(const struct sq_expr *e)
{
    if (e->kind == SQ_X_COL && e->col >= OUTER_COL)
        return true;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (is_outer(e->args[i]))
            return true;
    return false;
}

sq_rc sq_bind_outer_name(struct sq_bind_x *x, const struct sq_ast_expr *a, bool *found, struct sq_expr **out)
{
    struct sq_error kept = x->b->ctx->err;
    struct sq_bind_x o = {.b = x->b, .scope = x->outer, .clause = x->clause};
    *found = sq_bind_name(&o, a, out) == SQ_OK;
    if (!*found) {
        x->b->ctx->err = kept;
        return SQ_OK;
    }
    return sq_expr_shift(x->b->arena, *out, OUTER_COL, out);
}

/* FROM and WHERE of a plain query; correlated conditions to s->on. */
sq_rc sq_sub_bind(struct sq_sub *s, const struct sq_ast_query *q)
{
    struct sq_binder *b = s->b;
    struct sq_exprs all = {0}, own = {0};
    struct sq_expr *e;
    SQ_TRY(sq_bind_from(b, q->from, &s->plan, &s->scope));
    if (!q->where)
        return SQ_OK;
    struct sq_bind_x x = {.b = b, .scope = &s->scope, .outer = s->outer, .clause = "WHERE"};
    SQ_TRY(sq_bind_where(&x, q->where, &s->plan, &e));
    if (!e)
        return SQ_OK;
    SQ_TRY(sq_expr_conjuncts(b->arena, e, &all));
    for (uint32_t i = 0; i < all.n; i++) {
        bool outer = is_outer(all.p[i]);
        if (outer)
            SQ_TRY(sq_sub_to_join(s, all.p[i], &all.p[i]));
        SQ_TRY(sq_exprs_add(b->arena, outer ? &s->on : &own, all.p[i]));
    }
    SQ_TRY(sq_expr_conjunction(b->arena, &own, &e));
    if (e && !(s->plan = sq_node_filter(b->arena, s->plan, e)))
        return SQ_NOMEM;
    return SQ_OK;
}

/* The inner query's items, over the columns of the join; a query that is not plain is bound as it stands. */
sq_rc sq_sub_items(struct sq_sub *s, const struct sq_ast_query *q, uint32_t n, struct sq_span span, struct sq_expr **items)
{
    struct sq_binder *b = s->b;
    bool plain = sq_sub_plain(q);
    for (uint32_t i = 0; plain && i < q->nitems; i++)
        plain = q->items[i].expr->kind != SQ_A_STAR;
    if (plain)
        SQ_TRY(sq_sub_bind(s, q));
    else
        SQ_TRY(sq_bind_select_query(b, q, true, &s->plan));
    uint32_t have = plain ? q->nitems : s->plan->ncols;
    if (have != n)
        return SQ_WRONG(b, span, "the query has %u column%s, and %u %s compared", have, have == 1 ? "" : "s", n, n == 1 ? "is" : "are");
    struct sq_bind_x x = {.b = b, .scope = &s->scope, .outer = s->outer, .clause = "SELECT"};
    for (uint32_t i = 0; i < n; i++) {
        if (plain)
            SQ_TRY(sq_bind_expr(&x, q->items[i].expr, &items[i]));
        else if (!(items[i] = sq_expr_col(b->arena, i, s->plan->cols[i].type, (struct sq_span){0, 0})))
            return SQ_NOMEM;
        SQ_TRY(sq_sub_to_join(s, items[i], &items[i]));
    }
    return SQ_OK;
}

static sq_rc put_join(struct sq_sub *s, enum sq_join_kind kind, struct sq_span span, struct sq_plan **plan)
{
    struct sq_expr *on;
    SQ_TRY(sq_expr_conjunction(s->b->arena, &s->on, &on));
    return sq_half_join(s->b, *plan, s->plan, kind, on, span, plan);
}

/* ---- EXISTS, IN, ANY, ALL ---- */

static sq_rc bind_exists(struct sq_sub *s, const struct sq_ast_expr *a, bool negated, struct sq_plan **plan)
{
    if (sq_sub_plain(a->query))
        SQ_TRY(sq_sub_bind(s, a->query));
    else
        SQ_TRY(sq_bind_select_query(s->b, a->query, true, &s->plan));
    return put_join(s, negated ? SQ_JOIN_ANTI : SQ_JOIN_SEMI, a->span, plan);
}

/* l = r, for a SEMI join; for an ANTI join true also where it is unknown. */
static sq_rc compare(struct sq_sub *s, struct sq_str op, struct sq_expr *l, struct sq_expr *r, bool unknown_too, struct sq_span span)
{
    struct sq_expr *args[2] = {l, r}, *e;
    SQ_TRY(sq_bind_call(s->b, op, args, 2, span, &e));
    if (unknown_too && e->type->nullable)
        SQ_TRY(sq_bind_call(s->b, SQ_STR("IS NOT FALSE"), &e, 1, span, &e));
    return sq_exprs_add(s->b->arena, &s->on, e);
}

static sq_rc bind_in_query(struct sq_sub *s, const struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_plan **plan)
{
    const struct sq_ast_expr *left = a->args[0];
    uint32_t n = left->kind == SQ_A_ROW ? left->nargs : 1;
    struct sq_expr **items = SQ_NEW_ARRAY(s->b->arena, struct sq_expr *, n), *l;
    struct sq_bind_x own = *x;
    if (!items)
        return SQ_NOMEM;
    SQ_TRY(sq_sub_items(s, a->query, n, a->span, items));
    for (uint32_t i = 0; i < n; i++) {
        SQ_TRY(sq_bind_expr(&own, left->kind == SQ_A_ROW ? left->args[i] : left, &l));
        SQ_TRY(compare(s, SQ_STR("="), l, items[i], a->negated, a->span));
    }
    return put_join(s, a->negated ? SQ_JOIN_ANTI : SQ_JOIN_SEMI, a->span, plan);
}

static sq_rc bind_quantified(struct sq_sub *s, const struct sq_bind_x *x, const struct sq_ast_expr *a, bool negated, struct sq_plan **plan)
{
    static const char *const names[] = {[SQ_OP_EQ] = "=", [SQ_OP_NE] = "<>", [SQ_OP_LT] = "<", [SQ_OP_LE] = "<=", [SQ_OP_GT] = ">", [SQ_OP_GE] = ">="};
    struct sq_bind_x own = *x;
    struct sq_expr *item, *l, *e, *args[2];
    bool all = a->ival2 != 0;
    SQ_TRY(sq_sub_items(s, a->query, 1, a->span, &item));
    SQ_TRY(sq_bind_expr(&own, a->args[0], &l));
    args[0] = l;
    args[1] = item;
    SQ_TRY(sq_bind_call(s->b, sq_str_of(names[a->ival]), args, 2, a->span, &e));
    /* x op ALL: no row for which it is false or unknown; NOT (x op ANY): none for which it is true or unknown */
    if (all != negated && e->type->nullable)
        SQ_TRY(sq_bind_call(s->b, all ? SQ_STR("IS NOT TRUE") : SQ_STR("IS NOT FALSE"), &e, 1, a->span, &e));
    else if (all)
        SQ_TRY(sq_bind_call(s->b, SQ_STR("NOT"), &e, 1, a->span, &e));
    SQ_TRY(sq_exprs_add(s->b->arena, &s->on, e));
    return put_join(s, all != negated ? SQ_JOIN_ANTI : SQ_JOIN_SEMI, a->span, plan);
}

static bool takes(const struct sq_ast_expr *a, bool *negated)
{
    *negated = false;
    while (a->kind == SQ_A_UNARY && a->ival == SQ_OP_NOT) {
        *negated = !*negated;
        a = a->args[0];
    }
    return a->kind == SQ_A_EXISTS || (a->kind == SQ_A_IN && a->query) || a->kind == SQ_A_QUANTIFIED;
}

static sq_rc bind_one(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_plan **plan)
{
    struct sq_sub s = {.b = x->b, .outer = x->scope, .nouter = (*plan)->ncols};
    bool negated = false;
    while (a->kind == SQ_A_UNARY) {
        negated = !negated;
        a = a->args[0];
    }
    if (a->kind == SQ_A_EXISTS)
        return bind_exists(&s, a, negated, plan);
    if (a->kind == SQ_A_QUANTIFIED)
        return bind_quantified(&s, x, a, negated, plan);
    struct sq_ast_expr in = *a;
    in.negated = a->negated != negated;
    return bind_in_query(&s, x, &in, plan);
}

static sq_rc walk(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_plan **plan, struct sq_exprs *rest)
{
    bool negated;
    if (a->kind == SQ_A_BINARY_OP && a->ival == SQ_OP_AND) {
        for (uint32_t i = 0; i < a->nargs; i++)
            SQ_TRY(walk(x, a->args[i], plan, rest));
        return SQ_OK;
    }
    if (takes(a, &negated))
        return bind_one(x, a, plan);
    struct sq_expr *e;
    x->values = plan;
    sq_rc rc = sq_bind_predicate(x, a, &e);
    x->values = NULL;
    SQ_TRY(rc);
    return sq_exprs_add(x->b->arena, rest, e);
}

sq_rc sq_bind_where(struct sq_bind_x *x, const struct sq_ast_expr *where, struct sq_plan **plan, struct sq_expr **pred)
{
    struct sq_exprs rest = {0};
    SQ_TRY(walk(x, where, plan, &rest));
    return sq_expr_conjunction(x->b->arena, &rest, pred);
}

/* ---- values ---- */

static bool one_row(const struct sq_plan *p)
{
    while (p->kind == SQ_N_PROJECT)
        p = p->inputs[0];
    return (p->kind == SQ_N_AGGREGATE && p->u.agg.global) || ((p->kind == SQ_N_SORT || p->kind == SQ_N_LIMIT) && p->u.sort.limit >= 0 && p->u.sort.limit <= 1) ||
           (p->kind == SQ_N_VALUES && p->u.values.nbatches == 1 && p->u.values.rows[0].rows <= 1);
}

/* The inner columns and outer expressions that a correlated query's conditions say are equal; false: they say something else. */
bool sq_sub_equalities(const struct sq_sub *s, struct sq_expr **inner, struct sq_expr **outer)
{
    for (uint32_t i = 0; i < s->on.n; i++) {
        struct sq_expr *e = s->on.p[i];
        if (!sq_expr_is_fn(e, "="))
            return false;
        uint32_t in = sq_expr_within(e->args[0], s->nouter, UINT32_MAX) && sq_expr_has_col(e->args[0]) ? 0 : 1;
        if (!sq_expr_within(e->args[in], s->nouter, UINT32_MAX) || !sq_expr_within(e->args[1 - in], 0, s->nouter))
            return false;
        inner[i] = e->args[in];
        outer[i] = e->args[1 - in];
    }
    return true;
}

static sq_rc zero_for_null(struct sq_binder *b, struct sq_expr *e, struct sq_expr **out)
{
    int64_t zero = 0;
    const struct sq_type *t = sq_type_nullable(b->arena, &sq_type_bigint, false);
    struct sq_expr *c = sq_expr_new(b->arena, SQ_X_COALESCE, t, e->span, 2);
    if (!c || !(c->args[1] = sq_expr_const(b->arena, sq_vec_const_fixed(b->arena, t, &zero), e->span)))
        return SQ_NOMEM;
    c->args[0] = e;
    *out = c;
    return SQ_OK;
}

/* ---- LATERAL, and values of correlated queries ---- */

/* A query whose rows can be aggregated by the columns that its conditions compare with those outside. */
static bool is_grouped(const struct sq_ast_query *q)
{
    bool fits = q->kind == SQ_Q_SELECT && q->from && !q->distinct && !q->limit && !q->offset && !q->nwith && !q->qualify;
    for (uint32_t i = 0; fits && i < q->ngroup; i++)
        fits = q->group[i]->kind == SQ_G_EXPR && q->group[i]->expr->kind != SQ_A_ROW;
    for (uint32_t i = 0; fits && i < q->nitems; i++)
        fits = q->items[i].expr->kind != SQ_A_STAR;
    return fits && (q->ngroup || !q->having);
}

static sq_rc item_name(struct sq_binder *b, const struct sq_ast_item *it, uint32_t i, struct sq_str *name)
{
    *name = it->alias;
    if (!name->p && it->expr->kind == SQ_A_NAME)
        *name = it->expr->name.part[it->expr->name.n - 1];
    else if (!name->p && it->expr->kind == SQ_A_FIELD)
        *name = it->expr->text;
    if (name->p)
        return SQ_OK;
    char *text = sq_arena_printf(b->arena, "EXPR$%u", i);
    *name = sq_str_of(text);
    return text ? SQ_OK : SQ_NOMEM;
}

/* The items of a plain query, over the columns of the join. */
static sq_rc lateral_items(struct sq_sub *s, const struct sq_ast_query *q, struct sq_exprs *items, struct sq_str **names)
{
    struct sq_bind_x x = {.b = s->b, .scope = &s->scope, .outer = s->outer, .clause = "SELECT"};
    uint32_t n = 0;
    if (!(*names = SQ_NEW_ARRAY(s->b->arena, struct sq_str, q->nitems + s->scope.ncols * q->nitems + 1)))
        return SQ_NOMEM;
    for (uint32_t i = 0; i < q->nitems; i++) {
        const struct sq_ast_expr *a = q->items[i].expr;
        struct sq_expr *e;
        for (uint32_t k = 0; a->kind == SQ_A_STAR && k < s->scope.ncols; k++) {
            if (s->scope.cols[k].hidden)
                continue;
            SQ_TRY(sq_sub_to_join(s, s->scope.cols[k].expr, &e));
            SQ_TRY(sq_exprs_add(s->b->arena, items, e));
            (*names)[n++] = s->scope.cols[k].name;
        }
        if (a->kind == SQ_A_STAR) {
            if (a->name.n)
                return SQ_REFUSE(s->b, a->span, "%.*s.* in a correlated LATERAL query is not supported: write * or the columns", SQ_FMT(a->name.part[a->name.n - 1]));
            continue;
        }
        SQ_TRY(sq_bind_expr(&x, a, &e));
        SQ_TRY(sq_sub_to_join(s, e, &e));
        SQ_TRY(sq_exprs_add(s->b->arena, items, e));
        SQ_TRY(item_name(s->b, &q->items[i], i, &(*names)[n++]));
    }
    return SQ_OK;
}

/* Puts what is of inner columns alone beside them, below the join: a LEFT join pads it. */
static sq_rc below_join(struct sq_sub *s, struct sq_exprs *items, struct sq_span span)
{
    struct sq_arena *a = s->b->arena;
    uint32_t n = s->plan->ncols;
    struct sq_exprs all = {0};
    struct sq_str *names = SQ_NEW_ARRAY(a, struct sq_str, n + items->n + 1);
    if (!names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        SQ_TRY(sq_exprs_add(a, &all, sq_expr_col(a, i, s->plan->cols[i].type, (struct sq_span){0, 0})));
        names[i] = s->plan->cols[i].name;
    }
    for (uint32_t i = 0; i < items->n; i++) {
        struct sq_expr *e;
        if (!sq_expr_within(items->p[i], s->nouter, UINT32_MAX))
            return SQ_REFUSE(s->b, span, "LEFT JOIN LATERAL whose query selects columns from outside is not supported: select them beside it");
        SQ_TRY(sq_expr_shift(a, items->p[i], -(int64_t)s->nouter, &e));
        SQ_TRY(sq_expr_label(a, e, s->plan, &names[n + i]));
        SQ_TRY(sq_exprs_add(a, &all, e));
        items->p[i] = sq_expr_col(a, s->nouter + n + i, sq_type_nullable(a, e->type, true), e->span);
        if (!items->p[i] || !items->p[i]->type)
            return SQ_NOMEM;
    }
    s->plan = sq_node_project(a, s->plan, all.p, all.n, names);
    return s->plan ? SQ_OK : SQ_NOMEM;
}

struct over_join { const struct sq_sub *s; const struct sq_aggs *aggs; bool padded; };

/* An aggregate call over the columns of the join: where it is padded, no row was aggregated, and COUNT is 0. */
static sq_rc over_one(void *arg, struct sq_expr *e, struct sq_expr **out)
{
    const struct over_join *o = arg;
    struct sq_binder *b = o->s->b;
    if (e->kind != SQ_X_COL || e->col < SQ_AGG_COL)
        return SQ_OK;
    uint32_t i = e->col - SQ_AGG_COL;
    const struct sq_type *t = sq_type_nullable(b->arena, e->type, o->padded || e->type->nullable);
    struct sq_expr *col = t ? sq_expr_col(b->arena, o->s->nouter + o->aggs->ngroup + i, t, e->span) : NULL;
    if (!col)
        return SQ_NOMEM;
    *out = col;
    if (!o->padded || !(o->aggs->uses[i].agg->flags & SQ_NEVER_NULL))
        return SQ_OK;
    if (strcmp(o->aggs->uses[i].agg->name, "COUNT") != 0)
        return SQ_REFUSE(b, e->span, "%s in a correlated query needs a GROUP BY", o->aggs->uses[i].agg->name);
    return zero_for_null(b, col, out);
}

/* Aggregates of a correlated query: by the inner columns of its equalities and its own GROUP BY, joined by the former. Without GROUP BY there is a row for each
 * row outside. */
static sq_rc lateral_grouped(struct sq_sub *s, const struct sq_ast_query *q, bool *left, struct sq_exprs *items, struct sq_str **names)
{
    struct sq_binder *b = s->b;
    struct sq_aggs aggs = {.grouped = true};
    struct sq_bind_x x = {.b = b, .scope = &s->scope, .clause = "GROUP BY"};
    struct over_join o = {s, &aggs, q->ngroup == 0};
    struct sq_expr *e, *having = NULL, **outer = SQ_NEW_ARRAY(b->arena, struct sq_expr *, s->on.n + 1);
    uint32_t nkeys = s->on.n;
    *names = SQ_NEW_ARRAY(b->arena, struct sq_str, q->nitems + 1);
    if (!outer || !*names || !(aggs.group = SQ_NEW_ARRAY(b->arena, struct sq_expr *, nkeys + q->ngroup + 1)))
        return SQ_NOMEM;
    if (!sq_sub_equalities(s, aggs.group, outer))
        return SQ_REFUSE(b, q->span, "a correlated query with aggregates must compare its columns with those outside by = alone");
    for (uint32_t i = 0; i < nkeys; i++)
        SQ_TRY(sq_expr_shift(b->arena, aggs.group[i], -(int64_t)s->nouter, &aggs.group[i]));
    for (uint32_t i = 0; i < q->ngroup; i++)
        SQ_TRY(sq_bind_expr(&x, q->group[i]->expr, &aggs.group[nkeys + i]));
    aggs.ngroup = nkeys + q->ngroup;
    x.aggs = &aggs;
    x.clause = "SELECT";
    for (uint32_t i = 0; i < q->nitems; i++) {
        SQ_TRY(sq_bind_expr(&x, q->items[i].expr, &e));
        SQ_TRY(sq_exprs_add(b->arena, items, e));
        SQ_TRY(item_name(b, &q->items[i], i, &(*names)[i]));
    }
    x.clause = "HAVING";
    if (q->having)
        SQ_TRY(sq_bind_predicate(&x, q->having, &having));
    const struct sq_plan *from = s->plan;
    SQ_TRY(sq_agg_plan(b, &aggs, s->plan, sq_bind_span(b, q->span), &s->plan));
    if (having) {
        SQ_TRY(sq_agg_place(b, &aggs, from, having, &having));
        if (!(s->plan = sq_node_filter(b->arena, s->plan, having)))
            return SQ_NOMEM;
    }
    s->on.n = 0;
    for (uint32_t i = 0; i < nkeys; i++) {
        struct sq_expr *in = sq_expr_col(b->arena, s->nouter + i, s->plan->cols[i].type, (struct sq_span){0, 0}), *args[2] = {outer[i], in}, *eq;
        if (!in)
            return SQ_NOMEM;
        SQ_TRY(sq_bind_call(b, SQ_STR("="), args, 2, q->span, &eq));
        SQ_TRY(sq_exprs_add(b->arena, &s->on, eq));
    }
    for (uint32_t i = 0; i < items->n; i++) {
        if (o.padded) {
            SQ_TRY(sq_expr_map(b->arena, items->p[i], over_one, &o, &items->p[i]));
            continue;
        }
        SQ_TRY(sq_agg_place(b, &aggs, from, items->p[i], &items->p[i]));
        SQ_TRY(sq_expr_shift(b->arena, items->p[i], s->nouter, &items->p[i]));
    }
    if (*left && !o.padded)
        return below_join(s, items, q->span);
    *left |= o.padded;
    return SQ_OK;
}

/* A correlated aggregate of one value: *out over the join. */
static sq_rc value_of_group(struct sq_sub *s, const struct sq_ast_query *q, struct sq_plan **plan, struct sq_expr **out)
{
    struct sq_exprs items = {0};
    struct sq_str *names;
    bool left = true;
    SQ_TRY(lateral_grouped(s, q, &left, &items, &names));
    struct sq_plan *j = sq_sub_join(s->b, *plan, s->plan, SQ_JOIN_LEFT, q->span);
    if (!j)
        return SQ_NOMEM;
    SQ_TRY(sq_expr_conjunction(s->b->arena, &s->on, &j->u.join.residual));
    *plan = j;
    *out = items.p[0];
    return SQ_OK;
}

sq_rc sq_bind_value_query(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    const struct sq_ast_query *q = a->query;
    SQ_TRY(sq_sub_place(x, a, "a query as a value"));
    struct sq_sub s = {.b = b, .outer = x->scope, .nouter = (*x->values)->ncols};
    struct sq_plan *value = NULL;
    bool shaped = q->kind == SQ_Q_SELECT && q->from && q->where && q->nitems == 1 && !q->grouped && !q->ngroup && !q->having && !q->limit && !q->offset && !q->nwith &&
                  !q->distinct && !q->qualify && sq_ast_has_aggregate(q->items[0].expr);
    if (shaped) {
        SQ_TRY(sq_sub_bind(&s, q));
        if (s.on.n)
            return value_of_group(&s, q, x->values, out);
    }
    if (sq_sub_plain(q) && q->nitems == 1 && q->items[0].expr->kind != SQ_A_STAR && !q->distinct) {
        s = (struct sq_sub){.b = b, .outer = x->scope, .nouter = s.nouter};
        SQ_TRY(sq_sub_items(&s, q, 1, a->span, out));
        return sq_single_value(&s, *out, a->span, x->values, out);
    }
    SQ_TRY(sq_bind_select_query(b, q, false, &value));
    if (value->ncols != 1)
        return SQ_WRONG(b, a->span, "a query as a value has one column, not %u", value->ncols);
    if (!one_row(value)) {
        s = (struct sq_sub){.b = b, .outer = x->scope, .nouter = s.nouter, .plan = value};
        struct sq_expr *item = sq_expr_col(b->arena, s.nouter, value->cols[0].type, (struct sq_span){0, 0});
        return item ? sq_single_value(&s, item, a->span, x->values, out) : SQ_NOMEM;
    }
    struct sq_plan *j = sq_sub_join(b, *x->values, value, SQ_JOIN_LEFT, a->span);
    if (!j)
        return SQ_NOMEM;
    *x->values = j;
    *out = sq_expr_col(b->arena, s.nouter, j->cols[s.nouter].type, sq_bind_span(b, a->span));
    return *out ? SQ_OK : SQ_NOMEM;
}

static bool groups(const struct sq_ast_query *q)
{
    bool some = q->grouped || q->ngroup || q->having;
    for (uint32_t i = 0; i < q->nitems; i++)
        some |= sq_ast_has_aggregate(q->items[i].expr);
    return some;
}

/* ORDER BY … LIMIT n: the first rows for each row outside. */
static bool is_top(const struct sq_ast_query *q)
{
    struct sq_ast_query all = *q;
    all.limit = all.offset = NULL;
    return q->limit && q->norder && !q->distinct && sq_sub_plain(&all);
}

static sq_rc count_of(struct sq_sub *s, const struct sq_ast_expr *a, const char *what, int64_t *v)
{
    *v = 0;
    if (a && (a->kind != SQ_A_NUMBER || !sq_parse_int(a->text, v)))
        return SQ_WRONG(s->b, a->span, "%s of a correlated query must be a whole number that is written out", what);
    return SQ_OK;
}

/* What ORDER BY means: an item by its number or alias, or an expression. */
static const struct sq_ast_expr *ordered_by(const struct sq_ast_query *q, const struct sq_ast_expr *a)
{
    int64_t at;
    if (a->kind == SQ_A_NUMBER && sq_parse_int(a->text, &at) && at >= 1 && at <= q->nitems)
        return q->items[at - 1].expr;
    for (uint32_t i = 0; a->kind == SQ_A_NAME && a->name.n == 1 && i < q->nitems; i++)
        if (q->items[i].alias.p && sq_str_eq(q->items[i].alias, a->name.part[0]))
            return q->items[i].expr;
    return a;
}

static sq_rc column_for(struct sq_sub *s, struct sq_exprs *l, struct sq_expr *e, uint32_t *at)
{
    for (*at = 0; *at < l->n; ++*at)
        if (sq_expr_equal(l->p[*at], e))
            return SQ_OK;
    return sq_exprs_add(s->b->arena, l, e);
}

/* A rank by the inner columns of the equalities; the inner query's columns stay in front. */
static sq_rc lateral_top(struct sq_sub *s, const struct sq_ast_query *q)
{
    struct sq_arena *a = s->b->arena;
    struct sq_bind_x x = {.b = s->b, .scope = &s->scope, .clause = "ORDER BY"};
    struct sq_expr *e, **inner = SQ_NEW_ARRAY(a, struct sq_expr *, s->on.n + 1), **outer = SQ_NEW_ARRAY(a, struct sq_expr *, s->on.n + 1);
    uint32_t *partition = SQ_NEW_ARRAY(a, uint32_t, s->on.n + 1);
    struct sq_sort_key *keys = SQ_NEW_ARRAY(a, struct sq_sort_key, q->norder);
    struct sq_exprs l = {0};
    int64_t limit, offset;
    if (!inner || !outer || !partition || !keys)
        return SQ_NOMEM;
    SQ_TRY(count_of(s, q->limit, "LIMIT", &limit));
    SQ_TRY(count_of(s, q->offset, "OFFSET", &offset));
    if (!sq_sub_equalities(s, inner, outer))
        return SQ_REFUSE(s->b, q->span, "a correlated query with ORDER BY and LIMIT must compare its columns with those outside by = alone");
    for (uint32_t i = 0; i < s->plan->ncols; i++)
        SQ_TRY(sq_exprs_add(a, &l, sq_expr_col(a, i, s->plan->cols[i].type, (struct sq_span){0, 0})));
    for (uint32_t i = 0; i < s->on.n; i++) {
        SQ_TRY(sq_expr_shift(a, inner[i], -(int64_t)s->nouter, &e));
        SQ_TRY(column_for(s, &l, e, &partition[i]));
    }
    for (uint32_t i = 0; i < q->norder; i++) {
        const struct sq_ast_order *o = &q->order[i];
        SQ_TRY(sq_bind_expr(&x, ordered_by(q, o->expr), &e));
        SQ_TRY(column_for(s, &l, e, &keys[i].col));
        keys[i].desc = o->desc;
        keys[i].nulls_first = o->nulls_given ? o->nulls_first : !o->desc;
    }
    struct sq_str *names = SQ_NEW_ARRAY(a, struct sq_str, l.n);
    if (!names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < l.n; i++)
        SQ_TRY(sq_expr_label(a, l.p[i], s->plan, &names[i]));
    struct sq_plan *in = l.n > s->plan->ncols ? sq_node_project(a, s->plan, l.p, l.n, names) : s->plan;
    struct sq_plan *p = in ? sq_node_new(a, SQ_N_RANK, in, sq_bind_span(s->b, q->order_span)) : NULL;
    if (!p)
        return SQ_NOMEM;
    p->u.rank.partition = partition;
    p->u.rank.npartition = s->on.n;
    p->u.rank.keys = keys;
    p->u.rank.nkeys = q->norder;
    p->u.rank.from = offset + 1;
    p->u.rank.to = limit > INT64_MAX - 1 - offset ? INT64_MAX - 1 : offset + limit;
    s->plan = p;
    return SQ_OK;
}

/* SELECT without FROM: computed columns beside those outside. */
static bool is_bare(const struct sq_ast_query *q)
{
    return q->kind == SQ_Q_SELECT && !q->from && !q->distinct && !groups(q) && !q->limit && !q->offset && !q->nwith && !q->qualify;
}

static sq_rc beside(struct sq_sub *s, struct sq_plan **plan, const struct sq_exprs *items, const struct sq_str *own, struct sq_plan *below, struct sq_field **fields, uint32_t *n)
{
    struct sq_arena *a = s->b->arena;
    struct sq_exprs all = {0};
    struct sq_str *names = SQ_NEW_ARRAY(a, struct sq_str, s->nouter + items->n + 1);
    if (!names || !(*fields = SQ_NEW_ARRAY(a, struct sq_field, items->n + 1)))
        return SQ_NOMEM;
    for (uint32_t i = 0; i < s->nouter; i++) {
        names[i] = (*plan)->cols[i].name;
        SQ_TRY(sq_exprs_add(a, &all, sq_expr_col(a, i, (*plan)->cols[i].type, (struct sq_span){0, 0})));
    }
    for (uint32_t i = 0; i < items->n; i++) {
        names[s->nouter + i] = own[i];
        (*fields)[i] = (struct sq_field){own[i], items->p[i]->type};
        SQ_TRY(sq_exprs_add(a, &all, items->p[i]));
    }
    *n = items->n;
    *plan = sq_node_project(a, below, all.p, all.n, names);
    return *plan ? SQ_OK : SQ_NOMEM;
}

static sq_rc lateral_bare(struct sq_sub *s, const struct sq_ast_query *q, struct sq_plan **plan, struct sq_field **fields, uint32_t *n)
{
    struct sq_bind_x x = {.b = s->b, .scope = &s->scope, .outer = s->outer, .clause = "WHERE"};
    struct sq_exprs items = {0};
    struct sq_str *own;
    struct sq_plan *below = *plan;
    struct sq_expr *e;
    if (q->where) {
        SQ_TRY(sq_bind_predicate(&x, q->where, &e));
        SQ_TRY(sq_sub_to_join(s, e, &e));
        if (!(below = sq_node_filter(s->b->arena, below, e)))
            return SQ_NOMEM;
    }
    SQ_TRY(lateral_items(s, q, &items, &own));
    return beside(s, plan, &items, own, below, fields, n);
}

sq_rc sq_bind_lateral(struct sq_binder *b, const struct sq_ast_from *f, bool left, const struct sq_scope *outer, struct sq_plan **plan, struct sq_field **fields, uint32_t *n)
{
    const struct sq_ast_query *q = f->query;
    struct sq_sub s = {.b = b, .outer = outer, .nouter = (*plan)->ncols};
    struct sq_exprs items = {0};
    struct sq_str *own = NULL;
    if (q->kind == SQ_Q_VALUES) {
        SQ_REFUSE(b, q->span, "VALUES that name columns from outside are not supported");
        return sq_hint(b->ctx, "UNNEST(ARRAY[ROW(…), …]) gives such rows");
    }
    if (is_bare(q) && (!left || !q->where))                     /* one row for each */
        return lateral_bare(&s, q, plan, fields, n);
    if (groups(q) ? !is_grouped(q) : !is_top(q) && (!sq_sub_plain(q) || q->distinct))
        return SQ_REFUSE(b, q->span, "a correlated LATERAL query can have FROM, WHERE, GROUP BY and aggregates, or ORDER BY with LIMIT; not DISTINCT, WITH or set operations");
    SQ_TRY(sq_sub_bind(&s, q));
    if (is_top(q))
        SQ_TRY(lateral_top(&s, q));
    if (groups(q)) {
        SQ_TRY(lateral_grouped(&s, q, &left, &items, &own));
    } else {
        SQ_TRY(lateral_items(&s, q, &items, &own));
        if (left)
            SQ_TRY(below_join(&s, &items, q->span));
    }
    struct sq_plan *j = sq_sub_join(b, *plan, s.plan, left ? SQ_JOIN_LEFT : SQ_JOIN_INNER, f->span);
    if (!j)
        return SQ_NOMEM;
    if (!left)
        for (uint32_t i = s.nouter; i < j->ncols; i++)
            ((struct sq_field *)(uintptr_t)j->cols)[i].type = s.plan->cols[i - s.nouter].type;
    SQ_TRY(sq_expr_conjunction(b->arena, &s.on, &j->u.join.residual));
    return beside(&s, plan, &items, own, j, fields, n);
}
