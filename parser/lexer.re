/* SPDX-License-Identifier: Apache-2.0
 *
 * lexer.re: one token at a time, by re2c. The text needs no 0 at its end: the generated code looks at bytes through YYPEEK, which gives
 * 0 there. Damage (an open quote, 12abc) is a token of its own, so that whoever only looks for the end of a statement can go on.
 *
 * Names may hold any letter of Unicode; blanks, dashes and quotes that word processors put in are told apart, because a name with a
 * no-break space in it is never what was meant.
 */
#include "parser/internal.h"
#include "parser/grammar.h"

static struct sq_token token(uint32_t code, uint32_t at, uint32_t end)
{
    return (struct sq_token){.code = (uint16_t)code, .at = at, .len = end - at};
}

/* Behind the closing quote of what begins at `at`; a doubled quote is a quote. 0: there is none. */
static uint32_t quoted_end(struct sq_str text, uint32_t at, char quote)
{
    for (uint32_t i = at + 1; i < text.n; i++) {
        if (text.p[i] != quote)
            continue;
        if (i + 1 < text.n && text.p[i + 1] == quote)
            i++;
        else
            return i + 1;
    }
    return 0;
}

static struct sq_token quoted(struct sq_str text, uint32_t at, uint32_t quote_at, char quote, uint32_t code, uint32_t open_code)
{
    uint32_t end = quoted_end(text, quote_at, quote);

    return end ? token(code, at, end) : token(open_code, at, text.n);
}

static uint32_t comment_end(struct sq_str text, uint32_t at)   /* 0: open */
{
    for (uint32_t i = at + 2; i + 1 < text.n; i++)
        if (text.p[i] == '*' && text.p[i + 1] == '/')
            return i + 2;
    return 0;
}

static struct sq_token hex(struct sq_str text, uint32_t at)
{
    struct sq_token t = quoted(text, at, at + 1, '\'', SQ_TK_HEX, SQ_LEX_OPEN_STRING);

    if (t.code != SQ_TK_HEX)
        return t;
    for (uint32_t i = at + 2; i + 1 < at + t.len; i++) {
        char c = text.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            t.code = SQ_LEX_BAD_HEX;
    }
    if (t.len % 2 != 1)   /* X, two quotes, and pairs */
        t.code = SQ_LEX_BAD_HEX;
    return t;
}

static struct sq_token word(struct sq_str text, uint32_t at, uint32_t end)
{
    const struct sq_keyword *k = sq_keyword_find((struct sq_str){text.p + at, end - at});

    struct sq_token t = token(k ? k->code : SQ_TK_ID, at, end);

    if (k)
        t.flags = (uint16_t)(SQ_TOKEN_WORD | (k->flags & SQ_KW_RESERVED ? SQ_TOKEN_RESERVED : 0) | (k->flags & SQ_KW_CLAUSE ? SQ_TOKEN_CLAUSE : 0));
    return t;
}

