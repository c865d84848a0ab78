/* SPDX-License-Identifier: Apache-2.0
 *
 * define.c: a table's definition becomes a table, and back.
 *
 * The order matters, because each step needs the types of the one before:
 *   1. columns by name, those that `window END` makes among them
 *   2. primary key (its columns become NOT NULL) and partition columns
 *   3. what the connector sees: physical and metadata columns, options; it checks the options
 *   4. metadata columns against what the connector has
 *   5. types of computed columns, over the stored ones
 *   6. the columns of `window END`, over a time column that may be computed
 *   7. the watermark, over all columns
 * Whatever fails, the half-made table is dropped and the catalog never saw it.
 *
 * What is kept lives in the table's arena: expressions are printed and parsed again, so that they hold on to nothing of the statement, and
 * places in its text are forgotten, because a later error would show another text.
 *
 * FLINK: the same rules: PRIMARY KEY wants NOT ENFORCED, computed columns see no computed ones, a metadata column is cast from the
 * connector's type as CAST would (a timestamp is no BIGINT, whatever Flink's pages say: its CAST refuses it too). A watermark may have more than three digits of fraction.
 */
#include "planner/ddl.h"

#include "connectors/option.h"

/* ---- expressions that outlive their statement ---- */

static bool forget_place(void *arg, struct sq_ast_expr *e)
{
    (void)arg;
    e->span = e->at = e->name.span = (struct sq_span){0};
    return true;
}

sq_rc sq_ast_keep(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_ast_expr *e, struct sq_ast_expr **copy, struct sq_str *text)
{
    struct sq_buf b;
    sq_rc rc;

    sq_buf_init(&b, ctx);
    SQ_TRY_OUT(sq_unparse_expr(&b, e));
    *text = sq_str_dup(arena, sq_buf_view(&b));
    rc = SQ_NOMEM;
    if (!text->p)
        goto out;
    SQ_TRY_OUT(sq_parse_expr(ctx, arena, *text, copy));
    sq_ast_walk(*copy, forget_place, NULL);
out:
    sq_buf_free(&b);
    return rc;
}

struct sq_ast_expr *sq_ast_column(struct sq_arena *arena, struct sq_str name)
{
    struct sq_ast_expr *e = SQ_NEW(arena, struct sq_ast_expr);

    if (!e)
        return NULL;
    e->kind = SQ_A_NAME;
    e->name.part[0] = name;
    e->name.n = 1;
    return e;
}

/* ---- columns ---- */

int32_t sq_build_column(const struct sq_build *b, struct sq_str name)
{
    for (uint32_t i = 0; i < b->ncols; i++)
        if (sq_str_eq(b->cols[i].name, name))
            return (int32_t)i;
    return -1;
}

static sq_rc no_column(const struct sq_build *b, struct sq_str name, struct sq_span at, const char *where)
{
    struct sq_str *names = SQ_NEW_ARRAY(b->env->arena, struct sq_str, b->ncols + 1), near;

    if (!names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < b->ncols; i++)
        names[i] = b->cols[i].name;
    near = sq_nearest(name, names, b->ncols);
    sq_fail_at(b->env->ctx, SQ_SEMANTIC, at, "no column '%.*s' for the %s", SQ_FMT(name), where);
    return near.n ? sq_hint(b->env->ctx, "did you mean '%.*s'?", SQ_FMT(near)) : SQ_SEMANTIC;
}

static sq_rc put_column(struct sq_build *b, const struct sq_ast_coldef *d, struct sq_str name, enum sq_column_kind kind, struct sq_column **out)
{
    struct sq_column *c = &b->cols[b->ncols];

    if (sq_build_column(b, name) >= 0) {
        if (d->kind == SQ_C_WINDOW_END)
            return sq_fail_at(b->env->ctx, SQ_SEMANTIC, d->span, "'window END' makes a column '%.*s', and there is one already", SQ_FMT(name));
        if (b->cols[sq_build_column(b, name)].window_part)
            return sq_fail_at(b->env->ctx, SQ_SEMANTIC, d->span, "column '%.*s' is made by 'window END' already", SQ_FMT(name));
        return sq_fail_at(b->env->ctx, SQ_SEMANTIC, d->span, "column '%.*s' is declared twice", SQ_FMT(name));
    }
    *c = (struct sq_column){.name = sq_str_dup(&b->t->arena, name), .kind = kind};
    if (!c->name.p)
        return SQ_NOMEM;
    b->from[b->ncols++] = d;
    *out = c;
    return SQ_OK;
}

