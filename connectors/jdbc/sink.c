/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c: writes a changelog to a table of a database.
 *
 * With a key, rows are upserts and deletes: they are gathered in a table by their packed key, where the last change of a key
 * wins, and written in one transaction, so a key that changes often costs one statement. Without a key they are appended.
 * A transaction is written when enough rows are gathered, when they have waited long enough, when the input is idle, and at
 * its end. One that meets a lock is rolled back and tried again whole; any other failure rolls back and ends the job.
 *
 * When the writer is opened the outside is checked: a table that is missing is created (unless 'sink.create-table' says never),
 * one that exists must have the columns, and the upsert key must be one of its unique keys.
 *
 * FLINK: the number of rows per transaction is 10,000 unless it is given: a commit costs far more than a row here.
 * Invariant: `index` holds every entry of `rows` exactly once; entries keep the order in which their keys first came.
 */
#include "base/os.h"
#include "base/row.h"
#include "connectors/jdbc/jdbc.h"

#include <stdio.h>

enum { DEFAULT_ROWS = 10000, MAX_BYTES = 32 << 20, RETRY_US = 100000 };

struct entry {                     /* a buffered row: packed key and packed row lie behind one another in `bytes` */
    uint64_t hash;
    size_t key_at, row_at, end;
    bool removed;                  /* the key is to be deleted */
};

struct writer {
    struct sq_ctx *ctx;
    const struct sq_sink_spec *spec;
    const struct sq_jdbc_table *table;
    const struct sq_jdbc_dialect *d;
    struct sq_jdbc_conn *conn;
    struct sq_jdbc_stmt *put, *del;
    struct sq_str *names;          /* of the columns */
    bool upserts;

    struct entry *rows;
    size_t nrows, cap_rows;
    struct sq_buf bytes;
    uint32_t *index;               /* open addressing: 1 + number of the entry; 0: empty */
    size_t nindex;                 /* a power of two */
    struct sq_buf key;
    struct sq_out out;             /* rows unpacked again, to be bound */
    size_t max_rows;
    int64_t first_ns;              /* when the oldest buffered row came */
};

/* ---- checks at the start ---- */

static sq_rc jdbc_accept(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_table_ext *ext, unsigned *modes)
{
    (void)ext;
    for (uint32_t i = 0; i < t->ncols; i++)
        if (t->cols[i].role == SQ_COL_METADATA)
            return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "connector 'jdbc' has no metadata columns ('%.*s')", SQ_FMT(t->cols[i].name));
    *modes = SQ_MODE_INSERT | SQ_MODE_UPSERT;
    return SQ_OK;
}

static bool jdbc_shows_changes(const struct sq_table_spec *t, const struct sq_table_ext *ext)
{
    (void)t;
    (void)ext;
    return false;
}

static sq_rc wrap_table(struct writer *w) { return sq_wrap(w->ctx, "table '%.*s'", SQ_FMT(w->spec->table->name)); }

static bool in_key(const struct writer *w, uint32_t col)
{
    for (uint32_t k = 0; w->upserts && k < w->spec->nkey; k++)
        if (w->spec->key[k] == col)
            return true;
    return false;
}

static sq_rc create_statement(struct writer *w, struct sq_buf *sql)
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

static sq_rc missing_table(struct writer *w, const struct sq_buf *ddl)
{
    if (w->table->options.create_table == SQ_JDBC_CREATE_NEVER) {
        sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': database '%s' has no table '%.*s'", SQ_FMT(w->spec->table->name), w->table->database, SQ_FMT(w->table->name));
        return sq_hint(w->ctx, "create it with: %s", ddl->p);
    }
    SQ_TRY(w->d->exec(w->conn, ddl->p));
    sq_notice(w->ctx, "created in database '%s': %s", w->table->database, ddl->p);
    return SQ_OK;
}

static sq_rc check_columns(struct writer *w, const struct sq_jdbc_info *info)
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
static sq_rc check_others(struct writer *w, const struct sq_jdbc_info *info)
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

static const struct sq_jdbc_key *find_key(struct writer *w, const struct sq_jdbc_info *info)
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
static bool other_key_meets(struct writer *w, const struct sq_jdbc_info *info, const struct sq_jdbc_key *key)
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

