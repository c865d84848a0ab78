/* SPDX-License-Identifier: Apache-2.0
 *
 * complete.c: what could stand at a place of a text that is being typed.
 *
 * The text before the cursor is cut into tokens, roughly and without errors, since it is seldom a statement yet. The last statement's tokens say where the
 * cursor is: in an option clause (WITH, OPTIONS hint, ALTER TABLE … SET) or SET, at a key or at a value; behind a word that wants a table; behind a
 * qualifier; in an expression. There the tables that the statement names, also behind the cursor, give the columns.
 *
 * Candidates begin with what was typed, whatever its case; keywords and functions come in lower case when it is.
 */
#include "api/api.h"

#include <limits.h>

enum token_kind { T_WORD, T_STRING, T_OPEN_STRING, T_MARK };

struct token {
    enum token_kind kind;
    struct sq_str text;                /* words and strings without their quotes */
    uint32_t at, end;                  /* in the whole text */
    char mark;
};

struct place {
    sqluice *db;
    struct sq_str text, prefix;
    uint32_t cursor, from;
    bool in_string, lower;
    struct token *tok;                 /* of the statement at the cursor, all of it */
    size_t ntok, cap;
    size_t n;                          /* those before the word at the cursor */
};

/* ---- tokens ---- */

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static uint32_t skip_to(struct sq_str s, uint32_t at, const char *end)
{
    size_t n = strlen(end);

    while (at < s.n && (s.n - at < n || memcmp(s.p + at, end, n) != 0))
        at++;
    return at < s.n ? at + (uint32_t)n : s.n;
}

/* Behind the closing quote, or at the end of the text. */
static uint32_t skip_quoted(struct sq_str s, uint32_t at, bool *closed)
{
    char quote = s.p[at++];

    for (; at < s.n; at++)
        if (s.p[at] == quote) {
            if (at + 1 < s.n && s.p[at + 1] == quote) {
                at++;
                continue;
            }
            *closed = true;
            return at + 1;
        }
    *closed = false;
    return at;
}

static bool next_token(struct sq_str s, uint32_t *at, struct token *t)
{
    uint32_t i = *at;
    bool closed;

    for (;;) {
        while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\n' || s.p[i] == '\r'))
            i++;
        if (i + 1 < s.n && s.p[i] == '-' && s.p[i + 1] == '-')
            i = skip_to(s, i, "\n");
        else if (i + 1 < s.n && s.p[i] == '/' && s.p[i + 1] == '*' && !(i + 2 < s.n && s.p[i + 2] == '+'))
            i = skip_to(s, i + 2, "*/");
        else
            break;
    }
    *t = (struct token){.at = i, .kind = T_MARK};
    if (i >= s.n) {
        *at = i;
        return false;
    }
    if (s.p[i] == '\'' || s.p[i] == '`') {
        uint32_t end = skip_quoted(s, i, &closed);
        t->kind = s.p[i] == '`' ? T_WORD : closed ? T_STRING : T_OPEN_STRING;
        t->text = (struct sq_str){s.p + i + 1, end - i - 1 - closed};
        i = end;
    } else if (is_word_char(s.p[i])) {
        while (i < s.n && is_word_char(s.p[i]))
            i++;
        t->kind = T_WORD;
        t->text = (struct sq_str){s.p + t->at, i - t->at};
    } else {
        t->mark = s.p[i++];
    }
    t->end = *at = i;
    return true;
}

static bool is_word(const struct place *p, size_t i, const char *word)
{
    return i < p->ntok && p->tok[i].kind == T_WORD && sq_str_iis(p->tok[i].text, word);
}

static bool is_mark(const struct place *p, size_t i, char mark)
{
    return i < p->ntok && p->tok[i].kind == T_MARK && p->tok[i].mark == mark;
}

static bool keep_token(struct place *p, struct token t)
{
    if (sq_grow(&p->db->ctx, &p->tok, &p->cap, p->ntok + 1, sizeof *p->tok) != SQ_OK)
        return false;
    p->tok[p->ntok++] = t;
    return true;
}

