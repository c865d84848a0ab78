/* SPDX-License-Identifier: Apache-2.0
 *
 * session.c: SESSION windows: GROUP BY a session and its key, and the table function alone.
 *
 * Each row finds its session first (session_state.c), in the order in which rows came; then all rows of the batch are added at once, as by GROUP BY. A session that is over is put out once.
 * Where accumulators cannot be put together (DISTINCT), and for the table function, whose rows are wanted, the rows themselves are kept, and aggregated when the session is over.
 *
 * State: sessions that are not over. FLINK: the same.
 */
#include "executor/operators/session.h"

/* ---- opening ---- */

static bool merges(const struct sq_plan *p)
{
    for (uint32_t i = 0; i < p->u.agg.nitems; i++)
        if (p->u.agg.items[i].distinct || !p->u.agg.items[i].agg->merge)
            return false;
    return true;
}

/* The table function: keys and rows, nothing is aggregated. */
static sq_rc open_raw(struct session_op *x)
{
    const struct sq_plan *p = x->a.base.plan, *in = p->inputs[0];
    struct sq_ctx *ctx = x->a.base.ctx;
    const struct sq_type **types = sq_alloc(ctx, (p->u.window.npartition + 1) * sizeof *types);
    sq_rc rc;

    if (!types)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < p->u.window.npartition; i++)
        types[i] = in->cols[p->u.window.partition[i]].type;
    rc = sq_keys_init(&x->a.keys, ctx, types, p->u.window.partition, p->u.window.npartition);
    sq_free(ctx, types);
    SQ_TRY(rc);
    x->time = p->u.window.time;
    SQ_TRY(sq_op_types(ctx, p->cols, p->ncols, &types));
    rc = sq_out_init(&x->a.out, ctx, types, p->ncols);
    sq_free(ctx, types);
    return rc;
}

static sq_rc open(struct sq_op *op)
{
    struct session_op *x = SQ_OP(op, struct session_op);
    const struct sq_plan *p = op->plan, *in = p->inputs[0];
    const struct sq_type **types;
    sq_rc rc;

    x->raw = p->kind == SQ_N_WINDOW;
    x->keeps_rows = x->raw || !merges(p);
    x->a.retracts = in->mode != SQ_MODE_INSERT;
    sq_windows_init(&x->w, x->raw ? p->u.window.spec : p->u.agg.window, &op->config->session);
    SQ_TRY(sq_session_open(x));
    SQ_TRY(sq_op_types(op->ctx, in->cols, in->ncols, &types));
    rc = sq_out_init(&x->rows, op->ctx, types, in->ncols);
    sq_free(op->ctx, types);
    SQ_TRY(rc);
    if (x->raw)
        return open_raw(x);
    x->time = p->u.agg.time;
    SQ_TRY(sq_agg_state_open(&x->a));
    return sq_agg_emit_open(&x->a);
}

/* ---- rows ---- */

static sq_rc find_sessions(struct session_op *x, const struct sq_batch *in, uint32_t *taken)
{
    struct aggregate *a = &x->a;

    *taken = 0;
    SQ_TRY(sq_hashtab_upsert(&x->keys, in->nsel, a->keys.hash, a->keys.key, a->keys.null, a->entry));
    for (uint32_t i = 0; i < in->nsel; i++) {
        x->of[i] = NULL;
        if (x->times[i] != SQ_TS_MIN)
            SQ_TRY(sq_session_of(x, a->entry[i], x->times[i], &x->of[i]));
        *taken += x->of[i] != NULL;
    }
    for (uint32_t i = 0; *taken < in->nsel && i < in->nsel; i++)  /* a key that only had late rows */
        if (!x->of[i] && a->entry[i]->flags & SQ_ENTRY_LIVE && ((struct sessions *)SQ_PAYLOAD(a->entry[i]))->n == 0) {
            sq_free(a->base.ctx, ((struct sessions *)SQ_PAYLOAD(a->entry[i]))->v);
            sq_hashtab_remove(&x->keys, a->entry[i]);
        }
    return SQ_OK;
}

