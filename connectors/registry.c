/* SPDX-License-Identifier: Apache-2.0
 *
 * registry.c: the tables of connectors and formats, and how a WITH clause names one of each.
 *
 * Job files of every Flink vintage are read: 'connector' and 'format', or the descriptors of old ('connector.type',
 * 'format.type', with 'connector.property-version' and the like beside them, which say nothing that is needed).
 */
#include "connectors/registry.h"
#include "connectors/formats/formats.h"

#include <stdio.h>

static const struct sq_connector *const connectors[] = {
    &sq_connector_filesystem, &sq_connector_kafka, &sq_connector_upsert_kafka, &sq_connector_jdbc, &sq_connector_datagen, &sq_connector_print, &sq_connector_blackhole,
};

static const struct sq_format *const formats[] = {
    &sq_format_json, &sq_format_debezium_json, &sq_format_csv, &sq_format_raw,
};

/* What Flink has and is not here yet: refused by name rather than taken for a misspelling. */
static const char *const later_connectors[] = {
    "hbase", "hbase-1.4", "hbase-2.2", "elasticsearch", "elasticsearch-6", "elasticsearch-7", "opensearch", "opensearch-1",
    "opensearch-2", "mongodb", "hive", "kinesis", "kinesis-legacy", "firehose", "dynamodb", "pulsar", "mysql-cdc", "postgres-cdc", "sqlserver-cdc",
    "oracle-cdc", "mongodb-cdc", "socket", "rabbitmq", "prometheus", "iceberg", "paimon", "hudi",
};
static const char *const later_formats[] = {
    "avro", "avro-confluent", "debezium-avro-confluent", "canal-json", "maxwell-json", "ogg-json", "parquet", "orc", "protobuf",
};

const struct sq_connector *sq_connector_at(size_t i) { return i < SQ_LEN(connectors) ? connectors[i] : NULL; }
const struct sq_format *sq_format_at(size_t i) { return i < SQ_LEN(formats) ? formats[i] : NULL; }

const struct sq_format *sq_format_find(struct sq_str name)
{
    for (size_t i = 0; i < SQ_LEN(formats); i++)
        if (sq_str_is(name, formats[i]->name))
            return formats[i];
    return NULL;
}

/* Names that cannot be found: not here yet, or the nearest. */
static sq_rc no_such(struct sq_ctx *ctx, const char *kind, const struct sq_kv *kv, const struct sq_str *have, uint32_t nhave, const char *const *later,
                     size_t nlater)
{
    struct sq_str all[96];
    uint32_t n = 0;
    for (uint32_t i = 0; i < nhave && n < SQ_LEN(all); i++)
        all[n++] = have[i];
    for (size_t i = 0; i < nlater; i++) {
        if (sq_str_is(kv->value, later[i]))
            return sq_fail_at(ctx, SQ_UNSUPPORTED, kv->value_span, "%s '%.*s' is not supported yet", kind, SQ_FMT(kv->value));
        if (n < SQ_LEN(all))
            all[n++] = sq_str_of(later[i]);
    }
    struct sq_str near = sq_nearest(kv->value, all, n);
    sq_fail_at(ctx, SQ_SEMANTIC, kv->value_span, "there is no %s '%.*s'", kind, SQ_FMT(kv->value));
    if (near.n)
        return sq_hint(ctx, "did you mean '%.*s'?", SQ_FMT(near));
    char list[SQ_HINT_MAX / 2];
    size_t at = 0;
    list[0] = 0;
    for (uint32_t i = 0; i < nhave; i++) {
        int w = snprintf(list + at, sizeof list - at, "%s'%.*s'", i ? ", " : "", SQ_FMT(have[i]));
        if (w > 0 && (size_t)w < sizeof list - at)
            at += (size_t)w;
    }
    return sq_hint(ctx, "there are %s", list);
}

static const struct sq_kv *either(const struct sq_table_spec *t, const char *key, const char *old_key)
{
    const struct sq_kv *kv = sq_option_given(t->options, t->noptions, key);
    return kv ? kv : sq_option_given(t->options, t->noptions, old_key);
}

sq_rc sq_connector_find(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_connector **out)
{
    const struct sq_kv *kv = either(t, "connector", "connector.type");
    if (!kv) {
        sq_fail_at(ctx, SQ_SEMANTIC, t->span, "table '%.*s' does not say where its rows are: the option 'connector' is missing", SQ_FMT(t->name));
        return sq_hint(ctx, "add WITH ('connector' = 'filesystem', 'path' = '…', 'format' = 'json')");
    }
    struct sq_str names[SQ_LEN(connectors)];
    for (size_t i = 0; i < SQ_LEN(connectors); i++) {
        names[i] = sq_str_of(connectors[i]->name);
        if (sq_str_eq(kv->value, names[i])) {
            *out = connectors[i];
            return SQ_OK;
        }
    }
    return no_such(ctx, "connector", kv, names, SQ_LEN(names), later_connectors, SQ_LEN(later_connectors));
}

