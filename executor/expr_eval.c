/* SPDX-License-Identifier: Apache-2.0
 *
 * expr_eval.c: running a program over a batch: scopes, registers, strict NULLs, and predicates as selections.
 *
 * NULLs of strict functions cost a word-wise AND of bitmaps; where no argument has a bitmap the kernel runs over the dense rows and the result
 * has none either. A call whose arguments are all constant is computed once and stays constant.
 */
#include "executor/expr_internal.h"

static const _Alignas(16) char zeros[64];
static const uint64_t no_bits[1];

/* ---- scopes and selection buffers ---- */

sq_rc sq_scope_push(struct sq_program *p, struct sq_rows rows)
{
    if (p->depth == SCOPE_DEPTH)
        return sq_fail(p->ctx, SQ_LIMIT, "conditions are nested deeper than %d", SCOPE_DEPTH);
    p->scopes[p->depth++] = (struct scope){++p->next_scope, rows};
    return SQ_OK;
}

void sq_scope_pop(struct sq_program *p)
{
    p->depth--;
}

sq_rc sq_sel_take(struct sq_program *p, uint32_t **out)
{
    if (p->nsels == SQ_LEN(p->sels))
        return sq_fail(p->ctx, SQ_LIMIT, "conditions are nested deeper than %d", SCOPE_DEPTH);
    if (!p->sels[p->nsels]) {
        p->sels[p->nsels] = sq_alloc(p->ctx, SQ_BATCH_ROWS * sizeof(uint32_t));
        if (!p->sels[p->nsels])
            return SQ_NOMEM;
    }
    *out = p->sels[p->nsels++];
    return SQ_OK;
}

void sq_sel_give(struct sq_program *p)
{
    p->nsels--;
}

static bool good_here(const struct sq_program *p, uint64_t run, uint32_t id, uint32_t depth)
{
    return run == p->run && depth <= p->depth && p->scopes[depth - 1].id == id;
}

sq_rc sq_node_register(struct sq_program *p, struct node *n)
{
    if (!n->valid) {
        n->valid = sq_alloc(p->ctx, SQ_BATCH_WORDS * sizeof *n->valid);
        if (!n->valid)
            return SQ_NOMEM;
    }
    if (!n->reg && n->width) {
        n->reg = sq_calloc(p->ctx, (size_t)n->width * SQ_BATCH_ROWS);
        if (!n->reg)
            return SQ_NOMEM;
    }
    return SQ_OK;
}

/* ---- flat copies of dictionaries ---- */

#define GATHER(T)                                    \
    SQ_EACH_ROW(rows, i, r)                          \
        ((T *)n->reg)[r] = ((const T *)from->data)[v->index[r]]
struct pair { uint64_t a, b; };

static sq_rc flatten_fixed(struct sq_program *p, struct node *n, const struct sq_vec *v, struct sq_rows rows)
{
    const struct sq_vec *from = v->child;

    SQ_TRY(sq_node_register(p, n));
    switch (n->width) {
    case 1: GATHER(uint8_t); break;
    case 2: GATHER(uint16_t); break;
    case 4: GATHER(uint32_t); break;
    case 8: GATHER(uint64_t); break;
    default: GATHER(struct pair); break;
    }
    n->flat = (struct sq_vec){.type = n->type, .enc = SQ_FLAT, .data = n->reg};
    if (!from->valid)
        return SQ_OK;
    memset(n->valid, 0xff, SQ_BATCH_WORDS * sizeof *n->valid);
    SQ_EACH_ROW(rows, i, r)
        if (!sq_bit(from->valid, v->index[r]))
            sq_bit_clear(n->valid, r);
    n->flat.valid = n->valid;
    return SQ_OK;
}

static sq_rc flat_builder(struct sq_program *p, struct node *n)
{
    if (n->flat_builder) {
        sq_col_reset(n->flat_builder);
        return SQ_OK;
    }
    n->flat_builder = sq_calloc(p->ctx, sizeof *n->flat_builder);
    if (!n->flat_builder)
        return SQ_NOMEM;
    return sq_col_init(n->flat_builder, p->ctx, &p->heap, n->type);
}

