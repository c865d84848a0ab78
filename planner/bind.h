/* SPDX-License-Identifier: Apache-2.0
 *
 * bind.h: what the binder's files share: scopes, the state of one query's binding, the context of an expression.
 *
 * Expressions of a query level are bound over the columns of its FROM plan. Where aggregates are allowed, call i of the level is bound as
 * column SQ_AGG_COL + i, and a pass afterwards (bind_agg.c) turns the expression into one over the aggregate's output, or says which column
 * is missing in GROUP BY.
 */
#ifndef SQ_PLANNER_BIND_H
#define SQ_PLANNER_BIND_H

#include "planner/catalog.h"
#include "planner/tree.h"

enum { SQ_BIND_DEPTH = 1000, SQ_VIEW_DEPTH = 32, SQ_VIEW_USES = 1000, SQ_COLUMNS_MAX = 10000 };
#define SQ_AGG_COL UINT32_C(0x40000000)
#define SQ_OVER_COL UINT32_C(0x30000000)
#define SQ_SET_COL UINT32_C(0x7fffffff)    /* the number of the grouping set */

/* ---- scopes: what names can mean ---- */

struct sq_scope_rel {                      /* a table of FROM */
    struct sq_str alias;                   /* p NULL: none (a subquery without a name) */
    struct sq_str path[3];                 /* catalog, database, name of a table without alias; n 0 else */
    uint32_t npath;
};

struct sq_scope_col {
    struct sq_str name;
    uint32_t rel;                          /* UINT32_MAX: of several (USING) */
    struct sq_expr *expr;                  /* over the FROM plan's columns */
    bool hidden;                           /* merged into a USING column: seen by its qualified name only */
};

struct sq_scope {
    struct sq_scope_rel *rels;
    uint32_t nrels;
    struct sq_scope_col *cols;             /* in the order of SELECT * */
    uint32_t ncols;
};

/* ---- the binder ---- */

struct sq_cte {
    struct sq_str name;
    const struct sq_ast_cte *ast;
    struct sq_cte *next;                   /* those it may see itself */
};

struct sq_ttl_hints;

struct sq_binder {
    struct sq_bind_env *env;
    struct sq_ctx *ctx;
    struct sq_arena *arena;
    uint32_t depth, view_depth;
    uint32_t view_uses;                    /* views and WITH queries put in so far: those that use each other twice double at every step */
    bool temporal;                         /* the table that is bound next is the right side of a temporal join */
    struct sq_cte *ctes;
    const struct sq_cte *within;           /* the WITH query that is being bound; NULL: none */
    const struct sq_scope *around;         /* of a query that is bound alone: the columns of the one it stands in, which it cannot name; NULL: none */
    struct sq_ttl_hints *ttl;              /* STATE_TTL of the SELECT that is being bound; NULL: none */
    struct sq_span fixed;                  /* len > 0: inside a view or a table's own expressions, whose text is another: errors point here */
};

/* The place for errors and expressions: the AST's, or that of the view it stands in. */
static inline struct sq_span sq_bind_span(const struct sq_binder *b, struct sq_span s) { return b->fixed.len ? b->fixed : s; }
#define SQ_REFUSE(b, span, ...) sq_fail_at((b)->ctx, SQ_UNSUPPORTED, sq_bind_span((b), (span)), __VA_ARGS__)
#define SQ_WRONG(b, span, ...) sq_fail_at((b)->ctx, SQ_SEMANTIC, sq_bind_span((b), (span)), __VA_ARGS__)

/* ---- aggregates of one query level ---- */

struct sq_agg_use {
    const struct sq_agg *agg;
    struct sq_expr *arg, *filter, *opt;    /* over FROM; NULL: none. opt: the second argument, a constant */
    bool distinct;
    const struct sq_type *ret;
    struct sq_span span;
};

struct sq_aggs {
    struct sq_agg_use *uses;
    uint32_t n, cap;
    struct sq_expr **group;                /* bound GROUP BY expressions */
    uint32_t ngroup;
    bool grouped;                          /* GROUP BY, HAVING or an aggregate */
    const uint64_t *sets;                  /* GROUPING SETS: bit i: group[i] is in the set; NULL: the one set of all */
    uint32_t nsets;
};

