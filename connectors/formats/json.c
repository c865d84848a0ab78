/* SPDX-License-Identifier: Apache-2.0
 *
 * json.c: the json format: its options, their checks, and the entry points of decoder and encoder.
 */
#include "connectors/formats/json_internal.h"

#define AT(member) offsetof(struct sq_json_options, member)

static const struct sq_option options[] = {
    {"json.fail-on-missing-field", "format.fail-on-missing-field", SQ_OPT_BOOL, "false", AT(fail_on_missing), NULL, 0,
     "a record without one of the table's fields is an error; otherwise the field is NULL"},
    {"json.ignore-parse-errors", "format.ignore-parse-errors", SQ_OPT_BOOL, "false", AT(ignore_errors), NULL, 0,
     "a field that does not fit its type is NULL and a record that is not JSON is skipped, both reported; otherwise they are errors"},
    {"json.timestamp-format.standard", NULL, SQ_OPT_ENUM, "SQL", AT(timestamp), "SQL|ISO-8601", 0,
     "how timestamps are written: 2024-01-01 00:00:00.5 or 2024-01-01T00:00:00.5; TIMESTAMP_LTZ has a Z behind it"},
    {"json.map-null-key.mode", NULL, SQ_OPT_ENUM, "FAIL", AT(null_key), "FAIL|DROP|LITERAL", 0,
     "what to write for a map's NULL key: an error, nothing, or the literal"},
    {"json.map-null-key.literal", NULL, SQ_OPT_STRING, "null", AT(null_key_literal), NULL, 0, "what stands for a NULL key with LITERAL"},
    {"json.encode.decimal-as-plain-number", NULL, SQ_OPT_BOOL, "false", AT(plain_decimal), NULL, 0,
     "write 0.000000027 and not 2.7E-8 for decimals"},
    {"json.encode.ignore-null-fields", NULL, SQ_OPT_BOOL, "false", AT(ignore_null_fields), NULL, 0, "leave out fields that are NULL"},
    {"json.decode.json-parser.enabled", NULL, SQ_OPT_BOOL, "true", AT(parser), NULL, 0,
     "a record that is an array gives a row for each of its objects; otherwise it is an error"},
};

static bool ends_with(struct sq_str s, const char *tail)
{
    size_t n = strlen(tail);
    return s.n >= n && memcmp(s.p + s.n - n, tail, n) == 0;
}

struct sq_span sq_json_option_span(const struct sq_table_spec *t, const char *key)
{
    for (uint32_t i = 0; i < t->noptions; i++)
        if (ends_with(t->options[i].key, key))
            return t->options[i].key_span;
    return t->span;
}

static sq_rc check_type(struct sq_ctx *ctx, const char *format, const struct sq_table_spec *t, struct sq_str column, const struct sq_type *type)
{
    if ((type->id == SQ_T_MAP || type->id == SQ_T_MULTISET) && !sq_tid_is_string(type->child[0].type->id)) {
        struct sq_buf b = {.ctx = ctx};
        sq_type_print(&b, type);
        sq_rc rc = sq_fail_at(ctx, SQ_UNSUPPORTED, t->span, "column '%.*s': format '%s' takes only strings as keys of a map, not %s", SQ_FMT(column),
                              format, b.p ? b.p : "this type");
        sq_buf_free(&b);
        return rc;
    }
    if (type->id == SQ_T_SYMBOL)
        return sq_fail_at(ctx, SQ_UNSUPPORTED, t->span, "column '%.*s': format '%s' has no %s", SQ_FMT(column), format, sq_tid_name(type->id));
    for (uint32_t i = 0; i < type->nchild; i++)
        SQ_TRY(check_type(ctx, format, t, column, type->child[i].type));
    return SQ_OK;
}

sq_rc sq_json_check_types(struct sq_ctx *ctx, const char *format, const struct sq_table_spec *t)
{
    for (uint32_t i = 0; i < t->ncols; i++)
        if (t->cols[i].role == SQ_COL_PHYSICAL)
            SQ_TRY(check_type(ctx, format, t, t->cols[i].name, t->cols[i].type));
    return SQ_OK;
}

static sq_rc json_check(struct sq_ctx *ctx, const void *options_, const struct sq_table_spec *t, bool encode)
{
    const struct sq_json_options *o = options_;

    if (!encode && o->fail_on_missing && o->ignore_errors) {
        sq_fail_at(ctx, SQ_SEMANTIC, sq_json_option_span(t, "fail-on-missing-field"),
                   "'json.fail-on-missing-field' and 'json.ignore-parse-errors' cannot both be true");
        return sq_hint(ctx, "leave one of them out: either bad records fail the job, or they are skipped");
    }
    return sq_json_check_types(ctx, "json", t);
}

static sq_rc open_decoder(struct sq_ctx *ctx, const void *o, const struct sq_session *session, const struct sq_table_column *wanted, uint32_t n,
                          struct sq_decoder **out)
{
    (void)session;                                     /* JSON's timestamps are local, or carry a Z */
    return sq_json_decoder_open(ctx, o, wanted, n, true, out);
}

void sq_json_encoder_close(struct sq_encoder *x)
{
    if (!x)
        return;
    sq_json_enc_free(&x->e);
    sq_free(x->e.ctx, x);
}

sq_rc sq_json_encoder_open(struct sq_ctx *ctx, const void *o, const struct sq_session *session, const struct sq_table_column *cols, uint32_t n,
                           struct sq_encoder **out)
{
    struct sq_encoder *x = sq_calloc(ctx, sizeof *x);

    (void)session;
    *out = NULL;
    if (!x)
        return SQ_NOMEM;
    sq_rc rc = sq_json_enc_init(&x->e, ctx, o, cols, n);
    if (rc != SQ_OK)
        sq_json_encoder_close(x);
    else
        *out = x;
    return rc;
}

static sq_rc encode(struct sq_encoder *x, const struct sq_batch *in, bool newline, struct sq_buf *out, uint32_t *ends, uint32_t *nrecords)
{
    for (uint32_t i = 0; i < in->nsel; i++) {
        SQ_TRY(sq_json_encode_row(&x->e, in->cols, sq_row(in, i), out));
        if (newline)
            SQ_TRY(sq_buf_putc(out, '\n'));
        if (ends)
            ends[i] = (uint32_t)out->n;
    }
    *nrecords = in->nsel;
    return out->rc;
}

const struct sq_format sq_format_json = {
    .name = "json",
    .help = "a JSON object for each row",
    .options = options,
    .noptions = SQ_LEN(options),
    .options_size = sizeof(struct sq_json_options),
    .decodes = SQ_MODE_INSERT,
    .encodes = SQ_MODE_INSERT,
    .lines = true,
    .check = json_check,
    .decoder_open = open_decoder,
    .decode = sq_json_decode,
    .decoder_close = sq_json_decoder_close,
    .encoder_open = sq_json_encoder_open,
    .encode = encode,
    .encoder_close = sq_json_encoder_close,
};
