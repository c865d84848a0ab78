/* SPDX-License-Identifier: Apache-2.0
 *
 * load.c: what was saved, back into the operators of a job that was just opened; also with another number of workers, and where it can be with a plan
 * that has changed.
 *
 * Operators are found by their uid, the hash of what they and all below them do. Where a source is not found so, one that reads the same table of the
 * same place takes its positions: which columns a query wants is no matter to them. State without an operator is refused, with the names
 * of both sides, unless the user has said that it may go; operators without state begin empty, with a notice.
 *
 * A worker takes the key groups that are its own; what has no key group (a join's flag, a watermark) goes to every worker, as what stands there is
 * true for all. A watermark that several old workers had becomes their least; an input has ended where it had on all. Senders say again how things
 * stand. Bytes are not trusted: every length is checked.
 */
#include "executor/runtime/cut.h"
#include "executor/runtime/runtime.h"

struct in {
    struct sq_ctx *ctx;
    const char *p, *end;
    const struct sq_saved *saved;
    uint32_t op, seq;                      /* which chunks come next */
    uint32_t part, parts;                  /* of the key groups */
};

static sq_rc damaged(struct sq_ctx *ctx)
{
    return sq_fail(ctx, SQ_DATA, "the saved state is damaged, or of another job");
}

static sq_rc get(struct in *in, void *into, size_t n)
{
    if ((size_t)(in->end - in->p) < n)
        return damaged(in->ctx);
    memcpy(into, in->p, n);
    in->p += n;
    return SQ_OK;
}

/* ---- state ---- */

static sq_rc next_chunk(struct in *in, bool *there)
{
    struct sq_str s;

    *there = in->seq < in->saved->ops[in->op].nchunks;
    if (!*there)
        return SQ_OK;
    SQ_TRY(in->saved->chunk(in->saved->arg, in->op, in->seq++, &s));
    in->p = s.p;
    in->end = s.p + s.n;
    return SQ_OK;
}

static sq_rc one_record(struct in *in, uint32_t *key_group, const char **p, size_t *n)
{
    uint16_t group = 0, small = 0;
    uint64_t len;

    SQ_TRY(get(in, &group, 2));
    SQ_TRY(get(in, &small, 2));
    len = small;
    if (small == SQ_RECORD_LONG)
        SQ_TRY(get(in, &len, 8));
    *key_group = group == UINT16_MAX ? SQ_NO_KEY_GROUP : group;
    if ((uint64_t)(in->end - in->p) < len || (*key_group >= SQ_KEY_GROUPS && *key_group != SQ_NO_KEY_GROUP))
        return damaged(in->ctx);
    *p = in->p;
    *n = (size_t)len;
    in->p += len;
    return SQ_OK;
}

/* The next record that is the worker's. */
static sq_rc next_record(void *arg, uint32_t *key_group, const char **p, size_t *n)
{
    struct in *in = arg;
    bool there = true;

    for (;;) {
        *p = NULL;
        *n = 0;
        while (in->p == in->end && there)
            SQ_TRY(next_chunk(in, &there));
        if (!there)
            return SQ_OK;
        SQ_TRY(one_record(in, key_group, p, n));
        if (*key_group == SQ_NO_KEY_GROUP || in->parts == 1 || *key_group * in->parts / SQ_KEY_GROUPS == in->part)
            return SQ_OK;
    }
}

/* The first old worker's flags are taken as they are, further ones make them less. */
static sq_rc load_flags(struct sq_op *op, struct sq_str bytes, bool first)
{
    struct in in = {.ctx = op->ctx, .p = bytes.p, .end = bytes.p + bytes.n};
    uint32_t flags = 0, nins = 0;
    int64_t ts = 0, clock = 0;

    SQ_TRY(get(&in, &ts, 8));
    SQ_TRY(get(&in, &clock, 8));
    SQ_TRY(get(&in, &flags, 4));
    SQ_TRY(get(&in, &nins, 4));
    if (nins != op->nins)
        return damaged(op->ctx);
    op->watermark = first || ts < op->watermark ? ts : op->watermark;
    op->clock_us = first || clock < op->clock_us ? clock : op->clock_us;
    op->idle = (flags & 1) && (first || op->idle);
    op->ended = (flags >> 1 & 1) && (first || op->ended);
    op->satisfied = (flags >> 2 & 1) && (first || op->satisfied);
    for (uint32_t i = 0; i < nins; i++) {
        struct sq_input_state *s = &op->ins[i];
        SQ_TRY(get(&in, &ts, 8));
        SQ_TRY(get(&in, &flags, 4));
        if (!s->from)                            /* not on this worker: it has ended, always */
            continue;
        s->watermark = first || ts < s->watermark ? ts : s->watermark;
        s->idle = (flags & 1) && (first || s->idle);
        s->ended = (flags >> 1 & 1) && (first || s->ended);
    }
    sq_op_realign(op);
    return in.p == in.end ? SQ_OK : damaged(op->ctx);
}

