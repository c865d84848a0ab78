/* SPDX-License-Identifier: Apache-2.0
 *
 * test_jdbc_epochs.c: the jdbc sink with epochs, on SQLite: an epoch is there once or not at all, whatever the order of calls and wherever a run
 * ends. Runs end by close without commit; commits whose answer is lost come from a dialect that lies; what is in the database is looked at through
 * a connection of the test's own.
 */
#include "connectors/jdbc/jdbc.h"
#include "jdbc_world.h"

#include <signal.h>
#include <sys/resource.h>

#define JOB "11111111-2222-3333-4444-555555555555"
#define OWNER_A "aaaaaaaaaaaaaaaa"
#define OWNER_B "bbbbbbbbbbbbbbbb"

static const uint32_t key_id[] = {0};
static const struct sq_sink_class *sink;

struct run {                       /* one run of a job, as the runtime would drive its sink */
    struct world *world;
    struct sq_sink_spec spec;
    struct sq_writer *w;
    struct sq_buf pending;
};

static sq_rc open_run(struct world *w, struct run *r, const char *more, bool keyed, const char *owner)
{
    struct sq_table_spec *t = make_spec(w, kit_cols, 2, more);
    sink = sq_connector_jdbc.sink;
    w->ctx.err = (struct sq_error){0};
    w->notices[0] = 0;
    *r = (struct run){.world = w};
    r->spec = (struct sq_sink_spec){.table = t, .ext = make_ext(w, t), .session = &w->session, .mode = keyed ? SQ_MODE_UPSERT : SQ_MODE_INSERT,
                                    .key = key_id, .nkey = keyed, .epoch = {.on = true, .job = SQ_STR(JOB), .sink = SQ_STR("default.t")}};
    r->spec.epoch.owner = sq_str_of(owner);
    sq_buf_init(&r->pending, &w->ctx);
    return SQ_OK;
}

static sq_rc begin_run(struct run *r) { return sink->open(&r->world->ctx, &r->spec, &r->w); }

static void end_run(struct run *r)
{
    if (r->w)
        sink->close(r->w);
    r->w = NULL;
    sq_buf_free(&r->pending);
}

/* Opens a run, which must work. */
static void start(struct world *w, struct run *r, const char *more, bool keyed, const char *owner)
{
    open_run(w, r, more, keyed, owner);
    if (begin_run(r) != SQ_OK)
        print_error("%s\n", w->ctx.err.msg);
    assert_non_null(r->w);
}

static void put(struct run *r, const char *rows)
{
    struct sq_out o;
    kit_fill(&r->world->ctx, &o, rows);
    assert_int_equal(sink->write(r->w, sq_out_batch(&o)), SQ_OK);
    sq_out_free(&o);
}

static void good(struct run *r, sq_rc rc)
{
    if (rc != SQ_OK)
        print_error("%s\n", r->world->ctx.err.msg);
    assert_int_equal(rc, SQ_OK);
}

static void prepare(struct run *r, uint64_t n)
{
    sq_buf_reset(&r->pending);
    good(r, sink->prepare(r->w, n, &r->pending));
}

static void epoch(struct run *r, uint64_t n, const char *rows)
{
    put(r, rows);
    good(r, sink->prepare(r->w, n, NULL));
    good(r, sink->commit(r->w, n));
}

static uint64_t marker(struct run *r)
{
    uint64_t n = 99;
    assert_int_equal(sink->marker(r->w, &n), SQ_OK);
    return n;
}

