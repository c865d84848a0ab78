/* SPDX-License-Identifier: Apache-2.0
 *
 * store_index.c: the index: which checkpoints there are, and how far each has come.
 *
 * It is made whole under another name and renamed, then kept in WAL mode with synchronous=FULL: a line is durable when its transaction returns. Each line, and
 * the job's identity, has a checksum of its own, so that a changed byte cannot turn PREPARED into DONE, and there is one over all lines, so that none is lost.
 * (PRAGMA integrity_check would not do: it reports an unreadable page, or no memory, as damage.)
 *
 * Files and lines may differ after a crash, or when somebody has removed the index. What is safe then follows from the commit protocol: epoch n+1 is written
 * only when n is DONE; a sink commits n only when file and line of n are durable; an epoch that did not happen has its file removed.
 *   A file without a line, not newer than the newest line: it was retired, or dropped: removed.
 *   A file without a line, newer, whole, of this job: killed before the line was durable, or lines were lost (index.db-wal removed). It counts as PREPARED, those
 *     before it as DONE. If no sink has committed it, a sink that decides says so (the epoch is dropped), and a store that decides may take it, for all that
 *     its sinks need is in it. If sinks have, it is needed.
 *   No index, or a damaged one: made anew from the files by the same rule: the newest is PREPARED though it may have been DONE, which costs no more than
 *     asking each sink for its marker again. A newest file that is damaged is PREPARED and damaged. Files of several jobs, or none that can be read: refused,
 *     for the job's identity is not known. What cannot be known is the UUID before the last renewal: a marker of that in a sink stays.
 *   A line without a file: the file was removed by somebody; the entry has no path, and it is for the runtime to see whether a sink needs it.
 */
#include "executor/checkpoint/store_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { APPLICATION = 0x73716978 };                       /* "sqix" */

static const char make_tables[] =
    "PRAGMA page_size=4096; BEGIN;"
    "CREATE TABLE store( -- whose checkpoints these are\n"
    "  key TEXT PRIMARY KEY, value TEXT);"
    "CREATE TABLE checkpoints(\n"
    "  epoch INTEGER PRIMARY KEY, -- its file is chk-<epoch>.db\n"
    "  status TEXT, -- PREPARED: durable here; DONE: by all sinks, too\n"
    "  finished INTEGER, -- 1: the input had ended\n"
    "  taken TEXT, taken_us INTEGER, bytes INTEGER,\n"
    "  checksum TEXT, -- of the file, as in its table checkpoint\n"
    "  line TEXT -- checksum of this line\n"
    ");";

static sq_rc version_of(struct sq_store *s)
{
    int64_t mark, version;
    SQ_TRY(sq_store_db_int(&s->index, "PRAGMA application_id", &mark));
    SQ_TRY(sq_store_db_int(&s->index, "PRAGMA user_version", &version));
    if (mark != APPLICATION)
        return sq_store_damaged(&s->index, "it is not an index of checkpoints");
    if (version == SQ_STORE_FORMAT)
        return SQ_OK;
    sq_fail(s->ctx, SQ_UNSUPPORTED, "index %s has format %lld; this version of sqluice reads format %d", s->index_path, (long long)version, SQ_STORE_FORMAT);
    return sq_hint(s->ctx, "go on with the version that has made it, or name another directory with 'execution.checkpointing.dir'");
}

/* ---- identity ---- */

static uint64_t identity_sum(const char *job, const char *old_job, const char *name)
{
    uint64_t h[3] = {sq_store_hash(job, strlen(job)), sq_store_hash(old_job, strlen(old_job)), sq_store_hash(name, strlen(name))};
    return sq_store_hash(h, sizeof h);
}

static sq_rc put_identity(struct sq_store_db *db, const char *job, const char *old_job, const char *name)
{
    char hex[SQ_STORE_HEX];
    sqlite3_stmt *st;
    const struct sq_store_value rows[][2] = {
        {SQ_SV_C("job"), SQ_SV_C(job)},
        {SQ_SV_C("old_job"), SQ_SV_C(old_job)},
        {SQ_SV_C("name"), SQ_SV_C(name)},
        {SQ_SV_C("checksum"), SQ_SV_C(sq_store_hex(identity_sum(job, old_job, name), hex))},
    };
    SQ_TRY(sq_store_db_prepare(db, "INSERT OR REPLACE INTO store VALUES (?, ?)", &st));
    sq_rc rc = SQ_OK;
    for (size_t i = 0; i < SQ_LEN(rows) && rc == SQ_OK; i++)
        rc = sq_store_db_run(db, st, rows[i], 2);
    db->lib.finalize(st);
    return rc;
}

