/* SPDX-License-Identifier: Apache-2.0
 *
 * mysql.c: MySQL and MariaDB as dialects of the jdbc connector: connections, errors, transactions.
 *
 * Both speak the same protocol, and libmariadb speaks it with either. Every session is set up the same way before anything else:
 * sql_mode strict (what does not fit is an error, never cut), utf8mb4, and the time zone UTC. Points in time travel in UTC, and are
 * turned into times of the session's zone here: a server's own zone tables are seldom loaded, and know no way back from the hour
 * that comes twice.
 *
 * How values are stored in tables that are made here:
 *   BOOLEAN … BIGINT          BOOLEAN, TINYINT, SMALLINT, INT, BIGINT
 *   FLOAT, DOUBLE             FLOAT, DOUBLE        no NaN, no infinities: an error
 *   DECIMAL(p, s)             DECIMAL(p, s)
 *   CHAR, VARCHAR, STRING     VARCHAR(n) up to 255, longer ones a TEXT that holds them all; in a key VARCHAR(768) with a collation that
 *                             tells all texts apart
 *   BINARY, VARBINARY, BYTES  VARBINARY(n), BLOBs
 *   DATE, TIME(p)             DATE, TIME(p)
 *   TIMESTAMP(p)              DATETIME(p), p up to 6
 *   TIMESTAMP_LTZ(p)          TIMESTAMP(p), which ends in 2038 (MariaDB from 11.5: 2106)
 *   INTERVAL                  INT months, BIGINT milliseconds
 *
 * A server that does not answer is tried again, with back-off, for 'connection.max-retry-timeout'; a connection that is lost in a
 * transaction is made again when the transaction is begun anew.
 */
#include "connectors/jdbc/mysql.h"

#ifdef SQ_HAVE_MYSQL
#include "base/os.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_PACKET = 1 << 20, SLICE_US = 200000, SLICE_MS = 200, FIRST_WAIT_US = 100000, LAST_WAIT_US = 3000000 };

enum {                                   /* the server's and the library's error codes that mean something here */
    TOO_MANY = 1040, NO_RIGHTS_DB = 1044, WRONG_PASSWORD = 1045, NO_DATABASE = 1049, TABLE_THERE = 1050, SHUTDOWN = 1053, UNKNOWN_ERROR = 1105,
    HOST_REFUSED = 1130, NO_RIGHTS_TABLE = 1142, NO_RIGHTS_COLUMN = 1143, NO_TABLE = 1146, TOO_MANY_OF_USER = 1203, LOCK_WAIT = 1205, DEADLOCK = 1213,
    PACKET_TOO_BIG = 1153, NO_RIGHTS = 1227, READ_ONLY = 1290, CANCELLED = 1317, ROLLED_BACK = 1613, READ_ONLY_NOW = 1836, KILLED = 1927,
    ROW_CHANGED = 1020, NOT_READY = 1047, LOG_FULL = 1197, LOCKS_FULL = 1206, XA_DEADLOCK = 1614, TOO_MANY_TRANSACTIONS = 1637, NO_WAIT = 3572,
    CANNOT_CONNECT_SOCKET = 2002, CANNOT_CONNECT = 2003, UNKNOWN_HOST = 2005, GONE = 2006, OUT_OF_MEMORY = 2008, LOST = 2013, TLS_FAILED = 2026, SERVER_LOST_EXTENDED = 2055,
    IDLE_TOO_LONG = 4031,
};

/* ---- errors ---- */

bool sq_mysql_bad_value(unsigned code)
{
    static const unsigned short codes[] = {
        1048, 1062, 1264, 1265, 1292, 1364, 1366, 1367, 1406, 1411, 1416, 1451, 1452, 1526, 1586, 1644, 1690, 1761, 1762, 3140, 3156, 3819, 3903, 4025, 4038, 4078,
    };
    for (size_t i = 0; i < SQ_LEN(codes); i++)
        if (codes[i] == code)
            return true;
    return false;
}

