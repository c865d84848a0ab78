/* SPDX-License-Identifier: Apache-2.0
 *
 * cast.c: the kernels of CAST and TRY_CAST. Which casts are implicit, and common types: types.c.
 *
 * As in Flink: numbers wrap or saturate as Java's casts do (CAST(300 AS TINYINT) is 44), a number that does not fit a DECIMAL is NULL (counted), a
 * text is trimmed and must be wholly of the target's form ("12.9" is 12 for an integer), VARCHAR(n) cuts, CHAR(n) cuts or
 * pads with blanks, timestamps are cut to their precision, and TIMESTAMP and TIMESTAMP_LTZ meet in the session's time zone.
 * A cast that fails is an error, or NULL for TRY_CAST (call->state is set).
 */
#include "functions/kernel.h"

#include <math.h>

#define CAST_ARGS struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out

/* A value that cannot be cast: an error, or NULL for TRY_CAST. */
static sq_rc refuse(struct sq_call *call, struct sq_vec *out, uint32_t r, struct sq_str text)
{
    struct sq_buf b = {.ctx = call->ctx};
    struct sq_type t = *call->ret;
    char cut[80];

    if (call->state) {
        sq_null_out(out, r);
        return SQ_OK;
    }
    t.nullable = true;
    sq_type_print(&b, &t);
    sq_fail(call->ctx, SQ_DATA, "cannot cast '%s' to %.*s", sq_shorten(text, cut), SQ_FMT(sq_buf_view(&b)));
    sq_buf_free(&b);
    return sq_hint(call->ctx, "TRY_CAST gives NULL instead");
}

static sq_rc refuse_value(struct sq_call *call, const struct sq_vec *arg, struct sq_vec *out, uint32_t r)
{
    struct sq_buf b = {.ctx = call->ctx};
    sq_rc rc;

    sq_print_value(&b, arg, r, sq_call_tz(call));
    rc = refuse(call, out, r, sq_buf_view(&b));
    sq_buf_free(&b);
    return rc;
}

static sq_rc nothing(CAST_ARGS)
{
    (void)call, (void)args, (void)nargs, (void)rows, (void)out;
    return SQ_OK;
}

/* The same bytes: equal layouts. */
static sq_rc copy(CAST_ARGS)
{
    size_t size = sq_phys_size(sq_type_phys(args[0].type));
    const char *x = args[0].data;
    char *o = out->data;

    (void)call, (void)nargs;
    if (!rows.sel && args[0].enc == SQ_FLAT) {
        if (rows.n)
            memcpy(o, x, size * rows.n);
    } else
        SQ_EACH_ROW(rows, i, r)
            memcpy(o + size * r, x + (args[0].enc == SQ_CONST ? 0 : size * r), size);
    return SQ_OK;
}

/* ---- numbers and booleans ---- */

/* As Java: cut towards zero, held to the range, NaN is 0. */
static int32_t to_int(double d)
{
    return d != d ? 0 : d >= 2147483647.0 ? INT32_MAX : d <= -2147483648.0 ? INT32_MIN : (int32_t)d;
}

static int64_t to_long(double d)
{
    return d != d ? 0 : d >= 9223372036854775808.0 ? INT64_MAX : d <= -9223372036854775808.0 ? INT64_MIN : (int64_t)d;
}

#define FROM_INT(A)                                                            \
    switch (call->ret->id) {                                                   \
    case SQ_T_BOOLEAN: SQ_MAP1(A, uint8_t, a != 0); break;                     \
    case SQ_T_TINYINT: SQ_MAP1(A, int8_t, a); break;                           \
    case SQ_T_SMALLINT: SQ_MAP1(A, int16_t, a); break;                         \
    case SQ_T_INT: SQ_MAP1(A, int32_t, a); break;                              \
    case SQ_T_BIGINT: SQ_MAP1(A, int64_t, a); break;                           \
    case SQ_T_FLOAT: SQ_MAP1(A, float, a); break;                              \
    default: SQ_MAP1(A, double, a); break;                                     \
    }

