/* SPDX-License-Identifier: Apache-2.0
 *
 * jdbc.c: the jdbc connector's options, its URL, and the list of dialects. No Java is involved: a jdbc: URL is how Flink job
 * files name a database, and each kind of database is reached through its own C library.
 */
#include "connectors/jdbc/jdbc.h"
#include "connectors/registry.h"

#include <stdio.h>

static const struct sq_jdbc_dialect *const dialects[] = {&sq_jdbc_sqlite, &sq_jdbc_mysql, &sq_jdbc_mariadb};

/* Known to Flink's users, not here yet. */
static const struct { const char *scheme, *drivers; } later[] = {
    {"postgresql", "org.postgresql.Driver"},
    {"oracle", "oracle.jdbc.OracleDriver"}, {"sqlserver", "com.microsoft.sqlserver.jdbc.SQLServerDriver"}, {"derby", "org.apache.derby.jdbc.EmbeddedDriver"},
    {"db2", "com.ibm.db2.jcc.DB2Driver"}, {"trino", "io.trino.jdbc.TrinoDriver"}, {"clickhouse", ""}, {"oceanbase", ""}, {"dm", ""}, {"h2", ""},
};

#define THERE_IS "there are 'jdbc:sqlite:PATH', 'jdbc:mysql://HOST:PORT/DATABASE' and 'jdbc:mariadb://HOST:PORT/DATABASE'"
#define OFF(field) offsetof(struct sq_jdbc_options, field)
#define LOOKUP "for lookup joins; a scan of the table does not use it"
#define PARALLEL "how many workers; the result does not depend on it"

static const struct sq_option rows[] = {
    {"url", "connector.url", SQ_OPT_STRING, NULL, OFF(url), NULL, SQ_OPT_REQUIRED, "jdbc:sqlite:PATH, jdbc:mysql://HOST:PORT/DATABASE or jdbc:mariadb://HOST:PORT/DATABASE"},
    {"table-name", "connector.table", SQ_OPT_STRING, NULL, OFF(table_name), NULL, SQ_OPT_REQUIRED, "the table's name in the database"},
    {"driver", "connector.driver", SQ_OPT_STRING, NULL, OFF(driver), NULL, 0, "a Java class; only checked to go with the url"},
    {"username", "connector.username", SQ_OPT_STRING, NULL, OFF(username), NULL, 0, "the database user"},
    {"password", "connector.password", SQ_OPT_STRING, NULL, OFF(password), NULL, SQ_OPT_SECRET, "its password; ${env:NAME} and ${file:PATH} keep it out of the job file"},
    {"connection.max-retry-timeout", "connector.connection.max-retry-timeout", SQ_OPT_DURATION, "60s", OFF(retry_timeout_ms), NULL, 0, "how long a server that does not answer is tried, and a transaction whose connection is lost again and again"},
    {"scan.partition.column", "connector.read.partition.column", SQ_OPT_STRING, NULL, OFF(partition_column), NULL, 0, "an integer column whose ranges are read as splits of their own"},
    {"scan.partition.num", "connector.read.partition.num", SQ_OPT_INT, NULL, OFF(partition_num), NULL, 0, "how many ranges"},
    {"scan.partition.lower-bound", "connector.read.partition.lower-bound", SQ_OPT_INT, NULL, OFF(partition_lower), NULL, 0, "the least value that is read"},
    {"scan.partition.upper-bound", "connector.read.partition.upper-bound", SQ_OPT_INT, NULL, OFF(partition_upper), NULL, 0, "the greatest value that is read"},
    {"scan.fetch-size", "connector.read.fetch-size", SQ_OPT_INT, "0", OFF(fetch_size), NULL, 0, "rows a round trip should bring; the result does not depend on it"},
    {"scan.auto-commit", NULL, SQ_OPT_BOOL, "true", OFF(auto_commit), NULL, 0, "of Java's driver; without effect on the rows"},
    {"scan.parallelism", NULL, SQ_OPT_INT, NULL, OFF(scan_parallelism), NULL, 0, PARALLEL},
    {"filter.handling.policy", NULL, SQ_OPT_ENUM, "always", OFF(filter_policy), "always|never", 0, "whether the database may filter rows; the result does not depend on it"},
    {"lookup.cache", NULL, SQ_OPT_ENUM, "NONE", OFF(lookup_cache), "NONE|PARTIAL|FULL", 0, LOOKUP},
    {"lookup.partial-cache.max-rows", "lookup.cache.max-rows|connector.lookup.cache.max-rows", SQ_OPT_INT, NULL, OFF(lookup_int), NULL, 0, LOOKUP},
    {"lookup.partial-cache.expire-after-write", "lookup.cache.ttl|connector.lookup.cache.ttl", SQ_OPT_DURATION, NULL, OFF(lookup_ms), NULL, 0, LOOKUP},
    {"lookup.partial-cache.expire-after-access", NULL, SQ_OPT_DURATION, NULL, OFF(lookup_ms), NULL, 0, LOOKUP},
    {"lookup.partial-cache.cache-missing-key", "lookup.cache.caching-missing-key", SQ_OPT_BOOL, "true", OFF(lookup_bool), NULL, 0, LOOKUP},
    {"lookup.max-retries", "connector.lookup.max-retries", SQ_OPT_INT, "3", OFF(lookup_int), NULL, 0, LOOKUP},
    {"sink.buffer-flush.max-rows", "connector.write.flush.max-rows", SQ_OPT_INT, NULL, OFF(flush_rows), NULL, 0, "without checkpoints: rows of a transaction; 10,000 unless given (Flink: 100); 0: no limit but time. With them: one per epoch"},
    {"sink.buffer-flush.interval", "connector.write.flush.interval", SQ_OPT_DURATION, "1 s", OFF(flush_interval_ms), NULL, 0, "without checkpoints: rows wait no longer than this; 0: until there are enough. With them: until their epoch's commit"},
    {"sink.max-retries", "connector.write.max-retries", SQ_OPT_INT, "3", OFF(max_retries), NULL, 0, "how often a transaction that met a lock, a deadlock or lost its connection is tried again"},
    {"sink.parallelism", NULL, SQ_OPT_INT, NULL, OFF(sink_parallelism), NULL, 0, PARALLEL},
    {"sink.create-table", NULL, SQ_OPT_ENUM, "if-missing", OFF(create_table), "if-missing|never", 0, "whether a table that is not there is created"},
    {"sink.accept-collation", NULL, SQ_OPT_BOOL, "false", OFF(accept_collation), NULL, 0, "take a key whose collation holds different texts for equal; rows of such keys replace one another"},
    {"compatible-mode", NULL, SQ_OPT_STRING, NULL, 0, NULL, SQ_OPT_UNSUPPORTED, "the url's kind of database is the only mode"},
    {"connector.read.query", NULL, SQ_OPT_STRING, NULL, 0, NULL, SQ_OPT_UNSUPPORTED, "create a view in the database and read it as 'table-name'"},
};

