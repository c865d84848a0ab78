/* SPDX-License-Identifier: Apache-2.0
 *
 * timefmt.c: times written and read by a pattern of letters: DATE_FORMAT, TO_TIMESTAMP, TO_DATE, FROM_UNIXTIME, UNIX_TIMESTAMP, CONVERT_TZ,
 * TO_TIMESTAMP_LTZ.
 *
 * A pattern is compiled to a list of letters with counts and plain text between. Letters: y u M L d D H k K h m s S a E Q n; 'quoted text', '' is a
 * quote. Reading takes exactly as many digits as the letter stands for when it is repeated, as many as there are when it stands alone.
 *
 * FLINK: texts are read leniently (one digit for MM, text behind the pattern's end ignored) where Flink uses SimpleDateFormat (TO_DATE,
 * UNIX_TIMESTAMP, CONVERT_TZ, DATE_FORMAT of a text), but a month 13 is never taken for January. Letters of weeks, eras and zones are refused.
 */
#include "functions/kernel.h"

#include <stdio.h>

#define FMT_ARGS struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out

struct token {
    char letter;                         /* 0: text */
    uint32_t count;
    struct sq_str text;
};

struct format {
    struct token *tok;
    uint32_t n;
};

struct state {                           /* what prepare found constant */
    struct format fmt;
    bool has_fmt;
    const struct sq_tz *tz[2];           /* CONVERT_TZ: from, to; TO_TIMESTAMP_LTZ: of the text */
};

