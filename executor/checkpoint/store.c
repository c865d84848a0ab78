/* SPDX-License-Identifier: Apache-2.0
 *
 * store.c: the directory of one job's checkpoints: its lock, its identity, what of it is kept.
 *
 * The lock is flock on the file `lock`, which is never removed: it goes with the process, also when that is killed. The file holds the process id, for the
 * message that a second job gets. Should somebody remove the file, a second job could lock a new one; so before something is begun, made durable or done,
 * the file at that path must still be the one that is locked.
 *
 * Order of effects: a line leaves the index before its file is removed. A crash in between leaves a file without a line, which the next open removes.
 */
#include "executor/checkpoint/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOCK_TRIES = 10, LOCK_PAUSE_US = 20000 };         /* who looks whether a job runs has the lock for a moment */

void sq_store_new_uuid(struct sq_ctx *ctx, char out[SQ_STORE_UUID + 1])
{
    unsigned char b[16];
    ctx->os->random(ctx->os->arg, b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);        /* version 4: random */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(out, SQ_STORE_UUID + 1, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8],
             b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* ---- the lock ---- */

int64_t sq_store_holder(struct sq_ctx *ctx, const char *lock_path)
{
    const struct sq_os *os = ctx->os;
    char text[32] = "";
    int fd = os->open(os->arg, lock_path, O_RDONLY, 0);
    ssize_t n = fd < 0 ? fd : os->pread(os->arg, fd, text, sizeof text - 1, 0);
    if (fd >= 0)
        os->close(os->arg, fd);
    long long pid = n > 0 ? strtoll(text, NULL, 10) : 0;
    return pid > 0 ? pid : 0;
}

static sq_rc in_use(struct sq_store *s)
{
    int64_t pid = sq_store_holder(s->ctx, s->lock_path);
    if (pid)
        sq_fail(s->ctx, SQ_EXTERNAL, "checkpoint directory %s is used by process %lld", s->dir, (long long)pid);
    else
        sq_fail(s->ctx, SQ_EXTERNAL, "checkpoint directory %s is used by another process", s->dir);
    sq_hint(s->ctx, "stop that job, or give this one a name ('pipeline.name') or a directory ('execution.checkpointing.dir') of its own");
    return sq_lasting(s->ctx);
}

/* Without `used` a lock that is taken is an error, after some tries. */
static sq_rc take_lock(struct sq_store *s, bool *used)
{
    const struct sq_os *os = s->ctx->os;
    char why[128], text[24];
    struct stat st;

    int rc = s->lock = os->open(os->arg, s->lock_path, O_CREAT | O_RDWR, 0600);
    for (int i = 0; rc >= 0; i++) {
        rc = os->lock(os->arg, s->lock);
        if (rc >= 0 || rc != -EWOULDBLOCK)
            break;
        if (used) {
            *used = true;
            return SQ_OK;
        }
        if (i == LOCK_TRIES)
            return in_use(s);
        os->sleep_us(os->arg, LOCK_PAUSE_US);
        rc = 0;
    }
    if (rc >= 0)
        rc = os->stat(os->arg, s->lock_path, &st);
    if (rc < 0)
        return sq_fail(s->ctx, SQ_IO, "cannot lock %s: %s", s->lock_path, sq_os_strerror(rc, why, sizeof why));
    s->lock_dev = st.st_dev;
    s->lock_ino = st.st_ino;
    snprintf(text, sizeof text, "%-20lld\n", (long long)getpid());   /* one length, so that an older number is overwritten whole */
    return sq_os_write_all(s->ctx, s->lock, s->lock_path, text, strlen(text));
}

sq_rc sq_store_ours(struct sq_store *s)
{
    struct stat st;
    if (s->ctx->os->stat(s->ctx->os->arg, s->lock_path, &st) == 0 && st.st_dev == s->lock_dev && st.st_ino == s->lock_ino)
        return SQ_OK;
    sq_fail(s->ctx, SQ_EXTERNAL, "the lock of checkpoint directory %s is gone: somebody has removed or moved %s", s->dir, s->lock_path);
    sq_hint(s->ctx, "another run of the job may be using the directory; see that there is only one, and start it again");
    return sq_lasting(s->ctx);
}

/* ---- opening ---- */

/* What a killed process leaves: files that have not got their name yet, old answers. Not what another process is writing now. */
static int leftover(void *arg, const char *name)
{
    struct sq_store *s = arg;
    const struct sq_os *os = s->ctx->os;
    enum { OLD_S = 3600 };
    char path[SQ_STORE_PATH];
    uint64_t epoch;
    struct stat st;

    if (snprintf(path, sizeof path, "%s/%s", s->dir, name) >= (int)sizeof path)
        return 0;
    bool mine = sq_store_epoch_of(name, ".db.tmp", &epoch) || sq_store_epoch_of(name, ".db.tmp-journal", &epoch) || strcmp(name, "index.db.tmp") == 0;
    bool shared = strncmp(name, "answer-", 7) == 0 || (strncmp(name, "savepoint-", 10) == 0 && strlen(name) > 4 && strcmp(name + strlen(name) - 4, ".tmp") == 0);
    if (mine || (shared && os->stat(os->arg, path, &st) == 0 && st.st_mtime + OLD_S < os->now_us(os->arg) / 1000000))
        sq_store_unlink(s->ctx, path);
    return 0;
}

static sq_rc enter(struct sq_store *s, const char *dir, struct sq_str job_name, enum sq_store_entry_mode mode, bool *used)
{
    const struct sq_os *os = s->ctx->os;
    char why[128];
    struct stat st;
    SQ_TRY(sq_store_path(s->ctx, s->dir, "%s", dir));
    SQ_TRY(sq_store_path(s->ctx, s->lock_path, "%s/lock", dir));
    SQ_TRY(sq_store_path(s->ctx, s->index_path, "%s/index.db", dir));
    if (mode == SQ_STORE_MAKE)
        SQ_TRY(sq_os_mkdirs_private(s->ctx, dir));
    else if (os->stat(os->arg, s->lock_path, &st) < 0)
        return sq_fail(s->ctx, SQ_IO, "%s is not a job's checkpoint directory: there is no file 'lock' in it", dir);
    SQ_TRY(take_lock(s, used));
    if (used && *used)
        return SQ_OK;
    int rc = os->list(os->arg, dir, leftover, s);
    if (rc < 0)
        return sq_fail(s->ctx, SQ_IO, "cannot read directory %s: %s", dir, sq_os_strerror(rc, why, sizeof why));
    return sq_store_index_open(s, job_name);
}

sq_rc sq_store_enter(struct sq_ctx *ctx, const char *dir, struct sq_str job_name, enum sq_store_entry_mode mode, bool *used, struct sq_store **out)
{
    *out = NULL;
    struct sq_store *s = sq_calloc(ctx, sizeof *s);
    if (!s)
        return SQ_NOMEM;
    s->ctx = ctx;
    s->lock = -1;
    sq_rc rc = enter(s, dir, job_name, mode, used);
    if (rc != SQ_OK || (used && *used))
        sq_store_close(s);
    else
        *out = s;
    return rc;
}

sq_rc sq_store_open(struct sq_ctx *ctx, const char *dir, struct sq_str job_name, struct sq_store **out)
{
    return sq_store_enter(ctx, dir, job_name, SQ_STORE_MAKE, NULL, out);
}

void sq_store_use(struct sq_store *s, struct sq_ctx *ctx)
{
    s->ctx = ctx;
    s->index.ctx = ctx;
}

void sq_store_close(struct sq_store *s)
{
    if (!s)
        return;
    sq_store_abort(s->writer);
    sq_store_sweep(s);
    sq_store_db_close(&s->index);
    if (s->lock >= 0)
        s->ctx->os->close(s->ctx->os->arg, s->lock);     /* last: the index is whole before another may have it */
    sq_free(s->ctx, s->retired);
    sq_free(s->ctx, s->name);
    sq_free(s->ctx, s);
}

/* ---- identity ---- */

struct sq_str sq_store_job(const struct sq_store *s) { return sq_str_of(s->job); }
struct sq_str sq_store_old_job(const struct sq_store *s) { return sq_str_of(s->old_job); }

static void remove_file(struct sq_store *s, uint64_t epoch)
{
    char path[SQ_STORE_PATH];
    if (sq_store_path(s->ctx, path, "%s/chk-%llu.db", s->dir, (unsigned long long)epoch) == SQ_OK)
        sq_store_unlink(s->ctx, path);
}

sq_rc sq_store_renew(struct sq_store *s)
{
    struct sq_arena arena;
    struct sq_store_line *lines;
    uint32_t n;
    char job[SQ_STORE_UUID + 1];

    SQ_TRY(sq_store_ours(s));
    sq_store_new_uuid(s->ctx, job);
    sq_arena_init(&arena, s->ctx);
    sq_rc rc = sq_store_index_lines(s, &arena, &lines, &n);
    if (rc == SQ_OK)
        rc = sq_store_index_identity(s, job, s->job, true);
    for (uint32_t i = 0; i < n && rc == SQ_OK; i++)
        remove_file(s, lines[i].epoch);
    sq_arena_free(&arena);
    if (rc == SQ_OK) {
        memcpy(s->old_job, s->job, sizeof job);
        memcpy(s->job, job, sizeof job);
    }
    return rc;
}

sq_rc sq_store_adopt(struct sq_store *s, struct sq_str job)
{
    struct sq_arena arena;
    struct sq_store_line *lines;
    uint32_t n;
    char uuid[SQ_STORE_UUID + 1];

    if (!sq_store_is_uuid(job))
        return sq_fail(s->ctx, SQ_DATA, "'%.*s' is not the UUID of a job", (int)(job.n < 80 ? job.n : 80), job.p);
    SQ_TRY(sq_store_ours(s));
    sq_arena_init(&arena, s->ctx);
    sq_rc rc = sq_store_index_lines(s, &arena, &lines, &n);
    sq_arena_free(&arena);
    if (rc == SQ_OK && n > 0)
        rc = sq_fail(s->ctx, SQ_MISUSE, "directory %s has checkpoints; those of job %.*s cannot be continued there", s->dir, SQ_FMT(job));
    SQ_TRY(rc);
    snprintf(uuid, sizeof uuid, "%.*s", SQ_FMT(job));
    SQ_TRY(sq_store_index_identity(s, uuid, s->old_job, false));
    memcpy(s->job, uuid, sizeof uuid);
    return SQ_OK;
}

/* ---- what there is ---- */

sq_rc sq_store_list(struct sq_store *s, struct sq_arena *a, struct sq_store_entry **out, uint32_t *n)
{
    struct sq_store_line *lines;
    struct stat st;
    SQ_TRY(sq_store_index_lines(s, a, &lines, n));
    struct sq_store_entry *e = *out = SQ_NEW_ARRAY(a, struct sq_store_entry, *n);
    if (!e)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < *n; i++) {
        const struct sq_store_line *l = &lines[i];
        const char *path = sq_arena_printf(a, "%s/chk-%llu.db", s->dir, (unsigned long long)l->epoch);
        if (!path)
            return SQ_NOMEM;
        if (s->ctx->os->stat(s->ctx->os->arg, path, &st) == -ENOENT)
            path = NULL;
        e[i] = (struct sq_store_entry){.epoch = l->epoch, .status = l->status, .finished = l->finished, .taken_us = l->taken_us, .bytes = l->bytes, .path = path};
    }
    return SQ_OK;
}

