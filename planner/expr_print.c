/* SPDX-License-Identifier: Apache-2.0
 *
 * expr_print.c: bound expressions as text, and whether two of them are the same.
 *
 * The text is for people (EXPLAIN, names of computed columns): operators in infix with the parentheses that precedence needs.
 */
#include "parser/parser.h"
#include "planner/plan.h"

#include "base/text.h"

/* ---- equality ---- */

static bool same_value(const struct sq_vec *a, const struct sq_vec *b)
{
    bool null = sq_vec_null(a, 0);
    if (!sq_type_equal(a->type, b->type, false) || null != sq_vec_null(b, 0))
        return false;
    if (null)
        return true;
    if (sq_tid_is_approx(a->type->id))                           /* 0.0 and -0.0 compare equal and are not the same */
        return memcmp(a->data, b->data, sq_phys_size(sq_type_phys(a->type))) == 0;
    return sq_vec_compare(a, 0, b, 0) == 0;
}

bool sq_expr_equal(const struct sq_expr *a, const struct sq_expr *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->nargs != b->nargs || a->col != b->col || a->attempt != b->attempt || a->fn != b->fn)
        return false;
    if (a->kind == SQ_X_CONST)
        return same_value(a->value, b->value);
    if (a->kind == SQ_X_CAST && !sq_type_equal(a->type, b->type, false))
        return false;
    for (uint32_t i = 0; i < a->nargs; i++)
        if (!sq_expr_equal(a->args[i], b->args[i]))
            return false;
    return true;
}

/* ---- printing ---- */

enum { P_OR = 1, P_AND, P_NOT, P_COMPARE, P_ADD, P_MUL, P_UNARY, P_PRIMARY };

struct printer {
    struct sq_buf *buf;
    const struct sq_field *input;
    uint32_t ninput;
};

static const struct { const char *name; int prec; } infix[] = {
    {"=", P_COMPARE}, {"<>", P_COMPARE}, {"<", P_COMPARE}, {"<=", P_COMPARE}, {">", P_COMPARE}, {">=", P_COMPARE},
    {"LIKE", P_COMPARE}, {"NOT LIKE", P_COMPARE}, {"SIMILAR TO", P_COMPARE}, {"NOT SIMILAR TO", P_COMPARE},
    {"IS DISTINCT FROM", P_COMPARE}, {"IS NOT DISTINCT FROM", P_COMPARE},
    {"+", P_ADD}, {"-", P_ADD}, {"||", P_ADD}, {"*", P_MUL}, {"/", P_MUL}, {"%", P_MUL},
};

static int infix_prec(const char *name)
{
    for (size_t i = 0; i < SQ_LEN(infix); i++)
        if (strcmp(infix[i].name, name) == 0)
            return infix[i].prec;
    return 0;
}

static int precedence(const struct sq_expr *e)
{
    switch (e->kind) {
    case SQ_X_OR:
        return P_OR;
    case SQ_X_AND:
        return P_AND;
    case SQ_X_IN:
        return P_COMPARE;
    case SQ_X_CALL:
        if (strncmp(e->fn->name, "IS ", 3) == 0)
            return P_COMPARE;
        if (strcmp(e->fn->name, "NOT") == 0)
            return P_NOT;
        if (strcmp(e->fn->name, "NEG") == 0)
            return P_UNARY;
        if (e->nargs == 2 && infix_prec(e->fn->name))
            return infix_prec(e->fn->name);
        return P_PRIMARY;
    default:
        return P_PRIMARY;
    }
}

static void print(struct printer *p, const struct sq_expr *e, int least);

static void print_list(struct printer *p, struct sq_expr *const *args, uint32_t n, const char *sep, int least)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            sq_buf_puts(p->buf, sep);
        print(p, args[i], least);
    }
}

/* In the largest unit that has a whole number of it. */
static void print_interval(struct printer *p, const struct sq_expr *e)
{
    static const struct { int64_t ms; const char *name; } units[] = {{86400000, "DAY"}, {3600000, "HOUR"}, {60000, "MINUTE"}, {1000, "SECOND"}};
    if (e->type->id == SQ_T_INTERVAL_YM) {
        int32_t m = *(const int32_t *)e->value->data;
        sq_buf_printf(p->buf, m % 12 ? "INTERVAL '%d' MONTH" : "INTERVAL '%d' YEAR", m % 12 ? m : m / 12);
        return;
    }
    int64_t ms = *(const int64_t *)e->value->data;
    for (size_t i = 0; i < SQ_LEN(units); i++)
        if (ms % units[i].ms == 0 && (ms || i == 3)) {
            sq_buf_printf(p->buf, "INTERVAL '%lld' %s", (long long)(ms / units[i].ms), units[i].name);
            return;
        }
    sq_buf_printf(p->buf, "INTERVAL '%s%lld.%03lld' SECOND", ms < 0 ? "-" : "", (long long)(ms < 0 ? -(ms / 1000) : ms / 1000), (long long)(ms < 0 ? -(ms % 1000) : ms % 1000));
}

