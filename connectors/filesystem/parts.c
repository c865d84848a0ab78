/* SPDX-License-Identifier: Apache-2.0
 *
 * parts.c: part files of a directory: made hidden, written, made durable, given their names.
 *
 * Files that are being written stand in the table's directory whatever their partition, so that one look at it finds what a dead run has left; the
 * directories of a partition come into being when its first file gets its name. However many files are being written, at most `open_files`
 * of them have a descriptor: the one that was used longest ago is closed, and opened again when its rows are written out.
 */
#include "connectors/filesystem/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

/* ---- names ---- */

const char *sq_fs_path(struct sq_fs_writer *w, struct sq_buf *b, const char *partition, const char *name)
{
    size_t n = strlen(w->dir);
    sq_buf_reset(b);
    sq_buf_puts(b, w->dir);
    if (n && w->dir[n - 1] != '/')
        sq_buf_putc(b, '/');
    sq_buf_puts(b, partition);
    sq_buf_puts(b, name);
    return b->rc == SQ_OK ? b->p : NULL;
}

const char *sq_fs_hidden(struct sq_fs_writer *w, const struct sq_fs_part *p) { return sq_fs_path(w, &w->path, "", p->hidden); }

const char *sq_fs_final(struct sq_fs_writer *w, const struct sq_fs_part *p)
{
    return sq_fs_path(w, &w->to, p->partition ? p->partition->path : "", p->name);
}

/* ---- partitions ---- */

static uint64_t hash_of(struct sq_str s)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (uint32_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
    return h ^ h >> 32;
}

sq_rc sq_fs_partition_get(struct sq_fs_writer *w, struct sq_str path, struct sq_fs_partition **out)
{
    uint64_t h = hash_of(path);
    struct sq_fs_partition **bucket = &w->buckets[h % SQ_FS_BUCKETS];
    for (struct sq_fs_partition *p = *bucket; p; p = p->next)
        if (p->hash == h && p->n == path.n && memcmp(p->path, path.p, path.n) == 0) {
            *out = p;
            return SQ_OK;
        }
    struct sq_fs_partition *p = sq_calloc(w->ctx, sizeof *p + path.n + 1);
    if (!p)
        return SQ_NOMEM;
    p->hash = h;
    p->n = path.n;
    memcpy(p->path, path.p, path.n);
    p->next = *bucket;
    *bucket = *out = p;
    return SQ_OK;
}

void sq_fs_partitions_prune(struct sq_fs_writer *w)
{
    for (size_t b = 0; b < SQ_FS_BUCKETS; b++)
        for (struct sq_fs_partition **at = &w->buckets[b], *p; (p = *at) != NULL;) {
            if (p->nparts) {
                at = &p->next;
                continue;
            }
            *at = p->next;
            sq_free(w->ctx, p);
        }
}

sq_rc sq_fs_make_dirs(struct sq_fs_writer *w, const struct sq_fs_partition *p)
{
    if (!p)
        return SQ_OK;
    const char *path = sq_fs_path(w, &w->to, p->path, "");
    if (!path)
        return SQ_NOMEM;
    w->to.p[w->to.n - 1] = 0;                            /* without the last '/' */
    return sq_os_mkdirs(w->ctx, path);
}

sq_rc sq_fs_sync_partition(struct sq_fs_writer *w, const struct sq_fs_partition *p)
{
    if (!p || !sq_fs_path(w, &w->to, p->path, ""))
        return p ? SQ_NOMEM : SQ_OK;
    for (size_t i = w->to.n - p->n; i < w->to.n; i++) {
        if (w->to.p[i] != '/')
            continue;
        w->to.p[i] = 0;
        sq_rc rc = sq_os_sync_dir(w->ctx, w->to.p);
        w->to.p[i] = '/';
        SQ_TRY(rc);
    }
    return SQ_OK;
}

/* ---- descriptors ---- */

/* An error about a part names the file that it was to become. */
static sq_rc cannot_write(struct sq_fs_writer *w, struct sq_fs_part *p, int e)
{
    const char *path = sq_fs_final(w, p);
    return sq_fs_fail_io(w, "write", path ? path : p->name, e);
}

