/* SPDX-License-Identifier: Apache-2.0
 *
 * join.h: the parts of the join: the rows kept of each side (join_state.c), pairing and emitting (join_pairs.c), the operator (join.c).
 */
#ifndef SQ_EXECUTOR_JOIN_H
#define SQ_EXECUTOR_JOIN_H

#include "executor/expr.h"
#include "executor/hashtab.h"
#include "executor/keys.h"
#include "executor/op.h"
#include "executor/state/ttl.h"

/* A kept row. Of an insert-only side it is a `plain`, once per row; else a `counted`, once per distinct row, itself found by a table. */
struct jrow {
    struct jrow *next;                     /* of the same key, in order of arrival */
    int64_t assoc;                         /* matching rows of the other side, kept where this side is outer (or the left of SEMI, ANTI) */
};
struct plain { struct jrow j; uint32_t len; char bytes[]; };   /* a stamp before the row, and behind a `counted`, where the side has a time to live */
struct counted { struct jrow j; struct jrow *prev; struct sq_entry *bucket; int64_t count; };   /* payload in side->rows, whose key is the packed row */

struct bucket { struct jrow *head, *tail; };   /* payload of an entry of side->tab */

struct side {
    struct sq_ctx *ctx;
    const struct sq_field *cols;
    uint32_t ncols;
    bool counted;                          /* rows may be taken back */
    bool outer;                            /* its rows come out without a partner too */
    bool track;                            /* assoc is kept */
    struct sq_keys keys;                   /* the join key */
    struct sq_hashtab tab;                 /* join key -> bucket */
    struct sq_slab slab;                   /* plain rows */
    struct sq_keys row_keys;               /* all columns; counted only */
    struct sq_hashtab rows;
    struct sq_buf pack;
    struct sq_ttl ttl;
    struct sq_entry *bucket[SQ_BATCH_ROWS], *row[SQ_BATCH_ROWS];
};

struct match { uint32_t pos; struct jrow *other; };   /* position in the batch's selection */

struct join {
    struct sq_op base;
    enum sq_join_kind kind;
    struct side side[2];
    const struct sq_join_key *key;
    uint32_t nkeys;
    const bool *null_safe;
    struct sq_program *residual;           /* NULL: none */
    bool final;                            /* batch: rows come out once, complete */
    uint32_t build;                        /* final: the side that is read first */
    bool replayed;                         /* final: the probe rows that came too early have been dealt with */
    uint32_t seq;                          /* of the batch: marks buckets that have no rows whose time is over */
    struct sq_sweep sweep;
    /* of the current batch */
    bool skip[SQ_BATCH_ROWS];              /* the key has a NULL: no partner */
    struct sq_entry *found[SQ_BATCH_ROWS]; /* the other side's buckets */
    int64_t assoc[SQ_BATCH_ROWS];          /* partners of each row */
    /* candidate pairs */
    struct sq_arena heap;
    struct sq_col *cand[2];                /* rows of a side, unpacked */
    uint32_t probe_index[SQ_BATCH_ROWS], other_index[SQ_BATCH_ROWS], sel[SQ_BATCH_ROWS];
    uint32_t cand_pos[SQ_BATCH_ROWS];
    struct jrow *cand_row[SQ_BATCH_ROWS];
    uint8_t kinds[SQ_BATCH_ROWS];
    uint32_t ncand;
    bool repeated;                         /* other_index is not 0, 1, 2, … */
    struct sq_vec *vecs, *flat;            /* left and right columns of candidates */
    uint32_t **composed;                   /* per column: index over a dictionary input; allocated when first needed */
    struct match *matches;
    size_t nmatches, matches_cap;
    struct sq_out out;
};

static inline uint32_t join_row(const struct sq_batch *b, uint32_t pos) { return sq_row(b, pos); }

/* join.c: the parts that a window join shares. Rows of the build side, all of them; then those of the other, which find their partners and come out complete. */
sq_rc sq_join_open(struct sq_op *);
void sq_join_close(struct sq_op *);
sq_rc sq_join_build_rows(struct join *, const struct sq_batch *);
sq_rc sq_join_probe_rows(struct join *, const struct sq_batch *);

/* join_state.c */
sq_rc sq_side_clear(struct side *);              /* no rows; as after open */
/* s->ttl is set. */
sq_rc sq_side_open(struct side *, struct sq_ctx *, const struct sq_plan *input, const uint32_t *keys, uint32_t nkeys);
void sq_side_close(struct side *);
size_t sq_side_bytes(const struct side *);
static inline int64_t sq_side_count(const struct side *s, const struct jrow *j) { return s->counted ? ((const struct counted *)j)->count : 1; }
/* Finds the buckets (and rows) for a batch whose keys are loaded; rows with skip[i] are left out. */
sq_rc sq_side_prepare(struct side *, const struct sq_batch *, const bool *skip);
/* Adds or takes back row r at position pos of the prepared batch. */
sq_rc sq_side_add(struct side *, const struct sq_batch *, uint32_t pos, int64_t count, int64_t assoc);
void sq_side_take(struct side *, uint32_t pos);
/* Takes rows whose time is over out of a bucket. */
void sq_side_expire(struct side *, struct sq_entry *bucket);
/* The row is written again. */
void sq_side_stamp(const struct side *, struct jrow *);
sq_rc sq_join_sweep(struct sq_op *, int64_t now_us);
/* Drops what became empty in the prepared batch. */
void sq_side_clean(struct side *, uint32_t n, const bool *skip);
/* Appends the row's columns. */
sq_rc sq_side_append(const struct side *, const struct jrow *, struct sq_col *out);
sq_rc sq_join_snapshot(struct sq_op *, struct sq_snapshot_out *);
sq_rc sq_join_restore(struct sq_op *, struct sq_snapshot_in *);

/* join_pairs.c */
sq_rc sq_join_pairs_open(struct join *);
void sq_join_pairs_close(struct join *);
/* Inner joins: every pair that satisfies the residual, with the kind of the row that came. */
sq_rc sq_join_inner(struct join *, uint32_t input, const struct sq_batch *);
/* All others: partners are looked for run by run, and each row's changes are emitted in order; assoc gets each row's partners. */
sq_rc sq_join_outer(struct join *, uint32_t input, const struct sq_batch *);
/* FULL at the end of a batch join: rows of the build side that found no partner. */
sq_rc sq_join_unmatched(struct join *);
sq_rc sq_join_flush(struct join *);

#endif
