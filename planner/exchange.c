/* SPDX-License-Identifier: Apache-2.0
 *
 * exchange.c: where rows have to change the worker, for jobs of several workers. Runs last, over a plan that is otherwise complete.
 *
 * From the scans up each node gets a place: on worker 0 alone (`single`), on all workers with its rows spread as they came, or with all rows of
 * equal columns on one worker. GROUP BY, joins and the normalizing of upserts want their rows hashed by their keys; aggregates over everything, LIMIT, ORDER BY, joins
 * without keys and sinks that have one writer want all of them on worker 0. Where the rows do not lie like that already, an exchange is put
 * in between.
 *
 * Keys that lie together by other columns, or by the same ones in another order, are hashed again all the same: state is handed over by the
 * key group of an operator's own key, so that is what must decide the worker.
 *
 * Order: changes of one row keep their order on the way, but an exchange sends the two halves of an update (-U, +U) to different workers when the
 * columns it hashes change in it; behind that the new half may come first. Aggregates and ORDER BY count rows and do not mind. A sink does: it
 * keeps the last row of a key. So where nothing between a join and the sink counts rows anew, a join that would tear updates apart gets
 * its rows on one worker.
 *
 * FLINK: materializes upserts at the sink instead (SinkUpsertMaterializer), with state of its own.
 */
#include "planner/bind.h"

/* How rows lie over the workers: by hash of any one of these lists of columns (in this order). */
struct cols { const uint32_t *c; uint32_t n; };
struct lie {
    bool scanned;                          /* single, but worth being spread: a scan that one worker has to do in order */
    struct cols by[2];
    uint32_t n;
};

struct spread {
    struct sq_arena *arena;
};

static sq_rc place(struct spread *, struct sq_plan *, bool ordered, struct lie *);

static bool same_cols(const struct cols *a, const uint32_t *c, uint32_t n)
{
    return a->n == n && (n == 0 || memcmp(a->c, c, n * sizeof *c) == 0);
}

static bool lies_by(const struct lie *l, const uint32_t *c, uint32_t n)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (same_cols(&l->by[i], c, n))
            return true;
    return false;
}

/* cols NULL: to worker 0. */
static sq_rc put_exchange(struct spread *s, struct sq_plan *p, uint32_t input, const uint32_t *cols, uint32_t n)
{
    struct sq_plan *in = p->inputs[input], *x = sq_node_new(s->arena, SQ_N_EXCHANGE, in, in->span);

    if (!x)
        return SQ_NOMEM;
    x->mode = in->mode;
    x->keys = in->keys;
    x->nkeys = in->nkeys;
    x->upsert_key = in->upsert_key;
    x->net = in->net;
    x->final = in->final;
    x->bounded = in->bounded;
    x->time = in->time;
    x->window = in->window;
    x->uid = in->uid ^ UINT64_C(0x5851f42d4c957f2d);
    x->single = cols == NULL;
    x->u.exchange.cols = cols;
    x->u.exchange.ncols = n;
    p->inputs[input] = x;
    return SQ_OK;
}

static sq_rc gather(struct spread *s, struct sq_plan *p)
{
    for (uint32_t i = 0; i < p->ninputs; i++)
        if (!p->inputs[i]->single)
            SQ_TRY(put_exchange(s, p, i, NULL, 0));
    p->single = true;
    return SQ_OK;
}

/* ---- what nodes make of how their input lies ---- */

static bool project_cols(struct spread *s, const struct sq_plan *p, const struct cols *in, struct cols *out)
{
    uint32_t *c = SQ_NEW_ARRAY(s->arena, uint32_t, in->n + 1);

    for (uint32_t i = 0; c && i < in->n; i++) {
        uint32_t k = 0;
        while (k < p->ncols && !(p->u.project.exprs[k]->kind == SQ_X_COL && p->u.project.exprs[k]->col == in->c[i]))
            k++;
        if (k == p->ncols)
            return false;
        c[i] = k;
    }
    *out = (struct cols){c, in->n};
    return c != NULL;
}

static struct lie project_lie(struct spread *s, const struct sq_plan *p, const struct lie *in)
{
    struct lie l = {.scanned = in->scanned};

    for (uint32_t i = 0; i < in->n; i++)
        l.n += project_cols(s, p, &in->by[i], &l.by[l.n]);
    return l;
}

/* Columns that are in every grouping set stay as they are. */
static struct lie expand_lie(const struct sq_plan *p, const struct lie *in)
{
    struct lie l = {.scanned = in->scanned};
    uint64_t kept = UINT64_MAX;

    for (uint32_t k = 0; k < p->u.expand.nsets; k++)
        kept &= p->u.expand.sets[k];
    for (uint32_t i = 0; i < in->n; i++) {
        uint32_t k = 0;
        while (k < in->by[i].n && (in->by[i].c[k] >= p->u.expand.ngroup || kept >> in->by[i].c[k] & 1))
            k++;
        if (k == in->by[i].n)
            l.by[l.n++] = in->by[i];
    }
    return l;
}

