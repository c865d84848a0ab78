/* SPDX-License-Identifier: Apache-2.0
 *
 * expr.c: from bound expressions to a program: nodes in an order where arguments come first, equal pure subexpressions merged, kernels
 * looked up and prepared, IN lists sorted. Running it: expr_eval.c.
 */
#include "executor/expr_internal.h"

#include <stdlib.h>

static sq_rc compile(struct sq_program *p, const struct sq_expr *e, uint32_t *out);

/* ---- equality of nodes ---- */

static bool same_const(const struct sq_vec *a, const struct sq_vec *b)
{
    enum sq_phys phys = sq_type_phys(a->type);
    uint32_t w = sq_phys_size(phys);

    if (a == b || (a->data && a->data == b->data))
        return true;
    if (sq_vec_null(a, 0) || sq_vec_null(b, 0))
        return sq_vec_null(a, 0) && sq_vec_null(b, 0);
    if (phys == SQ_P_VIEW)
        return sq_view_eq(a->data, b->data);
    return w && phys != SQ_P_LIST && memcmp(a->data, b->data, w) == 0;   /* bytes: 0.0 and -0.0 stay two */
}

static bool same_node(const struct node *a, const struct node *b)
{
    if (a->kind != b->kind || a->col != b->col || a->attempt != b->attempt || a->fn != b->fn || a->nargs != b->nargs || !a->pure || !b->pure ||
        a->in || b->in || !sq_type_equal(a->type, b->type, false))
        return false;
    if (a->kind == SQ_X_CONST)
        return same_const(&a->val, &b->val);
    return memcmp(a->args, b->args, a->nargs * sizeof *a->args) == 0;
}

/* Adds the node, or finds its equal. */
static sq_rc add(struct sq_program *p, const struct node *n, uint32_t *out)
{
    size_t cap = p->nodes_cap;

    for (uint32_t i = 0; i < p->nnodes; i++)
        if (same_node(&p->nodes[i], n)) {
            *out = i;
            return SQ_OK;
        }
    SQ_TRY(sq_grow(p->ctx, &p->nodes, &cap, p->nnodes + 1, sizeof *p->nodes));
    p->nodes_cap = (uint32_t)cap;
    p->nodes[p->nnodes] = *n;
    *out = p->nnodes++;
    return SQ_OK;
}

/* ---- the kinds ---- */

static sq_rc no_kernel(struct sq_program *p, const struct sq_expr *e, const struct sq_type *from)
{
    struct sq_buf a, b;

    sq_buf_init(&a, p->ctx);
    sq_buf_init(&b, p->ctx);
    sq_type_print(&a, from);
    sq_type_print(&b, e->type);
    sq_fail_at(p->ctx, SQ_UNSUPPORTED, e->span, "a cast from %s to %s is not supported", a.p ? a.p : "?", b.p ? b.p : "?");
    sq_buf_free(&a);
    sq_buf_free(&b);
    return SQ_UNSUPPORTED;
}

static bool nested(const struct sq_type *t)
{
    enum sq_phys phys = sq_type_phys(t);
    return phys == SQ_P_LIST || phys == SQ_P_STRUCT;
}

/* A cast that leaves every element as it is: another nullability, a longer string, more digits in the same layout. */
static bool cast_keeps(const struct sq_type *from, const struct sq_type *to)
{
    if (sq_type_equal(from, to, false))
        return true;
    if (from->id == to->id && (from->id == SQ_T_VARCHAR || from->id == SQ_T_VARBINARY))
        return to->p >= from->p;
    return from->id == to->id && sq_tid_is_timestamp(from->id) && to->p >= from->p && sq_type_phys(from) == sq_type_phys(to);
}

static sq_rc compile_cast(struct sq_program *p, const struct sq_expr *e, struct node *n)
{
    const struct sq_type *from = p->nodes[n->args[0]].type;
    static char attempt_mark;

    if (from->id == SQ_T_NULL) {               /* a bare NULL of another type */
        struct sq_vec *v = sq_vec_const_null(&p->arena, e->type);
        if (!v)
            return SQ_NOMEM;
        n->kind = SQ_X_CONST;
        n->val = *v;
        n->nargs = 0;
        return SQ_OK;
    }
    if (cast_keeps(from, e->type))
        return SQ_OK;
    n->kernel = sq_cast_kernel(from, e->type);
    if (!n->kernel)
        return no_kernel(p, e, from);
    n->call.state = e->attempt ? &attempt_mark : NULL;
    return SQ_OK;
}

/* Frees what a function's state has beside the arena. */
static void release_state(struct node *n)
{
    if (n->kind == SQ_X_CALL && n->fn->flags & SQ_OWNS && n->call.state)
        ((struct sq_owned *)n->call.state)->release(n->call.state);
}

