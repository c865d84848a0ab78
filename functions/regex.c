/* SPDX-License-Identifier: Apache-2.0
 *
 * regex.c: REGEXP and its kin, SIMILAR TO, STR_TO_MAP: regular expressions as Java has them (regex_java.c), run by PCRE2 (pcre.c).
 *
 * A constant pattern is compiled once, when the expression is made; of others the last few are kept. Matches are found as Java finds them: the next one begins where the last ended, one
 * character further if that was empty.
 *
 * FLINK: a pattern that is none gives FALSE (REGEXP), NULL, or an error (SIMILAR TO; and REGEXP_REPLACE where its result is NOT NULL), as there. What Java knows and this engine does not is
 * an error always. Positions count code points, there halves of surrogate pairs.
 */
#include "functions/kernel.h"
#include "functions/pcre.h"
#include "functions/regex_java.h"
#include "functions/utf8.h"

#include <string.h>

#define REGEX_ARGS struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out

enum { KEPT = 8, PATTERN_MAX = 64 * 1024 };

struct regex {
    char *text;                          /* the pattern as it was given; NULL: the slot is free */
    uint32_t n;
    struct sq_pcre_code *code;           /* NULL: it is wrong */
    char why[160];
};

struct state {
    struct sq_owned owned;
    struct sq_ctx *ctx;
    struct sq_pcre *library;             /* opened with the first pattern */
    struct regex kept[KEPT];
    uint32_t next;                       /* slot to be used anew */
    struct regex *constant;              /* the pattern of every row */
    bool similar;
    struct sq_str escape;
    struct sq_buf text;                  /* for results */
};

/* ---- patterns ---- */

static void release(void *p)
{
    struct state *st = p;

    for (size_t i = 0; i < KEPT; i++) {
        sq_pcre_free(st->library, st->kept[i].code);
        sq_free(st->ctx, st->kept[i].text);
    }
    sq_pcre_close(st->library);
    sq_buf_free(&st->text);
}

static sq_rc refuse(struct state *st, struct sq_str pattern, const char *why)
{
    char cut[80];

    return sq_fail(st->ctx, SQ_UNSUPPORTED, "the regular expression '%s' is not supported: %s", sq_shorten(pattern, cut), why);
}

static enum sq_regex_verdict translate(struct state *st, struct sq_buf *to, struct sq_str pattern, const char **why)
{
    enum sq_regex_verdict v = SQ_REGEX_FINE;
    struct sq_buf java;

    if (!st->similar)
        return sq_regex_from_java(to, pattern, why);
    sq_buf_init(&java, st->ctx);
    v = sq_regex_from_similar(&java, pattern, st->escape, why);
    if (v == SQ_REGEX_FINE && !java.rc)
        v = sq_regex_from_java(to, sq_buf_view(&java), why);
    if (java.rc)
        to->rc = java.rc;
    sq_buf_free(&java);
    return v;
}

static sq_rc compile(struct state *st, struct sq_str pattern, struct regex *re)
{
    struct sq_buf *to = &st->text;
    enum sq_regex_verdict v;
    const char *why = "";
    bool unsupported;

    if (!st->library)
        SQ_TRY(sq_pcre_open(st->ctx, &st->library));
    if (pattern.n > PATTERN_MAX)
        return sq_fail(st->ctx, SQ_LIMIT, "a regular expression of %u bytes is too long", pattern.n);
    sq_buf_reset(to);
    v = translate(st, to, pattern, &why);
    SQ_TRY(to->rc);
    if (v == SQ_REGEX_UNSUPPORTED)
        return refuse(st, pattern, why);
    if (v == SQ_REGEX_FINE) {
        SQ_TRY(sq_pcre_compile(st->library, sq_buf_view(to), &re->code, &unsupported, re->why));
        if (!re->code && unsupported)
            return refuse(st, pattern, re->why);
    } else {
        size_t n = strlen(why) < sizeof re->why ? strlen(why) : sizeof re->why - 1;
        memcpy(re->why, why, n);
        re->why[n] = 0;
    }
    re->text = sq_alloc(st->ctx, pattern.n + 1);
    if (!re->text)
        return st->ctx->err.rc;
    memcpy(re->text, pattern.p, pattern.n);
    re->n = pattern.n;
    return SQ_OK;
}

