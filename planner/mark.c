/* SPDX-License-Identifier: Apache-2.0
 *
 * mark.c: EXISTS, IN, = ANY and <> ALL anywhere in an expression (in OR, NOT, CASE, SELECT), where a SEMI or ANTI join will not do, and queries as values that may have
 * more than one row.
 *
 *   EXISTS (…)   LEFT join with the DISTINCT values of what its conditions compare with columns outside, and TRUE: there is a partner or there is none
 *   x IN (…)     the same with the values that x is compared with; where one of them may be NULL a second LEFT join tells how many rows there are, and how many with a value:
 *                TRUE where there is a partner; else NULL where there are rows and x, or one of theirs, is NULL; else FALSE
 *   (SELECT y …) LEFT join with MAX(y), which fails the job where COUNT(*) is more than one. FLINK: SINGLE_VALUE fails as soon as a second row comes, though it may be taken back in
 *                the same batch.
 *
 * Conditions that name columns outside must be equalities with expressions of the query's own columns.
 */
#include "planner/subquery.h"

#include <string.h>

/* ---- parts ---- */

static sq_rc call(struct sq_binder *b, const char *name, struct sq_expr *l, struct sq_expr *r, struct sq_span span, struct sq_expr **out)
{
    struct sq_expr *args[2] = {l, r};
    return l && (r || strcmp(name, "=") != 0) ? sq_bind_call(b, sq_str_of(name), args, r ? 2 : 1, span, out) : SQ_NOMEM;
}

static sq_rc logic(struct sq_binder *b, enum sq_expr_kind kind, struct sq_expr *l, struct sq_expr *r, struct sq_expr **out)
{
    const struct sq_type *t = sq_type_nullable(b->arena, &sq_type_boolean, l->type->nullable || r->type->nullable);
    struct sq_expr *e = t ? sq_expr_new(b->arena, kind, t, l->span, 2) : NULL;
    if (!e)
        return SQ_NOMEM;
    e->args[0] = l;
    e->args[1] = r;
    *out = e;
    return SQ_OK;
}

static struct sq_expr *column(const struct sq_sub *s, uint32_t i, bool nullable, struct sq_span span)
{
    const struct sq_type *t = sq_type_nullable(s->b->arena, s->plan->cols[i].type, nullable || s->plan->cols[i].type->nullable);
    return t ? sq_expr_col(s->b->arena, s->nouter + i, t, sq_bind_span(s->b, span)) : NULL;
}

struct keys { struct sq_expr **inner, **outer; uint32_t n; };   /* inner: over the columns of s->plan; with room for `more` others */

static sq_rc find_keys(struct sq_sub *s, uint32_t more, const char *what, struct sq_span span, struct keys *k)
{
    k->n = s->on.n;
    k->inner = SQ_NEW_ARRAY(s->b->arena, struct sq_expr *, k->n + more + 1);
    k->outer = SQ_NEW_ARRAY(s->b->arena, struct sq_expr *, k->n + more + 1);
    if (!k->inner || !k->outer)
        return SQ_NOMEM;
    if (!sq_sub_equalities(s, k->inner, k->outer))
        return SQ_REFUSE(s->b, span, "%s must compare its columns with those outside by = alone", what);
    for (uint32_t i = 0; i < k->n; i++)
        SQ_TRY(sq_expr_shift(s->b->arena, k->inner[i], -(int64_t)s->nouter, &k->inner[i]));
    return SQ_OK;
}

/* *plan LEFT JOIN s->plan, whose first columns are the keys. */
static sq_rc join_keys(struct sq_sub *s, const struct keys *k, struct sq_span span, struct sq_plan **plan)
{
    struct sq_exprs on = {0};
    struct sq_plan *j = sq_sub_join(s->b, *plan, s->plan, SQ_JOIN_LEFT, span);
    struct sq_expr *e;
    if (!j)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < k->n; i++) {
        SQ_TRY(call(s->b, "=", k->outer[i], column(s, i, false, span), span, &e));
        SQ_TRY(sq_exprs_add(s->b->arena, &on, e));
    }
    SQ_TRY(sq_expr_conjunction(s->b->arena, &on, &j->u.join.residual));
    *plan = j;
    return SQ_OK;
}

