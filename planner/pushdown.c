/* SPDX-License-Identifier: Apache-2.0
 *
 * pushdown.c: filters go down to where their columns come from, joins find their keys, and columns that nobody looks at are not read.
 *
 * Filters. A node is handed the conditions from above as a list of conjuncts over its output; it keeps those that must stay above it and hands
 * on the rest. What is not pure (random numbers, the clock) stays where it was written. Nothing goes below a watermark (it would change the
 * watermarks), a LIMIT or a global aggregate. A join takes, of the conjuncts above (A) and in ON (O):
 *
 *              left side's            right side's           stays in ON         stays above
 *   INNER      from A and O           from A and O           rest of A and O     nothing
 *   LEFT       from A                 from O                 rest of O           rest of A
 *   RIGHT      from O                 from A                 rest of O           rest of A
 *   FULL       nothing                nothing                O                   A
 *
 * Of a temporal join nothing goes to the right side: it would find other versions.
 *
 * An outer join becomes an inner one (or FULL a LEFT or RIGHT) when a condition above is never TRUE for the rows padded with NULLs.
 *
 * Keys. What is left in ON and says `expression of the left = expression of the right` (or IS NOT DISTINCT FROM) is a key; expressions that are
 * not columns are computed by a project below the join.
 */
#include "planner/bind.h"

/* ---- filters ---- */

static sq_rc push(struct sq_arena *a, struct sq_plan *p, const struct sq_exprs *preds, struct sq_plan **out);

/* A filter with these conjuncts over p; p itself for none. */
static sq_rc filtered(struct sq_arena *a, struct sq_plan *p, const struct sq_exprs *preds, struct sq_plan **out)
{
    struct sq_expr *e;
    *out = p;
    SQ_TRY(sq_expr_conjunction(a, preds, &e));
    if (e && !(*out = sq_node_filter(a, p, e)))
        return SQ_NOMEM;
    return SQ_OK;
}

static sq_rc push_inputs(struct sq_arena *a, struct sq_plan *p)
{
    struct sq_exprs none = {0};
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(push(a, p->inputs[i], &none, &p->inputs[i]));
    return SQ_OK;
}

static sq_rc push_filter(struct sq_arena *a, struct sq_plan *p, const struct sq_exprs *preds, struct sq_plan **out)
{
    struct sq_exprs all = {0};
    SQ_TRY(sq_expr_conjuncts(a, p->u.filter.pred, &all));
    for (uint32_t i = 0; i < preds->n; i++)
        SQ_TRY(sq_exprs_add(a, &all, preds->p[i]));
    return push(a, p->inputs[0], &all, out);
}

/* The expressions of the project that a condition would repeat are all pure. */
static bool may_repeat(const struct sq_expr *e, struct sq_expr *const *exprs)
{
    if (e->kind == SQ_X_COL)
        return sq_expr_pure(exprs[e->col]);
    for (uint32_t i = 0; i < e->nargs; i++)
        if (!may_repeat(e->args[i], exprs))
            return false;
    return true;
}

/* The condition over the node's input, or NULL in *below where it must stay above the node. */
typedef sq_rc below_fn(struct sq_arena *, const struct sq_plan *, struct sq_expr *, struct sq_expr **below);

static sq_rc below_project(struct sq_arena *a, const struct sq_plan *p, struct sq_expr *e, struct sq_expr **below)
{
    *below = NULL;
    return may_repeat(e, p->u.project.exprs) ? sq_expr_subst(a, e, p->u.project.exprs, below) : SQ_OK;
}

static bool of_window(const struct sq_plan_window *w, const struct sq_expr *e)
{
    if (e->kind == SQ_X_COL)
        return e->col == w->start || e->col == w->end || e->col == w->time;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (of_window(w, e->args[i]))
            return true;
    return false;
}

static sq_rc below_aggregate(struct sq_arena *a, const struct sq_plan *p, struct sq_expr *e, struct sq_expr **below)
{
    bool of_key = !p->u.agg.global && sq_expr_has_col(e) && sq_expr_within(e, 0, p->u.agg.ngroup);
    *below = NULL;
    if (!of_key)
        return SQ_OK;
    SQ_TRY(sq_expr_remap(a, e, p->u.agg.group, below));
    if (sq_groups_by_window(p) && of_window(p->inputs[0]->window, *below))     /* a filter between windows and their aggregate would keep them from becoming one */
        *below = NULL;
    return SQ_OK;
}

/* Conditions on the input's own columns. FLINK: those over sessions too, so sessions are of the rows that satisfy them. */
static sq_rc below_window(struct sq_arena *a, const struct sq_plan *p, struct sq_expr *e, struct sq_expr **below)
{
    (void)a;
    *below = sq_expr_has_col(e) && sq_expr_within(e, 0, p->inputs[0]->ncols) ? e : NULL;
    return SQ_OK;
}

static sq_rc below_union(struct sq_arena *a, const struct sq_plan *p, struct sq_expr *e, struct sq_expr **below)
{
    (void)a, (void)p;
    *below = e;
    return SQ_OK;
}

/* What is of columns that are in every set. */
static sq_rc below_expand(struct sq_arena *a, const struct sq_plan *p, struct sq_expr *e, struct sq_expr **below)
{
    bool *used = SQ_NEW_ARRAY(a, bool, p->ncols), may = true;
    if (!used)
        return SQ_NOMEM;
    sq_expr_cols(e, used);
    for (uint32_t i = 0; i < p->u.expand.ngroup; i++)
        for (uint32_t k = 0; k < p->u.expand.nsets; k++)
            may &= !used[i] || (p->u.expand.sets[k] >> i & 1);
    *below = may && !used[p->ncols - 1] ? e : NULL;
    return SQ_OK;
}

