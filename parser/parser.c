/* SPDX-License-Identifier: Apache-2.0
 *
 * parser.c: the driver: finds the extent of a statement, prepares its tokens, and feeds them to the grammar.
 *
 * The extent comes first, so that an error leaves the caller behind the whole statement: up to the ';' outside quotes and comments, and for
 * a statement set up to the ';' behind its END. Then some tokens are joined or renamed where one token of look-ahead would not do
 * (NOT_OP, IS_D, MATCH_RECOGNIZE).
 *
 * Word or keyword: asked of the automaton (classify). A reserved word is the keyword, except behind a '.'; any other is the keyword when the
 * grammar goes on with it and with the next token; else a name when it goes on with that.
 */
#include "parser/internal.h"
#include "parser/grammar.h"

#include "base/text.h"

/* ---- feeding ---- */

static int classify(const struct sq_parse *P, void *automaton, uint32_t i)
{
    const struct sq_token *t = &P->tokens[i], *next = t + 1;
    int n1, n2;

    if (!(t->flags & SQ_TOKEN_WORD))
        return t->code;
    if (i > 0 && P->tokens[i - 1].code == SQ_TK_DOT)
        return SQ_TK_ID;
    if (t->flags & SQ_TOKEN_RESERVED)
        return t->code;
    if ((t->flags & SQ_TOKEN_CLAUSE) && sq_grammar_accepts(automaton, t->code, -1, -1))
        return t->code;
    n1 = next->code == SQ_LEX_END ? 0 : next->code >= SQ_LEX_END ? -1 : next->code;
    n2 = (next->flags & SQ_TOKEN_WORD) && !(next->flags & SQ_TOKEN_RESERVED) ? SQ_TK_ID : -1;
    if (sq_grammar_accepts(automaton, t->code, n1, n2))
        return t->code;
    if (sq_grammar_accepts(automaton, SQ_TK_ID, n1, n2))
        return SQ_TK_ID;
    if (sq_grammar_accepts(automaton, t->code, -1, -1) || !sq_grammar_accepts(automaton, SQ_TK_ID, -1, -1))
        return t->code;
    return SQ_TK_ID;
}

static bool stopped(const struct sq_parse *P)
{
    return P->rc != SQ_OK || P->syntax || P->overflow;
}

sq_rc sq_parse_run(struct sq_parse *P, int start, uint32_t upto, void **left)
{
    void *automaton = sq_grammar_new(P);
    uint32_t i;

    if (left)
        *left = NULL;
    if (!automaton)
        return P->rc = SQ_NOMEM;
    P->nparams = 0;
    P->feeding = 0;
    if (start)
        sq_grammar_feed(automaton, start, &P->tokens[0]);
    for (i = 0; i <= P->ntokens && !stopped(P) && !(left && i == upto); i++) {
        int code = i == P->ntokens ? 0 : classify(P, automaton, i);

        P->feeding = i;
        if (code >= SQ_LEX_END) {
            P->syntax = true;
            break;
        }
        sq_grammar_feed(automaton, code, &P->tokens[i]);
    }
    if (left && !stopped(P)) {
        *left = automaton;
        return SQ_OK;
    }
    sq_grammar_delete(P, automaton);
    if (P->overflow && P->rc == SQ_OK)
        sq_parse_fail(P, SQ_LIMIT, sq_tok_span(P, &P->tokens[P->feeding]), "this statement is nested too deeply");
    return P->rc != SQ_OK ? P->rc : P->syntax ? SQ_SYNTAX : SQ_OK;
}

/* ---- tokens ---- */

static sq_rc push_token(struct sq_parse *P, struct sq_token t)
{
    SQ_TRY(sq_grow(P->ctx, &P->tokens, &P->tokens_cap, (size_t)P->ntokens + 2, sizeof *P->tokens));
    P->tokens[P->ntokens++] = t;
    return SQ_OK;
}

static bool is_word(const struct sq_parse *P, uint32_t i, int code)
{
    return i < P->ntokens && P->tokens[i].code == code;
}

/* How a statement set begins: [EXPLAIN …] [EXECUTE] STATEMENT SET BEGIN, or BEGIN STATEMENT SET. */
static bool begins_set(const struct sq_parse *P)
{
    for (uint32_t i = 0; i < 6 && i + 2 < P->ntokens; i++) {
        if (is_word(P, i, SQ_TK_STATEMENT) && is_word(P, i + 1, SQ_TK_SET) && is_word(P, i + 2, SQ_TK_BEGIN))
            return true;
        if (i == 0 && is_word(P, 0, SQ_TK_BEGIN) && is_word(P, 1, SQ_TK_STATEMENT) && is_word(P, 2, SQ_TK_SET))
            return true;
    }
    return false;
}

