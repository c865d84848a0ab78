/* SPDX-License-Identifier: Apache-2.0
 *
 * test_runtime.c: watermarks, barriers, idleness and the end of input; sources with splits and positions; sinks; the account.
 */
#include "exec_kit.h"

/* ---- messages ---- */

static void watermarks(void **state)
{
    struct kit_rows in = ROWS(ROW(SQ_INSERT, 5000), ROW(SQ_INSERT, 3000), ROW(SQ_INSERT, 9000)), late = ROWS(ROW(SQ_INSERT, 1000), ROW(SQ_INSERT, 2000));
    struct sq_node_stats st[8];
    struct sq_job *job;
    struct kit k;
    bool done;
    (void)state;
    kit_init(&k);
    struct sq_plan *w[2], *v[2] = {kit_values(&k, "T", &in, 2, SQ_MODE_INSERT), kit_values(&k, "T", &late, 1, SQ_MODE_INSERT)};
    for (int i = 0; i < 2; i++) {
        w[i] = kit_node(&k, SQ_N_WATERMARK, v[i], NULL);
        w[i]->u.watermark.expr = kit_col(&k, v[i], 0);
    }
    struct sq_plan *u = kit_node(&k, SQ_N_UNION, w[0], w[1]);
    kit_root(&k, u);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
    kit_ok(&k, sq_job_turn(job, 0, &done));
    sq_job_nodes(job, st, 8);
    assert_int_equal(st[w[0]->id].watermark, 5000);
    assert_int_equal(st[u->id].watermark, 1000);         /* the least of both */
    kit_ok(&k, sq_job_turn(job, 0, &done));
    sq_job_nodes(job, st, 8);
    assert_int_equal(st[u->id].watermark, 2000);
    kit_ok(&k, sq_job_run(job));
    sq_job_nodes(job, st, 8);
    assert_int_equal(st[u->id].watermark, SQ_TS_MAX);
    sq_job_close(job);
    kit_free(&k);
}

static void null_rowtime(void **state)
{
    struct kit_rows in = ROWS(ROW(SQ_INSERT, KIT_NULL));
    struct sq_job *job;
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan *v = kit_values(&k, "T", &in, 1, SQ_MODE_INSERT), *w = kit_node(&k, SQ_N_WATERMARK, v, NULL);
    w->u.watermark.expr = kit_col(&k, v, 0);
    kit_root(&k, w);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
    assert_int_equal(sq_job_run(job), SQ_DATA);
    assert_non_null(strstr(k.ctx.err.msg, "rowtime column 'c0' is NULL"));
    assert_int_equal(sq_job_run(job), SQ_MISUSE);
    sq_job_close(job);
    kit_free(&k);
}

/* ---- the sink: not null, and a fake connector ---- */

static sq_rc fake_open(struct sq_ctx *ctx, const struct sq_sink_spec *spec, struct sq_writer **w)
{
    (void)ctx;
    *w = (struct sq_writer *)(uintptr_t)spec->ext;
    return SQ_OK;
}
struct fake { int rows, flushes, finished, closed; };
static sq_rc fake_write(struct sq_writer *w, const struct sq_batch *b) { ((struct fake *)w)->rows += (int)b->nsel; return SQ_OK; }
static sq_rc fake_flush(struct sq_writer *w) { ((struct fake *)w)->flushes++; return SQ_OK; }
static sq_rc fake_finish(struct sq_writer *w) { ((struct fake *)w)->finished++; return SQ_OK; }
static void fake_close(struct sq_writer *w) { ((struct fake *)w)->closed++; }
static const struct sq_sink_class fake_sink = {.accepts = 7, .open = fake_open, .write = fake_write, .flush = fake_flush, .finish = fake_finish, .close = fake_close};
static const struct sq_connector fake_connector = {.name = "fake", .sink = &fake_sink};

