/* SPDX-License-Identifier: Apache-2.0
 *
 * kafka.h: what the parts of the connectors kafka and upsert-kafka share: kafka.c (options, checks, the descriptors), properties.c (Java's
 * properties as librdkafka's), pattern.c (topic patterns), client.c (the library); reading: splits.c (partitions and where to begin and end), source.c (the
 * reader); writing: sink.c (the writer), producer.c, transaction.c, upsert.c (its buffer).
 */
#ifndef SQ_CONNECTORS_KAFKA_H
#define SQ_CONNECTORS_KAFKA_H

#include "base/os.h"
#include "connectors/connector.h"

enum sq_kafka_startup { SQ_KAFKA_EARLIEST, SQ_KAFKA_LATEST, SQ_KAFKA_GROUP, SQ_KAFKA_TIMESTAMP, SQ_KAFKA_SPECIFIC };
enum sq_kafka_bounded { SQ_KAFKA_UNBOUNDED, SQ_KAFKA_TO_LATEST, SQ_KAFKA_TO_GROUP, SQ_KAFKA_TO_TIMESTAMP, SQ_KAFKA_TO_SPECIFIC };
enum { SQ_KAFKA_FIELDS_ALL, SQ_KAFKA_FIELDS_EXCEPT_KEY };

enum sq_kafka_guarantee { SQ_KAFKA_AT_LEAST_ONCE, SQ_KAFKA_EXACTLY_ONCE, SQ_KAFKA_NO_GUARANTEE };
enum sq_kafka_partitioner { SQ_KAFKA_BY_KEY, SQ_KAFKA_FIXED, SQ_KAFKA_ROUND_ROBIN };

struct sq_kafka_options {
    struct sq_str topic, topic_pattern, key_fields, key_prefix, start_offsets, stop_offsets, partitioner, id_prefix;
    struct sq_option_map properties, legacy_offsets;
    int64_t start_timestamp, stop_timestamp, discovery_ms, scan_parallelism, sink_parallelism, flush_rows, flush_ms;
    int startup, bounded, fields_include, guarantee, naming;
};

struct sq_kafka_offset { int32_t partition; int64_t offset; };
struct sq_kafka_offsets { struct sq_kafka_offset *at; uint32_t n; };

/* What properties.c makes of 'properties.*'. Strings are 0-terminated. */
enum sq_kafka_side { SQ_KAFKA_BOTH, SQ_KAFKA_CONSUMER, SQ_KAFKA_PRODUCER };
struct sq_kafka_conf {
    const char *key, *value, *given;     /* given: the property's name as written, for errors */
    enum sq_kafka_side side;             /* which clients take it */
};
struct sq_kafka_properties {
    struct sq_kafka_conf *conf;
    uint32_t nconf;
    const char *servers, *group;
    bool group_given;
    bool idempotent;                     /* of 'enable.idempotence', and of what does not go with it */
    int64_t transaction_ms;              /* of 'transaction.timeout.ms'; 0: not given */
    int64_t max_request;                 /* of 'max.request.size': bytes */
    const char *reset;                   /* of 'auto.offset.reset': "earliest", "latest", or NULL: none */
    int64_t timeout_ms;                  /* of 'default.api.timeout.ms': how long to try */
    int64_t commit_ms;                   /* of 'auto.commit.interval.ms' with 'enable.auto.commit'; 0: offsets are not committed */
};

struct sq_kafka_table {                  /* the connector's sq_table_ext */
    struct sq_kafka_options options;
    struct sq_kafka_properties props;
    struct sq_table_format format[2];    /* value, key */
    const char **topic;                  /* NULL with a pattern */
    uint32_t ntopics;
    struct sq_kafka_offsets start, stop; /* specific-offsets, in the order of their partitions */
    uint8_t *from_key;                   /* by column of the table: its place among the fields of the key, from 1; 0: not in the key */
    uint32_t nkey;
    bool upsert;                         /* connector upsert-kafka: the key is the PRIMARY KEY, a message without a value deletes */
    enum sq_kafka_partitioner partitioner;
};

