/* SPDX-License-Identifier: Apache-2.0
 *
 * bind_expr.c: expressions as written to typed expressions. Operators and functions are resolved by the registry, which names the types
 * that the arguments are cast to; what is lazy (AND, OR, CASE, COALESCE, IN) has a kind of its own. BETWEEN, NULLIF, IF, IFNULL and simple CASE
 * are written out in simpler terms here, so nothing behind the binder knows them.
 */
#include "executor/expr.h"
#include "planner/subquery.h"

#include <stdio.h>

#define NAME(lit) SQ_STR(lit)

/* ---- helpers ---- */

/* Gives the error that was just set a place, where it has none. */
static sq_rc placed(struct sq_binder *b, sq_rc rc, struct sq_span span)
{
    if (rc != SQ_OK && !b->ctx->err.span.len)
        b->ctx->err.span = sq_bind_span(b, span);
    return rc;
}

static bool strings(const struct sq_type *a, const struct sq_type *b)
{
    return (sq_tid_is_string(a->id) && sq_tid_is_string(b->id)) || (sq_tid_is_binary(a->id) && sq_tid_is_binary(b->id));
}

static sq_rc type_text(struct sq_binder *b, const struct sq_type *t, const char **text)
{
    struct sq_buf buf;
    sq_buf_init(&buf, b->ctx);
    sq_type_print(&buf, t);
    struct sq_str s = buf.rc == SQ_OK ? sq_str_dup(b->arena, sq_buf_view(&buf)) : (struct sq_str){NULL, 0};
    sq_buf_free(&buf);
    *text = s.p;
    return s.p ? SQ_OK : SQ_NOMEM;
}

static sq_rc make_cast(struct sq_binder *b, struct sq_expr *e, const struct sq_type *to, bool attempt, struct sq_span span, struct sq_expr **out)
{
    if (e->type->id == SQ_T_NULL) {
        const struct sq_type *t = sq_type_nullable(b->arena, to, true);
        *out = t ? sq_expr_const(b->arena, sq_vec_const_null(b->arena, t), e->span) : NULL;
        return *out ? SQ_OK : SQ_NOMEM;
    }
    if (!sq_cast_kernel(e->type, to)) {
        const char *from_text, *to_text;
        SQ_TRY(type_text(b, e->type, &from_text));
        SQ_TRY(type_text(b, to, &to_text));
        return sq_fail_at(b->ctx, SQ_SEMANTIC, span, "cannot cast %s to %s", from_text, to_text);
    }
    *out = sq_expr_new(b->arena, SQ_X_CAST, sq_type_nullable(b->arena, to, attempt || e->type->nullable || sq_cast_gives_null(e->type, to)), span, 1);
    if (!*out)
        return SQ_NOMEM;
    (*out)->args[0] = e;
    (*out)->attempt = attempt;
    return SQ_OK;
}

sq_rc sq_bind_cast(struct sq_binder *b, struct sq_expr *e, const struct sq_type *to, struct sq_expr **out)
{
    *out = e;
    if (sq_type_equal(e->type, to, false))
        return SQ_OK;
    if (e->kind == SQ_X_CONST && strings(e->type, to) && to->p >= e->type->p) {   /* a literal that fits is of that type already */
        struct sq_vec *v = SQ_NEW(b->arena, struct sq_vec);
        if (!v)
            return SQ_NOMEM;
        *v = *e->value;
        if (!(v->type = sq_type_nullable(b->arena, to, e->type->nullable)))
            return SQ_NOMEM;
        *out = sq_expr_const(b->arena, v, e->span);
        return *out ? SQ_OK : SQ_NOMEM;
    }
    SQ_TRY(make_cast(b, e, to, false, e->span, out));
    return e->kind == SQ_X_CONST ? sq_rewrite_expr(b->env, *out, out) : SQ_OK;
}

sq_rc sq_bind_common(struct sq_binder *b, struct sq_expr *const *e, uint32_t n, const char *what, struct sq_span span, const struct sq_type **type)
{
    const struct sq_type *t = e[0]->type;
    for (uint32_t i = 1; i < n; i++) {
        b->ctx->err.rc = SQ_OK;
        const struct sq_type *both = sq_type_common(b->arena, t, e[i]->type);
        if (!both) {
            if (b->ctx->err.rc != SQ_OK)
                return b->ctx->err.rc;
            const char *one, *two;
            SQ_TRY(type_text(b, t, &one));
            SQ_TRY(type_text(b, e[i]->type, &two));
            sq_fail_at(b->ctx, SQ_SEMANTIC, e[i]->span.len ? e[i]->span : sq_bind_span(b, span), "%s have no common type: %s and %s", what, one, two);
            return sq_hint(b->ctx, "write a CAST");
        }
        t = both;
    }
    *type = t;
    return SQ_OK;
}

