/* SPDX-License-Identifier: Apache-2.0
 *
 * side.c: t$bad and t$late as tables of FROM: the records of t that are rejected, and its rows that a window, a window join or Top-N, a join in time
 * or an OVER of the same statement dropped as late.
 *
 *   t$bad     source, partition, offset (of a topic), line (of a file), reason, raw: from the scans of t in the job; where there is none, one is made that gives nothing else
 *   t$late    the columns of t, then missed_watermark: what the row was judged by
 *
 * Each is a SIDE node. It is bound as a leaf, and connected when the job is whole (sq_sides_connect), as what drops rows may stand in another insert of the set.
 *
 * A late row is to be had as it came, but a node that drops one sees only columns that it needs. So when somebody asks for late rows of t, the WATERMARK nodes over t keep all its
 * columns (`whole`), and once a tree is rewritten those are carried from there up to each node that drops (sq_sides_carry): projections pass them on behind their own columns, and
 * where they would be in the way above, a projection takes them off again. Between t and such a node there may be filters, projections and a window function. A query is bound before
 * it is known what the ones behind it ask for, so when one does ask, all are bound again.
 *
 * A row that two nodes drop comes twice. The results of windows are never late, so windows over windows drop nothing.
 */
#include "planner/bind.h"

struct target { struct sq_str path; struct sq_plan *node; struct sq_side_from from; const struct sq_plan *between; };   /* between: what makes other rows of them; NULL: nothing */

struct sq_sides {
    struct sq_str *paths;                  /* of tables whose late rows are wanted */
    uint32_t n, known, cap;                /* known: when the queries were bound */
    struct target *targets;
    uint32_t ntargets, cap_targets;
};

/* Room for one more in a list of an arena. */
static sq_rc grow(struct sq_arena *a, void *list, uint32_t n, uint32_t *cap, size_t size)
{
    uint32_t more = *cap ? *cap * 2 : 4;
    void *old, *now;
    if (n < *cap)
        return SQ_OK;
    if (!(now = sq_arena_zero(a, more * size)))
        return SQ_NOMEM;
    memcpy(&old, list, sizeof old);
    if (n)
        memcpy(now, old, n * size);
    memcpy(list, &now, sizeof now);
    *cap = more;
    return SQ_OK;
}

sq_rc sq_sides_begin(struct sq_bind_env *env)
{
    env->sides = SQ_NEW(env->arena, struct sq_sides);
    return env->sides ? SQ_OK : SQ_NOMEM;
}

void sq_sides_again(struct sq_bind_env *env, bool *again)
{
    *again = env->sides->n > env->sides->known;
    env->sides->known = env->sides->n;
    if (*again)
        env->sides->ntargets = 0;
}

bool sq_side_wanted(const struct sq_bind_env *env, struct sq_str path)
{
    for (uint32_t i = 0; env->sides && i < env->sides->n; i++)
        if (sq_str_eq(env->sides->paths[i], path))
            return true;
    return false;
}

static sq_rc want(struct sq_bind_env *env, struct sq_str path)
{
    struct sq_sides *s = env->sides;
    if (!s || sq_side_wanted(env, path))
        return SQ_OK;
    SQ_TRY(grow(env->arena, &s->paths, s->n, &s->cap, sizeof *s->paths));
    s->paths[s->n++] = path;
    return SQ_OK;
}

/* ---- binding ---- */

static bool ends_with(struct sq_str s, const char *end)
{
    size_t n = strlen(end);
    return s.n > n && memcmp(s.p + s.n - n, end, n) == 0;
}

/* The table itself, as FROM has it; not a query of WITH that has its name. */
static sq_rc bind_base(struct sq_binder *b, const struct sq_ast_from *f, const struct sq_name *name, struct sq_plan **out)
{
    struct sq_ast_from base = {.kind = SQ_F_TABLE, .span = f->span, .name = *name};
    struct sq_cte *ctes = b->ctes;
    struct sq_scope scope;
    b->ctes = NULL;
    sq_rc rc = sq_bind_from(b, &base, out, &scope);
    b->ctes = ctes;
    return rc;
}

