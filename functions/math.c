/* SPDX-License-Identifier: Apache-2.0
 *
 * math.c: ABS, rounding, roots, powers, logarithms, trigonometry.
 *
 * ROUND and TRUNCATE of a DECIMAL have the scale of their second argument where that is constant (sq_refine_round), else the first one's.
 */
#include "functions/kernel.h"

#include <math.h>

#define MATH_ARGS struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out

/* ---- ABS, SIGN ---- */

static sq_rc absolute(MATH_ARGS)
{
    uint64_t ov = 0;

    (void)nargs;
    switch (call->ret->id) {
    case SQ_T_TINYINT: SQ_MAP1(int8_t, int8_t, (ov += a == INT8_MIN, a < 0 ? -(uint8_t)a : a)); break;
    case SQ_T_SMALLINT: SQ_MAP1(int16_t, int16_t, (ov += a == INT16_MIN, a < 0 ? -(uint16_t)a : a)); break;
    case SQ_T_INT: SQ_MAP1(int32_t, int32_t, (ov += a == INT32_MIN, a < 0 ? -(uint32_t)a : (uint32_t)a)); break;
    case SQ_T_BIGINT: SQ_MAP1(int64_t, int64_t, (ov += a == INT64_MIN, a < 0 ? -(uint64_t)a : (uint64_t)a)); break;
    case SQ_T_FLOAT: SQ_MAP1(float, float, fabsf(a)); break;
    case SQ_T_DOUBLE: SQ_MAP1(double, double, fabs(a)); break;
    default: SQ_MAP1(sq_i128, sq_i128, a < 0 ? -a : a); break;
    }
    sq_count_overflow(call, ov);
    return SQ_OK;
}

static sq_rc sign(MATH_ARGS)
{
    sq_i128 unit = sq_pow10_i128[args[0].type->id == SQ_T_DECIMAL ? args[0].type->s : 0];

    (void)nargs;
    switch (call->ret->id) {
    case SQ_T_TINYINT: SQ_MAP1(int8_t, int8_t, (a > 0) - (a < 0)); break;
    case SQ_T_SMALLINT: SQ_MAP1(int16_t, int16_t, (a > 0) - (a < 0)); break;
    case SQ_T_INT: SQ_MAP1(int32_t, int32_t, (a > 0) - (a < 0)); break;
    case SQ_T_BIGINT: SQ_MAP1(int64_t, int64_t, (a > 0) - (a < 0)); break;
    case SQ_T_FLOAT: SQ_MAP1(float, float, a != a ? a : (float)((a > 0) - (a < 0))); break;
    case SQ_T_DOUBLE: SQ_MAP1(double, double, a != a ? a : (double)((a > 0) - (a < 0))); break;
    default: SQ_MAP1(sq_i128, sq_i128, a > 0 ? unit : a < 0 ? -unit : 0); break;
    }
    return SQ_OK;
}

/* ---- rounding ---- */

/* v to a multiple of 10^drop (drop >= 0): how it goes. */
enum how { DOWN /* towards zero */, HALF_UP /* away from zero on a tie */, FLOOR, CEIL };

static sq_i128 round_to(sq_i128 v, int drop, enum how how)
{
    sq_i128 unit, rest;

    if (drop <= 0)
        return v;
    if (drop > 38)
        return 0;
    unit = sq_pow10_i128[drop];
    rest = v % unit;
    v -= rest;
    switch (how) {
    case HALF_UP: return (rest < 0 ? -rest : rest) >= unit - (rest < 0 ? -rest : rest) ? v + (rest < 0 ? -unit : unit) : v;
    case FLOOR: return rest < 0 ? v - unit : v;
    case CEIL: return rest > 0 ? v + unit : v;
    default: return v;
    }
}

/* FLOOR and CEIL: of an integer nothing, of a DECIMAL(p, s) a DECIMAL(p, 0). */
static sq_rc whole(MATH_ARGS, enum how how)
{
    int s = args[0].type->s;

    (void)nargs;
    switch (call->ret->id) {
    case SQ_T_TINYINT: SQ_MAP1(int8_t, int8_t, a); break;
    case SQ_T_SMALLINT: SQ_MAP1(int16_t, int16_t, a); break;
    case SQ_T_INT: SQ_MAP1(int32_t, int32_t, a); break;
    case SQ_T_BIGINT: SQ_MAP1(int64_t, int64_t, a); break;
    case SQ_T_FLOAT: SQ_MAP1(float, float, how == FLOOR ? floorf(a) : ceilf(a)); break;
    case SQ_T_DOUBLE: SQ_MAP1(double, double, how == FLOOR ? floor(a) : ceil(a)); break;
    default: SQ_MAP1(sq_i128, sq_i128, round_to(a, s, how) / sq_pow10_i128[s]); break;
    }
    return SQ_OK;
}

