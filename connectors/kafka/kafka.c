/* SPDX-License-Identifier: Apache-2.0
 *
 * kafka.c: the options of the connectors kafka and upsert-kafka, their checks, and the descriptors. Nothing here needs librdkafka: without it at
 * build time tables can be declared and described, and reading or writing one is an error that names the packages.
 *
 * FLINK: the same options and rules. 'properties.bootstrap.servers' may be left out (localhost:9092, with a notice), 'startup-mode' is the old spelling of
 * 'scan.startup.mode', and 'sink.transactional-id-prefix' is not required: a job has an id of its own.
 */
#include "connectors/kafka/kafka.h"
#include "connectors/registry.h"

#define OFF(field) offsetof(struct sq_kafka_options, field)
#define GUARANTEE                                                                                                                           \
    {"sink.delivery-guarantee", "sink.semantic", SQ_OPT_ENUM, "at-least-once", OFF(guarantee), "at-least-once|exactly-once|none", 0,         \
     "what of an INSERT survives crashes: at-least-once, exactly-once (by transactions, with checkpoints), none"},                          \
    {"sink.transactional-id-prefix", NULL, SQ_OPT_STRING, NULL, OFF(id_prefix), NULL, 0,                                                    \
     "exactly-once: what the transactional id begins with; of this job alone. Without it: the job's id"},                                   \
    {"sink.transaction-naming-strategy", NULL, SQ_OPT_ENUM, "INCREMENTING", OFF(naming), "INCREMENTING|POOLING", 0, "no effect: a sink has one transactional id"}, \
    {"sink.parallelism", NULL, SQ_OPT_INT, NULL, OFF(sink_parallelism), NULL, 0, "no effect: one writer writes, and its client sends in the background"}

#define TOPICS                                                                                                                              \
    {"topic", "connector.topic", SQ_OPT_STRING, NULL, OFF(topic), NULL, 0, "a topic, or several with ';' between"},                         \
    {"topic-pattern", NULL, SQ_OPT_STRING, NULL, OFF(topic_pattern), NULL, 0, "a regular expression: every topic whose whole name matches"}, \
    {"properties.*", "connector.properties.*", SQ_OPT_MAP, NULL, OFF(properties), NULL, 0,                                                  \
     "of Kafka's clients, by Java's names: bootstrap.servers (localhost:9092), group.id, security.protocol, sasl.jaas.config, compression.type, …"}
#define BOUNDS                                                                                                                              \
    {"scan.bounded.mode", NULL, SQ_OPT_ENUM, "unbounded", OFF(bounded), "unbounded|latest-offset|group-offsets|timestamp|specific-offsets", 0, "where to end"}, \
    {"scan.bounded.specific-offsets", NULL, SQ_OPT_STRING, NULL, OFF(stop_offsets), NULL, 0, "the offsets behind the last messages: 'partition:0,offset:42;…'"}, \
    {"scan.bounded.timestamp-millis", NULL, SQ_OPT_INT, NULL, OFF(stop_timestamp), NULL, 0, "end before the first message not older than this"}, \
    {"scan.parallelism", NULL, SQ_OPT_INT, NULL, OFF(scan_parallelism), NULL, 0, "how many workers read; the result does not depend on it"}
#define FIELDS                                                                                                                              \
    {"key.fields-prefix", NULL, SQ_OPT_STRING, NULL, OFF(key_prefix), NULL, 0, "what the key's columns have before the names in the key"},   \
    {"value.fields-include", NULL, SQ_OPT_ENUM, "ALL", OFF(fields_include), "ALL|EXCEPT_KEY", 0, "whether the value holds the key's columns too"}

