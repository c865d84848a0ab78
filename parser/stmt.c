/* SPDX-License-Identifier: Apache-2.0
 *
 * stmt.c: the builders of statements, and the statements that are told without the grammar: SET in the spelling of old job files
 * (SET table.exec.state.ttl = 1 d), and what is recognized by its first words only to be refused by name.
 */
#include "parser/internal.h"
#include "parser/grammar.h"

#include <stdio.h>

struct sq_ast_stmt *sq_stmt_new(struct sq_parse *P, enum sq_stmt_kind kind, const struct sq_token *at)
{
    struct sq_ast_stmt *s = SQ_MAKE(P, struct sq_ast_stmt);

    s->kind = kind;
    s->span = sq_span_from(P, at->at);
    s->at = sq_tok_span(P, at);
    return s;
}

/* ---- tables ---- */

struct sq_elem *sq_elem_col(struct sq_parse *P, enum sq_coldef_kind kind, const struct sq_token *name, struct sq_ptype *type)
{
    struct sq_elem *e = SQ_MAKE(P, struct sq_elem);

    e->kind = SQ_E_COL;
    e->span = sq_span_from(P, name->at);
    e->col = SQ_MAKE(P, struct sq_ast_coldef);
    e->col->kind = kind;
    e->col->name = sq_tok_str(P, name);
    e->col->span = sq_tok_span(P, name);
    if (type) {
        e->col->type = type->type;
        e->col->type_span = (struct sq_span){P->base + type->at, type->len};
    }
    return e;
}

struct sq_elem *sq_elem_window_end(struct sq_parse *P, const struct sq_token *name, const struct sq_token *type, const struct sq_token *time,
                                   struct sq_ast_expr *size)
{
    struct sq_elem *e = sq_elem_col(P, SQ_C_WINDOW_END, name, NULL);

    if (!sq_str_iis(sq_tok_raw(P, type), "TIMESTAMP"))
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, type), "a window's end is written: %.*s END TIMESTAMP(ROWTIME, INTERVAL '10' SECOND)",
                      SQ_FMT(sq_tok_raw(P, name)));
    else if (size->kind != SQ_A_INTERVAL)
        sq_parse_fail(P, SQ_SYNTAX, size->span, "expected the window's size, such as INTERVAL '10' SECOND");
    e->col->time_name = sq_tok_str(P, time);
    e->col->expr = size;
    return e;
}

struct sq_elem *sq_elem_watermark(struct sq_parse *P, const struct sq_token *kw, struct sq_dotted *col, struct sq_ast_expr *expr)
{
    struct sq_elem *e = SQ_MAKE(P, struct sq_elem);

    e->kind = SQ_E_WATERMARK;
    e->span = sq_tok_span(P, kw);
    e->watermark = SQ_MAKE(P, struct sq_ast_watermark);
    e->watermark->col = sq_name_of(P, col);
    e->watermark->expr = expr;
    e->watermark->span = sq_span_from(P, kw->at);
    return e;
}

struct sq_elem *sq_elem_pk(struct sq_parse *P, const struct sq_token *at, const struct sq_token *name, struct sq_plist *cols, int enforced)
{
    struct sq_elem *e = SQ_MAKE(P, struct sq_elem);

    e->kind = SQ_E_PK;
    e->span = sq_span_from(P, at->at);
    e->pk = cols;
    if (name)
        e->pk_name = sq_tok_str(P, name);
    e->enforced_given = enforced != 0;
    e->enforced = enforced == 2;
    return e;
}

static void add_pk(struct sq_parse *P, struct sq_ast_table *t, const struct sq_elem *e)
{
    t->pk = sq_names_flat(P, e->pk, &t->npk, &t->pk_spans);
    t->pk_name = e->pk_name;
    t->pk_span = e->span;
    t->pk_enforced_given = e->enforced_given;
    t->pk_enforced = e->enforced;
}