static sq_rc get_identity(struct sq_store *s, struct sq_arena *a)
{
    struct sq_str v[4] = {{0}};
    sqlite3_stmt *st;
    bool row = true;
    uint64_t sum;

    SQ_TRY(sq_store_db_prepare(&s->index, "SELECT value FROM store WHERE key <> 'lines' ORDER BY key = 'checksum', key = 'name', key = 'old_job'", &st));
    for (int i = 0; row; i++) {
        SQ_TRY(sq_store_db_step(&s->index, st, &row));
        if (row != (i < 4))
            return sq_store_damaged(&s->index, "the rows of table store are not complete");
        if (row)
            SQ_TRY(sq_store_db_copy(&s->index, st, 0, a, &v[i]));
    }
    s->index.lib.finalize(st);
    if (!sq_store_is_uuid(v[0]) || (v[1].n && !sq_store_is_uuid(v[1])) || !sq_store_unhex(v[3], &sum) || sum != identity_sum(v[0].p, v[1].p, v[2].p))
        return sq_store_damaged(&s->index, "table store does not have its checksum");
    memcpy(s->job, v[0].p, v[0].n + 1);
    memcpy(s->old_job, v[1].p, v[1].n + 1);
    s->name = sq_str_copy(s->ctx, v[2]);
    return s->name ? SQ_OK : SQ_NOMEM;
}

/* ---- lines ---- */

static const char *status_name(enum sq_store_status status) { return status == SQ_STORE_DONE ? "DONE" : "PREPARED"; }

static uint64_t line_sum(const struct sq_store_line *l, const char *job)
{
    uint64_t h[] = {l->epoch, l->sum, l->status, l->finished, l->known, (uint64_t)l->taken_us, (uint64_t)l->bytes, sq_store_hash(job, strlen(job))};
    return sq_store_hash(h, sizeof h);
}

static sq_rc put_line(struct sq_store_db *db, const char *job, const struct sq_store_line *l)
{
    char iso[40], sum[SQ_STORE_HEX], line[SQ_STORE_HEX];
    sqlite3_stmt *st;
    const struct sq_store_value v[] = {
        SQ_SV_I(l->epoch), SQ_SV_C(status_name(l->status)), SQ_SV_I(l->finished), SQ_SV_C(l->known ? sq_store_iso(l->taken_us, iso) : ""), SQ_SV_I(l->taken_us),
        SQ_SV_I(l->bytes), SQ_SV_C(l->known ? sq_store_hex(l->sum, sum) : ""), SQ_SV_C(sq_store_hex(line_sum(l, job), line)),
    };
    SQ_TRY(sq_store_db_prepare(db, "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?)", &st));
    sq_rc rc = sq_store_db_run(db, st, v, SQ_LEN(v));
    db->lib.finalize(st);
    return rc;
}

static sq_rc get_line(struct sq_store *s, sqlite3_stmt *st, struct sq_store_line *l)
{
    const struct sq_sqlite *lib = &s->index.lib;
    struct sq_str status, sum, line;
    uint64_t want;
    *l = (struct sq_store_line){.epoch = (uint64_t)lib->column_int64(st, 0), .finished = lib->column_int64(st, 2) != 0, .taken_us = lib->column_int64(st, 3),
                                .bytes = lib->column_int64(st, 4)};
    SQ_TRY(sq_store_db_bytes(&s->index, st, 1, &status));
    l->status = sq_str_is(status, "DONE") ? SQ_STORE_DONE : SQ_STORE_PREPARED;
    SQ_TRY(sq_store_db_bytes(&s->index, st, 5, &sum));
    l->known = sum.n > 0;
    bool good = (!l->known || sq_store_unhex(sum, &l->sum)) && sq_str_is(status, status_name(l->status));
    SQ_TRY(sq_store_db_bytes(&s->index, st, 6, &line));
    if (!good || !sq_store_unhex(line, &want) || want != line_sum(l, s->job))
        return sq_store_damaged(&s->index, "the line of checkpoint %llu does not have its checksum", (unsigned long long)l->epoch);
    return SQ_OK;
}

