/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog.c: catalogs, databases and tables by name.
 *
 * Lists, searched from the front: an engine has tens of tables, seldom hundreds, and a statement looks a name up once. A temporary table
 * shadows one of the same full name, and needs no database to stand in. Names are case-sensitive, as in Flink.
 *
 * A table is never changed once it is in: ALTER builds another and puts it in its place. So a plan may point into a table; while statements
 * with plans are about (pins), what is taken out goes to a list and dies when the last of them ends.
 *
 * `version` rises with every change; a statement that was prepared before is planned anew.
 */
#include "planner/catalog.h"

#define DEFAULT_CATALOG SQ_STR("default_catalog")
#define DEFAULT_DB SQ_STR("default_database")

/* ---- owned names ---- */

static sq_rc own(struct sq_ctx *ctx, struct sq_str from, struct sq_str *to)
{
    char *p = sq_alloc(ctx, (size_t)from.n + 1);

    if (!p)
        return ctx->err.rc;
    if (from.n)
        memcpy(p, from.p, from.n);
    p[from.n] = 0;
    *to = (struct sq_str){p, from.n};
    return SQ_OK;
}

static void disown(struct sq_ctx *ctx, struct sq_str *s)
{
    sq_free(ctx, (void *)(uintptr_t)s->p);
    *s = (struct sq_str){0};
}

/* ---- tables ---- */

sq_rc sq_table_new(struct sq_ctx *ctx, struct sq_table **t)
{
    *t = sq_calloc(ctx, sizeof **t);
    if (!*t)
        return ctx->err.rc;
    sq_arena_init(&(*t)->arena, ctx);
    (*t)->rowtime = -1;
    return SQ_OK;
}

void sq_table_free(struct sq_table *t)
{
    struct sq_ctx *ctx;

    if (!t)
        return;
    ctx = t->arena.ctx;
    sq_arena_free(&t->arena);
    sq_free(ctx, t);
}

static void free_list(struct sq_table *t)
{
    while (t) {
        struct sq_table *next = t->next;
        sq_table_free(t);
        t = next;
    }
}

/* A table that was just taken out of its list. */
static void retire(struct sq_catalog *c, struct sq_table *t)
{
    c->version++;
    if (c->pins == 0) {
        sq_table_free(t);
        return;
    }
    t->next = c->dropped;
    c->dropped = t;
}

void sq_catalog_pin(struct sq_catalog *c)
{
    c->pins++;
}

void sq_catalog_unpin(struct sq_catalog *c)
{
    SQ_ASSERT(c->pins > 0);
    if (--c->pins == 0) {
        free_list(c->dropped);
        c->dropped = NULL;
    }
}

/* ---- catalogs and databases ---- */

static void free_database(struct sq_ctx *ctx, struct sq_database *d)
{
    free_list(d->tables);
    disown(ctx, &d->name);
    disown(ctx, &d->comment);
    sq_free(ctx, d);
}

static void free_entry(struct sq_ctx *ctx, struct sq_catalog_entry *e)
{
    while (e->dbs) {
        struct sq_database *d = e->dbs;
        e->dbs = d->next;
        free_database(ctx, d);
    }
    disown(ctx, &e->name);
    sq_free(ctx, e);
}

void sq_catalog_free(struct sq_catalog *c)
{
    if (!c)
        return;
    while (c->catalogs) {
        struct sq_catalog_entry *e = c->catalogs;
        c->catalogs = e->next;
        free_entry(c->ctx, e);
    }
    free_list(c->temps);
    free_list(c->dropped);
    disown(c->ctx, &c->current_catalog);
    disown(c->ctx, &c->current_db);
    sq_free(c->ctx, c);
}

struct sq_catalog_entry *sq_catalog_find(const struct sq_catalog *c, struct sq_str catalog)
{
    for (struct sq_catalog_entry *e = c->catalogs; e; e = e->next)
        if (sq_str_eq(e->name, catalog))
            return e;
    return NULL;
}

static struct sq_database *entry_database(const struct sq_catalog_entry *e, struct sq_str db)
{
    for (struct sq_database *d = e ? e->dbs : NULL; d; d = d->next)
        if (sq_str_eq(d->name, db))
            return d;
    return NULL;
}

