/* SPDX-License-Identifier: Apache-2.0
 *
 * bind.c: queries to plans. A SELECT becomes, from below:
 *
 *   FROM → filter (WHERE) → [project → aggregate → filter (HAVING)] → project (items, and what ORDER BY needs beside them)
 *        → [aggregate without items: DISTINCT] → [sort, limit] → [project: items only]
 *
 * Every expression of a level is bound over FROM's columns first; with grouping, they are then placed over the aggregate's output.
 *
 * FLINK: aliases are seen by ORDER BY only; a number in ORDER BY is a position, in GROUP BY a constant; output columns without a name are EXPR$n, and a name
 * that comes twice gets a number (id, id0); ORDER BY of a subquery without LIMIT means nothing.
 */
#include "planner/subquery.h"

#include <stdio.h>

#include "executor/expr.h"

struct select {
    struct sq_binder *b;
    const struct sq_ast_query *q;
    struct sq_plan *plan;                  /* as far as it is made */
    struct sq_plan *from;
    struct sq_scope scope;
    struct sq_aggs aggs;
    struct sq_overs overs;
    struct sq_lates lates;
    struct sq_expr *qualify;
    struct sq_group_window window;
    struct sq_exprs exprs;                 /* items, then hidden ones for ORDER BY */
    struct sq_str *names;                  /* of the items; p NULL: EXPR$n */
    struct sq_expr **aliased;              /* of the items with an explicit alias, for ORDER BY */
    uint32_t nitems, cap;
    struct sq_expr *having;
    struct sq_sort_key *keys;
    uint32_t nkeys;
};

void sq_binder_init(struct sq_binder *b, struct sq_bind_env *env)
{
    memset(b, 0, sizeof(*b));
    b->env = env;
    b->ctx = env->ctx;
    b->arena = env->arena;
}

static struct sq_bind_x context(struct select *s, const char *clause, bool aggregates)
{
    return (struct sq_bind_x){.b = s->b, .scope = &s->scope, .aggs = aggregates ? &s->aggs : NULL, .clause = clause, .items = s->q->items, .nitems = s->q->nitems, .window = &s->window,
                              .from = s->from};
}

/* The same where calls with OVER may stand. */
static struct sq_bind_x over_context(struct select *s, const char *clause)
{
    struct sq_bind_x x = context(s, clause, true);
    x.overs = &s->overs;
    x.windows = s->q->windows;
    x.nwindows = s->q->nwindows;
    return x;
}

/* ---- the rows of VALUES ---- */

struct sq_plan *sq_one_row(struct sq_binder *b)
{
    struct sq_batch *row = SQ_NEW(b->arena, struct sq_batch);
    if (!row)
        return NULL;
    row->rows = row->nsel = 1;
    return sq_node_values(b->arena, NULL, 0, row, 1);
}

static struct sq_field *unnamed_fields(struct sq_binder *b, uint32_t n)
{
    struct sq_field *f = SQ_NEW_ARRAY(b->arena, struct sq_field, n ? n : 1);
    for (uint32_t i = 0; f && i < n; i++) {
        char *name = sq_arena_printf(b->arena, "EXPR$%u", i);
        if (!name)
            return NULL;
        f[i].name = sq_str_of(name);
    }
    return f;
}

/* Rows that are not constant (a clock, random numbers): a project over one row for each. */
static sq_rc values_projects(struct sq_binder *b, struct sq_expr **cells, uint32_t nrows, const struct sq_field *cols, uint32_t ncols, struct sq_span span, struct sq_plan **out)
{
    struct sq_plan **inputs = SQ_NEW_ARRAY(b->arena, struct sq_plan *, nrows);
    struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, ncols ? ncols : 1);
    if (!inputs || !names)
        return SQ_NOMEM;
    for (uint32_t c = 0; c < ncols; c++)
        names[c] = cols[c].name;
    for (uint32_t r = 0; r < nrows; r++) {
        struct sq_plan *row = sq_one_row(b);
        if (!row || !(inputs[r] = sq_node_project(b->arena, row, cells + (size_t)r * ncols, ncols, names)))
            return SQ_NOMEM;
    }
    *out = nrows == 1 ? inputs[0] : sq_node_union(b->arena, inputs, nrows, cols, ncols, span);
    return *out ? SQ_OK : SQ_NOMEM;
}

