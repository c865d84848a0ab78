/* SPDX-License-Identifier: Apache-2.0
 *
 * error.c: an error as text: where, what, the line, and a caret under the place.
 *
 * The line is shown as a terminal can take it: tabs become blanks, control characters and damaged UTF-8 become '?', and of a long line
 * only the part around the place is shown. The caret line is as wide as what stands above it, in terminal columns. A secret is shown as ****,
 * however long it is, and the place is moved accordingly.
 */
#include "parser/parser.h"

#include "base/text.h"

enum { TAB = 4, SHOWN = 100, BEFORE = 60, CARETS = 60 };

void sq_line_col(struct sq_str text, uint32_t at, uint32_t *line, uint32_t *col)
{
    *line = 1;
    *col = 1;
    for (uint32_t i = 0; i < at && i < text.n; i++) {
        if (text.p[i] == '\n') {
            ++*line;
            *col = 1;
        } else if (((unsigned char)text.p[i] & 0xc0) != 0x80) {
            ++*col;
        }
    }
}

/* One character of the line: its bytes, what is printed for it, and how wide that is. */
struct glyph { uint32_t bytes; struct sq_str shown; uint32_t width; };

static struct glyph glyph_at(struct sq_str s, uint32_t i, uint32_t column)
{
    unsigned char c = (unsigned char)s.p[i];
    uint32_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    struct glyph g = {1, SQ_STR("?"), 1};
    int w;

    if (c == '\t') {
        g.width = TAB - column % TAB;
        g.shown = (struct sq_str){"    ", g.width};
    } else if (c >= 0x20 && c != 0x7f && n <= s.n - i && sq_utf8_valid(s.p + i, n)) {
        w = sq_utf8_width((struct sq_str){s.p + i, n});
        g.bytes = n;
        g.shown = (struct sq_str){s.p + i, n};
        g.width = w > 0 ? (uint32_t)w : 0;
        if (n > 1 && c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0)   /* C1 control characters */
            g = (struct glyph){n, SQ_STR("?"), 1};
    }
    return g;
}

static void print_line(struct sq_buf *b, struct sq_str line, uint32_t at, uint32_t len, uint32_t number, const char *hint)
{
    uint32_t column = 0, caret = 0, carets = 0, from = 0, total = 0, shown;
    uint32_t digits = 3;

    for (uint32_t n = number / 1000; n; n /= 10)
        digits++;
    for (uint32_t i = 0; i < line.n;) {   /* in columns: where the place begins, how wide it is, the whole */
        struct glyph g = glyph_at(line, i, total);

        if (i < at)
            caret = total + g.width;
        else if (i < at + len)
            carets += g.width;
        total += g.width;
        i += g.bytes;
    }
    if (at >= line.n)
        caret = total;
    if (total > SHOWN && caret > BEFORE)
        from = caret - BEFORE;
    sq_buf_printf(b, "%*u | %s", (int)digits, number, from ? "..." : "");
    shown = 0;
    for (uint32_t i = 0; i < line.n;) {
        struct glyph g = glyph_at(line, i, column);

        if (column >= from && shown < SHOWN) {
            if (shown == 0 && column > from)   /* a wide character was cut */
                from = column;
            sq_buf_str(b, g.shown);
            shown += g.width;
        }
        column += g.width;
        i += g.bytes;
    }
    if (from + shown < total)
        sq_buf_puts(b, "...");
    sq_buf_printf(b, "\n%*s | %*s^", (int)digits, "", (int)(caret - from + (from ? 3 : 0)), "");
    if (carets > CARETS)
        carets = CARETS;
    for (uint32_t i = 1; i < carets; i++)
        sq_buf_putc(b, '~');
    if (hint[0])
        sq_buf_printf(b, " %s", hint);
}

/* ---- the line without its secrets ---- */

struct shown { struct sq_buf text; uint32_t at, len; };

/* Where byte `i` of the line went when [a, b) became SQ_HIDDEN at `to`. */
static uint32_t moved(uint32_t i, uint32_t a, uint32_t b, uint32_t to)
{
    return i < a ? i : i < b ? to : i - b + to + (uint32_t)strlen(SQ_HIDDEN);
}

/* The line [from, to) of the text; `at` is in it. */
static sq_rc hide_secrets(struct shown *s, struct sq_str text, uint32_t from, uint32_t to, uint32_t at, uint32_t len)
{
    uint32_t next = 0, done = from, a, b, end = at + len < to ? at + len : to, new_at = at - from, new_end = end - from;

    while (sq_secret_next(text, &next, &a, &b) && a < to) {
        uint32_t put, last = b < to ? b : to;

        a = a > done ? a : done;
        if (last <= a)
            continue;
        sq_buf_add(&s->text, text.p + done, a - done);
        put = (uint32_t)s->text.n;
        sq_buf_puts(&s->text, SQ_HIDDEN);
        if (at >= a)
            new_at = moved(at, a, last, put);
        if (end > a)
            new_end = end >= last ? moved(end, a, last, put) : put + (uint32_t)strlen(SQ_HIDDEN);
        done = last;
    }
    s->at = new_at;
    s->len = new_end > new_at ? new_end - new_at : 1;
    return sq_buf_add(&s->text, text.p + done, to - done);
}

sq_rc sq_render_error(struct sq_buf *b, const struct sq_error *e, const char *file, struct sq_str text, uint32_t first_line)
{
    uint32_t line, col, from = e->span.at, to = e->span.at;
    struct shown s = {.at = 0};
    sq_rc rc;

    if (e->span.len == 0 || e->span.at > text.n || !text.p) {
        if (file)
            sq_buf_printf(b, "%s: ", file);
        sq_buf_printf(b, "error: %s", e->msg);
        if (e->hint[0])
            sq_buf_printf(b, "\n    %s", e->hint);
        return b->rc;
    }
    sq_line_col(text, e->span.at, &line, &col);
    while (from > 0 && text.p[from - 1] != '\n')
        from--;
    while (to < text.n && text.p[to] != '\n')
        to++;
    if (to > from && text.p[to - 1] == '\r')
        to--;
    line += first_line ? first_line - 1 : 0;
    if (file)
        sq_buf_printf(b, "%s:", file);
    sq_buf_printf(b, "%u:%u: error: %s\n", line, col, e->msg);
    sq_buf_init(&s.text, b->ctx);
    rc = hide_secrets(&s, text, from, to, e->span.at, e->span.len);
    if (rc == SQ_OK)
        print_line(b, sq_buf_view(&s.text), s.at, s.len, line, e->hint);
    sq_buf_free(&s.text);
    return rc == SQ_OK ? b->rc : rc;
}