static bool ends_set(const struct sq_parse *P)
{
    uint32_t n = P->ntokens;

    return n > 4 && is_word(P, n - 1, SQ_TK_END) && (P->tokens[n - 2].code == SQ_TK_SEMICOLON || P->tokens[n - 2].code == SQ_TK_BEGIN);
}

/* Lexes one statement from *at on; *at moves behind its ';'. *closed: there was one. Token places are in `text` still. */
static sq_rc collect(struct sq_parse *P, struct sq_str text, uint32_t *at, bool *closed)
{
    bool set = false, large = false;

    *closed = false;
    if (*at == 0 && text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)   /* a byte order mark */
        *at = 3;
    for (;;) {
        struct sq_token t = sq_lex(text, at);

        if (t.code == SQ_LEX_END)
            break;
        if (t.code == SQ_TK_SEMICOLON && P->ntokens == 0)
            continue;
        if (t.code == SQ_TK_SEMICOLON) {
            set = set || begins_set(P);
            if (!set || ends_set(P)) {
                *closed = true;
                break;
            }
        }
        if (!large && P->ntokens && t.at + t.len - P->tokens[0].at > SQ_PARSE_BYTES) {
            large = true;
            sq_parse_fail(P, SQ_LIMIT, (struct sq_span){P->tokens[0].at, P->tokens[0].len}, "this statement is longer than %d MB", SQ_PARSE_BYTES >> 20);
        }
        if (!large)
            SQ_TRY(push_token(P, t));
    }
    return P->rc;
}

/* The first byte of text[from, to) that is not UTF-8, or `to`. */
static uint32_t utf8_damage(struct sq_str text, uint32_t from, uint32_t to)
{
    if (sq_utf8_valid(text.p + from, to - from))
        return to;
    while (from < to) {
        unsigned char c = (unsigned char)text.p[from];
        uint32_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

        if (n > to - from || !sq_utf8_valid(text.p + from, n))
            break;
        from += n;
    }
    return from;
}

/* The ')' of the '(' at token i, or ntokens. */
static uint32_t matching(const struct sq_parse *P, uint32_t i)
{
    uint32_t depth = 0;

    for (; i < P->ntokens; i++) {
        if (P->tokens[i].code == SQ_TK_LP)
            depth++;
        else if (P->tokens[i].code == SQ_TK_RP && --depth == 0)
            break;
    }
    return i;
}

static uint16_t renamed(const struct sq_parse *P, uint32_t i)
{
    const struct sq_token *t = &P->tokens[i];
    bool more = i + 1 < P->ntokens;

    if (t->code == SQ_TK_NOT && more) {
        int next = t[1].code;
        if (next == SQ_TK_IN || next == SQ_TK_LIKE || next == SQ_TK_BETWEEN || (next == SQ_TK_SIMILAR && is_word(P, i + 2, SQ_TK_TO)))
            return SQ_TK_NOT_OP;
    }
    if (t->code == SQ_TK_IS && more && (t[1].code == SQ_TK_DISTINCT || (t[1].code == SQ_TK_NOT && is_word(P, i + 2, SQ_TK_DISTINCT))))
        return SQ_TK_IS_D;
    return t->code;
}

/* Joins and renames tokens, checks the nesting, and ends the array. */
static sq_rc prepare(struct sq_parse *P)
{
    uint32_t out = 0, depth = 0;

    for (uint32_t i = 0; i < P->ntokens; i++, out++) {
        struct sq_token t = P->tokens[i];

        t.code = renamed(P, i);
        if (t.code == SQ_TK_MATCH_RECOGNIZE && is_word(P, i + 1, SQ_TK_LP)) {
            uint32_t end = matching(P, i + 1);
            if (end < P->ntokens) {
                t.len = P->tokens[end].at + P->tokens[end].len - t.at;
                i = end;
            }
        } else if (t.code == SQ_TK_LP || t.code == SQ_TK_LB) {
            if (++depth > SQ_PARSE_NESTING)
                return sq_parse_fail(P, SQ_LIMIT, sq_tok_span(P, &P->tokens[i]), "brackets are nested more than %d levels deep", SQ_PARSE_NESTING);
        } else if ((t.code == SQ_TK_RP || t.code == SQ_TK_RB) && depth) {
            depth--;
        }
        P->tokens[out] = t;
    }
    P->ntokens = out;
    P->tokens[out] = (struct sq_token){.code = SQ_LEX_END, .at = out ? P->tokens[out - 1].at + P->tokens[out - 1].len : 0};
    return SQ_OK;
}

