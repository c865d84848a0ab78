/* SPDX-License-Identifier: Apache-2.0
 *
 * eval.h: for tests of functions: calls a function by name on values given as text, in every layout of vectors, and tells the result as text.
 *
 *   check("SUBSTR", "STRING:abc|INT:2", "STRING", "bc");
 *
 * Arguments are separated by '|', each a type, ':' and a text that is cast to the type ("INT:" followed by nothing is NULL: "INT"). The call
 * is made with constants, with flat vectors, with each argument constant beside flat ones, and through a selection between rows that hold rubbish;
 * all must agree. An expected result of "NULL" is a NULL, one that begins with '!' is an error whose text holds the rest.
 */
#ifndef SQ_TESTS_EVAL_H
#define SQ_TESTS_EVAL_H

#include "base/os.h"
#include "functions/function.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { EVAL_ROWS = 70, EVAL_ARGS = 8 };

static struct sq_budget eval_budget;
static struct sq_ctx eval_ctx = {.budget = &eval_budget, .os = &sq_os_posix};
static struct sq_session eval_session;
static uint64_t eval_overflows;
static bool eval_try;                    /* casts: TRY_CAST */

static const struct sq_type *eval_type(struct sq_arena *a, struct sq_str s)
{
    static const struct {
        const char *name;
        const struct sq_type *type;
    } plain[] = {
        {"BOOLEAN", &sq_type_boolean}, {"TINYINT", &sq_type_tinyint}, {"SMALLINT", &sq_type_smallint}, {"INT", &sq_type_int}, {"BIGINT", &sq_type_bigint},
        {"FLOAT", &sq_type_float}, {"DOUBLE", &sq_type_double}, {"STRING", &sq_type_string}, {"BYTES", &sq_type_bytes}, {"DATE", &sq_type_date},
        {"YM", &sq_type_interval_ym}, {"DS", &sq_type_interval_ds}, {"NULL", &sq_type_null}, {"SYMBOL", &sq_type_symbol},
    };
    static const struct {
        const char *name;
        enum sq_tid id;
    } with[] = {
        {"DECIMAL", SQ_T_DECIMAL}, {"CHAR", SQ_T_CHAR}, {"VARCHAR", SQ_T_VARCHAR}, {"BINARY", SQ_T_BINARY}, {"VARBINARY", SQ_T_VARBINARY}, {"TIME", SQ_T_TIME},
        {"TIMESTAMP", SQ_T_TIMESTAMP}, {"LTZ", SQ_T_TIMESTAMP_LTZ},
    };
    char name[16] = "";
    int p = 0, scale = 0;

    for (size_t i = 0; i < SQ_LEN(plain); i++)
        if (sq_str_is(s, plain[i].name))
            return plain[i].type;
    assert_true(s.n < 40);
    assert_true(sscanf(s.p, "%15[A-Z](%d,%d)", name, &p, &scale) >= 2);
    for (size_t i = 0; i < SQ_LEN(with); i++)
        if (strcmp(name, with[i].name) == 0)
            return sq_type_new(a, with[i].id, true, p, scale);
    fail_msg("no type %.*s", SQ_FMT(s));
    return NULL;
}

/* A flat vector of `n` rows with writable data and a bitmap of set bits. */
static struct sq_vec eval_flat(struct sq_arena *a, const struct sq_type *t, uint32_t n)
{
    size_t bytes = (size_t)sq_phys_size(sq_type_phys(t)) * n;
    struct sq_vec v = {.type = t, .enc = SQ_FLAT};

    v.data = sq_arena_get(a, bytes + 16, 16);
    memset(v.data, 0xAA, bytes);
    v.valid = sq_arena_get(a, (n + 63) / 64 * 8, 16);
    memset(v.valid, 0xFF, (n + 63) / 64 * 8);
    return v;
}

/* Casts a constant; returns the error's code. */
static sq_rc eval_cast(struct sq_arena *a, const struct sq_vec *of, const struct sq_type *to, struct sq_vec *out)
{
    struct sq_vec copy = *of, *from = &copy;         /* `out` may be the same vector */
    sq_kernel *k;
    struct sq_call call = {.ctx = &eval_ctx, .session = &eval_session, .ret = to, .heap = a, .state = eval_try ? &eval_try : NULL, .overflows = &eval_overflows};

    *out = eval_flat(a, to, 1);
    out->enc = SQ_CONST;
    if (sq_vec_null(from, 0)) {
        out->valid[0] = 0;
        return SQ_OK;
    }
    if (sq_type_equal(from->type, to, false)) {
        *out = *from;
        out->type = to;
        return SQ_OK;
    }
    k = sq_cast_kernel(from->type, to);
    if (!k)
        return sq_fail(&eval_ctx, SQ_SEMANTIC, "no cast");
    out->enc = SQ_FLAT;
    SQ_TRY(k(&call, from, 1, (struct sq_rows){NULL, 1}, out));
    out->enc = SQ_CONST;
    return SQ_OK;
}