static bool passed_cols(struct spread *s, const struct sq_plan *p, const struct cols *in, struct cols *out)
{
    uint32_t *c = SQ_NEW_ARRAY(s->arena, uint32_t, in->n + 1);

    for (uint32_t i = 0; c && i < in->n; i++) {
        uint32_t k = 0;
        while (k < p->u.unnest.npass && p->u.unnest.pass[k] != in->c[i])
            k++;
        if (k == p->u.unnest.npass)
            return false;
        c[i] = k;
    }
    *out = (struct cols){c, in->n};
    return c != NULL;
}

static struct lie unnest_lie(struct spread *s, const struct sq_plan *p, const struct lie *in)
{
    struct lie l = {.scanned = in->scanned};

    for (uint32_t i = 0; i < in->n; i++)
        l.n += passed_cols(s, p, &in->by[i], &l.by[l.n]);
    return l;
}

static sq_rc place_aggregate(struct spread *s, struct sq_plan *p, struct lie *l)
{
    struct lie in;
    uint32_t *own = SQ_NEW_ARRAY(s->arena, uint32_t, p->u.agg.ngroup + 1);

    if (!own)
        return SQ_NOMEM;
    SQ_TRY(place(s, p->inputs[0], false, &in));
    *l = (struct lie){.n = 0};
    if (p->u.agg.ngroup == 0)
        return gather(s, p);
    if (p->inputs[0]->single && !in.scanned) {
        p->single = true;
        return SQ_OK;
    }
    if (p->inputs[0]->single || !lies_by(&in, p->u.agg.group, p->u.agg.ngroup))
        SQ_TRY(put_exchange(s, p, 0, p->u.agg.group, p->u.agg.ngroup));
    for (uint32_t i = 0; i < p->u.agg.ngroup; i++)
        own[i] = i;
    l->by[l->n++] = (struct cols){own, p->u.agg.ngroup};
    return SQ_OK;
}

/* Rows are kept by partition: sessions of a table function, ranks, OVER. */
static sq_rc place_partition(struct spread *s, struct sq_plan *p, const uint32_t *cols, uint32_t n, struct lie *l)
{
    struct lie in;

    SQ_TRY(place(s, p->inputs[0], false, &in));
    *l = (struct lie){.n = 0};
    if (n == 0)
        return gather(s, p);
    p->single = p->inputs[0]->single && !in.scanned;
    if (p->single)
        return SQ_OK;
    if (p->inputs[0]->single || !lies_by(&in, cols, n))
        SQ_TRY(put_exchange(s, p, 0, cols, n));
    l->by[l->n++] = (struct cols){cols, n};
    return SQ_OK;
}

static sq_rc place_normalize(struct spread *s, struct sq_plan *p, struct lie *l)
{
    const struct sq_key *key = &p->u.normalize.key;
    struct lie in;

    SQ_TRY(place(s, p->inputs[0], false, &in));
    *l = (struct lie){.n = 0};
    if (p->inputs[0]->single && !in.scanned) {
        p->single = true;
        return SQ_OK;
    }
    SQ_TRY(put_exchange(s, p, 0, key->cols, key->n));
    l->by[l->n++] = (struct cols){key->cols, key->n};
    return SQ_OK;
}

/* Updates of the rows keep these columns: they are part of every key that the rows have. */
static bool stay(const struct sq_plan *in, const uint32_t *cols, uint32_t n)
{
    if (in->mode == SQ_MODE_INSERT)
        return true;
    for (uint32_t k = 0; k < in->nkeys; k++)
        for (uint32_t i = 0; i < n; i++) {
            uint32_t at = 0;
            while (at < in->keys[k].n && in->keys[k].cols[at] != cols[i])
                at++;
            if (at == in->keys[k].n)
                return false;
        }
    return in->nkeys > 0;
}

static void join_lie(const struct sq_plan *p, const uint32_t *left, const uint32_t *right, struct lie *l)
{
    enum sq_join_kind k = p->u.join.kind;
    uint32_t n = p->u.join.nkeys;

    if (k != SQ_JOIN_RIGHT && k != SQ_JOIN_FULL)
        l->by[l->n++] = (struct cols){left, n};
    if (k == SQ_JOIN_INNER || k == SQ_JOIN_RIGHT)
        l->by[l->n++] = (struct cols){right, n};
}

static sq_rc place_join(struct spread *s, struct sq_plan *p, bool ordered, struct lie *l)
{
    uint32_t n = p->u.join.nkeys, nleft = p->inputs[0]->ncols;
    uint32_t *cols[3];
    struct lie in[2];
    bool single, scanned;

    *l = (struct lie){.n = 0};
    for (int i = 0; i < 3; i++)
        if (!(cols[i] = SQ_NEW_ARRAY(s->arena, uint32_t, n + 1)))
            return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        cols[0][i] = p->u.join.keys[i].left;
        cols[1][i] = p->u.join.keys[i].right;
        cols[2][i] = nleft + cols[1][i];
    }
    SQ_TRY(place(s, p->inputs[0], ordered, &in[0]));
    SQ_TRY(place(s, p->inputs[1], ordered, &in[1]));
    single = p->inputs[0]->single && p->inputs[1]->single;
    scanned = (p->inputs[0]->single && in[0].scanned) || (p->inputs[1]->single && in[1].scanned);
    if (n == 0 || (ordered && (!stay(p->inputs[0], cols[0], n) || !stay(p->inputs[1], cols[1], n))) || (single && !scanned))
        return gather(s, p);
    for (uint32_t i = 0; i < 2; i++)
        if (p->inputs[i]->single || !lies_by(&in[i], cols[i], n))
            SQ_TRY(put_exchange(s, p, i, cols[i], n));
    join_lie(p, cols[0], cols[2], l);
    return SQ_OK;
}

