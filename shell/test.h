/* SPDX-License-Identifier: Apache-2.0
 *
 * test.h: what the files of the test runner share: a test file as blocks with checks. docs/test-format.md tells the format.
 */
#ifndef SHELL_TEST_H
#define SHELL_TEST_H

#include "shell.h"

struct t_lines { char **line; size_t n, cap; };

/* What a section under a block states. */
enum t_want { T_ROWS, T_ORDERED, T_CHANGELOG, T_COLUMNS, T_TEXT, T_ERROR, T_NOTICES, T_PRINTED, T_OK /* it ran: of every block that does something */ };

enum t_kind { T_TABLE, T_SINK, T_FILE, T_FILE_IS, T_STATEMENT, T_QUERY, T_EXPLAIN, T_ROWS_OF, T_EXPRESSIONS, T_EXAMPLES, T_SET, T_MODE, T_CLOCK,
              T_JOB };
enum { T_BATCH = 1, T_STREAMING = 2, T_BOTH = 3 };

/* One expectation and what became of it over all runs. */
struct t_check {
    size_t line;                /* index of the header (or expression) line */
    size_t first, n;            /* the lines of the file that state it */
    enum t_want want;
    bool missing;               /* not stated: written by --update */
    unsigned ran, failed;       /* numbers of runs */
    struct sh_buf diff;         /* of the first run that failed */
    struct sh_buf runs;         /* names of those that failed */
    bool rewrite;
    struct t_lines update;      /* the lines as they should be */
};

struct t_block {
    enum t_kind kind;
    size_t line;                /* index of the header */
    char *arg;                  /* the rest of the header */
    size_t body, nbody;         /* lines of the body in the file */
    char *text;                 /* arg and dedented body: SQL, or a file's content */
    int modes;                  /* of the last `mode` before it */
    size_t check, nchecks;      /* its expectations */
};

struct t_file {
    const char *path;
    struct t_lines lines;       /* as read, without newlines */
    struct t_block *blocks;
    size_t nblocks, cap_blocks;
    struct t_check *checks;
    size_t nchecks, cap_checks;
    char *bad;                  /* why the file is no test file: "path:line: …" */
};

/* ---- testfile.c ---- */

void t_push(struct t_lines *, const char *p, size_t n);
void t_lines_free(struct t_lines *);
bool t_read(const char *path, struct t_file *);      /* false: bad says why */
void t_file_free(struct t_file *);
bool t_name_is_inside(const char *name);              /* of a file: it stays within the run's directory */
struct t_clock {
    int year, month, day, hour, minute;
    double second;
};
bool t_parse_clock(const char *, struct t_clock *);
/* The cells of a row as canonical text each ("NULL", "'a | b'", "1"); comments at the end are dropped. */
void t_split(const char *line, struct t_lines *cells, struct t_lines *raw_values, bool *nulls, size_t max);
void t_cell(struct sh_buf *, const char *p, size_t n);       /* p NULL: NULL */
/* The lines of a section, dedented by the first one's indentation, comment lines left out. */
void t_body(const struct t_file *, size_t first, size_t n, struct t_lines *);
/* Splits "expr => value :: type"; false when there is no =>. value_at is the offset behind "=> ". */
bool t_split_expression(const char *line, char **expr, char **value, char **type, size_t *value_at);

/* ---- testcrash.c: INSERTs that are broken off, and go on from their checkpoint ---- */

enum { T_CRASHES = 3 };         /* of one statement, at most */
struct t_crash {
    bool on;                    /* the run has checkpoints and crashes */
    uint64_t random;
    int left;                   /* how often the statement under way may still be broken off */
    bool broken;                /* it just was */
    unsigned tables;            /* that were made for queries */
};
void t_crash_init(struct t_crash *, uint64_t seed);
uint32_t t_crash_draw(struct t_crash *, uint32_t below);
int t_crash_turn(void *crash);                               /* sqluice_config.turn */
/* The SET statements of the run: small epochs, so that there are some. */
void t_crash_settings(struct t_crash *, const char *dir, struct sh_buf *sql);
int t_crash_workers(struct t_crash *, int before);           /* other than before */
/* Whether the statement may be broken off: it has checkpoints in dir, and begins with INSERT or EXECUTE. */
bool t_crash_may(sqluice *, const char *dir, const char *text);
/* CREATE TABLE for the rows of a query, as a changelog in files. */
char *t_crash_table(struct t_crash *, sqluice_stmt *, const char *dir, char name[32]);

/* ---- testtable.c ---- */

struct t_column { char *name; bool text, nested; };
struct t_columns { struct t_column *col; size_t n, cap; };
void t_columns_free(struct t_columns *);
/* "name (a INT, b ROW<x INT, y INT>) with ('k' = 'v')": returns what follows the list, or NULL when there is no list. */
const char *t_split_columns(const char *, struct t_columns *);
/* The rows of a table as NDJSON, or as Debezium's change records where rows carry their kind. */
struct t_rows_writer {
    struct sh_buf out, before;      /* before: the record of a -U that waits for its +U */
    bool any_kind, any_plain;
};
/* Returns an error text or NULL. */
const char *t_write_row(struct t_rows_writer *, const struct t_columns *, const char *line);

/* ---- testcheck.c ---- */

/* Compares; on a difference notes it with the run's name. Takes what it needs of got. */
void t_compare(struct t_file *, struct t_check *, struct t_lines *got, const char *run);
void t_fail(struct t_check *, const char *text, const char *run);
void t_compare_expression(struct t_file *, struct t_check *, const char *got_value, const char *got_type, bool error, const char *run);
void t_report(struct t_file *, bool color);                  /* the failed checks, in the order of their lines; after the last run */
bool t_update(struct t_file *);                              /* rewrites the file; false: errno */

#endif
