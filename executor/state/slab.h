/* SPDX-License-Identifier: Apache-2.0
 *
 * slab.h: memory for the many small, long-lived pieces of keyed state: key bytes, packed rows. Pieces are carved from chunks and
 * come back to a free list of their size class, so churn neither grows nor fragments the heap. Freed as a whole.
 */
#ifndef SQ_EXECUTOR_SLAB_H
#define SQ_EXECUTOR_SLAB_H

#include "base/ctx.h"

enum { SQ_SLAB_CLASSES = 36, SQ_SLAB_MAX = 4096 };

struct sq_slab {
    struct sq_ctx *ctx;
    void *chunks;                      /* list of chunks, newest first */
    struct sq_slab_big *big;           /* doubly linked list of pieces beyond SQ_SLAB_MAX */
    char *at, *end;                    /* free rest of the newest chunk */
    void *free[SQ_SLAB_CLASSES];
    size_t bytes;                      /* taken from the context */
};

void sq_slab_init(struct sq_slab *, struct sq_ctx *);
void sq_slab_free(struct sq_slab *);
/* Uninitialized, aligned to 16. NULL with the error set. */
void *sq_slab_get(struct sq_slab *, size_t n);
/* n is the size it was asked with. */
void sq_slab_put(struct sq_slab *, void *, size_t n);

#endif
