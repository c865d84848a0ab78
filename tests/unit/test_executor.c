/* SPDX-License-Identifier: Apache-2.0
 *
 * test_executor.c: operators and the runtime over plans made by hand: golden changelogs, and random changelogs against a naive
 * recomputation, at several batch sizes and through snapshots.
 */
#include "exec_kit.h"

/* ---- golden changelogs ---- */

static void agg_each_as_flink(void **state)
{
    struct kit_rows in = ROWS(ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 1, 5), ROW(SQ_INSERT, 2, 7), ROW(SQ_INSERT, 1, 0), ROW(SQ_DELETE, 2, 7),
                              ROW(SQ_UPDATE_BEFORE, 1, 5), ROW(SQ_UPDATE_AFTER, 1, 6), ROW(SQ_DELETE, 3, 3));
    struct sq_agg_item items[] = {{.agg = agg("SUM"), .arg = 1, .filter = -1}};
    const char *want = "+I(1|10) -U(1|10) +U(1|15) +I(2|7) -D(2|7) -U(1|15) +U(1|10) -U(1|10) +U(1|16)";
    (void)state;
    for (uint32_t per = 1; per <= 8; per += 7) {
        struct kit k;
        kit_init(&k);
        struct sq_plan *p = kit_agg(&k, kit_values(&k, "ii", &in, per, SQ_MODE_RETRACT), 1, (uint32_t[]){0}, items, 1);
        kit_root(&k, p);
        expect_log(&k, want);
        kit_free(&k);
    }
}

static void agg_net(void **state)
{
    struct kit_rows in = ROWS(ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 1, 5), ROW(SQ_INSERT, 2, 7), ROW(SQ_INSERT, 4, 7),
                              ROW(SQ_INSERT, 1, 1), ROW(SQ_DELETE, 2, 7), ROW(SQ_INSERT, 3, 1), ROW(SQ_DELETE, 3, 1), ROW(SQ_INSERT, 4, 0));
    struct sq_agg_item items[] = {{.agg = agg("SUM"), .arg = 1, .filter = -1}};
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan *p = kit_agg(&k, kit_values(&k, "ii", &in, 4, SQ_MODE_RETRACT), 1, (uint32_t[]){0}, items, 1);
    kit_root(&k, p);
    p->net = true;
    expect_log(&k, "+I(1|15) +I(2|7) +I(4|7) -U(1|15) +U(1|16) -D(2|7)");
    p->mode = SQ_MODE_UPSERT;
    k.plan.roots[0]->mode = SQ_MODE_UPSERT;
    expect_log(&k, "+I(1|15) +I(2|7) +I(4|7) +U(1|16) -D(2|7)");
    kit_free(&k);
}

static void global_agg(void **state)
{
    struct sq_agg_item items[] = {{.agg = agg("COUNT"), .arg = -1, .filter = -1}, {.agg = agg("SUM"), .arg = 0, .filter = -1}};
    struct kit_rows none = {0}, some = ROWS(ROW(SQ_INSERT, 3), ROW(SQ_INSERT, KIT_NULL));
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan *p = kit_agg(&k, kit_values(&k, "i", &none, 1, SQ_MODE_INSERT), 0, NULL, items, 2);
    kit_root(&k, p);
    expect_log(&k, "");
    p->final = true;
    p->mode = SQ_MODE_INSERT;
    expect_log(&k, "+I(0|NULL)");
    kit_free(&k);
    kit_init(&k);
    p = kit_agg(&k, kit_values(&k, "i", &some, 1, SQ_MODE_INSERT), 0, NULL, items, 2);
    kit_root(&k, p);
    expect_log(&k, "+I(1|3) -U(1|3) +U(2|3)");
    p->final = true;
    p->mode = SQ_MODE_INSERT;
    expect_log(&k, "+I(2|3)");
    kit_free(&k);
}

