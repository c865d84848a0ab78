/* SPDX-License-Identifier: Apache-2.0
 *
 * bind_from.c: FROM to a plan and a scope. A table becomes a scan of its stored columns, a project that computes the others, and a watermark
 * node; a view or a WITH query is bound where it is named, in a context of its own; joins put their columns side by side and keep their whole
 * condition as residual: which part is an equality of keys is found by the pushdown of filters, when WHERE has had its say.
 */
#include "planner/bind.h"

static sq_rc from_any(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan **plan, struct sq_scope *scope);

/* ---- scopes ---- */

/* Other names for the columns of a plan that was just made. */
static sq_rc rename_columns(struct sq_binder *b, struct sq_plan *p, const struct sq_str *names)
{
    struct sq_field *cols = SQ_NEW_ARRAY(b->arena, struct sq_field, p->ncols ? p->ncols : 1);
    if (!cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->ncols; i++)
        cols[i] = (struct sq_field){names[i], p->cols[i].type};
    p->cols = cols;
    return SQ_OK;
}

/* The one relation that the columns of a plan are. */
static sq_rc scope_of_plan(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan *p, const struct sq_table *t, struct sq_str name, struct sq_scope *s)
{
    if (f->ncols && f->ncols != p->ncols)
        return SQ_WRONG(b, f->alias_span.len ? f->alias_span : f->span, "the list of %u column names does not fit: '%.*s' has %u columns", f->ncols, SQ_FMT(f->alias), p->ncols);
    bool values = f->query && f->query->kind == SQ_Q_VALUES;
    if (f->ncols || (values && p->ncols == 1 && f->alias.p))     /* FLINK: the alias of one column of VALUES names the column */
        SQ_TRY(rename_columns(b, p, f->ncols ? f->cols : &f->alias));
    SQ_TRY(sq_scope_of(b, p->cols, p->ncols, s));
    s->nrels = 1;
    s->rels[0].alias = f->alias.p ? f->alias : name;
    if (t && !f->alias.p) {
        s->rels[0].path[0] = t->catalog;
        s->rels[0].path[1] = t->database;
        s->rels[0].path[2] = t->name;
        s->rels[0].npath = 3;
    }
    return SQ_OK;
}

/* ---- tables ---- */

static sq_rc merge_hints(struct sq_binder *b, const struct sq_ast_from *f, const struct sq_table *t, struct sq_table_spec *spec)
{
    struct sq_kv *kv = SQ_NEW_ARRAY(b->arena, struct sq_kv, spec->noptions + f->nhint);
    uint32_t n = spec->noptions;
    if (!kv)
        return SQ_NOMEM;
    if (n)
        memcpy(kv, spec->options, sizeof(*kv) * n);
    for (uint32_t i = 0; i < n; i++)
        kv[i].key_span = kv[i].value_span = (struct sq_span){0, 0};
    for (uint32_t i = 0; i < f->nhint; i++) {
        uint32_t at = 0;
        while (at < n && !sq_str_eq(kv[at].key, f->hint[i].key))
            at++;
        if (sq_str_is(f->hint[i].key, "connector"))
            return SQ_WRONG(b, f->hint[i].key_span, "OPTIONS cannot change the connector of '%.*s'", SQ_FMT(t->name));
        kv[at] = f->hint[i];
        n += at == n;
    }
    spec->options = kv;
    spec->noptions = n;
    spec->span = f->name.span;
    return SQ_OK;
}

