/* SPDX-License-Identifier: Apache-2.0
 *
 * query.c: the builders of queries, FROM items, windows and hints.
 *
 * An ORDER BY or LIMIT behind a query in parentheses that has its own, or a WITH before one, needs a node to hang on: the
 * query is then read as SELECT * FROM (query).
 */
#include "parser/internal.h"
#include "parser/grammar.h"

struct sq_ast_query *sq_query_new(struct sq_parse *P, enum sq_query_kind kind, uint32_t at)
{
    struct sq_ast_query *q = SQ_MAKE(P, struct sq_ast_query);

    q->kind = kind;
    q->span = sq_span_from(P, at);
    q->height = 1;
    return q;
}

static void grow(struct sq_parse *P, struct sq_span span, uint32_t *height, uint32_t child)
{
    if (child + 1 <= *height)
        return;
    if (child + 1 > SQ_PARSE_HEIGHT) {
        sq_parse_fail(P, SQ_LIMIT, span, "this is nested more than %d levels deep", SQ_PARSE_HEIGHT);
        return;
    }
    *height = child + 1;
}

void sq_query_grow(struct sq_parse *P, struct sq_ast_query *q, uint32_t child)
{
    grow(P, q->span, &q->height, child);
}

struct sq_ast_query *sq_query_set(struct sq_parse *P, enum sq_query_kind kind, struct sq_ast_query *a, bool all, struct sq_ast_query *b)
{
    struct sq_ast_query *q = sq_query_new(P, kind, a->span.at - P->base);

    q->left = a;
    q->right = b;
    q->all = all;
    sq_query_grow(P, q, a->height);
    sq_query_grow(P, q, b->height);
    return q;
}

static struct sq_ast_query *wrap(struct sq_parse *P, struct sq_ast_query *inner)
{
    struct sq_ast_query *q = sq_query_new(P, SQ_Q_SELECT, inner->span.at - P->base);
    struct sq_ast_item *i = SQ_MAKE(P, struct sq_ast_item);

    i->expr = sq_ast_new(P, SQ_A_STAR, inner->span.at - P->base);
    q->items = i;
    q->nitems = 1;
    q->from = sq_from_query(P, inner->span.at - P->base, inner, false);
    sq_query_grow(P, q, q->from->height);
    return q;
}

struct sq_ast_query *sq_query_finish(struct sq_parse *P, uint32_t at, struct sq_plist *with, struct sq_ast_query *q, struct sq_plist *order,
                                     struct sq_span order_span, struct sq_limits *limits)
{
    if (P->rc != SQ_OK || (!with && !order && !limits))
        return q;
    if (q->nwith || q->norder || q->limit || q->offset)   /* they are inside parentheses */
        q = wrap(P, q);
    q->parens = false;
    q->span = sq_span_from(P, at);
    q->with = sq_plist_flat(P, with, sizeof *q->with, &q->nwith);
    for (uint32_t i = 0; i < q->nwith; i++)
        sq_query_grow(P, q, q->with[i].query->height);
    q->order = sq_plist_flat(P, order, sizeof *q->order, &q->norder);
    for (uint32_t i = 0; i < q->norder; i++)
        sq_query_grow(P, q, q->order[i].expr->height);
    if (q->norder) {
        struct sq_span a = q->order[0].expr->span, b = q->order[q->norder - 1].expr->span;
        q->order_span = (struct sq_span){a.at, b.at + b.len - a.at};
    }
    (void)order_span;
    if (limits) {
        q->limit = limits->limit;
        q->offset = limits->offset;
        q->limit_span = limits->span;
        if (q->limit)
            sq_query_grow(P, q, q->limit->height);
        if (q->offset)
            sq_query_grow(P, q, q->offset->height);
    }
    return q;
}

static uint32_t expr_height(const struct sq_ast_expr *e)
{
    return e ? e->height : 0;
}

