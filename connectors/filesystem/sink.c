/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c: writes files that appear whole or not at all.
 *
 * Rows go to a hidden file beside the target (parts.c). A path that ends with '/' or is a directory gets new part files, "part-<random>-0.json" and so
 * on, as Flink's sink does. Any other path is one file. INSERT INTO appends to it: the new file is a copy of the old one with the rows behind, so a
 * reader sees the old content or all of the new; INSERT OVERWRITE replaces it (onefile.c).
 *
 * The rows of a batch are told apart by their partition first (PARTITIONED BY), so that each file gets its own at once.
 *
 * With epochs (checkpoints, micro-batches) files get their names at commits (epoch.c); without, all of them at the end.
 */
#include "connectors/filesystem/partition.h"
#include "connectors/filesystem/ready.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

sq_rc sq_fs_fail_io(struct sq_fs_writer *w, const char *what, const char *path, int err)
{
    char why[128];
    return sq_fail(w->ctx, SQ_IO, "table '%.*s': cannot %s '%s': %s", SQ_FMT(w->spec->table->name), what, path, sq_os_strerror(err, why, sizeof why));
}

void sq_fs_random_tag(struct sq_fs_writer *w)
{
    unsigned char r[16];
    w->ctx->os->random(w->ctx->os->arg, r, sizeof r);
    for (size_t i = 0; i < sizeof r; i++)
        snprintf(w->tag + 2 * i, 3, "%02x", r[i]);
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
    SQ_TRY(sq_fs_check_format(ctx, t, fs, true));
    *modes = f->encodes;
    return SQ_OK;
}

static bool fs_shows_changes(const struct sq_table_spec *t, const struct sq_table_ext *ext)
{
    (void)t;
    return (sq_fs_table_of(ext)->format.format->encodes & SQ_MODE_RETRACT) != 0;
}

static sq_rc split_path(struct sq_fs_writer *w, const char *path)
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

/* Tells file from directory. */
static sq_rc find_target(struct sq_fs_writer *w)
{
    struct stat st;
    const char *path = w->table->path;
    size_t n = strlen(path);
    int e = w->ctx->os->stat(w->ctx->os->arg, path, &st);
    if (e < 0 && e != -ENOENT && e != -ENOTDIR)
        return sq_fs_fail_io(w, "write", path, e);
    if (e == 0 && S_ISREG(st.st_mode) && w->buckets)
        return sq_fail(w->ctx, SQ_IO, "table '%.*s' is PARTITIONED BY, and '%s' is a file, not a directory", SQ_FMT(w->spec->table->name), path);
    w->directory = (e == 0 && S_ISDIR(st.st_mode)) || (e < 0 && (path[n - 1] == '/' || w->buckets));
    if (e == 0 && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
        sq_fail(w->ctx, SQ_IO, "table '%.*s': '%s' is not a regular file", SQ_FMT(w->spec->table->name), path);
        return sq_hint(w->ctx, "to see rows on the terminal use 'connector' = 'print'");
    }
    if (w->directory) {
        while (n > 1 && path[n - 1] == '/')
            n--;
        w->dir = sq_arena_printf(&w->names, "%.*s", (int)n, path);
        return w->dir ? SQ_OK : SQ_NOMEM;
    }
    w->target = path;
    if (e == 0) {                                       /* a link keeps pointing where it does */
        char real[PATH_MAX];
        if (realpath(path, real) && !(w->target = sq_arena_printf(&w->names, "%s", real)))
            return SQ_NOMEM;
    }
    return split_path(w, w->target);
}

/* The table's directory itself must outlast the machine, where epochs do. */
static sq_rc make_dir(struct sq_fs_writer *w)
{
    struct stat st;
    if (w->ctx->os->stat(w->ctx->os->arg, w->dir, &st) == 0)
        return SQ_OK;
    SQ_TRY(sq_os_mkdirs(w->ctx, w->dir));
    const char *slash = strrchr(w->dir, '/'), *above = ".";
    if (slash)
        above = slash == w->dir ? "/" : sq_arena_printf(&w->names, "%.*s", (int)(slash - w->dir), w->dir);
    return !above ? SQ_NOMEM : w->spec->epoch.job.n ? sq_os_sync_dir(w->ctx, above) : SQ_OK;
}