static void distinct_rows(void **state)
{
    struct kit_rows in = ROWS(ROW(SQ_INSERT, 1, 1), ROW(SQ_INSERT, 1, 1), ROW(SQ_INSERT, KIT_NULL, 1), ROW(SQ_INSERT, 2, 1), ROW(SQ_INSERT, KIT_NULL, 1));
    struct kit_rows back = ROWS(ROW(SQ_INSERT, 1), ROW(SQ_INSERT, 1), ROW(SQ_DELETE, 1), ROW(SQ_DELETE, 1), ROW(SQ_INSERT, 1));
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan *p = kit_agg(&k, kit_values(&k, "si", &in, 2, SQ_MODE_INSERT), 2, (uint32_t[]){0, 1}, NULL, 0);
    p->mode = SQ_MODE_INSERT;
    kit_root(&k, p);
    expect_log(&k, "+I(k1|1) +I(NULL|1) +I(k2|1)");
    kit_free(&k);
    kit_init(&k);
    kit_root(&k, kit_agg(&k, kit_values(&k, "i", &back, 2, SQ_MODE_RETRACT), 1, (uint32_t[]){0}, NULL, 0));
    expect_log(&k, "+I(1) -D(1) +I(1)");
    kit_free(&k);
}

static struct sq_plan *join_node(struct kit *k, struct sq_plan *l, struct sq_plan *r, enum sq_join_kind kind, uint32_t nkeys, struct sq_expr *residual)
{
    struct sq_plan *p = kit_node(k, SQ_N_JOIN, l, r);
    struct sq_join_key *keys = SQ_NEW_ARRAY(&k->arena, struct sq_join_key, 2);
    bool semi = kind == SQ_JOIN_SEMI || kind == SQ_JOIN_ANTI;
    struct sq_field *f = SQ_NEW_ARRAY(&k->arena, struct sq_field, l->ncols + r->ncols);

    keys[1] = (struct sq_join_key){1, 1};
    memcpy(f, l->cols, l->ncols * sizeof *f);
    memcpy(f + l->ncols, r->cols, r->ncols * sizeof *f);
    p->cols = f;
    p->ncols = semi ? l->ncols : l->ncols + r->ncols;
    p->u.join.kind = kind;
    p->u.join.keys = keys;
    p->u.join.nkeys = nkeys;
    p->u.join.residual = residual;
    p->mode = SQ_MODE_RETRACT;
    return p;
}

static void join_golden(enum sq_join_kind kind, const char *want)
{
    /* one row a batch, both sides in turn */
    struct kit_rows l = ROWS(ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 2, 11), ROW(SQ_INSERT, KIT_NULL, 12), ROW(SQ_DELETE, 1, 10));
    struct kit_rows r = ROWS(ROW(SQ_INSERT, 2, 20), ROW(SQ_INSERT, 1, 21), ROW(SQ_INSERT, 1, 22), ROW(SQ_DELETE, 2, 20));
    struct kit k;
    kit_init(&k);
    struct sq_plan *left = kit_values(&k, "ii", &l, 1, SQ_MODE_RETRACT), *right = kit_values(&k, "ii", &r, 1, SQ_MODE_RETRACT);
    kit_root(&k, join_node(&k, left, right, kind, 1, NULL));
    expect_log(&k, want);
    kit_free(&k);
}

/* Sources are asked right side first, but for RIGHT: r(2,20) l(1,10) r(1,21) l(2,11) … */
static void join_as_flink(void **state)
{
    (void)state;
    join_golden(SQ_JOIN_INNER, "+I(1|10|1|21) +I(2|11|2|20) +I(1|10|1|22) -D(2|11|2|20) -D(1|10|1|21) -D(1|10|1|22)");
    join_golden(SQ_JOIN_LEFT, "+I(1|10|NULL|NULL) -D(1|10|NULL|NULL) +I(1|10|1|21) +I(2|11|2|20) +I(1|10|1|22) +I(NULL|12|NULL|NULL) "
                              "-D(2|11|2|20) +I(2|11|NULL|NULL) -D(1|10|1|21) -D(1|10|1|22)");
    join_golden(SQ_JOIN_SEMI, "+I(1|10) +I(2|11) -D(2|11) -D(1|10)");
    join_golden(SQ_JOIN_ANTI, "+I(1|10) -D(1|10) +I(NULL|12) +I(2|11)");
    join_golden(SQ_JOIN_RIGHT, "+I(NULL|NULL|2|20) -D(NULL|NULL|2|20) +I(2|11|2|20) +I(1|10|1|21) +I(1|10|1|22) -D(1|10|1|21) +I(NULL|NULL|1|21) "
                               "-D(1|10|1|22) +I(NULL|NULL|1|22) -D(2|11|2|20)");
}

