/* SPDX-License-Identifier: Apache-2.0
 *
 * window.c: windows. A window table function becomes a WINDOW node, which puts window_start, window_end and window_time behind the columns of its input; so does a
 * group window of the old kind (GROUP BY TUMBLE(ts, …)), whose TUMBLE_START and so on are these columns. Then, when the tree is whole:
 *
 *   an AGGREGATE by window_start and window_end      becomes a WINDOW_AGGREGATE
 *   directly over the WINDOW (but for projects)      takes its place: the operator finds the windows from the time, so a row is added once however many it lies in
 *   over anything else whose rows are of windows     is *attached*: the window is read from the columns
 *   a JOIN of equal windows on window_start and window_end     becomes a join of windows
 *
 * FLINK: the same, also that a condition between a SESSION and its aggregate applies before the sessions are made; window_start and window_end are TIMESTAMP(3) in local time, window_time is window_end less a millisecond, of the time column's type. In batch mode any
 * TIMESTAMP is time.
 */
#include "planner/bind.h"

static const struct { const char *name, *params[5]; uint32_t least; } kinds[] = {
    [SQ_WINDOW_TUMBLE] = {"TUMBLE", {"DATA", "TIMECOL", "SIZE", "OFFSET"}, 3},
    [SQ_WINDOW_HOP] = {"HOP", {"DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"}, 4},
    [SQ_WINDOW_CUMULATE] = {"CUMULATE", {"DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"}, 4},
    [SQ_WINDOW_SESSION] = {"SESSION", {"DATA", "TIMECOL", "GAP"}, 3},
};

int sq_window_kind(struct sq_str name)
{
    for (size_t i = 0; i < SQ_LEN(kinds); i++)
        if (sq_str_iis(name, kinds[i].name))
            return (int)i;
    return -1;
}

const char *sq_window_kind_name(enum sq_window_kind k) { return kinds[k].name; }

/* ---- arguments ---- */

static sq_rc interval(struct sq_binder *b, const struct sq_ast_expr *a, const char *what, bool may_be_negative, int64_t *us)
{
    struct sq_scope none = {0};
    struct sq_bind_x x = {.b = b, .scope = &none, .clause = what};
    struct sq_expr *e;
    SQ_TRY(sq_bind_expr(&x, a, &e));
    SQ_TRY(sq_rewrite_expr(b->env, e, &e));
    if (e->type->id == SQ_T_INTERVAL_YM)
        return SQ_WRONG(b, a->span, "a window cannot count months or years: they differ in length");
    if (e->kind != SQ_X_CONST || e->type->id != SQ_T_INTERVAL_DS || sq_vec_null(e->value, 0)) {
        SQ_WRONG(b, a->span, "%s of a window is a constant INTERVAL", what);
        return sq_hint(b->ctx, "write INTERVAL '10' SECOND");
    }
    *us = *(const int64_t *)e->value->data * 1000;
    if (!may_be_negative && *us <= 0)
        return SQ_WRONG(b, a->span, "%s of a window must be more than nothing", what);
    return SQ_OK;
}

static sq_rc check_spec(struct sq_binder *b, const struct sq_ast_expr *call, const struct sq_window_spec *w)
{
    if (w->kind == SQ_WINDOW_CUMULATE && w->size % w->step != 0)
        return SQ_WRONG(b, call->span, "CUMULATE: the size must be a multiple of the step");
    if (w->kind == SQ_WINDOW_TUMBLE && (w->offset >= w->size || w->offset <= -w->size))
        return SQ_WRONG(b, call->span, "TUMBLE: the offset must be less than the size");
    if ((w->kind == SQ_WINDOW_HOP || w->kind == SQ_WINDOW_CUMULATE) && w->size / w->step > SQ_WINDOWS_MOST)
        return sq_fail_at(b->ctx, SQ_LIMIT, sq_bind_span(b, call->span), "%s: a row would be in %lld windows, more than %d", kinds[w->kind].name, (long long)(w->size / w->step),
                          SQ_WINDOWS_MOST);
    return SQ_OK;
}