/* Is the file that was opened the one that the index means? */
static sq_rc compare(struct sq_store *s, const struct sq_store_line *l, const char *path, const struct sq_store_reader *r, const struct sq_saved *saved)
{
    char want[SQ_STORE_HEX], have[SQ_STORE_HEX];
    if (!sq_str_is(saved->job, s->job))
        return sq_fail(s->ctx, SQ_DATA, "checkpoint %s is damaged: it is of another job, %.*s", path, SQ_FMT(saved->job));
    if (l->known && sq_store_reader_digest(r) != l->sum)
        return sq_fail(s->ctx, SQ_DATA, "checkpoint %s is damaged: it has the checksum %s, the index knows it with %s", path,
                       sq_store_hex(sq_store_reader_digest(r), have), sq_store_hex(l->sum, want));
    return SQ_OK;
}

sq_rc sq_store_get(struct sq_store *s, uint64_t epoch, struct sq_store_reader **r, struct sq_saved *saved)
{
    struct sq_store_line l;
    char path[SQ_STORE_PATH];
    *r = NULL;
    SQ_TRY(sq_store_index_find(s, epoch, &l));
    SQ_TRY(sq_store_path(s->ctx, path, "%s/chk-%llu.db", s->dir, (unsigned long long)epoch));
    SQ_TRY(sq_store_read(s->ctx, path, r, saved));
    sq_rc rc = compare(s, &l, path, *r, saved);
    if (rc != SQ_OK) {
        sq_store_reader_close(*r);
        *r = NULL;
    }
    return rc;
}

