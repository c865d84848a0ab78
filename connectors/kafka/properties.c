/* SPDX-License-Identifier: Apache-2.0
 *
 * properties.c: 'properties.*' as they are written for Java's client, as librdkafka takes them. An allow-list: a property goes on only
 * with a row here, to the clients that take it. What would load code or run a command is refused; what only tunes Java's client is listed in one
 * notice, once per table.
 *
 * TLS: Java's stores become files in PEM ('ssl.truststore.type' = 'PEM') or PKCS#12 (a keystore); JKS is refused, with the way to PEM. SASL: the
 * user name and password of 'sasl.jaas.config' are taken out of it, for PLAIN and SCRAM.
 */
#include "base/text.h"
#include "connectors/kafka/kafka.h"

#include <stdio.h>

enum what {
    PASS,        /* to librdkafka, under `to` or the same name */
    IN, OUT,     /* the same, for consumers, for producers only */
    HERE,        /* used by the connector itself */
    JAVA,        /* tunes Java's client: no effect */
    REFUSE       /* with the reason */
};

#define SAME NULL
#define CODE "it would load code into the job"
#define OAUTH "OAUTHBEARER is not supported; PLAIN and SCRAM are"
#define JAVA_KEY(k) {k, JAVA, NULL}
#define TRANSACTIONS "the sink names and ends its transactions itself: 'sink.delivery-guarantee' and 'sink.transactional-id-prefix'"

