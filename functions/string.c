/* SPDX-License-Identifier: Apache-2.0
 *
 * string.c: pieces of texts, trimming, padding, joining, upper and lower case.
 *
 * Positions and lengths count code points, from 1. A piece of a text borrows the argument's bytes; only new text is written to the heap.
 * Case follows Unicode with its special cases (ß becomes SS, a final Σ becomes ς), as Java does in a locale without rules of its own.
 */
#include "functions/kernel.h"
#include "functions/utf8.h"

#include <utf8proc.h>

#define TEXT_ARGS struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out

static const struct sq_str empty = {"", 0};

static void put(struct sq_vec *out, uint32_t r, struct sq_str s)
{
    sq_put_view(out, r, s.p, s.n);
}

static struct sq_str sub(struct sq_str s, uint32_t from, uint32_t to)
{
    return (struct sq_str){s.p + from, to - from};
}

/* Room for a result of n bytes, or an error when no text can be so long. */
static sq_rc room(struct sq_call *call, uint64_t n, char **p)
{
    if (n > SQ_STRING_MAX)
        return sq_fail(call->ctx, SQ_LIMIT, "a text of %llu bytes is too long", (unsigned long long)n);
    *p = sq_text_room(call, (size_t)n + 1);
    return *p ? SQ_OK : call->ctx->err.rc;
}

/* ---- length, pieces ---- */

static sq_rc char_length(TEXT_ARGS)
{
    (void)call, (void)nargs;
    SQ_MAP1(struct sq_view, int32_t, sq_cp_count(sq_view_str(&a)));
    return SQ_OK;
}

static sq_rc octet_length(TEXT_ARGS)
{
    (void)call, (void)nargs;
    SQ_MAP1(struct sq_view, int32_t, a.len);
    return SQ_OK;
}

/* From `pos` (1 is the first, -1 the last, 0 as 1) on, `len` code points. */
static struct sq_str piece(struct sq_str s, int64_t pos, int64_t len)
{
    uint32_t from;

    if (pos < 0) {
        pos += sq_cp_count(s);
        if (pos < 0)
            return empty;
    } else if (pos > 0)
        pos--;
    from = sq_cp_seek(s, 0, pos);
    return sub(s, from, sq_cp_seek(s, from, len));
}

static sq_rc substring(TEXT_ARGS)
{
    (void)call;
    SQ_EACH_ROW(rows, i, r) {
        int64_t len = nargs > 2 ? SQ_AT(int32_t, args[2], r) : INT32_MAX;

        if (len < 0)
            sq_null_out(out, r);
        else
            put(out, r, piece(sq_text_at(&args[0], r), SQ_AT(int32_t, args[1], r), len));
    }
    return SQ_OK;
}

static sq_rc left(TEXT_ARGS)
{
    (void)call, (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r);

        put(out, r, sub(s, 0, sq_cp_seek(s, 0, SQ_AT(int32_t, args[1], r))));
    }
    return SQ_OK;
}

static sq_rc right(TEXT_ARGS)
{
    (void)call, (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r);
        uint32_t from = s.n;

        for (int32_t n = SQ_AT(int32_t, args[1], r); n > 0 && from > 0; n--)
            from = sq_cp_back(s, from);
        put(out, r, sub(s, from, s.n));
    }
    return SQ_OK;
}

/* ---- trimming ---- */

enum { LEADING = 1, TRAILING = 2, BOTH = 3 };

static bool in_set(struct sq_str s, uint32_t at, uint32_t size, struct sq_str set)
{
    for (uint32_t i = 0, n; i < set.n; i += n) {
        n = sq_cp_step(set, i);
        if (n == size && memcmp(set.p + i, s.p + at, n) == 0)
            return true;
    }
    return false;
}

static struct sq_str trim(struct sq_str s, struct sq_str set, int sides)
{
    uint32_t from = 0, to = s.n;

    while (sides & LEADING && from < to && in_set(s, from, sq_cp_step(s, from), set))
        from += sq_cp_step(s, from);
    while (sides & TRAILING && to > from) {
        uint32_t at = sq_cp_back(s, to);

        if (!in_set(s, at, to - at, set))
            break;
        to = at;
    }
    return sub(s, from, to);
}

