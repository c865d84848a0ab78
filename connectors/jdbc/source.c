/* SPDX-License-Identifier: Apache-2.0
 *
 * source.c: reads a table of a database once, from end to end.
 *
 * A split is the whole table, or, with the scan.partition.* options, a range of an integer column; rows outside all ranges are not
 * read, as in Flink. One SELECT of the wanted columns per split, a batch of rows per poll.
 *
 * Rows come in the order of a key that has no NULLs (SQLite: the rowid, or the primary key of tables without one; MySQL: the primary key, or a unique
 * one), and the position is the key of the last row: the scan goes on with the rows behind it. So a row that stays where it is comes once, whatever is
 * done to others meanwhile; rows that come, go or change while a job is down are read as they are when the scan gets to their key, and those before it
 * are not looked at again. A scan that has ended is over, also for later runs of an available-now job: a table is read once.
 *
 * Views, tables without such a key, and keys of types that cannot be compared with exactly (ENUM, FLOAT) have no order to go on in: a scan of them can
 * begin anew and can be over, but one that was left in the middle is refused.
 *
 * Invariant: a split's `at` is empty, or the position behind the last batch that was given out.
 */
#include "connectors/jdbc/jdbc.h"

struct range {
    bool whole;
    int64_t lo, hi;
};

struct split {
    struct range range;
    uint64_t rows;                 /* read so far */
    bool ended;
    struct sq_buf at;              /* struct sq_jdbc_position as bytes */
};

struct reader {
    struct sq_ctx *ctx;
    const struct sq_scan_spec *spec;
    const struct sq_jdbc_table *table;
    const struct sq_jdbc_dialect *d;
    struct sq_jdbc_conn *conn;
    struct sq_arena arena;
    struct sq_jdbc_info info;
    struct sq_jdbc_stmt *stmt;     /* of split `cur` */
    struct sq_out out;
    struct split *splits;
    size_t nsplits, cap_splits;
    uint32_t cur;
    struct sq_source_stats stats;
};

static sq_rc jdbc_info(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_table_ext *ext, struct sq_source_info *info)
{
    (void)ext;
    for (uint32_t i = 0; i < t->ncols; i++)
        if (t->cols[i].role == SQ_COL_METADATA)
            return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "connector 'jdbc' has no metadata columns ('%.*s')", SQ_FMT(t->cols[i].name));
    *info = (struct sq_source_info){.bounded = true, .mode = SQ_MODE_INSERT, .rows = -1};
    return SQ_OK;
}

/* ---- the table ---- */

static sq_rc find_column(struct reader *r, struct sq_str name, struct sq_str *real)
{
    int64_t at = sq_jdbc_find_column(r->d, &r->info, name);
    if (at < 0) {
        sq_fail(r->ctx, SQ_EXTERNAL, "table '%.*s': table '%.*s' in database '%s' has no column '%.*s'", SQ_FMT(r->spec->table->name), SQ_FMT(r->table->name),
                r->table->database, SQ_FMT(name));
        return sq_jdbc_near_column(r->ctx, &r->info, name);
    }
    *real = r->info.cols[at].name;
    return SQ_OK;
}

static sq_rc check_table(struct reader *r)
{
    const struct sq_table_spec *t = r->spec->table;
    struct sq_str real;
    SQ_TRY(r->d->open(r->ctx, r->table, false, &r->conn));
    SQ_TRY(r->d->describe(r->conn, &r->arena, r->table->name, &r->info));
    if (!r->info.exists)
        return sq_fail(r->ctx, SQ_EXTERNAL, "table '%.*s': database '%s' has no table '%.*s'", SQ_FMT(t->name), r->table->database, SQ_FMT(r->table->name));
    for (uint32_t i = 0; i < r->spec->ncols; i++) {
        const struct sq_table_column *c = &t->cols[r->spec->cols[i]];
        struct sq_buf type;
        SQ_TRY(find_column(r, c->name, &real));
        sq_buf_init(&type, r->ctx);
        sq_rc rc = r->d->column_type(r->ctx, NULL, &type, c->type, NULL);
        sq_buf_free(&type);
        if (rc != SQ_OK)
            return sq_wrap(r->ctx, "table '%.*s', column '%.*s'", SQ_FMT(t->name), SQ_FMT(c->name));
    }
    if (r->table->options.partition_column.p)
        SQ_TRY(find_column(r, r->table->options.partition_column, &real));
    return SQ_OK;
}

