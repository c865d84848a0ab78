/* SPDX-License-Identifier: Apache-2.0
 *
 * test_workers.c: jobs of several workers: the same result as one worker's for plans with diamonds, unions and joins of unions, with queues of one
 * batch; snapshots that come back at another number of workers; errors, stops and limits; where the planner puts exchanges.
 */
#include "exec_kit.h"

#include "planner/bind.h"

enum { ROWS_OF_INPUT = 600, KEYS = 40 };
typedef struct sq_plan *shape(struct kit *, struct kit_rows *);

static struct sq_plan *join(struct kit *k, struct sq_plan *l, struct sq_plan *r, enum sq_join_kind kind)
{
    struct sq_plan *p = kit_node(k, SQ_N_JOIN, l, r);
    struct sq_field *f = SQ_NEW_ARRAY(&k->arena, struct sq_field, l->ncols + r->ncols);

    p->u.join.keys = SQ_NEW_ARRAY(&k->arena, struct sq_join_key, 1);
    memcpy(f, l->cols, l->ncols * sizeof *f);
    memcpy(f + l->ncols, r->cols, r->ncols * sizeof *f);
    p->cols = f;
    p->ncols = l->ncols + r->ncols;
    p->u.join.kind = kind;
    p->u.join.nkeys = 1;
    p->mode = kind == SQ_JOIN_INNER && l->mode == SQ_MODE_INSERT && r->mode == SQ_MODE_INSERT ? SQ_MODE_INSERT : SQ_MODE_RETRACT;
    return p;
}

static struct sq_plan *unite(struct kit *k, struct sq_plan *a, struct sq_plan *b)
{
    struct sq_plan *p = kit_node(k, SQ_N_UNION, a, b);
    p->mode = a->mode == SQ_MODE_INSERT && b->mode == SQ_MODE_INSERT ? SQ_MODE_INSERT : SQ_MODE_RETRACT;
    return p;
}

/* COUNT(*) and SUM of column 1 by column `by`. */
static struct sq_plan *count_by(struct kit *k, struct sq_plan *in, uint32_t by)
{
    struct sq_agg_item items[] = {{.agg = sq_agg_find(SQ_STR("COUNT")), .arg = -1, .filter = -1}, {.agg = sq_agg_find(SQ_STR("SUM")), .arg = 1, .filter = -1}};
    struct sq_plan *p = kit_agg(k, in, 1, &by, items, 2);
    p->net = true;
    p->keys = SQ_NEW_ARRAY(&k->arena, struct sq_key, 1);
    *(struct sq_key *)(uintptr_t)p->keys = (struct sq_key){SQ_NEW_ARRAY(&k->arena, uint32_t, 1), 1};   /* column 0 */
    p->nkeys = 1;
    return p;
}

static struct sq_plan *values(struct kit *k, const struct kit_rows *rows, uint32_t per) { return kit_values(k, "ll", rows, per, SQ_MODE_INSERT); }

/* ---- shapes ---- */

static struct sq_plan *counts(struct kit *k, struct kit_rows *in) { return count_by(k, values(k, &in[0], 5), 0); }

/* how many keys have each count: counts that change are taken back */
static struct sq_plan *counts_of_counts(struct kit *k, struct kit_rows *in) { return count_by(k, count_by(k, values(k, &in[0], 5), 0), 1); }

/* one scan, two ways to one join */
static struct sq_plan *diamond(struct kit *k, struct kit_rows *in)
{
    struct sq_plan *v = values(k, &in[0], 3);
    return join(k, v, count_by(k, v, 0), SQ_JOIN_LEFT);
}

/* the two ways have different lengths, and another key on one of them */
static struct sq_plan *long_diamond(struct kit *k, struct kit_rows *in)
{
    struct sq_plan *v = values(k, &in[0], 3), *c = count_by(k, v, 0);
    return unite(k, join(k, c, count_by(k, count_by(k, c, 1), 1), SQ_JOIN_INNER), join(k, c, count_by(k, v, 1), SQ_JOIN_FULL));
}

