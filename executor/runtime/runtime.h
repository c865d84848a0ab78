/* SPDX-License-Identifier: Apache-2.0
 *
 * runtime.h: the parts of a running job, for the files of runtime/ and for lower.c.
 *
 * A job has workers, each with a copy of the operators: one per plan node, in the plan's numbering, with edges to their consumers; what the plan calls
 * single is there on worker 0 only. Exchanges cut the copies into stages: of each there is a sender, where a stage ends, and a receiver, where
 * the next one begins. Worker 0 runs on the caller's thread, a turn at a time, so rows and texts for the caller are given on it; the others
 * have threads. Operators know nothing of that: what is shared stands in this file, and is either atomic, under a lock, or read only while the
 * threads stand still.
 */
#ifndef SQ_EXECUTOR_RUNTIME_H
#define SQ_EXECUTOR_RUNTIME_H

#include "executor/job.h"

#include <pthread.h>

/* Sleeping until something happens: look at `count`, look around, sleep unless it has changed. Raising is two atomic operations while
 * nobody sleeps. */
struct sq_event {
    _Atomic uint32_t count, sleeping;
    pthread_mutex_t lock;
    pthread_cond_t cond;
};
void sq_event_init(struct sq_event *);
void sq_event_free(struct sq_event *);
static inline uint32_t sq_event_seen(struct sq_event *e) { return atomic_load(&e->count); }
void sq_event_raise(struct sq_event *);
void sq_event_wait(struct sq_event *, uint32_t seen, int64_t us);

/* What an operator has counted; of several workers: the sum. */
struct sq_input_count { uint64_t in, accepted, filtered, late; };
struct sq_op_stat {
    struct sq_op_metrics m;
    struct sq_source_stats source;
    size_t state_bytes;
    int64_t watermark;
    bool there, source_there;
    struct sq_input_count *ins;
};

/* An operator where a stage begins, and the senders where it ends. */
struct sq_stage { struct sq_op *from, **senders; uint32_t nsenders; };

struct sq_worker {
    struct sq_job *job;
    struct sq_ctx *ctx;
    uint32_t number;
    struct sq_op **ops;                    /* by plan id; NULL where the plan has no such id, or not on this worker; of an exchange the sender */
    struct sq_op **receivers;              /* by plan id */
    uint32_t nops;
    struct sq_stage *sources;              /* in the order in which they are asked: build sides of joins first */
    uint32_t nsources;
    struct sq_stage *stages;               /* that begin with a receiver, downstream first */
    uint32_t nstages;
    bool one_by_one;                       /* batch mode: a source is read to its end before the next */
    /* of jobs with several workers */
    struct sq_ctx own;                     /* the context of all but worker 0 */
    struct sq_event event;
    uint64_t epoch;                        /* the last barrier that its sources sent */
    int64_t idle_since;                    /* nothing has come since; 0: it has */
    bool flushed;
    uint32_t passes;
    _Atomic uint64_t parked;               /* the epoch at which all of it stands still */
    _Atomic bool done;
    pthread_t thread;
    bool thread_there;
    /* for others to read */
    pthread_mutex_t lock;
    struct sq_op_stat *stat;               /* by plan id */
    _Atomic uint32_t stat_seen;
    struct sq_buf notices;                 /* texts, a 0 behind each */
};

struct sq_exchange;

struct sq_job {
    struct sq_ctx *ctx;
    const struct sq_job_plan *plan;
    const struct sq_plan **nodes;          /* by plan id */
    uint32_t nnodes;
    sq_collect_fn *collect;
    void *collect_arg;
    struct sq_worker *workers;
    uint32_t nworkers;
    struct sq_exchange **exchanges;        /* by plan id */
    _Atomic uint32_t *sources_ended;       /* by plan id: workers on which the source has ended */
    _Atomic int stop;                      /* the threads shall leave */
    _Atomic uint64_t pause;                /* an epoch: sources send its barrier and stop; 0: go on */
    uint64_t epoch;
    _Atomic uint32_t stat_wanted;
    pthread_mutex_t lock;                  /* of error */
    struct sq_error error;                 /* the first one of any worker; rc SQ_OK: none */
    struct sq_op_stat *sum;
    bool running;                          /* threads are there */
    int64_t started_ns, ended_ns;
    bool failed, done;
    _Atomic bool draining;                 /* sources end where they are */
};

/* lower.c: makes the operators of the worker, linked, not opened. */
sq_rc sq_lower(struct sq_worker *, const struct sq_job_plan *);
void sq_lower_free(struct sq_worker *);
/* The input of a batch join that is read first; 0 or 1. */
uint32_t sq_join_build(const struct sq_plan *);

/* source.c */
bool sq_op_is_source(const struct sq_op *);
/* Asks once. *got: something came; *wait_us is lowered to when to ask again. */
sq_rc sq_source_poll(struct sq_op *, bool *got, int64_t *wait_us);
void sq_source_stats(const struct sq_op *, struct sq_source_stats *);
/* Positions of all workers: of worker 0's operator, while the others stand still. */
sq_rc sq_source_save(struct sq_op *, struct sq_buf *);
sq_rc sq_source_load(struct sq_op *, struct sq_str);

/* exchange.c */
sq_rc sq_exchange_new(struct sq_job *, const struct sq_plan *, struct sq_exchange **);
void sq_exchange_free(struct sq_ctx *, struct sq_exchange *);
uint32_t sq_exchange_senders(const struct sq_job *, const struct sq_plan *);
/* Hands on what waits beside a full queue. */
void sq_sender_drain(struct sq_op *);
bool sq_sender_room(const struct sq_op *);
bool sq_sender_waits(const struct sq_op *);      /* something did not fit */
sq_rc sq_sender_flush(struct sq_op *);
/* A restored sender says again how things stand: its messages were not kept. */
sq_rc sq_sender_resume(struct sq_op *);
/* Takes at most one message from every sender. */
sq_rc sq_receiver_poll(const struct sq_stage *, bool *got);
void sq_receiver_unwanted(struct sq_op *);       /* nothing downstream needs more */
bool sq_sender_unwanted(const struct sq_op *);

/* worker.c */
sq_rc sq_worker_turn(struct sq_worker *, int64_t wait_us, bool *done);         /* of a job of one worker */
sq_rc sq_worker_step(struct sq_worker *, int64_t wait_us);                     /* of several */
void *sq_worker_main(void *worker);
sq_rc sq_worker_flush(struct sq_worker *, bool last);
/* Lets every source send the barrier of an epoch. */
sq_rc sq_worker_barrier(struct sq_worker *, uint64_t epoch);
bool sq_stage_room(const struct sq_stage *);

/* job.c */
void sq_job_fail(struct sq_job *, struct sq_worker *, sq_rc);
void sq_job_wake(struct sq_job *);

/* account.c */
sq_rc sq_stats_new(struct sq_job *, struct sq_ctx *, struct sq_op_stat **);
void sq_worker_count(struct sq_worker *);        /* into its `stat` */

/* snapshot.c */
sq_rc sq_job_save(struct sq_job *, struct sq_buf *);
sq_rc sq_job_load(struct sq_job *, struct sq_str);

#endif
