/* SPDX-License-Identifier: Apache-2.0
 *
 * watermark.c: event time: computes the watermark expression for every row.
 *
 * Each split of the source has a watermark, the greatest value of its rows so far. A row is judged by the watermark of the rows before it in its split: where a batch has rows at or
 * below that, the batch carries it row by row (sq_batch.wm), so lateness does not depend on how rows are cut into batches or how splits take turns. A row of several windows may be
 * late for some of them; so the watermark is sent on before such a row, too: with one split everything is as if rows came one by one. With several, operators of several windows look at
 * what the row is judged by. The splits of a table that continues others ('scan.after') begin with the watermark that those came to.
 * What goes on in band, behind each batch, is the least watermark of the splits that are being read here and are not idle; nothing while there are splits that nobody has begun.
 * Where all are idle or have ended: the greatest of them, so that it does not matter which was idle first.
 *
 * In batch mode there is no time but the end: rows pass, nothing is late.
 *
 * Of upserts, a row that takes a key away may have no time: it passes. Else a NULL time fails the job, or the row is left out and counted as bad, as the table says ('scan.watermark.null-time').
 *
 * FLINK: emits by wall clock (every 200 ms), so which late rows it drops is a race; here behind every batch, and lateness is by the split's own watermark.
 */
#include "base/os.h"
#include "executor/expr.h"
#include "executor/op.h"

#include <stdio.h>
#include <string.h>

struct clock {                             /* of a split */
    char *id;                              /* name, of id_n bytes */
    uint32_t id_n;
    int64_t max;                           /* watermark so far */
    int64_t rows_ns;                       /* when it gave its last rows, or began */
    bool live, idle;                       /* being read; its source says that nothing has come for long */
};

struct watermark {
    struct sq_op base;
    struct sq_program *expr;
    struct clock *splits;                  /* by split number; 0: rows of no known split */
    size_t n, cap;
    struct clock *saved;                   /* restored, by name: for splits that are yet to begin */
    size_t nsaved, cap_saved;
    int64_t ended;                         /* the greatest watermark of those that have ended */
    bool unread;
    int64_t wm[SQ_BATCH_ROWS];
    uint32_t sel[SQ_BATCH_ROWS];
};

static sq_rc watermark_open(struct sq_op *op)
{
    struct watermark *w = SQ_OP(op, struct watermark);
    struct sq_expr *expr = op->plan->u.watermark.expr;

    w->ended = SQ_TS_MIN;
    return sq_program_new(op->ctx, &op->config->session, &expr, 1, &op->m.overflows, &w->expr);
}

/* ---- splits ---- */

static sq_rc add_clock(struct sq_op *op, struct clock **list, size_t *n, size_t *cap, struct clock **out)
{
    SQ_TRY(sq_grow(op->ctx, list, cap, *n + 1, sizeof **list));
    *out = &(*list)[(*n)++];
    **out = (struct clock){.max = SQ_TS_MIN};
    return SQ_OK;
}

/* The clock of a split number, made where there is none yet. */
static sq_rc clock_of(struct watermark *w, uint32_t split, struct clock **out)
{
    while (w->n <= split) {
        SQ_TRY(add_clock(&w->base, &w->splits, &w->n, &w->cap, out));
        (*out)->max = sq_source_continues(w->base.worker, w->base.plan->inputs[0]);
    }
    *out = &w->splits[split];
    return SQ_OK;
}

static sq_rc name_clock(struct sq_op *op, struct clock *c, struct sq_str id)
{
    sq_free(op->ctx, c->id);
    c->id = sq_alloc(op->ctx, id.n + 1);
    if (!c->id)
        return SQ_NOMEM;
    if (id.n)
        memcpy(c->id, id.p, id.n);
    c->id_n = id.n;
    return SQ_OK;
}

static struct clock *saved_clock(struct watermark *w, struct sq_str id)
{
    for (size_t i = 0; i < w->nsaved; i++)
        if (w->saved[i].id_n == id.n && memcmp(w->saved[i].id, id.p, id.n) == 0)
            return &w->saved[i];
    return NULL;
}

/* Another table goes on from the source's time. */
static bool is_continued(const struct watermark *w)
{
    const struct sq_plan *scan = sq_plan_scan(w->base.plan);
    return scan && scan->u.scan.waited_for;
}

/* The greatest watermark there was. */
static int64_t greatest(const struct watermark *w)
{
    int64_t most = w->ended;

    for (size_t i = 0; i < w->n; i++)
        if (w->splits[i].live && w->splits[i].max > most)
            most = w->splits[i].max;
    return most;
}

