/* SPDX-License-Identifier: Apache-2.0
 *
 * result.c: the columns of a statement and the current row's values, each in the reading that is asked for.
 *
 * A text is printed when it is first asked for and kept until the next step. Readings that make no sense give 0, 0.0 or NULL, as the header
 * says; nothing here fails.
 */
#include "api/api.h"

/* ---- columns ---- */

/* Statements with '?' are planned when all of them have values and somebody wants to know. */
static void want_columns(const sqluice_stmt *cs)
{
    sqluice_stmt *s = (sqluice_stmt *)(uintptr_t)cs;

    if (s->state != SQ_STMT_READY || s->stepping || s->planned || s->kind != SQLUICE_STMT_QUERY)
        return;
    for (uint32_t i = 0; i < s->ast->nparams; i++)
        if (!s->params[i])
            return;
    if (sq_api_enter(s->db) != SQ_OK || sq_stmt_plan(s) != SQ_OK) {
        s->ncols = 0;
        sq_api_leave(s->db, s->db->ctx.err.rc, s->base);
        return;
    }
    sq_api_leave(s->db, SQ_OK, s->base);
}

int sqluice_column_count(const sqluice_stmt *s)
{
    if (!s)
        return 0;
    want_columns(s);
    return (int)s->ncols;
}

static const struct sq_field *column(const sqluice_stmt *s, int col)
{
    if (!s || col < 0)
        return NULL;
    want_columns(s);
    return (uint32_t)col < s->ncols ? &s->cols[col] : NULL;
}

/* Room for a text per column, values and declared types. */
static bool have_texts(sqluice_stmt *s)
{
    struct sq_buf *b;
    uint64_t *rows;

    if (s->ntexts >= s->ncols)
        return true;
    for (uint32_t i = 0; i < s->ntexts * 2; i++)
        sq_buf_free(&s->texts[i]);
    sq_free(&s->db->ctx, s->texts);
    sq_free(&s->db->ctx, s->text_row);
    s->ntexts = 0;
    s->texts = b = sq_calloc(&s->db->ctx, sizeof *b * s->ncols * 2);
    s->text_row = rows = sq_calloc(&s->db->ctx, sizeof *rows * s->ncols);
    if (!b || !rows)
        return false;
    for (uint32_t i = 0; i < s->ncols * 2; i++)
        sq_buf_init(&b[i], &s->db->ctx);
    s->ntexts = s->ncols;
    return true;
}

const char *sqluice_column_name(const sqluice_stmt *s, int col)
{
    const struct sq_field *f = column(s, col);
    struct sq_buf *b;

    if (!f || !have_texts((sqluice_stmt *)(uintptr_t)s))
        return NULL;
    b = &s->texts[s->ntexts + (uint32_t)col];
    sq_buf_reset(b);
    return sq_buf_str(b, f->name) == SQ_OK ? b->p ? b->p : "" : NULL;
}

const char *sqluice_column_decltype(const sqluice_stmt *s, int col)
{
    const struct sq_field *f = column(s, col);
    struct sq_buf *b;

    if (!f || !have_texts((sqluice_stmt *)(uintptr_t)s))
        return NULL;
    b = &s->texts[s->ntexts + (uint32_t)col];
    sq_buf_reset(b);
    return sq_type_print(b, f->type) == SQ_OK ? b->p : NULL;
}

int sqluice_column_type(const sqluice_stmt *s, int col)
{
    static const uint8_t types[SQ_T_COUNT] = {
        [SQ_T_NULL] = SQLUICE_TYPE_NULL, [SQ_T_BOOLEAN] = SQLUICE_TYPE_BOOLEAN, [SQ_T_TINYINT] = SQLUICE_TYPE_INTEGER,
        [SQ_T_SMALLINT] = SQLUICE_TYPE_INTEGER, [SQ_T_INT] = SQLUICE_TYPE_INTEGER, [SQ_T_BIGINT] = SQLUICE_TYPE_INTEGER,
        [SQ_T_FLOAT] = SQLUICE_TYPE_DOUBLE, [SQ_T_DOUBLE] = SQLUICE_TYPE_DOUBLE, [SQ_T_DECIMAL] = SQLUICE_TYPE_DECIMAL,
        [SQ_T_CHAR] = SQLUICE_TYPE_TEXT, [SQ_T_VARCHAR] = SQLUICE_TYPE_TEXT, [SQ_T_BINARY] = SQLUICE_TYPE_BYTES, [SQ_T_VARBINARY] = SQLUICE_TYPE_BYTES,
        [SQ_T_DATE] = SQLUICE_TYPE_DATE, [SQ_T_TIME] = SQLUICE_TYPE_TIME, [SQ_T_TIMESTAMP] = SQLUICE_TYPE_TIMESTAMP,
        [SQ_T_TIMESTAMP_LTZ] = SQLUICE_TYPE_TIMESTAMP, [SQ_T_INTERVAL_YM] = SQLUICE_TYPE_INTERVAL, [SQ_T_INTERVAL_DS] = SQLUICE_TYPE_INTERVAL,
        [SQ_T_ARRAY] = SQLUICE_TYPE_NESTED, [SQ_T_MAP] = SQLUICE_TYPE_NESTED, [SQ_T_MULTISET] = SQLUICE_TYPE_NESTED, [SQ_T_ROW] = SQLUICE_TYPE_NESTED,
        [SQ_T_SYMBOL] = SQLUICE_TYPE_TEXT,
    };
    const struct sq_field *f = column(s, col);

    return f ? types[f->type->id] : SQLUICE_TYPE_NULL;
}