static void expect_error(struct world *w, const char *fmt, ...)
{
    char want[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(want, sizeof want, fmt, ap);
    va_end(ap);
    assert_string_equal(w->ctx.err.msg, want);
}

/* ---- the plain way ---- */

static void test_epochs(void **state)
{
    struct world w;
    struct run r;
    (void)state;
    begin(&w);
    start(&w, &r, "", true, OWNER_A);
    assert_non_null(strstr(w.notices, "CREATE TABLE sqluice_epochs (job TEXT NOT NULL, sink TEXT NOT NULL, epoch INTEGER NOT NULL"));
    assert_int_equal(sink->promise(r.spec.table, r.spec.ext), SQ_SINK_MARKED);
    assert_int_equal(marker(&r), 0);
    assert_string_equal(sql(&w, "SELECT job, sink, epoch, owner FROM sqluice_epochs"), JOB "|default.t|0|" OWNER_A ";");
    put(&r, "1:a 2:b 3:c");
    assert_int_equal(sink->flush(r.w), SQ_OK);                      /* means nothing here */
    assert_true(sink->pending_bytes(r.w) > 0);
    good(&r, sink->prepare(r.w, 1, NULL));
    assert_string_equal(sql(&w, "SELECT count(*) FROM r"), "0;");
    good(&r, sink->commit(r.w, 1));
    assert_int_equal(sink->pending_bytes(r.w), 0);
    assert_string_equal(sql(&w, "SELECT id, s FROM r ORDER BY id"), "1|a;2|b;3|c;");
    assert_string_equal(sql(&w, "SELECT epoch, length(updated), owner FROM sqluice_epochs"), "1|23|" OWNER_A ";");
    epoch(&r, 2, "-1:a 1:A ^2:B -2:B 4:d -4:d -3:c 3:C 5:e ^5:E ~5:E 6:#");   /* within one epoch the last change of a key wins */
    assert_string_equal(sql(&w, "SELECT id, coalesce(s, '-') FROM r ORDER BY id"), "1|A;3|C;5|E;6|-;");
    epoch(&r, 3, "");                                                /* nothing came: the marker moves all the same */
    assert_int_equal(marker(&r), 3);
    good(&r, sink->commit(r.w, 3));                                  /* said again: it is */
    put(&r, "9:lost");
    end_run(&r);
    assert_string_equal(sql(&w, "SELECT count(*) FROM r WHERE id = 9"), "0;");
    start(&w, &r, "", true, OWNER_B);
    assert_int_equal(marker(&r), 3);
    assert_string_equal(w.notices, "");
    epoch(&r, 4, "9:found");
    end_run(&r);
    assert_string_equal(sql(&w, "SELECT epoch, owner FROM sqluice_epochs"), "4|" OWNER_B ";");
    end(&w);
}

/* Without a key: order and doubles are kept. */
static void test_append(void **state)
{
    struct world w;
    struct run r;
    (void)state;
    begin(&w);
    start(&w, &r, "", false, OWNER_A);
    epoch(&r, 1, "3:c 1:a 1:a 2:b");
    put(&r, "9:x 8:y");
    prepare(&r, 2);
    struct sq_buf keep = r.pending;
    sq_buf_init(&r.pending, &w.ctx);
    end_run(&r);
    start(&w, &r, "", false, OWNER_B);
    good(&r, sink->recover(r.w, 2, sq_buf_view(&keep)));
    good(&r, sink->commit(r.w, 2));
    epoch(&r, 3, "1:a #:#");
    end_run(&r);
    sq_buf_free(&keep);
    assert_string_equal(sql(&w, "SELECT coalesce(id, '-'), coalesce(s, '-') FROM r ORDER BY rowid"), "3|c;1|a;1|a;2|b;9|x;8|y;1|a;-|-;");
    end(&w);
}

/* A unique value that one row gives up is free for another, in whatever order the two came first. */
static void test_unique_values(void **state)
{
    struct world w;
    struct run r;
    (void)state;
    begin(&w);
    sql(&w, "CREATE TABLE r (id INT PRIMARY KEY, s TEXT UNIQUE); INSERT INTO r VALUES (1, 'u')");
    start(&w, &r, "", true, OWNER_A);
    epoch(&r, 1, "2:x -1:u 2:u");
    end_run(&r);
    assert_string_equal(sql(&w, "SELECT id, s FROM r"), "2|u;");
    end(&w);
}

/* Epochs that are not durable: one transaction each, no marker. */
static void test_no_job(void **state)
{
    struct world w;
    struct run r;
    (void)state;
    begin(&w);
    open_run(&w, &r, "", true, OWNER_A);
    r.spec.epoch.job.n = 0;
    good(&r, begin_run(&r));
    assert_int_equal(marker(&r), 0);
    good(&r, sink->set_marker(r.w, 5));
    put(&r, "1:a 2:b");
    assert_string_equal(sql(&w, "SELECT count(*) FROM r"), "0;");
    prepare(&r, 1);
    good(&r, sink->commit(r.w, 1));
    epoch(&r, 2, "-1:a 3:c");
    epoch(&r, 3, "");
    end_run(&r);
    assert_string_equal(sql(&w, "SELECT id, s FROM r"), "2|b;3|c;");
    assert_string_equal(sql(&w, "SELECT name FROM sqlite_master WHERE type = 'table'"), "r;");
    end(&w);
}

/* ---- wherever a run ends ---- */

/* A job of `epochs` epochs with random rows, whose runs end at random steps; it goes on as the protocol has it. As decider its rows are not in the
 * checkpoint: what is not committed is computed again. */
struct sim {
    struct world *w;
    bool keyed, decider;
    uint64_t done, saved;          /* the newest checkpoint that is done, the newest that is prepared */
    struct sq_buf rows;            /* pending of `saved` */
    unsigned seed;
    int owners;
};

static unsigned next_random(unsigned *seed) { return (*seed = *seed * 1103515245 + 12345) >> 16; }

/* The same rows each time, as a source that is read again gives them. */
static const char *rows_of(struct sim *s, uint64_t n)
{
    unsigned seed = (unsigned)n * 7919 + s->keyed;
    struct sq_buf b;
    sq_buf_init(&b, &s->w->ctx);
    for (unsigned i = 0, many = next_random(&seed) % 7; i < many; i++) {
        unsigned k = next_random(&seed) % 5, how = next_random(&seed) % 3;
        sq_buf_printf(&b, "%s%s%u:v%u.%u", i ? " " : "", s->keyed && how == 0 ? "-" : "", k, (unsigned)n, i);
    }
    const char *copy = sq_arena_printf(&s->w->arena, "%s", b.p ? b.p : "");
    sq_buf_free(&b);
    return copy;
}

static bool dies(struct sim *s) { return next_random(&s->seed) % 8 == 0; }

/* One run, up to its end or to where it dies. */
static void run_sim(struct sim *s, uint64_t epochs)
{
    struct run r;
    char owner[17];
    snprintf(owner, sizeof owner, "%016x", s->owners++);
    start(s->w, &r, "", s->keyed, sq_arena_printf(&s->w->arena, "%s", owner));
    uint64_t m = marker(&r), n = s->saved;
    if (s->decider) {
        assert_true(m == s->saved || m + 1 == s->saved);             /* it happened, or it did not */
        n = s->done = s->saved = m;
        good(&r, sink->recover(r.w, n, (struct sq_str){NULL, 0}));
    } else if (s->saved > s->done) {
        assert_true(m == s->saved || m + 1 == s->saved);
        good(&r, sink->recover(r.w, n, sq_buf_view(&s->rows)));
        if (m + 1 == n)
            good(&r, sink->commit(r.w, n));
        if (dies(s))
            goto out;
        s->done = n;
    } else {
        assert_int_equal(m, s->done);
        if (s->rows.n)
            good(&r, sink->recover(r.w, n, sq_buf_view(&s->rows)));  /* rows that are there already */
    }
    for (n++; n <= epochs; n++) {
        put(&r, rows_of(s, n));
        if (dies(s))
            goto out;
        good(&r, sink->prepare(r.w, n, s->decider ? NULL : &r.pending));
        if (dies(s))
            goto out;
        s->saved = n;
        sq_buf_reset(&s->rows);
        sq_buf_add(&s->rows, r.pending.p, r.pending.n);
        sq_buf_reset(&r.pending);
        if (dies(s))
            goto out;
        good(&r, sink->commit(r.w, n));
        if (dies(s))
            goto out;
        s->done = n;
    }
out:
    end_run(&r);
}

static void test_deaths(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 24; seed++) {
        struct world w;
        const char *want = NULL;
        for (int undisturbed = 1; undisturbed >= 0; undisturbed--) {
            begin(&w);
            struct sim s = {.w = &w, .keyed = seed % 2, .decider = seed / 2 % 2, .seed = seed};
            struct run r;
            sq_buf_init(&s.rows, &w.ctx);
            if (undisturbed) {
                start(&w, &r, "", s.keyed, OWNER_A);
                for (uint64_t n = 1; n <= 12; n++)
                    epoch(&r, n, rows_of(&s, n));
                end_run(&r);
            }
            for (int runs = 0; !undisturbed && s.done < 12; runs++) {
                assert_true(runs < 500);
                run_sim(&s, 12);
            }
            const char *got = sql(&w, "SELECT id, s FROM r ORDER BY rowid");
            if (s.keyed)
                got = sql(&w, "SELECT id, s FROM r ORDER BY id");
            if (!undisturbed && strcmp(got, want) != 0)
                fail_msg("seed %u: %s is not %s", seed, got, want);
            char *copy = undisturbed ? strdup(got) : NULL;
            if (!undisturbed)
                free((char *)(uintptr_t)want);
            want = copy;
            assert_string_equal(sql(&w, "SELECT epoch FROM sqluice_epochs"), "12;");
            sq_buf_free(&s.rows);
            end(&w);
        }
    }
}

