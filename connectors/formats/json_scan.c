/* SPDX-License-Identifier: Apache-2.0
 *
 * json_scan.c: strings with escapes and UTF-8, numbers, and passing over values: what is not on the hot path of json_scan.h.
 */
#include "connectors/formats/json_scan.h"

/* ---- strings ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(p[i]);
        if (d < 0)
            return -1;
        v = v << 4 | d;
    }
    return v;
}

/* The length of the UTF-8 sequence at p, or 0 when it is not one. */
static unsigned utf8_sequence(const char *p, const char *end)
{
    unsigned char c = (unsigned char)*p;
    unsigned n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    return (size_t)(end - p) >= n && sq_utf8_valid(p, n) ? n : 0;
}

bool sq_json_string_slow(struct sq_json_in *in, const char *from, const char *at, struct sq_json_text *t)
{
    const char *p = at, *end = in->end;

    t->escaped = false;
    for (;; p = sq_json_special(p, end)) {
        if (p >= end)
            return sq_json_fail(in, from - 1, "this string is not closed");
        if (*p == '"')
            break;
        if (*p == '\\') {
            t->escaped = true;
            if (end - p < 2)
                return sq_json_fail(in, from - 1, "this string is not closed");
            if (p[1] == 'u') {
                if (end - p < 6 || hex4(p + 2) < 0)
                    return sq_json_fail(in, p, "\\u takes four hexadecimal digits");
                p += 6;
            } else if (p[1] && strchr("\"\\/bfnrt", p[1])) {
                p += 2;
            } else {
                return sq_json_fail(in, p, "unknown escape");
            }
        } else if (*p == 0) {
            return sq_json_fail(in, p, "a NUL byte in a string");
        } else {
            do {                                       /* a run of text that is not ASCII */
                unsigned n = utf8_sequence(p, end);
                if (n == 0)
                    return sq_json_fail(in, p, "invalid UTF-8");
                p += n;
            } while (p < end && (signed char)*p < 0);
        }
    }
    if ((uint64_t)(p - from) > UINT32_MAX / 2)
        return sq_json_fail(in, from - 1, "this string is too long");
    t->p = from;
    t->n = (uint32_t)(p - from);
    in->p = p + 1;
    return true;
}