static struct sq_vec eval_const(struct sq_arena *a, struct sq_str spec)
{
    const char *colon = memchr(spec.p, ':', spec.n);
    struct sq_str type = {spec.p, colon ? (uint32_t)(colon - spec.p) : spec.n}, text = {colon ? colon + 1 : "", colon ? spec.n - type.n - 1 : 0};
    const struct sq_type *t = eval_type(a, type);
    struct sq_vec *s, v;

    text = sq_str_dup(a, text);
    if (!colon) {
        v = eval_flat(a, t, 1);
        v.valid[0] = 0;
        v.enc = SQ_CONST;
        return v;
    }
    v = eval_flat(a, t, 1);
    v.enc = SQ_CONST;
    if (t->id == SQ_T_INTERVAL_YM)
        *(int32_t *)v.data = (int32_t)strtol(text.p, NULL, 10);
    else if (t->id == SQ_T_INTERVAL_DS)
        *(int64_t *)v.data = strtoll(text.p, NULL, 10);
    else if (t->id == SQ_T_SYMBOL)
        *(struct sq_view *)v.data = sq_view_of(text.p, text.n);
    else {
        s = sq_vec_const_str(a, &sq_type_string, text);
        if (eval_cast(a, s, t, &v))
            fail_msg("argument %.*s: %s", SQ_FMT(spec), eval_ctx.err.msg);
    }
    return v;
}

/* The constant at every third row from 1 on (or at all rows), rubbish elsewhere. */
static struct sq_vec eval_spread(struct sq_arena *a, const struct sq_vec *c, bool gaps)
{
    struct sq_vec v = eval_flat(a, c->type, EVAL_ROWS);
    size_t size = sq_phys_size(sq_type_phys(c->type));

    for (uint32_t r = 0; r < EVAL_ROWS; r++)
        if (!gaps || r % 3 == 1) {
            if (size)
                memcpy((char *)v.data + r * size, c->data, size);
            if (sq_vec_null(c, 0))
                sq_bit_clear(v.valid, r);
        }
    return v;
}

static void eval_text(const struct sq_vec *v, uint32_t r, char *buf, size_t n)
{
    struct sq_buf b = {.ctx = &eval_ctx};

    if (sq_vec_null(v, r))
        snprintf(buf, n, "NULL");
    else {
        sq_print_value(&b, v, r, eval_session.tz);
        snprintf(buf, n, "%s", b.p ? b.p : "");
    }
    sq_buf_free(&b);
}

/* One call in one layout. mode -1: all flat; -2: all flat with a selection; i >= 0: argument i constant; n: all constant. */
static sq_rc eval_run(struct sq_arena *a, sq_kernel *kernel, struct sq_call *call, const struct sq_vec *consts, uint32_t n, int mode, bool strict, char *buf, size_t size)
{
    struct sq_vec args[EVAL_ARGS], out = eval_flat(a, call->ret, EVAL_ROWS);
    uint32_t sel[EVAL_ROWS], nsel = 0;
    struct sq_rows rows = {NULL, EVAL_ROWS};
    char other[256];
    bool null = false;
    sq_rc rc;

    for (uint32_t i = 0; i < n; i++) {
        args[i] = consts[i];
        if (consts[i].type->id != SQ_T_SYMBOL && mode != (int)n && mode != (int)i)
            args[i] = eval_spread(a, &consts[i], mode == -2);
        null |= sq_vec_null(&consts[i], 0);
    }
    if (mode == -2) {
        for (uint32_t r = 1; r < EVAL_ROWS; r += 3)
            sel[nsel++] = r;
        rows = (struct sq_rows){sel, nsel};
    }
    if (strict && null) {
        snprintf(buf, size, "NULL");
        return kernel(call, args, n, (struct sq_rows){sel, 0}, &out);
    }
    rc = kernel(call, args, n, rows, &out);
    if (rc)
        return rc;
    eval_text(&out, 1, buf, size);
    SQ_EACH_ROW(rows, i, r) {
        eval_text(&out, r, other, sizeof other);
        if (strcmp(other, buf) != 0)
            fail_msg("mode %d: row 1 is %s, row %u is %s", mode, buf, r, other);
    }
    return SQ_OK;
}

static void eval_compare(const char *what, const char *want, sq_rc rc, const char *got)
{
    char message[SQ_MSG_MAX + SQ_HINT_MAX + 4];

    snprintf(message, sizeof message, "%s (%s)", eval_ctx.err.msg, eval_ctx.err.hint);
    if (want[0] == '!' ? !rc || !strstr(message, want + 1) : rc || strcmp(got, want) != 0)
        fail_msg("%s is %s, not %s", what, rc ? message : got, want);
}

