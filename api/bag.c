/* SPDX-License-Identifier: Apache-2.0
 *
 * bag.c: the rows that are there at the end of a changelog.
 *
 * Entries stand in the order they came; each holds a packed row (base/row.h). An open-addressing table finds the newest living entry of a key,
 * entries of one key are linked newest to oldest. Without a key the whole row is the key: rows that come twice are two entries, and a
 * retraction takes the newest away. With an upsert key a new row takes the place of the old one, where it stands in the order.
 *
 * Cost per change: one packing, one probe. Memory: the living rows, their entries, and at most as many dead entries again (they are squeezed
 * out when they are the most).
 *
 * A retraction of a row that is not there is ignored: a source may take back what it never gave, as in Flink.
 */
#include "api/api.h"

#include "base/row.h"

#define NONE UINT32_MAX

struct entry {
    char *row;                           /* key, then row; NULL: dead */
    uint32_t nkey, nrow;                 /* bytes of both; without a key nkey = nrow and the row is the key */
    uint32_t older;                      /* of the same key */
    uint64_t hash;
};

struct sq_bag {
    struct sq_ctx *ctx;
    const uint32_t *key;
    uint32_t nkey, ncols;
    bool keyed;                          /* the key may be of no columns: one row at most */
    struct entry *e;
    size_t n, cap, dead;
    uint32_t *table;                     /* entry numbers, NONE where free */
    size_t slots, used;                  /* a power of two; used: keys with a living entry, or a tombstone's slot */
    struct sq_buf kbuf, rbuf;
};

sq_rc sq_bag_new(struct sq_ctx *ctx, const struct sq_key *key, uint32_t ncols, struct sq_bag **out)
{
    struct sq_bag *b = sq_calloc(ctx, sizeof *b);

    if (!b)
        return ctx->err.rc;
    b->ctx = ctx;
    b->ncols = ncols;
    if (key) {
        b->keyed = true;
        b->key = key->cols;
        b->nkey = key->n;
    }
    sq_buf_init(&b->kbuf, ctx);
    sq_buf_init(&b->rbuf, ctx);
    *out = b;
    return SQ_OK;
}

void sq_bag_free(struct sq_bag *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n; i++)
        sq_free(b->ctx, b->e[i].row);
    sq_free(b->ctx, b->e);
    sq_free(b->ctx, b->table);
    sq_buf_free(&b->kbuf);
    sq_buf_free(&b->rbuf);
    sq_free(b->ctx, b);
}

static uint64_t hash_of(const char *p, size_t n)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ n;

    for (; n >= 8; p += 8, n -= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        h = (h ^ w) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    for (; n; p++, n--)
        h = (h ^ (uint8_t)*p) * 0x100000001b3u;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}

/* The slot of a key, or the free one where it belongs. */
static size_t probe(const struct sq_bag *b, uint64_t hash, struct sq_str key)
{
    size_t i = (size_t)hash & (b->slots - 1);

    for (; b->table[i] != NONE; i = (i + 1) & (b->slots - 1)) {
        const struct entry *e = &b->e[b->table[i]];
        if (e->hash == hash && e->nkey == key.n && memcmp(e->row, key.p, key.n) == 0)
            break;
    }
    return i;
}

/* Builds the table anew over the living entries, squeezed together. */
static sq_rc rebuild(struct sq_bag *b)
{
    size_t slots = 64, n = 0;
    uint32_t *table;

    for (size_t i = 0; i < b->n; i++)
        if (b->e[i].row)
            b->e[n++] = b->e[i];
    b->n = n;
    b->dead = 0;
    while (slots < n * 4)
        slots *= 2;
    table = sq_alloc(b->ctx, slots * sizeof *table);
    if (!table)
        return b->ctx->err.rc;
    sq_free(b->ctx, b->table);
    b->table = table;
    b->slots = slots;
    b->used = 0;
    memset(table, 0xff, slots * sizeof *table);
    for (size_t i = 0; i < n; i++) {
        size_t s = probe(b, b->e[i].hash, (struct sq_str){b->e[i].row, b->e[i].nkey});
        b->used += table[s] == NONE;
        b->e[i].older = table[s];
        table[s] = (uint32_t)i;
    }
    return SQ_OK;
}

