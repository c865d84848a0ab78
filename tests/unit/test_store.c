/* SPDX-License-Identifier: Apache-2.0
 *
 * test_store.c: the checkpoint store: what is written is read, also by the sqlite3 tool's eyes; what is kept and what goes; the lock.
 */
#include "store_kit.h"

#include <sys/stat.h>
#include <sys/wait.h>

/* ---- written and read ---- */

static void there_and_back(void **state)
{
    struct world w;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    assert_true(sq_store_is_uuid(sq_store_job(s)));
    assert_int_equal(sq_store_old_job(s).n, 0);
    assert_string_equal(w_list_text(&w, s), "");
    w_make(&w, s, 1, 2);
    w_make(&w, s, 2, 2);
    w_ok(&w, w_put(&w, s, 5));
    assert_string_equal(w_list_text(&w, s), "5Pf 2 1");
    w_check(&w, s, 1);
    w_check(&w, s, 5);
    w_bad(&w, w_put(&w, s, 6), SQ_MISUSE, "there is checkpoint 5, which is prepared and not yet done");
    w_ok(&w, sq_store_done(s, 5, 2));
    assert_string_equal(w_list_text(&w, s), "5f 2");
    assert_true(w_exists(&w, "chk-1.db"));               /* no longer one of them */
    sq_store_sweep(s);
    assert_false(w_exists(&w, "chk-1.db"));
    w_bad(&w, w_put(&w, s, 5), SQ_MISUSE, "there is checkpoint 5, which is done");

    struct sq_str job = sq_str_dup(&w.arena, sq_store_job(s));
    sq_store_close(s);
    s = w_open_store(&w);
    w_str_equal(sq_store_job(s), job);
    assert_string_equal(w_list_text(&w, s), "5f 2");
    w_check(&w, s, 5);
    w_make(&w, s, 6, 1);
    assert_string_equal(w_list_text(&w, s), "6");
    w_ok(&w, w_put(&w, s, 7));
    w_ok(&w, sq_store_drop(s, 7));
    assert_string_equal(w_list_text(&w, s), "6");
    assert_false(w_exists(&w, "chk-7.db"));
    w_ok(&w, w_put(&w, s, 7));
    w_check(&w, s, 7);
    sq_store_close(s);
    assert_string_equal(w.notices, "");
    assert_int_equal(w_files(&w), 4);                    /* lock, index, two checkpoints */
    w_end(&w);
}

static void entries_tell(void **state)
{
    struct world w;
    struct sq_store_entry *e;
    struct stat st;
    uint32_t n;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 5, 1);
    w_ok(&w, sq_store_list(s, &w.arena, &e, &n));
    assert_int_equal(n, 1);
    assert_int_equal(e->taken_us, 1700000000000005);
    assert_true(e->finished);
    assert_int_equal(stat(e->path, &st), 0);
    assert_int_equal(st.st_size, e->bytes);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(e->path);
    assert_string_equal(w_list_text(&w, s), "5f?");
    struct sq_store_reader *r;
    struct sq_saved v;
    w_bad(&w, sq_store_get(s, 5, &r, &v), SQ_IO, "chk-5.db: no such file or directory");
    w_bad(&w, sq_store_get(s, 4, &r, &v), SQ_MISUSE, "there is no checkpoint 4");
    w_bad(&w, sq_store_done(s, 4, 1), SQ_MISUSE, "there is no checkpoint 4");
    w_make(&w, s, 6, 2);
    assert_string_equal(w_list_text(&w, s), "6");        /* what is not there is not kept */
    sq_store_close(s);
    w_end(&w);
}

static void nobody_else_may_look(void **state)
{
    struct world w;
    char cmd[256], seen[256] = "";
    (void)state;
    w_begin(&w);
    mode_t old = umask(0);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 1, 1);
    umask(old);
    snprintf(cmd, sizeof cmd, "cd %s && find a | xargs stat -c '%%a' | sort | uniq -c | tr -s ' \\n' ' '", w.dir);
    FILE *f = popen(cmd, "r");
    assert_non_null(fgets(seen, sizeof seen, f));
    pclose(f);
    assert_string_equal(seen, " 5 600 2 700 ");          /* lock, index and its two helpers, checkpoint; a, a/job */
    sq_store_close(s);
    w_end(&w);
}

