/* SPDX-License-Identifier: Apache-2.0
 *
 * stmt.c: statements: prepared, bound, stepped, finalized.
 *
 * prepare parses the text twice: once to find where the first statement ends, and once more from a copy of just that, so that the tree
 * points into memory of the statement and a script is not copied for each of its statements.
 *
 * Rows of SHOW, DESCRIBE, EXPLAIN are made at the first step, all at once; rows of queries come from a job (run.c).
 */
#include "api/api.h"
#include "base/text.h"

#include <limits.h>

/* ---- prepare ---- */

static int kind_of(const struct sq_ast_stmt *st)
{
    switch (st->kind) {
    case SQ_S_QUERY: return SQLUICE_STMT_QUERY;
    case SQ_S_INSERT:
    case SQ_S_STATEMENT_SET: return SQLUICE_STMT_INSERT;
    case SQ_S_SHOW:
    case SQ_S_DESCRIBE:
    case SQ_S_EXPLAIN: return SQLUICE_STMT_INFO;
    case SQ_S_SET: return st->noptions ? SQLUICE_STMT_OTHER : SQLUICE_STMT_INFO;
    case SQ_S_STOP_JOB: return st->savepoint ? SQLUICE_STMT_INFO : SQLUICE_STMT_OTHER;
    case SQ_S_CREATE_TABLE: return st->table && st->table->as ? SQLUICE_STMT_INSERT : SQLUICE_STMT_OTHER;
    default: return SQLUICE_STMT_OTHER;
    }
}

static bool plans_early(const sqluice_stmt *s)
{
    switch (s->ast->kind) {
    case SQ_S_QUERY:
    case SQ_S_INSERT:
    case SQ_S_STATEMENT_SET: return true;
    default: return s->kind == SQLUICE_STMT_INFO;
    }
}

static bool all_bound(const sqluice_stmt *s)
{
    for (uint32_t i = 0; i < s->ast->nparams; i++)
        if (!s->params[i])
            return false;
    return true;
}

static sq_rc new_stmt(sqluice *db, sqluice_stmt **out)
{
    sqluice_stmt *s = sq_calloc(&db->ctx, sizeof *s);

    if (!s)
        return SQ_NOMEM;
    s->db = db;
    sq_arena_init(&s->arena, &db->ctx);
    sq_arena_init(&s->plan_arena, &db->ctx);
    sq_buf_init(&s->account, &db->ctx);
    s->tz = sq_tz_utc;
    s->next = db->stmts;
    if (s->next)
        s->next->prev = s;
    db->stmts = s;
    *out = s;
    return SQ_OK;
}

/* Finds the first statement of text: its bytes are [0, used). False in *any when there is none. */
static sq_rc measure(sqluice *db, struct sq_str text, uint32_t *used, bool *any)
{
    struct sq_arena tmp;
    struct sq_ast_stmt *st = NULL;
    sq_rc rc;

    *used = 0;
    sq_arena_init(&tmp, &db->ctx);
    rc = sq_parse(&db->ctx, &tmp, text, used, &st, NULL);
    *any = st != NULL;
    sq_arena_free(&tmp);
    return rc;
}

#ifndef NDEBUG
/* Debug builds hold every statement to the parser's promise: what its AST prints to parses back to the same. */
static sq_rc check_print(sqluice_stmt *s)
{
    struct sq_ctx *ctx = &s->db->ctx;
    struct sq_buf first, again;
    struct sq_arena tmp;
    struct sq_ast_stmt *back = NULL;
    uint32_t at = 0;

    sq_buf_init(&first, ctx);
    sq_buf_init(&again, ctx);
    sq_arena_init(&tmp, ctx);
    sq_rc rc = sq_unparse_stmt(&first, s->ast);
    if (rc == SQ_OK)
        rc = sq_parse(ctx, &tmp, sq_buf_view(&first), &at, &back, NULL);
    if (rc == SQ_OK && back)
        rc = sq_unparse_stmt(&again, back);
    if (rc == SQ_OK && !sq_str_eq(sq_buf_view(&first), sq_buf_view(&again)))
        rc = sq_fail(ctx, SQ_INTERNAL, "a statement does not print back to itself: %.300s", first.p);
    else if (rc == SQ_SYNTAX)
        rc = sq_fail(ctx, SQ_INTERNAL, "a statement prints to what does not parse: %.300s", first.p);
    sq_arena_free(&tmp);
    sq_buf_free(&first);
    sq_buf_free(&again);
    return rc == SQ_LIMIT ? SQ_OK : rc;
}
#endif

