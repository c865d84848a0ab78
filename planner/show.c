/* SPDX-License-Identifier: Apache-2.0
 *
 * show.c: SHOW, DESCRIBE and SET without a key, as rows.
 *
 * The statement that makes a table again is printed from its definition (sq_table_define) with everything secret as ****. Lists are sorted by
 * name, so that the same catalog shows the same however it came about.
 *
 * FLINK: columns and their names are its own; SHOW JOBS has a duration and rows besides. SHOW CONNECTORS and SHOW OPTIONS are beyond it: what the descriptor tables say.
 */
#include "base/text.h"
#include "connectors/connector.h"
#include "planner/catalog.h"

#include <stdlib.h>

#define TEXT(label) {{label, sizeof label - 1}, &sq_type_string}
#define FLAG(label) {{label, sizeof label - 1}, &sq_type_boolean}

static const struct sq_field result_cols[] = {TEXT("result")};
static const struct sq_field tables_cols[] = {TEXT("table name")};
static const struct sq_field views_cols[] = {TEXT("view name")};
static const struct sq_field databases_cols[] = {TEXT("database name")};
static const struct sq_field catalogs_cols[] = {TEXT("catalog name")};
static const struct sq_field functions_cols[] = {TEXT("function name"), TEXT("signature"), TEXT("description"), TEXT("example")};
static const struct sq_field current_db_cols[] = {TEXT("current database name")};
static const struct sq_field current_catalog_cols[] = {TEXT("current catalog name")};
static const struct sq_field jobs_cols[] = {TEXT("job id"), TEXT("job name"), TEXT("status"), TEXT("start time"), TEXT("duration"), {{"rows", 4}, &sq_type_bigint},
                                            {{"epoch", 5}, &sq_type_bigint}, TEXT("last checkpoint")};
static const struct sq_field checkpoint_cols[] = {TEXT("part"), TEXT("id"), TEXT("name"), {{"records", 7}, &sq_type_bigint}, {{"bytes", 5}, &sq_type_bigint}, TEXT("value")};
static const struct sq_field savepoint_cols[] = {TEXT("savepoint path")};
static const struct sq_field connectors_cols[] = {TEXT("connector"), FLAG("source"), FLAG("sink"), TEXT("description")};
static const struct sq_field options_cols[] = {TEXT("key"), TEXT("type"), TEXT("default"), FLAG("required"), TEXT("description")};
static const struct sq_field settings_cols[] = {TEXT("key"), TEXT("value")};
static const struct sq_field describe_cols[] = {
    TEXT("name"), TEXT("type"), FLAG("null"), TEXT("key"), TEXT("extras"), TEXT("watermark"), TEXT("comment"),
};

struct list { const struct sq_field *cols; uint32_t n; };
#define LIST(array) (struct list){array, (uint32_t)SQ_LEN(array)}

/* ---- columns ---- */

static bool has_comments(struct sq_bind_env *env, const struct sq_name *name)
{
    struct sq_error before = env->ctx->err;
    struct sq_table *t = NULL;
    sq_rc rc = sq_catalog_lookup(env->ctx, env->catalog, name, &t);

    env->ctx->err = before;
    for (uint32_t i = 0; rc == SQ_OK && t && i < t->ncols; i++)
        if (t->cols[i].comment.n)
            return true;
    return false;
}

static struct list show_list(enum sq_show show)
{
    switch (show) {
    case SQ_SHOW_TABLES: return LIST(tables_cols);
    case SQ_SHOW_VIEWS: return LIST(views_cols);
    case SQ_SHOW_DATABASES: return LIST(databases_cols);
    case SQ_SHOW_CATALOGS: return LIST(catalogs_cols);
    case SQ_SHOW_FUNCTIONS: return LIST(functions_cols);
    case SQ_SHOW_COLUMNS: return LIST(describe_cols);
    case SQ_SHOW_CURRENT_DATABASE: return LIST(current_db_cols);
    case SQ_SHOW_CURRENT_CATALOG: return LIST(current_catalog_cols);
    case SQ_SHOW_JOBS: return LIST(jobs_cols);
    case SQ_SHOW_CONNECTORS: return LIST(connectors_cols);
    case SQ_SHOW_OPTIONS: return LIST(options_cols);
    case SQ_SHOW_CHECKPOINT: return LIST(checkpoint_cols);
    case SQ_SHOW_CREATE_TABLE:
    case SQ_SHOW_CREATE_VIEW: break;
    }
    return LIST(result_cols);
}

