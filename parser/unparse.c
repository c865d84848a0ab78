/* SPDX-License-Identifier: Apache-2.0
 *
 * unparse.c: an AST as SQL that parses to the same AST. Expressions and queries; statements are in unparse_stmt.c.
 *
 * Parentheses come from precedence alone: each expression is asked for at a level, and is put in parentheses when it is of a lower one.
 * Depth is bounded because the height of an AST is.
 */
#include "parser/unparse.h"
#include "parser/internal.h"

/* From the loosest to the tightest; the grammar's levels. */
enum level { L_ANY, L_OR, L_AND, L_NOT, L_IS, L_COMPARE, L_IN, L_ADD, L_MUL, L_ZONE, L_UNARY, L_POSTFIX };

/* ---- words ---- */

sq_rc sq_unparse_ident(struct sq_buf *b, struct sq_str s)
{
    const struct sq_keyword *k = sq_keyword_find(s);
    static const char *const bare[] = {"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"};
    bool quote = s.n == 0 || (k && k->flags & (SQ_KW_RESERVED | SQ_KW_QUOTE)) || (s.p[0] >= '0' && s.p[0] <= '9') || s.p[0] == '$';

    for (uint32_t i = 0; !quote && i < s.n; i++) {
        char c = s.p[i];
        quote = !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$');
    }
    for (size_t i = 0; !quote && i < SQ_LEN(bare); i++)
        quote = sq_str_iis(s, bare[i]);
    if (!quote)
        return sq_buf_str(b, s);
    sq_buf_putc(b, '`');
    for (uint32_t i = 0; i < s.n; i++) {
        if (s.p[i] == '`')
            sq_buf_putc(b, '`');
        sq_buf_putc(b, s.p[i]);
    }
    return sq_buf_putc(b, '`');
}

sq_rc sq_unparse_string(struct sq_buf *b, struct sq_str s)
{
    uint32_t from = 0;

    sq_buf_putc(b, '\'');
    for (uint32_t i = 0; i < s.n; i++)
        if (s.p[i] == '\'') {
            sq_buf_add(b, s.p + from, i + 1 - from);
            from = i;
        }
    sq_buf_add(b, s.p + from, s.n - from);
    return sq_buf_putc(b, '\'');
}

void sq_unparse_name(struct sq_buf *b, const struct sq_name *n)
{
    for (uint32_t i = 0; i < n->n; i++) {
        if (i)
            sq_buf_putc(b, '.');
        sq_unparse_ident(b, n->part[i]);
    }
}

void sq_unparse_names(struct sq_buf *b, const struct sq_str *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            sq_buf_puts(b, ", ");
        sq_unparse_ident(b, v[i]);
    }
}

void sq_unparse_kvs(struct sq_buf *b, const struct sq_kv *kv, uint32_t n, const char *sep)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            sq_buf_puts(b, sep);
        sq_unparse_string(b, kv[i].key);
        sq_buf_puts(b, " = ");
        sq_unparse_string(b, kv[i].value);
    }
}

void sq_unparse_hint(struct sq_buf *b, const struct sq_kv *kv, uint32_t n)
{
    if (n == 0)
        return;
    sq_buf_puts(b, " /*+ OPTIONS(");
    sq_unparse_kvs(b, kv, n, ", ");
    sq_buf_puts(b, ") */");
}

/* ---- expressions ---- */

static void expr(struct sq_buf *, const struct sq_ast_expr *, enum level);
static void from_item(struct sq_buf *, const struct sq_ast_from *);

static enum level level_of_op(int64_t op)
{
    switch (op) {
    case SQ_OP_OR: return L_OR;
    case SQ_OP_AND: return L_AND;
    case SQ_OP_NOT: return L_NOT;
    case SQ_OP_ADD: case SQ_OP_SUB: return L_ADD;
    case SQ_OP_MUL: case SQ_OP_DIV: case SQ_OP_MOD: case SQ_OP_CONCAT: return L_MUL;
    case SQ_OP_NEG: case SQ_OP_POS: return L_UNARY;
    default: return L_COMPARE;
    }
}

