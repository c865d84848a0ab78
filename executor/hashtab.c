/* SPDX-License-Identifier: Apache-2.0
 *
 * hashtab.c: an open hash table in the manner of swiss tables: control bytes in aligned groups of 16, compared by SSE2 where there is
 * one, and pointers to entries.
 *
 * A lookup goes over the batch in runs: a first pass finds each row's first candidate by its tag and asks for the entry's memory, a second
 * compares hash and key and takes the slow way (probe on, insert) only where the candidate is wrong. Candidates are hints: an insert
 * between the passes cannot make a wrong answer.
 *
 * Invariants: a probe ends at the first group with an empty slot; at most 7/8 of the slots are not empty; entries never move.
 */
#include "executor/hashtab.h"

#include "base/os.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { GROUP = 16, EMPTY = 0x80, DELETED = 0xfe, RUN = 32, BLOCK_MIN = 4, BLOCK_BYTES = 8 << 20 };

static inline uint32_t match_tag(const uint8_t *ctrl, uint8_t tag)
{
#ifdef __SSE2__
    __m128i g = _mm_load_si128((const __m128i *)(const void *)ctrl);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(g, _mm_set1_epi8((char)tag)));
#else
    uint32_t m = 0;
    for (uint32_t i = 0; i < GROUP; i++)
        m |= (uint32_t)(ctrl[i] == tag) << i;
    return m;
#endif
}

/* Empty or deleted: the high bit is set. */
static inline uint32_t match_free(const uint8_t *ctrl)
{
#ifdef __SSE2__
    return (uint32_t)_mm_movemask_epi8(_mm_load_si128((const __m128i *)(const void *)ctrl));
#else
    uint32_t m = 0;
    for (uint32_t i = 0; i < GROUP; i++)
        m |= (uint32_t)(ctrl[i] >> 7) << i;
    return m;
#endif
}

static inline uint8_t tag_of(uint64_t hash) { return hash & 0x7f; }
static inline size_t home_of(const struct sq_hashtab *t, uint64_t hash) { return (hash >> 7) & t->mask; }
/* Blocks double until they are so large that their memory comes in huge pages: a page fault for each 4 KB, and a TLB miss for each entry, cost more than the probe. */
static inline uint32_t block_size(const struct sq_hashtab *t, size_t block)
{
    return block < 16 && (uint32_t)BLOCK_MIN << block < t->block_max ? (uint32_t)BLOCK_MIN << block : t->block_max;
}

static sq_rc new_slots(struct sq_hashtab *t, size_t groups)
{
    uint8_t *ctrl = sq_alloc(t->ctx, groups * GROUP);
    struct sq_entry **slot = sq_alloc(t->ctx, groups * GROUP * sizeof *slot);

    if (!ctrl || !slot) {
        sq_free(t->ctx, ctrl);
        sq_free(t->ctx, slot);
        return SQ_NOMEM;
    }
    sq_os_huge_pages(ctrl, groups * GROUP);
    sq_os_huge_pages(slot, groups * GROUP * sizeof *slot);
    memset(ctrl, EMPTY, groups * GROUP);
    t->ctrl = ctrl;
    t->slot = slot;
    t->mask = groups - 1;
    t->room = groups * GROUP / 8 * 7;
    t->bytes += groups * GROUP * (1 + sizeof *slot);
    return SQ_OK;
}

sq_rc sq_hashtab_init(struct sq_hashtab *t, struct sq_ctx *ctx, size_t payload)
{
    memset(t, 0, sizeof *t);
    t->ctx = ctx;
    t->stride = sizeof(struct sq_entry) + (payload + 15) / 16 * 16;
    t->block_max = BLOCK_MIN;
    while (t->block_max * 2 * t->stride <= BLOCK_BYTES)
        t->block_max *= 2;
    sq_slab_init(&t->slab, ctx);
    return new_slots(t, 1);
}

void sq_hashtab_free(struct sq_hashtab *t)
{
    if (!t->ctx)
        return;
    sq_slab_free(&t->slab);
    sq_free(t->ctx, t->ctrl);
    sq_free(t->ctx, t->slot);
    for (size_t i = 0; i < t->nblocks; i++)
        sq_free(t->ctx, t->blocks[i]);
    sq_free(t->ctx, t->blocks);
    memset(t, 0, sizeof *t);
}

size_t sq_hashtab_bytes(const struct sq_hashtab *t)
{
    return t->bytes + t->slab.bytes;
}

