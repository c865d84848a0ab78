/* SPDX-License-Identifier: Apache-2.0
 *
 * testtable.c: the tables of a test file: the columns of their list, and their rows as records of a file.
 */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void t_columns_free(struct t_columns *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->col[i].name);
    free(c->col);
}

static bool contains_word(const char *p, size_t n, const char *word)
{
    size_t m = strlen(word);

    for (size_t i = 0; i + m <= n; i++)
        if ((i == 0 || p[i - 1] == ' ') && strncasecmp(p + i, word, m) == 0 && (i + m == n || p[i + m] == ' ' || p[i + m] == '('))
            return true;
    return false;
}

/* One element of a table's list: columns that records hold; computed and metadata columns, keys and watermarks are none of the file's. */
static void add_column(struct t_columns *c, const char *p, size_t n)
{
    static const char *const none[] = { "WATERMARK", "PRIMARY", "CONSTRAINT", "UNIQUE" };
    static const char *const texts[] = { "STRING", "VARCHAR", "CHAR", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP_LTZ", "BYTES", "BINARY", "VARBINARY" };
    static const char *const nested[] = { "ARRAY", "MAP", "ROW", "MULTISET" };
    size_t name;

    while (n > 0 && *p == ' ')
        p++, n--;
    for (int i = 0; i < 4; i++)
        if (strncasecmp(p, none[i], strlen(none[i])) == 0 && strchr(" (", p[strlen(none[i])]))
            return;
    if (*p == '`')
        name = strcspn(p + 1, "`") + 2;
    else
        name = strcspn(p, " ");
    if (name >= n)
        return;
    const char *type = p + name;
    size_t m = n - name;
    while (m > 0 && *type == ' ')
        type++, m--;
    if (strncasecmp(type, "AS ", 3) == 0 || strncasecmp(type, "END ", 4) == 0 || contains_word(type, m, "METADATA"))
        return;
    c->col = sh_grow(c->col, sizeof *c->col, c->n, &c->cap);
    struct t_column *col = &c->col[c->n++];
    *col = (struct t_column){ .name = *p == '`' ? sh_strndup(p + 1, name - 2) : sh_strndup(p, name) };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t k = strlen(texts[i]);

        col->text |= strncasecmp(type, texts[i], k) == 0 && (m == k || type[k] == ' ' || type[k] == '(');
    }
    for (size_t i = 0; i < 4; i++)
        col->nested |= strncasecmp(type, nested[i], strlen(nested[i])) == 0 && m > strlen(nested[i]);
}

const char *t_split_columns(const char *p, struct t_columns *c)
{
    const char *open = strchr(p, '('), *start;
    int depth = 0;

    if (!open)
        return NULL;
    start = open + 1;
    for (p = start; *p; p++) {
        if (*p == '\'' || *p == '`') {
            const char *end = strchr(p + 1, *p);

            if (!end)
                return NULL;
            p = end;
        } else if (*p == '(' || *p == '<') {
            depth++;
        } else if (*p == ')' && depth == 0) {
            add_column(c, start, (size_t)(p - start));
            return p + 1;
        } else if (*p == ')' || *p == '>') {
            depth--;
        } else if (*p == ',' && depth == 0) {
            add_column(c, start, (size_t)(p - start));
            start = p + 1;
        }
    }
    return NULL;
}

static bool is_json_number(const char *p)
{
    p += *p == '-';
    if (*p < '0' || *p > '9')
        return false;
    if (*p == '0' && p[1] >= '0' && p[1] <= '9')
        return false;
    p += strspn(p, "0123456789");
    if (*p == '.') {
        if (p[1] < '0' || p[1] > '9')
            return false;
        p += 1 + strspn(p + 1, "0123456789");
    }
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '-' || p[1] == '+');
        if (*p < '0' || *p > '9')
            return false;
        p += strspn(p, "0123456789");
    }
    return *p == 0;
}

static void add_value(struct sh_buf *b, const struct t_column *c, const char *p, bool null)
{
    if (null)
        sh_adds(b, "null");
    else if (c->nested || (!c->text && (strcmp(p, "true") == 0 || strcmp(p, "false") == 0 || is_json_number(p))))
        sh_adds(b, p);
    else
        sh_addjson(b, p, strlen(p));
}

static void add_record(struct sh_buf *b, const struct t_columns *c, char **values, const bool *nulls)
{
    sh_add(b, "{", 1);
    for (size_t i = 0; i < c->n; i++) {
        if (i)
            sh_add(b, ",", 1);
        sh_addjson(b, c->col[i].name, strlen(c->col[i].name));
        sh_add(b, ":", 1);
        add_value(b, &c->col[i], values[i], nulls[i]);
    }
    sh_add(b, "}", 1);
}

const char *t_write_row(struct t_rows_writer *w, const struct t_columns *c, const char *line)
{
    struct t_lines cells = { 0 }, values = { 0 };
    bool nulls[1024] = { false };
    struct sh_buf record = { 0 };
    const char *wrong = NULL, *kind;

    t_split(line, &cells, &values, nulls, 1024);
    kind = cells.line[0];
    bool has_kind = cells.n == c->n + 1 && (strcmp(kind, "+I") == 0 || strcmp(kind, "-U") == 0 || strcmp(kind, "+U") == 0 || strcmp(kind, "-D") == 0);
    w->any_kind |= has_kind;
    w->any_plain |= !has_kind;
    if (cells.n != c->n + has_kind || cells.n > 1024) {
        wrong = "a row has not as many cells as the table has columns";
    } else if (w->any_kind && w->any_plain) {
        wrong = "either all rows of a table begin with their kind (+I, -U, +U, -D) or none";
    } else if (w->before.n && strcmp(kind, "+U") != 0) {
        wrong = "a -U row is followed by its +U row";
    } else if (has_kind && strcmp(kind, "+U") == 0 && !w->before.n) {
        wrong = "a +U row follows its -U row";
    } else {
        add_record(&record, c, values.line + has_kind, nulls + has_kind);
        if (!has_kind)
            sh_addf(&w->out, "%s\n", record.p);
        else if (strcmp(kind, "+I") == 0)
            sh_addf(&w->out, "{\"before\":null,\"after\":%s,\"op\":\"c\"}\n", record.p);
        else if (strcmp(kind, "-D") == 0)
            sh_addf(&w->out, "{\"before\":%s,\"after\":null,\"op\":\"d\"}\n", record.p);
        else if (strcmp(kind, "-U") == 0)
            sh_adds(&w->before, record.p);
        else
            sh_addf(&w->out, "{\"before\":%s,\"after\":%s,\"op\":\"u\"}\n", w->before.p, record.p);
        if (strcmp(kind, "+U") == 0)
            w->before.n = 0;
    }
    sh_free(&record);
    t_lines_free(&cells);
    t_lines_free(&values);
    return wrong;
}
