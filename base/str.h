/* SPDX-License-Identifier: Apache-2.0
 *
 * str.h: text as slices and growing buffers, and the near-miss search behind every "did you mean".
 */
#ifndef SQ_BASE_STR_H
#define SQ_BASE_STR_H

#include "base/ctx.h"

#include <string.h>

/* A view of bytes that somebody else owns; not 0-terminated unless the owner says so. */
struct sq_str {
    const char *p;
    uint32_t n;
};

/* An option or setting as written: 'key' = 'value', with its places. */
struct sq_kv {                          /* 'key' = 'value' */
    struct sq_str key, value;
    struct sq_span key_span, value_span;
};

/* The kinds of join, in the text and in the plan. */
enum sq_join_kind { SQ_JOIN_INNER, SQ_JOIN_LEFT, SQ_JOIN_RIGHT, SQ_JOIN_FULL, SQ_JOIN_CROSS, SQ_JOIN_SEMI, SQ_JOIN_ANTI };

#define SQ_STR(lit) ((struct sq_str){("" lit), (uint32_t)sizeof(lit) - 1})
#define SQ_FMT(s) (int)(s).n, (s).p      /* for "%.*s" */

static inline bool sq_str_eq(struct sq_str a, struct sq_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
struct sq_str sq_str_of(const char *cstr);                    /* NULL gives the empty slice */
bool sq_str_is(struct sq_str, const char *cstr);              /* equal, case matters */
bool sq_str_ieq(struct sq_str, struct sq_str);                /* equal, ASCII case ignored */
bool sq_str_iis(struct sq_str, const char *cstr);
int sq_str_cmp(struct sq_str, struct sq_str);                 /* by unsigned bytes, like memcmp */
struct sq_str sq_str_trim(struct sq_str);                     /* without ASCII white space at both ends */
/* A copy in the arena, 0-terminated after its n bytes; p is NULL when out of memory. */
struct sq_str sq_str_dup(struct sq_arena *, struct sq_str);
/* A copy of its own, 0-terminated after its n bytes: to be freed with sq_free. NULL: out of memory. */
char *sq_str_copy(struct sq_ctx *, struct sq_str);
char *sq_arena_printf(struct sq_arena *, const char *fmt, ...) SQ_PRINTF(2, 3);   /* NULL: out of memory */

/* The candidate nearest to `word` (case folded; edits with transpositions; at most a third of its length, at least 1), or
 * an empty slice when none is near. Ties: the first. */
struct sq_str sq_nearest(struct sq_str word, const struct sq_str *candidates, size_t n);

/* A growing byte buffer. Zero-initialize with the ctx set, or sq_buf_init. After a failed append, `rc` stays set and
 * later appends do nothing, so a long print checks once, at its end. */
struct sq_buf {
    struct sq_ctx *ctx;
    char *p;             /* 0-terminated whenever it is not NULL */
    size_t n, cap;
    sq_rc rc;
};

void sq_buf_init(struct sq_buf *, struct sq_ctx *);
void sq_buf_free(struct sq_buf *);
static inline void sq_buf_reset(struct sq_buf *b) { b->n = 0; b->rc = SQ_OK; if (b->p) b->p[0] = 0; }
sq_rc sq_buf_reserve(struct sq_buf *, size_t more);           /* room for `more` bytes and a 0 behind n */
sq_rc sq_buf_add_slow(struct sq_buf *, const void *, size_t);
static inline sq_rc sq_buf_add(struct sq_buf *b, const void *p, size_t n)
{
    if (SQ_UNLIKELY(b->rc != SQ_OK || b->cap - b->n <= n || n == 0))
        return sq_buf_add_slow(b, p, n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = 0;
    return SQ_OK;
}
sq_rc sq_buf_puts(struct sq_buf *, const char *);
static inline sq_rc sq_buf_putc(struct sq_buf *b, char c) { return sq_buf_add(b, &c, 1); }
static inline sq_rc sq_buf_str(struct sq_buf *b, struct sq_str s) { return sq_buf_add(b, s.p, s.n); }
sq_rc sq_buf_printf(struct sq_buf *, const char *fmt, ...) SQ_PRINTF(2, 3);
static inline struct sq_str sq_buf_view(const struct sq_buf *b) { return (struct sq_str){b->p ? b->p : "", (uint32_t)b->n}; }
/* Little-endian scalars, for snapshots and positions. */
static inline sq_rc sq_buf_u32(struct sq_buf *b, uint32_t v) { return sq_buf_add(b, &v, sizeof v); }
static inline sq_rc sq_buf_u64(struct sq_buf *b, uint64_t v) { return sq_buf_add(b, &v, sizeof v); }

#endif