sq_rc sq_format_resolve(struct sq_ctx *ctx, const struct sq_kv *kv, const struct sq_format **out)
{
    struct sq_str names[SQ_LEN(formats)];
    *out = sq_format_find(kv->value);
    if (*out)
        return SQ_OK;
    for (size_t i = 0; i < SQ_LEN(formats); i++)
        names[i] = sq_str_of(formats[i]->name);
    return no_such(ctx, "format", kv, names, SQ_LEN(names), later_formats, SQ_LEN(later_formats));
}

/* ---- the options of a table ---- */

/* Every table that can be read takes these. */
#define AT(member) offsetof(struct sq_scan_options, member)
static const struct sq_option common_options[] = {
    {"scan.after", NULL, SQ_OPT_STRING, NULL, AT(after), NULL, 0, "tables of the same job, separated by ;, that have to be read to their end before this one is read: a history before the topic that goes on from there"},
    {"scan.watermark.emit.strategy", NULL, SQ_OPT_ENUM, "on-periodic", AT(strategy), "on-periodic|on-event", 0,
     "when watermarks are emitted; here behind every batch, and a row is judged as if they came row by row, either way"},
    {"scan.watermark.alignment.group", NULL, SQ_OPT_STRING, NULL, 0, NULL, SQ_OPT_UNSUPPORTED, "splits do not wait for each other"},
    {"scan.watermark.alignment.max-drift", NULL, SQ_OPT_STRING, NULL, 0, NULL, SQ_OPT_UNSUPPORTED, "splits do not wait for each other"},
    {"scan.watermark.alignment.update-interval", NULL, SQ_OPT_STRING, NULL, 0, NULL, SQ_OPT_UNSUPPORTED, "splits do not wait for each other"},
    {"scan.watermark.idle-timeout", NULL, SQ_OPT_DURATION, NULL, AT(idle_ms), NULL, 0, "a partition that gives nothing for so long no longer holds the watermark back"},
    {"scan.watermark.null-time", NULL, SQ_OPT_ENUM, "fail", AT(null_time), "fail|skip", 0,
     "a row whose event time is NULL: the job fails, or the row is left out and counted as bad"},
    {"schema.*", NULL, SQ_OPT_MAP, NULL, 0, NULL, SQ_OPT_UNSUPPORTED, "declare columns, rowtime and watermarks in CREATE TABLE (…)"},
};

/* Keys that name connector and format, or only the vintage of the file. */
static const char *const skip_plain[] = {
    "connector", "connector.type", "connector.version", "connector.property-version", "property-version", "update-mode", NULL,
};
static const char *const skip_format[] = {
    "connector", "connector.type", "connector.version", "connector.property-version", "property-version", "update-mode",
    "format", "format.type", "format.property-version", "format.derive-schema", NULL,
};

static const char *const skip_keyed[] = {
    "connector", "connector.type", "connector.version", "connector.property-version", "property-version", "update-mode",
    "format", "format.type", "format.property-version", "format.derive-schema", "value.format", "key.format", NULL,
};

static sq_rc check_legacy(struct sq_ctx *ctx, const struct sq_table_spec *t)
{
    static const struct sq_str modes[] = {{"append", 6}, {"retract", 7}, {"upsert", 6}};
    const struct sq_kv *kv = sq_option_given(t->options, t->noptions, "update-mode");
    for (size_t i = 0; kv && i < SQ_LEN(modes); i++)
        if (sq_str_ieq(kv->value, modes[i]))
            kv = NULL;
    if (kv) {
        sq_fail_at(ctx, SQ_SEMANTIC, kv->value_span, "'update-mode': '%.*s' is not one of its values", SQ_FMT(kv->value));
        return sq_hint(ctx, "it can be 'append', 'retract', 'upsert'; or leave it out: it follows from the query");
    }
    kv = sq_option_given(t->options, t->noptions, "format.derive-schema");
    if (kv && !sq_str_iis(kv->value, "true"))
        return sq_fail_at(ctx, SQ_UNSUPPORTED, kv->value_span, "'format.derive-schema': only 'true' is supported: the columns are those of the table");
    return SQ_OK;
}

/* The rows of a format with the struct they fill. Options of key.format begin with 'key.', those of value.format with 'value.'. */
static sq_rc add_format(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_kv *kv, const char *prefix, struct sq_table_format *fmt,
                        struct sq_option_set *sets, uint32_t *nsets)
{
    SQ_TRY(sq_format_resolve(ctx, kv, &fmt->format));
    fmt->options = sq_arena_zero(arena, fmt->format->options_size ? fmt->format->options_size : 1);
    if (!fmt->options)
        return SQ_NOMEM;
    sets[(*nsets)++] = (struct sq_option_set){fmt->format->options, fmt->format->noptions, prefix, fmt->options};
    return SQ_OK;
}

