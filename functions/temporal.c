/* SPDX-License-Identifier: Apache-2.0
 *
 * temporal.c: the clock, parts of times, rounding to units, adding and subtracting units.
 *
 * A TIMESTAMP_LTZ is taken apart in the session's time zone. The unit is a keyword (SYMBOL); it is checked when the expression is made.
 *
 * FLINK: FLOOR and CEIL to WEEK begin weeks on Sunday, while EXTRACT(WEEK …) counts ISO weeks, as there. CEIL to QUARTER of a quarter's first day goes
 * on to the next quarter, as there. Times before 1970 are rounded like those after (there, some go a day wrong).
 */
#include "base/os.h"
#include "functions/kernel.h"

#define TIME_ARGS struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out

/* ---- units ---- */

static const struct {
    const char *name;
    enum sq_time_unit unit;
} units[] = {
    {"MILLENNIUM", SQ_TU_MILLENNIUM}, {"CENTURY", SQ_TU_CENTURY}, {"DECADE", SQ_TU_DECADE}, {"YEAR", SQ_TU_YEAR}, {"QUARTER", SQ_TU_QUARTER},
    {"MONTH", SQ_TU_MONTH}, {"WEEK", SQ_TU_WEEK}, {"DAY", SQ_TU_DAY}, {"HOUR", SQ_TU_HOUR}, {"MINUTE", SQ_TU_MINUTE}, {"SECOND", SQ_TU_SECOND},
    {"MILLISECOND", SQ_TU_MILLISECOND}, {"MICROSECOND", SQ_TU_MICROSECOND}, {"NANOSECOND", SQ_TU_NANOSECOND}, {"DOW", SQ_TU_DOW},
    {"ISODOW", SQ_TU_ISODOW}, {"DOY", SQ_TU_DOY}, {"ISOYEAR", SQ_TU_ISOYEAR}, {"EPOCH", SQ_TU_EPOCH},
};

enum sq_time_unit sq_time_unit_of(struct sq_str s)
{
    if (s.n > 8 && sq_str_iis((struct sq_str){s.p, 8}, "SQL_TSI_"))
        s = (struct sq_str){s.p + 8, s.n - 8};
    for (size_t i = 0; i < SQ_LEN(units); i++)
        if (sq_str_iis(s, units[i].name))
            return units[i].unit;
    return SQ_TU_NONE;
}

static sq_rc unit_prepare(struct sq_call *call, struct sq_arena *a, const struct sq_vec *const *const_args, uint32_t n, void **state)
{
    struct sq_str names[SQ_LEN(units)], near, word;

    (void)a, (void)state;
    for (uint32_t i = 0; i < n; i++) {
        if (!const_args[i] || const_args[i]->type->id != SQ_T_SYMBOL)
            continue;
        word = sq_text_at(const_args[i], 0);
        if (sq_time_unit_of(word))
            continue;
        for (size_t k = 0; k < SQ_LEN(units); k++)
            names[k] = sq_str_of(units[k].name);
        near = sq_nearest(word, names, SQ_LEN(units));
        sq_fail(call->ctx, SQ_SEMANTIC, "'%.*s' is not a unit of time", SQ_FMT(word));
        return near.n ? sq_hint(call->ctx, "did you mean %.*s?", SQ_FMT(near)) : sq_hint(call->ctx, "YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND, …");
    }
    return SQ_OK;
}

/* ---- the clock ---- */

int64_t sq_now_us(const struct sq_call *call)
{
    const struct sq_os *os = call->session && call->session->os ? call->session->os : call->ctx->os;

    return call->session && call->session->batch ? call->session->start_us : os->now_us(os->arg);
}

static sq_rc put_time(struct sq_call *call, struct sq_rows rows, struct sq_vec *out, int64_t us)
{
    int64_t local = sq_tz_to_local(sq_call_tz(call), us), day = sq_floor_div(local, SQ_US_PER_DAY);

    us = sq_floor_div(us, SQ_US_PER_MS) * SQ_US_PER_MS;
    SQ_EACH_ROW(rows, i, r)
        switch (call->ret->id) {
        case SQ_T_TIMESTAMP_LTZ: ((int64_t *)out->data)[r] = us; break;
        case SQ_T_TIMESTAMP: ((int64_t *)out->data)[r] = sq_floor_div(local, SQ_US_PER_MS) * SQ_US_PER_MS; break;
        case SQ_T_DATE: ((int32_t *)out->data)[r] = (int32_t)day; break;
        default: ((int32_t *)out->data)[r] = (int32_t)((local - day * SQ_US_PER_DAY) / SQ_US_PER_S) * 1000; break;
        }
    return SQ_OK;
}

