/* SPDX-License-Identifier: Apache-2.0
 *
 * rewrite.c: rules that make a bound plan smaller, in this order:
 *
 *   1. fold: constant calls are computed, conditions simplified (x AND FALSE, CASE WHEN TRUE …)
 *   2. push filters down, find the keys of joins (pushdown.c)
 *   3. merge projects: one over another becomes one; one that passes everything on goes; fold again
 *   4. prune columns: nothing is read, kept or computed that nobody above looks at (pushdown.c)
 *   5. merge again; a project over constant rows becomes constant rows
 *
 * What fails when it is folded (1/0, CAST('x' AS INT)) is left as it is: it may never be reached, and if it is, the error comes when it runs.
 *
 * A node's column types stay what the binder found; an expression may turn out NOT NULL where the column is nullable, never the other way.
 */
#include "planner/bind.h"

#include "executor/expr.h"

/* ---- expressions ---- */

static sq_rc rewrite(void *env, struct sq_expr *e, struct sq_expr **out);

static bool constant_args(const struct sq_expr *e)
{
    for (uint32_t i = 0; i < e->nargs; i++)
        if (e->args[i]->kind != SQ_X_CONST)
            return false;
    return true;
}

static sq_rc fold(struct sq_bind_env *env, struct sq_expr *e, struct sq_expr **out)
{
    const struct sq_vec *v;
    struct sq_error before = env->ctx->err;
    sq_rc rc = sq_expr_fold(env->ctx, env->arena, &env->session, e, &v);
    if (rc == SQ_DATA) {
        env->ctx->err = before;
        *out = e;
        return SQ_OK;
    }
    SQ_TRY(rc);
    *out = sq_expr_const(env->arena, v, e->span);
    if (!*out)
        return SQ_NOMEM;
    (*out)->type = e->type;
    return SQ_OK;
}

/* AND without its TRUEs (OR without its FALSEs), flat; FALSE (TRUE) alone where one is among them. */
static sq_rc simplify_and_or(struct sq_bind_env *env, struct sq_expr *e, struct sq_expr **out)
{
    struct sq_exprs l = {0};
    int neutral = e->kind == SQ_X_AND, absorbing = !neutral;
    for (uint32_t i = 0; i < e->nargs; i++) {
        struct sq_expr *x = e->args[i];
        int truth = sq_expr_truth(x);
        if (truth == absorbing) {
            *out = x;
            return SQ_OK;
        }
        if (truth == neutral)
            continue;
        if (x->kind != e->kind) {
            SQ_TRY(sq_exprs_add(env->arena, &l, x));
            continue;
        }
        for (uint32_t k = 0; k < x->nargs; k++)
            SQ_TRY(sq_exprs_add(env->arena, &l, x->args[k]));
    }
    if (l.n == 0)
        return (*out = sq_expr_bool(env->arena, neutral, e->span)) ? SQ_OK : SQ_NOMEM;
    if (l.n == 1) {
        *out = l.p[0];
        return SQ_OK;
    }
    struct sq_expr *x = sq_expr_new(env->arena, e->kind, e->type, e->span, l.n);
    if (!x)
        return SQ_NOMEM;
    memcpy(x->args, l.p, sizeof(*l.p) * l.n);
    *out = x;
    return SQ_OK;
}

static sq_rc simplify_case(struct sq_bind_env *env, struct sq_expr *e, struct sq_expr **out)
{
    struct sq_exprs l = {0};
    for (uint32_t i = 0; i + 1 < e->nargs; i += 2) {
        int truth = sq_expr_truth(e->args[i]);
        if (truth == 0 || truth == -1)
            continue;
        if (truth == 1) {
            SQ_TRY(sq_exprs_add(env->arena, &l, e->args[i + 1]));
            break;
        }
        SQ_TRY(sq_exprs_add(env->arena, &l, e->args[i]));
        SQ_TRY(sq_exprs_add(env->arena, &l, e->args[i + 1]));
    }
    if (l.n % 2 == 0)
        SQ_TRY(sq_exprs_add(env->arena, &l, e->args[e->nargs - 1]));
    if (l.n == e->nargs) {
        *out = e;
        return SQ_OK;
    }
    if (l.n == 1) {
        *out = l.p[0];
        return SQ_OK;
    }
    struct sq_expr *x = sq_expr_new(env->arena, SQ_X_CASE, e->type, e->span, l.n);
    if (!x)
        return SQ_NOMEM;
    memcpy(x->args, l.p, sizeof(*l.p) * l.n);
    *out = x;
    return SQ_OK;
}

