/* SPDX-License-Identifier: Apache-2.0
 *
 * grammar.y: the grammar of the dialect, for lemon.
 *
 * Two levels of expressions: `expr` (truth: OR AND NOT, comparisons, IS, IN, LIKE, BETWEEN) over `arith` (values), so that the AND of a
 * BETWEEN and the IN of a POSITION can be told apart. The order of precedence is Calcite's.
 *
 * Most keywords are no reserved words: whether a word is a keyword here is decided before it is fed (internal.h), so the rules below name
 * keywords freely. NOT before IN, LIKE, BETWEEN, SIMILAR comes as NOT_OP, and IS before [NOT] DISTINCT as IS_D, because they bind
 * tighter than NOT and IS do. A whole MATCH_RECOGNIZE (…) is one token.
 *
 * A reduction always happens while the token behind it is being fed, so sq_span_from gives the span of a rule by where it begins.
 */
%include {
#include "parser/internal.h"
#include "parser/grammar.h"

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#endif
#define YYNOERRORRECOVERY 1
#define AT(t) sq_tok_at(P, (t))
#define NEW(P, type) SQ_MAKE(P, type)
}
%name sq_grammar
%token_prefix SQ_TK_
%token_type {const struct sq_token *}
%extra_context {struct sq_parse *P}
%stack_size 8000
%stack_overflow { P->overflow = true; }
%syntax_error { P->syntax = true; (void)TOKEN; (void)yymajor; (void)yyminor; }
%start_symbol input

%left OR.
%left AND.
%right NOT.
%left IS.
%left EQ NE LT GT LE GE.
%left NOT_OP IN LIKE SIMILAR BETWEEN IS_D.
%left PLUS MINUS.
%left STAR SLASH PERCENT CONCAT.
%left AT.
%right UNARY.
%left LB DOT.
/* Which of two readings of ((SELECT 1)) wins: the parentheses belong to the query. */
%nonassoc AS_ITEM.
%nonassoc AS_QUERY.
%nonassoc TO.

%type input {int}

input ::= stmt(S).              { P->stmt = S; }
input ::= START_EXPR expr(E).   { P->expr = E; }
input ::= START_TYPE type(T).   { P->type = T->type; }

/* ---- names and small parts ---- */

%type name {struct sq_dotted *}
name(A) ::= ID(T).              { A = NEW(P, struct sq_dotted); A->at = AT(T); sq_plist_add(P, &A->parts, (void *)T); }
name(A) ::= name(B) DOT ID(T).  { A = B; sq_plist_add(P, &A->parts, (void *)T); }

%type names {struct sq_plist *}
names(A) ::= ID(T).                 { A = sq_plist_put(P, NULL, (void *)T); }
names(A) ::= names(B) COMMA ID(T).  { A = sq_plist_put(P, B, (void *)T); }

%type if_exists {int}
if_exists(A) ::= .                  { A = 0; }
if_exists(A) ::= IF EXISTS.         { A = 1; }
%type if_not_exists {int}
if_not_exists(A) ::= .              { A = 0; }
if_not_exists(A) ::= IF NOT EXISTS. { A = 1; }

%type kvs {struct sq_plist *}
kvs(A) ::= kv(K).                   { A = sq_plist_put(P, NULL, K); }
kvs(A) ::= kvs(B) COMMA kv(K).      { A = sq_plist_put(P, B, K); }
%type kv {struct sq_kv *}
kv(A) ::= STRING(K) EQ STRING(V).   { A = sq_kv_new(P, K, V); }
%type opt_with {struct sq_plist *}
opt_with(A) ::= .                   { A = NULL; }
opt_with(A) ::= with(B).            { A = B; }
%type with {struct sq_plist *}
with(A) ::= WITH LP kvs(B) RP.      { A = B; }
with(A) ::= WITH LP RP.             { A = sq_plist_new(P); }
%type opt_comment {const struct sq_token *}
opt_comment(A) ::= .                { A = NULL; }
opt_comment(A) ::= COMMENT STRING(T). { A = T; }

/* ---- types ---- */

%type type {struct sq_ptype *}
%type type_base {struct sq_ptype *}
%type interval_unit {struct sq_ast_expr *}
type(A) ::= type_base(B).                                  { A = B; }
type(A) ::= type_base(B) NOT NULL.                         { A = sq_ptype_null(P, B, false); }
type(A) ::= type_base(B) NULL.                             { A = sq_ptype_null(P, B, true); }
type_base(A) ::= ID(T).                                    { A = sq_ptype_named(P, T, NULL, NULL); }
type_base(A) ::= ID(T) LP NUMBER(N) RP.                    { A = sq_ptype_named(P, T, N, NULL); }
type_base(A) ::= ID(T) LP NUMBER(N) COMMA NUMBER(S) RP.    { A = sq_ptype_named(P, T, N, S); }
type_base(A) ::= ID(T) LP STRING COMMA STRING RP. {         /* RAW('class', 'snapshot') */
    A = sq_ptype_named(P, T, NULL, NULL);
    sq_parse_fail(P, SQ_SYNTAX, sq_span_from(P, AT(T)), "a type takes numbers, not strings");
}
type_base(A) ::= ID(T) PRECISION.                          { A = sq_ptype_precision(P, T); }
type_base(A) ::= ID(T) VARYING.                            { A = sq_ptype_varying(P, T, NULL); }
type_base(A) ::= ID(T) VARYING LP NUMBER(N) RP.            { A = sq_ptype_varying(P, T, N); }
type_base(A) ::= ID(T) zone(Z).                            { A = sq_ptype_zoned(P, T, NULL, Z); }
type_base(A) ::= ID(T) LP NUMBER(N) RP zone(Z).            { A = sq_ptype_zoned(P, T, N, Z); }
type_base(A) ::= INTERVAL(T) interval_unit(Q).             { A = sq_ptype_interval(P, T, Q); }
type_base(A) ::= ARRAY(T) LT type(B) GT.                   { A = sq_ptype_array(P, AT(T), B); }
type_base(A) ::= MULTISET(T) LT type(B) GT.                { A = sq_ptype_multiset(P, AT(T), B); }
type_base(A) ::= MAP(T) LT type(K) COMMA type(V) GT.       { A = sq_ptype_map(P, AT(T), K, V); }
type_base(A) ::= ROW(T) LT fields(F) GT.                   { A = sq_ptype_row(P, AT(T), F); }
type_base(A) ::= ROW(T) LP fields(F) RP.                   { A = sq_ptype_row(P, AT(T), F); }
type_base(A) ::= type_base(B) ARRAY.                       { A = sq_ptype_array(P, B->at, B); }
type_base(A) ::= type_base(B) MULTISET.                    { A = sq_ptype_multiset(P, B->at, B); }
%type zone {int}
zone(A) ::= WITHOUT TIME ZONE.                             { A = 0; }
zone(A) ::= WITH LOCAL TIME ZONE.                          { A = 1; }
zone(A) ::= WITH TIME ZONE.                                { A = 2; }
%type fields {struct sq_plist *}
fields(A) ::= field(F).                                    { A = sq_plist_put(P, NULL, F); }
fields(A) ::= fields(B) COMMA field(F).                    { A = sq_plist_put(P, B, F); }
%type field {struct sq_pfield *}
field(A) ::= ID(T) type(B).                                { A = sq_field_new(P, T, B); }
field(A) ::= ID(T) type(B) STRING.                         { A = sq_field_new(P, T, B); }

interval_unit(A) ::= ID(F). [AS_ITEM]                                        { A = sq_interval_qual(P, F, NULL, NULL, NULL); }
interval_unit(A) ::= ID(F) LP NUMBER(N) RP. [AS_ITEM]                        { A = sq_interval_qual(P, F, N, NULL, NULL); }
interval_unit(A) ::= ID(F) LP NUMBER(N) COMMA NUMBER(M) RP.          { A = sq_interval_qual(P, F, N, NULL, M); }
interval_unit(A) ::= ID(F) TO ID(T).                                 { A = sq_interval_qual(P, F, NULL, T, NULL); }
interval_unit(A) ::= ID(F) TO ID(T) LP NUMBER(M) RP.                 { A = sq_interval_qual(P, F, NULL, T, M); }
interval_unit(A) ::= ID(F) LP NUMBER(N) RP TO ID(T).                 { A = sq_interval_qual(P, F, N, T, NULL); }
interval_unit(A) ::= ID(F) LP NUMBER(N) RP TO ID(T) LP NUMBER(M) RP. { A = sq_interval_qual(P, F, N, T, M); }

/* ---- expressions: truth ---- */

%type expr {struct sq_ast_expr *}
%type arith {struct sq_ast_expr *}
%type exprs {struct sq_plist *}
%type opt_exprs {struct sq_plist *}
exprs(A) ::= expr(E).                { A = sq_plist_put(P, NULL, E); }
exprs(A) ::= exprs(B) COMMA expr(E). { A = sq_plist_put(P, B, E); }
opt_exprs(A) ::= .                   { A = NULL; }
opt_exprs(A) ::= exprs(B).           { A = B; }

