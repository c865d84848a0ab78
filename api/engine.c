/* SPDX-License-Identifier: Apache-2.0
 *
 * engine.c: engines: opening and closing, errors, running a script, what completion offers.
 *
 * Every public call that may fail is framed by sq_api_enter and sq_api_leave. The outermost frame clears the last error when it is entered.
 * A request to interrupt stands until a call returned SQLUICE_INTERRUPT, or until no statement is under way; one that comes while none is, is void,
 * as in sqlite3.
 */
#include "api/api.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

const char *sqluice_version(void)
{
    return SQ_VERSION;
}

/* ---- frames ---- */

int sq_api_code(sq_rc rc)
{
    static const int codes[] = {
        [SQ_OK] = SQLUICE_OK, [SQ_SYNTAX] = SQLUICE_SYNTAX, [SQ_SEMANTIC] = SQLUICE_SEMANTIC, [SQ_UNSUPPORTED] = SQLUICE_UNSUPPORTED,
        [SQ_DATA] = SQLUICE_DATA, [SQ_IO] = SQLUICE_IO, [SQ_EXTERNAL] = SQLUICE_EXTERNAL, [SQ_NOMEM] = SQLUICE_NOMEM, [SQ_LIMIT] = SQLUICE_LIMIT,
        [SQ_INTERRUPT] = SQLUICE_INTERRUPT, [SQ_MISUSE] = SQLUICE_MISUSE, [SQ_INTERNAL] = SQLUICE_INTERNAL,
    };

    return codes[rc];
}

sq_rc sq_api_enter(sqluice *db)
{
    if (db->depth++ == 0) {
        memset(&db->ctx.err, 0, sizeof db->ctx.err);
        db->error_base = 0;
        if (db->running == 0) {
            atomic_store(&db->requests, 0);
            atomic_store(&db->hard, 0);
        }
    }
    if (!db->catalog)
        return sq_fail(&db->ctx, SQ_MISUSE, "the engine did not open");
    return SQ_OK;
}

int sq_api_leave(sqluice *db, sq_rc rc, uint32_t base)
{
    if (rc != SQ_OK && db->ctx.err.rc == SQ_OK)
        sq_fail(&db->ctx, rc, rc == SQ_NOMEM ? "out of memory" : "an error without a message");
    if (rc != SQ_OK && db->ctx.err.span.len)
        db->error_base = base;
    if (--db->depth > 0)
        return sq_api_code(rc);
    if (rc == SQ_OK)
        memset(&db->ctx.err, 0, sizeof db->ctx.err);      /* what was tried and found a way round */
    if (rc == SQ_INTERRUPT || db->running == 0) {
        atomic_store(&db->requests, 0);
        atomic_store(&db->hard, 0);
    }
    return sq_api_code(rc);
}

/* ---- interrupt and progress ---- */

void sqluice_interrupt(sqluice *db)
{
    if (!db)
        return;
    if (atomic_fetch_add(&db->requests, 1) > 0 || !atomic_load(&db->graceful))
        atomic_store(&db->hard, 1);
}

enum { PROGRESS_NS = 200 * 1000 * 1000 };

sq_rc sq_api_poll(sqluice *db, sqluice_stmt *s)
{
    sqluice_progress p;
    int64_t now;

    SQ_TRY(sq_check_interrupt(&db->ctx));
    sq_jobs_deliver(db);
    if (!db->config.progress || !s->job)
        return SQ_OK;
    now = db->os.mono_ns(db->os.arg);
    if (now - db->progress_ns < PROGRESS_NS)
        return SQ_OK;
    db->progress_ns = now;
    sq_jobs_progress(s->job, now - s->started_ns, &p);
    if (db->config.progress(db->config.progress_arg, &p) != 0)
        sqluice_interrupt(db);
    return SQ_OK;
}

/* ---- opening and closing ---- */

static int64_t config_now(void *arg)
{
    sqluice *db = arg;

    return db->config.now_us(db->config.now_arg);
}

static void notice(void *arg, const char *text)
{
    sqluice *db = arg;

    db->config.notice(db->config.notice_arg, text);
}

static void print(void *arg, bool to_stderr, const char *text, size_t n)
{
    sqluice *db = arg;

    db->config.print(db->config.print_arg, to_stderr, text, n);
}

