/* SPDX-License-Identifier: Apache-2.0
 *
 * alter.c: definitions changed and merged: ALTER TABLE, CREATE TABLE … LIKE, CREATE TABLE … AS.
 *
 * A table is never changed in place. Its definition is taken (sq_table_define), changed as the statement says, and built again with every
 * check of CREATE TABLE; the new table then takes the old one's place. So ALTER is all or nothing.
 *
 * FLINK: the features of LIKE and their strategies are its own: INCLUDING ALL, OVERWRITING OPTIONS by default. Columns declared in
 * CREATE TABLE … AS come first, then those of the query that are not among them; a declared one keeps its type.
 */
#include "planner/ddl.h"

/* ---- lists of a definition ---- */

static int32_t find_def(const struct sq_ast_table *d, struct sq_str name)
{
    for (uint32_t i = 0; i < d->ncols; i++)
        if (sq_str_eq(d->cols[i].name, name))
            return (int32_t)i;
    return -1;
}

static int32_t find_option(const struct sq_ast_table *d, struct sq_str key)
{
    for (uint32_t i = 0; i < d->noptions; i++)
        if (sq_str_eq(d->options[i].key, key))
            return (int32_t)i;
    return -1;
}

/* Room for `more` columns behind those that are there. */
static sq_rc room_cols(struct sq_arena *a, struct sq_ast_table *d, uint32_t more)
{
    struct sq_ast_coldef *p = SQ_NEW_ARRAY(a, struct sq_ast_coldef, (size_t)d->ncols + more + 1);

    if (!p)
        return SQ_NOMEM;
    if (d->ncols)
        memcpy(p, d->cols, d->ncols * sizeof *p);
    d->cols = p;
    return SQ_OK;
}

static sq_rc room_options(struct sq_arena *a, struct sq_ast_table *d, uint32_t more)
{
    struct sq_kv *p = SQ_NEW_ARRAY(a, struct sq_kv, (size_t)d->noptions + more + 1);

    if (!p)
        return SQ_NOMEM;
    if (d->noptions)
        memcpy(p, d->options, d->noptions * sizeof *p);
    d->options = p;
    return SQ_OK;
}

static sq_rc no_column(struct sq_bind_env *env, const struct sq_ast_table *d, struct sq_str name, struct sq_span at)
{
    struct sq_str *names = SQ_NEW_ARRAY(env->arena, struct sq_str, d->ncols + 1), near;

    if (!names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < d->ncols; i++)
        names[i] = d->cols[i].name;
    near = sq_nearest(name, names, d->ncols);
    sq_fail_at(env->ctx, SQ_SEMANTIC, at, "table '%.*s' has no column '%.*s'", SQ_FMT(d->name.part[d->name.n - 1]), SQ_FMT(name));
    return near.n ? sq_hint(env->ctx, "did you mean '%.*s'?", SQ_FMT(near)) : SQ_SEMANTIC;
}

/* ---- who refers to a column ---- */

struct mention { struct sq_str name; bool found; };

static bool mentions(void *arg, struct sq_ast_expr *e)
{
    struct mention *m = arg;

    m->found |= e->kind == SQ_A_NAME && sq_str_eq(e->name.part[0], m->name);
    return !m->found;
}

static bool expr_mentions(struct sq_ast_expr *e, struct sq_str name)
{
    struct mention m = {name, false};

    if (e)
        sq_ast_walk(e, mentions, &m);
    return m.found;
}

static sq_rc check_unused(struct sq_bind_env *env, const struct sq_ast_table *d, struct sq_str name, struct sq_span at, const char *doing)
{
    for (uint32_t i = 0; i < d->ncols; i++)
        if (expr_mentions(d->cols[i].expr, name))
            return sq_fail_at(env->ctx, SQ_SEMANTIC, at, "column '%.*s' cannot be %s: the computed column '%.*s' refers to it", SQ_FMT(name), doing,
                              SQ_FMT(d->cols[i].name));
    if (d->watermark && (sq_str_eq(d->watermark->col.part[0], name) || expr_mentions(d->watermark->expr, name)))
        return sq_fail_at(env->ctx, SQ_SEMANTIC, at, "column '%.*s' cannot be %s: the WATERMARK refers to it", SQ_FMT(name), doing);
    for (uint32_t i = 0; i < d->npartition; i++)
        if (sq_str_eq(d->partition[i], name))
            return sq_fail_at(env->ctx, SQ_SEMANTIC, at, "column '%.*s' cannot be %s: the table is partitioned by it", SQ_FMT(name), doing);
    return SQ_OK;
}