void sq_table_elems(struct sq_parse *P, struct sq_ast_table *t, struct sq_plist *elems, bool untyped)
{
    struct sq_plist *cols = NULL;
    const struct sq_elem *pk = NULL;

    for (uint32_t i = 0; elems && P->rc == SQ_OK && i < elems->n; i++) {
        const struct sq_elem *e = elems->v[i];

        if (e->kind == SQ_E_WATERMARK && t->watermark)
            sq_parse_fail(P, SQ_SYNTAX, e->span, "a table has one WATERMARK");
        else if (e->kind == SQ_E_WATERMARK)
            t->watermark = e->watermark;
        if (e->kind == SQ_E_PK || (e->kind == SQ_E_COL && e->col->primary_key)) {
            if (pk) {
                sq_parse_fail(P, SQ_SYNTAX, e->span, "PRIMARY KEY is given twice");
                sq_parse_hint(P, "for a key of several columns: PRIMARY KEY (a, b) NOT ENFORCED");
            }
            pk = e;
        }
        if (e->kind == SQ_E_PK)
            add_pk(P, t, e);
        if (e->kind != SQ_E_COL)
            continue;
        if (e->col->primary_key) {
            t->pk_span = e->span;
            t->pk_enforced_given = e->enforced_given;
            t->pk_enforced = e->enforced;
        }
        if (e->col->kind == SQ_C_PHYSICAL && !e->col->type && !untyped) {
            sq_parse_fail(P, SQ_SYNTAX, e->col->span, "column '%.*s' has no type", SQ_FMT(e->col->name));
            sq_parse_hint(P, "such as: %.*s STRING", SQ_FMT(e->col->name));
        }
        cols = sq_plist_put(P, cols, e->col);
    }
    t->cols = sq_plist_flat(P, cols, sizeof(struct sq_ast_coldef), &t->ncols);
}

struct sq_str sq_like_option(struct sq_parse *P, const struct sq_token *how, const struct sq_token *what)
{
    static const char *const hows[] = {"INCLUDING", "EXCLUDING", "OVERWRITING"};
    static const char *const whats[] = {"ALL", "CONSTRAINTS", "DISTRIBUTION", "GENERATED", "METADATA", "OPTIONS", "PARTITIONS", "WATERMARKS"};
    struct sq_str list[SQ_LEN(whats)], near;
    size_t h, w;
    char *p;

    for (h = 0; h < SQ_LEN(hows) && !sq_str_iis(sq_tok_raw(P, how), hows[h]); h++)
        ;
    for (w = 0; w < SQ_LEN(whats) && !sq_str_iis(sq_tok_raw(P, what), whats[w]); w++)
        ;
    if (h == SQ_LEN(hows)) {
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, how), "unexpected '%.*s', expected INCLUDING, EXCLUDING or OVERWRITING", SQ_FMT(sq_tok_raw(P, how)));
    } else if (w == SQ_LEN(whats)) {
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, what), "LIKE knows no '%.*s'", SQ_FMT(sq_tok_raw(P, what)));
        for (size_t i = 0; i < SQ_LEN(whats); i++)
            list[i] = sq_str_of(whats[i]);
        near = sq_nearest(sq_tok_raw(P, what), list, SQ_LEN(list));
        if (near.n)
            sq_parse_hint(P, "did you mean %.*s?", SQ_FMT(near));
        else
            sq_parse_hint(P, "expected ALL, CONSTRAINTS, GENERATED, METADATA, OPTIONS, PARTITIONS or WATERMARKS");
    } else if ((p = sq_arena_printf(P->arena, "%s %s", hows[h], whats[w])) != NULL) {
        return sq_str_of(p);
    } else {
        P->rc = SQ_NOMEM;
    }
    return SQ_STR("");
}

/* ---- SHOW, EXPLAIN ---- */

struct show_word { const char *name; enum sq_show show; };

static const struct show_word show_words[] = {
    {"TABLES", SQ_SHOW_TABLES}, {"VIEWS", SQ_SHOW_VIEWS}, {"DATABASES", SQ_SHOW_DATABASES}, {"CATALOGS", SQ_SHOW_CATALOGS},
    {"FUNCTIONS", SQ_SHOW_FUNCTIONS}, {"COLUMNS", SQ_SHOW_COLUMNS}, {"JOBS", SQ_SHOW_JOBS}, {"CONNECTORS", SQ_SHOW_CONNECTORS},
    {"OPTIONS", SQ_SHOW_OPTIONS}, {"CHECKPOINT", SQ_SHOW_CHECKPOINT},
};