/* Tokens of the statement at the cursor. What stands behind the cursor is a text of its own: a word is not read across it. */
static bool read_tokens(struct place *p)
{
    struct sq_str before = {p->text.p, p->cursor}, behind = {p->text.p + p->cursor, p->text.n - p->cursor};
    uint32_t at = 0;
    struct token t;

    while (next_token(before, &at, &t)) {
        if (t.kind == T_MARK && t.mark == ';')
            p->ntok = 0;
        else if (!keep_token(p, t))
            return false;
    }
    p->n = p->ntok;
    p->from = p->cursor;
    if (p->n && p->tok[p->n - 1].kind == T_OPEN_STRING) {
        p->in_string = true;
        p->from = p->tok[p->n - 1].at + 1;
        p->ntok = --p->n;
    } else if (p->n && p->tok[p->n - 1].kind == T_WORD && p->tok[p->n - 1].end == p->cursor) {
        p->from = p->tok[p->n - 1].at;
        p->ntok = --p->n;
    }
    p->prefix = (struct sq_str){p->text.p + p->from, p->cursor - p->from};
    p->lower = p->prefix.n && p->prefix.p[0] >= 'a' && p->prefix.p[0] <= 'z';
    at = 0;
    if (p->in_string && skip_to(behind, 0, "'") < behind.n)
        at = skip_to(behind, 0, "'");
    while (at < behind.n && is_word_char(behind.p[at]))
        at++;
    while (next_token(behind, &at, &t) && !(t.kind == T_MARK && t.mark == ';'))
        if (!keep_token(p, t))
            return false;
    return true;
}

/* ---- candidates ---- */

static bool begins(struct sq_str word, struct sq_str prefix)
{
    if (word.n && prefix.n && word.p[0] == '`' && prefix.p[0] != '`')
        word = (struct sq_str){word.p + 1, word.n - 1};
    return word.n >= prefix.n && sq_str_ieq((struct sq_str){word.p, prefix.n}, prefix);
}

static void put_name(struct place *p, struct sq_str name)
{
    struct sq_buf b;

    sq_buf_init(&b, &p->db->ctx);
    if (sq_unparse_ident(&b, name) == SQ_OK && begins(sq_buf_view(&b), p->prefix))
        sq_api_word(p->db, sq_buf_view(&b));
    sq_buf_free(&b);
}

/* Keywords and functions: in the case of what was typed. */
static void put_word(struct place *p, struct sq_str word)
{
    char text[96];

    if (!begins(word, p->prefix) || word.n > sizeof text)
        return;
    for (uint32_t i = 0; i < word.n; i++)
        text[i] = (char)(p->lower && word.p[i] >= 'A' && word.p[i] <= 'Z' ? word.p[i] - 'A' + 'a' : word.p[i]);
    sq_api_word(p->db, (struct sq_str){text, word.n});
}

static void put_words(struct place *p, const char *list)      /* blanks between */
{
    while (*list) {
        size_t n = strcspn(list, " ");
        put_word(p, (struct sq_str){list, (uint32_t)n});
        list += n + (list[n] == ' ');
    }
}

/* A key or value: in quotes where the cursor is not within them. */
static void put_quoted(struct place *p, struct sq_str word)
{
    struct sq_buf b;

    if (!begins(word, p->prefix) || memchr(word.p, '\'', word.n))
        return;
    if (p->in_string) {
        sq_api_word(p->db, word);
        return;
    }
    sq_buf_init(&b, &p->db->ctx);
    sq_buf_printf(&b, "'%.*s'", SQ_FMT(word));
    if (b.rc == SQ_OK)
        sq_api_word(p->db, sq_buf_view(&b));
    sq_buf_free(&b);
}

static void put_choices(struct place *p, int type, const char *choices, const char *fallback)
{
    if (type == SQ_OPT_BOOL) {
        put_quoted(p, SQ_STR("true"));
        put_quoted(p, SQ_STR("false"));
    }
    while (choices && *choices) {
        size_t n = strcspn(choices, "|");
        put_quoted(p, (struct sq_str){choices, (uint32_t)n});
        choices += n + (choices[n] == '|');
    }
    if (fallback && *fallback)
        put_quoted(p, sq_str_of(fallback));
}

/* ---- tables ---- */

typedef void each_table_fn(struct place *, const struct sq_table *, const void *arg);

