/* SPDX-License-Identifier: Apache-2.0
 *
 * runtime.h: the parts of a running job, for the files of runtime/ and for lower.c.
 *
 * A job owns one worker, which owns the operators: one per plan node, in the plan's numbering, with edges to their consumers. There is one stage
 * (exchanges, which cut the graph, come with parallel workers); a turn of the worker polls its sources, and what they have is pushed
 * through to the sinks before the next one is asked.
 */
#ifndef SQ_EXECUTOR_RUNTIME_H
#define SQ_EXECUTOR_RUNTIME_H

#include "executor/job.h"

struct sq_worker {
    struct sq_job *job;
    struct sq_ctx *ctx;
    struct sq_op **ops;                    /* by plan id; NULL where the plan has no such id */
    uint32_t nops;
    struct sq_op **sources;                /* in the order in which they are asked: build sides of joins first */
    uint32_t nsources;
    bool one_by_one;                       /* batch mode: a source is read to its end before the next */
};

struct sq_job {
    struct sq_ctx *ctx;
    const struct sq_job_plan *plan;
    sq_collect_fn *collect;
    void *collect_arg;
    struct sq_worker worker;
    int64_t started_ns, ended_ns;
    bool failed, done;
    _Atomic bool draining;                 /* sources end where they are */
};

/* lower.c: makes the operators of the plan, linked, not opened. */
sq_rc sq_lower(struct sq_worker *, const struct sq_job_plan *);
/* The input of a batch join that is read first; 0 or 1. */
uint32_t sq_join_build(const struct sq_plan *);

/* source.c */
bool sq_op_is_source(const struct sq_op *);
/* Asks once. *got: something came; *wait_us is lowered to when to ask again. */
sq_rc sq_source_poll(struct sq_op *, bool *got, int64_t *wait_us);
void sq_source_stats(const struct sq_op *, struct sq_source_stats *);
sq_rc sq_source_save(struct sq_op *, struct sq_buf *);
sq_rc sq_source_load(struct sq_op *, struct sq_str);

/* worker.c */
sq_rc sq_worker_turn(struct sq_worker *, int64_t wait_us, bool *done);
sq_rc sq_worker_flush(struct sq_worker *, bool last);
/* Lets every source send the barrier of an epoch. */
sq_rc sq_worker_barrier(struct sq_worker *, uint64_t epoch);

/* snapshot.c */
sq_rc sq_worker_save(struct sq_worker *, struct sq_buf *);
sq_rc sq_worker_load(struct sq_worker *, struct sq_str);

#endif
