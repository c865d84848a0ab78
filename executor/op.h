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

/* What a source says of its splits to the WATERMARK node over it, in band; filters and projections pass it on. `split` as in sq_batch, its name good for the call. */
enum sq_split_event {
    SQ_SPLIT_BEGIN,                        /* `split`, named `id`, is going to be read, from its beginning or from where it was saved: it holds the watermark back */
    SQ_SPLIT_END,                          /* it has no more rows */
    SQ_SPLIT_IDLE, SQ_SPLIT_ACTIVE,        /* nothing has come for the time-out, so it holds nothing back; something has */
    SQ_SPLITS_UNREAD, SQ_SPLITS_READ       /* there are splits that no worker has begun: there is no watermark; there are none (at the beginning: none) */
};
struct sq_split_msg { enum sq_split_event event; uint32_t split; struct sq_str id; };

struct sq_op_class {
    const char *name;                      /* "GroupAggregate" */
    size_t size;                           /* of the operator's struct, which begins with struct sq_op */
    sq_rc (*open)(struct sq_op *);         /* op->plan, op->ctx, op->worker are set; the rest is zeroed */
    sq_rc (*batch)(struct sq_op *, uint32_t input, const struct sq_batch *);
    sq_rc (*watermark)(struct sq_op *, int64_t ts_us);      /* NULL: forwarded */
    sq_rc (*idle)(struct sq_op *, bool idle);               /* NULL: nothing; it is forwarded anyway */
    sq_rc (*barrier)(struct sq_op *, uint64_t epoch);       /* before the snapshot is taken and the barrier forwarded; NULL: nothing */
    sq_rc (*timer)(struct sq_op *, int64_t now_us);         /* the clock has reached what sq_op_timer asked for; NULL: it never asks */
    sq_rc (*end)(struct sq_op *, uint32_t input);           /* NULL: nothing; end is forwarded after the last input's */
    sq_rc (*snapshot)(struct sq_op *, struct sq_snapshot_out *);   /* NULL: no state */
    sq_rc (*restore)(struct sq_op *, struct sq_snapshot_in *);     /* into a freshly opened operator; may be called once per old worker */
    size_t (*state_bytes)(const struct sq_op *);
    sq_rc (*flush)(struct sq_op *, bool last);              /* no source has anything now: hand on what is buffered. last: the job is stopped */
    sq_rc (*split)(struct sq_op *, const struct sq_split_msg *);   /* NULL: ends here; sq_emit_split: goes on */
    void (*close)(struct sq_op *);                          /* after any failure too, also of open */
};

struct sq_edge { struct sq_op *op; uint32_t input; bool side; };   /* side: to a SIDE, which gets messages, but only the rows that are left out */

struct sq_op_metrics {                     /* in, filtered, late and bad are summed over the inputs when somebody asks (sq_op_count) */
    uint64_t in, out, filtered, late, bad, batches_out, overflows;
};

