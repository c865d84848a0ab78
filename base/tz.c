/* SPDX-License-Identifier: Apache-2.0
 *
 * tz.c: time zones: fixed offsets, and the rules in the system's TZif files (RFC 8536, version 2 and later, with the POSIX rule at the
 * end that goes on for ever).
 *
 * A zone is a table of transitions: from instant at[i] on, the offset is off[i]; before at[0] it is `first`. Behind the last one the POSIX rule
 * tells two transitions for each year. UTC to local is a binary search. Local to UTC: both in a gap (offset grows) and in an overlap (offset
 * shrinks) java.time takes the offset before the transition, so the offset after it holds from local time at + max(before, after) on.
 *
 * Names are taken as paths below the zone directory, so they are held to the characters of zone names, and '..' is refused.
 */
#include "base/os.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>

#define ZONE_DIR "/usr/share/zoneinfo"
enum { MAX_FILE = 1 << 20 };

struct rule_day {                        /* when a rule's transition falls */
    enum { NONE, JULIAN1 /* Jn: 1..365, no leap day */, JULIAN0 /* n: 0..365 */, MONTH_WEEK /* Mm.w.d */ } kind;
    int32_t n, week, day;                /* n: the day or the month */
    int32_t time;                        /* local seconds, may be negative or beyond a day */
};

struct sq_tz {
    int32_t first;                       /* offset in seconds before the first transition */
    uint32_t n;
    const int64_t *at;                   /* seconds UTC, ascending */
    const int32_t *off;                  /* seconds east of UTC */
    bool has_rule;                       /* after at[n-1]: std, and between start and end: dst */
    int32_t std, dst;
    struct rule_day start, end;
};

static const struct sq_tz utc = {0};
const struct sq_tz *const sq_tz_utc = &utc;

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* ---- the POSIX rule ---- */

struct text {
    const char *p, *end;
};

static bool skip_name(struct text *t)
{
    const char *from = t->p;

    if (t->p < t->end && *t->p == '<') {
        while (t->p < t->end && *t->p != '>')
            t->p++;
        return t->p < t->end && t->p++ - from >= 2;
    }
    while (t->p < t->end && ((*t->p >= 'A' && *t->p <= 'Z') || (*t->p >= 'a' && *t->p <= 'z')))
        t->p++;
    return t->p - from >= 3;
}

static bool number(struct text *t, int32_t max, int32_t *out)
{
    const char *from = t->p;

    *out = 0;
    while (t->p < t->end && *t->p >= '0' && *t->p <= '9' && *out <= max)
        *out = *out * 10 + (*t->p++ - '0');
    return t->p > from && *out <= max;
}

static bool take(struct text *t, char c)
{
    if (t->p == t->end || *t->p != c)
        return false;
    t->p++;
    return true;
}

/* [+-]h[h][:mm[:ss]] as seconds. */
static bool clock_time(struct text *t, int32_t max_hours, int32_t *out)
{
    bool negative = take(t, '-');
    int32_t h, m = 0, s = 0;

    if (!negative)
        take(t, '+');
    if (!number(t, max_hours, &h) || (take(t, ':') && (!number(t, 59, &m) || (take(t, ':') && !number(t, 59, &s)))))
        return false;
    *out = (h * 3600 + m * 60 + s) * (negative ? -1 : 1);
    return true;
}

static bool rule_day(struct text *t, struct rule_day *r)
{
    if (!take(t, ','))
        return false;
    if (take(t, 'J')) {
        r->kind = JULIAN1;
        if (!number(t, 365, &r->n) || r->n < 1)
            return false;
    } else if (take(t, 'M')) {
        r->kind = MONTH_WEEK;
        if (!number(t, 12, &r->n) || r->n < 1 || !take(t, '.') || !number(t, 5, &r->week) || r->week < 1 || !take(t, '.') || !number(t, 6, &r->day))
            return false;
    } else {
        r->kind = JULIAN0;
        if (!number(t, 365, &r->n))
            return false;
    }
    r->time = 7200;
    return !take(t, '/') || clock_time(t, 167, &r->time);
}