static sq_rc pad(struct sq_col *c, uint32_t n)
{
    while (c->n < n)
        SQ_TRY(sq_col_append_null(c));
    return SQ_OK;
}

/* Nested elements are copied to their physical rows, NULL between. */
static sq_rc flatten_nested(struct sq_program *p, struct node *n, const struct sq_vec *v, struct sq_rows rows)
{
    SQ_TRY(flat_builder(p, n));
    SQ_EACH_ROW(rows, i, r) {
        SQ_TRY(pad(n->flat_builder, r));
        SQ_TRY(sq_col_append(n->flat_builder, v, r));
    }
    SQ_TRY(pad(n->flat_builder, p->batch->rows));
    sq_col_seal(n->flat_builder);
    n->flat = n->flat_builder->vec;
    return SQ_OK;
}

sq_rc sq_node_flat(struct sq_program *p, uint32_t node, const struct sq_vec **out)
{
    struct node *n = &p->nodes[node];

    SQ_TRY(sq_node_eval(p, node, out));
    if ((*out)->enc != SQ_DICT)
        return SQ_OK;
    if (!good_here(p, n->flat_run, n->flat_scope_id, n->flat_scope_depth)) {
        struct sq_rows rows = sq_scope_rows(p);
        bool is_nested = n->phys == SQ_P_LIST || n->phys == SQ_P_STRUCT;
        SQ_TRY(is_nested ? flatten_nested(p, n, *out, rows) : flatten_fixed(p, n, *out, rows));
        n->flat_run = p->run;
        n->flat_scope_id = p->scopes[p->depth - 1].id;
        n->flat_scope_depth = p->depth;
    }
    *out = &n->flat;
    return SQ_OK;
}

/* ---- calls ---- */

static void const_null(struct node *n)
{
    n->val = (struct sq_vec){.type = n->type, .enc = SQ_CONST, .data = (void *)(uintptr_t)zeros, .valid = (uint64_t *)(uintptr_t)no_bits};
}

/* The AND of the arguments' bitmaps into n->valid; false when there is none. */
static bool and_valid(struct node *n, uint32_t words)
{
    bool some = false;

    for (uint32_t i = 0; i < n->nargs; i++) {
        const uint64_t *v = n->argv[i].valid;
        if (n->argv[i].enc != SQ_FLAT || !v)
            continue;
        for (uint32_t w = 0; w < words; w++)
            n->valid[w] &= v[w];
        some = true;
    }
    return some;
}

/* No bitmap where nothing is NULL: whoever comes next has the dense way again. Bits of rows beyond the scope may be 0. */
static bool all_present(const uint64_t *bits, uint32_t rows)
{
    for (uint32_t w = 0; w < rows / 64; w++)
        if (bits[w] != UINT64_MAX)
            return false;
    return rows % 64 == 0 || (~bits[rows / 64] & (((uint64_t)1 << rows % 64) - 1)) == 0;
}

static sq_rc call_kernel(struct sq_program *p, struct node *n, struct sq_rows rows, struct sq_vec *out)
{
    sq_rc rc;

    if (rows.n == 0)
        return SQ_OK;
    rc = n->kernel(&n->call, n->argv, n->nargs, rows, out);
    if (rc != SQ_OK && p->ctx->err.span.len == 0)
        p->ctx->err.span = n->span;
    return rc;
}

/* The rows that are not NULL, into sel. */
static struct sq_rows present_rows(const uint64_t *bits, struct sq_rows rows, uint32_t *sel)
{
    uint32_t k = 0;

    SQ_EACH_ROW(rows, i, r) {
        sel[k] = r;
        k += sq_bit(bits, r);
    }
    return (struct sq_rows){sel, k};
}