static sq_rc trim_sides(const struct sq_vec *text, const struct sq_vec *set, struct sq_rows rows, struct sq_vec *out, int sides)
{
    SQ_EACH_ROW(rows, i, r)
        put(out, r, trim(sq_text_at(text, r), set ? sq_text_at(set, r) : SQ_STR(" "), sides));
    return SQ_OK;
}

static sq_rc trim_plain(TEXT_ARGS)
{
    (void)call;
    return trim_sides(&args[0], nargs > 1 ? &args[1] : NULL, rows, out, BOTH);
}

static sq_rc ltrim(TEXT_ARGS)
{
    (void)call;
    return trim_sides(&args[0], nargs > 1 ? &args[1] : NULL, rows, out, LEADING);
}

static sq_rc rtrim(TEXT_ARGS)
{
    (void)call;
    return trim_sides(&args[0], nargs > 1 ? &args[1] : NULL, rows, out, TRAILING);
}

static sq_rc trim_from(TEXT_ARGS)
{
    struct sq_str side = sq_text_at(&args[0], 0);
    int sides = sq_str_iis(side, "LEADING") ? LEADING : sq_str_iis(side, "TRAILING") ? TRAILING : BOTH;

    (void)call, (void)nargs;
    return trim_sides(&args[2], &args[1], rows, out, sides);
}

/* ---- joining ---- */

static sq_rc concat(TEXT_ARGS)
{
    SQ_EACH_ROW(rows, i, r) {
        uint64_t n = 0;
        char *p, *at;

        for (uint32_t k = 0; k < nargs; k++)
            n += sq_text_at(&args[k], r).n;
        SQ_TRY(room(call, n, &p));
        at = p;
        for (uint32_t k = 0; k < nargs; k++) {
            struct sq_str s = sq_text_at(&args[k], r);

            if (s.n)
                memcpy(at, s.p, s.n);
            at += s.n;
        }
        sq_put_view(out, r, p, (uint32_t)n);
    }
    return SQ_OK;
}

/* NULLs are left out; a NULL separator gives NULL. */
static sq_rc concat_ws(TEXT_ARGS)
{
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str sep;
        uint64_t n = 0;
        char *p, *at;

        if (sq_arg_null(&args[0], r)) {
            sq_null_out(out, r);
            continue;
        }
        sep = sq_text_at(&args[0], r);
        for (uint32_t k = 1; k < nargs; k++)
            if (!sq_arg_null(&args[k], r))
                n += sq_text_at(&args[k], r).n + sep.n;
        SQ_TRY(room(call, n, &p));
        at = p;
        for (uint32_t k = 1, parts = 0; k < nargs; k++) {
            struct sq_str s;

            if (sq_arg_null(&args[k], r))
                continue;
            s = sq_text_at(&args[k], r);
            if (parts++ && sep.n) {
                memcpy(at, sep.p, sep.n);
                at += sep.n;
            }
            if (s.n)
                memcpy(at, s.p, s.n);
            at += s.n;
        }
        sq_put_view(out, r, p, (uint32_t)(at - p));
    }
    return SQ_OK;
}

static sq_rc repeat(TEXT_ARGS)
{
    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r);
        int32_t times = SQ_AT(int32_t, args[1], r);
        char *p;

        if (times <= 0 || s.n == 0) {
            put(out, r, empty);
            continue;
        }
        SQ_TRY(room(call, (uint64_t)s.n * (uint32_t)times, &p));
        for (int32_t k = 0; k < times; k++)
            memcpy(p + (size_t)k * s.n, s.p, s.n);
        sq_put_view(out, r, p, s.n * (uint32_t)times);
    }
    return SQ_OK;
}

static sq_rc reverse(TEXT_ARGS)
{
    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r);
        char *p;

        SQ_TRY(room(call, s.n, &p));
        for (uint32_t at = 0, n; at < s.n; at += n) {
            n = sq_cp_step(s, at);
            memcpy(p + s.n - at - n, s.p + at, n);
        }
        sq_put_view(out, r, p, s.n);
    }
    return SQ_OK;
}

