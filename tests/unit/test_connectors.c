/* SPDX-License-Identifier: Apache-2.0
 *
 * test_connectors.c: files cut at every byte, sinks that fail at every call.
 *
 * The file reader is tested with a format of its own, "toy": a line "text" is one row; "text*3" is a record of three rows; an empty
 * line is nothing; "!why" is bad. So what the reader does is seen apart from what JSON does.
 */
#include "connectors/filesystem/filesystem.h"
#include "conn_world.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- the toy format ---- */

struct toy_options { bool ignore; };
static const struct sq_option toy_rows[] = {
    {"toy.ignore-parse-errors", NULL, SQ_OPT_BOOL, "false", offsetof(struct toy_options, ignore), NULL, 0, "skip bad records"},
};
struct toy {
    struct sq_ctx *ctx;
    const struct toy_options *o;
    uint32_t given;                /* rows of the first record handed on */
    uint32_t ncols;
};

static sq_rc toy_open(struct sq_ctx *ctx, const void *o, const struct sq_session *s, const struct sq_table_column *c, uint32_t n, struct sq_decoder **out)
{
    struct toy *t = sq_calloc(ctx, sizeof *t);
    (void)s;
    (void)c;
    if (!t)
        return SQ_NOMEM;
    *t = (struct toy){ctx, o, 0, n};
    *out = (struct sq_decoder *)(void *)t;
    return SQ_OK;
}

static void toy_close(struct sq_decoder *d) { sq_free(((struct toy *)(void *)d)->ctx, d); }

static sq_rc toy_decode(struct sq_decoder *self, struct sq_decode *d)
{
    struct toy *t = (struct toy *)(void *)self;
    for (d->consumed = 0; d->consumed < d->nrec; d->consumed++) {
        struct sq_slice s = d->rec[d->consumed];
        const char *star = s.n ? memchr(s.p, '*', s.n) : NULL;
        uint32_t rows = star ? (uint32_t)(star[1] - '0') : 1, n = (uint32_t)(star ? (size_t)(star - s.p) : s.n);
        assert_true(!d->padded || s.p[s.n + 63] + 1 != 1000);          /* readable: ASan looks */
        if (s.n == 0) {
            d->nfiltered++;
            continue;
        }
        if (s.p[0] == '!') {
            d->failed = d->consumed;
            if (!t->o->ignore)
                return sq_fail(t->ctx, SQ_DATA, "column 'a': it is bad: %.*s", (int)s.n, s.p);
            d->nbad++;
            if (d->bad)
                d->bad(d->bad_arg, d->consumed, SQ_STR("a"), "it is bad");
            continue;
        }
        for (; t->given < rows; t->given++) {
            if (d->out->n == d->max_rows)
                return SQ_OK;
            if (d->row_record)
                d->row_record[d->out->n] = d->consumed;
            for (uint32_t c = 0; c < t->ncols; c++) {                  /* long texts stay in the reader's buffer */
                struct sq_col *col = &d->out->cols[c];
                SQ_TRY(sq_col_reserve(col, 1));
                ((struct sq_view *)col->vec.data)[col->n++] = sq_view_of(s.p, n);
            }
            SQ_TRY(sq_out_row(d->out, SQ_INSERT));
        }
        t->given = 0;
    }
    return SQ_OK;
}

static const struct sq_format toy_format = {
    .name = "toy", .help = "for tests", .options = toy_rows, .noptions = 1, .options_size = sizeof(struct toy_options), .decodes = SQ_MODE_INSERT,
    .lines = true, .decoder_open = toy_open, .decode = toy_decode, .decoder_close = toy_close,
};

/* ---- files ---- */

static void put(const char *path, const char *text, size_t n)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

static char *get(const char *path)                       /* NULL: not there; free it */
{
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    char *p = calloc(1, 1 << 20);
    assert_non_null(p);
    size_t n = fread(p, 1, (1 << 20) - 1, f);
    p[n] = 0;
    fclose(f);
    return p;
}

static void expect_file(const char *path, const char *text)
{
    char *p = get(path);
    assert_non_null(p);
    assert_string_equal(p, text);
    free(p);
}

