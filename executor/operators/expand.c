/* SPDX-License-Identifier: Apache-2.0
 *
 * expand.c: each row once per grouping set: the columns that are not in the set are NULL, and the last column is the set's number.
 *
 * Where the net change of a batch will do (plan->net) or only final rows count, the batch goes on once per set with constants for what differs: nothing
 * is copied. Where every change is shown, the rows take turns, so that what comes out does not depend on how rows are cut into batches: the
 * columns of sets are built anew, the others are dictionaries over the input.
 *
 * No state; watermarks pass.
 */
#include "executor/op.h"

struct expand {
    struct sq_op base;
    struct sq_vec *cols, *null;            /* null: of each column that is left out somewhere, a constant NULL of its type */
    struct sq_vec number;
    int64_t set;
    uint64_t kept;                         /* columns that are in every set */
    /* rows in turns */
    struct sq_col *built;                  /* columns of sets that are not kept, then the number */
    struct sq_arena heap, fixed;
    uint32_t *source;                      /* row of the input, per row of the output */
    uint32_t **index;                      /* the same through a dictionary of the input */
    uint8_t *kind;
    int64_t wm[SQ_BATCH_ROWS];
};

static bool differs(const struct expand *x, uint32_t col)
{
    return col < x->base.plan->u.expand.ngroup && !(x->kept >> col & 1);
}

static sq_rc open_turns(struct expand *x)
{
    const struct sq_plan *p = x->base.plan;
    struct sq_ctx *ctx = x->base.ctx;

    x->built = sq_calloc(ctx, p->ncols * sizeof *x->built);
    x->source = sq_alloc(ctx, SQ_BATCH_ROWS * sizeof *x->source);
    x->index = sq_calloc(ctx, p->ncols * sizeof *x->index);
    x->kind = sq_alloc(ctx, SQ_BATCH_ROWS);
    if (!x->built || !x->source || !x->index || !x->kind)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->ncols; i++)
        if (differs(x, i) || i + 1 == p->ncols)
            SQ_TRY(sq_col_init(&x->built[i], ctx, &x->heap, p->cols[i].type));
    return SQ_OK;
}

static sq_rc expand_open(struct sq_op *op)
{
    struct expand *x = SQ_OP(op, struct expand);
    const struct sq_plan *p = op->plan;

    sq_arena_init(&x->heap, op->ctx);
    sq_arena_init(&x->fixed, op->ctx);
    x->kept = UINT64_MAX;
    for (uint32_t k = 0; k < p->u.expand.nsets; k++)
        x->kept &= p->u.expand.sets[k];
    x->cols = sq_calloc(op->ctx, p->ncols * sizeof *x->cols);
    x->null = sq_calloc(op->ctx, p->ncols * sizeof *x->null);
    if (!x->cols || !x->null)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->u.expand.ngroup; i++)
        if (differs(x, i)) {
            const struct sq_vec *v = sq_vec_const_null(&x->fixed, p->cols[i].type);
            if (!v)
                return SQ_NOMEM;
            x->null[i] = *v;
        }
    x->number = (struct sq_vec){.type = p->cols[p->ncols - 1].type, .enc = SQ_CONST, .data = &x->set};
    return p->net || p->final ? SQ_OK : open_turns(x);
}

/* ---- a batch per set ---- */

static sq_rc sets_of_batch(struct expand *x, const struct sq_batch *in)
{
    const struct sq_plan *p = x->base.plan;
    struct sq_batch out = *in;

    out.cols = x->cols;
    out.ncols = p->ncols;
    for (uint32_t k = 0; k < p->u.expand.nsets; k++) {
        for (uint32_t i = 0; i < in->ncols; i++) {
            x->cols[i] = differs(x, i) && !(p->u.expand.sets[k] >> i & 1) ? x->null[i] : in->cols[i];
            x->cols[i].type = p->cols[i].type;
        }
        x->set = k;
        x->cols[in->ncols] = x->number;
        SQ_TRY(sq_emit_batch(&x->base, &out));
    }
    return SQ_OK;
}

/* ---- rows in turns ---- */