static sq_rc put_window(struct sq_build *b, const struct sq_ast_coldef *d)
{
    struct sq_column *c;

    for (uint32_t i = 0; i < b->ncols; i++)
        if (b->cols[i].window_part)
            return sq_fail_at(b->env->ctx, SQ_SEMANTIC, d->span, "a table has one 'window END' at most");
    SQ_TRY(put_column(b, d, d->name, SQ_COLUMN_COMPUTED, &c));
    c->window_part = true;
    for (size_t i = 0; i < SQ_LEN(sq_window_names); i++) {
        SQ_TRY(put_column(b, d, sq_str_of(sq_window_names[i]), SQ_COLUMN_COMPUTED, &c));
        c->window_part = true;
    }
    return SQ_OK;
}

static sq_rc put_columns(struct sq_build *b)
{
    const struct sq_ast_table *def = b->def;

    b->cols = SQ_NEW_ARRAY(&b->t->arena, struct sq_column, (size_t)def->ncols * 3 + 1);
    b->from = SQ_NEW_ARRAY(b->env->arena, const struct sq_ast_coldef *, (size_t)def->ncols * 3 + 1);
    if (!b->cols || !b->from)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < def->ncols; i++) {
        const struct sq_ast_coldef *d = &def->cols[i];
        struct sq_column *c;

        if (d->kind == SQ_C_WINDOW_END) {
            SQ_TRY(put_window(b, d));
            continue;
        }
        SQ_TRY(put_column(b, d, d->name, d->kind == SQ_C_COMPUTED ? SQ_COLUMN_COMPUTED : d->kind == SQ_C_METADATA ? SQ_COLUMN_METADATA : SQ_COLUMN_PHYSICAL, &c));
        c->is_virtual = d->is_virtual;
        if (d->kind != SQ_C_COMPUTED && !(c->type = sq_type_dup(&b->t->arena, d->type)))
            return SQ_NOMEM;
        if (d->kind == SQ_C_METADATA && !(c->metadata_key = sq_str_dup(&b->t->arena, d->metadata_key.p ? d->metadata_key : d->name)).p)
            return SQ_NOMEM;
        if (d->comment.p && !(c->comment = sq_str_dup(&b->t->arena, d->comment)).p)
            return SQ_NOMEM;
    }
    b->t->cols = b->cols;
    b->t->ncols = b->ncols;
    return SQ_OK;
}

/* ---- keys ---- */

static sq_rc put_key_column(struct sq_build *b, uint32_t *pk, struct sq_str name, struct sq_span at)
{
    int32_t i = sq_build_column(b, name);
    struct sq_column *c;

    if (i < 0)
        return no_column(b, name, at, "primary key");
    c = &b->cols[i];
    if (c->kind != SQ_COLUMN_PHYSICAL) {
        sq_fail_at(b->env->ctx, SQ_SEMANTIC, at, "column '%.*s' of the primary key is %s", SQ_FMT(name),
                   c->kind == SQ_COLUMN_COMPUTED ? "computed" : "metadata");
        return sq_hint(b->env->ctx, "a key is made of columns that are stored");
    }
    for (uint32_t k = 0; k < b->t->npk; k++)
        if (pk[k] == (uint32_t)i)
            return sq_fail_at(b->env->ctx, SQ_SEMANTIC, at, "column '%.*s' stands in the primary key twice", SQ_FMT(name));
    c->type = sq_type_nullable(&b->t->arena, c->type, false);
    if (!c->type)
        return SQ_NOMEM;
    pk[b->t->npk++] = (uint32_t)i;
    return SQ_OK;
}

