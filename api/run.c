/* SPDX-License-Identifier: Apache-2.0
 *
 * run.c: jobs of statements: opened, turned, stopped, accounted for.
 *
 * A query's job is turned when no row waits, so at most what one turn gives is held; final rows of a changelog are the plan's work. An INSERT is
 * turned to its end within one step, unless that never comes (jobs.c); the first request to interrupt stops it between turns with what is final written and committed, a second one
 * breaks it off. A job with checkpoints that a broker or a database has failed is opened again (restart.c).
 */
#include "api/api.h"

enum { WAIT_US = 50 * 1000 };

/* ---- rows that wait ---- */

sq_rc sq_stmt_open_rows(sqluice_stmt *s)
{
    const struct sq_type **types;
    sq_rc rc;

    if (s->rows_open) {
        sq_out_free(&s->rows);
        s->rows_open = false;
    }
    types = SQ_NEW_ARRAY(&s->plan_arena, const struct sq_type *, s->ncols + 1);
    if (!types)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < s->ncols; i++)
        types[i] = s->cols[i].type;
    rc = sq_out_init(&s->rows, &s->db->ctx, types, s->ncols);
    s->rows_open = true;                  /* also after a failure: what was made is freed */
    s->at = 0;
    return rc;
}

static sq_rc append(struct sq_out *o, const struct sq_batch *b)
{
    if (!b->kind) {
        for (uint32_t c = 0; c < b->ncols; c++)
            SQ_TRY(sq_col_append_many(&o->cols[c], &b->cols[c], b->sel, b->nsel));
        return sq_out_rows(o, b->nsel);
    }
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t r = sq_row(b, i);

        for (uint32_t c = 0; c < b->ncols; c++)
            SQ_TRY(sq_col_append(&o->cols[c], &b->cols[c], r));
        SQ_TRY(sq_out_row(o, (enum sq_kind)b->kind[r]));
    }
    return SQ_OK;
}

static sq_rc take(void *arg, const struct sq_batch *b)
{
    sqluice_stmt *s = arg;

    return append(&s->rows, b);
}

/* ---- jobs ---- */

sq_rc sq_stmt_open_job(sqluice_stmt *s)
{
    sqluice *db = s->db;

    s->started_ns = db->progress_ns = db->os.mono_ns(db->os.arg);
    s->job_done = false;
    SQ_TRY(sq_job_open(&db->ctx, s->plan, take, s, &s->job));
    db->running++;
    return SQ_OK;
}

/* The account is kept: an error while it is written is not the statement's. */
static void keep_account(sqluice_stmt *s)
{
    struct sq_error before = s->db->ctx.err;

    sq_buf_reset(&s->account);
    if (sq_jobs_account(s->job, &s->account) != SQ_OK)
        sq_buf_reset(&s->account);
    s->db->ctx.err = before;
}

void sq_stmt_close_job(sqluice_stmt *s)
{
    struct sq_error before = s->db->ctx.err;

    if (s->job) {
        keep_account(s);
        sq_job_close(s->job);
        s->job = NULL;
        s->db->running--;
    }
    s->db->ctx.err = before;
}

const char *sqluice_account(sqluice_stmt *s)
{
    if (!s)
        return "";
    if (s->job)
        keep_account(s);
    return s->account.p ? s->account.p : "";
}

/* ---- INSERT ---- */

static sq_rc stop_early(sqluice_stmt *s)
{
    sqluice *db = s->db;

    SQ_TRY(sq_job_stop(s->job));
    if (s->plan->config.epochs.dir.n)
        return sq_fail(&db->ctx, SQ_INTERRUPT, "interrupted; the epoch is committed, and the next run goes on from there");
    return sq_fail(&db->ctx, SQ_INTERRUPT, "interrupted; what was final is written");
}

static sq_rc turn_to_end(sqluice_stmt *s)
{
    sqluice *db = s->db;

    while (!s->job_done) {
        if (atomic_load(&db->requests) > 0)
            return stop_early(s);
        if (db->config.turn && db->config.turn(db->config.turn_arg) != 0)
            return sq_fail(&db->ctx, SQ_INTERRUPT, "broken off between two turns; nothing more was written");
        SQ_TRY(sq_job_turn(s->job, WAIT_US, &s->job_done));
        if (!s->job_done)
            SQ_TRY(sq_api_poll(db, s));
    }
    return SQ_OK;
}

static sq_rc pause_insert(sqluice_stmt *s, int64_t pause_ms)
{
    sqluice *db = s->db;
    int64_t until = db->os.mono_ns(db->os.arg) + pause_ms * 1000000;

    while (db->os.mono_ns(db->os.arg) < until) {
        if (atomic_load(&db->requests) > 0)
            return sq_fail(&db->ctx, SQ_INTERRUPT, "interrupted between a failure and a restart; the next run goes on from the newest checkpoint");
        db->os.sleep_us(db->os.arg, WAIT_US);
        SQ_TRY(sq_api_poll(db, s));
    }
    return SQ_OK;
}

/* To the end, over the failures of the outside that it may get over. */
static sq_rc turn_insert(sqluice_stmt *s)
{
    struct sq_ctx *ctx = &s->db->ctx;
    sq_rc rc = turn_to_end(s);
    int64_t pause_ms;

    while (rc == SQ_EXTERNAL && atomic_load(&s->db->requests) == 0 && sq_restart_after(ctx, &s->restart, s->plan, &pause_ms)) {
        sq_stmt_close_job(s);
        rc = pause_insert(s, pause_ms);
        if (rc == SQ_OK)
            rc = sq_stmt_open_job(s);
        if (rc == SQ_OK)
            rc = turn_to_end(s);
    }
    return rc;
}

sq_rc sq_stmt_run_insert(sqluice_stmt *s)
{
    sqluice *db = s->db;
    int outer;
    sq_rc rc;

    SQ_TRY(sq_stmt_epochs_begin(s));
    if (s->endless && !s->sync)
        return sq_jobs_start(s);
    rc = sq_stmt_open_job(s);                   /* what waits for a broker here is interrupted by the first request */
    outer = atomic_exchange(&db->graceful, 1);

    if (rc == SQ_OK)
        rc = turn_insert(s);
    atomic_store(&db->graceful, outer);
    sq_stmt_close_job(s);
    return rc;
}

/* ---- queries ---- */

static sq_rc open_query(sqluice_stmt *s)
{
    SQ_TRY(sq_stmt_plan(s));
    SQ_TRY(sq_stmt_open_rows(s));
    return sq_stmt_open_job(s);
}

/* Fills `rows` again; it stays empty at the end. */
static sq_rc refill(sqluice_stmt *s)
{
    sq_out_reset(&s->rows);
    s->at = 0;
    while (!s->job_done && s->rows.n == 0) {
        SQ_TRY(sq_job_turn(s->job, WAIT_US, &s->job_done));
        SQ_TRY(sq_api_poll(s->db, s));
    }
    return SQ_OK;
}

sq_rc sq_stmt_next(sqluice_stmt *s, bool *row)
{
    SQ_TRY(sq_check_interrupt(&s->db->ctx));
    if (s->state == SQ_STMT_READY)
        SQ_TRY(open_query(s));
    else
        s->at++;
    if (s->at >= s->rows.n)
        SQ_TRY(refill(s));
    *row = s->at < s->rows.n;
    if (*row && s->rows_left == 0 && !s->changelog) {
        *row = false;
        sq_notice(&s->db->ctx, "more rows are not shown: 'sql-client.execution.max-table-result.rows'");
    }
    s->rows_left -= *row && s->rows_left > 0;
    return SQ_OK;
}
