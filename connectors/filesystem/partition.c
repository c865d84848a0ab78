/* SPDX-License-Identifier: Apache-2.0
 *
 * partition.c: values as names of directories and back.
 *
 * Names are escaped as Hive and Flink do it: control characters and what else is awkward in a path (is_escaped) as %XX. NULL and the empty text are
 * 'partition.default-name', and read as NULL.
 *
 * FLINK: a DATE is written as the day's number there, which it then cannot read; here it is 2024-01-01, as in Hive. A file that is not in the
 * directories of a partition is an error here, not left out.
 */
#include "connectors/filesystem/partition.h"

#include "base/text.h"

#include <stdio.h>

enum { NAME_BYTES = 255 };             /* of one directory: what file systems take */

bool sq_fs_is_partition_column(const struct sq_table_spec *t, uint32_t col)
{
    for (uint32_t i = 0; i < t->npartition; i++)
        if (t->partition[i] == col)
            return true;
    return false;
}

static bool can_be_a_name(const struct sq_type *t)
{
    switch (t->id) {
    case SQ_T_CHAR: case SQ_T_VARCHAR: case SQ_T_BOOLEAN: case SQ_T_TINYINT: case SQ_T_SMALLINT: case SQ_T_INT: case SQ_T_BIGINT: case SQ_T_FLOAT:
    case SQ_T_DOUBLE: case SQ_T_DECIMAL: case SQ_T_DATE: case SQ_T_TIMESTAMP: return true;
    default: return false;
    }
}

static sq_rc check_column(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_table_column *c)
{
    struct sq_buf b;
    if (c->role == SQ_COL_METADATA)
        return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "PARTITIONED BY: '%.*s' is a metadata column", SQ_FMT(c->name));
    if (c->name.n && (c->name.p[0] == '_' || c->name.p[0] == '.'))
        return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "PARTITIONED BY: a directory whose name begins with '%c', as that of '%.*s' would, is hidden and never read",
                          c->name.p[0], SQ_FMT(c->name));
    if (can_be_a_name(c->type))
        return SQ_OK;
    sq_buf_init(&b, ctx);
    sq_rc rc = sq_type_print(&b, c->type);
    if (rc == SQ_OK)
        rc = sq_fail_at(ctx, SQ_UNSUPPORTED, t->span, "PARTITIONED BY: '%.*s' is %s, whose values cannot be names of directories", SQ_FMT(c->name), b.p);
    sq_buf_free(&b);
    return rc == SQ_UNSUPPORTED ? sq_hint(ctx, "make it a STRING") : rc;
}

sq_rc sq_fs_partition_check(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_fs_table *fs)
{
    struct sq_table_spec *s = SQ_NEW(arena, struct sq_table_spec);
    struct sq_table_column *cols = SQ_NEW_ARRAY(arena, struct sq_table_column, t->ncols + 1);
    uint32_t *from = SQ_NEW_ARRAY(arena, uint32_t, t->ncols + 1), n = 0;
    if (!s || !cols || !from)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->npartition; i++)
        SQ_TRY(check_column(ctx, t, &t->cols[t->partition[i]]));
    for (uint32_t i = 0; i < t->ncols; i++)
        if (!sq_fs_is_partition_column(t, i)) {
            cols[n] = t->cols[i];
            from[n++] = i;
        }
    *s = *t;
    s->cols = cols;
    s->ncols = n;
    s->partition = NULL;
    s->npartition = s->npk = 0;
    fs->stored = s;
    fs->stored_from = from;
    if (t->npartition && n == 0)
        return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "PARTITIONED BY names every column: there is nothing left for the files");
    if (t->npartition && sq_fs_is_pattern(fs->path))
        return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "PARTITIONED BY: the path '%s' is a pattern: it has to be a directory", fs->path);
    if (t->npartition && fs->options.default_partition.n == 0)
        return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "'partition.default-name' is empty");
    return SQ_OK;
}

sq_rc sq_fs_check_format(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_fs_table *fs, bool encode)
{
    struct sq_table_spec stored = *fs->stored;
    stored.span = t->span;                               /* of this statement */
    return fs->format.format->check ? fs->format.format->check(ctx, fs->format.options, &stored, encode) : SQ_OK;
}

/* ---- writing ---- */

static bool is_escaped(unsigned char c) { return c < 0x20 || c == 0x7f || strchr("\"#%'*/:=?\\{[]^", c) != NULL; }

static void put_escaped(struct sq_buf *b, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_escaped((unsigned char)p[i]))
            sq_buf_printf(b, "%%%02X", (unsigned char)p[i]);
        else
            sq_buf_putc(b, p[i]);
}

