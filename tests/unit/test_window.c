/* SPDX-License-Identifier: Apache-2.0
 *
 * test_window.c: aggregates of windows against a naive model: every kind, random times in and out of order, before and after 1970, rows that are late for all or some of their
 * windows, rows that are taken back, keys that are NULL or long; in batches of any size and through a snapshot at any point.
 */
#include "exec_kit.h"

#ifndef ROUNDS
#define ROUNDS 150
#endif
enum { COUNT_STAR = 1, SUM = 2, MAX = 4, DISTINCT = 8 };

struct setup {
    struct sq_window_spec spec;
    int64_t delay;                          /* of the watermark, ms */
    int64_t jitter;                         /* how far rows are out of order, ms */
    int64_t pace;                           /* of time, ms a row */
    int64_t from;                           /* ms */
    int keys;
    unsigned aggs;
    bool retract, final, one_key_column;
};

/* ---- the plan: rows (key, value, time) ---- */

static struct sq_plan *watermark(struct kit *k, struct sq_plan *in, int64_t delay_ms, bool final)
{
    struct sq_plan *p = kit_node(k, SQ_N_WATERMARK, in, NULL);
    p->mode = in->mode;
    p->final = final;
    p->u.watermark.col = 2;
    p->u.watermark.expr = kit_call(k, "-", 2, kit_col(k, in, 2), kit_const(k, &sq_type_interval_ds, &delay_ms));
    return p;
}

static uint32_t agg_items(unsigned which, struct sq_agg_item *it)
{
    uint32_t n = 0;
    if (which & COUNT_STAR)
        it[n++] = (struct sq_agg_item){.agg = agg("COUNT"), .arg = -1, .filter = -1};
    if (which & SUM)
        it[n++] = (struct sq_agg_item){.agg = agg("SUM"), .arg = 1, .filter = -1};
    if (which & MAX)
        it[n++] = (struct sq_agg_item){.agg = agg("MAX"), .arg = 1, .filter = -1};
    if (which & DISTINCT)
        it[n++] = (struct sq_agg_item){.agg = agg("COUNT"), .arg = 1, .filter = -1, .distinct = true};
    return n;
}

static struct sq_plan *window_aggregate(struct kit *k, struct sq_plan *in, const struct setup *s)
{
    struct sq_agg_item items[4];
    uint32_t n = agg_items(s->aggs, items), group[1] = {0}, ng = s->keys > 0;
    struct sq_plan *p = kit_agg(k, in, ng, group, items, n);
    struct sq_field *f = SQ_NEW_ARRAY(&k->arena, struct sq_field, p->ncols + 3);
    struct sq_window_spec *spec = SQ_NEW(&k->arena, struct sq_window_spec);

    *spec = s->spec;
    memcpy(f, p->cols, p->ncols * sizeof *f);
    for (uint32_t i = 0; i < 3; i++)
        f[p->ncols + i] = (struct sq_field){SQ_STR("w"), sq_type_nullable(&k->arena, &sq_type_timestamp3, false)};
    p->kind = SQ_N_WINDOW_AGGREGATE;
    p->cols = f;
    p->ncols += 3;
    p->mode = SQ_MODE_INSERT;
    p->final = s->final;
    p->u.agg.window = spec;
    p->u.agg.time = 2;
    p->u.agg.global = false;
    return p;
}

/* ---- rows ---- */

static int64_t pick(uint64_t *seed, int64_t n) { return n <= 0 ? 0 : (int64_t)(kit_random(seed) % (uint64_t)n); }

