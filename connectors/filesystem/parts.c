/* SPDX-License-Identifier: Apache-2.0
 *
 * parts.c: files that are being written: made hidden, written, made durable. Each partition has at most one that is open; the others are whole and wait
 * for their names.
 *
 * A hidden file is ".<name>.inprogress-<tag>"; with epochs, that of a target that is one file has a number as well, ".<name>.<number>.inprogress-<tag>":
 * so the rows of a run that was stopped and of the one that went on are never taken for each other. They all stand in the table's directory, so
 * that one look at it finds what a dead run has left; the directories of a partition are made when its first file gets its name.
 *
 * However many files are open, at most `open_files` of them have a descriptor: whose was used longest ago is closed, and opened again when there
 * are rows to write out. What is buffered in all of them together has a bound too.
 */
#include "connectors/filesystem/ready.h"

#include <fcntl.h>
#include <stdio.h>

/* ---- names ---- */

const char *sq_fs_path(struct sq_fs_writer *w, struct sq_buf *b, const char *place, const char *name)
{
    size_t n = strlen(w->dir);
    sq_buf_reset(b);
    sq_buf_puts(b, w->dir);
    if (n && w->dir[n - 1] != '/')
        sq_buf_putc(b, '/');
    sq_buf_puts(b, place);
    sq_buf_puts(b, name);
    sq_buf_putc(b, 0);
    return b->rc == SQ_OK ? b->p : NULL;
}

const char *sq_fs_hidden(struct sq_fs_writer *w, const struct sq_fs_part *p) { return sq_fs_path(w, &w->path, "", p->hidden); }

const char *sq_fs_final(struct sq_fs_writer *w, const struct sq_fs_part *p) { return sq_fs_path(w, &w->to, p->place ? p->place->path : "", p->name); }

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

/* ---- partitions ---- */

static uint64_t hash_of(struct sq_str s)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (uint32_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
    return h ^ h >> 32;
}

sq_rc sq_fs_place_get(struct sq_fs_writer *w, struct sq_str path, struct sq_fs_place **out)
{
    uint64_t h = hash_of(path);
    struct sq_fs_place **bucket = &w->buckets[h % SQ_FS_BUCKETS];
    for (struct sq_fs_place *p = *bucket; p; p = p->next)
        if (p->hash == h && p->n == path.n && memcmp(p->path, path.p, path.n) == 0) {
            *out = p;
            return SQ_OK;
        }
    struct sq_fs_place *p = sq_calloc(w->ctx, sizeof *p + path.n + 1);
    if (!p)
        return SQ_NOMEM;
    p->hash = h;
    p->n = path.n;
    p->first = UINT32_MAX;
    memcpy(p->path, path.p, path.n);
    p->next = *bucket;
    *bucket = *out = p;
    return SQ_OK;
}

static void forget_places(struct sq_fs_writer *w, bool all)
{
    for (size_t b = 0; w->buckets && b < SQ_FS_BUCKETS; b++)
        for (struct sq_fs_place **at = &w->buckets[b], *p; (p = *at) != NULL;) {
            if (p->nparts || (p->waits && !all)) {
                at = &p->next;
                continue;
            }
            *at = p->next;
            sq_free(w->ctx, p);
        }
}

sq_rc sq_fs_place_make(struct sq_fs_writer *w, const struct sq_fs_place *p)
{
    if (!p)
        return SQ_OK;
    const char *path = sq_fs_path(w, &w->to, p->path, "");
    return path ? sq_os_mkdirs(w->ctx, path) : SQ_NOMEM;
}

/* Each of its directories, from above. */
sq_rc sq_fs_sync_place(struct sq_fs_writer *w, const struct sq_fs_place *p)
{
    const char *path = sq_fs_path(w, &w->to, p->path, "");
    if (!path)
        return SQ_NOMEM;
    for (char *slash = w->to.p + strlen(path) - p->n; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = 0;
        SQ_TRY(sq_os_sync_dir(w->ctx, path));
        *slash = '/';
    }
    return SQ_OK;
}

sq_rc sq_fs_sync_places(struct sq_fs_writer *w)
{
    for (size_t i = 0; i < w->nparts; i++) {
        struct sq_fs_place *p = w->parts[i]->place;
        if (!p || !p->touched)
            continue;
        SQ_TRY(sq_fs_sync_place(w, p));
        p->touched = false;
    }
    return sq_os_sync_dir(w->ctx, w->dir);
}

/* ---- descriptors ---- */

/* An error about a part names the file that it was to become. */
static sq_rc cannot_write(struct sq_fs_writer *w, const struct sq_fs_part *p, int e)
{
    const char *path = sq_fs_final(w, p);
    return path ? sq_fs_fail_io(w, "write", path, e) : SQ_NOMEM;
}