static void eval_type_name(const struct sq_type *t, char *buf, size_t n)
{
    struct sq_buf b = {.ctx = &eval_ctx};

    sq_type_print(&b, t);
    snprintf(buf, n, "%s", b.p);
    sq_buf_free(&b);
}

/* ret NULL: do not look at the type. */
static inline void check(const char *name, const char *spec, const char *ret, const char *want)
{
    struct sq_arena a;
    struct sq_vec consts[EVAL_ARGS];
    const struct sq_vec *known[EVAL_ARGS];
    const struct sq_type *types[EVAL_ARGS];
    struct sq_resolved fn;
    struct sq_call call = {.ctx = &eval_ctx, .session = &eval_session, .heap = &a, .overflows = &eval_overflows};
    uint32_t n = 0;
    char got[256] = "", what[512];
    sq_rc rc;

    sq_arena_init(&a, &eval_ctx);
    memset(&eval_ctx.err, 0, sizeof eval_ctx.err);
    snprintf(what, sizeof what, "%s(%s)", name, spec);
    for (const char *p = spec; *p; n++) {
        const char *bar = strchr(p, '|');

        assert_true(n < EVAL_ARGS);
        consts[n] = eval_const(&a, (struct sq_str){p, (uint32_t)(bar ? bar - p : (ptrdiff_t)strlen(p))});
        types[n] = consts[n].type;
        p = bar ? bar + 1 : p + strlen(p);
    }
    memset(&eval_ctx.err, 0, sizeof eval_ctx.err);
    rc = sq_function_resolve(&eval_ctx, &a, sq_str_of(name), types, n, &fn);
    if (rc) {
        eval_compare(what, want, rc, "");
        sq_arena_free(&a);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        known[i] = &consts[i];
    assert_int_equal(sq_function_refine(&eval_ctx, &a, &fn, known, n, &fn.ret), SQ_OK);
    if (ret) {
        eval_type_name(fn.ret, got, sizeof got);
        if (strcmp(got, ret) != 0)
            fail_msg("%s is of type %s, not %s", what, got, ret);
    }
    call.ret = fn.ret;
    for (uint32_t i = 0; i < n && !rc; i++) {
        if (fn.param[i]->id != SQ_T_NULL && !sq_type_equal(fn.param[i], types[i], false))
            rc = eval_cast(&a, &consts[i], fn.param[i], &consts[i]);
        known[i] = &consts[i];
    }
    if (fn.fn->kernel) {
        for (int mode = -2; mode <= (int)n && !rc; mode++)
            for (int prepared = n && types[0]->id == SQ_T_SYMBOL; prepared < 2 && !rc; prepared++) {
                call.state = NULL;
                if (prepared && fn.fn->prepare)
                    rc = fn.fn->prepare(&call, &a, known, n, &call.state);
                if (!rc)
                    rc = eval_run(&a, fn.fn->kernel, &call, consts, n, mode, fn.fn->flags & SQ_STRICT, got, sizeof got);
                if (!rc)
                    eval_compare(what, want, rc, got);
            }
        eval_compare(what, want, rc, got);
    }
    sq_arena_free(&a);
}

/* CAST(spec AS type) in every layout. */
static inline void check_cast(const char *spec, const char *type, const char *want)
{
    struct sq_arena a;
    struct sq_vec c;
    struct sq_call call = {.ctx = &eval_ctx, .session = &eval_session, .heap = &a, .overflows = &eval_overflows, .state = eval_try ? &eval_try : NULL};
    sq_kernel *k;
    char got[256] = "", what[512];
    bool saved = eval_try;
    sq_rc rc = SQ_OK;

    sq_arena_init(&a, &eval_ctx);
    memset(&eval_ctx.err, 0, sizeof eval_ctx.err);
    snprintf(what, sizeof what, "CAST(%s AS %s)", spec, type);
    eval_try = false;
    c = eval_const(&a, sq_str_of(spec));
    eval_try = saved;
    call.ret = eval_type(&a, sq_str_of(type));
    k = sq_cast_kernel(c.type, call.ret);
    if (!k)
        rc = sq_fail(&eval_ctx, SQ_SEMANTIC, "no cast");
    for (int mode = -2; mode <= 1 && !rc; mode++) {
        rc = eval_run(&a, k, &call, &c, 1, mode, true, got, sizeof got);
        if (!rc)
            eval_compare(what, want, rc, got);
    }
    eval_compare(what, want, rc, got);
    sq_arena_free(&a);
}

#endif
