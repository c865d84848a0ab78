/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c: drives a connector's writer, and the operator that hands rows to the API.
 *
 * A NULL in a NOT NULL column of the table stops the job before anything of its batch is written, or, with Flink's
 * table.exec.sink.not-null-enforcer = DROP, leaves its row out; the account counts it as filtered.
 *
 * With epochs (checkpoints, micro-batches) the writer is handed over to the thread that commits, at each barrier; until it is back, the rows behind the
 * barrier wait here as copies, and when they are too many the stage that gives them stands still (sq_sink_room).
 *
 * Where rows come with what they were before and the writer keeps rows by key, -U is handed on as -D: behind a filter it may come alone, because
 * the row it changed to was left out; where its +U follows, that one counts.
 */
#include "executor/runtime/runtime.h"

#include <stdio.h>

enum { HELD_BYTES = 64 << 20, PENDING_BYTES = 64 << 20, SPARES = 4 };

struct held {
    struct held *next;
    struct sq_out rows;
};

struct sink {
    struct sq_op base;
    struct sq_sink_spec spec;
    struct sq_writer *writer;
    struct sq_ctx own;                     /* the writer's: it may be on another thread */
    bool finished;
    bool epochs;                           /* rows wait for commits */
    _Atomic bool handed;                   /* the writer is the committing thread's */
    struct held *first, *last, *spare;     /* rows behind the barrier */
    uint32_t nspare;
    size_t held_bytes;
    int64_t watermark;                     /* of the rows that came */
    char name[256];
    uint8_t kind[SQ_BATCH_ROWS];
    uint32_t sel[SQ_BATCH_ROWS];
};

static const struct sq_sink_class *sink_of(const struct sq_op *op)
{
    return op->plan->u.sink.connector->sink;
}

/* What the writer has to say of its failure; one of a buffer that it was given is said by that buffer's context. */
static sq_rc told(struct sq_op *op, struct sq_ctx *to, sq_rc rc)
{
    const struct sq_error *own = &SQ_OP(op, struct sink)->own.err;

    if (rc != SQ_OK && own->rc != SQ_OK)
        to->err = *own;
    else if (rc != SQ_OK && to->err.rc == SQ_OK)
        sq_fail(to, rc, "the sink failed without a message");
    return rc;
}

/* The sinks of one table are told apart by their order. */
static void make_name(struct sink *s)
{
    const struct sq_job *job = s->base.worker->job;
    struct sq_str path = s->base.plan->u.sink.path;
    uint32_t twin = 1;

    for (uint32_t i = 0; i < s->base.plan->id; i++)
        if (job->nodes[i] && job->nodes[i]->kind == SQ_N_SINK && sq_str_eq(job->nodes[i]->u.sink.path, path))
            twin++;
    if (twin == 1)
        snprintf(s->name, sizeof s->name, "%.*s", SQ_FMT(path));
    else
        snprintf(s->name, sizeof s->name, "%.*s#%u", SQ_FMT(path), twin);
}

