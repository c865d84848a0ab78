/* SPDX-License-Identifier: Apache-2.0
 *
 * sqluice.h: streaming SQL as SQLite is SQL. The whole public API.
 *
 *     sqluice *db;
 *     sqluice_stmt *q;
 *     sqluice_open(NULL, &db);
 *     sqluice_exec(db, "CREATE TABLE t (id STRING, v INT) WITH ('connector'='filesystem','path'='t.ndjson','format'='json')", NULL, NULL);
 *     sqluice_prepare(db, "SELECT id, SUM(v) FROM t GROUP BY id", -1, &q, NULL);
 *     while (sqluice_step(q) == SQLUICE_ROW)
 *         printf("%s %s %lld\n", sqluice_row_kind_name(sqluice_row_kind(q)), sqluice_column_text(q, 0), (long long)sqluice_column_int64(q, 1));
 *     sqluice_finalize(q);
 *     sqluice_close(db);
 *
 * Threads: an engine (sqluice *) and its statements belong to one thread at a time; different engines share nothing. sqluice_interrupt
 * may be called from any thread and from a signal handler. A callback may use other statements of its engine, not the one that is
 * being stepped. The library never prints, exits or installs signal handlers.
 *
 * An INSERT that reads input without an end runs in the background, on a thread of the engine's own which blocks all signals. That thread calls
 * none of the program's callbacks but now_us: notices, and what print tables write, are kept and handed over on the caller's thread, within
 * sqluice_step, sqluice_exec, sqluice_job_wait and sqluice_close. What is printed is kept up to a megabyte; then the job waits for the caller.
 *
 * Text is UTF-8. Results that are pointers belong to the engine or the statement and are good until the next call on it.
 */
#ifndef SQLUICE_H
#define SQLUICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SQLUICE_API __attribute__((visibility("default")))
#else
#define SQLUICE_API
#endif

typedef struct sqluice sqluice;
typedef struct sqluice_stmt sqluice_stmt;

/* Result codes. 0 is success; ROW and DONE come from sqluice_step only. */
enum {
    SQLUICE_OK = 0,
    SQLUICE_SYNTAX = 1,       /* the text is not SQL */
    SQLUICE_SEMANTIC = 2,     /* a name, type, option or plan that cannot be */
    SQLUICE_UNSUPPORTED = 3,  /* understood, and not supported yet */
    SQLUICE_DATA = 4,         /* a record or value at run time */
    SQLUICE_IO = 5,           /* a file */
    SQLUICE_EXTERNAL = 6,     /* a database or broker */
    SQLUICE_NOMEM = 7,        /* out of memory, or the memory limit reached */
    SQLUICE_LIMIT = 8,        /* a limit of the engine */
    SQLUICE_INTERRUPT = 9,    /* sqluice_interrupt was called */
    SQLUICE_MISUSE = 10,      /* the API was called in the wrong order */
    SQLUICE_INTERNAL = 11,    /* a bug in the engine */
    SQLUICE_ROW = 100,
    SQLUICE_DONE = 101
};

/* Kinds of rows of a changelog, as sqluice_row_kind gives them. */
enum { SQLUICE_INSERT = 0, SQLUICE_UPDATE_BEFORE = 1, SQLUICE_UPDATE_AFTER = 2, SQLUICE_DELETE = 3 };

/* Types of columns, as sqluice_column_type gives them. */
enum {
    SQLUICE_TYPE_NULL, SQLUICE_TYPE_BOOLEAN, SQLUICE_TYPE_INTEGER /* TINYINT … BIGINT */, SQLUICE_TYPE_DOUBLE /* FLOAT, DOUBLE */,
    SQLUICE_TYPE_DECIMAL, SQLUICE_TYPE_TEXT, SQLUICE_TYPE_BYTES, SQLUICE_TYPE_DATE, SQLUICE_TYPE_TIME, SQLUICE_TYPE_TIMESTAMP,
    SQLUICE_TYPE_INTERVAL, SQLUICE_TYPE_NESTED /* ARRAY, MAP, MULTISET, ROW */
};

