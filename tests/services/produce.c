/* SPDX-License-Identifier: Apache-2.0
 *
 * produce.c: puts data into a Kafka broker for tests and benchmarks, and makes the topics for it.
 *
 *   produce SERVERS create TOPIC PARTITIONS [CONFIG=VALUE …]
 *   produce SERVERS partitions TOPIC COUNT
 *   produce SERVERS delete TOPIC
 *   produce SERVERS truncate TOPIC PARTITION OFFSET        records before the offset are gone
 *   produce SERVERS commit GROUP TOPIC PARTITION OFFSET
 *   produce SERVERS committed GROUP TOPIC PARTITION        prints the offset
 *   produce SERVERS end TOPIC PARTITION                    prints the offset
 *   produce SERVERS read TOPIC [-u]                        prints every message as -f has it, -u: those of open and aborted transactions too
 *   produce SERVERS send TOPIC [OPTION …] <FILE            a message a line, over the partitions in turn
 *       -p N        all into partition N          -z CODEC    gzip, snappy, lz4, zstd
 *       -X K=V      of librdkafka                 -t ID       in a transaction, -a: which is aborted
 *       -f          lines are fields with tabs between: partition, timestamp in ms, headers (a=1;b=2), key, value; \N is NULL; an
 *                   empty partition or timestamp: any, now
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_MS = 30000 };
static long failures;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "produce: %s: %s\n", what, why);
    exit(1);
}

static int64_t long_number(const char *text)
{
    char *end;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end)
        die(text, "not a number");
    return v;
}

static int number(const char *text) { return (int)long_number(text); }

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
    (void)rk;
    (void)arg;
    if (m->err && failures++ == 0)
        fprintf(stderr, "produce: %s\n", rd_kafka_err2str(m->err));
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, key, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        die(key, why);
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk)
        die("client", why);
    return rk;
}

/* ---- topics ---- */

static void check_topics(const rd_kafka_topic_result_t **r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rd_kafka_topic_result_error(r[i]))
            die(rd_kafka_topic_result_name(r[i]), rd_kafka_topic_result_error_string(r[i]));
}

static void admin(rd_kafka_t *rk, int argc, char **argv)
{
    char why[256];
    size_t n = 0;
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_ANY);
    rd_kafka_AdminOptions_set_request_timeout(o, TIMEOUT_MS, why, sizeof why);
    if (strcmp(argv[0], "create") == 0) {
        rd_kafka_NewTopic_t *t = rd_kafka_NewTopic_new(argv[1], number(argv[2]), 1, why, sizeof why);
        for (int i = 3; t && i < argc; i++) {
            char *eq = strchr(argv[i], '=');
            if (eq) {
                *eq = 0;
                rd_kafka_NewTopic_set_config(t, argv[i], eq + 1);
            }
        }
        if (!t)
            die(argv[1], why);
        rd_kafka_CreateTopics(rk, &t, 1, o, q);
    } else if (strcmp(argv[0], "partitions") == 0) {
        rd_kafka_NewPartitions_t *p = rd_kafka_NewPartitions_new(argv[1], (size_t)number(argv[2]), why, sizeof why);
        rd_kafka_CreatePartitions(rk, &p, 1, o, q);
    } else if (strcmp(argv[0], "delete") == 0) {
        rd_kafka_DeleteTopic_t *t = rd_kafka_DeleteTopic_new(argv[1]);
        rd_kafka_DeleteTopics(rk, &t, 1, o, q);
    } else {
        rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(l, argv[1], number(argv[2]))->offset = long_number(argv[3]);
        rd_kafka_DeleteRecords_t *d = rd_kafka_DeleteRecords_new(l);
        rd_kafka_DeleteRecords(rk, &d, 1, o, q);
    }
    rd_kafka_event_t *ev = rd_kafka_queue_poll(q, TIMEOUT_MS);
    if (!ev || rd_kafka_event_error(ev))
        die(argv[0], ev ? rd_kafka_event_error_string(ev) : "no answer");
    if (rd_kafka_event_CreateTopics_result(ev)) {
        const rd_kafka_topic_result_t **r = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(ev), &n);
        check_topics(r, n);
    } else if (rd_kafka_event_CreatePartitions_result(ev)) {
        const rd_kafka_topic_result_t **r = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(ev), &n);
        check_topics(r, n);
    } else if (rd_kafka_event_DeleteTopics_result(ev)) {
        const rd_kafka_topic_result_t **r = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(ev), &n);
        check_topics(r, n);
    }
}

/* ---- messages ---- */

