/* SPDX-License-Identifier: Apache-2.0
 *
 * hop.h: the parts of GROUP BY the windows of HOP: records of keys and slices (hop_state.c), rows and windows (hop.c), what comes out (hop_emit.c).
 */
#ifndef SQ_EXECUTOR_HOP_H
#define SQ_EXECUTOR_HOP_H

#include "executor/operators/aggregate.h"
#include "executor/window_store.h"

/* What the rows of one key in one slice come to. Two groups with their accumulators lie behind it: its own, and the sum from here to the last old slice. */
struct hop_record {
    struct hop_record *next, *prev;        /* of the key, by slice */
    struct sq_entry *owner;                /* in hop.keys */
    struct hop_record *more;               /* of the slice, in the order of first rows */
    int64_t slice;                         /* where it begins */
    int64_t pad;
};
_Static_assert(sizeof(struct hop_record) == 48, "records keep their groups aligned to 16");

/* A row of a slice for windows from a certain one on: those before it are over for the row, and not yet put out. Its group lies behind it. */
struct hop_late { int64_t from, slice; struct sq_entry *key; int64_t pad; };

struct hop_slice { int64_t start; struct hop_record *first, *last; };   /* payload of hop.slices */

/* Behind the group of a key, which is the sum of its records in new slices. */
struct hop_key {
    struct hop_record *oldest, *newest;
    uint32_t place;                        /* in hop.live, from 1; 0: not among the rows of the window */
    uint32_t mark;                         /* of the window for which it was touched last */
    uint64_t late;                         /* how many rows wait in hop.late */
};

struct hop {
    struct aggregate a;                    /* a.groups: the keys */
    struct sq_windows w;
    size_t group;                          /* bytes of a group with its accumulators */
    struct sq_hashtab slices;
    struct sq_slab slab;                   /* records */
    struct sq_window_heap coming, entered; /* slices by their start: behind the window, in it; `of`: the slice's entry */
    struct sq_window_heap late;            /* struct hop_late by the window they are for */
    uint64_t lates;
    int64_t watermark;                     /* in wall clock time */
    bool placed;                           /* a window has been put out: [start, until) */
    int64_t start, until;
    int64_t middle;                        /* slices before it are old: their records have sums; those from here on are summed up in their keys */
    /* keys that the next window has to look at */
    struct sq_entry **touched;
    size_t ntouched, touched_cap;
    uint32_t mark;
    /* of a batch */
    int64_t *time;
    const int64_t *wm;                     /* what the rows are judged by, by position; NULL: the watermark */
    int64_t *wm_room;
    /* groups that are added up, some at a time */
    void *into[SQ_BATCH_ROWS], *from[SQ_BATCH_ROWS];
    uint32_t npairs;
    /* what comes out (hop_emit.c) */
    struct sq_entry **live;                /* keys with rows in the window */
    size_t nlive, live_cap;
    char *scratch;                         /* groups of results under way */
    struct sq_entry *result[SQ_BATCH_ROWS];
    bool kept;                             /* columns are kept from window to window, and changed where keys were touched */
    struct sq_col *key_cols, *val_cols, *new_cols;
    struct sq_col time_col;
    struct sq_arena heap, new_heap;
    size_t gone;                           /* keys taken away since the key columns were made */
    uint32_t *sizes;                       /* of elements, by output column */
    struct sq_vec *vecs;
};

/* A group in the form in which the functions of aggregate.h want it: behind an entry's header, which they do not look at. */
static inline struct sq_entry *hop_entry(void *group) { return (struct sq_entry *)group - 1; }
static inline void *hop_late_group(struct hop_late *l) { return l + 1; }
static inline void *hop_own(struct hop_record *r) { return r + 1; }
static inline void *hop_sum(const struct hop *x, struct hop_record *r) { return (char *)(r + 1) + x->group; }
static inline struct hop_key *hop_key(const struct hop *x, struct sq_entry *e) { return (struct hop_key *)(void *)((char *)SQ_PAYLOAD(e) + x->group); }

/* Nothing hangs on the key. */
static inline bool hop_unused(const struct hop *x, struct sq_entry *e) { return !hop_key(x, e)->oldest && hop_key(x, e)->late == 0; }

/* hop_state.c */
sq_rc sq_hop_state_open(struct hop *);
void sq_hop_state_close(struct hop *);
/* The slice that begins there, made where need be. */
sq_rc sq_hop_slice(struct hop *, int64_t start, struct hop_slice **);
/* The key's record in a slice, made where need be; *made says so. */
sq_rc sq_hop_record(struct hop *, struct sq_entry *key, struct hop_slice *, struct hop_record **, bool *made);
/* A group for a row of the key that counts from a window on. */
sq_rc sq_hop_late(struct hop *, struct sq_entry *key, int64_t slice, int64_t from, struct hop_late **);
void sq_hop_late_done(struct hop *, struct hop_late *);
/* Takes away the record, the oldest of its key. */
void sq_hop_forget(struct hop *, struct hop_record *);
sq_rc sq_hop_added(struct hop *);
void sq_hop_clear(struct hop *, void *group);
sq_rc sq_hop_snapshot(struct sq_op *, struct sq_snapshot_out *);
sq_rc sq_hop_restore(struct sq_op *, struct sq_snapshot_in *);
size_t sq_hop_bytes(const struct sq_op *);

/* Adds group `from` to `into`, soon: sq_hop_added must be called before either is read. */
static inline sq_rc sq_hop_add(struct hop *x, void *into, void *from)
{
    if (x->npairs == SQ_BATCH_ROWS)
        SQ_TRY(sq_hop_added(x));
    x->into[x->npairs] = into;
    x->from[x->npairs++] = from;
    return SQ_OK;
}
/* The next window has to look at the key. */
static inline sq_rc sq_hop_touch(struct hop *x, struct sq_entry *key)
{
    struct hop_key *k = hop_key(x, key);

    if (k->mark == x->mark)
        return SQ_OK;
    k->mark = x->mark;
    if (x->ntouched == x->touched_cap)
        SQ_TRY(sq_grow(x->a.base.ctx, &x->touched, &x->touched_cap, x->ntouched + 1, sizeof(struct sq_entry *)));
    x->touched[x->ntouched++] = key;
    return SQ_OK;
}

/* hop_emit.c */
sq_rc sq_hop_emit_open(struct hop *);
void sq_hop_emit_close(struct hop *);
/* The rows of the window [x->start, x->until), of which those of x->touched may have changed; these are forgotten. */
sq_rc sq_hop_emit(struct hop *);

#endif
