/* SPDX-License-Identifier: Apache-2.0
 *
 * plan.h: bound expressions and the plan tree: what the planner makes and the executor reads. A plan is read-only once made and lives in
 * the arena of its job; the executor keeps its state elsewhere.
 *
 * There is one tree, first logical, then annotated (changelog modes, keys, emission) and lowered in place: every node kind here has
 * an operator of the same name.
 */
#ifndef SQ_PLANNER_PLAN_H
#define SQ_PLANNER_PLAN_H

#include "base/vec.h"
#include "connectors/connector.h"
#include "functions/function.h"

/* ---- bound expressions ---- */

enum sq_expr_kind {
    SQ_X_COL,       /* column `col` of the node's input */
    SQ_X_CONST,     /* value: a CONST vector */
    SQ_X_CALL,      /* fn->kernel over args, already cast to its parameters */
    SQ_X_CAST,      /* args[0] to type; `attempt`: TRY_CAST */
    SQ_X_AND,       /* n-ary, lazy: later arguments see only the rows that earlier ones left open */
    SQ_X_OR,
    SQ_X_CASE,      /* when, then, when, then, …, else: odd count; lazy */
    SQ_X_COALESCE,  /* lazy */
    SQ_X_IN,        /* args[0] in constants args[1..): NULL semantics of SQL */
    SQ_X_FIELD,     /* field `col` of the ROW args[0] */
    SQ_X_ITEM,      /* args[0][args[1]]: ARRAY (from 1) or MAP; out of range: NULL */
    SQ_X_WATERMARK  /* in programs only: CURRENT_WATERMARK */
};

struct sq_expr {
    enum sq_expr_kind kind;
    const struct sq_type *type;
    struct sq_span span;                  /* in the statement, for run-time errors; len 0: none */
    uint32_t col;
    bool attempt;
    const struct sq_vec *value;
    const struct sq_function *fn;
    struct sq_expr **args;
    uint32_t nargs;
};

bool sq_expr_equal(const struct sq_expr *, const struct sq_expr *);
/* As SQL over the column names of the input, for EXPLAIN. */
sq_rc sq_expr_print(struct sq_buf *, const struct sq_expr *, const struct sq_field *input, uint32_t ninput);

/* ---- time ---- */

/* What a column is to time. A plain TIMESTAMP is NONE: windows and joins in time take time attributes only. A filter, a projection of the column itself, UNION ALL of
 * equal attributes and a window table function keep it; a cast, an expression, GROUP BY and a regular join make a plain column of it. */
enum sq_time_attr {
    SQ_TIME_NONE,
    SQ_TIME_ROW,    /* event time: the column of a WATERMARK, or window_time; no row behind a watermark of w is below w, but those that are late */
    SQ_TIME_PROC    /* PROCTIME(): the clock when somebody looks; never stored */
};

enum sq_window_kind { SQ_WINDOW_TUMBLE, SQ_WINDOW_HOP, SQ_WINDOW_CUMULATE, SQ_WINDOW_SESSION };

/* The windows of a window table function, all in microseconds. A row of time t lies in those with start <= t < end; starts are at offset + k * step, in the wall
 * clock time of table.local-time-zone where the time is a TIMESTAMP_LTZ. */
struct sq_window_spec {
    enum sq_window_kind kind;
    enum sq_time_attr time;
    bool zoned;                            /* the time is a TIMESTAMP_LTZ */
    int64_t size;                          /* CUMULATE: of the longest; SESSION: the gap */
    int64_t step;                          /* HOP: slide; CUMULATE: step; TUMBLE: size; SESSION: 0 */
    int64_t offset;
};

/* A node whose rows belong each to one window, which two of its columns say: where it comes from a window table function, a window aggregate, join or Top-N, and
 * window_start and window_end are still there. All rows of a window have come when the watermark is at its end. */
struct sq_plan_window { const struct sq_window_spec *spec; uint32_t start, end, time; };   /* columns of the node; time (window_time) UINT32_MAX: projected away */

/* ---- the plan ---- */

