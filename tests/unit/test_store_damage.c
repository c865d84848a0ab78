/* SPDX-License-Identifier: Apache-2.0
 *
 * test_store_damage.c: files of the checkpoint store that were changed, cut off, mixed up or removed. A checkpoint is found to be damaged, or reads exactly as
 * it was written; a directory comes back as what can be known of it, or is refused.
 */
#include "store_kit.h"

static void path_of(struct world *w, const char *name, char *path) { snprintf(path, 256, "%s/%s", w->job_dir, name); }

static char *slurp(struct world *w, const char *name, size_t *n)
{
    char path[256];
    path_of(w, name, path);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *p = malloc(*n);
    assert_int_equal(fread(p, 1, *n, f), *n);
    fclose(f);
    return p;
}

static void spill(struct world *w, const char *name, const char *p, size_t n)
{
    char path[256];
    path_of(w, name, path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    fclose(f);
}

/* Reads all of chk-1.db: its result. When it reads, it is as it was written. */
static sq_rc read_one(struct world *w, struct sq_store *s)
{
    struct sq_store_reader *r;
    struct sq_saved v;
    char path[256];
    path_of(w, "chk-1.db", path);
    sq_rc rc = sq_store_read(&w->ctx, path, &r, &v);
    if (rc == SQ_OK)
        rc = sq_store_verify(r);
    sq_store_reader_close(r);
    if (rc == SQ_OK)
        w_check(w, s, 1);
    return rc;
}

/* ---- one checkpoint's file ---- */

static void flipped_bytes(void **state)
{
    enum { FLIPS = 2000 };
    struct world w;
    uint64_t seed = 42;
    size_t n, found = 0;
    char path[256];
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 1, 1);
    char *whole = slurp(&w, "chk-1.db", &n);
    path_of(&w, "chk-1.db", path);
    int fd = open(path, O_RDWR);
    for (int i = 0; i < FLIPS; i++) {
        size_t at = i < 400 ? (size_t)i / 4 : w_random(&seed) % n;      /* the header well, then anywhere, mostly where something is */
        for (int tries = 0; i >= 400 && i % 8 && whole[at] == 0 && tries < 100; tries++)
            at = w_random(&seed) % n;
        char c = (char)(whole[at] ^ (i % 4 == 0 ? 1 : i % 4 == 1 ? 0x80 : i % 4 == 2 ? 0xff : (int)(1 + w_random(&seed) % 255)));
        assert_int_equal(pwrite(fd, &c, 1, (off_t)at), 1);
        sq_rc rc = read_one(&w, s);
        if (rc != SQ_OK && (rc != SQ_DATA || !strstr(w.ctx.err.msg, path)))
            print_error("byte %zu: %d %s\n", at, rc, w.ctx.err.msg);
        assert_true(rc == SQ_OK || (rc == SQ_DATA && strstr(w.ctx.err.msg, path)));
        found += rc != SQ_OK;
        assert_int_equal(pwrite(fd, whole + at, 1, (off_t)at), 1);
    }
    assert_true(found > FLIPS / 2);
    assert_int_equal(read_one(&w, s), SQ_OK);
    close(fd);
    free(whole);
    sq_store_close(s);
    w_end(&w);
}

static void cut_off(void **state)
{
    struct world w;
    size_t n;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 1, 1);
    char *whole = slurp(&w, "chk-1.db", &n);
    char *longer = calloc(1, n + 65536);
    memcpy(longer, whole, n);
    for (size_t keep = 0; keep < n; keep += keep < 200 ? 9 : keep % 65536 == 0 ? 65535 : 1) {
        spill(&w, "chk-1.db", whole, keep);
        w_bad(&w, read_one(&w, s), SQ_DATA, keep < 100 ? "it is not a SQLite file" : "bytes, and was written with");
        if (keep > 200 && keep % 65536 == 65535)
            keep++;
    }
    spill(&w, "chk-1.db", longer, n + 65536);
    w_bad(&w, read_one(&w, s), SQ_DATA, "bytes, and was written with");
    spill(&w, "chk-1.db", whole, n);
    assert_int_equal(read_one(&w, s), SQ_OK);
    free(whole);
    free(longer);
    sq_store_close(s);
    w_end(&w);
}

