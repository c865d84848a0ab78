/* SPDX-License-Identifier: Apache-2.0
 *
 * repl.c: the interactive shell. Lines are gathered until a statement is whole (sqluice_incomplete), then run; errors keep the session, and so does
 * Ctrl-C. While jobs run in the background and nothing is typed, the prompt stands and what they say is shown above it.
 *
 * The signal handler gets no argument, hence the static session.
 */
#include "shell.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

static struct {
    sigjmp_buf prompt;
    volatile sig_atomic_t at_prompt, pressed;
    struct termios terminal;    /* as it was found; the editor that a signal jumps out of leaves it raw */
    bool has_terminal;
} session;

static const char repl_help[] =
    "Statements end with ';' and may go over several lines. Tab completes: keywords, tables, columns, functions, options and their values.\n"
    "  .help            this text (so does HELP;)\n"
    "  .tables          the tables there are (SHOW TABLES)\n"
    "  .jobs            jobs in the background, running and ended (SHOW JOBS)\n"
    "  .stop JOB        ends a job by its id, the beginning of it, or its name: what is final is written (STOP JOB 'id')\n"
    "  .mode MODE       table, csv, json or vertical\n"
    "  .quit            leave (so do QUIT; and Ctrl-D); jobs that run are stopped\n"
    "Try:\n"
    "  SELECT UPPER('hello') AS word, 6 * 7 AS answer;\n"
    "  SHOW FUNCTIONS;\n"
    "  CREATE TABLE t (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = 't.ndjson', 'format' = 'json');\n"
    "  DESCRIBE t;  EXPLAIN SELECT name, COUNT(*) FROM t GROUP BY name;\n"
    "  SET 'sql-client.execution.result-mode' = 'changelog';   -- show every change\n"
    "A SELECT from input without an end shows its table as it changes: q leaves it, arrows and pages scroll.\n"
    "An INSERT from input without an end runs in the background.\n"
    "Ctrl-C drops the line, or ends what is running; jobs in the background go on.\n";

/* ---- commands ---- */

static void run_text(struct sh *sh, const char *text)
{
    sh_interrupt_clear();
    sh_run_text(sh, "sqluice", text, strlen(text));
    sh_interrupt_clear();
    sh->output_failed = false;
    clearerr(stdout);
}

static void stop_job(struct sh *sh, const char *id)
{
    struct sh_buf b = { 0 };

    sh_adds(&b, "STOP JOB ");
    sh_add_quoted(&b, id);
    run_text(sh, b.p);
    sh_free(&b);
}

/* Returns true to leave. */
static bool dot_command(struct sh *sh, const char *line)
{
    char word[32] = "", arg[256] = "";

    sscanf(line, " %31s %255s", word, arg);
    if (strcmp(word, ".quit") == 0 || strcmp(word, ".exit") == 0)
        return true;
    if (strcmp(word, ".help") == 0)
        fputs(repl_help, stdout);
    else if (strcmp(word, ".tables") == 0)
        run_text(sh, "SHOW TABLES");
    else if (strcmp(word, ".jobs") == 0)
        run_text(sh, "SHOW JOBS");
    else if (strcmp(word, ".stop") == 0 && arg[0])
        stop_job(sh, arg);
    else if (strcmp(word, ".stop") == 0)
        fprintf(stderr, "which job? .jobs shows them\n");
    else if (strcmp(word, ".mode") == 0 && sh_mode_parse(arg, &sh->render.mode))
        ;
    else if (strcmp(word, ".mode") == 0)
        fprintf(stderr, "modes are table, csv, json and vertical\n");
    else
        fprintf(stderr, "there is no %s; .help tells what there is\n", word);
    return false;
}

/* "quit", "EXIT ;": a word with nothing else but blanks and semicolons. */
static bool is_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    text += strspn(text, " \t\n");
    return strncasecmp(text, word, n) == 0 && text[n + strspn(text + n, " \t\n;")] == 0;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n;")] == 0;
}

static void on_prompt_signal(int sig)
{
    if (session.at_prompt)
        siglongjmp(session.prompt, sig);
    session.pressed = sig;
}