static void sink_plan(struct kit *k, struct sq_plan *in, struct fake *f, const struct sq_table_spec *t)
{
    kit_root(k, in);
    struct sq_plan *p = k->plan.roots[0];
    p->kind = SQ_N_SINK;
    p->u.sink.connector = &fake_connector;
    p->u.sink.table = t;
    p->u.sink.ext = (const struct sq_table_ext *)f;
    p->u.sink.mode = SQ_MODE_INSERT;
}

static void sink(void **state)
{
    struct kit_rows in = ROWS(ROW(SQ_INSERT, 1), ROW(SQ_INSERT, 2)), bad = ROWS(ROW(SQ_INSERT, 1), ROW(SQ_INSERT, KIT_NULL));
    const struct sq_type strict = {.id = SQ_T_INT};
    struct sq_table_column cols[] = {{SQ_STR("id"), &strict, SQ_COL_PHYSICAL, {0}, 0, 1}};
    struct sq_table_spec table = {.name = SQ_STR("t"), .cols = cols, .ncols = 1};
    struct fake f = {0};
    struct sq_job *job;
    struct sq_buf b;
    struct kit k;
    (void)state;
    kit_init(&k);
    sink_plan(&k, kit_values(&k, "i", &in, 1, SQ_MODE_INSERT), &f, &table);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
    kit_ok(&k, sq_job_run(job));
    assert_int_equal(f.rows, 2);
    assert_int_equal(f.finished, 1);
    sq_buf_init(&b, &k.ctx);
    kit_ok(&k, sq_job_account(job, &b));
    assert_string_equal(b.p, "account: 2 rows in, 2 out; it balances\n"
                             "  values           2 records = 2 rows + 0 bad\n"
                             "  write     t      2 in = 2 written\n");
    sq_buf_free(&b);
    sq_job_close(job);
    assert_int_equal(f.closed, 1);
    kit_free(&k);

    f = (struct fake){0};
    kit_init(&k);
    sink_plan(&k, kit_values(&k, "i", &bad, 2, SQ_MODE_INSERT), &f, &table);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
    assert_int_equal(sq_job_run(job), SQ_DATA);
    assert_non_null(strstr(k.ctx.err.msg, "column 'id' of table 't' is NOT NULL"));
    sq_job_close(job);
    assert_int_equal(f.rows, 0);
    assert_int_equal(f.finished, 0);
    assert_int_equal(f.closed, 1);
    kit_free(&k);

    f = (struct fake){0};                                /* stopped early: flushed and finished */
    kit_init(&k);
    sink_plan(&k, kit_values(&k, "i", &in, 1, SQ_MODE_INSERT), &f, &table);
    bool done;
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
    kit_ok(&k, sq_job_turn(job, 0, &done));
    kit_ok(&k, sq_job_stop(job));
    assert_int_equal(f.rows, 1);
    assert_int_equal(f.flushes, 1);
    assert_int_equal(f.finished, 1);
    sq_job_close(job);
    kit_free(&k);
}

/* ---- a fake source: splits of numbers, which has nothing at every third poll ---- */

struct feed { uint32_t splits, rows; uint32_t polled; bool vanish; };   /* split i: rows numbers from 1000 * i */
struct sq_reader { struct sq_ctx *ctx; struct feed *feed; uint32_t batch, n, polls, at[8], number[8]; struct sq_out out; uint64_t rows; };

static sq_rc feed_splits(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_scan_spec *spec, uint32_t want, struct sq_split **out, uint32_t *n)
{
    struct feed *f = (struct feed *)(uintptr_t)spec->ext;
    (void)ctx;
    (void)want;
    *n = f->vanish ? f->splits - 1 : f->splits;          /* the last one is not listed any more */
    *out = SQ_NEW_ARRAY(a, struct sq_split, f->splits + 1);
    for (uint32_t i = 0; i < *n; i++)
        (*out)[i] = (struct sq_split){sq_str_of(sq_arena_printf(a, "part-%u", i)), sq_str_of(sq_arena_printf(a, "%u", i))};
    return SQ_OK;
}

