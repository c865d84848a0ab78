/* SPDX-License-Identifier: Apache-2.0
 *
 * store_db.c: paths, checksums, and SQLite as the store uses it.
 *
 * A new file is made here with mode 0600 and then given to SQLite, which would make it readable for others. It is written without a journal and
 * without a sync: whoever wants it calls sq_store_publish, else it is thrown away; so SQLite's work is one pass of writes in ascending order.
 *
 * A file that is read is not trusted: it is opened as immutable (no locks, no journal beside it is replayed), in defensive mode, with cells checked.
 * Every result code of SQLite is looked at; a failure names the file and the system's reason.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/text.h"
#include "executor/checkpoint/store_internal.h"
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { CACHE_PAGES = 16, BUSY_MS = 10000 };

/* ---- paths and numbers ---- */

sq_rc sq_store_path(struct sq_ctx *ctx, char *out, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(out, SQ_STORE_PATH, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= SQ_STORE_PATH)
        return sq_fail(ctx, SQ_IO, "the path %.80s… is too long", out);
    return SQ_OK;
}

const char *sq_store_hex(uint64_t v, char out[SQ_STORE_HEX])
{
    snprintf(out, SQ_STORE_HEX, "%016llx", (unsigned long long)v);
    return out;
}

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

bool sq_store_unhex(struct sq_str s, uint64_t *v)
{
    *v = 0;
    for (uint32_t i = 0; i < s.n && s.n == SQ_STORE_HEX - 1; i++) {
        if (hex_digit(s.p[i]) < 0)
            return false;
        *v = *v << 4 | (unsigned)hex_digit(s.p[i]);
    }
    return s.n == SQ_STORE_HEX - 1;
}

bool sq_store_is_uuid(struct sq_str s)
{
    for (uint32_t i = 0; i < s.n && s.n == SQ_STORE_UUID; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? s.p[i] != '-' : hex_digit(s.p[i]) < 0)
            return false;
    return s.n == SQ_STORE_UUID;
}

bool sq_store_epoch_of(const char *name, const char *suffix, uint64_t *epoch)
{
    const char *p = name + 4;
    if (strncmp(name, "chk-", 4) != 0 || *p < '1' || *p > '9')
        return false;
    for (*epoch = 0; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(*epoch, 10, epoch) || __builtin_add_overflow(*epoch, (uint64_t)(*p - '0'), epoch))
            return false;
    return *epoch <= INT64_MAX && strcmp(p, suffix) == 0;
}

const char *sq_store_iso(int64_t us, char *out)
{
    out[0] = 0;
    if (us < 0 || us >= INT64_C(253402300800) * SQ_US_PER_S)
        return out;
    int n = sq_print_timestamp((struct sq_ts16){.us = us}, 6, 'T', out);
    out[n] = 'Z';
    out[n + 1] = 0;
    return out;
}

uint64_t sq_store_hash(const void *p, size_t n)
{
    return XXH3_64bits(p, n);
}

static void add_u64(XXH3_state_t *h, uint64_t v)
{
    XXH3_64bits_update(h, &v, sizeof v);   /* little-endian machines only, as all of the formats here */
}

static void add_str(XXH3_state_t *h, struct sq_str s)
{
    add_u64(h, s.n);
    if (s.n)
        XXH3_64bits_update(h, s.p, s.n);
}

static void add_op(XXH3_state_t *h, const struct sq_saved_op *o)
{
    add_u64(h, o->uid);
    add_u64(h, (uint64_t)o->kind << 32 | o->worker);
    add_str(h, o->name);
    add_str(h, o->flags);
    add_u64(h, (uint64_t)o->watermark);
    add_u64(h, o->records);
    add_u64(h, o->bytes);
    add_u64(h, (uint64_t)o->nchunks << 32 | o->nsplits);
    add_u64(h, o->has_pending);
    add_str(h, o->has_pending ? o->pending : (struct sq_str){NULL, 0});
    for (uint32_t i = 0; i < o->nsplits; i++) {
        add_str(h, o->splits[i].id);
        add_str(h, o->splits[i].payload);
        add_str(h, o->splits[i].position);
        add_str(h, o->splits[i].shown);
        add_u64(h, o->splits[i].ended);
    }
}

