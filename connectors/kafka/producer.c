/* SPDX-License-Identifier: Apache-2.0
 *
 * producer.c: hands messages to librdkafka, and finds out what became of them.
 *
 * Messages are copied by librdkafka (RD_KAFKA_MSG_F_COPY): it makes a block for each in any case. Measured with messages of 100 bytes: 1.05 to 1.3 us of
 * CPU each with rd_kafka_produce, rd_kafka_produceva and rd_kafka_produce_batch alike, 0.9 without the copy, which would need a report of each
 * delivery to know when the bytes may go. So: rd_kafka_produce, and rd_kafka_produceva where there are headers or a timestamp.
 *
 * Only failures are reported. While librdkafka's queue is full (64 MB, 'properties.buffer.memory') the caller waits: that is the backpressure. When all
 * brokers are gone, a notice says so; librdkafka goes on trying, and what waits too long ('properties.delivery.timeout.ms', 120 s) fails the job.
 *
 * Partitions: by key as Java's default partitioner (murmur2; without a key a partition for 10 ms at a time), or picked by a number that
 * travels with the message: 0 (fixed), or that of the batch (round-robin). FLINK: round-robin is there another name for the default.
 */
#ifdef SQ_HAVE_KAFKA
#include "connectors/kafka/producer.h"

enum { FLUSH_MS = 100, PAUSE_US = 200, PAUSE_MAX_US = 10000, MAKE_MS = 3000, PROBE_MS = 200 };

static int64_t mono_ns(const struct sq_kafka_producer *p) { return p->ctx->os->mono_ns(p->ctx->os->arg); }

/* ---- opening ---- */

