/* SPDX-License-Identifier: Apache-2.0
 *
 * sqlite.h: the functions of libsqlite3, found when a table or a checkpoint first needs them. The header <sqlite3.h> is used at build
 * time only; nothing links to the library.
 */
#ifndef SQ_BASE_SQLITE_H
#define SQ_BASE_SQLITE_H

#include "base/ctx.h"

#include <sqlite3.h>

#define SQ_SQLITE_CALLS(X)                                                                                                        \
    X(open_v2) X(close) X(errmsg) X(extended_errcode) X(busy_timeout) X(db_config) X(exec) X(prepare_v2) X(bind_int64)            \
    X(bind_double) X(bind_text) X(bind_blob) X(bind_zeroblob) X(bind_null) X(step) X(reset) X(finalize) X(column_type)            \
    X(column_int64) X(column_double) X(column_text) X(column_blob) X(column_bytes) X(libversion_number) X(libversion)             \
    X(db_readonly) X(get_autocommit) X(progress_handler) X(system_errno) X(next_stmt) X(blob_open) X(blob_reopen) X(blob_read)    \
    X(blob_bytes) X(blob_close)

struct sq_sqlite {
    void *library;
#define SQ_SQLITE_SLOT(f) __typeof__(sqlite3_##f) *f;
    SQ_SQLITE_CALLS(SQ_SQLITE_SLOT)
#undef SQ_SQLITE_SLOT
};

/* Opens the library. SQ_EXTERNAL, naming Debian's package, when it is not there or too old. */
sq_rc sq_sqlite_load(struct sq_ctx *, struct sq_sqlite *);
void sq_sqlite_unload(struct sq_sqlite *);

#endif
