/* SPDX-License-Identifier: Apache-2.0
 *
 * diag.c: what to say about a token that the grammar refused.
 *
 * The parser runs again over the tokens before it, and is then asked for every token whether it could stand there: that is the list of
 * what was expected, put in human words. A suggestion is only made after it was tried: each of the last words is replaced by the nearest
 * keyword that could stand in its place, and the parse must get beyond the error with it.
 */
#include "parser/internal.h"
#include "parser/grammar.h"

#include <stdio.h>

enum { CODES = 256, WORDS = 5 };

struct expected { bool code[CODES]; };

static void trial(struct sq_parse *T, const struct sq_parse *P)
{
    *T = *P;
    T->quiet = true;
    T->rc = SQ_OK;
    T->syntax = T->overflow = false;
}

/* What could stand in the place of token i. False: the tokens before it do not parse. */
static bool expected_at(const struct sq_parse *P, int start, uint32_t i, struct expected *e)
{
    struct sq_parse T;
    void *automaton;

    trial(&T, P);
    memset(e, 0, sizeof *e);
    if (sq_parse_run(&T, start, i, &automaton) != SQ_OK || !automaton)
        return false;
    SQ_ASSERT(sq_grammar_tokens() <= CODES);
    for (int c = 0; c < sq_grammar_tokens() && c < CODES; c++)
        e->code[c] = sq_grammar_accepts(automaton, c, -1, -1);
    sq_grammar_delete(&T, automaton);
    return true;
}

/* How far the parse gets when token i is `code`. */
static uint32_t reach(const struct sq_parse *P, int start, uint32_t i, uint16_t code)
{
    struct sq_token old = P->tokens[i];
    struct sq_parse T;
    sq_rc rc;

    trial(&T, P);
    P->tokens[i].code = code;
    P->tokens[i].flags = 0;          /* taken as it is */
    rc = sq_parse_run(&T, start, 0, NULL);
    P->tokens[i] = old;
    return rc == SQ_SYNTAX || rc == SQ_OK ? (rc == SQ_OK ? P->ntokens + 1 : T.feeding) : 0;
}

/* ---- the list ---- */

static const struct { uint16_t code; const char *text; } signs[] = {
    {SQ_TK_COMMA, "','"}, {SQ_TK_RP, "')'"}, {SQ_TK_RB, "']'"}, {SQ_TK_EQ, "'='"}, {SQ_TK_LP, "'('"}, {SQ_TK_STAR, "'*'"}, {SQ_TK_GT, "'>'"},
    {SQ_TK_LT, "'<'"}, {SQ_TK_SEMICOLON, "';'"}, {SQ_TK_LB, "'['"}, {SQ_TK_PLUS, "'+'"}, {SQ_TK_MINUS, "'-'"},
};

/* Keywords in the order in which they are worth naming. */
static const uint16_t order[] = {
    SQ_TK_FROM, SQ_TK_INTO, SQ_TK_OVERWRITE, SQ_TK_TABLE, SQ_TK_VIEW, SQ_TK_AS, SQ_TK_ON, SQ_TK_USING, SQ_TK_BY, SQ_TK_WHEN, SQ_TK_THEN, SQ_TK_ELSE, SQ_TK_END,
    SQ_TK_SET, SQ_TK_BEGIN, SQ_TK_JOIN, SQ_TK_WHERE, SQ_TK_GROUP, SQ_TK_ORDER, SQ_TK_LIMIT, SQ_TK_AND, SQ_TK_WITH, SQ_TK_SELECT, SQ_TK_VALUES, SQ_TK_INSERT,
};

struct list { const char *item[WORDS + 1]; char word[WORDS + 1][24]; int n; bool more; };

static void add(struct list *l, const char *text)
{
    if (l->n < WORDS)
        l->item[l->n++] = text;
    else
        l->more = true;
}

static void take(struct expected *e, const uint16_t *codes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        e->code[codes[i]] = false;
}
#define TAKE(e, ...) take((e), (const uint16_t[]){__VA_ARGS__}, SQ_LEN(((const uint16_t[]){__VA_ARGS__})))