static void print_const(struct printer *p, const struct sq_expr *e)
{
    const char *word = NULL;
    struct sq_buf text;
    if (sq_vec_null(e->value, 0)) {
        sq_buf_puts(p->buf, "NULL");
        return;
    }
    switch (e->type->id) {
    case SQ_T_DATE: word = "DATE "; break;
    case SQ_T_TIME: word = "TIME "; break;
    case SQ_T_TIMESTAMP: word = "TIMESTAMP "; break;
    case SQ_T_TIMESTAMP_LTZ: word = "TIMESTAMP_LTZ "; break;
    case SQ_T_INTERVAL_YM:
    case SQ_T_INTERVAL_DS:
        print_interval(p, e);
        return;
    case SQ_T_CHAR:
    case SQ_T_VARCHAR: word = ""; break;
    default: break;
    }
    if (!word) {
        sq_print_value(p->buf, e->value, 0, sq_tz_utc);
        return;
    }
    sq_buf_init(&text, p->buf->ctx);
    sq_print_value(&text, e->value, 0, sq_tz_utc);
    if (text.rc != SQ_OK)
        p->buf->rc = text.rc;
    sq_buf_puts(p->buf, word);
    sq_unparse_string(p->buf, sq_buf_view(&text));
    sq_buf_free(&text);
}

static void print_in(struct printer *p, const struct sq_expr *e, const char *word)
{
    print(p, e->args[0], P_COMPARE + 1);
    sq_buf_puts(p->buf, word);
    print_list(p, e->args + 1, e->nargs - 1, ", ", 0);
    sq_buf_putc(p->buf, ')');
}

static void print_call(struct printer *p, const struct sq_expr *e)
{
    const char *name = e->fn->name;
    int prec = infix_prec(name);
    if (prec && e->nargs == 2) {
        print(p, e->args[0], prec + (prec == P_COMPARE));
        sq_buf_printf(p->buf, " %s ", name);
        print(p, e->args[1], prec + 1);
    } else if (strcmp(name, "NOT") == 0 && e->args[0]->kind == SQ_X_IN) {
        print_in(p, e->args[0], " NOT IN (");
    } else if (strcmp(name, "NOT") == 0) {
        sq_buf_puts(p->buf, "NOT ");
        print(p, e->args[0], P_NOT);
    } else if (strcmp(name, "NEG") == 0) {
        sq_buf_puts(p->buf, "-");
        print(p, e->args[0], P_PRIMARY);
    } else if (strncmp(name, "IS ", 3) == 0 && e->nargs == 1) {
        print(p, e->args[0], P_COMPARE + 1);
        sq_buf_printf(p->buf, " %s", name);
    } else {
        bool brackets = strcmp(name, "ARRAY") == 0 || strcmp(name, "MAP") == 0;
        sq_buf_printf(p->buf, "%s%c", name, brackets ? '[' : '(');
        print_list(p, e->args, e->nargs, ", ", 0);
        sq_buf_putc(p->buf, brackets ? ']' : ')');
    }
}

static void print_case(struct printer *p, const struct sq_expr *e)
{
    sq_buf_puts(p->buf, "CASE");
    for (uint32_t i = 0; i + 1 < e->nargs; i += 2) {
        sq_buf_puts(p->buf, " WHEN ");
        print(p, e->args[i], 0);
        sq_buf_puts(p->buf, " THEN ");
        print(p, e->args[i + 1], 0);
    }
    const struct sq_expr *last = e->args[e->nargs - 1];
    if (last->kind != SQ_X_CONST || !sq_vec_null(last->value, 0)) {
        sq_buf_puts(p->buf, " ELSE ");
        print(p, last, 0);
    }
    sq_buf_puts(p->buf, " END");
}

static void print_any(struct printer *p, const struct sq_expr *e)
{
    switch (e->kind) {
    case SQ_X_COL:
        if (e->col < p->ninput)
            sq_buf_str(p->buf, p->input[e->col].name);
        else
            sq_buf_printf(p->buf, "$%u", e->col);
        return;
    case SQ_X_CONST:
        print_const(p, e);
        return;
    case SQ_X_CALL:
        print_call(p, e);
        return;
    case SQ_X_CAST:
        sq_buf_puts(p->buf, e->attempt ? "TRY_CAST(" : "CAST(");
        print(p, e->args[0], 0);
        sq_buf_puts(p->buf, " AS ");
        struct sq_type t = *e->type;
        t.nullable = true;                                       /* whether it is follows from what is cast */
        sq_type_print(p->buf, &t);
        sq_buf_putc(p->buf, ')');
        return;
    case SQ_X_AND:
        print_list(p, e->args, e->nargs, " AND ", P_AND + 1);
        return;
    case SQ_X_OR:
        print_list(p, e->args, e->nargs, " OR ", P_OR + 1);
        return;
    case SQ_X_CASE:
        print_case(p, e);
        return;
    case SQ_X_COALESCE:
        sq_buf_puts(p->buf, "COALESCE(");
        print_list(p, e->args, e->nargs, ", ", 0);
        sq_buf_putc(p->buf, ')');
        return;
    case SQ_X_IN:
        print_in(p, e, " IN (");
        return;
    case SQ_X_FIELD:
        print(p, e->args[0], P_PRIMARY);
        sq_buf_putc(p->buf, '.');
        sq_buf_str(p->buf, e->args[0]->type->child[e->col].name);
        return;
    case SQ_X_ITEM:
        print(p, e->args[0], P_PRIMARY);
        sq_buf_putc(p->buf, '[');
        print(p, e->args[1], 0);
        sq_buf_putc(p->buf, ']');
        return;
    case SQ_X_WATERMARK:                                         /* in programs only */
        return;
    }
}

static void print(struct printer *p, const struct sq_expr *e, int least)
{
    bool parens = precedence(e) < least;
    if (parens)
        sq_buf_putc(p->buf, '(');
    print_any(p, e);
    if (parens)
        sq_buf_putc(p->buf, ')');
}

sq_rc sq_expr_print(struct sq_buf *buf, const struct sq_expr *e, const struct sq_field *input, uint32_t ninput)
{
    print(&(struct printer){buf, input, ninput}, e, 0);
    return buf->rc;
}
