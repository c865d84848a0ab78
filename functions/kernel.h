/* SPDX-License-Identifier: Apache-2.0
 *
 * kernel.h: what the files of functions/ share: their tables, and the loops that kernels are made of.
 *
 * A loop comes in four forms (flat and flat, flat and constant, constant and flat, anything through a selection), so that the first
 * three have nothing in them that keeps a compiler from using vector instructions.
 */
#ifndef SQ_FUNCTIONS_KERNEL_H
#define SQ_FUNCTIONS_KERNEL_H

#include "functions/function.h"

/* A flag of rows beside those of function.h: the result is nullable if an argument or the type that `derive` gives is. */
enum { SQ_DERIVED_NULL = 1 << 16 };

/* One table per file; each ends with a row whose name is NULL. */
extern const struct sq_function sq_functions_arith[], sq_functions_interval[], sq_functions_compare[], sq_functions_conditional[], sq_functions_math[],
    sq_functions_string[], sq_functions_pattern[], sq_functions_text[], sq_functions_temporal[], sq_functions_timefmt[], sq_functions_window[], sq_functions_collection[],
    sq_functions_regex[];

/* o[r] = EXPR of `a` (type A) at the rows. */
#define SQ_MAP1(A, R, EXPR)                                                    \
    do {                                                                       \
        const A *sq_x_ = args[0].data;                                         \
        R *restrict sq_o_ = out->data;                                         \
        if (!rows.sel && args[0].enc == SQ_FLAT)                               \
            for (uint32_t sq_i_ = 0; sq_i_ < rows.n; sq_i_++) {                \
                A a = sq_x_[sq_i_];                                            \
                sq_o_[sq_i_] = (R)(EXPR);                                      \
            }                                                                  \
        else                                                                   \
            SQ_EACH_ROW(rows, sq_i_, sq_r_) {                                  \
                A a = sq_x_[args[0].enc == SQ_CONST ? 0 : sq_r_];              \
                sq_o_[sq_r_] = (R)(EXPR);                                      \
            }                                                                  \
    } while (0)

/* o[r] = EXPR of `a` (type A) and `b` (type B) at the rows. */
#define SQ_MAP2(A, B, R, EXPR)                                                 \
    do {                                                                       \
        const A *sq_x_ = args[0].data;                                         \
        const B *sq_y_ = args[1].data;                                         \
        R *restrict sq_o_ = out->data;                                         \
        if (!rows.sel && args[0].enc == SQ_FLAT && args[1].enc == SQ_FLAT)     \
            for (uint32_t sq_i_ = 0; sq_i_ < rows.n; sq_i_++) {                \
                A a = sq_x_[sq_i_];                                            \
                B b = sq_y_[sq_i_];                                            \
                sq_o_[sq_i_] = (R)(EXPR);                                      \
            }                                                                  \
        else if (!rows.sel && args[0].enc == SQ_FLAT) {                        \
            const B b = sq_y_[0];                                              \
            for (uint32_t sq_i_ = 0; sq_i_ < rows.n; sq_i_++) {                \
                A a = sq_x_[sq_i_];                                            \
                sq_o_[sq_i_] = (R)(EXPR);                                      \
            }                                                                  \
        } else if (!rows.sel && args[1].enc == SQ_FLAT) {                      \
            const A a = sq_x_[0];                                              \
            for (uint32_t sq_i_ = 0; sq_i_ < rows.n; sq_i_++) {                \
                B b = sq_y_[sq_i_];                                            \
                sq_o_[sq_i_] = (R)(EXPR);                                      \
            }                                                                  \
        } else {                                                               \
            uint32_t sq_xm_ = args[0].enc == SQ_CONST ? 0 : UINT32_MAX;        \
            uint32_t sq_ym_ = args[1].enc == SQ_CONST ? 0 : UINT32_MAX;        \
            SQ_EACH_ROW(rows, sq_i_, sq_r_) {                                  \
                A a = sq_x_[sq_r_ & sq_xm_];                                   \
                B b = sq_y_[sq_r_ & sq_ym_];                                   \
                sq_o_[sq_r_] = (R)(EXPR);                                      \
            }                                                                  \
        }                                                                      \
    } while (0)

/* The element of row r of a flat or constant vector. */
#define SQ_AT(T, v, r) (((const T *)(v).data)[(v).enc == SQ_CONST ? 0 : (r)])

static inline struct sq_str sq_text_at(const struct sq_vec *v, uint32_t r)
{
    return sq_view_str((const struct sq_view *)v->data + (v->enc == SQ_CONST ? 0 : r));
}