static sq_rc load_saved_op(struct sq_op *op, const struct sq_saved *saved, uint32_t i, bool first)
{
    struct in in = {.ctx = op->ctx, .saved = saved, .op = i, .p = "", .part = op->worker->number,
                    .parts = op->plan->single ? 1 : op->worker->job->nworkers};
    struct sq_snapshot_in records = {.arg = &in, .next = next_record};

    in.end = in.p;
    SQ_TRY(load_flags(op, saved->ops[i].flags, first));
    if (saved->ops[i].nchunks == 0)
        return SQ_OK;
    return op->cls->restore ? op->cls->restore(op, &records) : damaged(op->ctx);
}

/* ---- which is whose ---- */

/* What describes a source's place, without the columns that are wanted of it. */
static struct sq_str place_of(struct sq_str text)
{
    static const char mark[] = ") columns ";

    for (uint32_t i = 0; i + sizeof mark - 1 <= text.n; i++)
        if (memcmp(text.p + i, mark, sizeof mark - 1) == 0)
            return (struct sq_str){text.p, i};
    return text;
}

static bool is_its_place(const struct sq_saved_op *s, const struct sq_plan *p)
{
    return p->kind == SQ_N_SCAN && s->kind == (uint32_t)SQ_N_SCAN && p->text.n && sq_str_eq(place_of(s->name), place_of(p->text));
}

static bool has_state(const struct sq_saved_op *s) { return s->records > 0 || s->nsplits > 0; }

static const struct sq_plan *node_of(const struct sq_job *job, const struct sq_saved_op *s)
{
    const struct sq_plan *place = NULL;

    for (uint32_t k = 0; k < job->nnodes; k++) {
        const struct sq_plan *p = job->nodes[k];
        if (!p || p->kind == SQ_N_EXCHANGE)
            continue;
        if (p->uid == s->uid && (uint32_t)p->kind == s->kind)
            return p;
        if (is_its_place(s, p))
            place = p;
    }
    return place;
}

/* The saved operators of a plan node, by their places in `ops`; those of its very uid, or else those of its place. */
static uint32_t saved_of(const struct sq_saved *saved, const struct sq_plan *p, uint32_t *which)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < saved->nops; i++)
        if (saved->ops[i].uid == p->uid && saved->ops[i].kind == (uint32_t)p->kind)
            which[n++] = i;
    for (uint32_t i = 0; n == 0 && i < saved->nops; i++)
        for (uint32_t k = i; is_its_place(&saved->ops[i], p) && k < saved->nops; k++)
            if (saved->ops[k].uid == saved->ops[i].uid)
                which[n++] = k;
    for (uint32_t i = 1; i < n; i++)             /* in the order of the old workers */
        for (uint32_t k = i; k > 0 && saved->ops[which[k]].worker < saved->ops[which[k - 1]].worker; k--) {
            uint32_t swap = which[k];
            which[k] = which[k - 1];
            which[k - 1] = swap;
        }
    return n;
}

/* ---- what does not fit ---- */

static void list_dropped(const struct sq_job *job, const struct sq_saved *saved, struct sq_buf *b)
{
    for (uint32_t i = 0; i < saved->nops; i++) {
        const struct sq_saved_op *s = &saved->ops[i];
        uint64_t records = 0;
        bool told = false;
        if (node_of(job, s))
            continue;
        for (uint32_t k = 0; k < saved->nops; k++)
            if (saved->ops[k].uid == s->uid) {
                records += has_state(&saved->ops[k]) ? saved->ops[k].records + saved->ops[k].nsplits : 0;
                told |= k < i;
            }
        if (told || records == 0)
            continue;
        sq_buf_printf(b, "%s%.*s (%llu %s)", b->n ? "; " : "", SQ_FMT(s->name), (unsigned long long)records,
                      s->kind == (uint32_t)SQ_N_SCAN ? "positions" : "records");
    }
}

static bool keeps_state(const struct sq_job *job, const struct sq_plan *p)
{
    const struct sq_op *op = job->workers[0].ops[p->id];

    return p->kind != SQ_N_EXCHANGE && op && (op->cls->snapshot || p->kind == SQ_N_SCAN);
}

