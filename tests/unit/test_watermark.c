/* SPDX-License-Identifier: Apache-2.0
 *
 * test_watermark.c: event time by splits: the watermark that each row is judged by, at any batch size, through exchanges and restores, against a model; the least of the splits;
 * splits that are idle, unread or have ended; timers of processing time.
 */
#include "exec_kit.h"

#include "executor/runtime/runtime.h"

/* ---- a source whose splits are told what to do ---- */

enum { SPLITS = 6, ROWS_EACH = 40, DELAY_US = 5000 };

struct feed {
    uint32_t splits, rows, give[SPLITS];   /* give: rows that may be given by now; the split ends behind row number `rows` */
    bool bounded, one_by_one;
    uint32_t nulls;                        /* every so many rows have no time; 0: none */
};
struct sq_reader { struct sq_ctx *ctx; struct feed *feed; uint32_t batch, n, next, at[SPLITS], number[SPLITS]; bool told[SPLITS]; struct sq_out out; uint64_t rows; };

/* Mostly rising, with rows that are behind. */
static int64_t time_of(uint32_t split, uint32_t row)
{
    uint64_t s = split * 7919 + row * 104729 + 1;
    kit_random(&s);
    return 1000000 + (int64_t)row * 1000 - (int64_t)(kit_random(&s) % 20) * 1000;
}

static sq_rc feed_splits(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_scan_spec *spec, uint32_t want, struct sq_split **out, uint32_t *n)
{
    struct feed *f = (struct feed *)(uintptr_t)spec->ext;
    (void)ctx, (void)want;
    *n = f->splits;
    *out = SQ_NEW_ARRAY(a, struct sq_split, f->splits + 1);
    for (uint32_t i = 0; *out && i < *n; i++) {
        char *id = sq_arena_printf(a, "part-%u", i), *payload = sq_arena_printf(a, "%u", i);
        if (!id || !payload)
            return SQ_NOMEM;
        (*out)[i] = (struct sq_split){sq_str_of(id), sq_str_of(payload)};
    }
    return *out ? SQ_OK : SQ_NOMEM;
}