sq_rc sq_show_columns(struct sq_bind_env *env, const struct sq_ast_stmt *st, const struct sq_field **cols, uint32_t *ncols)
{
    struct list l = LIST(result_cols);

    if (st->kind == SQ_S_SHOW)
        l = show_list(st->show);
    else if (st->kind == SQ_S_DESCRIBE)
        l = LIST(describe_cols);
    else if (st->kind == SQ_S_SET)
        l = LIST(settings_cols);
    else if (st->kind == SQ_S_STOP_JOB)
        l = LIST(savepoint_cols);
    if (l.cols == describe_cols && !has_comments(env, &st->name))
        l.n--;
    *cols = l.cols;
    *ncols = l.n;
    return SQ_OK;
}

/* ---- rows ---- */

struct show {
    struct sq_bind_env *env;
    const struct sq_ast_stmt *st;
    struct sq_out *out;
    uint32_t at;                     /* the next column of the row */
};

static sq_rc put_text(struct show *s, struct sq_str text)
{
    return sq_col_append_view(&s->out->cols[s->at++], text.p ? text.p : "", text.n);
}

static sq_rc put_or_null(struct show *s, struct sq_str text)
{
    return text.n ? put_text(s, text) : sq_col_append_null(&s->out->cols[s->at++]);
}

static sq_rc put_flag(struct show *s, bool b)
{
    return sq_col_append_fixed(&s->out->cols[s->at++], &(uint8_t){b});
}

static sq_rc end_row(struct show *s)
{
    s->at = 0;
    return sq_out_row(s->out, SQ_INSERT);
}

static sq_rc put_row(struct show *s, struct sq_str text)
{
    SQ_TRY(put_text(s, text));
    return end_row(s);
}

/* LIKE of SHOW: % any run, _ any character. */
static bool like(struct sq_str text, struct sq_str pattern)
{
    uint32_t t = 0, p = 0, star = UINT32_MAX, mark = 0;

    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '%') {
            star = p++;
            mark = t;
        } else if (p < pattern.n && (pattern.p[p] == '_' || pattern.p[p] == text.p[t])) {
            p++;
            t++;
            while (pattern.p[p - 1] == '_' && t < text.n && (text.p[t] & 0xc0) == 0x80)
                t++;
        } else if (star != UINT32_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '%')
        p++;
    return p == pattern.n;
}

static bool wanted(const struct show *s, struct sq_str name)
{
    return !s->st->text.p || like(name, s->st->text) != s->st->like_negated;
}

/* ---- lists of names ---- */

struct names { struct sq_str *p; size_t n, cap; };

static sq_rc add_name(struct show *s, struct names *l, struct sq_str name)
{
    if (!wanted(s, name))
        return SQ_OK;
    SQ_TRY(sq_grow(s->env->ctx, &l->p, &l->cap, l->n + 1, sizeof *l->p));
    l->p[l->n++] = name;
    return SQ_OK;
}

static int by_name(const void *a, const void *b)
{
    return sq_str_cmp(*(const struct sq_str *)a, *(const struct sq_str *)b);
}

static sq_rc put_names(struct show *s, struct names *l)
{
    sq_rc rc = SQ_OK;

    if (l->n)
        qsort(l->p, l->n, sizeof *l->p, by_name);
    for (size_t i = 0; i < l->n && rc == SQ_OK; i++)
        if (i == 0 || !sq_str_eq(l->p[i], l->p[i - 1]))       /* a temporary table and the one it shadows */
            rc = put_row(s, l->p[i]);
    return rc;
}

