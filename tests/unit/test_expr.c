/* SPDX-License-Identifier: Apache-2.0
 *
 * test_expr.c: programs: NULLs, laziness, encodings, selections, common subexpressions, folding; and random expressions against a
 * row-by-row interpreter.
 */
#include "exec_kit.h"

#include "executor/expr.h"

/* ---- a batch of columns a INT, b INT, s STRING, d DOUBLE, p BOOLEAN in any encoding ---- */

enum { A, B, S, D, P, NCOLS };
static const char types[] = "iisdb";

struct data {
    struct sq_out out;
    struct sq_batch batch;
    struct sq_vec vecs[NCOLS];
    uint32_t index[SQ_BATCH_ROWS], sel[SQ_BATCH_ROWS];
    int64_t v[SQ_BATCH_ROWS][NCOLS];       /* the values as integers; KIT_NULL */
};

static void data_make(struct kit *k, struct data *x, uint32_t n, uint64_t seed, bool nulls, bool dict, bool gaps)
{
    const struct sq_type *t[NCOLS];
    for (int c = 0; c < NCOLS; c++)
        t[c] = kit_type(types[c]);
    kit_ok(k, sq_out_init(&x->out, &k->ctx, t, NCOLS));
    for (uint32_t r = 0; r < n; r++) {
        for (int c = 0; c < NCOLS; c++) {
            int64_t v = c == P ? (int64_t)(kit_random(&seed) % 2) : (int64_t)(kit_random(&seed) % 9) - 4;
            x->v[r][c] = nulls && kit_random(&seed) % 4 == 0 ? KIT_NULL : v;
            kit_append(&x->out.cols[c], x->v[r][c]);
        }
        kit_ok(k, sq_out_row(&x->out, SQ_INSERT));
    }
    x->batch = *sq_out_batch(&x->out);
    memcpy(x->vecs, x->batch.cols, sizeof x->vecs);
    x->batch.cols = x->vecs;
    if (dict) {                              /* every column through an index that turns the rows around */
        int64_t (*copy)[NCOLS] = malloc(sizeof x->v);
        struct sq_vec *flat = SQ_NEW_ARRAY(&k->arena, struct sq_vec, NCOLS);
        memcpy(copy, x->v, sizeof x->v);
        for (uint32_t r = 0; r < n; r++) {
            x->index[r] = n - 1 - r;
            memcpy(x->v[r], copy[n - 1 - r], sizeof x->v[r]);
        }
        for (int c = 0; c < NCOLS; c++) {
            flat[c] = x->vecs[c];
            x->vecs[c] = (struct sq_vec){.type = flat[c].type, .enc = SQ_DICT, .index = x->index, .child = &flat[c], .nchild = 1};
        }
        free(copy);
    }
    if (gaps) {
        x->batch.nsel = 0;
        for (uint32_t r = 0; r < n; r++)
            if (kit_random(&seed) % 3)
                x->sel[x->batch.nsel++] = r;
        x->batch.sel = x->sel;
    }
}

static struct sq_plan cols_plan(struct kit *k)
{
    struct sq_plan p = {0};
    kit_cols(k, &p, types);
    return p;
}

static sq_rc try_run(struct kit *k, const struct sq_batch *b, struct sq_expr *e, struct sq_buf *text)
{
    struct sq_program *p;
    struct sq_vec out;
    sq_rc rc = sq_program_new(&k->ctx, &k->plan.config.session, &e, 1, NULL, &p);
    if (rc != SQ_OK)
        return rc;
    rc = sq_program_run(p, b, &out);
    for (uint32_t i = 0; rc == SQ_OK && i < b->nsel; i++) {
        if (i)
            sq_buf_puts(text, " ");
        if (sq_vec_null(&out, sq_row(b, i)))
            sq_buf_puts(text, "NULL");
        else
            sq_print_value(text, &out, sq_row(b, i), sq_tz_utc);
    }
    sq_program_free(p);
    return rc;
}

