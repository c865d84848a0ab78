/* SPDX-License-Identifier: Apache-2.0
 *
 * vec.c: comparing elements, constant vectors, and the check of a batch's form.
 */
#include "base/vec.h"

const char *sq_kind_name(uint8_t k)
{
    static const char *const names[] = {"+I", "-U", "+U", "-D"};
    return k < SQ_LEN(names) ? names[k] : "??";
}

#define THREE_WAY(a, b) (((a) > (b)) - ((a) < (b)))

/* NaN is above all numbers and equal to itself; -0.0 equals 0.0. */
static int compare_doubles(double a, double b)
{
    bool na = a != a, nb = b != b;
    return na || nb ? na - nb : THREE_WAY(a, b);
}

static int compare_lists(const struct sq_vec *a, struct sq_list la, const struct sq_vec *b, struct sq_list lb)
{
    for (uint32_t i = 0; i < la.len && i < lb.len; i++)
        for (uint32_t k = 0; k < a->nchild; k++) {
            int c = sq_vec_compare(&a->child[k], la.off + i, &b->child[k], lb.off + i);
            if (c)
                return c;
        }
    return THREE_WAY(la.len, lb.len);
}

int sq_vec_compare(const struct sq_vec *a, uint32_t ra, const struct sq_vec *b, uint32_t rb)
{
    bool na = sq_vec_null(a, ra), nb = sq_vec_null(b, rb);
    if (na || nb)
        return nb - na;
    a = sq_vec_at(a, &ra);
    b = sq_vec_at(b, &rb);
#define AT(type, v, r) (((const type *)(v)->data)[r])
#define CASE(p, type) case p: return THREE_WAY(AT(type, a, ra), AT(type, b, rb))
    switch (sq_type_phys(a->type)) {
    CASE(SQ_P_BOOL, uint8_t);
    CASE(SQ_P_I8, int8_t);
    CASE(SQ_P_I16, int16_t);
    CASE(SQ_P_I32, int32_t);
    CASE(SQ_P_I64, int64_t);
    CASE(SQ_P_I128, __int128);
    case SQ_P_F32: return compare_doubles((double)AT(float, a, ra), (double)AT(float, b, rb));
    case SQ_P_F64: return compare_doubles(AT(double, a, ra), AT(double, b, rb));
    case SQ_P_TS16: {
        struct sq_ts16 x = AT(struct sq_ts16, a, ra), y = AT(struct sq_ts16, b, rb);
        return x.us != y.us ? THREE_WAY(x.us, y.us) : THREE_WAY(x.ns, y.ns);
    }
    case SQ_P_VIEW: return sq_str_cmp(sq_view_str(&AT(struct sq_view, a, ra)), sq_view_str(&AT(struct sq_view, b, rb)));
    case SQ_P_LIST: return compare_lists(a, AT(struct sq_list, a, ra), b, AT(struct sq_list, b, rb));
    case SQ_P_STRUCT:
        for (uint32_t i = 0; i < a->nchild; i++) {
            int c = sq_vec_compare(&a->child[i], ra, &b->child[i], rb);
            if (c)
                return c;
        }
        return 0;
    case SQ_P_NULL: return 0;
    }
#undef CASE
#undef AT
    return 0;
}

/* ---- constants ---- */

static struct sq_vec *new_const(struct sq_arena *a, const struct sq_type *type)
{
    struct sq_vec *v = SQ_NEW(a, struct sq_vec);
    if (v)
        *v = (struct sq_vec){.type = type, .enc = SQ_CONST};
    return v;
}

struct sq_vec *sq_vec_const_null(struct sq_arena *a, const struct sq_type *type)
{
    struct sq_vec *v = new_const(a, type);
    if (!v)
        return NULL;
    v->valid = SQ_NEW(a, uint64_t);
    v->data = sq_arena_zero(a, 16);
    v->nchild = type->nchild;
    v->child = SQ_NEW_ARRAY(a, struct sq_vec, type->nchild ? type->nchild : 1);
    if (!v->valid || !v->data || !v->child)
        return NULL;
    for (uint32_t i = 0; i < type->nchild; i++) {
        struct sq_vec *kid = sq_vec_const_null(a, type->child[i].type);
        if (!kid)
            return NULL;
        v->child[i] = *kid;
        v->child[i].enc = SQ_FLAT;
    }
    return v;
}

