/* SPDX-License-Identifier: Apache-2.0
 *
 * ttl.c: sweeps over state that is dropped in time.
 */
#include "executor/state/ttl.h"

bool sq_sweep_table(struct sq_sweep *w, const struct sq_hashtab *tab, uint32_t *left, void (*look)(void *arg, struct sq_entry *), void *arg)
{
    while (*left > 0) {
        struct sq_entry *e = sq_hashtab_next(tab, &w->at);
        if (!e) {
            w->at = (struct sq_hashtab_iter){0};
            w->table++;
            return true;
        }
        --*left;
        look(arg, e);
    }
    return false;
}

void sq_sweep_next(struct sq_sweep *w, const struct sq_ttl *t, struct sq_op *op, bool whole, size_t live)
{
    if (!whole) {
        sq_op_timer(op, t->now);
        return;
    }
    *w = (struct sq_sweep){0};
    if (live)
        sq_ttl_wake(t, op);
}