/* ---- ALTER TABLE ---- */

static void set_key(struct sq_ast_table *d, const struct sq_ast_table *from)
{
    d->pk = from->pk;
    d->pk_spans = from->pk_spans;
    d->npk = from->npk;
    d->pk_name = from->pk_name;
    d->pk_span = from->pk_span;
    d->pk_enforced_given = from->pk_enforced_given;
    d->pk_enforced = from->pk_enforced;
}

static bool gives_key(const struct sq_ast_table *d)
{
    for (uint32_t i = 0; i < d->ncols; i++)
        if (d->cols[i].primary_key)
            return true;
    return d->npk > 0;
}

static sq_rc alter_set(struct sq_bind_env *env, struct sq_ast_table *d, const struct sq_ast_stmt *st)
{
    SQ_TRY(room_options(env->arena, d, st->noptions));
    for (uint32_t i = 0; i < st->noptions; i++) {
        int32_t k = find_option(d, st->options[i].key);
        d->options[k >= 0 ? (uint32_t)k : d->noptions++] = st->options[i];
    }
    return SQ_OK;
}

static sq_rc alter_reset(struct sq_bind_env *env, struct sq_ast_table *d, const struct sq_ast_stmt *st)
{
    for (uint32_t i = 0; i < st->noptions; i++) {
        int32_t k = find_option(d, st->options[i].key);

        if (sq_str_is(st->options[i].key, "connector"))
            return sq_fail_at(env->ctx, SQ_SEMANTIC, st->options[i].key_span, "a table cannot be without 'connector'");
        if (k < 0) {
            sq_notice(env->ctx, "option '%.*s' was not given", SQ_FMT(st->options[i].key));
            continue;
        }
        memmove(&d->options[k], &d->options[k + 1], (d->noptions - (uint32_t)k - 1) * sizeof *d->options);
        d->noptions--;
    }
    return SQ_OK;
}

static sq_rc alter_add(struct sq_bind_env *env, struct sq_ast_table *d, const struct sq_ast_stmt *st)
{
    const struct sq_ast_table *add = st->table;

    if (gives_key(add) && d->npk) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, add->pk_span.len ? add->pk_span : st->at, "the table has a PRIMARY KEY already");
        return sq_hint(env->ctx, "ALTER TABLE … MODIFY changes it");
    }
    if (add->watermark && d->watermark) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, add->watermark->span, "the table has a WATERMARK already");
        return sq_hint(env->ctx, "ALTER TABLE … MODIFY changes it");
    }
    SQ_TRY(room_cols(env->arena, d, add->ncols));
    for (uint32_t i = 0; i < add->ncols; i++) {
        if (find_def(d, add->cols[i].name) >= 0)
            return sq_fail_at(env->ctx, SQ_SEMANTIC, add->cols[i].span, "the table has a column '%.*s' already", SQ_FMT(add->cols[i].name));
        d->cols[d->ncols++] = add->cols[i];
    }
    if (gives_key(add))
        set_key(d, add);
    if (add->watermark)
        d->watermark = add->watermark;
    return SQ_OK;
}

static sq_rc alter_modify(struct sq_bind_env *env, struct sq_ast_table *d, const struct sq_ast_stmt *st)
{
    const struct sq_ast_table *mod = st->table;

    if (gives_key(mod) && !d->npk) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, mod->pk_span.len ? mod->pk_span : st->at, "the table has no PRIMARY KEY to change");
        return sq_hint(env->ctx, "ALTER TABLE … ADD makes one");
    }
    if (mod->watermark && !d->watermark) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, mod->watermark->span, "the table has no WATERMARK to change");
        return sq_hint(env->ctx, "ALTER TABLE … ADD makes one");
    }
    for (uint32_t i = 0; i < mod->ncols; i++) {
        int32_t k = find_def(d, mod->cols[i].name);

        if (k < 0)
            return no_column(env, d, mod->cols[i].name, mod->cols[i].span);
        d->cols[k] = mod->cols[i];
    }
    if (gives_key(mod))
        set_key(d, mod);
    if (mod->watermark)
        d->watermark = mod->watermark;
    return SQ_OK;
}

