/* SPDX-License-Identifier: Apache-2.0
 *
 * state.c: looking into checkpoints (SHOW CHECKPOINT 'path'), and savepoints.
 *
 * A path is a checkpoint's or savepoint's file; or a job's directory, then its newest checkpoint is shown, and a line for each that there is; or a directory
 * with one job's. The file is read whole and every checksum looked at, so what is shown is what a restart would find. A job may run meanwhile.
 *
 * Rows: part, id, name, records, bytes, value. Parts: job, running, epoch, file, status, taken, workers, decider; then one row each: operator (id: the hash that
 * a restart knows it by; value: its watermark), split (value: its position), pending (a sink's rows that are not committed), checkpoint.
 */
#include "api/api.h"
#include "base/text.h"
#include "executor/checkpoint/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { NONE = -1 };                    /* a NULL number */

struct state {
    sqluice_stmt *s;
    struct sq_ctx *ctx;
    struct sq_arena *arena;
    struct sq_store_info info;         /* of a directory; n 0: a file was given */
    const char *path;                  /* of the checkpoint */
    int64_t bytes;
};

/* ---- rows ---- */

static sq_rc put_text(struct sq_out *o, uint32_t col, struct sq_str t)
{
    return t.p ? sq_col_append_view(&o->cols[col], t.p, t.n) : sq_col_append_null(&o->cols[col]);
}

static sq_rc put_int(struct sq_out *o, uint32_t col, int64_t v)
{
    return v == NONE ? sq_col_append_null(&o->cols[col]) : sq_col_append_fixed(&o->cols[col], &v);
}

static sq_rc put_row(struct state *t, const char *part, struct sq_str id, struct sq_str name, int64_t records, int64_t bytes, struct sq_str value)
{
    struct sq_out *o = &t->s->rows;

    SQ_TRY(put_text(o, 0, sq_str_of(part)));
    SQ_TRY(put_text(o, 1, id));
    SQ_TRY(put_text(o, 2, name));
    SQ_TRY(put_int(o, 3, records));
    SQ_TRY(put_int(o, 4, bytes));
    SQ_TRY(put_text(o, 5, value));
    return sq_out_row(o, SQ_INSERT);
}

static const struct sq_str null_text = {NULL, 0};

static sq_rc put_value(struct state *t, const char *part, struct sq_str value)
{
    return put_row(t, part, null_text, null_text, NONE, NONE, value);
}

static struct sq_str time_text(const struct state *t, int64_t us, int precision, char *buf)
{
    int n = sq_print_timestamp((struct sq_ts16){.us = sq_tz_to_local(t->s->tz, us)}, precision, ' ', buf);

    return (struct sq_str){buf, (uint32_t)n};
}

void sq_state_size(int64_t bytes, char *out, size_t n)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    size_t u = 0;

    for (; v >= 999.95 && u + 1 < SQ_LEN(units); u++)
        v /= 1000;
    snprintf(out, n, u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]);
}

/* ---- one checkpoint ---- */

/* The status of the index; of a file alone only what it says itself. */
static const char *status(const struct state *t, const struct sq_saved *saved)
{
    for (uint32_t i = 0; i < t->info.n; i++)
        if (t->info.entries[i].epoch == saved->epoch) {
            if (t->info.entries[i].status == SQ_STORE_PREPARED)
                return "PREPARED: its commit is not known to have ended";
            return saved->finished ? "DONE, at the end of all input" : "DONE";
        }
    return saved->finished ? "at the end of all input" : NULL;
}

static sq_rc put_head(struct state *t, const struct sq_saved *saved)
{
    char buf[96];
    const char *st = status(t, saved);

    SQ_TRY(put_row(t, "job", saved->job, saved->name, NONE, NONE, null_text));
    if (t->info.holder) {
        snprintf(buf, sizeof buf, "process %lld", (long long)t->info.holder);
        SQ_TRY(put_value(t, "running", sq_str_of(t->info.holder > 0 ? buf : "yes")));
    }
    snprintf(buf, sizeof buf, "%llu", (unsigned long long)saved->epoch);
    SQ_TRY(put_value(t, "epoch", sq_str_of(buf)));
    SQ_TRY(put_row(t, "file", null_text, sq_str_of(t->path), NONE, t->bytes, null_text));
    if (st)
        SQ_TRY(put_value(t, "status", sq_str_of(st)));
    SQ_TRY(put_value(t, "taken", time_text(t, saved->taken_us, 3, buf)));
    snprintf(buf, sizeof buf, "%u", saved->workers);
    SQ_TRY(put_value(t, "workers", sq_str_of(buf)));
    return put_value(t, "decider", saved->decided_by_sink ? saved->decider : SQ_STR("the checkpoint"));
}

