/* SPDX-License-Identifier: Apache-2.0
 *
 * job.h: running a plan. A job has workers; a worker owns a copy of the operator graph, cut into stages at exchanges, and loops over its
 * stages, downstream first. With parallelism 1 the job runs on the caller's thread, a turn at a time.
 */
#ifndef SQ_EXECUTOR_JOB_H
#define SQ_EXECUTOR_JOB_H

#include "executor/op.h"

struct sq_job;

/* Rows for the API: called by the Collect operator with each of its batches (borrowed); may ask to pause after this turn. */
typedef sq_rc sq_collect_fn(void *arg, const struct sq_batch *);

/* Opens every operator, source and sink. The plan and ctx must outlive the job. On failure *job is NULL, everything is closed. */
sq_rc sq_job_open(struct sq_ctx *, const struct sq_job_plan *, sq_collect_fn *, void *collect_arg, struct sq_job **);
/* One turn: polls sources for about one batch each and pushes it through. *done is set when all input has ended and every sink
 * has finished. Waits at most wait_us when no source has anything. After an error the job can only be closed. */
sq_rc sq_job_turn(struct sq_job *, int64_t wait_us, bool *done);
/* Runs to the end, or until the context is interrupted. */
sq_rc sq_job_run(struct sq_job *);
/* Ends every source where it stands, as if its input ended there: the turns that follow close what is open and finish. */
void sq_job_drain(struct sq_job *);
/* Stops before the end of input: sinks keep what is final (flush and finish), open state is dropped. With checkpoints: takes a last one and commits it,
 * so that the next run goes on from there. */
sq_rc sq_job_stop(struct sq_job *);
/* As sq_job_stop, and copies that checkpoint to a file of its own (a savepoint). `path`: a file to make, or a directory (NULL: the job's) that gets
 * savepoint-<n>.db. The name is appended to `made`. SQ_SEMANTIC: the job has no checkpoints. */
sq_rc sq_job_stop_with_savepoint(struct sq_job *, const char *path, struct sq_buf *made);
void sq_job_close(struct sq_job *);

/* What a job did, and is doing: per plan node. */
struct sq_node_stats {
    const struct sq_plan *plan;
    struct sq_op_metrics m;
    struct sq_source_stats source;         /* SCAN only */
    size_t state_bytes;
    int64_t watermark;
    struct sq_held held;                   /* WATERMARK only: what it waits for */
};
struct sq_job_stats {
    uint64_t rows_in, rows_out, bad, late, filtered;
    uint64_t bytes_in; int64_t bytes_total;
    int64_t elapsed_ns;
    uint64_t epoch;                        /* the last one that is committed; 0: none, or no epochs */
    uint64_t checkpoints;                  /* made durable by this run */
    uint64_t restored;                     /* the epoch that it went on from; 0: it began anew */
    int64_t checkpoint_ns, checkpoint_bytes;   /* of the last one: from barrier to commit; of its file */
    bool balanced;                         /* in = accepted + filtered + late at every input, records = rows + bad + filtered at every source */
};
uint32_t sq_job_nodes(const struct sq_job *, struct sq_node_stats *, uint32_t max);   /* returns how many there are */
void sq_job_stats(const struct sq_job *, struct sq_job_stats *);
/* The account as lines of text, printed at a job's end. */
sq_rc sq_job_account(const struct sq_job *, struct sq_buf *);

/* Snapshot and restore of all operators' state and source positions in one piece of memory: for tests, and the ground of checkpoints. */
sq_rc sq_job_snapshot(struct sq_job *, struct sq_buf *);
sq_rc sq_job_restore(struct sq_job *, struct sq_str);     /* on a job that was just opened from an equal plan */

#endif
