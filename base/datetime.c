/* SPDX-License-Identifier: Apache-2.0
 *
 * datetime.c: the proleptic Gregorian calendar, and dates and times as text.
 *
 * A date is a count of days since 1970-01-01. The calendar is computed in eras of 400 years (146,097 days) that begin on the
 * first of March, so that the leap day is the last day of a year.
 *
 * FLINK: a day that its month does not have ('2024-02-30') is refused in a timestamp as it is in a date; Flink's timestamps take the month's
 * last day. A TIME's zone offset ('10:00:00+01') is refused.
 */
#include "base/text.h"

int32_t sq_days_from_civil(int32_t year, int32_t month, int32_t day)
{
    int32_t y = year - (month <= 2);
    int32_t era = (y >= 0 ? y : y - 399) / 400;
    int32_t yoe = y - era * 400;                                     /* 0..399 */
    int32_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int32_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + doe - 719468;
}

void sq_civil_from_days(int32_t days, int32_t *year, int32_t *month, int32_t *day)
{
    int64_t z = (int64_t)days + 719468;
    int32_t era = (int32_t)((z >= 0 ? z : z - 146096) / 146097);
    int32_t doe = (int32_t)(z - (int64_t)era * 146097);
    int32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int32_t mp = (5 * doy + 2) / 153;

    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp + (mp < 10 ? 3 : -9);
    *year = yoe + era * 400 + (*month <= 2);
}

/* ---- reading ---- */

struct scan {
    const char *p, *end;
};

/* min..max digits; as many as there are. */
static bool scan_int(struct scan *s, int min, int max, int32_t *out)
{
    int n = 0;
    int32_t v = 0;

    for (; n < max && s->p < s->end && *s->p >= '0' && *s->p <= '9'; n++)
        v = v * 10 + (*s->p++ - '0');
    *out = v;
    return n >= min;
}

static bool scan_char(struct scan *s, char c)
{
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* Up to nine digits of fraction, as nanoseconds; more digits are cut. */
static bool scan_fraction(struct scan *s, int32_t *ns)
{
    int n = 0;

    *ns = 0;
    for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++, n++)
        if (n < 9)
            *ns = *ns * 10 + (*s->p - '0');
    for (int i = n; i < 9; i++)
        *ns *= 10;
    return n > 0;
}

static bool date_ok(int32_t y, int32_t m, int32_t d)
{
    static const int8_t length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);

    return y >= 1 && y <= 9999 && m >= 1 && m <= 12 && d >= 1 && d <= length[m - 1] + (m == 2 && leap);
}

static bool scan_date(struct scan *s, int year_min, int min, int32_t *days)
{
    int32_t y, m, d;

    if (!scan_int(s, year_min, 4, &y) || !scan_char(s, '-') || !scan_int(s, min, 2, &m) || !scan_char(s, '-') || !scan_int(s, min, 2, &d) ||
        !date_ok(y, m, d))
        return false;
    *days = sq_days_from_civil(y, m, d);
    return true;
}

static bool scan_time(struct scan *s, int min, bool need_seconds, int32_t *sec_of_day, int32_t *ns)
{
    int32_t h, m, sec = 0;

    *ns = 0;
    if (!scan_int(s, min, 2, &h) || !scan_char(s, ':') || !scan_int(s, min, 2, &m))
        return false;
    if (scan_char(s, ':')) {
        if (!scan_int(s, min, 2, &sec))
            return false;
        if (scan_char(s, '.') && !scan_fraction(s, ns))
            return false;
    } else if (need_seconds)
        return false;
    *sec_of_day = h * 3600 + m * 60 + sec;
    return h <= 23 && m <= 59 && sec <= 59;
}

bool sq_parse_date(struct sq_str str, int32_t *days)
{
    struct scan s = {str.p, str.p + str.n};

    return scan_date(&s, 1, 1, days) && s.p == s.end;
}

bool sq_parse_time(struct sq_str str, int32_t *ms)
{
    struct scan s = {str.p, str.p + str.n};
    int32_t sec, ns;

    if (!scan_time(&s, 1, false, &sec, &ns) || s.p != s.end)
        return false;
    *ms = sec * 1000 + ns / 1000000;
    return true;
}

bool sq_parse_timestamp(struct sq_str str, bool iso, int precision, struct sq_ts16 *out)
{
    static const int32_t unit[] = {1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
    struct scan s = {str.p, str.p + str.n};
    int32_t days, sec = 0, ns = 0;

    if (!scan_date(&s, 4, iso ? 2 : 1, &days))
        return false;
    if (s.p == s.end && iso)
        return false;
    if (s.p != s.end && (!scan_char(&s, iso ? 'T' : ' ') || !scan_time(&s, iso ? 2 : 1, !iso, &sec, &ns) || s.p != s.end))
        return false;
    ns -= ns % unit[precision < 0 ? 0 : precision > 9 ? 9 : precision];
    out->us = days * SQ_US_PER_DAY + (int64_t)sec * SQ_US_PER_S + ns / 1000;
    out->ns = ns % 1000;
    out->pad = 0;
    return true;
}

/* ---- writing ---- */

static char *put(char *p, int32_t v, int digits)
{
    for (int i = digits - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
    return p + digits;
}

static char *put_date(char *p, int32_t days)
{
    int32_t y, m, d;

    sq_civil_from_days(days, &y, &m, &d);
    if (y < 0) {
        *p++ = '-';
        y = -y;
    }
    p = put(p, y, y > 99999 ? 7 : y > 9999 ? 5 : 4);
    *p++ = '-';
    p = put(p, m, 2);
    *p++ = '-';
    return put(p, d, 2);
}

static char *put_time(char *p, int32_t sec)
{
    p = put(p, sec / 3600, 2);
    *p++ = ':';
    p = put(p, sec / 60 % 60, 2);
    *p++ = ':';
    return put(p, sec % 60, 2);
}

int sq_print_date(int32_t days, char *buf)
{
    char *p = put_date(buf, days);

    *p = 0;
    return (int)(p - buf);
}

/* FLINK: the fraction of a TIME loses its trailing zeros but one ("10:00:00.0"), that of a TIMESTAMP does not. */
int sq_print_time(int32_t ms, int precision, char *buf)
{
    char *p;
    int32_t rest;

    ms = (ms % 86400000 + 86400000) % 86400000;
    p = put_time(buf, ms / 1000);
    rest = ms % 1000;
    if (precision > 0) {
        *p++ = '.';
        do {
            *p++ = (char)('0' + rest / 100);
            rest = rest % 100 * 10;
        } while (--precision > 0 && rest);
    }
    *p = 0;
    return (int)(p - buf);
}

int sq_print_timestamp(struct sq_ts16 t, int precision, char sep, char *buf)
{
    int64_t days = t.us / SQ_US_PER_DAY, us = t.us % SQ_US_PER_DAY;
    char frac[10];
    char *p;

    if (us < 0) {
        us += SQ_US_PER_DAY;
        days--;
    }
    p = put_date(buf, (int32_t)days);
    *p++ = sep;
    p = put_time(p, (int32_t)(us / SQ_US_PER_S));
    if (precision > 0) {
        put(put(frac, (int32_t)(us % SQ_US_PER_S), 6), t.ns, 3);
        *p++ = '.';
        memcpy(p, frac, (size_t)(precision > 9 ? 9 : precision));
        p += precision > 9 ? 9 : precision;
    }
    *p = 0;
    return (int)(p - buf);
}
