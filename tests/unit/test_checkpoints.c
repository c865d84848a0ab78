/* SPDX-License-Identifier: Apache-2.0
 *
 * test_checkpoints.c: jobs with epochs and checkpoints, broken off at random moments and at every kind of failure of a sink, and begun again, also with
 * another number of workers; the outside, played by fake sinks that keep a marker, must in the end have every row once.
 */
#include "exec_kit.h"

#include "executor/runtime/runtime.h"

#include <unistd.h>

/* ---- the outside: what a database would have ---- */

enum fail { FAIL_NEVER, FAIL_PREPARE, FAIL_BEFORE_COMMIT, FAIL_AFTER_COMMIT, FAIL_WRITE };

struct outside {                           /* lives longer than any job */
    struct kit_table rows;
    uint64_t epoch;
    char job[40], owner[20];
    enum fail fail;
    int in;                                /* calls until it fails */
    int commits;
};

struct sq_writer {
    struct sq_ctx *ctx;
    struct outside *o;
    struct sq_buf text;                    /* staged rows: kind and text, a line each */
    char owner[20], job[40];
    uint64_t prepared;
    bool handed;
};

static sq_rc fails(struct sq_writer *w, enum fail what)
{
    return w->o->fail == what && --w->o->in == 0 ? sq_fail(w->ctx, SQ_EXTERNAL, "the outside is gone") : SQ_OK;
}

static sq_rc out_open(struct sq_ctx *ctx, const struct sq_sink_spec *spec, struct sq_writer **out)
{
    struct sq_writer *w = sq_calloc(ctx, sizeof *w);
    if (!w)
        return SQ_NOMEM;
    w->ctx = ctx;
    w->o = (struct outside *)(uintptr_t)spec->ext;
    assert_true(spec->epoch.on);
    assert_int_equal(spec->epoch.job.n, 36);
    snprintf(w->owner, sizeof w->owner, "%.*s", SQ_FMT(spec->epoch.owner));
    snprintf(w->job, sizeof w->job, "%.*s", SQ_FMT(spec->epoch.job));
    if (strcmp(w->o->job, w->job) != 0)
        w->o->epoch = 0;                   /* another job: its own marker */
    snprintf(w->o->job, sizeof w->o->job, "%s", w->job);
    snprintf(w->o->owner, sizeof w->o->owner, "%s", w->owner);
    sq_buf_init(&w->text, ctx);
    *out = w;
    return SQ_OK;
}

static sq_rc out_write(struct sq_writer *w, const struct sq_batch *b)
{
    assert_false(w->handed);
    SQ_TRY(fails(w, FAIL_WRITE));
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t r = sq_row(b, i);
        sq_buf_printf(&w->text, "%u", (unsigned)sq_row_kind(b, r));
        for (uint32_t c = 0; c < b->ncols; c++) {
            sq_buf_putc(&w->text, c ? '|' : ' ');
            sq_vec_null(&b->cols[c], r) ? sq_buf_puts(&w->text, "NULL") : sq_print_value(&w->text, &b->cols[c], r, sq_tz_utc);
        }
        SQ_TRY(sq_buf_putc(&w->text, '\n'));
    }
    return SQ_OK;
}

static sq_rc out_marker(struct sq_writer *w, uint64_t *epoch)
{
    *epoch = w->o->epoch;
    return SQ_OK;
}

static sq_rc out_set_marker(struct sq_writer *w, uint64_t epoch)
{
    w->o->epoch = epoch;
    return SQ_OK;
}

static sq_rc out_prepare(struct sq_writer *w, uint64_t epoch, struct sq_buf *pending)
{
    SQ_TRY(fails(w, FAIL_PREPARE));
    w->handed = true;
    w->prepared = epoch;
    return pending ? sq_buf_str(pending, sq_buf_view(&w->text)) : SQ_OK;
}

static sq_rc out_recover(struct sq_writer *w, uint64_t epoch, struct sq_str pending)
{
    assert_int_equal(w->text.n, 0);
    w->prepared = epoch;
    return sq_buf_str(&w->text, pending);
}

static sq_rc out_commit(struct sq_writer *w, uint64_t epoch)
{
    assert_int_equal(w->prepared, epoch);
    SQ_TRY(fails(w, FAIL_BEFORE_COMMIT));
    if (strcmp(w->o->owner, w->owner) != 0)
        return sq_fail(w->ctx, SQ_EXTERNAL, "another run of the job took over");
    assert_int_equal(w->o->epoch, epoch - 1);
    for (char *p = w->text.p; p && *p;) {
        char *end = strchr(p, '\n');
        *end = 0;
        kit_table_row(&w->o->rows, (uint8_t)(*p - '0'), p + 2);
        p = end + 1;
    }
    w->o->epoch = epoch;
    w->o->commits++;
    sq_buf_reset(&w->text);
    w->handed = false;
    return fails(w, FAIL_AFTER_COMMIT);
}