static sq_rc current(TIME_ARGS)
{
    (void)args, (void)nargs;
    return put_time(call, rows, out, sq_now_us(call));
}

/* The wall clock, in batch mode too. */
static sq_rc current_row(TIME_ARGS)
{
    const struct sq_os *os = call->session && call->session->os ? call->session->os : call->ctx->os;

    (void)args, (void)nargs;
    return put_time(call, rows, out, os->now_us(os->arg));
}

/* ---- parts ---- */

/* A time taken apart: days since 1970, microseconds of the day, nanoseconds of the microsecond. */
struct broken {
    int64_t day, us;
    int32_t ns;
};

static struct broken break_up(struct sq_ts16 t)
{
    int64_t day = sq_floor_div(t.us, SQ_US_PER_DAY);

    return (struct broken){day, t.us - day * SQ_US_PER_DAY, t.ns};
}

/* Any DATE, TIME or timestamp as local time. */
static struct sq_ts16 local_at(const struct sq_tz *tz, const struct sq_vec *v, uint32_t r)
{
    struct sq_ts16 t;

    if (v->type->id == SQ_T_DATE)
        return (struct sq_ts16){.us = SQ_AT(int32_t, *v, r) * SQ_US_PER_DAY};
    if (v->type->id == SQ_T_TIME)
        return (struct sq_ts16){.us = (int64_t)SQ_AT(int32_t, *v, r) * SQ_US_PER_MS};
    t = sq_ts_at(v, r);
    if (v->type->id == SQ_T_TIMESTAMP_LTZ)
        t.us = sq_tz_to_local(tz, t.us);
    return t;
}

static int64_t floor_mod(int64_t a, int64_t b)
{
    return a - sq_floor_div(a, b) * b;
}

/* ISO 8601: the week that holds the year's first Thursday is week 1. Gives the week, and the year it belongs to. */
static int64_t iso_week(int64_t day, int64_t *year)
{
    int64_t thursday = day - floor_mod(day + 3, 7) + 3;      /* of the same week; 1970-01-01 was a Thursday */
    int32_t y, m, d;

    sq_civil_from_days((int32_t)thursday, &y, &m, &d);
    *year = y;
    return (thursday - sq_days_from_civil(y, 1, 1)) / 7 + 1;
}

static int64_t extract_date(enum sq_time_unit unit, int64_t day)
{
    int32_t y, m, d;
    int64_t iso_year, week = iso_week(day, &iso_year);

    sq_civil_from_days((int32_t)day, &y, &m, &d);
    switch (unit) {
    case SQ_TU_MILLENNIUM: return (y + 999) / 1000;
    case SQ_TU_CENTURY: return (y + 99) / 100;
    case SQ_TU_DECADE: return y / 10;
    case SQ_TU_YEAR: return y;
    case SQ_TU_ISOYEAR: return iso_year;
    case SQ_TU_QUARTER: return (m + 2) / 3;
    case SQ_TU_MONTH: return m;
    case SQ_TU_WEEK: return week;
    case SQ_TU_DAY: return d;
    case SQ_TU_DOW: return floor_mod(day + 4, 7) + 1;
    case SQ_TU_ISODOW: return floor_mod(day + 3, 7) + 1;
    default: return day - sq_days_from_civil(y, 1, 1) + 1;
    }
}

static int64_t extract_part(enum sq_time_unit unit, struct sq_ts16 t)
{
    struct broken b = break_up(t);

    switch (unit) {
    case SQ_TU_HOUR: return b.us / 3600000000;
    case SQ_TU_MINUTE: return b.us / 60000000 % 60;
    case SQ_TU_SECOND: return b.us / SQ_US_PER_S % 60;
    case SQ_TU_MILLISECOND: return b.us / 1000 % 1000;
    case SQ_TU_MICROSECOND: return b.us % SQ_US_PER_S;
    case SQ_TU_NANOSECOND: return b.us % SQ_US_PER_S * 1000 + b.ns;
    case SQ_TU_EPOCH: return sq_floor_div(t.us, SQ_US_PER_S);
    default: return extract_date(unit, b.day);
    }
}