static void configure(sqluice *db, const sqluice_config *config)
{
    if (config)
        db->config = *config;
    db->os = sq_os_posix;
    if (db->config.now_us) {
        db->os.arg = db;                  /* the system's slots do not look at it */
        db->os.now_us = config_now;
    }
#ifdef SQ_FAULTS
    sq_faults_begin(db);
#endif
    db->budget.limit = db->config.memory_limit_bytes > 0 ? db->config.memory_limit_bytes : 0;
    if (db->config.batch_rows == 0 || db->config.batch_rows > SQ_BATCH_ROWS)
        db->config.batch_rows = SQ_BATCH_ROWS;
    db->ctx.budget = &db->budget;
    db->ctx.os = &db->os;
    db->ctx.notice = db->config.notice ? notice : NULL;
    db->ctx.notice_arg = db;
    db->ctx.print = db->config.print ? print : NULL;
    db->ctx.print_arg = db;
    db->ctx.interrupt = &db->hard;
    sq_buf_init(&db->error_text, &db->ctx);
    sq_buf_init(&db->savepoint, &db->ctx);
    sq_arena_init(&db->words, &db->ctx);
}

int sqluice_open(const sqluice_config *config, sqluice **out)
{
    sqluice *db;
    sq_rc rc;

    if (!out)
        return SQLUICE_MISUSE;
    *out = db = calloc(1, sizeof *db);
    if (!db)
        return SQLUICE_NOMEM;
    configure(db, config);
    rc = sq_jobs_init(db);
    if (rc == SQ_OK)
        rc = sq_settings_new(&db->ctx, &db->settings);
    if (rc == SQ_OK)
        rc = sq_catalog_new(&db->ctx, &db->catalog);
    return sq_api_code(rc);
}

void sqluice_close(sqluice *db)
{
    if (!db || db->depth > 0)             /* from a callback of a call on it */
        return;
    while (db->stmts)
        sqluice_finalize(db->stmts);
    db->depth++;                          /* callbacks with the last words of jobs are inside of this call */
    sq_jobs_close(db);
    sq_catalog_free(db->catalog);
    sq_settings_free(db->settings);
    sq_buf_free(&db->error_text);
    sq_buf_free(&db->savepoint);
    sq_arena_free(&db->words);
    sq_free(&db->ctx, db->word);
    SQ_ASSERT(atomic_load(&db->budget.used) == 0);
#ifdef SQ_FAULTS
    sq_faults_end(db);
#endif
    free(db);
}

/* ---- errors ---- */

int sqluice_errcode(const sqluice *db)
{
    return db ? sq_api_code(db->ctx.err.rc) : SQLUICE_NOMEM;
}

const char *sqluice_errmsg(const sqluice *db)
{
    if (!db)
        return "out of memory";
    return db->ctx.err.rc == SQ_OK ? "not an error" : db->ctx.err.msg;
}

const char *sqluice_errhint(const sqluice *db)
{
    return db && db->ctx.err.rc != SQ_OK ? db->ctx.err.hint : "";
}

int sqluice_error_offset(const sqluice *db)
{
    if (!db || db->ctx.err.rc == SQ_OK || db->ctx.err.span.len == 0)
        return -1;
    return (int)(db->error_base + db->ctx.err.span.at);
}

int sqluice_error_length(const sqluice *db)
{
    return sqluice_error_offset(db) < 0 ? 0 : (int)db->ctx.err.span.len;
}

const char *sqluice_error_render(sqluice *db, const char *file, const char *text, int first_line)
{
    struct sq_error err;
    struct sq_str all = sq_str_of(text);
    sq_rc rc;

    if (!db)
        return "error: out of memory\n";
    if (db->ctx.err.rc == SQ_OK)
        return "";
    err = db->ctx.err;
    err.span.at += db->error_base;
    if (err.span.at > all.n)
        err.span.len = 0;
    else if (err.span.len > all.n - err.span.at)
        err.span.len = all.n - err.span.at > 0 ? all.n - err.span.at : 1;
    sq_buf_reset(&db->error_text);
    rc = sq_render_error(&db->error_text, &err, file, all, first_line > 0 ? (uint32_t)first_line : 1);
    err.span.at -= db->error_base;
    db->ctx.err = err;                    /* an error of printing hides nothing */
    return rc == SQ_OK && db->error_text.p ? db->error_text.p : db->ctx.err.msg;
}

/* ---- scripts ---- */

static sq_rc run_one(sqluice *db, sqluice_stmt *s, int (*row)(void *, sqluice_stmt *), void *arg)
{
    int rc;

    while ((rc = sqluice_step(s)) == SQLUICE_ROW)
        if (row && row(arg, s) != 0)
            return sq_fail(&db->ctx, SQ_INTERRUPT, "stopped by the caller");
    return rc == SQLUICE_DONE ? SQ_OK : db->ctx.err.rc;
}

