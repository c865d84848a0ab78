/* SPDX-License-Identifier: Apache-2.0
 *
 * sqlite.c: SQLite as a dialect of the jdbc connector.
 *
 * How values are stored (SQLite has no types but affinities, so what keeps a value exactly was chosen):
 *   BOOLEAN                   INTEGER   0 or 1
 *   TINYINT … BIGINT          INTEGER
 *   FLOAT, DOUBLE             REAL      NaN as the text 'NaN', for SQLite would store NULL
 *   DECIMAL                   TEXT      its digits; a column declared DECIMAL would turn them into a binary double
 *   CHAR, VARCHAR, STRING     TEXT
 *   BINARY, VARBINARY, BYTES  BLOB
 *   DATE, TIME, TIMESTAMP     TEXT      2024-01-01, 12:30:00, 2024-01-01 12:30:00.000: sorts by time, SQLite's functions take it
 *   TIMESTAMP_LTZ             TEXT      the same in UTC with a Z behind it
 *   INTERVAL                  INTEGER   months, or milliseconds
 *
 * An existing column whose affinity would change a value (digits of text in a NUMERIC column) is refused when the job starts.
 *
 * The database is opened in defensive mode and without extensions; journal mode and synchronous are as the file has them.
 * A SQLite primary key may hold NULLs by old custom; since a key with NULL is never written here, such a key is good enough.
 */
#include "base/os.h"
#include "base/text.h"
#include "connectors/jdbc/jdbc.h"
#include "base/sqlite.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>

enum { DEFAULT_BUSY_MS = 2000, MAX_COLUMNS = 2000 };

struct conn {
    struct sq_jdbc_conn base;
    struct sq_sqlite lib;
    sqlite3 *db;
    int error;                     /* of the last failed call */
    unsigned scans;                /* numbers the temporary tables */
    char *file;                    /* that is written, from the root; NULL: not known yet */
    bool known;                    /* which file that was when the first transaction began */
    dev_t known_dev;
    ino_t known_ino;
};

struct sq_jdbc_stmt {
    struct conn *c;
    sqlite3_stmt *s;
};

/* ---- errors ---- */

static sq_rc fail(struct conn *c, const char *doing)
{
    struct sq_ctx *ctx = c->base.ctx;
    const char *db = c->base.table->database, *msg = c->lib.errmsg(c->db);
    c->error = c->lib.extended_errcode(c->db);
    switch (c->error & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': it is locked by another program", doing, db);
        return sq_hint(ctx, "end the other program's transaction; '?busy_timeout=30000' behind the path in the url waits longer (milliseconds)");
    case SQLITE_READONLY:
        return sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': it is read-only", doing, db);
    case SQLITE_FULL:
        return sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': the disk is full", doing, db);
    case SQLITE_NOTADB:
        return sq_fail(ctx, SQ_EXTERNAL, "cannot %s '%s': it is not a SQLite database", doing, db);
    case SQLITE_CORRUPT:
        return sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': it is damaged (%s)", doing, db, msg);
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return sq_fail(ctx, SQ_DATA, "database '%s' refuses a row of table '%.*s': %s", db, SQ_FMT(c->base.table->name), msg);
    case SQLITE_INTERRUPT:
        return sq_check_interrupt(ctx) != SQ_OK ? SQ_INTERRUPT : sq_fail(ctx, SQ_INTERRUPT, "interrupted");
    case SQLITE_NOMEM:
        return sq_fail(ctx, SQ_NOMEM, "cannot %s database '%s': out of memory", doing, db);
    default:
        return sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': %s", doing, db, msg);
    }
}

static enum sq_jdbc_trouble sqlite_trouble(struct sq_jdbc_conn *base)
{
    int e = ((struct conn *)base)->error & 0xff;
    return e == SQLITE_BUSY || e == SQLITE_LOCKED || e == SQLITE_PROTOCOL ? SQ_JDBC_LOCKED : SQ_JDBC_FAILED;
}

/* ---- the URL ---- */

static sq_rc url_param(struct sq_ctx *ctx, struct sq_span at, struct sq_str p, struct sq_jdbc_table *t)
{
    const char *eq = memchr(p.p, '=', p.n);
    struct sq_str key = {p.p, eq ? (uint32_t)(eq - p.p) : p.n};
    if (sq_str_is(key, "busy_timeout") && eq) {
        struct sq_str v = {eq + 1, p.n - key.n - 1};
        if (sq_parse_int(v, &t->busy_timeout_ms) && t->busy_timeout_ms >= 0 && t->busy_timeout_ms <= INT32_MAX)
            return SQ_OK;
        return sq_fail_at(ctx, SQ_SEMANTIC, at, "'url': busy_timeout is a number of milliseconds");
    }
    sq_fail_at(ctx, SQ_UNSUPPORTED, at, "'url': the parameter '%.*s' is not supported", SQ_FMT(key));
    return sq_hint(ctx, "there is 'busy_timeout'");
}