static sq_rc extract_rows(struct sq_call *call, const struct sq_vec *v, struct sq_rows rows, struct sq_vec *out, enum sq_time_unit unit)
{
    const struct sq_tz *tz = sq_call_tz(call);

    SQ_EACH_ROW(rows, i, r)
        ((int64_t *)out->data)[r] = extract_part(unit, local_at(tz, v, r));
    return SQ_OK;
}

static sq_rc extract(TIME_ARGS)
{
    (void)nargs;
    return extract_rows(call, &args[1], rows, out, sq_time_unit_of(sq_text_at(&args[0], 0)));
}

/* Of an interval: the days, hours … it is written with. */
static sq_rc extract_interval(TIME_ARGS)
{
    enum sq_time_unit unit = sq_time_unit_of(sq_text_at(&args[0], 0));
    bool months = args[1].type->id == SQ_T_INTERVAL_YM;

    (void)nargs;
    if (months ? unit != SQ_TU_YEAR && unit != SQ_TU_MONTH : unit < SQ_TU_DAY || unit > SQ_TU_SECOND)
        return sq_fail(call->ctx, SQ_SEMANTIC, "an interval of %s has no %.*s", months ? "years and months" : "days and times", SQ_FMT(sq_text_at(&args[0], 0)));
    SQ_EACH_ROW(rows, i, r) {
        int64_t v = months ? SQ_AT(int32_t, args[1], r) : SQ_AT(int64_t, args[1], r), part;

        switch (unit) {
        case SQ_TU_YEAR: part = v / 12; break;
        case SQ_TU_MONTH: part = v % 12; break;
        case SQ_TU_DAY: part = v / 86400000; break;
        case SQ_TU_HOUR: part = v / 3600000 % 24; break;
        case SQ_TU_MINUTE: part = v / 60000 % 60; break;
        default: part = v / 1000 % 60; break;
        }
        ((int64_t *)out->data)[r] = part;
    }
    return SQ_OK;
}

#define PART(NAME, UNIT)                                                                                                                         \
    static sq_rc NAME(TIME_ARGS)                                                                                                                 \
    {                                                                                                                                            \
        (void)nargs;                                                                                                                             \
        return extract_rows(call, &args[0], rows, out, UNIT);                                                                                    \
    }
PART(year_of, SQ_TU_YEAR)
PART(quarter_of, SQ_TU_QUARTER)
PART(month_of, SQ_TU_MONTH)
PART(week_of, SQ_TU_WEEK)
PART(day_of_year, SQ_TU_DOY)
PART(day_of_month, SQ_TU_DAY)
PART(day_of_week, SQ_TU_DOW)
PART(hour_of, SQ_TU_HOUR)
PART(minute_of, SQ_TU_MINUTE)
PART(second_of, SQ_TU_SECOND)

/* ---- FLOOR and CEIL ---- */

static int64_t floor_year(int32_t year, int32_t span, int32_t first, bool up)
{
    return sq_days_from_civil((year - first) / span * span + first + (up ? span : 0), 1, 1);
}

static int64_t round_date(enum sq_time_unit unit, int64_t day, bool up)
{
    int32_t y, m, d, q;
    int64_t dow = floor_mod(day + 4, 7);

    sq_civil_from_days((int32_t)day, &y, &m, &d);
    q = (m + 2) / 3;
    switch (unit) {
    case SQ_TU_MILLENNIUM: return floor_year(y, 1000, 1, up);
    case SQ_TU_CENTURY: return floor_year(y, 100, 1, up);
    case SQ_TU_DECADE: return floor_year(y, 10, 0, up);
    case SQ_TU_YEAR: return sq_days_from_civil(y + (up && (m > 1 || d > 1)), 1, 1);
    case SQ_TU_QUARTER: q += up && (m > 1 || d > 1); return sq_days_from_civil(y + (q > 4), (q > 4 ? 1 : q * 3 - 2), 1);
    case SQ_TU_MONTH: m += up && d > 1; return sq_days_from_civil(y + (m > 12), m > 12 ? 1 : m, 1);
    case SQ_TU_WEEK: return day - dow + (up && dow > 0 ? 7 : 0);
    default: return day;
    }
}

static int64_t unit_us(enum sq_time_unit unit)
{
    switch (unit) {
    case SQ_TU_WEEK: return 7 * SQ_US_PER_DAY;
    case SQ_TU_DAY: return SQ_US_PER_DAY;
    case SQ_TU_HOUR: return 3600 * (int64_t)SQ_US_PER_S;
    case SQ_TU_MINUTE: return 60 * (int64_t)SQ_US_PER_S;
    case SQ_TU_SECOND: return SQ_US_PER_S;
    case SQ_TU_MILLISECOND: return SQ_US_PER_MS;
    case SQ_TU_MICROSECOND: return 1;
    default: return 0;
    }
}

