/* SPDX-License-Identifier: Apache-2.0
 *
 * list.c: which files a path means, and how they are cut into splits.
 *
 * A directory means all regular files below it but those whose name (or whose directory's name) begins with '.' or '_', as
 * in Flink: that is how files being written, markers and checksums are kept out. A pattern means what it matches, and
 * matched directories their files. Files are sorted by path, so that one worker reads them in the same order every time.
 */
#include "connectors/filesystem/filesystem.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <regex.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { MAX_DEPTH = 64 };

struct name_list {
    struct sq_ctx *ctx;
    struct sq_arena *arena;
    struct sq_str *names;
    size_t n, cap;
    sq_rc rc;
};

static int collect_name(void *arg, const char *name)
{
    struct name_list *l = arg;
    l->rc = sq_grow(l->ctx, &l->names, &l->cap, l->n + 1, sizeof *l->names);
    if (l->rc == SQ_OK) {
        l->names[l->n] = sq_str_dup(l->arena, sq_str_of(name));
        if (!l->names[l->n].p)
            l->rc = SQ_NOMEM;
        else
            l->n++;
    }
    return l->rc != SQ_OK;
}

static int by_bytes(const void *a, const void *b) { return sq_str_cmp(*(const struct sq_str *)a, *(const struct sq_str *)b); }

/* The names in a directory, sorted. Free l->names with sq_free. */
static sq_rc read_dir(struct sq_ctx *ctx, struct sq_arena *arena, const char *dir, struct name_list *l)
{
    char why[128];
    *l = (struct name_list){.ctx = ctx, .arena = arena};
    int e = ctx->os->list(ctx->os->arg, *dir ? dir : ".", collect_name, l);
    if (l->rc == SQ_OK && e < 0)
        l->rc = sq_fail(ctx, SQ_IO, "cannot read directory '%s': %s", dir, sq_os_strerror(e, why, sizeof why));
    if (l->rc == SQ_OK && l->n)
        qsort(l->names, l->n, sizeof *l->names, by_bytes);
    return l->rc;
}

sq_rc sq_fs_names(struct sq_ctx *ctx, struct sq_arena *arena, const char *dir, struct sq_str **names, size_t *n)
{
    struct name_list l;
    sq_rc rc = read_dir(ctx, arena, dir, &l);
    *names = l.names;
    *n = l.n;
    return rc;
}

static const char *join(struct sq_arena *arena, const char *dir, const char *name)
{
    size_t n = strlen(dir);
    return sq_arena_printf(arena, "%s%s%s", dir, n == 0 || dir[n - 1] == '/' ? "" : "/", name);
}

static sq_rc walk(struct sq_ctx *ctx, struct sq_arena *arena, const char *dir, int depth, sq_fs_file_fn *fn, void *arg)
{
    struct name_list l;
    sq_rc rc = read_dir(ctx, arena, dir, &l);
    if (rc == SQ_OK && depth > MAX_DEPTH)
        rc = sq_fail(ctx, SQ_LIMIT, "directories are nested more than %d deep at '%s'", MAX_DEPTH, dir);
    for (size_t i = 0; rc == SQ_OK && i < l.n; i++) {
        struct stat st;
        if (l.names[i].p[0] == '.' || l.names[i].p[0] == '_')
            continue;
        const char *path = join(arena, dir, l.names[i].p);
        if (!path)
            rc = SQ_NOMEM;
        else if (ctx->os->stat(ctx->os->arg, path, &st) < 0)
            continue;                                   /* gone since it was listed, or a link to nowhere */
        else if (S_ISDIR(st.st_mode))
            rc = walk(ctx, arena, path, depth + 1, fn, arg);
        else if (S_ISREG(st.st_mode))
            rc = fn(arg, path, &st);
    }
    sq_free(ctx, l.names);
    return rc;
}

sq_rc sq_fs_walk(struct sq_ctx *ctx, struct sq_arena *arena, const char *dir, sq_fs_file_fn *fn, void *arg) { return walk(ctx, arena, dir, 0, fn, arg); }

bool sq_fs_is_pattern(const char *path) { return strpbrk(path, "*?[") != NULL; }

/* ---- the files of a path ---- */

struct file {
    const char *path;
    int64_t size, mtime_us;
    bool stream;
};

struct files {
    struct sq_ctx *ctx;
    struct file *v;
    size_t n, cap;
    const regex_t *only;               /* 'source.path.regex-pattern', for absolute paths; NULL: all */
    struct sq_buf whole;               /* such a path */
};

static sq_rc is_wanted(struct files *f, const char *path, bool *wanted)
{
    char here[PATH_MAX];
    *wanted = true;
    if (!f->only)
        return SQ_OK;
    sq_buf_reset(&f->whole);
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    if (path[0] != '/') {
        char why[128];
        int e = f->ctx->os->cwd(f->ctx->os->arg, here, sizeof here);
        if (e < 0)
            return sq_fail(f->ctx, SQ_IO, "cannot tell the working directory: %s", sq_os_strerror(e, why, sizeof why));
        sq_buf_puts(&f->whole, here);
        if (here[0] && here[strlen(here) - 1] != '/')
            sq_buf_putc(&f->whole, '/');
    }
    sq_buf_puts(&f->whole, path);
    *wanted = f->whole.rc == SQ_OK && regexec(f->only, f->whole.p, 0, NULL, 0) == 0;
    return f->whole.rc;
}

