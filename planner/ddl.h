/* SPDX-License-Identifier: Apache-2.0
 *
 * ddl.h: what the files of DDL share: ddl.c (the statements), define.c (a definition becomes a table and back), alter.c (definitions
 * changed and merged), view.c (views), window_end.c (`window END …`).
 */
#ifndef SQ_PLANNER_DDL_H
#define SQ_PLANNER_DDL_H

#include "planner/catalog.h"

/* A deep copy of an expression without places (they belong to the text of another statement), and its text. */
sq_rc sq_ast_keep(struct sq_ctx *, struct sq_arena *, const struct sq_ast_expr *, struct sq_ast_expr **copy, struct sq_str *text);
/* A name as an expression. NULL: out of memory. */
struct sq_ast_expr *sq_ast_column(struct sq_arena *, struct sq_str name);

/* Where a definition is being made into a table. */
struct sq_build {
    struct sq_bind_env *env;
    const struct sq_ast_table *def;
    struct sq_table *t;
    struct sq_column *cols;              /* becomes t->cols */
    const struct sq_ast_coldef **from;   /* what declares column i; NULL: made by `window END` (not the first of the three) */
    uint32_t ncols;
};

int32_t sq_build_column(const struct sq_build *, struct sq_str name);     /* -1: none */
/* The fields that a computed column may see (stored), or all of them. In the statement's arena. */
sq_rc sq_build_fields(const struct sq_build *, bool all, struct sq_field **, uint32_t *n);
/* Fills expression and type of a computed column from an expression of the statement. */
sq_rc sq_build_computed(struct sq_build *, uint32_t col, const struct sq_ast_expr *, struct sq_span where);

/* window_end.c: the three columns that `window END …` at column `at` stands for; their names are there, expressions and types are made. */
extern const char *const sq_window_names[2];                              /* tstart, tend */
sq_rc sq_window_end(struct sq_build *, uint32_t at);

/* alter.c: all in env->arena. */
sq_rc sq_define_like(struct sq_bind_env *, const struct sq_ast_table *, struct sq_ast_table **);
sq_rc sq_define_as(struct sq_bind_env *, const struct sq_ast_table *, struct sq_ast_table **, struct sq_ast_insert **);
sq_rc sq_alter_table(struct sq_bind_env *, const struct sq_ast_stmt *);

/* view.c */
sq_rc sq_create_view(struct sq_bind_env *, const struct sq_ast_stmt *);
sq_rc sq_alter_view(struct sq_bind_env *, const struct sq_ast_stmt *);
sq_rc sq_rename(struct sq_bind_env *, struct sq_table *, const struct sq_ast_stmt *);

/* ddl.c: a new object of this path: its database must be there, and nothing of that name (IF NOT EXISTS: *exists). */
sq_rc sq_new_path(struct sq_bind_env *, const struct sq_name *, bool temporary, struct sq_str path[3], struct sq_table **old);

#endif