static struct sq_plan *join_of_unions(struct kit *k, struct kit_rows *in)
{
    struct sq_plan *a = values(k, &in[0], 4), *b = values(k, &in[1], 7), *c = values(k, &in[2], 1);
    return count_by(k, join(k, unite(k, a, unite(k, b, c)), count_by(k, unite(k, c, a), 0), SQ_JOIN_RIGHT), 0);
}

static struct sq_plan *all_rows(struct kit *k, struct kit_rows *in)
{
    struct sq_agg_item item = {.agg = sq_agg_find(SQ_STR("COUNT")), .arg = -1, .filter = -1};
    struct sq_plan *p = kit_agg(k, join(k, values(k, &in[0], 4), values(k, &in[1], 4), SQ_JOIN_FULL), 0, NULL, &item, 1);
    return p;
}

static shape *const shapes[] = {counts, counts_of_counts, diamond, long_diamond, join_of_unions, all_rows};

/* ---- running them ---- */

static struct kit_rows random_rows(uint64_t seed, uint32_t n)
{
    struct kit_rows rows = {0};
    for (uint32_t i = 0; i < n; i++)
        kit_add(&rows, (struct kit_row){SQ_INSERT, {kit_random(&seed) % 9 == 0 ? KIT_NULL : (int64_t)(kit_random(&seed) % KEYS), (int64_t)(kit_random(&seed) % 7)}});
    return rows;
}

static void number(struct sq_plan *p, uint32_t *n)
{
    if (p->id != UINT32_MAX)
        return;
    p->id = (*n)++;
    for (uint32_t i = 0; i < p->ninputs; i++)
        number(p->inputs[i], n);
}

static void forget(struct sq_plan *p)
{
    p->id = UINT32_MAX;
    for (uint32_t i = 0; i < p->ninputs; i++)
        forget(p->inputs[i]);
}

struct setup { uint32_t workers, queue, batch_rows; bool batch; };

static void finals(struct sq_plan *p)
{
    p->final = true;
    p->mode = SQ_MODE_INSERT;
    for (uint32_t i = 0; i < p->ninputs; i++)
        finals(p->inputs[i]);
}

static void spread(struct kit *k, const struct setup *how)
{
    uint32_t n = 0;

    if (how->batch)
        finals(k->plan.roots[0]);
    k->plan.config.batch = how->batch;
    k->plan.config.parallelism = how->workers;
    k->plan.config.queue = how->queue;
    k->plan.config.batch_rows = how->batch_rows;
    if (how->workers > 1)
        kit_ok(k, sq_place_workers(&k->arena, k->plan.roots[0]));
    forget(k->plan.roots[0]);
    number(k->plan.roots[0], &n);
    k->plan.nnodes = n;
}

static void build(struct kit *k, shape *make, struct kit_rows *in, const struct setup *how)
{
    kit_init(k);
    kit_root(k, make(k, in));
    spread(k, how);
}

static char *result(shape *make, struct kit_rows *in, const struct setup *how)
{
    struct kit_table t;
    struct kit k;
    char *text;

    build(&k, make, in, how);
    kit_table_init(&k, &t, 0);
    t.quiet = true;
    kit_run(&k, &t, -1);
    text = kit_text_of(&t);
    kit_table_free(&t);
    kit_free(&k);
    return text;
}

static void inputs(struct kit_rows in[3])
{
    for (uint64_t i = 0; i < 3; i++)
        in[i] = random_rows(77 + i, ROWS_OF_INPUT >> i);
}

static void same_results(bool batch)
{
    static const struct setup setups[] = {{2, 1, 2048, false}, {4, 1, 1, false}, {3, 1, 7, false}, {2, 0, 2048, false}, {4, 2, 7, false}};
    struct kit_rows in[3];

    inputs(in);
    for (size_t s = 0; s < SQ_LEN(shapes); s++) {
        char *want = result(shapes[s], in, &(struct setup){1, 0, 2048, batch});
        assert_true(want[0]);
        for (size_t i = 0; i < SQ_LEN(setups); i++) {
            struct setup how = setups[i];
            how.batch = batch;
            char *got = result(shapes[s], in, &how);
            if (strcmp(got, want) != 0)
                fail_msg("shape %zu, %u workers: got\n%.2000s\nwant\n%.2000s", s, how.workers, got, want);
            free(got);
        }
        free(want);
    }
    for (int i = 0; i < 3; i++)
        free(in[i].r);
}

