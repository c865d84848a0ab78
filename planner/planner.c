/* SPDX-License-Identifier: Apache-2.0
 *
 * planner.c: whole jobs. An INSERT is bound, checked against its target, cast column by column to the target's types, rewritten,
 * given a SINK, and annotated; a SELECT for the API gets a COLLECT. Nodes are then numbered in the order that EXPLAIN prints them.
 *
 * INSERT … PARTITION (k = 'v') gives columns that the target is PARTITIONED BY a value; the query gives the others.
 *
 * FLINK: the columns of query and target are matched by position; a column that the list leaves out is NULL; what may be cast without being asked for is
 * cast; a NOT NULL column may be given nullable values, which are judged row by row.
 */
#include "planner/bind.h"

/* ---- the target ---- */

struct target {
    struct sq_binder *b;
    const struct sq_ast_insert *ins;
    struct sq_table *t;
    const struct sq_table_spec *spec;      /* of what is written: without virtual columns */
    const struct sq_table_ext *ext;
    uint32_t *from;                        /* per column of spec: the query's column; UINT32_MAX: NULL */
    uint32_t *given;                       /* the other way: query column i goes to spec column given[i] */
    uint32_t ngiven;
    const struct sq_kv **fixed;            /* per column of spec: its value in PARTITION (…); NULL: not there */
    const struct sq_vec **values;          /* the same, as constants of the column's type; NULL: no PARTITION */
};

static bool is_virtual(const struct sq_table *t, uint32_t stored)
{
    for (uint32_t i = 0; i < t->ncols; i++)
        if (t->cols[i].kind == SQ_COLUMN_METADATA && t->cols[i].stored == stored)
            return t->cols[i].is_virtual;
    return false;
}

/* The type that column i of the target was declared with: metadata may be of another type outside. */
static const struct sq_type *declared_type(const struct target *g, uint32_t i)
{
    for (uint32_t k = 0; k < g->t->ncols; k++)
        if (g->t->cols[k].kind == SQ_COLUMN_METADATA && sq_str_eq(g->t->cols[k].name, g->spec->cols[i].name))
            return g->t->cols[k].type;
    return g->spec->cols[i].type;
}

static sq_rc merge_options(struct target *g, struct sq_table_spec *spec)
{
    struct sq_kv *kv = SQ_NEW_ARRAY(g->b->arena, struct sq_kv, spec->noptions + g->ins->nhint + 1);
    uint32_t n = spec->noptions;
    if (!kv)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        kv[i] = spec->options[i];
        kv[i].key_span = kv[i].value_span = (struct sq_span){0, 0};
    }
    for (uint32_t i = 0; i < g->ins->nhint; i++) {
        uint32_t at = 0;
        while (at < n && !sq_str_eq(kv[at].key, g->ins->hint[i].key))
            at++;
        if (sq_str_is(g->ins->hint[i].key, "connector"))
            return SQ_WRONG(g->b, g->ins->hint[i].key_span, "OPTIONS cannot change the connector of '%.*s'", SQ_FMT(g->t->name));
        kv[at] = g->ins->hint[i];
        n += at == n;
    }
    spec->options = kv;
    spec->noptions = n;
    spec->span = g->ins->table.span;
    return SQ_OK;
}

static sq_rc without_virtual(struct target *g, struct sq_table_spec *spec)
{
    const struct sq_table_spec *all = &g->t->spec;
    struct sq_table_column *cols = SQ_NEW_ARRAY(g->b->arena, struct sq_table_column, all->ncols + 1);
    uint32_t *to = SQ_NEW_ARRAY(g->b->arena, uint32_t, all->ncols + 1), n = 0;
    uint32_t *pk = SQ_NEW_ARRAY(g->b->arena, uint32_t, all->npk + 1), *part = SQ_NEW_ARRAY(g->b->arena, uint32_t, all->npartition + 1);
    if (!cols || !to || !pk || !part)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < all->ncols; i++)
        if (!is_virtual(g->t, i)) {
            cols[n] = all->cols[i];
            to[i] = n++;
        }
    for (uint32_t i = 0; i < all->npk; i++)
        pk[i] = to[all->pk[i]];
    for (uint32_t i = 0; i < all->npartition; i++)
        part[i] = to[all->partition[i]];
    spec->cols = cols;
    spec->ncols = n;
    spec->pk = pk;
    spec->partition = part;
    return SQ_OK;
}

