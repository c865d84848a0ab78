/* SPDX-License-Identifier: Apache-2.0
 *
 * hop.h: the parts of GROUP BY the windows of HOP: records of keys and slices (hop_state.c), rows and windows (hop.c), what comes out (hop_emit.c).
 */
#ifndef SQ_EXECUTOR_HOP_H
#define SQ_EXECUTOR_HOP_H

#include "executor/operators/aggregate.h"
#include "executor/window_store.h"

/* What the rows of one key in one slice come to: a group with its accumulators lies behind it. Once the slice is old that is the sum from here to the key's last old record; where the
 * clock closes windows the record keeps its own group too, because a checkpoint needs it, and the sum lies behind that. */
struct hop_record {
    struct hop_record *next, *prev;        /* of the key, by slice */
    struct sq_entry *owner;                /* in hop.keys */
    struct hop_record *more;               /* of the slice, in the order of first rows */
    int64_t slice;                         /* where it begins */
    uint64_t old;                          /* 0: it is new; else when it became old: hop.turn */
};
_Static_assert(sizeof(struct hop_record) == 48, "records keep their groups aligned to 16");

/* A row of a slice for windows from a certain one on: those before it are over for the row, and not yet put out. Its group lies behind it. */
struct hop_late { int64_t from, slice; struct sq_entry *key; int64_t pad; };

/* Payload of hop.slices. `far`, until the slice comes into the window: key's entry -> group, of keys whose newest slice is far from this one, so that the place in their lists would have
 * to be looked for; NULL: there are none. */
struct hop_slice { int64_t start; struct hop_record *first, *last; struct sq_hashtab *far; };

/* Of a key; its own group, the sum of its records in new slices, lies behind it. In front, because it is looked at whenever the key is. */
struct hop_key {
    struct hop_record *oldest, *newest;
    uint32_t place;                        /* in hop.live, from 1; 0: not among the rows of the window */
    uint32_t mark;                         /* of the window for which it was touched last */
    uint64_t late;                         /* how many rows wait in hop.late */
};
_Static_assert(sizeof(struct hop_key) == 32, "with its header a key is a cache line");

struct hop {
    struct aggregate a;                    /* a.groups: the keys */
    struct sq_windows w;
    size_t group;                          /* bytes of a group with its accumulators */
    struct sq_hashtab slices;
    struct sq_slab slab;                   /* records */
    struct hop_record *free, *last_free;   /* those that are free, by `next` */
    struct sq_window_heap coming, entered; /* slices by their start: behind the window, in it; `of`: the slice's entry */
    struct sq_window_heap late;            /* struct hop_late by the window they are for */
    uint64_t lates;
    int64_t front, reach;                  /* the newest slice that is in keys' lists; what lies further apart from it is far */
    int64_t watermark;                     /* in wall clock time */
    bool placed;                           /* a window has been put out: [start, until) */
    int64_t start, until;
    int64_t middle;                        /* slices before it are old; those from here on are summed up in their keys, but for what a checkpoint brought as old */
    uint64_t turn;                         /* how often new slices have become old */
    bool both;                             /* old records have their own group and a sum */
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
    void *nothing;                         /* a group without rows */
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
static inline void *hop_sum(const struct hop *x, struct hop_record *r) { return (char *)(r + 1) + (x->both ? x->group : 0); }
static inline struct hop_key *hop_key(struct sq_entry *e) { return SQ_PAYLOAD(e); }
static inline void *hop_group(struct sq_entry *e) { return hop_key(e) + 1; }

/* Nothing hangs on the key. */
static inline bool hop_unused(struct sq_entry *e) { return !hop_key(e)->oldest && hop_key(e)->late == 0; }

/* Of a few bytes, a multiple of 16: most groups have one to three aggregates. */
static inline void hop_zero(void *p, size_t n)
{
    switch (n) {
    case 32: memset(p, 0, 32); break;
    case 48: memset(p, 0, 48); break;
    case 64: memset(p, 0, 64); break;
    default: memset(p, 0, n);
    }
}

static inline void hop_copy(void *restrict to, const void *restrict from, size_t n)
{
    switch (n) {
    case 32: memcpy(to, from, 32); break;
    case 48: memcpy(to, from, 48); break;
    case 64: memcpy(to, from, 64); break;
    default: memcpy(to, from, n);
    }
}

/* hop_state.c */
sq_rc sq_hop_state_open(struct hop *);
void sq_hop_state_close(struct hop *);
void sq_hop_drop_key(struct hop *, struct sq_entry *);
/* The slice that begins there, made where need be. */
sq_rc sq_hop_slice(struct hop *, int64_t start, struct hop_slice **);
/* The key's record in a slice, made where need be; *made says so. */
sq_rc sq_hop_record(struct hop *, struct sq_entry *key, struct hop_slice *, struct hop_record **, bool *made);
/* It would have to be looked for, or lies far ahead: another split of the source is there already. */
bool sq_hop_is_far(struct hop *, struct sq_entry *key, int64_t slice);
/* The key's group in the slice's far ones. */
sq_rc sq_hop_far(struct hop *, struct sq_entry *key, struct hop_slice *, void **group);
/* The slice comes into the window: its far groups go to records. Or it is dropped, and they with it. */
sq_rc sq_hop_far_done(struct hop *, struct hop_slice *, bool enter);
/* A group for a row of the key that counts from a window on. */
sq_rc sq_hop_late(struct hop *, struct sq_entry *key, int64_t slice, int64_t from, struct hop_late **);
void sq_hop_late_done(struct hop *, struct hop_late *);
/* Takes away the record, the oldest of its key. */
void sq_hop_forget(struct hop *, struct hop_record *);
sq_rc sq_hop_added(struct hop *);
static inline void sq_hop_clear(struct hop *x, void *group)
{
    if (x->a.has_drop)
        sq_agg_drop(&x->a, hop_entry(group));
    hop_zero(group, x->group);
}
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
    struct hop_key *k = hop_key(key);

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
