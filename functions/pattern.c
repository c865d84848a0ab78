/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern.c: LIKE, and looking for one text in another.
 *
 * A LIKE pattern is compiled once where it is constant: to segments of plain text between its '%', each segment with marks for '_'. Matching
 * anchors the first and the last segment and finds those between from left to right, each as early as it can stand; no backtracking, so the
 * time is at most the product of the lengths and mostly their sum. Patterns without '_' use memcmp and memmem.
 */
#include "functions/kernel.h"
#include "functions/utf8.h"

#define PATTERN_ARGS struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out

/* ---- LIKE ---- */

struct segment {
    struct sq_str text;                  /* where any[i] is set, one code point of any kind stands for byte i */
    uint8_t *any;                        /* NULL: no '_' in it */
};

struct like {
    struct segment *seg;
    uint32_t n;                          /* segments; a pattern with k '%' has k + 1, the first and last may be empty */
};

struct builder {
    struct like *like;
    char *text;
    uint8_t *any;
    uint32_t at, from;
    bool has_any;
};

static void end_segment(struct builder *b)
{
    b->like->seg[b->like->n++] = (struct segment){{b->text + b->from, b->at - b->from}, b->has_any ? b->any + b->from : NULL};
    b->from = b->at;
    b->has_any = false;
}

static sq_rc bad_escape(struct sq_ctx *ctx, struct sq_str pattern)
{
    char cut[80];

    sq_fail(ctx, SQ_DATA, "in the LIKE pattern '%s' the escape character stands before neither '%%', '_' nor itself", sq_shorten(pattern, cut));
    return sq_hint(ctx, "write the escape character twice to mean itself");
}

static sq_rc compile(struct sq_ctx *ctx, struct sq_arena *a, struct sq_str pattern, struct sq_str escape, struct like *like)
{
    struct builder b = {.like = like};
    uint32_t percents = 1;

    for (uint32_t i = 0; i < pattern.n; i++)
        percents += pattern.p[i] == '%';
    like->n = 0;
    like->seg = SQ_NEW_ARRAY(a, struct segment, percents);
    b.text = sq_arena_get(a, pattern.n + 1, 1);
    b.any = sq_arena_zero(a, pattern.n + 1);
    if (!like->seg || !b.text || !b.any)
        return ctx->err.rc;
    for (uint32_t i = 0; i < pattern.n; i++) {
        char c = pattern.p[i];

        if (escape.n && pattern.n - i >= escape.n && memcmp(pattern.p + i, escape.p, escape.n) == 0) {
            struct sq_str rest = {pattern.p + i + escape.n, pattern.n - i - escape.n};
            bool itself = rest.n >= escape.n && memcmp(rest.p, escape.p, escape.n) == 0;

            if (!itself && (rest.n == 0 || (*rest.p != '%' && *rest.p != '_')))
                return bad_escape(ctx, pattern);
            memcpy(b.text + b.at, rest.p, itself ? escape.n : 1);
            b.at += itself ? escape.n : 1;
            i += escape.n + (itself ? escape.n : 1) - 1;
        } else if (c == '%')
            end_segment(&b);
        else {
            b.any[b.at] = c == '_';
            b.has_any |= c == '_';
            b.text[b.at++] = c;
        }
    }
    end_segment(&b);
    return SQ_OK;
}

/* Does the segment stand at byte `at` of s? *end: behind it. */
static bool stands(const struct segment *g, struct sq_str s, uint32_t at, uint32_t *end)
{
    if (!g->any) {
        *end = at + g->text.n;
        return s.n - at >= g->text.n && (g->text.n == 0 || memcmp(s.p + at, g->text.p, g->text.n) == 0);
    }
    for (uint32_t i = 0; i < g->text.n; i++) {
        if (at >= s.n)
            return false;
        if (g->any[i])
            at += sq_cp_step(s, at);
        else if (s.p[at++] != g->text.p[i])
            return false;
    }
    *end = at;
    return true;
}

