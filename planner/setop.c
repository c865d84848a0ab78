/* SPDX-License-Identifier: Apache-2.0
 *
 * setop.c: UNION, INTERSECT and EXCEPT. Their queries get columns of common types first.
 *
 *   UNION ALL       as it stands; a chain of them is one node
 *   UNION           DISTINCT over that
 *   INTERSECT       DISTINCT over a SEMI join of all columns (NULL is equal to NULL)
 *   EXCEPT          DISTINCT over an ANTI join
 *   … ALL           both sides counted by all columns, in one aggregate over their union; each row then comes as often as LEAST(l, r), or l - r, says
 *
 * FLINK: the same.
 */
#include "planner/bind.h"

#include <stdio.h>

/* ---- the sides ---- */

static sq_rc common_types(struct sq_binder *b, struct sq_plan *const *in, uint32_t n, const char *op, struct sq_span span, const struct sq_type **types, struct sq_field *cols)
{
    struct sq_expr **column = SQ_NEW_ARRAY(b->arena, struct sq_expr *, n);
    if (!column)
        return SQ_NOMEM;
    for (uint32_t c = 0; c < in[0]->ncols; c++) {
        bool nullable = false;
        char what[128];
        for (uint32_t i = 0; i < n; i++) {
            if (!(column[i] = sq_expr_col(b->arena, c, in[i]->cols[c].type, (struct sq_span){0, 0})))
                return SQ_NOMEM;
            nullable |= column[i]->type->nullable;
        }
        snprintf(what, sizeof(what), "columns number %u ('%.*s') of the queries of %s", c + 1, in[0]->cols[c].name.n > 60 ? 60 : (int)in[0]->cols[c].name.n, in[0]->cols[c].name.p, op);
        SQ_TRY(sq_bind_common(b, column, n, what, span, &types[c]));
        cols[c].name = in[0]->cols[c].name;
        if (!(cols[c].type = sq_type_nullable(b->arena, types[c], nullable)))
            return SQ_NOMEM;
    }
    return SQ_OK;
}

/* The queries, each with columns of the common types; *cols: those. */
static sq_rc bind_sides(struct sq_binder *b, const struct sq_ast_query *const *q, uint32_t n, const char *op, struct sq_span span, struct sq_plan **in, struct sq_field **cols)
{
    for (uint32_t i = 0; i < n; i++) {
        SQ_TRY(sq_bind_select_query(b, q[i], true, &in[i]));
        if (in[i]->ncols != in[0]->ncols)
            return SQ_WRONG(b, q[i]->span, "the queries of %s must have as many columns: the first has %u, this one %u", op, in[0]->ncols, in[i]->ncols);
    }
    const struct sq_type **types = SQ_NEW_ARRAY(b->arena, const struct sq_type *, in[0]->ncols + 1);
    *cols = SQ_NEW_ARRAY(b->arena, struct sq_field, in[0]->ncols + 1);
    if (!types || !*cols)
        return SQ_NOMEM;
    SQ_TRY(common_types(b, in, n, op, span, types, *cols));
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(sq_bind_cast_plan(b, in[i], types, &in[i]));
    return SQ_OK;
}

/* ---- UNION ---- */

static bool plain_union(const struct sq_ast_query *q, bool all)
{
    return q->kind == SQ_Q_UNION && q->all == all && !q->norder && !q->limit && !q->offset && !q->nwith;
}

static sq_rc bind_union(struct sq_binder *b, const struct sq_ast_query *q, struct sq_plan **out)
{
    const struct sq_ast_query *l = q;
    struct sq_field *cols;
    uint32_t n = 2;
    for (l = q->left; plain_union(l, q->all); l = l->left)
        n++;
    struct sq_plan **in = SQ_NEW_ARRAY(b->arena, struct sq_plan *, n);
    const struct sq_ast_query **members = SQ_NEW_ARRAY(b->arena, const struct sq_ast_query *, n);
    if (!in || !members)
        return SQ_NOMEM;
    l = q;
    for (uint32_t i = n - 1; i > 0; i--, l = l->left)
        members[i] = l->right;
    members[0] = l;
    SQ_TRY(bind_sides(b, members, n, "UNION", q->span, in, &cols));
    *out = sq_node_union(b->arena, in, n, cols, in[0]->ncols, sq_bind_span(b, q->span));
    if (*out && !q->all)
        *out = sq_node_distinct(b->arena, *out, sq_bind_span(b, q->span));
    return *out ? SQ_OK : SQ_NOMEM;
}

/* ---- INTERSECT, EXCEPT ---- */

static struct sq_expr *col(struct sq_binder *b, const struct sq_plan *p, uint32_t i, uint32_t at)
{
    return sq_expr_col(b->arena, at, p->cols[i].type, (struct sq_span){0, 0});
}

static sq_rc distinct_sides(struct sq_binder *b, struct sq_plan *l, struct sq_plan *r, enum sq_join_kind kind, struct sq_span span, struct sq_plan **out)
{
    struct sq_exprs on = {0};
    struct sq_expr *e;
    for (uint32_t i = 0; i < l->ncols; i++) {
        struct sq_expr *args[2] = {col(b, l, i, i), col(b, r, i, l->ncols + i)};
        if (!args[0] || !args[1])
            return SQ_NOMEM;
        SQ_TRY(sq_bind_call(b, SQ_STR("IS NOT DISTINCT FROM"), args, 2, span, &e));
        SQ_TRY(sq_exprs_add(b->arena, &on, e));
    }
    SQ_TRY(sq_expr_conjunction(b->arena, &on, &e));
    SQ_TRY(sq_half_join(b, l, r, kind, e, span, out));
    return (*out = sq_node_distinct(b->arena, *out, sq_bind_span(b, span))) ? SQ_OK : SQ_NOMEM;
}