static sq_rc bind_cells(struct sq_binder *b, const struct sq_ast_query *q, uint32_t ncols, struct sq_expr **cells)
{
    struct sq_scope none = {0};
    struct sq_bind_x x = {.b = b, .scope = &none, .clause = "VALUES"};
    for (uint32_t r = 0; r < q->nrows; r++) {
        const struct sq_ast_expr *row = q->rows[r];
        bool tuple = row->kind == SQ_A_ROW;
        uint32_t n = tuple ? row->nargs : 1;
        if (n != ncols)
            return SQ_WRONG(b, row->span, "every row of VALUES must have as many values: the first has %u, this one %u", ncols, n);
        for (uint32_t c = 0; c < n; c++)
            SQ_TRY(sq_bind_expr(&x, tuple ? row->args[c] : row, &cells[(size_t)r * ncols + c]));
    }
    return SQ_OK;
}

static sq_rc bind_values(struct sq_binder *b, const struct sq_ast_query *q, struct sq_plan **out)
{
    uint32_t ncols = q->nrows && q->rows[0]->kind == SQ_A_ROW ? q->rows[0]->nargs : 1;
    struct sq_expr **cells = SQ_NEW_ARRAY(b->arena, struct sq_expr *, (size_t)q->nrows * ncols + 1);
    struct sq_expr **column = SQ_NEW_ARRAY(b->arena, struct sq_expr *, q->nrows + 1);
    struct sq_field *cols = unnamed_fields(b, ncols);
    bool constant = true;
    if (!cells || !column || !cols)
        return SQ_NOMEM;
    SQ_TRY(bind_cells(b, q, ncols, cells));
    for (uint32_t c = 0; c < ncols; c++) {
        bool nullable = false;
        for (uint32_t r = 0; r < q->nrows; r++)
            column[r] = cells[(size_t)r * ncols + c];
        SQ_TRY(sq_bind_common(b, column, q->nrows, "the values of one column of VALUES", q->span, &cols[c].type));
        for (uint32_t r = 0; r < q->nrows; r++) {
            struct sq_expr *e;
            SQ_TRY(sq_bind_cast(b, column[r], cols[c].type, &e));
            SQ_TRY(sq_rewrite_expr(b->env, e, &e));
            nullable |= e->type->nullable;
            constant &= e->kind == SQ_X_CONST;
            cells[(size_t)r * ncols + c] = e;
        }
        if (!(cols[c].type = sq_type_nullable(b->arena, cols[c].type, nullable)))
            return SQ_NOMEM;
    }
    return constant ? sq_values_plan(b->arena, cells, q->nrows, cols, ncols, out) : values_projects(b, cells, q->nrows, cols, ncols, q->span, out);
}

/* ---- casts of all columns ---- */

sq_rc sq_bind_cast_plan(struct sq_binder *b, struct sq_plan *p, const struct sq_type *const *types, struct sq_plan **out)
{
    struct sq_expr **exprs = SQ_NEW_ARRAY(b->arena, struct sq_expr *, p->ncols ? p->ncols : 1);
    struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, p->ncols ? p->ncols : 1);
    bool changed = false;
    if (!exprs || !names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->ncols; i++) {
        struct sq_expr *col = sq_expr_col(b->arena, i, p->cols[i].type, (struct sq_span){0, 0});
        if (!col)
            return SQ_NOMEM;
        exprs[i] = col;
        names[i] = p->cols[i].name;
        if (types[i])
            SQ_TRY(sq_bind_cast(b, col, types[i], &exprs[i]));
        changed |= exprs[i] != col;
    }
    *out = p;
    if (!changed)
        return SQ_OK;
    *out = sq_node_project(b->arena, p, exprs, p->ncols, names);
    return *out ? SQ_OK : SQ_NOMEM;
}