static const struct sq_option rows[] = {
    TOPICS,
    {"scan.startup.mode", "startup-mode|connector.startup-mode", SQ_OPT_ENUM, "group-offsets", OFF(startup),
     "earliest-offset|latest-offset|group-offsets|timestamp|specific-offsets", 0, "where to begin"},
    {"scan.startup.specific-offsets", "connector.specific-offsets", SQ_OPT_STRING, NULL, OFF(start_offsets), NULL, 0, "'partition:0,offset:42;partition:1,offset:300'"},
    {"scan.startup.timestamp-millis", "connector.startup-timestamp-millis", SQ_OPT_INT, NULL, OFF(start_timestamp), NULL, 0, "begin with the first message not older than this"},
    BOUNDS,
    {"scan.topic-partition-discovery.interval", NULL, SQ_OPT_DURATION, "5min", OFF(discovery_ms), NULL, 0, "how often to look for new topics and partitions; 0: never"},
    {"key.fields", NULL, SQ_OPT_STRING, NULL, OFF(key_fields), NULL, 0, "the columns that are in the message's key, with ';' between"},
    FIELDS,
    {"sink.partitioner", "connector.sink-partitioner", SQ_OPT_STRING, "default", OFF(partitioner), NULL, 0,
     "which partition a message goes to: default (by its key, as Kafka does), fixed (one), round-robin"},
    GUARANTEE,
    {"connector.specific-offsets.*", NULL, SQ_OPT_MAP, NULL, OFF(legacy_offsets), NULL, 0, "'connector.specific-offsets.0.partition' and '.offset', as Flink 1.9 had it"},
    {"connector.sink-partitioner-class", NULL, SQ_OPT_STRING, NULL, 0, NULL, SQ_OPT_UNSUPPORTED, "it names a Java class"},
};

static const struct sq_option upsert_rows[] = {
    TOPICS, BOUNDS, FIELDS, GUARANTEE,
    {"sink.buffer-flush.max-rows", NULL, SQ_OPT_INT, "0", OFF(flush_rows), NULL, 0, "how many keys wait, the last row of each, before they are sent; 0: none, each row is sent"},
    {"sink.buffer-flush.interval", NULL, SQ_OPT_DURATION, "0", OFF(flush_ms), NULL, 0, "how long they wait at most; 0: they do not"},
};

static const struct sq_type string_not_null = {.id = SQ_T_VARCHAR, .nullable = false, .p = SQ_STRING_MAX};
static const struct sq_type int_not_null = {.id = SQ_T_INT, .nullable = false};
static const struct sq_type bigint_not_null = {.id = SQ_T_BIGINT, .nullable = false};
static const struct sq_type ltz3_not_null = {.id = SQ_T_TIMESTAMP_LTZ, .nullable = false, .p = 3};
static const struct sq_type bytes_type = {.id = SQ_T_VARBINARY, .nullable = true, .p = SQ_STRING_MAX};
static const struct sq_field header_fields[2] = {{{NULL, 0}, &string_not_null}, {{NULL, 0}, &bytes_type}};
static const struct sq_type headers_type = {.id = SQ_T_MAP, .nullable = false, .nchild = 2, .child = header_fields};

const struct sq_metadata_key sq_kafka_metadata[SQ_KAFKA_NMETA] = {
    [SQ_KAFKA_META_TOPIC] = {"topic", &string_not_null, true, "the topic of the message"},
    [SQ_KAFKA_META_PARTITION] = {"partition", &int_not_null, false, "its partition"},
    [SQ_KAFKA_META_HEADERS] = {"headers", &headers_type, true, "its headers; of several with one name the last"},
    [SQ_KAFKA_META_EPOCH] = {"leader-epoch", &sq_type_int, false, "the epoch of the partition's leader (needs librdkafka 2.1)"},
    [SQ_KAFKA_META_OFFSET] = {"offset", &bigint_not_null, false, "its offset in the partition"},
    [SQ_KAFKA_META_TIMESTAMP] = {"timestamp", &ltz3_not_null, true, "its timestamp"},
    [SQ_KAFKA_META_TYPE] = {"timestamp-type", &string_not_null, false, "NoTimestampType, CreateTime or LogAppendTime"},
};

static struct sq_span value_span(const struct sq_table_spec *t, const char *key)
{
    const struct sq_kv *kv = sq_option_given(t->options, t->noptions, key);
    return kv ? kv->value_span : t->span;
}

/* ---- topics ---- */

static bool topic_name(struct sq_str s)
{
    for (uint32_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
            return false;
    }
    return s.n > 0 && s.n <= 249;
}