/* An input's column for the rows of x->source. */
static sq_rc borrowed(struct expand *x, uint32_t i, const struct sq_vec *v, uint32_t n)
{
    struct sq_vec *out = &x->cols[i];

    if (v->enc == SQ_CONST) {
        *out = *v;
        return SQ_OK;
    }
    *out = (struct sq_vec){.type = x->base.plan->cols[i].type, .enc = SQ_DICT, .index = x->source, .child = (struct sq_vec *)(uintptr_t)v, .nchild = 1};
    if (v->enc == SQ_FLAT)
        return SQ_OK;
    if (!x->index[i] && !(x->index[i] = sq_alloc(x->base.ctx, SQ_BATCH_ROWS * sizeof(uint32_t))))
        return SQ_NOMEM;
    for (uint32_t r = 0; r < n; r++)
        x->index[i][r] = v->index[x->source[r]];
    out->index = x->index[i];
    out->child = v->child;
    return SQ_OK;
}

static sq_rc build(struct expand *x, uint32_t col, const struct sq_vec *v, uint32_t n)
{
    const struct sq_plan *p = x->base.plan;
    struct sq_col *c = &x->built[col];
    uint32_t nsets = p->u.expand.nsets;

    sq_col_reset(c);
    for (uint32_t r = 0; r < n; r++)
        if (!v)
            SQ_TRY(sq_col_append_fixed(c, &(int64_t){r % nsets}));
        else if (p->u.expand.sets[r % nsets] >> col & 1)
            SQ_TRY(sq_col_append(c, v, x->source[r]));
        else
            SQ_TRY(sq_col_append_null(c));
    sq_col_seal(c);
    x->cols[col] = c->vec;
    return SQ_OK;
}

/* Rows from..from+n of the batch, each once per set. */
static sq_rc take_turns(struct expand *x, const struct sq_batch *in, uint32_t from, uint32_t n)
{
    const struct sq_plan *p = x->base.plan;
    uint32_t nsets = p->u.expand.nsets, rows = n * nsets;
    struct sq_batch out = {.rows = rows, .nsel = rows, .ncols = p->ncols, .cols = x->cols, .kind = in->kind ? x->kind : NULL};

    sq_arena_reset(&x->heap);
    for (uint32_t r = 0; r < rows; r++) {
        x->source[r] = sq_row(in, from + r / nsets);
        x->kind[r] = sq_row_kind(in, x->source[r]);
    }
    out.wm = sq_wm_of_rows(in, x->source, rows, x->wm);
    for (uint32_t i = 0; i < in->ncols; i++)
        SQ_TRY(differs(x, i) ? build(x, i, &in->cols[i], rows) : borrowed(x, i, &in->cols[i], rows));
    SQ_TRY(build(x, in->ncols, NULL, rows));
    return sq_emit_batch(&x->base, &out);
}

static sq_rc expand_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct expand *x = SQ_OP(op, struct expand);
    uint32_t per = SQ_BATCH_ROWS / op->plan->u.expand.nsets;

    sq_op_accept(op, input, in->nsel);
    if (!x->source || per == 0)
        return sets_of_batch(x, in);
    for (uint32_t from = 0; from < in->nsel; from += per)
        SQ_TRY(take_turns(x, in, from, in->nsel - from < per ? in->nsel - from : per));
    return SQ_OK;
}

static void expand_close(struct sq_op *op)
{
    struct expand *x = SQ_OP(op, struct expand);

    for (uint32_t i = 0; i < op->plan->ncols; i++) {
        if (x->built && x->built[i].ctx)
            sq_col_free(&x->built[i]);
        if (x->index)
            sq_free(op->ctx, x->index[i]);
    }
    sq_free(op->ctx, x->built);
    sq_free(op->ctx, x->source);
    sq_free(op->ctx, x->index);
    sq_free(op->ctx, x->kind);
    sq_free(op->ctx, x->cols);
    sq_free(op->ctx, x->null);
    sq_arena_free(&x->heap);
    sq_arena_free(&x->fixed);
}

const struct sq_op_class sq_op_expand = {
    .name = "Expand", .size = sizeof(struct expand), .open = expand_open, .batch = expand_batch, .close = expand_close,
};
