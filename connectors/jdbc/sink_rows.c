/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_rows.c: the rows that wait to be written. With a key they are a table by packed key, in which the last change of a key wins, so a key that
 * changes often costs one statement; without one they are a list.
 *
 * A row that follows one of the same key takes its place where it fits, else it goes to the end, and what it leaves behind is dead; when more
 * than half is dead, all moves together. So an epoch in which few keys change all the time stays small.
 *
 * Saved (for a checkpoint), all numbers little-endian:
 *     u32 "SQJ" 1 · u64 epoch · u64 hash of columns and key · u64 rows · rows: u8 removed, u32 length, so many bytes as row.h has them · u64 hash of all before
 * The bytes come back from a file, so they are not trusted: every length is checked, and a hash tells what was changed by chance.
 *
 * Invariants: `index` holds every row exactly once; rows keep the order in which they, or their keys first, came.
 */
#include "base/row.h"
#include "connectors/jdbc/sink.h"

enum { FIRST_INDEX = 1024, LEAST_DEAD = 1 << 20, KEPT_BYTES = 64 << 20, HEAD_BYTES = 4 + 8 + 8 + 8, ROW_BYTES = 1 + 4, HASH_BYTES = 8 };
static const uint32_t MAGIC = 'S' | 'Q' << 8 | 'J' << 16 | 1 << 24;

sq_rc sq_jdbc_rows_init(struct sq_jdbc_rows *g, struct sq_ctx *ctx, const struct sq_table_spec *t, const uint32_t *key, uint32_t nkey)
{
    const struct sq_type **types = sq_calloc(ctx, (t->ncols + 1) * sizeof *types);
    if (!types)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->ncols; i++)
        types[i] = t->cols[i].type;
    *g = (struct sq_jdbc_rows){.ctx = ctx, .table = t, .key = key, .nkey = nkey};
    sq_buf_init(&g->bytes, ctx);
    sq_buf_init(&g->packed, ctx);
    sq_rc rc = sq_out_init(&g->out, ctx, types, t->ncols);
    sq_free(ctx, types);
    return rc;
}

void sq_jdbc_rows_free(struct sq_jdbc_rows *g)
{
    if (!g->ctx)
        return;
    if (g->out.ctx)
        sq_out_free(&g->out);
    sq_buf_free(&g->bytes);
    sq_buf_free(&g->packed);
    sq_free(g->ctx, g->rows);
    sq_free(g->ctx, g->index);
    *g = (struct sq_jdbc_rows){.ctx = NULL};
}

/* What a big epoch took is given back, what a usual one takes is kept. */
void sq_jdbc_rows_clear(struct sq_jdbc_rows *g)
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

size_t sq_jdbc_rows_bytes(const struct sq_jdbc_rows *g) { return g->bytes.n + g->n * sizeof *g->rows + (g->n ? g->nindex * sizeof *g->index : 0); }

/* ---- gathering ---- */

static uint64_t hash_bytes(const char *p, size_t n)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ n;
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

static sq_rc grow_index(struct sq_jdbc_rows *g)
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

static sq_rc new_row(struct sq_jdbc_rows *g, struct sq_jdbc_row **out)
{
    if (g->n >= UINT32_MAX - 1)
        return sq_fail(g->ctx, SQ_LIMIT, "table '%.*s': more than %u rows wait for one commit", SQ_FMT(g->table->name), UINT32_MAX - 1);
    SQ_TRY(sq_grow(g->ctx, &g->rows, &g->cap, g->n + 1, sizeof *g->rows));
    *out = &g->rows[g->n++];
    **out = (struct sq_jdbc_row){.at = g->bytes.n};
    return SQ_OK;
}