static sq_rc floor_of(MATH_ARGS)
{
    return whole(call, args, nargs, rows, out, FLOOR);
}

static sq_rc ceil_of(MATH_ARGS)
{
    return whole(call, args, nargs, rows, out, CEIL);
}

/* A double rounded at a decimal place, by its shortest digits, as BigDecimal.valueOf(x).setScale(n, …) does. */
static double round_double(double d, int32_t places, enum how how)
{
    char buf[48];
    int n;
    sq_i128 v;
    double r;
    struct sq_str s;

    if (!isfinite(d) || places > 300)
        return d;
    n = sq_print_double(d, buf);
    s = (struct sq_str){buf, (uint32_t)n};
    if (places < -38 || !sq_parse_decimal(s, 38, 20, &v) || places > 20) {
        double unit = pow(10, places), x = d * unit;           /* too large or too small for 128 bits: as good as a double goes */

        if (unit == 0)
            return 0;
        return isfinite(x) ? (how == HALF_UP ? round(x) : trunc(x)) / unit : d;
    }
    if (places < 20)
        v = round_to(v, 20 - places, how);
    r = sq_decimal_to_double(v, 20);
    return r == 0 && signbit(d) ? 0.0 : r;
}

static int32_t places_at(const struct sq_vec *args, uint32_t nargs, uint32_t r)
{
    return nargs > 1 ? SQ_AT(int32_t, args[1], r) : 0;
}

static int64_t integer_at(const struct sq_vec *v, uint32_t r)
{
    switch (v->type->id) {
    case SQ_T_TINYINT: return SQ_AT(int8_t, *v, r);
    case SQ_T_SMALLINT: return SQ_AT(int16_t, *v, r);
    case SQ_T_INT: return SQ_AT(int32_t, *v, r);
    default: return SQ_AT(int64_t, *v, r);
    }
}

static void integer_put(struct sq_vec *out, const struct sq_type *t, uint32_t r, int64_t v)
{
    switch (t->id) {
    case SQ_T_TINYINT: ((int8_t *)out->data)[r] = (int8_t)v; break;
    case SQ_T_SMALLINT: ((int16_t *)out->data)[r] = (int16_t)v; break;
    case SQ_T_INT: ((int32_t *)out->data)[r] = (int32_t)v; break;
    default: ((int64_t *)out->data)[r] = v; break;
    }
}

/* Rounded first, then brought to the result's scale. */
static void round_decimal(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, uint32_t r, struct sq_vec *out, enum how how, uint64_t *ov)
{
    int s = args[0].type->s, places = places_at(args, nargs, r);
    sq_i128 v = SQ_AT(sq_i128, args[0], r);

    v = places < s ? round_to(v, places < -38 ? 77 : s - places, how) : v;
    if (!sq_decimal_rescale(v, s, call->ret->p, call->ret->s, (sq_i128 *)out->data + r)) {
        sq_null_out(out, r);
        ++*ov;
    }
}

static sq_rc round_any(MATH_ARGS, enum how how)
{
    uint64_t ov = 0;

    SQ_EACH_ROW(rows, i, r) {
        int32_t places = places_at(args, nargs, r);

        if (call->ret->id == SQ_T_DECIMAL)
            round_decimal(call, args, nargs, r, out, how, &ov);
        else if (call->ret->id == SQ_T_DOUBLE)
            ((double *)out->data)[r] = round_double(SQ_AT(double, args[0], r), places, how);
        else if (call->ret->id == SQ_T_FLOAT)
            ((float *)out->data)[r] = (float)round_double((double)SQ_AT(float, args[0], r), places, how);
        else
            integer_put(out, call->ret, r, (int64_t)round_to(integer_at(&args[0], r), places < -38 ? 39 : -places, how));
    }
    sq_count_overflow(call, ov);
    return SQ_OK;
}

static sq_rc round_half(MATH_ARGS)
{
    return round_any(call, args, nargs, rows, out, HALF_UP);
}

static sq_rc truncate_to(MATH_ARGS)
{
    return round_any(call, args, nargs, rows, out, DOWN);
}