static sq_rc compile_call(struct sq_program *p, const struct sq_expr *e, struct node *n)
{
    const struct sq_vec **consts;

    n->kernel = e->fn->kernel;
    if (!n->kernel)
        return sq_fail_at(p->ctx, SQ_INTERNAL, e->span, "the function %s has no kernel", e->fn->name);
    if (nested(e->type) != ((e->fn->flags & SQ_NESTED) != 0))
        return sq_fail_at(p->ctx, SQ_UNSUPPORTED, e->span, "%s of ARRAY, MAP or ROW values is not supported", e->fn->name);
    if (!(e->fn->flags & SQ_PURE))
        n->pure = false;
    if (!e->fn->prepare)
        return SQ_OK;
    consts = SQ_NEW_ARRAY(&p->arena, const struct sq_vec *, e->nargs + 1);
    if (!consts)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < e->nargs; i++) {
        struct node *arg = &p->nodes[n->args[i]];
        if (arg->kind == SQ_X_CONST) {
            struct sq_vec *v = SQ_NEW(&p->arena, struct sq_vec);   /* nodes move when the list grows */
            if (!v)
                return SQ_NOMEM;
            *v = arg->val;
            consts[i] = v;
        }
    }
    sq_rc rc = e->fn->prepare(&n->call, &p->arena, consts, e->nargs, &n->call.state);
    if (rc != SQ_OK)
        release_state(n);
    if (rc != SQ_OK && p->ctx->err.span.len == 0)
        p->ctx->err.span = e->span;
    return rc;
}

/* A lazy function that came as a call: which kind of its own it is. */
static enum sq_expr_kind lazy_kind(const struct sq_expr *e)
{
    static const struct { const char *name; enum sq_expr_kind kind; } names[] = {
        {"AND", SQ_X_AND}, {"OR", SQ_X_OR}, {"CASE", SQ_X_CASE}, {"IF", SQ_X_CASE}, {"COALESCE", SQ_X_COALESCE}, {"IFNULL", SQ_X_COALESCE},
        {"CURRENT_WATERMARK", SQ_X_WATERMARK},
    };

    if (e->kind == SQ_X_CALL && !e->fn->kernel)
        for (size_t i = 0; i < SQ_LEN(names); i++)
            if (strcmp(e->fn->name, names[i].name) == 0)
                return names[i].kind;
    return e->kind;
}

/* ---- IN ---- */

static int cmp_int(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int cmp_str(const void *a, const void *b)
{
    return sq_str_cmp(*(const struct sq_str *)a, *(const struct sq_str *)b);
}

static bool all_const(const struct sq_expr *e, uint32_t from)
{
    for (uint32_t i = from; i < e->nargs; i++)
        if (e->args[i]->kind != SQ_X_CONST)
            return false;
    return true;
}

static int64_t const_int(const struct sq_vec *v)
{
    switch (sq_type_phys(v->type)) {
    case SQ_P_BOOL: return *(const uint8_t *)v->data;
    case SQ_P_I8: return *(const int8_t *)v->data;
    case SQ_P_I16: return *(const int16_t *)v->data;
    case SQ_P_I32: return *(const int32_t *)v->data;
    default: return *(const int64_t *)v->data;
    }
}

/* Sorts the constants where the type has a cheap order. */
static sq_rc prepare_in(struct sq_program *p, const struct sq_expr *e, struct inlist *in)
{
    enum sq_phys phys = sq_type_phys(e->args[0]->type);
    bool ints = phys >= SQ_P_BOOL && phys <= SQ_P_I64;

    for (uint32_t i = 1; i < e->nargs; i++) {
        bool null = sq_vec_null(e->args[i]->value, 0);
        in->has_null |= null;
        if (!null && sq_type_phys(e->args[i]->type) != phys)
            return SQ_OK;
    }
    if (!ints && phys != SQ_P_VIEW)
        return SQ_OK;
    if (ints)
        in->ints = SQ_NEW_ARRAY(&p->arena, int64_t, e->nargs);
    else
        in->strs = SQ_NEW_ARRAY(&p->arena, struct sq_str, e->nargs);
    if (!in->ints && !in->strs)
        return SQ_NOMEM;
    for (uint32_t i = 1; i < e->nargs; i++) {
        const struct sq_vec *v = e->args[i]->value;
        if (sq_vec_null(v, 0))
            continue;
        if (ints)
            in->ints[in->n++] = const_int(v);
        else
            in->strs[in->n++] = sq_view_str(v->data);
    }
    if (ints)
        qsort(in->ints, in->n, sizeof *in->ints, cmp_int);
    else
        qsort(in->strs, in->n, sizeof *in->strs, cmp_str);
    in->prepared = true;
    return SQ_OK;
}

static sq_rc compile_in(struct sq_program *p, const struct sq_expr *e, struct node *n, uint32_t *nargs)
{
    n->in = SQ_NEW(&p->arena, struct inlist);
    if (!n->in)
        return SQ_NOMEM;
    if (all_const(e, 1))
        SQ_TRY(prepare_in(p, e, n->in));
    if (n->in->prepared)
        *nargs = 1;
    return SQ_OK;
}

/* ---- all of it ---- */

static sq_rc compile_args(struct sq_program *p, const struct sq_expr *e, uint32_t nargs, struct node *n)
{
    n->nargs = nargs;
    n->args = SQ_NEW_ARRAY(&p->arena, uint32_t, nargs + 1);
    n->argv = SQ_NEW_ARRAY(&p->arena, struct sq_vec, nargs + 1);
    if (!n->args || !n->argv)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < nargs; i++) {
        SQ_TRY(compile(p, e->args[i], &n->args[i]));
        n->pure &= p->nodes[n->args[i]].pure;
    }
    return SQ_OK;
}

