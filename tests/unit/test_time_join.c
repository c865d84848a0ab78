/* SPDX-License-Identifier: Apache-2.0
 *
 * test_time_join.c: interval and temporal joins against naive models: every kind, random bounds, rows out of order and late, keys that are NULL or long; in batches of any size, with the
 * two sides taking turns in any way, and through a snapshot at any point.
 */
#include "exec_kit.h"

struct setup {
    enum sq_join_kind kind;
    int64_t low, high;                      /* ms */
    int64_t delay, jitter[2], pace;         /* ms */
    int keys;
    uint32_t n[2], per[2];
    bool residual, temporal, changes;
};

static int64_t pick(uint64_t *seed, int64_t n) { return n <= 0 ? 0 : (int64_t)(kit_random(seed) % (uint64_t)n); }

/* ---- the plan: both sides have (key, number, time) ---- */

static struct sq_plan *side(struct kit *k, const struct kit_rows *rows, const struct setup *s, int n)
{
    struct sq_plan *in = kit_values(k, "slT", rows, s->per[n], s->changes && n == 1 ? SQ_MODE_RETRACT : SQ_MODE_INSERT), *p = kit_node(k, SQ_N_WATERMARK, in, NULL);
    uint8_t *time = SQ_NEW_ARRAY(&k->arena, uint8_t, 3);
    p->mode = in->mode;
    time[2] = SQ_TIME_ROW;
    p->time = time;
    p->u.watermark.col = 2;
    p->u.watermark.expr = kit_call(k, "-", 2, kit_col(k, in, 2), kit_const(k, &sq_type_interval_ds, &s->delay));
    return p;
}

static struct sq_plan *join(struct kit *k, struct sq_plan *l, struct sq_plan *r, const struct setup *s)
{
    struct sq_plan *p = kit_node(k, SQ_N_JOIN, l, r);
    struct sq_join_key *key = SQ_NEW_ARRAY(&k->arena, struct sq_join_key, 1);
    bool half = s->kind == SQ_JOIN_SEMI || s->kind == SQ_JOIN_ANTI;

    kit_cols(k, p, half ? "slT" : "slTslT");
    p->u.join.kind = s->kind;
    p->u.join.how = s->temporal ? SQ_JOIN_TEMPORAL : SQ_JOIN_INTERVAL;
    p->u.join.keys = key;
    p->u.join.nkeys = 1;
    p->u.join.left_time = p->u.join.right_time = 2;
    p->u.join.low = s->low * 1000;
    p->u.join.high = s->high * 1000;
    if (s->residual) {
        struct sq_expr *a = kit_expr(k, SQ_X_COL, &sq_type_bigint, 0), *b = kit_expr(k, SQ_X_COL, &sq_type_bigint, 0);
        a->col = 1;
        b->col = 4;
        p->u.join.residual = kit_call(k, "<=", 2, a, b);
    }
    return p;
}

/* ---- rows ---- */

static void generate(struct kit_rows *rows, const struct setup *s, int side, uint64_t *seed)
{
    int64_t now = 1700000000000;
    for (uint32_t i = 0; i < s->n[side]; i++) {
        struct kit_row r = {SQ_INSERT, {KIT_NULL, pick(seed, 100), 0}};
        now += pick(seed, 2 * s->pace + 1);
        if (pick(seed, 80) == 0)
            now += 20000;
        r.v[2] = (now - pick(seed, s->jitter[side] + 1)) * 1000;
        if (pick(seed, 12))
            r.v[0] = pick(seed, s->keys);
        if (s->changes && side == 1 && pick(seed, 6) == 0)
            r.kind = pick(seed, 2) ? SQ_DELETE : SQ_UPDATE_BEFORE;
        kit_add(rows, r);
    }
}

/* What each row is judged by: the greatest watermark of those before it. */
static int64_t *judges(const struct kit_rows *rows, int64_t delay)
{
    int64_t *w = malloc((rows->n + 1) * sizeof *w), max = INT64_MIN;
    for (uint32_t i = 0; i < rows->n; i++) {
        w[i] = max;
        if (rows->r[i].v[2] - delay * 1000 > max)
            max = rows->r[i].v[2] - delay * 1000;
    }
    return w;
}

