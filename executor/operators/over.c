/* SPDX-License-Identifier: Apache-2.0
 *
 * over.c: aggregates OVER the rows before each row, in the order of an event time: … OVER (PARTITION BY k ORDER BY ts ROWS|RANGE BETWEEN … PRECEDING AND CURRENT ROW).
 *
 * Rows wait until the watermark is behind their time; then each partition's go on in the order of time, and of arrival where times are equal. A row is added to its partition's accumulators
 * (agg_state.c) and rows that are no longer in its window are taken off them; with RANGE all rows of one time come first, and then get the same results. To do that a batch at a time,
 * rows are taken in rounds: in each, every partition that has one gives its next row, or rows of one time.
 *
 * A row whose time is below the watermark that it is judged by (op.h: sq_row_watermark) is late: dropped and counted. In batch mode everything is put out at the end.
 *
 * State: the rows that wait; behind them those that later windows still hold, and the accumulators. A partition is forgotten when its last row has left every later window, which is known with RANGE alone: with ROWS, and where
 * the window is unbounded, it is kept for good. A heap by time says which partitions a watermark concerns. FLINK: takes rows of the watermark's own time for late.
 */
#include "executor/operators/aggregate.h"
#include "executor/sortkey.h"
#include "executor/window_store.h"

#include <stdlib.h>

struct orow { int64_t time; uint32_t nkey, nrow; char bytes[]; };         /* sort key (batch mode), packed row */

/* Of a partition: rows in the order of time; v[0..done) have been put out and are in the accumulators from `first` on. */
struct line {
    struct orow **v;
    uint32_t n, cap, first, done;
    int64_t at;                            /* up to here it has to be looked at: the end of its item in the heap; SQ_TS_MAX: it has none */
    uint64_t number;
};

struct over {
    struct aggregate a;                    /* groups: partitions; an entry's `mark` is 1 + the number of its line */
    struct sq_hashtab lines;               /* partition -> struct line * */
    struct sq_slab slab;
    struct sq_out rows;                    /* rows of a round, unpacked */
    struct sq_out out;
    struct sq_buf key, row;
    uint32_t time;                         /* input column */
    bool timed;                            /* by time; else (batch mode) by sort key alone */
    struct sq_entry **due;                 /* partitions with rows whose time has come */
    size_t ndue, due_cap;
    size_t bytes;
    struct sq_entry *group[SQ_BATCH_ROWS];
    uint8_t kind[SQ_BATCH_ROWS];
    struct sq_window_heap when;            /* of: the partition's entry in `lines` */
    uint64_t nlines;
};

static struct line *line_of(struct sq_entry *e) { return *(struct line **)SQ_PAYLOAD(e); }

static sq_rc over_open(struct sq_op *op)
{
    struct over *x = SQ_OP(op, struct over);
    const struct sq_plan *p = op->plan, *in = p->inputs[0];

    sq_slab_init(&x->slab, op->ctx);
    x->when.ctx = op->ctx;
    sq_buf_init(&x->key, op->ctx);
    sq_buf_init(&x->row, op->ctx);
    x->time = p->u.over.keys[0].col;
    x->timed = sq_tid_is_timestamp(in->cols[x->time].type->id) && p->u.over.nkeys == 1 && !p->u.over.keys[0].desc;
    x->a.retracts = p->u.over.preceding != INT64_MAX;
    SQ_TRY(sq_agg_open_as(&x->a, in, p->u.over.partition, p->u.over.npartition, p->u.over.items, p->u.over.nitems));
    SQ_TRY(sq_hashtab_init(&x->lines, op->ctx, sizeof(struct line *)));
    SQ_TRY(sq_op_out(op->ctx, in->cols, in->ncols, &x->rows));
    return sq_op_out(op->ctx, p->cols, p->ncols, &x->out);
}

/* ---- rows come ---- */

static int64_t time_at(const struct sq_vec *v, uint32_t r)
{
    v = sq_vec_at(v, &r);
    if (v->valid && !sq_bit(v->valid, r))
        return SQ_TS_MIN;
    return sq_type_phys(v->type) == SQ_P_TS16 ? ((const struct sq_ts16 *)v->data)[r].us : ((const int64_t *)v->data)[r];
}

static int compare(const struct orow *a, const struct orow *b)
{
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return sq_sortkey_compare((struct sq_str){a->bytes, a->nkey}, (struct sq_str){b->bytes, b->nkey});
}

