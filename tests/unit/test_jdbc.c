/* SPDX-License-Identifier: Apache-2.0
 *
 * test_jdbc.c: SQLite as sink and source: every type there and back, upserts and deletes, tables created or refused, and a
 * database that is locked, read-only, full, or none at all. What is in the database is looked at through a connection of the
 * test's own.
 */
#include "jdbc_world.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static const uint32_t key_id[] = {0}, key_both[] = {0, 1};

static sq_rc open_sink(struct world *w, struct sq_sink_spec *spec, const char *more, const uint32_t *key, uint32_t nkey, struct sq_writer **out)
{
    struct sq_table_spec *t = make_spec(w, kit_cols, 2, more);
    w->ctx.err = (struct sq_error){0};
    w->notices[0] = 0;
    *spec = (struct sq_sink_spec){.table = t, .ext = make_ext(w, t), .session = &w->session, .mode = nkey ? SQ_MODE_UPSERT : SQ_MODE_INSERT, .key = key, .nkey = nkey};
    *out = NULL;
    return sq_connector_jdbc.sink->open(&w->ctx, spec, out);
}

static sq_rc insert(struct world *w, const char *more, const uint32_t *key, uint32_t nkey, const char *rows)
{
    struct sq_sink_spec spec;
    struct sq_writer *wr;
    struct sq_out o;
    SQ_TRY(open_sink(w, &spec, more, key, nkey, &wr));
    kit_fill(&w->ctx, &o, rows);
    sq_rc rc = sq_connector_jdbc.sink->write(wr, sq_out_batch(&o));
    if (rc == SQ_OK)
        rc = sq_connector_jdbc.sink->finish(wr);
    sq_connector_jdbc.sink->close(wr);
    sq_out_free(&o);
    return rc;
}