int sqluice_exec(sqluice *db, const char *text, int (*row)(void *, sqluice_stmt *), void *arg)
{
    size_t n = text ? strlen(text) : 0, at = 0;
    sq_rc rc;

    if (!db)
        return SQLUICE_MISUSE;
    rc = sq_api_enter(db);
    if (rc == SQ_OK && (!text || n > INT_MAX))
        rc = sq_fail(&db->ctx, text ? SQ_LIMIT : SQ_MISUSE, text ? "the text is longer than 2 GB" : "no text to run");
    while (rc == SQ_OK) {
        sqluice_stmt *s;
        int used, code = sqluice_prepare(db, text + at, (int)(n - at), &s, &used);

        if (code != SQLUICE_OK) {
            db->error_base += (uint32_t)at;
            rc = db->ctx.err.rc;
            break;
        }
        if (!s)
            break;
        s->base += (uint32_t)at;
        s->busy++;                        /* `row` may not finalize it */
        rc = run_one(db, s, row, arg);
        s->busy--;
        sqluice_finalize(s);
        at += (size_t)used;
    }
    return sq_api_leave(db, rc, db->error_base);
}

/* ---- settings and words ---- */

const char *sqluice_setting(sqluice *db, const char *key)
{
    struct sq_str v;

    if (!db || !db->settings || !key)
        return NULL;
    v = sq_setting(db->settings, key);
    return v.p;
}

void sq_api_word(sqluice *db, struct sq_str w)
{
    if (w.n == 0 || sq_grow(&db->ctx, &db->word, &db->words_cap, db->nwords + 1, sizeof *db->word) != SQ_OK)
        return;
    w = sq_str_dup(&db->words, w);
    if (w.p)
        db->word[db->nwords++] = w;
}

static void add_table(sqluice *db, const struct sq_table *t)
{
    sq_api_word(db, t->name);
    for (uint32_t i = 0; i < t->ncols; i++)
        sq_api_word(db, t->cols[i].name);
}

static int by_text(const void *a, const void *b)
{
    return sq_str_cmp(*(const struct sq_str *)a, *(const struct sq_str *)b);
}

void sq_api_words_sort(sqluice *db)
{
    size_t to = 0;

    if (db->nwords)
        qsort(db->word, db->nwords, sizeof *db->word, by_text);
    for (size_t i = 0; i < db->nwords; i++)
        if (i == 0 || !sq_str_eq(db->word[i], db->word[to - 1]))
            db->word[to++] = db->word[i];
    db->nwords = to;
}

void sq_api_words(sqluice *db)
{
    const struct sq_str *kw;
    size_t n = sq_keywords(&kw);
    const struct sq_function *f;
    const struct sq_agg *a;
    const struct sq_connector *c;
    struct sq_str key;

    db->nwords = 0;
    sq_arena_free(&db->words);
    for (size_t i = 0; i < n; i++)
        sq_api_word(db, kw[i]);
    for (size_t i = 0; (f = sq_function_at(i)); i++)
        if (!(f->flags & SQ_OPERATOR))
            sq_api_word(db, sq_str_of(f->name));
    for (size_t i = 0; (a = sq_agg_at(i)); i++)
        sq_api_word(db, sq_str_of(a->name));
    for (size_t i = 0; (c = sq_connector_at(i)); i++)
        sq_api_word(db, sq_str_of(c->name));
    for (size_t i = 0; (key = sq_setting_known(i)).p; i++)
        sq_api_word(db, key);
    for (const struct sq_catalog_entry *e = db->catalog->catalogs; e; e = e->next)
        for (const struct sq_database *d = e->dbs; d; d = d->next)
            for (const struct sq_table *t = d->tables; t; t = t->next)
                add_table(db, t);
    for (const struct sq_table *t = db->catalog->temps; t; t = t->next)
        add_table(db, t);
    sq_api_words_sort(db);
}

const char *sqluice_completion(sqluice *db, int i)
{
    struct sq_error before;

    if (!db || !db->catalog || i < 0)
        return NULL;
    if (i == 0) {
        before = db->ctx.err;
        sq_api_words(db);
        db->ctx.err = before;             /* words that found no memory are left out */
    }
    return (size_t)i < db->nwords ? db->word[i].p : NULL;
}
