/* SPDX-License-Identifier: Apache-2.0
 *
 * stragglers.h: rows that wait for the watermark.
 *
 * A row that is judged by a watermark (op.h: sq_row_watermark) further than its operator's would, if rows came one by one, find windows closed that are open still. Where it lies in windows
 * to come all the same, and cannot be kept out of those that are about to close, it waits here until they have: until the operator's watermark is where its own is.
 */
#ifndef SQ_EXECUTOR_STRAGGLERS_H
#define SQ_EXECUTOR_STRAGGLERS_H

#include "executor/op.h"

struct sq_straggler;

struct sq_stragglers {
    struct sq_ctx *ctx;
    struct sq_straggler **heap;            /* the least watermark first, in the order they came */
    size_t n, cap, bytes;
    uint64_t number;
    struct sq_buf pack;
    struct sq_out rows;
    uint32_t ncols;
};

/* Rows of the plan node. */
sq_rc sq_stragglers_init(struct sq_stragglers *, struct sq_ctx *, const struct sq_plan *rows);
void sq_stragglers_free(struct sq_stragglers *);
sq_rc sq_stragglers_add(struct sq_stragglers *, int64_t watermark, uint32_t key_group, const struct sq_batch *, uint32_t r);
/* The least watermark that one waits for; SQ_TS_MAX: none waits. */
int64_t sq_stragglers_least(const struct sq_stragglers *);
/* Rows whose watermark is at `to` or before, a batch at most: good until the next call. NULL in *out: there are none. */
sq_rc sq_stragglers_take(struct sq_stragglers *, int64_t to, const struct sq_batch **out);
/* Each as a record that begins with the n bytes of `mark`; loading is given what stands behind them. */
sq_rc sq_stragglers_save(struct sq_stragglers *, struct sq_snapshot_out *, const void *mark, size_t n);
sq_rc sq_stragglers_load(struct sq_stragglers *, uint32_t key_group, const char *p, size_t n);
static inline size_t sq_stragglers_bytes(const struct sq_stragglers *s) { return s->bytes + s->cap * sizeof(void *); }

#endif
