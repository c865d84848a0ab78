/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_rows.c: rows of a sink that wait to be written. With a key they are a table by packed key, in which the last change of a key wins, so a key that
 * changes often costs one statement; without one they are a list.
 *
 * A row that follows one of the same key takes its place where it fits, else it goes to the end, and what it leaves behind is dead; when more
 * than half is dead, all moves together. So an epoch in which few keys change all the time stays small.
 *
 * Invariants: `index` holds every row exactly once; rows keep the order in which they, or their keys first, came.
 */
#include "connectors/sink_rows.h"
#include "base/row.h"

enum { FIRST_INDEX = 1024, LEAST_DEAD = 1 << 20, KEPT_BYTES = 64 << 20 };

sq_rc sq_sink_rows_init(struct sq_sink_rows *g, struct sq_ctx *ctx, const struct sq_table_spec *t, const uint32_t *key, uint32_t nkey)
{
    const struct sq_type **types = sq_calloc(ctx, (t->ncols + 1) * sizeof *types);
    if (!types)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->ncols; i++)
        types[i] = t->cols[i].type;
    *g = (struct sq_sink_rows){.ctx = ctx, .table = t, .key = key, .nkey = nkey};
    sq_buf_init(&g->bytes, ctx);
    sq_buf_init(&g->packed, ctx);
    sq_rc rc = sq_out_init(&g->out, ctx, types, t->ncols);
    sq_free(ctx, types);
    return rc;
}

void sq_sink_rows_free(struct sq_sink_rows *g)
{
    if (!g->ctx)
        return;
    if (g->out.ctx)
        sq_out_free(&g->out);
    sq_buf_free(&g->bytes);
    sq_buf_free(&g->packed);
    sq_free(g->ctx, g->rows);
    sq_free(g->ctx, g->index);
    *g = (struct sq_sink_rows){.ctx = NULL};
}

/* What a big epoch took is given back, what a usual one takes is kept. */
void sq_sink_rows_clear(struct sq_sink_rows *g)
{
    if (g->bytes.cap > KEPT_BYTES) {
        sq_buf_free(&g->bytes);
        sq_buf_init(&g->bytes, g->ctx);
        sq_free(g->ctx, g->rows);
        sq_free(g->ctx, g->index);
        g->rows = NULL;
        g->index = NULL;
        g->cap = g->nindex = 0;
    }
    g->n = g->nremoved = g->dead = 0;
    sq_buf_reset(&g->bytes);
    if (g->index)
        memset(g->index, 0, g->nindex * sizeof *g->index);
}

size_t sq_sink_rows_bytes(const struct sq_sink_rows *g) { return g->bytes.n + g->n * sizeof *g->rows + (g->n ? g->nindex * sizeof *g->index : 0); }

/* ---- gathering ---- */

uint64_t sq_hash_of(uint64_t seed, const char *p, size_t n)
{
    uint64_t h = seed ^ 0x9e3779b97f4a7c15u ^ n;
    while (n > 0) {
        uint64_t v = 0;
        size_t k = n < 8 ? n : 8;
        memcpy(&v, p, k);
        h = (h ^ v) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
        p += k;
        n -= k;
    }
    return h;
}

static sq_rc grow_index(struct sq_sink_rows *g)
{
    size_t n = g->nindex ? g->nindex * 2 : FIRST_INDEX;
    uint32_t *index = sq_calloc(g->ctx, n * sizeof *index);
    if (!index)
        return SQ_NOMEM;
    for (size_t i = 0; i < g->n; i++) {
        size_t at = g->rows[i].hash & (n - 1);
        while (index[at])
            at = (at + 1) & (n - 1);
        index[at] = (uint32_t)i + 1;
    }
    sq_free(g->ctx, g->index);
    g->index = index;
    g->nindex = n;
    return SQ_OK;
}

static sq_rc new_row(struct sq_sink_rows *g, struct sq_sink_row **out)
{
    if (g->n >= UINT32_MAX - 1)
        return sq_fail(g->ctx, SQ_LIMIT, "table '%.*s': more than %u rows wait for one commit", SQ_FMT(g->table->name), UINT32_MAX - 1);
    SQ_TRY(sq_grow(g->ctx, &g->rows, &g->cap, g->n + 1, sizeof *g->rows));
    *out = &g->rows[g->n++];
    **out = (struct sq_sink_row){.at = g->bytes.n};
    return SQ_OK;
}

