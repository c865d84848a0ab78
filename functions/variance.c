/* SPDX-License-Identifier: Apache-2.0
 *
 * variance.c: VAR_POP, VAR_SAMP, STDDEV_POP, STDDEV_SAMP. An accumulator holds how many values there were, their mean and the sum of the squared distances from it, so values far
 * from zero lose no digits (Welford; two of them are merged as by Chan, Golub and LeVeque, 1979). A value is taken back by the same step backwards.
 *
 * FLINK: computes them from the sum and the sum of squares, in the type of the argument; here in double, and the result is cast to that type. Of DECIMAL they are made as there, from
 * both sums, so that rows can be taken back without a trace; the type is that of AVG, DECIMAL(38, max(6, s)), and every step is rounded half up to the digits that type leaves room for.
 */
#include "base/text.h"
#include "functions/agg.h"

#include <math.h>

struct moments { int64_t n; double mean, m2; int64_t pad; };
struct sums { sq_i128 sum, squares; int64_t n, over; };        /* of DECIMAL: at the argument's scale, and at that of products; over: beyond 128 bits once */

static bool is_decimal(const struct sq_agg_call *c) { return c->arg->id == SQ_T_DECIMAL; }

size_t sq_variance_size(const struct sq_agg_call *c) { return is_decimal(c) ? sizeof(struct sums) : sizeof(struct moments); }

sq_rc sq_variance_derive(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    if (n != 1)
        return sq_fail(ctx, SQ_SEMANTIC, "a variance or standard deviation takes one argument, not %u", n);
    if (args[0]->id == SQ_T_DECIMAL) {
        *ret = sq_type_new(a, SQ_T_DECIMAL, true, SQ_DECIMAL_MAX, args[0]->s > 6 ? args[0]->s : 6);
        return *ret ? SQ_OK : SQ_NOMEM;
    }
    if (!sq_tid_is_numeric(args[0]->id) && args[0]->id != SQ_T_NULL) {
        sq_fail(ctx, SQ_SEMANTIC, "a variance or standard deviation takes a number");
        return sq_hint(ctx, "CAST the argument AS DOUBLE");
    }
    *ret = args[0]->id == SQ_T_NULL ? &sq_type_double : sq_type_nullable(a, args[0], true);
    return *ret ? SQ_OK : SQ_NOMEM;
}

static double element(const struct sq_agg_in *in, uint32_t e)
{
    switch (in->phys) {
    case SQ_P_I8: return ((const int8_t *)in->data)[e];
    case SQ_P_I16: return ((const int16_t *)in->data)[e];
    case SQ_P_I32: return ((const int32_t *)in->data)[e];
    case SQ_P_I64: return (double)((const int64_t *)in->data)[e];
    case SQ_P_F32: return (double)((const float *)in->data)[e];
    default: return ((const double *)in->data)[e];
    }
}

static void add(struct moments *m, double x)
{
    double d = x - m->mean;
    m->n++;
    m->mean += d / (double)m->n;
    m->m2 += d * (x - m->mean);
}

static void take(struct moments *m, double x)
{
    if (m->n <= 1) {
        *m = (struct moments){.n = m->n - 1};
        return;
    }
    double d = x - m->mean;
    m->n--;
    m->mean -= d / (double)m->n;
    m->m2 -= d * (x - m->mean);
}

/* ---- DECIMAL ---- */

/* The scale of a product of two decimals of 38 digits of the result's scale. */
static int product_scale(const struct sq_agg_call *c)
{
    int scale = 2 * c->ret->s - 39;
    return scale > 6 ? scale : 6;
}

static void add_decimal(const struct sq_agg_call *c, struct sums *m, sq_i128 x, int sign)
{
    sq_i128 square;
    bool ok = sq_decimal_mul(x, c->arg->s, x, c->arg->s, SQ_DECIMAL_MAX, product_scale(c), &square);

    m->n += sign;
    if (!ok || __builtin_add_overflow(m->sum, sign * x, &m->sum) || __builtin_add_overflow(m->squares, sign * square, &m->squares))
        m->over = 1;
}

static sq_rc update_decimals(struct sq_agg_call *c, void **acc, const struct sq_agg_in *in, struct sq_rows rows, const uint8_t *kind)
{
    SQ_EACH_ROW(rows, i, r) {
        uint32_t e = sq_agg_at_row(in, r);
        if (sq_agg_present(in, e))
            add_decimal(c, acc[i], ((const sq_i128 *)in->data)[e], !kind || sq_kind_adds(kind[r]) ? 1 : -1);
    }
    return SQ_OK;
}

static void merge_decimals(struct sums *a, const struct sums *b)
{
    a->n += b->n;
    if (b->over || __builtin_add_overflow(a->sum, b->sum, &a->sum) || __builtin_add_overflow(a->squares, b->squares, &a->squares))
        a->over = 1;
}