static sq_rc read_stmt(sqluice_stmt *s, struct sq_str text)
{
    struct sq_ctx *ctx = &s->db->ctx;
    uint32_t at = 0;

    s->text = sq_str_dup(&s->arena, text);
    if (!s->text.p)
        return SQ_NOMEM;
    SQ_TRY(sq_parse(ctx, &s->arena, s->text, &at, &s->ast, NULL));
    if (!s->ast)
        return sq_fail(ctx, SQ_INTERNAL, "a statement was read twice and came out different");
#ifndef NDEBUG
    SQ_TRY(check_print(s));
#endif
    s->kind = kind_of(s->ast);
    s->params = SQ_NEW_ARRAY(&s->arena, const struct sq_vec *, s->ast->nparams + 1);
    if (!s->params)
        return SQ_NOMEM;
    if (s->ast->kind == SQ_S_OTHER)
        return sq_fail_at(ctx, SQ_UNSUPPORTED, s->ast->at, "%.*s is not supported yet", SQ_FMT(s->ast->text));
    if (s->ast->nparams && s->kind != SQLUICE_STMT_QUERY && s->ast->kind != SQ_S_INSERT)
        return sq_fail_at(ctx, SQ_UNSUPPORTED, s->ast->at, "only queries and INSERTs can hold '?'");
    return plans_early(s) && s->ast->nparams == 0 ? sq_stmt_plan(s) : SQ_OK;
}

/* A message that quotes the statement must not quote its secrets. */
static sq_rc without_secrets(sqluice *db, struct sq_str text, sq_rc rc)
{
    if (rc != SQ_OK) {
        sq_secrets_scrub(db->ctx.err.msg, text);
        sq_secrets_scrub(db->ctx.err.hint, text);
    }
    return rc;
}

int sqluice_prepare(sqluice *db, const char *text, int bytes, sqluice_stmt **stmt, int *tail)
{
    struct sq_str all;
    uint32_t used = 0;
    bool any = false;
    size_t n;
    sq_rc rc;

    if (stmt)
        *stmt = NULL;
    if (tail)
        *tail = 0;
    if (!db)
        return SQLUICE_MISUSE;
    rc = sq_api_enter(db);
    if (rc == SQ_OK && (!text || !stmt))
        rc = sq_fail(&db->ctx, SQ_MISUSE, "sqluice_prepare needs a text and a place for the statement");
    if (rc != SQ_OK)
        return sq_api_leave(db, rc, 0);
    n = bytes >= 0 ? (size_t)bytes : strlen(text);
    if (n > INT_MAX)
        return sq_api_leave(db, sq_fail(&db->ctx, SQ_LIMIT, "the text is longer than 2 GB"), 0);
    all = (struct sq_str){text, (uint32_t)n};
    rc = measure(db, all, &used, &any);
    if (tail)
        *tail = (int)used;
    if (rc == SQ_OK && any)
        rc = new_stmt(db, stmt);
    if (rc == SQ_OK && any)
        rc = read_stmt(*stmt, (struct sq_str){text, used});
    if (rc != SQ_OK && *stmt) {
        struct sq_error err = db->ctx.err;
        sqluice_finalize(*stmt);
        db->ctx.err = err;
        *stmt = NULL;
    }
    return sq_api_leave(db, without_secrets(db, (struct sq_str){text, used}, rc), 0);
}

int sqluice_incomplete(sqluice *db, const char *text)
{
    struct sq_error before;
    struct sq_arena tmp;
    struct sq_str all = sq_str_of(text);
    uint32_t at = 0;
    bool complete = true;

    if (!db || !text)
        return 0;
    before = db->ctx.err;
    sq_arena_init(&tmp, &db->ctx);
    while (at < all.n && complete) {
        struct sq_ast_stmt *st = NULL;
        uint32_t from = at;
        sq_rc rc = sq_parse(&db->ctx, &tmp, all, &at, &st, &complete);

        if (rc == SQ_NOMEM || at <= from || (rc == SQ_OK && !st))
            break;
        sq_arena_reset(&tmp);
    }
    sq_arena_free(&tmp);
    db->ctx.err = before;
    return !complete;
}

/* ---- parameters ---- */

static int bind(sqluice_stmt *s, int index, const struct sq_vec *(*make)(sqluice_stmt *, const void *), const void *value)
{
    sq_rc rc;

    if (!s)
        return SQLUICE_MISUSE;
    rc = sq_api_enter(s->db);
    if (rc == SQ_OK && (s->state != SQ_STMT_READY || s->stepping))
        rc = sq_fail(&s->db->ctx, SQ_MISUSE, "a value cannot be bound to a statement that has begun to run");
    if (rc == SQ_OK && (index < 1 || (uint32_t)index > s->ast->nparams))
        rc = sq_fail(&s->db->ctx, SQ_MISUSE, "there is no parameter %d: the statement has %u", index, s->ast->nparams);
    if (rc == SQ_OK) {
        const struct sq_vec *v = make(s, value);
        if (v) {
            s->params[index - 1] = v;
            s->planned = false;
        } else {
            rc = SQ_NOMEM;
        }
    }
    return sq_api_leave(s->db, rc, s->base);
}