static sq_rc topics(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_kafka_table *k)
{
    struct sq_str all = k->options.topic, one;
    const char *why;
    if (all.p && k->options.topic_pattern.p)
        return sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, "topic-pattern"), "'topic' and 'topic-pattern' are both given");
    if (k->options.topic_pattern.p) {
        if (sq_kafka_pattern(arena, k->options.topic_pattern, &why))
            return SQ_OK;
        return sq_fail_at(ctx, SQ_UNSUPPORTED, value_span(t, "topic-pattern"), "'topic-pattern': %s are not supported", why);
    }
    if (!all.p)
        return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "connector 'kafka' needs the option 'topic' or 'topic-pattern'");
    k->topic = SQ_NEW_ARRAY(arena, const char *, all.n + 1);
    if (!k->topic)
        return SQ_NOMEM;
    for (uint32_t at = 0; at <= all.n;) {
        const char *end = memchr(all.p + at, ';', all.n - at);
        one = (struct sq_str){all.p + at, end ? (uint32_t)(end - all.p) - at : all.n - at};
        at += one.n + 1;
        one = sq_str_trim(one);
        if (!topic_name(one)) {
            sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, "topic"), "'topic': '%.*s' is not the name of a topic", SQ_FMT(one));
            return sq_hint(ctx, "a name has letters, digits, '.', '_' and '-'; several have ';' between; 'topic-pattern' takes a regular expression");
        }
        for (uint32_t i = 0; i < k->ntopics; i++)
            if (sq_str_is(one, k->topic[i]))
                return sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, "topic"), "'topic': '%.*s' is given twice", SQ_FMT(one));
        one = sq_str_dup(arena, one);
        if (!one.p)
            return SQ_NOMEM;
        k->topic[k->ntopics++] = one.p;
    }
    return SQ_OK;
}

/* ---- offsets: 'partition:0,offset:42;partition:1,offset:300' ---- */

static bool field(struct sq_str *s, const char *name, char stop, int64_t *out)
{
    uint32_t n = (uint32_t)strlen(name);
    *s = sq_str_trim(*s);
    if (s->n <= n + 1 || memcmp(s->p, name, n) != 0 || s->p[n] != ':')
        return false;
    const char *end = stop ? memchr(s->p, stop, s->n) : NULL;
    if (stop && !end)
        return false;
    struct sq_str number = {s->p + n + 1, (uint32_t)((end ? end : s->p + s->n) - s->p) - n - 1};
    *s = end ? (struct sq_str){end + 1, s->n - (uint32_t)(end - s->p) - 1} : (struct sq_str){s->p + s->n, 0};
    return sq_parse_int(sq_str_trim(number), out) && *out >= 0;
}

static bool add_offset(struct sq_kafka_offsets *out, int64_t partition, int64_t offset)
{
    uint32_t i = out->n;
    for (uint32_t k = 0; k < out->n; k++)
        if (out->at[k].partition == partition)
            return false;
    if (partition > INT32_MAX)
        return false;
    for (; i > 0 && out->at[i - 1].partition > partition; i--)
        out->at[i] = out->at[i - 1];
    out->at[i] = (struct sq_kafka_offset){(int32_t)partition, offset};
    out->n++;
    return true;
}

static sq_rc parse_offsets(struct sq_ctx *ctx, struct sq_arena *arena, struct sq_span at, const char *key, struct sq_str text, struct sq_kafka_offsets *out)
{
    int64_t partition, offset;
    out->at = SQ_NEW_ARRAY(arena, struct sq_kafka_offset, text.n / 2 + 1);
    if (!out->at)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < text.n;) {
        const char *end = memchr(text.p + i, ';', text.n - i);
        struct sq_str one = {text.p + i, end ? (uint32_t)(end - text.p) - i : text.n - i};
        i += one.n + 1;
        if (sq_str_trim(one).n == 0 && i >= text.n && out->n)
            break;                                      /* a ';' at the end */
        if (!field(&one, "partition", ',', &partition) || !field(&one, "offset", 0, &offset) || !add_offset(out, partition, offset)) {
            sq_fail_at(ctx, SQ_SEMANTIC, at, "'%s': '%.*s' is not a list of partitions, each once, and their offsets", key, SQ_FMT(text));
            return sq_hint(ctx, "write 'partition:0,offset:42;partition:1,offset:300'");
        }
    }
    return SQ_OK;
}

