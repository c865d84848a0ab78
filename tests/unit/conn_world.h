/* SPDX-License-Identifier: Apache-2.0
 *
 * conn_world.h: a folder for a test of connectors, a context that takes notices and what is printed, a sink from its options to its rows.
 */
#ifndef SQ_TEST_CONN_WORLD_H
#define SQ_TEST_CONN_WORLD_H

#include "conn_kit.h"

/* ---- the world ---- */

struct world {
    struct sq_ctx ctx;
    struct sq_arena arena;
    struct sq_session session;
    char dir[64], path[128];
    char notices[2048];
    struct sq_buf shown;           /* what was printed; bad records */
};

static inline void note(void *arg, const char *text)
{
    struct world *w = arg;
    size_t n = strlen(w->notices);
    snprintf(w->notices + n, sizeof w->notices - n, "%s\n", text);
}

static inline void show(void *arg, bool err, const char *text, size_t n)
{
    struct world *w = arg;
    if (err)
        sq_buf_puts(&w->shown, "stderr: ");
    sq_buf_add(&w->shown, text, n);
}

static inline void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->ctx = (struct sq_ctx){.os = &sq_os_posix, .notice = note, .notice_arg = w, .print = show, .print_arg = w};
    w->session = (struct sq_session){.tz = sq_tz_utc, .os = &sq_os_posix};
    sq_arena_init(&w->arena, &w->ctx);
    sq_buf_init(&w->shown, &w->ctx);
    snprintf(w->dir, sizeof w->dir, "/tmp/sq_connXXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/f", w->dir);
}

static inline void end(struct world *w)
{
    char cmd[128];
    sq_buf_free(&w->shown);
    sq_arena_free(&w->arena);
    snprintf(cmd, sizeof cmd, "rm -rf %s", w->dir);
    assert_int_equal(system(cmd), 0);
}

static inline void make_ext(struct world *w, struct sq_table_spec *t, const struct sq_connector **c, struct sq_table_ext **ext)
{
    sq_rc rc = sq_connector_find(&w->ctx, t, c);
    if (rc == SQ_OK)
        rc = (*c)->table(&w->ctx, &w->arena, t, ext);
    if (rc != SQ_OK)
        print_error("%s\n", w->ctx.err.msg);
    assert_int_equal(rc, SQ_OK);
}

/* ---- sinks ---- */

struct sink {
    const struct sq_connector *c;
    struct sq_sink_spec spec;
};

static inline void make_sink(struct world *w, struct sink *s, const char *with, unsigned mode, bool keyed, bool overwrite)
{
    static const uint32_t key[] = {0};
    struct sq_table_ext *ext;
    struct sq_table_spec *t = kit_spec(&w->arena, kit_cols, 2, with);
    unsigned modes;
    make_ext(w, t, &s->c, &ext);
    s->spec = (struct sq_sink_spec){.table = t, .ext = ext, .session = &w->session, .mode = mode, .key = key, .nkey = keyed, .overwrite = overwrite};
    assert_int_equal(s->c->sink->accept(&w->ctx, t, ext, &modes), SQ_OK);
    assert_true(modes & mode);
}

static inline sq_rc write_rows(struct world *w, struct sink *s, const char *rows)
{
    struct sq_writer *wr = NULL;
    struct sq_out o;
    kit_fill(&w->ctx, &o, rows);
    sq_rc rc = s->c->sink->open(&w->ctx, &s->spec, &wr);
    if (rc == SQ_OK && o.n)
        rc = s->c->sink->write(wr, sq_out_batch(&o));
    if (rc == SQ_OK)
        rc = s->c->sink->finish(wr);
    if (wr)
        s->c->sink->close(wr);
    sq_out_free(&o);
    return rc;
}

#endif