static void generate(struct kit_rows *rows, const struct setup *s, uint32_t n, uint64_t *seed)
{
    int64_t now = s->from * 1000;
    for (uint32_t i = 0; i < n; i++) {
        struct kit_row r = {SQ_INSERT, {KIT_NULL, KIT_NULL, 0}};
        now += pick(seed, 2 * s->pace + 1) * 1000;
        if (pick(seed, 60) == 0)
            now += s->spec.size * 3 + 1000;                 /* a time without rows */
        r.v[2] = now - pick(seed, s->jitter + 1) * 1000;
        if (s->keys > 1 && pick(seed, 12))
            r.v[0] = pick(seed, s->keys);
        if (pick(seed, 8))
            r.v[1] = pick(seed, 5);
        if (s->retract && rows->n > 3 && pick(seed, 4) == 0) {
            uint32_t back = rows->n - 1 - (uint32_t)pick(seed, rows->n > 30 ? 30 : rows->n);
            if (rows->r[back].kind == SQ_INSERT) {
                r = rows->r[back];
                rows->r[back].kind = SQ_UPDATE_AFTER;       /* it adds all the same, and is not taken back again */
                r.kind = SQ_DELETE;
            }
        }
        kit_add(rows, r);
    }
}

/* ---- the model ---- */

struct pane { int64_t start, end, key; int64_t rows, values, sum; int64_t has[5]; bool over; };
struct model { struct pane *p; uint32_t n, cap; int64_t watermark; struct kit_table *out; const struct setup *s; };

static int64_t floor_to(int64_t t, int64_t length, int64_t offset)
{
    int64_t d = (t - offset) % length;
    return t - (d < 0 ? d + length : d);
}

static struct pane *new_pane(struct model *m, int64_t start, int64_t end, int64_t key)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 256;
        m->p = realloc(m->p, m->cap * sizeof *m->p);
    }
    m->p[m->n] = (struct pane){.start = start, .end = end, .key = key};
    return &m->p[m->n++];
}

static void put_out(struct model *m, struct pane *p)
{
    char line[300] = "", t[40];
    int64_t max = -1, different = 0, ends[3] = {p->start, p->end, p->end - 1000};
    unsigned which = m->s->aggs;

    p->over = true;
    if (p->rows <= 0)
        return;
    for (int i = 0; i < 5; i++)
        if (p->has[i] > 0) {
            max = i;
            different++;
        }
    if (m->s->keys > 0 && p->key == KIT_NULL)
        kit_say(line, sizeof line, "NULL|");
    else if (m->s->keys > 0) {
        kit_text(p->key, t, sizeof t);
        kit_say(line, sizeof line, "%s|", t);
    }
    if (which & COUNT_STAR)
        kit_say(line, sizeof line, "%lld|", (long long)p->rows);
    if (which & SUM)
        p->values ? kit_say(line, sizeof line, "%lld|", (long long)p->sum) : kit_say(line, sizeof line, "NULL|");
    if (which & MAX)
        max < 0 ? kit_say(line, sizeof line, "NULL|") : kit_say(line, sizeof line, "%lld|", (long long)max);
    if (which & DISTINCT)
        kit_say(line, sizeof line, "%lld|", (long long)different);
    for (int i = 0; i < 3; i++) {
        sq_print_timestamp((struct sq_ts16){.us = ends[i]}, 3, ' ', t);
        kit_say(line, sizeof line, i ? "|%s" : "%s", t);
    }
    kit_table_row(m->out, SQ_INSERT, line);
}

static void close_until(struct model *m, int64_t wm)
{
    if (m->s->final && wm != INT64_MAX)
        return;
    for (uint32_t i = 0; i < m->n; i++)
        if (!m->p[i].over && m->p[i].end <= wm)
            put_out(m, &m->p[i]);
    m->watermark = wm > m->watermark ? wm : m->watermark;
}

static void add(struct pane *p, const struct kit_row *r)
{
    int64_t one = sq_kind_adds(r->kind) ? 1 : -1;
    p->rows += one;
    if (r->v[1] == KIT_NULL)
        return;
    p->values += one;
    p->sum += one * r->v[1];
    p->has[r->v[1]] += one;
}

