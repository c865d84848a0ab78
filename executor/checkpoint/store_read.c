/* SPDX-License-Identifier: Apache-2.0
 *
 * store_read.c: the layout of a checkpoint's file, and reading one that is not trusted.
 *
 * What a file must be, each looked at in this order: a SQLite file with our mark and version; as long as its header says; with exactly our tables, word for
 * word (a view or a trigger in place of a table could do anything); the rows of each table numbered from 0 without gaps, as many as announced, those of an
 * operator together; and all of that, the checksums of chunks included, with the checksum it was written with. So after sq_store_read every value is as it was
 * written, and what is left to check is the chunks' own bytes: when each is read.
 *
 * Arrays grow with the rows that are really there, and what a file announces is compared with its length before memory is taken for it. Rows are read in rowid order and the first one that is out of order
 * ends the reading, so that a b-tree whose pages lead in circles cannot keep us busy.
 */
#include "executor/checkpoint/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

const char *const sq_store_schema[] = {
    "CREATE TABLE checkpoint( -- of the whole; 'checksum' is over all but the bytes in data, which have their own in chunks\n"
    "  key TEXT, value)",
    "CREATE TABLE operators( -- each on each worker\n"
    "  op INTEGER PRIMARY KEY,\n"
    "  uid TEXT, -- of the plan's node: a hash of its structure\n"
    "  worker INTEGER,\n"
    "  kind INTEGER,\n"
    "  name TEXT, -- as EXPLAIN shows it; of a sink the table\n"
    "  watermark INTEGER, -- microseconds since 1970 UTC; NULL: none\n"
    "  records INTEGER, bytes INTEGER, -- of its state\n"
    "  chunks INTEGER, splits INTEGER, -- how many rows there\n"
    "  pending INTEGER, -- sinks: bytes that wait for the commit; NULL: none\n"
    "  flags BLOB)",
    "CREATE TABLE splits( -- of sources, and where each goes on\n"
    "  split INTEGER PRIMARY KEY, op INTEGER,\n"
    "  id TEXT, shown TEXT, -- the position for people\n"
    "  ended INTEGER, position BLOB, payload BLOB)",
    "CREATE TABLE chunks( -- of operators' state\n"
    "  chunk INTEGER PRIMARY KEY, op INTEGER, seq INTEGER, bytes INTEGER,\n"
    "  checksum TEXT, -- XXH3, 64 bits\n"
    "  place INTEGER -- in data\n"
    ")",
    "CREATE TABLE data( -- the chunks' bytes: records of u32 key group, u64 length, bytes; little-endian\n"
    "  place INTEGER PRIMARY KEY, content BLOB)",
    "CREATE TABLE pending( -- what sinks commit next, in parts\n"
    "  part INTEGER PRIMARY KEY, op INTEGER, content BLOB)",
    "CREATE VIEW state AS SELECT name, uid, count(*) AS workers, sum(records) AS records, sum(bytes) AS bytes,\n"
    "  strftime('%Y-%m-%d %H:%M:%f', min(watermark) / 1000000.0, 'unixepoch') AS watermark FROM operators GROUP BY uid, name ORDER BY min(op)",
};
const uint32_t sq_store_nschema = SQ_LEN(sq_store_schema);

struct sq_store_reader {
    struct sq_ctx *ctx;
    struct sq_store_db db;
    char path[SQ_STORE_PATH];
    int64_t size;
    struct sq_arena arena;               /* what `saved` points to */
    struct sq_saved saved;
    struct sq_saved_split *splits;       /* of all operators */
    struct sq_store_chunk *chunks;
    uint64_t nchunks, *first;            /* of each operator: its first chunk */
    size_t ops_cap, first_cap, splits_cap, chunks_cap;
    uint64_t digest;
    sqlite3_blob *blob;                  /* of `data` */
    char *chunk;                         /* the last one read */
    size_t chunk_cap;
};

/* ---- what kind of file ---- */