/* The expression over rows a = 1 2 NULL 4, b = 0 5 6 NULL, s = k1 k2 NULL k4. */
static void check(struct kit *k, struct sq_expr *e, const char *want)
{
    struct data x = {0};
    struct sq_buf text;
    static const int64_t v[4][NCOLS] = {{1, 0, 1, 1, 1}, {2, 5, 2, 2, 0}, {KIT_NULL, 6, KIT_NULL, KIT_NULL, KIT_NULL}, {4, KIT_NULL, 4, 4, 1}};
    data_make(k, &x, 0, 1, false, false, false);
    for (int r = 0; r < 4; r++) {
        for (int c = 0; c < NCOLS; c++)
            kit_append(&x.out.cols[c], v[r][c]);
        kit_ok(k, sq_out_row(&x.out, SQ_INSERT));
    }
    sq_buf_init(&text, &k->ctx);
    kit_ok(k, try_run(k, sq_out_batch(&x.out), e, &text));
    assert_string_equal(text.p, want);
    sq_buf_free(&text);
    sq_out_free(&x.out);
}

#define COL(c) kit_col(&k, &in, c)
#define BOOL &sq_type_boolean
#define INT &sq_type_int

static void nulls_and_kernels(void **state)
{
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan in = cols_plan(&k);
    check(&k, kit_call(&k, "+", 2, COL(A), COL(B)), "1 7 NULL NULL");
    check(&k, kit_call(&k, "*", 2, COL(A), kit_int(&k, 3)), "3 6 NULL 12");
    check(&k, kit_call(&k, "+", 2, kit_int(&k, 2), kit_int(&k, 3)), "5 5 5 5");
    check(&k, kit_call(&k, "+", 2, COL(A), kit_const(&k, INT, NULL)), "NULL NULL NULL NULL");
    check(&k, kit_call(&k, "IS NULL", 1, COL(A)), "FALSE FALSE TRUE FALSE");
    check(&k, kit_call(&k, "UPPER", 1, COL(S)), "K1 K2 NULL K4");
    check(&k, kit_expr(&k, SQ_X_CAST, &sq_type_string, 1, COL(A)), "1 2 NULL 4");
    check(&k, kit_expr(&k, SQ_X_CAST, &sq_type_double, 1, kit_const(&k, &sq_type_null, NULL)), "NULL NULL NULL NULL");
    kit_free(&k);
}

static void three_values(void **state)
{
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan in = cols_plan(&k);
    struct sq_expr *p = COL(P), *a = kit_call(&k, ">", 2, COL(A), kit_int(&k, 1)), *null = kit_const(&k, BOOL, NULL);
    /* p: T F N T   a > 1: F T N T */
    check(&k, kit_expr(&k, SQ_X_AND, BOOL, 2, p, a), "FALSE FALSE NULL TRUE");
    check(&k, kit_expr(&k, SQ_X_OR, BOOL, 2, p, a), "TRUE TRUE NULL TRUE");
    check(&k, kit_expr(&k, SQ_X_AND, BOOL, 2, null, a), "FALSE NULL NULL NULL");
    check(&k, kit_expr(&k, SQ_X_OR, BOOL, 3, null, p, a), "TRUE TRUE NULL TRUE");
    check(&k, kit_expr(&k, SQ_X_AND, BOOL, 3, kit_bool(&k, true), a, p), "FALSE FALSE NULL TRUE");
    check(&k, kit_call(&k, "NOT", 1, kit_expr(&k, SQ_X_OR, BOOL, 2, p, kit_bool(&k, false))), "FALSE TRUE NULL FALSE");
    kit_free(&k);
}

/* 10 / b fails where b is 0 (row 0): never in a branch that is not taken. */
static void laziness(void **state)
{
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan in = cols_plan(&k);
    struct sq_expr *div = kit_call(&k, "/", 2, kit_int(&k, 10), COL(B)), *zero = kit_call(&k, "=", 2, COL(B), kit_int(&k, 0));
    struct sq_expr *safe = kit_call(&k, "<>", 2, COL(B), kit_int(&k, 0));
    struct sq_buf text;
    div->span = (struct sq_span){7, 6};

    check(&k, kit_expr(&k, SQ_X_CASE, INT, 3, zero, kit_int(&k, -1), div), "-1 2 1 NULL");
    check(&k, kit_expr(&k, SQ_X_CASE, INT, 5, zero, COL(A), kit_call(&k, ">", 2, COL(B), kit_int(&k, 5)), div, kit_const(&k, INT, NULL)), "1 NULL 1 NULL");
    check(&k, kit_expr(&k, SQ_X_AND, BOOL, 2, safe, kit_call(&k, ">", 2, div, kit_int(&k, 1))), "FALSE TRUE FALSE NULL");
    check(&k, kit_expr(&k, SQ_X_OR, BOOL, 2, zero, kit_call(&k, ">", 2, div, kit_int(&k, 1))), "TRUE TRUE FALSE NULL");
    check(&k, kit_expr(&k, SQ_X_COALESCE, INT, 2, COL(A), div), "1 2 1 4");
    /* the same division inside and outside of a branch: it is computed for all rows only where it is wanted for all */
    check(&k, kit_expr(&k, SQ_X_CASE, INT, 5, zero, kit_int(&k, 0), kit_call(&k, ">", 2, div, kit_int(&k, 1)), kit_call(&k, "+", 2, div, div), div), "0 4 1 NULL");
    sq_buf_init(&text, &k.ctx);
    struct data x = {0};
    data_make(&k, &x, 64, 3, false, false, false);
    assert_int_equal(try_run(&k, &x.batch, div, &text), SQ_DATA);
    assert_int_equal(k.ctx.err.span.at, 7);
    assert_int_equal(k.ctx.err.span.len, 6);
    sq_buf_free(&text);
    sq_out_free(&x.out);
    kit_free(&k);
}