static sq_rc below_unnest(struct sq_arena *a, const struct sq_plan *p, struct sq_expr *e, struct sq_expr **below)
{
    *below = NULL;
    return sq_expr_within(e, 0, p->u.unnest.npass) ? sq_expr_remap(a, e, p->u.unnest.pass, below) : SQ_OK;
}

static sq_rc push_through(struct sq_arena *a, struct sq_plan *p, const struct sq_exprs *preds, below_fn *fn, struct sq_plan **out)
{
    struct sq_exprs below = {0}, above = {0};
    for (uint32_t i = 0; i < preds->n; i++) {
        struct sq_expr *e = NULL;
        if (sq_expr_pure(preds->p[i]))
            SQ_TRY(fn(a, p, preds->p[i], &e));
        SQ_TRY(sq_exprs_add(a, e ? &below : &above, e ? e : preds->p[i]));
    }
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(push(a, p->inputs[i], &below, &p->inputs[i]));
    return filtered(a, p, &above, out);
}

/* ---- joins ---- */

/* NULL whenever the columns [from, to) are. */
static bool null_with(const struct sq_expr *e, uint32_t from, uint32_t to)
{
    if (e->kind == SQ_X_COL)
        return e->col >= from && e->col < to;
    if ((e->kind == SQ_X_CALL && !(e->fn->flags & SQ_STRICT)) || (e->kind != SQ_X_CALL && e->kind != SQ_X_CAST && e->kind != SQ_X_FIELD))
        return false;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (null_with(e->args[i], from, to))
            return true;
    return false;
}

/* Not TRUE when the columns [from, to) are all NULL. */
static bool rejects_null(const struct sq_expr *e, uint32_t from, uint32_t to)
{
    if (e->kind == SQ_X_AND || e->kind == SQ_X_OR) {
        bool all = true, any = false;
        for (uint32_t i = 0; i < e->nargs; i++) {
            bool r = rejects_null(e->args[i], from, to);
            all &= r;
            any |= r;
        }
        return e->kind == SQ_X_AND ? any : all;
    }
    if (sq_expr_is_fn(e, "IS NOT NULL") || sq_expr_is_fn(e, "IS TRUE"))
        return null_with(e->args[0], from, to);
    return null_with(e, from, to);
}

static void simplify_outer(struct sq_plan *p, const struct sq_exprs *above)
{
    uint32_t nleft = p->inputs[0]->ncols;
    bool left = false, right = false;                            /* rows padded on this side are rejected */
    for (uint32_t i = 0; i < above->n; i++) {
        left |= rejects_null(above->p[i], 0, nleft);
        right |= rejects_null(above->p[i], nleft, p->ncols);
    }
    if (right && p->u.join.kind == SQ_JOIN_LEFT)
        p->u.join.kind = SQ_JOIN_INNER;
    else if (left && p->u.join.kind == SQ_JOIN_RIGHT)
        p->u.join.kind = SQ_JOIN_INNER;
    else if (p->u.join.kind == SQ_JOIN_FULL)
        p->u.join.kind = left && right ? SQ_JOIN_INNER : left ? SQ_JOIN_LEFT : right ? SQ_JOIN_RIGHT : SQ_JOIN_FULL;
}

struct sides {
    struct sq_exprs left, right, on, above;
};

static sq_rc sort_out(struct sq_arena *a, const struct sq_plan *p, const struct sq_exprs *list, bool from_on, struct sides *s)
{
    uint32_t nleft = p->inputs[0]->ncols;
    enum sq_join_kind k = p->u.join.kind;
    if (k == SQ_JOIN_SEMI || k == SQ_JOIN_ANTI)                  /* nobody above sees the right side */
        k = SQ_JOIN_LEFT;
    bool to_left = k == SQ_JOIN_INNER || k == (from_on ? SQ_JOIN_RIGHT : SQ_JOIN_LEFT);
    bool to_right = (k == SQ_JOIN_INNER || k == (from_on ? SQ_JOIN_LEFT : SQ_JOIN_RIGHT)) && p->u.join.how != SQ_JOIN_TEMPORAL;
    for (uint32_t i = 0; i < list->n; i++) {
        struct sq_expr *e = list->p[i];
        bool pure = sq_expr_pure(e);
        if (pure && to_left && sq_expr_within(e, 0, nleft)) {
            SQ_TRY(sq_exprs_add(a, &s->left, e));
        } else if (pure && to_right && sq_expr_within(e, nleft, p->ncols)) {
            SQ_TRY(sq_expr_shift(a, e, -(int64_t)nleft, &e));
            SQ_TRY(sq_exprs_add(a, &s->right, e));
        } else {
            bool on = from_on || (k == SQ_JOIN_INNER && pure);
            SQ_TRY(sq_exprs_add(a, on ? &s->on : &s->above, e));
        }
    }
    return SQ_OK;
}

/* ---- keys of joins ---- */

struct key_list {
    struct sq_exprs left, right;           /* over the join's output */
    bool *null_safe;
    uint32_t n;
};

static bool same_bytes(const struct sq_type *a, const struct sq_type *b)
{
    return a->id == SQ_T_DECIMAL || b->id == SQ_T_DECIMAL ? sq_type_equal(a, b, false)
         : (a->id == b->id || (sq_tid_is_string(a->id) && sq_tid_is_string(b->id)) || (sq_tid_is_binary(a->id) && sq_tid_is_binary(b->id))) && a->nchild == 0
           && sq_type_phys(a) == sq_type_phys(b);
}

