/* SPDX-License-Identifier: Apache-2.0
 *
 * mysql.h: what the files of the MySQL and MariaDB dialect share: mysql_url.c (the url), mysql.c (connections), mysql_table.c (what a table
 * looks like), mysql_write.c (rows in), mysql_read.c (rows out).
 */
#ifndef SQ_JDBC_MYSQL_H
#define SQ_JDBC_MYSQL_H

#include "connectors/jdbc/jdbc.h"

/* ---- the url; needs no library ---- */

enum sq_mysql_tls { SQ_MYSQL_PLAIN, SQ_MYSQL_TLS_PREFERRED, SQ_MYSQL_TLS_REQUIRED, SQ_MYSQL_TLS_VERIFIED };
enum sq_mysql_zero { SQ_MYSQL_ZERO_FAILS, SQ_MYSQL_ZERO_IS_NULL, SQ_MYSQL_ZERO_IS_YEAR_1 };

struct sq_mysql_place {                  /* sq_jdbc_table.place */
    const char *host, *database;
    const char *user, *password;         /* NULL: not given */
    unsigned port;
    enum sq_mysql_tls tls;
    const char *tls_name;                /* the mode as it was asked for, for messages */
    const char *ca, *cert, *key, *tls_versions;
    const char *variables;               /* sessionVariables */
    int64_t connect_ms, socket_ms;
    enum sq_mysql_zero zero;
    bool compress;
};

sq_rc sq_mysql_url(struct sq_ctx *, struct sq_arena *, struct sq_span, struct sq_str rest, struct sq_jdbc_table *);

#ifdef SQ_HAVE_MYSQL
#include "connectors/jdbc/mysql_api.h"

struct sq_mysql_conn {
    struct sq_jdbc_conn base;
    const struct sq_mysql_place *at;
    struct sq_mysql lib;
    MYSQL *db;
    bool maria, lost, gave_up;           /* lost: the connection is gone, begin makes a new one; gave_up: it could not */
    unsigned error;                      /* of the last failed call */
    size_t packet;                       /* statements are no longer than this */
    bool buffered;                       /* scans are: the table's engine locks it while it is read */
    bool described;
    struct sq_arena arena;               /* of the names below */
    struct sq_str *instants;             /* columns of type TIMESTAMP: they keep points in time */
    uint32_t ninstants;
    struct sq_buf sql, keys;             /* the INSERT and the DELETE being written */
    uint32_t nkeys;
};

/* The call on the connection that has just failed, as an error. `doing`: "write", "read", … */
sq_rc sq_mysql_fail(struct sq_mysql_conn *, const char *doing);
sq_rc sq_mysql_fail_with(struct sq_mysql_conn *, const char *doing, unsigned code, const char *text);
bool sq_mysql_bad_value(unsigned code);  /* an error that the row is to blame for */
/* Runs a statement; *good says whether the server did. SQ_INTERRUPT when somebody asked to stop while the server kept it waiting. */
sq_rc sq_mysql_run(struct sq_mysql_conn *, const char *sql, size_t n, bool *good);
sq_rc sq_mysql_query(struct sq_mysql_conn *, const char *sql, size_t n, const char *doing);   /* the same; what the server refuses is an error */
/* Runs a SELECT and keeps its rows; *res is for free_result. */
sq_rc sq_mysql_rows(struct sq_mysql_conn *, const char *sql, MYSQL_RES **res);
sq_rc sq_mysql_quote(struct sq_buf *, struct sq_str);
sq_rc sq_mysql_text(struct sq_buf *, struct sq_str);     /* a literal */

/* mysql_table.c */
sq_rc sq_mysql_describe(struct sq_jdbc_conn *, struct sq_arena *, struct sq_str table, struct sq_jdbc_info *);
sq_rc sq_mysql_column_type(struct sq_ctx *, const struct sq_jdbc_conn *, struct sq_buf *, const struct sq_type *, const struct sq_jdbc_in_key *);
const char *sq_mysql_unfit(const struct sq_type *, const struct sq_jdbc_column *, bool in_key);
sq_rc sq_mysql_add_key(struct sq_jdbc_conn *, struct sq_buf *, const struct sq_jdbc_info *, const struct sq_sink_spec *, const struct sq_jdbc_key *);

sq_rc sq_mysql_order_literal(struct sq_jdbc_conn *, struct sq_buf *, const struct sq_jdbc_column *, const struct sq_jdbc_value *);

/* mysql_write.c */
sq_rc sq_mysql_put_rows(struct sq_jdbc_conn *, const struct sq_sink_spec *, bool upserts, const struct sq_batch *);
sq_rc sq_mysql_remove_rows(struct sq_jdbc_conn *, const struct sq_sink_spec *, const struct sq_batch *, bool last);

/* mysql_read.c */
sq_rc sq_mysql_scan(struct sq_jdbc_conn *, const char *select, struct sq_jdbc_stmt **);
sq_rc sq_mysql_step(struct sq_jdbc_stmt *, bool *row);
sq_rc sq_mysql_value(struct sq_jdbc_stmt *, uint32_t i, struct sq_jdbc_value *);
struct sq_str sq_mysql_text_of(struct sq_jdbc_stmt *, uint32_t i);
void sq_mysql_finalize(struct sq_jdbc_stmt *);
#endif

#endif
