/* SPDX-License-Identifier: Apache-2.0
 *
 * interval_join.c: joins of rows whose times are not further apart than two bounds: low <= left time - right time <= high. Inner, outer, semi and anti, of sides that only get
 * inserts; what comes out is inserts only.
 *
 * A row that comes is paired with the other side's kept rows in its range of times, and then kept itself, until the watermark (of both sides) says that no partner can come any more:
 * a left row of time t until the watermark is above t - low, a right one until it is above t + high. A row without a partner comes out then, with NULLs, where its side is outer.
 * State: those rows, in slices of time that are freed whole (timeline.h), so at most a quarter of the interval longer. The watermark that goes on is behind by what kept rows may still
 * bring, so both sides' times remain event time.
 *
 * Late rows. A row that is below the watermark of its split finds the partners that are not over for that watermark, whatever is still kept: so the result depends neither on how rows
 * are cut into batches nor on how the two sides take turns. A row that is late by more than the whole interval can have none: it is late, or padded at once where its side is outer.
 *
 * Processing time: the time of a row is the clock's when it comes, and the clock frees rows.
 *
 * FLINK: pairs a late row with whatever it has not cleaned up yet, which depends on the clock; keeps a row for up to half an interval longer, and holds its watermark back by
 * that much more.
 */
#include "executor/operators/pairs.h"
#include "executor/operators/timeline.h"
#include "executor/window.h"

#include <string.h>

struct side {
    struct timeline rows;
    struct sq_pairs pairs;                 /* of a batch of this side with the other one's rows */
    int64_t keep;                          /* a row of time t may find a partner until the watermark is above t + keep */
    bool pads;                             /* comes out without a partner too */
};

struct interval_join {
    struct sq_op base;
    enum sq_join_kind kind;
    struct side side[2];
    struct sq_program *residual;
    struct sq_windows w;                   /* for reading times: no zone */
    bool never, clocked;                   /* no pair fits the bounds; processing time */
    int64_t now;                           /* processing time: as far as rows have been freed */
    int64_t delay;                         /* of the watermark */
    struct sq_out out;
    /* of the current batch, by position */
    bool skip[SQ_BATCH_ROWS], matched[SQ_BATCH_ROWS];
    int64_t time[SQ_BATCH_ROWS], judge[SQ_BATCH_ROWS];
    struct sq_entry *found[SQ_BATCH_ROWS], *own[SQ_BATCH_ROWS];
    uint32_t sel[SQ_BATCH_ROWS];
    int64_t wm[SQ_BATCH_ROWS];
};