/* The first place at or after *at where the segment stands; *at goes behind it. */
static bool find_segment(const struct segment *g, struct sq_str s, uint32_t *at)
{
    if (!g->any) {
        const char *p = g->text.n ? memmem(s.p + *at, s.n - *at, g->text.p, g->text.n) : s.p + *at;

        if (!p)
            return false;
        *at = (uint32_t)(p - s.p) + g->text.n;
        return true;
    }
    for (uint32_t from = *at; from < s.n; from += sq_cp_step(s, from))
        if (stands(g, s, from, at))
            return true;
    return false;
}

/* The last segment must end where the text does: its start is counted from the end. */
static bool stands_last(const struct segment *g, struct sq_str s, uint32_t at)
{
    uint32_t points = g->any ? 0 : g->text.n, start = s.n, end;

    if (!g->any)
        return s.n - at >= points && stands(g, s, s.n - points, &end);
    for (uint32_t i = 0; i < g->text.n; i++)
        points += ((unsigned char)g->text.p[i] & 0xC0) != 0x80;
    for (; points && start > at; points--)
        start = sq_cp_back(s, start);
    return points == 0 && stands(g, s, start, &end) && end == s.n;
}

static bool like_match(const struct like *l, struct sq_str s)
{
    uint32_t at = 0;

    if (!stands(&l->seg[0], s, 0, &at))
        return false;
    if (l->n == 1)
        return at == s.n;
    for (uint32_t i = 1; i + 1 < l->n; i++)
        if (!find_segment(&l->seg[i], s, &at))
            return false;
    return stands_last(&l->seg[l->n - 1], s, at);
}

static sq_rc check_escape(struct sq_ctx *ctx, struct sq_str escape)
{
    if (escape.n && sq_cp_step(escape, 0) == escape.n)
        return SQ_OK;
    return sq_fail(ctx, SQ_DATA, "ESCAPE takes one character, not '%.*s'", SQ_FMT(escape));
}

static sq_rc like_prepare(struct sq_call *call, struct sq_arena *a, const struct sq_vec *const *const_args, uint32_t n, void **state)
{
    struct like *l;
    struct sq_str escape = {"", 0};

    if (!const_args[1] || sq_arg_null(const_args[1], 0) || (n > 2 && (!const_args[2] || sq_arg_null(const_args[2], 0))))
        return SQ_OK;
    if (n > 2) {
        escape = sq_text_at(const_args[2], 0);
        SQ_TRY(check_escape(call->ctx, escape));
    }
    l = SQ_NEW(a, struct like);
    if (!l)
        return call->ctx->err.rc;
    SQ_TRY(compile(call->ctx, a, sq_text_at(const_args[1], 0), escape, l));
    *state = l;
    return SQ_OK;
}

static sq_rc like_rows(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out, bool negate)
{
    uint8_t *o = out->data;
    const struct like *l = call->state;
    struct like own;

    SQ_EACH_ROW(rows, i, r) {
        if (!call->state) {
            struct sq_str escape = nargs > 2 ? sq_text_at(&args[2], r) : (struct sq_str){"", 0};

            if (nargs > 2)
                SQ_TRY(check_escape(call->ctx, escape));
            SQ_TRY(compile(call->ctx, call->heap, sq_text_at(&args[1], r), escape, &own));
            l = &own;
        }
        o[r] = like_match(l, sq_text_at(&args[0], r)) != negate;
    }
    return SQ_OK;
}

static sq_rc like(PATTERN_ARGS)
{
    return like_rows(call, args, nargs, rows, out, false);
}

static sq_rc not_like(PATTERN_ARGS)
{
    return like_rows(call, args, nargs, rows, out, true);
}

/* ---- finding ---- */

/* The code point position, from 1, of `what` in s from code point `start` (from 1) on; 0: not there. Nothing is found at 1, wherever one starts. */
static int32_t position_of(struct sq_str what, struct sq_str s, int64_t start)
{
    uint32_t from;
    const char *p;

    if (what.n == 0)
        return 1;
    from = sq_cp_seek(s, 0, start < 1 ? 0 : start - 1);
    p = memmem(s.p + from, s.n - from, what.p, what.n);
    return p ? (int32_t)sq_cp_count((struct sq_str){s.p, (uint32_t)(p - s.p)}) + 1 : 0;
}

