/* SPDX-License-Identifier: Apache-2.0
 *
 * debezium_json.c: Debezium's change records: {"before": row, "after": row, "op": "c" | "r" | "u" | "d"}, with 'schema-include' inside
 * {"schema": …, "payload": …}.
 *
 * A record is checked in one pass that notes where its parts are; then the rows that the operation needs are decoded as objects of the json
 * format. c and r give +I; u gives -U and +U, which stay in one batch; d gives -D. Empty messages (tombstones) are passed over.
 * Written are +I and +U as {"before":null,"after":{…},"op":"c"}, -U and -D as {"before":{…},"after":null,"op":"d"}, as Flink does.
 */
#include "connectors/formats/json_internal.h"

#include <stdio.h>

#define AT(member) offsetof(struct sq_json_options, member)

static const struct sq_option options[] = {
    {"debezium-json.schema-include", NULL, SQ_OPT_BOOL, "false", AT(schema_include), NULL, 0,
     "records are {\"schema\": …, \"payload\": …}, as Kafka Connect writes them with schemas enabled"},
    {"debezium-json.ignore-parse-errors", NULL, SQ_OPT_BOOL, "false", AT(ignore_errors), NULL, 0,
     "a field that does not fit its type is NULL and a record that is no change record is skipped, both reported; otherwise they are errors"},
    {"debezium-json.timestamp-format.standard", NULL, SQ_OPT_ENUM, "SQL", AT(timestamp), "SQL|ISO-8601", 0,
     "how timestamps are written: 2024-01-01 00:00:00.5 or 2024-01-01T00:00:00.5"},
    {"debezium-json.map-null-key.mode", NULL, SQ_OPT_ENUM, "FAIL", AT(null_key), "FAIL|DROP|LITERAL", 0,
     "what to write for a map's NULL key: an error, nothing, or the literal"},
    {"debezium-json.map-null-key.literal", NULL, SQ_OPT_STRING, "null", AT(null_key_literal), NULL, 0, "what stands for a NULL key with LITERAL"},
    {"debezium-json.encode.decimal-as-plain-number", NULL, SQ_OPT_BOOL, "false", AT(plain_decimal), NULL, 0,
     "write 0.000000027 and not 2.7E-8 for decimals"},
    {"debezium-json.encode.ignore-null-fields", NULL, SQ_OPT_BOOL, "false", AT(ignore_null_fields), NULL, 0, "leave out fields that are NULL"},
};

static sq_rc check(struct sq_ctx *ctx, const void *options_, const struct sq_table_spec *t, bool encode)
{
    const struct sq_json_options *o = options_;

    if (encode && o->schema_include)
        return sq_fail_at(ctx, SQ_SEMANTIC, sq_json_option_span(t, "schema-include"),
                          "'debezium-json.schema-include' is for reading only: records are written without a schema");
    return sq_json_check_types(ctx, "debezium-json", t);
}

/* ---- decoding ---- */

struct sq_decoder {
    struct sq_json_dec d;
};

static void close_decoder(struct sq_decoder *x)
{
    if (!x)
        return;
    struct sq_ctx *ctx = x->d.ctx;
    sq_json_dec_free(&x->d);
    sq_free(ctx, x);
}

static sq_rc open_decoder(struct sq_ctx *ctx, const void *o, const struct sq_session *session, const struct sq_table_column *wanted, uint32_t n,
                          struct sq_decoder **out)
{
    struct sq_decoder *x = sq_calloc(ctx, sizeof *x);

    (void)session;
    *out = NULL;
    if (!x)
        return SQ_NOMEM;
    sq_rc rc = sq_json_dec_init(&x->d, ctx, o, wanted, n);
    x->d.format = "debezium-json";
    x->d.opt.parser = false;                           /* Flink decodes these by way of its tree of nodes */
    if (rc != SQ_OK)
        close_decoder(x);
    else
        *out = x;
    return rc;
}

struct parts {
    const char *before, *after;                        /* where an object begins; NULL: null or not there */
    char op;                                           /* 0: not there, '?': something else */
    const char *op_text;                               /* as written */
    size_t nop;
    bool payload;                                      /* the payload object was there */
};

static bool key_is(struct sq_json_dec *d, struct sq_json_text key, const char *name)
{
    struct sq_str s = {key.p, key.n};

    if (key.escaped) {
        sq_buf_reset(&d->scratch);
        if (sq_buf_reserve(&d->scratch, key.n) != SQ_OK)
            return false;
        s = (struct sq_str){d->scratch.p, sq_json_unescape(key, d->scratch.p)};
    }
    return sq_str_is(s, name);
}

