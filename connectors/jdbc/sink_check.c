/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_check.c: what is looked at before the first row is written. A table that is missing is created (unless 'sink.create-table' says never); one
 * that exists must have the columns, keep their values as they are, and have the upsert key as one of its unique keys; with epochs it must know
 * transactions. Each error has the statement that mends it, where there is one.
 */
#include "connectors/jdbc/sink.h"

#include <strings.h>

static bool in_key(const struct sq_jdbc_writer *w, uint32_t col)
{
    for (uint32_t k = 0; w->upserts && k < w->spec->nkey; k++)
        if (w->spec->key[k] == col)
            return true;
    return false;
}

static sq_rc create_statement(struct sq_jdbc_writer *w, struct sq_buf *sql)
{
    const struct sq_table_spec *t = w->spec->table;
    struct sq_jdbc_in_key share = {.columns = w->spec->nkey};
    for (uint32_t k = 0; k < w->spec->nkey; k++)
        share.texts += sq_tid_is_string(t->cols[w->spec->key[k]].type->id) || sq_tid_is_binary(t->cols[w->spec->key[k]].type->id);
    sq_buf_reset(sql);
    sq_buf_puts(sql, "CREATE TABLE ");
    w->d->quote(sql, w->table->name);
    for (uint32_t i = 0; i < t->ncols; i++) {
        sq_buf_puts(sql, i ? ", " : " (");
        w->d->quote(sql, t->cols[i].name);
        sq_buf_putc(sql, ' ');
        if (w->d->column_type(w->ctx, w->conn, sql, t->cols[i].type, in_key(w, i) ? &share : NULL) != SQ_OK)
            return sq_wrap(w->ctx, "table '%.*s', column '%.*s'", SQ_FMT(t->name), SQ_FMT(t->cols[i].name));
        if (in_key(w, i))
            sq_buf_puts(sql, " NOT NULL");
    }
    if (w->upserts) {
        sq_buf_puts(sql, ", PRIMARY KEY (");
        sq_jdbc_names(sql, w->d, w->names, w->spec->key, w->spec->nkey);
        sq_buf_putc(sql, ')');
    }
    sq_buf_putc(sql, ')');
    return w->d->create_tail ? sq_buf_puts(sql, w->d->create_tail) : sql->rc;
}

sq_rc sq_jdbc_make(struct sq_jdbc_writer *w, struct sq_str name, const char *ddl)
{
    if (w->table->options.create_table == SQ_JDBC_CREATE_NEVER) {
        sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': database '%s' has no table '%.*s'", SQ_FMT(w->spec->table->name), w->table->database, SQ_FMT(name));
        return sq_hint(w->ctx, "create it with: %s", ddl);
    }
    SQ_TRY(w->d->exec(w->conn, ddl));
    sq_notice(w->ctx, "created in database '%s': %s", w->table->database, ddl);
    return SQ_OK;
}

static sq_rc check_columns(struct sq_jdbc_writer *w, const struct sq_jdbc_info *info)
{
    const struct sq_table_spec *t = w->spec->table;
    for (uint32_t i = 0; i < t->ncols; i++) {
        int64_t at = sq_jdbc_find_column(w->d, info, t->cols[i].name);
        if (at < 0) {
            sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': table '%.*s' in database '%s' has no column '%.*s'", SQ_FMT(t->name), SQ_FMT(w->table->name),
                    w->table->database, SQ_FMT(t->cols[i].name));
            return sq_jdbc_near_column(w->ctx, info, t->cols[i].name);
        }
        const struct sq_jdbc_column *c = &info->cols[at];
        if (c->generated)
            return sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': column '%.*s' is computed by database '%s' and cannot be written", SQ_FMT(t->name),
                           SQ_FMT(c->name), w->table->database);
        const char *why = w->d->unfit(t->cols[i].type, c, in_key(w, i));
        if (why) {
            sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': column '%.*s' is %.*s in database '%s', which does not keep every %s", SQ_FMT(t->name), SQ_FMT(c->name),
                    c->type.n ? (int)c->type.n : 7, c->type.n ? c->type.p : "untyped", w->table->database, sq_tid_name(t->cols[i].type->id));
            return sq_hint(w->ctx, "%s", why);
        }
    }
    return SQ_OK;
}