static void unknown_show(struct sq_parse *P, const struct sq_token *word, const struct show_word *list, size_t n)
{
    struct sq_str names[SQ_LEN(show_words)], near;

    sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, word), "SHOW knows no '%.*s'", SQ_FMT(sq_tok_raw(P, word)));
    for (size_t i = 0; i < n; i++)
        names[i] = sq_str_of(list[i].name);
    near = sq_nearest(sq_tok_raw(P, word), names, n);
    if (near.n)
        sq_parse_hint(P, "did you mean %.*s?", SQ_FMT(near));
    else
        sq_parse_hint(P, "there are SHOW TABLES, VIEWS, DATABASES, CATALOGS, FUNCTIONS, COLUMNS, CREATE TABLE, JOBS, CONNECTORS, OPTIONS, CHECKPOINT");
}

/* SHOW a, or SHOW a b where a is CREATE or CURRENT. */
struct sq_ast_stmt *sq_stmt_show(struct sq_parse *P, const struct sq_token *kw, const struct sq_token *a, const struct sq_token *b)
{
    static const struct show_word current[] = {{"DATABASE", SQ_SHOW_CURRENT_DATABASE}, {"CATALOG", SQ_SHOW_CURRENT_CATALOG}};
    static const struct show_word create[] = {{"TABLE", SQ_SHOW_CREATE_TABLE}, {"VIEW", SQ_SHOW_CREATE_VIEW}};
    const struct show_word *list = !b ? show_words : a->code == SQ_TK_CREATE ? create : current;
    size_t n = b ? 2 : SQ_LEN(show_words);
    const struct sq_token *word = b ? b : a;
    struct sq_ast_stmt *s = sq_stmt_new(P, SQ_S_SHOW, kw);

    for (size_t i = 0; i < n; i++)
        if (sq_str_iis(sq_tok_raw(P, word), list[i].name)) {
            s->show = list[i].show;
            return s;
        }
    unknown_show(P, word, list, n);
    return s;
}

void sq_show_from(struct sq_parse *P, struct sq_ast_stmt *s, const struct sq_token *at, struct sq_dotted *name)
{
    if (s->show != SQ_SHOW_TABLES && s->show != SQ_SHOW_VIEWS && s->show != SQ_SHOW_COLUMNS && s->show != SQ_SHOW_FUNCTIONS && s->show != SQ_SHOW_DATABASES)
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, at), "this SHOW takes no FROM or IN");
    s->name = sq_name_of(P, name);
}

void sq_show_like(struct sq_parse *P, struct sq_ast_stmt *s, const struct sq_token *at, const struct sq_token *pattern, bool negated)
{
    if (!at && s->show != SQ_SHOW_OPTIONS && s->show != SQ_SHOW_CHECKPOINT)
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, pattern), "unexpected string, expected LIKE before it");
    if (at && (s->show >= SQ_SHOW_CREATE_TABLE && s->show != SQ_SHOW_CONNECTORS))
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, at), "this SHOW takes no LIKE");
    s->text = sq_tok_str(P, pattern);
    if (!at)
        s->name.span = sq_tok_span(P, pattern);
    s->like_negated = negated;
}

struct sq_str sq_explain_detail(struct sq_parse *P, const struct sq_token *t)
{
    static const char *const details[] = {"CHANGELOG_MODE", "ESTIMATED_COST", "JSON_EXECUTION_PLAN", "PLAN_ADVICE"};
    struct sq_str list[SQ_LEN(details)], near;

    for (size_t i = 0; i < SQ_LEN(details); i++) {
        list[i] = sq_str_of(details[i]);
        if (sq_str_iis(sq_tok_raw(P, t), details[i]))
            return list[i];
    }
    sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, t), "EXPLAIN knows no '%.*s'", SQ_FMT(sq_tok_raw(P, t)));
    near = sq_nearest(sq_tok_raw(P, t), list, SQ_LEN(list));
    if (near.n)
        sq_parse_hint(P, "did you mean %.*s?", SQ_FMT(near));
    else
        sq_parse_hint(P, "expected PLAN FOR, CHANGELOG_MODE, ESTIMATED_COST, JSON_EXECUTION_PLAN, PLAN_ADVICE, or a statement");
    return SQ_STR("");
}