struct sq_database *sq_database_find(const struct sq_catalog *c, struct sq_str catalog, struct sq_str db)
{
    return entry_database(sq_catalog_find(c, catalog), db);
}

static sq_rc add_database(struct sq_ctx *ctx, struct sq_catalog_entry *e, struct sq_str name, struct sq_str comment)
{
    struct sq_database *d = sq_calloc(ctx, sizeof *d), **at = &e->dbs;
    sq_rc rc;

    if (!d)
        return ctx->err.rc;
    rc = own(ctx, name, &d->name);
    if (rc == SQ_OK)
        rc = own(ctx, comment, &d->comment);
    if (rc != SQ_OK) {
        free_database(ctx, d);
        return rc;
    }
    while (*at)
        at = &(*at)->next;
    *at = d;
    return SQ_OK;
}

static sq_rc make_entry(struct sq_ctx *ctx, struct sq_str name, struct sq_str db, struct sq_catalog_entry **out)
{
    struct sq_catalog_entry *e = sq_calloc(ctx, sizeof *e);
    sq_rc rc;

    if (!e)
        return ctx->err.rc;
    rc = own(ctx, name, &e->name);
    if (rc == SQ_OK)
        rc = add_database(ctx, e, db, SQ_STR(""));
    if (rc != SQ_OK) {
        free_entry(ctx, e);
        return rc;
    }
    *out = e;
    return SQ_OK;
}

sq_rc sq_catalog_add_catalog(struct sq_ctx *ctx, struct sq_catalog *c, struct sq_str name)
{
    struct sq_catalog_entry *e, **at = &c->catalogs;

    SQ_TRY(make_entry(ctx, name, SQ_STR("default"), &e));
    while (*at)
        at = &(*at)->next;
    *at = e;
    c->version++;
    return SQ_OK;
}

sq_rc sq_catalog_add_database(struct sq_ctx *ctx, struct sq_catalog *c, struct sq_str catalog, struct sq_str name, struct sq_str comment)
{
    struct sq_catalog_entry *e = sq_catalog_find(c, catalog);

    SQ_ASSERT(e);
    SQ_TRY(add_database(ctx, e, name, comment));
    c->version++;
    return SQ_OK;
}

void sq_catalog_drop_database(struct sq_catalog *c, struct sq_catalog_entry *e, struct sq_database *d)
{
    struct sq_database **at = &e->dbs;

    while (*at && *at != d)
        at = &(*at)->next;
    SQ_ASSERT(*at);
    *at = d->next;
    while (d->tables) {
        struct sq_table *t = d->tables;
        d->tables = t->next;
        retire(c, t);
    }
    free_database(c->ctx, d);
    c->version++;
}

void sq_catalog_drop_catalog(struct sq_catalog *c, struct sq_catalog_entry *e)
{
    struct sq_catalog_entry **at = &c->catalogs;

    while (*at && *at != e)
        at = &(*at)->next;
    SQ_ASSERT(*at);
    *at = e->next;
    while (e->dbs)
        sq_catalog_drop_database(c, e, e->dbs);
    free_entry(c->ctx, e);
    c->version++;
}

sq_rc sq_catalog_use(struct sq_ctx *ctx, struct sq_catalog *c, struct sq_str catalog, struct sq_str db)
{
    struct sq_str cat, d;
    sq_rc rc;

    SQ_TRY(own(ctx, catalog, &cat));
    rc = own(ctx, db, &d);
    if (rc != SQ_OK) {
        disown(ctx, &cat);
        return rc;
    }
    disown(ctx, &c->current_catalog);
    disown(ctx, &c->current_db);
    c->current_catalog = cat;
    c->current_db = d;
    c->version++;
    return SQ_OK;
}

sq_rc sq_catalog_new(struct sq_ctx *ctx, struct sq_catalog **out)
{
    struct sq_catalog *c = sq_calloc(ctx, sizeof *c);
    sq_rc rc;

    if (!c)
        return ctx->err.rc;
    c->ctx = ctx;
    rc = make_entry(ctx, DEFAULT_CATALOG, DEFAULT_DB, &c->catalogs);
    if (rc == SQ_OK)
        rc = sq_catalog_use(ctx, c, DEFAULT_CATALOG, DEFAULT_DB);
    if (rc != SQ_OK) {
        sq_catalog_free(c);
        return rc;
    }
    *out = c;
    return SQ_OK;
}

