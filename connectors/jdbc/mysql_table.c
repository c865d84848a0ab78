/* SPDX-License-Identifier: Apache-2.0
 *
 * mysql_table.c: what a table looks like in MySQL and MariaDB: the column types of tables that are made, the columns and keys of those
 * that exist, whether they keep what the job writes, and the ALTER TABLE that mends a key.
 *
 * A key has room for 3072 bytes. A text takes 4 a character, so a key of one text is a VARCHAR(768); in a key of several columns
 * numbers and times are reckoned at 20 bytes, and texts share the rest.
 */
#include "connectors/jdbc/mysql.h"

#ifdef SQ_HAVE_MYSQL
#include "base/text.h"

#include <stdio.h>
#include <strings.h>

enum { KEY_BYTES = 3072, NUMBER_BYTES = 20, SHORT_TEXT = 255, MAX_KEYS = 128, MAX_COLUMNS = 4096, MAX_SCALE_MYSQL = 30, OLDEST_NOPAD_MYSQL = 80017 };

/* ---- tables that are made ---- */

static uint32_t key_bytes(const struct sq_jdbc_in_key *key)
{
    uint32_t numbers = (key->columns - key->texts) * NUMBER_BYTES, room = numbers < KEY_BYTES ? KEY_BYTES - numbers : 0;
    return room / (key->texts ? key->texts : 1);
}

/* The collation that tells all texts apart, blanks at their end included. NULL: this server has none. */
static const char *key_collation(const struct sq_jdbc_conn *base)
{
    const struct sq_mysql_conn *c = (const struct sq_mysql_conn *)base;
    if (!c || c->maria)
        return "utf8mb4_nopad_bin";
    return c->lib.get_server_version(c->db) >= OLDEST_NOPAD_MYSQL ? "utf8mb4_0900_bin" : NULL;
}

static sq_rc text_type(struct sq_ctx *ctx, const struct sq_jdbc_conn *conn, struct sq_buf *b, int64_t chars, const struct sq_jdbc_in_key *key)
{
    if (key) {
        int64_t most = key_bytes(key) / 4;
        const char *collation = key_collation(conn);
        if (!collation) {
            sq_fail(ctx, SQ_UNSUPPORTED, "MySQL before 8.0.17 has no collation that tells all keys apart");
            return sq_hint(ctx, "create the table yourself, and accept its collation with 'sink.accept-collation' = 'true'");
        }
        if (most < 1)
            return sq_fail(ctx, SQ_UNSUPPORTED, "a key of so many columns is more than MySQL takes (%d bytes)", KEY_BYTES);
        return sq_buf_printf(b, "VARCHAR(%lld) CHARACTER SET utf8mb4 COLLATE %s", (long long)(chars < most ? chars : most), collation);
    }
    if (chars <= SHORT_TEXT)
        return sq_buf_printf(b, "VARCHAR(%lld)", (long long)chars);
    return sq_buf_puts(b, chars * 4 <= 65535 ? "TEXT" : chars * 4 <= 16777215 ? "MEDIUMTEXT" : "LONGTEXT");
}

static sq_rc bytes_type(struct sq_ctx *ctx, struct sq_buf *b, int64_t n, const struct sq_jdbc_in_key *key)
{
    if (key) {
        int64_t most = key_bytes(key);
        if (most < 1)
            return sq_fail(ctx, SQ_UNSUPPORTED, "a key of so many columns is more than MySQL takes (%d bytes)", KEY_BYTES);
        return sq_buf_printf(b, "VARBINARY(%lld)", (long long)(n < most ? n : most));
    }
    if (n <= SHORT_TEXT)
        return sq_buf_printf(b, "VARBINARY(%lld)", (long long)n);
    return sq_buf_puts(b, n <= 65535 ? "BLOB" : n <= 16777215 ? "MEDIUMBLOB" : "LONGBLOB");
}

static sq_rc digits_type(struct sq_buf *b, const char *name, int p) { return p ? sq_buf_printf(b, "%s(%d)", name, p) : sq_buf_puts(b, name); }

