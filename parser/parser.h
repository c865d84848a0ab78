/* SPDX-License-Identifier: Apache-2.0
 *
 * parser.h: from text to AST and back.
 */
#ifndef SQ_PARSER_PARSER_H
#define SQ_PARSER_PARSER_H

#include "parser/ast.h"

/* Parses the next statement of text from *at on. On SQ_OK, *stmt is the statement (NULL: only blanks, comments and ';' were
 * left) and *at stands behind its ';'. On SQ_SYNTAX the context's error has the span in `text`, what was found, what
 * was expected, and a suggestion; *at then stands behind the next ';' outside quotes and comments (or at the end).
 * `complete`, where not NULL, is set false when the text ended inside the statement (a shell then asks for more): inside quotes or a comment,
 * where more was expected, or behind a whole statement that has no ';' yet (which is returned nevertheless).
 * Where the text ends too early, the error's span is one byte long and begins where the last token ends, maybe at the end of the text.
 * Text must be valid UTF-8 (else SQ_SYNTAX at the bad byte); brackets are nested at most 200 deep, an AST is at most 1,000 levels high (chains
 * of operators count), a type 100 (SQ_LIMIT); a statement has at most 16 MB. */
sq_rc sq_parse(struct sq_ctx *, struct sq_arena *, struct sq_str text, uint32_t *at, struct sq_ast_stmt **stmt, bool *complete);

/* One expression or one type, the whole text: for tests and the test runner's column lists. */
sq_rc sq_parse_expr(struct sq_ctx *, struct sq_arena *, struct sq_str text, struct sq_ast_expr **);
sq_rc sq_parse_type(struct sq_ctx *, struct sq_arena *, struct sq_str text, const struct sq_type **);

/* Prints as SQL, one line (statements of tables over several). Parses back to the same AST. */
sq_rc sq_unparse_stmt(struct sq_buf *, const struct sq_ast_stmt *);
sq_rc sq_unparse_query(struct sq_buf *, const struct sq_ast_query *);
sq_rc sq_unparse_expr(struct sq_buf *, const struct sq_ast_expr *);
/* A name, in back-quotes where it would not read back otherwise. */
sq_rc sq_unparse_ident(struct sq_buf *, struct sq_str);
sq_rc sq_unparse_string(struct sq_buf *, struct sq_str);   /* 'it''s' */

/* Calls fn for the expression and everything below it that is part of the same query level (subqueries are not entered),
 * parents first; stops when fn returns false. */
bool sq_ast_walk(struct sq_ast_expr *, bool (*fn)(void *, struct sq_ast_expr *), void *);
const char *sq_unit_name(int unit);      /* "DAY" */
const char *sq_ast_op_name(int op);      /* ">=" */

/* Writes "file:line:col: error: msg", the line of text, and a caret line with the hint; no newline at the end. Line and column count from 1, columns in code
 * points. Used by the library to make the text of an error; `file` may be NULL. */
sq_rc sq_render_error(struct sq_buf *, const struct sq_error *, const char *file, struct sq_str text, uint32_t first_line);
void sq_line_col(struct sq_str text, uint32_t at, uint32_t *line, uint32_t *col);

/* The reserved and known words, for completion and did-you-mean. Returns how many; *words is a constant table. */
size_t sq_keywords(const struct sq_str **words);

#endif