static const char *const month_names[] = {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"};
static const char *const day_names[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

/* ---- compiling ---- */

static sq_rc add_text(struct sq_arena *a, struct format *f, const char *p, uint32_t n)
{
    struct token *last = f->n ? &f->tok[f->n - 1] : NULL;
    char *text;

    if (last && !last->letter) {             /* join: a text is at most as long as the pattern */
        text = sq_arena_get(a, last->text.n + n + 1, 1);
        if (!text)
            return a->ctx->err.rc;
        memcpy(text, last->text.p, last->text.n);
        memcpy(text + last->text.n, p, n);
        last->text = (struct sq_str){text, last->text.n + n};
    } else
        f->tok[f->n++] = (struct token){.text = {p, n}};
    return SQ_OK;
}

/* The pattern's bytes must live as long as the format. */
static sq_rc compile(struct sq_ctx *ctx, struct sq_arena *a, struct sq_str s, struct format *f)
{
    f->n = 0;
    f->tok = SQ_NEW_ARRAY(a, struct token, s.n + 1);
    if (!f->tok)
        return ctx->err.rc;
    for (uint32_t i = 0; i < s.n;) {
        char c = s.p[i];
        uint32_t n = 1;

        if (c == '\'') {
            if (i + 1 < s.n && s.p[i + 1] == '\'') {
                SQ_TRY(add_text(a, f, s.p + i, 1));
                i += 2;
                continue;
            }
            for (i++;; i += n + 1) {
                for (n = 0; i + n < s.n && s.p[i + n] != '\''; n++)
                    ;
                if (i + n == s.n)
                    return sq_fail(ctx, SQ_DATA, "in the time format '%.*s' a quote is not closed", SQ_FMT(s));
                SQ_TRY(add_text(a, f, s.p + i, n));
                if (i + n + 1 >= s.n || s.p[i + n + 1] != '\'')
                    break;
                n++;
                SQ_TRY(add_text(a, f, "'", 1));
            }
            i += n + 1;
            continue;
        }
        while (i + n < s.n && s.p[i + n] == c)
            n++;
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            SQ_TRY(add_text(a, f, s.p + i, n));
        else if (!strchr("yuMLdDHkKhmsSaEQn", c)) {
            sq_fail(ctx, SQ_UNSUPPORTED, "the letter '%c' of the time format '%.*s' is not supported", c, SQ_FMT(s));
            return sq_hint(ctx, "y M d H h m s S a E D Q; other text in quotes: 'T'");
        } else
            f->tok[f->n++] = (struct token){.letter = c, .count = n};
        i += n;
    }
    return SQ_OK;
}

/* ---- writing ---- */

struct civil {
    int32_t y, m, d, doy, weekday /* 0: Monday */, hour, minute, second, ns;
};

static struct civil civil_of(struct sq_ts16 t)
{
    struct civil c;
    int64_t day = sq_floor_div(t.us, SQ_US_PER_DAY), us = t.us - day * SQ_US_PER_DAY;

    sq_civil_from_days((int32_t)day, &c.y, &c.m, &c.d);
    c.doy = (int32_t)day - sq_days_from_civil(c.y, 1, 1) + 1;
    c.weekday = (int32_t)(((day + 3) % 7 + 7) % 7);
    c.hour = (int32_t)(us / 3600000000);
    c.minute = (int32_t)(us / 60000000 % 60);
    c.second = (int32_t)(us / SQ_US_PER_S % 60);
    c.ns = (int32_t)(us % SQ_US_PER_S) * 1000 + t.ns;
    return c;
}

static void put_number(struct sq_buf *b, int32_t v, uint32_t width)
{
    sq_buf_printf(b, "%0*d", width > 20 ? 20 : (int)width, v);
}

static void put_name(struct sq_buf *b, const char *name, uint32_t count)
{
    sq_buf_add(b, name, count >= 4 ? strlen(name) : 3);
}

static void put_fraction(struct sq_buf *b, int32_t ns, uint32_t count)
{
    char digits[16];

    snprintf(digits, sizeof digits, "%09d", ns);
    sq_buf_add(b, digits, count > 9 ? 9 : count);
    for (uint32_t i = 9; i < count; i++)
        sq_buf_putc(b, '0');
}

static void put_token(struct sq_buf *b, const struct token *t, const struct civil *c)
{
    switch (t->letter) {
    case 0: sq_buf_str(b, t->text); break;
    case 'y':
    case 'u': put_number(b, t->count == 2 ? c->y % 100 : c->y, t->count); break;
    case 'M':
    case 'L':
        if (t->count >= 3)
            put_name(b, month_names[c->m - 1], t->count);
        else
            put_number(b, c->m, t->count);
        break;
    case 'd': put_number(b, c->d, t->count); break;
    case 'D': put_number(b, c->doy, t->count); break;
    case 'H': put_number(b, c->hour, t->count); break;
    case 'k': put_number(b, c->hour ? c->hour : 24, t->count); break;
    case 'K': put_number(b, c->hour % 12, t->count); break;
    case 'h': put_number(b, c->hour % 12 ? c->hour % 12 : 12, t->count); break;
    case 'm': put_number(b, c->minute, t->count); break;
    case 's': put_number(b, c->second, t->count); break;
    case 'S': put_fraction(b, c->ns, t->count); break;
    case 'n': put_number(b, c->ns, t->count); break;
    case 'a': sq_buf_puts(b, c->hour < 12 ? "AM" : "PM"); break;
    case 'Q': put_number(b, (c->m + 2) / 3, t->count); break;
    default: put_name(b, day_names[c->weekday], t->count); break;
    }
}

static sq_rc put_format(struct sq_call *call, struct sq_buf *b, const struct format *f, struct sq_ts16 t, struct sq_vec *out, uint32_t r)
{
    struct civil c = civil_of(t);

    sq_buf_reset(b);
    for (uint32_t i = 0; i < f->n; i++)
        put_token(b, &f->tok[i], &c);
    SQ_TRY(b->rc);
    return sq_put_copy(call, out, r, sq_buf_view(b).p, b->n);
}

/* ---- reading ---- */

struct reader {
    const char *p, *end;
    bool lenient;
    int32_t y, m, d, doy, hour, hour12, minute, second, ns;
    int pm;                              /* -1: not told */
};

/* count 1, or lenient: 1..most digits; else exactly `count`. */
static bool read_number(struct reader *in, uint32_t count, uint32_t most, bool next_is_number, int32_t *v)
{
    uint32_t least = count == 1 || (in->lenient && !next_is_number) ? 1 : count, n = 0;

    if (count > 1 && (!in->lenient || next_is_number))
        most = count;
    *v = 0;
    for (; n < most && in->p < in->end && *in->p >= '0' && *in->p <= '9'; n++)
        *v = *v * 10 + (*in->p++ - '0');
    return n >= least;
}

static bool read_fraction(struct reader *in, uint32_t count)
{
    uint32_t n = 0;

    in->ns = 0;
    for (; n < count && in->p < in->end && *in->p >= '0' && *in->p <= '9'; n++, in->p++)
        if (n < 9)
            in->ns = in->ns * 10 + (*in->p - '0');
    for (uint32_t i = n; i < 9; i++)
        in->ns *= 10;
    return n == count || (in->lenient && n > 0);
}

static bool read_name(struct reader *in, const char *const *names, int n, uint32_t count, int32_t *which)
{
    for (int i = 0; i < n; i++)
        for (int full = count >= 4 || in->lenient; full >= 0; full--) {
            size_t len = full ? strlen(names[i]) : 3;

            if ((size_t)(in->end - in->p) >= len && sq_str_ieq((struct sq_str){in->p, (uint32_t)len}, (struct sq_str){names[i], (uint32_t)len})) {
                in->p += len;
                *which = i + 1;
                return true;
            }
            if (count >= 4 && !in->lenient)
                break;
        }
    return false;
}

static bool read_half(struct reader *in)
{
    if (in->end - in->p < 2 || (in->p[1] | 32) != 'm' || ((in->p[0] | 32) != 'a' && (in->p[0] | 32) != 'p'))
        return false;
    in->pm = (in->p[0] | 32) == 'p';
    in->p += 2;
    return true;
}

static bool read_token(struct reader *in, const struct token *t, bool next_is_number)
{
    int32_t v;

    switch (t->letter) {
    case 0:
        if ((size_t)(in->end - in->p) < t->text.n || memcmp(in->p, t->text.p, t->text.n) != 0)
            return false;
        in->p += t->text.n;
        return true;
    case 'y':
    case 'u':
        if (!read_number(in, t->count, 9, next_is_number, &in->y))
            return false;
        in->y += t->count == 2 && in->y < 100 ? 2000 : 0;
        return true;
    case 'M':
    case 'L': return t->count >= 3 ? read_name(in, month_names, 12, t->count, &in->m) : read_number(in, t->count, 2, next_is_number, &in->m);
    case 'd': return read_number(in, t->count, 2, next_is_number, &in->d);
    case 'D': return read_number(in, t->count, 3, next_is_number, &in->doy);
    case 'H': return read_number(in, t->count, 2, next_is_number, &in->hour);
    case 'k':
        if (!read_number(in, t->count, 2, next_is_number, &v) || v < 1 || v > 24)
            return false;
        in->hour = v % 24;
        return true;
    case 'K':
    case 'h':
        if (!read_number(in, t->count, 2, next_is_number, &v) || v > 12 || (t->letter == 'h' && v < 1) || (t->letter == 'K' && v > 11))
            return false;
        in->hour12 = v % 12;
        return true;
    case 'm': return read_number(in, t->count, 2, next_is_number, &in->minute);
    case 's': return read_number(in, t->count, 2, next_is_number, &in->second);
    case 'S': return read_fraction(in, t->count);
    case 'n': return read_number(in, t->count, 9, next_is_number, &in->ns);
    case 'a': return read_half(in);
    case 'Q': return read_number(in, t->count, 1, next_is_number, &v) && v >= 1 && v <= 4;
    default: return read_name(in, day_names, 7, t->count, &v);
    }
}

static bool is_number(const struct token *t)
{
    return t->letter && t->letter != 'a' && t->letter != 'E' && !((t->letter == 'M' || t->letter == 'L') && t->count >= 3);
}

/* What was read, as a time: what is missing is 1970-01-01 00:00:00. */
static bool reader_time(struct reader *in, struct sq_ts16 *out)
{
    int32_t y, m, d, days;

    if (in->hour12 >= 0)
        in->hour = in->hour12 + (in->pm > 0 ? 12 : 0);
    if (in->y < 1 || in->y > 9999 || in->m < 1 || in->m > 12 || in->d < 1 || in->hour > 23 || in->minute > 59 || in->second > 59)
        return false;
    days = sq_days_from_civil(in->y, in->m, in->d);
    if (in->doy > 0) {
        days = sq_days_from_civil(in->y, 1, 1) + in->doy - 1;
        sq_civil_from_days(days, &y, &m, &d);
        if (y != in->y)
            return false;
    } else {
        sq_civil_from_days(days, &y, &m, &d);
        if (m != in->m || d != in->d)
            return false;
    }
    out->us = days * SQ_US_PER_DAY + (int64_t)(in->hour * 3600 + in->minute * 60 + in->second) * SQ_US_PER_S + in->ns / 1000;
    out->ns = in->ns % 1000;
    out->pad = 0;
    return true;
}

static bool read_format(const struct format *f, struct sq_str s, bool lenient, struct sq_ts16 *out)
{
    struct reader in = {.p = s.p, .end = s.p + s.n, .lenient = lenient, .y = 1970, .m = 1, .d = 1, .hour12 = -1, .pm = -1};

    for (uint32_t i = 0; i < f->n; i++)
        if (!read_token(&in, &f->tok[i], i + 1 < f->n && is_number(&f->tok[i + 1])))
            return false;
    return (lenient || in.p == in.end) && reader_time(&in, out);
}

/* ---- what is constant ---- */

static sq_rc prepare_format(struct sq_call *call, struct sq_arena *a, const struct sq_vec *v, struct state *st)
{
    struct sq_str s;

    if (!v || sq_arg_null(v, 0))
        return SQ_OK;
    s = sq_str_dup(a, sq_text_at(v, 0));
    if (!s.p)
        return call->ctx->err.rc;
    st->has_fmt = true;
    return compile(call->ctx, a, s, &st->fmt);
}

static sq_rc new_state(struct sq_call *call, struct sq_arena *a, void **state)
{
    *state = SQ_NEW(a, struct state);
    return *state ? SQ_OK : call->ctx->err.rc;
}

/* The format is the second argument. */
static sq_rc format_prepare(struct sq_call *call, struct sq_arena *a, const struct sq_vec *const *const_args, uint32_t n, void **state)
{
    SQ_TRY(new_state(call, a, state));
    return n > 1 ? prepare_format(call, a, const_args[1], *state) : SQ_OK;
}

static sq_rc prepare_zone(struct sq_call *call, struct sq_arena *a, const struct sq_vec *v, const struct sq_tz **tz)
{
    return v && !sq_arg_null(v, 0) ? sq_tz_find(call->ctx, a, sq_text_at(v, 0), tz) : SQ_OK;
}

/* (text, zone, zone), or (text, format, zone) where `ltz`. */
static sq_rc zones_prepare(struct sq_call *call, struct sq_arena *a, const struct sq_vec *const *const_args, uint32_t n, void **state)
{
    struct state *st;

    SQ_TRY(new_state(call, a, state));
    st = *state;
    (void)n;
    SQ_TRY(prepare_zone(call, a, const_args[1], &st->tz[0]));
    return prepare_zone(call, a, const_args[2], &st->tz[1]);
}

static sq_rc ltz_prepare(struct sq_call *call, struct sq_arena *a, const struct sq_vec *const *const_args, uint32_t n, void **state)
{
    struct state *st;

    SQ_TRY(new_state(call, a, state));
    st = *state;
    if (n > 1)
        SQ_TRY(prepare_format(call, a, const_args[1], st));
    return n > 2 ? prepare_zone(call, a, const_args[2], &st->tz[0]) : SQ_OK;
}

/* The format for row r: the constant one, or the row's own, made in *own. */
static sq_rc format_at(struct sq_call *call, const struct sq_vec *v, uint32_t r, struct format *own, const struct format **f)
{
    const struct state *st = call->state;

    if (st && st->has_fmt) {
        *f = &st->fmt;
        return SQ_OK;
    }
    *f = own;
    return compile(call->ctx, call->heap, sq_text_at(v, r), own);
}

static sq_rc default_format(struct sq_call *call, struct format *own, const struct format **f)
{
    *f = own;
    return compile(call->ctx, call->heap, SQ_STR("yyyy-MM-dd HH:mm:ss"), own);
}

static sq_rc zone_at(struct sq_call *call, const struct sq_tz *constant, const struct sq_vec *v, uint32_t r, const struct sq_tz **tz)
{
    *tz = constant;
    return constant ? SQ_OK : sq_tz_find(call->ctx, call->heap, sq_text_at(v, r), tz);
}

/* ---- kernels that write ---- */

static struct sq_ts16 local_at(const struct sq_tz *tz, const struct sq_vec *v, uint32_t r)
{
    struct sq_ts16 t;

    if (v->type->id == SQ_T_DATE)
        return (struct sq_ts16){.us = SQ_AT(int32_t, *v, r) * SQ_US_PER_DAY};
    t = sq_ts_at(v, r);
    if (v->type->id == SQ_T_TIMESTAMP_LTZ)
        t.us = sq_tz_to_local(tz, t.us);
    return t;
}

static sq_rc date_format(FMT_ARGS)
{
    struct sq_buf b = {.ctx = call->ctx};
    const struct sq_tz *tz = sq_call_tz(call);
    const struct format *f;
    struct format own;
    sq_rc rc = SQ_OK;

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        SQ_TRY_OUT(format_at(call, &args[1], r, &own, &f));
        SQ_TRY_OUT(put_format(call, &b, f, local_at(tz, &args[0], r), out, r));
    }
out:
    sq_buf_free(&b);
    return rc;
}

/* A text of the usual form, in another form. */
static sq_rc date_format_text(FMT_ARGS)
{
    struct sq_buf b = {.ctx = call->ctx};
    const struct format *f, *usual;
    struct format own, mine;
    struct sq_ts16 t;
    sq_rc rc = SQ_OK;

    (void)nargs;
    SQ_TRY_OUT(default_format(call, &mine, &usual));
    SQ_EACH_ROW(rows, i, r) {
        SQ_TRY_OUT(format_at(call, &args[1], r, &own, &f));
        if (read_format(usual, sq_str_trim(sq_text_at(&args[0], r)), true, &t))
            SQ_TRY_OUT(put_format(call, &b, f, t, out, r));
        else
            sq_null_out(out, r);
    }
out:
    sq_buf_free(&b);
    return rc;
}

static sq_rc from_unixtime(FMT_ARGS)
{
    struct sq_buf b = {.ctx = call->ctx};
    const struct sq_tz *tz = sq_call_tz(call);
    const struct format *f, *usual;
    struct format own, mine;
    sq_rc rc = SQ_OK;

    SQ_TRY_OUT(default_format(call, &mine, &usual));
    SQ_EACH_ROW(rows, i, r) {
        int64_t sec = SQ_AT(int64_t, args[0], r);

        f = usual;
        if (sec < INT64_C(-62135596800) || sec > INT64_C(253402300799)) {
            sq_null_out(out, r);
            continue;
        }
        if (nargs > 1)
            SQ_TRY_OUT(format_at(call, &args[1], r, &own, &f));
        SQ_TRY_OUT(put_format(call, &b, f, (struct sq_ts16){.us = sq_tz_to_local(tz, sec * SQ_US_PER_S)}, out, r));
    }
out:
    sq_buf_free(&b);
    return rc;
}

static sq_rc convert_tz(FMT_ARGS)
{
    struct sq_buf b = {.ctx = call->ctx};
    const struct state *st = call->state;
    const struct format *usual;
    struct format mine;
    const struct sq_tz *from, *to;
    struct sq_ts16 t;
    sq_rc rc = SQ_OK;

    (void)nargs;
    SQ_TRY_OUT(default_format(call, &mine, &usual));
    SQ_EACH_ROW(rows, i, r) {
        SQ_TRY_OUT(zone_at(call, st ? st->tz[0] : NULL, &args[1], r, &from));
        SQ_TRY_OUT(zone_at(call, st ? st->tz[1] : NULL, &args[2], r, &to));
        if (!read_format(usual, sq_text_at(&args[0], r), true, &t)) {
            sq_null_out(out, r);
            continue;
        }
        t.us = sq_tz_to_local(to, sq_tz_to_utc(from, t.us));
        SQ_TRY_OUT(put_format(call, &b, usual, t, out, r));
    }
out:
    sq_buf_free(&b);
    return rc;
}

/* ---- kernels that read ---- */

static sq_rc unix_now(FMT_ARGS)
{
    int64_t sec = sq_floor_div(sq_now_us(call), SQ_US_PER_S);

    (void)args, (void)nargs;
    SQ_EACH_ROW(rows, i, r)
        ((int64_t *)out->data)[r] = sec;
    return SQ_OK;
}

/* FLINK: a text that is no time gives the smallest BIGINT. */
static sq_rc unix_timestamp(FMT_ARGS)
{
    const struct sq_tz *tz = sq_call_tz(call);
    const struct format *f, *usual;
    struct format own, mine;
    struct sq_ts16 t;

    SQ_TRY(default_format(call, &mine, &usual));
    SQ_EACH_ROW(rows, i, r) {
        bool good;

        f = usual;
        if (nargs > 1)
            SQ_TRY(format_at(call, &args[1], r, &own, &f));
        good = read_format(f, sq_text_at(&args[0], r), true, &t);
        ((int64_t *)out->data)[r] = good ? sq_floor_div(sq_tz_to_utc(tz, t.us), SQ_US_PER_S) : INT64_MIN;
    }
    return SQ_OK;
}

static int64_t cut_ms(int64_t us)
{
    return sq_floor_div(us, SQ_US_PER_MS) * SQ_US_PER_MS;
}

/* By the pattern, or else in one of the forms of a TIMESTAMP literal, as Flink falls back to. */
static bool read_timestamp(const struct format *f, struct sq_str s, struct sq_ts16 *t)
{
    return (f && read_format(f, s, false, t)) || sq_parse_timestamp(f ? sq_str_trim(s) : s, false, 9, t);
}

static sq_rc to_timestamp(FMT_ARGS)
{
    const struct format *f = NULL;
    struct format own;
    struct sq_ts16 t;

    SQ_EACH_ROW(rows, i, r) {
        if (nargs > 1)
            SQ_TRY(format_at(call, &args[1], r, &own, &f));
        if (read_timestamp(f, sq_text_at(&args[0], r), &t))
            ((int64_t *)out->data)[r] = cut_ms(t.us);
        else
            sq_null_out(out, r);
    }
    return SQ_OK;
}

static sq_rc text_to_ltz(FMT_ARGS)
{
    const struct state *st = call->state;
    const struct format *f = NULL;
    const struct sq_tz *tz = sq_tz_utc;
    struct format own;
    struct sq_ts16 t;

    SQ_EACH_ROW(rows, i, r) {
        if (nargs > 1)
            SQ_TRY(format_at(call, &args[1], r, &own, &f));
        if (nargs > 2)
            SQ_TRY(zone_at(call, st ? st->tz[0] : NULL, &args[2], r, &tz));
        if (read_timestamp(f, sq_text_at(&args[0], r), &t))
            ((int64_t *)out->data)[r] = cut_ms(sq_tz_to_utc(tz, t.us));
        else
            sq_null_out(out, r);
    }
    return SQ_OK;
}

static sq_rc to_date(FMT_ARGS)
{
    const struct format *f;
    struct format own;
    struct sq_ts16 t;
    int32_t day;

    SQ_EACH_ROW(rows, i, r) {
        struct sq_str s = sq_text_at(&args[0], r);
        const char *blank = s.n ? memchr(s.p, ' ', s.n) : NULL;
        bool good;

        if (nargs > 1) {
            SQ_TRY(format_at(call, &args[1], r, &own, &f));
            good = read_format(f, s, true, &t);
            day = good ? (int32_t)sq_floor_div(t.us, SQ_US_PER_DAY) : 0;
        } else
            good = sq_parse_date(blank && blank > s.p ? (struct sq_str){s.p, (uint32_t)(blank - s.p)} : s, &day);
        if (good)
            ((int32_t *)out->data)[r] = day;
        else
            sq_null_out(out, r);
    }
    return SQ_OK;
}

/* Seconds (precision 0) or milliseconds (3, the default) since 1970; NULL outside the years 1 to 9999. */
static sq_rc number_to_ltz(FMT_ARGS)
{
    SQ_EACH_ROW(rows, i, r) {
        int32_t precision = nargs > 1 ? SQ_AT(int32_t, args[1], r) : 3;
        double d = 0, factor = precision == 0 ? 1000 : 1;
        int64_t ms = 0;

        if (precision != 0 && precision != 3)
            return sq_fail(call->ctx, SQ_DATA, "TO_TIMESTAMP_LTZ takes 0 (seconds) or 3 (milliseconds) as its precision, not %d", precision);
        if (args[0].type->id == SQ_T_DOUBLE)
            d = SQ_AT(double, args[0], r) * factor;
        else if (args[0].type->id == SQ_T_DECIMAL)
            d = (double)(SQ_AT(sq_i128, args[0], r) / sq_pow10_i128[args[0].type->s]) * factor;
        else
            d = (double)SQ_AT(int64_t, args[0], r) * factor;      /* exact as long as it is in range */
        if (!(d >= -62135596800000.0 && d <= 253402300799999.0)) {
            sq_null_out(out, r);
            continue;
        }
        ms = (int64_t)d;
        ((int64_t *)out->data)[r] = ms * SQ_US_PER_MS;
    }
    return SQ_OK;
}

#define F (SQ_STRICT | SQ_PURE)
#define MAYBE (F | SQ_ALWAYS_NULLABLE)
#define TO_LTZ "the time of so many seconds (0) or milliseconds (3) since 1970"

const struct sq_function sq_functions_timefmt[] = {
    {"DATE_FORMAT", "(DATETIME, STRING) -> STRING", F, date_format, NULL, "the time written by a pattern such as 'yyyy-MM-dd HH:mm:ss'",
     "DATE_FORMAT(TIMESTAMP '2024-02-29 10:11:12', 'dd.MM.yyyy HH:mm') = '29.02.2024 10:11'", format_prepare},
    {"DATE_FORMAT", "(STRING, STRING) -> STRING", MAYBE, date_format_text, NULL, "a time 'yyyy-MM-dd HH:mm:ss' written by another pattern",
     "DATE_FORMAT('2024-02-29 10:11:12', 'HH:mm') = '10:11'", format_prepare},
    {"FROM_UNIXTIME", "(BIGINT [, STRING]) -> STRING", MAYBE, from_unixtime, NULL, "seconds since 1970 as a time on the session's clock, written by a pattern",
     "FROM_UNIXTIME(0, 'mm:ss') = '00:00'", format_prepare},
    {"UNIX_TIMESTAMP", "() -> BIGINT", SQ_NEVER_NULL, unix_now, NULL, "the current time in seconds since 1970", "UNIX_TIMESTAMP() > 0", NULL},
    {"UNIX_TIMESTAMP", "(STRING [, STRING]) -> BIGINT", F, unix_timestamp, NULL, "a time on the session's clock, read by a pattern, in seconds since 1970",
     "UNIX_TIMESTAMP('2024-01-01 00:00:01') - UNIX_TIMESTAMP('2024-01-01 00:00:00') = 1", format_prepare},
    {"TO_TIMESTAMP", "(STRING [, STRING]) -> TIMESTAMP(3)", MAYBE, to_timestamp, NULL, "a text as a time, by a pattern ('yyyy-MM-dd HH:mm:ss'); NULL if it is none",
     "TO_TIMESTAMP('29.02.2024', 'dd.MM.yyyy') = TIMESTAMP '2024-02-29 00:00:00'", format_prepare},
    {"TO_TIMESTAMP_LTZ", "(BIGINT [, INT]) -> TIMESTAMP_LTZ(3)", MAYBE, number_to_ltz, NULL, TO_LTZ, "TO_TIMESTAMP_LTZ(1, 0) = TO_TIMESTAMP_LTZ(1000, 3)", NULL},
    {"TO_TIMESTAMP_LTZ", "(DOUBLE [, INT]) -> TIMESTAMP_LTZ(3)", MAYBE, number_to_ltz, NULL, TO_LTZ, "TO_TIMESTAMP_LTZ(1.5e0, 0) = TO_TIMESTAMP_LTZ(1500, 3)", NULL},
    {"TO_TIMESTAMP_LTZ", "(DECIMAL [, INT]) -> TIMESTAMP_LTZ(3)", MAYBE, number_to_ltz, NULL, TO_LTZ, "TO_TIMESTAMP_LTZ(1.5, 0) = TO_TIMESTAMP_LTZ(1000, 3)", NULL},
    {"TO_TIMESTAMP_LTZ", "(STRING [, STRING, STRING]) -> TIMESTAMP_LTZ(3)", MAYBE, text_to_ltz, NULL, "a text as a time, by a pattern, in a zone ('UTC')",
     "TO_TIMESTAMP_LTZ('1970-01-01 01:00:00', 'yyyy-MM-dd HH:mm:ss', 'Europe/Berlin') = TO_TIMESTAMP_LTZ(0, 3)", ltz_prepare},
    {"TO_DATE", "(STRING [, STRING]) -> DATE", MAYBE, to_date, NULL, "a text as a date, by a pattern ('yyyy-MM-dd'); NULL if it is none",
     "TO_DATE('29.02.2024', 'dd.MM.yyyy') = DATE '2024-02-29'", format_prepare},
    {"CONVERT_TZ", "(STRING, STRING, STRING) -> STRING", MAYBE, convert_tz, NULL, "a time 'yyyy-MM-dd HH:mm:ss' of one zone on the clock of another",
     "CONVERT_TZ('1970-01-01 00:00:00', 'UTC', 'Europe/Berlin') = '1970-01-01 01:00:00'", zones_prepare},
    {0},
};
