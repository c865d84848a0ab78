/* SPDX-License-Identifier: Apache-2.0
 *
 * account.c: what a job read, kept, dropped and wrote, and whether it adds up.
 *
 *   at a source:    records = good + bad + filtered; as many rows left it as its reader gave (a record may give several)
 *   at an input:    in = accepted + filtered + late (+ bad: without an event time); in = what the producer put out
 *   at an exchange: what the receivers gave is what the senders took
 *
 * Of several workers the counts are summed. While their threads run, each notes its own when it is asked to, so what is told then is a little old.
 * Then, and when such a job has failed, rows are under way between the workers, and no balance is drawn.
 */
#include "executor/runtime/runtime.h"

#include "base/os.h"

static bool is_source(const struct sq_plan *p) { return p->kind == SQ_N_SCAN || p->kind == SQ_N_VALUES; }
static bool is_root(const struct sq_plan *p) { return p->kind == SQ_N_SINK || p->kind == SQ_N_COLLECT; }

/* ---- counting ---- */

sq_rc sq_stats_new(struct sq_job *job, struct sq_ctx *ctx, struct sq_op_stat **out)
{
    struct sq_input_count *ins;
    size_t inputs = 0;

    for (uint32_t i = 0; i < job->nnodes; i++)
        inputs += job->nodes[i] ? job->nodes[i]->ninputs : 0;
    *out = sq_calloc(ctx, (job->nnodes + 1) * sizeof **out + inputs * sizeof *ins);
    if (!*out)
        return SQ_NOMEM;
    ins = (struct sq_input_count *)(void *)(*out + job->nnodes + 1);
    for (uint32_t i = 0; i < job->nnodes; i++) {
        (*out)[i].ins = ins;
        ins += job->nodes[i] ? job->nodes[i]->ninputs : 0;
    }
    return SQ_OK;
}

static void count_op(const struct sq_op *op, struct sq_op_stat *st)
{
    st->there = true;
    st->m = sq_op_count(op);
    st->state_bytes = op->cls->state_bytes ? op->cls->state_bytes(op) : 0;
    st->watermark = op->watermark;
    for (uint32_t k = 0; k < op->nins; k++)
        st->ins[k] = (struct sq_input_count){op->ins[k].in, op->ins[k].accepted, op->ins[k].filtered, op->ins[k].late, op->ins[k].bad};
    if (sq_op_is_source(op))
        sq_source_stats(op, &st->source);
    if (op->cls == &sq_op_watermark)
        sq_watermark_held(op, &st->held);
}

void sq_worker_count(struct sq_worker *w)
{
    for (uint32_t i = 0; i < w->nops; i++) {
        const struct sq_op *recv = w->receivers[i];
        if (w->ops[i])
            count_op(w->ops[i], &w->stat[i]);
        if (recv) {                              /* what leaves an exchange, leaves its receivers */
            w->stat[i].there = true;
            w->stat[i].m.out = recv->m.out;
            w->stat[i].m.batches_out = recv->m.batches_out;
            w->stat[i].watermark = recv->watermark;
        }
    }
}

static void add_source(struct sq_source_stats *a, const struct sq_source_stats *b)
{
    a->records += b->records;
    a->rows += b->rows;
    a->bad += b->bad;
    a->filtered += b->filtered;
    a->bytes += b->bytes;
    a->bad_values += b->bad_values;
    a->total_bytes = a->total_bytes < 0 || b->total_bytes < 0 ? -1 : a->total_bytes + b->total_bytes;
}

static void add_stat(struct sq_op_stat *a, const struct sq_op_stat *b, uint32_t nins)
{
    if (!b->there)
        return;
    a->m.in += b->m.in;
    a->m.out += b->m.out;
    a->m.filtered += b->m.filtered;
    a->m.late += b->m.late;
    a->m.bad += b->m.bad;
    a->m.batches_out += b->m.batches_out;
    a->m.overflows += b->m.overflows;
    a->state_bytes += b->state_bytes;
    if (b->held.by[0] && (!a->held.by[0] || b->watermark < a->watermark))
        a->held = b->held;
    a->watermark = !a->there || b->watermark < a->watermark ? b->watermark : a->watermark;
    if (a->there)
        add_source(&a->source, &b->source);
    else
        a->source = b->source;
    a->there = true;
    for (uint32_t k = 0; k < nins; k++) {
        a->ins[k].in += b->ins[k].in;
        a->ins[k].accepted += b->ins[k].accepted;
        a->ins[k].filtered += b->ins[k].filtered;
        a->ins[k].late += b->ins[k].late;
        a->ins[k].bad += b->ins[k].bad;
    }
}