static sq_rc simplify_coalesce(struct sq_bind_env *env, struct sq_expr *e, struct sq_expr **out)
{
    struct sq_exprs l = {0};
    for (uint32_t i = 0; i < e->nargs; i++) {
        struct sq_expr *x = e->args[i];
        if (x->kind == SQ_X_CONST && sq_vec_null(x->value, 0))
            continue;
        SQ_TRY(sq_exprs_add(env->arena, &l, x));
        if (!x->type->nullable)
            break;
    }
    if (l.n == 0)
        SQ_TRY(sq_exprs_add(env->arena, &l, e->args[0]));
    if (l.n == 1) {
        *out = l.p[0];
        return SQ_OK;
    }
    struct sq_expr *x = sq_expr_new(env->arena, SQ_X_COALESCE, e->type, e->span, l.n);
    if (!x)
        return SQ_NOMEM;
    memcpy(x->args, l.p, sizeof(*l.p) * l.n);
    *out = x;
    return SQ_OK;
}

static sq_rc simplify(struct sq_bind_env *env, struct sq_expr *e, struct sq_expr **out)
{
    *out = e;
    if (e->kind == SQ_X_AND || e->kind == SQ_X_OR)
        return simplify_and_or(env, e, out);
    if (e->kind == SQ_X_CASE)
        return simplify_case(env, e, out);
    if (e->kind == SQ_X_COALESCE)
        return simplify_coalesce(env, e, out);
    if (e->kind == SQ_X_CONST || e->kind == SQ_X_COL)
        return SQ_OK;
    if (e->kind == SQ_X_CALL && e->nargs == 1 && !e->args[0]->type->nullable && (sq_expr_is_fn(e, "IS NULL") || sq_expr_is_fn(e, "IS NOT NULL"))
        && sq_expr_pure(e->args[0]))
        return (*out = sq_expr_bool(env->arena, sq_expr_is_fn(e, "IS NOT NULL"), e->span)) ? SQ_OK : SQ_NOMEM;
    if (constant_args(e) && sq_expr_pure(e))
        return fold(env, e, out);
    return SQ_OK;
}

static sq_rc rewrite(void *arg, struct sq_expr *e, struct sq_expr **out)
{
    struct sq_bind_env *env = arg;
    struct sq_expr *inner;
    SQ_TRY(sq_expr_map_args(env->arena, e, rewrite, env, &inner));
    return simplify(env, inner, out);
}

sq_rc sq_rewrite_expr(struct sq_bind_env *env, struct sq_expr *e, struct sq_expr **out)
{
    return rewrite(env, e, out);
}

/* ---- plans: folding ---- */

static sq_rc fold_filter(struct sq_bind_env *env, struct sq_plan **plan)
{
    struct sq_plan *p = *plan;
    SQ_TRY(rewrite(env, p->u.filter.pred, &p->u.filter.pred));
    int truth = sq_expr_truth(p->u.filter.pred);
    if (truth == 1)
        *plan = p->inputs[0];
    else if (truth == -1 && !(p->u.filter.pred = sq_expr_bool(env->arena, false, p->u.filter.pred->span)))
        return SQ_NOMEM;
    return SQ_OK;
}

static sq_rc fold_plan(struct sq_bind_env *env, struct sq_plan **plan)
{
    struct sq_plan *p = *plan;
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(fold_plan(env, &p->inputs[i]));
    switch (p->kind) {
    case SQ_N_FILTER:
        return fold_filter(env, plan);
    case SQ_N_PROJECT:
        for (uint32_t i = 0; i < p->ncols; i++)
            SQ_TRY(rewrite(env, p->u.project.exprs[i], &p->u.project.exprs[i]));
        return SQ_OK;
    case SQ_N_WATERMARK:
        return rewrite(env, p->u.watermark.expr, &p->u.watermark.expr);
    case SQ_N_JOIN:
        if (p->u.join.residual)
            SQ_TRY(rewrite(env, p->u.join.residual, &p->u.join.residual));
        if (p->u.join.residual && sq_expr_truth(p->u.join.residual) == 1)
            p->u.join.residual = NULL;
        return SQ_OK;
    default:
        return SQ_OK;
    }
}

