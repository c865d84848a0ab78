/* SPDX-License-Identifier: Apache-2.0
 *
 * connector.h: what planner and executor see of the outside: connectors (sources and sinks) and formats. Each is one descriptor in one
 * file; connectors/registry.c lists them.
 *
 * Threads: a table object (sq_table_ext) is made by the planner and read-only afterwards; a reader or writer belongs to one worker.
 */
#ifndef SQ_CONNECTORS_CONNECTOR_H
#define SQ_CONNECTORS_CONNECTOR_H

#include "base/vec.h"
#include "connectors/option.h"
#include "base/text.h"

/* ---- tables as a connector sees them ---- */

enum sq_column_role { SQ_COL_PHYSICAL, SQ_COL_METADATA };

struct sq_table_column {
    struct sq_str name;
    const struct sq_type *type;
    enum sq_column_role role;
    struct sq_str metadata_key;          /* METADATA only */
    /* Its position among the record's fields and how many there are; set by whoever opens a decoder. Formats that find fields by name ignore it. */
    uint32_t ordinal, nfields;
};

struct sq_table_spec {
    struct sq_str name;                  /* for messages: "orders" */
    struct sq_span span;                 /* of the CREATE TABLE's name, for errors */
    const struct sq_table_column *cols;  /* what is stored outside: physical and metadata columns, in declared order */
    uint32_t ncols;
    const uint32_t *pk;                  /* positions in cols */
    uint32_t npk;
    const uint32_t *partition;           /* PARTITIONED BY, positions in cols */
    uint32_t npartition;
    const struct sq_kv *options;         /* the WITH clause, as written */
    uint32_t noptions;
};

/* ---- changelog modes ---- */

enum { SQ_MODE_INSERT = 1, SQ_MODE_UPSERT = 2, SQ_MODE_RETRACT = 4 };   /* bits; UPSERT: +I +U -D by key; RETRACT: all four kinds */

/* ---- formats ---- */

struct sq_decoder;
struct sq_encoder;

struct sq_slice { const char *p; size_t n; };

/* A record that could not be decoded. Called in order of the records; texts are good during the call only. */
typedef void sq_bad_record_fn(void *arg, uint32_t record, struct sq_str column, const char *reason);

struct sq_decode {
    const struct sq_slice *rec;          /* whole records (lines, messages) */
    uint32_t nrec;
    bool padded;                         /* 64 readable bytes follow every record's end */
    bool file_start;                     /* rec[0] is the first record of a file */
    uint32_t max_rows;                   /* stop before the row after this many (out->n counts from what it held) */
    struct sq_out *out;                  /* one column per wanted column; rows and their kinds are appended */
    uint32_t *row_record;                /* NULL, or max_rows + 1 wide: which record each appended row came from (metadata columns) */
    sq_bad_record_fn *bad; void *bad_arg;
    /* set by the decoder */
    uint32_t consumed;                   /* records done with; the one after gave only part of its rows (a JSON array): give it again */
    uint64_t nbad_values;                /* values of good records that did not fit and became NULL: with ignore-parse-errors, and a DECIMAL of too many digits */
    uint64_t nbad, nfiltered;            /* records skipped as bad; records without rows that are not bad (empty lines, tombstones) */
    uint32_t failed;                     /* on SQ_DATA: the record that failed; the error's message begins with the column ("column 'a': …") */
};

/* Cutting a file into records where a newline may be a part of one (a quoted field). */
struct sq_frame {
    const char *p; size_t n;             /* the bytes that are there; 64 more can be read */
    size_t begin, at;                    /* where the record under way begins; how far it was looked through */
    size_t limit;                        /* no record begins at or behind it */
    unsigned state;                      /* the function's own; 0 where a record begins */
    struct sq_slice *rec;                /* out: whole records, without the newline that ends them (or \r\n) */
    uint32_t nrec, max;
    bool multi;                          /* set: a newline may be a part of some record */
};
/* Cuts records until rec is full or the limit is reached: true. False: it needs more bytes. */
typedef bool sq_frame_fn(const void *options, struct sq_frame *);

