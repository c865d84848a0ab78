/* SPDX-License-Identifier: Apache-2.0
 *
 * internal.h: what the files of the parser share: tokens, the state of one parse, and the builders that the grammar's actions call.
 *
 * A statement is lexed whole into an array of tokens (lexer.re), with its extent found on the way; the array is then fed to the
 * parser that lemon makes of grammar.y (parser.c). What decides whether a word is a keyword or a name is not lemon's %fallback but
 * sq_grammar_accepts: the LALR automaton is asked, without default reductions getting in the way, whether it could go on with the
 * keyword *and* the token behind it. So only words for which both readings go on are kept by the keyword.
 *
 * Builders never return NULL: when memory is out, P->rc is set and they hand out pieces of P->spare, until the driver stops before the
 * next token. Whoever looks into what a node points at asks P->rc first: behind a failure it may be anything.
 */
#ifndef SQ_PARSER_INTERNAL_H
#define SQ_PARSER_INTERNAL_H

#include "parser/parser.h"

enum {
    SQ_PARSE_NESTING = 200,          /* brackets and CASEs inside each other */
    SQ_PARSE_HEIGHT = 1000,          /* levels of an AST: a chain of 1,000 ORs is as high */
    SQ_PARSE_TYPE = 100,             /* levels of a type */
    SQ_PARSE_BYTES = 16 << 20        /* of one statement */
};

/* What the lexer gives besides the grammar's tokens. */
enum sq_lex_code {
    SQ_LEX_END = 1000,
    SQ_LEX_WORD,                     /* an unquoted word: keyword or name */
    SQ_LEX_OPEN_STRING,              /* '… without its end, up to the end of the text */
    SQ_LEX_OPEN_NAME,                /* `… */
    SQ_LEX_OPEN_COMMENT,             /* slash, star */
    SQ_LEX_DOUBLE_QUOTED,            /* "…" */
    SQ_LEX_UNICODE_STRING,           /* U&'…' */
    SQ_LEX_BAD_NUMBER,               /* 12abc */
    SQ_LEX_BAD_HEX,                  /* X'1', X'zz' */
    SQ_LEX_EMPTY_NAME,               /* `` */
    SQ_LEX_TYPOGRAPHIC,              /* quotes, dashes and blanks that a text processor made */
    SQ_LEX_COLONS,                   /* :: */
    SQ_LEX_ILLEGAL
};

enum { SQ_TOKEN_QUOTED = 1, SQ_TOKEN_WORD = 2 /* a keyword */, SQ_TOKEN_RESERVED = 4, SQ_TOKEN_CLAUSE = 8 };

struct sq_token {
    uint16_t code;                   /* SQ_TK_… (for words: the keyword's, else ID), or enum sq_lex_code */
    uint16_t flags;
    uint32_t at, len;                /* in the statement's copy of the text */
};

/* The next token of text from *at on; *at moves behind it. Blanks and ordinary comments are skipped. */
struct sq_token sq_lex(struct sq_str text, uint32_t *at);

/* ---- keywords ---- */

enum { SQ_KW_RESERVED = 1,           /* never a name without back-quotes */
       SQ_KW_QUOTE = 2,              /* a name in most places, but printed in back-quotes: not safe in all */
       SQ_KW_CLAUSE = 4 };           /* the keyword wherever it can begin a clause, even where what follows does not fit it */
struct sq_keyword { struct sq_str word; uint16_t code, flags; };
const struct sq_keyword *sq_keyword_find(struct sq_str);
const struct sq_keyword *sq_keyword_of_code(int code);   /* NULL: not a word */

/* ---- the state of one parse ---- */

struct sq_plist { void **v; uint32_t n, cap; };          /* a growing list of pointers in the arena */

struct sq_parse {
    struct sq_ctx *ctx;
    struct sq_arena *arena;
    struct sq_str text;              /* the statement's own copy, in the arena */
    uint32_t base;                   /* where it begins in the caller's text */
    struct sq_token *tokens;
    uint32_t ntokens;                /* without the ';'; tokens[ntokens] is an END */
    size_t tokens_cap;
    uint32_t feeding;                /* the token being fed: what lies before it is what a reduction covers */
    uint32_t nparams;
    sq_rc rc;
    bool syntax;                     /* the grammar refused tokens[feeding] */
    bool overflow;                   /* its stack is full */
    bool quiet;                      /* a trial: errors are not reported */
    struct sq_ast_stmt *stmt;        /* results */
    struct sq_ast_expr *expr;
    const struct sq_type *type;
    uint32_t spare_at;
    _Alignas(16) char spare[8192];   /* a ring */
};