/* (squares - sum * sum / n) / divisor */
static bool variance_of(const struct sq_agg_call *c, const struct sums *m, int64_t divisor, sq_i128 *v)
{
    int scale = product_scale(c), less = scale - 1 > 6 ? scale - 1 : 6, s = c->arg->s;
    sq_i128 x;
    return !m->over && sq_decimal_mul(m->sum, s, m->sum, s, SQ_DECIMAL_MAX, scale, &x) && sq_decimal_div(x, scale, m->n, 0, SQ_DECIMAL_MAX, scale, &x) &&
           sq_decimal_add(m->squares, scale, -x, scale, SQ_DECIMAL_MAX, less, &x) && sq_decimal_div(x, less, divisor, 0, SQ_DECIMAL_MAX, less, &x) &&
           sq_decimal_rescale(x, less, SQ_DECIMAL_MAX, c->ret->s, v);
}

static sq_rc decimal_result(struct sq_agg_call *c, const struct sums *m, int64_t divisor, bool root, struct sq_col *out)
{
    sq_i128 v = 0;
    bool ok = variance_of(c, m, divisor, &v);

    if (ok && v < 0)                            /* by rounding */
        v = 0;
    if (ok && root)
        ok = sq_decimal_from_double(sqrt(sq_decimal_to_double(v, c->ret->s)), SQ_DECIMAL_MAX, c->ret->s, &v);
    if (ok)
        return sq_col_append_fixed(out, &v);
    sq_agg_overflowed(c);
    return sq_col_append_null(out);
}

/* ---- all ---- */

sq_rc sq_variance_update(struct sq_agg_call *c, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind)
{
    struct sq_agg_in in;

    sq_agg_in(&in, arg);
    if (is_decimal(c))
        return update_decimals(c, acc, &in, rows, kind);
    SQ_EACH_ROW(rows, i, r) {
        uint32_t e = sq_agg_at_row(&in, r);
        if (!sq_agg_present(&in, e))
            continue;
        if (!kind || sq_kind_adds(kind[r]))
            add(acc[i], element(&in, e));
        else
            take(acc[i], element(&in, e));
    }
    return SQ_OK;
}

sq_rc sq_variance_merge(struct sq_agg_call *c, void *into, const void *from)
{
    struct moments *a = into;
    const struct moments *b = from;

    if (is_decimal(c)) {
        merge_decimals(into, from);
        return SQ_OK;
    }
    if (b->n == 0)
        return SQ_OK;
    if (a->n == 0) {
        *a = *b;
        return SQ_OK;
    }
    double n = (double)a->n + (double)b->n, d = b->mean - a->mean;
    a->m2 += b->m2 + d * d * (double)a->n * (double)b->n / n;
    a->mean += d * (double)b->n / n;
    a->n += b->n;
    return SQ_OK;
}

static sq_rc append(struct sq_agg_call *c, double v, struct sq_col *out)
{
    union { int8_t i8; int16_t i16; int32_t i32; int64_t i64; float f; double d; } x;

    switch (sq_type_phys(c->ret)) {
    case SQ_P_I8: x.i8 = (int8_t)v; break;
    case SQ_P_I16: x.i16 = (int16_t)v; break;
    case SQ_P_I32: x.i32 = (int32_t)v; break;
    case SQ_P_I64: x.i64 = (int64_t)v; break;
    case SQ_P_F32: x.f = (float)v; break;
    default: x.d = v; break;
    }
    return sq_col_append_fixed(out, &x);
}

static sq_rc result(struct sq_agg_call *c, const void *acc, bool sample, bool root, struct sq_col *out)
{
    const struct moments *m = acc;
    int64_t all = is_decimal(c) ? ((const struct sums *)acc)->n : m->n, n = all - sample;

    if (all <= 0 || n <= 0)
        return sq_col_append_null(out);
    if (is_decimal(c))
        return decimal_result(c, acc, n, root, out);
    double v = (m->m2 > 0 || isnan(m->m2) ? m->m2 : 0) / (double)n;
    return append(c, root ? sqrt(v) : v, out);
}

sq_rc sq_var_pop_result(struct sq_agg_call *c, const void *acc, struct sq_col *out) { return result(c, acc, false, false, out); }
sq_rc sq_var_samp_result(struct sq_agg_call *c, const void *acc, struct sq_col *out) { return result(c, acc, true, false, out); }
sq_rc sq_stddev_pop_result(struct sq_agg_call *c, const void *acc, struct sq_col *out) { return result(c, acc, false, true, out); }
sq_rc sq_stddev_samp_result(struct sq_agg_call *c, const void *acc, struct sq_col *out) { return result(c, acc, true, true, out); }

static size_t saved(const struct sq_agg_call *c) { return is_decimal(c) ? sizeof(struct sums) : 24; }

sq_rc sq_variance_save(struct sq_agg_call *c, const void *acc, struct sq_buf *b)
{
    return sq_buf_add(b, acc, saved(c));
}

sq_rc sq_variance_load(struct sq_agg_call *c, void *acc, const char **at, const char *end) { return sq_agg_take(c, at, end, acc, saved(c)); }
