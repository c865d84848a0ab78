/* SPDX-License-Identifier: Apache-2.0
 *
 * testfile.c: reads a test file into blocks and checks.
 *
 * A line that begins in column one starts a block or a section of the block before; indented lines below are its body; lines that
 * begin with # are comments. Nothing is compared here: checks remember which lines state them, so that they can be rewritten.
 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

void t_push(struct t_lines *l, const char *p, size_t n)
{
    l->line = sh_grow(l->line, sizeof *l->line, l->n, &l->cap);
    l->line[l->n++] = sh_strndup(p, n);
}

void t_lines_free(struct t_lines *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->line[i]);
    free(l->line);
    *l = (struct t_lines){ 0 };
}

void t_file_free(struct t_file *f)
{
    for (size_t i = 0; i < f->nblocks; i++) {
        free(f->blocks[i].arg);
        free(f->blocks[i].text);
    }
    for (size_t i = 0; i < f->nchecks; i++) {
        sh_free(&f->checks[i].diff);
        sh_free(&f->checks[i].runs);
        t_lines_free(&f->checks[i].update);
    }
    free(f->blocks);
    free(f->checks);
    free(f->bad);
    t_lines_free(&f->lines);
    *f = (struct t_file){ 0 };
}

static bool bad(struct t_file *f, size_t line, const char *msg, const char *what)
{
    struct sh_buf b = { 0 };

    sh_addf(&b, "%s:%zu: ", f->path, line + 1);
    sh_addf(&b, msg, what);
    free(f->bad);
    f->bad = b.p;
    return false;
}

/* ---- cells ---- */

static int from_hex(const char *p)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        int c = p[i] | 32;

        v = v * 16 + (c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -100000);
    }
    return v < 0 ? -1 : v;
}