/* sizes: the intervals in the order of the parameters behind TIMECOL; n of them. */
static sq_rc make_spec(struct sq_binder *b, const struct sq_ast_expr *call, enum sq_window_kind kind, struct sq_ast_expr *const *sizes, struct sq_window_spec *w)
{
    bool two = kind == SQ_WINDOW_HOP || kind == SQ_WINDOW_CUMULATE;
    w->kind = kind;
    if (two)
        SQ_TRY(interval(b, sizes[0], kind == SQ_WINDOW_HOP ? "the slide" : "the step", false, &w->step));
    SQ_TRY(interval(b, sizes[two], kind == SQ_WINDOW_SESSION ? "the gap" : "the size", false, &w->size));
    if (kind == SQ_WINDOW_TUMBLE)
        w->step = w->size;
    if (kind != SQ_WINDOW_SESSION && sizes[two + 1])
        SQ_TRY(interval(b, sizes[two + 1], "the offset", true, &w->offset));
    return check_spec(b, call, w);
}

static sq_rc find_column(struct sq_binder *b, const struct sq_plan *in, struct sq_str name, struct sq_span span, uint32_t *col)
{
    struct sq_str names[64];
    uint32_t n = 0;
    for (*col = 0; *col < in->ncols && !sq_str_eq(in->cols[*col].name, name);)
        ++*col;
    if (*col < in->ncols)
        return SQ_OK;
    for (uint32_t i = 0; i < in->ncols && n < SQ_LEN(names); i++)
        names[n++] = in->cols[i].name;
    struct sq_str near = sq_nearest(name, names, n);
    SQ_WRONG(b, span, "no column '%.*s' in the table of the window function", SQ_FMT(name));
    return near.n ? sq_hint(b->ctx, "did you mean '%.*s'?", SQ_FMT(near)) : SQ_SEMANTIC;
}

static sq_rc check_time(struct sq_binder *b, struct sq_plan *in, uint32_t col, struct sq_span span, const char *function, struct sq_window_spec *spec)
{
    SQ_TRY(sq_time_annotate(b->arena, in));
    spec->time = sq_plan_time(in, col);
    spec->zoned = in->cols[col].type->id == SQ_T_TIMESTAMP_LTZ;
    if (sq_tid_is_timestamp(in->cols[col].type->id) && b->env->session.batch && spec->time == SQ_TIME_NONE)
        spec->time = SQ_TIME_ROW;
    if (spec->time != SQ_TIME_NONE)
        return SQ_OK;
    SQ_WRONG(b, span, "%s needs a time attribute, and '%.*s' is %s", function, SQ_FMT(in->cols[col].name),
             sq_tid_is_timestamp(in->cols[col].type->id) ? "a plain timestamp" : "no timestamp");
    return sq_hint(b->ctx, sq_tid_is_timestamp(in->cols[col].type->id)
                               ? "declare it in the table: WATERMARK FOR %.*s AS %.*s - INTERVAL '5' SECOND; a cast, GROUP BY or join on the way makes it plain"
                               : "declare a TIMESTAMP column with a WATERMARK, computed from '%.*s' where need be%.*s", SQ_FMT(in->cols[col].name),
                   sq_tid_is_timestamp(in->cols[col].type->id) ? (int)in->cols[col].name.n : 0, in->cols[col].name.p);
}

sq_rc sq_window_node(struct sq_binder *b, struct sq_plan *in, uint32_t time, const struct sq_window_spec *spec, struct sq_span span, struct sq_plan **out)
{
    static const char *const names[] = {"window_start", "window_end", "window_time"};
    struct sq_plan *p = sq_node_new(b->arena, SQ_N_WINDOW, in, sq_bind_span(b, span));
    struct sq_field *cols = SQ_NEW_ARRAY(b->arena, struct sq_field, in->ncols + 3);
    const struct sq_type *bound = sq_type_nullable(b->arena, &sq_type_timestamp3, false), *t = sq_type_nullable(b->arena, spec->zoned ? &sq_type_ltz3 : &sq_type_timestamp3, false);
    if (!p || !cols || !bound || !t)
        return SQ_NOMEM;
    if (in->ncols)
        memcpy(cols, in->cols, sizeof(*cols) * in->ncols);
    for (uint32_t i = 0; i < 3; i++)
        cols[in->ncols + i] = (struct sq_field){sq_str_of(names[i]), i < 2 ? bound : t};
    p->cols = cols;
    p->ncols = in->ncols + 3;
    p->u.window.spec = spec;
    p->u.window.time = time;
    *out = p;
    return sq_time_annotate(b->arena, p);
}

