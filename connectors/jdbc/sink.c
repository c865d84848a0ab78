/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c: writes a changelog to a table of a database.
 *
 * With a key, rows are upserts and deletes: they are gathered by their packed key, where the last change of a key wins, and written in one
 * transaction, so a key that changes often costs one statement. Without a key they are appended.
 *
 * Without epochs a transaction is written when enough rows are gathered, when they have waited long enough, when the input is idle, and at its end:
 * at least once. With epochs nothing goes out before an epoch's commit, which is one transaction (sink_epochs.c): exactly once.
 *
 * FLINK: the number of rows per transaction is 10,000 unless it is given: a commit costs far more than a row here. Flink's own sink is at least
 * once with checkpoints too, and flushes at them.
 */
#include "base/os.h"
#include "connectors/jdbc/sink.h"

enum { DEFAULT_ROWS = 10000, MAX_BYTES = 32 << 20 };

/* ---- what can be written ---- */

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

static enum sq_sink_promise jdbc_promise(const struct sq_table_spec *t, const struct sq_table_ext *ext)
{
    (void)t;
    (void)ext;
    return SQ_SINK_MARKED;
}

/* ---- opening ---- */

static sq_rc prepare_statements(struct sq_jdbc_writer *w)
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

static sq_rc open_buffers(struct sq_jdbc_writer *w)
{
    const struct sq_table_spec *t = w->spec->table;
    w->names = sq_calloc(w->ctx, (t->ncols + 1) * sizeof *w->names);
    if (!w->names)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->ncols; i++)
        w->names[i] = t->cols[i].name;
    return sq_sink_rows_init(&w->rows, w->ctx, t, w->spec->key, w->upserts ? w->spec->nkey : 0);
}

static void jdbc_close(struct sq_writer *self)
{
    struct sq_jdbc_writer *w = sq_jdbc_writer_of(self);
    if (!w)
        return;
    w->d->finalize(w->put);
    w->d->finalize(w->del);
    if (w->conn) {
        w->d->rollback(w->conn);
        w->d->close(w->conn);
    }
    sq_sink_rows_free(&w->rows);
    sq_free(w->ctx, w->names);
    sq_free(w->ctx, w);
}

static sq_rc open_writer(struct sq_jdbc_writer *w)
{
    SQ_TRY(open_buffers(w));
    SQ_TRY(sq_jdbc_check_types(w));
    SQ_TRY(w->d->open(w->ctx, w->table, true, &w->conn));
    SQ_TRY(sq_jdbc_check(w));
    if (!w->d->put_rows)
        SQ_TRY(prepare_statements(w));
    return w->marked ? sq_jdbc_claim(w) : SQ_OK;
}

static sq_rc refuse(struct sq_ctx *ctx, const struct sq_sink_spec *spec)
{
    const struct sq_jdbc_table *t = sq_jdbc_table_of(spec->ext);
    if (t->dialect->same_name(t->name, SQ_STR(SQ_JDBC_MARKERS)))
        return sq_fail(ctx, SQ_SEMANTIC, "table '%.*s': table '" SQ_JDBC_MARKERS "' keeps the epochs of jobs and cannot be a job's target", SQ_FMT(spec->table->name));
    if (spec->mode == SQ_MODE_UPSERT && spec->nkey == 0)
        return sq_fail(ctx, SQ_INTERNAL, "table '%.*s' is sent changes without a key", SQ_FMT(spec->table->name));
    return spec->overwrite ? sq_fail(ctx, SQ_UNSUPPORTED, "INSERT OVERWRITE is not supported by connector 'jdbc'") : SQ_OK;
}

static sq_rc jdbc_open(struct sq_ctx *ctx, const struct sq_sink_spec *spec, struct sq_writer **out)
{
    SQ_TRY(refuse(ctx, spec));
    struct sq_jdbc_writer *w = sq_calloc(ctx, sizeof *w);
    if (!w)
        return SQ_NOMEM;
    w->ctx = ctx;
    w->spec = spec;
    w->table = sq_jdbc_table_of(spec->ext);
    w->d = w->table->dialect;
    w->upserts = spec->nkey > 0 && (spec->mode == SQ_MODE_UPSERT || !spec->key_derived);
    w->marked = spec->epoch.on && spec->epoch.job.n > 0;
    w->max_rows = w->table->options.flush_rows == INT64_MIN ? DEFAULT_ROWS : w->table->options.flush_rows == 0 ? SIZE_MAX : (size_t)w->table->options.flush_rows;
    sq_rc rc = open_writer(w);
    if (rc != SQ_OK) {
        struct sq_error keep = ctx->err;
        jdbc_close((struct sq_writer *)(void *)w);
        ctx->err = keep;
        return rc;
    }
    *out = (struct sq_writer *)(void *)w;
    return SQ_OK;
}