/* As Java's LocalDateTime prints it: 2024-01-01T10:00, seconds and fractions where there are any, these in threes. */
static int print_timestamp(struct sq_ts16 t, char *buf)
{
    int n = sq_print_timestamp(t, 9, 'T', buf);
    while (memcmp(buf + n - 3, "000", 3) == 0 && buf[n - 4] != '.')
        n -= 3;
    if (memcmp(buf + n - 3, "000", 3) == 0)
        n -= 4;
    return n > 3 && memcmp(buf + n - 3, ":00", 3) == 0 && buf[n - 6] == ':' ? n - 3 : n;
}

/* The value's text; strings are not copied. */
static struct sq_str text_of(const struct sq_vec *v, uint32_t r, char *buf)
{
    int n = 0;
    switch (v->type->id) {
    case SQ_T_BOOLEAN: n = snprintf(buf, 8, "%s", ((const uint8_t *)v->data)[r] ? "true" : "false"); break;
    case SQ_T_TINYINT: n = sq_print_int(((const int8_t *)v->data)[r], buf); break;
    case SQ_T_SMALLINT: n = sq_print_int(((const int16_t *)v->data)[r], buf); break;
    case SQ_T_INT: n = sq_print_int(((const int32_t *)v->data)[r], buf); break;
    case SQ_T_BIGINT: n = sq_print_int(((const int64_t *)v->data)[r], buf); break;
    case SQ_T_FLOAT: n = sq_print_float(((const float *)v->data)[r], buf); break;
    case SQ_T_DOUBLE: n = sq_print_double(((const double *)v->data)[r], buf); break;
    case SQ_T_DECIMAL: n = sq_print_decimal(((const sq_i128 *)v->data)[r], v->type->s, buf); break;
    case SQ_T_DATE: n = sq_print_date(((const int32_t *)v->data)[r], buf); break;
    case SQ_T_TIMESTAMP:
        if (sq_type_phys(v->type) == SQ_P_TS16)
            n = print_timestamp(((const struct sq_ts16 *)v->data)[r], buf);
        else
            n = print_timestamp((struct sq_ts16){.us = ((const int64_t *)v->data)[r]}, buf);
        break;
    default: return sq_view_str((const struct sq_view *)v->data + r);
    }
    return (struct sq_str){buf, (uint32_t)n};
}

sq_rc sq_fs_partition_put(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_fs_table *fs, const struct sq_batch *in, uint32_t r, struct sq_buf *b)
{
    for (uint32_t i = 0; i < t->npartition; i++) {
        const struct sq_table_column *c = &t->cols[t->partition[i]];
        const struct sq_vec *v = &in->cols[t->partition[i]];
        struct sq_str s = {NULL, 0};
        size_t at = b->n;
        uint32_t k = r;
        char buf[64];
        if (!sq_vec_null(v, r)) {
            v = sq_vec_at(v, &k);
            s = text_of(v, k, buf);
        }
        if (s.n == 0)
            s = fs->options.default_partition;
        put_escaped(b, c->name.p, c->name.n);
        sq_buf_putc(b, '=');
        put_escaped(b, s.p, s.n);
        if (b->rc == SQ_OK && b->n - at > NAME_BYTES)
            return sq_fail(ctx, SQ_DATA, "table '%.*s': a value of column '%.*s' is too long for the name of a directory: '%.40s…'", SQ_FMT(t->name),
                           SQ_FMT(c->name), b->p + at);
        sq_buf_putc(b, '/');
    }
    return b->rc;
}

/* ---- reading ---- */

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* %XX is the character of that number. The text only becomes shorter. */
static struct sq_str unescape(struct sq_arena *a, struct sq_str s)
{
    char *to = sq_arena_get(a, s.n + 1, 1);
    uint32_t n = 0;
    if (!to)
        return (struct sq_str){NULL, 0};
    for (uint32_t i = 0; i < s.n; i++) {
        int code = s.p[i] == '%' && i + 2 < s.n && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0 ? hex(s.p[i + 1]) * 16 + hex(s.p[i + 2]) : -1;
        if (code < 0) {
            to[n++] = s.p[i];
            continue;
        }
        n += (uint32_t)sq_utf8_put((uint32_t)code, to + n);
        i += 2;
    }
    to[n] = 0;
    return (struct sq_str){to, n};
}

