/* SPDX-License-Identifier: Apache-2.0
 *
 * keys.h: the key columns of a batch as hashes and byte strings, a whole batch at a time.
 *
 * A key is a flag (NULL) and a view of bytes: of one string column its own bytes (nothing is copied), of one fixed-width column of at most
 * 8 bytes the element, of anything else the packed row (base/row.h). The hash is made column by column from the values, so it depends
 * on the values alone, never on which of these forms a key takes; exchanges and key groups rely on that.
 */
#ifndef SQ_EXECUTOR_KEYS_H
#define SQ_EXECUTOR_KEYS_H

#include "base/row.h"
#include "base/text.h"
#include "executor/hashtab.h"

enum sq_key_form { SQ_KEY_EMPTY, SQ_KEY_VIEW, SQ_KEY_FIXED, SQ_KEY_PACKED };

struct sq_keys {
    struct sq_ctx *ctx;
    enum sq_key_form form;
    enum sq_phys phys;                 /* of the single column, VIEW and FIXED */
    uint32_t *cols;                    /* positions in the batch */
    uint32_t ncols;
    /* of the last sq_keys_load, by position in the batch's selection */
    uint32_t n;
    const struct sq_view *key;
    const uint8_t *null;               /* 1: the single key column is NULL (VIEW, FIXED); NULL: none is */
    uint64_t *hash;
    /* storage */
    struct sq_view *own;
    uint8_t *own_null;
    struct sq_buf pack;
    uint32_t *ends;
};

uint64_t sq_hash_bytes(const void *, size_t);
static inline uint64_t sq_hash_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

/* types[0..n): of the key columns. cols NULL: the first n. */
sq_rc sq_keys_init(struct sq_keys *, struct sq_ctx *, const struct sq_type *const *types, const uint32_t *cols, uint32_t n);
void sq_keys_free(struct sq_keys *);
/* Hashes and keys of the batch's rows; good until the next load and as long as the batch is. */
sq_rc sq_keys_load(struct sq_keys *, const struct sq_batch *);
/* The hashes alone. */
sq_rc sq_keys_hash(struct sq_keys *, const struct sq_batch *);
/* Appends the key columns of n entries to out[0..ncols). Long strings of a single string column are borrowed from the entries. */
sq_rc sq_keys_append(const struct sq_keys *, struct sq_entry *const *, uint32_t n, struct sq_col *out);

#endif