sq_rc sq_mysql_column_type(struct sq_ctx *ctx, const struct sq_jdbc_conn *conn, struct sq_buf *b, const struct sq_type *t, const struct sq_jdbc_in_key *key)
{
    const struct sq_mysql_conn *c = (const struct sq_mysql_conn *)conn;
    switch (t->id) {
    case SQ_T_BOOLEAN: return sq_buf_puts(b, "BOOLEAN");
    case SQ_T_TINYINT: return sq_buf_puts(b, "TINYINT");
    case SQ_T_SMALLINT: return sq_buf_puts(b, "SMALLINT");
    case SQ_T_INT:
    case SQ_T_INTERVAL_YM: return sq_buf_puts(b, "INT");
    case SQ_T_BIGINT:
    case SQ_T_INTERVAL_DS: return sq_buf_puts(b, "BIGINT");
    case SQ_T_FLOAT: return sq_buf_puts(b, "FLOAT");
    case SQ_T_DOUBLE: return sq_buf_puts(b, "DOUBLE");
    case SQ_T_DECIMAL:
        if (c && !c->maria && t->s > MAX_SCALE_MYSQL)
            return sq_fail(ctx, SQ_UNSUPPORTED, "MySQL keeps %d digits behind the point, not %d", MAX_SCALE_MYSQL, t->s);
        return sq_buf_printf(b, "DECIMAL(%d, %d)", t->p, t->s);
    case SQ_T_CHAR:
    case SQ_T_VARCHAR: return text_type(ctx, conn, b, t->p, key);
    case SQ_T_BINARY:
    case SQ_T_VARBINARY: return bytes_type(ctx, b, t->p, key);
    case SQ_T_DATE: return sq_buf_puts(b, "DATE");
    case SQ_T_TIME: return digits_type(b, "TIME", t->p < 3 ? t->p : 3);
    case SQ_T_TIMESTAMP:
    case SQ_T_TIMESTAMP_LTZ:
        if (t->p > 6) {
            sq_fail(ctx, SQ_UNSUPPORTED, "MySQL keeps microseconds, not %s(%d)", sq_tid_name(t->id), t->p);
            return sq_hint(ctx, "declare it %s(6)", sq_tid_name(t->id));
        }
        if (t->id == SQ_T_TIMESTAMP)
            return digits_type(b, "DATETIME", t->p);
        digits_type(b, "TIMESTAMP", t->p);
        return key ? b->rc : sq_buf_puts(b, " NULL");    /* older servers make it NOT NULL otherwise */
    default:
        return sq_fail(ctx, SQ_UNSUPPORTED, "%s cannot be kept in a MySQL database", sq_tid_name(t->id));
    }
}

/* ---- what an existing column keeps ---- */

enum family { F_INT, F_DECIMAL, F_FLOAT, F_DOUBLE, F_BIT, F_YEAR, F_TEXT, F_CHAR, F_CHOICE, F_JSON, F_BYTES, F_BINARY, F_DATE, F_TIME, F_DATETIME, F_INSTANT, F_OTHER };

static enum family family_of(struct sq_str type, int *p, int *s)
{
    static const struct { const char *name; enum family f; } names[] = {
        {"tinyint", F_INT}, {"smallint", F_INT}, {"mediumint", F_INT}, {"int", F_INT}, {"integer", F_INT}, {"bigint", F_INT}, {"decimal", F_DECIMAL},
        {"float", F_FLOAT}, {"double", F_DOUBLE}, {"bit", F_BIT}, {"year", F_YEAR}, {"varchar", F_TEXT}, {"tinytext", F_TEXT}, {"text", F_TEXT},
        {"mediumtext", F_TEXT}, {"longtext", F_TEXT}, {"char", F_CHAR}, {"enum", F_CHOICE}, {"set", F_CHOICE}, {"json", F_JSON}, {"varbinary", F_BYTES},
        {"tinyblob", F_BYTES}, {"blob", F_BYTES}, {"mediumblob", F_BYTES}, {"longblob", F_BYTES}, {"binary", F_BINARY}, {"date", F_DATE}, {"time", F_TIME},
        {"datetime", F_DATETIME}, {"timestamp", F_INSTANT},
    };
    uint32_t n = 0;
    char numbers[32] = "";
    while (n < type.n && ((type.p[n] >= 'a' && type.p[n] <= 'z') || (type.p[n] >= 'A' && type.p[n] <= 'Z')))
        n++;
    if (n < type.n && type.p[n] == '(')
        snprintf(numbers, sizeof numbers, "%.*s", (int)(type.n - n - 1), type.p + n + 1);
    *p = *s = -1;
    if (sscanf(numbers, "%d,%d", p, s) < 1)
        *p = -1;
    for (size_t i = 0; i < SQ_LEN(names); i++)
        if (sq_str_iis((struct sq_str){type.p, n}, names[i].name))
            return names[i].f;
    return F_OTHER;
}

