/* SPDX-License-Identifier: Apache-2.0
 *
 * types.c: which casts are done without being asked for, what may be written to a sink, and the least type that holds two others.
 *
 * The rules are Flink's (its matrix of implicit casts and its merging of types): integers widen, numbers become DECIMAL or floating point, CHAR
 * becomes VARCHAR, TIMESTAMP and TIMESTAMP_LTZ become one another, TIMESTAMP becomes DATE or TIME, NULL becomes anything.
 */
#include "functions/kernel.h"

/* What nested values are made of is cast part by part. */
static bool children_fit(const struct sq_type *from, const struct sq_type *to)
{
    if (from->nchild != to->nchild)
        return false;
    for (uint32_t i = 0; i < from->nchild; i++)
        if (!sq_type_equal(from->child[i].type, to->child[i].type, false) && !sq_cast_implicit(from->child[i].type, to->child[i].type))
            return false;
    return true;
}

static bool number_fits(enum sq_tid from, enum sq_tid to)
{
    if (!sq_tid_is_numeric(from))
        return false;
    if (to == SQ_T_DECIMAL || to == SQ_T_DOUBLE)
        return true;
    if (to == SQ_T_FLOAT)
        return from != SQ_T_DOUBLE;
    return sq_tid_is_int(from) && from <= to;
}

bool sq_cast_implicit(const struct sq_type *from, const struct sq_type *to)
{
    enum sq_tid f = from->id, t = to->id;

    if (f == SQ_T_NULL)
        return t != SQ_T_SYMBOL;
    if (from->nchild || to->nchild)
        return f == t && children_fit(from, to);
    if (sq_tid_is_numeric(t))
        return number_fits(f, t);
    switch (t) {
    case SQ_T_VARCHAR: return sq_tid_is_string(f);
    case SQ_T_VARBINARY: return sq_tid_is_binary(f);
    case SQ_T_DATE:
    case SQ_T_TIME: return f == t || f == SQ_T_TIMESTAMP;
    case SQ_T_TIMESTAMP:
    case SQ_T_TIMESTAMP_LTZ: return sq_tid_is_timestamp(f);
    default: return f == t;
    }
}

bool sq_cast_assignable(const struct sq_type *from, const struct sq_type *to)
{
    return sq_cast_implicit(from, to);
}

/* ---- the common type ---- */

static int32_t digits(const struct sq_type *t)
{
    return t->id == SQ_T_DECIMAL ? t->p : sq_tid_digits(t->id);
}

static int32_t max32(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static const struct sq_type *common_number(struct sq_arena *arena, const struct sq_type *a, const struct sq_type *b, bool nullable)
{
    int32_t sa = a->id == SQ_T_DECIMAL ? a->s : 0, sb = b->id == SQ_T_DECIMAL ? b->s : 0, s, p;

    if (sq_tid_is_approx(a->id) || sq_tid_is_approx(b->id)) {
        bool is_float = a->id != SQ_T_DOUBLE && b->id != SQ_T_DOUBLE && a->id != SQ_T_DECIMAL && b->id != SQ_T_DECIMAL;

        return sq_type_new(arena, is_float ? SQ_T_FLOAT : SQ_T_DOUBLE, nullable, 0, 0);
    }
    if (a->id != SQ_T_DECIMAL && b->id != SQ_T_DECIMAL)
        return sq_type_nullable(arena, a->id > b->id ? a : b, nullable);
    s = max32(sa, sb);
    p = max32(digits(a) - sa, digits(b) - sb) + s;
    return sq_type_new(arena, SQ_T_DECIMAL, nullable, p > SQ_DECIMAL_MAX ? SQ_DECIMAL_MAX : p, s);
}

/* Lengths that differ give the varying type, so that nothing is padded. */
static const struct sq_type *common_text(struct sq_arena *arena, const struct sq_type *a, const struct sq_type *b, enum sq_tid varying, bool nullable)
{
    enum sq_tid id = a->id == b->id && a->p == b->p ? a->id : varying;

    return sq_type_new(arena, id, nullable, max32(a->p, b->p), 0);
}

static const struct sq_type *common_nested(struct sq_arena *arena, const struct sq_type *a, const struct sq_type *b, bool nullable)
{
    struct sq_field *f;

    if (a->id != b->id || a->nchild != b->nchild || !(f = SQ_NEW_ARRAY(arena, struct sq_field, a->nchild)))
        return NULL;
    for (uint32_t i = 0; i < a->nchild; i++) {
        f[i].name = a->child[i].name;
        if (!(f[i].type = sq_type_common(arena, a->child[i].type, b->child[i].type)))
            return NULL;
    }
    switch (a->id) {
    case SQ_T_ARRAY: return sq_type_array(arena, nullable, f[0].type);
    case SQ_T_MAP: return sq_type_map(arena, nullable, f[0].type, f[1].type);
    case SQ_T_MULTISET: return sq_type_multiset(arena, nullable, f[0].type);
    default: return sq_type_row(arena, nullable, f, a->nchild);
    }
}

const struct sq_type *sq_type_common(struct sq_arena *arena, const struct sq_type *a, const struct sq_type *b)
{
    bool nullable = a->nullable || b->nullable;

    if (a->id == SQ_T_NULL || b->id == SQ_T_NULL)
        return sq_type_nullable(arena, a->id == SQ_T_NULL ? b : a, true);
    if (sq_type_equal(a, b, false))
        return sq_type_nullable(arena, a, nullable);
    if (sq_tid_is_numeric(a->id) && sq_tid_is_numeric(b->id))
        return common_number(arena, a, b, nullable);
    if (sq_tid_is_string(a->id) && sq_tid_is_string(b->id))
        return common_text(arena, a, b, SQ_T_VARCHAR, nullable);
    if (sq_tid_is_binary(a->id) && sq_tid_is_binary(b->id))
        return common_text(arena, a, b, SQ_T_VARBINARY, nullable);
    if (a->id == SQ_T_TIME && b->id == SQ_T_TIME)
        return sq_type_new(arena, SQ_T_TIME, nullable, max32(a->p, b->p), 0);
    if (sq_tid_is_timestamp(a->id) && sq_tid_is_timestamp(b->id))
        return sq_type_new(arena, a->id == b->id ? a->id : SQ_T_TIMESTAMP_LTZ, nullable, max32(a->p, b->p), 0);
    if (a->nchild && b->nchild)
        return common_nested(arena, a, b, nullable);
    return NULL;
}