static sq_rc list_tables(struct show *s, struct names *l)
{
    const struct sq_catalog *c = s->env->catalog;
    const struct sq_name *from = &s->st->name;
    struct sq_str cat = from->n >= 2 ? from->part[0] : c->current_catalog, db = from->n ? from->part[from->n - 1] : c->current_db;
    bool views = s->st->show == SQ_SHOW_VIEWS;
    struct sq_database *d;

    SQ_TRY(sq_database_need(s->env->ctx, s->env->catalog, cat, db, from->span, &d));
    for (const struct sq_table *t = d->tables; t; t = t->next)
        if (!views || t->is_view)
            SQ_TRY(add_name(s, l, t->name));
    for (const struct sq_table *t = c->temps; t; t = t->next)
        if ((!views || t->is_view) && sq_str_eq(t->catalog, cat) && sq_str_eq(t->database, db))
            SQ_TRY(add_name(s, l, t->name));
    return SQ_OK;
}

static sq_rc list_databases(struct show *s, struct names *l)
{
    struct sq_catalog_entry *e;

    SQ_TRY(sq_catalog_need(s->env->ctx, s->env->catalog, s->st->name.n ? s->st->name.part[0] : s->env->catalog->current_catalog, s->st->name.span, &e));
    for (const struct sq_database *d = e->dbs; d; d = d->next)
        SQ_TRY(add_name(s, l, d->name));
    return SQ_OK;
}

static sq_rc list_catalogs(struct show *s, struct names *l)
{
    for (const struct sq_catalog_entry *e = s->env->catalog->catalogs; e; e = e->next)
        SQ_TRY(add_name(s, l, e->name));
    return SQ_OK;
}

static sq_rc show_names(struct show *s, sq_rc (*list)(struct show *, struct names *))
{
    struct names l = {0};
    sq_rc rc = list(s, &l);

    if (rc == SQ_OK)
        rc = put_names(s, &l);
    sq_free(s->env->ctx, l.p);
    return rc;
}

/* ---- functions, connectors, options ---- */

/* example: an expression that is TRUE; NULL for aggregates, which need rows. */
static sq_rc put_function(struct show *s, const char *name, const char *signature, const char *help, const char *example)
{
    if (!wanted(s, sq_str_of(name)))
        return SQ_OK;
    SQ_TRY(put_text(s, sq_str_of(name)));
    SQ_TRY(put_text(s, sq_str_of(signature)));
    SQ_TRY(put_text(s, sq_str_of(help)));
    SQ_TRY(put_or_null(s, sq_str_of(example ? example : "")));
    return end_row(s);
}

static sq_rc show_functions(struct show *s)
{
    const struct sq_function *f;
    const struct sq_agg *a;

    for (size_t i = 0; (a = sq_agg_at(i)); i++)
        SQ_TRY(put_function(s, a->name, a->signature, a->help, NULL));
    for (size_t i = 0; (f = sq_function_at(i)); i++)
        if (!(f->flags & SQ_OPERATOR))
            SQ_TRY(put_function(s, f->name, f->signature, f->help, f->example));
    return SQ_OK;
}

static sq_rc show_connectors(struct show *s)
{
    const struct sq_connector *c;

    for (size_t i = 0; (c = sq_connector_at(i)); i++) {
        if (!wanted(s, sq_str_of(c->name)))
            continue;
        SQ_TRY(put_text(s, sq_str_of(c->name)));
        SQ_TRY(put_flag(s, c->source != NULL));
        SQ_TRY(put_flag(s, c->sink != NULL));
        SQ_TRY(put_text(s, sq_str_of(c->help)));
        SQ_TRY(end_row(s));
    }
    return SQ_OK;
}

static const char *option_type(int type)
{
    static const char *const names[] = {"STRING", "BOOLEAN", "BIGINT", "DURATION", "MEMORY", "ENUM", "MAP"};

    return names[type];
}

