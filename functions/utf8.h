/* SPDX-License-Identifier: Apache-2.0
 *
 * utf8.h: walking over the code points of valid UTF-8. Positions in SQL count code points.
 */
#ifndef SQ_FUNCTIONS_UTF8_H
#define SQ_FUNCTIONS_UTF8_H

#include "base/str.h"

/* Bytes of the code point that begins with c. */
static inline uint32_t sq_cp_size(char c)
{
    unsigned char u = (unsigned char)c;

    return u < 0x80 ? 1 : u < 0xE0 ? 2 : u < 0xF0 ? 3 : 4;
}

/* The same, held to what is left. */
static inline uint32_t sq_cp_step(struct sq_str s, uint32_t at)
{
    uint32_t n = sq_cp_size(s.p[at]);

    return n < s.n - at ? n : s.n - at;
}

/* The byte at which code point number `n` (from 0) begins; s.n when there are fewer. */
static inline uint32_t sq_cp_seek(struct sq_str s, uint32_t from, int64_t n)
{
    while (n > 0 && from < s.n) {
        from += sq_cp_step(s, from);
        n--;
    }
    return from;
}

/* Code points in s: bytes that do not continue one. */
static inline uint32_t sq_cp_count(struct sq_str s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

/* Where the code point that ends before `end` begins; end > 0. */
static inline uint32_t sq_cp_back(struct sq_str s, uint32_t end)
{
    do
        end--;
    while (end > 0 && ((unsigned char)s.p[end] & 0xC0) == 0x80);
    return end;
}

#endif