static struct session *final_of(struct session *s)
{
    while (s && s->into)
        s = s->into;
    return s;
}

static sq_rc add_rows(struct session_op *x, const struct sq_batch *in)
{
    struct aggregate *a = &x->a;
    uint32_t n = 0;

    for (uint32_t i = 0; i < in->nsel; i++) {
        struct session *s = final_of(x->of[i]);
        uint32_t r = sq_row(in, i);
        if (!s)
            continue;
        group_of(s->group)->rows += sq_kind_adds(sq_row_kind(in, r)) ? 1 : -1;
        a->entry[n] = s->group;
        a->row[n] = r;
        a->pos[n++] = i;
    }
    return sq_agg_apply(a, in, (struct agg_rows){a->row, a->pos, a->entry, n});
}

static sq_rc batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct session_op *x = SQ_OP(op, struct session_op);
    uint32_t taken;

    (void)input;
    SQ_TRY(sq_keys_load(&x->a.keys, in));
    sq_window_times(&x->w, in, &in->cols[x->time], x->times);
    SQ_TRY(find_sessions(x, in, &taken));
    sq_op_accept(op, 0, taken);
    op->ins[0].late += in->nsel - taken;
    if (!x->keeps_rows)
        return add_rows(x, in);
    for (uint32_t i = 0; i < in->nsel; i++)
        if (x->of[i])
            SQ_TRY(sq_session_keep(x, final_of(x->of[i]), in, sq_row(in, i)));
    return SQ_OK;
}

/* ---- sessions that are over ---- */

static sq_rc append_window(struct session_op *x, const struct session *s, uint32_t n, struct sq_col *cols)
{
    for (uint32_t i = 0; i < n; i++) {
        SQ_TRY(sq_col_append_fixed(&cols[0], &s->start));
        SQ_TRY(sq_col_append_fixed(&cols[1], &s->end));
    }
    return sq_window_time(&x->w, s->end, n, &cols[2]);
}

static sq_rc emit_rows(struct session_op *x, const struct session *s)
{
    struct sq_out *out = &x->a.out;

    for (size_t at = 0; at < s->rows.n;) {
        SQ_TRY(sq_session_read(x, s, &at));
        sq_out_reset(out);
        for (uint32_t c = 0; c < x->rows.ncols; c++)
            SQ_TRY(sq_col_append_many(&out->cols[c], &sq_out_batch(&x->rows)->cols[c], NULL, x->rows.n));
        SQ_TRY(append_window(x, s, x->rows.n, out->cols + x->rows.ncols));
        SQ_TRY(sq_out_rows(out, x->rows.n));
        SQ_TRY(sq_emit_batch(&x->a.base, sq_out_batch(out)));
    }
    return SQ_OK;
}

/* The rows kept, into a group of the aggregate's own table. */
static sq_rc aggregate_rows(struct session_op *x, const struct session *s, struct sq_entry **group)
{
    struct aggregate *a = &x->a;
    uint8_t null = s->key->flags & SQ_ENTRY_NULL ? 1 : 0;

    SQ_TRY(sq_hashtab_upsert(&a->groups, 1, &s->key->hash, &s->key->key, &null, group));
    group_of(*group)->serial = ++a->serial;
    for (size_t at = 0; at < s->rows.n;) {
        SQ_TRY(sq_session_read(x, s, &at));
        const struct sq_batch *b = sq_out_batch(&x->rows);
        SQ_TRY(sq_agg_load(a, b));
        for (uint32_t i = 0; i < b->nsel; i++) {
            a->entry[i] = *group;
            group_of(*group)->rows += sq_kind_adds(x->kinds[i]) ? 1 : -1;
        }
        SQ_TRY(sq_agg_apply(a, b, (struct agg_rows){NULL, NULL, a->entry, b->nsel}));
    }
    return SQ_OK;
}