static sq_rc compile(struct sq_program *p, const struct sq_expr *e, uint32_t *out)
{
    struct node n = {.kind = lazy_kind(e), .type = e->type, .span = e->span, .pure = true};
    uint32_t nargs = e->nargs;
    sq_rc rc;

    if (e->kind == SQ_X_CAST && sq_type_equal(e->type, e->args[0]->type, false))    /* what was a time attribute */
        return compile(p, e->args[0], out);
    if (n.kind == SQ_X_COL || n.kind == SQ_X_FIELD)
        n.col = e->col;
    if (n.kind == SQ_X_CAST)
        n.attempt = e->attempt;
    if (n.kind == SQ_X_CALL)
        n.fn = e->fn;
    if (n.kind == SQ_X_CONST)
        n.val = *e->value;
    if (n.kind == SQ_X_COL || n.kind == SQ_X_CONST)
        nargs = 0;
    n.phys = sq_type_phys(n.type);
    n.width = sq_phys_size(n.phys);
    n.call = (struct sq_call){.ctx = p->ctx, .session = p->session, .ret = e->type, .heap = &p->heap, .overflows = p->overflows};
    if (n.kind == SQ_X_IN)
        SQ_TRY(compile_in(p, e, &n, &nargs));
    SQ_TRY(compile_args(p, e, nargs, &n));
    n.pure &= n.kind != SQ_X_WATERMARK;
    if (n.kind == SQ_X_CAST)
        SQ_TRY(compile_cast(p, e, &n));
    else if (n.kind == SQ_X_CALL)
        SQ_TRY(compile_call(p, e, &n));
    rc = add(p, &n, out);
    if (rc != SQ_OK || p->nodes[*out].call.state != n.call.state)                   /* its equal is there already */
        release_state(&n);
    return rc;
}

sq_rc sq_program_new(struct sq_ctx *ctx, const struct sq_session *session, struct sq_expr *const *exprs, uint32_t n, uint64_t *overflows,
                     struct sq_program **out)
{
    struct sq_program *p = sq_calloc(ctx, sizeof *p);
    sq_rc rc = SQ_OK;

    *out = NULL;
    if (!p)
        return SQ_NOMEM;
    p->ctx = ctx;
    p->session = session;
    p->overflows = overflows;
    p->event_time = INT64_MIN;
    sq_arena_init(&p->arena, ctx);
    sq_arena_init(&p->heap, ctx);
    p->nouts = n;
    p->outs = SQ_NEW_ARRAY(&p->arena, uint32_t, n + 1);
    if (!p->outs)
        rc = SQ_NOMEM;
    for (uint32_t i = 0; i < n && rc == SQ_OK; i++)
        rc = compile(p, exprs[i], &p->outs[i]);
    if (rc != SQ_OK) {
        sq_program_free(p);
        return rc;
    }
    *out = p;
    return SQ_OK;
}

void sq_program_at(struct sq_program *p, int64_t event_time) { p->event_time = event_time; }

void sq_program_free(struct sq_program *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->nnodes; i++) {
        struct node *n = &p->nodes[i];
        release_state(n);
        sq_free(p->ctx, n->reg);
        sq_free(p->ctx, n->valid);
        sq_free(p->ctx, n->index);
        if (n->builder)
            sq_col_free(n->builder);
        if (n->flat_builder)
            sq_col_free(n->flat_builder);
        sq_free(p->ctx, n->builder);
        sq_free(p->ctx, n->flat_builder);
    }
    for (size_t i = 0; i < SQ_LEN(p->sels); i++)
        sq_free(p->ctx, p->sels[i]);
    sq_free(p->ctx, p->nodes);
    sq_arena_free(&p->arena);
    sq_arena_free(&p->heap);
    sq_free(p->ctx, p);
}

sq_rc sq_expr_fold(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_session *session, const struct sq_expr *e, const struct sq_vec **out)
{
    struct sq_batch one = {.rows = 1, .nsel = 1};
    struct sq_program *p;
    struct sq_vec v;
    sq_rc rc;

    SQ_TRY(sq_program_new(ctx, session, (struct sq_expr *const[]){(struct sq_expr *)(uintptr_t)e}, 1, NULL, &p));
    rc = sq_program_run(p, &one, &v);
    if (rc == SQ_OK) {
        *out = sq_vec_null(&v, 0) ? sq_vec_const_null(arena, e->type) : sq_vec_const(arena, &v, 0);
        rc = *out ? SQ_OK : SQ_NOMEM;
    }
    sq_program_free(p);
    return rc;
}
