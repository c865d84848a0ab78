/* SPDX-License-Identifier: Apache-2.0
 *
 * join_pairs.c: candidate pairs, the residual over them, and the changes that come of them.
 *
 * Candidates are a batch of their own: the columns of the row that came are dictionaries over the input batch (nothing is copied), those of the
 * other side are unpacked from its state. The residual selects among them; of an inner join that selection is the output.
 *
 * The other joins go through a batch in runs of rows whose candidates fit one candidate batch (or of one row with more), find out the
 * partners of the run, then emit row by row. FLINK: the changes and their order within a row are those of its StreamingJoinOperator and
 * StreamingSemiAntiJoinOperator.
 */
#include "executor/operators/join.h"

/* ---- opening ---- */

static sq_rc side_cols(struct join *j, uint32_t n)
{
    struct side *s = &j->side[n];

    j->cand[n] = sq_calloc(j->base.ctx, (s->ncols + 1) * sizeof *j->cand[n]);
    if (!j->cand[n])
        return SQ_NOMEM;
    for (uint32_t i = 0; i < s->ncols; i++)
        SQ_TRY(sq_col_init(&j->cand[n][i], j->base.ctx, &j->heap, s->cols[i].type));
    return SQ_OK;
}

sq_rc sq_join_pairs_open(struct join *j)
{
    uint32_t ncols = j->side[0].ncols + j->side[1].ncols;

    sq_arena_init(&j->heap, j->base.ctx);
    SQ_TRY(side_cols(j, 0));
    SQ_TRY(side_cols(j, 1));
    j->vecs = sq_calloc(j->base.ctx, (ncols + 1) * sizeof *j->vecs);
    j->flat = sq_calloc(j->base.ctx, (ncols + 1) * sizeof *j->flat);
    j->composed = sq_calloc(j->base.ctx, (ncols + 1) * sizeof *j->composed);
    if (!j->vecs || !j->flat || !j->composed)
        return SQ_NOMEM;
    return sq_op_out(j->base.ctx, j->base.plan->cols, j->base.plan->ncols, &j->out);
}

void sq_join_pairs_close(struct join *j)
{
    uint32_t ncols = j->side[0].ncols + j->side[1].ncols;

    for (uint32_t n = 0; n < 2; n++) {
        for (uint32_t i = 0; j->cand[n] && i < j->side[n].ncols; i++)
            sq_col_free(&j->cand[n][i]);
        sq_free(j->base.ctx, j->cand[n]);
    }
    for (uint32_t i = 0; j->composed && i < ncols; i++)
        sq_free(j->base.ctx, j->composed[i]);
    sq_free(j->base.ctx, j->composed);
    sq_free(j->base.ctx, j->vecs);
    sq_free(j->base.ctx, j->flat);
    sq_free(j->base.ctx, j->matches);
    if (j->out.ctx)
        sq_out_free(&j->out);
    if (j->heap.ctx)
        sq_arena_free(&j->heap);
}

/* ---- candidates ---- */

static void cand_reset(struct join *j, uint32_t other)
{
    for (uint32_t i = 0; i < j->side[other].ncols; i++)
        sq_col_reset(&j->cand[other][i]);
    sq_arena_reset(&j->heap);
    j->ncand = 0;
    j->repeated = false;
}

/* A column of the input seen from the candidates. */
static sq_rc probe_column(struct join *j, const struct sq_vec *v, uint32_t at)
{
    const uint32_t *index = j->probe_index;
    const struct sq_vec *child = v;

    if (v->enc == SQ_CONST) {
        j->vecs[at] = *v;
        return SQ_OK;
    }
    if (v->enc == SQ_DICT) {
        if (!j->composed[at])
            j->composed[at] = sq_alloc(j->base.ctx, SQ_BATCH_ROWS * sizeof(uint32_t));
        if (!j->composed[at])
            return SQ_NOMEM;
        for (uint32_t k = 0; k < j->ncand; k++)
            j->composed[at][k] = v->index[j->probe_index[k]];
        index = j->composed[at];
        child = v->child;
    }
    j->flat[at] = *child;
    j->vecs[at] = (struct sq_vec){.type = v->type, .enc = SQ_DICT, .index = index, .child = &j->flat[at], .nchild = 1};
    return SQ_OK;
}