static sq_rc feed_open(struct sq_ctx *ctx, const struct sq_scan_spec *spec, struct sq_reader **out)
{
    struct sq_reader *r = sq_calloc(ctx, sizeof *r);
    const struct sq_type *t = &sq_type_int;
    r->ctx = ctx;
    r->feed = (struct feed *)(uintptr_t)spec->ext;
    r->batch = spec->batch_rows;
    *out = r;
    return sq_out_init(&r->out, ctx, &t, 1);
}

static sq_rc feed_add(struct sq_reader *r, const struct sq_split *s, struct sq_str position)
{
    int64_t number = 0, at = 0;
    assert_true(sq_parse_int(s->payload, &number));
    assert_true(!position.p || sq_parse_int(position, &at));
    r->number[r->n] = (uint32_t)number;
    r->at[r->n++] = (uint32_t)at;
    return SQ_OK;
}

static sq_rc feed_poll(struct sq_reader *r, struct sq_poll *p)
{
    uint32_t i = 0;
    r->feed->polled++;
    while (i < r->n && r->at[i] > r->feed->rows)
        i++;
    if (i == r->n) {
        p->state = SQ_POLL_END;
        return SQ_OK;
    }
    if (r->polls++ % 3 == 2) {
        p->state = SQ_POLL_IDLE;
        p->wait_us = 0;
        return SQ_OK;
    }
    sq_out_reset(&r->out);
    p->split = i;
    for (uint32_t k = 0; k < r->batch && r->at[i] < r->feed->rows; k++) {
        int32_t v = (int32_t)(1000 * r->number[i] + r->at[i]++);
        sq_col_append_fixed(&r->out.cols[0], &v);
        sq_out_row(&r->out, SQ_INSERT);
    }
    r->rows += r->out.n;
    p->batch = sq_out_batch(&r->out);
    p->state = r->at[i] == r->feed->rows ? SQ_POLL_SPLIT_END : SQ_POLL_ROWS;
    if (p->state == SQ_POLL_SPLIT_END)
        r->at[i]++;
    return SQ_OK;
}

static sq_rc feed_position(struct sq_reader *r, uint32_t split, struct sq_buf *out) { return sq_buf_printf(out, "%u", r->at[split]); }
static void feed_stats(struct sq_reader *r, struct sq_source_stats *st) { *st = (struct sq_source_stats){.records = r->rows, .rows = r->rows, .total_bytes = -1}; }
static void feed_close(struct sq_reader *r)
{
    sq_out_free(&r->out);
    sq_free(r->ctx, r);
}

static const struct sq_source_class feed_class = {.splits = feed_splits, .open = feed_open, .add_split = feed_add, .poll = feed_poll,
                                                  .position = feed_position, .stats = feed_stats, .close = feed_close};
static const struct sq_connector feed_connector = {.name = "feed", .source = &feed_class};
static const struct sq_table_spec feed_table = {.name = {"feed", 4}};

static struct sq_plan *scan_node(struct kit *k, struct feed *f)
{
    struct sq_plan *p = kit_node(k, SQ_N_SCAN, NULL, NULL);
    kit_cols(k, p, "i");
    p->u.scan.connector = &feed_connector;
    p->u.scan.table = &feed_table;
    p->u.scan.ext = (const struct sq_table_ext *)f;
    p->u.scan.info = (struct sq_source_info){.bounded = true, .mode = SQ_MODE_INSERT, .rows = -1};
    p->u.scan.cols = (const uint32_t[]){0};
    return p;
}

static void scan(void **state)
{
    struct sq_agg_item items[] = {{.agg = agg("COUNT"), .arg = -1, .filter = -1}, {.agg = agg("SUM"), .arg = 0, .filter = -1}};
    (void)state;
    for (int cut = -1; cut < 14; cut++) {                /* each row exactly once, wherever the snapshot falls */
        struct feed f = {.splits = 3, .rows = 10};
        struct kit_table t;
        struct kit k;
        kit_init(&k);
        k.plan.config.batch_rows = 4;
        struct sq_plan *p = kit_agg(&k, scan_node(&k, &f), 0, NULL, items, 2);
        p->final = true;
        p->mode = SQ_MODE_INSERT;
        kit_root(&k, p);
        kit_table_init(&k, &t, 0);
        kit_run(&k, &t, cut);
        assert_string_equal(t.log.p, "+I(30|30135)");
        kit_table_free(&t);
        kit_free(&k);
    }
    struct feed none = {.splits = 0};
    struct kit k;
    kit_init(&k);
    kit_root(&k, scan_node(&k, &none));
    expect_log(&k, "");
    kit_free(&k);
}

