/* SPDX-License-Identifier: Apache-2.0
 *
 * Plans as EXPLAIN prints them, and the errors of binding, over tables of connectors made here. Goldens stand beside the statements; a
 * failing comparison prints both texts.
 */
#include "executor/expr.h"
#include "planner/catalog.h"
#include "base/os.h"

#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

/* ---- connectors that do nothing ---- */

struct sq_table_ext { int unused; };

static sq_rc info_as(struct sq_source_info *i, bool bounded, unsigned mode)
{
    *i = (struct sq_source_info){.bounded = bounded, .mode = mode, .rows = -1};
    return SQ_OK;
}

#define SOURCE(name, bounded, mode)                                                                                                        \
    static sq_rc name##_info(struct sq_ctx *c, const struct sq_table_spec *t, const struct sq_table_ext *e, struct sq_source_info *i)      \
    {                                                                                                                                      \
        (void)c, (void)t, (void)e;                                                                                                         \
        return info_as(i, bounded, mode);                                                                                                  \
    }                                                                                                                                      \
    static const struct sq_source_class name##_source = {.info = name##_info}

SOURCE(stream, false, SQ_MODE_INSERT);
SOURCE(file, true, SQ_MODE_INSERT);
SOURCE(changes, false, SQ_MODE_RETRACT);
SOURCE(upserts, false, SQ_MODE_UPSERT);

static bool yes(const struct sq_table_spec *t, const struct sq_table_ext *e)
{
    (void)t, (void)e;
    return true;
}

static bool no(const struct sq_table_spec *t, const struct sq_table_ext *e)
{
    (void)t, (void)e;
    return false;
}

static const struct sq_sink_class append_sink = {.accepts = SQ_MODE_INSERT, .shows_changes = no};
static const struct sq_sink_class log_sink = {.accepts = SQ_MODE_INSERT | SQ_MODE_RETRACT, .shows_changes = yes};
static const struct sq_sink_class db_sink = {.accepts = SQ_MODE_INSERT | SQ_MODE_UPSERT, .shows_changes = no, .derives_key = true};
static const struct sq_sink_class kv_sink = {.accepts = SQ_MODE_UPSERT, .shows_changes = no};

static sq_rc make_ext(struct sq_ctx *c, struct sq_arena *a, const struct sq_table_spec *t, struct sq_table_ext **ext)
{
    (void)c, (void)t;
    *ext = SQ_NEW(a, struct sq_table_ext);
    return *ext ? SQ_OK : SQ_NOMEM;
}

static const struct sq_connector connectors[] = {
    {.name = "stream", .source = &stream_source, .table = make_ext},
    {.name = "filesystem", .source = &file_source, .sink = &append_sink, .table = make_ext},
    {.name = "changes", .source = &changes_source, .table = make_ext},
    {.name = "upserts", .source = &upserts_source, .table = make_ext},
    {.name = "log", .sink = &log_sink, .table = make_ext},
    {.name = "db", .source = &file_source, .sink = &db_sink, .table = make_ext},
    {.name = "kv", .sink = &kv_sink, .table = make_ext},
};

/* ---- an engine's planning half ---- */

static struct sq_budget budget;
static struct sq_ctx ctx;
static struct sq_arena arena;
static struct sq_catalog *catalog;
static struct sq_settings *settings;
static struct sq_job_config config;
static char notices[1024];

static void take_notice(void *arg, const char *text)
{
    (void)arg;
    snprintf(notices + strlen(notices), sizeof(notices) - strlen(notices), "%s\n", text);
}

static struct sq_bind_env env_now(void)
{
    return (struct sq_bind_env){.ctx = &ctx, .arena = &arena, .catalog = catalog, .settings = settings, .session = {.tz = sq_tz_utc, .os = ctx.os}};
}

static void must(sq_rc rc)
{
    if (rc != SQ_OK)
        fail_msg("%s (%s)", ctx.err.msg, ctx.err.hint);
}

static struct sq_ast_stmt *parse(const char *sql)
{
    struct sq_ast_stmt *s = NULL;
    uint32_t at = 0;
    must(sq_parse(&ctx, &arena, sq_str_of(sql), &at, &s, NULL));
    assert_non_null(s);
    return s;
}

static const struct sq_connector *connector_of(const struct sq_ast_table *d)
{
    for (uint32_t i = 0; i < d->noptions; i++)
        for (size_t k = 0; k < SQ_LEN(connectors); k++)
            if (sq_str_is(d->options[i].key, "connector") && sq_str_is(d->options[i].value, connectors[k].name))
                return &connectors[k];
    fail_msg("no such connector");
    return NULL;
}

static struct sq_str keep(struct sq_table *t, struct sq_str s)
{
    return sq_str_dup(&t->arena, s);
}

static void add_columns(struct sq_table *t, const struct sq_ast_table *d, struct sq_table_column *stored)
{
    struct sq_field *fields = SQ_NEW_ARRAY(&arena, struct sq_field, d->ncols);
    uint32_t nfields = 0;
    for (uint32_t i = 0; i < d->ncols; i++) {
        const struct sq_ast_coldef *c = &d->cols[i];
        t->cols[i].name = keep(t, c->name);
        t->cols[i].type = c->type ? sq_type_dup(&t->arena, c->type) : NULL;
        if (c->kind == SQ_C_COMPUTED) {
            struct sq_bind_env env = env_now();
            struct sq_expr *e;
            t->cols[i].kind = SQ_COLUMN_COMPUTED;
            t->cols[i].expr = c->expr;                           /* lives as long as the test's arena */
            must(sq_bind_scalar(&env, c->expr, fields, nfields, &e));
            t->cols[i].type = e->type;
        } else {
            t->cols[i].kind = c->kind == SQ_C_METADATA ? SQ_COLUMN_METADATA : SQ_COLUMN_PHYSICAL;
            t->cols[i].is_virtual = c->is_virtual;
            t->cols[i].stored = t->spec.ncols;
            stored[t->spec.ncols++] = (struct sq_table_column){.name = t->cols[i].name, .type = t->cols[i].type, .role = c->kind == SQ_C_METADATA ? SQ_COL_METADATA : SQ_COL_PHYSICAL};
        }
        fields[nfields++] = (struct sq_field){t->cols[i].name, t->cols[i].type};
    }
}

static void create(const char *sql)
{
    const struct sq_ast_stmt *s = parse(sql);
    const struct sq_ast_table *d = s->table;
    struct sq_table *t;
    must(sq_table_new(&ctx, &t));
    t->catalog = SQ_STR("default_catalog");
    t->database = SQ_STR("default_database");
    if (s->kind == SQ_S_CREATE_VIEW) {
        struct sq_bind_env env = env_now();
        const struct sq_field *f;
        uint32_t n;
        t->name = keep(t, s->name.part[0]);
        t->is_view = true;
        t->query = s->query;
        must(sq_bind_schema(&env, s->query, &f, &n));
        t->cols = SQ_NEW_ARRAY(&t->arena, struct sq_column, n);
        t->ncols = n;
        for (uint32_t i = 0; i < n; i++) {
            t->cols[i].name = s->ncols ? s->cols[i] : f[i].name;
            t->cols[i].type = f[i].type;
        }
        sq_catalog_put(catalog, t, NULL);
        return;
    }
    struct sq_table_column *stored = SQ_NEW_ARRAY(&t->arena, struct sq_table_column, d->ncols);
    uint32_t *pk = SQ_NEW_ARRAY(&t->arena, uint32_t, d->npk + 1), *spec_pk = SQ_NEW_ARRAY(&t->arena, uint32_t, d->npk + 1);
    t->name = keep(t, d->name.part[0]);
    t->connector = connector_of(d);
    t->ncols = d->ncols;
    t->cols = SQ_NEW_ARRAY(&t->arena, struct sq_column, d->ncols);
    t->spec.name = t->name;
    t->spec.cols = stored;
    add_columns(t, d, stored);
    for (uint32_t i = 0; i < d->npk; i++)
        for (uint32_t c = 0; c < d->ncols; c++)
            if (sq_str_eq(d->cols[c].name, d->pk[i])) {
                pk[i] = c;
                spec_pk[i] = t->cols[c].stored;
            }
    t->pk = pk;
    t->npk = t->spec.npk = d->npk;
    t->spec.pk = spec_pk;
    if (d->watermark)
        for (uint32_t c = 0; c < d->ncols; c++)
            if (sq_str_eq(d->cols[c].name, d->watermark->col.part[0])) {
                t->rowtime = (int32_t)c;
                t->watermark = d->watermark->expr;
            }
    must(t->connector->table(&ctx, &t->arena, &t->spec, &t->ext));
    sq_catalog_put(catalog, t, NULL);
}

