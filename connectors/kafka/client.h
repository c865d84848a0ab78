/* SPDX-License-Identifier: Apache-2.0
 *
 * client.h: the functions of librdkafka, found when a table first needs them, and what is made of them: a client with its queue
 * of events. The header <librdkafka/rdkafka.h> is used at build time only; nothing links to the library.
 *
 * What librdkafka has to say comes as events of one queue, which the owner's thread asks (sq_kafka_serve). Its log lines go there too, and nothing
 * is ever printed. There are two callbacks: one takes messages in, on the reader's thread (source.c); one picks a partition, from its arguments alone
 * (producer.c).
 */
#ifndef SQ_KAFKA_CLIENT_H
#define SQ_KAFKA_CLIENT_H

#include "connectors/kafka/kafka.h"

#include <librdkafka/rdkafka.h>

#define SQ_KAFKA_CALLS(X)                                                                                                         \
    X(version) X(version_str) X(conf_new) X(conf_set) X(conf_destroy) X(conf_set_events) X(new) X(destroy_flags) X(set_log_queue)        \
    X(queue_get_main) X(queue_new) X(queue_destroy) X(queue_poll) X(event_type) X(event_error) X(event_error_string) X(event_destroy)    \
    X(metadata) X(metadata_destroy) X(topic_new) X(topic_destroy) X(topic_name) X(consume_start_queue) X(consume_stop)                   \
    X(consume_callback_queue) X(yield) X(message_timestamp) X(message_detach_headers) X(headers_destroy) X(header_get_all)                \
    X(offsets_for_times)                                                                                                               \
    X(get_watermark_offsets) X(committed) X(commit) X(topic_partition_list_new) X(topic_partition_list_add)                              \
    X(topic_partition_list_destroy) X(err2str) X(err2name) X(last_error)                                                               \
    X(default_topic_conf_dup) X(topic_conf_set) X(topic_conf_set_partitioner_cb) X(topic_conf_destroy) X(produce) X(produceva) X(flush) X(purge)  \
    X(outq_len) X(event_message_next) X(event_log) X(fatal_error) X(headers_new) X(header_add) X(init_transactions) X(begin_transaction)  \
    X(send_offsets_to_transaction) X(commit_transaction) X(abort_transaction) X(consumer_group_metadata_new)                              \
    X(consumer_group_metadata_destroy) X(error_code) X(error_string) X(error_is_fatal) X(error_is_retriable) X(error_txn_requires_abort)  \
    X(error_destroy) X(query_watermark_offsets)

struct sq_kafka_api {
    void *library;
#define SQ_KAFKA_SLOT(f) __typeof__(rd_kafka_##f) *f;
    SQ_KAFKA_CALLS(SQ_KAFKA_SLOT)
#undef SQ_KAFKA_SLOT
    int32_t (*message_leader_epoch)(const rd_kafka_message_t *);   /* since 2.1; NULL: older */
};

/* Opens the library. SQ_EXTERNAL, naming Debian's package, when it is not there or too old. */
sq_rc sq_kafka_load(struct sq_ctx *, struct sq_kafka_api *);
void sq_kafka_unload(struct sq_kafka_api *);

/* What a client is for. */
struct sq_kafka_role {
    bool producer;
    const char *reset;             /* consumer: auto.offset.reset */
    uint32_t queue_kb;             /* bytes fetched ahead per partition, 0: the library's default */
    const char *group, *isolation; /* NULL: the table's */
    bool watch_topics;             /* consumer: sets `doubt` */
    const char *transactional_id;  /* producer: NULL: none */
    int64_t transaction_ms;
};

struct sq_kafka_client {
    struct sq_ctx *ctx;
    const struct sq_kafka_table *table;
    struct sq_kafka_api api;
    rd_kafka_t *rk;
    rd_kafka_queue_t *events;
    char said[300];                /* the last thing that went wrong, as librdkafka put it */
    bool down;                     /* no broker could be reached, and nothing came since */
    bool doubt;                    /* a broker did not know a topic that was being read: it may have been deleted, and made anew since */
    rd_kafka_resp_err_t refused;   /* authentication, TLS: trying again is of no use */
    void (*delivered)(void *arg, rd_kafka_event_t *);   /* producer: messages that could not be delivered */
    void *arg;
};

sq_rc sq_kafka_connect(struct sq_ctx *, const struct sq_kafka_table *, const struct sq_kafka_role *, struct sq_kafka_client *);
void sq_kafka_disconnect(struct sq_kafka_client *);
/* Takes the events that are there. */
void sq_kafka_serve(struct sq_kafka_client *);
/* Trying again may help. */
bool sq_kafka_transient(rd_kafka_resp_err_t);

/* Calls that ask the broker, repeated until they have an answer or the table's time for it is up. Each attempt says once why it waits. */
struct sq_kafka_wait {
    int64_t began_ns;
    bool told;
};
sq_rc sq_kafka_wait_begin(struct sq_kafka_client *, struct sq_kafka_wait *);
/* After a call that failed with `err`: SQ_OK to try again, else the error. `what`: "the topics". */
sq_rc sq_kafka_wait_again(struct sq_kafka_client *, struct sq_kafka_wait *, rd_kafka_resp_err_t err, const char *what);
/* Text of librdkafka's, on one line, without what only it knows about. */
void sq_kafka_keep(struct sq_kafka_client *, const char *text);
/* The error of a job that cannot reach its brokers. */
sq_rc sq_kafka_unreachable(struct sq_kafka_client *, const char *what, int64_t waited_ms);

/* splits.c: the error that there is no such topic, with the nearest, or those that there are. */
sq_rc sq_kafka_no_topic(struct sq_kafka_client *, struct sq_arena *, const char *topic);

enum { SQ_KAFKA_STEP_MS = 1000 };  /* how long one attempt may block: the job can be interrupted in between */

#endif
