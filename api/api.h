/* SPDX-License-Identifier: Apache-2.0
 *
 * api.h: what the files of the public API's implementation share.
 *
 *   engine.c    open and close, errors, exec, completion      run.c       jobs: opened, turned, stopped; the account
 *   stmt.c      prepare, bind, step, finalize                 result.c    the current row and its readings
 *   plan.c      what a statement runs with; its plan        jobs.c      jobs in the background
 *   complete.c  what could stand at a place of a text       epochs.c    an INSERT's epochs, checkpoints, name and directory
 *   state.c     what is in a checkpoint; savepoints
 *   restart.c   whether a job that failed goes on by itself   faults.c    builds for tests of faults only
 *
 * An engine owns one context, one catalog, the SET values and a list of statements. A statement owns its text, its tree, its plan and, while it
 * runs, a job. Whatever a statement points to in the catalog is kept alive by a pin (planner/catalog.h).
 *
 * Threads: all of it belongs to the caller's thread, but `requests` and `hard`, which sqluice_interrupt sets from anywhere, and what jobs.c shares with the
 * threads of jobs under its lock.
 */
#ifndef SQ_API_API_H
#define SQ_API_API_H

#include "base/os.h"
#include "executor/job.h"
#include "planner/catalog.h"
#include "sqluice.h"

#include <pthread.h>

struct sq_background;
struct sq_claim;
struct sq_message;
struct sq_faults;

struct sqluice {
    struct sq_ctx ctx;
    struct sq_budget budget;
    struct sq_os os;                     /* the system's, with the clock of the configuration */
    sqluice_config config;
    struct sq_catalog *catalog;          /* NULL: opening failed */
    struct sq_settings *settings;
    sqluice_stmt *stmts;                 /* open ones, newest first */
    _Atomic int requests;                /* calls of sqluice_interrupt since the outermost call began */
    _Atomic int hard;                    /* ctx.interrupt: work stops at the next check */
    _Atomic int graceful;                /* an INSERT runs: the first request lets it finish what is final */
    int depth;                           /* calls within calls (a row callback) */
    uint32_t running;                    /* statements with a job */
    uint32_t error_base;                 /* offset of the failed statement in the text that was given */
    struct sq_buf error_text;            /* sqluice_error_render */
    struct sq_arena words;               /* sqluice_completion */
    struct sq_str *word;
    size_t nwords, words_cap;
    int64_t progress_ns;                 /* when progress was told last */
    struct sq_background *jobs;          /* in the order of their start */
    uint32_t waiting;                    /* calls that wait for jobs: none may be forgotten */
    struct sq_str job_name;              /* sqluice_job_default_name; owned */
    struct sq_claim *claims;             /* epochs.c: which INSERT has which directory */
    unsigned told_epochs;                /* notices that come once */
    struct sq_buf savepoint;             /* the file that was made last */
    bool shares_ready;                   /* lock, ended and room are there */
    pthread_mutex_t lock;                /* of the messages, and of what jobs.c says */
    pthread_cond_t ended;                /* a job was opened, has ended or left a message */
    pthread_cond_t room;                 /* messages were taken */
    struct sq_message *messages, **messages_end;
    size_t message_bytes;
    _Atomic bool told;                   /* there are messages */
    struct sq_faults *faults;            /* faults.c; NULL: none are asked for */
};

/* When a job goes on by itself after a failure of the outside: frozen SET values, and what has happened so far. */
enum sq_restart_kind { SQ_RESTART_NONE, SQ_RESTART_FIXED, SQ_RESTART_RATE, SQ_RESTART_EXPONENTIAL };
enum { SQ_RESTART_RATE_MOST = 100 };
struct sq_restart {
    enum sq_restart_kind kind;
    int64_t most;                        /* restarts; RATE: failures within the interval */
    int64_t delay_ms, most_ms;           /* pause; EXPONENTIAL: the first and the longest */
    int64_t interval_ms;                 /* RATE; EXPONENTIAL: after so long without a failure it begins anew */
    double multiplier, jitter;
    uint64_t failures;
    int64_t attempts;                    /* restarts that count */
    int64_t last_ms, pause_ms;
    int64_t failed_ms[SQ_RESTART_RATE_MOST];
};

enum sq_stmt_state { SQ_STMT_READY, SQ_STMT_RUNNING, SQ_STMT_DONE, SQ_STMT_FAILED };

struct sqluice_stmt {
    sqluice *db;
    sqluice_stmt *prev, *next;
    struct sq_arena arena;               /* text, tree, parameters */
    struct sq_arena plan_arena;          /* plan, columns; emptied when planned anew */
    struct sq_str text;                  /* this statement alone */
    uint32_t base;                       /* its offset in the text that was given */
    struct sq_ast_stmt *ast;
    int kind;                            /* SQLUICE_STMT_… */
    const struct sq_vec **params;        /* NULL where not bound */
    enum sq_stmt_state state;
    bool pinned;                         /* holds the catalog */

    bool planned;
    uint64_t catalog_version, settings_version;
    struct sq_job_plan *plan;            /* queries and INSERTs, EXPLAIN's too */
    bool changelog;
    bool endless;                        /* the plan's input has no end */
    bool sync;                           /* 'table.dml-sync', or 'available-now' */
    struct sq_restart restart;
    char job_id[12];                     /* of the job that was left running; "": none */
    int64_t rows_left;                   /* of 'sql-client.execution.max-table-result.rows'; -1: no limit */
    const struct sq_tz *tz;              /* for TIMESTAMP_LTZ as text */
    const struct sq_field *cols;
    uint32_t ncols;
    struct sq_buf *texts;                /* per column: the value as text; and behind them, the declared types */
    uint64_t *text_row;                  /* the row that texts[i] is of */
    uint32_t ntexts;