/* ---- another run ---- */

static void test_fenced(void **state)
{
    struct world w;
    struct run a, b;
    (void)state;
    begin(&w);
    start(&w, &a, "", true, OWNER_A);
    epoch(&a, 1, "1:a");
    put(&a, "2:zombie");
    good(&a, sink->prepare(a.w, 2, NULL));
    start(&w, &b, "", true, OWNER_B);                                 /* takes over before the first commits */
    assert_int_equal(marker(&b), 1);
    assert_int_equal(sink->commit(a.w, 2), SQ_EXTERNAL);
    expect_error(&w, "table 't': epoch 2 cannot be committed: another run of this job has taken over sink 'default.t' in database '%s', and is at epoch 1", w.path);
    assert_string_equal(w.ctx.err.hint, "a job runs once at a time: this run (" OWNER_A ") has to end, the other (" OWNER_B ") goes on");
    assert_int_equal(w.slept_us, 0);                                  /* that is not tried again */
    assert_int_equal(sink->set_marker(a.w, 7), SQ_EXTERNAL);
    assert_int_equal(sink->commit(a.w, 2), SQ_EXTERNAL);
    epoch(&b, 2, "2:b");
    assert_int_equal(sink->commit(a.w, 2), SQ_EXTERNAL);              /* the same number makes no difference */
    end_run(&a);
    epoch(&b, 3, "3:c");
    end_run(&b);
    assert_string_equal(sql(&w, "SELECT id, s FROM r ORDER BY id"), "1|a;2|b;3|c;");
    end(&w);
}