static void expect_error(struct world *w, const char *fmt, ...)
{
    char want[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(want, sizeof want, fmt, ap);
    va_end(ap);
    assert_string_equal(w->ctx.err.msg, want);
}

static void test_upserts(void **state)
{
    struct world w;
    char want[512];
    (void)state;
    begin(&w);
    assert_int_equal(insert(&w, "", key_id, 1, "1:a 2:b 3:c ^2:B -3:c 4:d -4:d 4:D"), SQ_OK);
    snprintf(want, sizeof want, "created in database '%s': CREATE TABLE \"r\" (\"id\" INTEGER NOT NULL, \"s\" TEXT, PRIMARY KEY (\"id\"))\n", w.path);
    assert_string_equal(w.notices, want);
    assert_string_equal(sql(&w, "SELECT id, s FROM r ORDER BY id"), "1|a;2|B;4|D;");
    assert_int_equal(insert(&w, "", key_id, 1, "1:A -2:B 5:# -9:never"), SQ_OK);      /* the table is there: no notice, old rows stay */
    assert_string_equal(w.notices, "");
    assert_string_equal(sql(&w, "SELECT id, coalesce(s, '-') FROM r ORDER BY id"), "1|A;4|D;5|-;");
    for (int i = 1; i <= 3; i++) {                        /* transactions of every size */
        char more[64];
        sql(&w, "DELETE FROM r");
        snprintf(more, sizeof more, "sink.buffer-flush.max-rows=%d", i);
        assert_int_equal(insert(&w, more, key_id, 1, "1:a 2:b 3:c ^2:B -3:c 4:d -4:d 4:D"), SQ_OK);
        assert_string_equal(sql(&w, "SELECT id, s FROM r ORDER BY id"), "1|a;2|B;4|D;");
    }
    sql(&w, "DROP TABLE r");
    assert_int_equal(insert(&w, "", key_both, 2, "1:a 1:b 1:a -1:b"), SQ_OK);         /* all columns are the key */
    assert_string_equal(sql(&w, "SELECT id, s FROM r"), "1|a;");
    sql(&w, "DROP TABLE r");
    assert_int_equal(insert(&w, "", NULL, 0, "1:a 1:a 2:b"), SQ_OK);                  /* no key: appended */
    assert_int_equal(insert(&w, "", NULL, 0, "1:a #:#"), SQ_OK);
    assert_string_equal(sql(&w, "SELECT id, s FROM r WHERE s NOT NULL"), "1|a;1|a;2|b;1|a;");
    assert_string_equal(sql(&w, "SELECT count(*) FROM r"), "5;");
    end(&w);
}

static void test_null_key(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    assert_int_equal(insert(&w, "", key_id, 1, "1:a #:b"), SQ_DATA);
    expect_error(&w, "table 't': NULL in key column 'id'");
    assert_string_equal(sql(&w, "SELECT count(*) FROM r"), "0;");                      /* nothing was written */
    end(&w);
}

static void test_flush(void **state)
{
    struct world w;
    struct sq_sink_spec spec;
    struct sq_writer *wr;
    struct sq_out o;
    (void)state;
    begin(&w);
    assert_int_equal(open_sink(&w, &spec, "", key_id, 1, &wr), SQ_OK);
    kit_fill(&w.ctx, &o, "1:a");
    assert_int_equal(sq_connector_jdbc.sink->write(wr, sq_out_batch(&o)), SQ_OK);
    assert_string_equal(sql(&w, "SELECT count(*) FROM r"), "0;");
    assert_int_equal(sq_connector_jdbc.sink->flush(wr), SQ_OK);
    assert_string_equal(sql(&w, "SELECT count(*) FROM r"), "1;");
    sql(&w, "DELETE FROM r");
    assert_int_equal(sq_connector_jdbc.sink->flush(wr), SQ_OK);                         /* nothing is written twice */
    assert_string_equal(sql(&w, "SELECT count(*) FROM r"), "0;");
    assert_int_equal(sq_connector_jdbc.sink->write(wr, sq_out_batch(&o)), SQ_OK);
    sq_connector_jdbc.sink->close(wr);                                                  /* without finish: it is dropped */
    assert_string_equal(sql(&w, "SELECT count(*) FROM r"), "0;");
    sq_out_free(&o);
    end(&w);
}

static void test_existing_tables(void **state)
{
    static const struct { const char *ddl, *msg, *hint; uint32_t nkey; } t[] = {
        {"CREATE TABLE r (id INTEGER PRIMARY KEY, s TEXT)", NULL, NULL, 1},
        {"CREATE TABLE r (ID INT, S TEXT, PRIMARY KEY (iD))", NULL, NULL, 1},
        {"CREATE TABLE r (id INT PRIMARY KEY, s TEXT, more DEFAULT 1 NOT NULL) WITHOUT ROWID", NULL, NULL, 1},
        {"CREATE TABLE r (s TEXT, id INT); CREATE UNIQUE INDEX i ON r (s, id)", NULL, NULL, 2},
        {"CREATE TABLE r (id, s)", NULL, NULL, 0},
        {"CREATE TABLE r (id INT, x INT)", "table 't': table 'r' in database '%s' has no column 's'", "it has 'id', 'x'", 0},
        {"CREATE TABLE r (idd INT, s TEXT)", "table 't': table 'r' in database '%s' has no column 'id'", "did you mean 'idd'?", 0},
        {"CREATE TABLE r (id INT, s TEXT)", "table 't': rows are replaced by (\"id\"), and table 'r' in database '%s' has no unique key of exactly these columns",
         "make it so with: CREATE UNIQUE INDEX \"r_key\" ON \"r\" (\"id\")", 1},
        {"CREATE TABLE r (id INT, s TEXT, PRIMARY KEY (id, s))",
         "table 't': rows are replaced by (\"id\"), and table 'r' in database '%s' has no unique key of exactly these columns", NULL, 1},
        {"CREATE TABLE r (id INT, s TEXT); CREATE UNIQUE INDEX i ON r (id) WHERE id > 0",
         "table 't': rows are replaced by (\"id\"), and table 'r' in database '%s' has no unique key of exactly these columns", NULL, 1},
        {"CREATE TABLE r (id INT, s TEXT); CREATE UNIQUE INDEX i ON r (id + 0)",
         "table 't': rows are replaced by (\"id\"), and table 'r' in database '%s' has no unique key of exactly these columns", NULL, 1},
        {"CREATE TABLE r (id INT, s TEXT COLLATE NOCASE, PRIMARY KEY (id, s))",
         "table 't': the key (\"id\", \"s\") of table 'r' in database '%s' has the collation NOCASE, which takes different keys for equal", NULL, 2},
        {"CREATE TABLE r (id INT PRIMARY KEY, s STRING)", "table 't': column 's' is STRING in database '%s', which does not keep every VARCHAR",
         "SQLite keeps numbers there: '007' would become 7; declare the column TEXT", 1},
        {"CREATE TABLE r (id INT PRIMARY KEY, s TEXT, z INT NOT NULL)", "table 't': column 'z' of table 'r' in database '%s' is NOT NULL without a default",
         "declare it in the job file too, and give it a value", 1},
        {"CREATE TABLE r (id INT PRIMARY KEY, s TEXT AS (id || 'x'))", "table 't': column 's' is computed by database '%s' and cannot be written", NULL, 1},
        {"CREATE TABLE q (id INT, s TEXT); CREATE VIEW r AS SELECT * FROM q", "table 't': 'r' in database '%s' is a view and cannot be written", NULL, 0},
    };
    struct world w;
    (void)state;
    begin(&w);
    for (size_t i = 0; i < SQ_LEN(t); i++) {
        unlink(w.path);
        sql(&w, t[i].ddl);
        sq_rc rc = insert(&w, "", t[i].nkey == 2 ? key_both : key_id, t[i].nkey, "1:a");
        if (!t[i].msg) {
            if (rc != SQ_OK)
                print_error("%s: %s\n", t[i].ddl, w.ctx.err.msg);
            assert_int_equal(rc, SQ_OK);
            assert_string_equal(sql(&w, "SELECT id, s FROM r"), "1|a;");
            continue;
        }
        assert_int_equal(rc, SQ_EXTERNAL);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        expect_error(&w, t[i].msg, w.path);
#pragma GCC diagnostic pop
        if (t[i].hint)
            assert_string_equal(w.ctx.err.hint, t[i].hint);
    }
    unlink(w.path);
    sql(&w, "CREATE TABLE other (x)");
    assert_int_equal(insert(&w, "sink.create-table=never", key_id, 1, "1:a"), SQ_EXTERNAL);
    expect_error(&w, "table 't': database '%s' has no table 'r'", w.path);
    assert_string_equal(w.ctx.err.hint, "create it with: CREATE TABLE \"r\" (\"id\" INTEGER NOT NULL, \"s\" TEXT, PRIMARY KEY (\"id\"))");
    unlink(w.path);
    assert_int_equal(insert(&w, "sink.create-table=never", key_id, 1, "1:a"), SQ_EXTERNAL);
    expect_error(&w, "cannot write database '%s': no such file or directory", w.path);
    assert_int_not_equal(access(w.path, F_OK), 0);        /* and none was made */
    end(&w);
}

/* Holds a lock on the database until let go. */
static sqlite3 *lock(struct world *w, const char *how)
{
    sqlite3 *db;
    assert_int_equal(w->lib.open_v2(w->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), SQLITE_OK);
    assert_int_equal(w->lib.exec(db, how, NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void test_locked(void **state)
{
    struct world w;
    struct sq_sink_spec spec;
    struct sq_writer *wr;
    struct sq_out o;
    (void)state;
    begin(&w);
    sql(&w, "CREATE TABLE r (id INT PRIMARY KEY, s TEXT)");
    sqlite3 *db = lock(&w, "BEGIN EXCLUSIVE");
    assert_int_equal(insert(&w, "sink.max-retries=2", key_id, 1, "1:a"), SQ_EXTERNAL);
    expect_error(&w, "cannot write database '%s': it is locked by another program (tried 3 times)", w.path);
    assert_non_null(strstr(w.ctx.err.hint, "busy_timeout"));
    assert_true(w.slept_us > 0);
    assert_int_equal(insert(&w, "sink.max-retries=0", key_id, 1, "1:a"), SQ_EXTERNAL);
    expect_error(&w, "cannot write database '%s': it is locked by another program", w.path);
    w.lib.close(db);

    assert_int_equal(open_sink(&w, &spec, "sink.max-retries=1", key_id, 1, &wr), SQ_OK);
    kit_fill(&w.ctx, &o, "1:a 2:b");
    assert_int_equal(sq_connector_jdbc.sink->write(wr, sq_out_batch(&o)), SQ_OK);
    db = lock(&w, "BEGIN IMMEDIATE; INSERT INTO r VALUES (2, 'theirs')");
    assert_int_equal(sq_connector_jdbc.sink->flush(wr), SQ_EXTERNAL);
    expect_error(&w, "table 't': cannot write database '%s': it is locked by another program (tried 2 times)", w.path);
    assert_int_equal(w.lib.exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    w.lib.close(db);
    assert_string_equal(sql(&w, "SELECT id, s FROM r"), "2|theirs;");
    assert_int_equal(sq_connector_jdbc.sink->flush(wr), SQ_OK);                         /* the rows were kept */
    assert_string_equal(sql(&w, "SELECT id, s FROM r ORDER BY id"), "1|a;2|b;");

    /* a reader that keeps its SELECT open keeps the commit waiting */
    assert_int_equal(sq_connector_jdbc.sink->write(wr, sq_out_batch(&o)), SQ_OK);
    db = lock(&w, "BEGIN; SELECT * FROM r");
    assert_int_equal(sq_connector_jdbc.sink->flush(wr), SQ_EXTERNAL);
    w.lib.close(db);
    assert_int_equal(sq_connector_jdbc.sink->finish(wr), SQ_OK);
    sq_connector_jdbc.sink->close(wr);
    sq_out_free(&o);
    end(&w);
}

static void test_refusals(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    FILE *f = fopen(w.path, "w");
    assert_non_null(f);
    fprintf(f, "this is not a database, just some text that is long enough to be looked at by it, and a bit more of it");
    fclose(f);
    assert_int_equal(insert(&w, "", key_id, 1, "1:a"), SQ_EXTERNAL);
    expect_error(&w, "cannot write '%s': it is not a SQLite database", w.path);
    snprintf(w.path, sizeof w.path, "%s/no/such/x.db", w.dir);
    assert_int_equal(insert(&w, "", key_id, 1, "1:a"), SQ_EXTERNAL);
    expect_error(&w, "cannot write database '%s': there is no directory '%s/no/such'", w.path, w.dir);
    snprintf(w.path, sizeof w.path, "%s", w.dir);
    assert_int_equal(insert(&w, "", key_id, 1, "1:a"), SQ_EXTERNAL);
    expect_error(&w, "cannot write database '%s': it is a directory", w.path);
    snprintf(w.path, sizeof w.path, "%s/ro.db", w.dir);
    sql(&w, "CREATE TABLE r (id INT PRIMARY KEY, s TEXT)");
    chmod(w.path, 0444);
    bool root = geteuid() == 0;
    if (root) {                                           /* root may write everything */
        chmod(w.dir, 0777);
        assert_int_equal(seteuid(65534), 0);
    }
    assert_int_equal(insert(&w, "", key_id, 1, "1:a"), SQ_EXTERNAL);
    if (root)
        assert_int_equal(seteuid(0), 0);
    expect_error(&w, "cannot write database '%s': it is read-only", w.path);
    snprintf(w.path, sizeof w.path, "%s/c.db", w.dir);
    sql(&w, "CREATE TABLE r (id INT PRIMARY KEY, s TEXT CHECK (s <> 'x'))");
    assert_int_equal(insert(&w, "", key_id, 1, "1:a 2:x 3:c"), SQ_DATA);
    expect_error(&w, "table 't': database '%s' refuses a row of table 'r': CHECK constraint failed: s <> 'x'", w.path);
    assert_string_equal(sql(&w, "SELECT count(*) FROM r"), "0;");                      /* all or nothing */
    end(&w);
}

/* The disk is full in the midst of a transaction: a file size limit stands for it. */
static void test_full(void **state)
{
    struct world w;
    struct sq_sink_spec spec;
    struct sq_writer *wr;
    struct rlimit old, small;
    struct sq_out o;
    const struct sq_type *types[] = {&sq_type_int, &sq_type_string};
    char text[4000];
    (void)state;
    begin(&w);
    memset(text, 'x', sizeof text);
    assert_int_equal(sq_out_init(&o, &w.ctx, types, 2), SQ_OK);
    for (int32_t i = 0; i < 1000; i++) {
        assert_int_equal(sq_col_append_fixed(&o.cols[0], &i), SQ_OK);
        assert_int_equal(sq_col_append_view(&o.cols[1], text, sizeof text), SQ_OK);
        assert_int_equal(sq_out_row(&o, SQ_INSERT), SQ_OK);
    }
    assert_int_equal(open_sink(&w, &spec, "", key_id, 1, &wr), SQ_OK);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){200000, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(sq_connector_jdbc.sink->write(wr, sq_out_batch(&o)), SQ_OK);
    sq_rc rc = sq_connector_jdbc.sink->finish(wr);
    sq_connector_jdbc.sink->close(wr);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, SQ_EXTERNAL);
    assert_non_null(strstr(w.ctx.err.msg, w.path));
    assert_string_equal(sql(&w, "SELECT count(*) FROM r; PRAGMA integrity_check"), "0;ok;");
    sq_out_free(&o);
    end(&w);
}

/* ---- every type there and back ---- */

static sq_rc scan(struct world *w, const struct sq_table_column *cols, uint32_t ncols, const char *more, uint32_t batch, uint32_t stop, struct sq_buf *text)
{
    static const uint32_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
    struct sq_table_spec *t = make_spec(w, cols, ncols, more);
    struct sq_scan_spec spec = {.table = t, .ext = make_ext(w, t), .session = &w->session, .cols = all, .ncols = ncols, .batch_rows = batch};
    const struct sq_source_class *c = sq_connector_jdbc.source;
    struct sq_split *s;
    uint32_t n;
    struct sq_buf pos[16];
    sq_rc rc = SQ_OK;
    w->ctx.err = (struct sq_error){0};
    SQ_TRY(c->splits(&w->ctx, &w->arena, &spec, 1, &s, &n));
    for (uint32_t i = 0; i < 16; i++)
        sq_buf_init(&pos[i], &w->ctx);
    for (int part = 0; part < 2 && rc == SQ_OK; part++) {
        struct sq_reader *r;
        struct sq_poll p = {.state = SQ_POLL_ROWS};
        uint32_t polls = 0;
        SQ_TRY(c->open(&w->ctx, &spec, &r));
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(c->add_split(r, &s[i], part ? sq_buf_view(&pos[i]) : (struct sq_str){NULL, 0}), SQ_OK);
        while (rc == SQ_OK && p.state != SQ_POLL_END && (part || !stop || polls++ < stop)) {
            rc = c->poll(r, &p);
            for (uint32_t i = 0; rc == SQ_OK && p.batch && i < p.batch->nsel; i++) {
                assert_null(sq_batch_check(p.batch));
                for (uint32_t k = 0; k < ncols; k++) {
                    sq_buf_puts(text, k ? "|" : "");
                    if (sq_vec_null(&p.batch->cols[k], i))
                        sq_buf_puts(text, "NULL");
                    else
                        sq_print_value(text, &p.batch->cols[k], i, w->session.tz);
                }
                sq_buf_putc(text, ';');
            }
        }
        for (uint32_t i = 0; i < n && rc == SQ_OK; i++) {
            sq_buf_reset(&pos[i]);
            assert_int_equal(c->position(r, i, &pos[i]), SQ_OK);
        }
        c->close(r);
        if (!stop)
            break;
    }
    for (uint32_t i = 0; i < 16; i++)
        sq_buf_free(&pos[i]);
    return rc;
}

#define FIXED(c, type, v) assert_int_equal(sq_col_append_fixed(&o.cols[c], &(type){v}), SQ_OK)

static void test_types(void **state)
{
    struct world w;
    struct sq_out o;
    struct sq_buf text;
    (void)state;
    begin(&w);
    const struct sq_type *dec = sq_type_new(&w.arena, SQ_T_DECIMAL, true, 38, 10), *time3 = sq_type_new(&w.arena, SQ_T_TIME, true, 3, 0);
    const struct sq_type *types[] = {&sq_type_int, &sq_type_boolean, &sq_type_tinyint, &sq_type_smallint, &sq_type_bigint, &sq_type_float, &sq_type_double, dec,
                                     &sq_type_string, &sq_type_bytes, &sq_type_date, time3, &sq_type_timestamp3, &sq_type_timestamp9, &sq_type_ltz3, &sq_type_ltz9,
                                     &sq_type_interval_ym, &sq_type_interval_ds};
    enum { N = SQ_LEN(types) };
    struct sq_table_column cols[N];
    static char names[N][4];
    for (uint32_t i = 0; i < N; i++) {
        snprintf(names[i], 4, "c%u", i);
        cols[i] = (struct sq_table_column){{names[i], (uint32_t)strlen(names[i])}, types[i], SQ_COL_PHYSICAL, {NULL, 0}, 0, 0};
    }
    assert_int_equal(sq_out_init(&o, &w.ctx, types, N), SQ_OK);
    for (int row = 0; row < 3; row++) {
        bool hi = row == 1;
        if (row == 2)
            for (uint32_t i = 1; i < N; i++)
                assert_int_equal(sq_col_append_null(&o.cols[i]), SQ_OK);
        FIXED(0, int32_t, row);
        if (row < 2) {
            FIXED(1, uint8_t, hi);
            FIXED(2, int8_t, hi ? INT8_MAX : INT8_MIN);
            FIXED(3, int16_t, hi ? INT16_MAX : INT16_MIN);
            FIXED(4, int64_t, hi ? INT64_MAX : INT64_MIN);
            FIXED(5, float, hi ? 0.1f : -INFINITY);
            FIXED(6, double, hi ? 1.7976931348623157e308 : (double)NAN);
            FIXED(7, sq_i128, hi ? sq_pow10_i128[38] - 1 : -1);
            assert_int_equal(sq_col_append_view(&o.cols[8], hi ? "" : "h\xc3\xa4\"'\n\0x;00", hi ? 0 : 11), SQ_OK);
            assert_int_equal(sq_col_append_view(&o.cols[9], hi ? "" : "\x00\xff|a-long-one-behind", hi ? 0 : 20), SQ_OK);
            FIXED(10, int32_t, hi ? 2932896 : -719162);                                 /* 9999-12-31, 0001-01-01 */
            FIXED(11, int32_t, hi ? 86399999 : 0);
            FIXED(12, int64_t, hi ? INT64_C(253402300799999000) : INT64_C(-62135596800000000));
            struct sq_ts16 ts = {hi ? 1 : -1, hi ? 2 : 999, 0};
            assert_int_equal(sq_col_append_fixed(&o.cols[13], &ts), SQ_OK);
            FIXED(14, int64_t, hi ? 1000 : -1000);
            assert_int_equal(sq_col_append_fixed(&o.cols[15], &ts), SQ_OK);
            FIXED(16, int32_t, hi ? 14 : -1);
            FIXED(17, int64_t, hi ? 86400001 : -1);
        }
        assert_int_equal(sq_out_row(&o, SQ_INSERT), SQ_OK);
    }
    const struct sq_batch *b = sq_out_batch(&o);
    struct sq_table_spec *t = make_spec(&w, cols, N, "");
    struct sq_sink_spec spec = {.table = t, .ext = make_ext(&w, t), .session = &w.session, .mode = SQ_MODE_UPSERT, .key = key_id, .nkey = 1};
    struct sq_writer *wr;
    assert_int_equal(sq_connector_jdbc.sink->open(&w.ctx, &spec, &wr), SQ_OK);
    assert_int_equal(sq_connector_jdbc.sink->write(wr, b), SQ_OK);
    assert_int_equal(sq_connector_jdbc.sink->finish(wr), SQ_OK);
    sq_connector_jdbc.sink->close(wr);

    struct sq_scan_spec sc = {.table = t, .ext = spec.ext, .session = &w.session, .cols = (const uint32_t[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17},
                              .ncols = N, .batch_rows = 7};
    struct sq_reader *r;
    struct sq_poll p;
    assert_int_equal(sq_connector_jdbc.source->open(&w.ctx, &sc, &r), SQ_OK);
    struct sq_split *s;
    uint32_t n;
    assert_int_equal(sq_connector_jdbc.source->splits(&w.ctx, &w.arena, &sc, 1, &s, &n), SQ_OK);
    assert_int_equal(sq_connector_jdbc.source->add_split(r, s, (struct sq_str){NULL, 0}), SQ_OK);
    assert_int_equal(sq_connector_jdbc.source->poll(r, &p), SQ_OK);
    assert_int_equal(p.batch->nsel, 3);
    for (uint32_t c = 0; c < N; c++)
        for (uint32_t row = 0; row < 3; row++)
            if (sq_vec_compare(&b->cols[c], row, &p.batch->cols[c], row) != 0)
                fail_msg("column %u, row %u differs", c, row);
    assert_true(p.state == SQ_POLL_SPLIT_END);
    sq_connector_jdbc.source->close(r);
    assert_string_equal(sql(&w, "SELECT group_concat(v, ' ') FROM (SELECT typeof(c1) || typeof(c5) || typeof(c7) AS v, c12, c13, c14 FROM r WHERE c0 = 1)"), "integerrealtext;");
    assert_string_equal(sql(&w, "SELECT c12 FROM r WHERE c0 = 1"), "9999-12-31 23:59:59.999;");
    assert_string_equal(sql(&w, "SELECT c15 FROM r WHERE c0 = 1"), "1970-01-01 00:00:00.000001002Z;");
    assert_string_equal(sql(&w, "SELECT c7 FROM r WHERE c0 = 1"), "9999999999999999999999999999.9999999999;");
    sq_out_free(&o);

    sq_buf_init(&text, &w.ctx);
    const struct sq_table_column arr[] = {{{"id", 2}, &sq_type_int, SQ_COL_PHYSICAL, {NULL, 0}, 0, 0}, {{"l", 1}, sq_type_array(&w.arena, true, &sq_type_int), SQ_COL_PHYSICAL, {NULL, 0}, 0, 0}};
    spec.table = t = make_spec(&w, arr, 2, "");
    spec.ext = make_ext(&w, t);
    assert_int_equal(sq_connector_jdbc.sink->open(&w.ctx, &spec, &wr), SQ_UNSUPPORTED);
    expect_error(&w, "table 't', column 'l': ARRAY cannot be kept in a SQLite database");
    sq_buf_free(&text);
    end(&w);
}

static void test_source(void **state)
{
    static const struct sq_table_column cols[] = {
        {{"id", 2}, &sq_type_int, SQ_COL_PHYSICAL, {NULL, 0}, 0, 0}, {{"s", 1}, &sq_type_string, SQ_COL_PHYSICAL, {NULL, 0}, 0, 0}, {{"d", 1}, &sq_type_double, SQ_COL_PHYSICAL, {NULL, 0}, 0, 0},
    };
    static const char rows[] = "1|a|1.5;2|b|2.0;3|c|NULL;4|5|7.0;5|e|8.25;";
    static const char *const tables[] = {
        "CREATE TABLE r (id INTEGER PRIMARY KEY, s, d)", "CREATE TABLE r (rowid, s, d, id INT)", "CREATE TABLE r (id INT PRIMARY KEY, s, d) WITHOUT ROWID",
        "CREATE TABLE q (id INT, s, d); CREATE VIEW r AS SELECT * FROM q; CREATE TRIGGER tr INSTEAD OF INSERT ON r BEGIN INSERT INTO q VALUES (new.id, new.s, new.d); END",
        "PRAGMA journal_mode = wal; CREATE TABLE r (id INTEGER PRIMARY KEY, s, d)",
    };
    enum { VIEW = 3 };
    struct world w;
    struct sq_buf text;
    (void)state;
    begin(&w);
    sq_buf_init(&text, &w.ctx);
    for (size_t i = 0; i < SQ_LEN(tables); i++) {
        unlink(w.path);
        sql(&w, tables[i]);
        sql(&w, "INSERT INTO r (id, s, d) VALUES (1, 'a', 1.5), (2, 'b', 2), (3, 'c', NULL), (4, 5, ' 7' + 0), (5, 'e', '8.25')");
        for (uint32_t batch = 1; batch < 8; batch++)
            for (uint32_t stop = 0; stop < 6; stop++) {
                sq_buf_reset(&text);
                if (i == VIEW && stop && stop * batch <= 5) {           /* left in the middle: where would it go on? */
                    assert_int_equal(scan(&w, cols, 3, "", batch, stop, &text), SQ_EXTERNAL);
                    expect_error(&w, "table 't': a scan of table 'r' in database '%s' was left behind row %u and cannot go on: its rows have no order of their own", w.path,
                                 stop * batch);
                    continue;
                }
                assert_int_equal(scan(&w, cols, 3, "", batch, stop, &text), SQ_OK);
                assert_string_equal(text.p, rows);
            }
        sq_buf_reset(&text);
        assert_int_equal(scan(&w, cols, 3, "scan.partition.column=id;scan.partition.num=3;scan.partition.lower-bound=2;scan.partition.upper-bound=5", 7, 0, &text), SQ_OK);
        assert_string_equal(text.p, "2|b|2.0;3|c|NULL;4|5|7.0;5|e|8.25;");
    }
    sq_buf_reset(&text);
    assert_int_equal(scan(&w, cols, 3, "scan.partition.column=id;scan.partition.num=9;scan.partition.lower-bound=-9223372036854775807;scan.partition.upper-bound=9223372036854775807",
                          7, 0, &text), SQ_OK);
    assert_string_equal(text.p, rows);
    sql(&w, "UPDATE r SET d = 'abc' WHERE id = 4");
    assert_int_equal(scan(&w, cols, 3, "", 7, 0, &text), SQ_DATA);
    expect_error(&w, "table 'r' in database '%s', rowid 4: column 'd': 'abc' is not a DOUBLE", w.path);
    sql(&w, "UPDATE r SET d = x'00' WHERE id = 4");
    assert_int_equal(scan(&w, cols, 3, "", 7, 0, &text), SQ_DATA);
    expect_error(&w, "table 'r' in database '%s', rowid 4: column 'd': a BLOB is not a DOUBLE", w.path);
    sql(&w, "UPDATE r SET d = 1, id = 3000000000 WHERE id = 4");
    assert_int_equal(scan(&w, cols, 3, "", 7, 0, &text), SQ_DATA);
    expect_error(&w, "table 'r' in database '%s', rowid 3000000000: column 'id': '3000000000' is not an INT", w.path);
    sql(&w, "DROP TABLE r; CREATE TABLE r (id, ss, d)");
    assert_int_equal(scan(&w, cols, 3, "", 7, 0, &text), SQ_EXTERNAL);
    expect_error(&w, "table 't': table 'r' in database '%s' has no column 's'", w.path);
    sql(&w, "DROP TABLE r");
    assert_int_equal(scan(&w, cols, 3, "", 7, 0, &text), SQ_EXTERNAL);
    expect_error(&w, "table 't': database '%s' has no table 'r'", w.path);
    unlink(w.path);
    assert_int_equal(scan(&w, cols, 3, "", 7, 0, &text), SQ_EXTERNAL);
    expect_error(&w, "cannot read database '%s': no such file or directory", w.path);
    sq_buf_free(&text);
    end(&w);
}

/* ---- scans that are left and gone on with ---- */

struct scan {
    struct world *w;
    struct sq_scan_spec spec;
    struct sq_split *split;
    struct sq_reader *r;
    struct sq_buf at, rows;
};

static void open_scan(struct world *w, struct scan *s, uint32_t batch)
{
    struct sq_table_spec *t = make_spec(w, kit_cols, 2, "");
    uint32_t n;
    *s = (struct scan){.w = w, .spec = {.table = t, .ext = make_ext(w, t), .session = &w->session, .cols = key_both, .ncols = 2, .batch_rows = batch}};
    sq_buf_init(&s->at, &w->ctx);
    sq_buf_init(&s->rows, &w->ctx);
    assert_int_equal(sq_connector_jdbc.source->splits(&w->ctx, &w->arena, &s->spec, 1, &s->split, &n), SQ_OK);
    assert_int_equal(n, 1);
}

/* Goes on where it was, for so many batches (0: to the end); the rows are added to s->rows. */
static sq_rc go_on(struct scan *s, int polls)
{
    const struct sq_source_class *c = sq_connector_jdbc.source;
    struct sq_poll p = {.state = SQ_POLL_ROWS};
    struct sq_buf at;
    assert_int_equal(c->open(&s->w->ctx, &s->spec, &s->r), SQ_OK);
    sq_rc rc = c->add_split(s->r, s->split, s->at.n ? sq_buf_view(&s->at) : (struct sq_str){NULL, 0});
    for (int i = 0; rc == SQ_OK && p.state == SQ_POLL_ROWS && (polls == 0 || i < polls); i++) {
        rc = c->poll(s->r, &p);
        for (uint32_t k = 0; rc == SQ_OK && p.batch && k < p.batch->nsel; k++) {
            sq_print_value(&s->rows, &p.batch->cols[0], k, s->w->session.tz);
            sq_buf_putc(&s->rows, ';');
        }
    }
    sq_buf_init(&at, &s->w->ctx);
    if (rc == SQ_OK)
        assert_int_equal(c->position(s->r, 0, &at), SQ_OK);
    c->close(s->r);
    sq_buf_free(&s->at);
    s->at = at;
    return rc;
}

static void end_scan(struct scan *s)
{
    sq_buf_free(&s->at);
    sq_buf_free(&s->rows);
}

static void expect_shown(struct scan *s, const char *want)
{
    struct sq_buf b;
    sq_buf_init(&b, &s->w->ctx);
    assert_int_equal(sq_connector_jdbc.source->show_position(sq_buf_view(&s->at), &b), SQ_OK);
    assert_string_equal(b.p, want);
    sq_buf_free(&b);
}

/* Rows that stay where they are come once, whatever is done to others while nobody reads. */
static void test_changed_meanwhile(void **state)
{
    struct world w;
    struct scan s;
    (void)state;
    begin(&w);
    sql(&w, "CREATE TABLE r (id INTEGER PRIMARY KEY, s TEXT); INSERT INTO r VALUES (10, 'a'), (20, 'b'), (30, 'c'), (40, 'd'), (50, 'e')");
    open_scan(&w, &s, 2);
    expect_shown(&s, "at the first row");
    assert_int_equal(go_on(&s, 1), SQ_OK);
    expect_shown(&s, "row 2, key 20");
    sql(&w, "INSERT INTO r VALUES (5, 'before'), (15, 'before'), (35, 'behind'), (60, 'behind'); DELETE FROM r WHERE id IN (10, 20, 40); UPDATE r SET id = 1 WHERE id = 50");
    assert_int_equal(go_on(&s, 0), SQ_OK);
    assert_string_equal(s.rows.p, "10;20;30;35;60;");
    expect_shown(&s, "all 5 rows");
    sql(&w, "INSERT INTO r VALUES (70, 'later')");                     /* it was read: a later run of the same job does not read it again */
    assert_int_equal(go_on(&s, 0), SQ_OK);
    assert_string_equal(s.rows.p, "10;20;30;35;60;");
    end_scan(&s);
    end(&w);
}

/* Keys of several columns, of every kind that SQLite has, with a collation that takes some for equal. */
static void test_keys_of_scans(void **state)
{
    struct world w;
    struct scan s;
    (void)state;
    begin(&w);
    sql(&w, "CREATE TABLE r (id INT, s TEXT, k1 TEXT COLLATE NOCASE, k2, k3 REAL, UNIQUE (s, id), PRIMARY KEY (k1, k2, k3)) WITHOUT ROWID;"
            "INSERT INTO r VALUES (1, NULL, 'A', 1, 1), (2, 'x', 'A', 1, -1e300), (3, 'x', 'b''', 2, 0.1), (4, 'x', 'B''', x'00ff', 0.1), (5, 'x', 'B''', 'text', 0.1),"
            "(6, 'x', 'B''', 1.5, 9e999), (7, 'x', '', '', 0), (8, 'x', 'a', -9223372036854775807 - 1, 0)");
    const char *want = sql(&w, "SELECT id FROM r ORDER BY k1 COLLATE BINARY, k2 COLLATE BINARY, k3");
    for (int polls = 1; polls < 8; polls++) {
        open_scan(&w, &s, 1);
        for (int i = 0; i < 9 / polls + 1; i++)
            assert_int_equal(go_on(&s, polls), SQ_OK);
        assert_string_equal(s.rows.p, want);
        end_scan(&s);
    }
    open_scan(&w, &s, 5);
    assert_int_equal(go_on(&s, 1), SQ_OK);
    sql(&w, "DROP TABLE r; CREATE TABLE r (id INT PRIMARY KEY, s TEXT) WITHOUT ROWID");
    assert_int_equal(go_on(&s, 1), SQ_EXTERNAL);
    expect_error(&w, "table 't': a scan of table 'r' in database '%s' was left behind row 5 and cannot go on: its key is another now", w.path);
    end_scan(&s);
    end(&w);
}

static void test_damaged_position(void **state)
{
    struct world w;
    struct scan s;
    (void)state;
    begin(&w);
    sql(&w, "CREATE TABLE r (id INT, s TEXT, PRIMARY KEY (s, id)) WITHOUT ROWID; INSERT INTO r VALUES (1, 'it''s'), (2, 'it''s')");
    open_scan(&w, &s, 1);
    assert_int_equal(go_on(&s, 1), SQ_OK);
    expect_shown(&s, "row 1, key 'it's', 1");
    struct sq_buf good;
    sq_buf_init(&good, &w.ctx);
    sq_buf_add(&good, s.at.p, s.at.n);
    for (size_t i = 1; i < good.n; i++) {
        sq_buf_reset(&s.at);
        sq_buf_add(&s.at, good.p, i);
        expect_shown(&s, "damaged");
        assert_int_equal(go_on(&s, 1), SQ_DATA);
        assert_non_null(strstr(w.ctx.err.msg, "the position of split"));
    }
    for (size_t i = 0; i < good.n; i++)
        for (int bit = 0; bit < 8; bit++) {                            /* whatever comes of it: an error, or a scan; never a crash, never SQL of its own */
            struct sq_buf shown;
            sq_buf_reset(&s.at);
            sq_buf_add(&s.at, good.p, good.n);
            s.at.p[i] ^= (char)(1 << bit);
            sq_buf_init(&shown, &w.ctx);
            assert_int_equal(sq_connector_jdbc.source->show_position(sq_buf_view(&s.at), &shown), SQ_OK);
            sq_buf_free(&shown);
            sq_rc rc = go_on(&s, 1);
            assert_true(rc == SQ_OK || rc == SQ_DATA || rc == SQ_EXTERNAL);
        }
    sq_buf_free(&good);
    end_scan(&s);
    end(&w);
}

/* A writer was killed in the midst of its transaction: its journal is rolled back, also by one who only reads. */
static void test_killed_writer(void **state)
{
    struct world w;
    struct sq_buf text;
    sqlite3 *db;
    char cmd[1024];
    (void)state;
    begin(&w);
    sql(&w, "CREATE TABLE r (id INTEGER PRIMARY KEY, s TEXT); WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO r SELECT i, hex(zeroblob(400)) FROM n");
    assert_int_equal(w.lib.open_v2(w.path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(w.lib.exec(db, "PRAGMA cache_size = 1; BEGIN IMMEDIATE; UPDATE r SET s = 'half'", NULL, NULL, NULL), SQLITE_OK);
    snprintf(cmd, sizeof cmd, "cp %s %s/y.db && cp %s-journal %s/y.db-journal", w.path, w.dir, w.path, w.dir);
    assert_int_equal(system(cmd), 0);                     /* as they are on disk now */
    w.lib.close(db);
    snprintf(w.path, sizeof w.path, "%s/y.db", w.dir);
    sq_buf_init(&text, &w.ctx);
    assert_int_equal(scan(&w, kit_cols, 2, "", 2048, 0, &text), SQ_OK);
    assert_null(strstr(text.p, "half"));
    assert_int_equal(text.n > 300 * 800, 1);
    sq_buf_free(&text);
    end(&w);
}

/* A job that reads a table and writes into the same database while it reads. */
static void test_read_while_writing(void **state)
{
    struct world w;
    struct sq_reader *r;
    struct sq_split *s;
    struct sq_poll p = {.state = SQ_POLL_ROWS};
    uint32_t n, rows = 0;
    (void)state;
    begin(&w);
    sql(&w, "CREATE TABLE r (id INT PRIMARY KEY, s TEXT); INSERT INTO r VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    struct sq_table_spec *t = make_spec(&w, kit_cols, 2, "");
    struct sq_scan_spec spec = {.table = t, .ext = make_ext(&w, t), .session = &w.session, .cols = key_both, .ncols = 2, .batch_rows = 1};
    assert_int_equal(sq_connector_jdbc.source->splits(&w.ctx, &w.arena, &spec, 1, &s, &n), SQ_OK);
    assert_int_equal(sq_connector_jdbc.source->open(&w.ctx, &spec, &r), SQ_OK);
    assert_int_equal(sq_connector_jdbc.source->add_split(r, s, (struct sq_str){NULL, 0}), SQ_OK);
    while (p.state != SQ_POLL_END) {
        char row[32];
        assert_int_equal(sq_connector_jdbc.source->poll(r, &p), SQ_OK);
        rows += p.batch ? p.batch->nsel : 0;
        snprintf(row, sizeof row, "%u:new", 10 + rows);
        assert_int_equal(insert(&w, "sink.max-retries=0", key_id, 1, row), SQ_OK);
    }
    assert_int_equal(rows, 3);                            /* the table as it was when the scan began */
    sq_connector_jdbc.source->close(r);
    end(&w);
}

static void test_out_of_memory(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    struct sq_table_spec *t = make_spec(&w, kit_cols, 2, "");
    struct sq_sink_spec spec = {.table = t, .ext = make_ext(&w, t), .session = &w.session, .mode = SQ_MODE_UPSERT, .key = key_id, .nkey = 1};
    struct sq_out o;
    kit_fill(&w.ctx, &o, "1:a 2:b -1:a 3:a-longer-one-than-twelve");
    for (int64_t at = 1;; at++) {
        struct sq_budget budget = {.fail_at = at};
        struct sq_ctx tight = {.os = &w.os, .budget = &budget};
        struct sq_writer *wr = NULL;
        unlink(w.path);
        sq_rc rc = sq_connector_jdbc.sink->open(&tight, &spec, &wr);
        if (rc == SQ_OK)
            rc = sq_connector_jdbc.sink->write(wr, sq_out_batch(&o));
        if (rc == SQ_OK)
            rc = sq_connector_jdbc.sink->finish(wr);
        if (wr)
            sq_connector_jdbc.sink->close(wr);
        assert_int_equal(budget.used, 0);
        if (rc == SQ_OK) {
            assert_true(at > 5);
            break;
        }
        assert_int_equal(rc, SQ_NOMEM);
        assert_true(at < 1000);
    }
    assert_string_equal(sql(&w, "SELECT count(*) FROM r"), "2;");
    sq_out_free(&o);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upserts), cmocka_unit_test(test_null_key), cmocka_unit_test(test_flush), cmocka_unit_test(test_existing_tables),
        cmocka_unit_test(test_locked), cmocka_unit_test(test_refusals), cmocka_unit_test(test_full), cmocka_unit_test(test_types),
        cmocka_unit_test(test_source), cmocka_unit_test(test_changed_meanwhile), cmocka_unit_test(test_keys_of_scans), cmocka_unit_test(test_damaged_position), cmocka_unit_test(test_killed_writer),
        cmocka_unit_test(test_read_while_writing), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
