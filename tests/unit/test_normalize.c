/* SPDX-License-Identifier: Apache-2.0
 *
 * test_normalize.c: the operator that makes changes of upserts: golden changelogs, random ones against a model (at several batch sizes, through a
 * snapshot, on one worker and on several), damaged state, memory.
 */
#include "exec_kit.h"

static struct sq_plan *normalize(struct kit *k, struct sq_plan *in, uint32_t nkey, const uint32_t *key)
{
    struct sq_plan *p = kit_node(k, SQ_N_NORMALIZE, in, NULL);
    uint32_t *cols = SQ_NEW_ARRAY(&k->arena, uint32_t, nkey);
    memcpy(cols, key, nkey * sizeof *cols);
    p->u.normalize.key = (struct sq_key){cols, nkey};
    p->mode = SQ_MODE_RETRACT;
    return p;
}

static void golden(const char *types, struct kit_rows in, uint32_t per, bool net, uint32_t nkey, const uint32_t *key, const char *want)
{
    struct kit k;
    kit_init(&k);
    struct sq_plan *p = normalize(&k, kit_values(&k, types, &in, per, SQ_MODE_UPSERT), nkey, key);
    p->net = net;
    kit_root(&k, p);
    expect_log(&k, want);
    kit_free(&k);
}

static void as_flink(void **state)
{
    const struct kit_rows in = ROWS(ROW(SQ_INSERT, 1, 10), ROW(SQ_INSERT, 2, 20), ROW(SQ_UPDATE_AFTER, 1, 11), ROW(SQ_INSERT, 1, 11), ROW(SQ_DELETE, 2, KIT_NULL),
                                    ROW(SQ_DELETE, 2, KIT_NULL), ROW(SQ_DELETE, 3, KIT_NULL), ROW(SQ_UPDATE_AFTER, 3, KIT_NULL), ROW(SQ_INSERT, 3, KIT_NULL),
                                    ROW(SQ_INSERT, 2, 22), ROW(SQ_DELETE, 1, 5));
    const uint32_t first[] = {0}, second[] = {1}, both[] = {1, 0};
    (void)state;
    const char *each = "+I(1|10) +I(2|20) -U(1|10) +U(1|11) -D(2|20) +I(3|NULL) +I(2|22) -D(1|11)";
    golden("il", in, 2048, false, 1, first, each);
    golden("il", in, 1, false, 1, first, each);
    golden("il", in, 1, true, 1, first, each);
    golden("il", in, 3, false, 1, first, each);
    golden("il", in, 2048, true, 1, first, "+I(2|22) +I(3|NULL)");
    golden("il", in, 4, true, 1, first, "+I(1|11) +I(2|20) -D(2|20) +I(3|NULL) +I(2|22) -D(1|11)");
    /* the key behind the others; every column in the key, in another order */
    const struct kit_rows swapped = ROWS(ROW(SQ_INSERT, 10, 1), ROW(SQ_INSERT, 11, 1), ROW(SQ_DELETE, KIT_NULL, 1));
    golden("ls", swapped, 1, false, 1, second, "+I(10|k1) -U(10|k1) +U(11|k1) -D(11|k1)");
    golden("ls", swapped, 7, true, 1, second, "");
    const struct kit_rows keys = ROWS(ROW(SQ_INSERT, 1, 2), ROW(SQ_INSERT, 1, 2), ROW(SQ_INSERT, 2, 1), ROW(SQ_DELETE, 1, 2), ROW(SQ_DELETE, 1, 2));
    golden("is", keys, 1, false, 2, both, "+I(1|k2) +I(2|k1) -D(1|k2)");
    golden("is", keys, 2048, true, 2, both, "+I(2|k1)");
}

/* Upserts of `keys` keys; the model is the last row of each. */
static void generate(struct kit_rows *rows, int n, int keys, uint64_t *seed)
{
    while ((int)rows->n < n) {
        struct kit_row r = {kit_random(seed) % 4 == 0 ? SQ_DELETE : kit_random(seed) % 2 ? SQ_INSERT : SQ_UPDATE_AFTER, {0}};
        r.v[0] = (int64_t)(kit_random(seed) % 5);
        r.v[1] = (int64_t)(kit_random(seed) % (uint64_t)keys);
        r.v[2] = r.kind == SQ_DELETE ? KIT_NULL : kit_random(seed) % 6 == 0 ? KIT_NULL : (int64_t)(kit_random(seed) % 9);
        if (r.kind == SQ_DELETE)
            r.v[0] = KIT_NULL;
        kit_add(rows, r);
    }
}

static void value(char line[200], int64_t v, bool text)
{
    char buf[64];
    if (v == KIT_NULL)
        kit_say(line, 200, "NULL");
    else if (text) {
        kit_text(v, buf, sizeof buf);
        kit_say(line, 200, "%s", buf);
    } else {
        kit_say(line, 200, "%lld", (long long)v);
    }
}

static void model(const struct kit_rows *rows, struct kit_table *t)
{
    for (uint32_t i = 0; i < rows->n; i++) {
        const struct kit_row *r = &rows->r[i];
        char line[200] = "";
        bool last = true;
        for (uint32_t j = i + 1; j < rows->n; j++)
            last &= rows->r[j].v[1] != r->v[1];
        if (!last || r->kind == SQ_DELETE)
            continue;
        value(line, r->v[0], false);
        kit_say(line, sizeof line, "|");
        value(line, r->v[1], true);
        kit_say(line, sizeof line, "|");
        value(line, r->v[2], true);
        kit_table_row(t, SQ_INSERT, line);
    }
}