static void add_code(struct sh_buf *b, unsigned c)
{
    char p[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    if (n == 1)
        p[0] = (char)c;
    for (size_t i = n; n > 1 && i > 1; i--, c >>= 6)
        p[i - 1] = (char)(0x80 | (c & 0x3F));
    if (n > 1)
        p[0] = (char)((0xF00 >> n & 0xFF) | c);
    sh_add(b, p, n);
}

/* A cell in double quotes has JSON's escapes. Returns the bytes used. */
static size_t read_json_text(const char *p, struct sh_buf *out)
{
    static const char from[] = "nrtbf\"\\/", to[] = "\n\r\t\b\f\"\\/";
    size_t i = 1;

    for (; p[i] && p[i] != '"'; i++) {
        const char *e;

        if (p[i] != '\\') {
            sh_add(out, p + i, 1);
        } else if (p[i + 1] == 'u' && strlen(p + i) >= 6 && from_hex(p + i + 2) >= 0) {
            unsigned c = (unsigned)from_hex(p + i + 2);

            i += 5;
            if (c >= 0xD800 && c < 0xDC00 && p[i + 1] == '\\' && p[i + 2] == 'u' && strlen(p + i) >= 7 && from_hex(p + i + 3) >= 0) {
                c = 0x10000 + ((c - 0xD800) << 10) + ((unsigned)from_hex(p + i + 3) - 0xDC00);
                i += 6;
            }
            add_code(out, c);
        } else if (p[i + 1] && (e = strchr(from, p[i + 1]))) {
            sh_add(out, &to[e - from], 1);
            i++;
        }
    }
    return p[i] ? i + 1 : i;
}

/* '…' with '' for a quote. Returns the bytes used. */
static size_t read_quoted(const char *p, struct sh_buf *out)
{
    size_t i = 1;

    for (; p[i]; i++) {
        if (p[i] == '\'' && p[i + 1] == '\'')
            i++;
        else if (p[i] == '\'')
            return i + 1;
        sh_add(out, p + i, 1);
    }
    return i;
}

void t_cell(struct sh_buf *b, const char *p, size_t n)
{
    bool control = false, quote = n == 0;

    if (!p) {
        sh_adds(b, "NULL");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        control |= (unsigned char)p[i] < 0x20 || p[i] == 0x7F;
        quote |= p[i] == '|' || (p[i] == '-' && i + 1 < n && p[i + 1] == '-' && (i == 0 || p[i - 1] == ' '));
    }
    if (n > 0)
        quote |= p[0] == ' ' || p[n - 1] == ' ' || p[0] == '\'' || p[0] == '"' || (n == 4 && memcmp(p, "NULL", 4) == 0);
    if (control) {
        sh_addjson(b, p, n);
    } else if (quote) {
        sh_add(b, "'", 1);
        for (size_t i = 0; i < n; i++)
            sh_add(b, p[i] == '\'' ? "''" : p + i, p[i] == '\'' ? 2 : 1);
        sh_add(b, "'", 1);
    } else {
        sh_add(b, p, n);
    }
}

/* Cells between bars. An unquoted cell ends at a bar, at a comment (" --") or at the end. */
void t_split(const char *p, struct t_lines *cells, struct t_lines *raw, bool *nulls, size_t max)
{
    bool more = true;

    for (size_t i = 0; more; i++) {
        struct sh_buf value = { 0 }, text = { 0 };
        bool null = false;

        sh_add(&value, "", 0);
        p += strspn(p, " \t");
        if (*p == '\'' || *p == '"') {
            p += *p == '"' ? read_json_text(p, &value) : read_quoted(p, &value);
            p += strspn(p, " \t");
        } else {
            const char *start = p;

            while (*p && *p != '|' && !(p[0] == '-' && p[1] == '-' && (p == start || p[-1] == ' ' || p[-1] == '\t')))
                p++;
            size_t n = (size_t)(p - start);
            while (n > 0 && (start[n - 1] == ' ' || start[n - 1] == '\t'))
                n--;
            sh_add(&value, start, n);
            null = n == 4 && memcmp(start, "NULL", 4) == 0;
        }
        t_cell(&text, null ? NULL : value.p, value.n);
        t_push(cells, text.p, text.n);
        if (raw)
            t_push(raw, value.p, value.n);
        if (nulls && i < max)
            nulls[i] = null;
        sh_free(&value);
        sh_free(&text);
        more = *p == '|';
        p += more;
    }
}

/* ---- blocks ---- */

void t_body(const struct t_file *f, size_t first, size_t n, struct t_lines *out)
{
    size_t indent = (size_t)-1;

    for (size_t i = first; i < first + n; i++) {
        const char *p = f->lines.line[i];
        size_t blank = strspn(p, " \t");

        if (*p == '#')
            continue;
        if (indent == (size_t)-1 && p[blank])
            indent = blank;
        if (blank > indent)
            blank = indent;
        t_push(out, p + blank, strlen(p + blank));
    }
}

static const struct { const char *word; enum t_kind kind; } block_words[] = {
    { "table", T_TABLE }, { "sink", T_SINK }, { "statement", T_STATEMENT }, { "query", T_QUERY }, { "explain", T_EXPLAIN },
    { "expressions", T_EXPRESSIONS }, { "set", T_SET }, { "mode", T_MODE }, { "clock", T_CLOCK }, { "job", T_JOB }, { "file", T_FILE },
    { "rows of", T_ROWS_OF }, { "function examples", T_EXAMPLES },
};
static const struct { const char *word; enum t_want want; } section_words[] = {
    { "rows", T_ROWS }, { "rows ordered", T_ORDERED }, { "changelog", T_CHANGELOG }, { "columns", T_COLUMNS }, { "text", T_TEXT },
    { "plan", T_TEXT }, { "error", T_ERROR }, { "notices", T_NOTICES },
    { "printed", T_PRINTED },
};

static bool starts_word(const char *line, const char *word)
{
    size_t n = strlen(word);

    return strncmp(line, word, n) == 0 && (line[n] == 0 || line[n] == ' ');
}

static bool is_line(const char *line, const char *word)
{
    size_t n = strlen(word);

    return strncmp(line, word, n) == 0 && line[n + strspn(line + n, " ")] == 0;
}

/* How deep parentheses are open behind the text, outside quotes. */
static int depth_of(const char *p, int depth)
{
    for (char quote = 0; *p; p++) {
        if (quote)
            quote = *p == quote ? 0 : quote;
        else if (*p == '\'' || *p == '`')
            quote = *p;
        else
            depth += (*p == '(') - (*p == ')');
    }
    return depth;
}

/* The body below a header: indented and empty lines, up to the last indented one. */
static size_t body_length(const struct t_file *f, size_t first)
{
    size_t n = 0;

    for (size_t i = first; i < f->lines.n; i++) {
        const char *p = f->lines.line[i];

        if (*p == ' ' || *p == '\t')
            n = p[strspn(p, " \t")] ? i - first + 1 : n;
        else if (*p && *p != '#')
            break;
    }
    return n;
}

static struct t_check *add_check(struct t_file *f, struct t_block *b, enum t_want want, size_t line, size_t first, size_t n)
{
    f->checks = sh_grow(f->checks, sizeof *f->checks, f->nchecks, &f->cap_checks);
    f->checks[f->nchecks] = (struct t_check){ .line = line, .first = first, .n = n, .want = want };
    if (b->nchecks++ == 0)
        b->check = f->nchecks;
    return &f->checks[f->nchecks++];
}

static void set_text(struct t_file *f, struct t_block *b)
{
    struct t_lines body = { 0 };
    struct sh_buf text = { 0 };

    t_body(f, b->body, b->nbody, &body);
    sh_adds(&text, b->kind == T_FILE ? "" : b->arg);
    for (size_t i = 0; i < body.n; i++) {
        if (text.n > 0 || i > 0)
            sh_add(&text, "\n", 1);
        sh_add(&text, body.line[i], strlen(body.line[i]));
    }
    b->text = text.p;
    t_lines_free(&body);
}

/* The header of a table may go over several lines, up to its last parenthesis. */
static size_t take_header(struct t_file *f, struct t_block *b, const char *rest, size_t line)
{
    struct sh_buf arg = { 0 };
    int depth = 0;

    rest += strspn(rest, " ");
    sh_adds(&arg, rest);
    if (b->kind != T_TABLE && b->kind != T_SINK) {
        b->arg = arg.p;
        return line + 1;
    }
    depth = depth_of(rest, 0);
    for (line++; depth > 0 && line < f->lines.n; line++) {
        sh_add(&arg, " ", 1);
        sh_adds(&arg, f->lines.line[line]);
        depth = depth_of(f->lines.line[line], depth);
    }
    b->arg = arg.p;
    return line;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Whether a name stays within the run's directory. */
bool t_name_is_inside(const char *name)
{
    if (!*name || *name == '/' || ends_with(name, "/"))
        return false;
    for (const char *p = name; *p; p += strcspn(p, "/"), p += *p == '/')
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == 0))
            return false;
    return true;
}