/* The row of the key in `packed`; a new one, with nothing in it, if there was none. */
static sq_rc find_row(struct sq_sink_rows *g, struct sq_sink_row **out)
{
    uint64_t hash = sq_hash_of(0, g->packed.p, g->packed.n);
    if ((g->n + 1) * 2 > g->nindex)
        SQ_TRY(grow_index(g));
    size_t at = hash & (g->nindex - 1);
    for (; g->index[at]; at = (at + 1) & (g->nindex - 1)) {
        struct sq_sink_row *e = &g->rows[g->index[at] - 1];
        if (e->hash == hash && e->nkey == g->packed.n && memcmp(g->bytes.p + e->at, g->packed.p, g->packed.n) == 0) {
            *out = e;
            return SQ_OK;
        }
    }
    SQ_TRY(new_row(g, out));
    g->index[at] = (uint32_t)g->n;
    (*out)->hash = hash;
    return SQ_OK;
}

static sq_rc move_together(struct sq_sink_rows *g)
{
    struct sq_buf live;
    sq_buf_init(&live, g->ctx);
    SQ_TRY(sq_buf_reserve(&live, g->bytes.n - g->dead));
    for (size_t i = 0; i < g->n; i++) {
        struct sq_sink_row *e = &g->rows[i];
        size_t at = live.n;
        sq_buf_add(&live, g->bytes.p + e->at, (size_t)e->nkey + e->nrow);
        e->at = at;
        e->room = e->nrow;
    }
    sq_buf_free(&g->bytes);
    g->bytes = live;
    g->dead = 0;
    return live.rc;
}

/* Key and row have been appended at `at`: the row goes where the one before it was, if there is room, else both stay where they are. */
static sq_rc settle(struct sq_sink_rows *g, struct sq_sink_row *e, size_t at)
{
    size_t nkey = g->packed.n, nrow = g->bytes.n - at - nkey;
    if (nkey > UINT32_MAX || nrow > UINT32_MAX)
        return sq_fail(g->ctx, SQ_LIMIT, "table '%.*s': a row of %zu bytes is more than can be written", SQ_FMT(g->table->name), nrow);
    if (e->room >= nrow && e->room) {
        memcpy(g->bytes.p + e->at + nkey, g->bytes.p + at + nkey, nrow);
        g->bytes.n = at;
        e->nrow = (uint32_t)nrow;
        return SQ_OK;
    }
    g->dead += (size_t)e->nkey + e->room;
    e->at = at;
    e->nkey = (uint32_t)nkey;
    e->nrow = e->room = (uint32_t)nrow;
    return g->dead > LEAST_DEAD && g->dead > g->bytes.n / 2 ? move_together(g) : SQ_OK;
}

sq_rc sq_sink_rows_add(struct sq_sink_rows *g, const struct sq_batch *b, uint32_t r, bool removed)
{
    struct sq_sink_row *e;
    sq_buf_reset(&g->packed);
    if (g->nkey) {
        SQ_TRY(sq_row_pack(&g->packed, b->cols, g->key, g->nkey, r));
        SQ_TRY(find_row(g, &e));
    } else {
        SQ_TRY(new_row(g, &e));
    }
    size_t at = g->bytes.n;
    SQ_TRY(sq_buf_add(&g->bytes, g->packed.p, g->packed.n));
    SQ_TRY(sq_row_pack(&g->bytes, b->cols, NULL, b->ncols, r));
    g->nremoved += (size_t)removed - (size_t)e->removed;
    e->removed = removed;
    return settle(g, e, at);
}

/* ---- and out again ---- */

sq_rc sq_sink_rows_unpack(struct sq_sink_rows *g, const char *p, size_t n, bool removed, const char *what)
{
    const char *end = sq_row_unpack(p, p + n, g->out.cols, g->out.ncols);
    if (!end && g->ctx->err.rc == SQ_NOMEM)
        return SQ_NOMEM;
    if (end != p + n)
        return sq_fail(g->ctx, SQ_DATA, "table '%.*s': %s", SQ_FMT(g->table->name), what);
    return sq_out_row(&g->out, removed ? SQ_DELETE : SQ_INSERT);
}

sq_rc sq_sink_rows_next(struct sq_sink_rows *g, enum sq_sink_rows_of which, size_t *i)
{
    sq_out_reset(&g->out);
    for (; *i < g->n && g->out.n < SQ_BATCH_ROWS; ++*i) {
        const struct sq_sink_row *e = &g->rows[*i];
        if (which == SQ_ROWS_ALL || e->removed == (which == SQ_ROWS_REMOVED))
            SQ_TRY(sq_sink_rows_unpack(g, g->bytes.p + e->at + e->nkey, e->nrow, e->removed, "a gathered row is damaged"));
    }
    return SQ_OK;
}