static uint32_t big_endian(const unsigned char *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* The first 100 bytes, as SQLite's documentation of its file format has them. */
static sq_rc check_header(struct sq_store_reader *r, const unsigned char *h, ssize_t n)
{
    if (n < 100 || memcmp(h, "SQLite format 3", 16) != 0)
        return sq_store_damaged(&r->db, "it is not a SQLite file");
    if (big_endian(h + 68) != SQ_STORE_APPLICATION)
        return sq_store_damaged(&r->db, "it is a SQLite file, but not a checkpoint");
    const uint32_t version = big_endian(h + 60), size = big_endian(h + 16) >> 16;
    if (version != SQ_STORE_FORMAT) {
        sq_fail(r->ctx, SQ_DATA, "checkpoint %s has format %u; this version of sqluice reads format %d", r->path, version, SQ_STORE_FORMAT);
        return sq_hint(r->ctx, "go on with the version that has made it");
    }
    const int64_t whole = (int64_t)big_endian(h + 28) * (size == 1 ? 65536 : size);
    if (whole != r->size)
        return sq_store_damaged(&r->db, "it has %lld bytes, and was written with %lld", (long long)r->size, (long long)whole);
    return SQ_OK;
}

static sq_rc check_file(struct sq_store_reader *r)
{
    const struct sq_os *os = r->ctx->os;
    unsigned char header[100];
    struct stat st;
    char why[128];
    int e = os->stat(os->arg, r->path, &st), fd = e < 0 ? e : os->open(os->arg, r->path, O_RDONLY, 0);
    ssize_t n = fd < 0 ? fd : S_ISREG(st.st_mode) ? os->pread(os->arg, fd, header, sizeof header, 0) : -EINVAL;
    if (fd >= 0)
        os->close(os->arg, fd);
    if (fd >= 0 && !S_ISREG(st.st_mode))
        return sq_fail(r->ctx, SQ_IO, "cannot read checkpoint %s: it is not a file", r->path);
    if (n < 0)
        return sq_fail(r->ctx, SQ_IO, "cannot read checkpoint %s: %s", r->path, sq_os_strerror((int)n, why, sizeof why));
    r->size = st.st_size;
    return check_header(r, header, n);
}

static sq_rc check_schema(struct sq_store_reader *r)
{
    sqlite3_stmt *st;
    struct sq_str sql;
    bool row;
    SQ_TRY(sq_store_db_prepare(&r->db, "SELECT sql FROM sqlite_master", &st));
    for (uint32_t i = 0;; i++) {
        SQ_TRY(sq_store_db_step(&r->db, st, &row));
        if (!row && i == sq_store_nschema)
            break;
        if (row)
            SQ_TRY(sq_store_db_bytes(&r->db, st, 0, &sql));
        if (!row || i == sq_store_nschema || !sq_str_is(sql, sq_store_schema[i]))
            return sq_store_damaged(&r->db, "its tables are not those of a checkpoint");
    }
    r->db.lib.finalize(st);
    return SQ_OK;
}

/* ---- rows ---- */

static sq_rc not_whole(struct sq_store_reader *r, const char *table)
{
    return sq_store_damaged(&r->db, "the rows of table %s are not complete", table);
}

/* An announced number of rows or bytes: not more than the file can hold. */
static bool plausible(const struct sq_store_reader *r, int64_t n) { return n >= 0 && n <= r->size; }

static sq_rc open_table(struct sq_store_reader *r, const char *sql, sqlite3_stmt **st) { return sq_store_db_prepare(&r->db, sql, st); }

/* The next row, whose number and operator must be these. */
static sq_rc next_row(struct sq_store_reader *r, sqlite3_stmt *st, const char *table, int64_t number, uint32_t op)
{
    bool row;
    SQ_TRY(sq_store_db_step(&r->db, st, &row));
    if (!row || r->db.lib.column_int64(st, 0) != number || r->db.lib.column_int64(st, 1) != op)
        return not_whole(r, table);
    return SQ_OK;
}

static sq_rc no_more(struct sq_store_reader *r, sqlite3_stmt *st, const char *table)
{
    bool row;
    SQ_TRY(sq_store_db_step(&r->db, st, &row));
    if (row)
        return not_whole(r, table);
    r->db.lib.finalize(st);
    return SQ_OK;
}

static sq_rc text(struct sq_store_reader *r, sqlite3_stmt *st, int col, struct sq_str *out) { return sq_store_db_copy(&r->db, st, col, &r->arena, out); }

/* ---- tables ---- */

/* The next row of `checkpoint`, which must have this key. */
static sq_rc next_key(struct sq_store_reader *r, sqlite3_stmt *st, const char *key)
{
    struct sq_str have;
    bool row;
    SQ_TRY(sq_store_db_step(&r->db, st, &row));
    if (!row)
        return not_whole(r, "checkpoint");
    SQ_TRY(sq_store_db_bytes(&r->db, st, 0, &have));
    return sq_str_is(have, key) ? SQ_OK : not_whole(r, "checkpoint");
}

static sq_rc key_int(struct sq_store_reader *r, sqlite3_stmt *st, const char *key, int64_t *v)
{
    SQ_TRY(next_key(r, st, key));
    *v = r->db.lib.column_int64(st, 1);
    return SQ_OK;
}

static sq_rc key_text(struct sq_store_reader *r, sqlite3_stmt *st, const char *key, struct sq_str *v)
{
    SQ_TRY(next_key(r, st, key));
    return text(r, st, 1, v);
}

static sq_rc read_checkpoint(struct sq_store_reader *r)
{
    struct sq_saved *s = &r->saved;
    int64_t epoch, workers, finished, by_sink, nops, nchunks;
    struct sq_str taken, sum;
    char iso[40];
    sqlite3_stmt *st;

    SQ_TRY(open_table(r, "SELECT key, value FROM checkpoint", &st));
    SQ_TRY(key_text(r, st, "job", &s->job));
    SQ_TRY(key_text(r, st, "name", &s->name));
    SQ_TRY(key_int(r, st, "epoch", &epoch));
    SQ_TRY(key_text(r, st, "taken", &taken));
    SQ_TRY(key_int(r, st, "taken_us", &s->taken_us));
    SQ_TRY(key_int(r, st, "workers", &workers));
    SQ_TRY(key_int(r, st, "finished", &finished));
    SQ_TRY(key_int(r, st, "decided_by_sink", &by_sink));
    SQ_TRY(key_text(r, st, "decider", &s->decider));
    SQ_TRY(key_text(r, st, "plan", &s->plan));
    SQ_TRY(key_int(r, st, "operators", &nops));
    SQ_TRY(key_int(r, st, "chunks", &nchunks));
    SQ_TRY(key_text(r, st, "checksum", &sum));
    SQ_TRY(no_more(r, st, "checkpoint"));
    if (epoch < 1 || workers < 0 || workers > UINT32_MAX || finished >> 1 || by_sink >> 1 || !plausible(r, nops) || nops > UINT32_MAX || !plausible(r, nchunks) ||
        !sq_store_unhex(sum, &r->digest) || !sq_store_is_uuid(s->job) || !sq_str_is(taken, sq_store_iso(s->taken_us, iso)))
        return sq_store_damaged(&r->db, "a value of table checkpoint is impossible");
    s->epoch = (uint64_t)epoch;
    s->workers = (uint32_t)workers;
    s->finished = finished != 0;
    s->decided_by_sink = by_sink != 0;
    s->nops = (uint32_t)nops;
    r->nchunks = (uint64_t)nchunks;
    return SQ_OK;
}

static sq_rc read_operator(struct sq_store_reader *r, sqlite3_stmt *st, struct sq_saved_op *o)
{
    const struct sq_sqlite *lib = &r->db.lib;
    const int64_t worker = lib->column_int64(st, 2), kind = lib->column_int64(st, 3), chunks = lib->column_int64(st, 8), splits = lib->column_int64(st, 9),
                  pending = lib->column_int64(st, 10);
    struct sq_str uid;
    SQ_TRY(sq_store_db_bytes(&r->db, st, 1, &uid));
    if (!sq_store_unhex(uid, &o->uid) || worker < 0 || worker > UINT32_MAX || kind < 0 || kind > UINT32_MAX || !plausible(r, chunks) || chunks > UINT32_MAX ||
        !plausible(r, splits) || splits > UINT32_MAX || !plausible(r, pending) || pending > UINT32_MAX)
        return sq_store_damaged(&r->db, "a value of table operators is impossible");
    SQ_TRY(text(r, st, 4, &o->name));
    SQ_TRY(text(r, st, 11, &o->flags));
    o->worker = (uint32_t)worker;
    o->kind = (uint32_t)kind;
    o->watermark = lib->column_type(st, 5) == SQLITE_NULL ? INT64_MIN : lib->column_int64(st, 5);
    o->records = (uint64_t)lib->column_int64(st, 6);
    o->bytes = (uint64_t)lib->column_int64(st, 7);
    o->nchunks = (uint32_t)chunks;
    o->nsplits = (uint32_t)splits;
    o->has_pending = lib->column_type(st, 10) != SQLITE_NULL;
    o->pending = (struct sq_str){"", (uint32_t)pending};
    return SQ_OK;
}

static sq_rc read_operators(struct sq_store_reader *r)
{
    struct sq_saved *s = &r->saved;
    sqlite3_stmt *st;
    uint64_t chunks = 0;

    SQ_TRY(open_table(r, "SELECT op, uid, worker, kind, name, watermark, records, bytes, chunks, splits, pending, flags FROM operators", &st));
    for (uint32_t i = 0; i < s->nops; i++) {
        bool row;
        SQ_TRY(sq_store_db_step(&r->db, st, &row));
        if (!row || r->db.lib.column_int64(st, 0) != i)
            return not_whole(r, "operators");
        SQ_TRY(sq_grow(r->ctx, &s->ops, &r->ops_cap, (size_t)i + 1, sizeof *s->ops));
        SQ_TRY(sq_grow(r->ctx, &r->first, &r->first_cap, (size_t)i + 1, sizeof *r->first));
        s->ops[i] = (struct sq_saved_op){0};
        SQ_TRY(read_operator(r, st, &s->ops[i]));
        r->first[i] = chunks;
        chunks += s->ops[i].nchunks;
    }
    SQ_TRY(no_more(r, st, "operators"));
    return chunks == r->nchunks ? SQ_OK : not_whole(r, "chunks");
}

static sq_rc read_splits(struct sq_store_reader *r)
{
    sqlite3_stmt *st;
    size_t n = 0;
    SQ_TRY(open_table(r, "SELECT split, op, id, shown, ended, position, payload FROM splits", &st));
    for (uint32_t i = 0; i < r->saved.nops; i++)
        for (uint32_t k = 0; k < r->saved.ops[i].nsplits; k++, n++) {
            SQ_TRY(next_row(r, st, "splits", (int64_t)n, i));
            SQ_TRY(sq_grow(r->ctx, &r->splits, &r->splits_cap, n + 1, sizeof *r->splits));
            struct sq_saved_split *p = &r->splits[n];
            SQ_TRY(text(r, st, 2, &p->id));
            SQ_TRY(text(r, st, 3, &p->shown));
            p->ended = r->db.lib.column_int64(st, 4) != 0;
            SQ_TRY(text(r, st, 5, &p->position));
            SQ_TRY(text(r, st, 6, &p->payload));
        }
    n = 0;
    for (uint32_t i = 0; i < r->saved.nops; n += r->saved.ops[i++].nsplits)
        r->saved.ops[i].splits = r->saved.ops[i].nsplits ? &r->splits[n] : NULL;
    return no_more(r, st, "splits");
}

static sq_rc read_pending(struct sq_store_reader *r)
{
    sqlite3_stmt *st;
    int64_t number = 0;
    SQ_TRY(open_table(r, "SELECT part, op, content FROM pending", &st));
    for (uint32_t i = 0; i < r->saved.nops; i++) {
        struct sq_str *to = &r->saved.ops[i].pending, part;
        char *p = sq_arena_get(&r->arena, (size_t)to->n + 1, 1);
        if (!p)
            return SQ_NOMEM;
        for (uint32_t at = 0; at < to->n; at += part.n) {
            SQ_TRY(next_row(r, st, "pending", number++, i));
            SQ_TRY(sq_store_db_bytes(&r->db, st, 2, &part));
            if (part.n == 0 || part.n > to->n - at)
                return not_whole(r, "pending");
            memcpy(p + at, part.p, part.n);
        }
        p[to->n] = 0;
        to->p = p;
    }
    return no_more(r, st, "pending");
}

static sq_rc read_chunks(struct sq_store_reader *r)
{
    const struct sq_sqlite *lib = &r->db.lib;
    sqlite3_stmt *st;
    size_t n = 0;

    SQ_TRY(open_table(r, "SELECT chunk, op, seq, bytes, checksum, place FROM chunks", &st));
    for (uint32_t i = 0; i < r->saved.nops; i++)
        for (uint32_t seq = 0; seq < r->saved.ops[i].nchunks; seq++, n++) {
            struct sq_str sum;
            SQ_TRY(next_row(r, st, "chunks", (int64_t)n, i));
            SQ_TRY(sq_grow(r->ctx, &r->chunks, &r->chunks_cap, n + 1, sizeof *r->chunks));
            SQ_TRY(sq_store_db_bytes(&r->db, st, 4, &sum));
            struct sq_store_chunk *c = &r->chunks[n];
            *c = (struct sq_store_chunk){.uid = r->saved.ops[i].uid, .worker = r->saved.ops[i].worker, .seq = seq, .bytes = (uint64_t)lib->column_int64(st, 3),
                                         .place = lib->column_int64(st, 5)};
            if (lib->column_int64(st, 2) != seq || !plausible(r, (int64_t)c->bytes) || !sq_store_unhex(sum, &c->sum))
                return sq_store_damaged(&r->db, "a value of table chunks is impossible");
        }
    return no_more(r, st, "chunks");
}

/* ---- chunks ---- */

static sq_rc bad_chunk(struct sq_store_reader *r, uint32_t op, uint32_t seq, const char *why)
{
    const struct sq_saved_op *o = &r->saved.ops[op];
    return sq_store_damaged(&r->db, "chunk %u of %u of operator %.*s, worker %u, %s", seq, o->nchunks, (int)(o->name.n < 200 ? o->name.n : 200), o->name.p,
                            o->worker, why);
}

static sq_rc seek(struct sq_store_reader *r, int64_t place)
{
    const struct sq_sqlite *lib = &r->db.lib;
    int rc = r->blob ? lib->blob_reopen(r->blob, place) : lib->blob_open(r->db.db, "main", "data", "content", place, 0, &r->blob);
    if (rc == SQLITE_OK)
        return SQ_OK;
    sq_rc failed = sq_store_db_fail(&r->db);
    if (r->blob)
        lib->blob_close(r->blob);                        /* one that failed stays unusable */
    r->blob = NULL;
    return rc == SQLITE_ERROR ? SQ_DATA : failed;
}

static sq_rc read_chunk(void *arg, uint32_t op, uint32_t seq, struct sq_str *out)
{
    struct sq_store_reader *r = arg;
    const struct sq_sqlite *lib = &r->db.lib;
    SQ_ASSERT(op < r->saved.nops && seq < r->saved.ops[op].nchunks);
    const struct sq_store_chunk *c = &r->chunks[r->first[op] + seq];

    sq_rc rc = seek(r, c->place);
    if (rc == SQ_DATA)
        return bad_chunk(r, op, seq, "is not there");
    SQ_TRY(rc);
    if ((uint64_t)lib->blob_bytes(r->blob) != c->bytes)
        return bad_chunk(r, op, seq, "has another length");
    if (c->bytes + 1 > r->chunk_cap) {
        sq_free(r->ctx, r->chunk);
        r->chunk_cap = 0;
        r->chunk = sq_alloc(r->ctx, c->bytes + 1);
        if (!r->chunk)
            return SQ_NOMEM;
        r->chunk_cap = c->bytes + 1;
    }
    if (c->bytes && lib->blob_read(r->blob, r->chunk, (int)c->bytes, 0) != SQLITE_OK)
        return sq_store_db_fail(&r->db) == SQ_DATA ? bad_chunk(r, op, seq, "cannot be read") : r->ctx->err.rc;
    if (sq_store_hash(r->chunk, c->bytes) != c->sum)
        return bad_chunk(r, op, seq, "does not have its checksum");
    *out = (struct sq_str){r->chunk, (uint32_t)c->bytes};
    return SQ_OK;
}

sq_rc sq_store_read_all(struct sq_store_reader *r, bool may_interrupt)
{
    struct sq_str bytes;
    for (uint32_t i = 0; i < r->saved.nops; i++)
        for (uint32_t seq = 0; seq < r->saved.ops[i].nchunks; seq++) {
            if (may_interrupt)
                SQ_TRY(sq_check_interrupt(r->ctx));
            SQ_TRY(read_chunk(r, i, seq, &bytes));
        }
    return SQ_OK;
}

sq_rc sq_store_verify(struct sq_store_reader *r) { return sq_store_read_all(r, true); }

/* ---- opening ---- */

static sq_rc open_reader(struct sq_store_reader *r)
{
    char have[SQ_STORE_HEX], want[SQ_STORE_HEX];
    r->db = (struct sq_store_db){.ctx = r->ctx, .what = "checkpoint", .path = r->path, .mode = SQ_STORE_DB_READ};
    SQ_TRY(check_file(r));
    SQ_TRY(sq_store_db_open(r->ctx, &r->db, "checkpoint", r->path, SQ_STORE_DB_READ));
    SQ_TRY(check_schema(r));
    SQ_TRY(read_checkpoint(r));
    SQ_TRY(read_operators(r));
    SQ_TRY(read_splits(r));
    SQ_TRY(read_pending(r));
    SQ_TRY(read_chunks(r));
    uint64_t digest = sq_store_digest(&r->saved, r->chunks, r->nchunks);
    if (digest != r->digest)
        return sq_store_damaged(&r->db, "its tables have the checksum %s, and were written with %s", sq_store_hex(digest, have), sq_store_hex(r->digest, want));
    return SQ_OK;
}

/* chk-7.db holds epoch 7: else files were mixed up. */
static sq_rc check_name(struct sq_store_reader *r)
{
    const char *slash = strrchr(r->path, '/');
    uint64_t epoch;
    if (sq_store_epoch_of(slash ? slash + 1 : r->path, ".db", &epoch) && epoch != r->saved.epoch)
        return sq_store_damaged(&r->db, "it holds checkpoint %llu", (unsigned long long)r->saved.epoch);
    return SQ_OK;
}

sq_rc sq_store_read(struct sq_ctx *ctx, const char *path, struct sq_store_reader **out, struct sq_saved *saved)
{
    *out = NULL;
    struct sq_store_reader *r = sq_calloc(ctx, sizeof *r);
    if (!r)
        return SQ_NOMEM;
    r->ctx = ctx;
    sq_arena_init(&r->arena, ctx);
    sq_rc rc = sq_store_path(ctx, r->path, "%s", path);
    if (rc == SQ_OK)
        rc = open_reader(r);
    if (rc == SQ_OK)
        rc = check_name(r);
    if (rc != SQ_OK) {
        sq_store_reader_close(r);
        return rc;
    }
    r->saved.chunk = r->nchunks ? read_chunk : NULL;
    r->saved.arg = r;
    *saved = r->saved;
    *out = r;
    return SQ_OK;
}

uint64_t sq_store_reader_digest(const struct sq_store_reader *r) { return r->digest; }

void sq_store_reader_close(struct sq_store_reader *r)
{
    if (!r)
        return;
    if (r->blob)
        r->db.lib.blob_close(r->blob);
    sq_store_db_close(&r->db);
    sq_free(r->ctx, r->chunk);
    sq_free(r->ctx, r->chunks);
    sq_free(r->ctx, r->splits);
    sq_free(r->ctx, r->first);
    sq_free(r->ctx, r->saved.ops);
    sq_arena_free(&r->arena);
    sq_free(r->ctx, r);
}
