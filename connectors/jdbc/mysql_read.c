/* SPDX-License-Identifier: Apache-2.0
 *
 * mysql_read.c: the rows of a SELECT. They come through a prepared statement, because its rows are binary: floats and doubles are the bits
 * that are stored, where the text protocol prints a FLOAT to six digits. Rows are streamed, not stored: InnoDB gives a reader a view of
 * its own, so writers are not kept waiting. Other engines lock the table as long as they send: there the server keeps the result
 * (SQL_BUFFER_RESULT).
 *
 * A scan that is left before its end closes the connection, for the server would send, and the library read, all that is left.
 */
#include "connectors/jdbc/mysql.h"

#ifdef SQ_HAVE_MYSQL
#include "base/text.h"

#include <errmsg.h>
#include <stdio.h>
#include <sys/socket.h>

enum { FIRST_ROOM = 64, BINARY_CHARSET = 63, JSON_TYPE = 245 };

enum shape { S_INT, S_FLOAT, S_DOUBLE, S_TIME, S_BITS, S_TEXT, S_BYTES };

struct cell {
    enum shape shape;
    enum enum_field_types type;          /* of the column */
    unsigned digits;                     /* behind the second */
    bool is_unsigned;
    int64_t i;
    float f;
    double d;
    MYSQL_TIME t;
    char *room;                          /* texts and bytes */
    unsigned long cap, len;
    my_bool null, cut;
    char shown[64];                      /* numbers and times as text */
};

struct sq_jdbc_stmt {
    struct sq_mysql_conn *c;
    MYSQL_STMT *s;
    struct cell *cells;
    MYSQL_BIND *binds;
    uint32_t n;
    bool done, rebind;
};

/* Rows that break off leave their error with the connection, or nowhere. */
static sq_rc fail(struct sq_jdbc_stmt *s)
{
    struct sq_mysql_conn *c = s->c;
    if (c->lib.stmt_errno(s->s))
        return sq_mysql_fail_with(c, "read", c->lib.stmt_errno(s->s), c->lib.stmt_error(s->s));
    return c->lib.code(c->db) ? sq_mysql_fail(c, "read") : sq_mysql_fail_with(c, "read", CR_SERVER_LOST, "the rows broke off");
}

/* ---- opening ---- */

static enum shape shape_of(const MYSQL_FIELD *f)
{
    switch ((int)f->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_NULL:
    case MYSQL_TYPE_YEAR: return S_INT;
    case MYSQL_TYPE_FLOAT: return S_FLOAT;
    case MYSQL_TYPE_DOUBLE: return S_DOUBLE;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP: return S_TIME;
    case MYSQL_TYPE_BIT: return S_BITS;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
    case JSON_TYPE: return S_TEXT;
    default: return f->charsetnr == BINARY_CHARSET ? S_BYTES : S_TEXT;
    }
}

static sq_rc bind_cell(struct sq_ctx *ctx, struct cell *c, MYSQL_BIND *b)
{
    memset(b, 0, sizeof *b);
    b->is_null = &c->null;
    b->error = &c->cut;
    b->length = &c->len;
    switch (c->shape) {
    case S_INT:
        b->buffer_type = MYSQL_TYPE_LONGLONG;
        b->buffer = &c->i;
        b->is_unsigned = c->is_unsigned;
        return SQ_OK;
    case S_FLOAT:
        b->buffer_type = MYSQL_TYPE_FLOAT;
        b->buffer = &c->f;
        return SQ_OK;
    case S_DOUBLE:
        b->buffer_type = MYSQL_TYPE_DOUBLE;
        b->buffer = &c->d;
        return SQ_OK;
    case S_TIME:
        b->buffer_type = c->type == MYSQL_TYPE_NEWDATE ? MYSQL_TYPE_DATE : c->type;
        b->buffer = &c->t;
        b->buffer_length = sizeof c->t;
        return SQ_OK;
    default:
        if (!c->room) {
            c->room = sq_alloc(ctx, FIRST_ROOM);
            c->cap = FIRST_ROOM;
        }
        b->buffer_type = c->shape == S_TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
        b->buffer = c->room;
        b->buffer_length = c->cap;
        return c->room ? SQ_OK : SQ_NOMEM;
    }
}

