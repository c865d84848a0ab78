/* SPDX-License-Identifier: Apache-2.0
 *
 * window_aggregate.h: the parts of GROUP BY windows: the operator (window_aggregate.c), its buckets and timers (window_state.c).
 */
#ifndef SQ_EXECUTOR_WINDOW_AGGREGATE_H
#define SQ_EXECUTOR_WINDOW_AGGREGATE_H

#include "executor/operators/aggregate.h"
#include "executor/window_store.h"

/* Groups of one window, one slice of windows, or the windows so far of a CUMULATE. */
enum { PART_ALL, PART_CUMULATED, PART_LATE };
struct bucket_name {
    int64_t start, end;
    int64_t part;                          /* of a slice: from PART_LATE on the rows that were late for that many of its windows, less PART_LATE */
};

struct bucket {
    struct bucket_name name;
    struct bucket *late;                   /* of a slice: the first of its late parts; of such a part: the next one */
    uint32_t number;                       /* in the batch under way, from 1; 0: none */
    struct sq_hashtab groups;
    struct sq_hashtab *seen;               /* of the distinct sets */
};

enum bucketing {
    BY_WINDOW,                             /* a bucket is a window */
    BY_SLICE,                              /* HOP: windows are put together from slices */
    BY_STEP                                /* CUMULATE: a step is added to what has been cumulated, when it is over */
};

struct window_aggregate {
    struct aggregate a;                    /* its tables are those of the bucket in use */
    struct sq_windows w;
    enum bucketing how;
    struct sq_hashtab buckets;             /* struct bucket_name -> struct bucket * */
    struct bucket *used;                   /* whose tables the aggregate has; NULL: none */
    struct sq_window_heap due;             /* windows that are to be put out when the watermark is at their end */
    int64_t watermark;                     /* in wall clock time */
    /* of a batch, by position */
    int64_t *time, *start, *end, *part;
    uint32_t *which, *order;               /* number of the row's bucket; positions bucket by bucket */
    uint32_t *first;                       /* where each bucket's positions begin */
    struct bucket **found;
    uint32_t nfound;
    uint64_t *hash;                        /* of the rows of one bucket */
    struct sq_view *key;
    uint8_t *null;
    const int64_t *wm;                     /* what the rows are judged by; NULL: the watermark */
    int64_t *wm_room;
};

/* window_state.c */
sq_rc sq_window_state_open(struct window_aggregate *);
void sq_window_state_close(struct window_aggregate *);
/* The bucket; made, with its timer, where it is not there (`make`), else NULL. */
sq_rc sq_window_bucket(struct window_aggregate *, struct bucket_name, bool make, struct bucket **);
/* The first window that a late part of a slice is in. */
int64_t sq_window_late_from(const struct window_aggregate *, const struct bucket_name *);
void sq_window_use(struct window_aggregate *, struct bucket *);        /* NULL: none */
/* A bucket that is found by nobody, for a window put together; and its end. */
sq_rc sq_window_sum(struct window_aggregate *, int64_t start, int64_t end, struct bucket **);
void sq_window_free(struct window_aggregate *, struct bucket *);
void sq_window_drop(struct window_aggregate *, struct bucket *);
sq_rc sq_window_snapshot(struct sq_op *, struct sq_snapshot_out *);
sq_rc sq_window_restore(struct sq_op *, struct sq_snapshot_in *);
size_t sq_window_bytes(const struct sq_op *);

#endif