/* The connector's view of the target: its own, or another made for hints and virtual columns. */
static sq_rc target_spec(struct target *g)
{
    bool virtuals = false;
    for (uint32_t i = 0; i < g->t->spec.ncols; i++)
        virtuals |= is_virtual(g->t, i);
    g->spec = &g->t->spec;
    g->ext = g->t->ext;
    if (!virtuals && !g->ins->nhint)
        return SQ_OK;
    struct sq_table_spec *spec = SQ_NEW(g->b->arena, struct sq_table_spec);
    struct sq_table_ext *ext;
    if (!spec)
        return SQ_NOMEM;
    *spec = g->t->spec;
    if (virtuals)
        SQ_TRY(without_virtual(g, spec));
    if (g->ins->nhint)
        SQ_TRY(merge_options(g, spec));
    SQ_TRY(g->t->connector->table(g->b->ctx, g->b->arena, spec, &ext));
    g->spec = spec;
    g->ext = ext;
    return SQ_OK;
}

static sq_rc open_target(struct target *g)
{
    struct sq_binder *b = g->b;
    const struct sq_ast_insert *ins = g->ins;
    SQ_TRY(sq_catalog_table(b->ctx, b->env->catalog, &ins->table, &g->t));
    if (g->t->is_view)
        return SQ_WRONG(b, ins->table.span, "'%.*s' is a view: rows can be inserted only into a table", SQ_FMT(g->t->name));
    if (!g->t->connector->sink)
        return SQ_WRONG(b, ins->table.span, "table '%.*s' cannot be written: the connector '%s' is a source only", SQ_FMT(g->t->name), g->t->connector->name);
    if (ins->overwrite && strcmp(g->t->connector->name, "filesystem") != 0)
        return SQ_WRONG(b, ins->table.span, "INSERT OVERWRITE is possible only for the connector 'filesystem', and '%.*s' is '%s'", SQ_FMT(g->t->name), g->t->connector->name);
    return target_spec(g);
}

/* ---- the list of columns ---- */

static sq_rc no_target_column(struct target *g, uint32_t i)
{
    struct sq_binder *b = g->b;
    struct sq_str name = g->ins->cols[i], *names = SQ_NEW_ARRAY(b->arena, struct sq_str, g->spec->ncols + 1);
    if (!names)
        return SQ_NOMEM;
    for (uint32_t k = 0; k < g->t->ncols; k++)
        if (sq_str_eq(g->t->cols[k].name, name))
            return SQ_WRONG(b, g->ins->col_spans[i], "column '%.*s' of '%.*s' is %s: it cannot be inserted", SQ_FMT(name), SQ_FMT(g->t->name),
                            g->t->cols[k].kind == SQ_COLUMN_COMPUTED ? "computed" : "virtual metadata");
    for (uint32_t k = 0; k < g->spec->ncols; k++)
        names[k] = g->spec->cols[k].name;
    struct sq_str near = sq_nearest(name, names, g->spec->ncols);
    SQ_WRONG(b, g->ins->col_spans[i], "no column '%.*s' in '%.*s'", SQ_FMT(name), SQ_FMT(g->t->name));
    return near.n ? sq_hint(b->ctx, "did you mean '%.*s'?", SQ_FMT(near)) : SQ_SEMANTIC;
}