static sq_rc get(struct state *st, struct sq_str pattern, struct regex **out)
{
    struct regex *re;

    for (size_t i = 0; i < KEPT; i++)
        if (st->kept[i].text && st->kept[i].n == pattern.n && (pattern.n == 0 || memcmp(st->kept[i].text, pattern.p, pattern.n) == 0)) {
            *out = &st->kept[i];
            return SQ_OK;
        }
    re = &st->kept[st->next];
    st->next = (st->next + 1) % KEPT;
    sq_pcre_free(st->library, re->code);
    sq_free(st->ctx, re->text);
    *re = (struct regex){0};
    SQ_TRY(compile(st, pattern, re));
    *out = re;
    return SQ_OK;
}

static sq_rc regex_at(struct sq_call *call, const struct sq_vec *v, uint32_t r, struct regex **out)
{
    struct state *st = call->state;

    if ((*out = st->constant))
        return SQ_OK;
    return get(st, sq_text_at(v, r), out);
}

static sq_rc new_state(struct sq_call *call, struct sq_arena *a, void **state)
{
    struct state *st = SQ_NEW(a, struct state);

    if (!st)
        return call->ctx->err.rc;
    st->owned.release = release;
    st->ctx = call->ctx;
    sq_buf_init(&st->text, call->ctx);
    *state = st;
    return SQ_OK;
}

/* The pattern is the second argument. */
static sq_rc regex_prepare(struct sq_call *call, struct sq_arena *a, const struct sq_vec *const *const_args, uint32_t n, void **state)
{
    struct state *st;

    (void)n;
    SQ_TRY(new_state(call, a, state));
    st = *state;
    if (!const_args[1] || sq_arg_null(const_args[1], 0))
        return SQ_OK;
    return get(st, sq_text_at(const_args[1], 0), &st->constant);
}

static sq_rc wrong_pattern(struct sq_ctx *ctx, const struct regex *re)
{
    char cut[80];

    return sq_fail(ctx, SQ_DATA, "'%s' is not a regular expression: %s", sq_shorten((struct sq_str){re->text, re->n}, cut), re->why);
}

static sq_rc similar_prepare(struct sq_call *call, struct sq_arena *a, const struct sq_vec *const *const_args, uint32_t n, void **state)
{
    struct state *st;

    SQ_TRY(new_state(call, a, state));
    st = *state;
    st->similar = true;
    if (n > 2 && !const_args[2])
        return sq_fail(call->ctx, SQ_UNSUPPORTED, "the ESCAPE of SIMILAR TO must be a constant");
    if (n > 2 && !sq_arg_null(const_args[2], 0)) {
        st->escape = sq_str_dup(a, sq_text_at(const_args[2], 0));
        if (!st->escape.p)
            return call->ctx->err.rc;
        if (sq_cp_count(st->escape) != 1)
            return sq_fail(call->ctx, SQ_SEMANTIC, "the ESCAPE of SIMILAR TO is one character, not '%.*s'", SQ_FMT(st->escape));
    }
    if (!const_args[1] || sq_arg_null(const_args[1], 0))
        return SQ_OK;
    SQ_TRY(get(st, sq_text_at(const_args[1], 0), &st->constant));
    return st->constant->code ? SQ_OK : wrong_pattern(call->ctx, st->constant);
}

/* ---- matches one after the other ---- */

struct finder {
    struct state *st;
    struct regex *re;
    struct sq_str s;
    uint32_t at;                         /* where the next search begins; beyond s.n: at the end */
    const size_t *span;
};

static sq_rc next_match(struct finder *f, bool *found)
{
    *found = false;
    if (f->at > f->s.n)
        return SQ_OK;
    SQ_TRY(sq_pcre_match(f->st->library, f->re->code, f->s, f->at, false, found, &f->span));
    if (*found) {
        f->at = (uint32_t)f->span[1];
        if (f->span[0] == f->span[1])
            f->at += f->at < f->s.n ? sq_cp_step(f->s, f->at) : 1;
    }
    return SQ_OK;
}

/* The first match at row r; found is false, too, when the pattern is wrong (*re tells). */
static sq_rc first_match(struct sq_call *call, const struct sq_vec *args, uint32_t r, struct finder *f, bool *found)
{
    *f = (struct finder){.st = call->state, .s = sq_text_at(&args[0], r)};
    *found = false;
    SQ_TRY(regex_at(call, &args[1], r, &f->re));
    return f->re->code ? next_match(f, found) : SQ_OK;
}

static struct sq_str group_of(const struct finder *f, uint32_t g)
{
    return (struct sq_str){f->s.p + f->span[2 * g], (uint32_t)(f->span[2 * g + 1] - f->span[2 * g])};
}

/* ---- the functions ---- */