static struct sq_expr *cast_key(struct sq_arena *a, struct sq_expr *e, const struct sq_type *t)
{
    if (sq_type_equal(e->type, t, false))
        return e;
    struct sq_expr *c = sq_expr_new(a, SQ_X_CAST, sq_type_nullable(a, t, e->type->nullable), e->span, 1);
    if (c)
        c->args[0] = e;
    return c;
}

/* Takes the conjunct as a key where it is one. */
static sq_rc take_key(struct sq_arena *a, const struct sq_plan *p, struct sq_expr *e, struct key_list *keys, bool *taken)
{
    uint32_t nleft = p->inputs[0]->ncols;
    bool safe = sq_expr_is_fn(e, "IS NOT DISTINCT FROM");
    *taken = false;
    if (!(safe || sq_expr_is_fn(e, "=")) || !sq_expr_pure(e))
        return SQ_OK;
    struct sq_expr *l = e->args[0], *r = e->args[1];
    if (!sq_expr_has_col(l) || !sq_expr_has_col(r))
        return SQ_OK;
    if (sq_expr_within(l, nleft, p->ncols) && sq_expr_within(r, 0, nleft)) {
        struct sq_expr *swap = l;
        l = r;
        r = swap;
    }
    if (!sq_expr_within(l, 0, nleft) || !sq_expr_within(r, nleft, p->ncols))
        return SQ_OK;
    if (!same_bytes(l->type, r->type)) {
        a->ctx->err.rc = SQ_OK;
        const struct sq_type *t = sq_type_common(a, l->type, r->type);
        if (!t)
            return a->ctx->err.rc;                               /* no common type: it stays a condition */
        if ((!sq_type_equal(l->type, t, false) && !sq_cast_kernel(l->type, t)) || (!sq_type_equal(r->type, t, false) && !sq_cast_kernel(r->type, t)))
            return SQ_OK;
        if (!(l = cast_key(a, l, t)) || !(r = cast_key(a, r, t)))
            return SQ_NOMEM;
    }
    SQ_TRY(sq_expr_shift(a, r, -(int64_t)nleft, &r));
    SQ_TRY(sq_exprs_add(a, &keys->left, l));
    SQ_TRY(sq_exprs_add(a, &keys->right, r));
    keys->null_safe[keys->n++] = safe;
    *taken = true;
    return SQ_OK;
}

/* Puts the key expressions that are not columns beside the input's columns. cols[i]: where key i is then. */
static sq_rc compute_keys(struct sq_arena *a, struct sq_plan **in, const struct sq_exprs *keys, uint32_t *cols)
{
    struct sq_plan *p = *in;
    struct sq_exprs all = {0};
    for (uint32_t i = 0; i < p->ncols; i++)
        SQ_TRY(sq_exprs_add(a, &all, sq_expr_col(a, i, p->cols[i].type, (struct sq_span){0, 0})));
    for (uint32_t i = 0; i < keys->n; i++) {
        uint32_t k = 0;
        while (k < all.n && !sq_expr_equal(all.p[k], keys->p[i]))
            k++;
        if (k == all.n)
            SQ_TRY(sq_exprs_add(a, &all, keys->p[i]));
        cols[i] = k;
    }
    if (all.n == p->ncols)
        return SQ_OK;
    struct sq_str *names = SQ_NEW_ARRAY(a, struct sq_str, all.n);
    if (!names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < all.n; i++) {
        if (i < p->ncols)
            names[i] = p->cols[i].name;
        else
            SQ_TRY(sq_expr_label(a, all.p[i], p, &names[i]));
    }
    *in = sq_node_project(a, p, all.p, all.n, names);
    return *in ? SQ_OK : SQ_NOMEM;
}

/* After key columns were added to the inputs: the join's output is wider, conditions move, and a project above restores the old columns. */
static sq_rc widen_join(struct sq_arena *a, struct sq_plan *p, uint32_t nleft, uint32_t nright, struct sq_exprs *on, struct sq_plan **out)
{
    struct sq_plan *l = p->inputs[0], *r = p->inputs[1];
    uint32_t n = l->ncols + r->ncols, *to = SQ_NEW_ARRAY(a, uint32_t, p->ncols ? p->ncols : 1);
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, n);
    if (!to || !cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < nleft + nright; i++) {
        to[i] = i < nleft ? i : i - nleft + l->ncols;
        cols[to[i]] = p->cols[i];
    }
    for (uint32_t i = 0; i < n; i++)
        if (!cols[i].type) {
            cols[i] = i < l->ncols ? l->cols[i] : r->cols[i - l->ncols];
            if (!(cols[i].type = sq_type_nullable(a, cols[i].type, true)))
                return SQ_NOMEM;
        }
    for (uint32_t i = 0; i < on->n; i++)
        SQ_TRY(sq_expr_remap(a, on->p[i], to, &on->p[i]));
    p->cols = cols;
    p->ncols = n;
    *out = sq_node_select(a, p, to, nleft + nright);
    return *out ? SQ_OK : SQ_NOMEM;
}