static void to_window(struct model *m, const struct kit_row *r, int64_t start, int64_t end)
{
    if (end <= m->watermark)
        return;
    for (uint32_t i = 0; i < m->n; i++)
        if (!m->p[i].over && m->p[i].start == start && m->p[i].end == end && m->p[i].key == r->v[0]) {
            add(&m->p[i], r);
            return;
        }
    add(new_pane(m, start, end, r->v[0]), r);
}

static void to_session(struct model *m, const struct kit_row *r)
{
    int64_t start = r->v[2], end = start + m->s->spec.size;
    struct pane *into = NULL;
    for (uint32_t i = 0; i < m->n; i++) {
        struct pane *p = &m->p[i];
        if (p->over || p->key != r->v[0] || p->start > end || p->end < start)
            continue;
        if (!into) {
            into = p;
            p->start = start < p->start ? start : p->start;
            p->end = end > p->end ? end : p->end;
            continue;
        }
        into->start = p->start < into->start ? p->start : into->start;
        into->end = p->end > into->end ? p->end : into->end;
        into->rows += p->rows;
        into->values += p->values;
        into->sum += p->sum;
        for (int k = 0; k < 5; k++)
            into->has[k] += p->has[k];
        p->over = true;
    }
    if (!into && end <= m->watermark)
        return;
    add(into ? into : new_pane(m, start, end, r->v[0]), r);
}

static void to_windows(struct model *m, const struct kit_row *r)
{
    const struct sq_window_spec *w = &m->s->spec;
    int64_t t = r->v[2], first;

    if (w->kind == SQ_WINDOW_SESSION) {
        to_session(m, r);
        return;
    }
    first = floor_to(t, w->kind == SQ_WINDOW_CUMULATE ? w->size : w->step, w->offset);
    if (w->kind == SQ_WINDOW_CUMULATE) {
        for (int64_t end = first + w->step; end <= first + w->size; end += w->step)
            if (end > t)
                to_window(m, r, first, end);
    } else {
        for (int64_t start = first; start + w->size > t; start -= w->step)
            to_window(m, r, start, start + w->size);
    }
}

static void model(const struct kit_rows *rows, const struct setup *s, struct kit_table *out)
{
    struct model m = {.watermark = INT64_MIN, .out = out, .s = s};
    for (uint32_t i = 0; i < rows->n; i++) {
        struct kit_row r = rows->r[i];
        if (s->keys == 0)
            r.v[0] = KIT_NULL;
        to_windows(&m, &r);
        close_until(&m, r.v[2] - s->delay * 1000);
    }
    close_until(&m, INT64_MAX);
    free(m.p);
}

/* ---- tests ---- */

static void check(const struct setup *s, uint32_t n, uint32_t per, int cut, uint64_t *seed)
{
    struct kit_rows rows = {0};
    struct kit_table want, got;
    struct kit k;

    generate(&rows, s, n, seed);
    kit_init(&k);
    k.plan.config.batch = s->final;
    struct sq_plan *in = kit_values(&k, s->one_key_column ? "llT" : "slT", &rows, per, s->retract ? SQ_MODE_RETRACT : SQ_MODE_INSERT);
    in->final = s->final;
    kit_root(&k, window_aggregate(&k, watermark(&k, in, s->delay, s->final), s));
    kit_table_init(&k, &want, 0);
    kit_table_init(&k, &got, 0);
    got.quiet = true;
    model(&rows, s, &want);
    kit_run(&k, &got, cut);
    char *a = kit_text_of(&want), *b = kit_text_of(&got);
    if (strcmp(a, b) != 0)
        print_message("kind %d size %lld step %lld offset %lld delay %lld jitter %lld retract %d final %d aggs %u per %u cut %d\n", (int)s->spec.kind, (long long)s->spec.size,
                      (long long)s->spec.step, (long long)s->spec.offset, (long long)s->delay, (long long)s->jitter, s->retract, s->final, s->aggs, per, cut);
    assert_string_equal(b, a);
    free(a);
    free(b);
    kit_table_free(&want);
    kit_table_free(&got);
    kit_free(&k);
    free(rows.r);
}