/* The value of a literal, or of a literal with a sign; NULL: not known yet. */
static sq_rc constant(struct sq_binder *b, const struct sq_expr *e, const struct sq_vec **value)
{
    bool sign = e->kind == SQ_X_CALL && e->nargs == 1 && e->args[0]->kind == SQ_X_CONST && strcmp(e->fn->name, "NEG") == 0;
    *value = e->kind == SQ_X_CONST ? e->value : NULL;
    return sign ? sq_expr_fold(b->ctx, b->arena, &b->env->session, e, value) : SQ_OK;
}

/* Some constants have a say in the result's type: the 2 of ROUND(d, 2). */
static sq_rc refine(struct sq_binder *b, const struct sq_resolved *r, struct sq_expr *e, struct sq_span span)
{
    const struct sq_vec **consts = SQ_NEW_ARRAY(b->arena, const struct sq_vec *, e->nargs + 1);
    if (!consts)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < e->nargs; i++)
        SQ_TRY(constant(b, e->args[i], &consts[i]));
    return placed(b, sq_function_refine(b->ctx, b->arena, r, consts, e->nargs, &e->type), span);
}

sq_rc sq_bind_call(struct sq_binder *b, struct sq_str name, struct sq_expr **args, uint32_t n, struct sq_span span, struct sq_expr **out)
{
    const struct sq_type **types = SQ_NEW_ARRAY(b->arena, const struct sq_type *, n ? n : 1);
    struct sq_resolved r;
    if (!types)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        types[i] = args[i]->type;
    b->ctx->err.span = (struct sq_span){0, 0};
    SQ_TRY(placed(b, sq_function_resolve(b->ctx, b->arena, name, types, n, &r), span));
    struct sq_expr *e = sq_expr_new(b->arena, SQ_X_CALL, r.ret, sq_bind_span(b, span), n);
    if (!e)
        return SQ_NOMEM;
    e->fn = r.fn;
    for (uint32_t i = 0; i < n; i++) {
        const struct sq_type *p = r.param[i];
        if (strings(types[i], p) && p->p >= types[i]->p && types[i]->id != SQ_T_NULL)
            e->args[i] = args[i];                                /* kernels of texts take every length */
        else
            SQ_TRY(sq_bind_cast(b, args[i], p, &e->args[i]));
    }
    *out = e;
    return refine(b, &r, e, span);
}

static sq_rc call1(struct sq_bind_x *x, struct sq_str name, struct sq_expr *a, struct sq_span span, struct sq_expr **out)
{
    return sq_bind_call(x->b, name, &a, 1, span, out);
}

static sq_rc call2(struct sq_bind_x *x, struct sq_str name, struct sq_expr *a, struct sq_expr *c, struct sq_span span, struct sq_expr **out)
{
    struct sq_expr *args[2] = {a, c};
    return sq_bind_call(x->b, name, args, 2, span, out);
}

static sq_rc as_boolean(struct sq_binder *b, struct sq_expr *e, struct sq_span span, const char *what, struct sq_expr **out)
{
    if (e->type->id == SQ_T_BOOLEAN) {
        *out = e;
        return SQ_OK;
    }
    if (e->type->id == SQ_T_NULL)
        return sq_bind_cast(b, e, &sq_type_boolean, out);
    const char *text;
    SQ_TRY(type_text(b, e->type, &text));
    return SQ_WRONG(b, span, "%s must be BOOLEAN, but this is %s", what, text);
}

sq_rc sq_bind_predicate(struct sq_bind_x *x, const struct sq_ast_expr *ast, struct sq_expr **out)
{
    struct sq_expr *e;
    char what[64];
    SQ_TRY(sq_bind_expr(x, ast, &e));
    snprintf(what, sizeof(what), "the condition of %s", x->clause);
    return as_boolean(x->b, e, ast->span, what, out);
}

static sq_rc lazy_and_or(struct sq_binder *b, enum sq_expr_kind kind, struct sq_expr **args, uint32_t n, struct sq_span span, struct sq_expr **out)
{
    bool nullable = false;
    for (uint32_t i = 0; i < n; i++)
        nullable |= args[i]->type->nullable;
    struct sq_expr *e = sq_expr_new(b->arena, kind, sq_type_nullable(b->arena, &sq_type_boolean, nullable), span, n);
    if (!e)
        return SQ_NOMEM;
    memcpy(e->args, args, sizeof(*args) * n);
    *out = e;                                                    /* which may be one of args */
    return SQ_OK;
}

static sq_rc negate(struct sq_bind_x *x, bool yes, struct sq_expr *e, struct sq_span span, struct sq_expr **out)
{
    *out = e;
    return yes ? call1(x, NAME("NOT"), e, span, out) : SQ_OK;
}

