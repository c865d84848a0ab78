/* SPDX-License-Identifier: Apache-2.0
 *
 * onefile.c: a target that is one file, 'path' = 'out.ndjson'.
 *
 * Without epochs the hidden file begins as a copy of the old one, and takes its name at the end. When another writer of the job finished on the same
 * file in between (two INSERTs in a statement set), the copy is made again from what is there now, so nobody's rows are lost.
 *
 * With epochs the hidden file holds the new rows alone and stays open to the run's end, however many epochs there are: a file that grows at every
 * epoch and is always whole for its readers would have to be copied at every epoch. At the last commit, where there is an old file, a copy of
 * it with the rows behind is made, and takes the name. Each step leaves a state that says what has been done, so the commit can be done again:
 *     rows                    nothing yet (".merging" may be half of a copy)
 *     rows and ".merged"      the copy is whole and durable
 *     ".merged"               it only has to get the name
 *     neither                 it has it
 * With INSERT OVERWRITE the job's first file, number 0, replaces the old one; later ones (a stopped job that went on) are put behind it.
 *
 * FLINK: a path is always a directory there.
 */
#include "connectors/filesystem/sink.h"

#include <errno.h>
#include <fcntl.h>

enum { COPY_CHUNK = 256 << 10 };

const char *sq_fs_one_base(const struct sq_fs_writer *w)
{
    const char *slash = strrchr(w->target, '/');
    return slash ? slash + 1 : w->target;
}

static sq_rc write_all(struct sq_fs_writer *w, int fd, const void *p, size_t n)
{
    sq_rc rc = sq_os_write_all(w->ctx, fd, w->target, p, n);
    return rc == SQ_OK ? rc : sq_wrap(w->ctx, "table '%.*s'", SQ_FMT(w->spec->table->name));
}

/* Copies [at, …) of a file behind what fd holds; *copied counts. With `newline`, the copy ends with one. */
static sq_rc copy_file(struct sq_fs_writer *w, const char *from, int64_t at, int fd, bool newline, int64_t *copied)
{
    char *chunk = sq_alloc(w->ctx, COPY_CHUNK), last = '\n';
    if (!chunk)
        return SQ_NOMEM;
    int in = w->ctx->os->open(w->ctx->os->arg, from, O_RDONLY, 0);
    sq_rc rc = in < 0 ? sq_fs_fail_io(w, "read", from, in) : SQ_OK;
    while (rc == SQ_OK) {
        ssize_t got = w->ctx->os->pread(w->ctx->os->arg, in, chunk, COPY_CHUNK, at);
        if (got < 0)
            rc = sq_fs_fail_io(w, "read", from, (int)got);
        if (got <= 0)
            break;
        rc = write_all(w, fd, chunk, (size_t)got);
        at += got;
        *copied += got;
        last = chunk[got - 1];
        if (rc == SQ_OK && !w->spec->epoch.on)           /* a commit is not broken off */
            rc = sq_check_interrupt(w->ctx);
    }
    if (rc == SQ_OK && newline && last != '\n') {
        rc = write_all(w, fd, "\n", 1);
        *copied += 1;
    }
    if (in >= 0)
        w->ctx->os->close(w->ctx->os->arg, in);
    sq_free(w->ctx, chunk);
    return rc;
}

static bool there(struct sq_fs_writer *w, const char *path, struct stat *st) { return w->ctx->os->stat(w->ctx->os->arg, path, st) == 0; }

/* ---- without epochs ---- */

