/* SPDX-License-Identifier: Apache-2.0
 *
 * window_store.h: when which window is over, and the rows of windows that are not: for operators that wait for a whole window.
 */
#ifndef SQ_EXECUTOR_WINDOW_STORE_H
#define SQ_EXECUTOR_WINDOW_STORE_H

#include "executor/hashtab.h"
#include "executor/window.h"

/* ---- a heap of windows by their end, then start ---- */

struct sq_window_due { int64_t end, start; uint64_t number; void *of; };   /* number: the order among equal ones; of: whose it is */
struct sq_window_heap { struct sq_ctx *ctx; struct sq_window_due *v; size_t n, cap; };
void sq_window_heap_free(struct sq_window_heap *);
sq_rc sq_window_heap_put(struct sq_window_heap *, struct sq_window_due);
/* The earliest one, if its end is not behind the watermark; equal ones (of all four) are one. */
bool sq_window_heap_take(struct sq_window_heap *, int64_t watermark, struct sq_window_due *);

/* ---- rows ---- */

/* A window: of each side its rows, one behind the other: u32 length, u64 hash of the key, packed row (base/row.h). */
struct sq_window_rows {
    int64_t start, end;
    struct sq_buf rows[2];
    uint64_t count[2], kept[2];            /* rows; of them those that were there when somebody last cut them down */
};

struct sq_window_store {
    struct sq_ctx *ctx;
    struct sq_hashtab windows;             /* (start, end) -> struct sq_window_rows * */
    struct sq_window_rows *recent;
    struct sq_window_heap heap;
    size_t bytes;
};

sq_rc sq_window_store_init(struct sq_window_store *, struct sq_ctx *);
void sq_window_store_free(struct sq_window_store *);
/* Adds physical row r of the batch; hash: of its key, for the key group. *out, where not NULL: its window. */
sq_rc sq_window_store_add(struct sq_window_store *, int64_t start, int64_t end, uint32_t side, const struct sq_batch *, uint32_t r, uint64_t hash,
                          struct sq_window_rows **out);
/* The earliest window that is over; the caller's, to be given back. NULL: none. */
struct sq_window_rows *sq_window_store_take(struct sq_window_store *, int64_t watermark);
void sq_window_store_give(struct sq_window_store *, struct sq_window_rows *);
/* Appends rows from *at on to `out` until that has `most`; *at is 0 at first. `hash`, where not NULL, gets their hashes. */
sq_rc sq_window_rows_read(struct sq_window_store *, const struct sq_window_rows *, uint32_t side, size_t *at, uint32_t most, struct sq_out *out, uint64_t *hash);
size_t sq_window_store_bytes(const struct sq_window_store *);
sq_rc sq_window_store_save(struct sq_window_store *, struct sq_snapshot_out *);
/* Record by record; `ncols` of each side, to see that the bytes are rows. */
sq_rc sq_window_store_load(struct sq_window_store *, struct sq_snapshot_in *);

#endif
