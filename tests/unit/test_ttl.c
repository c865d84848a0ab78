/* SPDX-License-Identifier: Apache-2.0
 *
 * test_ttl.c: state with a time to live, by a clock that goes on by a second each turn, in which each input gives a row: what is seen and what is over, in aggregates, DISTINCT, upserts,
 * Top-N and joins; the same through a snapshot at every turn; joins against a model; the memory of what is over comes back.
 */
#include "exec_kit.h"

static int64_t clock_us;
static int64_t read_clock(void *arg)
{
    (void)arg;
    return clock_us;
}

struct run { struct kit k; struct sq_os os; struct kit_table got; };

static void begin(struct run *x, int ttl)
{
    memset(x, 0, sizeof *x);
    kit_init(&x->k);
    x->os = sq_os_posix;
    x->os.now_us = read_clock;
    x->k.ctx.os = &x->os;
    x->k.plan.config.state_ttl_ms = ttl * 1000;
    kit_table_init(&x->k, &x->got, 0);
}

static size_t bytes_of(const struct sq_job *job)
{
    struct sq_node_stats st[8];
    size_t bytes = 0;
    uint32_t n = sq_job_nodes(job, st, 8);
    for (uint32_t i = 0; i < n; i++)
        bytes += st[i].state_bytes;
    return bytes;
}

/* Through a snapshot before turn `cut`. The most bytes that were kept at the end of turns `from` on are returned. */
static size_t turns(struct run *x, struct sq_plan *root, int cut, int from)
{
    struct sq_job *job;
    struct sq_job_stats st;
    size_t most = 0;
    bool done = false;

    kit_root(&x->k, root);
    clock_us = 0;
    kit_ok(&x->k, sq_job_open(&x->k.ctx, &x->k.plan, kit_collect, &x->got, &job));
    for (int turn = 0; !done; turn++, clock_us += 1000000) {
        if (turn == cut) {
            struct sq_buf snap;
            sq_buf_init(&snap, &x->k.ctx);
            kit_ok(&x->k, sq_job_snapshot(job, &snap));
            sq_job_close(job);
            kit_ok(&x->k, sq_job_open(&x->k.ctx, &x->k.plan, kit_collect, &x->got, &job));
            kit_ok(&x->k, sq_job_restore(job, sq_buf_view(&snap)));
            sq_buf_free(&snap);
        }
        kit_ok(&x->k, sq_job_turn(job, 0, &done));
        size_t bytes = bytes_of(job);
        most = turn >= from && bytes > most ? bytes : most;
    }
    sq_job_stats(job, &st);
    assert_true(st.balanced || cut >= 0);
    sq_job_close(job);
    return most;
}

static void end(struct run *x)
{
    kit_table_free(&x->got);
    kit_free(&x->k);
}

typedef struct sq_plan *maker(struct kit *, unsigned mode);

/* The changes of a log, sorted: two inputs take turns in no certain order. */
static void sort_changes(char *log)
{
    char *words[64], copy[2048];
    size_t n = 0;
    snprintf(copy, sizeof copy, "%s", log);
    for (char *save, *w = strtok_r(copy, " ", &save); w && n < SQ_LEN(words); w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    qsort(words, n, sizeof *words, kit_cmp);
    *log = 0;
    for (size_t i = 0; i < n; i++)
        kit_say(log, 2048, "%s%s", i ? " " : "", words[i]);
}

static void golden(maker *make, unsigned mode, int ttl, int nturns, const char *want)
{
    for (int cut = -1; cut < nturns; cut++) {
        struct run x;
        begin(&x, ttl);
        struct sq_plan *p = make(&x.k, mode);
        turns(&x, p, cut, 0);
        char sorted[2048];
        snprintf(sorted, sizeof sorted, "%s", want);
        if (p->kind == SQ_N_JOIN) {
            sort_changes(sorted);
            sort_changes(x.got.log.p);
        }
        assert_string_equal(x.got.log.p, sorted);
        end(&x);
    }
}

/* ---- aggregates ---- */

static struct sq_plan *aggregated(struct kit *k, const struct kit_rows *rows, unsigned mode, bool net, const char *name, bool distinct)
{
    struct sq_agg_item items[] = {{.agg = agg("COUNT"), .arg = -1, .filter = -1}, {.agg = agg(name), .arg = 1, .filter = -1, .distinct = distinct}};
    struct sq_plan *p = kit_agg(k, kit_values(k, "il", rows, 1, mode), 1, (uint32_t[]){0}, items, 2);
    p->net = net;
    return p;
}

static struct sq_plan *sums(struct kit *k, unsigned mode)
{
    return aggregated(k, &ROWS(ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 2, 1), ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 9, 0), ROW(SQ_INSERT, 9, 0), ROW(SQ_INSERT, 1, 5)), mode, false, "SUM", false);
}
static struct sq_plan *sums_net(struct kit *k, unsigned mode)
{
    struct sq_plan *p = sums(k, mode);
    p->net = true;
    return p;
}

