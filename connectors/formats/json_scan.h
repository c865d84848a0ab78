/* SPDX-License-Identifier: Apache-2.0
 *
 * json_scan.h: the lexical part of JSON: white space, strings, numbers, skipping of whole values; everything that is passed over is
 * checked (syntax, escapes, UTF-8).
 *
 * A record is [start, end). At least SQ_JSON_PAD bytes behind `end` can be read, whatever they hold, so that text is looked at 16 bytes at a
 * time; nothing there is ever taken for a part of the record.
 *
 * FLINK: as its mapper, control characters may stand unescaped in strings, and a lone surrogate escape reads as '?'. Stricter: NUL bytes and
 * anything but white space behind the value are refused. Nesting ends at 1000, as Jackson's.
 */
#ifndef SQ_FORMATS_JSON_SCAN_H
#define SQ_FORMATS_JSON_SCAN_H

#include "connectors/formats/scalar.h"

enum { SQ_JSON_PAD = 64, SQ_JSON_DEPTH = 1000 };

struct sq_json_in {
    const char *p, *end, *start;
    const char *why;              /* what was wrong at p when a function returned false */
};

static inline bool sq_json_fail(struct sq_json_in *in, const char *at, const char *why)
{
    in->p = at;
    in->why = why;
    return false;
}

static inline bool sq_json_is_ws(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
static inline void sq_json_ws(struct sq_json_in *in)
{
    while (in->p < in->end && sq_json_is_ws(*in->p))
        in->p++;
}

/* ---- strings ---- */

struct sq_json_text {             /* between the quotes, as it stands in the record */
    const char *p;
    uint32_t n;
    bool escaped;
};

/* The first quote, backslash, NUL or byte above 0x7f from p on, or somewhere behind end. */
static inline const char *sq_json_special(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), zero = _mm_setzero_si128();
    do {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)), _mm_cmpgt_epi8(zero, v));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, zero));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask)
            return p + __builtin_ctz(mask);
        p += 16;
    } while (p < end);
#else
    while (p < end && *p != '"' && *p != '\\' && (signed char)*p > 0)
        p++;
#endif
    return p;
}

/* p stands on the opening quote; leaves it behind the closing one. */
bool sq_json_string_slow(struct sq_json_in *, const char *from, const char *at, struct sq_json_text *);
static inline bool sq_json_string(struct sq_json_in *in, struct sq_json_text *t)
{
    const char *from = in->p + 1, *q = sq_json_special(from, in->end);
    if (SQ_UNLIKELY(q >= in->end || *q != '"'))
        return sq_json_string_slow(in, from, q, t);
    *t = (struct sq_json_text){from, (uint32_t)(q - from), false};
    in->p = q + 1;
    return true;
}

/* The text of a string with escapes, written to buf (t.n bytes are enough); returns its length. */
uint32_t sq_json_unescape(struct sq_json_text t, char *buf);

/* ---- numbers ---- */

struct sq_json_number {
    const char *p;
    uint32_t n;
    bool negative, is_float;      /* is_float: written with a point or an exponent */
    bool exact;                   /* mant and exp10 are the whole number; else more than 19 digits or a huge exponent */
    uint64_t mant;
    int exp10;
};

/* p stands on '-' or a digit. */
bool sq_json_number(struct sq_json_in *, struct sq_json_number *);
double sq_json_double(const struct sq_json_number *);
float sq_json_float(const struct sq_json_number *);

/* ---- values ---- */

bool sq_json_literal(struct sq_json_in *, const char *word, uint32_t n);   /* true, false, null */
/* Passes over one value of any kind, checking all of it. `depth` is how many containers it stands in. */
bool sq_json_skip(struct sq_json_in *, int depth);
/* Passes over white space, a colon, white space. */
static inline bool sq_json_colon(struct sq_json_in *in)
{
    sq_json_ws(in);
    if (in->p >= in->end || *in->p != ':')
        return sq_json_fail(in, in->p, "expected ':' after the field's name");
    in->p++;
    sq_json_ws(in);
    return true;
}

/* After an element: a comma (true, *more true), or `close` (true, *more false); leaves p before the next element or behind close. */
static inline bool sq_json_next(struct sq_json_in *in, char close, bool *more)
{
    sq_json_ws(in);
    if (in->p < in->end && (*in->p == ',' || *in->p == close)) {
        *more = *in->p++ == ',';
        if (*more)
            sq_json_ws(in);
        return true;
    }
    return sq_json_fail(in, in->p, close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
}

/* After an opening bracket: false in *more when `close` follows at once. */
static inline bool sq_json_open(struct sq_json_in *in, char close, bool *more)
{
    in->p++;
    sq_json_ws(in);
    *more = !(in->p < in->end && *in->p == close);
    if (!*more)
        in->p++;
    return true;
}

/* A key and its colon. */
static inline bool sq_json_key(struct sq_json_in *in, struct sq_json_text *key)
{
    if (in->p >= in->end || *in->p != '"')
        return sq_json_fail(in, in->p, "expected a field's name in double quotes");
    return sq_json_string(in, key) && sq_json_colon(in);
}

/* The value that was checked already, without white space, strings and numbers as Jackson's tree prints them. */
void sq_json_compact(struct sq_buf *, const char *p, const char *end, bool plain_floats);
/* Text as the inside of a JSON string, as Jackson escapes it. */
void sq_json_escape(struct sq_buf *, const char *p, uint32_t n);

#endif
