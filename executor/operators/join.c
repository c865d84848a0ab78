/* SPDX-License-Identifier: Apache-2.0
 *
 * join.c: the regular join on equal keys with a residual condition: inner, outer, semi and anti, on streams that may take rows back.
 *
 * On streams both sides are kept. A batch finds its partners in the other side's rows, emits, and is then added to its own side's. In batch
 * mode the build side (the right one, of a RIGHT join the left) is read to its end first and only it is kept; then the other side
 * runs through. Probe rows that come before that (both sides read one scan), and sides that take rows back, are kept and run at the end.
 *
 * State: the rows of both sides for good, or for a time to live (state/ttl.h) of each side; grows without bound where the inputs do. A NULL in a key finds no partner (unless the key is IS NOT
 * DISTINCT FROM): such rows are emitted padded where their side is outer, and never kept.
 */
#include "executor/operators/join.h"

#include "executor/runtime/runtime.h"

static bool outer_side(enum sq_join_kind kind, uint32_t side)
{
    return kind == SQ_JOIN_FULL || kind == (side == 0 ? SQ_JOIN_LEFT : SQ_JOIN_RIGHT);
}

static bool is_semi(const struct join *j) { return j->kind == SQ_JOIN_SEMI || j->kind == SQ_JOIN_ANTI; }
static bool is_inner(const struct join *j) { return j->kind == SQ_JOIN_INNER || j->kind == SQ_JOIN_CROSS; }

static sq_rc open_side(struct join *j, uint32_t n)
{
    uint32_t *cols = sq_alloc(j->base.ctx, (j->nkeys + 1) * sizeof *cols);
    struct side *s = &j->side[n];
    sq_rc rc;

    if (!cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < j->nkeys; i++)
        cols[i] = n == 0 ? j->key[i].left : j->key[i].right;
    s->ttl.us = sq_ttl_us(sq_state_ttl_ms(j->base.plan, j->base.config, n));
    rc = sq_side_open(s, j->base.ctx, j->base.plan->inputs[n], cols, j->nkeys);
    sq_free(j->base.ctx, cols);
    s->outer = outer_side(j->kind, n);
    s->track = s->outer || (is_semi(j) && n == 0);
    return rc;
}

sq_rc sq_join_open(struct sq_op *op)
{
    struct join *j = SQ_OP(op, struct join);
    const struct sq_plan *plan = op->plan;
    struct sq_expr *residual = plan->u.join.residual;

    j->kind = plan->u.join.kind;
    j->key = plan->u.join.keys;
    j->nkeys = plan->u.join.nkeys;
    j->null_safe = plan->u.join.null_safe;
    j->final = plan->final;
    j->build = sq_join_build(plan);
    if (plan->inputs[0]->mode == SQ_MODE_UPSERT || plan->inputs[1]->mode == SQ_MODE_UPSERT)
        return sq_fail(op->ctx, SQ_INTERNAL, "a join was given an upsert stream");
    SQ_TRY(open_side(j, 0));
    SQ_TRY(open_side(j, 1));
    SQ_TRY(sq_join_pairs_open(j));
    return residual ? sq_program_new(op->ctx, &op->config->session, &residual, 1, &op->m.overflows, &j->residual) : SQ_OK;
}

/* Marks rows whose key has a NULL that finds no partner. Returns how many. */
static uint32_t mark_nulls(struct join *j, uint32_t input, const struct sq_batch *in)
{
    uint32_t n = 0;

    memset(j->skip, 0, in->nsel * sizeof *j->skip);
    for (uint32_t k = 0; k < j->nkeys; k++) {
        const struct sq_vec *v = &in->cols[input == 0 ? j->key[k].left : j->key[k].right];
        if ((j->null_safe && j->null_safe[k]) || (v->enc == SQ_FLAT && !v->valid && v->type->id != SQ_T_NULL))
            continue;
        for (uint32_t i = 0; i < in->nsel; i++)
            j->skip[i] |= sq_vec_null(v, sq_row(in, i));
    }
    for (uint32_t i = 0; i < in->nsel; i++)
        n += j->skip[i];
    return n;
}

/* The buckets found have no rows whose time is over. */
static void expire(struct join *j, struct side *s, uint32_t n)
{
    if (++j->seq == 0)                      /* after 4 G batches: no bucket may look done */
        j->seq = 1;
    for (uint32_t i = 0; i < n; i++) {
        if (j->skip[i] || !j->found[i] || j->found[i]->mark == j->seq)
            continue;
        j->found[i]->mark = j->seq;
        sq_side_expire(s, j->found[i]);
    }
}

/* Finds partners and emits. The keys of the batch are loaded. */
static sq_rc probe(struct join *j, uint32_t input, const struct sq_batch *in)
{
    struct side *s = &j->side[input];

    sq_hashtab_find(&j->side[1 - input].tab, in->nsel, s->keys.hash, s->keys.key, s->keys.null, j->found);
    if (j->side[1 - input].ttl.us)
        expire(j, &j->side[1 - input], in->nsel);
    return is_inner(j) ? sq_join_inner(j, input, in) : sq_join_outer(j, input, in);
}

/* Adds the rows to their side, or takes them off it. */
static sq_rc keep(struct join *j, uint32_t input, const struct sq_batch *in)
{
    struct side *s = &j->side[input];

    SQ_TRY(sq_side_prepare(s, in, j->skip));
    for (uint32_t i = 0; i < in->nsel; i++) {
        if (j->skip[i])
            continue;
        if (sq_kind_adds(sq_row_kind(in, sq_row(in, i))))
            SQ_TRY(sq_side_add(s, in, i, 1, s->track ? j->assoc[i] : 0));
        else if (s->counted)
            sq_side_take(s, i);
    }
    sq_side_clean(s, in->nsel, j->skip);
    return SQ_OK;
}