/* The keys of s->plan, each once, with TRUE; joined. *out: whether there is a partner. */
static sq_rc mark(struct sq_sub *s, struct keys *k, struct sq_span span, struct sq_plan **plan, struct sq_expr **out)
{
    struct sq_arena *a = s->b->arena;
    struct sq_str *names = SQ_NEW_ARRAY(a, struct sq_str, k->n + 1);
    if (!names || !(k->inner[k->n] = sq_expr_bool(a, true, sq_bind_span(s->b, span))))
        return SQ_NOMEM;
    for (uint32_t i = 0; i < k->n; i++)
        SQ_TRY(sq_expr_label(a, k->inner[i], s->plan, &names[i]));
    names[k->n] = SQ_STR("is there");
    s->plan = sq_node_project(a, s->plan, k->inner, k->n + 1, names);
    s->plan = s->plan ? sq_node_distinct(a, s->plan, sq_bind_span(s->b, span)) : NULL;
    if (!s->plan)
        return SQ_NOMEM;
    SQ_TRY(join_keys(s, k, span, plan));
    return call(s->b, "IS NOT NULL", column(s, k->n, true, span), NULL, span, out);
}

/* Where the mark may be joined: not over an aggregate. */
sq_rc sq_sub_place(const struct sq_bind_x *x, const struct sq_ast_expr *a, const char *what)
{
    bool grouped = x->aggs && x->aggs->grouped && !x->inside_agg;
    if (x->values && !grouped)
        return SQ_OK;
    if (grouped)
        SQ_REFUSE(x->b, a->span, "%s beside aggregates is not supported", what);
    else
        SQ_REFUSE(x->b, a->span, "%s can stand in WHERE and in SELECT, not in %s", what, x->clause);
    return sq_hint(x->b->ctx, grouped ? "put the query with the aggregates into FROM, and this around it" : "put the query into FROM, and this into a WHERE around it");
}

/* ---- EXISTS ---- */

sq_rc sq_mark_exists(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct keys k;
    SQ_TRY(sq_sub_place(x, a, "EXISTS"));
    struct sq_sub s = {.b = x->b, .outer = x->scope, .nouter = (*x->values)->ncols};
    if (sq_sub_plain(a->query))
        SQ_TRY(sq_sub_bind(&s, a->query));
    else
        SQ_TRY(sq_bind_select_query(x->b, a->query, true, &s.plan));
    SQ_TRY(find_keys(&s, 0, "EXISTS in OR, CASE or SELECT", a->span, &k));
    return mark(&s, &k, a->span, x->values, out);
}

/* ---- IN ---- */

/* How many rows there are by the keys, and how many with a value; joined. *out: there are rows, and the value outside or one of theirs is NULL. */
static sq_rc unknown(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr *l, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    struct sq_sub s = {.b = b, .outer = x->scope, .nouter = (*x->values)->ncols};
    const struct sq_agg *count = sq_agg_find(SQ_STR("COUNT"));
    const struct sq_type *bigint = sq_type_nullable(b->arena, &sq_type_bigint, false);
    struct sq_agg_use uses[2] = {{.agg = count, .ret = bigint}, {.agg = count, .ret = bigint}};
    struct sq_aggs aggs = {.uses = uses, .n = 2, .grouped = true};
    struct keys k;
    struct sq_expr *item, *any, *null, *fewer, *zero;
    int64_t none = 0;
    SQ_TRY(sq_sub_items(&s, a->query, 1, a->span, &item));
    SQ_TRY(find_keys(&s, 0, "IN", a->span, &k));
    SQ_TRY(sq_expr_shift(b->arena, item, -(int64_t)s.nouter, &uses[1].arg));
    aggs.group = k.inner;
    aggs.ngroup = k.n;
    SQ_TRY(sq_agg_plan(b, &aggs, s.plan, sq_bind_span(b, a->span), &s.plan));
    SQ_TRY(join_keys(&s, &k, a->span, x->values));
    struct sq_expr *rows = column(&s, k.n, true, a->span), *values = column(&s, k.n + 1, true, a->span);
    zero = bigint ? sq_expr_const(b->arena, sq_vec_const_fixed(b->arena, bigint, &none), a->span) : NULL;
    if (!rows || !values || !zero)
        return SQ_NOMEM;
    SQ_TRY(call(b, ">", rows, zero, a->span, &any));
    SQ_TRY(call(b, "IS TRUE", any, NULL, a->span, &any));
    SQ_TRY(call(b, "<", values, rows, a->span, &fewer));
    if (l->type->nullable) {
        SQ_TRY(call(b, "IS NULL", l, NULL, a->span, &null));
        SQ_TRY(logic(b, SQ_X_OR, null, fewer, &fewer));
    }
    return logic(b, SQ_X_AND, any, fewer, out);
}

