/* SPDX-License-Identifier: Apache-2.0
 *
 * side.c: t$bad and t$late: the records that sources reject, and the rows that operators drop as late, as rows of their own.
 *
 * Its inputs are the operators that leave something out. Over such an edge go the messages (barrier, idle, end), which keep what is left out in step with what is not: a row is in the
 * epoch in which it was met. Rows do not: the operator hands each one over when it counts it (sq_op_late, sq_side_bad). Rows are gathered to batches; a batch goes on when it is
 * full, and with every message. So at a barrier nothing is kept, and there is no state.
 *
 * The account: as many rows come in here as the operators have counted.
 */
#include "executor/op.h"

struct side {
    struct sq_op base;
    struct sq_out out;
    const struct sq_type **types;
};

static sq_rc side_open(struct sq_op *op)
{
    struct side *s = SQ_OP(op, struct side);

    SQ_TRY(sq_op_types(op->ctx, op->plan->cols, op->plan->ncols, &s->types));
    return sq_out_init(&s->out, op->ctx, s->types, op->plan->ncols);
}

static sq_rc side_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    (void)input;
    (void)in;
    return sq_fail(op->ctx, SQ_INTERNAL, "rows that are not left out came to %.*s", SQ_FMT(op->plan->u.side.name));
}

static sq_rc hand_on(struct side *s)
{
    if (s->out.n == 0)
        return SQ_OK;
    SQ_TRY(sq_emit_batch(&s->base, sq_out_batch(&s->out)));
    sq_out_reset(&s->out);
    return SQ_OK;
}

static sq_rc end_row(struct side *s, uint32_t input)
{
    uint32_t most = s->base.config->batch_rows;

    SQ_TRY(sq_out_row(&s->out, SQ_INSERT));
    s->base.ins[input].in++;
    sq_op_accept(&s->base, input, 1);
    return s->out.n >= (most && most < SQ_BATCH_ROWS ? most : SQ_BATCH_ROWS) ? hand_on(s) : SQ_OK;
}

/* ---- late rows ---- */

static sq_rc add_late(struct side *s, uint32_t input, const struct sq_batch *in, uint32_t r, int64_t watermark)
{
    const uint32_t *cols = s->base.plan->u.side.from[input].cols;
    uint32_t n = s->base.plan->ncols - 1;

    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(sq_col_append(&s->out.cols[i], &in->cols[cols[i]], r));
    SQ_TRY(sq_col_append_fixed(&s->out.cols[n], &watermark));
    return end_row(s, input);
}

sq_rc sq_side_late(struct sq_op *op, uint32_t input, const struct sq_batch *in, uint32_t r)
{
    for (uint32_t i = 0; i < op->nouts; i++) {
        const struct sq_edge *e = &op->outs[i];
        if (e->side && e->op->plan->u.side.late && e->op->plan->u.side.from[e->input].input == input)
            SQ_TRY(add_late(SQ_OP(e->op, struct side), e->input, in, r, sq_row_watermark(op, in, r)));
    }
    return SQ_OK;
}

/* ---- bad records ---- */

enum { SOURCE, PARTITION, OFFSET, LINE, REASON, RAW };

/* "<topic>-<partition>" */
static sq_rc add_partition(struct side *s, struct sq_str split)
{
    uint32_t n = split.n;
    int32_t partition = 0;

    while (n > 0 && split.p[n - 1] != '-')
        n--;
    for (uint32_t i = n; i < split.n; i++)
        partition = (int32_t)((uint32_t)partition * 10 + (uint32_t)(split.p[i] - '0'));
    SQ_TRY(sq_col_append_view(&s->out.cols[SOURCE], split.p, n ? n - 1 : split.n));
    return n ? sq_col_append_fixed(&s->out.cols[PARTITION], &partition) : sq_col_append_null(&s->out.cols[PARTITION]);
}

static sq_rc add_place(struct side *s, bool offsets, struct sq_str split, int64_t number)
{
    if (offsets) {
        SQ_TRY(add_partition(s, split));
        SQ_TRY(sq_col_append_fixed(&s->out.cols[OFFSET], &number));
        return sq_col_append_null(&s->out.cols[LINE]);
    }
    SQ_TRY(sq_col_append_view(&s->out.cols[SOURCE], split.p, split.n));
    SQ_TRY(sq_col_append_null(&s->out.cols[PARTITION]));
    SQ_TRY(sq_col_append_null(&s->out.cols[OFFSET]));
    return number > 0 ? sq_col_append_fixed(&s->out.cols[LINE], &number) : sq_col_append_null(&s->out.cols[LINE]);
}

sq_rc sq_side_bad(struct sq_op *op, struct sq_str split, int64_t number, const char *reason, struct sq_str raw)
{
    for (uint32_t i = 0; i < op->nouts; i++) {
        struct side *s = SQ_OP(op->outs[i].op, struct side);
        if (!op->outs[i].side || s->base.plan->u.side.late)
            continue;
        SQ_TRY(add_place(s, op->plan->u.scan.info.offsets, split, number));
        SQ_TRY(sq_col_append_view(&s->out.cols[REASON], reason, (uint32_t)strlen(reason)));
        SQ_TRY(sq_col_append_view(&s->out.cols[RAW], raw.p, raw.n));
        SQ_TRY(end_row(s, op->outs[i].input));
    }
    return SQ_OK;
}

/* ---- messages ---- */

/* Its rows are behind every watermark of the table: none is forwarded but that of the end. */
static sq_rc side_watermark(struct sq_op *op, int64_t ts)
{
    (void)ts;
    return hand_on(SQ_OP(op, struct side));
}

static sq_rc side_idle(struct sq_op *op, bool idle)
{
    (void)idle;
    return hand_on(SQ_OP(op, struct side));
}

static sq_rc side_barrier(struct sq_op *op, uint64_t epoch)
{
    (void)epoch;
    return hand_on(SQ_OP(op, struct side));
}

static sq_rc side_end(struct sq_op *op, uint32_t input)
{
    (void)input;
    return hand_on(SQ_OP(op, struct side));
}

static sq_rc side_flush(struct sq_op *op, bool last)
{
    (void)last;
    return hand_on(SQ_OP(op, struct side));
}

static void side_close(struct sq_op *op)
{
    struct side *s = SQ_OP(op, struct side);

    sq_out_free(&s->out);
    sq_free(op->ctx, s->types);
}

const struct sq_op_class sq_op_side = {
    .name = "Side", .size = sizeof(struct side), .open = side_open, .batch = side_batch, .watermark = side_watermark, .idle = side_idle, .barrier = side_barrier,
    .end = side_end, .flush = side_flush, .close = side_close,
};
