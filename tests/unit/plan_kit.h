/* SPDX-License-Identifier: Apache-2.0
 *
 * plan_kit.h: what tests of the planner share: connectors that do nothing, tables of them, and comparing plans and errors with goldens that
 * stand beside the statements. Every plan is checked for holding together.
 */
#ifndef SQ_TEST_PLAN_KIT_H
#define SQ_TEST_PLAN_KIT_H

#include "executor/expr.h"
#include "planner/catalog.h"
#include "base/os.h"

#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

/* ---- connectors that do nothing ---- */

struct sq_table_ext { int unused; };

static inline sq_rc info_as(struct sq_source_info *i, bool bounded, unsigned mode)
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

static inline bool yes(const struct sq_table_spec *t, const struct sq_table_ext *e)
{
    (void)t, (void)e;
    return true;
}

static inline bool no(const struct sq_table_spec *t, const struct sq_table_ext *e)
{
    (void)t, (void)e;
    return false;
}

static const struct sq_sink_class append_sink = {.accepts = SQ_MODE_INSERT, .shows_changes = no};
static const struct sq_sink_class log_sink = {.accepts = SQ_MODE_INSERT | SQ_MODE_RETRACT, .shows_changes = yes};
static const struct sq_sink_class db_sink = {.accepts = SQ_MODE_INSERT | SQ_MODE_UPSERT, .shows_changes = no, .derives_key = true};
static const struct sq_sink_class kv_sink = {.accepts = SQ_MODE_UPSERT, .shows_changes = no};

static inline sq_rc make_ext(struct sq_ctx *c, struct sq_arena *a, const struct sq_table_spec *t, struct sq_table_ext **ext)
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

static inline void take_notice(void *arg, const char *text)
{
    (void)arg;
    snprintf(notices + strlen(notices), sizeof(notices) - strlen(notices), "%s\n", text);
}

static inline struct sq_bind_env env_now(void)
{
    return (struct sq_bind_env){.ctx = &ctx, .arena = &arena, .catalog = catalog, .settings = settings, .session = {.tz = sq_tz_utc, .os = ctx.os}};
}

static inline void must(sq_rc rc)
{
    if (rc != SQ_OK)
        fail_msg("%s (%s)", ctx.err.msg, ctx.err.hint);
}

static inline struct sq_ast_stmt *parse(const char *sql)
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

static inline struct sq_str keep(struct sq_table *t, struct sq_str s)
{
    return sq_str_dup(&t->arena, s);
}

static inline void add_columns(struct sq_table *t, const struct sq_ast_table *d, struct sq_table_column *stored)
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
            stored[t->spec.ncols++] = (struct sq_table_column){.name = t->cols[i].name, .type = c->metadata_key.p ? &sq_type_ltz3 : t->cols[i].type,   /* a key of its own: a time outside */
                                                                     .role = c->kind == SQ_C_METADATA ? SQ_COL_METADATA : SQ_COL_PHYSICAL};
        }
        fields[nfields++] = (struct sq_field){t->cols[i].name, t->cols[i].type};
    }
}

static inline void create(const char *sql)
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

static inline int setup(void **state)
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
        "CREATE TABLE timed (k STRING, ts TIMESTAMP(6) METADATA FROM 'time') WITH ('connector' = 'log')",
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

static inline int teardown(void **state)
{
    (void)state;
    sq_catalog_free(catalog);
    sq_settings_free(settings);
    sq_arena_free(&arena);
    assert_int_equal(budget.used, 0);
    return 0;
}

static inline sq_rc plan(const char *sql, bool changelog, struct sq_job_plan **j)
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

static inline void check_expr(const struct sq_expr *e, const struct sq_field *cols, uint32_t ncols)
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

static inline void check_same_columns(const struct sq_plan *a, const struct sq_plan *b)
{
    assert_int_equal(a->ncols, b->ncols);
    for (uint32_t i = 0; i < a->ncols; i++)
        assert_int_equal(sq_type_phys(a->cols[i].type), sq_type_phys(b->cols[i].type));
}

static inline void check_aggregate(const struct sq_plan *p, const struct sq_plan *in)
{
    assert_int_equal(p->ncols, p->u.agg.ngroup + p->u.agg.nitems);
    for (uint32_t i = 0; i < p->u.agg.ngroup; i++)
        assert_true(p->u.agg.group[i] < in->ncols);
    for (uint32_t i = 0; i < p->u.agg.nitems; i++) {
        assert_true(p->u.agg.items[i].arg < (int32_t)in->ncols);
        assert_true(p->u.agg.items[i].filter < (int32_t)in->ncols);
    }
}

static inline void check_join(const struct sq_plan *p)
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

static inline void check_plan(const struct sq_plan *p)
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
    case SQ_N_EXPAND:
        assert_int_equal(p->ncols, in->ncols + 1);
        assert_true(p->u.expand.ngroup <= in->ncols && p->u.expand.nsets > 1);
        break;
    case SQ_N_UNNEST:
        assert_true(p->u.unnest.col < in->ncols && p->u.unnest.npass < p->ncols);
        for (uint32_t i = 0; i < p->u.unnest.npass; i++)
            assert_true(p->u.unnest.pass[i] < in->ncols);
        break;
    case SQ_N_SINK:
        assert_int_equal(p->ncols, p->u.sink.table->ncols);
        check_same_columns(p, in);
        break;
    case SQ_N_NORMALIZE:
        assert_int_equal(in->mode, SQ_MODE_UPSERT);
        assert_true(p->u.normalize.key.n > 0);
        /* fall through */
    case SQ_N_EXCHANGE:
    case SQ_N_COLLECT:
        check_same_columns(p, in);
        break;
    default:
        break;
    }
}

static inline void check_text(const char *sql, const char *got, const char *want)
{
    if (strcmp(got, want) != 0)
        fail_msg("\n%s\n--- got\n%s--- want\n%s---", sql, got, want);
}

static inline void explains_as(const char *sql, bool changelog, bool modes, const char *want)
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
static inline void fails_as(const char *sql, sq_rc rc, const char *want)
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

#endif
