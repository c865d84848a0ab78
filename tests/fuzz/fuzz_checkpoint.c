/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_checkpoint.c: checkpoint files that nobody should trust. The first byte chooses what the others are:
 *   0  a file
 *   1  changes to a good checkpoint: three bytes where (of the places where something is), one what is xored
 *   2  changes by SQL to a good checkpoint: table and column, row, kind of value, value; its checksum is made right again, so that what lies behind that
 *      check is reached, too
 *
 * Checked: an error is that of damage and names the file; a changed file that reads is exactly as it was written; everything that was read can be looked at; no memory is left over.
 */
#include "base/os.h"
#include "executor/checkpoint/store_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNKS = 3, CHANGES_MOST = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***);

static struct sq_budget budget = {.limit = 256 << 20};
static struct sq_ctx ctx = {.budget = &budget, .os = &sq_os_posix};
static char dir[64], path[96];
static unsigned char *good;              /* a checkpoint's file */
static size_t ngood, nplaces, *places;   /* its bytes that are not 0 */
static uint64_t good_sum;                /* over all that it holds */
static int file = -1;
static volatile char sink;

static void die(const char *what)
{
    fprintf(stderr, "fuzz_checkpoint: %s: %s\n", what, ctx.err.msg);
    abort();
}

static void need(sq_rc rc, const char *what)
{
    if (rc != SQ_OK)
        die(what);
}

static void clean_up(void)
{
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    sink = (char)system(cmd);
}

/* ---- a good one ---- */

static void make_good(void)
{
    static char bytes[70000];
    struct sq_saved_split splits[] = {{.id = SQ_STR("topic-0"), .payload = SQ_STR("p"), .position = SQ_STR("12345678"), .shown = SQ_STR("offset 7")}, {.id = SQ_STR("topic-1"), .ended = true}};
    struct sq_saved_op ops[] = {
        {.uid = 1, .kind = 1, .name = SQ_STR("Scan(in)"), .splits = splits, .nsplits = 2, .watermark = 5},
        {.uid = 2, .kind = 2, .name = SQ_STR("GroupAggregate"), .flags = SQ_STR("fl"), .nchunks = CHUNKS, .records = 10, .bytes = 100, .watermark = INT64_MIN},
        {.uid = 3, .kind = 3, .worker = 1, .name = SQ_STR("out"), .has_pending = true, .pending = SQ_STR("rows that wait"), .watermark = INT64_MIN},
    };
    struct sq_store *s;
    struct sq_store_writer *w;
    int64_t size;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + 1);
    need(sq_store_open(&ctx, dir, SQ_STR("fuzz"), &s), "open");
    struct sq_saved v = {.job = sq_store_job(s), .name = SQ_STR("fuzz"), .epoch = 1, .taken_us = 1, .workers = 2, .decider = SQ_STR("out"), .plan = SQ_STR("Sink\n"),
                         .ops = ops, .nops = SQ_LEN(ops)};
    need(sq_store_begin(s, 1, &w), "begin");
    for (uint32_t i = 0; i < CHUNKS; i++)
        need(sq_store_chunk(w, 2, 0, i, bytes, i == 1 ? 0 : i == 0 ? 100 : sizeof bytes), "chunk");
    need(sq_store_prepared(w, &v, &size), "prepared");
    sq_store_close(s);
}

static uint64_t mix(uint64_t h, struct sq_str s)
{
    uint64_t two[2] = {h + s.n, sq_store_hash(s.p, s.n)};
    return sq_store_hash(two, sizeof two);
}