static void in_lists(void **state)
{
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan in = cols_plan(&k);
    struct sq_expr *many = kit_expr(&k, SQ_X_IN, BOOL, 0);
    check(&k, kit_expr(&k, SQ_X_IN, BOOL, 3, COL(A), kit_int(&k, 4), kit_int(&k, 1)), "TRUE FALSE NULL TRUE");
    check(&k, kit_expr(&k, SQ_X_IN, BOOL, 3, COL(A), kit_int(&k, 4), kit_const(&k, INT, NULL)), "NULL NULL NULL TRUE");
    check(&k, kit_expr(&k, SQ_X_IN, BOOL, 4, COL(S), kit_str(&k, "x"), kit_str(&k, "k2"), kit_str(&k, "k4")), "FALSE TRUE NULL TRUE");
    check(&k, kit_expr(&k, SQ_X_IN, BOOL, 3, COL(D), kit_double(&k, 2.0), kit_double(&k, 9.0)), "FALSE TRUE NULL FALSE");
    check(&k, kit_expr(&k, SQ_X_IN, BOOL, 2, COL(A), COL(B)), "FALSE FALSE NULL NULL");
    many->args = SQ_NEW_ARRAY(&k.arena, struct sq_expr *, 101);
    many->nargs = 101;
    many->args[0] = COL(A);
    for (int i = 0; i < 100; i++)
        many->args[i + 1] = kit_int(&k, 200 - 2 * i);
    check(&k, many, "FALSE TRUE NULL TRUE");
    kit_free(&k);
}

/* ---- nested values ---- */