/* "CET-1CEST,M3.5.0,M10.5.0/3". Offsets of POSIX count westward. */
static bool parse_rule(struct text t, struct sq_tz *tz)
{
    int32_t west;

    if (!skip_name(&t) || !clock_time(&t, 24, &west))
        return false;
    tz->has_rule = true;
    tz->std = tz->dst = -west;
    tz->start.kind = NONE;
    if (t.p == t.end)
        return true;
    tz->dst = tz->std + 3600;
    if (!skip_name(&t))
        return false;
    if (t.p < t.end && *t.p != ',') {
        if (!clock_time(&t, 24, &west))
            return false;
        tz->dst = -west;
    }
    return rule_day(&t, &tz->start) && rule_day(&t, &tz->end) && t.p == t.end;
}

/* Local seconds since 1970 at which the rule's transition is, in a year. */
static int64_t rule_local(const struct rule_day *r, int32_t year)
{
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int32_t days = sq_days_from_civil(year, 1, 1);

    if (r->kind == JULIAN1)
        days += r->n - 1 + (leap && r->n >= 60);
    else if (r->kind == JULIAN0)
        days += r->n;
    else {
        int32_t first = sq_days_from_civil(year, r->n, 1);
        int32_t next = r->n == 12 ? sq_days_from_civil(year + 1, 1, 1) : sq_days_from_civil(year, r->n + 1, 1);
        int32_t weekday = (int32_t)(((int64_t)first + 4) % 7 + 7) % 7;          /* 1970-01-01 was a Thursday; 0 is Sunday */

        days = first + (r->day - weekday + 7) % 7 + (r->week - 1) * 7;
        while (days >= next)
            days -= 7;
    }
    return (int64_t)days * 86400 + r->time;
}

static int32_t year_of(int64_t sec)
{
    int32_t y, m, d;

    sq_civil_from_days((int32_t)floor_div(sec, 86400), &y, &m, &d);
    return y;
}

/* The rule's transitions of the year before, this year and the next, as (instant, offset after), ascending. */
static void rule_around(const struct sq_tz *tz, int32_t year, int64_t at[6], int32_t off[6])
{
    for (int i = 0; i < 3; i++) {
        int64_t start = rule_local(&tz->start, year - 1 + i) - tz->std, end = rule_local(&tz->end, year - 1 + i) - tz->dst;
        int first = 2 * i + (start > end), second = 2 * i + (start <= end);

        at[first] = start;
        off[first] = tz->dst;
        at[second] = end;
        off[second] = tz->std;
    }
}

static int32_t rule_offset(const struct sq_tz *tz, int64_t sec)
{
    int64_t at[6];
    int32_t off[6], result;

    if (tz->start.kind == NONE)
        return tz->std;
    rule_around(tz, year_of(sec), at, off);
    result = off[1];
    for (int i = 0; i < 6 && at[i] <= sec; i++)
        result = off[i];
    return result;
}

static int32_t rule_offset_local(const struct sq_tz *tz, int64_t local)
{
    int64_t at[6];
    int32_t off[6], before;

    if (tz->start.kind == NONE)
        return tz->std;
    rule_around(tz, year_of(local), at, off);
    before = off[1];
    for (int i = 0; i < 6; i++) {
        if (local < at[i] + (before > off[i] ? before : off[i]))
            break;
        before = off[i];
    }
    return before;
}

/* ---- conversion ---- */

bool sq_tz_is_utc(const struct sq_tz *tz)
{
    return tz->n == 0 && tz->first == 0 && (!tz->has_rule || (tz->std == 0 && tz->dst == 0));
}

