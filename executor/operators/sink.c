/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c: drives a connector's writer, and the operator that hands rows to the API.
 *
 * A NULL in a NOT NULL column of the table stops the job (Flink's table.exec.sink.not-null-enforcer = ERROR) before anything of its batch
 * is written.
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

static sq_rc check_not_null(struct sq_op *op, const struct sq_batch *in, uint32_t col)
{
    const struct sq_vec *v = &in->cols[col];
    const struct sq_table_spec *t = op->plan->u.sink.table;

    if (v->enc == SQ_FLAT && !v->valid && v->type->id != SQ_T_NULL)
        return SQ_OK;
    for (uint32_t i = 0; i < in->nsel; i++)
        if (sq_vec_null(v, sq_row(in, i))) {
            sq_fail_at(op->ctx, SQ_DATA, op->plan->span, "column '%.*s' of table '%.*s' is NOT NULL, and a row has NULL there",
                       SQ_FMT(t->cols[col].name), SQ_FMT(t->name));
            return sq_hint(op->ctx, "filter such rows out (WHERE ... IS NOT NULL), or declare the column without NOT NULL");
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
    const struct sq_table_spec *t = op->plan->u.sink.table;
    struct sink *s = SQ_OP(op, struct sink);

    for (uint32_t c = 0; c < in->ncols && c < t->ncols; c++)
        if (!t->cols[c].type->nullable)
            SQ_TRY(check_not_null(op, in, c));
    if (in->kind && s->spec.mode == SQ_MODE_UPSERT && op->plan->inputs[0]->mode == SQ_MODE_RETRACT) {
        struct sq_batch upserts = as_upserts(s, in);
        SQ_TRY(sink_of(op)->write(s->writer, &upserts));
    } else {
        SQ_TRY(sink_of(op)->write(s->writer, in));
    }
    sq_op_accept(op, input, in->nsel);
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
