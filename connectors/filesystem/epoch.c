/* SPDX-License-Identifier: Apache-2.0
 *
 * epoch.c: files that appear whole, once, whatever dies in between.
 *
 * A directory: prepare ends the part files and makes them durable, and says which are to get their names; commit gives the names. Where the table says how
 * long a file may be written to ('sink.rolling-policy.rollover-interval' or 'inactivity-interval'), files stay hidden and open over epochs until
 * one of them is large or old: then all are ended. So what is visible is at any time the rows of the first so many epochs. One file: it stays
 * open in any case; prepare makes it durable and says how long it is, and the last one of a run closes it (onefile.c).
 *
 * recover cuts an open file to the length it had, and removes what is in no list. A hidden file carries in its name a tag made of the job and the
 * sink, so nobody else's is touched; a visible one carries also a number that only rises and the run, so that names never meet.
 *
 * Invariants: a name is given only to a file that a prepare has named as closed; between prepare and commit nothing is written; the number in the
 * list of epoch n is higher than that of every file with rows of epochs up to n, so a visible file with that number or a higher one says that
 * somebody has gone on from n already.
 *
 * FLINK: files always stay open over checkpoints, 30 minutes if nothing else is said, and each ends by itself, so that a part of an epoch may be seen
 * before the rest.
 */
#include "base/text.h"
#include "connectors/filesystem/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { PENDING_FORM = 2 };

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
    snprintf(w->run, sizeof w->run, "%.8s", e->owner.n >= 8 ? e->owner.p : w->tag + 16);
    if (e->job.n)
        tag_of(e->job, e->sink, w->tag);
    if (w->directory && w->spec->overwrite) {
        sq_fail(w->ctx, SQ_SEMANTIC, "table '%.*s': INSERT OVERWRITE of a directory is not possible with checkpoints or micro-batches", SQ_FMT(w->spec->table->name));
        return sq_hint(w->ctx, "in batch mode it is: SET 'execution.runtime-mode' = 'batch'");
    }
    if (!w->directory)
        w->had_old = w->ctx->os->stat(w->ctx->os->arg, w->target, &w->old) == 0;
    return SQ_OK;
}

/* ".out.json.00000000.inprogress-<tag>" and the like. */
static bool is_ours(struct sq_str name, const char *tag)
{
    static const char *const kinds[] = {".inprogress-", ".merged-", ".merging-"};
    if (name.n < 18 || name.p[0] != '.' || memcmp(name.p + name.n - 16, tag, 16) != 0)
        return false;
    for (size_t i = 0; i < SQ_LEN(kinds); i++) {
        size_t n = strlen(kinds[i]);
        if (name.n > 16 + n && memcmp(name.p + name.n - 16 - n, kinds[i], n) == 0)
            return true;
    }
    return false;
}