/* Fills job->sum. Whatever else a job is for its callers, its counts are for reading only. */
static const struct sq_op_stat *sum(const struct sq_job *cjob)
{
    struct sq_job *job = (struct sq_job *)(uintptr_t)cjob;

    for (uint32_t i = 0; i < job->nnodes; i++) {
        struct sq_input_count *ins = job->sum[i].ins;
        if (job->nodes[i])
            memset(ins, 0, job->nodes[i]->ninputs * sizeof *ins);
        job->sum[i] = (struct sq_op_stat){.ins = ins};
    }
    if (job->running)
        atomic_fetch_add(&job->stat_wanted, 1);
    for (uint32_t i = 0; i < job->nworkers; i++) {
        struct sq_worker *w = &job->workers[i];
        pthread_mutex_lock(&w->lock);
        if (i == 0 || !job->running || atomic_load(&w->done))
            sq_worker_count(w);
        for (uint32_t k = 0; k < job->nnodes; k++)
            if (job->nodes[k])
                add_stat(&job->sum[k], &w->stat[k], job->nodes[k]->ninputs);
        pthread_mutex_unlock(&w->lock);
    }
    return job->sum;
}

/* ---- balances ---- */

static bool source_balances(const struct sq_op_stat *op)
{
    const struct sq_source_stats *st = &op->source;
    uint64_t good = st->records - st->bad - st->filtered;

    return st->bad + st->filtered <= st->records && st->rows >= good && st->rows == op->m.out;
}

/* Rows may be between two workers, or have been in the hands of an operator that failed. */
static bool under_way(const struct sq_job *job) { return job->running || job->failed; }

/* What node p, an input of a SIDE, has left out. */
static uint64_t left_out(const struct sq_job *job, const struct sq_plan *side, uint32_t k)
{
    const struct sq_op_stat *st = &job->sum[side->inputs[k]->id];

    if (side->u.side.late)
        return st->ins[side->u.side.from[k].input].late;
    return is_source(side->inputs[k]) ? st->source.bad : st->ins[0].bad;
}

static bool input_balances(const struct sq_job *job, const struct sq_plan *p, uint32_t k)
{
    const struct sq_input_count *in = &job->sum[p->id].ins[k];

    if (under_way(job))
        return true;
    if (p->kind == SQ_N_SIDE)
        return in->in == in->accepted && in->in == left_out(job, p, k);
    return in->in == in->accepted + in->filtered + in->late + in->bad && in->in == job->sum[p->inputs[k]->id].m.out &&
           (p->kind != SQ_N_EXCHANGE || job->sum[p->id].m.out == in->accepted);
}

uint32_t sq_job_nodes(const struct sq_job *job, struct sq_node_stats *out, uint32_t max)
{
    const struct sq_op_stat *st = sum(job);
    uint32_t n = 0;

    for (uint32_t i = 0; i < job->nnodes; i++) {
        if (!job->nodes[i])
            continue;
        if (n < max)
            out[n] = (struct sq_node_stats){.plan = job->nodes[i], .m = st[i].m, .state_bytes = st[i].state_bytes, .watermark = st[i].watermark, .source = st[i].source, .held = st[i].held};
        n++;
    }
    return n;
}

