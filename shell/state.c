/* SPDX-License-Identifier: Apache-2.0
 *
 * state.c: `sqluice state` and `sqluice savepoint`: SHOW CHECKPOINT laid out for people, and sqluice_savepoint.
 */
#include "shell.h"

#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { PART, ID, NAME, RECORDS, BYTES, VALUE, COLUMNS };

struct row { char *cell[COLUMNS]; };
struct rows { struct row *row; size_t n, cap; };

static const char state_help[] =
    "usage: sqluice state PATH ...\n"
    "\n"
    "Shows what is in a checkpoint: its job, the operators with their records and bytes, the positions of its sources, what waits for a commit. PATH is a\n"
    "checkpoint's file, a savepoint, or the directory of a job (then its newest checkpoint, and all that there are). The file is read whole and every checksum is\n"
    "looked at; a job may run meanwhile.\n"
    "\n"
    "  sqluice state sqluice-checkpoints/daily-totals\n"
    "  sqluice -m json -c \"SHOW CHECKPOINT 'sqluice-checkpoints/daily-totals'\"      the same for programs\n"
    "  sqlite3 sqluice-checkpoints/daily-totals/chk-12.db 'SELECT * FROM state'      a checkpoint is a SQLite file\n";

static const char savepoint_help[] =
    "usage: sqluice savepoint [--timeout SECONDS] DIR [TARGET]\n"
    "\n"
    "Asks the job that keeps its checkpoints in DIR for a savepoint, and prints the file that was made. The job goes on. Where no process runs it, its last\n"
    "checkpoint is copied. TARGET is a file that is not there yet, or a directory; not given: DIR. A job begins from it with --from-savepoint FILE.\n"
    "\n"
    "  sqluice savepoint sqluice-checkpoints/daily-totals backup/monday.db\n"
    "  sqluice --from-savepoint backup/monday.db daily.sql\n";

/* "'it''s'" */
void sh_add_quoted(struct sh_buf *b, const char *text)
{
    sh_adds(b, "'");
    for (; *text; text++)
        sh_add(b, *text == '\'' ? "''" : text, *text == '\'' ? 2 : 1);
    sh_adds(b, "'");
}

static int complain(sqluice *db)
{
    int code = sqluice_errcode(db);
    const char *hint = sqluice_errhint(db);

    fprintf(stderr, "sqluice: %s\n", sqluice_errmsg(db));
    if (*hint)
        fprintf(stderr, "    %s\n", hint);
    return code == SQLUICE_SEMANTIC || code == SQLUICE_MISUSE || code == SQLUICE_UNSUPPORTED ? EXIT_BAD : EXIT_FAILED;
}

/* ---- rows ---- */

static int keep(void *arg, sqluice_stmt *q)
{
    struct rows *r = arg;

    r->row = sh_grow(r->row, sizeof *r->row, r->n, &r->cap);
    for (int c = 0; c < COLUMNS; c++) {
        struct sh_buf b = { 0 };

        if (sqluice_column_is_null(q, c))
            sh_adds(&b, "");
        else if (c == RECORDS || c == BYTES)
            sh_add_grouped(&b, (unsigned long long)sqluice_column_int64(q, c));
        else
            b.p = sh_render_cell(q, c);
        r->row[r->n].cell[c] = b.p;
    }
    r->n++;
    return 0;
}

static void free_rows(struct rows *r)
{
    for (size_t i = 0; i < r->n; i++)
        for (int c = 0; c < COLUMNS; c++)
            free(r->row[i].cell[c]);
    free(r->row);
}

static bool is_part(const struct row *r, const char *part)
{
    return strcmp(r->cell[PART], part) == 0;
}

/* ---- layout ---- */

struct column { const char *head; int cell; };

static int width_of(const char *text)
{
    size_t n = strlen(text);
    unsigned code;
    int width = 0;

    for (size_t i = 0; i < n;) {
        i += sh_utf8(text + i, n - i, &code);
        width += sh_char_width(code);
    }
    return width;
}

static void print_cell(const char *text, int width, bool right, bool last)
{
    int pad = width - width_of(text);

    if (right)
        printf("%*s%s%s", pad, "", text, last ? "" : "  ");
    else
        printf("%s%*s", text, last ? 0 : pad + 2, "");
}

static void print_line(const char *const *text, const struct column *cols, const int *width, int n)
{
    while (n > 0 && !*text[n - 1])               /* nothing behind the last cell */
        n--;
    for (int c = 0; c < n; c++)
        print_cell(text[c], width[c], cols[c].cell == RECORDS || cols[c].cell == BYTES, c == n - 1);
    putchar('\n');
}

