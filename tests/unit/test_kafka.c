/* SPDX-License-Identifier: Apache-2.0
 *
 * test_kafka.c: what the kafka connector makes of Java's properties, login modules and patterns; no broker is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/os.h"
#include "connectors/kafka/kafka.h"

#include <regex.h>
#include <stdio.h>

struct world {
    struct sq_budget budget;
    struct sq_ctx ctx;
    struct sq_arena arena;
    char notices[2000];
    struct sq_kafka_properties p;
};

static void notice(void *arg, const char *text)
{
    struct world *w = arg;
    size_t n = strlen(w->notices);
    snprintf(w->notices + n, sizeof w->notices - n, "%s\n", text);
}

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->ctx = (struct sq_ctx){.budget = &w->budget, .os = &sq_os_posix, .notice = notice, .notice_arg = w};
    sq_arena_init(&w->arena, &w->ctx);
}

/* text: "key=value|key=value" */
static sq_rc map(struct world *w, const char *text)
{
    struct sq_kv kv[16];
    struct sq_option_map m = {kv, 0};
    struct sq_table_spec t = {.name = SQ_STR("t"), .span = {9000, 1}};
    w->notices[0] = 0;
    w->ctx.err = (struct sq_error){0};
    while (*text) {
        size_t len = strcspn(text, "|"), eq = strcspn(text, "=");
        kv[m.n] = (struct sq_kv){{text, (uint32_t)eq}, {text + eq + 1, (uint32_t)(len - eq - 1)}, {100 * m.n + 1, 1}, {100 * m.n + 2, 1}};
        m.n++;
        text += len + (text[len] == '|');
    }
    return sq_kafka_properties_map(&w->ctx, &w->arena, &t, &m, &w->p);
}

static const char *value(const struct world *w, const char *key)
{
    const char *v = NULL;
    for (uint32_t i = 0; i < w->p.nconf; i++)
        if (strcmp(w->p.conf[i].key, key) == 0)
            v = w->p.conf[i].value;
    return v;
}

static void test_names(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    assert_int_equal(map(&w, ""), SQ_OK);
    assert_string_equal(w.p.servers, "localhost:9092");
    assert_string_equal(w.p.group, "KafkaSource-t");
    assert_null(w.p.reset);
    assert_int_equal(w.p.timeout_ms, 60000);
    assert_int_equal(w.p.commit_ms, 0);
    assert_string_equal(w.notices, "table 't': 'properties.bootstrap.servers' is not given: localhost:9092\n");
    assert_int_equal(map(&w, "bootstrap.servers=a:1,b:2|group.id=g|auto.offset.reset=latest|fetch.max.wait.ms=100|request.timeout.ms=5000|enable.auto.commit=true"), SQ_OK);
    assert_string_equal(value(&w, "bootstrap.servers"), "a:1,b:2");
    assert_string_equal(value(&w, "fetch.wait.max.ms"), "100");
    assert_string_equal(value(&w, "socket.timeout.ms"), "5000");
    assert_string_equal(w.p.reset, "latest");
    assert_int_equal(w.p.commit_ms, 5000);
    assert_string_equal(w.notices, "");
    assert_int_equal(map(&w, "bootstrap.servers=a|max.poll.records=5|bootstrap.server=b|key.deserializer=x|zzzz=1"), SQ_OK);
    assert_string_equal(w.notices, "table 't': these 'properties.*' have no effect here: max.poll.records, bootstrap.server (unknown; meant is 'bootstrap.servers'?), "
                                   "key.deserializer, zzzz (unknown)\n");
    assert_int_equal(map(&w, "0.key=bootstrap.servers|0.value=old:1|1.value=g|1.key=group.id"), SQ_OK);
    assert_string_equal(w.p.servers, "old:1");
    assert_string_equal(w.p.group, "g");
    sq_arena_free(&w.arena);
    assert_int_equal(w.budget.used, 0);
}

static enum sq_kafka_side side(const struct world *w, const char *key)
{
    for (uint32_t i = 0; i < w->p.nconf; i++)
        if (strcmp(w->p.conf[i].key, key) == 0)
            return w->p.conf[i].side;
    fail_msg("no %s", key);
    return SQ_KAFKA_BOTH;
}