static sq_rc bind_cells(struct sq_jdbc_stmt *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        SQ_TRY(bind_cell(s->c->base.ctx, &s->cells[i], &s->binds[i]));
    s->rebind = false;
    return s->c->lib.stmt_bind_result(s->s, s->binds) == 0 ? SQ_OK : fail(s);
}

static sq_rc make_cells(struct sq_jdbc_stmt *s)
{
    struct sq_mysql *lib = &s->c->lib;
    MYSQL_RES *meta = lib->stmt_result_metadata(s->s);
    if (!meta)
        return fail(s);
    s->n = lib->num_fields(meta);
    MYSQL_FIELD *fields = lib->fetch_fields(meta);
    s->cells = sq_calloc(s->c->base.ctx, (s->n + 1) * sizeof *s->cells);
    s->binds = sq_calloc(s->c->base.ctx, (s->n + 1) * sizeof *s->binds);
    for (uint32_t i = 0; s->cells && i < s->n; i++) {
        s->cells[i].shape = shape_of(&fields[i]);
        s->cells[i].type = fields[i].type;
        s->cells[i].digits = fields[i].decimals <= 6 ? fields[i].decimals : 0;
        s->cells[i].is_unsigned = (fields[i].flags & UNSIGNED_FLAG) != 0;
    }
    lib->free_result(meta);
    return s->cells && s->binds ? SQ_OK : SQ_NOMEM;
}

static sq_rc start(struct sq_jdbc_stmt *s, const char *select)
{
    struct sq_mysql *lib = &s->c->lib;
    s->s = lib->stmt_init(s->c->db);
    if (!s->s)
        return sq_nomem(s->c->base.ctx, 0);
    if (lib->stmt_prepare(s->s, select, (unsigned long)strlen(select)) != 0)
        return fail(s);
    SQ_TRY(make_cells(s));
    if (lib->stmt_execute(s->s) != 0)
        return fail(s);
    return bind_cells(s);
}

sq_rc sq_mysql_scan(struct sq_jdbc_conn *base, const char *select, struct sq_jdbc_stmt **out)
{
    struct sq_mysql_conn *c = (struct sq_mysql_conn *)base;
    struct sq_jdbc_stmt *s;
    struct sq_buf sql;
    SQ_ASSERT(strncmp(select, "SELECT ", 7) == 0);
    if (c->lost)
        return sq_mysql_fail_with(c, "read", CR_SERVER_GONE_ERROR, "a scan was left before its end");
    s = sq_calloc(base->ctx, sizeof *s);
    if (!s)
        return SQ_NOMEM;
    s->c = c;
    s->done = true;                                      /* until there are rows */
    sq_buf_init(&sql, base->ctx);
    sq_rc rc = c->buffered ? sq_buf_printf(&sql, "SELECT SQL_BUFFER_RESULT %s", select + strlen("SELECT ")) : sq_buf_puts(&sql, select);
    if (rc == SQ_OK)
        rc = start(s, sql.p);
    sq_buf_free(&sql);
    if (rc != SQ_OK) {
        struct sq_error keep = base->ctx->err;
        sq_mysql_finalize(s);
        base->ctx->err = keep;
        return rc;
    }
    s->done = false;
    *out = s;
    return SQ_OK;
}

void sq_mysql_finalize(struct sq_jdbc_stmt *s)
{
    if (!s)
        return;
    struct sq_mysql_conn *c = s->c;
    if (!s->done && !c->lost) {
        shutdown(c->lib.get_socket(c->db), SHUT_RDWR);
        c->lost = true;
    }
    if (s->s)
        c->lib.stmt_close(s->s);
    for (uint32_t i = 0; s->cells && i < s->n; i++)
        sq_free(c->base.ctx, s->cells[i].room);
    sq_free(c->base.ctx, s->cells);
    sq_free(c->base.ctx, s->binds);
    sq_free(c->base.ctx, s);
}

