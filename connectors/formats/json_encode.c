/* SPDX-License-Identifier: Apache-2.0
 *
 * json_encode.c: rows as JSON objects, byte for byte as Flink's json format writes them: fields in the order of the columns, no white space,
 * doubles in Java's spelling (NaN and infinities as strings), decimals as BigDecimal prints them, timestamps with as much fraction as they have,
 * LTZ with a Z, bytes in base64.
 *
 * FLINK: a TIME keeps its milliseconds here; Flink drops them.
 */
#include "connectors/formats/json_internal.h"

sq_rc sq_json_enc_init(struct sq_json_enc *e, struct sq_ctx *ctx, const struct sq_json_options *opt, const struct sq_table_column *cols, uint32_t n)
{
    struct sq_buf b = {.ctx = ctx};
    sq_rc rc = SQ_NOMEM;

    *e = (struct sq_json_enc){.ctx = ctx, .opt = *opt, .n = n};
    sq_arena_init(&e->arena, ctx);
    struct sq_field *f = SQ_NEW_ARRAY(&e->arena, struct sq_field, n ? n : 1);
    e->key = SQ_NEW_ARRAY(&e->arena, struct sq_str, n ? n : 1);
    if (!f || !e->key)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        sq_buf_reset(&b);
        sq_buf_putc(&b, '"');
        sq_json_escape(&b, cols[i].name.p, cols[i].name.n);
        sq_buf_puts(&b, "\":");
        if (b.rc != SQ_OK)
            goto out;
        e->key[i] = sq_str_dup(&e->arena, sq_buf_view(&b));
        f[i] = (struct sq_field){.name = sq_str_dup(&e->arena, cols[i].name), .type = sq_type_dup(&e->arena, cols[i].type)};
        if (!e->key[i].p || !f[i].name.p || !f[i].type)
            goto out;
    }
    e->row = sq_type_row(&e->arena, false, f, n);
    rc = e->row ? SQ_OK : SQ_NOMEM;
out:
    sq_buf_free(&b);
    return rc;
}

void sq_json_enc_free(struct sq_json_enc *e)
{
    sq_arena_free(&e->arena);
}

/* ---- scalars ---- */

static void put_string(struct sq_buf *b, const char *p, uint32_t n)
{
    sq_buf_putc(b, '"');
    sq_json_escape(b, p, n);
    sq_buf_putc(b, '"');
}

static void put_quoted(struct sq_buf *b, const char *p, size_t n)
{
    sq_buf_putc(b, '"');
    sq_buf_add(b, p, n);
    sq_buf_putc(b, '"');
}

static void put_float(struct sq_buf *b, const char *text, int n, bool finite)
{
    if (finite)
        sq_buf_add(b, text, (size_t)n);
    else
        put_quoted(b, text, (size_t)n);
}

static void put_scalar(const struct sq_json_enc *e, const struct sq_vec *v, uint32_t r, struct sq_buf *b)
{
    char text[64];
    const struct sq_view *s;
    double d;

    switch (v->type->id) {
    case SQ_T_BOOLEAN:
        sq_buf_puts(b, ((const uint8_t *)v->data)[r] ? "true" : "false");
        break;
    case SQ_T_TINYINT:
        sq_buf_add(b, text, (size_t)sq_print_int(((const int8_t *)v->data)[r], text));
        break;
    case SQ_T_SMALLINT:
        sq_buf_add(b, text, (size_t)sq_print_int(((const int16_t *)v->data)[r], text));
        break;
    case SQ_T_INT:
    case SQ_T_INTERVAL_YM:
        sq_buf_add(b, text, (size_t)sq_print_int(((const int32_t *)v->data)[r], text));
        break;
    case SQ_T_BIGINT:
    case SQ_T_INTERVAL_DS:
        sq_buf_add(b, text, (size_t)sq_print_int(((const int64_t *)v->data)[r], text));
        break;
    case SQ_T_FLOAT:
        d = (double)((const float *)v->data)[r];
        put_float(b, text, sq_print_float((float)d, text), d - d == 0);
        break;
    case SQ_T_DOUBLE:
        d = ((const double *)v->data)[r];
        put_float(b, text, sq_print_double(d, text), d - d == 0);
        break;
    case SQ_T_DECIMAL:
        sq_buf_add(b, text, (size_t)sq_scalar_print_decimal(((const sq_i128 *)v->data)[r], v->type->s, e->opt.plain_decimal, text));
        break;
    case SQ_T_CHAR:
    case SQ_T_VARCHAR:
        s = (const struct sq_view *)v->data + r;
        put_string(b, sq_view_ptr(s), s->len);
        break;
    case SQ_T_BINARY:
    case SQ_T_VARBINARY:
        s = (const struct sq_view *)v->data + r;
        sq_buf_putc(b, '"');
        sq_scalar_print_base64(b, sq_view_ptr(s), s->len);
        sq_buf_putc(b, '"');
        break;
    case SQ_T_DATE:
        put_quoted(b, text, (size_t)sq_print_date(((const int32_t *)v->data)[r], text));
        break;
    case SQ_T_TIME:
        put_quoted(b, text, (size_t)sq_scalar_print_time(((const int32_t *)v->data)[r], text));
        break;
    case SQ_T_TIMESTAMP:
    case SQ_T_TIMESTAMP_LTZ:
        put_quoted(b, text, (size_t)sq_scalar_print_timestamp(sq_scalar_ts_at(v, r), e->opt.timestamp == SQ_JSON_ISO, v->type->id == SQ_T_TIMESTAMP_LTZ, text));
        break;
    default:
        sq_buf_puts(b, "null");
    }
}