static void not_a_checkpoint(void **state)
{
    struct world w;
    struct sq_store_reader *r;
    struct sq_saved v;
    size_t n;
    char path[256];
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 1, 1);
    path_of(&w, "chk-1.db", path);
    char *whole = slurp(&w, "chk-1.db", &n);
    whole[63] = 7;
    spill(&w, "chk-1.db", whole, n);
    w_bad(&w, read_one(&w, s), SQ_DATA, "has format 7; this version of sqluice reads format 3");
    free(whole);
    w_shell("rm %s; sqlite3 %s 'create table t(a)' || cp %s/index.db %s", path, path, w.job_dir, path);
    w_bad(&w, read_one(&w, s), SQ_DATA, "is a SQLite file, but not a checkpoint");
    w_shell("echo nothing of the kind > %s", path);
    w_bad(&w, read_one(&w, s), SQ_DATA, "is damaged: it is not a SQLite file");
    w_shell("rm %s", path);
    w_bad(&w, sq_store_read(&w.ctx, path, &r, &v), SQ_IO, "chk-1.db: no such file or directory");
    w_bad(&w, sq_store_read(&w.ctx, w.job_dir, &r, &v), SQ_IO, "it is not a file");
    sq_store_close(s);
    w_end(&w);
}

/* Changed by SQL, so that the file is a perfect database. */
static void edited(void **state)
{
    static const char *const edits[] = {
        "UPDATE checkpoint SET value = 2 WHERE key = 'epoch'",
        "UPDATE checkpoint SET value = 3 WHERE key = 'workers'",
        "UPDATE checkpoint SET value = 0 WHERE key = 'decided_by_sink'",
        "UPDATE checkpoint SET value = 1 WHERE key = 'finished'",
        "UPDATE checkpoint SET value = '2024-01-01T00:00:00.000000Z' WHERE key = 'taken'",
        "UPDATE checkpoint SET value = value + 1 WHERE key = 'taken_us'",
        "UPDATE checkpoint SET value = 1 << 50 WHERE key = 'operators'",
        "UPDATE checkpoint SET value = -1 WHERE key = 'chunks'",
        "UPDATE checkpoint SET value = 'x' WHERE key = 'checksum'",
        "UPDATE checkpoint SET value = upper(value) WHERE key = 'checksum' AND value <> upper(value)",
        "UPDATE checkpoint SET value = NULL WHERE key = 'job'",
        "UPDATE checkpoint SET value = value || 'x' WHERE key = 'plan'",
        "UPDATE checkpoint SET key = 'Name' WHERE key = 'name'",
        "DELETE FROM checkpoint WHERE key = 'decider'",
        "INSERT INTO checkpoint VALUES ('more', 1)",
        "UPDATE operators SET uid = '0000000000000000' WHERE op = 2",
        "UPDATE operators SET uid = 'xx' WHERE op = 2",
        "UPDATE operators SET worker = 5 WHERE op = 1",
        "UPDATE operators SET worker = -5 WHERE op = 1",
        "UPDATE operators SET kind = 9 WHERE op = 1",
        "UPDATE operators SET name = 'y' WHERE op = 1",
        "UPDATE operators SET watermark = 1 WHERE op = 1",
        "UPDATE operators SET watermark = NULL WHERE op = 1",
        "UPDATE operators SET records = records + 1 WHERE op = 1",
        "UPDATE operators SET bytes = 7 WHERE op = 1",
        "UPDATE operators SET chunks = 1 WHERE op = 2",
        "UPDATE operators SET chunks = 1 << 40 WHERE op = 2",
        "UPDATE operators SET splits = 1 WHERE op = 0",
        "UPDATE operators SET splits = 300000 WHERE op = 0",
        "UPDATE operators SET pending = 99999 WHERE op = 5",
        "UPDATE operators SET pending = 100001 WHERE op = 5",
        "UPDATE operators SET pending = NULL WHERE op = 4",
        "UPDATE operators SET pending = 0 WHERE op = 3",
        "UPDATE operators SET flags = x'' WHERE op = 5",
        "UPDATE operators SET op = 7 WHERE op = 5",
        "DELETE FROM operators WHERE op = 5",
        "DELETE FROM operators WHERE op = 0",
        "INSERT INTO operators(op) VALUES (6)",
        "UPDATE splits SET id = 'z' WHERE split = 1",
        "UPDATE splits SET shown = 'z' WHERE split = 1",
        "UPDATE splits SET ended = 1 - ended WHERE split = 1",
        "UPDATE splits SET position = x'01' WHERE split = 1",
        "UPDATE splits SET payload = x'01' WHERE split = 1",
        "UPDATE splits SET op = 1 WHERE split = 1",
        "DELETE FROM splits WHERE split = 4",
        "INSERT INTO splits(split) VALUES (9)",
        "UPDATE chunks SET seq = 1 WHERE chunk = 0",
        "UPDATE chunks SET bytes = bytes + 1 WHERE chunk = 0",
        "UPDATE chunks SET bytes = -1 WHERE chunk = 0",
        "UPDATE chunks SET checksum = '0123456789abcdef' WHERE chunk = 0",
        "UPDATE chunks SET place = 1 WHERE chunk = 0",
        "UPDATE chunks SET place = 99 WHERE chunk = 0",
        "DELETE FROM chunks WHERE chunk = 9",
        "UPDATE data SET content = NULL WHERE place = 1",
        "UPDATE data SET content = x'00' WHERE place = 2",
        "UPDATE data SET content = zeroblob(length(content)) WHERE place = 1",
        "UPDATE data SET content = CAST(content || x'00' AS BLOB) WHERE place = 1",
        "DELETE FROM data WHERE place = 3",
        "UPDATE pending SET content = zeroblob(length(content))",
        "UPDATE pending SET op = 4",
        "DELETE FROM pending",
        "INSERT INTO pending VALUES (1, 5, x'00')",
        "CREATE TABLE more(a)",
        "CREATE TRIGGER t AFTER INSERT ON data BEGIN SELECT 1; END",
        "CREATE INDEX i ON splits(op)",
        "DROP VIEW state",
        "DROP TABLE pending",
        "DROP TABLE pending; CREATE VIEW pending AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i FROM n) SELECT i AS part, 5 AS op, x'00' AS content FROM n",
    };
    struct world w;
    size_t n;
    char path[256];
    struct sq_sqlite lib;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 1, 1);
    char *whole = slurp(&w, "chk-1.db", &n);
    path_of(&w, "chk-1.db", path);
    w_ok(&w, sq_sqlite_load(&w.ctx, &lib));
    for (size_t i = 0; i < SQ_LEN(edits); i++) {
        sqlite3 *db;
        spill(&w, "chk-1.db", whole, n);
        assert_int_equal(lib.open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        if (lib.exec(db, edits[i], NULL, NULL, NULL) != SQLITE_OK)
            fail_msg("%s: %s", edits[i], lib.errmsg(db));
        lib.close(db);
        sq_rc rc = read_one(&w, s);
        if (rc != SQ_DATA || !strstr(w.ctx.err.msg, "chk-1.db is damaged: "))
            fail_msg("%s: %d %s", edits[i], rc, w.ctx.err.msg);
    }
    sq_sqlite_unload(&lib);
    free(whole);
    sq_store_close(s);
    w_end(&w);
}

