/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog.h: catalogs, databases, tables and views of one engine, and the SET values. Not shared between engines; changed only by DDL on the
 * thread that owns the engine.
 */
#ifndef SQ_PLANNER_CATALOG_H
#define SQ_PLANNER_CATALOG_H

#include "parser/parser.h"
#include "planner/plan.h"

enum sq_column_kind { SQ_COLUMN_PHYSICAL, SQ_COLUMN_METADATA, SQ_COLUMN_COMPUTED };

struct sq_column {
    struct sq_str name;
    enum sq_column_kind kind;
    const struct sq_type *type;            /* computed columns too: filled when the table is made */
    struct sq_str metadata_key;
    bool is_virtual;                       /* METADATA VIRTUAL: not written */
    uint32_t stored;                       /* PHYSICAL, METADATA: position in spec->cols */
    struct sq_ast_expr *expr;              /* COMPUTED: bound again in each query, over the table's columns */
    struct sq_str expr_text;               /* its SQL, for DESCRIBE and SHOW CREATE */
    struct sq_str comment;
    bool window_part;                      /* window, tstart, tend made by `window END …` */
};

struct sq_table {
    struct sq_str catalog, database, name;
    bool temporary;
    /* a view has a query and no connector */
    bool is_view;
    struct sq_ast_query *query;
    struct sq_str query_text;
    struct sq_column *cols;
    uint32_t ncols;
    int32_t rowtime;                       /* column with the WATERMARK; -1: none */
    struct sq_ast_expr *watermark;         /* over the table's columns */
    struct sq_str watermark_text;
    const uint32_t *pk; uint32_t npk;      /* positions in cols */
    struct sq_str pk_name, comment;
    const uint32_t *partition; uint32_t npartition;
    const struct sq_kv *options; uint32_t noptions;
    struct sq_table_spec spec;             /* for the connector */
    const struct sq_connector *connector;
    struct sq_table_ext *ext;
    struct sq_arena arena;                 /* everything above lives here */
    uint32_t refs;                         /* running jobs and statements that use it; a dropped table dies with the last */
    struct sq_table *next;
};

struct sq_catalog;                         /* catalogs → databases → tables */

sq_rc sq_catalog_new(struct sq_ctx *, struct sq_catalog **);      /* default_catalog.default_database */
void sq_catalog_free(struct sq_catalog *);
/* Resolves a name of one to three parts against the current catalog and database. SQ_SEMANTIC with "did you mean" at name->span when missing. */
sq_rc sq_catalog_table(struct sq_ctx *, struct sq_catalog *, const struct sq_name *, struct sq_table **);

/* ---- settings ---- */

struct sq_settings;
/* The value of a known key (default included); text. */
struct sq_str sq_setting(const struct sq_settings *, const char *key);
bool sq_setting_given(const struct sq_settings *, const char *key);

/* ---- binding: names and types (planner/bind.c) ---- */

struct sq_bind_env {
    struct sq_ctx *ctx;
    struct sq_arena *arena;                /* of the statement or job */
    struct sq_catalog *catalog;
    const struct sq_settings *settings;
    struct sq_session session;
    const struct sq_vec *const *params; uint32_t nparams;   /* values of '?'; NULL: not bound yet (types unknown: an error at the place) */
};

/* Binds a scalar expression over named columns (computed columns, watermarks, tests). Aggregates and subqueries are refused. */
sq_rc sq_bind_scalar(struct sq_bind_env *, const struct sq_ast_expr *, const struct sq_field *cols, uint32_t ncols, struct sq_expr **);
/* A query to a plan: bound, rewritten, columns named as in Flink (EXPR$0). Not annotated yet. */
sq_rc sq_bind_query(struct sq_bind_env *, const struct sq_ast_query *, struct sq_plan **);
/* The output columns only (views, CTAS, DESCRIBE of a query). */
sq_rc sq_bind_schema(struct sq_bind_env *, const struct sq_ast_query *, const struct sq_field **cols, uint32_t *ncols);

/* ---- whole jobs (planner/planner.c) ---- */

/* Plans INSERTs that make one job (one, or a statement set): bind, check the target's columns and types, rewrite, prune, push down, infer
 * changelogs and emission from the sinks upward, number the nodes. */
sq_rc sq_plan_inserts(struct sq_bind_env *, struct sq_ast_insert *const *, uint32_t n, const struct sq_job_config *, struct sq_job_plan **);
/* Plans a SELECT whose rows go to the API. `changelog`: every change is wanted (else the final rows; of a bounded input). */
sq_rc sq_plan_select(struct sq_bind_env *, const struct sq_ast_query *, bool changelog, const struct sq_job_config *, struct sq_job_plan **);

/* The tree as text: one line a node, indented, with changelog mode, key, emit=net|each, pushed columns, and what bounds each state. With `changelog_mode`,
 * every node's mode is printed. */
sq_rc sq_explain(struct sq_buf *, const struct sq_job_plan *, bool changelog_mode);

#endif