static void out_close(struct sq_writer *w)
{
    sq_buf_free(&w->text);
    sq_free(w->ctx, w);
}

static enum sq_sink_promise out_promise(const struct sq_table_spec *t, const struct sq_table_ext *ext)
{
    (void)t;
    (void)ext;
    return SQ_SINK_MARKED;
}

static const struct sq_sink_class out_class = {
    .accepts = 7, .open = out_open, .write = out_write, .close = out_close, .promise = out_promise, .marker = out_marker, .set_marker = out_set_marker,
    .prepare = out_prepare, .recover = out_recover, .commit = out_commit,
};
static const struct sq_connector outside_connector = {.name = "outside", .sink = &out_class};

/* ---- jobs ---- */

struct setup {
    uint32_t workers, sinks;
    int64_t interval_ms;
    enum sq_trigger trigger;
    uint64_t max_rows;
    bool other_agg;                        /* the plan has changed */
    const char *from;
};

static struct sq_plan *exchange(struct kit *k, struct sq_plan *in, bool single)
{
    static const uint32_t first[] = {0};
    struct sq_plan *p = kit_node(k, SQ_N_EXCHANGE, in, NULL);
    p->mode = in->mode;
    p->single = single;
    p->u.exchange.cols = single ? NULL : first;
    p->u.exchange.ncols = single ? 0 : 1;
    return p;
}

static struct sq_plan *to_sink(struct kit *k, struct sq_plan *in, const struct sq_table_spec *t, struct outside *o, const char *path, uint64_t uid)
{
    struct sq_plan *p = kit_node(k, SQ_N_SINK, in, NULL);
    p->mode = in->mode;
    p->single = true;
    p->uid = uid;
    p->text = sq_str_of(path);
    p->u.sink.connector = &outside_connector;
    p->u.sink.table = t;
    p->u.sink.ext = (const struct sq_table_ext *)o;
    p->u.sink.mode = in->mode;
    p->u.sink.path = sq_str_of(path);
    return p;
}

static const struct sq_table_spec table = {.name = {"t", 1}};

/* values -> counts and sums by key -> sink; and, with two sinks, values -> sink. */
static void build(struct kit *k, const struct kit_rows *in, const struct setup *s, struct outside *o, const char *dir)
{
    static const uint32_t by[] = {0};
    struct sq_agg_item items[] = {{.agg = sq_agg_find(SQ_STR("COUNT")), .arg = -1, .filter = -1}, {.agg = sq_agg_find(SQ_STR("SUM")), .arg = 1, .filter = -1}};
    struct sq_plan **roots, *v, *p;

    kit_init(k);
    v = p = kit_values(k, "ll", in, 3, SQ_MODE_INSERT);
    v->uid = 1;
    v->text = SQ_STR("Values");
    if (s->workers > 1)
        p = exchange(k, p, false);
    p = kit_agg(k, p, 1, by, items, s->other_agg ? 1 : 2);
    p->uid = s->other_agg ? 22 : 2;
    p->text = s->other_agg ? SQ_STR("Aggregate by (c0): COUNT(*)") : SQ_STR("Aggregate by (c0): COUNT(*), SUM(c1)");
    if (s->workers > 1)
        p = exchange(k, p, true);
    roots = SQ_NEW_ARRAY(&k->arena, struct sq_plan *, 2);
    roots[0] = to_sink(k, p, &table, &o[0], "counts", s->other_agg ? 33 : 3);
    if (s->sinks > 1)
        roots[1] = to_sink(k, s->workers > 1 ? exchange(k, v, true) : v, &table, &o[1], "rows", 4);
    k->plan.roots = roots;
    k->plan.nroots = s->sinks;
    k->plan.nnodes = k->nodes;
    k->plan.config.parallelism = s->workers;
    k->plan.config.batch_rows = 7;
    k->plan.config.name = SQ_STR("test");
    k->plan.config.epochs = (struct sq_epoch_config){.dir = sq_str_of(dir), .interval_ms = s->interval_ms, .trigger = s->trigger, .trigger_ms = 1, .retained = 1,
                                                     .timeout_ms = 60000, .max_rows = s->max_rows, .from = sq_str_of(s->from)};
}

