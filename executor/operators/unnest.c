/* SPDX-License-Identifier: Apache-2.0
 *
 * unnest.c: each row once per element of a collection: UNNEST(ARRAY), of a MAP its keys and values, of a MULTISET each element as often as it is in it; the fields
 * of elements that are ROWs become columns.
 *
 * Output rows are noted as pairs (row of the input, element), up to a batch of them; the columns that go on and those of the elements are dictionaries over
 * the input, so nothing is copied. Only where a NULL has to come from nowhere (LEFT JOIN of a row without elements, a NULL among elements that are rows)
 * are the elements' columns built anew.
 *
 * Kinds are passed on: what takes a row back takes back each of its elements. No state; watermarks pass.
 */
#include "executor/op.h"

#define NO_ELEMENT UINT32_MAX

struct unnest {
    struct sq_op base;
    uint32_t width;                        /* columns of an element */
    bool row;                              /* elements are ROWs */
    struct sq_vec *cols;
    struct sq_vec *dict;                   /* of the element's columns, with the types of the output */
    uint32_t **index;                      /* per column that goes on: for dictionaries over dictionaries */
    uint32_t source[SQ_BATCH_ROWS], element[SQ_BATCH_ROWS];
    int32_t ordinal[SQ_BATCH_ROWS];
    uint64_t ordinal_valid[SQ_BATCH_WORDS];
    uint8_t kind[SQ_BATCH_ROWS];
    int64_t wm[SQ_BATCH_ROWS];
    uint32_t n;
    bool gaps;                             /* some element is NO_ELEMENT, or a NULL among ROWs */
    struct sq_col *built;
    struct sq_arena heap;
    const struct sq_vec *list;             /* of the current batch, flat or constant */
};

static sq_rc unnest_open(struct sq_op *op)
{
    struct unnest *u = SQ_OP(op, struct unnest);
    const struct sq_plan *p = op->plan;
    const struct sq_type *t = p->inputs[0]->cols[p->u.unnest.col].type;

    sq_arena_init(&u->heap, op->ctx);
    u->width = p->ncols - p->u.unnest.npass - p->u.unnest.ordinality;
    u->row = t->id != SQ_T_MAP && t->child[0].type->id == SQ_T_ROW;
    u->cols = sq_calloc(op->ctx, p->ncols * sizeof *u->cols);
    u->dict = sq_calloc(op->ctx, (u->width + 1) * sizeof *u->dict);
    u->index = sq_calloc(op->ctx, (p->u.unnest.npass + 1) * sizeof *u->index);
    u->built = sq_calloc(op->ctx, (u->width + 1) * sizeof *u->built);
    if (!u->cols || !u->dict || !u->index || !u->built)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < u->width; i++)
        SQ_TRY(sq_col_init(&u->built[i], op->ctx, &u->heap, p->cols[p->u.unnest.npass + i].type));
    return SQ_OK;
}

/* ---- columns of the rows that were noted ---- */

static sq_rc pass_on(struct unnest *u, uint32_t i, const struct sq_vec *v)
{
    struct sq_vec *out = &u->cols[i];

    *out = *v;
    if (v->enc == SQ_CONST)
        return SQ_OK;
    out->enc = SQ_DICT;
    out->data = NULL;
    out->valid = NULL;
    out->index = u->source;
    out->nchild = 1;
    if (v->enc == SQ_FLAT) {
        out->child = (struct sq_vec *)(uintptr_t)v;
        return SQ_OK;
    }
    if (!u->index[i] && !(u->index[i] = sq_alloc(u->base.ctx, SQ_BATCH_ROWS * sizeof(uint32_t))))
        return SQ_NOMEM;
    for (uint32_t r = 0; r < u->n; r++)
        u->index[i][r] = v->index[u->source[r]];
    out->index = u->index[i];
    return SQ_OK;
}

/* Where column i of the elements is. */
static const struct sq_vec *part(const struct unnest *u, uint32_t i)
{
    return u->row ? &u->list->child[0].child[i] : &u->list->child[i];
}

