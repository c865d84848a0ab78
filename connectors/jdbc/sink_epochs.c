/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_epochs.c: each epoch's rows in one transaction, together with the marker that says so.
 *
 * A table sqluice_epochs beside the target has one row for each job and sink: the last epoch that is committed, and the run of the job that may
 * commit the next (the owner). Who opens the sink makes itself the owner. An epoch is committed by
 *
 *     BEGIN; rows …; UPDATE sqluice_epochs SET epoch = n WHERE job = … AND sink = … AND owner = me AND epoch = n - 1; COMMIT
 *
 * where the UPDATE must hit the row. So an epoch is there once or not at all, whatever dies in between; an older run of the job, which may still be
 * alive somewhere, cannot commit any more; and when the answer to a COMMIT is lost, the marker has it: n, it is done; n - 1, it is done again.
 * It is asked for with a lock, so a COMMIT that is still under way on the server has ended before it is read.
 *
 * Without a job (epochs that are not durable) there is no marker: one transaction per epoch, and at least once.
 *
 * Invariants: `marker` is never ahead of the database's; between prepare or recover and commit `rows` holds the epoch `ready`, whole.
 */
#include "base/fault.h"
#include "base/os.h"
#include "base/text.h"
#include "connectors/jdbc/sink.h"

static const struct sq_str markers = {SQ_JDBC_MARKERS, sizeof SQ_JDBC_MARKERS - 1};

/* ---- the marker's row ---- */

struct found {
    bool there;
    uint64_t epoch;
    struct sq_str owner;
};

static sq_rc where_mine(struct sq_jdbc_writer *w, struct sq_buf *sql)
{
    const struct sq_sink_epochs *e = &w->spec->epoch;
    sq_buf_puts(sql, " WHERE job = ");
    w->d->literal(sql, e->job);
    sq_buf_puts(sql, " AND sink = ");
    return w->d->literal(sql, e->sink);
}

static sq_rc add_now(struct sq_jdbc_writer *w, struct sq_buf *sql)
{
    char text[64];
    int n = sq_print_timestamp((struct sq_ts16){.us = w->ctx->os->now_us(w->ctx->os->arg)}, 3, ' ', text);
    return w->d->literal(sql, (struct sq_str){text, (uint32_t)n});
}

/* Nobody changes it before the transaction ends. */
static sq_rc read_marker(struct sq_jdbc_writer *w, struct sq_arena *arena, struct found *f)
{
    struct sq_buf sql;
    struct sq_str cols[2] = {{NULL, 0}};
    int64_t epoch = 0;
    *f = (struct found){.there = false};
    sq_buf_init(&sql, w->ctx);
    sq_buf_puts(&sql, "SELECT epoch, owner FROM " SQ_JDBC_MARKERS);
    sq_rc rc = where_mine(w, &sql);
    if (rc == SQ_OK)
        rc = w->d->first(w->conn, arena, sql.p, true, cols, 2, &f->there);
    sq_buf_free(&sql);
    SQ_TRY(rc);
    if (f->there && (!sq_parse_int(cols[0], &epoch) || epoch < 0))
        return sq_fail(w->ctx, SQ_EXTERNAL, "the marker of sink '%.*s' in table '" SQ_JDBC_MARKERS "' of database '%s' is no epoch: '%.*s'", SQ_FMT(w->spec->epoch.sink),
                       w->table->database, SQ_FMT(cols[0]));
    f->epoch = (uint64_t)epoch;
    f->owner = cols[1];
    return SQ_OK;
}

/* "UPDATE … SET column = …", of this sink's row and behind it `more`. */
static sq_rc change_marker(struct sq_jdbc_writer *w, const struct sq_buf *set, const char *more, uint64_t *rows)
{
    struct sq_buf sql;
    sq_buf_init(&sql, w->ctx);
    sq_buf_printf(&sql, "UPDATE " SQ_JDBC_MARKERS " SET %s, updated = ", set->p ? set->p : "");
    add_now(w, &sql);
    where_mine(w, &sql);
    sq_rc rc = sq_buf_puts(&sql, more);
    if (rc == SQ_OK)
        rc = w->d->change(w->conn, sql.p, rows);
    sq_buf_free(&sql);
    return rc;
}

