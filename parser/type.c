/* SPDX-License-Identifier: Apache-2.0
 *
 * type.c: types as written become types. Names of types are no keywords: a column may be called `string` or `date`.
 */
#include "parser/internal.h"

enum shape { PLAIN, LENGTH, DIGITS, FRACTION };

struct type_name {
    const char *name;
    enum sq_tid id;
    enum shape shape;
    int32_t p;                       /* where none is given */
};

static const struct type_name type_names[] = {
    {"BOOLEAN", SQ_T_BOOLEAN, PLAIN, 0},
    {"TINYINT", SQ_T_TINYINT, PLAIN, 0},
    {"SMALLINT", SQ_T_SMALLINT, PLAIN, 0},
    {"INT", SQ_T_INT, PLAIN, 0},
    {"INTEGER", SQ_T_INT, PLAIN, 0},
    {"BIGINT", SQ_T_BIGINT, PLAIN, 0},
    {"FLOAT", SQ_T_FLOAT, PLAIN, 0},
    {"REAL", SQ_T_FLOAT, PLAIN, 0},
    {"DOUBLE", SQ_T_DOUBLE, PLAIN, 0},
    {"DECIMAL", SQ_T_DECIMAL, DIGITS, 10},
    {"DEC", SQ_T_DECIMAL, DIGITS, 10},
    {"NUMERIC", SQ_T_DECIMAL, DIGITS, 10},
    {"CHAR", SQ_T_CHAR, LENGTH, 1},
    {"CHARACTER", SQ_T_CHAR, LENGTH, 1},
    {"VARCHAR", SQ_T_VARCHAR, LENGTH, 1},
    {"STRING", SQ_T_VARCHAR, PLAIN, SQ_STRING_MAX},
    {"BINARY", SQ_T_BINARY, LENGTH, 1},
    {"VARBINARY", SQ_T_VARBINARY, LENGTH, 1},
    {"BYTES", SQ_T_VARBINARY, PLAIN, SQ_STRING_MAX},
    {"DATE", SQ_T_DATE, PLAIN, 0},
    {"TIME", SQ_T_TIME, FRACTION, 0},
    {"TIMESTAMP", SQ_T_TIMESTAMP, FRACTION, 6},
    {"TIMESTAMP_LTZ", SQ_T_TIMESTAMP_LTZ, FRACTION, 6},
};

/* Names that people bring from other engines, and what they are called here. */
static const struct { const char *name, *here; } foreign[] = {
    {"TEXT", "STRING"}, {"CLOB", "STRING"}, {"NVARCHAR", "VARCHAR"}, {"BLOB", "BYTES"}, {"BYTEA", "BYTES"}, {"BOOL", "BOOLEAN"}, {"INT2", "SMALLINT"},
    {"INT4", "INT"}, {"INT8", "BIGINT"}, {"LONG", "BIGINT"}, {"SHORT", "SMALLINT"}, {"BYTE", "TINYINT"}, {"FLOAT4", "FLOAT"}, {"FLOAT8", "DOUBLE"},
    {"NUMBER", "DECIMAL"}, {"DATETIME", "TIMESTAMP(3)"}, {"TIMESTAMPTZ", "TIMESTAMP_LTZ"}, {"STRUCT", "ROW"}, {"LIST", "ARRAY"}, {"UUID", "STRING"},
    {"SQL_TIMESTAMP", "TIMESTAMP(3)"},
};

static struct sq_ptype *made(struct sq_parse *P, uint32_t at, const struct sq_type *type)
{
    struct sq_ptype *t = SQ_MAKE(P, struct sq_ptype);

    if (!type && P->rc == SQ_OK)
        P->rc = SQ_NOMEM;
    t->type = type ? type : &sq_type_null;
    t->at = at;
    t->len = sq_span_from(P, at).len;
    t->height = 1;
    return t;
}