static sq_rc regexp(REGEX_ARGS)
{
    struct finder f;
    bool found;

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        SQ_TRY(first_match(call, args, r, &f, &found));
        ((uint8_t *)out->data)[r] = found && f.re->n > 0;          /* FLINK: nothing matches an empty pattern */
    }
    return SQ_OK;
}

static sq_rc similar_rows(struct sq_call *call, const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, bool not)
{
    struct state *st = call->state;
    const size_t *span;
    struct regex *re;
    bool found;

    SQ_EACH_ROW(rows, i, r) {
        SQ_TRY(regex_at(call, &args[1], r, &re));
        if (!re->code)
            return wrong_pattern(call->ctx, re);
        SQ_TRY(sq_pcre_match(st->library, re->code, sq_text_at(&args[0], r), 0, true, &found, &span));
        ((uint8_t *)out->data)[r] = found != not;
    }
    return SQ_OK;
}

static sq_rc similar_to(REGEX_ARGS)
{
    (void)nargs;
    return similar_rows(call, args, rows, out, false);
}

static sq_rc not_similar_to(REGEX_ARGS)
{
    (void)nargs;
    return similar_rows(call, args, rows, out, true);
}

static sq_rc regexp_extract(REGEX_ARGS)
{
    struct finder f;
    bool found;

    SQ_EACH_ROW(rows, i, r) {
        int32_t g = nargs > 2 ? SQ_AT(int32_t, args[2], r) : 0;
        struct sq_str s;

        SQ_TRY(first_match(call, args, r, &f, &found));
        if (!found || g < 0 || (uint32_t)g > sq_pcre_groups(f.re->code) || f.span[2 * g] == SIZE_MAX) {
            sq_null_out(out, r);
            continue;
        }
        s = group_of(&f, (uint32_t)g);
        sq_put_view(out, r, s.p, s.n);
    }
    return SQ_OK;
}

static sq_rc regexp_substr(REGEX_ARGS)
{
    (void)nargs;
    return regexp_extract(call, args, 2, rows, out);
}

static sq_rc regexp_instr(REGEX_ARGS)
{
    struct finder f;
    bool found;

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        SQ_TRY(first_match(call, args, r, &f, &found));
        if (!f.re->code)
            sq_null_out(out, r);
        else
            ((int32_t *)out->data)[r] = found ? (int32_t)sq_cp_count((struct sq_str){f.s.p, (uint32_t)f.span[0]}) + 1 : 0;
    }
    return SQ_OK;
}

static sq_rc regexp_count(REGEX_ARGS)
{
    struct finder f;
    bool found;

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        int32_t n = 0;

        SQ_TRY(first_match(call, args, r, &f, &found));
        if (!f.re->code) {
            sq_null_out(out, r);
            continue;
        }
        for (; found; n++)
            SQ_TRY(next_match(&f, &found));
        ((int32_t *)out->data)[r] = n;
    }
    return SQ_OK;
}

/* Groups in the replacement are plain text, as in Flink. */
static sq_rc regexp_replace(REGEX_ARGS)
{
    struct sq_buf *to = &((struct state *)call->state)->text;
    struct finder f;
    bool found;

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str by = sq_text_at(&args[2], r);
        size_t done = 0;

        SQ_TRY(first_match(call, args, r, &f, &found));
        if (!f.re->code) {
            if (!call->ret->nullable)
                return wrong_pattern(call->ctx, f.re);
            sq_null_out(out, r);
            continue;
        }
        if (!found) {
            sq_put_view(out, r, f.s.p, f.s.n);
            continue;
        }
        sq_buf_reset(to);
        while (found) {
            sq_buf_add(to, f.s.p + done, f.span[0] - done);
            sq_buf_str(to, by);
            done = f.span[1];
            SQ_TRY(next_match(&f, &found));
        }
        sq_buf_add(to, f.s.p + done, f.s.n - done);
        SQ_TRY(to->rc);
        SQ_TRY(sq_put_copy(call, out, r, to->p, to->n));
    }
    return SQ_OK;
}

static sq_rc append_piece(struct sq_col *to, struct sq_str s)
{
    return sq_col_append_view(to, s.p, s.n);
}