static void delivered(void *arg, rd_kafka_event_t *ev)
{
    struct sq_kafka_producer *p = arg;
    const rd_kafka_message_t *m;
    while ((m = p->client.api.event_message_next(ev)) != NULL) {
        if (!m->err || m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || m->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
            continue;                                   /* those of an aborted transaction */
        if (p->nlost++ == 0) {
            const char *topic = m->rkt ? p->client.api.topic_name(m->rkt) : "";
            size_t n = strlen(topic) < sizeof p->lost_topic ? strlen(topic) : sizeof p->lost_topic - 1;
            memcpy(p->lost_topic, topic, n);
            p->lost_topic[n] = 0;
            p->lost = m->err;
            p->lost_partition = m->partition;
            p->lost_size = 0;
        }
        if (m->len + m->key_len > p->lost_size)
            p->lost_size = m->len + m->key_len;
    }
}

sq_rc sq_kafka_producer_open(struct sq_ctx *ctx, struct sq_str name, const struct sq_kafka_table *table, struct sq_kafka_role role, struct sq_kafka_producer *p)
{
    *p = (struct sq_kafka_producer){.ctx = ctx, .table = table, .name = name};
    role.producer = true;
    SQ_TRY(sq_kafka_connect(ctx, table, &role, &p->client));
    p->client.delivered = delivered;
    p->client.arg = p;
    p->open = true;
    return SQ_OK;
}

void sq_kafka_producer_close(struct sq_kafka_producer *p)
{
    if (!p->open)
        return;
    p->client.api.purge(p->client.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    for (size_t i = 0; i < p->ntopics; i++) {
        p->client.api.topic_destroy(p->topics[i].rkt);
        sq_free(p->ctx, p->topics[i].name);
    }
    sq_free(p->ctx, p->topics);
    sq_kafka_disconnect(&p->client);
    p->open = false;
}

/* ---- topics ---- */

/* Called by librdkafka, on any of its threads. */
static int32_t by_number(const rd_kafka_topic_t *rkt, const void *key, size_t keylen, int32_t partitions, void *topic_arg, void *number)
{
    (void)rkt;
    (void)key;
    (void)keylen;
    (void)topic_arg;
    return (int32_t)((uintptr_t)number % (uintptr_t)partitions);
}

static sq_rc add_topic(struct sq_kafka_producer *p, struct sq_str name)
{
    const struct sq_kafka_api *k = &p->client.api;
    char why[200] = "";
    SQ_TRY(sq_grow(p->ctx, &p->topics, &p->cap_topics, p->ntopics + 1, sizeof *p->topics));
    char *text = sq_str_copy(p->ctx, name);
    if (!text)
        return SQ_NOMEM;
    rd_kafka_topic_conf_t *conf = k->default_topic_conf_dup(p->client.rk);   /* acks and the like are of topics */
    if (p->table->partitioner == SQ_KAFKA_BY_KEY)
        k->topic_conf_set(conf, "partitioner", "murmur2_random", why, sizeof why);
    else
        k->topic_conf_set_partitioner_cb(conf, by_number);
    rd_kafka_topic_t *rkt = k->topic_new(p->client.rk, text, conf);
    if (!rkt) {
        k->topic_conf_destroy(conf);
        sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': topic '%s': %s", SQ_FMT(p->name), text, k->err2str(k->last_error()));
        sq_free(p->ctx, text);
        return SQ_EXTERNAL;
    }
    p->last = (uint32_t)p->ntopics;
    p->topics[p->ntopics++] = (struct sq_kafka_topic){text, name.n, rkt};
    return SQ_OK;
}

static sq_rc find_topic(struct sq_kafka_producer *p, struct sq_str name)
{
    if (SQ_LIKELY(p->last < p->ntopics && p->topics[p->last].n == name.n && memcmp(p->topics[p->last].name, name.p, name.n) == 0))
        return SQ_OK;
    for (size_t i = 0; i < p->ntopics; i++)
        if (p->topics[i].n == name.n && memcmp(p->topics[i].name, name.p, name.n) == 0) {
            p->last = (uint32_t)i;
            return SQ_OK;
        }
    return sq_kafka_producer_topic(p, name);
}

static rd_kafka_resp_err_t ask(struct sq_kafka_producer *p)
{
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t err = p->client.api.metadata(p->client.rk, 0, p->topics[p->last].rkt, &md, SQ_KAFKA_STEP_MS);
    if (err)
        return err;
    err = md->topic_cnt == 1 ? md->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (!err && md->topics[0].partition_cnt == 0)
        err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    p->client.api.metadata_destroy(md);
    return err;
}

static sq_rc no_topic(struct sq_kafka_producer *p, const char *topic)
{
    struct sq_arena arena;
    char hint[SQ_HINT_MAX];
    sq_arena_init(&arena, p->ctx);
    sq_kafka_no_topic(&p->client, &arena, topic);
    sq_arena_free(&arena);
    memcpy(hint, p->ctx->err.hint, sizeof hint);
    sq_wrap(p->ctx, "table '%.*s'", SQ_FMT(p->name));
    return sq_hint(p->ctx, "%s%sit is not made on demand: this broker has auto.create.topics.enable = false", hint, hint[0] ? "; " : "");
}

sq_rc sq_kafka_producer_topic(struct sq_kafka_producer *p, struct sq_str name)
{
    struct sq_kafka_wait w;
    rd_kafka_resp_err_t err;
    SQ_TRY(add_topic(p, name));
    SQ_TRY(sq_kafka_wait_begin(&p->client, &w));
    while ((err = ask(p)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char *topic = p->topics[p->last].name;
        if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {        /* a topic that is being made is not known yet */
            if (mono_ns(p) - w.began_ns > MAKE_MS * INT64_C(1000000))
                return no_topic(p, topic);
            err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
        }
        if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
            return sq_fail(p->ctx, SQ_EXTERNAL, "kafka at '%s' does not let this user write to the topic '%s'", p->table->props.servers, topic);
        SQ_TRY(sq_kafka_wait_again(&p->client, &w, err, "the topics"));
    }
    return SQ_OK;
}

/* ---- what went wrong ---- */

void sq_kafka_producer_forget(struct sq_kafka_producer *p)
{
    p->nlost = 0;
    p->lost = RD_KAFKA_RESP_ERR_NO_ERROR;
}

static sq_rc fail_lost(struct sq_kafka_producer *p)
{
    const char *servers = p->table->props.servers, *said = p->client.said[0] ? p->client.said : NULL;
    switch (p->lost) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
        sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': kafka at '%s' does not take a message of %zu bytes into topic '%s'", SQ_FMT(p->name), servers, p->lost_size, p->lost_topic);
        sq_lasting(p->ctx);
        return sq_hint(p->ctx, "raise max.message.bytes of the topic, or message.max.bytes of the brokers");
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
        sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': kafka at '%s' did not take messages of topic '%s' in time%s%s", SQ_FMT(p->name), servers, p->lost_topic,
                said ? "; the last error: " : "", said ? said : "");
        return sq_hint(p->ctx, "'properties.delivery.timeout.ms' says how long to try");
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return sq_fail(p->ctx, SQ_EXTERNAL, "kafka at '%s' does not let this user write to the topic '%s'", servers, p->lost_topic);
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC: case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': kafka at '%s' has no topic '%s' any more", SQ_FMT(p->name), servers, p->lost_topic);
        sq_lasting(p->ctx);
        return sq_hint(p->ctx, "was the topic deleted while the job ran?");
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': kafka at '%s' does not take a message into topic '%s': %s", SQ_FMT(p->name), servers, p->lost_topic, p->client.api.err2str(p->lost));
        sq_lasting(p->ctx);
        return sq_hint(p->ctx, "a topic with cleanup.policy = compact takes only messages with a key: see 'key.format' and 'key.fields'");
    default:
        return sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': topic %s, partition %d: a message could not be delivered: %s", SQ_FMT(p->name), p->lost_topic, p->lost_partition,
                       p->client.api.err2str(p->lost));
    }
}

