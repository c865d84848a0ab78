/* SPDX-License-Identifier: Apache-2.0
 *
 * value.c: values that a database gave, into columns. A dialect says what it got (struct sq_jdbc_value); whether that is a value of
 * the declared type, and which, is decided here, once for all databases: numbers that fit exactly, text that is valid UTF-8 and not
 * too long, times within their range. What does not fit is an error that shows the value; the caller names column and row.
 */
#include "base/text.h"
#include "connectors/jdbc/jdbc.h"

#include <math.h>

/* One value on its way: where it comes from, and where it goes. */
struct way {
    struct sq_ctx *ctx;
    const struct sq_jdbc_dialect *d;
    struct sq_jdbc_stmt *stmt;
    uint32_t i;
    const struct sq_jdbc_value *v;
    const struct sq_type *t;
    const struct sq_tz *tz;
};

uint32_t sq_jdbc_cut(struct sq_str v)
{
    uint32_t n = v.n > SQ_JDBC_SHOWN ? SQ_JDBC_SHOWN : v.n;
    while (n > 0 && n < v.n && ((unsigned char)v.p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static sq_rc unfit(const struct way *w)
{
    struct sq_buf b;
    sq_buf_init(&b, w->ctx);
    sq_type_print(&b, w->t);
    const char *type = b.p ? b.p : "", *a = *type == 'I' ? "an" : "a";
    if (w->v->kind == SQ_JDBC_BYTES) {
        sq_fail(w->ctx, SQ_DATA, "a BLOB is not %s %s", a, type);
    } else {
        struct sq_str v = w->d->text(w->stmt, w->i);
        uint32_t n = sq_jdbc_cut(v);
        sq_fail(w->ctx, SQ_DATA, "'%.*s%s' is not %s %s", (int)n, v.p, n < v.n ? "…" : "", a, type);
    }
    sq_buf_free(&b);
    return SQ_DATA;
}

static bool get_int(const struct sq_jdbc_value *v, int64_t *out)
{
    switch (v->kind) {
    case SQ_JDBC_INT: *out = v->i; return true;
    case SQ_JDBC_DOUBLE:
        if (!(v->d >= -9223372036854775808.0 && v->d < 9223372036854775808.0) || v->d != floor(v->d))
            return false;
        *out = (int64_t)v->d;
        return true;
    case SQ_JDBC_TEXT: return sq_parse_int(v->s, out);
    default: return false;
    }
}

static bool get_double(const struct sq_jdbc_value *v, double *out)
{
    switch (v->kind) {
    case SQ_JDBC_INT: *out = (double)v->i; return true;
    case SQ_JDBC_DOUBLE: *out = v->d; return true;
    case SQ_JDBC_TEXT: return sq_parse_double(v->s, true, out);
    default: return false;
    }
}

static bool get_decimal(const struct sq_jdbc_value *v, const struct sq_type *t, sq_i128 *out)
{
    switch (v->kind) {
    case SQ_JDBC_INT: return sq_decimal_rescale(v->i, 0, t->p, t->s, out);
    case SQ_JDBC_DOUBLE: return sq_decimal_from_double(v->d, t->p, t->s, out);
    case SQ_JDBC_TEXT: return sq_parse_decimal(v->s, t->p, t->s, out);
    default: return false;
    }
}

static bool get_bool(const struct sq_jdbc_value *v, uint8_t *out)
{
    int64_t n;
    if (v->kind == SQ_JDBC_TEXT && (sq_str_iis(v->s, "true") || sq_str_iis(v->s, "false"))) {
        *out = v->s.n == 4;
        return true;
    }
    if (!get_int(v, &n) || n < 0 || n > 1)
        return false;
    *out = (uint8_t)n;
    return true;
}

static sq_rc add_int(const struct way *w, struct sq_col *out)
{
    int64_t v;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    if (!get_int(w->v, &v))
        return unfit(w);
    switch (sq_type_phys(w->t)) {
    case SQ_P_I8:
        i8 = (int8_t)v;
        return i8 == v ? sq_col_append_fixed(out, &i8) : unfit(w);
    case SQ_P_I16:
        i16 = (int16_t)v;
        return i16 == v ? sq_col_append_fixed(out, &i16) : unfit(w);
    case SQ_P_I32:
        i32 = (int32_t)v;
        return i32 == v ? sq_col_append_fixed(out, &i32) : unfit(w);
    default:
        return sq_col_append_fixed(out, &v);
    }
}

static int64_t floor_to(int64_t v, int64_t unit)
{
    int64_t rest = v % unit;
    return rest < 0 ? v - rest - unit : v - rest;
}

/* Text: a blank or T between; a time with Z behind it is UTC. TIMESTAMP_LTZ takes times without Z in the zone; TIMESTAMP takes points in
 * time (SQ_JDBC_INSTANT) in the zone. Digits behind the precision are cut. */
static bool get_timestamp(const struct way *w, struct sq_ts16 *out)
{
    static const int64_t units[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    bool ltz = w->t->id == SQ_T_TIMESTAMP_LTZ, utc = w->v->kind == SQ_JDBC_INSTANT;
    struct sq_str text = w->v->s;
    *out = (struct sq_ts16){0};
    switch (w->v->kind) {
    case SQ_JDBC_TEXT:
        if (ltz && text.n && text.p[text.n - 1] == 'Z') {
            utc = true;
            text.n--;
        }
        if (!sq_parse_timestamp(text, memchr(text.p, 'T', text.n) != NULL, w->t->p, out))
            return false;
        break;
    case SQ_JDBC_DATE: out->us = w->v->i * SQ_US_PER_DAY; break;
    case SQ_JDBC_DATETIME:
    case SQ_JDBC_INSTANT: out->us = w->t->p < 6 ? floor_to(w->v->i, units[w->t->p]) : w->v->i; break;
    default: return false;
    }
    if (ltz && !utc)
        out->us = sq_tz_to_utc(w->tz, out->us);
    else if (!ltz && utc)
        out->us = sq_tz_to_local(w->tz, out->us);
    return true;
}

static bool get_date(const struct way *w, int32_t *out)
{
    int64_t us = w->v->i;
    switch (w->v->kind) {
    case SQ_JDBC_TEXT: return sq_parse_date(w->v->s, out);
    case SQ_JDBC_DATE: *out = (int32_t)w->v->i; return true;
    case SQ_JDBC_INSTANT: us = sq_tz_to_local(w->tz, us); /* fall through */
    case SQ_JDBC_DATETIME:
        *out = (int32_t)(floor_to(us, SQ_US_PER_DAY) / SQ_US_PER_DAY);
        return us == floor_to(us, SQ_US_PER_DAY);        /* with a time of the day it is no date */
    default: return false;
    }
}

static bool get_time(const struct way *w, int32_t *out)
{
    static const int32_t units[] = {1000, 100, 10, 1};
    switch (w->v->kind) {
    case SQ_JDBC_TEXT: return sq_parse_time(w->v->s, out);
    case SQ_JDBC_TIME:
        if (w->v->i < 0 || w->v->i >= SQ_US_PER_DAY)
            return false;
        *out = (int32_t)(w->v->i / SQ_US_PER_MS);
        *out -= w->t->p < 3 ? *out % units[w->t->p] : 0;
        return true;
    default: return false;
    }
}

static sq_rc add_time(const struct way *w, struct sq_col *out)
{
    struct sq_ts16 ts;
    int32_t v;
    if (sq_tid_is_timestamp(w->t->id)) {
        if (!get_timestamp(w, &ts))
            return unfit(w);
        return sq_type_phys(w->t) == SQ_P_TS16 ? sq_col_append_fixed(out, &ts) : sq_col_append_fixed(out, &ts.us);
    }
    return (w->t->id == SQ_T_DATE ? get_date(w, &v) : get_time(w, &v)) ? sq_col_append_fixed(out, &v) : unfit(w);
}

static sq_rc add_text(const struct way *w, struct sq_col *out)
{
    struct sq_str s = w->v->s;
    if (w->v->kind == SQ_JDBC_BYTES)
        return unfit(w);
    if (w->v->kind != SQ_JDBC_TEXT)
        s = w->d->text(w->stmt, w->i);
    if (!sq_utf8_valid(s.p, s.n) || (w->t->p != SQ_STRING_MAX && sq_utf8_length(s) > (uint32_t)w->t->p))
        return unfit(w);
    return sq_col_append_view(out, s.p, s.n);
}

static sq_rc add_bytes(const struct way *w, struct sq_col *out)
{
    if ((w->v->kind != SQ_JDBC_BYTES && w->v->kind != SQ_JDBC_TEXT) || (w->t->p != SQ_STRING_MAX && w->v->s.n > (uint32_t)w->t->p))
        return unfit(w);
    return sq_col_append_view(out, w->v->s.p, w->v->s.n);
}

sq_rc sq_jdbc_append(struct sq_ctx *ctx, const struct sq_jdbc_dialect *d, struct sq_jdbc_stmt *stmt, uint32_t i, const struct sq_tz *tz, struct sq_col *out)
{
    const struct sq_type *t = out->vec.type;
    struct sq_jdbc_value v = {.kind = SQ_JDBC_NULL};
    struct way w = {ctx, d, stmt, i, &v, t, tz};
    sq_i128 dec;
    double f64;
    float f32;
    uint8_t b;
    SQ_TRY(d->value(stmt, i, &v));
    if (v.kind == SQ_JDBC_NULL) {
        if (t->nullable)
            return sq_col_append_null(out);
        return sq_fail(ctx, SQ_DATA, "it is NULL, and the column is declared NOT NULL");
    }
    switch (t->id) {
    case SQ_T_BOOLEAN: return get_bool(&v, &b) ? sq_col_append_fixed(out, &b) : unfit(&w);
    case SQ_T_TINYINT:
    case SQ_T_SMALLINT:
    case SQ_T_INT:
    case SQ_T_BIGINT:
    case SQ_T_INTERVAL_YM:
    case SQ_T_INTERVAL_DS: return add_int(&w, out);
    case SQ_T_FLOAT:
        if (!get_double(&v, &f64))
            return unfit(&w);
        f32 = (float)f64;
        return sq_col_append_fixed(out, &f32);
    case SQ_T_DOUBLE: return get_double(&v, &f64) ? sq_col_append_fixed(out, &f64) : unfit(&w);
    case SQ_T_DECIMAL: return get_decimal(&v, t, &dec) ? sq_col_append_fixed(out, &dec) : unfit(&w);
    case SQ_T_CHAR:
    case SQ_T_VARCHAR: return add_text(&w, out);
    case SQ_T_BINARY:
    case SQ_T_VARBINARY: return add_bytes(&w, out);
    default: return add_time(&w, out);
    }
}