static bool same_op(const struct sq_saved_op *a, const struct sq_saved_op *b)
{
    return a->uid == b->uid && a->kind == b->kind && sq_str_eq(a->name, b->name);
}

static bool first_of(const struct sq_saved *saved, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (same_op(&saved->ops[k], &saved->ops[i]))
            return false;
    return true;
}

/* An operator, all its workers together. */
static sq_rc put_operator(struct state *t, const struct sq_saved *saved, uint32_t i)
{
    int64_t records = 0, bytes = 0, watermark = SQ_TS_MAX;
    char id[20], buf[64];

    for (uint32_t k = i; k < saved->nops; k++)
        if (same_op(&saved->ops[k], &saved->ops[i])) {
            records += (int64_t)saved->ops[k].records;
            bytes += (int64_t)saved->ops[k].bytes;
            if (saved->ops[k].watermark < watermark)
                watermark = saved->ops[k].watermark;
        }
    snprintf(id, sizeof id, "%016llx", (unsigned long long)saved->ops[i].uid);
    return put_row(t, "operator", sq_str_of(id), saved->ops[i].name, records, bytes,
                   watermark == SQ_TS_MIN || watermark == SQ_TS_MAX ? null_text : time_text(t, watermark, 3, buf));
}

static sq_rc put_splits(struct state *t, const struct sq_saved_op *o)
{
    for (uint32_t i = 0; i < o->nsplits; i++) {
        const struct sq_saved_split *p = &o->splits[i];
        struct sq_str at = p->ended ? SQ_STR("read to its end") : p->shown.n ? p->shown : p->position.n ? SQ_STR("begun") : SQ_STR("at its beginning");

        SQ_TRY(put_row(t, "split", p->id, o->name, NONE, NONE, at));
    }
    return SQ_OK;
}

static sq_rc put_checkpoint(struct state *t, const struct sq_saved *saved)
{
    SQ_TRY(put_head(t, saved));
    for (uint32_t i = 0; i < saved->nops; i++)
        if (first_of(saved, i))
            SQ_TRY(put_operator(t, saved, i));
    for (uint32_t i = 0; i < saved->nops; i++)
        SQ_TRY(put_splits(t, &saved->ops[i]));
    for (uint32_t i = 0; i < saved->nops; i++)
        if (saved->ops[i].has_pending && saved->ops[i].pending.n)
            SQ_TRY(put_row(t, "pending", null_text, saved->ops[i].name, NONE, saved->ops[i].pending.n, null_text));
    return SQ_OK;
}

static sq_rc put_list(struct state *t)
{
    for (uint32_t i = 0; i < t->info.n; i++) {
        const struct sq_store_entry *e = &t->info.entries[i];
        char epoch[24], value[96], taken[64];

        snprintf(epoch, sizeof epoch, "%llu", (unsigned long long)e->epoch);
        struct sq_str at = time_text(t, e->taken_us, 3, taken);
        snprintf(value, sizeof value, "%s, %.*s", e->status == SQ_STORE_DONE ? "DONE" : "PREPARED", SQ_FMT(at));
        SQ_TRY(put_row(t, "checkpoint", sq_str_of(epoch), e->path ? sq_str_of(e->path) : null_text, NONE, e->bytes, sq_str_of(e->path ? value : "the file is not there")));
    }
    return SQ_OK;
}

static sq_rc show_file(struct state *t)
{
    struct sq_store_reader *r;
    struct sq_saved saved;
    struct stat st;
    sq_rc rc;

    SQ_TRY(sq_store_read(t->ctx, t->path, &r, &saved));
    rc = sq_store_verify(r);
    t->bytes = t->ctx->os->stat(t->ctx->os->arg, t->path, &st) == 0 ? (int64_t)st.st_size : NONE;
    if (rc == SQ_OK)
        rc = put_checkpoint(t, &saved);
    sq_store_reader_close(r);
    return rc;
}

/* ---- directories ---- */

static const char *before(const struct state *t, uint32_t i)
{
    for (i++; i < t->info.n; i++)
        if (t->info.entries[i].path)
            return t->info.entries[i].path;
    return NULL;
}

static sq_rc show_dir(struct state *t, const char *dir)
{
    uint32_t i = 0;
    sq_rc rc;

    SQ_TRY(sq_store_look(t->ctx, dir, t->arena, &t->info));
    while (i < t->info.n && !t->info.entries[i].path)
        i++;
    if (i == t->info.n)
        return sq_fail(t->ctx, SQ_SEMANTIC, "job '%.*s' has no checkpoint yet in %s", SQ_FMT(t->info.name), dir);
    t->path = t->info.entries[i].path;
    rc = show_file(t);
    if (rc == SQ_DATA && before(t, i))
        return sq_hint(t->ctx, "the one before it is %s", before(t, i));
    return rc == SQ_OK ? put_list(t) : rc;
}