static sq_rc call_rows(struct sq_program *p, struct node *n, bool strict)
{
    struct sq_rows rows = sq_scope_rows(p);
    uint32_t words = (p->batch->rows + 63) / 64;
    struct sq_vec out = {.type = n->type, .enc = SQ_FLAT, .data = n->reg, .valid = n->valid};
    sq_rc rc;

    memset(n->valid, 0xff, SQ_BATCH_WORDS * sizeof *n->valid);
    if (strict && and_valid(n, words) && (rows.sel || !all_present(n->valid, p->batch->rows))) {
        uint32_t *sel;
        SQ_TRY(sq_sel_take(p, &sel));
        struct sq_rows some = present_rows(n->valid, rows, sel);
        rc = call_kernel(p, n, some.n == rows.n ? rows : some, &out);
        sq_sel_give(p);
    } else {
        rc = call_kernel(p, n, rows, &out);
    }
    SQ_TRY(rc);
    n->val = out;
    if (all_present(n->valid, p->batch->rows))
        n->val.valid = NULL;
    return SQ_OK;
}

/* ---- calls with nested results ---- */

static sq_rc open_builder(struct sq_program *p, struct node *n)
{
    if (!n->builder) {
        n->builder = sq_calloc(p->ctx, sizeof *n->builder);
        if (!n->builder)
            return SQ_NOMEM;
        SQ_TRY(sq_col_init(n->builder, p->ctx, &p->heap, n->type));
    }
    if (!n->index && !(n->index = sq_calloc(p->ctx, SQ_BATCH_ROWS * sizeof *n->index)))
        return SQ_NOMEM;
    sq_col_reset(n->builder);
    n->call.builder = n->builder;
    return SQ_OK;
}

/* The results stand in the builder in the order of their rows: flat where that is every row, else a dictionary with a NULL at its end. */
static sq_rc close_builder(struct sq_program *p, struct node *n, struct sq_rows rows)
{
    SQ_ASSERT(n->builder->n == rows.n);
    if (rows.n == p->batch->rows) {
        sq_col_seal(n->builder);
        n->val = n->builder->vec;
        return SQ_OK;
    }
    SQ_TRY(sq_col_append_null(n->builder));
    sq_col_seal(n->builder);
    for (uint32_t r = 0; r < p->batch->rows; r++)
        n->index[r] = rows.n;
    SQ_EACH_ROW(rows, i, r)
        n->index[r] = i;
    n->val = (struct sq_vec){.type = n->type, .enc = SQ_DICT, .index = n->index, .child = &n->builder->vec, .nchild = 1};
    return SQ_OK;
}

static sq_rc nested_rows(struct sq_program *p, struct node *n, bool strict)
{
    struct sq_rows rows = sq_scope_rows(p), some = rows;
    uint32_t *sel;
    sq_rc rc;

    SQ_TRY(sq_node_register(p, n));
    SQ_TRY(sq_sel_take(p, &sel));
    memset(n->valid, 0xff, SQ_BATCH_WORDS * sizeof *n->valid);
    if (strict && and_valid(n, (p->batch->rows + 63) / 64))
        some = present_rows(n->valid, rows, sel);
    if (some.n == rows.n)
        some = rows;
    rc = call_kernel(p, n, some, NULL);
    if (rc == SQ_OK)
        rc = close_builder(p, n, some);
    sq_sel_give(p);
    return rc;
}

static sq_rc nested_call(struct sq_program *p, struct node *n, bool strict, bool constant)
{
    SQ_TRY(open_builder(p, n));
    if (!constant)
        return nested_rows(p, n, strict);
    SQ_TRY(call_kernel(p, n, (struct sq_rows){NULL, 1}, NULL));
    sq_col_seal(n->builder);
    n->val = n->builder->vec;
    n->val.enc = SQ_CONST;
    return SQ_OK;
}

static sq_rc eval_call(struct sq_program *p, struct node *n)
{
    bool strict = n->kind == SQ_X_CAST || n->fn->flags & SQ_STRICT;
    bool constant = n->pure;

    for (uint32_t i = 0; i < n->nargs; i++) {
        const struct sq_vec *v;
        SQ_TRY(sq_node_flat(p, n->args[i], &v));
        n->argv[i] = *v;
        constant &= v->enc == SQ_CONST;
    }
    if (strict)
        for (uint32_t i = 0; i < n->nargs; i++)
            if (n->argv[i].type->id == SQ_T_NULL || (n->argv[i].enc == SQ_CONST && sq_vec_null(&n->argv[i], 0))) {
                const_null(n);
                return SQ_OK;
            }
    if (n->phys == SQ_P_LIST || n->phys == SQ_P_STRUCT)
        return nested_call(p, n, strict, constant);
    SQ_TRY(sq_node_register(p, n));
    if (!constant)
        return call_rows(p, n, strict);
    n->valid[0] = 1;
    n->val = (struct sq_vec){.type = n->type, .enc = SQ_FLAT, .data = n->reg, .valid = n->valid};
    SQ_TRY(call_kernel(p, n, (struct sq_rows){NULL, 1}, &n->val));
    n->val.enc = SQ_CONST;
    if (n->valid[0] & 1)
        n->val.valid = NULL;
    return SQ_OK;
}

