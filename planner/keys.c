/* SPDX-License-Identifier: Apache-2.0
 *
 * keys.c: unique keys: sets of columns that no two current rows of a node's output have in common. From below:
 *
 *   scan       its PRIMARY KEY (which, as in Flink, is believed)
 *   aggregate  its group columns; for a global one the empty set: there is one row
 *   join       the left side's keys where a right row is found by a key at most once, and the other way round; else the pairs of both
 *   project    keys whose columns are passed on, as they are or cast to a type that keeps them apart
 *   window     the input's, with the window's end where a row is in several
 *   window aggregate: the other group columns and the window
 *   rank       the partition and the number; the input's
 *   unnest     the input's keys with the ordinal number, or with the key of a MAP
 *   filter, watermark, sort, limit, normalize: the input's
 */
#include "planner/bind.h"

enum { KEYS_MAX = 8 };

struct keys {
    struct sq_key k[KEYS_MAX];
    uint32_t n;
};

static void add(struct keys *l, const uint32_t *cols, uint32_t n)
{
    if (l->n < KEYS_MAX)
        l->k[l->n++] = (struct sq_key){cols, n};
}

static sq_rc store(struct sq_arena *a, struct sq_plan *p, const struct keys *l)
{
    struct sq_key *k = l->n ? SQ_NEW_ARRAY(a, struct sq_key, l->n) : NULL;
    p->nkeys = 0;
    p->keys = k;
    if (!l->n)
        return SQ_OK;
    if (!k)
        return SQ_NOMEM;
    memcpy(k, l->k, sizeof(*k) * l->n);
    p->nkeys = l->n;
    return SQ_OK;
}

static sq_rc scan_keys(struct sq_arena *a, struct sq_plan *p, struct keys *l)
{
    const struct sq_table_spec *t = p->u.scan.table;
    uint32_t *cols = SQ_NEW_ARRAY(a, uint32_t, t->npk ? t->npk : 1);
    if (!cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->npk; i++) {
        uint32_t at = 0;
        while (at < p->ncols && p->u.scan.cols[at] != t->pk[i])
            at++;
        if (at == p->ncols)
            return SQ_OK;                                        /* a part of it is not read */
        cols[i] = at;
    }
    if (t->npk)
        add(l, cols, t->npk);
    return SQ_OK;
}

/* Different values stay different. */
static bool injective(const struct sq_type *from, const struct sq_type *to)
{
    if (sq_tid_is_int(from->id) && sq_tid_is_int(to->id))
        return to->id >= from->id;
    if (sq_tid_is_int(from->id) && to->id == SQ_T_DECIMAL)
        return to->p - to->s >= sq_tid_digits(from->id);
    if ((sq_tid_is_string(from->id) && sq_tid_is_string(to->id)) || (sq_tid_is_timestamp(from->id) && to->id == from->id))
        return to->p >= from->p;
    return from->id == SQ_T_FLOAT && to->id == SQ_T_DOUBLE;
}

static bool passes(const struct sq_expr *e, uint32_t col)
{
    while (e->kind == SQ_X_CAST && !e->attempt && injective(e->args[0]->type, e->type))
        e = e->args[0];
    return e->kind == SQ_X_COL && e->col == col;
}

sq_rc sq_project_key(struct sq_arena *a, const struct sq_plan *p, const struct sq_key *below, struct sq_key *out, bool *found)
{
    uint32_t *cols = SQ_NEW_ARRAY(a, uint32_t, below->n ? below->n : 1);
    if (!cols)
        return SQ_NOMEM;
    *found = false;
    for (uint32_t i = 0; i < below->n; i++) {
        uint32_t at = 0;
        while (at < p->ncols && !passes(p->u.project.exprs[at], below->cols[i]))
            at++;
        if (at == p->ncols)
            return SQ_OK;
        cols[i] = at;
    }
    *out = (struct sq_key){cols, below->n};
    *found = true;
    return SQ_OK;
}

static sq_rc project_keys(struct sq_arena *a, struct sq_plan *p, struct keys *l)
{
    const struct sq_plan *in = p->inputs[0];
    for (uint32_t i = 0; i < in->nkeys; i++) {
        struct sq_key k;
        bool found;
        SQ_TRY(sq_project_key(a, p, &in->keys[i], &k, &found));
        if (found)
            add(l, k.cols, k.n);
    }
    return SQ_OK;
}

/* Where two sets differ in a column that is never NULL by itself, NULL tells which of them a row is of: the number of the set is not needed to tell rows apart. */
static bool sets_differ(const struct sq_plan *expand)
{
    const struct sq_plan *in = expand->inputs[0];
    uint64_t sure = 0;
    for (uint32_t i = 0; i < expand->u.expand.ngroup; i++)
        sure |= (uint64_t)!in->cols[i].type->nullable << i;
    for (uint32_t i = 0; i < expand->u.expand.nsets; i++)
        for (uint32_t k = 0; k < i; k++)
            if (!((expand->u.expand.sets[i] ^ expand->u.expand.sets[k]) & sure))
                return false;
    return true;
}

