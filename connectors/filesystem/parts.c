/* SPDX-License-Identifier: Apache-2.0
 *
 * parts.c: files that are being written: made hidden, written, made durable. At most one is open; the others are whole and wait for their names.
 *
 * A hidden file is ".<name>.inprogress-<tag>"; with epochs, that of a target that is one file has a number as well, ".<name>.<number>.inprogress-<tag>":
 * so the rows of a run that was stopped and of the one that went on are never taken for each other.
 */
#include "connectors/filesystem/sink.h"

#include <fcntl.h>
#include <stdio.h>

/* ---- names ---- */

const char *sq_fs_path(struct sq_fs_writer *w, struct sq_buf *b, const char *name)
{
    size_t n = strlen(w->dir);
    sq_buf_reset(b);
    sq_buf_puts(b, w->dir);
    if (n && w->dir[n - 1] != '/')
        sq_buf_putc(b, '/');
    sq_buf_puts(b, name);
    sq_buf_putc(b, 0);
    return b->rc == SQ_OK ? b->p : NULL;
}

const char *sq_fs_hidden(struct sq_fs_writer *w, const struct sq_fs_part *p) { return sq_fs_path(w, &w->path, p->hidden); }

const char *sq_fs_final(struct sq_fs_writer *w, const struct sq_fs_part *p) { return sq_fs_path(w, &w->to, p->name); }

/* With epochs the number has a fixed width, so that files sort as they were written. */
static void part_name(const struct sq_fs_writer *w, uint64_t number, char *name, size_t n)
{
    const char *format = w->table->format.format->name, *dash = strrchr(format, '-'), *ext = dash ? dash + 1 : format;
    unsigned long long k = number;
    if (w->spec->epoch.on)
        snprintf(name, n, "part-%.16s-%08llu-%s.%s", w->tag, k, w->run, ext);
    else
        snprintf(name, n, "part-%.8s-%.4s-%.4s-%.4s-%.12s-%llu.%s", w->tag, w->tag + 8, w->tag + 12, w->tag + 16, w->tag + 20, k, ext);
}

/* ---- parts ---- */

static void free_part(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    sq_free(w->ctx, (void *)p->name);
    sq_free(w->ctx, (void *)p->hidden);
    sq_free(w->ctx, p);
}

sq_rc sq_fs_part_new(struct sq_fs_writer *w, const char *name, uint64_t number, struct sq_fs_part **out)
{
    struct sq_buf rule;
    SQ_TRY(sq_grow(w->ctx, &w->parts, &w->cap_parts, w->nparts + 1, sizeof(struct sq_fs_part *)));
    struct sq_fs_part *p = sq_calloc(w->ctx, sizeof *p);
    if (!p)
        return SQ_NOMEM;
    sq_buf_init(&rule, w->ctx);
    sq_buf_printf(&rule, ".%s", name);
    if (w->spec->epoch.on && !w->directory)
        sq_buf_printf(&rule, ".%08llu", (unsigned long long)number);
    sq_buf_printf(&rule, ".inprogress-%.16s", w->tag);
    p->number = number;
    p->name = sq_str_copy(w->ctx, sq_str_of(name));
    p->hidden = rule.rc == SQ_OK ? sq_str_copy(w->ctx, sq_buf_view(&rule)) : NULL;
    sq_buf_free(&rule);
    if (!p->name || !p->hidden) {
        free_part(w, p);
        return SQ_NOMEM;
    }
    w->parts[w->nparts++] = *out = p;
    return SQ_OK;
}

sq_rc sq_fs_part_open(struct sq_fs_writer *w)
{
    char name[160];
    if (w->open && w->directory && w->open->size >= w->table->options.rolling_size)
        SQ_TRY(sq_fs_part_close(w));
    if (w->open)
        return SQ_OK;
    if (w->directory)
        part_name(w, w->counter, name, sizeof name);
    struct sq_fs_part *p;
    SQ_TRY(sq_fs_part_new(w, w->directory ? name : sq_fs_one_base(w), w->counter, &p));
    const char *path = sq_fs_hidden(w, p);
    mode_t mode = w->had_old ? w->old.st_mode & 0777 : 0666;
    int fd = path ? w->ctx->os->open(w->ctx->os->arg, path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL, mode) : 0;
    if (!path || fd < 0) {
        w->nparts--;
        sq_rc rc = path ? sq_fs_fail_io(w, "create", path, fd) : SQ_NOMEM;
        free_part(w, p);
        return rc;
    }
    w->counter++;
    w->open = p;
    w->fd = fd;
    w->dirty = w->new_names = true;                      /* an empty one is made durable too */
    return SQ_OK;
}

sq_rc sq_fs_part_fd(struct sq_fs_writer *w)
{
    if (w->fd >= 0)
        return SQ_OK;
    const char *path = sq_fs_hidden(w, w->open);
    if (!path)
        return SQ_NOMEM;
    int fd = w->ctx->os->open(w->ctx->os->arg, path, O_WRONLY | O_APPEND, 0);
    if (fd < 0)
        return sq_fs_fail_io(w, "write", path, fd);
    w->fd = fd;
    return SQ_OK;
}

/* An error about a part names the file that it was to become. */
static sq_rc cannot_write(struct sq_fs_writer *w, int e)
{
    const char *path = sq_fs_final(w, w->open);
    return path ? sq_fs_fail_io(w, "write", path, e) : SQ_NOMEM;
}

sq_rc sq_fs_part_out(struct sq_fs_writer *w)
{
    if (w->text.n == 0)
        return SQ_OK;
    SQ_TRY(sq_fs_part_fd(w));
    const char *path = sq_fs_final(w, w->open);
    if (!path)
        return SQ_NOMEM;
    w->dirty = true;
    if (sq_os_write_all(w->ctx, w->fd, path, w->text.p, w->text.n) != SQ_OK)
        return sq_wrap(w->ctx, "table '%.*s'", SQ_FMT(w->spec->table->name));
    sq_buf_reset(&w->text);
    return SQ_OK;
}

sq_rc sq_fs_part_sync(struct sq_fs_writer *w)
{
    SQ_TRY(sq_fs_part_out(w));
    if (!w->dirty)
        return SQ_OK;
    SQ_TRY(sq_fs_part_fd(w));
    int e = w->ctx->os->fsync(w->ctx->os->arg, w->fd);
    if (e < 0)
        return cannot_write(w, e);
    w->dirty = false;
    SQ_FAULT(w->ctx, "fs.fsync");
    return SQ_OK;
}

sq_rc sq_fs_part_close(struct sq_fs_writer *w)
{
    if (!w->open)
        return SQ_OK;
    SQ_TRY(sq_fs_part_sync(w));
    int e = w->fd >= 0 ? w->ctx->os->close(w->ctx->os->arg, w->fd) : 0;
    w->fd = -1;
    if (e < 0)
        return cannot_write(w, e);
    w->open->closed = true;
    w->open = NULL;
    return SQ_OK;
}

void sq_fs_parts_forget(struct sq_fs_writer *w, bool all)
{
    size_t n = 0;
    for (size_t i = 0; i < w->nparts; i++)
        if (all || w->parts[i]->closed)
            free_part(w, w->parts[i]);
        else
            w->parts[n++] = w->parts[i];
    w->nparts = n;
    if (all)
        w->open = NULL;
}