static sq_rc sqlite_url(struct sq_ctx *ctx, struct sq_arena *arena, struct sq_span at, struct sq_str rest, struct sq_jdbc_table *t)
{
    const char *q = memchr(rest.p, '?', rest.n);
    struct sq_str path = {rest.p, q ? (uint32_t)(q - rest.p) : rest.n};
    t->busy_timeout_ms = DEFAULT_BUSY_MS;
    while (q && q + 1 < rest.p + rest.n) {
        const char *from = q + 1, *end = rest.p + rest.n, *amp = memchr(from, '&', (size_t)(end - from));
        SQ_TRY(url_param(ctx, at, (struct sq_str){from, (uint32_t)((amp ? amp : end) - from)}, t));
        q = amp;
    }
    if (path.n == 0 || sq_str_is(path, ":memory:")) {
        sq_fail_at(ctx, SQ_UNSUPPORTED, at, "'url': a database in memory would be gone with the job");
        return sq_hint(ctx, "write 'jdbc:sqlite:PATH', as in 'jdbc:sqlite:results.db'");
    }
    if (path.n >= 5 && memcmp(path.p, "file:", 5) == 0) {
        sq_fail_at(ctx, SQ_UNSUPPORTED, at, "'url': file: URIs are not supported");
        return sq_hint(ctx, "write the path itself behind 'jdbc:sqlite:'");
    }
    struct sq_str copy = sq_str_dup(arena, path);
    if (!copy.p)
        return SQ_NOMEM;
    t->path = t->database = copy.p;
    if (t->options.username.p || t->options.password.p)
        sq_notice(ctx, "table '%.*s': a SQLite database has no users: 'username' and 'password' mean nothing", SQ_FMT(t->options.table_name));
    return SQ_OK;
}

/* ---- opening ---- */

static void sqlite_close(struct sq_jdbc_conn *base)
{
    struct conn *c = (struct conn *)base;
    if (!c)
        return;
    if (c->db)
        c->lib.close(c->db);
    sq_sqlite_unload(&c->lib);
    sq_free(c->base.ctx, c->file);
    sq_free(c->base.ctx, c);
}

/* Says what SQLite's "unable to open database file" hides. */
static sq_rc cannot_open(struct conn *c, bool write)
{
    struct sq_ctx *ctx = c->base.ctx;
    const char *path = c->base.table->path, *slash = strrchr(path, '/'), *doing = write ? "write" : "read";
    char dir[4096], why[128];
    struct stat st;
    int e = ctx->os->stat(ctx->os->arg, path, &st);
    if (e == 0 && S_ISDIR(st.st_mode))
        return sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': it is a directory", doing, path);
    if (e == -ENOENT && slash && slash != path && (size_t)(slash - path) < sizeof dir) {
        memcpy(dir, path, (size_t)(slash - path));
        dir[slash - path] = 0;
        if (ctx->os->stat(ctx->os->arg, dir, &st) < 0)
            return sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': there is no directory '%s'", doing, path, dir);
    }
    if (e < 0)
        return sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': %s", doing, path, sq_os_strerror(e, why, sizeof why));
    return fail(c, "open");
}

static int interrupted(void *arg)
{
    const struct conn *c = arg;
    return c->base.ctx->interrupt && *c->base.ctx->interrupt;
}

/* A writer that was killed leaves its transaction to be rolled back by the next who opens the database, which one who only reads cannot: then it is
 * opened for writing, which does it. What is wrong otherwise will show when the table is looked for. */