expr(A) ::= arith(B).                { A = B; }
expr(A) ::= expr(B) OR(T) expr(C).   { A = sq_expr_op(P, SQ_OP_OR, B, T, C); }
expr(A) ::= expr(B) AND(T) expr(C).  { A = sq_expr_op(P, SQ_OP_AND, B, T, C); }
expr(A) ::= NOT(T) expr(B).          { A = sq_expr_unary(P, SQ_OP_NOT, T, B); }
expr(A) ::= expr(B) EQ(T) expr(C).   { A = sq_expr_op(P, SQ_OP_EQ, B, T, C); }
expr(A) ::= expr(B) NE(T) expr(C).   { A = sq_expr_op(P, SQ_OP_NE, B, T, C); }
expr(A) ::= expr(B) LT(T) expr(C).   { A = sq_expr_op(P, SQ_OP_LT, B, T, C); }
expr(A) ::= expr(B) LE(T) expr(C).   { A = sq_expr_op(P, SQ_OP_LE, B, T, C); }
expr(A) ::= expr(B) GT(T) expr(C).   { A = sq_expr_op(P, SQ_OP_GT, B, T, C); }
expr(A) ::= expr(B) GE(T) expr(C).   { A = sq_expr_op(P, SQ_OP_GE, B, T, C); }
expr(A) ::= expr(B) cmp(O) some(S) subquery(Q). [EQ] {
    A = sq_expr_query(P, SQ_A_QUANTIFIED, B->span.at - P->base, Q);
    A->ival = O->ival; A->ival2 = S; A->at = O->at;
    sq_expr_put(P, A, B, NULL, NULL);
}
%type cmp {struct sq_ast_expr *}   /* the operator's place and kind */
cmp(A) ::= EQ(T).  { A = sq_expr_symbol(P, T); A->ival = SQ_OP_EQ; }
cmp(A) ::= NE(T).  { A = sq_expr_symbol(P, T); A->ival = SQ_OP_NE; }
cmp(A) ::= LT(T).  { A = sq_expr_symbol(P, T); A->ival = SQ_OP_LT; }
cmp(A) ::= LE(T).  { A = sq_expr_symbol(P, T); A->ival = SQ_OP_LE; }
cmp(A) ::= GT(T).  { A = sq_expr_symbol(P, T); A->ival = SQ_OP_GT; }
cmp(A) ::= GE(T).  { A = sq_expr_symbol(P, T); A->ival = SQ_OP_GE; }
%type some {int}
some(A) ::= SOME.  { A = 0; }
some(A) ::= ANY.   { A = 0; }
some(A) ::= ALL.   { A = 1; }

expr(A) ::= expr(B) IS(T) opt_not(N) is_what(W). [IS]   { A = sq_expr_is(P, B, T, (enum sq_ast_is)(W & 15), N); A->text = (struct sq_str[]){{NULL, 0}, SQ_STR("VALUE"), SQ_STR("OBJECT"), SQ_STR("ARRAY"), SQ_STR("SCALAR")}[W >> 4]; }
%type is_what {int}
is_what(A) ::= NULL.        { A = SQ_IS_NULL; }
is_what(A) ::= TRUE.        { A = SQ_IS_TRUE; }
is_what(A) ::= FALSE.       { A = SQ_IS_FALSE; }
is_what(A) ::= UNKNOWN.     { A = SQ_IS_UNKNOWN; }
is_what(A) ::= JSON.        { A = SQ_IS_JSON; }
is_what(A) ::= JSON VALUE.  { A = SQ_IS_JSON | 1 << 4; }
is_what(A) ::= JSON OBJECT. { A = SQ_IS_JSON | 2 << 4; }
is_what(A) ::= JSON ARRAY.  { A = SQ_IS_JSON | 3 << 4; }
is_what(A) ::= JSON SCALAR. { A = SQ_IS_JSON | 4 << 4; }
%type opt_not {int}
opt_not(A) ::= .            { A = 0; }
opt_not(A) ::= NOT.         { A = 1; }
expr(A) ::= expr(B) IS_D(T) opt_not(N) DISTINCT FROM arith(C). [IS_D] {
    A = sq_ast_new(P, SQ_A_DISTINCT_FROM, B->span.at - P->base); A->at = sq_tok_span(P, T); A->negated = N; sq_expr_put(P, A, B, C, NULL);
}

expr(A) ::= expr(B) IN(T) in_list(C). [IN]             { A = C; A->at = sq_tok_span(P, T); A->span = sq_span_from(P, B->span.at - P->base); sq_expr_put(P, A, B, NULL, NULL); }
expr(A) ::= expr(B) NOT_OP(T) IN in_list(C). [IN]      { A = C; A->at = sq_tok_span(P, T); A->span = sq_span_from(P, B->span.at - P->base); A->negated = true; sq_expr_put(P, A, B, NULL, NULL); }
%type in_list {struct sq_ast_expr *}
in_list(A) ::= subquery(Q).        { A = sq_expr_query(P, SQ_A_IN, 0, Q); }
in_list(A) ::= LP exprs(L) RP.     { A = sq_ast_new(P, SQ_A_IN, 0); sq_expr_args(P, A, L); }
expr(A) ::= expr(B) LIKE(T) arith(C) escape(E). [LIKE]             { A = sq_ast_new(P, SQ_A_LIKE, B->span.at - P->base); A->at = sq_tok_span(P, T); sq_expr_put(P, A, B, C, E); }
expr(A) ::= expr(B) NOT_OP(T) LIKE arith(C) escape(E). [LIKE]      { A = sq_ast_new(P, SQ_A_LIKE, B->span.at - P->base); A->at = sq_tok_span(P, T); A->negated = true; sq_expr_put(P, A, B, C, E); }
expr(A) ::= expr(B) SIMILAR(T) TO arith(C) escape(E). [LIKE]       { A = sq_ast_new(P, SQ_A_LIKE, B->span.at - P->base); A->at = sq_tok_span(P, T); A->ival = 1; sq_expr_put(P, A, B, C, E); }
expr(A) ::= expr(B) NOT_OP(T) SIMILAR TO arith(C) escape(E). [LIKE] { A = sq_ast_new(P, SQ_A_LIKE, B->span.at - P->base); A->at = sq_tok_span(P, T); A->ival = 1; A->negated = true; sq_expr_put(P, A, B, C, E); }
%type escape {struct sq_ast_expr *}
escape(A) ::= .                    { A = NULL; }
escape(A) ::= ESCAPE arith(E).     { A = E; }
expr(A) ::= expr(B) BETWEEN(T) symmetric(S) arith(C) AND arith(D). [BETWEEN]        { A = sq_ast_new(P, SQ_A_BETWEEN, B->span.at - P->base); A->at = sq_tok_span(P, T); A->ival = S; sq_expr_put(P, A, B, C, D); }
expr(A) ::= expr(B) NOT_OP(T) BETWEEN symmetric(S) arith(C) AND arith(D). [BETWEEN] { A = sq_ast_new(P, SQ_A_BETWEEN, B->span.at - P->base); A->at = sq_tok_span(P, T); A->ival = S; A->negated = true; sq_expr_put(P, A, B, C, D); }
%type symmetric {int}
symmetric(A) ::= .                 { A = 0; }
symmetric(A) ::= SYMMETRIC.        { A = 1; }
symmetric(A) ::= ASYMMETRIC.       { A = 0; }

/* ---- expressions: values ---- */

arith(A) ::= arith(B) PLUS(T) arith(C).    { A = sq_expr_op(P, SQ_OP_ADD, B, T, C); }
arith(A) ::= arith(B) MINUS(T) arith(C).   { A = sq_expr_op(P, SQ_OP_SUB, B, T, C); }
arith(A) ::= arith(B) STAR(T) arith(C).    { A = sq_expr_op(P, SQ_OP_MUL, B, T, C); }
arith(A) ::= arith(B) SLASH(T) arith(C).   { A = sq_expr_op(P, SQ_OP_DIV, B, T, C); }
arith(A) ::= arith(B) PERCENT(T) arith(C). { A = sq_expr_op(P, SQ_OP_MOD, B, T, C); }
arith(A) ::= arith(B) CONCAT(T) arith(C).  { A = sq_expr_op(P, SQ_OP_CONCAT, B, T, C); }
arith(A) ::= arith(B) AT(T) TIME ZONE arith(C). [AT] { A = sq_ast_new(P, SQ_A_AT_TIME_ZONE, B->span.at - P->base); A->at = sq_tok_span(P, T); sq_expr_put(P, A, B, C, NULL); }
arith(A) ::= MINUS(T) arith(B). [UNARY]    { A = sq_expr_unary(P, SQ_OP_NEG, T, B); }
arith(A) ::= PLUS(T) arith(B). [UNARY]     { A = sq_expr_unary(P, SQ_OP_POS, T, B); }
arith(A) ::= name(N).                      { A = sq_expr_name(P, N); }
arith(A) ::= postfix(B).                   { A = B; }

%type postfix {struct sq_ast_expr *}
%type primary {struct sq_ast_expr *}
postfix(A) ::= primary(B).                 { A = B; }
postfix(A) ::= postfix(B) DOT ID(T).       { A = sq_ast_new(P, SQ_A_FIELD, B->span.at - P->base); A->at = sq_tok_span(P, T); A->text = sq_tok_str(P, T); sq_expr_put(P, A, B, NULL, NULL); }
postfix(A) ::= postfix(B) LB(T) expr(E) RB. { A = sq_ast_new(P, SQ_A_INDEX, B->span.at - P->base); A->at = sq_tok_span(P, T); sq_expr_put(P, A, B, E, NULL); }
postfix(A) ::= name(N) LB(T) expr(E) RB.   { A = sq_ast_new(P, SQ_A_INDEX, N->at); A->at = sq_tok_span(P, T); struct sq_ast_expr *c = sq_expr_name(P, N); sq_expr_put(P, A, c, E, NULL); }