static void unknown(struct sq_parse *P, const struct sq_token *name)
{
    struct sq_str s = sq_tok_str(P, name), list[SQ_LEN(type_names) + 5], near;
    static const char *const more[] = {"ARRAY", "MAP", "MULTISET", "ROW", "INTERVAL"};
    static const char *const later[] = {"RAW", "STRUCTURED", "VARIANT", "BITMAP", "GEOMETRY", "ANY", "SYMBOL", "LEGACY", "DESCRIPTOR"};

    for (size_t i = 0; i < SQ_LEN(later); i++)
        if (sq_str_iis(s, later[i])) {
            sq_parse_fail(P, SQ_UNSUPPORTED, sq_tok_span(P, name), "type %s is not supported", later[i]);
            return;
        }
    for (size_t i = 0; i < SQ_LEN(type_names); i++)
        list[i] = sq_str_of(type_names[i].name);
    for (size_t i = 0; i < SQ_LEN(more); i++)
        list[SQ_LEN(type_names) + i] = sq_str_of(more[i]);
    for (size_t i = 0; i < SQ_LEN(more); i++)
        if (sq_str_iis(s, more[i])) {
            sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, name), "type %s is written %s", more[i],
                          i == 0 ? "ARRAY<type>" : i == 1 ? "MAP<type, type>" : i == 2 ? "MULTISET<type>" : i == 3 ? "ROW<name type, ...>" : "INTERVAL DAY TO SECOND or INTERVAL YEAR TO MONTH");
            return;
        }
    sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, name), "no type '%.*s'", SQ_FMT(s));
    for (size_t i = 0; i < SQ_LEN(foreign); i++)
        if (sq_str_iis(s, foreign[i].name))
            sq_parse_hint(P, "it is called %s here", foreign[i].here);
    near = sq_nearest(s, list, SQ_LEN(list));
    if (near.n)
        sq_parse_hint(P, "did you mean %.*s?", SQ_FMT(near));
}

static const struct type_name *find(struct sq_parse *P, const struct sq_token *name)
{
    struct sq_str s = sq_tok_str(P, name);

    for (size_t i = 0; i < SQ_LEN(type_names); i++)
        if (sq_str_iis(s, type_names[i].name))
            return &type_names[i];
    unknown(P, name);
    return NULL;
}

static bool between(struct sq_parse *P, const struct sq_token *at, int32_t v, int32_t min, int32_t max, const char *what)
{
    if (v >= min && v <= max)
        return true;
    sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, at), "%s is from %d to %d", what, (int)min, (int)max);
    return false;
}

static struct sq_ptype *scalar(struct sq_parse *P, const struct type_name *t, enum sq_tid id, const struct sq_token *name, const struct sq_token *p,
                               const struct sq_token *s)
{
    int32_t pv = t->p, sv = 0;
    bool ok = true;

    if (p)
        ok = sq_tok_int(P, p, INT32_MAX, &pv);
    if (ok && s)
        ok = sq_tok_int(P, s, INT32_MAX, &sv);
    if (!ok)
        return made(P, name->at, NULL);
    if (s && t->shape != DIGITS)
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, s), "%s has no scale", t->name);
    else if (p && t->shape == PLAIN)
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, p), "%s takes no length or precision", t->name);
    else if (p && t->shape == LENGTH)
        between(P, p, pv, 1, INT32_MAX, "a length");
    else if (p && t->shape == FRACTION)
        between(P, p, pv, 0, 9, "the precision of a time");
    else if (p && t->shape == DIGITS && between(P, p, pv, 1, SQ_DECIMAL_MAX, "the precision of a DECIMAL") && s)
        between(P, s, sv, 0, pv, "the scale of this DECIMAL");
    return made(P, name->at, P->rc == SQ_OK ? sq_type_new(P->arena, id, true, pv, sv) : NULL);
}

struct sq_ptype *sq_ptype_named(struct sq_parse *P, const struct sq_token *name, const struct sq_token *p, const struct sq_token *s)
{
    const struct type_name *t = P->rc == SQ_OK ? find(P, name) : NULL;

    return t ? scalar(P, t, t->id, name, p, s) : made(P, name->at, NULL);
}

struct sq_ptype *sq_ptype_varying(struct sq_parse *P, const struct sq_token *name, const struct sq_token *p)
{
    const struct type_name *t = P->rc == SQ_OK ? find(P, name) : NULL;

    if (!t)
        return made(P, name->at, NULL);
    if (t->id != SQ_T_CHAR && t->id != SQ_T_BINARY) {
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, name), "VARYING is for CHARACTER and BINARY, not for %s", t->name);
        return made(P, name->at, NULL);
    }
    return scalar(P, t, t->id == SQ_T_CHAR ? SQ_T_VARCHAR : SQ_T_VARBINARY, name, p, NULL);
}

