/* SPDX-License-Identifier: Apache-2.0
 *
 * testcheck.c: compares what was stated with what came, shows a difference, and rewrites the file.
 *
 * Rows without an order are compared as multisets. A difference is shown once, for the first run that had it, with the names of all
 * runs that failed. --update takes what the first run gave, keeping the order of the rows that were stated and are still there.
 */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note_failure(struct t_check *c, const char *run)
{
    if (c->failed++)
        sh_adds(&c->runs, "; ");
    sh_adds(&c->runs, run);
}

void t_fail(struct t_check *c, const char *text, const char *run)
{
    c->ran++;
    note_failure(c, run);
    if (c->diff.n)
        return;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n");

        sh_addf(&c->diff, "! %.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
}

/* A row as it is compared: its cells, canonical, one bar between. */
static void canonical(const char *line, struct sh_buf *out)
{
    struct t_lines cells = { 0 };

    t_split(line, &cells, NULL, NULL, 0);
    for (size_t i = 0; i < cells.n; i++)
        sh_addf(out, "%s%s", i ? " | " : "", cells.line[i]);
    t_lines_free(&cells);
}

/* The stated lines, ready to compare. */
static void stated_lines(const struct t_file *f, const struct t_check *c, struct t_lines *out)
{
    struct t_lines body = { 0 };
    bool rows = c->want == T_ROWS || c->want == T_ORDERED || c->want == T_CHANGELOG || c->want == T_COLUMNS;

    if (c->missing)
        return;
    t_body(f, c->first, c->n, &body);
    for (size_t i = 0; i < body.n; i++) {
        struct sh_buf b = { 0 };

        if (!rows || f->blocks == NULL) {
            t_push(out, body.line[i], strlen(body.line[i]));
            continue;
        }
        if (body.line[i][0] == 0 || strncmp(body.line[i], "--", 2) == 0)
            continue;
        canonical(body.line[i], &b);
        t_push(out, b.p, b.n);
        sh_free(&b);
    }
    t_lines_free(&body);
}

static bool equal(const struct t_lines *a, const struct t_lines *b)
{
    bool same = a->n == b->n;

    for (size_t i = 0; same && i < a->n; i++)
        same = strcmp(a->line[i], b->line[i]) == 0;
    return same;
}

/* For rows without an order: got in the order of want where they agree, the others behind. Says whether both are the same multiset. */
static bool match_rows(const struct t_lines *want, struct t_lines *got, size_t *kept)
{
    bool *used = sh_alloc(got->n);
    char **sorted = sh_alloc(sizeof(char *) * (got->n + 1));
    size_t n = 0;

    for (size_t i = 0; i < want->n; i++)
        for (size_t j = 0; j < got->n; j++)
            if (!used[j] && strcmp(want->line[i], got->line[j]) == 0) {
                used[j] = true;
                sorted[n++] = got->line[j];
                break;
            }
    *kept = n;
    for (size_t j = 0; j < got->n; j++)
        if (!used[j])
            sorted[n++] = got->line[j];
    if (got->n)
        memcpy(got->line, sorted, sizeof(char *) * got->n);
    free(used);
    free(sorted);
    return *kept == got->n && *kept == want->n;
}

/* ---- differences ---- */

/* Longest common subsequence over lines, or line by line where that would be too much. */
static void show_diff(struct sh_buf *out, const struct t_lines *a, const struct t_lines *b)
{
    size_t n = a->n, m = b->n, i = 0, j = 0;

    if (n * m > 4000000) {
        sh_addf(out, "! %zu lines stated, %zu came\n", n, m);
        return;
    }
    unsigned *len = sh_alloc(sizeof *len * (n + 1) * (m + 1));
#define LEN(x, y) len[(x) * (m + 1) + (y)]
    for (size_t x = n; x-- > 0;)
        for (size_t y = m; y-- > 0;)
            LEN(x, y) = strcmp(a->line[x], b->line[y]) == 0 ? LEN(x + 1, y + 1) + 1
                        : LEN(x + 1, y) > LEN(x, y + 1)     ? LEN(x + 1, y)
                                                            : LEN(x, y + 1);
    while (i < n || j < m) {
        if (i < n && j < m && strcmp(a->line[i], b->line[j]) == 0) {
            sh_addf(out, "  %s\n", a->line[i]);
            i++, j++;
        } else if (i < n && (j == m || LEN(i + 1, j) >= LEN(i, j + 1))) {
            sh_addf(out, "- %s\n", a->line[i++]);
        } else {
            sh_addf(out, "+ %s\n", b->line[j++]);
        }
    }
#undef LEN
    free(len);
}

/* Rows without an order: what is missing, what is too much. got is already in the order of want. */
static void show_row_diff(struct sh_buf *out, const struct t_lines *want, const struct t_lines *got, size_t kept)
{
    size_t k = 0;

    for (size_t i = 0; i < want->n; i++) {
        if (k < kept && strcmp(want->line[i], got->line[k]) == 0) {
            if (want->n <= 40)
                sh_addf(out, "  %s\n", want->line[i]);
            k++;
        } else {
            sh_addf(out, "- %s\n", want->line[i]);
        }
    }
    for (size_t j = kept; j < got->n; j++)
        sh_addf(out, "+ %s\n", got->line[j]);
}

static void take_update(struct t_check *c, const struct t_lines *got)
{
    static const char *const word[] = { "rows", "rows ordered", "changelog", "columns", "text", "error", "notices", "printed", "" };

    c->rewrite = true;
    if (c->missing)
        t_push(&c->update, word[c->want], strlen(word[c->want]));
    for (size_t i = 0; i < got->n; i++) {
        struct sh_buf b = { 0 };

        if (*got->line[i])
            sh_addf(&b, "  %s", got->line[i]);
        t_push(&c->update, b.p ? b.p : "", b.n);
        sh_free(&b);
    }
}

/* One stated line is enough of an error or a notice when it is a part of it. */
static bool contains(const struct t_lines *want, const struct t_lines *got)
{
    bool all = want->n > 0;

    for (size_t i = 0; all && i < want->n; i++) {
        bool found = false;

        for (size_t j = 0; j < got->n && !found; j++)
            found = strstr(got->line[j], want->line[i]) != NULL;
        all = found;
    }
    return all;
}

void t_compare(struct t_file *f, struct t_check *c, struct t_lines *got, const char *run)
{
    struct t_lines want = { 0 };
    size_t kept = 0;
    bool same;

    stated_lines(f, c, &want);
    if (c->want == T_ROWS)
        same = match_rows(&want, got, &kept);
    else
        same = equal(&want, got);
    if (!same && c->want == T_ERROR && want.n == 1)
        same = contains(&want, got);
    if (!same && c->want == T_NOTICES)
        same = contains(&want, got);
    if (c->missing)
        same = false;
    c->ran++;
    if (!same) {
        note_failure(c, run);
        if (c->failed == 1) {
            if (c->missing)
                sh_adds(&c->diff, "! nothing is stated; --update writes what it gives:\n");
            if (c->want == T_ROWS)
                show_row_diff(&c->diff, &want, got, kept);
            else
                show_diff(&c->diff, &want, got);
            take_update(c, got);
        }
    }
    t_lines_free(&want);
}

void t_compare_expression(struct t_file *f, struct t_check *c, const char *got_value, const char *got_type, bool error, const char *run)
{
    const char *line = f->lines.line[c->first];
    char *expr, *value, *type;
    size_t at;
    bool stated = t_split_expression(line, &expr, &value, &type, &at), same = stated;

    if (stated && error)
        same = strncmp(value, "error: ", 7) == 0 && strstr(got_value, value + 7);
    else if (stated)
        same = strcmp(value, got_value) == 0 && (!type || !got_type || strcmp(type, got_type) == 0);
    c->ran++;
    if (!same) {
        note_failure(c, run);
        if (c->failed == 1) {
            struct sh_buf b = { 0 };

            sh_addf(&b, "%.*s%s%s%s", (int)at, line, stated ? "" : " => ", error ? "error: " : "", got_value);
            if (type && got_type && !error)
                sh_addf(&b, " :: %s", got_type);
            sh_addf(&c->diff, "- %s\n+ %s\n", line + strspn(line, " \t"), b.p + strspn(b.p, " \t"));
            c->rewrite = true;
            t_push(&c->update, b.p, b.n);
            sh_free(&b);
        }
    }
    free(expr);
    free(value);
    free(type);
}

/* ---- reports ---- */

static int by_line(const void *a, const void *b)
{
    const struct t_check *x = a, *y = b;

    return (x->first > y->first) - (x->first < y->first);
}

void t_report(struct t_file *f, bool color)
{
    qsort(f->checks, f->nchecks, sizeof *f->checks, by_line);
    for (size_t i = 0; i < f->nchecks; i++) {
        const struct t_check *c = &f->checks[i];

        if (!c->failed)
            continue;
        printf("%s%s:%zu: FAILED%s", color ? "\033[1m" : "", f->path, c->line + 1, color ? "\033[0m" : "");
        if (c->failed == c->ran)
            printf(" in every run\n");
        else
            printf(" in %u of %u runs (%s)\n", c->failed, c->ran, c->runs.p);
        for (const char *p = c->diff.p; p && *p;) {
            size_t n = strcspn(p, "\n");
            const char *on = !color ? "" : *p == '-' ? "\033[31m" : *p == '+' ? "\033[32m" : *p == '!' ? "\033[33m" : "";

            printf("    %s%.*s%s\n", on, (int)n, p, *on ? "\033[0m" : "");
            p += n + (p[n] == '\n');
        }
    }
}

/* One pass copies the file in the order of its lines. The new file replaces the old one whole. */
bool t_update(struct t_file *f)
{
    struct sh_buf out = { 0 }, path = { 0 };
    size_t line = 0;
    FILE *file;
    bool good;

    qsort(f->checks, f->nchecks, sizeof *f->checks, by_line);
    for (size_t i = 0; i <= f->nchecks; i++) {
        const struct t_check *c = i < f->nchecks ? &f->checks[i] : NULL;
        size_t stop = c ? c->first : f->lines.n;

        if (c && !c->rewrite)
            continue;
        for (; line < stop && line < f->lines.n; line++)
            sh_addf(&out, "%s\n", f->lines.line[line]);
        for (size_t j = 0; c && j < c->update.n; j++)
            sh_addf(&out, "%s\n", c->update.line[j]);
        line += c ? c->n : 0;
    }
    sh_addf(&path, "%s.new", f->path);
    file = fopen(path.p, "w");
    good = file && fwrite(out.p, 1, out.n, file) == out.n;
    if (file)
        good = fclose(file) == 0 && good;
    good = good && rename(path.p, f->path) == 0;
    if (!good && file) {
        int saved = errno;

        unlink(path.p);
        errno = saved;
    }
    sh_free(&out);
    sh_free(&path);
    return good;
}
