/* SPDX-License-Identifier: Apache-2.0
 *
 * interval.c: + - * / with intervals.
 *
 * A day-time interval is a number of milliseconds, a year-month interval a number of months; adding months keeps the day, or takes the month's last
 * where it has none. A TIME goes round the clock.
 *
 * FLINK: DATE + INTERVAL of hours is a TIMESTAMP there, by the interval's unit. The type does not carry the unit here: DATE + a constant interval that
 * is not whole days is a TIMESTAMP(6), DATE + any other is a DATE, and an interval in a column that is not whole days is an error that says what to do.
 */
#include "functions/kernel.h"

#define IV_ARGS struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out

int32_t sq_add_months(int32_t days, int64_t months)
{
    int32_t y, m, d, first, length;
    int64_t total;

    sq_civil_from_days(days, &y, &m, &d);
    total = (int64_t)y * 12 + (m - 1) + months;
    y = (int32_t)sq_floor_div(total, 12);
    m = (int32_t)(total - (int64_t)y * 12) + 1;
    first = sq_days_from_civil(y, m, 1);
    length = (m == 12 ? sq_days_from_civil(y + 1, 1, 1) : sq_days_from_civil(y, m + 1, 1)) - first;
    return first + (d < length ? d : length) - 1;
}

sq_rc sq_not_in_calendar(struct sq_call *call)
{
    return sq_fail(call->ctx, SQ_DATA, "a time is out of range: years go from 0 to 10000");
}

enum { MIN_DAY = -719528, MAX_DAY = 2933262 };

bool sq_in_calendar(int64_t us)
{
    return us >= MIN_DAY * SQ_US_PER_DAY && us < (MAX_DAY + 1) * SQ_US_PER_DAY;
}

/* Which argument is the interval (either side of a +), and which way it goes. */
struct operands {
    const struct sq_vec *time, *iv;
    int sign;
};

static struct operands operands(const struct sq_vec *args, int sign)
{
    if (sq_tid_is_interval(args[1].type->id))
        return (struct operands){&args[0], &args[1], sign};
    return (struct operands){&args[1], &args[0], sign};
}

/* ---- timestamps ---- */

static sq_rc ts_shift_ms(struct sq_call *call, struct operands o, struct sq_rows rows, struct sq_vec *out)
{
    if (call->ret->p <= 6 && !rows.sel && o.time->enc == SQ_FLAT && o.iv->enc == SQ_CONST) {     /* watermarks: ts - INTERVAL '5' SECOND */
        const int64_t *x = o.time->data;
        int64_t *to = out->data, by, bad = 0;

        if (__builtin_mul_overflow(*(const int64_t *)o.iv->data, (int64_t)o.sign * SQ_US_PER_MS, &by))
            return sq_not_in_calendar(call);
        for (uint32_t i = 0; i < rows.n; i++) {
            int64_t us = (int64_t)((uint64_t)x[i] + (uint64_t)by);

            bad |= !sq_in_calendar(us);
            to[i] = us;
        }
        return bad ? sq_not_in_calendar(call) : SQ_OK;
    }
    SQ_EACH_ROW(rows, i, r) {
        struct sq_ts16 t = sq_ts_at(o.time, r);
        int64_t by;

        if (__builtin_mul_overflow(SQ_AT(int64_t, *o.iv, r), (int64_t)o.sign * SQ_US_PER_MS, &by) || __builtin_add_overflow(t.us, by, &t.us) ||
            !sq_in_calendar(t.us))
            return sq_not_in_calendar(call);
        sq_ts_put(out, call->ret, r, t);
    }
    return SQ_OK;
}

static sq_rc ts_shift_months(struct sq_call *call, struct operands o, struct sq_rows rows, struct sq_vec *out)
{
    SQ_EACH_ROW(rows, i, r) {
        struct sq_ts16 t = sq_ts_at(o.time, r);
        int64_t day = sq_floor_div(t.us, SQ_US_PER_DAY), rest = t.us - day * SQ_US_PER_DAY, by = (int64_t)SQ_AT(int32_t, *o.iv, r) * o.sign;

        if (by > 120000 || by < -120000)
            return sq_not_in_calendar(call);
        t.us = sq_add_months((int32_t)day, by) * SQ_US_PER_DAY + rest;
        if (!sq_in_calendar(t.us))
            return sq_not_in_calendar(call);
        sq_ts_put(out, call->ret, r, t);
    }
    return SQ_OK;
}

/* ---- dates and times of day ---- */