sq_rc sq_store_index_lines(struct sq_store *s, struct sq_arena *a, struct sq_store_line **out, uint32_t *n)
{
    sqlite3_stmt *st;
    int64_t count;
    bool row;

    *n = 0;
    SQ_TRY(sq_store_db_int(&s->index, "SELECT count(*) FROM checkpoints", &count));
    *out = SQ_NEW_ARRAY(a, struct sq_store_line, count);
    if (!*out)
        return SQ_NOMEM;
    SQ_TRY(sq_store_db_prepare(&s->index, "SELECT epoch, status, finished, taken_us, bytes, checksum, line FROM checkpoints ORDER BY epoch DESC", &st));
    sq_rc rc = sq_store_db_step(&s->index, st, &row);
    for (; rc == SQ_OK && row && *n < count; rc = sq_store_db_step(&s->index, st, &row)) {
        rc = get_line(s, st, &(*out)[(*n)++]);
        if (rc != SQ_OK)
            break;
    }
    s->index.lib.finalize(st);
    return rc;
}

/* The checksum over the checksums of all lines. */
static sq_rc all_lines(struct sq_store_db *db, uint64_t *sum)
{
    sqlite3_stmt *st;
    struct sq_str line;
    bool row;
    *sum = 0;
    SQ_TRY(sq_store_db_prepare(db, "SELECT line FROM checkpoints ORDER BY epoch", &st));
    sq_rc rc = sq_store_db_step(db, st, &row);
    while (rc == SQ_OK && row) {
        rc = sq_store_db_bytes(db, st, 0, &line);
        uint64_t h[2] = {*sum, sq_store_hash(line.p, line.n)};
        *sum = sq_store_hash(h, sizeof h);
        if (rc == SQ_OK)
            rc = sq_store_db_step(db, st, &row);
    }
    db->lib.finalize(st);
    return rc;
}

/* Before each commit. */
static sq_rc seal(struct sq_store_db *db)
{
    char hex[SQ_STORE_HEX];
    sqlite3_stmt *st;
    uint64_t sum;
    SQ_TRY(all_lines(db, &sum));
    const struct sq_store_value v[] = {SQ_SV_C("lines"), SQ_SV_C(sq_store_hex(sum, hex))};
    SQ_TRY(sq_store_db_prepare(db, "INSERT OR REPLACE INTO store VALUES (?, ?)", &st));
    sq_rc rc = sq_store_db_run(db, st, v, SQ_LEN(v));
    db->lib.finalize(st);
    return rc;
}

static sq_rc check_seal(struct sq_store *s)
{
    struct sq_store_db *db = &s->index;
    struct sq_str have;
    sqlite3_stmt *st;
    uint64_t sum, want;
    bool row;
    SQ_TRY(all_lines(db, &sum));
    SQ_TRY(sq_store_db_prepare(db, "SELECT value FROM store WHERE key = 'lines'", &st));
    SQ_TRY(sq_store_db_step(db, st, &row));
    if (!row)
        return sq_store_damaged(db, "the rows of table store are not complete");
    SQ_TRY(sq_store_db_bytes(db, st, 0, &have));
    if (!sq_store_unhex(have, &want) || sum != want)
        return sq_store_damaged(db, "the rows of table checkpoints are not those that were written");
    db->lib.finalize(st);
    return SQ_OK;
}

/* ---- transactions ---- */