/* ---- tables by name ---- */

sq_rc sq_catalog_path(struct sq_ctx *ctx, const struct sq_catalog *c, const struct sq_name *name, struct sq_str path[3])
{
    if (name->n == 0 || name->n > 3) {
        sq_fail_at(ctx, SQ_SEMANTIC, name->span, "a table's name has one to three parts");
        return sq_hint(ctx, "write table, database.table or catalog.database.table");
    }
    path[0] = name->n == 3 ? name->part[0] : c->current_catalog;
    path[1] = name->n >= 2 ? name->part[name->n - 2] : c->current_db;
    path[2] = name->part[name->n - 1];
    return SQ_OK;
}

struct sq_table *sq_catalog_get(const struct sq_catalog *c, const struct sq_str path[3], bool temporary)
{
    struct sq_database *d = temporary ? NULL : sq_database_find(c, path[0], path[1]);
    struct sq_table *t = temporary ? c->temps : d ? d->tables : NULL;

    for (; t; t = t->next)
        if (sq_str_eq(t->name, path[2]) && (!temporary || (sq_str_eq(t->database, path[1]) && sq_str_eq(t->catalog, path[0]))))
            return t;
    return NULL;
}

static struct sq_table **list_of(struct sq_catalog *c, const struct sq_table *t)
{
    struct sq_database *d;

    if (t->temporary)
        return &c->temps;
    d = sq_database_find(c, t->catalog, t->database);
    SQ_ASSERT(d);
    return &d->tables;
}

void sq_catalog_take(struct sq_catalog *c, struct sq_table *t)
{
    struct sq_table **at = list_of(c, t);

    while (*at && *at != t)
        at = &(*at)->next;
    SQ_ASSERT(*at == t);
    *at = t->next;
    t->next = NULL;
    c->version++;
}

void sq_catalog_bury(struct sq_catalog *c, struct sq_table *t)
{
    retire(c, t);
}

void sq_catalog_remove(struct sq_catalog *c, struct sq_table *t)
{
    sq_catalog_take(c, t);
    retire(c, t);
}

void sq_catalog_put(struct sq_catalog *c, struct sq_table *t, struct sq_table *old)
{
    struct sq_table **at = list_of(c, t);

    c->version++;
    if (old && list_of(c, old) == at) {
        while (*at && *at != old)
            at = &(*at)->next;
        SQ_ASSERT(*at == old);
        t->next = old->next;
        *at = t;
        retire(c, old);
        return;
    }
    while (*at)
        at = &(*at)->next;
    t->next = NULL;
    *at = t;
    if (old)
        sq_catalog_remove(c, old);
}

sq_rc sq_catalog_lookup(struct sq_ctx *ctx, struct sq_catalog *c, const struct sq_name *name, struct sq_table **t)
{
    struct sq_str path[3];

    SQ_TRY(sq_catalog_path(ctx, c, name, path));
    *t = sq_catalog_get(c, path, true);
    if (!*t)
        *t = sq_catalog_get(c, path, false);
    return SQ_OK;
}

/* ---- a name that is not there ---- */

enum { MAX_CANDIDATES = 512 };

static struct sq_str nearest_table(const struct sq_catalog *c, const struct sq_str path[3])
{
    struct sq_str names[MAX_CANDIDATES];
    size_t n = 0;
    struct sq_database *d = sq_database_find(c, path[0], path[1]);

    for (struct sq_table *t = c->temps; t && n < MAX_CANDIDATES; t = t->next)
        if (sq_str_eq(t->catalog, path[0]) && sq_str_eq(t->database, path[1]))
            names[n++] = t->name;
    for (struct sq_table *t = d ? d->tables : NULL; t && n < MAX_CANDIDATES; t = t->next)
        names[n++] = t->name;
    return sq_nearest(path[2], names, n);
}

static struct sq_str nearest_catalog(const struct sq_catalog *c, struct sq_str word)
{
    struct sq_str names[MAX_CANDIDATES];
    size_t n = 0;

    for (struct sq_catalog_entry *e = c->catalogs; e && n < MAX_CANDIDATES; e = e->next)
        names[n++] = e->name;
    return sq_nearest(word, names, n);
}