static sq_rc not_mine(struct sq_jdbc_writer *w, uint64_t epoch, const struct found *f)
{
    const struct sq_sink_epochs *e = &w->spec->epoch;
    if (!f->there) {
        sq_fail(w->ctx, SQ_EXTERNAL, "epoch %llu cannot be committed: its marker (job %.*s, sink '%.*s') is gone from table '" SQ_JDBC_MARKERS "' of database '%s'",
                (unsigned long long)epoch, SQ_FMT(e->job), SQ_FMT(e->sink), w->table->database);
        sq_hint(w->ctx, "nobody but the job may change that table");
        return sq_lasting(w->ctx);
    }
    if (!sq_str_eq(f->owner, e->owner)) {
        sq_fail(w->ctx, SQ_EXTERNAL, "epoch %llu cannot be committed: another run of this job has taken over sink '%.*s' in database '%s', and is at epoch %llu",
                (unsigned long long)epoch, SQ_FMT(e->sink), w->table->database, (unsigned long long)f->epoch);
        sq_hint(w->ctx, "a job runs once at a time: this run (%.*s) has to end, the other (%.*s) goes on", SQ_FMT(e->owner), SQ_FMT(f->owner));
        return sq_lasting(w->ctx);
    }
    sq_fail(w->ctx, SQ_EXTERNAL, "epoch %llu cannot be committed: database '%s' has epoch %llu of sink '%.*s', where epoch %llu should be", (unsigned long long)epoch,
            w->table->database, (unsigned long long)f->epoch, SQ_FMT(e->sink), (unsigned long long)epoch - 1);
    sq_hint(w->ctx, "was the database restored from a copy of another time than the job's checkpoints?");
    return sq_lasting(w->ctx);
}

/* ---- opening: whose it is ---- */

static sq_rc check_marker_table(struct sq_jdbc_writer *w, struct sq_arena *arena)
{
    static const char *const cols[] = {"job", "sink", "epoch", "owner", "updated"};
    struct sq_jdbc_info info;
    bool fit = false;
    SQ_TRY(w->d->describe(w->conn, arena, markers, &info));
    if (!info.exists)
        return sq_jdbc_make(w, markers, w->d->make_marker);
    for (uint32_t i = 0; i < info.nkeys; i++) {
        const struct sq_jdbc_key *k = &info.keys[i];
        uint32_t same = 0;
        for (uint32_t c = 0; c < k->n; c++)
            same += w->d->same_name(info.cols[k->cols[c]].name, sq_str_of("job")) || w->d->same_name(info.cols[k->cols[c]].name, sq_str_of("sink"));
        fit = fit || (same == 2 && k->n == 2 && !k->partial);
    }
    for (size_t i = 0; i < SQ_LEN(cols); i++)
        fit = fit && sq_jdbc_find_column(w->d, &info, sq_str_of(cols[i])) >= 0;
    if (info.view || !fit) {
        sq_fail(w->ctx, SQ_EXTERNAL, "table '%.*s': table '" SQ_JDBC_MARKERS "' in database '%s' is not one that epochs can be kept in", SQ_FMT(w->spec->table->name),
                w->table->database);
        return sq_hint(w->ctx, "give it another name; it should be: %s", w->d->make_marker);
    }
    return sq_jdbc_check_engine(w, markers, &info);
}

static sq_rc insert_marker(struct sq_jdbc_writer *w)
{
    const struct sq_sink_epochs *e = &w->spec->epoch;
    struct sq_buf sql;
    sq_buf_init(&sql, w->ctx);
    sq_buf_puts(&sql, "INSERT INTO " SQ_JDBC_MARKERS " (job, sink, epoch, owner, updated) VALUES (");
    w->d->literal(&sql, e->job);
    sq_buf_puts(&sql, ", ");
    w->d->literal(&sql, e->sink);
    sq_buf_puts(&sql, ", 0, ");
    w->d->literal(&sql, e->owner);
    sq_buf_puts(&sql, ", ");
    add_now(w, &sql);
    sq_rc rc = sq_buf_putc(&sql, ')');
    if (rc == SQ_OK)
        rc = w->d->exec(w->conn, sql.p);
    sq_buf_free(&sql);
    return rc;
}