#define FROM_FLOAT(A)                                                          \
    switch (call->ret->id) {                                                   \
    case SQ_T_BOOLEAN: SQ_MAP1(A, uint8_t, a != 0); break;                     \
    case SQ_T_TINYINT: SQ_MAP1(A, int8_t, to_int((double)a)); break;           \
    case SQ_T_SMALLINT: SQ_MAP1(A, int16_t, to_int((double)a)); break;         \
    case SQ_T_INT: SQ_MAP1(A, int32_t, to_int((double)a)); break;              \
    case SQ_T_BIGINT: SQ_MAP1(A, int64_t, to_long((double)a)); break;          \
    case SQ_T_FLOAT: SQ_MAP1(A, float, a); break;                              \
    default: SQ_MAP1(A, double, a); break;                                     \
    }

static sq_rc number_to_number(CAST_ARGS)
{
    (void)nargs;
    switch (args[0].type->id) {
    case SQ_T_BOOLEAN: FROM_INT(uint8_t) break;
    case SQ_T_TINYINT: FROM_INT(int8_t) break;
    case SQ_T_SMALLINT: FROM_INT(int16_t) break;
    case SQ_T_INT: FROM_INT(int32_t) break;
    case SQ_T_BIGINT: FROM_INT(int64_t) break;
    case SQ_T_FLOAT: FROM_FLOAT(float) break;
    default: FROM_FLOAT(double) break;
    }
    return SQ_OK;
}

/* ---- decimals ---- */

static int64_t integer_at(const struct sq_vec *v, uint32_t r)
{
    switch (sq_type_phys(v->type)) {
    case SQ_P_BOOL: return SQ_AT(uint8_t, *v, r);
    case SQ_P_I8: return SQ_AT(int8_t, *v, r);
    case SQ_P_I16: return SQ_AT(int16_t, *v, r);
    case SQ_P_I32: return SQ_AT(int32_t, *v, r);
    default: return SQ_AT(int64_t, *v, r);
    }
}

static void decimal_or_null(struct sq_vec *out, uint32_t r, bool fits, uint64_t *ov)
{
    if (!fits) {
        sq_null_out(out, r);
        ++*ov;
    }
}

static sq_rc integer_to_decimal(CAST_ARGS)
{
    sq_i128 *o = out->data;
    uint64_t ov = 0;

    (void)nargs;
    SQ_EACH_ROW(rows, i, r)
        decimal_or_null(out, r, sq_decimal_rescale(integer_at(&args[0], r), 0, call->ret->p, call->ret->s, &o[r]), &ov);
    sq_count_overflow(call, ov);
    return SQ_OK;
}

static sq_rc float_to_decimal(CAST_ARGS)
{
    sq_i128 *o = out->data;
    uint64_t ov = 0;

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        double d = args[0].type->id == SQ_T_FLOAT ? (double)SQ_AT(float, args[0], r) : SQ_AT(double, args[0], r);

        if (isfinite(d))
            decimal_or_null(out, r, sq_decimal_from_double(d, call->ret->p, call->ret->s, &o[r]), &ov);
        else
            SQ_TRY(refuse_value(call, &args[0], out, r));
    }
    sq_count_overflow(call, ov);
    return SQ_OK;
}

static sq_rc decimal_to_decimal(CAST_ARGS)
{
    sq_i128 *o = out->data;
    uint64_t ov = 0;

    (void)nargs;
    SQ_EACH_ROW(rows, i, r)
        decimal_or_null(out, r, sq_decimal_rescale(SQ_AT(sq_i128, args[0], r), args[0].type->s, call->ret->p, call->ret->s, &o[r]), &ov);
    sq_count_overflow(call, ov);
    return SQ_OK;
}

