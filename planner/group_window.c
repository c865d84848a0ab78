/* SPDX-License-Identifier: Apache-2.0
 *
 * group_window.c: group windows of the old kind: GROUP BY TUMBLE(ts, size), HOP(ts, slide, size) and SESSION(ts, gap), with TUMBLE_START(…), _END, _ROWTIME and _PROCTIME of the same
 * arguments anywhere in the query.
 *
 * The call puts a WINDOW node over what FROM and WHERE gave. It stands for window_start in GROUP BY, where window_end and window_time are added; the functions stand for these
 * columns. So from there on it is an aggregate of windows like any other (window.c). Sessions are of the other group keys, which are not known here: the node says so.
 *
 * FLINK: the same rows; TUMBLE_ROWTIME is the end less a millisecond, and a time attribute.
 */
#include "planner/bind.h"

static bool is_call(const struct sq_ast_expr *a)
{
    int kind = a->kind == SQ_A_CALL ? sq_window_kind(a->text) : -1;
    return kind >= 0 && kind != SQ_WINDOW_CUMULATE;
}

static sq_rc find_call(struct sq_binder *b, const struct sq_ast_group *g, const struct sq_ast_expr **call)
{
    const struct sq_ast_expr *e = g->kind == SQ_G_EXPR ? g->expr : NULL;
    for (uint32_t i = 0; i < g->nsub; i++)
        SQ_TRY(find_call(b, g->sub[i], call));
    for (uint32_t i = 0; e && i < (e->kind == SQ_A_ROW ? e->nargs : 1); i++) {
        const struct sq_ast_expr *x = e->kind == SQ_A_ROW ? e->args[i] : e;
        if (!is_call(x))
            continue;
        if (*call)
            return SQ_WRONG(b, x->span, "GROUP BY has one window at most: there is %.*s already", SQ_FMT((*call)->text));
        *call = x;
    }
    return SQ_OK;
}

sq_rc sq_group_window_find(struct sq_bind_x *x, const struct sq_ast_query *q, struct sq_plan **plan, struct sq_group_window *w)
{
    const struct sq_ast_expr *call = NULL;
    for (uint32_t i = 0; i < q->ngroup; i++)
        SQ_TRY(find_call(x->b, q->group[i], &call));
    if (!call)
        return SQ_OK;
    w->at = (*plan)->ncols;
    SQ_TRY(sq_bind_group_window(x, call, *plan, plan));
    w->node = *plan;
    w->call = call;
    return SQ_OK;
}

/* The two last keys are in every grouping set. */
static sq_rc in_all_sets(struct sq_binder *b, struct sq_aggs *g)
{
    uint64_t *sets = SQ_NEW_ARRAY(b->arena, uint64_t, g->nsets), bits = UINT64_C(3) << (g->ngroup - 2);
    if (!sets)
        return SQ_NOMEM;
    if (g->ngroup > 64)
        return sq_fail_at(b->ctx, SQ_LIMIT, g->group[g->ngroup - 1]->span, "GROUPING SETS of more than 62 expressions and a window");
    for (uint32_t i = 0; i < g->nsets; i++)
        sets[i] = g->sets[i] | bits;
    g->sets = sets;
    return SQ_OK;
}

sq_rc sq_group_window_keys(struct sq_binder *b, const struct sq_group_window *w, struct sq_aggs *g)
{
    struct sq_expr **group = SQ_NEW_ARRAY(b->arena, struct sq_expr *, g->ngroup + 2);
    if (!group)
        return SQ_NOMEM;
    memcpy(group, g->group, g->ngroup * sizeof(*group));
    for (uint32_t i = 1; i < 3; i++)
        if (!(group[g->ngroup++] = sq_expr_col(b->arena, w->at + i, w->node->cols[w->at + i].type, (struct sq_span){0, 0})))
            return SQ_NOMEM;
    g->group = group;
    return g->sets ? in_all_sets(b, g) : SQ_OK;
}

/* ---- TUMBLE_START and so on ---- */

enum part { START, END, ROWTIME, PROCTIME };

static bool split_name(struct sq_str name, enum sq_window_kind *kind, enum part *part)
{
    static const char *const parts[] = {"_START", "_END", "_ROWTIME", "_PROCTIME"};
    for (int k = 0; k < 4; k++) {
        struct sq_str window = sq_str_of(sq_window_kind_name((enum sq_window_kind)k)), head = {name.p, window.n < name.n ? window.n : name.n};
        if (!sq_str_iis(head, window.p) || name.n == head.n)
            continue;
        for (size_t i = 0; i < SQ_LEN(parts); i++)
            if (sq_str_iis((struct sq_str){name.p + head.n, name.n - head.n}, parts[i])) {
                *kind = (enum sq_window_kind)k;
                *part = (enum part)i;
                return true;
            }
    }
    return false;
}

static sq_rc same_arguments(struct sq_bind_x *x, const struct sq_ast_expr *a, bool *same)
{
    const struct sq_ast_expr *call = x->window->call;
    *same = a->nargs == call->nargs;
    for (uint32_t i = 0; *same && i < a->nargs; i++) {
        struct sq_expr *l, *r;
        SQ_TRY(sq_bind_expr(x, a->args[i], &l));
        SQ_TRY(sq_bind_expr(x, call->args[i], &r));
        SQ_TRY(sq_rewrite_expr(x->b->env, l, &l));
        SQ_TRY(sq_rewrite_expr(x->b->env, r, &r));
        *same = sq_expr_equal(l, r);
    }
    return SQ_OK;
}

sq_rc sq_bind_window_part(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    const struct sq_group_window *w = x->window;
    struct sq_binder *b = x->b;
    enum sq_window_kind kind;
    enum part part = START;
    bool same;
    *out = NULL;
    if (w && w->call == a) {
        *out = sq_expr_col(b->arena, w->at, w->node->cols[w->at].type, sq_bind_span(b, a->span));
        return *out ? SQ_OK : SQ_NOMEM;
    }
    if (!split_name(a->text, &kind, &part))
        return is_call(a) ? SQ_WRONG(b, a->span, "%.*s stands in GROUP BY, or in FROM: TABLE(%.*s(…))", SQ_FMT(a->text), SQ_FMT(a->text)) : SQ_OK;
    if (x->inside_agg)
        return SQ_WRONG(b, a->span, "%.*s cannot stand inside an aggregate: it is of the whole window", SQ_FMT(a->text));
    if (!w || !w->call || w->node->u.window.spec->kind != kind) {
        SQ_WRONG(b, a->span, "%.*s needs GROUP BY %s(…) of the same arguments", SQ_FMT(a->text), sq_window_kind_name(kind));
        return sq_hint(b->ctx, "over a window table function, select window_start, window_end or window_time");
    }
    SQ_TRY(same_arguments(x, a, &same));
    if (!same)
        return SQ_WRONG(b, a->span, "the arguments of %.*s are not those of %.*s in GROUP BY", SQ_FMT(a->text), SQ_FMT(w->call->text));
    if (part >= ROWTIME && (part == PROCTIME) != (w->node->u.window.spec->time == SQ_TIME_PROC))
        return SQ_WRONG(b, a->span, "the window is in %s time: write %s_%s", part == PROCTIME ? "event" : "processing", sq_window_kind_name(kind), part == PROCTIME ? "ROWTIME" : "PROCTIME");
    uint32_t at = w->at + (part > ROWTIME ? 2 : (uint32_t)part);
    *out = sq_expr_col(b->arena, at, w->node->cols[at].type, sq_bind_span(b, a->span));
    return *out ? SQ_OK : SQ_NOMEM;
}