/* What only one of the two clients takes goes to it alone. */
static void test_producer(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    assert_int_equal(map(&w, "bootstrap.servers=a"), SQ_OK);
    assert_true(w.p.idempotent);
    assert_int_equal(w.p.max_request, 1048576);
    assert_int_equal(w.p.transaction_ms, 0);
    assert_false(w.p.group_given);
    assert_int_equal(map(&w, "bootstrap.servers=a|group.id=g|fetch.min.bytes=1|acks=all|linger.ms=5|delivery.timeout.ms=9|retries=7|buffer.memory=1025|batch.size=0|"
                             "max.request.size=2000|compression.type=zstd|compression.zstd.level=3|compression.gzip.level=1|max.block.ms=77"), SQ_OK);
    assert_int_equal(side(&w, "fetch.min.bytes"), SQ_KAFKA_CONSUMER);
    assert_int_equal(side(&w, "group.id"), SQ_KAFKA_CONSUMER);
    assert_int_equal(side(&w, "bootstrap.servers"), SQ_KAFKA_BOTH);
    assert_int_equal(side(&w, "linger.ms"), SQ_KAFKA_PRODUCER);
    assert_string_equal(value(&w, "message.timeout.ms"), "9");
    assert_string_equal(value(&w, "message.send.max.retries"), "7");
    assert_string_equal(value(&w, "queue.buffering.max.kbytes"), "2");
    assert_string_equal(value(&w, "batch.num.messages"), "1");
    assert_null(value(&w, "batch.size"));
    assert_string_equal(value(&w, "compression.level"), "3");
    assert_int_equal(w.p.max_request, 2000);
    assert_int_equal(w.p.timeout_ms, 77);
    assert_true(w.p.idempotent && w.p.group_given);
    assert_string_equal(w.notices, "");
    static const char *const weaker[] = {"acks=1", "acks=0", "retries=0", "max.in.flight.requests.per.connection=6", "enable.idempotence=false"};
    for (size_t i = 0; i < SQ_LEN(weaker); i++) {
        char text[100];
        snprintf(text, sizeof text, "bootstrap.servers=a|%s", weaker[i]);
        assert_int_equal(map(&w, text), SQ_OK);
        assert_false(w.p.idempotent);
    }
    assert_int_equal(map(&w, "bootstrap.servers=a|key.serializer=x|value.serializer=y"), SQ_OK);
    assert_string_equal(w.notices, "table 't': these 'properties.*' have no effect here: key.serializer, value.serializer\n");
    sq_arena_free(&w.arena);
    assert_int_equal(w.budget.used, 0);
}

static void test_refused(void **state)
{
    static const struct { const char *text; sq_rc rc; uint32_t at; const char *msg; } t[] = {
        {"bootstrap.servers=a|plugin.library.paths=x", SQ_UNSUPPORTED, 101, "'properties.plugin.library.paths' is not allowed: it would load code into the job"},
        {"bootstrap.servers=a|sasl.kerberos.kinit.cmd=rm", SQ_UNSUPPORTED, 101, "'properties.sasl.kerberos.kinit.cmd' is not allowed: it would run a command"},
        {"bootstrap.servers=a|transactional.id=x", SQ_UNSUPPORTED, 101,
         "'properties.transactional.id' is not allowed: the sink names and ends its transactions itself: 'sink.delivery-guarantee' and 'sink.transactional-id-prefix'"},
        {"bootstrap.servers=a|enable.idempotence=true|retries=0", SQ_SEMANTIC, 202, "'properties.retries' = '0' does not go with 'properties.enable.idempotence' = 'true'"},
        {"bootstrap.servers=a|batch.size=x", SQ_SEMANTIC, 102, "'properties.batch.size': 'x' is not a number of bytes from 0 to 1000000000"},
        {"bootstrap.servers=a|transaction.timeout.ms=999", SQ_SEMANTIC, 102, "'properties.transaction.timeout.ms' must be at least 1000"},
        {"bootstrap.servers= ", SQ_SEMANTIC, 2, "'properties.bootstrap.servers' is empty"},
        {"bootstrap.servers=a|auto.offset.reset=first", SQ_SEMANTIC, 102, "'properties.auto.offset.reset': 'first' is not one of its values"},
        {"bootstrap.servers=a|default.api.timeout.ms=1 min", SQ_SEMANTIC, 102, "'properties.default.api.timeout.ms': '1 min' is not a number of milliseconds"},
        {"bootstrap.servers=a|security.protocol=TLS", SQ_SEMANTIC, 102, "'properties.security.protocol': 'TLS' is not one of its values"},
        {"bootstrap.servers=a|security.protocol=SASL_SSL", SQ_SEMANTIC, 102, "'properties.security.protocol' = 'SASL_SSL' needs 'properties.sasl.jaas.config'"},
        {"bootstrap.servers=a|sasl.mechanism=GSSAPI", SQ_UNSUPPORTED, 102,
         "'properties.sasl.mechanism': 'GSSAPI' is not supported; 'PLAIN', 'SCRAM-SHA-256' and 'SCRAM-SHA-512' are"},
        {"bootstrap.servers=a|ssl.truststore.location=t.jks", SQ_UNSUPPORTED, 101, "'properties.ssl.truststore.location': Java's stores (JKS) are not supported"},
        {"bootstrap.servers=a|ssl.keystore.location=t.jks", SQ_UNSUPPORTED, 101, "'properties.ssl.keystore.location': Java's stores (JKS) are not supported"},
        {"bootstrap.servers=a|0.key=x", SQ_SEMANTIC, 101, "'connector.properties.0.value' is missing"},
    };
    struct world w;
    (void)state;
    begin(&w);
    for (size_t i = 0; i < SQ_LEN(t); i++) {
        assert_int_equal(map(&w, t[i].text), t[i].rc);
        assert_string_equal(w.ctx.err.msg, t[i].msg);
        assert_int_equal(w.ctx.err.span.at, t[i].at);
    }
    sq_arena_free(&w.arena);
}