/* A dotted name while it is parsed: any number of parts. */
struct sq_dotted { struct sq_plist parts; uint32_t at; };

struct sq_ptype { const struct sq_type *type; uint32_t at, len, height; };

struct sq_pfield { struct sq_field field; uint32_t height; };

struct sq_elem {                     /* one element of a table's body */
    enum { SQ_E_COL, SQ_E_WATERMARK, SQ_E_PK } kind;
    struct sq_span span;
    struct sq_ast_coldef *col;
    struct sq_ast_watermark *watermark;
    struct sq_plist *pk;             /* tokens */
    struct sq_str pk_name;
    bool enforced_given, enforced;
};

struct sq_frame_bound { struct sq_ast_expr *expr; bool unbounded, following; };
struct sq_frame { bool range; struct sq_frame_bound *from, *to; };   /* to NULL: CURRENT ROW */

struct sq_from_alias { const struct sq_token *name; struct sq_plist *cols; };

struct sq_limits { struct sq_ast_expr *limit, *offset; struct sq_span span; };

/* ---- the automaton (end of grammar.y) ---- */

void *sq_grammar_new(struct sq_parse *);
void sq_grammar_delete(struct sq_parse *, void *);
void sq_grammar_feed(void *, int code, const struct sq_token *);
/* True when the automaton as it stands would shift `first`, and then `second` (or `second2`; -1: not asked). */
bool sq_grammar_accepts(void *, int first, int second, int second2);
int sq_grammar_tokens(void);         /* how many codes there are */

/* ---- builders (ast.c) ---- */

void *sq_new_(struct sq_parse *, size_t);
#define SQ_MAKE(P, type) ((type *)sq_new_((P), sizeof(type)))
struct sq_plist *sq_plist_new(struct sq_parse *);
void sq_plist_add(struct sq_parse *, struct sq_plist *, void *);
struct sq_plist *sq_plist_put(struct sq_parse *, struct sq_plist *, void *);   /* makes the list when NULL; returns it */
void *sq_plist_flat(struct sq_parse *, const struct sq_plist *, size_t elem, uint32_t *n);   /* an array of the structs pointed at */
void **sq_plist_ptrs(const struct sq_plist *, uint32_t *n);

sq_rc sq_parse_fail(struct sq_parse *, sq_rc, struct sq_span, const char *fmt, ...) SQ_PRINTF(4, 5);
void sq_parse_hint(struct sq_parse *, const char *fmt, ...) SQ_PRINTF(2, 3);

struct sq_str sq_tok_raw(const struct sq_parse *, const struct sq_token *);
struct sq_str sq_tok_str(struct sq_parse *, const struct sq_token *);       /* names and strings unquoted */
struct sq_str sq_tok_upper(struct sq_parse *, const struct sq_token *);
struct sq_span sq_tok_span(const struct sq_parse *, const struct sq_token *);
uint32_t sq_end(const struct sq_parse *);                                   /* where the last token that was shifted ends */
struct sq_span sq_span_from(const struct sq_parse *, uint32_t at);          /* from there to sq_end */
uint32_t sq_tok_at(const struct sq_parse *, const struct sq_token *);
bool sq_tok_int(struct sq_parse *, const struct sq_token *, int64_t max, int32_t *);

struct sq_str *sq_names_flat(struct sq_parse *, const struct sq_plist *tokens, uint32_t *n, struct sq_span **spans);

