/* SPDX-License-Identifier: Apache-2.0
 *
 * store_kit.h: for the tests of the checkpoint store: a directory, a context whose outside world can be made to fail, checkpoints made by a seed.
 */
#ifndef SQ_TESTS_STORE_KIT_H
#define SQ_TESTS_STORE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "executor/checkpoint/store_internal.h"

/* ---- the world: every call of the outside is counted; the n-th fails ---- */

struct world {
    struct sq_budget budget;
    struct sq_ctx ctx;
    struct sq_os os;
    struct sq_arena arena;
    char dir[64], job_dir[96];
    char notices[4096];
    long calls, fail_at;                  /* 0: none */
    int error;                            /* -EIO */
    bool after_too;                       /* all later ones fail as well */
    int64_t now_us;                       /* 0: the real clock */
    char trace[64];                       /* what made something durable, in order: F fsync, R rename; S a sync of SQLite (sqlite_faults.h) */
};

static inline bool w_fails(void *arg)
{
    struct world *w = arg;
    w->calls++;
    return w->fail_at && (w->calls == w->fail_at || (w->after_too && w->calls > w->fail_at));
}

static inline void w_trace(char *trace, char c)
{
    size_t n = strlen(trace);
    if (n + 1 < sizeof((struct world *)0)->trace)
        trace[n] = c, trace[n + 1] = 0;
}

#define W_REAL (&sq_os_posix)
static inline int64_t w_now(void *a) { struct world *w = a; return w->now_us ? w->now_us : W_REAL->now_us(NULL); }
static inline int w_open(void *a, const char *p, int f, mode_t m) { return w_fails(a) ? ((struct world *)a)->error : W_REAL->open(NULL, p, f, m); }
static inline ssize_t w_pread(void *a, int fd, void *p, size_t n, int64_t at) { return w_fails(a) ? ((struct world *)a)->error : W_REAL->pread(NULL, fd, p, n, at); }
static inline ssize_t w_write(void *a, int fd, const void *p, size_t n) { return w_fails(a) ? ((struct world *)a)->error : W_REAL->write(NULL, fd, p, n); }
static inline int w_fsync(void *a, int fd) { w_trace(((struct world *)a)->trace, 'F'); return w_fails(a) ? ((struct world *)a)->error : W_REAL->fsync(NULL, fd); }
static inline int w_close(void *a, int fd) { int rc = W_REAL->close(NULL, fd); return w_fails(a) ? ((struct world *)a)->error : rc; }
static inline int w_stat(void *a, const char *p, struct stat *st) { return w_fails(a) ? ((struct world *)a)->error : W_REAL->stat(NULL, p, st); }
static inline int w_rename(void *a, const char *f, const char *t) { w_trace(((struct world *)a)->trace, 'R'); return w_fails(a) ? ((struct world *)a)->error : W_REAL->rename(NULL, f, t); }
static inline int w_unlink(void *a, const char *p) { return w_fails(a) ? ((struct world *)a)->error : W_REAL->unlink(NULL, p); }
static inline int w_mkdir(void *a, const char *p, mode_t m) { return w_fails(a) ? ((struct world *)a)->error : W_REAL->mkdir(NULL, p, m); }
static inline int w_lock(void *a, int fd) { return w_fails(a) ? ((struct world *)a)->error : W_REAL->lock(NULL, fd); }
static inline int w_cwd(void *a, char *b, size_t n) { return w_fails(a) ? ((struct world *)a)->error : W_REAL->cwd(NULL, b, n); }
static inline int w_list(void *a, const char *p, int (*fn)(void *, const char *), void *arg)
{
    return w_fails(a) ? ((struct world *)a)->error : W_REAL->list(NULL, p, fn, arg);
}

static inline void w_note(void *arg, const char *text)
{
    struct world *w = arg;
    size_t n = strlen(w->notices);
    snprintf(w->notices + n, sizeof w->notices - n, "%s\n", text);
}

static inline void w_begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->os = sq_os_posix;
    w->os.arg = w;
    w->os.now_us = w_now;
    w->os.open = w_open, w->os.pread = w_pread, w->os.write = w_write, w->os.fsync = w_fsync, w->os.close = w_close, w->os.stat = w_stat;
    w->os.rename = w_rename, w->os.unlink = w_unlink, w->os.mkdir = w_mkdir, w->os.lock = w_lock, w->os.cwd = w_cwd, w->os.list = w_list;
    w->ctx = (struct sq_ctx){.budget = &w->budget, .os = &w->os, .notice = w_note, .notice_arg = w};
    w->error = -EIO;
    sq_arena_init(&w->arena, &w->ctx);
    snprintf(w->dir, sizeof w->dir, "%s/sq_storeXXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");   /* in memory fsync costs nothing */
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->job_dir, sizeof w->job_dir, "%s/a/job", w->dir);
}

