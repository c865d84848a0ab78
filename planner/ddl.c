/* SPDX-License-Identifier: Apache-2.0
 *
 * ddl.c: CREATE, DROP, ALTER and USE, each one step that is done in full or not at all: what is made is built aside and put into the catalog
 * by a call that cannot fail.
 *
 * CREATE TABLE … AS puts the table in, so that the INSERT can be planned, and keeps what it replaced until that is done (sq_ctas_end).
 *
 * FLINK: the same statements and rules. CREATE CATALOG takes 'type' = 'generic_in_memory' only; functions of one's own come later.
 */
#include "planner/ddl.h"

/* ---- names of new things ---- */

sq_rc sq_new_path(struct sq_bind_env *env, const struct sq_name *name, bool temporary, struct sq_str path[3], struct sq_table **old)
{
    struct sq_database *d;

    SQ_TRY(sq_catalog_path(env->ctx, env->catalog, name, path));
    SQ_TRY(sq_database_need(env->ctx, env->catalog, path[0], path[1], name->span, &d));
    for (uint32_t i = 0; i < name->n; i++)
        if (name->part[i].n == 0)
            return sq_fail_at(env->ctx, SQ_SEMANTIC, name->span, "a name cannot be empty");
    *old = sq_catalog_get(env->catalog, path, temporary);
    return SQ_OK;
}

/* ---- CREATE TABLE ---- */

static sq_rc table_exists(struct sq_ctx *ctx, const struct sq_ast_table *def, const struct sq_table *old)
{
    sq_fail_at(ctx, SQ_SEMANTIC, def->name.span, "there is a %s '%.*s' already", old->is_view ? "view" : "table", SQ_FMT(old->name));
    return sq_hint(ctx, "%s", old->is_view ? "DROP VIEW removes it" : "CREATE TABLE IF NOT EXISTS keeps it, DROP TABLE removes it");
}

/* FLINK: CREATE TABLE IF NOT EXISTS … AS over a table that is there writes the query to it. */
static sq_rc fill_existing(struct sq_bind_env *env, const struct sq_ast_table *def, struct sq_ctas *ctas)
{
    struct sq_ast_insert *in = SQ_NEW(env->arena, struct sq_ast_insert);

    if (!in)
        return SQ_NOMEM;
    in->table = def->name;
    in->query = def->as;
    ctas->insert = in;
    return SQ_OK;
}

static sq_rc create_table(struct sq_bind_env *env, const struct sq_ast_stmt *st, struct sq_ctas *ctas)
{
    const struct sq_ast_table *def = st->table;
    struct sq_ast_table *merged = NULL;
    struct sq_ast_insert *insert = NULL;
    struct sq_str path[3];
    struct sq_table *old, *t;

    SQ_TRY(sq_new_path(env, &def->name, def->temporary, path, &old));
    if (old && def->if_not_exists)
        return def->as && !old->is_view ? fill_existing(env, def, ctas) : SQ_OK;
    if (old && (!def->or_replace || old->is_view))
        return table_exists(env->ctx, def, old);
    if (def->like)
        SQ_TRY(sq_define_like(env, def, &merged));
    if (def->as)
        SQ_TRY(sq_define_as(env, merged ? merged : def, &merged, &insert));
    SQ_TRY(sq_table_build(env, merged ? merged : def, path, &t));
    if (!insert) {
        sq_catalog_put(env->catalog, t, old);
        return SQ_OK;
    }
    if (old)
        sq_catalog_take(env->catalog, old);
    sq_catalog_put(env->catalog, t, NULL);
    *ctas = (struct sq_ctas){.insert = insert, .made = t, .replaced = old};
    return SQ_OK;
}

void sq_ctas_end(struct sq_bind_env *env, struct sq_ctas *ctas, bool keep)
{
    struct sq_catalog *c = env->catalog;

    if (!keep && ctas->made) {
        sq_catalog_remove(c, ctas->made);
        if (ctas->replaced)
            sq_catalog_put(c, ctas->replaced, NULL);
    } else if (ctas->replaced) {
        sq_catalog_bury(c, ctas->replaced);
    }
    *ctas = (struct sq_ctas){0};
}

/* ---- catalogs and databases ---- */