/* The hidden file is made at once, so that a directory that cannot be written is an error before the job does any work. */
sq_rc sq_fs_one_begin(struct sq_fs_writer *w)
{
    w->had_old = there(w, w->target, &w->old);
    struct sq_fs_part *p;
    SQ_TRY(sq_fs_part_open(w, NULL, &p));
    return w->had_old && !w->spec->overwrite ? copy_file(w, w->target, 0, p->fd, true, &w->copied) : SQ_OK;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Somebody replaced the target since it was copied: a new file of what is there now and of our rows. */
static sq_rc copy_again(struct sq_fs_writer *w)
{
    int64_t copied = 0;
    const char *hidden = sq_fs_hidden(w, w->parts[0]), *ours = hidden ? sq_arena_printf(&w->names, "%s", hidden) : NULL;
    if (!ours)
        return SQ_NOMEM;
    sq_fs_random_tag(w);
    struct sq_fs_part *p;
    SQ_TRY(sq_fs_part_open(w, NULL, &p));
    SQ_TRY(copy_file(w, w->target, 0, p->fd, true, &copied));
    SQ_TRY(copy_file(w, ours, w->copied, p->fd, false, &copied));
    return sq_fs_part_close(w, p);
}

sq_rc sq_fs_one_finish(struct sq_fs_writer *w)
{
    struct stat now;
    SQ_TRY(sq_fs_close_all(w));
    bool has = there(w, w->target, &now);
    if (!w->spec->overwrite && has && w->rows == 0)
        return SQ_OK;                                    /* nothing to append: the file stays as it is */
    if (!w->spec->overwrite && has && !(w->had_old && same_file(&now, &w->old)))
        SQ_TRY(copy_again(w));
    struct sq_fs_part *p = w->parts[w->nparts - 1];
    const char *hidden = sq_fs_hidden(w, p);
    if (!hidden)
        return SQ_NOMEM;
    int e = w->ctx->os->rename(w->ctx->os->arg, hidden, w->target);
    if (e < 0)
        return sq_fs_fail_io(w, "write", w->target, e);
    p->named = true;
    return sq_os_sync_dir(w->ctx, w->dir);
}

/* ---- with epochs ---- */

sq_rc sq_fs_gone(struct sq_fs_writer *w, const char *final, const char *hidden)
{
    sq_fail(w->ctx, SQ_IO, "table '%.*s': the rows of '%s' are gone: neither that file nor '%s' is there", SQ_FMT(w->spec->table->name), final, hidden);
    return sq_hint(w->ctx, "if the file was taken away after it had appeared, make an empty one in its place and start again");
}

static const char *beside(struct sq_fs_writer *w, const char *what, uint64_t number)
{
    return sq_arena_printf(&w->names, "%s%s.%s.%08llu.%s-%.16s", w->dir, w->dir[strlen(w->dir) - 1] == '/' ? "" : "/", sq_fs_one_base(w),
                           (unsigned long long)number, what, w->tag);
}

/* Makes `merged` of the target and the rows, whole and durable. */
static sq_rc merge(struct sq_fs_writer *w, const char *rows, const char *merging, const char *merged, mode_t mode)
{
    int64_t n = 0;
    int fd = w->ctx->os->open(w->ctx->os->arg, merging, O_WRONLY | O_CREAT | O_TRUNC, mode & 0777);
    if (fd < 0)
        return sq_fs_fail_io(w, "create", merging, fd);
    sq_rc rc = copy_file(w, w->target, 0, fd, true, &n);
    if (rc == SQ_OK)
        rc = copy_file(w, rows, 0, fd, false, &n);
    int e = rc == SQ_OK ? w->ctx->os->fsync(w->ctx->os->arg, fd) : 0;
    int e2 = w->ctx->os->close(w->ctx->os->arg, fd);
    if (rc == SQ_OK && (e < 0 || e2 < 0))
        rc = sq_fs_fail_io(w, "write", w->target, e < 0 ? e : e2);
    SQ_TRY(rc);
    SQ_FAULT(w->ctx, "fs.fsync");
    e = w->ctx->os->rename(w->ctx->os->arg, merging, merged);
    if (e < 0)
        return sq_fs_fail_io(w, "write", merged, e);
    SQ_TRY(sq_os_sync_dir(w->ctx, w->dir));
    SQ_FAULT(w->ctx, "fs.merged");
    return SQ_OK;
}

static sq_rc give_name(struct sq_fs_writer *w, const char *from)
{
    int e = w->ctx->os->rename(w->ctx->os->arg, from, w->target);
    if (e < 0)
        return sq_fs_fail_io(w, "write", w->target, e);
    SQ_FAULT(w->ctx, "fs.rename");
    SQ_TRY(sq_os_sync_dir(w->ctx, w->dir));
    SQ_FAULT(w->ctx, "fs.renamed");
    return SQ_OK;
}

static sq_rc remove_rows(struct sq_fs_writer *w, const char *rows)
{
    int e = w->ctx->os->unlink(w->ctx->os->arg, rows);
    return e < 0 ? sq_fs_fail_io(w, "remove", rows, e) : sq_os_sync_dir(w->ctx, w->dir);
}

sq_rc sq_fs_one_commit(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    struct stat st, old;
    const char *rows = sq_fs_hidden(w, p), *merged = beside(w, "merged", p->number), *merging = beside(w, "merging", p->number);
    if (!rows || !merged || !merging)
        return SQ_NOMEM;
    bool has_rows = there(w, rows, &st), has_merged = there(w, merged, &st), has_old = there(w, w->target, &old);
    if (!has_rows && !has_merged)
        return has_old ? sq_os_sync_dir(w->ctx, w->dir) : sq_fs_gone(w, w->target, rows);
    if (has_rows && !has_merged && (!has_old || (w->spec->overwrite && p->number == 0)))
        return give_name(w, rows);
    if (has_rows && p->size == 0)                        /* nothing to append: the file stays as it is */
        return remove_rows(w, rows);
    if (has_rows && !has_merged)
        SQ_TRY(merge(w, rows, merging, merged, old.st_mode));
    if (has_rows)
        SQ_TRY(remove_rows(w, rows));
    return give_name(w, merged);
}