typedef struct sqluice_progress {
    uint64_t rows_in, rows_out, bytes_in;
    int64_t bytes_total;                                         /* -1: unknown */
    int64_t elapsed_ms;
    int64_t watermark_us;                                        /* event time that the sinks have reached, since 1970; INT64_MIN: none */
    uint64_t lag;                                                /* records of streams that are there and were not read yet; 0: none, or unknown */
    uint64_t epoch;                                              /* the last one that is committed; 0: none, or a job without epochs */
    uint64_t restored;                                           /* the epoch that this run went on from; 0: it began anew */
    uint64_t checkpoints;                                        /* that this run made */
    int64_t checkpoint_bytes, checkpoint_ms;                     /* of the last one: size of its file; time from barrier to commit */
    char held_by[160];                                           /* what the watermark waits for: a table and its part (partition, file) that is furthest behind; "": nothing */
    int64_t held_ms;                                             /* for how long that has given no rows */
} sqluice_progress;

/* Settings of an engine that SQL cannot change. Zero-initialize; every 0 or NULL is the default. */
typedef struct sqluice_config {
    int64_t memory_limit_bytes;                                  /* 0: none */
    void (*notice)(void *arg, const char *text);                 /* one line without newline; on the thread that calls the engine */
    void *notice_arg;
    void (*print)(void *arg, int to_stderr, const char *text, size_t n);   /* what the print connector writes; NULL: it is refused */
    void *print_arg;
    /* Called a few times a second while a statement runs; nonzero interrupts it. */
    int (*progress)(void *arg, const sqluice_progress *);
    void *progress_arg;
    /* Replaces the wall clock (tests); NULL: the system's. Workers and jobs in the background call it on their threads. */
    int64_t (*now_us)(void *arg);
    void *now_arg;
    uint32_t batch_rows;                                         /* most rows of a batch; 0: 2048. 1 and 7 are for tests */
    /* For tests of restarts: called between two turns (of about a batch) of an INSERT that runs within its step; nonzero breaks it off there, as a crash would:
     * nothing more is written or committed, and the step returns SQLUICE_INTERRUPT. */
    int (*turn)(void *arg);
    void *turn_arg;
} sqluice_config;

/* ---- engines ---- */

SQLUICE_API const char *sqluice_version(void);
/* config may be NULL. On failure *db is NULL (out of memory) or an engine that only errmsg and close may be called on. */
SQLUICE_API int sqluice_open(const sqluice_config *config, sqluice **db);
/* Statements left open are finalized, jobs that run are stopped (sqluice_job_stop) and waited for; one that does not end within ten seconds is
 * broken off. A no-op for NULL, and inside a callback of the engine. */
SQLUICE_API void sqluice_close(sqluice *db);
/* Makes the running call return SQLUICE_INTERRUPT soon. An INSERT first writes and commits what is final, and has its account; a second request
 * breaks it off. Between two steps of a query the next one returns it. While no statement is under way it is void. Jobs in the background go on. */
SQLUICE_API void sqluice_interrupt(sqluice *db);

/* ---- errors: of the last failed call on the engine ---- */

SQLUICE_API int sqluice_errcode(const sqluice *db);
SQLUICE_API const char *sqluice_errmsg(const sqluice *db);       /* one sentence */
SQLUICE_API const char *sqluice_errhint(const sqluice *db);      /* what to do about it; "" for none */
SQLUICE_API int sqluice_error_offset(const sqluice *db);         /* bytes into the text given to the call; -1: no place */
SQLUICE_API int sqluice_error_length(const sqluice *db);         /* bytes the place is long; 0: no place */
/* The error as it is shown to people: "file:line:col: error: …", the line, the caret and the hint. file may be NULL. text is what was given
 * to the failed call and first_line the line it begins at (from 1). Good until the next call. */
SQLUICE_API const char *sqluice_error_render(sqluice *db, const char *file, const char *text, int first_line);

/* ---- running SQL ---- */

/* Runs every statement of text. Rows of queries go to `row` (NULL: dropped), which may end the run by returning nonzero. Called on the same
 * thread, with the statement positioned on a row. An INSERT runs as in sqluice_step. */
SQLUICE_API int sqluice_exec(sqluice *db, const char *text, int (*row)(void *arg, sqluice_stmt *), void *arg);

/* Prepares the first statement of text (bytes long; -1: to its 0). *tail, where not NULL, is the number of bytes used, so that the rest
 * can be prepared next. *stmt is NULL with SQLUICE_OK when only blanks and comments were left. DDL and SET take effect at the first step. */