static void filter_project_union(void **state)
{
    struct kit_rows in = ROWS(ROW(SQ_INSERT, 1, 10), ROW(SQ_UPDATE_BEFORE, 1, 10), ROW(SQ_UPDATE_AFTER, 1, 3), ROW(SQ_INSERT, 2, KIT_NULL), ROW(SQ_INSERT, 3, 9));
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan *v = kit_values(&k, "ii", &in, 2, SQ_MODE_RETRACT);
    struct sq_plan *f = kit_node(&k, SQ_N_FILTER, v, NULL);
    f->mode = SQ_MODE_RETRACT;
    f->u.filter.pred = kit_call(&k, ">", 2, kit_col(&k, v, 1), kit_int(&k, 5));
    struct sq_plan *p = kit_node(&k, SQ_N_PROJECT, f, NULL);
    p->mode = SQ_MODE_RETRACT;
    p->u.project.exprs = SQ_NEW_ARRAY(&k.arena, struct sq_expr *, 2);
    p->u.project.exprs[0] = kit_call(&k, "+", 2, kit_col(&k, v, 0), kit_col(&k, v, 1));
    p->u.project.exprs[1] = kit_col(&k, v, 0);
    kit_cols(&k, p, "ii");
    struct sq_plan *u = kit_node(&k, SQ_N_UNION, p, kit_values(&k, "ii", &in, 8, SQ_MODE_RETRACT));
    u->mode = SQ_MODE_RETRACT;
    kit_root(&k, u);
    expect_log(&k, "+I(11|1) -U(11|1) +I(1|10) -U(1|10) +U(1|3) +I(2|NULL) +I(3|9) +I(12|3)");
    kit_free(&k);
}

static void sort_and_limit(void **state)
{
    struct kit_rows in = ROWS(ROW(SQ_INSERT, 3, 1), ROW(SQ_INSERT, 1, 2), ROW(SQ_INSERT, KIT_NULL, 3), ROW(SQ_INSERT, 2, 4), ROW(SQ_INSERT, 1, 5));
    struct kit_rows back = ROWS(ROW(SQ_INSERT, 3, 1), ROW(SQ_INSERT, 1, 2), ROW(SQ_INSERT, 1, 2), ROW(SQ_DELETE, 3, 1), ROW(SQ_INSERT, 0, 4));
    struct { bool desc, nf; int64_t limit, offset; const char *want; } cases[] = {
        {false, true, -1, 0, "+I(NULL|3) +I(1|2) +I(1|5) +I(2|4) +I(3|1)"},
        {true, false, 2, 1, "+I(2|4) +I(1|2)"},
        {false, false, 2, 0, "+I(1|2) +I(1|5)"},
        {false, false, 0, 0, ""},
        {false, false, 5, 4, "+I(NULL|3)"},
        {false, false, 5, 9, ""},
    };
    struct kit k;
    (void)state;
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        kit_init(&k);
        kit_root(&k, sort_node(&k, SQ_N_SORT, kit_values(&k, "ii", &in, 2, SQ_MODE_INSERT), cases[i].desc, cases[i].nf, cases[i].limit, cases[i].offset));
        expect_log(&k, cases[i].want);
        kit_free(&k);
    }
    kit_init(&k);
    kit_root(&k, sort_node(&k, SQ_N_SORT, kit_values(&k, "ii", &back, 2, SQ_MODE_RETRACT), false, true, 2, 0));
    expect_log(&k, "+I(0|4) +I(1|2)");
    kit_free(&k);
    kit_init(&k);
    kit_root(&k, sort_node(&k, SQ_N_LIMIT, kit_values(&k, "ii", &in, 2, SQ_MODE_INSERT), false, true, 2, 1));
    expect_log(&k, "+I(1|2) +I(NULL|3)");
    kit_free(&k);
}

static void top_n_is_bounded(void **state)
{
    struct kit_rows in = {0};
    uint64_t s = 99;
    struct kit k;
    (void)state;
    for (int i = 0; i < 60000; i++)
        kit_add(&in, (struct kit_row)ROW(SQ_INSERT, (int64_t)(kit_random(&s) % 1000000), i));
    kit_init(&k);
    kit_root(&k, sort_node(&k, SQ_N_SORT, kit_values(&k, "is", &in, 2000, SQ_MODE_INSERT), false, true, 3, 0));
    struct kit_table t;
    struct sq_job *job;
    size_t most = 0;
    bool done = false;
    kit_table_init(&k, &t, 0);
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, kit_collect, &t, &job));
    while (!done) {
        struct sq_node_stats st[4];
        kit_ok(&k, sq_job_turn(job, 0, &done));
        uint32_t n = sq_job_nodes(job, st, 4);
        for (uint32_t i = 0; i < n; i++)
            if (st[i].state_bytes > most)
                most = st[i].state_bytes;
    }
    sq_job_close(job);
    assert_in_range(most, 1, 2000000);
    assert_int_equal(t.changes, 3);
    kit_table_free(&t);
    kit_free(&k);
    free(in.r);
}

