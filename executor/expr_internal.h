/* SPDX-License-Identifier: Apache-2.0
 *
 * expr_internal.h: what the compiler (expr.c) and the evaluator (expr_eval.c, expr_lazy.c) of expressions share.
 *
 * A program is a list of nodes, each after its arguments, equal ones merged. A node owns a register. Evaluation is by demand, over a
 * *scope*: the rows that somebody wants. Scopes nest as the lazy constructs do (the rows where a WHEN was true, …); a node's value is good for the
 * scope it was computed in and for those within it, so a subexpression that is wanted both inside and outside of a branch is computed
 * again rather than for rows whose branch is not taken.
 */
#ifndef SQ_EXECUTOR_EXPR_INTERNAL_H
#define SQ_EXECUTOR_EXPR_INTERNAL_H

#include "executor/expr.h"

enum { SCOPE_DEPTH = 256, SCOPE_NONE = 0 };

struct inlist {                            /* constants of an IN, prepared */
    bool has_null;
    bool prepared;                         /* false: compared one by one, from the argument vectors */
    int64_t *ints;                         /* integers, dates, times: ascending */
    struct sq_str *strs;                   /* strings: ascending by bytes */
    uint32_t n;
};

struct node {
    enum sq_expr_kind kind;
    const struct sq_type *type;
    enum sq_phys phys;
    uint32_t width;
    struct sq_span span;
    uint32_t col;
    bool attempt, pure;
    const struct sq_function *fn;
    sq_kernel *kernel;                     /* CALL, CAST; NULL for a cast that changes nothing */
    struct sq_call call;
    uint32_t *args;
    uint32_t nargs;
    struct sq_vec *argv;                   /* storage for a kernel's arguments */
    struct inlist *in;
    /* the value */
    struct sq_vec val;
    uint64_t run;                          /* of the program: the value belongs to this run */
    uint32_t scope_id, scope_depth;        /* and to this scope */
    void *reg;                             /* SQ_BATCH_ROWS elements */
    uint64_t *valid;
    /* a flat copy, where the value is a DICT and a kernel wants it */
    struct sq_vec flat;
    uint64_t flat_run;
    uint32_t flat_scope_id, flat_scope_depth;
    struct sq_col *flat_builder;           /* of a nested flat copy */
    struct sq_col *builder;                /* what a lazy construct puts together, nested */
    uint32_t *index;
};

struct scope { uint32_t id; struct sq_rows rows; };

struct sq_program {
    struct sq_ctx *ctx;
    const struct sq_session *session;
    struct sq_arena arena;                 /* nodes and what is prepared */
    struct sq_arena heap;                  /* strings of the current run */
    struct node *nodes;
    uint32_t nnodes, nodes_cap;
    uint32_t *outs;                        /* node of each expression */
    uint32_t nouts;
    uint64_t *overflows;
    /* the current run */
    const struct sq_batch *batch;
    int64_t event_time;                    /* of the operator that runs it */
    uint64_t run;
    struct scope scopes[SCOPE_DEPTH];
    uint32_t depth, next_scope;
    uint32_t *sels[2 * SCOPE_DEPTH];       /* selection buffers, taken as a stack */
    uint32_t nsels;
};

/* expr_eval.c */
sq_rc sq_node_eval(struct sq_program *, uint32_t node, const struct sq_vec **out);    /* for the innermost scope */
sq_rc sq_node_pick(struct sq_program *, uint32_t node, uint32_t *sel, uint32_t *n); /* rows of the innermost scope where it is TRUE */
sq_rc sq_node_flat(struct sq_program *, uint32_t node, const struct sq_vec **out);    /* evaluated, FLAT or CONST */
sq_rc sq_node_register(struct sq_program *, struct node *);                           /* makes reg and valid */
sq_rc sq_scope_push(struct sq_program *, struct sq_rows);
void sq_scope_pop(struct sq_program *);
sq_rc sq_sel_take(struct sq_program *, uint32_t **);                                  /* SQ_BATCH_ROWS wide */
void sq_sel_give(struct sq_program *);                                                /* the one taken last */
static inline struct sq_rows sq_scope_rows(const struct sq_program *p) { return p->scopes[p->depth - 1].rows; }

/* expr_lazy.c: each fills node->val for the innermost scope. */
sq_rc sq_lazy_and_or(struct sq_program *, struct node *);
sq_rc sq_lazy_case(struct sq_program *, struct node *);
sq_rc sq_lazy_coalesce(struct sq_program *, struct node *);
sq_rc sq_lazy_in(struct sq_program *, struct node *);
sq_rc sq_lazy_field(struct sq_program *, struct node *);
sq_rc sq_lazy_item(struct sq_program *, struct node *);
sq_rc sq_lazy_watermark(struct sq_program *, struct node *);
sq_rc sq_lazy_select(struct sq_program *, struct node *, uint32_t *sel, uint32_t *n);   /* AND and OR */

#endif