static void say_row(char *line, size_t n, const struct kit_row *r)
{
    char t[40];
    struct sq_buf b;
    int64_t at = r->v[2];
    struct sq_vec v = {.type = &sq_type_timestamp3, .data = &at};
    struct sq_budget budget = {0};
    struct sq_ctx ctx = {.budget = &budget};

    if (r->v[0] == KIT_NULL)
        kit_say(line, n, "NULL|");
    else {
        kit_text(r->v[0], t, sizeof t);
        kit_say(line, n, "%s|", t);
    }
    sq_buf_init(&b, &ctx);
    sq_print_value(&b, &v, 0, sq_tz_utc);
    kit_say(line, n, "%lld|%.*s", (long long)r->v[1], (int)b.n, b.p);
    sq_buf_free(&b);
}

static void put_out(struct kit_table *out, const struct setup *s, const struct kit_row *l, const struct kit_row *r)
{
    char line[400] = "";
    bool half = s->kind == SQ_JOIN_SEMI || s->kind == SQ_JOIN_ANTI;

    if (l)
        say_row(line, sizeof line, l);
    else
        kit_say(line, sizeof line, "NULL|NULL|NULL");
    if (!half) {
        kit_say(line, sizeof line, "|");
        if (r)
            say_row(line, sizeof line, r);
        else
            kit_say(line, sizeof line, "NULL|NULL|NULL");
    }
    kit_table_row(out, SQ_INSERT, line);
}

/* ---- models ---- */

static bool fits(const struct setup *s, const struct kit_row *l, int64_t wl, const struct kit_row *r, int64_t wr)
{
    int64_t low = s->low * 1000, high = s->high * 1000, apart = l->v[2] - r->v[2];
    if (l->v[0] == KIT_NULL || l->v[0] != r->v[0] || apart < low || apart > high)
        return false;
    if (r->v[2] + high < wl || l->v[2] - low < wr)               /* over for the other one when that came */
        return false;
    return !s->residual || l->v[1] <= r->v[1];
}

static void interval_model(const struct kit_rows *l, const struct kit_rows *r, const struct setup *s, struct kit_table *out)
{
    int64_t *wl = judges(l, s->delay), *wr = judges(r, s->delay);
    bool *had = calloc(r->n + 1, 1), half = s->kind == SQ_JOIN_SEMI || s->kind == SQ_JOIN_ANTI;

    for (uint32_t i = 0; i < l->n; i++) {
        bool some = false;
        for (uint32_t k = 0; k < r->n; k++)
            if (fits(s, &l->r[i], wl[i], &r->r[k], wr[k])) {
                some = had[k] = true;
                if (!half)
                    put_out(out, s, &l->r[i], &r->r[k]);
            }
        if (s->kind == SQ_JOIN_SEMI ? some : !some && (s->kind == SQ_JOIN_LEFT || s->kind == SQ_JOIN_FULL || s->kind == SQ_JOIN_ANTI))
            put_out(out, s, &l->r[i], NULL);
    }
    for (uint32_t k = 0; k < r->n; k++)
        if (!had[k] && (s->kind == SQ_JOIN_RIGHT || s->kind == SQ_JOIN_FULL))
            put_out(out, s, NULL, &r->r[k]);
    free(had);
    free(wl);
    free(wr);
}

static void temporal_model(const struct kit_rows *l, const struct kit_rows *r, const struct setup *s, struct kit_table *out)
{
    int64_t *wr = judges(r, s->delay);

    for (uint32_t i = 0; i < l->n; i++) {
        const struct kit_row *best = NULL;
        for (uint32_t k = 0; k < r->n && l->r[i].v[0] != KIT_NULL; k++) {
            const struct kit_row *v = &r->r[k];
            if (v->kind == SQ_UPDATE_BEFORE || v->v[0] != l->r[i].v[0] || v->v[2] > l->r[i].v[2] || wr[k] > l->r[i].v[2])
                continue;
            if (!best || v->v[2] >= best->v[2])
                best = v;
        }
        bool some = best && best->kind != SQ_DELETE && (!s->residual || l->r[i].v[1] <= best->v[1]);
        if (some || s->kind == SQ_JOIN_LEFT)
            put_out(out, s, &l->r[i], some ? best : NULL);
    }
    free(wr);
}

