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
struct sq_input_count { uint64_t in, accepted, filtered, late, bad; };
struct sq_op_stat {
    struct sq_op_metrics m;
    struct sq_source_stats source;
    size_t state_bytes;
    int64_t watermark;
    struct sq_held held;                   /* of a WATERMARK */
    bool there, source_there;
    struct sq_input_count *ins;
};

/* An operator where a stage begins, the senders and sinks where it ends, and what is between with several inputs. */
struct sq_stage {
    struct sq_op *from, **senders, **sinks, **joins;
    uint32_t nsenders, nsinks, njoins;
    bool tells;                            /* a source that has been read here, which others have not been told of yet */
};

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
    struct sq_op **timed;                  /* operators that may ask to be called at a time */
    uint32_t ntimed;
    bool one_by_one;                       /* batch mode: a source is read to its end before the next */
    /* of jobs with several workers */
    struct sq_ctx own;                     /* the context of all but worker 0 */
    struct sq_event event;
    uint64_t epoch;                        /* the last barrier that its sources sent */
    uint64_t cut;                          /* the last barrier at which it has handed over all its state */
    uint64_t committed;                    /* the last one of which it knows that its epoch is committed */
    int64_t idle_since;                    /* nothing has come since; 0: it has */
    bool flushed;
    uint32_t ntell;                        /* sources that `tells` */
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
    _Atomic bool quiet;                    /* there are none */
};

struct sq_exchange;
struct sq_cut;
struct sq_epochs;
struct sq_saved_op;

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
    _Atomic int64_t *told;                 /* by plan id: the greatest watermark of a source that others continue */
    _Atomic int stop;                      /* the threads shall leave */
    _Atomic int abort;                     /* what is being committed is given up */
    _Atomic uint64_t barrier;              /* the last one that was asked for: sources send it */
    _Atomic uint64_t pause;                /* a barrier that sources do not go on after; 0: go on */
    _Atomic uint64_t committed;            /* the last barrier whose epoch is committed */
    _Atomic(struct sq_cut *) cut;          /* what collects the state at a barrier; NULL: nobody wants it */
    _Atomic int32_t sources_live;          /* sources, each worker's counted, that have neither ended nor paused */
    _Atomic bool dirty;                    /* something has come in since the last barrier */
    struct sq_epochs *epochs;              /* NULL: the job has none */
    _Atomic uint32_t stat_wanted;
    pthread_mutex_t lock;                  /* of error */
    struct sq_error error;                 /* the first one of any worker; rc SQ_OK: none */
    struct sq_op_stat *sum;
    bool running;                          /* threads are there */
    int64_t started_ns, ended_ns;
    bool failed, done;
    bool ended;                            /* all workers are done; with epochs, the last one may still have to be committed */
    _Atomic bool draining;                 /* sources end where they are */
};

/* lower.c: makes the operators of the worker, linked, not opened. */
sq_rc sq_lower(struct sq_worker *, const struct sq_job_plan *);
void sq_lower_free(struct sq_worker *);
/* The input of a batch join that is read first; 0 or 1. */
uint32_t sq_join_build(const struct sq_plan *);

/* emit.c */
void sq_op_realign(struct sq_op *);              /* restored: what its inputs say of time */

/* source.c */
bool sq_op_is_source(const struct sq_op *);
/* Asks once. *got: something came; *wait_us is lowered to when to ask again. */
sq_rc sq_source_poll(struct sq_op *, bool *got, int64_t *wait_us);
void sq_source_stats(const struct sq_op *, struct sq_source_stats *);
/* The splits that the operator has begun, and where it stands in them, into `to`. */
sq_rc sq_source_cut(struct sq_op *, struct sq_arena *, struct sq_saved_op *to);
/* Takes up what was saved, by all old workers in their order; called for worker 0's operator, whose list is everybody's. */
sq_rc sq_source_load(struct sq_op *, const struct sq_saved_op *const *, uint32_t n);
void sq_source_committed(struct sq_op *);        /* the positions of the last cut are committed */
sq_rc sq_source_end(struct sq_op *);

/* ---- operators/sink.c ---- */

