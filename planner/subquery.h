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
/* The query alone, which cannot name columns outside. */
sq_rc sq_sub_alone(struct sq_sub *, const struct sq_ast_query *, bool sub);
/* A query of EXISTS: its rows, or groups, as far as conditions are not in s->on. */
sq_rc sq_sub_exists(struct sq_sub *, const struct sq_ast_query *);
/* The query's items, over the columns of the join; a query that is not plain is bound as it stands. */
sq_rc sq_sub_items(struct sq_sub *, const struct sq_ast_query *, uint32_t n, struct sq_span, struct sq_expr **items);
/* The inner and outer expressions that s->on says are equal; false: it says something else. */
bool sq_sub_equalities(const struct sq_sub *, struct sq_expr **inner, struct sq_expr **outer);
/* An expression over inner columns and outer ones, over the columns of the join. */
sq_rc sq_sub_to_join(struct sq_sub *, struct sq_expr *, struct sq_expr **out);

/* ---- mark.c ---- */

/* Queries in SELECT and HAVING of a query with GROUP BY: they are joined when the aggregate is made. Until then their columns are numbered from SQ_LATE_COL on. */
#define SQ_LATE_COL UINT32_C(0x38000000)
struct sq_late { struct sq_plan *r; struct sq_exprs on; uint32_t base; struct sq_span span; };
struct sq_lates { struct sq_late *p; uint32_t n, cap; };
/* Joins them to *plan, the aggregate. */
sq_rc sq_lates_join(struct sq_binder *, const struct sq_lates *, const struct sq_aggs *, const struct sq_plan *from, struct sq_plan **plan);
/* An expression, which is over the aggregate's columns already, gets theirs of that join. */
sq_rc sq_lates_place(struct sq_binder *, const struct sq_lates *, const struct sq_plan *join, struct sq_expr **e);
/* Refuses a query in an expression where it cannot be joined to anything. */
sq_rc sq_sub_place(const struct sq_bind_x *, const struct sq_ast_expr *, const char *what);
/* The number of the first column of what is joined next; and the LEFT join with s->plan on s->on. */
uint32_t sq_sub_base(const struct sq_bind_x *);
sq_rc sq_sub_put(struct sq_bind_x *, const struct sq_sub *, struct sq_span);
/* EXISTS, IN, ANY, ALL anywhere in an expression: *plan becomes a join with what tells; *out over its columns. */
sq_rc sq_mark_exists(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **out);
sq_rc sq_mark_in(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **out);
sq_rc sq_mark_quantified(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **out);
/* The value `item` (over the columns of the join) of a query that may have more rows than one, which fails the job; joined. */
sq_rc sq_single_value(struct sq_bind_x *, struct sq_sub *, struct sq_expr *item, struct sq_span, struct sq_expr **out);

#endif