/* An empty job, and one with many chunks and much to commit. */
static void small_and_large(void **state)
{
    struct world w;
    struct w_chunks chunks;
    struct sq_store_reader *r;
    struct sq_saved have;
    struct sq_str got;
    int64_t bytes;
    uint64_t seed = 5;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    struct sq_saved none = {.job = sq_store_job(s), .epoch = 1};
    w_ok(&w, w_try_write(s, &none, NULL, &bytes));
    w_ok(&w, sq_store_get(s, 1, &r, &have));
    w_ok(&w, sq_store_verify(r));
    assert_int_equal(have.nops, 0);
    assert_null(have.chunk);
    sq_store_reader_close(r);
    w_ok(&w, sq_store_done(s, 1, 1));

    enum { CHUNKS = 3000 };
    struct sq_saved_op op = {.uid = 1, .name = SQ_STR("x"), .nchunks = CHUNKS, .has_pending = true, .pending = w_bytes(&w.arena, &seed, 2 * SQ_STORE_PART + 77)};
    struct sq_saved many = {.job = sq_store_job(s), .epoch = 2, .ops = &op, .nops = 1};
    chunks.of = &(struct sq_str *){SQ_NEW_ARRAY(&w.arena, struct sq_str, CHUNKS)};
    struct sq_store_writer *wr;
    w_ok(&w, sq_store_begin(s, 2, &wr));
    for (uint32_t i = 0; i < CHUNKS; i++) {
        chunks.of[0][i] = (struct sq_str){op.pending.p + i * 1000, i % 7 ? i : 300000};
        w_ok(&w, sq_store_chunk(wr, 1, 0, i, chunks.of[0][i].p, chunks.of[0][i].n));
    }
    w_ok(&w, sq_store_prepared(wr, &many, &bytes));
    w_ok(&w, sq_store_get(s, 2, &r, &have));
    w_str_equal(have.ops[0].pending, op.pending);
    for (uint32_t i = CHUNKS; i-- > 0;) {
        w_ok(&w, have.chunk(have.arg, 0, i, &got));
        w_str_equal(got, chunks.of[0][i]);
    }
    sq_store_reader_close(r);
    sq_store_close(s);
    w_end(&w);
}

/* What the runtime gives must hang together. */
static void wrong_use(void **state)
{
    struct world w;
    struct w_chunks chunks;
    struct sq_store_writer *a, *b;
    int64_t bytes;
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    struct sq_saved v = w_saved(&w.arena, s, 1, 1, &chunks);
    w_bad(&w, sq_store_begin(s, 0, &a), SQ_MISUSE, "such a number there is not");
    w_ok(&w, sq_store_begin(s, 1, &a));
    w_bad(&w, sq_store_begin(s, 1, &b), SQ_MISUSE, "another is being written");
    w_bad(&w, sq_store_prepared(a, &v, &bytes), SQ_INTERNAL, "chunk 0 of 2 of operator Op(1, [ä]), worker 0, was not written");
    w_ok(&w, sq_store_begin(s, 1, &a));
    w_ok(&w, sq_store_chunk(a, 5, 0, 0, "x", 1));
    v.nops = 2;
    w_bad(&w, sq_store_prepared(a, &v, &bytes), SQ_INTERNAL, "1 chunks were written, its operators have 0");
    v.epoch = 2;
    w_ok(&w, sq_store_begin(s, 1, &a));
    w_bad(&w, sq_store_prepared(a, &v, &bytes), SQ_INTERNAL, "what is saved is epoch 2");
    w_ok(&w, sq_store_begin(s, 1, &a));
    v.epoch = 1;
    v.job = SQ_STR("00000000-0000-0000-0000-000000000000");
    w_bad(&w, sq_store_prepared(a, &v, &bytes), SQ_INTERNAL, "of job 00000000-");
    assert_string_equal(w_list_text(&w, s), "");
    enum { MOST = 1000000000 };                          /* bytes that SQLite takes */
    char *much = calloc(1, (size_t)MOST + 1);
    w_ok(&w, sq_store_begin(s, 1, &a));
    w_bad(&w, sq_store_chunk(a, 5, 0, 0, much, (size_t)MOST + 1), SQ_LIMIT, "chk-1.db: a value is larger than the 1,000,000,000 bytes");
    w_bad(&w, sq_store_chunk(a, 5, 0, 0, "x", 1), SQ_LIMIT, "a write before this one failed");
    w_bad(&w, sq_store_prepared(a, &v, &bytes), SQ_INTERNAL, "of job 00000000-");
    free(much);
    w_ok(&w, sq_store_begin(s, 1, &a));
    sq_store_close(s);                                   /* with a writer open */
    assert_int_equal(w_files(&w), 2);
    sq_store_abort(NULL);
    sq_store_close(NULL);
    sq_store_reader_close(NULL);
    w_end(&w);
}

