/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.h: what the files of the jdbc sink share: sink.c (opening, rows without epochs), sink_check.c (is the table fit), sink_saved.c
 * (gathered rows in a checkpoint), sink_write.c (transactions, and trying again), sink_epochs.c (the marker, and one transaction per epoch).
 */
#ifndef SQ_JDBC_SINK_H
#define SQ_JDBC_SINK_H

#include "connectors/jdbc/jdbc.h"
#include "connectors/sink_rows.h"

/* The rows of an epoch as bytes, and back. SQ_DATA: damaged; SQ_SEMANTIC: of a table with other columns or another key. */
sq_rc sq_jdbc_rows_save(struct sq_sink_rows *, uint64_t epoch, struct sq_buf *);
sq_rc sq_jdbc_rows_load(struct sq_sink_rows *, uint64_t epoch, struct sq_str);

/* ---- the writer ---- */

struct sq_jdbc_writer {
    struct sq_ctx *ctx;
    const struct sq_sink_spec *spec;
    const struct sq_jdbc_table *table;
    const struct sq_jdbc_dialect *d;
    struct sq_jdbc_conn *conn;
    struct sq_jdbc_stmt *put, *del;      /* of dialects without put_rows */
    struct sq_str *names;                /* of the columns */
    bool upserts;
    struct sq_sink_rows rows;
    size_t max_rows;
    int64_t first_ns;                    /* when the oldest gathered row came */
    /* epochs */
    bool marked;                         /* the database has a marker of this sink */
    uint64_t marker;                     /* as this run knows it */
    uint64_t ready;                      /* the epoch whose rows wait for commit; 0: none */
    bool in_doubt;                       /* its commit failed, and may have happened */
};

/* sink_check.c: the table is made where it is missing, and looked at; then the sink knows how it is made. */
sq_rc sq_jdbc_check(struct sq_jdbc_writer *);
/* Is what can be declared something that the database can keep? Before anything is made. */
sq_rc sq_jdbc_check_types(struct sq_jdbc_writer *);
/* Makes a table, and says so; or, where 'sink.create-table' says never, an error with the statement. */
sq_rc sq_jdbc_make(struct sq_jdbc_writer *, struct sq_str name, const char *ddl);
sq_rc sq_jdbc_check_engine(struct sq_jdbc_writer *, struct sq_str table, const struct sq_jdbc_info *);

/* sink_write.c */
struct sq_jdbc_work {
    sq_rc (*run)(struct sq_jdbc_writer *, void *arg);    /* what stands between BEGIN and COMMIT */
    /* Whether an earlier COMMIT of it happened, asked in an open transaction, which then keeps it so. NULL: it is done once more. */
    sq_rc (*happened)(struct sq_jdbc_writer *, void *arg, bool *yes);
    void *arg;
    bool appends;                        /* done once more, rows may be there twice */
    bool commits_epoch;                  /* tests may stop it at its steps */
};
/* Runs it in a transaction until it works, has failed for good, or the retry options are used up. */
sq_rc sq_jdbc_transact(struct sq_jdbc_writer *, const struct sq_jdbc_work *);
/* Writes what is gathered, in the transaction that is open. */
sq_rc sq_jdbc_write_rows(struct sq_jdbc_writer *);
sq_rc sq_jdbc_wrap(struct sq_jdbc_writer *);             /* "table 't': " before the error that is set */

/* sink_epochs.c: the slots of sq_sink_class of these names */
sq_rc sq_jdbc_claim(struct sq_jdbc_writer *);            /* the marker is there, and this run's */
sq_rc sq_jdbc_marker(struct sq_writer *, uint64_t *);
sq_rc sq_jdbc_set_marker(struct sq_writer *, uint64_t);
sq_rc sq_jdbc_prepare(struct sq_writer *, uint64_t, struct sq_buf *);
sq_rc sq_jdbc_recover(struct sq_writer *, uint64_t, struct sq_str);
sq_rc sq_jdbc_commit(struct sq_writer *, uint64_t);
size_t sq_jdbc_pending_bytes(struct sq_writer *);
sq_rc sq_jdbc_before_write(struct sq_jdbc_writer *);     /* recovered rows that are committed are forgotten; others may not be mixed with new ones */

static inline struct sq_jdbc_writer *sq_jdbc_writer_of(struct sq_writer *w) { return (struct sq_jdbc_writer *)(void *)w; }

#endif