struct jobs { struct sq_ctx *ctx; struct sq_arena *arena; const char *dir; struct sq_str *path; size_t n, cap; sq_rc rc; };

static int note_job(void *arg, const char *name)
{
    struct jobs *j = arg;
    const char *path = sq_arena_printf(j->arena, "%s%s%s", j->dir, j->dir[strlen(j->dir) - 1] == '/' ? "" : "/", name);

    if (path && !sq_store_is_dir(j->ctx, path))
        return 0;
    j->rc = path ? sq_grow(j->ctx, &j->path, &j->cap, j->n + 1, sizeof *j->path) : SQ_NOMEM;
    if (j->rc == SQ_OK)
        j->path[j->n++] = sq_str_of(path);
    return j->rc != SQ_OK;
}

static int by_name(const void *a, const void *b)
{
    return sq_str_cmp(*(const struct sq_str *)a, *(const struct sq_str *)b);
}

static sq_rc several_jobs(struct jobs *j)
{
    enum { SHOWN = 8 };
    size_t shown = j->n > SHOWN ? SHOWN : j->n;
    struct sq_buf list;

    qsort(j->path, j->n, sizeof *j->path, by_name);
    sq_buf_init(&list, j->ctx);
    for (size_t i = 0; i < shown; i++)
        sq_buf_printf(&list, "%s%.*s", i ? ", " : "", SQ_FMT(j->path[i]));
    if (j->n > shown)
        sq_buf_printf(&list, " and %zu more", j->n - shown);
    sq_fail(j->ctx, SQ_SEMANTIC, "directory %s has the checkpoints of %zu jobs", j->dir, j->n);
    sq_hint(j->ctx, "name one of them: %s", list.p ? list.p : "");
    sq_buf_free(&list);
    return SQ_SEMANTIC;
}

/* Of a directory that is no job's: the one job below it. */
static sq_rc find_job(struct sq_ctx *ctx, struct sq_arena *arena, const char *dir, const char **job)
{
    struct jobs j = {.ctx = ctx, .arena = arena, .dir = dir};
    char why[128];
    int e;

    *job = dir;
    if (sq_store_is_dir(ctx, dir))
        return SQ_OK;
    e = ctx->os->list(ctx->os->arg, dir, note_job, &j);
    if (e < 0)
        j.rc = sq_fail(ctx, SQ_IO, "cannot read directory %s: %s", dir, sq_os_strerror(e, why, sizeof why));
    else if (j.rc == SQ_OK && j.n == 0)
        j.rc = sq_fail(ctx, SQ_SEMANTIC, "there is no job's checkpoint in directory %s", dir);
    else if (j.rc == SQ_OK && j.n > 1)
        j.rc = several_jobs(&j);
    else if (j.rc == SQ_OK)
        *job = j.path[0].p;
    sq_free(ctx, j.path);
    return j.rc;
}

sq_rc sq_state_newest(struct sq_ctx *ctx, struct sq_arena *arena, const char *dir, struct sq_span at, const char **path)
{
    struct sq_store_info info;

    SQ_TRY(find_job(ctx, arena, dir, &dir));
    SQ_TRY(sq_store_look(ctx, dir, arena, &info));
    for (uint32_t i = 0; i < info.n; i++)
        if (info.entries[i].status == SQ_STORE_DONE && info.entries[i].path) {
            *path = info.entries[i].path;
            return SQ_OK;
        }
    return sq_fail_at(ctx, SQ_SEMANTIC, at, "job '%.*s' has no checkpoint in %s that is done", SQ_FMT(info.name), dir);
}