static sq_rc put_options(struct show *s, const struct sq_option *rows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct sq_str type = sq_str_of(rows[i].type == SQ_OPT_ENUM && rows[i].choices ? rows[i].choices : option_type(rows[i].type));

        SQ_TRY(put_text(s, sq_str_of(rows[i].key)));
        SQ_TRY(put_text(s, type));
        SQ_TRY(put_or_null(s, sq_str_of(rows[i].fallback)));
        SQ_TRY(put_flag(s, (rows[i].flags & SQ_OPT_REQUIRED) != 0));
        SQ_TRY(put_text(s, sq_str_of(rows[i].help)));
        SQ_TRY(end_row(s));
    }
    return SQ_OK;
}

static sq_rc show_settings_known(struct show *s)
{
    struct sq_str key;

    for (size_t i = 0; (key = sq_setting_known(i)).p; i++) {
        const char *fallback, *choices, *help;
        bool effect;

        help = sq_setting_help(i, &fallback, &choices, &effect);
        SQ_TRY(put_text(s, key));
        SQ_TRY(put_text(s, sq_str_of(choices ? choices : "")));
        SQ_TRY(put_or_null(s, sq_str_of(fallback)));
        SQ_TRY(put_flag(s, false));
        SQ_TRY(put_text(s, sq_str_of(help)));
        SQ_TRY(end_row(s));
    }
    return SQ_OK;
}

static sq_rc show_options(struct show *s)
{
    struct sq_str want = s->st->text, names[64];
    const struct sq_connector *c;
    const struct sq_format *f;
    size_t n = 0;

    if (!want.p)
        return show_settings_known(s);
    for (size_t i = 0; (c = sq_connector_at(i)); i++) {
        if (sq_str_is(want, c->name)) {
            uint32_t common;
            const struct sq_option *rows = sq_scan_option_rows(&common);
            SQ_TRY(put_options(s, c->options, c->noptions));
            return c->source ? put_options(s, rows, common) : SQ_OK;
        }
        if (n < SQ_LEN(names))
            names[n++] = sq_str_of(c->name);
    }
    for (size_t i = 0; (f = sq_format_at(i)); i++) {
        if (sq_str_is(want, f->name))
            return put_options(s, f->options, f->noptions);
        if (n < SQ_LEN(names))
            names[n++] = sq_str_of(f->name);
    }
    want = sq_nearest(want, names, n);
    sq_fail_at(s->env->ctx, SQ_SEMANTIC, s->st->span, "there is no connector or format '%.*s'", SQ_FMT(s->st->text));
    return want.n ? sq_hint(s->env->ctx, "did you mean '%.*s'?", SQ_FMT(want)) : sq_hint(s->env->ctx, "SHOW CONNECTORS lists them");
}

/* ---- DESCRIBE ---- */

static sq_rc extras(const struct sq_column *c, struct sq_buf *b)
{
    sq_buf_reset(b);
    if (c->kind == SQ_COLUMN_COMPUTED)
        return sq_buf_printf(b, "AS %.*s", SQ_FMT(c->expr_text));
    if (c->kind != SQ_COLUMN_METADATA)
        return SQ_OK;
    sq_buf_puts(b, "METADATA");
    if (!sq_str_eq(c->metadata_key, c->name)) {
        sq_buf_puts(b, " FROM ");
        sq_unparse_string(b, c->metadata_key);
    }
    return sq_buf_puts(b, c->is_virtual ? " VIRTUAL" : "");
}

static sq_rc key_text(const struct sq_table *t, uint32_t col, struct sq_buf *b)
{
    bool in = false;

    sq_buf_reset(b);
    for (uint32_t i = 0; i < t->npk; i++)
        in |= t->pk[i] == col;
    if (!in)
        return SQ_OK;
    for (uint32_t i = 0; i < t->npk; i++)
        sq_buf_printf(b, "%s%.*s", i ? ", " : "PRI(", SQ_FMT(t->cols[t->pk[i]].name));
    return sq_buf_puts(b, ")");
}

