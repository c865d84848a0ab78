/* SPDX-License-Identifier: Apache-2.0
 *
 * time.c: which columns of a node are time, and to which windows its rows belong (plan.h). From below:
 *
 *   watermark         its column is event time
 *   project           a column that is passed on as it is stays what it was; PROCTIME() is processing time
 *   union             what all inputs say
 *   join              a join in time keeps both sides' time, a window join the window; any other makes plain columns of them
 *   aggregate         plain columns; by windows: the window, and window_time
 *   expand, unnest    columns that are passed on everywhere stay what they were
 *   window, rank      the window function's three columns, else the input's
 *
 * The binder asks for the part that it has made so far, and the planner once more when the tree is whole, because columns move when a tree is rewritten.
 */
#include "planner/bind.h"

enum sq_time_attr sq_plan_time(const struct sq_plan *p, uint32_t col)
{
    return p->time && col < p->ncols ? (enum sq_time_attr)p->time[col] : SQ_TIME_NONE;
}

enum sq_time_attr sq_expr_time(const struct sq_plan *in, const struct sq_expr *e)
{
    if (e->kind == SQ_X_COL)
        return in ? sq_plan_time(in, e->col) : SQ_TIME_NONE;
    return sq_expr_is_fn(e, "PROCTIME") ? SQ_TIME_PROC : SQ_TIME_NONE;
}

bool sq_window_same(const struct sq_window_spec *a, const struct sq_window_spec *b)
{
    return a->kind == b->kind && a->time == b->time && a->zoned == b->zoned && a->size == b->size && a->step == b->step && a->offset == b->offset;
}

static uint8_t *flags(struct sq_arena *a, const struct sq_plan *p)
{
    return SQ_NEW_ARRAY(a, uint8_t, p->ncols ? p->ncols : 1);
}

static sq_rc set_window(struct sq_arena *a, struct sq_plan *p, const struct sq_window_spec *spec, uint32_t start, uint32_t end, uint32_t time)
{
    struct sq_plan_window *w = SQ_NEW(a, struct sq_plan_window);
    if (!w)
        return SQ_NOMEM;
    *w = (struct sq_plan_window){spec, start, end, time};
    p->window = w;
    return SQ_OK;
}

static uint32_t passed_on(const struct sq_plan *p, uint32_t col)
{
    for (uint32_t i = 0; i < p->ncols; i++)
        if (p->u.project.exprs[i]->kind == SQ_X_COL && p->u.project.exprs[i]->col == col)
            return i;
    return UINT32_MAX;
}

static sq_rc of_project(struct sq_arena *a, struct sq_plan *p)
{
    const struct sq_plan *in = p->inputs[0];
    uint8_t *t = flags(a, p);
    if (!t)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->ncols; i++)
        t[i] = (uint8_t)sq_expr_time(in, p->u.project.exprs[i]);
    p->time = t;
    if (!in->window)
        return SQ_OK;
    uint32_t start = passed_on(p, in->window->start), end = passed_on(p, in->window->end);
    return start != UINT32_MAX && end != UINT32_MAX ? set_window(a, p, in->window->spec, start, end, passed_on(p, in->window->time)) : SQ_OK;
}

/* The window that all inputs have, in the same columns. */
static const struct sq_plan_window *union_window(const struct sq_plan *p)
{
    const struct sq_plan_window *w = p->inputs[0]->window;
    for (uint32_t i = 1; w && i < p->ninputs; i++) {
        const struct sq_plan_window *o = p->inputs[i]->window;
        if (!o || o->start != w->start || o->end != w->end || o->time != w->time || !sq_window_same(o->spec, w->spec))
            return NULL;
    }
    return w;
}

static sq_rc of_union(struct sq_arena *a, struct sq_plan *p)
{
    uint8_t *t = flags(a, p);
    if (!t)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->ncols; i++) {
        t[i] = (uint8_t)sq_plan_time(p->inputs[0], i);
        for (uint32_t k = 1; k < p->ninputs; k++)
            if (sq_plan_time(p->inputs[k], i) != t[i])
                t[i] = SQ_TIME_NONE;
    }
    p->time = t;
    p->window = union_window(p);
    return SQ_OK;
}

/* The input's columns are the node's first ones. */
static sq_rc of_input(struct sq_arena *a, struct sq_plan *p, uint8_t **out)
{
    const struct sq_plan *in = p->inputs[0];
    uint8_t *t = flags(a, p);
    if (!t)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < in->ncols && i < p->ncols; i++)
        t[i] = (uint8_t)sq_plan_time(in, i);
    p->time = t;
    p->window = in->window;
    *out = t;
    return SQ_OK;
}

