/* SPDX-License-Identifier: Apache-2.0
 *
 * sort.c: ORDER BY with LIMIT and OFFSET over the final rows of a bounded input: collects, sorts at the end, emits.
 *
 * Rows that only come are kept in columns; with a LIMIT they are cut down to the best so many whenever there are a few times as many, so memory
 * is bounded by the LIMIT. Rows that may be taken back are kept packed and counted, and unpacked at the end. Equal rows stay in the order they
 * came. What is sorted is an array of row numbers; the output are dictionaries over the collected columns.
 */
#include "executor/hashtab.h"
#include "executor/keys.h"
#include "executor/op.h"

#include <stdlib.h>

struct sort {
    struct sq_op base;
    struct sq_out buf[2];                  /* the rows, and where the best are copied to */
    struct sq_out *rows;
    bool counted;                          /* the input may take rows back */
    struct sq_keys keys;                   /* of all columns; counted only */
    struct sq_hashtab table;               /* packed row -> int64_t how often */
    uint64_t keep;                         /* limit + offset; UINT64_MAX: all */
    uint32_t *order;
    size_t order_cap;
    struct sq_vec *vecs, *flat;
    struct sq_entry *entry[SQ_BATCH_ROWS];
};

static sq_rc sort_open(struct sq_op *op)
{
    struct sort *s = SQ_OP(op, struct sort);
    const struct sq_plan *plan = op->plan;
    const struct sq_type **types;
    sq_rc rc;

    if (plan->inputs[0]->mode == SQ_MODE_UPSERT)
        return sq_fail(op->ctx, SQ_INTERNAL, "a sort was given an upsert stream");
    s->counted = plan->inputs[0]->mode != SQ_MODE_INSERT;
    s->keep = plan->u.sort.limit < 0 ? UINT64_MAX : (uint64_t)plan->u.sort.limit + (uint64_t)plan->u.sort.offset;
    op->satisfied = plan->u.sort.limit == 0;
    s->rows = &s->buf[0];
    SQ_TRY(sq_op_out(s->base.ctx, s->base.plan->cols, s->base.plan->ncols, s->rows));
    s->vecs = sq_calloc(op->ctx, (plan->ncols + 1) * sizeof *s->vecs);
    s->flat = sq_calloc(op->ctx, (plan->ncols + 1) * sizeof *s->flat);
    if (!s->vecs || !s->flat)
        return SQ_NOMEM;
    if (!s->counted)
        return SQ_OK;
    SQ_TRY(sq_op_types(op->ctx, plan->cols, plan->ncols, &types));
    rc = sq_keys_init(&s->keys, op->ctx, types, NULL, plan->ncols);
    sq_free(op->ctx, types);
    if (plan->ncols > 0)
        s->keys.form = SQ_KEY_PACKED;
    return rc == SQ_OK ? sq_hashtab_init(&s->table, op->ctx, sizeof(int64_t)) : rc;
}

/* ---- order ---- */

static int compare_key(const struct sort *s, const struct sq_sort_key *k, uint32_t a, uint32_t b)
{
    const struct sq_vec *v = &s->rows->cols[k->col].vec;
    bool na = sq_vec_null(v, a), nb = sq_vec_null(v, b);
    int d;

    if (na || nb)
        return na == nb ? 0 : na == k->nulls_first ? -1 : 1;
    d = sq_vec_compare(v, a, v, b);
    return k->desc ? -d : d;
}

static int compare_rows(const void *x, const void *y, void *arg)
{
    const struct sort *s = arg;
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

    for (uint32_t i = 0; i < s->base.plan->u.sort.nkeys; i++) {
        int d = compare_key(s, &s->base.plan->u.sort.keys[i], a, b);
        if (d)
            return d;
    }
    return a < b ? -1 : a > b;
}

static sq_rc order_rows(struct sort *s)
{
    SQ_TRY(sq_grow(s->base.ctx, &s->order, &s->order_cap, (size_t)s->rows->n + 1, sizeof *s->order));
    for (uint32_t c = 0; c < s->rows->ncols; c++)
        sq_col_seal(&s->rows->cols[c]);
    for (uint32_t i = 0; i < s->rows->n; i++)
        s->order[i] = i;
    if (s->base.plan->u.sort.nkeys > 0)
        qsort_r(s->order, s->rows->n, sizeof *s->order, compare_rows, s);
    return SQ_OK;
}

