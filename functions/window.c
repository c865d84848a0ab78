/* SPDX-License-Identifier: Apache-2.0
 *
 * window.c: TIME_BUCKET, the beginning of the fixed-length stretch of time that a value lies in, counted from 1970-01-01 00:00:00. It is what
 * `window END …` in a CREATE TABLE stands for.
 *
 * value - floormod(value, size), so times before 1970 lie in the right stretch too. A BIGINT counts milliseconds; a value that would be before
 * March 1973 is more likely one in seconds, so it brings a notice, once per expression.
 *
 * FLINK: has windows by table functions only; there is no such function.
 */
#include "functions/kernel.h"

enum { DONE = 1 };
static const int64_t earliest_ms = 100000000000;      /* 1e11: March 1973 in milliseconds, the year 5138 in seconds */

static sq_rc bucket_prepare(struct sq_call *call, struct sq_arena *arena, const struct sq_vec *const *args, uint32_t n, void **state)
{
    (void)args, (void)n;
    *state = SQ_NEW(arena, int);
    return *state ? SQ_OK : call->ctx->err.rc;
}

static void maybe_seconds(struct sq_call *call, int64_t v)
{
    int *state = call->state;

    if (!state || *state == DONE || v >= earliest_ms || v <= 0)
        return;
    *state = DONE;
    sq_notice(call->ctx, "TIME_BUCKET: %lld looks like seconds since 1970; a BIGINT is taken as milliseconds", (long long)v);
}

/* The multiple of size at or below v. */
static int64_t floor_to(int64_t v, int64_t size)
{
    int64_t rest = v % size;

    return (int64_t)((uint64_t)v - (uint64_t)(rest < 0 ? rest + size : rest));
}

static sq_rc bucket(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    const struct sq_type *t = args[1].type;

    (void)nargs;
    SQ_EACH_ROW(rows, i, r) {
        int64_t size = SQ_AT(int64_t, args[0], r);

        if (size <= 0 || size > INT64_MAX / 1000)
            return sq_fail(call->ctx, SQ_DATA, "TIME_BUCKET: the size must be more than nothing");
        if (t->id == SQ_T_BIGINT) {
            int64_t v = SQ_AT(int64_t, args[1], r);
            maybe_seconds(call, v);
            ((int64_t *)out->data)[r] = floor_to(v, size);
        } else {
            struct sq_ts16 v = sq_ts_at(&args[1], r);
            sq_ts_put(out, call->ret, r, (struct sq_ts16){.us = floor_to(v.us, size * 1000)});
        }
    }
    return SQ_OK;
}

static sq_rc same_as_second(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    (void)n;
    *ret = sq_type_nullable(arena, args[1], args[0]->nullable || args[1]->nullable);
    return *ret ? SQ_OK : ctx->err.rc;
}

#define HELP "the beginning of the stretch of time of that length, counted from 1970, that a time lies in; a BIGINT counts milliseconds"
const struct sq_function sq_functions_window[] = {
    {"TIME_BUCKET", "(INTERVAL_DS, BIGINT) -> BIGINT", SQ_STRICT | SQ_PURE, bucket, NULL, HELP,
     "TIME_BUCKET(INTERVAL '10' SECOND, 1700000012345) = 1700000010000", bucket_prepare},
    {"TIME_BUCKET", "(INTERVAL_DS, TIMESTAMP) -> TIMESTAMP(3)", SQ_STRICT | SQ_PURE, bucket, same_as_second, HELP,
     "TIME_BUCKET(INTERVAL '10' SECOND, TIMESTAMP '2024-01-01 00:00:12.5') = TIMESTAMP '2024-01-01 00:00:10'", NULL},
    {"TIME_BUCKET", "(INTERVAL_DS, TIMESTAMP_LTZ) -> TIMESTAMP_LTZ(3)", SQ_STRICT | SQ_PURE, bucket, same_as_second, HELP,
     "TIME_BUCKET(INTERVAL '1' HOUR, TO_TIMESTAMP_LTZ(7199999, 3)) = TO_TIMESTAMP_LTZ(3600000, 3)", NULL},
    {0},
};
