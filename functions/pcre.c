/* SPDX-License-Identifier: Apache-2.0
 *
 * pcre.c: PCRE2 behind a few calls. Its memory comes from the job's budget; matching has limits on steps, depth and memory, so no pattern can hang a job or eat its memory. Patterns
 * are compiled to machine code where the library can.
 */
#include "functions/pcre.h"

#ifdef SQ_HAVE_PCRE2
#include <dlfcn.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    STEPS_MAX = 10000000, DEPTH_MAX = 100000, HEAP_MAX_KB = 64 * 1024,
    STACK_MIN = 32 * 1024, STACK_MAX = 1024 * 1024,
    NESTING_MAX = 250
};

#define CALLS(X)                                                                                                                                              \
    X(compile) X(code_free) X(jit_compile) X(match_data_create_from_pattern) X(match_data_free) X(match) X(get_ovector_pointer) X(get_error_message)             \
    X(general_context_create) X(general_context_free) X(compile_context_create) X(compile_context_free) X(set_newline) X(set_bsr) X(set_parens_nest_limit)       \
    X(match_context_create) X(match_context_free) X(set_match_limit) X(set_depth_limit) X(set_heap_limit) X(jit_stack_create) X(jit_stack_free)                  \
    X(jit_stack_assign) X(pattern_info)

#define FULL2(f) pcre2_##f##_8
#define FULL(f) FULL2(f)

struct sq_pcre {
    struct sq_ctx *ctx;
    void *library;
#define SLOT(f) __typeof__(FULL(f)) *f;
    CALLS(SLOT)
#undef SLOT
    pcre2_general_context *general;
    pcre2_compile_context *compiling;
    pcre2_match_context *matching;
    pcre2_jit_stack *stack;
};

struct sq_pcre_code {
    pcre2_code *code;
    pcre2_match_data *data;
    uint32_t groups;
};

static void *take(size_t n, void *ctx) { return sq_alloc(ctx, n); }
static void give(void *p, void *ctx) { sq_free(ctx, p); }

static sq_rc find_calls(struct sq_ctx *ctx, struct sq_pcre *p)
{
    static const char *const names[] = {
#define NAME(f) "pcre2_" #f "_8",
        CALLS(NAME)
#undef NAME
    };
    void **slots[] = {
#define PLACE(f) (void **)(void *)&p->f,
        CALLS(PLACE)
#undef PLACE
    };
    for (size_t i = 0; i < SQ_LEN(names); i++) {
        *slots[i] = dlsym(p->library, names[i]);
        if (!*slots[i])
            return sq_fail(ctx, SQ_EXTERNAL, "the library libpcre2-8.so.0 has no function %s", names[i]);
    }
    return SQ_OK;
}

static sq_rc make_contexts(struct sq_pcre *p)
{
    if (!(p->general = p->general_context_create(take, give, p->ctx)) || !(p->compiling = p->compile_context_create(p->general)) ||
        !(p->matching = p->match_context_create(p->general)))
        return p->ctx->err.rc ? p->ctx->err.rc : sq_fail(p->ctx, SQ_NOMEM, "out of memory");
    p->set_newline(p->compiling, PCRE2_NEWLINE_ANYCRLF);
    p->set_bsr(p->compiling, PCRE2_BSR_UNICODE);
    p->set_parens_nest_limit(p->compiling, NESTING_MAX);
    p->set_match_limit(p->matching, STEPS_MAX);
    p->set_depth_limit(p->matching, DEPTH_MAX);
    p->set_heap_limit(p->matching, HEAP_MAX_KB);
    p->stack = p->jit_stack_create(STACK_MIN, STACK_MAX, p->general);        /* NULL: no machine code on this machine */
    if (p->stack)
        p->jit_stack_assign(p->matching, NULL, p->stack);
    return p->ctx->err.rc;
}

sq_rc sq_pcre_open(struct sq_ctx *ctx, struct sq_pcre **out)
{
    struct sq_pcre *p = sq_calloc(ctx, sizeof *p);
    sq_rc rc;

    *out = NULL;
    if (!p)
        return ctx->err.rc;
    p->ctx = ctx;
    p->library = dlopen("libpcre2-8.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!p->library) {
        sq_free(ctx, p);
        sq_fail(ctx, SQ_EXTERNAL, "regular expressions need the library libpcre2-8.so.0, which is not installed");
        return sq_hint(ctx, "on Debian: apt-get install libpcre2-8-0");
    }
    ctx->err.rc = SQ_OK;
    rc = find_calls(ctx, p);
    if (rc == SQ_OK)
        rc = make_contexts(p);
    if (rc != SQ_OK) {
        sq_pcre_close(p);
        return rc;
    }
    *out = p;
    return SQ_OK;
}