static sq_rc enforced(struct sq_build *b, struct sq_span at)
{
    const struct sq_ast_table *def = b->def;
    struct sq_buf text;

    sq_buf_init(&text, b->env->ctx);
    for (uint32_t i = 0; i < def->npk; i++) {
        sq_buf_puts(&text, i ? ", " : "(");
        sq_unparse_ident(&text, def->pk[i]);
    }
    if (sq_buf_puts(&text, def->npk ? ") " : "") == SQ_OK) {
        sq_fail_at(b->env->ctx, SQ_SEMANTIC, at, "a PRIMARY KEY cannot be enforced: the rows are not kept here");
        sq_hint(b->env->ctx, "write PRIMARY KEY %sNOT ENFORCED", text.p ? text.p : "");
    }
    sq_buf_free(&text);
    return b->env->ctx->err.rc;
}

static sq_rc put_key(struct sq_build *b)
{
    const struct sq_ast_table *def = b->def;
    struct sq_ctx *ctx = b->env->ctx;
    uint32_t *pk;
    int32_t beside = -1;

    for (uint32_t i = 0; i < def->ncols; i++) {
        if (!def->cols[i].primary_key)
            continue;
        if (beside >= 0 || (def->npk && !sq_str_eq(def->pk[0], def->cols[i].name)))
            return sq_fail_at(ctx, SQ_SEMANTIC, def->cols[i].span, "a table has one PRIMARY KEY at most");
        beside = (int32_t)i;
    }
    if (beside < 0 && def->npk == 0)
        return SQ_OK;
    if (!def->pk_enforced_given || def->pk_enforced) {
        struct sq_span at = def->pk_span.len ? def->pk_span : beside >= 0 ? def->cols[beside].span : def->name.span;
        return enforced(b, at);
    }
    pk = SQ_NEW_ARRAY(&b->t->arena, uint32_t, def->npk + 1);
    if (!pk)
        return SQ_NOMEM;
    b->t->pk = pk;
    if (def->pk_name.p && !(b->t->pk_name = sq_str_dup(&b->t->arena, def->pk_name)).p)
        return SQ_NOMEM;
    if (def->npk == 0)
        return put_key_column(b, pk, def->cols[beside].name, def->cols[beside].span);
    for (uint32_t k = 0; k < def->npk; k++)
        SQ_TRY(put_key_column(b, pk, def->pk[k], def->pk_spans ? def->pk_spans[k] : def->pk_span));
    return SQ_OK;
}

static sq_rc put_partition(struct sq_build *b)
{
    uint32_t *part = SQ_NEW_ARRAY(&b->t->arena, uint32_t, b->def->npartition + 1);

    if (!part)
        return SQ_NOMEM;
    for (uint32_t k = 0; k < b->def->npartition; k++) {
        struct sq_str name = b->def->partition[k];
        int32_t i = sq_build_column(b, name);

        if (i < 0)
            return no_column(b, name, b->def->name.span, "partitioning");
        if (b->cols[i].kind != SQ_COLUMN_PHYSICAL)
            return sq_fail_at(b->env->ctx, SQ_SEMANTIC, b->def->name.span, "partition column '%.*s' is not stored", SQ_FMT(name));
        part[k] = (uint32_t)i;
    }
    b->t->partition = part;
    b->t->npartition = b->def->npartition;
    return SQ_OK;
}

/* ---- the connector ---- */