struct sq_ast_expr *sq_ast_new(struct sq_parse *, enum sq_ast_kind, uint32_t at);
struct sq_ast_expr *sq_expr_args(struct sq_parse *, struct sq_ast_expr *, struct sq_plist *);
struct sq_ast_expr *sq_expr_put(struct sq_parse *, struct sq_ast_expr *, struct sq_ast_expr *a, struct sq_ast_expr *b, struct sq_ast_expr *c);
struct sq_ast_expr *sq_expr_text(struct sq_parse *, enum sq_ast_kind, const struct sq_token *);
void sq_expr_append(struct sq_parse *, struct sq_ast_expr *, const struct sq_token *);   /* 'a' 'b' is 'ab' */
struct sq_ast_expr *sq_ast_bool(struct sq_parse *, const struct sq_token *, bool);
struct sq_ast_expr *sq_expr_binary_literal(struct sq_parse *, const struct sq_token *);
struct sq_ast_expr *sq_expr_typed(struct sq_parse *, const struct sq_token *kw, const struct sq_type *, const struct sq_token *text);
struct sq_ast_expr *sq_expr_symbol(struct sq_parse *, const struct sq_token *);
struct sq_ast_expr *sq_expr_symbol_of(struct sq_parse *, struct sq_ast_expr *);
struct sq_ast_expr *sq_expr_unary(struct sq_parse *, enum sq_ast_op, const struct sq_token *, struct sq_ast_expr *);
struct sq_ast_expr *sq_expr_op(struct sq_parse *, enum sq_ast_op, struct sq_ast_expr *, const struct sq_token *, struct sq_ast_expr *);
struct sq_ast_expr *sq_expr_is(struct sq_parse *, struct sq_ast_expr *, const struct sq_token *, enum sq_ast_is, bool negated);
struct sq_ast_expr *sq_expr_query(struct sq_parse *, enum sq_ast_kind, uint32_t at, struct sq_ast_query *);
struct sq_ast_expr *sq_expr_name(struct sq_parse *, struct sq_dotted *);
struct sq_ast_expr *sq_expr_call(struct sq_parse *, struct sq_dotted *, struct sq_plist *args, enum sq_call_syntax);
struct sq_ast_expr *sq_expr_call_from(struct sq_parse *, struct sq_dotted *, struct sq_ast_expr *a, struct sq_ast_expr *b, struct sq_ast_expr *c);
struct sq_ast_expr *sq_expr_call_to(struct sq_parse *, struct sq_dotted *, struct sq_ast_expr *, const struct sq_token *unit);
struct sq_ast_expr *sq_expr_call_trim(struct sq_parse *, struct sq_dotted *, const struct sq_token *spec, struct sq_ast_expr *what, struct sq_ast_expr *from);
struct sq_ast_expr *sq_expr_call_overlay(struct sq_parse *, struct sq_dotted *, struct sq_ast_expr *, struct sq_ast_expr *, struct sq_ast_expr *, struct sq_ast_expr *);
struct sq_ast_expr *sq_expr_interval(struct sq_parse *, const struct sq_token *kw, bool minus, const struct sq_token *text, struct sq_ast_expr *qual);
struct sq_ast_expr *sq_interval_qual(struct sq_parse *, const struct sq_token *from, const struct sq_token *prec, const struct sq_token *to, const struct sq_token *to_prec);
struct sq_ast_expr *sq_expr_case(struct sq_parse *, const struct sq_token *, struct sq_ast_expr *operand, struct sq_plist *whens, struct sq_ast_expr *otherwise);
void sq_expr_over(struct sq_parse *, struct sq_ast_expr *, struct sq_ast_over *);
void sq_expr_grow(struct sq_parse *, struct sq_ast_expr *, uint32_t child_height);
void sq_table_args(struct sq_parse *, struct sq_ast_expr *call);            /* (query) given to a table function becomes a TABLE_ARG */

struct sq_name sq_name_of(struct sq_parse *, const struct sq_dotted *);

struct sq_ast_order *sq_order_new(struct sq_parse *, struct sq_ast_expr *, bool desc, int nulls);
struct sq_ast_over *sq_over_new(struct sq_parse *, uint32_t at, struct sq_plist *partition, struct sq_plist *order);
void sq_over_frame(struct sq_parse *, struct sq_ast_over *, const struct sq_frame *);

struct sq_ast_query *sq_query_new(struct sq_parse *, enum sq_query_kind, uint32_t at);
struct sq_ast_query *sq_query_set(struct sq_parse *, enum sq_query_kind, struct sq_ast_query *, bool all, struct sq_ast_query *);
struct sq_ast_query *sq_query_finish(struct sq_parse *, uint32_t at, struct sq_plist *with, struct sq_ast_query *body, struct sq_plist *order,
                                     struct sq_span order_span, struct sq_limits *);
void sq_query_grow(struct sq_parse *, struct sq_ast_query *, uint32_t child_height);
uint32_t sq_exprs_height(struct sq_ast_expr *const *, uint32_t n);
void sq_query_select(struct sq_parse *, struct sq_ast_query *);             /* computes the height of a SELECT that is filled in */
void sq_query_hint(struct sq_parse *, struct sq_ast_query *, const struct sq_token *);
struct sq_ast_group *sq_group_new(struct sq_parse *, enum sq_group_kind, uint32_t at, struct sq_ast_expr *, struct sq_plist *sub);