/* ---- plans: rows of constants ---- */

enum { FOLD_ROWS_MAX = 10000 };

static uint32_t count_rows(const struct sq_plan *values)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < values->u.values.nbatches; i++)
        n += values->u.values.rows[i].rows;
    return n > FOLD_ROWS_MAX ? UINT32_MAX : (uint32_t)n;
}

/* The project's expressions over row r of a batch. *constant is cleared when one does not fold. */
static sq_rc fold_row(struct sq_bind_env *env, const struct sq_plan *p, const struct sq_batch *rows, uint32_t r, struct sq_expr **row, struct sq_expr **cells, bool *constant)
{
    for (uint32_t c = 0; c < rows->ncols; c++)
        if (!(row[c] = sq_expr_const(env->arena, sq_vec_const(env->arena, &rows->cols[c], r), (struct sq_span){0, 0})))
            return SQ_NOMEM;
    for (uint32_t c = 0; c < p->ncols && *constant; c++) {
        SQ_TRY(sq_expr_subst(env->arena, p->u.project.exprs[c], row, &cells[c]));
        SQ_TRY(rewrite(env, cells[c], &cells[c]));
        *constant = cells[c]->kind == SQ_X_CONST && sq_type_equal(cells[c]->type, p->cols[c].type, false);
    }
    return SQ_OK;
}

/* A project over constant rows is computed now, where nothing fails. */
static sq_rc fold_values(struct sq_bind_env *env, struct sq_plan **plan)
{
    struct sq_plan *p = *plan, *in = p->inputs[0];
    uint32_t n = count_rows(in), at = 0;
    bool constant = n != UINT32_MAX && p->ncols > 0;
    for (uint32_t c = 0; c < p->ncols; c++)
        constant = constant && sq_expr_pure(p->u.project.exprs[c]);
    if (!constant)
        return SQ_OK;
    struct sq_expr **row = SQ_NEW_ARRAY(env->arena, struct sq_expr *, in->ncols + 1);
    struct sq_expr **cells = SQ_NEW_ARRAY(env->arena, struct sq_expr *, (size_t)n * p->ncols + 1);
    if (!row || !cells)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < in->u.values.nbatches; i++)
        for (uint32_t r = 0; r < in->u.values.rows[i].rows && constant; r++, at++)
            SQ_TRY(fold_row(env, p, &in->u.values.rows[i], r, row, cells + (size_t)at * p->ncols, &constant));
    return constant ? sq_values_plan(env->arena, cells, n, p->cols, p->ncols, plan) : SQ_OK;
}

static sq_rc fold_all_values(struct sq_bind_env *env, struct sq_plan **plan)
{
    for (uint32_t i = 0; i < (*plan)->ninputs; i++)
        SQ_TRY(fold_all_values(env, &(*plan)->inputs[i]));
    return (*plan)->kind == SQ_N_PROJECT && (*plan)->inputs[0]->kind == SQ_N_VALUES ? fold_values(env, plan) : SQ_OK;
}

/* ---- plans: projects ---- */

static bool identity(const struct sq_plan *p)
{
    if (p->ncols != p->inputs[0]->ncols)
        return false;
    for (uint32_t i = 0; i < p->ncols; i++)
        if (p->u.project.exprs[i]->kind != SQ_X_COL || p->u.project.exprs[i]->col != i)
            return false;
    return true;
}

static bool only_columns(const struct sq_plan *p)
{
    for (uint32_t i = 0; i < p->ncols; i++)
        if (p->u.project.exprs[i]->kind != SQ_X_COL)
            return false;
    return true;
}

static bool all_pure(const struct sq_plan *p)
{
    for (uint32_t i = 0; i < p->ncols; i++)
        if (!sq_expr_pure(p->u.project.exprs[i]))
            return false;
    return true;
}

