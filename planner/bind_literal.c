/* SPDX-License-Identifier: Apache-2.0
 *
 * bind_literal.c: literals to constants, typed as Flink types them: integers INT, BIGINT or DECIMAL(p, 0) by size, numbers with a point DECIMAL with the
 * digits as written, with an exponent DOUBLE, strings CHAR(n), times with the fraction digits that are written.
 */
#include "planner/bind.h"

#include "base/text.h"

static sq_rc constant(struct sq_binder *b, const struct sq_ast_expr *a, const struct sq_type *t, const void *element, struct sq_expr **out)
{
    *out = t ? sq_expr_const(b->arena, sq_vec_const_fixed(b->arena, t, element), sq_bind_span(b, a->span)) : NULL;
    return *out ? SQ_OK : SQ_NOMEM;
}

static sq_rc bind_decimal(struct sq_binder *b, const struct sq_ast_expr *a, struct sq_expr **out)
{
    uint32_t digits = 0, scale = 0, from = 0;
    bool point = false;
    struct sq_str t = a->text;
    if (!memchr(t.p, '.', t.n))                                  /* leading zeros of an integer do not count */
        while (from + 1 < t.n && t.p[from] == '0')
            from++;
    for (uint32_t i = from; i < t.n; i++) {
        if (t.p[i] == '.') {
            point = true;
        } else {
            digits++;
            scale += point;
        }
    }
    sq_i128 v;
    if (digits > SQ_DECIMAL_MAX || !sq_parse_decimal(t, SQ_DECIMAL_MAX, (int)scale, &v))
        return SQ_WRONG(b, a->span, "the number has %u digits, DECIMAL holds at most %d", digits, SQ_DECIMAL_MAX);
    return constant(b, a, sq_type_new(b->arena, SQ_T_DECIMAL, false, (int32_t)(digits ? digits : 1), (int32_t)scale), &v, out);
}

static sq_rc bind_number(struct sq_binder *b, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_str t = a->text;
    int64_t i;
    if (memchr(t.p, 'e', t.n) || memchr(t.p, 'E', t.n)) {
        double d;
        if (!sq_parse_double(t, false, &d))
            return SQ_WRONG(b, a->span, "'%.*s' is not a number", SQ_FMT(t));
        if (d - d != 0)
            return SQ_WRONG(b, a->span, "the number %.*s is beyond DOUBLE", SQ_FMT(t));
        return constant(b, a, sq_type_nullable(b->arena, &sq_type_double, false), &d, out);
    }
    if (t.n && t.p[t.n - 1] == '.')
        t.n--;
    if (memchr(t.p, '.', t.n) || !sq_parse_int(t, &i))
        return bind_decimal(b, a, out);
    if (i > INT32_MAX)
        return constant(b, a, sq_type_nullable(b->arena, &sq_type_bigint, false), &i, out);
    int32_t small = (int32_t)i;
    return constant(b, a, sq_type_nullable(b->arena, &sq_type_int, false), &small, out);
}

static sq_rc bind_text(struct sq_binder *b, const struct sq_ast_expr *a, struct sq_expr **out)
{
    bool binary = a->kind == SQ_A_BINARY;
    uint32_t len = binary ? a->text.n : sq_utf8_length(a->text);
    const struct sq_type *t = sq_type_new(b->arena, binary ? SQ_T_BINARY : SQ_T_CHAR, false, (int32_t)len, 0);
    *out = t ? sq_expr_const(b->arena, sq_vec_const_str(b->arena, t, a->text), sq_bind_span(b, a->span)) : NULL;
    return *out ? SQ_OK : SQ_NOMEM;
}

/* Digits behind the last point. */
static int32_t fraction_digits(struct sq_str s)
{
    const char *dot = s.n ? memchr(s.p, '.', s.n) : NULL;
    if (!dot)
        return 0;
    int32_t n = 0;
    for (const char *p = dot + 1; p < s.p + s.n && *p >= '0' && *p <= '9'; p++)
        n++;
    return n > 9 ? 9 : n;
}

static sq_rc bind_typed(struct sq_binder *b, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_str s = a->text;
    int32_t v, p = fraction_digits(s);
    if (a->type->id == SQ_T_DATE) {
        if (!sq_parse_date(s, &v))
            return SQ_WRONG(b, a->span, "'%.*s' is not a date: write DATE 'yyyy-MM-dd'", SQ_FMT(s));
        return constant(b, a, sq_type_nullable(b->arena, &sq_type_date, false), &v, out);
    }
    if (a->type->id == SQ_T_TIME) {
        if (!sq_parse_time(s, &v))
            return SQ_WRONG(b, a->span, "'%.*s' is not a time: write TIME 'HH:mm:ss'", SQ_FMT(s));
        return constant(b, a, sq_type_new(b->arena, SQ_T_TIME, false, p, 0), &v, out);
    }
    struct sq_ts16 ts;
    if (!sq_parse_timestamp(s, false, 9, &ts))
        return SQ_WRONG(b, a->span, "'%.*s' is not a timestamp: write TIMESTAMP 'yyyy-MM-dd HH:mm:ss'", SQ_FMT(s));
    const struct sq_type *t = sq_type_new(b->arena, a->type->id, false, p, 0);
    return constant(b, a, t, p > 6 ? (const void *)&ts : (const void *)&ts.us, out);
}

/* ---- intervals ---- */

struct cursor { const char *p, *end; };

static bool take(struct cursor *c, char ch)
{
    if (c->p == c->end || *c->p != ch)
        return false;
    c->p++;
    return true;
}

