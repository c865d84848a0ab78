/* SPDX-License-Identifier: Apache-2.0
 *
 * text.c: texts as codes and back: ASCII, CHR, HEX, base 64.
 */
#include "functions/kernel.h"

#define TEXT_ARGS struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out

/* FLINK: the first byte, signed as Java's are. */
static sq_rc ascii(TEXT_ARGS)
{
    (void)call, (void)nargs;
    SQ_MAP1(struct sq_view, int32_t, a.len ? (signed char)a.prefix[0] : 0);
    return SQ_OK;
}

static sq_rc chr(TEXT_ARGS)
{
    char buf[8];

    (void)call, (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        int64_t n = SQ_AT(int64_t, args[0], r);

        sq_put_view(out, r, buf, n < 0 ? 0 : (uint32_t)sq_utf8_put((uint32_t)(n & 0xFF), buf));
    }
    return SQ_OK;
}

static sq_rc hex_number(TEXT_ARGS)
{
    char buf[20];

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        uint64_t v = (uint64_t)SQ_AT(int64_t, args[0], r);
        int at = (int)sizeof buf;

        do
            buf[--at] = "0123456789ABCDEF"[v & 15];
        while (v >>= 4);
        SQ_TRY(sq_put_copy(call, out, r, buf + at, sizeof buf - (size_t)at));
    }
    return SQ_OK;
}

static sq_rc new_text(struct sq_call *call, uint64_t n, char **p)
{
    if (n > SQ_STRING_MAX)
        return sq_fail(call->ctx, SQ_LIMIT, "a text of %llu bytes is too long", (unsigned long long)n);
    *p = sq_text_room(call, (size_t)n + 4);
    return *p ? SQ_OK : call->ctx->err.rc;
}

static sq_rc hex_text(TEXT_ARGS)
{
    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r);
        char *p;

        SQ_TRY(new_text(call, (uint64_t)s.n * 2, &p));
        for (uint32_t k = 0; k < s.n; k++) {
            p[2 * k] = "0123456789ABCDEF"[(unsigned char)s.p[k] >> 4];
            p[2 * k + 1] = "0123456789ABCDEF"[s.p[k] & 15];
        }
        sq_put_view(out, r, p, s.n * 2);
    }
    return SQ_OK;
}

/* ---- base 64 (RFC 4648) ---- */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static sq_rc to_base64(TEXT_ARGS)
{
    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r);
        uint32_t at = 0;
        char *p;

        SQ_TRY(new_text(call, ((uint64_t)s.n + 2) / 3 * 4, &p));
        for (uint32_t k = 0; k < s.n; k += 3) {
            uint32_t left = s.n - k, v = (uint32_t)(unsigned char)s.p[k] << 16;

            v |= left > 1 ? (uint32_t)(unsigned char)s.p[k + 1] << 8 : 0;
            v |= left > 2 ? (unsigned char)s.p[k + 2] : 0;
            p[at++] = letters[v >> 18];
            p[at++] = letters[v >> 12 & 63];
            p[at++] = left > 1 ? letters[v >> 6 & 63] : '=';
            p[at++] = left > 2 ? letters[v & 63] : '=';
        }
        sq_put_view(out, r, p, at);
    }
    return SQ_OK;
}

static int value_of(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The number of bytes decoded to p, or -1. Padding may be missing, as Java's decoder has it, but not be too long or stand elsewhere than at the end. */
static int64_t decode(struct sq_str s, char *p)
{
    uint32_t n = s.n, v = 0, bits = 0;
    int64_t at = 0;

    while (n && s.p[n - 1] == '=')
        n--;
    if (s.n - n > 2 || (s.n != n && s.n % 4) || n % 4 == 1)
        return -1;
    for (uint32_t k = 0; k < n; k++) {
        int d = value_of(s.p[k]);

        if (d < 0)
            return -1;
        v = v << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            p[at++] = (char)(v >> bits & 0xFF);
        }
    }
    return at;
}

static sq_rc from_base64(TEXT_ARGS)
{
    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r);
        char cut[80];
        int64_t n;
        char *p;

        SQ_TRY(new_text(call, (uint64_t)s.n * 3 / 4 + 3, &p));
        n = decode(s, p);
        if (n < 0)
            return sq_fail(call->ctx, SQ_DATA, "'%s' is not base 64", sq_shorten(s, cut));
        if (!sq_utf8_valid(p, (size_t)n))
            return sq_fail(call->ctx, SQ_DATA, "what '%s' stands for in base 64 is not a text in UTF-8", sq_shorten(s, cut));
        sq_put_view(out, r, p, (uint32_t)n);
    }
    return SQ_OK;
}

#define F (SQ_STRICT | SQ_PURE)

const struct sq_function sq_functions_text[] = {
    {"ASCII", "(STRING) -> INT", F, ascii, NULL, "the code of the first character; 0 for an empty text", "ASCII('abc') = 97", NULL},
    {"CHR", "(BIGINT) -> STRING", F, chr, NULL, "the character of this code, modulo 256", "CHR(97) = 'a'", NULL},
    {"HEX", "(BIGINT) -> STRING", F, hex_number, NULL, "the number in hexadecimal", "HEX(255) = 'FF'", NULL},
    {"HEX", "(STRING) -> STRING", F, hex_text, NULL, "the text's bytes in hexadecimal", "HEX('hello') = '68656C6C6F'", NULL},
    {"TO_BASE64", "(STRING) -> STRING", F, to_base64, NULL, "the text's bytes in base 64", "TO_BASE64('hello') = 'aGVsbG8='", NULL},
    {"FROM_BASE64", "(STRING) -> STRING", F, from_base64, NULL, "the text that this base 64 stands for", "FROM_BASE64('aGVsbG8=') = 'hello'", NULL},
    {0},
};
