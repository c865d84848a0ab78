/* SPDX-License-Identifier: Apache-2.0
 *
 * render.c: rows as an aligned table, CSV (RFC 4180), JSON lines or one column a line.
 *
 * The table holds its first rows (HOLD_ROWS) to learn the widths, prints them, and goes on with those widths: memory stays bounded
 * however long the result is; a later, wider cell then pushes its line. On a terminal the widest columns are cut until a line fits.
 */
#include "shell.h"

#include <stdlib.h>
#include <string.h>

enum { HOLD_ROWS = 1000, LEAST_WIDTH = 8 };

bool sh_mode_parse(const char *s, enum sh_mode *mode)
{
    static const char *const name[] = { "table", "csv", "json", "vertical" };

    for (int i = 0; i < 4; i++)
        if (strcmp(s, name[i]) == 0) {
            *mode = (enum sh_mode)i;
            return true;
        }
    return false;
}

static int text_width(const char *p)
{
    size_t n = strlen(p);
    unsigned code;
    int width = 0;

    for (size_t i = 0; i < n;) {
        i += sh_utf8(p + i, n - i, &code);
        width += sh_char_width(code);
    }
    return width;
}

/* A cell on one line: control characters and bad bytes become visible. */
static char *cell_text(const char *p, size_t n)
{
    struct sh_buf b = { 0 };

    sh_add(&b, "", 0);
    for (size_t i = 0; i < n;) {
        unsigned code;
        size_t len = sh_utf8(p + i, n - i, &code);

        if (p[i] == '\n')
            sh_adds(&b, "\\n");
        else if (p[i] == '\t')
            sh_adds(&b, "\\t");
        else if (p[i] == '\r')
            sh_adds(&b, "\\r");
        else if (code < 0x20 || code == 0x7F || (code == 0xFFFD && len == 1))
            sh_addf(&b, "\\x%02X", (unsigned char)p[i]);
        else
            sh_add(&b, p + i, len);
        i += len;
    }
    return b.p;
}

static bool is_number(int type)
{
    return type == SQLUICE_TYPE_INTEGER || type == SQLUICE_TYPE_DOUBLE || type == SQLUICE_TYPE_DECIMAL;
}

static void release(struct sh_render *r)
{
    for (size_t i = 0; i < r->held * (size_t)(r->ncols + r->lead); i++)
        free(r->cells[i]);
    for (int i = 0; r->names && i < r->ncols + r->lead; i++)
        free(r->names[i]);
    free(r->names);
    free(r->cells);
    free(r->width);
    free(r->right);
    r->names = r->cells = NULL;
    r->width = NULL;
    r->right = NULL;
    r->held = r->cap = 0;
}

static void csv_field(struct sh_render *r, const char *p, size_t n, bool quote)
{
    quote |= n && *p == ' ';
    for (size_t i = 0; i < n && !quote; i++)
        quote = p[i] == ',' || p[i] == '"' || p[i] == '\r' || p[i] == '\n' || p[i] == 0;
    if (!quote) {
        fwrite(p, 1, n, r->out);
        return;
    }
    putc('"', r->out);
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '"')
            putc('"', r->out);
        putc(p[i], r->out);
    }
    putc('"', r->out);
}

void sh_render_begin(struct sh_render *r, sqluice_stmt *q)
{
    r->ncols = sqluice_column_count(q);
    r->lead = sqluice_stmt_changelog(q) && sqluice_stmt_kind(q) == SQLUICE_STMT_QUERY && !r->hide_op;
    r->rows = 0;
    r->begun = false;
    int n = r->ncols + r->lead;
    r->width = sh_alloc(sizeof(int) * (size_t)n);
    r->right = sh_alloc(sizeof(bool) * (size_t)n);
    r->names = sh_alloc(sizeof(char *) * (size_t)n);
    if (r->lead)
        r->names[0] = sh_strndup("op", 2);
    for (int i = 0; i < r->ncols; i++) {
        const char *name = sqluice_column_name(q, i);

        r->names[i + r->lead] = cell_text(name, strlen(name));
        r->right[i + r->lead] = is_number(sqluice_column_type(q, i));
    }
    for (int i = 0; i < n; i++)
        r->width[i] = text_width(r->names[i]);
    r->plain = sqluice_stmt_kind(q) == SQLUICE_STMT_INFO && r->ncols == 1 && strcmp(r->names[0], "result") == 0
               && (r->mode == SH_TABLE || r->mode == SH_VERTICAL);
    if (r->mode == SH_CSV && n > 0) {
        for (int i = 0; i < n; i++) {
            if (i)
                putc(',', r->out);
            csv_field(r, r->names[i], strlen(r->names[i]), false);
        }
        fputs("\r\n", r->out);
    }
}

static void pad(struct sh_render *r, int n, char c)
{
    for (; n > 0; n--)
        putc(c, r->out);
}