/* PARTITION (k = 'v', …): the query gives the other columns. */
static sq_rc match_partition(struct target *g)
{
    struct sq_binder *b = g->b;
    const struct sq_ast_insert *ins = g->ins;
    const struct sq_table_spec *t = g->spec;
    g->fixed = SQ_NEW_ARRAY(b->arena, const struct sq_kv *, t->ncols + 1);
    if (!g->fixed)
        return SQ_NOMEM;
    if (ins->npartition && t->npartition == 0)
        return SQ_WRONG(b, ins->partition[0].key_span, "'%.*s' is not PARTITIONED BY any column", SQ_FMT(g->t->name));
    for (uint32_t i = 0; i < ins->npartition; i++) {
        struct sq_str names[64], key = ins->partition[i].key;
        uint32_t k = 0, n = 0;
        while (k < t->npartition && !sq_str_eq(t->cols[t->partition[k]].name, key))
            k++;
        if (k == t->npartition) {
            for (k = 0; k < t->npartition && n < SQ_LEN(names); k++)
                names[n++] = t->cols[t->partition[k]].name;
            struct sq_str near = sq_nearest(key, names, n);
            SQ_WRONG(b, ins->partition[i].key_span, "'%.*s' is not PARTITIONED BY '%.*s'", SQ_FMT(g->t->name), SQ_FMT(key));
            return near.n ? sq_hint(b->ctx, "did you mean '%.*s'?", SQ_FMT(near)) : SQ_SEMANTIC;
        }
        if (g->fixed[t->partition[k]])
            return SQ_WRONG(b, ins->partition[i].key_span, "PARTITION gives '%.*s' twice", SQ_FMT(key));
        g->fixed[t->partition[k]] = &ins->partition[i];
    }
    if (ins->npartition && !(g->values = SQ_NEW_ARRAY(b->arena, const struct sq_vec *, t->ncols + 1)))
        return SQ_NOMEM;
    return SQ_OK;
}

static sq_rc match_columns(struct target *g)
{
    struct sq_binder *b = g->b;
    const struct sq_ast_insert *ins = g->ins;
    uint32_t n = g->spec->ncols;
    g->from = SQ_NEW_ARRAY(b->arena, uint32_t, n + 1);
    g->given = SQ_NEW_ARRAY(b->arena, uint32_t, n + ins->ncols + 1);
    if (!g->from || !g->given)
        return SQ_NOMEM;
    SQ_TRY(match_partition(g));
    g->ngiven = ins->ncols;
    for (uint32_t i = 0; i < n; i++) {
        g->from[i] = UINT32_MAX;
        if (!ins->ncols && !g->fixed[i]) {
            g->from[i] = g->ngiven;
            g->given[g->ngiven++] = i;
        }
    }
    for (uint32_t i = 0; i < ins->ncols; i++) {
        uint32_t k = 0;
        while (k < n && !sq_str_eq(g->spec->cols[k].name, ins->cols[i]))
            k++;
        if (k == n)
            return no_target_column(g, i);
        if (g->from[k] != UINT32_MAX)
            return SQ_WRONG(b, ins->col_spans[i], "column '%.*s' is listed twice", SQ_FMT(ins->cols[i]));
        if (g->fixed[k])
            return SQ_WRONG(b, ins->col_spans[i], "column '%.*s' is listed, and its value is given by PARTITION", SQ_FMT(ins->cols[i]));
        g->from[k] = i;
        g->given[i] = k;
    }
    for (uint32_t i = 0; i < n; i++)
        if (g->from[i] == UINT32_MAX && !g->fixed[i] && !declared_type(g, i)->nullable)
            return SQ_WRONG(b, ins->table.span, "column '%.*s' of '%.*s' is NOT NULL and is not among the columns listed", SQ_FMT(g->spec->cols[i].name), SQ_FMT(g->t->name));
    return SQ_OK;
}

/* ---- types ---- */

/* Where the text says what output column i is. */
static struct sq_span column_span(const struct sq_plan *p, uint32_t i)
{
    for (;;) {
        if (p->kind == SQ_N_PROJECT && p->u.project.exprs[i]->span.len)
            return p->u.project.exprs[i]->span;
        if (p->kind == SQ_N_PROJECT && p->u.project.exprs[i]->kind == SQ_X_COL)
            i = p->u.project.exprs[i]->col;
        else if (p->kind == SQ_N_AGGREGATE && i < p->u.agg.ngroup)
            i = p->u.agg.group[i];
        else if (p->kind != SQ_N_FILTER && p->kind != SQ_N_SORT && p->kind != SQ_N_LIMIT && p->kind != SQ_N_UNION)
            return (struct sq_span){0, 0};
        p = p->inputs[0];
    }
}

