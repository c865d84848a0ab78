/* SPDX-License-Identifier: Apache-2.0
 *
 * fault.h: named points where a test build dies, so that every step of a commit is hit. In an ordinary build they are nothing.
 */
#ifndef SQ_BASE_FAULT_H
#define SQ_BASE_FAULT_H

#include "base/ctx.h"

#ifdef SQ_FAULTS
void sq_fault_point(struct sq_ctx *, const char *name);
#define SQ_FAULT(ctx, name) sq_fault_point(ctx, name)
#else
#define SQ_FAULT(ctx, name) ((void)0)
#endif

#endif