static struct sq_ts16 round_time(enum sq_time_unit unit, struct sq_ts16 t, bool up)
{
    int64_t step = unit_us(unit), base;

    if (unit < SQ_TU_DAY)
        return (struct sq_ts16){.us = round_date(unit, sq_floor_div(t.us, SQ_US_PER_DAY), up) * SQ_US_PER_DAY};
    if (!step)
        return t;
    base = sq_floor_div(t.us, step) * step;
    if (up && (base != t.us || t.ns))
        base += step;
    return (struct sq_ts16){.us = base};
}

static sq_rc round_rows(struct sq_call *call, const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, bool up)
{
    enum sq_time_unit unit = sq_time_unit_of(sq_text_at(&args[1], 0));
    const struct sq_tz *tz = sq_call_tz(call);
    bool is_time = args[0].type->id == SQ_T_TIME;

    if (unit >= SQ_TU_DOW || (is_time && unit < SQ_TU_HOUR))
        return sq_fail(call->ctx, SQ_SEMANTIC, "a %s cannot be rounded to %.*s", is_time ? "TIME" : "time", SQ_FMT(sq_text_at(&args[1], 0)));
    SQ_EACH_ROW(rows, i, r) {
        struct sq_ts16 t = local_at(tz, &args[0], r), v = round_time(unit, t, up);

        if (args[0].type->id == SQ_T_DATE)
            ((int32_t *)out->data)[r] = (int32_t)sq_floor_div(v.us, SQ_US_PER_DAY);
        else if (is_time)
            ((int32_t *)out->data)[r] = (int32_t)(v.us / SQ_US_PER_MS % 86400000);
        else {
            if (args[0].type->id == SQ_T_TIMESTAMP_LTZ)           /* with the zone's offset at that time, as Flink has it */
                v.us -= t.us - sq_ts_at(&args[0], r).us;
            sq_ts_put(out, call->ret, r, v);
        }
    }
    return SQ_OK;
}

static sq_rc floor_to(TIME_ARGS)
{
    (void)nargs;
    return round_rows(call, args, rows, out, false);
}

static sq_rc ceil_to(TIME_ARGS)
{
    (void)nargs;
    return round_rows(call, args, rows, out, true);
}

/* ---- TIMESTAMPADD, TIMESTAMPDIFF ---- */

static int32_t unit_months(enum sq_time_unit unit)
{
    switch (unit) {
    case SQ_TU_MILLENNIUM: return 12000;
    case SQ_TU_CENTURY: return 1200;
    case SQ_TU_DECADE: return 120;
    case SQ_TU_YEAR: return 12;
    case SQ_TU_QUARTER: return 3;
    case SQ_TU_MONTH: return 1;
    default: return 0;
    }
}

static sq_rc no_such_unit(struct sq_call *call, const char *what, struct sq_str unit)
{
    return sq_fail(call->ctx, SQ_SEMANTIC, "%s takes YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND or a part of it, not %.*s", what, SQ_FMT(unit));
}

static sq_rc timestamp_add(TIME_ARGS)
{
    enum sq_time_unit unit = sq_time_unit_of(sq_text_at(&args[0], 0));
    int64_t step = unit_us(unit), by;
    int32_t months = unit_months(unit);
    bool is_date = args[2].type->id == SQ_T_DATE;

    (void)nargs;
    if (!step && !months)
        return no_such_unit(call, "TIMESTAMPADD", sq_text_at(&args[0], 0));
    if (call->ret->id == SQ_T_DATE && step && step < SQ_US_PER_DAY) {
        sq_fail(call->ctx, SQ_SEMANTIC, "TIMESTAMPADD(%.*s, …) of a DATE", SQ_FMT(sq_text_at(&args[0], 0)));
        return sq_hint(call->ctx, "cast it first: CAST(d AS TIMESTAMP(3))");
    }
    SQ_EACH_ROW(rows, i, r) {
        struct sq_ts16 t = is_date ? local_at(sq_tz_utc, &args[2], r) : sq_ts_at(&args[2], r);
        int64_t n = SQ_AT(int64_t, args[1], r), day = sq_floor_div(t.us, SQ_US_PER_DAY);
        bool bad;

        if (months) {
            bad = __builtin_mul_overflow(n, months, &by) || by > 120000 || by < -120000;
            if (!bad)
                t.us += (sq_add_months((int32_t)day, by) - day) * SQ_US_PER_DAY;
        } else
            bad = __builtin_mul_overflow(n, step, &by) || __builtin_add_overflow(t.us, by, &t.us);
        if (bad || !sq_in_calendar(t.us))
            return sq_not_in_calendar(call);
        if (call->ret->id == SQ_T_DATE)
            ((int32_t *)out->data)[r] = (int32_t)sq_floor_div(t.us, SQ_US_PER_DAY);
        else
            sq_ts_put(out, call->ret, r, t);
    }
    return SQ_OK;
}

