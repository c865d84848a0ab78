/* SPDX-License-Identifier: Apache-2.0
 *
 * sqlite_faults.h: SQLite's own file operations made to fail. A VFS around the system's becomes the default one; each write, sync, truncate, read, open or
 * delete is counted, and the n-th fails (and, if wanted, all after it), as on a full disk or a broken one.
 *
 * For tests that do not link to SQLite: it is opened with dlopen here too; both get the same copy.
 */
#ifndef SQ_TESTS_SQLITE_FAULTS_H
#define SQ_TESTS_SQLITE_FAULTS_H

#include <dlfcn.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct faults_file { sqlite3_file base; sqlite3_file *real; };

static struct sqlite_faults {
    void *library;
    sqlite3_vfs vfs, *real;
    sqlite3_io_methods methods;
    bool writes, reads;                   /* which are counted */
    long calls, fail_at;                  /* 0: none fails */
    bool after_too;
    void (*synced)(char *);               /* called with `trace` for each sync; NULL: not */
    char *trace;
    int error;                            /* SQLITE_FULL, or 0: the fitting SQLITE_IOERR_… */
    __typeof__(sqlite3_vfs_register) *add;
    __typeof__(sqlite3_vfs_unregister) *remove;
    __typeof__(sqlite3_hard_heap_limit64) *heap_limit;
    __typeof__(sqlite3_memory_used) *memory_used;
} faults;

static inline bool faults_now(bool counted)
{
    if (!counted)
        return false;
    faults.calls++;
    return faults.fail_at && (faults.calls == faults.fail_at || (faults.after_too && faults.calls > faults.fail_at));
}

#define FAULTS_REAL(f) (((struct faults_file *)(f))->real)
#define FAULTS_PASS(counted, code, call) (faults_now(counted) ? (faults.error ? faults.error : (code)) : (call))

static inline int faults_close(sqlite3_file *f)
{
    int rc = FAULTS_REAL(f)->pMethods ? FAULTS_REAL(f)->pMethods->xClose(FAULTS_REAL(f)) : SQLITE_OK;
    free(FAULTS_REAL(f));
    return rc;
}
static inline int faults_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return FAULTS_PASS(faults.reads, SQLITE_IOERR_READ, FAULTS_REAL(f)->pMethods->xRead(FAULTS_REAL(f), p, n, at));
}
static inline int faults_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (faults_now(faults.writes)) {
        FAULTS_REAL(f)->pMethods->xWrite(FAULTS_REAL(f), p, n / 2, at);      /* a short one */
        return faults.error ? faults.error : SQLITE_IOERR_WRITE;
    }
    return FAULTS_REAL(f)->pMethods->xWrite(FAULTS_REAL(f), p, n, at);
}
static inline int faults_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return FAULTS_PASS(faults.writes, SQLITE_IOERR_TRUNCATE, FAULTS_REAL(f)->pMethods->xTruncate(FAULTS_REAL(f), n));
}
static inline int faults_sync(sqlite3_file *f, int flags)
{
    if (faults.synced)
        faults.synced(faults.trace);
    return FAULTS_PASS(faults.writes, SQLITE_IOERR_FSYNC, FAULTS_REAL(f)->pMethods->xSync(FAULTS_REAL(f), flags));
}
static inline int faults_size(sqlite3_file *f, sqlite3_int64 *n) { return FAULTS_PASS(faults.reads, SQLITE_IOERR_FSTAT, FAULTS_REAL(f)->pMethods->xFileSize(FAULTS_REAL(f), n)); }
static inline int faults_lock(sqlite3_file *f, int l) { return FAULTS_REAL(f)->pMethods->xLock(FAULTS_REAL(f), l); }
static inline int faults_unlock(sqlite3_file *f, int l) { return FAULTS_REAL(f)->pMethods->xUnlock(FAULTS_REAL(f), l); }
static inline int faults_reserved(sqlite3_file *f, int *l) { return FAULTS_REAL(f)->pMethods->xCheckReservedLock(FAULTS_REAL(f), l); }
static inline int faults_control(sqlite3_file *f, int op, void *p) { return FAULTS_REAL(f)->pMethods->xFileControl(FAULTS_REAL(f), op, p); }
static inline int faults_sector(sqlite3_file *f) { return FAULTS_REAL(f)->pMethods->xSectorSize(FAULTS_REAL(f)); }
static inline int faults_traits(sqlite3_file *f) { return FAULTS_REAL(f)->pMethods->xDeviceCharacteristics(FAULTS_REAL(f)); }
static inline int faults_shm_map(sqlite3_file *f, int page, int n, int extend, void volatile **p)
{
    return FAULTS_PASS(faults.writes && extend, SQLITE_IOERR_SHMSIZE, FAULTS_REAL(f)->pMethods->xShmMap(FAULTS_REAL(f), page, n, extend, p));
}
static inline int faults_shm_lock(sqlite3_file *f, int at, int n, int flags) { return FAULTS_REAL(f)->pMethods->xShmLock(FAULTS_REAL(f), at, n, flags); }
static inline void faults_shm_barrier(sqlite3_file *f) { FAULTS_REAL(f)->pMethods->xShmBarrier(FAULTS_REAL(f)); }
static inline int faults_shm_unmap(sqlite3_file *f, int del) { return FAULTS_REAL(f)->pMethods->xShmUnmap(FAULTS_REAL(f), del); }

