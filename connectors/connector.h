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
    uint32_t max_rows;                   /* stop before the row after this many (out->n counts from what it held) */
    struct sq_out *out;                  /* one column per wanted column; rows and their kinds are appended */
    uint32_t *row_record;                /* NULL, or max_rows + 1 wide: which record each appended row came from (metadata columns) */
    sq_bad_record_fn *bad; void *bad_arg;
    /* set by the decoder */
    uint32_t consumed;                   /* records done with; the one after gave only part of its rows (a JSON array): give it again */
    uint64_t nbad_values;                /* values of good records that did not fit and became NULL (ignore-parse-errors) */
    uint64_t nbad, nfiltered;            /* records skipped as bad; records without rows that are not bad (empty lines, tombstones) */
    uint32_t failed;                     /* on SQ_DATA: the record that failed; the error's message begins with the column ("column 'a': …") */
};

struct sq_format {
    const char *name, *help;
    const struct sq_option *options; uint32_t noptions;
    size_t options_size;
    unsigned decodes, encodes;           /* SQ_MODE_ bits: what it can carry; 0: cannot */
    bool lines;                          /* as a file: one record a line */
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
    /* Lists the splits that are there now; `want` hints how many a good spread needs. Strings in the arena. A path or table that is not there is
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
};

/* ---- sinks ---- */

struct sq_sink_spec {
    const struct sq_table_spec *table;
    const struct sq_table_ext *ext;
    const struct sq_session *session;
    unsigned mode;                       /* what the query will send: one SQ_MODE_ bit */
    const uint32_t *key;                 /* upsert key: positions in table->cols; from the table's PRIMARY KEY or derived */
    uint32_t nkey;
    bool key_derived;
    bool overwrite;
};

struct sq_writer;
struct sq_sink_class {
    unsigned accepts;                    /* SQ_MODE_ bits in general; `accept` may narrow */
    /* What this table takes, given its options and key (a debezium-json file takes RETRACT; json files INSERT; print all; jdbc with key
     * UPSERT, without INSERT). */
    sq_rc (*accept)(struct sq_ctx *, const struct sq_table_spec *, const struct sq_table_ext *, unsigned *modes);
    /* True when it shows every change (print, debezium-json): emit each. False: it keeps the last row per key: emit net. */
    bool (*shows_changes)(const struct sq_table_spec *, const struct sq_table_ext *);
    bool derives_key;                    /* without a PRIMARY KEY it takes the query's key (jdbc) */
    sq_rc (*open)(struct sq_ctx *, const struct sq_sink_spec *, struct sq_writer **);   /* checks the outside, creates tables; nothing half-made on error */
    sq_rc (*write)(struct sq_writer *, const struct sq_batch *);
    sq_rc (*flush)(struct sq_writer *);                       /* called between batches when input is idle: hand on what is buffered */
    sq_rc (*prepare)(struct sq_writer *, uint64_t epoch);     /* checkpoints: later issue; NULL where there is nothing to do */
    sq_rc (*commit)(struct sq_writer *, uint64_t epoch);
    sq_rc (*finish)(struct sq_writer *);                      /* end of input: make everything visible and durable */
    void (*close)(struct sq_writer *);                        /* after any failure too: undo what is not committed */
};

/* ---- connectors ---- */

struct sq_metadata_key { const char *key; const struct sq_type *type; bool writable; const char *help; };

struct sq_connector {
    const char *name, *help;
    const char *package;                 /* NULL: always there; else the Debian package whose library is opened on first use */
    const struct sq_option *options; uint32_t noptions;
    unsigned takes_format;               /* 0 no, 1 'format' required */
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
 * (*fmt). What every connector's table() begins with. */
sq_rc sq_table_options(struct sq_ctx *, struct sq_arena *, const struct sq_connector *, const struct sq_table_spec *, void *into,
                       struct sq_table_format *fmt);
/* The option row for a key of a connector or any format, for redaction and help; NULL: unknown. */
const struct sq_option *sq_option_lookup(struct sq_str connector, struct sq_str key);

#endif