struct sq_ptype *sq_ptype_precision(struct sq_parse *P, const struct sq_token *name)
{
    const struct type_name *t = P->rc == SQ_OK ? find(P, name) : NULL;

    if (t && t->id != SQ_T_DOUBLE)
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, name), "PRECISION is for DOUBLE, not for %s", t->name);
    return t ? scalar(P, t, t->id, name, NULL, NULL) : made(P, name->at, NULL);
}

struct sq_ptype *sq_ptype_zoned(struct sq_parse *P, const struct sq_token *name, const struct sq_token *p, int zone)
{
    const struct type_name *t = P->rc == SQ_OK ? find(P, name) : NULL;

    if (!t)
        return made(P, name->at, NULL);
    if (t->id != SQ_T_TIMESTAMP && !(t->id == SQ_T_TIME && zone == 0)) {
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, name), "a TIME ZONE clause is for TIMESTAMP, not for %s", t->name);
    } else if (zone == 2) {
        sq_parse_fail(P, SQ_UNSUPPORTED, sq_tok_span(P, name), "TIMESTAMP WITH TIME ZONE is not supported");
        sq_parse_hint(P, "TIMESTAMP_LTZ is a point in time, shown in the session's zone");
    }
    return scalar(P, t, zone == 1 ? SQ_T_TIMESTAMP_LTZ : t->id, name, p, NULL);
}

struct sq_ptype *sq_ptype_interval(struct sq_parse *P, const struct sq_token *kw, struct sq_ast_expr *qual)
{
    return made(P, kw->at, sq_type_new(P->arena, qual->ival <= SQ_U_MONTH ? SQ_T_INTERVAL_YM : SQ_T_INTERVAL_DS, true, 0, 0));
}

static struct sq_ptype *taller(struct sq_parse *P, struct sq_ptype *t, uint32_t child)
{
    t->height = child + 1;
    if (t->height > SQ_PARSE_TYPE)
        sq_parse_fail(P, SQ_LIMIT, (struct sq_span){P->base + t->at, t->len}, "this type is nested more than %d levels deep", SQ_PARSE_TYPE);
    return t;
}

struct sq_ptype *sq_ptype_array(struct sq_parse *P, uint32_t at, struct sq_ptype *t)
{
    return taller(P, made(P, at, P->rc == SQ_OK ? sq_type_array(P->arena, true, t->type) : NULL), t->height);
}

struct sq_ptype *sq_ptype_multiset(struct sq_parse *P, uint32_t at, struct sq_ptype *t)
{
    return taller(P, made(P, at, P->rc == SQ_OK ? sq_type_multiset(P->arena, true, t->type) : NULL), t->height);
}

struct sq_ptype *sq_ptype_map(struct sq_parse *P, uint32_t at, struct sq_ptype *k, struct sq_ptype *v)
{
    return taller(P, made(P, at, P->rc == SQ_OK ? sq_type_map(P->arena, true, k->type, v->type) : NULL), k->height > v->height ? k->height : v->height);
}

struct sq_ptype *sq_ptype_row(struct sq_parse *P, uint32_t at, struct sq_plist *l)
{
    struct sq_field *fields;
    uint32_t h = 0;

    if (P->rc != SQ_OK || !(fields = SQ_NEW_ARRAY(P->arena, struct sq_field, l->n)))
        return made(P, at, NULL);
    for (uint32_t i = 0; i < l->n; i++) {
        const struct sq_pfield *f = l->v[i];

        fields[i] = f->field;
        if (f->height > h)
            h = f->height;
    }
    return taller(P, made(P, at, sq_type_row(P->arena, true, fields, l->n)), h);
}

struct sq_ptype *sq_ptype_null(struct sq_parse *P, struct sq_ptype *t, bool nullable)
{
    struct sq_ptype *n = made(P, t->at, P->rc == SQ_OK ? sq_type_nullable(P->arena, t->type, nullable) : NULL);

    n->height = t->height;
    return n;
}

struct sq_pfield *sq_field_new(struct sq_parse *P, const struct sq_token *name, struct sq_ptype *t)
{
    struct sq_pfield *f = SQ_MAKE(P, struct sq_pfield);

    f->field.name = sq_tok_str(P, name);
    f->field.type = t->type;
    f->height = t->height;
    return f;
}
