/* SPDX-License-Identifier: Apache-2.0
 *
 * timeline.h: the rows of one side of an interval join: by key, and within a key by time.
 *
 * Time is cut into slices of one width. A key has a list of its slices in order of time, a slice its rows as they came: a range of times is found by a binary search, and one row
 * too many is looked at for each slice that the range cuts. A calendar has each slice's keys, so that what is over is found without looking at what is not.
 */
#ifndef SQ_EXECUTOR_TIMELINE_H
#define SQ_EXECUTOR_TIMELINE_H

#include "executor/keys.h"
#include "executor/op.h"

struct trow {                              /* a kept row */
    struct trow *next;                     /* of the slice */
    int64_t t;
    int64_t from;                          /* t, or the watermark that it was judged by where that is further: a late row */
    uint32_t len;
    bool matched;
    char bytes[];                          /* packed (base/row.h) */
};

struct slice { int64_t number; struct trow *head, *tail; };
struct line { struct slice *v; uint32_t first, n, cap; };   /* payload of a key's entry: v[first..n), ascending */
struct day_key { struct sq_entry *e; struct day_key *next; };
struct day { int64_t number; struct day_key *head, *tail; };

struct timeline {
    struct sq_ctx *ctx;
    const struct sq_plan *input;
    int64_t width;                         /* of a slice, microseconds */
    struct sq_keys keys;
    struct sq_hashtab tab;                 /* join key -> line */
    struct sq_slab slab;
    struct sq_buf pack;
    struct day *days;                      /* the calendar: days[first..n), ascending */
    size_t first, n, cap;
};

sq_rc timeline_open(struct timeline *, struct sq_ctx *, const struct sq_plan *input, const uint32_t *keys, uint32_t nkeys, int64_t width);
void timeline_close(struct timeline *);
size_t timeline_bytes(const struct timeline *);
/* Physical row r of a batch for the key of an entry of tab. */
sq_rc timeline_add(struct timeline *, struct sq_entry *, const struct sq_batch *in, uint32_t r, int64_t t, int64_t from, bool matched);

/* The rows of a key that lie in [lo, hi], by slice. */
struct time_range { const struct line *l; uint32_t at; struct trow *row; int64_t lo, hi, last; };
void timeline_range(const struct timeline *, struct sq_entry *, int64_t lo, int64_t hi, struct time_range *);
struct trow *timeline_next(struct time_range *);

/* The slice that holds t. */
int64_t timeline_slice(const struct timeline *, int64_t t);
/* Takes out the rows of one key and slice, of the earliest slice, where that is below `before`; they are the caller's, to be given back. *rows NULL: there are none. */
void timeline_take(struct timeline *, int64_t before, struct trow **rows);
void timeline_give(struct timeline *, struct trow *);
/* The earliest slice; false: there is none. */
bool timeline_earliest(const struct timeline *, int64_t *number);

/* All of it: side, matched, t, from, packed row; and one such record back. */
sq_rc timeline_save(struct timeline *, uint8_t side, struct sq_snapshot_out *);
enum { TIMELINE_HEAD = 1 + 1 + 8 + 8 };

#endif