static struct sq_span item_span(const struct target *g, const struct sq_plan *p, uint32_t i)
{
    const struct sq_ast_query *q = g->ins->query;
    if (q->kind == SQ_Q_VALUES && q->nrows) {
        const struct sq_ast_expr *row = q->rows[0];
        return row->kind == SQ_A_ROW && i < row->nargs ? row->args[i]->span : row->span;
    }
    struct sq_span s = column_span(p, i);
    return s.len ? s : q->span;
}

static void print_columns(struct sq_buf *b, const char *what, const struct sq_field *f, uint32_t n)
{
    sq_buf_printf(b, "%s: (", what);
    for (uint32_t i = 0; i < n; i++) {
        sq_buf_puts(b, i ? ", " : "");
        sq_buf_str(b, f[i].name);
        sq_buf_putc(b, ' ');
        sq_type_print(b, f[i].type);
    }
    sq_buf_putc(b, ')');
}

/* Adds both schemas to the error as its hint. */
static sq_rc show_both(struct target *g, const struct sq_plan *p)
{
    struct sq_buf b;
    struct sq_field *f = SQ_NEW_ARRAY(g->b->arena, struct sq_field, g->ngiven + 1);
    if (!f)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < g->ngiven; i++)
        f[i] = (struct sq_field){g->spec->cols[g->given[i]].name, declared_type(g, g->given[i])};
    sq_buf_init(&b, g->b->ctx);
    print_columns(&b, "query", p->cols, p->ncols);
    print_columns(&b, ", sink", f, g->ngiven);
    if (b.rc == SQ_OK)
        sq_hint(g->b->ctx, "%s", b.p);
    sq_buf_free(&b);
    return g->b->ctx->err.rc;
}

static sq_rc wrong_type(struct target *g, const struct sq_plan *p, uint32_t i, const struct sq_table_column *to, const struct sq_type *declared)
{
    struct sq_buf b;
    sq_buf_init(&b, g->b->ctx);
    sq_buf_printf(&b, "column %u ('%.*s') of the query is ", i + 1, SQ_FMT(p->cols[i].name));
    sq_type_print(&b, p->cols[i].type);
    sq_buf_printf(&b, ", and cannot be written to '%.*s' of '%.*s', which is ", SQ_FMT(to->name), SQ_FMT(g->t->name));
    sq_type_print(&b, declared);
    if (b.rc == SQ_OK)
        SQ_WRONG(g->b, item_span(g, p, i), "%s", b.p);
    sq_buf_free(&b);
    return show_both(g, p);
}

/* A column that PARTITION gives. */
static sq_rc fixed_column(struct target *g, uint32_t i, struct sq_expr **out)
{
    struct sq_binder *b = g->b;
    const struct sq_kv *kv = g->fixed[i];
    uint32_t chars = sq_utf8_length(kv->value);
    const struct sq_type *text = sq_type_new(b->arena, SQ_T_VARCHAR, false, chars ? (int32_t)chars : 1, 0);
    struct sq_vec *v = text ? sq_vec_const_str(b->arena, text, kv->value) : NULL;
    if (!v || !(*out = sq_expr_const(b->arena, v, kv->value_span)))
        return SQ_NOMEM;
    SQ_TRY(sq_bind_cast(b, *out, g->spec->cols[i].type, out));
    if ((*out)->kind != SQ_X_CONST) {                    /* the cast fails */
        struct sq_buf type;
        sq_buf_init(&type, b->ctx);
        sq_rc rc = sq_type_print(&type, g->spec->cols[i].type);
        if (rc == SQ_OK)
            rc = SQ_WRONG(b, kv->value_span, "PARTITION: '%.*s' is %s, and '%.*s' is not", SQ_FMT(kv->key), type.p, SQ_FMT(kv->value));
        sq_buf_free(&type);
        return rc;
    }
    g->values[i] = (*out)->value;
    return SQ_OK;
}

