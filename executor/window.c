/* SPDX-License-Identifier: Apache-2.0
 *
 * window.c: arithmetic of windows (window.h).
 */
#include "executor/window.h"

#include "base/os.h"

static const int64_t HOUR = INT64_C(3600000000);

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

void sq_windows_init(struct sq_windows *w, const struct sq_window_spec *spec, const struct sq_session *s)
{
    *w = (struct sq_windows){.spec = *spec, .slice = spec->step};
    if (spec->kind == SQ_WINDOW_HOP)
        w->slice = gcd(spec->size, spec->step);
    if (spec->zoned && !sq_tz_is_utc(s->tz))
        w->tz = s->tz;
}

int64_t sq_window_floor(const struct sq_windows *w, int64_t t, int64_t length)
{
    int64_t d = (t - w->spec.offset) % length;
    return t - (d < 0 ? d + length : d);
}

uint32_t sq_windows_most(const struct sq_windows *w)
{
    int64_t n = w->spec.kind == SQ_WINDOW_TUMBLE || w->spec.kind == SQ_WINDOW_SESSION ? 1 : (w->spec.size + w->spec.step - 1) / w->spec.step;
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

bool sq_window_nth(const struct sq_windows *w, int64_t t, uint32_t j, int64_t *start, int64_t *end)
{
    int64_t size = w->spec.size, step = w->spec.step;
    if (w->spec.kind == SQ_WINDOW_CUMULATE) {
        *start = sq_window_floor(w, t, size);
        *end = *start + ((t - *start) / step + 1 + j) * step;
        return *end <= *start + size;
    }
    *start = sq_window_floor(w, t, step) - (int64_t)j * step;
    *end = *start + size;
    return *end > t;
}

int64_t sq_window_last(const struct sq_windows *w, int64_t t)
{
    return sq_window_floor(w, t, w->spec.kind == SQ_WINDOW_CUMULATE ? w->spec.size : w->spec.step) + w->spec.size;
}

int64_t sq_window_first(const struct sq_windows *w, int64_t slice_end, int64_t watermark)
{
    int64_t size = w->spec.size, step = w->spec.step, start = sq_window_floor(w, slice_end - size + step - 1, step);
    return watermark == SQ_TS_MIN || start + size > watermark ? start : sq_window_floor(w, watermark - size, step) + step;
}

static int64_t microseconds(const struct sq_vec *v, uint32_t r)
{
    v = sq_vec_at(v, &r);
    if (v->valid && !sq_bit(v->valid, r))
        return SQ_TS_MIN;
    return sq_type_phys(v->type) == SQ_P_TS16 ? ((const struct sq_ts16 *)v->data)[r].us : ((const int64_t *)v->data)[r];
}

void sq_window_times(const struct sq_windows *w, const struct sq_batch *in, const struct sq_vec *v, int64_t *out)
{
    if (sq_type_phys(v->type) == SQ_P_I64 && sq_vec_dense(v, in->rows))
        for (uint32_t i = 0; i < in->nsel; i++)
            out[i] = ((const int64_t *)v->data)[sq_row(in, i)];
    else
        for (uint32_t i = 0; i < in->nsel; i++)
            out[i] = microseconds(v, sq_row(in, i));
    for (uint32_t i = 0; w->tz && i < in->nsel; i++)
        out[i] = out[i] == SQ_TS_MIN ? out[i] : sq_tz_to_local(w->tz, out[i]);
}

/* The first time, at most `ahead` behind t, at which the zone's clock has been set back. */
static int64_t set_back(const struct sq_tz *tz, int64_t t, int64_t ahead)
{
    int64_t offset = sq_tz_to_local(tz, t) - t, lo = 0, hi = ahead;
    while (hi - lo > 1) {
        int64_t mid = lo + (hi - lo) / 2;
        if (sq_tz_to_local(tz, t + mid) - t - mid < offset)
            hi = mid;
        else
            lo = mid;
    }
    return t + hi;
}

int64_t sq_window_watermark(const struct sq_windows *w, int64_t watermark)
{
    if (!w->tz || watermark == SQ_TS_MIN || watermark == SQ_TS_MAX)
        return watermark;
    int64_t now = sq_tz_to_local(w->tz, watermark);
    for (int64_t ahead = HOUR; ahead <= 3 * HOUR; ahead += HOUR)
        if (sq_tz_to_local(w->tz, watermark + ahead) - ahead < now) {        /* it will show times again that it has shown */
            int64_t again = sq_tz_to_local(w->tz, set_back(w->tz, watermark, ahead));
            return again < now ? again : now;
        }
    return now;
}

int64_t sq_window_restored(const struct sq_op *op, const struct sq_windows *w)
{
    return sq_window_watermark(w, op->plan->final ? SQ_TS_MIN : sq_window_by_clock(w) ? op->clock_us : op->ins[0].watermark);
}

void sq_window_now(const struct sq_op *op, const struct sq_windows *w, int64_t least, uint32_t n, int64_t *out)
{
    int64_t us = op->ctx->os->now_us(op->ctx->os->arg);

    if (w->tz)
        us = sq_tz_to_local(w->tz, us);
    for (uint32_t i = 0; i < n; i++)
        out[i] = us > least ? us : least;
}

void sq_window_wake(struct sq_op *op, const struct sq_windows *w, int64_t end)
{
    int64_t now = op->ctx->os->now_us(op->ctx->os->arg), at = w->tz ? sq_tz_to_utc(w->tz, end) : end;

    if (at <= now && sq_window_watermark(w, now) < end)          /* an hour that the clock shows twice: it is over the second time */
        at = now + end - sq_window_watermark(w, now);
    sq_op_timer(op, at);
}

const int64_t *sq_window_row_watermarks(const struct sq_windows *w, const struct sq_batch *in, int64_t watermark, int64_t *room)
{
    int64_t last = SQ_TS_MIN, local = SQ_TS_MIN;

    if (!in->wm || sq_window_by_clock(w))
        return NULL;
    for (uint32_t i = 0; i < in->nsel; i++) {
        int64_t wm = in->wm[sq_row(in, i)];
        if (wm != last) {
            last = wm;
            local = sq_window_watermark(w, wm);
        }
        room[i] = local > watermark ? local : watermark;
    }
    return room;
}

sq_rc sq_window_time(const struct sq_windows *w, int64_t end, uint32_t n, struct sq_col *out)
{
    int64_t us = end - 1000;
    if (w->tz && out->vec.type->id == SQ_T_TIMESTAMP_LTZ)
        us = sq_tz_to_utc(w->tz, us);
    struct sq_ts16 wide = {.us = us};
    bool is_wide = sq_type_phys(out->vec.type) == SQ_P_TS16;
    for (uint32_t i = 0; i < n; i++)
        SQ_TRY(sq_col_append_fixed(out, is_wide ? (const void *)&wide : (const void *)&us));
    return SQ_OK;
}