/* The scan of every stored column. */
static sq_rc make_scan(struct sq_binder *b, const struct sq_ast_from *f, struct sq_table *t, struct sq_plan **out)
{
    const struct sq_table_spec *spec = &t->spec;
    const struct sq_table_ext *ext = t->ext;
    if (!t->connector->source) {
        SQ_WRONG(b, f->name.span, "table '%.*s' cannot be read: the connector '%s' is a sink only", SQ_FMT(t->name), t->connector->name);
        return SQ_SEMANTIC;
    }
    if (f->nhint) {
        struct sq_table_spec *merged = SQ_NEW(b->arena, struct sq_table_spec);
        struct sq_table_ext *changed;
        if (!merged)
            return SQ_NOMEM;
        *merged = *spec;
        SQ_TRY(merge_hints(b, f, t, merged));
        SQ_TRY(t->connector->table(b->ctx, b->arena, merged, &changed));
        spec = merged;
        ext = changed;
    }
    struct sq_plan *p = sq_node_new(b->arena, SQ_N_SCAN, NULL, sq_bind_span(b, f->name.span));
    struct sq_field *cols = SQ_NEW_ARRAY(b->arena, struct sq_field, spec->ncols ? spec->ncols : 1);
    uint32_t *all = SQ_NEW_ARRAY(b->arena, uint32_t, spec->ncols ? spec->ncols : 1);
    char *path = sq_arena_printf(b->arena, "%.*s.%.*s.%.*s", SQ_FMT(t->catalog), SQ_FMT(t->database), SQ_FMT(t->name));
    if (!p || !cols || !all || !path)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < spec->ncols; i++) {
        cols[i] = (struct sq_field){spec->cols[i].name, spec->cols[i].type};
        all[i] = i;
    }
    p->cols = cols;
    p->ncols = spec->ncols;
    p->u.scan.connector = t->connector;
    p->u.scan.table = spec;
    p->u.scan.ext = ext;
    p->u.scan.cols = all;
    p->u.scan.path = sq_str_of(path);
    SQ_TRY(t->connector->source->info(b->ctx, spec, ext, &p->u.scan.info));
    struct sq_scan_options o;
    SQ_TRY(sq_scan_options_of(b->ctx, b->arena, spec, &o));
    p->u.scan.idle_ms = o.idle_ms >= 0 ? o.idle_ms : sq_setting_ms(b->env->settings, "table.exec.source.idle-timeout");
    p->bounded = p->u.scan.info.bounded;
    *out = p;
    return SQ_OK;
}

/* Where a table's own text is bound: errors point at the place that names the table. */
static sq_rc bind_own(struct sq_binder *b, struct sq_span place, const struct sq_ast_expr *ast, const struct sq_scope *s, const char *clause, struct sq_expr **out)
{
    struct sq_span outer = b->fixed;
    b->fixed = sq_bind_span(b, place);
    struct sq_bind_x x = {.b = b, .scope = s, .clause = clause};
    sq_rc rc = sq_bind_expr(&x, ast, out);
    b->fixed = outer;
    return rc;
}

/* The declared columns in order: metadata as the declared type, computed columns from those before them and the stored ones. */
static sq_rc compute_columns(struct sq_binder *b, const struct sq_ast_from *f, const struct sq_table *t, struct sq_plan **p)
{
    struct sq_expr **exprs = SQ_NEW_ARRAY(b->arena, struct sq_expr *, t->ncols ? t->ncols : 1);
    struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, t->ncols ? t->ncols : 1);
    struct sq_scope s = {.cols = SQ_NEW_ARRAY(b->arena, struct sq_scope_col, t->ncols ? t->ncols : 1)};
    bool plain = t->ncols == (*p)->ncols;
    if (!exprs || !names || !s.cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->ncols; i++) {
        const struct sq_column *c = &t->cols[i];
        if (c->kind == SQ_COLUMN_COMPUTED)
            continue;
        const struct sq_type *stored = (*p)->cols[c->stored].type;
        bool cast = c->kind == SQ_COLUMN_METADATA && !sq_type_equal(stored, c->type, false);
        if (!(exprs[i] = sq_expr_col(b->arena, c->stored, cast ? stored : c->type, (struct sq_span){0, 0})))
            return SQ_NOMEM;
        if (cast)
            SQ_TRY(sq_bind_cast(b, exprs[i], c->type, &exprs[i]));
        s.cols[s.ncols++] = (struct sq_scope_col){.name = c->name, .rel = UINT32_MAX, .expr = exprs[i]};
    }
    for (uint32_t i = 0; i < t->ncols; i++) {
        const struct sq_column *c = &t->cols[i];
        names[i] = c->name;
        if (c->kind == SQ_COLUMN_COMPUTED) {
            SQ_TRY(bind_own(b, f->name.span, c->expr, &s, "a computed column", &exprs[i]));
            s.cols[s.ncols++] = (struct sq_scope_col){.name = c->name, .rel = UINT32_MAX, .expr = exprs[i]};
        }
        plain = plain && exprs[i]->kind == SQ_X_COL && exprs[i]->col == i;
    }
    if (plain)
        return SQ_OK;
    *p = sq_node_project(b->arena, *p, exprs, t->ncols, names);
    return *p ? SQ_OK : SQ_NOMEM;
}

