/* SPDX-License-Identifier: Apache-2.0
 *
 * testrun.c: `sqluice test`: runs every test file in an engine of its own, once for each mode (streaming, batch), batch size (2048, 7, 1) and number
 * of workers (1, 2, 4), and once with crashes (testcrash.c), against the one statement of what must come out.
 *
 * Tables are files in a directory of the run, {dir} in the SQL; messages that name it are compared with {dir} put back. The clock
 * stands still (2024-01-01 00:00:00 UTC, or what `clock` says) and the session's zone is UTC, so a run gives the same every time.
 */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "usage: sqluice test [options] FILE|DIR ...     runs SQL tests (*.test); DIRs are searched\n"
    "\n"
    "  -u, --update         rewrite what the files state with what came out\n"
    "  -b, --batch-rows N   only this batch size (default: 2048, 7 and 1)\n"
    "  -p, --parallelism N  only with so many workers (default: 1, 2 and 4); changelogs and plans are compared at 1 alone\n"
    "  -m, --mode MODE      only streaming or only batch (default: both)\n"
    "  -c, --crashes N      so many runs in which INSERTs are broken off and go on from a checkpoint (default: 1)\n"
    "  -s, --seed N         for what is drawn in those (default: another each time; it stands in the name of a run that fails)\n"
    "  -v, --verbose        name every file\n"
    "  -h, --help           print this\n"
    "\n"
    "A test file gives tables their rows, runs SQL and states the result:\n"
    "\n"
    "  table bids (item STRING, price DOUBLE)\n"
    "    lamp | 12.5\n"
    "    vase | 30\n"
    "    lamp | 14\n"
    "  query\n"
    "    SELECT item, COUNT(*), MAX(price) FROM bids GROUP BY item\n"
    "  rows\n"
    "    lamp | 2 | 14.0\n"
    "    vase | 1 | 30.0\n"
    "\n"
    "Exit code: 0 all passed, 1 a test failed, 2 bad usage or a file that is no test.\n";

struct plan {
    bool update, verbose, color;
    int modes;
    uint32_t batches[3];
    int nbatches;
    int workers[3], nworkers;
    int crashes;                    /* runs with crashes, of a file */
    uint32_t seed;
    unsigned long passed, failed, files, bad_files;
    unsigned long broken_off, went_on;
};

struct run {
    struct plan *plan;
    struct t_file *f;
    sqluice *db;
    char *dir;
    char name[64];
    int mode, workers;
    struct t_crash crash;
    int64_t now_us;
    struct t_lines notices;         /* of the statement that runs */
    struct sh_buf printed;
    struct t_lines tables;          /* that the test declared: a job's own CREATE TABLE is passed over */
};

/* What a text of SQL gave: rows of its last statement. */
struct outcome {
    int rc, kind;                   /* kind: of the last statement */
    struct t_lines rows, columns, text;
    struct sh_buf error;
};

/* ---- the directory ---- */

/* Every `from` in p becomes `to`. */
static char *replaced(const char *p, const char *from, const char *to)
{
    struct sh_buf b = { 0 };
    const char *hit;

    sh_add(&b, "", 0);
    while ((hit = strstr(p, from))) {
        sh_add(&b, p, (size_t)(hit - p));
        sh_adds(&b, to);
        p = hit + strlen(from);
    }
    sh_adds(&b, p);
    return b.p;
}

static char *with_dir(const struct run *r, const char *p) { return replaced(p, "{dir}", r->dir); }
static char *without_dir(const struct run *r, const char *p) { return replaced(p, r->dir, "{dir}"); }

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static char *path_in(const struct run *r, const char *name)
{
    struct sh_buf b = { 0 };

    sh_addf(&b, "%s/%s", r->dir, name);
    return b.p;
}

/* Makes the folders that stand in the name: "in/a.ndjson". */
static void make_folders(char *path)
{
    for (char *p = path + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(path, 0777);
        *p = '/';
    }
}

