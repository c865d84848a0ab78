/* SPDX-License-Identifier: Apache-2.0
 *
 * window.h: which windows a time lies in, for the operators of windows.
 *
 * Bounds are in wall clock time: microseconds since 1970 of the session's zone where the time column is a TIMESTAMP_LTZ, else as they stand. A HOP is cut into *slices* as
 * long as the greatest common divisor of size and slide, a CUMULATE into its steps: each row lies in one slice, each window is some slices one behind the other.
 */
#ifndef SQ_EXECUTOR_WINDOW_H
#define SQ_EXECUTOR_WINDOW_H

#include "base/text.h"
#include "executor/op.h"

struct sq_windows {
    struct sq_window_spec spec;
    int64_t slice;                         /* length of a slice */
    const struct sq_tz *tz;                /* NULL: the time has no zone */
};

void sq_windows_init(struct sq_windows *, const struct sq_window_spec *, const struct sq_session *);
/* Floor of a time to whole milliseconds, in which sessions count. */
static inline int64_t sq_window_ms(int64_t t) { return t - (t % 1000 + 1000) % 1000; }
/* The greatest bound <= t of pieces of that length. */
int64_t sq_window_floor(const struct sq_windows *, int64_t t, int64_t length);
/* The most windows that a time lies in. */
uint32_t sq_windows_most(const struct sq_windows *);
/* Window number j of those that the time lies in, the earliest end last for HOP, first for CUMULATE; false: there are no more. */
bool sq_window_nth(const struct sq_windows *, int64_t t, uint32_t j, int64_t *start, int64_t *end);
/* The end of the last window that the time lies in. */
int64_t sq_window_last(const struct sq_windows *, int64_t t);
/* Of the windows of HOP that the slice that ends there lies in, the start of the earliest that is not over at a watermark. */
int64_t sq_window_first(const struct sq_windows *, int64_t slice_end, int64_t watermark);
/* The wall clock times of the selected rows, by position; rows that are NULL count as SQ_TS_MIN. */
void sq_window_times(const struct sq_windows *, const struct sq_batch *, const struct sq_vec *, int64_t *out);
/* A watermark in wall clock time: no row to come has less, also where the clock is set back. SQ_TS_MIN and SQ_TS_MAX stay. */
int64_t sq_window_watermark(const struct sq_windows *, int64_t watermark);
/* Windows of processing time: a row's time is the clock's when it comes, and the clock closes windows. */
static inline bool sq_window_by_clock(const struct sq_windows *w) { return w->spec.time == SQ_TIME_PROC; }
/* Up to where windows are over in the state that was just restored, in wall clock time. */
int64_t sq_window_restored(const struct sq_op *, const struct sq_windows *);
/* The times of rows that come now, by position, in wall clock time; never before `least`, though the clock may be set back. */
void sq_window_now(const struct sq_op *, const struct sq_windows *, int64_t least, uint32_t n, int64_t *out);
/* Asks for a call of `timer` when a window that ends there is over. */
void sq_window_wake(struct sq_op *, const struct sq_windows *, int64_t end);
/* What the selected rows are judged by (op.h: sq_row_watermark), in wall clock time, by position: the watermark of the operator or that of the row, whichever is further. In `room`
 * (of SQ_BATCH_ROWS); NULL: the operator's for all. */
const int64_t *sq_window_row_watermarks(const struct sq_windows *, const struct sq_batch *in, int64_t watermark, int64_t *room);
/* Appends window_time of a window that ends there to a column of the time's type. */
sq_rc sq_window_time(const struct sq_windows *, int64_t end, uint32_t n, struct sq_col *);

#endif
