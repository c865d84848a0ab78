/* SPDX-License-Identifier: Apache-2.0
 *
 * aggregate.c: COUNT, SUM, AVG, and the table of aggregates (MIN and MAX: minmax.c).
 *
 * An accumulator is a few fixed bytes, all zero when empty. Every update goes over a batch: row i of `rows` into acc[i]. SUM and AVG keep the
 * number of values beside the sum, so that a sum of nothing is NULL again after retractions.
 *
 * FLINK: SUM of an integer type is of that type and wraps; SUM(DECIMAL(p, s)) is DECIMAL(38, s); AVG of an integer type is of that type,
 * cut towards zero; AVG(DECIMAL(p, s)) is DECIMAL(38, max(6, s)). A decimal sum beyond 38 digits is NULL while it is so (Flink's starts
 * over with the next value).
 */
#include "functions/agg.h"

/* ---- COUNT ---- */

struct count { int64_t n, pad; };

static size_t size16(const struct sq_agg_call *c)
{
    (void)c;
    return 16;
}

static sq_rc count_derive(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    (void)args;
    if (n > 1) {
        sq_fail(ctx, SQ_UNSUPPORTED, "COUNT of more than one column is not supported yet");
        return sq_hint(ctx, "COUNT(DISTINCT a, b): count over a subquery with SELECT DISTINCT a, b");
    }
    *ret = sq_type_nullable(a, &sq_type_bigint, false);
    return *ret ? SQ_OK : SQ_NOMEM;
}

static sq_rc count_update(struct sq_agg_call *c, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind)
{
    struct sq_agg_in in = {0};
    bool nulls = arg && sq_agg_in(&in, arg);

    (void)c;
    if (!kind && !nulls) {
        for (uint32_t i = 0; i < rows.n; i++)
            ((struct count *)acc[i])->n++;
        return SQ_OK;
    }
    SQ_EACH_ROW(rows, i, r) {
        if (!arg || sq_agg_present(&in, sq_agg_at_row(&in, r)))
            ((struct count *)acc[i])->n += !kind || sq_kind_adds(kind[r]) ? 1 : -1;
    }
    return SQ_OK;
}

static sq_rc count_merge(struct sq_agg_call *c, void *into, const void *from)
{
    (void)c;
    ((struct count *)into)->n += ((const struct count *)from)->n;
    return SQ_OK;
}

static inline void *acc_at(void *p, size_t at) { return (char *)p + at; }

static sq_rc count_merges(struct sq_agg_call *c, void *const *into, void *const *from, size_t at, uint32_t n)
{
    (void)c;
    for (uint32_t i = 0; i < n; i++)
        ((struct count *)acc_at(into[i], at))->n += ((const struct count *)acc_at(from[i], at))->n;
    return SQ_OK;
}

static sq_rc count_result(struct sq_agg_call *c, const void *acc, struct sq_col *out)
{
    (void)c;
    return sq_col_append_fixed(out, acc);
}

static sq_rc count_results(struct sq_agg_call *c, void *const *acc, uint32_t n, struct sq_col *out)
{
    (void)c;
    SQ_TRY(sq_col_reserve(out, n));
    int64_t *o = (int64_t *)out->vec.data + out->n;
    for (uint32_t i = 0; i < n; i++)
        o[i] = ((const struct count *)acc[i])->n;
    out->n += n;
    return SQ_OK;
}

static sq_rc save16(struct sq_agg_call *c, const void *acc, struct sq_buf *b)
{
    (void)c;
    return sq_buf_add(b, acc, 16);
}

static sq_rc load16(struct sq_agg_call *c, void *acc, const char **at, const char *end)
{
    return sq_agg_take(c, at, end, acc, 16);
}

/* ---- SUM and AVG ---- */

struct isum { int64_t sum, n; };                      /* integers */
struct fsum { double sum; int64_t n; };               /* DOUBLE; FLOAT with every step rounded */
struct dsum { sq_i128 sum; int64_t n; int64_t over; }; /* DECIMAL; over: beyond 128 bits once */