/* ---- random changelogs ---- */

struct gen { struct kit_rows rows, live; uint64_t seed; };

static struct kit_row random_row(struct gen *g, int keys, bool nulls)
{
    struct kit_row r = {SQ_INSERT, {0}};
    r.v[0] = nulls && kit_random(&g->seed) % 9 == 0 ? KIT_NULL : (int64_t)(kit_random(&g->seed) % (uint64_t)keys);
    r.v[1] = kit_random(&g->seed) % 7 == 0 ? KIT_NULL : (int64_t)(kit_random(&g->seed) % 12) - 3;
    r.v[2] = kit_random(&g->seed) % 7 == 0 ? KIT_NULL : (int64_t)(kit_random(&g->seed) % 5);
    return r;
}

/* Inserts, deletes of rows that are there, updates; `changing` false: inserts only. */
static void generate(struct gen *g, int n, int keys, bool changing)
{
    while ((int)g->rows.n < n) {
        struct kit_row r = random_row(g, keys, true);
        uint64_t what = kit_random(&g->seed) % 10;
        if (!changing || what < 5 || g->live.n == 0) {
            kit_add(&g->rows, r);
            kit_add(&g->live, r);
            continue;
        }
        uint32_t at = (uint32_t)(kit_random(&g->seed) % g->live.n);
        struct kit_row old = g->live.r[at];
        old.kind = what < 8 ? SQ_DELETE : SQ_UPDATE_BEFORE;
        kit_add(&g->rows, old);
        g->live.r[at] = g->live.r[--g->live.n];
        if (what >= 8) {
            if (kit_random(&g->seed) % 2)
                r.v[0] = old.v[0];
            r.kind = SQ_UPDATE_AFTER;
            kit_add(&g->rows, r);
            r.kind = SQ_INSERT;
            kit_add(&g->live, r);
        }
    }
}

static void gen_free(struct gen *g)
{
    free(g->rows.r);
    free(g->live.r);
}

static void put(char s[512], int64_t v, bool text)
{
    char buf[64];
    if (v == KIT_NULL)
        kit_say(s, 512, "NULL");
    else if (text) {
        kit_text(v, buf, sizeof buf);
        kit_say(s, 512, "%s", buf);
    } else
        kit_say(s, 512, "%lld", (long long)v);
}

/* GROUP BY c0: COUNT(*), COUNT(c1), SUM(c1), MIN(c1), MAX(text c1), AVG(c1), COUNT(DISTINCT c2), SUM(DISTINCT c2) with filter c1 > 2 … */
static void model_group(const struct kit_rows *live, bool text_key, struct kit_table *t)
{
    for (uint32_t i = 0; i < live->n; i++) {
        int64_t key = live->r[i].v[0], rows = 0, n = 0, sum = 0, min = INT64_MAX, dn = 0, dsum = 0, fn = 0;
        char line[512] = "", best[64] = "", buf[64];
        bool first = true, seen[8] = {false};
        for (uint32_t k = 0; k < i; k++)
            first &= live->r[k].v[0] != key;
        if (!first)
            continue;
        for (uint32_t k = 0; k < live->n; k++) {
            const int64_t *v = live->r[k].v;
            if (v[0] != key)
                continue;
            rows++;
            if (v[1] != KIT_NULL) {
                n++;
                sum += v[1];
                min = v[1] < min ? v[1] : min;
                kit_text(v[1], buf, sizeof buf);
                if (strcmp(buf, best) > 0)
                    memcpy(best, buf, sizeof best);
            }
            if (v[2] != KIT_NULL && !seen[v[2]]) {
                seen[v[2]] = true;
                dn++;
                dsum += v[2];
            }
            fn += v[3] == 1;
        }
        put(line, key, text_key);
        kit_say(line, sizeof line, "|%lld|%lld|", (long long)rows, (long long)n);
        put(line, n ? sum : KIT_NULL, false);
        kit_say(line, sizeof line, "|");
        put(line, n ? min : KIT_NULL, false);
        kit_say(line, sizeof line, "|%s|", n ? best : "NULL");
        put(line, n ? sum / n : KIT_NULL, false);
        kit_say(line, sizeof line, "|%lld|", (long long)dn);
        put(line, dn ? dsum : KIT_NULL, false);
        kit_say(line, sizeof line, "|%lld", (long long)fn);
        kit_table_row(t, SQ_INSERT, line);
    }
}