/* Flink 1.9: 'connector.specific-offsets.0.partition' = '0', 'connector.specific-offsets.0.offset' = '42'. */
static sq_rc legacy_offsets(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_option_map *m, struct sq_kafka_offsets *out)
{
    int64_t partition, offset;
    out->at = SQ_NEW_ARRAY(arena, struct sq_kafka_offset, m->n + 1);
    if (!out->at)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < m->n; i++) {
        struct sq_str key = m->kv[i].key;
        const struct sq_kv *other = NULL;
        bool is_offset = key.n > 7 && memcmp(key.p + key.n - 7, ".offset", 7) == 0, is_part = key.n > 10 && memcmp(key.p + key.n - 10, ".partition", 10) == 0;
        uint32_t number = key.n - (is_offset ? 7 : 10);
        for (uint32_t k = 0; (is_offset || is_part) && k < m->n && !other; k++)
            if (k != i && m->kv[k].key.n > number && memcmp(m->kv[k].key.p, key.p, number) == 0 && m->kv[k].key.p[number] == '.')
                other = &m->kv[k];
        if (!other)
            return sq_fail_at(ctx, SQ_SEMANTIC, m->kv[i].key_span, "'connector.specific-offsets.%.*s': a partition and an offset of one number belong together", SQ_FMT(key));
        if (is_offset)
            continue;
        if (!sq_parse_int(sq_str_trim(m->kv[i].value), &partition) || !sq_parse_int(sq_str_trim(other->value), &offset) || partition < 0 || offset < 0 ||
            !add_offset(out, partition, offset))
            return sq_fail_at(ctx, SQ_SEMANTIC, m->kv[i].value_span, "'connector.specific-offsets.%.*s': partitions and offsets are numbers, each partition once", SQ_FMT(key));
    }
    return SQ_OK;
}

/* What a mode needs is there, and belongs to it. */
static sq_rc needs(struct sq_ctx *ctx, const struct sq_table_spec *t, const char *mode_key, const char *mode, bool is_mode, const char *key, bool has)
{
    if (is_mode == has)
        return SQ_OK;
    if (is_mode)
        return sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, mode_key), "'%s' = '%s' needs '%s'", mode_key, mode, key);
    sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, key), "'%s' is given, but '%s' is not '%s'", key, mode_key, mode);
    return sq_hint(ctx, "add '%s' = '%s'", mode_key, mode);
}

static sq_rc modes(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_kafka_table *k)
{
    const struct sq_kafka_options *o = &k->options;
    bool start_list = o->start_offsets.p || o->legacy_offsets.n;
    SQ_TRY(needs(ctx, t, "scan.startup.mode", "specific-offsets", o->startup == SQ_KAFKA_SPECIFIC, "scan.startup.specific-offsets", start_list));
    SQ_TRY(needs(ctx, t, "scan.startup.mode", "timestamp", o->startup == SQ_KAFKA_TIMESTAMP, "scan.startup.timestamp-millis", o->start_timestamp != INT64_MIN));
    SQ_TRY(needs(ctx, t, "scan.bounded.mode", "specific-offsets", o->bounded == SQ_KAFKA_TO_SPECIFIC, "scan.bounded.specific-offsets", o->stop_offsets.p != NULL));
    SQ_TRY(needs(ctx, t, "scan.bounded.mode", "timestamp", o->bounded == SQ_KAFKA_TO_TIMESTAMP, "scan.bounded.timestamp-millis", o->stop_timestamp != INT64_MIN));
    if ((start_list || o->stop_offsets.p) && k->ntopics != 1) {
        const char *key = start_list ? "scan.startup.specific-offsets" : "scan.bounded.specific-offsets";
        return sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, key), "'%s' is for a table of a single topic", key);
    }
    if (o->start_offsets.p)
        SQ_TRY(parse_offsets(ctx, arena, value_span(t, "scan.startup.specific-offsets"), "scan.startup.specific-offsets", o->start_offsets, &k->start));
    else if (o->legacy_offsets.n)
        SQ_TRY(legacy_offsets(ctx, arena, &o->legacy_offsets, &k->start));
    if (o->stop_offsets.p)
        SQ_TRY(parse_offsets(ctx, arena, value_span(t, "scan.bounded.specific-offsets"), "scan.bounded.specific-offsets", o->stop_offsets, &k->stop));
    if (o->discovery_ms < 0)
        return sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, "scan.topic-partition-discovery.interval"), "'scan.topic-partition-discovery.interval' must not be negative");
    return SQ_OK;
}

/* ---- which columns are in the key ---- */

