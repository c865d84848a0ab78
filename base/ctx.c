/* SPDX-License-Identifier: Apache-2.0
 *
 * ctx.c: errors, the memory budget, arenas.
 *
 * Every block carries its size in front of it, so that freeing gives the budget back what was taken without being told.
 */
#include "base/ctx.h"
#include "base/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_message(struct sq_ctx *ctx, sq_rc rc, struct sq_span span, const char *fmt, va_list ap)
{
    SQ_ASSERT(rc != SQ_OK);
    char text[SQ_MSG_MAX];   /* an argument may be the old message */
    vsnprintf(text, sizeof text, fmt, ap);
    memcpy(ctx->err.msg, text, sizeof text);
    ctx->err.rc = rc;
    ctx->err.span = span;
    ctx->err.hint[0] = 0;
    ctx->err.lasting = false;
}

sq_rc sq_fail(struct sq_ctx *ctx, sq_rc rc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_message(ctx, rc, (struct sq_span){0, 0}, fmt, ap);
    va_end(ap);
    return rc;
}

sq_rc sq_fail_at(struct sq_ctx *ctx, sq_rc rc, struct sq_span span, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_message(ctx, rc, span, fmt, ap);
    va_end(ap);
    return rc;
}

sq_rc sq_hint(struct sq_ctx *ctx, const char *fmt, ...)
{
    char text[SQ_HINT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(ctx->err.hint, text, sizeof text);
    return ctx->err.rc;
}

sq_rc sq_lasting(struct sq_ctx *ctx)
{
    ctx->err.lasting = true;
    return ctx->err.rc;
}

sq_rc sq_wrap(struct sq_ctx *ctx, const char *fmt, ...)
{
    char text[SQ_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n + 3 < sizeof text) {
        text[n] = ':';
        text[n + 1] = ' ';
        size_t room = sizeof text - (size_t)n - 3, have = strlen(ctx->err.msg);
        if (have > room)
            have = room;
        memcpy(text + n + 2, ctx->err.msg, have);
        text[(size_t)n + 2 + have] = 0;
    }
    memcpy(ctx->err.msg, text, sizeof text);
    return ctx->err.rc;
}

sq_rc sq_nomem(struct sq_ctx *ctx, size_t bytes)
{
    int64_t limit = ctx->budget ? ctx->budget->limit : 0;
    if (limit > 0)
        return sq_fail(ctx, SQ_NOMEM, "out of memory: %zu bytes more do not fit the memory limit of %lld bytes", bytes, (long long)limit);
    return sq_fail(ctx, SQ_NOMEM, "out of memory: the system gave no %zu bytes", bytes);
}

void sq_notice(struct sq_ctx *ctx, const char *fmt, ...)
{
    char text[SQ_MSG_MAX * 4];
    if (!ctx->notice)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ctx->notice(ctx->notice_arg, text);
}

sq_rc sq_check_interrupt(struct sq_ctx *ctx)
{
    if (ctx->interrupt && atomic_load_explicit(ctx->interrupt, memory_order_relaxed))
        return sq_fail(ctx, SQ_INTERRUPT, "interrupted");
    return SQ_OK;
}

/* ---- memory ---- */

struct block_head {
    size_t bytes;
    size_t pad;   /* keeps what follows aligned to 16 */
};

/* Takes `more` (may be negative) from the budget; false when it is used up or a test wants this call to fail. */
static bool charge(struct sq_ctx *ctx, int64_t more)
{
    struct sq_budget *b = ctx->budget;
    if (more > 0 && SQ_FAULT_FAILS(ctx, SQ_FAIL_ALLOC))
        return false;
    if (!b)
        return true;
    if (more > 0 && atomic_load_explicit(&b->fail_at, memory_order_relaxed) > 0 && atomic_fetch_sub(&b->fail_at, 1) == 1)
        return false;
    int64_t used = atomic_fetch_add_explicit(&b->used, more, memory_order_relaxed) + more;
    if (more > 0 && b->limit > 0 && used > b->limit) {
        atomic_fetch_sub_explicit(&b->used, more, memory_order_relaxed);
        return false;
    }
    int64_t peak = atomic_load_explicit(&b->peak, memory_order_relaxed);
    while (used > peak && !atomic_compare_exchange_weak_explicit(&b->peak, &peak, used, memory_order_relaxed, memory_order_relaxed))
        ;
    return true;
}

static void *take(struct sq_ctx *ctx, size_t n, bool zero)
{
    if (n > (size_t)1 << 46 || !charge(ctx, (int64_t)n)) {
        sq_nomem(ctx, n);
        return NULL;
    }
    struct block_head *h = zero ? calloc(1, sizeof *h + n) : malloc(sizeof *h + n);
    if (!h) {
        charge(ctx, -(int64_t)n);
        sq_nomem(ctx, n);
        return NULL;
    }
    h->bytes = n;
    return h + 1;
}

void *sq_alloc(struct sq_ctx *ctx, size_t n)
{
    return take(ctx, n, false);
}

void *sq_calloc(struct sq_ctx *ctx, size_t n)
{
    return take(ctx, n, true);
}

void *sq_realloc(struct sq_ctx *ctx, void *p, size_t n)
{
    if (!p)
        return sq_alloc(ctx, n);
    struct block_head *h = (struct block_head *)p - 1;
    int64_t more = (int64_t)n - (int64_t)h->bytes;
    if (n > (size_t)1 << 46 || !charge(ctx, more)) {
        sq_nomem(ctx, n);
        return NULL;
    }
    struct block_head *grown = realloc(h, sizeof *h + n);
    if (!grown) {
        charge(ctx, -more);
        sq_nomem(ctx, n);
        return NULL;
    }
    grown->bytes = n;
    return grown + 1;
}

void sq_free(struct sq_ctx *ctx, void *p)
{
    if (!p)
        return;
    struct block_head *h = (struct block_head *)p - 1;
    charge(ctx, -(int64_t)h->bytes);
    free(h);
}

sq_rc sq_grow(struct sq_ctx *ctx, void *array_ptr, size_t *cap, size_t need, size_t elem)
{
    if (need <= *cap)
        return SQ_OK;
    size_t want = *cap ? *cap * 2 : 8;
    while (want < need)
        want *= 2;
    void *old;
    memcpy(&old, array_ptr, sizeof old);
    void *grown = sq_realloc(ctx, old, want * elem);
    if (!grown)
        return SQ_NOMEM;
    memcpy(array_ptr, &grown, sizeof grown);
    *cap = want;
    return SQ_OK;
}

/* ---- arenas ---- */

struct sq_arena_block {
    struct sq_arena_block *next;
    size_t size;   /* bytes behind the head */
};

enum { ARENA_FIRST = 4096, ARENA_MOST = 1 << 20, ARENA_KEEP = 4 << 20, ARENA_ALIGN = 64 };

void sq_arena_init(struct sq_arena *a, struct sq_ctx *ctx)
{
    *a = (struct sq_arena){.ctx = ctx};
}

void sq_arena_free(struct sq_arena *a)
{
    for (struct sq_arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        sq_free(a->ctx, b);
    }
    sq_arena_init(a, a->ctx);
}

static void use_block(struct sq_arena *a, struct sq_arena_block *b)
{
    a->at = (char *)(b + 1);
    a->end = a->at + b->size;
}

void sq_arena_reset(struct sq_arena *a)
{
    struct sq_arena_block *keep = NULL;
    for (struct sq_arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        if (b->size <= ARENA_KEEP && (!keep || b->size > keep->size)) {
            sq_free(a->ctx, keep);
            keep = b;
        } else {
            sq_free(a->ctx, b);
        }
    }
    sq_arena_init(a, a->ctx);
    if (keep) {
        keep->next = NULL;
        a->blocks = keep;
        use_block(a, keep);
    }
}

void *sq_arena_slow(struct sq_arena *a, size_t n, size_t align)
{
    SQ_ASSERT(align && !(align & (align - 1)) && align <= ARENA_ALIGN);
    size_t size = a->blocks ? a->blocks->size * 2 : ARENA_FIRST;
    if (size > ARENA_MOST)
        size = ARENA_MOST;
    if (n > SIZE_MAX / 4) {
        sq_nomem(a->ctx, n);
        return NULL;
    }
    if (size < n + ARENA_ALIGN)
        size = n + ARENA_ALIGN;
    struct sq_arena_block *b = sq_alloc(a->ctx, sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    b->next = a->blocks;
    a->blocks = b;
    use_block(a, b);
    return sq_arena_get(a, n, align);
}

void *sq_arena_zero(struct sq_arena *a, size_t n)
{
    void *p = sq_arena_get(a, n, 16);
    return p ? memset(p, 0, n) : NULL;
}