/* A key of two times, where one is shifted, is a column that is no time any more; so the times themselves are noted (interval.c). */
static sq_rc note_times(struct sq_arena *a, struct sq_plan *p, const struct sq_exprs *on)
{
    struct sq_interval in;
    for (uint32_t i = 0; i < on->n && p->u.join.how == SQ_JOIN_REGULAR && !p->u.join.in_key; i++) {
        if (!sq_expr_is_fn(on->p[i], "=") || (on->p[i]->args[0]->kind == SQ_X_COL && on->p[i]->args[1]->kind == SQ_X_COL))
            continue;
        SQ_TRY(sq_time_annotate(a, p->inputs[0]));
        SQ_TRY(sq_time_annotate(a, p->inputs[1]));
        if (!sq_equal_times(p, on->p[i], &in))
            continue;
        p->u.join.in_key = true;
        p->u.join.left_time = in.left;
        p->u.join.right_time = in.right;
        p->u.join.low = in.low;
        p->u.join.high = in.high;
    }
    return SQ_OK;
}

static sq_rc find_keys(struct sq_arena *a, struct sq_plan *p, struct sq_exprs *on, struct sq_plan **out)
{
    struct key_list keys = {.null_safe = SQ_NEW_ARRAY(a, bool, on->n ? on->n : 1)};
    struct sq_exprs rest = {0};
    uint32_t nleft = p->inputs[0]->ncols, nright = p->inputs[1]->ncols;
    *out = p;
    if (!keys.null_safe)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < on->n; i++) {
        bool taken;
        SQ_TRY(take_key(a, p, on->p[i], &keys, &taken));
        if (!taken || p->u.join.how == SQ_JOIN_TEMPORAL)         /* there only the key of the right side is one of the join: temporal.c */
            SQ_TRY(sq_exprs_add(a, &rest, on->p[i]));
    }
    uint32_t *lcols = SQ_NEW_ARRAY(a, uint32_t, keys.n ? keys.n : 1), *rcols = SQ_NEW_ARRAY(a, uint32_t, keys.n ? keys.n : 1);
    struct sq_join_key *pairs = SQ_NEW_ARRAY(a, struct sq_join_key, keys.n ? keys.n : 1);
    if (!lcols || !rcols || !pairs)
        return SQ_NOMEM;
    SQ_TRY(compute_keys(a, &p->inputs[0], &keys.left, lcols));
    SQ_TRY(compute_keys(a, &p->inputs[1], &keys.right, rcols));
    if (p->inputs[0]->ncols != nleft || p->inputs[1]->ncols != nright)
        SQ_TRY(widen_join(a, p, nleft, nright, &rest, out));
    bool safe = false;
    for (uint32_t i = 0; i < keys.n; i++) {
        pairs[i] = (struct sq_join_key){lcols[i], rcols[i]};
        safe |= keys.null_safe[i];
    }
    p->u.join.keys = pairs;
    p->u.join.nkeys = keys.n;
    p->u.join.null_safe = safe ? keys.null_safe : NULL;
    return sq_expr_conjunction(a, &rest, &p->u.join.residual);
}

static sq_rc push_join(struct sq_arena *a, struct sq_plan *p, const struct sq_exprs *preds, struct sq_plan **out)
{
    struct sides s = {0};
    struct sq_exprs on = {0};
    struct sq_plan *q;
    if (p->u.join.residual)
        SQ_TRY(sq_expr_conjuncts(a, p->u.join.residual, &on));
    simplify_outer(p, preds);
    SQ_TRY(sort_out(a, p, &on, true, &s));
    SQ_TRY(sort_out(a, p, preds, false, &s));
    SQ_TRY(push(a, p->inputs[0], &s.left, &p->inputs[0]));
    SQ_TRY(push(a, p->inputs[1], &s.right, &p->inputs[1]));
    SQ_TRY(note_times(a, p, &s.on));
    SQ_TRY(find_keys(a, p, &s.on, &q));
    return filtered(a, q, &s.above, out);
}

static sq_rc push(struct sq_arena *a, struct sq_plan *p, const struct sq_exprs *preds, struct sq_plan **out)
{
    switch (p->kind) {
    case SQ_N_FILTER:
        return push_filter(a, p, preds, out);
    case SQ_N_PROJECT:
        return push_through(a, p, preds, below_project, out);
    case SQ_N_AGGREGATE:
        return push_through(a, p, preds, below_aggregate, out);
    case SQ_N_UNION:
        return push_through(a, p, preds, below_union, out);
    case SQ_N_WINDOW:
        return push_through(a, p, preds, below_window, out);
    case SQ_N_EXPAND:
        return push_through(a, p, preds, below_expand, out);
    case SQ_N_UNNEST:
        return push_through(a, p, preds, below_unnest, out);
    case SQ_N_JOIN:
        return push_join(a, p, preds, out);
    default:
        SQ_TRY(push_inputs(a, p));
        return filtered(a, p, preds, out);
    }
}

sq_rc sq_push_filters(struct sq_arena *a, struct sq_plan *p, struct sq_plan **out)
{
    struct sq_exprs none = {0};
    return push(a, p, &none, out);
}

/* ---- columns ---- */

/* Removes columns that are not needed[]. map[old] = new, for needed columns at least; a node may keep others too. */
static sq_rc prune(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map, struct sq_plan **out);

static bool *flags(struct sq_arena *a, uint32_t n)
{
    return SQ_NEW_ARRAY(a, bool, n ? n : 1);
}

static uint32_t *numbers(struct sq_arena *a, uint32_t n)
{
    return SQ_NEW_ARRAY(a, uint32_t, n ? n : 1);
}

static uint32_t count(const bool *f, uint32_t n)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++)
        k += f[i];
    return k;
}

