/* SPDX-License-Identifier: Apache-2.0
 *
 * plan.c: what a statement runs with (the SET values, the clock, the time zone, frozen), and its plan.
 *
 * A statement is planned when it is prepared, so that its columns and errors are known, and planned anew at its first step when the catalog
 * or a setting has changed in between. With '?' it is planned when all have values: the types of the values are the types of the '?'.
 *
 * What a query gives: 'changelog' every change, 'table' the final rows, 'tableau' every change when streaming (as Flink) and the final rows in
 * batch mode. Input without an end has no final rows, so such a query gives its changes in any mode.
 */
#include "api/api.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_ROWS "sql-client.execution.max-table-result.rows"

/* ---- the session ---- */

/* The system's zone: TZ, or what /etc/localtime links to. Unknown: UTC. */
static const struct sq_tz *local_zone(sqluice *db, struct sq_arena *arena)
{
    char link[PATH_MAX];
    const char *name = getenv("TZ"), *at;
    const struct sq_tz *tz;
    ssize_t n;

    if (name && *name == ':')
        name++;
    if (!name || !*name) {
        n = readlink("/etc/localtime", link, sizeof link - 1);
        if (n <= 0)
            return sq_tz_utc;
        link[n] = 0;
        at = strstr(link, "zoneinfo/");
        if (!at)
            return sq_tz_utc;
        name = at + strlen("zoneinfo/");
    }
    if (sq_tz_find(&db->ctx, arena, sq_str_of(name), &tz) == SQ_OK)
        return tz;
    memset(&db->ctx.err, 0, sizeof db->ctx.err);
    return sq_tz_utc;
}

static sq_rc find_zone(sqluice_stmt *s, const struct sq_tz **tz)
{
    struct sq_str name = sq_setting(s->db->settings, "table.local-time-zone");

    if (sq_str_iis(name, "default")) {
        *tz = local_zone(s->db, &s->plan_arena);
        return SQ_OK;
    }
    return sq_tz_find(&s->db->ctx, &s->plan_arena, name, tz);
}

sq_rc sq_stmt_env(sqluice_stmt *s, struct sq_bind_env *env)
{
    sqluice *db = s->db;

    SQ_TRY(find_zone(s, &s->tz));
    *env = (struct sq_bind_env){
        .ctx = &db->ctx,
        .arena = &s->plan_arena,
        .catalog = db->catalog,
        .settings = db->settings,
        .session = {.tz = s->tz, .start_us = db->os.now_us(db->os.arg), .batch = sq_str_iis(sq_setting(db->settings, "execution.runtime-mode"), "batch"),
                    .os = &db->os},
        .params = s->params,
        .nparams = s->ast->nparams,
    };
    return SQ_OK;
}

static uint32_t workers(const struct sq_settings *set)
{
    int64_t n = sq_setting_int(set, "execution.parallelism"), most = sq_os_workers();

    return n < 1 ? 1 : (uint32_t)(n > most ? most : n);          /* -1: Flink's 'as the cluster says' */
}

static sq_rc job_config(sqluice_stmt *s, const struct sq_bind_env *env, struct sq_job_config *c)
{
    const struct sq_settings *set = env->settings;

    *c = (struct sq_job_config){
        .session = env->session,
        .name = sq_str_dup(env->arena, sq_setting(set, "pipeline.name")),
        .batch = env->session.batch,
        .parallelism = workers(set),
        .batch_rows = s->db->config.batch_rows,
        .drop_nulls = sq_str_is(sq_setting(set, "table.exec.sink.not-null-enforcer"), "DROP"),
        .mini_batch = !sq_setting_given(set, "table.exec.mini-batch.enabled") ? -1 : sq_setting_bool(set, "table.exec.mini-batch.enabled"),
        .state_ttl_ms = sq_setting_ms(set, "table.exec.state.ttl"),
    };
    return c->name.p ? SQ_OK : SQ_NOMEM;
}

/* ---- plans ---- */

static sq_rc plan_query(sqluice_stmt *s, struct sq_bind_env *env, const struct sq_ast_query *q)
{
    struct sq_str mode = sq_setting(env->settings, "sql-client.execution.result-mode");
    struct sq_job_config c;
    bool batch = env->session.batch;

    SQ_TRY(job_config(s, env, &c));
    s->changelog = sq_str_iis(mode, "changelog") || (sq_str_iis(mode, "tableau") && !batch);
    s->rows_left = -1;
    if (sq_str_iis(mode, "table") && sq_setting_given(env->settings, MAX_ROWS))
        s->rows_left = sq_setting_int(env->settings, MAX_ROWS);
    SQ_TRY(sq_plan_select(env, q, s->changelog, &c, &s->plan));
    if (!s->plan->bounded && !s->changelog && !batch) {
        s->changelog = true;
        SQ_TRY(sq_plan_select(env, q, true, &c, &s->plan));
    }
    s->endless = !s->plan->bounded;
    return SQ_OK;
}