/* What no checkpoint may name goes away. */
static void remove_hidden(struct sq_fs_writer *w)
{
    for (size_t i = 0; i < w->nparts; i++) {
        const struct sq_fs_part *p = w->parts[i];
        const char *path = p->named || p->kept ? NULL : sq_fs_hidden(w, p);
        if (path)
            w->ctx->os->unlink(w->ctx->os->arg, path);
    }
}

static void fs_sink_close(struct sq_writer *self)
{
    struct sq_fs_writer *w = sq_fs_writer_of(self);
    if (!w)
        return;
    struct sq_ctx *ctx = w->ctx;
    remove_hidden(w);
    sq_fs_parts_forget(w, true);
    if (w->encoder)
        w->table->format.format->encoder_close(w->encoder);
    sq_free(ctx, w->buckets);
    sq_free(ctx, w->rows_after);
    sq_free(ctx, w->rows_sel);
    sq_free(ctx, w->vecs);
    sq_buf_free(&w->spot);
    sq_buf_free(&w->path);
    sq_buf_free(&w->to);
    sq_free(ctx, w->parts);
    sq_arena_free(&w->names);
    sq_free(ctx, w);
}

static sq_rc begin_partitions(struct sq_fs_writer *w)
{
    if (w->spec->table->npartition == 0)
        return SQ_OK;
    w->buckets = sq_calloc(w->ctx, SQ_FS_BUCKETS * sizeof(struct sq_fs_place *));
    w->rows_after = sq_calloc(w->ctx, SQ_BATCH_ROWS * sizeof *w->rows_after);
    w->rows_sel = sq_calloc(w->ctx, SQ_BATCH_ROWS * sizeof *w->rows_sel);
    w->vecs = sq_calloc(w->ctx, (w->table->stored->ncols + 1) * sizeof *w->vecs);
    return w->buckets && w->rows_after && w->rows_sel && w->vecs ? SQ_OK : SQ_NOMEM;
}

static sq_rc begin(struct sq_fs_writer *w)
{
    const struct sq_format *f = w->table->format.format;
    const struct sq_table_spec *stored = w->table->stored;
    SQ_TRY(f->encoder_open(w->ctx, w->table->format.options, w->spec->session, stored->cols, stored->ncols, &w->encoder));
    SQ_TRY(begin_partitions(w));
    SQ_TRY(find_target(w));
    SQ_TRY(make_dir(w));
    if (w->spec->epoch.on)
        return sq_fs_epoch_open(w);
    return w->directory ? SQ_OK : sq_fs_one_begin(w);
}

static sq_rc fs_sink_open(struct sq_ctx *ctx, const struct sq_sink_spec *spec, struct sq_writer **out)
{
    struct sq_fs_writer *w = sq_calloc(ctx, sizeof *w);
    if (!w)
        return SQ_NOMEM;
    w->ctx = ctx;
    w->spec = spec;
    w->table = sq_fs_table_of(spec->ext);
    w->watermark = INT64_MIN;
    sq_buf_init(&w->spot, ctx);
    sq_buf_init(&w->path, ctx);
    sq_buf_init(&w->to, ctx);
    sq_arena_init(&w->names, ctx);
    sq_fs_random_tag(w);
    sq_rc rc = begin(w);
    if (rc != SQ_OK) {
        struct sq_error keep = ctx->err;
        fs_sink_close((struct sq_writer *)(void *)w);
        ctx->err = keep;
        return rc;
    }
    *out = (struct sq_writer *)(void *)w;
    return SQ_OK;
}

static enum sq_sink_promise fs_promise(const struct sq_table_spec *t, const struct sq_table_ext *ext)
{
    (void)t;
    (void)ext;
    return SQ_SINK_PREPARES;
}

/* ---- writing ---- */

static sq_rc write_to(struct sq_fs_writer *w, struct sq_fs_place *place, const struct sq_batch *b)
{
    struct sq_fs_part *p;
    uint32_t n = 0;
    SQ_TRY(sq_fs_part_open(w, place, &p));
    size_t before = p->text.n;
    SQ_TRY(w->table->format.format->encode(w->encoder, b, true, &p->text, NULL, &n));
    w->rows += n;
    return sq_fs_part_wrote(w, p, before);
}