primary(A) ::= NUMBER(T).                  { A = sq_expr_text(P, SQ_A_NUMBER, T); }
primary(A) ::= string(B).                  { A = B; }
primary(A) ::= HEX(T).                     { A = sq_expr_binary_literal(P, T); }
primary(A) ::= NULL(T).                    { A = sq_ast_new(P, SQ_A_NULL, AT(T)); }
primary(A) ::= TRUE(T).                    { A = sq_ast_bool(P, T, true); }
primary(A) ::= FALSE(T).                   { A = sq_ast_bool(P, T, false); }
primary(A) ::= DATE(T) STRING(S).          { A = sq_expr_typed(P, T, &sq_type_date, S); }
primary(A) ::= TIME(T) STRING(S).          { A = sq_expr_typed(P, T, &sq_type_time0, S); }
primary(A) ::= TIMESTAMP(T) STRING(S).     { A = sq_expr_typed(P, T, &sq_type_timestamp9, S); }
primary(A) ::= TIMESTAMP(T) WITH LOCAL TIME ZONE STRING(S). { A = sq_expr_typed(P, T, &sq_type_ltz9, S); }
primary(A) ::= INTERVAL(T) STRING(S) interval_unit(Q).       { A = sq_expr_interval(P, T, false, S, Q); }
primary(A) ::= INTERVAL(T) PLUS STRING(S) interval_unit(Q).  { A = sq_expr_interval(P, T, false, S, Q); }
primary(A) ::= INTERVAL(T) MINUS STRING(S) interval_unit(Q). { A = sq_expr_interval(P, T, true, S, Q); }
primary(A) ::= QUESTION(T).                { A = sq_ast_new(P, SQ_A_PARAM, AT(T)); A->ival = P->nparams++; }
primary(A) ::= LP expr(E) RP.              { A = E; }
primary(A) ::= LP(T) expr(E) COMMA exprs(L) RP. { A = sq_ast_new(P, SQ_A_ROW, AT(T)); sq_expr_args(P, A, L); sq_expr_put(P, A, E, NULL, NULL); }
primary(A) ::= ROW(T) LP opt_exprs(L) RP.  { A = sq_ast_new(P, SQ_A_ROW, AT(T)); sq_expr_args(P, A, L); }
primary(A) ::= ARRAY(T) LB opt_exprs(L) RB. { A = sq_ast_new(P, SQ_A_ARRAY, AT(T)); sq_expr_args(P, A, L); }
primary(A) ::= MAP(T) LB opt_exprs(L) RB. {
    A = sq_ast_new(P, SQ_A_MAP, AT(T)); sq_expr_args(P, A, L);
    if (A->nargs % 2)
        sq_parse_fail(P, SQ_SYNTAX, A->span, "MAP[...] has a key without a value");
}
primary(A) ::= subquery(Q). [AS_ITEM]      { A = sq_expr_query(P, SQ_A_SUBQUERY, Q->span.at - P->base, Q); A->span = sq_span_from(P, Q->span.at - P->base); }
primary(A) ::= EXISTS(T) subquery(Q).      { A = sq_expr_query(P, SQ_A_EXISTS, AT(T), Q); }
primary(A) ::= CAST(T) LP expr(E) AS type(Y) RP.     { A = sq_ast_new(P, SQ_A_CAST, AT(T)); A->at = sq_tok_span(P, T); A->type = Y->type; sq_expr_put(P, A, E, NULL, NULL); }
primary(A) ::= TRY_CAST(T) LP expr(E) AS type(Y) RP. { A = sq_ast_new(P, SQ_A_CAST, AT(T)); A->at = sq_tok_span(P, T); A->type = Y->type; A->ival = 1; sq_expr_put(P, A, E, NULL, NULL); }
primary(A) ::= CASE(T) opt_expr(O) whens(W) opt_else(E) END. { A = sq_expr_case(P, T, O, W, E); }
%type opt_expr {struct sq_ast_expr *}
opt_expr(A) ::= .                          { A = NULL; }
opt_expr(A) ::= expr(E).                   { A = E; }
%type opt_else {struct sq_ast_expr *}
opt_else(A) ::= .                          { A = NULL; }
opt_else(A) ::= ELSE expr(E).              { A = E; }
%type whens {struct sq_plist *}
whens(A) ::= WHEN expr(C) THEN expr(E).          { A = sq_plist_put(P, NULL, C); sq_plist_put(P, A, E); }
whens(A) ::= whens(B) WHEN expr(C) THEN expr(E). { A = sq_plist_put(P, B, C); sq_plist_put(P, A, E); }

%type string {struct sq_ast_expr *}
string(A) ::= STRING(T).                   { A = sq_expr_text(P, SQ_A_STRING, T); }
string(A) ::= string(B) STRING(T). {
    A = B;
    sq_expr_append(P, A, T);
    A->span = sq_span_from(P, A->span.at - P->base);
}

/* ---- calls ---- */

primary(A) ::= call(C) within(W) filter(F) nulls(N) over(O). {
    A = C;
    if (W) {
        if (A->norder)
            sq_parse_fail(P, SQ_SYNTAX, A->span, "ORDER BY is given twice: inside the call and by WITHIN GROUP");
        A->order = sq_plist_flat(P, W, sizeof(struct sq_ast_order), &A->norder);
    }
    if (F) {
        A->filter = F;
        sq_expr_grow(P, A, F->height);
    }
    if (N)
        sq_parse_fail(P, SQ_UNSUPPORTED, sq_tok_span(P, N), "%s NULLS is not supported", sq_tok_upper(P, N).p);
    if (O)
        sq_expr_over(P, A, O);
    A->span = sq_span_from(P, A->span.at - P->base);
}
primary(A) ::= POSITION(T) LP arith(B) IN arith(C) RP. {
    A = sq_ast_new(P, SQ_A_CALL, AT(T)); A->at = sq_tok_span(P, T); A->text = sq_tok_str(P, T); A->syntax = SQ_CALL_IN; sq_expr_put(P, A, B, C, NULL);
}
primary(A) ::= POSITION(T) LP arith(B) IN arith(C) FROM expr(D) RP. {
    A = sq_ast_new(P, SQ_A_CALL, AT(T)); A->at = sq_tok_span(P, T); A->text = sq_tok_str(P, T); A->syntax = SQ_CALL_IN; sq_expr_put(P, A, B, C, D);
}

%type call {struct sq_ast_expr *}
%type callee {struct sq_dotted *}
callee(A) ::= name(N) LP.                                       { A = N; }
call(A) ::= callee(N) RP.                                       { A = sq_expr_call(P, N, NULL, SQ_CALL_PLAIN); }
call(A) ::= callee(N) STAR RP.                                  { A = sq_expr_call(P, N, NULL, SQ_CALL_PLAIN); A->star = true; }
call(A) ::= callee(N) args(L) opt_order(O) RP.                  { A = sq_expr_call(P, N, L, SQ_CALL_PLAIN); A->order = sq_plist_flat(P, O, sizeof(struct sq_ast_order), &A->norder); }
call(A) ::= callee(N) ALL args(L) opt_order(O) RP.              { A = sq_expr_call(P, N, L, SQ_CALL_PLAIN); A->order = sq_plist_flat(P, O, sizeof(struct sq_ast_order), &A->norder); }
call(A) ::= callee(N) DISTINCT args(L) opt_order(O) RP.         { A = sq_expr_call(P, N, L, SQ_CALL_PLAIN); A->distinct = true; A->order = sq_plist_flat(P, O, sizeof(struct sq_ast_order), &A->norder); }
call(A) ::= callee(N) expr(B) FROM expr(C) RP.                  { A = sq_expr_call_from(P, N, B, C, NULL); }
call(A) ::= callee(N) expr(B) FROM expr(C) FOR expr(D) RP.      { A = sq_expr_call_from(P, N, B, C, D); }
call(A) ::= callee(N) expr(B) TO ID(U) RP.                      { A = sq_expr_call_to(P, N, B, U); }
call(A) ::= callee(N) trim_spec(S) FROM expr(C) RP.             { A = sq_expr_call_trim(P, N, S, NULL, C); }
call(A) ::= callee(N) trim_spec(S) expr(B) FROM expr(C) RP.     { A = sq_expr_call_trim(P, N, S, B, C); }
call(A) ::= callee(N) expr(B) PLACING expr(C) FROM expr(D) RP.  { A = sq_expr_call_overlay(P, N, B, C, D, NULL); }
call(A) ::= callee(N) expr(B) PLACING expr(C) FROM expr(D) FOR expr(E) RP. { A = sq_expr_call_overlay(P, N, B, C, D, E); }
%type trim_spec {const struct sq_token *}
trim_spec(A) ::= BOTH(T).                  { A = T; }
trim_spec(A) ::= LEADING(T).               { A = T; }
trim_spec(A) ::= TRAILING(T).              { A = T; }

%type args {struct sq_plist *}
%type arg {struct sq_ast_expr *}
args(A) ::= arg(E).                        { A = sq_plist_put(P, NULL, E); }
args(A) ::= args(B) COMMA arg(E).          { A = sq_plist_put(P, B, E); }
arg(A) ::= expr(E).                        { A = E; }
arg(A) ::= ID(T) ARROW expr(E).       { A = sq_ast_new(P, SQ_A_NAMED_ARG, AT(T)); A->at = sq_tok_span(P, T); A->text = sq_tok_str(P, T); sq_expr_put(P, A, E, NULL, NULL); }

/* A table function's arguments may be tables and descriptors too. */
%type table_args {struct sq_plist *}
%type table_arg {struct sq_ast_expr *}
%type special_arg {struct sq_ast_expr *}
table_args(A) ::= table_arg(E).                     { A = sq_plist_put(P, NULL, E); }
table_args(A) ::= table_args(B) COMMA table_arg(E). { A = sq_plist_put(P, B, E); }
table_arg(A) ::= arg(E).                            { A = E; }
table_arg(A) ::= special_arg(E).                    { A = E; }
table_arg(A) ::= ID(T) ARROW special_arg(E).        { A = sq_ast_new(P, SQ_A_NAMED_ARG, AT(T)); A->at = sq_tok_span(P, T); A->text = sq_tok_str(P, T); sq_expr_put(P, A, E, NULL, NULL); }
special_arg(A) ::= DESCRIPTOR(T) LP names(L) RP. {
    A = sq_ast_new(P, SQ_A_DESCRIPTOR, AT(T));
    struct sq_plist *l = sq_plist_new(P);
    for (uint32_t i = 0; P->rc == SQ_OK && i < L->n; i++) {
        const struct sq_token *t = L->v[i];
        struct sq_dotted *d = NEW(P, struct sq_dotted);
        struct sq_ast_expr *e;
        d->at = AT(t);
        sq_plist_add(P, &d->parts, (void *)t);
        e = sq_ast_new(P, SQ_A_NAME, d->at);
        e->name = sq_name_of(P, d);
        e->at = e->span = e->name.span = sq_tok_span(P, t);
        sq_plist_add(P, l, e);
    }
    sq_expr_args(P, A, l);
}
special_arg(A) ::= TABLE(T) table_arg_of(F) arg_partition(L) arg_order(O). {
    A = sq_ast_new(P, SQ_A_TABLE_ARG, AT(T));
    A->from = F;
    sq_expr_grow(P, A, F->height);
    sq_expr_args(P, A, L);
    A->order = sq_plist_flat(P, O, sizeof(struct sq_ast_order), &A->norder);
}
%type table_arg_of {struct sq_ast_from *}
table_arg_of(A) ::= name(N).               { A = sq_from_new(P, SQ_F_TABLE, N->at); A->name = sq_name_of(P, N); }
table_arg_of(A) ::= name(N) HINT(H).       { A = sq_from_new(P, SQ_F_TABLE, N->at); A->name = sq_name_of(P, N); A->hint = sq_hint_options(P, H, &A->nhint); }
table_arg_of(A) ::= subquery(Q).           { A = sq_from_query(P, Q->span.at - P->base, Q, false); }
%type arg_partition {struct sq_plist *}
arg_partition(A) ::= .                     { A = NULL; }
arg_partition(A) ::= PARTITION BY LP exprs(L) RP. [AS_QUERY] { A = L; }
arg_partition(A) ::= PARTITION BY name(N). { A = sq_plist_put(P, NULL, sq_expr_name(P, N)); }

