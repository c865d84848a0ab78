/* SPDX-License-Identifier: Apache-2.0
 *
 * raw.c: the raw format: a record is the one column's value, as bytes: text in a charset, bytes as they are, numbers of their width. In a file a
 * record is a line.
 *
 * NULL is written as a record without bytes; a record that is not there at all (a tombstone) is read as NULL.
 *
 * FLINK: bytes that are not text in the charset, and text that the charset does not have, are errors; there they become '?'.
 */
#include "connectors/formats/formats.h"
#include "connectors/formats/scalar.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>

struct raw_options {
    struct sq_str charset;
    int endianness;
};

enum { BIG, LITTLE };

#define AT(member) offsetof(struct raw_options, member)

static const struct sq_option options[] = {
    {"raw.charset", NULL, SQ_OPT_STRING, "UTF-8", AT(charset), NULL, 0, "how text is encoded: UTF-8, ISO-8859-1, UTF-16, windows-1252, …"},
    {"raw.endianness", NULL, SQ_OPT_ENUM, "big-endian", AT(endianness), "big-endian|little-endian", 0, "the order of a number's bytes"},
};

/* ---- charsets ---- */

static bool is_utf8(struct sq_str s) { return sq_str_iis(s, "UTF-8") || sq_str_iis(s, "UTF8"); }

static bool charset_name(struct sq_str s, bool writing, char *buf, size_t n)
{
    if (s.n == 0 || s.n >= n || memchr(s.p, '/', s.n))         /* no //TRANSLIT */
        return false;
    memcpy(buf, s.p, s.n);
    buf[s.n] = 0;
    if (writing && sq_str_iis(s, "UTF-16"))                    /* as Java: big-endian, with a mark before it */
        snprintf(buf, n, "UTF-16BE");
    return true;
}

/* (iconv_t)-1: there is no such charset. */
static iconv_t open_charset(struct sq_str s, bool writing)
{
    char name[64];

    if (!charset_name(s, writing, name, sizeof name))
        return (iconv_t)-1;
    return writing ? iconv_open(name, "UTF-8") : iconv_open("UTF-8", name);
}

/* Appends the text in the other charset. False: it is not text, or cannot be written (or no memory: out->rc). */
static bool convert(iconv_t cd, const char *p, size_t n, struct sq_buf *out)
{
    char *in = (char *)p;

    iconv(cd, NULL, NULL, NULL, NULL);
    for (;;) {
        if (sq_buf_reserve(out, n + 64) != SQ_OK)
            return false;
        char *to = out->p + out->n;
        size_t room = out->cap - out->n - 1;
        size_t rc = iconv(cd, &in, &n, &to, &room);
        out->n = (size_t)(to - out->p);
        out->p[out->n] = 0;
        if (rc == 0 && n == 0)
            return true;
        if (rc == (size_t)-1 && errno == E2BIG)
            continue;
        return false;
    }
}

/* ---- checks ---- */

static int width(const struct sq_type *t)
{
    switch (t->id) {
    case SQ_T_BOOLEAN: case SQ_T_TINYINT: return 1;
    case SQ_T_SMALLINT: return 2;
    case SQ_T_INT: case SQ_T_FLOAT: return 4;
    case SQ_T_BIGINT: case SQ_T_DOUBLE: return 8;
    default: return 0;
    }
}

static sq_rc raw_check(struct sq_ctx *ctx, const void *options_, const struct sq_table_spec *t, bool encode)
{
    const struct raw_options *o = options_;
    const struct sq_table_column *c = NULL;
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->ncols; i++)
        if (t->cols[i].role == SQ_COL_PHYSICAL)
            c = n++ ? c : &t->cols[i];
    if (n != 1) {
        sq_fail_at(ctx, SQ_SEMANTIC, t->span, "table '%.*s': format 'raw' is for tables with one column, and this one has %u", SQ_FMT(t->name), n);
        return sq_hint(ctx, "declare the others as computed or METADATA columns, or take another format");
    }
    if (!width(c->type) && !sq_tid_is_string(c->type->id) && !sq_tid_is_binary(c->type->id))
        return sq_fail_at(ctx, SQ_UNSUPPORTED, t->span, "column '%.*s': format 'raw' has no %s", SQ_FMT(c->name), sq_tid_name(c->type->id));
    if (is_utf8(o->charset))
        return SQ_OK;
    iconv_t cd = open_charset(o->charset, encode);
    if (cd == (iconv_t)-1) {
        const struct sq_kv *kv = sq_option_given(t->options, t->noptions, "raw.charset");
        return sq_fail_at(ctx, SQ_SEMANTIC, kv ? kv->value_span : t->span, "table '%.*s': 'raw.charset': there is no charset '%.*s'", SQ_FMT(t->name),
                          SQ_FMT(o->charset));
    }
    iconv_close(cd);
    return SQ_OK;
}

