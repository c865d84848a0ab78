/* SPDX-License-Identifier: Apache-2.0
 *
 * epoch.c: files that appear whole, once, whatever dies in between.
 *
 * prepare makes the rows of the epoch durable in hidden files and says which of them are to get their names, and how long those are that stay open;
 * commit gives the names; recover cuts the open ones to the length they had and removes what is in no list. A hidden file carries in its name a tag
 * made of the job and the sink, so nobody else's is touched; a visible one carries also a number that only rises and the run, so that names never
 * meet. All hidden files stand in the table's own directory (parts.c).
 *
 * An epoch becomes visible whole: when one file is closed (it is large, old, or was not written to for long), all are at the next prepare. So what
 * is visible is at any time the rows of the first so many epochs. FLINK: each file by itself, so that a part of an epoch may be seen before the rest.
 *
 * Invariants: a name is given only to a file that a prepare has named as closed; between prepare and commit nothing is written; the number in the
 * list of epoch n is higher than that of every file with rows of epochs up to n, so a visible file with that number or a higher one says that
 * somebody has gone on from n already.
 */
#include "connectors/filesystem/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { PENDING_FORM = 1 };

/* ---- whose files ---- */

static uint64_t mix(uint64_t h, struct sq_str s)
{
    for (uint32_t i = 0; i <= s.n; i++)                  /* with an end, so that ("ab", "c") is not ("a", "bc") */
        h = (h ^ (i < s.n ? (unsigned char)s.p[i] : 0x100u)) * UINT64_C(1099511628211);
    h ^= h >> 29;
    h *= UINT64_C(0xbf58476d1ce4e5b9);
    return h ^ h >> 32;
}

static void tag_of(struct sq_str job, struct sq_str sink, char *tag)
{
    snprintf(tag, 17, "%016llx", (unsigned long long)mix(mix(UINT64_C(14695981039346656037), job), sink));
}

sq_rc sq_fs_epoch_open(struct sq_fs_writer *w)
{
    const struct sq_sink_epochs *e = &w->spec->epoch;
    sq_fs_random_tag(w);
    snprintf(w->run, sizeof w->run, "%.8s", e->owner.n >= 8 ? e->owner.p : w->tag + 16);
    if (e->job.n)
        tag_of(e->job, e->sink, w->tag);
    if (w->spec->overwrite) {
        sq_fail(w->ctx, SQ_SEMANTIC, "table '%.*s': INSERT OVERWRITE is not possible with checkpoints or micro-batches", SQ_FMT(w->spec->table->name));
        return sq_hint(w->ctx, "in batch mode it is: SET 'execution.runtime-mode' = 'batch'");
    }
    if (w->directory)
        return SQ_OK;
    if (e->visible) {
        sq_fail(w->ctx, SQ_SEMANTIC, "table '%.*s': '%s' is one file: it appears when the job ends, and cannot show the rows of each micro-batch",
                SQ_FMT(w->spec->table->name), w->target);
        return sq_hint(w->ctx, "end the path with '/': a directory gets new files at each of them");
    }
    w->had_old = w->ctx->os->stat(w->ctx->os->arg, w->target, &w->old) == 0;
    return SQ_OK;
}

static bool ends_with(struct sq_str s, const char *tag)
{
    return s.n > 16 && memcmp(s.p + s.n - 16, tag, 16) == 0;
}

/* ".out.json.inprogress-<tag>" and the like. */
static bool is_ours(struct sq_str name, const char *tag)
{
    static const char *const kinds[] = {SQ_FS_IN_PROGRESS, ".merged-", ".merging-"};
    for (size_t i = 0; name.n > 18 && name.p[0] == '.' && ends_with(name, tag) && i < SQ_LEN(kinds); i++) {
        size_t n = strlen(kinds[i]);
        if (name.n > 16 + n && memcmp(name.p + name.n - 16 - n, kinds[i], n) == 0)
            return true;
    }
    return false;
}

static bool is_listed(const struct sq_fs_writer *w, struct sq_str name)
{
    for (size_t i = 0; i < w->nparts; i++)
        if (sq_str_is(name, w->parts[i]->hidden) || (!w->directory && w->parts[i]->closed))
            return true;
    return false;
}

