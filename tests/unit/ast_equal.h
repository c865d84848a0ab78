/* SPDX-License-Identifier: Apache-2.0
 *
 * ast_equal.h: two ASTs compared node by node, places aside. Written against ast.h, not against the printer, so that it finds what the
 * printer forgets. Names the first difference.
 */
#ifndef SQ_TESTS_AST_EQUAL_H
#define SQ_TESTS_AST_EQUAL_H

#include "parser/parser.h"

#define SAME(cond, what)      \
    do {                      \
        if (!(cond))          \
            return what;      \
    } while (0)
#define DEEP(call)                        \
    do {                                  \
        const char *diff_ = (call);       \
        if (diff_)                        \
            return diff_;                 \
    } while (0)

static const char *same_query(const struct sq_ast_query *, const struct sq_ast_query *);
static const char *same_expr(const struct sq_ast_expr *, const struct sq_ast_expr *);
static const char *same_from(const struct sq_ast_from *, const struct sq_ast_from *);

static bool same_str(struct sq_str a, struct sq_str b)
{
    return (a.p == NULL) == (b.p == NULL) && sq_str_eq(a, b);
}

static bool same_name(const struct sq_name *a, const struct sq_name *b)
{
    bool same = a->n == b->n;

    for (uint32_t i = 0; same && i < a->n; i++)
        same = sq_str_eq(a->part[i], b->part[i]);
    return same;
}

static bool same_strs(const struct sq_str *a, uint32_t na, const struct sq_str *b, uint32_t nb)
{
    bool same = na == nb;

    for (uint32_t i = 0; same && i < na; i++)
        same = sq_str_eq(a[i], b[i]);
    return same;
}

static bool same_kvs(const struct sq_kv *a, uint32_t na, const struct sq_kv *b, uint32_t nb)
{
    bool same = na == nb;

    for (uint32_t i = 0; same && i < na; i++)
        same = sq_str_eq(a[i].key, b[i].key) && sq_str_eq(a[i].value, b[i].value);
    return same;
}

static bool same_type(const struct sq_type *a, const struct sq_type *b)
{
    return a && b ? sq_type_equal(a, b, true) : a == b;
}

static const char *same_exprs(struct sq_ast_expr *const *a, uint32_t na, struct sq_ast_expr *const *b, uint32_t nb)
{
    SAME(na == nb, "number of expressions");
    for (uint32_t i = 0; i < na; i++)
        DEEP(same_expr(a[i], b[i]));
    return NULL;
}

static const char *same_orders(const struct sq_ast_order *a, uint32_t na, const struct sq_ast_order *b, uint32_t nb)
{
    SAME(na == nb, "number of ORDER BY items");
    for (uint32_t i = 0; i < na; i++) {
        SAME(a[i].desc == b[i].desc && a[i].nulls_given == b[i].nulls_given && a[i].nulls_first == b[i].nulls_first, "ORDER BY item");
        DEEP(same_expr(a[i].expr, b[i].expr));
    }
    return NULL;
}

static const char *same_over(const struct sq_ast_over *a, const struct sq_ast_over *b)
{
    SAME(!a == !b, "OVER");
    if (!a)
        return NULL;
    SAME(same_str(a->window, b->window), "OVER window");
    DEEP(same_exprs(a->partition, a->npartition, b->partition, b->npartition));
    DEEP(same_orders(a->order, a->norder, b->order, b->norder));
    SAME(a->framed == b->framed && a->range == b->range && a->from_following == b->from_following && a->to_following == b->to_following, "frame");
    DEEP(same_expr(a->from, b->from));
    return same_expr(a->to, b->to);
}

static const char *same_expr(const struct sq_ast_expr *a, const struct sq_ast_expr *b)
{
    SAME(!a == !b, "expression");
    if (!a)
        return NULL;
    SAME(a->kind == b->kind, "kind of expression");
    SAME(same_str(a->text, b->text), "text of expression");
    SAME(same_name(&a->name, &b->name), "name in expression");
    SAME(a->ival == b->ival && a->ival2 == b->ival2 && a->prec == b->prec, "ival, ival2, prec");
    SAME(a->negated == b->negated && a->distinct == b->distinct && a->star == b->star && a->syntax == b->syntax, "flags of expression");
    SAME(same_type(a->type, b->type), "type in expression");
    SAME(a->height == b->height, "height of expression");
    DEEP(same_exprs(a->args, a->nargs, b->args, b->nargs));
    DEEP(same_expr(a->filter, b->filter));
    DEEP(same_over(a->over, b->over));
    DEEP(same_query(a->query, b->query));
    DEEP(same_from(a->from, b->from));
    return same_orders(a->order, a->norder, b->order, b->norder);
}