static inline void w_shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void w_shell(const char *fmt, ...)
{
    char cmd[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    assert_int_equal(system(cmd), 0);
}

static inline void w_end(struct world *w)
{
    sq_arena_free(&w->arena);
    assert_int_equal(w->budget.used, 0);
    w_shell("chmod -R u+rwx %s; rm -rf %s", w->dir, w->dir);
}

static inline void w_ok(struct world *w, sq_rc rc)
{
    if (rc != SQ_OK)
        print_error("%s\n", w->ctx.err.msg);
    assert_int_equal(rc, SQ_OK);
}

/* The call failed with this code and a message that has this text. */
static inline void w_bad(struct world *w, sq_rc rc, sq_rc want, const char *text)
{
    if (rc != want || !strstr(w->ctx.err.msg, text))
        print_error("rc %d: %s\nwanted %d: %s\n", rc, w->ctx.err.msg, want, text);
    assert_int_equal(rc, want);
    assert_non_null(strstr(w->ctx.err.msg, text));
}

static inline bool w_exists(struct world *w, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", w->job_dir, name);
    return access(path, F_OK) == 0;
}

static inline int w_count(void *arg, const char *name) { (void)name; ++*(int *)arg; return 0; }
static inline int w_files(struct world *w)
{
    int n = 0;
    assert_int_equal(W_REAL->list(NULL, w->job_dir, w_count, &n), 0);
    return n;
}

/* ---- checkpoints ---- */

static inline uint64_t w_random(uint64_t *s)
{
    *s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
    return *s;
}

static inline struct sq_str w_bytes(struct sq_arena *a, uint64_t *seed, uint32_t n)
{
    uint64_t *p = sq_arena_get(a, n + 8, 8);
    assert_non_null(p);
    for (uint32_t i = 0; i < n; i += 8)
        p[i / 8] = w_random(seed);
    return (struct sq_str){(const char *)p, n};
}

struct w_chunks { struct sq_str **of; };  /* of[op][seq] */

/* A checkpoint with everything in it: operators on two workers, with and without chunks, splits, pending. */
static inline struct sq_saved w_saved(struct sq_arena *a, struct sq_store *s, uint64_t epoch, uint64_t seed, struct w_chunks *chunks)
{
    enum { OPS = 6 };
    struct sq_saved v = {.job = s ? sq_str_dup(a, sq_store_job(s)) : SQ_STR("00000000-0000-4000-8000-000000000000"), .name = SQ_STR("a job's name"), .epoch = epoch,
                         .taken_us = 1700000000000000 + (int64_t)epoch, .workers = 2, .finished = epoch % 5 == 0, .decided_by_sink = true,
                         .decider = SQ_STR("out"), .plan = SQ_STR("Sink(out)\n  GroupAggregate\n    Scan(in)\n"), .nops = OPS};
    v.ops = SQ_NEW_ARRAY(a, struct sq_saved_op, OPS);
    chunks->of = SQ_NEW_ARRAY(a, struct sq_str *, OPS);
    assert_non_null(v.ops);
    seed = seed * 2654435761u + epoch + 1;
    for (uint32_t i = 0; i < OPS; i++) {
        struct sq_saved_op *o = &v.ops[i];
        *o = (struct sq_saved_op){.uid = 0xfedcba9876543210u - i / 2, .worker = i % 2, .kind = i, .name = sq_str_of(sq_arena_printf(a, "Op(%u, [ä])", i / 2)),
                                  .flags = w_bytes(a, &seed, i * 7), .watermark = i % 3 ? 1700000000000000 + i : INT64_MIN, .records = i * 1000, .bytes = UINT64_MAX - i};
        o->nchunks = i < 2 ? 0 : i < 4 ? 2 : 3;
        chunks->of[i] = SQ_NEW_ARRAY(a, struct sq_str, o->nchunks);
        for (uint32_t c = 0; c < o->nchunks; c++)
            chunks->of[i][c] = w_bytes(a, &seed, c == 1 ? 0 : (uint32_t)(w_random(&seed) % 100000));
        o->nsplits = i < 2 ? 2 + i : 0;
        o->splits = o->nsplits ? SQ_NEW_ARRAY(a, struct sq_saved_split, o->nsplits) : NULL;
        for (uint32_t k = 0; k < o->nsplits; k++)
            o->splits[k] = (struct sq_saved_split){.id = sq_str_of(sq_arena_printf(a, "topic-%u", k)), .payload = w_bytes(a, &seed, k * 9),
                                                   .position = w_bytes(a, &seed, k * 8), .shown = SQ_STR("offset 7"), .ended = k == 1};
        o->has_pending = i >= 4;
        if (i == 5)
            o->pending = w_bytes(a, &seed, 100000);
    }
    return v;
}

static inline sq_rc w_try_write(struct sq_store *s, const struct sq_saved *v, const struct w_chunks *chunks, int64_t *bytes)
{
    struct sq_store_writer *w;
    SQ_TRY(sq_store_begin(s, v->epoch, &w));
    for (uint32_t seq = 0; seq < 4; seq++)               /* operators in turn, backwards */
        for (uint32_t i = v->nops; i-- > 0;)
            if (seq < v->ops[i].nchunks) {
                const struct sq_str c = chunks->of[i][seq];
                sq_rc rc = sq_store_chunk(w, v->ops[i].uid, v->ops[i].worker, seq, c.p, c.n);
                if (rc != SQ_OK) {
                    sq_store_abort(w);
                    return rc;
                }
            }
    return sq_store_prepared(w, v, bytes);
}

/* Writes the checkpoint of an epoch, PREPARED. */
static inline sq_rc w_put(struct world *w, struct sq_store *s, uint64_t epoch)
{
    struct sq_arena a;
    struct w_chunks chunks;
    int64_t bytes;
    sq_arena_init(&a, &w->ctx);
    struct sq_budget *keep = w->ctx.budget;
    w->ctx.budget = NULL;                                /* what the test takes for itself never fails */
    sq_arena_init(&a, &w->ctx);
    struct sq_saved v = w_saved(&a, s, epoch, 1, &chunks);
    w->ctx.budget = keep;
    sq_rc rc = w_try_write(s, &v, &chunks, &bytes);
    w->ctx.budget = NULL;
    sq_arena_free(&a);
    w->ctx.budget = keep;
    return rc;
}

static inline void w_make(struct world *w, struct sq_store *s, uint64_t epoch, uint32_t retained)
{
    w_ok(w, w_put(w, s, epoch));
    w_ok(w, sq_store_done(s, epoch, retained));
}

static inline void w_str_equal(struct sq_str a, struct sq_str b)
{
    assert_int_equal(a.n, b.n);
    if (a.n)
        assert_memory_equal(a.p, b.p, a.n);
}

static inline void w_saved_equal(const struct sq_saved *a, const struct sq_saved *b)
{
    w_str_equal(a->job, b->job);
    w_str_equal(a->name, b->name);
    w_str_equal(a->decider, b->decider);
    w_str_equal(a->plan, b->plan);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->taken_us, b->taken_us);
    assert_int_equal(a->workers, b->workers);
    assert_int_equal(a->finished, b->finished);
    assert_int_equal(a->decided_by_sink, b->decided_by_sink);
    assert_int_equal(a->nops, b->nops);
    for (uint32_t i = 0; i < a->nops; i++) {
        const struct sq_saved_op *x = &a->ops[i], *y = &b->ops[i];
        assert_true(x->uid == y->uid && x->kind == y->kind && x->worker == y->worker && x->watermark == y->watermark && x->records == y->records);
        assert_true(x->bytes == y->bytes && x->nchunks == y->nchunks && x->nsplits == y->nsplits && x->has_pending == y->has_pending);
        w_str_equal(x->name, y->name);
        w_str_equal(x->flags, y->flags);
        if (x->has_pending)
            w_str_equal(x->pending, y->pending);
        for (uint32_t k = 0; k < x->nsplits; k++) {
            w_str_equal(x->splits[k].id, y->splits[k].id);
            w_str_equal(x->splits[k].payload, y->splits[k].payload);
            w_str_equal(x->splits[k].position, y->splits[k].position);
            w_str_equal(x->splits[k].shown, y->splits[k].shown);
            assert_int_equal(x->splits[k].ended, y->splits[k].ended);
        }
    }
}