static sq_rc late_columns(struct sq_binder *b, const struct sq_ast_from *f, const struct sq_table *t, const struct sq_plan *base, struct sq_plan *p)
{
    struct sq_field *cols = SQ_NEW_ARRAY(b->arena, struct sq_field, base->ncols + 1);
    bool zoned = t->rowtime >= 0 && base->cols[t->rowtime].type->id == SQ_T_TIMESTAMP_LTZ;
    const struct sq_type *time = sq_type_nullable(b->arena, zoned ? &sq_type_ltz3 : &sq_type_timestamp3, false);
    if (t->rowtime < 0 || !t->watermark) {
        SQ_WRONG(b, f->name.span, "table '%.*s' has no WATERMARK, so none of its rows is ever late", SQ_FMT(t->name));
        return sq_hint(b->ctx, "declare WATERMARK FOR a timestamp column in CREATE TABLE");
    }
    if (!cols || !time)
        return SQ_NOMEM;
    memcpy(cols, base->cols, base->ncols * sizeof *cols);
    cols[base->ncols] = (struct sq_field){SQ_STR("missed_watermark"), time};
    p->cols = cols;
    p->ncols = base->ncols + 1;
    return want(b->env, sq_plan_scan(base)->u.scan.path);
}

static sq_rc bad_columns(struct sq_binder *b, struct sq_plan *p)
{
    static const char *const names[] = {"source", "partition", "offset", "line", "reason", "raw"};
    const struct sq_type *types[] = {&sq_type_string, &sq_type_int, &sq_type_bigint, &sq_type_bigint, sq_type_nullable(b->arena, &sq_type_string, false), &sq_type_bytes};
    struct sq_field *cols = SQ_NEW_ARRAY(b->arena, struct sq_field, SQ_LEN(names));
    if (!cols || !types[4])
        return SQ_NOMEM;
    for (uint32_t i = 0; i < SQ_LEN(names); i++)
        cols[i] = (struct sq_field){sq_str_of(names[i]), types[i]};
    p->cols = cols;
    p->ncols = SQ_LEN(names);
    return SQ_OK;
}

static sq_rc side_of(struct sq_binder *b, const struct sq_ast_from *f, const struct sq_name *name, bool late, struct sq_plan **out)
{
    struct sq_table *t;
    struct sq_plan *base, *p;
    SQ_TRY(sq_catalog_table(b->ctx, b->env->catalog, name, &t));
    if (t->is_view)
        return SQ_WRONG(b, f->name.span, "'%.*s' is a view: only tables have rows that are %s", SQ_FMT(t->name), late ? "late" : "rejected");
    if (f->nhint)
        return SQ_WRONG(b, f->hint[0].key_span, "OPTIONS belong to the table '%.*s' where it is read, not to what it leaves out", SQ_FMT(t->name));
    if (f->as_of)
        return SQ_WRONG(b, f->as_of->span, "FOR SYSTEM_TIME AS OF: what a table leaves out has no versions");
    SQ_TRY(bind_base(b, f, name, &base));
    if (!(p = sq_node_new(b->arena, SQ_N_SIDE, NULL, sq_bind_span(b, f->name.span))))
        return SQ_NOMEM;
    SQ_TRY(late ? late_columns(b, f, t, base, p) : bad_columns(b, p));
    p->u.side.late = late;
    p->u.side.scan = sq_plan_scan(base);
    p->u.side.path = p->u.side.scan->u.scan.path;
    p->u.side.name = p->u.side.scan->u.scan.table->name;
    p->bounded = p->u.side.scan->bounded;
    *out = p;
    return SQ_OK;
}

sq_rc sq_bind_side(struct sq_binder *b, const struct sq_ast_from *f, struct sq_plan **plan)
{
    struct sq_name name = f->name;
    struct sq_str *last = &name.part[name.n - 1];
    bool late = ends_with(*last, "$late"), bad = ends_with(*last, "$bad");
    struct sq_table *t;
    *plan = NULL;
    if (!late && !bad)
        return SQ_OK;
    name.span = sq_bind_span(b, f->name.span);
    SQ_TRY(sq_catalog_lookup(b->ctx, b->env->catalog, &name, &t));
    if (t)
        return SQ_OK;
    last->n -= (uint32_t)strlen(late ? "$late" : "$bad");
    return side_of(b, f, &name, late, plan);
}