/* The least watermark of the splits that count; of none: the greatest. */
static int64_t least(const struct watermark *w, bool *idle)
{
    int64_t least = SQ_TS_MAX;
    uint32_t live = 0, active = 0;

    for (size_t i = 0; i < w->n; i++) {
        const struct clock *c = &w->splits[i];
        if (!c->live)
            continue;
        live++;
        active += !c->idle;
        if (!c->idle && c->max < least)
            least = c->max;
    }
    *idle = live > 0 && active == 0;
    return active ? least : greatest(w);
}

static int64_t mono_ns(const struct sq_op *op) { return op->ctx->os ? op->ctx->os->mono_ns(op->ctx->os->arg) : 0; }

void sq_watermark_held(const struct sq_op *op, struct sq_held *h)
{
    const struct watermark *w = (const struct watermark *)op;
    const struct clock *last = NULL;

    *h = (struct sq_held){.ns = 0};
    if (op->ended || op->watermark == SQ_TS_MAX)
        return;
    for (size_t i = 0; i < w->n; i++)
        if (w->splits[i].live && !w->splits[i].idle && (!last || w->splits[i].max < last->max))
            last = &w->splits[i];
    if (w->unread)
        snprintf(h->by, sizeof h->by, "what is still to be read");
    else if (last && last->id)
        snprintf(h->by, sizeof h->by, "%.*s", last->id_n > sizeof h->by - 1 ? (int)sizeof h->by - 1 : (int)last->id_n, last->id);
    if (!w->unread && last && last->id)
        h->ns = mono_ns(op) - last->rows_ns;
}

static sq_rc tell(struct watermark *w)
{
    bool idle;
    int64_t ts = least(w, &idle);

    if (is_continued(w))
        sq_source_told(w->base.worker, w->base.plan->inputs[0], greatest(w));
    if (!w->unread)
        SQ_TRY(sq_emit_watermark(&w->base, ts));
    return sq_emit_idle(&w->base, w->base.ins[0].idle || (idle && !w->unread));
}

static sq_rc begin_split(struct watermark *w, const struct sq_split_msg *m)
{
    struct clock *c, *saved = saved_clock(w, m->id);

    SQ_TRY(clock_of(w, m->split, &c));
    SQ_TRY(name_clock(&w->base, c, m->id));
    c->live = true;
    c->rows_ns = mono_ns(&w->base);
    if (saved && saved->max > c->max)
        c->max = saved->max;
    return SQ_OK;
}

static sq_rc watermark_split(struct sq_op *op, const struct sq_split_msg *m)
{
    struct watermark *w = SQ_OP(op, struct watermark);
    struct clock *c = NULL;

    if (op->plan->final)
        return SQ_OK;
    if (m->event == SQ_SPLIT_END || m->event == SQ_SPLIT_IDLE || m->event == SQ_SPLIT_ACTIVE)
        SQ_TRY(clock_of(w, m->split, &c));
    switch (m->event) {
    case SQ_SPLIT_BEGIN: return begin_split(w, m);           /* can only hold back */
    case SQ_SPLIT_END:
        c->live = false;
        w->ended = c->max > w->ended ? c->max : w->ended;
        break;
    case SQ_SPLIT_IDLE: c->idle = true; break;
    case SQ_SPLIT_ACTIVE: c->idle = false; break;
    case SQ_SPLITS_UNREAD: w->unread = true; break;
    case SQ_SPLITS_READ: w->unread = false; break;
    }
    return tell(w);
}

/* ---- rows ---- */

static sq_rc null_time(struct sq_op *op, uint32_t split)
{
    struct sq_buf place;

    sq_buf_init(&place, op->ctx);
    sq_rc rc = sq_source_place(op->worker, op->plan->inputs[0], split, &place);
    if (rc == SQ_OK) {
        sq_fail_at(op->ctx, SQ_DATA, op->plan->span, "%srowtime column '%.*s' is NULL in a row", place.n ? place.p : "", SQ_FMT(op->plan->cols[op->plan->u.watermark.col].name));
        rc = sq_hint(op->ctx, "every row needs an event time: 'scan.watermark.null-time' = 'skip' leaves such rows out and counts them as bad; or make one up in a computed column, with COALESCE");
    }
    sq_buf_free(&place);
    return rc;
}

/* A row that takes a key away has perhaps no other column. */
static bool may_be_null(const struct sq_op *op, const struct sq_batch *in, uint32_t r)
{
    return op->plan->inputs[0]->mode == SQ_MODE_UPSERT && sq_row_kind(in, r) == SQ_DELETE;
}

