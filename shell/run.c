/* SPDX-License-Identifier: Apache-2.0
 *
 * run.c: runs a script: statement by statement, rows to standard output, notices, errors, progress and the account to standard error.
 *
 * Signals: the handler asks the engine to stop (sqluice_interrupt may be called from one); a second signal kills. The pointer that
 * the handler looks at is the one piece of global state of the command: a handler has no argument.
 */
#include "shell.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static sqluice *volatile interrupt_target;
static volatile sig_atomic_t interrupts;

static void on_signal(int sig)
{
    interrupts = interrupts + 1;
    if (interrupts > 1) {
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
    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    act.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &act, NULL);
}

bool sh_interrupted(void) { return interrupts > 0; }
void sh_interrupt_clear(void) { interrupts = 0; }
void sh_interrupt_target(sqluice *db) { interrupt_target = db; }

/* ---- hooks ---- */

static void erase_progress(struct sh *sh)
{
    if (sh->progress_shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        sh->progress_shown = false;
    }
}

static void on_notice(void *arg, const char *text)
{
    struct sh *sh = arg;

    if (sh->quiet)
        return;
    erase_progress(sh);
    fflush(stdout);
    fprintf(stderr, "note: %s\n", text);
}

static void on_print(void *arg, int to_stderr, const char *text, size_t n)
{
    struct sh *sh = arg;
    FILE *out = to_stderr ? stderr : stdout;

    erase_progress(sh);
    if (fwrite(text, 1, n, out) != n)
        sh->output_failed = true;
}