static void jdbc_close(struct sq_reader *self)
{
    struct reader *r = (struct reader *)(void *)self;
    if (!r)
        return;
    r->d->finalize(r->stmt);
    if (r->conn)
        r->d->close(r->conn);
    if (r->out.ctx)
        sq_out_free(&r->out);
    for (size_t i = 0; i < r->nsplits; i++)
        sq_buf_free(&r->splits[i].at);
    sq_free(r->ctx, r->splits);
    sq_arena_free(&r->arena);
    sq_free(r->ctx, r);
}

static sq_rc new_reader(struct sq_ctx *ctx, const struct sq_scan_spec *spec, struct reader **out)
{
    struct reader *r = sq_calloc(ctx, sizeof *r);
    if (!r)
        return SQ_NOMEM;
    r->ctx = ctx;
    r->spec = spec;
    r->table = sq_jdbc_table_of(spec->ext);
    r->d = r->table->dialect;
    r->stats.total_bytes = -1;
    sq_arena_init(&r->arena, ctx);
    sq_rc rc = check_table(r);
    if (rc != SQ_OK) {
        struct sq_error keep = ctx->err;
        jdbc_close((struct sq_reader *)(void *)r);
        ctx->err = keep;
        return rc;
    }
    *out = r;
    return SQ_OK;
}

/* ---- splits ---- */

static sq_rc make_split(struct sq_arena *arena, const struct sq_jdbc_table *t, const struct range *range, struct sq_split *s)
{
    s->payload = sq_str_dup(arena, (struct sq_str){(const char *)range, sizeof *range});
    if (range->whole)
        s->id = sq_str_of(sq_arena_printf(arena, "%s:%.*s", t->database, SQ_FMT(t->name)));
    else
        s->id = sq_str_of(sq_arena_printf(arena, "%s:%.*s:%lld-%lld", t->database, SQ_FMT(t->name), (long long)range->lo, (long long)range->hi));
    return s->payload.p && s->id.n ? SQ_OK : SQ_NOMEM;
}

/* Equal ranges, the first ones longer by one where it does not come out even. */
static sq_rc make_ranges(struct sq_arena *arena, const struct sq_jdbc_table *t, struct sq_split **out, uint32_t *n)
{
    const struct sq_jdbc_options *o = &t->options;
    unsigned __int128 width = (unsigned __int128)((__int128)o->partition_upper - o->partition_lower) + 1;
    unsigned __int128 num = width < (unsigned __int128)o->partition_num ? width : (unsigned __int128)o->partition_num;
    unsigned __int128 size = width / num, longer = width % num;
    __int128 lo = o->partition_lower;
    *out = SQ_NEW_ARRAY(arena, struct sq_split, (size_t)num);
    if (!*out)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < (uint32_t)num; i++) {
        struct range range;
        memset(&range, 0, sizeof range);
        __int128 hi = lo + (__int128)size + (i < longer) - 1;
        range.lo = (int64_t)lo;
        range.hi = (int64_t)hi;
        SQ_TRY(make_split(arena, t, &range, &(*out)[i]));
        lo = hi + 1;
    }
    *n = (uint32_t)num;
    return SQ_OK;
}

static sq_rc jdbc_splits(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_scan_spec *spec, uint32_t want, struct sq_split **out, uint32_t *n)
{
    struct reader *r;
    struct range whole;
    (void)want;
    SQ_TRY(new_reader(ctx, spec, &r));                   /* says what is not there before the job starts */
    jdbc_close((struct sq_reader *)(void *)r);
    const struct sq_jdbc_table *t = sq_jdbc_table_of(spec->ext);
    if (t->options.partition_column.p)
        return make_ranges(arena, t, out, n);
    memset(&whole, 0, sizeof whole);
    whole.whole = true;
    *out = SQ_NEW(arena, struct sq_split);
    *n = 1;
    return *out ? make_split(arena, t, &whole, *out) : SQ_NOMEM;
}

