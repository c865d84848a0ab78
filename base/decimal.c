/* SPDX-License-Identifier: Apache-2.0
 *
 * decimal.c: DECIMAL arithmetic on unscaled 128-bit integers.
 *
 * Every operation works on magnitudes with the sign apart, in native 128-bit arithmetic where the numbers are small enough and in 256 bits (four
 * 64-bit limbs) otherwise; division of 256 by 128 bits is the schoolbook method on 64-bit limbs. Results are rounded half up (away from zero on
 * a tie), as Flink's DecimalData does, once, at the very end.
 *
 * Invariant: operands have at most 38 digits and scales of 0..38.
 * FLINK: its quotient is rounded to 38 significant digits first and to the scale after that; here it is rounded once.
 */
#include "base/text.h"

typedef unsigned __int128 u128;

struct u256 {
    u128 lo, hi;
};

#define E9 ((sq_i128)1000000000)
#define E18 ((sq_i128)1000000000000000000)
#define E27 (E18 * E9)
#define E36 (E18 * E18)
const sq_i128 sq_pow10_i128[39] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
    E9, E9 * 10, E9 * 100, E9 * 1000, E9 * 10000, E9 * 100000, E9 * 1000000, E9 * 10000000, E9 * 100000000,
    E18, E18 * 10, E18 * 100, E18 * 1000, E18 * 10000, E18 * 100000, E18 * 1000000, E18 * 10000000, E18 * 100000000,
    E27, E27 * 10, E27 * 100, E27 * 1000, E27 * 10000, E27 * 100000, E27 * 1000000, E27 * 10000000, E27 * 100000000,
    E36, E36 * 10, E36 * 100,
};

static u128 magnitude(sq_i128 v)
{
    return v < 0 ? -(u128)v : (u128)v;
}

static u128 pow10u(int n)
{
    return (u128)sq_pow10_i128[n];
}

/* ---- 256 bits ---- */

static struct u256 wide(u128 v)
{
    return (struct u256){v, 0};
}

static struct u256 wide_mul(u128 a, u128 b)
{
    uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64), b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
    u128 p00 = (u128)a0 * b0, p01 = (u128)a0 * b1, p10 = (u128)a1 * b0, p11 = (u128)a1 * b1;
    u128 mid = (p00 >> 64) + (uint64_t)p01 + (uint64_t)p10;

    return (struct u256){(uint64_t)p00 | mid << 64, p11 + (p01 >> 64) + (p10 >> 64) + (mid >> 64)};
}

static struct u256 wide_add(struct u256 a, struct u256 b)
{
    struct u256 r = {a.lo + b.lo, a.hi + b.hi};

    r.hi += r.lo < a.lo;
    return r;
}

static struct u256 wide_sub(struct u256 a, struct u256 b)
{
    struct u256 r = {a.lo - b.lo, a.hi - b.hi};

    r.hi -= a.lo < b.lo;
    return r;
}

static int wide_cmp(struct u256 a, struct u256 b)
{
    if (a.hi != b.hi)
        return a.hi < b.hi ? -1 : 1;
    return a.lo < b.lo ? -1 : a.lo > b.lo;
}

static uint64_t wide_limb(struct u256 v, int i)
{
    return (uint64_t)((i < 2 ? v.lo : v.hi) >> (64 * (i & 1)));
}

/* Divides the three limbs n2 n1 n0 (n2 n1 < d) by the normalized two limbs of d: one limb of quotient, the rest in *rem. */
static uint64_t div_step(u128 top, uint64_t low, u128 d, u128 *rem)
{
    uint64_t d1 = (uint64_t)(d >> 64), d0 = (uint64_t)d, n2 = (uint64_t)(top >> 64);
    u128 q = n2 >= d1 ? ~(uint64_t)0 : top / d1;
    u128 r = top - q * d1;

    while (r <= ~(uint64_t)0 && q * d0 > (r << 64 | low)) {
        q--;
        r += d1;
    }
    *rem = (top << 64 | low) - q * d;     /* exact modulo 2^128, and the remainder is below d */
    return (uint64_t)q;
}

/* n / d with d != 0. */
static struct u256 wide_div(struct u256 n, u128 d, u128 *rem)
{
    uint64_t q[4] = {0};
    uint64_t l[5];
    int shift;
    u128 r;

    if (n.hi == 0) {
        *rem = n.lo % d;
        return wide(n.lo / d);
    }
    if (d >> 64 == 0) {
        r = 0;
        for (int i = 3; i >= 0; i--) {
            u128 part = r << 64 | wide_limb(n, i);
            q[i] = (uint64_t)(part / d);
            r = part % d;
        }
    } else {
        shift = __builtin_clzll((uint64_t)(d >> 64));
        for (int i = 0; i < 4; i++)
            l[i] = wide_limb(n, i) << shift | (shift && i ? wide_limb(n, i - 1) >> (64 - shift) : 0);
        l[4] = shift ? wide_limb(n, 3) >> (64 - shift) : 0;
        r = (u128)l[4] << 64 | l[3];
        for (int i = 2; i >= 0; i--)
            q[i] = div_step(r, l[i], d << shift, &r);
        r >>= shift;
    }
    *rem = r;
    return (struct u256){(u128)q[1] << 64 | q[0], (u128)q[3] << 64 | q[2]};
}