static bool is_lost(unsigned code)
{
    return code == GONE || code == LOST || code == SERVER_LOST_EXTENDED || code == SHUTDOWN || code == KILLED || code == IDLE_TOO_LONG;
}

/* The server has rolled back, or will when asked to, because of what others did at that time. */
static bool is_passing(unsigned code)
{
    static const unsigned short codes[] = {ROW_CHANGED, NOT_READY, TABLE_THERE, LOCK_WAIT, DEADLOCK, CANCELLED, ROLLED_BACK, XA_DEADLOCK, TOO_MANY_TRANSACTIONS, NO_WAIT};
    for (size_t i = 0; i < SQ_LEN(codes); i++)
        if (codes[i] == code)
            return true;
    return false;
}

sq_rc sq_mysql_fail_with(struct sq_mysql_conn *c, const char *doing, unsigned code, const char *text)
{
    struct sq_ctx *ctx = c->base.ctx;
    const char *db = c->base.table->database;
    c->error = code;
    c->lost = c->lost || is_lost(code);
    if (is_lost(code))
        return sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': the connection is lost (%s)", doing, db, text);
    if (sq_mysql_bad_value(code))
        return sq_fail(ctx, SQ_DATA, "database '%s' refuses a row of table '%.*s': %s", db, SQ_FMT(c->base.table->name), text);
    switch (code) {
    case LOCK_WAIT:
        sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': it is locked by another transaction", doing, db);
        return sq_hint(ctx, "end the other transaction; '?sessionVariables=innodb_lock_wait_timeout=120' in the url waits longer (seconds)");
    case DEADLOCK:
        sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': deadlock with another transaction", doing, db);
        return sq_hint(ctx, "'sink.max-retries' says how often it is tried again");
    case LOG_FULL:
    case LOCKS_FULL:
        sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': the transaction is larger than the server takes (%s)", doing, db, text);
        return sq_hint(ctx, "make epochs smaller ('execution.checkpointing.interval', 'execution.trigger.max-rows'), or raise the server's max_binlog_cache_size and innodb_buffer_pool_size");
    case NO_RIGHTS_DB:
    case NO_RIGHTS_TABLE:
    case NO_RIGHTS_COLUMN:
    case NO_RIGHTS:
        sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': %s", doing, db, text);
        return sq_hint(ctx, "the user needs a GRANT for that");
    case READ_ONLY:
    case READ_ONLY_NOW:
        return sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': it is read-only (%s)", doing, db, text);
    case PACKET_TOO_BIG:
        sq_fail(ctx, SQ_DATA, "cannot %s database '%s': a row is larger than the server takes", doing, db);
        return sq_hint(ctx, "raise the server's max_allowed_packet");
    case OUT_OF_MEMORY:
        return sq_fail(ctx, SQ_NOMEM, "cannot %s database '%s': the client library is out of memory", doing, db);
    default:
        return sq_fail(ctx, SQ_EXTERNAL, "cannot %s database '%s': %s (error %u)", doing, db, text, code);
    }
}

sq_rc sq_mysql_fail(struct sq_mysql_conn *c, const char *doing) { return sq_mysql_fail_with(c, doing, c->lib.code(c->db), c->lib.error(c->db)); }

static enum sq_jdbc_trouble trouble(struct sq_jdbc_conn *base)
{
    const struct sq_mysql_conn *c = (const struct sq_mysql_conn *)base;
    if (c->gave_up)
        return SQ_JDBC_FAILED;
    return c->lost ? SQ_JDBC_LOST : is_passing(c->error) ? SQ_JDBC_LOCKED : SQ_JDBC_FAILED;
}

/* ---- statements ---- */

/* Waits for the answer in slices, so that a statement that waits for a lock does not keep Ctrl-C waiting. */
sq_rc sq_mysql_run(struct sq_mysql_conn *c, const char *sql, size_t n, bool *good)
{
    *good = c->lib.send_query(c->db, sql, (unsigned long)n) == 0;
    for (int64_t waited = 0; *good && (c->at->socket_ms == 0 || waited < c->at->socket_ms); waited += SLICE_MS) {
        struct pollfd fd = {.fd = c->lib.get_socket(c->db), .events = POLLIN};
        if (poll(&fd, 1, SLICE_MS) > 0)
            break;
        if (sq_check_interrupt(c->base.ctx) != SQ_OK) {
            c->lost = true;              /* its answer will not be read */
            return SQ_INTERRUPT;
        }
    }
    *good = *good && c->lib.read_query_result(c->db) == 0;
    return SQ_OK;
}