/* The side's columns, and of which side they are. */
static sq_rc marked(struct sq_binder *b, struct sq_plan *p, bool left, struct sq_plan **out)
{
    struct sq_expr **exprs = SQ_NEW_ARRAY(b->arena, struct sq_expr *, p->ncols + 2);
    struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, p->ncols + 2);
    if (!exprs || !names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->ncols; i++) {
        exprs[i] = col(b, p, i, i);
        names[i] = p->cols[i].name;
    }
    for (uint32_t i = 0; i < 2; i++) {
        exprs[p->ncols + i] = sq_expr_bool(b->arena, left == (i == 0), (struct sq_span){0, 0});
        names[p->ncols + i] = i == 0 ? SQ_STR("of the left") : SQ_STR("of the right");
    }
    *out = sq_node_project(b->arena, p, exprs, p->ncols + 2, names);
    return *out ? SQ_OK : SQ_NOMEM;
}

/* How often each row is on each side. */
static sq_rc counted(struct sq_binder *b, struct sq_plan *u, uint32_t n, struct sq_span span, struct sq_plan **out)
{
    struct sq_plan *p = sq_node_new(b->arena, SQ_N_AGGREGATE, u, sq_bind_span(b, span));
    struct sq_field *cols = SQ_NEW_ARRAY(b->arena, struct sq_field, n + 2);
    uint32_t *group = SQ_NEW_ARRAY(b->arena, uint32_t, n + 1);
    struct sq_agg_item *items = SQ_NEW_ARRAY(b->arena, struct sq_agg_item, 2);
    const struct sq_type *bigint = sq_type_nullable(b->arena, &sq_type_bigint, false);
    if (!p || !cols || !group || !items || !bigint)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        group[i] = i;
        cols[i] = u->cols[i];
    }
    for (uint32_t i = 0; i < 2; i++) {
        items[i] = (struct sq_agg_item){.agg = sq_agg_find(SQ_STR("COUNT")), .arg = -1, .filter = (int32_t)(n + i), .ret = bigint};
        cols[n + i] = (struct sq_field){i == 0 ? SQ_STR("left") : SQ_STR("right"), bigint};
    }
    p->cols = cols;
    p->ncols = n + 2;
    p->u.agg.group = group;
    p->u.agg.ngroup = n;
    p->u.agg.items = items;
    p->u.agg.nitems = 2;
    *out = p;
    return SQ_OK;
}

static sq_rc all_rows(struct sq_binder *b, struct sq_plan *l, struct sq_plan *r, bool intersect, struct sq_span span, struct sq_plan **out)
{
    uint32_t n = l->ncols;
    struct sq_plan **sides = SQ_NEW_ARRAY(b->arena, struct sq_plan *, 2), *u, *agg;
    struct sq_expr **exprs = SQ_NEW_ARRAY(b->arena, struct sq_expr *, n + 1);
    struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, n + 1);
    if (!sides || !exprs || !names)
        return SQ_NOMEM;
    SQ_TRY(marked(b, l, true, &sides[0]));
    SQ_TRY(marked(b, r, false, &sides[1]));
    if (!(u = sq_node_union(b->arena, sides, 2, sides[0]->cols, n + 2, sq_bind_span(b, span))))
        return SQ_NOMEM;
    SQ_TRY(counted(b, u, n, span, &agg));
    for (uint32_t i = 0; i < n; i++) {
        exprs[i] = col(b, agg, i, i);
        names[i] = agg->cols[i].name;
    }
    struct sq_expr *counts[2] = {col(b, agg, n, n), col(b, agg, n + 1, n + 1)};
    if (!counts[0] || !counts[1])
        return SQ_NOMEM;
    SQ_TRY(sq_bind_call(b, intersect ? SQ_STR("LEAST") : SQ_STR("-"), counts, 2, span, &exprs[n]));
    names[n] = SQ_STR("times");
    struct sq_plan *p = sq_node_project(b->arena, agg, exprs, n + 1, names);
    struct sq_plan *rep = p ? sq_node_new(b->arena, SQ_N_REPLICATE, p, sq_bind_span(b, span)) : NULL;
    if (!rep)
        return SQ_NOMEM;
    rep->ncols = n;
    *out = rep;
    return SQ_OK;
}

sq_rc sq_bind_setop(struct sq_binder *b, const struct sq_ast_query *q, struct sq_plan **out)
{
    bool intersect = q->kind == SQ_Q_INTERSECT;
    struct sq_plan *sides[2];
    struct sq_field *cols;
    if (q->kind == SQ_Q_UNION)
        return bind_union(b, q, out);
    SQ_TRY(bind_sides(b, (const struct sq_ast_query *[]){q->left, q->right}, 2, intersect ? "INTERSECT" : "EXCEPT", q->span, sides, &cols));
    return q->all ? all_rows(b, sides[0], sides[1], intersect, q->span, out)
                  : distinct_sides(b, sides[0], sides[1], intersect ? SQ_JOIN_SEMI : SQ_JOIN_ANTI, q->span, out);
}
