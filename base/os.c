/* SPDX-License-Identifier: Apache-2.0
 *
 * os.c: the real outside world behind os.h (POSIX), and the few steps made of several slots.
 */
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now_us(void *arg) { (void)arg; return clock_ns(CLOCK_REALTIME) / 1000; }
static int64_t mono_ns(void *arg) { (void)arg; return clock_ns(CLOCK_MONOTONIC); }

static void sleep_us(void *arg, int64_t us)
{
    (void)arg;
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

static void random_bytes(void *arg, void *buf, size_t n)
{
    (void)arg;
    for (size_t got = 0; got < n;) {
        ssize_t r = getrandom((char *)buf + got, n - got, 0);
        if (r > 0)
            got += (size_t)r;
    }
}

static int os_open(void *arg, const char *path, int flags, mode_t mode)
{
    (void)arg;
    int fd = open(path, flags | O_CLOEXEC, mode);
    return fd < 0 ? -errno : fd;
}

static ssize_t os_pread(void *arg, int fd, void *p, size_t n, int64_t at)
{
    (void)arg;
    for (;;) {
        ssize_t r = pread(fd, p, n, at);
        if (r >= 0)
            return r;
        if (errno == ESPIPE)          /* a pipe: read on */
            r = read(fd, p, n);
        if (r >= 0)
            return r;
        if (errno != EINTR)
            return -errno;
    }
}

static ssize_t os_write(void *arg, int fd, const void *p, size_t n)
{
    (void)arg;
    ssize_t r;
    do
        r = write(fd, p, n);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static int os_fsync(void *arg, int fd) { (void)arg; return fsync(fd) ? -errno : 0; }
static int os_truncate(void *arg, int fd, int64_t size) { (void)arg; return ftruncate(fd, size) ? -errno : 0; }
static int os_close(void *arg, int fd) { (void)arg; return close(fd) ? -errno : 0; }
static int os_stat(void *arg, const char *path, struct stat *st) { (void)arg; return stat(path, st) ? -errno : 0; }
static int os_rename(void *arg, const char *from, const char *to) { (void)arg; return rename(from, to) ? -errno : 0; }
static int os_unlink(void *arg, const char *path) { (void)arg; return unlink(path) ? -errno : 0; }
static int os_mkdir(void *arg, const char *path, mode_t mode) { (void)arg; return mkdir(path, mode) ? -errno : 0; }

static int os_lock(void *arg, int fd)
{
    (void)arg;
    int rc;
    do
        rc = flock(fd, LOCK_EX | LOCK_NB);
    while (rc && errno == EINTR);
    return rc ? -errno : 0;
}

static int os_cwd(void *arg, char *buf, size_t n) { (void)arg; return getcwd(buf, n) ? 0 : -errno; }

static int os_list(void *arg, const char *path, int (*fn)(void *, const char *), void *fn_arg)
{
    (void)arg;
    DIR *d = opendir(path);
    if (!d)
        return -errno;
    int rc = 0;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e) {
            rc = -errno;
            break;
        }
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && fn(fn_arg, e->d_name))
            break;
    }
    closedir(d);
    return rc;
}

const struct sq_os sq_os_posix = {
    .now_us = now_us, .mono_ns = mono_ns, .sleep_us = sleep_us, .random = random_bytes, .open = os_open, .pread = os_pread,
    .write = os_write, .fsync = os_fsync, .truncate = os_truncate, .close = os_close, .stat = os_stat, .rename = os_rename,
    .unlink = os_unlink, .mkdir = os_mkdir, .lock = os_lock, .cwd = os_cwd, .list = os_list,
};

const char *sq_os_strerror(int err, char *buf, size_t n)
{
    const char *name = strerrordesc_np(err < 0 ? -err : err);
    snprintf(buf, n, "%s", name ? name : "unknown error");
    if (buf[0] >= 'A' && buf[0] <= 'Z' && !(buf[1] >= 'A' && buf[1] <= 'Z'))
        buf[0] = (char)(buf[0] - 'A' + 'a');
    return buf;
}

