/* SPDX-License-Identifier: Apache-2.0
 *
 * bind_name.c: what a name means. A name a.b.c is tried as column of a table (t.c, db.t.c, cat.db.t.c), its rest being fields of a ROW,
 * and then as a column with fields. Names are matched with case, as in Flink; near misses are offered.
 */
#include "planner/bind.h"

static const uint32_t many = UINT32_MAX;

/* The parts of `n` that name relation r: 0 when they do not. A column must follow. */
static uint32_t rel_matches(const struct sq_scope_rel *r, const struct sq_name *n)
{
    if (n->n < 2)
        return 0;
    if (r->alias.p && sq_str_eq(r->alias, n->part[0]))
        return 1;
    for (uint32_t k = 2; k <= r->npath && k < n->n; k++) {
        uint32_t i = 0;
        while (i < k && sq_str_eq(r->path[r->npath - k + i], n->part[i]))
            i++;
        if (i == k)
            return k;
    }
    return 0;
}

static sq_rc bind_fields(struct sq_bind_x *x, const struct sq_name *n, uint32_t from, struct sq_span span, struct sq_expr *e, struct sq_expr **out)
{
    struct sq_binder *b = x->b;
    for (uint32_t i = from; i < n->n; i++) {
        if (e->type->id != SQ_T_ROW)
            return SQ_WRONG(b, n->span, "'%.*s' is not a ROW, it has no field '%.*s'", SQ_FMT(n->part[i - 1]), SQ_FMT(n->part[i]));
        const struct sq_type *row = e->type;
        uint32_t f = 0;
        while (f < row->nchild && !sq_str_eq(row->child[f].name, n->part[i]))
            f++;
        if (f == row->nchild) {
            struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, f + 1);
            if (!names)
                return SQ_NOMEM;
            for (uint32_t j = 0; j < f; j++)
                names[j] = row->child[j].name;
            SQ_WRONG(b, n->span, "no field '%.*s' in '%.*s'", SQ_FMT(n->part[i]), SQ_FMT(n->part[i - 1]));
            struct sq_str near = sq_nearest(n->part[i], names, f);
            return near.n ? sq_hint(b->ctx, "did you mean '%.*s'?", SQ_FMT(near)) : SQ_SEMANTIC;
        }
        const struct sq_type *t = sq_type_nullable(b->arena, row->child[f].type, row->child[f].type->nullable || row->nullable);
        struct sq_expr *field = sq_expr_new(b->arena, SQ_X_FIELD, t, span, 1);
        if (!field)
            return SQ_NOMEM;
        field->args[0] = e;
        field->col = f;
        e = field;
    }
    *out = e;
    return SQ_OK;
}

/* A reference made of a scope's column: the same expression at a new place. */
static struct sq_expr *refer(struct sq_bind_x *x, const struct sq_scope_col *c, struct sq_span span)
{
    struct sq_expr *e = sq_expr_new(x->b->arena, c->expr->kind, c->expr->type, span, 0);
    if (!e)
        return NULL;
    *e = *c->expr;
    e->span = span;
    return e;
}

static void print_rel(const struct sq_scope *s, uint32_t rel, struct sq_buf *buf)
{
    if (rel == many)
        sq_buf_puts(buf, "a USING column");
    else if (s->rels[rel].alias.p)
        sq_buf_printf(buf, "'%.*s'", SQ_FMT(s->rels[rel].alias));
    else
        sq_buf_puts(buf, "a subquery");
}

static sq_rc ambiguous(struct sq_bind_x *x, const struct sq_name *n, struct sq_str name, uint32_t one, uint32_t two)
{
    const struct sq_scope *s = x->scope;
    struct sq_buf buf;
    sq_buf_init(&buf, x->b->ctx);
    print_rel(s, one, &buf);
    sq_buf_puts(&buf, " and ");
    print_rel(s, two, &buf);
    if (buf.rc == SQ_OK) {
        SQ_WRONG(x->b, n->span, "column '%.*s' is ambiguous: it is in %s", SQ_FMT(name), buf.p);
        if (one != many && s->rels[one].alias.p)
            sq_hint(x->b->ctx, "write %.*s.%.*s, for example", SQ_FMT(s->rels[one].alias), SQ_FMT(name));
    }
    sq_buf_free(&buf);
    return x->b->ctx->err.rc;
}

/* As hint: what there is, where it is not too much. */
static sq_rc list_columns(struct sq_binder *b, const struct sq_str *names, uint32_t n)
{
    struct sq_buf buf;
    if (n == 0 || n > 12)
        return b->ctx->err.rc;
    sq_buf_init(&buf, b->ctx);
    for (uint32_t i = 0; i < n; i++)
        sq_buf_printf(&buf, "%s%.*s", i ? ", " : "", SQ_FMT(names[i]));
    if (buf.rc == SQ_OK)
        sq_hint(b->ctx, n == 1 ? "the only column is %s" : "the columns are %s", buf.p);
    sq_buf_free(&buf);
    return b->ctx->err.rc;
}