int64_t sq_tz_to_local(const struct sq_tz *tz, int64_t utc_us)
{
    int64_t sec;
    uint32_t lo = 0, hi;

    if (tz->n == 0 && !tz->has_rule)
        return utc_us + (int64_t)tz->first * SQ_US_PER_S;
    sec = floor_div(utc_us, SQ_US_PER_S);
    if (tz->has_rule && (tz->n == 0 || sec >= tz->at[tz->n - 1]))
        return utc_us + (int64_t)rule_offset(tz, sec) * SQ_US_PER_S;
    for (hi = tz->n; lo < hi;) {             /* how many transitions are at or before sec */
        uint32_t mid = (lo + hi) / 2;

        if (tz->at[mid] <= sec)
            lo = mid + 1;
        else
            hi = mid;
    }
    return utc_us + (int64_t)(lo ? tz->off[lo - 1] : tz->first) * SQ_US_PER_S;
}

static int32_t offset_before(const struct sq_tz *tz, uint32_t i)
{
    return i ? tz->off[i - 1] : tz->first;
}

int64_t sq_tz_to_utc(const struct sq_tz *tz, int64_t local_us)
{
    int64_t sec;
    uint32_t lo = 0, hi;

    if (tz->n == 0 && !tz->has_rule)
        return local_us - (int64_t)tz->first * SQ_US_PER_S;
    sec = floor_div(local_us, SQ_US_PER_S);
    for (hi = tz->n; lo < hi;) {
        uint32_t mid = (lo + hi) / 2;
        int32_t a = offset_before(tz, mid), b = tz->off[mid];

        if (tz->at[mid] + (a > b ? a : b) <= sec)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == tz->n && tz->has_rule)
        return local_us - (int64_t)rule_offset_local(tz, sec) * SQ_US_PER_S;
    return local_us - (int64_t)offset_before(tz, lo) * SQ_US_PER_S;
}

/* ---- TZif ---- */

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

struct head {
    uint32_t isut, isstd, leap, times, types, chars;
};

/* Reads the header at p; the bytes of the data block behind it, or -1. */
static int64_t read_head(const unsigned char *p, size_t n, int time_size, struct head *h)
{
    if (n < 44 || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
        return -1;
    *h = (struct head){be32(p + 20), be32(p + 24), be32(p + 28), be32(p + 32), be32(p + 36), be32(p + 40)};
    return (int64_t)h->times * (time_size + 1) + (int64_t)h->types * 6 + h->chars + (int64_t)h->leap * (time_size + 4) + h->isstd + h->isut;
}

/* Fills a zone from a file's bytes. False: not a file as it should be, or out of memory (the context has the error then). */
static bool parse_tzif(struct sq_arena *a, const unsigned char *p, size_t n, struct sq_tz *tz)
{
    struct head h;
    int64_t skip = read_head(p, n, 4, &h), size;
    const unsigned char *types, *idx, *foot, *end = p + n;
    int64_t *at;
    int32_t *off;

    if (skip < 0 || skip > (int64_t)n - 44)
        return false;
    p += 44 + skip;
    size = read_head(p, (size_t)(end - p), 8, &h);
    if (size < 0 || size > end - p - 44 || h.types == 0 || h.types > 256)
        return false;
    p += 44;
    idx = p + (size_t)h.times * 8;
    types = idx + h.times;
    at = SQ_NEW_ARRAY(a, int64_t, h.times + 1);
    off = SQ_NEW_ARRAY(a, int32_t, h.times + 1);
    if (!at || !off)
        return false;
    tz->first = (int32_t)be32(types);
    for (uint32_t i = 0; i < h.times; i++) {
        at[i] = be64(p + (size_t)i * 8);
        if (idx[i] >= h.types || (i && at[i] <= at[i - 1]))
            return false;
        off[i] = (int32_t)be32(types + (size_t)idx[i] * 6);
    }
    tz->n = h.times;
    tz->at = at;
    tz->off = off;
    foot = p + size;
    if (end - foot > 2 && foot[0] == '\n' && end[-1] == '\n')
        return parse_rule((struct text){(const char *)foot + 1, (const char *)end - 1}, tz);
    return true;
}

/* ---- names ---- */

static bool name_ok(struct sq_str s)
{
    if (s.n == 0 || s.n > 64 || s.p[0] == '/' || s.p[0] == '.')
        return false;
    for (uint32_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '_' || c == '-' || c == '+'))
            return false;
    }
    return true;
}

