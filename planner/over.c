/* SPDX-License-Identifier: Apache-2.0
 *
 * over.c: calls with OVER in SELECT and QUALIFY. Each is noted, with its window, and stands in its expression as column SQ_OVER_COL + i; when the level is bound, the calls of one
 * window become one node over the level's rows: ROW_NUMBER a RANK, aggregates an OVER. When filters have been pushed down,
 *
 *   a filter n <= 3 (or <, =, between, …) over a RANK's number      says which places are wanted, and is gone
 *   a RANK that is left without one                                 becomes COUNT(*) OVER (… ROWS UNBOUNDED PRECEDING), where it is in the order of time
 *
 * FLINK: in streaming mode, OVER goes by one time attribute, ascending, to CURRENT ROW; RANK and DENSE_RANK are refused.
 */
#include "planner/bind.h"

/* ---- windows ---- */

struct frame { bool rows; int64_t preceding; };

struct spec {
    struct sq_expr **partition, **order;
    const struct sq_ast_order *by;
    uint32_t npartition, norder;
    struct frame frame;
};

struct sq_over_use {
    struct spec spec;
    const struct sq_agg *agg;              /* NULL: ROW_NUMBER */
    struct sq_expr *arg, *filter, *opt;
    bool distinct;
    const struct sq_type *ret;
    struct sq_span span;
    uint32_t result;                       /* column, when it is made */
};

static sq_rc frame_of(struct sq_bind_x *x, const struct sq_ast_over *o, struct frame *f)
{
    struct sq_binder *b = x->b;
    *f = (struct frame){.preceding = INT64_MAX};
    if (!o->framed)
        return SQ_OK;
    f->rows = !o->range;
    if (o->to_following || !o->to || o->to->kind != SQ_A_SYMBOL)
        return SQ_REFUSE(b, o->span, "a window of OVER ends with CURRENT ROW: other ends are not supported");
    if (!o->from)
        return SQ_OK;
    if (o->from->kind == SQ_A_SYMBOL) {
        f->preceding = 0;
        return SQ_OK;
    }
    if (o->from_following)
        return SQ_REFUSE(b, o->from->span, "a window of OVER begins with … PRECEDING or CURRENT ROW");
    struct sq_expr *e;
    struct sq_scope none = {0};
    struct sq_bind_x own = {.b = b, .scope = &none, .clause = "OVER"};
    SQ_TRY(sq_bind_expr(&own, o->from, &e));
    SQ_TRY(sq_rewrite_expr(b->env, e, &e));
    bool whole = e->type->id == SQ_T_INT || e->type->id == SQ_T_BIGINT;
    if (e->kind != SQ_X_CONST || sq_vec_null(e->value, 0) || (f->rows ? !whole : e->type->id != SQ_T_INTERVAL_DS))
        return SQ_WRONG(b, o->from->span, f->rows ? "ROWS BETWEEN n PRECEDING: n is a whole number" : "RANGE BETWEEN … PRECEDING takes an INTERVAL of days to seconds");
    f->preceding = e->type->id == SQ_T_INT ? *(const int32_t *)e->value->data : *(const int64_t *)e->value->data;
    if (f->preceding < 0)
        return SQ_WRONG(b, o->from->span, "a window of OVER cannot begin behind its row");
    if (!f->rows)
        f->preceding *= 1000;
    return SQ_OK;
}

static sq_rc named_window(struct sq_bind_x *x, const struct sq_ast_over **o)
{
    const struct sq_ast_over *use = *o;
    if (!use->window.p)
        return SQ_OK;
    for (uint32_t i = 0; i < x->nwindows; i++)
        if (sq_str_eq(x->windows[i].name, use->window)) {
            *o = x->windows[i].over;
            return SQ_OK;
        }
    return SQ_WRONG(x->b, use->span, "no window '%.*s' in the WINDOW clause", SQ_FMT(use->window));
}