static bool compressed(const char *path, const char **what)
{
    static const char *const ends[] = {".gz", ".gzip", ".bz2", ".xz", ".zst", ".zstd", ".deflate", ".snappy", ".lz4", ".zip"};
    size_t n = strlen(path);
    for (size_t i = 0; i < SQ_LEN(ends); i++)
        if (n > strlen(ends[i]) && strcasecmp(path + n - strlen(ends[i]), ends[i]) == 0) {
            *what = ends[i];
            return true;
        }
    return false;
}

static sq_rc add_file(void *arg, const char *path, const struct stat *st)
{
    struct files *f = arg;
    const char *end;
    bool wanted;
    SQ_TRY(is_wanted(f, path, &wanted));
    if (!wanted)
        return SQ_OK;
    if (compressed(path, &end)) {
        sq_fail(f->ctx, SQ_UNSUPPORTED, "'%s': compressed files (%s) are not supported yet", path, end);
        return sq_hint(f->ctx, "unpack it first");
    }
    SQ_TRY(sq_grow(f->ctx, &f->v, &f->cap, f->n + 1, sizeof *f->v));
    f->v[f->n++] = (struct file){path, st->st_size, (int64_t)st->st_mtim.tv_sec * SQ_US_PER_S + st->st_mtim.tv_nsec / 1000, !S_ISREG(st->st_mode)};
    return SQ_OK;
}

static sq_rc add_path(struct files *f, struct sq_arena *arena, const char *path, const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        return sq_fs_walk(f->ctx, arena, path, add_file, f);
    return add_file(f, path, st);
}

/* Matches the pattern's parts one directory level at a time. `rest` is what is left of the pattern behind `done`. */
static sq_rc expand_pattern(struct files *f, struct sq_arena *arena, const char *done, const char *rest)
{
    while (*rest == '/')
        rest++;
    const char *slash = strchr(rest, '/');
    struct sq_str part = sq_str_dup(arena, (struct sq_str){rest, (uint32_t)(slash ? (size_t)(slash - rest) : strlen(rest))});
    struct name_list l = {0};
    struct stat st;
    sq_rc rc = SQ_OK;
    if (!part.p)
        return SQ_NOMEM;
    if (!sq_fs_is_pattern(part.p)) {
        const char *path = join(arena, done, part.p);
        if (!path)
            return SQ_NOMEM;
        if (slash && slash[1])
            return expand_pattern(f, arena, path, slash + 1);
        return f->ctx->os->stat(f->ctx->os->arg, path, &st) < 0 ? SQ_OK : add_path(f, arena, path, &st);
    }
    if (f->ctx->os->stat(f->ctx->os->arg, *done ? done : ".", &st) < 0 || !S_ISDIR(st.st_mode))
        return SQ_OK;
    rc = read_dir(f->ctx, arena, done, &l);
    for (size_t i = 0; rc == SQ_OK && i < l.n; i++) {
        if (l.names[i].p[0] == '_' && part.p[0] != '_')
            continue;
        if (fnmatch(part.p, l.names[i].p, FNM_PERIOD) != 0)
            continue;
        const char *path = join(arena, done, l.names[i].p);
        if (!path)
            rc = SQ_NOMEM;
        else if (slash && slash[1])
            rc = expand_pattern(f, arena, path, slash + 1);
        else if (f->ctx->os->stat(f->ctx->os->arg, path, &st) == 0)
            rc = add_path(f, arena, path, &st);
    }
    sq_free(f->ctx, l.names);
    return rc;
}

static sq_rc no_path(struct sq_ctx *ctx, const struct sq_table_spec *t, const char *path, int err)
{
    char why[128], cwd[1024];
    sq_fail(ctx, SQ_IO, "table '%.*s': cannot read '%s': %s", SQ_FMT(t->name), path, sq_os_strerror(err, why, sizeof why));
    if (path[0] != '/' && getcwd(cwd, sizeof cwd))
        return sq_hint(ctx, "the path is relative to the working directory, %s", cwd);
    return SQ_IO;
}

static sq_rc find_files(struct files *f, struct sq_arena *arena, const struct sq_table_spec *t, const char *path, bool watched)
{
    struct stat st;
    int e = f->ctx->os->stat(f->ctx->os->arg, path, &st);
    if (e == 0)
        return add_path(f, arena, path, &st);
    if (!sq_fs_is_pattern(path))
        return no_path(f->ctx, t, path, e);
    SQ_TRY(expand_pattern(f, arena, path[0] == '/' ? "/" : "", path));
    if (f->n == 0 && !watched)
        return sq_fail(f->ctx, SQ_IO, "table '%.*s': no file matches '%s'", SQ_FMT(t->name), path);
    return SQ_OK;
}

/* ---- splits ---- */

static int by_path(const void *a, const void *b) { return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path); }