/* ---- rows ---- */

sq_rc sq_mysql_step(struct sq_jdbc_stmt *s, bool *row)
{
    if (s->rebind)
        SQ_TRY(bind_cells(s));
    int e = s->c->lib.stmt_fetch(s->s);
    *row = e == 0 || e == MYSQL_DATA_TRUNCATED;
    if (e == 1) {
        s->done = true;
        return fail(s);
    }
    s->done = !*row;
    return SQ_OK;
}

/* A text that is longer than the room: more room, and the same again. */
static sq_rc whole(struct sq_jdbc_stmt *s, uint32_t i)
{
    struct cell *c = &s->cells[i];
    MYSQL_BIND b;
    if (c->len <= c->cap)
        return SQ_OK;
    char *room = sq_alloc(s->c->base.ctx, c->len * 2);
    if (!room)
        return SQ_NOMEM;
    sq_free(s->c->base.ctx, c->room);
    c->room = room;
    c->cap = c->len * 2;
    s->rebind = true;
    SQ_TRY(bind_cell(s->c->base.ctx, c, &b));
    return s->c->lib.stmt_fetch_column(s->s, &b, i, 0) == 0 ? SQ_OK : fail(s);
}

static sq_rc zero_date(struct sq_jdbc_stmt *s, const struct cell *c, struct sq_jdbc_value *v)
{
    const MYSQL_TIME *t = &c->t;
    bool all = t->year == 0 && t->month == 0 && t->day == 0;
    switch (s->c->at->zero) {
    case SQ_MYSQL_ZERO_IS_NULL:
        v->kind = SQ_JDBC_NULL;
        return SQ_OK;
    case SQ_MYSQL_ZERO_IS_YEAR_1:
        if (all) {
            int64_t day = sq_days_from_civil(1, 1, 1);
            v->i = v->kind == SQ_JDBC_DATE ? day : day * SQ_US_PER_DAY;
            return SQ_OK;
        } /* fall through */
    default:
        sq_fail(s->c->base.ctx, SQ_DATA, "'%04u-%02u-%02u' is no date", t->year, t->month, t->day);
        return sq_hint(s->c->base.ctx, "'zeroDateTimeBehavior=CONVERT_TO_NULL' in the url reads it as NULL");
    }
}

static sq_rc time_value(struct sq_jdbc_stmt *s, const struct cell *c, struct sq_jdbc_value *v)
{
    const MYSQL_TIME *t = &c->t;
    int64_t us = ((int64_t)t->hour * 3600 + t->minute * 60 + t->second) * SQ_US_PER_S + (int64_t)t->second_part;
    if (c->type == MYSQL_TYPE_TIME) {
        us += (int64_t)t->day * SQ_US_PER_DAY;
        *v = (struct sq_jdbc_value){.kind = SQ_JDBC_TIME, .i = t->neg ? -us : us};
        return SQ_OK;
    }
    v->kind = c->type == MYSQL_TYPE_TIMESTAMP ? SQ_JDBC_INSTANT : c->type == MYSQL_TYPE_DATETIME ? SQ_JDBC_DATETIME : SQ_JDBC_DATE;
    if (t->month == 0 || t->day == 0 || t->year == 0)
        return zero_date(s, c, v);
    int64_t days = sq_days_from_civil((int32_t)t->year, (int32_t)t->month, (int32_t)t->day);
    v->i = v->kind == SQ_JDBC_DATE ? days : days * SQ_US_PER_DAY + us;
    return SQ_OK;
}