static void read_stats(const struct sq_job *job, struct sq_job_stats *st)
{
    int64_t now = job->ended_ns ? job->ended_ns : job->ctx->os ? job->ctx->os->mono_ns(job->ctx->os->arg) : 0;

    *st = (struct sq_job_stats){.elapsed_ns = now - job->started_ns, .balanced = true};
    for (uint32_t i = 0; i < job->nnodes; i++) {
        const struct sq_plan *p = job->nodes[i];
        const struct sq_op_stat *s = &job->sum[i];
        for (uint32_t k = 0; p && k < p->ninputs; k++) {
            st->balanced &= input_balances(job, p, k);
            st->late += s->ins[k].late;
            st->bad += s->ins[k].bad;
            st->rows_out += is_root(p) ? s->ins[k].accepted : 0;
        }
        if (p && is_source(p)) {
            st->balanced &= under_way(job) || source_balances(s);
            st->rows_in += s->source.rows;
            st->bad += s->source.bad;
            st->filtered += s->source.filtered;
            st->bytes_in += s->source.bytes;
            st->bytes_total = s->source.total_bytes < 0 || st->bytes_total < 0 ? -1 : st->bytes_total + s->source.total_bytes;
        }
    }
}

void sq_job_stats(const struct sq_job *job, struct sq_job_stats *st)
{
    sum(job);
    read_stats(job, st);
    sq_epochs_stats(job, st);
}

/* ---- as text ---- */

static const char *label(const struct sq_plan *p)
{
    switch (p->kind) {
    case SQ_N_SCAN: return "read";
    case SQ_N_VALUES: return "values";
    case SQ_N_FILTER: return "filter";
    case SQ_N_AGGREGATE: return p->u.agg.nitems ? "group" : "distinct";
    case SQ_N_JOIN: return "join";
    case SQ_N_SORT: return "sort";
    case SQ_N_LIMIT: return "limit";
    case SQ_N_NORMALIZE: return "normalize";
    case SQ_N_EXPAND: return "expand";
    case SQ_N_UNNEST: return "unnest";
    case SQ_N_WINDOW: return p->u.window.spec->kind == SQ_WINDOW_SESSION ? "session" : NULL;
    case SQ_N_WINDOW_AGGREGATE: return "window";
    case SQ_N_RANK: return "rank";
    case SQ_N_OVER: return "over";
    case SQ_N_SIDE: return p->u.side.late ? "late" : "bad";
    case SQ_N_SINK: return "write";
    case SQ_N_COLLECT: return "show";
    default: return NULL;                       /* rows pass one by one: not worth a line */
    }
}

static struct sq_str name_of(const struct sq_plan *p, uint32_t input)
{
    if (p->kind == SQ_N_SCAN)
        return p->u.scan.table->name;
    if (p->kind == SQ_N_SINK)
        return p->u.sink.table->name;
    if (p->kind == SQ_N_SIDE)
        return p->u.side.name;
    if (p->kind == SQ_N_WINDOW_AGGREGATE) {                      /* whose windows, where they are of one table */
        while (p->ninputs == 1)
            p = p->inputs[0];
        return p->kind == SQ_N_SCAN ? p->u.scan.table->name : SQ_STR("");
    }
    if (p->kind == SQ_N_JOIN)
        return input == 0 ? SQ_STR("left") : SQ_STR("right");
    return SQ_STR("");
}

/* ", of which" parts that are nought are left out, so the usual line is short: "12 in = 12 accepted". */
static void part(struct sq_buf *b, uint64_t n, const char *what)
{
    if (n)
        sq_buf_printf(b, " + %llu %s", (unsigned long long)n, what);
}

static void source_line(struct sq_buf *b, const struct sq_job *job, const struct sq_op_stat *op)
{
    const struct sq_source_stats *st = &op->source;
    uint64_t good = st->records - st->bad - st->filtered;

    if (good == st->rows)
        sq_buf_printf(b, "%llu records = %llu rows + %llu bad", (unsigned long long)st->records, (unsigned long long)good, (unsigned long long)st->bad);
    else
        sq_buf_printf(b, "%llu records = %llu good (%llu rows) + %llu bad", (unsigned long long)st->records, (unsigned long long)good,
                      (unsigned long long)st->rows, (unsigned long long)st->bad);
    part(b, st->filtered, "without a row");
    if (st->bad_values)
        sq_buf_printf(b, st->bad_values == 1 ? "; %llu value did not fit and is NULL" : "; %llu values did not fit and are NULL", (unsigned long long)st->bad_values);
    if (!under_way(job) && !source_balances(op))
        sq_buf_printf(b, "  (does not balance: %llu rows went on)", (unsigned long long)op->m.out);
}