/* Prints a cell in its column; what is too wide for a terminal ends in "…". The last column is not padded. */
static void table_cell(struct sh_render *r, int col, const char *p, bool right)
{
    int width = text_width(p), room = r->width[col];
    bool last = col == r->ncols + r->lead - 1;
    size_t n = strlen(p);

    fputs(col ? " | " : " ", r->out);
    if (r->columns && width > room) {
        size_t i = 0;
        int used = 0;
        unsigned code;

        while (i < n) {
            size_t len = sh_utf8(p + i, n - i, &code);
            int w = sh_char_width(code);

            if (used + w > room - 1)
                break;
            used += w;
            i += len;
        }
        fwrite(p, 1, i, r->out);
        fputs("…", r->out);
        width = used + 1;
    } else {
        if (right)
            pad(r, room - width, ' ');
        fputs(p, r->out);
        if (right)
            return;
    }
    if (!last)
        pad(r, room - width, ' ');
}

static void table_line(struct sh_render *r, char **cells, bool header)
{
    for (int i = 0; i < r->ncols + r->lead; i++)
        table_cell(r, i, cells[i], r->right[i] && !header);
    putc('\n', r->out);
}

/* Takes columns from the widest until a line fits. */
static void fit(struct sh_render *r)
{
    int n = r->ncols + r->lead, total = 1;

    for (int i = 0; i < n; i++)
        total += r->width[i] + (i ? 3 : 0);
    while (r->columns && total > r->columns) {
        int widest = 0;

        for (int i = 1; i < n; i++)
            if (r->width[i] > r->width[widest])
                widest = i;
        if (r->width[widest] <= LEAST_WIDTH)
            return;
        r->width[widest]--;
        total--;
    }
}

static void table_header(struct sh_render *r)
{
    int n = r->ncols + r->lead;

    table_line(r, r->names, true);
    for (int i = 0; i < n; i++) {
        if (i)
            putc('+', r->out);
        pad(r, r->width[i] + (i + 1 == n ? 1 : 2), '-');
    }
    putc('\n', r->out);
}

void sh_render_page(struct sh_render *r, char ***rows, size_t n)
{
    for (int i = 0; i < r->ncols; i++) {
        r->width[i] = text_width(r->names[i]);
        for (size_t k = 0; k < n; k++) {
            int width = text_width(rows[k][i]);
            r->width[i] = width > r->width[i] ? width : r->width[i];
        }
    }
    fit(r);
    table_header(r);
    for (size_t k = 0; k < n; k++)
        table_line(r, rows[k], false);
}

void sh_render_flush(struct sh_render *r)
{
    size_t n = (size_t)(r->ncols + r->lead);

    if (!r->begun && r->names && r->mode == SH_TABLE && !r->plain && n > 0) {
        r->begun = true;
        fit(r);
        table_header(r);
    }
    for (size_t i = 0; i < r->held; i++) {
        table_line(r, r->cells + i * n, false);
        for (size_t j = 0; j < n; j++)
            free(r->cells[i * n + j]);
    }
    r->held = 0;
    if (fflush(r->out) != 0 || ferror(r->out))
        r->failed = true;
}

static void hold_cell(struct sh_render *r, size_t row, int col, char *text)
{
    r->cells[row * (size_t)(r->ncols + r->lead) + (size_t)col] = text;
    if (!r->begun) {
        int width = text_width(text);

        if (width > r->width[col])
            r->width[col] = width;
    }
}

/* Bytes as Flink's client shows them: x'00ff'. */
static char *bytes_cell(sqluice_stmt *q, int col)
{
    static const char digit[] = "0123456789abcdef";
    const unsigned char *p = sqluice_column_blob(q, col);
    size_t n = (size_t)sqluice_column_bytes(q, col);
    struct sh_buf b = { 0 };

    sh_adds(&b, "x'");
    for (size_t i = 0; i < n; i++) {
        char two[2] = { digit[p[i] >> 4], digit[p[i] & 15] };

        sh_add(&b, two, 2);
    }
    sh_adds(&b, "'");
    return b.p;
}

char *sh_render_cell(sqluice_stmt *q, int col)
{
    const char *p = sqluice_column_text(q, col);

    if (p && sqluice_column_type(q, col) == SQLUICE_TYPE_BYTES)
        return bytes_cell(q, col);
    return p ? cell_text(p, (size_t)sqluice_column_bytes(q, col)) : sh_strndup("NULL", 4);
}

static void table_row(struct sh_render *r, sqluice_stmt *q)
{
    size_t n = (size_t)(r->ncols + r->lead);

    if (n == 0)
        return;
    if (r->held == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 64;
        char **more = realloc(r->cells, r->cap * n * sizeof(char *));
        if (!more) {
            fputs("sqluice: out of memory\n", stderr);
            exit(EXIT_FAILED);
        }
        r->cells = more;
    }
    if (r->lead) {
        const char *op = sqluice_row_kind_name(sqluice_row_kind(q));

        hold_cell(r, r->held, 0, sh_strndup(op, strlen(op)));
    }
    for (int i = 0; i < r->ncols; i++)
        hold_cell(r, r->held, i + r->lead, sh_render_cell(q, i));
    r->held++;
    if (r->held >= HOLD_ROWS || (r->begun && r->held >= 64))
        sh_render_flush(r);
}