static const char *same_from(const struct sq_ast_from *a, const struct sq_ast_from *b)
{
    SAME(!a == !b, "FROM");
    if (!a)
        return NULL;
    SAME(a->kind == b->kind && a->lateral == b->lateral && a->join == b->join && a->natural == b->natural && a->comma == b->comma &&
             a->ordinality == b->ordinality, "kind of FROM item");
    SAME(same_name(&a->name, &b->name), "table");
    SAME(same_kvs(a->hint, a->nhint, b->hint, b->nhint), "hint");
    SAME(same_str(a->alias, b->alias) && same_strs(a->cols, a->ncols, b->cols, b->ncols), "alias");
    SAME(same_strs(a->using_cols, a->nusing, b->using_cols, b->nusing), "USING");
    SAME(same_str(a->raw, b->raw), "MATCH_RECOGNIZE");
    DEEP(same_expr(a->as_of, b->as_of));
    DEEP(same_query(a->query, b->query));
    DEEP(same_expr(a->call, b->call));
    DEEP(same_from(a->left, b->left));
    DEEP(same_from(a->right, b->right));
    return same_expr(a->on, b->on);
}

static const char *same_group(const struct sq_ast_group *a, const struct sq_ast_group *b)
{
    SAME(a->kind == b->kind && a->nsub == b->nsub, "GROUP BY element");
    for (uint32_t i = 0; i < a->nsub; i++)
        DEEP(same_group(a->sub[i], b->sub[i]));
    return same_expr(a->expr, b->expr);
}

static const char *same_query(const struct sq_ast_query *a, const struct sq_ast_query *b)
{
    SAME(!a == !b, "query");
    if (!a)
        return NULL;
    SAME(a->kind == b->kind && a->distinct == b->distinct && a->all == b->all && a->grouped == b->grouped && a->group_distinct == b->group_distinct, "query");
    SAME(a->nwith == b->nwith && a->nitems == b->nitems && a->ngroup == b->ngroup && a->nwindows == b->nwindows, "parts of query");
    SAME(same_str(a->hint_text, b->hint_text) && same_kvs(a->hint, a->nhint, b->hint, b->nhint), "hint of SELECT");
    for (uint32_t i = 0; i < a->nwith; i++) {
        SAME(sq_str_eq(a->with[i].name, b->with[i].name) && same_strs(a->with[i].cols, a->with[i].ncols, b->with[i].cols, b->with[i].ncols), "WITH");
        DEEP(same_query(a->with[i].query, b->with[i].query));
    }
    for (uint32_t i = 0; i < a->nitems; i++) {
        SAME(same_str(a->items[i].alias, b->items[i].alias), "alias of item");
        DEEP(same_expr(a->items[i].expr, b->items[i].expr));
    }
    DEEP(same_from(a->from, b->from));
    DEEP(same_expr(a->where, b->where));
    for (uint32_t i = 0; i < a->ngroup; i++)
        DEEP(same_group(a->group[i], b->group[i]));
    DEEP(same_expr(a->having, b->having));
    DEEP(same_expr(a->qualify, b->qualify));
    for (uint32_t i = 0; i < a->nwindows; i++) {
        SAME(sq_str_eq(a->windows[i].name, b->windows[i].name), "WINDOW");
        DEEP(same_over(a->windows[i].over, b->windows[i].over));
    }
    DEEP(same_exprs(a->rows, a->nrows, b->rows, b->nrows));
    DEEP(same_query(a->left, b->left));
    DEEP(same_query(a->right, b->right));
    DEEP(same_orders(a->order, a->norder, b->order, b->norder));
    DEEP(same_expr(a->limit, b->limit));
    return same_expr(a->offset, b->offset);
}