static void each_table(struct place *p, each_table_fn *fn, const void *arg)
{
    const struct sq_catalog *c = p->db->catalog;

    for (const struct sq_catalog_entry *e = c->catalogs; e; e = e->next)
        for (const struct sq_database *d = e->dbs; d; d = d->next)
            for (const struct sq_table *t = d->tables; t; t = t->next)
                fn(p, t, arg);
    for (const struct sq_table *t = c->temps; t; t = t->next)
        fn(p, t, arg);
}

static void put_table(struct place *p, const struct sq_table *t, const void *only_views)
{
    const struct sq_catalog *c = p->db->catalog;

    if (only_views && !t->is_view)
        return;
    if (sq_str_eq(t->catalog, c->current_catalog) && sq_str_eq(t->database, c->current_db))
        put_name(p, t->name);
}

static void put_columns(struct place *p, const struct sq_table *t, const void *name)
{
    if (name && !sq_str_eq(t->name, *(const struct sq_str *)name))
        return;
    for (uint32_t i = 0; i < t->ncols; i++)
        put_name(p, t->cols[i].name);
}

/* Columns where the statement names the table. */
static void put_mentioned(struct place *p, const struct sq_table *t, const void *some)
{
    for (size_t i = 0; i < p->ntok; i++)
        if (p->tok[i].kind == T_WORD && sq_str_eq(p->tok[i].text, t->name)) {
            put_columns(p, t, NULL);
            *(bool *)(uintptr_t)some = true;
            return;
        }
}

static void put_in_database(struct place *p, const struct sq_table *t, const void *name)
{
    if (sq_str_eq(t->database, *(const struct sq_str *)name))
        put_name(p, t->name);
}

static void put_databases(struct place *p, bool catalogs)
{
    for (const struct sq_catalog_entry *e = p->db->catalog->catalogs; e; e = e->next) {
        if (catalogs)
            put_name(p, e->name);
        for (const struct sq_database *d = e->dbs; d && !catalogs; d = d->next)
            if (sq_str_eq(e->name, p->db->catalog->current_catalog))
                put_name(p, d->name);
    }
}

/* a.|: a is a table, an alias behind one, or a database. */
static void complete_qualified(struct place *p)
{
    struct sq_str name = p->tok[p->n - 2].text;

    each_table(p, put_columns, &name);
    each_table(p, put_in_database, &name);
    for (size_t i = 1; i < p->ntok; i++) {
        size_t before = is_word(p, i - 1, "AS") && i > 1 ? i - 2 : i - 1;
        if (i != p->n - 2 && p->tok[i].kind == T_WORD && sq_str_eq(p->tok[i].text, name) && p->tok[before].kind == T_WORD)
            each_table(p, put_columns, &p->tok[before].text);
    }
}

/* ---- option clauses ---- */

static const struct sq_connector *connector_of(struct sq_str name)
{
    const struct sq_connector *c;

    for (size_t i = 0; (c = sq_connector_at(i)); i++)
        if (sq_str_is(name, c->name))
            return c;
    return NULL;
}

struct clause {
    size_t open;                       /* the bracket */
    struct sq_str connector, format;   /* p NULL: not given */
};

static bool given(const struct place *p, const struct clause *c, struct sq_str key)
{
    for (size_t i = c->open + 1; i < p->ntok && !is_mark(p, i, ')'); i++)
        if (p->tok[i].kind == T_STRING && is_mark(p, i + 1, '=') && i + 1 != p->n && sq_str_eq(p->tok[i].text, key))
            return true;
    return false;
}

static void find_options(struct place *p, const struct sq_table *t, const void *arg)
{
    struct clause *c = (struct clause *)(uintptr_t)arg;
    struct sq_str name = {0};

    if (c->open >= 3 && is_word(p, c->open - 1, "OPTIONS"))
        for (size_t i = c->open - 1; i > 0 && !name.p; i--)
            name = p->tok[i - 1].kind == T_WORD ? p->tok[i - 1].text : name;
    else if (c->open >= 3 && (is_word(p, c->open - 1, "SET") || is_word(p, c->open - 1, "RESET")))
        name = p->tok[c->open - 2].text;
    if (t->is_view || !name.p || !sq_str_eq(t->name, name))
        return;
    for (uint32_t i = 0; i < t->noptions; i++) {
        if (sq_str_is(t->options[i].key, "connector"))
            c->connector = t->options[i].value;
        if (sq_str_is(t->options[i].key, "format"))
            c->format = t->options[i].value;
    }
}