/* ---- DONE, and what goes away ---- */

static sq_rc done(struct sq_store *s, struct sq_arena *a, uint64_t epoch, uint32_t retained)
{
    struct sq_store_entry *e;
    uint64_t keep_from = epoch;
    uint32_t n, kept = 1;
    SQ_TRY(sq_store_list(s, a, &e, &n));
    for (uint32_t i = 0; i < n && kept < retained; i++)
        if (e[i].epoch < epoch && e[i].path) {
            keep_from = e[i].epoch;
            kept++;
        }
    SQ_TRY(sq_store_index_done(s, epoch, keep_from));
    for (uint32_t i = 0; i < n; i++)
        if (e[i].epoch < keep_from) {
            if (sq_grow(s->ctx, &s->retired, &s->retired_cap, s->nretired + 1, sizeof *s->retired) == SQ_OK)
                s->retired[s->nretired++] = e[i].epoch;
            else
                remove_file(s, e[i].epoch);
        }
    return SQ_OK;
}

void sq_store_sweep(struct sq_store *s)
{
    while (s->nretired)
        remove_file(s, s->retired[--s->nretired]);
}

sq_rc sq_store_done(struct sq_store *s, uint64_t epoch, uint32_t retained)
{
    struct sq_arena arena;
    SQ_TRY(sq_store_ours(s));
    sq_arena_init(&arena, s->ctx);
    sq_rc rc = done(s, &arena, epoch, retained);
    sq_arena_free(&arena);
    return rc;
}

sq_rc sq_store_drop(struct sq_store *s, uint64_t epoch)
{
    SQ_TRY(sq_store_ours(s));
    SQ_TRY(sq_store_index_drop(s, epoch));
    remove_file(s, epoch);
    return SQ_OK;
}