static bool half(const struct interval_join *j) { return j->kind == SQ_JOIN_SEMI || j->kind == SQ_JOIN_ANTI; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* A watermark for what comes out. */
static int64_t delayed(const struct interval_join *j, int64_t w) { return j->clocked || w == SQ_TS_MAX ? w : w < SQ_TS_MIN + j->delay ? SQ_TS_MIN : w - j->delay; }

/* ---- opening ---- */

static sq_rc open_side(struct interval_join *j, uint32_t n, int64_t width)
{
    const struct sq_plan *plan = j->base.plan;
    uint32_t nkeys = plan->u.join.nkeys, *cols = sq_alloc(j->base.ctx, (nkeys + 1) * sizeof *cols);
    sq_rc rc;

    if (!cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < nkeys; i++)
        cols[i] = n == 0 ? plan->u.join.keys[i].left : plan->u.join.keys[i].right;
    rc = timeline_open(&j->side[n].rows, j->base.ctx, plan->inputs[n], cols, nkeys, width);
    sq_free(j->base.ctx, cols);
    SQ_TRY(rc);
    return sq_pairs_open(&j->side[n].pairs, &j->base, n, j->residual);
}

static int64_t delay_of(const struct interval_join *j, int64_t width)
{
    int64_t d = 0;

    for (uint32_t n = 0; n < 2; n++)
        d = most(d, j->side[n].keep + (j->side[n].pads ? width - 1 : 0));
    return d;
}

static sq_rc interval_open(struct sq_op *op)
{
    struct interval_join *j = SQ_OP(op, struct interval_join);
    const struct sq_plan *p = op->plan;
    struct sq_expr *residual = p->u.join.residual;
    int64_t width = (p->u.join.high - p->u.join.low) / 4 + 1;

    j->kind = p->u.join.kind;
    j->side[0].keep = -p->u.join.low;
    j->side[1].keep = p->u.join.high;
    j->side[0].pads = j->kind == SQ_JOIN_LEFT || j->kind == SQ_JOIN_FULL || j->kind == SQ_JOIN_ANTI;
    j->side[1].pads = j->kind == SQ_JOIN_RIGHT || j->kind == SQ_JOIN_FULL;
    j->never = p->u.join.low > p->u.join.high;
    j->clocked = p->inputs[0]->time && p->inputs[0]->time[p->u.join.left_time] == SQ_TIME_PROC;
    j->now = SQ_TS_MIN;
    width = width < 1 ? 1 : width;
    j->delay = delay_of(j, width);
    if (residual)
        SQ_TRY(sq_program_new(op->ctx, &op->config->session, &residual, 1, &op->m.overflows, &j->residual));
    SQ_TRY(open_side(j, 0, width));
    SQ_TRY(open_side(j, 1, width));
    return sq_op_out(op->ctx, p->cols, p->ncols, &j->out);
}

/* ---- what comes out ---- */

static sq_rc flush(struct interval_join *j)
{
    if (j->out.n > 0)
        SQ_TRY(sq_emit_batch(&j->base, sq_out_batch(&j->out)));
    sq_out_reset(&j->out);
    return SQ_OK;
}

static sq_rc out_nulls(struct interval_join *j, uint32_t side)
{
    const struct sq_plan *p = j->base.plan;
    uint32_t at = side == 0 ? 0 : p->inputs[0]->ncols;

    for (uint32_t c = 0; c < p->inputs[side]->ncols; c++)
        SQ_TRY(sq_col_append_null(&j->out.cols[at + c]));
    return SQ_OK;
}

/* A kept row without a partner; of SEMI and ANTI a left row. */
static sq_rc out_kept(struct interval_join *j, uint32_t side, const struct trow *row)
{
    const struct sq_plan *p = j->base.plan;
    uint32_t n = p->inputs[side]->ncols;

    if (n > 0 && !sq_row_unpack(row->bytes, row->bytes + row->len, j->out.cols + (side == 0 ? 0 : p->inputs[0]->ncols), n))
        return j->base.ctx->err.rc != SQ_OK ? j->base.ctx->err.rc : sq_fail(j->base.ctx, SQ_INTERNAL, "a row in the state of a join is damaged");
    if (!half(j))
        SQ_TRY(out_nulls(j, 1 - side));
    SQ_TRY(sq_out_row(&j->out, SQ_INSERT));
    return j->out.n == SQ_BATCH_ROWS ? flush(j) : SQ_OK;
}

/* Rows of the batch for which nobody comes any more. Downstream judges them by what they were judged by here. */
static sq_rc out_rows(struct interval_join *j, uint32_t input, const struct sq_batch *in, const uint32_t *pos, uint32_t n)
{
    const struct sq_plan *p = j->base.plan;
    uint32_t at = input == 0 ? 0 : p->inputs[0]->ncols;

    if (n == 0)
        return SQ_OK;
    SQ_TRY(flush(j));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = sq_row(in, pos[i]);
        for (uint32_t c = 0; c < p->inputs[input]->ncols; c++)
            SQ_TRY(sq_col_append(&j->out.cols[at + c], &in->cols[c], r));
        if (!half(j))
            SQ_TRY(out_nulls(j, 1 - input));
        SQ_TRY(sq_out_row(&j->out, SQ_INSERT));
        j->wm[i] = in->wm ? delayed(j, in->wm[r]) : SQ_TS_MIN;
    }
    struct sq_batch b = *sq_out_batch(&j->out);
    b.wm = in->wm ? j->wm : NULL;
    SQ_TRY(sq_emit_batch(&j->base, &b));
    sq_out_reset(&j->out);
    return SQ_OK;
}

/* ---- pairs ---- */