/* Rows without a time fail the job or go; *out: the batch of those that have one. */
static sq_rc check_times(struct watermark *w, const struct sq_batch *in, struct sq_batch *out)
{
    struct sq_op *op = &w->base;
    const struct sq_vec *v = &in->cols[op->plan->u.watermark.col];
    uint32_t n = 0;

    *out = *in;
    if (sq_vec_dense(v, in->rows))
        return SQ_OK;
    for (uint32_t i = 0; i < in->nsel; i++)
        if (!sq_vec_null(v, sq_row(in, i)) || may_be_null(op, in, sq_row(in, i)))
            w->sel[n++] = sq_row(in, i);
        else if (!op->plan->u.watermark.skip_null)
            return null_time(op, in->split);
    op->ins[0].bad += in->nsel - n;
    if (n < in->nsel) {
        out->sel = w->sel;
        out->nsel = n;
    }
    return SQ_OK;
}

static bool dense8(const struct sq_vec *v, uint32_t rows) { return sq_type_phys(v->type) != SQ_P_TS16 && sq_vec_dense(v, rows); }

/* Of a time that is not NULL. */
static int64_t time_at(const struct sq_vec *v, uint32_t r)
{
    v = sq_vec_at(v, &r);
    return sq_type_phys(v->type) == SQ_P_TS16 ? ((const struct sq_ts16 *)v->data)[r].us : ((const int64_t *)v->data)[r];
}

static int64_t later(const struct sq_vec *value, uint32_t r, int64_t max)
{
    return !sq_vec_null(value, r) && time_at(value, r) > max ? time_at(value, r) : max;
}

/* Takes max on over the rows; whether one is at or below the watermark of those before it. */
static bool run_on(const struct sq_batch *in, const struct sq_vec *time, const struct sq_vec *value, int64_t *max)
{
    int64_t top = *max;
    bool below = false;

    if (!in->sel && dense8(time, in->rows) && dense8(value, in->rows)) {
        const int64_t *t = time->data, *v = value->data;
        for (uint32_t r = 0; r < in->rows; r++) {
            below |= t[r] <= top;
            top = v[r] > top ? v[r] : top;
        }
    } else {
        for (uint32_t i = 0; i < in->nsel; i++) {
            uint32_t r = sq_row(in, i);
            below |= !sq_vec_null(time, r) && time_at(time, r) <= top;
            top = later(value, r, top);
        }
    }
    *max = top;
    return below;
}

/* Each row with what it is judged by. */
static void judge(struct watermark *w, struct sq_batch *out, const struct sq_vec *value, int64_t max)
{
    const int64_t *v = value->data;

    if (!out->sel && dense8(value, out->rows))
        for (uint32_t r = 0; r < out->rows; r++) {
            w->wm[r] = max;
            max = v[r] > max ? v[r] : max;
        }
    else
        for (uint32_t i = 0; i < out->nsel; i++) {
            uint32_t r = sq_row(out, i);
            w->wm[r] = max;
            max = later(value, r, max);
        }
    out->wm = w->wm;
}

/* Rows [from, to) of the selection, then the watermark behind them. */
static sq_rc emit_piece(struct watermark *w, const struct sq_batch *all, uint32_t from, uint32_t to)
{
    struct sq_batch out = *all;
    uint32_t own[SQ_BATCH_ROWS];

    if (to - from < all->nsel) {
        for (uint32_t i = from; i < to && !all->sel; i++)
            own[i - from] = i;
        out.sel = all->sel ? all->sel + from : own;
        out.nsel = to - from;
    }
    SQ_TRY(sq_emit_batch(&w->base, &out));
    return tell(w);
}

/* A batch with rows that may be late for some of their windows, as none is whose time is the watermark itself: the watermark goes on before each of them, as it would if rows came one
 * by one. */
static sq_rc emit_pieces(struct watermark *w, const struct sq_batch *out, const struct sq_vec *time, struct clock *c, int64_t max)
{
    const int64_t *t = dense8(time, out->rows) ? time->data : NULL;
    uint32_t from = 0;

    for (uint32_t i = 0; i < out->nsel; i++) {
        uint32_t r = sq_row(out, i);
        if ((t ? t[r] : time_at(time, r)) >= out->wm[r] || out->wm[r] <= c->max || i == from)
            continue;
        c->max = out->wm[r];
        SQ_TRY(emit_piece(w, out, from, i));
        from = i;
    }
    c->max = max;
    return emit_piece(w, out, from, out->nsel);
}

static sq_rc watermark_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct watermark *w = SQ_OP(op, struct watermark);
    const struct sq_vec *time = &in->cols[op->plan->u.watermark.col];
    struct sq_batch out;
    struct clock *c;
    struct sq_vec value;
    int64_t max;
    bool below;

    SQ_TRY(check_times(w, in, &out));
    sq_op_accept(op, input, out.nsel);
    if (op->plan->final || out.nsel == 0)
        return sq_emit_batch(op, &out);
    SQ_TRY(clock_of(w, in->split, &c));
    SQ_TRY(sq_program_run(w->expr, &out, &value));
    c->live = true;
    c->rows_ns = mono_ns(op);
    max = c->max;
    below = run_on(&out, time, &value, &max);
    if (below || op->plan->u.watermark.every)
        judge(w, &out, &value, c->max);
    if (below)
        return emit_pieces(w, &out, time, c, max);
    c->max = max;
    SQ_TRY(sq_emit_batch(op, &out));
    return tell(w);
}

