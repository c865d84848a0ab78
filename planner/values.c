/* SPDX-License-Identifier: Apache-2.0
 *
 * values.c: rows of constants as batches of flat columns. Rows with nested values become a batch each, of constant vectors.
 */
#include "planner/tree.h"

static bool nested(const struct sq_type *t)
{
    return t->nchild > 0;
}

/* Column c of rows from..from+n as a flat vector. cells: row after row. */
static sq_rc flat_column(struct sq_arena *a, const struct sq_type *t, struct sq_expr *const *cells, uint32_t ncols, uint32_t c, uint32_t from, uint32_t n, struct sq_vec *v)
{
    uint32_t size = sq_phys_size(sq_type_phys(t));
    v->type = t;
    v->data = sq_arena_get(a, size ? (size_t)size * n : 16, 64);
    v->valid = SQ_NEW_ARRAY(a, uint64_t, (n + 63) / 64);
    if (!v->data || !v->valid)
        return SQ_NOMEM;
    memset(v->data, 0, size ? (size_t)size * n : 16);
    for (uint32_t r = 0; r < n; r++) {
        const struct sq_vec *cell = cells[(size_t)(from + r) * ncols + c]->value;
        if (sq_vec_null(cell, 0))
            continue;
        sq_bit_set(v->valid, r);
        memcpy((char *)v->data + (size_t)r * size, cell->data, size);
    }
    return SQ_OK;
}

sq_rc sq_values_plan(struct sq_arena *a, struct sq_expr *const *cells, uint32_t nrows, const struct sq_field *cols, uint32_t ncols, struct sq_plan **out)
{
    bool one_by_one = false;
    for (uint32_t c = 0; c < ncols; c++)
        one_by_one |= nested(cols[c].type);
    uint32_t per = one_by_one ? 1 : SQ_BATCH_ROWS, nbatches = (nrows + per - 1) / per;
    struct sq_batch *batches = SQ_NEW_ARRAY(a, struct sq_batch, nbatches ? nbatches : 1);
    if (!batches)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < nbatches; i++) {
        uint32_t from = i * per, n = nrows - from < per ? nrows - from : per;
        struct sq_vec *v = SQ_NEW_ARRAY(a, struct sq_vec, ncols ? ncols : 1);
        if (!v)
            return SQ_NOMEM;
        for (uint32_t c = 0; c < ncols; c++) {
            if (one_by_one)
                v[c] = *cells[(size_t)from * ncols + c]->value;
            else
                SQ_TRY(flat_column(a, cols[c].type, cells, ncols, c, from, n, &v[c]));
        }
        batches[i] = (struct sq_batch){.rows = n, .nsel = n, .ncols = ncols, .cols = v};
    }
    *out = sq_node_values(a, cols, ncols, batches, nbatches);
    return *out ? SQ_OK : SQ_NOMEM;
}