static sq_rc spec_of(struct sq_bind_x *x, const struct sq_ast_over *o, struct spec *s)
{
    struct sq_binder *b = x->b;
    struct sq_bind_x own = *x;
    own.overs = NULL;
    own.clause = "OVER";
    SQ_TRY(named_window(x, &o));
    *s = (struct spec){.npartition = o->npartition, .norder = o->norder, .by = o->order};
    s->partition = SQ_NEW_ARRAY(b->arena, struct sq_expr *, o->npartition + 1);
    s->order = SQ_NEW_ARRAY(b->arena, struct sq_expr *, o->norder + 1);
    if (!s->partition || !s->order)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < o->npartition; i++)
        SQ_TRY(sq_bind_expr(&own, o->partition[i], &s->partition[i]));
    for (uint32_t i = 0; i < o->norder; i++)
        SQ_TRY(sq_bind_expr(&own, o->order[i].expr, &s->order[i]));
    if (!o->norder)
        return SQ_WRONG(b, o->span, "OVER needs ORDER BY");
    return frame_of(x, o, &s->frame);
}

/* ---- calls ---- */

static sq_rc note(struct sq_binder *b, struct sq_overs *l, const struct sq_over_use *u)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? 2 * l->cap : 4;
        struct sq_over_use *p = SQ_NEW_ARRAY(b->arena, struct sq_over_use, cap);
        if (!p)
            return SQ_NOMEM;
        if (l->n)
            memcpy(p, l->uses, sizeof *p * l->n);
        l->uses = p;
        l->cap = cap;
    }
    l->uses[l->n++] = *u;
    return SQ_OK;
}

static sq_rc aggregate_call(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_over_use *u)
{
    struct sq_binder *b = x->b;
    struct sq_aggs one = {.ngroup = 1};                          /* the row itself is in its window, but a FILTER may leave none */
    struct sq_bind_x own = *x;
    struct sq_ast_expr call = *a;
    struct sq_expr *e;
    call.over = NULL;
    own.aggs = &one;
    own.overs = NULL;
    SQ_TRY(sq_bind_aggregate(&own, &call, u->agg, &e));
    u->arg = one.uses[0].arg;
    u->filter = one.uses[0].filter;
    u->opt = one.uses[0].opt;
    u->distinct = one.uses[0].distinct;
    u->ret = one.uses[0].ret;
    (void)b;
    return SQ_OK;
}

sq_rc sq_bind_over(struct sq_bind_x *x, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    struct sq_over_use u = {.agg = sq_agg_find(a->text), .span = sq_bind_span(b, a->span)};
    struct sq_span at = a->over->span.len ? a->over->span : a->span;
    if (!x->overs)
        return SQ_WRONG(b, at, "a call with OVER cannot stand in %s", x->clause);
    if (!u.agg && !sq_str_iis(a->text, "ROW_NUMBER"))
        return SQ_REFUSE(b, a->span, "%.*s OVER … is not supported yet", SQ_FMT(a->text));
    SQ_TRY(spec_of(x, a->over, &u.spec));
    if (u.agg)
        SQ_TRY(aggregate_call(x, a, &u));
    else if (a->nargs || a->star)
        return SQ_WRONG(b, a->span, "ROW_NUMBER takes no argument");
    else
        u.ret = sq_type_nullable(b->arena, &sq_type_bigint, false);
    if (!u.ret)
        return SQ_NOMEM;
    SQ_TRY(note(b, x->overs, &u));
    *out = sq_expr_col(b->arena, SQ_OVER_COL + x->overs->n - 1, u.ret, u.span);
    return *out ? SQ_OK : SQ_NOMEM;
}

