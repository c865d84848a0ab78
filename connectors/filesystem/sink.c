/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c: writes files that appear whole or not at all.
 *
 * Rows go to a hidden file beside the target (".name.inprogress-<random>"); finish() makes it durable and renames it. A path
 * that ends with '/' or is a directory gets new part files, "part-<random>-0.json" and so on, as Flink's sink does. Any
 * other path is one file. INSERT INTO appends to it: the new file is a copy of the old one with the rows behind, so a reader
 * sees the old content or all of the new; INSERT OVERWRITE replaces it.
 *
 * When another writer of the job finished on the same file in between (two INSERTs in a statement set), the copy is made
 * again from what is there now, so nobody's rows are lost.
 *
 * FLINK: a directory's files become visible when the job finishes (there: at checkpoints).
 */
#include "connectors/filesystem/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { WRITE_AT = 256 << 10, COPY_CHUNK = 256 << 10 };

struct part {
    char *temp, *final;
    bool renamed;
};

struct writer {
    struct sq_ctx *ctx;
    const struct sq_sink_spec *spec;
    const struct sq_fs_table *table;
    struct sq_encoder *encoder;
    struct sq_buf text;
    struct sq_arena names;
    bool directory;
    const char *dir;               /* where the files are: "." or "out" */
    const char *target;            /* one file: its path */
    char tag[33];                  /* random, of this writer */

    struct part *parts;            /* the last one is being written */
    size_t nparts, cap_parts;
    int fd;                        /* of the last part; -1: none */
    int64_t size;                  /* written to it, buffered included */

    struct stat old;               /* one file: what was copied into it first */
    bool had_old;
    int64_t copied;
    uint64_t rows;
};

static sq_rc fail_io(struct writer *w, const char *what, const char *path, int err)
{
    char why[128];
    return sq_fail(w->ctx, SQ_IO, "table '%.*s': cannot %s '%s': %s", SQ_FMT(w->spec->table->name), what, path, sq_os_strerror(err, why, sizeof why));
}

/* ---- opening ---- */

static sq_rc fs_accept(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_table_ext *ext, unsigned *modes)
{
    const struct sq_fs_table *fs = sq_fs_table_of(ext);
    const struct sq_format *f = fs->format.format;
    if (!f->encodes)
        return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "format '%s' cannot be written", f->name);
    if (sq_fs_is_pattern(fs->path))
        return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "the path '%s' is a pattern: it can be read, not written", fs->path);
    for (uint32_t i = 0; i < t->ncols; i++)
        if (t->cols[i].role == SQ_COL_METADATA)
            return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "metadata column '%.*s' cannot be written; declare it VIRTUAL", SQ_FMT(t->cols[i].name));
    if (f->check)
        SQ_TRY(f->check(ctx, fs->format.options, t, true));
    *modes = f->encodes;
    return SQ_OK;
}

static bool fs_shows_changes(const struct sq_table_spec *t, const struct sq_table_ext *ext)
{
    (void)t;
    return (sq_fs_table_of(ext)->format.format->encodes & SQ_MODE_RETRACT) != 0;
}

static sq_rc split_path(struct writer *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        w->dir = ".";
    else if (slash == path)
        w->dir = "/";
    else
        w->dir = sq_arena_printf(&w->names, "%.*s", (int)(slash - path), path);
    return w->dir ? SQ_OK : SQ_NOMEM;
}