/* Prunes to exactly the needed columns, in their order. */
static sq_rc prune_exact(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map, struct sq_plan **out)
{
    uint32_t n = p->ncols, k = 0;
    uint32_t *inner = numbers(a, n), *pick = numbers(a, n);
    if (!inner || !pick)
        return SQ_NOMEM;
    SQ_TRY(prune(a, p, needed, inner, &p));
    for (uint32_t i = 0; i < n; i++)
        if (needed[i]) {
            pick[k] = inner[i];
            map[i] = k++;
        }
    bool same = k == p->ncols;
    for (uint32_t i = 0; i < k && same; i++)
        same = pick[i] == i;
    *out = same ? p : sq_node_select(a, p, pick, k);
    return *out ? SQ_OK : SQ_NOMEM;
}

static void identity_map(uint32_t *map, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        map[i] = i;
}

/* Width for choosing what to read when only rows are counted. */
static uint32_t width(const struct sq_table_column *c)
{
    uint32_t n = sq_phys_size(sq_type_phys(c->type));
    return c->role != SQ_COL_PHYSICAL ? 1000 : n == 0 ? 500 : n == 16 ? 100 : n;
}

/* Upserts say which row they are of by the PRIMARY KEY: it is always read. */
static const bool *with_key(struct sq_arena *a, const struct sq_plan *p, const bool *needed)
{
    const struct sq_table_spec *t = p->u.scan.table;
    if (p->u.scan.info.mode != SQ_MODE_UPSERT)
        return needed;
    bool *all = flags(a, p->ncols);
    for (uint32_t i = 0; all && i < p->ncols; i++) {
        all[i] = needed[i];
        for (uint32_t k = 0; k < t->npk; k++)
            all[i] |= t->pk[k] == p->u.scan.cols[i];
    }
    return all;
}

static sq_rc prune_scan(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    if (!(needed = with_key(a, p, needed)))
        return SQ_NOMEM;
    uint32_t n = count(needed, p->ncols), k = 0, best = 0;
    uint32_t *cols = numbers(a, n + 1);
    struct sq_field *fields = SQ_NEW_ARRAY(a, struct sq_field, n + 1);
    if (!cols || !fields)
        return SQ_NOMEM;
    if (!n)
        for (uint32_t i = 1; i < p->ncols; i++)
            if (width(&p->u.scan.table->cols[p->u.scan.cols[i]]) < width(&p->u.scan.table->cols[p->u.scan.cols[best]]))
                best = i;
    for (uint32_t i = 0; i < p->ncols; i++)
        if (n ? needed[i] : i == best) {
            cols[k] = p->u.scan.cols[i];
            fields[k] = p->cols[i];
            map[i] = k++;
        }
    p->u.scan.cols = cols;
    p->cols = fields;
    p->ncols = k;
    return SQ_OK;
}

static sq_rc prune_filter(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    bool *below = flags(a, p->ncols);
    if (!below)
        return SQ_NOMEM;
    memcpy(below, needed, p->ncols);
    sq_expr_cols(p->u.filter.pred, below);
    SQ_TRY(prune(a, p->inputs[0], below, map, &p->inputs[0]));
    SQ_TRY(sq_expr_remap(a, p->u.filter.pred, map, &p->u.filter.pred));
    p->cols = p->inputs[0]->cols;
    p->ncols = p->inputs[0]->ncols;
    return SQ_OK;
}

/* The column is of the PRIMARY KEY of a scan of upserts below: the rows above are sorted out by it. */
static bool is_upsert_key(const struct sq_plan *p, uint32_t col)
{
    while (p->kind == SQ_N_PROJECT && p->u.project.exprs[col]->kind == SQ_X_COL) {
        col = p->u.project.exprs[col]->col;
        p = p->inputs[0];
    }
    if (p->kind != SQ_N_SCAN || p->u.scan.info.mode != SQ_MODE_UPSERT)
        return false;
    for (uint32_t i = 0; i < p->u.scan.table->npk; i++)
        if (p->u.scan.table->pk[i] == p->u.scan.cols[col])
            return true;
    return false;
}

static sq_rc prune_watermark(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    bool *below = flags(a, p->ncols);
    if (!below)
        return SQ_NOMEM;
    memcpy(below, needed, p->ncols);
    if (p->u.watermark.whole)
        memset(below, 1, p->ncols);
    below[p->u.watermark.col] = true;
    for (uint32_t i = 0; i < p->ncols; i++)
        below[i] |= is_upsert_key(p->inputs[0], i);
    sq_expr_cols(p->u.watermark.expr, below);
    SQ_TRY(prune(a, p->inputs[0], below, map, &p->inputs[0]));
    SQ_TRY(sq_expr_remap(a, p->u.watermark.expr, map, &p->u.watermark.expr));
    p->u.watermark.col = map[p->u.watermark.col];
    p->cols = p->inputs[0]->cols;
    p->ncols = p->inputs[0]->ncols;
    return SQ_OK;
}

static sq_rc prune_project(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    struct sq_plan *in = p->inputs[0];
    uint32_t n = count(needed, p->ncols), k = 0, *below_map = numbers(a, in->ncols);
    bool *below = flags(a, in->ncols);
    struct sq_expr **exprs = SQ_NEW_ARRAY(a, struct sq_expr *, n + 1);
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, n + 1);
    if (!below_map || !below || !exprs || !cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->ncols; i++)
        if (needed[i])
            sq_expr_cols(p->u.project.exprs[i], below);
    SQ_TRY(prune(a, in, below, below_map, &p->inputs[0]));
    for (uint32_t i = 0; i < p->ncols; i++)
        if (needed[i]) {
            SQ_TRY(sq_expr_remap(a, p->u.project.exprs[i], below_map, &exprs[k]));
            cols[k] = p->cols[i];
            map[i] = k++;
        }
    p->u.project.exprs = exprs;
    p->cols = cols;
    p->ncols = k;
    return SQ_OK;
}