/* ---- padding ---- */

/* `with` over and over until it is `count` code points; its bytes go to p, or are only counted when p is NULL. */
static uint64_t fill_with(struct sq_str with, uint32_t count, char *p)
{
    uint32_t points = sq_cp_count(with), rest = sq_cp_seek(with, 0, count % points);

    for (uint32_t k = 0; p && k < count / points; k++)
        memcpy(p + (size_t)k * with.n, with.p, with.n);
    if (p && rest)
        memcpy(p + (size_t)(count / points) * with.n, with.p, rest);
    return (uint64_t)(count / points) * with.n + rest;
}

static sq_rc pad(struct sq_call *call, const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, bool at_left)
{
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r), with = sq_text_at(&args[2], r);
        int32_t want = SQ_AT(int32_t, args[1], r);
        uint32_t have = sq_cp_count(s);
        uint64_t more;
        char *p;

        if (want < 0 || with.n == 0) {
            sq_null_out(out, r);
            continue;
        }
        if (have >= (uint32_t)want) {
            put(out, r, sub(s, 0, sq_cp_seek(s, 0, want)));
            continue;
        }
        more = fill_with(with, (uint32_t)want - have, NULL);
        SQ_TRY(room(call, more + s.n, &p));
        fill_with(with, (uint32_t)want - have, at_left ? p : p + s.n);
        if (s.n)
            memcpy(at_left ? p + more : p, s.p, s.n);
        sq_put_view(out, r, p, (uint32_t)(more + s.n));
    }
    return SQ_OK;
}

static sq_rc lpad(TEXT_ARGS)
{
    (void)nargs;
    return pad(call, args, rows, out, true);
}

static sq_rc rpad(TEXT_ARGS)
{
    (void)nargs;
    return pad(call, args, rows, out, false);
}

/* ---- overlay ---- */

/* FLINK: a start outside the text leaves it as it is; a length of 0 or less drops the rest. */
static sq_rc overlay(TEXT_ARGS)
{
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r), by = sq_text_at(&args[1], r);
        int64_t start = SQ_AT(int32_t, args[2], r), len = nargs > 3 ? SQ_AT(int32_t, args[3], r) : (int64_t)sq_cp_count(by);
        uint32_t before, after;
        char *p;

        if (start <= 0 || start > sq_cp_count(s)) {
            put(out, r, s);
            continue;
        }
        before = sq_cp_seek(s, 0, start - 1);
        after = len > 0 ? sq_cp_seek(s, before, len) : s.n;
        SQ_TRY(room(call, (uint64_t)before + by.n + (s.n - after), &p));
        if (before)
            memcpy(p, s.p, before);
        if (by.n)
            memcpy(p + before, by.p, by.n);
        if (s.n > after)
            memcpy(p + before + by.n, s.p + after, s.n - after);
        sq_put_view(out, r, p, before + by.n + (s.n - after));
    }
    return SQ_OK;
}

/* ---- case ---- */

static bool is_ascii(struct sq_str s)
{
    unsigned char any = 0;

    for (uint32_t i = 0; i < s.n; i++)
        any |= (unsigned char)s.p[i];
    return any < 0x80;
}

static char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static uint32_t encode(int32_t cp, char *p)
{
    return (uint32_t)utf8proc_encode_char(cp, (utf8proc_uint8_t *)p);
}

/* A letter that becomes several in upper case does so when its case is folded: ß, ﬁ, ŉ. */
static uint32_t upper_point(int32_t cp, char *p)
{
    utf8proc_int32_t fold[8];
    int last = 0;
    utf8proc_category_t kind = utf8proc_category(cp);
    utf8proc_ssize_t n = kind == UTF8PROC_CATEGORY_LU ? 1 : utf8proc_decompose_char(cp, fold, SQ_LEN(fold), UTF8PROC_CASEFOLD, &last);
    uint32_t at = 0;

    if (n <= 1 || n > (utf8proc_ssize_t)SQ_LEN(fold))
        return encode(utf8proc_toupper(cp), p);
    for (utf8proc_ssize_t i = 0; i < n; i++)
        at += encode(utf8proc_toupper(fold[i]), p + at);
    return at;
}