static sq_rc add_key(struct sq_ctx *ctx, const struct sq_table_spec *t, struct sq_kafka_table *k, uint32_t i, const char *key, struct sq_span at)
{
    struct sq_str name = t->cols[i].name, prefix = k->options.key_prefix;
    if (k->from_key[i])
        return sq_fail_at(ctx, SQ_SEMANTIC, at, "%s: '%.*s' is given twice", key, SQ_FMT(name));
    if (prefix.n && (name.n <= prefix.n || memcmp(name.p, prefix.p, prefix.n) != 0))
        return sq_fail_at(ctx, SQ_SEMANTIC, at, "%s: '%.*s' does not begin with 'key.fields-prefix', '%.*s'", key, SQ_FMT(name), SQ_FMT(prefix));
    if (k->nkey == UINT8_MAX)
        return sq_fail_at(ctx, SQ_LIMIT, at, "%s: a key has at most %d fields", key, UINT8_MAX);
    k->from_key[i] = (uint8_t)++k->nkey;
    return SQ_OK;
}

static sq_rc key_column(struct sq_ctx *ctx, const struct sq_table_spec *t, struct sq_kafka_table *k, struct sq_str name)
{
    struct sq_str names[256], near;
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->ncols; i++) {
        if (t->cols[i].role != SQ_COL_PHYSICAL)
            continue;
        if (n < SQ_LEN(names))
            names[n++] = t->cols[i].name;
        if (sq_str_eq(t->cols[i].name, name))
            return add_key(ctx, t, k, i, "'key.fields'", value_span(t, "key.fields"));
    }
    near = sq_nearest(name, names, n);
    sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, "key.fields"), "'key.fields': table '%.*s' has no physical column '%.*s'", SQ_FMT(t->name), SQ_FMT(name));
    return near.n ? sq_hint(ctx, "did you mean '%.*s'?", SQ_FMT(near)) : SQ_SEMANTIC;
}

static sq_rc key_fields(struct sq_ctx *ctx, const struct sq_table_spec *t, struct sq_kafka_table *k)
{
    struct sq_str all = k->options.key_fields;
    if (!k->format[1].format && all.p)
        return sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, "key.fields"), "'key.fields' needs 'key.format'");
    if (k->format[1].format && !sq_str_trim(all).n)
        return sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, "key.format"), "'key.format' needs 'key.fields': the columns that are in the key");
    for (uint32_t at = 0; all.p && at < all.n;) {
        const char *end = memchr(all.p + at, ';', all.n - at);
        struct sq_str one = {all.p + at, end ? (uint32_t)(end - all.p) - at : all.n - at};
        at += one.n + 1;
        SQ_TRY(key_column(ctx, t, k, sq_str_trim(one)));
    }
    return SQ_OK;
}

static sq_rc primary_key(struct sq_ctx *ctx, const struct sq_table_spec *t, struct sq_kafka_table *k)
{
    if (!t->npk) {
        sq_fail_at(ctx, SQ_SEMANTIC, t->span, "a table of connector 'upsert-kafka' needs a PRIMARY KEY: its columns are the message's key");
        return sq_hint(ctx, "add PRIMARY KEY (…) NOT ENFORCED");
    }
    for (uint32_t i = 0; i < t->npk; i++)
        SQ_TRY(add_key(ctx, t, k, t->pk[i], "PRIMARY KEY", t->span));
    return SQ_OK;
}

static sq_rc key_columns(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_kafka_table *k)
{
    k->from_key = sq_arena_zero(arena, t->ncols + 1);
    if (!k->from_key)
        return SQ_NOMEM;
    if (k->options.key_prefix.n && k->options.fields_include != SQ_KAFKA_FIELDS_EXCEPT_KEY)
        return sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, "key.fields-prefix"), "'key.fields-prefix' needs 'value.fields-include' = 'EXCEPT_KEY'");
    return k->upsert ? primary_key(ctx, t, k) : key_fields(ctx, t, k);
}

/* ---- what a sink needs ---- */

static sq_rc partitioner(struct sq_ctx *ctx, const struct sq_table_spec *t, struct sq_kafka_table *k)
{
    struct sq_str p = k->options.partitioner;
    const char *key = sq_option_given(t->options, t->noptions, "sink.partitioner") ? "sink.partitioner" : "connector.sink-partitioner";
    if (!p.p || sq_str_iis(p, "default"))
        return SQ_OK;
    k->partitioner = sq_str_iis(p, "fixed") ? SQ_KAFKA_FIXED : SQ_KAFKA_ROUND_ROBIN;
    if (sq_str_iis(p, "fixed"))
        return SQ_OK;
    if (!sq_str_iis(p, "round-robin")) {
        sq_fail_at(ctx, memchr(p.p, '.', p.n) ? SQ_UNSUPPORTED : SQ_SEMANTIC, value_span(t, key), "'%s': there is no partitioner '%.*s'%s", key, SQ_FMT(p),
                   memchr(p.p, '.', p.n) ? ": it names a Java class, and there is no Java here" : "");
        return sq_hint(ctx, "there are 'default' (by the key, as Kafka does), 'fixed' and 'round-robin'");
    }
    if (k->nkey) {
        sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, key), "'%s' = 'round-robin' is for messages without a key, and 'key.fields' is given", key);
        return sq_hint(ctx, "with 'default' messages of one key come into one partition");
    }
    return SQ_OK;
}