/* ---- tests ---- */

static void check(const struct setup *s, int cut, uint64_t *seed)
{
    struct kit_rows rows[2] = {{0}};
    struct kit_table want, got;
    struct kit k;

    generate(&rows[0], s, 0, seed);
    generate(&rows[1], s, 1, seed);
    kit_init(&k);
    struct sq_plan *l = side(&k, &rows[0], s, 0), *r = side(&k, &rows[1], s, 1);
    kit_root(&k, join(&k, l, r, s));
    kit_table_init(&k, &want, 0);
    kit_table_init(&k, &got, 0);
    got.quiet = true;
    if (s->temporal)
        temporal_model(&rows[0], &rows[1], s, &want);
    else
        interval_model(&rows[0], &rows[1], s, &want);
    kit_run(&k, &got, cut);
    char *a = kit_text_of(&want), *b = kit_text_of(&got);
    if (strcmp(a, b) != 0)
        print_message("kind %d low %lld high %lld delay %lld jitter %lld %lld per %u %u residual %d changes %d cut %d\n", (int)s->kind, (long long)s->low, (long long)s->high,
                      (long long)s->delay, (long long)s->jitter[0], (long long)s->jitter[1], s->per[0], s->per[1], s->residual, s->changes, cut);
    assert_string_equal(b, a);
    free(a);
    free(b);
    kit_table_free(&want);
    kit_table_free(&got);
    kit_free(&k);
    free(rows[0].r);
    free(rows[1].r);
}

static const uint32_t pers[] = {1, 7, 50, 2048};

static struct setup random_setup(uint64_t *seed)
{
    struct setup s = {.kind = SQ_JOIN_INNER, .delay = pick(seed, 3) ? pick(seed, 6000) : 0, .pace = 1 + pick(seed, 400), .keys = 1 + (int)pick(seed, 6), .residual = pick(seed, 3) == 0};
    for (int i = 0; i < 2; i++) {
        s.jitter[i] = pick(seed, 3) ? pick(seed, 15000) : 0;
        s.n[i] = 20 + (uint32_t)pick(seed, 280);
        s.per[i] = pers[pick(seed, 4)];
    }
    return s;
}

static int random_cut(const struct setup *s, uint64_t *seed)
{
    uint32_t turns = s->n[0] / s->per[0] > s->n[1] / s->per[1] ? s->n[0] / s->per[0] : s->n[1] / s->per[1];
    return pick(seed, 2) ? -1 : (int)pick(seed, 2 + turns);
}

static void interval(enum sq_join_kind kind)
{
    uint64_t seed = 31 + (uint64_t)kind;
    for (int round = 0; round < 200; round++) {
        struct setup s = random_setup(&seed);
        s.kind = kind;
        s.low = pick(&seed, 12000) - 8000;
        s.high = s.low + (pick(&seed, 4) ? pick(&seed, 9000) : pick(&seed, 3) - 1);
        check(&s, random_cut(&s, &seed), &seed);
    }
}

static void inner(void **state) { (void)state; interval(SQ_JOIN_INNER); }
static void left(void **state) { (void)state; interval(SQ_JOIN_LEFT); }
static void right(void **state) { (void)state; interval(SQ_JOIN_RIGHT); }
static void full(void **state) { (void)state; interval(SQ_JOIN_FULL); }
static void semi(void **state) { (void)state; interval(SQ_JOIN_SEMI); }
static void anti(void **state) { (void)state; interval(SQ_JOIN_ANTI); }