static sq_rc eval_cast(struct sq_program *p, struct node *n)
{
    const struct sq_vec *v;

    if (n->kernel)
        return eval_call(p, n);
    SQ_TRY(sq_node_eval(p, n->args[0], &v));
    n->val = *v;
    n->val.type = n->type;
    return SQ_OK;
}

/* ---- nodes ---- */

static sq_rc eval_now(struct sq_program *p, struct node *n)
{
    switch (n->kind) {
    case SQ_X_COL: n->val = p->batch->cols[n->col]; return SQ_OK;
    case SQ_X_CONST: return SQ_OK;
    case SQ_X_CALL: return eval_call(p, n);
    case SQ_X_CAST: return eval_cast(p, n);
    case SQ_X_AND: case SQ_X_OR: return sq_lazy_and_or(p, n);
    case SQ_X_CASE: return sq_lazy_case(p, n);
    case SQ_X_COALESCE: return sq_lazy_coalesce(p, n);
    case SQ_X_IN: return sq_lazy_in(p, n);
    case SQ_X_FIELD: return sq_lazy_field(p, n);
    case SQ_X_ITEM: return sq_lazy_item(p, n);
    case SQ_X_WATERMARK: return sq_lazy_watermark(p, n);
    }
    return sq_fail(p->ctx, SQ_INTERNAL, "an expression of kind %d", (int)n->kind);
}

sq_rc sq_node_eval(struct sq_program *p, uint32_t node, const struct sq_vec **out)
{
    struct node *n = &p->nodes[node];

    *out = &n->val;
    if (n->kind == SQ_X_CONST || good_here(p, n->run, n->scope_id, n->scope_depth))
        return SQ_OK;
    if (sq_scope_rows(p).n == 0 && n->kind != SQ_X_COL)
        const_null(n);                          /* nobody will look */
    else
        SQ_TRY(eval_now(p, n));
    n->run = p->run;
    n->scope_id = p->scopes[p->depth - 1].id;
    n->scope_depth = p->depth;
    return SQ_OK;
}

static sq_rc begin(struct sq_program *p, const struct sq_batch *b)
{
    SQ_ASSERT(b->rows <= SQ_BATCH_ROWS);
    p->batch = b;
    p->run++;
    p->depth = p->nsels = 0;
    p->next_scope = SCOPE_NONE;
    sq_arena_reset(&p->heap);
    return sq_scope_push(p, (struct sq_rows){b->sel, b->nsel});
}

sq_rc sq_program_run(struct sq_program *p, const struct sq_batch *b, struct sq_vec *out)
{
    const struct sq_vec *v;

    SQ_TRY(begin(p, b));
    for (uint32_t i = 0; i < p->nouts; i++) {
        SQ_TRY(sq_node_eval(p, p->outs[i], &v));
        out[i] = *v;
    }
    return SQ_OK;
}

/* ---- predicates ---- */

#define SELECT_IF(COND)                       \
    SQ_EACH_ROW(rows, i, r) {                 \
        sel[k] = r;                           \
        k += (COND) ? 1u : 0u;                \
    }

#define COMPARE_AS(T, OP)                                            \
    do {                                                             \
        const T *x = a->data, *y = b->data;                          \
        if (b->enc == SQ_CONST) {                                    \
            const T c = y[0];                                        \
            SELECT_IF(x[r] OP c)                                     \
        } else if (a->enc == SQ_CONST) {                             \
            const T c = x[0];                                        \
            SELECT_IF(c OP y[r])                                     \
        } else {                                                     \
            SELECT_IF(x[r] OP y[r])                                  \
        }                                                            \
    } while (0)