/* ---- operators ---- */

/* a AND b AND c …: the parser's chain leans to the left and may be long, so it is walked without recursion. */
static sq_rc bind_and_or(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_exprs l = {0};
    uint32_t n = 1;
    const struct sq_ast_expr *p = a;
    while (p->kind == SQ_A_BINARY_OP && p->ival == a->ival) {
        p = p->args[0];
        n++;
    }
    const struct sq_ast_expr **parts = SQ_NEW_ARRAY(x->b->arena, const struct sq_ast_expr *, n);
    if (!parts)
        return SQ_NOMEM;
    p = a;
    for (uint32_t i = n - 1; i > 0; i--, p = p->args[0])
        parts[i] = p->args[1];
    parts[0] = p;
    for (uint32_t i = 0; i < n; i++) {
        struct sq_expr *e;
        SQ_TRY(sq_bind_expr(x, parts[i], &e));
        SQ_TRY(as_boolean(x->b, e, parts[i]->span, a->ival == SQ_OP_AND ? "an operand of AND" : "an operand of OR", &e));
        SQ_TRY(sq_exprs_add(x->b->arena, &l, e));
    }
    return lazy_and_or(x->b, a->ival == SQ_OP_AND ? SQ_X_AND : SQ_X_OR, l.p, l.n, sq_bind_span(x->b, a->span), out);
}

static sq_rc bind_binary(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    static const char *const names[] = {[SQ_OP_EQ] = "=", [SQ_OP_NE] = "<>", [SQ_OP_LT] = "<", [SQ_OP_LE] = "<=", [SQ_OP_GT] = ">", [SQ_OP_GE] = ">=",
        [SQ_OP_ADD] = "+", [SQ_OP_SUB] = "-", [SQ_OP_MUL] = "*", [SQ_OP_DIV] = "/", [SQ_OP_MOD] = "%", [SQ_OP_CONCAT] = "||"};
    if (a->ival == SQ_OP_AND || a->ival == SQ_OP_OR)
        return bind_and_or(x, a, out);
    struct sq_expr *l, *r;
    SQ_TRY(sq_bind_expr(x, a->args[0], &l));
    SQ_TRY(sq_bind_expr(x, a->args[1], &r));
    SQ_TRY(call2(x, sq_str_of(names[a->ival]), l, r, a->at.len ? a->at : a->span, out));
    (*out)->span = sq_bind_span(x->b, a->span);
    return SQ_OK;
}

static sq_rc bind_unary(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_expr *e;
    SQ_TRY(sq_bind_expr(x, a->args[0], &e));
    if (a->ival == SQ_OP_NOT) {
        SQ_TRY(as_boolean(x->b, e, a->args[0]->span, "the operand of NOT", &e));
        return call1(x, NAME("NOT"), e, a->span, out);
    }
    if (a->ival == SQ_OP_NEG)
        return call1(x, NAME("NEG"), e, a->span, out);
    *out = e;
    if (!sq_tid_is_numeric(e->type->id) && !sq_tid_is_interval(e->type->id) && e->type->id != SQ_T_NULL)
        return SQ_WRONG(x->b, a->span, "the operand of + must be a number");
    return SQ_OK;
}

static sq_rc bind_is(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    static const char *const names[][2] = {{"IS NULL", "IS NOT NULL"}, {"IS TRUE", "IS NOT TRUE"}, {"IS FALSE", "IS NOT FALSE"}, {"IS UNKNOWN", "IS NOT UNKNOWN"}};
    if (a->ival == SQ_IS_JSON)
        return SQ_REFUSE(x->b, a->span, "IS JSON is not supported yet");
    struct sq_expr *e;
    SQ_TRY(sq_bind_expr(x, a->args[0], &e));
    if (a->ival != SQ_IS_NULL)
        SQ_TRY(as_boolean(x->b, e, a->args[0]->span, "the operand of IS TRUE, FALSE or UNKNOWN", &e));
    return call1(x, sq_str_of(names[a->ival][a->negated]), e, a->span, out);
}

static sq_rc bind_between(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_expr *v, *lo, *hi, *both[2], *sides[2], *result;
    struct sq_span span = sq_bind_span(x->b, a->span);
    SQ_TRY(sq_bind_expr(x, a->args[0], &v));
    SQ_TRY(sq_bind_expr(x, a->args[1], &lo));
    SQ_TRY(sq_bind_expr(x, a->args[2], &hi));
    SQ_TRY(call2(x, NAME(">="), v, lo, a->span, &both[0]));
    SQ_TRY(call2(x, NAME("<="), v, hi, a->span, &both[1]));
    SQ_TRY(lazy_and_or(x->b, SQ_X_AND, both, 2, span, &sides[0]));
    result = sides[0];
    if (a->ival == 1) {
        SQ_TRY(call2(x, NAME(">="), v, hi, a->span, &both[0]));
        SQ_TRY(call2(x, NAME("<="), v, lo, a->span, &both[1]));
        SQ_TRY(lazy_and_or(x->b, SQ_X_AND, both, 2, span, &sides[1]));
        SQ_TRY(lazy_and_or(x->b, SQ_X_OR, sides, 2, span, &result));
    }
    return negate(x, a->negated, result, a->span, out);
}