static void input_line(struct sq_buf *b, const struct sq_job *job, const struct sq_plan *p, uint32_t i)
{
    const struct sq_op_stat *op = &job->sum[p->id];
    const struct sq_input_count *in = &op->ins[i];

    sq_buf_printf(b, "%llu in = %llu %s", (unsigned long long)in->in, (unsigned long long)in->accepted, is_root(p) ? "written" : "accepted");
    part(b, in->filtered, "filtered");
    part(b, in->late, "late");
    part(b, in->bad, "bad (no event time)");
    if (!is_root(p) && i + 1 == p->ninputs)
        sq_buf_printf(b, "; %llu out", (unsigned long long)op->m.out);
    if (op->m.overflows && i == 0)
        sq_buf_printf(b, "; %llu overflowed", (unsigned long long)op->m.overflows);
    if (!input_balances(job, p, i))
        sq_buf_puts(b, "  (does not balance)");
}

/* Of a job that was stopped: how far time had come, and what held it back. */
static void time_line(struct sq_buf *b, const struct sq_plan *p, const struct sq_op_stat *op, int width)
{
    const struct sq_plan *scan = p->inputs[0];
    struct sq_str name;
    struct sq_vec v = {.type = &sq_type_timestamp3, .enc = SQ_FLAT, .data = (void *)(uintptr_t)&op->watermark};

    if (!op->held.by[0])
        return;
    while (scan->kind != SQ_N_SCAN && scan->ninputs == 1)
        scan = scan->inputs[0];
    name = scan->kind == SQ_N_SCAN ? name_of(scan, 0) : SQ_STR("");
    sq_buf_printf(b, "\n  time      %.*s%*s  ", SQ_FMT(name), width > (int)name.n ? width - (int)name.n : 0, "");
    if (op->watermark == SQ_TS_MIN)
        sq_buf_puts(b, "no watermark yet");
    else
        sq_print_value(b, &v, 0, sq_tz_utc);
    sq_buf_printf(b, ", held back by %s", op->held.by);
    if (op->held.ns >= INT64_C(1000000000))
        sq_buf_printf(b, ", which has given nothing for %lld s", (long long)(op->held.ns / 1000000000));
}

static int name_width(const struct sq_job *job)
{
    uint32_t width = 5;

    for (uint32_t i = 0; i < job->nnodes; i++) {
        struct sq_str s = job->nodes[i] ? name_of(job->nodes[i], 0) : SQ_STR("");
        if (s.n > width)
            width = s.n;
    }
    return width > 40 ? 40 : (int)width;
}

static void node_lines(struct sq_buf *b, const struct sq_job *job, const struct sq_plan *p, int width)
{
    const char *what = p->kind == SQ_N_WATERMARK && job->sum[p->id].m.bad ? "time" : label(p);
    uint32_t lines = is_source(p) ? 1 : p->ninputs;

    if (p->kind == SQ_N_WATERMARK && !job->plan->config.batch)
        time_line(b, p, &job->sum[p->id], width);

    for (uint32_t i = 0; what && i < lines; i++) {
        struct sq_str name = name_of(p, i);
        int pad = width > (int)name.n ? width - (int)name.n : 0;
        sq_buf_printf(b, "\n  %-8s  %.*s%*s  ", what, SQ_FMT(name), pad, "");
        if (is_source(p))
            source_line(b, job, &job->sum[p->id]);
        else
            input_line(b, job, p, i);
    }
}

sq_rc sq_job_account(const struct sq_job *job, struct sq_buf *b)
{
    struct sq_job_stats st;
    int width = name_width(job);

    sq_job_stats(job, &st);
    sq_buf_printf(b, "account: %llu rows in, %llu out%s", (unsigned long long)st.rows_in, (unsigned long long)st.rows_out,
                  job->failed ? "; the job failed, some may have been under way" : under_way(job) ? "; some are under way between the workers"
                  : st.balanced ? "; it balances" : "; IT DOES NOT BALANCE");
    for (int pass = 0; pass < 2; pass++)         /* sources first, then from the bottom up */
        for (uint32_t i = job->nnodes; i-- > 0;) {
            const struct sq_plan *p = job->nodes[i];
            if (p && is_source(p) == (pass == 0))
                node_lines(b, job, p, width);
        }
    sq_buf_putc(b, '\n');
    return b->rc;
}
