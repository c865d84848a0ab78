/* SPDX-License-Identifier: Apache-2.0
 *
 * saved.h: what a checkpoint holds, as the runtime gives and takes it; the store keeps it in a file, tests in memory.
 *
 * Of each operator and worker: a few words that the runtime keeps (flags), its state as chunks, of sources the splits, of sinks what is to be
 * committed. A chunk is a run of whole records, each u32 key group, u64 length, and so many bytes; it can be read without those before it.
 */
#ifndef SQ_EXECUTOR_SAVED_H
#define SQ_EXECUTOR_SAVED_H

#include "base/str.h"

struct sq_saved_split {
    struct sq_str id, payload;             /* as the connector gave them (struct sq_split) */
    struct sq_str position;                /* where to go on; empty: at its beginning */
    struct sq_str shown;                   /* the position for people; may be empty */
    bool ended;
};

struct sq_saved_op {
    uint64_t uid;                          /* the plan node's: its structure */
    uint32_t kind;                         /* enum sq_plan_kind */
    uint32_t worker;                       /* that it ran on */
    struct sq_str name;                    /* as EXPLAIN prints it: "GroupAggregate(group=[id], …)"; of a sink the path, "#2" behind it for a second of the same table */
    struct sq_str flags;                   /* the runtime's, opaque */
    int64_t watermark;                     /* for people; SQ_TS_MIN: none */
    uint64_t records, bytes;               /* of its state */
    uint32_t nchunks;
    struct sq_saved_split *splits;         /* sources: those this worker has begun; of worker 0 also those nobody has */
    uint32_t nsplits;
    bool has_pending;                      /* sinks: */
    struct sq_str pending;                 /* what prepare gave */
};

struct sq_saved {
    struct sq_str job;                     /* UUID */
    struct sq_str name;                    /* of the job, for messages */
    uint64_t epoch;
    int64_t taken_us;                      /* wall clock at the barrier */
    uint32_t workers;
    bool finished;                         /* all input had ended: a rerun starts anew */
    bool decided_by_sink;                  /* whether the epoch happened is for its one MARKED sink to say (`decider` names it), not for the store */
    struct sq_str decider;
    struct sq_str plan;                    /* EXPLAIN's text, to show what has changed */
    struct sq_saved_op *ops;
    uint32_t nops;
    /* Chunk seq (0 .. nchunks-1) of ops[op]; the bytes are good until the next call. NULL where there are no chunks. */
    sq_rc (*chunk)(void *arg, uint32_t op, uint32_t seq, struct sq_str *bytes);
    void *arg;
};

#endif