static sq_rc bind_sides(struct sq_bind_x *x, struct sq_sub *s, const struct sq_ast_expr *a, uint32_t n, struct sq_expr **l, struct sq_expr **r, bool *nullable)
{
    const struct sq_ast_expr *left = a->args[0];
    *nullable = false;
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(sq_bind_expr(x, left->kind == SQ_A_ROW ? left->args[i] : left, &l[i]));
    s->nouter = (*x->values)->ncols;                    /* the left side may have joined queries of its own */
    SQ_TRY(sq_sub_items(s, a->query, n, a->span, r));
    for (uint32_t i = 0; i < n; i++) {
        if (!sq_expr_within(r[i], s->nouter, UINT32_MAX))
            return SQ_REFUSE(x->b, a->span, "IN in OR, CASE or SELECT must select columns of its own query");
        *nullable |= l[i]->type->nullable || r[i]->type->nullable;
    }
    return SQ_OK;
}

static sq_rc mark_in(struct sq_bind_x *x, const struct sq_ast_expr *a, bool negated, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    struct sq_sub s = {.b = b, .outer = x->scope};
    uint32_t n = a->args[0]->kind == SQ_A_ROW ? a->args[0]->nargs : 1;
    struct sq_expr **l = SQ_NEW_ARRAY(b->arena, struct sq_expr *, n), **r = SQ_NEW_ARRAY(b->arena, struct sq_expr *, n), *is, *maybe, *null;
    struct keys k;
    bool nullable;
    SQ_TRY(sq_sub_place(x, a, "IN (query)"));
    if (!l || !r)
        return SQ_NOMEM;
    SQ_TRY(bind_sides(x, &s, a, n, l, r, &nullable));
    if (nullable && n > 1)
        return SQ_REFUSE(b, a->span, "IN over rows in OR, CASE or SELECT needs columns that are NOT NULL");
    SQ_TRY(find_keys(&s, n, "IN in OR, CASE or SELECT", a->span, &k));
    for (uint32_t i = 0; i < n; i++, k.n++) {
        k.outer[k.n] = l[i];
        SQ_TRY(sq_expr_shift(b->arena, r[i], -(int64_t)s.nouter, &k.inner[k.n]));
    }
    SQ_TRY(mark(&s, &k, a->span, x->values, &is));
    if (nullable) {
        SQ_TRY(unknown(x, a, l[0], &maybe));
        if (!(null = sq_expr_const(b->arena, sq_vec_const_null(b->arena, &sq_type_boolean), a->span)))
            return SQ_NOMEM;
        SQ_TRY(logic(b, SQ_X_AND, maybe, null, &maybe));
        SQ_TRY(logic(b, SQ_X_OR, is, maybe, &is));
    }
    *out = is;
    return negated ? call(b, "NOT", is, NULL, a->span, out) : SQ_OK;
}

sq_rc sq_mark_in(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out) { return mark_in(x, a, a->negated, out); }