/* The project that makes the target's columns of the query's. */
static sq_rc fit_columns(struct target *g, struct sq_plan *p, struct sq_plan **out)
{
    struct sq_binder *b = g->b;
    uint32_t n = g->spec->ncols;
    struct sq_expr **exprs = SQ_NEW_ARRAY(b->arena, struct sq_expr *, n + 1);
    struct sq_str *names = SQ_NEW_ARRAY(b->arena, struct sq_str, n + 1);
    if (!exprs || !names)
        return SQ_NOMEM;
    if (p->ncols != g->ngiven) {
        SQ_WRONG(b, p->ncols > g->ngiven ? item_span(g, p, g->ngiven) : g->ins->query->span, "the query has %u column%s, but %u %s to be filled in '%.*s'", p->ncols, p->ncols == 1 ? "" : "s",
                 g->ngiven, g->ngiven == 1 ? "is" : "are", SQ_FMT(g->t->name));
        return show_both(g, p);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct sq_table_column *to = &g->spec->cols[i];
        const struct sq_type *declared = declared_type(g, i);
        names[i] = to->name;
        if (g->fixed[i]) {
            SQ_TRY(fixed_column(g, i, &exprs[i]));
            continue;
        }
        if (g->from[i] == UINT32_MAX) {
            if (!(exprs[i] = sq_expr_const(b->arena, sq_vec_const_null(b->arena, to->type), (struct sq_span){0, 0})))
                return SQ_NOMEM;
            continue;
        }
        uint32_t c = g->from[i];
        const struct sq_type *from = p->cols[c].type;
        struct sq_expr *col = sq_expr_col(b->arena, c, from, item_span(g, p, c));
        if (!col)
            return SQ_NOMEM;
        if (from->id != SQ_T_NULL && !sq_type_equal(from, declared, false) && !sq_cast_assignable(from, declared))
            return wrong_type(g, p, c, to, declared);
        SQ_TRY(sq_bind_cast(b, col, declared, &exprs[i]));
        SQ_TRY(sq_bind_cast(b, exprs[i], to->type, &exprs[i]));
    }
    *out = sq_node_project(b->arena, p, exprs, n, names);
    return *out ? SQ_OK : SQ_NOMEM;
}

/* ---- inserts ---- */

static sq_rc sink_node(struct target *g, struct sq_plan *in, struct sq_plan **out)
{
    struct sq_arena *a = g->b->arena;
    struct sq_plan *p = sq_node_new(a, SQ_N_SINK, in, g->ins->table.span);
    struct sq_field *cols = SQ_NEW_ARRAY(a, struct sq_field, g->spec->ncols + 1);
    char *path = sq_arena_printf(a, "%.*s.%.*s.%.*s", SQ_FMT(g->t->catalog), SQ_FMT(g->t->database), SQ_FMT(g->t->name));
    if (!p || !cols || !path)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < g->spec->ncols; i++)
        cols[i] = (struct sq_field){g->spec->cols[i].name, g->spec->cols[i].type};
    p->cols = cols;
    p->ncols = g->spec->ncols;
    p->u.sink.connector = g->t->connector;
    p->u.sink.table = g->spec;
    p->u.sink.ext = g->ext;
    p->u.sink.key = (struct sq_key){g->spec->pk, g->spec->npk};
    p->u.sink.overwrite = g->ins->overwrite;
    p->u.sink.fixed = g->values;
    p->u.sink.path = sq_str_of(path);
    *out = p;
    return SQ_OK;
}

static sq_rc plan_insert(struct sq_bind_env *env, const struct sq_ast_insert *ins, struct sq_infer *c, struct sq_plan **root)
{
    struct sq_binder b;
    struct sq_plan *p;
    struct target g = {.b = &b, .ins = ins};
    sq_binder_init(&b, env);
    SQ_TRY(open_target(&g));
    SQ_TRY(sq_bind_select_query(&b, ins->query, false, &p));
    SQ_TRY(match_columns(&g));
    SQ_TRY(fit_columns(&g, p, &p));
    SQ_TRY(sq_rewrite_plan(env, p, &p));
    SQ_TRY(sq_sides_carry(env, &p));
    SQ_TRY(sink_node(&g, p, root));
    SQ_TRY(sq_infer_changelog(c, *root));
    if (ins->overwrite && !(*root)->bounded)
        return SQ_WRONG(&b, ins->table.span, "INSERT OVERWRITE needs an input that ends");
    return SQ_OK;
}

