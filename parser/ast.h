/* SPDX-License-Identifier: Apache-2.0
 *
 * ast.h: what the parser makes of a text: statements, queries and expressions as written, with their places in the text.
 * Nothing is resolved here: names are names. Everything lives in the arena of the parse.
 *
 * Printing an AST gives SQL that parses to the same AST (sq_unparse).
 */
#ifndef SQ_PARSER_AST_H
#define SQ_PARSER_AST_H

#include "base/type.h"

/* ---- names ---- */

struct sq_name {                        /* a.b.c, unquoted */
    struct sq_str part[4];
    uint32_t n;
    struct sq_span span;
};

/* ---- types as written: resolved to sq_type by the parser already ---- */

/* ---- expressions ---- */

enum sq_ast_kind {
    SQ_A_NULL,          /* NULL */
    SQ_A_BOOL,          /* ival 0 or 1 */
    SQ_A_NUMBER,        /* text: the digits as written; the binder tells INT, BIGINT, DECIMAL, DOUBLE (exponent) */
    SQ_A_STRING,        /* text: unquoted content */
    SQ_A_BINARY,        /* X'..': text holds the raw bytes */
    SQ_A_TYPED,         /* DATE '…', TIME '…', TIMESTAMP '…': type says which, text the content (checked by the binder) */
    SQ_A_INTERVAL,      /* INTERVAL '…' unit [TO unit]: text, ival = enum sq_unit from, ival2 = to (or -1), prec */
    SQ_A_NAME,          /* name: a column, or a field of one (a.b.c) */
    SQ_A_STAR,          /* * or t.* (name, n = 0 for plain) */
    SQ_A_PARAM,         /* ?: ival = its number from 0 */
    SQ_A_SYMBOL,        /* a keyword argument: text = upper case (DAY, LEADING, SECOND …) */
    SQ_A_CALL,          /* text = function name as written; args; distinct; star (COUNT(*)); filter; over;
                           special syntaxes are calls too: EXTRACT(SYMBOL, x), FLOOR(x, SYMBOL), CEIL(x, SYMBOL), TRIM(SYMBOL, what, from),
                           POSITION(a, b), SUBSTRING(a, b[, c]), OVERLAY(a, b, c[, d]), TIMESTAMPADD(SYMBOL, n, t), TIMESTAMPDIFF(…);
                           syntax = how it was written, for printing. TRIM has always three. name: the whole of cat.db.f, n = 0 for a plain f */
    SQ_A_UNARY,         /* ival = enum sq_ast_op: NEG, POS, NOT; args[0] */
    SQ_A_BINARY_OP,     /* ival = enum sq_ast_op; args[0], args[1] */
    SQ_A_IS,            /* args[0] IS [NOT] …: ival = enum sq_ast_is, negated; text: VALUE, OBJECT, ARRAY or SCALAR behind JSON (p NULL: none) */
    SQ_A_DISTINCT_FROM, /* args[0] IS [NOT] DISTINCT FROM args[1] */
    SQ_A_BETWEEN,       /* args[0] [NOT] BETWEEN [SYMMETRIC] args[1] AND args[2]; ival 1 = SYMMETRIC */
    SQ_A_LIKE,          /* args[0] [NOT] LIKE args[1] [ESCAPE args[2]]; ival 1 = SIMILAR TO */
    SQ_A_IN,            /* args[0] [NOT] IN (args[1..]) or (query) */
    SQ_A_EXISTS,        /* [NOT is a UNARY] EXISTS (query) */
    SQ_A_SUBQUERY,      /* scalar (query) */
    SQ_A_QUANTIFIED,    /* args[0] op SOME|ANY|ALL (query): ival op, ival2 0 some, 1 all */
    SQ_A_CASE,          /* operand in args[0] when ival = 1; then when, then, when, then …; else last when ival2 = 1 */
    SQ_A_CAST,          /* CAST(args[0] AS type); ival 1 = TRY_CAST */
    SQ_A_ROW,           /* ROW(args) or (a, b, …) */
    SQ_A_ARRAY,         /* ARRAY[args] */
    SQ_A_MAP,           /* MAP[k, v, k, v …] */
    SQ_A_INDEX,         /* args[0][args[1]] */
    SQ_A_FIELD,         /* args[0].text, where args[0] is not a plain name */
    SQ_A_AT_TIME_ZONE,  /* args[0] AT TIME ZONE args[1] */
    SQ_A_DESCRIPTOR,    /* DESCRIPTOR(args as NAMEs) */
    SQ_A_TABLE_ARG,     /* TABLE t or (query) given to a table function: from; PARTITION BY in args, ORDER BY in order */
    SQ_A_NAMED_ARG      /* text => args[0] */
};

