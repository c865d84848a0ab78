/* SPDX-License-Identifier: Apache-2.0
 *
 * arith.c: + - * / % and the sign, of numbers.
 *
 * Types as in Flink: integers and floating point give the wider operand's type, decimals by sq_decimal_result, % of integers the right operand's
 * type. Integers wrap around (counted); a decimal that does not fit is NULL (counted); dividing an integer or a decimal by zero
 * is an error, a floating-point number gives Infinity or NaN.
 */
#include "functions/kernel.h"

#include <math.h>

/* ---- integers ---- */

/* Sum, difference and product on two's complement, and whether they left the range. `ov` counts. */
#define ADD(T, U) ((T)((U)a + (U)b))
#define ADD_OV(T, U) ((T)((a ^ ADD(T, U)) & (b ^ ADD(T, U))) < 0)
#define SUB(T, U) ((T)((U)a - (U)b))
#define SUB_OV(T, U) ((T)((a ^ b) & (a ^ SUB(T, U))) < 0)

#define INT_LOOP(T, U, OP) SQ_MAP2(T, T, T, (ov += OP##_OV(T, U), OP(T, U)))
#define MUL_SMALL(T) SQ_MAP2(T, T, T, (wide = (int64_t)a * b, ov += wide != (T)wide, wide))

static sq_rc int_add(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    uint64_t ov = 0;

    (void)nargs;
    switch (call->ret->id) {
    case SQ_T_TINYINT: INT_LOOP(int8_t, uint8_t, ADD); break;
    case SQ_T_SMALLINT: INT_LOOP(int16_t, uint16_t, ADD); break;
    case SQ_T_INT: INT_LOOP(int32_t, uint32_t, ADD); break;
    default: INT_LOOP(int64_t, uint64_t, ADD); break;
    }
    sq_count_overflow(call, ov);
    return SQ_OK;
}

static sq_rc int_sub(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    uint64_t ov = 0;

    (void)nargs;
    switch (call->ret->id) {
    case SQ_T_TINYINT: INT_LOOP(int8_t, uint8_t, SUB); break;
    case SQ_T_SMALLINT: INT_LOOP(int16_t, uint16_t, SUB); break;
    case SQ_T_INT: INT_LOOP(int32_t, uint32_t, SUB); break;
    default: INT_LOOP(int64_t, uint64_t, SUB); break;
    }
    sq_count_overflow(call, ov);
    return SQ_OK;
}

static int64_t mul64(int64_t a, int64_t b, uint64_t *ov)
{
    int64_t r;

    *ov += __builtin_mul_overflow(a, b, &r);
    return r;
}

static sq_rc int_mul(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    uint64_t ov = 0;
    int64_t wide;

    (void)nargs;
    switch (call->ret->id) {
    case SQ_T_TINYINT: MUL_SMALL(int8_t); break;
    case SQ_T_SMALLINT: MUL_SMALL(int16_t); break;
    case SQ_T_INT: MUL_SMALL(int32_t); break;
    default: SQ_MAP2(int64_t, int64_t, int64_t, mul64(a, b, &ov)); break;
    }
    sq_count_overflow(call, ov);
    return SQ_OK;
}

static sq_rc zero(struct sq_call *call)
{
    sq_fail(call->ctx, SQ_DATA, "division by zero");
    return sq_hint(call->ctx, "x / NULLIF(y, 0) gives NULL instead");
}

static int64_t quotient(int64_t a, int64_t b, uint64_t *zeros)
{
    if (b == 0) {
        ++*zeros;
        return 0;
    }
    return b == -1 ? (int64_t)-(uint64_t)a : a / b;
}

static int64_t remainder_of(int64_t a, int64_t b, uint64_t *zeros)
{
    if (b == 0) {
        ++*zeros;
        return 0;
    }
    return b == -1 ? 0 : a % b;
}

#define DIV_SMALL(T) SQ_MAP2(T, T, T, (wide = quotient(a, b, &zeros), ov += wide != (T)wide, wide))