/* ---- the URL ---- */

static struct sq_span span_of(const struct sq_table_spec *t, const char *key, const char *old)
{
    const struct sq_kv *kv = sq_option_given(t->options, t->noptions, key);
    if (!kv)
        kv = sq_option_given(t->options, t->noptions, old);
    return kv ? kv->value_span : t->span;
}

static bool in_list(const char *list, struct sq_str s)
{
    for (const char *p = list; p && *p;) {
        const char *end = strchr(p, '|');
        size_t n = end ? (size_t)(end - p) : strlen(p);
        if (n == s.n && memcmp(p, s.p, n) == 0)
            return true;
        p = end ? end + 1 : NULL;
    }
    return false;
}

/* "?password=…" or "//user:password@host" */
static bool has_secret(struct sq_str url)
{
    const char *host = memmem(url.p, url.n, "//", 2), *end = url.p + url.n;
    for (uint32_t i = 0; i + 9 < url.n; i++)
        if ((url.p[i] == '?' || url.p[i] == '&') && sq_str_iis((struct sq_str){url.p + i + 1, 9}, "password="))
            return true;
    if (!host || host - url.p < 5 || host[-1] != ':')
        return false;
    const char *q = memchr(host, '?', (size_t)(end - host)), *at = memchr(host, '@', (size_t)((q ? q : end) - host));
    return at && memchr(host, ':', (size_t)(at - host));
}