static sq_rc check_other_keys(struct writer *w, const struct sq_jdbc_info *info, const struct sq_jdbc_key *mine)
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

static sq_rc no_such_key(struct writer *w, const struct sq_jdbc_key *key, const char *list, const char *mend)
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

static sq_rc check_key(struct writer *w, const struct sq_jdbc_info *info)
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

static sq_rc check_outside(struct writer *w, struct sq_arena *arena, const struct sq_buf *ddl)
{
    struct sq_jdbc_info info;
    SQ_TRY(w->d->describe(w->conn, arena, &info));
    if (!info.exists)
        return missing_table(w, ddl);
    if (info.view)
        return sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': '%.*s' in database '%s' is a view and cannot be written", SQ_FMT(w->spec->table->name),
                       SQ_FMT(w->table->name), w->table->database);
    SQ_TRY(check_columns(w, &info));
    SQ_TRY(check_others(w, &info));
    return w->upserts ? check_key(w, &info) : SQ_OK;
}

/* Calls `try` until it works, has failed for good, or met a lock too often. */
static sq_rc with_retries(struct writer *w, sq_rc (*try)(struct writer *, void *), void *arg)
{
    for (int64_t i = 0;; i++) {
        sq_rc rc = w->d->begin(w->conn);
        if (rc == SQ_OK)
            rc = try(w, arg);
        if (rc == SQ_OK)
            rc = w->d->commit(w->conn);
        if (rc == SQ_OK)
            return SQ_OK;
        bool again = rc == SQ_EXTERNAL && w->d->retriable(w->conn);
        struct sq_error keep = w->ctx->err;
        w->d->rollback(w->conn);
        w->ctx->err = keep;
        if (!again)
            return rc;
        if (i >= w->table->options.max_retries) {
            if (i == 0)
                return rc;
            char hint[SQ_HINT_MAX];
            snprintf(hint, sizeof hint, "%s", w->ctx->err.hint);
            sq_fail(w->ctx, rc, "%s (tried %lld times)", keep.msg, (long long)i + 1);
            return sq_hint(w->ctx, "%s", hint);
        }
        sq_notice(w->ctx, "table '%.*s': %s; trying again (%lld of %lld)", SQ_FMT(w->spec->table->name), keep.msg, (long long)i + 1,
                  (long long)w->table->options.max_retries);
        w->ctx->os->sleep_us(w->ctx->os->arg, RETRY_US << (i < 6 ? i : 6));
        SQ_TRY(sq_check_interrupt(w->ctx));
    }
}

struct check { struct sq_arena *arena; const struct sq_buf *ddl; };

static sq_rc check_in_transaction(struct writer *w, void *arg)
{
    const struct check *c = arg;
    return check_outside(w, c->arena, c->ddl);
}

/* ---- opening ---- */

static sq_rc prepare_statements(struct writer *w)
{
    const struct sq_table_spec *t = w->spec->table;
    struct sq_buf sql;
    sq_buf_init(&sql, w->ctx);
    sq_rc rc;
    if (w->upserts) {
        SQ_TRY_OUT(w->d->upsert(&sql, w->d, w->table->name, w->names, t->ncols, w->spec->key, w->spec->nkey));
        SQ_TRY_OUT(w->d->prepare(w->conn, sql.p, &w->put));
        sq_buf_reset(&sql);
        sq_buf_puts(&sql, "DELETE FROM ");
        w->d->quote(&sql, w->table->name);
        for (uint32_t k = 0; k < w->spec->nkey; k++) {
            sq_buf_puts(&sql, k ? " AND " : " WHERE ");
            w->d->quote(&sql, w->names[w->spec->key[k]]);
            sq_buf_puts(&sql, " = ?");
        }
        SQ_TRY_OUT(sql.rc);
        SQ_TRY_OUT(w->d->prepare(w->conn, sql.p, &w->del));
        goto out;
    }
    sq_buf_puts(&sql, "INSERT INTO ");
    w->d->quote(&sql, w->table->name);
    sq_buf_puts(&sql, " (");
    sq_jdbc_names(&sql, w->d, w->names, NULL, t->ncols);
    sq_buf_puts(&sql, ") VALUES (");
    for (uint32_t i = 0; i < t->ncols; i++)
        sq_buf_puts(&sql, i ? ", ?" : "?");
    SQ_TRY_OUT(sq_buf_putc(&sql, ')'));
    SQ_TRY_OUT(w->d->prepare(w->conn, sql.p, &w->put));
out:
    sq_buf_free(&sql);
    return rc;
}

