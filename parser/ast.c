/* SPDX-License-Identifier: Apache-2.0
 *
 * ast.c: the builders of expressions that the grammar's actions call, the walker, and the names of operators and units.
 *
 * Every node keeps its height, and one that would be higher than SQ_PARSE_HEIGHT is refused here: whoever walks an AST may recurse.
 */
#include "parser/internal.h"
#include "parser/grammar.h"

#include <stdio.h>

/* ---- memory, lists, errors ---- */

void *sq_new_(struct sq_parse *P, size_t n)
{
    void *p = P->rc != SQ_NOMEM ? sq_arena_zero(P->arena, n) : NULL;

    if (p)
        return p;
    if (P->rc == SQ_OK)
        P->rc = SQ_NOMEM;
    n = (n + 15) & ~(size_t)15;
    SQ_ASSERT(n <= sizeof P->spare / 8);
    if (P->spare_at + n > sizeof P->spare)
        P->spare_at = 0;
    p = P->spare + P->spare_at;
    P->spare_at += (uint32_t)n;
    return memset(p, 0, n);
}

struct sq_plist *sq_plist_new(struct sq_parse *P)
{
    return SQ_MAKE(P, struct sq_plist);
}

void sq_plist_add(struct sq_parse *P, struct sq_plist *l, void *v)
{
    if (P->rc != SQ_OK)
        return;
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 4;
        void **w = sq_arena_get(P->arena, cap * sizeof *w, _Alignof(void *));

        if (!w) {
            P->rc = SQ_NOMEM;
            return;
        }
        if (l->n)
            memcpy(w, l->v, l->n * sizeof *w);
        l->v = w;
        l->cap = cap;
    }
    l->v[l->n++] = v;
}

struct sq_plist *sq_plist_put(struct sq_parse *P, struct sq_plist *l, void *v)
{
    if (!l)
        l = sq_plist_new(P);
    sq_plist_add(P, l, v);
    return l;
}

void *sq_plist_flat(struct sq_parse *P, const struct sq_plist *l, size_t elem, uint32_t *n)
{
    char *a;

    *n = 0;
    if (!l || P->rc != SQ_OK)
        return NULL;
    a = sq_arena_zero(P->arena, elem * l->n + 1);
    if (!a) {
        P->rc = SQ_NOMEM;
        return NULL;
    }
    for (uint32_t i = 0; i < l->n; i++)
        memcpy(a + i * elem, l->v[i], elem);
    *n = l->n;
    return a;
}

void **sq_plist_ptrs(const struct sq_plist *l, uint32_t *n)
{
    *n = l ? l->n : 0;
    return l ? l->v : NULL;
}

sq_rc sq_parse_fail(struct sq_parse *P, sq_rc rc, struct sq_span span, const char *fmt, ...)
{
    char msg[SQ_MSG_MAX];
    va_list ap;

    if (P->rc != SQ_OK)
        return P->rc;
    P->rc = rc;
    if (P->quiet)
        return rc;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    return sq_fail_at(P->ctx, rc, span, "%s", msg);
}

/* Adds a hint to the error that was just set. */
void sq_parse_hint(struct sq_parse *P, const char *fmt, ...)
{
    char text[SQ_HINT_MAX];
    va_list ap;

    if (P->quiet || P->ctx->err.hint[0])
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    sq_hint(P->ctx, "%s", text);
}

/* ---- tokens ---- */

struct sq_str sq_tok_raw(const struct sq_parse *P, const struct sq_token *t)
{
    return (struct sq_str){P->text.p + t->at, t->len};
}

struct sq_span sq_tok_span(const struct sq_parse *P, const struct sq_token *t)
{
    return (struct sq_span){P->base + t->at, t->len};
}

uint32_t sq_tok_at(const struct sq_parse *P, const struct sq_token *t)
{
    (void)P;
    return t->at;
}

uint32_t sq_end(const struct sq_parse *P)
{
    const struct sq_token *t;

    if (P->feeding == 0)
        return 0;
    t = &P->tokens[P->feeding - 1];
    return t->at + t->len;
}

struct sq_span sq_span_from(const struct sq_parse *P, uint32_t at)
{
    uint32_t end = sq_end(P);

