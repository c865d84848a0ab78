/* SPDX-License-Identifier: Apache-2.0
 *
 * consume.c: prints what is in a topic of a Kafka broker, from its beginning to its end, for tests.
 *
 *   consume SERVERS TOPIC [-u] [-f] [-X K=V …]
 *       -u   also messages of transactions that are open or aborted (read_uncommitted)
 *       -f   goes on at the end and prints what comes, until it is killed
 *
 * A message is a line: partition, offset, timestamp in ms, key, value, with tabs between; NULL is \N. Messages of a partition come in order. A transaction ends
 * with a record of its own that is not printed, so where a partition's offsets have a gap, a transaction ended.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 2048, PARTS = 1024, TIMEOUT_MS = 30000 };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "consume: %s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, key, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        die(key, why);
}

static void field(const void *p, size_t n)
{
    if (p)
        fwrite(p, 1, n, stdout);
    else
        fputs("\\N", stdout);
}

static void print(const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;
    printf("%d\t%lld\t%lld\t", (int)m->partition, (long long)m->offset, (long long)rd_kafka_message_timestamp(m, &type));
    field(m->key, m->key_len);
    putchar('\t');
    field(m->payload, m->len);
    putchar('\n');
}

int main(int argc, char **argv)
{
    static rd_kafka_message_t *msg[BATCH];
    char why[256];
    const struct rd_kafka_metadata *md;
    int left, follow = 0, opt;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (argc < 3)
        die("usage", "consume SERVERS TOPIC [-u] [-f] [-X K=V …]");
    set(conf, "bootstrap.servers", argv[1]);
    set(conf, "enable.partition.eof", "true");
    while ((opt = getopt(argc - 2, argv + 2, "ufX:")) != -1) {
        char *eq = opt == 'X' ? strchr(optarg, '=') : NULL;
        switch (opt) {
        case 'u': set(conf, "isolation.level", "read_uncommitted"); break;
        case 'f': follow = 1; break;
        case 'X': if (eq) { *eq = 0; set(conf, optarg, eq + 1); } break;
        default: exit(2);
        }
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!rk)
        die("client", why);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[2], NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    if (rd_kafka_metadata(rk, 0, topic, &md, TIMEOUT_MS) || md->topics[0].err || md->topics[0].partition_cnt > PARTS)
        die(argv[2], "cannot be read");
    left = md->topics[0].partition_cnt;
    for (int p = 0; p < left; p++)
        if (rd_kafka_consume_start_queue(topic, p, RD_KAFKA_OFFSET_BEGINNING, queue))
            die(argv[2], "cannot be read");
    while (left || follow) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 200, msg, BATCH);
        for (ssize_t i = 0; i < n; i++) {
            if (!msg[i]->err)
                print(msg[i]);
            else if (msg[i]->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
                left -= left > 0;
            else if (!follow)
                die(argv[2], rd_kafka_message_errstr(msg[i]));
            rd_kafka_message_destroy(msg[i]);
        }
        if (follow)
            fflush(stdout);
    }
    fflush(stdout);
    _exit(ferror(stdout) != 0);           /* nothing is to be given back: a reader that ends needs no second of goodbyes */
}
