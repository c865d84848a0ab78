/* SPDX-License-Identifier: Apache-2.0
 *
 * state_ttl.c: the hint STATE_TTL('table' = 'time', …) behind SELECT: for how long a join keeps the rows of a side that is that table of FROM, and an aggregate or DISTINCT
 * what it makes of it. A name is the alias where the table has one. A hint holds for the joins and the aggregate of its own SELECT, not for queries within.
 *
 * FLINK: the same. What has no name (the left side of a second join) is kept as 'table.exec.state.ttl' says.
 */
#include "planner/bind.h"

#include "connectors/option.h"

struct sq_ttl_hints { const struct sq_kv *kv; uint32_t n; uint64_t *ms; bool *used; };   /* ms: as in sq_plan.ttl_hint */

sq_rc sq_ttl_begin(struct sq_binder *b, const struct sq_ast_query *q)
{
    struct sq_ttl_hints *h;
    b->ttl = NULL;
    if (!q->nstate_ttl)
        return SQ_OK;
    if (!(h = SQ_NEW(b->arena, struct sq_ttl_hints)) || !(h->ms = SQ_NEW_ARRAY(b->arena, uint64_t, q->nstate_ttl)) || !(h->used = SQ_NEW_ARRAY(b->arena, bool, q->nstate_ttl)))
        return SQ_NOMEM;
    h->kv = q->state_ttl;
    h->n = q->nstate_ttl;
    for (uint32_t i = 0; i < h->n; i++) {
        int64_t ms;
        if (!sq_parse_duration(h->kv[i].value, &ms) || ms < 0) {
            SQ_WRONG(b, h->kv[i].value_span, "'%.*s' is no time for STATE_TTL", SQ_FMT(h->kv[i].value));
            return sq_hint(b->ctx, "such as '1 d', '12 h', '90 s'; '0 s' keeps it for good");
        }
        h->ms[i] = (uint64_t)ms + 1;
    }
    b->ttl = h;
    return SQ_OK;
}

static uint64_t hint_of(const struct sq_binder *b, const struct sq_ast_from *f)
{
    struct sq_str name = f->alias;
    for (uint32_t i = 0; b->ttl && i < b->ttl->n && f->kind != SQ_F_JOIN; i++) {
        if (!name.p && f->kind == SQ_F_TABLE)
            name = f->name.part[f->name.n - 1];
        if (!name.p || !sq_str_eq(name, b->ttl->kv[i].key))
            continue;
        b->ttl->used[i] = true;
        return b->ttl->ms[i];
    }
    return 0;
}

void sq_ttl_join(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan *join)
{
    join->ttl_hint[0] = hint_of(b, f->left);
    join->ttl_hint[1] = hint_of(b, f->right);
}

void sq_ttl_aggregate(struct sq_binder *b, const struct sq_ast_query *q, struct sq_plan *p)
{
    uint64_t ms = q->from ? hint_of(b, q->from) : 0;
    while (p && ms && p->kind != SQ_N_AGGREGATE)
        p = p->kind == SQ_N_FILTER || p->kind == SQ_N_PROJECT ? p->inputs[0] : NULL;
    if (p && ms)
        p->ttl_hint[0] = ms;
}

sq_rc sq_ttl_check(struct sq_binder *b)
{
    const struct sq_ttl_hints *h = b->ttl;
    for (uint32_t i = 0; h && i < h->n; i++) {
        if (h->used[i])
            continue;
        SQ_WRONG(b, h->kv[i].key_span, "STATE_TTL names '%.*s', which is no table of this FROM", SQ_FMT(h->kv[i].key));
        return sq_hint(b->ctx, "a table is named by its alias where it has one; a query within has its own hint");
    }
    return SQ_OK;
}