%type arg_order {struct sq_plist *}
arg_order(A) ::= .                         { A = NULL; }
arg_order(A) ::= ORDER BY order(O).        { A = sq_plist_put(P, NULL, O); }

%type within {struct sq_plist *}
within(A) ::= .                                     { A = NULL; }
within(A) ::= WITHIN GROUP LP order_by(O) RP.       { A = O; }
%type filter {struct sq_ast_expr *}
filter(A) ::= .                                     { A = NULL; }
filter(A) ::= FILTER LP WHERE expr(E) RP.           { A = E; }
%type nulls {const struct sq_token *}
nulls(A) ::= .                                      { A = NULL; }
nulls(A) ::= IGNORE(T) NULLS.                       { A = T; }
nulls(A) ::= RESPECT(T) NULLS.                      { A = T; }
%type over {struct sq_ast_over *}
over(A) ::= .                                       { A = NULL; }
over(A) ::= OVER(T) ID(W).                          { A = sq_over_new(P, AT(T), NULL, NULL); A->window = sq_tok_str(P, W); }
over(A) ::= OVER(T) LP window_spec(S) RP.           { A = S; A->span = sq_span_from(P, AT(T)); }
%type window_spec {struct sq_ast_over *}
window_spec(A) ::= partition_by(L) opt_order(O) frame(F).       { A = sq_over_new(P, 0, L, O); if (F) sq_over_frame(P, A, F); }
%type partition_by {struct sq_plist *}
partition_by(A) ::= .                               { A = NULL; }
partition_by(A) ::= PARTITION BY exprs(L).          { A = L; }
%type frame {struct sq_frame *}
frame(A) ::= .                                                  { A = NULL; }
frame(A) ::= rows_range(R) bound(B).                            { A = NEW(P, struct sq_frame); A->range = R; A->from = B; }
frame(A) ::= rows_range(R) BETWEEN bound(B) AND bound(C).       { A = NEW(P, struct sq_frame); A->range = R; A->from = B; A->to = C; }
%type rows_range {int}
rows_range(A) ::= ROWS.                                         { A = 0; }
rows_range(A) ::= RANGE.                                        { A = 1; }
%type bound {struct sq_frame_bound *}
bound(A) ::= UNBOUNDED PRECEDING.  { A = NEW(P, struct sq_frame_bound); A->unbounded = true; }
bound(A) ::= UNBOUNDED FOLLOWING.  { A = NEW(P, struct sq_frame_bound); A->unbounded = A->following = true; }
bound(A) ::= CURRENT(T) ROW.       { A = NEW(P, struct sq_frame_bound); A->expr = sq_ast_new(P, SQ_A_SYMBOL, AT(T)); A->expr->text = SQ_STR("CURRENT ROW"); }
bound(A) ::= arith(E) PRECEDING.   { A = NEW(P, struct sq_frame_bound); A->expr = E; }
bound(A) ::= arith(E) FOLLOWING.   { A = NEW(P, struct sq_frame_bound); A->expr = E; A->following = true; }

/* ---- queries ---- */

%type query {struct sq_ast_query *}
%type body {struct sq_ast_query *}
%type body2 {struct sq_ast_query *}
%type term {struct sq_ast_query *}
%type select {struct sq_ast_query *}
%type subquery {struct sq_ast_query *}
subquery(A) ::= LP(T) query(Q) RP. {   /* a node of its own span: the one with the parentheses */
    A = Q; A->parens = true; A->span = sq_span_from(P, AT(T));
}
query(A) ::= body(B) opt_order(O) limits(L). {
    A = sq_query_finish(P, B->span.at - P->base, NULL, B, O, (struct sq_span){0, 0}, L);
}
query(A) ::= WITH(T) ctes(C) body(B) opt_order(O) limits(L). {
    A = sq_query_finish(P, AT(T), C, B, O, (struct sq_span){0, 0}, L);
}
%type ctes {struct sq_plist *}
ctes(A) ::= cte(C).                  { A = sq_plist_put(P, NULL, C); }
ctes(A) ::= ctes(B) COMMA cte(C).    { A = sq_plist_put(P, B, C); }
%type cte {struct sq_ast_cte *}
cte(A) ::= ID(T) opt_cols(L) AS subquery(Q). {
    A = NEW(P, struct sq_ast_cte); A->name = sq_tok_str(P, T); A->span = sq_tok_span(P, T); A->cols = sq_names_flat(P, L, &A->ncols, NULL); A->query = Q;
}
%type opt_cols {struct sq_plist *}
opt_cols(A) ::= .                    { A = NULL; }
opt_cols(A) ::= LP names(L) RP.      { A = L; }

body(A) ::= body2(B).                              { A = B; }
body(A) ::= body(B) UNION all(L) body2(C).         { A = sq_query_set(P, SQ_Q_UNION, B, L, C); }
body(A) ::= body(B) EXCEPT all(L) body2(C).        { A = sq_query_set(P, SQ_Q_EXCEPT, B, L, C); }
body2(A) ::= term(B).                              { A = B; }
body2(A) ::= body2(B) INTERSECT all(L) term(C).    { A = sq_query_set(P, SQ_Q_INTERSECT, B, L, C); }
%type all {int}
all(A) ::= .                         { A = 0; }
all(A) ::= ALL.                      { A = 1; }
all(A) ::= DISTINCT.                 { A = 0; }
term(A) ::= select(B).               { A = B; }
term(A) ::= subquery(B). [AS_QUERY]  { A = B; }
term(A) ::= VALUES(T) exprs(L). {
    A = sq_query_new(P, SQ_Q_VALUES, AT(T)); A->rows = (struct sq_ast_expr **)sq_plist_ptrs(L, &A->nrows);
    if (P->rc == SQ_OK)
        sq_query_grow(P, A, sq_exprs_height(A->rows, A->nrows));
}
term(A) ::= TABLE(T) name(N). {   /* TABLE t is SELECT * FROM t */
    struct sq_ast_item *i = NEW(P, struct sq_ast_item);
    A = sq_query_new(P, SQ_Q_SELECT, AT(T));
    i->expr = sq_ast_new(P, SQ_A_STAR, AT(T));
    A->items = i; A->nitems = 1;
    A->from = sq_from_new(P, SQ_F_TABLE, N->at); A->from->name = sq_name_of(P, N);
    sq_query_select(P, A);
}

select(A) ::= SELECT(T) select_hint(H) distinct(D) items(I) from_clause(F) where(W) group_by(G) having(V) windows(N) qualify(Y). {
    A = G;                           /* the query was made there, with its GROUP BY */
    A->span = sq_span_from(P, AT(T));
    if (H)
        sq_query_hint(P, A, H);
    A->distinct = D;
    A->items = sq_plist_flat(P, I, sizeof(struct sq_ast_item), &A->nitems);
    A->from = F; A->where = W; A->having = V; A->qualify = Y;
    A->windows = sq_plist_flat(P, N, sizeof(struct sq_ast_window), &A->nwindows);
    sq_query_select(P, A);
}
%type select_hint {const struct sq_token *}
select_hint(A) ::= .                 { A = NULL; }
select_hint(A) ::= HINT(T).          { A = T; }
%type distinct {int}
distinct(A) ::= .                    { A = 0; }
distinct(A) ::= DISTINCT.            { A = 1; }
distinct(A) ::= ALL.                 { A = 0; }
%type items {struct sq_plist *}
%type item {struct sq_ast_item *}
items(A) ::= item(I).                { A = sq_plist_put(P, NULL, I); }
items(A) ::= items(B) COMMA item(I). { A = sq_plist_put(P, B, I); }
item(A) ::= STAR(T).                 { A = NEW(P, struct sq_ast_item); A->expr = sq_ast_new(P, SQ_A_STAR, AT(T)); }
item(A) ::= name(N) DOT STAR(T).     { A = NEW(P, struct sq_ast_item); A->expr = sq_ast_new(P, SQ_A_STAR, N->at); A->expr->name = sq_name_of(P, N); A->expr->at = sq_tok_span(P, T); }
item(A) ::= expr(E).                 { A = NEW(P, struct sq_ast_item); A->expr = E; }
item(A) ::= expr(E) ID(T).           { A = NEW(P, struct sq_ast_item); A->expr = E; A->alias = sq_tok_str(P, T); A->alias_span = sq_tok_span(P, T); }
item(A) ::= expr(E) AS ID(T).        { A = NEW(P, struct sq_ast_item); A->expr = E; A->alias = sq_tok_str(P, T); A->alias_span = sq_tok_span(P, T); }
%type where {struct sq_ast_expr *}
where(A) ::= .                       { A = NULL; }
where(A) ::= WHERE expr(E).          { A = E; }
%type having {struct sq_ast_expr *}
having(A) ::= .                      { A = NULL; }
having(A) ::= HAVING expr(E).        { A = E; }
%type qualify {struct sq_ast_expr *}
qualify(A) ::= .                     { A = NULL; }
qualify(A) ::= QUALIFY expr(E).      { A = E; }
%type windows {struct sq_plist *}
windows(A) ::= .                     { A = NULL; }
windows(A) ::= WINDOW window_list(L). { A = L; }
%type window_list {struct sq_plist *}
window_list(A) ::= window(W).                      { A = sq_plist_put(P, NULL, W); }
window_list(A) ::= window_list(B) COMMA window(W). { A = sq_plist_put(P, B, W); }
%type window {struct sq_ast_window *}
window(A) ::= ID(T) AS LP(L) window_spec(S) RP.    { A = NEW(P, struct sq_ast_window); A->name = sq_tok_str(P, T); A->over = S; S->span = sq_span_from(P, AT(L)); }