/* ---- told by their first words ---- */

/* Statements of Flink that are known and not there, by their first words. A word of "*" stands for any. */
static const char *const refused[][3] = {
    {"TRUNCATE", "TABLE"}, {"ANALYZE", "TABLE"}, {"LOAD", "MODULE"}, {"UNLOAD", "MODULE"}, {"ADD", "JAR"}, {"REMOVE", "JAR"},
    {"CALL", "*"}, {"DELETE", "FROM"}, {"UPDATE", "*"}, {"UPSERT", "INTO"}, {"MERGE", "INTO"}, {"COMPILE", "PLAN"}, {"EXECUTE", "PLAN"}, {"COMPILE", "AND", "EXECUTE"},
    {"CREATE", "MATERIALIZED", "TABLE"}, {"ALTER", "MATERIALIZED", "TABLE"}, {"DROP", "MATERIALIZED", "TABLE"}, {"CREATE", "MODEL"}, {"DROP", "MODEL"},
    {"ALTER", "MODEL"}, {"ALTER", "DATABASE"}, {"ALTER", "CATALOG"}, {"ALTER", "FUNCTION"}, {"CREATE", "CONNECTION"}, {"DROP", "CONNECTION"},
    {"USE", "MODULES"}, {"SHOW", "MODULES"}, {"SHOW", "FULL", "MODULES"}, {"SHOW", "JARS"}, {"SHOW", "PROCEDURES"}, {"SHOW", "PARTITIONS"},
    {"SHOW", "MODELS"}, {"SHOW", "MATERIALIZED", "TABLES"}, {"SHOW", "USER", "FUNCTIONS"}, {"SHOW", "CREATE", "CATALOG"}, {"SHOW", "CREATE", "MATERIALIZED"},
    {"SHOW", "CREATE", "MODEL"}, {"DESCRIBE", "CATALOG", "*"}, {"DESC", "CATALOG", "*"}, {"DESCRIBE", "DATABASE", "*"}, {"DESC", "DATABASE", "*"}, {"DESCRIBE", "FUNCTION", "*"},
    {"DESC", "FUNCTION", "*"}, {"DESCRIBE", "JOB", "*"}, {"DESC", "JOB", "*"}, {"DESCRIBE", "MODEL", "*"}, {"BEGIN", "TRANSACTION"}, {"COMMIT"}, {"ROLLBACK"}, {"GRANT", "*"},
    {"REVOKE", "*"}, {"CREATE", "INDEX"}, {"CREATE", "TYPE"}, {"CREATE", "SCHEMA"}, {"CREATE", "STREAM"}, {"CREATE", "SINK"}, {"CREATE", "SOURCE"},
    {"CREATE", "STREAMING", "TABLE"},
};

static bool word_is(const struct sq_parse *P, uint32_t i, const char *word)
{
    const struct sq_token *t = &P->tokens[i];

    if (i >= P->ntokens)
        return false;
    if (strcmp(word, "*") == 0)
        return t->code == SQ_TK_ID || t->code == SQ_TK_STRING || (t->flags & SQ_TOKEN_WORD);
    return !(t->flags & SQ_TOKEN_QUOTED) && (t->code == SQ_TK_ID || (t->flags & SQ_TOKEN_WORD)) && sq_str_iis(sq_tok_raw(P, t), word);
}

static sq_rc refuse(struct sq_parse *P, const char *const *words, uint32_t n)
{
    struct sq_ast_stmt *s;
    const struct sq_token *last = &P->tokens[P->ntokens - 1];
    char text[64] = "";
    size_t len = 0;
    struct sq_str name;

    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(words[i], "*") == 0)
            continue;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "", words[i]);
    }
    P->feeding = P->ntokens;
    s = sq_stmt_new(P, SQ_S_OTHER, &P->tokens[0]);
    name = sq_str_dup(P->arena, (struct sq_str){text, (uint32_t)len});
    if (!name.p)
        return P->rc = SQ_NOMEM;
    s->text = name;
    s->raw = (struct sq_str){P->text.p + P->tokens[0].at, last->at + last->len - P->tokens[0].at};
    P->stmt = s;
    return P->rc;
}

