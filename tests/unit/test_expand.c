/* SPDX-License-Identifier: Apache-2.0
 *
 * test_expand.c: the operators of grouping sets and UNNEST: golden changelogs, random rows against a model at several batch sizes, memory.
 */
#include "exec_kit.h"

static const uint64_t SETS[] = {3, 1, 0, 2};                 /* (a, b), (a), (), (b) */

/* Over columns a, b and one that is in no set. */
static struct sq_plan *expand(struct kit *k, struct sq_plan *in, bool net)
{
    struct sq_plan *p = kit_node(k, SQ_N_EXPAND, in, NULL);
    struct sq_field *cols = SQ_NEW_ARRAY(&k->arena, struct sq_field, in->ncols + 1);
    memcpy(cols, in->cols, in->ncols * sizeof *cols);
    cols[in->ncols] = (struct sq_field){SQ_STR("$e"), sq_type_nullable(&k->arena, &sq_type_bigint, false)};
    p->cols = cols;
    p->ncols = in->ncols + 1;
    p->mode = in->mode;
    p->net = net;
    p->u.expand.ngroup = 2;
    p->u.expand.sets = SETS;
    p->u.expand.nsets = 4;
    return p;
}

static void rows_take_turns(void **state)
{
    const struct kit_rows in = ROWS(ROW(SQ_INSERT, 1, 2, 5), ROW(SQ_INSERT, KIT_NULL, 3, 6));
    struct kit k;
    (void)state;
    for (uint32_t per = 1; per < 3; per++) {
        kit_init(&k);
        kit_root(&k, expand(&k, kit_values(&k, "isl", &in, per, SQ_MODE_RETRACT), false));
        expect_log(&k, "+I(1|k2|5|0) +I(1|NULL|5|1) +I(NULL|NULL|5|2) +I(NULL|k2|5|3) "
                       "+I(NULL|key number 3 of the test|6|0) +I(NULL|NULL|6|1) +I(NULL|NULL|6|2) +I(NULL|key number 3 of the test|6|3)");
        kit_free(&k);
    }
    kit_init(&k);
    kit_root(&k, expand(&k, kit_values(&k, "isl", &in, 2, SQ_MODE_RETRACT), true));      /* a batch per set */
    expect_log(&k, "+I(1|k2|5|0) +I(NULL|key number 3 of the test|6|0) +I(1|NULL|5|1) +I(NULL|NULL|6|1) "
                   "+I(NULL|NULL|5|2) +I(NULL|NULL|6|2) +I(NULL|k2|5|3) +I(NULL|key number 3 of the test|6|3)");
    kit_free(&k);
}

static void generate(struct kit_rows *rows, int n, uint64_t *seed)
{
    while ((int)rows->n < n) {
        struct kit_row r = {SQ_INSERT, {0}};
        r.v[0] = kit_random(seed) % 5 == 0 ? KIT_NULL : (int64_t)(kit_random(seed) % 4);
        r.v[1] = kit_random(seed) % 5 == 0 ? KIT_NULL : (int64_t)(kit_random(seed) % 6);
        r.v[2] = (int64_t)(kit_random(seed) % 9);
        kit_add(rows, r);
        if (kit_random(seed) % 4 == 0) {                     /* and back */
            r = rows->r[kit_random(seed) % rows->n];
            r.kind = r.kind == SQ_INSERT ? SQ_DELETE : SQ_INSERT;
            if (r.kind == SQ_DELETE)
                kit_add(rows, r);
        }
    }
}

static void value(char line[200], int64_t v, bool text)
{
    char buf[64];
    if (v == KIT_NULL)
        kit_say(line, 200, "NULL|");
    else if (text) {
        kit_text(v, buf, sizeof buf);
        kit_say(line, 200, "%s|", buf);
    } else {
        kit_say(line, 200, "%lld|", (long long)v);
    }
}