static void streaming(void **state) { (void)state; same_results(false); }
static void batch(void **state) { (void)state; same_results(true); }

/* ---- snapshots ---- */

/* `turns` turns of one job, then a snapshot into another: the rows of both together are the result. */
static char *handed_over(shape *make, struct kit_rows *in, const struct setup *a, const struct setup *b, int turns)
{
    struct sq_job *job;
    struct kit_table t;
    struct kit k, k2;
    struct sq_buf snap;
    bool done = false;
    char *text;

    build(&k, make, in, a);
    build(&k2, make, in, b);
    kit_table_init(&k, &t, 0);
    t.quiet = true;
    sq_buf_init(&snap, &k.ctx);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, kit_collect, &t, &job));
    for (int i = 0; i < turns && !done; i++)
        kit_ok(&k, sq_job_turn(job, 0, &done));
    kit_ok(&k, sq_job_snapshot(job, &snap));
    sq_job_close(job);
    kit_ok(&k2, sq_job_open(&k2.ctx, &k2.plan, kit_collect, &t, &job));
    kit_ok(&k2, sq_job_restore(job, sq_buf_view(&snap)));
    kit_ok(&k2, sq_job_run(job));
    sq_job_close(job);
    if (t.wrong[0])
        fail_msg("%s", t.wrong);
    text = kit_text_of(&t);
    sq_buf_free(&snap);
    kit_table_free(&t);
    kit_free(&k2);
    kit_free(&k);
    return text;
}

static void snapshots(void **state)
{
    static const uint32_t from[] = {1, 2, 4, 2, 3}, to[] = {2, 1, 2, 4, 3};
    struct kit_rows in[3];
    (void)state;

    inputs(in);
    for (int both = 0; both < 2; both++)
        for (size_t s = 0; s < SQ_LEN(shapes); s++) {
            char *want = result(shapes[s], in, &(struct setup){1, 0, 2048, both});
            for (size_t i = 0; i < SQ_LEN(from); i++)
                for (int turns = 1; turns < 200; turns *= 5) {
                    char *got = handed_over(shapes[s], in, &(struct setup){from[i], 1, 7, both}, &(struct setup){to[i], 0, 2048, both}, turns);
                    if (strcmp(got, want) != 0)
                        fail_msg("shape %zu, %u to %u workers after %d turns%s: got\n%.1500s\nwant\n%.1500s", s, from[i], to[i], turns, both ? ", batch" : "", got, want);
                    free(got);
                }
            free(want);
        }
    for (int i = 0; i < 3; i++)
        free(in[i].r);
}

/* ---- ends before the end ---- */

static struct sq_plan *divided(struct kit *k, struct kit_rows *in)
{
    struct sq_plan *v = values(k, &in[0], 5), *p = kit_node(k, SQ_N_PROJECT, v, NULL);
    struct sq_expr **e = SQ_NEW_ARRAY(&k->arena, struct sq_expr *, 2);
    e[0] = kit_col(k, v, 0);
    e[1] = kit_expr(k, SQ_X_CAST, &sq_type_bigint, 1, kit_call(k, "/", 2, kit_long(k, 10), kit_col(k, v, 1)));
    p->u.project.exprs = e;
    return count_by(k, p, 0);
}

static void first_error(void **state)
{
    struct kit_rows in[3];
    struct sq_job *job;
    struct kit k;
    bool done;
    (void)state;

    inputs(in);
    for (uint32_t n = 2; n <= 4; n += 2) {
        build(&k, divided, in, &(struct setup){n, 1, 7, false});
        kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
        assert_int_equal(sq_job_run(job), SQ_DATA);
        assert_non_null(strstr(k.ctx.err.msg, "ero"));
        assert_int_equal(sq_job_turn(job, 0, &done), SQ_MISUSE);
        sq_job_close(job);
        kit_free(&k);
    }
    for (int i = 0; i < 3; i++)
        free(in[i].r);
}