/* ---- scans that are shared ---- */

/* FLINK: inserts of one job read a table once, so that they see the same rows of a source that is not repeatable. In streaming mode so do the places of
 * one insert (a table joined with itself): then an epoch is the answer over one prefix of the table, whatever way its rows take. A query, and an insert in batch
 * mode, whose result is that of all rows, keep two. */

struct scan_use {
    struct sq_plan **slot;                 /* where the scan hangs */
    uint32_t root;
    bool done;
};

static void find_scans(struct sq_plan **slot, uint32_t root, struct scan_use *uses, uint32_t *n)
{
    if ((*slot)->kind == SQ_N_SCAN) {
        if (uses)
            uses[*n] = (struct scan_use){slot, root, false};
        (*n)++;
    }
    for (uint32_t i = 0; i < (*slot)->ninputs; i++)
        find_scans(&(*slot)->inputs[i], root, uses, n);
}

static bool has_join(const struct sq_plan *p)
{
    for (uint32_t i = 0; i < p->ninputs; i++)
        if (has_join(p->inputs[i]))
            return true;
    return p->kind == SQ_N_JOIN;
}

static bool same_source(const struct scan_use *a, const struct scan_use *b)
{
    const struct sq_plan *p = *a->slot, *q = *b->slot;
    return p->u.scan.table == q->u.scan.table && p->u.scan.ext == q->u.scan.ext;
}

/* A scan of every column that one of the uses reads. */
static sq_rc widest_scan(struct sq_arena *a, struct scan_use *const *group, uint32_t n, struct sq_plan **out)
{
    const struct sq_table_spec *t = (*group[0]->slot)->u.scan.table;
    struct sq_plan *p = SQ_NEW(a, struct sq_plan);
    uint32_t *cols = SQ_NEW_ARRAY(a, uint32_t, t->ncols + 1), k = 0;
    struct sq_field *fields = SQ_NEW_ARRAY(a, struct sq_field, t->ncols + 1);
    if (!p || !cols || !fields)
        return SQ_NOMEM;
    *p = **group[0]->slot;
    for (uint32_t c = 0; c < t->ncols; c++) {
        bool used = false;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < (*group[i]->slot)->ncols; j++)
                used |= (*group[i]->slot)->u.scan.cols[j] == c;
        if (!used)
            continue;
        fields[k] = (struct sq_field){t->cols[c].name, t->cols[c].type};
        cols[k++] = c;
    }
    p->u.scan.cols = cols;
    p->cols = fields;
    p->ncols = k;
    *out = p;
    SQ_TRY(sq_infer_keys(a, p));
    p->upsert_key = p->mode == SQ_MODE_UPSERT && p->nkeys ? p->keys[0] : (struct sq_key){NULL, 0};
    return SQ_OK;
}

/* Hangs the wide scan where a narrow one was, behind a project that picks its columns. */
static sq_rc use_scan(struct sq_arena *a, struct scan_use *u, struct sq_plan *wide)
{
    struct sq_plan *old = *u->slot;
    uint32_t *pick = SQ_NEW_ARRAY(a, uint32_t, old->ncols + 1);
    if (!pick)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < old->ncols; i++)
        while (wide->u.scan.cols[pick[i]] != old->u.scan.cols[i])
            pick[i]++;
    *u->slot = wide;
    if (old->ncols == wide->ncols)
        return SQ_OK;
    struct sq_plan *p = sq_node_select(a, wide, pick, old->ncols);
    if (!p)
        return SQ_NOMEM;
    p->cols = old->cols;
    p->mode = old->mode;
    p->upsert_key = old->upsert_key;
    p->keys = old->keys;
    p->nkeys = old->nkeys;
    p->net = old->net;
    p->final = old->final;
    p->bounded = old->bounded;
    *u->slot = p;
    return SQ_OK;
}

