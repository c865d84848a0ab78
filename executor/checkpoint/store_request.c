/* SPDX-License-Identifier: Apache-2.0
 *
 * store_request.c: savepoints: copying a checkpoint's file, and asking the process that runs a job for one.
 *
 * The asking process (A) and the job (J) meet in the job's directory:
 *   A  writes request-<token>: "savepoint <until> <length>\n<absolute path>"; until is in microseconds since 1970
 *   J  sees the directory's time change, reads it, takes a checkpoint, copies it, writes answer-<token>: "made <length>\n<path>" or "error <length>\n<text>",
 *      removes the request
 *   A  finds the answer, removes it
 * A file whose text is shorter than announced is being written and not looked at. J forgets a request whose time is over, so that one of a dead process does
 * not make a savepoint later; answers that nobody took are removed when they are an hour old. A never waits for a dead J: between looks at the answer it tries to
 * take the lock. With the lock it is alone, takes its request back and copies the newest DONE checkpoint. A request that is gone without an answer is an error.
 */
#include "executor/checkpoint/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    COPY_BYTES = 1 << 20,
    POLL_US = 20000,
    GRACE_US = 1000000,                  /* the job takes a request away only when who asked has given up */
    NOTE_BYTES = 4096 + SQ_STORE_PATH,   /* of a request or an answer */
    RACY_US = 2000000,                   /* a directory's time this new may stay the same when it changes once more */
    TORN_US = 60000000                   /* a request that is not whole after so long never will be */
};

/* ---- copying ---- */

static sq_rc copy_bytes(struct sq_ctx *ctx, const char *from, int in, const char *to, int out, char *buf)
{
    const struct sq_os *os = ctx->os;
    char why[128];
    for (int64_t at = 0;;) {
        ssize_t n = os->pread(os->arg, in, buf, COPY_BYTES, at);
        if (n < 0)
            return sq_fail(ctx, SQ_IO, "cannot read checkpoint %s: %s", from, sq_os_strerror((int)n, why, sizeof why));
        if (n == 0)
            return SQ_OK;
        SQ_TRY(sq_os_write_all(ctx, out, to, buf, (size_t)n));
        at += n;
    }
}

static sq_rc copy_file(struct sq_ctx *ctx, const char *from, const char *to, const char *tmp)
{
    const struct sq_os *os = ctx->os;
    char why[128], *buf = sq_alloc(ctx, COPY_BYTES);
    if (!buf)
        return SQ_NOMEM;
    sq_rc rc = SQ_OK;
    int out = -1, in = os->open(os->arg, from, O_RDONLY, 0);
    if (in < 0)
        rc = sq_fail(ctx, SQ_IO, "cannot read checkpoint %s: %s", from, sq_os_strerror(in, why, sizeof why));
    if (rc == SQ_OK && (out = os->open(os->arg, tmp, O_CREAT | O_EXCL | O_WRONLY, 0600)) < 0)
        rc = sq_fail(ctx, SQ_IO, "cannot make savepoint %s: %s", to, sq_os_strerror(out, why, sizeof why));
    if (rc == SQ_OK)
        rc = copy_bytes(ctx, from, in, to, out, buf);
    if (in >= 0)
        os->close(os->arg, in);
    int closed = out >= 0 ? os->close(os->arg, out) : 0;
    if (rc == SQ_OK && closed < 0)
        rc = sq_fail(ctx, SQ_IO, "cannot write savepoint %s: %s", to, sq_os_strerror(closed, why, sizeof why));
    sq_free(ctx, buf);
    return rc;
}

/* The copy is read whole before it gets its name: a savepoint is for later, when there is no other. */
static sq_rc verify(struct sq_ctx *ctx, const char *path)
{
    struct sq_store_reader *r;
    struct sq_saved saved;
    SQ_TRY(sq_store_read(ctx, path, &r, &saved));
    sq_rc rc = sq_store_read_all(r, false);
    sq_store_reader_close(r);
    return rc;
}