static sq_rc sink_open(struct sq_op *op)
{
    struct sink *s = SQ_OP(op, struct sink);
    sq_rc rc;

    s->spec = (struct sq_sink_spec){.table = op->plan->u.sink.table, .ext = op->plan->u.sink.ext, .session = &op->config->session,
                                    .mode = op->plan->u.sink.mode, .key = op->plan->u.sink.key.cols, .nkey = op->plan->u.sink.key.n,
                                    .key_derived = op->plan->u.sink.key_derived, .overwrite = op->plan->u.sink.overwrite,
                                    .bounded = op->plan->inputs[0]->bounded, .fixed = op->plan->u.sink.fixed};
    make_name(s);
    s->watermark = SQ_TS_MIN;
    s->epochs = op->worker->job->epochs && sink_of(op)->prepare;
    if (s->epochs)
        sq_epochs_sink_spec(op->worker->job, op, &s->spec.epoch);
    s->own = *op->ctx;
    rc = told(op, op->ctx, sink_of(op)->open(&s->own, &s->spec, &s->writer));
    if (rc == SQ_OK && s->epochs) {                /* from here on it may be on another thread */
        s->own.notice = sq_job_note;
        s->own.notice_arg = op->worker;
        s->own.interrupt = &op->worker->job->abort;
    }
    return rc;
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
    bool in_key = t->cols[col].type->nullable;

    sq_fail_at(op->ctx, SQ_DATA, op->plan->span, "column '%.*s' of table '%.*s' is %s, and a row has NULL there", SQ_FMT(t->cols[col].name), SQ_FMT(t->name), in_key ? "in the key" : "NOT NULL");
    return sq_hint(op->ctx, "filter such rows out (WHERE … IS NOT NULL), leave them out with SET 'table.exec.sink.not-null-enforcer' = 'DROP', or %s",
                   in_key ? "give them a value (COALESCE)" : "declare the column without NOT NULL");
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

/* ---- rows behind the barrier ---- */

static void free_held(struct sq_ctx *ctx, struct held *h)
{
    if (h->rows.ctx)
        sq_out_free(&h->rows);
    sq_free(ctx, h);
}

static sq_rc new_held(struct sink *s, struct held **out)
{
    struct held *h = s->spare;
    sq_rc rc;

    *out = h;
    if (h) {
        s->spare = h->next;
        s->nspare--;
        sq_out_reset(&h->rows);
        return SQ_OK;
    }
    h = *out = sq_calloc(s->base.ctx, sizeof *h);
    rc = h ? sq_op_out(s->base.ctx, s->base.plan->cols, s->base.plan->ncols, &h->rows) : SQ_NOMEM;
    if (rc != SQ_OK && h)
        free_held(s->base.ctx, h);
    return rc;
}

static sq_rc hold(struct sink *s, const struct sq_batch *rows)
{
    struct held *h;
    sq_rc rc;

    SQ_TRY(new_held(s, &h));
    rc = sq_out_append(&h->rows, rows, rows->sel, rows->nsel);
    if (rc != SQ_OK) {
        free_held(s->base.ctx, h);
        return rc;
    }
    h->next = NULL;
    if (s->first)
        s->last->next = h;
    else
        s->first = h;
    s->last = h;
    s->held_bytes += h->rows.heap.bytes + (size_t)h->rows.n * h->rows.ncols * 16;
    return SQ_OK;
}

static sq_rc write_rows(struct sink *s, const struct sq_batch *rows)
{
    const struct sq_sink_class *cls = sink_of(&s->base);

    SQ_TRY(told(&s->base, s->base.ctx, cls->write(s->writer, rows)));
    if (s->epochs && cls->pending_bytes && cls->pending_bytes(s->writer) > PENDING_BYTES)
        sq_job_want_epoch(s->base.worker->job);
    return SQ_OK;
}

sq_rc sq_sink_resume(struct sq_op *op)
{
    struct sink *s = SQ_OP(op, struct sink);

    while (s->first && !atomic_load_explicit(&s->handed, memory_order_acquire)) {
        struct held *h = s->first;
        SQ_TRY(write_rows(s, sq_out_batch(&h->rows)));
        s->first = h->next;
        if (s->nspare < SPARES) {
            h->next = s->spare;
            s->spare = h;
            s->nspare++;
        } else {
            free_held(op->ctx, h);
        }
    }
    if (!s->first)
        s->held_bytes = 0;
    return SQ_OK;
}

bool sq_sink_room(const struct sq_op *op) { return ((const struct sink *)op)->held_bytes < HELD_BYTES; }

static sq_rc take_rows(struct sink *s, const struct sq_batch *rows)
{
    if (!s->epochs)
        return write_rows(s, rows);
    if (atomic_load_explicit(&s->handed, memory_order_acquire))
        return hold(s, rows);
    SQ_TRY(sq_sink_resume(&s->base));
    return write_rows(s, rows);
}

static sq_rc sink_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct sink *s = SQ_OP(op, struct sink);
    struct sq_batch rows = *in;

    SQ_TRY(enforce_not_null(s, &rows));
    if (rows.kind && s->spec.mode == SQ_MODE_UPSERT && op->plan->inputs[0]->mode == SQ_MODE_RETRACT)
        rows = as_upserts(s, &rows);
    if (rows.nsel)
        SQ_TRY(take_rows(s, &rows));
    sq_op_accept(op, input, rows.nsel);
    op->ins[input].filtered += in->nsel - rows.nsel;
    return SQ_OK;
}

/* ---- epochs ---- */

struct sq_str sq_sink_name(const struct sq_op *op) { return sq_str_of(((const struct sink *)op)->name); }

bool sq_sink_has_epochs(const struct sq_op *op) { return ((const struct sink *)op)->epochs; }

enum sq_sink_promise sq_sink_promise(const struct sq_op *op)
{
    const struct sq_sink_class *cls = sink_of(op);

    return cls->promise ? cls->promise(op->plan->u.sink.table, op->plan->u.sink.ext) : SQ_SINK_AT_LEAST_ONCE;
}

/* The writer is here. */
static void tell_watermark(struct sink *s)
{
    if (sink_of(&s->base)->watermark && s->watermark != SQ_TS_MIN)
        sink_of(&s->base)->watermark(s->writer, s->watermark);
}