static void test_other_epochs(void **state)
{
    struct world w;
    struct run r;
    (void)state;
    begin(&w);
    start(&w, &r, "", true, OWNER_A);
    epoch(&r, 1, "1:a");
    sql(&w, "UPDATE sqluice_epochs SET epoch = 7");
    put(&r, "2:b");
    good(&r, sink->prepare(r.w, 2, NULL));
    assert_int_equal(sink->commit(r.w, 2), SQ_EXTERNAL);
    expect_error(&w, "table 't': epoch 2 cannot be committed: database '%s' has epoch 7 of sink 'default.t', where epoch 1 should be", w.path);
    assert_non_null(strstr(w.ctx.err.hint, "restored from a copy"));
    sql(&w, "DELETE FROM sqluice_epochs");
    assert_int_equal(sink->commit(r.w, 2), SQ_EXTERNAL);
    expect_error(&w, "table 't': epoch 2 cannot be committed: its marker (job " JOB ", sink 'default.t') is gone from table 'sqluice_epochs' of database '%s'", w.path);
    end_run(&r);
    assert_string_equal(sql(&w, "SELECT id, s FROM r"), "1|a;");

    start(&w, &r, "", true, OWNER_A);                                 /* a marker that somebody overrides */
    assert_int_equal(marker(&r), 0);
    good(&r, sink->set_marker(r.w, 41));
    assert_int_equal(marker(&r), 41);
    epoch(&r, 42, "2:b");
    end_run(&r);
    assert_string_equal(sql(&w, "SELECT epoch FROM sqluice_epochs"), "42;");
    sql(&w, "UPDATE sqluice_epochs SET epoch = 'many'");
    open_run(&w, &r, "", true, OWNER_A);
    assert_int_equal(begin_run(&r), SQ_EXTERNAL);
    expect_error(&w, "the marker of sink 'default.t' in table 'sqluice_epochs' of database '%s' is no epoch: 'many'", w.path);
    end_run(&r);
    end(&w);
}

static void test_misuse(void **state)
{
    struct world w;
    struct run r;
    struct sq_out o;
    (void)state;
    begin(&w);
    start(&w, &r, "", true, OWNER_A);
    kit_fill(&w.ctx, &o, "2:b");
    assert_int_equal(sink->commit(r.w, 1), SQ_INTERNAL);
    assert_int_equal(sink->prepare(r.w, 2, NULL), SQ_INTERNAL);
    put(&r, "1:a");
    assert_int_equal(sink->finish(r.w), SQ_INTERNAL);
    good(&r, sink->prepare(r.w, 1, NULL));
    assert_int_equal(sink->write(r.w, sq_out_batch(&o)), SQ_INTERNAL);
    good(&r, sink->commit(r.w, 1));
    assert_int_equal(sink->prepare(r.w, 1, NULL), SQ_INTERNAL);
    good(&r, sink->finish(r.w));
    assert_string_equal(sql(&w, "SELECT id, s FROM r"), "1|a;");
    sq_out_free(&o);
    end_run(&r);
    end(&w);
}

/* ---- the marker's table ---- */

static void test_marker_table(void **state)
{
    static const struct { const char *ddl, *msg; } t[] = {
        {"CREATE TABLE sqluice_epochs (Job TEXT, SINK TEXT, epoch INT, owner TEXT, updated TEXT, note TEXT, PRIMARY KEY (sink, job))", NULL},
        {"CREATE TABLE sqluice_epochs (job TEXT, sink TEXT, epoch INT, owner TEXT, updated TEXT)", "it"},
        {"CREATE TABLE sqluice_epochs (job TEXT, sink TEXT, epoch INT, owner TEXT, PRIMARY KEY (job, sink))", "it"},
        {"CREATE TABLE sqluice_epochs (job TEXT PRIMARY KEY, sink TEXT, epoch INT, owner TEXT, updated TEXT)", "it"},
        {"CREATE VIEW sqluice_epochs AS SELECT 1 AS job", "it"},
    };
    struct world w;
    struct run r;
    (void)state;
    begin(&w);
    for (size_t i = 0; i < SQ_LEN(t); i++) {
        unlink(w.path);
        sql(&w, t[i].ddl);
        open_run(&w, &r, "", true, OWNER_A);
        sq_rc rc = begin_run(&r);
        assert_int_equal(rc, t[i].msg ? SQ_EXTERNAL : SQ_OK);
        if (t[i].msg) {
            expect_error(&w, "table 't': table 'sqluice_epochs' in database '%s' is not one that epochs can be kept in", w.path);
            assert_non_null(strstr(w.ctx.err.hint, "it should be: CREATE TABLE sqluice_epochs (job TEXT NOT NULL"));
        } else {
            epoch(&r, 1, "1:a");
        }
        end_run(&r);
    }
    unlink(w.path);
    sql(&w, "CREATE TABLE r (id INT PRIMARY KEY, s TEXT)");
    open_run(&w, &r, "sink.create-table=never", true, OWNER_A);
    assert_int_equal(begin_run(&r), SQ_EXTERNAL);
    expect_error(&w, "table 't': database '%s' has no table 'sqluice_epochs'", w.path);
    assert_non_null(strstr(w.ctx.err.hint, "create it with: CREATE TABLE sqluice_epochs (job TEXT NOT NULL"));
    sql(&w, strstr(w.ctx.err.hint, "CREATE"));
    good(&r, begin_run(&r));
    epoch(&r, 1, "1:a");
    end_run(&r);
    open_run(&w, &r, "", true, OWNER_A);
    ((struct sq_jdbc_table *)(void *)r.spec.ext)->name = SQ_STR("SQLuice_epochs");
    assert_int_equal(begin_run(&r), SQ_SEMANTIC);
    expect_error(&w, "table 't': table 'sqluice_epochs' keeps the epochs of jobs and cannot be a job's target");
    end_run(&r);
    end(&w);
}