static sq_rc assign_watermark(struct sq_binder *b, const struct sq_ast_from *f, const struct sq_table *t, const struct sq_table_spec *spec, struct sq_plan **p)
{
    struct sq_scan_options o;
    struct sq_scope s;
    struct sq_plan *w = sq_node_new(b->arena, SQ_N_WATERMARK, *p, sq_bind_span(b, f->name.span));
    if (!w)
        return SQ_NOMEM;
    SQ_TRY(sq_scope_of(b, (*p)->cols, (*p)->ncols, &s));
    SQ_TRY(bind_own(b, f->name.span, t->watermark, &s, "WATERMARK", &w->u.watermark.expr));
    SQ_TRY(sq_scan_options_of(b->ctx, b->arena, spec, &o));
    w->u.watermark.col = (uint32_t)t->rowtime;
    w->u.watermark.whole = sq_side_wanted(b->env, sq_plan_scan(*p)->u.scan.path);
    w->u.watermark.skip_null = o.null_time == SQ_NULL_TIME_SKIP;
    *p = w;
    return SQ_OK;
}

/* Counts a view or WITH query that is about to be put in. */
static sq_rc use_view(struct sq_binder *b, const struct sq_ast_from *f, struct sq_str name)
{
    if (++b->view_uses > SQ_VIEW_USES)
        return sq_fail_at(b->ctx, SQ_LIMIT, sq_bind_span(b, f->name.span), "the statement puts in more than %d views and WITH queries, counting those inside of others, at '%.*s'",
                          SQ_VIEW_USES, SQ_FMT(name));
    return SQ_OK;
}

/* A view is bound like a subquery; errors in its text, which is another statement's, point at its name here. */
static sq_rc bind_view(struct sq_binder *b, const struct sq_ast_from *f, const struct sq_table *t, struct sq_plan **plan)
{
    struct sq_cte *ctes = b->ctes;
    const struct sq_scope *around = b->around;
    struct sq_span outer = b->fixed;
    if (f->nhint)
        return SQ_WRONG(b, f->hint[0].key_span, "OPTIONS cannot be given to a view: '%.*s' is one", SQ_FMT(t->name));
    if (b->view_depth == SQ_VIEW_DEPTH)
        return sq_fail_at(b->ctx, SQ_LIMIT, sq_bind_span(b, f->name.span), "views are nested more than %d deep at '%.*s'", SQ_VIEW_DEPTH, SQ_FMT(t->name));
    SQ_TRY(use_view(b, f, t->name));
    b->ctes = NULL;
    b->around = NULL;
    b->fixed = sq_bind_span(b, f->name.span);
    b->view_depth++;
    sq_rc rc = sq_bind_select_query(b, t->query, true, plan);
    if (rc == SQ_OK && (*plan)->ncols != t->ncols)
        rc = sq_fail_at(b->ctx, SQ_SEMANTIC, b->fixed, "view '%.*s' has %u columns, but its query gives %u now: make it again", SQ_FMT(t->name), t->ncols, (*plan)->ncols);
    else if (rc != SQ_OK && rc != SQ_NOMEM)
        rc = sq_wrap(b->ctx, "in view '%.*s'", SQ_FMT(t->name));
    b->view_depth--;
    b->fixed = outer;
    b->around = around;
    b->ctes = ctes;
    SQ_TRY(rc);
    struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, t->ncols ? t->ncols : 1);
    if (!names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->ncols; i++)
        names[i] = t->cols[i].name;
    return rename_columns(b, *plan, names);
}