static sq_rc number_only(struct sq_ctx *ctx, const char *name, const struct sq_type *const *args, uint32_t n)
{
    struct sq_buf b;

    if (n != 1)
        return sq_fail(ctx, SQ_SEMANTIC, "%s takes one argument, not %u", name, n);
    if (sq_tid_is_numeric(args[0]->id) || args[0]->id == SQ_T_NULL)
        return SQ_OK;
    sq_buf_init(&b, ctx);
    sq_type_print(&b, args[0]);
    sq_fail(ctx, SQ_SEMANTIC, "%s takes a number, not %s", name, b.p ? b.p : "this type");
    sq_buf_free(&b);
    return sq_hint(ctx, "CAST the argument to a numeric type");
}

static sq_rc sum_derive(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    SQ_TRY(number_only(ctx, "SUM", args, n));
    if (args[0]->id == SQ_T_NULL)
        *ret = &sq_type_int;
    else if (args[0]->id == SQ_T_DECIMAL)
        *ret = sq_type_new(a, SQ_T_DECIMAL, true, SQ_DECIMAL_MAX, args[0]->s);
    else
        *ret = sq_type_nullable(a, args[0], true);
    return *ret ? SQ_OK : SQ_NOMEM;
}

static sq_rc avg_derive(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    SQ_TRY(number_only(ctx, "AVG", args, n));
    if (args[0]->id == SQ_T_NULL)
        *ret = &sq_type_int;
    else if (args[0]->id == SQ_T_DECIMAL)
        *ret = sq_type_new(a, SQ_T_DECIMAL, true, SQ_DECIMAL_MAX, args[0]->s > 6 ? args[0]->s : 6);
    else
        *ret = sq_type_nullable(a, args[0], true);
    return *ret ? SQ_OK : SQ_NOMEM;
}

static size_t sum_size(const struct sq_agg_call *c)
{
    return c->arg->id == SQ_T_DECIMAL ? sizeof(struct dsum) : 16;
}

/* For each row that is present: `x` its element of type T, `add` false where it is taken back, `s` its accumulator. */
#define SUM_LOOP(T, ACC, STEP)                                                              \
    do {                                                                                    \
        const T *d_ = in.data;                                                              \
        if (!nulls && !kind && arg->enc == SQ_FLAT) {                                       \
            const bool add = true;                                                          \
            SQ_EACH_ROW(rows, i_, r_) {                                                     \
                ACC *s = acc[i_];                                                           \
                const T x = d_[r_];                                                         \
                (void)add;                                                                  \
                STEP;                                                                       \
                s->n++;                                                                     \
            }                                                                               \
        } else                                                                              \
            SQ_EACH_ROW(rows, i_, r_) {                                                     \
                uint32_t e_ = sq_agg_at_row(&in, r_);                                       \
                if (!sq_agg_present(&in, e_))                                               \
                    continue;                                                               \
                ACC *s = acc[i_];                                                           \
                const T x = d_[e_];                                                         \
                const bool add = !kind || sq_kind_adds(kind[r_]);                           \
                STEP;                                                                       \
                s->n += add ? 1 : -1;                                                       \
            }                                                                               \
    } while (0)

#define ISTEP  overflow |= add ? __builtin_add_overflow(s->sum, (int64_t)x, &s->sum) : __builtin_sub_overflow(s->sum, (int64_t)x, &s->sum)
#define DSTEP  s->over |= add ? __builtin_add_overflow(s->sum, x, &s->sum) : __builtin_sub_overflow(s->sum, x, &s->sum)

static sq_rc sum_update(struct sq_agg_call *c, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind)
{
    struct sq_agg_in in;
    bool nulls = sq_agg_in(&in, arg), overflow = false;

    switch (in.phys) {
    case SQ_P_I8: SUM_LOOP(int8_t, struct isum, ISTEP); break;
    case SQ_P_I16: SUM_LOOP(int16_t, struct isum, ISTEP); break;
    case SQ_P_I32: SUM_LOOP(int32_t, struct isum, ISTEP); break;
    case SQ_P_I64: SUM_LOOP(int64_t, struct isum, ISTEP); break;
    case SQ_P_F32: SUM_LOOP(float, struct fsum, s->sum = (float)(add ? (float)s->sum + x : (float)s->sum - x)); break;
    case SQ_P_F64: SUM_LOOP(double, struct fsum, s->sum = add ? s->sum + x : s->sum - x); break;
    case SQ_P_I128: SUM_LOOP(sq_i128, struct dsum, DSTEP); break;
    default: break;                                   /* NULL: nothing to add */
    }
    if (overflow && c->overflows)
        ++*c->overflows;
    return SQ_OK;
}

