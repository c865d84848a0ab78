/* SPDX-License-Identifier: Apache-2.0
 *
 * store_write.c: making a checkpoint's file.
 *
 * Chunks go into the table `data` as they come, in one transaction without a journal: SQLite hands 64 KB pages to the system in ascending order, so it
 * is as fast as plain writes. What describes them (operator, seq, checksum, place) waits in memory, 48 bytes each, and is written at the end in the order of
 * operators, with everything else that a checkpoint holds; the last row written is the checksum over all that (sq_store_digest). Then
 *
 *     commit, close, fsync chk-N.db.tmp, rename to chk-N.db, fsync the directory, the line PREPARED in the index (WAL, synchronous=FULL)
 *
 * Killed before the rename: a .tmp file, which the next open removes. Killed between rename and index: store_index.c takes the file for PREPARED. An error
 * removes the file again, so that an epoch whose sq_store_prepared failed does not come back.
 */
#include "executor/checkpoint/store_internal.h"
#include "base/fault.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { BEHIND = 16 << 20 };              /* so many bytes at a time are written behind (os.h) */

struct sq_store_writer {
    struct sq_store *store;
    struct sq_store_db db;
    uint64_t epoch;
    char path[SQ_STORE_PATH], tmp[SQ_STORE_PATH];
    int fd;                              /* of tmp, to write behind; closed after the database, whose locks would go with it */
    int64_t sent[2];
    sqlite3_stmt *insert;
    sq_rc failed;                        /* without a journal a file in which a write failed is good for nothing */
    struct sq_store_chunk *chunks;
    size_t n, cap;
};

/* ---- beginning, chunks ---- */

static sq_rc make_tables(struct sq_store_db *db)
{
    char sql[128];
    for (uint32_t i = 0; i < sq_store_nschema; i++)
        SQ_TRY(sq_store_db_exec(db, sq_store_schema[i]));
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d", SQ_STORE_APPLICATION, SQ_STORE_FORMAT);
    return sq_store_db_exec(db, sql);
}

static sq_rc fail_io(const struct sq_store_writer *w, int e)
{
    char why[128];
    return sq_fail(w->store->ctx, SQ_IO, "cannot write checkpoint %s: %s", w->path, sq_os_strerror(e, why, sizeof why));
}

static sq_rc begin(struct sq_store_writer *w)
{
    struct sq_store *s = w->store;
    SQ_TRY(sq_store_path(s->ctx, w->path, "%s/chk-%llu.db", s->dir, (unsigned long long)w->epoch));
    SQ_TRY(sq_store_path(s->ctx, w->tmp, "%s.tmp", w->path));
    SQ_TRY(sq_store_db_open(s->ctx, &w->db, "checkpoint", w->tmp, SQ_STORE_DB_NEW));
    w->db.path = w->path;
    SQ_TRY(sq_store_db_exec(&w->db, "BEGIN"));
    SQ_TRY(make_tables(&w->db));
    w->fd = s->ctx->os->open(s->ctx->os->arg, w->tmp, O_RDONLY, 0);
    if (w->fd < 0)
        return fail_io(w, w->fd);
    return sq_store_db_prepare(&w->db, "INSERT INTO data VALUES (?, ?)", &w->insert);
}

sq_rc sq_store_begin(struct sq_store *s, uint64_t epoch, struct sq_store_writer **out)
{
    struct sq_arena arena;
    struct sq_store_line *lines;
    uint32_t n;

    *out = NULL;
    SQ_TRY(sq_store_ours(s));
    sq_store_sweep(s);
    sq_arena_init(&arena, s->ctx);
    sq_rc rc = sq_store_index_lines(s, &arena, &lines, &n);
    if (rc == SQ_OK && (s->writer || epoch == 0 || epoch > INT64_MAX))
        rc = sq_fail(s->ctx, SQ_MISUSE, "checkpoint %llu cannot be begun: %s", (unsigned long long)epoch,
                     s->writer ? "another is being written" : "such a number there is not");
    if (rc == SQ_OK && n > 0 && (lines[0].epoch >= epoch || lines[0].status != SQ_STORE_DONE))
        rc = sq_fail(s->ctx, SQ_MISUSE, "checkpoint %llu cannot be begun: there is checkpoint %llu, %s", (unsigned long long)epoch,
                     (unsigned long long)lines[0].epoch, lines[0].status == SQ_STORE_DONE ? "which is done" : "which is prepared and not yet done");
    sq_arena_free(&arena);
    SQ_TRY(rc);
    struct sq_store_writer *w = sq_calloc(s->ctx, sizeof *w);
    if (!w)
        return SQ_NOMEM;
    w->store = s;
    w->epoch = epoch;
    w->fd = -1;
    s->writer = w;
    rc = begin(w);
    if (rc != SQ_OK)
        sq_store_abort(w);
    else
        *out = w;
    return rc;
}