static sq_rc bind_like(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_expr *args[3];
    struct sq_str name = a->ival == 1 ? a->negated ? NAME("NOT SIMILAR TO") : NAME("SIMILAR TO") : a->negated ? NAME("NOT LIKE") : NAME("LIKE");
    if (!sq_function_exists(name))
        return SQ_REFUSE(x->b, a->at.len ? a->at : a->span, "%.*s is not supported yet", SQ_FMT(name));
    for (uint32_t i = 0; i < a->nargs && i < 3; i++)
        SQ_TRY(sq_bind_expr(x, a->args[i], &args[i]));
    return sq_bind_call(x->b, name, args, a->nargs, a->span, out);
}

static sq_rc or_of_equals(struct sq_bind_x *x, struct sq_expr *v, struct sq_expr **list, uint32_t n, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_exprs l = {0};
    for (uint32_t i = 0; i < n; i++) {
        struct sq_expr *eq;
        SQ_TRY(call2(x, NAME("="), v, list[i], a->span, &eq));
        SQ_TRY(sq_exprs_add(x->b->arena, &l, eq));
    }
    *out = l.p[0];
    return n == 1 ? SQ_OK : lazy_and_or(x->b, SQ_X_OR, l.p, n, sq_bind_span(x->b, a->span), out);
}

/* (a, b) IN ((1, 2), (3, 4)): a = 1 AND b = 2 OR … */
static sq_rc bind_in_rows(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    const struct sq_ast_expr *left = a->args[0];
    struct sq_expr **cells = SQ_NEW_ARRAY(b->arena, struct sq_expr *, left->nargs + 1), *e;
    struct sq_exprs any = {0};
    if (!cells)
        return SQ_NOMEM;
    for (uint32_t k = 0; k < left->nargs; k++)
        SQ_TRY(sq_bind_expr(x, left->args[k], &cells[k]));
    for (uint32_t i = 1; i < a->nargs; i++) {
        const struct sq_ast_expr *row = a->args[i];
        struct sq_exprs all = {0};
        if (row->kind != SQ_A_ROW || row->nargs != left->nargs)
            return SQ_WRONG(b, row->span, "every entry of this IN must be a row of %u values", left->nargs);
        for (uint32_t k = 0; k < left->nargs; k++) {
            SQ_TRY(sq_bind_expr(x, row->args[k], &e));
            SQ_TRY(call2(x, NAME("="), cells[k], e, row->args[k]->span, &e));
            SQ_TRY(sq_exprs_add(b->arena, &all, e));
        }
        e = all.p[0];
        if (all.n > 1)
            SQ_TRY(lazy_and_or(b, SQ_X_AND, all.p, all.n, sq_bind_span(b, row->span), &e));
        SQ_TRY(sq_exprs_add(b->arena, &any, e));
    }
    e = any.p[0];
    if (any.n > 1)
        SQ_TRY(lazy_and_or(b, SQ_X_OR, any.p, any.n, sq_bind_span(b, a->span), &e));
    return negate(x, a->negated, e, a->span, out);
}

static sq_rc bind_in(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    if (a->query)
        return sq_mark_in(x, a, out);
    if (a->args[0]->kind == SQ_A_ROW)
        return bind_in_rows(x, a, out);
    struct sq_expr **args = SQ_NEW_ARRAY(b->arena, struct sq_expr *, a->nargs);
    if (!args)
        return SQ_NOMEM;
    bool constants = true, nullable = false;
    for (uint32_t i = 0; i < a->nargs; i++) {
        SQ_TRY(sq_bind_expr(x, a->args[i], &args[i]));
        if (i && (sq_expr_has_col(args[i]) || !sq_expr_pure(args[i])))
            constants = false;
    }
    struct sq_expr *e;
    if (args[0]->type->id == SQ_T_MAP || args[0]->type->id == SQ_T_MULTISET)     /* their order means nothing: "=" knows */
        constants = false;
    if (!constants || a->nargs == 2) {
        SQ_TRY(or_of_equals(x, args[0], args + 1, a->nargs - 1, a, &e));
        return negate(x, a->negated, e, a->span, out);
    }
    const struct sq_type *t;
    SQ_TRY(sq_bind_common(b, args, a->nargs, "the value and the list of IN", a->span, &t));
    for (uint32_t i = 0; i < a->nargs; i++) {
        SQ_TRY(sq_bind_cast(b, args[i], t, &args[i]));
        nullable |= args[i]->type->nullable;
    }
    e = sq_expr_new(b->arena, SQ_X_IN, sq_type_nullable(b->arena, &sq_type_boolean, nullable), sq_bind_span(b, a->span), a->nargs);
    if (!e)
        return SQ_NOMEM;
    memcpy(e->args, args, sizeof(*args) * a->nargs);
    return negate(x, a->negated, e, a->span, out);
}