static const struct sq_vec *make_null(sqluice_stmt *s, const void *value)
{
    (void)value;
    return sq_vec_const_null(&s->arena, &sq_type_null);
}

static const struct sq_type *not_null(sqluice_stmt *s, const struct sq_type *t)
{
    return sq_type_nullable(&s->arena, t, false);
}

static const struct sq_vec *make_int64(sqluice_stmt *s, const void *value)
{
    const struct sq_type *t = not_null(s, &sq_type_bigint);

    return t ? sq_vec_const_fixed(&s->arena, t, value) : NULL;
}

static const struct sq_vec *make_double(sqluice_stmt *s, const void *value)
{
    const struct sq_type *t = not_null(s, &sq_type_double);

    return t ? sq_vec_const_fixed(&s->arena, t, value) : NULL;
}

static const struct sq_vec *make_text(sqluice_stmt *s, const void *value)
{
    const struct sq_type *t = not_null(s, &sq_type_string);

    return t ? sq_vec_const_str(&s->arena, t, *(const struct sq_str *)value) : NULL;
}

int sqluice_bind_null(sqluice_stmt *s, int index)
{
    return bind(s, index, make_null, NULL);
}

int sqluice_bind_int64(sqluice_stmt *s, int index, int64_t v)
{
    return bind(s, index, make_int64, &v);
}

int sqluice_bind_double(sqluice_stmt *s, int index, double v)
{
    return bind(s, index, make_double, &v);
}

int sqluice_bind_text(sqluice_stmt *s, int index, const char *text, int bytes)
{
    struct sq_str t = {text, 0};

    if (!text)
        return bind(s, index, make_null, NULL);
    t.n = bytes >= 0 ? (uint32_t)bytes : (uint32_t)strlen(text);
    if (s && !sq_utf8_valid(t.p, t.n)) {
        sq_rc rc = sq_api_enter(s->db);
        if (rc == SQ_OK)
            rc = sq_fail(&s->db->ctx, SQ_DATA, "the text for parameter %d is not valid UTF-8", index);
        return sq_api_leave(s->db, rc, s->base);
    }
    return bind(s, index, make_text, &t);
}

/* ---- step ---- */

static sq_rc run_ddl(sqluice_stmt *s)
{
    struct sq_bind_env env;
    struct sq_ctas ctas;
    sq_rc rc;

    SQ_TRY(sq_stmt_env(s, &env));
    SQ_TRY(sq_ddl(&env, s->ast, &ctas));
    if (!ctas.insert)
        return SQ_OK;
    rc = sq_stmt_plan_insert(s, &env, ctas.insert);
    sq_ctas_end(&env, &ctas, rc == SQ_OK);
    return rc == SQ_OK ? sq_stmt_run_insert(s) : rc;
}

static sq_rc run_set(sqluice_stmt *s)
{
    sqluice *db = s->db;

    if (s->ast->kind == SQ_S_SET)
        return sq_settings_set(&db->ctx, db->settings, &s->ast->options[0]);
    return sq_settings_reset(&db->ctx, db->settings, s->ast->noptions ? &s->ast->options[0] : NULL);
}

/* All rows of SHOW, DESCRIBE, EXPLAIN. */
static sq_rc fill_info(sqluice_stmt *s)
{
    struct sq_bind_env env;
    struct sq_buf b;
    sq_rc rc;

    SQ_TRY(sq_stmt_plan(s));
    SQ_TRY(sq_stmt_open_rows(s));
    if (s->ast->kind != SQ_S_EXPLAIN) {
        SQ_TRY(sq_stmt_env(s, &env));
        if (s->ast->kind == SQ_S_STOP_JOB)
            return sq_jobs_stop(s);
        if (s->ast->kind == SQ_S_SHOW && s->ast->show == SQ_SHOW_JOBS)
            return sq_jobs_show(s);
        if (s->ast->kind == SQ_S_SHOW && s->ast->show == SQ_SHOW_CHECKPOINT)
            return sq_state_show(s);
        return sq_show_rows(&env, s->ast, &s->rows);
    }
    sq_buf_init(&b, &s->db->ctx);
    rc = sq_explain(&b, s->plan, s->ast->nexplain > 0);
    while (rc == SQ_OK && b.n && b.p[b.n - 1] == '\n')
        b.n--;
    if (rc == SQ_OK)
        rc = sq_col_append_view(&s->rows.cols[0], b.p, (uint32_t)b.n);
    if (rc == SQ_OK)
        rc = sq_out_row(&s->rows, SQ_INSERT);
    sq_buf_free(&b);
    return rc;
}