/* Left rows are in time: a late one goes by the versions that are still there. So are deletions, which are forgotten when the watermark is behind them. */
static void temporal(void **state)
{
    uint64_t seed = 97;
    (void)state;
    for (int round = 0; round < 400; round++) {
        struct setup s = random_setup(&seed);
        s.temporal = true;
        s.kind = pick(&seed, 2) ? SQ_JOIN_LEFT : SQ_JOIN_INNER;
        s.changes = pick(&seed, 2);
        if (s.jitter[0] > s.delay)
            s.jitter[0] = s.delay;
        if (s.changes && s.jitter[1] > s.delay)
            s.jitter[1] = s.delay;
        check(&s, random_cut(&s, &seed), &seed);
    }
}

/* The state is as large as the interval, not as the input. */
static void bounded(void **state)
{
    (void)state;
    for (int temporal = 0; temporal < 2; temporal++) {
        struct kit_rows rows[2] = {{0}};
        struct setup s = {.kind = SQ_JOIN_INNER, .low = -1000, .high = 1000, .delay = 0, .temporal = temporal, .per = {512, 512}};
        struct sq_job *job;
        struct kit_table got;
        struct kit k;
        int64_t most = 0, before = 0;
        bool done = false;

        for (int i = 0; i < 200000; i++)
            for (int n = 0; n < 2; n++)
                kit_add(&rows[n], (struct kit_row){SQ_INSERT, {i % 10, i, (int64_t)i * 10000}});
        kit_init(&k);
        struct sq_plan *l = side(&k, &rows[0], &s, 0), *r = side(&k, &rows[1], &s, 1);
        s.residual = true;
        struct sq_plan *p = join(&k, l, r, &s);
        p->u.join.residual = kit_bool(&k, false);
        kit_root(&k, p);
        kit_table_init(&k, &got, 0);
        kit_ok(&k, sq_job_open(&k.ctx, &k.plan, kit_collect, &got, &job));
        for (int turn = 0; !done; turn++) {
            kit_ok(&k, sq_job_turn(job, 0, &done));
            if (turn == 20)
                before = k.budget.used;
            most = k.budget.used > most ? k.budget.used : most;
        }
        sq_job_close(job);
        assert_true(before > 0 && most < before + before / 4);
        kit_table_free(&got);
        kit_free(&k);
        free(rows[0].r);
        free(rows[1].r);
    }
}

/* Every allocation fails once: an error, and everything is given back. */
static void out_of_memory(void **state)
{
    (void)state;
    for (int temporal = 0; temporal < 2; temporal++) {
        int failures = 0;
        for (int64_t n = 1; n < 700; n += n < 250 ? 1 : 7) {
            struct setup s = {.kind = SQ_JOIN_LEFT, .low = -2000, .high = 3000, .delay = 500, .jitter = {400, 3000}, .pace = 200, .keys = 4, .n = {200, 200}, .per = {20, 20},
                              .residual = true, .temporal = temporal};
            struct kit_rows rows[2] = {{0}};
            struct sq_job *job = NULL;
            uint64_t seed = 5;
            bool done = false;
            struct kit k;

            generate(&rows[0], &s, 0, &seed);
            generate(&rows[1], &s, 1, &seed);
            kit_init(&k);
            struct sq_plan *l = side(&k, &rows[0], &s, 0), *r = side(&k, &rows[1], &s, 1);
            kit_root(&k, join(&k, l, r, &s));
            k.budget.fail_at = n;
            sq_rc rc = sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job);
            while (rc == SQ_OK && !done)
                rc = sq_job_turn(job, 0, &done);
            k.budget.fail_at = 0;
            failures += rc != SQ_OK;
            assert_true(rc == SQ_OK || rc == SQ_NOMEM);
            if (job)
                sq_job_close(job);
            kit_free(&k);
            free(rows[0].r);
            free(rows[1].r);
        }
        assert_in_range(failures, 30, 700);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inner), cmocka_unit_test(left), cmocka_unit_test(right), cmocka_unit_test(full), cmocka_unit_test(semi), cmocka_unit_test(anti),
        cmocka_unit_test(temporal), cmocka_unit_test(bounded), cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
