/* SPDX-License-Identifier: Apache-2.0
 *
 * source.c: the operators that bring rows in: Scan drives a connector's reader, Values hands out the plan's constant rows.
 *
 * Splits are listed when the job opens (what is not there is an error then) and given to the reader at the first poll, with the positions of
 * a restored job. A split's position is always the one behind the last batch that was pushed through, as a batch reaches the sinks before
 * the next is asked for.
 */
#include "executor/runtime/runtime.h"

enum { SPLIT_NEW, SPLIT_READING, SPLIT_ENDED };

struct split {
    struct sq_split split;
    uint32_t state;
    uint32_t number;                       /* in the reader */
    bool given;                            /* … which has it */
    struct sq_str position;                /* restored */
};

struct scan {
    struct sq_op base;
    struct sq_scan_spec spec;
    struct sq_arena arena;
    struct sq_reader *reader;
    struct split *splits;                  /* in the arena */
    uint32_t nsplits;
    uint32_t *by_number;                   /* reader's number -> position in splits */
    bool begun;
};

struct values {
    struct sq_op base;
    uint32_t at;                           /* next batch */
};

bool sq_op_is_source(const struct sq_op *op)
{
    return op->cls == &sq_op_scan || op->cls == &sq_op_values;
}

/* ---- scan ---- */

static const struct sq_source_class *source_of(const struct sq_op *op)
{
    return op->plan->u.scan.connector->source;
}

static sq_rc scan_open(struct sq_op *op)
{
    struct scan *s = SQ_OP(op, struct scan);
    struct sq_split *found = NULL;
    uint32_t n = 0;

    sq_arena_init(&s->arena, op->ctx);
    s->spec = (struct sq_scan_spec){.table = op->plan->u.scan.table, .ext = op->plan->u.scan.ext, .session = &op->config->session,
                                    .cols = op->plan->u.scan.cols, .ncols = op->plan->ncols, .batch_rows = op->config->batch_rows};
    if (s->spec.batch_rows == 0 || s->spec.batch_rows > SQ_BATCH_ROWS)
        s->spec.batch_rows = SQ_BATCH_ROWS;
    SQ_TRY(source_of(op)->splits(op->ctx, &s->arena, &s->spec, 1, &found, &n));
    s->splits = SQ_NEW_ARRAY(&s->arena, struct split, n + 1);
    if (!s->splits)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        s->splits[i] = (struct split){.split = found[i]};
    s->nsplits = n;
    return source_of(op)->open(op->ctx, &s->spec, &s->reader);
}

static sq_rc scan_begin(struct scan *s)
{
    const struct sq_source_class *src = source_of(&s->base);
    uint32_t n = 0;

    s->begun = true;
    s->by_number = SQ_NEW_ARRAY(&s->arena, uint32_t, s->nsplits + 1);
    if (!s->by_number)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < s->nsplits; i++) {
        if (s->splits[i].state == SPLIT_ENDED)
            continue;
        SQ_TRY(src->add_split(s->reader, &s->splits[i].split, s->splits[i].position));
        s->splits[i].state = SPLIT_READING;
        s->splits[i].number = n;
        s->splits[i].given = true;
        s->by_number[n++] = i;
    }
    if (n > 0)
        return SQ_OK;
    return s->base.plan->u.scan.info.bounded ? sq_emit_end(&s->base) : sq_emit_idle(&s->base, true);
}

/* Gives the reader a split that came up while the job runs. */
static sq_rc add_found(struct scan *s, const struct sq_split *found)
{
    for (uint32_t i = 0; i < s->nsplits; i++)
        if (sq_str_eq(s->splits[i].split.id, found->id))
            return SQ_OK;
    struct split *grown = SQ_NEW_ARRAY(&s->arena, struct split, s->nsplits + 2);
    uint32_t *by_number = SQ_NEW_ARRAY(&s->arena, uint32_t, s->nsplits + 2), n = 0;
    if (!grown || !by_number)
        return SQ_NOMEM;
    memcpy(grown, s->splits, s->nsplits * sizeof *grown);
    memcpy(by_number, s->by_number, s->nsplits * sizeof *by_number);
    for (uint32_t i = 0; i < s->nsplits; i++)
        if (grown[i].given && grown[i].number >= n)
            n = grown[i].number + 1;
    struct split *sp = &grown[s->nsplits];
    *sp = (struct split){.split = {sq_str_dup(&s->arena, found->id), sq_str_dup(&s->arena, found->payload)}, .state = SPLIT_READING, .number = n, .given = true};
    if (!sp->split.id.p || !sp->split.payload.p)
        return SQ_NOMEM;
    by_number[n] = s->nsplits;
    SQ_TRY(source_of(&s->base)->add_split(s->reader, &sp->split, (struct sq_str){NULL, 0}));
    s->splits = grown;
    s->by_number = by_number;
    s->nsplits++;
    sq_notice(s->base.ctx, "%.*s: found %.*s", SQ_FMT(s->base.plan->u.scan.path), SQ_FMT(sp->split.id));
    return sq_emit_idle(&s->base, false);
}