static inline bool sq_arg_null(const struct sq_vec *v, uint32_t r)
{
    return v->type->id == SQ_T_NULL || (v->valid && !sq_bit(v->valid, v->enc == SQ_CONST ? 0 : r));
}

static inline void sq_null_out(struct sq_vec *out, uint32_t r)
{
    sq_bit_clear(out->valid, r);
}

/* Counts values that wrapped or became NULL. */
static inline void sq_count_overflow(struct sq_call *call, uint64_t n)
{
    if (n && call->overflows)
        *call->overflows += n;
}

/* Room for n bytes of a result; NULL with the error set when there is none. */
static inline char *sq_text_room(struct sq_call *call, size_t n)
{
    return sq_arena_get(call->heap, n, 1);
}

static inline void sq_put_view(struct sq_vec *out, uint32_t r, const char *p, uint32_t n)
{
    ((struct sq_view *)out->data)[r] = sq_view_of(p, n);
}

/* Whether a function of collection.c takes arguments of these types: fills param (what each must be cast to) and *ret, nullability included. */
typedef sq_rc sq_match(struct sq_ctx *, struct sq_arena *, const struct sq_type *const *args, uint32_t n, const struct sq_type **param, const struct sq_type **ret, bool *fits);
sq_match *sq_collection_match(const struct sq_function *);
/* The kernel that casts nested values part by part; NULL where some part cannot be cast. */
sq_kernel *sq_cast_nested(const struct sq_type *from, const struct sq_type *to);
/* Puts a copy of the text into the result. */
sq_rc sq_put_copy(struct sq_call *, struct sq_vec *out, uint32_t r, const char *p, size_t n);

/* A timestamp of any precision at row r, as microseconds and nanoseconds; and the way back. */
static inline struct sq_ts16 sq_ts_at(const struct sq_vec *v, uint32_t r)
{
    if (v->type->p > 6)
        return SQ_AT(struct sq_ts16, *v, r);
    return (struct sq_ts16){.us = SQ_AT(int64_t, *v, r)};
}
static inline void sq_ts_put(struct sq_vec *out, const struct sq_type *t, uint32_t r, struct sq_ts16 v)
{
    if (t->p > 6)
        ((struct sq_ts16 *)out->data)[r] = v;
    else
        ((int64_t *)out->data)[r] = v.us;
}

static inline int64_t sq_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* Lets a string column's text be cut for a message: at most 64 bytes and "…". buf >= 80. */
const char *sq_shorten(struct sq_str, char *buf);

/* Adds months to a date; the day is held to the month's length. */
int32_t sq_add_months(int32_t days, int64_t months);

/* What arithmetic with times may give: years 0 to 10000, one more at each end than a value that is read may have, so that a watermark behind the first day
 * and the end of the last window are times. Flink does not check. The second fails and says so. */
bool sq_in_calendar(int64_t us);
sq_rc sq_not_in_calendar(struct sq_call *);
/* The clock as CURRENT_TIMESTAMP sees it: the job's start in batch mode; the zone of the session (UTC without one). */
int64_t sq_now_us(const struct sq_call *);
const struct sq_tz *sq_call_tz(const struct sq_call *);

/* Result types that depend on constants (sq_function_refine): *ret stays where they do not. `param`: the types after casts. */
typedef sq_rc sq_refine(struct sq_arena *, const struct sq_type *const *param, const struct sq_vec *const *consts, uint32_t n, const struct sq_type **ret);
sq_refine sq_refine_round, sq_refine_date_shift, sq_refine_timestampadd;

/* Units of time, from the name in a SYMBOL. */
enum sq_time_unit {
    SQ_TU_NONE, SQ_TU_MILLENNIUM, SQ_TU_CENTURY, SQ_TU_DECADE, SQ_TU_YEAR, SQ_TU_QUARTER, SQ_TU_MONTH, SQ_TU_WEEK, SQ_TU_DAY, SQ_TU_HOUR, SQ_TU_MINUTE,
    SQ_TU_SECOND, SQ_TU_MILLISECOND, SQ_TU_MICROSECOND, SQ_TU_NANOSECOND, SQ_TU_DOW, SQ_TU_ISODOW, SQ_TU_DOY, SQ_TU_ISOYEAR, SQ_TU_EPOCH
};
enum sq_time_unit sq_time_unit_of(struct sq_str);   /* also SQL_TSI_DAY */

#endif
