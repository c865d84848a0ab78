/* SPDX-License-Identifier: Apache-2.0
 *
 * account.c: what a job read, kept, dropped and wrote, and whether it adds up.
 *
 *   at a source:  records = good + bad + filtered; as many rows left it as its reader gave (a record may give several)
 *   at an input:  in = accepted + filtered + late; in = what the producer put out
 */
#include "executor/runtime/runtime.h"

#include "base/os.h"

static bool source_balances(const struct sq_op *op, const struct sq_source_stats *st)
{
    uint64_t good = st->records - st->bad - st->filtered;

    return st->bad + st->filtered <= st->records && st->rows >= good && st->rows == op->m.out;
}

static bool input_balances(const struct sq_input_state *in)
{
    return in->in == in->accepted + in->filtered + in->late && in->in == in->from->m.out;
}

static size_t state_of(const struct sq_op *op)
{
    return op->cls->state_bytes ? op->cls->state_bytes(op) : 0;
}

uint32_t sq_job_nodes(const struct sq_job *job, struct sq_node_stats *out, uint32_t max)
{
    const struct sq_worker *w = &job->worker;
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->nops; i++) {
        const struct sq_op *op = w->ops[i];
        if (!op)
            continue;
        if (n < max) {
            out[n] = (struct sq_node_stats){.plan = op->plan, .m = sq_op_count(op), .state_bytes = state_of(op), .watermark = op->watermark};
            if (sq_op_is_source(op))
                sq_source_stats(op, &out[n].source);
        }
        n++;
    }
    return n;
}

void sq_job_stats(const struct sq_job *job, struct sq_job_stats *st)
{
    const struct sq_worker *w = &job->worker;
    int64_t now = job->ended_ns ? job->ended_ns : job->ctx->os ? job->ctx->os->mono_ns(job->ctx->os->arg) : 0;

    *st = (struct sq_job_stats){.elapsed_ns = now - job->started_ns, .balanced = true};
    for (uint32_t i = 0; i < w->nops; i++) {
        const struct sq_op *op = w->ops[i];
        if (!op)
            continue;
        for (uint32_t k = 0; k < op->nins; k++) {
            st->balanced &= input_balances(&op->ins[k]);
            st->late += op->ins[k].late;
            if (op->nouts == 0)
                st->rows_out += op->ins[k].accepted;
        }
        if (sq_op_is_source(op)) {
            struct sq_source_stats s;
            sq_source_stats(op, &s);
            st->balanced &= source_balances(op, &s);
            st->rows_in += s.rows;
            st->bad += s.bad;
            st->filtered += s.filtered;
            st->bytes_in += s.bytes;
            st->bytes_total = s.total_bytes < 0 || st->bytes_total < 0 ? -1 : st->bytes_total + s.total_bytes;
        }
    }
}

/* ---- as text ---- */

static const char *label(const struct sq_op *op)
{
    switch (op->plan->kind) {
    case SQ_N_SCAN: return "read";
    case SQ_N_VALUES: return "values";
    case SQ_N_FILTER: return "filter";
    case SQ_N_AGGREGATE: return op->plan->u.agg.nitems ? "group" : "distinct";
    case SQ_N_JOIN: return "join";
    case SQ_N_SORT: return "sort";
    case SQ_N_LIMIT: return "limit";
    case SQ_N_SINK: return "write";
    case SQ_N_COLLECT: return "show";
    default: return NULL;                       /* rows pass one by one: not worth a line */
    }
}

static struct sq_str name_of(const struct sq_op *op, uint32_t input)
{
    if (op->plan->kind == SQ_N_SCAN)
        return op->plan->u.scan.table->name;
    if (op->plan->kind == SQ_N_SINK)
        return op->plan->u.sink.table->name;
    if (op->plan->kind == SQ_N_JOIN)
        return input == 0 ? SQ_STR("left") : SQ_STR("right");
    return SQ_STR("");
}