sq_rc sq_kafka_producer_failed(struct sq_kafka_producer *p, rd_kafka_resp_err_t err, const char *what)
{
    char why[300] = "";
    if (p->client.refused && p->client.refused != RD_KAFKA_RESP_ERR__FATAL)
        return sq_kafka_unreachable(&p->client, "delivery", 0);
    rd_kafka_resp_err_t fatal = p->client.api.fatal_error(p->client.rk, why, sizeof why);
    if (fatal)
        return sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': %s: %s", SQ_FMT(p->name), what, why[0] ? why : p->client.api.err2str(fatal));
    return sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': %s: %s", SQ_FMT(p->name), what, p->client.api.err2str(err));
}

/* With every broker gone: told, and told again when one is back. librdkafka does the waiting. */
static void watch(struct sq_kafka_producer *p, bool may_block)
{
    struct sq_kafka_client *c = &p->client;
    const struct rd_kafka_metadata *md = NULL;
    int64_t now;
    if (!c->down)
        return;
    if (!p->down_told)
        sq_notice(p->ctx, "kafka at '%s' cannot be reached (%s); the rows for table '%.*s' wait for it", p->table->props.servers, c->said, SQ_FMT(p->name));
    p->down_told = true;
    now = mono_ns(p);
    if (!may_block || now - p->probed_ns < 500000000)
        return;
    p->probed_ns = now;
    if (c->api.metadata(c->rk, 0, NULL, &md, PROBE_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    c->api.metadata_destroy(md);
    c->down = p->down_told = false;
    sq_notice(p->ctx, "kafka at '%s' answers again", p->table->props.servers);
}

sq_rc sq_kafka_producer_check(struct sq_kafka_producer *p)
{
    sq_kafka_serve(&p->client);
    if (SQ_UNLIKELY(p->nlost))
        return fail_lost(p);
    if (SQ_UNLIKELY(p->client.refused))
        return sq_kafka_producer_failed(p, p->client.refused, "writing");
    watch(p, false);
    return SQ_OK;
}

/* ---- messages ---- */

static rd_kafka_resp_err_t with_metadata(struct sq_kafka_producer *p, const struct sq_kafka_record *r, void *number)
{
    const struct sq_kafka_api *k = &p->client.api;
    rd_kafka_headers_t *h = r->nheaders ? k->headers_new(r->nheaders) : NULL;
    for (uint32_t i = 0; i < r->nheaders; i++)
        k->header_add(h, r->headers[i].name.p, r->headers[i].name.n, r->headers[i].value.p, r->headers[i].value.p ? (ssize_t)r->headers[i].value.n : 0);
    rd_kafka_vu_t v[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = p->topics[p->last].rkt},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)r->value.p, r->value.n}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)r->key.p, r->key.n}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = number},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = r->ts_ms < 0 ? 0 : r->ts_ms},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = h},
    };
    rd_kafka_error_t *e = k->produceva(p->client.rk, v, SQ_LEN(v) - !h);
    rd_kafka_resp_err_t err = e ? k->error_code(e) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (e) {
        k->error_destroy(e);
        if (h)
            k->headers_destroy(h);                      /* ours again */
    }
    return err;
}