SQLUICE_API int sqluice_prepare(sqluice *db, const char *text, int bytes, sqluice_stmt **stmt, int *tail);
/* 1: text ends inside a statement, a string or a comment (a shell then asks for more lines). */
SQLUICE_API int sqluice_incomplete(sqluice *db, const char *text);

/* Values for '?', numbered from 1; texts are copied. The type of a '?' is that of its value (BIGINT, DOUBLE, STRING, NULL), so such a statement is checked,
 * and has columns, when all are bound. */
SQLUICE_API int sqluice_bind_null(sqluice_stmt *, int index);
SQLUICE_API int sqluice_bind_int64(sqluice_stmt *, int index, int64_t);
SQLUICE_API int sqluice_bind_double(sqluice_stmt *, int index, double);
SQLUICE_API int sqluice_bind_text(sqluice_stmt *, int index, const char *, int bytes);

/* Runs on: SQLUICE_ROW when there is a row to look at, SQLUICE_DONE at the end, else an error. For an INSERT (a statement set, CREATE TABLE AS) one step
 * runs it to its end when all its input ends, or with SET 'table.dml-sync' = 'true'. Else the step opens its sources and sinks, leaves it running in
 * the background (sqluice_stmt_job names it) and returns SQLUICE_DONE. */
SQLUICE_API int sqluice_step(sqluice_stmt *);
/* NULL is a no-op. Inside a callback of a call on the statement it takes effect at that call's end. */
SQLUICE_API void sqluice_finalize(sqluice_stmt *);

/* What a statement is. */
enum { SQLUICE_STMT_QUERY = 1, SQLUICE_STMT_INSERT, SQLUICE_STMT_INFO /* SHOW, DESCRIBE, EXPLAIN: gives rows, reads nothing */, SQLUICE_STMT_OTHER };
SQLUICE_API int sqluice_stmt_kind(const sqluice_stmt *);
/* Whether the rows are a changelog (result mode 'changelog': look at the row kind), or final rows; and whether the input ends. */
SQLUICE_API int sqluice_stmt_changelog(const sqluice_stmt *);
SQLUICE_API int sqluice_stmt_bounded(const sqluice_stmt *);

/* The id of the job that an INSERT left running in the background; NULL: none. */
SQLUICE_API const char *sqluice_stmt_job(const sqluice_stmt *);

/* ---- jobs in the background ---- */

/* A job keeps the tables and the SET values that it was started with. SQL has SHOW JOBS, and STOP JOB 'id' [WITH DRAIN | WITH SAVEPOINT ['path']], which waits for
 * the end. A job with checkpoints (SET 'execution.checkpointing.interval') that a broker or a database fails is opened again by itself, as the restart
 * strategy says, with a notice. */
enum {
    SQLUICE_JOB_RUNNING = 1,
    SQLUICE_JOB_FINISHED = 2,                                    /* its input ended, or was drained */
    SQLUICE_JOB_FAILED = 3,
    SQLUICE_JOB_CANCELED = 4                                     /* stopped: what was final is written and committed */
};
typedef struct sqluice_job {
    const char *id, *name;                                       /* name: 'pipeline.name' */
    int status;
    int64_t started_us;                                          /* wall clock */
    sqluice_progress progress;                                   /* of a few moments ago; once ended, the last */
} sqluice_job;
/* Jobs in the order of their start, also those that have ended (the latest hundred of them). False (0) behind the last. */
SQLUICE_API int sqluice_job_at(sqluice *db, int i, sqluice_job *out);
/* "RUNNING" */
SQLUICE_API const char *sqluice_job_status_name(int status);
/* Asks a job (NULL: all that run) to write and commit what is final, and end; drain: its input ends where it is, so what is open is closed and written too.
 * Does not wait. Where an id is taken, its beginning will do when no other job's is the same, and so will a name. SQLUICE_SEMANTIC: no such job. */
SQLUICE_API int sqluice_job_stop(sqluice *db, const char *id, int drain);
/* The same with a savepoint: a copy of the job's last checkpoint, which a job may begin from (SET 'execution.savepoint.path'). path: a file that is not there yet, or a
 * directory; NULL: 'execution.checkpointing.savepoint-dir', else the job's own directory. Waits for the end. *file, where file is not NULL: what was made, good until the
 * next call. SQLUICE_SEMANTIC: no such job, it makes no checkpoints, or there is such a file. */
