/* SPDX-License-Identifier: Apache-2.0
 *
 * type.c: making, comparing and printing types.
 */
#include "base/type.h"

#define PLAIN(id_) {.id = (id_), .nullable = true}
#define WITH_P(id_, p_) {.id = (id_), .nullable = true, .p = (p_)}

const struct sq_type sq_type_null = PLAIN(SQ_T_NULL);
const struct sq_type sq_type_boolean = PLAIN(SQ_T_BOOLEAN);
const struct sq_type sq_type_tinyint = PLAIN(SQ_T_TINYINT);
const struct sq_type sq_type_smallint = PLAIN(SQ_T_SMALLINT);
const struct sq_type sq_type_int = PLAIN(SQ_T_INT);
const struct sq_type sq_type_bigint = PLAIN(SQ_T_BIGINT);
const struct sq_type sq_type_float = PLAIN(SQ_T_FLOAT);
const struct sq_type sq_type_double = PLAIN(SQ_T_DOUBLE);
const struct sq_type sq_type_string = WITH_P(SQ_T_VARCHAR, SQ_STRING_MAX);
const struct sq_type sq_type_bytes = WITH_P(SQ_T_VARBINARY, SQ_STRING_MAX);
const struct sq_type sq_type_date = PLAIN(SQ_T_DATE);
const struct sq_type sq_type_time0 = PLAIN(SQ_T_TIME);
const struct sq_type sq_type_timestamp3 = WITH_P(SQ_T_TIMESTAMP, 3);
const struct sq_type sq_type_timestamp6 = WITH_P(SQ_T_TIMESTAMP, 6);
const struct sq_type sq_type_timestamp9 = WITH_P(SQ_T_TIMESTAMP, 9);
const struct sq_type sq_type_ltz3 = WITH_P(SQ_T_TIMESTAMP_LTZ, 3);
const struct sq_type sq_type_ltz6 = WITH_P(SQ_T_TIMESTAMP_LTZ, 6);
const struct sq_type sq_type_ltz9 = WITH_P(SQ_T_TIMESTAMP_LTZ, 9);
const struct sq_type sq_type_interval_ym = PLAIN(SQ_T_INTERVAL_YM);
const struct sq_type sq_type_interval_ds = WITH_P(SQ_T_INTERVAL_DS, 3);
const struct sq_type sq_type_symbol = PLAIN(SQ_T_SYMBOL);

const struct sq_type *sq_type_new(struct sq_arena *a, enum sq_tid id, bool nullable, int32_t p, int32_t s)
{
    struct sq_type *t = SQ_NEW(a, struct sq_type);
    if (t)
        *t = (struct sq_type){.id = id, .nullable = nullable, .p = p, .s = s};
    return t;
}

static const struct sq_type *nested(struct sq_arena *a, enum sq_tid id, bool nullable, const struct sq_field *fields, uint32_t n)
{
    struct sq_type *t = SQ_NEW(a, struct sq_type);
    struct sq_field *copy = t ? SQ_NEW_ARRAY(a, struct sq_field, n ? n : 1) : NULL;
    if (!copy)
        return NULL;
    if (n)
        memcpy(copy, fields, n * sizeof *copy);
    *t = (struct sq_type){.id = id, .nullable = nullable, .nchild = n, .child = copy};
    return t;
}

const struct sq_type *sq_type_array(struct sq_arena *a, bool nullable, const struct sq_type *element)
{
    return nested(a, SQ_T_ARRAY, nullable, &(struct sq_field){.type = element}, 1);
}

const struct sq_type *sq_type_map(struct sq_arena *a, bool nullable, const struct sq_type *key, const struct sq_type *value)
{
    struct sq_field kv[2] = {{.type = key}, {.type = value}};
    return nested(a, SQ_T_MAP, nullable, kv, 2);
}

const struct sq_type *sq_type_multiset(struct sq_arena *a, bool nullable, const struct sq_type *element)
{
    const struct sq_type *count = sq_type_new(a, SQ_T_INT, false, 0, 0);
    struct sq_field kv[2] = {{.type = element}, {.type = count}};
    return count ? nested(a, SQ_T_MULTISET, nullable, kv, 2) : NULL;
}

const struct sq_type *sq_type_row(struct sq_arena *a, bool nullable, const struct sq_field *fields, uint32_t n)
{
    return nested(a, SQ_T_ROW, nullable, fields, n);
}

const struct sq_type *sq_type_nullable(struct sq_arena *a, const struct sq_type *t, bool nullable)
{
    if (t->nullable == nullable)
        return t;
    struct sq_type *copy = SQ_NEW(a, struct sq_type);
    if (copy) {
        *copy = *t;
        copy->nullable = nullable;
    }
    return copy;
}

const struct sq_type *sq_type_dup(struct sq_arena *a, const struct sq_type *t)
{
    struct sq_type *copy = SQ_NEW(a, struct sq_type);
    if (!copy)
        return NULL;
    *copy = *t;
    if (!t->nchild)
        return copy;
    struct sq_field *kids = SQ_NEW_ARRAY(a, struct sq_field, t->nchild);
    if (!kids)
        return NULL;
    for (uint32_t i = 0; i < t->nchild; i++) {
        kids[i].type = sq_type_dup(a, t->child[i].type);
        kids[i].name = t->child[i].name.p ? sq_str_dup(a, t->child[i].name) : (struct sq_str){NULL, 0};
        if (!kids[i].type || (t->child[i].name.p && !kids[i].name.p))
            return NULL;
    }
    copy->child = kids;
    return copy;
}