static sq_rc feed_open(struct sq_ctx *ctx, const struct sq_scan_spec *spec, struct sq_reader **out)
{
    const struct sq_type *t[2] = {&sq_type_bigint, &sq_type_timestamp3};
    struct sq_reader *r = *out = sq_calloc(ctx, sizeof *r);
    if (!r)
        return SQ_NOMEM;
    r->ctx = ctx;
    r->feed = (struct feed *)(uintptr_t)spec->ext;
    r->batch = spec->batch_rows;
    return sq_out_init(&r->out, ctx, t, 2);
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

static sq_rc give_rows(struct sq_reader *r, uint32_t i)
{
    uint32_t split = r->number[i];
    sq_out_reset(&r->out);
    for (uint32_t k = 0; k < r->batch && r->at[i] < r->feed->give[split] && r->at[i] < r->feed->rows; k++) {
        int64_t id = 1000 * split + r->at[i], ts = time_of(split, r->at[i]);
        r->at[i]++;
        SQ_TRY(sq_col_append_fixed(&r->out.cols[0], &id));
        if (r->feed->nulls && (uint32_t)id % r->feed->nulls == 0)
            SQ_TRY(sq_col_append_null(&r->out.cols[1]));
        else
            SQ_TRY(sq_col_append_fixed(&r->out.cols[1], &ts));
        SQ_TRY(sq_out_row(&r->out, SQ_INSERT));
    }
    r->rows += r->out.n;
    return SQ_OK;
}

/* The splits take turns; with one_by_one, each is read to its end. */
static sq_rc feed_poll(struct sq_reader *r, struct sq_poll *p)
{
    uint32_t done = 0;
    for (uint32_t k = 0; k < r->n; k++) {
        uint32_t i = r->feed->one_by_one ? k : (r->next + k) % r->n;
        if (r->told[i] || r->at[i] > r->feed->rows) {
            done++;
            continue;
        }
        if (r->feed->bounded && r->at[i] == r->feed->rows) {
            r->told[i] = true;
            r->at[i]++;
            *p = (struct sq_poll){.state = SQ_POLL_SPLIT_END, .split = i};
            return SQ_OK;
        }
        SQ_TRY(give_rows(r, i));
        if (r->out.n == 0)
            continue;
        r->next = i + 1;
        *p = (struct sq_poll){.state = SQ_POLL_ROWS, .split = i, .batch = sq_out_batch(&r->out)};
        return SQ_OK;
    }
    *p = (struct sq_poll){.state = done == r->n && r->feed->bounded ? SQ_POLL_END : SQ_POLL_IDLE};
    return SQ_OK;
}

static sq_rc feed_position(struct sq_reader *r, uint32_t split, struct sq_buf *out) { return sq_buf_printf(out, "%u", r->at[split]); }
static sq_rc feed_show(struct sq_str position, struct sq_buf *out) { return sq_buf_printf(out, "row %.*s", SQ_FMT(position)); }
static void feed_stats(struct sq_reader *r, struct sq_source_stats *st) { *st = (struct sq_source_stats){.records = r->rows, .rows = r->rows, .total_bytes = -1}; }
static void feed_close(struct sq_reader *r)
{
    if (r->out.ctx)
        sq_out_free(&r->out);
    sq_free(r->ctx, r);
}

static const struct sq_source_class feed_class = {.splits = feed_splits, .open = feed_open, .add_split = feed_add, .poll = feed_poll, .position = feed_position,
                                                  .show_position = feed_show, .stats = feed_stats, .close = feed_close};
static const struct sq_connector feed_connector = {.name = "feed", .source = &feed_class};
static const struct sq_table_spec feed_table = {.name = {"feed", 4}};

static const struct sq_function current_watermark = {.name = "CURRENT_WATERMARK", .flags = SQ_LAZY | SQ_ALWAYS_NULLABLE};

static struct sq_plan *exchange(struct kit *k, struct sq_plan *in, bool single)
{
    struct sq_plan *x = kit_node(k, SQ_N_EXCHANGE, in, NULL);
    static const uint32_t by[] = {0};
    x->single = single;
    x->u.exchange.cols = by;
    x->u.exchange.ncols = single ? 0 : 1;
    return x;
}

/* scan → watermark → [exchange by id] → id, CURRENT_WATERMARK → [exchange] → collect. Nodes are numbered the same with and without exchanges, as their uids are compared. */
static struct sq_plan *plan(struct kit *k, struct feed *f, uint32_t workers)
{
    struct sq_plan *s = kit_node(k, SQ_N_SCAN, NULL, NULL);
    kit_cols(k, s, "lT");
    s->u.scan.connector = &feed_connector;
    s->u.scan.table = &feed_table;
    s->u.scan.ext = (const struct sq_table_ext *)f;
    s->u.scan.info = (struct sq_source_info){.bounded = f->bounded, .mode = SQ_MODE_INSERT, .rows = -1, .one_by_one = f->one_by_one};
    s->u.scan.cols = (const uint32_t[]){0, 1};
    struct sq_plan *w = kit_node(k, SQ_N_WATERMARK, s, NULL);
    w->u.watermark.col = 1;
    w->u.watermark.every = true;
    int64_t delay = DELAY_US / 1000;     /* intervals count milliseconds */
    w->u.watermark.expr = kit_call(k, "-", 2, kit_col(k, s, 1), kit_const(k, &sq_type_interval_ds, &delay));
    struct sq_plan *in = workers > 1 ? exchange(k, w, false) : w;
    struct sq_plan *p = kit_node(k, SQ_N_PROJECT, in, NULL);
    kit_cols(k, p, "lT");
    p->uid = 77;
    p->u.project.exprs = SQ_NEW_ARRAY(&k->arena, struct sq_expr *, 2);
    p->u.project.exprs[0] = kit_col(k, in, 0);
    p->u.project.exprs[1] = kit_expr(k, SQ_X_CALL, &sq_type_timestamp3, 1, kit_col(k, in, 1));
    p->u.project.exprs[1]->fn = &current_watermark;
    kit_root(k, workers > 1 ? exchange(k, p, true) : p);
    k->plan.roots[0]->single = true;
    k->plan.roots[0]->uid = 78;
    k->plan.config.parallelism = workers;
    return w;
}

static char *model(const struct feed *f)
{
    struct kit_table t;
    struct kit k;
    kit_init(&k);
    kit_table_init(&k, &t, 0);
    for (uint32_t s = 0; s < f->splits; s++) {
        int64_t max = INT64_MIN;
        for (uint32_t i = 0; i < f->rows; i++) {
            struct sq_vec v = {.type = &sq_type_timestamp3, .enc = SQ_FLAT, .data = &max};
            struct sq_buf b;
            sq_buf_init(&b, &k.ctx);
            sq_buf_printf(&b, "%u|", 1000 * s + i);
            if (max == INT64_MIN)
                sq_buf_puts(&b, "NULL");
            else
                sq_print_value(&b, &v, 0, sq_tz_utc);
            kit_table_row(&t, SQ_INSERT, b.p);
            sq_buf_free(&b);
            max = time_of(s, i) - DELAY_US > max ? time_of(s, i) - DELAY_US : max;
        }
    }
    char *text = kit_text_of(&t);
    kit_table_free(&t);
    kit_free(&k);
    return text;
}

static void check(struct kit_table *t, const char *want)
{
    char *got = kit_text_of(t);
    assert_string_equal(got, want);
    free(got);
}

/* However batches are cut and whoever reads: a row has the watermark of the rows before it in its split. */
static void rows_of_splits(void **state)
{
    static const uint32_t sizes[] = {1, 7, 2048}, workers[] = {1, 3};
    (void)state;
    for (int one = 0; one < 2; one++) {
        struct feed f = {.splits = SPLITS, .rows = ROWS_EACH, .bounded = true, .one_by_one = one == 1};
        char *want = model(&f);
        for (uint32_t i = 0; i < SPLITS; i++)
            f.give[i] = ROWS_EACH;
        for (size_t b = 0; b < SQ_LEN(sizes); b++)
            for (size_t n = 0; n < SQ_LEN(workers); n++) {
                struct kit_table t;
                struct kit k;
                kit_init(&k);
                k.plan.config.batch_rows = sizes[b];
                plan(&k, &f, workers[n]);
                kit_table_init(&k, &t, 0);
                kit_run(&k, &t, -1);
                check(&t, want);
                kit_table_free(&t);
                kit_free(&k);
            }
        free(want);
    }
}

/* The same with a snapshot anywhere in between and another number of workers behind it. */
static void restored(void **state)
{
    struct feed f = {.splits = SPLITS, .rows = ROWS_EACH, .bounded = true};
    char *want = model(&f);
    (void)state;
    for (uint32_t i = 0; i < SPLITS; i++)
        f.give[i] = ROWS_EACH;
    for (int cut = 0; cut < 36; cut += 2)
        for (int way = 0; way < 4; way++) {
            f.one_by_one = way > 1;
            uint32_t before = way % 2 ? 3 : 1, after = way % 2 ? 2 : 3;
            struct sq_job *job;
            struct kit_table t;
            struct sq_buf snap;
            struct kit k, l;
            bool done = false;
            kit_init(&k);
            kit_init(&l);
            k.plan.config.batch_rows = l.plan.config.batch_rows = 7;
            plan(&k, &f, before);
            kit_table_init(&k, &t, 0);
            kit_ok(&k, sq_job_open(&k.ctx, &k.plan, kit_collect, &t, &job));
            for (int i = 0; i < cut && !done; i++)
                kit_ok(&k, sq_job_turn(job, 0, &done));
            sq_buf_init(&snap, &k.ctx);
            kit_ok(&k, sq_job_snapshot(job, &snap));
            sq_job_close(job);
            plan(&l, &f, after);
            kit_ok(&l, sq_job_open(&l.ctx, &l.plan, kit_collect, &t, &job));
            kit_ok(&l, sq_job_restore(job, sq_buf_view(&snap)));
            kit_ok(&l, sq_job_run(job));
            sq_job_close(job);
            check(&t, want);
            sq_buf_free(&snap);
            kit_table_free(&t);
            kit_free(&k);
            kit_free(&l);
        }
    free(want);
}

/* ---- what holds the watermark back ---- */

static int64_t fake_now, fake_mono;
static int64_t read_now(void *arg) { (void)arg; return fake_now; }
static int64_t read_mono(void *arg) { (void)arg; return fake_mono; }
static void no_sleep(void *arg, int64_t us) { (void)arg; (void)us; }

static struct sq_held held;                /* what watermark_after saw */

static int64_t watermark_after(struct kit *k, struct sq_job *job, const struct sq_plan *w, int turns)
{
    struct sq_node_stats st[8];
    bool done;
    for (int i = 0; i < turns; i++) {
        fake_mono += 100 * 1000 * 1000;
        kit_ok(k, sq_job_turn(job, 0, &done));
    }
    uint32_t n = sq_job_nodes(job, st, 8);
    for (uint32_t i = 0; i < n; i++)
        if (st[i].plan == w) {
            held = st[i].held;
            return st[i].watermark;
        }
    return 0;
}

static int64_t max_of(uint32_t split, uint32_t rows)
{
    int64_t max = INT64_MIN;
    for (uint32_t i = 0; i < rows; i++)
        max = time_of(split, i) - DELAY_US > max ? time_of(split, i) - DELAY_US : max;
    return max;
}

static void holds_back(void **state)
{
    struct sq_os os = sq_os_posix;
    struct feed f = {.splits = 3, .rows = ROWS_EACH};
    struct sq_buf account;
    struct kit_table t;
    struct sq_job *job;
    struct kit k;
    (void)state;
    kit_init(&k);
    os.now_us = read_now;
    os.mono_ns = read_mono;
    os.sleep_us = no_sleep;
    k.ctx.os = &os;
    fake_mono = 1;
    struct sq_plan *w = plan(&k, &f, 1);
    w->inputs[0]->u.scan.idle_ms = 1000;
    kit_table_init(&k, &t, 0);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, kit_collect, &t, &job));
    f.give[0] = 10;
    assert_true(watermark_after(&k, job, w, 2) == SQ_TS_MIN);          /* two were given nothing yet */
    f.give[1] = 30;
    f.give[2] = 20;
    assert_true(watermark_after(&k, job, w, 3) == max_of(0, 10));
    f.give[0] = 25;
    assert_true(watermark_after(&k, job, w, 2) == max_of(2, 20));
    assert_string_equal(held.by, "part-2");
    assert_in_range(held.ns, 200000000, 400000000);
    fake_mono += INT64_C(90) * 1000000000;
    sq_buf_init(&account, &k.ctx);
    kit_ok(&k, sq_job_account(job, &account));
    assert_non_null(strstr(account.p, "time      feed "));
    assert_non_null(strstr(account.p, ", held back by part-2, which has given nothing for 90 s"));
    sq_buf_free(&account);
    fake_mono -= INT64_C(90) * 1000000000;
    for (int i = 0; i < 4; i++) {                                        /* the third is stuck: in time it holds nothing back any more */
        f.give[0]++;
        f.give[1]++;
        watermark_after(&k, job, w, 3);
    }
    assert_true(watermark_after(&k, job, w, 0) == max_of(0, 29));
    assert_string_equal(held.by, "part-0");                              /* the third is idle, it does not count */
    f.give[2] = 21;                                                      /* it is back, behind the others: nothing falls */
    assert_true(watermark_after(&k, job, w, 1) == max_of(0, 29));
    f.give[0] = 35;
    assert_true(watermark_after(&k, job, w, 2) == max_of(0, 29));
    assert_true(watermark_after(&k, job, w, 20) == max_of(0, 35));       /* all are idle: the furthest */
    assert_true(job->workers[0].ops[w->id]->idle);
    f.give[1] = 36;
    watermark_after(&k, job, w, 1);
    assert_false(job->workers[0].ops[w->id]->idle);
    sq_job_close(job);
    kit_table_free(&t);
    kit_free(&k);
}

