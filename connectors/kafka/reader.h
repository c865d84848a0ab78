/* SPDX-License-Identifier: Apache-2.0
 *
 * reader.h: the reader of topics, in three files: source.c (messages in, polling), part.c (partitions: beginning, ending, what goes wrong with
 * them), decode.c (messages of one partition to rows).
 */
#ifndef SQ_KAFKA_READER_H
#define SQ_KAFKA_READER_H

#include "connectors/kafka/client.h"

struct sq_kafka_part {
    struct sq_kafka_range range;   /* topic points into payload */
    struct sq_str id, payload;
    int64_t next;                  /* offset of the next message; SQ_KAFKA_BEGINNING: not known yet */
    uint32_t next_rows;            /* rows of that message that were handed on */
    uint32_t drop;                 /* … and are to be dropped when it is decoded again */
    int64_t last;                  /* offset of the last message before `next`; -1: not known */
    uint64_t mark;                 /* of that message: its time and its value */
    bool checking;                 /* a restored position, or one in doubt: that message is read again, to see that it is still the same */
    rd_kafka_topic_t *rkt;
    bool reading, ended, told;     /* told: the end was handed on */
    bool moved;                    /* since the last commit */
    int64_t commit;                /* the offset that a committed epoch ends at; -1: none that was not told */
};

struct sq_kafka_extra {            /* of a message, for metadata columns */
    int64_t ts_ms;
    int32_t epoch;
    uint8_t ts_type;
    rd_kafka_headers_t *headers;
};

struct sq_kafka_reader {
    struct sq_ctx *ctx;
    const struct sq_scan_spec *spec;
    const struct sq_kafka_table *table;
    struct sq_kafka_client client;
    rd_kafka_queue_t *queue;
    bool connected;

    struct sq_kafka_part *parts;
    size_t nparts, cap_parts;
    uint32_t ended, reported;      /* how many parts */

    uint32_t batch_rows;

    /* the messages of a fetch, side by side; [at, nmsg) are still to be looked at */
    uint32_t nmsg, at;
    struct sq_slice *rec, *key;    /* p NULL: the message has none */
    int64_t *offset, *time_ms;
    uint32_t *from_part;
    rd_kafka_resp_err_t *err;      /* not a message: what happened to the partition */
    struct sq_kafka_extra *extra;  /* NULL: not wanted */
    char *text;                    /* values and keys, padded */
    size_t text_n, text_cap;
    char said[300];                /* of the last err that is an error */
    const rd_kafka_topic_t *last_rkt;
    int32_t last_partition;
    uint32_t last_part;
    sq_rc taking;                  /* what went wrong in the callback */

    /* the run: messages [begin, end) of one partition, [done, end) are still to be decoded */
    struct sq_kafka_part *cur;
    uint32_t done, end;
    int64_t run_next;              /* offset behind the run */
    uint32_t *row_record;

    struct sq_decoder *values, *keys;
    struct sq_out out, key_out, meta;
    uint32_t *key_record, *key_index, *key_row;
    struct sq_slice *live;         /* upserts: the values of a run that are there, */
    uint32_t *live_of, *value_index;   /* which message each is of, and the row of values of each row that is put out */
    uint8_t *kinds;
    bool upserts, deletes;         /* deletes: the run has messages without a value */
    bool has_keys, wants_meta, wants_headers, wants_epoch;
    struct from { uint8_t where; uint32_t col; } *from;   /* per wanted column: 0 out, 1 key_out, 2 meta */
    uint8_t *meta_kind;            /* per column of meta: enum sq_kafka_meta */
    struct sq_vec *vecs;
    struct sq_batch batch;

    int64_t idle_us, looked_ns, down_ns, committed_ns, heard_ns;
    bool down_told;
    bool epochs;                   /* offsets are committed when epochs are, no more by time */
    struct sq_source_stats stats;
};

/* decode.c */
sq_rc sq_kafka_open_columns(struct sq_kafka_reader *);
void sq_kafka_close_columns(struct sq_kafka_reader *);
/* Makes the messages from `at` on of one partition the run. Without a record in it there is nothing to decode. */
sq_rc sq_kafka_begin_run(struct sq_kafka_reader *);
/* Decodes what is left of the run, as far as a batch goes. */
sq_rc sq_kafka_decode(struct sq_kafka_reader *, struct sq_poll *);

/* A message's mark. */
uint64_t sq_kafka_mark(int64_t time_ms, struct sq_slice value);

/* part.c */
sq_rc sq_kafka_add_part(struct sq_kafka_reader *, const struct sq_split *, struct sq_str position);
sq_rc sq_kafka_start_part(struct sq_kafka_reader *, struct sq_kafka_part *);
void sq_kafka_stop_part(struct sq_kafka_reader *, struct sq_kafka_part *);
/* available-now: every partition gets the end that it has now. */
sq_rc sq_kafka_find_ends(struct sq_kafka_reader *);
/* Entry i of the fetch is no message, but says what happened to its partition. */
sq_rc sq_kafka_part_event(struct sq_kafka_reader *, uint32_t i);
/* Message i comes first while p is `checking`; *skip: it was read before. An error: it is another one than that was. */
sq_rc sq_kafka_part_check(struct sq_kafka_reader *, struct sq_kafka_part *, uint32_t i, bool *skip);
/* The topics may be other ones than they were: each partition is read from its last message again, to see. */
sq_rc sq_kafka_doubt(struct sq_kafka_reader *);
/* Tells the group how far partitions are: those that moved, or the epochs that were committed. */
void sq_kafka_commit_offsets(struct sq_kafka_reader *, bool wait);
sq_rc sq_kafka_part_position(struct sq_reader *, uint32_t split, struct sq_buf *);
sq_rc sq_kafka_show_position(struct sq_str position, struct sq_buf *);
void sq_kafka_committed(struct sq_reader *, uint32_t split, struct sq_str position);

#endif
