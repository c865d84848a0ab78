/* SPDX-License-Identifier: Apache-2.0
 *
 * compare.c: = <> < <= > >=, IS [NOT] DISTINCT FROM, IS [NOT] NULL / TRUE / FALSE / UNKNOWN, NOT.
 *
 * The operands come with one layout (the registry sees to it), but for decimals, which keep their own scales. Floating point
 * compares as IEEE 754 and Java have it: NaN equals nothing, 0.0 = -0.0. Texts and bytes compare by unsigned bytes, which is the order of
 * code points.
 *
 * FLINK: a number and a text do not compare (cast one of them), as there. A column of texts compared with a time is cast like a literal: a text that
 * is no time fails the job, where Flink takes NULL.
 */
#include "functions/kernel.h"

enum op { EQ, NE, LT, LE, GT, GE };

/* ---- order of single elements ---- */

static uint32_t prefix_of(const struct sq_view *v)
{
    uint32_t x;

    memcpy(&x, v->prefix, 4);
    return __builtin_bswap32(x);
}

static int view_cmp(const struct sq_view *a, const struct sq_view *b)
{
    uint32_t x = prefix_of(a), y = prefix_of(b), n = a->len < b->len ? a->len : b->len;
    int c;

    if (x != y)                              /* bytes behind a short text are zero: a text sorts before its extensions */
        return x < y ? -1 : 1;
    c = n > 4 ? memcmp(sq_view_ptr(a) + 4, sq_view_ptr(b) + 4, n - 4) : 0;
    return c ? c : a->len < b->len ? -1 : a->len > b->len;
}

static int ts16_cmp(struct sq_ts16 a, struct sq_ts16 b)
{
    if (a.us != b.us)
        return a.us < b.us ? -1 : 1;
    return a.ns < b.ns ? -1 : a.ns > b.ns;
}

/* ---- the six operators ---- */

#define BY_OP(A, X, Y)                                               \
    switch (op) {                                                    \
    case EQ: SQ_MAP2(A, A, uint8_t, X == Y); break;                  \
    case NE: SQ_MAP2(A, A, uint8_t, X != Y); break;                  \
    case LT: SQ_MAP2(A, A, uint8_t, X < Y); break;                   \
    case LE: SQ_MAP2(A, A, uint8_t, X <= Y); break;                  \
    case GT: SQ_MAP2(A, A, uint8_t, X > Y); break;                   \
    case GE: SQ_MAP2(A, A, uint8_t, X >= Y); break;                  \
    }

/* Equality of texts against a constant: the usual filter. */
static void text_equal(const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, bool negate)
{
    if (args[0].enc == SQ_CONST || args[1].enc == SQ_CONST) {
        const struct sq_vec *flat = args[0].enc == SQ_CONST ? &args[1] : &args[0];
        struct sq_view c = *(const struct sq_view *)(args[0].enc == SQ_CONST ? args[0].data : args[1].data);
        uint8_t *o = out->data;

        if (flat->enc == SQ_FLAT) {
            const struct sq_view *x = flat->data;

            SQ_EACH_ROW(rows, i, r)
                o[r] = sq_view_eq(&x[r], &c) != negate;
            return;
        }
    }
    SQ_MAP2(struct sq_view, struct sq_view, uint8_t, sq_view_eq(&a, &b) != negate);
}

static void compare_text(const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, enum op op)
{
    if (op == EQ || op == NE)
        text_equal(args, rows, out, op == NE);
    else
        BY_OP(struct sq_view, view_cmp(&a, &b), 0)
}

static void compare_decimal(const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, enum op op)
{
    int sa = args[0].type->s, sb = args[1].type->s;

    if (sa == sb)
        BY_OP(sq_i128, a, b)
    else
        BY_OP(sq_i128, sq_decimal_cmp(a, sa, b, sb), 0)
}

static bool holds(enum op op, int c)
{
    switch (op) {
    case EQ: return c == 0;
    case NE: return c != 0;
    case LT: return c < 0;
    case LE: return c <= 0;
    case GT: return c > 0;
    default: return c >= 0;
    }
}

static void compare_nested(const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, enum op op)
{
    SQ_EACH_ROW(rows, i, r)
        ((uint8_t *)out->data)[r] = holds(op, sq_vec_compare(&args[0], r, &args[1], r));
}