static void random_rows(struct kit_rows *rows, uint64_t seed, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        kit_add(rows, (struct kit_row){SQ_INSERT, {(int64_t)(kit_random(&seed) % 17), i}});
}

/* What the outside must have in the end. */
static void expect(const struct kit_rows *in, const struct outside *o, uint32_t sinks, const char *when)
{
    int64_t count[17] = {0}, sum[17] = {0};
    uint32_t keys = 0, have = 0, rows = 0;

    for (uint32_t i = 0; i < in->n; i++) {
        count[in->r[i].v[0]]++;
        sum[in->r[i].v[0]] += in->r[i].v[1];
    }
    for (uint32_t i = 0; i < 17; i++)
        keys += count[i] > 0;
    for (uint32_t i = 0; i < o[0].rows.n; i++) {
        long long k, c, s;
        if (o[0].rows.e[i].n == 0)
            continue;
        have++;
        assert_int_equal(sscanf(o[0].rows.e[i].text, "%lld|%lld|%lld", &k, &c, &s), 3);
        if (o[0].rows.e[i].n != 1 || count[k] != c || sum[k] != s)
            fail_msg("%s: %s (%d times), not %lld|%lld", when, o[0].rows.e[i].text, (int)o[0].rows.e[i].n, (long long)count[k], (long long)sum[k]);
    }
    if (have != keys || o[0].rows.wrong[0])
        fail_msg("%s: %u keys, not %u; %s", when, have, keys, o[0].rows.wrong);
    for (uint32_t i = 0; sinks > 1 && i < o[1].rows.n; i++) {
        rows += o[1].rows.e[i].n > 0;
        if (o[1].rows.e[i].n > 1)
            fail_msg("%s: %s stands there %d times", when, o[1].rows.e[i].text, (int)o[1].rows.e[i].n);
    }
    if (sinks > 1 && rows != in->n)
        fail_msg("%s: %u rows, not %u", when, rows, in->n);
}

static void outside_init(struct outside *o, struct kit *memory)
{
    for (int i = 0; i < 2; i++) {
        memset(&o[i], 0, sizeof o[i]);
        kit_table_init(memory, &o[i].rows, 0);
        o[i].rows.quiet = true;
    }
}

static void outside_free(struct outside *o)
{
    for (int i = 0; i < 2; i++)
        kit_table_free(&o[i].rows);
}

static char *make_dir(void)
{
    static char dir[64];
    /* in memory where that is there: what is durable on a disk is for test_store.c and the crash tests */
    snprintf(dir, sizeof dir, "%s/sq-epochs-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static void remove_dir(const char *dir)
{
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    assert_int_equal(system(cmd), 0);
}

static uint64_t epochs_of(const struct sq_job *job)
{
    struct sq_job_stats st;

    sq_job_stats(job, &st);
    return st.epoch;
}

/* Runs until done, until the outside fails, or until `turns` are over (then it is broken off); with -n, until n epochs are committed. True: done. */
static bool run_some(const struct kit_rows *in, const struct setup *s, struct outside *o, const char *dir, int turns)
{
    struct sq_job *job;
    struct kit k;
    bool done = false;
    sq_rc rc;

    build(&k, in, s, o, dir);
    rc = sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job);
    while (rc == SQ_OK && !done && (turns < 0 ? epochs_of(job) < (uint64_t)-turns : turns-- > 0))
        rc = sq_job_turn(job, 1000, &done);
    if (rc != SQ_OK && strcmp(k.ctx.err.msg, "the outside is gone") != 0)
        fail_msg("%s (%s)", k.ctx.err.msg, k.ctx.err.hint);
    if (rc == SQ_OK && done) {
        struct sq_job_stats st;
        sq_job_stats(job, &st);
        assert_true(st.balanced);
        assert_int_equal(st.epoch, o[0].epoch);
    }
    sq_job_close(job);
    kit_free(&k);
    return rc == SQ_OK && done;
}

/* ---- tests ---- */

static void undisturbed(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 3; workers++)
        for (uint32_t sinks = 1; sinks <= 2; sinks++) {
            struct kit_rows in = {0};
            struct outside o[2];
            struct kit memory;
            char *dir = make_dir();

            kit_init(&memory);
            outside_init(o, &memory);
            random_rows(&in, 7 + workers, 500);
            assert_true(run_some(&in, &(struct setup){workers, sinks, 1, 0, 0, false, NULL}, o, dir, 1000000));
            expect(&in, o, sinks, "undisturbed");
            assert_true(o[0].commits >= 1);
            outside_free(o);
            kit_free(&memory);
            free(in.r);
            remove_dir(dir);
        }
}