static char *next_field(char **at)
{
    char *begin = *at, *tab = begin ? strchr(begin, '\t') : NULL;
    if (!begin)
        return NULL;
    *at = tab ? tab + 1 : NULL;
    if (tab)
        *tab = 0;
    return strcmp(begin, "\\N") == 0 ? NULL : begin;
}

static rd_kafka_headers_t *headers(char *text)
{
    rd_kafka_headers_t *h = text && *text ? rd_kafka_headers_new(4) : NULL;
    for (char *save, *one = h ? strtok_r(text, ";", &save) : NULL; one; one = strtok_r(NULL, ";", &save)) {
        char *eq = strchr(one, '=');
        if (eq)
            *eq = 0;
        rd_kafka_header_add(h, one, -1, eq ? eq + 1 : NULL, eq ? (ssize_t)strlen(eq + 1) : 0);
    }
    return h;
}

static void send_line(rd_kafka_t *rk, const char *topic, int32_t partition, char *line, size_t len, int fields)
{
    rd_kafka_vu_t v[8];
    size_t n = 0;
    char *p = fields ? next_field(&line) : NULL, *ts = fields ? next_field(&line) : NULL, *h = fields ? next_field(&line) : NULL;
    char *key = fields ? next_field(&line) : NULL, *value = fields ? (line && strcmp(line, "\\N") != 0 ? line : NULL) : line;
    size_t value_len = fields ? (value ? strlen(value) : 0) : len;
    rd_kafka_headers_t *hs = headers(h);
    v[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic};
    v[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = p && *p ? number(p) : partition};
    v[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value, value_len}};
    v[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY};
    if (key)
        v[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {key, strlen(key)}};
    if (ts && *ts)
        v[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = long_number(ts)};
    if (hs)
        v[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = hs};
    for (;;) {
        rd_kafka_error_t *e = rd_kafka_produceva(rk, v, n);
        if (!e)
            return;
        if (rd_kafka_error_code(e) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die(topic, rd_kafka_error_string(e));
        rd_kafka_error_destroy(e);
        rd_kafka_poll(rk, 100);
    }
}

static void in_transaction(rd_kafka_error_t *e)
{
    if (e)
        die("transaction", rd_kafka_error_string(e));
}

static void send_all(rd_kafka_conf_t *conf, int argc, char **argv)
{
    const char *topic = argv[1], *transaction = NULL;
    int32_t partition = -1, parts = 1;
    int fields = 0, aborts = 0, opt;
    long count = 0;
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    optind = 1;
    set(conf, "linger.ms", "20");
    set(conf, "queue.buffering.max.messages", "1000000");
    while ((opt = getopt(argc - 1, argv + 1, "p:z:X:t:fa")) != -1) {
        char *eq = opt == 'X' ? strchr(optarg, '=') : NULL;
        switch (opt) {
        case 'p': partition = number(optarg); break;
        case 'z': set(conf, "compression.codec", optarg); break;
        case 'X': if (eq) { *eq = 0; set(conf, optarg, eq + 1); } break;
        case 't': transaction = optarg; set(conf, "transactional.id", optarg); break;
        case 'f': fields = 1; break;
        case 'a': aborts = 1; break;
        default: exit(2);
        }
    }
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, conf);
    if (partition < 0) {
        const struct rd_kafka_metadata *md;
        rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
        if (rd_kafka_metadata(rk, 0, t, &md, TIMEOUT_MS) || md->topics[0].err)
            die(topic, "no such topic");
        parts = md->topics[0].partition_cnt;
    }
    if (transaction) {
        in_transaction(rd_kafka_init_transactions(rk, TIMEOUT_MS));
        in_transaction(rd_kafka_begin_transaction(rk));
    }
    while ((len = getline(&line, &cap, stdin)) > 0) {
        if (line[len - 1] == '\n')
            line[--len] = 0;
        send_line(rk, topic, partition >= 0 ? partition : (int32_t)(count % parts), line, (size_t)len, fields);
        if (count++ % 1000 == 0)
            rd_kafka_poll(rk, 0);
    }
    if (rd_kafka_flush(rk, 10 * TIMEOUT_MS))
        die(topic, "not everything could be sent");
    if (transaction)
        in_transaction(aborts ? rd_kafka_abort_transaction(rk, TIMEOUT_MS) : rd_kafka_commit_transaction(rk, TIMEOUT_MS));
    rd_kafka_destroy(rk);
    free(line);
    if (failures)
        exit(1);
}

/* ---- offsets ---- */