static sq_rc decimal_to_number(CAST_ARGS)
{
    int s = args[0].type->s;
    sq_i128 unit = sq_pow10_i128[s];

    (void)nargs;
    switch (call->ret->id) {
    case SQ_T_BOOLEAN: SQ_MAP1(sq_i128, uint8_t, a != 0); break;
    case SQ_T_TINYINT: SQ_MAP1(sq_i128, int8_t, a / unit); break;
    case SQ_T_SMALLINT: SQ_MAP1(sq_i128, int16_t, a / unit); break;
    case SQ_T_INT: SQ_MAP1(sq_i128, int32_t, a / unit); break;
    case SQ_T_BIGINT: SQ_MAP1(sq_i128, int64_t, a / unit); break;
    case SQ_T_FLOAT: SQ_MAP1(sq_i128, float, sq_decimal_to_double(a, s)); break;
    default: SQ_MAP1(sq_i128, double, sq_decimal_to_double(a, s)); break;
    }
    return SQ_OK;
}

/* ---- from texts ---- */

/* An integer with an optional fraction, which is checked and cut off. */
static bool text_to_integer(struct sq_str s, int64_t *out)
{
    const char *dot = s.n ? memchr(s.p, '.', s.n) : NULL;

    if (dot) {
        for (const char *p = dot + 1; p < s.p + s.n; p++)
            if (*p < '0' || *p > '9')
                return false;
        s.n = (uint32_t)(dot - s.p);
        if (s.n == 0 || (s.n == 1 && (*s.p == '-' || *s.p == '+'))) {
            *out = 0;
            return dot[1] >= '0' && dot[1] <= '9';
        }
    }
    return sq_parse_int(s, out);
}

static bool text_to_boolean(struct sq_str s, bool *out)
{
    static const char *const yes[] = {"true", "t", "yes", "y", "1"}, *const no[] = {"false", "f", "no", "n", "0"};

    for (size_t i = 0; i < SQ_LEN(yes); i++)
        if (sq_str_iis(s, yes[i]) || sq_str_iis(s, no[i])) {
            *out = sq_str_iis(s, yes[i]);
            return true;
        }
    return false;
}

/* Flink's date: also "2024", "2024-05", and whatever stands behind a blank. */
static bool text_to_date(struct sq_str s, int32_t *out)
{
    const char *blank = s.n ? memchr(s.p, ' ', s.n) : NULL;
    uint32_t dashes = 0;
    char buf[32];

    if (blank)
        s.n = (uint32_t)(blank - s.p);
    if (sq_parse_date(s, out))
        return true;
    for (uint32_t i = 0; i < s.n; i++)
        dashes += s.p[i] == '-';
    if (s.n == 0 || s.n > 10 || dashes > 1)
        return false;
    memcpy(buf, s.p, s.n);
    memcpy(buf + s.n, dashes ? "-1" : "-1-1", dashes ? 3 : 5);
    return sq_parse_date(sq_str_of(buf), out);
}

static bool store_integer(const struct sq_type *t, struct sq_vec *out, uint32_t r, int64_t v)
{
    switch (t->id) {
    case SQ_T_TINYINT: ((int8_t *)out->data)[r] = (int8_t)v; return v == (int8_t)v;
    case SQ_T_SMALLINT: ((int16_t *)out->data)[r] = (int16_t)v; return v == (int16_t)v;
    case SQ_T_INT: ((int32_t *)out->data)[r] = (int32_t)v; return v == (int32_t)v;
    default: ((int64_t *)out->data)[r] = v; return true;
    }
}

static bool text_to_timestamp(struct sq_call *call, struct sq_str s, struct sq_vec *out, uint32_t r)
{
    struct sq_ts16 ts;

    if (!sq_parse_timestamp(s, false, call->ret->p, &ts))
        return false;
    if (call->ret->id == SQ_T_TIMESTAMP_LTZ)
        ts.us = sq_tz_to_utc(sq_call_tz(call), ts.us);
    sq_ts_put(out, call->ret, r, ts);
    return true;
}