/* The innermost open bracket, when it is one of options. */
static bool find_clause(struct place *p, struct clause *c)
{
    size_t depth = 0, i = p->n;

    while (i > 0 && !(depth == 0 && is_mark(p, i - 1, '('))) {
        i--;
        depth += is_mark(p, i, ')');
        depth -= is_mark(p, i, '(');
    }
    if (i < 2 || !(is_word(p, i - 2, "WITH") || is_word(p, i - 2, "OPTIONS") || is_word(p, i - 2, "SET") || is_word(p, i - 2, "RESET")))
        return false;
    *c = (struct clause){.open = i - 1};
    each_table(p, find_options, c);
    for (i = c->open + 1; i + 2 < p->ntok && !is_mark(p, i, ')'); i++) {
        if (p->tok[i].kind != T_STRING || !is_mark(p, i + 1, '=') || p->tok[i + 2].kind != T_STRING)
            continue;
        if (sq_str_is(p->tok[i].text, "connector"))
            c->connector = p->tok[i + 2].text;
        if (sq_str_is(p->tok[i].text, "format"))
            c->format = p->tok[i + 2].text;
    }
    return true;
}

/* The part of a key's pattern that can be typed: "fields.#.kind" and "properties.*" up to the mark. */
static void put_option_key(struct place *p, const struct clause *c, const struct sq_option *o)
{
    struct sq_str key = {o->key, (uint32_t)strcspn(o->key, "*#")};

    if (!(o->flags & SQ_OPT_UNSUPPORTED) && key.n && !given(p, c, key))
        put_quoted(p, key);
}

static void complete_option_key(struct place *p, const struct clause *c)
{
    const struct sq_connector *con = connector_of(c->connector);
    const struct sq_format *f = c->format.p ? sq_format_find(c->format) : NULL;

    if (!c->connector.p)
        put_quoted(p, SQ_STR("connector"));
    for (uint32_t i = 0; con && i < con->noptions; i++)
        put_option_key(p, c, &con->options[i]);
    if (con && con->takes_format && !given(p, c, SQ_STR("format")))
        put_quoted(p, SQ_STR("format"));
    for (uint32_t i = 0; f && i < f->noptions; i++)
        put_option_key(p, c, &f->options[i]);
}

static void complete_option_value(struct place *p, const struct clause *c, struct sq_str key)
{
    const struct sq_option *o;

    if (sq_str_is(key, "connector")) {
        const struct sq_connector *con;
        for (size_t i = 0; (con = sq_connector_at(i)); i++)
            put_quoted(p, sq_str_of(con->name));
        return;
    }
    if (sq_str_is(key, "format") || sq_str_is(key, "key.format") || sq_str_is(key, "value.format")) {
        const struct sq_format *f;
        for (size_t i = 0; (f = sq_format_at(i)); i++)
            put_quoted(p, sq_str_of(f->name));
        return;
    }
    o = sq_option_lookup(c->connector.p ? c->connector : SQ_STR(""), key);
    if (o && !(o->flags & SQ_OPT_SECRET))
        put_choices(p, o->type, o->choices, o->fallback);
}

static void complete_clause(struct place *p, const struct clause *c)
{
    if (is_mark(p, p->n - 1, '(') || is_mark(p, p->n - 1, ','))
        complete_option_key(p, c);
    else if (is_mark(p, p->n - 1, '=') && p->tok[p->n - 2].kind == T_STRING)
        complete_option_value(p, c, p->tok[p->n - 2].text);
}

/* ---- SET, RESET and other statements that take strings ---- */

static void complete_setting(struct place *p)
{
    struct sq_str known;
    const char *fallback, *choices;
    bool effect;

    for (size_t i = 0; (known = sq_setting_known(i)).p; i++) {
        if (p->n == 1) {
            put_quoted(p, known);
        } else if (p->n == 3 && is_mark(p, 2, '=') && sq_str_eq(p->tok[1].text, known) && sq_setting_help(i, &fallback, &choices, &effect)) {
            bool flag = fallback && (strcmp(fallback, "true") == 0 || strcmp(fallback, "false") == 0);
            put_choices(p, flag ? SQ_OPT_BOOL : SQ_OPT_STRING, choices, fallback);
        }
    }
}