static sq_rc drop_column(struct sq_bind_env *env, struct sq_ast_table *d, struct sq_str name, struct sq_span at)
{
    int32_t k = find_def(d, name);

    if (k < 0)
        return no_column(env, d, name, at);
    for (uint32_t i = 0; i < d->npk; i++)
        if (sq_str_eq(d->pk[i], name))
            return sq_fail_at(env->ctx, SQ_SEMANTIC, at, "column '%.*s' cannot be dropped: it is in the PRIMARY KEY", SQ_FMT(name));
    memmove(&d->cols[k], &d->cols[k + 1], (d->ncols - (uint32_t)k - 1) * sizeof *d->cols);
    d->ncols--;
    return SQ_OK;
}

static sq_rc alter_drop(struct sq_bind_env *env, struct sq_ast_table *d, const struct sq_ast_stmt *st)
{
    for (uint32_t i = 0; i < st->ncols; i++)
        SQ_TRY(drop_column(env, d, st->cols[i], st->at));
    for (uint32_t i = 0; i < st->ncols; i++)         /* afterwards: a column may go together with what refers to it */
        SQ_TRY(check_unused(env, d, st->cols[i], st->at, "dropped"));
    return SQ_OK;
}

static sq_rc alter_rename_column(struct sq_bind_env *env, struct sq_ast_table *d, const struct sq_ast_stmt *st)
{
    struct sq_str from = st->cols[0], to = st->cols[1];
    int32_t k = find_def(d, from);

    if (k < 0)
        return no_column(env, d, from, st->at);
    if (find_def(d, to) >= 0)
        return sq_fail_at(env->ctx, SQ_SEMANTIC, st->at, "the table has a column '%.*s' already", SQ_FMT(to));
    SQ_TRY(check_unused(env, d, from, st->at, "renamed"));
    d->cols[k].name = to;
    for (uint32_t i = 0; i < d->npk; i++)
        if (sq_str_eq(d->pk[i], from))
            d->pk[i] = to;
    return SQ_OK;
}

static sq_rc change(struct sq_bind_env *env, struct sq_ast_table *d, const struct sq_ast_stmt *st)
{
    switch (st->alter) {
    case SQ_ALTER_SET: return alter_set(env, d, st);
    case SQ_ALTER_RESET: return alter_reset(env, d, st);
    case SQ_ALTER_ADD: return alter_add(env, d, st);
    case SQ_ALTER_MODIFY: return alter_modify(env, d, st);
    case SQ_ALTER_DROP_COLUMN: return alter_drop(env, d, st);
    case SQ_ALTER_RENAME_COLUMN: return alter_rename_column(env, d, st);
    case SQ_ALTER_DROP_PK:
        if (!d->npk)
            return sq_fail_at(env->ctx, SQ_SEMANTIC, st->at, "the table has no PRIMARY KEY");
        d->npk = 0;
        return SQ_OK;
    case SQ_ALTER_DROP_WATERMARK:
        if (!d->watermark)
            return sq_fail_at(env->ctx, SQ_SEMANTIC, st->at, "the table has no WATERMARK");
        d->watermark = NULL;
        return SQ_OK;
    case SQ_ALTER_RENAME:
        break;
    }
    return sq_fail_at(env->ctx, SQ_UNSUPPORTED, st->at, "this ALTER TABLE is not supported yet");
}