static sq_rc of_window(struct sq_arena *a, struct sq_plan *p)
{
    uint8_t *t;
    uint32_t n = p->inputs[0]->ncols;
    SQ_TRY(of_input(a, p, &t));
    t[n + 2] = (uint8_t)p->u.window.spec->time;
    return set_window(a, p, p->u.window.spec, n, n + 1, n + 2);
}

static sq_rc of_window_aggregate(struct sq_arena *a, struct sq_plan *p)
{
    uint32_t at = p->u.agg.ngroup + p->u.agg.nitems;
    uint8_t *t = flags(a, p);
    if (!t)
        return SQ_NOMEM;
    t[at + 2] = (uint8_t)p->u.agg.window->time;
    p->time = t;
    return set_window(a, p, p->u.agg.window, at, at + 1, at + 2);
}

/* How many of the window's bounds are grouped by. */
static int window_bounds_grouped(const struct sq_plan *p)
{
    const struct sq_plan_window *w = p->inputs[0]->window;
    bool start = false, end = false;
    for (uint32_t i = 0; w && i < p->u.agg.ngroup; i++) {
        start |= p->u.agg.group[i] == w->start;
        end |= p->u.agg.group[i] == w->end;
    }
    return start + end;
}

bool sq_groups_by_window(const struct sq_plan *p) { return window_bounds_grouped(p) == 2; }
bool sq_groups_by_half_window(const struct sq_plan *p) { return window_bounds_grouped(p) == 1; }

static uint32_t grouped_as(const struct sq_plan *p, uint32_t col)
{
    for (uint32_t i = 0; i < p->u.agg.ngroup; i++)
        if (p->u.agg.group[i] == col)
            return i;
    return UINT32_MAX;
}

/* One that will be of windows (window.c) says so before it is. */
static sq_rc of_aggregate(struct sq_arena *a, struct sq_plan *p)
{
    if (!sq_groups_by_window(p))
        return SQ_OK;
    const struct sq_plan_window *w = p->inputs[0]->window;
    uint32_t time = grouped_as(p, w->time);
    uint8_t *t = flags(a, p);
    if (!t)
        return SQ_NOMEM;
    if (time != UINT32_MAX)
        t[time] = (uint8_t)sq_plan_time(p->inputs[0], w->time);
    p->time = t;
    return set_window(a, p, w->spec, grouped_as(p, w->start), grouped_as(p, w->end), time);
}

/* `more`: a condition above it. */
static sq_rc of_join(struct sq_arena *a, struct sq_plan *p, struct sq_expr *more)
{
    const struct sq_plan *l = p->inputs[0], *r = p->inputs[1];
    bool in_time = p->u.join.how != SQ_JOIN_REGULAR;
    struct sq_interval in;
    if (!in_time && !p->u.join.settled)                          /* one that will be an interval join (interval.c) */
        SQ_TRY(sq_interval_of(a, p, more, &in, &in_time, NULL, NULL));
    if (!in_time)
        return SQ_OK;
    uint8_t *t = flags(a, p);
    if (!t)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->ncols; i++)
        t[i] = (uint8_t)(i < l->ncols ? sq_plan_time(l, i) : p->u.join.how == SQ_JOIN_TEMPORAL ? SQ_TIME_NONE : sq_plan_time(r, i - l->ncols));
    p->time = t;
    if (p->u.join.how == SQ_JOIN_OF_WINDOWS && p->u.join.kind != SQ_JOIN_RIGHT && p->u.join.kind != SQ_JOIN_FULL)
        p->window = l->window;
    else if (p->u.join.how == SQ_JOIN_OF_WINDOWS && p->u.join.kind == SQ_JOIN_RIGHT)
        return set_window(a, p, r->window->spec, l->ncols + r->window->start, l->ncols + r->window->end, r->window->time == UINT32_MAX ? UINT32_MAX : l->ncols + r->window->time);
    return SQ_OK;
}

/* Its partitions are of one window each. */
static bool ranks_windows(const struct sq_plan *p)
{
    bool start = false, end = false;
    for (uint32_t i = 0; p->window && i < p->u.rank.npartition; i++) {
        start |= p->u.rank.partition[i] == p->window->start;
        end |= p->u.rank.partition[i] == p->window->end;
    }
    return start && end;
}