static void bits_value(const struct cell *c, struct sq_jdbc_value *v)
{
    uint64_t bits = 0;
    for (unsigned long i = 0; i < c->len && i < 8; i++)
        bits = bits << 8 | (unsigned char)c->room[i];
    *v = (struct sq_jdbc_value){.kind = SQ_JDBC_INT, .i = (int64_t)bits};
}

sq_rc sq_mysql_value(struct sq_jdbc_stmt *s, uint32_t i, struct sq_jdbc_value *v)
{
    struct cell *c = &s->cells[i];
    v->kind = SQ_JDBC_NULL;
    if (c->null)
        return SQ_OK;
    switch (c->shape) {
    case S_INT:
        *v = (struct sq_jdbc_value){.kind = SQ_JDBC_INT, .i = c->i};
        if (c->is_unsigned && c->i < 0) {                /* beyond BIGINT: its digits */
            v->kind = SQ_JDBC_TEXT;
            v->s = sq_mysql_text_of(s, i);
        }
        return SQ_OK;
    case S_FLOAT: *v = (struct sq_jdbc_value){.kind = SQ_JDBC_DOUBLE, .d = (double)c->f}; return SQ_OK;
    case S_DOUBLE: *v = (struct sq_jdbc_value){.kind = SQ_JDBC_DOUBLE, .d = c->d}; return SQ_OK;
    case S_TIME: return time_value(s, c, v);
    case S_BITS:
        SQ_TRY(whole(s, i));
        bits_value(c, v);
        return SQ_OK;
    default:
        SQ_TRY(whole(s, i));
        *v = (struct sq_jdbc_value){.kind = c->shape == S_TEXT ? SQ_JDBC_TEXT : SQ_JDBC_BYTES, .s = {c->room, (uint32_t)c->len}};
        return SQ_OK;
    }
}

static int print_time(struct cell *c)
{
    const MYSQL_TIME *t = &c->t;
    size_t room = sizeof c->shown;
    int n;
    if (c->type == MYSQL_TYPE_TIME)
        n = snprintf(c->shown, room, "%s%02u:%02u:%02u", t->neg ? "-" : "", t->day * 24 + t->hour, t->minute, t->second);
    else if (c->type == MYSQL_TYPE_TIMESTAMP || c->type == MYSQL_TYPE_DATETIME)
        n = snprintf(c->shown, room, "%04u-%02u-%02u %02u:%02u:%02u", t->year, t->month, t->day, t->hour, t->minute, t->second);
    else
        return snprintf(c->shown, room, "%04u-%02u-%02u", t->year, t->month, t->day);
    if (c->digits) {
        char six[16];
        snprintf(six, sizeof six, "%06lu", t->second_part % 1000000);
        n += snprintf(c->shown + n, room - (size_t)n, ".%.*s", (int)c->digits, six);
    }
    if (c->type == MYSQL_TYPE_TIMESTAMP)
        n += snprintf(c->shown + n, room - (size_t)n, "Z");
    return n;
}

struct sq_str sq_mysql_text_of(struct sq_jdbc_stmt *s, uint32_t i)
{
    struct cell *c = &s->cells[i];
    struct sq_jdbc_value v;
    int n = 0;
    if (c->null)
        return (struct sq_str){"", 0};
    switch (c->shape) {
    case S_INT: n = snprintf(c->shown, sizeof c->shown, c->is_unsigned ? "%llu" : "%lld", (long long)c->i); break;
    case S_FLOAT: n = sq_print_float(c->f, c->shown); break;
    case S_DOUBLE: n = sq_print_double(c->d, c->shown); break;
    case S_TIME: n = print_time(c); break;
    case S_BITS:
        bits_value(c, &v);
        n = snprintf(c->shown, sizeof c->shown, "%llu", (unsigned long long)v.i);
        break;
    default:
        if (whole(s, i) != SQ_OK)
            return (struct sq_str){"", 0};
        return (struct sq_str){c->room, (uint32_t)c->len};
    }
    return (struct sq_str){c->shown, n > 0 ? (uint32_t)n : 0};
}
#endif
