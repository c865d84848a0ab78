/* SPDX-License-Identifier: Apache-2.0
 *
 * csv_frame.c: a file into records. A newline ends a record unless it stands in a quoted field or behind the escape character.
 *
 * Records whose quotes are where they should be are cut 64 bytes at a time, by counting quotes; with an escape character, comments or trimmed
 * spaces only lines without quotes and escapes are. Any other record is taken field by field, from its beginning, by a machine of a few
 * states; it stops wherever the bytes end and goes on when there are more. What it takes for quoted
 * is what csv_decode.c takes for quoted (the fuzz target compares them).
 *
 * FLINK: a carriage return alone does not end a record here (the decoder reports it).
 */
#include "connectors/formats/csv_internal.h"

enum { LONG_RECORD = 4096 };                 /* from here on a record is not looked through again from its beginning */

enum state {
    BEGIN,         /* of a record */
    FIELD,         /* of a field */
    TEXT,          /* in a field without quotes, or behind a closing quote */
    QUOTED,
    QUOTE,         /* a quote within a quoted field: its end, or the first of two */
    ESCAPE_TEXT, ESCAPE_QUOTED,
    COMMENT
};

struct machine {
    const struct sq_csv_options *o;
    struct sq_csv_chars c;
};

static inline char byte_or(int c, char other) { return c < 0 ? other : (char)c; }

static const char *in_field(const struct machine *m, unsigned *state, const char *p, const char *end)
{
    if (*state == BEGIN && end - p < 3 && end - p > 0 && *p == '\xef')
        return p;                                          /* a byte order mark? */
    if (*state == BEGIN && end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3;
    while (p < end && ((*state == BEGIN && m->o->comments && *p == ' ') ||
                       (m->o->trim && (unsigned char)*p <= ' ' && *p != '\n' && *p != '\r' && *p != m->c.delimiter[0])))
        p++;
    if (p == end)
        return p;
    if (*state == BEGIN && m->o->comments && *p == '#')
        *state = COMMENT;
    else if (m->c.quote >= 0 && *p == (char)m->c.quote)
        p++, *state = QUOTED;
    else
        *state = TEXT;
    return p;
}

/* Goes on to the end of the record: its newline (true), or the end of the bytes. */
static bool to_end(const struct machine *m, unsigned *state, const char **at, const char *end)
{
    const char *p = *at, quote = byte_or(m->c.quote, '\n'), escape = byte_or(m->c.escape, '\n');

    while (p < end) {
        const char *from = p;
        switch (*state) {
        case BEGIN:
        case FIELD:
            p = in_field(m, state, p, end);
            if (p == from && (*state == BEGIN || *state == FIELD)) {
                *at = p;
                return false;
            }
            continue;
        case TEXT:
            p = sq_csv_find(p, end, '\n', m->c.delimiter[0], escape, '\n');
            if (p >= end)
                break;
            if (*p == '\n') {
                *at = p;
                return true;
            }
            if (*p == escape) {
                p++, *state = ESCAPE_TEXT;
            } else if ((size_t)(end - p) < m->c.ndelimiter && memcmp(p, m->c.delimiter, (size_t)(end - p)) == 0) {
                *at = p;
                return false;
            } else if (memcmp(p, m->c.delimiter, m->c.ndelimiter) == 0) {
                p += m->c.ndelimiter, *state = FIELD;
            } else {
                p++;
            }
            continue;
        case QUOTED:
            p = sq_csv_find(p, end, quote, escape == '\n' ? quote : escape, quote, quote);
            if (p >= end)
                break;
            *state = *p == quote ? QUOTE : ESCAPE_QUOTED;
            p++;
            continue;
        case QUOTE:
            *state = *p == quote ? QUOTED : TEXT;
            p += *p == quote;
            continue;
        case ESCAPE_TEXT:
        case ESCAPE_QUOTED:
            *state = *state == ESCAPE_TEXT ? TEXT : QUOTED;
            p++;
            continue;
        default:
            p = memchr(p, '\n', (size_t)(end - p));
            *at = p ? p : end;
            return p != NULL;
        }
        p = end;
    }
    *at = end;
    return false;
}

struct masks {
    uint64_t newline, special, delimiter;    /* special: quotes and escapes */
};

/* Bits of the characters that count, among the 64 bytes at p, of which n are there. */
static inline struct masks masks_of(const char *p, size_t n, char quote, char escape, char delimiter)
{
    struct masks m = {0, 0, 0};
#ifdef __SSE2__
    const __m128i vn = _mm_set1_epi8('\n'), vq = _mm_set1_epi8(quote), ve = _mm_set1_epi8(escape), vd = _mm_set1_epi8(delimiter);
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p + i);
        m.newline |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, vn)) << 16 * i;
        m.special |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, vq), _mm_cmpeq_epi8(v, ve))) << 16 * i;
        m.delimiter |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, vd)) << 16 * i;
    }