static sq_rc share_scans(struct sq_bind_env *env, struct sq_job_plan *j)
{
    uint32_t n = 0, most = 0;
    bool within = !j->config.batch && j->roots[0]->kind == SQ_N_SINK;
    for (uint32_t i = 0; i < j->nroots; i++) {
        find_scans(&j->roots[i], i, NULL, &most);
        if (j->config.batch && has_join(j->roots[i]))            /* sources are read one after the other there, and a join wants one side first */
            return SQ_OK;
    }
    struct scan_use *uses = SQ_NEW_ARRAY(env->arena, struct scan_use, most + 1), **group = SQ_NEW_ARRAY(env->arena, struct scan_use *, most + 1);
    if (!uses || !group)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < j->nroots; i++)
        find_scans(&j->roots[i], i, uses, &n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = 0;
        struct sq_plan *wide;
        if (uses[i].done)
            continue;
        group[k++] = &uses[i];
        for (uint32_t m = i + 1; m < n; m++)
            if (!uses[m].done && same_source(&uses[i], &uses[m]) && (within || uses[m].root != group[k - 1]->root))
                group[k++] = &uses[m];
        if (k < 2)
            continue;
        SQ_TRY(widest_scan(env->arena, group, k, &wide));
        for (uint32_t m = 0; m < k; m++) {
            group[m]->done = true;
            SQ_TRY(use_scan(env->arena, group[m], wide));
        }
    }
    return SQ_OK;
}

/* ---- finishing ---- */

static uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
    for (const unsigned char *s = p; n; n--)
        h = (h ^ *s++) * UINT64_C(0x100000001b3);                /* FNV-1a */
    return h;
}

/* Names by structure: what a node does and what is below it. */
static sq_rc name_node(struct sq_bind_env *env, struct sq_plan *p)
{
    struct sq_buf b;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < p->ninputs; i++) {
        SQ_TRY(name_node(env, p->inputs[i]));
        h = hash_bytes(h, &p->inputs[i]->uid, sizeof(uint64_t));
    }
    sq_buf_init(&b, env->ctx);
    sq_plan_describe(&b, p);
    sq_rc rc = b.rc;
    if (rc == SQ_OK && b.n)
        h = hash_bytes(h, b.p, b.n);
    p->uid = h;
    p->text = sq_str_dup(env->arena, sq_buf_view(&b));
    if (rc == SQ_OK && !p->text.p)
        rc = SQ_NOMEM;
    sq_buf_free(&b);
    return rc;
}

/* Gives numbers in the order of printing; a scan that is shared has the first place's. `all`, where given, has room for every node. */
static void number(struct sq_plan *p, struct sq_plan **all, uint32_t *n)
{
    if (!all) {
        (*n)++;
    } else {
        for (uint32_t i = 0; i < *n; i++)
            if (all[i] == p)
                return;
        all[*n] = p;
        p->id = (*n)++;
    }
    for (uint32_t i = 0; i < p->ninputs && !sq_side_apart(p); i++)
        number(p->inputs[i], all, n);
}

static sq_rc number_all(struct sq_bind_env *env, struct sq_job_plan *j, struct sq_plan ***all)
{
    j->nnodes = 0;
    for (uint32_t i = 0; i < j->nroots; i++)
        number(j->roots[i], NULL, &j->nnodes);                   /* an upper bound */
    *all = SQ_NEW_ARRAY(env->arena, struct sq_plan *, j->nnodes + 1);
    if (!*all)
        return SQ_NOMEM;
    j->nnodes = 0;
    for (uint32_t i = 0; i < j->nroots; i++)
        number(j->roots[i], *all, &j->nnodes);
    return SQ_OK;
}

static bool has_side(const struct sq_plan *p)
{
    if (p->kind == SQ_N_SIDE)
        return true;
    for (uint32_t i = 0; i < p->ninputs; i++)
        if (has_side(p->inputs[i]))
            return true;
    return false;
}

