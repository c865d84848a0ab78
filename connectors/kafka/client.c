/* SPDX-License-Identifier: Apache-2.0
 *
 * client.c: opens librdkafka with dlopen, makes clients, and turns their events into notices and errors. The library stays mapped once
 * it was used (RTLD_NODELETE): its threads and those of OpenSSL may outlive a client for a moment.
 */
#ifdef SQ_HAVE_KAFKA
#include "connectors/kafka/client.h"

#include <dlfcn.h>
#include <stdio.h>

enum { OLDEST = 0x01060000, QUIET_MS = 900 };   /* 1.6: no topics are made by asking for them */

sq_rc sq_kafka_load(struct sq_ctx *ctx, struct sq_kafka_api *k)
{
    static const char *const names[] = {
#define NAME(f) "rd_kafka_" #f,
        SQ_KAFKA_CALLS(NAME)
#undef NAME
    };
    void **slots[] = {
#define SLOT(f) (void **)(void *)&k->f,
        SQ_KAFKA_CALLS(SLOT)
#undef SLOT
    };
    k->library = dlopen("librdkafka.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!k->library) {
        sq_fail(ctx, SQ_EXTERNAL, "tables of connector 'kafka' need the library librdkafka.so.1, which is not installed");
        return sq_hint(ctx, "on Debian: apt-get install librdkafka1");
    }
    for (size_t i = 0; i < SQ_LEN(names); i++) {
        *slots[i] = dlsym(k->library, names[i]);
        if (!*slots[i]) {
            sq_kafka_unload(k);
            return sq_fail(ctx, SQ_EXTERNAL, "the library librdkafka.so.1 has no function %s; version 1.6 or newer is needed", names[i]);
        }
    }
    *(void **)(void *)&k->message_leader_epoch = dlsym(k->library, "rd_kafka_message_leader_epoch");
    if (k->version() < OLDEST) {
        sq_fail(ctx, SQ_EXTERNAL, "the library librdkafka.so.1 has version %s; 1.6 or newer is needed", k->version_str());
        sq_kafka_unload(k);
        return SQ_EXTERNAL;
    }
    return SQ_OK;
}

void sq_kafka_unload(struct sq_kafka_api *k)
{
    if (k->library)
        dlclose(k->library);
    k->library = NULL;
}

/* ---- a client ---- */

static sq_rc set(struct sq_kafka_client *c, rd_kafka_conf_t *conf, const char *key, const char *value, const char *given)
{
    char why[300] = "";
    if (c->api.conf_set(conf, key, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return SQ_OK;
    if (!given)
        return sq_fail(c->ctx, SQ_INTERNAL, "librdkafka %s refuses '%s': %s", c->api.version_str(), key, why);
    if (sq_option_secret(NULL, 0, sq_str_of(given)))
        return sq_fail(c->ctx, SQ_SEMANTIC, "'properties.%s': librdkafka %s does not take its value", given, c->api.version_str());
    return sq_fail(c->ctx, SQ_SEMANTIC, "'properties.%s': librdkafka %s does not take its value: %s", given, c->api.version_str(), why);
}

static sq_rc set_number(struct sq_kafka_client *c, rd_kafka_conf_t *conf, const char *key, int64_t v)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)v);
    return set(c, conf, key, text, NULL);
}

static sq_rc configure_consumer(struct sq_kafka_client *c, rd_kafka_conf_t *conf, const struct sq_kafka_role *role)
{
    SQ_TRY(set(c, conf, "isolation.level", "read_uncommitted", NULL));   /* Java's default; librdkafka's is the other */
    SQ_TRY(set(c, conf, "enable.partition.eof", "true", NULL));
    SQ_TRY(set(c, conf, "enable.auto.offset.store", "false", NULL));
    SQ_TRY(set(c, conf, "auto.offset.reset", role->reset, NULL));
    if (role->watch_topics)
        SQ_TRY(set(c, conf, "debug", "topic", NULL));                    /* some lines when something happens to a topic: take_log */
    return role->queue_kb ? set_number(c, conf, "queued.max.messages.kbytes", role->queue_kb) : SQ_OK;
}

/* Java's defaults where the two differ and it matters; only what fails is reported. */
static sq_rc configure_producer(struct sq_kafka_client *c, rd_kafka_conf_t *conf, const struct sq_kafka_role *role)
{
    const struct sq_kafka_properties *p = &c->table->props;
    SQ_TRY(set(c, conf, "delivery.report.only.error", "true", NULL));
    SQ_TRY(set(c, conf, "linger.ms", "0", NULL));
    SQ_TRY(set(c, conf, "queue.buffering.max.kbytes", "65536", NULL));
    SQ_TRY(set(c, conf, "queue.buffering.max.messages", "1000000", NULL));
    SQ_TRY(set_number(c, conf, "message.max.bytes", p->max_request));
    SQ_TRY(set(c, conf, "enable.idempotence", p->idempotent || role->transactional_id ? "true" : "false", NULL));
    if (!role->transactional_id)
        return set(c, conf, "message.timeout.ms", "120000", NULL);
    SQ_TRY(set(c, conf, "transactional.id", role->transactional_id, NULL));
    return set_number(c, conf, "transaction.timeout.ms", role->transaction_ms);
}