static struct sq_str unquote(struct sq_parse *P, struct sq_str s)
{
    struct sq_token t;
    uint32_t at = 0;

    if (s.n < 2 || (s.p[0] != '\'' && s.p[0] != '`'))
        return s;
    t = sq_lex(s, &at);
    if (t.len != s.n || (t.code != SQ_TK_STRING && t.code != SQ_TK_ID))
        return s;
    t.at = (uint32_t)(s.p - P->text.p);
    return sq_tok_str(P, &t);
}

/* SET key = value and RESET key as old clients took them: whatever stands there, up to the ';'. */
static sq_rc loose_set(struct sq_parse *P, bool reset)
{
    const struct sq_token *first = &P->tokens[1], *last = &P->tokens[P->ntokens - 1];
    struct sq_str rest = {P->text.p + first->at, last->at + last->len - first->at}, key = rest, value = {"", 0};
    struct sq_ast_stmt *s;
    struct sq_kv *kv;
    const char *eq;

    eq = memchr(rest.p, '=', rest.n);
    if (!reset && !eq) {
        sq_parse_fail(P, SQ_SYNTAX, (struct sq_span){P->base + first->at, rest.n}, "expected 'key' = 'value' behind SET");
        return P->rc;
    }
    if (!reset) {
        key = sq_str_trim((struct sq_str){rest.p, (uint32_t)(eq - rest.p)});
        value = sq_str_trim((struct sq_str){eq + 1, rest.n - (uint32_t)(eq + 1 - rest.p)});
    }
    if (key.n == 0 || memchr(key.p, ' ', key.n) || memchr(key.p, '\n', key.n)) {
        sq_parse_fail(P, SQ_SYNTAX, (struct sq_span){P->base + first->at, key.n ? key.n : 1}, "expected %s", reset ? "RESET 'key'" : "SET 'key' = 'value'");
        return P->rc;
    }
    P->feeding = P->ntokens;
    s = sq_stmt_new(P, reset ? SQ_S_RESET : SQ_S_SET, &P->tokens[0]);
    kv = SQ_MAKE(P, struct sq_kv);
    kv->key = unquote(P, key);
    kv->key_span = (struct sq_span){P->base + (uint32_t)(key.p - P->text.p), key.n};
    kv->value = unquote(P, value);
    if (!reset)
        kv->value_span = (struct sq_span){P->base + (uint32_t)(value.p - P->text.p), value.n};
    s->options = kv;
    s->noptions = 1;
    P->stmt = s;
    return P->rc;
}

/* What the grammar takes, or will say better what is wrong with. */
static bool strict_set(const struct sq_parse *P, bool reset)
{
    for (uint32_t i = 0; i < P->ntokens; i++)
        if (P->tokens[i].code == SQ_LEX_OPEN_STRING || P->tokens[i].code == SQ_LEX_OPEN_NAME || P->tokens[i].code == SQ_LEX_OPEN_COMMENT)
            return true;
    return P->tokens[1].code == SQ_TK_STRING && (reset || P->ntokens < 4 || P->tokens[2].code != SQ_TK_EQ || P->tokens[3].code == SQ_TK_STRING);
}

sq_rc sq_stmt_loose(struct sq_parse *P, bool *done)
{
    bool set = word_is(P, 0, "SET"), reset = word_is(P, 0, "RESET");

    *done = true;
    if ((set || reset) && P->ntokens > 1 && !strict_set(P, reset))
        return loose_set(P, reset);
    for (size_t i = 0; i < SQ_LEN(refused); i++) {
        uint32_t n = 0;

        while (n < 3 && refused[i][n] && word_is(P, n, refused[i][n]))
            n++;
        if (n == 3 || !refused[i][n])
            return refuse(P, refused[i], n);
    }
    *done = false;
    return SQ_OK;
}