enum sq_ast_op {
    SQ_OP_OR, SQ_OP_AND, SQ_OP_NOT, SQ_OP_EQ, SQ_OP_NE, SQ_OP_LT, SQ_OP_LE, SQ_OP_GT, SQ_OP_GE, SQ_OP_ADD, SQ_OP_SUB, SQ_OP_MUL,
    SQ_OP_DIV, SQ_OP_MOD, SQ_OP_CONCAT, SQ_OP_NEG, SQ_OP_POS
};
enum sq_ast_is { SQ_IS_NULL, SQ_IS_TRUE, SQ_IS_FALSE, SQ_IS_UNKNOWN, SQ_IS_JSON };
enum sq_unit { SQ_U_YEAR, SQ_U_QUARTER, SQ_U_MONTH, SQ_U_WEEK, SQ_U_DAY, SQ_U_HOUR, SQ_U_MINUTE, SQ_U_SECOND, SQ_U_MILLISECOND, SQ_U_MICROSECOND, SQ_U_NANOSECOND };

struct sq_ast_query;
struct sq_ast_order;
struct sq_ast_over;
struct sq_ast_from;

struct sq_ast_expr {
    enum sq_ast_kind kind;
    struct sq_span span;                /* the whole expression; of a binary operation too */
    struct sq_span at;                  /* the operator or the name itself, where a caret should stand */
    struct sq_str text;
    struct sq_name name;
    int64_t ival, ival2;
    int32_t prec;                       /* INTERVAL DAY(3): leading precision, -1 none */
    bool negated, distinct, star;
    uint8_t syntax;                     /* enum sq_call_syntax */
    const struct sq_type *type;
    struct sq_ast_expr **args;
    uint32_t nargs;
    struct sq_ast_expr *filter;         /* FILTER (WHERE …) */
    struct sq_ast_over *over;
    struct sq_ast_query *query;
    struct sq_ast_from *from;
    struct sq_ast_order *order;         /* WITHIN GROUP (ORDER BY …), ARRAY_AGG(x ORDER BY y) */
    uint32_t norder;
    uint32_t height;                    /* levels from here down, queries inside included: 1 for a leaf, never above 1,000 */
};

enum sq_call_syntax { SQ_CALL_PLAIN, SQ_CALL_NOPARENS /* CURRENT_DATE */, SQ_CALL_FROM /* EXTRACT(a FROM b), SUBSTRING(a FROM b FOR c) */, SQ_CALL_TO /* FLOOR(x TO DAY) */,
                      SQ_CALL_IN /* POSITION(a IN b) */, SQ_CALL_TRIM, SQ_CALL_OVERLAY };

/* ---- queries ---- */

struct sq_ast_order {
    struct sq_ast_expr *expr;
    bool desc, nulls_given, nulls_first;
};

struct sq_ast_over {                    /* OVER w, or OVER (…); recognized, refused by the binder for now */
    struct sq_str window;               /* p NULL: inline */
    struct sq_ast_expr **partition; uint32_t npartition;
    struct sq_ast_order *order; uint32_t norder;
    bool framed, range;
    struct sq_ast_expr *from, *to;      /* NULL: UNBOUNDED; CURRENT ROW is a SYMBOL */
    bool from_following, to_following;
    struct sq_span span;
    uint32_t height;
};

struct sq_ast_item {                    /* one of SELECT's */
    struct sq_ast_expr *expr;
    struct sq_str alias;                /* p NULL: none */
    struct sq_span alias_span;
};

enum sq_from_kind { SQ_F_TABLE, SQ_F_SUBQUERY, SQ_F_JOIN, SQ_F_FUNCTION /* TABLE(f(…)) or LATERAL TABLE */, SQ_F_UNNEST, SQ_F_VALUES };

struct sq_ast_from {
    enum sq_from_kind kind;
    struct sq_span span;
    struct sq_name name;                /* TABLE */
    struct sq_kv *hint; uint32_t nhint; /* OPTIONS(…) */
    struct sq_ast_expr *as_of;          /* FOR SYSTEM_TIME AS OF */
    bool lateral;
    struct sq_ast_query *query;         /* SUBQUERY, VALUES */
    struct sq_ast_expr *call;           /* FUNCTION, UNNEST (its argument) */
    struct sq_str alias;                /* p NULL: none */
    struct sq_span alias_span;
    struct sq_str *cols; uint32_t ncols; /* AS t (a, b) */
    enum sq_join_kind join;             /* JOIN */
    bool natural, comma;                /* comma: FROM a, b */
    struct sq_ast_from *left, *right;
    struct sq_ast_expr *on;
    struct sq_str *using_cols; uint32_t nusing;
    bool ordinality;
    struct sq_span match_recognize;     /* len > 0: MATCH_RECOGNIZE was met here (its text is kept in raw); refused by the binder */
    struct sq_str raw;
    uint32_t height;
};

