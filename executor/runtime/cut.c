/* SPDX-License-Identifier: Apache-2.0
 *
 * cut.c: collects the state of a job at a barrier (cut.h).
 *
 * State is written as records (cut.h), gathered into chunks of about eight megabytes that hold whole records: so large that their
 * memory can come in huge pages, as a page fault for each 4 KB costs as much as what is written there. Exchanges keep nothing:
 * what was in them before the barrier has come through when the cut is whole.
 */
#include "executor/runtime/cut.h"

#include "base/os.h"
#include "executor/runtime/runtime.h"

enum { CHUNK = 8 << 20, SMALL = 1 << 10 };

struct saver {
    struct sq_cut *cut;
    struct sq_saved_op *to;
    struct sq_buf buf;
    size_t record;                         /* where the one under way begins */
};

sq_rc sq_cut_init(struct sq_cut *cut, struct sq_job *job, uint64_t barrier, bool state)
{
    *cut = (struct sq_cut){.job = job, .barrier = barrier, .state = state};
    atomic_init(&cut->left, job->nworkers);
    cut->parts = sq_calloc(job->ctx, job->nworkers * sizeof *cut->parts);
    if (!cut->parts)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < job->nworkers; i++)
        sq_arena_init(&cut->parts[i].arena, job->workers[i].ctx);
    return SQ_OK;
}

void sq_cut_free(struct sq_cut *cut)
{
    for (uint32_t i = 0; cut->parts && i < cut->job->nworkers; i++)
        sq_arena_free(&cut->parts[i].arena);
    if (cut->parts)
        sq_free(cut->job->ctx, cut->parts);
    cut->parts = NULL;
}

/* ---- an operator's state ---- */

static sq_rc hand_on(struct saver *s)
{
    sq_rc rc;

    if (s->buf.n == 0)
        return SQ_OK;
    s->to->bytes += s->buf.n;
    rc = s->cut->chunk(s->cut->arg, s->to, s->to->nchunks++, &s->buf);
    sq_buf_reset(&s->buf);
    return rc;
}

/* The first chunk of an operator grows as it fills: most have little state. */
static sq_rc room(struct saver *s, size_t n)
{
    if (s->buf.n && s->buf.n + n > CHUNK)
        SQ_TRY(hand_on(s));
    if (s->buf.p || s->to->nchunks == 0 || n > CHUNK)
        return sq_buf_reserve(&s->buf, n);
    if (s->cut->spare && s->cut->spare(s->cut->arg, &s->buf))
        return sq_buf_reserve(&s->buf, n);
    SQ_TRY(sq_buf_reserve(&s->buf, CHUNK));
    sq_os_huge_pages(s->buf.p, s->buf.cap);
    return SQ_OK;
}

static void put_header(struct saver *s, uint32_t key_group, uint64_t len)
{
    char *p = s->buf.p + s->buf.n;
    uint16_t group = (uint16_t)key_group, n = len < SQ_RECORD_LONG ? (uint16_t)len : SQ_RECORD_LONG;

    memcpy(p, &group, 2);
    memcpy(p + 2, &n, 2);
    s->buf.n += SQ_RECORD_HEADER;
    if (n == SQ_RECORD_LONG) {
        memcpy(p + 4, &len, 8);
        s->buf.n += 8;
    }
    s->to->records++;
}

static sq_rc put_record(void *arg, uint32_t key_group, const void *p, size_t n)
{
    struct saver *s = arg;

    SQ_TRY(room(s, n + SQ_RECORD_HEADER + 8));
    put_header(s, key_group, n);
    return sq_buf_add(&s->buf, p, n);
}

static struct sq_buf *begin_record(void *arg, uint32_t key_group)
{
    struct saver *s = arg;

    if (room(s, SMALL + SQ_RECORD_HEADER + 8) != SQ_OK)
        return NULL;
    s->record = s->buf.n;
    put_header(s, key_group, 0);
    return &s->buf;
}

/* Its length is known now. A long one is moved: its header is longer. */
static sq_rc end_record(void *arg)
{
    struct saver *s = arg;
    uint64_t len = s->buf.n - s->record - SQ_RECORD_HEADER;
    uint16_t n = len < SQ_RECORD_LONG ? (uint16_t)len : SQ_RECORD_LONG;

    if (n == SQ_RECORD_LONG) {
        SQ_TRY(sq_buf_u64(&s->buf, 0));
        char *p = s->buf.p + s->record + SQ_RECORD_HEADER;
        memmove(p + 8, p, len);
        memcpy(p, &len, 8);
    }
    memcpy(s->buf.p + s->record + 2, &n, 2);
    return SQ_OK;
}