static sq_rc watermark_of_input(struct sq_op *op, int64_t ts)
{
    /* what came before says nothing about this column; only the end of input does */
    return ts == SQ_TS_MAX ? sq_emit_watermark(op, ts) : SQ_OK;
}

/* ---- state: a record for each split: its watermark, its name; of a source that another table continues the greatest watermark, under a name that no split has ---- */

#define ALL_SPLITS SQ_STR("\001")

static sq_rc put_clock(struct sq_snapshot_out *out, const struct clock *c)
{
    struct sq_buf *b = out->begin(out->arg, SQ_NO_KEY_GROUP);

    if (!b)
        return SQ_NOMEM;
    SQ_TRY(sq_buf_u64(b, (uint64_t)c->max));
    SQ_TRY(sq_buf_add(b, c->id ? c->id : "", c->id_n));
    return out->done(out->arg);
}

static bool known(const struct watermark *w, const struct clock *saved)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->splits[i].id && w->splits[i].id_n == saved->id_n && memcmp(w->splits[i].id, saved->id, saved->id_n) == 0)
            return true;
    return false;
}

static sq_rc watermark_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct watermark *w = SQ_OP(op, struct watermark);
    bool now = op->config->epochs.trigger == SQ_TRIGGER_AVAILABLE_NOW;       /* a split that has ended goes on in the next run */

    for (size_t i = 0; i < w->n; i++)
        if (w->splits[i].max > SQ_TS_MIN && (w->splits[i].live || now))
            SQ_TRY(put_clock(out, &w->splits[i]));
    for (size_t i = 0; i < w->nsaved; i++)
        if (!known(w, &w->saved[i]) && sq_source_waits(op->worker, op->plan->inputs[0], (struct sq_str){w->saved[i].id, w->saved[i].id_n}))
            SQ_TRY(put_clock(out, &w->saved[i]));
    if (!is_continued(w) || greatest(w) == SQ_TS_MIN)
        return SQ_OK;
    return put_clock(out, &(struct clock){.id = (char *)(uintptr_t)ALL_SPLITS.p, .id_n = ALL_SPLITS.n, .max = greatest(w)});
}

static sq_rc take_saved(struct watermark *w, const char *p, size_t n)
{
    struct sq_str id;
    struct clock *c;
    int64_t max;

    if (n < 8 || n - 8 > UINT32_MAX)
        return sq_fail(w->base.ctx, SQ_DATA, "the saved watermark of a split is damaged");
    memcpy(&max, p, 8);
    id = (struct sq_str){p + 8, (uint32_t)(n - 8)};
    if (sq_str_eq(id, ALL_SPLITS)) {
        w->ended = max > w->ended ? max : w->ended;
        sq_source_told(w->base.worker, w->base.plan->inputs[0], w->ended);
        return SQ_OK;
    }
    if (id.n == 0) {                             /* no split is known: of several workers the least */
        SQ_TRY(clock_of(w, 0, &c));
        c->max = c->live && c->max < max ? c->max : max;
        c->live = true;
        return SQ_OK;
    }
    if (!(c = saved_clock(w, id))) {
        SQ_TRY(add_clock(&w->base, &w->saved, &w->nsaved, &w->cap_saved, &c));
        SQ_TRY(name_clock(&w->base, c, id));
    }
    c->max = max > c->max ? max : c->max;
    return SQ_OK;
}

static sq_rc watermark_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    uint32_t group;
    const char *p;
    size_t n;

    for (;;) {
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p)
            return SQ_OK;
        SQ_TRY(take_saved(SQ_OP(op, struct watermark), p, n));
    }
}

static void free_clocks(struct sq_ctx *ctx, struct clock *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sq_free(ctx, list[i].id);
    sq_free(ctx, list);
}

static void watermark_close(struct sq_op *op)
{
    struct watermark *w = SQ_OP(op, struct watermark);

    sq_program_free(w->expr);
    free_clocks(op->ctx, w->splits, w->n);
    free_clocks(op->ctx, w->saved, w->nsaved);
}

const struct sq_op_class sq_op_watermark = {
    .name = "WatermarkAssigner", .size = sizeof(struct watermark), .open = watermark_open, .batch = watermark_batch, .watermark = watermark_of_input,
    .split = watermark_split, .snapshot = watermark_snapshot, .restore = watermark_restore, .close = watermark_close,
};