static const char *name_word(const struct sq_parse *P, uint32_t bad)
{
    int before = bad ? P->tokens[bad - 1].code : 0;

    switch (before) {
    case SQ_TK_FROM: case SQ_TK_JOIN: case SQ_TK_INTO: case SQ_TK_TABLE: case SQ_TK_OVERWRITE: case SQ_TK_DESCRIBE:
        return "a table's name";
    case SQ_TK_VIEW:
        return "a view's name";
    default:
        return "a name";
    }
}

/* Whole families of tokens are one word: an expression, an operator, a statement. */
static void add_families(const struct sq_parse *P, struct expected *e, struct list *l, uint32_t bad)
{
    bool value = e->code[SQ_TK_ID] && e->code[SQ_TK_NUMBER] && e->code[SQ_TK_CASE];

    if (e->code[SQ_TK_SELECT] && e->code[SQ_TK_CREATE] && e->code[SQ_TK_INSERT]) {
        memset(e, 0, sizeof *e);
        add(l, "a statement");
        return;
    }
    if (e->code[SQ_TK_SELECT] && e->code[SQ_TK_VALUES] && !e->code[SQ_TK_INSERT]) {
        bool names = e->code[SQ_TK_ID] && !value;
        TAKE(e, SQ_TK_SELECT, SQ_TK_VALUES, SQ_TK_WITH, SQ_TK_TABLE);
        if (!value && !names)
            TAKE(e, SQ_TK_LP);
        add(l, value ? "a query" : "SELECT");
    }
    if (e->code[SQ_TK_MULTISET] && e->code[SQ_TK_INTERVAL] && !value) {
        TAKE(e, SQ_TK_ID, SQ_TK_MULTISET, SQ_TK_INTERVAL, SQ_TK_ARRAY, SQ_TK_MAP, SQ_TK_ROW);
        add(l, "a type");
    }
    if (value) {
        TAKE(e, SQ_TK_ID, SQ_TK_NUMBER, SQ_TK_STRING, SQ_TK_HEX, SQ_TK_TRUE, SQ_TK_FALSE, SQ_TK_NULL, SQ_TK_CASE, SQ_TK_CAST, SQ_TK_TRY_CAST, SQ_TK_EXISTS,
             SQ_TK_LP, SQ_TK_NOT, SQ_TK_PLUS, SQ_TK_MINUS, SQ_TK_INTERVAL, SQ_TK_DATE, SQ_TK_TIME, SQ_TK_TIMESTAMP, SQ_TK_ROW, SQ_TK_ARRAY, SQ_TK_MAP,
             SQ_TK_QUESTION, SQ_TK_POSITION, SQ_TK_DESCRIPTOR, SQ_TK_BOTH, SQ_TK_LEADING, SQ_TK_TRAILING, SQ_TK_UNBOUNDED, SQ_TK_CURRENT, SQ_TK_ALL,
             SQ_TK_DISTINCT, SQ_TK_HINT);
        add(l, "an expression");
    }
    if (e->code[SQ_TK_ID] && !e->code[SQ_TK_AS]) {
        add(l, name_word(P, bad));
        if (e->code[SQ_TK_LP] && e->code[SQ_TK_LATERAL])
            TAKE(e, SQ_TK_LP, SQ_TK_LATERAL, SQ_TK_UNNEST, SQ_TK_TABLE);
    }
    TAKE(e, SQ_TK_ID);
    if (e->code[SQ_TK_STRING])
        add(l, "a string");
    if (e->code[SQ_TK_NUMBER])
        add(l, "a number");
    TAKE(e, SQ_TK_STRING, SQ_TK_NUMBER);
}

