/* SPDX-License-Identifier: Apache-2.0
 *
 * csv_encode.c: rows as records, byte for byte as Flink's csv format (Jackson's generator with its loose check for quotes) writes them: a text is
 * quoted when it has more than 24 characters (UTF-16 units), a character not above the delimiter and the quote, or the escape character; integers,
 * floats, booleans and NULL are never quoted; decimals are texts without trailing zeros, with an exponent unless the option says otherwise; an
 * ARRAY or ROW is one text of its elements.
 *
 * FLINK: with quoting disabled, text that would not read back (it holds a delimiter, a newline or the escape) is an error here. Elements that hold
 * the array delimiter are written as they are, as there.
 */
#include "connectors/formats/csv_internal.h"

#include <ctype.h>

enum { QUOTE_FROM = 25 };

struct sq_encoder {
    struct sq_ctx *ctx;
    struct sq_csv_options opt;
    struct sq_csv_chars ch;
    struct sq_arena arena;
    struct sq_csv_column *column;
    uint32_t n;
    uint32_t min_safe;                       /* the lowest character that needs no quotes */
    bool number_is_text;                     /* the delimiter or quote can be a part of a number */
    struct sq_buf text;                      /* of the current ARRAY or ROW */
};

/* ---- text ---- */

/* The next character as UTF-16 sees it: *units are how many of its units it takes. */
static uint32_t next_char(const unsigned char **at, const unsigned char *end, uint32_t *units)
{
    const unsigned char *p = *at;
    uint32_t len = *p < 0xc0 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;

    *at = (size_t)(end - p) < len ? end : p + len;
    *units = len == 4 ? 2 : 1;
    switch (*at == p + len ? len : 1) {
    case 1: return *p;
    case 2: return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    case 3: return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    default: return 0xd800;                                /* the first of a pair */
    }
}

static bool needs_quotes(const struct sq_encoder *x, struct sq_str s)
{
    const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;
    uint32_t length = 0, units;

    if (s.n >= QUOTE_FROM * 3)
        return true;
    while (p < end) {
        uint32_t c = next_char(&p, end, &units);
        length += units;
        if (c < x->min_safe || (int)c == x->ch.escape || length >= QUOTE_FROM)
            return true;
    }
    return false;
}

/* The record would begin like a comment, or with the mark that some programs put before UTF-8. */
static bool misleads(const struct sq_encoder *x, uint32_t column, struct sq_str s)
{
    return column == 0 && ((x->opt.comments && s.n && *s.p == '#') || (s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0));
}

static sq_rc unquotable(const struct sq_encoder *x, uint32_t column, const char *what)
{
    sq_fail(x->ctx, SQ_DATA, "column '%.*s': the text holds %s, and quoting is disabled", SQ_FMT(x->column[column].name), what);
    return sq_hint(x->ctx, "let it be quoted: leave out 'csv.disable-quote-character'");
}

static sq_rc check_unquoted(const struct sq_encoder *x, uint32_t column, struct sq_str s)
{
    if (memchr(s.p, '\n', s.n) || memchr(s.p, '\r', s.n))
        return unquotable(x, column, "a newline");
    if (memmem(s.p, s.n, x->ch.delimiter, x->ch.ndelimiter))
        return unquotable(x, column, "the field delimiter");
    if (x->ch.escape >= 0 && memchr(s.p, x->ch.escape, s.n))
        return unquotable(x, column, "the escape character");
    if (misleads(x, column, s))
        return unquotable(x, column, *s.p == '#' ? "a # at its beginning, as comments do" : "a byte order mark at its beginning");
    return SQ_OK;
}

static sq_rc put_text(const struct sq_encoder *x, uint32_t column, struct sq_str s, struct sq_buf *b)
{
    if (s.n == 0)
        return SQ_OK;
    if (x->ch.quote < 0) {
        SQ_TRY(check_unquoted(x, column, s));
        return sq_buf_str(b, s);
    }
    if (!needs_quotes(x, s) && !misleads(x, column, s))
        return sq_buf_str(b, s);
    sq_buf_putc(b, (char)x->ch.quote);
    for (const char *p = s.p, *end = p + s.n; p < end;) {
        const char *from = p;
        while (p < end && *p != (char)x->ch.quote && (x->ch.escape < 0 || *p != (char)x->ch.escape))
            p++;
        sq_buf_add(b, from, (size_t)(p - from));
        if (p < end) {
            sq_buf_putc(b, *p);
            sq_buf_putc(b, *p++);
        }
    }
    return sq_buf_putc(b, (char)x->ch.quote);
}