static void nested(void **state)
{
    struct kit k;
    struct sq_out out;
    struct sq_buf text;
    (void)state;
    kit_init(&k);
    const struct sq_type *arr = sq_type_array(&k.arena, true, &sq_type_int);
    const struct sq_type *map = sq_type_map(&k.arena, true, &sq_type_string, &sq_type_int);
    struct sq_field f[] = {{SQ_STR("x"), &sq_type_int}, {SQ_STR("y"), &sq_type_string}};
    const struct sq_type *row = sq_type_row(&k.arena, true, f, 2);
    const struct sq_type *t[] = {arr, map, row, &sq_type_int};
    struct sq_field cols[] = {{SQ_STR("a"), arr}, {SQ_STR("m"), map}, {SQ_STR("r"), row}, {SQ_STR("i"), &sq_type_int}};
    struct sq_plan in = {.cols = cols, .ncols = 4};

    kit_ok(&k, sq_out_init(&out, &k.ctx, t, 4));
    for (int32_t r = 0; r < 4; r++) {
        if (r == 2) {
            for (int c = 0; c < 3; c++)
                kit_ok(&k, sq_col_append_null(&out.cols[c]));
        } else {
            for (int32_t e = 0; e < r; e++) {
                int32_t v = 10 * r + e;
                kit_ok(&k, sq_col_append_fixed(&out.cols[0].kid[0], &v));
                kit_ok(&k, sq_col_append_view(&out.cols[1].kid[0], e == 0 ? "p" : e == 1 ? "q" : "r", 1));
                kit_ok(&k, sq_col_append_fixed(&out.cols[1].kid[1], &v));
            }
            kit_ok(&k, sq_col_append_list(&out.cols[0], (uint32_t)r));
            kit_ok(&k, sq_col_append_list(&out.cols[1], (uint32_t)r));
            kit_ok(&k, sq_col_append_fixed(&out.cols[2].kid[0], &r));
            kit_ok(&k, r == 3 ? sq_col_append_null(&out.cols[2].kid[1]) : sq_col_append_view(&out.cols[2].kid[1], "a long enough text", 18));
            kit_ok(&k, sq_col_append_struct(&out.cols[2]));
        }
        int32_t i = r + 1;
        kit_ok(&k, sq_col_append_fixed(&out.cols[3], &i));
        kit_ok(&k, sq_out_row(&out, SQ_INSERT));
    }
    const struct sq_batch *b = sq_out_batch(&out);
    struct sq_expr *x = kit_expr(&k, SQ_X_FIELD, &sq_type_int, 1, COL(2)), *y = kit_expr(&k, SQ_X_FIELD, &sq_type_string, 1, COL(2));
    y->col = 1;
    struct sq_expr *pick = kit_expr(&k, SQ_X_CASE, row, 3, kit_call(&k, "=", 2, COL(3), kit_int(&k, 2)), COL(2), kit_const(&k, row, NULL));
    struct { struct sq_expr *e; const char *want; } cases[] = {
        {kit_expr(&k, SQ_X_ITEM, INT, 2, COL(0), kit_int(&k, 1)), "NULL 10 NULL 30"},
        {kit_expr(&k, SQ_X_ITEM, INT, 2, COL(0), COL(3)), "NULL NULL NULL NULL"},
        {kit_expr(&k, SQ_X_ITEM, INT, 2, COL(0), kit_call(&k, "-", 2, COL(3), kit_int(&k, 1))), "NULL 10 NULL 32"},
        {kit_expr(&k, SQ_X_ITEM, INT, 2, COL(1), kit_str(&k, "r")), "NULL NULL NULL 32"},
        {x, "0 1 NULL 3"},
        {kit_call(&k, "+", 2, x, kit_int(&k, 1)), "1 2 NULL 4"},
        {kit_call(&k, "UPPER", 1, y), "A LONG ENOUGH TEXT A LONG ENOUGH TEXT NULL NULL"},
        {pick, "NULL (1, a long enough text) NULL NULL"},
        {kit_expr(&k, SQ_X_FIELD, &sq_type_int, 1, pick), "NULL 1 NULL NULL"},
        {kit_expr(&k, SQ_X_COALESCE, arr, 2, kit_expr(&k, SQ_X_CASE, arr, 3, kit_call(&k, ">", 2, COL(3), kit_int(&k, 3)), COL(0), kit_const(&k, arr, NULL)), COL(0)),
         "[] [10] NULL [30, 31, 32]"},
    };
    for (size_t i = 0; i < SQ_LEN(cases); i++) {
        sq_buf_init(&text, &k.ctx);
        kit_ok(&k, try_run(&k, b, cases[i].e, &text));
        assert_string_equal(text.p, cases[i].want);
        sq_buf_free(&text);
    }
    sq_out_free(&out);
    kit_free(&k);
}

/* ---- common subexpressions: an impure function is called once for each place it stands, a pure one once ---- */

struct counter { int calls; uint32_t rows; };

static sq_rc count_calls(struct sq_call *call, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out)
{
    struct counter *c = (struct counter *)(uintptr_t)call->session->start_us;
    (void)nargs;
    c->calls++;
    c->rows += rows.n;
    SQ_EACH_ROW(rows, i, r)
        ((int32_t *)out->data)[r] = ((const int32_t *)args[0].data)[args[0].enc == SQ_CONST ? 0 : r] + 1;
    return SQ_OK;
}