%type group_by {struct sq_ast_query *}
group_by(A) ::= .                                  { A = sq_query_new(P, SQ_Q_SELECT, 0); }
group_by(A) ::= GROUP BY group_q(D) groups(L).     { A = sq_query_new(P, SQ_Q_SELECT, 0); A->grouped = true; A->group_distinct = D; A->group = (struct sq_ast_group **)sq_plist_ptrs(L, &A->ngroup); }
%type group_q {int}
group_q(A) ::= .                                   { A = 0; }
group_q(A) ::= ALL.                                { A = 0; }
group_q(A) ::= DISTINCT.                           { A = 1; }
%type groups {struct sq_plist *}
groups(A) ::= group(G).                            { A = sq_plist_put(P, NULL, G); }
groups(A) ::= groups(B) COMMA group(G).            { A = sq_plist_put(P, B, G); }
%type group {struct sq_ast_group *}
group(A) ::= expr(E).                              { A = sq_group_new(P, SQ_G_EXPR, E->span.at - P->base, E, NULL); }
group(A) ::= LP(T) RP.                             { A = sq_group_new(P, SQ_G_EMPTY, AT(T), NULL, NULL); }
group(A) ::= ROLLUP(T) LP groups(L) RP.            { A = sq_group_new(P, SQ_G_ROLLUP, AT(T), NULL, L); }
group(A) ::= CUBE(T) LP groups(L) RP.              { A = sq_group_new(P, SQ_G_CUBE, AT(T), NULL, L); }
group(A) ::= GROUPING(T) SETS LP groups(L) RP.     { A = sq_group_new(P, SQ_G_SETS, AT(T), NULL, L); }

%type opt_order {struct sq_plist *}
opt_order(A) ::= .                                 { A = NULL; }
opt_order(A) ::= order_by(B).                      { A = B; }
%type order_by {struct sq_plist *}
order_by(A) ::= ORDER BY orders(L).                { A = L; }
%type orders {struct sq_plist *}
orders(A) ::= order(O).                            { A = sq_plist_put(P, NULL, O); }
orders(A) ::= orders(B) COMMA order(O).            { A = sq_plist_put(P, B, O); }
%type order {struct sq_ast_order *}
order(A) ::= expr(E) direction(D) null_order(N).   { A = sq_order_new(P, E, D, N); }
%type direction {int}
direction(A) ::= .                                 { A = 0; }
direction(A) ::= ASC.                              { A = 0; }
direction(A) ::= DESC.                             { A = 1; }
%type null_order {int}
null_order(A) ::= .                                { A = 0; }
null_order(A) ::= NULLS FIRST.                     { A = 1; }
null_order(A) ::= NULLS LAST.                      { A = 2; }

%type limits {struct sq_limits *}
limits(A) ::= .                                    { A = NULL; }
limits(A) ::= LIMIT(T) limit(L).                   { A = NEW(P, struct sq_limits); A->limit = L; A->span = sq_span_from(P, AT(T)); }
limits(A) ::= LIMIT(T) limit(L) offset(O).         { A = NEW(P, struct sq_limits); A->limit = L; A->offset = O; A->span = sq_span_from(P, AT(T)); }
limits(A) ::= offset(O).                           { A = NEW(P, struct sq_limits); A->offset = O; A->span = O->span; }
limits(A) ::= offset(O) LIMIT limit(L).            { A = NEW(P, struct sq_limits); A->limit = L; A->offset = O; A->span = sq_span_from(P, O->span.at - P->base); }
limits(A) ::= offset(O) fetch(L).                  { A = NEW(P, struct sq_limits); A->limit = L; A->offset = O; A->span = sq_span_from(P, O->span.at - P->base); }
limits(A) ::= fetch(L).                            { A = NEW(P, struct sq_limits); A->limit = L; A->span = L->span; }
%type limit {struct sq_ast_expr *}
limit(A) ::= ALL.                                  { A = NULL; }
limit(A) ::= arith(E).                             { A = E; }
%type offset {struct sq_ast_expr *}
offset(A) ::= OFFSET arith(E) opt_rows.            { A = E; }
opt_rows ::= .
opt_rows ::= ROW.
opt_rows ::= ROWS.
%type fetch {struct sq_ast_expr *}
fetch(A) ::= FETCH first_next arith(E) row_rows ONLY. { A = E; }
fetch(A) ::= FETCH(T) first_next row_rows ONLY.    { A = sq_ast_new(P, SQ_A_NUMBER, AT(T)); A->text = SQ_STR("1"); }
first_next ::= FIRST.
first_next ::= NEXT.
row_rows ::= ROW.
row_rows ::= ROWS.

/* ---- FROM ---- */

%type from_clause {struct sq_ast_from *}
from_clause(A) ::= .                               { A = NULL; }
from_clause(A) ::= FROM from_list(F).              { A = F; }
%type from_list {struct sq_ast_from *}
from_list(A) ::= joined(B).                        { A = B; }
from_list(A) ::= from_list(B) COMMA(T) joined(C).  { A = sq_from_join(P, B, C, SQ_JOIN_CROSS, false, T, NULL, NULL); A->comma = true; }
%type joined {struct sq_ast_from *}
joined(A) ::= table_ref(B).                                                     { A = B; }
joined(A) ::= joined(B) NATURAL(T) join_kind(K) JOIN table_ref(C).              { A = sq_from_join(P, B, C, (enum sq_join_kind)K, true, T, NULL, NULL); }
joined(A) ::= joined(B) CROSS(T) JOIN table_ref(C).                             { A = sq_from_join(P, B, C, SQ_JOIN_CROSS, false, T, NULL, NULL); }
joined(A) ::= joined(B) join_kind(K) JOIN(T) table_ref(C).                      { A = sq_from_join(P, B, C, (enum sq_join_kind)K, false, T, NULL, NULL); }
joined(A) ::= joined(B) join_kind(K) JOIN(T) table_ref(C) ON expr(E).           { A = sq_from_join(P, B, C, (enum sq_join_kind)K, false, T, E, NULL); }
joined(A) ::= joined(B) join_kind(K) JOIN(T) table_ref(C) USING LP names(L) RP. { A = sq_from_join(P, B, C, (enum sq_join_kind)K, false, T, NULL, L); }
%type join_kind {int}
join_kind(A) ::= .                                 { A = SQ_JOIN_INNER; }
join_kind(A) ::= INNER.                            { A = SQ_JOIN_INNER; }
join_kind(A) ::= LEFT opt_outer.                   { A = SQ_JOIN_LEFT; }
join_kind(A) ::= RIGHT opt_outer.                  { A = SQ_JOIN_RIGHT; }
join_kind(A) ::= FULL opt_outer.                   { A = SQ_JOIN_FULL; }
join_kind(A) ::= LEFT SEMI.                        { A = SQ_JOIN_SEMI; }
join_kind(A) ::= LEFT ANTI.                        { A = SQ_JOIN_ANTI; }
opt_outer ::= .
opt_outer ::= OUTER.

%type table_ref {struct sq_ast_from *}
table_ref(A) ::= name(N) table_hint(H) as_of(O) match(M) alias(L). {
    A = sq_from_new(P, SQ_F_TABLE, N->at);
    A->name = sq_name_of(P, N);
    if (H)
        A->hint = sq_hint_options(P, H, &A->nhint);
    A->as_of = O;
    if (O) {
        A->height = O->height + 1;
    }
    A = sq_from_match(P, A, M);
    A = sq_from_alias(P, A, L);
}
table_ref(A) ::= subquery(Q) match(M) alias(L).               { A = sq_from_alias(P, sq_from_match(P, sq_from_query(P, Q->span.at - P->base, Q, false), M), L); }
table_ref(A) ::= LATERAL(T) subquery(Q) alias(L).             { A = sq_from_alias(P, sq_from_query(P, AT(T), Q, true), L); }
table_ref(A) ::= TABLE(T) LP table_call(C) RP alias(L).       { A = sq_from_alias(P, sq_from_call(P, AT(T), C, false), L); }
table_ref(A) ::= LATERAL(T) TABLE LP table_call(C) RP alias(L). { A = sq_from_alias(P, sq_from_call(P, AT(T), C, true), L); }
table_ref(A) ::= table_call(C) alias(L).                      { A = sq_from_alias(P, sq_from_call(P, C->span.at - P->base, C, false), L); }
table_ref(A) ::= LATERAL(T) table_call(C) alias(L).           { A = sq_from_alias(P, sq_from_call(P, AT(T), C, true), L); }
table_ref(A) ::= UNNEST(T) LP expr(E) RP ordinality(O) alias(L). {
    A = sq_from_new(P, SQ_F_UNNEST, AT(T)); A->call = E; A->height = E->height + 1; A->ordinality = O; A = sq_from_alias(P, A, L);
}
table_ref(A) ::= LATERAL(T) UNNEST LP expr(E) RP ordinality(O) alias(L). {
    A = sq_from_new(P, SQ_F_UNNEST, AT(T)); A->call = E; A->height = E->height + 1; A->ordinality = O; A->lateral = true; A = sq_from_alias(P, A, L);
}
table_ref(A) ::= LP from_list(F) RP.                          { A = F; }
%type table_call {struct sq_ast_expr *}
table_call(A) ::= callee(N) RP.                               { A = sq_expr_call(P, N, NULL, SQ_CALL_PLAIN); }
table_call(A) ::= callee(N) table_args(L) RP.                       { A = sq_expr_call(P, N, L, SQ_CALL_PLAIN); sq_table_args(P, A); }
%type ordinality {int}
ordinality(A) ::= .                                           { A = 0; }
ordinality(A) ::= WITH ORDINALITY.                            { A = 1; }
%type table_hint {const struct sq_token *}
table_hint(A) ::= .                                           { A = NULL; }
table_hint(A) ::= HINT(T).                                    { A = T; }
%type as_of {struct sq_ast_expr *}
as_of(A) ::= .                                                { A = NULL; }
as_of(A) ::= FOR SYSTEM_TIME AS OF arith(E).                  { A = E; }
%type match {const struct sq_token *}
match(A) ::= . [AS_ITEM]                                      { A = NULL; }
match(A) ::= MATCH_RECOGNIZE(T).                              { A = T; }
%type alias {struct sq_from_alias *}
alias(A) ::= .                                                { A = NULL; }
alias(A) ::= ID(T) opt_cols(L).                               { A = NEW(P, struct sq_from_alias); A->name = T; A->cols = L; }
alias(A) ::= AS ID(T) opt_cols(L).                            { A = NEW(P, struct sq_from_alias); A->name = T; A->cols = L; }