static const char *unfit_number(const struct sq_type *t, enum family f, int s)
{
    bool rounds = (f == F_FLOAT || f == F_DOUBLE) && s >= 0;
    if (rounds || f == F_CHAR || f == F_TEXT || f == F_DATE || f == F_TIME || f == F_DATETIME || f == F_INSTANT || f == F_BYTES || f == F_BINARY || f == F_JSON)
        if (rounds || sq_tid_is_approx(t->id) || (f != F_CHAR && f != F_TEXT))
            return rounds ? "the database rounds to the digits given there; declare the column without them" : "declare the column with a numeric type";
    switch (t->id) {
    case SQ_T_DOUBLE: return f == F_DOUBLE ? NULL : "the database keeps fewer digits there; declare the column DOUBLE";
    case SQ_T_FLOAT: return f == F_FLOAT || f == F_DOUBLE ? NULL : "the database keeps other digits there; declare the column FLOAT";
    case SQ_T_DECIMAL:
        if (f == F_FLOAT || f == F_DOUBLE)
            return "the database keeps binary numbers there; declare the column DECIMAL";
        return (f == F_DECIMAL && s < t->s) || (f != F_DECIMAL && f != F_TEXT && f != F_CHAR && t->s > 0) ? "the database rounds there; give the column as many digits behind the point" : NULL;
    default: return f == F_FLOAT || (f == F_DOUBLE && t->id == SQ_T_BIGINT) ? "the database keeps fewer digits there; declare the column BIGINT" : NULL;
    }
}

static const char *unfit_time(const struct sq_type *t, enum family f, int p)
{
    int digits = t->id == SQ_T_DATE ? 0 : t->id == SQ_T_TIME && t->p > 3 ? 3 : t->p, kept = p < 0 ? 0 : p;
    bool text = f == F_TEXT || f == F_CHAR, moment = f == F_DATETIME || f == F_INSTANT;
    if (t->id == SQ_T_DATE)
        return f == F_DATE || f == F_DATETIME || text ? NULL : "declare the column DATE";
    if (t->id == SQ_T_TIME && f != F_TIME)
        return text ? NULL : "declare the column TIME, with as many digits behind the second";
    if (t->id == SQ_T_TIMESTAMP && text)
        return NULL;
    if (t->id != SQ_T_TIME && !moment)
        return t->id == SQ_T_TIMESTAMP ? "declare the column DATETIME, with as many digits behind the second" : "declare the column TIMESTAMP, with as many digits behind the second";
    return kept < digits ? "the database cuts the fraction of the second there; give the column as many digits, as in DATETIME(3), or the job's column fewer" : NULL;
}

const char *sq_mysql_unfit(const struct sq_type *t, const struct sq_jdbc_column *c, bool in_key)
{
    int p, s;
    enum family f = family_of(c->type, &p, &s);
    if (f == F_OTHER)
        return NULL;
    if (f == F_CHAR && in_key)
        return "the database cuts blanks at the end there; declare the column VARCHAR";
    if (sq_tid_is_string(t->id))
        return f == F_TEXT || f == F_CHAR || f == F_CHOICE || f == F_JSON || f == F_BYTES ? NULL : "texts do not stay as they are there; declare the column VARCHAR or TEXT";
    if (sq_tid_is_binary(t->id))
        return f == F_BYTES || (f == F_BINARY && t->id == SQ_T_BINARY && p == t->p) ? NULL : "bytes do not stay as they are there; declare the column VARBINARY or BLOB";
    if (sq_tid_is_temporal(t->id))
        return unfit_time(t, f, p);
    return unfit_number(t, f, s);
}