static const uint32_t pers[] = {1, 7, 50, 2048};

static void random_one(enum sq_window_kind kind, bool distinct, uint64_t *seed)
{
    static const int64_t steps[] = {1000, 2000, 3000, 5000};
    struct setup s = {.spec = {.kind = kind, .time = SQ_TIME_ROW}};
    int64_t step = steps[pick(seed, 4)] * 1000;

    s.spec.step = kind == SQ_WINDOW_SESSION ? 0 : step;
    s.spec.size = kind == SQ_WINDOW_TUMBLE ? step : kind == SQ_WINDOW_HOP ? steps[pick(seed, 4)] * 1000 * (1 + pick(seed, 5)) : step * (1 + pick(seed, 6));
    s.spec.offset = kind == SQ_WINDOW_SESSION ? 0 : (pick(seed, 4000) - 2000) * 1000;
    s.delay = pick(seed, 3) ? pick(seed, 6000) : 0;
    s.jitter = pick(seed, 3) ? pick(seed, 15000) : 0;
    s.pace = 1 + pick(seed, 400);
    s.from = pick(seed, 2) ? 1700000000000 : -60000;
    s.keys = (int)pick(seed, 4) * 3;
    s.aggs = 1 + (unsigned)pick(seed, 7);
    s.aggs |= distinct ? DISTINCT : 0;
    s.retract = kind != SQ_WINDOW_SESSION && pick(seed, 3) == 0;
    s.final = pick(seed, 6) == 0;
    s.one_key_column = false;
    uint32_t per = pers[pick(seed, 4)];
    check(&s, 400, per, s.final || pick(seed, 2) ? -1 : (int)pick(seed, 1 + 400 / per), seed);
}

static void each(enum sq_window_kind kind, bool distinct)
{
    uint64_t seed = 77 + (uint64_t)kind * 10 + distinct;
    for (int round = 0; round < ROUNDS; round++)
        random_one(kind, distinct, &seed);
}

static void tumble(void **state) { (void)state; each(SQ_WINDOW_TUMBLE, false); }
static void tumble_distinct(void **state) { (void)state; each(SQ_WINDOW_TUMBLE, true); }
static void hop(void **state) { (void)state; each(SQ_WINDOW_HOP, false); }
static void hop_distinct(void **state) { (void)state; each(SQ_WINDOW_HOP, true); }
static void cumulate(void **state) { (void)state; each(SQ_WINDOW_CUMULATE, false); }
static void cumulate_distinct(void **state) { (void)state; each(SQ_WINDOW_CUMULATE, true); }
static void session(void **state) { (void)state; each(SQ_WINDOW_SESSION, false); }
static void session_distinct(void **state) { (void)state; each(SQ_WINDOW_SESSION, true); }

/* Rows far out of order: more slices of a key are open than it looks through. */
static void far_apart(enum sq_window_kind kind, int64_t size_s, bool late)
{
    uint64_t seed = 31 + (uint64_t)kind;
    for (int round = 0; round < 40; round++) {
        struct setup s = {.spec = {.kind = kind, .time = SQ_TIME_ROW, .size = size_s * 1000000, .step = kind == SQ_WINDOW_SESSION ? 0 : 1000000}, .delay = late ? 40000 : 300000,
                          .jitter = 280000, .pace = 200, .keys = 2, .aggs = COUNT_STAR | SUM | MAX};
        check(&s, 800, pers[round % 4], round % 3 == 0 ? (int)pick(&seed, 1 + 800 / pers[round % 4]) : -1, &seed);
    }
}