/* ---- ORDER BY, LIMIT ---- */

static sq_rc bind_count(struct sq_binder *b, const struct sq_ast_expr *a, const char *what, int64_t *v)
{
    struct sq_scope none = {0};
    struct sq_bind_x x = {.b = b, .scope = &none, .clause = what};
    struct sq_expr *e;
    SQ_TRY(sq_bind_expr(&x, a, &e));
    SQ_TRY(sq_rewrite_expr(b->env, e, &e));
    bool ok = e->kind == SQ_X_CONST && (e->type->id == SQ_T_INT || e->type->id == SQ_T_BIGINT || e->type->id == SQ_T_SMALLINT || e->type->id == SQ_T_TINYINT) && !sq_vec_null(e->value, 0);
    if (ok)
        *v = e->type->id == SQ_T_BIGINT ? *(const int64_t *)e->value->data : e->type->id == SQ_T_INT ? *(const int32_t *)e->value->data
           : e->type->id == SQ_T_SMALLINT ? *(const int16_t *)e->value->data : *(const int8_t *)e->value->data;
    if (!ok || *v < 0)
        return SQ_WRONG(b, a->span, "%s must be a whole number that is not negative", what);
    return SQ_OK;
}

static sq_rc sort_node(struct sq_binder *b, const struct sq_ast_query *q, const struct sq_sort_key *keys, uint32_t nkeys, struct sq_plan **plan)
{
    int64_t limit = -1, offset = 0;
    if (q->limit)
        SQ_TRY(bind_count(b, q->limit, "LIMIT", &limit));
    if (q->offset)
        SQ_TRY(bind_count(b, q->offset, "OFFSET", &offset));
    if (!nkeys && limit < 0 && offset == 0)
        return SQ_OK;
    struct sq_span span = nkeys ? q->order_span : q->limit_span;
    struct sq_plan *p = sq_node_new(b->arena, nkeys ? SQ_N_SORT : SQ_N_LIMIT, *plan, sq_bind_span(b, span));
    if (!p)
        return SQ_NOMEM;
    p->u.sort.keys = keys;
    p->u.sort.nkeys = nkeys;
    p->u.sort.limit = limit;
    p->u.sort.offset = offset;
    *plan = p;
    return SQ_OK;
}

static void set_key(struct sq_sort_key *k, uint32_t col, const struct sq_ast_order *o)
{
    k->col = col;
    k->desc = o->desc;
    k->nulls_first = o->nulls_given ? o->nulls_first : !o->desc;    /* FLINK: NULL is the smallest */
}

/* A number alone is the position of a column, from 1. */
static sq_rc position(struct sq_binder *b, const struct sq_ast_expr *a, uint32_t ncols, int64_t *at)
{
    *at = -1;
    if (a->kind != SQ_A_NUMBER || !sq_parse_int(a->text, at))
        return SQ_OK;
    if (*at < 1 || *at > ncols)
        return SQ_WRONG(b, a->span, "ORDER BY %.*s: there %s %u column%s", SQ_FMT(a->text), ncols == 1 ? "is" : "are", ncols, ncols == 1 ? "" : "s");
    return SQ_OK;
}