sq_rc sq_store_copy(struct sq_ctx *ctx, const char *from, const char *to)
{
    char tmp[SQ_STORE_PATH], dir[SQ_STORE_PATH], why[128];
    const char *slash = strrchr(to, '/');
    struct stat st;

    SQ_TRY(sq_store_path(ctx, tmp, "%s.tmp", to));
    if (slash && slash != to) {
        SQ_TRY(sq_store_path(ctx, dir, "%.*s", (int)(slash - to), to));
        SQ_TRY(sq_os_mkdirs_private(ctx, dir));
    }
    int e = ctx->os->stat(ctx->os->arg, to, &st);
    if (e != -ENOENT)
        return sq_fail(ctx, SQ_IO, "cannot make savepoint %s: %s", to, e < 0 ? sq_os_strerror(e, why, sizeof why) : "there is such a file");
    sq_store_unlink(ctx, tmp);
    sq_rc rc = copy_file(ctx, from, to, tmp);
    if (rc == SQ_OK) {
        rc = verify(ctx, tmp);
        if (rc == SQ_DATA)
            sq_wrap(ctx, "cannot copy checkpoint %s to savepoint %s", from, to);
    }
    if (rc == SQ_OK)
        rc = sq_store_publish(ctx, tmp, to);
    if (rc != SQ_OK)
        sq_store_unlink(ctx, tmp);
    return rc;
}

sq_rc sq_store_savepoint_path(struct sq_ctx *ctx, const char *path, uint64_t epoch, struct sq_buf *out)
{
    enum { MOST = 1000 };
    size_t n = strlen(path);
    struct stat st;
    if (!(n && path[n - 1] == '/') && !(ctx->os->stat(ctx->os->arg, path, &st) == 0 && S_ISDIR(st.st_mode)))
        return sq_buf_puts(out, path);
    const size_t begin = out->n;
    for (int i = 1; i <= MOST; i++) {
        out->n = begin;
        sq_buf_printf(out, "%s%ssavepoint-%llu", path, n && path[n - 1] == '/' ? "" : "/", (unsigned long long)epoch);
        if (i > 1)
            sq_buf_printf(out, "-%d", i);
        SQ_TRY(sq_buf_puts(out, ".db"));
        if (ctx->os->stat(ctx->os->arg, out->p + begin, &st) == -ENOENT)
            return SQ_OK;
    }
    out->n = begin;
    return sq_fail(ctx, SQ_IO, "directory %s has %d savepoints of checkpoint %llu", path, MOST, (unsigned long long)epoch);
}

/* ---- small files ---- */