/* Each file is whole, but not the one that the index means. */
static void mixed_up(void **state)
{
    struct world w;
    struct sq_store_reader *r;
    struct sq_saved v;
    struct w_chunks chunks;
    int64_t bytes;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 1, 5);
    w_make(&w, s, 2, 5);
    w_shell("cd %s; mv chk-1.db x; mv chk-2.db chk-1.db; mv x chk-2.db", w.job_dir);
    w_bad(&w, sq_store_get(s, 1, &r, &v), SQ_DATA, "chk-1.db is damaged: it holds checkpoint 2");
    w_bad(&w, sq_store_get(s, 2, &r, &v), SQ_DATA, "chk-2.db is damaged: it holds checkpoint 1");
    assert_null(r);
    w_shell("cd %s; mv chk-1.db x; mv chk-2.db chk-1.db; mv x chk-2.db; mv chk-2.db ..", w.job_dir);
    w_ok(&w, sq_store_drop(s, 2));
    struct sq_saved other = w_saved(&w.arena, s, 2, 77, &chunks);
    w_ok(&w, w_try_write(s, &other, &chunks, &bytes));
    w_shell("mv %s/../chk-2.db %s", w.job_dir, w.job_dir);
    w_bad(&w, sq_store_get(s, 2, &r, &v), SQ_DATA, "the index knows it with");
    w_ok(&w, sq_store_drop(s, 2));
    w_shell("mv %s/chk-1.db %s/..", w.job_dir, w.job_dir);
    w_ok(&w, sq_store_renew(s));
    w_make(&w, s, 1, 1);
    w_shell("mv %s/../chk-1.db %s", w.job_dir, w.job_dir);
    w_bad(&w, sq_store_get(s, 1, &r, &v), SQ_DATA, "it is of another job");
    sq_store_close(s);
    w_end(&w);
}