static int close_fd(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    if (p->fd < 0)
        return 0;
    for (uint32_t i = 0; i < w->nfd; i++)
        if (w->with_fd[i] == p) {
            w->with_fd[i] = w->with_fd[--w->nfd];
            break;
        }
    int fd = p->fd;
    p->fd = -1;
    return w->ctx->os->close(w->ctx->os->arg, fd);
}

static sq_rc make_room(struct sq_fs_writer *w)
{
    uint32_t most = w->table->open_files && w->table->open_files < SQ_FS_OPEN_FILES ? w->table->open_files : SQ_FS_OPEN_FILES;
    if (w->nfd < most)
        return SQ_OK;
    struct sq_fs_part *oldest = w->with_fd[0];
    for (uint32_t i = 1; i < w->nfd; i++)
        if (w->with_fd[i]->used < oldest->used)
            oldest = w->with_fd[i];
    int e = close_fd(w, oldest);
    return e < 0 ? cannot_write(w, oldest, e) : SQ_OK;
}

sq_rc sq_fs_part_fd(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    p->used = ++w->clock;
    if (p->fd >= 0)
        return SQ_OK;
    SQ_TRY(make_room(w));
    const char *path = sq_fs_hidden(w, p);
    if (!path)
        return SQ_NOMEM;
    mode_t mode = w->had_old ? w->old.st_mode & 0777 : 0666;
    int fd = w->ctx->os->open(w->ctx->os->arg, path, O_WRONLY | O_APPEND | (p->made ? 0 : O_CREAT | O_EXCL), mode);
    if (fd < 0)
        return sq_fs_fail_io(w, p->made ? "write" : "create", path, fd);
    w->new_names |= !p->made;
    p->made = true;
    p->fd = fd;
    w->with_fd[w->nfd++] = p;
    return SQ_OK;
}

/* ---- parts ---- */

static char *copy(struct sq_fs_writer *w, const char *s) { return sq_str_copy(w->ctx, sq_str_of(s)); }

void sq_fs_part_free(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    close_fd(w, p);
    if (w->open == p)
        w->open = NULL;
    if (p->partition && p->partition->part == p)
        p->partition->part = NULL;
    if (p->partition)
        p->partition->nparts--;
    w->buffered -= p->text.n;
    sq_buf_free(&p->text);
    sq_free(w->ctx, (void *)p->name);
    sq_free(w->ctx, (void *)p->hidden);
    sq_free(w->ctx, p);
}

sq_rc sq_fs_part_new(struct sq_fs_writer *w, struct sq_fs_partition *partition, const char *name, const char *hidden, struct sq_fs_part **out)
{
    char rule[320];
    SQ_TRY(sq_grow(w->ctx, &w->parts, &w->cap_parts, w->nparts + 1, sizeof(struct sq_fs_part *)));
    struct sq_fs_part *p = sq_calloc(w->ctx, sizeof *p);
    if (!p)
        return SQ_NOMEM;
    p->fd = -1;
    sq_buf_init(&p->text, w->ctx);
    snprintf(rule, sizeof rule, ".%s" SQ_FS_IN_PROGRESS "%.16s", name, w->tag);
    p->name = copy(w, name);
    p->hidden = copy(w, hidden ? hidden : rule);
    if (!p->name || !p->hidden) {
        sq_fs_part_free(w, p);
        return SQ_NOMEM;
    }
    p->partition = partition;
    if (partition)
        partition->nparts++;
    p->made_us = p->written_us = w->ctx->os->now_us(w->ctx->os->arg);
    w->parts[w->nparts++] = *out = p;
    return SQ_OK;
}

/* "part-<tag>-<number>-<run>.json" of epochs; the number has a fixed width, so that files sort as they were written. */
static void part_name(struct sq_fs_writer *w, char *name, size_t n)
{
    const char *format = w->table->format.format->name, *dash = strrchr(format, '-'), *ext = dash ? dash + 1 : format;
    unsigned long long number = w->counter++;
    if (w->spec->epoch.on)
        snprintf(name, n, "part-%.16s-%08llu-%s.%s", w->tag, number, w->run, ext);
    else
        snprintf(name, n, "part-%.8s-%.4s-%.4s-%.4s-%.12s-%08llu.%s", w->tag, w->tag + 8, w->tag + 12, w->tag + 16, w->tag + 20, number, ext);
}