/* Of a bounded table, splits that nobody has read yet hold back what has been read, however long they wait for their turn. */
static void unread_splits(void **state)
{
    struct sq_os os = sq_os_posix;
    struct feed f = {.splits = 4, .rows = 10, .bounded = true, .one_by_one = true};
    struct kit_table t;
    struct sq_job *job;
    struct kit k;
    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        f.give[i] = 10;
    kit_init(&k);
    os.mono_ns = read_mono;
    k.ctx.os = &os;
    k.plan.config.batch_rows = 5;
    struct sq_plan *w = plan(&k, &f, 1);
    w->inputs[0]->u.scan.idle_ms = 200;
    kit_table_init(&k, &t, 0);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, kit_collect, &t, &job));
    for (int i = 0; i < 9; i++)                  /* three turns each: two batches, the end */
        assert_true(watermark_after(&k, job, w, 1) == SQ_TS_MIN);
    assert_true(watermark_after(&k, job, w, 1) == max_of(3, 5));
    assert_true(watermark_after(&k, job, w, 1) == max_of(3, 10));
    sq_job_close(job);
    kit_table_free(&t);
    kit_free(&k);
}

static void no_time(void **state)
{
    struct feed f = {.splits = 2, .rows = 10, .give = {10, 10}, .bounded = true, .nulls = 4};
    struct sq_job_stats st;
    struct kit_table t;
    struct sq_job *job;
    struct kit k;
    (void)state;
    kit_init(&k);
    k.plan.config.batch_rows = 3;
    plan(&k, &f, 1);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
    assert_int_equal(sq_job_run(job), SQ_DATA);
    assert_string_equal(k.ctx.err.msg, "feed, part-0, before row 3: rowtime column 'c1' is NULL in a row");
    sq_job_close(job);
    kit_free(&k);

    kit_init(&k);
    k.plan.config.batch_rows = 3;
    plan(&k, &f, 3)->u.watermark.skip_null = true;
    kit_table_init(&k, &t, 0);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, kit_collect, &t, &job));
    kit_ok(&k, sq_job_run(job));
    assert_int_equal(t.changes, 14);
    sq_job_stats(job, &st);
    assert_int_equal(st.bad, 6);
    assert_true(st.balanced);
    sq_job_close(job);
    kit_table_free(&t);
    kit_free(&k);
}

