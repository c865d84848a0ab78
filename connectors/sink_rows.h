/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_rows.h: rows of a sink that wait to be written, of each key the last one (sink_rows.c).
 */
#ifndef SQ_CONNECTORS_SINK_ROWS_H
#define SQ_CONNECTORS_SINK_ROWS_H

#include "connectors/connector.h"

struct sq_sink_row {                     /* key and row lie packed behind one another in `bytes` */
    size_t at;
    uint64_t hash;
    uint32_t nkey, nrow;                 /* bytes of the key, and of the row */
    uint32_t room;                       /* for the row, at least nrow */
    bool removed;                        /* the key is to be deleted */
};

struct sq_sink_rows {
    struct sq_ctx *ctx;
    const struct sq_table_spec *table;
    const uint32_t *key;                 /* the last change of a key wins */
    uint32_t nkey;                       /* 0: every row is kept */
    struct sq_sink_row *rows;
    size_t n, cap;
    size_t nremoved;                     /* of them: keys to be deleted */
    struct sq_buf bytes;
    size_t dead;                         /* of the bytes: no row's any more */
    uint32_t *index;                     /* open addressing: 1 + number of the row; 0: empty */
    size_t nindex;                       /* a power of two */
    struct sq_buf packed;                /* the key that is looked for */
    struct sq_out out;                   /* rows unpacked again */
};

sq_rc sq_sink_rows_init(struct sq_sink_rows *, struct sq_ctx *, const struct sq_table_spec *, const uint32_t *key, uint32_t nkey);
void sq_sink_rows_free(struct sq_sink_rows *);           /* of one that is all zero, too */
void sq_sink_rows_clear(struct sq_sink_rows *);
size_t sq_sink_rows_bytes(const struct sq_sink_rows *);
sq_rc sq_sink_rows_add(struct sq_sink_rows *, const struct sq_batch *, uint32_t r, bool removed);
/* Unpacks rows from *i on, up to a batch of them, into out, those to be deleted as SQ_DELETE: these alone, the others alone, or all in their order. */
enum sq_sink_rows_of { SQ_ROWS_REMOVED, SQ_ROWS_PUT, SQ_ROWS_ALL };
sq_rc sq_sink_rows_next(struct sq_sink_rows *, enum sq_sink_rows_of, size_t *i);
/* One row of n bytes, behind those in out; `what` is the message where they are none. */
sq_rc sq_sink_rows_unpack(struct sq_sink_rows *, const char *, size_t n, bool removed, const char *what);
/* Of any bytes; the same everywhere and always, so it may be saved. */
uint64_t sq_hash_of(uint64_t seed, const char *, size_t n);

#endif