static void hop_far(void **state)
{
    (void)state;
    far_apart(SQ_WINDOW_HOP, 4, false);
    far_apart(SQ_WINDOW_HOP, 60, false);
    far_apart(SQ_WINDOW_HOP, 4, true);
    far_apart(SQ_WINDOW_HOP, 60, true);
}

static void session_far(void **state)
{
    (void)state;
    far_apart(SQ_WINDOW_SESSION, 1, false);
    far_apart(SQ_WINDOW_SESSION, 1, true);
}

/* ---- processing time: the clock moves by four seconds a turn, and a row comes in each ---- */

static int64_t held_us, set_back_at_us, set_back_us;
static int64_t held(void *arg)
{
    (void)arg;
    return set_back_us && held_us >= set_back_at_us ? held_us - set_back_us : held_us;
}

static void by_clock(enum sq_window_kind kind, int64_t size, int64_t step, int cut, const char *want)
{
    struct setup s = {.spec = {.kind = kind, .time = SQ_TIME_PROC, .size = size * 1000000, .step = step * 1000000}, .aggs = COUNT_STAR | SUM};
    struct kit_rows rows = {0};
    struct sq_os os = sq_os_posix;
    struct kit_table got;
    struct sq_job *job;
    struct kit k;
    bool done = false;
    uint64_t before = 0;

    os.now_us = held;
    held_us = 0;
    for (int i = 0; i < 8; i++)
        kit_add(&rows, (struct kit_row){SQ_INSERT, {0, i, 0}});
    kit_init(&k);
    k.ctx.os = &os;
    kit_root(&k, window_aggregate(&k, kit_values(&k, "slT", &rows, 1, SQ_MODE_INSERT), &s));
    kit_table_init(&k, &got, 0);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, kit_collect, &got, &job));
    for (int turn = 0; !done; turn++, held_us += 4000000) {
        if (turn == cut) {
            struct sq_buf snap;
            sq_buf_init(&snap, &k.ctx);
            kit_ok(&k, sq_job_snapshot(job, &snap));
            sq_job_close(job);
            kit_ok(&k, sq_job_open(&k.ctx, &k.plan, kit_collect, &got, &job));
            kit_ok(&k, sq_job_restore(job, sq_buf_view(&snap)));
            sq_buf_free(&snap);
        }
        before = got.changes;
        kit_ok(&k, sq_job_turn(job, 0, &done));
    }
    sq_job_close(job);
    assert_true(before > 0);                                 /* not only at the end */
    assert_string_equal(got.log.p, want);
    kit_table_free(&got);
    kit_free(&k);
    free(rows.r);
}

static void clock_tumble(void **state)
{
    const char *want = "+I(3|3|1970-01-01 00:00:00.000|1970-01-01 00:00:10.000|1970-01-01 00:00:09.999) +I(2|7|1970-01-01 00:00:10.000|1970-01-01 00:00:20.000|1970-01-01 00:00:19.999) "
                       "+I(3|18|1970-01-01 00:00:20.000|1970-01-01 00:00:30.000|1970-01-01 00:00:29.999)";
    (void)state;
    for (int cut = -1; cut < 8; cut += 3)
        by_clock(SQ_WINDOW_TUMBLE, 10, 10, cut, want);
}

static void clock_hop(void **state)
{
    const char *want = "+I(3|3|1969-12-31 23:59:50.000|1970-01-01 00:00:10.000|1970-01-01 00:00:09.999) +I(5|10|1970-01-01 00:00:00.000|1970-01-01 00:00:20.000|1970-01-01 00:00:19.999) "
                       "+I(5|25|1970-01-01 00:00:10.000|1970-01-01 00:00:30.000|1970-01-01 00:00:29.999) +I(3|18|1970-01-01 00:00:20.000|1970-01-01 00:00:40.000|1970-01-01 00:00:39.999)";
    (void)state;
    for (int cut = -1; cut < 8; cut += 3)
        by_clock(SQ_WINDOW_HOP, 20, 10, cut, want);
}

