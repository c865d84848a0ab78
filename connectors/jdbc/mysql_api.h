/* SPDX-License-Identifier: Apache-2.0
 *
 * mysql_api.h: the functions of libmariadb, found when a table first needs them. The header <mysql.h> is used at build time only;
 * nothing links to the library. Without the header the build has no MySQL (SQ_HAVE_MYSQL is not defined).
 */
#ifndef SQ_JDBC_MYSQL_API_H
#define SQ_JDBC_MYSQL_API_H

#include "base/ctx.h"

#include <mysql.h>

#define SQ_MYSQL_CALLS(X)                                                                                                         \
    X(server_init) X(init) X(close) X(options) X(real_connect) X(send_query) X(read_query_result) X(error) X(store_result) X(free_result)     \
    X(fetch_row) X(fetch_lengths) X(warning_count) X(get_server_info) X(get_server_version) X(get_ssl_cipher) X(get_socket)       \
    X(stmt_init) X(stmt_prepare) X(stmt_execute) X(stmt_fetch) X(stmt_fetch_column) X(stmt_bind_result) X(stmt_result_metadata)   \
    X(stmt_errno) X(stmt_error) X(stmt_close) X(num_fields) X(fetch_fields) X(affected_rows)

struct sq_mysql {
    void *library;
    __typeof__(mysql_errno) *code;       /* errno is a macro */
#define SQ_MYSQL_SLOT(f) __typeof__(mysql_##f) *f;
    SQ_MYSQL_CALLS(SQ_MYSQL_SLOT)
#undef SQ_MYSQL_SLOT
};

/* Opens the library and initializes it. SQ_EXTERNAL, naming Debian's package, when it is not there. */
sq_rc sq_mysql_load(struct sq_ctx *, struct sq_mysql *);
void sq_mysql_unload(struct sq_mysql *);

#endif