/* A change per set, with the rows that are there already: what is taken back twice is left out of the input. */
static void only_present(struct kit_rows *rows)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < rows->n; i++) {
        int there = 0;
        for (uint32_t j = 0; j < n; j++)
            if (memcmp(rows->r[j].v, rows->r[i].v, 3 * sizeof(int64_t)) == 0)
                there += rows->r[j].kind == SQ_INSERT ? 1 : -1;
        if (rows->r[i].kind == SQ_INSERT || there > 0)
            rows->r[n++] = rows->r[i];
    }
    rows->n = n;
}

static void against_model(struct kit *k, const struct kit_rows *rows, void (*model)(const struct kit_row *, struct kit_table *), int cut)
{
    struct kit_table want, got;
    kit_table_init(k, &want, 0);
    kit_table_init(k, &got, 0);
    want.quiet = got.quiet = true;
    for (uint32_t i = 0; i < rows->n; i++)
        model(&rows->r[i], &want);
    kit_run(k, &got, cut);
    char *a = kit_text_of(&want), *b = kit_text_of(&got);
    assert_string_equal(b, a);
    free(a);
    free(b);
    kit_table_free(&want);
    kit_table_free(&got);
}

static void line_end(char *line) { line[strlen(line) - 1] = 0; }

static void expanded(const struct kit_row *r, struct kit_table *t)
{
    for (int s = 0; s < 4; s++) {
        char line[200] = "";
        value(line, SETS[s] & 1 ? r->v[0] : KIT_NULL, false);
        value(line, SETS[s] & 2 ? r->v[1] : KIT_NULL, true);
        value(line, r->v[2], false);
        value(line, s, false);
        line_end(line);
        kit_table_row(t, r->kind, line);
    }
}

static const uint32_t PER[] = {1, 7, 50, 2048};

static void expand_random(void **state)
{
    uint64_t seed = 7;
    (void)state;
    for (int round = 0; round < 24; round++) {
        struct kit_rows rows = {0};
        struct kit k;
        kit_init(&k);
        generate(&rows, 300, &seed);
        only_present(&rows);
        kit_root(&k, expand(&k, kit_values(&k, "isl", &rows, PER[round % 4], SQ_MODE_RETRACT), round / 4 % 2));
        against_model(&k, &rows, expanded, round % 3 == 0 ? round : -1);
        kit_free(&k);
        free(rows.r);
    }
}

/* ---- UNNEST ---- */

/* ARRAY[a, c, NULL] of the rows where c > 2, else NULL; elements are ROW(b, element) with `row`. */
static struct sq_plan *unnest(struct kit *k, struct sq_plan *in, bool left, bool row)
{
    struct sq_expr *a = kit_col(k, in, 0), *b = kit_col(k, in, 1), *c = kit_col(k, in, 2), *none = kit_expr(k, SQ_X_CONST, &sq_type_bigint, 0), *list;
    none->value = sq_vec_const_null(&k->arena, &sq_type_bigint);
    a = kit_expr(k, SQ_X_CAST, &sq_type_bigint, 1, a);
    if (row)
        list = kit_call(k, "ARRAY", 3, kit_call(k, "ROW", 2, b, a), kit_call(k, "ROW", 2, b, c), kit_call(k, "ROW", 2, b, none));
    else
        list = kit_call(k, "ARRAY", 3, a, c, none);
    struct sq_expr *nothing = kit_expr(k, SQ_X_CONST, list->type, 0);
    nothing->value = sq_vec_const_null(&k->arena, sq_type_nullable(&k->arena, list->type, true));
    struct sq_expr *some = kit_expr(k, SQ_X_CASE, nothing->value->type, 3, kit_call(k, ">", 2, c, kit_long(k, 2)), list, nothing);
    struct sq_plan *project = kit_node(k, SQ_N_PROJECT, in, NULL), *p;
    struct sq_field *cols = SQ_NEW_ARRAY(&k->arena, struct sq_field, 8);
    struct sq_expr **exprs = SQ_NEW_ARRAY(&k->arena, struct sq_expr *, 3);
    uint32_t *pass = SQ_NEW_ARRAY(&k->arena, uint32_t, 2), n = 0;
    exprs[0] = kit_col(k, in, 0);
    exprs[1] = b;
    exprs[2] = some;
    for (uint32_t i = 0; i < 3; i++)
        cols[i] = (struct sq_field){in->cols[i].name, exprs[i]->type};
    project->cols = cols;
    project->ncols = 3;
    project->u.project.exprs = exprs;
    project->mode = in->mode;
    p = kit_node(k, SQ_N_UNNEST, project, NULL);
    cols = SQ_NEW_ARRAY(&k->arena, struct sq_field, 8);
    pass[1] = 1;
    cols[n++] = in->cols[0];
    cols[n++] = in->cols[1];
    if (row)
        cols[n++] = (struct sq_field){SQ_STR("x"), &sq_type_string};
    cols[n++] = (struct sq_field){SQ_STR("y"), &sq_type_bigint};
    cols[n++] = (struct sq_field){SQ_STR("o"), &sq_type_int};
    p->cols = cols;
    p->ncols = n;
    p->mode = in->mode;
    p->u.unnest.col = 2;
    p->u.unnest.pass = pass;
    p->u.unnest.npass = 2;
    p->u.unnest.left = left;
    p->u.unnest.ordinality = true;
    return p;
}