enum sq_plan_kind {
    SQ_N_SCAN,       /* reads a table: `scan` */
    SQ_N_VALUES,     /* constant rows: `values` */
    SQ_N_WATERMARK,  /* assigns watermarks: `watermark` */
    SQ_N_FILTER,     /* `pred` */
    SQ_N_PROJECT,    /* `exprs`: one per output column */
    SQ_N_AGGREGATE,  /* GROUP BY, DISTINCT: `agg` */
    SQ_N_JOIN,       /* `join` */
    SQ_N_UNION,      /* UNION ALL of inputs */
    SQ_N_SORT,       /* ORDER BY, LIMIT, OFFSET over the final rows of a bounded input: `sort` */
    SQ_N_LIMIT,      /* LIMIT without ORDER BY over an insert-only input: `sort`'s limit and offset */
    SQ_N_EXCHANGE,   /* rows go to another worker: `exchange`; only in jobs of several workers */
    SQ_N_SINK,       /* writes a table: `sink` */
    SQ_N_COLLECT,    /* hands rows to the API: `collect` */
    SQ_N_NORMALIZE,  /* keeps the last row of each key, so that upserts become changes with what a row was before: `normalize` */
    SQ_N_WINDOW,     /* a window table function: window_start, window_end, window_time behind the input's columns: `window` */
    SQ_N_WINDOW_AGGREGATE, /* GROUP BY windows: `agg` */
    SQ_N_EXPAND,     /* each row once per grouping set: `expand` */
    SQ_N_UNNEST,     /* each row once per element of an ARRAY, MAP or MULTISET: `unnest` */
    SQ_N_REPLICATE,  /* each row as often as the input's last column says, which the output has not */
    SQ_N_RANK,       /* the first rows of each partition by ROW_NUMBER: `rank` */
    SQ_N_OVER,       /* aggregates over the rows before each row: `over` */
    SQ_N_SIDE        /* the rows that other nodes leave out as bad or late: `side` */
};

/* How rows of two sides meet. */
enum sq_join_how {
    SQ_JOIN_REGULAR,     /* each row with every row there is, now or later */
    SQ_JOIN_OF_WINDOWS,  /* rows of the same window, when it is over */
    SQ_JOIN_INTERVAL,    /* rows whose times are not further apart than `low` and `high` say */
    SQ_JOIN_TEMPORAL     /* each left row with the version of its key on the right that was valid at its time */
};

struct sq_agg_item {                       /* one aggregate call */
    const struct sq_agg *agg;
    int32_t arg;                           /* input column; -1: COUNT(*) */
    int32_t filter;                        /* input column of type BOOLEAN; -1: none */
    bool distinct;
    const struct sq_type *ret;
    const struct sq_expr *opt;             /* the constant second argument; NULL: none */
};

/* A node that leaves rows out, one for each input of a SIDE. Late rows: those of its input `input`, where the table's columns are cols[..]. */
struct sq_side_from { uint32_t input; const uint32_t *cols; };

struct sq_join_key { uint32_t left, right; };   /* equal columns; both of one type (the planner casts below); null_safe: IS NOT DISTINCT FROM */

struct sq_sort_key { uint32_t col; bool desc, nulls_first; };

/* A set of output columns that identifies a row. */
struct sq_key { const uint32_t *cols; uint32_t n; };

struct sq_plan {
    enum sq_plan_kind kind;
    uint32_t id;                           /* unique in the job, in the order EXPLAIN prints */
    uint64_t uid;                          /* hash of structure: the operator's name in checkpoints */
    struct sq_str text;                    /* what EXPLAIN prints of it */
    struct sq_plan **inputs;
    uint32_t ninputs;
    const struct sq_field *cols;           /* output columns */
    uint32_t ncols;
    const uint8_t *time;                   /* enum sq_time_attr per output column; NULL: all NONE */
    const struct sq_plan_window *window;   /* NULL: its rows are not of windows */

    /* annotations (planner/changelog.c) */
    unsigned mode;                         /* what it puts out: SQ_MODE_INSERT, SQ_MODE_UPSERT (by upsert_key) or SQ_MODE_RETRACT */
    const struct sq_key *keys;             /* unique keys of its current rows; none: nkeys 0 */
    uint32_t nkeys;
    struct sq_key upsert_key;              /* where mode is UPSERT: the key whose last row counts */
    bool net;                              /* emit=net: one change per key and batch will do */
    bool final;                            /* batch: only final rows, at the end of input */
    bool bounded;
    bool single;                           /* runs on worker 0 alone (planner/exchange.c); of an EXCHANGE: all rows go there */
    uint64_t ttl_hint[2];                  /* STATE_TTL for what is kept of input 0, 1: milliseconds + 1; 0: there is no hint */