static sq_rc roll_back_others(struct conn *c)
{
    const char *path = c->base.table->path;
    if (c->lib.exec(c->db, "SELECT 1 FROM sqlite_master LIMIT 1", NULL, NULL, NULL) == SQLITE_OK || (c->lib.extended_errcode(c->db) & 0xff) != SQLITE_READONLY)
        return SQ_OK;
    c->lib.close(c->db);
    c->db = NULL;
    if (c->lib.open_v2(path, &c->db, SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return c->db ? cannot_open(c, false) : sq_nomem(c->base.ctx, 0);
    if (c->lib.db_readonly(c->db, "main") == 1) {
        sq_fail(c->base.ctx, SQ_EXTERNAL, "cannot read database '%s': a program that wrote it was killed, and its transaction is to be rolled back by one that may write the file", path);
        return sq_hint(c->base.ctx, "open it once as its owner, as in: sqlite3 '%s' 'PRAGMA integrity_check'", path);
    }
    return SQ_OK;
}

static sq_rc sqlite_open(struct sq_ctx *ctx, const struct sq_jdbc_table *t, bool write, struct sq_jdbc_conn **out)
{
    struct conn *c = sq_calloc(ctx, sizeof *c);
    if (!c)
        return SQ_NOMEM;
    c->base.ctx = ctx;
    c->base.table = t;
    int flags = SQLITE_OPEN_NOMUTEX | (write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    if (write && t->options.create_table == SQ_JDBC_CREATE_IF_MISSING)
        flags |= SQLITE_OPEN_CREATE;
    sq_rc rc = sq_sqlite_load(ctx, &c->lib);
    if (rc == SQ_OK && c->lib.open_v2(t->path, &c->db, flags, NULL) != SQLITE_OK)
        rc = c->db ? cannot_open(c, write) : sq_nomem(ctx, 0);
    if (rc == SQ_OK && write && c->lib.db_readonly(c->db, "main") == 1)
        rc = sq_fail(ctx, SQ_EXTERNAL, "cannot write database '%s': it is read-only", t->database);
    if (rc == SQ_OK && !write)
        rc = roll_back_others(c);
    if (rc != SQ_OK) {
        sqlite_close(&c->base);
        return rc;
    }
    c->lib.progress_handler(c->db, 10000, interrupted, c);
    c->lib.busy_timeout(c->db, (int)t->busy_timeout_ms);
    c->lib.db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    c->lib.db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    c->lib.db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, (int *)NULL);
    *out = &c->base;
    return SQ_OK;
}

/* ---- statements ---- */

static sq_rc sqlite_exec(struct sq_jdbc_conn *base, const char *sql)
{
    struct conn *c = (struct conn *)base;
    return c->lib.exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SQ_OK : fail(c, "write");
}

static sq_rc sqlite_prepare(struct sq_jdbc_conn *base, const char *sql, struct sq_jdbc_stmt **out)
{
    struct conn *c = (struct conn *)base;
    struct sq_jdbc_stmt *s = sq_calloc(base->ctx, sizeof *s);
    if (!s)
        return SQ_NOMEM;
    s->c = c;
    if (c->lib.prepare_v2(c->db, sql, -1, &s->s, NULL) != SQLITE_OK) {
        sq_free(base->ctx, s);
        return fail(c, "use");
    }
    *out = s;
    return SQ_OK;
}

static void sqlite_finalize(struct sq_jdbc_stmt *s)
{
    if (!s)
        return;
    s->c->lib.finalize(s->s);
    sq_free(s->c->base.ctx, s);
}

static sq_rc sqlite_step(struct sq_jdbc_stmt *s, bool *row)
{
    int e = s->c->lib.step(s->s);
    *row = e == SQLITE_ROW;
    return e == SQLITE_ROW || e == SQLITE_DONE ? SQ_OK : fail(s->c, "read");
}

static sq_rc sqlite_run(struct sq_jdbc_stmt *s)
{
    int e = s->c->lib.step(s->s);
    sq_rc rc = e == SQLITE_DONE || e == SQLITE_ROW ? SQ_OK : fail(s->c, "write");
    s->c->lib.reset(s->s);
    return rc;
}

static struct sq_str text_of(struct sq_jdbc_stmt *s, uint32_t i)
{
    const char *p = (const char *)s->c->lib.column_text(s->s, (int)i);
    return (struct sq_str){p ? p : "", p ? (uint32_t)s->c->lib.column_bytes(s->s, (int)i) : 0};
}

/* A file that was removed or replaced would be written on, and its rows be seen by nobody. */
static sq_rc same_file(struct conn *c)
{
    struct sq_ctx *ctx = c->base.ctx;
    struct stat st;
    char why[128];
    int e = ctx->os->stat(ctx->os->arg, c->file, &st);
    if (e >= 0 && (!c->known || (c->known_dev == st.st_dev && c->known_ino == st.st_ino))) {
        c->known = true;
        c->known_dev = st.st_dev;
        c->known_ino = st.st_ino;
        return SQ_OK;
    }
    if (e >= 0 || e == -ENOENT)
        sq_fail(ctx, SQ_EXTERNAL, "cannot write database '%s': its file was %s while the job ran", c->base.table->database, e < 0 ? "removed" : "replaced");
    else
        sq_fail(ctx, SQ_EXTERNAL, "cannot write database '%s': %s", c->base.table->database, sq_os_strerror(e, why, sizeof why));
    return sq_hint(ctx, "a database that is written must stay where it is; copy one with 'VACUUM INTO' instead of moving it");
}

/* As SQLite names it: from the root, whatever the working directory becomes. */
static sq_rc find_file(struct conn *c)
{
    struct sq_jdbc_stmt *s = NULL;
    bool row;
    SQ_TRY(sqlite_prepare(&c->base, "SELECT file FROM pragma_database_list WHERE name = 'main'", &s));
    sq_rc rc = sqlite_step(s, &row);
    if (rc == SQ_OK && row && !(c->file = sq_str_copy(c->base.ctx, text_of(s, 0))))
        rc = SQ_NOMEM;
    sqlite_finalize(s);
    return rc;
}

static sq_rc sqlite_begin(struct sq_jdbc_conn *base)
{
    struct conn *c = (struct conn *)base;
    c->error = SQLITE_OK;
    SQ_TRY(sqlite_exec(base, "BEGIN IMMEDIATE"));
    if (!c->file)
        SQ_TRY(find_file(c));
    return c->file && *c->file ? same_file(c) : SQ_OK;
}

static sq_rc sqlite_commit(struct sq_jdbc_conn *base) { return sqlite_exec(base, "COMMIT"); }

static void sqlite_rollback(struct sq_jdbc_conn *base)
{
    struct conn *c = (struct conn *)base;
    if (!c->lib.get_autocommit(c->db))
        c->lib.exec(c->db, "ROLLBACK", NULL, NULL, NULL);
}

static sq_rc sqlite_literal(struct sq_buf *b, struct sq_str s)
{
    sq_buf_putc(b, '\'');
    for (uint32_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'')
            sq_buf_putc(b, '\'');
        sq_buf_putc(b, s.p[i]);
    }
    return sq_buf_putc(b, '\'');
}

/* Any column may hold a value of any kind. */
static sq_rc sqlite_order_literal(struct sq_jdbc_conn *base, struct sq_buf *b, const struct sq_jdbc_column *col, const struct sq_jdbc_value *v)
{
    bool fits = v->kind == SQ_JDBC_INT || (col && ((v->kind == SQ_JDBC_TEXT && !memchr(v->s.p, 0, v->s.n)) || v->kind == SQ_JDBC_BYTES || (v->kind == SQ_JDBC_DOUBLE && !isnan(v->d))));
    if (!fits)
        return sq_fail(base->ctx, SQ_DATA, "a key cannot be compared with");
    switch (v->kind) {
    case SQ_JDBC_INT: return v->i == INT64_MIN ? sq_buf_puts(b, "(-9223372036854775807 - 1)") : sq_buf_printf(b, "%lld", (long long)v->i);
    case SQ_JDBC_DOUBLE: return isinf(v->d) ? sq_buf_puts(b, v->d > 0 ? "9e999" : "-9e999") : sq_buf_printf(b, "%.16e", v->d);
    case SQ_JDBC_TEXT: return sqlite_literal(b, v->s);
    default:
        sq_buf_puts(b, "x'");
        for (uint32_t i = 0; i < v->s.n; i++)
            sq_buf_printf(b, "%02x", (unsigned char)v->s.p[i]);
        return sq_buf_putc(b, '\'');
    }
}

static sq_rc sqlite_change(struct sq_jdbc_conn *base, const char *sql, uint64_t *rows)
{
    struct conn *c = (struct conn *)base;
    struct sq_jdbc_stmt *s = NULL;
    bool row;
    SQ_TRY(sqlite_exec(base, sql));
    SQ_TRY(sqlite_prepare(base, "SELECT changes()", &s));
    sq_rc rc = sqlite_step(s, &row);
    *rows = rc == SQ_OK && row ? (uint64_t)c->lib.column_int64(s->s, 0) : 0;
    sqlite_finalize(s);
    return rc;
}

/* A transaction that writes holds the one lock there is. */
static sq_rc sqlite_first(struct sq_jdbc_conn *base, struct sq_arena *arena, const char *select, bool lock, struct sq_str *cols, uint32_t n, bool *found)
{
    struct sq_jdbc_stmt *s = NULL;
    (void)lock;
    SQ_TRY(sqlite_prepare(base, select, &s));
    sq_rc rc = sqlite_step(s, found);
    for (uint32_t i = 0; rc == SQ_OK && *found && i < n; i++) {
        cols[i] = sq_str_dup(arena, text_of(s, i));
        rc = cols[i].p ? SQ_OK : SQ_NOMEM;
    }
    sqlite_finalize(s);
    return rc;
}

/* EXTRA: the removal of the rollback journal, which is the commit, is durable too. */
static sq_rc sqlite_durable(struct sq_jdbc_conn *base) { return sqlite_exec(base, "PRAGMA synchronous = EXTRA"); }

/* In WAL mode a reader disturbs no writer, and the SELECT is run as it is. With a rollback journal an open SELECT would keep every
 * writer from committing, this very job's sink too. So its rows are copied to a temporary table first, in one go. */
static sq_rc sqlite_scan(struct sq_jdbc_conn *base, const char *select, struct sq_jdbc_stmt **out)
{
    struct conn *c = (struct conn *)base;
    struct sq_buf sql;
    bool row, wal;
    SQ_TRY(sqlite_prepare(base, "PRAGMA journal_mode", out));
    sq_rc rc = sqlite_step(*out, &row);
    wal = rc == SQ_OK && row && sq_str_iis(text_of(*out, 0), "wal");
    sqlite_finalize(*out);
    *out = NULL;
    if (rc != SQ_OK || wal)
        return rc != SQ_OK ? rc : sqlite_prepare(base, select, out);
    sq_buf_init(&sql, base->ctx);
    sq_buf_printf(&sql, "CREATE TEMP TABLE sqluice_scan_%u AS %s", ++c->scans, select);
    rc = sql.rc;
    if (rc == SQ_OK && c->lib.exec(c->db, sql.p, NULL, NULL, NULL) != SQLITE_OK)
        rc = fail(c, "read");
    sq_buf_reset(&sql);
    sq_buf_printf(&sql, "SELECT * FROM temp.sqluice_scan_%u", c->scans);
    if (rc == SQ_OK)
        rc = sql.rc != SQ_OK ? sql.rc : sqlite_prepare(base, sql.p, out);
    sq_buf_free(&sql);
    return rc;
}

/* ---- values in ---- */

static int bind_double(struct sq_jdbc_stmt *s, int i, double v)
{
    return isnan(v) ? s->c->lib.bind_text(s->s, i, "NaN", 3, SQLITE_STATIC) : s->c->lib.bind_double(s->s, i, v);
}

static struct sq_ts16 ts_of(const struct sq_vec *v, uint32_t r)
{
    if (sq_type_phys(v->type) == SQ_P_TS16)
        return ((const struct sq_ts16 *)v->data)[r];
    return (struct sq_ts16){.us = ((const int64_t *)v->data)[r]};
}

static int bind_value(struct sq_jdbc_stmt *s, int i, const struct sq_vec *v, uint32_t r)
{
    const struct sq_sqlite *lib = &s->c->lib;
    const struct sq_view *view = v->data;
    char text[64];
    int n;
    switch (v->type->id) {
    case SQ_T_BOOLEAN: return lib->bind_int64(s->s, i, ((const uint8_t *)v->data)[r]);
    case SQ_T_TINYINT: return lib->bind_int64(s->s, i, ((const int8_t *)v->data)[r]);
    case SQ_T_SMALLINT: return lib->bind_int64(s->s, i, ((const int16_t *)v->data)[r]);
    case SQ_T_INT:
    case SQ_T_INTERVAL_YM: return lib->bind_int64(s->s, i, ((const int32_t *)v->data)[r]);
    case SQ_T_BIGINT:
    case SQ_T_INTERVAL_DS: return lib->bind_int64(s->s, i, ((const int64_t *)v->data)[r]);
    case SQ_T_FLOAT: return bind_double(s, i, (double)((const float *)v->data)[r]);
    case SQ_T_DOUBLE: return bind_double(s, i, ((const double *)v->data)[r]);
    case SQ_T_CHAR:
    case SQ_T_VARCHAR: return lib->bind_text(s->s, i, sq_view_ptr(&view[r]), (int)view[r].len, SQLITE_STATIC);
    case SQ_T_BINARY:
    case SQ_T_VARBINARY: return view[r].len ? lib->bind_blob(s->s, i, sq_view_ptr(&view[r]), (int)view[r].len, SQLITE_STATIC) : lib->bind_zeroblob(s->s, i, 0);
    case SQ_T_DECIMAL: n = sq_print_decimal(((const sq_i128 *)v->data)[r], v->type->s, text); break;
    case SQ_T_DATE: n = sq_print_date(((const int32_t *)v->data)[r], text); break;
    case SQ_T_TIME: n = sq_print_time(((const int32_t *)v->data)[r], v->type->p, text); break;
    case SQ_T_TIMESTAMP: n = sq_print_timestamp(ts_of(v, r), v->type->p, ' ', text); break;
    case SQ_T_TIMESTAMP_LTZ:
        n = sq_print_timestamp(ts_of(v, r), v->type->p, ' ', text);
        text[n++] = 'Z';
        break;
    default: return SQLITE_MISMATCH;               /* refused when the table was opened */
    }
    return lib->bind_text(s->s, i, text, n, SQLITE_TRANSIENT);
}

static sq_rc sqlite_bind(struct sq_jdbc_stmt *s, uint32_t param, const struct sq_vec *v, uint32_t r)
{
    int e;
    if (sq_vec_null(v, r)) {
        e = s->c->lib.bind_null(s->s, (int)param + 1);
    } else {
        v = sq_vec_at(v, &r);
        e = bind_value(s, (int)param + 1, v, r);
    }
    return e == SQLITE_OK ? SQ_OK : fail(s->c, "write");
}

/* ---- values out ---- */

static sq_rc sqlite_value(struct sq_jdbc_stmt *s, uint32_t i, struct sq_jdbc_value *v)
{
    const struct sq_sqlite *lib = &s->c->lib;
    const char *p;
    switch (lib->column_type(s->s, (int)i)) {
    case SQLITE_NULL: v->kind = SQ_JDBC_NULL; break;
    case SQLITE_INTEGER: *v = (struct sq_jdbc_value){.kind = SQ_JDBC_INT, .i = lib->column_int64(s->s, (int)i)}; break;
    case SQLITE_FLOAT: *v = (struct sq_jdbc_value){.kind = SQ_JDBC_DOUBLE, .d = lib->column_double(s->s, (int)i)}; break;
    case SQLITE_TEXT: *v = (struct sq_jdbc_value){.kind = SQ_JDBC_TEXT, .s = text_of(s, i)}; break;
    default:
        p = lib->column_blob(s->s, (int)i);
        *v = (struct sq_jdbc_value){.kind = SQ_JDBC_BYTES, .s = {p ? p : "", (uint32_t)lib->column_bytes(s->s, (int)i)}};
    }
    return SQ_OK;
}

/* ---- what SQL looks like ---- */

static sq_rc sqlite_quote(struct sq_buf *b, struct sq_str name)
{
    sq_buf_putc(b, '"');
    for (uint32_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"')
            sq_buf_putc(b, '"');
        sq_buf_putc(b, name.p[i]);
    }
    return sq_buf_putc(b, '"');
}

static const char *stored_as(const struct sq_type *t)
{
    switch (t->id) {
    case SQ_T_BOOLEAN:
    case SQ_T_TINYINT:
    case SQ_T_SMALLINT:
    case SQ_T_INT:
    case SQ_T_BIGINT:
    case SQ_T_INTERVAL_YM:
    case SQ_T_INTERVAL_DS: return "INTEGER";
    case SQ_T_FLOAT:
    case SQ_T_DOUBLE: return "REAL";
    case SQ_T_DECIMAL:
    case SQ_T_CHAR:
    case SQ_T_VARCHAR:
    case SQ_T_DATE:
    case SQ_T_TIME:
    case SQ_T_TIMESTAMP:
    case SQ_T_TIMESTAMP_LTZ: return "TEXT";
    case SQ_T_BINARY:
    case SQ_T_VARBINARY: return "BLOB";
    default: return NULL;
    }
}

static sq_rc sqlite_column_type(struct sq_ctx *ctx, const struct sq_jdbc_conn *conn, struct sq_buf *b, const struct sq_type *t, const struct sq_jdbc_in_key *key)
{
    const char *name = stored_as(t);
    (void)conn;
    (void)key;
    if (!name)
        return sq_fail(ctx, SQ_UNSUPPORTED, "%s cannot be kept in a SQLite database", sq_tid_name(t->id));
    return sq_buf_puts(b, name);
}

static sq_rc sqlite_upsert(struct sq_buf *b, const struct sq_jdbc_dialect *d, struct sq_str table, const struct sq_str *cols, uint32_t n, const uint32_t *key,
                           uint32_t nkey)
{
    bool any = false;
    sq_buf_puts(b, "INSERT INTO ");
    d->quote(b, table);
    sq_buf_puts(b, " (");
    sq_jdbc_names(b, d, cols, NULL, n);
    sq_buf_puts(b, ") VALUES (");
    for (uint32_t i = 0; i < n; i++)
        sq_buf_puts(b, i ? ", ?" : "?");
    sq_buf_puts(b, ") ON CONFLICT (");
    sq_jdbc_names(b, d, cols, key, nkey);
    sq_buf_puts(b, ") DO ");
    for (uint32_t i = 0; i < n; i++) {
        bool in_key = false;
        for (uint32_t k = 0; k < nkey; k++)
            in_key = in_key || key[k] == i;
        if (in_key)
            continue;
        sq_buf_puts(b, any ? ", " : "UPDATE SET ");
        any = true;
        d->quote(b, cols[i]);
        sq_buf_puts(b, " = excluded.");
        d->quote(b, cols[i]);
    }
    return any ? b->rc : sq_buf_puts(b, "NOTHING");
}

static sq_rc sqlite_add_key(struct sq_jdbc_conn *base, struct sq_buf *b, const struct sq_jdbc_info *info, const struct sq_sink_spec *spec, const struct sq_jdbc_key *key)
{
    struct sq_buf name;
    (void)info;
    if (key)
        return SQ_OK;                              /* a collation cannot be altered in SQLite */
    sq_buf_init(&name, b->ctx);
    sq_buf_str(&name, base->table->name);
    sq_buf_puts(&name, "_key");
    sq_buf_puts(b, "CREATE UNIQUE INDEX ");
    sqlite_quote(b, sq_buf_view(&name));
    sq_buf_puts(b, " ON ");
    sqlite_quote(b, base->table->name);
    for (uint32_t k = 0; k < spec->nkey; k++) {
        sq_buf_puts(b, k ? ", " : " (");
        sqlite_quote(b, spec->table->cols[spec->key[k]].name);
    }
    sq_rc rc = sq_buf_putc(b, ')');
    sq_buf_free(&name);
    return rc;
}

/* ---- tables that exist ---- */

enum affinity { AFF_TEXT, AFF_NUMERIC, AFF_INTEGER, AFF_REAL, AFF_BLOB };

static bool has_word(struct sq_str s, const char *word)
{
    uint32_t n = (uint32_t)strlen(word);
    for (uint32_t i = 0; i + n <= s.n; i++)
        if (strncasecmp(s.p + i, word, n) == 0)
            return true;
    return false;
}

/* SQLite's own rules, in its order. */
static enum affinity affinity_of(struct sq_str type)
{
    if (has_word(type, "INT"))
        return AFF_INTEGER;
    if (has_word(type, "CHAR") || has_word(type, "CLOB") || has_word(type, "TEXT"))
        return AFF_TEXT;
    if (type.n == 0 || has_word(type, "BLOB"))
        return AFF_BLOB;
    if (has_word(type, "REAL") || has_word(type, "FLOA") || has_word(type, "DOUB"))
        return AFF_REAL;
    return AFF_NUMERIC;
}

static const char *sqlite_unfit(const struct sq_type *t, const struct sq_jdbc_column *c, bool in_key)
{
    enum affinity a = affinity_of(c->type);
    bool number = a == AFF_NUMERIC || a == AFF_INTEGER || a == AFF_REAL;
    if (sq_tid_is_string(t->id) && number)
        return "SQLite keeps numbers there: '007' would become 7; declare the column TEXT";
    if (t->id == SQ_T_DECIMAL && number && (t->p > 15 || in_key))
        return "SQLite keeps binary numbers of 15 digits there; declare the column TEXT to keep every digit";
    if (t->id == SQ_T_BIGINT && a == AFF_REAL)
        return "SQLite keeps doubles there, which have 53 bits; declare the column INTEGER";
    if (sq_tid_is_approx(t->id) && a == AFF_TEXT)
        return "SQLite keeps texts of 15 digits there; declare the column REAL";
    return NULL;
}

static sq_rc dup_text(struct sq_arena *arena, struct sq_jdbc_stmt *s, uint32_t i, struct sq_str *out)
{
    *out = sq_str_dup(arena, text_of(s, i));
    return out->p ? SQ_OK : SQ_NOMEM;
}

/* Prepares a statement with one parameter, a name. */
static sq_rc ask(struct conn *c, const char *sql, struct sq_str name, struct sq_jdbc_stmt **s)
{
    SQ_TRY(sqlite_prepare(&c->base, sql, s));
    if (c->lib.bind_text((*s)->s, 1, name.p, (int)name.n, SQLITE_STATIC) == SQLITE_OK)
        return SQ_OK;
    sqlite_finalize(*s);
    *s = NULL;
    return fail(c, "read");
}

static sq_rc find_table(struct conn *c, struct sq_jdbc_info *info)
{
    struct sq_jdbc_stmt *s = NULL;
    bool row;
    SQ_TRY(ask(c, "SELECT type FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE", info->name, &s));
    sq_rc rc = sqlite_step(s, &row);
    if (rc == SQ_OK && row) {
        info->exists = true;
        info->view = sq_str_is(text_of(s, 0), "view");
    }
    sqlite_finalize(s);
    return rc;
}

/* *ppk gets the columns of the primary key, in its order, *pnpk how many they are. */
static sq_rc read_columns(struct conn *c, struct sq_arena *arena, struct sq_jdbc_info *info, const uint32_t **ppk, uint32_t *pnpk)
{
    struct sq_jdbc_stmt *s = NULL;
    uint32_t *pk = SQ_NEW_ARRAY(arena, uint32_t, MAX_COLUMNS), npk = 0;
    bool row = true;
    sq_rc rc = SQ_OK;
    *ppk = pk;
    info->cols = SQ_NEW_ARRAY(arena, struct sq_jdbc_column, MAX_COLUMNS);
    if (!pk || !info->cols)
        return SQ_NOMEM;
    SQ_TRY(ask(c, "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid", info->name, &s));
    while ((rc = sqlite_step(s, &row)) == SQ_OK && row && info->ncols < MAX_COLUMNS) {
        struct sq_jdbc_column *col = &info->cols[info->ncols];
        int64_t at = c->lib.column_int64(s->s, 4), hidden = c->lib.column_int64(s->s, 5);
        if (hidden == 1)
            continue;
        SQ_TRY_OUT(dup_text(arena, s, 0, &col->name));
        SQ_TRY_OUT(dup_text(arena, s, 1, &col->type));
        col->not_null = c->lib.column_int64(s->s, 2) != 0;
        col->has_default = c->lib.column_int64(s->s, 3) != 0;
        col->generated = hidden == 2 || hidden == 3;
        if (at > 0 && at <= MAX_COLUMNS) {
            pk[at - 1] = info->ncols;
            npk++;
        }
        info->ncols++;
    }
    /* INTEGER PRIMARY KEY has no index of its own: it is the rowid, and may be left out of an INSERT */
    if (rc == SQ_OK && npk == 1 && strcasecmp(info->cols[pk[0]].type.p, "INTEGER") == 0) {
        info->keys[info->nkeys++] = (struct sq_jdbc_key){.cols = pk, .n = 1};
        info->cols[pk[0]].has_default = true;
    }
    *pnpk = npk;
out:
    sqlite_finalize(s);
    return rc;
}

/* One unique index: its columns, if it is over whole columns of the table. */
static sq_rc read_index(struct conn *c, struct sq_arena *arena, struct sq_str index, struct sq_jdbc_info *info)
{
    struct sq_jdbc_stmt *s = NULL;
    uint32_t *cols = SQ_NEW_ARRAY(arena, uint32_t, info->ncols + 1), n = 0;
    const char *merges = NULL;
    bool row = true, whole = true;
    sq_rc rc;
    if (!cols)
        return SQ_NOMEM;
    SQ_TRY(ask(c, "SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno", index, &s));
    while ((rc = sqlite_step(s, &row)) == SQ_OK && row) {
        int64_t at = -1;
        struct sq_str name = text_of(s, 0);
        for (uint32_t i = 0; i < info->ncols; i++)
            if (sq_str_eq(info->cols[i].name, name))
                at = i;
        if (at < 0 || n == info->ncols) {
            whole = false;
            continue;
        }
        if (!sq_str_iis(text_of(s, 1), "BINARY"))
            merges = sq_arena_printf(arena, "%.*s", SQ_FMT(text_of(s, 1)));
        cols[n++] = (uint32_t)at;
    }
    sqlite_finalize(s);
    if (rc == SQ_OK && whole && n)
        info->keys[info->nkeys++] = (struct sq_jdbc_key){.cols = cols, .n = n, .merges = merges};
    return rc;
}

enum { MAX_KEYS = 128 };

static sq_rc read_keys(struct conn *c, struct sq_arena *arena, struct sq_jdbc_info *info)
{
    struct sq_jdbc_stmt *s = NULL;
    struct sq_str names[MAX_KEYS];
    uint32_t n = 0;
    bool row = true;
    sq_rc rc;
    SQ_TRY(ask(c, "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND NOT partial", info->name, &s));
    while ((rc = sqlite_step(s, &row)) == SQ_OK && row && n < MAX_KEYS - 1)
        if ((rc = dup_text(arena, s, 0, &names[n++])) != SQ_OK)
            break;
    sqlite_finalize(s);
    for (uint32_t i = 0; rc == SQ_OK && i < n; i++)
        rc = read_index(c, arena, names[i], info);
    return rc;
}

/* A name of the rowid that no column hides; tables WITHOUT ROWID have none. */
static void find_rowid(struct conn *c, struct sq_arena *arena, struct sq_jdbc_info *info)
{
    static const char *const names[] = {"rowid", "_rowid_", "oid"};
    for (size_t i = 0; i < SQ_LEN(names) && !info->view; i++) {
        bool hidden = false;
        struct sq_buf sql;
        sqlite3_stmt *s = NULL;
        for (uint32_t k = 0; k < info->ncols; k++)
            hidden = hidden || sq_str_iis(info->cols[k].name, names[i]);
        if (hidden)
            continue;
        sq_buf_init(&sql, arena->ctx);
        sq_buf_printf(&sql, "SELECT %s FROM ", names[i]);
        sqlite_quote(&sql, info->name);
        if (sql.rc == SQ_OK && c->lib.prepare_v2(c->db, sql.p, -1, &s, NULL) == SQLITE_OK)
            info->row_name = names[i];
        c->lib.finalize(s);
        sq_buf_free(&sql);
        return;
    }
}

/* By rowid; tables without one by their primary key, which has no NULLs there. Texts as bytes, whatever the key's collation is: that tells them apart too. */
static sq_rc find_order(struct sq_arena *arena, struct sq_jdbc_info *info, const uint32_t *pk, uint32_t npk)
{
    struct sq_buf all, one;
    uint32_t n = info->row_name ? 1 : info->view ? 0 : npk;
    if (n == 0)
        return SQ_OK;
    sq_buf_init(&all, arena->ctx);
    sq_buf_init(&one, arena->ctx);
    info->orders = SQ_NEW_ARRAY(arena, struct sq_jdbc_order, n);
    sq_rc rc = info->orders ? SQ_OK : SQ_NOMEM;
    for (uint32_t i = 0; rc == SQ_OK && i < n; i++) {
        struct sq_jdbc_order *o = &info->orders[i];
        sq_buf_reset(&one);
        if (info->row_name)
            sq_buf_puts(&one, info->row_name);
        else
            sqlite_quote(&one, info->cols[pk[i]].name);
        o->col = info->row_name ? NULL : &info->cols[pk[i]];
        o->get = one.rc == SQ_OK ? sq_str_dup(arena, sq_buf_view(&one)).p : NULL;
        o->by = info->row_name ? o->get : o->get ? sq_arena_printf(arena, "%s COLLATE BINARY", o->get) : NULL;
        rc = o->by ? sq_buf_printf(&all, "%s%s", i ? ", " : "", o->by) : SQ_NOMEM;
    }
    if (rc == SQ_OK && !(info->order = sq_str_dup(arena, sq_buf_view(&all)).p))
        rc = SQ_NOMEM;
    info->norder = n <= SQ_JDBC_ORDER_MAX ? n : 0;
    sq_buf_free(&all);
    sq_buf_free(&one);
    return rc;
}

static sq_rc sqlite_describe(struct sq_jdbc_conn *base, struct sq_arena *arena, struct sq_str table, struct sq_jdbc_info *info)
{
    struct conn *c = (struct conn *)base;
    *info = (struct sq_jdbc_info){.name = table};
    SQ_TRY(find_table(c, info));
    if (!info->exists)
        return SQ_OK;
    info->keys = SQ_NEW_ARRAY(arena, struct sq_jdbc_key, MAX_KEYS);
    if (!info->keys)
        return SQ_NOMEM;
    const uint32_t *pk;
    uint32_t npk = 0;
    SQ_TRY(read_columns(c, arena, info, &pk, &npk));
    SQ_TRY(read_keys(c, arena, info));
    find_rowid(c, arena, info);
    return find_order(arena, info, pk, npk);
}

const struct sq_jdbc_dialect sq_jdbc_sqlite = {
    .name = "SQLite", .scheme = "sqlite", .drivers = "org.sqlite.JDBC", .package = "libsqlite3-0", .url = sqlite_url, .open = sqlite_open,
    .close = sqlite_close, .quote = sqlite_quote, .column_type = sqlite_column_type, .describe = sqlite_describe, .same_name = sq_str_ieq,
    .unfit = sqlite_unfit, .upsert = sqlite_upsert, .add_key = sqlite_add_key, .begin = sqlite_begin, .commit = sqlite_commit,
    .rollback = sqlite_rollback, .exec = sqlite_exec, .prepare = sqlite_prepare, .bind = sqlite_bind, .scan = sqlite_scan, .run = sqlite_run,
    .step = sqlite_step, .value = sqlite_value, .text = text_of, .finalize = sqlite_finalize, .trouble = sqlite_trouble,
    .literal = sqlite_literal, .change = sqlite_change, .first = sqlite_first, .durable = sqlite_durable,
    .order_literal = sqlite_order_literal,
    .make_marker = "CREATE TABLE " SQ_JDBC_MARKERS " (job TEXT NOT NULL, sink TEXT NOT NULL, epoch INTEGER NOT NULL, owner TEXT NOT NULL, updated TEXT NOT NULL, "
                   "PRIMARY KEY (job, sink))",
};