/* What was never a checkpoint is not called a damaged one. */
static sq_rc check_kind(struct state *t, struct sq_span at)
{
    const struct sq_os *os = t->ctx->os;
    unsigned char head[72] = {0};
    int fd = os->open(os->arg, t->path, O_RDONLY, 0);
    char why[128];

    if (fd < 0)
        return sq_fail(t->ctx, SQ_IO, "cannot read %s: %s", t->path, sq_os_strerror(fd, why, sizeof why));
    ssize_t n = os->pread(os->arg, fd, head, sizeof head, 0);
    os->close(os->arg, fd);
    if (n < 0)
        return sq_fail(t->ctx, SQ_IO, "cannot read %s: %s", t->path, sq_os_strerror((int)n, why, sizeof why));
    if (memcmp(head, "SQLite format 3", 16) == 0 && memcmp(head + 68, "sqck", 4) == 0)
        return SQ_OK;
    if (memcmp(head + 68, "sqix", 4) == 0) {
        sq_fail_at(t->ctx, SQ_SEMANTIC, at, "%s is the index of a job's checkpoints", t->path);
        return sq_hint(t->ctx, "name its directory");
    }
    sq_fail_at(t->ctx, SQ_SEMANTIC, at, "%s is not a checkpoint, or its beginning was overwritten", t->path);
    return sq_hint(t->ctx, "a checkpoint is a file chk-N.db in the directory of a job, or a savepoint");
}

sq_rc sq_state_show(sqluice_stmt *s)
{
    struct sq_ctx *ctx = &s->db->ctx;
    struct sq_str given = s->ast->text;
    struct state t = {.s = s, .ctx = ctx, .arena = &s->plan_arena};
    struct stat st;
    char why[128];
    const char *path;
    int e;
    sq_rc rc;

    if (!given.p || given.n == 0) {
        sq_fail_at(ctx, SQ_SEMANTIC, s->ast->at, "SHOW CHECKPOINT needs a path");
        return sq_hint(ctx, "SHOW CHECKPOINT 'sqluice-checkpoints/daily': a job's directory, a checkpoint's or a savepoint's file");
    }
    path = sq_str_dup(t.arena, sq_path_local(given)).p;
    if (!path)
        return SQ_NOMEM;
    e = ctx->os->stat(ctx->os->arg, path, &st);
    if (e < 0)
        return sq_fail_at(ctx, SQ_SEMANTIC, s->ast->name.span, "cannot look at checkpoint %s: %s", path, sq_os_strerror(e, why, sizeof why));
    t.path = path;
    if (!S_ISDIR(st.st_mode)) {
        SQ_TRY(check_kind(&t, s->ast->name.span));
        return show_file(&t);
    }
    rc = find_job(ctx, t.arena, path, &path);
    if (rc == SQ_SEMANTIC && ctx->err.span.len == 0)
        ctx->err.span = s->ast->name.span;
    return rc == SQ_OK ? show_dir(&t, path) : rc;
}

/* ---- savepoints ---- */

sq_rc sq_savepoint_place(sqluice *db, const char *path, struct sq_span at, struct sq_buf *out)
{
    const struct sq_os *os = &db->os;
    struct sq_str p = path ? sq_path_local(sq_str_of(path)) : sq_path_local(sq_setting(db->settings, "execution.checkpointing.savepoint-dir"));
    struct stat st;

    SQ_TRY(sq_buf_str(out, p));
    if (!path && p.n && p.p[p.n - 1] != '/')
        return sq_buf_puts(out, "/");
    if (!p.n || os->stat(os->arg, out->p, &st) < 0 || S_ISDIR(st.st_mode))
        return SQ_OK;
    sq_fail_at(&db->ctx, SQ_SEMANTIC, at, "cannot make savepoint %s: there is such a file", out->p);
    return sq_hint(&db->ctx, "name one that is not there yet, or a directory");
}

int sqluice_savepoint(sqluice *db, const char *dir, const char *path, int timeout_ms, const char **file)
{
    struct sq_arena arena;
    struct sq_buf place, made;
    sq_rc rc;

    if (file)
        *file = NULL;
    if (!db)
        return SQLUICE_MISUSE;
    rc = sq_api_enter(db);
    sq_arena_init(&arena, &db->ctx);
    sq_buf_init(&place, &db->ctx);
    sq_buf_init(&made, &db->ctx);
    if (rc == SQ_OK && (!dir || !*dir))
        rc = sq_fail(&db->ctx, SQ_MISUSE, "sqluice_savepoint needs the directory of a job's checkpoints");
    if (rc == SQ_OK)
        rc = find_job(&db->ctx, &arena, dir, &dir);
    if (rc == SQ_OK)
        rc = sq_savepoint_place(db, path, (struct sq_span){0, 0}, &place);
    if (rc == SQ_OK)
        rc = sq_store_request(&db->ctx, dir, place.n ? place.p : NULL, timeout_ms, &made);
    if (rc == SQ_OK) {
        sq_buf_reset(&db->savepoint);
        rc = sq_buf_str(&db->savepoint, sq_buf_view(&made));
    }
    if (rc == SQ_OK && file)
        *file = db->savepoint.p;
    sq_buf_free(&made);
    sq_buf_free(&place);
    sq_arena_free(&arena);
    return sq_api_leave(db, rc, 0);
}
