/* SPDX-License-Identifier: Apache-2.0
 *
 * str.c: slices, growing buffers, and the near-miss search.
 */
#include "base/str.h"

#include <stdio.h>

struct sq_str sq_str_of(const char *s)
{
    return (struct sq_str){s, s ? (uint32_t)strlen(s) : 0};
}

bool sq_str_is(struct sq_str a, const char *b)
{
    return sq_str_eq(a, sq_str_of(b));
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool sq_str_ieq(struct sq_str a, struct sq_str b)
{
    if (a.n != b.n)
        return false;
    for (uint32_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool sq_str_iis(struct sq_str a, const char *b)
{
    return sq_str_ieq(a, sq_str_of(b));
}

int sq_str_cmp(struct sq_str a, struct sq_str b)
{
    uint32_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct sq_str sq_str_trim(struct sq_str s)
{
    while (s.n && blank(s.p[0]))
        s.p++, s.n--;
    while (s.n && blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct sq_str sq_str_dup(struct sq_arena *a, struct sq_str s)
{
    char *p = sq_arena_get(a, (size_t)s.n + 1, 1);
    if (!p)
        return (struct sq_str){NULL, 0};
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return (struct sq_str){p, s.n};
}

char *sq_str_copy(struct sq_ctx *ctx, struct sq_str s)
{
    char *p = sq_alloc(ctx, (size_t)s.n + 1);
    if (!p)
        return NULL;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return p;
}

char *sq_arena_printf(struct sq_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : sq_arena_get(a, (size_t)n + 1, 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

/* Optimal string alignment distance, cut off above `most`. Words longer than 64 bytes are not near to anything. */
static uint32_t distance(struct sq_str a, struct sq_str b, uint32_t most)
{
    enum { MAX = 64 };
    uint32_t d[3][MAX + 1];
    if (a.n > MAX || b.n > MAX || (a.n > b.n ? a.n - b.n : b.n - a.n) > most)
        return most + 1;
    for (uint32_t j = 0; j <= b.n; j++)
        d[0][j] = j;
    for (uint32_t i = 1; i <= a.n; i++) {
        uint32_t *row = d[i % 3], *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];
        row[0] = i;
        for (uint32_t j = 1; j <= b.n; j++) {
            bool same = lower(a.p[i - 1]) == lower(b.p[j - 1]);
            uint32_t v = up[j - 1] + !same;
            if (up[j] + 1 < v)
                v = up[j] + 1;
            if (row[j - 1] + 1 < v)
                v = row[j - 1] + 1;
            if (i > 1 && j > 1 && lower(a.p[i - 1]) == lower(b.p[j - 2]) && lower(a.p[i - 2]) == lower(b.p[j - 1]) && up2[j - 2] + 1 < v)
                v = up2[j - 2] + 1;
            row[j] = v;
        }
    }
    return d[a.n % 3][b.n];
}

struct sq_str sq_nearest(struct sq_str word, const struct sq_str *candidates, size_t n)
{
    struct sq_str best = {NULL, 0};
    uint32_t most = word.n / 3 > 1 ? word.n / 3 : 1;
    for (size_t i = 0; i < n; i++) {
        if (!candidates[i].n)
            continue;
        uint32_t d = distance(word, candidates[i], most);
        if (d <= most && d < candidates[i].n) {
            best = candidates[i];
            if (d == 0)
                break;
            most = d - 1;
        }
    }
    return best;
}

/* ---- buffers ---- */

void sq_buf_init(struct sq_buf *b, struct sq_ctx *ctx)
{
    *b = (struct sq_buf){.ctx = ctx};
}

void sq_buf_free(struct sq_buf *b)
{
    sq_free(b->ctx, b->p);
    sq_buf_init(b, b->ctx);
}

sq_rc sq_buf_reserve(struct sq_buf *b, size_t more)
{
    if (b->rc == SQ_OK && b->n + more + 1 > b->cap)
        b->rc = sq_grow(b->ctx, &b->p, &b->cap, b->n + more + 1 < 64 ? 64 : b->n + more + 1, 1);
    return b->rc;
}

sq_rc sq_buf_add_slow(struct sq_buf *b, const void *p, size_t n)
{
    SQ_TRY(sq_buf_reserve(b, n));
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = 0;
    return SQ_OK;
}

sq_rc sq_buf_puts(struct sq_buf *b, const char *s)
{
    return sq_buf_add(b, s, strlen(s));
}

sq_rc sq_buf_printf(struct sq_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0 && sq_buf_reserve(b, (size_t)n) == SQ_OK) {
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
    return b->rc;
}

