/* SPDX-License-Identifier: Apache-2.0
 *
 * epochs.h: what the three files share that cut a job's stream into epochs and commit them.
 *
 *   epochs.c   the coordinator, on worker 0's thread: when an epoch ends, and what follows from that
 *   commit.c   the committing thread: writes the checkpoint, lets sinks prepare and commit
 *   recover.c  at the opening: which epoch counts, and how to go on from it
 *
 * The commit protocol. Databases and Kafka cannot prepare a transaction in one process and finish it in another, so the epoch's number stands in the
 * sink itself, as its marker, written in the same transaction as the rows. One place decides whether an epoch has happened: the only sink with a
 * marker, where there is just one; else the checkpoint store. For epoch n:
 *
 *   1. the barrier has passed every operator; each has handed over its state, every sink its writer; rows behind it wait in the sinks
 *   2. sinks prepare; the checkpoint becomes PREPARED, durably: state, positions, and the rows of every sink with a marker but the one that decides
 *   3. who decides commits: the sink its rows and marker n; the store has done so with 2.
 *   4. the other sinks commit n; the checkpoint is DONE; only now may the barrier of n + 1 be sent
 *
 * After a restart (recover.c): lock the store; open all sinks, which fences older runs off; only then read the markers. The newest checkpoint n, if
 * PREPARED, has happened when the decider says n (then 4. is made up for), and has not when it says n - 1 (then n - 1 is restored). Anything else means that
 * checkpoint and sink are not of one history: that is refused, with both numbers.
 */
#ifndef SQ_EXECUTOR_EPOCHS_H
#define SQ_EXECUTOR_EPOCHS_H

#include "base/fault.h"
#include "executor/checkpoint/store.h"
#include "executor/runtime/cut.h"
#include "executor/runtime/runtime.h"

enum phase { EPOCH_OPEN, EPOCH_CUTTING, EPOCH_COMMITTING };
enum answer { ANSWER_NONE, ANSWER_DONE, ANSWER_FAILED };

struct sq_epoch_chunk {
    struct sq_epoch_chunk *next;
    uint64_t uid;
    uint32_t worker, seq;
    struct sq_buf bytes;
};

struct sq_epochs {
    struct sq_job *job;
    const struct sq_epoch_config *config;
    struct sq_store *store;                /* NULL: epochs are in memory only */
    struct sq_arena arena;                 /* texts that last as long as the job */
    struct sq_op **sinks;                  /* with epochs; of all workers */
    uint32_t nsinks;
    struct sq_op *decider;                 /* the only sink with a marker; NULL: the store decides */
    char owner[17];
    const char *savepoint;                 /* the file that the job begins from; NULL: none */

    /* the coordinator's */
    enum phase phase;
    uint64_t epoch;                        /* the last one that is committed */
    uint64_t restored, made;               /* went on from; checkpoints made durable in this run */
    struct sq_cut cut;
    bool last;                             /* the epoch under way is the last of this run */
    bool final;                            /* and all input has ended: there is nothing to go on from */
    bool stop;                             /* the job is to end */
    bool finished;                         /* a final epoch is committed */
    int64_t began_ns, cut_ns, ended_ns;    /* of the epoch before; of the barrier under way */
    int64_t spent_ns, bytes;               /* of the last checkpoint */
    int64_t asked_ns;                      /* when the store was asked for requests */
    struct sq_arena request_arena;
    const char *request_path, *request_token;   /* a savepoint that somebody waits for; NULL: nobody */

    _Atomic bool wanted;                   /* a sink or source wants an epoch soon */
    _Atomic int answer;                    /* enum answer, of the committing thread */

    /* the committing thread's, and under `lock` */
    struct sq_ctx ctx;
    pthread_t thread;
    bool thread_there, lock_there;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    struct sq_epoch_chunk *first, **end;
    struct sq_epoch_chunk *spare;          /* written; their memory is there for the next epoch */
    bool complete, quit;                   /* the cut is whole; leave */
    struct sq_store_writer *writer;
    struct sq_buf *pending;                /* by sink */
    int64_t taken_us, written;             /* wall clock at the barrier; bytes of the file */
};

/* epochs.c: 0 where epochs do not end by time */
int64_t sq_epoch_period_ms(const struct sq_epochs *);

/* commit.c */
sq_rc sq_commit_start(struct sq_epochs *);                 /* the thread, at the first epoch */
bool sq_commit_spare(void *epochs, struct sq_buf *);
sq_rc sq_commit_chunk(void *epochs, const struct sq_saved_op *, uint32_t seq, struct sq_buf *);
void sq_commit_complete(struct sq_epochs *);               /* the cut is whole: commit it, then set `answer` */
void sq_commit_close(struct sq_epochs *);
bool sq_wants_pending(const struct sq_epochs *, const struct sq_op *sink);

#endif