/* The arguments in the order of the parameters; named ones where they belong. */
static sq_rc arrange(struct sq_binder *b, const struct sq_ast_expr *call, enum sq_window_kind kind, struct sq_ast_expr **args)
{
    uint32_t n = 0;
    while (n < SQ_LEN(kinds[kind].params) && kinds[kind].params[n])
        n++;
    if (call->nargs > n)
        return SQ_WRONG(b, call->span, "%s takes %u to %u arguments, not %u", kinds[kind].name, kinds[kind].least, n, call->nargs);
    for (uint32_t i = 0; i < call->nargs; i++) {
        struct sq_ast_expr *a = call->args[i];
        uint32_t k = i;
        if (a->kind == SQ_A_NAMED_ARG) {
            for (k = 0; k < n && !sq_str_iis(a->text, kinds[kind].params[k]);)
                k++;
            if (k == n)
                return SQ_WRONG(b, a->at, "%s has no parameter '%.*s'", kinds[kind].name, SQ_FMT(a->text));
            a = a->args[0];
        }
        if (args[k])
            return SQ_WRONG(b, call->args[i]->span, "%s: '%s' is given twice", kinds[kind].name, kinds[kind].params[k]);
        args[k] = a;
    }
    for (uint32_t k = 0; k < kinds[kind].least; k++)
        if (!args[k])
            return SQ_WRONG(b, call->span, "%s: '%s' is missing", kinds[kind].name, kinds[kind].params[k]);
    return SQ_OK;
}

static sq_rc partition_of(struct sq_binder *b, const struct sq_ast_expr *table, struct sq_plan *in, struct sq_plan *p)
{
    uint32_t *cols = SQ_NEW_ARRAY(b->arena, uint32_t, table->nargs ? table->nargs : 1);
    if (!cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < table->nargs; i++) {
        if (table->args[i]->kind != SQ_A_NAME || table->args[i]->name.n != 1)
            return SQ_WRONG(b, table->args[i]->span, "PARTITION BY of a window function names columns of its table");
        SQ_TRY(find_column(b, in, table->args[i]->name.part[0], table->args[i]->span, &cols[i]));
    }
    p->u.window.partition = cols;
    p->u.window.npartition = table->nargs;
    return SQ_OK;
}

sq_rc sq_bind_window(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan **out)
{
    const struct sq_ast_expr *call = f->call;
    enum sq_window_kind kind = (enum sq_window_kind)sq_window_kind(call->text);
    struct sq_ast_expr *args[6] = {NULL};
    struct sq_window_spec *spec = SQ_NEW(b->arena, struct sq_window_spec);
    struct sq_scope scope;
    struct sq_plan *in;
    uint32_t time;
    if (!spec)
        return SQ_NOMEM;
    SQ_TRY(arrange(b, call, kind, args));
    if (args[0]->kind != SQ_A_TABLE_ARG)
        return SQ_WRONG(b, args[0]->span, "the first argument of %s is a table: TABLE t, or (SELECT …)", kinds[kind].name);
    if (args[1]->kind != SQ_A_DESCRIPTOR || args[1]->nargs != 1)
        return SQ_WRONG(b, args[1]->span, "the second argument of %s names the time column: DESCRIPTOR(ts)", kinds[kind].name);
    if (args[0]->norder)
        return SQ_WRONG(b, args[0]->span, "ORDER BY means nothing to %s: rows are in the order of time", kinds[kind].name);
    if (args[0]->nargs && kind != SQ_WINDOW_SESSION)
        return SQ_WRONG(b, args[0]->span, "PARTITION BY means nothing to %s: its windows are the same for all rows", kinds[kind].name);
    SQ_TRY(sq_bind_from(b, args[0]->from, &in, &scope));
    SQ_TRY(find_column(b, in, args[1]->args[0]->name.part[0], args[1]->span, &time));
    SQ_TRY(make_spec(b, call, kind, args + 2, spec));
    SQ_TRY(check_time(b, in, time, args[1]->span, kinds[kind].name, spec));
    SQ_TRY(sq_window_node(b, in, time, spec, f->span, out));
    return kind == SQ_WINDOW_SESSION ? partition_of(b, args[0], in, *out) : SQ_OK;
}