enum sq_query_kind { SQ_Q_SELECT, SQ_Q_VALUES, SQ_Q_UNION, SQ_Q_INTERSECT, SQ_Q_EXCEPT };
enum sq_group_kind { SQ_G_EXPR, SQ_G_EMPTY /* () */, SQ_G_ROLLUP, SQ_G_CUBE, SQ_G_SETS };

struct sq_ast_group {
    enum sq_group_kind kind;
    struct sq_ast_expr *expr;           /* EXPR; a ROW for (a, b) inside a set */
    struct sq_ast_group **sub; uint32_t nsub;
    struct sq_span span;
    uint32_t height;
};

struct sq_ast_cte { struct sq_str name; struct sq_span span; struct sq_str *cols; uint32_t ncols; struct sq_ast_query *query; };
struct sq_ast_window { struct sq_str name; struct sq_ast_over *over; };

struct sq_ast_query {
    enum sq_query_kind kind;
    struct sq_span span;
    struct sq_ast_cte *with; uint32_t nwith;      /* on the outermost query of a WITH */
    /* SELECT */
    bool distinct;
    struct sq_kv *hint; uint32_t nhint; struct sq_str hint_text;   /* SELECT hints as written inside the comment */
    struct sq_kv *state_ttl; uint32_t nstate_ttl;                  /* those of STATE_TTL('table' = 'time', …) */
    struct sq_ast_item *items; uint32_t nitems;
    struct sq_ast_from *from;                     /* NULL: SELECT without FROM */
    struct sq_ast_expr *where, *having, *qualify;
    struct sq_ast_group **group; uint32_t ngroup; bool grouped; bool group_distinct;
    struct sq_ast_window *windows; uint32_t nwindows;
    /* VALUES: each row an sq_ast_expr of kind ROW (or a single expression) */
    struct sq_ast_expr **rows; uint32_t nrows;
    /* set operations */
    bool all;
    struct sq_ast_query *left, *right;
    bool parens;                                  /* written in parentheses; printing keeps them where they matter */
    /* on any kind */
    struct sq_ast_order *order; uint32_t norder;
    struct sq_ast_expr *limit, *offset;           /* LIMIT ALL is no limit; FETCH FIRST n ROWS ONLY is LIMIT n */
    struct sq_span order_span, limit_span;
    uint32_t height;
};

/* ---- statements ---- */

enum sq_stmt_kind {
    SQ_S_QUERY, SQ_S_INSERT, SQ_S_CREATE_TABLE, SQ_S_CREATE_VIEW, SQ_S_DROP, SQ_S_ALTER_TABLE, SQ_S_ALTER_VIEW, SQ_S_SET, SQ_S_RESET, SQ_S_USE,
    SQ_S_SHOW, SQ_S_DESCRIBE, SQ_S_EXPLAIN, SQ_S_STATEMENT_SET, SQ_S_CREATE_DATABASE, SQ_S_CREATE_CATALOG, SQ_S_CREATE_FUNCTION,
    SQ_S_STOP_JOB /* text: the id or name, its place in name.span */,
    SQ_S_OTHER /* recognized and refused: text names it ("TRUNCATE TABLE") */
};

enum sq_coldef_kind { SQ_C_PHYSICAL, SQ_C_COMPUTED, SQ_C_METADATA, SQ_C_WINDOW_END /* window END TIMESTAMP(ROWTIME, INTERVAL …) */ };

struct sq_ast_coldef {
    enum sq_coldef_kind kind;
    struct sq_str name; struct sq_span span;
    const struct sq_type *type; struct sq_span type_span;   /* PHYSICAL, METADATA; NULL: CREATE TABLE t (a, b) AS … gives names alone */
    struct sq_ast_expr *expr;           /* COMPUTED: AS expr; WINDOW_END: the interval */
    struct sq_str time_name;            /* WINDOW_END: ROWTIME, as written */
    struct sq_str metadata_key;         /* METADATA FROM 'key'; p NULL: the column's name */
    bool is_virtual;
    bool primary_key;                   /* PRIMARY KEY NOT ENFORCED beside the column */
    struct sq_str comment;              /* p NULL: none */
};

struct sq_ast_watermark { struct sq_name col; struct sq_ast_expr *expr; struct sq_span span; };
struct sq_ast_like { struct sq_name table; struct sq_str *options; uint32_t noptions; /* "INCLUDING ALL" … */ };