static void complete_string(struct place *p)
{
    const struct sq_connector *c;
    struct sq_str id;

    if (is_word(p, 0, "STOP") && is_word(p, 1, "JOB") && p->n == 2)
        for (size_t i = 0; sq_jobs_id_at(p->db, i, &id); i++)
            put_quoted(p, id);
    else if (is_word(p, 0, "SHOW") && is_word(p, 1, "OPTIONS") && p->n == 2)
        for (size_t i = 0; (c = sq_connector_at(i)); i++)
            put_quoted(p, sq_str_of(c->name));
}

/* ---- words ---- */

struct follow { const char *first, *last, *words; };           /* last "": first is the whole of it so far */

static const struct follow follows[] = {
    {"SHOW", "", "TABLES VIEWS DATABASES CATALOGS FUNCTIONS COLUMNS JOBS CONNECTORS OPTIONS CHECKPOINT CREATE CURRENT"},
    {"SHOW", "CREATE", "TABLE VIEW"},
    {"SHOW", "CURRENT", "DATABASE CATALOG"},
    {"CREATE", "", "TABLE VIEW TEMPORARY DATABASE CATALOG FUNCTION OR"},
    {"CREATE", "OR", "REPLACE"},
    {"CREATE", "REPLACE", "TABLE"},
    {"CREATE", "TEMPORARY", "TABLE VIEW FUNCTION"},
    {"CREATE", "TABLE", "IF"},
    {"CREATE", "VIEW", "IF"},
    {"CREATE", "IF", "NOT"},
    {"DROP", "", "TABLE VIEW DATABASE CATALOG FUNCTION TEMPORARY"},
    {"ALTER", "", "TABLE VIEW"},
    {"INSERT", "", "INTO OVERWRITE"},
    {"EXECUTE", "", "STATEMENT"},
    {"EXECUTE", "STATEMENT", "SET"},
    {"EXECUTE", "SET", "BEGIN"},
    {"EXECUTE", "BEGIN", "INSERT"},
    {"EXPLAIN", "", "SELECT INSERT WITH PLAN CHANGELOG_MODE EXECUTE"},
    {"EXPLAIN", "PLAN", "FOR"},
    {"EXPLAIN", "FOR", "SELECT INSERT WITH EXECUTE"},
    {"STOP", "", "JOB"},
    {"STOP", "WITH", "DRAIN SAVEPOINT"},
};

static bool complete_follow(struct place *p)
{
    for (size_t i = 0; i < SQ_LEN(follows); i++) {
        const struct follow *f = &follows[i];
        if (!is_word(p, 0, f->first) || (f->last[0] ? !is_word(p, p->n - 1, f->last) || p->n < 2 : p->n != 1))
            continue;
        put_words(p, f->words);
        return true;
    }
    return false;
}

/* The names that a word in front asks for. */
static bool complete_object(struct place *p)
{
    size_t last = p->n - 1;

    if (is_word(p, last, "EXISTS") && last > 2)
        last -= is_word(p, last - 1, "IF") ? 2 : 0;
    if (is_word(p, last, "DATABASE") || (is_word(p, 0, "USE") && p->n == 1)) {
        put_databases(p, false);
        if (is_word(p, 0, "USE"))
            put_word(p, SQ_STR("CATALOG"));
        return true;
    }
    if (is_word(p, last, "CATALOG")) {
        put_databases(p, true);
        return true;
    }
    if (is_word(p, last, "VIEW")) {
        each_table(p, put_table, p);
        return true;
    }
    if (is_word(p, last, "FROM") || is_word(p, last, "JOIN") || is_word(p, last, "INTO") || is_word(p, last, "OVERWRITE") || is_word(p, last, "TABLE") ||
        (p->n == 1 && (is_word(p, 0, "DESCRIBE") || is_word(p, 0, "DESC")))) {
        each_table(p, put_table, NULL);
        return true;
    }
    return false;
}