static sq_rc save_state(struct sq_op *op, struct sq_cut *cut, struct sq_saved_op *to)
{
    struct saver s = {.cut = cut, .to = to};
    struct sq_snapshot_out out = {.arg = &s, .put = put_record, .begin = begin_record, .done = end_record};
    sq_rc rc;

    sq_buf_init(&s.buf, op->ctx);
    rc = op->cls->snapshot(op, &out);
    if (rc == SQ_OK)
        rc = hand_on(&s);
    sq_buf_free(&s.buf);
    return rc;
}

static sq_rc save_flags(const struct sq_op *op, struct sq_arena *arena, struct sq_str *out)
{
    struct sq_buf b;

    sq_buf_init(&b, op->ctx);
    sq_buf_u64(&b, (uint64_t)op->watermark);
    sq_buf_u64(&b, (uint64_t)op->clock_us);
    sq_buf_u32(&b, (uint32_t)op->idle | (uint32_t)op->ended << 1 | (uint32_t)op->satisfied << 2);
    sq_buf_u32(&b, op->nins);
    for (uint32_t i = 0; i < op->nins; i++) {
        sq_buf_u64(&b, (uint64_t)op->ins[i].watermark);
        sq_buf_u32(&b, (uint32_t)op->ins[i].idle | (uint32_t)op->ins[i].ended << 1);
    }
    *out = b.rc == SQ_OK ? sq_str_dup(arena, sq_buf_view(&b)) : (struct sq_str){NULL, 0};
    sq_buf_free(&b);
    return out->p ? SQ_OK : SQ_NOMEM;
}

/* Exchanges are not kept: they hold nothing at a barrier. */
static bool is_kept(const struct sq_op *op) { return op && op->plan->kind != SQ_N_EXCHANGE; }

static sq_rc save_op(struct sq_op *op, struct sq_cut *cut, struct sq_cut_part *part, bool with_state)
{
    struct sq_saved_op *to;

    if (!part->ops && !(part->ops = SQ_NEW_ARRAY(&part->arena, struct sq_saved_op, op->worker->nops + 1)))
        return SQ_NOMEM;
    to = &part->ops[part->nops++];
    *to = (struct sq_saved_op){.uid = op->plan->uid, .kind = (uint32_t)op->plan->kind, .worker = op->worker->number, .watermark = op->watermark};
    to->name = op->cls == &sq_op_sink ? sq_sink_name(op) : op->plan->text.p ? op->plan->text : SQ_STR("");
    SQ_TRY(save_flags(op, &part->arena, &to->flags));
    if (sq_op_is_source(op))
        SQ_TRY(sq_source_cut(op, &part->arena, to));
    return with_state && op->cls->snapshot ? save_state(op, cut, to) : SQ_OK;
}

sq_rc sq_cut_op(struct sq_op *op, uint64_t barrier)
{
    struct sq_cut *cut = op->worker ? atomic_load_explicit(&op->worker->job->cut, memory_order_acquire) : NULL;   /* tests have operators alone */

    if (!cut || cut->barrier != barrier || !cut->state || !is_kept(op))
        return SQ_OK;
    return save_op(op, cut, &cut->parts[op->worker->number], true);
}

sq_rc sq_cut_worker(struct sq_worker *w, uint64_t barrier)
{
    struct sq_cut *cut;

    if (w->cut == barrier)                       /* its part is there, so the cut may be over, and the next one in the making */
        return SQ_OK;
    cut = atomic_load_explicit(&w->job->cut, memory_order_acquire);
    if (!cut || cut->barrier != barrier)
        return SQ_OK;
    w->cut = barrier;
    for (uint32_t i = 0; i < w->nops; i++) {
        struct sq_op *op = w->ops[i];
        if (!is_kept(op) || op->epoch == barrier)
            continue;
        if (cut->state)                          /* it had ended */
            SQ_TRY(save_op(op, cut, &cut->parts[w->number], false));
        if (op->cls == &sq_op_sink)
            SQ_TRY(sq_sink_hand_over(op));
    }
    atomic_fetch_sub(&cut->left, 1);
    sq_event_raise(&w->job->workers[0].event);
    return SQ_OK;
}

sq_rc sq_cut_ops(struct sq_cut *cut, struct sq_arena *arena, struct sq_saved_op **out, uint32_t *n)
{
    uint32_t total = 0;

    for (uint32_t i = 0; i < cut->job->nworkers; i++)
        total += cut->parts[i].nops;
    *out = SQ_NEW_ARRAY(arena, struct sq_saved_op, total + 1);
    if (!*out)
        return SQ_NOMEM;
    *n = 0;
    for (uint32_t i = 0; i < cut->job->nworkers; i++)
        for (uint32_t k = 0; k < cut->parts[i].nops; k++)
            (*out)[(*n)++] = cut->parts[i].ops[k];
    return SQ_OK;
}