#define COMPARE(OP)                                                  \
    do {                                                             \
        if (phys == SQ_P_I32)                                        \
            COMPARE_AS(int32_t, OP);                                 \
        else if (phys == SQ_P_I64)                                   \
            COMPARE_AS(int64_t, OP);                                 \
        else                                                         \
            COMPARE_AS(double, OP);                                  \
    } while (0)

/* A comparison of two columns, or a column and a constant, of the plainest types without NULLs, straight into a selection. False: not
 * such a one. */
static bool compare_select(const struct node *n, enum sq_phys phys, const struct sq_vec *a, const struct sq_vec *b, struct sq_rows rows, uint32_t *sel,
                           uint32_t *out)
{
    const char *op = n->fn->name;
    uint32_t k = 0;

    if ((phys != SQ_P_I32 && phys != SQ_P_I64 && phys != SQ_P_F64) || a->valid || b->valid || (a->enc == SQ_CONST && b->enc == SQ_CONST))
        return false;
    if (strcmp(op, "=") == 0)
        COMPARE(==);
    else if (strcmp(op, "<") == 0)
        COMPARE(<);
    else if (strcmp(op, "<=") == 0)
        COMPARE(<=);
    else if (strcmp(op, ">") == 0)
        COMPARE(>);
    else if (strcmp(op, ">=") == 0)
        COMPARE(>=);
    else if (strcmp(op, "<>") == 0)
        COMPARE(!=);
    else
        return false;
    *out = k;
    return true;
}

static sq_rc call_select(struct sq_program *p, struct node *n, uint32_t *sel, uint32_t *out, bool *done)
{
    const struct sq_vec *a, *b;
    enum sq_phys phys;

    *done = false;
    if (n->nargs != 2 || n->fn->name[0] < '<' || n->fn->name[0] > '>')
        return SQ_OK;
    phys = p->nodes[n->args[0]].phys;
    if (phys != p->nodes[n->args[1]].phys)
        return SQ_OK;
    SQ_TRY(sq_node_flat(p, n->args[0], &a));
    SQ_TRY(sq_node_flat(p, n->args[1], &b));
    *done = compare_select(n, phys, a, b, sq_scope_rows(p), sel, out);
    return SQ_OK;
}

static uint32_t true_rows(const struct sq_vec *v, struct sq_rows rows, uint32_t *sel)
{
    const uint8_t *x = v->data;
    const uint64_t *valid = v->valid;
    uint32_t k = 0;

    if (v->enc == SQ_CONST) {
        if (sq_vec_null(v, 0) || !x[0])
            return 0;
        SELECT_IF(true)
    } else if (valid) {
        SELECT_IF(x[r] & sq_bit(valid, r))
    } else {
        SELECT_IF(x[r])
    }
    return k;
}

sq_rc sq_node_pick(struct sq_program *p, uint32_t node, uint32_t *sel, uint32_t *out)
{
    struct node *n = &p->nodes[node];
    const struct sq_vec *v;
    bool done = false;

    *out = 0;
    if (sq_scope_rows(p).n == 0)
        return SQ_OK;
    if ((n->kind == SQ_X_AND || n->kind == SQ_X_OR) && !good_here(p, n->run, n->scope_id, n->scope_depth))
        return sq_lazy_select(p, n, sel, out);
    if (n->kind == SQ_X_CALL && n->kernel && !good_here(p, n->run, n->scope_id, n->scope_depth))
        SQ_TRY(call_select(p, n, sel, out, &done));
    if (done)
        return SQ_OK;
    SQ_TRY(sq_node_flat(p, node, &v));
    if (v->type->id != SQ_T_NULL)
        *out = true_rows(v, sq_scope_rows(p), sel);
    return SQ_OK;
}

sq_rc sq_program_select(struct sq_program *p, const struct sq_batch *b, uint32_t *sel, uint32_t *n)
{
    SQ_TRY(begin(p, b));
    return sq_node_pick(p, p->outs[0], sel, n);
}
