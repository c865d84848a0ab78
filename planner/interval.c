/* SPDX-License-Identifier: Apache-2.0
 *
 * interval.c: interval joins: joins whose conditions say how far apart the times of two rows may be.
 *
 * A comparison (<, <=, >, >=, =; BETWEEN is two) of a time attribute of each side, with intervals of days and times added to or taken from them, bounds left time - right time from one
 * side. Conditions that bound it from both sides make an interval join; an equation, which is a key too (and a column that is computed for it, where an interval is added), says it all. What
 * else the condition says stays a residual. A bound of one side only leaves a regular join, whose state grows. Only sides that get inserts can be joined so (changelog.c), and in batch mode there is nothing to be bounded.
 *
 * FLINK: the same conditions (IntervalJoinUtil); there the two time attributes have to be of one type, here of one precision too where the condition is to be recognized.
 */
#include "planner/bind.h"

/* A time attribute of the join's columns, and what is added to it. */
struct shifted { uint32_t col; int64_t by; };

static bool constant_ms(const struct sq_expr *e, int64_t *ms)
{
    if (e->kind != SQ_X_CONST || e->type->id != SQ_T_INTERVAL_DS || sq_vec_null(e->value, 0))
        return false;
    *ms = ((const int64_t *)e->value->data)[0];
    return true;
}

static bool is_shift(const struct sq_expr *e, const char *op)
{
    return sq_expr_is_fn(e, op) && e->nargs == 2;
}

static bool shifted(const struct sq_expr *e, struct shifted *out)
{
    int64_t ms;

    *out = (struct shifted){.by = 0};
    for (; e->kind != SQ_X_COL; out->by += ms * 1000) {
        if (is_shift(e, "+") && constant_ms(e->args[0], &ms)) {
            e = e->args[1];
        } else if ((is_shift(e, "+") || is_shift(e, "-")) && constant_ms(e->args[1], &ms)) {
            ms = is_shift(e, "-") ? -ms : ms;
            e = e->args[0];
        } else {
            return false;
        }
        if (ms > INT64_C(100000000000000) || ms < -INT64_C(100000000000000))
            return false;
    }
    out->col = e->col;
    return true;
}

static enum sq_time_attr time_of(const struct sq_plan *join, uint32_t col)
{
    uint32_t nleft = join->inputs[0]->ncols;
    return col < nleft ? sq_plan_time(join->inputs[0], col) : sq_plan_time(join->inputs[1], col - nleft);
}

static const struct sq_type *type_of(const struct sq_plan *join, uint32_t col)
{
    uint32_t nleft = join->inputs[0]->ncols;
    return col < nleft ? join->inputs[0]->cols[col].type : join->inputs[1]->cols[col - nleft].type;
}

/* Times can be told apart by so many microseconds; 0: by less than one. */
static int64_t grain(const struct sq_type *t)
{
    int64_t g = 1;
    for (int p = t->p; p < 6; p++)
        g *= 10;
    return t->p > 6 ? 0 : g;
}

/* What one condition says of left time - right time. */
struct bound {
    uint32_t left, right;                  /* columns of the sides */
    int64_t low, high;                     /* INT64_MIN, INT64_MAX: nothing */
    bool exact;                            /* it says nothing more */
};

static void compare(const char *op, int64_t by, int64_t step, bool flipped, struct bound *b)
{
    bool less = (op[0] == '<') != flipped, equal = op[0] == '=', strict = !equal && op[1] == '\0';

    if (equal || less)
        b->high = by - (strict ? step : 0);
    if (equal || !less)
        b->low = by + (strict ? step : 0);
}

