/* SPDX-License-Identifier: Apache-2.0
 *
 * csv.c: the csv format: its options, their checks, the descriptor. The meaning of the options is that of Flink's (Jackson's CsvMapper's).
 *
 * FLINK: quote, escape and array delimiter may be written as escapes ('\t') too, not only the field delimiter; the legacy line delimiter can
 * only be a newline.
 */
#include "connectors/formats/csv_internal.h"

#define AT(member) offsetof(struct sq_csv_options, member)

static const struct sq_option options[] = {
    {"csv.field-delimiter", "format.field-delimiter", SQ_OPT_STRING, ",", AT(delimiter), NULL, 0,
     "the character between fields; escapes are read: '\\t', '\\u0001'"},
    {"csv.disable-quote-character", "format.disable-quote-character", SQ_OPT_BOOL, "false", AT(disable_quote), NULL, 0,
     "no character encloses fields; quotes are text"},
    {"csv.quote-character", "format.quote-character", SQ_OPT_STRING, "\"", AT(quote), NULL, 0,
     "the character that encloses fields with delimiters, newlines or quotes (doubled) in them"},
    {"csv.allow-comments", "format.allow-comments", SQ_OPT_BOOL, "false", AT(comments), NULL, 0, "lines that begin with # are passed over"},
    {"csv.ignore-parse-errors", "format.ignore-parse-errors", SQ_OPT_BOOL, "false", AT(ignore_errors), NULL, 0,
     "a field that does not fit its type or is missing is NULL and a record that is malformed is skipped, both reported; otherwise they are errors"},
    {"csv.array-element-delimiter", "format.array-element-delimiter", SQ_OPT_STRING, ";", AT(array_delimiter), NULL, 0,
     "the character between the elements of an ARRAY or ROW"},
    {"csv.escape-character", "format.escape-character", SQ_OPT_STRING, NULL, AT(escape), NULL, 0,
     "the character that takes the meaning of the next one away, as \\ does; \\n, \\r, \\t and \\0 are read as control characters"},
    {"csv.null-literal", "format.null-literal", SQ_OPT_STRING, NULL, AT(null_literal), NULL, 0,
     "the text that stands for NULL ('' makes empty fields NULL); without it NULL is written as an empty field, and no field is read as NULL"},
    {"csv.write-bigdecimal-in-scientific-notation", NULL, SQ_OPT_BOOL, "true", AT(scientific), NULL, 0, "write 1E+5 and not 100000 for decimals"},
    {"csv.trim-spaces", NULL, SQ_OPT_BOOL, "false", AT(trim), NULL, 0, "white space around fields that are not quoted is not part of them"},
    {"csv.ignore-trailing-unmappable", NULL, SQ_OPT_BOOL, "false", AT(ignore_trailing), NULL, 0,
     "fields behind the table's last column are passed over; otherwise they are errors"},
    {"csv.allow-trailing-comma", NULL, SQ_OPT_BOOL, "true", AT(trailing_comma), NULL, 0, "one delimiter behind the last field is no error"},
    {"csv.fail-on-missing-columns", NULL, SQ_OPT_BOOL, "false", AT(fail_missing), NULL, 0,
     "a record with fewer fields than the table has columns is malformed as a whole, also with ignore-parse-errors"},
    {"csv.empty-string-as-null", NULL, SQ_OPT_BOOL, "false", AT(empty_null), NULL, 0, "empty fields are NULL"},
    {"csv.ignore-first-line", "format.ignore-first-line", SQ_OPT_BOOL, "false", AT(ignore_first), NULL, 0,
     "the first record of each file is passed over: the names of the columns"},
    {"csv.line-delimiter", "format.line-delimiter", SQ_OPT_STRING, "\\n", AT(line_delimiter), NULL, 0,
     "of old job files: a newline; \\r\\n is read as well"},
};

/* ---- the characters ---- */

static uint32_t hex4(const char *p, const char *end)
{
    uint32_t v = 0;

    if (end - p < 4)
        return UINT32_MAX;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : (c | 32) >= 'a' && (c | 32) <= 'f' ? (uint32_t)((c | 32) - 'a') + 10 : 99;
        if (digit == 99)
            return UINT32_MAX;
        v = v * 16 + digit;
    }
    return v;
}