static void add_words(struct expected *e, struct list *l)
{
    static const uint16_t operators[] = {SQ_TK_PLUS, SQ_TK_MINUS, SQ_TK_STAR, SQ_TK_SLASH, SQ_TK_PERCENT, SQ_TK_CONCAT, SQ_TK_EQ, SQ_TK_NE, SQ_TK_LT, SQ_TK_GT,
                                         SQ_TK_LE, SQ_TK_GE, SQ_TK_OR, SQ_TK_IS, SQ_TK_IS_D, SQ_TK_IN, SQ_TK_LIKE, SQ_TK_SIMILAR, SQ_TK_BETWEEN,
                                         SQ_TK_NOT_OP, SQ_TK_LB, SQ_TK_DOT, SQ_TK_AT};
    bool operator = e->code[SQ_TK_PLUS] && e->code[SQ_TK_SLASH], end = e->code[0];

    if (operator) {
        bool only_and = e->code[SQ_TK_AND] && !e->code[SQ_TK_OR];
        take(e, operators, SQ_LEN(operators));
        TAKE(e, SQ_TK_LP, SQ_TK_FILTER, SQ_TK_OVER, SQ_TK_WITHIN, SQ_TK_IGNORE, SQ_TK_RESPECT);
        if (!only_and)
            TAKE(e, SQ_TK_AND);
    }
    for (size_t i = 0; i < SQ_LEN(signs); i++)
        if (e->code[signs[i].code]) {
            add(l, signs[i].text);
            e->code[signs[i].code] = false;
        }
    if (end && l->n < 2)
        add(l, "';'");
    for (size_t i = 0; i < SQ_LEN(order) + CODES; i++) {
        int code = i < SQ_LEN(order) ? order[i] : (int)(i - SQ_LEN(order));
        const struct sq_keyword *k = code && e->code[code] ? sq_keyword_of_code(code) : NULL;

        if (!k)
            continue;
        e->code[code] = false;
        if (l->n < WORDS)
            snprintf(l->word[l->n], sizeof l->word[0], "%.*s", SQ_FMT(k->word));
        add(l, l->word[l->n < WORDS ? l->n : 0]);
    }
    if (operator && l->n < WORDS - 1)
        add(l, "an operator");
    if (end && l->n >= 2 && l->n < WORDS && !l->more)
        add(l, "';'");
}

static void print_list(const struct list *l, char *out, size_t size)
{
    size_t n = 0;

    out[0] = 0;
    for (int i = 0; i < l->n && n < size; i++) {
        const char *sep = i == 0 ? "" : i + 1 < l->n ? ", " : " or ";
        n += (size_t)snprintf(out + n, size - n, "%s%s", sep, l->item[i]);
    }
}

/* ---- hints ---- */

static bool try_word(struct sq_parse *P, int start, uint32_t bad, uint32_t i)
{
    const struct sq_token *t = &P->tokens[i];
    struct sq_str word = sq_tok_raw(P, t), list[CODES], near;
    uint16_t codes[CODES];
    struct expected e;
    size_t n = 0;

    if ((t->code != SQ_TK_ID && !(t->flags & SQ_TOKEN_WORD)) || (t->flags & SQ_TOKEN_QUOTED) || word.n < 2 || !expected_at(P, start, i, &e))
        return false;
    for (int c = 1; c < CODES; c++) {
        const struct sq_keyword *k = e.code[c] && c != t->code ? sq_keyword_of_code(c) : NULL;
        if (k) {
            list[n] = k->word;
            codes[n++] = k->code;
        }
    }
    near = sq_nearest(word, list, n);
    for (size_t k = 0; near.n && k < n; k++)
        if (sq_str_eq(list[k], near) && reach(P, start, i, codes[k]) > bad) {
            if (i != bad) {
                P->ctx->err.span = sq_tok_span(P, t);
                snprintf(P->ctx->err.msg, sizeof P->ctx->err.msg, "unexpected '%.*s'", SQ_FMT(word));
            }
            sq_parse_hint(P, "did you mean %.*s?", SQ_FMT(near));
            return true;
        }
    return false;
}

/* The innermost bracket that is open before token i, or ntokens. */
static uint32_t open_bracket(const struct sq_parse *P, uint32_t i)
{
    uint32_t depth = 0;

    while (i-- > 0) {
        if (P->tokens[i].code == SQ_TK_RP)
            depth++;
        else if (P->tokens[i].code == SQ_TK_LP && depth-- == 0)
            return i;
    }
    return P->ntokens;
}

