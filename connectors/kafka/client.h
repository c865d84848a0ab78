/* SPDX-License-Identifier: Apache-2.0
 *
 * client.h: the functions of librdkafka, found when a table first needs them, and what is made of them: a client with its queue
 * of events. The header <librdkafka/rdkafka.h> is used at build time only; nothing links to the library.
 *
 * What librdkafka has to say comes as events of one queue, which the reader's thread asks (sq_kafka_serve). Its log lines go there too, and nothing
 * is ever printed. The one callback takes messages in, on the reader's thread (source.c).
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
    X(topic_partition_list_destroy) X(err2str) X(err2name) X(last_error)

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

struct sq_kafka_client {
    struct sq_ctx *ctx;
    const struct sq_kafka_table *table;
    struct sq_kafka_api api;
    rd_kafka_t *rk;
    rd_kafka_queue_t *events;
    char said[300];                /* the last thing that went wrong, as librdkafka put it */
    bool down;                     /* no broker could be reached, and nothing came since */
    rd_kafka_resp_err_t refused;   /* authentication, TLS: trying again is of no use */
};

/* `reset`: auto.offset.reset; `queue_kb`: bytes fetched ahead per partition, 0: the library's default. */
sq_rc sq_kafka_connect(struct sq_ctx *, const struct sq_kafka_table *, const char *reset, uint32_t queue_kb, struct sq_kafka_client *);
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
/* The error of a job that cannot reach its brokers. */
sq_rc sq_kafka_unreachable(struct sq_kafka_client *, const char *what, int64_t waited_ms);

enum { SQ_KAFKA_STEP_MS = 1000 };  /* how long one attempt may block: the job can be interrupted in between */

#endif
