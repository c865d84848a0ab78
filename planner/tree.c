/* SPDX-License-Identifier: Apache-2.0
 *
 * tree.c: making and changing plan nodes and bound expressions (tree.h).
 */
#include "planner/tree.h"

sq_rc sq_exprs_add(struct sq_arena *a, struct sq_exprs *l, struct sq_expr *e)
{
    if (!e)
        return a->ctx->err.rc ? a->ctx->err.rc : SQ_NOMEM;
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 8;
        struct sq_expr **p = SQ_NEW_ARRAY(a, struct sq_expr *, cap);
        if (!p)
            return SQ_NOMEM;
        if (l->n)
            memcpy(p, l->p, sizeof(*p) * l->n);
        l->p = p;
        l->cap = cap;
    }
    l->p[l->n++] = e;
    return SQ_OK;
}

/* ---- expressions ---- */

struct sq_expr *sq_expr_new(struct sq_arena *a, enum sq_expr_kind kind, const struct sq_type *type, struct sq_span span, uint32_t nargs)
{
    struct sq_expr *e = SQ_NEW(a, struct sq_expr);
    if (!e || !type)
        return NULL;
    e->kind = kind;
    e->type = type;
    e->span = span;
    if (nargs && !(e->args = SQ_NEW_ARRAY(a, struct sq_expr *, nargs)))
        return NULL;
    e->nargs = nargs;
    return e;
}

struct sq_expr *sq_expr_col(struct sq_arena *a, uint32_t col, const struct sq_type *type, struct sq_span span)
{
    struct sq_expr *e = sq_expr_new(a, SQ_X_COL, type, span, 0);
    if (e)
        e->col = col;
    return e;
}

struct sq_expr *sq_expr_const(struct sq_arena *a, const struct sq_vec *v, struct sq_span span)
{
    struct sq_expr *e = v ? sq_expr_new(a, SQ_X_CONST, v->type, span, 0) : NULL;
    if (e)
        e->value = v;
    return e;
}

struct sq_expr *sq_expr_bool(struct sq_arena *a, bool v, struct sq_span span)
{
    uint8_t byte = v;
    const struct sq_type *t = sq_type_nullable(a, &sq_type_boolean, false);
    return t ? sq_expr_const(a, sq_vec_const_fixed(a, t, &byte), span) : NULL;
}

sq_rc sq_expr_map_args(struct sq_arena *a, struct sq_expr *e, sq_expr_map_fn *fn, void *arg, struct sq_expr **out)
{
    struct sq_expr *copy = NULL;
    for (uint32_t i = 0; i < e->nargs; i++) {
        struct sq_expr *x;
        SQ_TRY(fn(arg, e->args[i], &x));
        if (x == e->args[i])
            continue;
        if (!copy) {
            copy = sq_expr_new(a, e->kind, e->type, e->span, e->nargs);
            if (!copy)
                return SQ_NOMEM;
            struct sq_expr **args = copy->args;
            *copy = *e;
            copy->args = args;
            memcpy(args, e->args, sizeof(*args) * e->nargs);
        }
        copy->args[i] = x;
    }
    *out = copy ? copy : e;
    return SQ_OK;
}

struct map { struct sq_arena *arena; sq_expr_map_fn *fn; void *arg; };

static sq_rc map_one(void *arg, struct sq_expr *e, struct sq_expr **out)
{
    struct map *m = arg;
    struct sq_expr *got = NULL;
    SQ_TRY(m->fn(m->arg, e, &got));
    if (!got)
        return sq_expr_map_args(m->arena, e, map_one, m, out);
    *out = got;
    return SQ_OK;
}

sq_rc sq_expr_map(struct sq_arena *a, struct sq_expr *e, sq_expr_map_fn *fn, void *arg, struct sq_expr **out)
{
    return map_one(&(struct map){a, fn, arg}, e, out);
}

struct remap {
    struct sq_arena *arena;
    const uint32_t *to;
    int64_t by;
    struct sq_expr *const *subst;
};

