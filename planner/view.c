/* SPDX-License-Identifier: Apache-2.0
 *
 * view.c: CREATE VIEW, ALTER VIEW, and RENAME of views and tables.
 *
 * A view keeps its query as a tree, bound anew wherever the view is used. The tree is a copy whose tables are named in full, so it means the
 * same whatever is current later, and without places, which belong to the text of CREATE VIEW. A view that would reach itself, by way of
 * other views or by shadowing what it reads, is refused when it is made; so expanding one always ends.
 *
 * FLINK: the same expansion of names. It finds a view that reaches itself only when the stack is used up.
 */
#include "planner/ddl.h"

/* ---- a walk over every table of a query ---- */

struct scope {                            /* names of WITH that hide tables */
    struct sq_str name;
    const struct scope *up;
};

struct walk {
    struct sq_ctx *ctx;
    sq_rc (*table)(struct walk *, struct sq_ast_from *);
    struct sq_arena *arena;
    struct sq_catalog *catalog;
    const struct scope *scope;
    bool forget;                          /* places are cleared on the way */
    const struct sq_str *path;            /* of the view that is made */
    bool temporary;
    int depth;
    sq_rc rc;
};

static sq_rc walk_query(struct walk *, struct sq_ast_query *);
static sq_rc walk_from(struct walk *, struct sq_ast_from *);

static bool in_expr(void *arg, struct sq_ast_expr *e)
{
    struct walk *w = arg;

    if (w->forget)
        e->span = e->at = e->name.span = (struct sq_span){0};
    if (w->rc == SQ_OK && e->query)
        w->rc = walk_query(w, e->query);
    if (w->rc == SQ_OK && e->from)
        w->rc = walk_from(w, e->from);
    return w->rc == SQ_OK;
}

static sq_rc walk_expr(struct walk *w, struct sq_ast_expr *e)
{
    if (e)
        sq_ast_walk(e, in_expr, w);
    return w->rc;
}

static sq_rc walk_order(struct walk *w, struct sq_ast_order *o, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(walk_expr(w, o[i].expr));
    return SQ_OK;
}

static bool hidden(const struct walk *w, const struct sq_name *name)
{
    for (const struct scope *s = w->scope; s; s = s->up)
        if (name->n == 1 && sq_str_eq(s->name, name->part[0]))
            return true;
    return false;
}

static sq_rc walk_from(struct walk *w, struct sq_ast_from *f)
{
    if (!f)
        return SQ_OK;
    if (w->forget)
        f->span = f->alias_span = f->name.span = f->match_recognize = (struct sq_span){0};
    if (f->kind == SQ_F_TABLE && !hidden(w, &f->name))
        SQ_TRY(w->table(w, f));
    SQ_TRY(walk_expr(w, f->as_of));
    SQ_TRY(walk_expr(w, f->call));
    SQ_TRY(walk_expr(w, f->on));
    if (f->query)
        SQ_TRY(walk_query(w, f->query));
    SQ_TRY(walk_from(w, f->left));
    return walk_from(w, f->right);
}

static sq_rc walk_group(struct walk *w, struct sq_ast_group *g)
{
    if (w->forget)
        g->span = (struct sq_span){0};
    SQ_TRY(walk_expr(w, g->expr));
    for (uint32_t i = 0; i < g->nsub; i++)
        SQ_TRY(walk_group(w, g->sub[i]));
    return SQ_OK;
}

static sq_rc walk_select(struct walk *w, struct sq_ast_query *q)
{
    for (uint32_t i = 0; i < q->nitems; i++) {
        if (w->forget)
            q->items[i].alias_span = (struct sq_span){0};
        SQ_TRY(walk_expr(w, q->items[i].expr));
    }
    SQ_TRY(walk_from(w, q->from));
    SQ_TRY(walk_expr(w, q->where));
    SQ_TRY(walk_expr(w, q->having));
    SQ_TRY(walk_expr(w, q->qualify));
    for (uint32_t i = 0; i < q->ngroup; i++)
        SQ_TRY(walk_group(w, q->group[i]));
    return SQ_OK;
}

static sq_rc walk_body(struct walk *w, struct sq_ast_query *q)
{
    if (w->forget)
        q->span = q->order_span = q->limit_span = (struct sq_span){0};
    SQ_TRY(walk_select(w, q));
    for (uint32_t i = 0; i < q->nrows; i++)
        SQ_TRY(walk_expr(w, q->rows[i]));
    if (q->left)
        SQ_TRY(walk_query(w, q->left));
    if (q->right)
        SQ_TRY(walk_query(w, q->right));
    SQ_TRY(walk_order(w, q->order, q->norder));
    SQ_TRY(walk_expr(w, q->limit));
    return walk_expr(w, q->offset);
}