static sq_rc write_behind(struct sq_store_writer *w)
{
    const struct sq_os *os = w->store->ctx->os;
    struct stat st;
    int e = os->stat(os->arg, w->tmp, &st);
    if (e == 0 && st.st_size - w->sent[1] >= BEHIND)
        e = sq_os_write_behind(w->fd, w->sent, st.st_size);
    return e < 0 ? fail_io(w, e) : SQ_OK;
}

static sq_rc add_chunk(struct sq_store_writer *w, struct sq_store_chunk c, const void *p)
{
    SQ_TRY(sq_grow(w->store->ctx, &w->chunks, &w->cap, w->n + 1, sizeof *w->chunks));
    const struct sq_store_value v[] = {SQ_SV_I(c.place), {.type = SQ_SV_BLOB, .s = {p, c.bytes}}};
    SQ_TRY(sq_store_db_run(&w->db, w->insert, v, SQ_LEN(v)));
    w->chunks[w->n++] = c;
    return write_behind(w);
}

sq_rc sq_store_chunk(struct sq_store_writer *w, uint64_t uid, uint32_t worker, uint32_t seq, const void *p, size_t n)
{
    if (w->failed != SQ_OK)
        return sq_fail(w->store->ctx, w->failed, "cannot write checkpoint %s: a write before this one failed", w->path);
    w->failed = add_chunk(w, (struct sq_store_chunk){.uid = uid, .worker = worker, .seq = seq, .bytes = n, .sum = sq_store_hash(p, n),
                                                     .place = (int64_t)w->n + 1}, p);
    return w->failed;
}

/* ---- everything else ---- */