static sq_rc make_split(struct sq_arena *arena, const struct file *f, bool whole, int64_t start, int64_t end, struct sq_split *s)
{
    struct sq_buf b;
    sq_buf_init(&b, arena->ctx);
    sq_buf_u64(&b, (uint64_t)start);
    sq_buf_u64(&b, (uint64_t)end);
    sq_buf_u64(&b, (uint64_t)f->size);
    sq_buf_u64(&b, (uint64_t)f->mtime_us);
    sq_buf_u32(&b, f->stream);
    sq_buf_puts(&b, f->path);
    sq_rc rc = b.rc;
    if (rc == SQ_OK) {
        s->payload = sq_str_dup(arena, sq_buf_view(&b));
        const char *id = whole ? f->path : sq_arena_printf(arena, "%s:%lld-%lld", f->path, (long long)start, (long long)end);
        s->id = id ? sq_str_of(id) : (struct sq_str){NULL, 0};
        if (!s->payload.p || !s->id.n)
            rc = SQ_NOMEM;
    }
    sq_buf_free(&b);
    return rc;
}

bool sq_fs_range_read(struct sq_str payload, struct sq_fs_range *r)
{
    uint64_t v[4];
    uint32_t stream;
    if (payload.n <= sizeof v + sizeof stream)
        return false;
    memcpy(v, payload.p, sizeof v);
    memcpy(&stream, payload.p + sizeof v, sizeof stream);
    *r = (struct sq_fs_range){payload.p + sizeof v + sizeof stream, (int64_t)v[0], (int64_t)v[1], (int64_t)v[2], (int64_t)v[3], stream != 0};
    return r->start >= 0 && r->end >= r->start;
}

static int64_t chunk_size(const struct files *f, const struct sq_table_format *format, uint32_t want, uint32_t batch_rows)
{
    int64_t total = 0, chunk;
    if (format->format->framer && format->format->framer(format->options))
        return INT64_MAX / 2;                           /* where a record begins is known only from the file's beginning on */
    for (size_t i = 0; i < f->n; i++)
        total += f->v[i].size;
    chunk = total / (want ? want : 1) + 1;
    if (want > 1 && chunk < (int64_t)batch_rows * SQ_FS_SPLIT_ROW)
        chunk = (int64_t)batch_rows * SQ_FS_SPLIT_ROW;
    return chunk;
}

/* `whole`: a file is a split. */
static sq_rc cut(struct sq_ctx *ctx, struct sq_arena *arena, const struct files *f, bool whole, int64_t chunk, struct sq_split **out, uint32_t *n)
{
    size_t total = 0, k = 0;
    for (size_t i = 0; i < f->n; i++)
        total += f->v[i].stream ? 1 : (size_t)(f->v[i].size / chunk) + 1;
    if (total > UINT32_MAX / 2)
        return sq_fail(ctx, SQ_LIMIT, "too many files");
    struct sq_split *all = SQ_NEW_ARRAY(arena, struct sq_split, total + 1);
    if (!all)
        return SQ_NOMEM;
    for (size_t i = 0; i < f->n; i++) {
        int64_t at = 0, size = f->v[i].size;
        if (f->v[i].stream && whole) {
            sq_fail(ctx, SQ_SEMANTIC, "'%s' is not a regular file: it cannot be read again from where a run has stopped, and cannot be watched", f->v[i].path);
            return sq_hint(ctx, "leave out 'execution.trigger' and 'source.monitor-interval'");
        }
        if (f->v[i].stream) {
            SQ_TRY(make_split(arena, &f->v[i], false, 0, INT64_MAX, &all[k++]));
            continue;
        }
        while (at < size) {
            int64_t end = size - at < chunk + chunk / 4 ? size : at + chunk;   /* no tiny last one */
            SQ_TRY(make_split(arena, &f->v[i], whole, at, end, &all[k++]));
            at = end;
        }
    }
    *out = all;
    *n = (uint32_t)k;
    return SQ_OK;
}

sq_rc sq_fs_splits(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_scan_spec *spec, uint32_t want, struct sq_split **out, uint32_t *n)
{
    const struct sq_fs_table *t = sq_fs_table_of(spec->ext);
    struct files f = {.ctx = ctx};
    bool whole = sq_fs_whole(t, spec);
    regex_t re;
    if (t->regex && regcomp(&re, t->regex, REG_EXTENDED | REG_NOSUB) != 0)   /* it did when the table was made */
        return sq_nomem(ctx, 0);
    f.only = t->regex ? &re : NULL;
    sq_buf_init(&f.whole, ctx);
    sq_rc rc = find_files(&f, arena, spec->table, t->path, whole);
    if (rc == SQ_OK && f.n)
        qsort(f.v, f.n, sizeof *f.v, by_path);
    if (rc == SQ_OK)
        rc = cut(ctx, arena, &f, whole, whole ? INT64_MAX / 2 : chunk_size(&f, &t->format, want, spec->batch_rows ? spec->batch_rows : SQ_BATCH_ROWS), out, n);
    sq_free(ctx, f.v);
    sq_buf_free(&f.whole);
    if (t->regex)
        regfree(&re);
    return rc;
}