    return (struct sq_span){P->base + at, end > at ? end - at : 0};
}

struct sq_str sq_tok_str(struct sq_parse *P, const struct sq_token *t)
{
    struct sq_str raw = sq_tok_raw(P, t);
    char quote, *out;
    uint32_t n = 0;

    if (t->code == SQ_TK_STRING || (t->flags & SQ_TOKEN_QUOTED)) {
        quote = raw.p[0];
        raw.p++;
        raw.n -= 2;
        if (!memchr(raw.p, quote, raw.n))
            return raw;
        out = sq_arena_get(P->arena, raw.n + 1, 1);
        if (!out) {
            P->rc = SQ_NOMEM;
            return raw;
        }
        for (uint32_t i = 0; i < raw.n; i++) {
            out[n++] = raw.p[i];
            if (raw.p[i] == quote)
                i++;
        }
        out[n] = 0;
        return (struct sq_str){out, n};
    }
    return raw;
}

struct sq_str sq_tok_upper(struct sq_parse *P, const struct sq_token *t)
{
    struct sq_str s = sq_str_dup(P->arena, sq_tok_str(P, t));

    if (!s.p) {
        P->rc = SQ_NOMEM;
        return SQ_STR("");
    }
    for (uint32_t i = 0; i < s.n; i++)
        if (s.p[i] >= 'a' && s.p[i] <= 'z')
            ((char *)(uintptr_t)s.p)[i] = (char)(s.p[i] - 'a' + 'A');
    return s;
}

bool sq_tok_int(struct sq_parse *P, const struct sq_token *t, int64_t max, int32_t *out)
{
    struct sq_str s = sq_tok_raw(P, t);
    int64_t v = 0;

    for (uint32_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || v > max) {
            v = max + 1;
            break;
        }
        v = v * 10 + (s.p[i] - '0');
    }
    if (v > max) {
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, t), "%.*s is not a whole number from 0 to %lld", SQ_FMT(s), (long long)max);
        *out = 0;
        return false;
    }
    *out = (int32_t)v;
    return true;
}

struct sq_str *sq_names_flat(struct sq_parse *P, const struct sq_plist *l, uint32_t *n, struct sq_span **spans)
{
    struct sq_str *a;
    struct sq_span *sp;

    *n = 0;
    if (spans)
        *spans = NULL;
    if (!l || P->rc != SQ_OK)
        return NULL;
    a = SQ_NEW_ARRAY(P->arena, struct sq_str, l->n + 1);
    sp = SQ_NEW_ARRAY(P->arena, struct sq_span, l->n + 1);
    if (!a || !sp) {
        P->rc = SQ_NOMEM;
        return NULL;
    }
    for (uint32_t i = 0; i < l->n; i++) {
        a[i] = sq_tok_str(P, l->v[i]);
        sp[i] = sq_tok_span(P, l->v[i]);
    }
    *n = l->n;
    if (spans)
        *spans = sp;
    return a;
}

struct sq_name sq_name_of(struct sq_parse *P, const struct sq_dotted *d)
{
    struct sq_name name = {.n = 0};
    const struct sq_token *first, *last;

    if (P->rc != SQ_OK)
        return name;
    first = d->parts.v[0];
    last = d->parts.v[d->parts.n - 1];
    name.span = (struct sq_span){P->base + first->at, last->at + last->len - first->at};
    if (d->parts.n > SQ_LEN(name.part)) {
        sq_parse_fail(P, SQ_SYNTAX, name.span, "a name has at most %d parts", (int)SQ_LEN(name.part));
        return name;
    }
    name.n = d->parts.n;
    for (uint32_t i = 0; i < name.n; i++)
        name.part[i] = sq_tok_str(P, d->parts.v[i]);
    return name;
}

/* ---- expressions ---- */

static uint32_t taller(struct sq_parse *P, struct sq_span span, uint32_t height, uint32_t child)
{
    if (child + 1 <= height)
        return height;
    if (child + 1 > SQ_PARSE_HEIGHT) {
        sq_parse_fail(P, SQ_LIMIT, span, "this is nested more than %d levels deep", SQ_PARSE_HEIGHT);
        sq_parse_hint(P, "a long chain of the same operator counts too: IN (...) or a join with VALUES may say the same");
        return height;
    }
    return child + 1;
}