sq_rc sq_os_write_all(struct sq_ctx *ctx, int fd, const char *path, const void *p, size_t n)
{
    char why[128];
    for (size_t done = 0; done < n;) {
        ssize_t r = ctx->os->write(ctx->os->arg, fd, (const char *)p + done, n - done);
        if (r < 0)
            return sq_fail(ctx, SQ_IO, "cannot write %s: %s", path, sq_os_strerror((int)-r, why, sizeof why));
        if (r == 0)
            return sq_fail(ctx, SQ_IO, "cannot write %s: nothing was written", path);
        done += (size_t)r;
    }
    return SQ_OK;
}

sq_rc sq_os_sync_dir(struct sq_ctx *ctx, const char *dir)
{
    char why[128];
    const struct sq_os *os = ctx->os;
    int fd = os->open(os->arg, dir, O_RDONLY | O_DIRECTORY, 0);
    int rc = fd < 0 ? fd : os->fsync(os->arg, fd);
    if (fd >= 0)
        os->close(os->arg, fd);
    if (rc < 0 && rc != -EINVAL)      /* some file systems cannot sync a directory */
        return sq_fail(ctx, SQ_IO, "cannot sync directory %s: %s", dir, sq_os_strerror(rc, why, sizeof why));
    return SQ_OK;
}

/* The directory in `path` (which is changed and put back) that holds what path[0..n) names. */
static sq_rc sync_parent(struct sq_ctx *ctx, char *path, size_t n)
{
    while (n > 0 && path[n - 1] != '/')
        n--;
    if (n == 0)
        return sq_os_sync_dir(ctx, ".");
    char keep = path[n];
    path[n] = 0;
    sq_rc rc = sq_os_sync_dir(ctx, path);
    path[n] = keep;
    return rc;
}

static sq_rc mkdirs(struct sq_ctx *ctx, const char *dir, mode_t mode, bool sync)
{
    char path[4096], why[128];
    size_t n = strlen(dir);
    if (n == 0)
        return SQ_OK;
    if (n >= sizeof path)
        return sq_fail(ctx, SQ_IO, "the path of directory %.60s… is too long", dir);
    memcpy(path, dir, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        char keep = path[i];
        path[i] = 0;
        int rc = ctx->os->mkdir(ctx->os->arg, path, mode);
        struct stat st;
        if (rc < 0 && (ctx->os->stat(ctx->os->arg, path, &st) < 0 || !S_ISDIR(st.st_mode)))
            return sq_fail(ctx, SQ_IO, "cannot make directory %s: %s", path, sq_os_strerror(rc, why, sizeof why));
        if (rc == 0 && sync)
            SQ_TRY(sync_parent(ctx, path, i));
        path[i] = keep;
    }
    return SQ_OK;
}

sq_rc sq_os_mkdirs(struct sq_ctx *ctx, const char *dir) { return mkdirs(ctx, dir, 0777, false); }
sq_rc sq_os_mkdirs_private(struct sq_ctx *ctx, const char *dir) { return mkdirs(ctx, dir, 0700, true); }

int64_t sq_os_workers(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < SQ_WORKERS_LEAST ? SQ_WORKERS_LEAST : n > 128 ? 128 : n;
}

void sq_os_huge_pages(void *p, size_t n)
{
    const uintptr_t page = (uintptr_t)2 << 20;
    uintptr_t from = ((uintptr_t)p + page - 1) & ~(page - 1), to = ((uintptr_t)p + n) & ~(page - 1);

    if (from < to)
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE);   /* where there are none, nothing is lost */
}

int sq_os_write_behind(int fd, int64_t sent[2], int64_t size)
{
#ifdef SYNC_FILE_RANGE_WRITE
    const unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    int64_t from = sent[0], to = sent[1];

    if (size > to && sync_file_range(fd, to, size - to, SYNC_FILE_RANGE_WRITE) < 0)
        return errno == EIO || errno == ENOSPC || errno == EDQUOT ? -errno : 0;   /* else: a file system that has no such thing */
    if (to > from) {
        if (sync_file_range(fd, from, to - from, all) < 0)
            return errno == EIO || errno == ENOSPC || errno == EDQUOT ? -errno : 0;
        (void)posix_fadvise(fd, from, to - from, POSIX_FADV_DONTNEED);
    }
    sent[0] = to;
    sent[1] = size > to ? size : to;
#else
    (void)fd, (void)sent, (void)size;
#endif
    return 0;
}