/* Calls with OVER (over.c). */
struct sq_over_use;
struct sq_overs { struct sq_over_use *uses; uint32_t n, cap; };

/* ---- the context of an expression ---- */

/* GROUP BY TUMBLE(ts, …) */
struct sq_group_window {
    const struct sq_ast_expr *call;        /* NULL: there is none */
    const struct sq_plan *node;
    uint32_t at;                           /* its column window_start; window_end and window_time behind it */
};

struct sq_lates;

struct sq_bind_x {
    struct sq_binder *b;
    const struct sq_scope *scope;
    struct sq_aggs *aggs;                  /* NULL: aggregates are refused here */
    const char *clause;                    /* "WHERE", for messages */
    bool inside_agg;
    const struct sq_ast_item *items;       /* SELECT's, for ORDER BY and for hints about aliases */
    uint32_t nitems;
    struct sq_expr *const *aliases;        /* ORDER BY: the bound items that a bare alias means; entry NULL: not an alias */
    const struct sq_str *alias_names;
    uint32_t naliases;
    const struct sq_group_window *window;  /* of the level; NULL: none here */
    const struct sq_scope *outer;          /* columns of the query around this one; NULL: there are none to be seen */
    struct sq_overs *overs;                /* NULL: OVER is refused here */
    const struct sq_ast_window *windows;   /* of the WINDOW clause */
    uint32_t nwindows;
    struct sq_plan **values;               /* where queries as values are joined to; NULL: refused here */
    struct sq_lates *lates;                /* with GROUP BY: queries that are joined to the aggregate (subquery.h); NULL: refused here */
    struct sq_plan *from;                  /* what the scope's columns are of, where time attributes can be asked for; NULL: nowhere */
};

sq_rc sq_bind_expr(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **);
/* The same, as BOOLEAN. */
sq_rc sq_bind_predicate(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **);
sq_rc sq_bind_name(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **);
sq_rc sq_bind_literal(struct sq_binder *, const struct sq_ast_expr *, struct sq_expr **);
sq_rc sq_bind_aggregate(struct sq_bind_x *, const struct sq_ast_expr *, const struct sq_agg *, struct sq_expr **);
/* A call of a function by name over bound arguments, cast as its signature wants. */
sq_rc sq_bind_call(struct sq_binder *, struct sq_str name, struct sq_expr **args, uint32_t n, struct sq_span, struct sq_expr **);
/* CURRENT_WATERMARK(rowtime) (time.c); *out NULL: another function. */
sq_rc sq_bind_current_watermark(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **out);
/* As type, with the nullability of the expression; no node where none is needed. */
sq_rc sq_bind_cast(struct sq_binder *, struct sq_expr *, const struct sq_type *, struct sq_expr **);
/* The common type of all; `what` for the message ("the branches of CASE"). */
sq_rc sq_bind_common(struct sq_binder *, struct sq_expr *const *, uint32_t n, const char *what, struct sq_span, const struct sq_type **);
/* Turns an expression with SQ_AGG_COL columns into one over the aggregate's output. */
sq_rc sq_agg_place(struct sq_binder *, const struct sq_aggs *, const struct sq_plan *from, struct sq_expr *, struct sq_expr **);
/* The project below and the aggregate. */
sq_rc sq_agg_plan(struct sq_binder *, const struct sq_aggs *, struct sq_plan *from, struct sq_span, struct sq_plan **);
bool sq_ast_has_aggregate(const struct sq_ast_expr *);

/* ---- GROUP BY (grouping.c) ---- */

/* Binds GROUP BY into x->aggs' group and sets; the expressions themselves take no aggregates. */
sq_rc sq_bind_group(struct sq_bind_x *, struct sq_aggs *, const struct sq_ast_query *);
/* GROUPING(a, …), GROUPING_ID(a, …), GROUP_ID(); *out NULL for any other name. */
sq_rc sq_bind_grouping_call(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **out);
/* With GROUPING SETS a group expression is NULL where it is not in the set: e, of a type that says so. */
sq_rc sq_bind_group_null(struct sq_bind_x *, struct sq_expr **e);
/* The node that gives each row once per set. */
sq_rc sq_expand_plan(struct sq_binder *, const struct sq_aggs *, struct sq_plan *in, struct sq_span, struct sq_plan **);