/* ---- the row ---- */

int sqluice_row_kind(const sqluice_stmt *s)
{
    return s && s->on_row && s->rows.has_kind ? s->rows.kind[s->at] : SQLUICE_INSERT;
}

const char *sqluice_row_kind_name(int kind)
{
    return kind >= SQLUICE_INSERT && kind <= SQLUICE_DELETE ? sq_kind_name((uint8_t)kind) : "?";
}

/* The vector of a value that is there; NULL: none, or NULL. */
static const struct sq_vec *value(const sqluice_stmt *s, int col)
{
    struct sq_col *c;

    if (!s || !s->on_row || col < 0 || (uint32_t)col >= s->rows.ncols)
        return NULL;
    c = &s->rows.cols[col];
    sq_col_seal(c);
    return sq_vec_null(&c->vec, s->at) ? NULL : &c->vec;
}

int sqluice_column_is_null(const sqluice_stmt *s, int col)
{
    return value(s, col) == NULL;
}

static int64_t clamp(double d)
{
    return d >= 9.2233720368547758e18 ? INT64_MAX : d <= -9.2233720368547758e18 ? INT64_MIN : d != d ? 0 : (int64_t)d;
}

int64_t sqluice_column_int64(const sqluice_stmt *s, int col)
{
    const struct sq_vec *v = value(s, col);
    uint32_t r = v ? s->at : 0;
    int64_t n;

    if (!v)
        return 0;
    switch (sq_type_phys(v->type)) {
    case SQ_P_BOOL: return ((const uint8_t *)v->data)[r];
    case SQ_P_I8: return ((const int8_t *)v->data)[r];
    case SQ_P_I16: return ((const int16_t *)v->data)[r];
    case SQ_P_I32: return ((const int32_t *)v->data)[r];
    case SQ_P_I64: return ((const int64_t *)v->data)[r];
    case SQ_P_TS16: return ((const struct sq_ts16 *)v->data)[r].us;
    case SQ_P_F32: return clamp((double)((const float *)v->data)[r]);
    case SQ_P_F64: return clamp(((const double *)v->data)[r]);
    case SQ_P_I128: return clamp(sqluice_column_double(s, col));
    case SQ_P_VIEW: return sq_parse_int(sq_view_str((const struct sq_view *)v->data + r), &n) ? n : 0;
    default: return 0;
    }
}

double sqluice_column_double(const sqluice_stmt *s, int col)
{
    const struct sq_vec *v = value(s, col);
    uint32_t r = v ? s->at : 0;
    char text[64];
    double d;

    if (!v)
        return 0;
    switch (sq_type_phys(v->type)) {
    case SQ_P_F32: return (double)((const float *)v->data)[r];
    case SQ_P_F64: return ((const double *)v->data)[r];
    case SQ_P_I128:
        return sq_parse_double((struct sq_str){text, (uint32_t)sq_print_decimal(((const sq_i128 *)v->data)[r], v->type->s, text)}, false, &d) ? d : 0;
    case SQ_P_VIEW: return sq_parse_double(sq_view_str((const struct sq_view *)v->data + r), true, &d) ? d : 0;
    default: return (double)sqluice_column_int64(s, col);
    }
}

static struct sq_buf *text_of(sqluice_stmt *s, int col)
{
    const struct sq_vec *v = value(s, col);
    struct sq_error before;
    struct sq_buf *b;
    sq_rc rc;

    if (!v || !have_texts(s))
        return NULL;
    b = &s->texts[col];
    if (s->text_row[col] == s->serial)
        return b;
    before = s->db->ctx.err;
    sq_buf_reset(b);
    rc = sq_print_value(b, v, s->at, s->tz);
    if (rc == SQ_OK)
        rc = sq_buf_reserve(b, 1);
    s->db->ctx.err = before;
    if (rc != SQ_OK)
        return NULL;
    s->text_row[col] = s->serial;
    return b;
}

const char *sqluice_column_text(sqluice_stmt *s, int col)
{
    const struct sq_buf *b = s ? text_of(s, col) : NULL;

    return b ? b->p : NULL;
}

const void *sqluice_column_blob(sqluice_stmt *s, int col)
{
    const struct sq_vec *v = value(s, col);

    return v && sq_type_phys(v->type) == SQ_P_VIEW ? sq_view_ptr((const struct sq_view *)v->data + s->at) : NULL;
}

int sqluice_column_bytes(sqluice_stmt *s, int col)
{
    const struct sq_vec *v = value(s, col);
    const struct sq_buf *b;

    if (v && sq_type_phys(v->type) == SQ_P_VIEW)
        return (int)((const struct sq_view *)v->data)[s->at].len;
    b = v ? text_of(s, col) : NULL;
    return b ? (int)b->n : 0;
}