uint64_t sq_store_digest(const struct sq_saved *s, const struct sq_store_chunk *chunks, uint64_t n)
{
    XXH3_state_t h;
    XXH3_INITSTATE(&h);
    XXH3_64bits_reset(&h);
    add_u64(&h, SQ_STORE_FORMAT);
    add_str(&h, s->job);
    add_str(&h, s->name);
    add_u64(&h, s->epoch);
    add_u64(&h, (uint64_t)s->taken_us);
    add_u64(&h, (uint64_t)s->workers << 2 | (uint64_t)s->finished << 1 | s->decided_by_sink);
    add_str(&h, s->decider);
    add_str(&h, s->plan);
    add_u64(&h, s->nops);
    for (uint32_t i = 0; i < s->nops; i++)
        add_op(&h, &s->ops[i]);
    add_u64(&h, n);
    for (uint64_t i = 0; i < n; i++) {
        add_u64(&h, chunks[i].bytes);
        add_u64(&h, chunks[i].sum);
        add_u64(&h, (uint64_t)chunks[i].place);
    }
    return XXH3_64bits_digest(&h);
}

/* ---- files ---- */

void sq_store_unlink(struct sq_ctx *ctx, const char *path)
{
    ctx->os->unlink(ctx->os->arg, path);
}

sq_rc sq_store_publish(struct sq_ctx *ctx, const char *tmp, const char *path)
{
    const struct sq_os *os = ctx->os;
    char dir[SQ_STORE_PATH], why[128];
    int fd = os->open(os->arg, tmp, O_RDWR, 0), rc = fd < 0 ? fd : os->fsync(os->arg, fd);
    if (fd >= 0) {
        int closed = os->close(os->arg, fd);
        rc = rc < 0 ? rc : closed;
    }
    SQ_FAULT(ctx, "store.synced");
    if (rc >= 0)
        rc = os->rename(os->arg, tmp, path);
    SQ_FAULT(ctx, "store.renamed");
    if (rc < 0)
        return sq_fail(ctx, SQ_IO, "cannot write %s: %s", path, sq_os_strerror(rc, why, sizeof why));
    const char *slash = strrchr(path, '/');
    if (!slash)
        return sq_os_sync_dir(ctx, ".");
    SQ_TRY(sq_store_path(ctx, dir, "%.*s", (int)(slash - path + 1), path));
    return sq_os_sync_dir(ctx, dir);
}

/* ---- SQLite ---- */

sq_rc sq_store_damaged(struct sq_store_db *d, const char *fmt, ...)
{
    char text[SQ_MSG_MAX / 2];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return sq_fail(d->ctx, SQ_DATA, "%s %s is damaged: %s", d->what, d->path, text);
}