SQLUICE_API int sqluice_job_stop_with_savepoint(sqluice *db, const char *id, const char *path, const char **file);
/* Asks for a savepoint of the job that keeps its checkpoints in `dir`, in whatever process, and waits for it, at most timeout_ms; the job goes on. Where no
 * process runs it, its last checkpoint is copied. path: as above; NULL: dir. */
SQLUICE_API int sqluice_savepoint(sqluice *db, const char *dir, const char *path, int timeout_ms, const char **file);
/* Waits until the job (NULL: every job) has ended, however it did; at most timeout_ms, where not negative. SQLUICE_DONE: ended; SQLUICE_OK: the time is
 * over; SQLUICE_INTERRUPT: sqluice_interrupt was called (the job goes on). */
SQLUICE_API int sqluice_job_wait(sqluice *db, const char *id, int timeout_ms);
/* The account of a job that has ended, "" before; NULL: no such job. */
SQLUICE_API const char *sqluice_job_account(sqluice *db, const char *id);
/* Makes the error of a failed job the engine's last error, as a failed call does, and returns its code; SQLUICE_OK: it has none. Its place is one in the
 * text given when it was started. */
SQLUICE_API int sqluice_job_error(sqluice *db, const char *id);
/* The name of jobs that are started from now on without a 'pipeline.name'; more of that name get -2, -3, …. NULL: "insert-into_" and the table. Jobs with
 * checkpoints have their targets in it ("daily-totals"), and of what is run under one default name no two INSERTs may share a name, and so a directory. */
SQLUICE_API int sqluice_job_default_name(sqluice *db, const char *name);

/* ---- the current row ---- */

SQLUICE_API int sqluice_row_kind(const sqluice_stmt *);          /* SQLUICE_INSERT … */
SQLUICE_API const char *sqluice_row_kind_name(int kind);         /* "+I" */
SQLUICE_API int sqluice_column_count(const sqluice_stmt *);      /* 0 for statements without rows; known before the first step */
SQLUICE_API const char *sqluice_column_name(const sqluice_stmt *, int col);
SQLUICE_API const char *sqluice_column_decltype(const sqluice_stmt *, int col);   /* "DECIMAL(10, 2) NOT NULL" */
SQLUICE_API int sqluice_column_type(const sqluice_stmt *, int col);               /* of the column, whatever the value */
SQLUICE_API int sqluice_column_is_null(const sqluice_stmt *, int col);
/* 0 / 0.0 for NULL or where there is no such reading. */
SQLUICE_API int64_t sqluice_column_int64(const sqluice_stmt *, int col);          /* dates: days; times: ms; timestamps: microseconds since 1970 */
SQLUICE_API double sqluice_column_double(const sqluice_stmt *, int col);
/* As CAST(… AS STRING) writes it, 0-terminated (a text may have zero bytes inside); NULL for NULL. */
SQLUICE_API const char *sqluice_column_text(sqluice_stmt *, int col);
SQLUICE_API int sqluice_column_bytes(sqluice_stmt *, int col);                    /* of the text; of a byte column, of its blob */
SQLUICE_API const void *sqluice_column_blob(sqluice_stmt *, int col);             /* raw bytes of text and byte columns */

/* ---- after (or while) a statement ran ---- */

/* The account of the last INSERT or SELECT: lines of text, "" when there is none. */
SQLUICE_API const char *sqluice_account(sqluice_stmt *);
SQLUICE_API const char *sqluice_setting(sqluice *db, const char *key);            /* a SET value or its default; NULL: unknown key */
/* The i-th word that could stand at `cursor` (bytes into text, which may hold earlier statements and go on behind it), from 0, sorted; NULL at the end. In a
 * WITH clause or SET these are keys and values of options; else keywords, tables, columns, functions, types, as the place asks for. Each is to replace
 * text[*from, cursor). *from is set with i = 0. */
SQLUICE_API const char *sqluice_complete(sqluice *db, const char *text, int cursor, int i, int *from);
/* All words, whatever the place: keywords, functions, connectors, tables and columns that are there now. NULL at the end. */
SQLUICE_API const char *sqluice_completion(sqluice *db, int i);

#ifdef __cplusplus
}
#endif
#endif