/* A row that takes back what is over is dropped. */
static struct sq_plan *taken_back(struct kit *k, unsigned mode)
{
    return aggregated(k, &ROWS(ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 9, 1), ROW(SQ_INSERT, 9, 1), ROW(SQ_DELETE, 1, 10), ROW(SQ_INSERT, 1, 4)), mode, false, "MAX", false);
}

static struct sq_plan *values(struct kit *k, unsigned mode)
{
    return aggregated(k, &ROWS(ROW(SQ_INSERT, 1, 7), ROW(SQ_INSERT, 1, 8), ROW(SQ_INSERT, 1, 8), ROW(SQ_INSERT, 1, 7)), mode, false, "COUNT", true);
}

/* A group that begins anew does not see the values of the one before. */
static struct sq_plan *values_anew(struct kit *k, unsigned mode)
{
    return aggregated(k, &ROWS(ROW(SQ_INSERT, 1, 7), ROW(SQ_INSERT, 9, 7), ROW(SQ_INSERT, 9, 7), ROW(SQ_INSERT, 1, 7)), mode, false, "COUNT", true);
}

static struct sq_plan *only_once(struct kit *k, unsigned mode)
{
    struct kit_rows rows = ROWS(ROW(SQ_INSERT, 1), ROW(SQ_INSERT, 9), ROW(SQ_INSERT, 1), ROW(SQ_INSERT, 9), ROW(SQ_INSERT, 1), ROW(SQ_INSERT, 9), ROW(SQ_INSERT, 9), ROW(SQ_INSERT, 1));
    struct sq_plan *p = kit_agg(k, kit_values(k, "i", &rows, 1, mode), 1, (uint32_t[]){0}, NULL, 0);
    p->mode = SQ_MODE_INSERT;
    return p;
}

static void groups(void **state)
{
    (void)state;
    const char *want = "+I(1|1|10) +I(2|1|1) -U(1|1|10) +U(1|2|20) +I(9|1|0) -U(9|1|0) +U(9|2|0) +I(1|1|5)";
    golden(sums, SQ_MODE_INSERT, 3, 6, want);
    golden(sums, SQ_MODE_RETRACT, 3, 6, want);
    golden(sums_net, SQ_MODE_INSERT, 3, 6, want);
    golden(sums_net, SQ_MODE_RETRACT, 3, 6, want);
    golden(sums, SQ_MODE_INSERT, 4, 6, "+I(1|1|10) +I(2|1|1) -U(1|1|10) +U(1|2|20) +I(9|1|0) -U(9|1|0) +U(9|2|0) -U(1|2|20) +U(1|3|25)");
    golden(taken_back, SQ_MODE_RETRACT, 3, 5, "+I(1|1|10) +I(9|1|1) -U(9|1|1) +U(9|2|1) +I(1|1|4)");
    golden(values, SQ_MODE_INSERT, 3, 4, "+I(1|1|1) -U(1|1|1) +U(1|2|2) -U(1|2|2) +U(1|3|2) -U(1|3|2) +U(1|4|3)");
    golden(values, SQ_MODE_INSERT, 4, 4, "+I(1|1|1) -U(1|1|1) +U(1|2|2) -U(1|2|2) +U(1|3|2) -U(1|3|2) +U(1|4|2)");
    golden(values_anew, SQ_MODE_INSERT, 3, 4, "+I(1|1|1) +I(9|1|1) -U(9|1|1) +U(9|2|1) +I(1|1|1)");
    golden(only_once, SQ_MODE_INSERT, 3, 8, "+I(1) +I(9) +I(1)");
}

/* Results that stay the same are put out, so that what is kept behind them lives as long; not where all is kept for good. */
static struct sq_plan *most(struct kit *k, unsigned mode)
{
    struct sq_agg_item max = {.agg = agg("MAX"), .arg = 1, .filter = -1};
    struct kit_rows rows = ROWS(ROW(SQ_INSERT, 1, 5), ROW(SQ_INSERT, 1, 3), ROW(SQ_INSERT, 1, 6));
    return kit_agg(k, kit_values(k, "il", &rows, 1, mode), 1, (uint32_t[]){0}, &max, 1);
}
static struct sq_plan *most_upsert(struct kit *k, unsigned mode)
{
    struct sq_plan *p = most(k, mode);
    p->mode = SQ_MODE_UPSERT;
    p->net = true;
    return p;
}