sq_rc sq_over_place(struct sq_binder *b, struct sq_overs *l, const struct sq_aggs *aggs, const struct sq_plan *from)
{
    for (uint32_t i = 0; i < l->n; i++) {
        struct sq_over_use *u = &l->uses[i];
        for (uint32_t k = 0; k < u->spec.npartition; k++)
            SQ_TRY(sq_agg_place(b, aggs, from, u->spec.partition[k], &u->spec.partition[k]));
        for (uint32_t k = 0; k < u->spec.norder; k++)
            SQ_TRY(sq_agg_place(b, aggs, from, u->spec.order[k], &u->spec.order[k]));
        if (u->arg)
            SQ_TRY(sq_agg_place(b, aggs, from, u->arg, &u->arg));
        if (u->filter)
            SQ_TRY(sq_agg_place(b, aggs, from, u->filter, &u->filter));
    }
    return SQ_OK;
}

/* ---- nodes ---- */

static bool same_spec(const struct spec *a, const struct spec *b)
{
    bool same = a->npartition == b->npartition && a->norder == b->norder && a->frame.rows == b->frame.rows && a->frame.preceding == b->frame.preceding;
    for (uint32_t i = 0; same && i < a->npartition; i++)
        same = sq_expr_equal(a->partition[i], b->partition[i]);
    for (uint32_t i = 0; same && i < a->norder; i++)
        same = sq_expr_equal(a->order[i], b->order[i]) && a->by[i].desc == b->by[i].desc && a->by[i].nulls_given == b->by[i].nulls_given && a->by[i].nulls_first == b->by[i].nulls_first;
    return same;
}

static sq_rc column_of(struct sq_binder *b, struct sq_exprs *l, struct sq_expr *e, uint32_t *col)
{
    for (*col = 0; *col < l->n; ++*col)
        if (sq_expr_equal(l->p[*col], e))
            return SQ_OK;
    return sq_exprs_add(b->arena, l, e);
}

struct columns { uint32_t *partition; struct sq_sort_key *keys; };

static sq_rc columns_of(struct sq_binder *b, struct sq_exprs *l, const struct spec *s, struct columns *c)
{
    c->partition = SQ_NEW_ARRAY(b->arena, uint32_t, s->npartition + 1);
    c->keys = SQ_NEW_ARRAY(b->arena, struct sq_sort_key, s->norder + 1);
    if (!c->partition || !c->keys)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < s->npartition; i++)
        SQ_TRY(column_of(b, l, s->partition[i], &c->partition[i]));
    for (uint32_t i = 0; i < s->norder; i++) {
        struct sq_sort_key *k = &c->keys[i];
        SQ_TRY(column_of(b, l, s->order[i], &k->col));
        k->desc = s->by[i].desc;
        k->nulls_first = s->by[i].nulls_given ? s->by[i].nulls_first : !k->desc;
        if (s->order[i]->type->nchild)
            return SQ_WRONG(b, s->order[i]->span, "ORDER BY of OVER cannot be of a nested type");
    }
    return SQ_OK;
}

static sq_rc project_of(struct sq_binder *b, struct sq_plan *in, const struct sq_exprs *l, struct sq_plan **out)
{
    *out = in;
    if (l->n == in->ncols)
        return SQ_OK;
    struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, l->n);
    if (!names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < l->n; i++) {
        if (i < in->ncols)
            names[i] = in->cols[i].name;
        else
            SQ_TRY(sq_expr_label(b->arena, l->p[i], in, &names[i]));
    }
    *out = sq_node_project(b->arena, in, l->p, l->n, names);
    return *out ? SQ_OK : SQ_NOMEM;
}

static sq_rc with_results(struct sq_binder *b, struct sq_plan *p, uint32_t n, const struct sq_field *results)
{
    struct sq_field *cols = SQ_NEW_ARRAY(b->arena, struct sq_field, p->ncols + n);
    if (!cols)
        return SQ_NOMEM;
    if (p->ncols)
        memcpy(cols, p->cols, sizeof *cols * p->ncols);
    memcpy(cols + p->ncols, results, sizeof *cols * n);
    p->cols = cols;
    p->ncols += n;
    return SQ_OK;
}