struct sq_format {
    const char *name, *help;
    const struct sq_option *options; uint32_t noptions;
    size_t options_size;
    unsigned decodes, encodes;           /* SQ_MODE_ bits: what it can carry; 0: cannot */
    bool lines;                          /* as a file: one record a line */
    bool nulls;                          /* takes records that are NULL (slice.p NULL), as a message's value can be; others never get them */
    /* As a file, where a line is not always a record: what cuts it; NULL from it: lines are records with these options. May be NULL. Where a file
     * has to be cut so it can only be read from its beginning: it is one split. */
    sq_frame_fn *(*framer)(const void *options);
    /* Cross-checks of the options and the columns' types; may be NULL. */
    sq_rc (*check)(struct sq_ctx *, const void *options, const struct sq_table_spec *, bool encode);
    /* wanted[0..n): the fields to decode, by name, in the order of out's columns. Options are the parsed struct. */
    sq_rc (*decoder_open)(struct sq_ctx *, const void *options, const struct sq_session *, const struct sq_table_column *wanted, uint32_t n, struct sq_decoder **);
    sq_rc (*decode)(struct sq_decoder *, struct sq_decode *);
    void (*decoder_close)(struct sq_decoder *);
    sq_rc (*encoder_open)(struct sq_ctx *, const void *options, const struct sq_session *, const struct sq_table_column *cols, uint32_t n, struct sq_encoder **);
    /* Appends the records of the batch to out, each ended by '\n' when `newline`; `ends`, where not NULL, gets the offset behind each record. */
    sq_rc (*encode)(struct sq_encoder *, const struct sq_batch *, bool newline, struct sq_buf *out, uint32_t *ends, uint32_t *nrecords);
    void (*encoder_close)(struct sq_encoder *);
};
const struct sq_format *sq_format_find(struct sq_str name);
const struct sq_format *sq_format_at(size_t i);

/* ---- sources ---- */

/* A table of a connector: the parsed options, whatever it keeps for planning. Made by connector->table in the arena. */
struct sq_table_ext;

struct sq_source_info {
    bool bounded;
    unsigned mode;                       /* SQ_MODE_INSERT, _UPSERT or _RETRACT: what its rows are */
    int64_t rows;                        /* estimate; -1: unknown */
    bool ordered;                        /* its splits continue each other (a changelog in files): one reader reads all of them, in order */
    bool one_by_one;                     /* a reader reads its splits one after the other: it is given the next when it is done with one */
    bool offsets;                        /* bad records are told by offset, of a split "<topic>-<partition>"; else by line, of a file */
};

struct sq_split {                        /* a part of a source that one reader reads in order */
    struct sq_str id;                    /* stable name: "readings.ndjson:0-1048576", "topic-3" */
    struct sq_str payload;               /* what the reader needs to open it; opaque */
};

struct sq_scan_spec {                    /* what one scan of a table wants */
    const struct sq_table_spec *table;
    const struct sq_table_ext *ext;
    const struct sq_session *session;
    const uint32_t *cols;                /* wanted columns, positions in table->cols, ascending */
    uint32_t ncols;
    uint32_t batch_rows;                 /* at most SQ_BATCH_ROWS; tests set 1 and 7 */
    /* 'execution.trigger' = 'available-now': a split ends (SQ_POLL_SPLIT_END) where its data ended when it was added, also one that has no end by itself.
     * Its position then is where the next run goes on: `splits` gives the same split (by id) again, with what has come since. */
    bool available_now;
    /* Bad records that are skipped are given here too (NULL: only counted): source text is cut by the receiver. `position` is what a
     * person would look for: the line of a file, the offset in a topic. */
    void (*bad)(void *arg, struct sq_str split, int64_t position, struct sq_str column, const char *reason, struct sq_str raw);
    void *bad_arg;
};

enum sq_poll_state {
    SQ_POLL_ROWS,       /* batch holds rows of `split` */
    SQ_POLL_IDLE,       /* nothing now; ask again in wait_us */
    SQ_POLL_SPLIT_END,  /* `split` has ended (batch may hold its last rows, or be NULL) */
    SQ_POLL_END         /* every split has ended (no batch) */
};

struct sq_poll {
    enum sq_poll_state state;
    const struct sq_batch *batch;        /* borrowed until the next poll; columns as wanted */
    uint32_t split;                      /* number given by add_split */
    int64_t wait_us;
};