/* The first free slot on the way of a hash. There always is one. */
static size_t free_slot(const struct sq_hashtab *t, uint64_t hash)
{
    size_t g = home_of(t, hash);

    for (size_t step = 1;; g = (g + step++) & t->mask) {
        uint32_t m = match_free(t->ctrl + g * GROUP);
        if (m)
            return g * GROUP + (size_t)__builtin_ctz(m);
    }
}

/* More slots, or as many without the deleted ones. */
static sq_rc rehash(struct sq_hashtab *t)
{
    uint8_t *ctrl = t->ctrl;
    struct sq_entry **slot = t->slot;
    size_t groups = t->mask + 1, slots = groups * GROUP;

    SQ_TRY(new_slots(t, t->count * 2 > slots / 8 * 7 ? groups * 2 : groups));
    for (size_t i = 0; i < slots; i++) {
        if (ctrl[i] & 0x80)
            continue;
        size_t s = free_slot(t, slot[i]->hash);
        t->ctrl[s] = ctrl[i];
        t->slot[s] = slot[i];
        t->room--;
    }
    t->bytes -= slots * (1 + sizeof *slot);
    sq_free(t->ctx, ctrl);
    sq_free(t->ctx, slot);
    return SQ_OK;
}

static struct sq_entry *new_entry(struct sq_hashtab *t)
{
    struct sq_entry *e = t->free;

    if (e) {
        t->free = (struct sq_entry *)(uintptr_t)e->hash;
        memset(e, 0, t->stride);
        return e;
    }
    if (t->nblocks == 0 || t->used == block_size(t, t->nblocks - 1)) {
        if (sq_grow(t->ctx, &t->blocks, &t->blocks_cap, t->nblocks + 1, sizeof *t->blocks) != SQ_OK)
            return NULL;
        size_t bytes = t->stride * block_size(t, t->nblocks);
        char *block = sq_calloc(t->ctx, bytes);
        if (!block)
            return NULL;
        sq_os_huge_pages(block, bytes);
        t->bytes += bytes;
        t->blocks[t->nblocks++] = block;
        t->used = 0;
    }
    return (struct sq_entry *)(void *)(t->blocks[t->nblocks - 1] + t->stride * t->used++);
}

static void free_entry(struct sq_hashtab *t, struct sq_entry *e)
{
    e->flags = 0;
    e->hash = (uint64_t)(uintptr_t)t->free;
    t->free = e;
}

static inline bool entry_is(const struct sq_entry *e, uint64_t hash, const struct sq_view *key, bool null)
{
    return e->hash == hash && !!(e->flags & SQ_ENTRY_NULL) == null && sq_view_eq(&e->key, key);
}

static struct sq_entry *probe(const struct sq_hashtab *t, uint64_t hash, const struct sq_view *key, bool null)
{
    size_t g = home_of(t, hash);
    uint8_t tag = tag_of(hash);

    for (size_t step = 1;; g = (g + step++) & t->mask) {
        const uint8_t *ctrl = t->ctrl + g * GROUP;
        for (uint32_t m = match_tag(ctrl, tag); m; m &= m - 1) {
            struct sq_entry *e = t->slot[g * GROUP + (size_t)__builtin_ctz(m)];
            if (entry_is(e, hash, key, null))
                return e;
        }
        if (match_tag(ctrl, EMPTY))
            return NULL;
    }
}

static sq_rc insert(struct sq_hashtab *t, uint64_t hash, const struct sq_view *key, bool null, struct sq_entry **out)
{
    struct sq_entry *e;
    size_t s;

    if (t->room == 0)
        SQ_TRY(rehash(t));
    e = new_entry(t);
    if (!e)
        return SQ_NOMEM;
    e->key = *key;
    if (key->len > SQ_VIEW_INLINE) {
        char *copy = sq_slab_get(&t->slab, key->len);
        if (!copy) {
            free_entry(t, e);
            return SQ_NOMEM;
        }
        memcpy(copy, key->u.ptr, key->len);
        e->key.u.ptr = copy;
    }
    e->hash = hash;
    e->flags = SQ_ENTRY_LIVE | (null ? SQ_ENTRY_NULL : 0u);
    s = free_slot(t, hash);
    t->room -= t->ctrl[s] == EMPTY;
    t->ctrl[s] = tag_of(hash);
    t->slot[s] = e;
    t->count++;
    *out = e;
    return SQ_OK;
}