/* The directory of the path, the last one if there are several, that gives the column's value. */
sq_rc sq_fs_partition_text(struct sq_ctx *ctx, struct sq_arena *a, struct sq_str column, const char *path, struct sq_str *value)
{
    *value = (struct sq_str){NULL, 0};
    for (const char *p = path, *slash; (slash = strchr(p, '/')) != NULL; p = slash + 1) {
        const char *eq = memchr(p, '=', (size_t)(slash - p));
        if (!eq)
            continue;
        struct sq_str name = unescape(a, (struct sq_str){p, (uint32_t)(eq - p)});
        if (!name.p)
            return SQ_NOMEM;
        if (sq_str_eq(name, column)) {
            *value = unescape(a, (struct sq_str){eq + 1, (uint32_t)(slash - eq - 1)});
            if (!value->p)
                return SQ_NOMEM;
        }
    }
    if (value->p)
        return SQ_OK;
    sq_fail(ctx, SQ_DATA, "'%s' is not in a directory '%.*s=…', and the table is PARTITIONED BY that column", path, SQ_FMT(column));
    return sq_hint(ctx, "move the file into one");
}

static bool number(struct sq_str s, int64_t least, int64_t most, int64_t *v) { return sq_parse_int(s, v) && *v >= least && *v <= most; }

static bool parse(struct sq_arena *a, const struct sq_type *t, struct sq_str s, struct sq_vec **out)
{
    int64_t i = 0;
    double d = 0;
    sq_i128 dec = 0;
    struct sq_ts16 ts = {0};
    int8_t i8;
    int16_t i16;
    int32_t i32 = 0;
    float f;
    uint8_t b;
    const void *value = &i;
    switch (t->id) {
    case SQ_T_CHAR: case SQ_T_VARCHAR: *out = sq_vec_const_str(a, t, s); return sq_utf8_valid(s.p, s.n);
    case SQ_T_BOOLEAN:
        if (!sq_str_iis(s, "true") && !sq_str_iis(s, "false"))
            return false;
        b = sq_str_iis(s, "true");
        value = &b;
        break;
    case SQ_T_TINYINT:
        if (!number(s, INT8_MIN, INT8_MAX, &i))
            return false;
        i8 = (int8_t)i;
        value = &i8;
        break;
    case SQ_T_SMALLINT:
        if (!number(s, INT16_MIN, INT16_MAX, &i))
            return false;
        i16 = (int16_t)i;
        value = &i16;
        break;
    case SQ_T_INT:
        if (!number(s, INT32_MIN, INT32_MAX, &i))
            return false;
        i32 = (int32_t)i;
        value = &i32;
        break;
    case SQ_T_BIGINT:
        if (!sq_parse_int(s, &i))
            return false;
        break;
    case SQ_T_FLOAT: case SQ_T_DOUBLE:
        if (!sq_parse_double(s, true, &d))
            return false;
        f = (float)d;
        value = t->id == SQ_T_FLOAT ? (const void *)&f : &d;
        break;
    case SQ_T_DECIMAL:
        if (!sq_parse_decimal(s, t->p, t->s, &dec))
            return false;
        value = &dec;
        break;
    case SQ_T_DATE:
        if (!sq_parse_date(s, &i32))
            return false;
        value = &i32;
        break;
    default:
        if (!sq_parse_timestamp(s, true, t->p, &ts) && !sq_parse_timestamp(s, false, t->p, &ts))
            return false;
        value = sq_type_phys(t) == SQ_P_TS16 ? (const void *)&ts : &ts.us;
        break;
    }
    *out = sq_vec_const_fixed(a, t, value);
    return true;
}

sq_rc sq_fs_partition_value(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_fs_table *fs, const struct sq_table_column *c, const char *path, struct sq_vec **out)
{
    struct sq_str s;
    struct sq_buf b;
    SQ_TRY(sq_fs_partition_text(ctx, a, c->name, path, &s));
    *out = NULL;
    if (sq_str_eq(s, fs->options.default_partition)) {
        if (!c->type->nullable)
            return sq_fail(ctx, SQ_DATA, "'%s': column '%.*s' is NOT NULL, and the directory says NULL", path, SQ_FMT(c->name));
        *out = sq_vec_const_null(a, c->type);
    } else if (!parse(a, c->type, s, out)) {
        sq_buf_init(&b, ctx);
        sq_rc rc = sq_type_print(&b, c->type);
        if (rc == SQ_OK)
            rc = sq_fail(ctx, SQ_DATA, "'%s': the value of column '%.*s' is not %s: '%.*s'", path, SQ_FMT(c->name), b.p, SQ_FMT(s));
        sq_buf_free(&b);
        return rc;
    }
    return *out ? SQ_OK : SQ_NOMEM;
}