/* ---- group windows ---- */

sq_rc sq_bind_group_window(struct sq_bind_x *x, const struct sq_ast_expr *call, struct sq_plan *in, struct sq_plan **out)
{
    struct sq_binder *b = x->b;
    enum sq_window_kind kind = (enum sq_window_kind)sq_window_kind(call->text);
    uint32_t least = kinds[kind].least - 1;                      /* without DATA */
    struct sq_window_spec *spec = SQ_NEW(b->arena, struct sq_window_spec);
    struct sq_ast_expr *sizes[4] = {NULL};
    struct sq_expr *time;
    if (!spec)
        return SQ_NOMEM;
    if (call->nargs < least || call->nargs > least + (kind != SQ_WINDOW_SESSION))
        return SQ_WRONG(b, call->span, "%s in GROUP BY takes %u arguments: %s", kinds[kind].name, least,
                        kind == SQ_WINDOW_HOP ? "the time, the slide, the size" : kind == SQ_WINDOW_SESSION ? "the time, the gap" : "the time, the size");
    SQ_TRY(sq_bind_expr(x, call->args[0], &time));
    if (time->kind != SQ_X_COL)
        return SQ_WRONG(b, call->args[0]->span, "%s in GROUP BY needs a time attribute, a column", kinds[kind].name);
    for (uint32_t i = 1; i < call->nargs; i++)
        sizes[i - 1] = call->args[i];
    SQ_TRY(make_spec(b, call, kind, sizes, spec));
    SQ_TRY(check_time(b, in, time->col, call->args[0]->span, kinds[kind].name, spec));
    SQ_TRY(sq_window_node(b, in, time->col, spec, call->span, out));
    (*out)->u.window.by_group = true;
    return SQ_OK;
}

/* ---- aggregates of windows ---- */

struct fold {
    struct sq_arena *a;
    struct sq_plan *agg, *in;              /* the aggregate, and its input */
    const struct sq_plan_window *w;
    struct sq_plan *tvf;                   /* NULL: attached */
    struct sq_expr *filter;                /* between the two, of SESSION; NULL: none */
    struct sq_plan *expand;                /* GROUPING SETS over `in`; NULL: none */
};

static bool is_bound(const struct sq_plan_window *w, uint32_t col) { return col == w->start || col == w->end || (col == w->time && w->time != UINT32_MAX); }

/* The expression of the input's column over the input of the window function. NULL: it has to do with the window. */
static struct sq_expr *below(const struct fold *f, uint32_t col)
{
    const struct sq_plan *in = f->in;
    uint32_t n = f->tvf->inputs[0]->ncols;
    struct sq_expr *e;
    if (in->kind != SQ_N_PROJECT)
        return col < n ? sq_expr_col(f->a, col, in->cols[col].type, (struct sq_span){0, 0}) : NULL;
    e = in->u.project.exprs[col];
    return sq_expr_within(e, 0, n) ? e : NULL;
}

/* The number of the grouping set. */
static bool is_set(const struct fold *f, uint32_t col) { return f->expand && col == f->expand->ncols - 1; }

static bool same_keys(const struct fold *f)
{
    const struct sq_plan *p = f->agg, *t = f->tvf;
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->u.agg.ngroup; i++) {
        if (is_bound(f->w, p->u.agg.group[i]))
            continue;
        const struct sq_expr *e = below(f, p->u.agg.group[i]);
        uint32_t k = 0;
        while (e && k < t->u.window.npartition && !(e->kind == SQ_X_COL && e->col == t->u.window.partition[k]))
            k++;
        if (!e || k == t->u.window.npartition)
            return false;
        n++;
    }
    return n == t->u.window.npartition;
}