static sq_rc scan_discover(struct scan *s)
{
    struct sq_split *found = NULL;
    struct sq_arena a;
    uint32_t n = 0;

    sq_arena_init(&a, s->base.ctx);
    sq_rc rc = source_of(&s->base)->discover(s->reader, &a, &found, &n);
    for (uint32_t i = 0; rc == SQ_OK && i < n; i++)
        rc = add_found(s, &found[i]);
    sq_arena_free(&a);
    return rc;
}

static sq_rc scan_poll(struct scan *s, bool *got, int64_t *wait_us)
{
    struct sq_poll poll = {0};

    if (!s->begun) {
        SQ_TRY(scan_begin(s));
        if (s->base.ended)
            return SQ_OK;
    }
    if (source_of(&s->base)->discover)
        SQ_TRY(scan_discover(s));
    SQ_TRY(source_of(&s->base)->poll(s->reader, &poll));
    switch (poll.state) {
    case SQ_POLL_IDLE:
        if (poll.wait_us < *wait_us)
            *wait_us = poll.wait_us;
        return SQ_OK;
    case SQ_POLL_END:
        *got = true;
        return sq_emit_end(&s->base);
    case SQ_POLL_SPLIT_END:
        SQ_ASSERT(poll.split < s->nsplits);
        s->splits[s->by_number[poll.split]].state = SPLIT_ENDED;
        break;
    case SQ_POLL_ROWS:
        break;
    }
    *got = true;
    return poll.batch ? sq_emit_batch(&s->base, poll.batch) : SQ_OK;
}

static void scan_close(struct sq_op *op)
{
    struct scan *s = SQ_OP(op, struct scan);

    if (s->reader)
        source_of(op)->close(s->reader);
    s->reader = NULL;
    if (s->arena.ctx)
        sq_arena_free(&s->arena);
}

/* ---- values ---- */

static sq_rc values_open(struct sq_op *op)
{
    (void)op;
    return SQ_OK;
}

/* At most batch_rows rows of a constant batch at a time; they are all there, so a view of a part is a selection. */
static sq_rc values_poll(struct values *v, bool *got)
{
    const struct sq_plan *plan = v->base.plan;
    const struct sq_batch *all;
    uint32_t sel[SQ_BATCH_ROWS], step = v->base.config->batch_rows;
    struct sq_batch part;

    *got = true;
    if (v->at == plan->u.values.nbatches)
        return sq_emit_end(&v->base);
    all = &plan->u.values.rows[v->at++];
    if (step == 0 || step >= all->nsel)
        return sq_emit_batch(&v->base, all);
    for (uint32_t from = 0; from < all->nsel; from += step) {
        part = *all;
        part.nsel = all->nsel - from < step ? all->nsel - from : step;
        for (uint32_t i = 0; i < part.nsel; i++)
            sel[i] = sq_row(all, from + i);
        part.sel = sel;
        SQ_TRY(sq_emit_batch(&v->base, &part));
    }
    return SQ_OK;
}

/* ---- both ---- */

sq_rc sq_source_poll(struct sq_op *op, bool *got, int64_t *wait_us)
{
    if (op->cls == &sq_op_values)
        return values_poll(SQ_OP(op, struct values), got);
    return scan_poll(SQ_OP(op, struct scan), got, wait_us);
}

void sq_source_stats(const struct sq_op *op, struct sq_source_stats *st)
{
    memset(st, 0, sizeof *st);
    st->total_bytes = -1;
    if (op->cls == &sq_op_values)
        st->records = st->rows = op->m.out;
    else if (((const struct scan *)op)->reader && source_of(op)->stats)
        source_of(op)->stats(((const struct scan *)op)->reader, st);
}