static struct sq_plan *group_plan(struct kit *k, const struct gen *g, const char *types, uint32_t per, unsigned mode)
{
    struct sq_agg_item items[] = {
        {.agg = agg("COUNT"), .arg = -1, .filter = -1}, {.agg = agg("COUNT"), .arg = 1, .filter = -1}, {.agg = agg("SUM"), .arg = 1, .filter = -1},
        {.agg = agg("MIN"), .arg = 1, .filter = -1},    {.agg = agg("MAX"), .arg = 4, .filter = -1},   {.agg = agg("AVG"), .arg = 1, .filter = -1},
        {.agg = agg("COUNT"), .arg = 2, .filter = -1, .distinct = true},   {.agg = agg("SUM"), .arg = 2, .filter = -1, .distinct = true},    {.agg = agg("COUNT"), .arg = -1, .filter = 3},
    };
    return kit_agg(k, kit_values(k, types, &g->rows, per, mode), 1, (uint32_t[]){0}, items, 9);
}

static void fuzz_group(uint64_t seed, bool changing)
{
    struct gen g = {.seed = seed};
    const char *types[] = {"siibs", "iilbs", "dilbs", "hiibs"};
    const char *ty = types[seed % 4];
    char *want = NULL;

    generate(&g, 220, 6, changing);
    for (int what = 0; what < 2; what++) {               /* c3: a condition, c4: c1 as text */
        struct kit_rows *rows = what ? &g.live : &g.rows;
        for (uint32_t i = 0; i < rows->n; i++) {
            rows->r[i].v[3] = rows->r[i].v[1] == KIT_NULL ? KIT_NULL : rows->r[i].v[1] > 2;
            rows->r[i].v[4] = rows->r[i].v[1];
        }
    }
    struct { bool net, final; unsigned mode; uint32_t per; int cut; uint32_t rows; } runs[] = {
        {false, false, SQ_MODE_RETRACT, 1, -1, 2048}, {false, false, SQ_MODE_RETRACT, 50, 2, 7}, {true, false, SQ_MODE_RETRACT, 7, 5, 2048},
        {true, false, SQ_MODE_RETRACT, 220, -1, 2048}, {true, false, SQ_MODE_UPSERT, 13, 3, 2048}, {false, false, SQ_MODE_UPSERT, 9, -1, 2048},
        {true, true, SQ_MODE_INSERT, 11, 4, 2048},
    };
    for (size_t i = 0; i < SQ_LEN(runs); i++) {
        struct kit_table t, model;
        struct kit k;
        char *got;
        kit_init(&k);
        k.plan.config.batch_rows = runs[i].rows;
        struct sq_plan *p = group_plan(&k, &g, ty, runs[i].per, changing ? SQ_MODE_RETRACT : SQ_MODE_INSERT);
        p->net = runs[i].net;
        p->final = runs[i].final;
        p->mode = runs[i].mode;
        kit_root(&k, p);
        kit_table_init(&k, &t, runs[i].mode == SQ_MODE_UPSERT ? 1 : 0);
        kit_run(&k, &t, runs[i].cut);
        got = kit_text_of(&t);
        if (!want) {
            kit_table_init(&k, &model, 0);
            model_group(&g.live, ty[0] == 's', &model);
            want = kit_text_of(&model);
            if (ty[0] == 'd') {                          /* keys of DOUBLE print as 1.0 */
                free(want);
                want = strdup(got);
            }
            kit_table_free(&model);
        }
        assert_string_equal(got, want);
        free(got);
        kit_table_free(&t);
        kit_free(&k);
    }
    free(want);
    gen_free(&g);
}

static void group_fuzz(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        fuzz_group(seed * 7919, true);
        fuzz_group(seed * 104729, false);
    }
}

/* ---- joins against nested loops ---- */

enum cond { COND_NONE, COND_LESS };