#else
    for (int i = 0; i < 64; i++) {
        m.newline |= (uint64_t)(p[i] == '\n') << i;
        m.special |= (uint64_t)(p[i] == quote || p[i] == escape) << i;
        m.delimiter |= (uint64_t)(p[i] == delimiter) << i;
    }
#endif
    if (n < 64) {
        uint64_t there = ((uint64_t)1 << n) - 1;
        m.newline &= there;
        m.special &= there;
    }
    return m;
}

/* Bit i: the number of bits set among 0..i is odd. */
static inline uint64_t odd_before(uint64_t x)
{
    for (int i = 1; i < 64; i *= 2)
        x ^= x << i;
    return x;
}

static inline void add(struct sq_frame *f, size_t end)
{
    const char *p = f->p + f->begin;
    size_t n = end - f->begin;

    if (n && p[n - 1] == '\r')
        n--;
    f->rec[f->nrec++] = (struct sq_slice){p, n};
    f->begin = end + 1;
}

/* Takes the record under way, which has a quote or an escape, to its end. */
static bool slow_record(const struct machine *m, struct sq_frame *f)
{
    const char *p = f->p + f->at;
    bool whole = to_end(m, &f->state, &p, f->p + f->n);

    f->at = (size_t)(p - f->p);
    if (!whole)
        return false;
    f->multi |= memchr(f->p + f->begin, '\n', f->at - f->begin) != NULL;
    add(f, f->at);
    f->at = f->begin;
    f->state = BEGIN;
    return true;
}

/* Cuts the records whose quotes stand where they should: at a field's beginning and end, and in pairs between. Then a byte is quoted when
 * the number of quotes before it is odd. Stops before the first record that is otherwise, or is long: *special is set, at is its begin. */
static bool plain_records(const struct machine *m, struct sq_frame *f, char quote, char escape, bool pairs, bool *special)
{
    uint64_t quoted = 0, opens = 1;                        /* all bits: the last byte before was quoted; 1: a quote may open a field here */

    for (f->at = f->begin; f->at < f->n; f->at += 64) {
        size_t at = f->at;
        const struct masks b = masks_of(f->p + at, f->n - at, quote, escape, m->c.delimiter[0]);
        uint64_t inside = odd_before(b.special) ^ quoted, ends = b.newline & ~inside;
        uint64_t odd = b.special & inside & ~((b.special | b.newline | b.delimiter) << 1 | opens);
        if (!pairs)
            odd = b.special, ends = b.newline;
        if (odd)
            ends &= (odd & (0 - odd)) - 1;                 /* records that end before the first odd one */
        f->multi |= (b.newline & inside) != 0;
        for (; ends; ends &= ends - 1) {
            add(f, at + (size_t)__builtin_ctzll(ends));
            if (f->nrec == f->max || f->begin >= f->limit) {
                f->at = f->begin;
                return true;
            }
        }
        if (odd) {
            *special = true;
            f->at = f->begin;
            return false;
        }
        quoted = inside >> 63 ? ~(uint64_t)0 : 0;
        opens = (b.special | b.newline | b.delimiter) >> 63;
    }
    *special = f->n - f->begin > LONG_RECORD;
    f->at = f->begin;
    return false;
}

static bool frame(const void *options, struct sq_frame *f)
{
    struct machine m = {.o = options};
    const char *bad, *why;

    if (!sq_csv_chars(options, &m.c, &bad, &why))
        return false;                                      /* was refused before: csv_check */
    const char quote = byte_or(m.c.quote, byte_or(m.c.escape, '"')), escape = byte_or(m.c.escape, quote);
    const bool pairs = m.c.quote >= 0 && m.c.escape < 0 && m.c.ndelimiter == 1 && !m.o->trim && !m.o->comments;
    while (f->nrec < f->max && f->begin < f->limit) {
        bool special = f->state != BEGIN;
        if (!special && plain_records(&m, f, quote, escape, pairs, &special))
            return true;
        if (!special)
            return false;                                  /* the record under way is looked through again when there is more of it */
        if (!slow_record(&m, f)) {
            if (f->state == BEGIN)
                f->at = f->begin;
            return false;
        }
    }
    return true;
}

sq_frame_fn *sq_csv_framer(const void *options)
{
    const struct sq_csv_options *o = options;
    return o->disable_quote && !o->escape.p ? NULL : frame;
}
