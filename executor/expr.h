/* SPDX-License-Identifier: Apache-2.0
 *
 * expr.h: bound expressions compiled to a sequence of vector kernels, and run over batches.
 */
#ifndef SQ_EXECUTOR_EXPR_H
#define SQ_EXECUTOR_EXPR_H

#include "planner/plan.h"

struct sq_program;                         /* one or more expressions over one input; common subexpressions are computed once */

/* Compiles. The program owns its registers and a heap for strings, reused from batch to batch. overflows: counter or NULL. */
sq_rc sq_program_new(struct sq_ctx *, const struct sq_session *, struct sq_expr *const *exprs, uint32_t n, uint64_t *overflows, struct sq_program **);
void sq_program_free(struct sq_program *);
/* Computes every expression for the batch's rows. out[i] is borrowed until the next run: a column of the batch itself, a constant,
 * or a register aligned with the batch's physical rows. Errors (a cast that fails, a division by zero) are SQ_DATA and have the expression's span. */
sq_rc sq_program_run(struct sq_program *, const struct sq_batch *, struct sq_vec *out);
/* A predicate: the physical rows where expression 0 is TRUE, ascending. sel has room for batch->nsel. */
sq_rc sq_program_select(struct sq_program *, const struct sq_batch *, uint32_t *sel, uint32_t *n);
/* The watermark of the operator that runs the program, for CURRENT_WATERMARK; to be told before a run. */
void sq_program_at(struct sq_program *, int64_t event_time);
/* Folds a constant expression to a CONST vector in the arena (planner). */
sq_rc sq_expr_fold(struct sq_ctx *, struct sq_arena *, const struct sq_session *, const struct sq_expr *, const struct sq_vec **);

#endif