void sq_query_select(struct sq_parse *P, struct sq_ast_query *q)
{
    if (P->rc != SQ_OK)
        return;
    for (uint32_t i = 0; i < q->nitems; i++)
        sq_query_grow(P, q, expr_height(q->items[i].expr));
    if (q->from)
        sq_query_grow(P, q, q->from->height);
    sq_query_grow(P, q, expr_height(q->where));
    sq_query_grow(P, q, expr_height(q->having));
    sq_query_grow(P, q, expr_height(q->qualify));
    for (uint32_t i = 0; i < q->ngroup; i++)
        sq_query_grow(P, q, q->group[i]->height);
    for (uint32_t i = 0; i < q->nwindows; i++)
        sq_query_grow(P, q, q->windows[i].over->height);
}

struct sq_ast_group *sq_group_new(struct sq_parse *P, enum sq_group_kind kind, uint32_t at, struct sq_ast_expr *e, struct sq_plist *sub)
{
    struct sq_ast_group *g = SQ_MAKE(P, struct sq_ast_group);

    g->kind = kind;
    g->span = e ? e->span : sq_span_from(P, at);
    g->expr = e;
    g->height = 1;
    if (e)
        grow(P, g->span, &g->height, e->height);
    g->sub = (struct sq_ast_group **)sq_plist_ptrs(sub, &g->nsub);
    for (uint32_t i = 0; P->rc == SQ_OK && i < g->nsub; i++)
        grow(P, g->span, &g->height, g->sub[i]->height);
    return g;
}

/* ---- ORDER BY, OVER ---- */

struct sq_ast_order *sq_order_new(struct sq_parse *P, struct sq_ast_expr *e, bool desc, int nulls)
{
    struct sq_ast_order *o = SQ_MAKE(P, struct sq_ast_order);

    o->expr = e;
    o->desc = desc;
    o->nulls_given = nulls != 0;
    o->nulls_first = nulls == 1;
    return o;
}

struct sq_ast_over *sq_over_new(struct sq_parse *P, uint32_t at, struct sq_plist *partition, struct sq_plist *order)
{
    struct sq_ast_over *o = SQ_MAKE(P, struct sq_ast_over);

    o->span = sq_span_from(P, at);
    o->height = 1;
    if (P->rc != SQ_OK)
        return o;
    o->partition = (struct sq_ast_expr **)sq_plist_ptrs(partition, &o->npartition);
    o->order = sq_plist_flat(P, order, sizeof *o->order, &o->norder);
    grow(P, o->span, &o->height, sq_exprs_height(o->partition, o->npartition));
    for (uint32_t i = 0; i < o->norder; i++)
        grow(P, o->span, &o->height, o->order[i].expr->height);
    return o;
}

void sq_over_frame(struct sq_parse *P, struct sq_ast_over *o, const struct sq_frame *f)
{
    if (P->rc != SQ_OK)
        return;
    o->framed = true;
    o->range = f->range;
    o->from = f->from->expr;
    o->from_following = f->from->following;
    if (f->to) {
        o->to = f->to->expr;
        o->to_following = f->to->following;
    } else {
        o->to = sq_ast_new(P, SQ_A_SYMBOL, o->span.at - P->base);
        o->to->text = SQ_STR("CURRENT ROW");
        o->to->at = o->to->span = o->from ? o->from->span : o->span;
    }
    if (o->from)
        grow(P, o->span, &o->height, o->from->height);
    if (o->to)
        grow(P, o->span, &o->height, o->to->height);
    if (!o->from && o->from_following)
        sq_parse_fail(P, SQ_SYNTAX, o->span, "a window cannot begin at UNBOUNDED FOLLOWING");
    else if (!o->to && !o->to_following)
        sq_parse_fail(P, SQ_SYNTAX, o->span, "a window cannot end at UNBOUNDED PRECEDING");
}

/* ---- FROM ---- */

struct sq_ast_from *sq_from_new(struct sq_parse *P, enum sq_from_kind kind, uint32_t at)
{
    struct sq_ast_from *f = SQ_MAKE(P, struct sq_ast_from);