/* ---- conditionals ---- */

/* args: when, then, …, else. Casts the results to their common type. */
static sq_rc make_case(struct sq_bind_x *x, struct sq_expr **args, uint32_t n, const char *what, struct sq_span span, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    struct sq_expr **results = SQ_NEW_ARRAY(b->arena, struct sq_expr *, n / 2 + 1);
    const struct sq_type *t;
    bool nullable = false;
    if (!results)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n / 2; i++)
        results[i] = args[2 * i + 1];
    results[n / 2] = args[n - 1];
    SQ_TRY(sq_bind_common(b, results, n / 2 + 1, what, span, &t));
    for (uint32_t k = 0; k <= n / 2; k++) {
        uint32_t i = k < n / 2 ? 2 * k + 1 : n - 1;
        SQ_TRY(sq_bind_cast(b, args[i], t, &args[i]));
        nullable |= args[i]->type->nullable;
    }
    struct sq_expr *e = sq_expr_new(b->arena, SQ_X_CASE, sq_type_nullable(b->arena, t, nullable), sq_bind_span(b, span), n);
    if (!e)
        return SQ_NOMEM;
    memcpy(e->args, args, sizeof(*args) * n);
    *out = e;
    return SQ_OK;
}

static sq_rc null_of(struct sq_binder *b, struct sq_span span, struct sq_expr **out)
{
    *out = sq_expr_const(b->arena, sq_vec_const_null(b->arena, &sq_type_null), sq_bind_span(b, span));
    return *out ? SQ_OK : SQ_NOMEM;
}

static sq_rc bind_case(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    uint32_t first = a->ival == 1, has_else = a->ival2 == 1, pairs = (a->nargs - first - has_else) / 2, n = 2 * pairs + 1;
    struct sq_expr **args = SQ_NEW_ARRAY(x->b->arena, struct sq_expr *, n), *operand = NULL;
    if (!args)
        return SQ_NOMEM;
    if (first)
        SQ_TRY(sq_bind_expr(x, a->args[0], &operand));
    for (uint32_t i = 0; i < pairs; i++) {
        const struct sq_ast_expr *when = a->args[first + 2 * i];
        SQ_TRY(sq_bind_expr(x, when, &args[2 * i]));
        if (operand)
            SQ_TRY(call2(x, NAME("="), operand, args[2 * i], when->span, &args[2 * i]));
        else
            SQ_TRY(as_boolean(x->b, args[2 * i], when->span, "the condition of WHEN", &args[2 * i]));
        SQ_TRY(sq_bind_expr(x, a->args[first + 2 * i + 1], &args[2 * i + 1]));
    }
    if (has_else)
        SQ_TRY(sq_bind_expr(x, a->args[a->nargs - 1], &args[n - 1]));
    else
        SQ_TRY(null_of(x->b, a->span, &args[n - 1]));
    return make_case(x, args, n, "the branches of CASE", a->span, out);
}

static sq_rc bind_coalesce(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **args, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    const struct sq_type *t;
    bool nullable = true;
    SQ_TRY(sq_bind_common(b, args, a->nargs, "the arguments of COALESCE", a->span, &t));
    for (uint32_t i = 0; i < a->nargs; i++) {
        SQ_TRY(sq_bind_cast(b, args[i], t, &args[i]));
        nullable &= args[i]->type->nullable;
    }
    struct sq_expr *e = sq_expr_new(b->arena, SQ_X_COALESCE, sq_type_nullable(b->arena, t, nullable), sq_bind_span(b, a->span), a->nargs);
    if (!e)
        return SQ_NOMEM;
    memcpy(e->args, args, sizeof(*args) * a->nargs);
    *out = e;
    return SQ_OK;
}

static sq_rc wants(struct sq_bind_x *x, const struct sq_ast_expr *a, uint32_t least, uint32_t most)
{
    if (a->nargs >= least && a->nargs <= most)
        return SQ_OK;
    if (least == most)
        return SQ_WRONG(x->b, a->span, "%.*s takes %u arguments, not %u", SQ_FMT(a->text), least, a->nargs);
    return SQ_WRONG(x->b, a->span, "%.*s takes at least %u argument%s", SQ_FMT(a->text), least, least == 1 ? "" : "s");
}