/* Hours of a DATE make a TIMESTAMP. */
sq_rc sq_refine_timestampadd(struct sq_arena *a, const struct sq_type *const *param, const struct sq_vec *const *consts, uint32_t n, const struct sq_type **ret)
{
    enum sq_time_unit unit = consts[0] ? sq_time_unit_of(sq_text_at(consts[0], 0)) : SQ_TU_NONE;

    (void)n;
    if (param[2]->id != SQ_T_DATE || unit < SQ_TU_HOUR || unit > SQ_TU_NANOSECOND)
        return SQ_OK;
    *ret = sq_type_new(a, SQ_T_TIMESTAMP, (*ret)->nullable, unit == SQ_TU_MILLISECOND ? 3 : 6, 0);
    return *ret ? SQ_OK : a->ctx->err.rc;
}

/* Whole months from day b to day a >= b. */
static int64_t months_up(int64_t a, int64_t b)
{
    int64_t m = (a - b) / 31;

    while (sq_add_months((int32_t)b, m) < a && sq_add_months((int32_t)b, m + 1) <= a)
        m++;
    return m;
}

static int64_t months_between(struct sq_ts16 from, struct sq_ts16 to)
{
    struct broken a = break_up(to), b = break_up(from);
    int64_t m;

    if (to.us < from.us)
        return -months_between(to, from);
    m = months_up(a.day, b.day);
    return m - (sq_add_months((int32_t)b.day, m) == a.day && a.us < b.us);
}

/* FLINK: the difference is that of the milliseconds. */
static sq_rc timestamp_diff(TIME_ARGS)
{
    enum sq_time_unit unit = sq_time_unit_of(sq_text_at(&args[0], 0));
    const struct sq_tz *tz = sq_call_tz(call);
    int64_t step = unit_us(unit);
    int32_t months = unit_months(unit);
    uint64_t ov = 0;

    (void)nargs;
    if (!step && !months)
        return no_such_unit(call, "TIMESTAMPDIFF", sq_text_at(&args[0], 0));
    SQ_EACH_ROW(rows, i, r) {
        bool both_ltz = args[1].type->id == SQ_T_TIMESTAMP_LTZ && args[2].type->id == SQ_T_TIMESTAMP_LTZ;
        struct sq_ts16 from = both_ltz ? sq_ts_at(&args[1], r) : local_at(tz, &args[1], r), to = both_ltz ? sq_ts_at(&args[2], r) : local_at(tz, &args[2], r);
        int64_t v = months ? months_between(from, to) / months
                           : (sq_floor_div(to.us, SQ_US_PER_MS) - sq_floor_div(from.us, SQ_US_PER_MS)) * SQ_US_PER_MS / step;

        ov += v != (int32_t)v;
        ((int32_t *)out->data)[r] = (int32_t)v;
    }
    sq_count_overflow(call, ov);
    return SQ_OK;
}

#define F (SQ_STRICT | SQ_PURE)
#define NOW SQ_NEVER_NULL
#define PART_ROW(NAME, FN, WORDS, EXAMPLE) {NAME, WORDS " -> BIGINT", F, FN, NULL, "this part of a time", EXAMPLE, NULL}
#define LTZ_NOW "() -> TIMESTAMP_LTZ(3)"

