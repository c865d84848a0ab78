/* SPDX-License-Identifier: Apache-2.0
 *
 * pairs.c: candidate pairs of joins in time (pairs.h). The columns of the batch are seen through dictionaries (nothing is copied), those of the other side are unpacked.
 */
#include "executor/operators/pairs.h"

#include <string.h>

#include "base/row.h"

static const struct sq_plan *side(const struct sq_pairs *p, uint32_t n) { return p->op->plan->inputs[n]; }

sq_rc sq_pairs_open(struct sq_pairs *p, struct sq_op *op, uint32_t mine, struct sq_program *residual)
{
    const struct sq_plan *other = op->plan->inputs[1 - mine];
    uint32_t n = op->plan->inputs[0]->ncols + op->plan->inputs[1]->ncols + 1;

    p->op = op;
    p->mine = mine;
    p->residual = residual;
    sq_arena_init(&p->heap, op->ctx);
    p->kept = sq_calloc(op->ctx, (other->ncols + 1) * sizeof *p->kept);
    p->vecs = sq_calloc(op->ctx, n * sizeof *p->vecs);
    p->flat = sq_calloc(op->ctx, n * sizeof *p->flat);
    p->composed = sq_calloc(op->ctx, n * sizeof *p->composed);
    if (!p->kept || !p->vecs || !p->flat || !p->composed)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < other->ncols; i++)
        SQ_TRY(sq_col_init(&p->kept[i], op->ctx, &p->heap, other->cols[i].type));
    return SQ_OK;
}

void sq_pairs_close(struct sq_pairs *p)
{
    if (!p->op)
        return;
    uint32_t n = side(p, 0)->ncols + side(p, 1)->ncols;
    for (uint32_t i = 0; p->kept && i < side(p, 1 - p->mine)->ncols; i++)
        sq_col_free(&p->kept[i]);
    for (uint32_t i = 0; p->composed && i < n; i++)
        sq_free(p->op->ctx, p->composed[i]);
    sq_free(p->op->ctx, p->kept);
    sq_free(p->op->ctx, p->vecs);
    sq_free(p->op->ctx, p->flat);
    sq_free(p->op->ctx, p->composed);
    sq_arena_free(&p->heap);
}

void sq_pairs_reset(struct sq_pairs *p)
{
    for (uint32_t i = 0; i < side(p, 1 - p->mine)->ncols; i++)
        sq_col_reset(&p->kept[i]);
    sq_arena_reset(&p->heap);
    p->n = 0;
}

sq_rc sq_pairs_add(struct sq_pairs *p, const struct sq_batch *in, uint32_t pos, const char *packed, uint32_t len, void *of)
{
    uint32_t n = side(p, 1 - p->mine)->ncols;

    if (n > 0 && !sq_row_unpack(packed, packed + len, p->kept, n))
        return p->op->ctx->err.rc != SQ_OK ? p->op->ctx->err.rc : sq_fail(p->op->ctx, SQ_INTERNAL, "a row in the state of a join is damaged");
    p->row[p->n] = sq_row(in, pos);
    p->pos[p->n] = pos;
    p->of[p->n++] = of;
    return SQ_OK;
}

/* A column of the batch seen from the pairs. */
static sq_rc seen(struct sq_pairs *p, const struct sq_vec *v, uint32_t at)
{
    const uint32_t *index = p->row;
    const struct sq_vec *child = v;

    if (v->enc == SQ_CONST) {
        p->vecs[at] = *v;
        return SQ_OK;
    }
    if (v->enc == SQ_DICT) {
        if (!p->composed[at])
            p->composed[at] = sq_alloc(p->op->ctx, SQ_BATCH_ROWS * sizeof(uint32_t));
        if (!p->composed[at])
            return SQ_NOMEM;
        for (uint32_t k = 0; k < p->n; k++)
            p->composed[at][k] = v->index[p->row[k]];
        index = p->composed[at];
        child = v->child;
    }
    p->flat[at] = *child;
    p->vecs[at] = (struct sq_vec){.type = v->type, .enc = SQ_DICT, .index = index, .child = &p->flat[at], .nchild = 1};
    return SQ_OK;
}

sq_rc sq_pairs_batch(struct sq_pairs *p, const struct sq_batch *in, struct sq_batch *out)
{
    uint32_t nleft = side(p, 0)->ncols, mine_at = p->mine == 0 ? 0 : nleft, other_at = p->mine == 0 ? nleft : 0;

    for (uint32_t c = 0; c < side(p, p->mine)->ncols; c++)
        SQ_TRY(seen(p, &in->cols[c], mine_at + c));
    for (uint32_t c = 0; c < side(p, 1 - p->mine)->ncols; c++) {
        sq_col_seal(&p->kept[c]);
        p->vecs[other_at + c] = p->kept[c].vec;
    }
    *out = (struct sq_batch){.rows = p->n, .nsel = p->n, .ncols = nleft + side(p, 1)->ncols, .cols = p->vecs};
    if (!p->residual)
        return SQ_OK;
    SQ_TRY(sq_program_select(p->residual, out, p->sel, &out->nsel));
    if (out->nsel < out->rows)
        out->sel = p->sel;
    return SQ_OK;
}

uint32_t sq_pairs_nulls(const struct sq_plan *join, uint32_t input, const struct sq_batch *in, bool *skip)
{
    uint32_t n = 0;

    memset(skip, 0, in->nsel * sizeof *skip);
    for (uint32_t k = 0; k < join->u.join.nkeys; k++) {
        const struct sq_vec *v = &in->cols[input == 0 ? join->u.join.keys[k].left : join->u.join.keys[k].right];
        if ((join->u.join.null_safe && join->u.join.null_safe[k]) || (v->enc == SQ_FLAT && !v->valid && v->type->id != SQ_T_NULL))
            continue;
        for (uint32_t i = 0; i < in->nsel; i++)
            skip[i] |= sq_vec_null(v, sq_row(in, i));
    }
    for (uint32_t i = 0; i < in->nsel; i++)
        n += skip[i];
    return n;
}
