/* SPDX-License-Identifier: Apache-2.0
 *
 * slab.c: size classes of four steps per doubling from 16 bytes to SQ_SLAB_MAX; larger pieces are blocks of their own. Chunks grow with the
 * slab (1 KB to 64 KB), so an operator with a handful of keys stays small.
 */
#include "executor/state/slab.h"

#include <string.h>

enum { CHUNK_MIN = 1024, CHUNK_MAX = 65536 };

struct chunk {
    struct chunk *next;
    size_t size;
};

struct sq_slab_big {
    struct sq_slab_big *prev, *next;
    size_t size, pad;
};

void sq_slab_init(struct sq_slab *s, struct sq_ctx *ctx)
{
    memset(s, 0, sizeof *s);
    s->ctx = ctx;
}

void sq_slab_free(struct sq_slab *s)
{
    struct chunk *c = s->chunks;

    while (c) {
        struct chunk *next = c->next;
        sq_free(s->ctx, c);
        c = next;
    }
    while (s->big) {
        struct sq_slab_big *next = s->big->next;
        sq_free(s->ctx, s->big);
        s->big = next;
    }
    sq_slab_init(s, s->ctx);
}

/* Class and its size: 16, 32, 48, 64, then 80, 96, 112, 128, 160, 192, … */
static unsigned class_of(size_t n, size_t *size)
{
    size_t units = (n + 15) / 16;

    if (units <= 4) {
        units = units ? units : 1;
        *size = units * 16;
        return (unsigned)units - 1;
    }
    unsigned top = 63u - (unsigned)__builtin_clzll(units - 1);      /* 2^top <= units - 1 < 2^(top + 1), top >= 2 */
    size_t step = (size_t)1 << (top - 2);
    size_t k = (units - ((size_t)1 << top) + step - 1) / step;      /* 1..4 */
    *size = (((size_t)1 << top) + k * step) * 16;
    return 4 + (top - 2) * 4 + (unsigned)k - 1;
}

static sq_rc new_chunk(struct sq_slab *s, size_t need)
{
    size_t size = s->bytes < CHUNK_MIN ? CHUNK_MIN : s->bytes > CHUNK_MAX ? CHUNK_MAX : s->bytes;
    struct chunk *c;

    while (size < need + sizeof *c)
        size *= 2;
    c = sq_alloc(s->ctx, size);
    if (!c)
        return SQ_NOMEM;
    c->next = s->chunks;
    c->size = size;
    s->chunks = c;
    s->bytes += size;
    s->at = (char *)(c + 1);
    s->end = (char *)c + size;
    return SQ_OK;
}

static void *get_big(struct sq_slab *s, size_t n)
{
    struct sq_slab_big *b = sq_alloc(s->ctx, sizeof *b + n);

    if (!b)
        return NULL;
    b->size = sizeof *b + n;
    b->prev = NULL;
    b->next = s->big;
    if (s->big)
        s->big->prev = b;
    s->big = b;
    s->bytes += b->size;
    return b + 1;
}

static void put_big(struct sq_slab *s, void *p)
{
    struct sq_slab_big *b = (struct sq_slab_big *)p - 1;

    if (b->prev)
        b->prev->next = b->next;
    else
        s->big = b->next;
    if (b->next)
        b->next->prev = b->prev;
    s->bytes -= b->size;
    sq_free(s->ctx, b);
}

void *sq_slab_get(struct sq_slab *s, size_t n)
{
    size_t size;
    unsigned c;
    void *p;

    if (n > SQ_SLAB_MAX)
        return get_big(s, n);
    c = class_of(n, &size);
    SQ_ASSERT(c < SQ_SLAB_CLASSES && size >= n);
    if (s->free[c]) {
        p = s->free[c];
        memcpy(&s->free[c], p, sizeof(void *));
        return p;
    }
    if ((size_t)(s->end - s->at) < size && new_chunk(s, size) != SQ_OK)
        return NULL;
    p = s->at;
    s->at += size;
    return p;
}

void sq_slab_put(struct sq_slab *s, void *p, size_t n)
{
    size_t size;
    unsigned c;

    if (!p)
        return;
    if (n > SQ_SLAB_MAX) {
        put_big(s, p);
        return;
    }
    c = class_of(n, &size);
    memcpy(p, &s->free[c], sizeof(void *));
    s->free[c] = p;
}