/* SEED=n repeats one; SEEDS=n tries so many. */
static void broken_off(void **state)
{
    const char *given = getenv("SEED"), *many = getenv("SEEDS");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1, last = given ? first : many ? strtoull(many, NULL, 10) : 40;
    (void)state;

    for (uint64_t seed = first; seed <= last; seed++) {
        uint64_t rnd = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
        struct kit_rows in = {0};
        struct outside o[2];
        struct kit memory;
        char *dir = make_dir(), when[64];
        uint32_t sinks = 1 + (uint32_t)(kit_random(&rnd) % 2);
        bool done = false;

        snprintf(when, sizeof when, "SEED=%llu", (unsigned long long)seed);
        kit_init(&memory);
        outside_init(o, &memory);
        random_rows(&in, seed, 900);
        for (int runs = 0; !done && runs < 400; runs++) {
            struct setup s = {1 + (uint32_t)(kit_random(&rnd) % 4), sinks, 1, SQ_TRIGGER_CONTINUOUS, 0, false, NULL};
            for (int i = 0; i < 2; i++) {
                o[i].fail = kit_random(&rnd) % 3 ? FAIL_NEVER : (enum fail)(1 + kit_random(&rnd) % 4);
                o[i].in = 1 + (int)(kit_random(&rnd) % 3);
            }
            done = run_some(&in, &s, o, dir, 1 + (int)(kit_random(&rnd) % 60) + runs / 20 * 30);
        }
        assert_true(done);
        expect(&in, o, sinks, when);
        outside_free(o);
        kit_free(&memory);
        free(in.r);
        remove_dir(dir);
    }
}

/* A finished job that is run again begins anew; one with 'available-now' goes on. */
static void again(void **state)
{
    struct kit_rows in = {0};
    struct outside o[2];
    struct kit memory;
    char *dir = make_dir();
    (void)state;

    kit_init(&memory);
    outside_init(o, &memory);
    random_rows(&in, 3, 100);
    struct setup now = {1, 2, 0, SQ_TRIGGER_AVAILABLE_NOW, 20, false, NULL};
    assert_true(run_some(&in, &now, o, dir, 100000));
    expect(&in, o, 2, "available-now");
    assert_in_range(o[0].commits, 4, 8);         /* 100 rows, at most 20 of them an epoch and a batch more */
    assert_true(run_some(&in, &now, o, dir, 100000));
    expect(&in, o, 2, "available-now, nothing new");
    remove_dir(dir);
    dir = make_dir();
    outside_free(o);
    outside_init(o, &memory);
    struct setup once = {2, 2, 1, SQ_TRIGGER_CONTINUOUS, 0, false, NULL};
    assert_true(run_some(&in, &once, o, dir, 100000));
    expect(&in, o, 2, "once");
    outside_free(o);
    outside_init(o, &memory);                    /* the outside was emptied: a rerun fills it again */
    assert_true(run_some(&in, &once, o, dir, 100000));
    expect(&in, o, 2, "again");
    outside_free(o);
    kit_free(&memory);
    free(in.r);
    remove_dir(dir);
}

static void changed(void **state)
{
    struct kit_rows in = {0};
    struct outside o[2];
    struct kit memory, k;
    struct sq_job *job;
    char *dir = make_dir();
    struct setup s = {1, 1, 1, SQ_TRIGGER_AVAILABLE_NOW, 20, false, NULL};
    (void)state;

    kit_init(&memory);
    outside_init(o, &memory);
    random_rows(&in, 3, 100);
    assert_false(run_some(&in, &s, o, dir, -2));
    s.other_agg = true;
    build(&k, &in, &s, o, dir);
    assert_int_equal(sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job), SQ_SEMANTIC);
    assert_non_null(strstr(k.ctx.err.msg, "its plan has no place for the state of Aggregate by (c0): COUNT(*), SUM(c1) ("));
    assert_non_null(strstr(k.ctx.err.msg, "what is new in it: Aggregate by (c0): COUNT(*)"));
    assert_non_null(strstr(k.ctx.err.hint, "--allow-dropped-state"));
    kit_free(&k);
    build(&k, &in, &s, o, dir);
    k.plan.config.epochs.allow_dropped_state = true;
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
    sq_job_close(job);
    kit_free(&k);
    outside_free(o);
    kit_free(&memory);
    free(in.r);
    remove_dir(dir);
}