static sq_rc new_line(struct over *x, struct sq_entry *e, struct line **out)
{
    if ((*out = line_of(e)))
        return SQ_OK;
    if (!(*out = sq_calloc(x->a.base.ctx, sizeof **out)))
        return SQ_NOMEM;
    (*out)->at = SQ_TS_MAX;
    (*out)->number = ++x->nlines;
    *(struct line **)SQ_PAYLOAD(e) = *out;
    x->bytes += sizeof **out;
    return SQ_OK;
}

/* Puts the row in x->key and x->row, of that time, into the line: behind all that are not greater. */
static sq_rc insert(struct over *x, struct line *l, int64_t time)
{
    struct orow *w = sq_slab_get(&x->slab, sizeof *w + x->key.n + x->row.n);
    uint32_t at = l->n;

    if (!w)
        return SQ_NOMEM;
    *w = (struct orow){time, (uint32_t)x->key.n, (uint32_t)x->row.n};
    if (x->key.n)
        memcpy(w->bytes, x->key.p, x->key.n);
    if (x->row.n)
        memcpy(w->bytes + x->key.n, x->row.p, x->row.n);
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? 2 * l->cap : 4;
        struct orow **v = sq_realloc(x->a.base.ctx, l->v, cap * sizeof *v);
        if (!v)
            return SQ_NOMEM;
        x->bytes += (cap - l->cap) * sizeof *v;
        l->v = v;
        l->cap = cap;
    }
    uint32_t lo = l->done, hi = l->n;
    if (lo < hi && compare(l->v[hi - 1], w) <= 0)
        lo = hi;                                 /* rows mostly come in order */
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (compare(l->v[mid], w) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    at = lo;
    memmove(l->v + at + 1, l->v + at, (l->n - at) * sizeof *l->v);
    l->v[at] = w;
    l->n++;
    return SQ_OK;
}

/* When a line has a row whose time has come, or can be forgotten. */
static int64_t next_time(const struct over *x, const struct line *l)
{
    const struct sq_plan *p = x->a.base.plan;
    int64_t t;

    if (l->done < l->n)
        return l->v[l->done]->time;
    if (p->u.over.rows || p->u.over.preceding == INT64_MAX || p->final)
        return SQ_TS_MAX;
    if (l->n == 0)
        return SQ_TS_MIN;                        /* its rows were late, all of them */
    return __builtin_add_overflow(l->v[l->n - 1]->time, p->u.over.preceding, &t) ? SQ_TS_MAX : t;
}

static sq_rc schedule(struct over *x, struct sq_entry *e)
{
    struct line *l = line_of(e);
    int64_t t = next_time(x, l);

    if (t >= l->at)
        return SQ_OK;
    SQ_TRY(sq_window_heap_put(&x->when, (struct sq_window_due){.end = t, .number = l->number, .of = e}));
    l->at = t;
    return SQ_OK;
}

static sq_rc over_batch(struct sq_op *op, uint32_t input, const struct sq_batch *in)
{
    struct over *x = SQ_OP(op, struct over);
    const struct sq_plan *p = op->plan;
    uint32_t late = 0;

    SQ_TRY(sq_keys_load(&x->a.keys, in));
    SQ_TRY(sq_hashtab_upsert(&x->lines, in->nsel, x->a.keys.hash, x->a.keys.key, x->a.keys.null, x->a.entry));
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        int64_t t = x->timed ? time_at(&in->cols[x->time], r) : 0;
        struct line *l;
        SQ_TRY(new_line(x, x->a.entry[i], &l));
        if (x->timed && !p->final && t < sq_row_watermark(op, in, r)) {
            late++;
            SQ_TRY(schedule(x, x->a.entry[i]));
            SQ_TRY(sq_op_late(op, input, in, r));
            continue;
        }
        sq_buf_reset(&x->key);
        sq_buf_reset(&x->row);
        if (!x->timed)
            SQ_TRY(sq_sortkey(&x->key, in->cols, p->u.over.keys, p->u.over.nkeys, r));
        SQ_TRY(sq_row_pack(&x->row, in->cols, NULL, in->ncols, r));
        SQ_TRY(insert(x, l, t));
        SQ_TRY(schedule(x, x->a.entry[i]));
    }
    sq_op_accept(op, input, in->nsel - late);
    return SQ_OK;
}

/* ---- rounds ---- */

static sq_rc unpack(struct over *x, const struct orow *w, enum sq_kind kind, struct sq_entry *group)
{
    const char *p = w->bytes + w->nkey;
    uint32_t n = x->rows.n;

    if (x->rows.ncols && sq_row_unpack(p, p + w->nrow, x->rows.cols, x->rows.ncols) != p + w->nrow)
        return x->a.base.ctx->err.rc == SQ_NOMEM ? SQ_NOMEM : sq_fail(x->a.base.ctx, SQ_INTERNAL, "a row in the state of OVER is damaged");
    x->kind[n] = (uint8_t)kind;
    x->group[n] = group;
    return sq_out_row(&x->rows, kind);
}