static void same_results(void **state)
{
    (void)state;
    golden(most, SQ_MODE_INSERT, 100, 3, "+I(1|5) -U(1|5) +U(1|5) -U(1|5) +U(1|6)");
    golden(most, SQ_MODE_INSERT, 0, 3, "+I(1|5) -U(1|5) +U(1|6)");
    golden(most_upsert, SQ_MODE_INSERT, 100, 3, "+I(1|5) +U(1|5) +U(1|6)");
    golden(most_upsert, SQ_MODE_INSERT, 0, 3, "+I(1|5) +U(1|6)");
}

/* ---- upserts, Top-N ---- */

static struct sq_plan *normalized(struct kit *k, const struct kit_rows *rows, uint32_t per)
{
    struct sq_plan *p = kit_node(k, SQ_N_NORMALIZE, kit_values(k, "il", rows, per, SQ_MODE_UPSERT), NULL);
    uint32_t *key = SQ_NEW_ARRAY(&k->arena, uint32_t, 1);
    p->u.normalize.key = (struct sq_key){key, 1};
    p->mode = SQ_MODE_RETRACT;
    return p;
}
static struct sq_plan *upserts(struct kit *k, unsigned mode)
{
    struct sq_plan *p = normalized(k, &ROWS(ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 9, 0), ROW(SQ_INSERT, 9, 1), ROW(SQ_INSERT, 1, 11), ROW(SQ_DELETE, 9, KIT_NULL)), 1);
    p->net = mode != 0;                        /* here: emission */
    return p;
}

static void last_rows(void **state)
{
    (void)state;
    for (unsigned net = 0; net < 2; net++)
        golden(upserts, net, 3, 6, "+I(1|10) -U(1|10) +U(1|10) +I(9|0) -U(9|0) +U(9|1) +I(1|11) -D(9|1)");
    golden(upserts, 0, 0, 6, "+I(1|10) +I(9|0) -U(9|0) +U(9|1) -U(1|10) +U(1|11) -D(9|1)");
}

static struct sq_plan *first_places(struct kit *k, unsigned mode)
{
    struct kit_rows rows = ROWS(ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 1, 5), ROW(SQ_INSERT, 9, 1), ROW(SQ_INSERT, 9, 2), ROW(SQ_INSERT, 1, 50));
    struct sq_plan *p = kit_node(k, SQ_N_RANK, kit_values(k, "il", &rows, 1, mode), NULL);
    struct sq_sort_key *keys = SQ_NEW_ARRAY(&k->arena, struct sq_sort_key, 1);
    keys[0].col = 1;
    p->u.rank.keys = keys;
    p->u.rank.nkeys = 1;
    p->u.rank.partition = SQ_NEW_ARRAY(&k->arena, uint32_t, 1);
    p->u.rank.npartition = 1;
    p->u.rank.from = p->u.rank.to = 1;
    p->mode = SQ_MODE_RETRACT;
    return p;
}

static void places(void **state)
{
    (void)state;
    golden(first_places, SQ_MODE_INSERT, 3, 5, "+I(1|10) -D(1|10) +I(1|5) +I(9|1) +I(1|50)");
    golden(first_places, SQ_MODE_RETRACT, 3, 5, "+I(1|10) -D(1|10) +I(1|5) +I(9|1) +I(1|50)");
    golden(first_places, SQ_MODE_INSERT, 4, 5, "+I(1|10) -D(1|10) +I(1|5) +I(9|1)");
}

/* ---- joins ---- */

static struct sq_plan *joined(struct kit *k, struct sq_plan *l, struct sq_plan *r, enum sq_join_kind kind)
{
    struct sq_plan *p = kit_node(k, SQ_N_JOIN, l, r);
    struct sq_field *f = SQ_NEW_ARRAY(&k->arena, struct sq_field, l->ncols + r->ncols);
    memcpy(f, l->cols, l->ncols * sizeof *f);
    memcpy(f + l->ncols, r->cols, r->ncols * sizeof *f);
    p->cols = f;
    p->ncols = kind == SQ_JOIN_SEMI || kind == SQ_JOIN_ANTI ? l->ncols : l->ncols + r->ncols;
    p->u.join.kind = kind;
    p->u.join.keys = SQ_NEW_ARRAY(&k->arena, struct sq_join_key, 1);
    p->u.join.nkeys = 1;
    p->mode = kind == SQ_JOIN_INNER && l->mode == SQ_MODE_INSERT && r->mode == SQ_MODE_INSERT ? SQ_MODE_INSERT : SQ_MODE_RETRACT;
    return p;
}