static sq_rc not_found(struct sq_bind_x *x, const struct sq_name *n, uint32_t rel, struct sq_str name)
{
    const struct sq_scope *s = x->scope;
    struct sq_binder *b = x->b;
    struct sq_str *near = SQ_NEW_ARRAY(b->arena, struct sq_str, s->ncols + s->nrels + 1);
    if (!near)
        return SQ_NOMEM;
    uint32_t k = 0;
    for (uint32_t i = 0; i < s->ncols; i++)
        if (rel == many ? !s->cols[i].hidden : s->cols[i].rel == rel)
            near[k++] = s->cols[i].name;
    struct sq_str got = sq_nearest(name, near, k);
    if (rel != many)
        SQ_WRONG(b, n->span, "no column '%.*s' in %.*s", SQ_FMT(name), SQ_FMT(s->rels[rel].alias));
    else if (s->nrels == 1 && s->rels[0].alias.p)
        SQ_WRONG(b, n->span, "no column '%.*s' in %.*s", SQ_FMT(name), SQ_FMT(s->rels[0].alias));
    else if (s->nrels == 0 && s->ncols == 0)
        SQ_WRONG(b, n->span, "no column '%.*s': there is no table here to take it from", SQ_FMT(name));
    else
        SQ_WRONG(b, n->span, "no column '%.*s' in any table of FROM", SQ_FMT(name));
    for (uint32_t i = 0; i < x->nitems; i++)
        if (x->items[i].alias.p && sq_str_eq(x->items[i].alias, name))
            return sq_hint(b->ctx, "'%.*s' is an alias of SELECT, which %s does not see: repeat the expression, or use a subquery", SQ_FMT(name), x->clause);
    if (got.n)
        return sq_hint(b->ctx, "did you mean '%.*s'?", SQ_FMT(got));
    return list_columns(b, near, k);
}

static sq_rc no_table(struct sq_bind_x *x, const struct sq_name *n)
{
    const struct sq_scope *s = x->scope;
    struct sq_str *near = SQ_NEW_ARRAY(x->b->arena, struct sq_str, s->nrels + 1);
    if (!near)
        return SQ_NOMEM;
    uint32_t k = 0;
    for (uint32_t i = 0; i < s->nrels; i++)
        if (s->rels[i].alias.p)
            near[k++] = s->rels[i].alias;
    struct sq_str got = sq_nearest(n->part[0], near, k);
    SQ_WRONG(x->b, n->span, "no table or column '%.*s' in FROM", SQ_FMT(n->part[0]));
    return got.n ? sq_hint(x->b->ctx, "did you mean '%.*s'?", SQ_FMT(got)) : SQ_SEMANTIC;
}

sq_rc sq_bind_name(struct sq_bind_x *x, const struct sq_ast_expr *ast, struct sq_expr **out)
{
    const struct sq_scope *s = x->scope;
    const struct sq_name *n = &ast->name;
    struct sq_span span = sq_bind_span(x->b, ast->span);
    uint32_t named = many;                                       /* a relation that the first parts name */
    uint32_t named_parts = 0;

    if (n->n == 1)
        for (uint32_t i = 0; i < x->naliases; i++)
            if (x->aliases[i] && x->alias_names[i].p && sq_str_eq(x->alias_names[i], n->part[0])) {
                *out = x->aliases[i];
                return SQ_OK;
            }
    for (uint32_t r = 0; r < s->nrels; r++) {
        uint32_t k = rel_matches(&s->rels[r], n);
        if (!k)
            continue;
        named = r;
        named_parts = k;
        const struct sq_scope_col *hit = NULL;
        for (uint32_t i = 0; i < s->ncols; i++)
            if (s->cols[i].rel == r && sq_str_eq(s->cols[i].name, n->part[k])) {
                if (hit)
                    return ambiguous(x, n, n->part[k], r, r);
                hit = &s->cols[i];
            }
        if (!hit)
            continue;
        struct sq_expr *e = refer(x, hit, span);
        return e ? bind_fields(x, n, k + 1, span, e, out) : SQ_NOMEM;
    }
    const struct sq_scope_col *hit = NULL;
    for (uint32_t i = 0; i < s->ncols; i++)
        if (!s->cols[i].hidden && sq_str_eq(s->cols[i].name, n->part[0])) {
            if (hit)
                return ambiguous(x, n, n->part[0], hit->rel, s->cols[i].rel);
            hit = &s->cols[i];
        }
    if (hit) {
        struct sq_expr *e = refer(x, hit, span);
        return e ? bind_fields(x, n, 1, span, e, out) : SQ_NOMEM;
    }
    if (x->outer) {
        bool found;
        SQ_TRY(sq_bind_outer_name(x, ast, &found, out));
        if (found)
            return SQ_OK;
    }
    if (x->b->around && x->b->around != s) {
        struct sq_bind_x o = {.b = x->b, .scope = x->b->around, .clause = x->clause};
        const struct sq_scope *around = x->b->around;
        x->b->around = NULL;
        sq_rc rc = sq_bind_name(&o, ast, out);
        x->b->around = around;
        if (rc == SQ_OK)
            return SQ_REFUSE(x->b, ast->span, "'%.*s' is a column outside of this query: it can be named in a query with FROM and WHERE, and in some with aggregates", SQ_FMT(n->part[n->n - 1]));
    }
    if (named != many)
        return not_found(x, n, named, n->part[named_parts]);
    return n->n == 1 ? not_found(x, n, many, n->part[0]) : no_table(x, n);
}

sq_rc sq_scope_of(struct sq_binder *b, const struct sq_field *cols, uint32_t n, struct sq_scope *s)
{
    memset(s, 0, sizeof(*s));
    s->cols = SQ_NEW_ARRAY(b->arena, struct sq_scope_col, n ? n : 1);
    s->rels = SQ_NEW(b->arena, struct sq_scope_rel);
    if (!s->cols || !s->rels)
        return SQ_NOMEM;
    s->nrels = n ? 1 : 0;
    s->ncols = n;
    for (uint32_t i = 0; i < n; i++) {
        s->cols[i].name = cols[i].name;
        if (!(s->cols[i].expr = sq_expr_col(b->arena, i, cols[i].type, (struct sq_span){0, 0})))
            return SQ_NOMEM;
    }
    return SQ_OK;
}
