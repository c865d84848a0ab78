/* SPDX-License-Identifier: Apache-2.0
 *
 * store_internal.h: what the files of the store share: SQLite behind errors that name the file, the layout of a checkpoint's file, the index.
 */
#ifndef SQ_EXECUTOR_STORE_INTERNAL_H
#define SQ_EXECUTOR_STORE_INTERNAL_H

#include "base/os.h"
#include "base/sqlite.h"
#include "executor/checkpoint/store.h"

enum {
    SQ_STORE_FORMAT = 3,                /* of the index and of checkpoints; in a SQLite file's user_version */
    SQ_STORE_PATH = 1024,               /* longest path; SQLite takes less: 512 */
    SQ_STORE_PART = 8 << 20,            /* what is to be committed is stored in parts of this size */
    SQ_STORE_UUID = 36,
    SQ_STORE_HEX = 17                   /* a number as 16 hex digits and a 0 */
};

/* ---- paths and numbers (store_db.c) ---- */

/* snprintf into out[SQ_STORE_PATH]; SQ_IO when it is too long. */
sq_rc sq_store_path(struct sq_ctx *, char *out, const char *fmt, ...) SQ_PRINTF(3, 4);
const char *sq_store_hex(uint64_t, char out[SQ_STORE_HEX]);
bool sq_store_unhex(struct sq_str, uint64_t *);          /* exactly 16 lower-case hex digits */
bool sq_store_is_uuid(struct sq_str);
/* "chk-42.db" -> 42 */
bool sq_store_epoch_of(const char *name, const char *suffix, uint64_t *epoch);
/* The time in UTC, "2024-01-01T00:00:00.000000Z"; "" when it is outside of the years 1970 to 9999. out of 40 bytes. */
const char *sq_store_iso(int64_t us, char *out);
uint64_t sq_store_hash(const void *, size_t);
/* Removes a file that may not be there. What cannot be removed is tried again when the store is opened next. */
void sq_store_unlink(struct sq_ctx *, const char *path);
/* fsync of a file that was closed, then its new name, then fsync of the directory that has it. */
sq_rc sq_store_publish(struct sq_ctx *, const char *tmp, const char *path);

/* ---- SQLite (store_db.c) ---- */

/* NEW: an empty file (mode 0600) in place of what was there, without a journal: worth something only once sq_store_publish has returned.
 * EDIT: an existing database, in the journal mode it has. READ: a file that nobody changes and that is not trusted. */
enum sq_store_db_mode { SQ_STORE_DB_NEW, SQ_STORE_DB_EDIT, SQ_STORE_DB_READ };
struct sq_store_db {
    struct sq_ctx *ctx;
    struct sq_sqlite lib;
    sqlite3 *db;
    const char *what, *path;            /* "checkpoint", its path: for messages */
    enum sq_store_db_mode mode;
};
sq_rc sq_store_db_open(struct sq_ctx *, struct sq_store_db *, const char *what, const char *path, enum sq_store_db_mode);
void sq_store_db_close(struct sq_store_db *);            /* also after a failed open, and twice. Statements are finalized, what is not committed is lost */
sq_rc sq_store_db_fail(struct sq_store_db *);            /* the error of the call that failed last */
sq_rc sq_store_damaged(struct sq_store_db *, const char *fmt, ...) SQ_PRINTF(2, 3);   /* SQ_DATA: "checkpoint PATH is damaged: …" */
sq_rc sq_store_db_exec(struct sq_store_db *, const char *sql);
sq_rc sq_store_db_prepare(struct sq_store_db *, const char *sql, sqlite3_stmt **);
sq_rc sq_store_db_step(struct sq_store_db *, sqlite3_stmt *, bool *row);
sq_rc sq_store_db_int(struct sq_store_db *, const char *sql, int64_t *);   /* the one value of a query */
/* A column's bytes, of any type; NULL is empty. Good until the next step. */
sq_rc sq_store_db_bytes(struct sq_store_db *, sqlite3_stmt *, int col, struct sq_str *);
/* The same, copied. */
sq_rc sq_store_db_copy(struct sq_store_db *, sqlite3_stmt *, int col, struct sq_arena *, struct sq_str *);