/* Keys of a SELECT: positions, aliases, or expressions over FROM, which become hidden columns where they are no item. */
static sq_rc bind_order(struct select *s)
{
    const struct sq_ast_query *q = s->q;
    struct sq_binder *b = s->b;
    struct sq_bind_x x = context(s, "ORDER BY", true);
    x.aliases = s->aliased;
    x.alias_names = s->names;
    x.naliases = s->nitems;
    x.nitems = 0;
    if (!s->aggs.grouped) {
        x.aggs = NULL;                                           /* whether there are aggregates was seen before */
    }
    s->nkeys = q->norder;
    if (!(s->keys = SQ_NEW_ARRAY(b->arena, struct sq_sort_key, q->norder)))
        return SQ_NOMEM;
    for (uint32_t i = 0; i < q->norder; i++) {
        int64_t at;
        SQ_TRY(position(b, q->order[i].expr, s->nitems, &at));
        if (at > 0) {
            set_key(&s->keys[i], (uint32_t)at - 1, &q->order[i]);
            continue;
        }
        struct sq_expr *e;
        SQ_TRY(sq_bind_expr(&x, q->order[i].expr, &e));
        uint32_t k = 0;
        while (k < s->exprs.n && !sq_expr_equal(s->exprs.p[k], e))
            k++;
        if (k == s->exprs.n && q->distinct)
            return SQ_WRONG(b, q->order[i].expr->span, "with SELECT DISTINCT, ORDER BY can only use what is selected");
        if (k == s->exprs.n)
            SQ_TRY(sq_exprs_add(b->arena, &s->exprs, e));
        set_key(&s->keys[i], k, &q->order[i]);
    }
    return SQ_OK;
}

/* Keys over the columns of a finished plan (VALUES, UNION). */
static sq_rc order_plan(struct sq_binder *b, const struct sq_ast_query *q, struct sq_plan **plan)
{
    struct sq_scope scope;
    struct sq_bind_x x = {.b = b, .scope = &scope, .clause = "ORDER BY"};
    struct sq_exprs l = {0};
    struct sq_plan *in = *plan;
    struct sq_sort_key *keys = SQ_NEW_ARRAY(b->arena, struct sq_sort_key, q->norder + 1);
    SQ_TRY(sq_scope_of(b, in->cols, in->ncols, &scope));
    if (!keys)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < in->ncols; i++)
        SQ_TRY(sq_exprs_add(b->arena, &l, scope.cols[i].expr));
    for (uint32_t i = 0; i < q->norder; i++) {
        int64_t at;
        struct sq_expr *e;
        SQ_TRY(position(b, q->order[i].expr, in->ncols, &at));
        if (at < 0) {
            SQ_TRY(sq_bind_expr(&x, q->order[i].expr, &e));
            for (at = 0; at < l.n && !sq_expr_equal(l.p[at], e);)
                at++;
            if (at == l.n)
                SQ_TRY(sq_exprs_add(b->arena, &l, e));
            at++;
        }
        set_key(&keys[i], (uint32_t)at - 1, &q->order[i]);
    }
    if (l.n > in->ncols) {
        struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, l.n);
        if (!names)
            return SQ_NOMEM;
        for (uint32_t i = 0; i < l.n; i++)
            SQ_TRY(sq_expr_label(b->arena, l.p[i], in, &names[i]));
        if (!(*plan = sq_node_project(b->arena, in, l.p, l.n, names)))
            return SQ_NOMEM;
    }
    SQ_TRY(sort_node(b, q, keys, q->norder, plan));
    if (l.n > in->ncols) {
        uint32_t *first = SQ_NEW_ARRAY(b->arena, uint32_t, in->ncols);
        if (!first)
            return SQ_NOMEM;
        for (uint32_t i = 0; i < in->ncols; i++)
            first[i] = i;
        *plan = sq_node_select(b->arena, *plan, first, in->ncols);
    }
    return *plan ? SQ_OK : SQ_NOMEM;
}

/* ---- SELECT ---- */

static sq_rc add_item(struct select *s, struct sq_expr *e, struct sq_str name, bool alias)
{
    struct sq_binder *b = s->b;
    if (s->nitems == s->cap) {
        uint32_t cap = s->cap ? 2 * s->cap : 16;
        struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, cap);
        struct sq_expr **aliased = SQ_NEW_ARRAY(b->arena, struct sq_expr *, cap);
        if (!names || !aliased)
            return SQ_NOMEM;
        if (s->nitems) {
            memcpy(names, s->names, sizeof(*names) * s->nitems);
            memcpy(aliased, s->aliased, sizeof(struct sq_expr *) * s->nitems);
        }
        s->names = names;
        s->aliased = aliased;
        s->cap = cap;
    }
    if (s->nitems == SQ_COLUMNS_MAX)
        return sq_fail_at(b->ctx, SQ_LIMIT, sq_bind_span(b, s->q->span), "the query has more than %d columns", SQ_COLUMNS_MAX);
    s->names[s->nitems] = name;
    s->aliased[s->nitems] = alias ? e : NULL;
    s->nitems++;
    return sq_exprs_add(b->arena, &s->exprs, e);
}