sq_rc sq_mark_quantified(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    bool all = a->ival2 != 0;
    SQ_TRY(sq_sub_place(x, a, all ? "ALL (query)" : "ANY (query)"));
    if (a->ival != (all ? SQ_OP_NE : SQ_OP_EQ)) {
        SQ_REFUSE(x->b, a->span, "%s (query) in OR, CASE or SELECT is supported with %s only", all ? "ALL" : "ANY", all ? "<>" : "=");
        return sq_hint(x->b->ctx, "compare with (SELECT MIN(…) …) or (SELECT MAX(…) …)");
    }
    return mark_in(x, a, all, out);
}

/* ---- values ---- */

/* s->plan by the keys: MAX(item), COUNT(*). */
static sq_rc one_of_each(struct sq_sub *s, const struct keys *k, struct sq_expr *item, struct sq_span span)
{
    struct sq_binder *b = s->b;
    struct sq_agg_use uses[2] = {{.agg = sq_agg_find(SQ_STR("MAX")), .arg = item}, {.agg = sq_agg_find(SQ_STR("COUNT"))}};
    struct sq_aggs aggs = {.uses = uses, .n = 2, .grouped = true, .group = k->inner, .ngroup = k->n};
    if (uses[0].agg->derive(b->ctx, b->arena, &item->type, 1, &uses[0].ret) != SQ_OK)
        return b->ctx->err.rc == SQ_NOMEM ? SQ_NOMEM : SQ_REFUSE(b, span, "this query may have more than one row, so it is no value: that is looked at only where the type can be compared");
    uses[0].ret = sq_type_nullable(b->arena, uses[0].ret, true);
    uses[1].ret = sq_type_nullable(b->arena, &sq_type_bigint, false);
    return uses[0].ret && uses[1].ret ? sq_agg_plan(b, &aggs, s->plan, sq_bind_span(b, span), &s->plan) : SQ_NOMEM;
}

sq_rc sq_single_value(struct sq_sub *s, struct sq_expr *item, struct sq_span span, struct sq_plan **plan, struct sq_expr **out)
{
    struct sq_arena *a = s->b->arena;
    struct keys k;
    struct sq_expr *check, *value;
    if (!sq_expr_within(item, s->nouter, UINT32_MAX))
        return SQ_REFUSE(s->b, span, "a query as a value must select columns of its own");
    SQ_TRY(find_keys(s, 0, "a correlated query as a value", span, &k));
    SQ_TRY(sq_expr_shift(a, item, -(int64_t)s->nouter, &item));
    SQ_TRY(one_of_each(s, &k, item, span));
    struct sq_expr **exprs = SQ_NEW_ARRAY(a, struct sq_expr *, k.n + 1);
    struct sq_str *names = SQ_NEW_ARRAY(a, struct sq_str, k.n + 1);
    if (!exprs || !names || !(value = sq_expr_new(a, SQ_X_CASE, s->plan->cols[k.n].type, sq_bind_span(s->b, span), 3)))
        return SQ_NOMEM;
    for (uint32_t i = 0; i <= k.n; i++) {
        names[i] = s->plan->cols[i].name;
        exprs[i] = sq_expr_col(a, i, s->plan->cols[i].type, sq_bind_span(s->b, span));
    }
    SQ_TRY(call(s->b, "AT MOST ONE", sq_expr_col(a, k.n + 1, s->plan->cols[k.n + 1].type, (struct sq_span){0, 0}), NULL, span, &check));
    value->args[0] = check;
    value->args[1] = exprs[k.n];
    if (!value->args[1] || !(value->args[2] = sq_expr_const(a, sq_vec_const_null(a, value->type), value->span)))
        return SQ_NOMEM;
    exprs[k.n] = value;
    if (!(s->plan = sq_node_project(a, s->plan, exprs, k.n + 1, names)))
        return SQ_NOMEM;
    SQ_TRY(join_keys(s, &k, span, plan));
    *out = column(s, k.n, true, span);
    return *out ? SQ_OK : SQ_NOMEM;
}