sq_rc sq_mysql_query(struct sq_mysql_conn *c, const char *sql, size_t n, const char *doing)
{
    bool good;
    if (c->lost)
        return sq_mysql_fail_with(c, doing, GONE, "it was lost before");
    SQ_TRY(sq_mysql_run(c, sql, n, &good));
    return good ? SQ_OK : sq_mysql_fail(c, doing);
}

sq_rc sq_mysql_rows(struct sq_mysql_conn *c, const char *sql, MYSQL_RES **res)
{
    SQ_TRY(sq_mysql_query(c, sql, strlen(sql), "read"));
    *res = c->lib.store_result(c->db);
    return *res ? SQ_OK : sq_mysql_fail(c, "read");
}

static sq_rc execute(struct sq_jdbc_conn *base, const char *sql) { return sq_mysql_query((struct sq_mysql_conn *)base, sql, strlen(sql), "write"); }

static sq_rc change(struct sq_jdbc_conn *base, const char *sql, uint64_t *rows)
{
    struct sq_mysql_conn *c = (struct sq_mysql_conn *)base;
    SQ_TRY(execute(base, sql));
    *rows = c->lib.affected_rows(c->db);
    return SQ_OK;
}

static sq_rc first_row(struct sq_jdbc_conn *base, struct sq_arena *arena, const char *select, bool lock, struct sq_str *cols, uint32_t n, bool *found)
{
    struct sq_mysql_conn *c = (struct sq_mysql_conn *)base;
    MYSQL_RES *res = NULL;
    struct sq_buf sql;
    sq_buf_init(&sql, base->ctx);
    sq_rc rc = sq_buf_printf(&sql, "%s%s", select, lock ? " FOR UPDATE" : "");
    if (rc == SQ_OK)
        rc = sq_mysql_rows(c, sql.p, &res);
    sq_buf_free(&sql);
    SQ_TRY(rc);
    MYSQL_ROW row = c->lib.fetch_row(res);
    *found = row != NULL;
    unsigned long *lengths = row ? c->lib.fetch_lengths(res) : NULL;
    for (uint32_t i = 0; lengths && rc == SQ_OK && i < n; i++) {
        cols[i] = sq_str_dup(arena, (struct sq_str){row[i] ? row[i] : "", row[i] ? (uint32_t)lengths[i] : 0});
        rc = cols[i].p ? SQ_OK : SQ_NOMEM;
    }
    c->lib.free_result(res);
    return rc;
}

sq_rc sq_mysql_quote(struct sq_buf *b, struct sq_str name)
{
    sq_buf_putc(b, '`');
    for (uint32_t i = 0; i < name.n; i++) {
        if (name.p[i] == '`')
            sq_buf_putc(b, '`');
        sq_buf_putc(b, name.p[i]);
    }
    return sq_buf_putc(b, '`');
}

sq_rc sq_mysql_text(struct sq_buf *b, struct sq_str s)
{
    uint32_t from = 0;
    SQ_TRY(sq_buf_reserve(b, (size_t)s.n + 2));
    sq_buf_putc(b, '\'');
    for (uint32_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c != '\'' && c != '\\' && c != 0)
            continue;
        sq_buf_add(b, s.p + from, i - from);
        sq_buf_putc(b, '\\');
        sq_buf_putc(b, c ? c : '0');
        from = i + 1;
    }
    sq_buf_add(b, s.p + from, s.n - from);
    return sq_buf_putc(b, '\'');
}

/* ---- connecting ---- */