/* ---- reading ---- */

static sq_rc jdbc_open(struct sq_ctx *ctx, const struct sq_scan_spec *spec, struct sq_reader **out)
{
    struct reader *r;
    SQ_TRY(new_reader(ctx, spec, &r));
    const struct sq_type **types = sq_calloc(ctx, (spec->ncols + 1) * sizeof *types);
    for (uint32_t i = 0; types && i < spec->ncols; i++)
        types[i] = spec->table->cols[spec->cols[i]].type;
    sq_rc rc = types ? sq_out_init(&r->out, ctx, types, spec->ncols) : SQ_NOMEM;
    sq_free(ctx, types);
    if (rc != SQ_OK) {
        jdbc_close((struct sq_reader *)(void *)r);
        return rc;
    }
    *out = (struct sq_reader *)(void *)r;
    return SQ_OK;
}

static sq_rc jdbc_add_split(struct sq_reader *self, const struct sq_split *in, struct sq_str position)
{
    struct reader *r = (struct reader *)(void *)self;
    struct split s = {.rows = 0};
    struct sq_jdbc_position p = {.rows = 0};
    if (in->payload.n != sizeof s.range)
        return sq_fail(r->ctx, SQ_INTERNAL, "split '%.*s' is damaged", SQ_FMT(in->id));
    if (position.n && !sq_jdbc_position_read(position, &p))
        return sq_fail(r->ctx, SQ_DATA, "the position of split '%.*s' is damaged", SQ_FMT(in->id));
    memcpy(&s.range, in->payload.p, sizeof s.range);
    s.rows = p.rows;
    s.ended = p.ended;
    SQ_TRY(sq_grow(r->ctx, &r->splits, &r->cap_splits, r->nsplits + 1, sizeof *r->splits));
    sq_buf_init(&s.at, r->ctx);
    SQ_TRY(sq_buf_add(&s.at, position.p, position.n));
    r->splits[r->nsplits++] = s;
    return SQ_OK;
}

/* ---- going on behind a row ---- */