    union {
        struct {                           /* SQ_N_SCAN */
            const struct sq_connector *connector;
            const struct sq_table_spec *table;
            const struct sq_table_ext *ext;
            struct sq_source_info info;
            const uint32_t *cols;          /* wanted columns of table, ascending; output column i is cols[i] */
            struct sq_str path;            /* catalog.database.table, for EXPLAIN and messages */
            const struct sq_plan *const *after;   /* scans that have to have ended before this one begins ('scan.after') */
            uint32_t nafter;
            bool waited_for;               /* by others */
            bool timed;                    /* rows are judged by the watermark of those before them: what has an order is not cut */
            bool continues;                /* while it waits, its watermark holds nothing back: its rows follow theirs in a UNION ALL */
            int64_t idle_ms;               /* a split that gives nothing for so long no longer holds the watermark back; 0: always */
        } scan;
        struct {                           /* SQ_N_VALUES */
            const struct sq_batch *rows;   /* one or more batches of at most SQ_BATCH_ROWS */
            uint32_t nbatches;
        } values;
        struct {                           /* SQ_N_WATERMARK */
            uint32_t col;                  /* the event time column of the output */
            struct sq_expr *expr;          /* over the output columns */
            bool skip_null;                /* rows whose time is NULL are left out and counted as bad; else they fail the job */
            bool every;                    /* each row carries its watermark: something above asks for it (CURRENT_WATERMARK), or takes back other rows because of it */
            bool whole;                    /* every column of the table is kept: late rows are wanted as they came */
        } watermark;
        struct { struct sq_expr *pred; } filter;
        struct { struct sq_expr **exprs; } project;
        struct {                           /* SQ_N_AGGREGATE, SQ_N_WINDOW_AGGREGATE: output = group columns, then aggregates */
            const uint32_t *group;         /* input columns; of windows: those beside the window */
            uint32_t ngroup;
            const struct sq_agg_item *items;
            uint32_t nitems;
            bool global;                   /* no GROUP BY: one row even for no input */
            const struct sq_window_spec *window;   /* of windows; the output ends with window_start, window_end, window_time */
            bool attached;                 /* a row's window stands in the input columns start and end; else it follows from column time */
            uint32_t time, start, end;
        } agg;
        struct {                           /* SQ_N_WINDOW: output = input, then window_start, window_end, window_time */
            const struct sq_window_spec *spec;
            uint32_t time;                 /* input column */
            const uint32_t *partition;     /* SESSION: input columns */
            uint32_t npartition;
            bool by_group;                 /* of GROUP BY: SESSION's are of the keys beside it */
        } window;
        struct {                           /* SQ_N_RANK: output = input, then the number where `number` */
            const uint32_t *partition;     /* input columns; of windows: those beside the window */
            uint32_t npartition;
            const struct sq_sort_key *keys;
            uint32_t nkeys;
            int64_t from, to;              /* numbers from 1 */
            bool number;
            bool windowed;                 /* partitions are of one window, which is put out when it is over */
            bool last_of_equals;           /* of rows with equal keys the last one that came is first */
        } rank;
        struct {                           /* SQ_N_OVER: output = input, then the aggregates */
            const uint32_t *partition;     /* input columns */
            uint32_t npartition;
            const struct sq_sort_key *keys;
            uint32_t nkeys;
            bool rows;                     /* ROWS: `preceding` counts rows; else RANGE: microseconds of the time column, rows of one time together */
            int64_t preceding;             /* INT64_MAX: unbounded */
            const struct sq_agg_item *items;
            uint32_t nitems;
        } over;
        struct {                           /* SQ_N_JOIN: output = left columns, then right columns (SEMI, ANTI: left only) */
            enum sq_join_kind kind;
            enum sq_join_how how;
            uint32_t left_time, right_time;       /* INTERVAL, TEMPORAL, or in_key: columns of the sides */
            bool in_key;                          /* REGULAR yet: a key says left time - right time = low (interval.c) */
            int64_t low, high;             /* INTERVAL: low <= left time - right time <= high, in microseconds */
            struct sq_expr *bounds;        /* INTERVAL: the conditions that say so: parts of the residual, should it become a REGULAR one after all */
            bool settled;                  /* a REGULAR join that has to stay one: a side is updated */
            const struct sq_join_key *keys;
            uint32_t nkeys;
            const bool *null_safe;         /* per key; NULL: none */
            struct sq_expr *residual;      /* over left, then right columns; NULL: none */
        } join;
        struct {                           /* SQ_N_SORT, SQ_N_LIMIT */
            const struct sq_sort_key *keys;
            uint32_t nkeys;
            int64_t limit, offset;         /* limit -1: none */
        } sort;
        struct {                           /* SQ_N_EXCHANGE: by hash of these columns; none of them where `single` */
            const uint32_t *cols;
            uint32_t ncols;
        } exchange;
        struct {                           /* SQ_N_SINK: input column i goes to table column i */
            const struct sq_connector *connector;
            const struct sq_table_spec *table;
            const struct sq_table_ext *ext;
            unsigned mode;
            struct sq_key key;
            bool key_derived, overwrite;
            const struct sq_vec *const *fixed;   /* per column: the constant of PARTITION (k = 'v'), NULL: none; NULL: no PARTITION */
            struct sq_str path;
        } sink;
        struct {                           /* SQ_N_EXPAND: output = input columns, then the number of the set (BIGINT) */
            uint32_t ngroup;               /* the columns that sets are of come first */
            const uint64_t *sets;          /* bit i: column i is in the set; else it is NULL there */
            uint32_t nsets;
        } expand;
        struct {                           /* SQ_N_UNNEST: output = columns pass[..] of the input, then the element's, then the ordinal number */
            uint32_t col;                  /* the collection */
            const uint32_t *pass;
            uint32_t npass;
            bool left;                     /* a row without elements comes once, with NULLs */
            bool ordinality;               /* INT, from 1 */
        } unnest;
        struct { bool changelog; } collect;
        struct { struct sq_key key; } normalize;   /* SQ_N_NORMALIZE: input columns */
        struct {                           /* SQ_N_SIDE: t$bad, or t$late: output = the table's columns, then the watermark. No rows come from its inputs but those */
            bool late;
            struct sq_str path, name;      /* of the table */
            const struct sq_side_from *from;   /* per input */
            struct sq_plan *scan;          /* bad: of the table, in case that nothing else reads it */
            bool reads;                    /* that scan is the input */
        } side;
    } u;
    struct sq_span span;                   /* where the text says so; for errors at run time */
};