struct sq_sink_epochs;
struct sq_str sq_sink_name(const struct sq_op *);          /* the table's path, "#2" behind it for the second sink of one table */
/* Whether rows wait for commits (the connector has epochs, and so has the job). */
bool sq_sink_has_epochs(const struct sq_op *);
enum sq_sink_promise sq_sink_promise(const struct sq_op *);
bool sq_sink_room(const struct sq_op *);                   /* false: too many rows wait for a commit that is under way */
sq_rc sq_sink_hand_over(struct sq_op *);                   /* the writer now is the committing thread's */
sq_rc sq_sink_resume(struct sq_op *);                      /* the writer is back: what waited is written */
/* On the thread that has the writer; errors go to the given context. */
sq_rc sq_sink_marker(struct sq_op *, struct sq_ctx *, uint64_t *epoch);
sq_rc sq_sink_set_marker(struct sq_op *, struct sq_ctx *, uint64_t epoch);
sq_rc sq_sink_recover(struct sq_op *, struct sq_ctx *, uint64_t epoch, struct sq_str pending);
bool sq_sink_holds(struct sq_op *);                        /* epochs have to go on though nothing comes in */
void sq_sink_last(struct sq_op *, bool input_ended);      /* the next prepare is the last of this run; of the job */
sq_rc sq_sink_prepare(struct sq_op *, struct sq_ctx *, uint64_t epoch, struct sq_buf *pending);
sq_rc sq_sink_commit(struct sq_op *, struct sq_ctx *, uint64_t epoch);
void sq_sink_give_back(struct sq_op *);

/* exchange.c */
sq_rc sq_exchange_new(struct sq_job *, const struct sq_plan *, struct sq_exchange **);
void sq_exchange_free(struct sq_ctx *, struct sq_exchange *);
uint32_t sq_exchange_senders(const struct sq_job *, const struct sq_plan *);
/* Hands on what waits beside a full queue. */
void sq_sender_drain(struct sq_op *);
bool sq_sender_room(const struct sq_op *);
bool sq_sender_waits(const struct sq_op *);      /* something did not fit */
/* Sends what is there, and notes it; whether the receivers have taken in all that was noted. */
sq_rc sq_sender_mark(struct sq_op *);
bool sq_sender_reached(const struct sq_op *);
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
bool sq_stage_room(const struct sq_stage *);

/* job.c */
void sq_job_fail(struct sq_job *, struct sq_worker *, sq_rc);
void sq_job_wake(struct sq_job *);
sq_rc sq_job_told(struct sq_job *, uint32_t worker, sq_rc);
void sq_job_note(void *worker, const char *text);          /* a notice from any thread, for the caller of the job */
/* Lets every worker come to a barrier and stand still there; `cut` (may be NULL) collects the state. Until sq_job_resume. */
sq_rc sq_job_pause(struct sq_job *, struct sq_cut *);
void sq_job_resume(struct sq_job *);
sq_rc sq_job_cut_ended(struct sq_job *);
/* Something has come in. */
static inline void sq_job_touch(struct sq_job *job)
{
    if (!atomic_load_explicit(&job->dirty, memory_order_relaxed))
        atomic_store_explicit(&job->dirty, true, memory_order_relaxed);
}

/* epochs.c */
/* Opens the job's store, where it has one, and finds out what to go on from; then the sinks may be opened. Nothing where the job has no epochs. */
sq_rc sq_epochs_open(struct sq_job *);
/* What the sink has to know of epochs. */
void sq_epochs_sink_spec(struct sq_job *, const struct sq_op *, struct sq_sink_epochs *);
/* After the sinks were opened: decides which epoch counts, restores it, commits what is left to commit. */
sq_rc sq_epochs_recover(struct sq_job *);
/* After each turn of worker 0. `ended`: all workers are done. *done: nothing is left to be committed either. */
sq_rc sq_epochs_turn(struct sq_job *, bool ended, int64_t wait_us, bool *done);
int64_t sq_epochs_wait_us(const struct sq_job *);          /* until the next one is due */
void sq_job_want_epoch(struct sq_job *);                   /* soon; from any thread */
void sq_epochs_stop(struct sq_job *);                      /* the job is to end with the next epoch */
/* Of a job that was stopped: copies its last checkpoint. */
sq_rc sq_epochs_savepoint(struct sq_job *, const char *path, struct sq_buf *made);
sq_rc sq_epochs_none(struct sq_job *);                     /* the error of asking a job without checkpoints for one */
void sq_epochs_stats(const struct sq_job *, struct sq_job_stats *);
void sq_epochs_close(struct sq_job *);

/* account.c */
sq_rc sq_stats_new(struct sq_job *, struct sq_ctx *, struct sq_op_stat **);
void sq_worker_count(struct sq_worker *);        /* into its `stat` */

#endif
