/* SPDX-License-Identifier: Apache-2.0
 *
 * live.c: a query without an end on a terminal: the rows that there are now, drawn a few times a second on the alternate screen, until q, Ctrl-C or the
 * end of the query. The last page stays behind on the normal screen.
 *
 * Rows are kept as the cells that are shown, in the order in which they came; a change takes the place of the row it changes. A table of hashes
 * finds the row that a -U or -D takes back. At most 'sql-client.execution.max-table-result.rows' rows are kept (1,000,000 where it is not
 * given, as in Flink): the oldest go, and what takes them back later is passed over.
 *
 * The state of the terminal is static: a signal handler must be able to put it back.
 */
#include "shell.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { MOST_ROWS = 1000000, PAGE_MOST = 1000 };

/* ---- the terminal ---- */

static struct termios cooked;
static volatile bool keys_open, screen_open;

bool sh_keys_open(void)
{
    struct termios raw;

    if (keys_open)
        return true;
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &cooked) != 0)
        return false;
    raw = cooked;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    keys_open = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    return keys_open;
}

void sh_keys_close(void)
{
    if (keys_open)
        tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
    keys_open = false;
}

static int read_key(void)
{
    unsigned char c;
    struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };

    return keys_open && poll(&fd, 1, 0) == 1 && read(STDIN_FILENO, &c, 1) == 1 ? c : SH_KEY_NONE;
}

int sh_key(void)
{
    static const struct { char text[4]; int key; } sequences[] = {
        { "[A", SH_KEY_UP }, { "[B", SH_KEY_DOWN }, { "[5~", SH_KEY_PAGE_UP }, { "[6~", SH_KEY_PAGE_DOWN }, { "[H", SH_KEY_HOME }, { "[F", SH_KEY_END },
        { "OA", SH_KEY_UP }, { "OB", SH_KEY_DOWN }, { "OH", SH_KEY_HOME }, { "OF", SH_KEY_END }, { "[1~", SH_KEY_HOME }, { "[4~", SH_KEY_END },
    };
    char text[4] = "";
    int c = read_key();

    for (size_t n = 0; c == 033 && n < 3; n++) {
        int next = read_key();

        if (next == SH_KEY_NONE)
            break;
        text[n] = (char)next;
        for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++)
            if (strcmp(text, sequences[i].text) == 0)
                return sequences[i].key;
    }
    return c;
}

static void put_raw(const char *text)
{
    ssize_t n = write(STDOUT_FILENO, text, strlen(text));

    (void)n;                    /* a terminal that is gone is noticed elsewhere */
}

static void screen_enter(void)
{
    fflush(stdout);
    put_raw("\033[?1049h\033[?25l");
    screen_open = true;
}

void sh_screen_leave(void)
{
    if (screen_open)
        put_raw("\033[?25h\033[?1049l");
    screen_open = false;
}

/* ---- rows ---- */

struct row {
    struct row *next;           /* of the same bucket */
    size_t slot, bytes;
    unsigned long long hash;
    char text[];                /* cells, each 0-terminated */
};

struct sh_live {
    struct sh_render page;      /* columns, widths */
    struct row **slot;          /* in order; NULL: gone */
    size_t nslots, cap;
    struct row **bucket;
    size_t nbuckets;            /* a power of two */
    size_t rows, most, oldest;
    struct row *before;         /* taken back by a -U, and shown until its +U comes; NULL: none */
    size_t top;                 /* row that the page begins with */
    bool follow;                /* the page is the last one */
};

static unsigned long long hash_of(const char *p, size_t n)
{
    unsigned long long h = 1469598103934665603ULL;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 1099511628211ULL;
    return h ^ h >> 29;
}

static void put_in_bucket(struct sh_live *l, struct row *r)
{
    struct row **at = &l->bucket[r->hash & (l->nbuckets - 1)];

    r->next = *at;
    *at = r;
}

static void grow_buckets(struct sh_live *l)
{
    if (l->rows < l->nbuckets)
        return;
    free(l->bucket);
    l->nbuckets = l->nbuckets ? l->nbuckets * 4 : 256;
    l->bucket = sh_alloc(sizeof(struct row *) * l->nbuckets);
    for (size_t i = 0; i < l->nslots; i++)
        if (l->slot[i])
            put_in_bucket(l, l->slot[i]);
}

static void take_out(struct sh_live *l, struct row *r)
{
    struct row **at = &l->bucket[r->hash & (l->nbuckets - 1)];

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    l->slot[r->slot] = NULL;
    l->rows--;
    free(r);
}