static bool is_letter(int32_t cp)
{
    utf8proc_category_t c = utf8proc_category(cp);

    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT || c == UTF8PROC_CATEGORY_LM;
}

static int32_t point_at(struct sq_str s, uint32_t at)
{
    utf8proc_int32_t cp = -1;

    utf8proc_iterate((const utf8proc_uint8_t *)s.p + at, (utf8proc_ssize_t)(s.n - at), &cp);
    return cp;
}

/* A capital sigma behind a letter and before none ends a word. */
static bool final_sigma(struct sq_str s, uint32_t at)
{
    uint32_t next = at + 2;

    return at > 0 && is_letter(point_at(s, sq_cp_back(s, at))) && (next >= s.n || !is_letter(point_at(s, next)));
}

static uint32_t lower_point(struct sq_str s, uint32_t at, int32_t cp, char *p)
{
    if (cp == 0x130)                         /* İ: i and a dot above */
        return encode('i', p) + encode(0x307, p + 1);
    if (cp == 0x3A3)
        return encode(final_sigma(s, at) ? 0x3C2 : 0x3C3, p);
    return encode(utf8proc_tolower(cp), p);
}

static sq_rc fold_text(struct sq_call *call, struct sq_str s, bool upper, struct sq_vec *out, uint32_t r)
{
    char *p;
    uint32_t at = 0;

    SQ_TRY(room(call, is_ascii(s) ? s.n : (uint64_t)s.n * 3 + 8, &p));    /* ΐ, two bytes, becomes three letters of two */
    if (is_ascii(s)) {
        for (; at < s.n; at++)
            p[at] = upper ? ascii_upper(s.p[at]) : ascii_lower(s.p[at]);
    } else
        for (uint32_t i = 0, n; i < s.n; i += n) {
            int32_t cp = point_at(s, i);

            n = sq_cp_step(s, i);
            if (cp < 0)
                p[at++] = s.p[i];
            else
                at += upper ? upper_point(cp, p + at) : lower_point(s, i, cp, p + at);
        }
    sq_put_view(out, r, p, at);
    return SQ_OK;
}

static sq_rc upper(TEXT_ARGS)
{
    (void)nargs;
    SQ_EACH_ROW(rows, i, r)
        SQ_TRY(fold_text(call, sq_text_at(&args[0], r), true, out, r));
    return SQ_OK;
}

static sq_rc lower(TEXT_ARGS)
{
    (void)nargs;
    SQ_EACH_ROW(rows, i, r)
        SQ_TRY(fold_text(call, sq_text_at(&args[0], r), false, out, r));
    return SQ_OK;
}

/* FLINK: only ASCII letters and digits make words. */
static sq_rc initcap(TEXT_ARGS)
{
    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r);
        bool start = true;
        char *p;

        SQ_TRY(room(call, s.n, &p));
        for (uint32_t k = 0; k < s.n; k++) {
            char c = s.p[k], u = ascii_upper(c);

            p[k] = start ? u : ascii_lower(c);
            start = !((u >= 'A' && u <= 'Z') || (c >= '0' && c <= '9'));
        }
        sq_put_view(out, r, p, s.n);
    }
    return SQ_OK;
}

#define F (SQ_STRICT | SQ_PURE)
#define MAYBE (F | SQ_ALWAYS_NULLABLE)
#define S1 "(STRING) -> STRING"
#define TRIM_SIG "(STRING [, STRING]) -> STRING"