static bool names_rel(const struct sq_scope_rel *r, const struct sq_name *n)
{
    if (n->n == 1 && r->alias.p && sq_str_eq(r->alias, n->part[0]))
        return true;
    if (n->n > r->npath || n->n < 2)
        return false;
    for (uint32_t i = 0; i < n->n; i++)
        if (!sq_str_eq(r->path[r->npath - n->n + i], n->part[i]))
            return false;
    return true;
}

static sq_rc expand_star(struct select *s, const struct sq_ast_expr *a)
{
    struct sq_binder *b = s->b;
    struct sq_span span = sq_bind_span(b, a->span);
    uint32_t rel = UINT32_MAX, found = 0;
    if (!s->scope.ncols && !s->q->from)
        return SQ_WRONG(b, a->span, "SELECT * needs a FROM");
    if (a->name.n) {
        for (rel = 0; rel < s->scope.nrels && !names_rel(&s->scope.rels[rel], &a->name);)
            rel++;
        if (rel == s->scope.nrels) {
            struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, rel + 1);
            uint32_t n = 0;
            if (!names)
                return SQ_NOMEM;
            for (uint32_t i = 0; i < rel; i++)
                if (s->scope.rels[i].alias.p)
                    names[n++] = s->scope.rels[i].alias;
            struct sq_str last = a->name.part[a->name.n - 1], near = sq_nearest(last, names, n);
            SQ_WRONG(b, a->span, "no table '%.*s' in FROM", SQ_FMT(last));
            return near.n ? sq_hint(b->ctx, "did you mean '%.*s.*'?", SQ_FMT(near)) : SQ_SEMANTIC;
        }
    }
    for (uint32_t i = 0; i < s->scope.ncols; i++) {
        const struct sq_scope_col *c = &s->scope.cols[i];
        if (rel == UINT32_MAX ? c->hidden : c->rel != rel)
            continue;
        struct sq_expr *e = sq_expr_new(b->arena, c->expr->kind, c->expr->type, span, 0);
        if (!e)
            return SQ_NOMEM;
        *e = *c->expr;
        e->span = span;
        SQ_TRY(add_item(s, e, c->name, false));
        found++;
    }
    return found ? SQ_OK : SQ_WRONG(b, a->span, "there are no columns to select here");
}

static sq_rc bind_items(struct select *s)
{
    struct sq_bind_x x = over_context(s, "SELECT");
    x.nitems = 0;
    x.values = &s->plan;
    x.lates = &s->lates;
    for (uint32_t i = 0; i < s->q->nitems; i++) {
        const struct sq_ast_item *it = &s->q->items[i];
        if (it->expr->kind == SQ_A_STAR) {
            SQ_TRY(expand_star(s, it->expr));
            continue;
        }
        struct sq_expr *e;
        struct sq_str name = it->alias;
        SQ_TRY(sq_bind_expr(&x, it->expr, &e));
        if (!name.p && it->expr->kind == SQ_A_NAME)
            name = it->expr->name.part[it->expr->name.n - 1];
        else if (!name.p && it->expr->kind == SQ_A_FIELD)
            name = it->expr->text;
        SQ_TRY(add_item(s, e, name, it->alias.p != NULL));
    }
    return SQ_OK;
}

static bool taken(const struct sq_str *names, uint32_t n, struct sq_str name)
{
    for (uint32_t i = 0; i < n; i++)
        if (sq_str_eq(names[i], name))
            return true;
    return false;
}

