/* SPDX-License-Identifier: Apache-2.0
 *
 * store.c: how fast the checkpoint store is, beside a plain file of as many bytes in the same run.
 *
 * usage: bench/store [-m MB] [-n ROUNDS] [-c CHUNK_KB] [DIRECTORY]
 *
 * Each round: write() and fsync of the bytes, in chunks; the same chunks through sq_store_begin … sq_store_prepared (durable: fsync, rename, index) and
 * sq_store_done; read() of the plain file; opening and reading the checkpoint back, checksums included. Both are read from the page cache. They take
 * turns; figures are medians. The bytes are random, so that nothing compresses them.
 */
#include "base/os.h"
#include "executor/checkpoint/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROUNDS_MOST = 100 };
enum step { PLAIN_WRITE, STORE_CHUNKS, STORE_WRITE, STORE_DONE, PLAIN_READ, STORE_OPEN, STORE_READ, STEPS };

struct bench {
    struct sq_ctx ctx;
    struct sq_store *store;
    const char *dir;
    char *chunk;
    size_t chunk_bytes;
    uint32_t chunks;
    uint64_t epoch;
    double s[STEPS][ROUNDS_MOST];
};

static double now_s(void) { return (double)sq_os_posix.mono_ns(NULL) / 1e9; }

static void need(bool ok, struct bench *b, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench/store: %s: %s\n", what, b->ctx.err.msg);
        exit(1);
    }
}

/* Every chunk differs, at little cost. */
static void touch(struct bench *b, uint32_t i)
{
    for (size_t at = 0; at + 8 <= b->chunk_bytes; at += 4096)
        memcpy(b->chunk + at, &i, sizeof i);
}

static void plain(struct bench *b, int round)
{
    char path[512];
    snprintf(path, sizeof path, "%s/plain", b->dir);
    double begun = now_s();
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    for (uint32_t i = 0; i < b->chunks; i++) {
        touch(b, i);
        need(write(fd, b->chunk, b->chunk_bytes) == (ssize_t)b->chunk_bytes, b, "write");
    }
    need(fsync(fd) == 0, b, "fsync");
    b->s[PLAIN_WRITE][round] = now_s() - begun;
    begun = now_s();
    lseek(fd, 0, SEEK_SET);
    for (uint32_t i = 0; i < b->chunks; i++)
        need(read(fd, b->chunk, b->chunk_bytes) == (ssize_t)b->chunk_bytes, b, "read");
    b->s[PLAIN_READ][round] = now_s() - begun;
    close(fd);
    unlink(path);
}

static void stored(struct bench *b, int round)
{
    struct sq_saved_op op = {.uid = 1, .name = {"x", 1}, .nchunks = b->chunks};
    struct sq_saved v = {.job = sq_store_job(b->store), .epoch = ++b->epoch, .ops = &op, .nops = 1};
    struct sq_store_writer *w;
    struct sq_store_reader *r;
    struct sq_str bytes;
    int64_t size;

    double begun = now_s();
    need(sq_store_begin(b->store, v.epoch, &w) == SQ_OK, b, "begin");
    for (uint32_t i = 0; i < b->chunks; i++) {
        touch(b, i);
        need(sq_store_chunk(w, 1, 0, i, b->chunk, b->chunk_bytes) == SQ_OK, b, "chunk");
    }
    b->s[STORE_CHUNKS][round] = now_s() - begun;
    need(sq_store_prepared(w, &v, &size) == SQ_OK, b, "prepared");
    b->s[STORE_WRITE][round] = now_s() - begun;
    begun = now_s();
    need(sq_store_done(b->store, v.epoch, 1) == SQ_OK, b, "done");
    b->s[STORE_DONE][round] = now_s() - begun;
    begun = now_s();
    need(sq_store_get(b->store, v.epoch, &r, &v) == SQ_OK, b, "read");
    b->s[STORE_OPEN][round] = now_s() - begun;
    for (uint32_t i = 0; i < b->chunks; i++)
        need(v.chunk(v.arg, 0, i, &bytes) == SQ_OK, b, "chunk");
    b->s[STORE_READ][round] = now_s() - begun;
    sq_store_reader_close(r);
    sq_store_sweep(b->store);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(struct bench *b, enum step step, int rounds)
{
    qsort(b->s[step], (size_t)rounds, sizeof(double), by_value);
    return b->s[step][rounds / 2];
}

int main(int argc, char **argv)
{
    struct bench b = {.ctx = {.os = &sq_os_posix}};
    long mb = 1024, rounds = 5, kb = 1024;
    int opt;
    while ((opt = getopt(argc, argv, "m:n:c:")) != -1)
        *(opt == 'm' ? &mb : opt == 'n' ? &rounds : &kb) = strtol(optarg, NULL, 10);
    char dir[] = "bench-store-XXXXXX";
    if (mb < 1 || rounds < 1 || rounds > ROUNDS_MOST || kb < 1 || kb > 65536 || (optind < argc && chdir(argv[optind]) != 0) || !mkdtemp(dir)) {
        fprintf(stderr, "usage: bench/store [-m MB] [-n ROUNDS] [-c CHUNK_KB] [DIRECTORY]\n");
        return 2;
    }
    b.dir = dir;
    b.chunk_bytes = (size_t)kb << 10;
    b.chunks = (uint32_t)((uint64_t)mb * 1024 / (uint64_t)kb);
    b.chunk = malloc(b.chunk_bytes);
    sq_os_posix.random(NULL, b.chunk, b.chunk_bytes);
    need(sq_store_open(&b.ctx, dir, (struct sq_str){"bench", 5}, &b.store) == SQ_OK, &b, "open");
    plain(&b, 0);                                        /* warms up the disk and the allocator */
    for (int i = 0; i < (int)rounds; i++) {
        plain(&b, i);
        stored(&b, i);
    }
    const double size = (double)b.chunks * (double)b.chunk_bytes / 1e6, pw = median(&b, PLAIN_WRITE, (int)rounds), sw = median(&b, STORE_WRITE, (int)rounds),
                 pr = median(&b, PLAIN_READ, (int)rounds), sr = median(&b, STORE_READ, (int)rounds);
    printf("%.0f MB in chunks of %ld KB, medians of %ld rounds\n", size, kb, rounds);
    printf("write  plain file, fsync %7.0f MB/s   store %7.0f MB/s   ratio %.2f   (of it without fsync and index %.0f MB/s; DONE %.1f ms)\n", size / pw, size / sw,
           pw / sw, size / median(&b, STORE_CHUNKS, (int)rounds), 1e3 * median(&b, STORE_DONE, (int)rounds));
    printf("read   plain file        %7.0f MB/s   store %7.0f MB/s   ratio %.2f   (opening %.1f ms)\n", size / pr, size / sr, pr / sr,
           1e3 * median(&b, STORE_OPEN, (int)rounds));
    sq_store_renew(b.store);
    sq_store_close(b.store);
    char path[512];
    snprintf(path, sizeof path, "%s/index.db", dir), unlink(path);
    snprintf(path, sizeof path, "%s/lock", dir), unlink(path);
    rmdir(dir);
    free(b.chunk);
    return 0;
}