    struct sq_job *job;
    bool job_done;
    struct sq_out rows;                  /* rows that wait to be stepped over */
    bool rows_open;
    uint32_t at;                         /* of the current row in `rows`; rows.n where there is none */
    bool on_row;
    uint32_t busy;                       /* calls that it is inside of: finalized by a callback of theirs, it goes at their end */
    bool stepping, doomed;               /* inside of sqluice_step; finalized by a callback */
    uint64_t serial;                     /* counts rows */
    int64_t started_ns;
    struct sq_buf account;
};

/* ---- engine.c ---- */

/* Around every public call that may fail. enter: SQ_MISUSE for an engine that did not open. */
sq_rc sq_api_enter(sqluice *);
int sq_api_leave(sqluice *, sq_rc, uint32_t base);
int sq_api_code(sq_rc);
void sq_api_words(sqluice *);                    /* collects all words in db->word */
void sq_api_word(sqluice *, struct sq_str);      /* one more, where memory is left */
void sq_api_words_sort(sqluice *);               /* and takes doubles out */
/* Interrupt and progress, between turns. */
sq_rc sq_api_poll(sqluice *, sqluice_stmt *);

/* ---- faults.c ---- */

#ifdef SQ_FAULTS
void sq_faults_begin(sqluice *);
void sq_faults_end(sqluice *);
#endif

/* ---- plan.c ---- */

/* What a statement is bound in; the arena is the plan's. */
sq_rc sq_stmt_env(sqluice_stmt *, struct sq_bind_env *);
/* Plans a query or INSERT (or what is explained), or finds the columns of a SHOW; does nothing when that is done and nothing has changed. */
sq_rc sq_stmt_plan(sqluice_stmt *);
sq_rc sq_stmt_plan_insert(sqluice_stmt *, struct sq_bind_env *, struct sq_ast_insert *);      /* CREATE TABLE … AS */

/* ---- epochs.c ---- */

/* Epochs and checkpoints as the SET values say; SQ_SEMANTIC where they contradict each other. */
sq_rc sq_stmt_epochs(sqluice_stmt *, struct sq_bind_env *, struct sq_job_config *);
/* The job's name and directory, when its plan is made. */
sq_rc sq_stmt_epochs_dir(sqluice_stmt *, struct sq_bind_env *);
/* Before it runs: nobody else may have the directory; says once what was chosen. */
sq_rc sq_stmt_epochs_begin(sqluice_stmt *);
void sq_epochs_forget(sqluice *);                /* another job file */

/* ---- restart.c ---- */

void sq_restart_freeze(const struct sq_settings *, struct sq_restart *);
/* After a failure: whether there is to be a restart, and the pause before it. random: 0 .. 1. */
bool sq_restart_next(struct sq_restart *, int64_t now_ms, double random, int64_t *pause_ms);
/* The same for the context's error, which then is said and taken away; false: the error stands. */
bool sq_restart_after(struct sq_ctx *, struct sq_restart *, const struct sq_job_plan *, int64_t *pause_ms);

/* ---- state.c ---- */

sq_rc sq_state_show(sqluice_stmt *);             /* rows of SHOW CHECKPOINT 'path' */
/* The newest checkpoint that is done in a job's directory, or in one that has one job's. In the arena. */
sq_rc sq_state_newest(struct sq_ctx *, struct sq_arena *, const char *dir, struct sq_span at, const char **path);
/* "4.1 MB" */
void sq_state_size(int64_t bytes, char *out, size_t n);
/* Where a savepoint goes by default, and that nothing is in its place. */
sq_rc sq_savepoint_place(sqluice *, const char *path, struct sq_span, struct sq_buf *);

/* ---- jobs.c ---- */

sq_rc sq_jobs_init(sqluice *);
void sq_jobs_close(sqluice *);                   /* stops and frees all */
/* Hands the statement's plan, with all that it points to, to a job of its own and returns when that is open. */
sq_rc sq_jobs_start(sqluice_stmt *);
void sq_jobs_deliver(sqluice *);                 /* what jobs have said, to the callbacks */
sq_rc sq_jobs_show(sqluice_stmt *);              /* rows of SHOW JOBS */
sq_rc sq_jobs_stop(sqluice_stmt *);              /* STOP JOB */
/* What a job has done so far; on the thread that turns it. */
void sq_jobs_progress(const struct sq_job *, int64_t elapsed_ns, sqluice_progress *);
/* The account, with a line about epochs where there are any. */
sq_rc sq_jobs_account(const struct sq_job *, struct sq_buf *);
bool sq_jobs_uses(sqluice *, struct sq_str dir); /* a running job keeps its checkpoints there */
/* The running jobs' ids, for completion: false behind the last. */
bool sq_jobs_id_at(const sqluice *, size_t i, struct sq_str *id);

/* ---- run.c ---- */

sq_rc sq_stmt_open_job(sqluice_stmt *);
void sq_stmt_close_job(sqluice_stmt *);
sq_rc sq_stmt_run_insert(sqluice_stmt *);
/* The next row of a query: *row false at the end. */
sq_rc sq_stmt_next(sqluice_stmt *, bool *row);
sq_rc sq_stmt_open_rows(sqluice_stmt *);

#endif
