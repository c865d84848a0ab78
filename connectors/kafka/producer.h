/* SPDX-License-Identifier: Apache-2.0
 *
 * producer.h: messages out: a producer (producer.c), and its transactions (transaction.c).
 *
 * librdkafka sends in the background; what it could not deliver comes back as an event, which the calls here look at: the first such message fails
 * the next call, and nothing is lost in silence. A producer is used by one thread at a time.
 */
#ifndef SQ_KAFKA_PRODUCER_H
#define SQ_KAFKA_PRODUCER_H

#include "connectors/kafka/client.h"

struct sq_kafka_header { struct sq_str name; struct sq_slice value; };   /* value.p NULL: none */

struct sq_kafka_record {
    struct sq_str topic;
    struct sq_slice key, value;          /* p NULL: none */
    int64_t ts_ms;                       /* -1: now */
    const struct sq_kafka_header *headers;
    uint32_t nheaders;
};

struct sq_kafka_topic { char *name; uint32_t n; rd_kafka_topic_t *rkt; };

struct sq_kafka_producer {
    struct sq_kafka_client client;
    struct sq_ctx *ctx;
    const struct sq_kafka_table *table;
    struct sq_str name;                  /* of the table, for messages */
    struct sq_kafka_topic *topics;       /* those that were written to */
    size_t ntopics, cap_topics;
    uint32_t last;                       /* the topic of the last message */
    uintptr_t turn;                      /* round-robin: the batch's number picks the partition */
    uint64_t nlost;                      /* messages that could not be delivered; of the first: */
    rd_kafka_resp_err_t lost;
    char lost_topic[256];
    int32_t lost_partition;
    size_t lost_size;                    /* of the largest */
    int64_t down_ns, probed_ns;
    bool down_told, open;
};

/* Connects; role.producer is set. `name`: of the table. */
sq_rc sq_kafka_producer_open(struct sq_ctx *, struct sq_str name, const struct sq_kafka_table *, struct sq_kafka_role, struct sq_kafka_producer *);
/* What was not delivered is thrown away. */
void sq_kafka_producer_close(struct sq_kafka_producer *);
/* Looks whether the topic is there, and waits where the broker makes it on demand. */
sq_rc sq_kafka_producer_topic(struct sq_kafka_producer *, struct sq_str topic);
/* Hands a message to librdkafka; waits while its queue is full. Bytes are copied. */
sq_rc sq_kafka_produce(struct sq_kafka_producer *, const struct sq_kafka_record *);
/* The error of what was not delivered so far; cheap. */
sq_rc sq_kafka_producer_check(struct sq_kafka_producer *);
/* Waits until the brokers have everything. */
sq_rc sq_kafka_producer_flush(struct sq_kafka_producer *);
/* The job's table and what librdkafka says, as an error: `what` went wrong. */
sq_rc sq_kafka_producer_failed(struct sq_kafka_producer *, rd_kafka_resp_err_t, const char *what);
void sq_kafka_producer_forget(struct sq_kafka_producer *);   /* what was not delivered was part of a transaction that is gone */

/* ---- transactions ---- */

struct sq_kafka_txn {
    struct sq_kafka_producer *producer;
    struct sq_ctx *ctx;
    const char *id;                      /* transactional id, and the group whose offset is the marker */
    const char *topic;                   /* where that offset is: the first topic, partition 0 */
    struct sq_str job;                   /* UUID; empty: no marker is kept */
    int64_t timeout_ms;                  /* transaction.timeout.ms */
    uint64_t marker;                     /* the epoch of the last commit */
    bool marked;                         /* that is known */
    bool begun, marking;                 /* a transaction is open; it has the marker */
    bool keeps;                          /* messages of the epoch are kept, for `pending` and to send them again */
    struct sq_buf kept;
    uint32_t nkept;
};

/* Ends what an older run with this id has left open, and locks it out. */
sq_rc sq_kafka_txn_open(struct sq_kafka_txn *);
void sq_kafka_txn_close(struct sq_kafka_txn *);              /* aborts what is open, if that goes fast */
/* The last commit of txn->job to this sink; 0: none. */
sq_rc sq_kafka_txn_marker(struct sq_kafka_txn *, uint64_t *epoch);
/* As sq_kafka_produce, in the epoch's transaction. */
sq_rc sq_kafka_txn_send(struct sq_kafka_txn *, const struct sq_kafka_record *);
sq_rc sq_kafka_txn_flush(struct sq_kafka_txn *);
/* Appends the epoch's messages, as recover takes them. */
sq_rc sq_kafka_txn_save(struct sq_kafka_txn *, struct sq_buf *);
sq_rc sq_kafka_txn_recover(struct sq_kafka_txn *, struct sq_str saved);
/* Messages and marker in one transaction. `epoch` 0: no marker. */
sq_rc sq_kafka_txn_commit(struct sq_kafka_txn *, uint64_t epoch);
/* The error of an epoch that does not follow the marker, or SQ_OK. */
sq_rc sq_kafka_txn_follows(struct sq_kafka_txn *, uint64_t epoch);

/* A record as bytes, and back; false: damaged. Headers are read into `headers`, at most `max`. */
enum { SQ_KAFKA_HEADERS_MAX = 1000 };
sq_rc sq_kafka_record_pack(struct sq_buf *, const struct sq_kafka_record *);
bool sq_kafka_record_unpack(struct sq_str *in, struct sq_kafka_record *, struct sq_kafka_header *headers, uint32_t max);

#endif