/* While jobs run, the prompt stands and they are heard until the first key; that is left for the editor. False: a signal came. */
static bool wait_for_key(struct sh *sh, const char *prompt)
{
    struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
    int n = 0;

    session.pressed = 0;
    while (n == 0 && !session.pressed && sh_jobs_running(sh) && sh_keys_open()) {
        if (!sh->prompt) {
            fputs(prompt, stdout);
            fflush(stdout);
            sh->prompt = prompt;
        }
        n = poll(&fd, 1, 200);
        if (n == 0) {
            sqluice_job_wait(sh->db, NULL, 0);
            sh_jobs_tell(sh);
        }
    }
    if (!session.pressed)
        sh_erase(sh);
    sh->prompt = NULL;
    sh_keys_close();
    return !session.pressed;
}

static char *read_line(struct sh *sh, struct sh_editor *e, const char *prompt)
{
    char *line;

    sqluice_job_wait(sh->db, NULL, 0);
    sh_jobs_tell(sh);
    if (e->readline && !wait_for_key(sh, prompt))
        siglongjmp(session.prompt, session.pressed);
    session.at_prompt = 1;
    line = sh_editor_line(e, prompt);
    session.at_prompt = 0;
    return line;
}

/* Reads until a statement is whole; NULL at the end of input, and for SIGTERM. Ctrl-C drops what was typed. */
static char *read_statement(struct sh *sh, struct sh_editor *e, struct sh_buf *text)
{
    struct sigaction act, old, old_term;
    int sig;

    memset(&act, 0, sizeof act);
    act.sa_handler = on_prompt_signal;
    sigemptyset(&act.sa_mask);
    sigaction(SIGTERM, &act, &old_term);
    sigaction(SIGINT, &act, &old);
    sig = sigsetjmp(session.prompt, 1);
    if (sig) {
        session.at_prompt = 0;
        if (session.has_terminal)
            tcsetattr(STDIN_FILENO, TCSADRAIN, &session.terminal);
        putchar('\n');
        text->n = 0;
    }
    char *whole = NULL;
    while (sig != SIGTERM) {
        char *line = read_line(sh, e, text->n ? "    ...> " : "sqluice> ");
        if (!line)
            break;
        sh_adds(text, line);
        sh_add(text, "\n", 1);
        free(line);
        bool first_dot = text->p[strspn(text->p, " \t")] == '.';
        if (first_dot || is_word(text->p, "help") || is_word(text->p, "quit") || is_word(text->p, "exit")
            || !sqluice_incomplete(sh->db, text->p)) {
            whole = text->p;
            break;
        }
    }
    sigaction(SIGINT, &old, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    return whole;
}

/* Returns true to leave. */
static bool run_whole(struct sh *sh, const char *whole)
{
    if (whole[strspn(whole, " \t")] == '.')
        return dot_command(sh, whole);
    if (is_word(whole, "quit") || is_word(whole, "exit"))
        return true;
    if (is_word(whole, "help"))
        fputs(repl_help, stdout);
    else
        run_text(sh, whole);
    return false;
}

int sh_repl(struct sh *sh)
{
    struct sh_editor e;
    struct sh_buf text = { 0 };
    char *whole;
    bool leave = false;

    sh->interactive = true;
    session.has_terminal = tcgetattr(STDIN_FILENO, &session.terminal) == 0;
    sh_add(&text, "", 0);
    sh_editor_open(&e, sh->db, &text);
    printf("sqluice %s: streaming SQL. Statements end with ';'. .help for help, .quit to leave.\n", sqluice_version());
    while (!leave && !sh_terminated()) {
        text.n = 0;
        whole = read_statement(sh, &e, &text);
        if (!whole) {
            putchar('\n');
            break;
        }
        if (is_blank(whole))
            continue;
        sh_editor_remember(&e, whole);
        leave = run_whole(sh, whole);
    }
    sh_editor_close(&e);
    sh_jobs_wait(sh, true);
    sh_free(&text);
    return EXIT_DONE;
}