/* An aggregate reads its columns by number, so a project below that only picks columns is not needed. */
static sq_rc skip_columns(struct sq_arena *a, struct sq_plan *p)
{
    struct sq_plan *in = p->inputs[0];
    uint32_t *group = SQ_NEW_ARRAY(a, uint32_t, p->u.agg.ngroup ? p->u.agg.ngroup : 1);
    struct sq_agg_item *items = SQ_NEW_ARRAY(a, struct sq_agg_item, p->u.agg.nitems ? p->u.agg.nitems : 1);
    if (!group || !items)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->u.agg.ngroup; i++)
        group[i] = in->u.project.exprs[p->u.agg.group[i]]->col;
    for (uint32_t i = 0; i < p->u.agg.nitems; i++) {
        items[i] = p->u.agg.items[i];
        if (items[i].arg >= 0)
            items[i].arg = (int32_t)in->u.project.exprs[items[i].arg]->col;
        if (items[i].filter >= 0)
            items[i].filter = (int32_t)in->u.project.exprs[items[i].filter]->col;
    }
    p->u.agg.group = group;
    p->u.agg.items = items;
    p->inputs[0] = in->inputs[0];
    return SQ_OK;
}

static sq_rc merge_project(struct sq_arena *a, struct sq_plan **plan)
{
    struct sq_plan *p = *plan, *in = p->inputs[0];
    while (in->kind == SQ_N_PROJECT && (only_columns(p) || all_pure(in))) {
        if (!all_pure(in)) {                                     /* a clock or random number may be passed on once, not copied */
            for (uint32_t i = 0; i < p->ncols; i++)
                for (uint32_t k = 0; k < i; k++)
                    if (p->u.project.exprs[i]->col == p->u.project.exprs[k]->col)
                        return SQ_OK;
        }
        for (uint32_t i = 0; i < p->ncols; i++)
            SQ_TRY(sq_expr_subst(a, p->u.project.exprs[i], in->u.project.exprs, &p->u.project.exprs[i]));
        in = p->inputs[0] = in->inputs[0];
    }
    if (identity(p))
        *plan = in;
    return SQ_OK;
}

sq_rc sq_merge_projects(struct sq_arena *a, struct sq_plan *p, struct sq_plan **out)
{
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(sq_merge_projects(a, p->inputs[i], &p->inputs[i]));
    if (p->kind == SQ_N_PROJECT)
        SQ_TRY(merge_project(a, &p));
    else if (p->kind == SQ_N_AGGREGATE && p->inputs[0]->kind == SQ_N_PROJECT && only_columns(p->inputs[0]))
        SQ_TRY(skip_columns(a, p));
    *out = p;
    return SQ_OK;
}

sq_rc sq_rewrite_plan(struct sq_bind_env *env, struct sq_plan *p, struct sq_plan **out)
{
    const struct sq_field *cols = p->cols;
    uint32_t ncols = p->ncols;
    SQ_TRY(sq_widen_joins(env->arena, p, true));
    SQ_TRY(fold_plan(env, &p));
    SQ_TRY(sq_time_annotate(env->arena, p));
    SQ_TRY(sq_push_filters(env->arena, p, &p));
    SQ_TRY(sq_merge_projects(env->arena, p, &p));
    SQ_TRY(sq_find_places(env->arena, &p));
    SQ_TRY(fold_plan(env, &p));                                  /* constants that came together */
    SQ_TRY(sq_prune_columns(env->arena, p, &p));
    SQ_TRY(sq_merge_projects(env->arena, p, &p));
    SQ_TRY(sq_widen_joins(env->arena, p, false));
    SQ_TRY(sq_find_windows(env->arena, &p));
    SQ_TRY(sq_check_windows(env->ctx, p));
    SQ_TRY(sq_merge_projects(env->arena, p, &p));
    SQ_TRY(sq_time_annotate(env->arena, p));
    SQ_TRY(sq_check_overs(env, p));
    SQ_TRY(fold_all_values(env, &p));
    SQ_ASSERT(p->ncols == ncols);
    if (p->cols != cols) {                                       /* a project that only gave names is gone */
        struct sq_plan *named = SQ_NEW(env->arena, struct sq_plan);
        if (!named)
            return SQ_NOMEM;
        *named = *p;
        named->cols = cols;
        p = named;
    }
    (void)ncols;
    *out = p;
    return SQ_OK;
}