/* The candidates as a batch of left and right columns. */
static sq_rc cand_batch(struct join *j, uint32_t input, const struct sq_batch *in, struct sq_batch *out)
{
    uint32_t other = 1 - input, nleft = j->side[0].ncols;
    uint32_t mine_at = input == 0 ? 0 : nleft, other_at = input == 0 ? nleft : 0;

    for (uint32_t c = 0; c < j->side[input].ncols; c++)
        SQ_TRY(probe_column(j, &in->cols[c], mine_at + c));
    for (uint32_t c = 0; c < j->side[other].ncols; c++) {
        struct sq_col *col = &j->cand[other][c];
        sq_col_seal(col);
        j->flat[other_at + c] = col->vec;
        j->vecs[other_at + c] = !j->repeated ? col->vec
            : (struct sq_vec){.type = col->vec.type, .enc = SQ_DICT, .index = j->other_index, .child = &j->flat[other_at + c], .nchild = 1};
    }
    *out = (struct sq_batch){.rows = j->ncand, .nsel = j->ncand, .ncols = nleft + j->side[1].ncols, .cols = j->vecs};
    return SQ_OK;
}

/* Applies the residual; the batch is left with the pairs that satisfy it. */
static sq_rc cand_select(struct join *j, struct sq_batch *b)
{
    if (!j->residual)
        return SQ_OK;
    SQ_TRY(sq_program_select(j->residual, b, j->sel, &b->nsel));
    if (b->nsel < b->rows)
        b->sel = j->sel;
    return SQ_OK;
}

/* ---- inner ---- */

static sq_rc inner_flush(struct join *j, uint32_t input, const struct sq_batch *in)
{
    struct sq_batch b;

    if (j->ncand == 0)
        return SQ_OK;
    SQ_TRY(sq_check_interrupt(j->base.ctx));             /* one batch may have very many partners */
    SQ_TRY(cand_batch(j, input, in, &b));
    if (in->kind) {
        for (uint32_t k = 0; k < j->ncand; k++)
            j->kinds[k] = in->kind[j->probe_index[k]];
        b.kind = j->kinds;
    }
    SQ_TRY(cand_select(j, &b));
    SQ_TRY(sq_emit_batch(&j->base, &b));
    cand_reset(j, 1 - input);
    return SQ_OK;
}

/* Row r with one kept row, as often as that counts. */
static sq_rc inner_pair(struct join *j, uint32_t input, const struct sq_batch *in, uint32_t r, const struct jrow *row)
{
    const struct side *o = &j->side[1 - input];
    uint32_t at = UINT32_MAX;

    for (int64_t times = sq_side_count(o, row); times > 0; times--) {
        if (j->ncand == SQ_BATCH_ROWS) {
            SQ_TRY(inner_flush(j, input, in));
            at = UINT32_MAX;
        }
        if (at == UINT32_MAX) {
            SQ_TRY(sq_side_append(o, row, j->cand[1 - input]));
            at = o->ncols ? j->cand[1 - input][0].n - 1 : 0;
        }
        j->repeated |= at != j->ncand;
        j->probe_index[j->ncand] = r;
        j->other_index[j->ncand++] = at;
    }
    return SQ_OK;
}

sq_rc sq_join_inner(struct join *j, uint32_t input, const struct sq_batch *in)
{
    cand_reset(j, 1 - input);
    for (uint32_t i = 0; i < in->nsel; i++) {
        if (j->skip[i] || !j->found[i])
            continue;
        for (const struct jrow *row = ((struct bucket *)SQ_PAYLOAD(j->found[i]))->head; row; row = row->next)
            SQ_TRY(inner_pair(j, input, in, sq_row(in, i), row));
    }
    return inner_flush(j, input, in);
}

/* ---- the others: partners of a run of rows ---- */

static sq_rc add_match(struct join *j, uint32_t pos, struct jrow *other)
{
    SQ_TRY(sq_grow(j->base.ctx, &j->matches, &j->matches_cap, j->nmatches + 1, sizeof *j->matches));
    j->matches[j->nmatches++] = (struct match){pos, other};
    return SQ_OK;
}

static sq_rc match_flush(struct join *j, uint32_t input, const struct sq_batch *in)
{
    struct sq_batch b;

    if (j->ncand == 0)
        return SQ_OK;
    SQ_TRY(cand_batch(j, input, in, &b));
    SQ_TRY(cand_select(j, &b));
    for (uint32_t k = 0; k < b.nsel; k++)
        SQ_TRY(add_match(j, j->cand_pos[sq_row(&b, k)], j->cand_row[sq_row(&b, k)]));
    cand_reset(j, 1 - input);
    return SQ_OK;
}