/* Tells file from directory and makes the directories that are missing. */
static sq_rc find_target(struct writer *w)
{
    struct stat st;
    const char *path = w->table->path;
    size_t n = strlen(path);
    int e = w->ctx->os->stat(w->ctx->os->arg, path, &st);
    if (e < 0 && e != -ENOENT && e != -ENOTDIR)
        return fail_io(w, "write", path, e);
    w->directory = (e == 0 && S_ISDIR(st.st_mode)) || (e < 0 && path[n - 1] == '/');
    if (e == 0 && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
        sq_fail(w->ctx, SQ_IO, "table '%.*s': '%s' is not a regular file", SQ_FMT(w->spec->table->name), path);
        return sq_hint(w->ctx, "to see rows on the terminal use 'connector' = 'print'");
    }
    if (w->directory) {
        while (n > 1 && path[n - 1] == '/')
            n--;
        w->dir = sq_arena_printf(&w->names, "%.*s", (int)n, path);
        return w->dir ? sq_os_mkdirs(w->ctx, w->dir) : SQ_NOMEM;
    }
    w->target = path;
    if (e == 0) {                                       /* a link keeps pointing where it does */
        char real[PATH_MAX];
        if (realpath(path, real) && !(w->target = sq_arena_printf(&w->names, "%s", real)))
            return SQ_NOMEM;
    }
    SQ_TRY(split_path(w, w->target));
    return sq_os_mkdirs(w->ctx, w->dir);
}

/* 32 hex digits. */
static void make_tag(struct writer *w)
{
    unsigned char r[16];
    w->ctx->os->random(w->ctx->os->arg, r, sizeof r);
    for (size_t i = 0; i < sizeof r; i++)
        snprintf(w->tag + 2 * i, 3, "%02x", r[i]);
}