static sq_rc write_note(struct sq_ctx *ctx, const char *path, const char *text)
{
    const struct sq_os *os = ctx->os;
    char why[128];
    int fd = os->open(os->arg, path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (fd < 0)
        return sq_fail(ctx, SQ_IO, "cannot write %s: %s", path, sq_os_strerror(fd, why, sizeof why));
    sq_rc rc = sq_os_write_all(ctx, fd, path, text, strlen(text));
    os->close(os->arg, fd);
    if (rc != SQ_OK)
        sq_store_unlink(ctx, path);
    return rc;
}

/* The file's bytes and a 0; false: it is not there, or larger than any of ours. */
static bool read_note(struct sq_ctx *ctx, const char *path, char buf[NOTE_BYTES])
{
    const struct sq_os *os = ctx->os;
    int fd = os->open(os->arg, path, O_RDONLY, 0);
    if (fd < 0)
        return false;
    ssize_t n = os->pread(os->arg, fd, buf, NOTE_BYTES, 0);
    os->close(os->arg, fd);
    if (n < 0 || n >= NOTE_BYTES)
        return false;
    buf[n] = 0;
    return true;
}

/* "<word> [<number>] <length>\n<text>": the text, when all of it is there. */
static const char *note_text(const char *buf, const char *word, int64_t *number)
{
    const size_t n = strlen(word);
    if (strncmp(buf, word, n) != 0 || buf[n] != ' ')
        return NULL;
    char *end = (char *)(uintptr_t)buf + n;
    if (number)
        *number = strtoll(end, &end, 10);
    unsigned long long length = strtoull(end, &end, 10);
    return *end == '\n' && strlen(end + 1) == length ? end + 1 : NULL;
}

/* ---- the process that asks ---- */

struct asking {
    struct sq_ctx *ctx;
    const char *dir;
    char path[SQ_STORE_PATH];            /* absolute */
    char request[SQ_STORE_PATH], answer[SQ_STORE_PATH], lock[SQ_STORE_PATH];
    bool asked;
    struct sq_buf *made;
};

/* The job has another working directory. */
static sq_rc absolute(struct sq_ctx *ctx, const char *path, char out[SQ_STORE_PATH])
{
    char cwd[SQ_STORE_PATH], why[128];
    if (path[0] == '/')
        return sq_store_path(ctx, out, "%s", path);
    int e = ctx->os->cwd(ctx->os->arg, cwd, sizeof cwd);
    if (e < 0)
        return sq_fail(ctx, SQ_IO, "cannot find the working directory: %s", sq_os_strerror(e, why, sizeof why));
    return sq_store_path(ctx, out, "%s/%s", cwd, path);
}

static sq_rc begin_asking(struct asking *a, const char *path)
{
    struct sq_ctx *ctx = a->ctx;
    uint64_t token;
    char hex[SQ_STORE_HEX];
    ctx->os->random(ctx->os->arg, &token, sizeof token);
    sq_store_hex(token, hex);
    SQ_TRY(absolute(ctx, path ? path : a->dir, a->path));
    SQ_TRY(sq_store_path(ctx, a->request, "%s/request-%s", a->dir, hex));
    SQ_TRY(sq_store_path(ctx, a->answer, "%s/answer-%s", a->dir, hex));
    return sq_store_path(ctx, a->lock, "%s/lock", a->dir);
}

static sq_rc ask(struct asking *a, int64_t timeout_ms)
{
    char text[SQ_STORE_PATH + 64];
    const int64_t until = a->ctx->os->now_us(a->ctx->os->arg) + timeout_ms * 1000 + GRACE_US;
    snprintf(text, sizeof text, "savepoint %" PRId64 " %zu\n%s", until, strlen(a->path), a->path);
    SQ_TRY(write_note(a->ctx, a->request, text));
    a->asked = true;
    return SQ_OK;
}

/* True when there is an answer, which is then in `made` or in the context's error. */
static bool answered(struct asking *a, sq_rc *rc)
{
    char buf[NOTE_BYTES];
    if (!read_note(a->ctx, a->answer, buf))
        return false;
    const char *made = note_text(buf, "made", NULL), *error = note_text(buf, "error", NULL);
    if (made)
        *rc = sq_buf_puts(a->made, made);
    else if (error)
        *rc = sq_fail(a->ctx, SQ_EXTERNAL, "the job could not make the savepoint: %s", error);
    else
        return false;
    sq_store_unlink(a->ctx, a->answer);
    return true;
}

/* The newest that is done and there. */
static sq_rc newest_done(struct sq_ctx *ctx, struct sq_store *s, struct sq_arena *arena, struct sq_store_entry *out)
{
    struct sq_store_entry *e;
    uint32_t n, i = 0;
    SQ_TRY(sq_store_list(s, arena, &e, &n));
    while (i < n && (e[i].status != SQ_STORE_DONE || !e[i].path))
        i++;
    if (i == n)
        return sq_fail(ctx, SQ_EXTERNAL, "no process runs the job of %s, and it has no checkpoint that is done", s->dir);
    if (i > 0)
        sq_notice(ctx, "checkpoint %llu of %s is not done, for the job did not end by itself: checkpoint %llu is taken; should sinks have got further, run the "
                  "job once more first", (unsigned long long)e[0].epoch, s->dir, (unsigned long long)e[i].epoch);
    *out = e[i];
    return SQ_OK;
}

static sq_rc copy_newest(struct sq_ctx *ctx, struct sq_store *s, struct sq_arena *arena, const char *path, struct sq_buf *made)
{
    struct sq_store_entry e;
    struct sq_buf to = {.ctx = ctx};
    SQ_TRY(newest_done(ctx, s, arena, &e));
    sq_rc rc = sq_store_savepoint_path(ctx, path, e.epoch, &to);
    if (rc == SQ_OK)
        rc = sq_store_copy(ctx, e.path, to.p);
    if (rc == SQ_OK)
        rc = sq_buf_puts(made, to.p);
    sq_buf_free(&to);
    return rc;
}

/* Nobody has the lock but us. The job may have answered and ended just before. */
static sq_rc alone(struct asking *a, struct sq_store *s)
{
    struct sq_arena arena;
    sq_rc rc;
    sq_store_unlink(a->ctx, a->request);
    if (a->asked && answered(a, &rc))
        return rc;
    sq_arena_init(&arena, a->ctx);
    rc = copy_newest(a->ctx, s, &arena, a->path, a->made);
    sq_arena_free(&arena);
    return rc;
}

static sq_rc too_late(struct asking *a, int64_t timeout_ms)
{
    sq_fail(a->ctx, SQ_EXTERNAL, "process %lld has not made the savepoint within %lld ms", (long long)sq_store_holder(a->ctx, a->lock), (long long)timeout_ms);
    return sq_hint(a->ctx, "a savepoint is a checkpoint: it waits until every row before it has reached the sinks; ask again with more time");
}

static sq_rc wait_for_answer(struct asking *a, int64_t timeout_ms)
{
    const struct sq_os *os = a->ctx->os;
    const int64_t begun = os->mono_ns(os->arg);
    for (;;) {
        struct sq_store *s;
        struct stat st;
        bool used = false;
        sq_rc rc;
        if (a->asked && answered(a, &rc))
            return rc;
        SQ_TRY(sq_store_enter(a->ctx, a->dir, (struct sq_str){NULL, 0}, SQ_STORE_IF_FREE, &used, &s));
        if (!used) {
            rc = alone(a, s);
            sq_store_close(s);
            return rc;
        }
        if (!a->asked)
            SQ_TRY(ask(a, timeout_ms));
        else if (os->stat(os->arg, a->request, &st) == -ENOENT)
            return answered(a, &rc) ? rc : sq_fail(a->ctx, SQ_EXTERNAL, "the job of %s took the request for a savepoint away without an answer", a->dir);
        SQ_TRY(sq_check_interrupt(a->ctx));
        if ((os->mono_ns(os->arg) - begun) / 1000000 >= timeout_ms)
            return too_late(a, timeout_ms);
        os->sleep_us(os->arg, POLL_US);
    }
}

sq_rc sq_store_request(struct sq_ctx *ctx, const char *dir, const char *path, int64_t timeout_ms, struct sq_buf *made)
{
    struct asking a = {.ctx = ctx, .dir = dir, .made = made};
    SQ_TRY(begin_asking(&a, path));
    sq_rc rc = wait_for_answer(&a, timeout_ms);
    if (a.asked)
        sq_store_unlink(ctx, a.request);
    return rc;
}

sq_rc sq_store_newest(struct sq_ctx *ctx, const char *dir, struct sq_buf *path)
{
    char lock[SQ_STORE_PATH];
    struct sq_store *s;
    struct sq_store_entry e;
    struct sq_arena arena;
    bool used = false;
    SQ_TRY(sq_store_path(ctx, lock, "%s/lock", dir));
    SQ_TRY(sq_store_enter(ctx, dir, (struct sq_str){NULL, 0}, SQ_STORE_IF_FREE, &used, &s));
    if (used) {
        sq_fail(ctx, SQ_EXTERNAL, "checkpoint directory %s is used by process %lld, which will remove its checkpoints", dir, (long long)sq_store_holder(ctx, lock));
        return sq_hint(ctx, "ask it for a savepoint, and take that");
    }
    sq_arena_init(&arena, ctx);
    sq_rc rc = newest_done(ctx, s, &arena, &e);
    if (rc == SQ_OK)
        rc = sq_buf_puts(path, e.path);
    sq_arena_free(&arena);
    sq_store_close(s);
    return rc;
}

/* ---- the job ---- */

struct look { struct sq_store *s; struct sq_arena *arena; const char *path, *token; int64_t now_us; sq_rc rc; };

/* The first by name of the requests that are whole and in time. */
static int on_request(void *arg, const char *name)
{
    struct look *l = arg;
    struct sq_ctx *ctx = l->s->ctx;
    char file[SQ_STORE_PATH], buf[NOTE_BYTES];
    int64_t until = 0;
    uint64_t token;
    struct stat st;

    if (strncmp(name, "request-", 8) != 0 || !sq_store_unhex(sq_str_of(name + 8), &token) || (l->token && strcmp(l->token, name + 8) < 0))
        return 0;
    if (snprintf(file, sizeof file, "%s/%s", l->s->dir, name) >= (int)sizeof file || !read_note(ctx, file, buf))
        return 0;
    const char *path = note_text(buf, "savepoint", &until);
    if (!path && ctx->os->stat(ctx->os->arg, file, &st) == 0)
        until = (int64_t)st.st_mtime * 1000000 + TORN_US;
    if (until < l->now_us) {
        sq_store_unlink(ctx, file);
        return 0;
    }
    if (!path)
        return 0;
    l->path = sq_str_dup(l->arena, sq_str_of(path)).p;
    l->token = sq_str_dup(l->arena, sq_str_of(name + 8)).p;
    l->rc = l->path && l->token ? SQ_OK : SQ_NOMEM;
    return l->rc != SQ_OK;
}

sq_rc sq_store_requested(struct sq_store *s, struct sq_arena *arena, const char **path, const char **token)
{
    const struct sq_os *os = s->ctx->os;
    struct look l = {.s = s, .arena = arena, .now_us = os->now_us(os->arg)};
    struct stat st;
    char why[128];

    *path = *token = NULL;
    int rc = os->stat(os->arg, s->dir, &st);
    if (rc >= 0 && s->quiet && st.st_mtim.tv_sec == s->seen.tv_sec && st.st_mtim.tv_nsec == s->seen.tv_nsec)
        return SQ_OK;
    s->quiet = false;
    if (rc >= 0)
        rc = os->list(os->arg, s->dir, on_request, &l);
    if (rc < 0)
        return sq_fail(s->ctx, SQ_IO, "cannot read directory %s: %s", s->dir, sq_os_strerror(rc, why, sizeof why));
    SQ_TRY(l.rc);
    s->seen = st.st_mtim;
    s->quiet = !l.token && (int64_t)st.st_mtim.tv_sec * 1000000 + RACY_US < l.now_us;
    *path = l.path;
    *token = l.token;
    return SQ_OK;
}

sq_rc sq_store_answer(struct sq_store *s, const char *token, const char *made, const char *error)
{
    char request[SQ_STORE_PATH], answer[SQ_STORE_PATH], text[NOTE_BYTES];
    struct stat st;
    const char *say = made ? made : error;
    SQ_TRY(sq_store_path(s->ctx, request, "%s/request-%s", s->dir, token));
    SQ_TRY(sq_store_path(s->ctx, answer, "%s/answer-%s", s->dir, token));
    if (s->ctx->os->stat(s->ctx->os->arg, request, &st) == -ENOENT)
        return SQ_OK;                                    /* nobody waits any more */
    const size_t n = strlen(say) < SQ_STORE_PATH ? strlen(say) : SQ_STORE_PATH - 1;
    snprintf(text, sizeof text, "%s %zu\n%.*s", made ? "made" : "error", n, (int)n, say);
    sq_rc rc = write_note(s->ctx, answer, text);
    sq_store_unlink(s->ctx, request);
    return rc;
}