struct sq_source_stats {
    uint64_t records, rows, bad, filtered, bytes;
    uint64_t bad_values;                 /* values that did not fit and became NULL, in rows that were kept */
    int64_t total_bytes;                 /* for the progress line; -1: unknown */
    uint64_t lag;                        /* records of a stream that are there and were not read yet, as far as is known */
};

struct sq_reader;
struct sq_source_class {
    /* Boundedness and mode follow from the options alone; no I/O. */
    sq_rc (*info)(struct sq_ctx *, const struct sq_table_spec *, const struct sq_table_ext *, struct sq_source_info *);
    /* Lists the splits that are there now; `want` hints how many a good spread needs; 1: nothing is cut that has an order. Strings in the arena. A path or table that is not there is
     * an error here. */
    sq_rc (*splits)(struct sq_ctx *, struct sq_arena *, const struct sq_scan_spec *, uint32_t want, struct sq_split **, uint32_t *n);
    sq_rc (*open)(struct sq_ctx *, const struct sq_scan_spec *, struct sq_reader **);
    /* position: as written by `position` (p NULL: from the beginning). Splits are numbered 0, 1, … in the order they are added. */
    sq_rc (*add_split)(struct sq_reader *, const struct sq_split *, struct sq_str position);
    sq_rc (*poll)(struct sq_reader *, struct sq_poll *);
    /* Appends the position behind the last polled batch of the split. */
    sq_rc (*position)(struct sq_reader *, uint32_t split, struct sq_buf *);
    void (*stats)(struct sq_reader *, struct sq_source_stats *);
    void (*close)(struct sq_reader *);
    /* May be NULL. A position for people: "offset 4711", "byte 1048576 of 2000000". The bytes are not trusted. */
    sq_rc (*show_position)(struct sq_str position, struct sq_buf *);
    /* May be NULL. The epoch whose positions these are is committed: a broker may be told (FLINK: offsets of the group). Called on the reader's thread,
     * once per split of this reader; never an error. */
    void (*committed)(struct sq_reader *, uint32_t split, struct sq_str position);
    /* NULL: splits do not come up while the job runs. Lists the splits of now when it is time to look again (else *n = 0); those whose id
     * is not known yet are new. Called between polls on one reader of a scan, whose splits other readers may get. */
    sq_rc (*discover)(struct sq_reader *, struct sq_arena *, struct sq_split **, uint32_t *n);
};

/* ---- sinks ----
 *
 * A writer works in one of two ways.
 *
 * Without epochs (spec->epoch.on false): rows go out as they come: write*, flush when the input is idle, finish at its end. At least once.
 *
 * With epochs (checkpoints, micro-batches): rows of an epoch become visible together, at its commit.
 *
 *     open, marker, [recover, [commit]]                  begin, or begin again
 *     write* ... prepare(n) ... commit(n), write* ...    epoch after epoch
 *     write* ... last, prepare(n) ... commit(n), close   the end: there is no finish
 *
 * prepare and commit are called on the thread that writes checkpoints, all else on the worker's; never two calls at one time. Between prepare(n) and the
 * return of commit(n) nothing is written: the runtime holds the rows behind the barrier. A writer uses the context it was opened with, which is its own.
 *
 * What a sink can promise with epochs (sq_sink_class.promise):
 *   SQ_SINK_AT_LEAST_ONCE  rows are out after prepare (which flushes) returns; after a crash those since the last epoch come again
 *   SQ_SINK_MARKED         it cannot prepare; commit writes the epoch's rows and its number (the marker) in one transaction of its own
 *   SQ_SINK_PREPARES       prepare makes the rows durable but not visible; commit makes them visible and may be repeated
 * The protocol that joins them is in executor/runtime/checkpoint.c.
 */

enum sq_sink_promise { SQ_SINK_AT_LEAST_ONCE, SQ_SINK_MARKED, SQ_SINK_PREPARES };