static sq_rc apply_rows(struct over *x)
{
    struct aggregate *a = &x->a;

    if (x->rows.n == 0)
        return SQ_OK;
    const struct sq_batch *b = sq_out_batch(&x->rows);
    for (uint32_t i = 0; i < b->nsel; i++) {
        a->entry[i] = x->group[i];
        group_of(x->group[i])->rows += sq_kind_adds(x->kind[i]) ? 1 : -1;
    }
    SQ_TRY(sq_agg_load(a, b));
    SQ_TRY(sq_agg_apply(a, b, (struct agg_rows){NULL, NULL, a->entry, b->nsel}));
    sq_out_reset(&x->rows);
    return SQ_OK;
}

static sq_rc add(struct over *x, const struct orow *w, enum sq_kind kind, struct sq_entry *group)
{
    SQ_TRY(unpack(x, w, kind, group));
    return x->rows.n == SQ_BATCH_ROWS ? apply_rows(x) : SQ_OK;
}

/* How many of the line's next rows go together: those of one time with RANGE, else one. */
static uint32_t together(const struct over *x, const struct line *l)
{
    uint32_t n = 1;

    while (!x->a.base.plan->u.over.rows && l->done + n < l->n && compare(l->v[l->done + n], l->v[l->done]) == 0)
        n++;
    return n;
}

/* Rows that the window of the next row, or rows, does not hold are taken off. */
static sq_rc take_off(struct over *x, struct line *l, uint32_t n, struct sq_entry *group)
{
    const struct sq_plan *p = x->a.base.plan;
    int64_t preceding = p->u.over.preceding;

    if (preceding == INT64_MAX)
        return SQ_OK;
    while (l->first < l->done) {
        const struct orow *w = l->v[l->first];
        bool in = p->u.over.rows ? (int64_t)(l->done - l->first) + n - 1 <= preceding : l->v[l->done]->time - w->time <= preceding;
        if (in)
            break;
        SQ_TRY(add(x, w, SQ_DELETE, group));
        l->first++;
    }
    return SQ_OK;
}

static sq_rc flush(struct over *x)
{
    if (x->out.n)
        SQ_TRY(sq_emit_batch(&x->a.base, sq_out_batch(&x->out)));
    sq_out_reset(&x->out);
    return sq_check_interrupt(x->a.base.ctx);
}

static sq_rc put_out(struct over *x, const struct orow *w, struct sq_entry *group)
{
    const char *p = w->bytes + w->nkey;

    if (x->rows.ncols && sq_row_unpack(p, p + w->nrow, x->out.cols, x->rows.ncols) != p + w->nrow)
        return x->a.base.ctx->err.rc == SQ_NOMEM ? SQ_NOMEM : sq_fail(x->a.base.ctx, SQ_INTERNAL, "a row in the state of OVER is damaged");
    SQ_TRY(sq_agg_results(&x->a, &group, 1, x->out.cols + x->rows.ncols));
    SQ_TRY(sq_out_row(&x->out, SQ_INSERT));
    return x->out.n == SQ_BATCH_ROWS ? flush(x) : SQ_OK;
}

static sq_rc group_entry(struct over *x, struct sq_entry *e, struct sq_entry **group)
{
    uint8_t null = e->flags & SQ_ENTRY_NULL ? 1 : 0;

    SQ_TRY(sq_hashtab_upsert(&x->a.groups, 1, &e->hash, &e->key, &null, group));
    if (!group_of(*group)->serial)
        group_of(*group)->serial = ++x->a.serial;
    return SQ_OK;
}

/* The rows of the round's partitions [from, to) of x->due are added, then put out. */
static sq_rc run_part(struct over *x, size_t from, size_t to)
{
    struct sq_entry *group[256];
    uint32_t n[256];

    for (size_t i = from; i < to; i++) {
        struct line *l = line_of(x->due[i]);
        SQ_TRY(group_entry(x, x->due[i], &group[i - from]));
        n[i - from] = together(x, l);
        SQ_TRY(take_off(x, l, n[i - from], group[i - from]));
        for (uint32_t k = 0; k < n[i - from]; k++)
            SQ_TRY(add(x, l->v[l->done + k], SQ_INSERT, group[i - from]));
    }
    SQ_TRY(apply_rows(x));
    for (size_t i = from; i < to; i++) {
        struct line *l = line_of(x->due[i]);
        for (uint32_t k = 0; k < n[i - from]; k++)
            SQ_TRY(put_out(x, l->v[l->done + k], group[i - from]));
        l->done += n[i - from];
    }
    return SQ_OK;
}