/* Slots without rows go when they are the most. */
static void close_gaps(struct sh_live *l)
{
    size_t to = 0;

    if (l->nslots < 64 || l->rows > l->nslots / 2)
        return;
    for (size_t i = 0; i < l->nslots; i++)
        if (l->slot[i]) {
            l->slot[to] = l->slot[i];
            l->slot[to]->slot = to;
            to++;
        }
    l->nslots = to;
    l->oldest = 0;
}

static void drop_oldest(struct sh_live *l)
{
    while (l->oldest < l->nslots && !l->slot[l->oldest])
        l->oldest++;
    if (l->oldest < l->nslots)
        take_out(l, l->slot[l->oldest]);
}

static void add_row(struct sh_live *l, const struct sh_buf *cells)
{
    struct row *r = sh_alloc(sizeof *r + cells->n);
    size_t place = SIZE_MAX;

    memcpy(r->text, cells->p, cells->n);
    r->bytes = cells->n;
    r->hash = hash_of(cells->p, cells->n);
    if (l->before) {
        place = l->before->slot;
        take_out(l, l->before);
        l->before = NULL;
    } else if (l->rows >= l->most) {
        drop_oldest(l);
    }
    if (place == SIZE_MAX) {
        close_gaps(l);
        l->slot = sh_grow(l->slot, sizeof *l->slot, l->nslots, &l->cap);
        place = l->nslots++;
        l->slot[place] = NULL;
    }
    grow_buckets(l);
    r->slot = place;
    l->slot[place] = r;
    l->rows++;
    put_in_bucket(l, r);
}

static struct row *find_row(const struct sh_live *l, const struct sh_buf *cells)
{
    unsigned long long h = hash_of(cells->p, cells->n);

    for (struct row *r = l->nbuckets ? l->bucket[h & (l->nbuckets - 1)] : NULL; r; r = r->next)
        if (r->hash == h && r->bytes == cells->n && memcmp(r->text, cells->p, cells->n) == 0)
            return r;
    return NULL;
}

static void change(struct sh_live *l, sqluice_stmt *q)
{
    struct sh_buf cells = { 0 };
    int kind = sqluice_row_kind(q);
    struct row *r;

    for (int i = 0; i < l->page.ncols; i++) {
        char *cell = sh_render_cell(q, i);

        sh_add(&cells, cell, strlen(cell) + 1);
        free(cell);
    }
    if (kind != SQLUICE_UPDATE_AFTER && l->before) {        /* its +U was left out */
        take_out(l, l->before);
        l->before = NULL;
    }
    if (kind == SQLUICE_UPDATE_BEFORE)
        l->before = find_row(l, &cells);
    else if (kind != SQLUICE_DELETE)
        add_row(l, &cells);
    else if ((r = find_row(l, &cells)))
        take_out(l, r);
    sh_free(&cells);
}

/* ---- drawing ---- */

/* The rows from the n-th on as arrays of cells, at most `most`; returns how many. */
static size_t cut_page(struct sh_live *l, size_t from, size_t most, char ***rows)
{
    size_t n = 0, at = 0;

    for (size_t i = 0; i < l->nslots && n < most; i++) {
        if (!l->slot[i] || at++ < from)
            continue;
        char **cells = sh_alloc(sizeof(char *) * (size_t)l->page.ncols);
        char *p = l->slot[i]->text;

        for (int c = 0; c < l->page.ncols; c++, p += strlen(p) + 1)
            cells[c] = p;
        rows[n++] = cells;
    }
    return n;
}

static void print_page(struct sh_live *l, FILE *out, size_t from, size_t most)
{
    char ***rows = sh_alloc(sizeof(char **) * most);
    size_t n = cut_page(l, from, most, rows);

    l->page.out = out;
    sh_render_page(&l->page, rows, n);
    for (size_t i = 0; i < n; i++)
        free(rows[i]);
    free(rows);
}

static size_t page_rows(int *columns)
{
    struct winsize size = { .ws_row = 24, .ws_col = 80 };

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    *columns = size.ws_col ? size.ws_col : 80;
    if (size.ws_row == 0)
        size.ws_row = 24;
    return size.ws_row > 6 ? (size.ws_row > PAGE_MOST ? PAGE_MOST : size.ws_row) - 4u : 2;
}

static void place_page(struct sh_live *l, size_t height)
{
    size_t last = l->rows > height ? l->rows - height : 0;

    if (l->follow || l->top > last)
        l->top = last;
}

