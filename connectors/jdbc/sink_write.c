/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_write.c: transactions of the jdbc sink: rows in, and trying again.
 *
 * A transaction that fails is rolled back. It is tried again, whole, with growing pauses,
 *   - when it met a lock or a deadlock: 'sink.max-retries' times;
 *   - when the connection was lost or the server restarts: as often, and for at least 'connection.max-retry-timeout' since the first failure.
 * Any other failure is final. Whoever asks the job to stop is heard in every pause.
 *
 * When COMMIT itself fails, nobody knows what became of it. Work that asks (an epoch: its marker tells) finds out in the next attempt, before it
 * writes anything, and at least once, whatever the options say. Work that does not ask is done again: upserts to the same effect; without a key rows
 * may be there twice, and a notice says so.
 */
#include "base/fault.h"
#include "base/os.h"
#include "connectors/jdbc/sink.h"

#include <stdio.h>

enum { FIRST_WAIT_US = 100000, DOUBLINGS = 6, SLICE_US = 200000 };

/* ---- rows ---- */

static sq_rc write_row(struct sq_jdbc_writer *w, const struct sq_batch *b, uint32_t r)
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

static sq_rc write_batch(struct sq_jdbc_writer *w, bool last)
{
    const struct sq_batch *b = sq_out_batch(&w->rows.out);
    bool removes = b->rows && b->kind && b->kind[0] == SQ_DELETE;
    if (w->d->put_rows && (removes || last))
        SQ_TRY(w->d->remove_rows(w->conn, w->spec, b, last));
    if (w->d->put_rows)
        return b->rows && !removes ? w->d->put_rows(w->conn, w->spec, w->upserts, b) : SQ_OK;
    for (uint32_t r = 0; r < b->rows; r++)
        SQ_TRY(write_row(w, b, r));
    return SQ_OK;
}

/* Deletes first: a key is there once, so the order means nothing to it, and a unique value that goes makes room for its next row. */
sq_rc sq_jdbc_write_rows(struct sq_jdbc_writer *w)
{
    struct sq_sink_rows *g = &w->rows;
    for (int put = 0; put < 2; put++)
        for (size_t i = 0; i < g->n && (put || g->nremoved);) {
            SQ_TRY(sq_sink_rows_next(g, put ? SQ_ROWS_PUT : SQ_ROWS_REMOVED, &i));
            SQ_TRY(write_batch(w, !put && i == g->n));
            SQ_TRY(sq_check_interrupt(w->ctx));
        }
    return SQ_OK;
}

sq_rc sq_jdbc_wrap(struct sq_jdbc_writer *w) { return sq_wrap(w->ctx, "table '%.*s'", SQ_FMT(w->spec->table->name)); }

/* ---- attempts ---- */

struct attempts {
    int64_t failed;                      /* how many have */
    int64_t begun_ns;                    /* when the first did */
    bool in_doubt;                       /* a COMMIT failed, and may have happened */
    bool at_commit;                      /* it was the last attempt's */
};

/* In a transaction of its own or of the next attempt. */
static sq_rc ask(struct sq_jdbc_writer *w, const struct sq_jdbc_work *work, struct attempts *a, bool *done)
{
    *done = false;
    if (!a->in_doubt || !work->happened)
        return SQ_OK;
    SQ_TRY(work->happened(w, work->arg, done));
    a->in_doubt = false;
    return SQ_OK;
}

static sq_rc attempt(struct sq_jdbc_writer *w, const struct sq_jdbc_work *work, struct attempts *a)
{
    bool done;
    a->at_commit = false;
    SQ_TRY(w->d->begin(w->conn));
    SQ_TRY(ask(w, work, a, &done));
    if (done) {
        w->d->rollback(w->conn);
        return SQ_OK;
    }
    if (work->commits_epoch)
        SQ_FAULT(w->ctx, "jdbc.begin");
    SQ_TRY(work->run(w, work->arg));
    if (work->commits_epoch)
        SQ_FAULT(w->ctx, "jdbc.commit");
    sq_rc rc = w->d->commit(w->conn);
    a->at_commit = a->in_doubt = rc != SQ_OK;
    if (rc == SQ_OK && work->commits_epoch)
        SQ_FAULT(w->ctx, "jdbc.committed");
    return rc;
}

