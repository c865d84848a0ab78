/* SPDX-License-Identifier: Apache-2.0
 *
 * conditional.c: what is lazy: rows without kernels, for names and types only (the evaluator computes them branch by branch); and
 * GREATEST and LEAST, which are not.
 */
#include "functions/kernel.h"

static const struct sq_type *common_all(struct sq_arena *a, const struct sq_type *const *args, uint32_t n)
{
    const struct sq_type *t = args[0];

    for (uint32_t i = 1; t && i < n; i++)
        t = sq_type_common(a, t, args[i]);
    return t;
}

/* NULL only if all are. */
static sq_rc coalesce_type(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    bool nullable = true;
    const struct sq_type *t = common_all(a, args, n);

    for (uint32_t i = 0; i < n; i++)
        nullable &= args[i]->nullable;
    *ret = t ? sq_type_nullable(a, t, nullable) : NULL;
    return *ret ? SQ_OK : ctx->err.rc;
}

static sq_rc nullif_type(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    (void)n;
    *ret = sq_type_nullable(a, args[0], true);
    return *ret ? SQ_OK : ctx->err.rc;
}

static sq_rc extreme(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out, int sign)
{
    uint32_t size = sq_phys_size(sq_type_phys(call->ret));

    SQ_EACH_ROW(rows, i, r) {
        uint32_t best = 0;

        for (uint32_t k = 1; k < nargs; k++)
            if (sq_vec_compare(&args[k], r, &args[best], r) * sign > 0)
                best = k;
        memcpy((char *)out->data + (size_t)r * size, (const char *)args[best].data + (args[best].enc == SQ_CONST ? 0 : (size_t)r * size), size);
    }
    return SQ_OK;
}

static sq_rc greatest(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    return extreme(call, args, nargs, rows, out, 1);
}

static sq_rc least(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    return extreme(call, args, nargs, rows, out, -1);
}

/* Of a query as a value: how many rows it has. */
static sq_rc at_most_one(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        int64_t n = ((const int64_t *)args[0].data)[args[0].enc == SQ_CONST ? 0 : r];
        if (n > 1)
            return sq_fail(call->ctx, SQ_DATA, "a query as a value has more than one row");
        ((uint8_t *)out->data)[r] = 1;
    }
    return SQ_OK;
}

#define LAZY (SQ_LAZY | SQ_PURE)

const struct sq_function sq_functions_conditional[] = {
    {"AND", "(BOOLEAN, BOOLEAN...) -> BOOLEAN", LAZY | SQ_OPERATOR, NULL, NULL, "true if all are true; false if one is false", "TRUE AND TRUE", NULL},
    {"OR", "(BOOLEAN, BOOLEAN...) -> BOOLEAN", LAZY | SQ_OPERATOR, NULL, NULL, "true if one is true; false if all are false", "FALSE OR TRUE", NULL},
    {"CASE", "(BOOLEAN, T, T...) -> T", LAZY | SQ_OPERATOR, NULL, NULL, "the first result whose condition is true",
     "CASE WHEN 1 = 2 THEN 'a' ELSE 'b' END = 'b'", NULL},
    {"IF", "(BOOLEAN, T, T) -> T", LAZY, NULL, NULL, "the second argument if the first is true, else the third", "IF(1 = 2, 'a', 'b') = 'b'", NULL},
    {"COALESCE", "(T...) -> T", LAZY, NULL, coalesce_type, "the first argument that is not NULL", "COALESCE(NULL, 2, 3) = 2", NULL},
    {"IFNULL", "(T, T) -> T", LAZY, NULL, coalesce_type, "the first argument, or the second if that is NULL", "IFNULL(NULL, 2) = 2", NULL},
    {"NULLIF", "(COMPARABLE T, COMPARABLE T) -> T", LAZY, NULL, nullif_type, "NULL if both are equal, else the first", "NULLIF(1, 1) IS NULL", NULL},
    {"GREATEST", "(COMPARABLE T, COMPARABLE T...) -> T", SQ_STRICT | SQ_PURE, greatest, NULL, "the greatest of the arguments; NULL if one is NULL",
     "GREATEST(1, 3, 2) = 3", NULL},
    {"LEAST", "(COMPARABLE T, COMPARABLE T...) -> T", SQ_STRICT | SQ_PURE, least, NULL, "the smallest of the arguments; NULL if one is NULL",
     "LEAST(2, 1, 3) = 1", NULL},
    {"AT MOST ONE", "(BIGINT) -> BOOLEAN", SQ_STRICT | SQ_PURE | SQ_OPERATOR, at_most_one, NULL, "fails for more than one", NULL, NULL},
    {0},
};