static const struct row {
    const char *key;
    enum what what;
    const char *to;              /* PASS: the other name; REFUSE: why */
} rows[] = {
    {"bootstrap.servers", HERE, SAME}, {"group.id", HERE, SAME}, {"auto.offset.reset", HERE, SAME}, {"enable.auto.commit", HERE, SAME},
    {"auto.commit.interval.ms", HERE, SAME}, {"default.api.timeout.ms", HERE, SAME}, {"security.protocol", HERE, SAME}, {"sasl.mechanism", HERE, SAME},
    {"sasl.mechanisms", HERE, SAME}, {"sasl.jaas.config", HERE, SAME}, {"ssl.truststore.type", HERE, SAME}, {"ssl.truststore.location", HERE, SAME},
    {"ssl.truststore.password", HERE, SAME}, {"ssl.keystore.type", HERE, SAME}, {"ssl.keystore.location", HERE, SAME}, {"ssl.keystore.password", HERE, SAME},
    {"ssl.endpoint.identification.algorithm", HERE, SAME},

    {"client.id", PASS, SAME}, {"client.rack", PASS, SAME}, {"client.dns.lookup", PASS, SAME}, {"metadata.max.age.ms", PASS, SAME},
    {"check.crcs", IN, SAME}, {"isolation.level", IN, SAME}, {"reconnect.backoff.ms", PASS, SAME}, {"reconnect.backoff.max.ms", PASS, SAME},
    {"retry.backoff.ms", PASS, SAME}, {"connections.max.idle.ms", PASS, SAME}, {"socket.connection.setup.timeout.ms", PASS, SAME},
    {"fetch.min.bytes", IN, SAME}, {"fetch.max.bytes", IN, SAME}, {"max.partition.fetch.bytes", IN, SAME},
    {"fetch.max.wait.ms", IN, "fetch.wait.max.ms"}, {"request.timeout.ms", PASS, "socket.timeout.ms"},
    {"receive.buffer.bytes", PASS, "socket.receive.buffer.bytes"}, {"send.buffer.bytes", PASS, "socket.send.buffer.bytes"},
    {"ssl.key.password", PASS, SAME}, {"ssl.keystore.key", PASS, "ssl.key.pem"}, {"ssl.keystore.certificate.chain", PASS, "ssl.certificate.pem"},
    {"ssl.truststore.certificates", PASS, "ssl.ca.pem"}, {"sasl.kerberos.service.name", PASS, SAME},

    {"transaction.timeout.ms", HERE, SAME}, {"enable.idempotence", HERE, SAME}, {"max.request.size", HERE, SAME}, {"message.max.bytes", HERE, SAME},
    {"buffer.memory", HERE, SAME}, {"batch.size", HERE, SAME}, {"compression.gzip.level", HERE, SAME}, {"compression.lz4.level", HERE, SAME},
    {"compression.zstd.level", HERE, SAME}, {"max.block.ms", HERE, SAME},
    {"acks", OUT, SAME}, {"compression.type", OUT, SAME}, {"linger.ms", OUT, SAME}, {"delivery.timeout.ms", OUT, "message.timeout.ms"},
    {"retries", OUT, "message.send.max.retries"}, {"max.in.flight.requests.per.connection", OUT, SAME},

    /* librdkafka's own names, for who knows them */
    {"sasl.username", PASS, SAME}, {"sasl.password", PASS, SAME}, {"ssl.ca.location", PASS, SAME}, {"ssl.ca.pem", PASS, SAME},
    {"ssl.certificate.location", PASS, SAME}, {"ssl.certificate.pem", PASS, SAME}, {"ssl.key.location", PASS, SAME}, {"ssl.key.pem", PASS, SAME},
    {"enable.ssl.certificate.verification", PASS, SAME}, {"fetch.wait.max.ms", IN, SAME}, {"fetch.message.max.bytes", IN, SAME},
    {"fetch.error.backoff.ms", IN, SAME}, {"receive.message.max.bytes", PASS, SAME}, {"queued.min.messages", IN, SAME},
    {"queued.max.messages.kbytes", IN, SAME}, {"socket.timeout.ms", PASS, SAME}, {"socket.keepalive.enable", PASS, SAME},
    {"socket.nagle.disable", PASS, SAME}, {"socket.receive.buffer.bytes", PASS, SAME}, {"socket.send.buffer.bytes", PASS, SAME},
    {"broker.address.family", PASS, SAME}, {"broker.address.ttl", PASS, SAME}, {"topic.metadata.refresh.interval.ms", PASS, SAME},

    {"request.required.acks", OUT, "acks"}, {"compression.codec", OUT, "compression.type"}, {"compression.level", OUT, SAME},
    {"queue.buffering.max.ms", OUT, "linger.ms"}, {"queue.buffering.max.messages", OUT, SAME}, {"queue.buffering.max.kbytes", OUT, SAME},
    {"batch.num.messages", OUT, SAME}, {"message.timeout.ms", OUT, SAME}, {"message.send.max.retries", OUT, SAME}, {"max.in.flight", OUT, "max.in.flight.requests.per.connection"},
    {"sticky.partitioning.linger.ms", OUT, SAME},

    {"transactional.id", REFUSE, TRANSACTIONS}, {"partitioner.class", REFUSE, "it names a Java class; 'sink.partitioner' says which partition a message goes to"},
    {"partitioner", REFUSE, "'sink.partitioner' says which partition a message goes to"},
    {"plugin.library.paths", REFUSE, CODE}, {"ssl.engine.location", REFUSE, CODE}, {"ssl.engine.id", REFUSE, CODE}, {"ssl.engine.factory.class", REFUSE, CODE},
    {"ssl.providers", REFUSE, CODE}, {"security.providers", REFUSE, CODE}, {"interceptor.classes", REFUSE, "it names a Java class, and there is no Java here"},
    {"sasl.client.callback.handler.class", REFUSE, "it names a Java class, and there is no Java here"},
    {"sasl.login.callback.handler.class", REFUSE, "it names a Java class, and there is no Java here"},
    {"sasl.login.class", REFUSE, "it names a Java class, and there is no Java here"},
    {"sasl.kerberos.kinit.cmd", REFUSE, "it would run a command"}, {"sasl.oauthbearer.config", REFUSE, OAUTH}, {"sasl.oauthbearer.token.endpoint.url", REFUSE, OAUTH},
    {"sasl.oauthbearer.jwks.endpoint.url", REFUSE, OAUTH}, {"sasl.oauthbearer.method", REFUSE, OAUTH}, {"enable.sasl.oauthbearer.unsecure.jwt", REFUSE, OAUTH},
    {"ssl.cipher.suites", REFUSE, "it names ciphers in Java's way; OpenSSL's defaults are used without it"},
    {"ssl.keymanager.algorithm", REFUSE, "it is one of Java's; leave it out"}, {"ssl.trustmanager.algorithm", REFUSE, "it is one of Java's; leave it out"},

    JAVA_KEY("allow.auto.create.topics"), JAVA_KEY("auto.include.jmx.reporter"), JAVA_KEY("enable.metrics.push"), JAVA_KEY("exclude.internal.topics"),
    JAVA_KEY("flink.partition-discovery.interval-millis"), JAVA_KEY("partition.discovery.interval.ms"), JAVA_KEY("group.instance.id"), JAVA_KEY("group.protocol"),
    JAVA_KEY("group.remote.assignor"), JAVA_KEY("heartbeat.interval.ms"), JAVA_KEY("internal.leave.group.on.close"), JAVA_KEY("key.deserializer"),
    JAVA_KEY("max.poll.interval.ms"), JAVA_KEY("max.poll.records"), JAVA_KEY("metric.reporters"), JAVA_KEY("metrics.num.samples"),
    JAVA_KEY("metrics.recording.level"), JAVA_KEY("metrics.sample.window.ms"), JAVA_KEY("partition.assignment.strategy"),
    JAVA_KEY("session.timeout.ms"), JAVA_KEY("socket.connection.setup.timeout.max.ms"), JAVA_KEY("ssl.enabled.protocols"), JAVA_KEY("ssl.protocol"),
    JAVA_KEY("ssl.provider"), JAVA_KEY("ssl.secure.random.implementation"), JAVA_KEY("value.deserializer"), JAVA_KEY("zookeeper.connect"),
    JAVA_KEY("key.serializer"), JAVA_KEY("value.serializer"), JAVA_KEY("metadata.max.idle.ms"), JAVA_KEY("partitioner.ignore.keys"),
    JAVA_KEY("partitioner.adaptive.partitioning.enable"), JAVA_KEY("partitioner.availability.timeout.ms"), JAVA_KEY("client.id.prefix"), JAVA_KEY("commit.offsets.on.checkpoint"), JAVA_KEY("register.consumer.metrics"),
};