static void offsets(rd_kafka_conf_t *conf, int argc, char **argv)
{
    int end = strcmp(argv[0], "end") == 0;
    const char *topic = argv[end ? 1 : 2];
    int32_t partition = number(argv[end ? 2 : 3]);
    int64_t low, high;
    rd_kafka_resp_err_t err;
    if (!end)
        set(conf, "group.id", argv[1]);
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, conf);
    if (end) {
        err = rd_kafka_query_watermark_offsets(rk, topic, partition, &low, &high, TIMEOUT_MS);
    } else {
        rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(l, topic, partition);
        if (argc > 4)
            p->offset = long_number(argv[4]);
        err = argc > 4 ? rd_kafka_commit(rk, l, 0) : rd_kafka_committed(rk, l, TIMEOUT_MS);
        high = p->offset;
        rd_kafka_topic_partition_list_destroy(l);
    }
    if (err)
        die(topic, rd_kafka_err2str(err));
    printf("%lld\n", (long long)high);
    rd_kafka_destroy(rk);
}

/* ---- reading ---- */

static void print_field(const void *p, size_t n)
{
    putchar('\t');
    if (p)
        fwrite(p, 1, n, stdout);
    else
        fputs("\\N", stdout);
}

static void print_message(const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *h;
    const char *name;
    const void *value;
    size_t n;
    printf("%d\t%lld\t", m->partition, (long long)rd_kafka_message_timestamp(m, NULL));
    if (rd_kafka_message_headers(m, &h) == RD_KAFKA_RESP_ERR_NO_ERROR)
        for (size_t i = 0; rd_kafka_header_get_all(h, i, &name, &value, &n) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
            printf("%s%s=%.*s", i ? ";" : "", name, (int)n, value ? (const char *)value : "");
    print_field(m->key, m->key_len);
    print_field(m->payload, m->len);
    putchar('\n');
}

static void read_all(rd_kafka_conf_t *conf, int argc, char **argv)
{
    const struct rd_kafka_metadata *md;
    set(conf, "group.id", "reads-all");
    set(conf, "fetch.wait.max.ms", "10");
    set(conf, "enable.partition.eof", "true");
    set(conf, "isolation.level", argc > 2 && strcmp(argv[2], "-u") == 0 ? "read_uncommitted" : "read_committed");
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_topic_t *t = rd_kafka_topic_new(rk, argv[1], NULL);
    if (rd_kafka_metadata(rk, 0, t, &md, TIMEOUT_MS) || md->topics[0].err)
        die(argv[1], "no such topic");
    for (int i = 0; i < md->topics[0].partition_cnt; i++) {
        rd_kafka_message_t *m = NULL;
        rd_kafka_consume_start(t, i, RD_KAFKA_OFFSET_BEGINNING);
        while ((m = rd_kafka_consume(t, i, TIMEOUT_MS)) && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            if (m->err)
                die(argv[1], rd_kafka_message_errstr(m));
            print_message(m);
            rd_kafka_message_destroy(m);
        }
        if (!m)
            die(argv[1], "no answer");
        rd_kafka_message_destroy(m);
        rd_kafka_consume_stop(t, i);
    }
    rd_kafka_metadata_destroy(md);
    rd_kafka_topic_destroy(t);
    rd_kafka_destroy(rk);
}

int main(int argc, char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    static const struct { const char *name; int args; } actions[] = {
        {"create", 3}, {"partitions", 3}, {"delete", 2}, {"truncate", 4}, {"commit", 5}, {"committed", 4}, {"end", 3}, {"send", 2}, {"read", 2},
    };
    int known = 0;
    for (size_t i = 0; argc > 2 && i < sizeof actions / sizeof actions[0]; i++)
        known |= strcmp(argv[2], actions[i].name) == 0 && argc - 2 >= actions[i].args;
    if (!known) {
        fprintf(stderr, "usage: produce SERVERS create|partitions|delete|truncate|commit|committed|end|read|send …\n");
        return 2;
    }
    set(conf, "bootstrap.servers", argv[1]);
    argv += 2;
    argc -= 2;
    if (strcmp(argv[0], "send") == 0)
        send_all(conf, argc, argv);
    else if (strcmp(argv[0], "read") == 0)
        read_all(conf, argc, argv);
    else if (strcmp(argv[0], "commit") == 0 || strcmp(argv[0], "committed") == 0 || strcmp(argv[0], "end") == 0)
        offsets(conf, argc, argv);
    else
        admin(client(RD_KAFKA_PRODUCER, conf), argc, argv);
    return 0;
}