/* Opens the file and looks at everything; *sum over it all. */
static sq_rc read_all(uint64_t *sum)
{
    struct sq_store_reader *r;
    struct sq_saved v;
    struct sq_str bytes;
    uint64_t h = 0;
    sq_rc rc = sq_store_read(&ctx, path, &r, &v);
    if (rc != SQ_OK)
        return rc;
    h = mix(mix(mix(mix(v.epoch + v.workers, v.job), v.name), v.decider), v.plan);
    for (uint32_t i = 0; i < v.nops; i++) {
        const struct sq_saved_op *o = &v.ops[i];
        h = mix(mix(h + o->uid + o->kind + o->worker + (uint64_t)o->watermark + o->records + o->bytes, o->name), o->flags);
        h = o->has_pending ? mix(h, o->pending) : h;
        for (uint32_t k = 0; k < o->nsplits; k++)
            h = mix(mix(mix(mix(h + o->splits[k].ended, o->splits[k].id), o->splits[k].payload), o->splits[k].position), o->splits[k].shown);
    }
    rc = sq_store_verify(r);
    for (uint32_t i = 0; i < v.nops && rc == SQ_OK; i++)
        for (uint32_t seq = 0; seq < v.ops[i].nchunks && rc == SQ_OK; seq++) {
            rc = v.chunk(v.arg, i, seq, &bytes);
            h = rc == SQ_OK ? mix(h, bytes) : h;
        }
    *sum = h;
    sq_store_reader_close(r);
    return rc;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char name[128];
    (void)argc;
    (void)argv;
    snprintf(dir, sizeof dir, "%s/sq_fuzzXXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(dir))
        die("mkdtemp");
    atexit(clean_up);
    make_good();
    snprintf(name, sizeof name, "%s/chk-1.db", dir);
    snprintf(path, sizeof path, "%s/x.db", dir);
    FILE *f = fopen(name, "rb");
    struct stat st;
    if (!f || stat(name, &st) != 0)
        die("stat");
    ngood = (size_t)st.st_size;
    good = malloc(ngood);
    places = malloc(ngood * sizeof *places);
    if (fread(good, 1, ngood, f) != ngood)
        die("read");
    fclose(f);
    for (size_t i = 0; i < ngood; i++)
        if (good[i])
            places[nplaces++] = i;
    file = open(path, O_CREAT | O_RDWR, 0600);
    if (pwrite(file, good, ngood, 0) != (ssize_t)ngood)
        die("write");
    need(read_all(&good_sum), "the good one");
    return 0;
}

static void expect(sq_rc rc, bool same, uint64_t sum)
{
    if (rc != SQ_OK && rc != SQ_DATA && rc != SQ_NOMEM)
        die("an error that is not of damage");
    if (rc == SQ_DATA && !strstr(ctx.err.msg, path))
        die("an error without the file's name");
    if (rc == SQ_OK && same && sum != good_sum)
        die("a changed file reads otherwise");
    if (budget.used != 0)
        die("memory is left over");
}

static void put_back(void)
{
    if (ftruncate(file, 0) != 0 || pwrite(file, good, ngood, 0) != (ssize_t)ngood)
        die("write");
}

/* ---- 0, 1 ---- */

static void raw(const uint8_t *p, size_t n)
{
    uint64_t sum;
    if (ftruncate(file, 0) != 0 || pwrite(file, p, n, 0) != (ssize_t)n)
        die("write");
    expect(read_all(&sum), false, 0);
    put_back();
}

static void changed(const uint8_t *p, size_t n)
{
    size_t at[CHANGES_MOST], count = 0;
    uint64_t sum = 0;
    for (; n >= 4 && count < CHANGES_MOST; p += 4, n -= 4) {
        size_t where = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
        at[count] = where & 0x800000 ? where % ngood : places[where % nplaces];
        char c;
        if (pread(file, &c, 1, (off_t)at[count]) != 1)
            die("read");
        c = (char)(c ^ p[3]);
        if (pwrite(file, &c, 1, (off_t)at[count++]) != 1)
            die("write");
    }
    expect(read_all(&sum), true, sum);
    while (count--)
        if (pwrite(file, good + at[count], 1, (off_t)at[count]) != 1)
            die("write");
}

/* ---- 2 ---- */

static const char *const columns[][2] = {
    {"checkpoint", "key"}, {"checkpoint", "value"}, {"operators", "op"}, {"operators", "uid"}, {"operators", "worker"}, {"operators", "kind"}, {"operators", "name"},
    {"operators", "watermark"}, {"operators", "records"}, {"operators", "bytes"}, {"operators", "chunks"}, {"operators", "splits"}, {"operators", "pending"},
    {"operators", "flags"}, {"splits", "split"}, {"splits", "op"}, {"splits", "id"}, {"splits", "shown"}, {"splits", "ended"}, {"splits", "position"},
    {"splits", "payload"}, {"chunks", "chunk"}, {"chunks", "op"}, {"chunks", "seq"}, {"chunks", "bytes"}, {"chunks", "checksum"}, {"chunks", "place"},
    {"data", "place"}, {"data", "content"}, {"pending", "part"}, {"pending", "op"}, {"pending", "content"},
};

static size_t one_edit(const struct sq_sqlite *lib, sqlite3 *db, const uint8_t *p, size_t n)
{
    const char *const *c = columns[p[0] % SQ_LEN(columns)];
    char sql[256], value[64];
    size_t used = 3;
    const unsigned row = p[1] % 16, kind = p[2] % 7;
    uint64_t v = 0;
    for (; used < n && used < 11 && kind != 0; used++)
        v = v << 8 | p[used];
    switch (kind) {
    case 0: snprintf(value, sizeof value, "NULL"); break;
    case 1: snprintf(value, sizeof value, "%lld", (long long)v); break;
    case 2: snprintf(value, sizeof value, "%lld", (long long)(int8_t)v); break;
    case 3: snprintf(value, sizeof value, "zeroblob(%u)", (unsigned)v % 100000); break;
    case 4: snprintf(value, sizeof value, "x'%016llx'", (unsigned long long)v); break;
    case 5: snprintf(value, sizeof value, "'%016llx'", (unsigned long long)v); break;
    default: snprintf(value, sizeof value, "%s + %lld", c[1], (long long)(int8_t)v); break;
    }
    if (p[2] & 0x80)
        snprintf(sql, sizeof sql, "DELETE FROM %s WHERE rowid = (SELECT rowid FROM %s LIMIT 1 OFFSET %u)", c[0], c[0], row);
    else if (p[2] & 0x40)
        snprintf(sql, sizeof sql, "INSERT OR IGNORE INTO %s(%s) VALUES (%s)", c[0], c[1], value);
    else
        snprintf(sql, sizeof sql, "UPDATE OR IGNORE %s SET %s = %s WHERE rowid = (SELECT rowid FROM %s LIMIT 1 OFFSET %u)", c[0], c[1], value, c[0], row);
    lib->exec(db, sql, NULL, NULL, NULL);                /* a row id that is no number fails: fine */
    return used;
}

static void edited(const uint8_t *p, size_t n)
{
    struct sq_sqlite lib;
    sqlite3 *db;
    uint64_t sum;
    char sql[128];
    need(sq_sqlite_load(&ctx, &lib), "load");
    if (lib.open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        die("open");
    lib.exec(db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN", NULL, NULL, NULL);
    for (int i = 0; n >= 4 && i < CHANGES_MOST; i++) {
        size_t used = one_edit(&lib, db, p, n);
        p += used, n -= used;
    }
    lib.exec(db, "COMMIT", NULL, NULL, NULL);
    sq_rc rc = read_all(&sum);
    const char *have = strstr(ctx.err.msg, "its tables have the checksum ");
    if (rc == SQ_DATA && have) {
        snprintf(sql, sizeof sql, "UPDATE checkpoint SET value = '%.16s' WHERE key = 'checksum'", have + strlen("its tables have the checksum "));
        lib.exec(db, sql, NULL, NULL, NULL);
        rc = read_all(&sum);
        if (rc == SQ_DATA && strstr(ctx.err.msg, "its tables have the checksum "))
            die("the checksum is not what it said");
    }
    expect(rc, false, 0);
    lib.close(db);
    sq_sqlite_unload(&lib);
    put_back();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    ctx.err.msg[0] = 0;
    if (n > 1 && p[0] % 3 == 0)
        raw(p + 1, n - 1);
    else if (n > 1 && p[0] % 3 == 1)
        changed(p + 1, n - 1);
    else if (n > 1)
        edited(p + 1, n - 1);
    return 0;
}