static sq_rc walk_query(struct walk *w, struct sq_ast_query *q)
{
    const struct scope *outer = w->scope;
    struct scope *names = q->nwith ? SQ_NEW_ARRAY(w->arena, struct scope, q->nwith) : NULL;
    sq_rc rc = SQ_OK;

    if (q->nwith && !names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < q->nwith && rc == SQ_OK; i++) {
        if (w->forget)
            q->with[i].span = (struct sq_span){0};
        rc = walk_query(w, q->with[i].query);
        names[i] = (struct scope){q->with[i].name, w->scope};
        w->scope = &names[i];
    }
    if (rc == SQ_OK)
        rc = walk_body(w, q);
    w->scope = outer;
    w->rc = rc;
    return rc;
}

/* ---- names in full ---- */

static sq_rc name_in_full(struct walk *w, struct sq_ast_from *f)
{
    struct sq_str path[3];

    SQ_TRY(sq_catalog_path(w->ctx, w->catalog, &f->name, path));
    if (!f->alias.p && f->name.n < 3 && !(f->alias = sq_str_dup(w->arena, path[2])).p)
        return SQ_NOMEM;
    for (int i = 0; i < 3; i++) {
        f->name.part[i] = sq_str_dup(w->arena, path[i]);
        if (!f->name.part[i].p)
            return SQ_NOMEM;
    }
    f->name.n = 3;
    return SQ_OK;
}

/* ---- a view that reaches itself ---- */

enum { MAX_VIEWS = 100 };                 /* views over views */

static sq_rc not_itself(struct walk *w, struct sq_ast_from *f)
{
    struct sq_str path[3];
    struct sq_table *t;
    const struct scope *outer = w->scope;
    sq_rc rc;

    SQ_TRY(sq_catalog_path(w->ctx, w->catalog, &f->name, path));
    if (sq_str_eq(path[0], w->path[0]) && sq_str_eq(path[1], w->path[1]) && sq_str_eq(path[2], w->path[2])
        && (w->temporary || !sq_catalog_get(w->catalog, path, true))) {
        sq_fail_at(w->ctx, SQ_SEMANTIC, f->span, "view '%.*s' would read itself", SQ_FMT(path[2]));
        return w->temporary ? sq_hint(w->ctx, "give the view another name than what it reads") : SQ_SEMANTIC;
    }
    SQ_TRY(sq_catalog_lookup(w->ctx, w->catalog, &f->name, &t));
    if (!t || !t->is_view)
        return SQ_OK;
    if (++w->depth > MAX_VIEWS)
        return sq_fail_at(w->ctx, SQ_LIMIT, f->span, "more than %d views read each other", MAX_VIEWS);
    w->scope = NULL;
    rc = walk_query(w, t->query);
    w->scope = outer;
    w->depth--;
    if (rc != SQ_OK && w->ctx->err.span.len == 0)
        w->ctx->err.span = f->span;
    return rc;
}

/* ---- making one ---- */

static sq_rc view_columns(struct sq_bind_env *env, const struct sq_ast_stmt *st, struct sq_table *t)
{
    const struct sq_field *cols;
    uint32_t n;

    SQ_TRY(sq_bind_schema(env, st->query, &cols, &n));
    if (st->ncols && st->ncols != n)
        return sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "the view names %u column%s, and its query has %u", st->ncols, st->ncols == 1 ? "" : "s", n);
    t->cols = SQ_NEW_ARRAY(&t->arena, struct sq_column, n + 1);
    if (!t->cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        struct sq_str name = st->ncols ? st->cols[i] : cols[i].name;

        for (uint32_t k = 0; k < i; k++)
            if (sq_str_eq(t->cols[k].name, name)) {
                sq_fail_at(env->ctx, SQ_SEMANTIC, st->query->span, "the view has two columns '%.*s'", SQ_FMT(name));
                return sq_hint(env->ctx, "give one another name: … AS name");
            }
        t->cols[i].name = sq_str_dup(&t->arena, name);
        t->cols[i].type = sq_type_dup(&t->arena, cols[i].type);
        t->cols[i].stored = i;
        if (!t->cols[i].name.p || !t->cols[i].type)
            return SQ_NOMEM;
    }
    t->ncols = n;
    return SQ_OK;
}

static sq_rc keep_query(struct sq_bind_env *env, const struct sq_ast_stmt *st, struct sq_table *t)
{
    struct walk w = {.ctx = env->ctx, .table = name_in_full, .arena = &t->arena, .catalog = env->catalog, .forget = true};
    struct sq_ast_stmt *copy;
    struct sq_str text;
    struct sq_buf b;
    uint32_t at = 0;
    sq_rc rc;

    sq_buf_init(&b, env->ctx);
    SQ_TRY_OUT(sq_unparse_query(&b, st->query));
    text = sq_str_dup(&t->arena, sq_buf_view(&b));
    rc = SQ_NOMEM;
    if (!text.p)
        goto out;
    SQ_TRY_OUT(sq_parse(env->ctx, &t->arena, text, &at, &copy, NULL));
    t->query = copy->query;
    SQ_TRY_OUT(walk_query(&w, t->query));
    sq_buf_reset(&b);
    SQ_TRY_OUT(sq_unparse_query(&b, t->query));
    t->query_text = sq_str_dup(&t->arena, sq_buf_view(&b));
    rc = t->query_text.p ? SQ_OK : SQ_NOMEM;
out:
    sq_buf_free(&b);
    return rc;
}