/* The window function that the aggregate can take the place of. */
static void look_below(struct fold *f)
{
    struct sq_plan *t = f->in->kind == SQ_N_PROJECT ? f->in->inputs[0] : f->in;
    const struct sq_plan *p = f->agg;
    if (t->kind == SQ_N_FILTER && t->inputs[0]->kind == SQ_N_WINDOW && sq_expr_within(t->u.filter.pred, 0, t->inputs[0]->inputs[0]->ncols)) {
        f->filter = t->u.filter.pred;
        t = t->inputs[0];
    }
    bool ok = t->kind == SQ_N_WINDOW;
    if (!ok)
        return;
    f->tvf = t;
    for (uint32_t i = 0; i < p->u.agg.ngroup; i++)
        ok = ok && (is_bound(f->w, p->u.agg.group[i]) || is_set(f, p->u.agg.group[i]) || below(f, p->u.agg.group[i]));
    for (uint32_t i = 0; i < p->u.agg.nitems; i++)
        ok = ok && (p->u.agg.items[i].arg < 0 || below(f, (uint32_t)p->u.agg.items[i].arg)) && (p->u.agg.items[i].filter < 0 || below(f, (uint32_t)p->u.agg.items[i].filter));
    if (!ok || (t->u.window.spec->kind == SQ_WINDOW_SESSION && !t->u.window.by_group && (f->expand || !same_keys(f))))
        f->tvf = NULL;
}

static void find_function(struct fold *f)
{
    if (f->in->kind == SQ_N_EXPAND) {                            /* it goes below the windows: rows come once per set, not once per set and window */
        f->expand = f->in;
        f->in = f->expand->inputs[0];
    }
    look_below(f);
    if (f->expand && !f->tvf) {
        f->in = f->expand;
        f->expand = NULL;
    }
}

/* A column of the new input: what `col` of the old one is; shared with those from `from` on. */
static sq_rc take(struct fold *f, struct sq_exprs *l, uint32_t from, uint32_t col, uint32_t *at)
{
    struct sq_expr *e = below(f, col);
    if (!e)
        return SQ_NOMEM;
    for (*at = from; *at < l->n; ++*at)
        if (sq_expr_equal(l->p[*at], e))
            return SQ_OK;
    return sq_exprs_add(f->a, l, e);
}

/* The sets over the group columns that are no bounds of windows, which are in every set: these columns come first in the list. */
static sq_rc expand_below(struct fold *f, const struct sq_plan *p, const uint32_t *group, struct sq_exprs *l, struct sq_plan **out)
{
    const struct sq_plan *old = f->expand;
    struct sq_plan *ex = sq_node_new(f->a, SQ_N_EXPAND, NULL, old->span);
    uint64_t *sets = SQ_NEW_ARRAY(f->a, uint64_t, old->u.expand.nsets);
    if (!ex || !sets)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->u.agg.ngroup; i++) {
        if (is_set(f, group[i]))
            continue;
        for (uint32_t k = 0; k < old->u.expand.nsets; k++)
            sets[k] |= (old->u.expand.sets[k] >> group[i] & 1) << l->n;
        SQ_TRY(sq_exprs_add(f->a, l, below(f, group[i])));
    }
    ex->u.expand.ngroup = l->n;
    ex->u.expand.sets = sets;
    ex->u.expand.nsets = old->u.expand.nsets;
    *out = ex;
    return SQ_OK;
}

/* Puts the node between the aggregate and its input, and finds the group columns there. */
static sq_rc put_expand(struct fold *f, struct sq_plan *p, struct sq_plan *ex, uint32_t *group)
{
    struct sq_plan *in = p->inputs[0];
    struct sq_field *cols = SQ_NEW_ARRAY(f->a, struct sq_field, in->ncols + 1);
    uint32_t k = 0;
    if (!cols || !(ex->inputs = SQ_NEW_ARRAY(f->a, struct sq_plan *, 1)))
        return SQ_NOMEM;
    for (uint32_t i = 0; i < in->ncols; i++)
        cols[i] = in->cols[i];
    cols[in->ncols] = f->expand->cols[f->expand->ncols - 1];
    for (uint32_t i = 0; i < p->u.agg.ngroup; i++) {
        if (is_set(f, group[i])) {
            group[i] = in->ncols;
            continue;
        }
        cols[k] = f->expand->cols[group[i]];
        group[i] = k++;
    }
    ex->inputs[0] = in;
    ex->ninputs = 1;
    ex->cols = cols;
    ex->ncols = in->ncols + 1;
    p->inputs[0] = ex;
    return SQ_OK;
}