struct sq_ast_expr *sq_ast_new(struct sq_parse *P, enum sq_ast_kind kind, uint32_t at)
{
    struct sq_ast_expr *e = SQ_MAKE(P, struct sq_ast_expr);

    e->kind = kind;
    e->span = e->at = sq_span_from(P, at);
    e->prec = -1;
    e->height = 1;
    return e;
}

void sq_expr_grow(struct sq_parse *P, struct sq_ast_expr *e, uint32_t child)
{
    e->height = taller(P, e->span, e->height, child);
}

uint32_t sq_exprs_height(struct sq_ast_expr *const *v, uint32_t n)
{
    uint32_t h = 0;

    for (uint32_t i = 0; i < n; i++)
        if (v[i]->height > h)
            h = v[i]->height;
    return h;
}

struct sq_ast_expr *sq_expr_args(struct sq_parse *P, struct sq_ast_expr *e, struct sq_plist *l)
{
    if (l && P->rc == SQ_OK) {
        e->args = (struct sq_ast_expr **)l->v;
        e->nargs = l->n;
        sq_expr_grow(P, e, sq_exprs_height(e->args, e->nargs));
    }
    return e;
}

/* Puts up to three arguments before those that are there. */
struct sq_ast_expr *sq_expr_put(struct sq_parse *P, struct sq_ast_expr *e, struct sq_ast_expr *a, struct sq_ast_expr *b, struct sq_ast_expr *c)
{
    struct sq_ast_expr *in[3] = {a, b, c}, **v;
    uint32_t n = c ? 3 : b ? 2 : 1;

    if (P->rc != SQ_OK)
        return e;
    v = SQ_NEW_ARRAY(P->arena, struct sq_ast_expr *, n + e->nargs);
    if (!v) {
        P->rc = SQ_NOMEM;
        return e;
    }
    memcpy(v, in, n * sizeof *v);
    if (e->nargs)
        memcpy(v + n, e->args, e->nargs * sizeof *v);
    e->args = v;
    e->nargs += n;
    sq_expr_grow(P, e, sq_exprs_height(in, n));
    return e;
}

struct sq_ast_expr *sq_expr_text(struct sq_parse *P, enum sq_ast_kind kind, const struct sq_token *t)
{
    struct sq_ast_expr *e = sq_ast_new(P, kind, t->at);

    e->span = e->at = sq_tok_span(P, t);
    e->text = sq_tok_str(P, t);
    return e;
}

void sq_expr_append(struct sq_parse *P, struct sq_ast_expr *e, const struct sq_token *t)
{
    struct sq_str more = sq_tok_str(P, t);
    char *p;

    if (P->rc != SQ_OK)
        return;
    p = sq_arena_get(P->arena, (size_t)e->text.n + more.n + 1, 1);
    if (!p) {
        P->rc = SQ_NOMEM;
        return;
    }
    memcpy(p, e->text.p, e->text.n);
    memcpy(p + e->text.n, more.p, more.n);
    p[e->text.n + more.n] = 0;
    e->text = (struct sq_str){p, e->text.n + more.n};
}

struct sq_ast_expr *sq_ast_bool(struct sq_parse *P, const struct sq_token *t, bool value)
{
    struct sq_ast_expr *e = sq_ast_new(P, SQ_A_BOOL, t->at);

    e->ival = value;
    return e;
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

struct sq_ast_expr *sq_expr_binary_literal(struct sq_parse *P, const struct sq_token *t)
{
    struct sq_ast_expr *e = sq_ast_new(P, SQ_A_BINARY, t->at);
    struct sq_str raw = sq_tok_raw(P, t);
    uint32_t n = (raw.n - 3) / 2;
    char *out = sq_arena_get(P->arena, n + 1, 1);

