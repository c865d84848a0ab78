/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_saved.c: the rows of an epoch as bytes in a checkpoint, and back, all numbers little-endian:
 *
 *     u32 "SQJ" 1 · u64 epoch · u64 hash of columns and key · u64 rows · rows: u8 removed, u32 length, so many bytes as row.h has them · u64 hash of all before
 *
 * The bytes come back from a file, so they are not trusted: every length is checked, and a hash tells what was changed by chance.
 */
#include "connectors/jdbc/sink.h"

enum { HEAD_BYTES = 4 + 8 + 8 + 8, ROW_BYTES = 1 + 4, HASH_BYTES = 8 };
static const uint32_t MAGIC = 'S' | 'Q' << 8 | 'J' << 16 | 1 << 24;

static uint64_t mix(uint64_t h, uint64_t v) { return sq_hash_of(0, (const char *)(uint64_t[]){h, v}, 16); }

/* Whose rows these are: names and types of the columns, and which are the key. */
static uint64_t shape(const struct sq_sink_rows *g)
{
    uint64_t h = mix(g->table->ncols, g->nkey);
    for (uint32_t i = 0; i < g->table->ncols; i++) {
        const struct sq_table_column *c = &g->table->cols[i];
        h = mix(h, sq_hash_of(0, c->name.p, c->name.n));
        h = mix(h, (uint64_t)c->type->id << 32 ^ (uint64_t)(uint32_t)c->type->p << 8 ^ (uint64_t)(uint32_t)c->type->s);
    }
    for (uint32_t k = 0; k < g->nkey; k++)
        h = mix(h, g->key[k]);
    return h;
}

sq_rc sq_jdbc_rows_save(struct sq_sink_rows *g, uint64_t epoch, struct sq_buf *out)
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
        const struct sq_sink_row *e = &g->rows[i];
        sq_buf_putc(out, e->removed);
        sq_buf_u32(out, e->nrow);
        sq_buf_add(out, g->bytes.p + e->at + e->nkey, e->nrow);
    }
    return sq_buf_u64(out, sq_hash_of(0, out->p + from, out->n - from));
}

static uint64_t u64_at(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static sq_rc damaged(struct sq_sink_rows *g, const char *why)
{
    return sq_fail(g->ctx, SQ_DATA, "table '%.*s': the rows that a checkpoint keeps for it are damaged: %s", SQ_FMT(g->table->name), why);
}

static sq_rc load_head(struct sq_sink_rows *g, uint64_t epoch, struct sq_str in, uint64_t *rows)
{
    uint32_t magic;
    if (in.n < HEAD_BYTES + HASH_BYTES)
        return damaged(g, "they are cut off");
    memcpy(&magic, in.p, sizeof magic);
    if (magic != MAGIC)
        return damaged(g, "they are of another kind or version");
    if (u64_at(in.p + in.n - HASH_BYTES) != sq_hash_of(0, in.p, in.n - HASH_BYTES))
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

static sq_rc load_row(struct sq_sink_rows *g, const char **at, const char *end)
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
    SQ_TRY(sq_sink_rows_unpack(g, *at, n, removed, "the rows that a checkpoint keeps for it are damaged: a row has other columns"));
    *at += n;
    const struct sq_batch *b = sq_out_batch(&g->out);
    for (uint32_t k = 0; k < g->nkey; k++)
        if (sq_vec_null(&b->cols[g->key[k]], 0))
            return damaged(g, "a key is NULL");
    return sq_sink_rows_add(g, b, 0, removed);
}

sq_rc sq_jdbc_rows_load(struct sq_sink_rows *g, uint64_t epoch, struct sq_str in)
{
    uint64_t rows = 0;
    SQ_TRY(load_head(g, epoch, in, &rows));
    const char *at = in.p + HEAD_BYTES, *end = in.p + in.n - HASH_BYTES;
    sq_sink_rows_clear(g);
    for (uint64_t i = 0; i < rows; i++)
        SQ_TRY(load_row(g, &at, end));
    return at == end ? SQ_OK : damaged(g, "there is more behind them");
}
