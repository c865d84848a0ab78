/* SPDX-License-Identifier: Apache-2.0
 *
 * shell.h: what the files of the command share. The command knows the engine by include/sqluice.h alone: what the shell needs, an
 * embedding program needs too.
 *
 *   main.c        flags, inputs, signals        script.c    a text statement by statement, errors at their place
 *   run.c         runs a script, shows results  render.c    tables, CSV, JSON lines, vertical
 *   repl.c        the interactive shell         buf.c       growing text, UTF-8 widths
 *   testfile.c    parses a test file            testrun.c   runs it in every mode and batch size
 *   testcheck.c   compares, shows a difference, rewrites
 *
 * Out of memory ends the command with a message (sh_alloc): there is nothing it could still do.
 */
#ifndef SHELL_H
#define SHELL_H

#include <stdbool.h>
#include <stdio.h>

#include "sqluice.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_BAD = 2, EXIT_PIPE = 141 /* the reader went away: what a SIGPIPE would have made of it */ };

/* ---- buf.c ---- */

struct sh_buf { char *p; size_t n, cap; };          /* p is 0-terminated once something was added */

void *sh_alloc(size_t n);                           /* zeroed; never NULL */
void *sh_grow(void *p, size_t item, size_t n, size_t *cap);   /* room for one more than n */
char *sh_strndup(const char *p, size_t n);
void sh_add(struct sh_buf *, const char *p, size_t n);
void sh_adds(struct sh_buf *, const char *s);
void sh_addf(struct sh_buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sh_addjson(struct sh_buf *, const char *p, size_t n);    /* with its quotes */
void sh_free(struct sh_buf *);
bool sh_read_file(const char *path, struct sh_buf *);         /* "-": standard input; false: errno */
size_t sh_utf8(const char *p, size_t n, unsigned *code);      /* bytes of the first character; a bad byte counts as one, U+FFFD */
int sh_char_width(unsigned code);                             /* columns on a terminal: 0, 1, 2 */

/* ---- script.c ---- */

struct sh_script {
    const char *text;
    size_t len, pos;            /* pos: behind the last statement */
    size_t base;                /* start of the line that the last statement began on: what the engine got */
    char *work;                 /* copy of text in which the finished statements of a line are blanks */
};
void sh_script_init(struct sh_script *, const char *text, size_t len);
void sh_script_free(struct sh_script *);
/* The next statement: SQLUICE_OK with *stmt NULL at the end. */
int sh_script_next(sqluice *, struct sh_script *, sqluice_stmt **stmt);
bool sh_script_more(sqluice *, const struct sh_script *);     /* whether a statement follows, good or bad */
/* The last error, rendered at its place. Good until the next call on the engine. */
const char *sh_script_error(sqluice *, const struct sh_script *, const char *name);
/* An error of the shell's own about the statement that ended last: "name:line:col: error: …". */
void sh_script_complain(const struct sh_script *, size_t start, const char *name, const char *msg, const char *hint, struct sh_buf *out);
size_t sh_script_start(const struct sh_script *);             /* of the first word behind base that is no blank or comment */

/* ---- render.c ---- */

enum sh_mode { SH_TABLE, SH_CSV, SH_JSON, SH_VERTICAL };
bool sh_mode_parse(const char *, enum sh_mode *);

struct sh_render {
    enum sh_mode mode;
    FILE *out;
    int columns;                /* of the terminal; 0: no terminal, nothing is cut */
    /* of the statement being shown */
    int ncols, lead;            /* lead: 1 with an op column */
    bool plain;                 /* text as it is: EXPLAIN, SHOW CREATE */
    bool begun, failed;
    unsigned long long rows;
    int *width;
    bool *right;
    char **names;
    char **cells;               /* rows held until widths are known, ncols + lead apiece */
    size_t held, cap;
};
void sh_render_begin(struct sh_render *, sqluice_stmt *);
void sh_render_row(struct sh_render *, sqluice_stmt *);
void sh_render_flush(struct sh_render *);           /* shows what is held */
void sh_render_end(struct sh_render *, bool whole); /* whole: the rows are all there are */

/* ---- run.c ---- */

struct sh {
    sqluice *db;
    struct sh_render render;
    bool quiet;                 /* neither account nor notices */
    bool account;
    bool progress;              /* standard error is a terminal */
    bool progress_shown;
    bool output_failed;         /* the reader went away, or the disk is full */
    bool showing_live;          /* an unbounded query is running: show rows soon */
    long long progress_from_ms; /* elapsed time of the statement that the line last showed */
};
int sh_open(struct sh *, sqluice_config *config);   /* EXIT_…; the hooks of config are filled in */
void sh_close(struct sh *);
int sh_run_text(struct sh *, const char *name, const char *text, size_t len);   /* EXIT_… */
void sh_catch_signals(void);
bool sh_interrupted(void);
void sh_interrupt_clear(void);
void sh_interrupt_target(sqluice *);                /* the engine that a signal interrupts; NULL: none */

/* ---- repl.c, testrun.c ---- */

int sh_repl(struct sh *);
int sh_test_main(int argc, char **argv);            /* argv[0] is "test" */

#endif
