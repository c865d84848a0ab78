/* SPDX-License-Identifier: Apache-2.0
 *
 * run.c: runs a script: statement by statement, rows to standard output, notices, errors and the account to standard error.
 *
 * Signals: the handler asks the engine to stop (sqluice_interrupt may be called from one); a second signal kills. The pointer that
 * the handler looks at is the one piece of global state of the command: a handler has no argument.
 */
#include "shell.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static sqluice *volatile interrupt_target;
static volatile sig_atomic_t interrupts, terminated;

/* timeout(1) and the like signal a process and then its group: what comes at once after the first is the same request, not a second one. */
static bool is_echo(void)
{
    static volatile int64_t first_ms;
    struct timespec t;
    int64_t now_ms;

    clock_gettime(CLOCK_MONOTONIC, &t);
    now_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    if (interrupts > 0)
        return now_ms - first_ms < 100;
    first_ms = now_ms;
    return false;
}

static void on_signal(int sig)
{
    if (is_echo())
        return;
    interrupts = interrupts + 1;
    if (sig == SIGTERM)
        terminated = 1;
    if (interrupts > 1) {
        sh_screen_leave();
        sh_keys_close();
        signal(sig, SIG_DFL);
        raise(sig);
    }
    if (interrupt_target)
        sqluice_interrupt(interrupt_target);
}

void sh_catch_signals(void)
{
    struct sigaction act;

    memset(&act, 0, sizeof act);
    act.sa_handler = on_signal;
    act.sa_flags = SA_RESTART;                   /* a row that is being written is written whole */
    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    act.sa_flags = 0;
    act.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &act, NULL);
}

bool sh_interrupted(void) { return interrupts > 0; }
bool sh_terminated(void) { return terminated; }
void sh_interrupt_clear(void) { interrupts = 0; }
void sh_interrupt_target(sqluice *db) { interrupt_target = db; }

/* ---- hooks ---- */

static void on_notice(void *arg, const char *text)
{
    struct sh *sh = arg;

    if (sh->quiet)
        return;
    sh_erase(sh);
    fflush(stdout);
    fprintf(stderr, "note: %s\n", text);
}

static void on_print(void *arg, int to_stderr, const char *text, size_t n)
{
    struct sh *sh = arg;
    FILE *out = to_stderr ? stderr : stdout;

    sh_erase(sh);
    if (fwrite(text, 1, n, out) != n)
        sh->output_failed = true;
}

static int on_progress(void *arg, const sqluice_progress *p)
{
    struct sh *sh = arg;

    if (sh->live)
        return sh_live_poll(sh, p) || (!sh->interactive && sh_job_failed(sh));
    if (sh->render.held > 0 && (sh->showing_live || p->elapsed_ms >= 1000)) {
        sh_erase(sh);                       /* rows that trickle in are not kept waiting for widths */
        sh_render_flush(&sh->render);
    }
    if (fflush(stdout) != 0)
        sh->output_failed = true;
    if (!sh->showing_live)
        sh_progress(sh, p);
    else if (sh_key() == 'q')
        return 1;
    return sh->output_failed || sh->render.failed || (!sh->interactive && sh_job_failed(sh));
}

int sh_open(struct sh *sh, sqluice_config *config)
{
    config->notice = on_notice;
    config->notice_arg = sh;
    config->print = on_print;
    config->print_arg = sh;
    config->progress = on_progress;
    config->progress_arg = sh;
    if (sqluice_open(config, &sh->db) != SQLUICE_OK) {
        fprintf(stderr, "sqluice: cannot start: %s\n", sh->db ? sqluice_errmsg(sh->db) : "out of memory");
        sqluice_close(sh->db);
        sh->db = NULL;
        return EXIT_FAILED;
    }
    sh_interrupt_target(sh->db);
    return EXIT_DONE;
}