static void fuzz(void **state)
{
    uint64_t seed = 99;
    static const struct { uint32_t per; bool net; int cut; } runs[] = {
        {1, false, -1}, {7, false, 9}, {2048, false, -1}, {1, true, 100}, {7, true, 3}, {50, true, 2}, {2048, true, -1}, {50, false, 4},
    };
    (void)state;
    for (int round = 0; round < 40; round++) {
        struct kit_rows rows = {0};
        struct kit_table want, got;
        struct kit k;
        kit_init(&k);
        generate(&rows, 300, 1 + round, &seed);
        kit_root(&k, normalize(&k, kit_values(&k, "lss", &rows, runs[round % 8].per, SQ_MODE_UPSERT), 1, (uint32_t[]){1}));
        k.plan.roots[0]->inputs[0]->net = runs[round % 8].net;
        kit_table_init(&k, &want, 0);
        kit_table_init(&k, &got, 0);                        /* every change is checked against the rows that are there */
        got.quiet = true;
        model(&rows, &want);
        kit_run(&k, &got, runs[round % 8].cut);
        char *a = kit_text_of(&want), *b = kit_text_of(&got);
        assert_string_equal(b, a);
        free(a);
        free(b);
        kit_table_free(&want);
        kit_table_free(&got);
        kit_free(&k);
        free(rows.r);
    }
}

/* More changes than a batch holds: -U and +U stay together. */
static void large(void **state)
{
    struct kit_rows rows = {0};
    struct kit_table t;
    struct kit k;
    (void)state;
    for (int pass = 0; pass < 3; pass++)
        for (int i = 0; i < 2048; i++)
            kit_add(&rows, (struct kit_row){SQ_INSERT, {i, pass}});
    for (int net = 0; net < 2; net++) {
        kit_init(&k);
        kit_root(&k, normalize(&k, kit_values(&k, "il", &rows, 2048, SQ_MODE_UPSERT), 1, (uint32_t[]){0}));
        k.plan.roots[0]->inputs[0]->net = net;
        kit_table_init(&k, &t, 0);                          /* every change is checked against the rows that are there */
        t.quiet = true;
        kit_run(&k, &t, -1);
        assert_int_equal(t.changes, 2048 * 5);
        kit_table_free(&t);
        kit_free(&k);
    }
    free(rows.r);
}

static void state_goes_with_its_keys(void **state)
{
    struct kit_rows rows = {0};
    struct sq_node_stats st[4];
    struct sq_job *job;
    struct kit k;
    bool done = false;
    size_t most = 0, last = 0;
    (void)state;
    for (int i = 0; i < 20000; i++)                         /* each key comes and goes */
        kit_add(&rows, (struct kit_row){i % 2 ? SQ_DELETE : SQ_INSERT, {i / 2, i % 2 ? KIT_NULL : i}});
    kit_init(&k);
    kit_root(&k, normalize(&k, kit_values(&k, "is", &rows, 100, SQ_MODE_UPSERT), 1, (uint32_t[]){0}));
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
    while (!done) {
        kit_ok(&k, sq_job_turn(job, 0, &done));
        uint32_t n = sq_job_nodes(job, st, 4);
        for (uint32_t i = 0; i < n; i++)
            if (st[i].plan->kind == SQ_N_NORMALIZE)
                last = st[i].state_bytes;
        most = last > most ? last : most;
    }
    sq_job_close(job);
    assert_in_range(most, 1, 300000);
    kit_free(&k);
    free(rows.r);
}

static struct sq_plan *small(struct kit *k, struct kit_rows *rows, uint64_t seed)
{
    generate(rows, 200, 30, &seed);
    return normalize(k, kit_values(k, "lss", rows, 20, SQ_MODE_UPSERT), 1, (uint32_t[]){1});
}

static void out_of_memory(void **state)
{
    int failures = 0;
    (void)state;
    for (int64_t n = 1; n < 400; n++) {
        struct kit_rows rows = {0};
        struct sq_job *job = NULL;
        struct kit k;
        kit_init(&k);
        kit_root(&k, small(&k, &rows, 5));
        k.plan.roots[0]->inputs[0]->net = n % 2;
        k.budget.fail_at = n;
        sq_rc rc = sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job);
        if (rc == SQ_OK)
            rc = sq_job_run(job);
        k.budget.fail_at = 0;
        assert_true(rc == SQ_OK || rc == SQ_NOMEM);
        failures += rc != SQ_OK;
        sq_job_close(job);
        kit_free(&k);
        free(rows.r);
    }
    assert_true(failures > 20);
}

static void damaged(void **state)
{
    struct kit_rows rows = {0};
    struct sq_buf snap;
    struct sq_job *job;
    struct kit k;
    uint64_t seed = 6;
    bool done;
    (void)state;
    kit_init(&k);
    kit_root(&k, small(&k, &rows, 5));
    kit_ok(&k, sq_job_open(&k.ctx, &k.plan, NULL, NULL, &job));
    for (int i = 0; i < 6; i++)
        kit_ok(&k, sq_job_turn(job, 0, &done));
    sq_buf_init(&snap, &k.ctx);
    kit_ok(&k, sq_job_snapshot(job, &snap));
    sq_job_close(job);
    for (int i = 0; i < 400; i++) {
        size_t at = kit_random(&seed) % snap.n, n = i % 3 == 0 ? at : snap.n;
        char had = snap.p[at];
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
    free(rows.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_flink), cmocka_unit_test(fuzz), cmocka_unit_test(large), cmocka_unit_test(state_goes_with_its_keys), cmocka_unit_test(out_of_memory),
        cmocka_unit_test(damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
