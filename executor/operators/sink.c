/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c: drives a connector's writer, and the operator that hands rows to the API.
 *
 * A NULL in a NOT NULL column of the table stops the job before anything of its batch is written, or, with Flink's
 * table.exec.sink.not-null-enforcer = DROP, leaves its row out; the account counts it as filtered.
 *
 * Where rows come with what they were before and the writer keeps rows by key, -U is handed on as -D: behind a filter it may come alone, because
 * the row it changed to was left out; where its +U follows, that one counts.
 */
#include "executor/runtime/runtime.h"

struct sink {
    struct sq_op base;
    struct sq_sink_spec spec;
    struct sq_writer *writer;
    bool finished;
    uint8_t kind[SQ_BATCH_ROWS];
    uint32_t sel[SQ_BATCH_ROWS];
};

static const struct sq_sink_class *sink_of(const struct sq_op *op)
{
    return op->plan->u.sink.connector->sink;
}

static sq_rc sink_open(struct sq_op *op)
{
    struct sink *s = SQ_OP(op, struct sink);

    s->spec = (struct sq_sink_spec){.table = op->plan->u.sink.table, .ext = op->plan->u.sink.ext, .session = &op->config->session,
                                    .mode = op->plan->u.sink.mode, .key = op->plan->u.sink.key.cols, .nkey = op->plan->u.sink.key.n,
                                    .key_derived = op->plan->u.sink.key_derived, .overwrite = op->plan->u.sink.overwrite};
    return sink_of(op)->open(op->ctx, &s->spec, &s->writer);
}

static bool never_null(const struct sq_vec *v)
{
    return v->enc == SQ_FLAT && !v->valid && v->type->id != SQ_T_NULL;
}

/* A derived key's columns are NOT NULL whatever the table declares: the sink made its own table so. */
static bool is_key(const struct sq_sink_spec *spec, uint32_t col)
{
    for (uint32_t k = 0; spec->mode == SQ_MODE_UPSERT && k < spec->nkey; k++)
        if (spec->key[k] == col)
            return true;
    return false;
}

static sq_rc null_found(struct sq_op *op, uint32_t col)
{
    const struct sq_table_spec *t = op->plan->u.sink.table;

    sq_fail_at(op->ctx, SQ_DATA, op->plan->span, "column '%.*s' of table '%.*s' is %s, and a row has NULL there", SQ_FMT(t->cols[col].name),
               SQ_FMT(t->name), t->cols[col].type->nullable ? "in the key" : "NOT NULL");
    return sq_hint(op->ctx, "filter such rows out (WHERE ... IS NOT NULL), leave them out with SET 'table.exec.sink.not-null-enforcer' = 'DROP', "
                            "or declare the column without NOT NULL");
}

/* Takes rows with NULL for a NOT NULL column out of the batch (by a selection in s->sel), or fails at the first. */
static sq_rc enforce_not_null(struct sink *s, struct sq_batch *b)
{
    const struct sq_table_spec *t = s->base.plan->u.sink.table;

    for (uint32_t c = 0; c < b->ncols && c < t->ncols; c++) {
        if ((t->cols[c].type->nullable && !is_key(&s->spec, c)) || never_null(&b->cols[c]))
            continue;
        uint32_t n = 0;
        for (uint32_t i = 0; i < b->nsel; i++) {
            uint32_t r = sq_row(b, i);
            if (!sq_vec_null(&b->cols[c], r))
                s->sel[n++] = r;
            else if (!s->base.config->drop_nulls)
                return null_found(&s->base, c);
        }
        if (n < b->nsel) {
            b->sel = s->sel;
            b->nsel = n;
        }
    }
    return SQ_OK;
}

/* The batch with every -U as -D. */
static struct sq_batch as_upserts(struct sink *s, const struct sq_batch *in)
{
    struct sq_batch out = *in;

    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        s->kind[r] = in->kind[r] == SQ_UPDATE_BEFORE ? SQ_DELETE : in->kind[r];
    }
    out.kind = s->kind;
    return out;
}

static sq_rc sink_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct sink *s = SQ_OP(op, struct sink);
    struct sq_batch rows = *in;

    SQ_TRY(enforce_not_null(s, &rows));
    if (rows.kind && s->spec.mode == SQ_MODE_UPSERT && op->plan->inputs[0]->mode == SQ_MODE_RETRACT)
        rows = as_upserts(s, &rows);
    if (rows.nsel)
        SQ_TRY(sink_of(op)->write(s->writer, &rows));
    sq_op_accept(op, input, rows.nsel);
    op->ins[input].filtered += in->nsel - rows.nsel;
    return SQ_OK;
}

static sq_rc finish(struct sink *s)
{
    if (s->finished)
        return SQ_OK;
    s->finished = true;
    return sink_of(&s->base)->finish ? sink_of(&s->base)->finish(s->writer) : SQ_OK;
}

static sq_rc sink_end(struct sq_op *op, uint32_t input)
{
    (void)input;
    return finish(SQ_OP(op, struct sink));
}

static sq_rc sink_flush(struct sq_op *op, bool last)
{
    struct sink *s = SQ_OP(op, struct sink);

    if (!s->finished && sink_of(op)->flush)
        SQ_TRY(sink_of(op)->flush(s->writer));
    return last ? finish(s) : SQ_OK;
}

static void sink_close(struct sq_op *op)
{
    struct sink *s = SQ_OP(op, struct sink);

    if (s->writer)
        sink_of(op)->close(s->writer);
}

const struct sq_op_class sq_op_sink = {
    .name = "Sink", .size = sizeof(struct sink), .open = sink_open, .batch = sink_batch, .end = sink_end, .close = sink_close, .flush = sink_flush,
};

/* ---- collect ---- */

static sq_rc collect_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct sq_job *job = op->worker->job;

    sq_op_accept(op, input, in->nsel);
    return job->collect ? job->collect(job->collect_arg, in) : SQ_OK;
}

const struct sq_op_class sq_op_collect = {.name = "Collect", .size = sizeof(struct sq_op), .batch = collect_batch};