static sq_rc aggregate_keys(struct sq_arena *a, struct sq_plan *p, struct keys *l)
{
    const struct sq_plan *in = p->inputs[0];
    uint32_t *cols = SQ_NEW_ARRAY(a, uint32_t, p->u.agg.ngroup ? p->u.agg.ngroup : 1);
    if (!cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->u.agg.ngroup; i++)
        cols[i] = i;
    add(l, cols, p->u.agg.ngroup);
    while (in->kind == SQ_N_FILTER)
        in = in->inputs[0];
    if (in->kind == SQ_N_EXPAND && sets_differ(in))
        add(l, cols, p->u.agg.ngroup - 1);                       /* the number of the set comes last */
    return SQ_OK;
}

/* Keys that are passed on, together with what counts the elements of a row: the ordinal number, or the key of a MAP. */
static sq_rc unnest_keys(struct sq_arena *a, struct sq_plan *p, struct keys *l)
{
    const struct sq_plan *in = p->inputs[0];
    bool map = in->cols[p->u.unnest.col].type->id == SQ_T_MAP;
    for (uint32_t k = 0; k < in->nkeys && (map || p->u.unnest.ordinality); k++) {
        const struct sq_key *key = &in->keys[k];
        uint32_t *cols = SQ_NEW_ARRAY(a, uint32_t, key->n + 1), n = 0;
        if (!cols)
            return SQ_NOMEM;
        for (uint32_t i = 0; i < key->n; i++)
            for (uint32_t at = 0; at < p->u.unnest.npass && n == i; at++)
                if (p->u.unnest.pass[at] == key->cols[i])
                    cols[n++] = at;
        if (n < key->n)
            continue;
        cols[n] = p->u.unnest.ordinality ? p->ncols - 1 : p->u.unnest.npass;
        add(l, cols, n + 1);
    }
    return SQ_OK;
}

/* One of the side's keys is among the columns that the join compares: a row of the other side finds one row at most. */
static bool found_once(const struct sq_plan *join, const struct sq_plan *side, bool left)
{
    for (uint32_t i = 0; i < side->nkeys; i++) {
        uint32_t k = 0;
        for (; k < side->keys[i].n; k++) {
            uint32_t j = 0;
            while (j < join->u.join.nkeys && (left ? join->u.join.keys[j].left : join->u.join.keys[j].right) != side->keys[i].cols[k])
                j++;
            if (j == join->u.join.nkeys)
                break;
        }
        if (k == side->keys[i].n)
            return true;
    }
    return false;
}

static sq_rc joined_key(struct sq_arena *a, const struct sq_key *l, const struct sq_key *r, uint32_t nleft, struct keys *out)
{
    uint32_t n = (l ? l->n : 0) + (r ? r->n : 0), k = 0;
    uint32_t *cols = SQ_NEW_ARRAY(a, uint32_t, n ? n : 1);
    if (!cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; l && i < l->n; i++)
        cols[k++] = l->cols[i];
    for (uint32_t i = 0; r && i < r->n; i++)
        cols[k++] = nleft + r->cols[i];
    add(out, cols, n);
    return SQ_OK;
}

static sq_rc join_keys(struct sq_arena *a, struct sq_plan *p, struct keys *out)
{
    const struct sq_plan *l = p->inputs[0], *r = p->inputs[1];
    enum sq_join_kind k = p->u.join.kind;
    if (k == SQ_JOIN_SEMI || k == SQ_JOIN_ANTI) {
        for (uint32_t i = 0; i < l->nkeys; i++)
            SQ_TRY(joined_key(a, &l->keys[i], NULL, l->ncols, out));
        return SQ_OK;
    }
    if ((k == SQ_JOIN_INNER || k == SQ_JOIN_LEFT) && found_once(p, r, false))
        for (uint32_t i = 0; i < l->nkeys; i++)
            SQ_TRY(joined_key(a, &l->keys[i], NULL, l->ncols, out));
    if ((k == SQ_JOIN_INNER || k == SQ_JOIN_RIGHT) && found_once(p, l, true))
        for (uint32_t i = 0; i < r->nkeys; i++)
            SQ_TRY(joined_key(a, NULL, &r->keys[i], l->ncols, out));
    for (uint32_t i = 0; i < l->nkeys; i++)
        for (uint32_t j = 0; j < r->nkeys; j++)
            SQ_TRY(joined_key(a, &l->keys[i], &r->keys[j], l->ncols, out));
    return SQ_OK;
}