/* ---- tables that exist ---- */

static struct sq_str cell(const struct sq_mysql_conn *c, MYSQL_RES *res, MYSQL_ROW row, unsigned i)
{
    unsigned long *lengths = c->lib.fetch_lengths(res);
    return (struct sq_str){row[i] ? row[i] : "", row[i] && lengths ? (uint32_t)lengths[i] : 0};
}

/* Runs "… table_schema = DATABASE() AND table_name = '…' rest". */
static sq_rc ask(struct sq_mysql_conn *c, const char *select, struct sq_str table, const char *rest, MYSQL_RES **res)
{
    struct sq_buf sql;
    sq_buf_init(&sql, c->base.ctx);
    sq_buf_puts(&sql, select);
    sq_buf_puts(&sql, " WHERE table_schema = DATABASE() AND table_name = ");
    sq_mysql_text(&sql, table);
    sq_rc rc = sq_buf_puts(&sql, rest);
    if (rc == SQ_OK)
        rc = sq_mysql_rows(c, sql.p, res);
    sq_buf_free(&sql);
    return rc;
}

static bool has(struct sq_str s, const char *word)
{
    uint32_t n = (uint32_t)strlen(word);
    for (uint32_t i = 0; i + n <= s.n; i++)
        if (strncasecmp(s.p + i, word, n) == 0)
            return true;
    return false;
}

static sq_rc find_table(struct sq_mysql_conn *c, struct sq_arena *arena, bool own, struct sq_jdbc_info *info)
{
    MYSQL_RES *res;
    sq_rc rc = SQ_OK;
    SQ_TRY(ask(c, "SELECT table_type, engine FROM information_schema.tables", info->name, "", &res));
    MYSQL_ROW row = c->lib.fetch_row(res);
    if (row) {
        struct sq_str engine = cell(c, res, row, 1);
        info->exists = true;
        info->view = has(cell(c, res, row, 0), "VIEW");
        if (own)
            c->buffered = !info->view && !sq_str_iis(engine, "InnoDB");
        info->no_transactions = !info->view && (sq_str_iis(engine, "MyISAM") || sq_str_iis(engine, "Aria") || sq_str_iis(engine, "MEMORY"));
        info->engine = sq_str_dup(arena, engine).p;
        rc = info->engine ? SQ_OK : SQ_NOMEM;
    }
    c->lib.free_result(res);
    return rc;
}

static sq_rc read_column(struct sq_mysql_conn *c, struct sq_arena *arena, MYSQL_RES *res, MYSQL_ROW row, struct sq_jdbc_column *col)
{
    struct sq_str fallback = cell(c, res, row, 3), extra = cell(c, res, row, 4);
    col->name = sq_str_dup(arena, cell(c, res, row, 0));
    col->type = sq_str_dup(arena, cell(c, res, row, 1));
    col->collation = sq_str_dup(arena, cell(c, res, row, 5));
    if (!col->name.p || !col->type.p || !col->collation.p)
        return SQ_NOMEM;
    col->not_null = sq_str_is(cell(c, res, row, 2), "NO");
    col->counted = has(extra, "auto_increment");
    col->has_default = (row[3] && !sq_str_is(fallback, "NULL")) || col->counted;
    col->generated = has(extra, "VIRTUAL GENERATED") || has(extra, "STORED GENERATED") || has(extra, "PERSISTENT");
    return SQ_OK;
}