/* A reserved word where a name is meant: the parse gets well beyond it when it is one. */
static bool reserved_hint(struct sq_parse *P, int start, uint32_t bad, const struct expected *e)
{
    const struct sq_token *t = &P->tokens[bad];
    struct sq_str raw = sq_tok_raw(P, t);
    static const uint16_t structure[] = {SQ_TK_SELECT, SQ_TK_FROM, SQ_TK_WHERE, SQ_TK_AND, SQ_TK_OR, SQ_TK_NOT, SQ_TK_ON, SQ_TK_AS, SQ_TK_IN, SQ_TK_IS, SQ_TK_BY,
                                         SQ_TK_THEN, SQ_TK_WHEN, SQ_TK_ELSE, SQ_TK_UNION, SQ_TK_JOIN, SQ_TK_NULL, SQ_TK_HAVING, SQ_TK_WITH, SQ_TK_BETWEEN, SQ_TK_LIKE};

    if (!(t->flags & SQ_TOKEN_RESERVED) || !e->code[SQ_TK_ID])
        return false;
    for (size_t i = 0; i < SQ_LEN(structure); i++)
        if (t->code == structure[i])
            return false;
    if (reach(P, start, bad, SQ_TK_ID) <= bad + 1)
        return false;
    sq_parse_hint(P, "%.*s is a reserved word; as a name write `%.*s`", SQ_FMT(raw), SQ_FMT(raw));
    return true;
}

static void hints(struct sq_parse *P, int start, uint32_t bad, const struct expected *e)
{
    const struct sq_token *t = &P->tokens[bad], *before = bad ? t - 1 : NULL;
    bool word = t->code == SQ_TK_ID || (t->flags & SQ_TOKEN_WORD);
    uint32_t open;

    for (uint32_t back = 0; back < 3 && back <= bad; back++)
        if (bad - back < P->ntokens && try_word(P, start, bad, bad - back))
            return;
    if (bad < P->ntokens && reserved_hint(P, start, bad, e))
        return;
    if (before && bad > 1 && word && before[-1].code == SQ_TK_WITH && sq_str_iis(sq_tok_raw(P, before), "RECURSIVE"))
        sq_parse_hint(P, "queries that name themselves (RECURSIVE) are not supported");
    else if (t->code == SQ_TK_NUMBER && before && before->code == SQ_TK_INTERVAL)
        sq_parse_hint(P, "intervals are written INTERVAL '%.*s' SECOND", SQ_FMT(sq_tok_raw(P, t)));
    else if (before && before->code == SQ_TK_COMMA && !word && (t->code == SQ_TK_RP || bad == P->ntokens))
        sq_parse_hint(P, "there is a ',' too many before it");
    else if (before && before->code == SQ_TK_COMMA && (t->code == SQ_TK_FROM || t->code == SQ_TK_WHERE || t->code == SQ_TK_GROUP || t->code == SQ_TK_ORDER))
        sq_parse_hint(P, "there is a ',' too many before it");
    else if (t->code == SQ_TK_EQ && before && before->code == SQ_TK_EQ)
        sq_parse_hint(P, "equality is written with one '='");
    else if (t->code == SQ_TK_STRING && !e->code[SQ_TK_STRING] && e->code[SQ_TK_ID])
        sq_parse_hint(P, "names are quoted with `back-quotes`, strings with 'single quotes'");
    else if (word && e->code[SQ_TK_STRING] && !e->code[SQ_TK_ID])
        sq_parse_hint(P, "strings are in single quotes: '%.*s'", SQ_FMT(sq_tok_raw(P, t)));
    else if (t->code == SQ_TK_NUMBER && e->code[SQ_TK_STRING] && !e->code[SQ_TK_NUMBER])
        sq_parse_hint(P, "values of options are strings: '%.*s'", SQ_FMT(sq_tok_raw(P, t)));
    else if (t->code == SQ_TK_RP && open_bracket(P, bad) == P->ntokens)
        sq_parse_hint(P, "no '(' is open here");
    else if (t->code == SQ_TK_HINT)
        sq_parse_hint(P, "a hint stands behind SELECT or behind a table's name");
    else if (e->code[SQ_TK_RP] && (open = open_bracket(P, bad)) < P->ntokens && bad < P->ntokens) {
        uint32_t line, col;
        sq_line_col(P->text, P->tokens[open].at, &line, &col);
        if (line > 1)
            sq_parse_hint(P, "a '(' is open since line %u of the statement", line);
    }
}

