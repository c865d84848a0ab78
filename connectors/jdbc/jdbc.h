/* SPDX-License-Identifier: Apache-2.0
 *
 * jdbc.h: what the jdbc connector asks of a database: a dialect. jdbc.c has options and URL, sink.c, source.c and value.c do what is
 * the same for all, sqlite.c and mysql.c are dialects. One more database is one more file with one sq_jdbc_dialect, listed in jdbc.c.
 *
 * A connection belongs to one writer or reader, so to one thread.
 */
#ifndef SQ_CONNECTORS_JDBC_H
#define SQ_CONNECTORS_JDBC_H

#include "connectors/connector.h"

struct sq_jdbc_options {
    struct sq_str url, table_name, driver, username, password;
    struct sq_str partition_column;
    int64_t partition_num, partition_lower, partition_upper;
    int64_t flush_rows, flush_interval_ms, max_retries;
    int64_t fetch_size, scan_parallelism, sink_parallelism, retry_timeout_ms, lookup_int, lookup_ms;
    bool auto_commit, lookup_bool, accept_collation;
    int create_table, filter_policy, lookup_cache;
};
enum { SQ_JDBC_CREATE_IF_MISSING, SQ_JDBC_CREATE_NEVER };

struct sq_jdbc_dialect;

struct sq_jdbc_table {                   /* the connector's sq_table_ext */
    struct sq_jdbc_options options;
    const struct sq_jdbc_dialect *dialect;
    const char *database;                /* what messages call it: the file, or host:port/name; no secrets */
    const char *path;                    /* SQLite: the file */
    int64_t busy_timeout_ms;
    const void *place;                   /* what the dialect keeps of the url */
    const struct sq_tz *tz;              /* the zone that the url names; NULL: the session's */
    struct sq_str name;                  /* of the table in the database */
    struct sq_str declared;              /* of the table in the job file */
};

struct sq_jdbc_column {                  /* a column that the database has */
    struct sq_str name, type, collation;
    bool not_null, has_default, generated, counted;   /* counted: AUTO_INCREMENT */
};
struct sq_jdbc_key {                     /* a primary key or unique index */
    const char *name;                    /* NULL: it has none */
    const uint32_t *cols;                /* positions in the table's columns */
    uint32_t n;
    bool partial;                        /* over parts of columns or over expressions: no upsert key */
    bool nullable;                       /* takes several NULLs where the dialect says so: no upsert key either */
    const char *merges;                  /* a collation that takes different texts for equal; NULL: none does */
};
struct sq_jdbc_info {
    struct sq_str name;                  /* of the table */
    bool exists, view;
    const char *engine;                  /* what keeps it; NULL: there is but one kind */
    bool no_transactions;                /* that engine knows none: when writing fails, part of the rows stay */
    struct sq_jdbc_column *cols;
    uint32_t ncols;
    struct sq_jdbc_key *keys;
    uint32_t nkeys;
    const char *row_name;                /* an expression that names a row in errors ("rowid"); NULL: none */
    const char *order;                   /* ORDER BY list for a stable scan; NULL: none */
    /* The expressions of that list, where they tell all rows apart and their values can be compared with again: a scan can be left and gone on with.
     * norder 0: it cannot. */
    struct sq_jdbc_order { const char *by, *get; const struct sq_jdbc_column *col; } *orders;   /* to sort and compare by; to select; NULL: SQLite's rowid */
    uint32_t norder;
};

struct sq_jdbc_in_key {                  /* what the columns of a key share its length by */
    uint32_t columns, texts;             /* how many; of them texts and bytes */
};

struct sq_jdbc_conn {                    /* a dialect's connection begins with this */
    struct sq_ctx *ctx;
    const struct sq_jdbc_table *table;
};
struct sq_jdbc_stmt;

enum { SQ_JDBC_ORDER_MAX = 32 };         /* columns of a key that a scan goes by */

enum sq_jdbc_kind {
    SQ_JDBC_NULL,
    SQ_JDBC_INT, SQ_JDBC_DOUBLE,
    SQ_JDBC_TEXT, SQ_JDBC_BYTES,
    SQ_JDBC_DATE,                        /* i: days since 1970 */
    SQ_JDBC_TIME,                        /* i: microseconds of the day; outside of it where the database allows that */
    SQ_JDBC_DATETIME, SQ_JDBC_INSTANT    /* i: microseconds since 1970; of a local time, or of a point in time */
};
struct sq_jdbc_value {
    enum sq_jdbc_kind kind;
    int64_t i;
    double d;
    struct sq_str s;
};