static bool text_to(struct sq_call *call, struct sq_str s, struct sq_vec *out, uint32_t r)
{
    int64_t n;
    double d;
    bool b;

    switch (call->ret->id) {
    case SQ_T_BOOLEAN:
        if (!text_to_boolean(s, &b))
            return false;
        ((uint8_t *)out->data)[r] = b;
        return true;
    case SQ_T_TINYINT:
    case SQ_T_SMALLINT:
    case SQ_T_INT:
    case SQ_T_BIGINT:
        return text_to_integer(s, &n) && store_integer(call->ret, out, r, n);
    case SQ_T_FLOAT:
    case SQ_T_DOUBLE:
        if (!sq_parse_double(s, true, &d))
            return false;
        if (call->ret->id == SQ_T_FLOAT)
            ((float *)out->data)[r] = (float)d;
        else
            ((double *)out->data)[r] = d;
        return true;
    case SQ_T_DATE:
        return text_to_date(s, &((int32_t *)out->data)[r]);
    case SQ_T_TIME:
        return sq_parse_time(s, &((int32_t *)out->data)[r]);
    default:
        return text_to_timestamp(call, s, out, r);
    }
}

static sq_rc text_to_value(CAST_ARGS)
{
    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r);

        if (!text_to(call, sq_str_trim(s), out, r))
            SQ_TRY(refuse(call, out, r, s));
    }
    return SQ_OK;
}

/* A number that is too large for the DECIMAL is NULL, as any number is; what is no number is an error. */
static sq_rc text_to_decimal(CAST_ARGS)
{
    sq_i128 *o = out->data;
    uint64_t ov = 0;
    double d;

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_str_trim(sq_text_at(&args[0], r));

        if (sq_parse_decimal(s, call->ret->p, call->ret->s, &o[r]))
            continue;
        if (sq_parse_double(s, false, &d))
            decimal_or_null(out, r, false, &ov);
        else
            SQ_TRY(refuse(call, out, r, sq_text_at(&args[0], r)));
    }
    sq_count_overflow(call, ov);
    return SQ_OK;
}

/* ---- to texts ---- */

/* The bytes of the first n code points. */
static uint32_t prefix_bytes(struct sq_str s, uint32_t n, uint32_t *count)
{
    uint32_t i = 0;

    *count = 0;
    for (; i < s.n; i++)
        if (((unsigned char)s.p[i] & 0xC0) != 0x80 && (*count)++ == n) {
            --*count;
            break;
        }
    return i;
}

/* Puts a text as CHAR(n) or VARCHAR(n). `borrow`: its bytes live as long as the result. */
static sq_rc put_text(struct sq_call *call, struct sq_vec *out, uint32_t r, struct sq_str s, bool borrow)
{
    uint32_t most = (uint32_t)call->ret->p, count = 0, pad = 0;
    char *p;

    if (call->ret->id == SQ_T_CHAR || s.n > most) {
        s.n = prefix_bytes(s, most, &count);
        pad = call->ret->id == SQ_T_CHAR ? most - count : 0;
    }
    if (pad) {
        p = sq_text_room(call, (size_t)s.n + pad);
        if (!p)
            return call->ctx->err.rc;
        if (s.n)
            memcpy(p, s.p, s.n);
        memset(p + s.n, ' ', pad);
        sq_put_view(out, r, p, s.n + pad);
        return SQ_OK;
    }
    if (!borrow)
        return sq_put_copy(call, out, r, s.p, s.n);
    sq_put_view(out, r, s.p, s.n);
    return SQ_OK;
}

static sq_rc text_to_text(CAST_ARGS)
{
    if (call->ret->id == SQ_T_VARCHAR && (call->ret->p == SQ_STRING_MAX || (sq_tid_is_string(args[0].type->id) && call->ret->p >= args[0].type->p)))
        return copy(call, args, nargs, rows, out);
    SQ_EACH_ROW(rows, i, r)
        SQ_TRY(put_text(call, out, r, sq_text_at(&args[0], r), args[0].enc == SQ_CONST || sq_text_at(&args[0], r).n > SQ_VIEW_INLINE));
    return SQ_OK;
}

static sq_rc integer_to_text(CAST_ARGS)
{
    char buf[32];

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        int n = sq_print_int(integer_at(&args[0], r), buf);

        SQ_TRY(put_text(call, out, r, (struct sq_str){buf, (uint32_t)n}, false));
    }
    return SQ_OK;
}