void sq_pcre_close(struct sq_pcre *p)
{
    if (!p)
        return;
    if (p->stack)
        p->jit_stack_free(p->stack);
    if (p->matching)
        p->match_context_free(p->matching);
    if (p->compiling)
        p->compile_context_free(p->compiling);
    if (p->general)
        p->general_context_free(p->general);
    dlclose(p->library);
    sq_free(p->ctx, p);
}

/* The grammar was checked before (regex_java.c), so nearly every error tells of what PCRE2 has not, such as lookbehind of no fixed length. */
static bool is_wrong(int e)
{
    return e == PCRE2_ERROR_BAD_SUBPATTERN_REFERENCE || e == PCRE2_ERROR_DUPLICATE_SUBPATTERN_NAME;
}

sq_rc sq_pcre_compile(struct sq_pcre *p, struct sq_str s, struct sq_pcre_code **out, bool *unsupported, char *why)
{
    struct sq_pcre_code *c = sq_calloc(p->ctx, sizeof *c);
    PCRE2_SIZE at;
    int e;

    *out = NULL;
    *unsupported = false;
    if (!c)
        return p->ctx->err.rc;
    p->ctx->err.rc = SQ_OK;
    c->code = p->compile((PCRE2_SPTR)s.p, s.n, PCRE2_UTF | PCRE2_NO_UTF_CHECK, &e, &at, p->compiling);
    if (!c->code) {
        sq_free(p->ctx, c);
        if (p->ctx->err.rc)
            return p->ctx->err.rc;
        *unsupported = !is_wrong(e);
        p->get_error_message(e, (PCRE2_UCHAR *)why, 160);
        return SQ_OK;
    }
    c->data = p->match_data_create_from_pattern(c->code, p->general);
    if (!c->data) {
        sq_pcre_free(p, c);
        return p->ctx->err.rc;
    }
    p->pattern_info(c->code, PCRE2_INFO_CAPTURECOUNT, &c->groups);
    if (p->stack)
        p->jit_compile(c->code, PCRE2_JIT_COMPLETE);                         /* where it fails the interpreter does it */
    *out = c;
    return SQ_OK;
}

void sq_pcre_free(struct sq_pcre *p, struct sq_pcre_code *c)
{
    if (!c)
        return;
    if (c->data)
        p->match_data_free(c->data);
    p->code_free(c->code);
    sq_free(p->ctx, c);
}

uint32_t sq_pcre_groups(const struct sq_pcre_code *c)
{
    return c->groups;
}

sq_rc sq_pcre_match(struct sq_pcre *p, struct sq_pcre_code *c, struct sq_str s, uint32_t at, bool whole, bool *found, const size_t **span)
{
    int n = p->match(c->code, (PCRE2_SPTR)s.p, s.n, at, PCRE2_NO_UTF_CHECK | (whole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0), c->data, p->matching);

    *found = n >= 0;
    *span = p->get_ovector_pointer(c->data);
    if (n >= 0 || n == PCRE2_ERROR_NOMATCH)
        return SQ_OK;
    if (n == PCRE2_ERROR_NOMEMORY)
        return p->ctx->err.rc ? p->ctx->err.rc : sq_fail(p->ctx, SQ_NOMEM, "out of memory");
    if (n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_DEPTHLIMIT || n == PCRE2_ERROR_HEAPLIMIT || n == PCRE2_ERROR_JIT_STACKLIMIT) {
        sq_fail(p->ctx, SQ_LIMIT, "a regular expression takes too many steps on a text of %u bytes", s.n);
        return sq_hint(p->ctx, "let it repeat less within what it repeats: (a+)+ tries all ways to cut a text");
    }
    return sq_fail(p->ctx, SQ_INTERNAL, "PCRE2 failed with error %d", n);
}

#else
sq_rc sq_pcre_open(struct sq_ctx *ctx, struct sq_pcre **out)
{
    *out = NULL;
    sq_fail(ctx, SQ_UNSUPPORTED, "regular expressions need PCRE2, which this sqluice is built without");
    return sq_hint(ctx, "on Debian: apt-get install libpcre2-dev, then build again");
}

void sq_pcre_close(struct sq_pcre *p)
{
    (void)p;
}

sq_rc sq_pcre_compile(struct sq_pcre *p, struct sq_str pattern, struct sq_pcre_code **out, bool *unsupported, char *why)
{
    (void)p, (void)pattern, (void)why;
    *out = NULL;
    *unsupported = true;
    return SQ_UNSUPPORTED;
}

void sq_pcre_free(struct sq_pcre *p, struct sq_pcre_code *c)
{
    (void)p, (void)c;
}

uint32_t sq_pcre_groups(const struct sq_pcre_code *c)
{
    (void)c;
    return 0;
}

sq_rc sq_pcre_match(struct sq_pcre *p, struct sq_pcre_code *c, struct sq_str s, uint32_t at, bool whole, bool *found, const size_t **span)
{
    (void)p, (void)c, (void)s, (void)at, (void)whole, (void)found, (void)span;
    return SQ_UNSUPPORTED;
}
#endif