/* A column that the job does not write must be able to do without. */
static sq_rc check_others(struct sq_jdbc_writer *w, const struct sq_jdbc_info *info)
{
    const struct sq_table_spec *t = w->spec->table;
    for (uint32_t i = 0; i < info->ncols; i++) {
        const struct sq_jdbc_column *c = &info->cols[i];
        bool ours = !c->not_null || c->has_default || c->generated;
        for (uint32_t k = 0; !ours && k < t->ncols; k++)
            ours = w->d->same_name(c->name, t->cols[k].name);
        if (ours)
            continue;
        sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': column '%.*s' of table '%.*s' in database '%s' is NOT NULL without a default", SQ_FMT(t->name),
                SQ_FMT(c->name), SQ_FMT(w->table->name), w->table->database);
        return sq_hint(w->ctx, "declare it in the job file too, and give it a value");
    }
    return SQ_OK;
}

static const struct sq_jdbc_key *find_key(struct sq_jdbc_writer *w, const struct sq_jdbc_info *info)
{
    for (uint32_t i = 0; i < info->nkeys; i++) {
        const struct sq_jdbc_key *key = &info->keys[i];
        uint32_t same = 0;
        if (key->partial || key->nullable)
            continue;
        for (uint32_t k = 0; k < key->n && key->n == w->spec->nkey; k++)
            for (uint32_t j = 0; j < w->spec->nkey; j++)
                same += w->d->same_name(info->cols[key->cols[k]].name, w->names[w->spec->key[j]]);
        if (same == w->spec->nkey)
            return key;
    }
    return NULL;
}

/* True when a row can be equal to another in this key without being equal in the upsert key. */
static bool other_key_meets(struct sq_jdbc_writer *w, const struct sq_jdbc_info *info, const struct sq_jdbc_key *key)
{
    uint32_t of_upsert = 0;
    for (uint32_t k = 0; k < key->n; k++) {
        const struct sq_jdbc_column *c = &info->cols[key->cols[k]];
        bool written = false;
        for (uint32_t i = 0; i < w->spec->table->ncols; i++)
            written = written || w->d->same_name(c->name, w->names[i]);
        if (!written && (c->counted || (!c->not_null && !c->has_default)))
            return false;                                /* a number of its own, or NULL: never equal */
        for (uint32_t i = 0; i < w->spec->nkey; i++)
            of_upsert += w->d->same_name(c->name, w->names[w->spec->key[i]]);
    }
    return key->partial || of_upsert < w->spec->nkey;
}

static sq_rc check_other_keys(struct sq_jdbc_writer *w, const struct sq_jdbc_info *info, const struct sq_jdbc_key *mine)
{
    for (uint32_t i = 0; w->d->any_key && i < info->nkeys; i++) {
        if (&info->keys[i] == mine || !other_key_meets(w, info, &info->keys[i]))
            continue;
        sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': table '%.*s' in database '%s' has another unique key, '%s': a row that is equal in it would be replaced too",
                SQ_FMT(w->spec->table->name), SQ_FMT(w->table->name), w->table->database, info->keys[i].name);
        return sq_hint(w->ctx, "drop that key, or make it one that is not unique");
    }
    return SQ_OK;
}

static sq_rc no_such_key(struct sq_jdbc_writer *w, const struct sq_jdbc_key *key, const char *list, const char *mend)
{
    struct sq_str t = w->spec->table->name, name = w->table->name;
    if (!key) {
        sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': rows are replaced by (%s), and table '%.*s' in database '%s' has no unique key of exactly these columns",
                SQ_FMT(t), list, SQ_FMT(name), w->table->database);
        return sq_hint(w->ctx, "make it so with: %s", mend);
    }
    sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': the key (%s) of table '%.*s' in database '%s' has the collation %s, which takes different keys for equal",
            SQ_FMT(t), list, SQ_FMT(name), w->table->database, key->merges);
    if (*mend)
        return sq_hint(w->ctx, "make it so with: %s; or take it as it is with 'sink.accept-collation' = 'true'", mend);
    return sq_hint(w->ctx, "'sink.accept-collation' = 'true' takes it as it is: rows of such keys replace one another");
}