static sq_rc open_buffers(struct writer *w)
{
    const struct sq_table_spec *t = w->spec->table;
    const struct sq_type **types = sq_calloc(w->ctx, (t->ncols + 1) * sizeof *types);
    w->names = sq_calloc(w->ctx, (t->ncols + 1) * sizeof *w->names);
    if (!types || !w->names) {
        sq_free(w->ctx, types);
        return SQ_NOMEM;
    }
    for (uint32_t i = 0; i < t->ncols; i++) {
        types[i] = t->cols[i].type;
        w->names[i] = t->cols[i].name;
    }
    sq_rc rc = sq_out_init(&w->out, w->ctx, types, t->ncols);
    sq_free(w->ctx, types);
    return rc;
}

static void jdbc_close(struct sq_writer *self)
{
    struct writer *w = (struct writer *)(void *)self;
    if (!w)
        return;
    w->d->finalize(w->put);
    w->d->finalize(w->del);
    if (w->conn) {
        w->d->rollback(w->conn);
        w->d->close(w->conn);
    }
    if (w->out.ctx)
        sq_out_free(&w->out);
    sq_buf_free(&w->bytes);
    sq_buf_free(&w->key);
    sq_free(w->ctx, w->rows);
    sq_free(w->ctx, w->index);
    sq_free(w->ctx, w->names);
    sq_free(w->ctx, w);
}

static sq_rc open_writer(struct writer *w)
{
    struct sq_buf ddl;
    struct sq_arena arena;
    sq_rc rc;
    sq_buf_init(&ddl, w->ctx);
    sq_arena_init(&arena, w->ctx);
    SQ_TRY_OUT(open_buffers(w));
    SQ_TRY_OUT(create_statement(w, &ddl));               /* first: what cannot be kept is refused before anything is made */
    SQ_TRY_OUT(w->d->open(w->ctx, w->table, true, &w->conn));
    SQ_TRY_OUT(create_statement(w, &ddl));               /* again: now it is known which database it is */
    SQ_TRY_OUT(with_retries(w, check_in_transaction, &(struct check){&arena, &ddl}));
    if (!w->d->put_rows)
        SQ_TRY_OUT(prepare_statements(w));
out:
    sq_buf_free(&ddl);
    sq_arena_free(&arena);
    return rc;
}

static sq_rc jdbc_open(struct sq_ctx *ctx, const struct sq_sink_spec *spec, struct sq_writer **out)
{
    struct writer *w = sq_calloc(ctx, sizeof *w);
    if (!w)
        return SQ_NOMEM;
    w->ctx = ctx;
    w->spec = spec;
    w->table = sq_jdbc_table_of(spec->ext);
    w->d = w->table->dialect;
    w->upserts = spec->nkey > 0 && (spec->mode == SQ_MODE_UPSERT || !spec->key_derived);
    w->max_rows = w->table->options.flush_rows == INT64_MIN ? DEFAULT_ROWS : w->table->options.flush_rows == 0 ? SIZE_MAX : (size_t)w->table->options.flush_rows;
    sq_buf_init(&w->bytes, ctx);
    sq_buf_init(&w->key, ctx);
    sq_rc rc = SQ_OK;
    if (spec->mode == SQ_MODE_UPSERT && spec->nkey == 0)
        rc = sq_fail(ctx, SQ_INTERNAL, "table '%.*s' is sent changes without a key", SQ_FMT(spec->table->name));
    else if (spec->overwrite)
        rc = sq_fail(ctx, SQ_UNSUPPORTED, "INSERT OVERWRITE is not supported by connector 'jdbc'");
    else
        rc = open_writer(w);
    if (rc != SQ_OK) {
        struct sq_error keep = ctx->err;
        jdbc_close((struct sq_writer *)(void *)w);
        ctx->err = keep;
        return rc;
    }
    *out = (struct sq_writer *)(void *)w;
    return SQ_OK;
}

/* ---- the buffer ---- */