/* COALESCE, IFNULL, NULLIF, IF. *done is false for any other name. */
static sq_rc bind_conditional(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **args, bool *done, struct sq_expr **out)
{
    *done = true;
    if (sq_str_iis(a->text, "COALESCE")) {
        SQ_TRY(wants(x, a, 1, UINT32_MAX));
        return bind_coalesce(x, a, args, out);
    }
    if (sq_str_iis(a->text, "IFNULL")) {
        SQ_TRY(wants(x, a, 2, 2));
        return bind_coalesce(x, a, args, out);
    }
    struct sq_expr *c[3];
    if (sq_str_iis(a->text, "NULLIF")) {
        SQ_TRY(wants(x, a, 2, 2));
        SQ_TRY(call2(x, NAME("="), args[0], args[1], a->span, &c[0]));
        SQ_TRY(null_of(x->b, a->span, &c[1]));
        c[2] = args[0];
        return make_case(x, c, 3, "the arguments of NULLIF", a->span, out);
    }
    if (sq_str_iis(a->text, "IF")) {
        SQ_TRY(wants(x, a, 3, 3));
        SQ_TRY(as_boolean(x->b, args[0], a->args[0]->span, "the condition of IF", &c[0]));
        c[1] = args[1];
        c[2] = args[2];
        return make_case(x, c, 3, "the branches of IF", a->span, out);
    }
    *done = false;
    return SQ_OK;
}

/* ---- calls ---- */

static bool one_of(struct sq_str s, const char *const *words)
{
    for (; *words; words++)
        if (sq_str_iis(s, *words))
            return true;
    return false;
}

/* Names that mean something only in clauses that are not there yet. */
static sq_rc refuse_special(struct sq_bind_x *x, const struct sq_ast_expr *a)
{
    static const char *const over[] = {"ROW_NUMBER", "RANK", "DENSE_RANK", "NTILE", "LAG", "LEAD", "PERCENT_RANK", "CUME_DIST", NULL};
    static const char *const pattern[] = {"MATCH_ROWTIME", "MATCH_PROCTIME", NULL};
    if (sq_function_exists(a->text))
        return SQ_OK;
    if (one_of(a->text, over))
        return SQ_REFUSE(x->b, a->span, "%.*s needs OVER (…); ROW_NUMBER is supported there, and aggregates", SQ_FMT(a->text));
    if (one_of(a->text, pattern))
        return SQ_REFUSE(x->b, a->span, "MATCH_RECOGNIZE is not supported yet");
    return SQ_OK;
}

static sq_rc bind_call(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    if (a->over)
        return sq_bind_over(x, a, out);
    SQ_TRY(sq_bind_window_part(x, a, out));
    if (*out)
        return SQ_OK;
    SQ_TRY(refuse_special(x, a));
    SQ_TRY(sq_bind_grouping_call(x, a, out));
    if (!*out)
        SQ_TRY(sq_bind_current_watermark(x, a, out));
    if (*out)
        return SQ_OK;
    const struct sq_agg *agg = sq_agg_find(a->text);
    if (agg)
        return sq_bind_aggregate(x, a, agg, out);
    if (a->star || a->distinct || a->filter || a->norder) {
        if (!sq_function_exists(a->text))
            return sq_bind_call(b, a->text, NULL, 0, a->at.len ? a->at : a->span, out);      /* says that there is no such function */
        return SQ_WRONG(b, a->span, "%s is for aggregate functions; %.*s is not one", a->star ? "(*)" : a->distinct ? "DISTINCT" : a->filter ? "FILTER" : "WITHIN GROUP or ORDER BY", SQ_FMT(a->text));
    }
    struct sq_expr **args = SQ_NEW_ARRAY(b->arena, struct sq_expr *, a->nargs ? a->nargs : 1);
    if (!args)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < a->nargs; i++)
        SQ_TRY(sq_bind_expr(x, a->args[i], &args[i]));
    bool done;
    SQ_TRY(bind_conditional(x, a, args, &done, out));
    if (done)
        return SQ_OK;
    SQ_TRY(sq_bind_call(b, a->text, args, a->nargs, a->at.len ? a->at : a->span, out));
    (*out)->span = sq_bind_span(b, a->span);
    return SQ_OK;
}