struct sq_vec *sq_vec_const_fixed(struct sq_arena *a, const struct sq_type *type, const void *element)
{
    struct sq_vec *v = new_const(a, type);
    if (!v || !(v->data = sq_arena_zero(a, 16)))
        return NULL;
    memcpy(v->data, element, sq_phys_size(sq_type_phys(type)));
    return v;
}

struct sq_vec *sq_vec_const_str(struct sq_arena *a, const struct sq_type *type, struct sq_str s)
{
    struct sq_str copy = sq_str_dup(a, s);
    if (!copy.p)
        return NULL;
    struct sq_view view = sq_view_of(copy.p, copy.n);
    return sq_vec_const_fixed(a, type, &view);
}

/* A nested constant is built in a column and its vectors copied to the arena. */
static bool copy_flat(struct sq_arena *a, const struct sq_col *c, struct sq_vec *to)
{
    uint32_t w = sq_phys_size(sq_type_phys(c->vec.type));
    *to = c->vec;
    size_t words = (size_t)(c->n + 63) / 64 * 8;
    if (w) {
        to->data = sq_arena_get(a, (size_t)c->n * w + 16, 16);
        if (!to->data)
            return false;
        if (c->n)
            memcpy(to->data, c->vec.data, (size_t)c->n * w);
    }
    if (c->vec.valid) {
        to->valid = sq_arena_get(a, words + 8, 8);
        if (!to->valid)
            return false;
        memcpy(to->valid, c->vec.valid, words);
    }
    if (c->nkid && !(to->child = SQ_NEW_ARRAY(a, struct sq_vec, c->nkid)))
        return false;
    for (uint32_t i = 0; i < c->nkid; i++)
        if (!copy_flat(a, &c->kid[i], &to->child[i]))
            return false;
    return true;
}

struct sq_vec *sq_vec_const(struct sq_arena *a, const struct sq_vec *v, uint32_t r)
{
    if (sq_vec_null(v, r))
        return sq_vec_const_null(a, v->type);
    struct sq_vec *out = new_const(a, v->type);
    if (!out)
        return NULL;
    struct sq_col c;
    bool ok = sq_col_init(&c, a->ctx, a, v->type) == SQ_OK && sq_col_append(&c, v, r) == SQ_OK;
    if (ok) {
        sq_col_seal(&c);
        ok = copy_flat(a, &c, out);
        out->enc = SQ_CONST;
    }
    sq_col_free(&c);
    return ok ? out : NULL;
}

/* ---- the form of a batch ---- */

static const char *check_flat(const struct sq_vec *v, uint32_t rows);

static const char *check_children(const struct sq_vec *v, uint32_t rows)
{
    enum sq_phys p = sq_type_phys(v->type);
    if (v->nchild != v->type->nchild && (p == SQ_P_LIST || p == SQ_P_STRUCT))
        return "a nested vector without its children";
    if (p == SQ_P_STRUCT)
        for (uint32_t i = 0; i < v->nchild; i++) {
            const char *why = check_flat(&v->child[i], rows);
            if (why)
                return why;
        }
    return NULL;
}

static const char *check_flat(const struct sq_vec *v, uint32_t rows)
{
    if (!v->type)
        return "a vector without a type";
    if (rows && sq_phys_size(sq_type_phys(v->type)) && !v->data)
        return "a vector without data";
    return check_children(v, rows);
}

static const char *check_vec(const struct sq_vec *v, const struct sq_batch *b)
{
    if (v->enc == SQ_DICT) {
        if (!v->index || !v->child || v->child->enc != SQ_FLAT)
            return "a dictionary vector without index or flat dictionary";
        return check_flat(v->child, 1);
    }
    return check_flat(v, v->enc == SQ_CONST ? 1 : b->rows);
}

const char *sq_batch_check(const struct sq_batch *b)
{
    if (b->rows > SQ_BATCH_ROWS || b->nsel > b->rows)
        return "more rows than a batch may hold";
    if (!b->sel && b->nsel != b->rows)
        return "nsel differs from rows without a selection";
    for (uint32_t i = 0; b->sel && i < b->nsel; i++)
        if (b->sel[i] >= b->rows || (i && b->sel[i] <= b->sel[i - 1]))
            return "a selection that does not rise or leaves the batch";
    for (uint32_t i = 0; b->kind && i < b->nsel; i++)
        if (b->kind[sq_row(b, i)] > SQ_DELETE)
            return "a row kind that does not exist";
    for (uint32_t c = 0; c < b->ncols; c++) {
        const char *why = check_vec(&b->cols[c], b);
        if (why)
            return why;
    }
    return NULL;
}
