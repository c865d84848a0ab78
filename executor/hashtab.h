/* SPDX-License-Identifier: Apache-2.0
 *
 * hashtab.h: from key bytes to a state entry; the table behind aggregates, joins and distinct sets.
 *
 * Entries have stable addresses (blocks that are never moved) with the operator's payload behind the header. A whole batch is looked up
 * at once: sq_hashtab_upsert gives an entry pointer for each row.
 */
#ifndef SQ_EXECUTOR_HASHTAB_H
#define SQ_EXECUTOR_HASHTAB_H

#include "base/vec.h"
#include "executor/state/slab.h"

struct sq_entry {                          /* followed by the payload */
    uint64_t hash;
    struct sq_view key;                    /* long keys point into the table's slab */
    uint32_t flags;
    uint32_t mark;                         /* the operator's, 0 at first */
};
_Static_assert(sizeof(struct sq_entry) == 32, "entries keep payloads aligned to 16");
enum { SQ_ENTRY_LIVE = 1, SQ_ENTRY_NULL = 2 };
#define SQ_PAYLOAD(entry) ((void *)((struct sq_entry *)(entry) + 1))
#define SQ_ENTRY_OF(payload) ((struct sq_entry *)(payload) - 1)

struct sq_hashtab {
    struct sq_ctx *ctx;
    struct sq_slab slab;                   /* long keys; the operator may keep what hangs on entries here too */
    uint8_t *ctrl;                         /* one byte a slot: empty, deleted, or 7 bits of the hash */
    struct sq_entry **slot;
    size_t mask;                           /* groups of 16 slots, less one */
    size_t count, room;                    /* live entries; inserts left before growing */
    size_t stride;
    char **blocks;
    size_t nblocks, blocks_cap;
    uint32_t used, block_max;              /* entries of the newest block in use; of the largest blocks */
    struct sq_entry *free;                 /* removed entries, linked by their payload-less header */
    size_t bytes;
};

sq_rc sq_hashtab_init(struct sq_hashtab *, struct sq_ctx *, size_t payload);
void sq_hashtab_free(struct sq_hashtab *);
/* Finds or makes the entry of each of n keys. New entries have a zeroed payload: that is how the operator knows them. After a failure
 * entries may be left that nobody filled. */
sq_rc sq_hashtab_upsert(struct sq_hashtab *, uint32_t n, const uint64_t *hash, const struct sq_view *key, const uint8_t *null, struct sq_entry **out);
/* NULL where there is none. */
void sq_hashtab_find(const struct sq_hashtab *, uint32_t n, const uint64_t *hash, const struct sq_view *key, const uint8_t *null, struct sq_entry **out);
void sq_hashtab_remove(struct sq_hashtab *, struct sq_entry *);
size_t sq_hashtab_bytes(const struct sq_hashtab *);

/* Live entries in the order of their places (of first appearance, where nothing was removed). */
struct sq_hashtab_iter { size_t block; uint32_t i; };
struct sq_entry *sq_hashtab_next(const struct sq_hashtab *, struct sq_hashtab_iter *);

#endif