    if (!out) {
        P->rc = SQ_NOMEM;
        return e;
    }
    for (uint32_t i = 0; i < n; i++)
        out[i] = (char)(hex_digit(raw.p[2 + 2 * i]) << 4 | hex_digit(raw.p[3 + 2 * i]));
    out[n] = 0;
    e->text = (struct sq_str){out, n};
    return e;
}

struct sq_ast_expr *sq_expr_typed(struct sq_parse *P, const struct sq_token *kw, const struct sq_type *type, const struct sq_token *text)
{
    struct sq_ast_expr *e = sq_ast_new(P, SQ_A_TYPED, kw->at);

    e->type = type;
    e->text = sq_tok_str(P, text);
    e->at = sq_tok_span(P, text);
    return e;
}

struct sq_ast_expr *sq_expr_symbol(struct sq_parse *P, const struct sq_token *t)
{
    struct sq_ast_expr *e = sq_ast_new(P, SQ_A_SYMBOL, t->at);

    e->span = e->at = sq_tok_span(P, t);
    e->text = sq_tok_upper(P, t);
    return e;
}

/* A bare name in the place of a keyword argument becomes a SYMBOL. */
struct sq_ast_expr *sq_expr_symbol_of(struct sq_parse *P, struct sq_ast_expr *e)
{
    char *p;

    if (P->rc != SQ_OK || e->kind != SQ_A_NAME || e->name.n != 1)
        return e;
    p = sq_arena_get(P->arena, e->name.part[0].n + 1, 1);
    if (!p) {
        P->rc = SQ_NOMEM;
        return e;
    }
    for (uint32_t i = 0; i < e->name.part[0].n; i++) {
        char c = e->name.part[0].p[i];
        p[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    p[e->name.part[0].n] = 0;
    e->kind = SQ_A_SYMBOL;
    e->text = (struct sq_str){p, e->name.part[0].n};
    memset(&e->name, 0, sizeof e->name);
    return e;
}

struct sq_ast_expr *sq_expr_unary(struct sq_parse *P, enum sq_ast_op op, const struct sq_token *t, struct sq_ast_expr *a)
{
    struct sq_ast_expr *e = sq_ast_new(P, SQ_A_UNARY, t->at);

    e->at = sq_tok_span(P, t);
    e->ival = op;
    return sq_expr_put(P, e, a, NULL, NULL);
}

struct sq_ast_expr *sq_expr_op(struct sq_parse *P, enum sq_ast_op op, struct sq_ast_expr *a, const struct sq_token *t, struct sq_ast_expr *b)
{
    struct sq_ast_expr *e = sq_ast_new(P, SQ_A_BINARY_OP, a->span.at - P->base);

    e->at = sq_tok_span(P, t);
    e->ival = op;
    return sq_expr_put(P, e, a, b, NULL);
}

struct sq_ast_expr *sq_expr_is(struct sq_parse *P, struct sq_ast_expr *a, const struct sq_token *t, enum sq_ast_is is, bool negated)
{
    struct sq_ast_expr *e = sq_ast_new(P, SQ_A_IS, a->span.at - P->base);

    e->at = sq_tok_span(P, t);
    e->ival = is;
    e->negated = negated;
    return sq_expr_put(P, e, a, NULL, NULL);
}

struct sq_ast_expr *sq_expr_query(struct sq_parse *P, enum sq_ast_kind kind, uint32_t at, struct sq_ast_query *q)
{
    struct sq_ast_expr *e = sq_ast_new(P, kind, at);

    e->query = q;
    sq_expr_grow(P, e, q->height);
    return e;
}

static bool is_one_of(struct sq_str s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sq_str_iis(s, words[i]))
            return true;
    return false;
}

/* A column, or one of the functions that are called without parentheses. Parts beyond the fourth are fields. */
struct sq_ast_expr *sq_expr_name(struct sq_parse *P, struct sq_dotted *d)
{
    static const char *const bare[] = {"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"};
    struct sq_dotted head = *d;
    struct sq_ast_expr *e;
    const struct sq_token *t;