static sq_rc bind_cast(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_expr *e;
    SQ_TRY(sq_bind_expr(x, a->args[0], &e));
    bool clock = e->kind == SQ_X_COL || sq_expr_is_fn(e, "PROCTIME");       /* it may be a time attribute: a cast makes a plain column of it */
    if (sq_type_equal(e->type, a->type, false) && !(clock && (e->type->id == SQ_T_TIMESTAMP || e->type->id == SQ_T_TIMESTAMP_LTZ))) {
        *out = e;
        return SQ_OK;
    }
    return make_cast(x->b, e, a->type, a->ival == 1, sq_bind_span(x->b, a->span), out);
}

static sq_rc bind_index(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    struct sq_expr *of, *at;
    SQ_TRY(sq_bind_expr(x, a->args[0], &of));
    SQ_TRY(sq_bind_expr(x, a->args[1], &at));
    const struct sq_type *element;
    if (of->type->id == SQ_T_ARRAY) {
        if (!sq_tid_is_int(at->type->id))
            return SQ_WRONG(b, a->args[1]->span, "the index of an ARRAY must be an integer");
        SQ_TRY(sq_bind_cast(b, at, &sq_type_int, &at));
        const struct sq_vec *v;
        SQ_TRY(constant(b, at, &v));
        if (v && !sq_vec_null(v, 0) && *(const int32_t *)v->data < 1)
            return SQ_WRONG(b, a->args[1]->span, "elements of an ARRAY are counted from 1: there is none at %d", *(const int32_t *)v->data);
        element = of->type->child[0].type;
    } else if (of->type->id == SQ_T_MAP) {
        if (!sq_type_equal(of->type->child[0].type, at->type, false) && !strings(of->type->child[0].type, at->type) && !sq_cast_implicit(at->type, of->type->child[0].type)) {
            const char *text;
            SQ_TRY(type_text(b, of->type->child[0].type, &text));
            return SQ_WRONG(b, a->args[1]->span, "the keys of this MAP are %s", text);
        }
        SQ_TRY(sq_bind_cast(b, at, of->type->child[0].type, &at));
        element = of->type->child[1].type;
    } else {
        return SQ_WRONG(b, a->span, "only an ARRAY or a MAP can be indexed by [ ]");
    }
    struct sq_expr *e = sq_expr_new(b->arena, SQ_X_ITEM, sq_type_nullable(b->arena, element, true), sq_bind_span(b, a->span), 2);
    if (!e)
        return SQ_NOMEM;
    e->args[0] = of;
    e->args[1] = at;
    *out = e;
    return SQ_OK;
}

static sq_rc bind_field(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    struct sq_expr *of;
    SQ_TRY(sq_bind_expr(x, a->args[0], &of));
    if (of->type->id != SQ_T_ROW)
        return SQ_WRONG(b, a->span, "this is not a ROW, it has no field '%.*s'", SQ_FMT(a->text));
    uint32_t f = 0;
    while (f < of->type->nchild && !sq_str_eq(of->type->child[f].name, a->text))
        f++;
    if (f == of->type->nchild)
        return SQ_WRONG(b, a->span, "no field '%.*s' in this ROW", SQ_FMT(a->text));
    const struct sq_type *t = of->type->child[f].type;
    struct sq_expr *e = sq_expr_new(b->arena, SQ_X_FIELD, sq_type_nullable(b->arena, t, t->nullable || of->type->nullable), sq_bind_span(b, a->span), 1);
    if (!e)
        return SQ_NOMEM;
    e->args[0] = of;
    e->col = f;
    *out = e;
    return SQ_OK;
}

/* What an ARRAY or MAP is made of has one type: says which part has not. */
static sq_rc check_parts(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr *const *args)
{
    struct sq_binder *b = x->b;
    const struct sq_type *t;
    uint32_t step = a->kind == SQ_A_MAP ? 2 : 1;
    struct sq_expr **parts = SQ_NEW_ARRAY(b->arena, struct sq_expr *, a->nargs + 1);
    if (!parts)
        return SQ_NOMEM;
    if (a->kind != SQ_A_ARRAY && a->kind != SQ_A_MAP)
        return SQ_OK;
    if (!a->nargs)
        return SQ_WRONG(b, a->span, "%s needs an element: without one its type is not known", a->kind == SQ_A_MAP ? "MAP[]" : "ARRAY[]");
    for (uint32_t from = 0; from < step; from++) {
        uint32_t n = 0;
        for (uint32_t i = from; i < a->nargs; i += step)
            parts[n++] = args[i];
        SQ_TRY(sq_bind_common(b, parts, n, step == 1 ? "the elements of ARRAY[…]" : from ? "the values of MAP[…]" : "the keys of MAP[…]", a->span, &t));
    }
    return SQ_OK;
}