sq_rc sq_alter_table(struct sq_bind_env *env, const struct sq_ast_stmt *st)
{
    struct sq_table *old, *t;
    struct sq_ast_table *d;

    SQ_TRY(sq_catalog_lookup(env->ctx, env->catalog, &st->name, &old));
    if (!old && st->if_exists)
        return SQ_OK;
    if (!old)
        return sq_catalog_table(env->ctx, env->catalog, &st->name, &old);
    if (old->is_view) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, st->name.span, "'%.*s' is a view", SQ_FMT(old->name));
        return sq_hint(env->ctx, "ALTER VIEW changes it");
    }
    if (st->alter == SQ_ALTER_RENAME)
        return sq_rename(env, old, st);
    SQ_TRY(sq_table_define(env->ctx, env->arena, old, &d));
    SQ_TRY(change(env, d, st));
    SQ_TRY(sq_table_build(env, d, (struct sq_str[3]){old->catalog, old->database, old->name}, &t));
    sq_catalog_put(env->catalog, t, old);
    return SQ_OK;
}

/* ---- CREATE TABLE … LIKE ---- */

enum feature { CONSTRAINTS, DISTRIBUTION, GENERATED, METADATA, OPTIONS, PARTITIONS, WATERMARKS, FEATURES };
enum strategy { INCLUDING, EXCLUDING, OVERWRITING };

static const char *const feature_names[FEATURES] = {"CONSTRAINTS", "DISTRIBUTION", "GENERATED", "METADATA", "OPTIONS", "PARTITIONS", "WATERMARKS"};
static const char *const strategy_names[] = {"INCLUDING", "EXCLUDING", "OVERWRITING"};

static bool split_option(struct sq_str o, int *strategy, int *feature)
{
    const char *space = memchr(o.p, ' ', o.n);
    struct sq_str a, b;

    if (!space)
        return false;
    a = (struct sq_str){o.p, (uint32_t)(space - o.p)};
    b = sq_str_trim((struct sq_str){space, o.n - a.n});
    for (*strategy = OVERWRITING; *strategy >= 0 && !sq_str_iis(a, strategy_names[*strategy]);)
        --*strategy;
    for (*feature = 0; *feature < FEATURES && !sq_str_iis(b, feature_names[*feature]);)
        ++*feature;
    return *strategy >= 0 && (*feature < FEATURES || sq_str_iis(b, "ALL"));
}

static sq_rc strategies(struct sq_bind_env *env, const struct sq_ast_like *like, enum strategy how[FEATURES])
{
    for (int f = 0; f < FEATURES; f++)
        how[f] = f == OPTIONS ? OVERWRITING : INCLUDING;
    for (int pass = 0; pass < 2; pass++)              /* ALL first, wherever it stands */
        for (uint32_t i = 0; i < like->noptions; i++) {
            int s, f;

            if (!split_option(like->options[i], &s, &f))
                return sq_fail_at(env->ctx, SQ_SEMANTIC, like->table.span, "LIKE cannot do '%.*s'", SQ_FMT(like->options[i]));
            if (s == OVERWRITING && (f == CONSTRAINTS || f == PARTITIONS || f == DISTRIBUTION || f == FEATURES))
                return sq_fail_at(env->ctx, SQ_SEMANTIC, like->table.span, "LIKE cannot overwrite %s: write INCLUDING or EXCLUDING",
                                  f == FEATURES ? "ALL" : feature_names[f]);
            if ((f == FEATURES) != (pass == 0))
                continue;
            for (int k = 0; k < FEATURES; k++)
                if (k == f || f == FEATURES)
                    how[k] = (enum strategy)s;
        }
    return SQ_OK;
}

static sq_rc clash(struct sq_bind_env *env, struct sq_span at, const char *what, struct sq_str name, const char *feature)
{
    sq_fail_at(env->ctx, SQ_SEMANTIC, at, "%s%s%.*s%s is there already, from the table that this one is LIKE", what, name.n ? " '" : "", SQ_FMT(name),
               name.n ? "'" : "");
    return feature ? sq_hint(env->ctx, "EXCLUDING %s leaves it out", feature) : SQ_SEMANTIC;
}