static struct sq_plan *two(struct kit *k, unsigned mode, enum sq_join_kind kind, struct kit_rows l, struct kit_rows r)
{
    return joined(k, kit_values(k, "ii", &l, 1, mode), kit_values(k, "ii", &r, 1, mode), kind);
}

static struct sq_plan *inner(struct kit *k, unsigned mode)
{
    struct sq_plan *p = two(k, mode, SQ_JOIN_INNER, ROWS(ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 9, 0), ROW(SQ_INSERT, 9, 1), ROW(SQ_INSERT, 1, 13)),
                            ROWS(ROW(SQ_INSERT, 1, 20), ROW(SQ_INSERT, 8, 0), ROW(SQ_INSERT, 1, 22), ROW(SQ_INSERT, 1, 23)));
    p->ttl_hint[1] = 2001;                     /* STATE_TTL of two seconds; the left side has the job's */
    return p;
}

/* What counts a row's partners anew writes the row. */
static struct sq_plan *left(struct kit *k, unsigned mode)
{
    return two(k, mode, SQ_JOIN_LEFT, ROWS(ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 9, 9), ROW(SQ_INSERT, 9, 8), ROW(SQ_INSERT, 9, 7), ROW(SQ_INSERT, 9, 6)),
               ROWS(ROW(SQ_INSERT, 8, 0), ROW(SQ_INSERT, 1, 21), ROW(SQ_INSERT, 8, 2), ROW(SQ_INSERT, 1, 23), ROW(SQ_INSERT, 8, 1)));
}

static struct sq_plan *half(struct kit *k, unsigned mode)
{
    return two(k, mode, SQ_JOIN_SEMI, ROWS(ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 9, 9), ROW(SQ_INSERT, 9, 8), ROW(SQ_INSERT, 1, 13), ROW(SQ_INSERT, 9, 6), ROW(SQ_INSERT, 1, 15)),
               ROWS(ROW(SQ_INSERT, 8, 0), ROW(SQ_INSERT, 1, 21), ROW(SQ_INSERT, 8, 2), ROW(SQ_INSERT, 8, 3), ROW(SQ_INSERT, 8, 4), ROW(SQ_INSERT, 8, 5)));
}

/* The right row is over when it is taken back; the left row had never counted it: the next one is still its first. */
static struct sq_plan *late_delete(struct kit *k, unsigned mode)
{
    return two(k, mode, SQ_JOIN_LEFT, ROWS(ROW(SQ_INSERT, 9, 1), ROW(SQ_INSERT, 9, 2), ROW(SQ_INSERT, 9, 3), ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 9, 4), ROW(SQ_INSERT, 9, 5)),
               ROWS(ROW(SQ_INSERT, 1, 20), ROW(SQ_INSERT, 8, 1), ROW(SQ_INSERT, 8, 2), ROW(SQ_INSERT, 8, 3), ROW(SQ_DELETE, 1, 20), ROW(SQ_INSERT, 1, 25)));
}

static void join_kinds(void **state)
{
    (void)state;
    const char *pairs = "+I(1|10|1|20) +I(1|10|1|22) +I(1|13|1|22) +I(1|13|1|23)";
    const char *padded = "+I(1|10|NULL|NULL) +I(9|9|NULL|NULL) -D(1|10|NULL|NULL) +I(1|10|1|21) +I(9|8|NULL|NULL) +I(9|7|NULL|NULL) +I(1|10|1|23) +I(9|6|NULL|NULL)";
    golden(inner, SQ_MODE_INSERT, 3, 4, pairs);
    golden(inner, SQ_MODE_RETRACT, 3, 4, pairs);
    golden(left, SQ_MODE_INSERT, 3, 5, padded);
    golden(left, SQ_MODE_RETRACT, 3, 5, padded);
    golden(half, SQ_MODE_INSERT, 3, 6, "+I(1|10) +I(1|13)");
    golden(half, SQ_MODE_RETRACT, 3, 6, "+I(1|10) +I(1|13)");
    golden(late_delete, SQ_MODE_RETRACT, 3, 6, "+I(9|1|NULL|NULL) +I(9|2|NULL|NULL) +I(9|3|NULL|NULL) +I(1|10|NULL|NULL) +I(9|4|NULL|NULL) -D(1|10|1|20) +I(9|5|NULL|NULL) "
                                               "-D(1|10|NULL|NULL) +I(1|10|1|25)");
}