sq_rc sq_fs_part_open(struct sq_fs_writer *w, struct sq_fs_partition *partition, struct sq_fs_part **out)
{
    struct sq_fs_part **open = partition ? &partition->part : &w->open;
    char name[160];
    if (*open && w->directory && (*open)->size >= w->table->options.rolling_size)
        SQ_TRY(sq_fs_part_close(w, *open));
    if (!*open) {
        if (w->directory)
            part_name(w, name, sizeof name);
        SQ_TRY(sq_fs_part_new(w, partition, w->directory ? name : sq_fs_one_base(w), NULL, open));
    }
    *out = *open;
    return SQ_OK;
}

sq_rc sq_fs_write_all(struct sq_fs_writer *w, struct sq_fs_part *p, const void *bytes, size_t n)
{
    const char *path = sq_fs_final(w, p);
    if (!path)
        return SQ_NOMEM;
    sq_rc rc = sq_os_write_all(w->ctx, p->fd, path, bytes, n);
    return rc == SQ_OK ? rc : sq_wrap(w->ctx, "table '%.*s'", SQ_FMT(w->spec->table->name));
}

sq_rc sq_fs_part_out(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    if (p->text.n == 0)
        return SQ_OK;
    SQ_TRY(sq_fs_part_fd(w, p));
    SQ_TRY(sq_fs_write_all(w, p, p->text.p, p->text.n));
    p->dirty = true;
    w->buffered -= p->text.n;
    sq_buf_reset(&p->text);
    return SQ_OK;
}

sq_rc sq_fs_out_all(struct sq_fs_writer *w)
{
    for (size_t i = 0; i < w->nparts; i++) {
        SQ_TRY(sq_fs_part_out(w, w->parts[i]));
        if (w->parts[i]->partition)
            sq_buf_free(&w->parts[i]->text);             /* many files: their buffers are not kept */
    }
    return SQ_OK;
}

sq_rc sq_fs_part_wrote(struct sq_fs_writer *w, struct sq_fs_part *p, size_t before)
{
    p->size += (int64_t)(p->text.n - before);
    w->buffered += p->text.n - before;
    if (w->spec->epoch.on)
        p->written_us = w->ctx->os->now_us(w->ctx->os->arg);
    if (p->text.n >= SQ_FS_WRITE_AT)
        SQ_TRY(sq_fs_part_out(w, p));
    return w->buffered >= SQ_FS_BUFFERED ? sq_fs_out_all(w) : SQ_OK;
}

sq_rc sq_fs_part_sync(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    SQ_TRY(sq_fs_part_out(w, p));
    if (!p->dirty)
        return SQ_OK;
    SQ_TRY(sq_fs_part_fd(w, p));
    int e = w->ctx->os->fsync(w->ctx->os->arg, p->fd);
    if (e < 0)
        return cannot_write(w, p, e);
    p->dirty = false;
    SQ_FAULT(w->ctx, "fs.fsync");
    return SQ_OK;
}

sq_rc sq_fs_part_close(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    SQ_TRY(sq_fs_part_sync(w, p));
    int e = close_fd(w, p);
    if (e < 0)
        return cannot_write(w, p, e);
    sq_buf_free(&p->text);
    p->closed = true;
    if (w->open == p)
        w->open = NULL;
    if (p->partition && p->partition->part == p)
        p->partition->part = NULL;
    return SQ_OK;
}

sq_rc sq_fs_close_all(struct sq_fs_writer *w)
{
    for (size_t i = 0; i < w->nparts; i++)
        if (!w->parts[i]->closed)
            SQ_TRY(sq_fs_part_close(w, w->parts[i]));
    return SQ_OK;
}

void sq_fs_parts_free(struct sq_fs_writer *w)
{
    for (size_t i = 0; i < w->nparts; i++)
        sq_fs_part_free(w, w->parts[i]);
    w->nparts = 0;
    sq_fs_partitions_prune(w);
    sq_free(w->ctx, w->parts);
    w->parts = NULL;
}
