/* SPDX-License-Identifier: Apache-2.0
 *
 * edit.c: line editing, history and completion by libedit, which is opened only here and only if it is there.
 *
 * libedit's completion gets no argument, hence the static session. What could stand at the cursor is the engine's knowledge
 * (sqluice_complete), given all of the statement that was typed so far.
 */
#include "shell.h"

#include <dlfcn.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef char *entry_fn(const char *, int);

static struct {
    sqluice *db;
    const struct sh_buf *typed;
    /* libedit's */
    char **(*matches)(const char *, entry_fn *);
    char **line;
    int *point, *append, *over;
    /* of the word that is completed */
    int from, start;            /* where the engine's word and libedit's begin, in the line */
} session;

/* ---- completion ---- */

/* The candidate as it replaces libedit's word: the two may begin at different places ("a.b", "'key"). */
static char *as_word(const char *candidate, const char *text)
{
    struct sh_buf b = { 0 };
    int lead = session.from - session.start;

    if (lead > 0)
        sh_add(&b, text, (size_t)lead);
    else if ((size_t)-lead < strlen(candidate))
        candidate += -lead;
    sh_adds(&b, candidate);
    return b.p;
}

static char *next_match(const char *text, int state)
{
    static int next;
    struct sh_buf all = { 0 };
    int before = (int)session.typed->n, from = 0;
    const char *word;
    char *copy = NULL;

    if (state == 0)
        next = 0;
    sh_add(&all, session.typed->p, session.typed->n);
    sh_adds(&all, *session.line);
    word = sqluice_complete(session.db, all.p, before + *session.point, next++, &from);
    if (word && state == 0)
        session.from = from - before;
    if (word)
        copy = as_word(word, text);
    sh_free(&all);
    return copy;
}

static char **complete(const char *text, int start, int end)
{
    bool in_string = start > 0 && (*session.line)[start - 1] == '\'';

    (void)end;
    session.start = start;
    *session.over = 1;                                  /* never names of files */
    *session.append = in_string ? '\'' : ' ';
    return session.matches(text, next_match);
}

/* ---- libedit ---- */

/* dlsym gives data pointers; this is how POSIX has one make a function of them. */
static bool find(void *lib, const char *name, void *to)
{
    void *p = dlsym(lib, name);

    if (p)
        memcpy(to, &p, sizeof p);
    return p != NULL;
}

static void set_up_completion(void *lib)
{
    char **(**attempt)(const char *, int, int);
    const char **breaks;

    if (!find(lib, "rl_completion_matches", &session.matches) || !find(lib, "rl_line_buffer", &session.line) || !find(lib, "rl_point", &session.point)
        || !find(lib, "rl_completion_append_character", &session.append) || !find(lib, "rl_attempted_completion_over", &session.over)
        || !find(lib, "rl_attempted_completion_function", &attempt))
        return;
    *attempt = complete;
    if (find(lib, "rl_basic_word_break_characters", &breaks))
        *breaks = " \t\n'`(),;=<>+*/|";
    if (find(lib, "rl_completer_word_break_characters", &breaks))
        *breaks = " \t\n'`(),;=<>+*/|";
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

void sh_editor_open(struct sh_editor *e, sqluice *db, const struct sh_buf *typed)
{
    void *lib = isatty(STDIN_FILENO) ? dlopen("libedit.so.2", RTLD_NOW) : NULL;

    *e = (struct sh_editor){ 0 };
    session.db = db;
    session.typed = typed;
    if (!lib)
        return;
    uselocale(newlocale(LC_CTYPE_MASK, "", (locale_t)0));      /* libedit reads UTF-8 by the locale */
    if (!find(lib, "readline", &e->readline) || !find(lib, "add_history", &e->add_history) || !find(lib, "read_history", &e->read_history)
        || !find(lib, "write_history", &e->write_history) || !find(lib, "stifle_history", &e->stifle_history)) {
        *e = (struct sh_editor){ 0 };
        return;
    }
    set_up_completion(lib);
    e->history = history_path();
    e->stifle_history(1000);
    if (e->history)
        e->read_history(e->history);
}

/* The file may hold secrets that were typed: nobody else may read it. */
void sh_editor_close(struct sh_editor *e)
{
    if (e->history) {
        mode_t old = umask(077);

        e->write_history(e->history);
        umask(old);
        chmod(e->history, 0600);
    }
    free(e->history);
}

char *sh_editor_line(struct sh_editor *e, const char *prompt)
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
void sh_editor_remember(struct sh_editor *e, const char *text)
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