/* A row that finds no partner and whose side is not outer (nor the left of ANTI) is filtered: it can never come out. */
static void count_rows(struct join *j, uint32_t input, const struct sq_batch *in, uint32_t nulls)
{
    bool matters = j->side[input].outer || (j->kind == SQ_JOIN_ANTI && input == 0);
    uint32_t dropped = matters ? 0 : nulls;

    j->base.ins[input].filtered += dropped;
    sq_op_accept(&j->base, input, in->nsel - dropped);
}

/* ---- batch mode ---- */

static bool must_wait(const struct join *j)
{
    return !j->base.ins[j->build].ended || j->side[1 - j->build].counted;
}

static sq_rc keep_all(struct join *j, uint32_t input, const struct sq_batch *in)
{
    memset(j->skip, 0, in->nsel * sizeof *j->skip);      /* a NULL key of an outer side comes out at the end */
    memset(j->assoc, 0, in->nsel * sizeof *j->assoc);
    return keep(j, input, in);
}

static sq_rc final_batch(struct join *j, uint32_t input, const struct sq_batch *in)
{
    if (input == j->build && !j->side[input].outer)
        return keep(j, input, in);
    if (input == j->build || must_wait(j))
        return keep_all(j, input, in);
    return probe(j, input, in);
}

sq_rc sq_join_build_rows(struct join *j, const struct sq_batch *in)
{
    SQ_TRY(sq_keys_load(&j->side[j->build].keys, in));
    mark_nulls(j, j->build, in);
    return j->side[j->build].outer ? keep_all(j, j->build, in) : keep(j, j->build, in);
}

sq_rc sq_join_probe_rows(struct join *j, const struct sq_batch *in)
{
    SQ_TRY(sq_keys_load(&j->side[1 - j->build].keys, in));
    mark_nulls(j, 1 - j->build, in);
    return probe(j, 1 - j->build, in);
}

static sq_rc replay_batch(struct join *j, struct sq_out *rows)
{
    const struct sq_batch *b = sq_out_batch(rows);

    if (b->nsel == 0)
        return SQ_OK;
    SQ_TRY(sq_join_probe_rows(j, b));
    sq_out_reset(rows);
    return SQ_OK;
}

static sq_rc replay_row(struct join *j, struct sq_out *rows, const struct jrow *row)
{
    struct side *s = &j->side[1 - j->build];

    for (int64_t times = sq_side_count(s, row); times > 0; times--) {
        SQ_TRY(sq_side_append(s, row, rows->cols));
        SQ_TRY(sq_out_row(rows, SQ_INSERT));
        if (rows->n == SQ_BATCH_ROWS)
            SQ_TRY(replay_batch(j, rows));
    }
    return SQ_OK;
}

static sq_rc replay_rows(struct join *j, struct sq_out *rows)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while ((e = sq_hashtab_next(&j->side[1 - j->build].tab, &it)))
        for (const struct jrow *row = ((struct bucket *)SQ_PAYLOAD(e))->head; row; row = row->next)
            SQ_TRY(replay_row(j, rows, row));
    return replay_batch(j, rows);
}

/* The probe rows that had to wait. */
static sq_rc replay(struct join *j)
{
    struct side *s = &j->side[1 - j->build];
    struct sq_out rows = {0};
    sq_rc rc;

    j->replayed = true;
    if (s->tab.count == 0)
        return SQ_OK;
    rc = sq_op_out(j->base.ctx, s->cols, s->ncols, &rows);
    if (rc == SQ_OK)
        rc = replay_rows(j, &rows);
    sq_out_free(&rows);
    return rc;
}

static sq_rc join_end(struct sq_op *op, uint32_t input)
{
    struct join *j = SQ_OP(op, struct join);
    bool build_done = op->ins[j->build].ended, probe_done = op->ins[1 - j->build].ended;

    (void)input;
    if (!j->final || !build_done)
        return SQ_OK;
    if (!j->replayed && (probe_done || !j->side[1 - j->build].counted))
        SQ_TRY(replay(j));
    return probe_done && j->kind == SQ_JOIN_FULL ? sq_join_unmatched(j) : SQ_OK;
}

/* ---- the operator ---- */

static sq_rc join_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct join *j = SQ_OP(op, struct join);

    count_rows(j, input, in, mark_nulls(j, input, in));
    for (uint32_t n = 0; n < 2; n++) {
        sq_ttl_look(&j->side[n].ttl, op);
        sq_ttl_wake(&j->side[n].ttl, op);
    }
    SQ_TRY(sq_keys_load(&j->side[input].keys, in));
    if (j->final)
        return final_batch(j, input, in);
    SQ_TRY(probe(j, input, in));
    return keep(j, input, in);
}

static size_t join_bytes(const struct sq_op *op)
{
    const struct join *j = (const struct join *)op;
    return sq_side_bytes(&j->side[0]) + sq_side_bytes(&j->side[1]);
}

void sq_join_close(struct sq_op *op)
{
    struct join *j = SQ_OP(op, struct join);

    sq_join_pairs_close(j);
    sq_side_close(&j->side[0]);
    sq_side_close(&j->side[1]);
    sq_program_free(j->residual);
}

const struct sq_op_class sq_op_join = {
    .name = "Join", .size = sizeof(struct join), .open = sq_join_open, .batch = join_batch, .timer = sq_join_sweep, .end = join_end, .snapshot = sq_join_snapshot,
    .restore = sq_join_restore, .state_bytes = join_bytes, .close = sq_join_close,
};