static bool scan_op(struct sq_json_in *in, struct parts *parts, int depth)
{
    const char *from = in->p;

    if (!sq_json_skip(in, depth))
        return false;
    parts->op_text = from;
    parts->nop = (size_t)(in->p - from);
    parts->op = parts->nop == 3 && from[0] == '"' && strchr("crud", from[1]) ? from[1] : '?';
    if (parts->nop == 4 && memcmp(from, "null", 4) == 0)
        parts->op = 0;
    return true;
}

/* A row's place; other values than an object or null are malformed. */
static bool scan_row(struct sq_json_in *in, const char **at, int depth)
{
    const char *from = in->p;

    *at = from < in->end && *from == '{' ? from : NULL;
    if (!*at && !(from < in->end && *from == 'n'))
        return sq_json_fail(in, from, "expected an object or null");
    return sq_json_skip(in, depth);
}

/* The object at in->p; `wrapped`: the parts are in its payload. */
static bool scan_parts(struct sq_json_dec *d, struct sq_json_in *in, bool wrapped, struct parts *parts, int depth)
{
    struct sq_json_text key;
    bool more, ok;

    if (in->p >= in->end || *in->p != '{')
        return sq_json_fail(in, in->p, "expected an object");
    sq_json_open(in, '}', &more);
    while (more) {
        if (!sq_json_key(in, &key))
            return false;
        if (wrapped) {
            if (!key_is(d, key, "payload") || (in->p < in->end && *in->p == 'n')) {
                ok = sq_json_skip(in, depth + 1);
            } else {
                *parts = (struct parts){.payload = true};
                ok = scan_parts(d, in, false, parts, depth + 1);
                parts->payload = true;
            }
        } else if (key_is(d, key, "before")) {
            ok = scan_row(in, &parts->before, depth + 1);
        } else if (key_is(d, key, "after")) {
            ok = scan_row(in, &parts->after, depth + 1);
        } else if (key_is(d, key, "op")) {
            ok = scan_op(in, parts, depth + 1);
        } else {
            ok = sq_json_skip(in, depth + 1);
        }
        if (!ok || !sq_json_next(in, '}', &more))
            return false;
    }
    return true;
}

/* The parts of a record; false with a reason in msg when they do not make a change. */
static bool parse_change(struct sq_json_dec *d, struct sq_json_in *in, struct parts *parts, char *msg, size_t n)
{
    char shown[SQ_JSON_SHOWN];

    *parts = (struct parts){0};
    if (!scan_parts(d, in, d->opt.schema_include, parts, 0)) {
        sq_json_malformed(in, msg, n);
        return false;
    }
    sq_json_ws(in);
    if (in->p != in->end) {
        sq_json_fail(in, in->p, "text behind the value");
        sq_json_malformed(in, msg, n);
        return false;
    }
    if (d->opt.schema_include && !parts->payload) {
        snprintf(msg, n, "not a Debezium record: no field 'payload' (debezium-json.schema-include is true)");
        return false;
    }
    if (parts->op == 0) {
        snprintf(msg, n, "not a Debezium record: no field 'op'%s",
                 d->opt.schema_include ? "" : "; if it has 'schema' and 'payload', set 'debezium-json.schema-include' = 'true'");
        return false;
    }
    if (parts->op == '?') {
        snprintf(msg, n, "unknown Debezium operation %s: expected \"c\", \"r\", \"u\" or \"d\"", sq_json_show(parts->op_text, parts->nop, shown));
        return false;
    }
    if (!parts->before && (parts->op == 'u' || parts->op == 'd')) {
        snprintf(msg, n, "the field 'before' of a Debezium %s is null; if it comes from PostgreSQL, set REPLICA IDENTITY FULL on the table",
                 parts->op == 'u' ? "update" : "delete");
        return false;
    }
    if (!parts->after && parts->op != 'd') {
        snprintf(msg, n, "the field 'after' of a Debezium %s is null", parts->op == 'u' ? "update" : "insert");
        return false;
    }
    return true;
}

