/* SPDX-License-Identifier: Apache-2.0
 *
 * window_end.c: `window END TIMESTAMP(ROWTIME, INTERVAL '10' SECOND)`, the column that says which tumbling window a row falls into.
 *
 * It stands for three virtual columns, in this order, over the table's time column t and the size s:
 *
 *   window   the end as TIMESTAMP_LTZ(3)
 *   tstart   TIME_BUCKET(s, t)          in the type and unit of t
 *   tend     TIME_BUCKET(s, t) + s      the same
 *
 * They are ordinary computed columns from then on: DESCRIBE and SHOW CREATE TABLE show their expressions, and SHOW CREATE's text makes
 * the same table in any other way. No watermark is implied.
 *
 * t is the WATERMARK's column, or else the only column named rowtime, timestamp, ts or event_time. Where t is computed, its expression stands in
 * the three, because a computed column cannot refer to one. A BIGINT counts milliseconds since 1970.
 *
 * FLINK: has no such declaration.
 */
#include "planner/ddl.h"

#include "executor/expr.h"

const char *const sq_window_names[2] = {"tstart", "tend"};

static const char *const time_names[] = {"rowtime", "timestamp", "ts", "event_time"};

struct window {
    struct sq_build *b;
    uint32_t at;                  /* of the first column */
    const struct sq_ast_coldef *def;
    int32_t time;
    int64_t size_ms;
    char *size, *value;           /* SQL: INTERVAL '10' SECOND; `timestamp` */
};

static sq_rc several(struct window *w, int32_t one, int32_t other)
{
    struct sq_build *b = w->b;

    sq_fail_at(b->env->ctx, SQ_SEMANTIC, w->def->span, "two columns could be the time of 'window END': '%.*s' and '%.*s'",
               SQ_FMT(b->cols[one].name), SQ_FMT(b->cols[other].name));
    return sq_hint(b->env->ctx, "declare the WATERMARK of the one that is meant");
}

static sq_rc find_time(struct window *w)
{
    struct sq_build *b = w->b;

    if (b->def->watermark && b->def->watermark->col.n == 1) {
        w->time = sq_build_column(b, b->def->watermark->col.part[0]);
        if (w->time >= 0 && !b->cols[w->time].window_part)
            return SQ_OK;
        return sq_fail_at(b->env->ctx, SQ_SEMANTIC, b->def->watermark->span, "the WATERMARK is for no column that 'window END' could count from");
    }
    w->time = -1;
    for (uint32_t i = 0; i < b->ncols; i++) {
        bool named = false;

        for (size_t k = 0; k < SQ_LEN(time_names); k++)
            named |= sq_str_iis(b->cols[i].name, time_names[k]);
        if (!named || b->cols[i].window_part)
            continue;
        if (w->time >= 0)
            return several(w, w->time, (int32_t)i);
        w->time = (int32_t)i;
    }
    if (w->time >= 0)
        return SQ_OK;
    sq_fail_at(b->env->ctx, SQ_SEMANTIC, w->def->span, "table '%.*s' has no time column for 'window END'", SQ_FMT(b->t->name));
    return sq_hint(b->env->ctx, "declare a WATERMARK, or name the column rowtime, timestamp, ts or event_time");
}

static sq_rc check_time(struct window *w)
{
    const struct sq_column *c = &w->b->cols[w->time];
    struct sq_ctx *ctx = w->b->env->ctx;
    struct sq_buf text;

    if (c->type->id == SQ_T_BIGINT || sq_tid_is_timestamp(c->type->id))
        return SQ_OK;
    sq_buf_init(&text, ctx);
    if (sq_type_print(&text, c->type) == SQ_OK) {
        sq_fail_at(ctx, SQ_SEMANTIC, w->def->span, "the time column '%.*s' of 'window END' is a %s", SQ_FMT(c->name), text.p);
        sq_hint(ctx, "it must be a TIMESTAMP, a TIMESTAMP_LTZ, or a BIGINT in milliseconds since 1970");
    }
    sq_buf_free(&text);
    return ctx->err.rc;
}