/* Removes hidden files with the tag that are in no list. */
static sq_rc remove_strays(struct sq_fs_writer *w, const char *tag)
{
    struct sq_str *names;
    struct sq_arena tmp;
    size_t n;
    sq_arena_init(&tmp, w->ctx);
    sq_rc rc = sq_fs_names(w->ctx, &tmp, w->dir, &names, &n);
    for (size_t i = 0; rc == SQ_OK && i < n; i++) {
        if (!is_ours(names[i], tag) || (tag == w->tag && is_listed(w, names[i])))
            continue;
        const char *path = sq_fs_path(w, &w->path, "", names[i].p);
        int e = path ? w->ctx->os->unlink(w->ctx->os->arg, path) : -ENOMEM;
        if (e < 0 && e != -ENOENT)
            rc = path ? sq_fs_fail_io(w, "remove", path, e) : SQ_NOMEM;
    }
    sq_free(w->ctx, names);
    sq_arena_free(&tmp);
    return rc;
}

/* ---- names ---- */

static sq_rc look(struct sq_fs_writer *w, const char *path, bool *there)
{
    struct stat st;
    int e = path ? w->ctx->os->stat(w->ctx->os->arg, path, &st) : -ENOMEM;
    *there = e == 0;
    return e == 0 || e == -ENOENT || e == -ENOTDIR ? SQ_OK : path ? sq_fs_fail_io(w, "look at", path, e) : SQ_NOMEM;
}

static sq_rc is_gone(struct sq_fs_writer *w, const char *final, const char *hidden)
{
    sq_fail(w->ctx, SQ_IO, "table '%.*s': the rows of '%s' are gone: neither that file nor '%s' is there", SQ_FMT(w->spec->table->name), final, hidden);
    return sq_hint(w->ctx, "if the file was taken away after it had appeared, make an empty one in its place and start again");
}

static sq_rc give_name(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    bool hidden, named;
    SQ_TRY(look(w, sq_fs_hidden(w, p), &hidden));
    SQ_TRY(look(w, sq_fs_final(w, p), &named));
    if (!hidden && !named)
        return is_gone(w, w->to.p, w->path.p);
    if (hidden && named)
        return sq_fail(w->ctx, SQ_IO, "table '%.*s': '%s' cannot be named '%s': that file is there already", SQ_FMT(w->spec->table->name), w->path.p, w->to.p);
    if (named) {
        p->named = true;
        return SQ_OK;
    }
    SQ_TRY(sq_fs_make_dirs(w, p->partition));
    if (!sq_fs_final(w, p))
        return SQ_NOMEM;
    SQ_FAULT(w->ctx, "fs.rename");
    int e = w->ctx->os->rename(w->ctx->os->arg, w->path.p, w->to.p);
    if (e < 0)
        return sq_fs_fail_io(w, "write", w->to.p, e);
    SQ_FAULT(w->ctx, "fs.renamed");
    p->named = true;
    return SQ_OK;
}

static sq_rc sync_names(struct sq_fs_writer *w, bool any)
{
    for (size_t i = 0; i < w->nparts; i++)
        if (w->parts[i]->partition)
            w->parts[i]->partition->touched = w->parts[i]->closed;
    for (size_t i = 0; i < w->nparts; i++) {
        struct sq_fs_partition *p = w->parts[i]->partition;
        if (!p || !p->touched || !w->parts[i]->closed)
            continue;
        SQ_TRY(sq_fs_sync_partition(w, p));
        p->touched = false;
    }
    return any ? sq_os_sync_dir(w->ctx, w->dir) : SQ_OK;
}

static void forget_closed(struct sq_fs_writer *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->nparts; i++)
        if (w->parts[i]->closed)
            sq_fs_part_free(w, w->parts[i]);
        else
            w->parts[n++] = w->parts[i];
    w->nparts = n;
    sq_fs_partitions_prune(w);
}