/* The node over what the window function reads, its columns those that are wanted and the time. */
static sq_rc folded(struct fold *f, struct sq_plan *p, uint32_t *group, struct sq_agg_item *items)
{
    struct sq_exprs l = {0};
    struct sq_plan *src = f->filter ? sq_node_filter(f->a, f->tvf->inputs[0], f->filter) : f->tvf->inputs[0];
    struct sq_plan *ex = NULL;
    uint32_t at, own = 0;                                        /* with sets, group columns are nobody else's */
    if (!src)
        return SQ_NOMEM;
    if (f->expand)
        SQ_TRY(expand_below(f, p, group, &l, &ex));
    for (uint32_t i = 0; i < p->u.agg.ngroup && !ex; i++)
        SQ_TRY(take(f, &l, 0, group[i], &group[i]));
    own = ex ? l.n : 0;
    for (uint32_t i = 0; i < p->u.agg.nitems; i++) {
        if (items[i].arg >= 0) {
            SQ_TRY(take(f, &l, own, (uint32_t)items[i].arg, &at));
            items[i].arg = (int32_t)at;
        }
        if (items[i].filter >= 0) {
            SQ_TRY(take(f, &l, own, (uint32_t)items[i].filter, &at));
            items[i].filter = (int32_t)at;
        }
    }
    struct sq_expr *time = sq_expr_col(f->a, f->tvf->u.window.time, src->cols[f->tvf->u.window.time].type, (struct sq_span){0, 0});
    for (at = own; time && at < l.n && !sq_expr_equal(l.p[at], time);)
        at++;
    if (at == l.n)
        SQ_TRY(sq_exprs_add(f->a, &l, time));
    p->u.agg.time = at;
    struct sq_str *names = SQ_NEW_ARRAY(f->a, struct sq_str, l.n);
    if (!names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < l.n; i++)
        SQ_TRY(sq_expr_label(f->a, l.p[i], src, &names[i]));
    if (!(p->inputs[0] = sq_node_project(f->a, src, l.p, l.n, names)))
        return SQ_NOMEM;
    return ex ? put_expand(f, p, ex, group) : SQ_OK;
}

/* Its output: the other group columns, the aggregates, the window. */
static sq_rc output_of(struct fold *f, struct sq_plan *p, const uint32_t *from)
{
    const struct sq_plan *old = f->agg;
    uint32_t n = p->u.agg.ngroup + p->u.agg.nitems;
    struct sq_field *cols = SQ_NEW_ARRAY(f->a, struct sq_field, n + 3);
    const struct sq_type *bound = sq_type_nullable(f->a, &sq_type_timestamp3, false);
    const struct sq_type *t = sq_type_nullable(f->a, p->u.agg.window->zoned ? &sq_type_ltz3 : &sq_type_timestamp3, false);
    if (!cols || !bound || !t)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->u.agg.ngroup; i++)
        cols[i] = old->cols[from[i]];
    for (uint32_t i = 0; i < p->u.agg.nitems; i++)
        cols[p->u.agg.ngroup + i] = old->cols[old->u.agg.ngroup + i];
    cols[n] = (struct sq_field){SQ_STR("window_start"), bound};
    cols[n + 1] = (struct sq_field){SQ_STR("window_end"), bound};
    cols[n + 2] = (struct sq_field){SQ_STR("window_time"), t};
    p->cols = cols;
    p->ncols = n + 3;
    return SQ_OK;
}

/* Back to the columns of the old aggregate. */
static sq_rc old_columns(struct fold *f, struct sq_plan *p, struct sq_plan **out)
{
    const struct sq_plan *old = f->agg;
    uint32_t *pick = SQ_NEW_ARRAY(f->a, uint32_t, old->ncols + 1), k = 0, at = p->u.agg.ngroup + p->u.agg.nitems;
    if (!pick)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < old->u.agg.ngroup; i++) {
        uint32_t col = old->u.agg.group[i];
        pick[i] = col == f->w->start ? at : col == f->w->end ? at + 1 : is_bound(f->w, col) ? at + 2 : k++;
    }
    for (uint32_t i = 0; i < old->u.agg.nitems; i++)
        pick[old->u.agg.ngroup + i] = p->u.agg.ngroup + i;
    if (!(*out = sq_node_select(f->a, p, pick, old->ncols)))
        return SQ_NOMEM;
    (*out)->cols = old->cols;
    return SQ_OK;
}