static sq_rc sink_options(struct sq_ctx *ctx, const struct sq_table_spec *t, struct sq_kafka_table *k)
{
    const struct sq_kafka_options *o = &k->options;
    if (o->sink_parallelism != INT64_MIN && o->sink_parallelism < 1)
        return sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, "sink.parallelism"), "'sink.parallelism' must be at least 1");
    if (o->id_prefix.p && !o->id_prefix.n)
        return sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, "sink.transactional-id-prefix"), "'sink.transactional-id-prefix' is empty");
    if (k->upsert && (o->flush_rows < 0 || o->flush_rows > INT32_MAX))
        return sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, "sink.buffer-flush.max-rows"), "'sink.buffer-flush.max-rows' must be from 0 to %d", INT32_MAX);
    if (k->upsert && (o->flush_rows > 0) != (o->flush_ms > 0)) {
        const char *has = o->flush_rows > 0 ? "sink.buffer-flush.max-rows" : "sink.buffer-flush.interval";
        return sq_fail_at(ctx, SQ_SEMANTIC, value_span(t, has), "'%s' needs '%s' beside it: both of them make a buffer", has,
                          o->flush_rows > 0 ? "sink.buffer-flush.interval" : "sink.buffer-flush.max-rows");
    }
    return k->upsert ? SQ_OK : partitioner(ctx, t, k);
}

/* ---- the tables ---- */

static sq_rc finish_table(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_kafka_table *k, struct sq_table_ext **ext)
{
    SQ_TRY(topics(ctx, arena, t, k));
    SQ_TRY(modes(ctx, arena, t, k));
    SQ_TRY(key_columns(ctx, arena, t, k));
    SQ_TRY(sink_options(ctx, t, k));
    if (t->npartition)
        return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "connector '%s' has no PARTITIONED BY", k->upsert ? "upsert-kafka" : "kafka");
    if (!k->upsert && t->npk && k->format[0].format->decodes == SQ_MODE_INSERT) {
        sq_fail_at(ctx, SQ_SEMANTIC, t->span, "a table of connector 'kafka' with format '%s' has no PRIMARY KEY: its messages are inserts", k->format[0].format->name);
        return sq_hint(ctx, "leave PRIMARY KEY out, write rows by key with 'connector' = 'upsert-kafka', or take change records with 'format' = 'debezium-json'");
    }
    SQ_TRY(sq_kafka_properties_map(ctx, arena, t, &k->options.properties, &k->props));
    *ext = (struct sq_table_ext *)(void *)k;
    return SQ_OK;
}

static sq_rc kafka_table(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_table_ext **ext)
{
    struct sq_kafka_table *k = SQ_NEW(arena, struct sq_kafka_table);
    if (!k)
        return SQ_NOMEM;
    SQ_TRY(sq_table_options(ctx, arena, &sq_connector_kafka, t, &k->options, k->format));
    return finish_table(ctx, arena, t, k, ext);
}

/* Both formats are given, and are of rows: what is deleted is said by a message without a value. */
static sq_rc upsert_formats(struct sq_ctx *ctx, const struct sq_table_spec *t)
{
    static const char *const keys[] = {"value.format", "key.format"};
    const struct sq_kv *plain = sq_option_given(t->options, t->noptions, "format");
    if (plain) {
        sq_fail_at(ctx, SQ_SEMANTIC, plain->key_span, "connector 'upsert-kafka' has no option 'format'");
        return sq_hint(ctx, "it has two: 'key.format' and 'value.format'");
    }
    for (size_t i = 0; i < SQ_LEN(keys); i++) {
        const struct sq_kv *kv = sq_option_given(t->options, t->noptions, keys[i]);
        const struct sq_format *f;
        if (!kv) {
            sq_fail_at(ctx, SQ_SEMANTIC, t->span, "connector 'upsert-kafka' needs the option '%s'", keys[i]);
            return sq_hint(ctx, "add '%s' = 'json'", keys[i]);
        }
        SQ_TRY(sq_format_resolve(ctx, kv, &f));
        if ((f->decodes | f->encodes) & ~(unsigned)SQ_MODE_INSERT) {
            sq_fail_at(ctx, SQ_SEMANTIC, kv->value_span, "'%s': format '%s' is of changes, and connector 'upsert-kafka' is of rows by their key", keys[i], f->name);
            return sq_hint(ctx, "take 'json'%s", i ? "" : ", or 'connector' = 'kafka' for change records");
        }
    }
    return SQ_OK;
}

