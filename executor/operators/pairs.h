/* SPDX-License-Identifier: Apache-2.0
 *
 * pairs.h: rows of a batch side by side with kept rows of the other side, for joins in time: a batch of their pairs, and which of them satisfy the residual condition.
 */
#ifndef SQ_EXECUTOR_PAIRS_H
#define SQ_EXECUTOR_PAIRS_H

#include "executor/expr.h"
#include "executor/op.h"

struct sq_pairs {
    struct sq_op *op;                      /* a join */
    uint32_t mine;                         /* the side of the batch; the other one's rows are packed */
    struct sq_program *residual;           /* the owner's; NULL: none */
    struct sq_arena heap;
    struct sq_col *kept;                   /* rows of the other side, unpacked */
    struct sq_vec *vecs, *flat;            /* left and right columns */
    uint32_t **composed;                   /* per column: index over a dictionary input; allocated when first needed */
    uint32_t n;
    uint32_t row[SQ_BATCH_ROWS];           /* per pair: physical row of the batch */
    uint32_t pos[SQ_BATCH_ROWS];           /* its position in the selection */
    void *of[SQ_BATCH_ROWS];               /* the kept row, for the owner */
    uint32_t sel[SQ_BATCH_ROWS];
};

sq_rc sq_pairs_open(struct sq_pairs *, struct sq_op *, uint32_t mine, struct sq_program *residual);
void sq_pairs_close(struct sq_pairs *);
void sq_pairs_reset(struct sq_pairs *);
/* The row at a position of the batch's selection and a packed row; there is room for SQ_BATCH_ROWS. */
sq_rc sq_pairs_add(struct sq_pairs *, const struct sq_batch *in, uint32_t pos, const char *packed, uint32_t len, void *of);
/* The pairs that satisfy the residual, as left and right columns; good until the next reset. */
sq_rc sq_pairs_batch(struct sq_pairs *, const struct sq_batch *in, struct sq_batch *out);

/* Marks the positions of rows whose key has a NULL that finds no partner. Returns how many. */
uint32_t sq_pairs_nulls(const struct sq_plan *join, uint32_t input, const struct sq_batch *, bool *skip);

#endif