struct sq_token sq_lex(struct sq_str text, uint32_t *at)
{
    uint32_t c = *at, m = *at, s;
    struct sq_token t;

#define YYPEEK() (c < text.n ? (unsigned char)text.p[c] : 0)
#define YYSKIP() (c++)
#define YYBACKUP() (m = c)
#define YYRESTORE() (c = m)
#define RETURN(code)                        \
    do {                                    \
        t = token((code), s, c);            \
        goto done;                          \
    } while (0)

again:
    s = c;
    if (s >= text.n) {
        t = token(SQ_LEX_END, text.n, text.n);
        goto done;
    }
    /*!re2c
    re2c:api = custom;
    re2c:define:YYCTYPE = "unsigned char";
    re2c:yyfill:enable = 0;

    cont    = [\x80-\xbf];
    typo    = "\xc2\xa0" | "\xe2\x80" cont | "\xe3\x80\x80" | "\xef\xbb\xbf" | "\xe2\x88\x92";
    uni     = "\xc2" [\xa1-\xbf] | [\xc3-\xdf] cont | [\xe0\xe1] cont cont | "\xe2" [\x81-\x87\x89-\xbf] cont
            | "\xe2\x88" [\x80-\x91\x93-\xbf] | "\xe3" [\x81-\xbf] cont | "\xe3\x80" [\x81-\xbf] | [\xe4-\xee] cont cont
            | "\xef" [\x80-\xba\xbc-\xbf] cont | "\xef\xbb" [\x80-\xbe] | [\xf0-\xf4] cont cont cont;
    first   = [a-zA-Z_] | uni;
    rest    = [a-zA-Z0-9_$] | uni;
    digits  = [0-9]+;
    number  = (digits ("." [0-9]*)? | "." digits) ([eE] [+-]? digits)?;

    [ \t\r\n\f\v]+          { goto again; }
    "--" [^\n\x00]*         { goto comment; }
    "/*+"                   { goto hint; }
    "/*"                    { goto block; }
    first rest*             { t = word(text, s, c); goto done; }
    number                  { RETURN(SQ_TK_NUMBER); }
    number first rest*      { RETURN(SQ_LEX_BAD_NUMBER); }
    "'"                     { t = quoted(text, s, s, '\'', SQ_TK_STRING, SQ_LEX_OPEN_STRING); goto to_end; }
    [xX] "'"                { t = hex(text, s); goto to_end; }
    [uU] "&'"               { t = quoted(text, s, s + 2, '\'', SQ_LEX_UNICODE_STRING, SQ_LEX_OPEN_STRING); goto to_end; }
    "`"                     { goto name; }
    "\""                    { t = quoted(text, s, s, '"', SQ_LEX_DOUBLE_QUOTED, SQ_LEX_DOUBLE_QUOTED); goto to_end; }
    "("                     { RETURN(SQ_TK_LP); }
    ")"                     { RETURN(SQ_TK_RP); }
    "["                     { RETURN(SQ_TK_LB); }
    "]"                     { RETURN(SQ_TK_RB); }
    ","                     { RETURN(SQ_TK_COMMA); }
    "."                     { RETURN(SQ_TK_DOT); }
    ";"                     { RETURN(SQ_TK_SEMICOLON); }
    "="                     { RETURN(SQ_TK_EQ); }
    "<>"                    { RETURN(SQ_TK_NE); }
    "!="                    { RETURN(SQ_TK_NE); }
    "<="                    { RETURN(SQ_TK_LE); }
    ">="                    { RETURN(SQ_TK_GE); }
    "=>"                    { RETURN(SQ_TK_ARROW); }
    "<"                     { RETURN(SQ_TK_LT); }
    ">"                     { RETURN(SQ_TK_GT); }
    "+"                     { RETURN(SQ_TK_PLUS); }
    "-"                     { RETURN(SQ_TK_MINUS); }
    "*"                     { RETURN(SQ_TK_STAR); }
    "/"                     { RETURN(SQ_TK_SLASH); }
    "%"                     { RETURN(SQ_TK_PERCENT); }
    "||"                    { RETURN(SQ_TK_CONCAT); }
    "?"                     { RETURN(SQ_TK_QUESTION); }
    "::"                    { RETURN(SQ_LEX_COLONS); }
    typo                    { RETURN(SQ_LEX_TYPOGRAPHIC); }
    *                       { RETURN(SQ_LEX_ILLEGAL); }
    */

comment:   /* a 0 byte inside is skipped too */
    while (c < text.n && text.p[c] != '\n')
        c++;
    goto again;
block:
    c = comment_end(text, s);
    if (c)
        goto again;
    t = token(SQ_LEX_OPEN_COMMENT, s, text.n);
    goto to_end;
hint:
    c = comment_end(text, s);
    t = c ? token(SQ_TK_HINT, s, c) : token(SQ_LEX_OPEN_COMMENT, s, text.n);
    goto to_end;
name:
    t = quoted(text, s, s, '`', SQ_TK_ID, SQ_LEX_OPEN_NAME);
    t.flags = SQ_TOKEN_QUOTED;
    if (t.code == SQ_TK_ID && t.len == 2)
        t.code = SQ_LEX_EMPTY_NAME;
to_end:
    c = t.at + t.len;
done:
    *at = c;
    return t;
#undef YYPEEK
#undef YYSKIP
#undef YYBACKUP
#undef YYRESTORE
#undef RETURN
}
