/* SPDX-License-Identifier: Apache-2.0
 *
 * temporal.c: temporal joins, FROM l JOIN r FOR SYSTEM_TIME AS OF l.ts ON l.k = r.k: each row of l with the version of r's row that was valid at l.ts.
 *
 * r is a versioned table: it has a key, all of which the join compares, and an event time, from which on a version is valid. It may be
 *
 *   a table with PRIMARY KEY and WATERMARK            of rows (each is a new version), of upserts or of changes
 *   a view that takes the last row of each key        … ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) … WHERE n = 1: each row of its input is a version
 *   columns picked or computed from these
 *
 * Conditions on r's columns look at the version that was found: they are never pushed below the join, for then an older version would be found. Equalities beyond r's key are such
 * conditions too.
 *
 * FLINK: the same. Of a view of last rows it sees only rows that were the last one when they came; here rows that came out of order are versions too, so the result does not depend on
 * the order. The time of r is no event time behind the join.
 */
#include "planner/bind.h"

/* ---- binding ---- */

static sq_rc time_column(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan *l, const struct sq_scope *ls, uint32_t *col)
{
    const struct sq_ast_expr *as_of = f->right->as_of;
    struct sq_bind_x x = {.b = b, .scope = ls, .clause = "FOR SYSTEM_TIME AS OF"};
    struct sq_expr *e;
    SQ_TRY(sq_bind_expr(&x, as_of, &e));
    SQ_TRY(sq_time_annotate(b->arena, l));
    enum sq_time_attr t = e->kind == SQ_X_COL ? sq_plan_time(l, e->col) : sq_expr_is_fn(e, "PROCTIME") ? SQ_TIME_PROC : SQ_TIME_NONE;
    if (t == SQ_TIME_PROC) {
        SQ_REFUSE(b, as_of->span, "joins with a table as it is now (FOR SYSTEM_TIME AS OF processing time) are not supported yet");
        return sq_hint(b->ctx, "with the version at an event time: FOR SYSTEM_TIME AS OF the column of the left side's WATERMARK; or join the table as it is, without FOR SYSTEM_TIME: then later changes count too");
    }
    if (t != SQ_TIME_ROW) {
        SQ_WRONG(b, as_of->span, "FOR SYSTEM_TIME AS OF takes a rowtime attribute of the left side, which this is not");
        return sq_hint(b->ctx, "it has to be the column of a WATERMARK, or window_time, as it came: not computed, cast or grouped");
    }
    *col = e->col;
    return SQ_OK;
}

sq_rc sq_bind_temporal(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan *l, const struct sq_scope *ls, struct sq_plan *join)
{
    struct sq_plan *r = join->inputs[1];
    uint32_t col = 0;
    if (join->u.join.kind != SQ_JOIN_INNER && join->u.join.kind != SQ_JOIN_LEFT)
        return SQ_WRONG(b, f->span, "a temporal join (FOR SYSTEM_TIME AS OF) is an INNER or a LEFT join");
    join->u.join.how = SQ_JOIN_TEMPORAL;
    SQ_TRY(time_column(b, f, l, ls, &join->u.join.left_time));
    SQ_TRY(sq_time_annotate(b->arena, r));
    while (col < r->ncols && sq_plan_time(r, col) != SQ_TIME_ROW)
        col++;
    if (col == r->ncols) {
        SQ_WRONG(b, f->right->span, "'%.*s' has no versions: a temporal join needs a table with a PRIMARY KEY and an event time, and it has no event time", SQ_FMT(f->right->name.part[f->right->name.n - 1]));
        return sq_hint(b->ctx, "declare WATERMARK FOR a column that says from when on a row is valid; a view has to pass that column on");
    }
    join->u.join.right_time = col;
    join->span = sq_bind_span(b, f->right->span);
    return SQ_OK;
}

/* ---- when the tree is whole ---- */

static bool compares(const struct sq_plan *join, uint32_t right)
{
    for (uint32_t i = 0; i < join->u.join.nkeys; i++)
        if (join->u.join.keys[i].right == right && !(join->u.join.null_safe && join->u.join.null_safe[i]))
            return true;
    return false;
}

static bool in_key(const struct sq_key *k, uint32_t col)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (k->cols[i] == col)
            return true;
    return false;
}

static sq_rc no_key(struct sq_arena *a, const struct sq_plan *join)
{
    sq_fail_at(a->ctx, SQ_SEMANTIC, join->span, "a temporal join needs a table of versions with a PRIMARY KEY, and there is none on the right");
    return sq_hint(a->ctx, "declare PRIMARY KEY (…) NOT ENFORCED; or make a view of the last rows: SELECT … FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS n FROM t) WHERE n = 1");
}