/* Names are given before: a plan for one worker and one for many have the same. */
static sq_rc spread(struct sq_bind_env *env, struct sq_job_plan *j)
{
    struct sq_plan **all;
    for (int sides = 0; sides < 2; sides++)                      /* those that read what others leave out behind the others */
        for (uint32_t i = 0; i < j->nroots; i++)
            if (has_side(j->roots[i]) == sides)
                SQ_TRY(sq_place_workers(env->arena, j->roots[i]));
    return number_all(env, j, &all);
}

static sq_rc finish(struct sq_bind_env *env, struct sq_job_plan *j)
{
    j->bounded = true;
    if (j->nroots > 0)
        SQ_TRY(share_scans(env, j));
    SQ_TRY(sq_sides_connect(env, j));
    SQ_TRY(sq_find_after(env, j));
    sq_mark_timed(j);
    for (uint32_t i = 0; i < j->nroots; i++) {
        j->bounded &= j->roots[i]->bounded;
        SQ_TRY(name_node(env, j->roots[i]));
    }
    struct sq_plan **all;
    SQ_TRY(number_all(env, j, &all));
    for (uint32_t i = 1; i < j->nnodes; i++)                     /* equal subtrees are told apart by their order */
        for (uint32_t k = 0; k < i; k++)
            if (all[k]->uid == all[i]->uid) {
                all[i]->uid = hash_bytes(all[i]->uid, &k, sizeof(k));
                k = UINT32_MAX;                                  /* look again from the first */
            }
    return j->config.parallelism > 1 ? spread(env, j) : SQ_OK;
}

static struct sq_job_plan *new_job(struct sq_bind_env *env, uint32_t nroots, const struct sq_job_config *config)
{
    struct sq_job_plan *j = SQ_NEW(env->arena, struct sq_job_plan);
    if (!j || !(j->roots = SQ_NEW_ARRAY(env->arena, struct sq_plan *, nroots ? nroots : 1)))
        return NULL;
    j->nroots = nroots;
    j->config = *config;
    return j;
}

static sq_rc plan_all(struct sq_bind_env *env, struct sq_ast_insert *const *ins, struct sq_infer *c, struct sq_job_plan *j)
{
    void (*notice)(void *, const char *) = env->ctx->notice;
    bool again = true;
    sq_rc rc = SQ_OK;
    while (again && rc == SQ_OK) {
        for (uint32_t i = 0; i < j->nroots && rc == SQ_OK; i++)
            rc = plan_insert(env, ins[i], c, &j->roots[i]);
        sq_sides_again(env, &again);
        env->ctx->notice = NULL;                                 /* they were given */
    }
    env->ctx->notice = notice;
    return rc;
}

sq_rc sq_plan_inserts(struct sq_bind_env *env, struct sq_ast_insert *const *ins, uint32_t n, const struct sq_job_config *config, struct sq_job_plan **out)
{
    struct sq_job_plan *j = new_job(env, n, config);
    struct sq_infer c = {env->ctx, env->arena, config};
    if (!j)
        return SQ_NOMEM;
    SQ_TRY(sq_sides_begin(env));
    SQ_TRY(plan_all(env, ins, &c, j));
    SQ_TRY(finish(env, j));
    *out = j;
    return SQ_OK;
}

sq_rc sq_plan_select(struct sq_bind_env *env, const struct sq_ast_query *q, bool changelog, const struct sq_job_config *config, struct sq_job_plan **out)
{
    struct sq_job_plan *j = new_job(env, 1, config);
    struct sq_infer c = {env->ctx, env->arena, config};
    struct sq_plan *p;
    if (!j)
        return SQ_NOMEM;
    SQ_TRY(sq_sides_begin(env));
    SQ_TRY(sq_bind_query(env, q, &p));
    if (!(j->roots[0] = sq_node_new(env->arena, SQ_N_COLLECT, p, q->span)))
        return SQ_NOMEM;
    j->roots[0]->u.collect.changelog = changelog;
    SQ_TRY(sq_infer_changelog(&c, j->roots[0]));
    SQ_TRY(finish(env, j));
    *out = j;
    return SQ_OK;
}