static sq_rc put_options(struct sq_build *b)
{
    const struct sq_ast_table *def = b->def;
    struct sq_arena *a = &b->t->arena;
    struct sq_kv *kv = SQ_NEW_ARRAY(a, struct sq_kv, def->noptions + 1);

    if (!kv)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < def->noptions; i++) {
        for (uint32_t j = 0; j < i; j++)
            if (sq_str_eq(def->options[i].key, def->options[j].key))
                return sq_fail_at(b->env->ctx, SQ_SEMANTIC, def->options[i].key_span, "option '%.*s' is given twice", SQ_FMT(def->options[i].key));
        kv[i] = def->options[i];
        kv[i].key = sq_str_dup(a, kv[i].key);
        kv[i].value = sq_str_dup(a, kv[i].value);
        if (!kv[i].key.p || !kv[i].value.p)
            return SQ_NOMEM;
    }
    b->t->options = b->t->spec.options = kv;
    b->t->noptions = b->t->spec.noptions = def->noptions;
    return SQ_OK;
}

static sq_rc to_stored(struct sq_build *b, const uint32_t *from, uint32_t n, const uint32_t **out)
{
    uint32_t *p = SQ_NEW_ARRAY(&b->t->arena, uint32_t, n + 1);

    if (!p)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        p[i] = b->cols[from[i]].stored;
    *out = p;
    return SQ_OK;
}

/* What the connector sees of the table. */
static sq_rc put_spec(struct sq_build *b)
{
    struct sq_table *t = b->t;
    struct sq_table_spec *s = &t->spec;
    struct sq_table_column *cols = SQ_NEW_ARRAY(&t->arena, struct sq_table_column, t->ncols + 1);

    if (!cols)
        return SQ_NOMEM;
    s->name = t->name;
    s->span = b->def->name.span;
    s->cols = cols;
    for (uint32_t i = 0; i < t->ncols; i++) {
        struct sq_column *c = &b->cols[i];

        if (c->kind == SQ_COLUMN_COMPUTED)
            continue;
        c->stored = s->ncols;
        cols[s->ncols++] = (struct sq_table_column){
            .name = c->name,
            .type = c->type,
            .role = c->kind == SQ_COLUMN_METADATA ? SQ_COL_METADATA : SQ_COL_PHYSICAL,
            .metadata_key = c->metadata_key,
        };
    }
    s->npk = t->npk;
    s->npartition = t->npartition;
    SQ_TRY(to_stored(b, t->pk, t->npk, &s->pk));
    SQ_TRY(to_stored(b, t->partition, t->npartition, &s->partition));
    return put_options(b);
}

static sq_rc no_metadata(struct sq_build *b, const struct sq_column *c, struct sq_span at)
{
    const struct sq_connector *con = b->t->connector;
    struct sq_str names[32], near;
    uint32_t n = 0;

    for (; n < con->nmetadata && n < SQ_LEN(names); n++)
        names[n] = sq_str_of(con->metadata[n].key);
    near = sq_nearest(c->metadata_key, names, n);
    sq_fail_at(b->env->ctx, SQ_SEMANTIC, at, "connector '%s' has no metadata '%.*s'", con->name, SQ_FMT(c->metadata_key));
    if (near.n)
        return sq_hint(b->env->ctx, "did you mean METADATA FROM '%.*s'?", SQ_FMT(near));
    return n ? sq_hint(b->env->ctx, "it has '%.*s'%s", SQ_FMT(names[0]), n > 1 ? " and others; SHOW OPTIONS lists them" : "") : SQ_SEMANTIC;
}

static sq_rc no_metadata_cast(struct sq_build *b, const struct sq_column *c, const struct sq_type *have, struct sq_span at)
{
    struct sq_buf text;

    sq_buf_init(&text, b->env->ctx);
    sq_buf_printf(&text, "metadata '%.*s' is ", SQ_FMT(c->metadata_key));
    sq_type_print(&text, have);
    sq_buf_puts(&text, ", which cannot be cast to ");
    if (sq_type_print(&text, c->type) == SQ_OK) {
        sq_fail_at(b->env->ctx, SQ_SEMANTIC, at, "%s", text.p);
        sq_hint(b->env->ctx, "declare the column as what it is, and compute another one of it");
    }
    sq_buf_free(&text);
    return b->env->ctx->err.rc;
}