struct map {
    struct sq_ctx *ctx;
    struct sq_arena *arena;
    const struct sq_kv *kv;          /* keys without 'properties.' */
    uint32_t n;
    struct sq_kafka_properties *out;
    struct sq_buf idle;              /* names without effect */
};

static const struct row *find_row(struct sq_str key)
{
    for (size_t i = 0; i < SQ_LEN(rows); i++)
        if (sq_str_is(key, rows[i].key))
            return &rows[i];
    return NULL;
}

static const struct sq_kv *given(const struct map *m, const char *key)
{
    const struct sq_kv *kv = sq_option_given(m->kv, m->n, key);
    return kv && kv->value.p ? kv : NULL;
}

static sq_rc add_for(struct map *m, enum sq_kafka_side side, const char *key, struct sq_str value, const struct sq_kv *from)
{
    struct sq_str v = sq_str_dup(m->arena, value), name = sq_str_dup(m->arena, from->key);
    if (!v.p || !name.p)
        return SQ_NOMEM;
    if (memchr(v.p, 0, v.n))
        return sq_fail_at(m->ctx, SQ_SEMANTIC, from->value_span, "'properties.%s' holds a NUL byte", name.p);
    m->out->conf[m->out->nconf++] = (struct sq_kafka_conf){key, v.p, name.p, side};
    return SQ_OK;
}

static sq_rc add(struct map *m, const char *key, struct sq_str value, const struct sq_kv *from) { return add_for(m, SQ_KAFKA_BOTH, key, value, from); }

/* ---- the descriptors of old: 'connector.properties.0.key' = 'group.id', 'connector.properties.0.value' = 'g' ---- */

static bool numbered(struct sq_str key, const char *tail, struct sq_str *number)
{
    size_t n = strlen(tail);
    if (key.n <= n || memcmp(key.p + key.n - n, tail, n) != 0)
        return false;
    *number = (struct sq_str){key.p, key.n - (uint32_t)n};
    for (uint32_t i = 0; i < number->n; i++)
        if (number->p[i] < '0' || number->p[i] > '9')
            return false;
    return true;
}

static sq_rc join_numbered(struct map *m, const struct sq_option_map *in)
{
    struct sq_kv *kv = SQ_NEW_ARRAY(m->arena, struct sq_kv, in->n + 1);
    struct sq_str a, b;
    if (!kv)
        return SQ_NOMEM;
    m->kv = kv;
    for (uint32_t i = 0; i < in->n; i++) {
        const struct sq_kv *value = NULL;
        if (numbered(in->kv[i].key, ".value", &a)) {
            for (uint32_t k = 0; k < in->n && !value; k++)
                value = numbered(in->kv[k].key, ".key", &b) && sq_str_eq(a, b) ? &in->kv[k] : NULL;
            if (!value)
                return sq_fail_at(m->ctx, SQ_SEMANTIC, in->kv[i].key_span, "'connector.properties.%.*s.key' is missing", SQ_FMT(a));
            continue;
        }
        if (!numbered(in->kv[i].key, ".key", &a)) {
            kv[m->n++] = in->kv[i];
            continue;
        }
        for (uint32_t k = 0; k < in->n && !value; k++)
            value = numbered(in->kv[k].key, ".value", &b) && sq_str_eq(a, b) ? &in->kv[k] : NULL;
        if (!value)
            return sq_fail_at(m->ctx, SQ_SEMANTIC, in->kv[i].key_span, "'connector.properties.%.*s.value' is missing", SQ_FMT(a));
        kv[m->n++] = (struct sq_kv){in->kv[i].value, value->value, in->kv[i].key_span, value->value_span};
    }
    return SQ_OK;
}