static sq_rc configure(struct sq_kafka_client *c, rd_kafka_conf_t *conf, const struct sq_kafka_role *role)
{
    const struct sq_kafka_properties *p = &c->table->props;
    enum sq_kafka_side other = role->producer ? SQ_KAFKA_CONSUMER : SQ_KAFKA_PRODUCER;

    SQ_TRY(set(c, conf, "client.id", "sqluice", NULL));
    SQ_TRY(set(c, conf, "log.queue", "true", NULL));
    SQ_TRY(set(c, conf, "reconnect.backoff.max.ms", "2000", NULL));
    SQ_TRY(role->producer ? configure_producer(c, conf, role) : configure_consumer(c, conf, role));
    for (uint32_t i = 0; i < p->nconf; i++)
        if (p->conf[i].side != other)
            SQ_TRY(set(c, conf, p->conf[i].key, p->conf[i].value, p->conf[i].given));
    if (role->group)
        SQ_TRY(set(c, conf, "group.id", role->group, NULL));
    if (role->isolation)
        SQ_TRY(set(c, conf, "isolation.level", role->isolation, NULL));
    if (!role->producer)
        SQ_TRY(set(c, conf, "enable.auto.commit", "false", NULL));       /* the reader commits what it handed on */
    c->api.conf_set_events(conf, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG | (role->producer ? RD_KAFKA_EVENT_DR : 0));
    return SQ_OK;
}

sq_rc sq_kafka_connect(struct sq_ctx *ctx, const struct sq_kafka_table *table, const struct sq_kafka_role *role, struct sq_kafka_client *c)
{
    char why[300] = "";
    *c = (struct sq_kafka_client){.ctx = ctx, .table = table};
    SQ_TRY(sq_kafka_load(ctx, &c->api));
    rd_kafka_conf_t *conf = c->api.conf_new();
    sq_rc rc = configure(c, conf, role);
    if (rc != SQ_OK) {
        c->api.conf_destroy(conf);
        sq_kafka_unload(&c->api);
        return rc;
    }
    c->rk = c->api.new(role->producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!c->rk) {
        c->api.conf_destroy(conf);
        sq_kafka_unload(&c->api);
        return sq_fail(ctx, SQ_EXTERNAL, "kafka at '%s': %s", table->props.servers, why);
    }
    c->events = c->api.queue_get_main(c->rk);
    c->api.set_log_queue(c->rk, c->events);
    return SQ_OK;
}

void sq_kafka_disconnect(struct sq_kafka_client *c)
{
    if (c->events)
        c->api.queue_destroy(c->events);
    if (c->rk)
        c->api.destroy_flags(c->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    if (c->api.library)
        sq_kafka_unload(&c->api);
    c->events = NULL;
    c->rk = NULL;
}

/* ---- what it says ---- */

bool sq_kafka_transient(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR__TRANSPORT: case RD_KAFKA_RESP_ERR__TIMED_OUT: case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN: case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE: case RD_KAFKA_RESP_ERR__WAIT_COORD: case RD_KAFKA_RESP_ERR__IN_PROGRESS: case RD_KAFKA_RESP_ERR__NODE_UPDATE:
    case RD_KAFKA_RESP_ERR__WAIT_CACHE: case RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS: case RD_KAFKA_RESP_ERR__INTR: case RD_KAFKA_RESP_ERR__RETRY:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE: case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION: case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE: case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE: case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS: case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE: case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR: case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH: case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE: case RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE: case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED:
        return true;
    default:
        return false;
    }
}

static bool is_refusal(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__AUTHENTICATION || err == RD_KAFKA_RESP_ERR__SSL || err == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
           err == RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM || err == RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE || err == RD_KAFKA_RESP_ERR__FATAL;
}

/* Texts such as "sasl_plaintext://127.0.0.1:9094/bootstrap: SASL authentication error: … (after 311ms in state AUTH_REQ)". */
void sq_kafka_keep(struct sq_kafka_client *c, const char *text)
{
    size_t n = strlen(text);
    const char *cut = strstr(text, " (after ");
    if (cut)
        n = (size_t)(cut - text);
    if (n >= sizeof c->said)
        n = sizeof c->said - 1;
    memcpy(c->said, text, n);
    c->said[n] = 0;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)c->said[i] < ' ')
            c->said[i] = ' ';
}

static void take_error(struct sq_kafka_client *c, rd_kafka_event_t *ev)
{
    rd_kafka_resp_err_t err = c->api.event_error(ev);
    const char *text = c->api.event_error_string(ev);
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        c->down = true;
        if (c->said[0])
            return;                                     /* what came before says more */
    }
    if (is_refusal(err))
        c->refused = err;
    if (text)
        sq_kafka_keep(c, text);
}