static sq_rc value_format(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_connector *c, const struct sq_table_spec *t,
                          struct sq_table_format *fmt, struct sq_option_set *sets, uint32_t *nsets)
{
    const struct sq_kv *kv = either(t, "format", "format.type"), *value = NULL;
    if (c->takes_format == SQ_FORMAT_KEYED)
        value = sq_option_given(t->options, t->noptions, "value.format");
    if (kv && value)
        return sq_fail_at(ctx, SQ_SEMANTIC, value->key_span, "'%.*s' and 'value.format' are the same option in two spellings", SQ_FMT(kv->key));
    if (!kv && !value) {
        sq_fail_at(ctx, SQ_SEMANTIC, t->span, "connector '%s' needs the option 'format'", c->name);
        return sq_hint(ctx, "add 'format' = 'json'");
    }
    return add_format(ctx, arena, value ? value : kv, value ? "value." : "", fmt, sets, nsets);
}

static sq_rc key_format(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_table_format *fmt, struct sq_option_set *sets,
                        uint32_t *nsets)
{
    const struct sq_kv *kv = sq_option_given(t->options, t->noptions, "key.format");
    *fmt = (struct sq_table_format){NULL, NULL};
    return kv ? add_format(ctx, arena, kv, "key.", fmt, sets, nsets) : SQ_OK;
}

sq_rc sq_table_options(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_connector *c, const struct sq_table_spec *t, void *into,
                       struct sq_table_format *fmt)
{
    struct sq_scan_options common;               /* checked here, asked for by sq_scan_options_of */
    struct sq_option_set sets[4] = {{c->options, c->noptions, "", into}, {common_options, SQ_LEN(common_options), "", &common}};
    uint32_t nsets = 2;
    char what[160];
    SQ_TRY(check_legacy(ctx, t));
    snprintf(what, sizeof what, "connector '%s'", c->name);
    if (c->takes_format)
        SQ_TRY(value_format(ctx, arena, c, t, fmt, sets, &nsets));
    if (c->takes_format == SQ_FORMAT_KEYED)
        SQ_TRY(key_format(ctx, arena, t, &fmt[1], sets, &nsets));
    if (c->takes_format)
        snprintf(what, sizeof what, "connector '%s' with format '%s'", c->name, fmt->format->name);
    const char *const *skip = !c->takes_format ? skip_plain : c->takes_format == SQ_FORMAT_KEYED ? skip_keyed : skip_format;
    return sq_options_parse(ctx, arena, what, t->span, t->options, t->noptions, skip, sets, nsets);
}

const struct sq_option *sq_scan_option_rows(uint32_t *n)
{
    *n = SQ_LEN(common_options);
    return common_options;
}

sq_rc sq_scan_options_of(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_scan_options *out)
{
    static const char *const none[] = {NULL};
    struct sq_option_set set = {common_options, SQ_LEN(common_options), "", out};
    struct sq_kv *kv = SQ_NEW_ARRAY(arena, struct sq_kv, t->noptions + 1);
    struct sq_str rest;
    uint32_t n = 0;
    if (!kv)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->noptions; i++)
        for (size_t k = 0; k < SQ_LEN(common_options); k++)
            if (sq_option_match(common_options[k].key, t->options[i].key, &rest)) {
                kv[n++] = t->options[i];
                break;
            }
    return sq_options_parse(ctx, arena, "the table", t->span, kv, n, none, &set, 1);
}

static const struct sq_option *lookup(const struct sq_option *rows, uint32_t n, struct sq_str key)
{
    struct sq_str rest;
    for (uint32_t i = 0; i < n; i++)
        if (sq_option_match(rows[i].key, key, &rest))
            return &rows[i];
    return NULL;
}

const struct sq_option *sq_option_lookup(struct sq_str connector, struct sq_str key)
{
    const struct sq_option *row = NULL;
    for (size_t i = 0; i < SQ_LEN(connectors) && !row; i++)
        if (sq_str_is(connector, connectors[i]->name))
            row = lookup(connectors[i]->options, connectors[i]->noptions, key);
    if ((sq_str_is(connector, "kafka") || sq_str_is(connector, "upsert-kafka")) && key.n > 6 && (memcmp(key.p, "key.", 4) == 0 || memcmp(key.p, "value.", 6) == 0)) {
        uint32_t n = key.p[0] == 'k' ? 4 : 6;
        key = (struct sq_str){key.p + n, key.n - n};
    }
    for (size_t i = 0; i < SQ_LEN(formats) && !row; i++)
        row = lookup(formats[i]->options, formats[i]->noptions, key);
    return row ? row : lookup(common_options, SQ_LEN(common_options), key);
}