/* Rows that no later window holds are forgotten. */
static void shorten(struct over *x, struct line *l)
{
    bool unbounded = x->a.base.plan->u.over.preceding == INT64_MAX;
    uint32_t gone = unbounded ? l->done : l->first;

    if (gone == 0 || (gone < 64 && gone < l->n / 2))
        return;
    for (uint32_t i = 0; i < gone; i++)
        sq_slab_put(&x->slab, l->v[i], sizeof *l->v[i] + l->v[i]->nkey + l->v[i]->nrow);
    memmove(l->v, l->v + gone, (l->n - gone) * sizeof *l->v);
    l->n -= gone;
    l->done -= gone;
    l->first = unbounded ? 0 : l->first - gone;
}

static bool is_due(const struct over *x, const struct line *l, int64_t to)
{
    return l->done < l->n && (!x->timed || l->v[l->done]->time <= to);
}

/* Its last row has left every later window. What else the heap has of it was taken before: nothing is later than this. */
static sq_rc forget(struct over *x, struct sq_entry *e)
{
    struct line *l = line_of(e);
    struct sq_entry *group;

    if (l->n) {
        SQ_TRY(group_entry(x, e, &group));
        for (; l->first < l->n; l->first++)
            SQ_TRY(add(x, l->v[l->first], SQ_DELETE, group));
        SQ_TRY(apply_rows(x));
        sq_agg_remove(&x->a, group);
    }
    for (uint32_t i = 0; i < l->n; i++)
        sq_slab_put(&x->slab, l->v[i], sizeof *l->v[i] + l->v[i]->nkey + l->v[i]->nrow);
    x->bytes -= sizeof *l + l->cap * sizeof *l->v;
    sq_free(x->a.base.ctx, l->v);
    sq_free(x->a.base.ctx, l);
    sq_hashtab_remove(&x->lines, e);
    return SQ_OK;
}

static sq_rc run(struct over *x, int64_t to)
{
    struct sq_window_due d;

    x->ndue = 0;
    while (sq_window_heap_take(&x->when, to, &d)) {
        struct sq_entry *e = d.of;
        if (line_of(e)->at != d.end)             /* an earlier one was put in since */
            continue;
        line_of(e)->at = SQ_TS_MAX;
        if (is_due(x, line_of(e), to)) {
            SQ_TRY(sq_grow(x->a.base.ctx, &x->due, &x->due_cap, x->ndue + 1, sizeof *x->due));
            x->due[x->ndue++] = e;
        } else if (next_time(x, line_of(e)) <= to)
            SQ_TRY(forget(x, e));
        else
            SQ_TRY(schedule(x, e));
    }
    while (x->ndue) {
        size_t k = 0;
        for (size_t i = 0; i < x->ndue; i += 256)
            SQ_TRY(run_part(x, i, x->ndue - i < 256 ? x->ndue : i + 256));
        for (size_t i = 0; i < x->ndue; i++) {
            struct line *l = line_of(x->due[i]);
            if (is_due(x, l, to))
                x->due[k++] = x->due[i];
            else {
                shorten(x, l);
                SQ_TRY(schedule(x, x->due[i]));
            }
        }
        x->ndue = k;
    }
    return flush(x);
}

static sq_rc over_watermark(struct sq_op *op, int64_t ts)
{
    struct over *x = SQ_OP(op, struct over);

    if (op->plan->final && ts != SQ_TS_MAX)
        return SQ_OK;
    SQ_TRY(run(x, ts == SQ_TS_MAX ? ts : ts - 1));       /* rows of the watermark's own time may still come */
    return sq_emit_watermark(op, ts);
}

/* ---- saved: 'L' partition, rows: done or not, in its window or not, time, key, row; then the groups as GROUP BY has them ---- */

static sq_rc over_snapshot(struct sq_op *op, struct sq_snapshot_out *out)
{
    struct over *x = SQ_OP(op, struct over);
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while ((e = sq_hashtab_next(&x->lines, &it)))
        for (uint32_t i = 0; line_of(e) && i < line_of(e)->n; i++) {
            const struct line *l = line_of(e);
            const struct orow *w = l->v[i];
            struct sq_str key = sq_view_str(&e->key);
            if (i < (x->a.base.plan->u.over.preceding == INT64_MAX ? l->done : l->first))
                continue;
            struct sq_buf *b = out->begin(out->arg, sq_key_group(e->hash));
            if (!b)
                return op->ctx->err.rc;
            SQ_TRY(sq_buf_putc(b, 'L'));
            SQ_TRY(sq_buf_u64(b, e->hash));
            SQ_TRY(sq_buf_putc(b, e->flags & SQ_ENTRY_NULL ? 1 : 0));
            SQ_TRY(sq_buf_u32(b, key.n));
            SQ_TRY(sq_buf_add(b, key.p, key.n));
            SQ_TRY(sq_buf_putc(b, i < l->done));
            SQ_TRY(sq_buf_u64(b, (uint64_t)w->time));
            SQ_TRY(sq_buf_u32(b, w->nkey));
            SQ_TRY(sq_buf_add(b, w->bytes, (size_t)w->nkey + w->nrow));
            SQ_TRY(out->done(out->arg));
        }
    return sq_agg_snapshot(op, out);
}

