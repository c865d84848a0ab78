/* SPDX-License-Identifier: Apache-2.0
 *
 * mysql_write.c: rows into MySQL and MariaDB. A batch is one INSERT … VALUES (…), (…) ON DUPLICATE KEY UPDATE, or several when it would be
 * longer than the server takes; deletes are gathered over a transaction and go by key, many to a statement. Values are literals: texts
 * escaped, bytes in hex, floats and doubles with as many digits as bring back the same bits.
 *
 * When a row is refused, the server says which row and column; the message shows the value, cut short, and the row's key. A warning
 * that something was cut or rounded is an error too: strict mode leaves blanks at the end and digits behind the point to notes.
 */
#include "connectors/jdbc/mysql.h"

#ifdef SQ_HAVE_MYSQL
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATEMENT_BYTES = 1 << 20, PACKET_SLACK = 1024, KEYS_PER_DELETE = 1000, NEW_ROW_ALIAS = 80019, DEPRECATED = 1287, UNSAFE = 1592 };

/* One batch on its way. */
struct batch {
    struct sq_mysql_conn *c;
    const struct sq_sink_spec *spec;
    const struct sq_batch *rows;
    const struct sq_tz *tz;
    bool upserts;
    uint32_t first;                      /* row of the batch that the statement begins with */
};

/* ---- literals ---- */

static bool is_instant(const struct sq_mysql_conn *c, struct sq_str name, const struct sq_type *t)
{
    if (!c->described)                                   /* it was made here */
        return t->id == SQ_T_TIMESTAMP_LTZ;
    for (uint32_t i = 0; i < c->ninstants; i++)
        if (sq_str_ieq(c->instants[i], name))
            return true;
    return false;
}

/* TIMESTAMP columns keep points in time, and the session's zone is UTC; DATETIME columns keep what a clock in the zone shows. */
static sq_rc add_timestamp(const struct batch *b, uint32_t col, const struct sq_vec *v, uint32_t r)
{
    struct sq_ts16 ts = {.us = ((const int64_t *)v->data)[r]};
    bool utc = v->type->id == SQ_T_TIMESTAMP_LTZ, instant = is_instant(b->c, b->spec->table->cols[col].name, v->type);
    char text[64];
    if (utc && !instant)
        ts.us = sq_tz_to_local(b->tz, ts.us);
    else if (!utc && instant)
        ts.us = sq_tz_to_utc(b->tz, ts.us);
    int n = sq_print_timestamp(ts, v->type->p, ' ', text);
    sq_buf_putc(&b->c->sql, '\'');
    sq_buf_add(&b->c->sql, text, (size_t)n);
    return sq_buf_putc(&b->c->sql, '\'');
}

static sq_rc add_hex(struct sq_buf *b, const struct sq_view *v)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = (const unsigned char *)sq_view_ptr(v);
    SQ_TRY(sq_buf_reserve(b, (size_t)v->len * 2 + 3));
    sq_buf_puts(b, "x'");
    char *at = b->p + b->n;
    for (uint32_t i = 0; i < v->len; i++) {
        *at++ = digits[p[i] >> 4];
        *at++ = digits[p[i] & 15];
    }
    b->n += (size_t)v->len * 2;
    return sq_buf_putc(b, '\'');
}

/* With an exponent always: digits alone would be a DECIMAL. A float is given as the double that it is. */
static sq_rc add_double(struct sq_buf *b, double v)
{
    char text[40];
    int n = sq_print_double(v, text);
    if (!memchr(text, 'E', (size_t)n)) {
        text[n++] = 'e';
        text[n++] = '0';
    }
    return sq_buf_add(b, text, (size_t)n);
}

static sq_rc add_int(struct sq_buf *b, int64_t v)
{
    char text[32];
    return sq_buf_add(b, text, (size_t)sq_print_int(v, text));
}

static sq_rc add_quoted(struct sq_buf *b, const char *text, int n)
{
    sq_buf_putc(b, '\'');
    sq_buf_add(b, text, (size_t)n);
    return sq_buf_putc(b, '\'');
}