static bool bound_of(const struct sq_plan *join, const struct sq_expr *e, struct bound *b)
{
    static const char *const ops[] = {"<", "<=", ">", ">=", "="};
    uint32_t nleft = join->inputs[0]->ncols;
    struct shifted l, r;
    size_t k = 0;

    while (k < SQ_LEN(ops) && !sq_expr_is_fn(e, ops[k]))
        k++;
    if (k == SQ_LEN(ops) || e->nargs != 2 || !shifted(e->args[0], &l) || !shifted(e->args[1], &r))
        return false;
    bool flipped = l.col >= nleft;
    if (flipped == (r.col >= nleft))
        return false;
    enum sq_time_attr t = time_of(join, l.col);
    if (t == SQ_TIME_NONE || time_of(join, r.col) != t || !sq_type_equal(type_of(join, l.col), type_of(join, r.col), false))
        return false;
    int64_t g = grain(type_of(join, l.col));
    *b = (struct bound){.left = flipped ? r.col : l.col, .right = (flipped ? l.col : r.col) - nleft, .low = INT64_MIN, .high = INT64_MAX, .exact = g > 0};
    compare(ops[k], flipped ? l.by - r.by : r.by - l.by, g > 0 ? g : 1, flipped, b);
    if (g == 0 && t == SQ_TIME_ROW) {                            /* what is finer is looked at by the condition itself */
        b->low = b->low == INT64_MIN ? b->low : b->low - 2;
        b->high = b->high == INT64_MAX ? b->high : b->high + 2;
    }
    return true;
}

static bool same_columns(const struct bound *a, const struct bound *b) { return a->left == b->left && a->right == b->right; }

static void narrow(struct bound *all, const struct bound *b)
{
    all->low = b->low > all->low ? b->low : all->low;
    all->high = b->high < all->high ? b->high : all->high;
}

bool sq_equal_times(const struct sq_plan *join, const struct sq_expr *e, struct sq_interval *out)
{
    struct bound b;

    if (!sq_expr_is_fn(e, "=") || !bound_of(join, e, &b) || !b.exact || time_of(join, b.left) != SQ_TIME_ROW)
        return false;
    *out = (struct sq_interval){b.left, b.right, b.low, b.high};
    return true;
}

/* A key that is a time of both sides. */
static bool key_bound(const struct sq_plan *join, uint32_t i, struct bound *b)
{
    const struct sq_join_key *k = &join->u.join.keys[i];
    enum sq_time_attr t = sq_plan_time(join->inputs[0], k->left);

    if (t != SQ_TIME_ROW || sq_plan_time(join->inputs[1], k->right) != t || (join->u.join.null_safe && join->u.join.null_safe[i]))
        return false;
    *b = (struct bound){k->left, k->right, 0, 0, false};
    return true;
}

static void narrow_by_all(const struct sq_plan *join, const struct sq_exprs *on, struct bound *all)
{
    struct bound b;

    for (uint32_t i = 0; i < on->n; i++)
        if (bound_of(join, on->p[i], &b) && same_columns(all, &b))
            narrow(all, &b);
}

static bool in_keys(const struct sq_plan *join, struct bound *all)
{
    if (join->u.join.in_key)
        *all = (struct bound){join->u.join.left_time, join->u.join.right_time, join->u.join.low, join->u.join.high, false};
    for (uint32_t i = 0; i < join->u.join.nkeys && !join->u.join.in_key; i++)
        if (key_bound(join, i, all))
            return true;
    return join->u.join.in_key;
}

/* The first pair of columns that is bounded from both sides. */
static bool find_pair(const struct sq_plan *join, const struct sq_exprs *on, struct bound *all)
{
    if (in_keys(join, all)) {
        narrow_by_all(join, on, all);
        return true;
    }
    for (uint32_t i = 0; i < on->n; i++) {
        if (!bound_of(join, on->p[i], all))
            continue;
        narrow_by_all(join, on, all);
        if (all->low != INT64_MIN && all->high != INT64_MAX)
            return true;
    }
    return false;
}