/* ---- SASL ---- */

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* A word, or a text in quotes with backslashes in it, as Java's StreamTokenizer reads them. */
static bool jaas_token(struct sq_arena *arena, struct sq_str *in, struct sq_str *out)
{
    while (in->n && is_space(in->p[0]))
        *in = (struct sq_str){in->p + 1, in->n - 1};
    if (!in->n)
        return false;
    char quote = in->p[0] == '"' || in->p[0] == '\'' ? in->p[0] : 0;
    uint32_t n = quote ? 1 : 0;
    char *text = SQ_NEW_ARRAY(arena, char, in->n + 1);
    if (!text)
        return false;
    out->p = text;
    out->n = 0;
    if (!quote && (in->p[0] == '=' || in->p[0] == ';')) {
        *out = (struct sq_str){in->p, 1};
        *in = (struct sq_str){in->p + 1, in->n - 1};
        return true;
    }
    for (; n < in->n; n++) {
        char c = in->p[n];
        if (quote ? c == quote : is_space(c) || c == '=' || c == ';')
            break;
        if (quote && c == '\\' && n + 1 < in->n)
            c = in->p[++n];
        text[out->n++] = c;
    }
    if (quote && n++ >= in->n)
        return false;                                   /* not closed */
    *in = (struct sq_str){in->p + n, in->n - n};
    return true;
}

bool sq_kafka_jaas_parse(struct sq_arena *arena, struct sq_str in, struct sq_kafka_jaas *out)
{
    struct sq_str flag, key, eq, value;
    *out = (struct sq_kafka_jaas){{NULL, 0}, {NULL, 0}, {NULL, 0}};
    if (!jaas_token(arena, &in, &out->module) || !jaas_token(arena, &in, &flag))
        return false;
    if (!sq_str_iis(flag, "required") && !sq_str_iis(flag, "requisite") && !sq_str_iis(flag, "sufficient") && !sq_str_iis(flag, "optional"))
        return false;
    while (jaas_token(arena, &in, &key)) {
        if (sq_str_is(key, ";"))
            return sq_str_trim(in).n == 0;
        if (!jaas_token(arena, &in, &eq) || !sq_str_is(eq, "=") || !jaas_token(arena, &in, &value))
            return false;
        if (sq_str_is(key, "username"))
            out->username = value;
        else if (sq_str_is(key, "password"))
            out->password = value;
    }
    return false;                                       /* the ; is missing */
}

static bool ends_with(struct sq_str s, const char *tail)
{
    size_t n = strlen(tail);
    return s.n >= n && memcmp(s.p + s.n - n, tail, n) == 0;
}

static sq_rc jaas(struct map *m, const struct sq_kv *kv, struct sq_str mechanism)
{
    struct sq_kafka_jaas j;
    bool plain, scram;
    if (!sq_kafka_jaas_parse(m->arena, kv->value, &j)) {
        sq_fail_at(m->ctx, SQ_SEMANTIC, kv->value_span, "'properties.sasl.jaas.config' is not a login module with its options");
        return sq_hint(m->ctx, "write 'org.apache.kafka.common.security.plain.PlainLoginModule required username=\"…\" password=\"…\";'");
    }
    plain = ends_with(j.module, "PlainLoginModule");
    scram = ends_with(j.module, "ScramLoginModule");
    if (!plain && !scram)
        return sq_fail_at(m->ctx, SQ_UNSUPPORTED, kv->value_span, "'properties.sasl.jaas.config': of the login modules PlainLoginModule and ScramLoginModule are supported");
    if (!mechanism.p) {
        sq_fail_at(m->ctx, SQ_SEMANTIC, kv->key_span, "'properties.sasl.jaas.config' needs 'properties.sasl.mechanism' beside it");
        return sq_hint(m->ctx, "add 'properties.sasl.mechanism' = '%s'", plain ? "PLAIN" : "SCRAM-SHA-256");
    }
    if (plain != sq_str_is(mechanism, "PLAIN"))
        return sq_fail_at(m->ctx, SQ_SEMANTIC, kv->value_span, "'properties.sasl.jaas.config' has the login module of %s, but 'properties.sasl.mechanism' is '%.*s'",
                          plain ? "PLAIN" : "SCRAM", SQ_FMT(mechanism));
    if (!j.username.p || !j.password.p)
        return sq_fail_at(m->ctx, SQ_SEMANTIC, kv->value_span, "'properties.sasl.jaas.config' has no %s", j.username.p ? "password" : "username");
    SQ_TRY(add(m, "sasl.username", j.username, kv));
    return add(m, "sasl.password", j.password, kv);
}