static sq_rc no_such_number(const struct batch *b, uint32_t col, double v)
{
    struct sq_jdbc_conn *base = &b->c->base;
    sq_fail(base->ctx, SQ_DATA, "column '%.*s' of table '%.*s' in database '%s' cannot hold %s: the database knows numbers only", SQ_FMT(b->spec->table->cols[col].name),
            SQ_FMT(base->table->name), base->table->database, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
    return sq_hint(base->ctx, "leave such rows out, or make it NULL: NULLIF, CASE");
}

static sq_rc add_literal(const struct batch *b, uint32_t col, uint32_t r)
{
    const struct sq_vec *v = &b->rows->cols[col];
    struct sq_buf *out = &b->c->sql;
    char text[64];
    double d;
    if (sq_vec_null(v, r))
        return sq_buf_puts(out, "NULL");
    v = sq_vec_at(v, &r);
    switch (v->type->id) {
    case SQ_T_BOOLEAN: return sq_buf_putc(out, ((const uint8_t *)v->data)[r] ? '1' : '0');
    case SQ_T_TINYINT: return add_int(out, ((const int8_t *)v->data)[r]);
    case SQ_T_SMALLINT: return add_int(out, ((const int16_t *)v->data)[r]);
    case SQ_T_INT:
    case SQ_T_INTERVAL_YM: return add_int(out, ((const int32_t *)v->data)[r]);
    case SQ_T_BIGINT:
    case SQ_T_INTERVAL_DS: return add_int(out, ((const int64_t *)v->data)[r]);
    case SQ_T_FLOAT:
    case SQ_T_DOUBLE:
        d = v->type->id == SQ_T_FLOAT ? (double)((const float *)v->data)[r] : ((const double *)v->data)[r];
        return isfinite(d) ? add_double(out, d) : no_such_number(b, col, d);
    case SQ_T_CHAR:
    case SQ_T_VARCHAR: return sq_mysql_text(out, sq_view_str(&((const struct sq_view *)v->data)[r]));
    case SQ_T_BINARY:
    case SQ_T_VARBINARY: return add_hex(out, &((const struct sq_view *)v->data)[r]);
    case SQ_T_DECIMAL: return sq_buf_add(out, text, (size_t)sq_print_decimal(((const sq_i128 *)v->data)[r], v->type->s, text));
    case SQ_T_DATE: return add_quoted(out, text, sq_print_date(((const int32_t *)v->data)[r], text));
    case SQ_T_TIME: return add_quoted(out, text, sq_print_time(((const int32_t *)v->data)[r], v->type->p < 3 ? v->type->p : 3, text));
    default: return add_timestamp(b, col, v, r);
    }
}

/* ---- what went wrong ---- */

/* "… column 's' at row 3", "… for column `db`.`t`.`s` at row 3": which column of the table, and which row of the statement. */
static bool blame(const struct sq_table_spec *t, const char *text, uint32_t *col, unsigned *row)
{
    const char *at = NULL, *end, *from;
    for (const char *p = text; (p = strstr(p, " at row ")) != NULL; p++)
        at = p;
    if (!at || sscanf(at, " at row %u", row) != 1 || *row == 0 || at == text || (at[-1] != '\'' && at[-1] != '`'))
        return false;
    end = from = at - 1;
    while (from > text && from[-1] != *end)
        from--;
    for (uint32_t i = 0; i < t->ncols; i++)
        if (sq_str_ieq(t->cols[i].name, (struct sq_str){from, (uint32_t)(end - from)})) {
            *col = i;
            return true;
        }
    return false;
}

static void key_of_row(const struct batch *b, uint32_t r, struct sq_buf *out)
{
    struct sq_buf v;
    sq_buf_init(&v, out->ctx);
    for (uint32_t k = 0; b->upserts && k < b->spec->nkey; k++) {
        uint32_t col = b->spec->key[k];
        sq_buf_reset(&v);
        if (sq_vec_null(&b->rows->cols[col], r))
            sq_buf_puts(&v, "NULL");
        else
            sq_print_value(&v, &b->rows->cols[col], r, b->tz);
        uint32_t n = sq_jdbc_cut(sq_buf_view(&v));
        sq_buf_printf(out, "%s%.*s = %.*s%s", k ? ", " : " in the row with ", SQ_FMT(b->spec->table->cols[col].name), (int)n, v.p ? v.p : "", n < v.n ? "…" : "");
    }
    sq_buf_free(&v);
}

static sq_rc bad_value(const struct batch *b, unsigned code, const char *text)
{
    struct sq_jdbc_conn *base = &b->c->base;
    struct sq_buf v, where;
    uint32_t col;
    unsigned row;
    char said[512];
    snprintf(said, sizeof said, "%s", text);             /* the library's buffer does not last */
    if (!blame(b->spec->table, said, &col, &row) || b->first + row - 1 >= b->rows->rows)
        return sq_mysql_fail_with(b->c, "write", code, said);
    uint32_t r = b->first + row - 1;
    b->c->error = code;
    sq_buf_init(&v, base->ctx);
    sq_buf_init(&where, base->ctx);
    if (sq_vec_null(&b->rows->cols[col], r))
        sq_buf_puts(&v, "NULL");
    else
        sq_print_value(&v, &b->rows->cols[col], r, b->tz);
    key_of_row(b, r, &where);
    uint32_t n = sq_jdbc_cut(sq_buf_view(&v));
    sq_fail(base->ctx, SQ_DATA, "column '%.*s' of table '%.*s' in database '%s' cannot hold '%.*s%s'%s: %.*s", SQ_FMT(b->spec->table->cols[col].name), SQ_FMT(base->table->name),
            base->table->database, (int)n, v.p ? v.p : "", n < v.n ? "…" : "", where.p ? where.p : "", (int)(strstr(said, " at row ") - said), said);
    sq_buf_free(&v);
    sq_buf_free(&where);
    return SQ_DATA;
}

/* Notes of values that were changed on their way in. */
static sq_rc check_warnings(const struct batch *b)
{
    struct sq_mysql_conn *c = b->c;
    MYSQL_RES *res;
    MYSQL_ROW row;
    sq_rc rc = SQ_OK;
    SQ_TRY(sq_mysql_rows(c, "SHOW WARNINGS", &res));
    while (rc == SQ_OK && (row = c->lib.fetch_row(res)) != NULL) {
        unsigned code = row[1] ? (unsigned)strtoul(row[1], NULL, 10) : 0;
        if (code != DEPRECATED && code != UNSAFE && sq_mysql_bad_value(code))
            rc = bad_value(b, code, row[2] ? row[2] : "");
    }
    c->lib.free_result(res);
    return rc;
}

/* ---- INSERT ---- */

static sq_rc head(const struct batch *b)
{
    const struct sq_table_spec *t = b->spec->table;
    struct sq_buf *sql = &b->c->sql;
    sq_buf_reset(sql);
    sq_buf_puts(sql, "INSERT INTO ");
    sq_mysql_quote(sql, b->c->base.table->name);
    for (uint32_t i = 0; i < t->ncols; i++) {
        sq_buf_puts(sql, i ? ", " : " (");
        sq_mysql_quote(sql, t->cols[i].name);
    }
    return sq_buf_puts(sql, ") VALUES ");
}

static sq_rc tail(const struct batch *b)
{
    const struct sq_table_spec *t = b->spec->table;
    struct sq_buf *sql = &b->c->sql;
    bool any = false, alias = !b->c->maria && b->c->lib.get_server_version(b->c->db) >= NEW_ROW_ALIAS;
    if (!b->upserts)
        return sql->rc;
    sq_buf_puts(sql, alias ? " AS sqluice_new ON DUPLICATE KEY UPDATE " : " ON DUPLICATE KEY UPDATE ");
    for (uint32_t i = 0; i <= t->ncols; i++) {
        bool in_key = false;
        uint32_t col = i < t->ncols ? i : b->spec->key[0];    /* all columns are the key: it is set to itself */
        if (i == t->ncols && any)
            break;
        for (uint32_t k = 0; i < t->ncols && k < b->spec->nkey; k++)
            in_key = in_key || b->spec->key[k] == i;
        if (in_key)
            continue;
        sq_buf_puts(sql, any ? ", " : "");
        any = true;
        sq_mysql_quote(sql, t->cols[col].name);
        sq_buf_puts(sql, alias ? " = sqluice_new." : " = VALUES(");
        sq_mysql_quote(sql, t->cols[col].name);
        sq_buf_puts(sql, alias ? "" : ")");
    }
    return sql->rc;
}

static sq_rc send(const struct batch *b)
{
    struct sq_mysql_conn *c = b->c;
    bool good;
    SQ_TRY(tail(b));
    if (c->sql.n + PACKET_SLACK > c->packet) {
        sq_fail(c->base.ctx, SQ_DATA, "a row for table '%.*s' takes %zu bytes, and database '%s' takes %zu at once", SQ_FMT(c->base.table->name), c->sql.n,
                c->base.table->database, c->packet);
        return sq_hint(c->base.ctx, "raise the server's max_allowed_packet");
    }
    SQ_TRY(sq_mysql_run(c, c->sql.p, c->sql.n, &good));
    if (good)
        return c->lib.warning_count(c->db) ? check_warnings(b) : SQ_OK;
    unsigned code = c->lib.code(c->db);
    return sq_mysql_bad_value(code) ? bad_value(b, code, c->lib.error(c->db)) : sq_mysql_fail(c, "write");
}

sq_rc sq_mysql_put_rows(struct sq_jdbc_conn *base, const struct sq_sink_spec *spec, bool upserts, const struct sq_batch *rows)
{
    struct sq_mysql_conn *c = (struct sq_mysql_conn *)base;
    struct batch b = {.c = c, .spec = spec, .rows = rows, .tz = sq_jdbc_zone(base->table, spec->session), .upserts = upserts};
    size_t names = 128;                                  /* what the tail may take */
    for (uint32_t i = 0; i < spec->table->ncols; i++)
        names += 4 * (size_t)spec->table->cols[i].name.n + 40;
    size_t most = c->packet < STATEMENT_BYTES ? c->packet : STATEMENT_BYTES;
    for (uint32_t r = 0; r < rows->rows; r++) {
        if (r == b.first)
            SQ_TRY(head(&b));
        size_t before = c->sql.n;
        sq_buf_puts(&c->sql, r == b.first ? "(" : ", (");
        for (uint32_t i = 0; i < rows->ncols; i++) {
            if (i)
                sq_buf_putc(&c->sql, ',');
            SQ_TRY(add_literal(&b, i, r));
        }
        SQ_TRY(sq_buf_putc(&c->sql, ')'));
        if (r > b.first && c->sql.n + names + PACKET_SLACK > most) {   /* without this row, then from it on */
            c->sql.n = before;
            SQ_TRY(send(&b));
            b.first = r--;
        }
    }
    return rows->rows ? send(&b) : SQ_OK;
}

/* ---- DELETE ---- */

static sq_rc send_deletes(struct sq_mysql_conn *c, const struct sq_sink_spec *spec)
{
    if (c->nkeys == 0)
        return SQ_OK;
    if (spec->nkey == 1)
        SQ_TRY(sq_buf_putc(&c->keys, ')'));
    sq_rc rc = sq_mysql_query(c, c->keys.p, c->keys.n, "write");
    c->nkeys = 0;
    return rc;
}

/* One column: k IN (…). Several: the keys one by one, which both servers look up in the index, as they do not with lists of rows. */
static sq_rc begin_delete(struct sq_mysql_conn *c, const struct sq_sink_spec *spec)
{
    sq_buf_reset(&c->keys);
    sq_buf_puts(&c->keys, "DELETE FROM ");
    sq_mysql_quote(&c->keys, c->base.table->name);
    sq_buf_puts(&c->keys, " WHERE ");
    if (spec->nkey > 1)
        return c->keys.rc;
    sq_mysql_quote(&c->keys, spec->table->cols[spec->key[0]].name);
    return sq_buf_puts(&c->keys, " IN (");
}

static sq_rc add_key(const struct batch *b, uint32_t r)
{
    struct sq_mysql_conn *c = b->c;
    const struct sq_sink_spec *spec = b->spec;
    if (c->nkeys == 0)
        SQ_TRY(begin_delete(c, spec));
    else
        sq_buf_puts(&c->keys, spec->nkey == 1 ? "," : " OR ");
    for (uint32_t k = 0; k < spec->nkey; k++) {
        if (spec->nkey > 1) {
            sq_buf_puts(&c->keys, k ? " AND " : "(");
            sq_mysql_quote(&c->keys, spec->table->cols[spec->key[k]].name);
            sq_buf_putc(&c->keys, '=');
        }
        sq_buf_reset(&c->sql);
        SQ_TRY(add_literal(b, spec->key[k], r));
        sq_buf_add(&c->keys, c->sql.p, c->sql.n);
    }
    c->nkeys++;
    return spec->nkey > 1 ? sq_buf_putc(&c->keys, ')') : c->keys.rc;
}

sq_rc sq_mysql_remove_rows(struct sq_jdbc_conn *base, const struct sq_sink_spec *spec, const struct sq_batch *rows, bool last)
{
    struct sq_mysql_conn *c = (struct sq_mysql_conn *)base;
    struct batch b = {.c = c, .spec = spec, .rows = rows, .tz = sq_jdbc_zone(base->table, spec->session), .upserts = true};
    size_t most = (c->packet < STATEMENT_BYTES ? c->packet : STATEMENT_BYTES) / 2;
    for (uint32_t r = 0; r < rows->rows; r++) {
        SQ_TRY(add_key(&b, r));
        if (c->nkeys == KEYS_PER_DELETE || c->keys.n > most)
            SQ_TRY(send_deletes(c, spec));
    }
    return last ? send_deletes(c, spec) : SQ_OK;
}
#endif