/* AVG(FLOAT) sums in double. */
static sq_rc avg_update(struct sq_agg_call *c, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind)
{
    struct sq_agg_in in;
    bool nulls = sq_agg_in(&in, arg);

    if (in.phys != SQ_P_F32)
        return sum_update(c, acc, arg, rows, kind);
    SUM_LOOP(float, struct fsum, s->sum += add ? (double)x : -(double)x);
    return SQ_OK;
}

static sq_rc sum_merge(struct sq_agg_call *c, void *into, const void *from)
{
    if (c->arg->id == SQ_T_DECIMAL) {
        struct dsum *a = into;
        const struct dsum *b = from;
        a->over |= b->over | __builtin_add_overflow(a->sum, b->sum, &a->sum);
        a->n += b->n;
    } else if (sq_tid_is_approx(c->arg->id)) {
        struct fsum *a = into;
        a->sum += ((const struct fsum *)from)->sum;
        a->n += ((const struct fsum *)from)->n;
    } else {
        struct isum *a = into;
        a->sum = (int64_t)((uint64_t)a->sum + (uint64_t)((const struct isum *)from)->sum);
        a->n += ((const struct isum *)from)->n;
    }
    return SQ_OK;
}

static sq_rc sum_merges(struct sq_agg_call *c, void *const *into, void *const *from, size_t at, uint32_t n)
{
    if (c->arg->id == SQ_T_DOUBLE) {
        for (uint32_t i = 0; i < n; i++) {
            struct fsum *to = acc_at(into[i], at);
            const struct fsum *f = acc_at(from[i], at);
            to->sum += f->sum;
            to->n += f->n;
        }
        return SQ_OK;
    }
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(sum_merge(c, acc_at(into[i], at), acc_at(from[i], at)));
    return SQ_OK;
}

static sq_rc append_int(struct sq_agg_call *c, int64_t v, struct sq_col *out)
{
    union { int8_t i8; int16_t i16; int32_t i32; int64_t i64; } x;
    bool fits = true;

    switch (sq_type_phys(c->ret)) {
    case SQ_P_I8: x.i8 = (int8_t)v; fits = x.i8 == v; break;
    case SQ_P_I16: x.i16 = (int16_t)v; fits = x.i16 == v; break;
    case SQ_P_I32: x.i32 = (int32_t)v; fits = x.i32 == v; break;
    default: x.i64 = v; break;
    }
    if (!fits)
        sq_agg_overflowed(c);
    return sq_col_append_fixed(out, &x);
}

static sq_rc append_float(struct sq_agg_call *c, double v, struct sq_col *out)
{
    float f = (float)v;

    return c->ret->id == SQ_T_FLOAT ? sq_col_append_fixed(out, &f) : sq_col_append_fixed(out, &v);
}

/* A decimal at the result's type; NULL when it does not fit. */
static sq_rc append_decimal(struct sq_agg_call *c, bool ok, sq_i128 v, struct sq_col *out)
{
    if (ok && v > -sq_pow10_i128[c->ret->p] && v < sq_pow10_i128[c->ret->p])
        return sq_col_append_fixed(out, &v);
    sq_agg_overflowed(c);
    return sq_col_append_null(out);
}

static sq_rc sum_result(struct sq_agg_call *c, const void *acc, struct sq_col *out)
{
    if (c->arg->id == SQ_T_DECIMAL) {
        const struct dsum *d = acc;
        return d->n == 0 ? sq_col_append_null(out) : append_decimal(c, !d->over, d->sum, out);
    }
    if (sq_tid_is_approx(c->arg->id)) {
        const struct fsum *f = acc;
        return f->n == 0 ? sq_col_append_null(out) : append_float(c, f->sum, out);
    }
    const struct isum *s = acc;
    return s->n == 0 ? sq_col_append_null(out) : append_int(c, s->sum, out);
}