/* Two kinds of log lines count, of what comes in no other way: why a transaction failed, and that a broker has no such topic (librdkafka asks
 * again, and goes on at the same offset when there is one; which of the name it is it cannot tell). */
static void take_log(struct sq_kafka_client *c, rd_kafka_event_t *ev)
{
    const char *facility, *text, *colon;
    int level;
    if (c->api.event_log(ev, &facility, &text, &level) != 0)
        return;
    if (strcmp(facility, "BROKERUA") == 0 || strcmp(facility, "LEADERUA") == 0)
        c->doubt |= strstr(text, c->api.err2str(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)) != NULL;
    if (strcmp(facility, "TXNERR") != 0)
        return;
    colon = strstr(text, "failed in state ");           /* "[thrd:main]: Current transaction failed in state InTransaction: why (_NAME)" */
    colon = colon ? strchr(colon, ':') : NULL;
    sq_kafka_keep(c, colon && colon[1] ? colon + 2 : text);
}

void sq_kafka_serve(struct sq_kafka_client *c)
{
    rd_kafka_event_t *ev;
    for (int i = 0; i < 64 && (ev = c->api.queue_poll(c->events, 0)) != NULL; i++) {
        switch (c->api.event_type(ev)) {
        case RD_KAFKA_EVENT_ERROR:
            take_error(c, ev);
            break;
        case RD_KAFKA_EVENT_LOG:
            take_log(c, ev);
            break;
        case RD_KAFKA_EVENT_DR:
            if (c->delivered)
                c->delivered(c->arg, ev);
            break;
        default:
            break;
        }
        c->api.event_destroy(ev);
    }
}

/* ---- waiting for brokers ---- */

static int64_t mono_ns(const struct sq_kafka_client *c) { return c->ctx->os->mono_ns(c->ctx->os->arg); }

sq_rc sq_kafka_wait_begin(struct sq_kafka_client *c, struct sq_kafka_wait *w)
{
    *w = (struct sq_kafka_wait){.began_ns = mono_ns(c)};
    return sq_check_interrupt(c->ctx);
}

sq_rc sq_kafka_unreachable(struct sq_kafka_client *c, const char *what, int64_t waited_ms)
{
    const char *servers = c->table->props.servers;
    if (c->refused == RD_KAFKA_RESP_ERR__FATAL)
        return sq_fail(c->ctx, SQ_EXTERNAL, "kafka at '%s', asked for %s: %s", servers, what, c->said);
    if (c->refused) {
        sq_fail(c->ctx, SQ_EXTERNAL, "kafka at '%s' refuses the connection: %s", servers, c->said);
        sq_lasting(c->ctx);
        return sq_hint(c->ctx, c->refused == RD_KAFKA_RESP_ERR__SSL ? "see 'properties.security.protocol' and 'properties.ssl.*'"
                                                                   : "see 'properties.security.protocol', 'properties.sasl.mechanism' and 'properties.sasl.jaas.config'");
    }
    sq_fail(c->ctx, SQ_EXTERNAL, "kafka at '%s' cannot be reached: asked for %s for %lld s%s%s", servers, what, (long long)(waited_ms + 500) / 1000,
            c->said[0] ? "; the last error: " : "", c->said);
    return sq_hint(c->ctx, "check 'properties.bootstrap.servers'; 'properties.default.api.timeout.ms' says how long to try");
}

sq_rc sq_kafka_wait_again(struct sq_kafka_client *c, struct sq_kafka_wait *w, rd_kafka_resp_err_t err, const char *what)
{
    int64_t waited_ms = (mono_ns(c) - w->began_ns) / 1000000;
    sq_kafka_serve(c);
    if (is_refusal(err))
        c->refused = err;
    if (c->refused)
        return sq_kafka_unreachable(c, what, waited_ms);
    if (!sq_kafka_transient(err))
        return sq_fail(c->ctx, SQ_EXTERNAL, "kafka at '%s', asked for %s: %s", c->table->props.servers, what, c->api.err2str(err));
    SQ_TRY(sq_check_interrupt(c->ctx));
    if (waited_ms >= c->table->props.timeout_ms)
        return sq_kafka_unreachable(c, what, waited_ms);
    if (!c->said[0])
        sq_kafka_keep(c, c->api.err2str(err));
    if (!w->told && waited_ms >= QUIET_MS) {            /* a coordinator that is just being made is no news */
        w->told = true;
        sq_notice(c->ctx, "kafka at '%s' does not answer (%s); trying again for %lld s", c->table->props.servers, c->said,
                  (long long)((c->table->props.timeout_ms - waited_ms + 999) / 1000));
    }
    c->ctx->os->sleep_us(c->ctx->os->arg, 100000);
    return SQ_OK;
}
#endif
