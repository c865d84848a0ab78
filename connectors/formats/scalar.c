/* SPDX-License-Identifier: Apache-2.0
 *
 * scalar.c: values as text and back, as Flink's text formats have them.
 */
#include "connectors/formats/scalar.h"

#include <stdio.h>

const char *sq_scalar_show(const char *p, size_t n, char *buf)
{
    static const char hex[] = "0123456789abcdef";
    enum { MAX = 60 };
    size_t take = n;
    char *to = buf;

    if (n > MAX) {
        take = MAX;
        while (take > MAX - 4 && ((unsigned char)p[take] & 0xc0) == 0x80)   /* not within a character */
            take--;
    }
    bool utf8 = sq_utf8_valid(p, take);
    for (size_t i = 0; i < take; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8)) {
            const char *known = c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : NULL;
            if (known) {
                memcpy(to, known, 2);
                to += 2;
            } else {
                memcpy(to, "\\x", 2);
                to[2] = hex[c >> 4];
                to[3] = hex[c & 15];
                to += 4;
            }
        } else {
            *to++ = (char)c;
        }
    }
    if (take < n) {
        memcpy(to, "\xe2\x80\xa6", 3);
        to += 3;
    }
    *to = 0;
    return buf;
}

const char *sq_scalar_type(struct sq_ctx *ctx, const struct sq_type *t, char *buf, size_t n)
{
    struct sq_buf b = {.ctx = ctx};
    struct sq_type nullable = *t;

    nullable.nullable = true;
    const char *name = sq_type_print(&b, &nullable) == SQ_OK && b.p ? b.p : sq_tid_name(t->id);
    snprintf(buf, n, "%s %s", strchr("AI", name[0]) ? "an" : "a", name);
    sq_buf_free(&b);
    return buf;
}

/* ---- numbers ---- */

struct sq_str sq_scalar_trim(struct sq_str s)
{
    while (s.n && (unsigned char)s.p[0] <= ' ')
        s.p++, s.n--;
    while (s.n && (unsigned char)s.p[s.n - 1] <= ' ')
        s.n--;
    return s;
}

bool sq_scalar_double(struct sq_str s, double *v)
{
    s = sq_scalar_trim(s);
    if (sq_parse_double(s, true, v))
        return true;
    if (s.n < 2 || !strchr("dDfF", s.p[s.n - 1]) || !((s.p[s.n - 2] >= '0' && s.p[s.n - 2] <= '9') || s.p[s.n - 2] == '.'))
        return false;
    s.n--;
    return sq_parse_double(s, false, v);
}

int sq_scalar_decimal(struct sq_str s, const struct sq_type *type, sq_i128 *v)
{
    double d;

    if (sq_parse_decimal(s, type->p, type->s, v))
        return 1;
    return sq_parse_double(s, false, &d) ? 0 : -1;         /* BigDecimal takes the same forms */
}

/* ---- dates and times: fixed forms, so that a longer or shorter text is an error ---- */

static bool two(const char *p, int max, int *v)
{
    unsigned a = (unsigned)(unsigned char)p[0] - '0', b = (unsigned)(unsigned char)p[1] - '0';
    *v = (int)(a * 10 + b);
    return a <= 9 && b <= 9 && *v <= max;
}

bool sq_scalar_date(const char **p, const char *end, int32_t *days)
{
    static const int8_t length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *s = *p;
    int century, year, month, day;

    if (end - s < 10 || !two(s, 99, &century) || !two(s + 2, 99, &year) || s[4] != '-' || !two(s + 5, 12, &month) || s[7] != '-' ||
        !two(s + 8, 31, &day))
        return false;
    year += century * 100;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1 || month < 1 || day < 1 || day > length[month - 1] + (month == 2 && leap))
        return false;
    *days = sq_days_from_civil(year, month, day);
    *p = s + 10;
    return true;
}

/* HH:mm:ss[.up to nine digits]; with `short_ok` the seconds may be missing. */
bool sq_scalar_time(const char **p, const char *end, bool short_ok, int64_t *ns)
{
    const char *s = *p;
    int h, m, sec = 0, digits = 0;
    int64_t fraction = 0;

    if (end - s < 5 || !two(s, 23, &h) || s[2] != ':' || !two(s + 3, 59, &m))
        return false;
    s += 5;
    if (s < end && *s == ':') {
        if (end - s < 3 || !two(s + 1, 59, &sec))
            return false;
        s += 3;
        if (s < end && *s == '.')
            for (s++; s < end && *s >= '0' && *s <= '9' && digits < 9; s++, digits++)
                fraction = fraction * 10 + (*s - '0');
        for (; digits < 9; digits++)
            fraction *= 10;
    } else if (!short_ok) {
        return false;
    }
    *ns = ((int64_t)h * 3600 + m * 60 + sec) * 1000000000 + fraction;
    *p = s;
    return true;
}