sq_rc sq_fs_commit(struct sq_writer *self, uint64_t epoch)
{
    struct sq_fs_writer *w = sq_fs_writer_of(self);
    bool any = false;
    (void)epoch;
    for (size_t i = 0; i < w->nparts; i++) {
        struct sq_fs_part *p = w->parts[i];
        if (p->closed)
            SQ_TRY(w->directory ? give_name(w, p) : sq_fs_one_commit(w, p));
        any |= p->closed;
    }
    if (w->directory)
        SQ_TRY(sync_names(w, any));
    forget_closed(w);
    w->committed = true;
    return SQ_OK;
}

/* ---- prepare ---- */

sq_rc sq_fs_epoch_begin(struct sq_fs_writer *w)
{
    char old[17];
    if (w->begun)
        return SQ_OK;
    if (w->recovered && !w->committed)                   /* it is known to have been committed; if not all of it was, it is now */
        SQ_TRY(sq_fs_commit((struct sq_writer *)(void *)w, 0));
    if (!w->recovered && w->spec->epoch.job.n)
        SQ_TRY(remove_strays(w, w->tag));
    if (w->spec->epoch.old_job.n) {
        tag_of(w->spec->epoch.old_job, w->spec->epoch.sink, old);
        SQ_TRY(remove_strays(w, old));
    }
    w->begun = true;
    return SQ_OK;
}

static bool is_due(const struct sq_fs_writer *w, const struct sq_fs_part *p, int64_t now)
{
    const struct sq_fs_options *o = &w->table->options;
    return p->size >= o->rolling_size || now - p->made_us >= o->rollover_ms * SQ_FS_US_PER_MS || now - p->written_us >= o->inactivity_ms * SQ_FS_US_PER_MS;
}

sq_rc sq_fs_roll_old(struct sq_fs_writer *w, bool now)
{
    int64_t at = w->ctx->os->now_us(w->ctx->os->arg);
    if (!w->directory || (!now && at >= w->checked_us && at - w->checked_us < w->table->options.check_ms * SQ_FS_US_PER_MS))
        return SQ_OK;
    w->checked_us = at;
    for (size_t i = 0; i < w->nparts; i++)
        if (!w->parts[i]->closed && is_due(w, w->parts[i], at))
            SQ_TRY(sq_fs_part_close(w, w->parts[i]));
    return SQ_OK;
}

/* One file: where there are no rows and no old file there will be an empty one. */
static sq_rc make_empty(struct sq_fs_writer *w)
{
    struct sq_fs_part *p;
    struct stat st;
    if (w->directory || w->nparts || w->ctx->os->stat(w->ctx->os->arg, w->target, &st) == 0)
        return SQ_OK;
    SQ_TRY(sq_fs_part_open(w, NULL, &p));
    SQ_TRY(sq_fs_part_fd(w, p));
    p->dirty = true;
    return SQ_OK;
}

static bool any_closed(const struct sq_fs_writer *w)
{
    for (size_t i = 0; i < w->nparts; i++)
        if (w->parts[i]->closed)
            return true;
    return false;
}

static void put_str(struct sq_buf *b, const char *s)
{
    sq_buf_u32(b, (uint32_t)strlen(s));
    sq_buf_puts(b, s);
}

static sq_rc put_pending(struct sq_fs_writer *w, struct sq_buf *b)
{
    sq_buf_u32(b, PENDING_FORM);
    sq_buf_u32(b, w->directory);
    sq_buf_u64(b, w->counter);
    sq_buf_u32(b, (uint32_t)w->nparts);
    for (size_t i = 0; i < w->nparts; i++) {
        struct sq_fs_part *p = w->parts[i];
        sq_buf_u32(b, p->closed);
        sq_buf_u64(b, (uint64_t)p->size);
        sq_buf_u64(b, (uint64_t)p->made_us);
        sq_buf_u64(b, (uint64_t)p->written_us);
        put_str(b, p->partition ? p->partition->path : "");
        put_str(b, p->name);
        p->kept = w->spec->epoch.job.n > 0;
    }
    return b->rc;
}