static bool check_file(struct t_file *f, size_t line, const char *arg)
{
    size_t n = strcspn(arg, " ");
    char *name = sh_strndup(arg, n);
    bool inside = t_name_is_inside(name);

    free(name);
    if (!inside)
        return bad(f, line, "a file is a name in the run's directory, such as 'file t.ndjson', not '%s'", arg);
    if (arg[n] && strcmp(arg + n, " escaped") != 0)
        return bad(f, line, "behind a file's name comes nothing, escaped, is or has, not '%s'", arg + n + 1);
    return true;
}

bool t_parse_clock(const char *text, struct t_clock *c)
{
    int n = 0;

    *c = (struct t_clock){ .year = 1970, .month = 1, .day = 1 };
    if (sscanf(text, "%4d-%2d-%2d%n", &c->year, &c->month, &c->day, &n) != 3 || n == 0)
        return false;
    text += n;
    n = 0;
    if (*text && (sscanf(text, " %2d:%2d:%9lf%n", &c->hour, &c->minute, &c->second, &n) != 3 || n == 0 || text[n]))
        return false;
    return c->month >= 1 && c->month <= 12 && c->day >= 1 && c->day <= 31 && c->hour >= 0 && c->hour < 24 && c->minute >= 0 && c->minute < 60 && c->second >= 0
        && c->second < 60;
}

static bool add_block(struct t_file *f, enum t_kind kind, const char *rest, size_t *line, int *modes)
{
    struct t_block *b;
    size_t at = *line;

    f->blocks = sh_grow(f->blocks, sizeof *f->blocks, f->nblocks, &f->cap_blocks);
    b = &f->blocks[f->nblocks++];
    *b = (struct t_block){ .kind = kind, .line = at, .modes = *modes };
    b->body = take_header(f, b, rest, at);
    b->nbody = body_length(f, b->body);
    *line = b->body + b->nbody;
    if (kind == T_FILE && (ends_with(b->arg, " is") || ends_with(b->arg, " has"))) {
        b->kind = T_FILE_IS;
        add_check(f, b, ends_with(b->arg, " is") ? T_TEXT : T_ROWS, at, b->body, b->nbody);
        b->arg[strlen(b->arg) - (ends_with(b->arg, " is") ? 3 : 4)] = 0;
    } else if (kind == T_ROWS_OF) {
        add_check(f, b, T_ROWS, at, b->body, b->nbody);
        b->nbody = 0;
    } else if (kind == T_EXPRESSIONS) {
        for (size_t i = b->body; i < b->body + b->nbody; i++)
            if (f->lines.line[i][strspn(f->lines.line[i], " \t")] && f->lines.line[i][0] != '#')
                add_check(f, b, T_TEXT, i, i, 1);
    } else if (kind == T_EXAMPLES) {
        add_check(f, b, T_TEXT, at, at, 0);
    } else if (kind == T_MODE) {
        *modes = strcmp(b->arg, "batch") == 0 ? T_BATCH : strcmp(b->arg, "streaming") == 0 ? T_STREAMING : strcmp(b->arg, "both") == 0 ? T_BOTH : 0;
        if (!*modes)
            return bad(f, at, "mode is batch, streaming or both, not '%s'", b->arg);
    } else if (kind == T_FILE) {
        if (!check_file(f, at, b->arg))
            return false;
    } else if (kind == T_CLOCK) {
        struct t_clock c;
        if (!t_parse_clock(b->arg, &c))
            return bad(f, at, "a clock is written 2024-01-01 12:00:00, not '%s'", b->arg);
    }
    if (kind == T_TABLE || kind == T_SINK || kind == T_STATEMENT || kind == T_SET || kind == T_JOB)
        add_check(f, b, T_OK, at, b->body, 0);
    set_text(f, b);
    return true;
}