static int setup(void **state)
{
    static const char *const tables[] = {
        "CREATE TABLE t (id INT, k STRING, v INT, w BIGINT, d DECIMAL(10, 2), ts TIMESTAMP(3)) WITH ('connector' = 'stream')",
        "CREATE TABLE f (id INT, k STRING, v INT, w BIGINT) WITH ('connector' = 'filesystem')",
        "CREATE TABLE o (id INT NOT NULL, k STRING, x DOUBLE) WITH ('connector' = 'stream')",
        "CREATE TABLE c (id INT, k STRING, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'changes')",
        "CREATE TABLE u (id INT, k STRING, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'upserts')",
        "CREATE TABLE r (a ROW<b INT, c ROW<d STRING>>, l ARRAY<INT>, m MAP<STRING, INT>) WITH ('connector' = 'stream')",
        "CREATE TABLE e (id INT, ms BIGINT, ts AS TO_TIMESTAMP_LTZ(ms, 3), p STRING METADATA VIRTUAL, twice AS id * 2, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'stream')",
        "CREATE TABLE app (k STRING, n BIGINT) WITH ('connector' = 'filesystem')",
        "CREATE TABLE log (k STRING, n BIGINT) WITH ('connector' = 'log')",
        "CREATE TABLE db (k STRING, n BIGINT) WITH ('connector' = 'db')",
        "CREATE TABLE db1 (k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'db')",
        "CREATE TABLE db2 (k STRING, n BIGINT, PRIMARY KEY (k, n) NOT ENFORCED) WITH ('connector' = 'db')",
        "CREATE TABLE kv (id INT NOT NULL, k STRING, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'kv')",
        "CREATE TABLE nn (id INT NOT NULL, k STRING) WITH ('connector' = 'log')",
        "CREATE VIEW vw (key, total) AS SELECT k, SUM(v) FROM t GROUP BY k",
    };
    (void)state;
    memset(&ctx, 0, sizeof(ctx));
    memset(&budget, 0, sizeof(budget));
    ctx.budget = &budget;
    ctx.os = &sq_os_posix;
    ctx.notice = take_notice;
    notices[0] = 0;
    sq_arena_init(&arena, &ctx);
    must(sq_catalog_new(&ctx, &catalog));
    must(sq_settings_new(&ctx, &settings));
    config = (struct sq_job_config){.parallelism = 1, .batch_rows = SQ_BATCH_ROWS, .mini_batch = -1};
    for (size_t i = 0; i < SQ_LEN(tables); i++)
        create(tables[i]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sq_catalog_free(catalog);
    sq_settings_free(settings);
    sq_arena_free(&arena);
    assert_int_equal(budget.used, 0);
    return 0;
}

static sq_rc plan(const char *sql, bool changelog, struct sq_job_plan **j)
{
    struct sq_bind_env env = env_now();
    struct sq_ast_stmt *s = parse(sql);
    memset(&ctx.err, 0, sizeof(ctx.err));
    if (s->kind == SQ_S_INSERT)
        return sq_plan_inserts(&env, &s->insert, 1, &config, j);
    if (s->kind == SQ_S_STATEMENT_SET)
        return sq_plan_inserts(&env, s->inserts, s->ninserts, &config, j);
    return sq_plan_select(&env, s->query, changelog, &config, j);
}

/* ---- every plan must hold together ---- */

static void check_expr(const struct sq_expr *e, const struct sq_field *cols, uint32_t ncols)
{
    assert_non_null(e);
    assert_non_null(e->type);
    if (e->kind == SQ_X_COL) {
        assert_true(e->col < ncols);
        assert_int_equal(sq_type_phys(e->type), sq_type_phys(cols[e->col].type));
    }
    if (e->kind == SQ_X_CONST)
        assert_int_equal(sq_type_phys(e->type), sq_type_phys(e->value->type));
    if (e->kind == SQ_X_IN)
        for (uint32_t i = 1; i < e->nargs; i++)
            assert_true(e->args[i]->kind == SQ_X_CONST || e->args[i]->kind == SQ_X_CAST || e->args[i]->kind == SQ_X_CALL);
    for (uint32_t i = 0; i < e->nargs; i++)
        check_expr(e->args[i], cols, ncols);
}

static void check_same_columns(const struct sq_plan *a, const struct sq_plan *b)
{
    assert_int_equal(a->ncols, b->ncols);
    for (uint32_t i = 0; i < a->ncols; i++)
        assert_int_equal(sq_type_phys(a->cols[i].type), sq_type_phys(b->cols[i].type));
}

static void check_aggregate(const struct sq_plan *p, const struct sq_plan *in)
{
    assert_int_equal(p->ncols, p->u.agg.ngroup + p->u.agg.nitems);
    for (uint32_t i = 0; i < p->u.agg.ngroup; i++)
        assert_true(p->u.agg.group[i] < in->ncols);
    for (uint32_t i = 0; i < p->u.agg.nitems; i++) {
        assert_true(p->u.agg.items[i].arg < (int32_t)in->ncols);
        assert_true(p->u.agg.items[i].filter < (int32_t)in->ncols);
    }
}

static void check_join(const struct sq_plan *p)
{
    const struct sq_plan *l = p->inputs[0], *r = p->inputs[1];
    assert_int_equal(p->ncols, l->ncols + r->ncols);
    for (uint32_t i = 0; i < p->ncols; i++)
        assert_int_equal(sq_type_phys(p->cols[i].type), sq_type_phys(i < l->ncols ? l->cols[i].type : r->cols[i - l->ncols].type));
    for (uint32_t i = 0; i < p->u.join.nkeys; i++) {
        assert_true(p->u.join.keys[i].left < l->ncols && p->u.join.keys[i].right < r->ncols);
        assert_int_equal(sq_type_phys(l->cols[p->u.join.keys[i].left].type), sq_type_phys(r->cols[p->u.join.keys[i].right].type));
    }
    if (p->u.join.residual)
        check_expr(p->u.join.residual, p->cols, p->ncols);
}

static void check_plan(const struct sq_plan *p)
{
    const struct sq_plan *in = p->ninputs ? p->inputs[0] : NULL;
    for (uint32_t i = 0; i < p->ninputs; i++)
        check_plan(p->inputs[i]);
    for (uint32_t i = 0; i < p->nkeys; i++)
        for (uint32_t k = 0; k < p->keys[i].n; k++)
            assert_true(p->keys[i].cols[k] < p->ncols);
    switch (p->kind) {
    case SQ_N_SCAN:
        for (uint32_t i = 0; i < p->ncols; i++) {
            assert_true(p->u.scan.cols[i] < p->u.scan.table->ncols);
            assert_true(i == 0 || p->u.scan.cols[i - 1] < p->u.scan.cols[i]);
        }
        break;
    case SQ_N_VALUES:
        for (uint32_t i = 0; i < p->u.values.nbatches; i++)
            assert_null(sq_batch_check(&p->u.values.rows[i]));
        break;
    case SQ_N_FILTER:
        check_same_columns(p, in);
        check_expr(p->u.filter.pred, in->cols, in->ncols);
        break;
    case SQ_N_PROJECT:
        for (uint32_t i = 0; i < p->ncols; i++) {
            check_expr(p->u.project.exprs[i], in->cols, in->ncols);
            assert_int_equal(sq_type_phys(p->cols[i].type), sq_type_phys(p->u.project.exprs[i]->type));
        }
        break;
    case SQ_N_WATERMARK:
        check_same_columns(p, in);
        check_expr(p->u.watermark.expr, p->cols, p->ncols);
        break;
    case SQ_N_AGGREGATE:
        check_aggregate(p, in);
        break;
    case SQ_N_JOIN:
        check_join(p);
        break;
    case SQ_N_UNION:
        for (uint32_t i = 0; i < p->ninputs; i++)
            check_same_columns(p, p->inputs[i]);
        break;
    case SQ_N_SORT:
    case SQ_N_LIMIT:
        for (uint32_t i = 0; i < p->u.sort.nkeys; i++)
            assert_true(p->u.sort.keys[i].col < p->ncols);
        check_same_columns(p, in);
        break;
    case SQ_N_SINK:
        assert_int_equal(p->ncols, p->u.sink.table->ncols);
        check_same_columns(p, in);
        break;
    case SQ_N_EXCHANGE:
    case SQ_N_COLLECT:
        check_same_columns(p, in);
        break;
    }
}

static void check_text(const char *sql, const char *got, const char *want)
{
    if (strcmp(got, want) != 0)
        fail_msg("\n%s\n--- got\n%s--- want\n%s---", sql, got, want);
}

static void explains_as(const char *sql, bool changelog, bool modes, const char *want)
{
    struct sq_job_plan *j;
    struct sq_buf b;
    if (plan(sql, changelog, &j) != SQ_OK)
        fail_msg("\n%s\n%s (%s)", sql, ctx.err.msg, ctx.err.hint);
    for (uint32_t i = 0; i < j->nroots; i++)
        check_plan(j->roots[i]);
    sq_buf_init(&b, &ctx);
    must(sq_explain(&b, j, modes));
    check_text(sql, b.p, want);
    sq_buf_free(&b);
}

#define PLAN(sql, ...) explains_as(sql, true, false, __VA_ARGS__)
#define TABLE_PLAN(sql, ...) explains_as(sql, false, false, __VA_ARGS__)

/* want: "message | text at the place | hint" */
static void fails_as(const char *sql, sq_rc rc, const char *want)
{
    struct sq_job_plan *j;
    char got[2200];
    sq_rc is = plan(sql, true, &j);
    if (is == SQ_OK)
        fail_msg("\n%s\nis planned, but should fail: %s", sql, want);
    const struct sq_error *e = &ctx.err;
    if (e->span.at + e->span.len > strlen(sql))
        fail_msg("\n%s\nthe place is outside the text: %s", sql, e->msg);
    snprintf(got, sizeof(got), "%s | %.*s | %s", e->msg, (int)e->span.len, sql + e->span.at, e->hint);
    check_text(sql, got, want);
    assert_int_equal(is, rc);
}

#define WRONG(sql, want) fails_as(sql, SQ_SEMANTIC, want)
#define REFUSED(sql, want) fails_as(sql, SQ_UNSUPPORTED, want)
#define NOTICED(want)                              \
    do {                                           \
        check_text("notices", notices, want);      \
        notices[0] = 0;                            \
    } while (0)

/* ---- plans ---- */

static void test_select(void **state)
{
    (void)state;
    PLAN("SELECT 1",
         "Collect inserts, emit=each\n"
         "  Values 1 row, columns EXPR$0\n");
    PLAN("SELECT 1 + 2 AS x, 'a' || 'b', NULL, DATE '2024-01-02'",
         "Collect inserts, emit=each\n"
         "  Values 1 row, columns x, EXPR$1, EXPR$2, EXPR$3\n");
    PLAN("SELECT id, id, v + 1, v + 1 AS y FROM t WHERE v > 3 AND TRUE",
         "Collect inserts, emit=each\n"
         "  Project id, id AS id0, v + 1 AS EXPR$2, v + 1 AS y\n"
         "    Filter v > 3\n"
         "      Scan t (stream) columns id, v\n");
    PLAN("SELECT id FROM t WHERE v IN (1, 2, 3) AND k NOT IN ('a', 'b') AND v BETWEEN 1 AND 4",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Filter v IN (1, 2, 3) AND k NOT IN ('a', 'b') AND v >= 1 AND v <= 4\n"
         "      Scan t (stream) columns id, k, v\n");
    PLAN("SELECT id FROM t WHERE v BETWEEN SYMMETRIC 5 AND 2 OR NOT (v = 7)",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Filter v >= 5 AND v <= 2 OR v >= 2 AND v <= 5 OR NOT v = 7\n"
         "      Scan t (stream) columns id, v\n");
    PLAN("SELECT id FROM t WHERE (v > 1 OR TRUE) AND k = 'a' AND 2 > 1",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Filter k = 'a'\n"
         "      Scan t (stream) columns id, k\n");
    PLAN("SELECT id FROM t WHERE id = 1 OR NULL",
         "Collect inserts, emit=each\n"
         "  Filter id = 1 OR NULL\n"
         "    Scan t (stream) columns id\n");
    PLAN("SELECT * FROM t WHERE 1 = 2",
         "Collect inserts, emit=each\n"
         "  Filter FALSE\n"
         "    Scan t (stream) columns id, k, v, w, d, ts\n");
    PLAN("SELECT NULLIF(v, 0), IFNULL(v, 1), COALESCE(v, w, 3), IF(v > 1, 'a', 'bb'), v IS DISTINCT FROM w, k LIKE 'a%', k NOT LIKE 'b', NOT (v > 1) FROM t",
         "Collect inserts, emit=each\n"
         "  Project CASE WHEN v = 0 THEN NULL ELSE v END AS EXPR$0, COALESCE(v, 1) AS EXPR$1, COALESCE(CAST(v AS BIGINT), w, 3) AS EXPR$2, CASE WHEN v > 1 THEN 'a' ELSE 'bb' END AS EXPR$3, CAST(v AS BIGINT) IS DISTINCT FROM w AS EXPR$4, k LIKE 'a%' AS EXPR$5, k NOT LIKE 'b' AS EXPR$6, NOT v > 1 AS EXPR$7\n"
         "    Scan t (stream) columns k, v, w\n");
    PLAN("SELECT CASE v WHEN 1 THEN 'one' WHEN 2 THEN 'two' END, CASE WHEN FALSE THEN 1 WHEN v > 2 THEN 2 ELSE 3 END FROM t",
         "Collect inserts, emit=each\n"
         "  Project CASE WHEN v = 1 THEN 'one' WHEN v = 2 THEN 'two' END AS EXPR$0, CASE WHEN v > 2 THEN 2 ELSE 3 END AS EXPR$1\n"
         "    Scan t (stream) columns v\n");
    PLAN("SELECT COALESCE(NULL, id, v), id IS NULL, -(v), +v FROM o JOIN (SELECT v FROM t) ON TRUE",
         "Collect inserts, emit=each\n"
         "  Project id AS EXPR$0, FALSE AS EXPR$1, -v AS EXPR$2, v AS EXPR$3\n"
         "    Join CROSS  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan o (stream) columns id\n"
         "      Scan t (stream) columns v\n");
    PLAN("SELECT v / 2, d / 3, d * v, -v, v % 2, 1/0 FROM t",
         "Collect inserts, emit=each\n"
         "  Project v / 2 AS EXPR$0, d / 3 AS EXPR$1, d * CAST(v AS DECIMAL(10, 0)) AS EXPR$2, -v AS EXPR$3, v % 2 AS EXPR$4, 1 / 0 AS EXPR$5\n"
         "    Scan t (stream) columns v, d\n");
    PLAN("SELECT id, ts + INTERVAL '1' DAY, ts - INTERVAL '1-2' YEAR TO MONTH, EXTRACT(YEAR FROM ts), FLOOR(ts TO DAY) FROM t",
         "Collect inserts, emit=each\n"
         "  Project id, ts + INTERVAL '1' DAY AS EXPR$1, ts - INTERVAL '14' MONTH AS EXPR$2, EXTRACT(YEAR, ts) AS EXPR$3, FLOOR(ts, DAY) AS EXPR$4\n"
         "    Scan t (stream) columns id, ts\n");
    PLAN("SELECT a.b, a.c.d, r.a.c.d, l[1], m['x'] FROM r",
         "Collect inserts, emit=each\n"
         "  Project a.b AS b, a.c.d AS d, a.c.d AS d0, l[1] AS EXPR$3, m['x'] AS EXPR$4\n"
         "    Scan r (stream) columns a, l, m\n");
    PLAN("SELECT CAST(v AS STRING), TRY_CAST(k AS INT), CAST(1 AS BIGINT), CAST(v AS INT) FROM t",
         "Collect inserts, emit=each\n"
         "  Project CAST(v AS STRING) AS EXPR$0, TRY_CAST(k AS INT) AS EXPR$1, 1 AS EXPR$2, v AS EXPR$3\n"
         "    Scan t (stream) columns k, v\n");
    PLAN("SELECT default_catalog.default_database.t.id, default_database.t.v, t.k FROM t",
         "Collect inserts, emit=each\n"
         "  Project id, v, k\n"
         "    Scan t (stream) columns id, k, v\n");
    PLAN("SELECT v + 1 AS a FROM (SELECT v * 2 AS v FROM t WHERE w > 0) WHERE v < 10",
         "Collect inserts, emit=each\n"
         "  Project v * 2 + 1 AS a\n"
         "    Filter w > 0 AND v * 2 < 10\n"
         "      Scan t (stream) columns v, w\n");
}

static void test_group(void **state)
{
    (void)state;
    PLAN("SELECT k, COUNT(*), SUM(v), MIN(v), MAX(v), AVG(v) FROM t GROUP BY k",
         "Collect changes, emit=each\n"
         "  Aggregate by (k): COUNT(*), SUM(v), MIN(v), MAX(v), AVG(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k, v\n");
    PLAN("SELECT k, COUNT(*) AS n FROM t GROUP BY k HAVING COUNT(*) > 3 AND k <> 'a'",
         "Collect changes, emit=each\n"
         "  Filter COUNT(*) > 3 [retract]\n"
         "    Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Filter k <> 'a'\n"
         "        Scan t (stream) columns k\n");
    PLAN("SELECT COUNT(*) FROM t",
         "Collect changes, emit=each\n"
         "  Aggregate: COUNT(*) [retract]  state: one row\n"
         "    Scan t (stream) columns id\n");
    PLAN("SELECT COUNT(*), COUNT(id), COUNT(k) FROM o",
         "Collect changes, emit=each\n"
         "  Project COUNT(*) AS EXPR$0, COUNT(*) AS EXPR$1, COUNT(k) AS EXPR$2 [retract]\n"
         "    Aggregate: COUNT(*), COUNT(k) [retract]  state: one row\n"
         "      Scan o (stream) columns k\n");
    PLAN("SELECT UPPER(k), SUM(v) + 1 FROM t GROUP BY UPPER(k)",
         "Collect changes, emit=each\n"
         "  Project UPPER(k) AS EXPR$0, SUM(v) + 1 AS EXPR$1 [retract]\n"
         "    Aggregate by (UPPER(k)): SUM(v) [retract]  state: one row for each (UPPER(k)), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project UPPER(k), v\n"
         "        Scan t (stream) columns k, v\n");
    PLAN("SELECT k, SUM(v) FILTER (WHERE w > 1), COUNT(DISTINCT v), SUM(v) + SUM(v) FROM t GROUP BY k",
         "Collect changes, emit=each\n"
         "  Project k, SUM(v) FILTER (WHERE w > 1) AS EXPR$1, COUNT(DISTINCT v) AS EXPR$2, SUM(v) + SUM(v) AS EXPR$3 [retract]\n"
         "    Aggregate by (k): SUM(v) FILTER (WHERE w > 1), COUNT(DISTINCT v), SUM(v) [retract]  state: one row for each (k) and every different value of v, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project k, v, w > 1\n"
         "        Scan t (stream) columns k, v, w\n");
    PLAN("SELECT k, SUM(v) AS s FROM t GROUP BY k, v + 1",
         "Collect changes, emit=each\n"
         "  Project k, SUM(v) AS s [retract]\n"
         "    Aggregate by (k, v + 1): SUM(v) [retract]  state: one row for each (k, v + 1), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project k, v + 1, v\n"
         "        Scan t (stream) columns k, v\n");
    PLAN("SELECT CASE WHEN v > 4 THEN 'hi' WHEN v IS NULL THEN NULL ELSE 'lo' END AS c, COUNT(*) FROM t GROUP BY CASE WHEN v > 4 THEN 'hi' WHEN v IS NULL THEN NULL ELSE 'lo' END",
         "Collect changes, emit=each\n"
         "  Aggregate by (CASE WHEN v > 4 THEN 'hi' WHEN v IS NULL THEN NULL ELSE 'lo' END): COUNT(*) [retract]  state: one row for each (CASE WHEN v > 4 THEN 'hi' WHEN v IS NULL THEN NULL ELSE 'lo' END), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Project CASE WHEN v > 4 THEN 'hi' WHEN v IS NULL THEN NULL ELSE 'lo' END\n"
         "      Scan t (stream) columns v\n");
    PLAN("SELECT DISTINCT k FROM t",
         "Collect inserts, emit=each\n"
         "  Distinct by (k)  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k\n");
    PLAN("SELECT SUM(s) FROM (SELECT k, SUM(v) AS s FROM t GROUP BY k) GROUP BY s",
         "Collect changes, emit=each\n"
         "  Project SUM(s) AS EXPR$0 [retract]\n"
         "    Aggregate by (SUM(v)): SUM(SUM(v)) [retract]  state: one row for each (SUM(v)), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Aggregate by (k): SUM(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "        Scan t (stream) columns k, v\n");
    PLAN("SELECT MAX(v), COUNT(DISTINCT k) FROM c GROUP BY v",
         "Collect changes, emit=each\n"
         "  Project MAX(v) AS EXPR$0, COUNT(DISTINCT k) AS EXPR$1 [retract]\n"
         "    Aggregate by (v): MAX(v), COUNT(DISTINCT k) [retract]  state: one row for each (v) and every different value of v, k, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan c (changes) columns k, v [retract]\n");
    PLAN("SELECT id FROM f GROUP BY (id, k)",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Distinct by (id, k)  state: one row for each (id, k), until the end of input\n"
         "      Scan f (filesystem) columns id, k\n");
    PLAN("SELECT SUM(v) FROM f ORDER BY MAX(w)",
         "Collect inserts, emit=each\n"
         "  Project SUM(v) AS EXPR$0\n"
         "    Sort by MAX(w)  state: all rows, until the end of input\n"
         "      Aggregate: SUM(v), MAX(w) [retract]  state: one row\n"
         "        Scan f (filesystem) columns v, w\n");
    PLAN("SELECT 1 FROM t GROUP BY ()",
         "Collect changes, emit=each\n"
         "  Project 1 AS EXPR$0 [retract]\n"
         "    Aggregate [retract]  state: one row\n"
         "      Scan t (stream) columns id\n");
    PLAN("SELECT s FROM (SELECT k, COUNT(*) AS n, SUM(v) AS s FROM t GROUP BY k)",
         "Collect changes, emit=each\n"
         "  Project SUM(v) AS s [retract]\n"
         "    Aggregate by (k): SUM(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns k, v\n");
}

static void test_joins(void **state)
{
    (void)state;
    PLAN("SELECT t.id, o.x FROM t JOIN o ON t.id = o.id AND t.v > o.x",
         "Collect inserts, emit=each\n"
         "  Project id, x\n"
         "    Join INNER on id = id, where CAST(v AS DOUBLE) > x  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id, v\n"
         "      Scan o (stream) columns id, x\n");
    PLAN("SELECT t.id, o.x FROM t LEFT JOIN o ON t.id = o.id AND o.x > 1 AND t.v > 5 WHERE t.v > 2",
         "Collect changes, emit=each\n"
         "  Project id, x [retract]\n"
         "    Join LEFT on id = id, where v > 5 [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Filter v > 2\n"
         "        Scan t (stream) columns id, v\n"
         "      Filter x > 1.0\n"
         "        Scan o (stream) columns id, x\n");
    PLAN("SELECT t.id, o.x FROM t RIGHT JOIN o ON t.id = o.id AND t.v > 5 AND o.x > 1",
         "Collect changes, emit=each\n"
         "  Project id, x [retract]\n"
         "    Join RIGHT on id = id, where x > 1.0 [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project id\n"
         "        Filter v > 5\n"
         "          Scan t (stream) columns id, v\n"
         "      Scan o (stream) columns id, x\n");
    PLAN("SELECT t.id, o.x FROM t LEFT JOIN o ON t.id = o.id WHERE o.x > 1",
         "Collect inserts, emit=each\n"
         "  Project id, x\n"
         "    Join INNER on id = id  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id\n"
         "      Filter x > 1.0\n"
         "        Scan o (stream) columns id, x\n");
    PLAN("SELECT t.id, o.x FROM t LEFT JOIN o ON t.id = o.id WHERE o.x IS NULL",
         "Collect changes, emit=each\n"
         "  Project id, x [retract]\n"
         "    Filter x IS NULL [retract]\n"
         "      Join LEFT on id = id [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "        Scan t (stream) columns id\n"
         "        Scan o (stream) columns id, x\n");
    PLAN("SELECT t.id, o.x FROM t FULL JOIN o ON t.id = o.id AND o.k <> 'cat'",
         "Collect changes, emit=each\n"
         "  Project id, x [retract]\n"
         "    Join FULL on id = id, where k <> 'cat' [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id\n"
         "      Scan o (stream) columns id, k, x\n");
    PLAN("SELECT t.id, o.x FROM t FULL JOIN o ON t.id = o.id WHERE t.v = 1",
         "Collect changes, emit=each\n"
         "  Project id, x [retract]\n"
         "    Join LEFT on id = id [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project id\n"
         "        Filter v = 1\n"
         "          Scan t (stream) columns id, v\n"
         "      Scan o (stream) columns id, x\n");
    PLAN("SELECT t.id, o.x FROM t, o WHERE t.id = o.id AND t.k = 'a' AND o.k = 'b' AND t.v < o.x",
         "Collect inserts, emit=each\n"
         "  Project id, x\n"
         "    Join INNER on id = id, where CAST(v AS DOUBLE) < x  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project id, v\n"
         "        Filter k = 'a'\n"
         "          Scan t (stream) columns id, k, v\n"
         "      Project id, x\n"
         "        Filter k = 'b'\n"
         "          Scan o (stream) columns id, k, x\n");
    PLAN("SELECT t.id, o.x FROM t CROSS JOIN o",
         "Collect inserts, emit=each\n"
         "  Join CROSS  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns id\n"
         "    Scan o (stream) columns x\n");
    PLAN("SELECT id, x FROM t JOIN o USING (id)",
         "Collect inserts, emit=each\n"
         "  Project id, x\n"
         "    Join INNER on id = id  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id\n"
         "      Scan o (stream) columns id, x\n");
    PLAN("SELECT id, x FROM t FULL JOIN o USING (id)",
         "Collect changes, emit=each\n"
         "  Project COALESCE(id, id) AS id, x [retract]\n"
         "    Join FULL on id = id [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id\n"
         "      Scan o (stream) columns id, x\n");
    PLAN("SELECT * FROM t NATURAL JOIN o",
         "Collect inserts, emit=each\n"
         "  Project id, k, v, w, d, ts, x\n"
         "    Join INNER on id = id AND k = k  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id, k, v, w, d, ts\n"
         "      Scan o (stream) columns id, k, x\n");
    PLAN("SELECT * FROM f JOIN o ON f.w = o.id",
         "Collect inserts, emit=each\n"
         "  Project id, k, v, w, id AS id0, k AS k0, x\n"
         "    Join INNER on w = CAST(id AS BIGINT)  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan f (filesystem) columns id, k, v, w\n"
         "      Project id, k, x, CAST(id AS BIGINT)\n"
         "        Scan o (stream) columns id, k, x\n");
    PLAN("SELECT t.id FROM t JOIN o ON UPPER(t.k) = o.k AND t.id IS NOT DISTINCT FROM o.id",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Join INNER on UPPER(k) = k AND id IS NOT DISTINCT FROM id  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project id, UPPER(k)\n"
         "        Scan t (stream) columns id, k\n"
         "      Scan o (stream) columns id, k\n");
    PLAN("SELECT a.id FROM t a JOIN t b ON a.id = b.v JOIN o ON o.id = b.id",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Join INNER on id = id  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project id, id\n"
         "        Join INNER on id = v  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "          Scan t (stream) columns id\n"
         "          Scan t (stream) columns id, v\n"
         "      Scan o (stream) columns id\n");
    PLAN("SELECT a.id FROM t a JOIN (SELECT id AS z FROM o WHERE x > 1) ON a.id = z",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Join INNER on id = z  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id\n"
         "      Project id AS z\n"
         "        Filter x > 1.0\n"
         "          Scan o (stream) columns id, x\n");
    PLAN("SELECT COUNT(*) FROM t JOIN f ON t.id = f.id",
         "Collect changes, emit=each\n"
         "  Aggregate: COUNT(*) [retract]  state: one row\n"
         "    Join INNER on id = id  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns id\n"
         "      Scan f (filesystem) columns id\n");
}

static void test_unions(void **state)
{
    (void)state;
    PLAN("SELECT id FROM t UNION ALL SELECT w FROM f",
         "Collect inserts, emit=each\n"
         "  Union\n"
         "    Project CAST(id AS BIGINT) AS id\n"
         "      Scan t (stream) columns id\n"
         "    Scan f (filesystem) columns w\n");
    PLAN("SELECT id FROM t UNION SELECT id FROM f",
         "Collect inserts, emit=each\n"
         "  Distinct by (id)  state: one row for each (id), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Union\n"
         "      Scan t (stream) columns id\n"
         "      Scan f (filesystem) columns id\n");
    PLAN("SELECT * FROM (SELECT id, k FROM t UNION ALL SELECT id, k FROM f UNION ALL SELECT 1, 'x') WHERE id > 3",
         "Collect inserts, emit=each\n"
         "  Union\n"
         "    Filter id > 3\n"
         "      Scan t (stream) columns id, k\n"
         "    Filter id > 3\n"
         "      Scan f (filesystem) columns id, k\n"
         "    Project 1 AS EXPR$0, 'x' AS EXPR$1\n"
         "      Filter FALSE\n"
         "        Values 1 row\n");
    PLAN("SELECT k FROM (SELECT id, k FROM t UNION ALL SELECT id, k FROM f)",
         "Collect inserts, emit=each\n"
         "  Union\n"
         "    Scan t (stream) columns k\n"
         "    Scan f (filesystem) columns k\n");
    PLAN("VALUES (1), (2.5)",
         "Collect inserts, emit=each\n"
         "  Values 2 rows, columns EXPR$0\n");
    PLAN("SELECT b FROM (VALUES (1, 'a'), (2, 'bcd'), (NULL, 'x')) AS q (a, b) WHERE a > 1",
         "Collect inserts, emit=each\n"
         "  Project b\n"
         "    Filter a > 1\n"
         "      Values 3 rows, columns a, b\n");
}

static void test_ordering(void **state)
{
    (void)state;
    PLAN("SELECT id FROM f ORDER BY v DESC, id LIMIT 3",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Sort by v DESC, id limit 3  state: all rows, until the end of input\n"
         "      Scan f (filesystem) columns id, v\n");
    PLAN("SELECT k, SUM(v) AS s FROM f GROUP BY k ORDER BY s, k NULLS LAST",
         "Collect inserts, emit=each\n"
         "  Sort by s, k NULLS LAST  state: all rows, until the end of input\n"
         "    Aggregate by (k): SUM(v) [retract]  state: one row for each (k), until the end of input\n"
         "      Scan f (filesystem) columns k, v\n");
    PLAN("SELECT v AS a FROM f ORDER BY a + 1, 1 DESC NULLS FIRST",
         "Collect inserts, emit=each\n"
         "  Project a\n"
         "    Sort by v + 1, a DESC NULLS FIRST  state: all rows, until the end of input\n"
         "      Project v AS a, v + 1\n"
         "        Scan f (filesystem) columns v\n");
    PLAN("SELECT id FROM f LIMIT 3 OFFSET 1",
         "Collect inserts, emit=each\n"
         "  Limit 3 offset 1\n"
         "    Scan f (filesystem) columns id\n");
    PLAN("SELECT k, COUNT(*) FROM f GROUP BY k LIMIT 3",
         "Collect inserts, emit=each\n"
         "  Materialize limit 3  state: all rows, until the end of input\n"
         "    Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), until the end of input\n"
         "      Scan f (filesystem) columns k\n");
    PLAN("SELECT k FROM t GROUP BY k LIMIT 3",
         "Collect inserts, emit=each\n"
         "  Limit 3\n"
         "    Distinct by (k)  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns k\n");
    PLAN("SELECT id FROM (SELECT id FROM t ORDER BY v)",
         "Collect inserts, emit=each\n"
         "  Scan t (stream) columns id\n");
    PLAN("SELECT id FROM f UNION ALL SELECT v FROM f ORDER BY id + 1 LIMIT 2",
         "Collect inserts, emit=each\n"
         "  Project id\n"
         "    Sort by id + 1 limit 2  state: all rows, until the end of input\n"
         "      Project id, id + 1\n"
         "        Union\n"
         "          Scan f (filesystem) columns id\n"
         "          Scan f (filesystem) columns v\n");
}

static void test_tables(void **state)
{
    (void)state;
    PLAN("SELECT * FROM vw WHERE key = 'a'",
         "Collect changes, emit=each\n"
         "  Aggregate by (k): SUM(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Filter k = 'a'\n"
         "      Scan t (stream) columns k, v\n");
    PLAN("SELECT total FROM vw AS q (a, total)",
         "Collect changes, emit=each\n"
         "  Project SUM(v) AS total [retract]\n"
         "    Aggregate by (k): SUM(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns k, v\n");
    PLAN("WITH q AS (SELECT k, v FROM t WHERE v > 0), p (g, n) AS (SELECT k, COUNT(*) FROM q GROUP BY k) SELECT g, n FROM p",
         "Collect changes, emit=each\n"
         "  Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Filter v > 0\n"
         "      Scan t (stream) columns k, v\n");
    PLAN("SELECT * FROM e",
         "Collect inserts, emit=each\n"
         "  Watermark ts AS ts - INTERVAL '5' SECOND\n"
         "    Project id, ms, TO_TIMESTAMP_LTZ(ms, 3) AS ts, p, id * 2 AS twice\n"
         "      Scan e (stream) columns id, ms, p\n");
    PLAN("SELECT twice FROM e WHERE id > 3",
         "Collect inserts, emit=each\n"
         "  Project twice\n"
         "    Filter id > 3\n"
         "      Watermark ts AS ts - INTERVAL '5' SECOND\n"
         "        Project id, TO_TIMESTAMP_LTZ(ms, 3) AS ts, id * 2 AS twice\n"
         "          Scan e (stream) columns id, ms\n");
    PLAN("SELECT p FROM e",
         "Collect inserts, emit=each\n"
         "  Project p\n"
         "    Watermark ts AS ts - INTERVAL '5' SECOND\n"
         "      Project TO_TIMESTAMP_LTZ(ms, 3) AS ts, p\n"
         "        Scan e (stream) columns ms, p\n");
    PLAN("SELECT id FROM f /*+ OPTIONS('path' = 'b') */",
         "Collect inserts, emit=each\n"
         "  Scan f (filesystem: b) columns id\n");
}

static void test_changelog(void **state)
{
    (void)state;
    PLAN("INSERT INTO db SELECT k, COUNT(*) FROM t GROUP BY k",
         "Sink db (db) upsert by (k) (the key of the query), emit=net\n"
         "  Aggregate by (k): COUNT(*) [upsert by (k)]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k\n");
    NOTICED("db has no PRIMARY KEY; rows are upserted by (k), the key of the query\n");
    PLAN("INSERT INTO db1 SELECT k, COUNT(*) FROM t GROUP BY k",
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Aggregate by (k): COUNT(*) [upsert by (k)]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k\n");
    PLAN("INSERT INTO db1 SELECT k, COUNT(*) FROM t GROUP BY k HAVING COUNT(*) < 10",
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Filter COUNT(*) < 10 [retract]\n"
         "    Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan t (stream) columns k\n");
    PLAN("INSERT INTO db1 SELECT 'all', COUNT(*) FROM t",
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Project 'all' AS k, COUNT(*) AS n [upsert]\n"
         "    Aggregate: COUNT(*) [upsert]  state: one row\n"
         "      Scan t (stream) columns id\n");
    PLAN("INSERT INTO db1 SELECT k, w FROM t",
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Scan t (stream) columns k, w\n");
    PLAN("INSERT INTO db2 SELECT k, COUNT(*) FROM t GROUP BY k",
         "Sink db2 (db) upsert by (k, n), emit=net\n"
         "  Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k\n");
    PLAN("INSERT INTO db SELECT k, w FROM t",
         "Sink db (db) insert, emit=net\n"
         "  Scan t (stream) columns k, w\n");
    PLAN("INSERT INTO app SELECT DISTINCT k, w FROM t",
         "Sink app (filesystem) insert, emit=net\n"
         "  Distinct by (k, w)  state: one row for each (k, w), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k, w\n");
    PLAN("INSERT INTO log SELECT k, COUNT(*) FROM t GROUP BY k",
         "Sink log (log) retract, emit=each\n"
         "  Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Scan t (stream) columns k\n");
    PLAN("INSERT INTO log SELECT k, SUM(v) FROM c GROUP BY k",
         "Sink log (log) retract, emit=each\n"
         "  Project k, CAST(SUM(v) AS BIGINT) AS n [retract]\n"
         "    Aggregate by (k): SUM(v) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Scan c (changes) columns k, v [retract]\n");
    PLAN("INSERT INTO kv SELECT id, k, v FROM u",
         "Sink kv (kv) upsert by (id), emit=net\n"
         "  Scan u (upserts) columns id, k, v [upsert by (id)]\n");
    PLAN("INSERT INTO kv SELECT * FROM c WHERE v > 1",
         "Sink kv (kv) upsert by (id), emit=net\n"
         "  Filter v > 1 [retract]\n"
         "    Scan c (changes) columns id, k, v [retract]\n");
    PLAN("INSERT INTO db1 SELECT a.k, a.n FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) a JOIN (SELECT k, COUNT(*) AS n FROM f GROUP BY k) b ON a.k = b.k",
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Project k, n [retract]\n"
         "    Join INNER on k = k [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "        Scan t (stream) columns k\n"
         "      Distinct by (k)  state: one row for each (k), until the end of input\n"
         "        Scan f (filesystem) columns k\n");
    PLAN("INSERT INTO db1 SELECT a.k, b.n FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) a LEFT JOIN (SELECT k, COUNT(*) AS n FROM f GROUP BY k) b ON a.k = b.k",
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Project k, n [retract]\n"
         "    Join LEFT on k = k [retract]  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Distinct by (k)  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "        Scan t (stream) columns k\n"
         "      Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), until the end of input\n"
         "        Scan f (filesystem) columns k\n");
    PLAN("INSERT INTO db SELECT k, COUNT(*) FROM (SELECT k, v FROM c UNION ALL SELECT k, v FROM t) GROUP BY k",
         "Sink db (db) upsert by (k) (the key of the query), emit=net\n"
         "  Aggregate by (k): COUNT(*) [upsert by (k)]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Union [retract]\n"
         "      Scan c (changes) columns k [retract]\n"
         "      Scan t (stream) columns k\n");
    NOTICED("db has no PRIMARY KEY; rows are upserted by (k), the key of the query\n");
    PLAN("EXECUTE STATEMENT SET BEGIN INSERT INTO log SELECT k, w FROM t; INSERT INTO db1 SELECT k, COUNT(*) FROM t WHERE v > 1 GROUP BY k; INSERT INTO app SELECT a.k, b.w FROM t a JOIN t b ON a.id = b.id; END",
         "Sink log (log) insert, emit=each\n"
         "  Project k, w AS n\n"
         "    Scan t (stream) columns id, k, v, w\n"
         "Sink db1 (db) upsert by (k), emit=net\n"
         "  Aggregate by (k): COUNT(*) [upsert by (k)]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
         "    Filter v > 1\n"
         "      Project k, v\n"
         "        Scan t (stream) columns id, k, v, w (the same as above)\n"
         "Sink app (filesystem) insert, emit=net\n"
         "  Project k, w AS n\n"
         "    Join INNER on id = id  state: the rows of both sides, kept for good; 'table.exec.state.ttl' would bound it\n"
         "      Project id, k\n"
         "        Scan t (stream) columns id, k, v, w (the same as above)\n"
         "      Scan t (stream) columns id, w\n");
}

static void test_inserts(void **state)
{
    (void)state;
    PLAN("INSERT INTO log (n) SELECT 1",
         "Sink log (log) insert, emit=each\n"
         "  Values 1 row, columns k, n\n");
    PLAN("INSERT INTO log (n, k) VALUES (1, 'a'), (2, 'b')",
         "Sink log (log) insert, emit=each\n"
         "  Values 2 rows, columns k, n\n");
    PLAN("INSERT INTO log SELECT k, v FROM t",
         "Sink log (log) insert, emit=each\n"
         "  Project k, CAST(v AS BIGINT) AS n\n"
         "    Scan t (stream) columns k, v\n");
    PLAN("INSERT INTO nn VALUES (NULL, 'a')",
         "Sink nn (log) insert, emit=each\n"
         "  Values 1 row, columns id, k\n");
    PLAN("INSERT INTO log SELECT k, 7 FROM t WHERE v > 1",
         "Sink log (log) insert, emit=each\n"
         "  Project k, 7 AS n\n"
         "    Filter v > 1\n"
         "      Scan t (stream) columns k, v\n");
    PLAN("INSERT INTO app SELECT 'x', v + w FROM f",
         "Sink app (filesystem) insert, emit=net\n"
         "  Project 'x' AS k, CAST(v AS BIGINT) + w AS n\n"
         "    Scan f (filesystem) columns v, w\n");
}

/* ---- errors ---- */

static void test_names_missing(void **state)
{
    (void)state;
    WRONG("SELECT prise FROM t",
          "no column 'prise' in t | prise | the columns are id, k, v, w, d, ts");
    WRONG("SELECT ID FROM t",
          "no column 'ID' in t | ID | did you mean 'id'?");
    WRONG("SELECT t.vv FROM t",
          "no column 'vv' in t | t.vv | the columns are id, k, v, w, d, ts");
    WRONG("SELECT x.v FROM t",
          "no table or column 'x' in FROM | x.v | ");
    WRONG("SELECT q.id FROM t AS q WHERE t.id > 1",
          "no table or column 't' in FROM | t.id | ");
    WRONG("SELECT id FROM t JOIN o ON t.id = o.id",
          "column 'id' is ambiguous: it is in 't' and 'o' | id | write t.id, for example");
    WRONG("SELECT a.id FROM t a JOIN (SELECT id FROM o) ON a.id = id",
          "column 'id' is ambiguous: it is in 'a' and a subquery | id | write a.id, for example");
    WRONG("SELECT * FROM tt",
          "no table 'tt' | tt | ");
    WRONG("SELECT t.* FROM o",
          "no table 't' in FROM | t.* | ");
    WRONG("SELECT UPER(k) FROM t",
          "no function 'UPER' | UPER | did you mean UPPER?");
    WRONG("SELECT id AS i FROM t WHERE i > 3",
          "no column 'i' in t | i | did you mean 'id'?");
    WRONG("SELECT k AS g, COUNT(*) FROM t GROUP BY g",
          "no column 'g' in t | g | 'g' is an alias of SELECT, which GROUP BY does not see: repeat the expression, or use a subquery");
    WRONG("SELECT a.x FROM r",
          "no field 'x' in 'a' | a.x | ");
    WRONG("SELECT a.c.x FROM r",
          "no field 'x' in 'c' | a.c.x | ");
    WRONG("SELECT id.x FROM t",
          "'id' is not a ROW, it has no field 'x' | id.x | ");
    WRONG("SELECT * FROM t JOIN t ON TRUE",
          "'t' is twice in FROM | t | give one of them another alias: t AS t2");
    WRONG("SELECT * FROM t JOIN o USING (v)",
          "USING column 'v' is not on the right side of the join | t JOIN o USING (v) | ");
    WRONG("SELECT * FROM t AS q (a, b)",
          "the list of 2 column names does not fit: 'q' has 6 columns | q | ");
    WRONG("WITH q AS (SELECT 1), q AS (SELECT 2) SELECT * FROM q",
          "WITH defines 'q' twice | q | ");
    WRONG("SELECT * FROM log",
          "table 'log' cannot be read: the connector 'log' is a sink only | log | ");
    WRONG("SELECT x",
          "no column 'x': there is no table here to take it from | x | ");
}

static void test_types_wrong(void **state)
{
    (void)state;
    WRONG("SELECT id FROM t WHERE v",
          "the condition of WHERE must be BOOLEAN, but this is INT | v | ");
    WRONG("SELECT id FROM t WHERE v > 1 AND k",
          "an operand of AND must be BOOLEAN, but this is STRING | k | ");
    WRONG("SELECT v + TRUE FROM t",
          "cannot apply '+' to (INT, BOOLEAN) | + | ");
    WRONG("SELECT CASE WHEN v > 1 THEN 'a' ELSE 2 END FROM t",
          "the branches of CASE have no common type: CHAR(1) NOT NULL and INT NOT NULL | 2 | write a CAST");
    WRONG("SELECT CASE WHEN v THEN 1 END FROM t",
          "the condition of WHEN must be BOOLEAN, but this is INT | v | ");
    WRONG("SELECT COALESCE(v, k) FROM t",
          "the arguments of COALESCE have no common type: INT and STRING | k | write a CAST");
    WRONG("SELECT CAST(k AS ROW<a INT>) FROM t",
          "cannot cast STRING to ROW<`a` INT> | CAST(k AS ROW<a INT>) | ");
    WRONG("SELECT v[1] FROM t",
          "only an ARRAY or a MAP can be indexed by [ ] | v[1] | ");
    WRONG("SELECT l['a'] FROM r",
          "the index of an ARRAY must be an integer | 'a' | ");
    WRONG("SELECT id FROM t UNION ALL SELECT k FROM f",
          "columns number 1 ('id') of the queries of UNION have no common type: INT and STRING | SELECT id FROM t UNION ALL SELECT k FROM f | write a CAST");
    WRONG("SELECT id FROM t UNION ALL SELECT id, k FROM f",
          "the queries of UNION must have as many columns: the first has 1, this one 2 | SELECT id, k FROM f | ");
    WRONG("VALUES (1), (1, 2)",
          "every row of VALUES must have as many values: the first has 1, this one 2 | (1, 2) | ");
    WRONG("SELECT DATE '2024-13-01'",
          "'2024-13-01' is not a date: write DATE 'yyyy-MM-dd' | DATE '2024-13-01' | ");
    WRONG("SELECT TIMESTAMP 'x'",
          "'x' is not a timestamp: write TIMESTAMP 'yyyy-MM-dd HH:mm:ss' | TIMESTAMP 'x' | ");
    WRONG("SELECT INTERVAL '1 25' DAY TO HOUR",
          "'1 25' is not an interval of DAY TO HOUR | INTERVAL '1 25' DAY TO HOUR | write INTERVAL '10' SECOND, INTERVAL '1 12:30:00' DAY TO SECOND or INTERVAL '1-6' YEAR TO MONTH");
    WRONG("SELECT 123456789012345678901234567890123456789",
          "the number has 39 digits, DECIMAL holds at most 38 | 123456789012345678901234567890123456789 | ");
    WRONG("SELECT ?",
          "parameter 1 has no value: bind one first | ? | ");
    WRONG("SELECT NULLIF(1)",
          "NULLIF takes 2 arguments, not 1 | NULLIF(1) | ");
}

static void test_grouping_wrong(void **state)
{
    (void)state;
    WRONG("SELECT id, COUNT(*) FROM t GROUP BY k",
          "column 'id' must be in GROUP BY or inside an aggregate | id | ");
    WRONG("SELECT id, COUNT(*) FROM t GROUP BY 1",
          "column 'id' must be in GROUP BY or inside an aggregate | id | a number in GROUP BY is a constant, not a position: write the expression");
    WRONG("SELECT v + 1 FROM t GROUP BY v + 2",
          "column 'v' must be in GROUP BY or inside an aggregate | v | ");
    WRONG("SELECT k, SUM(v) FROM t GROUP BY k HAVING v > 1",
          "column 'v' must be in GROUP BY or inside an aggregate | v | ");
    WRONG("SELECT SUM(COUNT(*)) FROM t",
          "aggregates cannot be nested: COUNT stands inside another aggregate | COUNT(*) | ");
    WRONG("SELECT id FROM t WHERE SUM(v) > 1",
          "the aggregate SUM cannot stand in WHERE | SUM(v) | conditions on aggregates go to HAVING");
    WRONG("SELECT k FROM t GROUP BY SUM(v)",
          "the aggregate SUM cannot stand in GROUP BY | SUM(v) | ");
    WRONG("SELECT t.id FROM t JOIN o ON COUNT(*) > 1",
          "the aggregate COUNT cannot stand in ON | COUNT(*) | ");
    WRONG("SELECT SUM(*) FROM t",
          "SUM(*) is not possible: only COUNT takes * | SUM(*) | ");
    WRONG("SELECT COUNT(v, w) FROM t",
          "COUNT takes one argument, not 2 | COUNT(v, w) | ");
    WRONG("SELECT UPPER(DISTINCT k) FROM t",
          "DISTINCT is for aggregate functions; UPPER is not one | UPPER(DISTINCT k) | ");
    WRONG("SELECT SUM(v) FILTER (WHERE v) FROM t",
          "the condition of FILTER must be BOOLEAN, but this is INT | v | ");
    WRONG("SELECT DISTINCT k FROM f ORDER BY v",
          "with SELECT DISTINCT, ORDER BY can only use what is selected | v | ");
    WRONG("SELECT id FROM f ORDER BY 2",
          "ORDER BY 2: there is 1 column | 2 | ");
    WRONG("SELECT id FROM f LIMIT -1",
          "LIMIT must be a whole number that is not negative | -1 | ");
}

static void test_not_yet(void **state)
{
    (void)state;
    REFUSED("SELECT id FROM t WHERE v IN (SELECT v FROM f)",
          "IN (subquery) is not supported yet | v IN (SELECT v FROM f) | ");
    REFUSED("SELECT id FROM t WHERE EXISTS (SELECT v FROM f)",
          "EXISTS (subquery) is not supported yet | EXISTS (SELECT v FROM f) | ");
    REFUSED("SELECT (SELECT MAX(v) FROM f) FROM t",
          "a scalar subquery is not supported yet | (SELECT MAX(v) FROM f) | ");
    REFUSED("SELECT SUM(v) OVER (PARTITION BY k) FROM t",
          "OVER windows are not supported yet | OVER (PARTITION BY k) | ");
    REFUSED("SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
          "window table functions (TUMBLE) are not supported yet | TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE) | ");
    REFUSED("SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)",
          "group windows (TUMBLE) are not supported yet | TUMBLE(ts, INTERVAL '1' MINUTE) | ");
    REFUSED("SELECT k, COUNT(*) FROM t GROUP BY ROLLUP (k)",
          "ROLLUP is not supported yet | ROLLUP (k) | ");
    REFUSED("SELECT k, COUNT(*) FROM t GROUP BY GROUPING SETS ((k), ())",
          "GROUPING SETS are not supported yet | GROUPING SETS ((k), ()) | ");
    REFUSED("SELECT id FROM t INTERSECT SELECT id FROM f",
          "INTERSECT is not supported yet | SELECT id FROM t INTERSECT SELECT id FROM f | ");
    REFUSED("SELECT id FROM t EXCEPT SELECT id FROM f",
          "EXCEPT is not supported yet | SELECT id FROM t EXCEPT SELECT id FROM f | ");
    REFUSED("SELECT * FROM t, UNNEST(l)",
          "UNNEST is not supported yet | UNNEST(l) | ");
    REFUSED("SELECT * FROM t FOR SYSTEM_TIME AS OF ts",
          "temporal joins (FOR SYSTEM_TIME AS OF) are not supported yet | ts | ");
    REFUSED("SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A) DEFINE A AS A.v > 1)",
          "MATCH_RECOGNIZE is not supported yet | MATCH_RECOGNIZE (PATTERN (A) DEFINE A AS A.v > 1) | ");
    REFUSED("SELECT id FROM t ORDER BY id",
          "ORDER BY needs an input that ends, and table 't' (connector 'stream') does not end | id | ");
    REFUSED("SELECT k, COUNT(*) FROM t GROUP BY k LIMIT 3",
          "LIMIT over rows that are updated needs an input that ends, and table 't' (connector 'stream') does not end | LIMIT 3 | ");
    WRONG("SELECT * FROM vw /*+ OPTIONS('a' = 'b') */",
          "OPTIONS cannot be given to a view: 'vw' is one | 'a' | ");
}

static void test_inserts_wrong(void **state)
{
    (void)state;
    WRONG("INSERT INTO log SELECT id, k FROM t",
          "column 1 ('id') of the query is INT, and cannot be written to 'k' of 'log', which is STRING | id | query: (id INT, k STRING), sink: (k STRING, n BIGINT)");
    WRONG("INSERT INTO log SELECT k FROM t",
          "the query has 1 column, but 2 are to be filled in 'log' | SELECT k FROM t | query: (k STRING), sink: (k STRING, n BIGINT)");
    WRONG("INSERT INTO log SELECT k, w, w FROM t",
          "the query has 3 columns, but 2 are to be filled in 'log' | w | query: (k STRING, w BIGINT, w0 BIGINT), sink: (k STRING, n BIGINT)");
    WRONG("INSERT INTO log (k, m) SELECT k, w FROM t",
          "no column 'm' in 'log' | m | ");
    WRONG("INSERT INTO log (k, k) SELECT k, w FROM t",
          "column 'k' is listed twice | k | ");
    WRONG("INSERT INTO nn (k) SELECT k FROM t",
          "column 'id' of 'nn' is NOT NULL and is not among the columns listed | nn | ");
    WRONG("INSERT INTO vw SELECT k, v FROM t",
          "'vw' is a view: rows can be inserted only into a table | vw | ");
    WRONG("INSERT INTO t SELECT * FROM t",
          "table 't' cannot be written: the connector 'stream' is a source only | t | ");
    WRONG("INSERT OVERWRITE log SELECT k, w FROM t",
          "INSERT OVERWRITE is possible only for the connector 'filesystem', and 'log' is 'log' | log | ");
    WRONG("INSERT OVERWRITE app SELECT k, w FROM t",
          "INSERT OVERWRITE needs an input that ends | app | ");
    REFUSED("INSERT INTO log PARTITION (k = 'a') SELECT w FROM t",
          "INSERT … PARTITION is not supported yet: give the column in the query | k | ");
    WRONG("INSERT INTO log VALUES ('a', 1), ('b', 'x')",
          "the values of one column of VALUES have no common type: INT NOT NULL and CHAR(1) NOT NULL | 'x' | write a CAST");
    WRONG("INSERT INTO log VALUES ('a', TRUE)",
          "column 2 ('EXPR$1') of the query is BOOLEAN NOT NULL, and cannot be written to 'n' of 'log', which is BIGINT | TRUE | query: (EXPR$0 CHAR(1) NOT NULL, EXPR$1 BOOLEAN NOT NULL), sink: (k STRING, n BIGINT)");
}

static void test_changelog_wrong(void **state)
{
    (void)state;
    WRONG("INSERT INTO app SELECT k, COUNT(*) FROM t GROUP BY k",
          "sink 'app' (connector 'filesystem') takes only inserts, but the query updates rows (GROUP BY) | k | write to a table with a PRIMARY KEY in a database, use the format 'debezium-json', or run it with 'execution.runtime-mode' = 'batch'");
    WRONG("INSERT INTO app SELECT t.k, o.id FROM t LEFT JOIN o ON t.id = o.id",
          "sink 'app' (connector 'filesystem') takes only inserts, but the query updates rows (LEFT JOIN) | t LEFT JOIN o ON t.id = o.id | write to a table with a PRIMARY KEY in a database, use the format 'debezium-json', or run it with 'execution.runtime-mode' = 'batch'");
    WRONG("INSERT INTO app SELECT k, v FROM c",
          "sink 'app' (connector 'filesystem') takes only inserts, but the query updates rows (it reads a table of changes) | c | write to a table with a PRIMARY KEY in a database, use the format 'debezium-json', or run it with 'execution.runtime-mode' = 'batch'");
    REFUSED("INSERT INTO kv SELECT MAX(v), k, id FROM t GROUP BY k, id",
          "the rows of the query are updated by (k, v), but the PRIMARY KEY of 'kv' is (id): that is not supported yet | k, id | declare PRIMARY KEY (k, v) NOT ENFORCED, or group the rows by (id)");
    REFUSED("INSERT INTO kv SELECT t.id, t.k, o.id FROM t LEFT JOIN o ON t.id = o.id",
          "the query updates rows (LEFT JOIN) and has no key, so they cannot be upserted by the PRIMARY KEY (id) of 'kv': that is not supported yet | t LEFT JOIN o ON t.id = o.id | group the rows by (id)");
    WRONG("INSERT INTO db SELECT 'x', COUNT(*) FROM t",
          "the query updates rows (an aggregate over all rows), but 'db' has no PRIMARY KEY and the query has no key of its own to upsert by | COUNT(*) | the result is one row: select a constant beside it ('all' AS name), and declare that column of the table PRIMARY KEY NOT ENFORCED");
    WRONG("INSERT INTO db SELECT 'x', COUNT(*) FROM t GROUP BY k",
          "the query updates rows (GROUP BY), but 'db' has no PRIMARY KEY and the query has no key of its own to upsert by | k | select the columns of GROUP BY too: they are the key");
    REFUSED("INSERT INTO log SELECT k, v FROM u",
          "table 'u' gives upserts by key, and this query needs to know what a row was before: that is not supported yet | u | only a query that passes the key on to a sink with that PRIMARY KEY can read it now");
    REFUSED("INSERT INTO log SELECT k, SUM(v) FROM u GROUP BY k",
          "table 'u' gives upserts by key, and this query needs to know what a row was before: that is not supported yet | u | only a query that passes the key on to a sink with that PRIMARY KEY can read it now");
    REFUSED("INSERT INTO kv SELECT id, k, v FROM u WHERE v > 1",
          "table 'u' gives upserts by key, and this query needs to know what a row was before: that is not supported yet | u | only a query that passes the key on to a sink with that PRIMARY KEY can read it now");
}

/* ---- modes of running ---- */

static void test_batch(void **state)
{
    (void)state;
    config.batch = true;
    PLAN("SELECT k, COUNT(*) FROM f GROUP BY k ORDER BY 2 DESC LIMIT 1",
         "Collect inserts, emit=each\n"
         "  Sort by EXPR$1 DESC limit 1  state: all rows, until the end of input\n"
         "    Aggregate by (k): COUNT(*)  state: one row for each (k), until the end of input\n"
         "      Scan f (filesystem) columns k\n");
    PLAN("SELECT k, COUNT(*) FROM f GROUP BY k LIMIT 1",
         "Collect inserts, emit=each\n"
         "  Limit 1\n"
         "    Aggregate by (k): COUNT(*)  state: one row for each (k), until the end of input\n"
         "      Scan f (filesystem) columns k\n");
    PLAN("INSERT INTO app SELECT f.k, o.w FROM f LEFT JOIN f AS o ON f.id = o.id",
         "Sink app (filesystem) insert, emit=net\n"
         "  Project k, w AS n\n"
         "    Join LEFT on id = id  state: the rows of both sides, until the end of input\n"
         "      Scan f (filesystem) columns id, k\n"
         "      Scan f (filesystem) columns id, w\n");
    PLAN("INSERT INTO db SELECT k, COUNT(*) FROM f GROUP BY k",
         "Sink db (db) upsert by (k) (the key of the query), emit=net\n"
         "  Aggregate by (k): COUNT(*)  state: one row for each (k), until the end of input\n"
         "    Scan f (filesystem) columns k\n");
    PLAN("INSERT INTO db2 SELECT k, COUNT(*) FROM f GROUP BY k",
         "Sink db2 (db) upsert by (k, n), emit=net\n"
         "  Aggregate by (k): COUNT(*)  state: one row for each (k), until the end of input\n"
         "    Scan f (filesystem) columns k\n");
    PLAN("INSERT OVERWRITE app SELECT k, w FROM f",
         "Sink app (filesystem) overwrite insert, emit=net\n"
         "  Scan f (filesystem) columns k, w\n");
    WRONG("SELECT * FROM t", "batch mode needs an input that ends, and table 't' (connector 'stream') does not end | t | SET 'execution.runtime-mode' = 'streaming'");
}

static void test_table_results(void **state)
{
    (void)state;
    TABLE_PLAN("SELECT k, COUNT(*) FROM f GROUP BY k",
               "Collect inserts, emit=net\n"
               "  Materialize  state: all rows, until the end of input\n"
               "    Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), until the end of input\n"
               "      Scan f (filesystem) columns k\n");
    TABLE_PLAN("SELECT k, COUNT(*) FROM t GROUP BY k",
               "Collect rows, emit=net\n"
               "  Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), kept for good; 'table.exec.state.ttl' would bound it\n"
               "    Scan t (stream) columns k\n");
    TABLE_PLAN("SELECT k FROM f", "Collect inserts, emit=net\n  Scan f (filesystem) columns k\n");
    config.mini_batch = 0;
    TABLE_PLAN("SELECT k FROM f", "Collect inserts, emit=each\n  Scan f (filesystem) columns k\n");
    config.mini_batch = 1;
    PLAN("SELECT k FROM f", "Collect inserts, emit=net\n  Scan f (filesystem) columns k\n");
    config.state_ttl_ms = 5000;
    PLAN("SELECT k, COUNT(*) FROM t GROUP BY k",
         "Collect changes, emit=net\n"
         "  Aggregate by (k): COUNT(*) [retract]  state: one row for each (k), dropped when not touched for 5000 ms ('table.exec.state.ttl')\n"
         "    Scan t (stream) columns k\n");
    config.state_ttl_ms = 0;
    explains_as("SELECT k FROM t WHERE v > 1", true, true,
                "Collect inserts, emit=net\n"
                "  Project k [insert]\n"
                "    Filter v > 1 [insert]\n"
                "      Scan t (stream) columns k, v [insert]\n");
}

/* ---- the parts of a plan that EXPLAIN does not show ---- */

static const struct sq_plan *find(const struct sq_plan *p, enum sq_plan_kind kind)
{
    if (p->kind == kind)
        return p;
    for (uint32_t i = 0; i < p->ninputs; i++) {
        const struct sq_plan *q = find(p->inputs[i], kind);
        if (q)
            return q;
    }
    return NULL;
}

static void check_node(const struct sq_plan *p, struct sq_job_plan *j, bool *ids, uint64_t *uids)
{
    assert_true(p->id < j->nnodes);
    assert_false(ids[p->id]);
    ids[p->id] = true;
    for (uint32_t i = 0; i < j->nnodes; i++)
        assert_true(!ids[i] || i == p->id || uids[i] != p->uid);
    uids[p->id] = p->uid;
    assert_true(p->mode == SQ_MODE_INSERT || p->mode == SQ_MODE_UPSERT || p->mode == SQ_MODE_RETRACT);
    for (uint32_t i = 0; i < p->ncols; i++) {
        assert_non_null(p->cols[i].type);
        assert_non_null(p->cols[i].name.p);
    }
    for (uint32_t i = 0; i < p->ninputs; i++)
        check_node(p->inputs[i], j, ids, uids);
}

static void test_nodes(void **state)
{
    struct sq_job_plan *j;
    bool ids[64] = {false};
    uint64_t uids[64];
    (void)state;
    must(plan("INSERT INTO log SELECT a.k, COUNT(*) FROM t a LEFT JOIN t b ON a.id = b.id JOIN t c ON a.id = c.id GROUP BY a.k", true, &j));
    assert_true(j->nnodes < 64);
    for (uint32_t i = 0; i < j->nroots; i++)
        check_node(j->roots[i], j, ids, uids);
    assert_false(j->bounded);
    const struct sq_plan *agg = find(j->roots[0], SQ_N_AGGREGATE);
    assert_int_equal(agg->nkeys, 1);
    assert_int_equal(agg->keys[0].n, 1);
    assert_int_equal(agg->cols[1].type->id, SQ_T_BIGINT);
    assert_false(agg->cols[1].type->nullable);
    assert_true(find(j->roots[0], SQ_N_SCAN)->span.len == 1);
    struct sq_job_plan *again;
    must(plan("INSERT INTO log SELECT a.k, COUNT(*) FROM t a LEFT JOIN t b ON a.id = b.id JOIN t c ON a.id = c.id GROUP BY a.k", true, &again));
    assert_true(again->roots[0]->uid == j->roots[0]->uid);
}

static void type_is(const char *expr, const char *want)
{
    struct sq_bind_env env = env_now();
    struct sq_field cols[] = {{SQ_STR("i"), &sq_type_int}, {SQ_STR("s"), &sq_type_string}, {SQ_STR("b"), sq_type_nullable(&arena, &sq_type_bigint, false)}};
    struct sq_ast_expr *a;
    struct sq_expr *e;
    struct sq_buf b;
    must(sq_parse_expr(&ctx, &arena, sq_str_of(expr), &a));
    must(sq_bind_scalar(&env, a, cols, SQ_LEN(cols), &e));
    sq_buf_init(&b, &ctx);
    must(sq_expr_print(&b, e, cols, SQ_LEN(cols)));
    sq_buf_puts(&b, " :: ");
    must(sq_type_print(&b, e->type));
    check_text(expr, b.p, want);
    sq_buf_free(&b);
}

static void test_types(void **state)
{
    (void)state;
    type_is("1", "1 :: INT NOT NULL");
    type_is("2147483647", "2147483647 :: INT NOT NULL");
    type_is("2147483648", "2147483648 :: BIGINT NOT NULL");
    type_is("9223372036854775808", "9223372036854775808 :: DECIMAL(19, 0) NOT NULL");
    type_is("0.05", "0.05 :: DECIMAL(3, 2) NOT NULL");
    type_is("12.", "12 :: INT NOT NULL");
    type_is("1e3", "1000.0 :: DOUBLE NOT NULL");
    type_is("'abc'", "'abc' :: CHAR(3) NOT NULL");
    type_is("'\xc3\xa9'", "'\xc3\xa9' :: CHAR(1) NOT NULL");
    type_is("TIMESTAMP '2024-01-01 00:00:00.123'", "TIMESTAMP '2024-01-01 00:00:00.123' :: TIMESTAMP(3) NOT NULL");
    type_is("TIMESTAMP '2024-01-01 00:00:00.123456789'", "TIMESTAMP '2024-01-01 00:00:00.123456789' :: TIMESTAMP(9) NOT NULL");
    type_is("INTERVAL '90' MINUTE", "INTERVAL '90' MINUTE :: INTERVAL DAY TO SECOND NOT NULL");
    type_is("INTERVAL '1 2:03:04.5' DAY TO SECOND", "INTERVAL '93784.500' SECOND :: INTERVAL DAY TO SECOND NOT NULL");
    type_is("INTERVAL -'1' DAY", "INTERVAL '-1' DAY :: INTERVAL DAY TO SECOND NOT NULL");
    type_is("NULL", "NULL :: NULL");
    type_is("i + b", "CAST(i AS BIGINT) + b :: BIGINT");
    type_is("b + 1", "b + 1 :: BIGINT NOT NULL");
    type_is("CASE WHEN i > 1 THEN 'a' END", "CASE WHEN i > 1 THEN 'a' END :: CHAR(1)");
    type_is("CASE WHEN i > 1 THEN b ELSE 1 END", "CASE WHEN i > 1 THEN b ELSE 1 END :: BIGINT NOT NULL");
    type_is("COALESCE(i, 1)", "COALESCE(i, 1) :: INT NOT NULL");
    type_is("b IN (1, 2, 3 + 1)", "b IN (1, 2, 4) :: BOOLEAN NOT NULL");
    type_is("i IN (b, 2)", "CAST(i AS BIGINT) = b OR i = 2 :: BOOLEAN");
    type_is("i > 1 AND (s = 'a' OR s = 'b')", "i > 1 AND (s = 'a' OR s = 'b') :: BOOLEAN");
    type_is("(i + 1) * 2 - (3 - i)", "(i + 1) * 2 - (3 - i) :: INT");
    type_is("NOT (i > 1 AND TRUE)", "NOT i > 1 :: BOOLEAN");
    type_is("b IS NULL", "FALSE :: BOOLEAN NOT NULL");
    type_is("CAST(b AS DECIMAL(19, 0))", "CAST(b AS DECIMAL(19, 0)) :: DECIMAL(19, 0) NOT NULL");
    type_is("CAST(b AS DECIMAL(20, 2))", "CAST(b AS DECIMAL(20, 2)) :: DECIMAL(20, 2)");
    type_is("CAST(b AS DECIMAL(20, 2)) IS NULL", "CAST(b AS DECIMAL(20, 2)) IS NULL :: BOOLEAN NOT NULL");
}

/* ---- limits and failures ---- */

static char *repeat(const char *head, const char *part, uint32_t n, const char *tail)
{
    struct sq_buf b;
    sq_buf_init(&b, &ctx);
    sq_buf_puts(&b, head);
    for (uint32_t i = 0; i < n; i++)
        sq_buf_puts(&b, part);
    sq_buf_puts(&b, tail);
    assert_int_equal(b.rc, SQ_OK);
    char *text = (char *)(uintptr_t)sq_str_dup(&arena, sq_buf_view(&b)).p;
    sq_buf_free(&b);
    assert_non_null(text);
    return text;
}

static void test_large(void **state)
{
    struct sq_job_plan *j;
    (void)state;
    must(plan(repeat("SELECT id FROM t WHERE id = 1", " OR id = 2", 900, ""), true, &j));
    must(plan(repeat("SELECT id FROM t WHERE v = 1", " + 1", 900, ""), true, &j));
    must(plan(repeat("SELECT id FROM t", " UNION ALL SELECT id FROM f", 300, ""), true, &j));
    must(plan(repeat("VALUES (1, 'a')", ", (2, 'a longer text than twelve')", 5000, ""), true, &j));
    const struct sq_plan *v = find(j->roots[0], SQ_N_VALUES);
    assert_int_equal(v->u.values.nbatches, 3);
    assert_int_equal(v->u.values.rows[2].rows, 5001 - 2 * SQ_BATCH_ROWS);
    for (uint32_t i = 0; i < 3; i++)
        assert_null(sq_batch_check(&v->u.values.rows[i]));
    must(plan(repeat("SELECT id FROM ", "(SELECT id FROM ", 60, repeat("t", ")", 60, "")), true, &j));
}

static void test_parameters(void **state)
{
    struct sq_bind_env env = env_now();
    int32_t five = 5;
    const struct sq_vec *values[] = {sq_vec_const_fixed(&arena, &sq_type_int, &five), sq_vec_const_str(&arena, &sq_type_string, SQ_STR("x"))};
    struct sq_job_plan *j;
    struct sq_buf b;
    (void)state;
    env.params = values;
    env.nparams = 2;
    must(sq_plan_select(&env, parse("SELECT id FROM t WHERE v > ? AND k = ?")->query, true, &config, &j));
    sq_buf_init(&b, &ctx);
    must(sq_explain(&b, j, false));
    check_text("parameters", b.p, "Collect inserts, emit=each\n  Project id\n    Filter v > 5 AND k = 'x'\n      Scan t (stream) columns id, k, v\n");
    sq_buf_free(&b);
}

/* Every allocation fails once: an error comes out, nothing else happens. */
static void test_out_of_memory(void **state)
{
    static const char *const sql[] = {
        "SELECT t.id, UPPER(o.k) FROM t LEFT JOIN o ON t.w = o.id AND o.x > 1 WHERE t.v IN (1, 2) ORDER BY t.id + 1",
        "INSERT INTO db SELECT k, COUNT(*) FROM (SELECT k, v FROM c UNION ALL SELECT k, v FROM t) GROUP BY k HAVING SUM(v) > 3",
        "INSERT INTO log (n, k) VALUES (1, 'a'), (2, 'b')",
    };
    (void)state;
    for (size_t i = 0; i < SQ_LEN(sql); i++) {
        int n = 1;
        for (int failed = 1; failed; n++) {
            struct sq_job_plan *j;
            struct sq_ast_stmt *s = parse(sql[i]);
            struct sq_arena scratch;
            struct sq_bind_env env = env_now();
            sq_arena_init(&scratch, &ctx);
            env.arena = &scratch;
            memset(&ctx.err, 0, sizeof(ctx.err));
            budget.fail_at = n;
            sq_rc rc = s->kind == SQ_S_INSERT ? sq_plan_inserts(&env, &s->insert, 1, &config, &j) : sq_plan_select(&env, s->query, true, &config, &j);
            failed = budget.fail_at <= 0;
            budget.fail_at = 0;
            if (failed)
                assert_int_equal(rc, SQ_NOMEM);
            sq_arena_free(&scratch);
        }
        assert_true(n > 3 && n < 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_select, setup, teardown),
        cmocka_unit_test_setup_teardown(test_group, setup, teardown),
        cmocka_unit_test_setup_teardown(test_joins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ordering, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changelog, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inserts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_types_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grouping_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inserts_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changelog_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_table_results, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nodes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parameters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