/* 12345678 as "12,345,678". */
static const char *grouped(unsigned long long v, char *buf, size_t size)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", v);
    size_t at = 0;

    for (int i = 0; i < n && at + 2 < size; i++) {
        if (i && (n - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = 0;
    return buf;
}

static void show_progress(struct sh *sh, const sqluice_progress *p)
{
    char rows[32], rate[32];
    unsigned long long ms = p->elapsed_ms > 0 ? (unsigned long long)p->elapsed_ms : 1;

    fprintf(stderr, "\r\033[K%s rows, %s rows/s, %.1f MB", grouped(p->rows_in, rows, sizeof rows),
            grouped((unsigned long long)((double)p->rows_in * 1000.0 / (double)ms), rate, sizeof rate), (double)p->bytes_in / 1e6);
    if (p->bytes_total > 0)
        fprintf(stderr, " of %.1f, %d %%", (double)p->bytes_total / 1e6,
                p->bytes_in >= (uint64_t)p->bytes_total ? 100 : (int)((double)p->bytes_in * 100 / (double)p->bytes_total));
    fflush(stderr);
    sh->progress_shown = true;
}

static int on_progress(void *arg, const sqluice_progress *p)
{
    struct sh *sh = arg;

    if (sh->render.held > 0 && (sh->showing_live || p->elapsed_ms >= 1000)) {
        erase_progress(sh);                 /* rows that trickle in are not kept waiting for widths */
        sh_render_flush(&sh->render);
    }
    if (fflush(stdout) != 0)
        sh->output_failed = true;
    if (sh->progress && !sh->quiet && !sh->showing_live && p->elapsed_ms >= 1000)
        show_progress(sh, p);
    return sh->output_failed || sh->render.failed;
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
}

/* ---- statements ---- */

static int exit_code(int rc)
{
    return rc == SQLUICE_SYNTAX || rc == SQLUICE_SEMANTIC || rc == SQLUICE_UNSUPPORTED || rc == SQLUICE_MISUSE ? EXIT_BAD : EXIT_FAILED;
}

static int report(struct sh *sh, const struct sh_script *s, const char *name)
{
    int code = exit_code(sqluice_errcode(sh->db));
    const char *text = sh_script_error(sh->db, s, name);
    size_t n = strlen(text);

    erase_progress(sh);
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

static void show_account(struct sh *sh, sqluice_stmt *q)
{
    const char *text = sqluice_account(q);

    if (sh->quiet || !sh->account || !text || !*text)
        return;
    fflush(stdout);
    fputs(text, stderr);
    if (text[strlen(text) - 1] != '\n')
        putc('\n', stderr);
}

/* Where writing failed: a reader that went away is no news, anything else is. */
static int output_gone(struct sh *sh)
{
    erase_progress(sh);
    if (errno == EPIPE)
        return EXIT_PIPE;
    fprintf(stderr, "sqluice: cannot write the result: %m\n");
    return EXIT_FAILED;
}

static int show_rows(struct sh *sh, sqluice_stmt *q)
{
    int rc;

    sh->showing_live = false;
    sh_render_begin(&sh->render, q);
    sh->showing_live = !sqluice_stmt_bounded(q) && sqluice_stmt_kind(q) == SQLUICE_STMT_QUERY;
    while ((rc = sqluice_step(q)) == SQLUICE_ROW) {
        erase_progress(sh);
        sh_render_row(&sh->render, q);
        if (sh->render.failed || sh_interrupted()) {
            rc = SQLUICE_INTERRUPT;
            break;
        }
    }
    sh->showing_live = false;
    erase_progress(sh);
    if (rc == SQLUICE_DONE || rc == SQLUICE_INTERRUPT || sh->render.rows > 0)
        sh_render_end(&sh->render, rc == SQLUICE_DONE);
    else {
        sh->render.plain = true;            /* nothing was shown: no header, no count */
        sh_render_end(&sh->render, false);
    }
    return rc;
}

/* Runs one prepared statement; the caller finalizes it. */
static int run_statement(struct sh *sh, const struct sh_script *s, const char *name, sqluice_stmt *q)
{
    int rc, kind = sqluice_stmt_kind(q);

    sh->render.failed = false;
    if (sqluice_column_count(q) > 0)
        rc = show_rows(sh, q);
    else
        rc = sqluice_step(q);
    erase_progress(sh);
    if (sh->render.failed || sh->output_failed || fflush(stdout) != 0)
        return output_gone(sh);
    if (rc == SQLUICE_INTERRUPT) {
        show_account(sh, q);
        return EXIT_DONE;
    }
    if (rc != SQLUICE_DONE && rc != SQLUICE_OK) {
        int code = report(sh, s, name);

        if (kind == SQLUICE_STMT_INSERT && code == EXIT_FAILED)
            show_account(sh, q);
        return code;
    }
    if (kind == SQLUICE_STMT_INSERT || (kind == SQLUICE_STMT_QUERY && tells_of_loss(sqluice_account(q))))
        show_account(sh, q);
    return EXIT_DONE;
}

static int set_result_mode(struct sh *sh, const char *mode)
{
    struct sh_buf b = { 0 };
    int rc;

    sh_addf(&b, "SET 'sql-client.execution.result-mode' = '%s'", mode);
    rc = sqluice_exec(sh->db, b.p, NULL, NULL);
    sh_free(&b);
    return rc;
}

/* An unbounded query has no final rows to wait for: it is shown as a changelog. */
static int as_changelog(struct sh *sh, struct sh_script *s, sqluice_stmt **q)
{
    const char *mode = sqluice_setting(sh->db, "sql-client.execution.result-mode");
    char *before = sh_strndup(mode ? mode : "table", mode ? strlen(mode) : 5);
    int rc, again = SQLUICE_OK;

    sqluice_finalize(*q);
    *q = NULL;
    rc = set_result_mode(sh, "changelog");
    if (rc == SQLUICE_OK)
        rc = sqluice_prepare(sh->db, s->work + s->base, (int)(s->pos - s->base), q, NULL);
    if (rc == SQLUICE_OK)
        again = set_result_mode(sh, before);
    free(before);
    return rc != SQLUICE_OK ? rc : again;
}

static int refuse_endless(struct sh *sh, const struct sh_script *s, const char *name, bool query)
{
    struct sh_buf b = { 0 };

    erase_progress(sh);
    sh_script_complain(s, sh_script_start(s), name,
                       query ? "an unbounded SELECT must be the last statement: nothing after it would ever run"
                             : "an INSERT from an unbounded source must be the last statement: running it in the background is not supported yet",
                       query ? "put it at the end, or INSERT its result into a table"
                             : "put several of them into one EXECUTE STATEMENT SET BEGIN … END", &b);
    fputs(b.p, stderr);
    sh_free(&b);
    return EXIT_BAD;
}

static bool needs_changelog(const sqluice_stmt *q)
{
    return sqluice_stmt_kind(q) == SQLUICE_STMT_QUERY && !sqluice_stmt_bounded(q) && !sqluice_stmt_changelog(q);
}

int sh_run_text(struct sh *sh, const char *name, const char *text, size_t len)
{
    struct sh_script s;
    int code = EXIT_DONE;

    if (len > 0x7fffffff) {
        fprintf(stderr, "sqluice: %s is longer than 2 GB\n", name);
        return EXIT_BAD;
    }
    sh_script_init(&s, text, len);
    while (code == EXIT_DONE && !sh_interrupted()) {
        sqluice_stmt *q;
        int rc = sh_script_next(sh->db, &s, &q);

        if (rc == SQLUICE_OK && !q)
            break;
        if (rc == SQLUICE_OK && !sqluice_stmt_bounded(q)
            && (sqluice_stmt_kind(q) == SQLUICE_STMT_QUERY || sqluice_stmt_kind(q) == SQLUICE_STMT_INSERT) && sh_script_more(sh->db, &s))
            code = refuse_endless(sh, &s, name, sqluice_stmt_kind(q) == SQLUICE_STMT_QUERY);
        else if (rc == SQLUICE_OK && needs_changelog(q))
            rc = as_changelog(sh, &s, &q);
        if (rc != SQLUICE_OK)
            code = report(sh, &s, name);
        else if (code == EXIT_DONE)
            code = run_statement(sh, &s, name, q);
        sqluice_finalize(q);
    }
    sh_script_free(&s);
    return code;
}
