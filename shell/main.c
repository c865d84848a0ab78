/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c: the command: flags, inputs in their order, exit codes (0 done, 1 a job failed, 2 bad usage or SQL).
 */
#include "shell.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char help[] =
    "sqluice: streaming SQL in one small command. It runs Flink SQL job files in milliseconds, in one process, without a server.\n"
    "\n"
    "usage: sqluice [options] job.sql [more.sql ...]   run job files, one after another\n"
    "       sqluice [options] -c \"SQL\"                 run statements given here\n"
    "       sqluice [options] < job.sql                run standard input (so does the name -)\n"
    "       sqluice                                    on a terminal: the interactive shell\n"
    "       sqluice test FILE|DIR ...                  run SQL tests (sqluice test --help)\n"
    "       sqluice state FILE|DIR ...                 what is in a job's checkpoint (sqluice state --help)\n"
    "       sqluice savepoint DIR [TARGET]             a savepoint of a job that runs (sqluice savepoint --help)\n"
    "\n"
    "options:\n"
    "  -c, --command SQL   run SQL; may be repeated and mixed with files\n"
    "  -f, --file FILE     the same as naming FILE\n"
    "  -m, --mode MODE     how rows are shown: table (default), csv, json (one object a line), vertical\n"
    "  -p, --parallelism N   workers of a job (SET 'execution.parallelism'; default: 1)\n"
    "  -s, --from-savepoint FILE   jobs begin from this savepoint (SET 'execution.savepoint.path')\n"
    "      --allow-dropped-state   state that fits nowhere in a changed job is dropped (SET 'execution.savepoint.ignore-unclaimed-state')\n"
    "      --changelog     show every change of a result with its op (+I -U +U -D), not the final rows\n"
    "      --no-account    do not print the account at the end of a job\n"
    "  -q, --quiet         neither account nor notes nor progress\n"
    "      --memory-limit SIZE   fail cleanly above so much memory: 500MB, 2GB (default: none)\n"
    "  -V, --version       print the version\n"
    "  -h, --help          print this\n"
    "\n"
    "Rows go to standard output; notes, errors, progress and the account go to standard error.\n"
    "An INSERT from input without an end runs in the background: the command stays until all such jobs have ended.\n"
    "With SET 'execution.checkpointing.interval' = '10 s' a job that is started again goes on where it was.\n"
    "Exit code: 0 done, 1 a job failed while it ran, 2 bad usage or bad SQL. Ctrl-C ends running jobs cleanly, twice kills.\n"
    "\n"
    "quickstart:\n"
    "  sqluice -c \"SELECT 1 + 1 AS two, UPPER('hello') AS word\"\n"
    "  cat > bids.ndjson <<END\n"
    "  {\"item\": \"lamp\", \"price\": 12.5}\n"
    "  {\"item\": \"vase\", \"price\": 30}\n"
    "  {\"item\": \"lamp\", \"price\": 14}\n"
    "  END\n"
    "  sqluice -c \"CREATE TABLE bids (item STRING, price DOUBLE)\n"
    "              WITH ('connector' = 'filesystem', 'path' = 'bids.ndjson', 'format' = 'json');\n"
    "              SELECT item, COUNT(*) AS n, MAX(price) AS best FROM bids GROUP BY item\"\n"
    "\n"
    "examples:\n"
    "  sqluice -c \"SHOW FUNCTIONS\"                     what there is to call\n"
    "  sqluice -m csv -c \"VALUES (1, 'a'), (2, 'b')\"   results for other programs\n"
    "  sqluice --changelog -c \"SELECT COUNT(*) FROM (VALUES (1), (2)) AS t(x)\"\n"
    "  sqluice -c \"EXPLAIN SELECT COUNT(*) FROM (VALUES (1), (2)) AS t(x)\"\n";

enum { OPT_CHANGELOG = 256, OPT_NO_ACCOUNT, OPT_BATCH_ROWS, OPT_MEMORY, OPT_DROP_STATE };