static sq_rc value_to_text(CAST_ARGS)
{
    struct sq_buf b = {.ctx = call->ctx};
    sq_rc rc = SQ_OK;

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        sq_buf_reset(&b);
        SQ_TRY_OUT(sq_print_value(&b, &args[0], r, sq_call_tz(call)));
        if (b.n > SQ_STRING_MAX)
            SQ_TRY_OUT(sq_fail(call->ctx, SQ_LIMIT, "a text of %zu bytes is too long", b.n));
        SQ_TRY_OUT(put_text(call, out, r, sq_buf_view(&b), false));
    }
out:
    sq_buf_free(&b);
    return rc;
}

/* ---- bytes ---- */

/* BINARY(n) is cut or filled with zero bytes, VARBINARY(n) is cut. */
static sq_rc to_bytes(CAST_ARGS)
{
    uint32_t most = (uint32_t)call->ret->p;

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r);

        if (s.n < most && call->ret->id == SQ_T_BINARY) {
            char *p = sq_text_room(call, most);

            if (!p)
                return call->ctx->err.rc;
            if (s.n)
                memcpy(p, s.p, s.n);
            memset(p + s.n, 0, most - s.n);
            sq_put_view(out, r, p, most);
        } else
            sq_put_view(out, r, s.p, s.n < most ? s.n : most);
    }
    return SQ_OK;
}

/* ---- dates and times ---- */

static struct sq_ts16 cut(struct sq_ts16 t, int32_t p)
{
    static const int32_t us_unit[] = {1000000, 100000, 10000, 1000, 100, 10, 1}, ns_unit[] = {1000, 100, 10, 1};

    if (p >= 6)
        t.ns -= t.ns % ns_unit[p - 6];
    else {
        t.ns = 0;
        t.us = sq_floor_div(t.us, us_unit[p]) * us_unit[p];
    }
    return t;
}

static int32_t cut_time(int32_t ms, int32_t p)
{
    static const int32_t unit[] = {1000, 100, 10, 1};

    return p >= 3 ? ms : ms - ms % unit[p];
}

/* Any of DATE, TIME, TIMESTAMP and TIMESTAMP_LTZ as local time; a TIME is on 1970-01-01. */
static struct sq_ts16 local_at(const struct sq_tz *tz, const struct sq_vec *v, uint32_t r)
{
    struct sq_ts16 t;

    switch (v->type->id) {
    case SQ_T_DATE: return (struct sq_ts16){.us = SQ_AT(int32_t, *v, r) * SQ_US_PER_DAY};
    case SQ_T_TIME: return (struct sq_ts16){.us = (int64_t)SQ_AT(int32_t, *v, r) * SQ_US_PER_MS};
    case SQ_T_TIMESTAMP: return sq_ts_at(v, r);
    default:
        t = sq_ts_at(v, r);
        t.us = sq_tz_to_local(tz, t.us);
        return t;
    }
}

static sq_rc time_to_time(CAST_ARGS)
{
    const struct sq_tz *tz = sq_call_tz(call);
    bool same = args[0].type->id == call->ret->id;           /* only the precision changes */

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        struct sq_ts16 t = same && call->ret->id == SQ_T_TIMESTAMP_LTZ ? sq_ts_at(&args[0], r) : local_at(tz, &args[0], r);

        switch (call->ret->id) {
        case SQ_T_DATE:
            ((int32_t *)out->data)[r] = (int32_t)sq_floor_div(t.us, SQ_US_PER_DAY);
            break;
        case SQ_T_TIME:
            ((int32_t *)out->data)[r] = cut_time((int32_t)((t.us - sq_floor_div(t.us, SQ_US_PER_DAY) * SQ_US_PER_DAY) / SQ_US_PER_MS), call->ret->p);
            break;
        case SQ_T_TIMESTAMP_LTZ:
            if (!same)
                t.us = sq_tz_to_utc(tz, t.us);
            sq_ts_put(out, call->ret, r, cut(t, call->ret->p));
            break;
        default:
            sq_ts_put(out, call->ret, r, cut(t, call->ret->p));
        }
    }
    return SQ_OK;
}