/* Opens, verifies and compares the checkpoint of an epoch with what w_make wrote. */
static inline void w_check(struct world *w, struct sq_store *s, uint64_t epoch)
{
    struct sq_arena a;
    struct w_chunks chunks;
    struct sq_store_reader *r;
    struct sq_saved have;
    sq_arena_init(&a, &w->ctx);
    struct sq_saved want = w_saved(&a, s, epoch, 1, &chunks);
    w_ok(w, sq_store_get(s, epoch, &r, &have));
    w_ok(w, sq_store_verify(r));
    w_saved_equal(&want, &have);
    for (uint32_t i = have.nops; i-- > 0;)
        for (uint32_t seq = 0; seq < have.ops[i].nchunks; seq++) {
            struct sq_str bytes;
            w_ok(w, have.chunk(have.arg, i, seq, &bytes));
            w_str_equal(bytes, chunks.of[i][seq]);
        }
    sq_store_reader_close(r);
    sq_arena_free(&a);
}

/* "7P 6 5f": newest first; P prepared, f finished, ? without a file */
static inline const char *w_list_text(struct world *w, struct sq_store *s)
{
    struct sq_store_entry *e;
    struct sq_buf b = {.ctx = &w->ctx};
    uint32_t n;
    w_ok(w, sq_store_list(s, &w->arena, &e, &n));
    for (uint32_t i = 0; i < n; i++)
        sq_buf_printf(&b, "%s%llu%s%s%s", i ? " " : "", (unsigned long long)e[i].epoch, e[i].status == SQ_STORE_PREPARED ? "P" : "", e[i].finished ? "f" : "",
                      e[i].path ? "" : "?");
    const char *text = sq_str_dup(&w->arena, sq_buf_view(&b)).p;
    sq_buf_free(&b);
    return text;
}

static inline struct sq_store *w_open_store(struct world *w)
{
    struct sq_store *s;
    w_ok(w, sq_store_open(&w->ctx, w->job_dir, SQ_STR("a job's name"), &s));
    return s;
}

#endif