static sq_rc date_shift_ms(struct sq_call *call, struct operands o, struct sq_rows rows, struct sq_vec *out)
{
    SQ_EACH_ROW(rows, i, r) {
        int64_t ms = SQ_AT(int64_t, *o.iv, r), day = SQ_AT(int32_t, *o.time, r) + ms / 86400000 * o.sign;

        if (day < MIN_DAY || day > MAX_DAY)
            return sq_not_in_calendar(call);
        if (call->ret->id == SQ_T_TIMESTAMP) {
            struct sq_ts16 t = {.us = day * SQ_US_PER_DAY + ms % 86400000 * o.sign * SQ_US_PER_MS};

            if (!sq_in_calendar(t.us))
                return sq_not_in_calendar(call);
            sq_ts_put(out, call->ret, r, t);
            continue;
        }
        if (ms % 86400000) {
            sq_fail(call->ctx, SQ_DATA, "an interval that is not whole days was added to a DATE");
            return sq_hint(call->ctx, "cast the date first: CAST(d AS TIMESTAMP(3)) + INTERVAL …");
        }
        ((int32_t *)out->data)[r] = (int32_t)day;
    }
    return SQ_OK;
}

static sq_rc date_shift_months(struct sq_call *call, struct operands o, struct sq_rows rows, struct sq_vec *out)
{
    SQ_EACH_ROW(rows, i, r) {
        int64_t by = (int64_t)SQ_AT(int32_t, *o.iv, r) * o.sign;
        int32_t day;

        if (by > 120000 || by < -120000)
            return sq_not_in_calendar(call);
        day = sq_add_months(SQ_AT(int32_t, *o.time, r), by);
        if (day < MIN_DAY || day > MAX_DAY)
            return sq_not_in_calendar(call);
        ((int32_t *)out->data)[r] = day;
    }
    return SQ_OK;
}

static sq_rc time_shift(struct sq_call *call, struct operands o, struct sq_rows rows, struct sq_vec *out)
{
    (void)call;
    SQ_EACH_ROW(rows, i, r) {
        int64_t by = o.iv->type->id == SQ_T_INTERVAL_DS ? SQ_AT(int64_t, *o.iv, r) % 86400000 * o.sign : 0;

        ((int32_t *)out->data)[r] = (int32_t)((SQ_AT(int32_t, *o.time, r) + 86400000 + by) % 86400000);
    }
    return SQ_OK;
}

static sq_rc shift(struct sq_call *call, struct operands o, struct sq_rows rows, struct sq_vec *out)
{
    bool months = o.iv->type->id == SQ_T_INTERVAL_YM;

    switch (o.time->type->id) {
    case SQ_T_DATE: return months ? date_shift_months(call, o, rows, out) : date_shift_ms(call, o, rows, out);
    case SQ_T_TIME: return time_shift(call, o, rows, out);
    default: return months ? ts_shift_months(call, o, rows, out) : ts_shift_ms(call, o, rows, out);
    }
}

static sq_rc plus(IV_ARGS)
{
    (void)nargs;
    return shift(call, operands(args, 1), rows, out);
}

static sq_rc minus(IV_ARGS)
{
    (void)nargs;
    return shift(call, operands(args, -1), rows, out);
}

sq_rc sq_refine_date_shift(struct sq_arena *a, const struct sq_type *const *param, const struct sq_vec *const *consts, uint32_t n, const struct sq_type **ret)
{
    uint32_t iv = n == 2 && param[0]->id == SQ_T_INTERVAL_DS ? 0 : 1;

    if (n != 2 || param[iv]->id != SQ_T_INTERVAL_DS || param[!iv]->id != SQ_T_DATE || !consts[iv] || consts[iv]->type->id != SQ_T_INTERVAL_DS ||
        sq_arg_null(consts[iv], 0) || *(const int64_t *)consts[iv]->data % 86400000 == 0)
        return SQ_OK;
    *ret = sq_type_new(a, SQ_T_TIMESTAMP, (*ret)->nullable, 6, 0);
    return *ret ? SQ_OK : a->ctx->err.rc;
}

/* ---- intervals among themselves ---- */

static sq_rc interval_range(struct sq_call *call)
{
    return sq_fail(call->ctx, SQ_DATA, "an interval is out of range");
}

static void put_interval(struct sq_vec *out, uint32_t r, bool months, int64_t v)
{
    if (months)
        ((int32_t *)out->data)[r] = (int32_t)v;
    else
        ((int64_t *)out->data)[r] = v;
}

static sq_rc combine(struct sq_call *call, const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, int sign)
{
    bool months = call->ret->id == SQ_T_INTERVAL_YM;

    SQ_EACH_ROW(rows, i, r) {
        int64_t a = months ? SQ_AT(int32_t, args[0], r) : SQ_AT(int64_t, args[0], r), b = months ? SQ_AT(int32_t, args[1], r) : SQ_AT(int64_t, args[1], r), v;

        if ((sign > 0 ? __builtin_add_overflow(a, b, &v) : __builtin_sub_overflow(a, b, &v)) || (months && v != (int32_t)v))
            return interval_range(call);
        put_interval(out, r, months, v);
    }
    return SQ_OK;
}