static void compare(const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, enum op op)
{
    switch (sq_type_phys(args[0].type)) {
    case SQ_P_BOOL: BY_OP(uint8_t, a, b) break;
    case SQ_P_I8: BY_OP(int8_t, a, b) break;
    case SQ_P_I16: BY_OP(int16_t, a, b) break;
    case SQ_P_I32: BY_OP(int32_t, a, b) break;
    case SQ_P_I64: BY_OP(int64_t, a, b) break;
    case SQ_P_F32: BY_OP(float, a, b) break;
    case SQ_P_F64: BY_OP(double, a, b) break;
    case SQ_P_I128: compare_decimal(args, rows, out, op); break;
    case SQ_P_TS16: BY_OP(struct sq_ts16, ts16_cmp(a, b), 0) break;
    case SQ_P_VIEW: compare_text(args, rows, out, op); break;
    case SQ_P_NULL: break;
    case SQ_P_LIST:
    case SQ_P_STRUCT: compare_nested(args, rows, out, op); break;
    }
}

#define COMPARE_KERNEL(NAME, OP)                                                                                                                 \
    static sq_rc NAME(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)                  \
    {                                                                                                                                            \
        (void)call;                                                                                                                              \
        (void)nargs;                                                                                                                             \
        compare(args, rows, out, OP);                                                                                                            \
        return SQ_OK;                                                                                                                            \
    }
COMPARE_KERNEL(equal, EQ)
COMPARE_KERNEL(not_equal, NE)
COMPARE_KERNEL(less, LT)
COMPARE_KERNEL(less_equal, LE)
COMPARE_KERNEL(greater, GT)
COMPARE_KERNEL(greater_equal, GE)

/* ---- distinct from: NULL is a value like others ---- */

/* The rows with two values are compared in bulk through a selection of their own, the rest is decided by their NULLs. */
static sq_rc distinct(struct sq_call *call, const struct sq_vec *args, struct sq_rows rows, struct sq_vec *out, bool negate)
{
    uint8_t *o = out->data;
    uint32_t *sel = sq_arena_get(call->heap, (rows.n + 1) * sizeof *sel, 16), n = 0;

    if (!sel)
        return call->ctx->err.rc;
    SQ_EACH_ROW(rows, i, r) {
        bool x = sq_arg_null(&args[0], r), y = sq_arg_null(&args[1], r);

        if (!x && !y)
            sel[n++] = r;
        else
            o[r] = (x != y) != negate;
    }
    compare(args, (struct sq_rows){sel, n}, out, negate ? EQ : NE);
    return SQ_OK;
}

static sq_rc is_distinct(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    (void)nargs;
    return distinct(call, args, rows, out, false);
}

static sq_rc is_not_distinct(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    (void)nargs;
    return distinct(call, args, rows, out, true);
}

/* ---- tests of one value ---- */

static void fill(struct sq_rows rows, struct sq_vec *out, uint8_t v)
{
    uint8_t *o = out->data;

    if (!rows.sel) {
        if (rows.n)
            memset(o, v, rows.n);
    } else
        SQ_EACH_ROW(rows, i, r)
            o[r] = v;
}

static void null_test(const struct sq_vec *v, struct sq_rows rows, struct sq_vec *out, bool want_null)
{
    uint8_t *o = out->data;

    if (v->type->id == SQ_T_NULL)
        fill(rows, out, want_null);
    else if (!v->valid)
        fill(rows, out, !want_null);
    else if (v->enc == SQ_CONST)
        fill(rows, out, !sq_bit(v->valid, 0) == want_null);
    else
        SQ_EACH_ROW(rows, i, r)
            o[r] = !sq_bit(v->valid, r) == want_null;
}

/* x IS [NOT] TRUE / FALSE: x is not NULL and equals `value`, or the opposite. */
static void truth_test(const struct sq_vec *v, struct sq_rows rows, struct sq_vec *out, uint8_t value, bool negate)
{
    uint8_t *o = out->data;

    if (v->type->id == SQ_T_NULL)
        fill(rows, out, negate);
    else
        SQ_EACH_ROW(rows, i, r)
            o[r] = (!sq_arg_null(v, r) && SQ_AT(uint8_t, *v, r) == value) != negate;
}

#define TEST_KERNEL(NAME, CALL)                                                                                                                  \
    static sq_rc NAME(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)                  \
    {                                                                                                                                            \
        (void)call;                                                                                                                              \
        (void)nargs;                                                                                                                             \
        CALL;                                                                                                                                    \
        return SQ_OK;                                                                                                                            \
    }