/* Stopped, closed or interrupted in the middle: all threads leave, all memory comes back, what was read balances. */
static void in_the_middle(void **state)
{
    struct kit_rows in[3];
    struct sq_job_stats st;
    struct sq_job *job;
    struct kit k;
    bool done;
    (void)state;

    inputs(in);
    for (int turns = 0; turns < 12; turns++) {
        _Atomic int interrupt = 0;
        build(&k, shapes[turns % SQ_LEN(shapes)], in, &(struct setup){4, 1, 1, false});
        k.ctx.interrupt = &interrupt;
        kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
        for (int i = 0; i < turns; i++)
            kit_ok(&k, sq_job_turn(job, 0, &done));
        sq_job_stats(job, &st);
        if (turns % 3 == 0) {
            kit_ok(&k, sq_job_stop(job));
            sq_job_stats(job, &st);
            assert_true(st.balanced);
        } else if (turns % 3 == 1) {
            interrupt = 1;
            assert_int_equal(sq_job_turn(job, 0, &done), SQ_INTERRUPT);
        }
        sq_job_close(job);
        kit_free(&k);
    }
    for (int i = 0; i < 3; i++)
        free(in[i].r);
}

static struct sq_plan *some(struct kit *k, struct kit_rows *in)
{
    struct sq_plan *p = kit_node(k, SQ_N_LIMIT, join(k, values(k, &in[0], 1), values(k, &in[1], 1), SQ_JOIN_INNER), NULL);
    p->u.sort.limit = 3;
    return p;
}

static void limit(void **state)
{
    struct kit_rows in[3];
    (void)state;

    inputs(in);
    for (uint32_t n = 1; n <= 4; n++) {
        char *got = result(some, in, &(struct setup){n, 1, 1, false});
        uint32_t lines = 0;
        for (const char *p = got; *p; p++)
            lines += *p == '\n';
        assert_int_equal(lines, 3);
        free(got);
    }
    for (int i = 0; i < 3; i++)
        free(in[i].r);
}

/* The budget is shared: whatever allocation fails, the job fails cleanly and gives all back. */
static void out_of_memory(void **state)
{
    struct kit_rows in[3];
    struct sq_job *job;
    (void)state;

    inputs(in);
    for (int at = 1; at < 1500; at += 1 + at / 4) {
        struct kit k;
        build(&k, join_of_unions, in, &(struct setup){2, 1, 7, false});
        atomic_store(&k.budget.fail_at, at);
        sq_rc rc = sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job);
        if (rc == SQ_OK) {
            rc = sq_job_run(job);
            sq_job_close(job);
        }
        atomic_store(&k.budget.fail_at, 0);
        assert_true(rc == SQ_NOMEM || rc == SQ_OK);
        kit_free(&k);
    }
    for (int i = 0; i < 3; i++)
        free(in[i].r);
}

/* ---- splits ---- */

/* A source whose splits become more: split i gives the numbers 100 * i … 100 * i + 9, two at a time. */
struct growing { uint32_t splits, most; bool bounded; _Atomic uint32_t readers[SQ_WORKERS_MOST]; };
struct sq_reader { struct sq_ctx *ctx; struct growing *g; uint32_t n, number[64], at[64], turn; struct sq_out out; uint64_t rows; };

static sq_rc grow_splits(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_scan_spec *spec, uint32_t want, struct sq_split **out, uint32_t *n)
{
    struct growing *g = (struct growing *)(uintptr_t)spec->ext;
    (void)ctx;
    (void)want;
    *n = g->splits;
    *out = SQ_NEW_ARRAY(a, struct sq_split, g->splits + 1);
    for (uint32_t i = 0; i < *n; i++)
        (*out)[i] = (struct sq_split){sq_str_of(sq_arena_printf(a, "part-%u", i)), sq_str_of(sq_arena_printf(a, "%u", i))};
    if (g->splits < g->most)
        g->splits++;
    return SQ_OK;
}

