/* SPDX-License-Identifier: Apache-2.0
 *
 * upsert.h: a buffer of the last row of each key (upsert.c).
 */
#ifndef SQ_KAFKA_UPSERT_H
#define SQ_KAFKA_UPSERT_H

#include "connectors/kafka/kafka.h"

struct sq_kafka_kept {                   /* packed key and packed row lie behind one another in `bytes` */
    uint64_t hash;
    size_t key_at, row_at, end;
    bool removed;
};

struct sq_kafka_buffer {
    struct sq_ctx *ctx;
    const uint32_t *key;                 /* columns of the key */
    uint32_t nkey;
    struct sq_kafka_kept *rows;          /* in the order in which the keys first came */
    size_t nrows, cap_rows;
    struct sq_buf bytes, packed;
    uint32_t *index;                     /* open addressing: 1 + number of the row; 0: empty */
    size_t nindex;                       /* a power of two */
    struct sq_out out;                   /* rows unpacked again */
    int64_t first_ns;                    /* when the oldest came */
};

sq_rc sq_kafka_buffer_open(struct sq_kafka_buffer *, struct sq_ctx *, const struct sq_sink_spec *);
void sq_kafka_buffer_close(struct sq_kafka_buffer *);
sq_rc sq_kafka_buffer_add(struct sq_kafka_buffer *, const struct sq_batch *, uint32_t r);
/* The next rows from *at on as a batch (+I and -D), NULL behind the last. */
sq_rc sq_kafka_buffer_next(struct sq_kafka_buffer *, size_t *at, const struct sq_batch **);
void sq_kafka_buffer_clear(struct sq_kafka_buffer *);

#endif