static sq_rc regexp_extract_all(REGEX_ARGS)
{
    struct sq_col *to = &call->builder->kid[0];
    struct finder f;
    bool found;

    (void)out;
    SQ_EACH_ROW(rows, i, r) {
        int32_t g = nargs > 2 ? SQ_AT(int32_t, args[2], r) : 1;
        uint32_t n = 0;

        SQ_TRY(first_match(call, args, r, &f, &found));
        if (!f.re->code || g < 0 || (uint32_t)g > sq_pcre_groups(f.re->code)) {
            SQ_TRY(sq_col_append_null(call->builder));
            continue;
        }
        for (; found; n++) {
            SQ_TRY(f.span[2 * g] == SIZE_MAX ? sq_col_append_null(to) : append_piece(to, group_of(&f, (uint32_t)g)));
            SQ_TRY(next_match(&f, &found));
        }
        SQ_TRY(sq_col_append_list(call->builder, n));
    }
    return SQ_OK;
}

static sq_rc texts_type(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    (void)args, (void)n;
    *ret = sq_type_array(a, true, &sq_type_string);
    return *ret ? SQ_OK : ctx->err.rc;
}

/* ---- STR_TO_MAP: the delimiters are regular expressions ---- */

static bool is_plain(struct sq_str s)
{
    for (uint32_t i = 0; i < s.n; i++)
        if (strchr(".$|()[]{}^?*+\\", s.p[i]))
            return false;
    return s.n > 0;
}

/* The next delimiter at or after *at, as [*from, *to); as Java's split has it, an empty one at the beginning is none. */
static sq_rc next_delimiter(struct state *st, struct sq_str s, uint32_t at, struct sq_str by, bool *found, uint32_t *from, uint32_t *to)
{
    struct finder f = {.st = st, .s = s, .at = at};

    if (is_plain(by)) {
        const char *p = at <= s.n ? memmem(s.p + at, s.n - at, by.p, by.n) : NULL;

        *found = p != NULL;
        *from = p ? (uint32_t)(p - s.p) : 0;
        *to = *from + by.n;
        return SQ_OK;
    }
    SQ_TRY(get(st, by, &f.re));
    if (!f.re->code)
        return wrong_pattern(st->ctx, f.re);
    do {
        SQ_TRY(next_match(&f, found));
        if (!*found)
            return SQ_OK;
        *from = (uint32_t)f.span[0];
        *to = (uint32_t)f.span[1];
    } while (*to == 0);
    return SQ_OK;
}

struct entry { struct sq_str key, value; };          /* value.p NULL: none */

struct entries {
    struct sq_call *call;
    struct entry *p;
    uint32_t n, cap;
};

static sq_rc add_entry(struct entries *l, struct sq_str key, struct sq_str value)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? 2 * l->cap : 16;
        struct entry *p = SQ_NEW_ARRAY(l->call->heap, struct entry, cap);

        if (!p)
            return l->call->ctx->err.rc;
        if (l->n)
            memcpy(p, l->p, l->n * sizeof *p);
        l->p = p;
        l->cap = cap;
    }
    l->p[l->n++] = (struct entry){key, value};
    return SQ_OK;
}

/* Cuts the text as Java's split does: empty parts at the end are left out. */
static sq_rc cut_entries(struct entries *l, struct sq_str s, struct sq_str by)
{
    uint32_t done = 0, at = 0, from, to;
    bool found;

    for (;;) {
        SQ_TRY(next_delimiter(l->call->state, s, at, by, &found, &from, &to));
        if (!found)
            break;
        SQ_TRY(add_entry(l, (struct sq_str){s.p + done, from - done}, (struct sq_str){NULL, 0}));
        done = to;
        at = to > from ? to : to < s.n ? to + sq_cp_step(s, to) : to + 1;
    }
    SQ_TRY(add_entry(l, (struct sq_str){s.p + done, s.n - done}, (struct sq_str){NULL, 0}));
    while (done && l->n && l->p[l->n - 1].key.n == 0)
        l->n--;
    return SQ_OK;
}

/* "key=value" becomes both; of equal keys the later value stays, in the place of the first. */
static sq_rc split_entries(struct entries *l, struct sq_str by)
{
    uint32_t n = 0, k, from, to;
    bool found;

    for (uint32_t i = 0; i < l->n; i++) {
        struct entry e = l->p[i];

        SQ_TRY(next_delimiter(l->call->state, e.key, 0, by, &found, &from, &to));
        if (found) {
            e.value = (struct sq_str){e.key.p + to, e.key.n - to};
            e.key.n = from;
        }
        for (k = 0; k < n && !sq_str_eq(l->p[k].key, e.key); k++)
            ;
        l->p[k] = e;
        n += k == n;
    }
    l->n = n;
    return SQ_OK;
}