static void unnested(const struct kit_row *r, struct kit_table *t, bool left, bool row)
{
    for (int i = 0; i < (r->v[2] > 2 ? 3 : left); i++) {
        char line[200] = "";
        value(line, r->v[0], false);
        value(line, r->v[1], true);
        if (row)
            value(line, r->v[2] > 2 ? r->v[1] : KIT_NULL, true);
        value(line, r->v[2] <= 2 || i == 2 ? KIT_NULL : r->v[i == 0 ? 0 : 2], false);
        value(line, r->v[2] > 2 ? i + 1 : KIT_NULL, false);
        line_end(line);
        kit_table_row(t, r->kind, line);
    }
}
static void inner_plain(const struct kit_row *r, struct kit_table *t) { unnested(r, t, false, false); }
static void left_plain(const struct kit_row *r, struct kit_table *t) { unnested(r, t, true, false); }
static void inner_rows(const struct kit_row *r, struct kit_table *t) { unnested(r, t, false, true); }
static void left_rows(const struct kit_row *r, struct kit_table *t) { unnested(r, t, true, true); }

static void unnest_random(void **state)
{
    static void (*const models[])(const struct kit_row *, struct kit_table *) = {inner_plain, left_plain, inner_rows, left_rows};
    uint64_t seed = 8;
    (void)state;
    for (int round = 0; round < 32; round++) {
        struct kit_rows rows = {0};
        struct kit k;
        kit_init(&k);
        generate(&rows, round < 30 ? 300 : 3000, &seed);
        if (round < 30)
            only_present(&rows);
        else
            for (uint32_t i = 0; i < rows.n; i++)
                rows.r[i].kind = SQ_INSERT;
        kit_root(&k, unnest(&k, kit_values(&k, "isl", &rows, PER[round / 4 % 4], SQ_MODE_RETRACT), round & 1, round & 2));
        against_model(&k, &rows, models[round % 4], round % 5 == 0 ? round : -1);
        kit_free(&k);
        free(rows.r);
    }
}

static void out_of_memory(void **state)
{
    int failures = 0;
    (void)state;
    for (int64_t n = 1; n < 500; n++) {
        struct kit_rows rows = {0};
        struct sq_job *job = NULL;
        struct kit k;
        uint64_t seed = 3;
        kit_init(&k);
        generate(&rows, 100, &seed);
        struct sq_plan *in = kit_values(&k, "isl", &rows, 20, SQ_MODE_RETRACT);
        kit_root(&k, n % 2 ? expand(&k, in, n % 4 == 1) : unnest(&k, in, n % 4 == 0, n % 8 < 4));
        k.budget.fail_at = n / 2 + 1;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_take_turns), cmocka_unit_test(expand_random), cmocka_unit_test(unnest_random), cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
