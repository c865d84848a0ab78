/* SPDX-License-Identifier: Apache-2.0
 *
 * text.h: values as text and back. One place for number, decimal and time parsing and printing, used by casts, formats,
 * the shell and the literals of the parser.
 */
#ifndef SQ_BASE_TEXT_H
#define SQ_BASE_TEXT_H

#include "base/vec.h"

/* ---- numbers ---- */

/* [+-]digits, the whole slice. False: not an integer, or beyond int64. */
bool sq_parse_int(struct sq_str, int64_t *);
/* A decimal floating-point number, the whole slice ("1", "-1.5e3", ".5", "5."); correctly rounded. With `words`, also NaN and
 * [+-]Infinity as Java spells them. Overflow gives an infinity. */
bool sq_parse_double(struct sq_str, bool words, double *);
/* The number whose digits are `mant` (at most 19 digits) times ten to `exp10`: the fast path of the JSON decoder.
 * False: needs sq_parse_double on the text. */
bool sq_double_from_parts(uint64_t mant, int exp10, bool negative, double *);
/* As Java prints them: 1.0, 1.0E10, NaN, Infinity; the shortest digits that read back the same. Returns the length; buf >= 32. */
int sq_print_double(double, char *buf);
int sq_print_float(float, char *buf);
int sq_print_int(int64_t, char *buf);

/* ---- DECIMAL: unscaled 128-bit integers; |value| < 10^38 ---- */

typedef __int128 sq_i128;
extern const sq_i128 sq_pow10_i128[39];
/* Rounds half up to `scale` digits after the point. False: not a number, or more than `precision` digits. */
bool sq_parse_decimal(struct sq_str, int precision, int scale, sq_i128 *);
int sq_print_decimal(sq_i128, int scale, char *buf);   /* plain, "-0.05"; buf >= 48; returns the length */
/* Changes the scale, rounding half up; false when the result has more than `precision` digits. */
bool sq_decimal_rescale(sq_i128 v, int from_scale, int precision, int to_scale, sq_i128 *);
/* a*10^.. arithmetic with 256-bit intermediates; each gives the result at (precision, scale), rounded half up, and false on overflow
 * (or division by zero). */
bool sq_decimal_add(sq_i128 a, int sa, sq_i128 b, int sb, int precision, int scale, sq_i128 *);
bool sq_decimal_mul(sq_i128 a, int sa, sq_i128 b, int sb, int precision, int scale, sq_i128 *);
bool sq_decimal_div(sq_i128 a, int sa, sq_i128 b, int sb, int precision, int scale, sq_i128 *);
bool sq_decimal_mod(sq_i128 a, int sa, sq_i128 b, int sb, int precision, int scale, sq_i128 *);
int sq_decimal_cmp(sq_i128 a, int sa, sq_i128 b, int sb);
double sq_decimal_to_double(sq_i128, int scale);
bool sq_decimal_from_double(double, int precision, int scale, sq_i128 *);

/* ---- dates and times ---- */

enum { SQ_US_PER_MS = 1000, SQ_US_PER_S = 1000000 };
#define SQ_US_PER_DAY INT64_C(86400000000)
int32_t sq_days_from_civil(int32_t year, int32_t month, int32_t day);   /* proleptic Gregorian, days since 1970-01-01 */
void sq_civil_from_days(int32_t days, int32_t *year, int32_t *month, int32_t *day);
/* The forms that Flink's CAST takes; the whole slice must be used. */
bool sq_parse_date(struct sq_str, int32_t *days);                       /* yyyy-MM-dd (single digits allowed) */
bool sq_parse_time(struct sq_str, int32_t *ms);                         /* HH:mm[:ss[.fraction]] */
/* yyyy-MM-dd[ HH:mm:ss[.fraction]], single digits allowed; iso: yyyy-MM-ddTHH:mm[:ss[.fraction]], two digits each. Digits behind `precision`
 * are cut. */
bool sq_parse_timestamp(struct sq_str, bool iso, int precision, struct sq_ts16 *);
int sq_print_date(int32_t days, char *buf);                             /* buf >= 16 */
int sq_print_time(int32_t ms, int precision, char *buf);                /* buf >= 16 */
/* "2024-01-01 00:00:00.123": always `precision` digits of fraction. buf >= 40 */
int sq_print_timestamp(struct sq_ts16, int precision, char sep, char *buf);

/* A time zone: fixed offset, or rules read from the system's TZif files. */
struct sq_tz;
/* "UTC", "Europe/Berlin", "GMT+08:00", "+02:00". SQ_SEMANTIC with a hint when unknown. Lives in the arena. */
sq_rc sq_tz_find(struct sq_ctx *, struct sq_arena *, struct sq_str name, const struct sq_tz **);
extern const struct sq_tz *const sq_tz_utc;
/* UTC, by whatever name. */
bool sq_tz_is_utc(const struct sq_tz *);
int64_t sq_tz_to_local(const struct sq_tz *, int64_t utc_us);
/* Gaps move forward by their length, overlaps take the earlier offset, as java.time does. */
int64_t sq_tz_to_utc(const struct sq_tz *, int64_t local_us);

/* What every worker of a job sees of the session; frozen when the job starts. */
struct sq_session {                         /* frozen when a job starts */
    const struct sq_tz *tz;
    int64_t start_us;                       /* CURRENT_TIMESTAMP in batch mode: the job's start */
    bool batch;
    const struct sq_os *os;
};

/* ---- values ---- */

/* Text of element r as CAST(… AS STRING) gives it (Flink's spelling), used by the table views and the print sink too: rows as
 * (a, b), arrays as [a, b], maps as {k=v}; nulls inside as NULL. LTZ is shown in tz. Writes nothing for a NULL. */
sq_rc sq_print_value(struct sq_buf *, const struct sq_vec *, uint32_t r, const struct sq_tz *tz);

/* ---- secrets ---- */

#define SQ_HIDDEN "****"
/* Does the key name a secret: is password, token, jaas, … a part of it? */
bool sq_secret_name(struct sq_str key);
/* The next secret of a text from *at on (which may be damaged SQL, a URL): the bytes [*a, *b). */
bool sq_secret_next(struct sq_str text, uint32_t *at, uint32_t *a, uint32_t *b);
sq_rc sq_secrets_hide(struct sq_buf *, struct sq_str text);             /* the text with SQ_HIDDEN for each of its secrets */
void sq_secrets_scrub(char *msg, struct sq_str text);                   /* hides in the message what is a secret of the text */

/* ---- UTF-8 ---- */

bool sq_utf8_valid(const char *, size_t);                               /* RFC 3629: no surrogates, no overlong forms */
uint32_t sq_utf8_length(struct sq_str);                                 /* code points of valid text */
int sq_utf8_put(uint32_t code_point, char *buf);                        /* 1..4 bytes */
int sq_utf8_width(struct sq_str);                                       /* terminal columns */

#endif
