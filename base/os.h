/* SPDX-License-Identifier: Apache-2.0
 *
 * os.h: the injectable outside world: clock, files, randomness. A test replaces a slot to hold the clock, fail the n-th
 * write or replay a seed. File calls return a value >= 0, or -errno.
 */
#ifndef SQ_BASE_OS_H
#define SQ_BASE_OS_H

#include "base/str.h"

#include <sys/stat.h>
#include <sys/types.h>

struct sq_os {
    void *arg;                                           /* given to every call */
    int64_t (*now_us)(void *);                           /* wall clock: microseconds since 1970 UTC */
    int64_t (*mono_ns)(void *);                          /* monotonic, for durations only */
    void (*sleep_us)(void *, int64_t);
    void (*random)(void *, void *buf, size_t n);
    int (*open)(void *, const char *path, int flags, mode_t);   /* O_CLOEXEC is added */
    ssize_t (*pread)(void *, int fd, void *, size_t, int64_t at);
    ssize_t (*write)(void *, int fd, const void *, size_t);
    int (*fsync)(void *, int fd);
    int (*truncate)(void *, int fd, int64_t size);       /* cuts the file to so many bytes */
    int (*close)(void *, int fd);
    int (*stat)(void *, const char *path, struct stat *);
    int (*rename)(void *, const char *from, const char *to);
    int (*unlink)(void *, const char *path);
    int (*mkdir)(void *, const char *path, mode_t);
    int (*lock)(void *, int fd);                         /* the whole file, for as long as it is open; -EWOULDBLOCK when another has it */
    int (*cwd)(void *, char *buf, size_t n);
    /* Calls fn for each name in the directory but . and .. (order unspecified) until it returns nonzero. */
    int (*list)(void *, const char *path, int (*fn)(void *, const char *name), void *fn_arg);
    /* For tests of faults (fault.h); else NULL. A named point is passed; whether a call of a kind (enum sq_fail_kind) is to fail. */
    void (*point)(void *, const char *name);
    bool (*fails)(void *, int kind);
};

extern const struct sq_os sq_os_posix;

/* The most workers of a job: as many as there are cores, at least SQ_WORKERS_LEAST, which may then share them. */
enum { SQ_WORKERS_LEAST = 4 };
int64_t sq_os_workers(void);
/* Whole-buffer write and directory fsync on top of the slots; errors name the path and the system's reason. */
sq_rc sq_os_write_all(struct sq_ctx *, int fd, const char *path, const void *, size_t);
sq_rc sq_os_sync_dir(struct sq_ctx *, const char *dir);
/* A hint that a large block of memory is going to be filled: the system may give it huge pages, one page fault for 2 MB instead of 4 KB. */
void sq_os_huge_pages(void *, size_t);
/* Writing behind, for a large file that is read again only after a fault: sends what is new since the last call, up to `size`, to the device, waits for what
 * that call sent, and gives its pages back to the system. So the file fills no memory, and the fsync at its end has little left to do. `sent` (two offsets, 0 at
 * first) belongs to the calls of one file. 0, or -errno when the device refused the bytes (an fsync may not tell it again). */
int sq_os_write_behind(int fd, int64_t sent[2], int64_t size);
sq_rc sq_os_mkdirs(struct sq_ctx *, const char *dir);    /* like mkdir -p */
/* The same for what only this user may see (mode 0700), and durable: the parent of each directory that is made is synced. */
sq_rc sq_os_mkdirs_private(struct sq_ctx *, const char *dir);
/* "no such file or directory" and the like, without the thread-unsafe strerror. buf of at least 128 bytes; returns buf. */
const char *sq_os_strerror(int err, char *buf, size_t n);

#endif