    if (P->rc != SQ_OK)
        return sq_ast_new(P, SQ_A_NAME, 0);
    t = d->parts.v[0];
    if (d->parts.n == 1 && !(t->flags & SQ_TOKEN_QUOTED) && is_one_of(sq_tok_raw(P, t), bare, SQ_LEN(bare))) {
        e = sq_expr_text(P, SQ_A_CALL, t);
        e->syntax = SQ_CALL_NOPARENS;
        return e;
    }
    if (head.parts.n > 4)
        head.parts.n = 4;
    e = sq_ast_new(P, SQ_A_NAME, d->at);
    e->name = sq_name_of(P, &head);
    e->span = e->name.span;
    e->at = sq_tok_span(P, head.parts.v[head.parts.n - 1]);
    for (uint32_t i = 4; i < d->parts.n && P->rc == SQ_OK; i++) {
        struct sq_ast_expr *f = sq_ast_new(P, SQ_A_FIELD, d->at);

        t = d->parts.v[i];
        f->span.len = P->base + t->at + t->len - f->span.at;
        f->at = sq_tok_span(P, t);
        f->text = sq_tok_str(P, t);
        e = sq_expr_put(P, f, e, NULL, NULL);
    }
    return e;
}

/* ---- calls ---- */

static bool callee_is(struct sq_parse *P, const struct sq_dotted *d, const char *const *words, size_t n)
{
    return P->rc == SQ_OK && d->parts.n == 1 && is_one_of(sq_tok_str(P, d->parts.v[0]), words, n);
}
#define CALLEE_IS(P, d, ...) callee_is((P), (d), (const char *const[]){__VA_ARGS__}, SQ_LEN(((const char *const[]){__VA_ARGS__})))

struct sq_ast_expr *sq_expr_call(struct sq_parse *P, struct sq_dotted *d, struct sq_plist *args, enum sq_call_syntax syntax)
{
    struct sq_ast_expr *e = sq_ast_new(P, SQ_A_CALL, d->at);
    const struct sq_token *last;

    if (P->rc != SQ_OK)
        return e;
    last = d->parts.v[d->parts.n - 1];
    e->syntax = (uint8_t)syntax;
    e->name = sq_name_of(P, d);
    e->at = e->name.span;
    e->text = sq_tok_str(P, last);
    if (d->parts.n == 1)
        memset(&e->name, 0, sizeof e->name);
    sq_expr_args(P, e, args);
    if (e->nargs && CALLEE_IS(P, d, "TIMESTAMPADD", "TIMESTAMPDIFF"))
        sq_expr_symbol_of(P, e->args[0]);
    return e;
}

/* EXTRACT(a FROM b), SUBSTRING(a FROM b [FOR c]), TRIM(a FROM b) */
struct sq_ast_expr *sq_expr_call_from(struct sq_parse *P, struct sq_dotted *d, struct sq_ast_expr *a, struct sq_ast_expr *b, struct sq_ast_expr *c)
{
    struct sq_ast_expr *e = sq_expr_call(P, d, NULL, SQ_CALL_FROM);

    if (!c && CALLEE_IS(P, d, "TRIM")) {
        struct sq_ast_expr *both = sq_ast_new(P, SQ_A_SYMBOL, d->at);

        both->text = SQ_STR("BOTH");
        both->span = both->at = e->at;
        e->syntax = SQ_CALL_TRIM;
        return sq_expr_put(P, e, both, a, b);
    }
    if (!c && CALLEE_IS(P, d, "EXTRACT")) {
        if (a->kind != SQ_A_NAME || a->name.n != 1)
            sq_parse_fail(P, SQ_SYNTAX, a->span, "EXTRACT takes a unit of time before FROM, such as DAY or HOUR");
        sq_expr_symbol_of(P, a);
    } else if (!CALLEE_IS(P, d, "SUBSTRING", "SUBSTR")) {
        sq_parse_fail(P, SQ_SYNTAX, e->at, "FROM between arguments is for EXTRACT, SUBSTRING, TRIM, OVERLAY and POSITION, not for %.*s", SQ_FMT(e->text));
        return e;
    }
    return sq_expr_put(P, e, a, b, c);
}

/* FLOOR(x TO DAY) */
struct sq_ast_expr *sq_expr_call_to(struct sq_parse *P, struct sq_dotted *d, struct sq_ast_expr *a, const struct sq_token *unit)
{
    struct sq_ast_expr *e = sq_expr_call(P, d, NULL, SQ_CALL_TO);