uint32_t sq_json_unescape(struct sq_json_text t, char *buf)
{
    const char *p = t.p, *end = t.p + t.n;
    char *to = buf;

    while (p < end) {
        if (*p != '\\') {
            *to++ = *p++;
            continue;
        }
        char c = p[1];
        if (c != 'u') {
            *to++ = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c;
            p += 2;
            continue;
        }
        uint32_t u = (uint32_t)hex4(p + 2);
        p += 6;
        if (u >= 0xd800 && u < 0xe000) {
            int low = u < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2) : -1;
            if (low >= 0xdc00 && low < 0xe000) {
                u = 0x10000 + ((u - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
                p += 6;
            } else {
                u = '?';                               /* half of a pair: what Java writes for it */
            }
        }
        to += sq_utf8_put(u, to);
    }
    return (uint32_t)(to - buf);
}

/* ---- numbers ---- */

/* The usual number: at most 15 digits, at most 7 more behind a point, no exponent, inside the record. */
static inline bool usual_number(struct sq_json_in *in, struct sq_json_number *n)
{
    static const uint32_t pow10[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    const char *p = in->p + (*in->p == '-'), *q;
    uint64_t w, m;
    unsigned have = sq_scalar_digits(p, &w), more = 0, behind = 0;

    if (have == 0 || (*p == '0' && have > 1))
        return false;
    m = sq_scalar_some(w, have);
    q = p + have;
    if (have == 8) {
        more = sq_scalar_digits(q, &w);
        if (more == 8)
            return false;
        m = more ? m * pow10[more] + sq_scalar_some(w, more) : m;
        q += more;
    }
    if (*q == '.') {
        behind = sq_scalar_digits(q + 1, &w);
        if (behind == 0 || behind == 8 || more > 4)    /* 12 and 7 digits at most: they fit 64 bits */
            return false;
        m = m * pow10[behind] + sq_scalar_some(w, behind);
        q += 1 + behind;
    }
    if (q >= in->end || (*q | 0x20) == 'e')
        return false;
    *n = (struct sq_json_number){in->p, (uint32_t)(q - in->p), *in->p == '-', behind > 0, true, m, -(int)behind};
    in->p = q;
    return true;
}

bool sq_json_number(struct sq_json_in *in, struct sq_json_number *n)
{
    const char *p = in->p, *end = in->end;
    unsigned digits = 0;                               /* significant ones */

    if (SQ_LIKELY(usual_number(in, n)))
        return true;

    *n = (struct sq_json_number){.p = p, .exact = true};
    if (p < end && *p == '-') {
        n->negative = true;
        p++;
    }
    if (p >= end || *p < '0' || *p > '9')
        return sq_json_fail(in, n->p, "not a number");
    if (*p == '0' && p + 1 < end && p[1] >= '0' && p[1] <= '9')
        return sq_json_fail(in, n->p, "a number with a leading zero");
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (digits < 19) {
            n->mant = n->mant * 10 + (uint64_t)(*p - '0');
            digits += n->mant != 0;
        } else {
            n->exp10++;
            n->exact = false;
        }
    }
    if (p < end && *p == '.') {
        n->is_float = true;
        if (++p >= end || *p < '0' || *p > '9')
            return sq_json_fail(in, n->p, "a digit must follow the decimal point");
        for (; p < end && *p >= '0' && *p <= '9'; p++) {
            if (digits < 19) {
                n->mant = n->mant * 10 + (uint64_t)(*p - '0');
                digits += n->mant != 0;
                n->exp10--;
            } else if (*p != '0') {
                n->exact = false;
            }
        }
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        bool negative = false;
        int exp = 0;
        n->is_float = true;
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            negative = *p++ == '-';
        if (p >= end || *p < '0' || *p > '9')
            return sq_json_fail(in, n->p, "a digit must follow the exponent's letter");
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            exp = exp < 100000 ? exp * 10 + (*p - '0') : exp;
        if (exp >= 100000)
            n->exact = false;
        n->exp10 += negative ? -exp : exp;
    }
    if ((uint64_t)(p - n->p) > UINT32_MAX / 2)
        return sq_json_fail(in, n->p, "this number is too long");
    n->n = (uint32_t)(p - n->p);
    in->p = p;
    return true;
}

double sq_json_double(const struct sq_json_number *n)
{
    double d = 0;
    if (!n->exact || !sq_double_from_parts(n->mant, n->exp10, n->negative, &d))
        (void)sq_parse_double((struct sq_str){n->p, n->n}, false, &d);
    return d;
}

/* FLINK: Jackson rounds to double first, too. */
float sq_json_float(const struct sq_json_number *n)
{
    return (float)sq_json_double(n);
}

/* ---- structure ---- */

bool sq_json_literal(struct sq_json_in *in, const char *word, uint32_t n)
{
    if ((size_t)(in->end - in->p) < n || memcmp(in->p, word, n) != 0)
        return sq_json_fail(in, in->p, "not a JSON value");
    in->p += n;
    return true;
}

static bool skip_scalar(struct sq_json_in *in)
{
    struct sq_json_text t;
    struct sq_json_number n;

    if (in->p >= in->end)
        return sq_json_fail(in, in->p, "the record ends where a value should be");
    switch (*in->p) {
    case '"':
        return sq_json_string(in, &t);
    case 't':
        return sq_json_literal(in, "true", 4);
    case 'f':
        return sq_json_literal(in, "false", 5);
    case 'n':
        return sq_json_literal(in, "null", 4);
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return sq_json_number(in, &n);
    default:
        return sq_json_fail(in, in->p, "not a JSON value");
    }
}

/* Containers are kept as a stack of bits (1: object), so that depth costs no C stack. */
bool sq_json_skip(struct sq_json_in *in, int depth)
{
    uint64_t object[(SQ_JSON_DEPTH + 64) / 64];
    int base = depth;
    bool more;
    struct sq_json_text key;

    for (;;) {
        if (in->p < in->end && (*in->p == '{' || *in->p == '[')) {
            bool is_object = *in->p == '{';
            if (depth >= SQ_JSON_DEPTH)
                return sq_json_fail(in, in->p, "nested deeper than 1000 levels");
            object[depth / 64] = (object[depth / 64] & ~((uint64_t)1 << depth % 64)) | (uint64_t)is_object << depth % 64;
            depth++;
            if (!sq_json_open(in, is_object ? '}' : ']', &more))
                return false;
            if (more) {
                if (is_object && !sq_json_key(in, &key))
                    return false;
                continue;
            }
            depth--;
        } else if (!skip_scalar(in)) {
            return false;
        }
        for (;;) {                                     /* a value has ended: what follows it */
            if (depth == base)
                return true;
            bool is_object = object[(depth - 1) / 64] >> (depth - 1) % 64 & 1;
            if (!sq_json_next(in, is_object ? '}' : ']', &more))
                return false;
            if (more) {
                if (is_object && !sq_json_key(in, &key))
                    return false;
                break;
            }
            depth--;
        }
    }
}

/* ---- text of values ---- */

void sq_json_escape(struct sq_buf *b, const char *p, uint32_t n)
{
    static const char hex[] = "0123456789ABCDEF";
    uint32_t from = 0;

    for (uint32_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (SQ_LIKELY(c >= 0x20 && c != '"' && c != '\\'))
            continue;
        sq_buf_add(b, p + from, i - from);
        from = i + 1;
        const char *known = c ? strchr("\"\"\\\\\bb\ff\nn\rr\tt", c) : NULL;
        char esc[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        if (known)
            esc[1] = known[1];
        sq_buf_add(b, esc, known ? 2 : 6);
    }
    sq_buf_add(b, p + from, n - from);
}

static void compact_string(struct sq_buf *b, struct sq_json_text t)
{
    sq_buf_putc(b, '"');
    if (!t.escaped) {
        sq_json_escape(b, t.p, t.n);
    } else if (sq_buf_reserve(b, (size_t)t.n + 16) == SQ_OK) {
        struct sq_buf tmp = {.ctx = b->ctx};           /* escapes are read and written anew: \u00e9 becomes a letter */
        if (sq_buf_reserve(&tmp, t.n) == SQ_OK)
            sq_json_escape(b, tmp.p, sq_json_unescape(t, tmp.p));
        else
            b->rc = tmp.rc;
        sq_buf_free(&tmp);
    }
    sq_buf_putc(b, '"');
}

void sq_json_compact(struct sq_buf *b, const char *p, const char *end, bool plain_floats)
{
    struct sq_json_in in = {.p = p, .end = end, .start = p};
    struct sq_json_text t;
    struct sq_json_number n;
    char buf[32];

    for (sq_json_ws(&in); in.p < end && b->rc == SQ_OK; sq_json_ws(&in)) {
        if (*in.p == '"' && sq_json_string(&in, &t)) {
            compact_string(b, t);
        } else if ((*in.p == '-' || (*in.p >= '0' && *in.p <= '9')) && sq_json_number(&in, &n)) {
            double d = n.is_float && !plain_floats ? sq_json_double(&n) : 0;
            if (n.is_float && !plain_floats && d - d == 0)
                sq_buf_add(b, buf, (size_t)sq_print_double(d, buf));
            else
                sq_buf_add(b, n.p, n.n);
        } else {
            sq_buf_putc(b, *in.p++);
        }
    }
}