static void common_subexpressions(void **state)
{
    static const struct sq_function pure = {"F", "(INT) -> INT", SQ_STRICT | SQ_PURE, count_calls, NULL, "", NULL, NULL};
    static const struct sq_function impure = {"G", "(INT) -> INT", SQ_STRICT, count_calls, NULL, "", NULL, NULL};
    struct data x = {0};
    struct counter c;
    struct sq_vec out[3];
    struct sq_program *p;
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan in = cols_plan(&k);
    k.plan.config.session.start_us = (int64_t)(uintptr_t)&c;
    data_make(&k, &x, 100, 7, false, false, false);
    for (int i = 0; i < 2; i++) {
        struct sq_expr *f[3];
        for (int n = 0; n < 3; n++) {
            f[n] = kit_expr(&k, SQ_X_CALL, INT, 1, COL(A));
            f[n]->fn = i ? &impure : &pure;
        }
        f[2] = kit_expr(&k, SQ_X_CASE, INT, 3, kit_call(&k, ">", 2, COL(A), kit_int(&k, 0)), f[2], kit_int(&k, 0));
        c = (struct counter){0};
        kit_ok(&k, sq_program_new(&k.ctx, &k.plan.config.session, f, 3, NULL, &p));
        kit_ok(&k, sq_program_run(p, &x.batch, out));
        assert_int_equal(c.calls, i ? 3 : 1);
        kit_ok(&k, sq_program_run(p, &x.batch, out));
        assert_int_equal(c.calls, i ? 6 : 2);
        sq_program_free(p);
        /* inside a branch alone: only for the branch's rows */
        uint32_t positive = 0;
        for (int r = 0; r < 100; r++)
            positive += x.v[r][A] > 0;
        c = (struct counter){0};
        kit_ok(&k, sq_program_new(&k.ctx, &k.plan.config.session, f + 2, 1, NULL, &p));
        kit_ok(&k, sq_program_run(p, &x.batch, out));
        assert_int_equal(c.rows, positive);
        sq_program_free(p);
    }
    /* constant arguments: once, for one row */
    struct sq_expr *one = kit_expr(&k, SQ_X_CALL, INT, 1, kit_int(&k, 1));
    one->fn = &pure;
    c = (struct counter){0};
    kit_ok(&k, sq_program_new(&k.ctx, &k.plan.config.session, &one, 1, NULL, &p));
    kit_ok(&k, sq_program_run(p, &x.batch, out));
    assert_int_equal(c.rows, 1);
    assert_int_equal(out[0].enc, SQ_CONST);
    sq_program_free(p);
    sq_out_free(&x.out);
    kit_free(&k);
}

static void folding(void **state)
{
    const struct sq_vec *v;
    struct kit k;
    (void)state;
    kit_init(&k);
    const struct sq_session *s = &k.plan.config.session;
    kit_ok(&k, sq_expr_fold(&k.ctx, &k.arena, s, kit_call(&k, "+", 2, kit_int(&k, 2), kit_int(&k, 40)), &v));
    assert_int_equal(v->enc, SQ_CONST);
    assert_int_equal(*(int32_t *)v->data, 42);
    kit_ok(&k, sq_expr_fold(&k.ctx, &k.arena, s, kit_call(&k, "UPPER", 1, kit_str(&k, "a text longer than a view")), &v));
    assert_true(sq_str_is(sq_view_str(v->data), "A TEXT LONGER THAN A VIEW"));
    kit_ok(&k, sq_expr_fold(&k.ctx, &k.arena, s, kit_call(&k, "+", 2, kit_int(&k, 2), kit_const(&k, INT, NULL)), &v));
    assert_true(sq_vec_null(v, 0));
    assert_int_equal(sq_expr_fold(&k.ctx, &k.arena, s, kit_call(&k, "/", 2, kit_int(&k, 2), kit_int(&k, 0)), &v), SQ_DATA);
    kit_free(&k);
}

/* ---- random expressions against an interpreter of single rows ---- */

/* Values are int64 with KIT_NULL; conditions 0, 1, KIT_NULL; *error: the row fails. */
static int64_t eval(const struct sq_expr *e, const int64_t *row, bool *error)
{
    int64_t x, y;
    bool null = false;

    switch (e->kind) {
    case SQ_X_COL: return row[e->col];
    case SQ_X_CONST: return sq_vec_null(e->value, 0) ? KIT_NULL : e->type->id == SQ_T_BOOLEAN ? *(uint8_t *)e->value->data : *(int32_t *)e->value->data;
    case SQ_X_AND: case SQ_X_OR:
        for (uint32_t i = 0; i < e->nargs; i++) {
            x = eval(e->args[i], row, error);
            if (x == KIT_NULL)
                null = true;
            else if (x == (e->kind == SQ_X_OR))
                return x;
        }
        return null ? KIT_NULL : e->kind == SQ_X_AND;
    case SQ_X_CASE:
        for (uint32_t i = 0; i + 1 < e->nargs; i += 2)
            if (eval(e->args[i], row, error) == 1)
                return eval(e->args[i + 1], row, error);
        return eval(e->args[e->nargs - 1], row, error);
    case SQ_X_COALESCE:
        for (uint32_t i = 0; i < e->nargs; i++)
            if ((x = eval(e->args[i], row, error)) != KIT_NULL)
                return x;
        return KIT_NULL;
    case SQ_X_IN:
        x = eval(e->args[0], row, error);
        for (uint32_t i = 1; i < e->nargs && x != KIT_NULL; i++) {
            y = eval(e->args[i], row, error);
            null |= y == KIT_NULL;
            if (x == y)
                return 1;
        }
        return x == KIT_NULL || null ? KIT_NULL : 0;
    default: break;
    }
    x = eval(e->args[0], row, error);
    if (strcmp(e->fn->name, "IS NULL") == 0)
        return x == KIT_NULL;
    y = e->nargs > 1 ? eval(e->args[1], row, error) : 0;
    if (x == KIT_NULL || y == KIT_NULL)
        return KIT_NULL;
    switch (e->fn->name[0]) {
    case '+': return x + y;
    case '-': return x - y;
    case '/':
        if (y == 0)
            *error = true;
        return y == 0 ? 0 : x / y;
    case '=': return x == y;
    case '<': return e->fn->name[1] == '=' ? x <= y : e->fn->name[1] == '>' ? x != y : x < y;
    case '>': return e->fn->name[1] == '=' ? x >= y : x > y;
    default: return !x;                      /* NOT */
    }
}

