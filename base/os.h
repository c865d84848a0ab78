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
    /* Calls fn for each name in the directory but . and .. (order unspecified) until it returns nonzero. */
    int (*list)(void *, const char *path, int (*fn)(void *, const char *name), void *fn_arg);
};

extern const struct sq_os sq_os_posix;

/* The most workers of a job: as many as there are cores, at least SQ_WORKERS_LEAST, which may then share them. */
enum { SQ_WORKERS_LEAST = 4 };
int64_t sq_os_workers(void);
/* Whole-buffer write and directory fsync on top of the slots; errors name the path and the system's reason. */
sq_rc sq_os_write_all(struct sq_ctx *, int fd, const char *path, const void *, size_t);
sq_rc sq_os_sync_dir(struct sq_ctx *, const char *dir);
sq_rc sq_os_mkdirs(struct sq_ctx *, const char *dir);    /* like mkdir -p */
/* "no such file or directory" and the like, without the thread-unsafe strerror. buf of at least 128 bytes; returns buf. */
const char *sq_os_strerror(int err, char *buf, size_t n);

#endif