static sq_rc create_catalog(struct sq_bind_env *env, const struct sq_ast_stmt *st)
{
    struct sq_str name = st->name.part[0];
    const struct sq_kv *type = NULL;

    if (st->name.n != 1)
        return sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "a catalog's name has one part");
    if (sq_catalog_find(env->catalog, name))
        return st->if_not_exists ? SQ_OK : sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "there is a catalog '%.*s' already", SQ_FMT(name));
    for (uint32_t i = 0; i < st->noptions; i++) {
        const struct sq_kv *kv = &st->options[i];
        if (sq_str_is(kv->key, "type"))
            type = kv;
        else if (!sq_str_is(kv->key, "default-database"))
            return sq_fail_at(env->ctx, SQ_SEMANTIC, kv->key_span, "a catalog has no option '%.*s'", SQ_FMT(kv->key));
        else if (!sq_str_is(kv->value, "default"))
            return sq_fail_at(env->ctx, SQ_UNSUPPORTED, kv->value_span, "the first database of a catalog is 'default'");
    }
    if (!type) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "catalog '%.*s' has no 'type'", SQ_FMT(name));
        return sq_hint(env->ctx, "write WITH ('type' = 'generic_in_memory')");
    }
    if (!sq_str_is(type->value, "generic_in_memory")) {
        sq_fail_at(env->ctx, SQ_UNSUPPORTED, type->value_span, "catalogs of type '%.*s' are not supported yet", SQ_FMT(type->value));
        return sq_hint(env->ctx, "there is 'generic_in_memory'");
    }
    return sq_catalog_add_catalog(env->ctx, env->catalog, name);
}

/* A database's name: catalog and database. */
static sq_rc database_name(struct sq_bind_env *env, const struct sq_name *name, struct sq_str *catalog, struct sq_str *db)
{
    if (name->n < 1 || name->n > 2)
        return sq_fail_at(env->ctx, SQ_SEMANTIC, name->span, "a database's name has one or two parts");
    *catalog = name->n == 2 ? name->part[0] : env->catalog->current_catalog;
    *db = name->part[name->n - 1];
    return SQ_OK;
}

static sq_rc create_database(struct sq_bind_env *env, const struct sq_ast_stmt *st)
{
    struct sq_catalog_entry *e;
    struct sq_str cat, db;

    SQ_TRY(database_name(env, &st->name, &cat, &db));
    SQ_TRY(sq_catalog_need(env->ctx, env->catalog, cat, st->name.span, &e));
    if (sq_database_find(env->catalog, cat, db)) {
        if (st->if_not_exists)
            return SQ_OK;
        sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "there is a database '%.*s' already", SQ_FMT(db));
        return sq_hint(env->ctx, "CREATE DATABASE IF NOT EXISTS keeps it");
    }
    for (uint32_t i = 0; i < st->noptions; i++)
        sq_notice(env->ctx, "option '%.*s' of a database has no effect here", SQ_FMT(st->options[i].key));
    return sq_catalog_add_database(env->ctx, env->catalog, cat, db, st->text);
}

static sq_rc use(struct sq_bind_env *env, const struct sq_ast_stmt *st)
{
    struct sq_catalog *c = env->catalog;
    struct sq_catalog_entry *e;
    struct sq_database *d;
    struct sq_str cat, db;

    if (st->object == SQ_O_CATALOG) {
        SQ_TRY(sq_catalog_need(env->ctx, c, st->name.part[st->name.n - 1], st->name.span, &e));
        if (sq_str_eq(e->name, c->current_catalog))
            return SQ_OK;
        if (!e->dbs)
            return sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "catalog '%.*s' has no database", SQ_FMT(e->name));
        return sq_catalog_use(env->ctx, c, e->name, e->dbs->name);
    }
    SQ_TRY(database_name(env, &st->name, &cat, &db));
    SQ_TRY(sq_database_need(env->ctx, c, cat, db, st->name.span, &d));
    return sq_catalog_use(env->ctx, c, cat, d->name);
}

/* ---- DROP ---- */

static sq_rc drop_catalog(struct sq_bind_env *env, const struct sq_ast_stmt *st)
{
    struct sq_catalog_entry *e = sq_catalog_find(env->catalog, st->name.part[st->name.n - 1]);

    if (!e)
        return st->if_exists ? SQ_OK : sq_catalog_need(env->ctx, env->catalog, st->name.part[st->name.n - 1], st->name.span, &e);
    if (sq_str_eq(e->name, env->catalog->current_catalog)) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "catalog '%.*s' is in use", SQ_FMT(e->name));
        return sq_hint(env->ctx, "USE CATALOG another one first");
    }
    sq_catalog_drop_catalog(env->catalog, e);
    return SQ_OK;
}