static sq_rc bind_cte(struct sq_binder *b, const struct sq_ast_from *f, const struct sq_cte *c, struct sq_plan **plan)
{
    struct sq_cte *ctes = b->ctes;
    const struct sq_cte *within = b->within;
    const struct sq_scope *around = b->around;
    if (f->nhint)
        return SQ_WRONG(b, f->hint[0].key_span, "OPTIONS cannot be given to a WITH query");
    SQ_TRY(use_view(b, f, c->name));
    b->ctes = c->next;
    b->within = c;
    b->around = NULL;
    sq_rc rc = sq_bind_select_query(b, c->ast->query, true, plan);
    b->ctes = ctes;
    b->within = within;
    b->around = around;
    SQ_TRY(rc);
    if (c->ast->ncols && c->ast->ncols != (*plan)->ncols)
        return SQ_WRONG(b, c->ast->span, "'%.*s' lists %u columns, but its query gives %u", SQ_FMT(c->name), c->ast->ncols, (*plan)->ncols);
    return c->ast->ncols ? rename_columns(b, *plan, c->ast->cols) : SQ_OK;
}

static sq_rc bind_table(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan **plan, struct sq_scope *scope)
{
    struct sq_table *t = NULL;
    if (f->as_of && !b->temporal)
        return SQ_REFUSE(b, f->as_of->span, "FOR SYSTEM_TIME AS OF can stand only on the right side of a join: reading a table as it was at a time is not supported");
    b->temporal = false;
    if (f->name.n == 1)
        for (struct sq_cte *c = b->ctes; c; c = c->next)
            if (sq_str_eq(c->name, f->name.part[0])) {
                SQ_TRY(bind_cte(b, f, c, plan));
                return scope_of_plan(b, f, *plan, NULL, c->name, scope);
            }
    SQ_TRY(sq_bind_side(b, f, plan));
    if (*plan)
        return scope_of_plan(b, f, *plan, NULL, f->name.part[f->name.n - 1], scope);
    struct sq_name name = f->name;
    name.span = sq_bind_span(b, f->name.span);
    sq_rc rc = sq_catalog_table(b->ctx, b->env->catalog, &name, &t);
    if (rc == SQ_SEMANTIC && b->within && name.n == 1 && sq_str_eq(b->within->name, name.part[0]))
        return SQ_REFUSE(b, f->name.span, "the WITH query '%.*s' names itself: recursive queries are not supported", SQ_FMT(name.part[0]));
    SQ_TRY(rc);
    if (t->is_view) {
        SQ_TRY(bind_view(b, f, t, plan));
    } else {
        SQ_TRY(make_scan(b, f, t, plan));
        const struct sq_table_spec *spec = (*plan)->u.scan.table;
        SQ_TRY(compute_columns(b, f, t, plan));
        if (t->rowtime >= 0 && t->watermark)
            SQ_TRY(assign_watermark(b, f, t, spec, plan));
    }
    return scope_of_plan(b, f, *plan, t, t->name, scope);
}

static sq_rc bind_function(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan **plan, struct sq_scope *scope)
{
    if (!f->call || sq_window_kind(f->call->text) < 0) {
        SQ_REFUSE(b, f->call ? f->call->span : f->span, "table functions in FROM are not supported yet, but for windows: TUMBLE, HOP, CUMULATE, SESSION");
        return sq_hint(b->ctx, "UNNEST(…) gives the elements of an ARRAY, MAP or MULTISET as rows");
    }
    SQ_TRY(sq_bind_window(b, f, plan));
    return scope_of_plan(b, f, *plan, NULL, (struct sq_str){NULL, 0}, scope);
}