/* ---- the index ---- */

static void index_lost(void **state)
{
    struct world w;
    struct sq_store_reader *r;
    struct sq_saved v;
    size_t n;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    struct sq_str job = sq_str_dup(&w.arena, sq_store_job(s));
    w_make(&w, s, 8, 5);
    w_make(&w, s, 9, 5);
    w_ok(&w, w_put(&w, s, 10));
    sq_store_close(s);
    w_shell("rm %s/index.db", w.job_dir);
    s = w_open_store(&w);
    w_str_equal(sq_store_job(s), job);
    assert_string_equal(w_list_text(&w, s), "10Pf 9 8");
    assert_non_null(strstr(w.notices, "made anew from 3 files, the newest of them is checkpoint 10"));
    w_check(&w, s, 9);
    w_ok(&w, sq_store_done(s, 10, 5));
    sq_store_close(s);

    char *whole = slurp(&w, "chk-10.db", &n);            /* the newest damaged: prepared, and damaged */
    whole[n / 2] = (char)~whole[n / 2];
    whole[65536 + 10] = 77;
    whole[20] = 5;
    spill(&w, "chk-10.db", whole, n);
    free(whole);
    w_shell("rm %s/index.db", w.job_dir);
    s = w_open_store(&w);
    assert_string_equal(w_list_text(&w, s), "10P 9 8");
    w_bad(&w, sq_store_get(s, 10, &r, &v), SQ_DATA, "chk-10.db is damaged");
    w_check(&w, s, 9);
    w_ok(&w, sq_store_drop(s, 10));
    w_make(&w, s, 10, 2);
    sq_store_close(s);
    struct sq_store *t;
    w_shell("rm %s/index.db", w.job_dir);
    w_bad(&w, sq_store_open(&w.ctx, w.job_dir, SQ_STR("another"), &t), SQ_SEMANTIC, "has the checkpoints of job 'a job's name'");

    w_shell("rm %s/index.db; for f in %s/chk*; do echo x > $f; done", w.job_dir, w.job_dir);
    w_bad(&w, sq_store_open(&w.ctx, w.job_dir, SQ_STR("a job's name"), &t), SQ_DATA, "has no index, and none of its checkpoints can be read");
    w_end(&w);
}

static void index_of_two_jobs(void **state)
{
    struct world w;
    struct sq_store *s;
    (void)state;
    w_begin(&w);
    s = w_open_store(&w);
    w_make(&w, s, 1, 5);
    w_make(&w, s, 2, 5);
    w_shell("cp %s/chk-2.db %s/..", w.job_dir, w.job_dir);
    w_ok(&w, sq_store_renew(s));
    w_make(&w, s, 3, 5);
    w_shell("mv %s/../chk-2.db %s", w.job_dir, w.job_dir);
    sq_store_close(s);
    w_shell("cp %s/chk-2.db %s/..; rm %s/index.db", w.job_dir, w.job_dir, w.job_dir);
    w_bad(&w, sq_store_open(&w.ctx, w.job_dir, SQ_STR("a job's name"), &s), SQ_DATA, "has no index, and checkpoints of several jobs");
    assert_non_null(strstr(w.ctx.err.hint, "leave one job's files"));
    w_shell("rm %s/chk-2.db", w.job_dir);
    s = w_open_store(&w);
    assert_string_equal(w_list_text(&w, s), "3P");
    sq_store_close(s);
    w.notices[0] = 0;
    w_shell("cp %s/../chk-2.db %s", w.job_dir, w.job_dir);        /* with an index: another job's file is nobody's business */
    s = w_open_store(&w);
    assert_string_equal(w_list_text(&w, s), "3P");
    assert_non_null(strstr(w.notices, "is of another job"));
    assert_true(w_exists(&w, "chk-2.db"));
    sq_store_close(s);
    w_end(&w);
}