static sq_rc element_column(struct unnest *u, uint32_t i)
{
    uint32_t at = u->base.plan->u.unnest.npass + i;
    const struct sq_vec *from = part(u, i), *rows = u->row ? &u->list->child[0] : NULL;
    struct sq_col *c = &u->built[i];

    if (!u->gaps) {
        u->dict[i] = *from;
        u->dict[i].type = u->base.plan->cols[at].type;
        u->cols[at] = (struct sq_vec){.type = u->dict[i].type, .enc = SQ_DICT, .index = u->element, .child = &u->dict[i], .nchild = 1};
        return SQ_OK;
    }
    sq_col_reset(c);
    for (uint32_t r = 0; r < u->n; r++)
        if (u->element[r] == NO_ELEMENT || (rows && sq_vec_null(rows, u->element[r])))
            SQ_TRY(sq_col_append_null(c));
        else
            SQ_TRY(sq_col_append(c, from, u->element[r]));
    sq_col_seal(c);
    u->cols[at] = c->vec;
    return SQ_OK;
}

static sq_rc flush(struct unnest *u, const struct sq_batch *in)
{
    const struct sq_plan *p = u->base.plan;
    struct sq_batch out = {.rows = u->n, .nsel = u->n, .ncols = p->ncols, .cols = u->cols, .kind = in->kind ? u->kind : NULL, .wm = sq_wm_of_rows(in, u->source, u->n, u->wm)};

    if (!u->n)
        return SQ_OK;
    sq_arena_reset(&u->heap);
    for (uint32_t i = 0; i < p->u.unnest.npass; i++)
        SQ_TRY(pass_on(u, i, &in->cols[p->u.unnest.pass[i]]));
    for (uint32_t i = 0; i < u->width; i++)
        SQ_TRY(element_column(u, i));
    if (p->u.unnest.ordinality)
        u->cols[p->ncols - 1] = (struct sq_vec){.type = p->cols[p->ncols - 1].type, .enc = SQ_FLAT, .data = u->ordinal, .valid = u->gaps ? u->ordinal_valid : NULL};
    SQ_TRY(sq_emit_batch(&u->base, &out));
    u->n = 0;
    u->gaps = false;
    return SQ_OK;
}

/* ---- rows ---- */

static sq_rc note(struct unnest *u, const struct sq_batch *in, uint32_t r, uint32_t element, int32_t ordinal)
{
    u->source[u->n] = r;
    u->element[u->n] = element;
    u->ordinal[u->n] = ordinal;
    u->kind[u->n] = sq_row_kind(in, r);
    if (element == NO_ELEMENT)
        sq_bit_clear(u->ordinal_valid, u->n);
    else
        sq_bit_set(u->ordinal_valid, u->n);
    u->gaps |= element == NO_ELEMENT || (u->row && sq_vec_null(&u->list->child[0], element));
    return ++u->n == SQ_BATCH_ROWS ? flush(u, in) : SQ_OK;
}

static sq_rc elements(struct unnest *u, const struct sq_batch *in, uint32_t r, struct sq_list l)
{
    bool counts = u->list->type->id == SQ_T_MULTISET;
    int32_t ordinal = 0;

    for (uint32_t e = l.off; e < l.off + l.len; e++)
        for (int32_t k = counts ? ((const int32_t *)u->list->child[1].data)[e] : 1; k > 0; k--)
            SQ_TRY(note(u, in, r, e, ++ordinal));
    return SQ_OK;
}

static sq_rc unnest_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct unnest *u = SQ_OP(op, struct unnest);
    const struct sq_vec *col = &in->cols[op->plan->u.unnest.col];

    sq_op_accept(op, input, in->nsel);
    u->list = col->enc == SQ_DICT ? col->child : col;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i), e = r;
        const struct sq_vec *v = sq_vec_at(col, &e);
        struct sq_list l = {0, 0};
        if (v->type->id != SQ_T_NULL && !(v->valid && !sq_bit(v->valid, e)))
            l = ((const struct sq_list *)v->data)[e];
        if (l.len == 0 && op->plan->u.unnest.left)
            SQ_TRY(note(u, in, r, NO_ELEMENT, 0));
        else
            SQ_TRY(elements(u, in, r, l));
    }
    return flush(u, in);
}

static void unnest_close(struct sq_op *op)
{
    struct unnest *u = SQ_OP(op, struct unnest);

    for (uint32_t i = 0; u->built && i < u->width; i++)
        sq_col_free(&u->built[i]);
    for (uint32_t i = 0; u->index && i < op->plan->u.unnest.npass; i++)
        sq_free(op->ctx, u->index[i]);
    sq_free(op->ctx, u->built);
    sq_free(op->ctx, u->index);
    sq_free(op->ctx, u->dict);
    sq_free(op->ctx, u->cols);
    sq_arena_free(&u->heap);
}

const struct sq_op_class sq_op_unnest = {
    .name = "Unnest", .size = sizeof(struct unnest), .open = unnest_open, .batch = unnest_batch, .close = unnest_close,
};