    f->kind = kind;
    f->span = sq_span_from(P, at);
    f->height = 1;
    return f;
}

struct sq_ast_from *sq_from_alias(struct sq_parse *P, struct sq_ast_from *f, struct sq_from_alias *a)
{
    if (!a || P->rc != SQ_OK)
        return f;
    f->alias = sq_tok_str(P, a->name);
    f->alias_span = sq_tok_span(P, a->name);
    f->cols = sq_names_flat(P, a->cols, &f->ncols, NULL);
    f->span = sq_span_from(P, f->span.at - P->base);
    return f;
}

struct sq_ast_from *sq_from_query(struct sq_parse *P, uint32_t at, struct sq_ast_query *q, bool lateral)
{
    bool values = q->kind == SQ_Q_VALUES && !q->nwith && !q->norder && !q->limit && !q->offset;
    struct sq_ast_from *f = sq_from_new(P, values ? SQ_F_VALUES : SQ_F_SUBQUERY, at);

    f->query = q;
    f->lateral = lateral;
    grow(P, f->span, &f->height, q->height);
    return f;
}

struct sq_ast_from *sq_from_call(struct sq_parse *P, uint32_t at, struct sq_ast_expr *call, bool lateral)
{
    struct sq_ast_from *f = sq_from_new(P, SQ_F_FUNCTION, at);

    f->call = call;
    f->lateral = lateral;
    grow(P, f->span, &f->height, call->height);
    return f;
}

struct sq_ast_from *sq_from_match(struct sq_parse *P, struct sq_ast_from *f, const struct sq_token *t)
{
    if (!t)
        return f;
    f->match_recognize = sq_tok_span(P, t);
    f->raw = sq_tok_raw(P, t);
    f->span = sq_span_from(P, f->span.at - P->base);
    return f;
}

struct sq_ast_from *sq_from_join(struct sq_parse *P, struct sq_ast_from *a, struct sq_ast_from *b, enum sq_join_kind kind, bool natural,
                                 const struct sq_token *kw, struct sq_ast_expr *on, struct sq_plist *using_cols)
{
    struct sq_ast_from *f = sq_from_new(P, SQ_F_JOIN, a->span.at - P->base);

    f->join = kind;
    f->natural = natural;
    f->left = a;
    f->right = b;
    f->on = on;
    f->using_cols = sq_names_flat(P, using_cols, &f->nusing, NULL);
    grow(P, f->span, &f->height, a->height);
    grow(P, f->span, &f->height, b->height);
    if (on)
        grow(P, f->span, &f->height, on->height);
    if (kind != SQ_JOIN_CROSS && !natural && !on && !using_cols && P->tokens[P->feeding].code == SQ_TK_FOR) {
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, &P->tokens[P->feeding]), "FOR SYSTEM_TIME AS OF stands right behind the name of a table");
        sq_parse_hint(P, "an alias follows it: JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON …");
    } else if (kind != SQ_JOIN_CROSS && !natural && !on && !using_cols) {
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, kw), "this JOIN has no condition");
        sq_parse_hint(P, "add ON ... or USING (...), or write CROSS JOIN for all pairs");
    }
    return f;
}

/* ---- hints, options ---- */

/* 'key' = 'value'; a key or a value that is a word is taken as written. */
struct sq_kv *sq_kv_new(struct sq_parse *P, const struct sq_token *k, const struct sq_token *v)
{
    struct sq_kv *kv = SQ_MAKE(P, struct sq_kv);

    kv->key = sq_tok_str(P, k);
    kv->key_span = sq_tok_span(P, k);
    if (v) {
        kv->value = sq_tok_str(P, v);
        kv->value_span = sq_tok_span(P, v);
    }
    return kv;
}

