/* SPDX-License-Identifier: Apache-2.0
 *
 * jdbc_world.h: for tests of the jdbc connector: a SQLite database in a folder of its own, looked at through a connection of the test's own, a
 * context that keeps notices and does not sleep, tables from their options.
 */
#ifndef SQ_TEST_JDBC_WORLD_H
#define SQ_TEST_JDBC_WORLD_H

#include "base/sqlite.h"
#include "conn_kit.h"

#include <unistd.h>

struct world {
    struct sq_ctx ctx;
    struct sq_arena arena;
    struct sq_session session;
    struct sq_sqlite lib;
    char dir[64], path[128], notices[4096];
    int64_t slept_us;
    struct sq_os os;
};

static inline void note(void *arg, const char *text)
{
    struct world *w = arg;
    size_t n = strlen(w->notices);
    snprintf(w->notices + n, sizeof w->notices - n, "%s\n", text);
}

static inline void no_sleep(void *arg, int64_t us) { ((struct world *)arg)->slept_us += us; }
static inline int64_t real_mono(void *arg) { (void)arg; return sq_os_posix.mono_ns(NULL); }

static inline void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->os = sq_os_posix;
    w->os.arg = w;
    w->os.sleep_us = no_sleep;
    w->os.mono_ns = real_mono;
    w->ctx = (struct sq_ctx){.os = &w->os, .notice = note, .notice_arg = w};
    w->session = (struct sq_session){.tz = sq_tz_utc, .os = &w->os};
    sq_arena_init(&w->arena, &w->ctx);
    snprintf(w->dir, sizeof w->dir, "/tmp/sq_jdbcXXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/x.db", w->dir);
    assert_int_equal(sq_sqlite_load(&w->ctx, &w->lib), SQ_OK);
}

static inline void end(struct world *w)
{
    char cmd[128];
    sq_sqlite_unload(&w->lib);
    sq_arena_free(&w->arena);
    snprintf(cmd, sizeof cmd, "rm -rf %s", w->dir);
    assert_int_equal(system(cmd), 0);
}

/* Runs SQL on the database, and gives what it returns: "1|a;2|NULL;". */
static inline const char *sql(struct world *w, const char *text)
{
    sqlite3 *db;
    struct sq_buf out;
    sq_buf_init(&out, &w->ctx);
    assert_int_equal(w->lib.open_v2(w->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), SQLITE_OK);
    while (*text) {
        sqlite3_stmt *s;
        int e = w->lib.prepare_v2(db, text, -1, &s, &text);
        if (e != SQLITE_OK)
            print_error("%s\n", w->lib.errmsg(db));
        assert_int_equal(e, SQLITE_OK);
        while ((e = w->lib.step(s)) == SQLITE_ROW)
            for (int i = 0, more = 1; more; i++) {
                const char *v = (const char *)w->lib.column_text(s, i);
                sq_buf_puts(&out, v ? v : "NULL");
                more = w->lib.column_type(s, i + 1) != SQLITE_NULL || (i + 1 < 4 && w->lib.column_text(s, i + 1));
                sq_buf_putc(&out, more ? '|' : ';');
            }
        assert_int_equal(e, SQLITE_DONE);
        w->lib.finalize(s);
    }
    assert_int_equal(w->lib.close(db), SQLITE_OK);
    const char *copy = sq_arena_printf(&w->arena, "%s", out.p ? out.p : "");
    sq_buf_free(&out);
    return copy;
}

static inline struct sq_table_spec *make_spec(struct world *w, const struct sq_table_column *cols, uint32_t ncols, const char *more)
{
    return kit_spec(&w->arena, cols, ncols, sq_arena_printf(&w->arena, "connector=jdbc;url=jdbc:sqlite:%s?busy_timeout=20;table-name=r;%s", w->path, more));
}

static inline struct sq_table_ext *make_ext(struct world *w, struct sq_table_spec *t)
{
    struct sq_table_ext *ext;
    sq_rc rc = sq_connector_jdbc.table(&w->ctx, &w->arena, t, &ext);
    if (rc != SQ_OK)
        print_error("%s\n", w->ctx.err.msg);
    assert_int_equal(rc, SQ_OK);
    return ext;
}

#endif