sq_rc sq_sink_hand_over(struct sq_op *op)
{
    struct sink *s = SQ_OP(op, struct sink);

    if (!s->epochs)
        return SQ_OK;
    SQ_TRY(sq_sink_resume(op));
    SQ_ASSERT(!s->first);                        /* a barrier comes when the epoch before is committed */
    tell_watermark(s);
    atomic_store_explicit(&s->handed, true, memory_order_release);
    return SQ_OK;
}

void sq_sink_give_back(struct sq_op *op)
{
    atomic_store_explicit(&SQ_OP(op, struct sink)->handed, false, memory_order_release);
}

static sq_rc sink_barrier(struct sq_op *op, uint64_t epoch)
{
    (void)epoch;
    if (!atomic_load_explicit(&op->worker->job->cut, memory_order_acquire))
        return SQ_OK;                            /* the barrier of a pause */
    return sq_sink_hand_over(op);
}

sq_rc sq_sink_marker(struct sq_op *op, struct sq_ctx *ctx, uint64_t *epoch)
{
    *epoch = 0;
    return told(op, ctx, sink_of(op)->marker(SQ_OP(op, struct sink)->writer, epoch));
}

sq_rc sq_sink_set_marker(struct sq_op *op, struct sq_ctx *ctx, uint64_t epoch)
{
    return told(op, ctx, sink_of(op)->set_marker(SQ_OP(op, struct sink)->writer, epoch));
}

sq_rc sq_sink_recover(struct sq_op *op, struct sq_ctx *ctx, uint64_t epoch, struct sq_str pending)
{
    if (!sink_of(op)->recover)
        return SQ_OK;
    return told(op, ctx, sink_of(op)->recover(SQ_OP(op, struct sink)->writer, epoch, pending));
}

bool sq_sink_holds(struct sq_op *op)
{
    return sink_of(op)->holds && sink_of(op)->holds(SQ_OP(op, struct sink)->writer);
}

void sq_sink_last(struct sq_op *op, bool input_ended)
{
    if (sink_of(op)->last)
        sink_of(op)->last(SQ_OP(op, struct sink)->writer, input_ended);
}

sq_rc sq_sink_prepare(struct sq_op *op, struct sq_ctx *ctx, uint64_t epoch, struct sq_buf *pending)
{
    return told(op, ctx, sink_of(op)->prepare(SQ_OP(op, struct sink)->writer, epoch, pending));
}

sq_rc sq_sink_commit(struct sq_op *op, struct sq_ctx *ctx, uint64_t epoch)
{
    if (!sink_of(op)->commit)
        return SQ_OK;
    return told(op, ctx, sink_of(op)->commit(SQ_OP(op, struct sink)->writer, epoch));
}

/* ---- the end ---- */

static sq_rc finish(struct sink *s)
{
    if (s->finished || s->epochs)                /* with epochs, the last commit is the end */
        return SQ_OK;
    s->finished = true;
    tell_watermark(s);
    return sink_of(&s->base)->finish ? told(&s->base, s->base.ctx, sink_of(&s->base)->finish(s->writer)) : SQ_OK;
}

static sq_rc sink_watermark(struct sq_op *op, int64_t ts)
{
    SQ_OP(op, struct sink)->watermark = ts;
    return sq_emit_watermark(op, ts);
}

static sq_rc sink_end(struct sq_op *op, uint32_t input)
{
    (void)input;
    return finish(SQ_OP(op, struct sink));
}

static sq_rc sink_flush(struct sq_op *op, bool last)
{
    struct sink *s = SQ_OP(op, struct sink);

    if (s->epochs)
        return sq_sink_resume(op);
    if (!s->finished && sink_of(op)->flush)
        SQ_TRY(told(op, op->ctx, sink_of(op)->flush(s->writer)));
    return last ? finish(s) : SQ_OK;
}

static void sink_close(struct sq_op *op)
{
    struct sink *s = SQ_OP(op, struct sink);
    struct held *next;

    for (struct held *h = s->first; h; h = next) {
        next = h->next;
        free_held(op->ctx, h);
    }
    for (struct held *h = s->spare; h; h = next) {
        next = h->next;
        free_held(op->ctx, h);
    }
    if (s->writer)
        sink_of(op)->close(s->writer);
}

const struct sq_op_class sq_op_sink = {
    .name = "Sink", .size = sizeof(struct sink), .open = sink_open, .batch = sink_batch, .barrier = sink_barrier, .end = sink_end, .close = sink_close,
    .flush = sink_flush, .watermark = sink_watermark,
};

/* ---- collect ---- */

static sq_rc collect_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct sq_job *job = op->worker->job;

    sq_op_accept(op, input, in->nsel);
    return job->collect ? job->collect(job->collect_arg, in) : SQ_OK;
}

const struct sq_op_class sq_op_collect = {.name = "Collect", .size = sizeof(struct sq_op), .batch = collect_batch};