sq_rc sq_fs_prepare(struct sq_writer *self, uint64_t epoch, struct sq_buf *pending)
{
    struct sq_fs_writer *w = sq_fs_writer_of(self);
    (void)epoch;
    SQ_FAULT(w->ctx, "fs.prepare");
    SQ_TRY(sq_fs_epoch_begin(w));
    SQ_TRY(sq_fs_roll_old(w, true));
    if (w->ending)
        SQ_TRY(make_empty(w));
    if (w->ending || w->spec->epoch.visible || any_closed(w))
        SQ_TRY(sq_fs_close_all(w));
    for (size_t i = 0; i < w->nparts; i++)
        SQ_TRY(sq_fs_part_sync(w, w->parts[i]));
    if (w->new_names)
        SQ_TRY(sq_os_sync_dir(w->ctx, w->dir));
    w->new_names = false;
    return pending ? put_pending(w, pending) : SQ_OK;
}

/* ---- recover ---- */

struct cursor { struct sq_str s; bool bad; };

static void get(struct cursor *c, void *to, uint32_t n)
{
    c->bad |= c->s.n < n;
    if (c->bad) {
        memset(to, 0, n);
        return;
    }
    memcpy(to, c->s.p, n);
    c->s = (struct sq_str){c->s.p + n, c->s.n - n};
}

static uint32_t get_u32(struct cursor *c) { uint32_t v; get(c, &v, sizeof v); return v; }
static uint64_t get_u64(struct cursor *c) { uint64_t v; get(c, &v, sizeof v); return v; }

static struct sq_str get_str(struct cursor *c)
{
    uint32_t n = get_u32(c);
    c->bad |= c->s.n < n || (n && memchr(c->s.p, 0, n));
    struct sq_str s = {c->s.p, c->bad ? 0 : n};
    c->s = (struct sq_str){c->s.p + s.n, c->s.n - s.n};
    return s;
}

static sq_rc damaged(struct sq_fs_writer *w, uint64_t epoch)
{
    return sq_fail(w->ctx, SQ_DATA, "table '%.*s': what the checkpoint of epoch %llu says of its files is damaged", SQ_FMT(w->spec->table->name),
                   (unsigned long long)epoch);
}

/* "a=b/c=d/": no part of it leads out of the directory. */
static bool good_partition(struct sq_str s)
{
    bool equals = false, good = true;
    for (uint32_t i = 0, from = 0; i < s.n; i++) {
        equals |= s.p[i] == '=' && i > from;
        if (s.p[i] == '/') {
            good &= equals;
            equals = false;
            from = i + 1;
        }
    }
    return good && (s.n == 0 || s.p[s.n - 1] == '/');
}

static bool good_name(const struct sq_fs_writer *w, struct sq_str s)
{
    if (!w->directory)
        return sq_str_is(s, sq_fs_one_base(w));
    return s.n > 22 && s.n < 150 && memcmp(s.p, "part-", 5) == 0 && memcmp(s.p + 5, w->tag, 16) == 0 && !memchr(s.p, '/', s.n);
}

static sq_rc get_part(struct sq_fs_writer *w, struct cursor *c, uint64_t epoch)
{
    struct sq_fs_partition *partition = NULL;
    struct sq_fs_part *p;
    char text[160];
    uint32_t closed = get_u32(c);
    int64_t size = (int64_t)get_u64(c), made = (int64_t)get_u64(c), written = (int64_t)get_u64(c);
    struct sq_str path = get_str(c), name = get_str(c);
    if (c->bad || closed > 1 || size < 0 || !good_partition(path) || !good_name(w, name) || (path.n > 0) != (w->spec->table->npartition > 0))
        return damaged(w, epoch);
    if (path.n)
        SQ_TRY(sq_fs_partition_get(w, path, &partition));
    if (name.n >= sizeof text)
        return damaged(w, epoch);
    memcpy(text, name.p, name.n);
    text[name.n] = 0;
    SQ_TRY(sq_fs_part_new(w, partition, w->directory ? text : sq_fs_one_base(w), NULL, &p));
    p->closed = closed;
    p->size = size;
    p->made_us = made;
    p->written_us = written;
    p->made = p->kept = true;
    if (closed)
        return SQ_OK;
    struct sq_fs_part **open = partition ? &partition->part : &w->open;
    if (*open)
        return damaged(w, epoch);
    *open = p;
    return SQ_OK;
}