/* The names of the output: EXPR$n for what has none, and a number behind what comes twice. */
static sq_rc output_names(struct select *s)
{
    struct sq_arena *a = s->b->arena;
    struct sq_str *out = SQ_NEW_ARRAY(a, struct sq_str, s->exprs.n + 1);
    if (!out)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < s->exprs.n; i++) {
        struct sq_str base = {NULL, 0};
        if (i < s->nitems)
            base = s->names[i];
        else
            SQ_TRY(sq_expr_label(a, s->exprs.p[i], s->plan, &base));   /* hidden; for EXPLAIN */
        char *text = NULL;
        if (!base.p) {
            if (!(text = sq_arena_printf(a, "EXPR$%u", i)))
                return SQ_NOMEM;
            base = sq_str_of(text);
        }
        out[i] = base;
        for (uint32_t k = 0; taken(out, i, out[i]); k++) {
            if (!(text = sq_arena_printf(a, "%.*s%u", SQ_FMT(base), k)))
                return SQ_NOMEM;
            out[i] = sq_str_of(text);
        }
    }
    s->names = out;
    return SQ_OK;
}

static bool has_aggregates(const struct sq_ast_query *q)
{
    for (uint32_t i = 0; i < q->nitems; i++)
        if (sq_ast_has_aggregate(q->items[i].expr))
            return true;
    for (uint32_t i = 0; i < q->norder; i++)
        if (sq_ast_has_aggregate(q->order[i].expr))
            return true;
    return false;
}

static sq_rc check_hints(struct sq_binder *b, const struct sq_ast_query *q)
{
    static const char late[] = "LATE_DATA_SINK";
    for (uint32_t i = 0; i + sizeof late - 1 <= q->hint_text.n; i++)
        if (sq_str_iis((struct sq_str){q->hint_text.p + i, sizeof late - 1}, late)) {
            SQ_REFUSE(b, q->span, "the hint %s is not supported", late);
            return sq_hint(b->ctx, "INSERT INTO … SELECT … FROM t$late in the same statement set takes the late rows of a table t");
        }
    if (q->hint_text.n && !q->nstate_ttl)
        sq_notice(b->ctx, "the hint %.*s has no effect here", SQ_FMT(q->hint_text));
    return SQ_OK;
}

static sq_rc select_clauses(struct select *s)
{
    const struct sq_ast_query *q = s->q;
    struct sq_binder *b = s->b;
    SQ_TRY(check_hints(b, q));
    if (q->from)
        SQ_TRY(sq_bind_from(b, q->from, &s->plan, &s->scope));
    else if (!(s->plan = sq_one_row(b)))
        return SQ_NOMEM;
    s->from = s->plan;
    if (q->where) {
        struct sq_bind_x x = context(s, "WHERE", false);
        struct sq_expr *e;
        SQ_TRY(sq_bind_where(&x, q->where, &s->plan, &e));
        if (e && !(s->plan = sq_node_filter(b->arena, s->plan, e)))
            return SQ_NOMEM;
    }
    if (q->grouped || q->ngroup) {
        struct sq_bind_x x = context(s, "GROUP BY", false);
        SQ_TRY(sq_group_window_find(&x, q, &s->plan, &s->window));
        SQ_TRY(sq_bind_group(&x, &s->aggs, q));
        if (s->window.call) {
            SQ_TRY(sq_group_window_keys(b, &s->window, &s->aggs));
            s->from = s->plan;
        }
    }
    s->aggs.grouped = q->grouped || q->ngroup || q->having || has_aggregates(q);
    SQ_TRY(bind_items(s));
    if (q->having) {
        struct sq_bind_x x = context(s, "HAVING", true);
        x.values = &s->plan;
        x.lates = &s->lates;
        SQ_TRY(sq_bind_predicate(&x, q->having, &s->having));
    }
    s->from = s->plan;                                           /* queries as values are joined to it now */
    if (q->qualify) {
        struct sq_bind_x x = over_context(s, "QUALIFY");
        x.aliases = s->aliased;
        x.alias_names = s->names;
        x.naliases = s->nitems;
        SQ_TRY(sq_bind_predicate(&x, q->qualify, &s->qualify));
    }
    return SQ_OK;
}