/* Marks both rows of each pair, and puts out what that means. */
static sq_rc pairs_flush(struct interval_join *j, uint32_t input, const struct sq_batch *in)
{
    struct sq_pairs *p = &j->side[input].pairs;
    struct sq_batch b;

    if (p->n == 0)
        return SQ_OK;
    SQ_TRY(sq_check_interrupt(j->base.ctx));             /* one batch may have very many partners */
    SQ_TRY(sq_pairs_batch(p, in, &b));
    for (uint32_t i = 0; i < b.nsel; i++) {
        uint32_t k = sq_row(&b, i);
        struct trow *row = p->of[k];
        if (j->kind == SQ_JOIN_SEMI && input == 1 && !row->matched)
            SQ_TRY(out_kept(j, 0, row));
        row->matched = true;
        j->matched[p->pos[k]] = true;
    }
    if (!half(j)) {
        for (uint32_t k = 0; in->wm && k < p->n; k++)
            j->wm[k] = delayed(j, in->wm[p->row[k]]);
        b.wm = in->wm ? j->wm : NULL;
        SQ_TRY(sq_emit_batch(&j->base, &b));
    }
    sq_pairs_reset(p);
    return SQ_OK;
}

/* The partners of the row at a position: those in its range, but for rows that were over for the watermark that it is judged by, and those for which it is. */
static sq_rc pair(struct interval_join *j, uint32_t input, const struct sq_batch *in, uint32_t pos)
{
    struct sq_pairs *p = &j->side[input].pairs;
    int64_t t = j->time[pos], from = most(t, j->judge[pos]), keep = j->side[input].keep;
    struct time_range range;
    struct trow *row;

    timeline_range(&j->side[1 - input].rows, j->found[pos], from - j->side[1 - input].keep, t + keep, &range);
    while ((row = timeline_next(&range))) {
        if (row->from > t + keep || (half(j) && (input == 0 ? j->matched[pos] : row->matched)))
            continue;
        if (p->n == SQ_BATCH_ROWS)
            SQ_TRY(pairs_flush(j, input, in));
        SQ_TRY(sq_pairs_add(p, in, pos, row->bytes, row->len, row));
    }
    return SQ_OK;
}

static sq_rc all_pairs(struct interval_join *j, uint32_t input, const struct sq_batch *in)
{
    struct timeline *mine = &j->side[input].rows, *other = &j->side[1 - input].rows;

    sq_hashtab_find(&other->tab, in->nsel, mine->keys.hash, mine->keys.key, mine->keys.null, j->found);
    sq_pairs_reset(&j->side[input].pairs);
    for (uint32_t i = 0; i < in->nsel; i++)
        if (!j->skip[i] && j->found[i])
            SQ_TRY(pair(j, input, in, i));
    SQ_TRY(pairs_flush(j, input, in));
    return flush(j);
}

/* ---- rows that come ---- */

/* Times, and the watermarks that rows are judged by. */
static void read_times(struct interval_join *j, uint32_t input, const struct sq_batch *in)
{
    if (j->clocked) {
        sq_window_now(&j->base, &j->w, j->now, in->nsel, j->time);
        for (uint32_t i = 0; i < in->nsel; i++)
            j->judge[i] = SQ_TS_MIN;
        return;
    }
    sq_window_times(&j->w, in, &in->cols[input == 0 ? j->base.plan->u.join.left_time : j->base.plan->u.join.right_time], j->time);
    for (uint32_t i = 0; i < in->nsel; i++)
        j->judge[i] = in->wm ? in->wm[sq_row(in, i)] : SQ_TS_MIN;
}

/* A partner for the row may come yet. */
static bool open_yet(const struct interval_join *j, uint32_t input, uint32_t pos)
{
    int64_t w = j->clocked ? j->now : j->base.event_time;
    return !j->skip[pos] && w <= j->time[pos] + j->side[input].keep;
}

/* Its key or time can never have had a partner. */
static bool hopeless(const struct interval_join *j, uint32_t pos)
{
    return j->judge[pos] != SQ_TS_MIN && j->judge[pos] - j->time[pos] > j->side[0].keep + j->side[1].keep;
}