static uint64_t order_hash(const struct reader *r)
{
    uint64_t h = 14695981039346656037u;
    for (const char *p = r->info.order ? r->info.order : ""; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    return h;
}

/* The keys of the row that the statement is at. */
static sq_rc note_keys(struct reader *r, struct sq_jdbc_position *p)
{
    p->keyed = r->info.norder > 0;
    for (uint32_t i = 0; p->keyed && i < r->info.norder; i++) {
        struct sq_jdbc_value *v = &p->keys[p->nkeys++];
        uint32_t at = r->spec->ncols + 1 + i;
        SQ_TRY(r->d->value(r->stmt, at, v));
        if (v->kind == SQ_JDBC_DATE || v->kind == SQ_JDBC_DATETIME || v->kind == SQ_JDBC_INSTANT)
            *v = (struct sq_jdbc_value){.kind = SQ_JDBC_TEXT, .s = r->d->text(r->stmt, at)};
        if (v->kind != SQ_JDBC_INT && v->kind != SQ_JDBC_DOUBLE && v->kind != SQ_JDBC_TEXT && v->kind != SQ_JDBC_BYTES)
            p->keyed = false;
    }
    p->nkeys = p->keyed ? p->nkeys : 0;
    return SQ_OK;
}

/* A row is read: from here on the scan goes on behind it. */
static sq_rc note_position(struct reader *r, struct split *s, bool ended)
{
    struct sq_jdbc_position p = {.ended = ended, .rows = s->rows, .order = order_hash(r)};
    if (!ended)
        SQ_TRY(note_keys(r, &p));
    sq_buf_reset(&s->at);
    return sq_jdbc_position_write(&s->at, &p);
}

static sq_rc cannot_go_on(struct reader *r, const struct split *s, const char *why)
{
    sq_fail(r->ctx, SQ_EXTERNAL, "table '%.*s': a scan of table '%.*s' in database '%s' was left behind row %llu and cannot go on: %s", SQ_FMT(r->spec->table->name),
            SQ_FMT(r->table->name), r->table->database, (unsigned long long)s->rows, why);
    return sq_hint(r->ctx, "start the job anew, without its checkpoints; a table with a primary key can be gone on with");
}

/* "a > 1", "a >= 1 AND (a > 1 OR (b > 2 OR (b = 2 AND c > 3)))" */
static sq_rc add_behind(struct reader *r, const struct split *s, struct sq_buf *sql)
{
    struct sq_jdbc_position p;
    uint32_t n = r->info.norder;
    struct sq_buf lit;
    if (!sq_jdbc_position_read(sq_buf_view(&s->at), &p) || !p.keyed || n == 0)
        return cannot_go_on(r, s, "its rows have no order of their own");
    if (p.order != order_hash(r) || p.nkeys != n)
        return cannot_go_on(r, s, "its key is another now");
    sq_buf_init(&lit, r->ctx);
    sq_rc rc = SQ_OK;
    for (uint32_t i = 0; rc == SQ_OK && i < n; i++) {
        const char *by = r->info.orders[i].by;
        sq_buf_reset(&lit);
        if (r->d->order_literal(r->conn, &lit, r->info.orders[i].col, &p.keys[i]) != SQ_OK) {
            rc = r->ctx->err.rc == SQ_DATA ? cannot_go_on(r, s, "its key is of another type now, or the position is damaged") : r->ctx->err.rc;
            break;
        }
        if (i == 0 && n > 1)
            sq_buf_printf(sql, "%s >= %s AND ", by, lit.p);
        rc = i + 1 < n ? sq_buf_printf(sql, "(%s > %s OR (%s = %s AND ", by, lit.p, by, lit.p) : sq_buf_printf(sql, "%s > %s", by, lit.p);
    }
    for (uint32_t i = 1; rc == SQ_OK && i < n; i++)
        rc = sq_buf_puts(sql, "))");
    sq_buf_free(&lit);
    return rc;
}

static void add_literal(struct sq_buf *sql, int64_t v)
{
    if (v == INT64_MIN)
        sq_buf_puts(sql, "(-9223372036854775807 - 1)");   /* the digits alone would not be an integer */
    else
        sq_buf_printf(sql, "%lld", (long long)v);
}

static sq_rc select_text(struct reader *r, const struct split *s, struct sq_buf *sql)
{
    struct sq_str real;
    sq_buf_puts(sql, "SELECT ");
    for (uint32_t i = 0; i < r->spec->ncols; i++) {
        SQ_TRY(find_column(r, r->spec->table->cols[r->spec->cols[i]].name, &real));
        r->d->quote(sql, real);
        sq_buf_puts(sql, ", ");
    }
    sq_buf_puts(sql, r->info.row_name ? r->info.row_name : "NULL");
    for (uint32_t i = 0; i < r->info.norder; i++)
        sq_buf_printf(sql, ", %s", r->info.orders[i].get);
    sq_buf_puts(sql, " FROM ");
    r->d->quote(sql, r->table->name);
    if (!s->range.whole) {
        SQ_TRY(find_column(r, r->table->options.partition_column, &real));
        sq_buf_puts(sql, " WHERE ");
        r->d->quote(sql, real);
        sq_buf_puts(sql, " BETWEEN ");
        add_literal(sql, s->range.lo);
        sq_buf_puts(sql, " AND ");
        add_literal(sql, s->range.hi);
    }
    if (s->rows) {
        sq_buf_puts(sql, s->range.whole ? " WHERE " : " AND ");
        SQ_TRY(add_behind(r, s, sql));
    }
    return r->info.order ? sq_buf_printf(sql, " ORDER BY %s", r->info.order) : sql->rc;
}

static sq_rc open_split(struct reader *r, const struct split *s)
{
    struct sq_buf sql;
    sq_buf_init(&sql, r->ctx);
    sq_rc rc = select_text(r, s, &sql);
    if (rc == SQ_OK)
        rc = r->d->scan(r->conn, sql.p, &r->stmt);
    sq_buf_free(&sql);
    return rc;
}

static sq_rc bad_value(struct reader *r, const struct split *s, uint32_t i)
{
    struct sq_str name = r->spec->table->cols[r->spec->cols[i]].name;
    struct sq_str row = r->info.row_name ? r->d->text(r->stmt, r->spec->ncols) : (struct sq_str){"", 0};
    if (row.n)
        return sq_wrap(r->ctx, "table '%.*s' in database '%s', %s %.*s: column '%.*s'", SQ_FMT(r->table->name), r->table->database, r->info.row_name,
                       SQ_FMT(row), SQ_FMT(name));
    return sq_wrap(r->ctx, "table '%.*s' in database '%s', row %llu: column '%.*s'", SQ_FMT(r->table->name), r->table->database,
                   (unsigned long long)(s->rows + r->out.n + 1), SQ_FMT(name));
}

static sq_rc read_rows(struct reader *r, const struct split *s, bool *more)
{
    uint32_t max = r->spec->batch_rows && r->spec->batch_rows <= SQ_BATCH_ROWS ? r->spec->batch_rows : SQ_BATCH_ROWS;
    const struct sq_tz *tz = sq_jdbc_zone(r->table, r->spec->session);
    sq_out_reset(&r->out);
    *more = true;
    while (r->out.n < max) {
        SQ_TRY(r->d->step(r->stmt, more));
        if (!*more)
            return SQ_OK;
        for (uint32_t i = 0; i < r->spec->ncols; i++) {
            sq_rc rc = sq_jdbc_append(r->ctx, r->d, r->stmt, i, tz, &r->out.cols[i]);
            if (rc != SQ_OK)
                return rc == SQ_DATA ? bad_value(r, s, i) : rc;
        }
        SQ_TRY(sq_out_row(&r->out, SQ_INSERT));
    }
    return SQ_OK;
}

static sq_rc jdbc_poll(struct sq_reader *self, struct sq_poll *p)
{
    struct reader *r = (struct reader *)(void *)self;
    *p = (struct sq_poll){.state = SQ_POLL_END};
    if (r->cur == r->nsplits)
        return SQ_OK;
    struct split *s = &r->splits[r->cur];
    bool more = false;
    SQ_TRY(sq_check_interrupt(r->ctx));
    sq_out_reset(&r->out);
    if (!s->ended) {
        if (!r->stmt)
            SQ_TRY(open_split(r, s));
        SQ_TRY(read_rows(r, s, &more));
        s->rows += r->out.n;
        s->ended = !more;
        SQ_TRY(note_position(r, s, s->ended));
    }
    r->stats.rows += r->out.n;
    r->stats.records += r->out.n;
    *p = (struct sq_poll){.state = more ? SQ_POLL_ROWS : SQ_POLL_SPLIT_END, .split = r->cur, .batch = r->out.n ? sq_out_batch(&r->out) : NULL};
    if (!more) {
        r->d->finalize(r->stmt);
        r->stmt = NULL;
        r->cur++;
    }
    return SQ_OK;
}

static sq_rc jdbc_position(struct sq_reader *self, uint32_t split, struct sq_buf *out)
{
    struct reader *r = (struct reader *)(void *)self;
    if (split >= r->nsplits)
        return sq_fail(r->ctx, SQ_INTERNAL, "there is no split %u", split);
    return sq_buf_add(out, r->splits[split].at.p, r->splits[split].at.n);
}

static void jdbc_stats(struct sq_reader *self, struct sq_source_stats *st) { *st = ((struct reader *)(void *)self)->stats; }

const struct sq_source_class sq_jdbc_source = {
    .info = jdbc_info, .splits = jdbc_splits, .open = jdbc_open, .add_split = jdbc_add_split, .poll = jdbc_poll, .position = jdbc_position,
    .stats = jdbc_stats, .close = jdbc_close, .show_position = sq_jdbc_position_show,
};