/* Checkpoint and sink are not of one history. */
static void disagreement(void **state)
{
    static const uint64_t shift[] = {2, 5};
    (void)state;

    for (size_t i = 0; i < SQ_LEN(shift); i++)
        for (uint32_t sinks = 1; sinks <= 2; sinks++) {
            struct kit_rows in = {0};
            struct outside o[2];
            struct kit memory, k;
            struct sq_job *job;
            char *dir = make_dir();
            struct setup s = {1, sinks, 1, SQ_TRIGGER_AVAILABLE_NOW, 20, false, NULL};

            kit_init(&memory);
            outside_init(o, &memory);
            random_rows(&in, 3, 100);
            run_some(&in, &s, o, dir, -2);
            o[sinks - 1].epoch += shift[i];
            build(&k, &in, &s, o, dir);
            assert_int_equal(sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job), SQ_EXTERNAL);
            assert_non_null(strstr(k.ctx.err.msg, "they are not of one history"));
            kit_free(&k);
            build(&k, &in, &s, o, dir);
            k.plan.config.epochs.ignore_sink_epochs = true;
            kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
            sq_job_close(job);
            kit_free(&k);
            outside_free(o);
            kit_free(&memory);
            free(in.r);
            remove_dir(dir);
        }
}

/* The second run of a job takes its sinks over; what the first one commits then fails. */
static void fenced(void **state)
{
    struct kit_rows in = {0};
    struct outside o[2];
    struct kit memory, k;
    struct sq_job *job;
    char *dir = make_dir();
    struct setup s = {1, 1, 1, SQ_TRIGGER_AVAILABLE_NOW, 20, false, NULL};
    bool done = false;
    sq_rc rc = SQ_OK;
    (void)state;

    kit_init(&memory);
    outside_init(o, &memory);
    random_rows(&in, 3, 100);
    build(&k, &in, &s, o, dir);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
    kit_ok(&k, sq_job_turn(job, 0, &done));
    snprintf(o[0].owner, sizeof o[0].owner, "somebody else");
    while (rc == SQ_OK && !done)
        rc = sq_job_turn(job, 1000, &done);
    assert_int_equal(rc, SQ_EXTERNAL);
    assert_string_equal(k.ctx.err.msg, "another run of the job took over");
    sq_job_close(job);
    kit_free(&k);
    outside_free(o);
    kit_free(&memory);
    free(in.r);
    remove_dir(dir);
}

static void stopped(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 4; workers += 3) {
        struct kit_rows in = {0};
        struct outside o[2];
        struct kit memory, k;
        struct sq_job *job;
        struct sq_buf made;
        char *dir = make_dir(), path[128];
        struct setup s = {workers, 2, 100000, SQ_TRIGGER_CONTINUOUS, 0, false, NULL};
        bool done;

        kit_init(&memory);
        outside_init(o, &memory);
        random_rows(&in, 3, 400);
        for (int i = 0; i < 3; i++) {            /* a stop commits what was read */
            int before = o[1].rows.n ? (int)o[1].rows.changes : 0;
            build(&k, &in, &s, o, dir);
            kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
            for (int t = 0; t < 8; t++)
                kit_ok(&k, sq_job_turn(job, 0, &done));
            kit_ok(&k, sq_job_stop(job));
            assert_true((int)o[1].rows.changes > before || done);
            sq_job_close(job);
            kit_free(&k);
        }
        build(&k, &in, &s, o, dir);              /* a savepoint goes on elsewhere */
        kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
        sq_buf_init(&made, &k.ctx);
        snprintf(path, sizeof path, "%s/my.savepoint", dir);
        kit_ok(&k, sq_job_stop_with_savepoint(job, path, &made));
        assert_string_equal(made.p, path);
        sq_buf_free(&made);
        sq_job_close(job);
        kit_free(&k);
        char other[128];
        snprintf(other, sizeof other, "%s/other", dir);
        s.from = path;
        run_some(&in, &s, o, other, 6);          /* broken off: the next run goes on from its own checkpoint, or from the savepoint once more */
        assert_true(run_some(&in, &s, o, other, 1000000));
        expect(&in, o, 2, "stopped");
        outside_free(o);
        kit_free(&memory);
        free(in.r);
        remove_dir(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undisturbed), cmocka_unit_test(broken_off), cmocka_unit_test(again), cmocka_unit_test(changed), cmocka_unit_test(disagreement),
        cmocka_unit_test(fenced), cmocka_unit_test(stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
