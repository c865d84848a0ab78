/* SPDX-License-Identifier: Apache-2.0
 *
 * latency.c: end-to-end latency through Kafka, measured by a client of its own.
 *
 *   latency forward BROKERS IN OUT               a bare forwarder: what it consumes it produces, linger 0; until it is killed
 *   latency measure BROKERS IN OUT RATE SECONDS [read_committed]
 *                                                produces RATE messages a second, {"id":7,"t":<nanoseconds>}, reads OUT, and prints "median p99 messages" in ms; the first
 *                                                second is not counted
 */
#include <librdkafka/rdkafka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "latency: %s\n", what);
    exit(1);
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *const *pairs)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char err[256];
    for (; *pairs; pairs += 2)
        if (rd_kafka_conf_set(conf, pairs[0], pairs[1], err, sizeof err) != RD_KAFKA_CONF_OK)
            die(err);
    rd_kafka_t *rk = rd_kafka_new(type, conf, err, sizeof err);
    if (!rk)
        die(err);
    return rk;
}

static rd_kafka_t *consumer(const char *brokers, const char *topic, const char *isolation)
{
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, (const char *[]){"bootstrap.servers", brokers, "group.id", "latency", "enable.auto.commit", "false", "isolation.level",
                                                                isolation, NULL});
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_END;
    if (rd_kafka_assign(rk, list))
        die("cannot assign");
    rd_kafka_topic_partition_list_destroy(list);
    return rk;
}

static rd_kafka_t *producer(const char *brokers)
{
    return client(RD_KAFKA_PRODUCER, (const char *[]){"bootstrap.servers", brokers, "linger.ms", "0", NULL});
}

static void produce(rd_kafka_t *rk, const char *topic, const void *p, size_t n)
{
    if (rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_VALUE((void *)(uintptr_t)p, n), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END))
        die("cannot produce");
    rd_kafka_poll(rk, 0);
}

static void forward(const char *brokers, const char *in, const char *out)
{
    rd_kafka_t *from = consumer(brokers, in, "read_committed"), *to = producer(brokers);
    for (;;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(from, 100);
        if (m && !m->err)
            produce(to, out, m->payload, m->len);
        if (m)
            rd_kafka_message_destroy(m);
    }
}

struct feed { const char *brokers, *topic; int rate, seconds; };

static void *feed(void *arg)
{
    const struct feed *f = arg;
    rd_kafka_t *rk = producer(f->brokers);
    int64_t begin = now_ns();
    for (int64_t i = 0; i < (int64_t)f->rate * f->seconds; i++) {
        int64_t at = begin + i * 1000000000 / f->rate, left = at - now_ns();
        char text[64];
        if (left > 0)
            nanosleep(&(struct timespec){.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000}, NULL);
        int n = snprintf(text, sizeof text, "{\"id\":%" PRId64 ",\"t\":%" PRId64 "}", i, now_ns());
        produce(rk, f->topic, text, (size_t)n);
    }
    rd_kafka_flush(rk, 10000);
    rd_kafka_destroy(rk);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void measure(const char *brokers, const char *in, const char *out, int rate, int seconds, const char *isolation)
{
    struct feed f = {brokers, in, rate, seconds};
    int64_t *took = malloc(sizeof *took * (size_t)rate * (size_t)seconds), last = 0;
    size_t n = 0;
    pthread_t thread;
    rd_kafka_t *rk = consumer(brokers, out, isolation);
    for (int64_t begin = now_ns(); now_ns() - begin < 2000000000;) {     /* until the end of the topic is known */
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
        if (m)
            rd_kafka_message_destroy(m);
    }
    if (!took || pthread_create(&thread, NULL, feed, &f))
        die("no thread");
    for (int64_t begin = now_ns(); now_ns() - begin < (seconds + 10) * (int64_t)1000000000 && last < (int64_t)rate * seconds - 1;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
        char text[64] = "";
        const char *t;
        if (m && !m->err && m->len < sizeof text) {
            memcpy(text, m->payload, m->len);
            t = strstr(text, "\"t\":");
            last = strstr(text, "\"id\":") ? strtoll(strstr(text, "\"id\":") + 5, NULL, 10) : 0;
            if (t && last >= rate)
                took[n++] = now_ns() - strtoll(t + 4, NULL, 10);
        }
        if (m)
            rd_kafka_message_destroy(m);
    }
    pthread_join(thread, NULL);
    qsort(took, n, sizeof *took, compare);
    if (n == 0)
        die("nothing came through");
    printf("%.2f %.2f %zu\n", (double)took[n / 2] / 1e6, (double)took[n * 99 / 100] / 1e6, n);
    free(took);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "forward") == 0)
        forward(argv[2], argv[3], argv[4]);
    else if (argc >= 7 && strcmp(argv[1], "measure") == 0)
        measure(argv[2], argv[3], argv[4], (int)strtol(argv[5], NULL, 10), (int)strtol(argv[6], NULL, 10), argc > 7 ? argv[7] : "read_uncommitted");
    else
        die("usage: see the head of latency.c");
    return 0;
}