struct sq_store_value { enum { SQ_SV_NULL, SQ_SV_INT, SQ_SV_TEXT, SQ_SV_BLOB } type; int64_t i; struct { const char *p; size_t n; } s; };
#define SQ_SV_I(x) {.type = SQ_SV_INT, .i = (int64_t)(x)}
#define SQ_SV_T(t) {.type = SQ_SV_TEXT, .s = {(t).p, (t).n}}
#define SQ_SV_C(t) {.type = SQ_SV_TEXT, .s = {(t), strlen(t)}}
#define SQ_SV_B(t) {.type = SQ_SV_BLOB, .s = {(t).p, (t).n}}
/* Binds the values, runs a statement that gives no rows, resets it. */
sq_rc sq_store_db_run(struct sq_store_db *, sqlite3_stmt *, const struct sq_store_value *, int n);

/* ---- a checkpoint's file (store_read.c) ---- */

enum { SQ_STORE_APPLICATION = 0x7371636b };              /* "sqck", in a SQLite file's application_id */
extern const char *const sq_store_schema[];              /* the tables, as CREATE statements: a file has exactly these */
extern const uint32_t sq_store_nschema;

struct sq_store_chunk {
    uint64_t uid, bytes, sum;
    uint32_t worker, seq;
    int64_t place;                                       /* the row of `data` */
};
/* The checksum over all of a checkpoint but the bytes of its chunks, whose checksums it covers. Chunks in the order of operators and seq. */
uint64_t sq_store_digest(const struct sq_saved *, const struct sq_store_chunk *, uint64_t n);
sq_rc sq_store_read_all(struct sq_store_reader *, bool may_interrupt);   /* sq_store_verify */
uint64_t sq_store_reader_digest(const struct sq_store_reader *);

/* ---- the store ---- */

struct sq_store {
    struct sq_ctx *ctx;
    char dir[SQ_STORE_PATH];
    char lock_path[SQ_STORE_PATH];
    char index_path[SQ_STORE_PATH];
    int lock;                                            /* the descriptor; -1: not locked */
    dev_t lock_dev;
    ino_t lock_ino;
    struct sq_store_db index;
    char job[SQ_STORE_UUID + 1], old_job[SQ_STORE_UUID + 1];
    char *name;
    struct sq_store_writer *writer;                      /* the one that is open */
    uint64_t *retired;                                   /* out of the index; their files are to be removed */
    size_t nretired, retired_cap;
    struct timespec seen;                                /* requests: the directory's time when it was listed last */
    bool quiet;                                          /* nobody asked then */
};

struct sq_store_line {                                   /* of the index */
    uint64_t epoch, sum;
    enum sq_store_status status;
    bool finished, known;                                /* known: sum and time are, for the file could be read */
    int64_t taken_us, bytes;
};

/* store_index.c */
sq_rc sq_store_index_open(struct sq_store *, struct sq_str job_name);   /* or makes it, from the files that are there */
sq_rc sq_store_index_look(struct sq_store *, struct sq_arena *);        /* only reads it: the job's UUID and name; no lock is needed */
sq_rc sq_store_index_lines(struct sq_store *, struct sq_arena *, struct sq_store_line **, uint32_t *n);   /* newest first */
sq_rc sq_store_index_find(struct sq_store *, uint64_t epoch, struct sq_store_line *);   /* SQ_MISUSE: there is none */
sq_rc sq_store_index_add(struct sq_store *, const struct sq_store_line *);
sq_rc sq_store_index_done(struct sq_store *, uint64_t epoch, uint64_t keep_from);   /* and takes out the DONE ones before keep_from */
sq_rc sq_store_index_drop(struct sq_store *, uint64_t epoch);
sq_rc sq_store_index_identity(struct sq_store *, const char *job, const char *old_job, bool clear);   /* durably; clear: takes all checkpoints out */

/* store.c */
sq_rc sq_store_ours(struct sq_store *);                  /* SQ_EXTERNAL when the lock's file was taken away: another process may have one too */
void sq_store_new_uuid(struct sq_ctx *, char out[SQ_STORE_UUID + 1]);
/* As sq_store_open. IF_FREE: a directory that is no store is an error; one that another process has is not: *used, and no store. An empty name: any. */
enum sq_store_entry_mode { SQ_STORE_MAKE, SQ_STORE_IF_FREE };
sq_rc sq_store_enter(struct sq_ctx *, const char *dir, struct sq_str job_name, enum sq_store_entry_mode, bool *used, struct sq_store **);
/* The process id in the lock's file; 0: unknown. */
int64_t sq_store_holder(struct sq_ctx *, const char *lock_path);

#endif