static sq_rc remove_old_job(struct sq_jdbc_writer *w)
{
    const struct sq_sink_epochs *e = &w->spec->epoch;
    struct sq_buf sql;
    if (e->old_job.n == 0 || sq_str_eq(e->old_job, e->job))
        return SQ_OK;
    sq_buf_init(&sql, w->ctx);
    sq_buf_puts(&sql, "DELETE FROM " SQ_JDBC_MARKERS " WHERE job = ");
    sq_rc rc = w->d->literal(&sql, e->old_job);
    if (rc == SQ_OK)
        rc = w->d->exec(w->conn, sql.p);
    sq_buf_free(&sql);
    return rc;
}

static sq_rc run_claim(struct sq_jdbc_writer *w, void *arg)
{
    struct sq_buf set;
    struct found f;
    uint64_t rows;
    SQ_TRY(read_marker(w, arg, &f));
    sq_buf_init(&set, w->ctx);
    sq_buf_puts(&set, "owner = ");
    sq_rc rc = w->d->literal(&set, w->spec->epoch.owner);
    if (rc == SQ_OK)
        rc = f.there ? change_marker(w, &set, "", &rows) : insert_marker(w);
    sq_buf_free(&set);
    w->marker = f.epoch;
    return rc == SQ_OK ? remove_old_job(w) : rc;
}

static sq_rc run_check(struct sq_jdbc_writer *w, void *arg) { return check_marker_table(w, arg); }

/* In two transactions: making a table ends the one it stands in, in some databases. */
sq_rc sq_jdbc_claim(struct sq_jdbc_writer *w)
{
    struct sq_arena arena;
    sq_arena_init(&arena, w->ctx);
    sq_rc rc = sq_jdbc_transact(w, &(struct sq_jdbc_work){.run = run_check, .arg = &arena});
    if (rc == SQ_OK)
        rc = w->d->durable(w->conn);
    if (rc == SQ_OK)
        rc = sq_jdbc_transact(w, &(struct sq_jdbc_work){.run = run_claim, .arg = &arena});
    sq_arena_free(&arena);
    return rc;
}

sq_rc sq_jdbc_marker(struct sq_writer *self, uint64_t *epoch)
{
    *epoch = sq_jdbc_writer_of(self)->marker;
    return SQ_OK;
}

/* ---- committing ---- */

/* Sets the marker from `from` (or from whatever it is) to `to`; false: it is not there, or not this run's. */
static sq_rc move_marker(struct sq_jdbc_writer *w, const uint64_t *from, uint64_t to, bool *moved)
{
    struct sq_buf set, more;
    uint64_t rows = 0;
    sq_buf_init(&set, w->ctx);
    sq_buf_init(&more, w->ctx);
    sq_buf_puts(&more, " AND owner = ");
    sq_rc rc = w->d->literal(&more, w->spec->epoch.owner);
    if (rc == SQ_OK && from)
        rc = sq_buf_printf(&more, " AND epoch = %llu", (unsigned long long)*from);
    if (rc == SQ_OK)
        rc = sq_buf_printf(&set, "epoch = %llu", (unsigned long long)to);
    if (rc == SQ_OK)
        rc = change_marker(w, &set, more.p, &rows);
    sq_buf_free(&set);
    sq_buf_free(&more);
    *moved = rows == 1;
    return rc;
}

/* n and this run's: yes; n - 1 and this run's: no; else an error. */
static sq_rc happened(struct sq_jdbc_writer *w, void *arg, bool *yes)
{
    uint64_t n = *(const uint64_t *)arg;
    struct sq_arena arena;
    struct found f;
    sq_arena_init(&arena, w->ctx);
    sq_rc rc = read_marker(w, &arena, &f);
    bool mine = rc == SQ_OK && f.there && sq_str_eq(f.owner, w->spec->epoch.owner);
    *yes = mine && f.epoch == n;
    if (rc == SQ_OK && !*yes && !(mine && f.epoch == n - 1))
        rc = not_mine(w, n, &f);
    sq_arena_free(&arena);
    return rc;
}

static sq_rc refused(struct sq_jdbc_writer *w, uint64_t n)
{
    struct sq_arena arena;
    struct found f;
    sq_arena_init(&arena, w->ctx);
    sq_rc rc = read_marker(w, &arena, &f);
    if (rc == SQ_OK)
        rc = not_mine(w, n, &f);
    sq_arena_free(&arena);
    return rc;
}