/* The object at `at`, which was checked, as the next row. MALFORMED, with a reason in msg: it has no value in a NOT NULL column. */
static enum sq_json_status add_row(struct sq_json_dec *d, struct sq_decode *dec, struct sq_json_in in, const char *at, enum sq_kind kind, uint32_t record,
                                   uint32_t first, char *msg, size_t n)
{
    in.p = at;
    enum sq_json_status st = sq_json_object(d, &d->root, dec->out->cols, dec->out->n, &in, 1);
    if (st != SQ_JSON_OK)
        return st;
    if (SQ_UNLIKELY(!sq_json_not_null(d, dec->out, msg, n)))
        return SQ_JSON_MALFORMED;
    if (dec->row_record)
        dec->row_record[dec->out->n - first] = record;
    return sq_out_row(dec->out, kind) == SQ_OK ? SQ_JSON_OK : SQ_JSON_FATAL;
}

static sq_rc decode_record(struct sq_json_dec *d, struct sq_decode *dec, uint32_t record, uint32_t first, bool *full)
{
    struct sq_json_in in = sq_json_padded(d, dec, record);
    struct parts parts;
    char msg[SQ_JSON_SHOWN + 200];
    enum sq_json_status st = SQ_JSON_OK;

    if (!in.p)
        return d->ctx->err.rc;
    sq_json_ws(&in);
    if (in.p == in.end) {
        dec->nfiltered++;
        return SQ_OK;
    }
    if (!parse_change(d, &in, &parts, msg, sizeof msg))
        return sq_json_bad_record(d, dec, record, msg);
    uint32_t have = dec->out->n - first;
    if (parts.op == 'u' && have > 0 && have + 2 > dec->max_rows) {    /* both rows of an update in one batch, unless it is of one row */
        *full = true;
        return SQ_OK;
    }
    if (parts.op == 'u' || parts.op == 'd')
        st = add_row(d, dec, in, parts.before, parts.op == 'u' ? SQ_UPDATE_BEFORE : SQ_DELETE, record, first, msg, sizeof msg);
    if (st == SQ_JSON_OK && parts.op != 'd')
        st = add_row(d, dec, in, parts.after, parts.op == 'u' ? SQ_UPDATE_AFTER : SQ_INSERT, record, first, msg, sizeof msg);
    if (st == SQ_JSON_MALFORMED) {
        dec->out->n = first + have;                    /* an update whose first half was fine */
        return sq_json_bad_record(d, dec, record, msg);
    }
    if (st != SQ_JSON_OK) {
        dec->failed = record;
        return d->ctx->err.rc;
    }
    sq_json_report(d, dec, record);
    return SQ_OK;
}

static sq_rc decode(struct sq_decoder *x, struct sq_decode *dec)
{
    uint32_t first = dec->out->n;
    bool full = false;

    x->d.heap = &dec->out->heap;
    dec->consumed = 0;
    dec->nbad = dec->nfiltered = dec->nbad_values = 0;
    dec->failed = 0;
    while (dec->consumed < dec->nrec && dec->out->n - first < dec->max_rows) {
        SQ_TRY(decode_record(&x->d, dec, dec->consumed, first, &full));
        if (full)
            break;
        dec->consumed++;
    }
    return SQ_OK;
}

/* ---- encoding ---- */

static sq_rc encode(struct sq_encoder *x, const struct sq_batch *in, bool newline, struct sq_buf *out, uint32_t *ends, uint32_t *nrecords)
{
    bool nulls = !x->e.opt.ignore_null_fields;

    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = sq_row(in, i);
        bool adds = sq_kind_adds(sq_row_kind(in, r));
        sq_buf_puts(out, adds ? nulls ? "{\"before\":null,\"after\":" : "{\"after\":" : "{\"before\":");
        SQ_TRY(sq_json_encode_row(&x->e, in->cols, r, out));
        sq_buf_puts(out, adds ? ",\"op\":\"c\"}" : nulls ? ",\"after\":null,\"op\":\"d\"}" : ",\"op\":\"d\"}");
        if (newline)
            sq_buf_putc(out, '\n');
        if (ends)
            ends[i] = (uint32_t)out->n;
    }
    *nrecords = in->nsel;
    return out->rc;
}

const struct sq_format sq_format_debezium_json = {
    .name = "debezium-json",
    .help = "change records as Debezium writes them: before, after, op",
    .options = options,
    .noptions = SQ_LEN(options),
    .options_size = sizeof(struct sq_json_options),
    .decodes = SQ_MODE_RETRACT,
    .encodes = SQ_MODE_INSERT | SQ_MODE_RETRACT,
    .lines = true,
    .check = check,
    .decoder_open = open_decoder,
    .decode = decode,
    .decoder_close = close_decoder,
    .encoder_open = sq_json_encoder_open,
    .encode = encode,
    .encoder_close = sq_json_encoder_close,
};