/* ---- statements: queries and inserts ---- */

%type stmt {struct sq_ast_stmt *}
%type explainable {struct sq_ast_stmt *}
%type insert {struct sq_ast_insert *}
stmt(A) ::= explainable(B).                                   { A = B; }
explainable(A) ::= query(Q).                                  { A = sq_stmt_new(P, SQ_S_QUERY, P->tokens); A->query = Q; }
explainable(A) ::= insert(I).                                 { A = sq_stmt_new(P, SQ_S_INSERT, P->tokens); A->insert = I; }
explainable(A) ::= EXECUTE(T) insert(I).                      { A = sq_stmt_new(P, SQ_S_INSERT, T); A->insert = I; }
explainable(A) ::= EXECUTE(T) query(Q).                       { A = sq_stmt_new(P, SQ_S_QUERY, T); A->query = Q; }
explainable(A) ::= EXECUTE(T) STATEMENT SET BEGIN inserts(L) END. { A = sq_stmt_new(P, SQ_S_STATEMENT_SET, T); A->inserts = (struct sq_ast_insert **)sq_plist_ptrs(L, &A->ninserts); }
explainable(A) ::= STATEMENT(T) SET BEGIN inserts(L) END.     { A = sq_stmt_new(P, SQ_S_STATEMENT_SET, T); A->inserts = (struct sq_ast_insert **)sq_plist_ptrs(L, &A->ninserts); }
stmt(A) ::= BEGIN(T) STATEMENT SET SEMICOLON inserts(L) END.       { A = sq_stmt_new(P, SQ_S_STATEMENT_SET, T); A->inserts = (struct sq_ast_insert **)sq_plist_ptrs(L, &A->ninserts); }
%type inserts {struct sq_plist *}
inserts(A) ::= insert(I) SEMICOLON.                                { A = sq_plist_put(P, NULL, I); }
inserts(A) ::= inserts(B) insert(I) SEMICOLON.                     { A = sq_plist_put(P, B, I); }

insert(A) ::= insert_into(B) query(Q).                         { A = B; A->query = Q; }
insert(A) ::= insert_into(B) LP names(L) RP query(Q).         { A = B; A->cols = sq_names_flat(P, L, &A->ncols, &A->col_spans); A->query = Q; }
%type insert_into {struct sq_ast_insert *}
insert_into(A) ::= INSERT insert_kind(O) name(N) table_hint(H) insert_partition(V). {
    A = NEW(P, struct sq_ast_insert);
    A->table = sq_name_of(P, N);
    A->overwrite = O;
    if (H)
        A->hint = sq_hint_options(P, H, &A->nhint);
    A->partition = sq_plist_flat(P, V, sizeof(struct sq_kv), &A->npartition);
}
%type insert_kind {int}
insert_kind(A) ::= INTO.                                      { A = 0; }
insert_kind(A) ::= OVERWRITE.                                 { A = 1; }
%type insert_partition {struct sq_plist *}
insert_partition(A) ::= .                                     { A = NULL; }
insert_partition(A) ::= PARTITION LP partition_kvs(L) RP.     { A = L; }
%type partition_kvs {struct sq_plist *}
partition_kvs(A) ::= partition_kv(K).                         { A = sq_plist_put(P, NULL, K); }
partition_kvs(A) ::= partition_kvs(B) COMMA partition_kv(K).  { A = sq_plist_put(P, B, K); }
%type partition_kv {struct sq_kv *}
partition_kv(A) ::= ID(K) EQ STRING(V).                       { A = sq_kv_new(P, K, V); }
partition_kv(A) ::= ID(K) EQ NUMBER(V).                       { A = sq_kv_new(P, K, V); }

/* ---- statements: tables and views ---- */

stmt(A) ::= CREATE(T) replace(R) temporary(M) TABLE(K) if_not_exists(I) name(N) table_body(B) table_clauses(C) table_as(Q). {
    struct sq_ast_table *t = C;
    A = sq_stmt_new(P, SQ_S_CREATE_TABLE, T);
    A->at = sq_tok_span(P, K);
    A->table = t;
    A->name = t->name = sq_name_of(P, N);
    A->temporary = t->temporary = M;
    A->if_not_exists = t->if_not_exists = I;
    t->or_replace = R != NULL;
    t->as = Q;
    sq_table_elems(P, t, B, Q != NULL);
    if (Q && t->like)
        sq_parse_fail(P, SQ_SYNTAX, A->at, "CREATE TABLE takes either LIKE or AS, not both");
}
%type replace {const struct sq_token *}
replace(A) ::= .                                              { A = NULL; }
replace(A) ::= OR(T) REPLACE.                                 { A = T; }
%type temporary {int}
temporary(A) ::= .                                            { A = 0; }
temporary(A) ::= TEMPORARY.                                   { A = 1; }
temporary(A) ::= TEMPORARY SYSTEM.                            { A = 2; }
%type table_body {struct sq_plist *}
table_body(A) ::= .                                           { A = NULL; }
table_body(A) ::= LP elems(L) RP.                             { A = L; }
%type elems {struct sq_plist *}
elems(A) ::= elem(E).                                         { A = sq_plist_put(P, NULL, E); }
elems(A) ::= elems(B) COMMA elem(E).                          { A = sq_plist_put(P, B, E); }
%type elem {struct sq_elem *}
%type column {struct sq_elem *}
elem(A) ::= column(B).                                        { A = B; }
elem(A) ::= ID(T).                                            { A = sq_elem_col(P, SQ_C_PHYSICAL, T, NULL); }
column(A) ::= ID(T) type(Y) column_pk(K) opt_comment(C). {
    A = sq_elem_col(P, SQ_C_PHYSICAL, T, Y);
    if (K) { A->col->primary_key = true; A->enforced_given = K != 1; A->enforced = K == 3; }
    if (C)
        A->col->comment = sq_tok_str(P, C);
}
column(A) ::= ID(T) type(Y) METADATA metadata_from(M) virtual(V) opt_comment(C). {
    A = sq_elem_col(P, SQ_C_METADATA, T, Y);
    if (M)
        A->col->metadata_key = sq_tok_str(P, M);
    A->col->is_virtual = V;
    if (C)
        A->col->comment = sq_tok_str(P, C);
}
column(A) ::= ID(T) AS expr(E) opt_comment(C). {
    A = sq_elem_col(P, SQ_C_COMPUTED, T, NULL);
    A->col->expr = E;
    if (C)
        A->col->comment = sq_tok_str(P, C);
}
column(A) ::= ID(T) END ID(Y) LP ID(R) COMMA expr(E) RP.      { A = sq_elem_window_end(P, T, Y, R, E); }
elem(A) ::= WATERMARK(T) FOR name(N) AS expr(E).              { A = sq_elem_watermark(P, T, N, E); }
elem(A) ::= PRIMARY(T) KEY LP names(L) RP enforced(F).        { A = sq_elem_pk(P, T, NULL, L, F); }
elem(A) ::= CONSTRAINT(T) ID(N) PRIMARY KEY LP names(L) RP enforced(F). { A = sq_elem_pk(P, T, N, L, F); }
elem(A) ::= UNIQUE(T) LP names RP enforced.                   { A = NEW(P, struct sq_elem); A->col = NULL; sq_parse_fail(P, SQ_UNSUPPORTED, sq_tok_span(P, T), "UNIQUE is not supported"); sq_parse_hint(P, "PRIMARY KEY (...) NOT ENFORCED is what tables have"); }
%type column_pk {int}
column_pk(A) ::= .                                            { A = 0; }
column_pk(A) ::= PRIMARY KEY enforced(F).                     { A = F + 1; }
%type enforced {int}
enforced(A) ::= .                                             { A = 0; }
enforced(A) ::= NOT ENFORCED.                                 { A = 1; }
enforced(A) ::= ENFORCED.                                     { A = 2; }
%type metadata_from {const struct sq_token *}
metadata_from(A) ::= .                                        { A = NULL; }
metadata_from(A) ::= FROM STRING(T).                          { A = T; }
%type virtual {int}
virtual(A) ::= .                                              { A = 0; }
virtual(A) ::= VIRTUAL.                                       { A = 1; }