static sq_rc grow_open(struct sq_ctx *ctx, const struct sq_scan_spec *spec, struct sq_reader **out)
{
    static const struct sq_type *types[1];
    types[0] = &sq_type_bigint;
    *out = sq_calloc(ctx, sizeof **out);
    (*out)->ctx = ctx;
    (*out)->g = (struct growing *)(uintptr_t)spec->ext;
    return sq_out_init(&(*out)->out, ctx, types, 1);
}

static sq_rc grow_add(struct sq_reader *r, const struct sq_split *s, struct sq_str position)
{
    (void)position;
    r->number[r->n++] = (uint32_t)strtoul(s->payload.p, NULL, 10);
    return SQ_OK;
}

static sq_rc grow_poll(struct sq_reader *r, struct sq_poll *p)
{
    *p = (struct sq_poll){.state = r->g->bounded ? SQ_POLL_END : SQ_POLL_IDLE, .wait_us = 500};
    for (uint32_t k = 0; k < r->n; k++) {
        uint32_t i = r->g->bounded ? k : (r->turn + k) % r->n;
        if (r->at[i] > 10)
            continue;
        if (r->at[i] == 10) {
            r->at[i]++;
            if (r->g->bounded)
                *p = (struct sq_poll){.state = SQ_POLL_SPLIT_END, .split = i};
            return SQ_OK;
        }
        sq_out_reset(&r->out);
        for (int row = 0; row < 2; row++) {
            int64_t v = 100 * r->number[i] + r->at[i]++;
            sq_col_append_fixed(&r->out.cols[0], &v);
            sq_out_row(&r->out, SQ_INSERT);
        }
        r->rows += 2;
        r->turn++;
        *p = (struct sq_poll){.state = SQ_POLL_ROWS, .split = i, .batch = sq_out_batch(&r->out)};
        return SQ_OK;
    }
    return SQ_OK;
}

static sq_rc grow_position(struct sq_reader *r, uint32_t split, struct sq_buf *out) { return sq_buf_u32(out, r->at[split]); }
static void grow_stats(struct sq_reader *r, struct sq_source_stats *st) { *st = (struct sq_source_stats){.records = r->rows, .rows = r->rows, .total_bytes = -1}; }
static void grow_close(struct sq_reader *r)
{
    atomic_fetch_add(&r->g->readers[r->n], 1);
    sq_out_free(&r->out);
    sq_free(r->ctx, r);
}

static sq_rc grow_discover(struct sq_reader *r, struct sq_arena *a, struct sq_split **out, uint32_t *n)
{
    struct sq_scan_spec spec = {.ext = (struct sq_table_ext *)(void *)r->g};
    return grow_splits(r->ctx, a, &spec, 1, out, n);
}

static const struct sq_source_class grow_source = {.splits = grow_splits, .open = grow_open, .add_split = grow_add, .poll = grow_poll, .position = grow_position,
                                                   .stats = grow_stats, .close = grow_close, .discover = grow_discover};
static const struct sq_connector grow_connector = {.name = "grow", .source = &grow_source};

static sq_rc count_rows(void *arg, const struct sq_batch *b)
{
    *(uint32_t *)arg += b->nsel;
    return SQ_OK;
}

static void grow_plan(struct kit *k, struct growing *g, const struct sq_table_spec *t, struct sq_source_info info, uint32_t workers)
{
    static const uint32_t col[] = {0};
    struct sq_plan *p;

    kit_init(k);
    p = kit_node(k, SQ_N_SCAN, NULL, NULL);
    kit_cols(k, p, "l");
    p->u.scan.connector = &grow_connector;
    p->u.scan.table = t;
    p->u.scan.ext = (struct sq_table_ext *)(void *)g;
    p->u.scan.cols = col;
    p->u.scan.info = info;
    p->bounded = info.bounded;
    kit_root(k, p);
    spread(k, &(struct setup){workers, 1, 7, false});
}