/* in is counted by sq_emit_batch, the rest by the operator: accepted + filtered + late + bad = in, or the account does not balance. */
struct sq_input_state {
    int64_t watermark;
    bool idle, ended;
    uint64_t barrier;
    struct sq_op *from;
    uint64_t in, accepted, filtered, late;
    uint64_t bad;                          /* a WATERMARK's: rows without a time */
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
    int64_t event_time;                    /* the last one that came, of all inputs; SQ_TS_MIN: none */
    uint64_t epoch;                        /* of the last barrier that was passed on */
    int64_t timer_us;                      /* when it wants to be called; SQ_TS_MAX: not at all */
    int64_t clock_us;                      /* when it was called last, also before a restore; SQ_TS_MIN: not yet */
    bool idle, ended;
    bool paused;                           /* sources: nothing more comes in this run */
    uint64_t epoch_rows;                   /* sources: rows given in this epoch */
    bool sides;                            /* some consumer wants what it leaves out */
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

sq_rc sq_emit_split(struct sq_op *, const struct sq_split_msg *);
/* Where the source below plan node p stands in a split, for people: its name and the place behind the rows that it gave last. Nothing where that is not known. */
sq_rc sq_source_place(struct sq_worker *, const struct sq_plan *p, uint32_t split, struct sq_buf *);
/* What a WATERMARK operator's watermark waits for: the split that is behind the others, and for how long it has given nothing. Empty: nothing, or the end has come. */
struct sq_held { char by[96]; int64_t ns; };
void sq_watermark_held(const struct sq_op *, struct sq_held *);
/* On worker 0: whether the source below plan node p has a split of this name that no worker has begun. Elsewhere: false. */
bool sq_source_waits(struct sq_worker *, const struct sq_plan *p, struct sq_str id);
/* 'scan.after' in a UNION ALL: time goes on from one source to the next. The watermark of the source below p, as it stands on this worker, for those that continue it; and the one that the
 * source below p goes on from: SQ_TS_MIN, or once the others have been read the greatest that they came to on any worker. */
void sq_source_told(struct sq_worker *, const struct sq_plan *p, int64_t watermark);
int64_t sq_source_continues(struct sq_worker *, const struct sq_plan *p);

/* Processing time. The class's `timer` is called once the clock (os->now_us, the wall clock that tests hold) is at at_us or behind it, also when nothing comes in. One call is owed at a
 * time: of several requests the earliest counts, and `timer` asks for the next. It may put out rows, as `batch` may. Not kept in checkpoints: `restore` asks again; what is due by then
 * comes at once. Never called behind the end, nor while the job stands still: an operator with something open puts it out in `end`.
 * FLINK: at the end of bounded input pending timers are dropped, and with them what open windows hold; here no row is lost: the end closes them. */
static inline void sq_op_timer(struct sq_op *op, int64_t at_us)
{
    if (at_us < op->timer_us)
        op->timer_us = at_us;
}

/* Lateness. The watermark that row r (physical) of a batch is judged by: that of the rows before it in its split, as if rows came one by one, whatever the batches; or
 * the operator's, where that is further. A row is late for what is due at `t` (the end of its window) where t <= this: then what it belongs to is closed, also if the
 * operator has not closed it yet because the watermark stands behind the batch. So:
 *
 *   - judge every row by this, never by op->event_time alone, and count it with op->ins[input].late;
 *   - in->wm NULL (the usual case): every row is above the watermark of its split, so none is late for a window that holds it: test once per batch, not per row;
 *   - what depends on the order of rows and watermarks in other ways (a session that a row would join although it is closed for that row) asks the same way;
 *   - rows that an operator makes itself (results of windows) go out before the watermark that made them is forwarded, without `wm`. */
static inline int64_t sq_row_watermark(const struct sq_op *op, const struct sq_batch *in, uint32_t r)
{
    return in->wm && in->wm[r] > op->event_time ? in->wm[r] : op->event_time;
}

/* `wm` for a batch of whose rows row i was row[i] (physical) of `in`, into `room`. */
static inline const int64_t *sq_wm_of_rows(const struct sq_batch *in, const uint32_t *row, uint32_t n, int64_t *room)
{
    for (uint32_t i = 0; in->wm && i < n; i++)
        room[i] = in->wm[row[i]];
    return in->wm ? room : NULL;
}

/* What an operator gets on an input, as the sq_emit_ functions give it to consumers: an exchange's receiver does the same with what came. */
sq_rc sq_take_watermark(struct sq_op *, uint32_t input, int64_t ts_us);
sq_rc sq_take_barrier(struct sq_op *, uint32_t input, uint64_t epoch);
sq_rc sq_take_idle(struct sq_op *, uint32_t input, bool idle);
sq_rc sq_take_end(struct sq_op *, uint32_t input);

/* What an operator leaves out, for t$late and t$bad (operators/side.c). A row that it counts as late goes there too: row r (physical) of the batch on that input. */
sq_rc sq_side_late(struct sq_op *, uint32_t input, const struct sq_batch *, uint32_t r);
static inline sq_rc sq_op_late(struct sq_op *op, uint32_t input, const struct sq_batch *in, uint32_t r)
{
    op->ins[input].late++;
    return op->sides ? sq_side_late(op, input, in, r) : SQ_OK;
}
/* A record that a source rejects. `number`: its offset, or its line. */
sq_rc sq_side_bad(struct sq_op *, struct sq_str split, int64_t number, const char *reason, struct sq_str raw);

/* Counts rows of an input as taken in. */
static inline void sq_op_accept(struct sq_op *op, uint32_t input, uint64_t rows) { op->ins[input].accepted += rows; }
struct sq_op_metrics sq_op_count(const struct sq_op *);
/* The restore of an operator that has saved one number of 8 bytes; `what` it is, for the message. */
sq_rc sq_restore_number(struct sq_op *, struct sq_snapshot_in *, void *number, const char *what);
/* The columns' types of a plan node, in memory of the context. */
sq_rc sq_op_types(struct sq_ctx *, const struct sq_field *, uint32_t n, const struct sq_type ***out);
/* Makes room for rows of those columns. */
sq_rc sq_op_out(struct sq_ctx *, const struct sq_field *, uint32_t n, struct sq_out *out);

extern const struct sq_op_class sq_op_filter, sq_op_project, sq_op_aggregate, sq_op_join, sq_op_union, sq_op_sort, sq_op_limit,
    sq_op_watermark, sq_op_window, sq_op_window_aggregate, sq_op_window_join, sq_op_interval_join, sq_op_temporal_join, sq_op_session_aggregate, sq_op_session_rows, sq_op_hop, sq_op_normalize, sq_op_sink, sq_op_collect, sq_op_expand, sq_op_unnest, sq_op_replicate,
    sq_op_rank, sq_op_window_rank, sq_op_over, sq_op_side, sq_op_scan,
    sq_op_values,                           /* the last two are sources: runtime/source.c */
    sq_op_sender, sq_op_receiver;           /* of an exchange: runtime/exchange.c */

/* A HOP whose records can be summed up (operators/hop.c). */
bool sq_hop_can(const struct sq_plan *);

#endif