static int close_fd(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    int fd = p->fd;
    if (fd < 0)
        return 0;
    for (uint32_t i = 0; i < w->nfd; i++)
        if (w->with_fd[i] == p) {
            w->with_fd[i] = w->with_fd[--w->nfd];
            break;
        }
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

static void has_fd(struct sq_fs_writer *w, struct sq_fs_part *p, int fd)
{
    p->fd = fd;
    w->with_fd[w->nfd++] = p;
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
    int fd = w->ctx->os->open(w->ctx->os->arg, path, O_WRONLY | O_APPEND, 0);
    if (fd < 0)
        return sq_fs_fail_io(w, "write", path, fd);
    has_fd(w, p, fd);
    return SQ_OK;
}

/* ---- parts ---- */

static struct sq_fs_part **open_of(struct sq_fs_writer *w, struct sq_fs_place *place) { return place ? &place->open : &w->open; }

static void free_part(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    close_fd(w, p);
    if (*open_of(w, p->place) == p)
        *open_of(w, p->place) = NULL;
    if (p->place)
        p->place->nparts--;
    w->buffered -= p->text.n;
    sq_buf_free(&p->text);
    sq_free(w->ctx, (void *)p->name);
    sq_free(w->ctx, (void *)p->hidden);
    sq_free(w->ctx, p);
}

sq_rc sq_fs_part_new(struct sq_fs_writer *w, struct sq_fs_place *place, const char *name, uint64_t number, struct sq_fs_part **out)
{
    struct sq_buf rule;
    SQ_TRY(sq_grow(w->ctx, &w->parts, &w->cap_parts, w->nparts + 1, sizeof(struct sq_fs_part *)));
    struct sq_fs_part *p = sq_calloc(w->ctx, sizeof *p);
    if (!p)
        return SQ_NOMEM;
    sq_buf_init(&p->text, w->ctx);
    sq_buf_init(&rule, w->ctx);
    sq_buf_printf(&rule, ".%s", name);
    if (w->spec->epoch.on && !w->directory)
        sq_buf_printf(&rule, ".%08llu", (unsigned long long)number);
    sq_buf_printf(&rule, ".inprogress-%.16s", w->tag);
    p->fd = -1;
    p->number = number;
    p->place = place;
    if (place)
        place->nparts++;
    p->name = sq_str_copy(w->ctx, sq_str_of(name));
    p->hidden = rule.rc == SQ_OK ? sq_str_copy(w->ctx, sq_buf_view(&rule)) : NULL;
    sq_buf_free(&rule);
    if (!p->name || !p->hidden) {
        free_part(w, p);
        return SQ_NOMEM;
    }
    p->made_us = p->written_us = w->ctx->os->now_us(w->ctx->os->arg);
    w->parts[w->nparts++] = *out = p;
    return SQ_OK;
}

static sq_rc make_part(struct sq_fs_writer *w, struct sq_fs_place *place)
{
    char name[160];
    struct sq_fs_part *p;
    SQ_TRY(make_room(w));
    if (place)
        SQ_TRY(sq_fs_ready_wait(w, place));
    if (w->directory)
        part_name(w, w->counter, name, sizeof name);
    SQ_TRY(sq_fs_part_new(w, place, w->directory ? name : sq_fs_one_base(w), w->counter, &p));
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
    p->used = ++w->clock;
    has_fd(w, p, fd);
    p->dirty = w->new_names = true;                      /* an empty one is made durable too */
    *open_of(w, place) = p;
    return SQ_OK;
}

sq_rc sq_fs_part_open(struct sq_fs_writer *w, struct sq_fs_place *place, struct sq_fs_part **out)
{
    struct sq_fs_part **open = open_of(w, place);
    if (*open && w->directory && (*open)->size >= w->table->options.rolling_size)
        SQ_TRY(sq_fs_part_close(w, *open));
    if (!*open)
        SQ_TRY(make_part(w, place));
    *out = *open;
    return SQ_OK;
}

sq_rc sq_fs_part_out(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    if (p->text.n == 0)
        return SQ_OK;
    SQ_TRY(sq_fs_part_fd(w, p));
    const char *path = sq_fs_final(w, p);
    if (!path)
        return SQ_NOMEM;
    p->dirty = true;
    if (sq_os_write_all(w->ctx, p->fd, path, p->text.p, p->text.n) != SQ_OK)
        return sq_wrap(w->ctx, "table '%.*s'", SQ_FMT(w->spec->table->name));
    w->buffered -= p->text.n;
    sq_buf_reset(&p->text);
    return SQ_OK;
}

sq_rc sq_fs_out_all(struct sq_fs_writer *w)
{
    for (size_t i = 0; i < w->nparts; i++) {
        SQ_TRY(sq_fs_part_out(w, w->parts[i]));
        if (w->parts[i]->place)
            sq_buf_free(&w->parts[i]->text);             /* many files: their buffers are not kept */
    }
    return SQ_OK;
}

sq_rc sq_fs_part_wrote(struct sq_fs_writer *w, struct sq_fs_part *p, size_t before)
{
    p->size += (int64_t)(p->text.n - before);
    w->buffered += p->text.n - before;
    if (w->table->options.spans)
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
    *open_of(w, p->place) = NULL;
    return SQ_OK;
}

sq_rc sq_fs_close_all(struct sq_fs_writer *w)
{
    for (size_t i = 0; i < w->nparts; i++)
        if (!w->parts[i]->closed)
            SQ_TRY(sq_fs_part_close(w, w->parts[i]));
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
    forget_places(w, all);
}