static sq_rc rank_node(struct sq_binder *b, struct sq_over_use *u, struct sq_plan **plan)
{
    struct sq_exprs l = {0};
    struct columns c;
    struct sq_plan *in;
    for (uint32_t i = 0; i < (*plan)->ncols; i++)
        SQ_TRY(sq_exprs_add(b->arena, &l, sq_expr_col(b->arena, i, (*plan)->cols[i].type, (struct sq_span){0, 0})));
    SQ_TRY(columns_of(b, &l, &u->spec, &c));
    SQ_TRY(project_of(b, *plan, &l, &in));
    struct sq_plan *p = sq_node_new(b->arena, SQ_N_RANK, in, u->span);
    if (!p)
        return SQ_NOMEM;
    p->u.rank.partition = c.partition;
    p->u.rank.npartition = u->spec.npartition;
    p->u.rank.keys = c.keys;
    p->u.rank.nkeys = u->spec.norder;
    p->u.rank.from = 1;
    p->u.rank.to = INT64_MAX;
    p->u.rank.number = true;
    u->result = in->ncols;
    *plan = p;
    return with_results(b, p, 1, &(struct sq_field){SQ_STR("ROW_NUMBER()"), u->ret});
}

/* All aggregates of the window of use `first`. */
static sq_rc over_node(struct sq_binder *b, struct sq_overs *o, uint32_t first, struct sq_plan **plan)
{
    struct sq_agg_item *items = SQ_NEW_ARRAY(b->arena, struct sq_agg_item, o->n);
    struct sq_field *results = SQ_NEW_ARRAY(b->arena, struct sq_field, o->n);
    struct sq_exprs l = {0};
    struct columns c;
    struct sq_plan *in;
    uint32_t n = 0, col;
    if (!items || !results)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < (*plan)->ncols; i++)
        SQ_TRY(sq_exprs_add(b->arena, &l, sq_expr_col(b->arena, i, (*plan)->cols[i].type, (struct sq_span){0, 0})));
    SQ_TRY(columns_of(b, &l, &o->uses[first].spec, &c));
    for (uint32_t i = first; i < o->n; i++) {
        struct sq_over_use *u = &o->uses[i];
        if (!u->agg || !same_spec(&u->spec, &o->uses[first].spec))
            continue;
        items[n] = (struct sq_agg_item){.agg = u->agg, .arg = -1, .filter = -1, .distinct = u->distinct, .ret = u->ret, .opt = u->opt};
        if (u->arg) {
            SQ_TRY(column_of(b, &l, u->arg, &col));
            items[n].arg = (int32_t)col;
        }
        if (u->filter) {
            SQ_TRY(column_of(b, &l, u->filter, &col));
            items[n].filter = (int32_t)col;
        }
        results[n] = (struct sq_field){sq_str_of(u->agg->name), u->ret};
        u->result = n++;
    }
    SQ_TRY(project_of(b, *plan, &l, &in));
    for (uint32_t i = first; i < o->n; i++)
        if (o->uses[i].agg && same_spec(&o->uses[i].spec, &o->uses[first].spec))
            o->uses[i].result += in->ncols;
    struct sq_plan *p = sq_node_new(b->arena, SQ_N_OVER, in, o->uses[first].span);
    if (!p)
        return SQ_NOMEM;
    p->u.over.partition = c.partition;
    p->u.over.npartition = o->uses[first].spec.npartition;
    p->u.over.keys = c.keys;
    p->u.over.nkeys = o->uses[first].spec.norder;
    p->u.over.rows = o->uses[first].spec.frame.rows;
    p->u.over.preceding = o->uses[first].spec.frame.preceding;
    p->u.over.items = items;
    p->u.over.nitems = n;
    *plan = p;
    return with_results(b, p, n, results);
}

static sq_rc result_of(void *arg, struct sq_expr *e, struct sq_expr **out)
{
    const struct { struct sq_binder *b; const struct sq_overs *o; } *x = arg;
    if (e->kind != SQ_X_COL || e->col < SQ_OVER_COL)
        return SQ_OK;
    *out = sq_expr_col(x->b->arena, x->o->uses[e->col - SQ_OVER_COL].result, e->type, e->span);
    return *out ? SQ_OK : SQ_NOMEM;
}