struct sq_ast_table {                   /* the body of CREATE TABLE, and what ALTER TABLE ADD/MODIFY gives */
    struct sq_name name;
    bool temporary, if_not_exists, or_replace;
    struct sq_ast_coldef *cols; uint32_t ncols;
    struct sq_ast_watermark *watermark;            /* NULL: none */
    struct sq_str *pk; struct sq_span *pk_spans; uint32_t npk; struct sq_str pk_name; struct sq_span pk_span;
    bool pk_enforced_given, pk_enforced;           /* ENFORCED is refused by the binder */
    struct sq_str comment;
    struct sq_str *partition; uint32_t npartition;
    struct sq_str distributed;                     /* DISTRIBUTED BY …, as written; refused; p NULL: none */
    struct sq_span distributed_span;
    struct sq_kv *options; uint32_t noptions;
    struct sq_ast_like *like;
    struct sq_ast_query *as;                       /* CTAS */
};

struct sq_ast_insert {
    struct sq_name table;
    struct sq_kv *hint; uint32_t nhint;
    bool overwrite;
    struct sq_str *cols; struct sq_span *col_spans; uint32_t ncols;
    struct sq_kv *partition; uint32_t npartition;  /* PARTITION (k = 'v') */
    struct sq_ast_query *query;
};

enum sq_object { SQ_O_TABLE, SQ_O_VIEW, SQ_O_DATABASE, SQ_O_CATALOG, SQ_O_FUNCTION };

enum sq_alter_kind { SQ_ALTER_RENAME, SQ_ALTER_SET, SQ_ALTER_RESET, SQ_ALTER_ADD, SQ_ALTER_MODIFY, SQ_ALTER_DROP_COLUMN, SQ_ALTER_DROP_PK,
                     SQ_ALTER_DROP_WATERMARK, SQ_ALTER_RENAME_COLUMN };

enum sq_show { SQ_SHOW_TABLES, SQ_SHOW_VIEWS, SQ_SHOW_DATABASES, SQ_SHOW_CATALOGS, SQ_SHOW_FUNCTIONS, SQ_SHOW_COLUMNS, SQ_SHOW_CREATE_TABLE,
               SQ_SHOW_CREATE_VIEW, SQ_SHOW_CURRENT_DATABASE, SQ_SHOW_CURRENT_CATALOG, SQ_SHOW_JOBS, SQ_SHOW_CONNECTORS /* extension */ , SQ_SHOW_OPTIONS /* SHOW OPTIONS 'connector' | SHOW OPTIONS: extension */,
               SQ_SHOW_CHECKPOINT /* SHOW CHECKPOINT 'path': extension */ };

struct sq_ast_stmt {
    enum sq_stmt_kind kind;
    struct sq_span span;                /* from the first token to the last, without ';' */
    struct sq_span at;                  /* the keyword that names it */
    struct sq_ast_query *query;         /* QUERY, CREATE_VIEW, ALTER_VIEW */
    struct sq_ast_insert *insert;       /* INSERT */
    struct sq_ast_insert **inserts; uint32_t ninserts;   /* STATEMENT_SET */
    struct sq_ast_table *table;         /* CREATE_TABLE; ALTER_TABLE: what is added or modified */
    struct sq_name name;                /* DROP, ALTER, USE, SHOW, DESCRIBE, CREATE_VIEW/DATABASE/CATALOG/FUNCTION */
    struct sq_name new_name;            /* RENAME */
    enum sq_object object;              /* DROP, USE (DATABASE or CATALOG) */
    bool if_exists, temporary, if_not_exists, cascade, like_negated;
    bool drain, savepoint;              /* STOP JOB … WITH DRAIN, WITH SAVEPOINT */
    struct sq_str savepoint_path; struct sq_span savepoint_span;   /* WITH SAVEPOINT 'path' (extension); p NULL: not given */
    struct sq_str *cols; uint32_t ncols;        /* view's columns; ALTER DROP columns, RENAME a TO b: two */
    struct sq_str text;                 /* COMMENT; LIKE pattern of SHOW, path of SHOW CHECKPOINT (p NULL: none); CREATE FUNCTION's class; OTHER: what it is */
    enum sq_alter_kind alter;
    enum sq_show show;
    struct sq_kv *options; uint32_t noptions;   /* SET (one; none: list all), RESET (one key or none), ALTER SET/RESET, CREATE CATALOG/DATABASE;
                                                   CREATE FUNCTION: 'language' and one 'jar' each */
    struct sq_ast_stmt *explained;      /* EXPLAIN */
    struct sq_str *explain_details; uint32_t nexplain; /* CHANGELOG_MODE, ESTIMATED_COST, JSON_EXECUTION_PLAN, PLAN_ADVICE */
    uint32_t nparams;                   /* how many '?' there are */
    struct sq_str raw;                  /* OTHER: the statement as written */
};

#endif