/* Of upserts, a key that is taken away may come without a time; any other row may not. */
static void upserts(void **state)
{
    struct kit_rows good = ROWS(ROW(SQ_INSERT, 1, 5000), ROW(SQ_DELETE, 1, KIT_NULL), ROW(SQ_INSERT, 2, 9000)), bad = ROWS(ROW(SQ_INSERT, 1, KIT_NULL));
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct kit_table t;
        struct sq_job *job;
        struct kit k;
        kit_init(&k);
        struct sq_plan *v = kit_values(&k, "lT", i ? &bad : &good, 2, SQ_MODE_UPSERT), *w = kit_node(&k, SQ_N_WATERMARK, v, NULL);
        w->mode = SQ_MODE_UPSERT;
        w->u.watermark.col = 1;
        w->u.watermark.expr = kit_col(&k, v, 1);
        kit_root(&k, w);
        kit_table_init(&k, &t, 0);
        kit_ok(&k, sq_job_open(&k.ctx, &k.plan, kit_collect, &t, &job));
        assert_int_equal(sq_job_run(job), i ? SQ_DATA : SQ_OK);
        assert_int_equal(t.changes, i ? 0 : 3);
        sq_job_close(job);
        kit_table_free(&t);
        kit_free(&k);
    }
}

/* Memory that is out at any point: an error, and everything is given back. Through a restore, too. */
static void out_of_memory(void **state)
{
    struct feed f = {.splits = 3, .rows = 10, .give = {10, 10, 10}, .bounded = true};
    (void)state;
    for (int n = 1, failed = 1; failed; n++) {
        struct sq_job *job;
        struct sq_buf snap;
        struct kit k;
        sq_rc rc;
        bool done;
        kit_init(&k);
        k.plan.config.batch_rows = 4;
        plan(&k, &f, 1);
        sq_buf_init(&snap, &k.ctx);
        k.budget.fail_at = n;
        rc = sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job);
        for (int i = 0; i < 5 && rc == SQ_OK; i++)
            rc = sq_job_turn(job, 0, &done);
        if (rc == SQ_OK)
            rc = sq_job_snapshot(job, &snap);
        sq_job_close(job);
        if (rc == SQ_OK) {
            rc = sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job);
            if (rc == SQ_OK)
                rc = sq_job_restore(job, sq_buf_view(&snap));
            if (rc == SQ_OK)
                rc = sq_job_run(job);
            sq_job_close(job);
        }
        failed = k.budget.fail_at <= 0;
        k.budget.fail_at = 0;
        assert_int_equal(rc, failed ? SQ_NOMEM : SQ_OK);
        sq_buf_free(&snap);
        kit_free(&k);
        assert_true(n < 10000);
    }
}