static sq_rc sum_results(struct sq_agg_call *c, void *const *acc, uint32_t n, struct sq_col *out)
{
    if (c->ret->id != SQ_T_DOUBLE && c->ret->id != SQ_T_BIGINT) {
        for (uint32_t i = 0; i < n; i++)
            SQ_TRY(sum_result(c, acc[i], out));
        return SQ_OK;
    }
    SQ_TRY(sq_col_reserve(out, n));
    uint32_t at = out->n;
    uint64_t *o = (uint64_t *)out->vec.data + at;
    bool nulls = false;
    for (uint32_t i = 0; i < n; i++) {                /* isum and fsum have one layout: 8 bytes of sum, then n */
        memcpy(&o[i], acc[i], 8);
        nulls |= ((const struct isum *)acc[i])->n == 0;
    }
    out->n += n;
    for (uint32_t i = 0; nulls && i < n; i++)
        if (((const struct isum *)acc[i])->n == 0)
            sq_col_set_null(out, at + i);
    return SQ_OK;
}

static sq_rc avg_result(struct sq_agg_call *c, const void *acc, struct sq_col *out)
{
    if (c->arg->id == SQ_T_DECIMAL) {
        const struct dsum *d = acc;
        sq_i128 q = 0;
        if (d->n == 0)
            return sq_col_append_null(out);
        bool ok = !d->over && sq_decimal_div(d->sum, c->arg->s, d->n, 0, c->ret->p, c->ret->s, &q);
        return append_decimal(c, ok, q, out);
    }
    if (sq_tid_is_approx(c->arg->id)) {
        const struct fsum *f = acc;
        return f->n == 0 ? sq_col_append_null(out) : append_float(c, f->sum / (double)f->n, out);
    }
    const struct isum *s = acc;
    if (s->n == 0)
        return sq_col_append_null(out);
    return append_int(c, s->n == -1 ? (int64_t)(0 - (uint64_t)s->sum) : s->sum / s->n, out);
}

static sq_rc sum_save(struct sq_agg_call *c, const void *acc, struct sq_buf *b)
{
    return sq_buf_add(b, acc, sum_size(c));
}

static sq_rc sum_load(struct sq_agg_call *c, void *acc, const char **at, const char *end)
{
    return sq_agg_take(c, at, end, acc, sum_size(c));
}

/* ---- shared by the aggregates ---- */

sq_rc sq_agg_take(struct sq_agg_call *c, const char **at, const char *end, void *into, size_t n)
{
    if ((size_t)(end - *at) < n)
        return sq_fail(c->ctx, SQ_DATA, "the saved state of %s is cut short", c->agg->name);
    memcpy(into, *at, n);
    *at += n;
    return SQ_OK;
}

/* ---- the table ---- */