/* ---- decoding ---- */

struct sq_decoder {
    struct sq_ctx *ctx;
    struct sq_arena arena;
    struct sq_str name;
    const struct sq_type *type;                                /* NULL: nobody wants the column */
    bool little;
    iconv_t cd;                                                /* (iconv_t)-1: UTF-8 */
    struct sq_buf text;
};

static void close_decoder(struct sq_decoder *x)
{
    if (!x)
        return;
    if (x->cd != (iconv_t)-1)
        iconv_close(x->cd);
    sq_buf_free(&x->text);
    sq_arena_free(&x->arena);
    sq_free(x->ctx, x);
}

static sq_rc open_decoder(struct sq_ctx *ctx, const void *options_, const struct sq_session *session, const struct sq_table_column *wanted, uint32_t n,
                          struct sq_decoder **out)
{
    const struct raw_options *o = options_;
    struct sq_decoder *x = sq_calloc(ctx, sizeof *x);
    sq_rc rc = SQ_OK;

    (void)session;
    *out = NULL;
    if (!x)
        return SQ_NOMEM;
    x->ctx = ctx;
    x->little = o->endianness == LITTLE;
    x->cd = (iconv_t)-1;
    sq_arena_init(&x->arena, ctx);
    sq_buf_init(&x->text, ctx);
    if (n) {
        x->name = sq_str_dup(&x->arena, wanted[0].name);
        x->type = sq_type_dup(&x->arena, wanted[0].type);
        if (!x->name.p || !x->type)
            rc = SQ_NOMEM;
    }
    if (rc == SQ_OK && !is_utf8(o->charset) && (x->cd = open_charset(o->charset, false)) == (iconv_t)-1)
        rc = sq_fail(ctx, SQ_SEMANTIC, "'raw.charset': there is no charset '%.*s'", SQ_FMT(o->charset));
    if (rc != SQ_OK)
        close_decoder(x);
    else
        *out = x;
    return rc;
}

static sq_rc bad(struct sq_decoder *x, struct sq_slice r, const char *why)
{
    char shown[SQ_SCALAR_SHOWN];
    sq_scalar_show(r.p, r.n, shown);
    return sq_fail(x->ctx, SQ_DATA, "column '%.*s': %s: %s", SQ_FMT(x->name), why, shown);
}

static sq_rc put_text(struct sq_decoder *x, struct sq_col *c, struct sq_slice r)
{
    const char *p = r.p;
    size_t n = r.n;

    if (sq_tid_is_string(x->type->id)) {
        if (x->cd != (iconv_t)-1) {
            sq_buf_reset(&x->text);
            if (!convert(x->cd, r.p, r.n, &x->text))
                return x->text.rc != SQ_OK ? x->text.rc : bad(x, r, "not text in the charset");
            p = x->text.p;
            n = x->text.n;
        } else if (!sq_utf8_valid(p, n)) {
            sq_rc rc = bad(x, r, "not valid UTF-8");
            sq_hint(x->ctx, "if it is another charset: 'raw.charset' = 'ISO-8859-1'; if it is no text, declare the column as BYTES");
            return rc;
        }
    }
    if (n > UINT32_MAX / 2)
        return sq_fail(x->ctx, SQ_LIMIT, "a value of more than 2 GB");
    if (p == r.p) {                                            /* stays in the record */
        ((struct sq_view *)c->vec.data)[c->n++] = sq_view_of(p, (uint32_t)n);
        return SQ_OK;
    }
    return sq_col_append_view(c, p, (uint32_t)n);
}

static sq_rc put_number(struct sq_decoder *x, struct sq_col *c, struct sq_slice r)
{
    char bytes[8], why[80], type[64];
    int w = width(x->type);

    if (r.n != (size_t)w) {
        snprintf(why, sizeof why, "%s is %d byte%s, and the record has %zu", sq_scalar_type(x->ctx, x->type, type, sizeof type), w, w == 1 ? "" : "s", r.n);
        return bad(x, r, why);
    }
    for (int i = 0; i < w; i++)
        bytes[i] = r.p[x->little ? i : w - 1 - i];
    if (x->type->id == SQ_T_BOOLEAN)
        bytes[0] = bytes[0] != 0;
    return sq_col_append_fixed(c, bytes);
}