static sq_rc put_str(struct sq_buf *b, struct sq_str s)
{
    SQ_TRY(sq_buf_u32(b, s.n));
    return sq_buf_str(b, s);
}

sq_rc sq_source_save(struct sq_op *op, struct sq_buf *out)
{
    struct scan *s = SQ_OP(op, struct scan);

    if (op->cls == &sq_op_values)
        return sq_buf_u32(out, SQ_OP(op, struct values)->at);
    SQ_TRY(sq_buf_u32(out, s->nsplits));
    for (uint32_t i = 0; i < s->nsplits; i++) {
        struct split *sp = &s->splits[i];
        size_t at;
        SQ_TRY(put_str(out, sp->split.id));
        SQ_TRY(put_str(out, sp->split.payload));
        SQ_TRY(sq_buf_u32(out, sp->state));
        if (sp->state != SPLIT_READING) {
            SQ_TRY(put_str(out, sp->position));
            continue;
        }
        at = out->n;
        SQ_TRY(sq_buf_u32(out, 0));
        SQ_TRY(source_of(op)->position(s->reader, sp->number, out));
        uint32_t n = (uint32_t)(out->n - at - 4);
        memcpy(out->p + at, &n, 4);
    }
    return out->rc;
}

static sq_rc damaged(struct sq_op *op)
{
    return sq_fail(op->ctx, SQ_DATA, "the saved positions of %.*s are damaged", SQ_FMT(op->plan->u.scan.path));
}

static bool get_u32(struct sq_str *s, uint32_t *v)
{
    if (s->n < 4)
        return false;
    memcpy(v, s->p, 4);
    *s = (struct sq_str){s->p + 4, s->n - 4};
    return true;
}

static bool get_str(struct sq_str *s, struct sq_str *v)
{
    uint32_t n;

    if (!get_u32(s, &n) || s->n < n)
        return false;
    *v = (struct sq_str){s->p, n};
    *s = (struct sq_str){s->p + n, s->n - n};
    return true;
}

/* A saved split is the listed one of its name, or one that is gone from the listing and is read by what was saved. */
static sq_rc load_split(struct scan *s, const struct split *saved)
{
    struct split *grown, copy = *saved;

    copy.split.id = sq_str_dup(&s->arena, saved->split.id);
    copy.split.payload = sq_str_dup(&s->arena, saved->split.payload);
    copy.position = sq_str_dup(&s->arena, saved->position);
    if (!copy.split.id.p || !copy.split.payload.p || !copy.position.p)
        return SQ_NOMEM;
    if (copy.position.n == 0)
        copy.position.p = NULL;
    for (uint32_t i = 0; i < s->nsplits; i++)
        if (sq_str_eq(s->splits[i].split.id, copy.split.id)) {
            s->splits[i] = copy;
            return SQ_OK;
        }
    grown = SQ_NEW_ARRAY(&s->arena, struct split, s->nsplits + 2);
    if (!grown)
        return SQ_NOMEM;
    memcpy(grown, s->splits, s->nsplits * sizeof *grown);
    grown[s->nsplits++] = copy;
    s->splits = grown;
    return SQ_OK;
}

sq_rc sq_source_load(struct sq_op *op, struct sq_str in)
{
    struct scan *s = SQ_OP(op, struct scan);
    uint32_t n;

    if (op->cls == &sq_op_values)
        return get_u32(&in, &SQ_OP(op, struct values)->at) && SQ_OP(op, struct values)->at <= op->plan->u.values.nbatches ? SQ_OK : damaged(op);
    if (!get_u32(&in, &n))
        return damaged(op);
    for (uint32_t i = 0; i < n; i++) {
        struct split sp = {0};
        if (!get_str(&in, &sp.split.id) || !get_str(&in, &sp.split.payload) || !get_u32(&in, &sp.state) || !get_str(&in, &sp.position) ||
            sp.state > SPLIT_ENDED)
            return damaged(op);
        SQ_TRY(load_split(s, &sp));
    }
    return SQ_OK;
}

const struct sq_op_class sq_op_scan = {.name = "Scan", .size = sizeof(struct scan), .open = scan_open, .close = scan_close};
const struct sq_op_class sq_op_values = {.name = "Values", .size = sizeof(struct values), .open = values_open};