const struct sq_function sq_functions_string[] = {
    {"CHAR_LENGTH", "(STRING) -> INT", F, char_length, NULL, "the number of characters", "CHAR_LENGTH('né') = 2", NULL},
    {"CHARACTER_LENGTH", "(STRING) -> INT", F, char_length, NULL, "the number of characters", "CHARACTER_LENGTH('abc') = 3", NULL},
    {"OCTET_LENGTH", "(STRING) -> INT", F, octet_length, NULL, "the number of bytes", "OCTET_LENGTH('né') = 3", NULL},
    {"SUBSTRING", "(STRING, INT [, INT]) -> STRING", MAYBE, substring, NULL, "the part from a position on (1 is the first, -1 the last), so many characters long",
     "SUBSTRING('abcdef', 2, 3) = 'bcd'", NULL},
    {"SUBSTR", "(STRING, INT [, INT]) -> STRING", MAYBE, substring, NULL, "the part from a position on (1 is the first, -1 the last), so many characters long",
     "SUBSTR('abcdef', -2) = 'ef'", NULL},
    {"LEFT", "(STRING, INT) -> STRING", F, left, NULL, "the first characters", "LEFT('abc', 2) = 'ab'", NULL},
    {"RIGHT", "(STRING, INT) -> STRING", F, right, NULL, "the last characters", "RIGHT('abc', 2) = 'bc'", NULL},
    {"TRIM", TRIM_SIG, F, trim_plain, NULL, "without blanks, or the characters given, at both ends", "TRIM('  a ') = 'a'", NULL},
    {"TRIM", "(SYMBOL, STRING, STRING) -> STRING", F, trim_from, NULL, "without the characters given at one end or both", "TRIM(LEADING 'x' FROM 'xxax') = 'ax'", NULL},
    {"BTRIM", TRIM_SIG, F, trim_plain, NULL, "without blanks, or the characters given, at both ends", "BTRIM('xax', 'x') = 'a'", NULL},
    {"LTRIM", TRIM_SIG, F, ltrim, NULL, "without blanks, or the characters given, at the beginning", "LTRIM('  a ') = 'a '", NULL},
    {"RTRIM", TRIM_SIG, F, rtrim, NULL, "without blanks, or the characters given, at the end", "RTRIM(' a  ') = ' a'", NULL},
    {"||", "(STRING, STRING) -> STRING", F | SQ_OPERATOR, concat, NULL, "both texts joined", "'a' || 'b' = 'ab'", NULL},
    {"CONCAT", "(STRING...) -> STRING", F, concat, NULL, "the texts joined; NULL if one is NULL", "CONCAT('a', 'b', 'c') = 'abc'", NULL},
    {"CONCAT_WS", "(STRING, STRING...) -> STRING", SQ_PURE, concat_ws, NULL, "the texts but NULLs, joined with the first argument between them",
     "CONCAT_WS('-', 'a', NULL, 'b') = 'a-b'", NULL},
    {"REPEAT", "(STRING, INT) -> STRING", F, repeat, NULL, "the text so many times", "REPEAT('ab', 2) = 'abab'", NULL},
    {"REVERSE", S1, F, reverse, NULL, "the characters backwards", "REVERSE('abc') = 'cba'", NULL},
    {"LPAD", "(STRING, INT, STRING) -> STRING", MAYBE, lpad, NULL, "the text filled up on the left to a length, or cut off to it", "LPAD('7', 3, '0') = '007'", NULL},
    {"RPAD", "(STRING, INT, STRING) -> STRING", MAYBE, rpad, NULL, "the text filled up on the right to a length, or cut off to it", "RPAD('7', 3, '0') = '700'", NULL},
    {"OVERLAY", "(STRING, STRING, INT [, INT]) -> STRING", F, overlay, NULL, "the text with a part replaced: by what, from where, how long",
     "OVERLAY('abcdef' PLACING 'xy' FROM 2 FOR 3) = 'axyef'", NULL},
    {"UPPER", S1, F, upper, NULL, "in upper case", "UPPER('né') = 'NÉ'", NULL},
    {"LOWER", S1, F, lower, NULL, "in lower case", "LOWER('NÉ') = 'né'", NULL},
    {"INITCAP", S1, F, initcap, NULL, "each word with a capital", "INITCAP('hello wORLD') = 'Hello World'", NULL},
    {0},
};