static sq_rc check_size(struct window *w)
{
    struct sq_bind_env *env = w->b->env;
    const struct sq_ast_expr *iv = w->def->expr;
    struct sq_span at = iv->span.len ? iv->span : w->def->span;
    const struct sq_vec *v;
    struct sq_expr *x;

    SQ_TRY(sq_bind_scalar(env, iv, NULL, 0, &x));
    if (x->type->id == SQ_T_INTERVAL_YM)
        return sq_fail_at(env->ctx, SQ_SEMANTIC, at, "a window cannot count months or years: they differ in length");
    if (x->type->id != SQ_T_INTERVAL_DS)
        return sq_fail_at(env->ctx, SQ_SEMANTIC, at, "a window's size is an INTERVAL, such as INTERVAL '10' SECOND");
    SQ_TRY(sq_expr_fold(env->ctx, env->arena, &env->session, x, &v));
    if (sq_vec_null(v, 0) || (w->size_ms = *(const int64_t *)v->data) <= 0)
        return sq_fail_at(env->ctx, SQ_SEMANTIC, at, "a window's size must be more than nothing");
    return SQ_OK;
}

/* The SQL of size and time value. */
static sq_rc texts(struct window *w)
{
    struct sq_bind_env *env = w->b->env;
    const struct sq_column *c = &w->b->cols[w->time];
    struct sq_buf b;
    sq_rc rc;

    sq_buf_init(&b, env->ctx);
    SQ_TRY_OUT(sq_unparse_expr(&b, w->def->expr));
    rc = SQ_NOMEM;
    if (!(w->size = sq_arena_printf(env->arena, "%s", b.p)))
        goto out;
    sq_buf_reset(&b);
    rc = c->kind == SQ_COLUMN_COMPUTED ? sq_buf_str(&b, c->expr_text) : sq_unparse_ident(&b, c->name);
    if (rc == SQ_OK && !(w->value = sq_arena_printf(env->arena, "%s", b.p)))
        rc = SQ_NOMEM;
out:
    sq_buf_free(&b);
    return rc;
}

static sq_rc put(struct window *w, uint32_t i, const char *sql)
{
    struct sq_bind_env *env = w->b->env;
    struct sq_ast_expr *e;

    if (!sql)
        return SQ_NOMEM;
    SQ_TRY(sq_parse_expr(env->ctx, env->arena, sq_str_of(sql), &e));
    return sq_build_computed(w->b, w->at + i, e, w->def->span);
}

/* The column's expression, cast where arithmetic changed the precision. */
static sq_rc put_as_time(struct window *w, uint32_t i, const char *sql)
{
    struct sq_bind_env *env = w->b->env;
    const struct sq_type *want = w->b->cols[w->time].type;
    struct sq_buf type;
    sq_rc rc;

    SQ_TRY(put(w, i, sql));
    if (sq_type_equal(w->b->cols[w->at + i].type, want, false))
        return SQ_OK;
    sq_buf_init(&type, env->ctx);
    rc = sq_type_print(&type, sq_type_nullable(env->arena, want, true));
    if (rc == SQ_OK)
        rc = put(w, i, sq_arena_printf(env->arena, "CAST(%s AS %s)", sql, type.p));
    sq_buf_free(&type);
    return rc;
}

sq_rc sq_window_end(struct sq_build *b, uint32_t at)
{
    struct window w = {.b = b, .at = at, .def = b->from[at]};
    struct sq_arena *a = b->env->arena;
    const char *end;
    bool ms;

    if (!sq_str_iis(w.def->time_name, "ROWTIME")) {
        sq_fail_at(b->env->ctx, SQ_SEMANTIC, w.def->span, "'window END' counts from ROWTIME, not '%.*s'", SQ_FMT(w.def->time_name));
        return sq_hint(b->env->ctx, "write %.*s END TIMESTAMP(ROWTIME, INTERVAL '10' SECOND)", SQ_FMT(w.def->name));
    }
    SQ_TRY(find_time(&w));
    SQ_TRY(check_time(&w));
    SQ_TRY(check_size(&w));
    SQ_TRY(texts(&w));
    ms = b->cols[w.time].type->id == SQ_T_BIGINT;
    end = ms ? sq_arena_printf(a, "TIME_BUCKET(%s, %s) + %lld", w.size, w.value, (long long)w.size_ms)
             : sq_arena_printf(a, "TIME_BUCKET(%s, %s) + %s", w.size, w.value, w.size);
    if (!end)
        return SQ_NOMEM;
    SQ_TRY(put(&w, 0, sq_arena_printf(a, ms ? "TO_TIMESTAMP_LTZ(%s, 3)" : "CAST(%s AS TIMESTAMP_LTZ(3))", end)));
    SQ_TRY(put_as_time(&w, 1, sq_arena_printf(a, "TIME_BUCKET(%s, %s)", w.size, w.value)));
    return put_as_time(&w, 2, end);
}