/* ---- rounding ---- */

/* A magnitude with its sign, if it has at most `precision` digits. */
static bool finish(u128 m, bool negative, int precision, sq_i128 *out)
{
    if (m >= pow10u(precision))
        return false;
    *out = negative ? -(sq_i128)m : (sq_i128)m;
    return true;
}

static bool finish_wide(struct u256 m, bool negative, int precision, sq_i128 *out)
{
    return m.hi == 0 && finish(m.lo, negative, precision, out);
}

/* v / 10^down, rounded half up; down may be up to 76. */
static struct u256 shrink(struct u256 v, int down)
{
    u128 rem = 0, step;
    bool up = false;

    while (down > 0) {
        int n = down > 38 ? 38 : down;

        step = pow10u(n);
        v = wide_div(v, step, &rem);
        up = rem >= step - rem;      /* only the last step's digit decides, and it sees the highest digits cut off */
        down -= n;
    }
    return up ? wide_add(v, wide(1)) : v;
}

bool sq_decimal_rescale(sq_i128 v, int from_scale, int precision, int to_scale, sq_i128 *out)
{
    u128 m = magnitude(v);
    int by = to_scale - from_scale;

    if (by == 0)
        return finish(m, v < 0, precision, out);
    if (by > 0) {
        if (m > pow10u(38 - by))
            return false;
        return finish(m * pow10u(by), v < 0, precision, out);
    }
    u128 d = pow10u(-by), q = m / d, r = m % d;

    return finish(q + (r >= d - r), v < 0, precision, out);
}

/* ---- arithmetic ---- */

/* A magnitude scaled up by 10^n, n in 0..38. */
static struct u256 grow(u128 m, int n)
{
    return n ? wide_mul(m, pow10u(n)) : wide(m);
}

static bool finish_scaled(struct u256 m, bool negative, int from_scale, int precision, int scale, sq_i128 *out)
{
    if (scale < from_scale)
        m = shrink(m, from_scale - scale);
    if (scale <= from_scale)
        return finish_wide(m, negative, precision, out);
    if (m.hi || m.lo > pow10u(38 - (scale - from_scale)))
        return false;
    return finish(m.lo * pow10u(scale - from_scale), negative, precision, out);
}

bool sq_decimal_add(sq_i128 a, int sa, sq_i128 b, int sb, int precision, int scale, sq_i128 *out)
{
    int s = sa > sb ? sa : sb;
    bool na = a < 0, nb = b < 0, negative = na;
    struct u256 x, y, sum;

    if (sa == sb && sa == scale) {           /* two values below 10^38 sum up to less than 2^127 */
        sq_i128 v;

        if (__builtin_add_overflow(a, b, &v))
            return false;
        return finish(magnitude(v), v < 0, precision, out);
    }
    x = grow(magnitude(a), s - sa);
    y = grow(magnitude(b), s - sb);
    if (na == nb)
        sum = wide_add(x, y);
    else if (wide_cmp(x, y) >= 0)
        sum = wide_sub(x, y);
    else {
        sum = wide_sub(y, x);
        negative = nb;
    }
    return finish_scaled(sum, negative, s, precision, scale, out);
}

bool sq_decimal_mul(sq_i128 a, int sa, sq_i128 b, int sb, int precision, int scale, sq_i128 *out)
{
    return finish_scaled(wide_mul(magnitude(a), magnitude(b)), (a < 0) != (b < 0), sa + sb, precision, scale, out);
}

/* a * 10^up / b to the nearest, for up > 38: in two steps, as a * 10^76 does not fit. */
static bool div_far(u128 a, int up, u128 b, bool negative, int precision, sq_i128 *out)
{
    u128 rem, rem2;
    struct u256 q = wide_div(grow(a, 38), b, &rem), q2;
    int more = up - 38;

    if (q.hi || q.lo > pow10u(38 - more))
        return false;
    q2 = wide_div(grow(rem, more), b, &rem2);
    q = wide_add(wide(q.lo * pow10u(more)), q2);
    if (rem2 >= b - rem2)
        q = wide_add(q, wide(1));
    return finish_wide(q, negative, precision, out);
}

bool sq_decimal_div(sq_i128 a, int sa, sq_i128 b, int sb, int precision, int scale, sq_i128 *out)
{
    u128 x = magnitude(a), y = magnitude(b), rem;
    bool negative = (a < 0) != (b < 0);
    int up = scale + sb - sa;
    struct u256 q, d;

    if (b == 0)
        return false;
    if (up > 38)
        return div_far(x, up, y, negative, precision, out);
    if (up >= 0) {
        q = wide_div(grow(x, up), y, &rem);
        if (rem >= y - rem)
            q = wide_add(q, wide(1));
        return finish_wide(q, negative, precision, out);
    }
    d = grow(y, -up);
    if (d.hi || d.lo > (u128)1 << 127)       /* more than twice any dividend: rounds to 0 */
        return finish(0, false, precision, out);
    q = wide(x / d.lo);
    rem = x % d.lo;
    if (rem >= d.lo - rem)
        q = wide_add(q, wide(1));
    return finish_wide(q, negative, precision, out);
}