sq_rc sq_store_db_fail(struct sq_store_db *d)
{
    const char *doing = d->mode == SQ_STORE_DB_READ ? "read" : "write";
    char why[128];
    int e = d->lib.system_errno(d->db);
    switch (d->lib.extended_errcode(d->db) & 0xff) {
    case SQLITE_FULL:
        sq_fail(d->ctx, SQ_IO, "cannot write %s %s: the disk is full", d->what, d->path);
        return sq_hint(d->ctx, "free some space, or name another directory with 'execution.checkpointing.dir'");
    case SQLITE_NOMEM:
        return sq_fail(d->ctx, SQ_NOMEM, "cannot %s %s %s: out of memory", doing, d->what, d->path);
    case SQLITE_ERROR:                                   /* our statements are right, so the tables are not, or a format of the file's pages is unknown */
        if (d->mode == SQ_STORE_DB_NEW)
            break;
        /* fall through */
    case SQLITE_CORRUPT:
        return sq_store_damaged(d, "%s", d->lib.errmsg(d->db));
    case SQLITE_NOTADB:
        return sq_store_damaged(d, "it is not a SQLite file");
    case SQLITE_TOOBIG:
        return sq_fail(d->ctx, SQ_LIMIT, "cannot %s %s %s: a value is larger than the 1,000,000,000 bytes that SQLite takes", doing, d->what, d->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return sq_fail(d->ctx, SQ_EXTERNAL, "cannot %s %s %s: another program has locked it", doing, d->what, d->path);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (e)
            return sq_fail(d->ctx, SQ_IO, "cannot %s %s %s: %s", doing, d->what, d->path, sq_os_strerror(e, why, sizeof why));
        break;
    }
    return sq_fail(d->ctx, SQ_IO, "cannot %s %s %s: %s", doing, d->what, d->path, d->lib.errmsg(d->db));
}

/* "file:///a%20b?immutable=1" */
static sq_rc immutable_uri(struct sq_ctx *ctx, const char *path, char *out, size_t n)
{
    static const char digits[] = "0123456789abcdef", tail[] = "?immutable=1";
    size_t at = (size_t)snprintf(out, n, "file:%s", path[0] == '/' ? "//" : "");
    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;
        if (at + 3 + sizeof tail > n)
            return sq_fail(ctx, SQ_IO, "the path %.80s… is too long", path);
        if (c <= ' ' || c >= 127 || c == '%' || c == '?' || c == '#') {
            out[at++] = '%';
            out[at++] = digits[c >> 4];
            out[at++] = digits[c & 15];
        } else {
            out[at++] = (char)c;
        }
    }
    memcpy(out + at, tail, sizeof tail);
    return SQ_OK;
}

static sq_rc make_empty(struct sq_store_db *d)
{
    static const char *const beside[] = {"", "-journal", "-wal", "-shm"};
    const struct sq_os *os = d->ctx->os;
    char path[SQ_STORE_PATH], why[128];
    for (size_t i = 0; i < SQ_LEN(beside); i++) {
        SQ_TRY(sq_store_path(d->ctx, path, "%s%s", d->path, beside[i]));
        sq_store_unlink(d->ctx, path);
    }
    int fd = os->open(os->arg, d->path, O_CREAT | O_EXCL | O_RDWR, 0600), rc = fd;
    if (fd >= 0)
        rc = os->close(os->arg, fd);
    if (rc < 0)
        return sq_fail(d->ctx, SQ_IO, "cannot make %s %s: %s", d->what, d->path, sq_os_strerror(rc, why, sizeof why));
    return SQ_OK;
}