static sq_rc upsert_table(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_table_ext **ext)
{
    struct sq_kafka_table *k = SQ_NEW(arena, struct sq_kafka_table);
    if (!k)
        return SQ_NOMEM;
    SQ_TRY(upsert_formats(ctx, t));
    k->upsert = true;
    k->options.startup = SQ_KAFKA_EARLIEST;
    k->options.start_timestamp = INT64_MIN;
    k->options.discovery_ms = 5 * 60000;
    SQ_TRY(sq_table_options(ctx, arena, &sq_connector_upsert_kafka, t, &k->options, k->format));
    return finish_table(ctx, arena, t, k, ext);
}

/* ---- as a source, as a sink ---- */

int sq_kafka_meta(struct sq_str key)
{
    for (int i = 0; i < SQ_KAFKA_NMETA; i++)
        if (sq_str_is(key, sq_kafka_metadata[i].key))
            return i;
    return -1;
}

/* The format's own checks, of the columns that it is for. */
static sq_rc check_format(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_kafka_table *k, bool of_key, bool encode)
{
    const struct sq_table_format *f = &k->format[of_key];
    struct sq_table_spec part = *t;
    if (!f->format || !f->format->check)
        return SQ_OK;
    struct sq_table_column *cols = sq_calloc(ctx, (t->ncols + 1) * sizeof *cols);
    if (!cols)
        return SQ_NOMEM;
    part.cols = cols;
    part.ncols = 0;
    for (uint32_t i = 0; i < t->ncols; i++)
        if (of_key ? sq_kafka_in_key(k, i) : sq_kafka_in_value(k, t, i))
            cols[part.ncols++] = t->cols[i];
    sq_rc rc = f->format->check(ctx, f->options, &part, encode);
    sq_free(ctx, cols);
    return rc;
}

static sq_rc check_formats(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_kafka_table *k, bool encode)
{
    for (int i = 0; i < 2; i++) {
        const struct sq_format *f = k->format[i].format;
        if (f && !(encode ? f->encodes : f->decodes))
            return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "table '%.*s': format '%s' cannot be %s", SQ_FMT(t->name), f->name, encode ? "written" : "read");
        SQ_TRY(check_format(ctx, t, k, i, encode));
    }
    if (k->format[1].format && ((encode ? k->format[1].format->encodes : k->format[1].format->decodes) & ~(unsigned)SQ_MODE_INSERT))
        return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "table '%.*s': 'key.format': format '%s' is of changes, not of keys", SQ_FMT(t->name), k->format[1].format->name);
    return SQ_OK;
}

sq_rc sq_kafka_info(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_table_ext *ext, struct sq_source_info *info)
{
    const struct sq_kafka_table *k = sq_kafka_table_of(ext);
    SQ_TRY(check_formats(ctx, t, k, false));
    unsigned modes = k->upsert ? SQ_MODE_UPSERT : k->format[0].format->decodes;
    *info = (struct sq_source_info){.bounded = k->options.bounded != SQ_KAFKA_UNBOUNDED, .rows = -1, .offsets = true};
    info->mode = modes & SQ_MODE_RETRACT ? SQ_MODE_RETRACT : modes & SQ_MODE_UPSERT ? SQ_MODE_UPSERT : SQ_MODE_INSERT;
    return SQ_OK;
}