void sh_close(struct sh *sh)
{
    sh_interrupt_target(NULL);
    sqluice_close(sh->db);
    sh->db = NULL;
    sh_jobs_free(sh);
}

/* ---- statements ---- */

/* A limit that the text itself goes over (nesting, size) is the text's fault. */
static int exit_code(sqluice *db)
{
    int rc = sqluice_errcode(db);

    if (rc == SQLUICE_LIMIT && sqluice_error_length(db) > 0)
        return EXIT_BAD;
    return rc == SQLUICE_SYNTAX || rc == SQLUICE_SEMANTIC || rc == SQLUICE_UNSUPPORTED || rc == SQLUICE_MISUSE ? EXIT_BAD : EXIT_FAILED;
}

static int report(struct sh *sh, const struct sh_script *s, const char *name)
{
    int code = exit_code(sh->db);
    const char *text = sh_script_error(sh->db, s, name);
    size_t n = strlen(text);

    sh_erase(sh);
    fflush(stdout);
    fputs(text, stderr);
    if (n == 0 || text[n - 1] != '\n')
        putc('\n', stderr);
    return code;
}

/* Whether the account of a query tells of rows that are not in its result: "3 bad", "1 late". */
static bool tells_of_loss(const char *text)
{
    for (const char *p = text; p && *p; p++)
        if ((strncmp(p, " bad", 4) == 0 || strncmp(p, " late", 5) == 0) && p > text && p[-1] >= '0' && p[-1] <= '9'
            && !(p[-1] == '0' && (p - 1 == text || p[-2] == ' ')))
            return true;
    return false;
}

void sh_show_account(struct sh *sh, const char *prefix, const char *text)
{
    if (sh->quiet || !sh->account || !text || !*text)
        return;
    sh_erase(sh);
    fflush(stdout);
    if (prefix)
        fprintf(stderr, "%s: ", prefix);
    fputs(text, stderr);
    if (text[strlen(text) - 1] != '\n')
        putc('\n', stderr);
}

/* A reader that went away is no news, anything else is. */
int sh_output_gone(struct sh *sh)
{
    sh_erase(sh);
    if (errno == EPIPE)
        return EXIT_PIPE;
    fprintf(stderr, "sqluice: cannot write the result: %m\n");
    return EXIT_FAILED;
}

/* A table that changes for good is looked at, not read line by line. */
static bool wants_live(const struct sh *sh, sqluice_stmt *q)
{
    const char *mode = sqluice_setting(sh->db, "sql-client.execution.result-mode");

    return sqluice_stmt_kind(q) == SQLUICE_STMT_QUERY && !sqluice_stmt_bounded(q) && sh->render.mode == SH_TABLE && isatty(STDOUT_FILENO)
           && mode && strcasecmp(mode, "table") == 0;
}

static int show_rows(struct sh *sh, sqluice_stmt *q)
{
    int rc;

    sh->showing_live = false;
    sh_render_begin(&sh->render, q);
    sh->showing_live = !sqluice_stmt_bounded(q) && sqluice_stmt_kind(q) == SQLUICE_STMT_QUERY;
    if (sh->showing_live)
        sh_keys_open();
    while ((rc = sqluice_step(q)) == SQLUICE_ROW) {
        sh_erase(sh);
        sh_render_row(&sh->render, q);
        if (sh->render.failed || sh_interrupted()) {
            rc = SQLUICE_INTERRUPT;
            break;
        }
    }
    if (sh->showing_live)
        sh_keys_close();
    sh->showing_live = false;
    sh_erase(sh);
    if (rc == SQLUICE_DONE || rc == SQLUICE_INTERRUPT || sh->render.rows > 0)
        sh_render_end(&sh->render, rc == SQLUICE_DONE);
    else {
        sh->render.plain = true;            /* nothing was shown: no header, no count */
        sh_render_end(&sh->render, false);
    }
    return rc;
}