static int by_operator(const void *a, const void *b)
{
    const struct sq_store_chunk *x = a, *y = b;
    if (x->uid != y->uid)
        return x->uid < y->uid ? -1 : 1;
    if (x->worker != y->worker)
        return x->worker < y->worker ? -1 : 1;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

/* The chunks in the order of operators; each operator must have got exactly those it says it has. */
static sq_rc in_order(struct sq_store_writer *w, const struct sq_saved *s, struct sq_store_chunk **out)
{
    struct sq_store_chunk *to = *out = sq_alloc(w->store->ctx, (w->n ? w->n : 1) * sizeof *to);
    size_t n = 0;
    if (!to)
        return SQ_NOMEM;
    if (w->n)
        qsort(w->chunks, w->n, sizeof *w->chunks, by_operator);
    for (uint32_t i = 0; i < s->nops; i++) {
        const struct sq_saved_op *o = &s->ops[i];
        const struct sq_store_chunk key = {.uid = o->uid, .worker = o->worker};
        size_t lo = 0, hi = w->n;
        while (lo < hi) {
            size_t mid = (lo + hi) / 2;
            if (by_operator(&w->chunks[mid], &key) < 0)
                lo = mid + 1;
            else
                hi = mid;
        }
        for (uint32_t seq = 0; seq < o->nchunks; seq++, lo++) {
            if (n == w->n || lo == w->n || w->chunks[lo].uid != o->uid || w->chunks[lo].worker != o->worker || w->chunks[lo].seq != seq)
                return sq_fail(w->store->ctx, SQ_INTERNAL, "checkpoint %llu: chunk %u of %u of operator %.*s, worker %u, was not written",
                               (unsigned long long)w->epoch, seq, o->nchunks, SQ_FMT(o->name), o->worker);
            to[n++] = w->chunks[lo];
        }
    }
    if (n != w->n)
        return sq_fail(w->store->ctx, SQ_INTERNAL, "checkpoint %llu: %zu chunks were written, its operators have %zu", (unsigned long long)w->epoch, w->n, n);
    return SQ_OK;
}

static sq_rc put_chunks(struct sq_store_db *db, const struct sq_saved *s, const struct sq_store_chunk *c)
{
    sqlite3_stmt *st;
    char hex[SQ_STORE_HEX];
    int64_t row = 0;
    SQ_TRY(sq_store_db_prepare(db, "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?)", &st));
    for (uint32_t i = 0; i < s->nops; i++)
        for (uint32_t seq = 0; seq < s->ops[i].nchunks; seq++, c++) {
            const struct sq_store_value v[] = {SQ_SV_I(row++), SQ_SV_I(i), SQ_SV_I(seq), SQ_SV_I(c->bytes), SQ_SV_C(sq_store_hex(c->sum, hex)), SQ_SV_I(c->place)};
            SQ_TRY(sq_store_db_run(db, st, v, SQ_LEN(v)));
        }
    return SQ_OK;
}

static sq_rc put_operators(struct sq_store_db *db, const struct sq_saved *s)
{
    sqlite3_stmt *st;
    char hex[SQ_STORE_HEX];
    SQ_TRY(sq_store_db_prepare(db, "INSERT INTO operators VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &st));
    for (uint32_t i = 0; i < s->nops; i++) {
        const struct sq_saved_op *o = &s->ops[i];
        struct sq_store_value v[] = {
            SQ_SV_I(i), SQ_SV_C(sq_store_hex(o->uid, hex)), SQ_SV_I(o->worker), SQ_SV_I(o->kind), SQ_SV_T(o->name), SQ_SV_I(o->watermark), SQ_SV_I(o->records),
            SQ_SV_I(o->bytes), SQ_SV_I(o->nchunks), SQ_SV_I(o->nsplits), SQ_SV_I(o->pending.n), SQ_SV_B(o->flags),
        };
        if (o->watermark == INT64_MIN)
            v[5].type = SQ_SV_NULL;
        if (!o->has_pending)
            v[10].type = SQ_SV_NULL;
        SQ_TRY(sq_store_db_run(db, st, v, SQ_LEN(v)));
    }
    return SQ_OK;
}

static sq_rc put_splits(struct sq_store_db *db, const struct sq_saved *s)
{
    sqlite3_stmt *st;
    int64_t row = 0;
    SQ_TRY(sq_store_db_prepare(db, "INSERT INTO splits VALUES (?, ?, ?, ?, ?, ?, ?)", &st));
    for (uint32_t i = 0; i < s->nops; i++)
        for (uint32_t k = 0; k < s->ops[i].nsplits; k++) {
            const struct sq_saved_split *p = &s->ops[i].splits[k];
            const struct sq_store_value v[] = {SQ_SV_I(row++), SQ_SV_I(i), SQ_SV_T(p->id), SQ_SV_T(p->shown), SQ_SV_I(p->ended), SQ_SV_B(p->position),
                                               SQ_SV_B(p->payload)};
            SQ_TRY(sq_store_db_run(db, st, v, SQ_LEN(v)));
        }
    return SQ_OK;
}

static sq_rc put_pending(struct sq_store_db *db, const struct sq_saved *s)
{
    sqlite3_stmt *st;
    int64_t row = 0;
    SQ_TRY(sq_store_db_prepare(db, "INSERT INTO pending VALUES (?, ?, ?)", &st));
    for (uint32_t i = 0; i < s->nops; i++) {
        const struct sq_saved_op *o = &s->ops[i];
        for (uint32_t at = 0, n; o->has_pending && at < o->pending.n; at += n) {
            n = o->pending.n - at < SQ_STORE_PART ? o->pending.n - at : SQ_STORE_PART;
            const struct sq_store_value v[] = {SQ_SV_I(row++), SQ_SV_I(i), {.type = SQ_SV_BLOB, .s = {o->pending.p + at, n}}};
            SQ_TRY(sq_store_db_run(db, st, v, SQ_LEN(v)));
        }
    }
    return SQ_OK;
}

static sq_rc put_checkpoint(struct sq_store_db *db, const struct sq_saved *s, size_t nchunks, uint64_t digest)
{
    sqlite3_stmt *st;
    char iso[40], hex[SQ_STORE_HEX];
    const struct sq_store_value rows[][2] = {
        {SQ_SV_C("job"), SQ_SV_T(s->job)},
        {SQ_SV_C("name"), SQ_SV_T(s->name)},
        {SQ_SV_C("epoch"), SQ_SV_I(s->epoch)},
        {SQ_SV_C("taken"), SQ_SV_C(sq_store_iso(s->taken_us, iso))},
        {SQ_SV_C("taken_us"), SQ_SV_I(s->taken_us)},
        {SQ_SV_C("workers"), SQ_SV_I(s->workers)},
        {SQ_SV_C("finished"), SQ_SV_I(s->finished)},
        {SQ_SV_C("decided_by_sink"), SQ_SV_I(s->decided_by_sink)},
        {SQ_SV_C("decider"), SQ_SV_T(s->decider)},
        {SQ_SV_C("plan"), SQ_SV_T(s->plan)},
        {SQ_SV_C("operators"), SQ_SV_I(s->nops)},
        {SQ_SV_C("chunks"), SQ_SV_I(nchunks)},
        {SQ_SV_C("checksum"), SQ_SV_C(sq_store_hex(digest, hex))},
    };
    SQ_TRY(sq_store_db_prepare(db, "INSERT INTO checkpoint VALUES (?, ?)", &st));
    for (size_t i = 0; i < SQ_LEN(rows); i++)
        SQ_TRY(sq_store_db_run(db, st, rows[i], 2));
    return SQ_OK;
}

static sq_rc put_all(struct sq_store_writer *w, const struct sq_saved *s, uint64_t *digest)
{
    struct sq_store_chunk *c;
    sq_rc rc = in_order(w, s, &c);
    if (rc == SQ_OK)
        *digest = sq_store_digest(s, c, w->n);
    if (rc == SQ_OK)
        rc = put_chunks(&w->db, s, c);
    sq_free(w->store->ctx, c);
    SQ_TRY(rc);
    SQ_TRY(put_operators(&w->db, s));
    SQ_TRY(put_splits(&w->db, s));
    SQ_TRY(put_pending(&w->db, s));
    SQ_TRY(put_checkpoint(&w->db, s, w->n, *digest));
    return sq_store_db_exec(&w->db, "COMMIT");
}

/* The file is whole in the page cache: makes it durable under its name, then known. */
static sq_rc publish(struct sq_store_writer *w, const struct sq_saved *saved, uint64_t digest, int64_t *bytes)
{
    struct sq_store *s = w->store;
    struct stat st;
    int e = s->ctx->os->stat(s->ctx->os->arg, w->tmp, &st);
    if (e < 0)
        return fail_io(w, e);
    *bytes = st.st_size;
    SQ_TRY(sq_store_ours(s));
    SQ_FAULT(s->ctx, "store.written");
    sq_rc rc = sq_store_publish(s->ctx, w->tmp, w->path);
    if (rc != SQ_OK) {
        sq_store_unlink(s->ctx, w->path);
        return rc;
    }
    /* Where this fails the line may be there all the same, so the file stays: with a line it is PREPARED, without one whoever opens the store looks at it. */
    return sq_store_index_add(s, &(struct sq_store_line){.epoch = w->epoch, .sum = digest, .status = SQ_STORE_PREPARED, .finished = saved->finished,
                                                           .known = true, .taken_us = saved->taken_us, .bytes = *bytes});
}

sq_rc sq_store_prepared(struct sq_store_writer *w, const struct sq_saved *saved, int64_t *bytes)
{
    struct sq_store *s = w->store;
    uint64_t digest;
    sq_rc rc = SQ_OK;
    if (saved->epoch != w->epoch || !sq_str_is(saved->job, s->job))
        rc = sq_fail(s->ctx, SQ_INTERNAL, "checkpoint %llu of job %s: what is saved is epoch %llu of job %.*s", (unsigned long long)w->epoch, s->job,
                     (unsigned long long)saved->epoch, SQ_FMT(saved->job));
    if (rc == SQ_OK && w->failed != SQ_OK)
        rc = sq_fail(s->ctx, w->failed, "cannot write checkpoint %s: a write before this one failed", w->path);
    if (rc == SQ_OK)
        rc = put_all(w, saved, &digest);
    if (rc == SQ_OK) {
        sq_store_db_close(&w->db);
        rc = publish(w, saved, digest, bytes);
    }
    sq_store_abort(w);                                   /* after success there is nothing to remove */
    return rc;
}

void sq_store_abort(struct sq_store_writer *w)
{
    if (!w)
        return;
    struct sq_store *s = w->store;
    sq_store_db_close(&w->db);
    if (w->fd >= 0)
        s->ctx->os->close(s->ctx->os->arg, w->fd);
    if (w->tmp[0])
        sq_store_unlink(s->ctx, w->tmp);
    s->writer = NULL;
    sq_free(s->ctx, w->chunks);
    sq_free(s->ctx, w);
}