/* ---- joins ---- */

static sq_rc joined_scope(struct sq_binder *b, const struct sq_ast_from *f, const struct sq_scope *l, const struct sq_scope *r, uint32_t nleft, struct sq_scope *s)
{
    s->nrels = l->nrels + r->nrels;
    s->ncols = l->ncols + r->ncols;
    s->rels = SQ_NEW_ARRAY(b->arena, struct sq_scope_rel, s->nrels ? s->nrels : 1);
    s->cols = SQ_NEW_ARRAY(b->arena, struct sq_scope_col, s->ncols ? s->ncols : 1);
    if (!s->rels || !s->cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < l->nrels; i++)
        for (uint32_t j = 0; j < r->nrels; j++)
            if (l->rels[i].alias.p && r->rels[j].alias.p && sq_str_eq(l->rels[i].alias, r->rels[j].alias)) {
                SQ_WRONG(b, f->right->alias_span.len ? f->right->alias_span : f->right->span, "'%.*s' is twice in FROM", SQ_FMT(l->rels[i].alias));
                return sq_hint(b->ctx, "give one of them another alias: %.*s AS %.*s2", SQ_FMT(l->rels[i].alias), SQ_FMT(l->rels[i].alias));
            }
    if (l->nrels)
        memcpy(s->rels, l->rels, sizeof(*s->rels) * l->nrels);
    if (r->nrels)
        memcpy(s->rels + l->nrels, r->rels, sizeof(*s->rels) * r->nrels);
    if (l->ncols)
        memcpy(s->cols, l->cols, sizeof(*s->cols) * l->ncols);
    for (uint32_t i = 0; i < r->ncols; i++) {
        struct sq_scope_col *c = &s->cols[l->ncols + i];
        *c = r->cols[i];
        if (c->rel != UINT32_MAX)
            c->rel += l->nrels;
        SQ_TRY(sq_expr_shift(b->arena, r->cols[i].expr, nleft, &c->expr));
    }
    return SQ_OK;
}

/* Columns that an outer join fills with NULLs. */
static sq_rc make_nullable(struct sq_binder *b, struct sq_scope *s, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (s->cols[i].expr->type->nullable)
            continue;
        struct sq_expr *e = sq_expr_new(b->arena, s->cols[i].expr->kind, s->cols[i].expr->type, s->cols[i].expr->span, 0);
        if (!e)
            return SQ_NOMEM;
        *e = *s->cols[i].expr;
        if (!(e->type = sq_type_nullable(b->arena, e->type, true)))
            return SQ_NOMEM;
        s->cols[i].expr = e;
    }
    return SQ_OK;
}

static sq_rc join_node(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan *l, struct sq_plan *r, struct sq_plan **out)
{
    struct sq_plan *p = sq_node_new(b->arena, SQ_N_JOIN, NULL, sq_bind_span(b, f->span));
    struct sq_field *cols = SQ_NEW_ARRAY(b->arena, struct sq_field, l->ncols + r->ncols + 1);
    if (!p || !cols || !(p->inputs = SQ_NEW_ARRAY(b->arena, struct sq_plan *, 2)))
        return SQ_NOMEM;
    p->inputs[0] = l;
    p->inputs[1] = r;
    p->ninputs = 2;
    p->ncols = l->ncols + r->ncols;
    p->u.join.kind = f->join == SQ_JOIN_CROSS ? SQ_JOIN_INNER : f->join;
    for (uint32_t i = 0; i < p->ncols; i++) {
        bool left = i < l->ncols, pads = f->join == SQ_JOIN_FULL || f->join == (left ? SQ_JOIN_RIGHT : SQ_JOIN_LEFT);
        cols[i] = left ? l->cols[i] : r->cols[i - l->ncols];
        if (pads && !(cols[i].type = sq_type_nullable(b->arena, cols[i].type, true)))
            return SQ_NOMEM;
    }
    p->cols = cols;
    *out = p;
    return SQ_OK;
}