/* Two sinks of one job in one database, and jobs that are over. */
static void test_several(void **state)
{
    struct world w;
    struct run a, b;
    (void)state;
    begin(&w);
    start(&w, &a, "", true, OWNER_A);
    open_run(&w, &b, "", true, OWNER_A);
    ((struct sq_jdbc_table *)(void *)b.spec.ext)->name = SQ_STR("other");
    b.spec.epoch.sink = SQ_STR("it's \"another\"#2");
    good(&b, begin_run(&b));
    for (uint64_t n = 1; n <= 3; n++) {
        const char *row = sq_arena_printf(&w.arena, "%u:x", (unsigned)n);
        put(&a, row);
        put(&b, row);
        good(&a, sink->prepare(a.w, n, NULL));
        prepare(&b, n);
        good(&a, sink->commit(a.w, n));
        good(&b, sink->commit(b.w, n));
    }
    end_run(&a);
    end_run(&b);
    assert_string_equal(sql(&w, "SELECT sink, epoch FROM sqluice_epochs ORDER BY sink"), "default.t|3;it's \"another\"#2|3;");
    assert_string_equal(sql(&w, "SELECT (SELECT count(*) FROM r), (SELECT count(*) FROM other)"), "3|3;");

    open_run(&w, &a, "", true, OWNER_B);                              /* a new job where that one was */
    a.spec.epoch.job = SQ_STR("99999999-2222-3333-4444-555555555555");
    a.spec.epoch.old_job = SQ_STR(JOB);
    good(&a, begin_run(&a));
    assert_int_equal(marker(&a), 0);
    epoch(&a, 1, "7:x");
    end_run(&a);
    assert_string_equal(sql(&w, "SELECT job, sink, epoch FROM sqluice_epochs"), "99999999-2222-3333-4444-555555555555|default.t|1;");
    end(&w);
}

/* ---- what a checkpoint keeps ---- */

static uint64_t check_of(const char *p, size_t n)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ n;
    for (; n > 0;) {
        uint64_t v = 0;
        size_t k = n < 8 ? n : 8;
        memcpy(&v, p, k);
        h = (h ^ v) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
        p += k;
        n -= k;
    }
    return h;
}

static void expect_damaged(struct run *r, const char *p, size_t n, const char *what)
{
    char *copy = malloc(n + 1);                                       /* of exactly that size, for the sanitizer */
    memcpy(copy, p, n);
    copy = realloc(copy, n ? n : 1);
    sq_rc rc = sink->recover(r->w, 1, (struct sq_str){copy, (uint32_t)n});
    free(copy);
    if (rc != SQ_DATA && rc != SQ_SEMANTIC)
        fail_msg("%s: %d", what, rc);
    assert_non_null(strstr(r->world->ctx.err.msg, "table 't': the rows that a checkpoint keeps for it"));
    assert_int_equal(sink->commit(r->w, 1), SQ_INTERNAL);             /* and nothing of it can be committed */
}

static void test_damaged(void **state)
{
    struct world w;
    struct run r;
    (void)state;
    begin(&w);
    start(&w, &r, "", true, OWNER_A);
    put(&r, "1:a 2:bbbbbbbbbbbbbbbbbbbbb -3:c 4:#");
    prepare(&r, 1);
    char *p = r.pending.p;
    size_t n = r.pending.n;
    for (size_t i = 1; i < n; i++)
        expect_damaged(&r, p, i, "cut off");
    for (size_t i = 0; i < n * 8; i++) {
        p[i / 8] ^= (char)(1 << i % 8);
        expect_damaged(&r, p, n, "a bit that is another");
        p[i / 8] ^= (char)(1 << i % 8);
    }
    for (size_t i = 0; i < n - 8; i++)                                /* a checksum that fits: whatever comes of it, no crash */
        for (int v = 0; v < 256; v += i < 40 ? 1 : 37) {
            char keep = p[i];
            p[i] = (char)v;
            uint64_t h = check_of(p, n - 8);
            memcpy(p + n - 8, &h, 8);
            sq_rc rc = sink->recover(r.w, 1, (struct sq_str){p, (uint32_t)n});
            assert_true(rc == SQ_OK || rc == SQ_DATA || rc == SQ_SEMANTIC);
            p[i] = keep;
        }
    uint64_t h = check_of(p, n - 8);
    memcpy(p + n - 8, &h, 8);
    assert_int_equal(sink->recover(r.w, 2, sq_buf_view(&r.pending)), SQ_DATA);
    expect_error(&w, "table 't': the rows that a checkpoint keeps for it are damaged: they are of another epoch");
    struct sq_buf keep = r.pending;
    sq_buf_init(&r.pending, &w.ctx);
    end_run(&r);
    start(&w, &r, "", false, OWNER_A);                                /* no key any more */
    assert_int_equal(sink->recover(r.w, 1, sq_buf_view(&keep)), SQ_SEMANTIC);
    expect_error(&w, "table 't': the rows that a checkpoint keeps for it have other columns or another key");
    end_run(&r);
    start(&w, &r, "", true, OWNER_A);
    good(&r, sink->recover(r.w, 1, sq_buf_view(&keep)));
    good(&r, sink->commit(r.w, 1));
    end_run(&r);
    sq_buf_free(&keep);
    assert_string_equal(sql(&w, "SELECT id, coalesce(s, '-') FROM r ORDER BY id"), "1|a;2|bbbbbbbbbbbbbbbbbbbbb;4|-;");
    end(&w);
}

