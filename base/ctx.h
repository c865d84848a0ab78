/* SPDX-License-Identifier: Apache-2.0
 *
 * ctx.h: what every fallible function of the library is given: where to put an error, where memory comes from, and
 * the injectable outside world.
 *
 * One idiom for errors: a function that can fail returns an sq_rc; the detail is written once, where it arises, into
 * ctx->err by sq_fail(); callers pass it up with SQ_TRY. Only shell/ prints, nothing exits.
 *
 * Threads: a context belongs to one thread at a time (each worker has its own); the budget behind it is shared and atomic.
 */
#ifndef SQ_BASE_CTX_H
#define SQ_BASE_CTX_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sq_rc {
    SQ_OK = 0,
    SQ_SYNTAX,      /* the text is not a statement */
    SQ_SEMANTIC,    /* a name, a type, an option, a plan that cannot be */
    SQ_UNSUPPORTED, /* understood, and not there yet */
    SQ_DATA,        /* a record, a cast, a value that does not fit */
    SQ_IO,          /* a file or directory */
    SQ_EXTERNAL,    /* a database, a broker */
    SQ_NOMEM,       /* the memory budget or the system's memory is used up */
    SQ_LIMIT,       /* a limit of this engine: nesting, statement size, record size */
    SQ_INTERRUPT,   /* somebody asked to stop */
    SQ_MISUSE,      /* the API was called in the wrong order */
    SQ_INTERNAL     /* a bug in the engine */
} sq_rc;

#define SQ_TRY(call)                 \
    do {                             \
        sq_rc sq_try_rc_ = (call);   \
        if (sq_try_rc_ != SQ_OK)     \
            return sq_try_rc_;       \
    } while (0)

/* For functions with something to undo: sets the local `rc` and goes to `out`. */
#define SQ_TRY_OUT(call)             \
    do {                             \
        rc = (call);                 \
        if (rc != SQ_OK)             \
            goto out;                \
    } while (0)

#ifdef NDEBUG
#define SQ_ASSERT(c) ((void)0)
#else
#include <assert.h>
#define SQ_ASSERT(c) assert(c)
#endif

#define SQ_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define SQ_LIKELY(x) __builtin_expect(!!(x), 1)
#define SQ_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define SQ_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* A place in a statement's text: `at` bytes from its beginning, `len` bytes long. len 0: no place. */
struct sq_span {
    uint32_t at, len;
};

/* ---- errors ---- */

enum { SQ_MSG_MAX = 1024, SQ_HINT_MAX = 768 };

struct sq_error {
    sq_rc rc;
    bool lasting;             /* trying again does not help */
    struct sq_span span;      /* in the text of the statement being prepared; len 0: none */
    char msg[SQ_MSG_MAX];     /* one sentence without a full stop; cut off, never overrun; holds no secrets */
    char hint[SQ_HINT_MAX];   /* what to do: "did you mean 'price'?"; "" for none */
};

/* ---- memory ---- */

struct sq_budget {            /* shared by all contexts of an engine */
    _Atomic int64_t used, peak;
    int64_t limit;            /* bytes; 0: none */
    _Atomic int64_t fail_at;  /* tests: the n-th allocation from now fails, counted down; 0: off */
};

struct sq_os;                 /* os.h */

struct sq_ctx {
    struct sq_error err;
    struct sq_budget *budget;
    const struct sq_os *os;
    void (*notice)(void *arg, const char *text);   /* NULL: dropped. One line without a newline */
    void *notice_arg;
    void (*print)(void *arg, bool to_stderr, const char *text, size_t n);   /* where the print connector writes; NULL: it refuses */
    void *print_arg;
    _Atomic int *interrupt;   /* nonzero: stop soon; NULL: never */
};

/* Sets the context's error and returns rc. A later call replaces an earlier error. rc is not SQ_OK. */
sq_rc sq_fail(struct sq_ctx *, sq_rc, const char *fmt, ...) SQ_PRINTF(3, 4);
sq_rc sq_fail_at(struct sq_ctx *, sq_rc, struct sq_span, const char *fmt, ...) SQ_PRINTF(4, 5);
/* Adds the hint to the error that was just set. Returns the error's rc, so `return sq_hint(...)` works after sq_fail. */
sq_rc sq_hint(struct sq_ctx *, const char *fmt, ...) SQ_PRINTF(2, 3);
/* Says of the error that was just set that trying again does not help: what is missing outside will not come, or somebody else has it. Only of
 * SQ_EXTERNAL, which a job with checkpoints otherwise gets over by itself. Returns the error's rc. */
sq_rc sq_lasting(struct sq_ctx *);
/* Puts `fmt...: ` before the message of the error that is set (file:line, topic and offset). Returns its rc. */
sq_rc sq_wrap(struct sq_ctx *, const char *fmt, ...) SQ_PRINTF(2, 3);
sq_rc sq_nomem(struct sq_ctx *, size_t bytes);
void sq_notice(struct sq_ctx *, const char *fmt, ...) SQ_PRINTF(2, 3);
/* SQ_INTERRUPT with an error set when the context was asked to stop, else SQ_OK. Cheap: called once per batch. */
sq_rc sq_check_interrupt(struct sq_ctx *);

/* Charged to the budget. Sizes are remembered in front of the block. NULL with the context's error set (SQ_NOMEM)
 * when out of memory or budget. Alignment is 16. sq_free takes NULL. */
void *sq_alloc(struct sq_ctx *, size_t);
void *sq_calloc(struct sq_ctx *, size_t);
void *sq_realloc(struct sq_ctx *, void *, size_t);   /* on failure the old block stays */
void sq_free(struct sq_ctx *, void *);
/* Grows an array to hold at least `need` elements (doubling). *cap counts elements. */
sq_rc sq_grow(struct sq_ctx *, void *array_ptr, size_t *cap, size_t need, size_t elem);

/* ---- arenas: many small things that die together ---- */

struct sq_arena_block;
struct sq_arena {
    struct sq_ctx *ctx;
    struct sq_arena_block *blocks;   /* newest first */
    char *at, *end;
    size_t bytes;                    /* handed out since the last reset */
};

void sq_arena_init(struct sq_arena *, struct sq_ctx *);
void sq_arena_free(struct sq_arena *);            /* back to just initialized; everything handed out is gone */
void sq_arena_reset(struct sq_arena *);           /* forgets all, keeps one block for reuse: no malloc in steady state */
void *sq_arena_slow(struct sq_arena *, size_t, size_t align);
/* Uninitialized memory; NULL with the error set. align is a power of two <= 64. */
static inline void *sq_arena_get(struct sq_arena *a, size_t n, size_t align)
{
    uintptr_t p = ((uintptr_t)a->at + align - 1) & ~(uintptr_t)(align - 1);
    if (SQ_LIKELY(a->at && p + n <= (uintptr_t)a->end && p + n >= p)) {
        a->at = (char *)(p + n);
        a->bytes += n;
        return (char *)p;
    }
    return sq_arena_slow(a, n, align);
}
void *sq_arena_zero(struct sq_arena *, size_t n);            /* aligned to 16, zeroed */
#define SQ_NEW(arena, type) ((type *)sq_arena_zero((arena), sizeof(type)))
#define SQ_NEW_ARRAY(arena, type, n) ((type *)sq_arena_zero((arena), sizeof(type) * (size_t)(n)))

#endif