static int32_t find_visible(const struct sq_scope *s, uint32_t from, uint32_t to, struct sq_str name, bool *twice)
{
    int32_t at = -1;
    *twice = false;
    for (uint32_t i = from; i < to; i++)
        if (!s->cols[i].hidden && sq_str_eq(s->cols[i].name, name)) {
            *twice = at >= 0;
            at = (int32_t)i;
        }
    return at;
}

/* The columns that NATURAL joins by: those of one name, in the order of the left side. */
static sq_rc natural_columns(struct sq_binder *b, const struct sq_scope *s, uint32_t nleft, struct sq_str **names, uint32_t *n)
{
    *n = 0;
    *names = SQ_NEW_ARRAY(b->arena, struct sq_str, nleft + 1);
    if (!*names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < nleft; i++) {
        bool twice;
        if (!s->cols[i].hidden && find_visible(s, nleft, s->ncols, s->cols[i].name, &twice) >= 0)
            (*names)[(*n)++] = s->cols[i].name;
    }
    return SQ_OK;
}

/* USING (a, b): one equality for each, and one column, in front, that stands for both. */
static sq_rc bind_using(struct sq_binder *b, const struct sq_ast_from *f, uint32_t nleft, const struct sq_str *names, uint32_t n, struct sq_scope *s, struct sq_exprs *on)
{
    struct sq_scope_col *cols = SQ_NEW_ARRAY(b->arena, struct sq_scope_col, s->ncols + n);
    if (!cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        bool twice_l, twice_r;
        int32_t l = find_visible(s, 0, nleft, names[i], &twice_l), r = find_visible(s, nleft, s->ncols, names[i], &twice_r);
        if (l < 0 || r < 0)
            return SQ_WRONG(b, f->span, "USING column '%.*s' is not on the %s side of the join", SQ_FMT(names[i]), l < 0 ? "left" : "right");
        if (twice_l || twice_r)
            return SQ_WRONG(b, f->span, "column '%.*s' of USING is ambiguous on the %s side of the join", SQ_FMT(names[i]), twice_l ? "left" : "right");
        struct sq_expr *sides[2] = {s->cols[l].expr, s->cols[r].expr}, *eq;
        SQ_TRY(sq_bind_call(b, SQ_STR("="), sides, 2, f->span, &eq));
        SQ_TRY(sq_exprs_add(b->arena, on, eq));
        cols[i] = (struct sq_scope_col){.name = names[i], .rel = UINT32_MAX, .expr = sides[f->join == SQ_JOIN_RIGHT]};
        if (f->join == SQ_JOIN_FULL) {
            const struct sq_type *t;
            SQ_TRY(sq_bind_common(b, sides, 2, "the columns of USING", f->span, &t));
            SQ_TRY(sq_bind_cast(b, sides[0], t, &sides[0]));
            SQ_TRY(sq_bind_cast(b, sides[1], t, &sides[1]));
            struct sq_expr *e = sq_expr_new(b->arena, SQ_X_COALESCE, sq_type_nullable(b->arena, t, true), sq_bind_span(b, f->span), 2);
            if (!e)
                return SQ_NOMEM;
            e->args[0] = sides[0];
            e->args[1] = sides[1];
            cols[i].expr = e;
        }
        s->cols[l].hidden = s->cols[r].hidden = true;
    }
    if (s->ncols)
        memcpy(cols + n, s->cols, sizeof(*cols) * s->ncols);
    s->cols = cols;
    s->ncols += n;
    return SQ_OK;
}