static struct sq_expr *random_int(struct kit *k, const struct sq_plan *in, uint64_t *s, int depth);

static struct sq_expr *random_bool(struct kit *k, const struct sq_plan *in, uint64_t *s, int depth)
{
    static const char *const ops[] = {"=", "<>", "<", "<=", ">", ">="};
    uint64_t what = kit_random(s) % (depth > 0 ? 9 : 4);
    if (what < 1)
        return kit_col(k, in, P);
    if (what < 3)
        return kit_call(k, ops[kit_random(s) % 6], 2, random_int(k, in, s, depth - 1), random_int(k, in, s, depth - 1));
    switch (what) {
    case 3: return kit_random(s) % 4 ? kit_bool(k, kit_random(s) % 2) : kit_const(k, BOOL, NULL);
    case 4: return kit_call(k, "NOT", 1, random_bool(k, in, s, depth - 1));
    case 5: return kit_expr(k, SQ_X_IN, BOOL, 4, random_int(k, in, s, depth - 1), kit_int(k, 1), kit_random(s) % 3 ? kit_int(k, -2) : kit_const(k, INT, NULL), kit_int(k, 3));
    case 6: return kit_call(k, "IS NULL", 1, random_int(k, in, s, depth - 1));
    case 7: return kit_expr(k, SQ_X_AND, BOOL, 3, random_bool(k, in, s, depth - 1), random_bool(k, in, s, depth - 1), random_bool(k, in, s, depth - 1));
    default: return kit_expr(k, SQ_X_OR, BOOL, 2, random_bool(k, in, s, depth - 1), random_bool(k, in, s, depth - 1));
    }
}

static struct sq_expr *random_int(struct kit *k, const struct sq_plan *in, uint64_t *s, int depth)
{
    uint64_t what = kit_random(s) % (depth > 0 ? 8 : 3);
    switch (what) {
    case 0: return kit_col(k, in, A);
    case 1: return kit_col(k, in, B);
    case 2: return kit_int(k, (int32_t)(kit_random(s) % 5) - 2);
    case 3: return kit_call(k, "+", 2, random_int(k, in, s, depth - 1), random_int(k, in, s, depth - 1));
    case 4: return kit_call(k, "-", 2, random_int(k, in, s, depth - 1), random_int(k, in, s, depth - 1));
    case 5: return kit_call(k, "/", 2, random_int(k, in, s, depth - 1), random_int(k, in, s, depth - 1));
    case 6: return kit_expr(k, SQ_X_CASE, INT, 5, random_bool(k, in, s, depth - 1), random_int(k, in, s, depth - 1), random_bool(k, in, s, depth - 1),
                            random_int(k, in, s, depth - 1), random_int(k, in, s, depth - 1));
    default: return kit_expr(k, SQ_X_COALESCE, INT, 2, random_int(k, in, s, depth - 1), random_int(k, in, s, depth - 1));
    }
}

/* The expression as a value and, a condition, as a selection. Errors must come exactly where the interpreter sees one; a selection may
 * skip an error behind a NULL. */