static sq_rc gone_on(struct sq_fs_writer *w, uint64_t epoch, const char *name)
{
    sq_fail(w->ctx, SQ_IO, "table '%.*s' is ahead of epoch %llu, from which the job would go on: '%s' holds rows of a later one",
            SQ_FMT(w->spec->table->name), (unsigned long long)epoch, name);
    return sq_hint(w->ctx, "go on from the newest checkpoint; or take the files of later epochs away first: their rows are written again");
}

/* An open file goes on where it was at the epoch. */
static sq_rc reopen(struct sq_fs_writer *w, struct sq_fs_part *p, uint64_t epoch)
{
    struct stat st;
    bool there, named;
    SQ_TRY(look(w, sq_fs_hidden(w, p), &there));
    if (!there && w->directory) {
        SQ_TRY(look(w, sq_fs_final(w, p), &named));
        return named ? gone_on(w, epoch, w->to.p) : is_gone(w, w->to.p, w->path.p);
    }
    if (!there)
        return is_gone(w, w->target, w->path.p);
    int e = w->ctx->os->stat(w->ctx->os->arg, w->path.p, &st);
    if (e < 0)
        return sq_fs_fail_io(w, "look at", w->path.p, e);
    if (st.st_size < p->size)
        return sq_fail(w->ctx, SQ_IO, "table '%.*s': '%s' has %lld bytes, and had %lld at epoch %llu: rows are lost", SQ_FMT(w->spec->table->name), w->path.p,
                       (long long)st.st_size, (long long)p->size, (unsigned long long)epoch);
    if (st.st_size == p->size)
        return SQ_OK;
    SQ_TRY(sq_fs_part_fd(w, p));
    e = w->ctx->os->truncate(w->ctx->os->arg, p->fd, p->size);
    p->dirty = true;
    return e < 0 ? sq_fs_fail_io(w, "cut", w->path.p, e) : SQ_OK;
}

struct ahead { struct sq_fs_writer *w; uint64_t epoch; };

static sq_rc is_ahead(void *arg, const char *path, const struct stat *st)
{
    struct ahead *a = arg;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    (void)st;
    if (strncmp(name, "part-", 5) != 0 || strncmp(name + 5, a->w->tag, 16) != 0 || name[21] != '-')
        return SQ_OK;
    return strtoull(name + 22, NULL, 10) >= a->w->counter ? gone_on(a->w, a->epoch, path) : SQ_OK;
}

sq_rc sq_fs_recover(struct sq_writer *self, uint64_t epoch, struct sq_str pending)
{
    struct sq_fs_writer *w = sq_fs_writer_of(self);
    struct cursor c = {pending, false};
    struct ahead ahead = {w, epoch};
    struct sq_arena tmp;
    uint32_t form = get_u32(&c), directory = get_u32(&c);
    w->counter = get_u64(&c);
    uint32_t n = get_u32(&c);
    if (c.bad || form != PENDING_FORM || directory > 1)
        return damaged(w, epoch);
    if (directory != w->directory)
        return sq_fail(w->ctx, SQ_IO, "table '%.*s': '%s' was %s at epoch %llu, and now is %s", SQ_FMT(w->spec->table->name), w->table->path,
                       directory ? "a directory" : "one file", (unsigned long long)epoch, directory ? "one file" : "a directory");
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(get_part(w, &c, epoch));
    if (c.s.n)
        return damaged(w, epoch);
    w->recovered = true;
    for (size_t i = 0; i < w->nparts; i++)
        if (!w->parts[i]->closed)
            SQ_TRY(reopen(w, w->parts[i], epoch));
    SQ_TRY(remove_strays(w, w->tag));
    if (!w->directory)
        return SQ_OK;
    sq_arena_init(&tmp, w->ctx);
    sq_rc rc = sq_fs_walk(w->ctx, &tmp, w->dir, is_ahead, &ahead);
    sq_arena_free(&tmp);
    return rc;
}