/* The one character that an escape as of Java means; UINT32_MAX: it is none, or there is more. */
static uint32_t unescape_one(struct sq_str s)
{
    static const char from[] = "tnrbf\\'\"", to[] = "\t\n\r\b\f\\'\"";
    const char *p = s.p, *end = s.p + s.n;

    if (s.n < 2 || *p++ != '\\')
        return UINT32_MAX;
    const char *known = memchr(from, *p, sizeof from - 1);
    if (known)
        return p + 1 == end ? (uint32_t)(unsigned char)to[known - from] : UINT32_MAX;
    if (*p == 'u') {
        while (p < end && *p == 'u')
            p++;
        return end - p == 4 ? hex4(p, end) : UINT32_MAX;
    }
    uint32_t v = 0;
    for (; p < end; p++) {
        if (*p < '0' || *p > '7')
            return UINT32_MAX;
        v = v * 8 + (uint32_t)(*p - '0');
    }
    return s.n <= 4 && v <= 255 ? v : UINT32_MAX;
}

/* The single character that an option is, given as it is or as an escape. */
static uint32_t one_char(struct sq_str s)
{
    if (s.n == 0 || !sq_utf8_valid(s.p, s.n))
        return UINT32_MAX;
    if (sq_utf8_length(s) > 1) {
        uint32_t v = unescape_one(s);
        return v >= 0xd800 && v < 0xe000 ? UINT32_MAX : v;
    }
    const unsigned char *p = (const unsigned char *)s.p;
    switch (s.n) {
    case 1: return p[0];
    case 2: return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    case 3: return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    default: return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
    }
}

bool sq_csv_chars(const struct sq_csv_options *o, struct sq_csv_chars *c, const char **bad, const char **why)
{
    static const char single[] = "must be a single character";
    uint32_t delimiter = one_char(o->delimiter), array = one_char(o->array_delimiter), line = one_char(o->line_delimiter);
    uint32_t quote = o->quote.p ? one_char(o->quote) : '"', escape = o->escape.p ? one_char(o->escape) : UINT32_MAX;

    *c = (struct sq_csv_chars){.quote = -1, .escape = -1, .delimiter_cp = delimiter};
    *why = single;
    *bad = delimiter == UINT32_MAX ? "field-delimiter" : array == UINT32_MAX ? "array-element-delimiter" : quote == UINT32_MAX ? "quote-character" :
           o->escape.p && escape == UINT32_MAX ? "escape-character" : NULL;
    if (*bad)
        return false;
    *why = "must be an ASCII character";
    *bad = quote > 127 ? "quote-character" : o->escape.p && escape > 127 ? "escape-character" : NULL;
    if (*bad)
        return false;
    *why = "cannot be a newline";
    *bad = delimiter == '\n' || delimiter == '\r' ? "field-delimiter" : quote == '\n' || quote == '\r' ? "quote-character" :
           escape == '\n' || escape == '\r' ? "escape-character" : NULL;
    if (*bad)
        return false;
    *why = "is the field delimiter";
    *bad = quote == delimiter && !o->disable_quote ? "quote-character" : escape == delimiter ? "escape-character" : NULL;
    if (*bad)
        return false;
    *why = "can only be '\\n'; lines that end with \\r\\n are read as well";
    *bad = line != '\n' && !sq_str_is(o->line_delimiter, "\r\n") && !sq_str_is(o->line_delimiter, "\\r\\n") ? "line-delimiter" : NULL;
    if (*bad)
        return false;
    c->ndelimiter = (uint32_t)sq_utf8_put(delimiter, c->delimiter);
    c->narray = (uint32_t)sq_utf8_put(array, c->array);
    if (!o->disable_quote)
        c->quote = (int)quote;
    if (o->escape.p && (int)escape != c->quote)               /* a quote is doubled anyhow */
        c->escape = (int)escape;
    return true;
}

/* ---- checks ---- */

static bool ends_with(struct sq_str s, const char *tail)
{
    size_t n = strlen(tail);
    return s.n >= n && memcmp(s.p + s.n - n, tail, n) == 0;
}