/* "+02:00", "-5", "+0530", "UTC+2", "GMT-03:30", "Z": an offset of at most 18 hours. */
static bool fixed_offset(struct sq_str s, int32_t *out)
{
    struct text t;
    int32_t h, m = 0, sec = 0;
    bool negative;

    if (s.n >= 3 && (memcmp(s.p, "UTC", 3) == 0 || memcmp(s.p, "GMT", 3) == 0))
        s = (struct sq_str){s.p + 3, s.n - 3};
    else if (s.n >= 2 && memcmp(s.p, "UT", 2) == 0)
        s = (struct sq_str){s.p + 2, s.n - 2};
    else if (sq_str_is(s, "Z"))
        s.n = 0;
    else if (s.n == 0)
        return false;
    *out = 0;
    if (s.n == 0)
        return true;
    t = (struct text){s.p + 1, s.p + s.n};
    negative = s.p[0] == '-';
    if (!negative && s.p[0] != '+')
        return false;
    if (s.n == 5 && !memchr(s.p, ':', s.n)) {                    /* +hhmm */
        if (!number(&t, 9999, &h))
            return false;
        m = h % 100;
        h /= 100;
    } else if (!number(&t, 18, &h) || (take(&t, ':') && (!number(&t, 59, &m) || (take(&t, ':') && !number(&t, 59, &sec)))))
        return false;
    *out = (h * 3600 + m * 60 + sec) * (negative ? -1 : 1);
    return t.p == t.end && m <= 59 && h * 3600 + m * 60 + sec <= 18 * 3600;
}

/* Reads a whole file; *n is its length. Returns NULL with no error set when there is none. */
static sq_rc read_file(struct sq_ctx *ctx, const char *path, unsigned char **out, size_t *n)
{
    const struct sq_os *os = ctx->os;
    struct stat st;
    size_t got = 0;
    int fd;

    *out = NULL;
    *n = 0;
    if (os->stat(os->arg, path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > MAX_FILE)
        return SQ_OK;
    fd = os->open(os->arg, path, O_RDONLY, 0);
    if (fd < 0)
        return SQ_OK;
    *out = sq_alloc(ctx, (size_t)st.st_size);
    while (*out && got < (size_t)st.st_size) {
        ssize_t r = os->pread(os->arg, fd, *out + got, (size_t)st.st_size - got, (int64_t)got);

        if (r <= 0)
            break;
        got += (size_t)r;
    }
    os->close(os->arg, fd);
    *n = got;
    return *out ? SQ_OK : ctx->err.rc;
}

static sq_rc unknown(struct sq_ctx *ctx, struct sq_str name)
{
    sq_fail(ctx, SQ_SEMANTIC, "unknown time zone '%.*s'", SQ_FMT(name));
    return sq_hint(ctx, "a zone of the tz database such as 'Europe/Berlin', or an offset such as 'UTC+02:00' or '+02:00'; case matters");
}

sq_rc sq_tz_find(struct sq_ctx *ctx, struct sq_arena *a, struct sq_str name, const struct sq_tz **out)
{
    struct sq_tz *tz;
    unsigned char *bytes;
    size_t n;
    int32_t offset;
    bool good;
    char path[128];

    tz = SQ_NEW(a, struct sq_tz);
    if (!tz)
        return ctx->err.rc;
    if (fixed_offset(name, &offset)) {
        tz->first = offset;
        *out = tz;
        return SQ_OK;
    }
    if (!name_ok(name))
        return unknown(ctx, name);
    snprintf(path, sizeof path, ZONE_DIR "/%.*s", SQ_FMT(name));
    SQ_TRY(read_file(ctx, path, &bytes, &n));
    if (!bytes)
        return unknown(ctx, name);
    ctx->err.rc = SQ_OK;
    good = parse_tzif(a, bytes, n, tz);
    sq_free(ctx, bytes);
    if (!good)
        return ctx->err.rc ? ctx->err.rc : sq_fail(ctx, SQ_IO, "the time zone file %s is damaged or older than version 2", path);
    *out = tz;
    return SQ_OK;
}
