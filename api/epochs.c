/* SPDX-License-Identifier: Apache-2.0
 *
 * epochs.c: what an INSERT's epochs and checkpoints are: the SET values as a struct sq_epoch_config, the job's name and its directory.
 *
 * A job makes checkpoints when it has an interval or the trigger 'available-now', or an interval as trigger and a directory. They are kept in <dir>/<name>:
 * 'pipeline.name', else the job file's stem and the targets ("daily-totals"), else "insert-into_" and the targets: it has to be the same in the
 * next run, so it has no running number. Two INSERTs of one job file with one directory would take each other's state: the second is refused.
 *
 * FLINK: a job has an id of its own in each run, and goes on only from the checkpoint that it is told.
 */
#include "api/api.h"
#include "executor/checkpoint/store.h"

#include <stdio.h>

#define DIR_KEY "execution.checkpointing.dir"
#define HERE "sqluice-checkpoints"

struct sq_claim {                      /* an INSERT of the job file that is being run */
    struct sq_claim *next;
    struct sq_str dir;
    uint64_t text;
};

/* ---- SET values ---- */

static sq_rc refuse_batch(sqluice_stmt *s, const struct sq_settings *set)
{
    struct sq_ctx *ctx = &s->db->ctx;
    struct sq_str t = sq_setting(set, "execution.trigger");

    if (!sq_str_is(t, "continuous")) {
        sq_fail_at(ctx, SQ_SEMANTIC, s->ast->at, "'execution.trigger' = '%.*s' cuts a stream into epochs, and 'execution.runtime-mode' is 'batch'", SQ_FMT(t));
        return sq_hint(ctx, "a batch job processes what is there and ends by itself: leave out the trigger, or SET 'execution.runtime-mode' = 'streaming'");
    }
    if (sq_setting(set, "execution.savepoint.path").n) {
        sq_fail_at(ctx, SQ_SEMANTIC, s->ast->at, "a job in batch mode has no state to begin with: 'execution.savepoint.path' is set");
        return sq_hint(ctx, "RESET 'execution.savepoint.path', or SET 'execution.runtime-mode' = 'streaming'");
    }
    return SQ_OK;
}

static bool durable(const struct sq_epoch_config *e, bool dir_given)
{
    return e->interval_ms > 0 || e->trigger == SQ_TRIGGER_AVAILABLE_NOW || (e->trigger == SQ_TRIGGER_INTERVAL && dir_given);
}

sq_rc sq_stmt_epochs(sqluice_stmt *s, struct sq_bind_env *env, struct sq_job_config *c)
{
    const struct sq_settings *set = env->settings;
    struct sq_ctx *ctx = &s->db->ctx;
    struct sq_epoch_config e = {
        .interval_ms = sq_setting_ms(set, "execution.checkpointing.interval"),
        .min_pause_ms = sq_setting_ms(set, "execution.checkpointing.min-pause"),
        .timeout_ms = sq_setting_ms(set, "execution.checkpointing.timeout"),
        .retained = (uint32_t)sq_setting_int(set, "execution.checkpointing.num-retained"),
        .at_least_once = sq_str_is(sq_setting(set, "execution.checkpointing.mode"), "AT_LEAST_ONCE"),
        .allow_dropped_state = sq_setting_bool(set, "execution.savepoint.ignore-unclaimed-state"),
        .ignore_sink_epochs = sq_setting_bool(set, "execution.checkpointing.ignore-sink-epochs"),
        .max_rows = (uint64_t)sq_setting_int(set, "execution.trigger.max-rows"),
    };

    if (env->session.batch)
        return refuse_batch(s, set);
    sq_trigger_parse(sq_setting(set, "execution.trigger"), &e.trigger, &e.trigger_ms);
    e.from = sq_str_dup(env->arena, sq_path_local(sq_setting(set, "execution.savepoint.path")));
    if (!e.from.p)
        return SQ_NOMEM;
    if (e.from.n && !durable(&e, sq_setting(set, DIR_KEY).n > 0)) {
        sq_fail_at(ctx, SQ_SEMANTIC, s->ast->at, "a job that begins from a savepoint makes checkpoints itself, and this one makes none");
        return sq_hint(ctx, "SET 'execution.checkpointing.interval' = '10 s', or RESET 'execution.savepoint.path'");
    }
    c->epochs = e;
    return SQ_OK;
}

/* ---- name and directory ---- */