/* ---- which kernel ---- */

enum group { NUMBER, DECIMAL, TEXT, BYTES, TIMES, INTERVAL, NESTED, OTHER };

static enum group group_of(const struct sq_type *t)
{
    switch (t->id) {
    case SQ_T_BOOLEAN: case SQ_T_TINYINT: case SQ_T_SMALLINT: case SQ_T_INT: case SQ_T_BIGINT: case SQ_T_FLOAT: case SQ_T_DOUBLE: return NUMBER;
    case SQ_T_DECIMAL: return DECIMAL;
    case SQ_T_CHAR: case SQ_T_VARCHAR: return TEXT;
    case SQ_T_BINARY: case SQ_T_VARBINARY: return BYTES;
    case SQ_T_DATE: case SQ_T_TIME: case SQ_T_TIMESTAMP: case SQ_T_TIMESTAMP_LTZ: return TIMES;
    case SQ_T_INTERVAL_YM: case SQ_T_INTERVAL_DS: return INTERVAL;
    case SQ_T_ARRAY: case SQ_T_MAP: case SQ_T_MULTISET: case SQ_T_ROW: return NESTED;
    default: return OTHER;
    }
}

static sq_kernel *to_text(const struct sq_type *from)
{
    switch (group_of(from)) {
    case TEXT: return text_to_text;
    case OTHER: return NULL;
    default: return sq_tid_is_int(from->id) ? integer_to_text : value_to_text;
    }
}

static sq_kernel *from_text(const struct sq_type *to)
{
    switch (group_of(to)) {
    case NUMBER:
    case TIMES: return text_to_value;
    case DECIMAL: return text_to_decimal;
    case BYTES: return to_bytes;
    default: return NULL;
    }
}

static sq_kernel *from_number(const struct sq_type *from, const struct sq_type *to)
{
    bool decimal = from->id == SQ_T_DECIMAL;

    if (to->id == SQ_T_DECIMAL)
        return decimal ? decimal_to_decimal : sq_tid_is_approx(from->id) ? float_to_decimal : integer_to_decimal;
    if (group_of(to) != NUMBER)
        return NULL;
    return decimal ? decimal_to_number : number_to_number;
}

/* A date has no time of day and a time has no date: these two do not meet. */
static sq_kernel *from_time(const struct sq_type *from, const struct sq_type *to)
{
    if (group_of(to) != TIMES || (from->id == SQ_T_DATE && to->id == SQ_T_TIME) || (from->id == SQ_T_TIME && to->id == SQ_T_DATE))
        return NULL;
    return time_to_time;
}

bool sq_cast_gives_null(const struct sq_type *from, const struct sq_type *to)
{
    int32_t room = to->p - to->s, digits;

    if (to->id != SQ_T_DECIMAL)
        return false;
    if (from->id == SQ_T_DECIMAL)
        digits = from->p - from->s + (from->s > to->s);   /* rounding may carry into one more */
    else if (from->id == SQ_T_BOOLEAN)
        digits = 1;
    else
        digits = sq_tid_digits(from->id);
    return digits == 0 || digits > room;
}

sq_kernel *sq_cast_kernel(const struct sq_type *from, const struct sq_type *to)
{
    if (from->id == SQ_T_NULL)
        return nothing;
    if (to->id == SQ_T_CHAR || to->id == SQ_T_VARCHAR)
        return to_text(from);
    switch (group_of(from)) {
    case TEXT: return from_text(to);
    case NUMBER:
    case DECIMAL: return from_number(from, to);
    case BYTES: return group_of(to) == BYTES ? to_bytes : NULL;
    case TIMES: return from_time(from, to);
    case INTERVAL: return from->id == to->id ? copy : NULL;
    case NESTED: return sq_cast_nested(from, to);
    default: return NULL;
    }
}