/* A metadata column has the connector's type outside; queries cast it to the declared one, inserts back. */
static sq_rc put_metadata(struct sq_build *b)
{
    const struct sq_connector *con = b->t->connector;
    struct sq_table_column *stored = (struct sq_table_column *)(uintptr_t)b->t->spec.cols;

    for (uint32_t i = 0; i < b->ncols; i++) {
        const struct sq_column *c = &b->cols[i];
        struct sq_span at = b->from[i] ? b->from[i]->span : b->def->name.span;
        uint32_t k = 0;

        if (c->kind != SQ_COLUMN_METADATA)
            continue;
        while (k < con->nmetadata && !sq_str_is(c->metadata_key, con->metadata[k].key))
            k++;
        if (k == con->nmetadata)
            return no_metadata(b, c, at);
        if (sq_type_equal(c->type, con->metadata[k].type, false))
            continue;
        if (!sq_cast_kernel(con->metadata[k].type, c->type))
            return no_metadata_cast(b, c, con->metadata[k].type, b->from[i] && b->from[i]->type_span.len ? b->from[i]->type_span : at);
        stored[c->stored].type = sq_type_nullable(&b->t->arena, con->metadata[k].type, c->type->nullable);
        if (!stored[c->stored].type)
            return SQ_NOMEM;
    }
    return SQ_OK;
}

static sq_rc put_connector(struct sq_build *b)
{
    struct sq_table *t = b->t;
    struct sq_kv *kv;

    SQ_TRY(put_spec(b));
    SQ_TRY(sq_connector_find(b->env->ctx, &t->spec, &t->connector));
    SQ_TRY(put_metadata(b));
    SQ_TRY(t->connector->table(b->env->ctx, &t->arena, &t->spec, &t->ext));
    /* later errors are about another text */
    t->spec.span = (struct sq_span){0};
    kv = (struct sq_kv *)(uintptr_t)t->options;
    for (uint32_t i = 0; i < t->noptions; i++)
        kv[i].key_span = kv[i].value_span = (struct sq_span){0};
    return SQ_OK;
}

/* ---- computed columns and the watermark ---- */

sq_rc sq_build_fields(const struct sq_build *b, bool all, struct sq_field **fields, uint32_t *n)
{
    *fields = SQ_NEW_ARRAY(b->env->arena, struct sq_field, b->ncols + 1);
    *n = 0;
    if (!*fields)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < b->ncols; i++)
        if (all || b->cols[i].kind != SQ_COLUMN_COMPUTED)
            (*fields)[(*n)++] = (struct sq_field){b->cols[i].name, b->cols[i].type};
    return SQ_OK;
}

struct refusal { struct sq_build *b; const struct sq_ast_expr *found; };

static bool find_computed(void *arg, struct sq_ast_expr *e)
{
    struct refusal *r = arg;
    int32_t i = e->kind == SQ_A_NAME ? sq_build_column(r->b, e->name.part[0]) : -1;

    if (i >= 0 && r->b->cols[i].kind == SQ_COLUMN_COMPUTED)
        r->found = e;
    return !r->found;
}

sq_rc sq_build_computed(struct sq_build *b, uint32_t col, const struct sq_ast_expr *e, struct sq_span where)
{
    struct sq_ctx *ctx = b->env->ctx;
    struct refusal r = {b, NULL};
    struct sq_column *c = &b->cols[col];
    struct sq_field *fields;
    struct sq_expr *x;
    uint32_t n;
    sq_rc rc;

    sq_ast_walk((struct sq_ast_expr *)(uintptr_t)e, find_computed, &r);
    if (r.found) {
        sq_fail_at(ctx, SQ_SEMANTIC, r.found->span.len ? r.found->span : where, "column '%.*s' is computed, and a computed column cannot refer to one",
                   SQ_FMT(r.found->name.part[0]));
        return sq_hint(ctx, "repeat its expression here");
    }
    SQ_TRY(sq_build_fields(b, false, &fields, &n));
    rc = sq_bind_scalar(b->env, e, fields, n, &x);
    if (rc != SQ_OK) {
        if (ctx->err.span.len == 0)
            ctx->err.span = where;
        return rc;
    }
    c->type = sq_type_dup(&b->t->arena, x->type);
    if (!c->type)
        return SQ_NOMEM;
    if (c->type->id == SQ_T_NULL)
        return sq_fail_at(ctx, SQ_SEMANTIC, where, "column '%.*s' has no type: NULL needs a CAST", SQ_FMT(c->name));
    return sq_ast_keep(ctx, &b->t->arena, e, &c->expr, &c->expr_text);
}