/* Of the connection's own table the names of TIMESTAMP columns are kept: what is written there depends on it. */
static sq_rc read_columns(struct sq_mysql_conn *c, struct sq_arena *arena, bool own, struct sq_jdbc_info *info)
{
    MYSQL_RES *res;
    MYSQL_ROW row;
    size_t n = 0;
    sq_rc rc = SQ_OK;
    SQ_TRY(ask(c, "SELECT column_name, column_type, is_nullable, column_default, extra, collation_name FROM information_schema.columns", info->name, " ORDER BY ordinal_position", &res));
    info->cols = SQ_NEW_ARRAY(arena, struct sq_jdbc_column, MAX_COLUMNS);
    if (own) {
        sq_arena_reset(&c->arena);
        c->instants = SQ_NEW_ARRAY(&c->arena, struct sq_str, MAX_COLUMNS);
        c->ninstants = 0;
        c->described = true;
    }
    if (!info->cols || (own && !c->instants))
        rc = SQ_NOMEM;
    while (rc == SQ_OK && n < MAX_COLUMNS && (row = c->lib.fetch_row(res)) != NULL) {
        struct sq_jdbc_column *col = &info->cols[n++];
        int p, s;
        rc = read_column(c, arena, res, row, col);
        if (rc == SQ_OK && own && family_of(col->type, &p, &s) == F_INSTANT && !(c->instants[c->ninstants++] = sq_str_dup(&c->arena, col->name)).p)
            rc = SQ_NOMEM;
    }
    info->ncols = (uint32_t)n;
    c->lib.free_result(res);
    return rc;
}

/* A collation that holds different texts for equal; NULL: none, or no text. */
static const char *merging(const struct sq_jdbc_column *c)
{
    const char *s = c->collation.p;
    size_t n = c->collation.n;
    bool exact = n == 0 || strcmp(s, "binary") == 0 || (n >= 9 && strcmp(s + n - 9, "nopad_bin") == 0) || (n >= 8 && strcmp(s + n - 8, "0900_bin") == 0);
    return exact ? NULL : s;
}

static void add_to_key(struct sq_jdbc_info *info, struct sq_jdbc_key *key, uint32_t *cols, struct sq_str column, bool prefix)
{
    int64_t at = -1;
    for (uint32_t i = 0; i < info->ncols; i++)
        if (sq_str_ieq(info->cols[i].name, column))
            at = i;
    if (at < 0) {
        key->partial = true;
        return;
    }
    cols[key->n++] = (uint32_t)at;
    key->partial = key->partial || prefix;
    key->nullable = key->nullable || !info->cols[at].not_null;
    if (merging(&info->cols[at]))
        key->merges = merging(&info->cols[at]);
}

/* PRIMARY comes first: scans go by it. */
static sq_rc read_keys(struct sq_mysql_conn *c, struct sq_arena *arena, struct sq_jdbc_info *info)
{
    MYSQL_RES *res;
    MYSQL_ROW row;
    sq_rc rc = SQ_OK;
    struct sq_jdbc_key *key = NULL;
    uint32_t *cols = NULL;
    SQ_TRY(ask(c, "SELECT index_name, column_name, sub_part FROM information_schema.statistics", info->name, " AND non_unique = 0 ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index", &res));
    while (rc == SQ_OK && (row = c->lib.fetch_row(res)) != NULL) {
        struct sq_str name = cell(c, res, row, 0);
        if (!key || !sq_str_is(name, key->name)) {
            if (info->nkeys == MAX_KEYS)
                break;
            key = &info->keys[info->nkeys++];
            cols = SQ_NEW_ARRAY(arena, uint32_t, info->ncols + 1);
            key->name = sq_str_dup(arena, name).p;
            key->cols = cols;
            if (!cols || !key->name)
                rc = SQ_NOMEM;
        }
        if (rc == SQ_OK && key->n < info->ncols)
            add_to_key(info, key, cols, cell(c, res, row, 1), row[2] != NULL);
    }
    c->lib.free_result(res);
    return rc;
}

/* Can a value of the column be compared with by a literal, in the order it sorts by? ENUM sorts by number and compares as text; FLOAT has other digits. */
static bool orders_by_literal(const struct sq_jdbc_column *col)
{
    int p, s;
    switch (family_of(col->type, &p, &s)) {
    case F_INT:
    case F_YEAR:
    case F_DECIMAL:
    case F_TEXT:
    case F_CHAR:
    case F_BYTES:
    case F_BINARY:
    case F_DATE:
    case F_DATETIME:
    case F_INSTANT: return true;
    default: return sq_str_iis(col->type, "uuid");
    }
}