static sq_rc with_columns(struct sq_arena *a, const struct sq_key *k, uint32_t start, uint32_t n, struct keys *l)
{
    uint32_t *cols = SQ_NEW_ARRAY(a, uint32_t, k->n + n + 1);
    if (!cols)
        return SQ_NOMEM;
    if (k->n)
        memcpy(cols, k->cols, k->n * sizeof *cols);
    for (uint32_t i = 0; i < n; i++)
        cols[k->n + i] = start + i;
    add(l, cols, k->n + n);
    return SQ_OK;
}

static sq_rc window_keys(struct sq_arena *a, struct sq_plan *p, struct keys *l)
{
    const struct sq_plan *in = p->inputs[0];
    bool once = p->u.window.spec->kind == SQ_WINDOW_TUMBLE || p->u.window.spec->kind == SQ_WINDOW_SESSION;
    for (uint32_t i = 0; i < in->nkeys; i++)
        SQ_TRY(with_columns(a, &in->keys[i], in->ncols, once ? 0 : 2, l));
    return SQ_OK;
}

static sq_rc window_aggregate_keys(struct sq_arena *a, struct sq_plan *p, struct keys *l)
{
    uint32_t n = p->u.agg.ngroup, *cols = SQ_NEW_ARRAY(a, uint32_t, n + 1);
    if (!cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        cols[i] = i;
    return with_columns(a, &(struct sq_key){cols, n}, n + p->u.agg.nitems, 2, l);
}

/* The partition and the number, or the partition alone where one row of it is wanted. */
static sq_rc rank_keys(struct sq_arena *a, struct sq_plan *p, struct keys *l)
{
    const struct sq_plan *in = p->inputs[0];
    bool one = p->u.rank.from == p->u.rank.to;
    struct sq_key k = {p->u.rank.partition, p->u.rank.npartition};
    if (one || p->u.rank.number)
        SQ_TRY(with_columns(a, &k, in->ncols, one ? 0 : 1, l));
    for (uint32_t i = 0; i < in->nkeys; i++)
        SQ_TRY(with_columns(a, &in->keys[i], 0, 0, l));
    return SQ_OK;
}

sq_rc sq_infer_keys(struct sq_arena *a, struct sq_plan *p)
{
    struct keys l = {.n = 0};
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(sq_infer_keys(a, p->inputs[i]));
    switch (p->kind) {
    case SQ_N_SCAN:
        SQ_TRY(scan_keys(a, p, &l));
        break;
    case SQ_N_PROJECT:
        SQ_TRY(project_keys(a, p, &l));
        break;
    case SQ_N_AGGREGATE:
        SQ_TRY(aggregate_keys(a, p, &l));
        break;
    case SQ_N_JOIN:
        SQ_TRY(join_keys(a, p, &l));
        break;
    case SQ_N_WINDOW:
        SQ_TRY(window_keys(a, p, &l));
        break;
    case SQ_N_RANK:
        SQ_TRY(rank_keys(a, p, &l));
        break;
    case SQ_N_WINDOW_AGGREGATE:
        SQ_TRY(window_aggregate_keys(a, p, &l));
        break;
    case SQ_N_UNNEST:
        SQ_TRY(unnest_keys(a, p, &l));
        break;
    case SQ_N_VALUES:
    case SQ_N_SIDE:
    case SQ_N_REPLICATE:
    case SQ_N_UNION:
    case SQ_N_EXPAND:
        break;
    case SQ_N_WATERMARK:
    case SQ_N_FILTER:
    case SQ_N_SORT:
    case SQ_N_LIMIT:
    case SQ_N_EXCHANGE:
    case SQ_N_NORMALIZE:
    case SQ_N_OVER:
    case SQ_N_SINK:
    case SQ_N_COLLECT:
        p->keys = p->inputs[0]->keys;
        p->nkeys = p->inputs[0]->nkeys;
        return SQ_OK;
    }
    return store(a, p, &l);
}

bool sq_column_constant(const struct sq_plan *p, uint32_t col)
{
    for (;;) {
        if (p->kind == SQ_N_PROJECT) {
            const struct sq_expr *e = p->u.project.exprs[col];
            if (e->kind == SQ_X_CONST)
                return true;
            if (e->kind != SQ_X_COL)
                return false;
            col = e->col;
        } else if (p->kind == SQ_N_AGGREGATE && col < p->u.agg.ngroup) {
            col = p->u.agg.group[col];
        } else if (p->kind != SQ_N_FILTER && p->kind != SQ_N_WATERMARK && p->kind != SQ_N_SORT && p->kind != SQ_N_LIMIT) {
            return false;
        }
        p = p->inputs[0];
    }
}