/* The key of the right side that the join compares whole. */
static sq_rc find_key(struct sq_arena *a, struct sq_plan *join, const struct sq_key **out)
{
    const struct sq_plan *r = join->inputs[1];
    struct sq_buf b;
    SQ_TRY(sq_infer_keys(a, join->inputs[1]));
    for (uint32_t i = 0; i < r->nkeys; i++) {
        uint32_t k = 0;
        while (k < r->keys[i].n && compares(join, r->keys[i].cols[k]))
            k++;
        *out = &r->keys[i];
        if (k == r->keys[i].n && k > 0)
            return SQ_OK;
    }
    if (!r->nkeys || !r->keys[0].n)
        return no_key(a, join);
    sq_buf_init(&b, a->ctx);
    for (uint32_t i = 0; i < r->keys[0].n; i++)
        sq_buf_printf(&b, "%s%.*s", i ? ", " : "", SQ_FMT(r->cols[r->keys[0].cols[i]].name));
    if (b.rc == SQ_OK)
        sq_fail_at(a->ctx, SQ_SEMANTIC, join->span, "a temporal join has to compare the whole key (%.*s) of the table of versions for equality", (int)b.n, b.p);
    sq_rc rc = b.rc == SQ_OK ? sq_hint(a->ctx, "compare each of its columns by = in ON: else there would be several versions at a time") : b.rc;
    sq_buf_free(&b);
    return rc;
}

static bool is_pair(const struct sq_plan *join, const struct sq_expr *e, const struct sq_join_key *k)
{
    uint32_t right = join->inputs[0]->ncols + k->right;
    if (!sq_expr_is_fn(e, "=") || e->args[0]->kind != SQ_X_COL || e->args[1]->kind != SQ_X_COL)
        return false;
    return (e->args[0]->col == k->left && e->args[1]->col == right) || (e->args[1]->col == k->left && e->args[0]->col == right);
}

/* Keeps the equalities of the key, each once; the others are in the residual already. */
static sq_rc keep_keys(struct sq_arena *a, struct sq_plan *join, const struct sq_key *key)
{
    struct sq_join_key *keys = SQ_NEW_ARRAY(a, struct sq_join_key, key->n + 1);
    struct sq_exprs on = {0}, rest = {0};
    uint32_t n = 0;
    if (!keys)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < join->u.join.nkeys; i++) {
        const struct sq_join_key *k = &join->u.join.keys[i];
        bool had = !in_key(key, k->right) || (join->u.join.null_safe && join->u.join.null_safe[i]);
        for (uint32_t j = 0; j < n; j++)
            had |= keys[j].right == k->right;
        if (!had)
            keys[n++] = *k;
    }
    if (join->u.join.residual)
        SQ_TRY(sq_expr_conjuncts(a, join->u.join.residual, &on));
    for (uint32_t i = 0; i < on.n; i++) {
        bool said = false;
        for (uint32_t j = 0; j < n; j++)
            said |= is_pair(join, on.p[i], &keys[j]);
        if (!said)
            SQ_TRY(sq_exprs_add(a, &rest, on.p[i]));
    }
    join->u.join.keys = keys;
    join->u.join.nkeys = n;
    join->u.join.null_safe = NULL;
    return sq_expr_conjunction(a, &rest, &join->u.join.residual);
}

/* A view of last rows gives way to its input: each row there is a version. */
static sq_rc skip_rank(struct sq_arena *a, struct sq_plan **slot)
{
    struct sq_plan *p = *slot;
    while (p->kind == SQ_N_PROJECT) {
        slot = &p->inputs[0];
        p = *slot;
    }
    if (p->kind != SQ_N_RANK || p->u.rank.from != 1 || p->u.rank.to != 1 || p->u.rank.number || p->u.rank.nkeys != 1 || !p->u.rank.keys[0].desc ||
        sq_plan_time(p->inputs[0], p->u.rank.keys[0].col) != SQ_TIME_ROW)
        return SQ_OK;
    *slot = p->inputs[0];
    return sq_time_annotate(a, *slot);
}

sq_rc sq_find_temporal(struct sq_arena *a, struct sq_plan *join)
{
    const struct sq_key *key = NULL;
    SQ_TRY(find_key(a, join, &key));
    SQ_TRY(keep_keys(a, join, key));
    return skip_rank(a, &join->inputs[1]);
}

sq_rc sq_check_temporal(struct sq_ctx *ctx, const struct sq_plan *join, bool left_updates, bool right_updates)
{
    const struct sq_plan *p = join->inputs[1];
    if (left_updates)
        return sq_fail_at(ctx, SQ_UNSUPPORTED, join->span, "the left side of a temporal join gets rows that only come, and this one is updated");
    while (p->kind == SQ_N_PROJECT || p->kind == SQ_N_WATERMARK)
        p = p->inputs[0];
    if (!right_updates || p->kind == SQ_N_SCAN)
        return SQ_OK;
    sq_fail_at(ctx, SQ_UNSUPPORTED, join->span, "the right side of a temporal join is a query whose rows are updated, which has no versions");
    return sq_hint(ctx, "it can be a table with PRIMARY KEY and WATERMARK, with columns picked or computed (conditions go into ON or WHERE of the join), or a view of the last row of each key: "
                        "ROW_NUMBER() OVER (PARTITION BY k ORDER BY its event time DESC) … WHERE n = 1");
}