    if (!CALLEE_IS(P, d, "FLOOR", "CEIL", "CEILING"))
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, unit), "TO with a unit of time is for FLOOR and CEIL, not for %.*s", SQ_FMT(e->text));
    return sq_expr_put(P, e, a, sq_expr_symbol(P, unit), NULL);
}

struct sq_ast_expr *sq_expr_call_trim(struct sq_parse *P, struct sq_dotted *d, const struct sq_token *spec, struct sq_ast_expr *what,
                                      struct sq_ast_expr *from)
{
    struct sq_ast_expr *e = sq_expr_call(P, d, NULL, SQ_CALL_TRIM);

    if (!CALLEE_IS(P, d, "TRIM"))
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, spec), "%s is for TRIM, not for %.*s", sq_tok_upper(P, spec).p, SQ_FMT(e->text));
    if (!what) {   /* blanks are what is trimmed */
        what = sq_ast_new(P, SQ_A_STRING, spec->at);
        what->text = SQ_STR(" ");
        what->span = what->at = sq_tok_span(P, spec);
    }
    return sq_expr_put(P, e, sq_expr_symbol(P, spec), what, from);
}

struct sq_ast_expr *sq_expr_call_overlay(struct sq_parse *P, struct sq_dotted *d, struct sq_ast_expr *a, struct sq_ast_expr *b,
                                         struct sq_ast_expr *c, struct sq_ast_expr *len)
{
    struct sq_ast_expr *e = sq_expr_call(P, d, NULL, SQ_CALL_OVERLAY);

    if (!CALLEE_IS(P, d, "OVERLAY"))
        sq_parse_fail(P, SQ_SYNTAX, e->at, "PLACING is for OVERLAY, not for %.*s", SQ_FMT(e->text));
    if (len)
        sq_expr_put(P, e, len, NULL, NULL);
    return sq_expr_put(P, e, a, b, c);
}

void sq_expr_over(struct sq_parse *P, struct sq_ast_expr *e, struct sq_ast_over *over)
{
    e->over = over;
    sq_expr_grow(P, e, over->height);
}

void sq_table_args(struct sq_parse *P, struct sq_ast_expr *call)
{
    for (uint32_t i = 0; P->rc == SQ_OK && i < call->nargs; i++) {
        struct sq_ast_expr *a = call->args[i];

        if (a->kind == SQ_A_NAMED_ARG)
            a = a->args[0];
        if (a->kind != SQ_A_SUBQUERY)
            continue;
        a->kind = SQ_A_TABLE_ARG;
        a->from = sq_from_query(P, a->span.at - P->base, a->query, false);
        a->from->span = a->span;
        a->query = NULL;
        sq_expr_grow(P, a, a->from->height);
        sq_expr_grow(P, call, a->height + (call->args[i] != a));
    }
}

/* ---- intervals, CASE ---- */

static const char *const units[] = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND"};

const char *sq_unit_name(int unit)
{
    return unit >= 0 && unit < (int)SQ_LEN(units) ? units[unit] : "?";
}

/* DAY or DAYS; only the units that an interval has. */
static int interval_unit(struct sq_parse *P, const struct sq_token *t)
{
    struct sq_str s = sq_tok_raw(P, t), names[SQ_U_SECOND + 1], near;

    for (int u = 0; u <= SQ_U_SECOND; u++) {
        size_t n = strlen(units[u]);
        if (sq_str_iis(s, units[u]) || (s.n == n + 1 && (s.p[n] | 32) == 's' && sq_str_iis((struct sq_str){s.p, (uint32_t)n}, units[u])))
            return u;
        names[u] = sq_str_of(units[u]);
    }
    sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, t), "'%.*s' is not a unit of an interval", SQ_FMT(s));
    near = sq_nearest(s, names, SQ_LEN(names));
    if (near.n)
        sq_parse_hint(P, "did you mean %.*s?", SQ_FMT(near));
    else
        sq_parse_hint(P, "expected YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE or SECOND");
    return SQ_U_DAY;
}

