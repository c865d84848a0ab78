/* SPDX-License-Identifier: Apache-2.0
 *
 * fault.h: where tests kill the process, and which of its calls they make fail. Compiled in only with -DSQ_FAULTS (`make faults`, `make torture`); else
 * nothing of it is there.
 *
 *     SQ_FAULT(ctx, "store.prepared");                         a point: named after the step that has just been done
 *     if (SQ_FAULT_FAILS(ctx, SQ_FAIL_ALLOC)) return NULL;     a call that may be made to fail
 *
 * Both ask the outside world (os.h: point, fails), which is NULL unless api/faults.c was told something by the environment. The names of all points of a
 * program stand in a section of their own, so that a driver finds them without a list of them.
 */
#ifndef SQ_BASE_FAULT_H
#define SQ_BASE_FAULT_H

#include "base/ctx.h"

enum sq_fail_kind {
    SQ_FAIL_ALLOC, SQ_FAIL_OPEN, SQ_FAIL_READ, SQ_FAIL_WRITE, SQ_FAIL_SHORT /* write: only a part is written */, SQ_FAIL_FSYNC, SQ_FAIL_STAT, SQ_FAIL_RENAME,
    SQ_FAIL_UNLINK, SQ_FAIL_MKDIR, SQ_FAIL_LIST,
    /* what libsqlite3 does with files */
    SQ_FAIL_DB_OPEN, SQ_FAIL_DB_READ, SQ_FAIL_DB_WRITE, SQ_FAIL_DB_SYNC, SQ_FAIL_DB_TRUNCATE, SQ_FAIL_DB_DELETE, SQ_FAIL_DB_LOCK,
    SQ_FAIL_KINDS
};

#ifdef SQ_FAULTS

void sq_fault_point(struct sq_ctx *, const char *name);
bool sq_fault_fails(struct sq_ctx *, enum sq_fail_kind);
const char *sq_fail_kind_name(enum sq_fail_kind);        /* "alloc" */
/* The i-th name of a point, from 0; NULL at the end. A name that stands at several places comes several times. */
const char *sq_fault_name_at(size_t i);

#define SQ_FAULT(ctx, name)                                                                                       \
    do {                                                                                                          \
        static const char sq_fault_here_[] __attribute__((section("sq_fault_names"), used, aligned(1))) = name;   \
        sq_fault_point((ctx), sq_fault_here_);                                                                    \
    } while (0)
#define SQ_FAULT_FAILS(ctx, kind) sq_fault_fails((ctx), (kind))

struct sq_os;
struct sq_sqlite;
/* Puts itself between libsqlite3 and the files of the process, once. */
void sq_fault_sqlite(struct sq_ctx *, const struct sq_sqlite *);
void sq_fault_sqlite_end(const struct sq_os *);          /* before this outside world goes away */

#else
#define SQ_FAULT(ctx, name) ((void)0)
#define SQ_FAULT_FAILS(ctx, kind) false
#endif

#endif