static void join_random(void **state)
{
    uint64_t seed = 5;
    (void)state;
    for (int round = 0; round < 60; round++) {
        struct kit_rows rows[2] = {{0}, {0}};
        struct kit_table want;
        struct run x;
        int n = 60, ttl[2] = {1 + (int)(kit_random(&seed) % 12), (int)(kit_random(&seed) % 12)};
        begin(&x, ttl[0]);
        kit_table_init(&x.k, &want, 0);
        for (int i = 0; i < 2 * n; i++)
            kit_add(&rows[i % 2], (struct kit_row){SQ_INSERT, {(int64_t)(kit_random(&seed) % 4), i}});
        for (int l = 0; l < n; l++)
            for (int r = 0; r < n; r++) {
                bool there = r >= l ? r - l < ttl[0] : ttl[1] == 0 || l - r < ttl[1];      /* the one that came first, when the other comes */
                char line[100];
                snprintf(line, sizeof line, "%lld|%lld|%lld|%lld", (long long)rows[0].r[l].v[0], (long long)rows[0].r[l].v[1], (long long)rows[1].r[r].v[0], (long long)rows[1].r[r].v[1]);
                if (there && rows[0].r[l].v[0] == rows[1].r[r].v[0])
                    kit_table_row(&want, SQ_INSERT, line);
            }
        struct sq_plan *p = two(&x.k, round % 2 ? SQ_MODE_INSERT : SQ_MODE_RETRACT, SQ_JOIN_INNER, rows[0], rows[1]);
        p->ttl_hint[1] = (uint64_t)ttl[1] * 1000 + 1;
        turns(&x, p, round % 3 ? (int)(kit_random(&seed) % (uint64_t)n) : -1, 0);
        char *a = kit_text_of(&want), *b = kit_text_of(&x.got);
        assert_string_equal(b, a);
        free(a);
        free(b);
        kit_table_free(&want);
        end(&x);
        free(rows[0].r);
        free(rows[1].r);
    }
}

/* ---- memory ---- */

enum { WAVES = 8, WAVE_KEYS = 3 * 2048, QUIET = 14 };

/* Waves of new keys, with turns between in which nothing new comes: all is over, and swept, before the next. */
static void waves(struct kit_rows *rows)
{
    for (int w = 0; w < WAVES; w++)
        for (int i = 0; i < WAVE_KEYS + QUIET * 2048; i++)
            kit_add(rows, (struct kit_row){SQ_INSERT, {i < WAVE_KEYS ? w * WAVE_KEYS + i + 10 : 1, i}});
}

static size_t kept(int ttl, int which, int waves_seen)
{
    struct kit_rows rows = {0};
    struct sq_plan *p;
    struct run x;
    begin(&x, ttl);
    x.got.quiet = true;
    waves(&rows);
    if (waves_seen)
        rows.n = (uint32_t)waves_seen * (WAVE_KEYS + QUIET * 2048);
    if (which == 0) {
        p = kit_agg(&x.k, kit_values(&x.k, "il", &rows, 2048, SQ_MODE_INSERT), 1, (uint32_t[]){0}, (struct sq_agg_item[]){{.agg = agg("COUNT"), .arg = 1, .filter = -1, .distinct = true}}, 1);
    } else if (which == 1) {
        p = normalized(&x.k, &rows, 2048);
        p->net = true;
    } else {
        struct kit_rows none = ROWS(ROW(SQ_INSERT, 5, 5));
        unsigned mode = which == 2 ? SQ_MODE_INSERT : SQ_MODE_RETRACT;
        p = joined(&x.k, kit_values(&x.k, "il", &rows, 2048, mode), kit_values(&x.k, "il", &none, 1, SQ_MODE_INSERT), SQ_JOIN_INNER);
    }
    /* only the last changes are of interest: nobody keeps them */
    struct sq_plan *drop = kit_node(&x.k, SQ_N_FILTER, p, NULL);
    drop->mode = p->mode;
    drop->u.filter.pred = kit_bool(&x.k, false);
    size_t bytes = turns(&x, drop, -1, 0);
    end(&x);
    free(rows.r);
    return bytes;
}

static void memory(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        size_t one = kept(3, which, 1), all = kept(3, which, 0), ever = kept(0, which, 0);
        if (all > one + one / 2 || ever < 2 * all)
            fail_msg("%d: %zu bytes for one wave, %zu for all, %zu where they are kept for good", which, one, all, ever);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups), cmocka_unit_test(same_results), cmocka_unit_test(last_rows), cmocka_unit_test(places),
        cmocka_unit_test(join_kinds), cmocka_unit_test(join_random), cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests_name("ttl", tests, NULL, NULL);
}
