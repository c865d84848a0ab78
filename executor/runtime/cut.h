/* SPDX-License-Identifier: Apache-2.0
 *
 * cut.h: what one barrier collects: the state of every operator as of the moment when the barrier passed it.
 *
 * Each worker fills its own part, on its thread: an operator when the barrier passes it (sq_cut_op), and all that had ended before, when the barrier has
 * reached every end of the worker's graph (sq_cut_worker). Chunks of state are handed on as they fill, so they can be written while the rest
 * is still being collected. When `left` is 0 the parts belong to whoever waits for that.
 */
#ifndef SQ_EXECUTOR_CUT_H
#define SQ_EXECUTOR_CUT_H

#include "executor/checkpoint/saved.h"
#include "executor/op.h"

struct sq_job;

/* A record of state in a chunk: u16 key group (UINT16_MAX: none), u16 length, bytes. A length of SQ_RECORD_LONG: it follows as u64. Chunks hold whole records. */
enum { SQ_RECORD_HEADER = 4, SQ_RECORD_LONG = UINT16_MAX };

struct sq_cut_part { struct sq_arena arena; struct sq_saved_op *ops; uint32_t nops; };

struct sq_cut {
    struct sq_job *job;
    uint64_t barrier;
    bool state;                            /* false: the barrier ends an epoch for the sinks, and nobody wants the operators' state */
    struct sq_cut_part *parts;             /* by worker */
    _Atomic uint32_t left;                 /* workers that have not handed over everything */
    /* A full chunk; may take the buffer's memory and leave it empty. On the worker's thread. */
    sq_rc (*chunk)(void *arg, const struct sq_saved_op *, uint32_t seq, struct sq_buf *);
    bool (*spare)(void *arg, struct sq_buf *);   /* NULL: there are none. An empty buffer that a chunk fits into; false: none is left */
    void *arg;
};

sq_rc sq_cut_init(struct sq_cut *, struct sq_job *, uint64_t barrier, bool state);
void sq_cut_free(struct sq_cut *);
/* The barrier passes the operator: its state, if this is the job's cut. */
sq_rc sq_cut_op(struct sq_op *, uint64_t barrier);
/* The barrier has come through everywhere on the worker, or all of it has ended. */
sq_rc sq_cut_worker(struct sq_worker *, uint64_t barrier);
/* The operators of all parts, in the arena; only with left = 0. */
sq_rc sq_cut_ops(struct sq_cut *, struct sq_arena *, struct sq_saved_op **, uint32_t *n);

/* load.c: puts what was saved into the operators of a job that was just opened. SQ_SEMANTIC, naming the operators, when the plan has no place for some of the
 * state, unless `drop`. */
sq_rc sq_job_load_saved(struct sq_job *, const struct sq_saved *, bool drop);

#endif
