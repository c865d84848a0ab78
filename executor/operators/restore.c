/* SPDX-License-Identifier: Apache-2.0
 *
 * restore.c: the state of operators that keep one number, taken up again. Several old workers may have saved one: the last counts.
 */
#include "executor/op.h"

#include <string.h>

sq_rc sq_restore_number(struct sq_op *op, struct sq_snapshot_in *in, void *number, const char *what)
{
    uint32_t group;
    const char *p;
    size_t n;

    for (;;) {
        SQ_TRY(in->next(in->arg, &group, &p, &n));
        if (!p)
            return SQ_OK;
        if (n != 8)
            return sq_fail(op->ctx, SQ_DATA, "the saved %s is damaged", what);
        memcpy(number, p, 8);
    }
}