static sq_rc find_dialect(struct sq_ctx *ctx, struct sq_span at, struct sq_str scheme, const struct sq_jdbc_dialect **out)
{
    struct sq_str all[SQ_LEN(dialects) + SQ_LEN(later)];
    size_t n = 0;
    for (size_t i = 0; i < SQ_LEN(dialects); i++) {
        all[n++] = sq_str_of(dialects[i]->scheme);
        if (sq_str_is(scheme, dialects[i]->scheme)) {
            *out = dialects[i];
            return SQ_OK;
        }
    }
    for (size_t i = 0; i < SQ_LEN(later); i++) {
        all[n++] = sq_str_of(later[i].scheme);
        if (sq_str_is(scheme, later[i].scheme)) {
            sq_fail_at(ctx, SQ_UNSUPPORTED, at, "'url': databases of the kind 'jdbc:%s:' are not supported yet", later[i].scheme);
            return sq_hint(ctx, THERE_IS);
        }
    }
    struct sq_str near = sq_nearest(scheme, all, n);
    sq_fail_at(ctx, SQ_SEMANTIC, at, "'url': there is no kind of database 'jdbc:%.*s:'", SQ_FMT(scheme));
    return near.n ? sq_hint(ctx, "did you mean 'jdbc:%.*s:'?", SQ_FMT(near)) : sq_hint(ctx, THERE_IS);
}

static sq_rc parse_url(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_jdbc_table *j)
{
    struct sq_str url = j->options.url;
    struct sq_span at = span_of(t, "url", "connector.url");
    uint32_t colon = 5;
    if (url.n < 5 || memcmp(url.p, "jdbc:", 5) != 0) {
        sq_fail_at(ctx, SQ_SEMANTIC, at, "'url' does not begin with 'jdbc:'");
        return sq_hint(ctx, THERE_IS);
    }
    if (memchr(url.p, 0, url.n))
        return sq_fail_at(ctx, SQ_SEMANTIC, at, "'url' holds a NUL byte");
    if (has_secret(url)) {
        sq_fail(ctx, SQ_SEMANTIC, "table '%.*s': 'url' holds a password", SQ_FMT(t->name));   /* without a place: the line would be shown */
        return sq_hint(ctx, "urls are shown; write it as 'password' = '…', or as 'password' = '${env:NAME}'");
    }
    while (colon < url.n && url.p[colon] != ':')
        colon++;
    SQ_TRY(find_dialect(ctx, at, (struct sq_str){url.p + 5, colon - 5}, &j->dialect));
    if (colon == url.n)
        return sq_fail_at(ctx, SQ_SEMANTIC, at, "'url' ends behind 'jdbc:%s'", j->dialect->scheme);
    return j->dialect->url(ctx, arena, at, (struct sq_str){url.p + colon + 1, url.n - colon - 1}, j);
}

/* 'driver' is a Java class: it means nothing here, but one of another database means that the url is not what was meant. */
static sq_rc check_driver(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_jdbc_table *j)
{
    const char *of = NULL;
    if (!j->options.driver.p || in_list(j->dialect->drivers, j->options.driver))
        return SQ_OK;
    for (size_t i = 0; i < SQ_LEN(later); i++)
        if (in_list(later[i].drivers, j->options.driver))
            of = later[i].scheme;
    for (size_t i = 0; i < SQ_LEN(dialects); i++)
        if (in_list(dialects[i]->drivers, j->options.driver) && (!of || strncmp(dialects[i]->drivers, j->options.driver.p, j->options.driver.n) == 0))
            of = dialects[i]->scheme;    /* each takes the other's too; its own come first */
    sq_fail_at(ctx, SQ_SEMANTIC, span_of(t, "driver", "connector.driver"), "'driver' = '%.*s' does not go with a url of 'jdbc:%s:'", SQ_FMT(j->options.driver),
               j->dialect->scheme);
    if (of)
        return sq_hint(ctx, "it belongs to 'jdbc:%s:'; leave 'driver' out: it is not needed", of);
    return sq_hint(ctx, "leave it out: it is not needed");
}

static sq_rc check_not_negative(struct sq_ctx *ctx, const struct sq_table_spec *t, const char *key, const char *old, int64_t v)
{
    if (v >= 0 || v == INT64_MIN)
        return SQ_OK;
    return sq_fail_at(ctx, SQ_SEMANTIC, span_of(t, key, old), "'%s' must not be negative", key);
}

