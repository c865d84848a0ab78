/* SPDX-License-Identifier: Apache-2.0
 *
 * store.h: the checkpoints of one job in a directory.
 *
 *   <dir>/lock          locked (flock) while the job runs; holds the process id
 *   <dir>/index.db      SQLite, WAL, synchronous=FULL: the job's UUID and name, and of each checkpoint its number, status, checksum, time
 *   <dir>/chk-N.db      one checkpoint, a SQLite file of its own: written under another name without a journal, fsync, renamed, fsync of the directory
 *   <dir>/request-*     somebody asks the running job for a savepoint (store_request.c)
 *
 * A checkpoint is PREPARED once its file and its line in the index are durable, and DONE once every sink has committed its epoch. Files are made with
 * mode 0600, directories 0700. What is read is not trusted: every blob has a checksum (XXH3), the file's content one over all of them, in the index and in the file;
 * a file that was cut off, changed or is of another version is damaged, and said to be so.
 *
 * After a crash files and index are brought together at open; an index that is lost or damaged is made anew from the files, with a notice. Then the newest
 * checkpoint counts as PREPARED though it may have been DONE, so the runtime asks the sinks again (store_index.c says why that is safe).
 *
 * Errors: SQ_IO for a file or the disk, with its name; SQ_DATA for damage; SQ_EXTERNAL for another process; SQ_MISUSE and SQ_INTERNAL for the caller's mistakes.
 * After an error the store is as it was before the call, or, of a step that makes something durable, as after it; the call may be repeated.
 *
 * Threads: a store, its writer, its readers and the context it was opened with belong to one thread at a time.
 */
#ifndef SQ_EXECUTOR_STORE_H
#define SQ_EXECUTOR_STORE_H

#include "executor/checkpoint/saved.h"

struct sq_store;
struct sq_store_writer;
struct sq_store_reader;

/* Makes the directory where it is missing and takes its lock. SQ_EXTERNAL when another process has it ("… is used by process 4711"), SQ_SEMANTIC when there are
 * checkpoints of a job of another name. A new store gets a new UUID. */
sq_rc sq_store_open(struct sq_ctx *, const char *dir, struct sq_str job_name, struct sq_store **);
void sq_store_close(struct sq_store *);                  /* NULL is fine */
/* Another thread takes the store over: errors go to its context from here on. */
void sq_store_use(struct sq_store *, struct sq_ctx *);
struct sq_str sq_store_job(const struct sq_store *);     /* the UUID */
struct sq_str sq_store_old_job(const struct sq_store *); /* the one before sq_store_renew in this or an earlier run; empty: none */
/* Begins anew: a new UUID, no checkpoints; their files go away. */
sq_rc sq_store_renew(struct sq_store *);
/* Goes on under the UUID of a savepoint, in a store that has no checkpoints. */
sq_rc sq_store_adopt(struct sq_store *, struct sq_str job);

enum sq_store_status { SQ_STORE_PREPARED, SQ_STORE_DONE };
struct sq_store_entry {
    uint64_t epoch;
    enum sq_store_status status;
    bool finished;                                       /* the job's input had ended */
    int64_t taken_us, bytes;
    const char *path;
};
/* What there is, newest first, by the index; those whose file is missing have path NULL. In the arena. */
sq_rc sq_store_list(struct sq_store *, struct sq_arena *, struct sq_store_entry **, uint32_t *n);

/* ---- writing ---- */

/* Begins the file of an epoch, one at a time: newer than all there are, of which none may be PREPARED (SQ_MISUSE). Chunks come in any order; those of 256 KB
 * to 1 MB are fast. */
sq_rc sq_store_begin(struct sq_store *, uint64_t epoch, struct sq_store_writer **);
sq_rc sq_store_chunk(struct sq_store_writer *, uint64_t uid, uint32_t worker, uint32_t seq, const void *, size_t);
/* Everything but the chunks; then PREPARED, durably. Frees the writer, also on failure (then nothing is left of it). *bytes: size of the file. SQ_INTERNAL when
 * the chunks are not exactly those that the operators say they have. */