static sq_rc to_window_aggregate(struct sq_arena *a, struct sq_plan **slot)
{
    struct fold f = {.a = a, .agg = *slot, .in = (*slot)->inputs[0], .w = (*slot)->inputs[0]->window};
    uint32_t *group = SQ_NEW_ARRAY(a, uint32_t, f.agg->u.agg.ngroup + 1), *from = SQ_NEW_ARRAY(a, uint32_t, f.agg->u.agg.ngroup + 1);
    struct sq_agg_item *items = SQ_NEW_ARRAY(a, struct sq_agg_item, f.agg->u.agg.nitems + 1);
    struct sq_plan *p = SQ_NEW(a, struct sq_plan);
    if (!group || !from || !items || !p)
        return SQ_NOMEM;
    find_function(&f);
    *p = *f.agg;
    p->kind = SQ_N_WINDOW_AGGREGATE;
    if (!(p->inputs = SQ_NEW_ARRAY(a, struct sq_plan *, 1)))
        return SQ_NOMEM;
    p->inputs[0] = f.in;
    p->u.agg.ngroup = 0;
    for (uint32_t i = 0; i < f.agg->u.agg.ngroup; i++)
        if (!is_bound(f.w, f.agg->u.agg.group[i])) {
            from[p->u.agg.ngroup] = i;
            group[p->u.agg.ngroup++] = f.agg->u.agg.group[i];
        }
    if (f.agg->u.agg.nitems)
        memcpy(items, f.agg->u.agg.items, sizeof(*items) * f.agg->u.agg.nitems);
    p->u.agg.group = group;
    p->u.agg.items = items;
    p->u.agg.window = f.w->spec;
    p->u.agg.attached = !f.tvf;
    p->u.agg.start = f.w->start;
    p->u.agg.end = f.w->end;
    p->u.agg.global = false;
    if (f.tvf)
        SQ_TRY(folded(&f, p, group, items));
    SQ_TRY(output_of(&f, p, from));
    SQ_TRY(old_columns(&f, p, slot));
    return sq_time_annotate(a, *slot);
}

/* ---- joins of windows ---- */

static bool has_key(const struct sq_plan *p, uint32_t left, uint32_t right)
{
    for (uint32_t i = 0; i < p->u.join.nkeys; i++)
        if (p->u.join.keys[i].left == left && p->u.join.keys[i].right == right && !(p->u.join.null_safe && p->u.join.null_safe[i]))
            return true;
    return false;
}

static bool joins_windows(const struct sq_plan *p)
{
    const struct sq_plan_window *l = p->inputs[0]->window, *r = p->inputs[1]->window;
    return l && r && sq_window_same(l->spec, r->spec) && has_key(p, l->start, r->start) && has_key(p, l->end, r->end);
}

sq_rc sq_find_windows(struct sq_arena *a, struct sq_plan **slot)
{
    struct sq_plan *p = *slot;
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(sq_find_windows(a, &p->inputs[i]));
    SQ_TRY(sq_time_annotate(a, p));
    if (p->kind == SQ_N_AGGREGATE && sq_groups_by_window(p))
        return to_window_aggregate(a, slot);
    if (p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_REGULAR && joins_windows(p)) {
        p->u.join.how = SQ_JOIN_OF_WINDOWS;                      /* a regular join again, where a side is updated: changelog.c */
        return sq_time_annotate(a, p);
    }
    if (p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_TEMPORAL)
        return sq_find_temporal(a, p);
    return p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_REGULAR ? sq_find_interval(a, p) : SQ_OK;
}

sq_rc sq_check_windows(struct sq_ctx *ctx, const struct sq_plan *p)
{
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(sq_check_windows(ctx, p->inputs[i]));
    if (p->kind != SQ_N_WINDOW || p->u.window.spec->time != SQ_TIME_PROC)
        return SQ_OK;
    sq_fail_at(ctx, SQ_UNSUPPORTED, p->span, "windows of processing time are for GROUP BY window_start, window_end directly over them");
    return sq_hint(ctx, "the clock says in which window a row is, and closes it: for anything else use windows of a WATERMARK column");
}