/* The rows of a part as a table; nothing where there are none. */
static void print_part(const struct rows *r, const char *part, const struct column *cols, int n)
{
    int width[COLUMNS];
    const char *text[COLUMNS];
    bool any = false;

    for (int c = 0; c < n; c++)
        width[c] = width_of(cols[c].head);
    for (size_t i = 0; i < r->n; i++)
        for (int c = 0; c < n && is_part(&r->row[i], part); c++) {
            int w = width_of(r->row[i].cell[cols[c].cell]);
            width[c] = w > width[c] ? w : width[c];
            any = true;
        }
    if (!any)
        return;
    for (int c = 0; c < n; c++)
        text[c] = cols[c].head;
    putchar('\n');
    print_line(text, cols, width, n);
    for (size_t i = 0; i < r->n; i++) {
        if (!is_part(&r->row[i], part))
            continue;
        for (int c = 0; c < n; c++)
            text[c] = r->row[i].cell[cols[c].cell];
        print_line(text, cols, width, n);
    }
}

/* What is said once of a checkpoint: a line each. */
static void print_head(const struct rows *r)
{
    static const char *const parts[] = { "job", "running", "epoch", "status", "taken", "workers", "decider", "file" };

    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
        for (size_t i = 0; i < r->n; i++) {
            char *const *cell = r->row[i].cell;

            if (!is_part(&r->row[i], parts[p]))
                continue;
            printf("%-9s ", parts[p]);
            if (strcmp(parts[p], "job") == 0)
                printf("%s  (%s)\n", cell[NAME], cell[ID]);
            else if (strcmp(parts[p], "file") == 0)
                printf("%s, %s bytes\n", cell[NAME], cell[BYTES]);
            else
                printf("%s\n", cell[VALUE]);
        }
}

static void print_state(const struct rows *r)
{
    static const struct column operators[] = { { "operator", NAME }, { "records", RECORDS }, { "bytes", BYTES }, { "watermark", VALUE } };
    static const struct column splits[] = { { "split", ID }, { "position", VALUE }, { "read by", NAME } };
    static const struct column pending[] = { { "waits for its commit", NAME }, { "bytes", BYTES } };
    static const struct column checkpoints[] = { { "checkpoint", ID }, { "bytes", BYTES }, { "status", VALUE }, { "file", NAME } };

    print_head(r);
    print_part(r, "operator", operators, 4);
    print_part(r, "split", splits, 3);
    print_part(r, "pending", pending, 2);
    print_part(r, "checkpoint", checkpoints, 4);
}

static int show(sqluice *db, const char *path)
{
    struct rows r = { 0 };
    struct sh_buf sql = { 0 };
    int code = EXIT_DONE;

    sh_adds(&sql, "SHOW CHECKPOINT ");
    sh_add_quoted(&sql, path);
    if (sqluice_exec(db, sql.p, keep, &r) == SQLUICE_OK)
        print_state(&r);
    else
        code = complain(db);
    free_rows(&r);
    sh_free(&sql);
    return code;
}

/* ---- commands ---- */

static int bad(const char *help)
{
    fputs(help, stderr);
    return EXIT_BAD;
}

int sh_state_main(int argc, char **argv)
{
    static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
    sqluice_config config = { 0 };
    struct sh sh = { 0 };
    int c, code;

    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c != 'h')
            return bad(state_help);
        fputs(state_help, stdout);
        return EXIT_DONE;
    }
    if (optind == argc)
        return bad(state_help);
    code = sh_open(&sh, &config);
    sh_catch_signals();
    for (int i = optind; i < argc && code == EXIT_DONE; i++) {
        if (i > optind)
            putchar('\n');
        code = show(sh.db, argv[i]);
    }
    sh_close(&sh);
    return fflush(stdout) != 0 && code == EXIT_DONE ? sh_output_gone(&sh) : code;
}

static bool parse_seconds(const char *text, int *ms)
{
    char *end;
    long s = strtol(text, &end, 10);

    if (*end || end == text || s < 1 || s > INT_MAX / 1000)
        return false;
    *ms = (int)s * 1000;
    return true;
}

int sh_savepoint_main(int argc, char **argv)
{
    static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { "timeout", required_argument, NULL, 't' }, { NULL, 0, NULL, 0 } };
    sqluice_config config = { 0 };
    struct sh sh = { 0 };
    int c, code, timeout_ms = 600 * 1000;
    const char *file;

    while ((c = getopt_long(argc, argv, "ht:", options, NULL)) != -1) {
        if (c == 'h') {
            fputs(savepoint_help, stdout);
            return EXIT_DONE;
        }
        if (c != 't')
            return bad(savepoint_help);
        if (!parse_seconds(optarg, &timeout_ms)) {
            fprintf(stderr, "sqluice: --timeout takes seconds, not '%s'\n", optarg);
            return EXIT_BAD;
        }
    }
    if (argc - optind < 1 || argc - optind > 2)
        return bad(savepoint_help);
    code = sh_open(&sh, &config);
    sh_catch_signals();
    if (code == EXIT_DONE && sqluice_savepoint(sh.db, argv[optind], argc - optind == 2 ? argv[optind + 1] : NULL, timeout_ms, &file) == SQLUICE_OK)
        puts(file);
    else if (code == EXIT_DONE)
        code = complain(sh.db);
    sh_close(&sh);
    return fflush(stdout) != 0 && code == EXIT_DONE ? sh_output_gone(&sh) : code;
}