/* The columns: those of the other table, then those declared here. */
static sq_rc like_columns(struct sq_bind_env *env, const struct sq_ast_table *def, struct sq_ast_table *d, const enum strategy how[FEATURES])
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < d->ncols; i++) {
        enum sq_coldef_kind k = d->cols[i].kind;
        if ((k == SQ_C_COMPUTED && how[GENERATED] == EXCLUDING) || (k == SQ_C_METADATA && how[METADATA] == EXCLUDING))
            continue;
        d->cols[n++] = d->cols[i];
    }
    d->ncols = n;
    SQ_TRY(room_cols(env->arena, d, def->ncols));
    for (uint32_t i = 0; i < def->ncols; i++) {
        const struct sq_ast_coldef *c = &def->cols[i];
        int32_t k = find_def(d, c->name);

        if (k < 0) {
            d->cols[d->ncols++] = *c;
            continue;
        }
        if (c->kind == d->cols[k].kind && ((c->kind == SQ_C_COMPUTED && how[GENERATED] == OVERWRITING) || (c->kind == SQ_C_METADATA && how[METADATA] == OVERWRITING)))
            d->cols[k] = *c;
        else
            return clash(env, c->span, "column", c->name, d->cols[k].kind == SQ_C_COMPUTED ? "GENERATED" : d->cols[k].kind == SQ_C_METADATA ? "METADATA" : NULL);
    }
    return SQ_OK;
}

static sq_rc like_options(struct sq_bind_env *env, const struct sq_ast_table *def, struct sq_ast_table *d, enum strategy how)
{
    if (how == EXCLUDING)
        d->noptions = 0;
    SQ_TRY(room_options(env->arena, d, def->noptions));
    for (uint32_t i = 0; i < def->noptions; i++) {
        int32_t k = find_option(d, def->options[i].key);

        if (k >= 0 && how == INCLUDING)
            return clash(env, def->options[i].key_span, "option", def->options[i].key, "OPTIONS");
        d->options[k >= 0 ? (uint32_t)k : d->noptions++] = def->options[i];
    }
    return SQ_OK;
}

static sq_rc like_rest(struct sq_bind_env *env, const struct sq_ast_table *def, struct sq_ast_table *d, const enum strategy how[FEATURES])
{
    struct sq_str none = SQ_STR("");

    if (how[CONSTRAINTS] == EXCLUDING)
        d->npk = 0;
    if (how[PARTITIONS] == EXCLUDING)
        d->npartition = 0;
    if (how[WATERMARKS] == EXCLUDING)
        d->watermark = NULL;
    if (gives_key(def)) {
        if (d->npk)
            return clash(env, def->pk_span.len ? def->pk_span : def->name.span, "a PRIMARY KEY", none, "CONSTRAINTS");
        set_key(d, def);
    }
    if (def->npartition) {
        if (d->npartition)
            return clash(env, def->name.span, "a PARTITIONED BY", none, "PARTITIONS");
        d->partition = def->partition;
        d->npartition = def->npartition;
    }
    if (def->watermark) {
        if (d->watermark && how[WATERMARKS] == INCLUDING)
            return clash(env, def->watermark->span, "a WATERMARK", none, "WATERMARKS");
        d->watermark = def->watermark;
    }
    return SQ_OK;
}

sq_rc sq_define_like(struct sq_bind_env *env, const struct sq_ast_table *def, struct sq_ast_table **out)
{
    enum strategy how[FEATURES];
    struct sq_table *base;
    struct sq_ast_table *d;

    SQ_TRY(strategies(env, def->like, how));
    SQ_TRY(sq_catalog_table(env->ctx, env->catalog, &def->like->table, &base));
    if (base->is_view) {
        sq_fail_at(env->ctx, SQ_SEMANTIC, def->like->table.span, "'%.*s' is a view, and LIKE wants a table", SQ_FMT(base->name));
        return sq_hint(env->ctx, "write its columns out");
    }
    SQ_TRY(sq_table_define(env->ctx, env->arena, base, &d));
    d->name = def->name;
    d->temporary = def->temporary;
    if (def->comment.p)
        d->comment = def->comment;
    d->distributed = def->distributed;
    d->distributed_span = def->distributed_span;
    SQ_TRY(like_columns(env, def, d, how));
    SQ_TRY(like_options(env, def, d, how[OPTIONS]));
    SQ_TRY(like_rest(env, def, d, how));
    *out = d;
    return SQ_OK;
}