static void index_damaged(void **state)
{
    enum { FLIPS = 400 };
    struct world w;
    size_t n, anew = 0, refused = 0;
    uint64_t seed = 3;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    struct sq_str job = sq_str_dup(&w.arena, sq_store_job(s));
    w_make(&w, s, 1, 5);
    w_make(&w, s, 2, 5);
    w_make(&w, s, 3, 5);
    sq_store_close(s);
    char *whole = slurp(&w, "index.db", &n);
    for (int i = 0; i < FLIPS; i++) {
        size_t at = i < 100 ? (size_t)i : w_random(&seed) % n;
        for (int tries = 0; i >= 100 && whole[at] == 0 && tries < 200; tries++)
            at = w_random(&seed) % n;
        char keep = whole[at];
        whole[at] = (char)(whole[at] ^ (1 + w_random(&seed) % 255));
        spill(&w, "index.db", whole, n);
        whole[at] = keep;
        sq_rc rc = sq_store_open(&w.ctx, w.job_dir, SQ_STR("a job's name"), &s);
        if (rc == SQ_OK) {
            w_str_equal(sq_store_job(s), job);
            const char *text = w_list_text(&w, s);
            bool again = strcmp(text, "3P 2 1") == 0;
            assert_true(again || strcmp(text, "3 2 1") == 0);
            anew += again;
        } else {
            w_bad(&w, rc, SQ_UNSUPPORTED, "has format");
            refused++;
        }
        sq_store_close(s);
        sq_arena_reset(&w.arena);
        job = sq_str_of("");
        spill(&w, "index.db", whole, n);
        s = w_open_store(&w);
        job = sq_str_dup(&w.arena, sq_store_job(s));
        sq_store_close(s);
        w.notices[0] = 0;
    }
    assert_true(anew > FLIPS / 8 && refused >= 1);
    spill(&w, "index.db", "x", 1);
    s = w_open_store(&w);
    assert_string_equal(w_list_text(&w, s), "3P 2 1");
    assert_true(w_exists(&w, "index.db.damaged"));
    sq_store_close(s);
    w_shell("rm %s/chk*; echo x > %s/index.db", w.job_dir, w.job_dir);
    w_bad(&w, sq_store_open(&w.ctx, w.job_dir, SQ_STR("a job's name"), &s), SQ_DATA, "index.db is damaged: it is not a SQLite file");
    assert_non_null(strstr(w.ctx.err.hint, "remove the directory to begin anew"));
    free(whole);
    w_end(&w);
}

/* Lines edited by hand. */
static void index_edited(void **state)
{
    static const char *const edits[] = {
        "UPDATE checkpoints SET status = 'DONE' WHERE epoch = 3", "UPDATE checkpoints SET epoch = 4 WHERE epoch = 3",
        "UPDATE checkpoints SET finished = 1 WHERE epoch = 3", "UPDATE checkpoints SET bytes = 1 WHERE epoch = 3",
        "UPDATE checkpoints SET checksum = '0123456789abcdef' WHERE epoch = 3", "UPDATE checkpoints SET line = '' WHERE epoch = 3",
        "UPDATE checkpoints SET taken_us = 1 WHERE epoch = 3", "UPDATE store SET value = 'x' WHERE key = 'name'",
        "UPDATE store SET value = '0f8fad5b-d9cb-469f-a165-70867728950e' WHERE key = 'job'", "UPDATE store SET value = 'x' WHERE key = 'old_job'",
        "UPDATE store SET value = '0f8fad5b-d9cb-469f-a165-70867728950e' WHERE key = 'old_job'", "DELETE FROM store WHERE key = 'name'",
        "INSERT INTO store VALUES ('more', 1)", "DELETE FROM checkpoints WHERE epoch = 2", "UPDATE store SET value = '' WHERE key = 'lines'", "DELETE FROM store WHERE key = 'lines'",
        "DROP TABLE checkpoints", "PRAGMA application_id = 1",
    };
    struct world w;
    size_t n;
    char path[256];
    struct sq_sqlite lib;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 2, 5);
    w_ok(&w, w_put(&w, s, 3));
    struct sq_str job = sq_str_dup(&w.arena, sq_store_job(s));
    sq_store_close(s);
    char *whole = slurp(&w, "index.db", &n);
    path_of(&w, "index.db", path);
    w_ok(&w, sq_sqlite_load(&w.ctx, &lib));
    for (size_t i = 0; i < SQ_LEN(edits); i++) {
        sqlite3 *db;
        spill(&w, "index.db", whole, n);
        assert_int_equal(lib.open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        if (lib.exec(db, edits[i], NULL, NULL, NULL) != SQLITE_OK)
            fail_msg("%s: %s", edits[i], lib.errmsg(db));
        lib.close(db);
        w.notices[0] = 0;
        s = w_open_store(&w);
        w_str_equal(sq_store_job(s), job);
        assert_string_equal(w_list_text(&w, s), "3P 2");
        if (!strstr(w.notices, "made anew from 2 files"))
            fail_msg("%s: %s", edits[i], w.notices);
        sq_store_close(s);
    }
    sq_sqlite_unload(&lib);
    free(whole);
    w_end(&w);
}