static sq_rc whole_type(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    (void)n;
    *ret = args[0]->id == SQ_T_DECIMAL ? sq_type_new(a, SQ_T_DECIMAL, true, args[0]->p, 0) : args[0]->id == SQ_T_NULL ? &sq_type_int : args[0];
    return *ret ? SQ_OK : ctx->err.rc;
}

/* Rounding up may make one digit more. */
static sq_rc round_type(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    const struct sq_type *t = args[0];
    int32_t s = n > 1 ? t->s : 0, p = t->p - t->s + s + 1;

    *ret = t->id == SQ_T_NULL ? &sq_type_int : t;
    if (t->id == SQ_T_DECIMAL)
        *ret = sq_type_new(a, SQ_T_DECIMAL, true, p > SQ_DECIMAL_MAX ? SQ_DECIMAL_MAX : p, s);
    return *ret ? SQ_OK : ctx->err.rc;
}

sq_rc sq_refine_round(struct sq_arena *a, const struct sq_type *const *param, const struct sq_vec *const *consts, uint32_t n, const struct sq_type **ret)
{
    const struct sq_type *t = param[0];
    int32_t places, p, s;

    if (t->id != SQ_T_DECIMAL || n < 2 || !consts[1] || consts[1]->type->id != SQ_T_INT || sq_arg_null(consts[1], 0))
        return SQ_OK;
    places = SQ_AT(int32_t, *consts[1], 0);
    if (places >= t->s)
        *ret = sq_type_nullable(a, t, (*ret)->nullable);
    else {
        s = places < 0 ? 0 : places;
        p = 1 + t->p - t->s + s;
        *ret = sq_type_new(a, SQ_T_DECIMAL, (*ret)->nullable, p > SQ_DECIMAL_MAX ? SQ_DECIMAL_MAX : p, s);
    }
    return *ret ? SQ_OK : a->ctx->err.rc;
}

/* ---- functions of a real number ---- */

#define REAL1(NAME, EXPR)                                                                                                                        \
    static sq_rc NAME(MATH_ARGS)                                                                                                                 \
    {                                                                                                                                            \
        (void)call, (void)nargs;                                                                                                                 \
        SQ_MAP1(double, double, EXPR);                                                                                                           \
        return SQ_OK;                                                                                                                            \
    }
#define REAL2(NAME, EXPR)                                                                                                                        \
    static sq_rc NAME(MATH_ARGS)                                                                                                                 \
    {                                                                                                                                            \
        (void)call, (void)nargs;                                                                                                                 \
        SQ_MAP2(double, double, double, EXPR);                                                                                                   \
        return SQ_OK;                                                                                                                            \
    }
REAL1(sqrt_of, sqrt(a))
REAL1(exp_of, exp(a))
REAL1(ln_of, log(a))
REAL1(log10_of, log10(a))
REAL1(log2_of, log(a) / log(2))
REAL1(sin_of, sin(a))
REAL1(cos_of, cos(a))
REAL1(tan_of, tan(a))
REAL1(cot_of, 1.0 / tan(a))
REAL1(asin_of, asin(a))
REAL1(acos_of, acos(a))
REAL1(atan_of, atan(a))
REAL1(sinh_of, sinh(a))
REAL1(cosh_of, cosh(a))
REAL1(tanh_of, tanh(a))
REAL1(degrees_of, a * (180.0 / 3.14159265358979323846))
REAL1(radians_of, a / 180.0 * 3.14159265358979323846)
REAL2(power_of, pow(a, b))
REAL2(atan2_of, atan2(a, b))
REAL2(log_base, log(b) / log(a))

static sq_rc constant(struct sq_rows rows, struct sq_vec *out, double d)
{
    SQ_EACH_ROW(rows, i, r)
        ((double *)out->data)[r] = d;
    return SQ_OK;
}

static sq_rc pi_of(MATH_ARGS)
{
    (void)call, (void)args, (void)nargs;
    return constant(rows, out, 3.14159265358979323846);
}

static sq_rc e_of(MATH_ARGS)
{
    (void)call, (void)args, (void)nargs;
    return constant(rows, out, 2.71828182845904523536);
}

#define F (SQ_STRICT | SQ_PURE)
#define D1 "(DOUBLE) -> DOUBLE"
#define D2 "(DOUBLE, DOUBLE) -> DOUBLE"