static const struct sq_agg aggs[] = {
    {.name = "COUNT", .signature = "([ANY]) -> BIGINT", .flags = SQ_NEVER_NULL,
     .help = "the number of rows (COUNT(*)) or of values that are not NULL", .example = "COUNT(*)",
     .derive = count_derive, .acc_size = size16, .update = count_update, .merge = count_merge, .result = count_result,
     .save = save16, .load = load16, .results = count_results, .merges = count_merges},
    {.name = "SUM", .signature = "(NUMERIC) -> NUMERIC", .help = "the sum of the values that are not NULL; NULL when there are none",
     .example = "SUM(amount)", .derive = sum_derive, .acc_size = sum_size, .update = sum_update, .merge = sum_merge, .result = sum_result,
     .save = sum_save, .load = sum_load, .results = sum_results, .merges = sum_merges},
    {.name = "AVG", .signature = "(NUMERIC) -> NUMERIC", .help = "the mean of the values that are not NULL; of integers cut to an integer",
     .example = "AVG(amount)", .derive = avg_derive, .acc_size = sum_size, .update = avg_update, .merge = sum_merge, .result = avg_result,
     .save = sum_save, .load = sum_load, .merges = sum_merges},
    {.name = "MIN", .signature = "(COMPARABLE) -> COMPARABLE", .help = "the least value; NULL when there are none", .example = "MIN(price)",
     .derive = sq_min_derive, .acc_size = sq_minmax_size, .update = sq_min_update, .merge = sq_min_merge, .result = sq_min_result,
     .save = sq_minmax_save, .load = sq_min_load, .drop = sq_minmax_drop},
    {.name = "MAX", .signature = "(COMPARABLE) -> COMPARABLE", .help = "the greatest value; NULL when there are none", .example = "MAX(price)",
     .derive = sq_max_derive, .acc_size = sq_minmax_size, .update = sq_max_update, .merge = sq_max_merge, .result = sq_max_result,
     .save = sq_minmax_save, .load = sq_max_load, .drop = sq_minmax_drop},
#define COLLECT .acc_size = sq_collect_size, .update = sq_collect_update, .merge = sq_collect_merge, .result = sq_collect_result, .save = sq_collect_save, \
        .load = sq_collect_load, .drop = sq_collect_drop
    {.name = "ARRAY_AGG", .signature = "(ANY) -> ARRAY", .flags = SQ_AGG_NULLS, .help = "all values as an array, in the order they came, NULLs too; NULL when there is no row",
     .example = "ARRAY_AGG(name)", .derive = sq_array_agg_derive, COLLECT},
    {.name = "COLLECT", .signature = "(ANY) -> MULTISET", .flags = SQ_NEVER_NULL, .help = "the values that are not NULL as a multiset", .example = "COLLECT(name)",
     .derive = sq_collect_derive, COLLECT},
    {.name = "LISTAGG", .signature = "(STRING [, STRING]) -> STRING", .flags = SQ_AGG_OPT, .help = "the values that are not NULL in one text, in the order they came, with a separator (',') between them",
     .example = "LISTAGG(name, '; ')", .derive = sq_listagg_derive, .acc_size = sq_collect_size, .update = sq_collect_update, .merge = sq_collect_merge,
     .result = sq_listagg_result, .save = sq_collect_save, .load = sq_collect_load, .drop = sq_collect_drop},
#undef COLLECT
#define FIRST_LAST(NAME, WHICH, HELP)                                                                                                                              \
    {.name = NAME, .signature = "(ANY) -> ANY", .help = HELP, .example = NAME "(price)", .derive = sq_first_last_derive, .acc_size = sq_first_last_size,           \
     .update = sq_##WHICH##_update, .merge = sq_##WHICH##_merge, .result = sq_##WHICH##_result, .save = sq_first_last_save, .load = sq_first_last_load, .drop = sq_first_last_drop}
    FIRST_LAST("FIRST_VALUE", first, "the value that came first of those that are not NULL; NULL when there are none"),
    FIRST_LAST("LAST_VALUE", last, "the value that came last of those that are not NULL; NULL when there are none"),
#undef FIRST_LAST
#define VARIANCE(NAME, RESULT, HELP)                                                                                                                    \
    {.name = NAME, .signature = "(NUMERIC) -> NUMERIC", .help = HELP, .example = NAME "(amount)", .derive = sq_variance_derive, .acc_size = sq_variance_size, \
     .update = sq_variance_update, .merge = sq_variance_merge, .result = RESULT, .save = sq_variance_save, .load = sq_variance_load}
    VARIANCE("VAR_POP", sq_var_pop_result, "the variance of all values that are not NULL"),
    VARIANCE("VAR_SAMP", sq_var_samp_result, "the variance of a sample; NULL for fewer than two values"),
    VARIANCE("VARIANCE", sq_var_samp_result, "the variance of a sample; NULL for fewer than two values"),
    VARIANCE("STDDEV_POP", sq_stddev_pop_result, "the standard deviation of all values that are not NULL"),
    VARIANCE("STDDEV_SAMP", sq_stddev_samp_result, "the standard deviation of a sample; NULL for fewer than two values"),
    VARIANCE("STDDEV", sq_stddev_samp_result, "the standard deviation of a sample; NULL for fewer than two values"),
#undef VARIANCE
};

const struct sq_agg *sq_agg_find(struct sq_str name)
{
    for (size_t i = 0; i < SQ_LEN(aggs); i++)
        if (sq_str_iis(name, aggs[i].name))
            return &aggs[i];
    return NULL;
}

const struct sq_agg *sq_agg_at(size_t i)
{
    return i < SQ_LEN(aggs) ? &aggs[i] : NULL;
}