/* ---- scalars ---- */

/* BigDecimal without trailing zeros, which may have a negative scale; zero is 0. */
static int print_decimal(sq_i128 v, int scale, bool plain, char *buf)
{
    if (v == 0)
        scale = 0;
    while (v != 0 && v % 10 == 0) {
        v /= 10;
        scale--;
    }
    return sq_scalar_print_decimal(v, scale, plain, buf);
}

/* The text of a scalar; buf >= 80 holds it where it is not in the vector itself, b64 where it is bytes. *plain: it is never quoted. */
static struct sq_str scalar_text(const struct sq_encoder *x, const struct sq_vec *v, uint32_t r, bool element, char *buf, struct sq_buf *b64, bool *plain)
{
    int n = 0;

    *plain = true;
    switch (v->type->id) {
    case SQ_T_BOOLEAN: return ((const uint8_t *)v->data)[r] ? SQ_STR("true") : SQ_STR("false");
    case SQ_T_TINYINT: n = sq_print_int(((const int8_t *)v->data)[r], buf); break;
    case SQ_T_SMALLINT: n = sq_print_int(((const int16_t *)v->data)[r], buf); break;
    case SQ_T_INT: n = sq_print_int(((const int32_t *)v->data)[r], buf); break;
    case SQ_T_BIGINT: n = sq_print_int(((const int64_t *)v->data)[r], buf); break;
    case SQ_T_FLOAT: n = sq_print_float(((const float *)v->data)[r], buf); break;
    case SQ_T_DOUBLE: n = sq_print_double(((const double *)v->data)[r], buf); break;
    case SQ_T_DECIMAL:
        *plain = false;
        n = print_decimal(((const sq_i128 *)v->data)[r], v->type->s, !x->opt.scientific && !element, buf);
        break;
    case SQ_T_CHAR:
    case SQ_T_VARCHAR:
        *plain = false;
        return sq_view_str((const struct sq_view *)v->data + r);
    case SQ_T_BINARY:
    case SQ_T_VARBINARY: {
        const struct sq_view *s = (const struct sq_view *)v->data + r;
        *plain = false;
        sq_buf_reset(b64);
        sq_scalar_print_base64(b64, sq_view_ptr(s), s->len);
        return sq_buf_view(b64);
    }
    case SQ_T_DATE:
        *plain = false;
        n = sq_print_date(((const int32_t *)v->data)[r], buf);
        break;
    case SQ_T_TIME:
        *plain = false;
        n = sq_scalar_print_time(((const int32_t *)v->data)[r], buf);
        break;
    case SQ_T_TIMESTAMP:
    case SQ_T_TIMESTAMP_LTZ:
        *plain = false;
        n = sq_scalar_print_timestamp(sq_scalar_ts_at(v, r), false, v->type->id == SQ_T_TIMESTAMP_LTZ, buf);
        break;
    default:
        break;
    }
    return (struct sq_str){buf, (uint32_t)n};
}

/* ---- ARRAY, ROW, rows ---- */

static sq_rc add_element(struct sq_encoder *x, const struct sq_vec *v, uint32_t r, bool first)
{
    char buf[80];
    bool plain;
    struct sq_buf b64 = {.ctx = x->ctx};

    if (!first)
        sq_buf_add(&x->text, x->ch.array, x->ch.narray);
    if (sq_vec_null(v, r)) {
        if (x->opt.null_literal.p)
            sq_buf_str(&x->text, x->opt.null_literal);
        return x->text.rc;
    }
    v = sq_vec_at(v, &r);
    sq_buf_str(&x->text, scalar_text(x, v, r, true, buf, &b64, &plain));
    sq_rc rc = b64.rc != SQ_OK ? b64.rc : x->text.rc;
    sq_buf_free(&b64);
    return rc;
}