static void put_targets(struct sq_buf *b, const struct sq_job_plan *plan)
{
    for (uint32_t i = 0; i < plan->nroots; i++) {
        if (i)
            sq_buf_puts(b, "_");
        sq_buf_str(b, plan->roots[i]->u.sink.table->name);
    }
}

static uint64_t hash(struct sq_str s)
{
    uint64_t h = 14695981039346656037u;               /* FNV-1a */

    for (uint32_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
    return h;
}

/* One name for each text: what a path or a shell would take for something else is %XX, a long one is cut and ends with its hash. */
static void put_file_name(struct sq_buf *b, struct sq_str s)
{
    enum { MOST = 150 };
    size_t from = b->n;

    for (uint32_t i = 0; i < s.n && b->n - from < MOST; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80 || strchr("_-,+=@", c) || (c == '.' && i > 0);

        if (plain && c)
            sq_buf_add(b, &s.p[i], 1);
        else
            sq_buf_printf(b, "%%%02X", c);
    }
    if (b->rc == SQ_OK && b->n - from >= MOST)
        sq_buf_printf(b, "-%016llx", (unsigned long long)hash(s));
}

static struct sq_str finish(struct sq_arena *arena, struct sq_buf *b)
{
    struct sq_str s = b->rc == SQ_OK ? sq_str_dup(arena, sq_buf_view(b)) : (struct sq_str){0};

    sq_buf_reset(b);
    return s;
}

sq_rc sq_stmt_epochs_dir(sqluice_stmt *s, struct sq_bind_env *env)
{
    struct sq_job_config *c = &s->plan->config;
    struct sq_str root = sq_path_local(sq_setting(env->settings, DIR_KEY));
    struct sq_buf b;

    while (root.n > 1 && root.p[root.n - 1] == '/')
        root.n--;
    if (env->session.batch || !durable(&c->epochs, root.n > 0))
        return SQ_OK;
    sq_buf_init(&b, &s->db->ctx);
    if (c->name.n == 0) {
        if (s->db->job_name.n)
            sq_buf_str(&b, s->db->job_name);
        sq_buf_puts(&b, s->db->job_name.n ? "-" : "insert-into_");
        put_targets(&b, s->plan);
        c->name = finish(env->arena, &b);
    }
    if (root.n)
        sq_buf_str(&b, root);
    else
        sq_buf_puts(&b, HERE);
    sq_buf_puts(&b, "/");
    if (c->name.p)
        put_file_name(&b, c->name);
    c->epochs.dir = finish(env->arena, &b);
    sq_buf_free(&b);
    return c->name.p && c->epochs.dir.p ? SQ_OK : SQ_NOMEM;
}

/* ---- when it runs ---- */

void sq_epochs_forget(sqluice *db)
{
    while (db->claims) {
        struct sq_claim *c = db->claims;

        db->claims = c->next;
        sq_free(&db->ctx, (void *)(uintptr_t)c->dir.p);
        sq_free(&db->ctx, c);
    }
}

static sq_rc clash(sqluice_stmt *s, const struct sq_job_config *c)
{
    struct sq_ctx *ctx = &s->db->ctx;

    sq_fail_at(ctx, SQ_SEMANTIC, s->ast->at, "two jobs would keep their checkpoints in one directory, %.*s", SQ_FMT(c->epochs.dir));
    return sq_hint(ctx, "give this INSERT a name of its own: SET 'pipeline.name' = '%.*s-2' before it", SQ_FMT(c->name));
}

/* Of the statement, however it is laid out. */
static sq_rc hash_stmt(sqluice_stmt *s, uint64_t *h)
{
    struct sq_buf b;
    sq_rc rc;

    sq_buf_init(&b, &s->db->ctx);
    rc = sq_unparse_stmt(&b, s->ast);
    *h = hash(sq_buf_view(&b));
    sq_buf_free(&b);
    return rc;
}

/* Of a job file each directory belongs to one INSERT; a program, or a person at the prompt, may change a job and run it again. */
static sq_rc claim(sqluice_stmt *s, const struct sq_job_config *c)
{
    sqluice *db = s->db;
    struct sq_claim *n;
    uint64_t text;

    if (sq_jobs_uses(db, c->epochs.dir))
        return clash(s, c);
    if (!db->job_name.n)
        return SQ_OK;
    SQ_TRY(hash_stmt(s, &text));
    for (const struct sq_claim *p = db->claims; p; p = p->next)
        if (sq_str_eq(p->dir, c->epochs.dir))
            return p->text == text ? SQ_OK : clash(s, c);
    n = sq_calloc(&db->ctx, sizeof *n);
    if (!n)
        return SQ_NOMEM;
    n->dir = (struct sq_str){sq_str_copy(&db->ctx, c->epochs.dir), c->epochs.dir.n};
    n->text = text;
    n->next = db->claims;
    db->claims = n;
    return n->dir.p ? SQ_OK : SQ_NOMEM;
}

/* Has the job checkpoints of its own to go on from? Those of one that has come to its end are not. */
static sq_rc goes_on(sqluice_stmt *s, const struct sq_epoch_config *e, bool *yes)
{
    struct sq_ctx *ctx = &s->db->ctx;
    struct sq_store_info info;

    *yes = false;
    if (!sq_store_is_dir(ctx, e->dir.p))
        return SQ_OK;
    if (sq_store_look(ctx, e->dir.p, &s->plan_arena, &info) == SQ_NOMEM)
        return SQ_NOMEM;                         /* any other failure is for the opening to tell */
    *yes = info.n > 0 && (!info.entries[0].finished || info.entries[0].status != SQ_STORE_DONE || e->trigger == SQ_TRIGGER_AVAILABLE_NOW);
    return SQ_OK;
}

/* FLINK: the path wins in every run. Here a job file names it once and for all: a rerun goes on from the job's own checkpoints, for its sinks have got further. */
static sq_rc settle_savepoint(sqluice_stmt *s, struct sq_epoch_config *e)
{
    struct sq_ctx *ctx = &s->db->ctx;
    const char *from = e->from.p;
    struct stat st;
    bool own;

    if (e->from.n == 0)
        return SQ_OK;
    SQ_TRY(goes_on(s, e, &own));
    if (own) {
        sq_notice(ctx, "the job has checkpoints of its own in %.*s and goes on from them, not from %s", SQ_FMT(e->dir), from);
        e->from = SQ_STR("");
        return SQ_OK;
    }
    if (ctx->os->stat(ctx->os->arg, from, &st) < 0) {
        sq_fail_at(ctx, SQ_SEMANTIC, s->ast->at, "there is no savepoint %s to begin from", from);
        return sq_hint(ctx, "'execution.savepoint.path' names it; relative paths begin at the working directory");
    }
    if (S_ISDIR(st.st_mode)) {
        SQ_TRY(sq_state_newest(ctx, &s->plan_arena, from, s->ast->at, &from));
        e->from = sq_str_of(from);
    }
    return SQ_OK;
}

enum { TOLD_DIR = 1, TOLD_MEMORY = 2, TOLD_BATCH = 4, TOLD_IDLE = 8 };

static bool first(sqluice *db, unsigned what)
{
    bool yes = !(db->told_epochs & what);

    db->told_epochs |= what;
    return yes;
}

sq_rc sq_stmt_epochs_begin(sqluice_stmt *s)
{
    sqluice *db = s->db;
    struct sq_ctx *ctx = &db->ctx;
    struct sq_job_config *c = &s->plan->config;
    bool given = sq_setting(db->settings, DIR_KEY).n > 0;

    if (c->batch) {
        if (sq_setting_ms(db->settings, "execution.checkpointing.interval") > 0 && first(db, TOLD_BATCH))
            sq_notice(ctx, "a job in batch mode makes no checkpoints: 'execution.checkpointing.interval' has no effect on it");
        return SQ_OK;
    }
    if (c->epochs.dir.n) {
        if (!given && first(db, TOLD_DIR))
            sq_notice(ctx, "checkpoints are kept in %.*s: 'execution.checkpointing.dir' can name another place", SQ_FMT(c->epochs.dir));
        SQ_TRY(claim(s, c));
        return settle_savepoint(s, &c->epochs);
    }
    if (c->epochs.trigger == SQ_TRIGGER_INTERVAL && first(db, TOLD_MEMORY))
        sq_notice(ctx, "epochs are not made durable: a job that is started again begins anew, so rows may come twice; SET 'execution.checkpointing.dir' to keep them");
    else if (c->epochs.trigger == SQ_TRIGGER_CONTINUOUS && given && first(db, TOLD_IDLE))
        sq_notice(ctx, "no checkpoints are made: 'execution.checkpointing.dir' has an effect with 'execution.checkpointing.interval'");
    return SQ_OK;
}