enum sq_jdbc_trouble {
    SQ_JDBC_FAILED,                      /* it would fail again */
    SQ_JDBC_LOCKED,                      /* a lock, a deadlock: worth trying again, from begin on */
    SQ_JDBC_LOST                         /* the server is gone, or has gone and come back: the same */
};

struct sq_jdbc_dialect {
    const char *name, *scheme;           /* "SQLite", "sqlite" */
    const char *drivers;                 /* Java classes that go with it, '|' between */
    const char *package;                 /* of the client library */
    /* Takes the URL behind "jdbc:scheme:" apart into the table. Errors at `span`. */
    sq_rc (*url)(struct sq_ctx *, struct sq_arena *, struct sq_span span, struct sq_str rest, struct sq_jdbc_table *);
    sq_rc (*open)(struct sq_ctx *, const struct sq_jdbc_table *, bool write, struct sq_jdbc_conn **);
    void (*close)(struct sq_jdbc_conn *);
    sq_rc (*quote)(struct sq_buf *, struct sq_str name);
    /* The column type for CREATE TABLE. conn is NULL when the database is not open yet; the key is NULL for columns outside of it. SQ_UNSUPPORTED for types that cannot be stored (the caller names the column). */
    sq_rc (*column_type)(struct sq_ctx *, const struct sq_jdbc_conn *, struct sq_buf *, const struct sq_type *, const struct sq_jdbc_in_key *);
    const char *create_tail;             /* behind CREATE TABLE's columns; NULL: nothing */
    const char *engine;                  /* whose transactions hold rows and marker together; NULL: any does */
    const char *make_marker;             /* CREATE TABLE sqluice_epochs … */
    sq_rc (*describe)(struct sq_jdbc_conn *, struct sq_arena *, struct sq_str table, struct sq_jdbc_info *);
    bool (*same_name)(struct sq_str, struct sq_str);     /* of columns: with or without regard to case */
    /* NULL when values of the type keep their identity in an existing column, else why not. */
    const char *(*unfit)(const struct sq_type *, const struct sq_jdbc_column *, bool in_key);
    /* INSERT that replaces the row of the same key; parameters in order of cols. */
    sq_rc (*upsert)(struct sq_buf *, const struct sq_jdbc_dialect *, struct sq_str table, const struct sq_str *cols, uint32_t n, const uint32_t *key, uint32_t nkey);
    /* The statement that makes the upsert key on an existing table; `key` is the one that is there and merges keys, or NULL. May write nothing. */
    sq_rc (*add_key)(struct sq_jdbc_conn *, struct sq_buf *, const struct sq_jdbc_info *, const struct sq_sink_spec *, const struct sq_jdbc_key *key);
    bool any_key;                        /* its upsert replaces rows that are equal in any unique key, not in the upsert key alone */
    sq_rc (*begin)(struct sq_jdbc_conn *);
    sq_rc (*commit)(struct sq_jdbc_conn *);
    void (*rollback)(struct sq_jdbc_conn *);             /* no error; does nothing outside a transaction */
    sq_rc (*exec)(struct sq_jdbc_conn *, const char *sql);
    sq_rc (*literal)(struct sq_buf *, struct sq_str);    /* of a text */
    /* The same, and how many rows it changed. */
    sq_rc (*change)(struct sq_jdbc_conn *, const char *sql, uint64_t *rows);
    /* The first row of a SELECT that has few, as texts in the arena; with `lock` nobody else changes it before the transaction ends. */
    sq_rc (*first)(struct sq_jdbc_conn *, struct sq_arena *, const char *select, bool lock, struct sq_str *cols, uint32_t n, bool *found);
    /* Commits of this connection are to survive a power cut; says so where that is the server's choice, and it chose otherwise. */
    sq_rc (*durable)(struct sq_jdbc_conn *);
    sq_rc (*prepare)(struct sq_jdbc_conn *, const char *sql, struct sq_jdbc_stmt **);
    sq_rc (*bind)(struct sq_jdbc_stmt *, uint32_t param, const struct sq_vec *, uint32_t r);   /* params from 0; the vector stays until step */
    /* Databases for which statements of many rows are worth it have these two instead of upsert and bind; prepare and run are not called then.
     * put_rows writes the rows of the batch that are not deletes, remove_rows gathers the keys of those that are and deletes them at
     * the `last` batch. A value that does not fit is SQ_DATA, naming column and value. */
    sq_rc (*put_rows)(struct sq_jdbc_conn *, const struct sq_sink_spec *, bool upserts, const struct sq_batch *);
    sq_rc (*remove_rows)(struct sq_jdbc_conn *, const struct sq_sink_spec *, const struct sq_batch *, bool last);
    /* A SELECT whose rows are read over a long time: must not keep writers of the database (the job itself may be one) waiting. */
    sq_rc (*scan)(struct sq_jdbc_conn *, const char *select, struct sq_jdbc_stmt **);
    sq_rc (*run)(struct sq_jdbc_stmt *);                 /* a statement without rows; ready to be bound again */
    sq_rc (*step)(struct sq_jdbc_stmt *, bool *row);
    /* What the row has in column i; texts are good until the next step. */
    sq_rc (*value)(struct sq_jdbc_stmt *, uint32_t i, struct sq_jdbc_value *);
    /* Column i as text, for string columns and messages; may be empty. Good until the next call. */
    struct sq_str (*text)(struct sq_jdbc_stmt *, uint32_t i);
    /* A value of that column (NULL: the rowid) that a position holds, as a literal to compare with. The value is not trusted: SQ_DATA where the column
     * cannot have it. */
    sq_rc (*order_literal)(struct sq_jdbc_conn *, struct sq_buf *, const struct sq_jdbc_column *, const struct sq_jdbc_value *);
    void (*finalize)(struct sq_jdbc_stmt *);             /* NULL is fine */
    enum sq_jdbc_trouble (*trouble)(struct sq_jdbc_conn *);   /* what the last error was; FAILED where the database had none since begin */
};