bool sq_type_equal(const struct sq_type *a, const struct sq_type *b, bool with_nullability)
{
    if (a == b)
        return true;
    if (a->id != b->id || a->p != b->p || a->s != b->s || a->nchild != b->nchild || (with_nullability && a->nullable != b->nullable))
        return false;
    for (uint32_t i = 0; i < a->nchild; i++)
        if (!sq_type_equal(a->child[i].type, b->child[i].type, with_nullability) ||
            (a->id == SQ_T_ROW && !sq_str_eq(a->child[i].name, b->child[i].name)))
            return false;
    return true;
}

enum sq_phys sq_type_phys(const struct sq_type *t)
{
    switch (t->id) {
    case SQ_T_BOOLEAN: return SQ_P_BOOL;
    case SQ_T_TINYINT: return SQ_P_I8;
    case SQ_T_SMALLINT: return SQ_P_I16;
    case SQ_T_INT: case SQ_T_DATE: case SQ_T_TIME: case SQ_T_INTERVAL_YM: return SQ_P_I32;
    case SQ_T_BIGINT: case SQ_T_INTERVAL_DS: return SQ_P_I64;
    case SQ_T_FLOAT: return SQ_P_F32;
    case SQ_T_DOUBLE: return SQ_P_F64;
    case SQ_T_DECIMAL: return SQ_P_I128;
    case SQ_T_CHAR: case SQ_T_VARCHAR: case SQ_T_BINARY: case SQ_T_VARBINARY: case SQ_T_SYMBOL: return SQ_P_VIEW;
    case SQ_T_TIMESTAMP: case SQ_T_TIMESTAMP_LTZ: return t->p > 6 ? SQ_P_TS16 : SQ_P_I64;
    case SQ_T_ARRAY: case SQ_T_MAP: case SQ_T_MULTISET: return SQ_P_LIST;
    case SQ_T_ROW: return SQ_P_STRUCT;
    case SQ_T_NULL: case SQ_T_COUNT: break;
    }
    return SQ_P_NULL;
}

uint32_t sq_phys_size(enum sq_phys p)
{
    static const uint8_t size[] = {[SQ_P_NULL] = 0, [SQ_P_BOOL] = 1, [SQ_P_I8] = 1, [SQ_P_I16] = 2, [SQ_P_I32] = 4, [SQ_P_I64] = 8, [SQ_P_F32] = 4,
                                   [SQ_P_F64] = 8, [SQ_P_I128] = 16, [SQ_P_TS16] = 16, [SQ_P_VIEW] = 16, [SQ_P_LIST] = 8, [SQ_P_STRUCT] = 0};
    return size[p];
}

const char *sq_tid_name(enum sq_tid id)
{
    static const char *const names[SQ_T_COUNT] = {
        "NULL", "BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "CHAR", "VARCHAR", "BINARY", "VARBINARY", "DATE", "TIME",
        "TIMESTAMP", "TIMESTAMP_LTZ", "INTERVAL YEAR TO MONTH", "INTERVAL DAY TO SECOND", "ARRAY", "MAP", "MULTISET", "ROW", "SYMBOL"};
    return names[id];
}

int32_t sq_tid_digits(enum sq_tid id)
{
    switch (id) {
    case SQ_T_TINYINT: return 3;
    case SQ_T_SMALLINT: return 5;
    case SQ_T_INT: return 10;
    case SQ_T_BIGINT: return 19;
    default: return 0;
    }
}

/* `name` with its back-quotes doubled inside. */
static void print_quoted(struct sq_buf *b, struct sq_str name)
{
    sq_buf_putc(b, '`');
    for (uint32_t i = 0; i < name.n; i++) {
        if (name.p[i] == '`')
            sq_buf_putc(b, '`');
        sq_buf_putc(b, name.p[i]);
    }
    sq_buf_putc(b, '`');
}

static void print_nested(struct sq_buf *b, const struct sq_type *t)
{
    uint32_t shown = t->id == SQ_T_MULTISET ? 1 : t->nchild;
    sq_buf_printf(b, "%s<", sq_tid_name(t->id));
    for (uint32_t i = 0; i < shown; i++) {
        if (i)
            sq_buf_puts(b, ", ");
        if (t->id == SQ_T_ROW) {
            print_quoted(b, t->child[i].name);
            sq_buf_putc(b, ' ');
        }
        sq_type_print(b, t->child[i].type);
    }
    sq_buf_putc(b, '>');
}

sq_rc sq_type_print(struct sq_buf *b, const struct sq_type *t)
{
    switch (t->id) {
    case SQ_T_DECIMAL:
        sq_buf_printf(b, "DECIMAL(%d, %d)", t->p, t->s);
        break;
    case SQ_T_VARCHAR: case SQ_T_VARBINARY:
        if (t->p == SQ_STRING_MAX) {
            sq_buf_puts(b, t->id == SQ_T_VARCHAR ? "STRING" : "BYTES");
            break;
        }
        /* fall through */
    case SQ_T_CHAR: case SQ_T_BINARY: case SQ_T_TIME: case SQ_T_TIMESTAMP: case SQ_T_TIMESTAMP_LTZ:
        sq_buf_printf(b, "%s(%d)", sq_tid_name(t->id), t->p);
        break;
    case SQ_T_ARRAY: case SQ_T_MAP: case SQ_T_MULTISET: case SQ_T_ROW:
        print_nested(b, t);
        break;
    default:
        sq_buf_puts(b, sq_tid_name(t->id));
    }
    if (!t->nullable)
        sq_buf_puts(b, " NOT NULL");
    return b->rc;
}