static inline int faults_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct faults_file *file = (struct faults_file *)f;
    (void)v;
    file->base.pMethods = NULL;
    if (faults_now(faults.writes))
        return faults.error ? faults.error : SQLITE_CANTOPEN;
    file->real = calloc(1, (size_t)faults.real->szOsFile);
    int rc = faults.real->xOpen(faults.real, name, file->real, flags, out);
    if (rc == SQLITE_OK)
        file->base.pMethods = &faults.methods;
    else
        free(file->real);
    return rc;
}
static inline int faults_delete(sqlite3_vfs *v, const char *name, int sync)
{
    (void)v;
    return FAULTS_PASS(faults.writes, SQLITE_IOERR_DELETE, faults.real->xDelete(faults.real, name, sync));
}

/* From now on every database that is opened goes through here. False: there is no SQLite. */
static inline bool faults_begin(void)
{
    memset(&faults, 0, sizeof faults);
    faults.library = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!faults.library)
        return false;
    __typeof__(sqlite3_vfs_find) *find;
    *(void **)&find = dlsym(faults.library, "sqlite3_vfs_find");
    *(void **)&faults.add = dlsym(faults.library, "sqlite3_vfs_register");
    *(void **)&faults.remove = dlsym(faults.library, "sqlite3_vfs_unregister");
    *(void **)&faults.heap_limit = dlsym(faults.library, "sqlite3_hard_heap_limit64");
    *(void **)&faults.memory_used = dlsym(faults.library, "sqlite3_memory_used");
    __typeof__(sqlite3_initialize) *initialize;
    *(void **)&initialize = dlsym(faults.library, "sqlite3_initialize");
    initialize();
    faults.real = find(NULL);
    faults.vfs = *faults.real;
    faults.vfs.zName = "faults";
    faults.vfs.szOsFile = (int)sizeof(struct faults_file);
    faults.vfs.xOpen = faults_open;
    faults.vfs.xDelete = faults_delete;
    faults.methods = (sqlite3_io_methods){
        .iVersion = 2, .xClose = faults_close, .xRead = faults_read, .xWrite = faults_write, .xTruncate = faults_truncate, .xSync = faults_sync,
        .xFileSize = faults_size, .xLock = faults_lock, .xUnlock = faults_unlock, .xCheckReservedLock = faults_reserved, .xFileControl = faults_control,
        .xSectorSize = faults_sector, .xDeviceCharacteristics = faults_traits, .xShmMap = faults_shm_map, .xShmLock = faults_shm_lock,
        .xShmBarrier = faults_shm_barrier, .xShmUnmap = faults_shm_unmap,
    };
    return faults.add(&faults.vfs, 1) == SQLITE_OK;
}

static inline void faults_end(void)
{
    faults.remove(&faults.vfs);
    faults.add(faults.real, 1);
    dlclose(faults.library);
}

#endif