static bool in_all_sets(const struct sq_plan *p, uint32_t col)
{
    for (uint32_t i = 0; col < p->u.expand.ngroup && i < p->u.expand.nsets; i++)
        if (!(p->u.expand.sets[i] >> col & 1))
            return false;
    return true;
}

/* What is NULL in some grouping set is no time there. */
static sq_rc of_expand(struct sq_arena *a, struct sq_plan *p)
{
    uint8_t *t;
    SQ_TRY(of_input(a, p, &t));
    for (uint32_t i = 0; i < p->u.expand.ngroup; i++)
        if (!in_all_sets(p, i))
            t[i] = SQ_TIME_NONE;
    if (p->window && !(in_all_sets(p, p->window->start) && in_all_sets(p, p->window->end)))
        p->window = NULL;
    if (p->window && p->window->time != UINT32_MAX && !in_all_sets(p, p->window->time))
        return set_window(a, p, p->window->spec, p->window->start, p->window->end, UINT32_MAX);
    return SQ_OK;
}

static uint32_t unnested_as(const struct sq_plan *p, uint32_t col)
{
    for (uint32_t i = 0; i < p->u.unnest.npass; i++)
        if (p->u.unnest.pass[i] == col)
            return i;
    return UINT32_MAX;
}

static sq_rc of_unnest(struct sq_arena *a, struct sq_plan *p)
{
    const struct sq_plan *in = p->inputs[0];
    uint8_t *t = flags(a, p);
    if (!t)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->u.unnest.npass; i++)
        t[i] = (uint8_t)sq_plan_time(in, p->u.unnest.pass[i]);
    p->time = t;
    if (!in->window)
        return SQ_OK;
    uint32_t start = unnested_as(p, in->window->start), end = unnested_as(p, in->window->end);
    return start != UINT32_MAX && end != UINT32_MAX ? set_window(a, p, in->window->spec, start, end, unnested_as(p, in->window->time)) : SQ_OK;
}

/* The bounds of an inner join may stand in WHERE. */
static sq_rc of_filter(struct sq_arena *a, struct sq_plan *p)
{
    struct sq_plan *in = p->inputs[0];
    uint8_t *t;
    if (in->kind == SQ_N_JOIN && in->u.join.kind == SQ_JOIN_INNER && !in->time)
        SQ_TRY(of_join(a, in, p->u.filter.pred));
    return of_input(a, p, &t);
}

static sq_rc annotate(struct sq_arena *a, struct sq_plan *p)
{
    uint8_t *t;
    p->time = NULL;
    p->window = NULL;
    switch (p->kind) {
    case SQ_N_SCAN:
    case SQ_N_VALUES:
    case SQ_N_SIDE:
        return SQ_OK;
    case SQ_N_AGGREGATE:
        return of_aggregate(a, p);
    case SQ_N_WATERMARK:
        SQ_TRY(of_input(a, p, &t));
        t[p->u.watermark.col] = SQ_TIME_ROW;
        return SQ_OK;
    case SQ_N_FILTER:
        return of_filter(a, p);
    case SQ_N_PROJECT:
        return of_project(a, p);
    case SQ_N_UNION:
        return of_union(a, p);
    case SQ_N_JOIN:
        return of_join(a, p, NULL);
    case SQ_N_RANK:
        SQ_TRY(of_input(a, p, &t));
        p->window = ranks_windows(p) ? p->window : NULL;
        return SQ_OK;
    case SQ_N_EXPAND:
        return of_expand(a, p);
    case SQ_N_UNNEST:
        return of_unnest(a, p);
    case SQ_N_WINDOW:
        return of_window(a, p);
    case SQ_N_WINDOW_AGGREGATE:
        return of_window_aggregate(a, p);
    default:
        return of_input(a, p, &t);
    }
}

/* ---- CURRENT_WATERMARK ---- */

static const struct sq_function current_watermark = {"CURRENT_WATERMARK", "(TIMESTAMP) -> TIMESTAMP(3)", SQ_LAZY | SQ_ALWAYS_NULLABLE, NULL, NULL,
                                                     "the watermark that a row is judged by; NULL: there is none yet", NULL, NULL};