static sq_rc drop_database(struct sq_bind_env *env, const struct sq_ast_stmt *st)
{
    struct sq_catalog *c = env->catalog;
    struct sq_database *d;
    struct sq_str cat, db;

    SQ_TRY(database_name(env, &st->name, &cat, &db));
    d = sq_database_find(c, cat, db);
    if (!d)
        return st->if_exists ? SQ_OK : sq_database_need(env->ctx, c, cat, db, st->name.span, &d);
    if (sq_str_eq(cat, c->current_catalog) && sq_str_eq(db, c->current_db)) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "database '%.*s' is in use", SQ_FMT(db));
        return sq_hint(env->ctx, "USE another one first");
    }
    if (d->tables && !st->cascade) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "database '%.*s' is not empty", SQ_FMT(db));
        return sq_hint(env->ctx, "DROP DATABASE … CASCADE drops its tables too");
    }
    sq_catalog_drop_database(c, sq_catalog_find(c, cat), d);
    return SQ_OK;
}

static sq_rc drop_table(struct sq_bind_env *env, const struct sq_ast_stmt *st)
{
    bool view = st->object == SQ_O_VIEW;
    struct sq_str path[3];
    struct sq_table *t;

    SQ_TRY(sq_catalog_path(env->ctx, env->catalog, &st->name, path));
    t = sq_catalog_get(env->catalog, path, true);
    if (!t && !st->temporary)
        t = sq_catalog_get(env->catalog, path, false);
    if (!t && st->if_exists)
        return SQ_OK;
    if (!t && st->temporary && sq_catalog_get(env->catalog, path, false)) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "'%.*s' is not temporary", SQ_FMT(path[2]));
        return sq_hint(env->ctx, "write DROP %s", view ? "VIEW" : "TABLE");
    }
    if (!t)
        return sq_catalog_table(env->ctx, env->catalog, &st->name, &t);
    if (t->is_view != view) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "'%.*s' is a %s", SQ_FMT(path[2]), t->is_view ? "view" : "table");
        return sq_hint(env->ctx, "write DROP %s", t->is_view ? "VIEW" : "TABLE");
    }
    sq_catalog_remove(env->catalog, t);
    return SQ_OK;
}

static sq_rc drop(struct sq_bind_env *env, const struct sq_ast_stmt *st)
{
    switch (st->object) {
    case SQ_O_TABLE:
    case SQ_O_VIEW: return drop_table(env, st);
    case SQ_O_DATABASE: return drop_database(env, st);
    case SQ_O_CATALOG: return drop_catalog(env, st);
    case SQ_O_FUNCTION: break;
    }
    return sq_fail_at(env->ctx, SQ_UNSUPPORTED, st->at, "DROP FUNCTION is not supported yet");
}

static sq_rc dispatch(struct sq_bind_env *env, const struct sq_ast_stmt *st, struct sq_ctas *ctas)
{
    switch (st->kind) {
    case SQ_S_CREATE_TABLE: return create_table(env, st, ctas);
    case SQ_S_CREATE_VIEW: return sq_create_view(env, st);
    case SQ_S_ALTER_TABLE: return sq_alter_table(env, st);
    case SQ_S_ALTER_VIEW: return sq_alter_view(env, st);
    case SQ_S_CREATE_CATALOG: return create_catalog(env, st);
    case SQ_S_CREATE_DATABASE: return create_database(env, st);
    case SQ_S_DROP: return drop(env, st);
    case SQ_S_USE: return use(env, st);
    default: break;
    }
    return sq_fail_at(env->ctx, SQ_UNSUPPORTED, st->at, "CREATE FUNCTION is not supported yet");
}

sq_rc sq_ddl(struct sq_bind_env *env, const struct sq_ast_stmt *st, struct sq_ctas *ctas)
{
    sq_rc rc;

    *ctas = (struct sq_ctas){0};
    rc = dispatch(env, st, ctas);
    if (rc != SQ_OK && rc != SQ_NOMEM && env->ctx->err.span.len == 0)      /* something of a definition that was made before */
        env->ctx->err.span = st->name.n ? st->name.span : st->table && st->table->name.n ? st->table->name.span : st->at;
    return rc;
}