/* The row of the key in `packed`; a new one, with nothing in it, if there was none. */
static sq_rc find_row(struct sq_jdbc_rows *g, struct sq_jdbc_row **out)
{
    uint64_t hash = hash_bytes(g->packed.p, g->packed.n);
    if ((g->n + 1) * 2 > g->nindex)
        SQ_TRY(grow_index(g));
    size_t at = hash & (g->nindex - 1);
    for (; g->index[at]; at = (at + 1) & (g->nindex - 1)) {
        struct sq_jdbc_row *e = &g->rows[g->index[at] - 1];
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

static sq_rc move_together(struct sq_jdbc_rows *g)
{
    struct sq_buf live;
    sq_buf_init(&live, g->ctx);
    SQ_TRY(sq_buf_reserve(&live, g->bytes.n - g->dead));
    for (size_t i = 0; i < g->n; i++) {
        struct sq_jdbc_row *e = &g->rows[i];
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
static sq_rc settle(struct sq_jdbc_rows *g, struct sq_jdbc_row *e, size_t at)
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

sq_rc sq_jdbc_rows_add(struct sq_jdbc_rows *g, const struct sq_batch *b, uint32_t r, bool removed)
{
    struct sq_jdbc_row *e;
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

static sq_rc unpack(struct sq_jdbc_rows *g, const char *p, size_t n, bool removed, const char *what)
{
    const char *end = sq_row_unpack(p, p + n, g->out.cols, g->out.ncols);
    if (!end && g->ctx->err.rc == SQ_NOMEM)
        return SQ_NOMEM;
    if (end != p + n)
        return sq_fail(g->ctx, SQ_DATA, "table '%.*s': %s", SQ_FMT(g->table->name), what);
    return sq_out_row(&g->out, removed ? SQ_DELETE : SQ_INSERT);
}

sq_rc sq_jdbc_rows_next(struct sq_jdbc_rows *g, bool put, size_t *i)
{
    sq_out_reset(&g->out);
    for (; *i < g->n && g->out.n < SQ_BATCH_ROWS; ++*i) {
        const struct sq_jdbc_row *e = &g->rows[*i];
        if (e->removed != put)
            SQ_TRY(unpack(g, g->bytes.p + e->at + e->nkey, e->nrow, e->removed, "a gathered row is damaged"));
    }
    return SQ_OK;
}

/* ---- for a checkpoint ---- */

static uint64_t mix(uint64_t h, uint64_t v) { return hash_bytes((const char *)(uint64_t[]){h, v}, 16); }

/* Whose rows these are: names and types of the columns, and which are the key. */
static uint64_t shape(const struct sq_jdbc_rows *g)
{
    uint64_t h = mix(g->table->ncols, g->nkey);
    for (uint32_t i = 0; i < g->table->ncols; i++) {
        const struct sq_table_column *c = &g->table->cols[i];
        h = mix(h, hash_bytes(c->name.p, c->name.n));
        h = mix(h, (uint64_t)c->type->id << 32 ^ (uint64_t)(uint32_t)c->type->p << 8 ^ (uint64_t)(uint32_t)c->type->s);
    }
    for (uint32_t k = 0; k < g->nkey; k++)
        h = mix(h, g->key[k]);
    return h;
}

sq_rc sq_jdbc_rows_save(struct sq_jdbc_rows *g, uint64_t epoch, struct sq_buf *out)
{
    size_t from = out->n, size = HEAD_BYTES + HASH_BYTES + g->n * ROW_BYTES;
    for (size_t i = 0; i < g->n; i++)
        size += g->rows[i].nrow;
    if (size > UINT32_MAX - from) {
        sq_fail(g->ctx, SQ_LIMIT, "table '%.*s': the rows of epoch %llu take %zu bytes, and a checkpoint holds 4 GB of them", SQ_FMT(g->table->name),
                (unsigned long long)epoch, size);
        return sq_hint(g->ctx, "a shorter 'execution.checkpointing.interval' makes smaller epochs");
    }
    SQ_TRY(sq_buf_reserve(out, size));
    sq_buf_u32(out, MAGIC);
    sq_buf_u64(out, epoch);
    sq_buf_u64(out, shape(g));
    sq_buf_u64(out, g->n);
    for (size_t i = 0; i < g->n; i++) {
        const struct sq_jdbc_row *e = &g->rows[i];
        sq_buf_putc(out, e->removed);
        sq_buf_u32(out, e->nrow);
        sq_buf_add(out, g->bytes.p + e->at + e->nkey, e->nrow);
    }
    return sq_buf_u64(out, hash_bytes(out->p + from, out->n - from));
}

static uint64_t u64_at(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static sq_rc damaged(struct sq_jdbc_rows *g, const char *why)
{
    return sq_fail(g->ctx, SQ_DATA, "table '%.*s': the rows that a checkpoint keeps for it are damaged: %s", SQ_FMT(g->table->name), why);
}

static sq_rc load_head(struct sq_jdbc_rows *g, uint64_t epoch, struct sq_str in, uint64_t *rows)
{
    uint32_t magic;
    if (in.n < HEAD_BYTES + HASH_BYTES)
        return damaged(g, "they are cut off");
    memcpy(&magic, in.p, sizeof magic);
    if (magic != MAGIC)
        return damaged(g, "they are of another kind or version");
    if (u64_at(in.p + in.n - HASH_BYTES) != hash_bytes(in.p, in.n - HASH_BYTES))
        return damaged(g, "their checksum is another");
    if (u64_at(in.p + 4) != epoch)
        return damaged(g, "they are of another epoch");
    if (u64_at(in.p + 12) != shape(g)) {
        sq_fail(g->ctx, SQ_SEMANTIC, "table '%.*s': the rows that a checkpoint keeps for it have other columns or another key", SQ_FMT(g->table->name));
        return sq_hint(g->ctx, "declare the table as it was, let the job go on from there, and change it then");
    }
    *rows = u64_at(in.p + 20);
    return SQ_OK;
}

static sq_rc load_row(struct sq_jdbc_rows *g, const char **at, const char *end)
{
    uint32_t n;
    if (end - *at < ROW_BYTES)
        return damaged(g, "a row is cut off");
    uint8_t removed = (uint8_t)**at;
    memcpy(&n, *at + 1, sizeof n);
    *at += ROW_BYTES;
    if (removed > (g->nkey > 0) || (size_t)(end - *at) < n)
        return damaged(g, "a row is cut off, or of no known kind");
    sq_out_reset(&g->out);
    SQ_TRY(unpack(g, *at, n, removed, "the rows that a checkpoint keeps for it are damaged: a row has other columns"));
    *at += n;
    const struct sq_batch *b = sq_out_batch(&g->out);
    for (uint32_t k = 0; k < g->nkey; k++)
        if (sq_vec_null(&b->cols[g->key[k]], 0))
            return damaged(g, "a key is NULL");
    return sq_jdbc_rows_add(g, b, 0, removed);
}

sq_rc sq_jdbc_rows_load(struct sq_jdbc_rows *g, uint64_t epoch, struct sq_str in)
{
    uint64_t rows = 0;
    SQ_TRY(load_head(g, epoch, in, &rows));
    const char *at = in.p + HEAD_BYTES, *end = in.p + in.n - HASH_BYTES;
    sq_jdbc_rows_clear(g);
    for (uint64_t i = 0; i < rows; i++)
        SQ_TRY(load_row(g, &at, end));
    return at == end ? SQ_OK : damaged(g, "there is more behind them");
}