static sq_rc keep(struct interval_join *j, uint32_t input, const struct sq_batch *in)
{
    struct timeline *l = &j->side[input].rows;
    bool done = half(j) && input == 0;           /* a matched left row of SEMI and ANTI is never needed again */

    for (uint32_t i = 0, n; i < in->nsel; i += n ? n : 1) {
        for (n = 0; i + n < in->nsel && open_yet(j, input, i + n) && !hopeless(j, i + n) && !(done && j->matched[i + n]); n++)
            ;
        if (n)
            SQ_TRY(sq_hashtab_upsert(&l->tab, n, l->keys.hash + i, l->keys.key + i, l->keys.null ? l->keys.null + i : NULL, j->own + i));
        for (uint32_t k = i; k < i + n; k++)
            SQ_TRY(timeline_add(l, j->own[k], in, sq_row(in, k), j->time[k], most(j->time[k], j->judge[k]), j->matched[k]));
    }
    return SQ_OK;
}

/* Rows that are not kept: they come out now or never. */
static sq_rc settle(struct interval_join *j, uint32_t input, const struct sq_batch *in)
{
    struct sq_input_state *count = &j->base.ins[input];
    uint32_t n = 0, dropped = 0;
    bool semi = j->kind == SQ_JOIN_SEMI && input == 0;

    for (uint32_t i = 0; i < in->nsel; i++) {
        bool gone = j->skip[i] || hopeless(j, i) || !open_yet(j, input, i);
        if (semi ? j->matched[i] : j->side[input].pads && gone && !j->matched[i])
            j->sel[n++] = i;
        else if (j->skip[i])
            count->filtered++, dropped++;
        else if (hopeless(j, i)) {
            SQ_TRY(sq_op_late(&j->base, input, in, sq_row(in, i)));
            dropped++;
        }
    }
    sq_op_accept(&j->base, input, in->nsel - dropped);
    return out_rows(j, input, in, j->sel, n);
}

/* Asks for a call when the earliest slice is over. */
static void wake(struct interval_join *j)
{
    for (uint32_t n = 0; n < 2 && j->clocked; n++) {
        const struct timeline *l = &j->side[n].rows;
        int64_t number;
        if (timeline_earliest(l, &number))
            sq_op_timer(&j->base, (number + 1) * l->width + j->side[n].keep);
    }
}

static sq_rc interval_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct interval_join *j = SQ_OP(op, struct interval_join);

    SQ_TRY(sq_keys_load(&j->side[input].rows.keys, in));
    sq_pairs_nulls(op->plan, input, in, j->skip);
    memset(j->matched, 0, in->nsel * sizeof *j->matched);
    read_times(j, input, in);
    for (uint32_t i = 0; j->never && i < in->nsel; i++)
        j->skip[i] = true;
    SQ_TRY(all_pairs(j, input, in));
    SQ_TRY(settle(j, input, in));
    SQ_TRY(keep(j, input, in));
    wake(j);
    return SQ_OK;
}

/* ---- rows that go ---- */

/* Frees the slices that are over. */
static sq_rc expire(struct interval_join *j, uint32_t side, int64_t watermark)
{
    struct side *s = &j->side[side];
    int64_t before = watermark == SQ_TS_MAX ? INT64_MAX : timeline_slice(&s->rows, watermark - s->keep - 1 - (s->rows.width - 1)) + 1;
    struct trow *row;

    for (;;) {
        timeline_take(&s->rows, before, &row);
        if (!row)
            return flush(j);
        SQ_TRY(sq_check_interrupt(j->base.ctx));
        while (row) {
            struct trow *next = row->next;
            sq_rc rc = s->pads && !row->matched ? out_kept(j, side, row) : SQ_OK;
            timeline_give(&s->rows, row);
            SQ_TRY(rc);                          /* what is left of the slice goes with the slab */
            row = next;
        }
    }
}

static sq_rc interval_watermark(struct sq_op *op, int64_t ts)
{
    struct interval_join *j = SQ_OP(op, struct interval_join);

    if (!j->clocked || ts == SQ_TS_MAX) {
        SQ_TRY(expire(j, 0, ts));
        SQ_TRY(expire(j, 1, ts));
    }
    return sq_emit_watermark(op, delayed(j, ts));
}

