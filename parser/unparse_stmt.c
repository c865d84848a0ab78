/* SPDX-License-Identifier: Apache-2.0
 *
 * unparse_stmt.c: statements as SQL. Tables are printed over several lines, everything else on one.
 */
#include "parser/unparse.h"

void sq_unparse_type(struct sq_buf *b, const struct sq_type *t)
{
    sq_type_print(b, t);
}

static void literal(struct sq_buf *b, const char *word, struct sq_str s)
{
    if (!s.p)
        return;
    sq_buf_puts(b, word);
    sq_unparse_string(b, s);
}

/* ---- tables ---- */

static void column(struct sq_buf *b, const struct sq_ast_coldef *c, const struct sq_ast_table *t)
{
    sq_unparse_ident(b, c->name);
    switch (c->kind) {
    case SQ_C_WINDOW_END:
        sq_buf_puts(b, " END TIMESTAMP(");
        sq_unparse_ident(b, c->time_name);
        sq_buf_puts(b, ", ");
        sq_unparse_expr(b, c->expr);
        sq_buf_putc(b, ')');
        return;
    case SQ_C_COMPUTED:
        sq_buf_puts(b, " AS ");
        sq_unparse_expr(b, c->expr);
        break;
    default:
        if (c->type) {
            sq_buf_putc(b, ' ');
            sq_unparse_type(b, c->type);
        }
    }
    if (c->kind == SQ_C_METADATA) {
        sq_buf_puts(b, " METADATA");
        literal(b, " FROM ", c->metadata_key);
        if (c->is_virtual)
            sq_buf_puts(b, " VIRTUAL");
    }
    if (c->primary_key)
        sq_buf_puts(b, t->pk_enforced ? " PRIMARY KEY ENFORCED" : t->pk_enforced_given ? " PRIMARY KEY NOT ENFORCED" : " PRIMARY KEY");
    literal(b, " COMMENT ", c->comment);
}

static void elements(struct sq_buf *b, const struct sq_ast_table *t)
{
    const char *sep = "(\n    ";

    if (t->ncols == 0 && !t->watermark && t->npk == 0)
        return;
    for (uint32_t i = 0; i < t->ncols; i++) {
        sq_buf_puts(b, sep);
        column(b, &t->cols[i], t);
        sep = ",\n    ";
    }
    if (t->watermark) {
        sq_buf_printf(b, "%sWATERMARK FOR ", sep);
        sq_unparse_name(b, &t->watermark->col);
        sq_buf_puts(b, " AS ");
        sq_unparse_expr(b, t->watermark->expr);
        sep = ",\n    ";
    }
    if (t->npk) {
        sq_buf_puts(b, sep);
        if (t->pk_name.p) {
            sq_buf_puts(b, "CONSTRAINT ");
            sq_unparse_ident(b, t->pk_name);
            sq_buf_putc(b, ' ');
        }
        sq_buf_puts(b, "PRIMARY KEY (");
        sq_unparse_names(b, t->pk, t->npk);
        sq_buf_puts(b, t->pk_enforced ? ") ENFORCED" : t->pk_enforced_given ? ") NOT ENFORCED" : ")");
    }
    sq_buf_puts(b, "\n)");
}

static void options(struct sq_buf *b, const struct sq_kv *kv, uint32_t n)
{
    sq_buf_puts(b, " WITH (");
    if (n) {
        sq_buf_puts(b, "\n    ");
        sq_unparse_kvs(b, kv, n, ",\n    ");
        sq_buf_putc(b, '\n');
    }
    sq_buf_putc(b, ')');
}

static void like(struct sq_buf *b, const struct sq_ast_like *l)
{
    sq_buf_puts(b, " LIKE ");
    sq_unparse_name(b, &l->table);
    for (uint32_t i = 0; i < l->noptions; i++) {
        sq_buf_puts(b, i ? " " : " (");
        sq_buf_str(b, l->options[i]);
    }
    if (l->noptions)
        sq_buf_putc(b, ')');
}

static void create_table(struct sq_buf *b, const struct sq_ast_table *t)
{
    sq_buf_printf(b, "CREATE %s%sTABLE %s", t->or_replace ? "OR REPLACE " : "", t->temporary ? "TEMPORARY " : "", t->if_not_exists ? "IF NOT EXISTS " : "");
    sq_unparse_name(b, &t->name);
    if (t->ncols || t->watermark || t->npk)
        sq_buf_putc(b, ' ');
    elements(b, t);
    literal(b, " COMMENT ", t->comment);
    if (t->distributed.p) {
        sq_buf_putc(b, ' ');
        sq_buf_str(b, t->distributed);
    }
    if (t->npartition) {
        sq_buf_puts(b, " PARTITIONED BY (");
        sq_unparse_names(b, t->partition, t->npartition);
        sq_buf_putc(b, ')');
    }
    if (t->options)
        options(b, t->options, t->noptions);
    if (t->like)
        like(b, t->like);
    if (t->as) {
        sq_buf_puts(b, " AS ");
        sq_unparse_query(b, t->as);
    }
}