static sq_rc place_union(struct spread *s, struct sq_plan *p, bool ordered, struct lie *l)
{
    struct lie in;

    *l = (struct lie){.scanned = true};
    p->single = true;
    for (uint32_t i = 0; i < p->ninputs; i++) {
        SQ_TRY(place(s, p->inputs[i], ordered, &in));
        p->single = p->single && p->inputs[i]->single;
        l->scanned = l->scanned && in.scanned;
    }
    return SQ_OK;
}

static sq_rc place_root(struct spread *s, struct sq_plan *p, struct lie *l)
{
    bool any = p->kind == SQ_N_SINK && p->u.sink.connector->sink->any_worker;

    SQ_TRY(place(s, p->inputs[0], !any && p->inputs[0]->mode == SQ_MODE_RETRACT, l));
    p->single = p->inputs[0]->single;
    return any ? SQ_OK : gather(s, p);
}

static void place_values(struct sq_plan *p)
{
    p->single = p->u.values.nbatches <= 1 || p->mode != SQ_MODE_INSERT;
}

/* Where the nodes are that leave rows out: those of other roots have their places. */
static sq_rc place_side(struct spread *s, struct sq_plan *p, struct lie *l)
{
    struct lie in;

    *l = (struct lie){.n = 0};
    p->single = true;
    for (uint32_t i = 0; i < p->ninputs; i++) {
        if (!p->u.side.late)
            SQ_TRY(place(s, p->inputs[i], false, &in));
        p->single = p->single && p->inputs[i]->single;
    }
    return SQ_OK;
}

static sq_rc place(struct spread *s, struct sq_plan *p, bool ordered, struct lie *l)
{
    struct lie in;

    *l = (struct lie){.n = 0};
    switch (p->kind) {
    case SQ_N_SCAN:
        p->single = l->scanned = p->u.scan.info.ordered;
        return SQ_OK;
    case SQ_N_VALUES:
        place_values(p);
        return SQ_OK;
    case SQ_N_SIDE:
        return place_side(s, p, l);
    case SQ_N_WINDOW:
        if (p->u.window.spec->kind == SQ_WINDOW_SESSION)
            return place_partition(s, p, p->u.window.partition, p->u.window.npartition, l);
        /* fall through */
    case SQ_N_WATERMARK:
    case SQ_N_REPLICATE:
    case SQ_N_FILTER:
        SQ_TRY(place(s, p->inputs[0], ordered, l));
        p->single = p->inputs[0]->single;
        return SQ_OK;
    case SQ_N_EXCHANGE:                          /* of a node with several consumers, placed before */
        l->by[0] = (struct cols){p->u.exchange.cols, p->u.exchange.ncols};
        l->n = !p->single;
        return SQ_OK;
    case SQ_N_PROJECT:
        SQ_TRY(place(s, p->inputs[0], ordered, &in));
        p->single = p->inputs[0]->single;
        *l = project_lie(s, p, &in);
        return SQ_OK;
    case SQ_N_EXPAND:
    case SQ_N_UNNEST:
        SQ_TRY(place(s, p->inputs[0], ordered, &in));
        p->single = p->inputs[0]->single;
        *l = p->kind == SQ_N_EXPAND ? expand_lie(p, &in) : unnest_lie(s, p, &in);
        return SQ_OK;
    case SQ_N_AGGREGATE:
    case SQ_N_WINDOW_AGGREGATE:
        return place_aggregate(s, p, l);
    case SQ_N_NORMALIZE:
        return place_normalize(s, p, l);
    case SQ_N_JOIN:
        return place_join(s, p, ordered, l);
    case SQ_N_UNION:
        return place_union(s, p, ordered, l);
    case SQ_N_SORT:
    case SQ_N_LIMIT:
        SQ_TRY(place(s, p->inputs[0], false, &in));
        return gather(s, p);
    case SQ_N_RANK:
        return place_partition(s, p, p->u.rank.partition, p->u.rank.npartition, l);
    case SQ_N_OVER:
        return place_partition(s, p, p->u.over.partition, p->u.over.npartition, l);
    case SQ_N_SINK:
    case SQ_N_COLLECT:
        return place_root(s, p, l);
    }
    return SQ_OK;
}

sq_rc sq_place_workers(struct sq_arena *a, struct sq_plan *root)
{
    struct spread s = {a};
    struct lie l;

    return place(&s, root, false, &l);
}