/* Each line is drawn over the one that was there, so that nothing flickers. */
static void draw(struct sh_live *l, const sqluice_progress *p)
{
    size_t height = page_rows(&l->page.columns), n = 0;
    char *text = NULL, *line;
    FILE *out = open_memstream(&text, &n);
    unsigned long long ms = p->elapsed_ms > 0 ? (unsigned long long)p->elapsed_ms : 1;

    if (!out)
        return;
    place_page(l, height);
    print_page(l, out, l->top, height);
    fclose(out);
    fputs("\033[H", stdout);
    for (line = text; *line;) {
        size_t len = strcspn(line, "\n");

        fwrite(line, 1, len, stdout);
        fputs("\033[K\n", stdout);
        line += len + (line[len] == '\n');
    }
    fputs("\033[J", stdout);
    if (l->rows > height)
        printf("rows %zu to %zu of %zu", l->top + 1, l->top + height, l->rows);
    else
        printf("%zu %s", l->rows, l->rows == 1 ? "row" : "rows");
    printf("; %llu read, %llu a second. q: leave%s", (unsigned long long)p->rows_in, (unsigned long long)p->rows_in * 1000 / ms,
           l->rows > height ? ", arrows: scroll" : "");
    fputs("\033[K", stdout);
    fflush(stdout);
    free(text);
}

static void scroll(struct sh_live *l, long by)
{
    int columns;
    size_t height = page_rows(&columns), last = l->rows > height ? l->rows - height : 0;

    if (by < 0)
        l->top = l->top > (size_t)-by ? l->top - (size_t)-by : 0;
    else
        l->top = l->top + (size_t)by < last ? l->top + (size_t)by : last;
    l->follow = l->top == last && by > 0;
}

bool sh_live_poll(struct sh *sh, const sqluice_progress *p)
{
    struct sh_live *l = sh->live;
    int key, columns;
    long page = (long)page_rows(&columns);

    while ((key = sh_key()) != SH_KEY_NONE)
        switch (key) {
        case 'q':
        case 'Q': return true;
        case 'k':
        case SH_KEY_UP: scroll(l, -1); break;
        case 'j':
        case SH_KEY_DOWN: scroll(l, 1); break;
        case 'b':
        case SH_KEY_PAGE_UP: scroll(l, -page); break;
        case ' ':
        case SH_KEY_PAGE_DOWN: scroll(l, page); break;
        case 'g':
        case SH_KEY_HOME: scroll(l, -MOST_ROWS * 2L); break;
        case 'G':
        case SH_KEY_END: scroll(l, MOST_ROWS * 2L); break;
        default: break;
        }
    draw(l, p);
    return ferror(stdout) != 0;
}

/* ---- running ---- */

static size_t most_rows(struct sh *sh)
{
    const char *v = sqluice_setting(sh->db, "sql-client.execution.max-table-result.rows");
    long long n = v ? strtoll(v, NULL, 10) : 0;

    return n > 0 ? (size_t)n : MOST_ROWS;
}

static void release(struct sh_live *l)
{
    for (size_t i = 0; i < l->nslots; i++)
        free(l->slot[i]);
    free(l->slot);
    free(l->bucket);
}

int sh_live_run(struct sh *sh, sqluice_stmt *q)
{
    struct sh_live l = { .page = { .mode = SH_TABLE, .out = stdout, .hide_op = true }, .most = most_rows(sh), .follow = true };
    size_t height;
    int rc;

    sh_erase(sh);
    sh_render_begin(&l.page, q);
    sh_keys_open();
    screen_enter();
    sh->live = &l;
    while ((rc = sqluice_step(q)) == SQLUICE_ROW) {
        change(&l, q);
        if (sh_interrupted()) {
            rc = SQLUICE_INTERRUPT;
            break;
        }
    }
    sh->live = NULL;
    sh_screen_leave();
    sh_keys_close();
    height = page_rows(&l.page.columns);
    place_page(&l, height);
    print_page(&l, stdout, l.top, height);
    printf("(%zu %s%s%s)\n", l.rows, l.rows == 1 ? "row" : "rows", rc == SQLUICE_DONE ? "" : " so far", l.rows > height ? ", the last page" : "");
    fflush(stdout);
    l.page.out = stdout;
    l.page.plain = true;                /* what is left to end has been shown */
    sh_render_end(&l.page, true);
    release(&l);
    return rc;
}