/* The primary key, else a unique key that is as good as one. */
static const struct sq_jdbc_key *scan_key(const struct sq_jdbc_info *info)
{
    for (uint32_t i = 0; i < info->nkeys; i++)
        if (!info->keys[i].partial && !info->keys[i].nullable)
            return &info->keys[i];
    return NULL;
}

static sq_rc find_order(struct sq_arena *arena, struct sq_jdbc_info *info)
{
    struct sq_buf b;
    const struct sq_jdbc_key *key = scan_key(info);
    bool good = key && key->n <= SQ_JDBC_ORDER_MAX;
    if (!key)
        return SQ_OK;
    info->orders = SQ_NEW_ARRAY(arena, struct sq_jdbc_order, key->n);
    if (!info->orders)
        return SQ_NOMEM;
    sq_buf_init(&b, arena->ctx);
    for (uint32_t i = 0; i < key->n; i++) {
        const struct sq_jdbc_column *col = &info->cols[key->cols[i]];
        size_t from = b.n + (i ? 2 : 0);
        sq_buf_puts(&b, i ? ", " : "");
        if (sq_mysql_quote(&b, col->name) != SQ_OK)
            break;
        const char *name = sq_str_dup(arena, (struct sq_str){b.p + from, (uint32_t)(b.n - from)}).p;
        info->orders[i] = (struct sq_jdbc_order){name, name, col};
        good = good && name && orders_by_literal(col);
    }
    sq_rc rc = b.rc;
    if (rc == SQ_OK && !(info->order = sq_str_dup(arena, sq_buf_view(&b)).p))
        rc = SQ_NOMEM;
    if (key->n == 1)
        info->row_name = info->order;
    info->norder = good ? key->n : 0;
    sq_buf_free(&b);
    return rc;
}

static bool digits_only(struct sq_str s, bool decimal)
{
    for (uint32_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(decimal && ((s.p[i] == '-' && i == 0) || s.p[i] == '.')))
            return false;
    return s.n > 0;
}

static sq_rc hex_literal(struct sq_buf *b, struct sq_str s)
{
    sq_buf_puts(b, "x'");
    for (uint32_t i = 0; i < s.n; i++)
        sq_buf_printf(b, "%02x", (unsigned char)s.p[i]);
    return sq_buf_putc(b, '\'');
}

sq_rc sq_mysql_order_literal(struct sq_jdbc_conn *base, struct sq_buf *b, const struct sq_jdbc_column *col, const struct sq_jdbc_value *v)
{
    int p, s;
    enum family f = family_of(col->type, &p, &s);
    bool number = f == F_INT || f == F_YEAR || f == F_DECIMAL, bytes = f == F_BYTES || f == F_BINARY;
    struct sq_str text = v->s;
    if (number && v->kind == SQ_JDBC_INT)
        return sq_buf_printf(b, "%lld", (long long)v->i);
    if (number && v->kind == SQ_JDBC_TEXT && digits_only(text, f == F_DECIMAL))
        return sq_buf_str(b, text);
    if (bytes && v->kind == SQ_JDBC_BYTES)
        return hex_literal(b, text);
    if (number || bytes || v->kind != SQ_JDBC_TEXT)
        return sq_fail(base->ctx, SQ_DATA, "a key cannot be compared with");
    if (f == F_INSTANT && text.n && text.p[text.n - 1] == 'Z')
        text.n--;                                        /* the session is in UTC */
    return sq_mysql_text(b, text);
}

sq_rc sq_mysql_describe(struct sq_jdbc_conn *base, struct sq_arena *arena, struct sq_str table, struct sq_jdbc_info *info)
{
    struct sq_mysql_conn *c = (struct sq_mysql_conn *)base;
    bool own = sq_str_eq(table, base->table->name);
    *info = (struct sq_jdbc_info){.name = table};
    SQ_TRY(find_table(c, arena, own, info));
    if (!info->exists)
        return SQ_OK;
    info->keys = SQ_NEW_ARRAY(arena, struct sq_jdbc_key, MAX_KEYS);
    if (!info->keys)
        return SQ_NOMEM;
    SQ_TRY(read_columns(c, arena, own, info));
    SQ_TRY(read_keys(c, arena, info));
    return find_order(arena, info);
}

