/* SPDX-License-Identifier: Apache-2.0
 *
 * time.c: which columns are time attributes, and which say the window that a row is of.
 *
 * Both are found from the tree whenever somebody asks (sq_plan_time, sq_plan_window): so they hold while binding, and after every rewrite. Where they begin: the
 * column of a WATERMARK node and PROCTIME(). What keeps them: nodes that pass their rows on, a projection of the plain column, UNION ALL where all inputs agree.
 * Everything else makes plain columns of them: a cast (of the same type, too), any other expression, GROUP BY, a regular join, an outer join's NULLs.
 * A kind of node that is not known here says it itself, in `time` and `window` (window table functions, interval joins and the like).
 *
 * At last both are written into the nodes (sq_plan_mark_time), for the executor and EXPLAIN.
 *
 * FLINK: the same rules (RelTimeIndicatorConverter); a regular join's inputs are made plain, not refused.
 */
#include "planner/tree.h"

/* Passes its rows on as they are, column by column. */
static bool passes(enum sq_plan_kind k)
{
    return k == SQ_N_WATERMARK || k == SQ_N_FILTER || k == SQ_N_SORT || k == SQ_N_LIMIT || k == SQ_N_EXCHANGE || k == SQ_N_NORMALIZE || k == SQ_N_SINK || k == SQ_N_COLLECT;
}

/* Has no time attributes and no windows of its own. */
static bool plain(enum sq_plan_kind k)
{
    return k == SQ_N_SCAN || k == SQ_N_VALUES || k == SQ_N_AGGREGATE || k == SQ_N_JOIN;
}

/* ---- time attributes ---- */

enum sq_time_attr sq_expr_time(const struct sq_plan *in, const struct sq_expr *e)
{
    if (e->kind == SQ_X_COL)
        return in && e->col < in->ncols ? sq_plan_time(in, e->col) : SQ_TIME_NONE;
    return sq_expr_is_fn(e, "PROCTIME") ? SQ_TIME_PROC : SQ_TIME_NONE;
}

static enum sq_time_attr union_time(const struct sq_plan *p, uint32_t col)
{
    enum sq_time_attr t = sq_plan_time(p->inputs[0], col);

    for (uint32_t i = 1; i < p->ninputs && t != SQ_TIME_NONE; i++)
        if (sq_plan_time(p->inputs[i], col) != t)
            t = SQ_TIME_NONE;
    return t;
}

enum sq_time_attr sq_plan_time(const struct sq_plan *p, uint32_t col)
{
    while (passes(p->kind)) {
        if (p->kind == SQ_N_WATERMARK && p->u.watermark.col == col)
            return SQ_TIME_ROW;
        p = p->inputs[0];
    }
    if (p->kind == SQ_N_PROJECT)
        return sq_expr_time(p->inputs[0], p->u.project.exprs[col]);
    if (p->kind == SQ_N_UNION)
        return union_time(p, col);
    return plain(p->kind) || !p->time ? SQ_TIME_NONE : (enum sq_time_attr)p->time[col];
}

/* ---- windows ---- */

static bool same_spec(const struct sq_window_spec *a, const struct sq_window_spec *b)
{
    return a->kind == b->kind && a->time == b->time && a->size == b->size && a->step == b->step && a->offset == b->offset;
}

static bool project_window(const struct sq_plan *p, struct sq_plan_window *w)
{
    struct sq_plan_window in;
    bool start = false, end = false;

    if (!sq_plan_window(p->inputs[0], &in))
        return false;
    w->spec = in.spec;
    for (uint32_t i = p->ncols; i-- > 0;) {                      /* the first of several */
        const struct sq_expr *e = p->u.project.exprs[i];
        if (e->kind == SQ_X_COL && e->col == in.start) {
            w->start = i;
            start = true;
        } else if (e->kind == SQ_X_COL && e->col == in.end) {
            w->end = i;
            end = true;
        }
    }
    return start && end;
}

static bool union_window(const struct sq_plan *p, struct sq_plan_window *w)
{
    struct sq_plan_window o;

    if (!sq_plan_window(p->inputs[0], w))
        return false;
    for (uint32_t i = 1; i < p->ninputs; i++)
        if (!sq_plan_window(p->inputs[i], &o) || !same_spec(w->spec, o.spec) || w->start != o.start || w->end != o.end)
            return false;
    return true;
}

bool sq_plan_window(const struct sq_plan *p, struct sq_plan_window *w)
{
    while (passes(p->kind))
        p = p->inputs[0];
    if (p->kind == SQ_N_PROJECT)
        return project_window(p, w);
    if (p->kind == SQ_N_UNION)
        return union_window(p, w);
    if (plain(p->kind) || !p->window)
        return false;
    *w = *p->window;
    return true;
}

/* ---- into the nodes ---- */

static bool derived(enum sq_plan_kind k) { return passes(k) || plain(k) || k == SQ_N_PROJECT || k == SQ_N_UNION; }

static sq_rc mark(struct sq_arena *a, struct sq_plan *p)
{
    struct sq_plan_window w, *window = NULL;
    uint8_t *time = SQ_NEW_ARRAY(a, uint8_t, p->ncols + 1);
    bool some = false;

    if (!time)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->ncols; i++) {
        time[i] = (uint8_t)sq_plan_time(p, i);
        some |= time[i] != SQ_TIME_NONE;
    }
    if (sq_plan_window(p, &w)) {
        if (!(window = SQ_NEW(a, struct sq_plan_window)))
            return SQ_NOMEM;
        *window = w;
    }
    p->time = some ? time : NULL;
    p->window = window;
    return SQ_OK;
}

sq_rc sq_plan_mark_time(struct sq_arena *a, struct sq_plan *p)
{
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(sq_plan_mark_time(a, p->inputs[i]));
    return derived(p->kind) ? mark(a, p) : SQ_OK;
}