/* ROW(…), ARRAY[…], MAP[…], AT TIME ZONE: functions where the registry has them. */
static sq_rc bind_named(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_str name, const char *what, struct sq_expr **out)
{
    if (!sq_function_exists(name))
        return SQ_REFUSE(x->b, a->at.len ? a->at : a->span, "%s is not supported yet", what);
    struct sq_expr **args = SQ_NEW_ARRAY(x->b->arena, struct sq_expr *, a->nargs ? a->nargs : 1);
    if (!args)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < a->nargs; i++)
        SQ_TRY(sq_bind_expr(x, a->args[i], &args[i]));
    SQ_TRY(check_parts(x, a, args));
    return sq_bind_call(x->b, name, args, a->nargs, a->span, out);
}

static sq_rc bind_param(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_bind_env *env = x->b->env;
    if (!env->params || (uint64_t)a->ival >= env->nparams || !env->params[a->ival])
        return SQ_WRONG(x->b, a->span, "parameter %d has no value: bind one first", (int)a->ival + 1);
    *out = sq_expr_const(x->b->arena, env->params[a->ival], sq_bind_span(x->b, a->span));
    return *out ? SQ_OK : SQ_NOMEM;
}

static sq_rc bind_distinct_from(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_expr *l, *r;
    SQ_TRY(sq_bind_expr(x, a->args[0], &l));
    SQ_TRY(sq_bind_expr(x, a->args[1], &r));
    return call2(x, a->negated ? NAME("IS NOT DISTINCT FROM") : NAME("IS DISTINCT FROM"), l, r, a->span, out);
}

static sq_rc bind_any(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    switch (a->kind) {
    case SQ_A_NULL:
    case SQ_A_BOOL:
    case SQ_A_NUMBER:
    case SQ_A_STRING:
    case SQ_A_BINARY:
    case SQ_A_TYPED:
    case SQ_A_INTERVAL:
    case SQ_A_SYMBOL:
        return sq_bind_literal(x->b, a, out);
    case SQ_A_NAME:
        return sq_bind_name(x, a, out);
    case SQ_A_PARAM:
        return bind_param(x, a, out);
    case SQ_A_CALL:
        return bind_call(x, a, out);
    case SQ_A_UNARY:
        return bind_unary(x, a, out);
    case SQ_A_BINARY_OP:
        return bind_binary(x, a, out);
    case SQ_A_IS:
        return bind_is(x, a, out);
    case SQ_A_DISTINCT_FROM:
        return bind_distinct_from(x, a, out);
    case SQ_A_BETWEEN:
        return bind_between(x, a, out);
    case SQ_A_LIKE:
        return bind_like(x, a, out);
    case SQ_A_IN:
        return bind_in(x, a, out);
    case SQ_A_CASE:
        return bind_case(x, a, out);
    case SQ_A_CAST:
        return bind_cast(x, a, out);
    case SQ_A_INDEX:
        return bind_index(x, a, out);
    case SQ_A_FIELD:
        return bind_field(x, a, out);
    case SQ_A_ROW:
        return bind_named(x, a, NAME("ROW"), "a row value", out);
    case SQ_A_ARRAY:
        return bind_named(x, a, NAME("ARRAY"), "ARRAY[…]", out);
    case SQ_A_MAP:
        return bind_named(x, a, NAME("MAP"), "MAP[…]", out);
    case SQ_A_AT_TIME_ZONE:
        return bind_named(x, a, NAME("AT TIME ZONE"), "AT TIME ZONE", out);
    case SQ_A_EXISTS:
        return sq_mark_exists(x, a, out);
    case SQ_A_SUBQUERY:
        return sq_bind_value_query(x, a, out);
    case SQ_A_QUANTIFIED:
        return sq_mark_quantified(x, a, out);
    case SQ_A_STAR:
        return SQ_WRONG(x->b, a->span, "* can stand only in SELECT and COUNT(*)");
    case SQ_A_DESCRIPTOR:
        return SQ_WRONG(x->b, a->span, "DESCRIPTOR can stand only in a table function");
    case SQ_A_TABLE_ARG:
        return SQ_WRONG(x->b, a->span, "TABLE can stand only in a table function");
    case SQ_A_NAMED_ARG:
        return SQ_REFUSE(x->b, a->span, "named arguments are not supported yet");
    }
    return sq_fail(x->b->ctx, SQ_INTERNAL, "an expression of unknown kind");
}

sq_rc sq_bind_expr(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    if (++x->b->depth > SQ_BIND_DEPTH)
        return sq_fail_at(x->b->ctx, SQ_LIMIT, sq_bind_span(x->b, a->span), "the expression is nested more than %d levels deep", SQ_BIND_DEPTH);
    sq_rc rc = bind_any(x, a, out);
    x->b->depth--;
    return rc == SQ_OK && x->aggs && x->aggs->sets && !x->inside_agg ? sq_bind_group_null(x, out) : rc;
}