static sq_rc prune_aggregate(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    struct sq_plan *in = p->inputs[0];
    uint32_t ng = p->u.agg.ngroup, k = 0, *below_map = numbers(a, in->ncols), *group = numbers(a, ng);
    bool *below = flags(a, in->ncols);
    struct sq_agg_item *items = SQ_NEW_ARRAY(a, struct sq_agg_item, p->u.agg.nitems + 1);
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, p->ncols + 1);
    if (!below_map || !group || !below || !items || !cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < ng; i++) {
        below[p->u.agg.group[i]] = true;
        cols[i] = p->cols[i];
        map[i] = i;
    }
    for (uint32_t i = 0; i < p->u.agg.nitems; i++) {
        const struct sq_agg_item *it = &p->u.agg.items[i];
        bool keep = needed[ng + i] || (p->u.agg.global && i == 0 && !count(needed, p->ncols));
        if (!keep)
            continue;
        if (it->arg >= 0)
            below[it->arg] = true;
        if (it->filter >= 0)
            below[it->filter] = true;
        items[k] = *it;
        cols[ng + k] = p->cols[ng + i];
        map[ng + i] = ng + k++;
    }
    SQ_TRY(prune(a, in, below, below_map, &p->inputs[0]));
    for (uint32_t i = 0; i < ng; i++)
        group[i] = below_map[p->u.agg.group[i]];
    for (uint32_t i = 0; i < k; i++) {
        if (items[i].arg >= 0)
            items[i].arg = (int32_t)below_map[items[i].arg];
        if (items[i].filter >= 0)
            items[i].filter = (int32_t)below_map[items[i].filter];
    }
    p->u.agg.group = group;
    p->u.agg.items = items;
    p->u.agg.nitems = k;
    p->cols = cols;
    p->ncols = ng + k;
    return SQ_OK;
}

static sq_rc prune_window(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    uint32_t n = p->inputs[0]->ncols, now;
    bool *below = flags(a, n);
    uint32_t *partition = numbers(a, p->u.window.npartition);
    if (!below || !partition)
        return SQ_NOMEM;
    memcpy(below, needed, n);
    below[p->u.window.time] = true;
    for (uint32_t i = 0; i < p->u.window.npartition; i++)
        below[p->u.window.partition[i]] = true;
    SQ_TRY(prune(a, p->inputs[0], below, map, &p->inputs[0]));
    for (uint32_t i = 0; i < p->u.window.npartition; i++)
        partition[i] = map[p->u.window.partition[i]];
    now = p->inputs[0]->ncols;
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, now + 3);
    if (!cols)
        return SQ_NOMEM;
    if (now)
        memcpy(cols, p->inputs[0]->cols, now * sizeof *cols);
    for (uint32_t i = 0; i < 3; i++) {
        cols[now + i] = p->cols[n + i];
        map[n + i] = now + i;
    }
    p->u.window.time = map[p->u.window.time];
    p->u.window.partition = partition;
    p->cols = cols;
    p->ncols = now + 3;
    return SQ_OK;
}

/* Its columns were counted: they all stay. */
static sq_rc prune_replicate(struct sq_arena *a, struct sq_plan *p, uint32_t *map)
{
    uint32_t n = p->inputs[0]->ncols, *below = numbers(a, n);
    bool *all = flags(a, n);
    if (!below || !all)
        return SQ_NOMEM;
    memset(all, 1, n);
    identity_map(map, p->ncols);
    return prune_exact(a, p->inputs[0], all, below, &p->inputs[0]);
}

/* The input's columns that are needed, then `extra` of the node's own behind them. */
static sq_rc own_columns(struct sq_arena *a, struct sq_plan *p, uint32_t n, uint32_t extra, uint32_t *map)
{
    uint32_t now = p->inputs[0]->ncols;
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, now + extra + 1);
    if (!cols)
        return SQ_NOMEM;
    if (now)
        memcpy(cols, p->inputs[0]->cols, now * sizeof *cols);
    for (uint32_t i = 0; i < extra; i++) {
        cols[now + i] = p->cols[n + i];
        map[n + i] = now + i;
    }
    p->cols = cols;
    p->ncols = now + extra;
    return SQ_OK;
}

static sq_rc remap_list(struct sq_arena *a, const uint32_t **list, uint32_t n, const uint32_t *map)
{
    uint32_t *to = numbers(a, n);
    if (!to)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        to[i] = map[(*list)[i]];
    *list = to;
    return SQ_OK;
}

static sq_rc remap_keys(struct sq_arena *a, const struct sq_sort_key **keys, uint32_t n, const uint32_t *map)
{
    struct sq_sort_key *to = SQ_NEW_ARRAY(a, struct sq_sort_key, n + 1);
    if (!to)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        to[i] = (*keys)[i];
        to[i].col = map[to[i].col];
    }
    *keys = to;
    return SQ_OK;
}

/* Rows are kept, so exactly what is needed; the number where somebody looks at it. */
static sq_rc prune_rank(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    uint32_t n = p->inputs[0]->ncols;
    bool *below = flags(a, n), number = p->u.rank.number && (needed[n] || p->u.rank.to == INT64_MAX);
    if (!below)
        return SQ_NOMEM;
    memcpy(below, needed, n);
    for (uint32_t i = 0; i < p->u.rank.npartition; i++)
        below[p->u.rank.partition[i]] = true;
    for (uint32_t i = 0; i < p->u.rank.nkeys; i++)
        below[p->u.rank.keys[i].col] = true;
    SQ_TRY(prune_exact(a, p->inputs[0], below, map, &p->inputs[0]));
    SQ_TRY(remap_list(a, &p->u.rank.partition, p->u.rank.npartition, map));
    SQ_TRY(remap_keys(a, &p->u.rank.keys, p->u.rank.nkeys, map));
    SQ_TRY(own_columns(a, p, n, number, map));
    p->u.rank.number = number;
    return SQ_OK;
}

