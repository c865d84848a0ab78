/* SPDX-License-Identifier: Apache-2.0
 *
 * sortkey.h: columns of ORDER BY as bytes that compare by memcmp as the rows do.
 */
#ifndef SQ_EXECUTOR_SORTKEY_H
#define SQ_EXECUTOR_SORTKEY_H

#include "planner/plan.h"

/* Appends the keys of physical row r. NULLs, -0.0 and NaN stand where sq_vec_compare and the key's nulls_first have them; no key is a prefix of another. */
sq_rc sq_sortkey(struct sq_buf *, const struct sq_vec *cols, const struct sq_sort_key *, uint32_t nkeys, uint32_t r);
/* Whether columns of the type can be ordered so: all but nested types. */
bool sq_sortkey_takes(const struct sq_type *);
/* memcmp of two strings; a shorter one before a longer one that begins with it. */
int sq_sortkey_compare(struct sq_str, struct sq_str);

#endif