/* Names and creates the next file to write. */
static sq_rc open_part(struct writer *w)
{
    struct part p = {0};
    const char *base, *sep = w->dir[strlen(w->dir) - 1] == '/' ? "" : "/";
    SQ_TRY(sq_grow(w->ctx, &w->parts, &w->cap_parts, w->nparts + 1, sizeof *w->parts));
    if (w->directory) {
        const char *name = w->table->format.format->name, *dash = strrchr(name, '-');
        base = sq_arena_printf(&w->names, "part-%.8s-%.4s-%.4s-%.4s-%.12s-%zu.%s", w->tag, w->tag + 8, w->tag + 12, w->tag + 16, w->tag + 20, w->nparts,
                               dash ? dash + 1 : name);
        p.final = base ? sq_arena_printf(&w->names, "%s%s%s", w->dir, sep, base) : NULL;
    } else {
        const char *slash = strrchr(w->target, '/');
        base = slash ? slash + 1 : w->target;
        p.final = sq_arena_printf(&w->names, "%s", w->target);
    }
    p.temp = base ? sq_arena_printf(&w->names, "%s%s.%s.inprogress-%.16s", w->dir, sep, base, w->tag) : NULL;
    if (!p.final || !p.temp)
        return SQ_NOMEM;
    mode_t mode = w->had_old ? w->old.st_mode & 0777 : 0666;
    int fd = w->ctx->os->open(w->ctx->os->arg, p.temp, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (fd < 0)
        return fail_io(w, "create", p.temp, fd);
    w->fd = fd;
    w->size = 0;
    w->parts[w->nparts++] = p;
    return SQ_OK;
}

static sq_rc write_all(struct writer *w, int fd, const char *path, const void *p, size_t n)
{
    sq_rc rc = sq_os_write_all(w->ctx, fd, path, p, n);
    return rc == SQ_OK ? rc : sq_wrap(w->ctx, "table '%.*s'", SQ_FMT(w->spec->table->name));
}

/* Copies [from, …) of a file behind what fd holds; *copied counts. With `newline`, the copy ends with one. */
static sq_rc copy_file(struct writer *w, const char *from, int64_t at, int fd, const char *to, bool newline, int64_t *copied)
{
    char *chunk = sq_alloc(w->ctx, COPY_CHUNK), last = '\n';
    if (!chunk)
        return SQ_NOMEM;
    int in = w->ctx->os->open(w->ctx->os->arg, from, O_RDONLY, 0);
    sq_rc rc = in < 0 ? fail_io(w, "read", from, in) : SQ_OK;
    while (rc == SQ_OK) {
        ssize_t got = w->ctx->os->pread(w->ctx->os->arg, in, chunk, COPY_CHUNK, at);
        if (got < 0)
            rc = fail_io(w, "read", from, (int)got);
        if (got <= 0)
            break;
        rc = write_all(w, fd, to, chunk, (size_t)got);
        at += got;
        *copied += got;
        last = chunk[got - 1];
        if (rc == SQ_OK)
            rc = sq_check_interrupt(w->ctx);
    }
    if (rc == SQ_OK && newline && last != '\n') {
        rc = write_all(w, fd, to, "\n", 1);
        *copied += 1;
    }
    if (in >= 0)
        w->ctx->os->close(w->ctx->os->arg, in);
    sq_free(w->ctx, chunk);
    return rc;
}

/* One file: begins it with the old content, unless it is to be replaced. */
static sq_rc begin_file(struct writer *w)
{
    w->had_old = w->ctx->os->stat(w->ctx->os->arg, w->target, &w->old) == 0;
    SQ_TRY(open_part(w));
    if (w->had_old && !w->spec->overwrite)
        SQ_TRY(copy_file(w, w->target, 0, w->fd, w->parts[0].temp, true, &w->copied));
    return SQ_OK;
}

static void fs_sink_close(struct sq_writer *self)
{
    struct writer *w = (struct writer *)(void *)self;
    if (!w)
        return;
    struct sq_ctx *ctx = w->ctx;
    if (w->fd >= 0)
        ctx->os->close(ctx->os->arg, w->fd);
    for (size_t i = 0; i < w->nparts; i++)
        if (!w->parts[i].renamed)
            ctx->os->unlink(ctx->os->arg, w->parts[i].temp);
    if (w->encoder)
        w->table->format.format->encoder_close(w->encoder);
    sq_buf_free(&w->text);
    sq_free(ctx, w->parts);
    sq_arena_free(&w->names);
    sq_free(ctx, w);
}

static sq_rc fs_sink_open(struct sq_ctx *ctx, const struct sq_sink_spec *spec, struct sq_writer **out)
{
    struct writer *w = sq_calloc(ctx, sizeof *w);
    if (!w)
        return SQ_NOMEM;
    w->ctx = ctx;
    w->spec = spec;
    w->table = sq_fs_table_of(spec->ext);
    w->fd = -1;
    sq_buf_init(&w->text, ctx);
    sq_arena_init(&w->names, ctx);
    make_tag(w);
    const struct sq_format *f = w->table->format.format;
    sq_rc rc = f->encoder_open(ctx, w->table->format.options, spec->session, spec->table->cols, spec->table->ncols, &w->encoder);
    if (rc == SQ_OK)
        rc = find_target(w);
    if (rc == SQ_OK && !w->directory)
        rc = begin_file(w);
    if (rc != SQ_OK) {
        struct sq_error keep = ctx->err;
        fs_sink_close((struct sq_writer *)(void *)w);
        ctx->err = keep;
        return rc;
    }
    *out = (struct sq_writer *)(void *)w;
    return SQ_OK;
}

/* ---- writing ---- */

static sq_rc write_out(struct writer *w)
{
    if (w->text.n == 0)
        return SQ_OK;
    SQ_TRY(write_all(w, w->fd, w->parts[w->nparts - 1].final, w->text.p, w->text.n));
    sq_buf_reset(&w->text);
    return SQ_OK;
}

/* Ends the file being written: durable, though not visible yet. */
static sq_rc close_part(struct writer *w)
{
    const struct part *p = &w->parts[w->nparts - 1];
    SQ_TRY(write_out(w));
    int e = w->ctx->os->fsync(w->ctx->os->arg, w->fd);
    int e2 = w->ctx->os->close(w->ctx->os->arg, w->fd);
    w->fd = -1;
    return e < 0 || e2 < 0 ? fail_io(w, "write", p->final, e < 0 ? e : e2) : SQ_OK;
}

static sq_rc fs_write(struct sq_writer *self, const struct sq_batch *b)
{
    struct writer *w = (struct writer *)(void *)self;
    uint32_t n = 0;
    if (b->nsel == 0)
        return SQ_OK;
    if (w->directory && w->fd >= 0 && w->size >= w->table->options.rolling_size)
        SQ_TRY(close_part(w));
    size_t before = w->text.n;
    if (w->fd < 0)
        SQ_TRY(open_part(w));
    SQ_TRY(w->table->format.format->encode(w->encoder, b, true, &w->text, NULL, &n));
    w->rows += n;
    w->size += (int64_t)(w->text.n - before);
    return w->text.n >= WRITE_AT ? write_out(w) : SQ_OK;
}

static sq_rc fs_flush(struct sq_writer *self)
{
    struct writer *w = (struct writer *)(void *)self;
    return w->fd >= 0 ? write_out(w) : SQ_OK;
}

/* ---- finishing ---- */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Somebody replaced the target since it was copied: a new file of what is there now and of our rows. */
static sq_rc copy_again(struct writer *w)
{
    const char *ours = w->parts[0].temp;
    int64_t from = w->copied, copied = 0;
    make_tag(w);
    SQ_TRY(open_part(w));
    const char *temp = w->parts[1].temp;
    SQ_TRY(copy_file(w, w->target, 0, w->fd, temp, true, &copied));
    SQ_TRY(copy_file(w, ours, from, w->fd, temp, false, &copied));
    return close_part(w);
}

static sq_rc finish_file(struct writer *w)
{
    struct stat now;
    SQ_TRY(close_part(w));
    bool has = w->ctx->os->stat(w->ctx->os->arg, w->target, &now) == 0;
    if (!w->spec->overwrite && has && w->rows == 0)
        return SQ_OK;                                   /* nothing to append: the file stays as it is */
    if (!w->spec->overwrite && has && !(w->had_old && same_file(&now, &w->old)))
        SQ_TRY(copy_again(w));
    struct part *p = &w->parts[w->nparts - 1];
    int e = w->ctx->os->rename(w->ctx->os->arg, p->temp, p->final);
    if (e < 0)
        return fail_io(w, "write", p->final, e);
    p->renamed = true;
    return sq_os_sync_dir(w->ctx, w->dir);
}

/* INSERT OVERWRITE: what was in the directory before goes away, after the new files are there: a crash leaves too much, not too little. */
static sq_rc remove_old(void *arg, const char *path, const struct stat *st)
{
    struct writer *w = arg;
    (void)st;
    for (size_t i = 0; i < w->nparts; i++)
        if (strcmp(path, w->parts[i].final) == 0)
            return SQ_OK;
    int e = w->ctx->os->unlink(w->ctx->os->arg, path);
    return e < 0 ? fail_io(w, "remove", path, e) : SQ_OK;
}

static sq_rc finish_directory(struct writer *w)
{
    sq_rc rc = w->fd >= 0 ? close_part(w) : SQ_OK;
    size_t i = 0;
    for (; rc == SQ_OK && i < w->nparts; i++) {
        int e = w->ctx->os->rename(w->ctx->os->arg, w->parts[i].temp, w->parts[i].final);
        if (e < 0) {
            rc = fail_io(w, "write", w->parts[i].final, e);
            break;
        }
        w->parts[i].renamed = true;
    }
    if (rc != SQ_OK) {                                  /* all of them or none */
        while (i-- > 0)
            w->ctx->os->unlink(w->ctx->os->arg, w->parts[i].final);
        return rc;
    }
    if (w->nparts)
        SQ_TRY(sq_os_sync_dir(w->ctx, w->dir));
    return w->spec->overwrite ? sq_fs_walk(w->ctx, &w->names, w->dir, remove_old, w) : SQ_OK;
}

static sq_rc fs_finish(struct sq_writer *self)
{
    struct writer *w = (struct writer *)(void *)self;
    return w->directory ? finish_directory(w) : finish_file(w);
}

const struct sq_sink_class sq_fs_sink = {
    .accepts = SQ_MODE_INSERT | SQ_MODE_RETRACT, .accept = fs_accept, .shows_changes = fs_shows_changes, .open = fs_sink_open, .write = fs_write,
    .flush = fs_flush, .finish = fs_finish, .close = fs_sink_close,
};
