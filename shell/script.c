/* SPDX-License-Identifier: Apache-2.0
 *
 * script.c: a text statement by statement. The engine is given the text from the start of the line that a statement begins on, with what
 * stands before the statement on that line blanked out, so that offsets, columns and the line shown in an error are those of the file.
 */
#include "shell.h"

#include <stdlib.h>
#include <string.h>

void sh_script_init(struct sh_script *s, const char *text, size_t len)
{
    *s = (struct sh_script){ .text = text, .len = len, .work = sh_strndup(text, len) };
}

void sh_script_free(struct sh_script *s)
{
    free(s->work);
    s->work = NULL;
}

static void blank(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != '\n')
            p[i] = ' ';
}

int sh_script_next(sqluice *db, struct sh_script *s, sqluice_stmt **stmt)
{
    int tail = 0, rc;

    s->base = s->pos;
    while (s->base > 0 && s->text[s->base - 1] != '\n')
        s->base--;
    blank(s->work + s->base, s->pos - s->base);
    *stmt = NULL;
    rc = sqluice_prepare(db, s->work + s->base, (int)(s->len - s->base), stmt, &tail);
    if (rc == SQLUICE_OK)
        s->pos = s->base + (size_t)tail;
    return rc;
}

bool sh_script_more(sqluice *db, const struct sh_script *s)
{
    sqluice_stmt *next = NULL;
    int rc = sqluice_prepare(db, s->text + s->pos, (int)(s->len - s->pos), &next, NULL);
    bool more = rc != SQLUICE_OK || next;

    sqluice_finalize(next);
    return more;
}

static int line_of(const struct sh_script *s, size_t at)
{
    int line = 1;

    for (size_t i = 0; i < at; i++)
        line += s->text[i] == '\n';
    return line;
}

const char *sh_script_error(sqluice *db, const struct sh_script *s, const char *name)
{
    return sqluice_error_render(db, name, s->text + s->base, line_of(s, s->base));
}

size_t sh_script_start(const struct sh_script *s)
{
    size_t i = s->base;

    for (;;) {
        while (i < s->len && (s->work[i] == ' ' || s->work[i] == '\t' || s->work[i] == '\r' || s->work[i] == '\n' || s->work[i] == ';'))
            i++;
        if (i + 1 < s->len && s->work[i] == '-' && s->work[i + 1] == '-') {
            while (i < s->len && s->work[i] != '\n')
                i++;
        } else if (i + 1 < s->len && s->work[i] == '/' && s->work[i + 1] == '*') {
            const char *end = strstr(s->work + i + 2, "*/");

            i = end ? (size_t)(end - s->work) + 2 : s->len;
        } else {
            return i;
        }
    }
}

void sh_script_complain(const struct sh_script *s, size_t start, const char *name, const char *msg, const char *hint, struct sh_buf *out)
{
    size_t from = start, to = start;
    int width;

    while (from > 0 && s->text[from - 1] != '\n')
        from--;
    while (to < s->len && s->text[to] != '\n' && s->text[to] != '\r')
        to++;
    sh_addf(out, "%s:%d:%zu: error: %s\n", name, line_of(s, start), start - from + 1, msg);
    width = snprintf(NULL, 0, "%d", line_of(s, start));
    sh_addf(out, "  %d | %.*s\n", line_of(s, start), (int)(to - from), s->text + from);
    sh_addf(out, "  %*s | %*s^ %s\n", width, "", (int)(start - from), "", hint);
}