/* ---- rows ---- */

static sq_rc null_in_key(struct sq_jdbc_writer *w, const struct sq_batch *b, uint32_t r)
{
    for (uint32_t k = 0; k < w->spec->nkey; k++)
        if (sq_vec_null(&b->cols[w->spec->key[k]], r)) {
            sq_fail(w->ctx, SQ_DATA, "table '%.*s': NULL in key column '%.*s'", SQ_FMT(w->spec->table->name), SQ_FMT(w->names[w->spec->key[k]]));
            return sq_hint(w->ctx, "leave such rows out: WHERE … IS NOT NULL");
        }
    return SQ_OK;
}

static sq_rc gather(struct sq_jdbc_writer *w, const struct sq_batch *b, uint32_t r)
{
    uint8_t kind = sq_row_kind(b, r);
    if (w->upserts) {
        if (kind == SQ_UPDATE_BEFORE)
            return SQ_OK;                               /* its +U follows, for the same key */
        SQ_TRY(null_in_key(w, b, r));
    } else {
        SQ_ASSERT(kind == SQ_INSERT);
    }
    return sq_sink_rows_add(&w->rows, b, r, kind == SQ_DELETE);
}

static sq_rc run_flush(struct sq_jdbc_writer *w, void *arg)
{
    (void)arg;
    return sq_jdbc_write_rows(w);
}

static sq_rc jdbc_flush(struct sq_writer *self)
{
    struct sq_jdbc_writer *w = sq_jdbc_writer_of(self);
    if (w->rows.n == 0 || w->spec->epoch.on)
        return SQ_OK;
    sq_rc rc = sq_jdbc_transact(w, &(struct sq_jdbc_work){.run = run_flush, .appends = !w->upserts});
    if (rc == SQ_EXTERNAL || rc == SQ_DATA)
        return sq_jdbc_wrap(w);
    if (rc == SQ_OK)
        sq_sink_rows_clear(&w->rows);
    return rc;
}

static sq_rc jdbc_finish(struct sq_writer *self)
{
    struct sq_jdbc_writer *w = sq_jdbc_writer_of(self);
    if (w->spec->epoch.on && w->rows.n)
        return sq_fail(w->ctx, SQ_INTERNAL, "table '%.*s': rows of an epoch were not committed", SQ_FMT(w->spec->table->name));
    return jdbc_flush(self);
}

static bool due(struct sq_jdbc_writer *w)
{
    int64_t interval = w->table->options.flush_interval_ms;
    if (w->rows.n >= w->max_rows || w->rows.bytes.n >= MAX_BYTES)
        return true;
    return interval > 0 && w->rows.n && w->ctx->os->mono_ns(w->ctx->os->arg) - w->first_ns >= interval * 1000000;
}

static sq_rc jdbc_write(struct sq_writer *self, const struct sq_batch *b)
{
    struct sq_jdbc_writer *w = sq_jdbc_writer_of(self);
    if (w->spec->epoch.on) {
        SQ_TRY(sq_jdbc_before_write(w));
        for (uint32_t i = 0; i < b->nsel; i++)
            SQ_TRY(gather(w, b, sq_row(b, i)));
        return SQ_OK;
    }
    for (uint32_t i = 0; i < b->nsel; i++) {
        if (w->rows.n == 0)
            w->first_ns = w->ctx->os->mono_ns(w->ctx->os->arg);
        SQ_TRY(gather(w, b, sq_row(b, i)));
        if (w->rows.n >= w->max_rows || w->rows.bytes.n >= MAX_BYTES)
            SQ_TRY(jdbc_flush(self));
    }
    return due(w) ? jdbc_flush(self) : SQ_OK;
}

const struct sq_sink_class sq_jdbc_sink = {
    .accepts = SQ_MODE_INSERT | SQ_MODE_UPSERT, .accept = jdbc_accept, .shows_changes = jdbc_shows_changes, .derives_key = true, .open = jdbc_open,
    .write = jdbc_write, .flush = jdbc_flush, .finish = jdbc_finish, .close = jdbc_close, .promise = jdbc_promise, .marker = sq_jdbc_marker,
    .set_marker = sq_jdbc_set_marker, .prepare = sq_jdbc_prepare, .recover = sq_jdbc_recover, .commit = sq_jdbc_commit, .pending_bytes = sq_jdbc_pending_bytes,
};