/* ---- processing time ---- */

static int64_t called[8];
static uint32_t ncalled;

static sq_rc on_timer(struct sq_op *op, int64_t now)
{
    called[ncalled++] = now;
    if (ncalled == 2)
        sq_op_timer(op, 4000);
    return SQ_OK;
}

static void timers(void **state)
{
    struct feed f = {.splits = 1, .rows = ROWS_EACH};
    struct sq_op_class timed = sq_op_project;
    struct sq_os os = sq_os_posix;
    struct sq_job *job;
    struct kit k;
    (void)state;
    kit_init(&k);
    os.now_us = read_now;
    os.mono_ns = read_mono;
    os.sleep_us = no_sleep;
    k.ctx.os = &os;
    fake_now = 1000;
    ncalled = 0;
    struct sq_plan *w = plan(&k, &f, 1);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
    struct sq_worker *one = &job->workers[0];
    struct sq_op *op = one->ops[k.plan.roots[0]->inputs[0]->id];
    timed.timer = on_timer;
    op->cls = &timed;
    one->timed[one->ntimed++] = op;
    sq_op_timer(op, 3000);
    sq_op_timer(op, 2000);
    sq_op_timer(op, 2500);
    watermark_after(&k, job, w, 2);
    assert_int_equal(ncalled, 0);
    fake_now = 2000;                             /* nothing comes in, the clock goes on */
    watermark_after(&k, job, w, 2);
    assert_int_equal(ncalled, 1);
    assert_int_equal(called[0], 2000);
    fake_now = 9000;
    watermark_after(&k, job, w, 2);
    assert_int_equal(ncalled, 1);                /* it was not asked again */
    sq_op_timer(op, 3000);
    watermark_after(&k, job, w, 3);
    assert_int_equal(ncalled, 3);                /* the call that is behind comes at once, and then the one that it asked for */
    sq_op_timer(op, 10000);
    sq_job_drain(job);
    watermark_after(&k, job, w, 2);
    fake_now = 20000;
    watermark_after(&k, job, w, 2);
    assert_int_equal(ncalled, 3);                /* not behind the end */
    sq_job_close(job);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_splits), cmocka_unit_test(restored), cmocka_unit_test(holds_back), cmocka_unit_test(unread_splits), cmocka_unit_test(no_time), cmocka_unit_test(upserts), cmocka_unit_test(out_of_memory), cmocka_unit_test(timers),
    };
    return cmocka_run_group_tests_name("watermark", tests, NULL, NULL);
}