/* ---- CREATE TABLE … AS ---- */

static sq_rc fill_with(struct sq_bind_env *env, const struct sq_ast_table *def, const struct sq_field *cols, uint32_t ncols, struct sq_ast_insert **out)
{
    struct sq_ast_insert *in = SQ_NEW(env->arena, struct sq_ast_insert);

    if (!in)
        return SQ_NOMEM;
    in->table = def->name;
    in->query = def->as;
    in->cols = SQ_NEW_ARRAY(env->arena, struct sq_str, ncols + 1);
    in->col_spans = SQ_NEW_ARRAY(env->arena, struct sq_span, ncols + 1);
    if (!in->cols || !in->col_spans)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < ncols; i++) {
        in->cols[i] = cols[i].name;
        in->col_spans[i] = def->name.span;
    }
    in->ncols = ncols;
    *out = in;
    return SQ_OK;
}

/* CREATE TABLE t (b, a) AS …: names alone put the query's columns in order; all of them. */
static sq_rc ordered_columns(struct sq_bind_env *env, struct sq_ast_table *d, const struct sq_field *cols, uint32_t ncols)
{
    struct sq_str *names = SQ_NEW_ARRAY(env->arena, struct sq_str, ncols + 1);
    bool bare = false;

    if (!names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < ncols; i++)
        names[i] = cols[i].name;
    for (uint32_t i = 0; i < d->ncols; i++) {
        struct sq_ast_coldef *c = &d->cols[i];
        uint32_t k = 0;

        if (c->kind != SQ_C_PHYSICAL || c->type)
            continue;
        bare = true;
        while (k < ncols && !sq_str_eq(cols[k].name, c->name))
            k++;
        if (k == ncols) {
            struct sq_str near = sq_nearest(c->name, names, ncols);
            sq_fail_at(env->ctx, SQ_SEMANTIC, c->span, "column '%.*s' has no type, and the query gives no such column", SQ_FMT(c->name));
            return near.n ? sq_hint(env->ctx, "did you mean '%.*s'?", SQ_FMT(near)) : SQ_SEMANTIC;
        }
        c->type = cols[k].type;
    }
    for (uint32_t i = 0; bare && i < ncols; i++)
        if (find_def(d, cols[i].name) < 0)
            return sq_fail_at(env->ctx, SQ_SEMANTIC, d->name.span, "the list of columns must name every column of the query: '%.*s' is missing", SQ_FMT(cols[i].name));
    return SQ_OK;
}

sq_rc sq_define_as(struct sq_bind_env *env, const struct sq_ast_table *def, struct sq_ast_table **out, struct sq_ast_insert **insert)
{
    struct sq_ast_table *d = SQ_NEW(env->arena, struct sq_ast_table);
    const struct sq_field *cols;
    uint32_t ncols;

    if (!d)
        return SQ_NOMEM;
    SQ_TRY(sq_bind_schema(env, def->as, &cols, &ncols));
    *d = *def;
    d->as = NULL;
    SQ_TRY(room_cols(env->arena, d, ncols));
    SQ_TRY(ordered_columns(env, d, cols, ncols));
    for (uint32_t i = 0; i < ncols; i++) {
        int32_t k = find_def(d, cols[i].name);

        if (k >= 0 && (uint32_t)k < def->ncols) {
            if (d->cols[k].kind == SQ_C_COMPUTED || d->cols[k].kind == SQ_C_WINDOW_END)
                return sq_fail_at(env->ctx, SQ_SEMANTIC, d->cols[k].span, "column '%.*s' is computed, and the query gives it too", SQ_FMT(cols[i].name));
            continue;
        }
        d->cols[d->ncols++] = (struct sq_ast_coldef){.kind = SQ_C_PHYSICAL, .name = cols[i].name, .type = cols[i].type, .span = def->as->span};
    }
    SQ_TRY(fill_with(env, def, cols, ncols, insert));
    *out = d;
    return SQ_OK;
}