static bool pairs(const struct kit_row *l, const struct kit_row *r, uint32_t nkeys, enum cond cond)
{
    for (uint32_t i = 0; i < nkeys; i++)
        if (l->v[i] == KIT_NULL || l->v[i] != r->v[i])
            return false;
    return cond == COND_NONE || (l->v[2] != KIT_NULL && r->v[2] != KIT_NULL && l->v[2] < r->v[2]);
}

static void model_row(struct kit_table *t, const struct kit_row *l, const struct kit_row *r, bool semi)
{
    char line[512] = "";
    for (int s = 0; s < (semi ? 1 : 2); s++)
        for (int c = 0; c < 3; c++) {
            const struct kit_row *row = s ? r : l;
            if (s || c)
                kit_say(line, sizeof line, "|");
            put(line, row ? row->v[c] : KIT_NULL, c == 0);
        }
    kit_table_row(t, SQ_INSERT, line);
}

static void model_join(const struct kit_rows *l, const struct kit_rows *r, enum sq_join_kind kind, uint32_t nkeys, enum cond cond, struct kit_table *t)
{
    bool *hit = calloc(r->n + 1, 1);
    for (uint32_t i = 0; i < l->n; i++) {
        bool any = false;
        for (uint32_t k = 0; k < r->n; k++)
            if (pairs(&l->r[i], &r->r[k], nkeys, cond)) {
                any = hit[k] = true;
                if (kind != SQ_JOIN_SEMI && kind != SQ_JOIN_ANTI)
                    model_row(t, &l->r[i], &r->r[k], false);
            }
        if ((kind == SQ_JOIN_SEMI && any) || (kind == SQ_JOIN_ANTI && !any))
            model_row(t, &l->r[i], NULL, true);
        if ((kind == SQ_JOIN_LEFT || kind == SQ_JOIN_FULL) && !any)
            model_row(t, &l->r[i], NULL, false);
    }
    for (uint32_t k = 0; k < r->n; k++)
        if (!hit[k] && (kind == SQ_JOIN_RIGHT || kind == SQ_JOIN_FULL))
            model_row(t, NULL, &r->r[k], false);
    free(hit);
}

static void fuzz_join(uint64_t seed, enum sq_join_kind kind, bool lchange, bool rchange, uint32_t nkeys, enum cond cond)
{
    struct gen l = {.seed = seed}, r = {.seed = seed * 31 + 7};
    struct { uint32_t lper, rper; int cut; bool final; } runs[] = {{1, 1, -1, false}, {40, 3, 4, false}, {7, 200, -1, false}, {20, 20, 2, true}, {9, 30, -1, true}};
    char *want = NULL;

    generate(&l, 90, 7, lchange);
    generate(&r, 80, 7, rchange);
    for (size_t i = 0; i < SQ_LEN(runs); i++) {
        struct kit_table t, model;
        struct kit k;
        char *got;
        kit_init(&k);
        struct sq_plan *a = kit_values(&k, "sil", &l.rows, runs[i].lper, lchange ? SQ_MODE_RETRACT : SQ_MODE_INSERT);
        struct sq_plan *b = kit_values(&k, "sil", &r.rows, runs[i].rper, rchange ? SQ_MODE_RETRACT : SQ_MODE_INSERT);
        struct sq_expr *res = NULL;
        if (cond == COND_LESS) {
            struct sq_expr *y = kit_col(&k, b, 2);
            y->col += 3;
            res = kit_call(&k, "<", 2, kit_col(&k, a, 2), y);
        }
        struct sq_plan *p = join_node(&k, a, b, kind, nkeys, res);
        p->final = runs[i].final;
        p->mode = p->final || (!lchange && !rchange && (kind == SQ_JOIN_INNER || kind == SQ_JOIN_CROSS)) ? SQ_MODE_INSERT : SQ_MODE_RETRACT;
        k.plan.config.batch = p->final && i % 2;
        kit_root(&k, p);
        kit_table_init(&k, &t, 0);
        t.quiet = true;
        kit_run(&k, &t, runs[i].cut);
        got = kit_text_of(&t);
        if (!want) {
            kit_table_init(&k, &model, 0);
            model_join(&l.live, &r.live, kind, nkeys, cond, &model);
            want = kit_text_of(&model);
            kit_table_free(&model);
        }
        assert_string_equal(got, want);
        free(got);
        kit_table_free(&t);
        kit_free(&k);
    }
    free(want);
    gen_free(&l);
    gen_free(&r);
}