struct sq_ast_from *sq_from_new(struct sq_parse *, enum sq_from_kind, uint32_t at);
struct sq_ast_from *sq_from_alias(struct sq_parse *, struct sq_ast_from *, struct sq_from_alias *);
struct sq_ast_from *sq_from_query(struct sq_parse *, uint32_t at, struct sq_ast_query *, bool lateral);
struct sq_ast_from *sq_from_call(struct sq_parse *, uint32_t at, struct sq_ast_expr *, bool lateral);
struct sq_ast_from *sq_from_match(struct sq_parse *, struct sq_ast_from *, const struct sq_token *);
struct sq_ast_from *sq_from_join(struct sq_parse *, struct sq_ast_from *, struct sq_ast_from *, enum sq_join_kind, bool natural, const struct sq_token *kw,
                                 struct sq_ast_expr *on, struct sq_plist *using_cols);
struct sq_kv *sq_hint_options(struct sq_parse *, const struct sq_token *, uint32_t *n);
struct sq_kv *sq_kv_new(struct sq_parse *, const struct sq_token *, const struct sq_token *);

/* ---- types (type.c) ---- */

struct sq_ptype *sq_ptype_named(struct sq_parse *, const struct sq_token *name, const struct sq_token *p, const struct sq_token *s);
struct sq_ptype *sq_ptype_varying(struct sq_parse *, const struct sq_token *name, const struct sq_token *p);
struct sq_ptype *sq_ptype_precision(struct sq_parse *, const struct sq_token *name);
struct sq_ptype *sq_ptype_zoned(struct sq_parse *, const struct sq_token *name, const struct sq_token *p, int zone);   /* 0 without, 1 with local, 2 with */
struct sq_ptype *sq_ptype_interval(struct sq_parse *, const struct sq_token *kw, struct sq_ast_expr *qual);
struct sq_ptype *sq_ptype_array(struct sq_parse *, uint32_t at, struct sq_ptype *);
struct sq_ptype *sq_ptype_multiset(struct sq_parse *, uint32_t at, struct sq_ptype *);
struct sq_ptype *sq_ptype_map(struct sq_parse *, uint32_t at, struct sq_ptype *, struct sq_ptype *);
struct sq_ptype *sq_ptype_row(struct sq_parse *, uint32_t at, struct sq_plist *fields);
struct sq_ptype *sq_ptype_null(struct sq_parse *, struct sq_ptype *, bool nullable);
struct sq_pfield *sq_field_new(struct sq_parse *, const struct sq_token *, struct sq_ptype *);

/* ---- statements (stmt.c) ---- */

struct sq_ast_stmt *sq_stmt_new(struct sq_parse *, enum sq_stmt_kind, const struct sq_token *at);
struct sq_elem *sq_elem_col(struct sq_parse *, enum sq_coldef_kind, const struct sq_token *, struct sq_ptype *);
struct sq_elem *sq_elem_watermark(struct sq_parse *, const struct sq_token *kw, struct sq_dotted *, struct sq_ast_expr *);
struct sq_elem *sq_elem_pk(struct sq_parse *, const struct sq_token *at, const struct sq_token *name, struct sq_plist *cols, int enforced);
struct sq_elem *sq_elem_window_end(struct sq_parse *, const struct sq_token *name, const struct sq_token *type, const struct sq_token *time, struct sq_ast_expr *);
void sq_table_elems(struct sq_parse *, struct sq_ast_table *, struct sq_plist *elems, bool untyped);
struct sq_ast_stmt *sq_stmt_show(struct sq_parse *, const struct sq_token *kw, const struct sq_token *a, const struct sq_token *b);
void sq_show_from(struct sq_parse *, struct sq_ast_stmt *, const struct sq_token *at, struct sq_dotted *);
void sq_show_like(struct sq_parse *, struct sq_ast_stmt *, const struct sq_token *at, const struct sq_token *, bool negated);
enum sq_object sq_object_of(struct sq_parse *, const struct sq_token *);
struct sq_str sq_explain_detail(struct sq_parse *, const struct sq_token *);
struct sq_str sq_like_option(struct sq_parse *, const struct sq_token *, const struct sq_token *);
/* A statement that is told by its first words alone: SET in its loose spelling, and what is recognized and refused. *done: it was one. */
sq_rc sq_stmt_loose(struct sq_parse *, bool *done);

/* ---- the driver (parser.c), diagnostics (diag.c) ---- */

/* Feeds the tokens; stops at the first that is refused (P->feeding). With `left`, stops before token `upto` and leaves the automaton
 * there for the caller to delete. */
sq_rc sq_parse_run(struct sq_parse *, int start, uint32_t upto, void **left);
/* Says what is wrong with tokens[bad], which the grammar refused: runs over the tokens before it again to learn what could stand there. */
sq_rc sq_parse_explain(struct sq_parse *, int start, uint32_t bad);

#endif