const struct sq_function sq_functions_math[] = {
    {"ABS", "(NUMERIC) -> NUMERIC", F, absolute, NULL, "the number without its sign", "ABS(-3) = 3", NULL},
    {"SIGN", "(NUMERIC) -> NUMERIC", F, sign, NULL, "-1, 0 or 1, as the number is negative, zero or positive", "SIGN(-3) = -1", NULL},
    {"FLOOR", "(NUMERIC) -> NUMERIC", F, floor_of, whole_type, "the greatest whole number that is not greater", "FLOOR(-1.5) = -2", NULL},
    {"CEIL", "(NUMERIC) -> NUMERIC", F, ceil_of, whole_type, "the smallest whole number that is not smaller", "CEIL(-1.5) = -1", NULL},
    {"CEILING", "(NUMERIC) -> NUMERIC", F, ceil_of, whole_type, "the smallest whole number that is not smaller", "CEILING(1.2) = 2", NULL},
    {"ROUND", "(NUMERIC [, INT]) -> NUMERIC", F, round_half, round_type, "the number rounded half up, to so many places after the point",
     "ROUND(2.345, 2) = 2.35", NULL},
    {"TRUNCATE", "(NUMERIC [, INT]) -> NUMERIC", F, truncate_to, round_type, "the number cut off after so many places", "TRUNCATE(42.345, 2) = 42.34", NULL},
    {"SQRT", D1, F, sqrt_of, NULL, "the square root", "SQRT(4) = 2e0", NULL},
    {"POWER", D2, F, power_of, NULL, "the first argument to the power of the second", "POWER(2, 10) = 1024e0", NULL},
    {"EXP", D1, F, exp_of, NULL, "e to this power", "EXP(0) = 1e0", NULL},
    {"LN", D1, F, ln_of, NULL, "the natural logarithm", "LN(1) = 0e0", NULL},
    {"LOG", D1, F, ln_of, NULL, "the natural logarithm", "LOG(1) = 0e0", NULL},
    {"LOG", D2, F, log_base, NULL, "the logarithm of the second argument to the base of the first", "LOG(2, 1) = 0e0", NULL},
    {"LOG10", D1, F, log10_of, NULL, "the logarithm to base 10", "LOG10(100) = 2e0", NULL},
    {"LOG2", D1, F, log2_of, NULL, "the logarithm to base 2", "LOG2(8) = 3e0", NULL},
    {"SIN", D1, F, sin_of, NULL, "the sine of an angle in radians", "SIN(0) = 0e0", NULL},
    {"COS", D1, F, cos_of, NULL, "the cosine of an angle in radians", "COS(0) = 1e0", NULL},
    {"TAN", D1, F, tan_of, NULL, "the tangent of an angle in radians", "TAN(0) = 0e0", NULL},
    {"COT", D1, F, cot_of, NULL, "the cotangent of an angle in radians", "ROUND(COT(1), 4) = 0.6421e0", NULL},
    {"ASIN", D1, F, asin_of, NULL, "the angle of this sine", "ASIN(0) = 0e0", NULL},
    {"ACOS", D1, F, acos_of, NULL, "the angle of this cosine", "ACOS(1) = 0e0", NULL},
    {"ATAN", D1, F, atan_of, NULL, "the angle of this tangent", "ATAN(0) = 0e0", NULL},
    {"ATAN2", D2, F, atan2_of, NULL, "the angle of the point (x, y), given as (y, x)", "ATAN2(0, 1) = 0e0", NULL},
    {"SINH", D1, F, sinh_of, NULL, "the hyperbolic sine", "SINH(0) = 0e0", NULL},
    {"COSH", D1, F, cosh_of, NULL, "the hyperbolic cosine", "COSH(0) = 1e0", NULL},
    {"TANH", D1, F, tanh_of, NULL, "the hyperbolic tangent", "TANH(0) = 0e0", NULL},
    {"DEGREES", D1, F, degrees_of, NULL, "the angle in degrees", "DEGREES(0) = 0e0", NULL},
    {"RADIANS", D1, F, radians_of, NULL, "the angle in radians", "RADIANS(0) = 0e0", NULL},
    {"PI", "() -> DOUBLE", F, pi_of, NULL, "3.14159…", "ROUND(PI(), 2) = 3.14e0", NULL},
    {"E", "() -> DOUBLE", F, e_of, NULL, "2.71828…", "ROUND(E(), 2) = 2.72e0", NULL},
    {0},
};