static sq_rc next_info(sqluice_stmt *s, bool *row)
{
    if (s->state == SQ_STMT_READY)
        SQ_TRY(fill_info(s));
    else
        s->at++;
    *row = s->at < s->rows.n;
    return SQ_OK;
}

static sq_rc step(sqluice_stmt *s, bool *row)
{
    *row = false;
    switch (s->kind) {
    case SQLUICE_STMT_INFO: return next_info(s, row);
    case SQLUICE_STMT_QUERY: return sq_stmt_next(s, row);
    case SQLUICE_STMT_INSERT:
        if (s->ast->kind == SQ_S_CREATE_TABLE)
            return run_ddl(s);
        SQ_TRY(sq_stmt_plan(s));
        return sq_stmt_run_insert(s);
    default: break;
    }
    if (s->ast->kind == SQ_S_STOP_JOB)
        return sq_jobs_stop(s);
    return s->ast->kind == SQ_S_SET || s->ast->kind == SQ_S_RESET ? run_set(s) : run_ddl(s);
}

int sqluice_step(sqluice_stmt *s)
{
    bool row = false;
    sq_rc rc;
    int code;

    if (!s)
        return SQLUICE_MISUSE;
    rc = sq_api_enter(s->db);
    if (rc == SQ_OK && (s->stepping || s->doomed))
        rc = sq_fail(&s->db->ctx, SQ_MISUSE, s->doomed ? "the statement is finalized" : "a callback cannot step the statement that it was called from");
    else if (rc == SQ_OK && s->state == SQ_STMT_READY && !all_bound(s))
        rc = sq_fail(&s->db->ctx, SQ_MISUSE, "a parameter '?' of the statement has no value");
    else if (rc == SQ_OK && s->state == SQ_STMT_FAILED)
        rc = sq_fail(&s->db->ctx, SQ_MISUSE, "the statement has failed: finalize it");
    else if (rc == SQ_OK && s->state != SQ_STMT_DONE) {
        s->on_row = false;
        s->stepping = true;
        s->busy++;
        sq_jobs_deliver(s->db);
        rc = step(s, &row);
        rc = without_secrets(s->db, s->text, rc);
        s->stepping = false;
        s->busy--;
        s->state = rc != SQ_OK ? SQ_STMT_FAILED : row ? SQ_STMT_RUNNING : SQ_STMT_DONE;
        s->on_row = row;
        s->serial += row;
        if (!row)
            sq_stmt_close_job(s);
    }
    if (s->doomed && rc == SQ_OK)
        rc = sq_fail(&s->db->ctx, SQ_MISUSE, "the statement was finalized by a callback");
    code = sq_api_leave(s->db, rc, s->base);
    if (s->doomed)
        sqluice_finalize(s);
    return code != SQLUICE_OK ? code : row ? SQLUICE_ROW : SQLUICE_DONE;
}

/* ---- the end ---- */

void sqluice_finalize(sqluice_stmt *s)
{
    sqluice *db;

    if (!s)
        return;
    s->doomed = true;
    if (s->busy)
        return;
    db = s->db;
    sq_stmt_close_job(s);
    if (s->rows_open)
        sq_out_free(&s->rows);
    for (uint32_t i = 0; i < s->ntexts * 2; i++)
        sq_buf_free(&s->texts[i]);
    sq_free(&db->ctx, s->texts);
    sq_free(&db->ctx, s->text_row);
    sq_buf_free(&s->account);
    sq_arena_free(&s->plan_arena);
    sq_arena_free(&s->arena);
    if (s->pinned)
        sq_catalog_unpin(db->catalog);
    if (s->prev)
        s->prev->next = s->next;
    else
        db->stmts = s->next;
    if (s->next)
        s->next->prev = s->prev;
    sq_free(&db->ctx, s);
}

/* ---- what it is ---- */

int sqluice_stmt_kind(const sqluice_stmt *s)
{
    return s ? s->kind : 0;
}

int sqluice_stmt_changelog(const sqluice_stmt *s)
{
    return s && s->kind == SQLUICE_STMT_QUERY && s->changelog;
}

int sqluice_stmt_bounded(const sqluice_stmt *s)
{
    return !s || !s->endless;
}

const char *sqluice_stmt_job(const sqluice_stmt *s)
{
    return s && s->job_id[0] ? s->job_id : NULL;
}