struct sq_sink_epochs {
    bool on;
    struct sq_str job;                   /* UUID of the job, 36 characters: whose marker it is; empty: epochs are not durable, no marker is kept */
    struct sq_str sink;                  /* which of the job's sinks: the table's path, with "#2" behind it where it has more than one */
    struct sq_str owner;                 /* random, 16 hex digits: this run. Who opens a MARKED sink takes its marker over, so an older run's next commit fails */
    struct sq_str old_job;               /* a UUID whose marker may be removed (an earlier, finished run in the same directory); empty: none */
    bool copies;                         /* prepare will be asked for `pending`: a MARKED sink has to keep the rows of its epoch */
    int64_t interval_ms, timeout_ms;     /* between epochs, 0: unknown; what one may take (Kafka: transaction.timeout.ms must be more than both) */
};

struct sq_sink_spec {
    const struct sq_table_spec *table;
    const struct sq_table_ext *ext;
    const struct sq_session *session;
    unsigned mode;                       /* what the query will send: one SQ_MODE_ bit */
    const uint32_t *key;                 /* upsert key: positions in table->cols; from the table's PRIMARY KEY or derived */
    uint32_t nkey;
    bool key_derived;
    bool overwrite;
    const struct sq_vec *const *fixed;   /* per column of the table: the constant that every row has (INSERT … PARTITION), NULL: none; NULL: there are none */
    bool bounded;                        /* the input ends by itself (without epochs a sink may make all of it visible at once) */
    struct sq_sink_epochs epoch;
};

struct sq_writer;
struct sq_sink_class {
    unsigned accepts;                    /* SQ_MODE_ bits in general; `accept` may narrow */
    /* What this table takes, given its options and key (a debezium-json file takes RETRACT; json files INSERT; print all; jdbc with key
     * UPSERT, without INSERT). */
    sq_rc (*accept)(struct sq_ctx *, const struct sq_table_spec *, const struct sq_table_ext *, unsigned *modes);
    /* True when it shows every change (print, debezium-json): emit each. False: it keeps the last row per key: emit net. */
    bool (*shows_changes)(const struct sq_table_spec *, const struct sq_table_ext *);
    bool any_worker;                     /* every worker may write, each with a writer of its own (blackhole); else only one does */
    bool derives_key;                    /* without a PRIMARY KEY it takes the query's key (jdbc) */
    sq_rc (*open)(struct sq_ctx *, const struct sq_sink_spec *, struct sq_writer **);   /* checks the outside, creates tables; nothing half-made on error */
    sq_rc (*write)(struct sq_writer *, const struct sq_batch *);
    sq_rc (*flush)(struct sq_writer *);                       /* called between batches when input is idle: hand on what is buffered; not with epochs */
    sq_rc (*finish)(struct sq_writer *);                      /* end of input: make everything visible and durable; not with epochs */
    void (*close)(struct sq_writer *);                        /* after any failure too: undo what is not committed */

    /* ---- epochs ---- */
    enum sq_sink_promise (*promise)(const struct sq_table_spec *, const struct sq_table_ext *);   /* NULL: AT_LEAST_ONCE */
    /* MARKED: the epoch of the last commit of epoch.job to this sink, after this run has become the owner; 0: none. */
    sq_rc (*marker)(struct sq_writer *, uint64_t *epoch);
    /* MARKED: makes `epoch` the marker without rows: the user has said that it is right (an override after a mismatch). */
    sq_rc (*set_marker)(struct sq_writer *, uint64_t epoch);
    /* Ends epoch n. `pending`, where not NULL, gets what another process needs to commit n: the rows (MARKED), the names of what was made
     * durable (PREPARES), nothing (AT_LEAST_ONCE). NULL for a MARKED sink that decides alone whether n happened: its rows need no copy. */
    sq_rc (*prepare)(struct sq_writer *, uint64_t epoch, struct sq_buf *pending);
    /* After a restart from epoch n: what prepare(n) appended, to be committed next (when that is not known to have happened) or to go on from
     * (what a file has of rows that are not committed). Bytes are not trusted. What an interrupted epoch n+1 left outside is undone here or at open. */
    sq_rc (*recover)(struct sq_writer *, uint64_t epoch, struct sq_str pending);
    /* MARKED: rows and marker n in one transaction; only if the marker is n - 1 and its owner this run, else SQ_EXTERNAL (another run owns it, or which
     * epochs there are). If the answer to a commit was lost, looks at the marker before it tries again. Retries what is worth it, for as long as the
     * table's options say, and looks at the context's interrupt. PREPARES: makes it visible; what is visible already is fine. */
    sq_rc (*commit)(struct sq_writer *, uint64_t epoch);
    /* May be NULL. The next prepare is the last of this run: what stays open over epochs is closed with it. `input_ended`: of the job; else it is
     * stopped, and may go on later. */
    void (*last)(struct sq_writer *, bool input_ended);
    /* May be NULL; without epochs too. The watermark of the rows that were written, INT64_MAX when the input has ended; before prepare or finish. */
    void (*watermark)(struct sq_writer *, int64_t ts_us);
    /* May be NULL. After a commit or recover: something of it waits for the clock (rows that are committed and not visible yet): epochs go on though
     * nothing comes in. */
    bool (*holds)(struct sq_writer *);
    /* Bytes of rows that wait for the commit; the runtime asks for an early epoch when they are many. NULL: 0. */
    size_t (*pending_bytes)(struct sq_writer *);
};

