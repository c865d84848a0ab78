/* SPDX-License-Identifier: Apache-2.0
 *
 * fault.c: fault points ask the outside world; a virtual file system for libsqlite3 that asks it too, before every call that can fail.
 *
 * libsqlite3 knows file systems for the whole process. So which outside world is asked is global here, as nowhere else: the one of the engine that used the library
 * last. Only builds for tests have this file's content.
 */
#include "base/fault.h"

#ifdef SQ_FAULTS

#include "base/os.h"
#include "base/sqlite.h"

#include <dlfcn.h>
#include <string.h>

/* Set by the linker. Weak: a program may have no points. */
extern const char names_begin[] __asm__("__start_sq_fault_names") __attribute__((weak));
extern const char names_end[] __asm__("__stop_sq_fault_names") __attribute__((weak));

const char *sq_fault_name_at(size_t i)
{
    for (const char *p = names_begin; p < names_end; p += strlen(p) + 1)
        if (*p && i-- == 0)
            return p;
    return NULL;
}

void sq_fault_point(struct sq_ctx *ctx, const char *name)
{
    if (ctx->os && ctx->os->point)
        ctx->os->point(ctx->os->arg, name);
}

bool sq_fault_fails(struct sq_ctx *ctx, enum sq_fail_kind kind)
{
    return ctx->os && ctx->os->fails && ctx->os->fails(ctx->os->arg, (int)kind);
}

const char *sq_fail_kind_name(enum sq_fail_kind kind)
{
    static const char *const names[SQ_FAIL_KINDS] = {
        [SQ_FAIL_ALLOC] = "alloc", [SQ_FAIL_OPEN] = "open", [SQ_FAIL_READ] = "read", [SQ_FAIL_WRITE] = "write", [SQ_FAIL_SHORT] = "short",
        [SQ_FAIL_FSYNC] = "fsync", [SQ_FAIL_STAT] = "stat", [SQ_FAIL_RENAME] = "rename", [SQ_FAIL_UNLINK] = "unlink", [SQ_FAIL_MKDIR] = "mkdir",
        [SQ_FAIL_LIST] = "list", [SQ_FAIL_DB_OPEN] = "db-open", [SQ_FAIL_DB_READ] = "db-read", [SQ_FAIL_DB_WRITE] = "db-write",
        [SQ_FAIL_DB_SYNC] = "db-sync", [SQ_FAIL_DB_TRUNCATE] = "db-truncate", [SQ_FAIL_DB_DELETE] = "db-delete", [SQ_FAIL_DB_LOCK] = "db-lock",
    };

    return names[kind];
}

/* ---- the file system between libsqlite3 and the real one ---- */

static _Atomic(const struct sq_os *) asked;
static atomic_flag entered = ATOMIC_FLAG_INIT;
static sqlite3_vfs shim, *below;

static bool fails(enum sq_fail_kind kind)
{
    const struct sq_os *os = atomic_load(&asked);

    return os && os->fails && os->fails(os->arg, (int)kind);
}

struct file {
    sqlite3_file base;
    sqlite3_file *real;                  /* in the bytes behind it */
};

static sqlite3_file *real(sqlite3_file *f) { return ((struct file *)f)->real; }

static int f_close(sqlite3_file *f) { return real(f)->pMethods->xClose(real(f)); }
static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return fails(SQ_FAIL_DB_READ) ? SQLITE_IOERR_READ : real(f)->pMethods->xRead(real(f), p, n, at);
}
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (!fails(SQ_FAIL_DB_WRITE))
        return real(f)->pMethods->xWrite(real(f), p, n, at);
    real(f)->pMethods->xWrite(real(f), p, n / 2, at);       /* as a disk that is full does */
    return SQLITE_FULL;
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return fails(SQ_FAIL_DB_TRUNCATE) ? SQLITE_IOERR_TRUNCATE : real(f)->pMethods->xTruncate(real(f), n);
}
static int f_sync(sqlite3_file *f, int flags) { return fails(SQ_FAIL_DB_SYNC) ? SQLITE_IOERR_FSYNC : real(f)->pMethods->xSync(real(f), flags); }
static int f_size(sqlite3_file *f, sqlite3_int64 *n) { return real(f)->pMethods->xFileSize(real(f), n); }
static int f_lock(sqlite3_file *f, int how) { return fails(SQ_FAIL_DB_LOCK) ? SQLITE_IOERR_LOCK : real(f)->pMethods->xLock(real(f), how); }
static int f_unlock(sqlite3_file *f, int how) { return real(f)->pMethods->xUnlock(real(f), how); }
static int f_reserved(sqlite3_file *f, int *out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); }
static int f_control(sqlite3_file *f, int op, void *arg) { return real(f)->pMethods->xFileControl(real(f), op, arg); }
static int f_sector(sqlite3_file *f) { return real(f)->pMethods->xSectorSize(real(f)); }
static int f_device(sqlite3_file *f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }
static int f_shm_map(sqlite3_file *f, int i, int n, int extend, void volatile **p) { return real(f)->pMethods->xShmMap(real(f), i, n, extend, p); }
static int f_shm_lock(sqlite3_file *f, int at, int n, int flags) { return real(f)->pMethods->xShmLock(real(f), at, n, flags); }
static void f_shm_barrier(sqlite3_file *f) { real(f)->pMethods->xShmBarrier(real(f)); }
static int f_shm_unmap(sqlite3_file *f, int gone) { return real(f)->pMethods->xShmUnmap(real(f), gone); }

static const sqlite3_io_methods methods = {
    .iVersion = 2, .xClose = f_close, .xRead = f_read, .xWrite = f_write, .xTruncate = f_truncate, .xSync = f_sync, .xFileSize = f_size, .xLock = f_lock,
    .xUnlock = f_unlock, .xCheckReservedLock = f_reserved, .xFileControl = f_control, .xSectorSize = f_sector, .xDeviceCharacteristics = f_device,
    .xShmMap = f_shm_map, .xShmLock = f_shm_lock, .xShmBarrier = f_shm_barrier, .xShmUnmap = f_shm_unmap,
};

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct file *f = (struct file *)file;
    int rc;

    (void)v;
    f->base.pMethods = NULL;
    f->real = (sqlite3_file *)(f + 1);
    if (fails(SQ_FAIL_DB_OPEN))
        return SQLITE_CANTOPEN;
    rc = below->xOpen(below, name, f->real, flags, out);
    if (rc == SQLITE_OK)
        f->base.pMethods = &methods;
    return rc;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync)
{
    (void)v;
    return fails(SQ_FAIL_DB_DELETE) ? SQLITE_IOERR_DELETE : below->xDelete(below, name, sync);
}

void sq_fault_sqlite(struct sq_ctx *ctx, const struct sq_sqlite *s)
{
    __typeof__(sqlite3_vfs_find) *find;
    __typeof__(sqlite3_vfs_register) *enter;

    if (!ctx->os || !ctx->os->fails)
        return;
    atomic_store(&asked, ctx->os);
    if (atomic_flag_test_and_set(&entered))
        return;
    *(void **)&find = dlsym(s->library, "sqlite3_vfs_find");
    *(void **)&enter = dlsym(s->library, "sqlite3_vfs_register");
    below = find(NULL);
    shim = *below;
    shim.zName = "fault";
    shim.szOsFile = (int)sizeof(struct file) + below->szOsFile;
    shim.pNext = NULL;
    shim.xOpen = vfs_open;
    shim.xDelete = vfs_delete;
    enter(&shim, 1);
}

void sq_fault_sqlite_end(const struct sq_os *os)
{
    atomic_compare_exchange_strong(&asked, &os, NULL);
}

#endif
