/* SPDX-License-Identifier: Apache-2.0
 *
 * repl.c: the interactive shell. Lines are gathered until a statement is whole (sqluice_incomplete), then run; errors keep the
 * session. Line editing, history and completion come from libedit, which is opened only here and only if it is there.
 *
 * libedit's completion and the signal handler get no argument, hence the static session.
 */
#include "shell.h"

#include <dlfcn.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct editor {
    char *(*readline)(const char *prompt);
    int (*add_history)(const char *);
    int (*read_history)(const char *);
    int (*write_history)(const char *);
    void (*stifle_history)(int);
    char *history;              /* the file's path; NULL: none */
};

static struct {
    sqluice *db;
    sigjmp_buf prompt;
    volatile sig_atomic_t at_prompt;
} session;

static const char repl_help[] =
    "Statements end with ';' and may go over several lines.\n"
    "  .help            this text (so does HELP;)\n"
    "  .tables          the tables there are (SHOW TABLES)\n"
    "  .mode MODE       table, csv, json or vertical\n"
    "  .quit            leave (so do QUIT; and Ctrl-D)\n"
    "Try:\n"
    "  SELECT UPPER('hello') AS word, 6 * 7 AS answer;\n"
    "  SHOW FUNCTIONS;\n"
    "  CREATE TABLE t (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = 't.ndjson', 'format' = 'json');\n"
    "  DESCRIBE t;  EXPLAIN SELECT name, COUNT(*) FROM t GROUP BY name;\n"
    "  SET 'sql-client.execution.result-mode' = 'changelog';   -- show every change\n"
    "Ctrl-C drops the line, or ends what is running.\n";

/* ---- the editor ---- */

static char *complete(const char *prefix, int state)
{
    static int next;
    size_t n = strlen(prefix);
    const char *word;

    if (state == 0)
        next = 0;
    while (n > 0 && (word = sqluice_completion(session.db, next++)))
        if (strncasecmp(word, prefix, n) == 0) {
            char *copy = sh_strndup(word, strlen(word));

            for (size_t i = 0; i < n; i++)
                copy[i] = prefix[i];
            return copy;
        }
    return NULL;
}

/* dlsym gives data pointers; this is how POSIX has one make a function of them. */
static bool find(void *lib, const char *name, void *to)
{
    void *p = dlsym(lib, name);

    if (p)
        memcpy(to, &p, sizeof p);
    return p != NULL;
}

static char *history_path(void)
{
    const char *home = getenv("HOME");
    struct sh_buf b = { 0 };

    if (!home || !*home)
        return NULL;
    sh_addf(&b, "%s/.sqluice_history", home);
    return b.p;
}

static void editor_open(struct editor *e)
{
    void *lib = isatty(STDIN_FILENO) ? dlopen("libedit.so.2", RTLD_NOW) : NULL;
    char *(**entry)(const char *, int);

    *e = (struct editor){ 0 };
    if (!lib)
        return;
    uselocale(newlocale(LC_CTYPE_MASK, "", (locale_t)0));      /* libedit reads UTF-8 by the locale */
    if (!find(lib, "readline", &e->readline) || !find(lib, "add_history", &e->add_history) || !find(lib, "read_history", &e->read_history)
        || !find(lib, "write_history", &e->write_history) || !find(lib, "stifle_history", &e->stifle_history)) {
        *e = (struct editor){ 0 };
        return;
    }
    if (find(lib, "rl_completion_entry_function", &entry))
        *entry = complete;
    e->history = history_path();
    e->stifle_history(1000);
    if (e->history)
        e->read_history(e->history);
}

/* The file may hold secrets that were typed: nobody else may read it. */
static void editor_close(struct editor *e)
{
    if (e->history) {
        mode_t old = umask(077);

        e->write_history(e->history);
        umask(old);
        chmod(e->history, 0600);
    }
    free(e->history);
}