static sq_rc int_div(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    uint64_t ov = 0, zeros = 0;
    int64_t wide;

    (void)nargs;
    switch (call->ret->id) {
    case SQ_T_TINYINT: DIV_SMALL(int8_t); break;
    case SQ_T_SMALLINT: DIV_SMALL(int16_t); break;
    case SQ_T_INT: DIV_SMALL(int32_t); break;
    default: SQ_MAP2(int64_t, int64_t, int64_t, (ov += a == INT64_MIN && b == -1, quotient(a, b, &zeros))); break;
    }
    sq_count_overflow(call, ov);
    return zeros ? zero(call) : SQ_OK;
}

/* The operands have their common type, the result the right operand's own: a remainder always fits there. */
#define MOD_TO(R)                                                                                    \
    switch (args[0].type->id) {                                                                      \
    case SQ_T_TINYINT: SQ_MAP2(int8_t, int8_t, R, remainder_of(a, b, &zeros)); break;                \
    case SQ_T_SMALLINT: SQ_MAP2(int16_t, int16_t, R, remainder_of(a, b, &zeros)); break;             \
    case SQ_T_INT: SQ_MAP2(int32_t, int32_t, R, remainder_of(a, b, &zeros)); break;                  \
    default: SQ_MAP2(int64_t, int64_t, R, remainder_of(a, b, &zeros)); break;                        \
    }

static sq_rc int_mod(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    uint64_t zeros = 0;

    (void)nargs;
    switch (call->ret->id) {
    case SQ_T_TINYINT: MOD_TO(int8_t); break;
    case SQ_T_SMALLINT: MOD_TO(int16_t); break;
    case SQ_T_INT: MOD_TO(int32_t); break;
    default: MOD_TO(int64_t); break;
    }
    return zeros ? zero(call) : SQ_OK;
}

/* ---- floating point ---- */

#define FLOAT_KERNEL(NAME, EXPR)                                                                                                                 \
    static sq_rc NAME(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)                  \
    {                                                                                                                                            \
        (void)nargs;                                                                                                                             \
        if (call->ret->id == SQ_T_FLOAT)                                                                                                         \
            SQ_MAP2(float, float, float, EXPR);                                                                                                  \
        else                                                                                                                                     \
            SQ_MAP2(double, double, double, EXPR);                                                                                               \
        return SQ_OK;                                                                                                                            \
    }
FLOAT_KERNEL(float_add, a + b)
FLOAT_KERNEL(float_sub, a - b)
FLOAT_KERNEL(float_mul, a * b)
FLOAT_KERNEL(float_div, a / b)

/* ---- decimals ---- */

typedef bool decimal_op(sq_i128 a, int sa, sq_i128 b, int sb, int precision, int scale, sq_i128 *);

static sq_rc decimal_loop(struct sq_call *call, const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, decimal_op *op, bool divides)
{
    int sa = args[0].type->s, sb = args[1].type->s, p = call->ret->p, s = call->ret->s;
    sq_i128 *o = out->data;
    uint64_t ov = 0;

    SQ_EACH_ROW(rows, i, r) {
        sq_i128 b = SQ_AT(sq_i128, args[1], r);

        if (divides && b == 0)
            return zero(call);
        if (!op(SQ_AT(sq_i128, args[0], r), sa, b, sb, p, s, &o[r])) {
            sq_null_out(out, r);
            ov++;
        }
    }
    sq_count_overflow(call, ov);
    return SQ_OK;
}

static bool decimal_minus(sq_i128 a, int sa, sq_i128 b, int sb, int precision, int scale, sq_i128 *out)
{
    return sq_decimal_add(a, sa, -b, sb, precision, scale, out);
}

#define DECIMAL_KERNEL(NAME, FN, DIVIDES)                                                                                                        \
    static sq_rc NAME(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)                  \
    {                                                                                                                                            \
        (void)nargs;                                                                                                                             \
        return decimal_loop(call, args, rows, out, FN, DIVIDES);                                                                                 \
    }