static sq_rc sasl(struct map *m)
{
    static const char *const protocols[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};
    const struct sq_kv *protocol = given(m, "security.protocol"), *mech = given(m, "sasl.mechanism"), *config = given(m, "sasl.jaas.config");
    bool known = !protocol, wants_sasl = protocol && protocol->value.n > 5 && sq_str_iis((struct sq_str){protocol->value.p, 5}, "SASL_");
    if (!mech)
        mech = given(m, "sasl.mechanisms");
    for (size_t i = 0; protocol && i < SQ_LEN(protocols); i++)
        if (sq_str_iis(protocol->value, protocols[i])) {
            known = true;
            SQ_TRY(add(m, "security.protocol", sq_str_of(protocols[i]), protocol));
        }
    if (!known) {
        sq_fail_at(m->ctx, SQ_SEMANTIC, protocol->value_span, "'properties.security.protocol': '%.*s' is not one of its values", SQ_FMT(protocol->value));
        return sq_hint(m->ctx, "it can be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'");
    }
    if (mech) {
        if (!sq_str_is(mech->value, "PLAIN") && !sq_str_is(mech->value, "SCRAM-SHA-256") && !sq_str_is(mech->value, "SCRAM-SHA-512"))
            return sq_fail_at(m->ctx, SQ_UNSUPPORTED, mech->value_span,
                              "'properties.sasl.mechanism': '%.*s' is not supported; 'PLAIN', 'SCRAM-SHA-256' and 'SCRAM-SHA-512' are", SQ_FMT(mech->value));
        SQ_TRY(add(m, "sasl.mechanisms", mech->value, mech));
    }
    if (config)
        SQ_TRY(jaas(m, config, mech ? mech->value : (struct sq_str){NULL, 0}));
    else if (wants_sasl && !given(m, "sasl.username"))
        return sq_fail_at(m->ctx, SQ_SEMANTIC, protocol->value_span, "'properties.security.protocol' = '%.*s' needs 'properties.sasl.jaas.config'", SQ_FMT(protocol->value));
    if (config && !wants_sasl)
        return sq_fail_at(m->ctx, SQ_SEMANTIC, config->key_span, "'properties.sasl.jaas.config' needs 'properties.security.protocol' = 'SASL_SSL' or 'SASL_PLAINTEXT'");
    return SQ_OK;
}

/* ---- TLS ---- */

static bool looks_pem(struct sq_str path) { return ends_with(path, ".pem") || ends_with(path, ".crt") || ends_with(path, ".cer"); }

static sq_rc truststore(struct map *m)
{
    const struct sq_kv *type = given(m, "ssl.truststore.type"), *path = given(m, "ssl.truststore.location"), *password = given(m, "ssl.truststore.password");
    if (type && !sq_str_iis(type->value, "PEM") && !sq_str_iis(type->value, "JKS") && !sq_str_iis(type->value, "PKCS12"))
        return sq_fail_at(m->ctx, SQ_SEMANTIC, type->value_span, "'properties.ssl.truststore.type': '%.*s' is not one of its values", SQ_FMT(type->value));
    if (!path)
        return SQ_OK;
    if (type ? !sq_str_iis(type->value, "PEM") : !looks_pem(path->value)) {
        sq_fail_at(m->ctx, SQ_UNSUPPORTED, path->key_span, "'properties.ssl.truststore.location': Java's stores (%s) are not supported",
                   type && sq_str_iis(type->value, "PKCS12") ? "PKCS12" : "JKS");
        return sq_hint(m->ctx, "make it PEM with 'keytool -list -rfc -keystore STORE > ca.pem', then 'properties.ssl.truststore.type' = 'PEM' and "
                               "'properties.ssl.truststore.location' = 'ca.pem', without the password");
    }
    if (password)
        return sq_fail_at(m->ctx, SQ_SEMANTIC, password->key_span, "'properties.ssl.truststore.password': certificates in PEM have no password");
    return add(m, "ssl.ca.location", path->value, path);
}