static sq_rc interval_timer(struct sq_op *op, int64_t now)
{
    struct interval_join *j = SQ_OP(op, struct interval_join);

    j->now = most(j->now, now);
    SQ_TRY(expire(j, 0, j->now));
    SQ_TRY(expire(j, 1, j->now));
    wake(j);
    return SQ_OK;
}

/* ---- saved ---- */

static sq_rc interval_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct interval_join *j = SQ_OP(op, struct interval_join);

    SQ_TRY(timeline_save(&j->side[0].rows, 0, out));
    return timeline_save(&j->side[1].rows, 1, out);
}

static sq_rc damaged(struct sq_op *op) { return sq_fail(op->ctx, SQ_DATA, "the saved state of a join is damaged"); }

static sq_rc load_row(struct interval_join *j, struct sq_out *rows, const char *p, size_t n)
{
    struct timeline *l;
    int64_t t, from;
    struct sq_entry *e;

    if (n < TIMELINE_HEAD || p[0] < 0 || p[0] > 1 || p[1] < 0 || p[1] > 1)
        return damaged(&j->base);
    l = &j->side[(int)p[0]].rows;
    rows = &rows[(int)p[0]];
    memcpy(&t, p + 2, 8);
    memcpy(&from, p + 10, 8);
    if (rows->ncols && sq_row_unpack(p + TIMELINE_HEAD, p + n, rows->cols, rows->ncols) != p + n)
        return j->base.ctx->err.rc != SQ_OK ? j->base.ctx->err.rc : damaged(&j->base);
    SQ_TRY(sq_out_row(rows, SQ_INSERT));
    const struct sq_batch *b = sq_out_batch(rows);
    SQ_TRY(sq_keys_load(&l->keys, b));
    SQ_TRY(sq_hashtab_upsert(&l->tab, 1, l->keys.hash, l->keys.key, l->keys.null, &e));
    SQ_TRY(timeline_add(l, e, b, 0, t, from, p[1]));
    sq_out_reset(rows);
    return SQ_OK;
}

static sq_rc load_rows(struct interval_join *j, struct sq_out *rows, struct sq_snapshot_in *in)
{
    for (;;) {
        uint32_t group;
        const char *p;
        size_t n;
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p)
            return SQ_OK;
        SQ_TRY(load_row(j, rows, p, n));
    }
}

static sq_rc interval_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct interval_join *j = SQ_OP(op, struct interval_join);
    struct sq_out rows[2] = {{0}};
    sq_rc rc = SQ_OK;

    for (uint32_t n = 0; n < 2 && rc == SQ_OK; n++) {
        const struct sq_plan *side = op->plan->inputs[n];
        rc = sq_op_out(op->ctx, side->cols, side->ncols, &rows[n]);
    }
    if (rc == SQ_OK)
        rc = load_rows(j, rows, in);
    wake(j);
    for (uint32_t n = 0; n < 2; n++)
        sq_out_free(&rows[n]);
    return rc;
}

static size_t interval_bytes(const struct sq_op *op)
{
    const struct interval_join *j = (const struct interval_join *)op;
    return timeline_bytes(&j->side[0].rows) + timeline_bytes(&j->side[1].rows);
}

static void interval_close(struct sq_op *op)
{
    struct interval_join *j = SQ_OP(op, struct interval_join);

    for (uint32_t n = 0; n < 2; n++) {
        sq_pairs_close(&j->side[n].pairs);
        timeline_close(&j->side[n].rows);
    }
    if (j->out.ctx)
        sq_out_free(&j->out);
    sq_program_free(j->residual);
}

const struct sq_op_class sq_op_interval_join = {
    .name = "IntervalJoin", .size = sizeof(struct interval_join), .open = interval_open, .batch = interval_batch, .watermark = interval_watermark, .timer = interval_timer,
    .snapshot = interval_snapshot, .restore = interval_restore, .state_bytes = interval_bytes, .close = interval_close,
};