DECIMAL_KERNEL(decimal_add, sq_decimal_add, false)
DECIMAL_KERNEL(decimal_sub, decimal_minus, false)
DECIMAL_KERNEL(decimal_mul, sq_decimal_mul, false)
DECIMAL_KERNEL(decimal_div, sq_decimal_div, true)
DECIMAL_KERNEL(decimal_mod, sq_decimal_mod, true)

/* ---- the sign ---- */

static sq_rc negate(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    uint64_t ov = 0;

    (void)nargs;
    switch (call->ret->id) {
    case SQ_T_TINYINT: SQ_MAP1(int8_t, int8_t, (ov += a == INT8_MIN, -(uint8_t)a)); break;
    case SQ_T_SMALLINT: SQ_MAP1(int16_t, int16_t, (ov += a == INT16_MIN, -(uint16_t)a)); break;
    case SQ_T_INT:
    case SQ_T_INTERVAL_YM: SQ_MAP1(int32_t, int32_t, (ov += a == INT32_MIN, -(uint32_t)a)); break;
    case SQ_T_BIGINT:
    case SQ_T_INTERVAL_DS: SQ_MAP1(int64_t, int64_t, (ov += a == INT64_MIN, -(uint64_t)a)); break;
    case SQ_T_FLOAT: SQ_MAP1(float, float, -a); break;
    case SQ_T_DOUBLE: SQ_MAP1(double, double, -a); break;
    default: SQ_MAP1(sq_i128, sq_i128, -a); break;
    }
    sq_count_overflow(call, ov);
    return SQ_OK;
}

/* ---- types ---- */

/* A result of up to 38 digits always fits, so only one that would be longer may be NULL. */
static const struct sq_type *decimal(struct sq_arena *a, int32_t p, int32_t s, bool nullable)
{
    if (p > SQ_DECIMAL_MAX) {                /* the digits before the point are kept, the scale gives way down to 6 */
        int32_t least = s < 6 ? s : 6, left = SQ_DECIMAL_MAX - (p - s);

        s = left > least ? left : least;
        p = SQ_DECIMAL_MAX;
        nullable = true;
    }
    return sq_type_new(a, SQ_T_DECIMAL, nullable, p, s);
}