static sq_rc plan_inserts(sqluice_stmt *s, struct sq_bind_env *env, struct sq_ast_insert *const *inserts, uint32_t n)
{
    struct sq_job_config c;

    SQ_TRY(job_config(s, env, &c));
    SQ_TRY(sq_stmt_epochs(s, env, &c));
    SQ_TRY(sq_plan_inserts(env, inserts, n, &c, &s->plan));
    SQ_TRY(sq_stmt_epochs_dir(s, env));
    s->endless = !s->plan->bounded;
    s->sync = sq_setting_bool(env->settings, "table.dml-sync") || c.epochs.trigger == SQ_TRIGGER_AVAILABLE_NOW;
    sq_restart_freeze(env->settings, &s->restart);
    return SQ_OK;
}

static sq_rc plan_explained(sqluice_stmt *s, struct sq_bind_env *env)
{
    const struct sq_ast_stmt *e = s->ast->explained;
    struct sq_ctx *ctx = &s->db->ctx;

    for (uint32_t i = 0; i < s->ast->nexplain; i++)
        if (!sq_str_iis(s->ast->explain_details[i], "CHANGELOG_MODE"))
            return sq_fail_at(ctx, SQ_UNSUPPORTED, s->ast->at, "EXPLAIN %.*s is not supported yet", SQ_FMT(s->ast->explain_details[i]));
    switch (e->kind) {
    case SQ_S_QUERY: return plan_query(s, env, e->query);
    case SQ_S_INSERT: return plan_inserts(s, env, &s->ast->explained->insert, 1);
    case SQ_S_STATEMENT_SET: return plan_inserts(s, env, e->inserts, e->ninserts);
    default: break;
    }
    sq_fail_at(ctx, SQ_SEMANTIC, e->at.len ? e->at : s->ast->at, "EXPLAIN shows the plan of a query, an INSERT or a statement set");
    return SQ_SEMANTIC;
}

static sq_rc make_plan(sqluice_stmt *s, struct sq_bind_env *env)
{
    const struct sq_ast_stmt *st = s->ast;

    switch (st->kind) {
    case SQ_S_QUERY:
        SQ_TRY(plan_query(s, env, st->query));
        s->cols = s->plan->roots[0]->cols;
        s->ncols = s->plan->roots[0]->ncols;
        return SQ_OK;
    case SQ_S_INSERT: return plan_inserts(s, env, &s->ast->insert, 1);
    case SQ_S_STATEMENT_SET: return plan_inserts(s, env, st->inserts, st->ninserts);
    case SQ_S_EXPLAIN: SQ_TRY(plan_explained(s, env)); break;
    default: break;
    }
    return sq_show_columns(env, st, &s->cols, &s->ncols);
}

static void unpin(sqluice_stmt *s)
{
    if (s->pinned)
        sq_catalog_unpin(s->db->catalog);
    s->pinned = false;
}

sq_rc sq_stmt_plan(sqluice_stmt *s)
{
    sqluice *db = s->db;
    struct sq_bind_env env;
    sq_rc rc;

    if (s->planned && s->catalog_version == db->catalog->version && s->settings_version == sq_settings_version(db->settings))
        return SQ_OK;
    s->planned = false;
    s->plan = NULL;
    s->endless = false;
    s->cols = NULL;
    s->ncols = 0;
    sq_arena_free(&s->plan_arena);
    unpin(s);
    sq_catalog_pin(db->catalog);
    s->pinned = true;
    rc = sq_stmt_env(s, &env);
    if (rc == SQ_OK)
        rc = make_plan(s, &env);
    if (rc != SQ_OK) {
        unpin(s);
        return rc;
    }
    s->planned = true;
    s->catalog_version = db->catalog->version;
    s->settings_version = sq_settings_version(db->settings);
    return SQ_OK;
}

sq_rc sq_stmt_plan_insert(sqluice_stmt *s, struct sq_bind_env *env, struct sq_ast_insert *insert)
{
    if (!s->pinned)
        sq_catalog_pin(s->db->catalog);
    s->pinned = true;
    return plan_inserts(s, env, &insert, 1);
}