static sq_rc put_computed(struct sq_build *b)
{
    for (uint32_t i = 0; i < b->ncols; i++)
        if (b->cols[i].kind == SQ_COLUMN_COMPUTED && !b->cols[i].window_part)
            SQ_TRY(sq_build_computed(b, i, b->from[i]->expr, b->from[i]->span));
    for (uint32_t i = 0; i < b->ncols; i++)
        if (b->cols[i].window_part)
            return sq_window_end(b, i);
    return SQ_OK;
}

static sq_rc check_watermark_type(struct sq_build *b, const struct sq_type *have, const struct sq_type *want, struct sq_span at, const char *what)
{
    struct sq_buf text;

    if (sq_tid_is_timestamp(have->id) && (!want || want->id == have->id))
        return SQ_OK;
    sq_buf_init(&text, b->env->ctx);
    if (sq_type_print(&text, have) == SQ_OK) {
        sq_fail_at(b->env->ctx, SQ_SEMANTIC, at, "%s is a %s, not a %s", what, text.p, want ? sq_tid_name(want->id) : "TIMESTAMP or TIMESTAMP_LTZ");
        if (have->id == SQ_T_BIGINT && !want)
            sq_hint(b->env->ctx, "add a computed column: ts AS TO_TIMESTAMP_LTZ(…, 3), and declare the watermark for it");
    }
    sq_buf_free(&text);
    return b->env->ctx->err.rc;
}

static sq_rc put_watermark(struct sq_build *b)
{
    const struct sq_ast_watermark *w = b->def->watermark;
    struct sq_ctx *ctx = b->env->ctx;
    struct sq_span at;
    struct sq_field *fields;
    struct sq_expr *x;
    uint32_t n;
    int32_t i;

    if (!w)
        return SQ_OK;
    at = w->col.span.len ? w->col.span : w->span;
    if (w->col.n != 1)
        return sq_fail_at(ctx, SQ_UNSUPPORTED, at, "a WATERMARK for a field of a ROW is not supported yet");
    i = sq_build_column(b, w->col.part[0]);
    if (i < 0)
        return no_column(b, w->col.part[0], at, "WATERMARK");
    SQ_TRY(check_watermark_type(b, b->cols[i].type, NULL, at, "the WATERMARK's column"));
    SQ_TRY(sq_build_fields(b, true, &fields, &n));
    SQ_TRY(sq_bind_scalar(b->env, w->expr, fields, n, &x));
    SQ_TRY(check_watermark_type(b, x->type, b->cols[i].type, w->expr->span.len ? w->expr->span : w->span, "the WATERMARK's expression"));
    b->t->rowtime = i;
    return sq_ast_keep(ctx, &b->t->arena, w->expr, &b->t->watermark, &b->t->watermark_text);
}

/* ---- the whole ---- */

static sq_rc build(struct sq_build *b)
{
    const struct sq_ast_table *def = b->def;

    if (def->distributed.p)
        return sq_fail_at(b->env->ctx, SQ_UNSUPPORTED, def->distributed_span, "DISTRIBUTED is not supported yet");
    SQ_TRY(put_columns(b));
    if (b->ncols == 0)
        return sq_fail_at(b->env->ctx, SQ_SEMANTIC, def->name.span, "table '%.*s' has no columns", SQ_FMT(b->t->name));
    SQ_TRY(put_key(b));
    SQ_TRY(put_partition(b));
    SQ_TRY(put_connector(b));
    if (b->t->spec.ncols == 0)
        return sq_fail_at(b->env->ctx, SQ_SEMANTIC, def->name.span, "table '%.*s' has no column that is stored", SQ_FMT(b->t->name));
    SQ_TRY(put_computed(b));
    return put_watermark(b);
}