static void set_tls(struct sq_mysql_conn *c)
{
    const struct sq_mysql_place *at = c->at;
    my_bool on = at->tls != SQ_MYSQL_PLAIN, verify = at->tls == SQ_MYSQL_TLS_VERIFIED;
    if (on) {
        c->lib.options(c->db, MYSQL_OPT_SSL_ENFORCE, &on);
        if (at->ca)
            c->lib.options(c->db, MYSQL_OPT_SSL_CA, at->ca);
        if (at->cert)
            c->lib.options(c->db, MYSQL_OPT_SSL_CERT, at->cert);
        if (at->key)
            c->lib.options(c->db, MYSQL_OPT_SSL_KEY, at->key);
        if (at->tls_versions)
            c->lib.options(c->db, MARIADB_OPT_TLS_VERSION, at->tls_versions);
    }
    c->lib.options(c->db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}

static void set_options(struct sq_mysql_conn *c)
{
    const struct sq_mysql_place *at = c->at;
    unsigned tcp = MYSQL_PROTOCOL_TCP, off = 0, connect_s = (unsigned)((at->connect_ms + 999) / 1000), socket_s = (unsigned)((at->socket_ms + 999) / 1000);
    my_bool no = 0;
    c->lib.options(c->db, MYSQL_OPT_PROTOCOL, &tcp);
    c->lib.options(c->db, MYSQL_OPT_LOCAL_INFILE, &off);
    c->lib.options(c->db, MYSQL_OPT_RECONNECT, &no);
    c->lib.options(c->db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (connect_s)
        c->lib.options(c->db, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    if (socket_s) {
        c->lib.options(c->db, MYSQL_OPT_READ_TIMEOUT, &socket_s);
        c->lib.options(c->db, MYSQL_OPT_WRITE_TIMEOUT, &socket_s);
    }
    if (at->compress)
        c->lib.options(c->db, MYSQL_OPT_COMPRESS, NULL);
    set_tls(c);
}

/* Says what was tried, and what the library's words leave open. */
static sq_rc cannot_connect(struct sq_mysql_conn *c, unsigned code, const char *text)
{
    struct sq_ctx *ctx = c->base.ctx;
    const struct sq_mysql_place *at = c->at;
    const char *db = c->base.table->database, *user = at->user ? at->user : "";
    c->error = code;
    switch (code) {
    case WRONG_PASSWORD:
        sq_fail(ctx, SQ_EXTERNAL, "cannot connect to database '%s': the server refuses user '%s' %s", db, user, at->password && *at->password ? "with the password given" : "without a password");
        return sq_hint(ctx, "check 'username' and 'password'; the server said: %s", text);
    case NO_RIGHTS_DB:
        sq_fail(ctx, SQ_EXTERNAL, "cannot connect to database '%s': user '%s' may not use it", db, user);
        return sq_hint(ctx, "an administrator can run: GRANT ALL ON `%s`.* TO '%s'", at->database, user);
    case NO_DATABASE:
        sq_fail(ctx, SQ_EXTERNAL, "cannot connect to database '%s': the server has no database '%s'", db, at->database);
        return sq_hint(ctx, "create it with: CREATE DATABASE `%s`", at->database);
    case UNKNOWN_HOST:
        sq_fail(ctx, SQ_EXTERNAL, "cannot connect to database '%s': there is no host '%s'", db, at->host);
        return sq_hint(ctx, "check the host in 'url'");
    case CANNOT_CONNECT:
    case CANNOT_CONNECT_SOCKET:
        sq_fail(ctx, SQ_EXTERNAL, "cannot connect to database '%s': no server answers at %s, TCP port %u", db, at->host, at->port);
        return sq_hint(ctx, "is it running, and does it listen there? 'connection.max-retry-timeout' says how long it is tried");
    case TLS_FAILED:
        sq_fail(ctx, SQ_EXTERNAL, "cannot connect to database '%s': TLS failed with sslMode=%s: %s", db, at->tls_name, text);
        if (at->tls == SQ_MYSQL_TLS_VERIFIED)
            return sq_hint(ctx, at->ca ? "the certificate must be signed by '%s' and made out for '%s'"
                                       : "sslCa=PATH in the url names the certificate that signed the server's%.0s; it must be made out for '%s'",
                           at->ca ? at->ca : "", at->host);
        return sq_hint(ctx, "sslMode=DISABLED in the url connects without TLS");
    default:
        return sq_fail(ctx, SQ_EXTERNAL, "cannot connect to database '%s' as user '%s': %s (error %u)", db, user, text, code);
    }
}

static bool may_come(unsigned code)      /* errors of connecting that time may heal */
{
    return code == CANNOT_CONNECT || code == CANNOT_CONNECT_SOCKET || code == TOO_MANY || code == TOO_MANY_OF_USER || is_lost(code);
}

static sq_rc check_tls(struct sq_mysql_conn *c)
{
    if (c->at->tls < SQ_MYSQL_TLS_REQUIRED || c->lib.get_ssl_cipher(c->db))
        return SQ_OK;
    return cannot_connect(c, TLS_FAILED, "the server has no TLS");
}

/* Values exact, texts whole, times in UTC; a reader that takes its time is not cut off, and who alters a table does not keep it waiting for a day. What
 * a writer has locked whom the network cut off is free again after a minute (MariaDB; others do not know that, which is no error). */
static sq_rc set_session(struct sq_mysql_conn *c)
{
    static const char early[] = "SET SESSION lock_wait_timeout = 60", idle[] = "SET SESSION idle_write_transaction_timeout = 60";
    static const char ours[] = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', "
                               "time_zone = '+00:00', autocommit = 1, net_write_timeout = 28800, lc_messages = 'en_US'";
    MYSQL_RES *res;
    struct sq_buf sql;
    SQ_TRY(sq_mysql_query(c, early, sizeof early - 1, "use"));
    SQ_TRY(sq_mysql_run(c, idle, sizeof idle - 1, &(bool){false}));
    if (c->at->variables) {
        sq_buf_init(&sql, c->base.ctx);
        sq_rc rc = sq_buf_printf(&sql, "SET SESSION %s", c->at->variables);
        if (rc == SQ_OK && (rc = sq_mysql_query(c, sql.p, sql.n, "use")) != SQ_OK)
            rc = sq_wrap(c->base.ctx, "'url': sessionVariables");
        sq_buf_free(&sql);
        SQ_TRY(rc);
    }
    SQ_TRY(sq_mysql_query(c, ours, sizeof ours - 1, "use"));
    c->maria = strstr(c->lib.get_server_info(c->db), "MariaDB") != NULL;
    if (c->maria) {                      /* long IN lists stay lists: as a subquery they would scan the table */
        static const char lists[] = "SET SESSION in_predicate_conversion_threshold = 0";
        SQ_TRY(sq_mysql_run(c, lists, sizeof lists - 1, &(bool){false}));
    }
    SQ_TRY(sq_mysql_rows(c, "SELECT @@max_allowed_packet", &res));
    MYSQL_ROW row = c->lib.fetch_row(res);
    size_t n = row && row[0] ? (size_t)strtoull(row[0], NULL, 10) : 0;
    c->lib.free_result(res);
    c->packet = n < 4096 ? 4096 : n;
    return SQ_OK;
}

static void disconnect(struct sq_mysql_conn *c)
{
    if (c->db)
        c->lib.close(c->db);
    c->db = NULL;
}

static sq_rc connect_once(struct sq_mysql_conn *c)
{
    const struct sq_mysql_place *at = c->at;
    disconnect(c);
    c->db = c->lib.init(NULL);
    if (!c->db)
        return sq_nomem(c->base.ctx, 0);
    set_options(c);
    c->error = 0;
    if (!c->lib.real_connect(c->db, at->host, at->user, at->password, at->database, at->port, NULL, 0))
        return cannot_connect(c, c->lib.code(c->db), c->lib.error(c->db));
    c->lost = c->gave_up = false;
    SQ_TRY(check_tls(c));
    return set_session(c);
}

static sq_rc wait_for(struct sq_mysql_conn *c, int64_t us)
{
    const struct sq_os *os = c->base.ctx->os;
    for (; us > 0; us -= SLICE_US) {
        os->sleep_us(os->arg, us < SLICE_US ? us : SLICE_US);
        SQ_TRY(sq_check_interrupt(c->base.ctx));
    }
    return SQ_OK;
}

/* Connects, again and again with back-off while the server may still come up. */
static sq_rc connect_patiently(struct sq_mysql_conn *c)
{
    struct sq_ctx *ctx = c->base.ctx;
    const struct sq_os *os = ctx->os;
    int64_t limit = c->base.table->options.retry_timeout_ms, begun = os->mono_ns(os->arg), wait = FIRST_WAIT_US, waited_ms = 0;
    for (int n = 1;; n++) {
        sq_rc rc = connect_once(c);
        if (rc == SQ_OK) {
            if (n > 1)
                sq_notice(ctx, "table '%.*s': connected to database '%s' after %d attempts", SQ_FMT(c->base.table->declared), c->base.table->database, n);
            return SQ_OK;
        }
        waited_ms = (os->mono_ns(os->arg) - begun) / 1000000;
        if (rc != SQ_EXTERNAL || !may_come(c->error) || waited_ms >= limit) {
            char hint[SQ_HINT_MAX];
            c->gave_up = true;
            if (n == 1 || rc != SQ_EXTERNAL)
                return rc;
            snprintf(hint, sizeof hint, "%s", ctx->err.hint);
            struct sq_error keep = ctx->err;
            sq_fail(ctx, rc, "%s (tried %d times in %lld s)", keep.msg, n, (long long)waited_ms / 1000);
            return *hint ? sq_hint(ctx, "%s", hint) : rc;
        }
        if (n == 1)
            sq_notice(ctx, "table '%.*s': %s; trying again for %lld s ('connection.max-retry-timeout')", SQ_FMT(c->base.table->declared), ctx->err.msg,
                      (long long)(limit + 999) / 1000);
        SQ_TRY(wait_for(c, wait));
        wait = wait * 2 < LAST_WAIT_US ? wait * 2 : LAST_WAIT_US;
    }
}

static void close_conn(struct sq_jdbc_conn *base)
{
    struct sq_mysql_conn *c = (struct sq_mysql_conn *)base;
    if (!c)
        return;
    disconnect(c);
    sq_mysql_unload(&c->lib);
    sq_buf_free(&c->sql);
    sq_buf_free(&c->keys);
    sq_arena_free(&c->arena);
    sq_free(c->base.ctx, c);
}

static sq_rc open_conn(struct sq_ctx *ctx, const struct sq_jdbc_table *t, bool write, struct sq_jdbc_conn **out)
{
    struct sq_mysql_conn *c = sq_calloc(ctx, sizeof *c);
    (void)write;
    if (!c)
        return SQ_NOMEM;
    c->base.ctx = ctx;
    c->base.table = t;
    c->at = t->place;
    sq_buf_init(&c->sql, ctx);
    sq_buf_init(&c->keys, ctx);
    sq_arena_init(&c->arena, ctx);
    sq_rc rc = sq_mysql_load(ctx, &c->lib);
    if (rc == SQ_OK)
        rc = connect_patiently(c);
    if (rc != SQ_OK) {
        struct sq_error keep = ctx->err;
        close_conn(&c->base);
        ctx->err = keep;
        return rc;
    }
    *out = &c->base;
    return SQ_OK;
}

/* ---- transactions ---- */

static sq_rc begin_work(struct sq_jdbc_conn *base)
{
    struct sq_mysql_conn *c = (struct sq_mysql_conn *)base;
    c->error = 0;
    c->nkeys = 0;
    sq_buf_reset(&c->keys);
    if (c->lost)
        SQ_TRY(connect_patiently(c));
    return execute(base, "START TRANSACTION");
}

static sq_rc commit_work(struct sq_jdbc_conn *base) { return execute(base, "COMMIT"); }

static void rollback_work(struct sq_jdbc_conn *base)
{
    struct sq_mysql_conn *c = (struct sq_mysql_conn *)base;
    bool good;
    if (c->db && !c->lost && (sq_mysql_run(c, "ROLLBACK", 8, &good) != SQ_OK || !good))
        c->lost = true;                                  /* whatever it was: a fresh connection has no transaction */
}

#define MAKE_MARKER                                                                                                                            \
    "CREATE TABLE " SQ_JDBC_MARKERS " (job CHAR(36) NOT NULL, sink VARCHAR(600) NOT NULL, epoch BIGINT NOT NULL, owner CHAR(16) NOT NULL, " \
    "updated DATETIME(3) NOT NULL, PRIMARY KEY (job, sink)) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

/* 0: a server that is killed forgets what it has committed in the last second. (2: only a machine that loses its power does.) */
static sq_rc durable(struct sq_jdbc_conn *base)
{
    struct sq_mysql_conn *c = (struct sq_mysql_conn *)base;
    MYSQL_RES *res;
    sq_rc rc = sq_mysql_rows(c, "SELECT @@innodb_flush_log_at_trx_commit", &res);
    if (rc != SQ_OK)
        return rc == SQ_EXTERNAL ? SQ_OK : rc;           /* what is wrong will show when it is written */
    MYSQL_ROW row = c->lib.fetch_row(res);
    if (row && row[0] && strcmp(row[0], "0") == 0)
        sq_notice(base->ctx, "table '%.*s': database '%s' has innodb_flush_log_at_trx_commit = 0: when the server dies it forgets commits, and the job cannot go on",
                  SQ_FMT(base->table->declared), base->table->database);
    c->lib.free_result(res);
    return SQ_OK;
}

#define DIALECT(title, word, classes)                                                                                                                              \
    {                                                                                                                                                              \
        .name = title, .scheme = word, .drivers = classes, .package = "libmariadb3", .url = sq_mysql_url, .open = open_conn, .close = close_conn,           \
        .quote = sq_mysql_quote, .column_type = sq_mysql_column_type, .create_tail = " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4", .describe = sq_mysql_describe, \
        .same_name = sq_str_ieq, .unfit = sq_mysql_unfit, .add_key = sq_mysql_add_key, .any_key = true, .begin = begin_work, .commit = commit_work,              \
        .rollback = rollback_work, .exec = execute, .put_rows = sq_mysql_put_rows, .remove_rows = sq_mysql_remove_rows, .scan = sq_mysql_scan,                 \
        .step = sq_mysql_step, .value = sq_mysql_value, .text = sq_mysql_text_of, .finalize = sq_mysql_finalize, .trouble = trouble,                         \
        .literal = sq_mysql_text, .change = change, .first = first_row, .durable = durable, .order_literal = sq_mysql_order_literal, .engine = "InnoDB", .make_marker = MAKE_MARKER,                  \
    }

#else

static sq_rc not_built(struct sq_ctx *ctx, struct sq_arena *arena, struct sq_span at, struct sq_str rest, struct sq_jdbc_table *t)
{
    (void)arena;
    (void)rest;
    sq_fail_at(ctx, SQ_UNSUPPORTED, at, "'url': this sqluice was built without 'jdbc:%s:'", t->dialect->scheme);
    return sq_hint(ctx, "install libmariadb-dev and libmariadb3 (Debian's names), and build it again");
}

#define DIALECT(title, word, classes) {.name = title, .scheme = word, .drivers = classes, .package = "libmariadb3", .url = not_built, .same_name = sq_str_ieq}

#endif

#define MYSQL_CLASSES "com.mysql.jdbc.Driver|com.mysql.cj.jdbc.Driver"
#define MARIADB_CLASSES "org.mariadb.jdbc.Driver"
const struct sq_jdbc_dialect sq_jdbc_mysql = DIALECT("MySQL", "mysql", MYSQL_CLASSES "|" MARIADB_CLASSES);
const struct sq_jdbc_dialect sq_jdbc_mariadb = DIALECT("MariaDB", "mariadb", MARIADB_CLASSES "|" MYSQL_CLASSES);