static sq_rc position(PATTERN_ARGS)
{
    (void)call;
    SQ_EACH_ROW(rows, i, r)
        ((int32_t *)out->data)[r] = position_of(sq_text_at(&args[0], r), sq_text_at(&args[1], r), nargs > 2 ? SQ_AT(int32_t, args[2], r) : 1);
    return SQ_OK;
}

static sq_rc instr(PATTERN_ARGS)
{
    (void)call, (void)nargs;
    SQ_EACH_ROW(rows, i, r)
        ((int32_t *)out->data)[r] = position_of(sq_text_at(&args[1], r), sq_text_at(&args[0], r), 1);
    return SQ_OK;
}

static sq_rc startswith(PATTERN_ARGS)
{
    (void)call, (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r), w = sq_text_at(&args[1], r);

        ((uint8_t *)out->data)[r] = w.n <= s.n && (w.n == 0 || memcmp(s.p, w.p, w.n) == 0);
    }
    return SQ_OK;
}

static sq_rc endswith(PATTERN_ARGS)
{
    (void)call, (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r), w = sq_text_at(&args[1], r);

        ((uint8_t *)out->data)[r] = w.n <= s.n && (w.n == 0 || memcmp(s.p + s.n - w.n, w.p, w.n) == 0);
    }
    return SQ_OK;
}

/* ---- replacing ---- */

/* As Java: an empty text stands before every character and at the end. Writes to p, or only counts when p is NULL. */
static uint64_t replace_into(struct sq_str s, struct sq_str what, struct sq_str by, char *p)
{
    uint64_t n = 0;

#define EMIT(from, len) ((p && (len) ? (void)memcpy(p + n, from, len) : (void)0), n += (len))
    for (uint32_t at = 0; at <= s.n;) {
        const char *hit = what.n ? memmem(s.p + at, s.n - at, what.p, what.n) : s.p + at;
        uint32_t keep = hit ? (uint32_t)(hit - s.p) - at : s.n - at, step;

        EMIT(s.p + at, keep);
        if (!hit)
            break;
        EMIT(by.p, by.n);
        at += keep + what.n;
        if (what.n)
            continue;
        if (at == s.n)
            break;
        step = sq_cp_step(s, at);
        EMIT(s.p + at, step);
        at += step;
    }
#undef EMIT
    return n;
}

static sq_rc replace(PATTERN_ARGS)
{
    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r), what = sq_text_at(&args[1], r), by = sq_text_at(&args[2], r);
        uint64_t n;
        char *p;

        if (what.n && !memmem(s.p, s.n, what.p, what.n)) {
            sq_put_view(out, r, s.p, s.n);
            continue;
        }
        n = replace_into(s, what, by, NULL);
        if (n > SQ_STRING_MAX)
            return sq_fail(call->ctx, SQ_LIMIT, "a text of %llu bytes is too long", (unsigned long long)n);
        p = sq_text_room(call, (size_t)n + 1);
        if (!p)
            return call->ctx->err.rc;
        replace_into(s, what, by, p);
        sq_put_view(out, r, p, (uint32_t)n);
    }
    return SQ_OK;
}

/* ---- splitting ---- */

static uint32_t next_separator(struct sq_str s, uint32_t at, struct sq_str sep, uint32_t *len)
{
    const char *p;

    *len = sep.n;
    if (sep.n == 0) {                        /* none: at white space */
        *len = 1;
        for (; at < s.n && s.p[at] != ' ' && (s.p[at] < '\t' || s.p[at] > '\r'); at++)
            ;
        return at;
    }
    p = memmem(s.p + at, s.n - at, sep.p, sep.n);
    return p ? (uint32_t)(p - s.p) : s.n;
}