static const char *same_table(const struct sq_ast_table *a, const struct sq_ast_table *b)
{
    SAME(!a == !b, "table");
    if (!a)
        return NULL;
    SAME(same_name(&a->name, &b->name) && a->temporary == b->temporary && a->if_not_exists == b->if_not_exists && a->or_replace == b->or_replace, "table");
    SAME(a->ncols == b->ncols, "number of columns");
    for (uint32_t i = 0; i < a->ncols; i++) {
        const struct sq_ast_coldef *x = &a->cols[i], *y = &b->cols[i];

        SAME(x->kind == y->kind && sq_str_eq(x->name, y->name) && x->is_virtual == y->is_virtual && x->primary_key == y->primary_key, "column");
        SAME(same_type(x->type, y->type) && same_str(x->time_name, y->time_name), "type of column");
        SAME(same_str(x->metadata_key, y->metadata_key) && same_str(x->comment, y->comment), "metadata or comment of column");
        DEEP(same_expr(x->expr, y->expr));
    }
    SAME(!a->watermark == !b->watermark, "watermark");
    if (a->watermark) {
        SAME(same_name(&a->watermark->col, &b->watermark->col), "column of watermark");
        DEEP(same_expr(a->watermark->expr, b->watermark->expr));
    }
    SAME(same_strs(a->pk, a->npk, b->pk, b->npk) && same_str(a->pk_name, b->pk_name), "primary key");
    SAME(a->pk_enforced == b->pk_enforced && a->pk_enforced_given == b->pk_enforced_given, "ENFORCED");
    SAME(same_str(a->comment, b->comment) && same_strs(a->partition, a->npartition, b->partition, b->npartition), "comment, partition");
    SAME(same_str(a->distributed, b->distributed), "DISTRIBUTED");
    SAME(!a->options == !b->options && same_kvs(a->options, a->noptions, b->options, b->noptions), "WITH");
    SAME(!a->like == !b->like, "LIKE");
    if (a->like)
        SAME(same_name(&a->like->table, &b->like->table) && same_strs(a->like->options, a->like->noptions, b->like->options, b->like->noptions), "LIKE");
    return same_query(a->as, b->as);
}

static const char *same_insert(const struct sq_ast_insert *a, const struct sq_ast_insert *b)
{
    SAME(!a == !b, "insert");
    if (!a)
        return NULL;
    SAME(same_name(&a->table, &b->table) && a->overwrite == b->overwrite, "insert");
    SAME(same_kvs(a->hint, a->nhint, b->hint, b->nhint) && same_kvs(a->partition, a->npartition, b->partition, b->npartition), "hint or partition of insert");
    SAME(same_strs(a->cols, a->ncols, b->cols, b->ncols), "columns of insert");
    return same_query(a->query, b->query);
}

static const char *same_stmt(const struct sq_ast_stmt *a, const struct sq_ast_stmt *b)
{
    SAME(!a == !b, "statement");
    if (!a)
        return NULL;
    SAME(a->kind == b->kind && a->object == b->object && a->alter == b->alter && a->show == b->show && a->nparams == b->nparams, "kind of statement");
    SAME(a->if_exists == b->if_exists && a->temporary == b->temporary && a->if_not_exists == b->if_not_exists && a->cascade == b->cascade &&
             a->like_negated == b->like_negated && a->drain == b->drain && a->savepoint == b->savepoint, "flags of statement");
    SAME(same_str(a->savepoint_path, b->savepoint_path), "path of savepoint");
    SAME(same_name(&a->name, &b->name) && same_name(&a->new_name, &b->new_name), "name of statement");
    SAME(same_strs(a->cols, a->ncols, b->cols, b->ncols) && same_str(a->text, b->text) && same_str(a->raw, b->raw), "columns or text of statement");
    SAME(same_kvs(a->options, a->noptions, b->options, b->noptions), "options of statement");
    SAME(same_strs(a->explain_details, a->nexplain, b->explain_details, b->nexplain), "details of EXPLAIN");
    SAME(a->ninserts == b->ninserts, "statement set");
    for (uint32_t i = 0; i < a->ninserts; i++)
        DEEP(same_insert(a->inserts[i], b->inserts[i]));
    DEEP(same_query(a->query, b->query));
    DEEP(same_insert(a->insert, b->insert));
    DEEP(same_table(a->table, b->table));
    return same_stmt(a->explained, b->explained);
}
#endif