/* JSON_VALUE(x, '$.a' RETURNING INT NULL ON EMPTY) and its like: known, and not there. */
static bool json_clause(struct sq_parse *P, uint32_t bad)
{
    static const char *const words[] = {"RETURNING", "DEFAULT", "ERROR", "NULL", "WITH", "WITHOUT", "KEY", "VALUE", "ABSENT", "TRUE", "FALSE", "UNKNOWN", "EMPTY"};
    uint32_t open = open_bracket(P, bad);
    struct sq_str name, raw = sq_tok_raw(P, &P->tokens[bad]);

    if (open == 0 || open >= P->ntokens || bad >= P->ntokens)
        return false;
    name = sq_tok_raw(P, &P->tokens[open - 1]);
    if (name.n < 6 || !sq_str_iis((struct sq_str){name.p, 5}, "JSON_"))
        return false;
    for (uint32_t back = 0; back < 2; back++, raw = sq_tok_raw(P, &P->tokens[bad - 1]))
        for (size_t i = 0; i < SQ_LEN(words); i++)
            if (sq_str_iis(raw, words[i])) {
                sq_parse_fail(P, SQ_UNSUPPORTED, (struct sq_span){P->base + (uint32_t)(raw.p - P->text.p), raw.n},
                              "the clause %s of %.*s is not supported", words[i], SQ_FMT(name));
                return true;
            }
    return false;
}

/* A string that runs over lines shortly before the error: its quote is what is missing. */
static void open_string_hint(struct sq_parse *P, uint32_t bad)
{
    for (uint32_t back = 0; back < 3 && back <= bad; back++) {
        const struct sq_token *t = &P->tokens[bad - back];
        uint32_t line, col;

        if (t->code != SQ_TK_STRING || !memchr(P->text.p + t->at, '\n', t->len))
            continue;
        sq_line_col(P->text, t->at, &line, &col);
        if (back == 0)   /* it begins where the string before it was to end */
            sq_parse_hint(P, "is the closing quote of a string before it missing?");
        else
            sq_parse_hint(P, "is the closing quote of the string in line %u of the statement missing?", line);
        return;
    }
}

/* ---- damaged tokens ---- */