sq_rc sq_over_plan(struct sq_binder *b, struct sq_overs *o, struct sq_plan **plan, struct sq_expr **exprs, uint32_t n)
{
    struct { struct sq_binder *b; const struct sq_overs *o; } x = {b, o};
    for (uint32_t i = 0; i < o->n; i++) {
        bool done = false;
        for (uint32_t k = 0; k < i && o->uses[i].agg; k++)
            done |= o->uses[k].agg && same_spec(&o->uses[k].spec, &o->uses[i].spec);
        if (!o->uses[i].agg)
            SQ_TRY(rank_node(b, &o->uses[i], plan));
        else if (!done)
            SQ_TRY(over_node(b, o, i, plan));
    }
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(sq_expr_map(b->arena, exprs[i], result_of, &x, &exprs[i]));
    return SQ_OK;
}

/* ---- places ---- */

static bool int_of(const struct sq_expr *e, int64_t *v)
{
    if (e->kind == SQ_X_CAST)
        e = e->args[0];
    if (e->kind != SQ_X_CONST || sq_vec_null(e->value, 0))
        return false;
    switch (e->type->id) {
    case SQ_T_TINYINT: *v = *(const int8_t *)e->value->data; return true;
    case SQ_T_SMALLINT: *v = *(const int16_t *)e->value->data; return true;
    case SQ_T_INT: *v = *(const int32_t *)e->value->data; return true;
    case SQ_T_BIGINT: *v = *(const int64_t *)e->value->data; return true;
    default: return false;
    }
}

static bool is_number(const struct sq_expr *e, uint32_t col) { return e->kind == SQ_X_COL && e->col == col; }

/* Takes `number op constant` into [from, to]. */
static bool take_place(const struct sq_expr *e, uint32_t number, int64_t *from, int64_t *to)
{
    static const char *const ops[] = {"<=", "<", ">=", ">", "="}, *const turned[] = {">=", ">", "<=", "<", "="};
    int64_t v = 0;
    int op = -1;
    for (int i = 0; i < 5 && op < 0; i++) {
        if (!sq_expr_is_fn(e, ops[i]))
            continue;
        if (is_number(e->args[0], number) && int_of(e->args[1], &v))
            op = i;
        else if (is_number(e->args[1], number) && int_of(e->args[0], &v))
            for (int k = 0; k < 5; k++)
                op = strcmp(ops[k], turned[i]) == 0 ? k : op;
    }
    if (op < 0 || v > INT64_MAX / 2 || v < INT64_MIN / 2)
        return false;
    int64_t most = op == 0 || op == 4 ? v : op == 1 ? v - 1 : INT64_MAX, least = op == 2 || op == 4 ? v : op == 3 ? v + 1 : 1;
    *from = least > *from ? least : *from;
    *to = most < *to ? most : *to;
    return true;
}

static sq_rc find_places(struct sq_arena *a, struct sq_plan **slot)
{
    struct sq_plan *f = *slot, *p = f->inputs[0];
    struct sq_exprs all = {0}, rest = {0};
    struct sq_expr *e;
    SQ_TRY(sq_expr_conjuncts(a, f->u.filter.pred, &all));
    for (uint32_t i = 0; i < all.n; i++)
        if (!take_place(all.p[i], p->ncols - 1, &p->u.rank.from, &p->u.rank.to))
            SQ_TRY(sq_exprs_add(a, &rest, all.p[i]));
    if (rest.n == all.n)
        return SQ_OK;
    SQ_TRY(sq_expr_conjunction(a, &rest, &e));
    *slot = e ? sq_node_filter(a, p, e) : p;
    return *slot ? SQ_OK : SQ_NOMEM;
}