/* Keys that change all the time, and rows that grow and shrink: what waits stays small, and right. */
static void test_hot_keys(void **state)
{
    struct world w;
    struct run r;
    static char text[200001];
    char want[64];
    (void)state;
    begin(&w);
    start(&w, &r, "", true, OWNER_A);
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 3000; i++) {
        struct sq_out o;
        char row[64];
        snprintf(row, sizeof row, "%d:a %d:b", i % 7, 100 + i % 3);
        kit_fill(&w.ctx, &o, row);
        sq_out_reset(&o);
        for (int32_t k = 0; k < 2; k++) {
            int32_t id = k ? 100 + i % 3 : i % 7;
            assert_int_equal(sq_col_append_fixed(&o.cols[0], &id), SQ_OK);
            assert_int_equal(sq_col_append_view(&o.cols[1], text, (uint32_t)(k ? 10 : i % 2 ? i * 60 : 5)), SQ_OK);
            assert_int_equal(sq_out_row(&o, SQ_UPDATE_AFTER), SQ_OK);
        }
        assert_int_equal(sink->write(r.w, sq_out_batch(&o)), SQ_OK);
        sq_out_free(&o);
        assert_true(sink->pending_bytes(r.w) < (5 << 20));
    }
    prepare(&r, 1);
    assert_true(r.pending.n < (2 << 20));
    good(&r, sink->commit(r.w, 1));
    end_run(&r);
    snprintf(want, sizeof want, "10|30|%d;", 2999 * 60);
    assert_string_equal(sql(&w, "SELECT count(*), (SELECT sum(length(s)) FROM r WHERE id > 99), max(length(s)) FROM r"), want);
    end(&w);
}

/* ---- faults ---- */