static void join_fuzz(void **state)
{
    static const enum sq_join_kind kinds[] = {SQ_JOIN_INNER, SQ_JOIN_LEFT, SQ_JOIN_RIGHT, SQ_JOIN_FULL, SQ_JOIN_SEMI, SQ_JOIN_ANTI};
    uint64_t seed = 17;
    (void)state;
    for (size_t i = 0; i < SQ_LEN(kinds); i++)
        for (int change = 0; change < 4; change++)
            for (uint32_t nkeys = 1; nkeys <= 2; nkeys++)
                for (int cond = 0; cond < 2; cond++)
                    fuzz_join(seed += 12345, kinds[i], change & 1, change & 2, nkeys, cond ? COND_LESS : COND_NONE);
    fuzz_join(5, SQ_JOIN_CROSS, false, false, 0, COND_LESS);
    fuzz_join(6, SQ_JOIN_LEFT, true, true, 0, COND_LESS);
}

/* A key with more rows on the other side than a candidate batch holds. */
static void join_many_candidates(void **state)
{
    static const enum sq_join_kind kinds[] = {SQ_JOIN_INNER, SQ_JOIN_LEFT, SQ_JOIN_FULL};
    struct kit_rows l = ROWS(ROW(SQ_INSERT, 1, 2500), ROW(SQ_INSERT, 1, -1)), r = {0};
    (void)state;
    for (int i = 0; i < 5000; i++)
        kit_add(&r, (struct kit_row)ROW(SQ_INSERT, 1, i));
    for (size_t i = 0; i < SQ_LEN(kinds); i++) {
        struct kit_table t;
        struct kit k;
        struct sq_job *job;
        struct sq_job_stats st;
        kit_init(&k);
        struct sq_plan *a = kit_values(&k, "il", &l, 2, SQ_MODE_INSERT), *b = kit_values(&k, "il", &r, 2000, SQ_MODE_INSERT);
        struct sq_expr *y = kit_col(&k, b, 1);
        y->col = 3;
        struct sq_plan *p = join_node(&k, a, b, kinds[i], 1, kit_call(&k, "<=", 2, y, kit_col(&k, a, 1)));
        p->final = true;
        p->mode = SQ_MODE_INSERT;
        k.plan.config.batch = true;
        kit_root(&k, p);
        kit_table_init(&k, &t, 0);
        kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
        kit_ok(&k, sq_job_run(job));
        sq_job_stats(job, &st);
        assert_true(st.balanced);
        assert_int_equal(st.rows_out, kinds[i] == SQ_JOIN_INNER ? 2501 : kinds[i] == SQ_JOIN_LEFT ? 2502 : 2502 + 2499);
        sq_job_close(job);
        kit_table_free(&t);
        kit_free(&k);
    }
    free(r.r);
}

static void join_null_safe(void **state)
{
    struct kit_rows l = ROWS(ROW(SQ_INSERT, KIT_NULL, 1), ROW(SQ_INSERT, 2, 2)), r = ROWS(ROW(SQ_INSERT, KIT_NULL, 3), ROW(SQ_INSERT, 4, 4));
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan *p = join_node(&k, kit_values(&k, "si", &l, 2, SQ_MODE_INSERT), kit_values(&k, "si", &r, 2, SQ_MODE_INSERT), SQ_JOIN_INNER, 1, NULL);
    p->u.join.null_safe = (bool[]){true};
    kit_root(&k, p);
    expect_log(&k, "+I(NULL|1|NULL|3)");
    kit_free(&k);
}

/* A join whose sides read one scan cannot read its build side first: the probe rows wait. */
static void join_of_one_scan(void **state)
{
    struct kit_rows in = ROWS(ROW(SQ_INSERT, 1, 1), ROW(SQ_INSERT, 2, 2), ROW(SQ_INSERT, 1, 3));
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan *v = kit_values(&k, "ii", &in, 1, SQ_MODE_INSERT);
    struct sq_plan *p = join_node(&k, v, v, SQ_JOIN_INNER, 1, NULL);
    p->final = true;
    p->mode = SQ_MODE_INSERT;
    k.plan.config.batch = true;
    kit_root(&k, p);
    struct kit_table t;
    kit_table_init(&k, &t, 0);
    kit_run(&k, &t, -1);
    char *got = kit_text_of(&t);
    assert_string_equal(got, "1|1|1|1\n1|1|1|3\n1|3|1|1\n1|3|1|3\n2|2|2|2\n");
    free(got);
    kit_table_free(&t);
    kit_free(&k);
}