static int count_files(const char *dir)
{
    char cmd[160], line[32];
    snprintf(cmd, sizeof cmd, "find %s -type f | wc -l", dir);
    FILE *f = popen(cmd, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    pclose(f);
    return (int)strtol(line, NULL, 10);
}

/* ---- reading files ---- */

static const struct sq_table_column text_col[] = {{{"a", 1}, &sq_type_string, SQ_COL_PHYSICAL, {NULL, 0}, 0, 0}};
struct toy_table {
    struct sq_fs_table fs;
    struct toy_options o;
    struct sq_table_spec spec;
    struct sq_scan_spec scan;
};

static void toy_table(struct world *w, struct toy_table *t, const char *path, uint32_t batch, bool ignore)
{
    memset(t, 0, sizeof *t);
    t->o.ignore = ignore;
    t->fs = (struct sq_fs_table){.format = {&toy_format, &t->o}, .path = path, .skips_bad = ignore, .line_limit = SQ_FS_LINE_LIMIT, .block = 64};
    t->spec = (struct sq_table_spec){.name = SQ_STR("t"), .cols = text_col, .ncols = 1};
    t->scan = (struct sq_scan_spec){.table = &t->spec, .ext = (struct sq_table_ext *)(void *)&t->fs, .session = &w->session, .cols = kit_first, .ncols = 1,
                                    .batch_rows = batch};
}

static void add_range(struct world *w, struct sq_reader *r, const char *path, int64_t start, int64_t stop, struct sq_str position)
{
    struct sq_buf b;
    sq_buf_init(&b, &w->ctx);
    sq_buf_u64(&b, (uint64_t)start);
    sq_buf_u64(&b, (uint64_t)stop);
    sq_buf_u64(&b, 0);
    sq_buf_u64(&b, 0);
    sq_buf_u32(&b, 0);
    sq_buf_puts(&b, path);
    struct sq_split s = {SQ_STR("split"), sq_buf_view(&b)};
    assert_int_equal(sq_fs_source.add_split(r, &s, position), SQ_OK);
    sq_buf_free(&b);
}

/* Appends the rows of a batch as "a|" to text. */
static void collect(struct sq_buf *text, const struct sq_batch *b)
{
    assert_null(sq_batch_check(b));
    for (uint32_t i = 0; i < b->nsel; i++) {
        const struct sq_vec *v = &b->cols[0];
        uint32_t r = sq_row(b, i);
        v = sq_vec_at(v, &r);
        sq_buf_str(text, sq_view_str(&((const struct sq_view *)v->data)[r]));
        sq_buf_putc(text, '|');
    }
}

static sq_rc read_all(struct sq_reader *r, struct sq_buf *text, uint32_t batch)
{
    for (;;) {
        struct sq_poll p;
        SQ_TRY(sq_fs_source.poll(r, &p));
        if (p.state == SQ_POLL_END)
            return SQ_OK;
        if (p.batch) {
            assert_true(p.batch->nsel <= batch && p.batch->nsel > 0);
            collect(text, p.batch);
        }
    }
}

static const char small[] = "first\r\n\nsecond line that is longer than twelve\nthird*3\nx\n\n\n\ny*2\nz and a line that does not fit the block of sixty-four bytes "
                            "so the buffer must grow\nend without newline";
static const char small_rows[] = "first|second line that is longer than twelve|third|third|third|x|y|y|z and a line that does not fit the block of sixty-four bytes "
                                 "so the buffer must grow|end without newline|";

/* Cut at every byte (and at two), at batch sizes 1, 7, 2048: every row once, in order. */
static void test_every_cut(void **state)
{
    static const uint32_t batches[] = {1, 7, 2048};
    struct world w;
    struct toy_table t;
    struct sq_buf text;
    const int64_t n = sizeof small - 1;
    (void)state;
    begin(&w);
    put(w.path, small, (size_t)n);
    sq_buf_init(&text, &w.ctx);
    for (size_t k = 0; k < SQ_LEN(batches); k++)
        for (int64_t cut = 0; cut <= n; cut++) {
            struct sq_reader *r;
            int64_t second = cut + 5 < n ? cut + 5 : n;
            toy_table(&w, &t, w.path, batches[k], false);
            assert_int_equal(sq_fs_source.open(&w.ctx, &t.scan, &r), SQ_OK);
            add_range(&w, r, w.path, 0, cut, (struct sq_str){NULL, 0});
            add_range(&w, r, w.path, cut, second, (struct sq_str){NULL, 0});
            add_range(&w, r, w.path, second, n, (struct sq_str){NULL, 0});
            sq_buf_reset(&text);
            assert_int_equal(read_all(r, &text, batches[k]), SQ_OK);
            assert_string_equal(text.p, small_rows);
            struct sq_source_stats st;
            sq_fs_source.stats(r, &st);
            assert_int_equal(st.rows, 10);
            assert_int_equal(st.records, 11);
            assert_int_equal(st.filtered, 4);
            sq_fs_source.close(r);
        }
    sq_buf_free(&text);
    end(&w);
}

/* Stop after every poll, go on from the position with a new reader: the same rows. */
static void test_positions(void **state)
{
    static const uint32_t batches[] = {1, 2, 7};
    struct world w;
    struct toy_table t;
    struct sq_buf text, pos[2];
    const int64_t n = sizeof small - 1, cut = 60;
    (void)state;
    begin(&w);
    put(w.path, small, (size_t)n);
    sq_buf_init(&text, &w.ctx);
    sq_buf_init(&pos[0], &w.ctx);
    sq_buf_init(&pos[1], &w.ctx);
    for (size_t k = 0; k < SQ_LEN(batches); k++)
        for (int stop = 0; stop < 14; stop++)
            for (int again = 0; again < 3; again++) {
                sq_buf_reset(&text);
                sq_buf_reset(&pos[0]);
                sq_buf_reset(&pos[1]);
                bool resumed = false;
                for (int part = 0; part < 2 + again; part++) {          /* stop, stop again, …, then to the end */
                    struct sq_reader *r;
                    struct sq_poll p = {.state = SQ_POLL_ROWS};
                    toy_table(&w, &t, w.path, batches[k], false);
                    assert_int_equal(sq_fs_source.open(&w.ctx, &t.scan, &r), SQ_OK);
                    add_range(&w, r, w.path, 0, cut, resumed ? sq_buf_view(&pos[0]) : (struct sq_str){NULL, 0});
                    add_range(&w, r, w.path, cut, n, resumed ? sq_buf_view(&pos[1]) : (struct sq_str){NULL, 0});
                    int polls = part == 1 + again ? 1000 : part ? 1 : stop;
                    while (polls-- > 0 && p.state != SQ_POLL_END) {
                        assert_int_equal(sq_fs_source.poll(r, &p), SQ_OK);
                        if (p.batch)
                            collect(&text, p.batch);
                    }
                    for (uint32_t s = 0; s < 2; s++) {
                        sq_buf_reset(&pos[s]);
                        assert_int_equal(sq_fs_source.position(r, s, &pos[s]), SQ_OK);
                    }
                    resumed = true;
                    sq_fs_source.close(r);
                }
                assert_string_equal(text.p, small_rows);
            }
    sq_buf_free(&text);
    sq_buf_free(&pos[0]);
    sq_buf_free(&pos[1]);
    end(&w);
}

static sq_rc read_text(struct world *w, struct toy_table *t, const char *content, size_t n, int64_t start, struct sq_buf *text, struct sq_source_stats *st)
{
    struct sq_reader *r;
    put(w->path, content, n);
    assert_int_equal(sq_fs_source.open(&w->ctx, &t->scan, &r), SQ_OK);
    add_range(w, r, w->path, start, (int64_t)n, (struct sq_str){NULL, 0});
    sq_buf_reset(text);
    sq_rc rc = read_all(r, text, t->scan.batch_rows);
    sq_fs_source.stats(r, st);
    sq_fs_source.close(r);
    return rc;
}

static void bad_record(void *arg, struct sq_str split, int64_t position, struct sq_str column, const char *reason, struct sq_str raw)
{
    struct world *w = arg;
    const char *slash = strrchr(split.p, '/');
    sq_buf_printf(&w->shown, "%s:%d:%.*s:%s:%.*s\n", slash ? slash + 1 : "", (int)position, SQ_FMT(column), reason, SQ_FMT(raw));
}

static void test_bad_lines(void **state)
{
    static const char text[] = "a\n\nb\n!one\nc\n!two\n\nd\n";
    static const uint32_t batches[] = {1, 2, 2048};
    struct world w;
    struct toy_table t;
    struct sq_buf rows;
    struct sq_source_stats st;
    char want[256];
    (void)state;
    begin(&w);
    sq_buf_init(&rows, &w.ctx);
    for (size_t k = 0; k < SQ_LEN(batches); k++)
        for (int64_t start = 0; start < 10; start++) {
            toy_table(&w, &t, w.path, batches[k], false);
            bool first = start <= 5;                      /* '!one' begins at 5 */
            assert_int_equal(read_text(&w, &t, text, sizeof text - 1, start, &rows, &st), SQ_DATA);
            snprintf(want, sizeof want, "%s:%d: column 'a': it is bad: %s", w.path, first ? 4 : 6, first ? "!one" : "!two");
            assert_string_equal(w.ctx.err.msg, want);

            toy_table(&w, &t, w.path, batches[k], true);
            t.scan.bad = bad_record;
            t.scan.bad_arg = &w;
            sq_buf_reset(&w.shown);
            assert_int_equal(read_text(&w, &t, text, sizeof text - 1, start, &rows, &st), SQ_OK);
            assert_string_equal(w.shown.p, first ? "f:4:a:it is bad:!one\nf:6:a:it is bad:!two\n" : "f:6:a:it is bad:!two\n");
            assert_int_equal(st.bad, first ? 2 : 1);
            assert_int_equal(st.records, st.rows + st.bad + st.filtered);
        }
    sq_buf_free(&rows);
    end(&w);
}

static void test_long_lines(void **state)
{
    struct world w;
    struct toy_table t;
    struct sq_buf rows;
    struct sq_source_stats st;
    char text[2000], want[256];
    (void)state;
    begin(&w);
    sq_buf_init(&rows, &w.ctx);
    for (int n = 990; n < 1010; n++) {                    /* around the limit of 1000 */
        for (int at_end = 0; at_end < 3; at_end++) {      /* in the middle; last; last without a newline */
            memcpy(text, "a\nb\n", 4);
            memset(text + 4, 'x', (size_t)n);
            snprintf(text + 4 + n, 8, "%s", at_end == 0 ? "\nc\n" : at_end == 1 ? "\n" : "");
            toy_table(&w, &t, w.path, 7, false);
            t.fs.line_limit = 1000;
            sq_rc rc = read_text(&w, &t, text, strlen(text), 0, &rows, &st);
            if (n <= 1000) {
                assert_int_equal(rc, SQ_OK);
                assert_int_equal(st.rows, at_end ? 3 : 4);
            } else {
                snprintf(want, sizeof want, "%s:3: the line is longer than the limit of 1000 bytes", w.path);
                assert_int_equal(rc, SQ_LIMIT);
                assert_string_equal(w.ctx.err.msg, want);
            }
            toy_table(&w, &t, w.path, 7, true);
            t.fs.line_limit = 1000;
            assert_int_equal(read_text(&w, &t, text, strlen(text), 0, &rows, &st), SQ_OK);
            if (n > 1000) {
                assert_string_equal(rows.p, at_end ? "a|b|" : "a|b|c|");
                assert_int_equal(st.bad, 1);
                assert_int_equal(st.bytes, strlen(text));
            }
            assert_int_equal(st.records, at_end ? 3 : 4);
        }
    }
    sq_buf_free(&rows);
    end(&w);
}

static void test_odd_files(void **state)
{
    struct world w;
    struct toy_table t;
    struct sq_buf rows;
    struct sq_source_stats st;
    (void)state;
    begin(&w);
    sq_buf_init(&rows, &w.ctx);
    toy_table(&w, &t, w.path, 2048, false);
    assert_int_equal(read_text(&w, &t, "", 0, 0, &rows, &st), SQ_OK);
    assert_int_equal(st.rows + st.records, 0);
    assert_int_equal(read_text(&w, &t, "\n", 1, 0, &rows, &st), SQ_OK);
    assert_int_equal(st.filtered, 1);
    assert_int_equal(read_text(&w, &t, "a\0b\nc", 5, 0, &rows, &st), SQ_OK);
    assert_int_equal(rows.n, 6);
    assert_memory_equal(rows.p, "a\0b|c|", 6);
    assert_int_equal(read_text(&w, &t, "\r\n\r", 3, 0, &rows, &st), SQ_OK);
    assert_int_equal(st.filtered, 2);
    sq_buf_free(&rows);
    end(&w);
}

/* Fails the n-th call of what it counts. */
struct flaky {
    struct sq_os os;
    long fail_at, calls;
    int error;
    bool reads;
};

static bool flaky_hits(void *arg)
{
    struct flaky *f = arg;
    return ++f->calls == f->fail_at;
}
static ssize_t flaky_write(void *arg, int fd, const void *p, size_t n)
{
    struct flaky *f = arg;
    if (!f->reads && flaky_hits(arg)) {
        if (n > 1)
            (void)!write(fd, p, n / 2);                  /* half of it got through */
        return -f->error;
    }
    return sq_os_posix.write(NULL, fd, p, n);
}
static ssize_t flaky_pread(void *arg, int fd, void *p, size_t n, int64_t at)
{
    struct flaky *f = arg;
    return f->reads && flaky_hits(arg) ? -f->error : sq_os_posix.pread(NULL, fd, p, n, at);
}
static int flaky_open(void *arg, const char *path, int flags, mode_t mode)
{
    struct flaky *f = arg;
    return !f->reads && (flags & O_CREAT) && flaky_hits(arg) ? -f->error : sq_os_posix.open(NULL, path, flags, mode);
}
static int flaky_fsync(void *arg, int fd) { return !((struct flaky *)arg)->reads && flaky_hits(arg) ? -((struct flaky *)arg)->error : sq_os_posix.fsync(NULL, fd); }
static int flaky_rename(void *arg, const char *a, const char *b)
{
    return !((struct flaky *)arg)->reads && flaky_hits(arg) ? -((struct flaky *)arg)->error : sq_os_posix.rename(NULL, a, b);
}

static void make_flaky(struct flaky *f, long at, int error, bool reads)
{
    *f = (struct flaky){.os = sq_os_posix, .fail_at = at, .error = error, .reads = reads};
    f->os.arg = f;
    f->os.write = flaky_write;
    f->os.pread = flaky_pread;
    f->os.open = flaky_open;
    f->os.fsync = flaky_fsync;
    f->os.rename = flaky_rename;
}

static void test_read_errors(void **state)
{
    struct world w;
    struct toy_table t;
    struct sq_buf rows;
    struct sq_source_stats st;
    struct flaky f;
    char want[256];
    (void)state;
    begin(&w);
    sq_buf_init(&rows, &w.ctx);
    snprintf(want, sizeof want, "cannot read '%s': input/output error", w.path);
    for (long at = 1;; at++) {
        make_flaky(&f, at, EIO, true);
        w.ctx.os = &f.os;
        toy_table(&w, &t, w.path, 7, false);
        sq_rc rc = read_text(&w, &t, small, sizeof small - 1, 30, &rows, &st);
        if (rc == SQ_OK) {
            assert_true(at > 3);
            break;
        }
        assert_int_equal(rc, SQ_IO);
        assert_string_equal(w.ctx.err.msg, want);
    }
    w.ctx.os = &sq_os_posix;
    sq_buf_free(&rows);
    end(&w);
}

static void test_read_memory(void **state)
{
    struct world w;
    struct toy_table t;
    (void)state;
    begin(&w);
    put(w.path, small, sizeof small - 1);
    for (int64_t at = 1;; at++) {
        struct sq_budget budget = {.fail_at = at};
        struct sq_buf text;
        struct sq_reader *r = NULL;
        struct sq_ctx ctx = {.os = &sq_os_posix, .budget = &budget};
        toy_table(&w, &t, w.path, 7, false);
        sq_buf_init(&text, &w.ctx);
        sq_rc rc = sq_fs_source.open(&ctx, &t.scan, &r);
        if (rc == SQ_OK) {
            struct sq_buf b;
            sq_buf_init(&b, &w.ctx);
            for (int i = 0; i < 2; i++)
                sq_buf_u64(&b, i ? sizeof small - 1 : 0);
            for (int i = 0; i < 2; i++)
                sq_buf_u64(&b, 0);
            sq_buf_u32(&b, 0);
            sq_buf_puts(&b, w.path);
            rc = sq_fs_source.add_split(r, &(struct sq_split){SQ_STR("s"), sq_buf_view(&b)}, (struct sq_str){NULL, 0});
            if (rc == SQ_OK)
                rc = read_all(r, &text, 7);
            sq_buf_free(&b);
            sq_fs_source.close(r);
        }
        sq_buf_free(&text);
        assert_int_equal(budget.used, 0);
        if (rc == SQ_OK) {
            assert_true(at > 5);
            break;
        }
        assert_int_equal(rc, SQ_NOMEM);
        assert_true(at < 500);
    }
    end(&w);
}

/* ---- paths and splits ---- */

static sq_rc list_splits(struct world *w, const char *path, uint32_t want, char *out, size_t size)
{
    struct toy_table t;
    struct sq_split *s;
    uint32_t n;
    toy_table(w, &t, path, 7, false);
    out[0] = 0;
    SQ_TRY(sq_fs_source.splits(&w->ctx, &w->arena, &t.scan, want, &s, &n));
    for (uint32_t i = 0; i < n; i++)
        snprintf(out + strlen(out), size - strlen(out), "%.*s ", (int)s[i].id.n - (int)strlen(w->dir) - 1, s[i].id.p + strlen(w->dir) + 1);
    return SQ_OK;
}

static void test_paths(void **state)
{
    static const char *const files[] = {"b", "a", ".hidden", "_SUCCESS", "d/c", "d/e/x.json", "d/_tmp/y", "g1.json", "g2.json", "g3.txt"};
    static const struct { const char *path, *want; } t[] = {
        {"", "a:0-3 b:0-3 d/c:0-3 d/e/x.json:0-3 g1.json:0-3 g2.json:0-3 g3.txt:0-3 "},
        {"/", "a:0-3 b:0-3 d/c:0-3 d/e/x.json:0-3 g1.json:0-3 g2.json:0-3 g3.txt:0-3 "},
        {"/d", "d/c:0-3 d/e/x.json:0-3 "}, {"/a", "a:0-3 "}, {"/g*.json", "g1.json:0-3 g2.json:0-3 "}, {"/g?.*", "g1.json:0-3 g2.json:0-3 g3.txt:0-3 "},
        {"/*/c", "d/c:0-3 "}, {"/[ab]", "a:0-3 b:0-3 "}, {"/d*", "d/c:0-3 d/e/x.json:0-3 "}, {"/.hidden", ".hidden:0-3 "}, {"/*/*/x.json", "d/e/x.json:0-3 "},
    };
    struct world w;
    char path[160], out[1024], want[256];
    (void)state;
    begin(&w);
    for (int i = 0; i < 3; i++) {
        static const char *const dirs[] = {"d", "d/e", "d/_tmp"};
        snprintf(path, sizeof path, "%s/%s", w.dir, dirs[i]);
        assert_int_equal(mkdir(path, 0777), 0);
    }
    for (size_t i = 0; i < SQ_LEN(files); i++) {
        snprintf(path, sizeof path, "%s/%s", w.dir, files[i]);
        put(path, "a\nb", 3);
    }
    for (size_t i = 0; i < SQ_LEN(t); i++) {
        snprintf(path, sizeof path, "%s%s", w.dir, t[i].path);
        assert_int_equal(list_splits(&w, path, 1, out, sizeof out), SQ_OK);
        char *slashes;
        while ((slashes = strstr(out, "//")) != NULL)
            memmove(slashes, slashes + 1, strlen(slashes));
        assert_string_equal(out, t[i].want);
    }
    snprintf(path, sizeof path, "%s/nope", w.dir);
    snprintf(want, sizeof want, "table 't': cannot read '%s': no such file or directory", path);
    assert_int_equal(list_splits(&w, path, 1, out, sizeof out), SQ_IO);
    assert_string_equal(w.ctx.err.msg, want);
    snprintf(path, sizeof path, "%s/*.csv", w.dir);
    assert_int_equal(list_splits(&w, path, 1, out, sizeof out), SQ_IO);
    snprintf(want, sizeof want, "table 't': no file matches '%s'", path);
    assert_string_equal(w.ctx.err.msg, want);
    snprintf(path, sizeof path, "%s/x.json.gz", w.dir);
    put(path, "x", 1);
    assert_int_equal(list_splits(&w, path, 1, out, sizeof out), SQ_UNSUPPORTED);
    put(w.path, "", 0);
    assert_int_equal(list_splits(&w, w.path, 4, out, sizeof out), SQ_OK);
    assert_string_equal(out, "");
    assert_int_equal(truncate(w.path, INT64_C(300) << 20), 0);       /* a hole of 300 MB: several splits */
    assert_int_equal(list_splits(&w, w.path, 3, out, sizeof out), SQ_OK);
    assert_string_equal(out, "f:0-104857601 f:104857601-209715202 f:209715202-314572800 ");
    end(&w);
}

static void test_metadata(void **state)
{
    static const struct sq_table_column cols[] = {
        {{"p", 1}, &sq_type_string, SQ_COL_METADATA, {"file.path", 9}, 0, 0}, {{"a", 1}, &sq_type_string, SQ_COL_PHYSICAL, {NULL, 0}, 0, 0},
        {{"n", 1}, &sq_type_string, SQ_COL_METADATA, {"file.name", 9}, 0, 0}, {{"s", 1}, &sq_type_bigint, SQ_COL_METADATA, {"file.size", 9}, 0, 0},
        {{"m", 1}, &sq_type_ltz3, SQ_COL_METADATA, {"file.modification-time", 22}, 0, 0},
    };
    struct world w;
    struct toy_table t;
    struct sq_reader *r;
    struct sq_split *s;
    struct sq_poll p;
    struct stat st;
    uint32_t n;
    (void)state;
    begin(&w);
    put(w.path, "x\ny\n", 4);
    assert_int_equal(stat(w.path, &st), 0);
    toy_table(&w, &t, w.path, 7, false);
    t.spec.cols = cols;
    t.spec.ncols = t.scan.ncols = 5;
    assert_int_equal(sq_fs_source.splits(&w.ctx, &w.arena, &t.scan, 1, &s, &n), SQ_OK);
    assert_int_equal(n, 1);
    assert_int_equal(sq_fs_source.open(&w.ctx, &t.scan, &r), SQ_OK);
    assert_int_equal(sq_fs_source.add_split(r, s, (struct sq_str){NULL, 0}), SQ_OK);
    assert_int_equal(sq_fs_source.poll(r, &p), SQ_OK);
    assert_null(sq_batch_check(p.batch));
    assert_int_equal(p.batch->nsel, 2);
    assert_true(sq_str_is(sq_view_str(p.batch->cols[0].data), w.path));
    assert_true(sq_str_is(sq_view_str((const struct sq_view *)p.batch->cols[1].data + 1), "y"));
    assert_true(sq_str_is(sq_view_str(p.batch->cols[2].data), "f"));
    assert_int_equal(*(const int64_t *)p.batch->cols[3].data, 4);
    assert_int_equal(*(const int64_t *)p.batch->cols[4].data / 1000000, st.st_mtim.tv_sec);
    sq_fs_source.close(r);
    end(&w);
}

/* ---- writing files ---- */

static sq_rc insert_file(struct world *w, const char *path, const char *rows, bool overwrite)
{
    char with[256];
    struct sink s;
    snprintf(with, sizeof with, "connector=filesystem;path=%s;format=json", path);
    make_sink(w, &s, with, SQ_MODE_INSERT, false, overwrite);
    return write_rows(w, &s, rows);
}

static void test_file_sink(void **state)
{
    struct world w;
    char path[160];
    (void)state;
    begin(&w);
    assert_int_equal(insert_file(&w, w.path, "1:a 2:#", false), SQ_OK);
    expect_file(w.path, "{\"id\":1,\"s\":\"a\"}\n{\"id\":2,\"s\":null}\n");
    assert_int_equal(insert_file(&w, w.path, "3:c", false), SQ_OK);
    expect_file(w.path, "{\"id\":1,\"s\":\"a\"}\n{\"id\":2,\"s\":null}\n{\"id\":3,\"s\":\"c\"}\n");
    assert_int_equal(insert_file(&w, w.path, "", false), SQ_OK);
    expect_file(w.path, "{\"id\":1,\"s\":\"a\"}\n{\"id\":2,\"s\":null}\n{\"id\":3,\"s\":\"c\"}\n");
    assert_int_equal(insert_file(&w, w.path, "4:d", true), SQ_OK);
    expect_file(w.path, "{\"id\":4,\"s\":\"d\"}\n");
    assert_int_equal(insert_file(&w, w.path, "", true), SQ_OK);
    expect_file(w.path, "");
    put(w.path, "no newline", 10);
    assert_int_equal(insert_file(&w, w.path, "5:e", false), SQ_OK);
    expect_file(w.path, "no newline\n{\"id\":5,\"s\":\"e\"}\n");
    snprintf(path, sizeof path, "%s/new/deep/file.json", w.dir);     /* directories are made, an empty result is an empty file */
    assert_int_equal(insert_file(&w, path, "", false), SQ_OK);
    expect_file(path, "");
    snprintf(path, sizeof path, "%s/link", w.dir);
    assert_int_equal(symlink("f", path), 0);
    assert_int_equal(insert_file(&w, path, "6:f", true), SQ_OK);
    expect_file(w.path, "{\"id\":6,\"s\":\"f\"}\n");
    assert_int_equal(count_files(w.dir), 2);
    snprintf(path, sizeof path, "%s/f/x", w.dir);
    assert_int_equal(insert_file(&w, path, "6:f", true), SQ_IO);
    end(&w);
}

static void test_directory_sink(void **state)
{
    struct world w;
    char path[160], out[1024];
    (void)state;
    begin(&w);
    snprintf(path, sizeof path, "%s/out/", w.dir);
    assert_int_equal(insert_file(&w, path, "1:a", false), SQ_OK);
    assert_int_equal(count_files(w.dir), 1);
    assert_int_equal(insert_file(&w, path, "2:b", false), SQ_OK);
    assert_int_equal(insert_file(&w, path, "", false), SQ_OK);
    assert_int_equal(count_files(w.dir), 2);
    path[strlen(path) - 1] = 0;                           /* it is a directory by now */
    assert_int_equal(insert_file(&w, path, "3:c", false), SQ_OK);
    assert_int_equal(count_files(w.dir), 3);
    assert_int_equal(list_splits(&w, path, 1, out, sizeof out), SQ_OK);
    assert_non_null(strstr(out, "out/part-"));
    assert_int_equal(insert_file(&w, path, "4:d", true), SQ_OK);
    assert_int_equal(count_files(w.dir), 1);

    struct sink s;                                        /* part files of a given size */
    struct sq_writer *wr;
    struct sq_out o;
    char with[256];
    snprintf(with, sizeof with, "connector=filesystem;path=%s;format=json;sink.rolling-policy.file-size=30b", path);
    make_sink(&w, &s, with, SQ_MODE_INSERT, false, false);
    assert_int_equal(s.c->sink->open(&w.ctx, &s.spec, &wr), SQ_OK);
    kit_fill(&w.ctx, &o, "1:a 2:b");
    for (int i = 0; i < 3; i++)
        assert_int_equal(s.c->sink->write(wr, sq_out_batch(&o)), SQ_OK);
    assert_int_equal(list_splits(&w, path, 1, out, sizeof out), SQ_OK);
    assert_true(strstr(out, "inprogress") == NULL && strchr(out, ' ') == out + strlen(out) - 1);   /* nothing is visible yet */
    assert_int_equal(s.c->sink->finish(wr), SQ_OK);
    s.c->sink->close(wr);
    sq_out_free(&o);
    assert_int_equal(count_files(w.dir), 4);
    end(&w);
}

static void test_shown_position(void **state)
{
    struct world w;
    struct sq_buf p, out;
    (void)state;
    begin(&w);
    sq_buf_init(&p, &w.ctx);
    sq_buf_init(&out, &w.ctx);
    for (uint32_t rows = 0; rows < 2; rows++) {
        sq_buf_reset(&p);
        sq_buf_u64(&p, 4711);
        sq_buf_u32(&p, rows);
        assert_int_equal(sq_fs_source.show_position(sq_buf_view(&p), &out), SQ_OK);
        sq_buf_putc(&out, ';');
    }
    memset(p.p + 8, 0xff, 4);
    assert_int_equal(sq_fs_source.show_position(sq_buf_view(&p), &out), SQ_OK);
    sq_buf_putc(&out, ';');
    assert_int_equal(sq_fs_source.show_position(SQ_STR("short"), &out), SQ_OK);
    sq_buf_putc(&out, 0);
    assert_string_equal(out.p, "byte 4711;byte 4711, behind row 1 of its record;not begun;damaged");
    sq_buf_free(&p);
    sq_buf_free(&out);
    end(&w);
}

/* Two writers of one file, open at the same time: nobody's rows are lost. */
static void test_two_writers(void **state)
{
    struct world w;
    struct sink s;
    struct sq_writer *a, *b;
    struct sq_out oa, ob;
    char with[256];
    (void)state;
    begin(&w);
    snprintf(with, sizeof with, "connector=filesystem;path=%s;format=json", w.path);
    make_sink(&w, &s, with, SQ_MODE_INSERT, false, false);
    kit_fill(&w.ctx, &oa, "1:a");
    kit_fill(&w.ctx, &ob, "2:b");
    for (int round = 0; round < 2; round++) {             /* the file is not there; it is */
        assert_int_equal(s.c->sink->open(&w.ctx, &s.spec, &a), SQ_OK);
        assert_int_equal(s.c->sink->open(&w.ctx, &s.spec, &b), SQ_OK);
        assert_int_equal(s.c->sink->write(a, sq_out_batch(&oa)), SQ_OK);
        assert_int_equal(s.c->sink->write(b, sq_out_batch(&ob)), SQ_OK);
        assert_int_equal(s.c->sink->finish(b), SQ_OK);
        assert_int_equal(s.c->sink->finish(a), SQ_OK);
        s.c->sink->close(a);
        s.c->sink->close(b);
    }
    expect_file(w.path, "{\"id\":2,\"s\":\"b\"}\n{\"id\":1,\"s\":\"a\"}\n{\"id\":2,\"s\":\"b\"}\n{\"id\":1,\"s\":\"a\"}\n");
    assert_int_equal(count_files(w.dir), 1);
    sq_out_free(&oa);
    sq_out_free(&ob);
    end(&w);
}

/* Whatever call fails, the file is as it was, or not there; no rest lies about. */
static void test_sink_failures(void **state)
{
    static const int kinds[] = {0, 1, 2};                 /* a new file; an old one; a directory */
    struct world w;
    char path[160];
    (void)state;
    begin(&w);
    for (size_t k = 0; k < SQ_LEN(kinds); k++)
        for (long at = 1;; at++) {
            struct flaky f;
            snprintf(path, sizeof path, "%s/%s", w.dir, k == 2 ? "d/" : "x");
            if (k == 1)
                put(path, "old\n", 4);
            make_flaky(&f, at, ENOSPC, false);
            w.ctx.os = &f.os;
            sq_rc rc = insert_file(&w, path, "1:a 2:b", false);
            w.ctx.os = &sq_os_posix;
            bool last_sync = rc != SQ_OK && strstr(w.ctx.err.msg, "sync directory");
            if (rc != SQ_OK) {
                assert_int_equal(rc, SQ_IO);
                assert_non_null(strstr(w.ctx.err.msg, "no space left on device"));
                if (!last_sync) {                         /* after the rename the file is there, though its name may not last */
                    assert_int_equal(count_files(w.dir), k == 1);
                    if (k == 1)
                        expect_file(path, "old\n");
                }
            }
            char cmd[200];
            snprintf(cmd, sizeof cmd, "rm -rf %s", path);
            assert_int_equal(system(cmd), 0);
            if (rc == SQ_OK) {
                assert_true(at > 3);
                break;
            }
        }
    end(&w);
}

/* Out of memory at every allocation: nothing leaks, nothing is left, the old file stays. */
static void test_sink_memory(void **state)
{
    static const char *const with[] = {"f;format=json", "d/;format=json", "f;format=debezium-json"};
    struct world w;
    struct sink s;
    struct sq_out o;
    (void)state;
    begin(&w);
    kit_fill(&w.ctx, &o, "1:a 2:a-longer-one-than-twelve");
    for (size_t k = 0; k < SQ_LEN(with); k++) {
        char text[256];
        snprintf(text, sizeof text, "connector=filesystem;path=%s/%s", w.dir, with[k]);
        make_sink(&w, &s, text, SQ_MODE_INSERT, false, false);
        for (int64_t at = 1;; at++) {
            struct sq_budget budget = {.fail_at = at};
            struct sq_ctx tight = {.os = &sq_os_posix, .budget = &budget};
            struct sq_writer *wr = NULL;
            put(w.path, "old\n", 4);
            int before = count_files(w.dir);
            sq_rc rc = s.c->sink->open(&tight, &s.spec, &wr);
            if (rc == SQ_OK)
                rc = s.c->sink->write(wr, sq_out_batch(&o));
            if (rc == SQ_OK)
                rc = s.c->sink->finish(wr);
            if (wr)
                s.c->sink->close(wr);
            assert_int_equal(budget.used, 0);
            assert_int_equal(count_files(w.dir), before + (rc == SQ_OK && k == 1));
            if (rc == SQ_OK) {
                assert_true(at > 3);
                break;
            }
            assert_int_equal(rc, SQ_NOMEM);
            expect_file(w.path, "old\n");
        }
    }
    sq_out_free(&o);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut), cmocka_unit_test(test_positions), cmocka_unit_test(test_bad_lines), cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_odd_files), cmocka_unit_test(test_read_errors), cmocka_unit_test(test_read_memory), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_metadata), cmocka_unit_test(test_file_sink), cmocka_unit_test(test_directory_sink), cmocka_unit_test(test_shown_position), cmocka_unit_test(test_two_writers),
        cmocka_unit_test(test_sink_failures), cmocka_unit_test(test_sink_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