static sq_rc fill(struct sq_bind_env *env, const struct sq_ast_stmt *st, const struct sq_str path[3], struct sq_table *t)
{
    struct walk w = {.ctx = env->ctx, .table = not_itself, .arena = env->arena, .catalog = env->catalog, .path = path, .temporary = t->temporary};

    t->catalog = sq_str_dup(&t->arena, path[0]);
    t->database = sq_str_dup(&t->arena, path[1]);
    t->name = sq_str_dup(&t->arena, path[2]);
    if (!t->catalog.p || !t->database.p || !t->name.p || (st->text.p && !(t->comment = sq_str_dup(&t->arena, st->text)).p))
        return SQ_NOMEM;
    t->is_view = true;
    t->spec.name = t->name;
    if (st->nparams)
        return sq_fail_at(env->ctx, SQ_SEMANTIC, st->query->span, "a view cannot hold '?'");
    SQ_TRY(walk_query(&w, st->query));
    SQ_TRY(view_columns(env, st, t));
    return keep_query(env, st, t);
}

static sq_rc make_view(struct sq_bind_env *env, const struct sq_ast_stmt *st, const struct sq_str path[3], bool temporary, struct sq_table **out)
{
    struct sq_table *t;
    sq_rc rc;

    SQ_TRY(sq_table_new(env->ctx, &t));
    t->temporary = temporary;
    rc = fill(env, st, path, t);
    if (rc != SQ_OK) {
        sq_table_free(t);
        return rc;
    }
    *out = t;
    return SQ_OK;
}

sq_rc sq_create_view(struct sq_bind_env *env, const struct sq_ast_stmt *st)
{
    struct sq_str path[3];
    struct sq_table *old, *t;

    SQ_TRY(sq_new_path(env, &st->name, st->temporary, path, &old));
    if (old && st->if_not_exists)
        return SQ_OK;
    if (old) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "there is a %s '%.*s' already", old->is_view ? "view" : "table", SQ_FMT(old->name));
        return sq_hint(env->ctx, "%s", old->is_view ? "CREATE VIEW IF NOT EXISTS keeps it, ALTER VIEW … AS changes it" : "give the view another name");
    }
    SQ_TRY(make_view(env, st, path, st->temporary, &t));
    sq_catalog_put(env->catalog, t, NULL);
    return SQ_OK;
}

sq_rc sq_alter_view(struct sq_bind_env *env, const struct sq_ast_stmt *st)
{
    struct sq_table *old, *t;

    SQ_TRY(sq_catalog_lookup(env->ctx, env->catalog, &st->name, &old));
    if (!old && st->if_exists)
        return SQ_OK;
    if (!old)
        return sq_catalog_table(env->ctx, env->catalog, &st->name, &old);
    if (!old->is_view) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "'%.*s' is a table", SQ_FMT(old->name));
        return sq_hint(env->ctx, "ALTER TABLE changes it");
    }
    if (!st->query)
        return sq_rename(env, old, st);
    SQ_TRY(make_view(env, st, (struct sq_str[3]){old->catalog, old->database, old->name}, old->temporary, &t));
    sq_catalog_put(env->catalog, t, old);
    return SQ_OK;
}

/* RENAME: the one change in place; what a plan holds of the old name stays in the table's arena. */
sq_rc sq_rename(struct sq_bind_env *env, struct sq_table *t, const struct sq_ast_stmt *st)
{
    const struct sq_name *to = &st->new_name;
    struct sq_str path[3] = {t->catalog, t->database, to->part[to->n - 1]}, name;
    struct sq_span at = to->span.len ? to->span : st->name.span;

    if ((to->n >= 2 && !sq_str_eq(to->part[to->n - 2], t->database)) || (to->n >= 3 && !sq_str_eq(to->part[0], t->catalog)))
        return sq_fail_at(env->ctx, SQ_SEMANTIC, at, "RENAME cannot move '%.*s' to another database", SQ_FMT(t->name));
    if (sq_catalog_get(env->catalog, path, t->temporary))
        return sq_fail_at(env->ctx, SQ_SEMANTIC, at, "there is a table or view '%.*s' already", SQ_FMT(path[2]));
    name = sq_str_dup(&t->arena, path[2]);
    if (!name.p)
        return SQ_NOMEM;
    t->name = t->spec.name = name;
    env->catalog->version++;
    return SQ_OK;
}