static sq_rc prune_over(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    uint32_t n = p->inputs[0]->ncols;
    bool *below = flags(a, n);
    struct sq_agg_item *items = SQ_NEW_ARRAY(a, struct sq_agg_item, p->u.over.nitems + 1);
    if (!below || !items)
        return SQ_NOMEM;
    memcpy(below, needed, n);
    for (uint32_t i = 0; i < p->u.over.npartition; i++)
        below[p->u.over.partition[i]] = true;
    for (uint32_t i = 0; i < p->u.over.nkeys; i++)
        below[p->u.over.keys[i].col] = true;
    for (uint32_t i = 0; i < p->u.over.nitems; i++) {
        if (p->u.over.items[i].arg >= 0)
            below[p->u.over.items[i].arg] = true;
        if (p->u.over.items[i].filter >= 0)
            below[p->u.over.items[i].filter] = true;
    }
    SQ_TRY(prune_exact(a, p->inputs[0], below, map, &p->inputs[0]));
    for (uint32_t i = 0; i < p->u.over.nitems; i++) {
        items[i] = p->u.over.items[i];
        if (items[i].arg >= 0)
            items[i].arg = (int32_t)map[items[i].arg];
        if (items[i].filter >= 0)
            items[i].filter = (int32_t)map[items[i].filter];
    }
    p->u.over.items = items;
    SQ_TRY(remap_list(a, &p->u.over.partition, p->u.over.npartition, map));
    SQ_TRY(remap_keys(a, &p->u.over.keys, p->u.over.nkeys, map));
    return own_columns(a, p, n, p->u.over.nitems, map);
}

static bool has_times(const struct sq_plan *p)
{
    return p->u.join.how == SQ_JOIN_INTERVAL || p->u.join.how == SQ_JOIN_TEMPORAL || p->u.join.in_key;
}

/* What a join in time looks at. */
static sq_rc mark_times(struct sq_arena *a, struct sq_plan *p, bool *all)
{
    uint32_t nleft = p->inputs[0]->ncols;
    if (!has_times(p))
        return SQ_OK;
    all[p->u.join.left_time] = all[nleft + p->u.join.right_time] = true;
    if (p->u.join.how != SQ_JOIN_TEMPORAL)
        return SQ_OK;
    SQ_TRY(sq_infer_keys(a, p->inputs[1]));                      /* the key is asked for when columns have been pruned */
    for (uint32_t i = 0; i < p->inputs[1]->nkeys; i++)
        for (uint32_t k = 0; k < p->inputs[1]->keys[i].n; k++)
            all[nleft + p->inputs[1]->keys[i].cols[k]] = true;
    return SQ_OK;
}

/* A side of a join keeps exactly what is needed, because it is kept in state; at least one column. */
static sq_rc prune_join(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    uint32_t nleft = p->inputs[0]->ncols, nright = p->inputs[1]->ncols;
    bool *all = flags(a, p->ncols + 1);
    struct sq_join_key *keys = SQ_NEW_ARRAY(a, struct sq_join_key, p->u.join.nkeys ? p->u.join.nkeys : 1);
    if (!all || !keys)
        return SQ_NOMEM;
    memcpy(all, needed, p->ncols);
    if (p->u.join.residual)
        sq_expr_cols(p->u.join.residual, all);
    if (p->u.join.bounds)
        sq_expr_cols(p->u.join.bounds, all);
    SQ_TRY(mark_times(a, p, all));
    for (uint32_t i = 0; i < p->u.join.nkeys; i++)
        all[p->u.join.keys[i].left] = all[nleft + p->u.join.keys[i].right] = true;
    if (nleft && !count(all, nleft))
        all[0] = true;
    if (nright && !count(all + nleft, nright))
        all[nleft] = true;
    SQ_TRY(prune_exact(a, p->inputs[0], all, map, &p->inputs[0]));
    SQ_TRY(prune_exact(a, p->inputs[1], all + nleft, map + nleft, &p->inputs[1]));
    for (uint32_t i = 0; i < p->u.join.nkeys; i++)
        keys[i] = (struct sq_join_key){map[p->u.join.keys[i].left], map[nleft + p->u.join.keys[i].right]};
    if (has_times(p)) {
        p->u.join.left_time = map[p->u.join.left_time];
        p->u.join.right_time = map[nleft + p->u.join.right_time];
    }
    uint32_t n = p->inputs[0]->ncols;
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, n + p->inputs[1]->ncols + 1);
    if (!cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < nleft + nright; i++) {
        if (i >= nleft)
            map[i] += n;
        if (all[i])
            cols[map[i]] = p->cols[i];
    }
    p->u.join.keys = keys;
    p->cols = cols;
    p->ncols = n + p->inputs[1]->ncols;
    if (p->u.join.bounds)
        SQ_TRY(sq_expr_remap(a, p->u.join.bounds, map, &p->u.join.bounds));
    return p->u.join.residual ? sq_expr_remap(a, p->u.join.residual, map, &p->u.join.residual) : SQ_OK;
}