static void csv_row(struct sh_render *r, sqluice_stmt *q)
{
    if (r->lead)
        fputs(sqluice_row_kind_name(sqluice_row_kind(q)), r->out);
    for (int i = 0; i < r->ncols; i++) {
        const char *p = sqluice_column_text(q, i);

        if (i || r->lead)
            putc(',', r->out);
        if (p && sqluice_column_type(q, i) == SQLUICE_TYPE_BYTES) {
            char *hex = bytes_cell(q, i);
            fputs(hex, r->out);
            free(hex);
        } else if (p) {
            csv_field(r, p, (size_t)sqluice_column_bytes(q, i), *p == 0);       /* NULL is an empty field, an empty text is "" */
        }
    }
    fputs("\r\n", r->out);
}

static void base64(struct sh_buf *b, const unsigned char *p, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    sh_add(b, "\"", 1);
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0u);
        char four[4] = { digit[v >> 18], digit[v >> 12 & 63], i + 1 < n ? digit[v >> 6 & 63] : '=', i + 2 < n ? digit[v & 63] : '=' };

        sh_add(b, four, 4);
    }
    sh_add(b, "\"", 1);
}

static void json_value(struct sh_buf *b, sqluice_stmt *q, int col)
{
    const char *p = sqluice_column_text(q, col);
    int type = sqluice_column_type(q, col);

    if (!p)
        sh_adds(b, "null");
    else if (type == SQLUICE_TYPE_BOOLEAN)
        sh_adds(b, *p == 'T' || *p == 't' ? "true" : "false");
    else if (is_number(type) && !strpbrk(p, "nIN"))         /* NaN and Infinity are no JSON numbers */
        sh_adds(b, p);
    else if (type == SQLUICE_TYPE_BYTES)
        base64(b, sqluice_column_blob(q, col), (size_t)sqluice_column_bytes(q, col));
    else
        sh_addjson(b, p, (size_t)sqluice_column_bytes(q, col));
}

static void json_row(struct sh_render *r, sqluice_stmt *q)
{
    struct sh_buf b = { 0 };

    sh_add(&b, "{", 1);
    if (r->lead)
        sh_addf(&b, "\"op\":\"%s\"", sqluice_row_kind_name(sqluice_row_kind(q)));
    for (int i = 0; i < r->ncols; i++) {
        const char *name = sqluice_column_name(q, i);

        if (i || r->lead)
            sh_add(&b, ",", 1);
        sh_addjson(&b, name, strlen(name));
        sh_add(&b, ":", 1);
        json_value(&b, q, i);
    }
    sh_add(&b, "}\n", 2);
    fwrite(b.p, 1, b.n, r->out);
    sh_free(&b);
}

static void vertical_row(struct sh_render *r, sqluice_stmt *q)
{
    int widest = 0;

    for (int i = 0; i < r->ncols + r->lead; i++)
        if (r->width[i] > widest)
            widest = r->width[i];
    fprintf(r->out, "-[ row %llu ]\n", r->rows);
    for (int i = 0; i < r->ncols + r->lead; i++) {
        const char *op = sqluice_row_kind_name(sqluice_row_kind(q));
        char *text = i < r->lead ? sh_strndup(op, strlen(op)) : sh_render_cell(q, i - r->lead);

        fputs(r->names[i], r->out);
        pad(r, widest - r->width[i], ' ');
        fprintf(r->out, " | %s\n", text);
        free(text);
    }
}

void sh_render_row(struct sh_render *r, sqluice_stmt *q)
{
    r->rows++;
    if (r->plain) {
        const char *p = sqluice_column_text(q, 0);
        size_t n = p ? strlen(p) : 0;

        fwrite(p ? p : "", 1, n, r->out);
        if (n == 0 || p[n - 1] != '\n')
            putc('\n', r->out);
    } else if (r->mode == SH_TABLE) {
        table_row(r, q);
    } else if (r->mode == SH_CSV) {
        csv_row(r, q);
    } else if (r->mode == SH_JSON) {
        json_row(r, q);
    } else {
        vertical_row(r, q);
    }
    if (ferror(r->out))
        r->failed = true;
}

void sh_render_end(struct sh_render *r, bool whole)
{
    sh_render_flush(r);
    if (r->mode == SH_TABLE && !r->plain && r->ncols > 0)
        fprintf(r->out, "(%llu %s%s)\n", r->rows, r->rows == 1 ? "row" : "rows", whole ? "" : " so far");
    if (fflush(r->out) != 0)
        r->failed = true;
    release(r);
}