/* ---- columns on their way to who drops rows ---- */

/* Whether rows of the table come here one by one, as they were. */
enum found { NONE, ROWS, OTHERS };         /* OTHERS: a node has made other rows of them */

static enum found probe(const struct sq_plan *p, struct sq_str path, const struct sq_plan **between)
{
    enum found most = NONE;
    switch (p->kind) {
    case SQ_N_WATERMARK:
        return p->u.watermark.whole && sq_str_eq(sq_plan_scan(p)->u.scan.path, path) ? ROWS : NONE;
    case SQ_N_FILTER:
    case SQ_N_PROJECT:
        return probe(p->inputs[0], path, between);
    case SQ_N_WINDOW:
        return p->u.window.spec->kind == SQ_WINDOW_SESSION ? NONE : probe(p->inputs[0], path, between);
    case SQ_N_WINDOW_AGGREGATE:
    case SQ_N_OVER:
    case SQ_N_SIDE:
        return NONE;
    default:
        break;
    }
    if ((p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_OF_WINDOWS) || (p->kind == SQ_N_RANK && p->u.rank.windowed))
        return NONE;
    for (uint32_t i = 0; i < p->ninputs && most == NONE; i++)
        most = probe(p->inputs[i], path, between);
    if (most == ROWS)
        *between = p;
    return most == NONE ? NONE : OTHERS;
}

/* Input k of the node had `before` columns and has more now: the output as it was, and behind it, where `keep`, the new ones. */
static sq_rc take_grown(struct sq_arena *a, struct sq_plan **slot, uint32_t k, uint32_t before, bool keep)
{
    struct sq_plan *p = *slot, *in = p->inputs[k], *wrap;
    uint32_t more = in->ncols - before, n = p->ncols, at = k == 0 ? before : n;
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, n + more + 1), *named = SQ_NEW_ARRAY(a, struct sq_field, n + more + 1);
    uint32_t *pick = SQ_NEW_ARRAY(a, uint32_t, n + more + 1), *to = SQ_NEW_ARRAY(a, uint32_t, p->ninputs > 1 ? p->inputs[0]->ncols + p->inputs[1]->ncols + 1 : 1);
    if (!cols || !named || !pick || !to)
        return SQ_NOMEM;
    if (p->kind == SQ_N_JOIN && p->u.join.residual && k == 0) {
        for (uint32_t i = 0; i < before + p->inputs[1]->ncols; i++)
            to[i] = i < before ? i : i + more;
        SQ_TRY(sq_expr_remap(a, p->u.join.residual, to, &p->u.join.residual));
    }
    if (p->kind == SQ_N_JOIN && k == 1 && (p->u.join.kind == SQ_JOIN_SEMI || p->u.join.kind == SQ_JOIN_ANTI))
        return SQ_OK;
    for (uint32_t i = 0; i < n + more; i++) {
        bool is_new = i >= at && i < at + more;
        cols[i] = is_new ? in->cols[before + i - at] : p->cols[i < at ? i : i - more];
        if (is_new && p->kind == SQ_N_JOIN && !(cols[i].type = sq_type_nullable(a, cols[i].type, true)))
            return SQ_NOMEM;
        pick[is_new ? n + i - at : i < at ? i : i - more] = i;
        named[is_new ? n + i - at : i < at ? i : i - more] = cols[i];
    }
    p->cols = cols;
    p->ncols = n + more;
    if (!(wrap = sq_node_select(a, p, pick, keep ? n + more : n)))
        return SQ_NOMEM;
    wrap->cols = named;
    *slot = wrap;
    return SQ_OK;
}

static sq_rc carry(struct sq_arena *a, struct sq_plan **slot, uint32_t *pos, uint32_t *n);

