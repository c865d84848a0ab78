/* SPDX-License-Identifier: Apache-2.0
 *
 * session.h: the sessions of keys, for the operators of SESSION windows: session.c finds the session of a row and merges those that it joins;
 * session_aggregate.c keeps accumulators in them, session_rows.c the rows themselves.
 */
#ifndef SQ_EXECUTOR_SESSION_H
#define SQ_EXECUTOR_SESSION_H

#include "executor/hashtab.h"
#include "executor/op.h"

/* Rows of a key less than or just `gap` apart: [start, end), end = the last row's time + gap. The operator's payload lies behind it. */
struct session {
    struct sq_entry *owner;                /* its key; NULL: it went into another one, or was taken */
    int64_t start, end;
    uint64_t number : 63;                  /* in the order of making */
    uint64_t closed : 1;                   /* no row joins it any more; it is not in the list of its key */
};
_Static_assert(sizeof(struct session) == 32, "sessions keep payloads aligned to 16");
#define SESSION_PAYLOAD(s) ((void *)((struct session *)(s) + 1))

struct session_due { int64_t end; uint64_t number; struct session *s; };

struct sessions {
    struct sq_ctx *ctx;
    int64_t gap;
    size_t size;                           /* of a session with its payload */
    struct sq_hashtab keys;                /* key -> its sessions in the order of time */
    struct sq_slab slab;                   /* sessions; the operator may keep what hangs on them here too */
    struct session_due *due;               /* a heap with each session once, by an end that it had */
    size_t ndue, due_cap;
    size_t lists;                          /* bytes of lists of sessions */
    uint64_t number;
    void *arg;
    sq_rc (*merge)(void *arg, struct session *into, struct session *from);   /* `from` is given up afterwards */
};

sq_rc sq_sessions_init(struct sessions *, struct sq_ctx *, int64_t gap, size_t payload);
void sq_sessions_free(struct sessions *);
/* The session of a row of time t and that key, made or made longer; *out NULL: the row is late, its session alone would be over. New payloads are zero. */
sq_rc sq_sessions_row(struct sessions *, struct sq_entry *key, int64_t t, int64_t watermark, struct session **out);
/* The next one that is over, taken from its key: by end, then in the order of making. NULL: there is none. To be given back by sq_sessions_put,
 * together with its key where that has no other. */
struct session *sq_sessions_over(struct sessions *, int64_t watermark, struct sq_entry **key);
void sq_sessions_put(struct sessions *, struct session *, struct sq_entry *key);
/* A key that was made for a late row goes where it has no session. */
void sq_sessions_forget(struct sessions *, struct sq_entry *key);
/* A session from a checkpoint. */
sq_rc sq_sessions_load(struct sessions *, struct sq_entry *key, int64_t start, int64_t end, bool closed, struct session **out);
/* Calls fn for every session. */
sq_rc sq_sessions_each(const struct sessions *, sq_rc (*fn)(void *, struct session *), void *);
size_t sq_sessions_bytes(const struct sessions *);

#endif
