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
    struct sq_ast_query *query;            /* its tables are named in full, whatever was current when it was made */
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
    struct sq_table *next;
};

struct sq_database {
    struct sq_str name, comment;           /* owned: sq_alloc */
    struct sq_table *tables;               /* in the order they were made */
    struct sq_database *next;
};

struct sq_catalog_entry {                  /* one catalog */
    struct sq_str name;
    struct sq_database *dbs;
    struct sq_catalog_entry *next;
};

/* Catalogs → databases → tables. Temporary tables are kept apart, by their full name, and shadow the others. A table that is dropped while
 * statements run (pins > 0) is kept until the last of them has ended. */
struct sq_catalog {
    struct sq_ctx *ctx;
    struct sq_catalog_entry *catalogs;
    struct sq_table *temps;
    struct sq_table *dropped;
    struct sq_str current_catalog, current_db;   /* owned */
    uint32_t pins;
    uint64_t version;                      /* rises with every change: a plan made before is made anew */
};

sq_rc sq_catalog_new(struct sq_ctx *, struct sq_catalog **);      /* default_catalog.default_database */
void sq_catalog_free(struct sq_catalog *);
/* Resolves a name of one to three parts against the current catalog and database. SQ_SEMANTIC with "did you mean" at name->span when missing. */
sq_rc sq_catalog_table(struct sq_ctx *, struct sq_catalog *, const struct sq_name *, struct sq_table **);
/* The same, but a table that is not there is *t = NULL without an error. */
sq_rc sq_catalog_lookup(struct sq_ctx *, struct sq_catalog *, const struct sq_name *, struct sq_table **);
/* A statement with a plan holds the catalog's tables alive. */
void sq_catalog_pin(struct sq_catalog *);
void sq_catalog_unpin(struct sq_catalog *);

/* For DDL (planner/ddl.c) and SHOW (planner/show.c). */
/* The full path of a name: catalog, database, table; nothing needs to be there. SQ_SEMANTIC when it has more than three parts. */
sq_rc sq_catalog_path(struct sq_ctx *, const struct sq_catalog *, const struct sq_name *, struct sq_str path[3]);
struct sq_catalog_entry *sq_catalog_find(const struct sq_catalog *, struct sq_str catalog);
struct sq_database *sq_database_find(const struct sq_catalog *, struct sq_str catalog, struct sq_str db);
/* The table of a full path; `temporary`: among the temporary ones, else among the others. NULL: none. */
struct sq_table *sq_catalog_get(const struct sq_catalog *, const struct sq_str path[3], bool temporary);
/* Puts a table in (its catalog, database, name and temporary say where), in the place of `old` where that is not NULL. Cannot fail. */
void sq_catalog_put(struct sq_catalog *, struct sq_table *, struct sq_table *old);
void sq_catalog_remove(struct sq_catalog *, struct sq_table *);
void sq_catalog_take(struct sq_catalog *, struct sq_table *);      /* out of its list, but kept: the caller puts it back or buries it */
void sq_catalog_bury(struct sq_catalog *, struct sq_table *);
sq_rc sq_catalog_add_catalog(struct sq_ctx *, struct sq_catalog *, struct sq_str name);
sq_rc sq_catalog_add_database(struct sq_ctx *, struct sq_catalog *, struct sq_str catalog, struct sq_str name, struct sq_str comment);
void sq_catalog_drop_database(struct sq_catalog *, struct sq_catalog_entry *, struct sq_database *);   /* with its tables */
void sq_catalog_drop_catalog(struct sq_catalog *, struct sq_catalog_entry *);
sq_rc sq_catalog_use(struct sq_ctx *, struct sq_catalog *, struct sq_str catalog, struct sq_str db);   /* both exist */
/* What must be there: else SQ_SEMANTIC at the place, with the nearest. */
sq_rc sq_catalog_need(struct sq_ctx *, struct sq_catalog *, struct sq_str catalog, struct sq_span, struct sq_catalog_entry **);
sq_rc sq_database_need(struct sq_ctx *, struct sq_catalog *, struct sq_str catalog, struct sq_str db, struct sq_span, struct sq_database **);
/* An empty table with its arena; sq_table_free is for one that was never put in. */
sq_rc sq_table_new(struct sq_ctx *, struct sq_table **);
void sq_table_free(struct sq_table *);