static sq_rc keystore(struct map *m)
{
    const struct sq_kv *type = given(m, "ssl.keystore.type"), *path = given(m, "ssl.keystore.location"), *password = given(m, "ssl.keystore.password");
    if (!path)
        return SQ_OK;
    bool pem = type ? sq_str_iis(type->value, "PEM") : looks_pem(path->value);
    bool p12 = type ? sq_str_iis(type->value, "PKCS12") : ends_with(path->value, ".p12") || ends_with(path->value, ".pfx");
    if (!pem && !p12) {
        sq_fail_at(m->ctx, SQ_UNSUPPORTED, path->key_span, "'properties.ssl.keystore.location': Java's stores (JKS) are not supported");
        return sq_hint(m->ctx, "make it PKCS#12 with 'keytool -importkeystore -srckeystore STORE -destkeystore key.p12 -deststoretype PKCS12', then "
                               "'properties.ssl.keystore.type' = 'PKCS12' and 'properties.ssl.keystore.location' = 'key.p12'");
    }
    if (pem) {
        SQ_TRY(add(m, "ssl.certificate.location", path->value, path));
        return add(m, "ssl.key.location", path->value, path);
    }
    SQ_TRY(add(m, "ssl.keystore.location", path->value, path));
    return password ? add(m, "ssl.keystore.password", password->value, password) : SQ_OK;
}

static sq_rc tls(struct map *m)
{
    const struct sq_kv *check = given(m, "ssl.endpoint.identification.algorithm");
    SQ_TRY(truststore(m));
    SQ_TRY(keystore(m));
    bool https = !check || sq_str_iis(sq_str_trim(check->value), "https");
    if (check && !https && sq_str_trim(check->value).n && !sq_str_iis(check->value, "none"))
        return sq_fail_at(m->ctx, SQ_SEMANTIC, check->value_span, "'properties.ssl.endpoint.identification.algorithm' can be 'https', or empty: the broker's name is not checked");
    static const struct sq_kv dflt = {.key = {"ssl.endpoint.identification.algorithm", 37}};
    const struct sq_kv *protocol = given(m, "security.protocol");
    if (!check && !(protocol && (sq_str_iis(protocol->value, "SSL") || sq_str_iis(protocol->value, "SASL_SSL"))))
        return SQ_OK;
    return add(m, "ssl.endpoint.identification.algorithm", https ? SQ_STR("https") : SQ_STR("none"), check ? check : &dflt);
}

/* ---- what the connector uses itself ---- */

static sq_rc number(struct map *m, const char *key, int64_t fallback, int64_t *out)
{
    const struct sq_kv *kv = given(m, key);
    *out = fallback;
    if (!kv || (sq_parse_int(sq_str_trim(kv->value), out) && *out >= 0 && *out <= INT32_MAX))
        return SQ_OK;
    return sq_fail_at(m->ctx, SQ_SEMANTIC, kv->value_span, "'properties.%s': '%.*s' is not a number of milliseconds", key, SQ_FMT(kv->value));
}

static sq_rc offsets(struct map *m)
{
    const struct sq_kv *reset = given(m, "auto.offset.reset"), *commit = given(m, "enable.auto.commit");
    if (reset) {
        struct sq_str v = sq_str_trim(reset->value);
        if (sq_str_iis(v, "earliest"))
            m->out->reset = "earliest";
        else if (sq_str_iis(v, "latest"))
            m->out->reset = "latest";
        else if (!sq_str_iis(v, "none")) {
            sq_fail_at(m->ctx, SQ_SEMANTIC, reset->value_span, "'properties.auto.offset.reset': '%.*s' is not one of its values", SQ_FMT(v));
            return sq_hint(m->ctx, "it can be 'earliest', 'latest', 'none'");
        }
    }
    SQ_TRY(number(m, "max.block.ms", 60000, &m->out->timeout_ms));
    SQ_TRY(number(m, "default.api.timeout.ms", m->out->timeout_ms, &m->out->timeout_ms));
    if (commit && !sq_str_iis(commit->value, "true") && !sq_str_iis(commit->value, "false"))
        return sq_fail_at(m->ctx, SQ_SEMANTIC, commit->value_span, "'properties.enable.auto.commit' is 'true' or 'false'");
    if (!commit || sq_str_iis(commit->value, "false"))
        return SQ_OK;
    SQ_TRY(number(m, "auto.commit.interval.ms", 5000, &m->out->commit_ms));
    if (m->out->commit_ms == 0)
        m->out->commit_ms = 1;
    return SQ_OK;
}