sq_rc sq_table_build(struct sq_bind_env *env, const struct sq_ast_table *def, const struct sq_str path[3], struct sq_table **out)
{
    struct sq_build b = {.env = env, .def = def};
    struct sq_table *t;
    sq_rc rc;

    SQ_TRY(sq_table_new(env->ctx, &t));
    b.t = t;
    t->temporary = def->temporary;
    t->catalog = sq_str_dup(&t->arena, path[0]);
    t->database = sq_str_dup(&t->arena, path[1]);
    t->name = sq_str_dup(&t->arena, path[2]);
    rc = t->catalog.p && t->database.p && t->name.p ? SQ_OK : SQ_NOMEM;
    if (rc == SQ_OK && def->comment.p && !(t->comment = sq_str_dup(&t->arena, def->comment)).p)
        rc = SQ_NOMEM;
    if (rc == SQ_OK)
        rc = build(&b);
    if (rc != SQ_OK) {
        sq_table_free(t);
        return rc;
    }
    *out = t;
    return SQ_OK;
}

/* ---- and back ---- */

static void define_column(const struct sq_column *c, struct sq_ast_coldef *d)
{
    d->name = c->name;
    d->type = c->type;
    d->comment = c->comment;
    switch (c->kind) {
    case SQ_COLUMN_PHYSICAL:
        d->kind = SQ_C_PHYSICAL;
        break;
    case SQ_COLUMN_METADATA:
        d->kind = SQ_C_METADATA;
        d->is_virtual = c->is_virtual;
        if (!sq_str_eq(c->metadata_key, c->name))
            d->metadata_key = c->metadata_key;
        break;
    case SQ_COLUMN_COMPUTED:
        d->kind = SQ_C_COMPUTED;
        d->expr = c->expr;
        break;
    }
}

sq_rc sq_table_define(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table *t, struct sq_ast_table **out)
{
    struct sq_ast_table *d = SQ_NEW(arena, struct sq_ast_table);

    if (!d)
        return ctx->err.rc;
    d->temporary = t->temporary;
    d->name = (struct sq_name){.part = {t->catalog, t->database, t->name}, .n = 3};
    d->comment = t->comment;
    d->cols = SQ_NEW_ARRAY(arena, struct sq_ast_coldef, t->ncols + 1);
    d->pk = SQ_NEW_ARRAY(arena, struct sq_str, t->npk + 1);
    d->pk_spans = SQ_NEW_ARRAY(arena, struct sq_span, t->npk + 1);
    d->partition = SQ_NEW_ARRAY(arena, struct sq_str, t->npartition + 1);
    d->options = SQ_NEW_ARRAY(arena, struct sq_kv, t->noptions + 1);
    if (!d->cols || !d->pk || !d->pk_spans || !d->partition || !d->options)
        return ctx->err.rc;
    for (uint32_t i = 0; i < t->ncols; i++)
        define_column(&t->cols[i], &d->cols[i]);
    d->ncols = t->ncols;
    *out = d;
    for (uint32_t i = 0; i < t->npk; i++)
        d->pk[d->npk++] = t->cols[t->pk[i]].name;
    d->pk_name = t->pk_name;
    d->pk_enforced_given = t->npk > 0;
    for (uint32_t i = 0; i < t->npartition; i++)
        d->partition[d->npartition++] = t->cols[t->partition[i]].name;
    for (uint32_t i = 0; i < t->noptions; i++)
        d->options[d->noptions++] = t->options[i];
    if (t->rowtime < 0)
        return SQ_OK;
    d->watermark = SQ_NEW(arena, struct sq_ast_watermark);
    if (!d->watermark)
        return ctx->err.rc;
    d->watermark->col = (struct sq_name){.part = {t->cols[t->rowtime].name}, .n = 1};
    d->watermark->expr = t->watermark;
    return SQ_OK;
}