/* ---- mending a key ---- */

/* The column as a key needs it: not null, and texts with a length and a collation that tells them apart. False: it is so already. */
static bool needs_change(const struct sq_jdbc_column *col, enum family f, int p)
{
    return !col->not_null || merging(col) || ((f == F_TEXT || f == F_BYTES) && p < 0) || f == F_CHAR;
}

static sq_rc change_column(struct sq_mysql_conn *c, struct sq_buf *b, const struct sq_jdbc_column *col, const struct sq_jdbc_in_key *share)
{
    int p, s;
    enum family f = family_of(col->type, &p, &s);
    int64_t length = p < 0 ? SQ_STRING_MAX : p;
    sq_rc rc;
    sq_buf_puts(b, "MODIFY ");
    sq_mysql_quote(b, col->name);
    sq_buf_putc(b, ' ');
    if (f == F_TEXT || f == F_CHAR) {
        rc = text_type(c->base.ctx, &c->base, b, length, share);
        if (rc == SQ_UNSUPPORTED)
            sq_buf_str(b, col->type);
    } else if (f == F_BYTES && p < 0) {
        bytes_type(c->base.ctx, b, length, share);
    } else {
        sq_buf_str(b, col->type);
    }
    return sq_buf_puts(b, " NOT NULL, ");
}

static bool is_key_of(const struct sq_jdbc_info *info, const struct sq_jdbc_key *key, const struct sq_sink_spec *spec)
{
    uint32_t same = 0;
    for (uint32_t k = 0; k < key->n && key->n == spec->nkey && !key->partial; k++)
        for (uint32_t j = 0; j < spec->nkey; j++)
            same += sq_str_ieq(info->cols[key->cols[k]].name, spec->table->cols[spec->key[j]].name);
    return same == spec->nkey;
}

sq_rc sq_mysql_add_key(struct sq_jdbc_conn *base, struct sq_buf *b, const struct sq_jdbc_info *info, const struct sq_sink_spec *spec, const struct sq_jdbc_key *key)
{
    struct sq_mysql_conn *c = (struct sq_mysql_conn *)base;
    struct sq_jdbc_in_key share = {.columns = spec->nkey};
    bool there = key != NULL, primary = info->nkeys && strcmp(info->keys[0].name, "PRIMARY") == 0;
    for (uint32_t i = 0; i < info->nkeys; i++)
        there = there || is_key_of(info, &info->keys[i], spec);
    for (uint32_t k = 0; k < spec->nkey; k++)
        share.texts += sq_tid_is_string(spec->table->cols[spec->key[k]].type->id) || sq_tid_is_binary(spec->table->cols[spec->key[k]].type->id);
    sq_buf_puts(b, "ALTER TABLE ");
    sq_mysql_quote(b, base->table->name);
    sq_buf_putc(b, ' ');
    for (uint32_t k = 0; k < spec->nkey; k++) {
        int64_t at = -1;
        int p, s;
        for (uint32_t i = 0; i < info->ncols; i++)
            if (sq_str_ieq(info->cols[i].name, spec->table->cols[spec->key[k]].name))
                at = i;
        if (at >= 0 && needs_change(&info->cols[at], family_of(info->cols[at].type, &p, &s), p))
            SQ_TRY(change_column(c, b, &info->cols[at], &share));
    }
    if (there) {
        b->n -= b->n >= 2 && b->p[b->n - 2] == ',' ? 2 : 0;
        b->p[b->n] = 0;
        return b->rc;
    }
    sq_buf_puts(b, primary ? "ADD UNIQUE KEY (" : "ADD PRIMARY KEY (");
    for (uint32_t k = 0; k < spec->nkey; k++) {
        if (k)
            sq_buf_puts(b, ", ");
        sq_mysql_quote(b, spec->table->cols[spec->key[k]].name);
    }
    return sq_buf_putc(b, ')');
}
#endif