static bool add_section(struct t_file *f, enum t_want want, size_t *line)
{
    struct t_block *b = f->nblocks ? &f->blocks[f->nblocks - 1] : NULL;
    size_t at = *line, n = body_length(f, at + 1);

    if (!b || (b->kind != T_QUERY && b->kind != T_EXPLAIN && b->kind != T_STATEMENT && b->kind != T_JOB))
        return bad(f, at, "'%s' belongs below a query, explain, statement or job", f->lines.line[at]);
    if ((b->kind == T_STATEMENT || b->kind == T_JOB) && want != T_ERROR && want != T_NOTICES && want != T_PRINTED)
        return bad(f, at, "a statement has no rows: '%s' belongs below a query", f->lines.line[at]);
    add_check(f, b, want, at, at + 1, n);
    *line = at + 1 + n;
    return true;
}

static bool parse_line(struct t_file *f, size_t *line, int *modes)
{
    const char *p = f->lines.line[*line];

    if (*p == ' ' || *p == '\t')
        return bad(f, *line, "this line belongs to nothing: a block such as table, statement or query starts in column one%s", "");
    for (size_t i = sizeof section_words / sizeof *section_words; i-- > 0;)
        if (is_line(p, section_words[i].word))
            return add_section(f, section_words[i].want, line);
    for (size_t i = sizeof block_words / sizeof *block_words; i-- > 0;)
        if (starts_word(p, block_words[i].word))
            return add_block(f, block_words[i].kind, p + strlen(block_words[i].word), line, modes);
    return bad(f, *line, "a block starts with table, sink, file, statement, query, explain, expressions, rows of, set, mode, clock or job, not '%s'", p);
}

/* A query or explain that states nothing: --update writes what it gives. */
static void add_missing(struct t_file *f)
{
    for (size_t i = 0; i < f->nblocks; i++) {
        struct t_block *b = &f->blocks[i];
        bool stated = (b->kind != T_QUERY && b->kind != T_EXPLAIN) || b->nchecks > 0;

        if (!stated)
            add_check(f, b, b->kind == T_EXPLAIN ? T_TEXT : T_ROWS, b->line, b->body + b->nbody, 0)->missing = true;
    }
}

bool t_read(const char *path, struct t_file *f)
{
    struct sh_buf text = { 0 };
    int modes = T_BOTH;
    bool good = true;

    *f = (struct t_file){ .path = path };
    if (!sh_read_file(path, &text)) {
        sh_free(&text);
        return bad(f, 0, "the file cannot be read%s", "");
    }
    for (size_t i = 0; i < text.n;) {
        const char *end = memchr(text.p + i, '\n', text.n - i);
        size_t n = end ? (size_t)(end - text.p) - i : text.n - i;

        t_push(&f->lines, text.p + i, n > 0 && text.p[i + n - 1] == '\r' ? n - 1 : n);
        i += n + 1;
    }
    sh_free(&text);
    for (size_t line = 0; good && line < f->lines.n;) {
        if (f->lines.line[line][strspn(f->lines.line[line], " \t")] == 0 || f->lines.line[line][0] == '#')
            line++;
        else
            good = parse_line(f, &line, &modes);
    }
    if (good)
        add_missing(f);
    return good;
}

/* ---- expressions ---- */

/* The first place of `mark` outside quotes and parentheses. */
static const char *first_outside(const char *p, const char *end, const char *mark)
{
    size_t n = strlen(mark);
    int depth = 0;

    for (char quote = 0; p < end; p++) {
        if (quote)
            quote = *p == quote ? 0 : quote;
        else if (*p == '\'' || *p == '"' || *p == '`')
            quote = *p;
        else if (depth <= 0 && (size_t)(end - p) >= n && strncmp(p, mark, n) == 0)
            return p;
        else
            depth += (*p == '(') - (*p == ')');
    }
    return NULL;
}

static char *trimmed(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return sh_strndup(from, (size_t)(to - from));
}

bool t_split_expression(const char *line, char **expr, char **value, char **type, size_t *value_at)
{
    const char *end = line + strlen(line), *arrow = first_outside(line, end, " => "), *from, *colons;

    *expr = *value = *type = NULL;
    if (!arrow) {
        *expr = trimmed(line, end);
        *value_at = strlen(line);
        return false;
    }
    from = arrow + 4;
    colons = first_outside(from, end, " :: ");
    *expr = trimmed(line, arrow);
    *value_at = (size_t)(from - line);
    if (colons) {
        *type = trimmed(colons + 4, end);
        end = colons;
    }
    *value = trimmed(from, end);
    return true;
}