/* Where the rows go: to the one topic, or to the one that each of them names. */
static sq_rc check_target(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_kafka_table *k)
{
    bool names_topic = false;
    for (uint32_t i = 0; i < t->ncols; i++) {
        int m = t->cols[i].role == SQ_COL_METADATA ? sq_kafka_meta(t->cols[i].metadata_key) : -1;
        names_topic |= m == SQ_KAFKA_META_TOPIC;
        if (m >= 0 && !sq_kafka_metadata[m].writable) {
            sq_fail_at(ctx, SQ_SEMANTIC, t->span, "table '%.*s': metadata '%s' (column '%.*s') cannot be written", SQ_FMT(t->name), sq_kafka_metadata[m].key,
                       SQ_FMT(t->cols[i].name));
            return sq_hint(ctx, "declare the column METADATA VIRTUAL");
        }
    }
    if (k->ntopics == 1)
        return SQ_OK;
    const char *key = k->ntopics ? "topic" : "topic-pattern";
    if (!names_topic) {
        sq_fail_at(ctx, SQ_SEMANTIC, t->span, "table '%.*s': '%s' stands for several topics, and nothing says which one a row goes to", SQ_FMT(t->name), key);
        return sq_hint(ctx, "add a column `topic` STRING METADATA, or give one topic");
    }
    if (!k->ntopics && k->options.guarantee == SQ_KAFKA_EXACTLY_ONCE) {
        sq_fail_at(ctx, SQ_UNSUPPORTED, t->span, "table '%.*s': 'topic-pattern' with 'sink.delivery-guarantee' = 'exactly-once' is not supported: which epoch is committed is kept beside a topic that is known",
                   SQ_FMT(t->name));
        return sq_hint(ctx, "list the topics with 'topic', ';' between");
    }
    return SQ_OK;
}

sq_rc sq_kafka_accept(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_table_ext *ext, unsigned *modes)
{
    const struct sq_kafka_table *k = sq_kafka_table_of(ext);
    SQ_TRY(check_formats(ctx, t, k, true));
    SQ_TRY(check_target(ctx, t, k));
    *modes = k->upsert ? SQ_MODE_INSERT | SQ_MODE_UPSERT : k->format[0].format->encodes;
    return SQ_OK;
}

bool sq_kafka_shows_changes(const struct sq_table_spec *t, const struct sq_table_ext *ext)
{
    const struct sq_kafka_table *k = sq_kafka_table_of(ext);
    (void)t;
    return k->upsert ? k->options.flush_rows == 0 : (k->format[0].format->encodes & SQ_MODE_RETRACT) != 0;
}

enum sq_sink_promise sq_kafka_promise(const struct sq_table_spec *t, const struct sq_table_ext *ext)
{
    (void)t;
    return sq_kafka_table_of(ext)->options.guarantee == SQ_KAFKA_EXACTLY_ONCE ? SQ_SINK_MARKED : SQ_SINK_AT_LEAST_ONCE;
}

#ifndef SQ_HAVE_KAFKA
static sq_rc not_built(struct sq_ctx *ctx, const struct sq_table_spec *t)
{
    sq_fail_at(ctx, SQ_UNSUPPORTED, t->span, "connector 'kafka' is not part of this build");
    return sq_hint(ctx, "build it where <librdkafka/rdkafka.h> is (Debian: apt-get install librdkafka-dev); it runs with librdkafka1");
}

static sq_rc no_source(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_table_ext *ext, struct sq_source_info *info)
{
    (void)ext;
    (void)info;
    return not_built(ctx, t);
}

static sq_rc no_sink(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_table_ext *ext, unsigned *modes)
{
    (void)ext;
    (void)modes;
    return not_built(ctx, t);
}
const struct sq_source_class sq_kafka_source = {.info = no_source};
const struct sq_sink_class sq_kafka_sink = {.accepts = SQ_MODE_INSERT | SQ_MODE_UPSERT | SQ_MODE_RETRACT, .accept = no_sink};
#endif

const struct sq_connector sq_connector_kafka = {
    .name = "kafka", .help = "topics of Apache Kafka", .package = "librdkafka1", .options = rows, .noptions = SQ_LEN(rows), .takes_format = SQ_FORMAT_KEYED,
    .metadata = sq_kafka_metadata, .nmetadata = SQ_KAFKA_NMETA, .source = &sq_kafka_source, .sink = &sq_kafka_sink, .table = kafka_table,
};

const struct sq_connector sq_connector_upsert_kafka = {
    .name = "upsert-kafka", .help = "topics of Apache Kafka as tables by key: the last message of a key is its row", .package = "librdkafka1",
    .options = upsert_rows, .noptions = SQ_LEN(upsert_rows), .takes_format = SQ_FORMAT_KEYED, .metadata = sq_kafka_metadata, .nmetadata = SQ_KAFKA_NMETA,
    .source = &sq_kafka_source, .sink = &sq_kafka_sink, .table = upsert_table,
};
