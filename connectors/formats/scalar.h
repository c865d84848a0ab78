/* SPDX-License-Identifier: Apache-2.0
 *
 * scalar.h: what the text formats share: values as Flink's formats read and print them (numbers, dates, times, timestamps, base64), views of
 * text in a record, text for messages.
 *
 * FLINK: timestamps must have a day that exists (there, SQL timestamps take the month's last day); a TIME keeps its milliseconds when printed.
 */
#ifndef SQ_FORMATS_SCALAR_H
#define SQ_FORMATS_SCALAR_H

#include "base/text.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "eight digits are read as one little-endian word");

/* ---- views and messages ---- */

/* A view of the n bytes at p, where 16 can be read. */
static inline void sq_scalar_view(struct sq_view *v, const char *p, uint32_t n)
{
#ifdef __SSE2__
    static const uint8_t ones[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    if (SQ_LIKELY(n <= SQ_VIEW_INLINE)) {
        __m128i bytes = _mm_and_si128(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_loadu_si128((const __m128i *)(const void *)(ones + 16 - n)));
        _mm_storeu_si128((__m128i *)(void *)v, _mm_or_si128(_mm_slli_si128(bytes, 4), _mm_cvtsi32_si128((int)n)));
        return;
    }
#endif
    *v = sq_view_of(p, n);
}

/* Text for an error message: at most 60 bytes of it, control characters escaped, "…" where cut. buf of SQ_SCALAR_SHOWN bytes; returns buf. */
enum { SQ_SCALAR_SHOWN = 60 * 6 + 8 };
const char *sq_scalar_show(const char *p, size_t n, char *buf);
/* "a DECIMAL(10, 2)", "an INT". */
const char *sq_scalar_type(struct sq_ctx *, const struct sq_type *, char *buf, size_t n);

/* ---- reading ---- */

/* Java's String.trim: without bytes up to the blank at both ends. */
struct sq_str sq_scalar_trim(struct sq_str);
/* As Java's Double.parseDouble: white space around it, and a type letter behind the number. */
bool sq_scalar_double(struct sq_str, double *);
/* 1: a value; 0: too many digits (Flink makes it NULL); -1: not a number. Rounds half up to the type's scale. */
int sq_scalar_decimal(struct sq_str, const struct sq_type *, sq_i128 *);
/* Fixed forms, so that a longer or shorter text is an error. *p goes behind what was read. */
bool sq_scalar_date(const char **p, const char *end, int32_t *days);                        /* yyyy-MM-dd, a day that exists */
bool sq_scalar_time(const char **p, const char *end, bool short_ok, int64_t *ns);           /* HH:mm:ss[.fraction]; short_ok: HH:mm too */
/* date, blank or (iso) 'T', time, (zone) 'Z'; the whole text. Digits behind the precision are cut. */
bool sq_scalar_timestamp(struct sq_str, bool iso, bool zone, int precision, struct sq_ts16 *);
extern const int64_t sq_scalar_unit[10];                                                    /* nanoseconds of the last of n fraction digits */
/* RFC 4648 with padding; white space between groups is passed over. out: s.n / 4 * 3 + 3 bytes. */
bool sq_scalar_base64(struct sq_str, char *out, uint32_t *n);

/* ---- printing ---- */

int sq_scalar_print_decimal(sq_i128, int scale, bool plain, char *buf);                     /* BigDecimal.toString or toPlainString; buf >= 64 */
int sq_scalar_print_timestamp(struct sq_ts16, bool iso, bool zone, char *buf);              /* as much fraction as it has; buf >= 48 */
int sq_scalar_print_time(int32_t ms, char *buf);                                            /* the same; buf >= 24 */
void sq_scalar_print_base64(struct sq_buf *, const char *bytes, uint32_t n);
static inline struct sq_ts16 sq_scalar_ts_at(const struct sq_vec *v, uint32_t r)            /* of a flat TIMESTAMP vector */
{
    if (v->type->p > 6)
        return ((const struct sq_ts16 *)v->data)[r];
    return (struct sq_ts16){.us = ((const int64_t *)v->data)[r]};
}

/* ---- digits, eight at a time ---- */

/* Eight ASCII digits as a number; w holds them in memory order, '0' taken off each. */
static inline uint64_t sq_scalar_eight(uint64_t w)
{
    w = w * 10 + (w >> 8);
    return ((w & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) + (w >> 16 & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001)) >> 32;
}
/* How many of the eight bytes at p are digits before the first that is not; *w: their bytes less '0'. */
static inline unsigned sq_scalar_digits(const char *p, uint64_t *w)
{
    memcpy(w, p, 8);
    uint64_t t = *w ^ UINT64_C(0x3030303030303030);
    uint64_t bad = ((t + UINT64_C(0x7676767676767676)) | t) & UINT64_C(0x8080808080808080);   /* over 9 or over 0x7f */
    *w = t;
    return bad ? (unsigned)__builtin_ctzll(bad) / 8 : 8;
}
/* The number of the first n (1 to 8) of them. */
static inline uint64_t sq_scalar_some(uint64_t w, unsigned n) { return sq_scalar_eight(w << (64 - 8 * n)); }

/* The number of up to 15 digits that stands at p, where 16 bytes can be read; returns how many, 0 where there are none or more. */
static inline unsigned sq_scalar_short_int(const char *p, uint64_t *m)
{
    static const uint32_t pow10[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    uint64_t w, w2;
    unsigned n = sq_scalar_digits(p, &w);

    if (n < 8) {
        if (n)
            *m = sq_scalar_some(w, n);
        return n;
    }
    unsigned n2 = sq_scalar_digits(p + 8, &w2);
    if (SQ_UNLIKELY(n2 == 8))
        return 0;
    *m = sq_scalar_eight(w);
    if (n2)
        *m = *m * pow10[n2] + sq_scalar_some(w2, n2);
    return 8 + n2;
}

/* Digits, at most 7 before and 7 behind the point, no exponent; returns the length, 0 where it is not so simple. 16 bytes can be read. The
 * result of the division is correctly rounded: both sides are exact. */
static inline unsigned sq_scalar_short_double(const char *p, double *v)
{
    static const double pow10[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7};
    static const uint32_t ipow10[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    uint64_t w, w2;
    unsigned n = sq_scalar_digits(p, &w), n2 = 0;

    if (SQ_UNLIKELY(n == 0 || n == 8))
        return 0;
    uint64_t m = sq_scalar_some(w, n);
    if (SQ_LIKELY(p[n] == '.')) {
        n2 = sq_scalar_digits(p + n + 1, &w2);
        if (SQ_UNLIKELY(n2 == 0 || n2 == 8))
            return 0;
        m = m * ipow10[n2] + sq_scalar_some(w2, n2);
        n += 1 + n2;
    }
    *v = (double)(int64_t)m / pow10[n2];
    return n;
}

#endif