static sq_rc damaged(struct sq_parse *P, const struct sq_token *t)
{
    struct sq_str raw = sq_tok_raw(P, t);
    struct sq_span span = sq_tok_span(P, t), start = {span.at, 1};

    switch (t->code) {
    case SQ_LEX_OPEN_STRING:
        sq_parse_fail(P, SQ_SYNTAX, start, "this string has no closing quote");
        sq_parse_hint(P, "a quote inside a string is doubled: 'it''s'");
        break;
    case SQ_LEX_OPEN_NAME:
        sq_parse_fail(P, SQ_SYNTAX, start, "this name has no closing back-quote");
        break;
    case SQ_LEX_OPEN_COMMENT:
        sq_parse_fail(P, SQ_SYNTAX, (struct sq_span){span.at, 2}, "this comment is never closed with */");
        break;
    case SQ_LEX_DOUBLE_QUOTED:
        if (raw.n < 2 || raw.p[raw.n - 1] != '"')
            span = start;
        sq_parse_fail(P, SQ_SYNTAX, span, "double quotes are not used here");
        sq_parse_hint(P, "names are quoted with `back-quotes`, strings with 'single quotes'");
        break;
    case SQ_LEX_UNICODE_STRING:
        sq_parse_fail(P, SQ_UNSUPPORTED, span, "strings of the form U&'...' are not supported");
        sq_parse_hint(P, "write the characters themselves, in UTF-8");
        break;
    case SQ_LEX_BAD_NUMBER:
        sq_parse_fail(P, SQ_SYNTAX, span, "'%.*s' is neither a number nor a name", SQ_FMT(raw));
        sq_parse_hint(P, "a name that begins with a digit is written in `back-quotes`");
        break;
    case SQ_LEX_BAD_HEX:
        sq_parse_fail(P, SQ_SYNTAX, span, "a binary string takes pairs of hexadecimal digits: X'0aff'");
        break;
    case SQ_LEX_EMPTY_NAME:
        sq_parse_fail(P, SQ_SYNTAX, span, "a name cannot be empty");
        break;
    case SQ_LEX_TYPOGRAPHIC:
        sq_parse_fail(P, SQ_SYNTAX, span, "a typographic quote, dash or blank, as word processors make them");
        sq_parse_hint(P, "replace it by the plain character: ' ` - or a space");
        break;
    case SQ_LEX_COLONS:
        sq_parse_fail(P, SQ_SYNTAX, span, "unexpected '::'");
        sq_parse_hint(P, "a cast is written CAST(x AS type)");
        break;
    default:
        if ((unsigned char)raw.p[0] < 0x20 || raw.p[0] == 0x7f)
            sq_parse_fail(P, SQ_SYNTAX, span, "unexpected control character 0x%02x", (unsigned char)raw.p[0]);
        else
            sq_parse_fail(P, SQ_SYNTAX, span, "unexpected '%.*s'", SQ_FMT(raw));
        if (raw.p[0] == '&')
            sq_parse_hint(P, "write AND");
        else if (raw.p[0] == '|')
            sq_parse_hint(P, "write OR, or || to join strings");
        else if (raw.p[0] == '!')
            sq_parse_hint(P, "write NOT, or <> for unequal");
        else if (raw.p[0] == '$' || raw.p[0] == '{')
            sq_parse_hint(P, "variables are not filled in here");
    }
    return P->rc;
}

/* ---- entry point ---- */

sq_rc sq_parse_explain(struct sq_parse *P, int start, uint32_t bad)
{
    const struct sq_token *t = &P->tokens[bad];
    struct expected e, left;
    struct list l = {.n = 0};
    struct sq_span span = sq_tok_span(P, t);
    char expected[256];
    uint32_t open = open_bracket(P, bad);
    struct sq_str raw = sq_tok_raw(P, t);
    bool known;

    if (t->code >= SQ_LEX_END && bad < P->ntokens)
        return damaged(P, t);
    if (json_clause(P, bad))
        return P->rc;
    known = expected_at(P, start, bad, &e);
    if (known) {
        left = e;
        add_families(P, &left, &l, bad);
        add_words(&left, &l);
    }
    print_list(&l, expected, sizeof expected);
    if (bad == P->ntokens && known && e.code[SQ_TK_RP] && open < P->ntokens) {
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, &P->tokens[open]), "this '(' is never closed");
        hints(P, start, bad, &e);
        return P->rc;
    }
    if (bad < P->ntokens && t->code == SQ_TK_MATCH_RECOGNIZE)   /* behind an alias, where it cannot stand either */
        return sq_parse_fail(P, SQ_UNSUPPORTED, span, "MATCH_RECOGNIZE is not supported yet");
    if (bad == P->ntokens) {
        span.len = 1;
        sq_parse_fail(P, SQ_SYNTAX, span, "the statement ends too early%s%s", l.n ? ": expected " : "", expected);
    } else {
        if (raw.n > 40)
            raw = (struct sq_str){"...", 3};
        sq_parse_fail(P, SQ_SYNTAX, span, t->code == SQ_TK_STRING ? "unexpected string %.*s%s%s" : "unexpected '%.*s'%s%s", SQ_FMT(raw), l.n ? ", expected " : "", expected);
    }
    open_string_hint(P, bad);
    if (known)
        hints(P, start, bad, &e);
    return P->rc;
}