static uint64_t hash_bytes(const char *p, size_t n)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ n;
    while (n > 0) {
        uint64_t v = 0;
        size_t k = n < 8 ? n : 8;
        memcpy(&v, p, k);
        h = (h ^ v) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
        p += k;
        n -= k;
    }
    return h;
}

static sq_rc grow_index(struct writer *w)
{
    size_t n = w->nindex ? w->nindex * 2 : 1024;
    uint32_t *index = sq_calloc(w->ctx, n * sizeof *index);
    if (!index)
        return SQ_NOMEM;
    for (size_t i = 0; i < w->nrows; i++) {
        size_t at = w->rows[i].hash & (n - 1);
        while (index[at])
            at = (at + 1) & (n - 1);
        index[at] = (uint32_t)i + 1;
    }
    sq_free(w->ctx, w->index);
    w->index = index;
    w->nindex = n;
    return SQ_OK;
}

/* The entry of the key that w->key holds; a new one, empty, if there was none. */
static sq_rc find_entry(struct writer *w, struct entry **out)
{
    uint64_t hash = hash_bytes(w->key.p, w->key.n);
    if ((w->nrows + 1) * 2 > w->nindex)
        SQ_TRY(grow_index(w));
    size_t at = hash & (w->nindex - 1);
    for (; w->index[at]; at = (at + 1) & (w->nindex - 1)) {
        struct entry *e = &w->rows[w->index[at] - 1];
        if (e->hash == hash && e->row_at - e->key_at == w->key.n && memcmp(w->bytes.p + e->key_at, w->key.p, w->key.n) == 0) {
            *out = e;
            return SQ_OK;
        }
    }
    SQ_TRY(sq_grow(w->ctx, &w->rows, &w->cap_rows, w->nrows + 1, sizeof *w->rows));
    w->index[at] = (uint32_t)w->nrows + 1;
    *out = &w->rows[w->nrows++];
    (*out)->hash = hash;
    return SQ_OK;
}

static sq_rc null_in_key(struct writer *w, const struct sq_batch *b, uint32_t r)
{
    for (uint32_t k = 0; k < w->spec->nkey; k++)
        if (sq_vec_null(&b->cols[w->spec->key[k]], r)) {
            sq_fail(w->ctx, SQ_DATA, "table '%.*s': NULL in key column '%.*s'", SQ_FMT(w->spec->table->name), SQ_FMT(w->names[w->spec->key[k]]));
            return sq_hint(w->ctx, "leave such rows out: WHERE … IS NOT NULL");
        }
    return SQ_OK;
}

static sq_rc buffer_row(struct writer *w, const struct sq_batch *b, uint32_t r)
{
    uint8_t kind = sq_row_kind(b, r);
    struct entry *e;
    if (w->upserts) {
        if (kind == SQ_UPDATE_BEFORE)
            return SQ_OK;                               /* its +U follows, for the same key */
        SQ_TRY(null_in_key(w, b, r));
        sq_buf_reset(&w->key);
        SQ_TRY(sq_row_pack(&w->key, b->cols, w->spec->key, w->spec->nkey, r));
        SQ_TRY(find_entry(w, &e));
    } else {
        SQ_ASSERT(kind == SQ_INSERT);
        SQ_TRY(sq_grow(w->ctx, &w->rows, &w->cap_rows, w->nrows + 1, sizeof *w->rows));
        e = &w->rows[w->nrows++];
    }
    e->removed = kind == SQ_DELETE;
    e->key_at = w->bytes.n;
    if (w->upserts)
        SQ_TRY(sq_buf_add(&w->bytes, w->key.p, w->key.n));
    e->row_at = w->bytes.n;
    SQ_TRY(sq_row_pack(&w->bytes, b->cols, NULL, b->ncols, r));
    e->end = w->bytes.n;
    return SQ_OK;
}

static void clear_buffer(struct writer *w)
{
    w->nrows = 0;
    sq_buf_reset(&w->bytes);
    if (w->index)
        memset(w->index, 0, w->nindex * sizeof *w->index);
}

/* ---- transactions ---- */

static sq_rc write_row(struct writer *w, const struct sq_batch *b, uint32_t r)
{
    if (b->kind && b->kind[r] == SQ_DELETE) {
        for (uint32_t k = 0; k < w->spec->nkey; k++)
            SQ_TRY(w->d->bind(w->del, k, &b->cols[w->spec->key[k]], r));
        return w->d->run(w->del);
    }
    for (uint32_t c = 0; c < b->ncols; c++)
        SQ_TRY(w->d->bind(w->put, c, &b->cols[c], r));
    return w->d->run(w->put);
}