static bool same_partition(const struct sq_table_spec *t, const struct sq_batch *b, uint32_t r, uint32_t before)
{
    for (uint32_t i = 0; i < t->npartition; i++) {
        const struct sq_vec *v = &b->cols[t->partition[i]];
        if (sq_vec_compare(v, r, v, before) != 0)
            return false;
    }
    return true;
}

/* Chains the rows of each partition; *first is the chain of the partitions. */
static sq_rc tell_apart(struct sq_fs_writer *w, const struct sq_batch *b, struct sq_fs_place **first)
{
    const struct sq_table_spec *t = w->spec->table;
    struct sq_fs_place *place = NULL, **end = first;
    *first = NULL;
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t r = sq_row(b, i);
        if (!place || !same_partition(t, b, r, sq_row(b, i - 1))) {
            sq_buf_reset(&w->spot);
            SQ_TRY(sq_fs_partition_put(w->ctx, t, w->table, b, r, &w->spot));
            SQ_TRY(sq_fs_place_get(w, sq_buf_view(&w->spot), &place));
        }
        if (place->first == UINT32_MAX) {
            place->first = r;
            place->after = NULL;
            *end = place;
            end = &place->after;
        } else {
            w->rows_after[place->last] = r;
        }
        place->last = r;
    }
    return SQ_OK;
}

static sq_rc write_apart(struct sq_fs_writer *w, const struct sq_batch *b)
{
    struct sq_fs_place *first;
    sq_rc rc = tell_apart(w, b, &first);
    struct sq_batch some = *b;
    for (uint32_t i = 0; i < w->table->stored->ncols; i++)
        w->vecs[i] = b->cols[w->table->stored_from[i]];
    some.cols = w->vecs;
    some.ncols = w->table->stored->ncols;
    some.sel = w->rows_sel;
    for (struct sq_fs_place *p = first; p; p = p->after) {
        uint32_t r = p->first;
        some.nsel = 0;
        for (; r != p->last; r = w->rows_after[r])
            w->rows_sel[some.nsel++] = r;
        w->rows_sel[some.nsel++] = r;
        p->first = UINT32_MAX;
        if (rc == SQ_OK)
            rc = write_to(w, p, &some);
    }
    return rc;
}

static sq_rc fs_write(struct sq_writer *self, const struct sq_batch *b)
{
    struct sq_fs_writer *w = sq_fs_writer_of(self);
    if (b->nsel == 0)
        return SQ_OK;
    if (w->spec->epoch.on) {
        SQ_TRY(sq_fs_epoch_begin(w));
        SQ_TRY(sq_fs_end_old(w));
    }
    return w->buckets ? write_apart(w, b) : write_to(w, NULL, b);
}

static sq_rc fs_flush(struct sq_writer *self) { return sq_fs_out_all(sq_fs_writer_of(self)); }

static void fs_watermark(struct sq_writer *self, int64_t ts_us) { sq_fs_writer_of(self)->watermark = ts_us; }

/* ---- finishing ---- */

struct keeps { struct sq_fs_writer *w; const struct sq_fs_place *place; };

/* INSERT OVERWRITE: what was in the directory before goes away, after the new files are there: a crash leaves too much, not too little. */
static sq_rc remove_old(void *arg, const char *path, const struct stat *st)
{
    const struct keeps *k = arg;
    struct sq_fs_writer *w = k->w;
    (void)st;
    for (size_t i = 0; i < w->nparts; i++) {
        if (w->parts[i]->place != k->place)
            continue;
        const char *ours = sq_fs_final(w, w->parts[i]);
        if (!ours || strcmp(path, ours) == 0)
            return ours ? SQ_OK : SQ_NOMEM;
    }
    int e = w->ctx->os->unlink(w->ctx->os->arg, path);
    return e < 0 ? sq_fs_fail_io(w, "remove", path, e) : SQ_OK;
}