static sq_rc pack(struct sq_bag *b, const struct sq_batch *in, uint32_t r)
{
    sq_buf_reset(&b->kbuf);
    sq_buf_reset(&b->rbuf);
    if (b->nkey)
        SQ_TRY(sq_row_pack(&b->kbuf, in->cols, b->key, b->nkey, r));
    return sq_row_pack(&b->rbuf, in->cols, NULL, b->ncols, r);
}

static char *joined(struct sq_bag *b)
{
    char *p = sq_alloc(b->ctx, b->kbuf.n + b->rbuf.n + 1);

    if (p && b->kbuf.n)
        memcpy(p, b->kbuf.p, b->kbuf.n);
    if (p && b->rbuf.n)
        memcpy(p + b->kbuf.n, b->rbuf.p, b->rbuf.n);
    return p;
}

static sq_rc put(struct sq_bag *b, size_t slot, uint64_t hash, struct sq_str key)
{
    char *p;

    if (b->n >= NONE - 1)
        return sq_fail(b->ctx, SQ_LIMIT, "the result has too many rows");
    SQ_TRY(sq_grow(b->ctx, &b->e, &b->cap, b->n + 1, sizeof *b->e));
    p = joined(b);
    if (!p)
        return b->ctx->err.rc;
    if (b->keyed && b->table[slot] != NONE) {          /* the key's row is replaced where it stands */
        struct entry *e = &b->e[b->table[slot]];
        sq_free(b->ctx, e->row);
        e->row = p;
        e->nrow = (uint32_t)b->rbuf.n;
        return SQ_OK;
    }
    b->used += b->table[slot] == NONE;
    b->e[b->n] = (struct entry){p, key.n, (uint32_t)b->rbuf.n, b->table[slot], hash};
    b->table[slot] = (uint32_t)b->n++;
    return SQ_OK;
}

/* Takes the newest entry of a slot away; when it was the only one, the cells behind close up. */
static void take(struct sq_bag *b, size_t slot)
{
    struct entry *e = &b->e[b->table[slot]];
    uint32_t older = e->older;

    if (older == NONE) {
        size_t hole = slot, i = slot;
        for (;;) {
            i = (i + 1) & (b->slots - 1);
            if (b->table[i] == NONE)
                break;
            size_t home = (size_t)b->e[b->table[i]].hash & (b->slots - 1);
            if (((i - home) & (b->slots - 1)) >= ((i - hole) & (b->slots - 1))) {
                b->table[hole] = b->table[i];
                hole = i;
            }
        }
        b->table[hole] = NONE;
        b->used--;
    } else {
        b->table[slot] = older;
    }
    sq_free(b->ctx, e->row);
    e->row = NULL;
    b->dead++;
}

static sq_rc change(struct sq_bag *b, const struct sq_batch *in, uint32_t r)
{
    struct sq_str key;
    uint64_t hash;
    size_t slot;

    if ((b->used + 1) * 2 > b->slots || (b->dead > 1024 && b->dead * 2 > b->n))
        SQ_TRY(rebuild(b));
    SQ_TRY(pack(b, in, r));
    key = sq_buf_view(b->keyed ? &b->kbuf : &b->rbuf);
    hash = hash_of(key.p, key.n);
    slot = probe(b, hash, key);
    if (sq_kind_adds(sq_row_kind(in, r)))
        return put(b, slot, hash, key);
    /* with a key, -U is followed by the +U that replaces it, in place */
    if (b->table[slot] != NONE && !(b->keyed && sq_row_kind(in, r) == SQ_UPDATE_BEFORE))
        take(b, slot);
    return SQ_OK;
}

sq_rc sq_bag_add(struct sq_bag *b, const struct sq_batch *in)
{
    for (uint32_t i = 0; i < in->nsel; i++)
        SQ_TRY(change(b, in, sq_row(in, i)));
    return SQ_OK;
}

sq_rc sq_bag_rows(struct sq_bag *b, size_t *at, uint32_t most, struct sq_out *out)
{
    for (uint32_t given = 0; *at < b->n && given < most; ++*at) {
        const struct entry *e = &b->e[*at];
        const char *row;

        if (!e->row)
            continue;
        row = e->row + (b->keyed ? e->nkey : 0);
        if (!sq_row_unpack(row, row + e->nrow, out->cols, b->ncols))
            return b->ctx->err.rc ? b->ctx->err.rc : sq_fail(b->ctx, SQ_INTERNAL, "a row of the result is damaged");
        SQ_TRY(sq_out_row(out, SQ_INSERT));
        given++;
    }
    return SQ_OK;
}