static sq_rc carry_project(struct sq_arena *a, struct sq_plan *p, uint32_t *pos, uint32_t n)
{
    struct sq_expr **exprs = SQ_NEW_ARRAY(a, struct sq_expr *, p->ncols + n + 1);
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, p->ncols + n + 1);
    uint32_t k = p->ncols;
    if (!exprs || !cols)
        return SQ_NOMEM;
    if (k) {
        memcpy(exprs, p->u.project.exprs, k * sizeof(*exprs));
        memcpy(cols, p->cols, k * sizeof *cols);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = 0;
        while (at < k && !(exprs[at]->kind == SQ_X_COL && exprs[at]->col == pos[i]))
            at++;
        if (at == k) {
            const struct sq_field *f = &p->inputs[0]->cols[pos[i]];
            if (!(exprs[k] = sq_expr_col(a, pos[i], f->type, (struct sq_span){0, 0})))
                return SQ_NOMEM;
            cols[k++] = *f;
        }
        pos[i] = at;
    }
    p->u.project.exprs = exprs;
    p->cols = cols;
    p->ncols = k;
    return SQ_OK;
}

static sq_rc carry_window(struct sq_arena *a, struct sq_plan **slot, uint32_t *pos, uint32_t *n)
{
    struct sq_plan *p = *slot;
    uint32_t before = p->inputs[0]->ncols, out = p->ncols;
    SQ_TRY(carry(a, &p->inputs[0], pos, n));
    if (p->inputs[0]->ncols == before)
        return SQ_OK;
    for (uint32_t i = 0; i < *n; i++)
        pos[i] = pos[i] < before ? pos[i] : out + pos[i] - before;
    return take_grown(a, slot, 0, before, true);
}

/* Where the table's columns are in the output, which gets those that it lacks at its end. */
static sq_rc carry(struct sq_arena *a, struct sq_plan **slot, uint32_t *pos, uint32_t *n)
{
    struct sq_plan *p = *slot;
    switch (p->kind) {
    case SQ_N_WATERMARK:
        *n = p->ncols;
        for (uint32_t i = 0; i < p->ncols; i++)
            pos[i] = i;
        return SQ_OK;
    case SQ_N_WINDOW:
        return carry_window(a, slot, pos, n);
    case SQ_N_PROJECT:
        SQ_TRY(carry(a, &p->inputs[0], pos, n));
        return carry_project(a, p, pos, *n);
    default:                                                     /* a filter */
        SQ_TRY(carry(a, &p->inputs[0], pos, n));
        p->cols = p->inputs[0]->cols;
        p->ncols = p->inputs[0]->ncols;
        return SQ_OK;
    }
}

static uint32_t table_columns(const struct sq_plan *p)
{
    while (p->kind != SQ_N_WATERMARK)
        p = p->inputs[0];
    return p->ncols;
}

/* Notes that input k of the node drops late rows of the table. */
static sq_rc add_target(struct sq_bind_env *env, struct sq_plan **slot, uint32_t k, struct sq_str path)
{
    struct sq_sides *s = env->sides;
    struct sq_plan *p = *slot;
    const struct sq_plan *between = NULL;
    enum found found = probe(p->inputs[k], path, &between);
    uint32_t before = p->inputs[k]->ncols, n = 0, *pos = NULL;
    if (found == NONE)
        return SQ_OK;
    if (found == ROWS) {
        if (!(pos = SQ_NEW_ARRAY(env->arena, uint32_t, table_columns(p->inputs[k]) + 1)))
            return SQ_NOMEM;
        SQ_TRY(carry(env->arena, &p->inputs[k], pos, &n));
        if (p->inputs[k]->ncols > before && p->kind != SQ_N_WINDOW_AGGREGATE)
            SQ_TRY(take_grown(env->arena, slot, k, before, false));
    }
    SQ_TRY(grow(env->arena, &s->targets, s->ntargets, &s->cap_targets, sizeof *s->targets));
    s->targets[s->ntargets++] = (struct target){path, p, {k, pos}, between};
    return SQ_OK;
}