static bool take_number(struct cursor *c, int64_t *v)
{
    const char *from = c->p;
    *v = 0;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && c->p - from < 12)
        *v = *v * 10 + (*c->p++ - '0');
    return c->p > from;
}

/* Seconds may have a fraction; what is beyond milliseconds is cut, as in Flink. */
static bool take_fraction_ms(struct cursor *c, int64_t *ms)
{
    int64_t unit = 100;
    *ms = 0;
    if (!take(c, '.'))
        return true;
    const char *from = c->p;
    for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++, unit /= 10)
        *ms += (*c->p - '0') * unit;
    return c->p > from;
}

static int64_t unit_ms(int unit)
{
    switch (unit) {
    case SQ_U_WEEK: return INT64_C(604800000);
    case SQ_U_DAY: return 86400000;
    case SQ_U_HOUR: return 3600000;
    case SQ_U_MINUTE: return 60000;
    case SQ_U_SECOND: return 1000;
    case SQ_U_MILLISECOND: return 1;
    default: return 0;
    }
}

static int64_t unit_months(int unit)
{
    return unit == SQ_U_YEAR ? 12 : unit == SQ_U_QUARTER ? 3 : unit == SQ_U_MONTH ? 1 : 0;
}

static bool parse_year_month(struct cursor *c, int from, int to, int64_t *months)
{
    int64_t a, m = 0;
    if (!take_number(c, &a))
        return false;
    if (from == SQ_U_YEAR && to == SQ_U_MONTH && (!take(c, '-') || !take_number(c, &m) || m > 11))
        return false;
    *months = a * unit_months(from) + m;
    return true;
}

static bool parse_day_time(struct cursor *c, int from, int to, int64_t *ms)
{
    static const int chain[] = {SQ_U_DAY, SQ_U_HOUR, SQ_U_MINUTE, SQ_U_SECOND};
    static const int64_t most[] = {0, 23, 59, 59};
    int64_t v, f;
    *ms = 0;
    if (to < 0 || to == from) {
        if (!take_number(c, &v))
            return false;
        *ms = v * unit_ms(from);
        if (from == SQ_U_SECOND) {
            if (!take_fraction_ms(c, &f))
                return false;
            *ms += f;
        }
        return true;
    }
    bool on = false;
    for (size_t i = 0; i < SQ_LEN(chain); i++) {
        if (chain[i] == from)
            on = true;
        else if (on && !take(c, chain[i] == SQ_U_HOUR ? ' ' : ':'))
            return false;
        if (!on)
            continue;
        if (!take_number(c, &v) || (chain[i] != from && v > most[i]))
            return false;
        *ms += v * unit_ms(chain[i]);
        if (chain[i] == SQ_U_SECOND) {
            if (!take_fraction_ms(c, &f))
                return false;
            *ms += f;
        }
        if (chain[i] == to)
            return true;
    }
    return false;
}

static sq_rc bind_interval(struct sq_binder *b, const struct sq_ast_expr *a, struct sq_expr **out)
{
    struct sq_str s = sq_str_trim(a->text);
    struct cursor c = {s.p, s.p + s.n};
    int from = (int)a->ival, to = (int)a->ival2;
    bool negative = take(&c, '-');
    int64_t v = 0;
    if (!negative)
        take(&c, '+');
    bool months = unit_months(from) != 0;
    if (!months && !unit_ms(from))
        return SQ_REFUSE(b, a->span, "intervals of %s are not supported: the finest is MILLISECOND", sq_unit_name(from));
    bool ok = months ? parse_year_month(&c, from, to, &v) : parse_day_time(&c, from, to, &v);
    if (!ok || c.p != c.end || (months && v > INT32_MAX)) {
        SQ_WRONG(b, a->span, "'%.*s' is not an interval of %s%s%s", SQ_FMT(a->text), sq_unit_name(from), to >= 0 ? " TO " : "", to >= 0 ? sq_unit_name(to) : "");
        return sq_hint(b->ctx, "write INTERVAL '10' SECOND, INTERVAL '1 12:30:00' DAY TO SECOND or INTERVAL '1-6' YEAR TO MONTH");
    }
    if (negative)
        v = -v;
    if (months) {
        int32_t m = (int32_t)v;
        return constant(b, a, sq_type_nullable(b->arena, &sq_type_interval_ym, false), &m, out);
    }
    return constant(b, a, sq_type_nullable(b->arena, &sq_type_interval_ds, false), &v, out);
}

sq_rc sq_bind_literal(struct sq_binder *b, const struct sq_ast_expr *a, struct sq_expr **out)
{
    uint8_t yes = a->ival != 0;
    switch (a->kind) {
    case SQ_A_NULL:
        *out = sq_expr_const(b->arena, sq_vec_const_null(b->arena, &sq_type_null), sq_bind_span(b, a->span));
        return *out ? SQ_OK : SQ_NOMEM;
    case SQ_A_BOOL:
        return constant(b, a, sq_type_nullable(b->arena, &sq_type_boolean, false), &yes, out);
    case SQ_A_NUMBER:
        return bind_number(b, a, out);
    case SQ_A_STRING:
    case SQ_A_BINARY:
        return bind_text(b, a, out);
    case SQ_A_TYPED:
        return bind_typed(b, a, out);
    case SQ_A_INTERVAL:
        return bind_interval(b, a, out);
    case SQ_A_SYMBOL:
        *out = sq_expr_const(b->arena, sq_vec_const_str(b->arena, &sq_type_symbol, a->text), sq_bind_span(b, a->span));
        return *out ? SQ_OK : SQ_NOMEM;
    default:
        return sq_fail(b->ctx, SQ_INTERNAL, "not a literal");
    }
}