static sq_rc describe_column(struct show *s, const struct sq_table *t, uint32_t i, struct sq_buf *b)
{
    const struct sq_column *c = &t->cols[i];
    const struct sq_type *type = sq_type_nullable(s->env->arena, c->type, true);

    if (!type)
        return SQ_NOMEM;
    SQ_TRY(put_text(s, c->name));
    sq_buf_reset(b);
    SQ_TRY(sq_type_print(b, type));
    if (t->rowtime == (int32_t)i)
        SQ_TRY(sq_buf_puts(b, " *ROWTIME*"));
    else if (c->kind == SQ_COLUMN_COMPUTED && c->expr && c->expr->kind == SQ_A_CALL && sq_str_iis(c->expr->text, "PROCTIME"))
        SQ_TRY(sq_buf_puts(b, " *PROCTIME*"));
    SQ_TRY(put_text(s, sq_buf_view(b)));
    SQ_TRY(put_flag(s, c->type->nullable));
    SQ_TRY(key_text(t, i, b));
    SQ_TRY(put_or_null(s, sq_buf_view(b)));
    SQ_TRY(extras(c, b));
    SQ_TRY(put_or_null(s, sq_buf_view(b)));
    SQ_TRY(put_or_null(s, t->rowtime == (int32_t)i ? t->watermark_text : SQ_STR("")));
    if (s->out->ncols > 6)
        SQ_TRY(put_or_null(s, c->comment));
    return end_row(s);
}

static sq_rc describe(struct show *s)
{
    struct sq_table *t;
    struct sq_buf b;
    sq_rc rc = SQ_OK;

    SQ_TRY(sq_catalog_table(s->env->ctx, s->env->catalog, &s->st->name, &t));
    sq_buf_init(&b, s->env->ctx);
    for (uint32_t i = 0; i < t->ncols && rc == SQ_OK; i++)
        if (wanted(s, t->cols[i].name))
            rc = describe_column(s, t, i, &b);
    sq_buf_free(&b);
    return rc;
}

/* ---- SHOW CREATE ---- */

static sq_rc redact(struct show *s, struct sq_ast_table *d, const struct sq_table *t)
{
    struct sq_buf b;
    sq_rc rc = SQ_OK;

    sq_buf_init(&b, s->env->ctx);
    for (uint32_t i = 0; i < d->noptions; i++) {
        const struct sq_option *row = sq_option_lookup(sq_str_of(t->connector->name), d->options[i].key);

        if ((row && row->flags & SQ_OPT_SECRET) || sq_option_secret(NULL, 0, d->options[i].key))
            sq_buf_puts(&b, SQ_HIDDEN);
        else
            sq_secrets_hide(&b, d->options[i].value);   /* a URL may hold some */
        d->options[i].value = b.rc == SQ_OK ? sq_str_dup(s->env->arena, sq_buf_view(&b)) : (struct sq_str){0};
        if (!d->options[i].value.p)
            rc = SQ_NOMEM;
        sq_buf_reset(&b);
    }
    sq_buf_free(&b);
    return rc;
}

/* The options in a query's hints may be secret; what it compares with is its own. */
static sq_rc hide_in_hints(struct sq_buf *out, struct sq_str sql)
{
    uint32_t done = 0;

    for (uint32_t i = 0; i + 3 <= sql.n; i++) {
        uint32_t end = i + 3;

        if (memcmp(sql.p + i, "/*+", 3) != 0)
            continue;
        while (end + 1 < sql.n && memcmp(sql.p + end, "*/", 2) != 0)
            end++;
        sq_buf_add(out, sql.p + done, i - done);
        sq_secrets_hide(out, (struct sq_str){sql.p + i, end - i});
        i = done = end;
    }
    return sq_buf_add(out, sql.p + done, sql.n - done);
}