static sq_rc decode(struct sq_decoder *x, struct sq_decode *dec)
{
    struct sq_out *out = dec->out;
    uint32_t first = out->n;

    dec->consumed = dec->failed = 0;
    dec->nbad = dec->nfiltered = 0;
    for (; dec->consumed < dec->nrec && out->n - first < dec->max_rows; dec->consumed++) {
        struct sq_slice r = dec->rec[dec->consumed];
        struct sq_col *c = x->type ? &out->cols[0] : NULL;
        sq_rc rc = SQ_OK;
        if (c)
            rc = sq_col_reserve(c, 1);
        if (c && rc == SQ_OK)
            rc = !r.p ? sq_col_append_null(c) : width(x->type) ? put_number(x, c, r) : put_text(x, c, r);
        if (rc != SQ_OK) {
            sq_out_rollback(out);
            dec->failed = dec->consumed;
            return rc;
        }
        if (dec->row_record)
            dec->row_record[out->n - first] = dec->consumed;
        SQ_TRY(sq_out_row(out, SQ_INSERT));
    }
    return SQ_OK;
}

/* ---- encoding ---- */

struct sq_encoder {
    struct sq_ctx *ctx;
    bool little, mark;                                         /* mark: UTF-16 begins with a byte order mark */
    iconv_t cd;
};

static void close_encoder(struct sq_encoder *x)
{
    if (!x)
        return;
    if (x->cd != (iconv_t)-1)
        iconv_close(x->cd);
    sq_free(x->ctx, x);
}

static sq_rc open_encoder(struct sq_ctx *ctx, const void *options_, const struct sq_session *session, const struct sq_table_column *cols, uint32_t n,
                          struct sq_encoder **out)
{
    const struct raw_options *o = options_;
    struct sq_encoder *x = sq_calloc(ctx, sizeof *x);

    (void)session;
    (void)cols;
    (void)n;
    *out = NULL;
    if (!x)
        return SQ_NOMEM;
    *x = (struct sq_encoder){.ctx = ctx, .little = o->endianness == LITTLE, .mark = sq_str_iis(o->charset, "UTF-16"), .cd = (iconv_t)-1};
    if (!is_utf8(o->charset) && (x->cd = open_charset(o->charset, true)) == (iconv_t)-1) {
        close_encoder(x);
        return sq_fail(ctx, SQ_SEMANTIC, "'raw.charset': there is no charset '%.*s'", SQ_FMT(o->charset));
    }
    *out = x;
    return SQ_OK;
}

static sq_rc encode_value(struct sq_encoder *x, const struct sq_vec *v, uint32_t r, struct sq_buf *out)
{
    if (sq_vec_null(v, r))
        return SQ_OK;
    v = sq_vec_at(v, &r);
    int w = width(v->type);
    if (w) {
        const char *p = (const char *)v->data + (size_t)r * (size_t)w;
        for (int i = 0; i < w; i++)
            sq_buf_putc(out, p[x->little ? i : w - 1 - i]);
        return out->rc;
    }
    struct sq_str s = sq_view_str((const struct sq_view *)v->data + r);
    if (x->cd == (iconv_t)-1 || sq_tid_is_binary(v->type->id))
        return sq_buf_str(out, s);
    if (x->mark)
        sq_buf_add(out, "\xfe\xff", 2);
    if (convert(x->cd, s.p, s.n, out))
        return SQ_OK;
    char shown[SQ_SCALAR_SHOWN];
    return out->rc != SQ_OK ? out->rc : sq_fail(x->ctx, SQ_DATA, "the charset of 'raw.charset' does not have all of: %s", sq_scalar_show(s.p, s.n, shown));
}

static sq_rc encode(struct sq_encoder *x, const struct sq_batch *in, bool newline, struct sq_buf *out, uint32_t *ends, uint32_t *nrecords)
{
    for (uint32_t i = 0; i < in->nsel; i++) {
        SQ_TRY(encode_value(x, &in->cols[0], sq_row(in, i), out));
        if (newline)
            SQ_TRY(sq_buf_putc(out, '\n'));
        if (ends)
            ends[i] = (uint32_t)out->n;
    }
    *nrecords = in->nsel;
    return out->rc;
}

const struct sq_format sq_format_raw = {
    .name = "raw",
    .help = "the one column's value as bytes: a line of text, a number of fixed width",
    .options = options,
    .noptions = SQ_LEN(options),
    .options_size = sizeof(struct raw_options),
    .decodes = SQ_MODE_INSERT,
    .encodes = SQ_MODE_INSERT,
    .lines = true,
    .nulls = true,
    .check = raw_check,
    .decoder_open = open_decoder,
    .decode = decode,
    .decoder_close = close_decoder,
    .encoder_open = open_encoder,
    .encode = encode,
    .encoder_close = close_encoder,
};