/* First pass: the first slot of the home group with the tag, its entry asked for. */
static inline void candidates(const struct sq_hashtab *t, uint32_t n, const uint64_t *hash, struct sq_entry **out)
{
    for (uint32_t i = 0; i < n; i++) {
        size_t g = home_of(t, hash[i]);
        uint32_t m = match_tag(t->ctrl + g * GROUP, tag_of(hash[i]));
        out[i] = m ? t->slot[g * GROUP + (size_t)__builtin_ctz(m)] : NULL;
        __builtin_prefetch(out[i]);
    }
}

/* Ahead of the first pass, where the control bytes do not fit the cache. */
static inline void ask_ctrl(const struct sq_hashtab *t, uint32_t n, const uint64_t *hash)
{
    if (t->mask < 1024)
        return;
    for (uint32_t i = 0; i < n; i++) {
        size_t g = home_of(t, hash[i]);
        __builtin_prefetch(t->ctrl + g * GROUP);
        __builtin_prefetch(t->slot + g * GROUP);
    }
}

sq_rc sq_hashtab_upsert(struct sq_hashtab *t, uint32_t n, const uint64_t *hash, const struct sq_view *key, const uint8_t *null, struct sq_entry **out)
{
    for (uint32_t at = 0; at < n; at += RUN) {
        uint32_t end = n - at < RUN ? n : at + RUN;

        if (end < n)
            ask_ctrl(t, n - end < RUN ? n - end : RUN, hash + end);
        candidates(t, end - at, hash + at, out + at);
        for (uint32_t i = at; i < end; i++) {
            bool isnull = null && null[i];
            if (SQ_LIKELY(out[i] && entry_is(out[i], hash[i], &key[i], isnull)))
                continue;
            out[i] = probe(t, hash[i], &key[i], isnull);
            if (!out[i])
                SQ_TRY(insert(t, hash[i], &key[i], isnull, &out[i]));
        }
    }
    return SQ_OK;
}

void sq_hashtab_find(const struct sq_hashtab *t, uint32_t n, const uint64_t *hash, const struct sq_view *key, const uint8_t *null, struct sq_entry **out)
{
    for (uint32_t at = 0; at < n; at += RUN) {
        uint32_t end = n - at < RUN ? n : at + RUN;

        if (end < n)
            ask_ctrl(t, n - end < RUN ? n - end : RUN, hash + end);
        candidates(t, end - at, hash + at, out + at);
        for (uint32_t i = at; i < end; i++) {
            bool isnull = null && null[i];
            if (!out[i] || !entry_is(out[i], hash[i], &key[i], isnull))
                out[i] = probe(t, hash[i], &key[i], isnull);
        }
    }
}

void sq_hashtab_remove(struct sq_hashtab *t, struct sq_entry *e)
{
    size_t g = home_of(t, e->hash);
    uint8_t tag = tag_of(e->hash);

    for (size_t step = 1;; g = (g + step++) & t->mask) {
        uint8_t *ctrl = t->ctrl + g * GROUP;
        for (uint32_t m = match_tag(ctrl, tag); m; m &= m - 1) {
            size_t i = (size_t)__builtin_ctz(m);
            if (t->slot[g * GROUP + i] != e)
                continue;
            /* every probe through this group stops here anyway if it has an empty slot */
            bool stops = match_tag(ctrl, EMPTY) != 0;
            ctrl[i] = stops ? EMPTY : DELETED;
            t->room += stops;
            t->count--;
            if (e->key.len > SQ_VIEW_INLINE)
                sq_slab_put(&t->slab, (void *)(uintptr_t)e->key.u.ptr, e->key.len);
            free_entry(t, e);
            return;
        }
        SQ_ASSERT(!match_tag(ctrl, EMPTY));      /* an entry that is removed is in the table */
    }
}

struct sq_entry *sq_hashtab_next(const struct sq_hashtab *t, struct sq_hashtab_iter *it)
{
    for (; it->block < t->nblocks; it->block++, it->i = 0) {
        uint32_t n = it->block + 1 == t->nblocks ? t->used : block_size(t, it->block);
        while (it->i < n) {
            struct sq_entry *e = (struct sq_entry *)(void *)(t->blocks[it->block] + t->stride * it->i++);
            if (e->flags & SQ_ENTRY_LIVE)
                return e;
        }
    }
    return NULL;
}