/* ", of which" parts that are nought are left out, so the usual line is short: "12 in = 12 accepted". */
static void part(struct sq_buf *b, uint64_t n, const char *what)
{
    if (n)
        sq_buf_printf(b, " + %llu %s", (unsigned long long)n, what);
}

static void source_line(struct sq_buf *b, const struct sq_op *op)
{
    struct sq_source_stats st;
    uint64_t good;

    sq_source_stats(op, &st);
    good = st.records - st.bad - st.filtered;
    if (good == st.rows)
        sq_buf_printf(b, "%llu records = %llu rows + %llu bad", (unsigned long long)st.records, (unsigned long long)good, (unsigned long long)st.bad);
    else
        sq_buf_printf(b, "%llu records = %llu good (%llu rows) + %llu bad", (unsigned long long)st.records, (unsigned long long)good,
                      (unsigned long long)st.rows, (unsigned long long)st.bad);
    part(b, st.filtered, "without a row");
    if (st.bad_values)
        sq_buf_printf(b, st.bad_values == 1 ? "; %llu value did not fit and is NULL" : "; %llu values did not fit and are NULL", (unsigned long long)st.bad_values);
    if (!source_balances(op, &st) && !op->worker->job->failed)
        sq_buf_printf(b, "  (does not balance: %llu rows went on)", (unsigned long long)op->m.out);
}

static void input_line(struct sq_buf *b, const struct sq_op *op, uint32_t i)
{
    const struct sq_input_state *in = &op->ins[i];

    sq_buf_printf(b, "%llu in = %llu %s", (unsigned long long)in->in, (unsigned long long)in->accepted, op->nouts ? "accepted" : "written");
    part(b, in->filtered, "filtered");
    part(b, in->late, "late");
    if (op->nouts && i + 1 == op->nins)
        sq_buf_printf(b, "; %llu out", (unsigned long long)op->m.out);
    if (op->m.overflows && i == 0)
        sq_buf_printf(b, "; %llu overflowed", (unsigned long long)op->m.overflows);
    if (!input_balances(in) && !op->worker->job->failed)
        sq_buf_puts(b, "  (does not balance)");
}

static int name_width(const struct sq_worker *w)
{
    uint32_t width = 5;

    for (uint32_t i = 0; i < w->nops; i++) {
        struct sq_str s = w->ops[i] ? name_of(w->ops[i], 0) : SQ_STR("");
        if (s.n > width)
            width = s.n;
    }
    return width > 40 ? 40 : (int)width;
}

static void op_lines(struct sq_buf *b, const struct sq_op *op, int width)
{
    const char *what = label(op);
    uint32_t lines = sq_op_is_source(op) ? 1 : op->nins;

    for (uint32_t i = 0; what && i < lines; i++) {
        struct sq_str name = name_of(op, i);
        int pad = width > (int)name.n ? width - (int)name.n : 0;
        sq_buf_printf(b, "\n  %-8s  %.*s%*s  ", what, SQ_FMT(name), pad, "");
        if (sq_op_is_source(op))
            source_line(b, op);
        else
            input_line(b, op, i);
    }
}

sq_rc sq_job_account(const struct sq_job *job, struct sq_buf *b)
{
    const struct sq_worker *w = &job->worker;
    struct sq_job_stats st;
    int width = name_width(w);

    sq_job_stats(job, &st);
    sq_buf_printf(b, "account: %llu rows in, %llu out%s", (unsigned long long)st.rows_in, (unsigned long long)st.rows_out,
                  job->failed ? " when it failed" : st.balanced ? "; it balances" : "; IT DOES NOT BALANCE");
    for (int pass = 0; pass < 2; pass++)         /* sources first, then from the bottom up */
        for (uint32_t i = w->nops; i-- > 0;) {
            const struct sq_op *op = w->ops[i];
            if (op && sq_op_is_source(op) == (pass == 0))
                op_lines(b, op, width);
        }
    sq_buf_putc(b, '\n');
    return b->rc;
}