static sq_rc interval_add(IV_ARGS)
{
    (void)nargs;
    return combine(call, args, rows, out, 1);
}

static sq_rc interval_sub(IV_ARGS)
{
    (void)nargs;
    return combine(call, args, rows, out, -1);
}

static sq_rc scale(struct sq_call *call, const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, bool divide)
{
    bool months = call->ret->id == SQ_T_INTERVAL_YM, second = sq_tid_is_interval(args[1].type->id);
    const struct sq_vec *iv = &args[second], *by = &args[!second];

    SQ_EACH_ROW(rows, i, r) {
        int64_t a = months ? SQ_AT(int32_t, *iv, r) : SQ_AT(int64_t, *iv, r), b = SQ_AT(int64_t, *by, r), v = 0;

        if (divide && b == 0)
            return sq_fail(call->ctx, SQ_DATA, "division by zero");
        if (divide ? b == -1 && a == INT64_MIN : __builtin_mul_overflow(a, b, &v))
            return interval_range(call);
        v = divide ? a / b : v;
        if (months && v != (int32_t)v)
            return interval_range(call);
        put_interval(out, r, months, v);
    }
    return SQ_OK;
}

static sq_rc times(IV_ARGS)
{
    (void)nargs;
    return scale(call, args, rows, out, false);
}

static sq_rc divided(IV_ARGS)
{
    (void)nargs;
    return scale(call, args, rows, out, true);
}

#define OP (SQ_STRICT | SQ_PURE | SQ_OPERATOR)
#define LATER "the time that much later"
#define EARLIER "the time that much earlier"
#define SHIFT_ROWS(T, EXAMPLE_PLUS, EXAMPLE_MINUS)                                           \
    {"+", "(" T ", INTERVAL_DS) -> " T, OP, plus, NULL, LATER, EXAMPLE_PLUS, NULL},          \
    {"+", "(" T ", INTERVAL_YM) -> " T, OP, plus, NULL, LATER, NULL, NULL},                  \
    {"+", "(INTERVAL_DS, " T ") -> " T, OP, plus, NULL, LATER, NULL, NULL},                  \
    {"+", "(INTERVAL_YM, " T ") -> " T, OP, plus, NULL, LATER, NULL, NULL},                  \
    {"-", "(" T ", INTERVAL_DS) -> " T, OP, minus, NULL, EARLIER, EXAMPLE_MINUS, NULL},      \
    {"-", "(" T ", INTERVAL_YM) -> " T, OP, minus, NULL, EARLIER, NULL, NULL}

const struct sq_function sq_functions_interval[] = {
    SHIFT_ROWS("TEMPORAL", "TIMESTAMP '2024-01-01 00:00:00' + INTERVAL '1' DAY = TIMESTAMP '2024-01-02 00:00:00'",
               "DATE '2024-01-01' - INTERVAL '1' DAY = DATE '2023-12-31'"),
    {"+", "(INTERVAL_DS, INTERVAL_DS) -> INTERVAL_DS", OP, interval_add, NULL, "the sum of two intervals", "INTERVAL '1' DAY + INTERVAL '1' HOUR = INTERVAL '25' HOUR", NULL},
    {"+", "(INTERVAL_YM, INTERVAL_YM) -> INTERVAL_YM", OP, interval_add, NULL, "the sum of two intervals", NULL, NULL},
    {"-", "(INTERVAL_DS, INTERVAL_DS) -> INTERVAL_DS", OP, interval_sub, NULL, "the difference of two intervals", NULL, NULL},
    {"-", "(INTERVAL_YM, INTERVAL_YM) -> INTERVAL_YM", OP, interval_sub, NULL, "the difference of two intervals", NULL, NULL},
    {"*", "(INTERVAL_DS, BIGINT) -> INTERVAL_DS", OP, times, NULL, "the interval so many times", "INTERVAL '1' HOUR * 24 = INTERVAL '1' DAY", NULL},
    {"*", "(BIGINT, INTERVAL_DS) -> INTERVAL_DS", OP, times, NULL, "the interval so many times", NULL, NULL},
    {"*", "(INTERVAL_YM, BIGINT) -> INTERVAL_YM", OP, times, NULL, "the interval so many times", NULL, NULL},
    {"*", "(BIGINT, INTERVAL_YM) -> INTERVAL_YM", OP, times, NULL, "the interval so many times", NULL, NULL},
    {"/", "(INTERVAL_DS, BIGINT) -> INTERVAL_DS", OP, divided, NULL, "the interval divided, cut towards zero", "INTERVAL '1' DAY / 24 = INTERVAL '1' HOUR", NULL},
    {"/", "(INTERVAL_YM, BIGINT) -> INTERVAL_YM", OP, divided, NULL, "the interval divided, cut towards zero", NULL, NULL},
    {0},
};