/* FLINK: gives the watermark of the operator, which depends on the clock; here it is that of the rows before this one in its split, as lateness has it. */
sq_rc sq_bind_current_watermark(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    struct sq_expr *arg;
    *out = NULL;
    if (!sq_str_iis(a->text, current_watermark.name))
        return SQ_OK;
    if (a->nargs != 1 || a->star || a->distinct || a->filter)
        return SQ_WRONG(b, a->span, "CURRENT_WATERMARK takes one argument: a rowtime column");
    if (!x->from)
        return SQ_REFUSE(b, a->span, "CURRENT_WATERMARK can stand in SELECT and WHERE, not in %s", x->clause);
    SQ_TRY(sq_bind_expr(x, a->args[0], &arg));
    SQ_TRY(sq_time_annotate(b->arena, x->from));
    if (arg->kind != SQ_X_COL || arg->col >= x->from->ncols || sq_expr_time(x->from, arg) != SQ_TIME_ROW) {
        SQ_WRONG(b, a->args[0]->span, "CURRENT_WATERMARK takes a rowtime attribute, which this is not");
        return sq_hint(b->ctx, "it has to be the column of a WATERMARK, or window_time, as it came: not computed, cast or grouped");
    }
    if (!(*out = sq_expr_new(b->arena, SQ_X_CALL, sq_type_nullable(b->arena, arg->type, true), sq_bind_span(b, a->span), 1)))
        return SQ_NOMEM;
    (*out)->fn = &current_watermark;
    (*out)->args[0] = arg;
    return SQ_OK;
}

static bool asks(const struct sq_expr *e)
{
    bool some = e->kind == SQ_X_CALL && e->fn == &current_watermark;
    for (uint32_t i = 0; i < e->nargs && !some; i++)
        some = asks(e->args[i]);
    return some;
}

/* Below a node that asks for it, rows carry their watermark always. */
static void every_row(struct sq_plan *p)
{
    if (p->kind == SQ_N_WATERMARK)
        p->u.watermark.every = true;
    for (uint32_t i = 0; i < p->ninputs; i++)
        every_row(p->inputs[i]);
}

static void mark_asked(struct sq_plan *p)
{
    bool some = p->kind == SQ_N_FILTER && asks(p->u.filter.pred);
    for (uint32_t i = 0; p->kind == SQ_N_PROJECT && i < p->ncols && !some; i++)
        some = asks(p->u.project.exprs[i]);
    if (some)
        every_row(p);
}

/* ---- all of it ---- */

sq_rc sq_time_annotate(struct sq_arena *a, struct sq_plan *p)
{
    mark_asked(p);
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(sq_time_annotate(a, p->inputs[i]));
    return annotate(a, p);
}

/* ---- late rows ---- */

static bool join_drops_late(const struct sq_plan *p, uint32_t input)
{
    switch (p->u.join.how) {
    case SQ_JOIN_OF_WINDOWS: return true;
    case SQ_JOIN_INTERVAL: return sq_plan_time(p->inputs[0], p->u.join.left_time) == SQ_TIME_ROW;
    case SQ_JOIN_TEMPORAL: return input == 0 && p->u.join.kind == SQ_JOIN_INNER;
    default: return false;
    }
}

bool sq_drops_late(const struct sq_plan *p, uint32_t input)
{
    switch (p->kind) {
    case SQ_N_WINDOW_AGGREGATE: return p->u.agg.window->time == SQ_TIME_ROW;
    case SQ_N_WINDOW: return p->u.window.spec->kind == SQ_WINDOW_SESSION && p->u.window.spec->time == SQ_TIME_ROW;
    case SQ_N_JOIN: return join_drops_late(p, input);
    case SQ_N_RANK: return p->u.rank.windowed;
    case SQ_N_OVER: return sq_plan_time(p->inputs[0], p->u.over.keys[0].col) == SQ_TIME_ROW;
    default: return false;
    }
}

static bool judges(const struct sq_plan *p)
{
    bool some = (p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_TEMPORAL) || (p->kind == SQ_N_WATERMARK && p->u.watermark.every);
    for (uint32_t i = 0; i < p->ninputs; i++)
        some |= sq_drops_late(p, i);
    return some;
}

/* `updated`: what is judged is made of the rows by a node that takes rows back, which may be late where the row that comes is not. */
static void mark_timed(struct sq_plan *p, bool timed, bool updated)
{
    timed |= judges(p);
    updated |= timed && p->kind == SQ_N_RANK && !p->u.rank.windowed;
    if (p->kind == SQ_N_SCAN)
        p->u.scan.timed |= timed;
    if (p->kind == SQ_N_WATERMARK)
        p->u.watermark.every |= updated;
    for (uint32_t i = 0; i < p->ninputs; i++)
        mark_timed(p->inputs[i], timed, updated);
}

void sq_mark_timed(struct sq_job_plan *j)
{
    for (uint32_t i = 0; i < j->nroots && !j->config.batch; i++)
        mark_timed(j->roots[i], false, false);
}