static sq_rc view_text(struct show *s, const struct sq_table *t, struct sq_buf *b)
{
    struct sq_ast_stmt st = {.kind = SQ_S_CREATE_VIEW, .temporary = t->temporary, .query = t->query, .ncols = t->ncols};
    struct sq_buf sql;
    sq_rc rc;

    st.name = (struct sq_name){.part = {t->catalog, t->database, t->name}, .n = 3};
    st.text = t->comment.n ? t->comment : (struct sq_str){0};
    st.cols = SQ_NEW_ARRAY(s->env->arena, struct sq_str, t->ncols + 1);
    if (!st.cols)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->ncols; i++)
        st.cols[i] = t->cols[i].name;
    sq_buf_init(&sql, s->env->ctx);
    rc = sq_unparse_stmt(&sql, &st);
    if (rc == SQ_OK)
        rc = hide_in_hints(b, sq_buf_view(&sql));
    sq_buf_free(&sql);
    return rc;
}

static sq_rc create_text(struct show *s, const struct sq_table *t, struct sq_buf *b)
{
    struct sq_ast_stmt st = {.kind = SQ_S_CREATE_TABLE, .temporary = t->temporary};

    if (t->is_view)
        return view_text(s, t, b);
    SQ_TRY(sq_table_define(s->env->ctx, s->env->arena, t, &st.table));
    SQ_TRY(redact(s, st.table, t));
    st.name = st.table->name;
    return sq_unparse_stmt(b, &st);
}

static sq_rc show_create(struct show *s)
{
    bool view = s->st->show == SQ_SHOW_CREATE_VIEW;
    struct sq_table *t;
    struct sq_buf b;
    sq_rc rc;

    SQ_TRY(sq_catalog_table(s->env->ctx, s->env->catalog, &s->st->name, &t));
    if (t->is_view != view) {
        sq_fail_at(s->env->ctx, SQ_SEMANTIC, s->st->name.span, "'%.*s' is a %s", SQ_FMT(t->name), t->is_view ? "view" : "table");
        return sq_hint(s->env->ctx, "write SHOW CREATE %s", t->is_view ? "VIEW" : "TABLE");
    }
    sq_buf_init(&b, s->env->ctx);
    rc = create_text(s, t, &b);
    if (rc == SQ_OK)
        rc = put_row(s, sq_buf_view(&b));
    sq_buf_free(&b);
    return rc;
}

static sq_rc show_settings(struct show *s)
{
    struct sq_str key, value;

    for (size_t i = 0; sq_settings_at(s->env->settings, i, &key, &value); i++) {
        SQ_TRY(put_text(s, key));
        SQ_TRY(put_text(s, value));
        SQ_TRY(end_row(s));
    }
    return SQ_OK;
}

sq_rc sq_show_rows(struct sq_bind_env *env, const struct sq_ast_stmt *st, struct sq_out *out)
{
    struct show s = {.env = env, .st = st, .out = out};

    if (st->kind == SQ_S_SET)
        return show_settings(&s);
    if (st->kind == SQ_S_DESCRIBE)
        return describe(&s);
    switch (st->show) {
    case SQ_SHOW_TABLES:
    case SQ_SHOW_VIEWS: return show_names(&s, list_tables);
    case SQ_SHOW_DATABASES: return show_names(&s, list_databases);
    case SQ_SHOW_CATALOGS: return show_names(&s, list_catalogs);
    case SQ_SHOW_FUNCTIONS: return show_functions(&s);
    case SQ_SHOW_COLUMNS: return describe(&s);
    case SQ_SHOW_CREATE_TABLE:
    case SQ_SHOW_CREATE_VIEW: return show_create(&s);
    case SQ_SHOW_CURRENT_DATABASE: return put_row(&s, env->catalog->current_db);
    case SQ_SHOW_CURRENT_CATALOG: return put_row(&s, env->catalog->current_catalog);
    case SQ_SHOW_CONNECTORS: return show_connectors(&s);
    case SQ_SHOW_OPTIONS: return show_options(&s);
    case SQ_SHOW_JOBS: break;               /* the engine knows them: api/jobs.c */
    case SQ_SHOW_CHECKPOINT: break;         /* and these: api/state.c */
    }
    return SQ_OK;
}