bool sq_decimal_mod(sq_i128 a, int sa, sq_i128 b, int sb, int precision, int scale, sq_i128 *out)
{
    int s = sa > sb ? sa : sb;
    struct u256 x, y;
    u128 rem;

    if (b == 0)
        return false;
    x = grow(magnitude(a), s - sa);
    y = grow(magnitude(b), s - sb);
    if (y.hi)                                /* then b was scaled up and a was not: it is smaller */
        rem = x.lo;
    else
        wide_div(x, y.lo, &rem);
    return finish_scaled(wide(rem), a < 0, s, precision, scale, out);
}

int sq_decimal_cmp(sq_i128 a, int sa, sq_i128 b, int sb)
{
    int s = sa > sb ? sa : sb, c;

    if (sa == sb || (a < 0) != (b < 0) || a == 0 || b == 0)
        return a < b ? -1 : a > b;
    c = wide_cmp(grow(magnitude(a), s - sa), grow(magnitude(b), s - sb));
    return a < 0 ? -c : c;
}

/* ---- text ---- */

int sq_print_decimal(sq_i128 v, int scale, char *buf)
{
    char digits[48];
    int n = 0, at = 0;
    u128 m = magnitude(v);

    while (m >> 64) {                        /* 128-bit division is slow: eighteen digits at once */
        uint64_t part = (uint64_t)(m % (u128)E18);

        m /= (u128)E18;
        for (int i = 0; i < 18; i++, part /= 10)
            digits[n++] = (char)('0' + part % 10);
    }
    for (uint64_t part = (uint64_t)m; part; part /= 10)
        digits[n++] = (char)('0' + part % 10);
    while (n <= scale)
        digits[n++] = '0';
    if (v < 0)
        buf[at++] = '-';
    while (n > scale)
        buf[at++] = digits[--n];
    if (scale) {
        buf[at++] = '.';
        while (n)
            buf[at++] = digits[--n];
    }
    buf[at] = 0;
    return at;
}

/* What stands in a number's text: `digits` (point included) of which `before` stand before the point, and an exponent. */
struct parts {
    bool negative;
    struct sq_str digits;
    int64_t before, exp;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool split_exponent(const char *p, const char *end, int64_t *exp)
{
    bool negative = false;
    int64_t e = 0;

    if (p < end && (*p == '+' || *p == '-'))
        negative = *p++ == '-';
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return false;
        if (e < 1000000)
            e = e * 10 + (*p - '0');
    }
    *exp = negative ? -e : e;
    return true;
}

static bool split(struct sq_str s, struct parts *out)
{
    const char *p = s.p, *end = p + s.n, *from;
    bool any = false;

    memset(out, 0, sizeof *out);
    out->before = -1;
    if (p < end && (*p == '+' || *p == '-'))
        out->negative = *p++ == '-';
    for (from = p; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.' && out->before < 0)
            out->before = p - from;
        else if (is_digit(*p))
            any = true;
        else
            return false;
    }
    out->digits = (struct sq_str){from, (uint32_t)(p - from)};
    if (out->before < 0)
        out->before = p - from;
    return any && (p == end || split_exponent(p + 1, end, &out->exp));
}

bool sq_parse_decimal(struct sq_str s, int precision, int scale, sq_i128 *out)
{
    struct parts n;
    int64_t weight;                          /* of the next digit: 10^weight */
    u128 m = 0;

    if (!split(s, &n))
        return false;
    weight = n.before + n.exp - 1;
    for (uint32_t i = 0; i < n.digits.n; i++) {
        char c = n.digits.p[i];

        if (c == '.')
            continue;
        if (weight < -(int64_t)scale) {
            if (weight == -(int64_t)scale - 1 && c >= '5')
                m++;
            return finish(m, n.negative, precision, out);
        }
        if (m >= pow10u(37))
            return false;
        m = m * 10 + (u128)(c - '0');
        weight--;
    }
    for (; weight >= -(int64_t)scale && m; weight--) {
        if (m >= pow10u(37))
            return false;
        m *= 10;
    }
    return finish(m, n.negative, precision, out);
}

double sq_decimal_to_double(sq_i128 v, int scale)
{
    static const double exact[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
                                   1e20, 1e21, 1e22};
    char buf[48];
    double d = 0;

    if (scale < (int)SQ_LEN(exact) && magnitude(v) <= (u128)1 << 53)
        return (double)(int64_t)v / exact[scale];      /* both exact: one rounding */
    sq_parse_double((struct sq_str){buf, (uint32_t)sq_print_decimal(v, scale, buf)}, false, &d);
    return d;
}

bool sq_decimal_from_double(double d, int precision, int scale, sq_i128 *out)
{
    char buf[32];
    int n;

    if (!(d - d == 0))                       /* NaN, infinity */
        return false;
    n = sq_print_double(d, buf);             /* by its shortest digits, as BigDecimal.valueOf does */
    return sq_parse_decimal((struct sq_str){buf, (uint32_t)n}, precision, scale, out);
}