static sq_rc end_transaction(struct sq_store *s, sq_rc rc)
{
    if (rc == SQ_OK)
        rc = seal(&s->index);
    if (rc == SQ_OK)
        rc = sq_store_db_exec(&s->index, "COMMIT");
    if (!s->index.lib.get_autocommit(s->index.db))
        s->index.lib.exec(s->index.db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static sq_rc begin_transaction(struct sq_store *s) { return sq_store_db_exec(&s->index, "BEGIN IMMEDIATE"); }

static sq_rc run(struct sq_store *s, const char *sql, int64_t arg)
{
    const struct sq_store_value v[] = {SQ_SV_I(arg)};
    sqlite3_stmt *st;
    SQ_TRY(sq_store_db_prepare(&s->index, sql, &st));
    sq_rc rc = sq_store_db_run(&s->index, st, v, 1);
    s->index.lib.finalize(st);
    return rc;
}

sq_rc sq_store_index_find(struct sq_store *s, uint64_t epoch, struct sq_store_line *l)
{
    sqlite3_stmt *st;
    bool row;
    SQ_TRY(sq_store_db_prepare(&s->index, "SELECT epoch, status, finished, taken_us, bytes, checksum, line FROM checkpoints WHERE epoch = ?", &st));
    s->index.lib.bind_int64(st, 1, (int64_t)epoch);
    sq_rc rc = sq_store_db_step(&s->index, st, &row);
    if (rc == SQ_OK)
        rc = row ? get_line(s, st, l) : sq_fail(s->ctx, SQ_MISUSE, "there is no checkpoint %llu in %s", (unsigned long long)epoch, s->dir);
    s->index.lib.finalize(st);
    return rc;
}

sq_rc sq_store_index_add(struct sq_store *s, const struct sq_store_line *l)
{
    SQ_TRY(begin_transaction(s));
    return end_transaction(s, put_line(&s->index, s->job, l));
}

static sq_rc done(struct sq_store *s, uint64_t epoch, uint64_t keep_from)
{
    struct sq_store_line l;
    SQ_TRY(sq_store_index_find(s, epoch, &l));
    l.status = SQ_STORE_DONE;
    SQ_TRY(put_line(&s->index, s->job, &l));
    return run(s, "DELETE FROM checkpoints WHERE epoch < ?", (int64_t)keep_from);
}

sq_rc sq_store_index_done(struct sq_store *s, uint64_t epoch, uint64_t keep_from)
{
    SQ_TRY(begin_transaction(s));
    return end_transaction(s, done(s, epoch, keep_from));
}

sq_rc sq_store_index_drop(struct sq_store *s, uint64_t epoch)
{
    SQ_TRY(begin_transaction(s));
    return end_transaction(s, run(s, "DELETE FROM checkpoints WHERE epoch = ?", (int64_t)epoch));
}

sq_rc sq_store_index_identity(struct sq_store *s, const char *job, const char *old_job, bool clear)
{
    SQ_TRY(begin_transaction(s));
    sq_rc rc = put_identity(&s->index, job, old_job, s->name);
    if (rc == SQ_OK && clear)
        rc = run(s, "DELETE FROM checkpoints WHERE epoch > ?", 0);
    return end_transaction(s, rc);
}

/* ---- files ---- */

struct files { struct sq_ctx *ctx; uint64_t *epoch; size_t n, cap; sq_rc rc; };

static int on_file(void *arg, const char *name)
{
    struct files *f = arg;
    uint64_t epoch;
    if (sq_store_epoch_of(name, ".db", &epoch)) {
        f->rc = sq_grow(f->ctx, &f->epoch, &f->cap, f->n + 1, sizeof *f->epoch);
        if (f->rc == SQ_OK)
            f->epoch[f->n++] = epoch;
    }
    return f->rc != SQ_OK;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

/* The numbers of all chk-N.db, newest first; f->epoch is to be freed. */
static sq_rc list_files(struct sq_store *s, struct files *f)
{
    char why[128];
    *f = (struct files){.ctx = s->ctx};
    int rc = s->ctx->os->list(s->ctx->os->arg, s->dir, on_file, f);
    if (rc < 0)
        return sq_fail(s->ctx, SQ_IO, "cannot read directory %s: %s", s->dir, sq_os_strerror(rc, why, sizeof why));
    if (f->n)
        qsort(f->epoch, f->n, sizeof *f->epoch, newest_first);
    return f->rc;
}

/* What a checkpoint's file says of itself, and whose it is; also the job's name when the index did not tell it. SQ_DATA: it is damaged. */
static sq_rc look(struct sq_store *s, uint64_t epoch, struct sq_store_line *l, char job[SQ_STORE_UUID + 1])
{
    char path[SQ_STORE_PATH];
    struct sq_store_reader *r;
    struct sq_saved saved;
    struct stat st;
    *l = (struct sq_store_line){.epoch = epoch, .status = SQ_STORE_DONE};
    job[0] = 0;
    SQ_TRY(sq_store_path(s->ctx, path, "%s/chk-%llu.db", s->dir, (unsigned long long)epoch));
    if (s->ctx->os->stat(s->ctx->os->arg, path, &st) == 0)
        l->bytes = st.st_size;
    SQ_TRY(sq_store_read(s->ctx, path, &r, &saved));
    memcpy(job, saved.job.p, SQ_STORE_UUID + 1);
    l->finished = saved.finished;
    l->taken_us = saved.taken_us;
    l->sum = sq_store_reader_digest(r);
    l->known = true;
    sq_rc rc = SQ_OK;
    if (!s->name) {
        s->name = sq_str_copy(s->ctx, saved.name);
        rc = s->name ? SQ_OK : SQ_NOMEM;
    }
    sq_store_reader_close(r);
    return rc;
}

static void file_away(struct sq_store *s, uint64_t epoch, const char *suffix)
{
    char path[SQ_STORE_PATH], aside[SQ_STORE_PATH];
    if (sq_store_path(s->ctx, path, "%s/chk-%llu.db", s->dir, (unsigned long long)epoch) != SQ_OK)
        return;
    if (!suffix)
        sq_store_unlink(s->ctx, path);
    else if (sq_store_path(s->ctx, aside, "%s%s", path, suffix) == SQ_OK)
        s->ctx->os->rename(s->ctx->os->arg, path, aside);
}

/* ---- making the index, from the files that are there ---- */

static sq_rc lines_of_files(struct sq_store *s, const struct files *f, struct sq_store_line *lines)
{
    char job[SQ_STORE_UUID + 1];
    s->job[0] = 0;
    for (size_t i = 0; i < f->n; i++) {
        sq_rc rc = look(s, f->epoch[i], &lines[i], job);
        if (rc != SQ_OK && rc != SQ_DATA)
            return rc;
        if (i == 0)
            lines[i].status = SQ_STORE_PREPARED;
        if (job[0] && s->job[0] && strcmp(job, s->job) != 0) {
            sq_fail(s->ctx, SQ_DATA, "directory %s has no index, and checkpoints of several jobs: %s and %s", s->dir, s->job, job);
            return sq_hint(s->ctx, "leave one job's files chk-N.db there, or begin with an empty directory");
        }
        if (job[0])
            memcpy(s->job, job, sizeof job);
    }
    if (f->n && !s->job[0]) {
        sq_wrap(s->ctx, "directory %s has no index, and none of its checkpoints can be read", s->dir);
        return sq_hint(s->ctx, "begin with an empty directory, or put the files back from a copy");
    }
    return SQ_OK;
}

static sq_rc write_index(struct sq_store *s, const char *tmp, const struct sq_store_line *lines, size_t n)
{
    struct sq_store_db db;
    char sql[128];
    SQ_TRY(sq_store_db_open(s->ctx, &db, "index", tmp, SQ_STORE_DB_NEW));
    sq_rc rc = sq_store_db_exec(&db, make_tables);
    if (rc == SQ_OK)
        rc = put_identity(&db, s->job, s->old_job, s->name);
    for (size_t i = 0; i < n && rc == SQ_OK; i++)
        rc = put_line(&db, s->job, &lines[i]);
    if (rc == SQ_OK)
        rc = seal(&db);
    snprintf(sql, sizeof sql, "COMMIT; PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION, SQ_STORE_FORMAT);
    if (rc == SQ_OK)
        rc = sq_store_db_exec(&db, sql);
    sq_store_db_close(&db);
    return rc;
}

/* An old -wal beside a new index.db would be replayed into it. */
static sq_rc remove_beside(struct sq_store *s)
{
    static const char *const beside[] = {"-wal", "-shm", "-journal"};
    char path[SQ_STORE_PATH];
    for (size_t i = 0; i < SQ_LEN(beside); i++) {
        SQ_TRY(sq_store_path(s->ctx, path, "%s%s", s->index_path, beside[i]));
        sq_store_unlink(s->ctx, path);
    }
    return sq_os_sync_dir(s->ctx, s->dir);
}

static sq_rc make_index(struct sq_store *s, struct sq_str job_name, const struct files *f)
{
    char tmp[SQ_STORE_PATH];
    struct sq_store_line *lines = sq_calloc(s->ctx, (f->n + 1) * sizeof *lines);
    sq_rc rc = lines ? lines_of_files(s, f, lines) : SQ_NOMEM;
    if (rc == SQ_OK && f->n == 0)
        sq_store_new_uuid(s->ctx, s->job);
    if (rc == SQ_OK && !s->name) {
        s->name = sq_str_copy(s->ctx, job_name);
        rc = s->name ? SQ_OK : SQ_NOMEM;
    }
    if (rc == SQ_OK)
        rc = remove_beside(s);
    if (rc == SQ_OK)
        rc = sq_store_path(s->ctx, tmp, "%s.tmp", s->index_path);
    if (rc == SQ_OK) {
        rc = write_index(s, tmp, lines, f->n);
        if (rc == SQ_OK)
            rc = sq_store_publish(s->ctx, tmp, s->index_path);
        if (rc != SQ_OK)
            sq_store_unlink(s->ctx, tmp);
    }
    sq_free(s->ctx, lines);
    if (rc == SQ_OK && f->n)
        sq_notice(s->ctx, "the index of the checkpoints in %s was missing or damaged; made anew from %zu files, the newest of them is checkpoint %llu", s->dir, f->n,
                  (unsigned long long)f->epoch[0]);
    return rc;
}

/* ---- opening ---- */

static sq_rc load(struct sq_store *s, struct sq_str job_name)
{
    struct sq_arena arena;
    struct sq_store_line *lines;
    uint32_t n = 0;

    SQ_TRY(sq_store_db_open(s->ctx, &s->index, "index", s->index_path, SQ_STORE_DB_EDIT));
    SQ_TRY(version_of(s));
    SQ_TRY(sq_store_db_exec(&s->index, "PRAGMA journal_mode=WAL"));
    sq_arena_init(&arena, s->ctx);
    sq_rc rc = get_identity(s, &arena);
    if (rc == SQ_OK)
        rc = sq_store_index_lines(s, &arena, &lines, &n);
    if (rc == SQ_OK)
        rc = check_seal(s);
    sq_arena_free(&arena);
    SQ_TRY(rc);
    if (job_name.n == 0 || sq_str_is(job_name, s->name))
        return SQ_OK;
    if (n > 0) {
        sq_fail(s->ctx, SQ_SEMANTIC, "directory %s has the checkpoints of job '%s', not of '%.*s'", s->dir, s->name, SQ_FMT(job_name));
        return sq_hint(s->ctx, "give each job a directory of its own: 'execution.checkpointing.dir'; or go on from the other job's with 'execution.savepoint.path'");
    }
    sq_free(s->ctx, s->name);
    s->name = sq_str_copy(s->ctx, job_name);
    return s->name ? sq_store_index_identity(s, s->job, s->old_job, false) : SQ_NOMEM;
}

sq_rc sq_store_index_look(struct sq_store *s, struct sq_arena *a)
{
    SQ_TRY(sq_store_db_open(s->ctx, &s->index, "index", s->index_path, SQ_STORE_DB_EDIT));
    SQ_TRY(version_of(s));
    return get_identity(s, a);
}

static void unload(struct sq_store *s)
{
    sq_store_db_close(&s->index);
    sq_free(s->ctx, s->name);
    s->name = NULL;
    s->job[0] = s->old_job[0] = 0;
}

static bool has_line(const struct sq_store_line *l, uint32_t n, uint64_t epoch)
{
    for (uint32_t i = 0; i < n; i++)
        if (l[i].epoch == epoch)
            return true;
    return false;
}

/* A file without a line (see the head of this file). *adopt: it is to get the line *l. */
static sq_rc judge(struct sq_store *s, uint64_t epoch, uint64_t newest, struct sq_store_line *l, bool *adopt)
{
    char job[SQ_STORE_UUID + 1];
    *adopt = false;
    sq_rc rc = look(s, epoch, l, job);
    if (rc != SQ_OK && rc != SQ_DATA)
        return rc;
    bool ours = job[0] && (strcmp(job, s->job) == 0 || strcmp(job, s->old_job) == 0);
    if (rc == SQ_OK && !ours) {
        sq_notice(s->ctx, "%s/chk-%llu.db is of another job, %s, and left alone", s->dir, (unsigned long long)epoch, job);
    } else if (rc == SQ_OK && epoch > newest && strcmp(job, s->job) == 0) {
        *adopt = true;
    } else if (rc == SQ_DATA && epoch > newest) {
        sq_notice(s->ctx, "checkpoint %llu in %s is not in the index, and damaged: kept as chk-%llu.db.damaged", (unsigned long long)epoch, s->dir,
                  (unsigned long long)epoch);
        file_away(s, epoch, ".damaged");
    } else {
        file_away(s, epoch, NULL);
    }
    return SQ_OK;
}

static sq_rc add_lines(struct sq_store *s, struct sq_store_line *lines, uint32_t n)
{
    SQ_TRY(begin_transaction(s));
    sq_rc rc = SQ_OK;
    for (uint32_t i = 0; i < n && rc == SQ_OK; i++) {
        lines[i].status = i == 0 ? SQ_STORE_PREPARED : SQ_STORE_DONE;
        rc = put_line(&s->index, s->job, &lines[i]);
    }
    return end_transaction(s, rc);
}

/* Brings files and lines together. */
static sq_rc reconcile(struct sq_store *s, const struct files *f, struct sq_arena *a)
{
    struct sq_store_line *lines, *all;
    uint32_t n, adopted = 0;
    SQ_TRY(sq_store_index_lines(s, a, &lines, &n));
    all = SQ_NEW_ARRAY(a, struct sq_store_line, f->n + n);
    if (!all)
        return SQ_NOMEM;
    for (size_t i = 0; i < f->n; i++) {
        bool adopt = false;
        if (!has_line(lines, n, f->epoch[i]))
            SQ_TRY(judge(s, f->epoch[i], n ? lines[0].epoch : 0, &all[adopted], &adopt));
        adopted += adopt;
    }
    if (adopted == 0)
        return SQ_OK;
    sq_notice(s->ctx, "checkpoint %llu in %s is whole but was not in the index; it is taken as prepared", (unsigned long long)all[0].epoch, s->dir);
    if (n)
        memcpy(all + adopted, lines, n * sizeof *lines);
    return add_lines(s, all, adopted + n);
}

static sq_rc open_index(struct sq_store *s, struct sq_str job_name, const struct files *f)
{
    char aside[SQ_STORE_PATH], why[128];
    struct stat st;
    sq_rc rc = SQ_DATA;
    int e = s->ctx->os->stat(s->ctx->os->arg, s->index_path, &st);
    bool there = e >= 0;

    if (!there && e != -ENOENT)
        return sq_fail(s->ctx, SQ_IO, "cannot read index %s: %s", s->index_path, sq_os_strerror(e, why, sizeof why));
    if (there)
        rc = load(s, job_name);
    if (rc != SQ_DATA)
        return rc;
    if (there && f->n == 0)
        return sq_hint(s->ctx, "there is no checkpoint to make it anew from; remove the directory to begin anew, or put the file back from a copy");
    unload(s);
    if (there) {
        SQ_TRY(sq_store_path(s->ctx, aside, "%s.damaged", s->index_path));
        s->ctx->os->rename(s->ctx->os->arg, s->index_path, aside);
    }
    SQ_TRY(make_index(s, job_name, f));
    unload(s);
    return load(s, job_name);
}

sq_rc sq_store_index_open(struct sq_store *s, struct sq_str job_name)
{
    struct files f;
    struct sq_arena arena;
    sq_arena_init(&arena, s->ctx);
    sq_rc rc = list_files(s, &f);
    if (rc == SQ_OK)
        rc = open_index(s, job_name, &f);
    if (rc == SQ_OK)
        rc = reconcile(s, &f, &arena);
    sq_free(s->ctx, f.epoch);
    sq_arena_free(&arena);
    return rc;
}