static void vanished_split(void **state)
{
    struct feed f = {.splits = 2, .rows = 6};
    struct kit_table t;
    struct sq_job *job;
    struct sq_buf snap;
    struct kit k;
    bool done;
    (void)state;
    kit_init(&k);
    k.plan.config.batch_rows = 4;
    kit_root(&k, scan_node(&k, &f));
    kit_table_init(&k, &t, 0);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, kit_collect, &t, &job));
    kit_ok(&k, sq_job_turn(job, 0, &done));
    sq_buf_init(&snap, &k.ctx);
    kit_ok(&k, sq_job_snapshot(job, &snap));
    sq_job_close(job);
    f.vanish = true;
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, kit_collect, &t, &job));
    kit_ok(&k, sq_job_restore(job, sq_buf_view(&snap)));
    kit_ok(&k, sq_job_run(job));
    sq_job_close(job);
    assert_int_equal(t.changes, 12);
    sq_buf_free(&snap);
    kit_table_free(&t);
    kit_free(&k);
}

/* LIMIT ends its source, unless somebody else reads it. */
static void limit_stops_the_source(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        struct feed f = {.splits = 2, .rows = 1000};
        struct sq_plan *roots[2];
        struct kit_table t;
        struct kit k;
        kit_init(&k);
        k.plan.config.batch_rows = 10;
        struct sq_plan *s = scan_node(&k, &f);
        kit_root(&k, sort_node(&k, SQ_N_LIMIT, s, false, false, 25, 0));
        if (shared) {
            roots[0] = k.plan.roots[0];
            roots[1] = kit_node(&k, SQ_N_COLLECT, s, NULL);
            k.plan.roots = roots;
            k.plan.nroots = 2;
            k.plan.nnodes = k.nodes;
        }
        kit_table_init(&k, &t, 0);
        t.quiet = true;
        kit_run(&k, &t, -1);
        assert_int_equal(t.changes, shared ? 2025 : 25);
        assert_in_range(f.polled, shared ? 200 : 3, shared ? 400 : 5);
        kit_table_free(&t);
        kit_free(&k);
    }
}

/* ---- barriers and idleness, by an operator that notes what it sees ---- */

struct probe { struct sq_op base; };
static char seen[256];
static sq_rc probe_batch(struct sq_op *op, uint32_t input, const struct sq_batch *b) { sq_op_accept(op, input, b->nsel); return SQ_OK; }
static sq_rc probe_barrier(struct sq_op *op, uint64_t epoch)
{
    (void)op;
    kit_say(seen, sizeof seen, "barrier %d ", (int)epoch);
    return SQ_OK;
}
static sq_rc probe_watermark(struct sq_op *op, int64_t ts)
{
    if (ts == SQ_TS_MAX)
        kit_say(seen, sizeof seen, "watermark end ");
    else
        kit_say(seen, sizeof seen, "watermark %d ", (int)ts);
    return sq_emit_watermark(op, ts);
}
static sq_rc probe_end(struct sq_op *op, uint32_t input)
{
    (void)op;
    kit_say(seen, sizeof seen, "end %u ", input);
    return SQ_OK;
}
static const struct sq_op_class probe_class = {.name = "Probe", .size = sizeof(struct probe), .batch = probe_batch, .barrier = probe_barrier,
                                               .watermark = probe_watermark, .end = probe_end};