static sq_rc match_candidate(struct join *j, uint32_t input, const struct sq_batch *in, uint32_t pos, struct jrow *row)
{
    if (!j->residual)
        return add_match(j, pos, row);
    if (j->ncand == SQ_BATCH_ROWS)
        SQ_TRY(match_flush(j, input, in));
    SQ_TRY(sq_side_append(&j->side[1 - input], row, j->cand[1 - input]));
    j->probe_index[j->ncand] = sq_row(in, pos);
    j->cand_pos[j->ncand] = pos;
    j->cand_row[j->ncand++] = row;
    return SQ_OK;
}

/* ---- what comes out ---- */

sq_rc sq_join_flush(struct join *j)
{
    if (j->out.n > 0)
        SQ_TRY(sq_emit_batch(&j->base, sq_out_batch(&j->out)));
    sq_out_reset(&j->out);
    return SQ_OK;
}

static sq_rc out_input(struct join *j, uint32_t side, const struct sq_batch *in, uint32_t r)
{
    uint32_t at = side == 0 ? 0 : j->side[0].ncols;

    for (uint32_t c = 0; c < j->side[side].ncols; c++)
        SQ_TRY(sq_col_append(&j->out.cols[at + c], &in->cols[c], r));
    return SQ_OK;
}

static sq_rc out_kept(struct join *j, uint32_t side, const struct jrow *row)
{
    return sq_side_append(&j->side[side], row, j->out.cols + (side == 0 ? 0 : j->side[0].ncols));
}

static sq_rc out_nulls(struct join *j, uint32_t side)
{
    uint32_t at = side == 0 ? 0 : j->side[0].ncols;

    for (uint32_t c = 0; c < j->side[side].ncols; c++)
        SQ_TRY(sq_col_append_null(&j->out.cols[at + c]));
    return SQ_OK;
}

static sq_rc out_end(struct join *j, enum sq_kind kind)
{
    SQ_TRY(sq_out_row(&j->out, kind));
    return j->out.n == SQ_BATCH_ROWS ? sq_join_flush(j) : SQ_OK;
}

/* A row of the input with NULLs for the other side. */
static sq_rc emit_padded(struct join *j, uint32_t input, const struct sq_batch *in, uint32_t r, enum sq_kind kind)
{
    SQ_TRY(out_input(j, input, in, r));
    SQ_TRY(out_nulls(j, 1 - input));
    return out_end(j, kind);
}

/* A kept row with NULLs for the side of the input, as often as it counts. */
static sq_rc emit_kept_padded(struct join *j, uint32_t side, const struct jrow *row, enum sq_kind kind)
{
    for (int64_t times = sq_side_count(&j->side[side], row); times > 0; times--) {
        SQ_TRY(out_kept(j, side, row));
        SQ_TRY(out_nulls(j, 1 - side));
        SQ_TRY(out_end(j, kind));
    }
    return SQ_OK;
}

static sq_rc emit_pair(struct join *j, uint32_t input, const struct sq_batch *in, uint32_t r, const struct jrow *row, enum sq_kind kind)
{
    for (int64_t times = sq_side_count(&j->side[1 - input], row); times > 0; times--) {
        SQ_TRY(out_input(j, input, in, r));
        SQ_TRY(out_kept(j, 1 - input, row));
        SQ_TRY(out_end(j, kind));
    }
    return SQ_OK;
}

/* A kept row has one partner more or less. One that goes may have come before this row and been dropped since: it was never counted. */
static void count_partner(const struct side *s, struct jrow *row, bool add)
{
    if (add || row->assoc > 0)
        row->assoc += add ? 1 : -1;
    sq_side_stamp(s, row);
}

/* One row of an outer join and its partners. */
static sq_rc outer_row(struct join *j, uint32_t input, const struct sq_batch *in, uint32_t pos, const struct match *m, size_t n)
{
    struct side *o = &j->side[1 - input];
    uint32_t r = sq_row(in, pos);
    bool add = sq_kind_adds(sq_row_kind(in, r));

    if (n == 0)
        return j->side[input].outer ? emit_padded(j, input, in, r, add ? SQ_INSERT : SQ_DELETE) : SQ_OK;
    for (size_t k = 0; k < n; k++) {
        struct jrow *row = m[k].other;
        if (add && o->outer && !j->final && row->assoc == 0)
            SQ_TRY(emit_kept_padded(j, 1 - input, row, SQ_DELETE));
        SQ_TRY(emit_pair(j, input, in, r, row, add ? SQ_INSERT : SQ_DELETE));
        if (!add && o->outer && row->assoc == 1)
            SQ_TRY(emit_kept_padded(j, 1 - input, row, SQ_INSERT));
        if (o->track)
            count_partner(o, row, add);
    }
    return SQ_OK;
}

