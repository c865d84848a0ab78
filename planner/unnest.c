/* SPDX-License-Identifier: Apache-2.0
 *
 * unnest.c: UNNEST in FROM. Its argument is bound over the tables to its left, whose rows then come once per element: INNER, CROSS and comma drop rows without
 * elements, LEFT keeps them. Elements that are ROWs give a column for each field, those of a MAP a key and a value.
 *
 * FLINK: LEFT JOIN UNNEST takes ON TRUE only; columns without a name are EXPR$0, KEY and VALUE, ORDINALITY; where there is one column and an alias without a
 * list of columns, the alias names the column too.
 */
#include "planner/bind.h"

static bool lists(const struct sq_type *t)
{
    return t->id == SQ_T_ARRAY || t->id == SQ_T_MAP || t->id == SQ_T_MULTISET;
}

/* The columns of an element. */
static sq_rc element_fields(struct sq_binder *b, const struct sq_ast_from *f, const struct sq_type *t, bool nullable, struct sq_field **fields, uint32_t *n)
{
    const struct sq_type *of = t->child[0].type;
    bool row = t->id != SQ_T_MAP && of->id == SQ_T_ROW;
    uint32_t k = row ? of->nchild : t->id == SQ_T_MAP ? 2 : 1;
    struct sq_field *out = SQ_NEW_ARRAY(b->arena, struct sq_field, k + 1);
    if (!out)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < k; i++)
        out[i] = row ? of->child[i] : t->id == SQ_T_MAP ? (struct sq_field){i ? SQ_STR("VALUE") : SQ_STR("KEY"), t->child[i].type} : (struct sq_field){SQ_STR("EXPR$0"), of};
    if (k == 1 && !f->ordinality && f->alias.p)
        out[0].name = f->alias;
    if (f->ordinality)
        out[k++] = (struct sq_field){SQ_STR("ORDINALITY"), sq_type_nullable(b->arena, &sq_type_int, false)};
    for (uint32_t i = 0; i < k; i++)
        if (nullable || (row && of->nullable && !(f->ordinality && i + 1 == k)))
            out[i].type = sq_type_nullable(b->arena, out[i].type, true);
    if (f->ncols && f->ncols != k)
        return SQ_WRONG(b, f->alias_span.len ? f->alias_span : f->span, "the list of %u column names does not fit: this UNNEST gives %u", f->ncols, k);
    for (uint32_t i = 0; i < f->ncols; i++)
        out[i].name = f->cols[i];
    *fields = out;
    *n = k;
    return out[0].type && out[k - 1].type ? SQ_OK : SQ_NOMEM;
}

/* Puts the collection beside the columns of the plan where it is not one of them. */
static sq_rc collection_column(struct sq_binder *b, struct sq_plan **plan, struct sq_expr *e, uint32_t *col)
{
    struct sq_plan *p = *plan;
    struct sq_exprs all = {0};
    struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, p->ncols + 1);
    *col = e->col;
    if (e->kind == SQ_X_COL)
        return SQ_OK;
    if (!names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->ncols; i++) {
        SQ_TRY(sq_exprs_add(b->arena, &all, sq_expr_col(b->arena, i, p->cols[i].type, (struct sq_span){0, 0})));
        names[i] = p->cols[i].name;
    }
    SQ_TRY(sq_exprs_add(b->arena, &all, e));
    SQ_TRY(sq_expr_label(b->arena, e, p, &names[p->ncols]));
    *col = p->ncols;
    *plan = sq_node_project(b->arena, p, all.p, all.n, names);
    return *plan ? SQ_OK : SQ_NOMEM;
}

sq_rc sq_bind_unnest(struct sq_binder *b, const struct sq_ast_from *f, bool left, const struct sq_scope *outer, struct sq_plan **plan, struct sq_scope *own)
{
    struct sq_bind_x x = {.b = b, .scope = outer, .clause = "UNNEST"};
    struct sq_plan *p;
    struct sq_expr *e;
    struct sq_field *fields = NULL, *cols;
    uint32_t n = 0, npass = (*plan)->ncols, col, *pass = SQ_NEW_ARRAY(b->arena, uint32_t, npass + 1);
    SQ_TRY(sq_bind_expr(&x, f->call, &e));
    if (!lists(e->type)) {
        struct sq_str text;
        SQ_TRY(sq_expr_label(b->arena, e, *plan, &text));
        return SQ_WRONG(b, f->call->span, "UNNEST takes an ARRAY, MAP or MULTISET: %.*s is a %s", SQ_FMT(text), sq_tid_name(e->type->id));
    }
    SQ_TRY(element_fields(b, f, e->type, left, &fields, &n));
    if (npass + n > SQ_COLUMNS_MAX)
        return sq_fail_at(b->ctx, SQ_LIMIT, sq_bind_span(b, f->span), "FROM has more than %d columns", SQ_COLUMNS_MAX);
    SQ_TRY(collection_column(b, plan, e, &col));
    p = sq_node_new(b->arena, SQ_N_UNNEST, *plan, sq_bind_span(b, f->span));
    cols = SQ_NEW_ARRAY(b->arena, struct sq_field, npass + n);
    if (!p || !cols || !pass)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < npass; i++) {
        pass[i] = i;
        cols[i] = (*plan)->cols[i];
    }
    memcpy(cols + npass, fields, sizeof(*cols) * n);
    p->cols = cols;
    p->ncols = npass + n;
    p->u.unnest.col = col;
    p->u.unnest.pass = pass;
    p->u.unnest.npass = npass;
    p->u.unnest.left = left;
    p->u.unnest.ordinality = f->ordinality;
    *plan = p;
    SQ_TRY(sq_scope_of(b, fields, n, own));
    own->nrels = 1;
    own->rels[0].alias = f->alias;
    return SQ_OK;
}

/* ON of a join with UNNEST or LATERAL: a filter; of a LEFT JOIN nothing but TRUE. */
sq_rc sq_bind_unnest_on(struct sq_binder *b, const struct sq_ast_from *f, const char *what, const struct sq_scope *scope, struct sq_plan **plan)
{
    bool left = f->join == SQ_JOIN_LEFT;
    struct sq_bind_x x = {.b = b, .scope = scope, .clause = "ON"};
    struct sq_expr *e;
    if (f->natural || f->nusing)
        return SQ_REFUSE(b, f->span, "a join with %s takes ON, not USING or NATURAL", what);
    if (!f->on)
        return f->comma || f->join == SQ_JOIN_CROSS ? SQ_OK : SQ_WRONG(b, f->span, "the join has no condition: write ON TRUE or CROSS JOIN");
    SQ_TRY(sq_bind_predicate(&x, f->on, &e));
    SQ_TRY(sq_rewrite_expr(b->env, e, &e));
    if (sq_expr_truth(e) == 1)
        return SQ_OK;
    if (left) {
        SQ_REFUSE(b, f->on->span, "LEFT JOIN %s takes no condition but ON TRUE", what);
        return sq_hint(b->ctx, "do it in a subquery, and join that");
    }
    *plan = sq_node_filter(b->arena, *plan, e);
    return *plan ? SQ_OK : SQ_NOMEM;
}