static struct sq_span group_span(const struct select *s)
{
    const struct sq_ast_query *q = s->q;
    if (q->ngroup && q->group[0]->span.len) {
        struct sq_span first = q->group[0]->span, last = q->group[q->ngroup - 1]->span;
        return sq_bind_span(s->b, (struct sq_span){first.at, last.at + last.len - first.at});
    }
    return s->aggs.n ? s->aggs.uses[0].span : sq_bind_span(s->b, q->span);
}

/* The aggregate, and every expression placed over it. */
static sq_rc place_all(struct select *s)
{
    struct sq_binder *b = s->b;
    for (uint32_t i = 0; i < s->exprs.n; i++)
        SQ_TRY(sq_agg_place(b, &s->aggs, s->from, s->exprs.p[i], &s->exprs.p[i]));
    if (s->having)
        SQ_TRY(sq_agg_place(b, &s->aggs, s->from, s->having, &s->having));
    SQ_TRY(sq_agg_plan(b, &s->aggs, s->plan, group_span(s), &s->plan));
    sq_ttl_aggregate(b, s->q, s->plan);
    if (s->lates.n && (s->overs.n || s->qualify))
        return SQ_REFUSE(b, s->q->span, "queries as values beside aggregates and OVER are not supported: put the query with the aggregates into FROM");
    SQ_TRY(sq_lates_join(b, &s->lates, &s->aggs, s->from, &s->plan));
    for (uint32_t i = 0; i < s->exprs.n; i++)
        SQ_TRY(sq_lates_place(b, &s->lates, s->plan, &s->exprs.p[i]));
    if (s->having)
        SQ_TRY(sq_lates_place(b, &s->lates, s->plan, &s->having));
    if (s->having && !(s->plan = sq_node_filter(b->arena, s->plan, s->having)))
        return SQ_NOMEM;
    return SQ_OK;
}

/* Calls with OVER, and the QUALIFY that looks at them. */
static sq_rc apply_overs(struct select *s)
{
    struct sq_binder *b = s->b;
    if (!s->overs.n && !s->qualify)
        return SQ_OK;
    if (s->aggs.grouped) {
        SQ_TRY(sq_over_place(b, &s->overs, &s->aggs, s->from));
        if (s->qualify)
            SQ_TRY(sq_agg_place(b, &s->aggs, s->from, s->qualify, &s->qualify));
    }
    SQ_TRY(sq_over_plan(b, &s->overs, &s->plan, s->exprs.p, s->exprs.n));
    if (!s->qualify)
        return SQ_OK;
    struct sq_overs none = {.uses = s->overs.uses};
    SQ_TRY(sq_over_plan(b, &none, &s->plan, &s->qualify, 1));
    s->plan = sq_node_filter(b->arena, s->plan, s->qualify);
    return s->plan ? SQ_OK : SQ_NOMEM;
}

static sq_rc bind_hinted(struct sq_binder *b, const struct sq_ast_query *q, bool ordered, struct sq_plan **out)
{
    struct select s = {.b = b, .q = q};
    SQ_TRY(select_clauses(&s));
    if (ordered && q->norder)
        SQ_TRY(bind_order(&s));
    if (s.aggs.grouped)
        SQ_TRY(place_all(&s));
    SQ_TRY(apply_overs(&s));
    SQ_TRY(output_names(&s));
    if (!(s.plan = sq_node_project(b->arena, s.plan, s.exprs.p, s.exprs.n, s.names)))
        return SQ_NOMEM;
    if (q->distinct && !(s.plan = sq_node_distinct(b->arena, s.plan, sq_bind_span(b, q->span))))
        return SQ_NOMEM;
    if (q->distinct)
        sq_ttl_aggregate(b, q, s.plan);
    SQ_TRY(sort_node(b, q, s.keys, s.nkeys, &s.plan));
    if (s.exprs.n > s.nitems) {
        uint32_t *first = SQ_NEW_ARRAY(b->arena, uint32_t, s.nitems);
        if (!first)
            return SQ_NOMEM;
        for (uint32_t i = 0; i < s.nitems; i++)
            first[i] = i;
        if (!(s.plan = sq_node_select(b->arena, s.plan, first, s.nitems)))
            return SQ_NOMEM;
    }
    *out = s.plan;
    return SQ_OK;
}