/* Splits that come while the job runs are read, each by one worker, and everything that was read is written when it is stopped. */
static void discovery(void **state)
{
    struct sq_table_spec t = {.name = SQ_STR("t")};
    struct sq_source_info info = {.mode = SQ_MODE_INSERT, .rows = -1};
    struct sq_job_stats st;
    struct sq_job *job;
    struct kit k;
    bool done = false;
    (void)state;

    for (uint32_t workers = 1; workers <= 4; workers++) {
        struct growing g = {.splits = 0, .most = 12};
        uint32_t rows = 0;
        grow_plan(&k, &g, &t, info, workers);
        kit_ok(&k, sq_job_open(&k.ctx, &k.plan, count_rows, &rows, &job));
        for (int i = 0; i < 20000 && rows < 120; i++)
            kit_ok(&k, sq_job_turn(job, 1000, &done));
        assert_int_equal(rows, 120);
        assert_false(done);
        kit_ok(&k, sq_job_stop(job));
        sq_job_stats(job, &st);
        assert_true(st.balanced);
        assert_int_equal(st.rows_in, 120);
        sq_job_close(job);
        assert_int_equal(g.readers[12 / workers], workers);       /* the same share each */
        kit_free(&k);
    }
}

/* Splits that are read one after the other: all of them, each once. */
static void one_by_one(void **state)
{
    struct sq_table_spec t = {.name = SQ_STR("t")};
    struct sq_source_info info = {.bounded = true, .mode = SQ_MODE_INSERT, .rows = 200, .one_by_one = true};
    struct sq_job *job;
    struct kit k;
    (void)state;

    for (uint32_t workers = 1; workers <= 4; workers++) {
        struct growing g = {.splits = 20, .most = 20, .bounded = true};
        uint32_t rows = 0, splits = 0;
        grow_plan(&k, &g, &t, info, workers);
        kit_ok(&k, sq_job_open(&k.ctx, &k.plan, count_rows, &rows, &job));
        kit_ok(&k, sq_job_run(job));
        sq_job_close(job);
        assert_int_equal(rows, 200);
        for (uint32_t i = 0; i <= 20; i++)
            splits += i * g.readers[i];
        assert_int_equal(splits, 20);
        kit_free(&k);
    }
}

/* ---- where exchanges are ---- */

static void exchanges(void **state)
{
    struct kit_rows in[3];
    struct kit k;
    (void)state;

    inputs(in);
    build(&k, diamond, in, &(struct setup){2, 0, 2048, false});
    struct sq_plan *j = k.plan.roots[0]->inputs[0];
    assert_int_equal(j->kind, SQ_N_EXCHANGE);            /* to the one that collects */
    assert_true(j->single && k.plan.roots[0]->single);
    j = j->inputs[0];
    assert_int_equal(j->kind, SQ_N_JOIN);
    assert_false(j->single);
    assert_int_equal(j->inputs[0]->kind, SQ_N_EXCHANGE);
    assert_int_equal(j->inputs[1]->kind, SQ_N_AGGREGATE);         /* lies by the key already */
    assert_int_equal(j->inputs[1]->inputs[0]->kind, SQ_N_EXCHANGE);
    kit_free(&k);

    build(&k, counts_of_counts, in, &(struct setup){2, 0, 2048, false});
    struct sq_plan *outer = k.plan.roots[0]->inputs[0]->inputs[0];
    assert_int_equal(outer->inputs[0]->kind, SQ_N_EXCHANGE);      /* by another column */
    assert_int_equal(outer->inputs[0]->u.exchange.cols[0], 1);
    kit_free(&k);

    /* an update changes what the join compares: its halves would go to different workers */
    kit_init(&k);
    struct sq_plan *c = count_by(&k, values(&k, &in[0], 5), 0), *v = values(&k, &in[1], 5);
    struct sq_join_key on = {1, 0};
    j = join(&k, c, v, SQ_JOIN_INNER);
    *(struct sq_join_key *)(uintptr_t)j->u.join.keys = on;
    kit_root(&k, j);
    spread(&k, &(struct setup){2, 0, 2048, false});
    assert_true(j->single);
    kit_free(&k);
    for (int i = 0; i < 3; i++)
        free(in[i].r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streaming), cmocka_unit_test(batch), cmocka_unit_test(snapshots), cmocka_unit_test(first_error), cmocka_unit_test(in_the_middle),
        cmocka_unit_test(limit), cmocka_unit_test(out_of_memory), cmocka_unit_test(exchanges), cmocka_unit_test(discovery),
        cmocka_unit_test(one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
