/* SPDX-License-Identifier: Apache-2.0
 *
 * faults.c: faults that a test asks for by the environment, read once when an engine is opened. Only in builds with -DSQ_FAULTS.
 *
 *   SQLUICE_FAULT=store.prepared:3    kill -9 at the third passing of a point (base/fault.h)
 *   SQLUICE_FAIL=fsync:5              the fifth call of a kind fails; "fsync:5+": and every one after it
 *   SQLUICE_FAIL_COUNT=FILE           how often each point was passed and each kind called, written when the engine is closed or killed: lines
 *                                     "point NAME COUNT" (also those that were not passed) and "call KIND COUNT"
 *
 * The slots of the engine's outside world are wrapped; calls come from any thread.
 */
#include "api/api.h"
#include "base/fault.h"

#ifdef SQ_FAULTS

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { POINTS = 256 };

struct sq_faults {
    struct sq_os below;
    const char *point[POINTS];           /* each name once */
    _Atomic uint64_t passed[POINTS];
    size_t npoints;
    char kill[64];                       /* the point to be killed at; "": none */
    uint64_t kill_at;
    int fail;                            /* the kind that fails; -1: none */
    uint64_t fail_at;
    bool fail_on;                        /* and from then on */
    _Atomic uint64_t calls[SQ_FAIL_KINDS];
    const char *counts;                  /* file; NULL: none */
};

static void write_counts(const struct sq_faults *f)
{
    char line[160];
    int fd = f->counts ? open(f->counts, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;

    if (fd < 0)
        return;
    for (size_t i = 0; i < f->npoints; i++) {
        int n = snprintf(line, sizeof line, "point %s %llu\n", f->point[i], (unsigned long long)atomic_load(&f->passed[i]));
        if (write(fd, line, (size_t)n) != n)
            break;
    }
    for (int k = 0; k < SQ_FAIL_KINDS; k++) {
        int n = snprintf(line, sizeof line, "call %s %llu\n", sq_fail_kind_name((enum sq_fail_kind)k), (unsigned long long)atomic_load(&f->calls[k]));
        if (write(fd, line, (size_t)n) != n)
            break;
    }
    close(fd);
}

static void point(void *arg, const char *name)
{
    struct sq_faults *f = ((sqluice *)arg)->faults;

    for (size_t i = 0; i < f->npoints; i++) {
        if (strcmp(f->point[i], name) != 0)
            continue;
        uint64_t n = atomic_fetch_add(&f->passed[i], 1) + 1;
        if (n == f->kill_at && strcmp(f->kill, name) == 0) {
            write_counts(f);
            kill(getpid(), SIGKILL);
            for (;;)
                pause();
        }
    }
}

static bool fails(void *arg, int kind)
{
    struct sq_faults *f = ((sqluice *)arg)->faults;
    uint64_t n = atomic_fetch_add(&f->calls[kind], 1) + 1;

    return kind == f->fail && (n == f->fail_at || (f->fail_on && n > f->fail_at));
}

/* ---- the slots of files ---- */

#define BELOW(arg) (&((sqluice *)(arg))->faults->below)

static int f_open(void *arg, const char *path, int flags, mode_t mode)
{
    return fails(arg, SQ_FAIL_OPEN) ? -EMFILE : BELOW(arg)->open(arg, path, flags, mode);
}
static ssize_t f_pread(void *arg, int fd, void *p, size_t n, int64_t at)
{
    return fails(arg, SQ_FAIL_READ) ? -EIO : BELOW(arg)->pread(arg, fd, p, n, at);
}
static ssize_t f_write(void *arg, int fd, const void *p, size_t n)
{
    if (fails(arg, SQ_FAIL_WRITE)) {
        if (n > 1)
            BELOW(arg)->write(arg, fd, p, n / 2);           /* as a disk that is full does */
        return -ENOSPC;
    }
    return BELOW(arg)->write(arg, fd, p, fails(arg, SQ_FAIL_SHORT) && n > 1 ? n / 2 : n);
}
static int f_fsync(void *arg, int fd) { return fails(arg, SQ_FAIL_FSYNC) ? -EIO : BELOW(arg)->fsync(arg, fd); }
static int f_stat(void *arg, const char *path, struct stat *st) { return fails(arg, SQ_FAIL_STAT) ? -EACCES : BELOW(arg)->stat(arg, path, st); }
static int f_rename(void *arg, const char *from, const char *to) { return fails(arg, SQ_FAIL_RENAME) ? -EIO : BELOW(arg)->rename(arg, from, to); }
static int f_unlink(void *arg, const char *path) { return fails(arg, SQ_FAIL_UNLINK) ? -EIO : BELOW(arg)->unlink(arg, path); }
static int f_mkdir(void *arg, const char *path, mode_t mode) { return fails(arg, SQ_FAIL_MKDIR) ? -ENOSPC : BELOW(arg)->mkdir(arg, path, mode); }
static int f_list(void *arg, const char *path, int (*fn)(void *, const char *), void *fn_arg)
{
    return fails(arg, SQ_FAIL_LIST) ? -EIO : BELOW(arg)->list(arg, path, fn, fn_arg);
}

/* ---- begin and end ---- */

/* "name:12+" */
static bool parse(const char *text, char name[64], uint64_t *at, bool *on)
{
    const char *colon = text ? strrchr(text, ':') : NULL;
    char *end;

    if (!colon || colon - text >= 64)
        return false;
    memcpy(name, text, (size_t)(colon - text));
    name[colon - text] = 0;
    *at = strtoull(colon + 1, &end, 10);
    *on = *end == '+';
    return *at > 0;
}

static void find_points(struct sq_faults *f)
{
    const char *name;

    for (size_t i = 0; (name = sq_fault_name_at(i)) && f->npoints < POINTS; i++) {
        size_t k = 0;
        while (k < f->npoints && strcmp(f->point[k], name) != 0)
            k++;
        if (k == f->npoints)
            f->point[f->npoints++] = name;
    }
}

void sq_faults_begin(sqluice *db)
{
    const char *fault = getenv("SQLUICE_FAULT"), *fail = getenv("SQLUICE_FAIL"), *counts = getenv("SQLUICE_FAIL_COUNT");
    struct sq_faults *f;
    char name[64];
    bool on;

    if ((!fault && !fail && !counts) || !(f = calloc(1, sizeof *f)))
        return;
    f->below = db->os;
    f->fail = -1;
    f->counts = counts;
    find_points(f);
    if (parse(fault, name, &f->kill_at, &on))
        memcpy(f->kill, name, sizeof name);
    if (parse(fail, name, &f->fail_at, &f->fail_on))
        for (int k = 0; k < SQ_FAIL_KINDS; k++)
            if (strcmp(name, sq_fail_kind_name((enum sq_fail_kind)k)) == 0)
                f->fail = k;
    db->faults = f;
    db->os.arg = db;
    db->os.open = f_open;
    db->os.pread = f_pread;
    db->os.write = f_write;
    db->os.fsync = f_fsync;
    db->os.stat = f_stat;
    db->os.rename = f_rename;
    db->os.unlink = f_unlink;
    db->os.mkdir = f_mkdir;
    db->os.list = f_list;
    db->os.point = point;
    db->os.fails = fails;
}

void sq_faults_end(sqluice *db)
{
    if (!db->faults)
        return;
    sq_fault_sqlite_end(&db->os);
    write_counts(db->faults);
    free(db->faults);
}

#endif