static sq_rc str_to_map(REGEX_ARGS)
{
    (void)out;
    SQ_EACH_ROW(rows, i, r) {
        struct entries l = {.call = call};
        struct sq_str s = sq_text_at(&args[0], r);

        if (s.n)
            SQ_TRY(cut_entries(&l, s, nargs > 1 ? sq_text_at(&args[1], r) : SQ_STR(",")));
        SQ_TRY(split_entries(&l, nargs > 1 ? sq_text_at(&args[2], r) : SQ_STR("=")));
        for (uint32_t k = 0; k < l.n; k++) {
            SQ_TRY(append_piece(&call->builder->kid[0], l.p[k].key));
            SQ_TRY(l.p[k].value.p ? append_piece(&call->builder->kid[1], l.p[k].value) : sq_col_append_null(&call->builder->kid[1]));
        }
        SQ_TRY(sq_col_append_list(call->builder, l.n));
    }
    return SQ_OK;
}

static sq_rc map_prepare(struct sq_call *call, struct sq_arena *a, const struct sq_vec *const *const_args, uint32_t n, void **state)
{
    (void)const_args, (void)n;
    return new_state(call, a, state);
}

static sq_rc map_type(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    (void)args;
    if (n == 2)
        return sq_fail(ctx, SQ_SEMANTIC, "STR_TO_MAP takes a text, or a text and both delimiters");
    *ret = sq_type_map(a, true, &sq_type_string, &sq_type_string);
    return *ret ? SQ_OK : ctx->err.rc;
}

#define F (SQ_STRICT | SQ_PURE | SQ_OWNS)
#define MAYBE (F | SQ_ALWAYS_NULLABLE)
#define SIMILAR_SIG "(STRING, STRING [, STRING]) -> BOOLEAN"

const struct sq_function sq_functions_regex[] = {
    {"REGEXP", "(STRING, STRING) -> BOOLEAN", F, regexp, NULL, "true if a part of the text matches a regular expression", "REGEXP('abc', 'b.')", regex_prepare},
    {"REGEXP_EXTRACT", "(STRING, STRING [, INT]) -> STRING", MAYBE, regexp_extract, NULL,
     "the first match of a regular expression, or a group of it; NULL if there is none", "REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 1) = 'the'", regex_prepare},
    {"REGEXP_EXTRACT_ALL", "(STRING, STRING [, INT]) -> ANY", MAYBE | SQ_NESTED, regexp_extract_all, texts_type,
     "the first group (or another, or 0: the whole) of all matches of a regular expression", "REGEXP_EXTRACT_ALL('a1b2', '[a-z]([0-9])') = ARRAY['1', '2']", regex_prepare},
    {"REGEXP_REPLACE", "(STRING, STRING, STRING) -> STRING", F, regexp_replace, NULL, "the text with all matches of a regular expression replaced by a text",
     "REGEXP_REPLACE('foobar', 'oo|ar', '') = 'fb'", regex_prepare},
    {"REGEXP_COUNT", "(STRING, STRING) -> INT", MAYBE, regexp_count, NULL, "how often a regular expression matches", "REGEXP_COUNT('banana', 'a') = 3", regex_prepare},
    {"REGEXP_INSTR", "(STRING, STRING) -> INT", MAYBE, regexp_instr, NULL, "where a regular expression first matches, from 1; 0 if nowhere", "REGEXP_INSTR('abc', '[bc]') = 2", regex_prepare},
    {"REGEXP_SUBSTR", "(STRING, STRING) -> STRING", MAYBE, regexp_substr, NULL, "the first match of a regular expression; NULL if there is none",
     "REGEXP_SUBSTR('a12', '[0-9]+') = '12'", regex_prepare},
    {"SIMILAR TO", SIMILAR_SIG, F | SQ_OPERATOR, similar_to, NULL, "true if the whole text matches a pattern of SQL: % and _ as in LIKE, | * + ? { } ( ) [ ] as in regular expressions",
     "'abc' SIMILAR TO '(a|x)%'", similar_prepare},
    {"NOT SIMILAR TO", SIMILAR_SIG, F | SQ_OPERATOR, not_similar_to, NULL, "true if the text does not match a pattern of SQL", "'abc' NOT SIMILAR TO 'b%'", similar_prepare},
    {"STR_TO_MAP", "(STRING [, STRING, STRING]) -> ANY", MAYBE | SQ_NESTED, str_to_map, map_type,
     "a map of a text of entries: by default 'k=v,k=v'; delimiters between entries and within one are regular expressions", "STR_TO_MAP('a=1,b=2')['b'] = '2'", map_prepare},
    {0},
};