/* A commit may still need it. */
static bool is_listed(const struct sq_fs_writer *w, struct sq_str name)
{
    char number[64];
    for (size_t i = 0; i < w->nparts; i++) {
        if (sq_str_is(name, w->parts[i]->hidden))
            return true;
        snprintf(number, sizeof number, ".%08llu.merged-%.16s", (unsigned long long)w->parts[i]->number, w->tag);
        size_t n = strlen(number);
        if (!w->directory && w->parts[i]->closed && name.n > n && memcmp(name.p + name.n - n, number, n) == 0)
            return true;
    }
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

/* ---- commit ---- */

static sq_rc give_name(struct sq_fs_writer *w, struct sq_fs_part *p)
{
    struct stat st;
    SQ_TRY(sq_fs_place_make(w, p->place));
    const char *hidden = sq_fs_hidden(w, p), *final = sq_fs_final(w, p);
    if (!hidden || !final)
        return SQ_NOMEM;
    int e = w->ctx->os->rename(w->ctx->os->arg, hidden, final);
    if (e == -ENOENT)                                    /* an earlier commit has done it? */
        e = w->ctx->os->stat(w->ctx->os->arg, final, &st);
    if (e == -ENOENT)
        return sq_fs_gone(w, final, hidden);
    if (e < 0)
        return sq_fs_fail_io(w, "write", final, e);
    p->named = true;
    if (p->place)
        p->place->touched = true;
    SQ_FAULT(w->ctx, "fs.rename");
    return SQ_OK;
}

sq_rc sq_fs_commit(struct sq_writer *self, uint64_t epoch)
{
    struct sq_fs_writer *w = sq_fs_writer_of(self);
    bool any = false;
    (void)epoch;
    for (size_t i = 0; i < w->nparts; i++) {
        if (!w->parts[i]->closed)
            continue;
        SQ_TRY(w->directory ? give_name(w, w->parts[i]) : sq_fs_one_commit(w, w->parts[i]));
        any = true;
    }
    if (any && w->directory) {
        SQ_TRY(sq_fs_sync_places(w));
        SQ_FAULT(w->ctx, "fs.renamed");
    }
    if (w->buckets)
        SQ_TRY(sq_fs_ready_say(w));
    sq_fs_parts_forget(w, false);
    w->committed = true;
    return SQ_OK;
}

/* ---- prepare ---- */

sq_rc sq_fs_epoch_begin(struct sq_fs_writer *w)
{
    char old[17];
    if (w->begun)
        return SQ_OK;
    if (w->recovered && !w->committed) {                 /* it is known to have been committed: somebody may have taken those files since */
        sq_fs_ready_forget(w);
        sq_fs_parts_forget(w, false);
    }
    if (!w->recovered && w->spec->epoch.job.n)
        SQ_TRY(remove_strays(w, w->tag));
    if (w->spec->epoch.old_job.n) {
        tag_of(w->spec->epoch.old_job, w->spec->epoch.sink, old);
        SQ_TRY(remove_strays(w, old));
    }
    w->begun = true;
    return SQ_OK;
}

/* One file: where the job has no rows and there is no old file (or it is to go), there will be an empty one. */
static sq_rc make_empty(struct sq_fs_writer *w)
{
    struct sq_fs_part *p;
    struct stat st;
    if (w->directory || w->counter || (!w->spec->overwrite && w->ctx->os->stat(w->ctx->os->arg, w->target, &st) == 0))
        return SQ_OK;
    return sq_fs_part_open(w, NULL, &p);
}

static bool is_due(const struct sq_fs_options *o, const struct sq_fs_part *p, int64_t now)
{
    return p->size >= o->rolling_size || (now - p->made_us) / SQ_US_PER_MS >= o->rollover_ms || (now - p->written_us) / SQ_US_PER_MS >= o->inactivity_ms;
}

/* Whether the open files are to be ended, all of them, with this epoch. */
static bool ends_files(struct sq_fs_writer *w, bool some_ready)
{
    const struct sq_fs_options *o = &w->table->options;
    int64_t now = w->ctx->os->now_us(w->ctx->os->arg);
    if (w->last || !w->directory || !o->spans || some_ready)
        return w->last || w->directory;
    for (size_t i = 0; i < w->nparts; i++)
        if (w->parts[i]->closed || is_due(o, w->parts[i], now))
            return true;
    return false;
}

sq_rc sq_fs_end_old(struct sq_fs_writer *w)
{
    const struct sq_fs_options *o = &w->table->options;
    int64_t now = w->ctx->os->now_us(w->ctx->os->arg);
    if (!o->spans || !w->directory || (now >= w->looked_us && (now - w->looked_us) / SQ_US_PER_MS < o->check_ms))
        return SQ_OK;
    w->looked_us = now;
    for (size_t i = 0; i < w->nparts; i++)
        if (!w->parts[i]->closed && is_due(o, w->parts[i], now))
            SQ_TRY(sq_fs_part_close(w, w->parts[i]));
    return SQ_OK;
}

void sq_fs_last(struct sq_writer *self, bool input_ended)
{
    sq_fs_writer_of(self)->last = true;
    sq_fs_writer_of(self)->input_ended = input_ended;
}

/* Open files are ended when they are old, a partition is complete when the clock says so: not only when rows come. */
bool sq_fs_holds(struct sq_writer *self)
{
    const struct sq_fs_writer *w = sq_fs_writer_of(self);
    for (size_t i = 0; w->directory && i < w->nparts; i++)
        if (!w->parts[i]->closed)
            return true;
    for (size_t b = 0; w->buckets && !w->table->options.by_partition_time && b < SQ_FS_BUCKETS; b++)
        for (const struct sq_fs_place *p = w->buckets[b]; p; p = p->next)
            if (p->waits && !p->ready)
                return true;
    return false;
}

static void put_str(struct sq_buf *b, const char *s)
{
    sq_buf_u32(b, (uint32_t)strlen(s));
    sq_buf_puts(b, s);
}

/* The partitions that wait until they are complete. */
static sq_rc put_places(const struct sq_fs_writer *w, struct sq_buf *b)
{
    uint32_t n = 0;
    size_t at = b->n;
    sq_buf_u32(b, 0);
    for (size_t i = 0; w->buckets && i < SQ_FS_BUCKETS; i++)
        for (const struct sq_fs_place *p = w->buckets[i]; p; p = p->next) {
            if (!p->waits)
                continue;
            sq_buf_u32(b, p->ready);
            sq_buf_u64(b, (uint64_t)p->since_us);
            put_str(b, p->path);
            n++;
        }
    if (b->rc == SQ_OK)
        memcpy(b->p + at, &n, sizeof n);
    return b->rc;
}

static sq_rc put_pending(struct sq_fs_writer *w, struct sq_buf *b)
{
    sq_buf_u32(b, PENDING_FORM);
    sq_buf_u32(b, w->directory);
    sq_buf_add(b, w->tag, 16);
    sq_buf_u64(b, w->counter);
    sq_buf_u32(b, (uint32_t)w->nparts);
    for (size_t i = 0; i < w->nparts; i++) {
        struct sq_fs_part *p = w->parts[i];
        sq_buf_u32(b, p->closed);
        sq_buf_u64(b, p->number);
        sq_buf_u64(b, (uint64_t)p->size);
        sq_buf_u64(b, (uint64_t)p->made_us);
        sq_buf_u64(b, (uint64_t)p->written_us);
        put_str(b, p->place ? p->place->path : "");
        put_str(b, p->name);
        p->kept = w->spec->epoch.job.n > 0;
    }
    return put_places(w, b);
}

sq_rc sq_fs_prepare(struct sq_writer *self, uint64_t epoch, struct sq_buf *pending)
{
    struct sq_fs_writer *w = sq_fs_writer_of(self);
    bool some_ready;
    (void)epoch;
    SQ_TRY(sq_fs_epoch_begin(w));
    if (w->last)
        SQ_TRY(make_empty(w));
    sq_fs_ready_find(w, w->last && w->input_ended, &some_ready);
    if (ends_files(w, some_ready))
        SQ_TRY(sq_fs_close_all(w));
    for (size_t i = 0; i < w->nparts; i++)
        SQ_TRY(sq_fs_part_sync(w, w->parts[i]));
    if (w->new_names)
        SQ_TRY(sq_os_sync_dir(w->ctx, w->dir));
    w->new_names = false;
    if (pending)
        SQ_TRY(put_pending(w, pending));
    SQ_FAULT(w->ctx, "fs.prepare");
    return SQ_OK;
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

static bool good_name(const struct sq_fs_writer *w, struct sq_str s)
{
    if (!w->directory)
        return sq_str_is(s, sq_fs_one_base(w));
    return s.n > 22 && s.n < 150 && memcmp(s.p, "part-", 5) == 0 && memcmp(s.p + 5, w->tag, 16) == 0 && !memchr(s.p, '/', s.n);
}

/* "a=b/c=d/": no part of it leads out of the directory. */
static bool good_place(struct sq_str s)
{
    bool equals = false;
    for (uint32_t i = 0, from = 0; i < s.n; i++) {
        equals |= s.p[i] == '=' && i > from;
        if (s.p[i] != '/')
            continue;
        if (!equals)
            return false;
        equals = false;
        from = i + 1;
    }
    return s.n == 0 || s.p[s.n - 1] == '/';
}

/* What the list says of one file. */
struct listed { uint32_t closed; uint64_t number; int64_t size, made_us, written_us; struct sq_str place, name; };

static struct listed get_listed(struct cursor *c)
{
    struct listed l;
    l.closed = get_u32(c);
    l.number = get_u64(c);
    l.size = (int64_t)get_u64(c);
    l.made_us = (int64_t)get_u64(c);
    l.written_us = (int64_t)get_u64(c);
    l.place = get_str(c);
    l.name = get_str(c);
    return l;
}

static sq_rc get_part(struct sq_fs_writer *w, struct cursor *c, uint64_t epoch)
{
    struct sq_fs_place *place = NULL;
    struct sq_fs_part *p;
    char text[160];
    struct listed l = get_listed(c);
    if (c->bad || l.closed > 1 || l.size < 0 || l.number >= w->counter || !good_name(w, l.name) || !good_place(l.place) || (l.place.n > 0) != (w->buckets != NULL))
        return damaged(w, epoch);
    if (l.place.n)
        SQ_TRY(sq_fs_place_get(w, l.place, &place));
    struct sq_fs_part **open = place ? &place->open : &w->open;
    if (!l.closed && *open)
        return damaged(w, epoch);
    snprintf(text, sizeof text, "%.*s", SQ_FMT(l.name));
    SQ_TRY(sq_fs_part_new(w, place, w->directory ? text : sq_fs_one_base(w), l.number, &p));
    p->closed = l.closed;
    p->size = l.size;
    p->made_us = l.made_us;
    p->written_us = l.written_us;
    p->kept = true;
    if (!l.closed)
        *open = p;
    return SQ_OK;
}

static sq_rc get_places(struct sq_fs_writer *w, struct cursor *c, uint64_t epoch)
{
    for (uint32_t n = get_u32(c); n > 0 && !c->bad; n--) {
        uint32_t ready = get_u32(c);
        int64_t since = (int64_t)get_u64(c);
        struct sq_str path = get_str(c);
        struct sq_fs_place *p;
        if (c->bad || ready > 1 || path.n == 0 || !good_place(path) || !w->buckets)
            return damaged(w, epoch);
        SQ_TRY(sq_fs_place_get(w, path, &p));
        SQ_TRY(sq_fs_ready_wait(w, p));
        p->since_us = since;
        p->ready = p->waits && ready;
    }
    return c->bad ? damaged(w, epoch) : SQ_OK;
}

static sq_rc is_ahead(struct sq_fs_writer *w, uint64_t epoch, const char *path)
{
    sq_fail(w->ctx, SQ_IO, "table '%.*s' is ahead of epoch %llu, from which the job would go on: '%s' holds rows of a later one",
            SQ_FMT(w->spec->table->name), (unsigned long long)epoch, path);
    return sq_hint(w->ctx, "go on from the newest checkpoint; or take the files of later epochs away first: their rows are written again");
}

static sq_rc open_is_gone(struct sq_fs_writer *w, const struct sq_fs_part *p, uint64_t epoch)
{
    struct stat st;
    const char *path = sq_fs_hidden(w, p), *final = sq_fs_final(w, p);
    if (!path || !final)
        return SQ_NOMEM;
    if (w->directory && w->ctx->os->stat(w->ctx->os->arg, final, &st) == 0)
        return is_ahead(w, epoch, final);
    sq_fail(w->ctx, SQ_IO, "table '%.*s': the rows of '%s' up to epoch %llu are gone: '%s' is not there", SQ_FMT(w->spec->table->name), final,
            (unsigned long long)epoch, path);
    return w->directory ? SQ_IO : sq_hint(w->ctx, "that is also so when a later run has ended and put them into '%s': then go on from its newest checkpoint", final);
}

/* An open file goes on where it was at the epoch. */
static sq_rc reopen(struct sq_fs_writer *w, struct sq_fs_part *p, uint64_t epoch)
{
    struct stat st;
    const char *path = sq_fs_hidden(w, p);
    if (!path)
        return SQ_NOMEM;
    int e = w->ctx->os->stat(w->ctx->os->arg, path, &st);
    if (e == -ENOENT)
        return open_is_gone(w, p, epoch);
    if (e < 0)
        return sq_fs_fail_io(w, "look at", path, e);
    if (st.st_size < p->size)
        return sq_fail(w->ctx, SQ_IO, "table '%.*s': '%s' has %lld bytes, and had %lld at epoch %llu: rows are lost", SQ_FMT(w->spec->table->name), path,
                       (long long)st.st_size, (long long)p->size, (unsigned long long)epoch);
    if (st.st_size == p->size)
        return SQ_OK;
    SQ_TRY(sq_fs_part_fd(w, p));
    e = w->ctx->os->truncate(w->ctx->os->arg, p->fd, p->size);
    p->dirty = true;
    return e < 0 ? sq_fs_fail_io(w, "cut", path, e) : SQ_OK;
}

struct ahead { struct sq_fs_writer *w; uint64_t epoch; };

static sq_rc look_whether_ahead(void *arg, const char *path, const struct stat *st)
{
    const struct ahead *a = arg;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    (void)st;
    if (strncmp(name, "part-", 5) != 0 || strncmp(name + 5, a->w->tag, 16) != 0 || name[21] != '-' || strtoull(name + 22, NULL, 10) < a->w->counter)
        return SQ_OK;
    return is_ahead(a->w, a->epoch, path);
}

/* A savepoint of another job: what it had closed is there under its names; what it has open is still its own. */
static sq_rc recover_foreign(struct sq_fs_writer *w, struct cursor *c, uint64_t epoch, uint32_t n)
{
    for (uint32_t i = 0; i < n && !c->bad; i++) {
        struct listed l = get_listed(c);
        if (!c->bad && !l.closed) {
            sq_fail(w->ctx, SQ_IO, "table '%.*s': rows of '%s' up to epoch %llu are still in a hidden file of the job that made the savepoint",
                    SQ_FMT(w->spec->table->name), w->table->path, (unsigned long long)epoch);
            return sq_hint(w->ctx, "stop that job with a savepoint: then its rows are visible%s", w->directory ? "" : "; or write into a directory: end the path with '/'");
        }
    }
    SQ_TRY(get_places(w, c, epoch));
    sq_fs_ready_forget(w);                               /* the other job says it */
    return c->s.n ? damaged(w, epoch) : SQ_OK;
}

static sq_rc recover_own(struct sq_fs_writer *w, struct cursor *c, uint64_t epoch, uint32_t n)
{
    struct ahead ahead = {w, epoch};
    struct sq_arena tmp;
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(get_part(w, c, epoch));
    SQ_TRY(get_places(w, c, epoch));
    if (c->s.n)
        return damaged(w, epoch);
    for (size_t i = 0; i < w->nparts; i++)
        if (!w->parts[i]->closed)
            SQ_TRY(reopen(w, w->parts[i], epoch));
    SQ_TRY(remove_strays(w, w->tag));
    if (!w->directory)
        return SQ_OK;
    sq_arena_init(&tmp, w->ctx);
    sq_rc rc = sq_fs_walk(w->ctx, &tmp, w->dir, look_whether_ahead, &ahead);
    sq_arena_free(&tmp);
    return rc;
}

sq_rc sq_fs_recover(struct sq_writer *self, uint64_t epoch, struct sq_str pending)
{
    struct sq_fs_writer *w = sq_fs_writer_of(self);
    struct cursor c = {pending, false};
    char tag[16];
    uint32_t form = get_u32(&c), directory = get_u32(&c);
    get(&c, tag, sizeof tag);
    w->counter = get_u64(&c);
    uint32_t n = get_u32(&c);
    if (c.bad || form != PENDING_FORM || directory > 1)
        return damaged(w, epoch);
    if (directory != w->directory)
        return sq_fail(w->ctx, SQ_IO, "table '%.*s': '%s' was %s at epoch %llu, and now is %s", SQ_FMT(w->spec->table->name), w->table->path,
                       directory ? "a directory" : "one file", (unsigned long long)epoch, directory ? "one file" : "a directory");
    w->recovered = true;
    return memcmp(tag, w->tag, sizeof tag) == 0 ? recover_own(w, &c, epoch, n) : recover_foreign(w, &c, epoch, n);
}