static sq_rc carry_all(struct sq_bind_env *env, struct sq_plan **slot)
{
    struct sq_plan *p = *slot;
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(carry_all(env, &p->inputs[i]));
    for (uint32_t k = 0; k < p->ninputs; k++)
        for (uint32_t i = 0; i < env->sides->n && sq_drops_late(p, k); i++) {
            struct sq_plan **to = slot;
            while (*to != p)                                     /* below what takes off columns of the other side */
                to = &(*to)->inputs[0];
            SQ_TRY(add_target(env, to, k, env->sides->paths[i]));
        }
    return SQ_OK;
}

sq_rc sq_sides_carry(struct sq_bind_env *env, struct sq_plan **plan)
{
    if (!env->sides || env->sides->n == 0)
        return SQ_OK;
    SQ_TRY(carry_all(env, plan));
    return sq_time_annotate(env->arena, *plan);
}

/* ---- connecting ---- */

struct nodes { struct sq_plan **p; uint32_t n, cap; };

static sq_rc note(struct sq_arena *a, struct nodes *l, struct sq_plan *p)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->p[i] == p)
            return SQ_OK;
    SQ_TRY(grow(a, &l->p, l->n, &l->cap, sizeof(*l->p)));
    l->p[l->n++] = p;
    return SQ_OK;
}

static sq_rc find(struct sq_arena *a, struct sq_plan *p, enum sq_plan_kind kind, struct nodes *l)
{
    if (p->kind == kind)
        SQ_TRY(note(a, l, p));
    for (uint32_t i = 0; i < p->ninputs && !sq_side_apart(p); i++)
        SQ_TRY(find(a, p->inputs[i], kind, l));
    return SQ_OK;
}

static bool leads_from_side(const struct sq_plan *p)
{
    bool any = p->kind == SQ_N_SIDE;
    for (uint32_t i = 0; i < p->ninputs && !any; i++)
        any = leads_from_side(p->inputs[i]);
    return any;
}

static const char *what(const struct sq_plan *p)
{
    switch (p->kind) {
    case SQ_N_UNION: return "UNION ALL";
    case SQ_N_JOIN: return "a join";
    case SQ_N_EXPAND: return "GROUPING SETS";
    case SQ_N_UNNEST: return "UNNEST";
    default: return "another operation";
    }
}

static sq_rc check_target(struct sq_bind_env *env, const struct sq_plan *side, const struct target *t)
{
    struct sq_str name = side->u.side.name;
    if (t->between) {
        sq_fail_at(env->ctx, SQ_UNSUPPORTED, side->span, "late rows of '%.*s' are not to be had here: %s makes other rows of them before a window drops what is late", SQ_FMT(name), what(t->between));
        return sq_hint(env->ctx, "between the table and the window there may be filters and projections");
    }
    if (t->node->inputs[t->from.input]->mode != SQ_MODE_INSERT)
        return sq_fail_at(env->ctx, SQ_UNSUPPORTED, side->span, "late rows of '%.*s' are not to be had: it is a table of changes", SQ_FMT(name));
    if (leads_from_side(t->node))
        return sq_fail_at(env->ctx, SQ_UNSUPPORTED, side->span, "late rows of '%.*s' are dropped by a query that itself reads what tables leave out", SQ_FMT(name));
    return SQ_OK;
}

static sq_rc connect_late(struct sq_bind_env *env, struct sq_plan *p)
{
    struct sq_sides *s = env->sides;
    struct sq_plan **inputs = SQ_NEW_ARRAY(env->arena, struct sq_plan *, s->ntargets + 1);
    struct sq_side_from *from = SQ_NEW_ARRAY(env->arena, struct sq_side_from, s->ntargets + 1);
    if (!inputs || !from)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < s->ntargets; i++) {
        const struct target *t = &s->targets[i];
        if (!sq_str_eq(t->path, p->u.side.path) || !sq_drops_late(t->node, t->from.input))
            continue;
        SQ_TRY(check_target(env, p, t));
        inputs[p->ninputs] = t->node;
        from[p->ninputs++] = t->from;
    }
    p->inputs = inputs;
    p->u.side.from = from;
    if (p->ninputs > 0)
        return SQ_OK;
    sq_fail_at(env->ctx, SQ_SEMANTIC, p->span, "no query of this statement drops late rows of '%.*s'", SQ_FMT(p->u.side.name));
    return sq_hint(env->ctx, "put it into EXECUTE STATEMENT SET BEGIN … END beside an INSERT that makes windows of '%.*s'", SQ_FMT(p->u.side.name));
}