static void clock_session(void **state)
{
    const char *want = "+I(1|0|1970-01-01 00:00:00.000|1970-01-01 00:00:03.000|1970-01-01 00:00:02.999) +I(1|1|1970-01-01 00:00:04.000|1970-01-01 00:00:07.000|1970-01-01 00:00:06.999)";
    (void)state;
    char text[4096] = "";
    for (int i = 0; i < 8; i++)
        kit_say(text, sizeof text, "%s+I(1|%d|1970-01-01 00:00:%02d.000|1970-01-01 00:00:%02d.000|1970-01-01 00:00:%02d.999)", i ? " " : "", i, 4 * i, 4 * i + 3, 4 * i + 2);
    assert_memory_equal(text, want, strlen(want));
    for (int cut = -1; cut < 8; cut += 3)
        by_clock(SQ_WINDOW_SESSION, 3, 0, cut, text);
}

/* A clock that is set back: each row is still in one window, none is lost. */
static void clock_set_back(void **state)
{
    const char *want = "+I(3|3|1970-01-01 00:00:00.000|1970-01-01 00:00:10.000|1970-01-01 00:00:09.999) +I(5|25|1970-01-01 00:00:10.000|1970-01-01 00:00:20.000|1970-01-01 00:00:19.999)";
    (void)state;
    set_back_at_us = 16000000;
    set_back_us = 14000000;
    for (int cut = -1; cut < 8; cut += 3)
        by_clock(SQ_WINDOW_TUMBLE, 10, 10, cut, want);
    set_back_us = 0;
}

/* ---- memory ---- */

static void out_of_memory(void **state)
{
    static const struct { enum sq_window_kind kind; int64_t size, step; unsigned aggs; } kinds[] = {
        {SQ_WINDOW_TUMBLE, 5, 5, 15}, {SQ_WINDOW_HOP, 6, 2, 7}, {SQ_WINDOW_HOP, 6, 2, 15}, {SQ_WINDOW_CUMULATE, 6, 2, 15}, {SQ_WINDOW_SESSION, 2, 0, 15},
    };
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int failures = 0;
        for (int64_t n = 1; n < 900; n += n < 300 ? 1 : 7) {
            struct setup s = {.spec = {.kind = kinds[i].kind, .time = SQ_TIME_ROW, .size = kinds[i].size * 1000000, .step = kinds[i].step * 1000000}, .delay = 500, .jitter = 3000,
                              .pace = 200, .keys = 4, .aggs = kinds[i].aggs};
            struct kit_rows rows = {0};
            struct sq_job *job = NULL;
            uint64_t seed = 5;
            bool done = false;
            struct kit k;

            generate(&rows, &s, 120, &seed);
            kit_init(&k);
            kit_root(&k, window_aggregate(&k, watermark(&k, kit_values(&k, "slT", &rows, 20, SQ_MODE_INSERT), s.delay, false), &s));
            k.budget.fail_at = n;
            sq_rc rc = sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job);
            while (rc == SQ_OK && !done)
                rc = sq_job_turn(job, 0, &done);
            failures += rc != SQ_OK;
            assert_true(rc == SQ_OK || rc == SQ_NOMEM);
            k.budget.fail_at = 0;
            if (job)
                sq_job_close(job);
            kit_free(&k);
            free(rows.r);
        }
        assert_in_range(failures, 30, 900);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tumble), cmocka_unit_test(tumble_distinct), cmocka_unit_test(hop), cmocka_unit_test(hop_distinct),
        cmocka_unit_test(cumulate), cmocka_unit_test(cumulate_distinct), cmocka_unit_test(session), cmocka_unit_test(session_distinct),
        cmocka_unit_test(hop_far), cmocka_unit_test(session_far),
        cmocka_unit_test(clock_tumble), cmocka_unit_test(clock_hop), cmocka_unit_test(clock_session), cmocka_unit_test(clock_set_back), cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