static sq_rc run_commit(struct sq_jdbc_writer *w, void *arg)
{
    uint64_t n = *(const uint64_t *)arg, before = n - 1;
    bool moved;
    SQ_TRY(sq_jdbc_write_rows(w));
    SQ_FAULT(w->ctx, "jdbc.rows");
    if (!w->marked)
        return SQ_OK;
    SQ_TRY(move_marker(w, &before, n, &moved));
    SQ_FAULT(w->ctx, "jdbc.marker");
    return moved ? SQ_OK : refused(w, n);
}

sq_rc sq_jdbc_commit(struct sq_writer *self, uint64_t n)
{
    struct sq_jdbc_writer *w = sq_jdbc_writer_of(self);
    sq_rc rc = SQ_OK;
    if (w->ready != n && !(w->marked && w->marker == n))
        return sq_fail(w->ctx, SQ_INTERNAL, "table '%.*s': epoch %llu is committed without its rows", SQ_FMT(w->spec->table->name), (unsigned long long)n);
    if (w->marked ? w->marker != n : w->rows.n > 0)
        rc = sq_jdbc_transact(w, &(struct sq_jdbc_work){.run = run_commit, .happened = w->marked ? happened : NULL, .arg = &n, .appends = !w->upserts && !w->marked, .commits_epoch = true});
    if (rc == SQ_EXTERNAL || rc == SQ_DATA)
        return sq_jdbc_wrap(w);
    SQ_TRY(rc);
    w->marker = n;
    w->ready = 0;
    sq_sink_rows_clear(&w->rows);
    return SQ_OK;
}

static sq_rc run_set(struct sq_jdbc_writer *w, void *arg)
{
    uint64_t n = *(const uint64_t *)arg;
    bool moved;
    SQ_TRY(move_marker(w, NULL, n, &moved));
    return moved ? SQ_OK : refused(w, n);
}

sq_rc sq_jdbc_set_marker(struct sq_writer *self, uint64_t epoch)
{
    struct sq_jdbc_writer *w = sq_jdbc_writer_of(self);
    if (!w->marked || w->marker == epoch)
        return SQ_OK;
    sq_rc rc = sq_jdbc_transact(w, &(struct sq_jdbc_work){.run = run_set, .arg = &epoch});
    if (rc == SQ_OK)
        w->marker = epoch;
    return rc == SQ_EXTERNAL ? sq_jdbc_wrap(w) : rc;
}

/* ---- what waits ---- */

sq_rc sq_jdbc_prepare(struct sq_writer *self, uint64_t n, struct sq_buf *pending)
{
    struct sq_jdbc_writer *w = sq_jdbc_writer_of(self);
    SQ_TRY(sq_jdbc_before_write(w));
    if (n == 0 || (w->marked && n != w->marker + 1))
        return sq_fail(w->ctx, SQ_INTERNAL, "table '%.*s': epoch %llu is prepared behind epoch %llu", SQ_FMT(w->spec->table->name), (unsigned long long)n,
                       (unsigned long long)w->marker);
    if (pending)
        SQ_TRY(sq_jdbc_rows_save(&w->rows, n, pending));
    w->ready = n;
    return SQ_OK;
}

sq_rc sq_jdbc_recover(struct sq_writer *self, uint64_t n, struct sq_str pending)
{
    struct sq_jdbc_writer *w = sq_jdbc_writer_of(self);
    sq_sink_rows_clear(&w->rows);
    w->ready = 0;
    if (n == 0 || (w->marked && w->marker >= n))
        return SQ_OK;                                   /* they are in the table */
    if (pending.n)
        SQ_TRY(sq_jdbc_rows_load(&w->rows, n, pending));
    w->ready = n;
    return SQ_OK;
}

sq_rc sq_jdbc_before_write(struct sq_jdbc_writer *w)
{
    if (w->ready == 0)
        return SQ_OK;
    if (!w->marked || w->marker < w->ready)
        return sq_fail(w->ctx, SQ_INTERNAL, "table '%.*s': rows come while epoch %llu waits for its commit", SQ_FMT(w->spec->table->name), (unsigned long long)w->ready);
    sq_sink_rows_clear(&w->rows);
    w->ready = 0;
    return SQ_OK;
}

size_t sq_jdbc_pending_bytes(struct sq_writer *self) { return sq_sink_rows_bytes(&sq_jdbc_writer_of(self)->rows); }