static inline const struct sq_kafka_table *sq_kafka_table_of(const struct sq_table_ext *ext)
{
    return (const struct sq_kafka_table *)(const void *)ext;
}

enum sq_kafka_meta {
    SQ_KAFKA_META_TOPIC, SQ_KAFKA_META_PARTITION, SQ_KAFKA_META_HEADERS, SQ_KAFKA_META_EPOCH, SQ_KAFKA_META_OFFSET, SQ_KAFKA_META_TIMESTAMP,
    SQ_KAFKA_META_TYPE, SQ_KAFKA_NMETA
};
extern const struct sq_metadata_key sq_kafka_metadata[SQ_KAFKA_NMETA];

/* properties.c: Java's properties as librdkafka's. Errors stand at the property; what has no effect here is listed in one notice. */
sq_rc sq_kafka_properties_map(struct sq_ctx *, struct sq_arena *, const struct sq_table_spec *, const struct sq_option_map *,
                              struct sq_kafka_properties *);
/* 'org.apache….PlainLoginModule required username="a" password="b";' False: not of that form. */
struct sq_kafka_jaas { struct sq_str module, username, password; };
bool sq_kafka_jaas_parse(struct sq_arena *, struct sq_str, struct sq_kafka_jaas *);

/* pattern.c: a Java pattern as a POSIX one, anchored at both ends; NULL: what cannot be said there, *why says what. */
const char *sq_kafka_pattern(struct sq_arena *, struct sq_str java, const char **why);

/* A split's payload: a partition, where to begin and where to end. */
enum { SQ_KAFKA_BEGINNING = -2 };        /* instead of an offset: the first that is there */
struct sq_kafka_range {
    const char *topic;                   /* 0-terminated */
    int32_t partition;
    int64_t start, stop;                 /* stop INT64_MAX: never */
};
sq_rc sq_kafka_range_write(struct sq_ctx *, struct sq_arena *, const struct sq_kafka_range *, struct sq_split *);
bool sq_kafka_range_read(struct sq_str payload, struct sq_kafka_range *);   /* topic points into the payload */

/* splits.c */
sq_rc sq_kafka_splits(struct sq_ctx *, struct sq_arena *, const struct sq_scan_spec *, uint32_t want, struct sq_split **, uint32_t *n);
struct sq_kafka_client;
/* The partitions that are there now, each from its beginning; waits no longer than timeout_ms, and finds none when that was too short. */
sq_rc sq_kafka_rediscover(struct sq_kafka_client *, struct sq_arena *, int timeout_ms, struct sq_split **, uint32_t *n);
/* Sets each one's stop to the end that it has now: of what is committed, with isolation.level = read_committed. */
sq_rc sq_kafka_ends(struct sq_kafka_client *, struct sq_kafka_range *, size_t n);
/* kafka.c: shared checks of a scan and of a sink; what a build without librdkafka can still say. */
sq_rc sq_kafka_info(struct sq_ctx *, const struct sq_table_spec *, const struct sq_table_ext *, struct sq_source_info *);
sq_rc sq_kafka_accept(struct sq_ctx *, const struct sq_table_spec *, const struct sq_table_ext *, unsigned *modes);
bool sq_kafka_shows_changes(const struct sq_table_spec *, const struct sq_table_ext *);
enum sq_sink_promise sq_kafka_promise(const struct sq_table_spec *, const struct sq_table_ext *);
/* Is column i of the table in the key, in the value? */
static inline bool sq_kafka_in_key(const struct sq_kafka_table *k, uint32_t i) { return k->from_key[i] != 0; }
static inline bool sq_kafka_in_value(const struct sq_kafka_table *k, const struct sq_table_spec *t, uint32_t i)
{
    return t->cols[i].role == SQ_COL_PHYSICAL && !(k->from_key[i] && k->options.fields_include == SQ_KAFKA_FIELDS_EXCEPT_KEY);
}
/* Which metadata a key names; -1: none. */
int sq_kafka_meta(struct sq_str key);

extern const struct sq_source_class sq_kafka_source;
extern const struct sq_sink_class sq_kafka_sink;

#endif
