/* SPDX-License-Identifier: Apache-2.0
 *
 * tree.h: making and changing plan nodes and bound expressions; shared by the files of the planner.
 *
 * Expressions are immutable once they hang on a node: a change makes a new one (sq_expr_map), so subtrees may be shared. Nodes are changed
 * in place only by the pass that owns the tree at that time. Functions that return a pointer return NULL when memory is out; the arena's
 * context then has the error.
 */
#ifndef SQ_PLANNER_TREE_H
#define SQ_PLANNER_TREE_H

#include "planner/plan.h"

/* A list that grows in an arena (old storage is left behind). */
struct sq_exprs {
    struct sq_expr **p;
    uint32_t n, cap;
};
sq_rc sq_exprs_add(struct sq_arena *, struct sq_exprs *, struct sq_expr *);

/* ---- expressions ---- */

struct sq_expr *sq_expr_new(struct sq_arena *, enum sq_expr_kind, const struct sq_type *, struct sq_span, uint32_t nargs);   /* args: room for nargs */
struct sq_expr *sq_expr_col(struct sq_arena *, uint32_t col, const struct sq_type *, struct sq_span);
struct sq_expr *sq_expr_const(struct sq_arena *, const struct sq_vec *, struct sq_span);
struct sq_expr *sq_expr_bool(struct sq_arena *, bool, struct sq_span);
/* Parents first: fn sets *out to replace the expression (its arguments are then not looked at), or leaves it NULL to go on below. The
 * result shares what did not change. */
typedef sq_rc sq_expr_map_fn(void *arg, struct sq_expr *, struct sq_expr **out);
sq_rc sq_expr_map(struct sq_arena *, struct sq_expr *, sq_expr_map_fn *, void *arg, struct sq_expr **out);
/* The expression with each of its arguments replaced by what fn makes of it. */
sq_rc sq_expr_map_args(struct sq_arena *, struct sq_expr *, sq_expr_map_fn *, void *arg, struct sq_expr **out);
/* Columns are moved: col becomes to[col]. */
sq_rc sq_expr_remap(struct sq_arena *, struct sq_expr *, const uint32_t *to, struct sq_expr **out);
sq_rc sq_expr_shift(struct sq_arena *, struct sq_expr *, int64_t by, struct sq_expr **out);
/* Columns become the expressions of a project below. */
sq_rc sq_expr_subst(struct sq_arena *, struct sq_expr *, struct sq_expr *const *by, struct sq_expr **out);
/* Marks used[col] for every column of the expression. */
void sq_expr_cols(const struct sq_expr *, bool *used);
/* Every column is in [from, to). */
bool sq_expr_within(const struct sq_expr *, uint32_t from, uint32_t to);
/* Same input, same result; no clock, no random numbers. */
bool sq_expr_pure(const struct sq_expr *);
bool sq_expr_has_col(const struct sq_expr *);
bool sq_expr_is_fn(const struct sq_expr *, const char *name);
/* A constant: 1 TRUE, 0 FALSE, -1 NULL; -2: not a constant BOOLEAN. */
int sq_expr_truth(const struct sq_expr *);
/* Adds the conjuncts (the arguments of nested ANDs) to the list. */
sq_rc sq_expr_conjuncts(struct sq_arena *, struct sq_expr *, struct sq_exprs *);
/* AND of the list; NULL in *out for an empty one. */
sq_rc sq_expr_conjunction(struct sq_arena *, const struct sq_exprs *, struct sq_expr **out);

/* ---- nodes ---- */

/* A node over `in` (NULL: none) with the input's columns. */
struct sq_plan *sq_node_new(struct sq_arena *, enum sq_plan_kind, struct sq_plan *in, struct sq_span);
struct sq_plan *sq_node_filter(struct sq_arena *, struct sq_plan *in, struct sq_expr *pred);
/* names: NULL: those of the columns that are passed on, else `EXPR$n`. */
struct sq_plan *sq_node_project(struct sq_arena *, struct sq_plan *in, struct sq_expr **exprs, uint32_t n, const struct sq_str *names);
/* A project that passes on columns[0..n) of the input. */
struct sq_plan *sq_node_select(struct sq_arena *, struct sq_plan *in, const uint32_t *columns, uint32_t n);
struct sq_plan *sq_node_values(struct sq_arena *, const struct sq_field *cols, uint32_t ncols, const struct sq_batch *, uint32_t nbatches);
struct sq_plan *sq_node_union(struct sq_arena *, struct sq_plan **inputs, uint32_t n, const struct sq_field *cols, uint32_t ncols, struct sq_span);
/* Each row once. */
struct sq_plan *sq_node_distinct(struct sq_arena *, struct sq_plan *in, struct sq_span);
/* VALUES of constants: cells row after row, each of its column's type. */
sq_rc sq_values_plan(struct sq_arena *, struct sq_expr *const *cells, uint32_t nrows, const struct sq_field *cols, uint32_t ncols, struct sq_plan **out);
/* time.c: fills `time` and `window` of all nodes from here down. */
sq_rc sq_time_annotate(struct sq_arena *, struct sq_plan *);
enum sq_time_attr sq_plan_time(const struct sq_plan *, uint32_t col);
/* Of an expression over the columns of an annotated node (`in` NULL: there are none). */
enum sq_time_attr sq_expr_time(const struct sq_plan *in, const struct sq_expr *);
/* The text of an expression over the columns of a node, in the arena. */
sq_rc sq_expr_label(struct sq_arena *, const struct sq_expr *, const struct sq_plan *in, struct sq_str *);

#endif