static sq_rc remap_one(void *arg, struct sq_expr *e, struct sq_expr **out)
{
    struct remap *m = arg;
    if (e->kind != SQ_X_COL)
        return SQ_OK;
    if (m->subst) {
        *out = m->subst[e->col];
        return SQ_OK;
    }
    uint32_t to = m->to ? m->to[e->col] : (uint32_t)(e->col + m->by);
    *out = to == e->col ? e : sq_expr_col(m->arena, to, e->type, e->span);
    return *out ? SQ_OK : SQ_NOMEM;
}

sq_rc sq_expr_remap(struct sq_arena *a, struct sq_expr *e, const uint32_t *to, struct sq_expr **out)
{
    return sq_expr_map(a, e, remap_one, &(struct remap){.arena = a, .to = to}, out);
}

sq_rc sq_expr_shift(struct sq_arena *a, struct sq_expr *e, int64_t by, struct sq_expr **out)
{
    return sq_expr_map(a, e, remap_one, &(struct remap){.arena = a, .by = by}, out);
}

sq_rc sq_expr_subst(struct sq_arena *a, struct sq_expr *e, struct sq_expr *const *by, struct sq_expr **out)
{
    return sq_expr_map(a, e, remap_one, &(struct remap){.arena = a, .subst = by}, out);
}

void sq_expr_cols(const struct sq_expr *e, bool *used)
{
    if (e->kind == SQ_X_COL)
        used[e->col] = true;
    for (uint32_t i = 0; i < e->nargs; i++)
        sq_expr_cols(e->args[i], used);
}

bool sq_expr_within(const struct sq_expr *e, uint32_t from, uint32_t to)
{
    if (e->kind == SQ_X_COL && (e->col < from || e->col >= to))
        return false;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (!sq_expr_within(e->args[i], from, to))
            return false;
    return true;
}

bool sq_expr_pure(const struct sq_expr *e)
{
    if (e->kind == SQ_X_CALL && !(e->fn->flags & SQ_PURE))
        return false;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (!sq_expr_pure(e->args[i]))
            return false;
    return true;
}

bool sq_expr_has_col(const struct sq_expr *e)
{
    return !sq_expr_within(e, UINT32_MAX, UINT32_MAX);
}

bool sq_expr_is_fn(const struct sq_expr *e, const char *name)
{
    return e->kind == SQ_X_CALL && strcmp(e->fn->name, name) == 0;
}

int sq_expr_truth(const struct sq_expr *e)
{
    if (e->kind != SQ_X_CONST)
        return -2;
    if (sq_vec_null(e->value, 0))
        return e->type->id == SQ_T_BOOLEAN || e->type->id == SQ_T_NULL ? -1 : -2;
    return e->type->id == SQ_T_BOOLEAN ? *(const uint8_t *)e->value->data : -2;
}

sq_rc sq_expr_conjuncts(struct sq_arena *a, struct sq_expr *e, struct sq_exprs *l)
{
    if (e->kind != SQ_X_AND)
        return sq_exprs_add(a, l, e);
    for (uint32_t i = 0; i < e->nargs; i++)
        SQ_TRY(sq_expr_conjuncts(a, e->args[i], l));
    return SQ_OK;
}

sq_rc sq_expr_conjunction(struct sq_arena *a, const struct sq_exprs *l, struct sq_expr **out)
{
    *out = NULL;
    if (l->n <= 1) {
        if (l->n)
            *out = l->p[0];
        return SQ_OK;
    }
    bool nullable = false;
    struct sq_span span = {0, 0};
    for (uint32_t i = 0; i < l->n; i++) {
        nullable |= l->p[i]->type->nullable;
        if (!span.len)
            span = l->p[i]->span;
    }
    struct sq_expr *e = sq_expr_new(a, SQ_X_AND, sq_type_nullable(a, &sq_type_boolean, nullable), span, l->n);
    if (!e)
        return SQ_NOMEM;
    memcpy(e->args, l->p, sizeof(*e->args) * l->n);
    *out = e;
    return SQ_OK;
}

/* ---- nodes ---- */

struct sq_plan *sq_node_new(struct sq_arena *a, enum sq_plan_kind kind, struct sq_plan *in, struct sq_span span)
{
    struct sq_plan *p = SQ_NEW(a, struct sq_plan);
    if (!p)
        return NULL;
    p->kind = kind;
    p->span = span;
    if (in) {
        if (!(p->inputs = SQ_NEW_ARRAY(a, struct sq_plan *, 1)))
            return NULL;
        p->inputs[0] = in;
        p->ninputs = 1;
        p->cols = in->cols;
        p->ncols = in->ncols;
        p->time = in->time;                                      /* once the tree is marked: what is put in then passes its rows on */
        p->window = in->window;
    }
    return p;
}