sq_rc sq_interval_of(struct sq_arena *a, const struct sq_plan *join, struct sq_expr *more, struct sq_interval *out, bool *found, struct sq_exprs *bounds, struct sq_exprs *rest)
{
    struct sq_exprs on = {0};
    struct bound all, b;

    *found = false;
    if (!join->inputs[0]->time || !join->inputs[1]->time)
        return SQ_OK;
    if (join->u.join.residual)
        SQ_TRY(sq_expr_conjuncts(a, join->u.join.residual, &on));
    if (more)
        SQ_TRY(sq_expr_conjuncts(a, more, &on));
    if (!find_pair(join, &on, &all))
        return SQ_OK;
    *found = true;
    *out = (struct sq_interval){all.left, all.right, all.low, all.high};
    for (uint32_t i = 0; rest && i < on.n; i++) {
        bool said = bound_of(join, on.p[i], &b) && same_columns(&all, &b) && b.exact;
        SQ_TRY(sq_exprs_add(a, said ? bounds : rest, on.p[i]));
    }
    return SQ_OK;
}

sq_rc sq_find_interval(struct sq_arena *a, struct sq_plan *p)
{
    struct sq_exprs bounds = {0}, rest = {0};
    struct sq_interval i;
    bool found;

    SQ_TRY(sq_interval_of(a, p, NULL, &i, &found, &bounds, &rest));
    if (!found)
        return SQ_OK;
    p->u.join.how = SQ_JOIN_INTERVAL;
    p->u.join.left_time = i.left;
    p->u.join.right_time = i.right;
    p->u.join.low = i.low;
    p->u.join.high = i.high;
    SQ_TRY(sq_expr_conjunction(a, &bounds, &p->u.join.bounds));
    SQ_TRY(sq_expr_conjunction(a, &rest, &p->u.join.residual));
    return sq_time_annotate(a, p);
}

sq_rc sq_drop_interval(struct sq_arena *a, struct sq_plan *p)
{
    struct sq_exprs on = {0};

    p->u.join.how = SQ_JOIN_REGULAR;
    p->u.join.settled = true;
    if (p->u.join.bounds)
        SQ_TRY(sq_expr_conjuncts(a, p->u.join.bounds, &on));
    if (p->u.join.residual)
        SQ_TRY(sq_expr_conjuncts(a, p->u.join.residual, &on));
    p->u.join.bounds = NULL;
    return sq_expr_conjunction(a, &on, &p->u.join.residual);
}

/* ---- what has been dropped ---- */

static bool some_settled(const struct sq_plan *p)
{
    bool some = p->kind == SQ_N_JOIN && p->u.join.settled;
    for (uint32_t i = 0; i < p->ninputs && !some; i++)
        some = some_settled(p->inputs[i]);
    return some;
}

static bool lacks_time(const struct sq_plan *p)
{
    switch (p->kind) {
    case SQ_N_WINDOW:
        return sq_plan_time(p->inputs[0], p->u.window.time) == SQ_TIME_NONE;
    case SQ_N_WINDOW_AGGREGATE:
        return !p->u.agg.attached && sq_plan_time(p->inputs[0], p->u.agg.time) == SQ_TIME_NONE;
    case SQ_N_OVER:
        return p->u.over.nkeys == 1 && sq_plan_time(p->inputs[0], p->u.over.keys[0].col) == SQ_TIME_NONE;
    case SQ_N_JOIN:
        if (p->u.join.how != SQ_JOIN_INTERVAL && p->u.join.how != SQ_JOIN_TEMPORAL)
            return false;
        return sq_plan_time(p->inputs[0], p->u.join.left_time) == SQ_TIME_NONE || sq_plan_time(p->inputs[1], p->u.join.right_time) == SQ_TIME_NONE;
    default:
        return false;
    }
}

static sq_rc check_times(struct sq_ctx *ctx, const struct sq_plan *p)
{
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(check_times(ctx, p->inputs[i]));
    if (!lacks_time(p))
        return SQ_OK;
    sq_fail_at(ctx, SQ_UNSUPPORTED, p->span, "this goes by the event time of a join, one side of which is updated: what comes out of such a join is not in order of time");
    return sq_hint(ctx, "a join keeps event time where both sides get rows that only come");
}

sq_rc sq_check_intervals(struct sq_infer *c, struct sq_plan *root)
{
    if (c->config->batch || !some_settled(root))
        return SQ_OK;
    SQ_TRY(sq_time_annotate(c->arena, root));
    return check_times(c->ctx, root);
}