static sq_rc join_condition(struct sq_binder *b, const struct sq_ast_from *f, uint32_t nleft, struct sq_scope *s, struct sq_exprs *on)
{
    if (f->on) {
        struct sq_bind_x x = {.b = b, .scope = s, .clause = "ON"};
        struct sq_expr *e;
        SQ_TRY(sq_bind_predicate(&x, f->on, &e));
        return sq_exprs_add(b->arena, on, e);
    }
    struct sq_str *names = f->using_cols;
    uint32_t n = f->nusing;
    if (f->natural)
        SQ_TRY(natural_columns(b, s, nleft, &names, &n));
    return n ? bind_using(b, f, nleft, names, n, s, on) : SQ_OK;
}

/* A LATERAL query that can be bound alone is one like others. */
static sq_rc bind_alone(struct sq_binder *b, const struct sq_ast_query *q, bool *alone)
{
    struct sq_error kept = b->ctx->err;
    const struct sq_scope *around = b->around;
    struct sq_plan *p;
    b->around = NULL;
    sq_rc rc = sq_bind_select_query(b, q, true, &p);
    b->around = around;
    *alone = rc != SQ_SEMANTIC;
    if (*alone)
        return rc;
    b->ctx->err = kept;
    return SQ_OK;
}

static sq_rc join_lateral(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan *l, const struct sq_scope *ls, struct sq_plan **plan, struct sq_scope *scope)
{
    struct sq_scope own = {0};
    struct sq_field *fields;
    uint32_t nleft = l->ncols, n;
    if (f->join != SQ_JOIN_INNER && f->join != SQ_JOIN_CROSS && f->join != SQ_JOIN_LEFT)
        return SQ_REFUSE(b, f->span, "LATERAL can be the right side of an INNER, CROSS or LEFT join only");
    *plan = l;
    SQ_TRY(sq_bind_lateral(b, f->right, f->join == SQ_JOIN_LEFT, ls, plan, &fields, &n));
    if (f->right->ncols && f->right->ncols != n)
        return SQ_WRONG(b, f->right->alias_span.len ? f->right->alias_span : f->right->span, "the list of %u column names does not fit: the query has %u columns", f->right->ncols, n);
    for (uint32_t i = 0; i < f->right->ncols; i++)
        fields[i].name = f->right->cols[i];
    SQ_TRY(sq_scope_of(b, fields, n, &own));
    own.nrels = 1;
    own.rels[0].alias = f->right->alias;
    SQ_TRY(joined_scope(b, f, ls, &own, nleft, scope));
    return sq_bind_unnest_on(b, f, "LATERAL", scope, plan);
}

static sq_rc join_unnest(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan *l, const struct sq_scope *ls, struct sq_plan **plan, struct sq_scope *scope)
{
    struct sq_scope own = {0};
    uint32_t nleft = l->ncols;
    if (f->join != SQ_JOIN_INNER && f->join != SQ_JOIN_CROSS && f->join != SQ_JOIN_LEFT)
        return SQ_REFUSE(b, f->span, "UNNEST can be the right side of an INNER, CROSS or LEFT join only");
    *plan = l;
    SQ_TRY(sq_bind_unnest(b, f->right, f->join == SQ_JOIN_LEFT, ls, plan, &own));
    SQ_TRY(joined_scope(b, f, ls, &own, nleft, scope));
    return sq_bind_unnest_on(b, f, "UNNEST", scope, plan);
}