/* ---- DDL (planner/ddl.c, alter.c, view.c) ---- */

struct sq_bind_env;
struct sq_ctas {                           /* what CREATE TABLE … AS leaves to do */
    struct sq_ast_insert *insert;          /* fills the table; in env->arena; NULL: nothing to do */
    struct sq_table *made, *replaced;
};
/* CREATE, DROP, ALTER, USE: one step, all or nothing. After a CREATE TABLE … AS the INSERT is planned, and sq_ctas_end told whether it could
 * be: if not, the catalog is as it was before. */
sq_rc sq_ddl(struct sq_bind_env *, const struct sq_ast_stmt *, struct sq_ctas *);
void sq_ctas_end(struct sq_bind_env *, struct sq_ctas *, bool keep);
/* The definition that makes this table again, as SQL says it (SHOW CREATE TABLE, LIKE, ALTER). In the arena; not deep. */
sq_rc sq_table_define(struct sq_ctx *, struct sq_arena *, const struct sq_table *, struct sq_ast_table **);
/* Builds a table from a definition; nothing is put into the catalog. */
sq_rc sq_table_build(struct sq_bind_env *, const struct sq_ast_table *, const struct sq_str path[3], struct sq_table **);

/* ---- SHOW and DESCRIBE (planner/show.c) ---- */

/* The columns of what SHOW, DESCRIBE, SET without a key, EXPLAIN give: constants. What is asked about need not be there. */
sq_rc sq_show_columns(struct sq_bind_env *, const struct sq_ast_stmt *, const struct sq_field **cols, uint32_t *ncols);
/* The rows of SHOW, DESCRIBE and SET. `out` has these columns. */
sq_rc sq_show_rows(struct sq_bind_env *, const struct sq_ast_stmt *, struct sq_out *);

/* ---- settings (planner/settings.c) ---- */

struct sq_settings;
sq_rc sq_settings_new(struct sq_ctx *, struct sq_settings **);
void sq_settings_free(struct sq_settings *);
/* The value of a known key (default included); text. Unknown and not given: p is NULL. Old spellings are understood. */
struct sq_str sq_setting(const struct sq_settings *, const char *key);
bool sq_setting_given(const struct sq_settings *, const char *key);
/* The value where it is one of the key's type, else of its default. */
bool sq_setting_bool(const struct sq_settings *, const char *key);
int64_t sq_setting_int(const struct sq_settings *, const char *key);
int64_t sq_setting_ms(const struct sq_settings *, const char *key);
sq_rc sq_settings_set(struct sq_ctx *, struct sq_settings *, const struct sq_kv *);
sq_rc sq_settings_reset(struct sq_ctx *, struct sq_settings *, const struct sq_kv *);   /* NULL: all */
uint64_t sq_settings_version(const struct sq_settings *);
/* 'continuous', 'available-now' or an interval; false: none of them. */
bool sq_trigger_parse(struct sq_str, enum sq_trigger *, int64_t *ms);
/* A path without the file:// that Flink's may begin with; a slice of it. */
struct sq_str sq_path_local(struct sq_str);
/* The i-th of the keys that have an effect or were given, sorted; false at the end. Secret values are given as ****. */
bool sq_settings_at(const struct sq_settings *, size_t i, struct sq_str *key, struct sq_str *value);
/* The i-th key of the table of known ones (p NULL at the end), and its line of help with default, choices (NULL: none) and whether it has an effect. */
struct sq_str sq_setting_known(size_t i);
const char *sq_setting_help(size_t i, const char **fallback, const char **choices, bool *effect);

/* ---- binding: names and types (planner/bind.c) ---- */

struct sq_bind_env {
    struct sq_ctx *ctx;
    struct sq_arena *arena;                /* of the statement or job */
    struct sq_catalog *catalog;
    const struct sq_settings *settings;
    struct sq_session session;
    struct sq_sides *sides;                /* what statements ask of t$late (planner/side.c); NULL: nothing was planned yet */
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