static sqlite3 *lock(struct world *w, const char *how)
{
    sqlite3 *db;
    assert_int_equal(w->lib.open_v2(w->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(w->lib.exec(db, how, NULL, NULL, NULL), SQLITE_OK);
    return db;
}

/* Longer than the busy timeout: tried again, and when that is not enough, the epoch is still whole. */
static void test_locked(void **state)
{
    struct world w;
    struct run r;
    (void)state;
    begin(&w);
    start(&w, &r, "sink.max-retries=2", true, OWNER_A);
    put(&r, "1:a 2:b");
    good(&r, sink->prepare(r.w, 1, NULL));
    sqlite3 *db = lock(&w, "BEGIN IMMEDIATE");
    assert_int_equal(sink->commit(r.w, 1), SQ_EXTERNAL);
    expect_error(&w, "table 't': cannot write database '%s': it is locked by another program (tried 3 times)", w.path);
    assert_int_equal(w.slept_us, 300000);
    w.lib.close(db);
    db = lock(&w, "BEGIN; SELECT * FROM r");                          /* a reader: rows can be written, and COMMIT has to wait */
    w.notices[0] = 0;
    assert_int_equal(sink->commit(r.w, 1), SQ_EXTERNAL);
    assert_non_null(strstr(w.notices, "trying again (1 of 2)"));
    assert_null(strstr(w.ctx.err.msg, "not known"));                  /* it is: the marker was asked */
    w.lib.close(db);
    good(&r, sink->commit(r.w, 1));
    assert_int_equal(marker(&r), 1);
    end_run(&r);
    assert_string_equal(sql(&w, "SELECT id, s FROM r ORDER BY id"), "1|a;2|b;");
    db = lock(&w, "BEGIN IMMEDIATE");                                 /* at the start, too */
    open_run(&w, &r, "sink.max-retries=1", true, OWNER_A);
    assert_int_equal(begin_run(&r), SQ_EXTERNAL);
    w.lib.close(db);
    end_run(&r);
    end(&w);
}

static void test_interrupt(void **state)
{
    struct world w;
    struct run r;
    _Atomic int stop = 0;
    (void)state;
    begin(&w);
    start(&w, &r, "sink.max-retries=1000000", true, OWNER_A);
    put(&r, "1:a");
    good(&r, sink->prepare(r.w, 1, NULL));
    sqlite3 *db = lock(&w, "BEGIN IMMEDIATE");
    w.ctx.interrupt = &stop;
    stop = 1;
    assert_int_equal(sink->commit(r.w, 1), SQ_INTERRUPT);
    stop = 0;
    w.lib.close(db);
    good(&r, sink->commit(r.w, 1));
    end_run(&r);
    assert_string_equal(sql(&w, "SELECT id, s FROM r"), "1|a;");
    end(&w);
}

static void test_file_gone(void **state)
{
    struct world w;
    struct run r;
    char other[160];
    (void)state;
    begin(&w);
    snprintf(other, sizeof other, "%s.old", w.path);
    start(&w, &r, "", true, OWNER_A);
    epoch(&r, 1, "1:a");
    put(&r, "2:b");
    good(&r, sink->prepare(r.w, 2, NULL));
    assert_int_equal(rename(w.path, other), 0);
    assert_int_equal(sink->commit(r.w, 2), SQ_EXTERNAL);
    expect_error(&w, "table 't': cannot write database '%s': its file was removed while the job ran", w.path);
    sql(&w, "CREATE TABLE r (id INT PRIMARY KEY, s TEXT)");
    assert_int_equal(sink->commit(r.w, 2), SQ_EXTERNAL);
    expect_error(&w, "table 't': cannot write database '%s': its file was replaced while the job ran", w.path);
    assert_string_equal(sql(&w, "SELECT count(*) FROM r"), "0;");
    assert_int_equal(rename(other, w.path), 0);
    good(&r, sink->commit(r.w, 2));                                   /* there it is again */
    end_run(&r);
    assert_string_equal(sql(&w, "SELECT id, s FROM r ORDER BY id"), "1|a;2|b;");
    end(&w);
}

static void test_full(void **state)
{
    struct world w;
    struct run r;
    struct rlimit old, tight;
    (void)state;
    begin(&w);
    start(&w, &r, "", true, OWNER_A);
    epoch(&r, 1, "1:a");
    put(&r, "2:first 3000:y");
    for (int k = 10000; k < 12000; k += 4) {
        char more[256];
        snprintf(more, sizeof more, "%d:%0100d %d:y %d:y %d:y", k, k, k + 1, k + 2, k + 3);
        put(&r, more);
    }
    good(&r, sink->prepare(r.w, 2, NULL));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 40960;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    sq_rc rc = sink->commit(r.w, 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, SQ_EXTERNAL);
    assert_null(strstr(w.ctx.err.msg, "not known"));
    assert_string_equal(sql(&w, "SELECT count(*), (SELECT epoch FROM sqluice_epochs) FROM r"), "1|1;");
    good(&r, sink->commit(r.w, 2));                                   /* there is room again */
    end_run(&r);
    assert_string_equal(sql(&w, "SELECT s, (SELECT epoch FROM sqluice_epochs) FROM r WHERE id = 2"), "first|2;");
    end(&w);
}

/* ---- a COMMIT whose answer does not come ---- */

static struct sq_jdbc_dialect liar;
static struct { int at, seen; bool really, lost, final, unreachable; } lie;

static sq_rc lying_commit(struct sq_jdbc_conn *c)
{
    lie.lost = false;
    if (++lie.seen != lie.at)
        return sq_jdbc_sqlite.commit(c);
    if (lie.really && sq_jdbc_sqlite.commit(c) != SQ_OK)
        return SQ_INTERNAL;
    lie.lost = true;
    return sq_fail(c->ctx, SQ_EXTERNAL, "the connection is lost");
}

static sq_rc lying_begin(struct sq_jdbc_conn *c)
{
    if (lie.lost && lie.unreachable)
        return sq_fail(c->ctx, SQ_EXTERNAL, "no server answers");
    lie.lost = false;
    return sq_jdbc_sqlite.begin(c);
}

static enum sq_jdbc_trouble lying_trouble(struct sq_jdbc_conn *c)
{
    return !lie.lost ? sq_jdbc_sqlite.trouble(c) : lie.final ? SQ_JDBC_FAILED : SQ_JDBC_LOST;
}

static void lying_run(struct world *w, struct run *r, const char *more, bool keyed, const char *owner)
{
    open_run(w, r, more, keyed, owner);
    liar = sq_jdbc_sqlite;
    liar.commit = lying_commit;
    liar.begin = lying_begin;
    liar.trouble = lying_trouble;
    ((struct sq_jdbc_table *)(void *)r->spec.ext)->dialect = &liar;
    memset(&lie, 0, sizeof lie);
    good(r, begin_run(r));
    lie.seen = 0;
}

static void test_lost_answers(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct world w;
        struct run r;
        begin(&w);
        bool really = i % 2, final = i / 2 % 2, keyed = i / 4;
        lying_run(&w, &r, "", keyed, OWNER_A);
        epoch(&r, 1, "1:a 2:b");
        lie.at = 2;
        lie.really = really;
        lie.final = final;
        put(&r, "3:c 2:x");
        good(&r, sink->prepare(r.w, 2, NULL));
        w.notices[0] = 0;
        sq_rc rc = sink->commit(r.w, 2);
        if (final && !really) {                                       /* no use trying again, and it did not happen */
            assert_int_equal(rc, SQ_EXTERNAL);
            expect_error(&w, "table 't': the connection is lost");
            good(&r, sink->commit(r.w, 2));
        }
        assert_int_equal(final ? SQ_OK : rc, SQ_OK);
        assert_null(strstr(w.notices, "twice"));
        epoch(&r, 3, "4:d");
        end_run(&r);
        assert_string_equal(sql(&w, "SELECT id, s FROM r ORDER BY id, s"), keyed ? "1|a;2|x;3|c;4|d;" : "1|a;2|b;2|x;3|c;4|d;");
        assert_string_equal(sql(&w, "SELECT epoch FROM sqluice_epochs"), "3;");
        end(&w);
    }
}

/* It is not known for now; the next commit, or the next run, finds out. */
static void test_in_doubt(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct world w;
        struct run r, b;
        begin(&w);
        bool really = i % 2, same_run = i / 2;
        lying_run(&w, &r, "sink.max-retries=2;connection.max-retry-timeout=0s", false, OWNER_A);
        epoch(&r, 1, "1:a");
        lie.at = 2;
        lie.really = really;
        lie.unreachable = true;
        put(&r, "2:b");
        prepare(&r, 2);
        assert_int_equal(sink->commit(r.w, 2), SQ_EXTERNAL);
        expect_error(&w, "table 't': no server answers; whether the commit before that happened is not known: the next run finds out");
        lie.unreachable = false;
        if (same_run) {
            good(&r, sink->commit(r.w, 2));
        } else {
            start(&w, &b, "", false, OWNER_B);
            assert_int_equal(marker(&b), really ? 2 : 1);
            good(&b, sink->recover(b.w, 2, sq_buf_view(&r.pending)));
            good(&b, sink->commit(b.w, 2));
            end_run(&b);
        }
        end_run(&r);
        assert_string_equal(sql(&w, "SELECT id, s FROM r"), "1|a;2|b;");
        end(&w);
    }
}