static void keys(struct sq_buf *b, const struct sq_kv *kv, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        literal(b, i ? ", " : "", kv[i].key);
}

static void alter_table(struct sq_buf *b, const struct sq_ast_stmt *s)
{
    sq_buf_printf(b, "ALTER TABLE %s", s->if_exists ? "IF EXISTS " : "");
    sq_unparse_name(b, &s->name);
    switch (s->alter) {
    case SQ_ALTER_RENAME:
        sq_buf_puts(b, " RENAME TO ");
        sq_unparse_name(b, &s->new_name);
        break;
    case SQ_ALTER_RENAME_COLUMN:
        sq_buf_puts(b, " RENAME ");
        sq_unparse_ident(b, s->cols[0]);
        sq_buf_puts(b, " TO ");
        sq_unparse_ident(b, s->cols[1]);
        break;
    case SQ_ALTER_SET:
        sq_buf_puts(b, " SET (");
        sq_unparse_kvs(b, s->options, s->noptions, ", ");
        sq_buf_putc(b, ')');
        break;
    case SQ_ALTER_RESET:
        sq_buf_puts(b, " RESET (");
        keys(b, s->options, s->noptions);
        sq_buf_putc(b, ')');
        break;
    case SQ_ALTER_ADD: case SQ_ALTER_MODIFY:
        sq_buf_puts(b, s->alter == SQ_ALTER_ADD ? " ADD " : " MODIFY ");
        elements(b, s->table);
        break;
    case SQ_ALTER_DROP_COLUMN:
        sq_buf_puts(b, " DROP (");
        sq_unparse_names(b, s->cols, s->ncols);
        sq_buf_putc(b, ')');
        break;
    case SQ_ALTER_DROP_PK:
        sq_buf_puts(b, s->text.p ? " DROP CONSTRAINT " : " DROP PRIMARY KEY");
        if (s->text.p)
            sq_unparse_ident(b, s->text);
        break;
    case SQ_ALTER_DROP_WATERMARK:
        sq_buf_puts(b, " DROP WATERMARK");
        break;
    }
}

/* ---- the others ---- */

static void insert(struct sq_buf *b, const struct sq_ast_insert *i)
{
    sq_buf_puts(b, i->overwrite ? "INSERT OVERWRITE " : "INSERT INTO ");
    sq_unparse_name(b, &i->table);
    sq_unparse_hint(b, i->hint, i->nhint);
    for (uint32_t k = 0; k < i->npartition; k++) {
        sq_buf_puts(b, k ? ", " : " PARTITION (");
        sq_unparse_ident(b, i->partition[k].key);
        literal(b, " = ", i->partition[k].value);
    }
    if (i->npartition)
        sq_buf_putc(b, ')');
    if (i->ncols) {
        sq_buf_puts(b, " (");
        sq_unparse_names(b, i->cols, i->ncols);
        sq_buf_putc(b, ')');
    }
    sq_buf_putc(b, ' ');
    sq_unparse_query(b, i->query);
}

static const char *object_word(enum sq_object o)
{
    static const char *const words[] = {"TABLE ", "VIEW ", "DATABASE ", "CATALOG ", "FUNCTION "};

    return words[o];
}

static void show(struct sq_buf *b, const struct sq_ast_stmt *s)
{
    static const char *const words[] = {"TABLES", "VIEWS", "DATABASES", "CATALOGS", "FUNCTIONS", "COLUMNS", "CREATE TABLE", "CREATE VIEW",
                                        "CURRENT DATABASE", "CURRENT CATALOG", "JOBS", "CONNECTORS", "OPTIONS", "CHECKPOINT"};

    sq_buf_printf(b, "SHOW %s", words[s->show]);
    if (s->name.n) {
        sq_buf_puts(b, s->show == SQ_SHOW_CREATE_TABLE || s->show == SQ_SHOW_CREATE_VIEW ? " " : " FROM ");
        sq_unparse_name(b, &s->name);
    }
    literal(b, s->show == SQ_SHOW_OPTIONS || s->show == SQ_SHOW_CHECKPOINT ? " " : s->like_negated ? " NOT LIKE " : " LIKE ", s->text);
}

static void create_view(struct sq_buf *b, const struct sq_ast_stmt *s)
{
    sq_buf_printf(b, "CREATE %sVIEW %s", s->temporary ? "TEMPORARY " : "", s->if_not_exists ? "IF NOT EXISTS " : "");
    sq_unparse_name(b, &s->name);
    if (s->ncols) {
        sq_buf_puts(b, " (");
        sq_unparse_names(b, s->cols, s->ncols);
        sq_buf_putc(b, ')');
    }
    literal(b, " COMMENT ", s->text);
    sq_buf_puts(b, " AS ");
    sq_unparse_query(b, s->query);
}

