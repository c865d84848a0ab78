/* SPDX-License-Identifier: Apache-2.0
 *
 * aggregate.h: the parts of the GROUP BY operator: groups and their accumulators (agg_state.c), what comes out (agg_emit.c), the operator
 * itself (aggregate.c).
 */
#ifndef SQ_EXECUTOR_AGGREGATE_H
#define SQ_EXECUTOR_AGGREGATE_H

#include "executor/hashtab.h"
#include "executor/keys.h"
#include "executor/op.h"
#include "executor/state/ttl.h"

struct group {                             /* payload of an entry; accumulators follow, then a stamp where groups have a time to live */
    int64_t rows;                          /* rows in it: at 0 it disappears */
    uint64_t serial;                       /* names the group in distinct sets; never used twice */
};

struct agg_item {
    struct sq_agg_call call;
    size_t offset;                         /* of the accumulator, from the entry */
    int32_t arg, filter;                   /* input columns; -1: none */
    int32_t set;                           /* its distinct set; -1: none */
};

struct distinct {                          /* values seen per group, for one argument and filter: (serial, value) -> how often */
    uint32_t arg;
    int32_t filter;
    struct sq_keys keys;                   /* of the value column */
    struct sq_hashtab seen;
    bool nulls;                            /* NULL is a value too; a byte that says so is before each value's bytes */
    struct sq_buf bytes;
    struct sq_view view[SQ_BATCH_ROWS];
    uint64_t hash[SQ_BATCH_ROWS];
    uint32_t ends[SQ_BATCH_ROWS];
    struct sq_entry *entry[SQ_BATCH_ROWS];
    /* of the rows last given: those that make a value appear or disappear, as positions in that list */
    uint32_t pass[SQ_BATCH_ROWS];
    uint32_t npass;
};

struct seen { int64_t count; uint64_t group_hash; };   /* a stamp follows as well */

enum emission { EMIT_NET, EMIT_EACH, EMIT_FINAL, EMIT_NEW };   /* NEW: the first row of each group of an insert-only input, no aggregates */

struct aggregate {
    struct sq_op base;
    uint32_t ngroup, nitems, nsets;
    struct agg_item *items;
    struct distinct *sets;
    struct sq_keys keys;
    struct sq_hashtab groups;
    size_t payload;                        /* of a group: struct group and accumulators */
    enum emission emission;
    bool retracts;                         /* the input may take rows back */
    bool upsert;                           /* -U is not wanted */
    bool has_drop;
    uint32_t seq;                          /* of the batch: marks entries that it touched (EACH marks them by their place in `touched`) */
    uint64_t serial;
    uint64_t hung;                         /* bytes that hang on accumulators */
    struct sq_ttl ttl;                     /* of groups, and of each value in a distinct set */
    struct sq_sweep sweep;
    /* of the current batch */
    struct sq_entry *entry[SQ_BATCH_ROWS];
    uint32_t row[SQ_BATCH_ROWS];           /* physical rows, where some were dropped */
    uint32_t pos[SQ_BATCH_ROWS];           /* their positions in the batch's selection */
    struct sq_entry *touched[SQ_BATCH_ROWS];
    bool was_live[SQ_BATCH_ROWS];
    uint32_t ntouched;
    /* what comes out */
    struct sq_arena heap;
    struct sq_col *key_cols, *old_cols, *val_cols;   /* ngroup, nitems, nitems */
    struct sq_vec *vecs;
    uint32_t **composed;                   /* EACH: per key column: index over a dictionary input; allocated when first needed */
    struct sq_out out;                     /* FINAL */
    uint32_t key_index[SQ_BATCH_ROWS], val_index[SQ_BATCH_ROWS];
    uint8_t kind[SQ_BATCH_ROWS];
};

static inline struct group *group_of(struct sq_entry *e) { return SQ_PAYLOAD(e); }

/* agg_state.c */
sq_rc sq_agg_state_open(struct aggregate *);                 /* as the plan node has it */
sq_rc sq_agg_open_as(struct aggregate *, const struct sq_plan *input, const uint32_t *group, uint32_t ngroup, const struct sq_agg_item *, uint32_t nitems);
void sq_agg_state_close(struct aggregate *);
void sq_agg_drop(struct aggregate *, struct sq_entry *);         /* what hangs on a group's accumulators */
void sq_agg_drop_all(struct aggregate *, const struct sq_hashtab *groups);   /* what hangs on the accumulators of all groups */
/* Rows of a batch: physical rows `sel` (NULL: 0..n) whose positions in its selection are `pos` (NULL: 0..n), into the groups of entry[0..n). */
struct agg_rows { const uint32_t *sel, *pos; struct sq_entry *const *entry; uint32_t n; };
/* Prepares the distinct sets for a batch; then rows of it may be applied. */
sq_rc sq_agg_load(struct aggregate *, const struct sq_batch *);
sq_rc sq_agg_apply(struct aggregate *, const struct sq_batch *, struct agg_rows);
void sq_agg_clear(struct aggregate *, struct sq_entry *);    /* empties the accumulators */
void sq_agg_remove(struct aggregate *, struct sq_entry *);
/* Groups of a batch whose time is over begin anew; all are stamped. */
void sq_agg_expire(struct aggregate *, struct sq_entry *const *, uint32_t n);
sq_rc sq_agg_sweep(struct sq_op *, int64_t now_us);
/* Row count, serial and accumulators of one group; `base` is added to its serial. */
sq_rc sq_agg_save_group(struct aggregate *, struct sq_entry *, struct sq_buf *);
sq_rc sq_agg_load_group(struct aggregate *, struct sq_entry *, const char **p, const char *end, uint64_t base);
sq_rc sq_agg_snapshot(struct sq_op *, struct sq_snapshot_out *);
sq_rc sq_agg_restore(struct sq_op *, struct sq_snapshot_in *);
size_t sq_agg_bytes(const struct sq_op *);

/* agg_merge.c: for windows that are put together from parts */
/* Adds n groups to n others: row counts and the accumulators that have no distinct set. */
sq_rc sq_agg_merge_groups(struct aggregate *, struct sq_entry *const *into, struct sq_entry *const *from, uint32_t n);
/* Adds the values of a set to those in a->sets[set].seen; `group` says into which group the values of a serial go (NULL: none). */
sq_rc sq_agg_merge_set(struct aggregate *, uint32_t set, const struct sq_hashtab *from, struct sq_entry *(*group)(void *arg, uint64_t serial), void *arg);

/* agg_emit.c */
sq_rc sq_agg_emit_open(struct aggregate *);
void sq_agg_emit_close(struct aggregate *);
/* The results of the touched groups before the batch is applied, and after it what changed. */
sq_rc sq_agg_net_before(struct aggregate *);
sq_rc sq_agg_net_after(struct aggregate *);
sq_rc sq_agg_each(struct aggregate *, const struct sq_batch *);
sq_rc sq_agg_final(struct aggregate *);
/* Appends the results of n groups to cols[0..nitems). */
sq_rc sq_agg_results(struct aggregate *, struct sq_entry *const *, uint32_t n, struct sq_col *cols);

#endif
