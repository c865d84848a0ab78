/* SPDX-License-Identifier: Apache-2.0
 *
 * upsert.c: the last row of each key, until it is time to send them: 'sink.buffer-flush.max-rows' and 'sink.buffer-flush.interval' of upsert-kafka.
 *
 * Rows are kept packed, one behind the other; a later row of a key is put behind too, and its entry moves. Invariant: `index` holds every entry
 * exactly once; entries keep the order in which their keys first came.
 */
#include "connectors/kafka/upsert.h"
#include "base/row.h"

sq_rc sq_kafka_buffer_open(struct sq_kafka_buffer *b, struct sq_ctx *ctx, const struct sq_sink_spec *spec)
{
    const struct sq_table_spec *t = spec->table;
    const struct sq_type **types = sq_calloc(ctx, (t->ncols + 1) * sizeof *types);
    *b = (struct sq_kafka_buffer){.ctx = ctx, .key = t->pk, .nkey = t->npk};
    sq_buf_init(&b->bytes, ctx);
    sq_buf_init(&b->packed, ctx);
    if (!types)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->ncols; i++)
        types[i] = t->cols[i].type;
    sq_rc rc = sq_out_init(&b->out, ctx, types, t->ncols);
    sq_free(ctx, types);
    return rc;
}

void sq_kafka_buffer_close(struct sq_kafka_buffer *b)
{
    if (!b->ctx)
        return;
    sq_buf_free(&b->bytes);
    sq_buf_free(&b->packed);
    sq_free(b->ctx, b->rows);
    sq_free(b->ctx, b->index);
    if (b->out.ctx)
        sq_out_free(&b->out);
    b->ctx = NULL;
}

uint64_t sq_kafka_hash(uint64_t seed, const char *p, size_t n)
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

static sq_rc grow_index(struct sq_kafka_buffer *b)
{
    size_t n = b->nindex ? b->nindex * 2 : 1024;
    uint32_t *index = sq_calloc(b->ctx, n * sizeof *index);
    if (!index)
        return SQ_NOMEM;
    for (size_t i = 0; i < b->nrows; i++) {
        size_t at = b->rows[i].hash & (n - 1);
        while (index[at])
            at = (at + 1) & (n - 1);
        index[at] = (uint32_t)i + 1;
    }
    sq_free(b->ctx, b->index);
    b->index = index;
    b->nindex = n;
    return SQ_OK;
}

/* The entry of the key that b->packed holds; a new one if there was none. */
static sq_rc find(struct sq_kafka_buffer *b, struct sq_kafka_kept **out)
{
    uint64_t hash = sq_kafka_hash(0, b->packed.p, b->packed.n);
    if ((b->nrows + 1) * 2 > b->nindex)
        SQ_TRY(grow_index(b));
    size_t at = hash & (b->nindex - 1);
    for (; b->index[at]; at = (at + 1) & (b->nindex - 1)) {
        struct sq_kafka_kept *e = &b->rows[b->index[at] - 1];
        if (e->hash == hash && e->row_at - e->key_at == b->packed.n && memcmp(b->bytes.p + e->key_at, b->packed.p, b->packed.n) == 0) {
            *out = e;
            return SQ_OK;
        }
    }
    SQ_TRY(sq_grow(b->ctx, &b->rows, &b->cap_rows, b->nrows + 1, sizeof *b->rows));
    b->index[at] = (uint32_t)b->nrows + 1;
    *out = &b->rows[b->nrows++];
    (*out)->hash = hash;
    return SQ_OK;
}

sq_rc sq_kafka_buffer_add(struct sq_kafka_buffer *b, const struct sq_batch *in, uint32_t r)
{
    struct sq_kafka_kept *e;
    if (b->nrows == 0)
        b->first_ns = b->ctx->os->mono_ns(b->ctx->os->arg);
    sq_buf_reset(&b->packed);
    SQ_TRY(sq_row_pack(&b->packed, in->cols, b->key, b->nkey, r));
    SQ_TRY(find(b, &e));
    e->removed = !sq_kind_adds(sq_row_kind(in, r));
    e->key_at = b->bytes.n;
    SQ_TRY(sq_buf_add(&b->bytes, b->packed.p, b->packed.n));
    e->row_at = b->bytes.n;
    SQ_TRY(sq_row_pack(&b->bytes, in->cols, NULL, in->ncols, r));
    e->end = b->bytes.n;
    return SQ_OK;
}

sq_rc sq_kafka_buffer_next(struct sq_kafka_buffer *b, size_t *at, const struct sq_batch **out)
{
    *out = NULL;
    sq_out_reset(&b->out);
    for (; *at < b->nrows && b->out.n < SQ_BATCH_ROWS; ++*at) {
        const struct sq_kafka_kept *e = &b->rows[*at];
        if (!sq_row_unpack(b->bytes.p + e->row_at, b->bytes.p + e->end, b->out.cols, b->out.ncols))
            return b->ctx->err.rc == SQ_NOMEM ? SQ_NOMEM : sq_fail(b->ctx, SQ_INTERNAL, "a buffered row is damaged");
        SQ_TRY(sq_out_row(&b->out, e->removed ? SQ_DELETE : SQ_INSERT));
    }
    if (b->out.n)
        *out = sq_out_batch(&b->out);
    return SQ_OK;
}

void sq_kafka_buffer_clear(struct sq_kafka_buffer *b)
{
    b->nrows = 0;
    sq_buf_reset(&b->bytes);
    if (b->index)
        memset(b->index, 0, b->nindex * sizeof *b->index);
}