TEST_KERNEL(is_null, null_test(&args[0], rows, out, true))
TEST_KERNEL(is_not_null, null_test(&args[0], rows, out, false))
TEST_KERNEL(is_true, truth_test(&args[0], rows, out, 1, false))
TEST_KERNEL(is_not_true, truth_test(&args[0], rows, out, 1, true))
TEST_KERNEL(is_false, truth_test(&args[0], rows, out, 0, false))
TEST_KERNEL(is_not_false, truth_test(&args[0], rows, out, 0, true))
TEST_KERNEL(not, SQ_MAP1(uint8_t, uint8_t, !a))

#define OP (SQ_STRICT | SQ_PURE | SQ_OPERATOR)
#define TEST (SQ_NEVER_NULL | SQ_PURE | SQ_OPERATOR)
#define PAIR "(COMPARABLE T, COMPARABLE T) -> BOOLEAN"
#define DEC "(DECIMAL, DECIMAL) -> BOOLEAN"
#define NO_ORDER "true if the two values are distinct, where NULL is a value like others"

const struct sq_function sq_functions_compare[] = {
    {"=", PAIR, OP, equal, NULL, "true if both are equal", "1 = 1", NULL},
    {"=", DEC, OP, equal, NULL, "true if both are equal", "1.0 = 1", NULL},
    {"<>", PAIR, OP, not_equal, NULL, "true if both differ", "1 <> 2", NULL},
    {"<>", DEC, OP, not_equal, NULL, "true if both differ", "1.1 <> 1", NULL},
    {"<", PAIR, OP, less, NULL, "true if the left side is smaller", "'a' < 'b'", NULL},
    {"<", DEC, OP, less, NULL, "true if the left side is smaller", "1 < 1.1", NULL},
    {"<=", PAIR, OP, less_equal, NULL, "true if the left side is not greater", "1 <= 1", NULL},
    {"<=", DEC, OP, less_equal, NULL, "true if the left side is not greater", "1.00 <= 1.0", NULL},
    {">", PAIR, OP, greater, NULL, "true if the left side is greater", "2 > 1", NULL},
    {">", DEC, OP, greater, NULL, "true if the left side is greater", "1.1 > 1", NULL},
    {">=", PAIR, OP, greater_equal, NULL, "true if the left side is not smaller", "DATE '2024-01-01' >= '2024-01-01'", NULL},
    {">=", DEC, OP, greater_equal, NULL, "true if the left side is not smaller", "1.00 >= 1.0", NULL},
    {"IS DISTINCT FROM", PAIR, TEST, is_distinct, NULL, NO_ORDER, "1 IS DISTINCT FROM NULL", NULL},
    {"IS DISTINCT FROM", DEC, TEST, is_distinct, NULL, NO_ORDER, "1.1 IS DISTINCT FROM 1", NULL},
    {"IS NOT DISTINCT FROM", PAIR, TEST, is_not_distinct, NULL, "true if the two values are equal or both NULL", "NULL IS NOT DISTINCT FROM NULL", NULL},
    {"IS NOT DISTINCT FROM", DEC, TEST, is_not_distinct, NULL, "true if the two values are equal or both NULL", "1.0 IS NOT DISTINCT FROM 1", NULL},
    {"IS NULL", "(ANY) -> BOOLEAN", TEST, is_null, NULL, "true if there is no value", "NULL IS NULL", NULL},
    {"IS NOT NULL", "(ANY) -> BOOLEAN", TEST, is_not_null, NULL, "true if there is a value", "1 IS NOT NULL", NULL},
    {"IS TRUE", "(BOOLEAN) -> BOOLEAN", TEST, is_true, NULL, "true if it is true; false if it is NULL", "TRUE IS TRUE", NULL},
    {"IS NOT TRUE", "(BOOLEAN) -> BOOLEAN", TEST, is_not_true, NULL, "true if it is false or NULL", "FALSE IS NOT TRUE", NULL},
    {"IS FALSE", "(BOOLEAN) -> BOOLEAN", TEST, is_false, NULL, "true if it is false; false if it is NULL", "FALSE IS FALSE", NULL},
    {"IS NOT FALSE", "(BOOLEAN) -> BOOLEAN", TEST, is_not_false, NULL, "true if it is true or NULL", "TRUE IS NOT FALSE", NULL},
    {"IS UNKNOWN", "(BOOLEAN) -> BOOLEAN", TEST, is_null, NULL, "true if it is NULL", "(1 = NULL) IS UNKNOWN", NULL},
    {"IS NOT UNKNOWN", "(BOOLEAN) -> BOOLEAN", TEST, is_not_null, NULL, "true if it is true or false", "TRUE IS NOT UNKNOWN", NULL},
    {"NOT", "(BOOLEAN) -> BOOLEAN", OP, not, NULL, "true for false, false for true", "NOT FALSE", NULL},
    {0},
};