/* What a statement left behind besides its rows. */
static void show_end(struct sh *sh, const struct sh_script *s, const char *name, sqluice_stmt *q)
{
    int kind = sqluice_stmt_kind(q);

    if (sqluice_stmt_job(q))
        sh_job_started(sh, s, name, q);
    else if (kind == SQLUICE_STMT_INSERT || (kind == SQLUICE_STMT_QUERY && tells_of_loss(sqluice_account(q))))
        sh_show_account(sh, NULL, sqluice_account(q));
}

/* Runs one prepared statement; the caller finalizes it. */
static int run_statement(struct sh *sh, const struct sh_script *s, const char *name, sqluice_stmt *q)
{
    int rc, kind = sqluice_stmt_kind(q);

    sh->render.failed = false;
    if (wants_live(sh, q))
        rc = sh_live_run(sh, q);
    else if (sqluice_column_count(q) > 0)
        rc = show_rows(sh, q);
    else
        rc = sqluice_step(q);
    sh_erase(sh);
    if (sh->render.failed || sh->output_failed || fflush(stdout) != 0)
        return sh_output_gone(sh);
    if (rc == SQLUICE_INTERRUPT) {
        if (kind == SQLUICE_STMT_INSERT || !sh->interactive || tells_of_loss(sqluice_account(q)))
            sh_show_account(sh, NULL, sqluice_account(q));
        return EXIT_DONE;
    }
    if (rc != SQLUICE_DONE && rc != SQLUICE_OK) {
        int code = report(sh, s, name);

        if (kind == SQLUICE_STMT_INSERT && code == EXIT_FAILED)
            sh_show_account(sh, NULL, sqluice_account(q));
        return code;
    }
    show_end(sh, s, name, q);
    return EXIT_DONE;
}

static int refuse_endless(struct sh *sh, const struct sh_script *s, const char *name)
{
    struct sh_buf b = { 0 };

    sh_erase(sh);
    sh_script_complain(s, sh_script_start(s), name, "an unbounded SELECT must be the last statement: nothing after it would ever run",
                       "put it at the end, or INSERT its result into a table", &b);
    fputs(b.p, stderr);
    sh_free(&b);
    return EXIT_BAD;
}

/* Jobs are named after their file: "dir/daily.sql" gives daily. */
static void name_jobs(struct sh *sh, const char *file)
{
    const char *slash = strrchr(file, '/'), *stem = slash ? slash + 1 : file, *dot = strrchr(stem, '.');
    char *name = sh_strndup(stem, dot && dot > stem ? (size_t)(dot - stem) : strlen(stem));
    bool is_file = strcmp(file, "sqluice") != 0 && strcmp(file, "stdin") != 0 && !sh->interactive;

    sqluice_job_default_name(sh->db, is_file ? name : NULL);
    free(name);
}

int sh_run_text(struct sh *sh, const char *name, const char *text, size_t len)
{
    struct sh_script s;
    int code = EXIT_DONE;

    if (len > 0x7fffffff) {
        fprintf(stderr, "sqluice: %s is longer than 2 GB\n", name);
        return EXIT_BAD;
    }
    name_jobs(sh, name);
    sh_script_init(&s, text, len);
    while (code == EXIT_DONE && !sh_interrupted()) {
        sqluice_stmt *q;
        int rc = sh_script_next(sh->db, &s, &q);

        if (rc == SQLUICE_OK && !q)
            break;
        if (rc == SQLUICE_OK && !sqluice_stmt_bounded(q) && sqluice_stmt_kind(q) == SQLUICE_STMT_QUERY && sh_script_more(sh->db, &s))
            code = refuse_endless(sh, &s, name);
        if (rc != SQLUICE_OK)
            code = report(sh, &s, name);
        else if (code == EXIT_DONE)
            code = run_statement(sh, &s, name, q);
        sqluice_finalize(q);
        if (code == EXIT_DONE && !sh->interactive)
            code = sh_jobs_tell(sh);
    }
    sh_script_free(&s);
    return code;
}