/* The keyword of the clause that the cursor is in, at its level of brackets; ntok: none. */
static size_t clause_word(const struct place *p)
{
    static const char *const words[] = {"SELECT", "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "ON", "VALUES", "LIMIT"};
    size_t depth = 0;

    for (size_t i = p->n; i-- > 0;) {
        depth += is_mark(p, i, ')');
        if (is_mark(p, i, '(') && depth-- == 0)
            return p->ntok;
        for (size_t w = 0; depth == 0 && w < SQ_LEN(words); w++)
            if (is_word(p, i, words[w]))
                return i;
    }
    return p->ntok;
}

/* In the list of columns of CREATE TABLE. */
static bool complete_column_def(struct place *p)
{
    size_t open = 0;

    for (size_t i = 0; i < p->n; i++)
        open += is_mark(p, i, '(') - (size_t)is_mark(p, i, ')');
    if (!is_word(p, 0, "CREATE") || open != 1 || !(is_word(p, 1, "TABLE") || is_word(p, 2, "TABLE")))
        return false;
    if (is_mark(p, p->n - 1, '(') || is_mark(p, p->n - 1, ','))
        put_words(p, "WATERMARK PRIMARY CONSTRAINT");
    else if (p->tok[p->n - 1].kind == T_WORD && (is_mark(p, p->n - 2, '(') || is_mark(p, p->n - 2, ',')))
        put_words(p, "BIGINT INT SMALLINT TINYINT STRING VARCHAR CHAR BOOLEAN DOUBLE FLOAT DECIMAL DATE TIME TIMESTAMP TIMESTAMP_LTZ BYTES BINARY VARBINARY "
                     "ARRAY MAP MULTISET ROW INTERVAL AS METADATA KEY FOR");
    else
        put_words(p, "NOT NULL AS METADATA FROM VIRTUAL PRIMARY KEY ENFORCED COMMENT PRECISION FOR INTERVAL SECOND MINUTE HOUR");
    return true;
}

static void complete_expression(struct place *p)
{
    const struct sq_function *f;
    const struct sq_agg *a;
    const struct sq_str *kw;
    size_t n = sq_keywords(&kw);
    bool some = false;

    each_table(p, put_mentioned, &some);
    if (!some)
        each_table(p, put_columns, NULL);
    for (size_t i = 0; (f = sq_function_at(i)); i++)
        if (!(f->flags & SQ_OPERATOR))
            put_word(p, sq_str_of(f->name));
    for (size_t i = 0; (a = sq_agg_at(i)); i++)
        put_word(p, sq_str_of(a->name));
    for (size_t i = 0; i < n; i++)
        put_word(p, kw[i]);
}

static void complete_word(struct place *p)
{
    size_t clause;

    if (p->n == 0) {
        put_words(p, "SELECT INSERT CREATE ALTER DROP DESCRIBE DESC EXPLAIN EXECUTE RESET SET SHOW STOP USE VALUES WITH");
        return;
    }
    if (is_mark(p, p->n - 1, '.') && p->n > 1) {
        complete_qualified(p);
        return;
    }
    if (complete_follow(p) || complete_object(p) || complete_column_def(p))
        return;
    clause = clause_word(p);
    if (is_mark(p, p->n - 1, ',') && is_word(p, clause, "FROM"))
        each_table(p, put_table, NULL);
    else
        complete_expression(p);
}

static void complete(struct place *p)
{
    struct clause c;

    if (find_clause(p, &c))
        complete_clause(p, &c);
    else if (is_word(p, 0, "SET") || is_word(p, 0, "RESET"))
        complete_setting(p);
    else if (p->in_string)
        complete_string(p);
    else
        complete_word(p);
}

const char *sqluice_complete(sqluice *db, const char *text, int cursor, int i, int *from)
{
    struct place p = {.db = db};
    struct sq_error before;

    if (!db || !db->catalog || !text || i < 0)
        return NULL;
    if (i > 0)
        return (size_t)i < db->nwords ? db->word[i].p : NULL;
    before = db->ctx.err;
    p.text = (struct sq_str){text, (uint32_t)strnlen(text, INT_MAX)};
    p.cursor = cursor < 0 ? 0 : (uint32_t)cursor > p.text.n ? p.text.n : (uint32_t)cursor;
    p.from = p.cursor;
    db->nwords = 0;
    sq_arena_free(&db->words);
    if (read_tokens(&p))
        complete(&p);
    sq_api_words_sort(db);
    if (from)
        *from = (int)p.from;
    sq_free(&db->ctx, p.tok);
    db->ctx.err = before;              /* words that found no memory are left out */
    return db->nwords ? db->word[0].p : NULL;
}