static sq_rc settings(struct sq_store_db *d)
{
    char sql[256];
    d->lib.db_config(d->db, SQLITE_DBCONFIG_DEFENSIVE, d->mode != SQ_STORE_DB_NEW, (int *)NULL);
    d->lib.db_config(d->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    d->lib.busy_timeout(d->db, BUSY_MS);
    if (d->mode == SQ_STORE_DB_EDIT)
        return sq_store_db_exec(d, "PRAGMA cell_size_check=ON; PRAGMA synchronous=FULL");
    if (d->mode == SQ_STORE_DB_READ)
        snprintf(sql, sizeof sql, "PRAGMA cell_size_check=ON; PRAGMA cache_size=%d", CACHE_PAGES);
    else
        snprintf(sql, sizeof sql, "PRAGMA page_size=65536; PRAGMA cache_size=%d; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE",
                 CACHE_PAGES);
    return sq_store_db_exec(d, sql);
}

sq_rc sq_store_db_open(struct sq_ctx *ctx, struct sq_store_db *d, const char *what, const char *path, enum sq_store_db_mode mode)
{
    char uri[3 * SQ_STORE_PATH + 32];
    int flags = SQLITE_OPEN_NOMUTEX | (mode == SQ_STORE_DB_READ ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI : SQLITE_OPEN_READWRITE);
    *d = (struct sq_store_db){.ctx = ctx, .what = what, .path = path, .mode = mode};
    if (mode == SQ_STORE_DB_NEW)
        SQ_TRY(make_empty(d));
    if (mode == SQ_STORE_DB_READ)
        SQ_TRY(immutable_uri(ctx, path, uri, sizeof uri));
    sq_rc rc = sq_sqlite_load(ctx, &d->lib);
    if (rc == SQ_OK && d->lib.open_v2(mode == SQ_STORE_DB_READ ? uri : path, &d->db, flags, NULL) != SQLITE_OK)
        rc = d->db ? sq_store_db_fail(d) : sq_nomem(ctx, 0);
    if (rc == SQ_OK)
        rc = settings(d);
    if (rc != SQ_OK) {
        sq_store_db_close(d);
        if (mode == SQ_STORE_DB_NEW)
            sq_store_unlink(ctx, path);
    }
    return rc;
}

void sq_store_db_close(struct sq_store_db *d)
{
    sqlite3_stmt *s;
    while (d->db && (s = d->lib.next_stmt(d->db, NULL)) != NULL)
        d->lib.finalize(s);
    if (d->db)
        d->lib.close(d->db);
    d->db = NULL;
    sq_sqlite_unload(&d->lib);
}

sq_rc sq_store_db_exec(struct sq_store_db *d, const char *sql)
{
    return d->lib.exec(d->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SQ_OK : sq_store_db_fail(d);
}

sq_rc sq_store_db_prepare(struct sq_store_db *d, const char *sql, sqlite3_stmt **s)
{
    return d->lib.prepare_v2(d->db, sql, -1, s, NULL) == SQLITE_OK ? SQ_OK : sq_store_db_fail(d);
}

sq_rc sq_store_db_step(struct sq_store_db *d, sqlite3_stmt *s, bool *row)
{
    int rc = d->lib.step(s);
    *row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQ_OK : sq_store_db_fail(d);
}

sq_rc sq_store_db_int(struct sq_store_db *d, const char *sql, int64_t *v)
{
    sqlite3_stmt *s;
    bool row;
    SQ_TRY(sq_store_db_prepare(d, sql, &s));
    sq_rc rc = sq_store_db_step(d, s, &row);
    *v = rc == SQ_OK && row ? d->lib.column_int64(s, 0) : 0;
    d->lib.finalize(s);
    return rc;
}

sq_rc sq_store_db_bytes(struct sq_store_db *d, sqlite3_stmt *s, int col, struct sq_str *out)
{
    *out = SQ_STR("");
    const void *p = d->lib.column_blob(s, col);
    int n = d->lib.column_bytes(s, col);
    if (p && n > 0)
        *out = (struct sq_str){p, (uint32_t)n};
    else if (!p && d->lib.extended_errcode(d->db) == SQLITE_NOMEM)
        return sq_store_db_fail(d);
    return SQ_OK;
}

sq_rc sq_store_db_copy(struct sq_store_db *d, sqlite3_stmt *s, int col, struct sq_arena *a, struct sq_str *out)
{
    struct sq_str v;
    SQ_TRY(sq_store_db_bytes(d, s, col, &v));
    *out = sq_str_dup(a, v);
    return out->p ? SQ_OK : SQ_NOMEM;
}

sq_rc sq_store_db_run(struct sq_store_db *d, sqlite3_stmt *s, const struct sq_store_value *v, int n)
{
    bool row;
    for (int i = 0; i < n; i++) {
        const char *p = v[i].s.p ? v[i].s.p : "";
        int rc = SQLITE_OK;
        if (v[i].s.n > INT32_MAX)
            rc = SQLITE_TOOBIG;
        else if (v[i].type == SQ_SV_NULL)
            rc = d->lib.bind_null(s, i + 1);
        else if (v[i].type == SQ_SV_INT)
            rc = d->lib.bind_int64(s, i + 1, v[i].i);
        else if (v[i].type == SQ_SV_TEXT)
            rc = d->lib.bind_text(s, i + 1, p, (int)v[i].s.n, SQLITE_STATIC);
        else
            rc = d->lib.bind_blob(s, i + 1, p, (int)v[i].s.n, SQLITE_STATIC);
        if (rc == SQLITE_TOOBIG)
            return sq_fail(d->ctx, SQ_LIMIT, "cannot write %s %s: a value is larger than the 1,000,000,000 bytes that SQLite takes", d->what, d->path);
        if (rc != SQLITE_OK)
            return sq_store_db_fail(d);
    }
    sq_rc rc = sq_store_db_step(d, s, &row);
    d->lib.reset(s);
    return rc;
}