sq_rc sq_find_places(struct sq_arena *a, struct sq_plan **slot)
{
    for (uint32_t i = 0; i < (*slot)->ninputs; i++)
        SQ_TRY(sq_find_places(a, &(*slot)->inputs[i]));
    return (*slot)->kind == SQ_N_FILTER && (*slot)->inputs[0]->kind == SQ_N_RANK && (*slot)->inputs[0]->u.rank.number ? find_places(a, slot) : SQ_OK;
}

/* ---- when the tree is whole ---- */

static bool ordered_by(enum sq_time_attr t, const struct sq_plan *p, const struct sq_sort_key *keys, uint32_t n)
{
    return n == 1 && sq_plan_time(p->inputs[0], keys[0].col) == t;
}

/* Numbers all rows: COUNT(*) over those before. */
static sq_rc to_count(struct sq_bind_env *env, struct sq_plan *p)
{
    struct sq_agg_item *it = SQ_NEW(env->arena, struct sq_agg_item);
    if (!it)
        return SQ_NOMEM;
    *it = (struct sq_agg_item){.agg = sq_agg_find(SQ_STR("COUNT")), .arg = -1, .filter = -1, .ret = p->cols[p->ncols - 1].type};
    const uint32_t *partition = p->u.rank.partition, npartition = p->u.rank.npartition, nkeys = p->u.rank.nkeys;
    const struct sq_sort_key *keys = p->u.rank.keys;
    p->kind = SQ_N_OVER;
    p->u.over.partition = partition;
    p->u.over.npartition = npartition;
    p->u.over.keys = keys;
    p->u.over.nkeys = nkeys;
    p->u.over.rows = true;
    p->u.over.preceding = INT64_MAX;
    p->u.over.items = it;
    p->u.over.nitems = 1;
    return SQ_OK;
}

static sq_rc check_rank(struct sq_bind_env *env, struct sq_plan *p)
{
    bool timed = ordered_by(SQ_TIME_ROW, p, p->u.rank.keys, p->u.rank.nkeys), clocked = ordered_by(SQ_TIME_PROC, p, p->u.rank.keys, p->u.rank.nkeys);
    if (p->u.rank.to == INT64_MAX) {
        if (timed && !p->u.rank.keys[0].desc && p->u.rank.from <= 1 && p->u.rank.number)
            return to_count(env, p);
        sq_fail_at(env->ctx, SQ_UNSUPPORTED, p->span, "ROW_NUMBER needs a condition that says how many rows are wanted");
        return sq_hint(env->ctx, "SELECT … FROM (SELECT *, ROW_NUMBER() OVER (…) AS n FROM t) WHERE n <= 3; without one only ORDER BY an event time, ascending, is possible");
    }
    /* the rows of a batch have one processing time, and still come one after the other */
    p->u.rank.last_of_equals = (clocked || (timed && p->u.rank.to == 1)) && p->u.rank.keys[0].desc;
    p->u.rank.windowed = p->window != NULL;
    return SQ_OK;
}

static sq_rc check_over(struct sq_bind_env *env, struct sq_plan *p)
{
    const struct sq_sort_key *k = p->u.over.keys;
    bool event = ordered_by(SQ_TIME_ROW, p, k, p->u.over.nkeys);
    if (event && !k->desc)
        return SQ_OK;
    if (env->session.batch && p->u.over.rows)
        return SQ_OK;
    if (env->session.batch && p->u.over.nkeys == 1 && !k->desc && sq_tid_is_timestamp(p->inputs[0]->cols[k->col].type->id))
        return SQ_OK;
    sq_fail_at(env->ctx, SQ_SEMANTIC, p->span, "OVER goes by one event time, ascending");
    return sq_hint(env->ctx, "ORDER BY the column of the table's WATERMARK; ROW_NUMBER with a condition on the number takes any order");
}

sq_rc sq_check_overs(struct sq_bind_env *env, struct sq_plan *p)
{
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(sq_check_overs(env, p->inputs[i]));
    if (p->kind == SQ_N_RANK)
        return check_rank(env, p);
    return p->kind == SQ_N_OVER ? check_over(env, p) : SQ_OK;
}
