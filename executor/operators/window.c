/* SPDX-License-Identifier: Apache-2.0
 *
 * window.c: a window table function whose result is more than aggregated: window_start, window_end and window_time behind the columns of each row, once for each window that it
 * lies in. Nothing is remembered: rows that are late go on too, and are judged by what closes windows behind.
 *
 * FLINK: gives the windows of one row one behind the other; here the rows of a batch come once for each number of window.
 */
#include "executor/window.h"

struct window_function {
    struct sq_op base;
    struct sq_windows w;
    struct sq_vec *cols;
    int64_t *time, *start, *end;           /* by position; by physical row */
    uint32_t *sel;
    struct sq_arena heap;
    struct sq_col out;                     /* window_time */
};

static sq_rc window_open(struct sq_op *op)
{
    struct window_function *f = SQ_OP(op, struct window_function);
    const struct sq_plan *p = op->plan;

    sq_arena_init(&f->heap, op->ctx);
    sq_windows_init(&f->w, p->u.window.spec, &op->config->session);
    f->cols = sq_calloc(op->ctx, (p->ncols + 1) * sizeof *f->cols);
    f->time = sq_alloc(op->ctx, SQ_BATCH_ROWS * sizeof *f->time);
    f->start = sq_calloc(op->ctx, SQ_BATCH_ROWS * sizeof *f->start);
    f->end = sq_calloc(op->ctx, SQ_BATCH_ROWS * sizeof *f->end);
    f->sel = sq_alloc(op->ctx, SQ_BATCH_ROWS * sizeof *f->sel);
    if (!f->cols || !f->time || !f->start || !f->end || !f->sel)
        return SQ_NOMEM;
    return sq_col_init(&f->out, op->ctx, &f->heap, p->cols[p->ncols - 1].type);
}

/* The rows that have a window number j, with its bounds. */
static uint32_t bounds(struct window_function *f, const struct sq_batch *in, uint32_t j)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        if (f->time[i] != SQ_TS_MIN && sq_window_nth(&f->w, f->time[i], j, &f->start[r], &f->end[r]))
            f->sel[n++] = r;
    }
    return n;
}

static sq_rc times(struct window_function *f, const struct sq_batch *in)
{
    sq_col_reset(&f->out);
    for (uint32_t r = 0; r < in->rows; r++)
        SQ_TRY(sq_window_time(&f->w, f->end[r], 1, &f->out));
    return SQ_OK;
}

static sq_rc window_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct window_function *f = SQ_OP(op, struct window_function);
    const struct sq_plan *p = op->plan;
    uint32_t n = in->ncols, some = 0;

    sq_window_times(&f->w, in, &in->cols[p->u.window.time], f->time);
    for (uint32_t c = 0; c < n; c++)
        f->cols[c] = in->cols[c];
    f->cols[n] = (struct sq_vec){.type = p->cols[n].type, .enc = SQ_FLAT, .data = f->start};
    f->cols[n + 1] = (struct sq_vec){.type = p->cols[n + 1].type, .enc = SQ_FLAT, .data = f->end};
    for (uint32_t i = 0; i < in->nsel; i++)
        some += f->time[i] != SQ_TS_MIN;
    sq_op_accept(op, input, some);
    op->ins[input].filtered += in->nsel - some;  /* no time: in no window */
    for (uint32_t j = 0;; j++) {
        struct sq_batch out = *in;
        out.sel = f->sel;
        out.nsel = bounds(f, in, j);
        if (out.nsel == 0)
            return SQ_OK;
        SQ_TRY(times(f, in));
        f->cols[n + 2] = f->out.vec;
        out.cols = f->cols;
        out.ncols = n + 3;
        SQ_TRY(sq_emit_batch(op, &out));
    }
}

static void window_close(struct sq_op *op)
{
    struct window_function *f = SQ_OP(op, struct window_function);

    if (f->out.ctx)
        sq_col_free(&f->out);
    sq_free(op->ctx, f->cols);
    sq_free(op->ctx, f->time);
    sq_free(op->ctx, f->start);
    sq_free(op->ctx, f->end);
    sq_free(op->ctx, f->sel);
    if (f->heap.ctx)
        sq_arena_free(&f->heap);
}

const struct sq_op_class sq_op_window = {
    .name = "WindowTableFunction", .size = sizeof(struct window_function), .open = window_open, .batch = window_batch, .close = window_close,
};