/* Keeps the best rows only, in their order. */
static sq_rc cut(struct sort *s)
{
    struct sq_out *best = s->rows == &s->buf[0] ? &s->buf[1] : &s->buf[0];

    SQ_TRY(order_rows(s));
    if (!best->ctx)
        SQ_TRY(sq_op_out(s->base.ctx, s->base.plan->cols, s->base.plan->ncols, best));
    for (uint32_t c = 0; c < best->ncols; c++)
        SQ_TRY(sq_col_append_many(&best->cols[c], &s->rows->cols[c].vec, s->order, (uint32_t)s->keep));
    SQ_TRY(sq_out_rows(best, (uint32_t)s->keep));
    sq_out_reset(s->rows);
    s->rows = best;
    return SQ_OK;
}

/* ---- collecting ---- */

static sq_rc collect(struct sort *s, const struct sq_batch *in)
{
    for (uint32_t c = 0; c < in->ncols; c++)
        SQ_TRY(sq_col_append_many(&s->rows->cols[c], &in->cols[c], in->sel, in->nsel));
    SQ_TRY(sq_out_rows(s->rows, in->nsel));
    return s->keep < UINT32_MAX / 8 && s->rows->n > 4 * s->keep + 4 * SQ_BATCH_ROWS ? cut(s) : SQ_OK;
}

static sq_rc count(struct sort *s, const struct sq_batch *in)
{
    bool gone = false;

    SQ_TRY(sq_keys_load(&s->keys, in));
    SQ_TRY(sq_hashtab_upsert(&s->table, in->nsel, s->keys.hash, s->keys.key, s->keys.null, s->entry));
    for (uint32_t i = 0; i < in->nsel; i++) {
        int64_t *n = SQ_PAYLOAD(s->entry[i]);
        if (sq_kind_adds(sq_row_kind(in, sq_row(in, i))))
            ++*n;
        else if (*n > 0)
            --*n;
        gone |= *n == 0;
    }
    for (uint32_t i = 0; gone && i < in->nsel; i++)
        if (s->entry[i]->flags & SQ_ENTRY_LIVE && *(int64_t *)SQ_PAYLOAD(s->entry[i]) == 0)
            sq_hashtab_remove(&s->table, s->entry[i]);
    return SQ_OK;
}

static sq_rc sort_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct sort *s = SQ_OP(op, struct sort);

    sq_op_accept(op, input, in->nsel);
    return s->counted ? count(s, in) : collect(s, in);
}

static sq_rc unpack_counted(struct sort *s)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while ((e = sq_hashtab_next(&s->table, &it)))
        for (int64_t n = *(int64_t *)SQ_PAYLOAD(e); n > 0; n--) {
            SQ_TRY(sq_keys_append(&s->keys, &e, 1, s->rows->cols));
            SQ_TRY(sq_out_rows(s->rows, 1));
        }
    return SQ_OK;
}

/* ---- the end ---- */

static sq_rc emit_rows(struct sort *s, uint32_t from, uint32_t n)
{
    struct sq_batch out = {.rows = n, .nsel = n, .ncols = s->rows->ncols, .cols = s->vecs};

    for (uint32_t c = 0; c < s->rows->ncols; c++) {
        s->flat[c] = s->rows->cols[c].vec;
        s->vecs[c] = (struct sq_vec){.type = s->flat[c].type, .enc = SQ_DICT, .index = s->order + from, .child = &s->flat[c], .nchild = 1};
    }
    return sq_emit_batch(&s->base, &out);
}

static sq_rc sort_end(struct sq_op *op, uint32_t input)
{
    struct sort *s = SQ_OP(op, struct sort);
    uint64_t first = (uint64_t)op->plan->u.sort.offset, last;

    (void)input;
    if (s->counted)
        SQ_TRY(unpack_counted(s));
    SQ_TRY(order_rows(s));
    last = s->rows->n < s->keep ? s->rows->n : s->keep;
    for (uint64_t at = first; at < last; at += SQ_BATCH_ROWS) {
        SQ_TRY(sq_check_interrupt(op->ctx));
        SQ_TRY(emit_rows(s, (uint32_t)at, last - at < SQ_BATCH_ROWS ? (uint32_t)(last - at) : SQ_BATCH_ROWS));
    }
    return SQ_OK;
}

