/* SPDX-License-Identifier: Apache-2.0
 *
 * store_look.c: what there is in a job's directory, for people: without its lock, so also while the job runs. Only the index is read; it is in WAL mode, so
 * neither side waits for the other. Nothing is made, mended or removed: a missing or damaged index is said to be so.
 */
#include "executor/checkpoint/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

/* The process that has the lock; 0: nobody; -1: somebody who did not say so. */
static int64_t holder(struct sq_ctx *ctx, const char *lock_path)
{
    const struct sq_os *os = ctx->os;
    int fd = os->open(os->arg, lock_path, O_RDWR, 0), rc;

    if (fd < 0)
        return 0;
    rc = os->lock(os->arg, fd);
    os->close(os->arg, fd);                      /* a job that comes just now tries more than once */
    if (rc != -EWOULDBLOCK)
        return 0;
    int64_t pid = sq_store_holder(ctx, lock_path);
    return pid > 0 ? pid : -1;
}

static sq_rc look(struct sq_store *s, struct sq_arena *a, struct sq_store_info *out)
{
    SQ_TRY(sq_store_index_look(s, a));
    SQ_TRY(sq_store_list(s, a, &out->entries, &out->n));
    out->job = sq_str_dup(a, sq_str_of(s->job));
    out->name = sq_str_dup(a, sq_str_of(s->name));
    return out->job.p && out->name.p ? SQ_OK : SQ_NOMEM;
}

bool sq_store_is_dir(struct sq_ctx *ctx, const char *dir)
{
    char path[SQ_STORE_PATH];
    struct stat st;

    if (snprintf(path, sizeof path, "%s/index.db", dir) >= (int)sizeof path)
        return false;
    return ctx->os->stat(ctx->os->arg, path, &st) == 0 && S_ISREG(st.st_mode);
}

sq_rc sq_store_look(struct sq_ctx *ctx, const char *dir, struct sq_arena *a, struct sq_store_info *out)
{
    struct sq_store *s = sq_calloc(ctx, sizeof *s);
    sq_rc rc;

    *out = (struct sq_store_info){0};
    if (!s)
        return SQ_NOMEM;
    s->ctx = ctx;
    s->lock = -1;
    rc = sq_store_path(ctx, s->dir, "%s", dir);
    if (rc == SQ_OK)
        rc = sq_store_path(ctx, s->lock_path, "%s/lock", dir);
    if (rc == SQ_OK)
        rc = sq_store_path(ctx, s->index_path, "%s/index.db", dir);
    if (rc == SQ_OK)
        rc = look(s, a, out);
    if (rc == SQ_OK)
        out->holder = holder(ctx, s->lock_path);
    sq_store_close(s);
    return rc;
}