/* Reads 'k' = 'v', … ) of a hint from *at on. False: an error was set. */
static bool hint_kvs(struct sq_parse *P, struct sq_str body, uint32_t *at, struct sq_plist *out)
{
    struct sq_token t = sq_lex(body, at), k;

    while (t.code != SQ_TK_RP) {
        struct sq_kv *kv;

        k = t;
        if (k.code != SQ_TK_STRING || sq_lex(body, at).code != SQ_TK_EQ || (t = sq_lex(body, at)).code != SQ_TK_STRING) {
            sq_parse_fail(P, SQ_SYNTAX, (struct sq_span){P->base + k.at, k.len ? k.len : 1}, "a hint takes 'key' = 'value' pairs");
            return false;
        }
        kv = sq_kv_new(P, &k, &t);
        sq_plist_add(P, out, kv);
        t = sq_lex(body, at);
        if (t.code == SQ_TK_COMMA)
            t = sq_lex(body, at);
        else if (t.code != SQ_TK_RP) {
            sq_parse_fail(P, SQ_SYNTAX, (struct sq_span){P->base + t.at, t.len ? t.len : 1}, "expected ',' or ')' in the hint");
            return false;
        }
    }
    return P->rc == SQ_OK;
}

/* The hint's text up to its closing characters, addressed as in the statement, so that tokens have the statement's places. */
static struct sq_str hint_body(const struct sq_parse *P, const struct sq_token *t)
{
    return (struct sq_str){P->text.p, t->at + t->len - 2};
}

struct sq_kv *sq_hint_options(struct sq_parse *P, const struct sq_token *t, uint32_t *n)
{
    struct sq_str body = hint_body(P, t);
    uint32_t at = t->at + 3;
    struct sq_token name = sq_lex(body, &at);
    struct sq_plist *list = sq_plist_new(P);

    *n = 0;
    if (name.code != SQ_TK_ID || !sq_str_iis(sq_tok_raw(P, &name), "OPTIONS") || sq_lex(body, &at).code != SQ_TK_LP) {
        sq_parse_fail(P, SQ_UNSUPPORTED, sq_tok_span(P, t), "the only hint behind a table's name is OPTIONS('key' = 'value', ...)");
        return NULL;
    }
    if (!hint_kvs(P, body, &at, list))
        return NULL;
    name = sq_lex(body, &at);
    if (name.code != SQ_LEX_END) {
        sq_parse_fail(P, SQ_SYNTAX, sq_tok_span(P, &name), "unexpected '%.*s' behind OPTIONS(...) in the hint", SQ_FMT(sq_tok_raw(P, &name)));
        return NULL;
    }
    return sq_plist_flat(P, list, sizeof(struct sq_kv), n);
}

/* The hint of a SELECT: the text is kept; the pairs of an OPTIONS(…) in it are read. */
void sq_query_hint(struct sq_parse *P, struct sq_ast_query *q, const struct sq_token *t)
{
    static const char *const names[] = {"OPTIONS", "STATE_TTL"};
    struct sq_str body = hint_body(P, t);
    uint32_t at = t->at + 3;
    struct sq_plist *list[2] = {NULL, NULL};

    q->hint_text = sq_str_trim((struct sq_str){P->text.p + at, t->len - 5});
    for (;;) {
        struct sq_token w = sq_lex(body, &at);
        uint32_t look = at, which = 0;

        if (w.code == SQ_LEX_END)
            break;
        while (which < 2 && (w.code != SQ_TK_ID || !sq_str_iis(sq_tok_raw(P, &w), names[which])))
            which++;
        if (which == 2 || sq_lex(body, &look).code != SQ_TK_LP)
            continue;
        at = look;
        if (!list[which])
            list[which] = sq_plist_new(P);
        if (!hint_kvs(P, body, &at, list[which]))
            return;
    }
    q->hint = sq_plist_flat(P, list[0], sizeof(struct sq_kv), &q->nhint);
    q->state_ttl = sq_plist_flat(P, list[1], sizeof(struct sq_kv), &q->nstate_ttl);
}