static void list_new(const struct sq_job *job, const struct sq_saved *saved, struct sq_buf *b)
{
    uint32_t which[SQ_WORKERS_MOST];

    for (uint32_t k = 0; k < job->nnodes; k++) {
        const struct sq_plan *p = job->nodes[k];
        if (p && keeps_state(job, p) && saved_of(saved, p, which) == 0)
            sq_buf_printf(b, "%s%.*s", b->n ? "; " : "", SQ_FMT(p->text));
    }
}

static sq_rc check_fit(struct sq_job *job, const struct sq_saved *saved, bool drop)
{
    struct sq_buf dropped, fresh;
    sq_rc rc;

    sq_buf_init(&dropped, job->ctx);
    sq_buf_init(&fresh, job->ctx);
    list_dropped(job, saved, &dropped);
    list_new(job, saved, &fresh);
    rc = dropped.rc != SQ_OK ? dropped.rc : fresh.rc;
    if (rc == SQ_OK && dropped.n && !drop) {
        sq_fail(job->ctx, SQ_SEMANTIC, "the job has changed since epoch %llu: its plan has no place for the state of %s%s%s", (unsigned long long)saved->epoch,
                dropped.p, fresh.n ? "; what is new in it: " : "", fresh.n ? fresh.p : "");
        rc = sq_hint(job->ctx, "--allow-dropped-state ('execution.savepoint.ignore-unclaimed-state' = 'true') goes on without that state; another "
                               "'pipeline.name' or 'execution.checkpointing.dir' begins anew");
    } else if (rc == SQ_OK) {
        if (dropped.n)
            sq_notice(job->ctx, "state is dropped, as allowed: %s", dropped.p);
        if (fresh.n && saved->nops)
            sq_notice(job->ctx, "begins without state: %s", fresh.p);
    }
    sq_buf_free(&dropped);
    sq_buf_free(&fresh);
    return rc;
}

/* ---- all of it ---- */

/* What the sender has passed on is what came to it; it will be said again. */
static sq_rc resume_sender(struct sq_op *op)
{
    const struct sq_op *from = op->ins[0].from;

    op->watermark = op->ins[0].watermark = from->watermark;
    op->idle = op->ins[0].idle = from->idle;
    op->ended = op->ins[0].ended = from->ended;
    return sq_sender_resume(op);
}

static sq_rc load_op(struct sq_op *op, const struct sq_saved *saved, const uint32_t *which, uint32_t n)
{
    const struct sq_saved_op *list[SQ_WORKERS_MOST];

    for (uint32_t i = 0; i < n; i++) {
        SQ_TRY(load_saved_op(op, saved, which[i], i == 0));
        list[i] = &saved->ops[which[i]];
    }
    if (sq_op_is_source(op) && op->worker->number == 0 && n > 0)
        return sq_source_load(op, list, n);
    return SQ_OK;
}

static sq_rc load_worker(struct sq_worker *w, const struct sq_saved *saved)
{
    uint32_t which[SQ_WORKERS_MOST];

    for (uint32_t i = 0; i < w->nops; i++)
        if (w->ops[i] && w->ops[i]->plan->kind != SQ_N_EXCHANGE)
            SQ_TRY(load_op(w->ops[i], saved, which, saved_of(saved, w->ops[i]->plan, which)));
    for (uint32_t i = 0; i < w->nops; i++) {
        struct sq_op *op = w->ops[i];
        if (op && op->cls == &sq_op_sender && op->ins[0].from->cls != &sq_op_receiver)
            SQ_TRY(resume_sender(op));
        if (op && sq_op_is_source(op) && op->ended) {
            atomic_fetch_add(&w->job->sources_ended[i], 1);
            atomic_fetch_sub(&w->job->sources_live, 1);
        }
    }
    return SQ_OK;
}

/* No operator ran on one worker twice, so the lists above have room. */
static sq_rc check_workers(struct sq_job *job, const struct sq_saved *saved)
{
    for (uint32_t i = 0; i < saved->nops; i++) {
        if (saved->ops[i].worker >= SQ_WORKERS_MOST)
            return damaged(job->ctx);
        for (uint32_t k = 0; k < i; k++)
            if (saved->ops[k].uid == saved->ops[i].uid && saved->ops[k].worker == saved->ops[i].worker)
                return damaged(job->ctx);
    }
    return SQ_OK;
}

sq_rc sq_job_load_saved(struct sq_job *job, const struct sq_saved *saved, bool drop)
{
    SQ_TRY(check_workers(job, saved));
    SQ_TRY(check_fit(job, saved, drop));
    for (uint32_t i = 0; i < job->nworkers; i++)
        SQ_TRY(sq_job_told(job, i, load_worker(&job->workers[i], saved)));
    return SQ_OK;
}