static enum level level_of(const struct sq_ast_expr *e)
{
    switch (e->kind) {
    case SQ_A_UNARY: case SQ_A_BINARY_OP: return level_of_op(e->ival);
    case SQ_A_QUANTIFIED: return L_COMPARE;
    case SQ_A_IS: return L_IS;
    case SQ_A_DISTINCT_FROM: case SQ_A_BETWEEN: case SQ_A_LIKE: case SQ_A_IN: return L_IN;
    case SQ_A_AT_TIME_ZONE: return L_ZONE;
    default: return L_POSTFIX;
    }
}

static void list(struct sq_buf *b, struct sq_ast_expr *const *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            sq_buf_puts(b, ", ");
        expr(b, v[i], L_ANY);
    }
}

static void orders(struct sq_buf *b, const struct sq_ast_order *o, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            sq_buf_puts(b, ", ");
        expr(b, o[i].expr, L_ANY);
        if (o[i].desc)
            sq_buf_puts(b, " DESC");
        if (o[i].nulls_given)
            sq_buf_puts(b, o[i].nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
}

static void order_by(struct sq_buf *b, const struct sq_ast_order *o, uint32_t n)
{
    if (n == 0)
        return;
    sq_buf_puts(b, " ORDER BY ");
    orders(b, o, n);
}

static void subquery(struct sq_buf *b, const struct sq_ast_query *q)
{
    sq_buf_putc(b, '(');
    sq_unparse_query(b, q);
    sq_buf_putc(b, ')');
}

static void bound(struct sq_buf *b, const struct sq_ast_expr *e, bool following)
{
    if (e && e->kind == SQ_A_SYMBOL) {
        sq_buf_str(b, e->text);
        return;
    }
    if (e)
        expr(b, e, L_ADD);
    else
        sq_buf_puts(b, "UNBOUNDED");
    sq_buf_puts(b, following ? " FOLLOWING" : " PRECEDING");
}

static void window_spec(struct sq_buf *b, const struct sq_ast_over *o)
{
    const char *sep = "";

    sq_buf_putc(b, '(');
    if (o->npartition) {
        sq_buf_puts(b, "PARTITION BY ");
        list(b, o->partition, o->npartition);
        sep = " ";
    }
    if (o->norder) {
        sq_buf_printf(b, "%sORDER BY ", sep);
        orders(b, o->order, o->norder);
        sep = " ";
    }
    if (o->framed) {
        sq_buf_printf(b, "%s%s BETWEEN ", sep, o->range ? "RANGE" : "ROWS");
        bound(b, o->from, o->from_following);
        sq_buf_puts(b, " AND ");
        bound(b, o->to, o->to_following);
    }
    sq_buf_putc(b, ')');
}

/* Functions whose name in front of a '(' is read as something else. */
static void function_name(struct sq_buf *b, struct sq_str s)
{
    static const char *const special[] = {"ROW", "POSITION", "DESCRIPTOR", "ROLLUP", "CUBE"};

    for (size_t i = 0; i < SQ_LEN(special); i++)
        if (sq_str_iis(s, special[i])) {
            sq_buf_printf(b, "`%.*s`", SQ_FMT(s));
            return;
        }
    sq_unparse_ident(b, s);
}

static void call_args(struct sq_buf *b, const struct sq_ast_expr *e)
{
    switch ((enum sq_call_syntax)e->syntax) {
    case SQ_CALL_FROM:
        expr(b, e->args[0], L_ANY);
        sq_buf_puts(b, " FROM ");
        expr(b, e->args[1], L_ANY);
        if (e->nargs > 2) {
            sq_buf_puts(b, " FOR ");
            expr(b, e->args[2], L_ANY);
        }
        break;
    case SQ_CALL_TO:
        expr(b, e->args[0], L_ANY);
        sq_buf_puts(b, " TO ");
        expr(b, e->args[1], L_ANY);
        break;
    case SQ_CALL_IN:
        expr(b, e->args[0], L_ADD);
        sq_buf_puts(b, " IN ");
        expr(b, e->args[1], L_ADD);
        if (e->nargs > 2) {
            sq_buf_puts(b, " FROM ");
            expr(b, e->args[2], L_ANY);
        }
        break;
    case SQ_CALL_TRIM:
        sq_buf_str(b, e->args[0]->text);
        sq_buf_putc(b, ' ');
        expr(b, e->args[1], L_ANY);
        sq_buf_puts(b, " FROM ");
        expr(b, e->args[2], L_ANY);
        break;
    case SQ_CALL_OVERLAY:
        expr(b, e->args[0], L_ANY);
        sq_buf_puts(b, " PLACING ");
        expr(b, e->args[1], L_ANY);
        sq_buf_puts(b, " FROM ");
        expr(b, e->args[2], L_ANY);
        if (e->nargs > 3) {
            sq_buf_puts(b, " FOR ");
            expr(b, e->args[3], L_ANY);
        }
        break;
    default:
        if (e->star)
            sq_buf_putc(b, '*');
        if (e->distinct)
            sq_buf_puts(b, "DISTINCT ");
        list(b, e->args, e->nargs);
    }
}

static void call(struct sq_buf *b, const struct sq_ast_expr *e)
{
    if (e->syntax == SQ_CALL_NOPARENS) {
        sq_buf_str(b, e->text);
    } else {
        bool within = e->norder && (e->nargs == 0 || e->syntax != SQ_CALL_PLAIN);

        if (e->name.n)
            sq_unparse_name(b, &e->name);
        else if (e->syntax == SQ_CALL_IN)
            sq_buf_str(b, e->text);
        else
            function_name(b, e->text);
        sq_buf_putc(b, '(');
        call_args(b, e);
        if (!within)
            order_by(b, e->order, e->norder);
        sq_buf_putc(b, ')');
        if (within) {
            sq_buf_puts(b, " WITHIN GROUP (ORDER BY ");
            orders(b, e->order, e->norder);
            sq_buf_putc(b, ')');
        }
    }
    if (e->filter) {
        sq_buf_puts(b, " FILTER (WHERE ");
        expr(b, e->filter, L_ANY);
        sq_buf_putc(b, ')');
    }
    if (e->over) {
        sq_buf_puts(b, " OVER ");
        if (e->over->window.p)
            sq_unparse_ident(b, e->over->window);
        else
            window_spec(b, e->over);
    }
}

static void interval(struct sq_buf *b, const struct sq_ast_expr *e)
{
    sq_buf_puts(b, "INTERVAL ");
    sq_unparse_string(b, e->text);
    sq_buf_printf(b, " %s", sq_unit_name((int)e->ival));
    if (e->prec >= 0)
        sq_buf_printf(b, "(%d)", (int)e->prec);
    if (e->ival2 >= 0)
        sq_buf_printf(b, " TO %s", sq_unit_name((int)e->ival2));
}

static void typed(struct sq_buf *b, const struct sq_ast_expr *e)
{
    switch (e->type->id) {
    case SQ_T_DATE: sq_buf_puts(b, "DATE "); break;
    case SQ_T_TIME: sq_buf_puts(b, "TIME "); break;
    case SQ_T_TIMESTAMP: sq_buf_puts(b, "TIMESTAMP "); break;
    default: sq_buf_puts(b, "TIMESTAMP WITH LOCAL TIME ZONE ");
    }
    sq_unparse_string(b, e->text);
}

static void case_when(struct sq_buf *b, const struct sq_ast_expr *e)
{
    uint32_t i = 0, end = e->nargs - (e->ival2 ? 1 : 0);

    sq_buf_puts(b, "CASE");
    if (e->ival) {
        sq_buf_putc(b, ' ');
        expr(b, e->args[i++], L_ANY);
    }
    for (; i + 2 <= end; i += 2) {
        sq_buf_puts(b, " WHEN ");
        expr(b, e->args[i], L_ANY);
        sq_buf_puts(b, " THEN ");
        expr(b, e->args[i + 1], L_ANY);
    }
    if (e->ival2) {
        sq_buf_puts(b, " ELSE ");
        expr(b, e->args[e->nargs - 1], L_ANY);
    }
    sq_buf_puts(b, " END");
}

static void unary(struct sq_buf *b, const struct sq_ast_expr *e)
{
    if (e->ival == SQ_OP_NOT) {
        sq_buf_puts(b, "NOT ");
        expr(b, e->args[0], L_NOT);
    } else {
        sq_buf_puts(b, sq_ast_op_name((int)e->ival));
        if (level_of(e->args[0]) == L_UNARY)   /* two signs in a row would be a comment */
            sq_buf_putc(b, ' ');
        expr(b, e->args[0], L_UNARY);
    }
}

static void in(struct sq_buf *b, const struct sq_ast_expr *e)
{
    expr(b, e->args[0], L_IN);
    sq_buf_puts(b, e->negated ? " NOT IN " : " IN ");
    if (e->query) {
        subquery(b, e->query);
        return;
    }
    sq_buf_putc(b, '(');
    list(b, e->args + 1, e->nargs - 1);
    sq_buf_putc(b, ')');
}

static void is(struct sq_buf *b, const struct sq_ast_expr *e)
{
    static const char *const what[] = {"NULL", "TRUE", "FALSE", "UNKNOWN", "JSON"};

    expr(b, e->args[0], L_IS);
    sq_buf_printf(b, " IS %s%s", e->negated ? "NOT " : "", what[e->ival]);
    if (e->text.n)
        sq_buf_printf(b, " %.*s", SQ_FMT(e->text));
}

static void table_arg(struct sq_buf *b, const struct sq_ast_expr *e)
{
    sq_buf_puts(b, "TABLE ");
    from_item(b, e->from);
    if (e->nargs) {
        sq_buf_puts(b, " PARTITION BY ");
        if (e->nargs == 1 && e->args[0]->kind == SQ_A_NAME) {
            sq_unparse_name(b, &e->args[0]->name);
        } else {
            sq_buf_putc(b, '(');
            list(b, e->args, e->nargs);
            sq_buf_putc(b, ')');
        }
    }
    order_by(b, e->order, e->norder);
}

static void binary_literal(struct sq_buf *b, struct sq_str s)
{
    sq_buf_puts(b, "X'");
    for (uint32_t i = 0; i < s.n; i++)
        sq_buf_printf(b, "%02X", (unsigned char)s.p[i]);
    sq_buf_putc(b, '\'');
}

/* A column whose fields are asked for needs parentheses, or its name would just be longer. Four parts cannot be longer. */
static void field(struct sq_buf *b, const struct sq_ast_expr *e)
{
    const struct sq_ast_expr *of = e->args[0];
    bool parens = of->kind == SQ_A_NAME && of->name.n < SQ_LEN(of->name.part);

    if (parens)
        sq_buf_putc(b, '(');
    expr(b, of, L_POSTFIX);
    if (parens)
        sq_buf_putc(b, ')');
    sq_buf_putc(b, '.');
    sq_unparse_ident(b, e->text);
}

static void infix(struct sq_buf *b, const struct sq_ast_expr *e)
{
    enum level l = level_of(e);

    expr(b, e->args[0], l);
    sq_buf_printf(b, " %s ", sq_ast_op_name((int)e->ival));
    expr(b, e->args[1], l + 1);
}

static void bare(struct sq_buf *b, const struct sq_ast_expr *e)
{
    switch (e->kind) {
    case SQ_A_NULL: sq_buf_puts(b, "NULL"); break;
    case SQ_A_BOOL: sq_buf_puts(b, e->ival ? "TRUE" : "FALSE"); break;
    case SQ_A_NUMBER: sq_buf_str(b, e->text); break;
    case SQ_A_STRING: sq_unparse_string(b, e->text); break;
    case SQ_A_BINARY: binary_literal(b, e->text); break;
    case SQ_A_TYPED: typed(b, e); break;
    case SQ_A_INTERVAL: interval(b, e); break;
    case SQ_A_NAME: sq_unparse_name(b, &e->name); break;
    case SQ_A_STAR:
        sq_unparse_name(b, &e->name);
        sq_buf_puts(b, e->name.n ? ".*" : "*");
        break;
    case SQ_A_PARAM: sq_buf_putc(b, '?'); break;
    case SQ_A_SYMBOL: sq_unparse_ident(b, e->text); break;   /* DAY, or whatever word was written in its place */
    case SQ_A_CALL: call(b, e); break;
    case SQ_A_UNARY: unary(b, e); break;
    case SQ_A_BINARY_OP: infix(b, e); break;
    case SQ_A_IS: is(b, e); break;
    case SQ_A_DISTINCT_FROM:
        expr(b, e->args[0], L_IN);
        sq_buf_puts(b, e->negated ? " IS NOT DISTINCT FROM " : " IS DISTINCT FROM ");
        expr(b, e->args[1], L_ADD);
        break;
    case SQ_A_BETWEEN:
        expr(b, e->args[0], L_IN);
        sq_buf_printf(b, "%s BETWEEN %s", e->negated ? " NOT" : "", e->ival ? "SYMMETRIC " : "");
        expr(b, e->args[1], L_ADD);
        sq_buf_puts(b, " AND ");
        expr(b, e->args[2], L_ADD);
        break;
    case SQ_A_LIKE:
        expr(b, e->args[0], L_IN);
        sq_buf_printf(b, "%s %s ", e->negated ? " NOT" : "", e->ival ? "SIMILAR TO" : "LIKE");
        expr(b, e->args[1], L_ADD);
        if (e->nargs > 2) {
            sq_buf_puts(b, " ESCAPE ");
            expr(b, e->args[2], L_ADD);
        }
        break;
    case SQ_A_IN: in(b, e); break;
    case SQ_A_EXISTS:
        sq_buf_puts(b, "EXISTS ");
        subquery(b, e->query);
        break;
    case SQ_A_SUBQUERY: subquery(b, e->query); break;
    case SQ_A_QUANTIFIED:
        expr(b, e->args[0], L_COMPARE);
        sq_buf_printf(b, " %s %s ", sq_ast_op_name((int)e->ival), e->ival2 ? "ALL" : "SOME");
        subquery(b, e->query);
        break;
    case SQ_A_CASE: case_when(b, e); break;
    case SQ_A_CAST:
        sq_buf_puts(b, e->ival ? "TRY_CAST(" : "CAST(");
        expr(b, e->args[0], L_ANY);
        sq_buf_puts(b, " AS ");
        sq_unparse_type(b, e->type);
        sq_buf_putc(b, ')');
        break;
    case SQ_A_ROW:
        sq_buf_puts(b, "ROW(");
        list(b, e->args, e->nargs);
        sq_buf_putc(b, ')');
        break;
    case SQ_A_ARRAY: case SQ_A_MAP:
        sq_buf_puts(b, e->kind == SQ_A_MAP ? "MAP[" : "ARRAY[");
        list(b, e->args, e->nargs);
        sq_buf_putc(b, ']');
        break;
    case SQ_A_INDEX:
        expr(b, e->args[0], L_POSTFIX);
        sq_buf_putc(b, '[');
        expr(b, e->args[1], L_ANY);
        sq_buf_putc(b, ']');
        break;
    case SQ_A_FIELD: field(b, e); break;
    case SQ_A_AT_TIME_ZONE:
        expr(b, e->args[0], L_ZONE);
        sq_buf_puts(b, " AT TIME ZONE ");
        expr(b, e->args[1], L_ZONE + 1);
        break;
    case SQ_A_DESCRIPTOR:
        sq_buf_puts(b, "DESCRIPTOR(");
        list(b, e->args, e->nargs);
        sq_buf_putc(b, ')');
        break;
    case SQ_A_TABLE_ARG: table_arg(b, e); break;
    case SQ_A_NAMED_ARG:
        sq_unparse_ident(b, e->text);
        sq_buf_puts(b, " => ");
        expr(b, e->args[0], L_ANY);
        break;
    }
}

static void expr(struct sq_buf *b, const struct sq_ast_expr *e, enum level need)
{
    bool parens = level_of(e) < need;

    if (parens)
        sq_buf_putc(b, '(');
    bare(b, e);
    if (parens)
        sq_buf_putc(b, ')');
}

sq_rc sq_unparse_expr(struct sq_buf *b, const struct sq_ast_expr *e)
{
    expr(b, e, L_ANY);
    return b->rc;
}

/* ---- FROM ---- */

static const char *join_word(const struct sq_ast_from *f)
{
    switch (f->join) {
    case SQ_JOIN_LEFT: return "LEFT JOIN";
    case SQ_JOIN_RIGHT: return "RIGHT JOIN";
    case SQ_JOIN_FULL: return "FULL JOIN";
    case SQ_JOIN_CROSS: return "CROSS JOIN";
    case SQ_JOIN_SEMI: return "LEFT SEMI JOIN";
    case SQ_JOIN_ANTI: return "LEFT ANTI JOIN";
    default: return "JOIN";
    }
}

static void in_parens(struct sq_buf *b, const struct sq_ast_from *f, bool parens)
{
    if (parens)
        sq_buf_putc(b, '(');
    from_item(b, f);
    if (parens)
        sq_buf_putc(b, ')');
}

static void join(struct sq_buf *b, const struct sq_ast_from *f)
{
    in_parens(b, f->left, f->left->kind == SQ_F_JOIN && f->left->comma && !f->comma);
    if (f->comma)
        sq_buf_puts(b, ", ");
    else
        sq_buf_printf(b, "%s %s ", f->natural ? " NATURAL" : "", join_word(f));
    in_parens(b, f->right, f->right->kind == SQ_F_JOIN && (!f->comma || f->right->comma));
    if (f->on) {
        sq_buf_puts(b, " ON ");
        expr(b, f->on, L_ANY);
    }
    if (f->nusing) {
        sq_buf_puts(b, " USING (");
        sq_unparse_names(b, f->using_cols, f->nusing);
        sq_buf_putc(b, ')');
    }
}

static void alias(struct sq_buf *b, const struct sq_ast_from *f)
{
    if (f->raw.p) {
        sq_buf_putc(b, ' ');
        sq_buf_str(b, f->raw);
    }
    if (!f->alias.p)
        return;
    sq_buf_puts(b, " AS ");
    sq_unparse_ident(b, f->alias);
    if (f->ncols) {
        sq_buf_puts(b, " (");
        sq_unparse_names(b, f->cols, f->ncols);
        sq_buf_putc(b, ')');
    }
}

static void from_item(struct sq_buf *b, const struct sq_ast_from *f)
{
    if (f->kind == SQ_F_JOIN) {
        join(b, f);
        return;
    }
    if (f->lateral)
        sq_buf_puts(b, "LATERAL ");
    switch (f->kind) {
    case SQ_F_TABLE:
        sq_unparse_name(b, &f->name);
        sq_unparse_hint(b, f->hint, f->nhint);
        if (f->as_of) {
            sq_buf_puts(b, " FOR SYSTEM_TIME AS OF ");
            expr(b, f->as_of, L_ADD);
        }
        break;
    case SQ_F_FUNCTION:
        sq_buf_puts(b, "TABLE(");
        call(b, f->call);
        sq_buf_putc(b, ')');
        break;
    case SQ_F_UNNEST:
        sq_buf_puts(b, "UNNEST(");
        expr(b, f->call, L_ANY);
        sq_buf_puts(b, f->ordinality ? ") WITH ORDINALITY" : ")");
        break;
    default:
        subquery(b, f->query);
    }
    alias(b, f);
}

/* ---- queries ---- */

static void group(struct sq_buf *b, const struct sq_ast_group *g)
{
    static const char *const words[] = {"", "", "ROLLUP ", "CUBE ", "GROUPING SETS "};

    if (g->kind == SQ_G_EXPR) {
        bool tuple = g->expr->kind == SQ_A_ROW && g->expr->nargs > 1;   /* (a, b): one element of two columns */

        if (tuple)
            sq_buf_putc(b, '(');
        if (tuple)
            list(b, g->expr->args, g->expr->nargs);
        else
            expr(b, g->expr, L_ANY);
        if (tuple)
            sq_buf_putc(b, ')');
        return;
    }
    sq_buf_printf(b, "%s(", words[g->kind]);
    for (uint32_t i = 0; i < g->nsub; i++) {
        if (i)
            sq_buf_puts(b, ", ");
        group(b, g->sub[i]);
    }
    sq_buf_putc(b, ')');
}

static void item(struct sq_buf *b, const struct sq_ast_item *i)
{
    expr(b, i->expr, L_ANY);
    if (i->alias.p) {
        sq_buf_puts(b, " AS ");
        sq_unparse_ident(b, i->alias);
    }
}

static void select(struct sq_buf *b, const struct sq_ast_query *q)
{
    sq_buf_puts(b, "SELECT ");
    if (q->hint_text.p) {
        sq_buf_puts(b, "/*+ ");
        sq_buf_str(b, q->hint_text);
        sq_buf_puts(b, " */ ");
    }
    if (q->distinct)
        sq_buf_puts(b, "DISTINCT ");
    for (uint32_t i = 0; i < q->nitems; i++) {
        if (i)
            sq_buf_puts(b, ", ");
        item(b, &q->items[i]);
    }
    if (q->from) {
        sq_buf_puts(b, " FROM ");
        from_item(b, q->from);
    }
    if (q->where) {
        sq_buf_puts(b, " WHERE ");
        expr(b, q->where, L_ANY);
    }
    if (q->grouped) {
        sq_buf_puts(b, q->group_distinct ? " GROUP BY DISTINCT " : " GROUP BY ");
        for (uint32_t i = 0; i < q->ngroup; i++) {
            if (i)
                sq_buf_puts(b, ", ");
            group(b, q->group[i]);
        }
    }
    if (q->having) {
        sq_buf_puts(b, " HAVING ");
        expr(b, q->having, L_ANY);
    }
    for (uint32_t i = 0; i < q->nwindows; i++) {
        sq_buf_puts(b, i ? ", " : " WINDOW ");
        sq_unparse_ident(b, q->windows[i].name);
        sq_buf_puts(b, " AS ");
        window_spec(b, q->windows[i].over);
    }
    if (q->qualify) {
        sq_buf_puts(b, " QUALIFY ");
        expr(b, q->qualify, L_ANY);
    }
}

static void values(struct sq_buf *b, const struct sq_ast_query *q)
{
    sq_buf_puts(b, "VALUES ");
    for (uint32_t i = 0; i < q->nrows; i++) {
        const struct sq_ast_expr *e = q->rows[i];

        if (i)
            sq_buf_puts(b, ", ");
        if (e->kind != SQ_A_ROW || e->nargs < 2) {
            expr(b, e, L_ANY);
            continue;
        }
        sq_buf_putc(b, '(');
        list(b, e->args, e->nargs);
        sq_buf_putc(b, ')');
    }
}

static bool has_tail(const struct sq_ast_query *q)
{
    return q->nwith || q->norder || q->limit || q->offset;
}

/* An operand of a set operation: in parentheses when it has clauses of its own or binds looser. */
static void operand(struct sq_buf *b, const struct sq_ast_query *q, bool intersect, bool right)
{
    bool sets = q->kind == SQ_Q_UNION || q->kind == SQ_Q_EXCEPT;
    bool parens = has_tail(q) || (sets && (intersect || right)) || (q->kind == SQ_Q_INTERSECT && intersect && right);

    if (parens)
        subquery(b, q);
    else
        sq_unparse_query(b, q);
}

static void set_operation(struct sq_buf *b, const struct sq_ast_query *q)
{
    bool intersect = q->kind == SQ_Q_INTERSECT;

    operand(b, q->left, intersect, false);
    sq_buf_printf(b, " %s%s ", intersect ? "INTERSECT" : q->kind == SQ_Q_UNION ? "UNION" : "EXCEPT", q->all ? " ALL" : "");
    operand(b, q->right, intersect, true);
}

sq_rc sq_unparse_query(struct sq_buf *b, const struct sq_ast_query *q)
{
    for (uint32_t i = 0; i < q->nwith; i++) {
        sq_buf_puts(b, i ? ", " : "WITH ");
        sq_unparse_ident(b, q->with[i].name);
        if (q->with[i].ncols) {
            sq_buf_puts(b, " (");
            sq_unparse_names(b, q->with[i].cols, q->with[i].ncols);
            sq_buf_putc(b, ')');
        }
        sq_buf_puts(b, " AS ");
        subquery(b, q->with[i].query);
    }
    if (q->nwith)
        sq_buf_putc(b, ' ');
    if (q->kind == SQ_Q_SELECT)
        select(b, q);
    else if (q->kind == SQ_Q_VALUES)
        values(b, q);
    else
        set_operation(b, q);
    order_by(b, q->order, q->norder);
    if (q->limit) {
        sq_buf_puts(b, " LIMIT ");
        expr(b, q->limit, L_ADD);
    }
    if (q->offset) {
        sq_buf_puts(b, " OFFSET ");
        expr(b, q->offset, L_ADD);
    }
    return b->rc;
}