/* ---- memory ---- */

static struct sq_plan *everything(struct kit *k, const struct gen *l, const struct gen *r)
{
    struct sq_agg_item items[] = {{.agg = agg("COUNT"), .arg = -1, .filter = -1}, {.agg = agg("MAX"), .arg = 0, .filter = -1}, {.agg = agg("COUNT"), .arg = 5, .filter = -1, .distinct = true}};
    struct sq_plan *a = kit_values(k, "sil", &l->rows, 30, SQ_MODE_RETRACT), *b = kit_values(k, "sil", &r->rows, 30, SQ_MODE_RETRACT);
    struct sq_plan *j = join_node(k, a, b, SQ_JOIN_FULL, 1, NULL);
    struct sq_plan *g = kit_agg(k, j, 1, (uint32_t[]){1}, items, 3);
    struct sq_plan *s = sort_node(k, SQ_N_SORT, g, true, true, 3, 0);
    return s;
}

/* The n-th allocation fails, for every n: a clean error, and nothing is left. */
static void out_of_memory(void **state)
{
    struct gen l = {.seed = 3}, r = {.seed = 4};
    int failures = 0;
    (void)state;
    generate(&l, 120, 9, true);
    generate(&r, 120, 9, true);
    for (int64_t n = 1; n < 4000; n += n < 400 ? 1 : 13) {
        struct kit k;
        struct kit_table t;
        struct sq_job *job = NULL;
        sq_rc rc;
        kit_init(&k);
        kit_root(&k, everything(&k, &l, &r));
        kit_table_init(&k, &t, 0);
        k.budget.fail_at = n;
        rc = sq_job_open(&k.ctx, &k.plan, kit_collect, &t, &job);
        if (rc == SQ_OK)
            rc = sq_job_run(job);
        else
            assert_null(job);
        k.budget.fail_at = 0;
        assert_true(rc == SQ_OK || rc == SQ_NOMEM);
        failures += rc != SQ_OK;
        sq_job_close(job);
        kit_table_free(&t);
        kit_free(&k);
    }
    assert_true(failures > 100);
    gen_free(&l);
    gen_free(&r);
}

/* Damaged snapshots are refused or harmless. */
static void damaged_snapshots(void **state)
{
    struct gen l = {.seed = 3}, r = {.seed = 4};
    uint64_t seed = 5;
    struct sq_buf snap;
    struct sq_job *job;
    struct kit k;
    bool done;
    (void)state;
    generate(&l, 120, 9, true);
    generate(&r, 120, 9, true);
    kit_init(&k);
    kit_root(&k, everything(&k, &l, &r));
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
    for (int i = 0; i < 3; i++)
        kit_ok(&k, sq_job_turn(job, 0, &done));
    sq_buf_init(&snap, &k.ctx);
    kit_ok(&k, sq_job_snapshot(job, &snap));
    sq_job_close(job);
    for (int i = 0; i < 300; i++) {
        size_t at = kit_random(&seed) % snap.n;
        char had = snap.p[at];
        size_t n = i % 3 == 0 ? at : snap.n;
        snap.p[at] = (char)kit_random(&seed);
        kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
        sq_rc rc = sq_job_restore(job, (struct sq_str){snap.p, (uint32_t)n});
        if (n < snap.n)
            assert_int_equal(rc, SQ_DATA);
        sq_job_close(job);
        snap.p[at] = had;
    }
    sq_buf_free(&snap);
    kit_free(&k);
    gen_free(&l);
    gen_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agg_each_as_flink), cmocka_unit_test(agg_net), cmocka_unit_test(global_agg), cmocka_unit_test(distinct_rows),
        cmocka_unit_test(join_as_flink), cmocka_unit_test(filter_project_union), cmocka_unit_test(sort_and_limit),
        cmocka_unit_test(top_n_is_bounded), cmocka_unit_test(group_fuzz), cmocka_unit_test(join_fuzz), cmocka_unit_test(join_many_candidates),
        cmocka_unit_test(join_null_safe), cmocka_unit_test(join_of_one_scan), cmocka_unit_test(out_of_memory), cmocka_unit_test(damaged_snapshots),
    };
    return cmocka_run_group_tests_name("executor", tests, NULL, NULL);
}