static int32_t max32(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

const struct sq_type *sq_decimal_result(struct sq_arena *arena, char op, const struct sq_type *a, const struct sq_type *b)
{
    int32_t p1 = a->id == SQ_T_DECIMAL ? a->p : a->id == SQ_T_NULL ? 10 : sq_tid_digits(a->id), s1 = a->id == SQ_T_DECIMAL ? a->s : 0;
    int32_t p2 = b->id == SQ_T_DECIMAL ? b->p : b->id == SQ_T_NULL ? 10 : sq_tid_digits(b->id), s2 = b->id == SQ_T_DECIMAL ? b->s : 0;
    bool nullable = a->nullable || b->nullable;
    int32_t s = max32(s1, s2), whole;

    switch (op) {
    case '*':
        return decimal(arena, p1 + p2 + 1, s1 + s2, nullable);
    case '/':
        s = max32(6, s1 + p2 + 1);
        return decimal(arena, p1 - s1 + s2 + s, s, nullable);
    case '%':
        whole = p1 - s1 < p2 - s2 ? p1 - s1 : p2 - s2;
        return decimal(arena, max32(whole + s, 1), s, nullable);
    default:
        return decimal(arena, max32(p1 - s1, p2 - s2) + s + 1, s, nullable);
    }
}

#define DECIMAL_TYPE(NAME, OP)                                                                                                                   \
    static sq_rc NAME(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)         \
    {                                                                                                                                            \
        (void)n;                                                                                                                                 \
        *ret = sq_decimal_result(a, OP, args[0], args[1]);                                                                                       \
        return *ret ? SQ_OK : ctx->err.rc;                                                                                                       \
    }
DECIMAL_TYPE(add_type, '+')
DECIMAL_TYPE(mul_type, '*')
DECIMAL_TYPE(div_type, '/')
DECIMAL_TYPE(mod_type, '%')

static sq_rc right_type(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    (void)ctx;
    (void)a;
    (void)n;
    *ret = args[1]->id == SQ_T_NULL ? args[0] : args[1];
    return SQ_OK;
}

#define OP (SQ_STRICT | SQ_PURE | SQ_OPERATOR)
#define DEC_OP (OP | SQ_DERIVED_NULL)
#define DEC "(DECIMAL, DECIMAL) -> DECIMAL"
#define INTS "(INTEGER T, INTEGER T) -> T"
#define FLOATS "(APPROX T, APPROX T) -> T"

const struct sq_function sq_functions_arith[] = {
    {"+", INTS, OP, int_add, NULL, "the sum; an integer that leaves its type's range wraps around", "2 + 3 = 5", NULL},
    {"+", DEC, DEC_OP, decimal_add, add_type, "the sum; NULL if it does not fit", "1.10 + 2.2 = 3.3", NULL},
    {"+", FLOATS, OP, float_add, NULL, "the sum", "1e0 + 2e0 = 3e0", NULL},
    {"-", INTS, OP, int_sub, NULL, "the difference; an integer that leaves its type's range wraps around", "2 - 3 = -1", NULL},
    {"-", DEC, DEC_OP, decimal_sub, add_type, "the difference; NULL if it does not fit", "1.10 - 2.2 = -1.1", NULL},
    {"-", FLOATS, OP, float_sub, NULL, "the difference", "1e0 - 2e0 = -1e0", NULL},
    {"*", INTS, OP, int_mul, NULL, "the product; an integer that leaves its type's range wraps around", "2 * 3 = 6", NULL},
    {"*", DEC, DEC_OP, decimal_mul, mul_type, "the product; NULL if it does not fit", "1.5 * 2 = 3", NULL},
    {"*", FLOATS, OP, float_mul, NULL, "the product", "1.5e0 * 2e0 = 3e0", NULL},
    {"/", INTS, OP, int_div, NULL, "the quotient, cut towards zero; dividing by zero is an error", "-7 / 2 = -3", NULL},
    {"/", DEC, DEC_OP, decimal_div, div_type, "the quotient, rounded half up; dividing by zero is an error", "1.0 / 8 = 0.125", NULL},
    {"/", FLOATS, OP, float_div, NULL, "the quotient; Infinity or NaN when dividing by zero", "1e0 / 8 = 0.125e0", NULL},
    {"%", INTS, OP, int_mod, right_type, "the remainder, with the sign of the left side", "-7 % 3 = -1", NULL},
    {"%", DEC, DEC_OP, decimal_mod, mod_type, "the remainder, with the sign of the left side", "7.5 % 2 = 1.5", NULL},
    {"MOD", INTS, SQ_STRICT | SQ_PURE, int_mod, right_type, "the remainder, with the sign of the first argument", "MOD(-7, 3) = -1", NULL},
    {"MOD", DEC, SQ_STRICT | SQ_PURE | SQ_DERIVED_NULL, decimal_mod, mod_type, "the remainder, with the sign of the first argument", "MOD(7.5, 2) = 1.5", NULL},
    {"NEG", "(NUMERIC) -> NUMERIC", OP, negate, NULL, "the number with the other sign", "-(3) = -3", NULL},
    {"NEG", "(INTERVAL_YM) -> INTERVAL_YM", OP, negate, NULL, "the interval backwards", "-INTERVAL '1' YEAR = INTERVAL '-1' YEAR", NULL},
    {"NEG", "(INTERVAL_DS) -> INTERVAL_DS", OP, negate, NULL, "the interval backwards", "-INTERVAL '1' DAY = INTERVAL '-1' DAY", NULL},
    {0},
};