/* The file explains itself to the sqlite3 tool. */
static void readable_by_people(void **state)
{
    struct world w;
    struct sq_sqlite lib;
    sqlite3 *db;
    sqlite3_stmt *st;
    char path[256];
    static const char *const queries[][2] = {
        {"SELECT value FROM checkpoint WHERE key = 'taken'", "2023-11-14T22:13:20.000003Z"},
        {"SELECT value FROM checkpoint WHERE key = 'epoch'", "3"},
        {"SELECT group_concat(key) FROM checkpoint", "job,name,epoch,taken,taken_us,workers,finished,decided_by_sink,decider,plan,operators,chunks,checksum"},
        {"SELECT uid FROM operators WHERE op = 0", "fedcba9876543210"},
        {"SELECT name || ' ' || workers || ' ' || records || ' ' || watermark FROM state LIMIT 1 OFFSET 1", "Op(1, [ä]) 2 5000 2023-11-14 22:13:20.000"},
        {"SELECT count(*) FROM chunks JOIN data USING (place) WHERE length(content) = bytes", "10"},
        {"SELECT shown FROM splits JOIN operators USING (op) WHERE id = 'topic-0' LIMIT 1", "offset 7"},
        {"SELECT sum(length(content)) FROM pending", "100000"},
        {"PRAGMA integrity_check", "ok"},
        {"PRAGMA page_size", "65536"},
    };
    (void)state;
    w_begin(&w);
    struct sq_store *s = w_open_store(&w);
    w_make(&w, s, 3, 1);
    w_ok(&w, sq_sqlite_load(&w.ctx, &lib));
    snprintf(path, sizeof path, "%s/chk-3.db", w.job_dir);
    assert_int_equal(lib.open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (size_t i = 0; i < SQ_LEN(queries); i++) {
        assert_int_equal(lib.prepare_v2(db, queries[i][0], -1, &st, NULL), SQLITE_OK);
        assert_int_equal(lib.step(st), SQLITE_ROW);
        assert_string_equal(lib.column_text(st, 0), queries[i][1]);
        lib.finalize(st);
    }
    lib.close(db);
    snprintf(path, sizeof path, "%s/index.db", w.job_dir);
    assert_int_equal(lib.open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);   /* while the job has it open */
    assert_int_equal(lib.prepare_v2(db, "SELECT status || ' ' || taken FROM checkpoints WHERE epoch = 3", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(lib.step(st), SQLITE_ROW);
    assert_string_equal(lib.column_text(st, 0), "DONE 2023-11-14T22:13:20.000003Z");
    lib.finalize(st);
    lib.close(db);
    sq_sqlite_unload(&lib);
    sq_store_close(s);
    w_end(&w);
}

/* A path with what a URI would take for something else; a relative one; one that is too long. */
static void odd_paths(void **state)
{
    static const char *const names[] = {"a b%20c?mode=rw#x&y", "ä/ö", "/lead//ing", "..x/./y/"};
    struct world w;
    struct sq_store *s;
    char path[2048], old[512];
    (void)state;
    w_begin(&w);
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(w.dir), 0);
    for (int absolute = 0; absolute < 2; absolute++)
        for (size_t i = 0; i < SQ_LEN(names); i++) {
            if (!absolute && names[i][0] == '/')
                continue;
            snprintf(path, sizeof path, "%s%s%s", absolute ? "/" : "", absolute ? w.dir : "", absolute ? "/" : "");
            snprintf(path + strlen(path), sizeof path - strlen(path), "%s%d", names[i], absolute);
            w_ok(&w, sq_store_open(&w.ctx, path, SQ_STR("j"), &s));
            w_make(&w, s, 1, 1);
            w_check(&w, s, 1);
            sq_store_close(s);
        }
    assert_int_equal(chdir(old), 0);
    memset(path, 'x', 1500);
    path[0] = '/';
    path[1500] = 0;
    w_bad(&w, sq_store_open(&w.ctx, path, SQ_STR("j"), &s), SQ_IO, "is too long");
    assert_null(s);
    w_end(&w);
}

/* ---- whose checkpoints ---- */

static void identity(void **state)
{
    struct world w;
    struct sq_store *s;
    (void)state;
    w_begin(&w);
    s = w_open_store(&w);
    struct sq_str first = sq_str_dup(&w.arena, sq_store_job(s));
    w_make(&w, s, 1, 3);
    w_make(&w, s, 2, 3);
    w_bad(&w, sq_store_adopt(s, SQ_STR("0f8fad5b-d9cb-469f-a165-70867728950e")), SQ_MISUSE, "has checkpoints");
    w_ok(&w, sq_store_renew(s));
    struct sq_str second = sq_str_dup(&w.arena, sq_store_job(s));
    assert_false(sq_str_eq(first, second));
    w_str_equal(sq_store_old_job(s), first);
    assert_string_equal(w_list_text(&w, s), "");
    assert_false(w_exists(&w, "chk-2.db"));
    sq_store_close(s);
    s = w_open_store(&w);
    w_str_equal(sq_store_job(s), second);
    w_str_equal(sq_store_old_job(s), first);
    w_bad(&w, sq_store_adopt(s, SQ_STR("0f8fad5b-d9cb-469f-a165-70867728950")), SQ_DATA, "is not the UUID");
    w_bad(&w, sq_store_adopt(s, SQ_STR("0f8fad5b-d9cb-469f-a165-70867728950'")), SQ_DATA, "is not the UUID");
    w_ok(&w, sq_store_adopt(s, SQ_STR("0f8fad5b-d9cb-469f-a165-70867728950e")));
    assert_true(sq_str_is(sq_store_job(s), "0f8fad5b-d9cb-469f-a165-70867728950e"));
    w_make(&w, s, 1, 1);
    w_check(&w, s, 1);
    sq_store_close(s);
    w_bad(&w, sq_store_open(&w.ctx, w.job_dir, SQ_STR("another"), &s), SQ_SEMANTIC, "has the checkpoints of job 'a job's name', not of 'another'");
    s = w_open_store(&w);
    assert_true(sq_str_is(sq_store_job(s), "0f8fad5b-d9cb-469f-a165-70867728950e"));
    w_ok(&w, sq_store_renew(s));
    sq_store_close(s);
    w_ok(&w, sq_store_open(&w.ctx, w.job_dir, SQ_STR("another"), &s));   /* nothing there that could be mistaken */
    w_make(&w, s, 1, 1);
    sq_store_close(s);
    w_bad(&w, sq_store_open(&w.ctx, w.job_dir, SQ_STR("a job's name"), &s), SQ_SEMANTIC, "has the checkpoints of job 'another'");
    w_end(&w);
}

/* ---- the lock ---- */

static void second_owner(void **state)
{
    struct world w;
    struct sq_store *s, *t;
    char text[64];
    (void)state;
    w_begin(&w);
    s = w_open_store(&w);
    snprintf(text, sizeof text, "is used by process %d", (int)getpid());
    w_bad(&w, sq_store_open(&w.ctx, w.job_dir, SQ_STR("a job's name"), &t), SQ_EXTERNAL, text);
    assert_non_null(strstr(w.ctx.err.msg, w.job_dir));
    sq_store_close(s);
    s = w_open_store(&w);                                /* it was given back */
    sq_store_close(s);

    int up[2];
    char c;
    assert_int_equal(pipe(up), 0);
    pid_t child = fork();
    if (child == 0) {
        s = w_open_store(&w);
        assert_int_equal(write(up[1], "x", 1), 1);
        pause();
    }
    assert_int_equal(read(up[0], &c, 1), 1);
    snprintf(text, sizeof text, "is used by process %d", (int)child);
    w_bad(&w, sq_store_open(&w.ctx, w.job_dir, SQ_STR("a job's name"), &t), SQ_EXTERNAL, text);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    s = w_open_store(&w);                                /* it goes with its process */
    sq_store_close(s);
    close(up[0]);
    close(up[1]);
    w_end(&w);
}

static void lock_removed(void **state)
{
    struct world w;
    struct sq_store *s, *t;
    (void)state;
    w_begin(&w);
    s = w_open_store(&w);
    w_make(&w, s, 1, 1);
    w_ok(&w, w_put(&w, s, 2));
    w_shell("rm %s/lock", w.job_dir);
    t = w_open_store(&w);                                /* no longer kept out */
    w_bad(&w, sq_store_done(s, 2, 1), SQ_EXTERNAL, "the lock of checkpoint directory");
    w_bad(&w, sq_store_drop(s, 2), SQ_EXTERNAL, "the lock of checkpoint directory");
    w_bad(&w, sq_store_renew(s), SQ_EXTERNAL, "the lock of checkpoint directory");
    w_ok(&w, sq_store_done(t, 2, 1));
    w_bad(&w, w_put(&w, s, 3), SQ_EXTERNAL, "the lock of checkpoint directory");
    sq_store_close(s);
    w_make(&w, t, 3, 1);
    w_check(&w, t, 3);
    sq_store_close(t);
    w_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back), cmocka_unit_test(entries_tell),       cmocka_unit_test(nobody_else_may_look),
        cmocka_unit_test(small_and_large), cmocka_unit_test(wrong_use),         cmocka_unit_test(readable_by_people),
        cmocka_unit_test(odd_paths),      cmocka_unit_test(identity),           cmocka_unit_test(second_owner),
        cmocka_unit_test(lock_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