sq_rc sq_store_prepared(struct sq_store_writer *, const struct sq_saved *, int64_t *bytes);
void sq_store_abort(struct sq_store_writer *);           /* NULL is fine */
/* DONE, durably; older ones than the newest `retained` DONE are no longer listed. */
sq_rc sq_store_done(struct sq_store *, uint64_t epoch, uint32_t retained);
/* Removes the files of those; sq_store_begin and sq_store_close do it, too. A call by itself, for a large file takes a while (0.2 s for 1 GB in the page
 * cache) and nobody needs to wait for it. */
void sq_store_sweep(struct sq_store *);
/* Takes a PREPARED one out that did not happen, or one that is damaged. */
sq_rc sq_store_drop(struct sq_store *, uint64_t epoch);

/* ---- reading: also without a store, for savepoints and for people ---- */

/* Opens and checks the file (format, version, checksums of all but the chunks; a chunk's when it is read). SQ_DATA: damaged, and how. What `saved` points to
 * belongs to the reader. */
sq_rc sq_store_read(struct sq_ctx *, const char *path, struct sq_store_reader **, struct sq_saved *);
/* The same for a checkpoint of the index, which must be the one that the index means: of this job, with the checksum it was written with. */
sq_rc sq_store_get(struct sq_store *, uint64_t epoch, struct sq_store_reader **, struct sq_saved *);
/* Reads every chunk to see that it is whole, before anything is built on it. */
sq_rc sq_store_verify(struct sq_store_reader *);
void sq_store_reader_close(struct sq_store_reader *);    /* NULL is fine */

struct sq_store_info {
    struct sq_str job, name;                             /* UUID, name */
    struct sq_store_entry *entries;                      /* as sq_store_list */
    uint32_t n;
    int64_t holder;                                      /* the process that runs the job; 0: none does; -1: which is not known */
};
/* What a directory has, also while a job runs there: takes no lock, changes nothing. In the arena. */
sq_rc sq_store_look(struct sq_ctx *, const char *dir, struct sq_arena *, struct sq_store_info *);
bool sq_store_is_dir(struct sq_ctx *, const char *dir);  /* it looks like a job's directory: has an index */

/* ---- savepoints: one file that needs no directory ---- */

/* Copies a checkpoint's file, whole (the copy is verified) and durably. Makes the directory of `to`; a file that is there is not replaced. */
sq_rc sq_store_copy(struct sq_ctx *, const char *from, const char *to);
/* Where a savepoint of an epoch goes: `path` itself; in a directory (one that is there, or a name that ends with /) savepoint-<epoch>.db, or
 * savepoint-<epoch>-2.db where there is such a file already, and so on. Appended to the buffer. */
sq_rc sq_store_savepoint_path(struct sq_ctx *, const char *path, uint64_t epoch, struct sq_buf *);

/* The newest DONE checkpoint of a directory that no process uses: its path is appended. SQ_EXTERNAL: there is none, or a job runs there. */
sq_rc sq_store_newest(struct sq_ctx *, const char *dir, struct sq_buf *path);

/* Another process asks the job that has the lock of `dir` for a savepoint at `path` (a file or a directory, see above; NULL: dir) and waits for it, at most
 * timeout_ms or until the context is interrupted: the name of the file is appended to `made`. When no process has the lock, or the one that has it dies, the
 * newest DONE checkpoint is copied. */
sq_rc sq_store_request(struct sq_ctx *, const char *dir, const char *path, int64_t timeout_ms, struct sq_buf *made);
/* The running job's side: *path NULL: nobody asks; else where the savepoint is to go (absolute, for sq_store_savepoint_path), in the arena. The same again
 * until it is answered. Cheap: a stat of the directory. */
sq_rc sq_store_requested(struct sq_store *, struct sq_arena *, const char **path, const char **token);
/* Answers it: the name of the file that was made, or, where that is NULL, an error's text. */
sq_rc sq_store_answer(struct sq_store *, const char *token, const char *made, const char *error);

#endif