const int64_t sq_scalar_unit[10] = {1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};

bool sq_scalar_timestamp(struct sq_str s, bool iso, bool zone, int precision, struct sq_ts16 *out)
{
    const char *p = s.p, *end = s.p + s.n;
    int32_t days;
    int64_t ns;

    if (!sq_scalar_date(&p, end, &days) || p == end || (iso ? *p != 'T' && *p != 't' : *p != ' '))
        return false;
    p++;
    if (!sq_scalar_time(&p, end, iso && !zone, &ns))
        return false;
    if (zone && (p == end || *p++ != 'Z'))
        return false;
    if (p != end)
        return false;
    ns -= ns % sq_scalar_unit[precision < 0 ? 0 : precision > 9 ? 9 : precision];
    *out = (struct sq_ts16){.us = days * SQ_US_PER_DAY + ns / 1000, .ns = (int32_t)(ns % 1000)};
    return true;
}

/* ---- bytes ---- */

static int base64_digit(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648 with padding; white space between groups is passed over, as Jackson does. */
bool sq_scalar_base64(struct sq_str s, char *out, uint32_t *n)
{
    uint32_t group = 0, have = 0, pad = 0, len = 0;

    for (uint32_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' && have == 0)
            continue;
        int v = c == '=' && have >= 2 ? 0 : pad ? -1 : base64_digit(c);
        if (v < 0)
            return false;
        pad += c == '=';
        group = group << 6 | (uint32_t)v;
        if (++have < 4)
            continue;
        out[len++] = (char)(group >> 16);
        if (pad < 2)
            out[len++] = (char)(group >> 8);
        if (pad < 1)
            out[len++] = (char)group;
        have = 0;
        if (pad) {
            for (i++; i < s.n; i++)
                if ((unsigned char)s.p[i] > ' ')
                    return false;
        }
    }
    *n = len;
    return have == 0;
}

/* ---- printing ---- */

void sq_scalar_print_base64(struct sq_buf *b, const char *bytes, uint32_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)bytes;

    if (sq_buf_reserve(b, ((size_t)n + 2) / 3 * 4) != SQ_OK)
        return;
    for (; n >= 3; n -= 3, p += 3) {
        char g[4] = {digit[p[0] >> 2], digit[(p[0] & 3) << 4 | p[1] >> 4], digit[(p[1] & 15) << 2 | p[2] >> 6], digit[p[2] & 63]};
        sq_buf_add(b, g, 4);
    }
    if (n) {
        char g[4] = {digit[p[0] >> 2], digit[(p[0] & 3) << 4 | (n > 1 ? p[1] >> 4 : 0)], n > 1 ? digit[(p[1] & 15) << 2] : '=', '='};
        sq_buf_add(b, g, 4);
    }
}

/* BigDecimal.toString has an exponent where the scale is negative or the value is below 1e-6 with that scale. */
int sq_scalar_print_decimal(sq_i128 v, int scale, bool plain, char *buf)
{
    char digits[64];
    int n = sq_print_decimal(v, 0, digits), sign = v < 0, nd = n - sign, exponent = nd - 1 - scale, at = sign + 1;

    if (scale >= 0 && (plain || exponent >= -6))
        return sq_print_decimal(v, scale, buf);
    if (plain) {
        memcpy(buf, digits, (size_t)n);
        memset(buf + n, '0', (size_t)-scale);
        return n - scale;
    }
    memcpy(buf, digits, (size_t)at);
    if (nd > 1) {
        buf[at++] = '.';
        memcpy(buf + at, digits + sign + 1, (size_t)nd - 1);
        at += nd - 1;
    }
    buf[at++] = 'E';
    if (exponent > 0)
        buf[at++] = '+';
    return at + sq_print_int(exponent, buf + at);
}

static int trim_fraction(const char *text, int n)
{
    while (n > 0 && text[n - 1] == '0')
        n--;
    return n > 0 && text[n - 1] == '.' ? n - 1 : n;
}

int sq_scalar_print_timestamp(struct sq_ts16 t, bool iso, bool zone, char *buf)
{
    int n = trim_fraction(buf, sq_print_timestamp(t, 9, iso ? 'T' : ' ', buf));

    if (zone)
        buf[n++] = 'Z';
    return n;
}

int sq_scalar_print_time(int32_t ms, char *buf)
{
    return trim_fraction(buf, sq_print_time(ms, 3, buf));
}