/* ---- containers ---- */

static sq_rc put_value(const struct sq_json_enc *, const struct sq_vec *, uint32_t r, struct sq_buf *);

static sq_rc put_map(const struct sq_json_enc *e, const struct sq_vec *v, uint32_t r, struct sq_buf *b)
{
    struct sq_list l = ((const struct sq_list *)v->data)[r];
    bool some = false;

    sq_buf_putc(b, '{');
    for (uint32_t i = l.off; i < l.off + l.len; i++) {
        struct sq_str key = e->opt.null_key_literal;
        if (!sq_vec_null(&v->child[0], i)) {
            uint32_t at = i;
            const struct sq_vec *k = sq_vec_at(&v->child[0], &at);
            key = sq_view_str((const struct sq_view *)k->data + at);
        } else if (e->opt.null_key == SQ_JSON_KEY_DROP) {
            continue;
        } else if (e->opt.null_key == SQ_JSON_KEY_FAIL) {
            sq_fail(e->ctx, SQ_DATA, "a map with a NULL key cannot be written as JSON");
            return sq_hint(e->ctx, "set 'map-null-key.mode' of the format to 'DROP' or 'LITERAL'");
        }
        if (some)
            sq_buf_putc(b, ',');
        some = true;
        put_string(b, key.p, key.n);
        sq_buf_putc(b, ':');
        SQ_TRY(put_value(e, &v->child[1], i, b));
    }
    sq_buf_putc(b, '}');
    return SQ_OK;
}

static sq_rc put_nested_row(const struct sq_json_enc *e, const struct sq_vec *v, uint32_t r, struct sq_buf *b)
{
    bool some = false;

    sq_buf_putc(b, '{');
    for (uint32_t i = 0; i < v->nchild; i++) {
        if (e->opt.ignore_null_fields && sq_vec_null(&v->child[i], r))
            continue;
        if (some)
            sq_buf_putc(b, ',');
        some = true;
        put_string(b, v->type->child[i].name.p, v->type->child[i].name.n);
        sq_buf_putc(b, ':');
        SQ_TRY(put_value(e, &v->child[i], r, b));
    }
    sq_buf_putc(b, '}');
    return SQ_OK;
}

static sq_rc put_value(const struct sq_json_enc *e, const struct sq_vec *v, uint32_t r, struct sq_buf *b)
{
    if (sq_vec_null(v, r)) {
        sq_buf_puts(b, "null");
        return SQ_OK;
    }
    v = sq_vec_at(v, &r);
    switch (v->type->id) {
    case SQ_T_ARRAY: {
        struct sq_list l = ((const struct sq_list *)v->data)[r];
        sq_buf_putc(b, '[');
        for (uint32_t i = 0; i < l.len; i++) {
            if (i)
                sq_buf_putc(b, ',');
            SQ_TRY(put_value(e, &v->child[0], l.off + i, b));
        }
        sq_buf_putc(b, ']');
        return SQ_OK;
    }
    case SQ_T_MAP:
    case SQ_T_MULTISET:
        return put_map(e, v, r, b);
    case SQ_T_ROW:
        return put_nested_row(e, v, r, b);
    default:
        put_scalar(e, v, r, b);
        return SQ_OK;
    }
}

sq_rc sq_json_encode_row(struct sq_json_enc *e, const struct sq_vec *cols, uint32_t r, struct sq_buf *b)
{
    bool some = false;

    sq_buf_putc(b, '{');
    for (uint32_t i = 0; i < e->n; i++) {
        if (e->opt.ignore_null_fields && sq_vec_null(&cols[i], r))
            continue;
        if (some)
            sq_buf_putc(b, ',');
        some = true;
        sq_buf_str(b, e->key[i]);
        sq_rc rc = put_value(e, &cols[i], r, b);
        if (rc != SQ_OK)
            return sq_wrap(e->ctx, "column '%.*s'", SQ_FMT(e->row->child[i].name));
    }
    sq_buf_putc(b, '}');
    return b->rc;
}
