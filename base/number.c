/* SPDX-License-Identifier: Apache-2.0
 *
 * number.c: integers and floating-point numbers as text and back, independent of the locale.
 *
 * Reading: the digits are gathered into a 64-bit integer and a power of ten. Small ones are one exact multiplication or division; the
 * others are multiplied by a 128-bit power of ten (Eisel and Lemire), which decides all but a few; those few, and numbers of more
 * than 19 digits that could round either way, are compared with the point halfway between two doubles in big integers. So every
 * result is correctly rounded.
 *
 * Printing: the shortest digits that read back as the same number, and of these the nearest to it (Giulietti's Schubfach), in the spelling of
 * Java's Double.toString since JDK 19: at least one digit behind the point, an exponent below 1e-3 and from 1e7.
 */
#include "base/text.h"

#include "base/pow10.h"

#include <math.h>

typedef unsigned __int128 u128;

/* ---- integers ---- */

bool sq_parse_int(struct sq_str s, int64_t *out)
{
    uint32_t i = 0;
    bool negative = false;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
        negative = s.p[0] == '-';
        i = 1;
    }
    if (i == s.n)
        return false;
    uint64_t v = 0;
    for (; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static int print_digits(uint64_t v, char *buf)
{
    char tmp[20];
    int n = 0;

    do
        tmp[n++] = (char)('0' + v % 10);
    while (v /= 10);
    for (int i = 0; i < n; i++)
        buf[i] = tmp[n - 1 - i];
    return n;
}

int sq_print_int(int64_t v, char *buf)
{
    int n = 0;

    if (v < 0)
        buf[n++] = '-';
    n += print_digits(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, buf + n);
    buf[n] = 0;
    return n;
}

/* ---- reading ---- */

static const double small_pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static double from_bits(uint64_t bits, bool negative)
{
    double d;
    bits |= (uint64_t)negative << 63;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static int floor_log2_pow10(int q) { return (q * 217706) >> 16; }    /* exact for |q| <= 1233 */

/* The bits of the double nearest to w * 10^q. False: the 128 bits of the power do not decide (then *bits is at most one off). */
static bool nearest_bits(uint64_t w, int q, uint64_t *bits)
{
    const uint64_t infinity = UINT64_C(0x7ff) << 52;
    bool sure = true;

    *bits = 0;
    if (w == 0 || q < SQ_POW10_MIN)
        return true;
    if (q > 308) {
        *bits = infinity;
        return true;
    }
    int lz = __builtin_clzll(w);
    w <<= lz;
    u128 power = (u128)sq_pow10_128[q - SQ_POW10_MIN][0] << 64 | sq_pow10_128[q - SQ_POW10_MIN][1];
    if (q < 0)
        power++;                                     /* reciprocals are rounded up */
    u128 first = (u128)w * (uint64_t)(power >> 64);
    uint64_t hi = (uint64_t)(first >> 64), lo = (uint64_t)first;
    if ((hi & 0x1ff) == 0x1ff) {                     /* a carry from the low half could reach the rounding bit */
        uint64_t more = (uint64_t)((u128)w * (uint64_t)power >> 64);
        lo += more;
        hi += lo < more;
        if (lo == UINT64_MAX && (q < -27 || q > 55))
            sure = false;
    }
    int top = (int)(hi >> 63);
    uint64_t m = hi >> (top + 9);                    /* 53 bits and the one to round by */
    int exponent = floor_log2_pow10(q) + 63 + top - lz + 1023;
    if (exponent <= 0) {                             /* subnormal, or nothing */
        if (exponent <= -63)
            return sure;
        m >>= 1 - exponent;
        m = (m + (m & 1)) >> 1;
        *bits = m;                                   /* 2^52 is the smallest normal number by itself */
        return sure;
    }
    /* exactly halfway happens only for small powers: then to even */
    if (lo <= 1 && q >= -4 && q <= 23 && (m & 3) == 1 && m << (top + 9) == hi)
        m &= ~UINT64_C(1);
    m = (m + (m & 1)) >> 1;
    if (m >> 53) {
        m >>= 1;
        exponent++;
    }
    *bits = exponent >= 0x7ff ? infinity : (m & ((UINT64_C(1) << 52) - 1)) | (uint64_t)exponent << 52;
    return sure;
}

bool sq_double_from_parts(uint64_t mant, int exp10, bool negative, double *out)
{
    if (SQ_LIKELY(mant <= UINT64_C(1) << 53)) {
        if (exp10 <= 0 && exp10 >= -22) {
            double d = (double)mant / small_pow10[-exp10];
            *out = negative ? -d : d;
            return true;
        }
        if (exp10 > 0 && exp10 <= 22) {
            double d = (double)mant * small_pow10[exp10];
            *out = negative ? -d : d;
            return true;
        }
    }
    uint64_t bits;
    if (!nearest_bits(mant, exp10, &bits))
        return false;
    *out = from_bits(bits, negative);
    return true;
}

/* Big integers for the undecided: 32-bit limbs, lowest first. 800 digits, a power of ten and one of two fit. */
enum { BIG_LIMBS = 256, BIG_DIGITS = 800 };
struct big {
    uint32_t n, limb[BIG_LIMBS];
};

static void big_mul_add(struct big *b, uint32_t factor, uint32_t add)
{
    uint64_t carry = add;

    for (uint32_t i = 0; i < b->n; i++) {
        carry += (uint64_t)b->limb[i] * factor;
        b->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry && b->n < BIG_LIMBS)
        b->limb[b->n++] = (uint32_t)carry;
}

static void big_mul_pow10(struct big *b, int exp)
{
    for (; exp >= 9; exp -= 9)
        big_mul_add(b, 1000000000, 0);
    for (; exp > 0; exp--)
        big_mul_add(b, 10, 0);
}

static void big_shift(struct big *b, int bits)
{
    uint32_t words = (uint32_t)bits / 32;

    big_mul_add(b, (uint32_t)1 << (bits % 32), 0);
    if (words && b->n) {
        if (b->n + words > BIG_LIMBS)
            words = BIG_LIMBS - b->n;
        memmove(b->limb + words, b->limb, b->n * sizeof b->limb[0]);
        memset(b->limb, 0, words * sizeof b->limb[0]);
        b->n += words;
    }
}

static int big_cmp(const struct big *a, const struct big *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (uint32_t i = a->n; i-- > 0;)
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

/* Compares digits * 10^exp10 with the point halfway between the double `bits` and the next above. */
static int cmp_halfway(const struct big *digits, int exp10, uint64_t bits)
{
    struct big left = *digits, right = {0};
    uint64_t m = bits & ((UINT64_C(1) << 52) - 1);
    int e = (int)(bits >> 52);

    if (e)
        m |= UINT64_C(1) << 52;
    else
        e = 1;
    m = m * 2 + 1;
    e -= 1023 + 53;                                   /* halfway = m * 2^e */
    right.limb[0] = (uint32_t)m;
    right.limb[1] = (uint32_t)(m >> 32);
    right.n = right.limb[1] ? 2 : 1;
    if (exp10 > 0)
        big_mul_pow10(&left, exp10);
    else
        big_mul_pow10(&right, -exp10);
    if (e > 0)
        big_shift(&right, e);
    else
        big_shift(&left, -e);
    return big_cmp(&left, &right);
}

/* The number as scanned: its significant digits lie in [first, last) (with a point among them). */
struct parts {
    uint64_t mant;            /* the first 19 significant digits */
    int exp10;                /* value = mant * 10^exp10 (and more digits behind) */
    bool negative, more;      /* more: digits behind the 19 are not all zero */
    const char *first, *last;
    int exp_written;
};

static double read_exactly(const struct parts *n)
{
    struct big digits = {0};
    uint64_t bits, low;
    int taken = 0, exp10 = n->exp_written;
    bool point = false, rest = false;

    for (const char *p = n->first; p < n->last; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        if (taken < BIG_DIGITS) {
            if (taken || *p != '0') {
                if (digits.n == 0) {
                    digits.limb[0] = (uint32_t)(*p - '0');
                    digits.n = 1;
                } else {
                    big_mul_add(&digits, 10, (uint32_t)(*p - '0'));
                }
                taken++;
            }
            exp10 -= point;
        } else {
            rest |= *p != '0';
            exp10 += !point;
        }
    }
    if (rest) {                                       /* a digit that stands for all behind it */
        big_mul_add(&digits, 10, 1);
        exp10--;
    }
    (void)nearest_bits(n->mant, n->exp10, &bits);
    const uint64_t infinity = UINT64_C(0x7ff) << 52;
    if (bits >= infinity)
        bits = infinity - 1;
    for (low = bits > 2 ? bits - 2 : 0; low < infinity; low++) {
        int c = cmp_halfway(&digits, exp10, low);
        if (c < 0 || (c == 0 && (low & 1) == 0))
            break;
    }
    return from_bits(low, n->negative);
}

static bool scan_parts(struct sq_str s, struct parts *n)
{
    const char *p = s.p, *end = s.p + s.n;
    int significant = 0, digits = 0;
    bool point = false;

    *n = (struct parts){0};
    if (p < end && (*p == '-' || *p == '+'))
        n->negative = *p++ == '-';
    n->first = p;
    for (; p < end; p++) {
        if (*p == '.' && !point) {
            point = true;
            continue;
        }
        unsigned digit = (unsigned)(unsigned char)*p - '0';
        if (digit > 9)
            break;
        digits++;
        if (significant < 19) {
            n->mant = n->mant * 10 + digit;
            significant += n->mant != 0;
            n->exp10 -= point;
        } else {
            n->more |= digit != 0;
            n->exp10 += !point;
        }
    }
    n->last = p;
    if (digits == 0)
        return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        bool negative = false;
        int exp = 0;
        if (++p < end && (*p == '-' || *p == '+'))
            negative = *p++ == '-';
        if (p == end)
            return false;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            exp = exp < 100000000 ? exp * 10 + (*p - '0') : exp;
        n->exp_written = negative ? -exp : exp;
        n->exp10 += n->exp_written;
    }
    return p == end;
}

static bool parse_word(struct sq_str s, double *out)
{
    bool negative = s.n && s.p[0] == '-';

    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
        s.p++;
        s.n--;
    }
    if (s.n == 3 && memcmp(s.p, "NaN", 3) == 0)
        *out = (double)NAN;
    else if (s.n == 8 && memcmp(s.p, "Infinity", 8) == 0)
        *out = negative ? -(double)INFINITY : (double)INFINITY;
    else
        return false;
    return true;
}

bool sq_parse_double(struct sq_str s, bool words, double *out)
{
    struct parts n;
    uint64_t bits, above;

    if (!scan_parts(s, &n))
        return words && parse_word(s, out);
    if (!n.more && sq_double_from_parts(n.mant, n.exp10, n.negative, out))
        return true;
    if (n.more && nearest_bits(n.mant, n.exp10, &bits) && nearest_bits(n.mant + 1, n.exp10, &above) && bits == above) {
        *out = from_bits(bits, n.negative);
        return true;
    }
    *out = read_exactly(&n);
    return true;
}

/* ---- printing ---- */

static int floor_log10_pow2(int q) { return (q * 1262611) >> 22; }
static int floor_log10_three_quarters_pow2(int q) { return (q * 1262611 - 524031) >> 22; }

/* The high 64 bits of power * c / 2^64, the lowest bit 1 when anything was cut off. */
static uint64_t round_to_odd(u128 power, uint64_t c)
{
    u128 low = (u128)(uint64_t)power * c;
    u128 high = (u128)(uint64_t)(power >> 64) * c + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* c * 2^q as the shortest decimal digits * 10^exp. `edge`: the next number below is at half the distance. `tiny`: c has too few bits for two
 * digits; ten times of it is taken, which gives the two nearest ones. */
static uint64_t shortest(uint64_t c, int q, bool edge, bool tiny, int *exp)
{
    if (tiny)
        c *= 10;
    uint64_t odd = c & 1, cb = 4 * c, cbr = cb + 2, cbl = edge ? cb - 1 : cb - 2;
    int k = edge ? floor_log10_three_quarters_pow2(q) : floor_log10_pow2(q);
    int h = q + floor_log2_pow10(-k) + 1;
    u128 power = (u128)sq_pow10_128[-k - SQ_POW10_MIN][0] << 64 | sq_pow10_128[-k - SQ_POW10_MIN][1];
    if (-k < 0 || -k > 55)
        power++;
    uint64_t vbl = round_to_odd(power, cbl << h), vb = round_to_odd(power, cb << h), vbr = round_to_odd(power, cbr << h);
    uint64_t lower = vbl + odd, upper = vbr - odd, s = vb / 4;
    uint64_t ten = s / 10;
    bool below = lower <= 40 * ten, above = 40 * ten + 40 <= upper;

    *exp = k - (tiny ? 1 : 0);
    if (s >= 100 && below != above) {
        *exp += 1;
        return ten + above;
    }
    below = lower <= 4 * s;
    above = 4 * s + 4 <= upper;
    if (below != above)
        return s + above;
    return s + (vb > 4 * s + 2 || (vb == 4 * s + 2 && (s & 1)));
}

/* digits * 10^exp in Java's spelling. */
static int print_java(uint64_t digits, int exp, char *buf)
{
    char d[20];
    int n = 0, nd;

    while (digits % 10 == 0) {
        digits /= 10;
        exp++;
    }
    nd = print_digits(digits, d);
    int point = nd + exp;                             /* digits before the decimal point */
    if (point > -3 && point <= 0) {                   /* 0.00ddd */
        buf[n++] = '0';
        buf[n++] = '.';
        for (int i = point; i < 0; i++)
            buf[n++] = '0';
        memcpy(buf + n, d, (size_t)nd);
        n += nd;
    } else if (point > 0 && point <= 7) {
        for (int i = 0; i < point; i++)
            buf[n++] = i < nd ? d[i] : '0';
        buf[n++] = '.';
        if (nd <= point)
            buf[n++] = '0';
        for (int i = point; i < nd; i++)
            buf[n++] = d[i];
    } else {
        buf[n++] = d[0];
        buf[n++] = '.';
        if (nd == 1)
            buf[n++] = '0';
        memcpy(buf + n, d + 1, (size_t)nd - 1);
        n += nd - 1;
        buf[n++] = 'E';
        n += sq_print_int(point - 1, buf + n);
    }
    return n;
}

static int print_special(bool nan, bool negative, char *buf)
{
    const char *text = nan ? "NaN" : negative ? "-Infinity" : "Infinity";
    size_t n = strlen(text);
    memcpy(buf, text, n + 1);
    return (int)n;
}

int sq_print_double(double v, char *buf)
{
    uint64_t bits;
    int n = 0, exp;

    memcpy(&bits, &v, sizeof bits);
    uint64_t m = bits & ((UINT64_C(1) << 52) - 1);
    int e = (int)(bits >> 52 & 0x7ff);
    if (e == 0x7ff)
        return print_special(m != 0, bits >> 63, buf);
    if (bits >> 63)
        buf[n++] = '-';
    if (e == 0 && m == 0) {
        memcpy(buf + n, "0.0", 4);
        return n + 3;
    }
    uint64_t digits;
    if (e == 0) {
        digits = shortest(m, -1074, false, m < 3, &exp);
    } else {
        bool edge = m == 0 && e > 1;
        m |= UINT64_C(1) << 52;
        e -= 1075;
        if (e <= 0 && e > -53 && (m & ((UINT64_C(1) << -e) - 1)) == 0) {    /* an integer below 2^53: its digits are the shortest */
            digits = m >> -e;
            exp = 0;
        } else {
            digits = shortest(m, e, edge, false, &exp);
        }
    }
    n += print_java(digits, exp, buf + n);
    buf[n] = 0;
    return n;
}

int sq_print_float(float v, char *buf)
{
    uint32_t bits;
    int n = 0, exp;

    memcpy(&bits, &v, sizeof bits);
    uint32_t m = bits & ((1u << 23) - 1);
    int e = (int)(bits >> 23 & 0xff);
    if (e == 0xff)
        return print_special(m != 0, bits >> 31, buf);
    if (bits >> 31)
        buf[n++] = '-';
    if (e == 0 && m == 0) {
        memcpy(buf + n, "0.0", 4);
        return n + 3;
    }
    uint64_t digits;
    if (e == 0)
        digits = shortest(m, -149, false, m < 8, &exp);
    else
        digits = shortest(m | 1u << 23, e - 150, m == 0 && e > 1, false, &exp);
    n += print_java(digits, exp, buf + n);
    buf[n] = 0;
    return n;
}