/* Taken over while the answer was on its way. */
static void test_lost_and_fenced(void **state)
{
    struct world w;
    struct run r, b;
    (void)state;
    begin(&w);
    lying_run(&w, &r, "sink.max-retries=0;connection.max-retry-timeout=0s", true, OWNER_A);
    lie.at = 1;
    lie.really = lie.unreachable = true;
    put(&r, "1:a");
    good(&r, sink->prepare(r.w, 1, NULL));
    assert_int_equal(sink->commit(r.w, 1), SQ_EXTERNAL);
    lie.unreachable = false;
    start(&w, &b, "", true, OWNER_B);
    assert_int_equal(sink->commit(r.w, 1), SQ_EXTERNAL);
    assert_non_null(strstr(w.ctx.err.msg, "another run of this job has taken over"));
    epoch(&b, 2, "2:b");
    end_run(&b);
    end_run(&r);
    assert_string_equal(sql(&w, "SELECT id, s FROM r"), "1|a;2|b;");
    end(&w);
}

/* ---- out of memory, at every allocation ---- */

static sq_rc all_steps(struct run *r, const struct sq_batch *b, struct sq_buf *pending)
{
    SQ_TRY(begin_run(r));
    SQ_TRY(sink->write(r->w, b));
    SQ_TRY(sink->prepare(r->w, 1, pending));
    SQ_TRY(sink->commit(r->w, 1));
    SQ_TRY(sink->write(r->w, b));
    SQ_TRY(sink->prepare(r->w, 2, pending));
    sink->close(r->w);
    r->w = NULL;
    SQ_TRY(begin_run(r));
    size_t half = pending->n / 2;                                     /* both hold the same rows */
    SQ_TRY(sink->recover(r->w, 2, (struct sq_str){pending->p + half, (uint32_t)half}));
    return sink->commit(r->w, 2);
}

static void test_out_of_memory(void **state)
{
    struct world w;
    struct run r;
    struct sq_out o;
    (void)state;
    begin(&w);
    open_run(&w, &r, "", true, OWNER_A);
    kit_fill(&w.ctx, &o, "1:a 2:b -1:a 3:a-longer-one-than-twelve");
    for (int64_t at = 1;; at++) {
        struct sq_budget budget = {.fail_at = at};
        struct world tight_world = {.ctx = {.os = &w.os, .budget = &budget}};
        struct sq_buf pending;
        unlink(w.path);
        sq_buf_init(&pending, &tight_world.ctx);
        r.world = &tight_world;
        sq_rc rc = all_steps(&r, sq_out_batch(&o), &pending);
        if (r.w)
            sink->close(r.w);
        r.w = NULL;
        sq_buf_free(&pending);
        assert_int_equal(budget.used, 0);
        if (rc == SQ_OK) {
            assert_true(at > 20);
            break;
        }
        assert_int_equal(rc, SQ_NOMEM);
        assert_true(at < 2000);
    }
    r.world = &w;
    end_run(&r);
    sq_out_free(&o);
    assert_string_equal(sql(&w, "SELECT count(*), (SELECT epoch FROM sqluice_epochs) FROM r"), "2|2;");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epochs), cmocka_unit_test(test_append), cmocka_unit_test(test_unique_values), cmocka_unit_test(test_no_job), cmocka_unit_test(test_deaths),
        cmocka_unit_test(test_fenced), cmocka_unit_test(test_other_epochs), cmocka_unit_test(test_misuse), cmocka_unit_test(test_marker_table),
        cmocka_unit_test(test_several), cmocka_unit_test(test_damaged), cmocka_unit_test(test_hot_keys), cmocka_unit_test(test_locked),
        cmocka_unit_test(test_interrupt), cmocka_unit_test(test_file_gone), cmocka_unit_test(test_full), cmocka_unit_test(test_lost_answers),
        cmocka_unit_test(test_in_doubt), cmocka_unit_test(test_lost_and_fenced), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