static sq_rc check_key(struct sq_jdbc_writer *w, const struct sq_jdbc_info *info)
{
    const struct sq_jdbc_key *key = find_key(w, info);
    struct sq_buf list, sql;
    if (key && (!key->merges || w->table->options.accept_collation))
        return check_other_keys(w, info, key);
    sq_buf_init(&list, w->ctx);
    sq_buf_init(&sql, w->ctx);
    sq_rc rc = sq_jdbc_names(&list, w->d, w->names, w->spec->key, w->spec->nkey);
    if (rc == SQ_OK)
        rc = w->d->add_key(w->conn, &sql, info, w->spec, key);
    if (rc == SQ_OK)
        rc = no_such_key(w, key, list.p, sql.p ? sql.p : "");
    sq_buf_free(&list);
    sq_buf_free(&sql);
    return rc;
}

/* ---- transactions ---- */

sq_rc sq_jdbc_check_engine(struct sq_jdbc_writer *w, struct sq_str table, const struct sq_jdbc_info *info)
{
    struct sq_str declared = w->spec->table->name;
    if (w->marked && w->d->engine && info->engine && strcasecmp(info->engine, w->d->engine) != 0) {
        struct sq_buf sql;
        sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': table '%.*s' in database '%s' has the engine %s, and exactly-once needs the transactions of %s", SQ_FMT(declared),
                SQ_FMT(table), w->table->database, info->engine, w->d->engine);
        sq_buf_init(&sql, w->ctx);
        w->d->quote(&sql, table);
        if (sql.rc == SQ_OK)
            sq_hint(w->ctx, "make it so with: ALTER TABLE %s ENGINE=%s", sql.p, w->d->engine);
        sq_buf_free(&sql);
        return SQ_EXTERNAL;
    }
    if (info->no_transactions)
        sq_notice(w->ctx, "table '%.*s': table '%.*s' in database '%s' has the engine %s, which knows no transactions: when writing fails, part of the rows stay",
                  SQ_FMT(declared), SQ_FMT(table), w->table->database, info->engine);
    return SQ_OK;
}

/* ---- all of it ---- */

static sq_rc check_outside(struct sq_jdbc_writer *w, struct sq_arena *arena, const struct sq_buf *ddl)
{
    struct sq_jdbc_info info;
    SQ_TRY(w->d->describe(w->conn, arena, w->table->name, &info));
    if (!info.exists)
        return sq_jdbc_make(w, w->table->name, ddl->p);
    if (info.view)
        return sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': '%.*s' in database '%s' is a view and cannot be written", SQ_FMT(w->spec->table->name),
                       SQ_FMT(w->table->name), w->table->database);
    SQ_TRY(check_columns(w, &info));
    SQ_TRY(check_others(w, &info));
    SQ_TRY(sq_jdbc_check_engine(w, w->table->name, &info));
    return w->upserts ? check_key(w, &info) : SQ_OK;
}

struct check { struct sq_arena *arena; const struct sq_buf *ddl; };

static sq_rc run_check(struct sq_jdbc_writer *w, void *arg)
{
    const struct check *c = arg;
    return check_outside(w, c->arena, c->ddl);
}

sq_rc sq_jdbc_check_types(struct sq_jdbc_writer *w)
{
    struct sq_buf ddl;
    sq_buf_init(&ddl, w->ctx);
    sq_rc rc = create_statement(w, &ddl);
    sq_buf_free(&ddl);
    return rc;
}

sq_rc sq_jdbc_check(struct sq_jdbc_writer *w)
{
    struct sq_buf ddl;
    struct sq_arena arena;
    sq_buf_init(&ddl, w->ctx);
    sq_arena_init(&arena, w->ctx);
    sq_rc rc = create_statement(w, &ddl);
    if (rc == SQ_OK)
        rc = sq_jdbc_transact(w, &(struct sq_jdbc_work){.run = run_check, .arg = &(struct check){&arena, &ddl}});
    sq_buf_free(&ddl);
    sq_arena_free(&arena);
    return rc;
}