static bool split_part(struct sq_str s, struct sq_str sep, int32_t index, struct sq_str *part)
{
    uint32_t at = 0, end, len;

    if (index < 0 || s.n == 0)
        return false;
    for (;; index--) {
        end = next_separator(s, at, sep, &len);
        *part = (struct sq_str){s.p + at, end - at};
        if (index == 0)
            return true;
        if (end == s.n)
            return false;
        at = end + len;
    }
}

static sq_rc split_index(PATTERN_ARGS)
{
    bool code = args[1].type->id == SQ_T_INT;
    char buf[8];

    (void)call, (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str sep, part;

        if (code) {
            int32_t cp = SQ_AT(int32_t, args[1], r);

            sep = (struct sq_str){buf, cp > 0 && cp <= 0xFFFF && (cp < 0xD800 || cp > 0xDFFF) ? (uint32_t)sq_utf8_put((uint32_t)cp, buf) : 0};
        } else
            sep = sq_text_at(&args[1], r);
        if ((!code || sep.n) && split_part(sq_text_at(&args[0], r), sep, SQ_AT(int32_t, args[2], r), &part))
            sq_put_view(out, r, part.p, part.n);
        else
            sq_null_out(out, r);
    }
    return SQ_OK;
}

#define F (SQ_STRICT | SQ_PURE)
#define LIKE_SIG "(STRING, STRING [, STRING]) -> BOOLEAN"

const struct sq_function sq_functions_pattern[] = {
    {"LIKE", LIKE_SIG, F | SQ_OPERATOR, like, NULL, "true if the text is of the pattern's form: % stands for any characters, _ for one", "'abc' LIKE 'a%'", like_prepare},
    {"NOT LIKE", LIKE_SIG, F | SQ_OPERATOR, not_like, NULL, "true if the text is not of the pattern's form", "'a%c' NOT LIKE 'a!_c' ESCAPE '!'", like_prepare},
    {"POSITION", "(STRING, STRING) -> INT", F, position, NULL, "where the first text stands in the second, from 1; 0 if nowhere", "POSITION('b' IN 'abc') = 2", NULL},
    {"LOCATE", "(STRING, STRING [, INT]) -> INT", F, position, NULL, "where the first text stands in the second, from a position on; 0 if nowhere",
     "LOCATE('a', 'banana', 3) = 4", NULL},
    {"INSTR", "(STRING, STRING) -> INT", F, instr, NULL, "where the second text stands in the first, from 1; 0 if nowhere", "INSTR('abc', 'c') = 3", NULL},
    {"STARTSWITH", "(STRING, STRING) -> BOOLEAN", F, startswith, NULL, "true if the first text begins with the second", "STARTSWITH('abc', 'ab')", NULL},
    {"STARTSWITH", "(BYTES, BYTES) -> BOOLEAN", F, startswith, NULL, "true if the first bytes begin with the second", "STARTSWITH(X'0102', X'01')", NULL},
    {"ENDSWITH", "(STRING, STRING) -> BOOLEAN", F, endswith, NULL, "true if the first text ends with the second", "ENDSWITH('abc', 'bc')", NULL},
    {"ENDSWITH", "(BYTES, BYTES) -> BOOLEAN", F, endswith, NULL, "true if the first bytes end with the second", "ENDSWITH(X'0102', X'02')", NULL},
    {"REPLACE", "(STRING, STRING, STRING) -> STRING", F, replace, NULL, "the text with every second argument replaced by the third", "REPLACE('banana', 'an', 'AN') = 'bANANa'", NULL},
    {"SPLIT_INDEX", "(STRING, STRING, INT) -> STRING", F | SQ_ALWAYS_NULLABLE, split_index, NULL,
     "the part of a text at a 0-based position after splitting it at a delimiter; NULL if there is none", "SPLIT_INDEX('a,b,c', ',', 1) = 'b'", NULL},
    {"SPLIT_INDEX", "(STRING, INT, INT) -> STRING", F | SQ_ALWAYS_NULLABLE, split_index, NULL,
     "the same, with the delimiter as the number of a character", "SPLIT_INDEX('a,b,c', 44, 2) = 'c'", NULL},
    {0},
};