/* Copies what the tokens cover to the arena and makes their places relative to it. */
static sq_rc adopt(struct sq_parse *P, struct sq_str text)
{
    const struct sq_token *last = &P->tokens[P->ntokens - 1];
    uint32_t from = P->tokens[0].at;

    P->base = from;
    P->text = sq_str_dup(P->arena, (struct sq_str){text.p + from, last->at + last->len - from});
    if (!P->text.p)
        return P->rc = SQ_NOMEM;
    for (uint32_t i = 0; i < P->ntokens; i++)
        P->tokens[i].at -= from;
    return prepare(P);
}

static sq_rc check_utf8(struct sq_parse *P, struct sq_str text, uint32_t from, uint32_t to)
{
    uint32_t bad = utf8_damage(text, from, to);

    if (bad == to)
        return SQ_OK;
    sq_parse_fail(P, SQ_SYNTAX, (struct sq_span){bad, 1}, "the text is not valid UTF-8: byte 0x%02x", (unsigned char)text.p[bad]);
    sq_parse_hint(P, "save the file as UTF-8");
    return P->rc;
}

static void init(struct sq_parse *P, struct sq_ctx *ctx, struct sq_arena *arena)
{
    memset(P, 0, sizeof *P);
    P->ctx = ctx;
    P->arena = arena;
}

/* ---- entry points ---- */

static sq_rc statement(struct sq_parse *P, bool *at_end)
{
    bool done;
    sq_rc rc = sq_stmt_loose(P, &done);

    *at_end = false;
    if (done)
        return rc;
    rc = sq_parse_run(P, 0, 0, NULL);
    if (rc == SQ_SYNTAX && P->rc == SQ_OK) {
        uint16_t code = P->tokens[P->feeding].code;

        *at_end = P->feeding == P->ntokens || code == SQ_LEX_OPEN_STRING || code == SQ_LEX_OPEN_NAME || code == SQ_LEX_OPEN_COMMENT ||
                  (code == SQ_LEX_DOUBLE_QUOTED && P->feeding + 1 == P->ntokens);
        return sq_parse_explain(P, 0, P->feeding);
    }
    return rc;
}

sq_rc sq_parse(struct sq_ctx *ctx, struct sq_arena *arena, struct sq_str text, uint32_t *at, struct sq_ast_stmt **stmt, bool *complete)
{
    struct sq_parse P;
    uint32_t from = *at;
    bool closed = false, at_end = false;
    sq_rc rc;

    init(&P, ctx, arena);
    *stmt = NULL;
    rc = collect(&P, text, at, &closed);
    if (rc == SQ_OK)
        rc = check_utf8(&P, text, from, *at);
    if (rc == SQ_OK && P.ntokens) {
        rc = adopt(&P, text);
        if (rc == SQ_OK)
            rc = statement(&P, &at_end);
        if (rc == SQ_OK) {
            const struct sq_token *last = &P.tokens[P.ntokens - 1];

            *stmt = P.stmt;
            P.stmt->span = (struct sq_span){P.base, last->at + last->len};
            P.stmt->nparams = P.nparams;
        }
    }
    if (complete)
        *complete = closed || P.ntokens == 0 || (rc != SQ_OK && !at_end);
    sq_free(ctx, P.tokens);
    return rc;
}

/* The whole text as one `start`. */
static sq_rc parse_whole(struct sq_parse *P, struct sq_str text, int start)
{
    uint32_t at = 0;
    sq_rc rc = SQ_OK;

    SQ_TRY(check_utf8(P, text, 0, text.n));
    for (;;) {
        struct sq_token t = sq_lex(text, &at);

        if (t.code == SQ_LEX_END)
            break;
        SQ_TRY(push_token(P, t));
    }
    if (P->ntokens == 0)
        return sq_parse_fail(P, SQ_SYNTAX, (struct sq_span){0, 0}, start == SQ_TK_START_TYPE ? "expected a type" : "expected an expression");
    SQ_TRY(adopt(P, text));
    rc = sq_parse_run(P, start, 0, NULL);
    return rc == SQ_SYNTAX && P->rc == SQ_OK ? sq_parse_explain(P, start, P->feeding) : rc;
}

sq_rc sq_parse_expr(struct sq_ctx *ctx, struct sq_arena *arena, struct sq_str text, struct sq_ast_expr **expr)
{
    struct sq_parse P;
    sq_rc rc;

    init(&P, ctx, arena);
    rc = parse_whole(&P, text, SQ_TK_START_EXPR);
    *expr = rc == SQ_OK ? P.expr : NULL;
    sq_free(ctx, P.tokens);
    return rc;
}

sq_rc sq_parse_type(struct sq_ctx *ctx, struct sq_arena *arena, struct sq_str text, const struct sq_type **type)
{
    struct sq_parse P;
    sq_rc rc;

    init(&P, ctx, arena);
    rc = parse_whole(&P, text, SQ_TK_START_TYPE);
    *type = rc == SQ_OK ? P.type : NULL;
    sq_free(ctx, P.tokens);
    return rc;
}