static inline const struct sq_jdbc_table *sq_jdbc_table_of(const struct sq_table_ext *ext) { return (const struct sq_jdbc_table *)(const void *)ext; }

extern const struct sq_jdbc_dialect sq_jdbc_sqlite, sq_jdbc_mysql, sq_jdbc_mariadb;
extern const struct sq_source_class sq_jdbc_source;
extern const struct sq_sink_class sq_jdbc_sink;

/* `cols[which[i]]` quoted, ", " between. which NULL: all. */
sq_rc sq_jdbc_names(struct sq_buf *, const struct sq_jdbc_dialect *, const struct sq_str *cols, const uint32_t *which, uint32_t n);
/* The zone of times without one. */
const struct sq_tz *sq_jdbc_zone(const struct sq_jdbc_table *, const struct sq_session *);
/* The database's column of that name, or -1. */
int64_t sq_jdbc_find_column(const struct sq_jdbc_dialect *, const struct sq_jdbc_info *, struct sq_str name);
/* "did you mean": the nearest column of the table, as the hint of the error that is set. Returns its rc. */
sq_rc sq_jdbc_near_column(struct sq_ctx *, const struct sq_jdbc_info *, struct sq_str name);

/* Appends column i of the row to out. SQ_DATA "'abc' is not a DOUBLE" where it does not fit; the caller names column and row. */
sq_rc sq_jdbc_append(struct sq_ctx *, const struct sq_jdbc_dialect *, struct sq_jdbc_stmt *, uint32_t i, const struct sq_tz *, struct sq_col *out);
/* The table in which sinks keep how far they are, one row for each job and sink. */
#define SQ_JDBC_MARKERS "sqluice_epochs"
/* Where a scan stands: position.c. `keys` are the last row's values in the order of the scan; SQ_JDBC_INT, _DOUBLE, _TEXT and _BYTES alone. */
struct sq_jdbc_position {
    bool ended, keyed;                   /* keyed: it can go on behind the keys */
    uint64_t rows;                       /* that were read */
    uint64_t order;                      /* a hash of the ORDER BY list */
    struct sq_jdbc_value keys[SQ_JDBC_ORDER_MAX];
    uint32_t nkeys;
};
sq_rc sq_jdbc_position_write(struct sq_buf *, const struct sq_jdbc_position *);
bool sq_jdbc_position_read(struct sq_str, struct sq_jdbc_position *);    /* false: damaged. Texts stay where they are */
sq_rc sq_jdbc_position_show(struct sq_str, struct sq_buf *);
/* How many bytes of a value a message shows. */
enum { SQ_JDBC_SHOWN = 60 };
uint32_t sq_jdbc_cut(struct sq_str);

#endif