static const struct option options[] = {
    { "command", required_argument, NULL, 'c' },
    { "file", required_argument, NULL, 'f' },
    { "mode", required_argument, NULL, 'm' },
    { "changelog", no_argument, NULL, OPT_CHANGELOG },
    { "no-account", no_argument, NULL, OPT_NO_ACCOUNT },
    { "parallelism", required_argument, NULL, 'p' },
    { "quiet", no_argument, NULL, 'q' },
    { "from-savepoint", required_argument, NULL, 's' },
    { "allow-dropped-state", no_argument, NULL, OPT_DROP_STATE },
    { "batch-rows", required_argument, NULL, OPT_BATCH_ROWS },   /* for tests */
    { "memory-limit", required_argument, NULL, OPT_MEMORY },
    { "version", no_argument, NULL, 'V' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

struct input { const char *text; bool file; };

struct args {
    struct input *inputs;
    size_t n, cap;
    sqluice_config config;
    bool changelog, drop_state;
    const char *savepoint;          /* NULL: none */
    long workers;                   /* 0: not given */
};

static void add_input(struct args *a, const char *text, bool file)
{
    a->inputs = sh_grow(a->inputs, sizeof *a->inputs, a->n, &a->cap);
    a->inputs[a->n++] = (struct input){ text, file };
}

/* "500MB", "2g", "1073741824" */
static bool parse_size(const char *s, int64_t *out)
{
    static const char *const unit[] = { "", "k", "m", "g", "t" };
    char *end;

    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (end == s || v <= 0 || errno)
        return false;
    while (*end == ' ')
        end++;
    for (int i = 0; i < 5; i++) {
        size_t n = strlen(unit[i]);

        if (strncasecmp(end, unit[i], n) != 0 || (i == 0 && *end && strcasecmp(end, "b") != 0))
            continue;
        const char *rest = end + n;
        if (*rest && strcasecmp(rest, "b") != 0 && strcasecmp(rest, "ib") != 0)
            continue;
        if (v > INT64_MAX >> (10 * i))
            return false;
        *out = (int64_t)v << (10 * i);
        return true;
    }
    return false;
}

static int usage(const char *fmt, const char *what)
{
    fputs("sqluice: ", stderr);
    fprintf(stderr, fmt, what);
    fputs("\nsqluice --help tells what there is\n", stderr);
    return EXIT_BAD;
}

/* Returns -1 to go on, else an exit code. */
static int take_option(struct sh *sh, struct args *a, int c)
{
    long rows;
    char *end;

    switch (c) {
    case 'c': add_input(a, optarg, false); return -1;
    case 'f': add_input(a, optarg, true); return -1;
    case 'm':
        if (!sh_mode_parse(optarg, &sh->render.mode))
            return usage("there is no mode '%s': table, csv, json and vertical are", optarg);
        return -1;
    case 'p':
        a->workers = strtol(optarg, &end, 10);
        if (*end || end == optarg || a->workers < 1 || a->workers > 128)
            return usage("--parallelism takes 1 to 128, not '%s'", optarg);
        return -1;
    case 's': a->savepoint = optarg; return -1;
    case OPT_DROP_STATE: a->drop_state = true; return -1;
    case OPT_CHANGELOG: a->changelog = true; return -1;
    case OPT_NO_ACCOUNT: sh->account = false; return -1;
    case 'q': sh->quiet = true; return -1;
    case OPT_BATCH_ROWS:
        rows = strtol(optarg, &end, 10);
        if (*end || end == optarg || rows < 1 || rows > 2048)
            return usage("--batch-rows takes 1 to 2048, not '%s'", optarg);
        a->config.batch_rows = (uint32_t)rows;
        return -1;
    case OPT_MEMORY:
        if (!parse_size(optarg, &a->config.memory_limit_bytes))
            return usage("--memory-limit takes a size such as 500MB, not '%s'", optarg);
        return -1;
    case 'V': printf("sqluice %s\n", sqluice_version()); return EXIT_DONE;
    case 'h': fputs(help, stdout); return EXIT_DONE;
    default:
        fputs("sqluice --help tells what there is\n", stderr);      /* getopt said what is wrong */
        return EXIT_BAD;
    }
}

static int run_input(struct sh *sh, const struct input *in)
{
    struct sh_buf text = { 0 };
    int code;

    if (!in->file)
        return sh_run_text(sh, "sqluice", in->text, strlen(in->text));
    if (!sh_read_file(in->text, &text)) {
        fprintf(stderr, "sqluice: cannot read %s: %m\n", in->text);
        code = EXIT_BAD;
    } else {
        code = sh_run_text(sh, strcmp(in->text, "-") == 0 ? "stdin" : in->text, text.p, text.n);
    }
    sh_free(&text);
    return code;
}

static int set(struct sh *sh, const char *key, const char *value)
{
    struct sh_buf b = { 0 };
    int rc;

    sh_adds(&b, "SET ");
    sh_add_quoted(&b, key);
    sh_adds(&b, " = ");
    sh_add_quoted(&b, value);
    rc = sqluice_exec(sh->db, b.p, NULL, NULL);
    sh_free(&b);
    if (rc == SQLUICE_OK)
        return EXIT_DONE;
    fprintf(stderr, "sqluice: %s\n", sqluice_errmsg(sh->db));
    return EXIT_BAD;
}

/* Flags that are settings. */
static int set_flags(struct sh *sh, const struct args *a)
{
    char workers[24];
    int code = EXIT_DONE;

    snprintf(workers, sizeof workers, "%ld", a->workers);
    if (a->changelog)
        code = set(sh, "sql-client.execution.result-mode", "changelog");
    if (code == EXIT_DONE && a->workers > 0)
        code = set(sh, "execution.parallelism", workers);
    if (code == EXIT_DONE && a->savepoint)
        code = set(sh, "execution.savepoint.path", a->savepoint);
    if (code == EXIT_DONE && a->drop_state)
        code = set(sh, "execution.savepoint.ignore-unclaimed-state", "true");
    return code;
}

static int run(struct sh *sh, struct args *a)
{
    struct winsize size;
    int code = sh_open(sh, &a->config);

    if (code != EXIT_DONE)
        return code;
    sh->render.out = stdout;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        sh->render.columns = size.ws_col;
    code = set_flags(sh, a);
    if (code != EXIT_DONE) {
        sh_close(sh);
        return code;
    }
    sh_catch_signals();
    if (a->n == 0 && isatty(STDIN_FILENO)) {
        code = sh_repl(sh);
    } else {
        if (a->n == 0)
            add_input(a, "-", true);
        for (size_t i = 0; i < a->n && code == EXIT_DONE && !sh_interrupted(); i++)
            code = run_input(sh, &a->inputs[i]);
        int last = sh_jobs_wait(sh, code != EXIT_DONE);
        code = code != EXIT_DONE ? code : last;
    }
    sh_close(sh);
    return code;
}

int main(int argc, char **argv)
{
    struct sh sh = { .account = true, .progress = isatty(STDERR_FILENO) };
    struct args a = { 0 };
    int c, code = -1;

    if (argc > 1 && strcmp(argv[1], "test") == 0)
        return sh_test_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "state") == 0)
        return sh_state_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "savepoint") == 0)
        return sh_savepoint_main(argc - 1, argv + 1);
    while (code < 0 && (c = getopt_long(argc, argv, "-c:f:m:p:qs:Vh", options, NULL)) != -1) {
        if (c == 1)                                     /* a name among the flags: kept in order */
            add_input(&a, optarg, true);
        else
            code = take_option(&sh, &a, c);
    }
    for (; code < 0 && optind < argc; optind++)
        add_input(&a, argv[optind], true);
    if (code < 0)
        code = run(&sh, &a);
    free(a.inputs);
    if (fflush(stdout) != 0 && code == EXIT_DONE)
        code = errno == EPIPE ? EXIT_PIPE : EXIT_FAILED;
    return code;
}