struct sq_plan *sq_node_filter(struct sq_arena *a, struct sq_plan *in, struct sq_expr *pred)
{
    struct sq_plan *p = sq_node_new(a, SQ_N_FILTER, in, pred->span);
    if (p)
        p->u.filter.pred = pred;
    return p;
}

struct sq_plan *sq_node_project(struct sq_arena *a, struct sq_plan *in, struct sq_expr **exprs, uint32_t n, const struct sq_str *names)
{
    struct sq_plan *p = sq_node_new(a, SQ_N_PROJECT, in, n ? exprs[0]->span : (struct sq_span){0, 0});
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, n ? n : 1);
    if (!p || !cols)
        return NULL;
    for (uint32_t i = 0; i < n; i++) {
        cols[i].type = exprs[i]->type;
        if (names) {
            cols[i].name = names[i];
        } else if (exprs[i]->kind == SQ_X_COL) {
            cols[i].name = in->cols[exprs[i]->col].name;
        } else {
            char *text = sq_arena_printf(a, "EXPR$%u", i);
            if (!text)
                return NULL;
            cols[i].name = sq_str_of(text);
        }
    }
    p->u.project.exprs = exprs;
    p->cols = cols;
    p->ncols = n;
    return p;
}

struct sq_plan *sq_node_select(struct sq_arena *a, struct sq_plan *in, const uint32_t *columns, uint32_t n)
{
    struct sq_expr **exprs = SQ_NEW_ARRAY(a, struct sq_expr *, n ? n : 1);
    if (!exprs)
        return NULL;
    for (uint32_t i = 0; i < n; i++)
        if (!(exprs[i] = sq_expr_col(a, columns[i], in->cols[columns[i]].type, (struct sq_span){0, 0})))
            return NULL;
    return sq_node_project(a, in, exprs, n, NULL);
}

struct sq_plan *sq_node_values(struct sq_arena *a, const struct sq_field *cols, uint32_t ncols, const struct sq_batch *rows, uint32_t nbatches)
{
    struct sq_plan *p = sq_node_new(a, SQ_N_VALUES, NULL, (struct sq_span){0, 0});
    if (!p)
        return NULL;
    p->cols = cols;
    p->ncols = ncols;
    p->u.values.rows = rows;
    p->u.values.nbatches = nbatches;
    return p;
}

struct sq_plan *sq_node_union(struct sq_arena *a, struct sq_plan **inputs, uint32_t n, const struct sq_field *cols, uint32_t ncols, struct sq_span span)
{
    struct sq_plan *u = sq_node_new(a, SQ_N_UNION, NULL, span);
    if (!u)
        return NULL;
    u->inputs = inputs;
    u->ninputs = n;
    u->cols = cols;
    u->ncols = ncols;
    return u;
}

struct sq_plan *sq_node_distinct(struct sq_arena *a, struct sq_plan *in, struct sq_span span)
{
    struct sq_plan *p = sq_node_new(a, SQ_N_AGGREGATE, in, span);
    uint32_t *group = SQ_NEW_ARRAY(a, uint32_t, in->ncols ? in->ncols : 1);
    if (!p || !group)
        return NULL;
    for (uint32_t i = 0; i < in->ncols; i++)
        group[i] = i;
    p->u.agg.group = group;
    p->u.agg.ngroup = in->ncols;
    return p;
}

sq_rc sq_expr_label(struct sq_arena *a, const struct sq_expr *e, const struct sq_plan *in, struct sq_str *text)
{
    struct sq_buf b;
    sq_buf_init(&b, a->ctx);
    sq_expr_print(&b, e, in->cols, in->ncols);
    *text = b.rc == SQ_OK ? sq_str_dup(a, sq_buf_view(&b)) : (struct sq_str){NULL, 0};
    sq_buf_free(&b);
    return text->p ? SQ_OK : SQ_NOMEM;
}