static sq_rc emit_group(struct session_op *x, const struct session *s)
{
    struct aggregate *a = &x->a;
    struct sq_entry *g = s->group;
    bool own = x->keeps_rows;

    if (own)
        SQ_TRY(aggregate_rows(x, s, &g));
    if (group_of(g)->rows > 0) {
        SQ_TRY(sq_keys_append(&a->keys, &g, 1, a->out.cols));
        SQ_TRY(sq_agg_results(a, &g, 1, a->out.cols + a->ngroup));
        SQ_TRY(append_window(x, s, 1, a->out.cols + a->ngroup + a->nitems));
        SQ_TRY(sq_out_rows(&a->out, 1));
    }
    if (own) {
        if (a->out.n)                            /* keys may be borrowed from the entry */
            SQ_TRY(sq_emit_batch(&a->base, sq_out_batch(&a->out)));
        sq_out_reset(&a->out);
        sq_agg_remove(a, g);
        for (uint32_t i = 0; i < a->nsets; i++) {
            sq_hashtab_free(&a->sets[i].seen);
            SQ_TRY(sq_hashtab_init(&a->sets[i].seen, a->base.ctx, sizeof(struct seen)));
        }
    }
    return SQ_OK;
}

static sq_rc flush(struct session_op *x, struct session **gone, uint32_t *n)
{
    sq_rc rc = x->a.out.n ? sq_emit_batch(&x->a.base, sq_out_batch(&x->a.out)) : SQ_OK;

    sq_out_reset(&x->a.out);
    for (uint32_t i = 0; i < *n; i++)
        sq_session_drop(x, gone[i]);
    *n = 0;
    return rc;
}

/* Those that are over, in the order of their ends. They are dropped behind the batch that shows their keys. */
static sq_rc put_out(struct session_op *x, int64_t to)
{
    struct session *gone[256], *s;
    uint32_t n = 0;
    sq_rc rc;

    sq_out_reset(&x->a.out);
    for (;;) {
        rc = sq_session_over(x, to, &s);
        if (rc != SQ_OK || !s)
            break;
        gone[n++] = s;
        x->watermark = s->end > x->watermark ? s->end : x->watermark;
        rc = x->raw ? emit_rows(x, s) : emit_group(x, s);
        if (rc == SQ_OK && n == SQ_LEN(gone))
            rc = flush(x, gone, &n);
        if (rc == SQ_OK)
            rc = sq_check_interrupt(x->a.base.ctx);
        if (rc != SQ_OK)
            break;
    }
    sq_rc last = flush(x, gone, &n);
    return rc != SQ_OK ? rc : last;
}

static sq_rc watermark(struct sq_op *op, int64_t ts)
{
    struct session_op *x = SQ_OP(op, struct session_op);
    int64_t to = sq_window_watermark(&x->w, ts);

    if (op->plan->final && ts != SQ_TS_MAX)      /* batch mode: nothing is late */
        return SQ_OK;
    SQ_TRY(put_out(x, to));
    x->watermark = to > x->watermark ? to : x->watermark;
    return sq_emit_watermark(op, ts);
}

static void close_op(struct sq_op *op)
{
    struct session_op *x = SQ_OP(op, struct session_op);

    sq_session_close(x);
    if (x->raw) {
        sq_keys_free(&x->a.keys);
        if (x->a.out.ctx)
            sq_out_free(&x->a.out);
        return;
    }
    sq_agg_emit_close(&x->a);
    sq_agg_state_close(&x->a);
}

const struct sq_op_class sq_op_session = {
    .name = "SessionWindow", .size = sizeof(struct session_op), .open = open, .batch = batch, .watermark = watermark,
    .snapshot = sq_session_snapshot, .restore = sq_session_restore, .state_bytes = sq_session_bytes, .close = close_op,
};