/* The columns of the sets stay in front, and the number of the set at the end. */
static sq_rc prune_expand(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    struct sq_plan *in = p->inputs[0];
    uint32_t n = in->ncols;
    bool *below = flags(a, n);
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, n + 1);
    if (!below || !cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        below[i] = needed[i] || i < p->u.expand.ngroup;
    SQ_TRY(prune_exact(a, in, below, map, &p->inputs[0]));
    for (uint32_t i = 0; i < n; i++)
        if (below[i])
            cols[map[i]] = p->cols[i];
    map[n] = p->inputs[0]->ncols;
    cols[map[n]] = p->cols[n];
    p->cols = cols;
    p->ncols = map[n] + 1;
    return SQ_OK;
}

static sq_rc prune_unnest(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    struct sq_plan *in = p->inputs[0];
    uint32_t n = p->u.unnest.npass, k = 0, *pass = numbers(a, n), *below_map = numbers(a, in->ncols);
    bool *below = flags(a, in->ncols);
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, p->ncols);
    if (!pass || !below_map || !below || !cols)
        return SQ_NOMEM;
    below[p->u.unnest.col] = true;
    for (uint32_t i = 0; i < n; i++)
        below[p->u.unnest.pass[i]] |= needed[i];
    SQ_TRY(prune(a, in, below, below_map, &p->inputs[0]));
    for (uint32_t i = 0; i < p->ncols; i++)
        if (i >= n || needed[i]) {
            if (i < n)
                pass[k] = below_map[p->u.unnest.pass[i]];
            cols[k] = p->cols[i];
            map[i] = k++;
        }
    p->u.unnest.col = below_map[p->u.unnest.col];
    p->u.unnest.pass = pass;
    p->u.unnest.npass = k - (p->ncols - n);
    p->cols = cols;
    p->ncols = k;
    return SQ_OK;
}

static sq_rc prune_union(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    bool *keep = flags(a, p->ncols);
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, p->ncols + 1);
    if (!keep || !cols)
        return SQ_NOMEM;
    memcpy(keep, needed, p->ncols);
    if (p->ncols && !count(keep, p->ncols))
        keep[0] = true;
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(prune_exact(a, p->inputs[i], keep, map, &p->inputs[i]));
    for (uint32_t i = 0; i < p->ncols; i++)
        if (keep[i])
            cols[map[i]] = p->cols[i];
    p->cols = cols;
    p->ncols = p->inputs[0]->ncols;
    return SQ_OK;
}

static sq_rc prune_sort(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map)
{
    bool *below = flags(a, p->ncols);
    struct sq_sort_key *keys = SQ_NEW_ARRAY(a, struct sq_sort_key, p->u.sort.nkeys ? p->u.sort.nkeys : 1);
    if (!below || !keys)
        return SQ_NOMEM;
    memcpy(below, needed, p->ncols);
    for (uint32_t i = 0; i < p->u.sort.nkeys; i++)
        below[p->u.sort.keys[i].col] = true;
    SQ_TRY(prune_exact(a, p->inputs[0], below, map, &p->inputs[0]));
    for (uint32_t i = 0; i < p->u.sort.nkeys; i++) {
        keys[i] = p->u.sort.keys[i];
        keys[i].col = map[keys[i].col];
    }
    p->u.sort.keys = keys;
    p->cols = p->inputs[0]->cols;
    p->ncols = p->inputs[0]->ncols;
    return SQ_OK;
}

static sq_rc prune(struct sq_arena *a, struct sq_plan *p, const bool *needed, uint32_t *map, struct sq_plan **out)
{
    *out = p;
    switch (p->kind) {
    case SQ_N_SCAN:
        return prune_scan(a, p, needed, map);
    case SQ_N_VALUES:
    case SQ_N_SIDE:
        identity_map(map, p->ncols);
        return SQ_OK;
    case SQ_N_WATERMARK:
        return prune_watermark(a, p, needed, map);
    case SQ_N_FILTER:
        return prune_filter(a, p, needed, map);
    case SQ_N_PROJECT:
        return prune_project(a, p, needed, map);
    case SQ_N_AGGREGATE:
        return prune_aggregate(a, p, needed, map);
    case SQ_N_JOIN:
        return prune_join(a, p, needed, map);
    case SQ_N_EXPAND:
        return prune_expand(a, p, needed, map);
    case SQ_N_UNNEST:
        return prune_unnest(a, p, needed, map);
    case SQ_N_REPLICATE:
        return prune_replicate(a, p, map);
    case SQ_N_RANK:
        return prune_rank(a, p, needed, map);
    case SQ_N_OVER:
        return prune_over(a, p, needed, map);
    case SQ_N_UNION:
        return prune_union(a, p, needed, map);
    case SQ_N_WINDOW:
        return prune_window(a, p, needed, map);
    case SQ_N_WINDOW_AGGREGATE:                                  /* it was found when the columns below had been pruned */
        identity_map(map, p->ncols);
        return SQ_OK;
    case SQ_N_SORT:
    case SQ_N_LIMIT:
        return prune_sort(a, p, needed, map);
    case SQ_N_EXCHANGE:
    case SQ_N_NORMALIZE:
    case SQ_N_SINK:
    case SQ_N_COLLECT:
        break;
    }
    return sq_fail(a->ctx, SQ_INTERNAL, "columns of a sink cannot be pruned");
}

sq_rc sq_prune_columns(struct sq_arena *a, struct sq_plan *p, struct sq_plan **out)
{
    bool *all = flags(a, p->ncols);
    uint32_t *map = numbers(a, p->ncols);
    if (!all || !map)
        return SQ_NOMEM;
    memset(all, 1, p->ncols);
    return prune_exact(a, p, all, map, out);
}