static struct sq_str nearest_database(const struct sq_catalog_entry *e, struct sq_str word)
{
    struct sq_str names[MAX_CANDIDATES];
    size_t n = 0;

    for (struct sq_database *d = e->dbs; d && n < MAX_CANDIDATES; d = d->next)
        names[n++] = d->name;
    return sq_nearest(word, names, n);
}

static sq_rc suggest(struct sq_ctx *ctx, struct sq_str near, const char *otherwise)
{
    if (near.n)
        return sq_hint(ctx, "did you mean '%.*s'?", SQ_FMT(near));
    return otherwise ? sq_hint(ctx, "%s", otherwise) : ctx->err.rc;
}

/* A table of that name in another database: the most helpful thing that can be said. */
static const struct sq_table *elsewhere(const struct sq_catalog *c, struct sq_str name)
{
    for (struct sq_catalog_entry *e = c->catalogs; e; e = e->next)
        for (struct sq_database *d = e->dbs; d; d = d->next)
            for (struct sq_table *t = d->tables; t; t = t->next)
                if (sq_str_eq(t->name, name))
                    return t;
    return NULL;
}

static sq_rc missing(struct sq_ctx *ctx, const struct sq_catalog *c, const struct sq_name *name, const struct sq_str path[3])
{
    struct sq_catalog_entry *e = sq_catalog_find(c, path[0]);
    const struct sq_table *other;
    struct sq_str near;

    if (!e) {
        sq_fail_at(ctx, SQ_SEMANTIC, name->span, "no catalog '%.*s'", SQ_FMT(path[0]));
        return suggest(ctx, nearest_catalog(c, path[0]), "SHOW CATALOGS lists them");
    }
    if (!entry_database(e, path[1]) && name->n >= 2) {
        sq_fail_at(ctx, SQ_SEMANTIC, name->span, "no database '%.*s'", SQ_FMT(path[1]));
        return suggest(ctx, nearest_database(e, path[1]), "SHOW DATABASES lists them");
    }
    sq_fail_at(ctx, SQ_SEMANTIC, name->span, "no table '%.*s'", SQ_FMT(path[2]));
    near = nearest_table(c, path);
    other = near.n ? NULL : elsewhere(c, path[2]);
    if (other)
        return sq_hint(ctx, "there is one in another database: %.*s.%.*s.%.*s", SQ_FMT(other->catalog), SQ_FMT(other->database), SQ_FMT(other->name));
    return suggest(ctx, near, NULL);
}

sq_rc sq_catalog_table(struct sq_ctx *ctx, struct sq_catalog *c, const struct sq_name *name, struct sq_table **t)
{
    struct sq_str path[3];

    SQ_TRY(sq_catalog_path(ctx, c, name, path));
    *t = sq_catalog_get(c, path, true);
    if (!*t)
        *t = sq_catalog_get(c, path, false);
    return *t ? SQ_OK : missing(ctx, c, name, path);
}

/* Errors for CREATE, DROP, USE of databases and catalogs. */
sq_rc sq_catalog_need(struct sq_ctx *ctx, struct sq_catalog *c, struct sq_str catalog, struct sq_span at, struct sq_catalog_entry **e)
{
    *e = sq_catalog_find(c, catalog);
    if (*e)
        return SQ_OK;
    sq_fail_at(ctx, SQ_SEMANTIC, at, "no catalog '%.*s'", SQ_FMT(catalog));
    return suggest(ctx, nearest_catalog(c, catalog), "SHOW CATALOGS lists them");
}

sq_rc sq_database_need(struct sq_ctx *ctx, struct sq_catalog *c, struct sq_str catalog, struct sq_str db, struct sq_span at, struct sq_database **d)
{
    struct sq_catalog_entry *e;

    SQ_TRY(sq_catalog_need(ctx, c, catalog, at, &e));
    *d = entry_database(e, db);
    if (*d)
        return SQ_OK;
    sq_fail_at(ctx, SQ_SEMANTIC, at, "no database '%.*s' in catalog '%.*s'", SQ_FMT(db), SQ_FMT(catalog));
    return suggest(ctx, nearest_database(e, db), "CREATE DATABASE makes one");
}