/* The partition that INSERT … PARTITION names, where it names all of it: it is replaced though no row came. */
static sq_rc fixed_place(struct sq_fs_writer *w)
{
    const struct sq_table_spec *t = w->spec->table;
    struct sq_fs_place *place;
    struct sq_batch one = {.rows = 1, .nsel = 1, .ncols = t->ncols};
    for (uint32_t i = 0; i < t->npartition; i++)
        if (!w->spec->fixed || !w->spec->fixed[t->partition[i]])
            return SQ_OK;
    struct sq_vec *cols = SQ_NEW_ARRAY(&w->names, struct sq_vec, t->ncols);
    if (!cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->npartition; i++)
        cols[t->partition[i]] = *w->spec->fixed[t->partition[i]];
    one.cols = cols;
    sq_buf_reset(&w->spot);
    SQ_TRY(sq_fs_partition_put(w->ctx, t, w->table, &one, 0, &w->spot));
    return sq_fs_place_get(w, sq_buf_view(&w->spot), &place);
}

/* The directory; of a table with partitions, those that got rows (FLINK: the same). */
static sq_rc overwrite(struct sq_fs_writer *w)
{
    struct keeps keeps = {w, NULL};
    struct stat st;
    if (!w->buckets)
        return sq_fs_walk(w->ctx, &w->names, w->dir, remove_old, &keeps);
    SQ_TRY(fixed_place(w));
    for (size_t b = 0; b < SQ_FS_BUCKETS; b++)
        for (const struct sq_fs_place *p = w->buckets[b]; p; p = p->next) {
            const char *path = sq_fs_path(w, &w->path, p->path, "");
            char *dir = path ? sq_arena_printf(&w->names, "%.*s", (int)strlen(path) - 1, path) : NULL;
            if (!dir)
                return SQ_NOMEM;
            keeps.place = p;
            if (w->ctx->os->stat(w->ctx->os->arg, dir, &st) == 0)
                SQ_TRY(sq_fs_walk(w->ctx, &w->names, dir, remove_old, &keeps));
        }
    return SQ_OK;
}

static sq_rc give_name(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    SQ_TRY(sq_fs_place_make(w, p->place));
    const char *hidden = sq_fs_hidden(w, p), *final = sq_fs_final(w, p);
    if (!hidden || !final)
        return SQ_NOMEM;
    int e = w->ctx->os->rename(w->ctx->os->arg, hidden, final);
    if (e < 0)
        return sq_fs_fail_io(w, "write", final, e);
    p->named = true;
    if (p->place)
        p->place->touched = true;
    return SQ_OK;
}

static sq_rc finish_directory(struct sq_fs_writer *w)
{
    sq_rc rc = sq_fs_close_all(w);
    for (size_t i = 0; rc == SQ_OK && i < w->nparts; i++)
        rc = give_name(w, w->parts[i]);
    for (size_t i = 0; rc != SQ_OK && i < w->nparts; i++) {   /* all of them or none */
        const char *final = w->parts[i]->named ? sq_fs_final(w, w->parts[i]) : NULL;
        if (final)
            w->ctx->os->unlink(w->ctx->os->arg, final);
    }
    SQ_TRY(rc);
    if (w->nparts)
        SQ_TRY(sq_fs_sync_places(w));
    if (w->spec->overwrite)
        SQ_TRY(overwrite(w));
    bool batch = w->spec->session->batch, some;
    sq_fs_ready_find(w, batch || w->watermark == INT64_MAX, &some);
    return some || (batch && !w->buckets) ? sq_fs_ready_say(w) : SQ_OK;
}

static sq_rc fs_finish(struct sq_writer *self)
{
    struct sq_fs_writer *w = sq_fs_writer_of(self);
    return w->directory ? finish_directory(w) : sq_fs_one_finish(w);
}

const struct sq_sink_class sq_fs_sink = {
    .accepts = SQ_MODE_INSERT | SQ_MODE_RETRACT, .accept = fs_accept, .shows_changes = fs_shows_changes, .open = fs_sink_open, .write = fs_write,
    .flush = fs_flush, .finish = fs_finish, .close = fs_sink_close, .promise = fs_promise, .last = sq_fs_last, .watermark = fs_watermark, .holds = sq_fs_holds, .prepare = sq_fs_prepare,
    .recover = sq_fs_recover, .commit = sq_fs_commit,
};