/* ---- FROM and queries ---- */

sq_rc sq_bind_from(struct sq_binder *, const struct sq_ast_from *, struct sq_plan **, struct sq_scope *);
/* `sub`: a subquery, whose ORDER BY without LIMIT means nothing. */
sq_rc sq_bind_select_query(struct sq_binder *, const struct sq_ast_query *, bool sub, struct sq_plan **);
/* Casts the columns of a plan to types (NULL entries: as they are). */
sq_rc sq_bind_cast_plan(struct sq_binder *, struct sq_plan *, const struct sq_type *const *types, struct sq_plan **);
void sq_binder_init(struct sq_binder *, struct sq_bind_env *);
sq_rc sq_scope_of(struct sq_binder *, const struct sq_field *, uint32_t n, struct sq_scope *);
/* One row without columns. */
struct sq_plan *sq_one_row(struct sq_binder *);
/* A LATERAL query that names columns of *plan, whose names are `outer` (subquery.c): *plan is then the join, its columns those of the plan and then `fields`. */
sq_rc sq_bind_lateral(struct sq_binder *, const struct sq_ast_from *, bool left, const struct sq_scope *outer, struct sq_plan **plan, struct sq_field **fields, uint32_t *n);
/* UNNEST (unnest.c) over *plan, whose names are `outer`; *plan is then the node, its columns those of the plan and then the element's, which `own` names. */
sq_rc sq_bind_unnest(struct sq_binder *, const struct sq_ast_from *, bool left, const struct sq_scope *outer, struct sq_plan **plan, struct sq_scope *own);
/* The condition of the join with it. */
sq_rc sq_bind_unnest_on(struct sq_binder *, const struct sq_ast_from *join, const char *what, const struct sq_scope *, struct sq_plan **);

/* ---- STATE_TTL (state_ttl.c) ---- */

/* Before a SELECT is bound; and behind it: every name was of use. */
sq_rc sq_ttl_begin(struct sq_binder *, const struct sq_ast_query *);
sq_rc sq_ttl_check(struct sq_binder *);
void sq_ttl_join(struct sq_binder *, const struct sq_ast_from *, struct sq_plan *join);
/* The aggregate or DISTINCT at the top of p, below filters and projections. */
void sq_ttl_aggregate(struct sq_binder *, const struct sq_ast_query *, struct sq_plan *p);

/* ---- OVER (over.c) ---- */

sq_rc sq_bind_over(struct sq_bind_x *, const struct sq_ast_expr *call, struct sq_expr **);
/* With GROUP BY: what the calls use, over the aggregate's output. */
sq_rc sq_over_place(struct sq_binder *, struct sq_overs *, const struct sq_aggs *, const struct sq_plan *from);
/* The nodes of the calls over the plan; expressions get their columns. */
sq_rc sq_over_plan(struct sq_binder *, struct sq_overs *, struct sq_plan **, struct sq_expr **exprs, uint32_t n);
/* Filters on the number of a row become the places that are wanted; then, when time is annotated, what is left is checked. */
sq_rc sq_find_places(struct sq_arena *, struct sq_plan **);
sq_rc sq_check_overs(struct sq_bind_env *, struct sq_plan *);

/* ---- subqueries (subquery.c) ---- */