static rd_kafka_resp_err_t try_once(struct sq_kafka_producer *p, const struct sq_kafka_record *r)
{
    void *number = (void *)(p->table->partitioner == SQ_KAFKA_ROUND_ROBIN ? p->turn : 0);
    if (r->nheaders || r->ts_ms >= 0)
        return with_metadata(p, r, number);
    if (p->client.api.produce(p->topics[p->last].rkt, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, (void *)r->value.p, r->value.n, r->key.p, r->key.n, number) == 0)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    return p->client.api.last_error();
}

static sq_rc refused(struct sq_kafka_producer *p, const struct sq_kafka_record *r, rd_kafka_resp_err_t err)
{
    const char *topic = p->topics[p->last].name;
    sq_kafka_serve(&p->client);
    if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        sq_fail(p->ctx, SQ_LIMIT, "table '%.*s': a message for topic '%s' has %zu bytes, and at most %lld may be sent", SQ_FMT(p->name), topic, r->key.n + r->value.n,
                (long long)p->table->props.max_request);
        return sq_hint(p->ctx, "raise 'properties.max.request.size' (and max.message.bytes of the topic)");
    }
    if (p->nlost)
        return fail_lost(p);
    if (err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
        sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': kafka at '%s' has no topic '%s' any more", SQ_FMT(p->name), p->table->props.servers, topic);
        sq_lasting(p->ctx);
        return sq_hint(p->ctx, "was the topic deleted while the job ran?");
    }
    return sq_kafka_producer_failed(p, err, "writing");
}

sq_rc sq_kafka_produce(struct sq_kafka_producer *p, const struct sq_kafka_record *r)
{
    int64_t pause_us = PAUSE_US;
    rd_kafka_resp_err_t err;
    SQ_TRY(find_topic(p, r->topic));
    while (SQ_UNLIKELY((err = try_once(p, r)) != RD_KAFKA_RESP_ERR_NO_ERROR)) {
        if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return refused(p, r, err);
        SQ_TRY(sq_kafka_producer_check(p));
        watch(p, true);
        SQ_TRY(sq_check_interrupt(p->ctx));
        p->ctx->os->sleep_us(p->ctx->os->arg, pause_us);
        pause_us = pause_us * 2 > PAUSE_MAX_US ? PAUSE_MAX_US : pause_us * 2;
    }
    return SQ_OK;
}

sq_rc sq_kafka_producer_flush(struct sq_kafka_producer *p)
{
    for (;;) {
        rd_kafka_resp_err_t err = p->client.api.flush(p->client.rk, FLUSH_MS);
        SQ_TRY(sq_kafka_producer_check(p));
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return SQ_OK;
        SQ_TRY(sq_check_interrupt(p->ctx));
        watch(p, true);
    }
}
#endif