%type table_clauses {struct sq_ast_table *}
table_clauses(A) ::= .                                        { A = NEW(P, struct sq_ast_table); }
table_clauses(A) ::= table_clauses(B) COMMENT(T) STRING(S). {
    A = B;
    if (A->comment.p)
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, T), "COMMENT is given twice");
    A->comment = sq_tok_str(P, S);
}
table_clauses(A) ::= table_clauses(B) PARTITIONED(T) BY LP names(L) RP. {
    A = B;
    if (A->partition)
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, T), "PARTITIONED BY is given twice");
    A->partition = sq_names_flat(P, L, &A->npartition, NULL);
}
table_clauses(A) ::= table_clauses(B) DISTRIBUTED(T) distribution. {
    A = B;
    A->distributed_span = sq_span_from(P, AT(T));
    A->distributed = (struct sq_str){P->text.p + AT(T), A->distributed_span.len};
}
distribution ::= BY LP names RP buckets.
distribution ::= BY ID LP names RP buckets.
distribution ::= INTO NUMBER ID.
buckets ::= .
buckets ::= INTO NUMBER ID.
table_clauses(A) ::= table_clauses(B) with(L). {
    A = B;
    if (A->options)
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, &P->tokens[P->feeding ? P->feeding - 1 : 0]), "WITH is given twice");
    A->options = sq_plist_flat(P, L, sizeof(struct sq_kv), &A->noptions);
}
table_clauses(A) ::= table_clauses(B) LIKE(T) name(N) like_options(L). {
    A = B;
    if (A->like)
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, T), "LIKE is given twice");
    A->like = NEW(P, struct sq_ast_like);
    A->like->table = sq_name_of(P, N);
    A->like->options = sq_plist_flat(P, L, sizeof(struct sq_str), &A->like->noptions);
}
%type like_options {struct sq_plist *}
like_options(A) ::= .                                         { A = NULL; }
like_options(A) ::= LP like_list(L) RP.                       { A = L; }
%type like_list {struct sq_plist *}
like_list(A) ::= like_option(O).                              { A = sq_plist_put(P, NULL, O); }
like_list(A) ::= like_list(B) like_option(O).                 { A = sq_plist_put(P, B, O); }
%type like_option {struct sq_str *}
like_option(A) ::= ID(K) ID(W).                               { A = NEW(P, struct sq_str); *A = sq_like_option(P, K, W); }
like_option(A) ::= ID(K) ALL(W).                              { A = NEW(P, struct sq_str); *A = sq_like_option(P, K, W); }
%type table_as {struct sq_ast_query *}
table_as(A) ::= .                                             { A = NULL; }
table_as(A) ::= AS query(Q).                                  { A = Q; }

stmt(A) ::= CREATE(T) replace(R) temporary(M) VIEW(K) if_not_exists(I) name(N) opt_cols(L) opt_comment(C) AS query(Q). {
    A = sq_stmt_new(P, SQ_S_CREATE_VIEW, T);
    A->at = sq_tok_span(P, K);
    if (R) {
        sq_parse_fail(P, SQ_UNSUPPORTED, sq_tok_span(P, R), "CREATE OR REPLACE VIEW is not supported");
        sq_parse_hint(P, "DROP VIEW IF EXISTS, then CREATE VIEW; or ALTER VIEW ... AS");
    }
    A->temporary = M;
    A->if_not_exists = I;
    A->name = sq_name_of(P, N);
    A->cols = sq_names_flat(P, L, &A->ncols, NULL);
    if (C)
        A->text = sq_tok_str(P, C);
    A->query = Q;
}
stmt(A) ::= DROP(T) temporary(M) object(O) if_exists(I) name(N) cascade(C). {
    A = sq_stmt_new(P, SQ_S_DROP, T); A->object = (enum sq_object)O; A->temporary = M; A->if_exists = I; A->name = sq_name_of(P, N); A->cascade = C;
}
%type object {int}
object(A) ::= TABLE.                                          { A = SQ_O_TABLE; }
object(A) ::= VIEW.                                           { A = SQ_O_VIEW; }
object(A) ::= DATABASE.                                       { A = SQ_O_DATABASE; }
object(A) ::= CATALOG.                                        { A = SQ_O_CATALOG; }
object(A) ::= FUNCTION.                                       { A = SQ_O_FUNCTION; }
%type cascade {int}
cascade(A) ::= .                                              { A = 0; }
cascade(A) ::= RESTRICT.                                      { A = 0; }
cascade(A) ::= CASCADE.                                       { A = 1; }

%type alter {struct sq_ast_stmt *}
alter(A) ::= ALTER(T) TABLE if_exists(I) name(N).             { A = sq_stmt_new(P, SQ_S_ALTER_TABLE, T); A->if_exists = I; A->name = sq_name_of(P, N); }
stmt(A) ::= alter(B) RENAME TO name(N).                       { A = B; A->alter = SQ_ALTER_RENAME; A->new_name = sq_name_of(P, N); }
stmt(A) ::= alter(B) RENAME ID(C) TO ID(D).                   { A = B; A->alter = SQ_ALTER_RENAME_COLUMN; struct sq_plist *l = sq_plist_put(P, sq_plist_put(P, NULL, (void *)C), (void *)D); A->cols = sq_names_flat(P, l, &A->ncols, NULL); }
stmt(A) ::= alter(B) SET LP kvs(L) RP.                        { A = B; A->alter = SQ_ALTER_SET; A->options = sq_plist_flat(P, L, sizeof(struct sq_kv), &A->noptions); }
stmt(A) ::= alter(B) RESET LP keys(L) RP.                     { A = B; A->alter = SQ_ALTER_RESET; A->options = sq_plist_flat(P, L, sizeof(struct sq_kv), &A->noptions); }
stmt(A) ::= alter(B) ADD alter_elems(L).                      { A = B; A->alter = SQ_ALTER_ADD; A->table = NEW(P, struct sq_ast_table); A->table->name = A->name; sq_table_elems(P, A->table, L, false); }
stmt(A) ::= alter(B) MODIFY alter_elems(L).                   { A = B; A->alter = SQ_ALTER_MODIFY; A->table = NEW(P, struct sq_ast_table); A->table->name = A->name; sq_table_elems(P, A->table, L, false); }
stmt(A) ::= alter(B) DROP ID(C).                              { A = B; A->alter = SQ_ALTER_DROP_COLUMN; struct sq_plist *l = sq_plist_put(P, NULL, (void *)C); A->cols = sq_names_flat(P, l, &A->ncols, NULL); }
stmt(A) ::= alter(B) DROP LP names(L) RP.                     { A = B; A->alter = SQ_ALTER_DROP_COLUMN; A->cols = sq_names_flat(P, L, &A->ncols, NULL); }
stmt(A) ::= alter(B) DROP PRIMARY KEY.                        { A = B; A->alter = SQ_ALTER_DROP_PK; }
stmt(A) ::= alter(B) DROP CONSTRAINT ID(N).                   { A = B; A->alter = SQ_ALTER_DROP_PK; A->text = sq_tok_str(P, N); }
stmt(A) ::= alter(B) DROP WATERMARK.                          { A = B; A->alter = SQ_ALTER_DROP_WATERMARK; }
%type alter_elems {struct sq_plist *}
%type alter_elem {struct sq_elem *}
alter_elems(A) ::= alter_elem(E).                             { A = sq_plist_put(P, NULL, E); }
alter_elems(A) ::= LP alter_list(L) RP.                       { A = L; }
%type alter_list {struct sq_plist *}
alter_list(A) ::= alter_elem(E).                              { A = sq_plist_put(P, NULL, E); }
alter_list(A) ::= alter_list(B) COMMA alter_elem(E).          { A = sq_plist_put(P, B, E); }
alter_elem(A) ::= elem(E).                                    { A = E; }
alter_elem(A) ::= column(E) FIRST(T).                         { A = E; sq_parse_fail(P, SQ_UNSUPPORTED, sq_tok_span(P, T), "columns are added at the end: FIRST is not supported"); }
alter_elem(A) ::= column(E) AFTER(T) ID.                      { A = E; sq_parse_fail(P, SQ_UNSUPPORTED, sq_tok_span(P, T), "columns are added at the end: AFTER is not supported"); }
%type keys {struct sq_plist *}
keys(A) ::= STRING(T).                                        { A = sq_plist_put(P, NULL, sq_kv_new(P, T, NULL)); }
keys(A) ::= keys(B) COMMA STRING(T).                          { A = sq_plist_put(P, B, sq_kv_new(P, T, NULL)); }
stmt(A) ::= ALTER(T) VIEW if_exists(I) name(N) RENAME TO name(M). { A = sq_stmt_new(P, SQ_S_ALTER_VIEW, T); A->if_exists = I; A->name = sq_name_of(P, N); A->alter = SQ_ALTER_RENAME; A->new_name = sq_name_of(P, M); }
stmt(A) ::= ALTER(T) VIEW if_exists(I) name(N) AS query(Q).   { A = sq_stmt_new(P, SQ_S_ALTER_VIEW, T); A->if_exists = I; A->name = sq_name_of(P, N); A->query = Q; }

/* ---- statements: the rest ---- */

stmt(A) ::= CREATE(T) DATABASE(K) if_not_exists(I) name(N) opt_comment(C) opt_with(L). {
    A = sq_stmt_new(P, SQ_S_CREATE_DATABASE, T); A->at = sq_tok_span(P, K); A->if_not_exists = I; A->name = sq_name_of(P, N);
    if (C)
        A->text = sq_tok_str(P, C);
    A->options = sq_plist_flat(P, L, sizeof(struct sq_kv), &A->noptions);
}
stmt(A) ::= CREATE(T) CATALOG(K) if_not_exists(I) name(N) opt_comment(C) opt_with(L). {
    A = sq_stmt_new(P, SQ_S_CREATE_CATALOG, T); A->at = sq_tok_span(P, K); A->if_not_exists = I; A->name = sq_name_of(P, N);
    if (C)
        A->text = sq_tok_str(P, C);
    A->options = sq_plist_flat(P, L, sizeof(struct sq_kv), &A->noptions);
}
stmt(A) ::= CREATE(T) replace(R) temporary(M) FUNCTION(K) if_not_exists(I) name(N) AS STRING(S) language(L) jars(J). {
    A = sq_stmt_new(P, SQ_S_CREATE_FUNCTION, T); A->at = sq_tok_span(P, K); A->temporary = M; A->if_not_exists = I; A->name = sq_name_of(P, N); A->text = sq_tok_str(P, S);
    if (R)
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, R), "CREATE OR REPLACE FUNCTION does not exist");
    if (L)
        J = sq_plist_put(P, J, L);
    A->options = sq_plist_flat(P, J, sizeof(struct sq_kv), &A->noptions);
}
%type language {struct sq_kv *}
language(A) ::= .                                             { A = NULL; }
language(A) ::= LANGUAGE(K) ID(V).                            { A = sq_kv_new(P, K, V); A->key = SQ_STR("language"); A->value = sq_tok_upper(P, V); }
%type jars {struct sq_plist *}
jars(A) ::= .                                                 { A = NULL; }
jars(A) ::= USING jar(K).                                     { A = sq_plist_put(P, NULL, K); }
jars(A) ::= jars(B) COMMA jar(K).                             { A = sq_plist_put(P, B, K); }
%type jar {struct sq_kv *}
jar(A) ::= JAR(K) STRING(V).                                  { A = sq_kv_new(P, K, V); A->key = SQ_STR("jar"); }