const struct sq_function sq_functions_temporal[] = {
    {"CURRENT_TIMESTAMP", LTZ_NOW, NOW, current, NULL, "the current time; the job's start in batch mode", "CURRENT_TIMESTAMP IS NOT NULL", NULL},
    {"NOW", LTZ_NOW, NOW, current, NULL, "the current time; the job's start in batch mode", "NOW() IS NOT NULL", NULL},
    {"CURRENT_ROW_TIMESTAMP", LTZ_NOW, NOW, current_row, NULL, "the current time, in batch mode too", "CURRENT_ROW_TIMESTAMP() IS NOT NULL", NULL},
    {"PROCTIME", LTZ_NOW, NOW, current_row, NULL, "the time at which a row is processed", "PROCTIME() IS NOT NULL", NULL},
    {"LOCALTIMESTAMP", "() -> TIMESTAMP(3)", NOW, current, NULL, "the current time on the session's clock", "LOCALTIMESTAMP IS NOT NULL", NULL},
    {"CURRENT_DATE", "() -> DATE", NOW, current, NULL, "today", "CURRENT_DATE IS NOT NULL", NULL},
    {"CURRENT_TIME", "() -> TIME", NOW, current, NULL, "the time of day", "CURRENT_TIME IS NOT NULL", NULL},
    {"LOCALTIME", "() -> TIME", NOW, current, NULL, "the time of day", "LOCALTIME IS NOT NULL", NULL},
    {"EXTRACT", "(SYMBOL, TEMPORAL) -> BIGINT", F, extract, NULL, "a part of a time: YEAR, MONTH, DAY, HOUR, … EPOCH", "EXTRACT(DAY FROM DATE '2024-02-29') = 29", unit_prepare},
    {"EXTRACT", "(SYMBOL, INTERVAL_DS) -> BIGINT", F, extract_interval, NULL, "a part of an interval", "EXTRACT(HOUR FROM INTERVAL '25' HOUR) = 1", unit_prepare},
    {"EXTRACT", "(SYMBOL, INTERVAL_YM) -> BIGINT", F, extract_interval, NULL, "a part of an interval", "EXTRACT(YEAR FROM INTERVAL '25' MONTH) = 2", unit_prepare},
    PART_ROW("YEAR", year_of, "(DATETIME)", "YEAR(DATE '2024-02-29') = 2024"),
    PART_ROW("QUARTER", quarter_of, "(DATETIME)", "QUARTER(DATE '2024-02-29') = 1"),
    PART_ROW("MONTH", month_of, "(DATETIME)", "MONTH(DATE '2024-02-29') = 2"),
    PART_ROW("WEEK", week_of, "(DATETIME)", "WEEK(DATE '2024-02-29') = 9"),
    PART_ROW("DAYOFYEAR", day_of_year, "(DATETIME)", "DAYOFYEAR(DATE '2024-02-29') = 60"),
    PART_ROW("DAYOFMONTH", day_of_month, "(DATETIME)", "DAYOFMONTH(DATE '2024-02-29') = 29"),
    PART_ROW("DAYOFWEEK", day_of_week, "(DATETIME)", "DAYOFWEEK(DATE '2024-02-29') = 5"),
    PART_ROW("HOUR", hour_of, "(TEMPORAL)", "HOUR(TIMESTAMP '2024-02-29 10:11:12') = 10"),
    PART_ROW("MINUTE", minute_of, "(TEMPORAL)", "MINUTE(TIMESTAMP '2024-02-29 10:11:12') = 11"),
    PART_ROW("SECOND", second_of, "(TEMPORAL)", "SECOND(TIMESTAMP '2024-02-29 10:11:12') = 12"),
    {"FLOOR", "(TEMPORAL, SYMBOL) -> TEMPORAL", F, floor_to, NULL, "the time rounded down to a unit", "FLOOR(DATE '2024-02-29' TO MONTH) = DATE '2024-02-01'", unit_prepare},
    {"CEIL", "(TEMPORAL, SYMBOL) -> TEMPORAL", F, ceil_to, NULL, "the time rounded up to a unit", "CEIL(DATE '2024-02-29' TO MONTH) = DATE '2024-03-01'", unit_prepare},
    {"CEILING", "(TEMPORAL, SYMBOL) -> TEMPORAL", F, ceil_to, NULL, "the time rounded up to a unit", "CEILING(DATE '2024-02-29' TO YEAR) = DATE '2025-01-01'", unit_prepare},
    {"TIMESTAMPADD", "(SYMBOL, BIGINT, DATETIME) -> DATETIME", F, timestamp_add, NULL, "the time so many units later",
     "TIMESTAMPADD(MONTH, 1, DATE '2024-01-31') = DATE '2024-02-29'", unit_prepare},
    {"TIMESTAMPDIFF", "(SYMBOL, DATETIME, DATETIME) -> INT", F, timestamp_diff, NULL, "whole units from the first time to the second",
     "TIMESTAMPDIFF(DAY, DATE '2024-02-28', DATE '2024-03-01') = 2", unit_prepare},
    {0},
};