/* Unpacks rows from *i on, up to a batch of them: all, or those that are removed or put alone. */
enum which { ALL, REMOVED, PUT };

static sq_rc next_rows(struct writer *w, enum which which, size_t *i)
{
    sq_out_reset(&w->out);
    for (; *i < w->nrows && w->out.n < SQ_BATCH_ROWS; ++*i) {
        const struct entry *e = &w->rows[*i];
        if (which != ALL && e->removed != (which == REMOVED))
            continue;
        if (!sq_row_unpack(w->bytes.p + e->row_at, w->bytes.p + e->end, w->out.cols, w->out.ncols))
            return w->ctx->err.rc == SQ_NOMEM ? SQ_NOMEM : sq_fail(w->ctx, SQ_INTERNAL, "a buffered row is damaged");
        SQ_TRY(sq_out_row(&w->out, e->removed ? SQ_DELETE : SQ_INSERT));
    }
    return SQ_OK;
}

/* Deletes first: a key is in the buffer once, so the order means nothing to it, and a unique value that goes makes room for its next row. */
static sq_rc write_many(struct writer *w)
{
    bool any = false;
    for (size_t i = 0; i < w->nrows; i++)
        any = any || w->rows[i].removed;
    for (size_t i = 0; any && i < w->nrows;) {
        SQ_TRY(next_rows(w, REMOVED, &i));
        SQ_TRY(w->d->remove_rows(w->conn, w->spec, sq_out_batch(&w->out), i == w->nrows));
    }
    for (size_t i = 0; i < w->nrows;) {
        SQ_TRY(next_rows(w, PUT, &i));
        if (w->out.n)
            SQ_TRY(w->d->put_rows(w->conn, w->spec, w->upserts, sq_out_batch(&w->out)));
    }
    return SQ_OK;
}

static sq_rc write_rows(struct writer *w, void *arg)
{
    (void)arg;
    if (w->d->put_rows)
        return write_many(w);
    for (size_t i = 0; i < w->nrows;) {
        SQ_TRY(next_rows(w, ALL, &i));
        const struct sq_batch *b = sq_out_batch(&w->out);
        for (uint32_t r = 0; r < b->rows; r++)
            SQ_TRY(write_row(w, b, r));
    }
    return SQ_OK;
}

static sq_rc jdbc_flush(struct sq_writer *self)
{
    struct writer *w = (struct writer *)(void *)self;
    if (w->nrows == 0)
        return SQ_OK;
    sq_rc rc = with_retries(w, write_rows, NULL);
    if (rc == SQ_EXTERNAL || rc == SQ_DATA)
        return wrap_table(w);
    if (rc == SQ_OK)
        clear_buffer(w);
    return rc;
}

static bool due(struct writer *w)
{
    int64_t interval = w->table->options.flush_interval_ms;
    if (w->nrows >= w->max_rows || w->bytes.n >= MAX_BYTES)
        return true;
    return interval > 0 && w->nrows && w->ctx->os->mono_ns(w->ctx->os->arg) - w->first_ns >= interval * 1000000;
}

static sq_rc jdbc_write(struct sq_writer *self, const struct sq_batch *b)
{
    struct writer *w = (struct writer *)(void *)self;
    for (uint32_t i = 0; i < b->nsel; i++) {
        if (w->nrows == 0)
            w->first_ns = w->ctx->os->mono_ns(w->ctx->os->arg);
        SQ_TRY(buffer_row(w, b, sq_row(b, i)));
        if (w->nrows >= w->max_rows || w->bytes.n >= MAX_BYTES)
            SQ_TRY(jdbc_flush(self));
    }
    return due(w) ? jdbc_flush(self) : SQ_OK;
}

const struct sq_sink_class sq_jdbc_sink = {
    .accepts = SQ_MODE_INSERT | SQ_MODE_UPSERT, .accept = jdbc_accept, .shows_changes = jdbc_shows_changes, .derives_key = true, .open = jdbc_open,
    .write = jdbc_write, .flush = jdbc_flush, .finish = jdbc_flush, .close = jdbc_close,
};