stmt(A) ::= SET(T).                                           { A = sq_stmt_new(P, SQ_S_SET, T); }
stmt(A) ::= SET(T) kv(K).                                     { A = sq_stmt_new(P, SQ_S_SET, T); A->options = K; A->noptions = 1; }
stmt(A) ::= RESET(T).                                         { A = sq_stmt_new(P, SQ_S_RESET, T); }
stmt(A) ::= RESET(T) STRING(K).                               { A = sq_stmt_new(P, SQ_S_RESET, T); A->options = sq_kv_new(P, K, NULL); A->noptions = 1; }
stmt(A) ::= USE(T) name(N).                                   { A = sq_stmt_new(P, SQ_S_USE, T); A->object = SQ_O_DATABASE; A->name = sq_name_of(P, N); }
stmt(A) ::= USE(T) CATALOG name(N).                           { A = sq_stmt_new(P, SQ_S_USE, T); A->object = SQ_O_CATALOG; A->name = sq_name_of(P, N); }
stmt(A) ::= describe(T) name(N).                              { A = sq_stmt_new(P, SQ_S_DESCRIBE, T); A->name = sq_name_of(P, N); }
stmt(A) ::= describe(T) EXTENDED name(N).                     { A = sq_stmt_new(P, SQ_S_DESCRIBE, T); A->name = sq_name_of(P, N); }   /* FLINK: EXTENDED shows the same */
%type describe {const struct sq_token *}
describe(A) ::= DESCRIBE(T).                                  { A = T; }
describe(A) ::= DESC(T).                                      { A = T; }

%type stop {struct sq_ast_stmt *}
stmt(A) ::= stop(B).                                          { A = B; }
stop(A) ::= STOP(T) JOB STRING(S).                            { A = sq_stmt_new(P, SQ_S_STOP_JOB, T); A->text = sq_tok_str(P, S); A->name.span = sq_tok_span(P, S); }
stop(A) ::= stop(B) WITH DRAIN.                               { A = B; A->drain = true; }
stop(A) ::= stop(B) WITH SAVEPOINT.                           { A = B; A->savepoint = true; }
stop(A) ::= stop(B) WITH SAVEPOINT STRING(S).                 { A = B; A->savepoint = true; A->savepoint_path = sq_tok_str(P, S); A->savepoint_span = sq_tok_span(P, S); }

%type explain {struct sq_ast_stmt *}
stmt(A) ::= EXPLAIN(T) explain(B).                            { A = B; A->at = sq_tok_span(P, T); A->span = sq_span_from(P, AT(T)); }
explain(A) ::= explain_what(S).                               { A = sq_stmt_new(P, SQ_S_EXPLAIN, P->tokens); A->explained = S; }
explain(A) ::= PLAN FOR explain_what(S).                      { A = sq_stmt_new(P, SQ_S_EXPLAIN, P->tokens); A->explained = S; }
explain(A) ::= details(L) explain_what(S).                    { A = sq_stmt_new(P, SQ_S_EXPLAIN, P->tokens); A->explained = S; A->explain_details = sq_plist_flat(P, L, sizeof(struct sq_str), &A->nexplain); }
%type explain_what {struct sq_ast_stmt *}
explain_what(A) ::= explainable(S).                           { A = S; }
explain_what(A) ::= CREATE(T) replace(R) temporary(M) TABLE(K) if_not_exists(I) name(N) table_body(B) table_clauses(C) AS query(Q). {
    A = sq_stmt_new(P, SQ_S_CREATE_TABLE, T);
    A->at = sq_tok_span(P, K);
    A->table = C;
    A->name = C->name = sq_name_of(P, N);
    A->temporary = C->temporary = M;
    A->if_not_exists = C->if_not_exists = I;
    C->or_replace = R != NULL;
    C->as = Q;
    sq_table_elems(P, C, B, true);
}
%type details {struct sq_plist *}
details(A) ::= detail(D).                                     { A = sq_plist_put(P, NULL, D); }
details(A) ::= details(B) COMMA detail(D).                    { A = sq_plist_put(P, B, D); }
%type detail {struct sq_str *}
detail(A) ::= ID(T).                                          { A = NEW(P, struct sq_str); *A = sq_explain_detail(P, T); }

%type show {struct sq_ast_stmt *}
stmt(A) ::= show(B).                                          { A = B; }
show(A) ::= SHOW(T) ID(W).                                    { A = sq_stmt_show(P, T, W, NULL); }
show(A) ::= SHOW(T) ID(W) STRING(S).                          { A = sq_stmt_show(P, T, W, NULL); sq_show_like(P, A, NULL, S, false); }
show(A) ::= SHOW(T) CURRENT(C) ID(W).                         { A = sq_stmt_show(P, T, C, W); }
show(A) ::= SHOW(T) CURRENT(C) DATABASE(W).                   { A = sq_stmt_show(P, T, C, W); }
show(A) ::= SHOW(T) CURRENT(C) CATALOG(W).                    { A = sq_stmt_show(P, T, C, W); }
show(A) ::= SHOW(T) CREATE(C) TABLE(W) name(N).               { A = sq_stmt_show(P, T, C, W); A->name = sq_name_of(P, N); }
show(A) ::= SHOW(T) CREATE(C) VIEW(W) name(N).                { A = sq_stmt_show(P, T, C, W); A->name = sq_name_of(P, N); }
stmt(A) ::= show(B) show_from(T) name(N).                     { A = B; sq_show_from(P, A, T, N); }
stmt(A) ::= show(B) show_like(T) STRING(S).                   { A = B; sq_show_like(P, A, T, S, T->code == SQ_TK_NOT_OP); }
stmt(A) ::= show(B) show_from(F) name(N) show_like(T) STRING(S). { A = B; sq_show_from(P, A, F, N); sq_show_like(P, A, T, S, T->code == SQ_TK_NOT_OP); }
%type show_from {const struct sq_token *}
show_from(A) ::= FROM(T).                                     { A = T; }
show_from(A) ::= IN(T).                                       { A = T; }
%type show_like {const struct sq_token *}
show_like(A) ::= LIKE(T).                                     { A = T; }
show_like(A) ::= NOT_OP(T) LIKE.                              { A = T; }

/* ---- what the driver asks of the automaton ---- */

%code {
void *sq_grammar_new(struct sq_parse *P)
{
    yyParser *p = sq_alloc(P->ctx, sizeof(yyParser));

    if (p)
        sq_grammarInit(p, P);
    return p;
}

void sq_grammar_delete(struct sq_parse *P, void *p)
{
    sq_free(P->ctx, p);   /* nothing on its stack owns anything */
}

void sq_grammar_feed(void *p, int code, const struct sq_token *t)
{
    sq_grammar(p, code, t);
}

int sq_grammar_tokens(void)
{
    return YYNTOKEN;
}

/* The stack as it would be: the real one up to `keep`, and states pushed since. */
struct what_if {
    yyParser *p;
    int keep;                        /* index of the topmost real entry that is left */
    int pushed;
    int state[256];
};

static int action(int code, int state)   /* as yy_find_shift_action, but a missing token is only what the default says */
{
    int i;

    if (state > YY_MAX_SHIFT)
        return state;
    i = yy_shift_ofst[state] + code;
    return yy_lookahead[i] == code ? yy_action[i] : yy_default[state];
}

static int what_if_top(const struct what_if *w)
{
    return w->pushed ? w->state[w->pushed - 1] : w->p->yystack[w->keep].stateno;
}

static bool what_if_push(struct what_if *w, int act)
{
    if (w->pushed == (int)SQ_LEN(w->state))
        return false;
    if (act > YY_MAX_SHIFT && act <= YY_MAX_SHIFTREDUCE)
        act += YY_MIN_REDUCE - YY_MIN_SHIFTREDUCE;
    w->state[w->pushed++] = act;
    return true;
}

static bool what_if_shift(struct what_if *w, int code)
{
    for (;;) {
        int act = action(code, what_if_top(w));

        if (act >= YY_MIN_REDUCE && act <= YY_MAX_REDUCE) {
            int rule = act - YY_MIN_REDUCE, n = -yyRuleInfoNRhs[rule];

            while (n > 0 && w->pushed)
                w->pushed--, n--;
            w->keep -= n;
            act = yy_find_reduce_action((YYACTIONTYPE)what_if_top(w), yyRuleInfoLhs[rule]);
            if (!what_if_push(w, act))
                return false;
        } else if (act <= YY_MAX_SHIFTREDUCE) {
            return what_if_push(w, act);
        } else {
            return act == YY_ACCEPT_ACTION && code == 0;
        }
    }
}

bool sq_grammar_accepts(void *raw, int first, int second, int second2)
{
    struct what_if w;

    w.p = raw;
    w.keep = (int)(w.p->yytos - w.p->yystack);
    w.pushed = 0;
    if (!what_if_shift(&w, first))
        return false;
    if (second < 0 || first == 0)
        return true;
    if (second2 < 0)
        return what_if_shift(&w, second);
    {
        struct what_if again = w;
        return what_if_shift(&w, second) || what_if_shift(&again, second2);
    }
}
}