static sq_rc servers_and_group(struct map *m, const struct sq_table_spec *t)
{
    const struct sq_kv *servers = given(m, "bootstrap.servers"), *group = given(m, "group.id");
    static const struct sq_kv dflt = {.key = {"bootstrap.servers", 17}}, dflt_group = {.key = {"group.id", 8}};
    struct sq_str v = servers ? sq_str_trim(servers->value) : SQ_STR("localhost:9092");
    if (!servers)
        sq_notice(m->ctx, "table '%.*s': 'properties.bootstrap.servers' is not given: localhost:9092", SQ_FMT(t->name));
    if (!v.n)
        return sq_fail_at(m->ctx, SQ_SEMANTIC, servers->value_span, "'properties.bootstrap.servers' is empty");
    if (group && !group->value.n)
        return sq_fail_at(m->ctx, SQ_SEMANTIC, group->value_span, "'properties.group.id' is empty");
    SQ_TRY(add(m, "bootstrap.servers", v, servers ? servers : &dflt));
    m->out->servers = m->out->conf[m->out->nconf - 1].value;
    const char *name = group ? NULL : sq_arena_printf(m->arena, "KafkaSource-%.*s", SQ_FMT(t->name));
    if (!group && !name)
        return SQ_NOMEM;
    SQ_TRY(add_for(m, SQ_KAFKA_CONSUMER, "group.id", group ? group->value : sq_str_of(name), group ? group : &dflt_group));
    m->out->group = m->out->conf[m->out->nconf - 1].value;
    m->out->group_given = group != NULL;
    return SQ_OK;
}

/* ---- what a producer is told ---- */

static bool is_one_of(const struct sq_kv *kv, const char *a, const char *b)
{
    return sq_str_iis(sq_str_trim(kv->value), a) || sq_str_iis(sq_str_trim(kv->value), b);
}

static sq_rc bytes(struct map *m, const char *key, int64_t least, int64_t *out)
{
    const struct sq_kv *kv = given(m, key);
    if (!kv || (sq_parse_int(sq_str_trim(kv->value), out) && *out >= least && *out <= 1000000000))
        return SQ_OK;
    return sq_fail_at(m->ctx, SQ_SEMANTIC, kv->value_span, "'properties.%s': '%.*s' is not a number of bytes from %lld to 1000000000", key, SQ_FMT(kv->value), (long long)least);
}

static sq_rc add_number(struct map *m, const char *key, int64_t v, const struct sq_kv *from)
{
    char text[32];
    return add_for(m, SQ_KAFKA_PRODUCER, key, (struct sq_str){text, (uint32_t)sq_print_int(v, text)}, from);
}

/* As Java's producer: idempotent, unless a property that was given does not go with it. */
static sq_rc idempotence(struct map *m)
{
    const struct sq_kv *kv = given(m, "enable.idempotence"), *acks = given(m, "acks"), *retries = given(m, "retries"), *flight;
    int64_t n;
    if (!acks)
        acks = given(m, "request.required.acks");
    if (!retries)
        retries = given(m, "message.send.max.retries");
    flight = given(m, "max.in.flight.requests.per.connection");
    if (!flight)
        flight = given(m, "max.in.flight");
    const struct sq_kv *against = acks && !is_one_of(acks, "all", "-1") ? acks : retries && is_one_of(retries, "0", "0") ? retries : NULL;
    if (!against && flight && sq_parse_int(sq_str_trim(flight->value), &n) && n > 5)
        against = flight;
    if (kv && !is_one_of(kv, "true", "false"))
        return sq_fail_at(m->ctx, SQ_SEMANTIC, kv->value_span, "'properties.enable.idempotence' is 'true' or 'false'");
    m->out->idempotent = kv ? is_one_of(kv, "true", "true") : !against;
    if (kv && m->out->idempotent && against)
        return sq_fail_at(m->ctx, SQ_SEMANTIC, against->value_span, "'properties.%.*s' = '%.*s' does not go with 'properties.enable.idempotence' = 'true'", SQ_FMT(against->key),
                          SQ_FMT(against->value));
    return SQ_OK;
}