/* ---- connectors ---- */

struct sq_metadata_key { const char *key; const struct sq_type *type; bool writable; const char *help; };

/* KEYED: 'format' or 'value.format', and 'key.format' where given. */
enum { SQ_FORMAT_NONE, SQ_FORMAT_NEEDED, SQ_FORMAT_KEYED };

struct sq_connector {
    const char *name, *help;
    const char *package;                 /* NULL: always there; else the Debian package whose library is opened on first use */
    const struct sq_option *options; uint32_t noptions;
    unsigned takes_format;               /* SQ_FORMAT_ */
    const struct sq_metadata_key *metadata; uint32_t nmetadata;
    const struct sq_source_class *source;   /* NULL: not a source */
    const struct sq_sink_class *sink;       /* NULL: not a sink */
    /* Parses and checks the options (format's included); makes *ext in the arena. No I/O. Errors have their place in the WITH clause. */
    sq_rc (*table)(struct sq_ctx *, struct sq_arena *, const struct sq_table_spec *, struct sq_table_ext **ext);
};

/* By the WITH clause: 'connector' (or legacy 'connector.type'). Unknown: the nearest; missing: says what to write. */
sq_rc sq_connector_find(struct sq_ctx *, const struct sq_table_spec *, const struct sq_connector **);
const struct sq_connector *sq_connector_at(size_t i);
/* The format that a table names with 'format' (or legacy 'format.type'), and its parsed options. */
struct sq_table_format { const struct sq_format *format; void *options; };
/* Finds a format by name; SQ_SEMANTIC with the nearest, or SQ_UNSUPPORTED for those of Flink that are not here yet. */
sq_rc sq_format_resolve(struct sq_ctx *, const struct sq_kv *, const struct sq_format **);
/* Parses the WITH clause: the connector's rows into `into`, and, where it takes a format, the format's rows into a struct made in the arena
 * (*fmt; KEYED: fmt[0] the value's, fmt[1] the key's or NULL). What every connector's table() begins with. */
sq_rc sq_table_options(struct sq_ctx *, struct sq_arena *, const struct sq_connector *, const struct sq_table_spec *, void *into,
                       struct sq_table_format *fmt);
/* What a table says of its event time: options that every connector takes ('scan.watermark.…'). */
struct sq_scan_options {
    int64_t idle_ms;                     /* INT64_MIN: not given */
    int null_time;                       /* SQ_NULL_TIME_ */
    int strategy;                        /* no difference here */
    struct sq_str after;                 /* tables, separated by ;, that are read to their end before; p NULL: not given */
};
enum { SQ_NULL_TIME_FAIL, SQ_NULL_TIME_SKIP };
const struct sq_option *sq_scan_option_rows(uint32_t *n);
sq_rc sq_scan_options_of(struct sq_ctx *, struct sq_arena *, const struct sq_table_spec *, struct sq_scan_options *);
/* The option row for a key of a connector or any format, for redaction and help; NULL: unknown. */
const struct sq_option *sq_option_lookup(struct sq_str connector, struct sq_str key);

#endif