/* One line without its newline, or NULL at the end. */
static char *read_line(struct editor *e, const char *prompt)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    if (e->readline)
        return e->readline(prompt);
    fputs(prompt, stdout);
    fflush(stdout);
    n = getline(&line, &cap, stdin);
    if (n < 0) {
        free(line);
        return NULL;
    }
    if (n > 0 && line[n - 1] == '\n')
        line[n - 1] = 0;
    return line;
}

/* A statement is one entry; line ends become blanks unless a comment needs them. */
static void remember(struct editor *e, const char *text)
{
    if (!e->add_history)
        return;
    char *copy = sh_strndup(text, strlen(text));
    size_t n = strlen(copy);

    while (n > 0 && (copy[n - 1] == '\n' || copy[n - 1] == ' '))
        copy[--n] = 0;
    for (size_t i = 0; i < n && !strstr(copy, "--"); i++)
        if (copy[i] == '\n')
            copy[i] = ' ';
    if (n > 0)
        e->add_history(copy);
    free(copy);
}

/* ---- commands ---- */

static void run_text(struct sh *sh, const char *text)
{
    sh_interrupt_clear();
    sh_run_text(sh, "sqluice", text, strlen(text));
    sh_interrupt_clear();
    sh->output_failed = false;
    clearerr(stdout);
}

/* Returns true to leave. */
static bool dot_command(struct sh *sh, const char *line)
{
    char word[32] = "", arg[32] = "";

    sscanf(line, " %31s %31s", word, arg);
    if (strcmp(word, ".quit") == 0 || strcmp(word, ".exit") == 0)
        return true;
    if (strcmp(word, ".help") == 0)
        fputs(repl_help, stdout);
    else if (strcmp(word, ".tables") == 0)
        run_text(sh, "SHOW TABLES");
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
    (void)sig;
    if (session.at_prompt)
        siglongjmp(session.prompt, 1);
}

/* Reads until a statement is whole; NULL at the end of input. Ctrl-C drops what was typed. */
static char *read_statement(struct editor *e, struct sh_buf *text)
{
    struct sigaction act, old, old_term;

    memset(&act, 0, sizeof act);
    act.sa_handler = SIG_DFL;
    sigaction(SIGTERM, &act, &old_term);
    act.sa_handler = on_prompt_signal;
    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, &old);
    if (sigsetjmp(session.prompt, 1)) {
        putchar('\n');
        text->n = 0;
    }
    char *whole = NULL;
    for (;;) {
        session.at_prompt = 1;
        char *line = read_line(e, text->n ? "    ...> " : "sqluice> ");
        session.at_prompt = 0;
        if (!line)
            break;
        sh_adds(text, line);
        sh_add(text, "\n", 1);
        free(line);
        bool first_dot = text->p[strspn(text->p, " \t")] == '.';
        if (first_dot || is_word(text->p, "help") || is_word(text->p, "quit") || is_word(text->p, "exit")
            || !sqluice_incomplete(session.db, text->p)) {
            whole = text->p;
            break;
        }
    }
    sigaction(SIGINT, &old, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    return whole;
}

int sh_repl(struct sh *sh)
{
    struct editor e;
    struct sh_buf text = { 0 };
    char *whole;

    session.db = sh->db;
    editor_open(&e);
    printf("sqluice %s: streaming SQL. Statements end with ';'. .help for help, .quit to leave.\n", sqluice_version());
    for (;;) {
        text.n = 0;
        whole = read_statement(&e, &text);
        if (!whole) {
            putchar('\n');
            break;
        }
        if (is_blank(whole))
            continue;
        remember(&e, whole);
        if (whole[strspn(whole, " \t")] == '.') {
            if (dot_command(sh, whole))
                break;
        } else if (is_word(whole, "help")) {
            fputs(repl_help, stdout);
        } else if (is_word(whole, "quit") || is_word(whole, "exit")) {
            break;
        } else {
            run_text(sh, whole);
        }
    }
    editor_close(&e);
    sh_free(&text);
    return EXIT_DONE;
}
