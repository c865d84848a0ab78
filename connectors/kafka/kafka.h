/* SPDX-License-Identifier: Apache-2.0
 *
 * kafka.h: what the parts of the kafka connector share: kafka.c (options, the descriptor), properties.c (Java's properties as
 * librdkafka's), pattern.c (topic patterns), splits.c (partitions and where to begin and end), source.c (the reader), client.c (the library).
 */
#ifndef SQ_CONNECTORS_KAFKA_H
#define SQ_CONNECTORS_KAFKA_H

#include "base/os.h"
#include "connectors/connector.h"

enum sq_kafka_startup { SQ_KAFKA_EARLIEST, SQ_KAFKA_LATEST, SQ_KAFKA_GROUP, SQ_KAFKA_TIMESTAMP, SQ_KAFKA_SPECIFIC };
enum sq_kafka_bounded { SQ_KAFKA_UNBOUNDED, SQ_KAFKA_TO_LATEST, SQ_KAFKA_TO_GROUP, SQ_KAFKA_TO_TIMESTAMP, SQ_KAFKA_TO_SPECIFIC };
enum { SQ_KAFKA_FIELDS_ALL, SQ_KAFKA_FIELDS_EXCEPT_KEY };

struct sq_kafka_options {
    struct sq_str topic, topic_pattern, key_fields, key_prefix, start_offsets, stop_offsets, sink_text;
    struct sq_option_map properties, legacy_offsets;
    int64_t start_timestamp, stop_timestamp, discovery_ms, scan_parallelism, sink_parallelism;
    int startup, bounded, fields_include, sink_choice;
};

struct sq_kafka_offset { int32_t partition; int64_t offset; };
struct sq_kafka_offsets { struct sq_kafka_offset *at; uint32_t n; };

/* What properties.c makes of 'properties.*'. Strings are 0-terminated. */
struct sq_kafka_conf { const char *key, *value, *given; };   /* given: the property's name as written, for errors */
struct sq_kafka_properties {
    struct sq_kafka_conf *conf;
    uint32_t nconf;
    const char *servers, *group;
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
const char *sq_kafka_reset(const struct sq_kafka_table *);
/* kafka.c: shared checks of a scan; what a build without librdkafka can still say. */
sq_rc sq_kafka_info(struct sq_ctx *, const struct sq_table_spec *, const struct sq_table_ext *, struct sq_source_info *);

extern const struct sq_source_class sq_kafka_source;

#endif