static sq_rc bind_select(struct sq_binder *b, const struct sq_ast_query *q, bool ordered, struct sq_plan **out)
{
    struct sq_ttl_hints *outer = b->ttl;
    sq_rc rc = sq_ttl_begin(b, q);
    if (rc == SQ_OK)
        rc = bind_hinted(b, q, ordered, out);
    if (rc == SQ_OK)
        rc = sq_ttl_check(b);
    b->ttl = outer;
    return rc;
}

static sq_rc bind_body(struct sq_binder *b, const struct sq_ast_query *q, bool sub, struct sq_plan **out)
{
    bool ordered = q->norder && (!sub || q->limit || q->offset);
    switch (q->kind) {
    case SQ_Q_SELECT:
        return bind_select(b, q, ordered, out);
    case SQ_Q_VALUES:
        SQ_TRY(bind_values(b, q, out));
        break;
    case SQ_Q_UNION:
    case SQ_Q_INTERSECT:
    case SQ_Q_EXCEPT:
        SQ_TRY(sq_bind_setop(b, q, out));
        break;
    }
    return ordered ? order_plan(b, q, out) : sort_node(b, q, NULL, 0, out);
}

sq_rc sq_bind_select_query(struct sq_binder *b, const struct sq_ast_query *q, bool sub, struct sq_plan **out)
{
    struct sq_cte *outer = b->ctes;
    if (++b->depth > SQ_BIND_DEPTH)
        return sq_fail_at(b->ctx, SQ_LIMIT, sq_bind_span(b, q->span), "queries are nested more than %d levels deep", SQ_BIND_DEPTH);
    for (uint32_t i = 0; i < q->nwith; i++) {
        struct sq_cte *c = SQ_NEW(b->arena, struct sq_cte);
        if (!c)
            return SQ_NOMEM;
        for (uint32_t k = 0; k < i; k++)
            if (sq_str_eq(q->with[k].name, q->with[i].name))
                return SQ_WRONG(b, q->with[i].span, "WITH defines '%.*s' twice", SQ_FMT(q->with[i].name));
        *c = (struct sq_cte){q->with[i].name, &q->with[i], b->ctes};
        b->ctes = c;
    }
    sq_rc rc = bind_body(b, q, sub, out);
    b->ctes = outer;
    b->depth--;
    return rc;
}

/* ---- entry points ---- */

sq_rc sq_bind_scalar(struct sq_bind_env *env, const struct sq_ast_expr *a, const struct sq_field *cols, uint32_t ncols, struct sq_expr **out)
{
    struct sq_binder b;
    struct sq_scope scope;
    sq_binder_init(&b, env);
    SQ_TRY(sq_scope_of(&b, cols, ncols, &scope));
    struct sq_bind_x x = {.b = &b, .scope = &scope, .clause = "an expression over the columns of a table"};
    SQ_TRY(sq_bind_expr(&x, a, out));
    return sq_rewrite_expr(env, *out, out);
}

sq_rc sq_bind_query(struct sq_bind_env *env, const struct sq_ast_query *q, struct sq_plan **out)
{
    struct sq_binder b;
    sq_binder_init(&b, env);
    SQ_TRY(sq_bind_select_query(&b, q, false, out));
    return sq_rewrite_plan(env, *out, out);
}

sq_rc sq_bind_schema(struct sq_bind_env *env, const struct sq_ast_query *q, const struct sq_field **cols, uint32_t *ncols)
{
    struct sq_binder b;
    struct sq_plan *p;
    sq_binder_init(&b, env);
    SQ_TRY(sq_bind_select_query(&b, q, false, &p));
    *cols = p->cols;
    *ncols = p->ncols;
    return SQ_OK;
}