static bool rejects(const struct sq_table_spec *t)
{
    for (uint32_t i = 0; i < t->noptions; i++)
        if (ends_with(t->options[i].key, "ignore-parse-errors") && sq_str_iis(t->options[i].value, "true"))
            return true;
    return false;
}

static sq_rc rejects_none(struct sq_bind_env *env, const struct sq_plan *p)
{
    const struct sq_table_spec *t = p->u.side.scan->u.scan.table;
    sq_fail_at(env->ctx, SQ_SEMANTIC, p->span, "'%.*s' rejects no records: the first one that is bad fails the job", SQ_FMT(t->name));
    for (uint32_t i = 0; i < t->noptions; i++)
        if (sq_str_is(t->options[i].key, "format") || sq_str_is(t->options[i].key, "value.format"))
            return sq_hint(env->ctx, "to go on without such records: '%.*s.ignore-parse-errors' = 'true'", SQ_FMT(t->options[i].value));
    return SQ_SEMANTIC;
}

static sq_rc connect_bad(struct sq_bind_env *env, struct sq_job_plan *j, struct sq_plan *p)
{
    struct nodes all = {0}, of = {0};
    bool some = false;
    for (uint32_t i = 0; i < j->nroots; i++)
        SQ_TRY(find(env->arena, j->roots[i], SQ_N_SCAN, &all));
    for (uint32_t i = 0; i < all.n; i++)
        if (sq_str_eq(all.p[i]->u.scan.path, p->u.side.path))
            SQ_TRY(note(env->arena, &of, all.p[i]));
    if (of.n == 0) {
        struct sq_plan *scan = p->u.side.scan;
        if (j->config.batch && !scan->bounded)
            return sq_fail_at(env->ctx, SQ_SEMANTIC, p->span, "batch mode needs an input that ends, and table '%.*s' does not end", SQ_FMT(p->u.side.name));
        scan->mode = scan->u.scan.info.mode;
        scan->final = j->config.batch;
        SQ_TRY(sq_infer_keys(env->arena, scan));
        scan->upsert_key = scan->mode == SQ_MODE_UPSERT && scan->nkeys ? scan->keys[0] : (struct sq_key){NULL, 0};
        SQ_TRY(note(env->arena, &of, scan));
        p->u.side.reads = true;
    }
    for (uint32_t i = 0; i < of.n; i++)
        some |= rejects(of.p[i]->u.scan.table);
    p->inputs = of.p;
    p->ninputs = of.n;
    return some ? SQ_OK : rejects_none(env, p);
}

/* What is left out by an input that does not end does not end either. */
static bool settle(struct sq_plan *p)
{
    bool bounded = true;
    for (uint32_t i = 0; i < p->ninputs; i++)
        bounded &= sq_side_apart(p) ? p->inputs[i]->bounded : settle(p->inputs[i]);
    if (p->ninputs)
        p->bounded = bounded;
    return p->bounded;
}

sq_rc sq_sides_connect(struct sq_bind_env *env, struct sq_job_plan *j)
{
    struct nodes sides = {0};
    for (uint32_t i = 0; i < j->nroots; i++)
        SQ_TRY(find(env->arena, j->roots[i], SQ_N_SIDE, &sides));
    for (uint32_t i = 0; i < sides.n; i++)
        SQ_TRY(sides.p[i]->u.side.late ? connect_late(env, sides.p[i]) : connect_bad(env, j, sides.p[i]));
    for (uint32_t i = 0; i < j->nroots && sides.n; i++)
        settle(j->roots[i]);
    return SQ_OK;
}