#define PLAIN "org.apache.kafka.common.security.plain.PlainLoginModule"

static void test_sasl(void **state)
{
    static const struct { const char *text, *user, *password; } good[] = {
        {PLAIN " required username=\"alice\" password=\"a b;c\\\"d\";", "alice", "a b;c\"d"},
        {"  x.ScramLoginModule  REQUIRED\n username='bob'\n password='p=q' ; ", "bob", "p=q"},
        {PLAIN " optional user_x=1 username=u password=p;", "u", "p"},
    };
    static const char *const bad[] = {
        "", PLAIN, PLAIN " required", PLAIN " required username=\"a\" password=\"b\"", PLAIN " required username=\"a;", PLAIN " maybe username=a;",
        PLAIN " required username a;", PLAIN " required username=a; more",
    };
    struct world w;
    struct sq_kafka_jaas j;
    (void)state;
    begin(&w);
    for (size_t i = 0; i < SQ_LEN(good); i++) {
        assert_true(sq_kafka_jaas_parse(&w.arena, sq_str_of(good[i].text), &j));
        assert_true(sq_str_is(j.username, good[i].user));
        assert_true(sq_str_is(j.password, good[i].password));
    }
    for (size_t i = 0; i < SQ_LEN(bad); i++)
        assert_false(sq_kafka_jaas_parse(&w.arena, sq_str_of(bad[i]), &j));
    assert_int_equal(map(&w, "bootstrap.servers=a|security.protocol=sasl_ssl|sasl.mechanism=PLAIN|sasl.jaas.config=" PLAIN " required username=\"u\" password=\"hidden\";"), SQ_OK);
    assert_string_equal(value(&w, "sasl.username"), "u");
    assert_string_equal(value(&w, "sasl.password"), "hidden");
    assert_string_equal(value(&w, "security.protocol"), "SASL_SSL");
    assert_string_equal(value(&w, "ssl.endpoint.identification.algorithm"), "https");
    assert_int_equal(map(&w, "bootstrap.servers=a|security.protocol=SASL_SSL|sasl.mechanism=SCRAM-SHA-512|sasl.jaas.config=" PLAIN " required username=\"u\" password=\"hidden\";"), SQ_SEMANTIC);
    assert_null(strstr(w.ctx.err.msg, "hidden"));
    assert_int_equal(map(&w, "bootstrap.servers=a|security.protocol=SASL_SSL|sasl.jaas.config=" PLAIN " required username=\"u\" password=\"hidden\";"), SQ_SEMANTIC);
    assert_string_equal(w.ctx.err.hint, "add 'properties.sasl.mechanism' = 'PLAIN'");
    assert_int_equal(map(&w, "bootstrap.servers=a|security.protocol=SSL|ssl.truststore.type=PEM|ssl.truststore.location=ca|ssl.keystore.type=PKCS12|"
                             "ssl.keystore.location=k.p12|ssl.keystore.password=x|ssl.endpoint.identification.algorithm="), SQ_OK);
    assert_string_equal(value(&w, "ssl.ca.location"), "ca");
    assert_string_equal(value(&w, "ssl.keystore.location"), "k.p12");
    assert_string_equal(value(&w, "ssl.endpoint.identification.algorithm"), "none");
    sq_arena_free(&w.arena);
}

static void test_pattern(void **state)
{
    static const struct { const char *java, *yes, *no; } t[] = {
        {"sensor-\\d+", "sensor-12", "sensor-1x"}, {"a.b", "a-b", "xa-bx"}, {"a\\.b", "a.b", "a-b"}, {"(?:x|y)_[ab]{2}", "y_ba", "z_ab"},
        {"[\\w.\\-]+", "a-b.c_9", "a b"}, {"[^\\d]*", "abc", "a1"}, {"\\D\\W", "a-", "1-"}, {"a|b", "b", "ab"}, {"t_[-x]", "t_-", "t_y"},
    };
    static const char *const refused[] = {"a(?=b)", "(?i)a", "a*?", "a++", "(a)\\1", "\\bx", "[a", "x\\", "[a&&b]"};
    struct world w;
    (void)state;
    begin(&w);
    for (size_t i = 0; i < SQ_LEN(t); i++) {
        const char *why, *posix = sq_kafka_pattern(&w.arena, sq_str_of(t[i].java), &why);
        regex_t re;
        assert_non_null(posix);
        assert_int_equal(regcomp(&re, posix, REG_EXTENDED | REG_NOSUB), 0);
        assert_int_equal(regexec(&re, t[i].yes, 0, NULL, 0), 0);
        assert_int_not_equal(regexec(&re, t[i].no, 0, NULL, 0), 0);
        regfree(&re);
    }
    for (size_t i = 0; i < SQ_LEN(refused); i++) {
        const char *why;
        assert_null(sq_kafka_pattern(&w.arena, sq_str_of(refused[i]), &why));
        assert_non_null(why);
    }
    sq_arena_free(&w.arena);
    assert_int_equal(w.budget.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_producer), cmocka_unit_test(test_refused), cmocka_unit_test(test_sasl), cmocka_unit_test(test_pattern)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
