/* SPDX-License-Identifier: Apache-2.0
 *
 * row.h: rows packed to bytes: the keys of hash tables, the rows kept in state, what snapshots and exchanges hold.
 *
 * Layout of a packed row (little-endian, unaligned, no pointers): a bitmap of ceil(ncols / 8) bytes, bit 1 = NULL; then
 * for each column that is not NULL: fixed-width elements as their bytes (DECIMAL 16, TS16 12), strings and bytes as a
 * u32 length and the bytes, lists as a u32 count and their elements each as a packed row of one (maps: two) columns,
 * ROW as a packed row of its children. FLOAT and DOUBLE keep their value, but -0.0 packs as 0.0 and every NaN as one
 * NaN, so that equal keys are equal bytes.
 */
#ifndef SQ_BASE_ROW_H
#define SQ_BASE_ROW_H

#include "base/vec.h"

/* Appends the packed form of columns cols[0..n) of physical row r. `which` picks columns (NULL: the first n). */
sq_rc sq_row_pack(struct sq_buf *, const struct sq_vec *cols, const uint32_t *which, uint32_t n, uint32_t r);
/* Appends the n columns of a packed row to out[0..n) (an array of builders) and returns behind the row; NULL when the bytes are
 * damaged or memory is out (the builders' context has the error). */
const char *sq_row_unpack(const char *row, const char *end, struct sq_col *out, uint32_t n);
/* True when one of the n columns of a packed row is NULL. */
bool sq_row_has_null(const char *row, uint32_t n);

#endif
