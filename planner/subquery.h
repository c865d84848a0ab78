/* SPDX-License-Identifier: Apache-2.0
 *
 * subquery.h: what the files that bind queries inside of expressions share (subquery.c, mark.c).
 */
#ifndef SQ_PLANNER_SUBQUERY_H
#define SQ_PLANNER_SUBQUERY_H

#include "planner/bind.h"

#define OUTER_COL UINT32_C(0x20000000)

struct sq_sub {
    struct sq_binder *b;
    const struct sq_scope *outer;          /* of the query it stands in */
    uint32_t nouter;                       /* columns of that one's plan */
    struct sq_plan *plan;                  /* the inner one, as far as it is made */
    struct sq_scope scope;
    struct sq_exprs on;                    /* correlated conditions: outer columns as they are, inner ones from nouter on */
};

/* Columns of l, then those of r, which may be NULL; no condition yet. */
struct sq_plan *sq_sub_join(struct sq_binder *, struct sq_plan *l, struct sq_plan *r, enum sq_join_kind, struct sq_span);
/* Its rows can be taken one by one: conditions may be moved out of it. */
bool sq_sub_plain(const struct sq_ast_query *);
/* FROM and WHERE of a plain query; correlated conditions to s->on. */
sq_rc sq_sub_bind(struct sq_sub *, const struct sq_ast_query *);
/* The query's items, over the columns of the join; a query that is not plain is bound as it stands. */
sq_rc sq_sub_items(struct sq_sub *, const struct sq_ast_query *, uint32_t n, struct sq_span, struct sq_expr **items);
/* The inner and outer expressions that s->on says are equal; false: it says something else. */
bool sq_sub_equalities(const struct sq_sub *, struct sq_expr **inner, struct sq_expr **outer);
/* An expression over inner columns and outer ones, over the columns of the join. */
sq_rc sq_sub_to_join(struct sq_sub *, struct sq_expr *, struct sq_expr **out);

/* ---- mark.c ---- */

/* Refuses a query in an expression where it cannot be joined to anything. */
sq_rc sq_sub_place(const struct sq_bind_x *, const struct sq_ast_expr *, const char *what);
/* EXISTS, IN, ANY, ALL anywhere in an expression: *plan becomes a join with what tells; *out over its columns. */
sq_rc sq_mark_exists(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **out);
sq_rc sq_mark_in(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **out);
sq_rc sq_mark_quantified(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **out);
/* The value `item` (over the columns of the join) of a query that may have more rows than one, which fails the job; *plan becomes the join with it. */
sq_rc sq_single_value(struct sq_sub *, struct sq_expr *item, struct sq_span, struct sq_plan **plan, struct sq_expr **out);

#endif
