/* SPDX-License-Identifier: Apache-2.0
 *
 * session.h: the parts of SESSION windows: sessions by key (session_state.c), the operator (session.c).
 */
#ifndef SQ_EXECUTOR_SESSION_H
#define SQ_EXECUTOR_SESSION_H

#include "executor/operators/aggregate.h"
#include "executor/window_store.h"

/* Rows of one key, none further than the gap from the next. Either what they come to (`group`: an entry as GROUP BY has it, alone), or the rows themselves. */
struct session {
    int64_t start, end;
    uint64_t number;                       /* in the order in which they were made */
    struct sq_entry *key;                  /* in session_op.keys */
    struct sq_entry *group;
    struct sq_buf rows;                    /* u8 kind, u32 length, packed row */
    struct session *into;                  /* merged into that one; it goes when its timer comes up */
};

struct sessions { struct session **v; uint32_t n, cap; };                /* payload of a key: by start */

struct session_op {
    struct aggregate a;
    struct sq_windows w;
    bool raw;                              /* a table function: the rows come out, with their window */
    bool keeps_rows;                       /* raw, or DISTINCT: accumulators cannot be put together */
    uint32_t time;                         /* input column */
    struct sq_hashtab keys;                /* -> struct sessions */
    struct sq_window_heap due;             /* one timer for each session, at an end that it had */
    uint64_t made;
    size_t bytes;
    int64_t watermark;
    struct sq_out rows;                    /* kept rows, unpacked */
    uint8_t *kinds;
    int64_t *times;
    struct session **of;                   /* each row's session; NULL: late */
};

/* session_state.c */
sq_rc sq_session_open(struct session_op *);
void sq_session_close(struct session_op *);
/* The session of a row of that key and time, extended and merged as need be; NULL: the row is late. */
sq_rc sq_session_of(struct session_op *, struct sq_entry *key, int64_t time, struct session **out);
sq_rc sq_session_keep(struct session_op *, struct session *, const struct sq_batch *, uint32_t r);
/* The kept rows from *at on, a batch of them at most, into x->rows, their kinds into x->kinds. */
sq_rc sq_session_read(struct session_op *, const struct session *, size_t *at);
/* The earliest session that is over; still in its key's list. NULL: none. */
sq_rc sq_session_over(struct session_op *, int64_t watermark, struct session **);
void sq_session_drop(struct session_op *, struct session *);
sq_rc sq_session_snapshot(struct sq_op *, struct sq_snapshot_out *);
sq_rc sq_session_restore(struct sq_op *, struct sq_snapshot_in *);
size_t sq_session_bytes(const struct sq_op *);

#endif
