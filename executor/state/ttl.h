/* SPDX-License-Identifier: Apache-2.0
 *
 * ttl.h: keyed state that is dropped when it has not been written for some time ('table.exec.state.ttl', the hint STATE_TTL).
 *
 * What can be dropped carries a stamp, the time of its last write; there is none where state is kept for good. It is over once the clock is `us` behind the stamp: who comes
 * upon it then takes it for gone. So what a job sees hangs on the clock alone. The memory comes back by sweeps, a few thousand entries a time, that the operator's
 * timer asks for; a row costs a comparison, a batch a look at the clock.
 *
 * FLINK: as its StateTtlConfig with OnCreateAndWrite and NeverReturnExpired: nothing is put out for what is dropped.
 */
#ifndef SQ_EXECUTOR_TTL_H
#define SQ_EXECUTOR_TTL_H

#include "base/os.h"
#include "executor/hashtab.h"
#include "executor/op.h"

enum { SQ_SWEEP_ENTRIES = 8192, SQ_STAMP = 8 };

struct sq_ttl {
    int64_t us;                            /* 0: kept for good */
    int64_t now;                           /* since the last sq_ttl_look */
};

static inline bool sq_ttl_over(const struct sq_ttl *t, int64_t stamp) { return stamp <= t->now - t->us; }

static inline int64_t sq_ttl_us(int64_t ms) { return ms > INT64_MAX / 4000 ? INT64_MAX / 4 : ms * 1000; }

/* At the beginning of a batch, of a snapshot and of a restore. */
static inline void sq_ttl_look(struct sq_ttl *t, const struct sq_op *op)
{
    if (t->us)
        t->now = op->ctx->os->now_us(op->ctx->os->arg);
}

/* The stamp of an entry whose payload is `payload` bytes and, where it has a stamp, SQ_STAMP more. */
static inline size_t sq_ttl_at(size_t payload) { return (payload + 7) / 8 * 8; }
static inline size_t sq_ttl_payload(const struct sq_ttl *t, size_t payload) { return t->us ? sq_ttl_at(payload) + SQ_STAMP : payload; }
static inline int64_t *sq_ttl_stamp(void *payload, size_t n) { return (int64_t *)(void *)((char *)payload + sq_ttl_at(n)); }

/* Asks for the next sweep, if none is asked for; after every batch that leaves state. */
static inline void sq_ttl_wake(const struct sq_ttl *t, struct sq_op *op)
{
    int64_t wait = t->us / 4 < 1000000 ? 1000000 : t->us / 4;
    if (t->us && op->timer_us == SQ_TS_MAX)
        sq_op_timer(op, t->now + wait);
}

/* A sweep over tables one after the other. */
struct sq_sweep { uint32_t table; struct sq_hashtab_iter at; };

/* Shows `look` the next entries of the table that the sweep is at, at most *left, which is lowered; it may remove them. true: that was the last; go on with the next table. */
bool sq_sweep_table(struct sq_sweep *, const struct sq_hashtab *, uint32_t *left, void (*look)(void *arg, struct sq_entry *), void *arg);
/* At the end of a timer's call: what is left of the sweep comes in the next turn, the next sweep later; none where nothing is kept (`live` entries). */
void sq_sweep_next(struct sq_sweep *, const struct sq_ttl *, struct sq_op *, bool whole, size_t live);

#endif