/* Killed with a log that is not yet in the index; the index is removed, the log stays: it must not be replayed into the new one. */
static void index_log_stays(void **state)
{
    struct world w;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 1, 5);
    w_make(&w, s, 2, 5);
    assert_true(w_exists(&w, "index.db-wal"));
    w_shell("cp -a %s %s/copy", w.job_dir, w.dir);
    sq_store_close(s);
    w_shell("rm -r %s; mv %s/copy %s; rm %s/index.db", w.job_dir, w.dir, w.job_dir, w.job_dir);
    s = w_open_store(&w);
    assert_string_equal(w_list_text(&w, s), "2P 1");
    w_ok(&w, sq_store_done(s, 2, 5));
    sq_store_close(s);
    s = w_open_store(&w);
    assert_string_equal(w_list_text(&w, s), "2 1");
    sq_store_close(s);
    w_end(&w);
}

/* Files and lines that do not go together: see store_index.c. */
static void files_without_lines(void **state)
{
    struct world w;
    size_t n;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 1, 9);
    w_make(&w, s, 2, 9);
    w_shell("cp %s/index.db %s/..; cp %s/index.db-wal %s/..", w.job_dir, w.job_dir, w.job_dir, w.job_dir);
    w_make(&w, s, 3, 9);
    w_make(&w, s, 4, 9);
    sq_store_close(s);
    w_shell("cd %s; mv ../index.db ../index.db-wal .; cp chk-1.db x; touch chk-4.db.tmp chk-4.db.tmp-journal index.db.tmp chk-x.db.tmp", w.job_dir);
    s = w_open_store(&w);                                /* an index of before: what is newer was prepared at least */
    assert_string_equal(w_list_text(&w, s), "4P 3 2 1");
    assert_non_null(strstr(w.notices, "checkpoint 4 in"));
    assert_false(w_exists(&w, "chk-4.db.tmp") || w_exists(&w, "chk-4.db.tmp-journal") || w_exists(&w, "index.db.tmp"));
    assert_true(w_exists(&w, "chk-x.db.tmp"));           /* not a name of ours */
    w_check(&w, s, 4);
    w_ok(&w, sq_store_done(s, 4, 2));
    sq_store_close(s);
    w_shell("cd %s; mv x chk-1.db", w.job_dir);          /* one that was retired */
    s = w_open_store(&w);
    assert_string_equal(w_list_text(&w, s), "4 3");
    assert_false(w_exists(&w, "chk-1.db"));
    w_make(&w, s, 5, 2);
    w_shell("cd %s; cp chk-5.db ..", w.job_dir);
    w_ok(&w, sq_store_drop(s, 5));
    sq_store_close(s);
    w_shell("cd %s; mv ../chk-5.db .", w.job_dir);       /* killed between the line and the file */
    s = w_open_store(&w);
    assert_string_equal(w_list_text(&w, s), "5Pf 4");
    w_ok(&w, sq_store_drop(s, 5));
    sq_store_close(s);
    char *whole = slurp(&w, "chk-4.db", &n);
    spill(&w, "chk-5.db", whole, n / 2);
    free(whole);
    s = w_open_store(&w);
    assert_string_equal(w_list_text(&w, s), "4");
    assert_true(w_exists(&w, "chk-5.db.damaged"));
    assert_non_null(strstr(w.notices, "kept as chk-5.db.damaged"));

    w_shell("cd %s; cp chk-4.db ../chk-4.db", w.job_dir);
    w_ok(&w, sq_store_renew(s));
    sq_store_close(s);
    w_shell("cd %s; mv ../chk-4.db .", w.job_dir);       /* of the job before the renewal: its files were on their way out */
    s = w_open_store(&w);
    assert_string_equal(w_list_text(&w, s), "");
    assert_false(w_exists(&w, "chk-4.db"));
    sq_store_close(s);
    w_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flipped_bytes), cmocka_unit_test(cut_off),           cmocka_unit_test(not_a_checkpoint), cmocka_unit_test(edited),
        cmocka_unit_test(mixed_up),      cmocka_unit_test(index_lost),        cmocka_unit_test(index_of_two_jobs), cmocka_unit_test(index_damaged),
        cmocka_unit_test(index_edited),  cmocka_unit_test(index_log_stays),   cmocka_unit_test(files_without_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