static sq_rc check_partition(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_jdbc_options *o)
{
    int given = (o->partition_column.p != NULL) + (o->partition_num != INT64_MIN) + (o->partition_lower != INT64_MIN) + (o->partition_upper != INT64_MIN);
    if (given == 0)
        return SQ_OK;
    if (given < 4) {
        sq_fail_at(ctx, SQ_SEMANTIC, t->span, "of the options 'scan.partition.column', '.num', '.lower-bound' and '.upper-bound' %d %s given", given,
                   given == 1 ? "is" : "are");
        return sq_hint(ctx, "give all four, or none");
    }
    if (o->partition_num < 1 || o->partition_num > 1000000)
        return sq_fail_at(ctx, SQ_SEMANTIC, span_of(t, "scan.partition.num", "connector.read.partition.num"), "'scan.partition.num' must be from 1 to 1000000");
    if (o->partition_lower > o->partition_upper)
        return sq_fail_at(ctx, SQ_SEMANTIC, span_of(t, "scan.partition.lower-bound", "connector.read.partition.lower-bound"),
                          "'scan.partition.lower-bound' is greater than 'scan.partition.upper-bound'");
    return SQ_OK;
}

static sq_rc jdbc_table(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_table_ext **ext)
{
    struct sq_jdbc_table *j = SQ_NEW(arena, struct sq_jdbc_table);
    if (!j)
        return SQ_NOMEM;
    struct sq_jdbc_options *o = &j->options;
    SQ_TRY(sq_table_options(ctx, arena, &sq_connector_jdbc, t, o, NULL));
    SQ_TRY(parse_url(ctx, arena, t, j));
    SQ_TRY(check_driver(ctx, t, j));
    SQ_TRY(check_partition(ctx, t, o));
    SQ_TRY(check_not_negative(ctx, t, "sink.max-retries", "connector.write.max-retries", o->max_retries));
    SQ_TRY(check_not_negative(ctx, t, "sink.buffer-flush.max-rows", "connector.write.flush.max-rows", o->flush_rows));
    SQ_TRY(check_not_negative(ctx, t, "scan.fetch-size", "connector.read.fetch-size", o->fetch_size));
    if (o->table_name.n == 0 || memchr(o->table_name.p, 0, o->table_name.n))
        return sq_fail_at(ctx, SQ_SEMANTIC, span_of(t, "table-name", "connector.table"), "'table-name' is %s", o->table_name.n ? "not a name" : "empty");
    if (t->npartition)
        return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "connector 'jdbc' has no PARTITIONED BY");
    j->name = o->table_name;
    j->declared = t->name;
    *ext = (struct sq_table_ext *)(void *)j;
    return SQ_OK;
}

/* ---- shared by source and sink ---- */

sq_rc sq_jdbc_names(struct sq_buf *b, const struct sq_jdbc_dialect *d, const struct sq_str *cols, const uint32_t *which, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            sq_buf_puts(b, ", ");
        d->quote(b, cols[which ? which[i] : i]);
    }
    return b->rc;
}

const struct sq_tz *sq_jdbc_zone(const struct sq_jdbc_table *t, const struct sq_session *session)
{
    return t->tz ? t->tz : session ? session->tz : sq_tz_utc;
}

int64_t sq_jdbc_find_column(const struct sq_jdbc_dialect *d, const struct sq_jdbc_info *info, struct sq_str name)
{
    for (uint32_t i = 0; i < info->ncols; i++)
        if (d->same_name(info->cols[i].name, name))
            return i;
    return -1;
}

sq_rc sq_jdbc_near_column(struct sq_ctx *ctx, const struct sq_jdbc_info *info, struct sq_str name)
{
    struct sq_str names[256] = {{NULL, 0}}, near;
    uint32_t n = 0;
    for (; n < info->ncols && n < SQ_LEN(names); n++)
        names[n] = info->cols[n].name;
    near = sq_nearest(name, names, n);
    if (near.n)
        return sq_hint(ctx, "did you mean '%.*s'?", SQ_FMT(near));
    char list[SQ_HINT_MAX / 2] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        int w = snprintf(list + at, sizeof list - at, "%s'%.*s'", i ? ", " : "", SQ_FMT(names[i]));
        if (w < 0 || (size_t)w >= sizeof list - at) {
            list[at] = 0;
            break;
        }
        at += (size_t)w;
    }
    return sq_hint(ctx, "it has %s", list);
}

const struct sq_connector sq_connector_jdbc = {
    .name = "jdbc", .help = "a table of a database", .package = "libsqlite3-0 (SQLite), libmariadb3 (MySQL, MariaDB)", .options = rows, .noptions = SQ_LEN(rows), .source = &sq_jdbc_source,
    .sink = &sq_jdbc_sink, .table = jdbc_table,
};