/* 'compression.zstd.level' counts where 'compression.type' is 'zstd'. */
static sq_rc compression(struct map *m)
{
    static const char *const levels[][2] = {{"compression.gzip.level", "gzip"}, {"compression.lz4.level", "lz4"}, {"compression.zstd.level", "zstd"}};
    const struct sq_kv *type = given(m, "compression.type");
    for (size_t i = 0; i < SQ_LEN(levels); i++) {
        const struct sq_kv *level = given(m, levels[i][0]);
        if (level && type && is_one_of(type, levels[i][1], levels[i][1]))
            SQ_TRY(add_for(m, SQ_KAFKA_PRODUCER, "compression.level", level->value, level));
    }
    return SQ_OK;
}

static sq_rc producing(struct map *m)
{
    const struct sq_kv *memory = given(m, "buffer.memory"), *batch = given(m, "batch.size"), *timeout = given(m, "transaction.timeout.ms");
    const char *size = given(m, "max.request.size") ? "max.request.size" : "message.max.bytes";
    int64_t n = 0;
    m->out->max_request = 1 << 20;
    SQ_TRY(bytes(m, size, 1000, &m->out->max_request));
    SQ_TRY(bytes(m, "buffer.memory", 1, &n));
    if (memory)
        SQ_TRY(add_number(m, "queue.buffering.max.kbytes", (n + 1023) / 1024, memory));
    SQ_TRY(bytes(m, "batch.size", 0, &n));
    if (batch)
        SQ_TRY(n ? add_number(m, "batch.size", n, batch) : add_number(m, "batch.num.messages", 1, batch));
    SQ_TRY(number(m, "transaction.timeout.ms", 0, &m->out->transaction_ms));
    if (timeout && m->out->transaction_ms < 1000)
        return sq_fail_at(m->ctx, SQ_SEMANTIC, timeout->value_span, "'properties.transaction.timeout.ms' must be at least 1000");
    SQ_TRY(idempotence(m));
    return compression(m);
}

/* ---- all of them ---- */

static sq_rc note_idle(struct map *m, const struct sq_kv *kv, const struct row *r)
{
    struct sq_str names[SQ_LEN(rows)], near = {NULL, 0};
    for (size_t i = 0; i < SQ_LEN(rows); i++)
        names[i] = sq_str_of(rows[i].key);
    if (!r)
        near = sq_nearest(kv->key, names, SQ_LEN(rows));
    sq_buf_printf(&m->idle, "%s%.*s", m->idle.n ? ", " : "", SQ_FMT(kv->key));
    if (!r)
        sq_buf_printf(&m->idle, near.n ? " (unknown; meant is '%.*s'?)" : "%.*s (unknown)", SQ_FMT(near));
    return m->idle.rc;
}

static sq_rc one(struct map *m, const struct sq_kv *kv)
{
    const struct row *r = find_row(kv->key);
    if (!r || r->what == JAVA)
        return note_idle(m, kv, r);
    if (r->what == REFUSE)
        return sq_fail_at(m->ctx, SQ_UNSUPPORTED, kv->key_span, "'properties.%s' is not allowed: %s", r->key, r->to);
    if (r->what == HERE)
        return SQ_OK;
    return add_for(m, r->what == IN ? SQ_KAFKA_CONSUMER : r->what == OUT ? SQ_KAFKA_PRODUCER : SQ_KAFKA_BOTH, r->to ? r->to : r->key, kv->value, kv);
}

static sq_rc map_all(struct map *m, const struct sq_table_spec *t, const struct sq_option_map *in)
{
    SQ_TRY(join_numbered(m, in));
    m->out->conf = SQ_NEW_ARRAY(m->arena, struct sq_kafka_conf, 2 * m->n + 16);
    if (!m->out->conf)
        return SQ_NOMEM;
    SQ_TRY(servers_and_group(m, t));
    for (uint32_t i = 0; i < m->n; i++)
        SQ_TRY(one(m, &m->kv[i]));
    SQ_TRY(sasl(m));
    SQ_TRY(tls(m));
    SQ_TRY(offsets(m));
    SQ_TRY(producing(m));
    if (m->idle.n)
        sq_notice(m->ctx, "table '%.*s': these 'properties.*' have no effect here: %s", SQ_FMT(t->name), m->idle.p);
    return SQ_OK;
}

sq_rc sq_kafka_properties_map(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, const struct sq_option_map *in,
                              struct sq_kafka_properties *out)
{
    struct map m = {.ctx = ctx, .arena = arena, .out = out};
    sq_buf_init(&m.idle, ctx);
    *out = (struct sq_kafka_properties){0};
    sq_rc rc = map_all(&m, t, in);
    sq_buf_free(&m.idle);
    return rc;
}
