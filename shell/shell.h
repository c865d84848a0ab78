/* SPDX-License-Identifier: Apache-2.0
 *
 * shell.h: what the files of the command share. The command knows the engine by include/sqluice.h alone: what the shell needs, an
 * embedding program needs too.
 *
 *   main.c        flags, inputs, signals        script.c    a text statement by statement, errors at their place
 *   run.c         runs a script, shows results  render.c    tables, CSV, JSON lines, vertical
 *   repl.c        the interactive shell         buf.c       growing text, UTF-8 widths
 *   jobs.c        jobs in the background        progress.c  the progress line
 *   live.c        a query without an end, on a terminal: the table as it is now; keys
 *   edit.c        line editing, history, completion
 *   testfile.c    parses a test file            testrun.c   runs it in every mode and batch size
 *   testcheck.c   compares, shows a difference, rewrites
 *   state.c       what is in a checkpoint; savepoints
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
void sh_add_grouped(struct sh_buf *, unsigned long long);     /* 12345678 as "12,345,678" */
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
    bool hide_op;               /* no op column, whatever the statement */
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
char *sh_render_cell(sqluice_stmt *, int col);      /* the current row's value as a table shows it */
/* Table mode: header and these rows (ncols cells each), with widths of their own. */
void sh_render_page(struct sh_render *, char ***rows, size_t n);

/* ---- run.c ---- */

struct sh {
    sqluice *db;
    struct sh_render render;
    bool quiet;                 /* neither account nor notices */
    bool account;
    bool interactive;           /* the shell: a job that fails is news, not the end */
    bool progress;              /* standard error is a terminal */
    int progress_lines;         /* that stand on the terminal */
    const char *prompt;         /* the prompt that stands on the terminal while jobs are waited for; NULL: none */
    struct sh_job *jobs;        /* jobs.c: those that were started */
    size_t njobs, jobs_cap;
    struct sh_live *live;       /* live.c: what is shown; NULL: nothing is */
    bool output_failed;         /* the reader went away, or the disk is full */
    bool showing_live;          /* an unbounded query is running: show rows soon */
};
int sh_open(struct sh *, sqluice_config *config);   /* EXIT_…; the hooks of config are filled in */
void sh_close(struct sh *);
int sh_run_text(struct sh *, const char *name, const char *text, size_t len);   /* EXIT_… */
void sh_catch_signals(void);
bool sh_interrupted(void);
bool sh_terminated(void);                           /* by SIGTERM: the shell leaves too */
void sh_interrupt_clear(void);
void sh_interrupt_target(sqluice *);                /* the engine that a signal interrupts; NULL: none */
int sh_output_gone(struct sh *);                    /* where writing failed: EXIT_… */
void sh_show_account(struct sh *, const char *prefix, const char *text);

/* ---- progress.c ---- */

/* Takes progress lines and a waiting prompt off the terminal, before anything else is written. */
void sh_erase(struct sh *);
/* Draws a line for the statement that runs (NULL: none) and one per job, where somebody looks at it and it has run for a second. */
void sh_progress(struct sh *, const sqluice_progress *);

/* ---- jobs.c ---- */

struct sh_job {
    char *id, *name;
    char *file, *text;          /* where its statement stands, for its error */
    int first_line;
    bool told;                  /* its end was said */
    unsigned long long rate_rows;       /* for the rate: rows and time at the last look */
    long long rate_ms;
    double rate;
};
void sh_job_started(struct sh *, const struct sh_script *, const char *file, sqluice_stmt *);
bool sh_job_failed(struct sh *);                    /* one has that was not told */
/* Says which jobs have ended, and how. EXIT_FAILED: one failed. */
int sh_jobs_tell(struct sh *);
/* Waits for all of them; stop: asks them to end first. A signal or a failed job stops the rest. EXIT_… */
int sh_jobs_wait(struct sh *, bool stop);
void sh_jobs_free(struct sh *);
bool sh_jobs_running(struct sh *);

/* ---- live.c ---- */

enum { SH_KEY_NONE = 0, SH_KEY_UP = 1000, SH_KEY_DOWN, SH_KEY_PAGE_UP, SH_KEY_PAGE_DOWN, SH_KEY_HOME, SH_KEY_END };
/* Keys come one by one and are not echoed, until closed; false: standard input is no terminal. The handler of signals may close. */
bool sh_keys_open(void);
void sh_keys_close(void);
int sh_key(void);                                   /* a character or SH_KEY_…; SH_KEY_NONE at once when there is none */
void sh_screen_leave(void);                         /* back from the alternate screen; for handlers too */
/* Steps a query without an end and shows the rows that there are now, until it ends, q or Ctrl-C. Returns what sqluice_step did. */
int sh_live_run(struct sh *, sqluice_stmt *);
bool sh_live_poll(struct sh *, const sqluice_progress *);   /* draws and looks at keys; true: leave */

/* ---- edit.c ---- */

struct sh_editor {
    char *(*readline)(const char *prompt);
    int (*add_history)(const char *);
    int (*read_history)(const char *);
    int (*write_history)(const char *);
    void (*stifle_history)(int);
    char *history;              /* the file's path; NULL: none */
};
void sh_editor_open(struct sh_editor *, sqluice *, const struct sh_buf *typed /* the lines before the one that is edited */);
void sh_editor_close(struct sh_editor *);
char *sh_editor_line(struct sh_editor *, const char *prompt);       /* without its newline; NULL at the end */
void sh_editor_remember(struct sh_editor *, const char *text);

/* ---- repl.c, testrun.c, state.c ---- */

int sh_repl(struct sh *);
int sh_test_main(int argc, char **argv);            /* argv[0] is "test" */
int sh_state_main(int argc, char **argv);           /* "state" */
int sh_savepoint_main(int argc, char **argv);       /* "savepoint" */
void sh_add_quoted(struct sh_buf *, const char *);  /* as a string of SQL */

#endif