static void alignment(void **state)
{
    struct sq_input_state ins[2] = {{.watermark = SQ_TS_MIN}, {.watermark = SQ_TS_MIN}};
    struct probe p = {.base = {.cls = &probe_class, .ins = ins, .nins = 2, .watermark = SQ_TS_MIN}};
    struct sq_edge e[2] = {{&p.base, 0, false}, {&p.base, 1, false}};
    struct sq_op a = {.outs = &e[0], .nouts = 1, .watermark = SQ_TS_MIN}, b = {.outs = &e[1], .nouts = 1, .watermark = SQ_TS_MIN};
    (void)state;
    seen[0] = 0;
    sq_emit_watermark(&a, 10);                           /* b has said nothing */
    assert_string_equal(seen, "");
    sq_emit_watermark(&b, 7);
    sq_emit_watermark(&b, 5);                            /* never falls */
    assert_string_equal(seen, "watermark 7 ");
    sq_emit_idle(&b, true);                              /* holds nothing back while it is idle */
    assert_string_equal(seen, "watermark 7 watermark 10 ");
    assert_false(p.base.idle);
    sq_emit_idle(&a, true);
    assert_true(p.base.idle);
    sq_emit_idle(&b, false);
    assert_false(p.base.idle);
    sq_emit_idle(&a, false);
    seen[0] = 0;
    sq_emit_barrier(&a, 1);
    assert_string_equal(seen, "");
    sq_emit_barrier(&b, 1);
    assert_string_equal(seen, "barrier 1 ");
    seen[0] = 0;
    sq_emit_end(&a);                                     /* an ended input holds back neither barriers nor watermarks */
    sq_emit_barrier(&b, 2);
    sq_emit_watermark(&b, 20);
    assert_string_equal(seen, "end 0 barrier 2 watermark 20 ");
    assert_false(p.base.ended);
    seen[0] = 0;
    sq_emit_end(&b);
    assert_string_equal(seen, "watermark end end 1 ");
    assert_true(p.base.ended);
}

/* Where all are idle the furthest counts, whichever was idle first; an input that has ended does not bring the end over those that may come back. */
static void all_idle(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct sq_input_state ins[3] = {{.watermark = SQ_TS_MIN}, {.watermark = SQ_TS_MIN}, {.watermark = SQ_TS_MIN}};
        struct probe p = {.base = {.cls = &probe_class, .ins = ins, .nins = 3, .watermark = SQ_TS_MIN, .event_time = SQ_TS_MIN}};
        struct sq_edge e[3] = {{&p.base, 0, false}, {&p.base, 1, false}, {&p.base, 2, false}};
        struct sq_op in[3];
        for (int i = 0; i < 3; i++)
            in[i] = (struct sq_op){.outs = &e[i], .nouts = 1, .watermark = SQ_TS_MIN};
        seen[0] = 0;
        sq_emit_watermark(&in[0], 50);
        sq_emit_watermark(&in[1], 100);
        sq_emit_end(&in[2]);
        assert_string_equal(seen, "watermark 50 end 2 ");
        sq_emit_idle(&in[first], true);
        sq_emit_idle(&in[1 - first], true);
        assert_string_equal(seen, "watermark 50 end 2 watermark 100 ");
        assert_true(p.base.idle);
        sq_emit_idle(&in[0], false);             /* back, and behind: nothing falls */
        sq_emit_watermark(&in[0], 70);
        assert_string_equal(seen, "watermark 50 end 2 watermark 100 ");
        assert_true(p.base.event_time == 100);
        sq_emit_end(&in[0]);
        sq_emit_end(&in[1]);
        assert_string_equal(seen, "watermark 50 end 2 watermark 100 end 0 watermark end end 1 ");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watermarks),
        cmocka_unit_test(null_rowtime),
        cmocka_unit_test(sink),
        cmocka_unit_test(scan),
        cmocka_unit_test(vanished_split),
        cmocka_unit_test(limit_stops_the_source),
        cmocka_unit_test(alignment),
        cmocka_unit_test(all_idle),
    };
    return cmocka_run_group_tests_name("runtime", tests, NULL, NULL);
}