static void compare(struct kit *k, struct data *x, struct sq_expr **e, uint32_t n)
{
    struct sq_program *p;
    struct sq_vec out[2];
    uint32_t sel[SQ_BATCH_ROWS], nsel = 0, want = 0;
    bool error = false;

    kit_ok(k, sq_program_new(&k->ctx, &k->plan.config.session, e, n, NULL, &p));
    for (uint32_t i = 0; i < x->batch.nsel; i++)
        for (uint32_t c = 0; c < n; c++)
            eval(e[c], x->v[sq_row(&x->batch, i)], &error);
    sq_rc rc = sq_program_run(p, &x->batch, out);
    assert_int_equal(rc, error ? SQ_DATA : SQ_OK);
    for (uint32_t i = 0; rc == SQ_OK && i < x->batch.nsel; i++)
        for (uint32_t c = 0; c < n; c++) {
            uint32_t r = sq_row(&x->batch, i);
            int64_t v = eval(e[c], x->v[r], &error);
            assert_int_equal(sq_vec_null(&out[c], r), v == KIT_NULL);
            if (v == KIT_NULL)
                continue;
            const struct sq_vec *at = sq_vec_at(&out[c], &r);
            assert_int_equal(v, e[c]->type->id == SQ_T_BOOLEAN ? ((uint8_t *)at->data)[r] : ((int32_t *)at->data)[r]);
        }
    if (e[0]->type->id == SQ_T_BOOLEAN) {
        rc = sq_program_select(p, &x->batch, sel, &nsel);
        if (!error)
            assert_int_equal(rc, SQ_OK);
        for (uint32_t i = 0; rc == SQ_OK && i < x->batch.nsel; i++) {
            bool bad = false;
            uint32_t r = sq_row(&x->batch, i);
            if (eval(e[0], x->v[r], &bad) == 1 && !bad) {
                assert_true(want < nsel);
                if (!error)
                    assert_int_equal(sel[want++], r);
            }
        }
        if (rc == SQ_OK && !error)
            assert_int_equal(nsel, want);
    }
    sq_program_free(p);
}

static void random_expressions(void **state)
{
    uint64_t seed = 2024;
    int ran = 0;
    (void)state;
    for (int round = 0; round < 60; round++) {
        struct data *x = calloc(1, sizeof *x);
        struct kit k;
        uint32_t n = round % 4 == 0 ? 1 : round % 4 == 1 ? 5 : round % 4 == 2 ? 63 : 130;
        kit_init(&k);
        struct sq_plan in = cols_plan(&k);
        data_make(&k, x, n, seed + (uint64_t)round, round % 3 != 0, round % 5 == 1, round % 2);
        for (int i = 0; i < 40; i++, ran++) {
            struct sq_expr *e[2] = {random_bool(&k, &in, &seed, 4), random_int(&k, &in, &seed, 3)};
            compare(&k, x, e, 1);
            compare(&k, x, e, 2);
        }
        sq_out_free(&x->out);
        kit_free(&k);
        free(x);
    }
    assert_int_equal(ran, 2400);
}

static void errors(void **state)
{
    struct sq_program *p;
    struct kit k;
    (void)state;
    kit_init(&k);
    struct sq_plan in = cols_plan(&k);
    struct sq_expr *deep = COL(P), *e;
    assert_int_equal(sq_program_new(&k.ctx, &k.plan.config.session, (e = kit_expr(&k, SQ_X_CAST, &sq_type_interval_ym, 1, COL(P)), &e), 1, NULL, &p), SQ_UNSUPPORTED);
    assert_non_null(strstr(k.ctx.err.msg, "cast from BOOLEAN to INTERVAL"));
    for (int i = 0; i < 300; i++)
        deep = kit_expr(&k, SQ_X_AND, BOOL, 2, COL(P), kit_expr(&k, SQ_X_OR, BOOL, 2, deep, COL(P)));
    struct data x = {0};
    struct sq_buf text;
    sq_buf_init(&text, &k.ctx);
    data_make(&k, &x, 64, 3, false, false, false);
    assert_int_equal(try_run(&k, &x.batch, deep, &text), SQ_LIMIT);
    sq_buf_free(&text);
    sq_out_free(&x.out);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nulls_and_kernels), cmocka_unit_test(three_values), cmocka_unit_test(laziness), cmocka_unit_test(in_lists),
        cmocka_unit_test(nested), cmocka_unit_test(common_subexpressions), cmocka_unit_test(folding), cmocka_unit_test(random_expressions),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests_name("expr", tests, NULL, NULL);
}