/* The option as it was written, with whatever prefix: "csv.", "format.", "value.csv.". */
static const struct sq_kv *given(const struct sq_table_spec *t, const char *key)
{
    for (uint32_t i = 0; i < t->noptions; i++) {
        struct sq_str k = t->options[i].key;
        size_t n = strlen(key);
        if (k.n > n && k.p[k.n - n - 1] == '.' && ends_with(k, key))
            return &t->options[i];
    }
    return NULL;
}

static sq_rc bad_type(struct sq_ctx *ctx, const struct sq_table_spec *t, struct sq_str column, const struct sq_type *type, const char *what)
{
    struct sq_buf b = {.ctx = ctx};
    sq_type_print(&b, type);
    sq_rc rc = sq_fail_at(ctx, SQ_UNSUPPORTED, t->span, "column '%.*s': format 'csv' has no %s%s", SQ_FMT(column), b.p ? b.p : "such type", what);
    sq_buf_free(&b);
    return rc;
}

static sq_rc check_type(struct sq_ctx *ctx, const struct sq_table_spec *t, struct sq_str column, const struct sq_type *type, int depth)
{
    switch (type->id) {
    case SQ_T_ARRAY:
    case SQ_T_ROW:
        if (depth) {
            bad_type(ctx, t, column, type, " within an ARRAY or ROW");
            return sq_hint(ctx, "elements of ARRAY and ROW columns can only be of simple types");
        }
        for (uint32_t i = 0; i < type->nchild; i++)
            SQ_TRY(check_type(ctx, t, column, type->child[i].type, 1));
        return SQ_OK;
    case SQ_T_TIME:
        if (type->p > 3)
            return sq_fail_at(ctx, SQ_UNSUPPORTED, t->span, "column '%.*s': format 'csv' has TIME(0) to TIME(3), not TIME(%d)", SQ_FMT(column), type->p);
        return SQ_OK;
    case SQ_T_MAP:
    case SQ_T_MULTISET:
    case SQ_T_INTERVAL_YM:
    case SQ_T_INTERVAL_DS:
    case SQ_T_SYMBOL:
        return bad_type(ctx, t, column, type, "");
    default:
        return SQ_OK;
    }
}

static sq_rc csv_check(struct sq_ctx *ctx, const void *options_, const struct sq_table_spec *t, bool encode)
{
    const struct sq_csv_options *o = options_;
    struct sq_csv_chars c;
    const char *bad, *why;

    (void)encode;
    const struct sq_kv *kv = o->disable_quote ? given(t, "quote-character") : NULL;
    if (kv) {
        sq_fail_at(ctx, SQ_SEMANTIC, kv->key_span, "table '%.*s': there is a quote character, and quoting is disabled", SQ_FMT(t->name));
        return sq_hint(ctx, "leave out 'csv.quote-character' or 'csv.disable-quote-character'");
    }
    if (!sq_csv_chars(o, &c, &bad, &why)) {
        kv = given(t, bad);
        return sq_fail_at(ctx, SQ_SEMANTIC, kv ? kv->value_span : t->span, "table '%.*s': 'csv.%s' %s", SQ_FMT(t->name), bad, why);
    }
    for (uint32_t i = 0; i < t->ncols; i++)
        if (t->cols[i].role == SQ_COL_PHYSICAL)
            SQ_TRY(check_type(ctx, t, t->cols[i].name, t->cols[i].type, 0));
    return SQ_OK;
}

const struct sq_format sq_format_csv = {
    .name = "csv",
    .help = "a record of delimited fields for each row, in the order of the table's columns",
    .options = options,
    .noptions = SQ_LEN(options),
    .options_size = sizeof(struct sq_csv_options),
    .decodes = SQ_MODE_INSERT,
    .encodes = SQ_MODE_INSERT,
    .lines = true,
    .framer = sq_csv_framer,
    .check = csv_check,
    .decoder_open = sq_csv_decoder_open,
    .decode = sq_csv_decode,
    .decoder_close = sq_csv_decoder_close,
    .encoder_open = sq_csv_encoder_open,
    .encode = sq_csv_encode,
    .encoder_close = sq_csv_encoder_close,
};