/* A row of the left side of SEMI or ANTI. */
static sq_rc semi_left(struct join *j, const struct sq_batch *in, uint32_t pos, size_t n)
{
    uint32_t r = sq_row(in, pos);

    if ((n > 0) != (j->kind == SQ_JOIN_SEMI))
        return SQ_OK;
    SQ_TRY(out_input(j, 0, in, r));
    return out_end(j, sq_row_kind(in, r));
}

static sq_rc emit_left(struct join *j, const struct jrow *row, enum sq_kind kind)
{
    for (int64_t times = sq_side_count(&j->side[0], row); times > 0; times--) {
        SQ_TRY(out_kept(j, 0, row));
        SQ_TRY(out_end(j, kind));
    }
    return SQ_OK;
}

/* A row of the right side of SEMI or ANTI: left rows that now have their first partner, or have lost their last. */
static sq_rc semi_right(struct join *j, const struct sq_batch *in, uint32_t pos, const struct match *m, size_t n)
{
    enum sq_kind kind = sq_row_kind(in, sq_row(in, pos));
    bool add = sq_kind_adds((uint8_t)kind);

    for (size_t k = 0; k < n; k++) {
        struct jrow *row = m[k].other;
        if (row->assoc == (add ? 0 : 1))
            SQ_TRY(emit_left(j, row, j->kind == SQ_JOIN_SEMI ? kind : add ? SQ_DELETE : SQ_INSERT));
        count_partner(&j->side[0], row, add);
    }
    return SQ_OK;
}

static sq_rc row_changes(struct join *j, uint32_t input, const struct sq_batch *in, uint32_t pos, const struct match *m, size_t n)
{
    j->assoc[pos] = 0;
    for (size_t k = 0; k < n; k++)
        j->assoc[pos] += sq_side_count(&j->side[1 - input], m[k].other);
    if (j->kind != SQ_JOIN_SEMI && j->kind != SQ_JOIN_ANTI)
        return outer_row(j, input, in, pos, m, n);
    return input == 0 ? semi_left(j, in, pos, n) : semi_right(j, in, pos, m, n);
}

/* The partners of rows [from, to), then their changes. */
static sq_rc run(struct join *j, uint32_t input, const struct sq_batch *in, uint32_t from, uint32_t to)
{
    size_t at = 0;

    SQ_TRY(sq_check_interrupt(j->base.ctx));
    j->nmatches = 0;
    cand_reset(j, 1 - input);
    for (uint32_t i = from; i < to; i++) {
        if (j->skip[i] || !j->found[i])
            continue;
        for (struct jrow *row = ((struct bucket *)SQ_PAYLOAD(j->found[i]))->head; row; row = row->next)
            SQ_TRY(match_candidate(j, input, in, i, row));
    }
    SQ_TRY(match_flush(j, input, in));
    for (uint32_t i = from; i < to; i++) {
        size_t n = 0;
        while (at + n < j->nmatches && j->matches[at + n].pos == i)
            n++;
        SQ_TRY(row_changes(j, input, in, i, j->matches + at, n));
        at += n;
    }
    return SQ_OK;
}

static uint32_t candidates_of(const struct join *j, uint32_t pos)
{
    uint32_t n = 0;

    if (!j->skip[pos] && j->found[pos])
        for (const struct jrow *row = ((struct bucket *)SQ_PAYLOAD(j->found[pos]))->head; row && n < SQ_BATCH_ROWS; row = row->next)
            n++;
    return n;
}

sq_rc sq_join_outer(struct join *j, uint32_t input, const struct sq_batch *in)
{
    for (uint32_t from = 0, to; from < in->nsel; from = to) {
        uint32_t n = candidates_of(j, from);
        for (to = from + 1; to < in->nsel; to++) {
            n += candidates_of(j, to);
            if (n > SQ_BATCH_ROWS)
                break;
        }
        SQ_TRY(run(j, input, in, from, to));
    }
    return sq_join_flush(j);
}

sq_rc sq_join_unmatched(struct join *j)
{
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while ((e = sq_hashtab_next(&j->side[j->build].tab, &it)))
        for (struct jrow *row = ((struct bucket *)SQ_PAYLOAD(e))->head; row; row = row->next)
            if (row->assoc == 0)
                SQ_TRY(emit_kept_padded(j, j->build, row, SQ_INSERT));
    return sq_join_flush(j);
}
