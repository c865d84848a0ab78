/* SPDX-License-Identifier: Apache-2.0
 *
 * op.h: what an operator is. One file per operator in executor/operators/, one descriptor each, listed in executor/lower.c.
 *
 * Messages travel in band and in order from sources to sinks: batch, watermark, epoch barrier, idle, end of input. Within a stage they are
 * calls: sq_emit_*(op, …) calls the consumer. An operator is called by its worker's thread only; it takes no lock and never sees
 * another worker. With several inputs the runtime does the aligning: `watermark` is called with the minimum over the
 * inputs that are not idle, `barrier` once the barrier of an epoch came on all of them, `end` per input.
 */
#ifndef SQ_EXECUTOR_OP_H
#define SQ_EXECUTOR_OP_H

#include "planner/plan.h"

struct sq_op;
struct sq_worker;

#define SQ_TS_MIN INT64_MIN                /* no watermark yet */
#define SQ_TS_MAX INT64_MAX                /* the watermark at the end of bounded input */

enum { SQ_KEY_GROUPS = 128 };              /* fixed: state is handed over by key group */
#define SQ_NO_KEY_GROUP UINT32_MAX         /* state that is not keyed */
static inline uint32_t sq_key_group(uint64_t hash) { return (uint32_t)(hash >> 57); }

/* Where an operator's state goes at a barrier, and comes from at a restore: records of bytes by key group. */
struct sq_snapshot_out {
    void *arg;
    sq_rc (*put)(void *arg, uint32_t key_group, const void *, size_t);
    /* The same for many small records: NULL (the error is set), or a buffer to append one to; `done` ends it. Nothing else may be put in between. */
    struct sq_buf *(*begin)(void *arg, uint32_t key_group);
    sq_rc (*done)(void *arg);
};
struct sq_snapshot_in  { void *arg; /* *p NULL at the end */ sq_rc (*next)(void *arg, uint32_t *key_group, const char **p, size_t *n); };

struct sq_op_class {
    const char *name;                      /* "GroupAggregate" */
    size_t size;                           /* of the operator's struct, which begins with struct sq_op */
    sq_rc (*open)(struct sq_op *);         /* op->plan, op->ctx, op->worker are set; the rest is zeroed */
    sq_rc (*batch)(struct sq_op *, uint32_t input, const struct sq_batch *);
    sq_rc (*watermark)(struct sq_op *, int64_t ts_us);      /* NULL: forwarded */
    sq_rc (*idle)(struct sq_op *, bool idle);               /* NULL: nothing; it is forwarded anyway */
    sq_rc (*barrier)(struct sq_op *, uint64_t epoch);       /* before the snapshot is taken and the barrier forwarded; NULL: nothing */
    sq_rc (*end)(struct sq_op *, uint32_t input);           /* NULL: nothing; end is forwarded after the last input's */
    sq_rc (*snapshot)(struct sq_op *, struct sq_snapshot_out *);   /* NULL: no state */
    sq_rc (*restore)(struct sq_op *, struct sq_snapshot_in *);     /* into a freshly opened operator; may be called once per old worker */
    size_t (*state_bytes)(const struct sq_op *);
    sq_rc (*flush)(struct sq_op *, bool last);              /* no source has anything now: hand on what is buffered. last: the job is stopped */
    void (*close)(struct sq_op *);                          /* after any failure too, also of open */
};

struct sq_edge { struct sq_op *op; uint32_t input; };

struct sq_op_metrics {                     /* in, filtered and late are summed over the inputs when somebody asks (sq_op_count) */
    uint64_t in, out, filtered, late, batches_out, overflows;
};

/* in is counted by sq_emit_batch, the rest by the operator: accepted + filtered + late = in, or the account does not balance. */
struct sq_input_state {
    int64_t watermark;
    bool idle, ended;
    uint64_t barrier;
    struct sq_op *from;
    uint64_t in, accepted, filtered, late;
};

struct sq_op {
    const struct sq_op_class *cls;
    const struct sq_plan *plan;
    struct sq_ctx *ctx;                    /* the worker's */
    struct sq_worker *worker;
    const struct sq_job_config *config;
    struct sq_edge *outs;                  /* consumers */
    uint32_t nouts;
    struct sq_input_state *ins;
    uint32_t nins;
    int64_t watermark;                     /* last one forwarded */
    uint64_t epoch;                        /* of the last barrier that was passed on */
    bool idle, ended;
    bool paused;                           /* sources: nothing more comes in this run */
    uint64_t epoch_rows;                   /* sources: rows given in this epoch */
    bool satisfied;                        /* needs no more input (LIMIT): sources that feed nothing else end */
    struct sq_op_metrics m;
};

#define SQ_OP(op, type) ((type *)(op))     /* the struct's first member is `struct sq_op base` */

/* To the consumers. Batches of no rows are not passed on. Debug builds check every batch (sq_batch_check) and the changelog's rules. */
sq_rc sq_emit_batch(struct sq_op *, const struct sq_batch *);
sq_rc sq_emit_watermark(struct sq_op *, int64_t ts_us);    /* not rising: ignored */
sq_rc sq_emit_barrier(struct sq_op *, uint64_t epoch);
sq_rc sq_emit_idle(struct sq_op *, bool idle);
sq_rc sq_emit_end(struct sq_op *);                         /* a last watermark SQ_TS_MAX goes before it */

/* What an operator gets on an input, as the sq_emit_ functions give it to consumers: an exchange's receiver does the same with what came. */
sq_rc sq_take_watermark(struct sq_op *, uint32_t input, int64_t ts_us);
sq_rc sq_take_barrier(struct sq_op *, uint32_t input, uint64_t epoch);
sq_rc sq_take_idle(struct sq_op *, uint32_t input, bool idle);
sq_rc sq_take_end(struct sq_op *, uint32_t input);

/* Counts rows of an input as taken in. */
static inline void sq_op_accept(struct sq_op *op, uint32_t input, uint64_t rows) { op->ins[input].accepted += rows; }
struct sq_op_metrics sq_op_count(const struct sq_op *);
/* The restore of an operator that has saved one number of 8 bytes; `what` it is, for the message. */
sq_rc sq_restore_number(struct sq_op *, struct sq_snapshot_in *, void *number, const char *what);
/* The columns' types of a plan node, in memory of the context. */
sq_rc sq_op_types(struct sq_ctx *, const struct sq_field *, uint32_t n, const struct sq_type ***out);

extern const struct sq_op_class sq_op_filter, sq_op_project, sq_op_aggregate, sq_op_join, sq_op_union, sq_op_sort, sq_op_limit,
    sq_op_watermark, sq_op_window, sq_op_window_aggregate, sq_op_window_join, sq_op_session_aggregate, sq_op_session_rows, sq_op_hop, sq_op_normalize, sq_op_sink, sq_op_collect, sq_op_expand, sq_op_unnest, sq_op_replicate,
    sq_op_rank, sq_op_window_rank, sq_op_over, sq_op_scan,
    sq_op_values,                           /* the last two are sources: runtime/source.c */
    sq_op_sender, sq_op_receiver;           /* of an exchange: runtime/exchange.c */

/* A HOP whose records can be summed up (operators/hop.c). */
bool sq_hop_can(const struct sq_plan *);

#endif