static sq_rc put_value(struct sq_encoder *x, uint32_t column, const struct sq_vec *v, uint32_t r, struct sq_buf *b)
{
    char buf[80];
    bool plain;

    if (sq_vec_null(v, r))
        return x->opt.null_literal.p ? sq_buf_str(b, x->opt.null_literal) : SQ_OK;
    v = sq_vec_at(v, &r);
    if (v->type->id == SQ_T_ARRAY) {
        struct sq_list l = ((const struct sq_list *)v->data)[r];
        sq_buf_reset(&x->text);
        for (uint32_t i = 0; i < l.len; i++)
            SQ_TRY(add_element(x, &v->child[0], l.off + i, i == 0));
        return put_text(x, column, sq_buf_view(&x->text), b);
    }
    if (v->type->id == SQ_T_ROW) {
        sq_buf_reset(&x->text);
        for (uint32_t i = 0; i < v->nchild; i++)
            SQ_TRY(add_element(x, &v->child[i], r, i == 0));
        return put_text(x, column, sq_buf_view(&x->text), b);
    }
    struct sq_str s = scalar_text(x, v, r, false, buf, &x->text, &plain);
    if (plain && !x->number_is_text)
        return sq_buf_str(b, s);
    return x->text.rc != SQ_OK ? x->text.rc : put_text(x, column, s, b);
}

sq_rc sq_csv_encode(struct sq_encoder *x, const struct sq_batch *in, bool newline, struct sq_buf *out, uint32_t *ends, uint32_t *nrecords)
{
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        for (uint32_t c = 0; c < x->n; c++) {
            if (c)
                sq_buf_add(out, x->ch.delimiter, x->ch.ndelimiter);
            SQ_TRY(put_value(x, c, &in->cols[c], r, out));
        }
        if (newline)
            sq_buf_putc(out, '\n');
        if (ends)
            ends[i] = (uint32_t)out->n;
        SQ_TRY(out->rc);
    }
    *nrecords = in->nsel;
    return out->rc;
}

/* ---- opening ---- */

void sq_csv_encoder_close(struct sq_encoder *x)
{
    if (!x)
        return;
    sq_buf_free(&x->text);
    sq_arena_free(&x->arena);
    sq_free(x->ctx, x);
}

static bool in_numbers(uint32_t c)
{
    return c < 128 && (isalnum((int)c) || c == '-' || c == '+' || c == '.');
}

static sq_rc open_encoder(struct sq_encoder *x, const struct sq_table_column *cols, uint32_t n)
{
    const char *bad, *why;

    if (!sq_csv_chars(&x->opt, &x->ch, &bad, &why))
        return sq_fail(x->ctx, SQ_SEMANTIC, "'csv.%s' %s", bad, why);
    x->min_safe = '\r';
    if (x->ch.delimiter_cp > x->min_safe)
        x->min_safe = x->ch.delimiter_cp;
    if (x->ch.quote > (int)x->min_safe)
        x->min_safe = (uint32_t)x->ch.quote;
    x->min_safe++;
    x->number_is_text = in_numbers(x->ch.delimiter_cp) || (x->ch.quote >= 0 && in_numbers((uint32_t)x->ch.quote));
    x->column = SQ_NEW_ARRAY(&x->arena, struct sq_csv_column, n + 1);
    if (!x->column)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        x->column[i] = (struct sq_csv_column){.name = sq_str_dup(&x->arena, cols[i].name)};
        if (!x->column[i].name.p)
            return SQ_NOMEM;
    }
    if (!x->opt.null_literal.p)
        return SQ_OK;
    x->opt.null_literal = sq_str_dup(&x->arena, x->opt.null_literal);
    return x->opt.null_literal.p ? SQ_OK : SQ_NOMEM;
}

sq_rc sq_csv_encoder_open(struct sq_ctx *ctx, const void *options, const struct sq_session *session, const struct sq_table_column *cols, uint32_t n,
                          struct sq_encoder **out)
{
    struct sq_encoder *x = sq_calloc(ctx, sizeof *x);

    (void)session;
    *out = NULL;
    if (!x)
        return SQ_NOMEM;
    *x = (struct sq_encoder){.ctx = ctx, .opt = *(const struct sq_csv_options *)options, .n = n};
    sq_arena_init(&x->arena, ctx);
    sq_buf_init(&x->text, ctx);
    sq_rc rc = open_encoder(x, cols, n);
    if (rc != SQ_OK)
        sq_csv_encoder_close(x);
    else
        *out = x;
    return rc;
}