/* The unit part of a literal or a type, as an INTERVAL expression without its text. nargs of precisions are kept for printing alone. */
struct sq_ast_expr *sq_interval_qual(struct sq_parse *P, const struct sq_token *from, const struct sq_token *prec, const struct sq_token *to,
                                     const struct sq_token *to_prec)
{
    struct sq_ast_expr *e = sq_ast_new(P, SQ_A_INTERVAL, from->at);
    int32_t p = -1;

    e->ival = interval_unit(P, from);
    e->ival2 = to ? interval_unit(P, to) : -1;
    if (prec && sq_tok_int(P, prec, 10, &p))
        e->prec = p;
    if (to_prec)   /* fractional digits of SECOND: a value has what it has */
        sq_tok_int(P, to_prec, 9, &p);
    if (to) {
        bool months = e->ival2 <= SQ_U_MONTH;

        if (e->ival2 <= e->ival || months != (e->ival <= SQ_U_MONTH) || e->ival == SQ_U_QUARTER || e->ival == SQ_U_WEEK ||
            e->ival2 == SQ_U_QUARTER || e->ival2 == SQ_U_WEEK)
            sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, to), "%s TO %s is not an interval", sq_unit_name((int)e->ival), sq_unit_name((int)e->ival2));
    }
    return e;
}

struct sq_ast_expr *sq_expr_interval(struct sq_parse *P, const struct sq_token *kw, bool minus, const struct sq_token *text, struct sq_ast_expr *qual)
{
    struct sq_str s = sq_tok_str(P, text);
    char *p;

    qual->span = sq_span_from(P, kw->at);
    qual->at = sq_tok_span(P, text);
    qual->text = s;
    if (minus && s.n && s.p[0] == '-') {
        qual->text = (struct sq_str){s.p + 1, s.n - 1};
    } else if (minus) {
        if (s.n && s.p[0] == '+')
            s.p++, s.n--;
        p = sq_arena_printf(P->arena, "-%.*s", SQ_FMT(s));
        if (p)
            qual->text = (struct sq_str){p, s.n + 1};
        else
            P->rc = SQ_NOMEM;
    }
    return qual;
}

struct sq_ast_expr *sq_expr_case(struct sq_parse *P, const struct sq_token *t, struct sq_ast_expr *operand, struct sq_plist *whens,
                                 struct sq_ast_expr *otherwise)
{
    struct sq_ast_expr *e = sq_ast_new(P, SQ_A_CASE, t->at);

    e->at = sq_tok_span(P, t);
    if (otherwise)
        sq_plist_add(P, whens, otherwise);
    sq_expr_args(P, e, whens);
    if (operand)
        sq_expr_put(P, e, operand, NULL, NULL);
    e->ival = operand != NULL;
    e->ival2 = otherwise != NULL;
    return e;
}

/* ---- for everybody ---- */

static bool walk_list(struct sq_ast_expr **v, uint32_t n, bool (*fn)(void *, struct sq_ast_expr *), void *arg)
{
    for (uint32_t i = 0; i < n; i++)
        if (!sq_ast_walk(v[i], fn, arg))
            return false;
    return true;
}

static bool walk_order(struct sq_ast_order *o, uint32_t n, bool (*fn)(void *, struct sq_ast_expr *), void *arg)
{
    for (uint32_t i = 0; i < n; i++)
        if (!sq_ast_walk(o[i].expr, fn, arg))
            return false;
    return true;
}

bool sq_ast_walk(struct sq_ast_expr *e, bool (*fn)(void *, struct sq_ast_expr *), void *arg)
{
    if (!e)
        return true;
    if (!fn(arg, e) || !walk_list(e->args, e->nargs, fn, arg) || !sq_ast_walk(e->filter, fn, arg) || !walk_order(e->order, e->norder, fn, arg))
        return false;
    if (!e->over)
        return true;
    return walk_list(e->over->partition, e->over->npartition, fn, arg) && walk_order(e->over->order, e->over->norder, fn, arg) &&
           sq_ast_walk(e->over->from, fn, arg) && sq_ast_walk(e->over->to, fn, arg);
}

const char *sq_ast_op_name(int op)
{
    static const char *const names[] = {"OR", "AND", "NOT", "=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "||", "-", "+"};

    return op >= 0 && op < (int)SQ_LEN(names) ? names[op] : "?";
}