/* A WHERE over *plan: queries in it are joined to the plan; the rest is the condition (NULL: none). */
sq_rc sq_bind_where(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_plan **plan, struct sq_expr **pred);
sq_rc sq_bind_value_query(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **);
sq_rc sq_bind_outer_name(struct sq_bind_x *, const struct sq_ast_expr *, bool *found, struct sq_expr **);
/* The rows of l that have (SEMI) or have no (ANTI) partner in r. `on`: over the columns of both. */
sq_rc sq_half_join(struct sq_binder *, struct sq_plan *l, struct sq_plan *r, enum sq_join_kind, struct sq_expr *on, struct sq_span, struct sq_plan **);
/* UNION, INTERSECT, EXCEPT (setop.c). */
sq_rc sq_bind_setop(struct sq_binder *, const struct sq_ast_query *, struct sq_plan **);
/* SEMI and ANTI joins with their right side's columns (while the tree is rewritten), or without. */
sq_rc sq_widen_joins(struct sq_arena *, struct sq_plan *, bool wide);

/* ---- joins in time (interval.c) ---- */

struct sq_interval { uint32_t left, right; int64_t low, high; };   /* as in sq_plan.u.join */
/* The condition is an equation of two event times (inputs annotated): of a left one and a right one that is as far behind it as `low` and `high` both say. */
bool sq_equal_times(const struct sq_plan *join, const struct sq_expr *, struct sq_interval *);
/* A REGULAR join (inputs annotated) whose conditions, `more` (over its columns; NULL: none) among them, bound the distance of two time attributes on both sides. `rest`, where not NULL,
 * gets what is left of the residual, `bounds` the rest of it. */
sq_rc sq_interval_of(struct sq_arena *, const struct sq_plan *join, struct sq_expr *more, struct sq_interval *, bool *found, struct sq_exprs *bounds, struct sq_exprs *rest);
/* Makes a join in time of it, where it is one. */
sq_rc sq_find_interval(struct sq_arena *, struct sq_plan *join);
/* A REGULAR join again. */
sq_rc sq_drop_interval(struct sq_arena *, struct sq_plan *join);
struct sq_infer;
/* Refuses what goes by the time of joins that have become REGULAR again. */
sq_rc sq_check_intervals(struct sq_infer *, struct sq_plan *root);

/* ---- temporal joins (temporal.c) ---- */

/* Makes one of a join whose right side says FOR SYSTEM_TIME AS OF. */
sq_rc sq_bind_temporal(struct sq_binder *, const struct sq_ast_from *, struct sq_plan *l, const struct sq_scope *ls, struct sq_plan *join);
/* When its keys are known and time is annotated: finds the versions. */
sq_rc sq_find_temporal(struct sq_arena *, struct sq_plan *join);
sq_rc sq_check_temporal(struct sq_ctx *, const struct sq_plan *join, bool left_updates, bool right_updates);

/* ---- windows (window.c) ---- */

enum { SQ_WINDOWS_MOST = 1000000 };        /* that a row may lie in */
/* The number of enum sq_window_kind that is the function's name; -1: none. */
int sq_window_kind(struct sq_str name);
const char *sq_window_kind_name(enum sq_window_kind);
/* TABLE(TUMBLE(…)) of FROM; GROUP BY TUMBLE(ts, …): the call's window over `in`. */
sq_rc sq_bind_window(struct sq_binder *, const struct sq_ast_from *, struct sq_plan **);
sq_rc sq_bind_group_window(struct sq_bind_x *, const struct sq_ast_expr *call, struct sq_plan *in, struct sq_plan **);
/* group_window.c: the window in GROUP BY, over *plan; then its other columns as group keys. */
sq_rc sq_group_window_find(struct sq_bind_x *, const struct sq_ast_query *, struct sq_plan **plan, struct sq_group_window *);
sq_rc sq_group_window_keys(struct sq_binder *, const struct sq_group_window *, struct sq_aggs *);
/* TUMBLE_START(…) and so on, and the window's call itself; *out NULL for any other name. */
sq_rc sq_bind_window_part(struct sq_bind_x *, const struct sq_ast_expr *, struct sq_expr **out);
sq_rc sq_window_node(struct sq_binder *, struct sq_plan *in, uint32_t time, const struct sq_window_spec *, struct sq_span, struct sq_plan **);
bool sq_window_same(const struct sq_window_spec *, const struct sq_window_spec *);
/* Rows of that input may be dropped as late. */
bool sq_drops_late(const struct sq_plan *, uint32_t input);
/* Notes at each scan whether somebody judges its rows by those before them (in streaming mode), and which of them are to carry their watermark always. */
void sq_mark_timed(struct sq_job_plan *);
/* An AGGREGATE by the window_start and window_end of its input (annotated). */
bool sq_groups_by_window(const struct sq_plan *);
bool sq_groups_by_half_window(const struct sq_plan *);           /* by window_start or window_end alone: an aggregate as any other */
/* Aggregates by windows become aggregates of windows. Annotates time. */
sq_rc sq_find_windows(struct sq_arena *, struct sq_plan **);
/* Refuses windows of processing time that have not become an aggregate. */
sq_rc sq_check_windows(struct sq_ctx *, const struct sq_plan *);