static bool again(struct sq_jdbc_writer *w, struct attempts *a, enum sq_jdbc_trouble t)
{
    int64_t now = w->ctx->os->mono_ns(w->ctx->os->arg);
    if (a->failed++ == 0)
        a->begun_ns = now;
    if (t != SQ_JDBC_FAILED && a->failed <= w->table->options.max_retries)
        return true;
    return t == SQ_JDBC_LOST && now - a->begun_ns < w->table->options.retry_timeout_ms * 1000000;
}

/* e: the last error. It is not returned when the COMMIT that gave it turns out to have happened. */
static sq_rc give_up(struct sq_jdbc_writer *w, const struct sq_jdbc_work *work, struct attempts *a, const struct sq_error *e)
{
    if (a->at_commit && work->happened && e->rc != SQ_INTERRUPT) {
        bool done = false;
        sq_rc rc = w->d->begin(w->conn);
        if (rc == SQ_OK)
            rc = ask(w, work, a, &done);
        w->d->rollback(w->conn);
        if (done) {
            w->in_doubt = false;
            return SQ_OK;
        }
    }
    w->ctx->err = *e;
    w->in_doubt = work->happened && a->in_doubt;
    if (w->in_doubt)
        sq_fail(w->ctx, e->rc, "%s; whether the commit before that happened is not known: the next run finds out", e->msg);
    else if (a->failed > 1)
        sq_fail(w->ctx, e->rc, "%s (tried %lld times)", e->msg, (long long)a->failed);
    return sq_hint(w->ctx, "%s", e->hint);
}

static sq_rc pause_a_while(struct sq_jdbc_writer *w, int64_t us)
{
    for (; us > 0; us -= SLICE_US) {
        w->ctx->os->sleep_us(w->ctx->os->arg, us < SLICE_US ? us : SLICE_US);
        SQ_TRY(sq_check_interrupt(w->ctx));
    }
    return SQ_OK;
}

static void say(struct sq_jdbc_writer *w, const struct sq_jdbc_work *work, const struct attempts *a, const struct sq_error *e)
{
    struct sq_str t = w->spec->table->name;
    if (a->at_commit && work->appends)
        sq_notice(w->ctx, "table '%.*s': %s, while rows were committed: they are written again, and may be there twice", SQ_FMT(t), e->msg);
    else if (a->failed <= w->table->options.max_retries)
        sq_notice(w->ctx, "table '%.*s': %s; trying again (%lld of %lld)", SQ_FMT(t), e->msg, (long long)a->failed, (long long)w->table->options.max_retries);
    else
        sq_notice(w->ctx, "table '%.*s': %s; trying again", SQ_FMT(t), e->msg);
}

sq_rc sq_jdbc_transact(struct sq_jdbc_writer *w, const struct sq_jdbc_work *work)
{
    struct attempts a = {.in_doubt = work->happened && w->in_doubt};
    for (;;) {
        sq_rc rc = attempt(w, work, &a);
        if (rc == SQ_OK) {
            w->in_doubt = false;
            return SQ_OK;
        }
        enum sq_jdbc_trouble t = rc == SQ_EXTERNAL ? w->d->trouble(w->conn) : SQ_JDBC_FAILED;
        struct sq_error e = w->ctx->err;
        w->d->rollback(w->conn);
        w->ctx->err = e;
        if (rc == SQ_INTERRUPT || !again(w, &a, t))
            return give_up(w, work, &a, &e);
        say(w, work, &a, &e);
        SQ_TRY(pause_a_while(w, (int64_t)FIRST_WAIT_US << (a.failed - 1 < DOUBLINGS ? a.failed - 1 : DOUBLINGS)));
    }
}