/* ---- snapshots: count and packed row ---- */

static sq_rc put_row(struct sort *s, struct sq_buf *b, struct sq_snapshot_out *out, int64_t n, struct sq_str packed, uint32_t r)
{
    sq_buf_reset(b);
    SQ_TRY(sq_buf_u64(b, (uint64_t)n));
    SQ_TRY(packed.p ? sq_buf_str(b, packed) : sq_row_pack(b, s->vecs, NULL, s->rows->ncols, r));
    return out->put(out->arg, SQ_NO_KEY_GROUP, b->p, b->n);
}

static sq_rc save(struct sort *s, struct sq_buf *b, struct sq_snapshot_out *out)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while (s->counted && (e = sq_hashtab_next(&s->table, &it)))
        SQ_TRY(put_row(s, b, out, *(int64_t *)SQ_PAYLOAD(e), sq_view_str(&e->key), 0));
    for (uint32_t c = 0; c < s->rows->ncols; c++) {
        sq_col_seal(&s->rows->cols[c]);
        s->vecs[c] = s->rows->cols[c].vec;
    }
    for (uint32_t r = 0; !s->counted && r < s->rows->n; r++)
        SQ_TRY(put_row(s, b, out, 1, (struct sq_str){NULL, 0}, r));
    return SQ_OK;
}

static sq_rc sort_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct sq_buf b;
    sq_rc rc;

    sq_buf_init(&b, op->ctx);
    rc = save(SQ_OP(op, struct sort), &b, out);
    sq_buf_free(&b);
    return rc;
}

static sq_rc load_counted(struct sort *s, int64_t n)
{
    const struct sq_batch *b = sq_out_batch(s->rows);

    SQ_TRY(count(s, b));
    *(int64_t *)SQ_PAYLOAD(s->entry[0]) += n - 1;
    sq_out_reset(s->rows);
    return SQ_OK;
}

static sq_rc sort_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct sort *s = SQ_OP(op, struct sort);
    uint32_t group;
    const char *p;
    int64_t times;
    size_t n;

    for (;;) {
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p)
            return SQ_OK;
        if (n < 8)
            return sq_fail(op->ctx, SQ_DATA, "the saved state of a sort is damaged");
        memcpy(&times, p, 8);
        if (times < 1 || (s->rows->ncols > 0 && sq_row_unpack(p + 8, p + n, s->rows->cols, s->rows->ncols) != p + n))
            return sq_fail(op->ctx, SQ_DATA, "the saved state of a sort is damaged");
        SQ_TRY(sq_out_rows(s->rows, 1));
        if (s->counted)
            SQ_TRY(load_counted(s, times));
    }
}

static size_t sort_bytes(const struct sq_op *op)
{
    const struct sort *s = (const struct sort *)op;
    size_t n = s->counted ? sq_hashtab_bytes(&s->table) : 0;

    if (!s->rows)
        return 0;
    for (uint32_t c = 0; c < s->rows->ncols; c++)
        n += (size_t)s->rows->cols[c].cap * sq_phys_size(sq_type_phys(s->rows->cols[c].vec.type));
    return n + s->rows->heap.bytes;
}

static void sort_close(struct sq_op *op)
{
    struct sort *s = SQ_OP(op, struct sort);

    for (int i = 0; i < 2; i++)
        if (s->buf[i].ctx)
            sq_out_free(&s->buf[i]);
    sq_keys_free(&s->keys);
    sq_hashtab_free(&s->table);
    sq_free(op->ctx, s->order);
    sq_free(op->ctx, s->vecs);
    sq_free(op->ctx, s->flat);
}

const struct sq_op_class sq_op_sort = {
    .name = "Sort", .size = sizeof(struct sort), .open = sort_open, .batch = sort_batch, .end = sort_end, .snapshot = sort_snapshot,
    .restore = sort_restore, .state_bytes = sort_bytes, .close = sort_close,
};