/* ---- t$bad, t$late (side.c) ---- */

/* FROM t$bad or t$late, where no table has that name; *plan NULL: something else. */
sq_rc sq_bind_side(struct sq_binder *, const struct sq_ast_from *, struct sq_plan **plan);
/* Late rows of the table at that path are wanted. */
bool sq_side_wanted(const struct sq_bind_env *, struct sq_str path);
/* Before a job's queries are bound; *again is set when they have to be bound once more, as one asked for late rows of another. */
sq_rc sq_sides_begin(struct sq_bind_env *);
void sq_sides_again(struct sq_bind_env *, bool *again);
/* In a tree that was rewritten: the table's columns go up to the nodes that drop late rows of it. */
sq_rc sq_sides_carry(struct sq_bind_env *, struct sq_plan **);
/* Connects SIDE nodes with the nodes that leave rows out, in a job that is otherwise whole. */
sq_rc sq_sides_connect(struct sq_bind_env *, struct sq_job_plan *);
/* Its inputs are not part of the tree below it. */
static inline bool sq_side_apart(const struct sq_plan *p) { return p->kind == SQ_N_SIDE && !p->u.side.reads; }

/* ---- rewriting (rewrite.c, pushdown.c) ---- */

/* Constants folded, predicates simplified. */
sq_rc sq_rewrite_expr(struct sq_bind_env *, struct sq_expr *, struct sq_expr **);
sq_rc sq_rewrite_plan(struct sq_bind_env *, struct sq_plan *, struct sq_plan **);
sq_rc sq_push_filters(struct sq_arena *, struct sq_plan *, struct sq_plan **);
sq_rc sq_prune_columns(struct sq_arena *, struct sq_plan *, struct sq_plan **);
sq_rc sq_merge_projects(struct sq_arena *, struct sq_plan *, struct sq_plan **);

/* ---- keys, changelogs, emission (keys.c, changelog.c) ---- */

struct sq_infer {
    struct sq_ctx *ctx;
    struct sq_arena *arena;
    const struct sq_job_config *config;
};
/* Keys, modes, emission, boundedness of the tree under a SINK or COLLECT; may put a SORT (materializing) into the tree. */
sq_rc sq_infer_changelog(struct sq_infer *, struct sq_plan *root);
/* Unique keys of every node of the tree. */
sq_rc sq_infer_keys(struct sq_arena *, struct sq_plan *);
/* Where a key of the input is in the output of a project; *found false: not all of it is passed on. */
sq_rc sq_project_key(struct sq_arena *, const struct sq_plan *project, const struct sq_key *below, struct sq_key *out, bool *found);
/* The column is one constant in every row. */
bool sq_column_constant(const struct sq_plan *, uint32_t col);

/* ---- 'scan.after' (after.c) ---- */

/* Finds the scans that others wait for; the tree is whole but for exchanges. */
sq_rc sq_find_after(struct sq_bind_env *, struct sq_job_plan *);

/* ---- workers (exchange.c) ---- */

/* Puts exchanges into the tree under a SINK or COLLECT and says what runs on worker 0 alone. For jobs of several workers; the last step. */
sq_rc sq_place_workers(struct sq_arena *, struct sq_plan *root);

/* ---- text (explain.c) ---- */

/* The node in a few words, without changelog and state. */
sq_rc sq_plan_describe(struct sq_buf *, const struct sq_plan *);

#endif