static sq_rc bind_join(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan **plan, struct sq_scope *scope)
{
    struct sq_plan *l, *r;
    struct sq_scope ls = {0}, rs = {0};
    struct sq_exprs on = {0};
    if (f->join == SQ_JOIN_SEMI || f->join == SQ_JOIN_ANTI) {
        SQ_REFUSE(b, f->span, "SEMI and ANTI joins are written as conditions");
        return sq_hint(b->ctx, "WHERE EXISTS (SELECT 1 FROM … WHERE …), or WHERE NOT EXISTS (…)");
    }
    SQ_TRY(from_any(b, f->left, &l, &ls));
    if (f->right->kind == SQ_F_UNNEST)
        return join_unnest(b, f, l, &ls, plan, scope);
    if ((f->right->kind == SQ_F_SUBQUERY || f->right->kind == SQ_F_VALUES) && f->right->lateral) {
        bool alone;
        SQ_TRY(bind_alone(b, f->right->query, &alone));
        if (!alone)
            return join_lateral(b, f, l, &ls, plan, scope);
    }
    b->temporal = f->right->as_of != NULL;
    SQ_TRY(from_any(b, f->right, &r, &rs));
    if (l->ncols + r->ncols > SQ_COLUMNS_MAX)
        return sq_fail_at(b->ctx, SQ_LIMIT, sq_bind_span(b, f->span), "the join has more than %d columns", SQ_COLUMNS_MAX);
    SQ_TRY(joined_scope(b, f, &ls, &rs, l->ncols, scope));
    SQ_TRY(join_node(b, f, l, r, plan));
    sq_ttl_join(b, f, *plan);
    if (f->right->as_of)
        SQ_TRY(sq_bind_temporal(b, f, l, &ls, *plan));
    if (!f->on && !f->nusing && !f->natural && !f->comma && f->join != SQ_JOIN_CROSS)
        return SQ_WRONG(b, f->span, "the join has no condition: write ON, USING or CROSS JOIN");
    SQ_TRY(join_condition(b, f, ls.ncols, scope, &on));
    SQ_TRY(sq_expr_conjunction(b->arena, &on, &(*plan)->u.join.residual));
    uint32_t extra = scope->ncols - ls.ncols - rs.ncols;         /* columns of USING stand in front */
    if (f->join == SQ_JOIN_LEFT || f->join == SQ_JOIN_FULL)
        SQ_TRY(make_nullable(b, scope, extra + ls.ncols, scope->ncols));
    if (f->join == SQ_JOIN_RIGHT || f->join == SQ_JOIN_FULL)
        SQ_TRY(make_nullable(b, scope, extra, extra + ls.ncols));
    return SQ_OK;
}

/* ---- FROM ---- */

static sq_rc from_item(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan **plan, struct sq_scope *scope)
{
    if (f->match_recognize.len)
        return SQ_REFUSE(b, f->match_recognize, "MATCH_RECOGNIZE is not supported yet");
    switch (f->kind) {
    case SQ_F_TABLE:
        return bind_table(b, f, plan, scope);
    case SQ_F_SUBQUERY:
    case SQ_F_VALUES:
        SQ_TRY(sq_bind_select_query(b, f->query, true, plan));
        return scope_of_plan(b, f, *plan, NULL, (struct sq_str){NULL, 0}, scope);
    case SQ_F_JOIN:
        return bind_join(b, f, plan, scope);
    case SQ_F_FUNCTION:
        return bind_function(b, f, plan, scope);
    case SQ_F_UNNEST:
        if (!(*plan = sq_one_row(b)))
            return SQ_NOMEM;
        return sq_bind_unnest(b, f, false, &(struct sq_scope){0}, plan, scope);
    }
    return sq_fail(b->ctx, SQ_INTERNAL, "FROM of unknown kind");
}

static sq_rc from_any(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan **plan, struct sq_scope *scope)
{
    if (++b->depth > SQ_BIND_DEPTH)
        return sq_fail_at(b->ctx, SQ_LIMIT, sq_bind_span(b, f->span), "FROM is nested more than %d levels deep", SQ_BIND_DEPTH);
    sq_rc rc = from_item(b, f, plan, scope);
    b->depth--;
    return rc;
}

sq_rc sq_bind_from(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan **plan, struct sq_scope *scope)
{
    memset(scope, 0, sizeof(*scope));
    return from_any(b, f, plan, scope);
}