static bool write_file(const struct run *r, const char *name, const char *p, size_t n)
{
    char *path;
    FILE *file;
    bool good;

    if (!t_name_is_inside(name))
        return false;
    path = path_in(r, name);
    make_folders(path);
    file = fopen(path, "w");
    good = file && fwrite(p, 1, n, file) == n;
    if (file)
        good = fclose(file) == 0 && good;
    free(path);
    return good;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_names(const char *dir, struct t_lines *out)
{
    DIR *d = opendir(dir);

    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            t_push(out, e->d_name, strlen(e->d_name));
    if (d)
        closedir(d);
    if (out->n)
        qsort(out->line, out->n, sizeof *out->line, by_name);
}

/* A file's text; of a directory, that of all its files in the order of their names. */
static bool read_output(const char *path, struct sh_buf *out)
{
    struct stat st;
    struct t_lines names = { 0 };
    bool good = true;

    if (stat(path, &st) != 0)
        return false;
    if (!S_ISDIR(st.st_mode))
        return sh_read_file(path, out);
    list_names(path, &names);
    for (size_t i = 0; i < names.n && good; i++) {
        struct sh_buf inner = { 0 };

        sh_addf(&inner, "%s/%s", path, names.line[i]);
        good = read_output(inner.p, out);
        sh_free(&inner);
    }
    t_lines_free(&names);
    return good;
}

/* ---- running SQL ---- */

static void on_notice(void *arg, const char *text)
{
    struct run *r = arg;
    char *plain = without_dir(r, text);

    r->plan->went_on += strstr(text, "goes on from") != NULL;
    t_push(&r->notices, plain, strlen(plain));
    free(plain);
}

static void on_print(void *arg, int to_stderr, const char *text, size_t n)
{
    (void)to_stderr;
    sh_add(&((struct run *)arg)->printed, text, n);
}

static int64_t on_clock(void *arg)
{
    return ((struct run *)arg)->now_us;
}

static void push_text(struct run *r, struct t_lines *out, const char *p)
{
    char *plain = without_dir(r, p);

    for (const char *q = plain; *q;) {
        size_t n = strcspn(q, "\n"), end = n;

        while (end > 0 && (q[end - 1] == ' ' || q[end - 1] == '\r'))
            end--;
        t_push(out, q, end);
        q += n + (q[n] == '\n');
    }
    free(plain);
}

static void outcome_clear(struct outcome *o)
{
    t_lines_free(&o->rows);
    t_lines_free(&o->columns);
    t_lines_free(&o->text);
    sh_free(&o->error);
}

static void take_row(struct run *r, sqluice_stmt *q, bool changelog, struct outcome *o)
{
    struct sh_buf b = { 0 };

    if (changelog)
        sh_addf(&b, "%s | ", sqluice_row_kind_name(sqluice_row_kind(q)));
    for (int i = 0; i < sqluice_column_count(q); i++) {
        const char *p = sqluice_column_text(q, i);
        char *plain = p ? without_dir(r, p) : NULL;

        if (i)
            sh_adds(&b, " | ");
        t_cell(&b, plain, plain ? strlen(plain) : 0);
        if (i == 0 && plain)
            push_text(r, &o->text, plain);
        free(plain);
    }
    t_push(&o->rows, b.p ? b.p : "", b.n);
    sh_free(&b);
}

static void take_columns(sqluice_stmt *q, struct outcome *o)
{
    for (int i = 0; i < sqluice_column_count(q); i++) {
        struct sh_buf b = { 0 };

        sh_adds(&b, sqluice_column_name(q, i));         /* one pointer at a time: a result is good until the next call */
        sh_addf(&b, " %s", sqluice_column_decltype(q, i));
        t_push(&o->columns, b.p, b.n);
        sh_free(&b);
    }
}

/* Where a statement ends: behind its ';' outside quotes and comments, or at the end. */
static size_t statement_end(const char *p, size_t i, size_t len)
{
    for (; i < len; i++) {
        if (p[i] == ';')
            return i + 1;
        if (p[i] == '\'' || p[i] == '`') {
            const char *end = memchr(p + i + 1, p[i], len - i - 1);

            i = end ? (size_t)(end - p) : len;
        } else if (p[i] == '-' && i + 1 < len && p[i + 1] == '-') {
            while (i < len && p[i] != '\n')
                i++;
        } else if (p[i] == '/' && i + 1 < len && p[i + 1] == '*') {
            const char *end = strstr(p + i + 2, "*/");

            i = end ? (size_t)(end - p) + 1 : len;
        }
    }
    return len;
}

/* Whether a job's statement creates a table that the test has declared already. */
static bool is_declared(const struct run *r, const char *p)
{
    static const char *const skip[] = { "CREATE", "TEMPORARY", "TABLE", "IF", "NOT", "EXISTS" };

    if (strncasecmp(p, "CREATE", 6) != 0)
        return false;
    for (size_t i = 0; i < 6; i++) {
        size_t n = strlen(skip[i]);

        if (strncasecmp(p, skip[i], n) == 0 && strchr(" \t\r\n", p[n]))
            p += n + strspn(p + n, " \t\r\n");
        else if (i == 2)
            return false;
    }
    p += *p == '`';
    size_t n = strcspn(p, " \t\r\n(`;");
    for (size_t i = 0; i < r->tables.n; i++)
        if (strlen(r->tables.line[i]) == n && strncmp(r->tables.line[i], p, n) == 0)
            return true;
    return false;
}

static void pass_over_declared(const struct run *r, struct sh_script *s)
{
    for (;;) {
        s->base = s->pos;
        size_t start = sh_script_start(s);

        if (start >= s->len || !is_declared(r, s->text + start))
            return;
        s->pos = statement_end(s->text, start, s->len);
    }
}

static void set_workers(struct run *r)
{
    struct sh_buf b = { 0 };

    sh_addf(&b, "SET 'execution.parallelism' = '%d'", r->workers);
    sqluice_exec(r->db, b.p, NULL, NULL);
    sh_free(&b);
}

/* Steps to the next row or the end. An INSERT may be broken off meanwhile; then it is begun again, with another number of workers. */
static int step(struct run *r, struct sh_script *s, size_t at, sqluice_stmt **q)
{
    int rc;

    r->crash.left = 0;
    if (r->crash.on && t_crash_may(r->db, r->dir, s->text + sh_script_start(s)))
        r->crash.left = T_CRASHES;
    while ((rc = sqluice_step(*q)) == SQLUICE_INTERRUPT && r->crash.broken) {
        r->crash.broken = false;
        r->plan->broken_off++;
        sqluice_finalize(*q);
        s->pos = at;
        r->workers = t_crash_workers(&r->crash, r->workers);
        set_workers(r);
        rc = sh_script_next(r->db, s, q);
        if (rc != SQLUICE_OK)
            break;
    }
    r->crash.left = 0;
    return rc;
}

static void run_sql(struct run *r, const char *sql, const char *name, bool job, struct outcome *o)
{
    char *text = with_dir(r, sql);
    struct sh_script s;
    sqluice_stmt *q = NULL;

    *o = (struct outcome){ 0 };
    t_lines_free(&r->notices);
    r->printed.n = 0;
    sh_script_init(&s, text, strlen(text));
    for (;;) {
        if (job)
            pass_over_declared(r, &s);
        size_t at = s.pos;
        o->rc = sh_script_next(r->db, &s, &q);
        if (o->rc != SQLUICE_OK || !q)
            break;
        o->kind = sqluice_stmt_kind(q);
        struct sh_buf keep = o->error;
        outcome_clear(o);
        o->error = keep;
        take_columns(q, o);
        bool changelog = sqluice_stmt_changelog(q) && sqluice_stmt_kind(q) == SQLUICE_STMT_QUERY;
        while ((o->rc = step(r, &s, at, &q)) == SQLUICE_ROW)
            take_row(r, q, changelog, o);
        if (o->rc != SQLUICE_DONE && o->rc != SQLUICE_OK)
            break;
        sqluice_finalize(q);
        q = NULL;
    }
    if (o->rc != SQLUICE_OK) {
        char *plain = without_dir(r, sh_script_error(r->db, &s, name));

        sh_adds(&o->error, plain);
        free(plain);
    }
    sqluice_finalize(q);
    sh_script_free(&s);
    free(text);
}

static void result_mode(struct run *r, bool changelog)
{
    struct sh_buf b = { 0 };

    sh_addf(&b, "SET 'sql-client.execution.result-mode' = '%s'", changelog ? "changelog" : "table");
    sqluice_exec(r->db, b.p, NULL, NULL);
    sh_free(&b);
}

/* ---- checks ---- */

static void check_outcome(struct run *r, struct t_check *c, struct outcome *o)
{
    struct t_lines lines = { 0 };

    if (c->missing && o->rc != SQLUICE_OK)
        c->want = T_ERROR;
    if (c->want == T_ERROR && o->rc == SQLUICE_OK) {
        t_fail(c, "an error is stated, and none came", r->name);
    } else if (c->want == T_ERROR) {
        push_text(r, &lines, o->error.p);
        t_compare(r->f, c, &lines, r->name);
    } else if (c->want == T_NOTICES) {
        t_compare(r->f, c, &r->notices, r->name);
    } else if (o->rc != SQLUICE_OK) {
        t_fail(c, o->error.p, r->name);
    } else if (c->want == T_PRINTED) {
        push_text(r, &lines, r->printed.p ? r->printed.p : "");
        t_compare(r->f, c, &lines, r->name);
    } else if (c->want == T_OK) {
        c->ran++;
    } else {
        t_compare(r->f, c, c->want == T_COLUMNS ? &o->columns : c->want == T_TEXT ? &o->text : &o->rows, r->name);
    }
    t_lines_free(&lines);
}

static bool has_want(const struct run *r, const struct t_block *b, enum t_want want)
{
    for (size_t i = 0; i < b->nchecks; i++)
        if (r->f->checks[b->check + i].want == want)
            return true;
    return false;
}

static bool starts_with_word(const char *p, const char *word)
{
    return strncasecmp(p + strspn(p, " \n\t"), word, strlen(word)) == 0;
}

/* What a run with crashes looks at: results. What else is shown (notices, settings, plans) is other there, and print tables may repeat themselves. */
static bool is_result(const struct run *r, enum t_want want, int kind)
{
    if (!r->crash.on || want == T_OK || want == T_ERROR)
        return true;
    return (want == T_ROWS || want == T_ORDERED) && kind == SQLUICE_STMT_QUERY;
}

static void run_checked(struct run *r, struct t_block *b, const char *sql, bool job)
{
    struct outcome o;
    bool failing = has_want(r, b, T_ERROR);

    run_sql(r, sql, "job.sql", job, &o);
    for (size_t i = 0; i < b->nchecks; i++) {
        struct t_check *c = &r->f->checks[b->check + i];

        if (c->want != T_CHANGELOG && !(c->want == T_OK && failing) && is_result(r, c->want, o.kind))
            check_outcome(r, c, &o);
    }
    outcome_clear(&o);
    if (!has_want(r, b, T_CHANGELOG) || r->mode != T_STREAMING || r->workers > 1 || r->crash.on)
        return;
    result_mode(r, true);
    run_sql(r, sql, "job.sql", job, &o);
    for (size_t i = 0; i < b->nchecks; i++)
        if (r->f->checks[b->check + i].want == T_CHANGELOG)
            check_outcome(r, &r->f->checks[b->check + i], &o);
    outcome_clear(&o);
    result_mode(r, false);
}

/* The table for the changes of a query, where it is one query with columns that files can hold. */
static bool make_changes(struct run *r, const char *text, char name[32])
{
    sqluice_stmt *q = NULL;
    int tail = 0;
    char *ddl = NULL;
    bool good = sqluice_prepare(r->db, text, -1, &q, &tail) == SQLUICE_OK && q && sqluice_stmt_kind(q) == SQLUICE_STMT_QUERY && text[tail] == 0;

    if (good)
        ddl = t_crash_table(&r->crash, q, r->dir, name);
    sqluice_finalize(q);
    good = good && sqluice_exec(r->db, ddl, NULL, NULL) == SQLUICE_OK;
    free(ddl);
    return good;
}

/* Runs a query as an INSERT of its changes that crashes, and reads them back. False: it cannot be run so. */
static bool crash_query(struct run *r, struct t_block *b)
{
    struct sh_buf sql = { 0 };
    struct outcome o;
    sqluice_stmt *q = NULL;
    char name[32], *text;
    bool good;

    if (!has_want(r, b, T_ROWS) || has_want(r, b, T_ERROR))
        return false;
    text = with_dir(r, b->text);
    good = make_changes(r, text, name);
    free(text);
    if (!good)
        return false;
    sh_addf(&sql, "INSERT INTO %s\n%s", name, b->text);
    text = with_dir(r, sql.p);
    good = sqluice_prepare(r->db, text, -1, &q, NULL) == SQLUICE_OK;
    sqluice_finalize(q);
    free(text);
    if (good) {
        run_sql(r, sql.p, "job.sql", false, &o);
        if (o.rc == SQLUICE_OK) {
            outcome_clear(&o);
            sql.n = 0;
            sh_addf(&sql, "SELECT * FROM %s", name);
            run_sql(r, sql.p, "job.sql", false, &o);
        }
        for (size_t i = 0; i < b->nchecks; i++)
            if (r->f->checks[b->check + i].want == T_ROWS)
                check_outcome(r, &r->f->checks[b->check + i], &o);
        outcome_clear(&o);
    }
    sh_free(&sql);
    return good;
}

static void run_query(struct run *r, struct t_block *b)
{
    struct sh_buf sql = { 0 };

    if (r->crash.on && crash_query(r, b))
        return;

    if (b->kind == T_EXPLAIN && !starts_with_word(b->text, "EXPLAIN"))
        sh_adds(&sql, "EXPLAIN ");
    sh_adds(&sql, b->text);
    run_checked(r, b, sql.p, false);
    sh_free(&sql);
}

/* "1 + 1 => 2 :: INT" runs as SELECT 1 + 1. */
static void run_expression(struct run *r, struct t_check *c)
{
    char *expr, *value, *type;
    size_t at;
    struct sh_buf sql = { 0 };
    struct outcome o;

    t_split_expression(r->f->lines.line[c->first], &expr, &value, &type, &at);
    sh_addf(&sql, "SELECT %s", expr);
    run_sql(r, sql.p, "job.sql", false, &o);
    if (o.rc != SQLUICE_OK) {
        t_compare_expression(r->f, c, sqluice_errmsg(r->db), NULL, true, r->name);
    } else if (o.rows.n != 1 || o.columns.n != 1) {
        t_fail(c, "an expression gives one value", r->name);
    } else {
        const char *blank = strchr(o.columns.line[0], ' ');

        t_compare_expression(r->f, c, o.rows.line[0], blank ? blank + 1 : "", false, r->name);
    }
    outcome_clear(&o);
    sh_free(&sql);
    free(expr);
    free(value);
    free(type);
}

/* Every example that SHOW FUNCTIONS gives must hold. */
static void run_examples(struct run *r, struct t_check *c)
{
    sqluice_stmt *q = NULL;
    struct t_lines examples = { 0 };
    struct sh_buf wrong = { 0 };
    int col = -1;

    if (sqluice_prepare(r->db, "SHOW FUNCTIONS", -1, &q, NULL) == SQLUICE_OK) {
        for (int i = 0; i < sqluice_column_count(q); i++)
            if (strcmp(sqluice_column_name(q, i), "example") == 0)
                col = i;
        while (sqluice_step(q) == SQLUICE_ROW) {
            const char *p = col < 0 ? NULL : sqluice_column_text(q, col);

            if (p && *p)
                t_push(&examples, p, strlen(p));
        }
    }
    sqluice_finalize(q);
    for (size_t i = 0; i < examples.n; i++) {
        struct sh_buf sql = { 0 };
        struct outcome o;

        sh_addf(&sql, "SELECT %s", examples.line[i]);
        run_sql(r, sql.p, "example", false, &o);
        if (o.rc != SQLUICE_OK)
            sh_addf(&wrong, "%s: %s\n", examples.line[i], sqluice_errmsg(r->db));
        else if (o.rows.n != 1 || strcmp(o.rows.line[0], "TRUE") != 0)
            sh_addf(&wrong, "%s: not TRUE but %s\n", examples.line[i], o.rows.n ? o.rows.line[0] : "no row");
        outcome_clear(&o);
        sh_free(&sql);
    }
    if (examples.n == 0)
        t_fail(c, "SHOW FUNCTIONS gave no examples", r->name);
    else if (wrong.n)
        t_fail(c, wrong.p, r->name);
    else
        c->ran++;
    sh_free(&wrong);
    t_lines_free(&examples);
}

/* ---- tables ---- */

static char *table_name(const char *arg)
{
    bool quoted = *arg == '`';

    return quoted ? sh_strndup(arg + 1, strcspn(arg + 1, "`")) : sh_strndup(arg, strcspn(arg, " ("));
}

/* CREATE TABLE with the test's own options where the header names none. */
static char *create_table(const struct t_block *b, const char *name, const char *rest, bool changelog)
{
    struct sh_buf sql = { 0 };
    const char *list = strchr(b->arg, '('), *with;

    rest += strspn(rest, " ");
    with = strncasecmp(rest, "with", 4) == 0 ? strchr(rest, '(') : NULL;
    sh_addf(&sql, "CREATE TABLE `%s` %.*s WITH (", name, (int)(rest - list), list);
    if (b->kind == T_SINK) {
        if (!with || !strstr(with, "'connector'"))
            sh_addf(&sql, "'connector' = 'jdbc', 'url' = 'jdbc:sqlite:{dir}/sinks.db', 'table-name' = '%s'%s", name, with ? ", " : "");
    } else {
        if (!with || !strstr(with, "'connector'"))
            sh_addf(&sql, "'connector' = 'filesystem', 'path' = '{dir}/%s.ndjson', ", name);
        if (!with || !strstr(with, "'format'"))
            sh_addf(&sql, "'format' = '%s'%s", changelog ? "debezium-json" : "json", with ? ", " : "");
    }
    sh_adds(&sql, with ? with + 1 : ")");
    return sql.p;
}

static void run_table(struct run *r, struct t_block *b)
{
    struct t_check *c = &r->f->checks[b->check];
    struct t_columns cols = { 0 };
    struct t_lines body = { 0 };
    struct t_rows_writer w = { 0 };
    const char *rest = t_split_columns(b->arg, &cols), *wrong = rest ? NULL : "a table is written: table name (column TYPE, …)";
    char *name = table_name(b->arg);
    struct sh_buf file = { 0 };

    t_body(r->f, b->body, b->nbody, &body);
    for (size_t i = 0; i < body.n && !wrong; i++)
        if (body.line[i][0] && strncmp(body.line[i], "--", 2) != 0)
            wrong = t_write_row(&w, &cols, body.line[i]);
    if (!wrong && w.before.n)
        wrong = "a -U row is followed by its +U row";
    sh_addf(&file, "%s.ndjson", name);
    if (!wrong && b->kind == T_TABLE && !write_file(r, file.p, w.out.p ? w.out.p : "", w.out.n))
        wrong = "the table's file cannot be written";
    if (wrong) {
        t_fail(c, wrong, r->name);
    } else {
        char *sql = create_table(b, name, rest, w.any_kind);
        struct outcome o;

        run_sql(r, sql, name, false, &o);
        check_outcome(r, c, &o);
        outcome_clear(&o);
        free(sql);
        t_push(&r->tables, name, strlen(name));
    }
    sh_free(&file);
    sh_free(&w.out);
    sh_free(&w.before);
    free(name);
    t_lines_free(&body);
    t_columns_free(&cols);
}

/* ---- the other blocks ---- */

static void run_set(struct run *r, struct t_block *b)
{
    struct sh_buf sql = { 0 };

    sh_addf(&sql, "SET %s", b->text);
    run_checked(r, b, sql.p, false);
    sh_free(&sql);
}

static void run_file(struct run *r, struct t_block *b)
{
    struct sh_buf out = { 0 };
    size_t n = strcspn(b->arg, " ");
    char *name = sh_strndup(b->arg, n);
    const char *p = b->text ? b->text : "";

    sh_add(&out, "", 0);
    if (strstr(b->arg + n, "escaped")) {             /* C's escapes; no newline but those that are written */
        for (; *p; p++) {
            if (*p == '\n')
                continue;
            if (*p == '\\' && p[1] == 'x') {
                char hex[3] = { p[2], p[2] ? p[3] : 0, 0 }, byte = (char)strtol(hex, NULL, 16);

                sh_add(&out, &byte, 1);
                p += strlen(hex) + 1;
            } else if (*p == '\\' && p[1]) {
                p++;
                sh_add(&out, *p == 'n' ? "\n" : *p == 't' ? "\t" : *p == 'r' ? "\r" : *p == '0' ? "\0" : p, 1);
            } else {
                sh_add(&out, p, 1);
            }
        }
    } else if (*p) {
        sh_addf(&out, "%s\n", p);
    }
    write_file(r, name, out.p, out.n);
    free(name);
    sh_free(&out);
}

static void run_file_is(struct run *r, struct t_block *b)
{
    struct t_check *c = &r->f->checks[b->check];
    struct sh_buf text = { 0 };
    struct t_lines lines = { 0 };
    char *path = path_in(r, b->arg);

    sh_add(&text, "", 0);
    if (!read_output(path, &text)) {
        t_fail(c, "the file is not there, or cannot be read", r->name);
    } else {
        push_text(r, &lines, text.p);
        t_compare(r->f, c, &lines, r->name);
    }
    free(path);
    sh_free(&text);
    t_lines_free(&lines);
}

/* A job file beside the test, its tables replaced by those of the same name that the test declared. */
static void run_job(struct run *r, struct t_block *b)
{
    const char *slash = strrchr(r->f->path, '/');
    struct sh_buf path = { 0 }, text = { 0 };

    if (slash && b->arg[0] != '/')
        sh_addf(&path, "%.*s/", (int)(slash - r->f->path), r->f->path);
    sh_adds(&path, b->arg);
    if (!sh_read_file(path.p, &text))
        t_fail(&r->f->checks[b->check], "the job file is not there, or cannot be read", r->name);
    else
        run_checked(r, b, text.p, true);
    sh_free(&path);
    sh_free(&text);
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void set_clock(struct run *r, const char *text)
{
    struct t_clock c;

    if (t_parse_clock(text, &c))
        r->now_us = (days_of(c.year, c.month, c.day) * 86400 + c.hour * 3600 + c.minute * 60) * 1000000 + (int64_t)(c.second * 1e6 + 0.5);
}

static void run_block(struct run *r, struct t_block *b)
{
    if (!(b->modes & r->mode) || (b->kind == T_EXPLAIN && (r->workers > 1 || r->crash.on)))
        return;
    if (r->crash.on && (b->kind == T_EXPRESSIONS || b->kind == T_EXAMPLES))
        return;
    switch (b->kind) {
    case T_TABLE:
    case T_SINK: run_table(r, b); break;
    case T_FILE: run_file(r, b); break;
    case T_FILE_IS: run_file_is(r, b); break;
    case T_STATEMENT: run_checked(r, b, b->text, false); break;
    case T_QUERY:
    case T_EXPLAIN:
    case T_ROWS_OF: run_query(r, b); break;
    case T_EXPRESSIONS:
        for (size_t i = 0; i < b->nchecks; i++)
            run_expression(r, &r->f->checks[b->check + i]);
        break;
    case T_EXAMPLES: run_examples(r, &r->f->checks[b->check]); break;
    case T_SET: run_set(r, b); break;
    case T_CLOCK: set_clock(r, b->arg); break;
    case T_JOB: run_job(r, b); break;
    case T_MODE: break;
    }
}

/* ---- files ---- */

static void name_run(struct run *r, uint32_t batch_rows, uint32_t seed)
{
    size_t n = (size_t)snprintf(r->name, sizeof r->name, "%s, batches of %u", r->mode == T_BATCH ? "batch" : "streaming", batch_rows);

    if (r->crash.on)
        snprintf(r->name + n, sizeof r->name - n, ", crashes (--seed %u)", seed);
    else if (r->workers > 1)
        snprintf(r->name + n, sizeof r->name - n, ", %d workers", r->workers);
}

static void set_checkpoints(struct run *r)
{
    struct sh_buf sql = { 0 };

    t_crash_settings(&r->crash, r->dir, &sql);
    sqluice_exec(r->db, sql.p, NULL, NULL);
    sh_free(&sql);
}

/* `seed` 0: without crashes. */
static bool run_once(struct plan *plan, struct t_file *f, int mode, uint32_t batch_rows, int workers, uint32_t seed)
{
    struct run r = { .plan = plan, .f = f, .mode = mode, .workers = workers };
    struct sh_buf dir = { 0 };
    const char *tmp = getenv("TMPDIR");
    sqluice_config config = { .notice = on_notice, .notice_arg = &r, .print = on_print, .print_arg = &r, .now_us = on_clock, .now_arg = &r,
                              .batch_rows = batch_rows, .turn = seed ? t_crash_turn : NULL, .turn_arg = &r.crash };
    bool good;

    if (seed)
        t_crash_init(&r.crash, seed);

    sh_addf(&dir, "%s/sqluice-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    r.dir = mkdtemp(dir.p);
    if (!r.dir) {
        fprintf(stderr, "sqluice: cannot make the directory %s: %m\n", dir.p);
        sh_free(&dir);
        return false;
    }
    name_run(&r, batch_rows, seed);
    set_clock(&r, "2024-01-01 00:00:00");
    good = sqluice_open(&config, &r.db) == SQLUICE_OK;
    if (!good)
        fprintf(stderr, "sqluice: cannot start: %s\n", r.db ? sqluice_errmsg(r.db) : "out of memory");
    if (good) {
        sqluice_exec(r.db, mode == T_BATCH ? "SET 'execution.runtime-mode' = 'batch'" : "SET 'execution.runtime-mode' = 'streaming'", NULL, NULL);
        sqluice_exec(r.db, "SET 'table.local-time-zone' = 'UTC'", NULL, NULL);
        set_workers(&r);
        result_mode(&r, false);
        if (seed)
            set_checkpoints(&r);
        sh_interrupt_target(r.db);
        for (size_t i = 0; i < f->nblocks && !sh_interrupted(); i++)
            run_block(&r, &f->blocks[i]);
        sh_interrupt_target(NULL);
    }
    sqluice_close(r.db);
    nftw(r.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    t_lines_free(&r.notices);
    t_lines_free(&r.tables);
    sh_free(&r.printed);
    sh_free(&dir);
    return good;
}

static void test_file(struct plan *plan, const char *path)
{
    struct t_file f;
    unsigned long passed = 0, failed = 0;
    bool rewrite = false;

    plan->files++;
    if (!t_read(path, &f)) {
        printf("%s\n", f.bad);
        plan->bad_files++;
        t_file_free(&f);
        return;
    }
    static const int modes[] = { T_STREAMING, T_BATCH };
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < plan->nbatches && (plan->modes & modes[m]); i++)
            for (int k = 0; k < plan->nworkers; k++)
                if (!run_once(plan, &f, modes[m], plan->batches[i], plan->workers[k], 0))
                    plan->bad_files++;
    for (int i = 0; i < plan->crashes && (plan->modes & T_STREAMING) && !plan->update; i++)
        if (!run_once(plan, &f, T_STREAMING, plan->batches[i % plan->nbatches], plan->workers[i % plan->nworkers], plan->seed + (uint32_t)i))
            plan->bad_files++;
    for (size_t i = 0; i < f.nchecks; i++) {
        passed += f.checks[i].ran && !f.checks[i].failed;
        failed += f.checks[i].failed > 0;
        rewrite |= f.checks[i].rewrite;
    }
    plan->passed += passed;
    plan->failed += failed;
    if (plan->verbose)
        printf("%s: %lu passed, %lu failed\n", path, passed, failed);
    if (failed)
        t_report(&f, plan->color);
    if (plan->update && rewrite) {
        if (t_update(&f))
            printf("%s: rewritten\n", path);
        else
            printf("%s: cannot be rewritten: %m\n", path);
    }
    fflush(stdout);
    t_file_free(&f);
}

static void test_path(struct plan *plan, const char *path, bool named)
{
    struct stat st;
    struct t_lines names = { 0 };
    size_t n = strlen(path);

    if (stat(path, &st) != 0) {
        fprintf(stderr, "sqluice: cannot read %s: %m\n", path);
        plan->bad_files++;
    } else if (!S_ISDIR(st.st_mode)) {
        if (named || (n > 5 && strcmp(path + n - 5, ".test") == 0))
            test_file(plan, path);
    } else {
        list_names(path, &names);
        for (size_t i = 0; i < names.n && !sh_interrupted(); i++) {
            struct sh_buf inner = { 0 };

            sh_addf(&inner, "%s%s%s", path, path[n - 1] == '/' ? "" : "/", names.line[i]);
            test_path(plan, inner.p, false);
            sh_free(&inner);
        }
    }
    t_lines_free(&names);
}

static const struct option options[] = {
    { "update", no_argument, NULL, 'u' }, { "batch-rows", required_argument, NULL, 'b' }, { "mode", required_argument, NULL, 'm' },
    { "parallelism", required_argument, NULL, 'p' }, { "crashes", required_argument, NULL, 'c' }, { "seed", required_argument, NULL, 's' },
    { "verbose", no_argument, NULL, 'v' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
};

/* Returns -1 to go on, else an exit code. */
static int take_option(struct plan *plan, int c)
{
    char *end;
    long rows;

    switch (c) {
    case 'u': plan->update = true; return -1;
    case 'v': plan->verbose = true; return -1;
    case 'h': fputs(help, stdout); return EXIT_DONE;
    case 'b':
        rows = strtol(optarg, &end, 10);
        if (*end || end == optarg || rows < 1 || rows > 2048) {
            fprintf(stderr, "sqluice: --batch-rows takes 1 to 2048, not '%s'\n", optarg);
            return EXIT_BAD;
        }
        plan->batches[0] = (uint32_t)rows;
        plan->nbatches = 1;
        return -1;
    case 'p':
        rows = strtol(optarg, &end, 10);
        if (*end || end == optarg || rows < 1 || rows > 128) {
            fprintf(stderr, "sqluice: --parallelism takes 1 to 128, not '%s'\n", optarg);
            return EXIT_BAD;
        }
        plan->workers[0] = (int)rows;
        plan->nworkers = 1;
        return -1;
    case 'c':
    case 's':
        rows = strtol(optarg, &end, 10);
        if (*end || end == optarg || rows < (c == 's') || rows > (c == 's' ? INT32_MAX : 10000)) {
            fprintf(stderr, "sqluice: --%s takes a number, not '%s'\n", c == 's' ? "seed" : "crashes", optarg);
            return EXIT_BAD;
        }
        if (c == 's')
            plan->seed = (uint32_t)rows;
        else
            plan->crashes = (int)rows;
        return -1;
    case 'm':
        plan->modes = strcmp(optarg, "batch") == 0 ? T_BATCH : strcmp(optarg, "streaming") == 0 ? T_STREAMING : 0;
        if (plan->modes)
            return -1;
        fprintf(stderr, "sqluice: --mode is batch or streaming, not '%s'\n", optarg);
        return EXIT_BAD;
    default: fputs("sqluice test --help tells what there is\n", stderr); return EXIT_BAD;
    }
}

int sh_test_main(int argc, char **argv)
{
    struct plan plan = { .modes = T_BOTH, .batches = { 2048, 7, 1 }, .nbatches = 3, .workers = { 1, 2, 4 }, .nworkers = 3, .crashes = 1,
                         .seed = (uint32_t)time(NULL) % 1000000 + 1, .color = isatty(STDOUT_FILENO) };
    int c, code = -1;

    while (code < 0 && (c = getopt_long(argc, argv, "ub:m:p:c:s:vh", options, NULL)) != -1)
        code = take_option(&plan, c);
    if (code < 0 && optind == argc) {
        fputs(help, stderr);
        code = EXIT_BAD;
    }
    if (code >= 0)
        return code;
    sh_catch_signals();
    for (; optind < argc && !sh_interrupted(); optind++) {
        unsigned long had = plan.files + plan.bad_files;

        test_path(&plan, argv[optind], true);
        if (plan.files + plan.bad_files == had && !sh_interrupted()) {
            fprintf(stderr, "sqluice: no *.test file in %s\n", argv[optind]);
            plan.bad_files++;
        }
    }
    if (plan.verbose && plan.crashes)
        printf("crashes: %lu INSERTs were broken off, %lu went on from a checkpoint\n", plan.broken_off, plan.went_on);
    printf("%lu passed, %lu failed", plan.passed, plan.failed);
    if (plan.bad_files)
        printf(", %lu not run", plan.bad_files);
    putchar('\n');
    return plan.bad_files ? EXIT_BAD : plan.failed || sh_interrupted() ? EXIT_FAILED : EXIT_DONE;
}