enum { SQ_WORKERS_MOST = 128 };            /* one key group each */

/* Epochs and checkpoints: frozen SET values (docs/checkpoints.md). */
enum sq_trigger { SQ_TRIGGER_CONTINUOUS, SQ_TRIGGER_INTERVAL, SQ_TRIGGER_AVAILABLE_NOW };
struct sq_epoch_config {
    enum sq_trigger trigger;               /* execution.trigger */
    int64_t trigger_ms;                    /* INTERVAL */
    int64_t interval_ms;                   /* execution.checkpointing.interval; 0: no checkpoints by time */
    struct sq_str dir;                     /* of this job: <execution.checkpointing.dir>/<job>; empty: nothing is made durable */
    int64_t min_pause_ms, timeout_ms;
    uint32_t retained;                     /* checkpoints that are kept, at least 1 */
    bool at_least_once;                    /* execution.checkpointing.mode */
    struct sq_str from;                    /* execution.savepoint.path: a checkpoint file, or a job's directory; empty: the newest in dir */
    bool allow_dropped_state;              /* execution.savepoint.ignore-unclaimed-state, --allow-dropped-state */
    bool ignore_sink_epochs;               /* go on though a sink's epoch is not the checkpoint's */
    uint64_t max_rows;                     /* execution.trigger.max-rows: of each source and epoch; 0: no limit */
};

/* The table whose rows come here one by one, as they are read: the SCAN below a WATERMARK, projections and filters; NULL: there is none. */
static inline struct sq_plan *sq_plan_scan(const struct sq_plan *p)
{
    while (p->kind == SQ_N_PROJECT || p->kind == SQ_N_FILTER || p->kind == SQ_N_WATERMARK)
        p = p->inputs[0];
    return p->kind == SQ_N_SCAN ? (struct sq_plan *)(uintptr_t)p : NULL;
}

/* What a job runs with: frozen SET values. */
struct sq_job_config {
    struct sq_session session;
    struct sq_str name;                    /* pipeline.name */
    bool batch;                            /* execution.runtime-mode */
    uint32_t parallelism;                  /* workers: 1 .. SQ_WORKERS_MOST */
    uint32_t queue;                        /* batches that wait between two workers; 0: as many as are good */
    uint32_t batch_rows;                   /* 1..SQ_BATCH_ROWS */
    int mini_batch;                        /* table.exec.mini-batch.enabled: -1 not given, 0, 1 */
    int64_t state_ttl_ms;
    struct sq_epoch_config epochs;         /* of INSERTs in streaming mode; else all zero */
    bool drop_nulls;                       /* table.exec.sink.not-null-enforcer = DROP: rows with NULL for a NOT NULL column are left out and counted */
};

/* For how long after the last write the node keeps what came on that input; 0: for good. */
static inline int64_t sq_state_ttl_ms(const struct sq_plan *p, const struct sq_job_config *c, uint32_t input)
{
    bool regular = p->kind == SQ_N_JOIN ? p->u.join.how == SQ_JOIN_REGULAR : p->kind == SQ_N_RANK ? !p->u.rank.windowed : p->kind == SQ_N_AGGREGATE || p->kind == SQ_N_NORMALIZE;
    if (p->final || !regular)
        return 0;
    return p->ttl_hint[input] ? (int64_t)(p->ttl_hint[input] - 1) : c->state_ttl_ms;
}

struct sq_job_plan {
    struct sq_plan **roots;                /* SINK or COLLECT nodes */
    uint32_t nroots;
    uint32_t nnodes;                       /* ids are 0..nnodes-1 */
    struct sq_job_config config;
    bool bounded;
};

#endif
