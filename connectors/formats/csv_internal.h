/* SPDX-License-Identifier: Apache-2.0
 *
 * csv_internal.h: what the parts of the csv format share: csv.c (options and their checks, the descriptor), csv_frame.c (a file into records),
 * csv_decode.c (records into columns), csv_value.c (a field's text into a column), csv_encode.c (rows as records).
 */
#ifndef SQ_FORMATS_CSV_INTERNAL_H
#define SQ_FORMATS_CSV_INTERNAL_H

#include "connectors/formats/formats.h"
#include "connectors/formats/scalar.h"

struct sq_csv_options {
    struct sq_str delimiter, quote, array_delimiter, escape, null_literal, line_delimiter;
    bool disable_quote, comments, ignore_errors, scientific, trim, ignore_trailing, trailing_comma, fail_missing, empty_null, ignore_first;
};

/* The characters that mean something. */
struct sq_csv_chars {
    char delimiter[4], array[4];             /* UTF-8 */
    uint32_t ndelimiter, narray;
    uint32_t delimiter_cp;
    int quote, escape;                       /* ASCII; -1: none */
};
/* False: *bad is the key of the option that cannot be, *why what is wrong with it. */
bool sq_csv_chars(const struct sq_csv_options *, struct sq_csv_chars *, const char **bad, const char **why);

enum { SQ_CSV_PAD = 64 };

/* The first of four bytes from p on, or somewhere behind end. 16 bytes behind end can be read. */
static inline const char *sq_csv_find(const char *p, const char *end, char a, char b, char c, char d)
{
#ifdef __SSE2__
    const __m128i va = _mm_set1_epi8(a), vb = _mm_set1_epi8(b), vc = _mm_set1_epi8(c), vd = _mm_set1_epi8(d);
    for (; p < end; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, va), _mm_cmpeq_epi8(v, vb)), _mm_or_si128(_mm_cmpeq_epi8(v, vc), _mm_cmpeq_epi8(v, vd)));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#else
    while (p < end && *p != a && *p != b && *p != c && *p != d)
        p++;
#endif
    return p;
}

sq_frame_fn *sq_csv_framer(const void *options);

/* ---- decoding ---- */

enum sq_csv_status { SQ_CSV_OK, SQ_CSV_NONE, SQ_CSV_MALFORMED, SQ_CSV_FATAL };

struct sq_csv_column {
    struct sq_str name;
    const struct sq_type *type;
};

struct sq_csv_dec {
    struct sq_ctx *ctx;
    struct sq_csv_options opt;               /* strings are in the arena */
    struct sq_csv_chars ch;
    struct sq_arena arena;                   /* lives as long as the decoder */
    struct sq_csv_column *column;            /* the wanted ones */
    uint32_t ncolumn;
    struct sq_arena *heap;                   /* of the batch: strings that are not in the record as they stand */
    struct sq_buf reports;                   /* field errors of the current record: u32 column, 0-terminated reason */
};

static inline bool sq_csv_is_null(const struct sq_csv_dec *d, struct sq_str s)
{
    return (d->opt.null_literal.p && sq_str_eq(s, d->opt.null_literal)) || (d->opt.empty_null && s.n == 0);
}
/* Appends the field to the column. `stays`: the text lives as long as the batch and 16 bytes from any of its places on can be read. */
enum sq_csv_status sq_csv_value(struct sq_csv_dec *, uint32_t column, struct sq_col *, struct sq_str);
/* A field that is not there. `have`: how many fields the record has. */
enum sq_csv_status sq_csv_missing(struct sq_csv_dec *, uint32_t column, struct sq_col *, uint32_t have);

sq_rc sq_csv_decoder_open(struct sq_ctx *, const void *options, const struct sq_session *, const struct sq_table_column *wanted, uint32_t n,
                          struct sq_decoder **);
sq_rc sq_csv_decode(struct sq_decoder *, struct sq_decode *);
void sq_csv_decoder_close(struct sq_decoder *);

/* ---- encoding ---- */

sq_rc sq_csv_encoder_open(struct sq_ctx *, const void *options, const struct sq_session *, const struct sq_table_column *cols, uint32_t n,
                          struct sq_encoder **);
sq_rc sq_csv_encode(struct sq_encoder *, const struct sq_batch *, bool newline, struct sq_buf *out, uint32_t *ends, uint32_t *nrecords);
void sq_csv_encoder_close(struct sq_encoder *);

#endif
