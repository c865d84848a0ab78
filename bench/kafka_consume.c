/* SPDX-License-Identifier: Apache-2.0
 *
 * kafka_consume.c: the yardstick of the kafka source: a bare rd_kafka_consume_batch_queue loop over all partitions of a topic, from the first
 * message to the end. It counts messages and bytes and looks at none of them.
 *
 *   kafka_consume SERVERS TOPIC [PROPERTY=VALUE …]
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2048, PARTS = 1024, TIMEOUT_MS = 10000 };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "kafka_consume: %s: %s\n", what, why);
    exit(1);
}

int main(int argc, char **argv)
{
    static rd_kafka_message_t *msg[BATCH];
    static int64_t stop[PARTS];
    char why[256];
    unsigned long long rows = 0, bytes = 0;
    int left = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (argc < 3)
        die("usage", "kafka_consume SERVERS TOPIC [PROPERTY=VALUE …]");
    rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], why, sizeof why);
    for (int i = 3; i < argc; i++) {
        char *eq = strchr(argv[i], '=');
        if (!eq)
            die(argv[i], "not PROPERTY=VALUE");
        *eq = 0;
        if (rd_kafka_conf_set(conf, argv[i], eq + 1, why, sizeof why) != RD_KAFKA_CONF_OK)
            die(argv[i], why);
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!rk)
        die("client", why);
    const struct rd_kafka_metadata *md;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[2], NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    if (rd_kafka_metadata(rk, 0, topic, &md, TIMEOUT_MS) || md->topics[0].err || md->topics[0].partition_cnt > PARTS)
        die(argv[2], "cannot be read");
    for (int p = 0; p < md->topics[0].partition_cnt; p++) {
        int64_t low;
        if (rd_kafka_query_watermark_offsets(rk, argv[2], p, &low, &stop[p], TIMEOUT_MS))
            die(argv[2], "no offsets");
        left += stop[p] > low;
        if (stop[p] > low && rd_kafka_consume_start_queue(topic, p, RD_KAFKA_OFFSET_BEGINNING, queue))
            die(argv[2], "cannot be read");
    }
    while (left) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 1000, msg, BATCH);
        for (ssize_t i = 0; i < n; i++) {
            if (!msg[i]->err) {
                rows++;
                bytes += msg[i]->len;
                left -= msg[i]->offset + 1 == stop[msg[i]->partition];
            }
            rd_kafka_message_destroy(msg[i]);
        }
    }
    printf("rows=%llu bytes=%llu\n", rows, bytes);
    for (int p = 0; p < md->topics[0].partition_cnt; p++)
        rd_kafka_consume_stop(topic, p);
    rd_kafka_metadata_destroy(md);
    rd_kafka_topic_destroy(topic);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    return 0;
}