struct loading { struct over *x; struct sq_snapshot_in *from; };

static sq_rc load_row(struct over *x, const char *p, const char *end)
{
    struct sq_entry *e;
    struct sq_str key;
    struct sq_view view;
    struct line *l;
    uint64_t hash;
    int64_t time;
    uint32_t nkey;
    uint8_t null, done;

    if (end - p < 13)
        return sq_fail(x->a.base.ctx, SQ_DATA, "the saved state of OVER is damaged");
    memcpy(&hash, p, 8);
    null = (uint8_t)p[8];
    memcpy(&key.n, p + 9, 4);
    key.p = p + 13;
    if ((size_t)(end - key.p) < (size_t)key.n + 13)
        return sq_fail(x->a.base.ctx, SQ_DATA, "the saved state of OVER is damaged");
    p = key.p + key.n;
    done = (uint8_t)*p;
    memcpy(&time, p + 1, 8);
    memcpy(&nkey, p + 9, 4);
    p += 13;
    if ((size_t)(end - p) < nkey || done > 1)
        return sq_fail(x->a.base.ctx, SQ_DATA, "the saved state of OVER is damaged");
    view = sq_view_of(key.p, key.n);
    SQ_TRY(sq_hashtab_upsert(&x->lines, 1, &hash, &view, &null, &e));
    SQ_TRY(new_line(x, e, &l));
    sq_buf_reset(&x->key);
    sq_buf_reset(&x->row);
    SQ_TRY(sq_buf_add(&x->key, p, nkey));
    SQ_TRY(sq_buf_add(&x->row, p + nkey, (size_t)(end - p) - nkey));
    SQ_TRY(insert(x, l, time));
    l->done += done;                             /* saved in order: those that are done come first */
    return schedule(x, e);
}

/* Lines are taken here, what else there is goes to the aggregates. */
static sq_rc next_group(void *arg, uint32_t *group, const char **p, size_t *n)
{
    struct loading *l = arg;

    for (;;) {
        SQ_TRY(l->from->next(l->from->arg, group, p, n));
        if (!*p || *n == 0 || **p != 'L')
            return SQ_OK;
        SQ_TRY(load_row(l->x, *p + 1, *p + *n));
    }
}

static sq_rc over_restore(struct sq_op *op, struct sq_snapshot_in *in)
{
    struct loading l = {.x = SQ_OP(op, struct over), .from = in};
    struct sq_snapshot_in inner = {.arg = &l, .next = next_group};

    return sq_agg_restore(op, &inner);
}

static size_t over_bytes(const struct sq_op *op)
{
    const struct over *x = (const struct over *)op;
    return sq_agg_bytes(op) + sq_hashtab_bytes(&x->lines) + x->slab.bytes + x->bytes + x->when.cap * sizeof *x->when.v;
}

static void over_close(struct sq_op *op)
{
    struct over *x = SQ_OP(op, struct over);
    struct sq_hashtab_iter it = {0};
    struct sq_entry *e;

    while (x->lines.ctx && (e = sq_hashtab_next(&x->lines, &it)))
        if (line_of(e)) {
            sq_free(op->ctx, line_of(e)->v);
            sq_free(op->ctx, line_of(e));
        }
    sq_hashtab_free(&x->lines);
    sq_window_heap_free(&x->when);
    sq_slab_free(&x->slab);
    sq_buf_free(&x->key);
    sq_buf_free(&x->row);
    sq_free(op->ctx, x->due);
    if (x->rows.ctx)
        sq_out_free(&x->rows);
    if (x->out.ctx)
        sq_out_free(&x->out);
    sq_agg_state_close(&x->a);
}

const struct sq_op_class sq_op_over = {
    .name = "OverAggregate", .size = sizeof(struct over), .open = over_open, .batch = over_batch, .watermark = over_watermark,
    .snapshot = over_snapshot, .restore = over_restore, .state_bytes = over_bytes, .close = over_close,
};