static void create_function(struct sq_buf *b, const struct sq_ast_stmt *s)
{
    const struct sq_kv *language = NULL;
    const char *sep = " USING JAR ";

    sq_buf_printf(b, "CREATE %sFUNCTION %s", s->temporary ? "TEMPORARY " : "", s->if_not_exists ? "IF NOT EXISTS " : "");
    sq_unparse_name(b, &s->name);
    literal(b, " AS ", s->text);
    for (uint32_t i = 0; i < s->noptions; i++)
        if (sq_str_is(s->options[i].key, "language"))
            language = &s->options[i];
    if (language) {
        sq_buf_puts(b, " LANGUAGE ");
        sq_unparse_ident(b, language->value);
    }
    for (uint32_t i = 0; i < s->noptions; i++)
        if (&s->options[i] != language) {
            literal(b, sep, s->options[i].value);
            sep = ", JAR ";
        }
}

static void create_other(struct sq_buf *b, const struct sq_ast_stmt *s)
{
    sq_buf_printf(b, "CREATE %s%s", s->kind == SQ_S_CREATE_DATABASE ? "DATABASE " : "CATALOG ", s->if_not_exists ? "IF NOT EXISTS " : "");
    sq_unparse_name(b, &s->name);
    literal(b, " COMMENT ", s->text);
    if (s->options)
        options(b, s->options, s->noptions);
}

static void drop(struct sq_buf *b, const struct sq_ast_stmt *s)
{
    sq_buf_printf(b, "DROP %s%s%s", s->temporary ? "TEMPORARY " : "", object_word(s->object), s->if_exists ? "IF EXISTS " : "");
    sq_unparse_name(b, &s->name);
    if (s->cascade)
        sq_buf_puts(b, " CASCADE");
}

static void explain(struct sq_buf *b, const struct sq_ast_stmt *s)
{
    sq_buf_puts(b, s->nexplain ? "EXPLAIN " : "EXPLAIN PLAN FOR ");
    for (uint32_t i = 0; i < s->nexplain; i++) {
        sq_buf_str(b, s->explain_details[i]);
        sq_buf_puts(b, i + 1 < s->nexplain ? ", " : " ");
    }
    sq_unparse_stmt(b, s->explained);
}

sq_rc sq_unparse_stmt(struct sq_buf *b, const struct sq_ast_stmt *s)
{
    switch (s->kind) {
    case SQ_S_QUERY: sq_unparse_query(b, s->query); break;
    case SQ_S_INSERT: insert(b, s->insert); break;
    case SQ_S_CREATE_TABLE: create_table(b, s->table); break;
    case SQ_S_CREATE_VIEW: create_view(b, s); break;
    case SQ_S_DROP: drop(b, s); break;
    case SQ_S_ALTER_TABLE: alter_table(b, s); break;
    case SQ_S_ALTER_VIEW:
        sq_buf_printf(b, "ALTER VIEW %s", s->if_exists ? "IF EXISTS " : "");
        sq_unparse_name(b, &s->name);
        sq_buf_puts(b, s->query ? " AS " : " RENAME TO ");
        if (s->query)
            sq_unparse_query(b, s->query);
        else
            sq_unparse_name(b, &s->new_name);
        break;
    case SQ_S_SET:
        sq_buf_puts(b, s->noptions ? "SET " : "SET");
        sq_unparse_kvs(b, s->options, s->noptions, "");
        break;
    case SQ_S_RESET:
        sq_buf_puts(b, s->noptions ? "RESET " : "RESET");
        keys(b, s->options, s->noptions);
        break;
    case SQ_S_USE:
        sq_buf_puts(b, s->object == SQ_O_CATALOG ? "USE CATALOG " : "USE ");
        sq_unparse_name(b, &s->name);
        break;
    case SQ_S_SHOW: show(b, s); break;
    case SQ_S_DESCRIBE:
        sq_buf_puts(b, "DESCRIBE ");
        sq_unparse_name(b, &s->name);
        break;
    case SQ_S_EXPLAIN: explain(b, s); break;
    case SQ_S_STATEMENT_SET:
        sq_buf_puts(b, "EXECUTE STATEMENT SET BEGIN ");
        for (uint32_t i = 0; i < s->ninserts; i++) {
            insert(b, s->inserts[i]);
            sq_buf_puts(b, "; ");
        }
        sq_buf_puts(b, "END");
        break;
    case SQ_S_CREATE_DATABASE: case SQ_S_CREATE_CATALOG: create_other(b, s); break;
    case SQ_S_CREATE_FUNCTION: create_function(b, s); break;
    case SQ_S_STOP_JOB:
        literal(b, "STOP JOB ", s->text);
        sq_buf_puts(b, s->savepoint ? " WITH SAVEPOINT" : "");
        if (s->savepoint_path.p)
            literal(b, " ", s->savepoint_path);
        sq_buf_puts(b, s->drain ? " WITH DRAIN" : "");
        break;
    case SQ_S_OTHER: sq_buf_str(b, s->raw); break;
    }
    return b->rc;
}
