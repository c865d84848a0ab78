/* SPDX-License-Identifier: Apache-2.0
 *
 * mysql_url.c: takes jdbc:mysql://HOST:PORT/DATABASE?PARAMETERS apart, and the same of jdbc:mariadb:.
 *
 * The parameters are those of MySQL's and MariaDB's Java drivers. Each is one row of a table here: it has an effect, or none and a reason
 * why none is needed (KEPT_ANYWAY: what it asks for is so in any case), or it is refused with what to write instead. A value that would
 * ask for something that is not so is refused, never ignored. A password has no place in a url: urls are shown.
 */
#include "base/text.h"
#include "connectors/jdbc/mysql.h"

#include <strings.h>

enum param {
    SSL_MODE, USE_SSL, REQUIRE_SSL, VERIFY_SERVER, TRUST_SERVER, SSL_CA, SSL_CERT, SSL_KEY, TLS_VERSIONS, CONNECT_TIMEOUT, SOCKET_TIMEOUT, ZONE,
    VARIABLES, ZERO_DATES, COMPRESS, USER,
    KEPT_ANYWAY,                         /* any value will do: `why` says why */
    MUST_BE_TRUE, MUST_BE_FALSE,         /* it is so in any case; the other value is refused */
    REFUSED
};

static const struct { const char *name; enum param what; const char *why; } params[] = {
    {"sslMode", SSL_MODE, NULL}, {"useSSL", USE_SSL, NULL}, {"useSsl", USE_SSL, NULL}, {"requireSSL", REQUIRE_SSL, NULL},
    {"verifyServerCertificate", VERIFY_SERVER, NULL}, {"trustServerCertificate", TRUST_SERVER, NULL}, {"serverSslCert", SSL_CA, NULL}, {"sslCa", SSL_CA, NULL},
    {"sslCert", SSL_CERT, NULL}, {"sslKey", SSL_KEY, NULL}, {"tlsVersions", TLS_VERSIONS, NULL}, {"enabledTLSProtocols", TLS_VERSIONS, NULL},
    {"enabledSslProtocolSuites", TLS_VERSIONS, NULL}, {"connectTimeout", CONNECT_TIMEOUT, NULL}, {"socketTimeout", SOCKET_TIMEOUT, NULL},
    {"serverTimezone", ZONE, NULL}, {"connectionTimeZone", ZONE, NULL}, {"timezone", ZONE, NULL}, {"sessionVariables", VARIABLES, NULL},
    {"zeroDateTimeBehavior", ZERO_DATES, NULL}, {"useCompression", COMPRESS, NULL}, {"user", USER, NULL},
    {"useUnicode", KEPT_ANYWAY, "text is sent as utf8mb4"}, {"characterEncoding", KEPT_ANYWAY, "text is sent as utf8mb4; the server converts it to the column's"},
    {"connectionCollation", KEPT_ANYWAY, "texts are compared by the column's collation"}, {"characterSetResults", KEPT_ANYWAY, "text is received as utf8mb4"},
    {"rewriteBatchedStatements", KEPT_ANYWAY, "statements are of many rows in any case"}, {"useBulkStmts", KEPT_ANYWAY, "the same"},
    {"useBatchMultiSend", KEPT_ANYWAY, "the same"}, {"useServerPrepStmts", KEPT_ANYWAY, "values are exact either way"}, {"cachePrepStmts", KEPT_ANYWAY, "of the Java driver"},
    {"prepStmtCacheSize", KEPT_ANYWAY, "of the Java driver"}, {"prepStmtCacheSqlLimit", KEPT_ANYWAY, "of the Java driver"},
    {"useLocalSessionState", KEPT_ANYWAY, "of the Java driver"}, {"cacheServerConfiguration", KEPT_ANYWAY, "of the Java driver"},
    {"cacheResultSetMetadata", KEPT_ANYWAY, "of the Java driver"}, {"elideSetAutoCommits", KEPT_ANYWAY, "of the Java driver"},
    {"maintainTimeStats", KEPT_ANYWAY, "of the Java driver"}, {"useCursorFetch", KEPT_ANYWAY, "rows are streamed"}, {"defaultFetchSize", KEPT_ANYWAY, "rows are streamed"},
    {"useInformationSchema", KEPT_ANYWAY, "it is used"}, {"nullCatalogMeansCurrent", KEPT_ANYWAY, "of the Java driver"},
    {"nullDatabaseMeansCurrent", KEPT_ANYWAY, "of the Java driver"}, {"useLegacyDatetimeCode", KEPT_ANYWAY, "of the Java driver"},
    {"useTimezone", KEPT_ANYWAY, "of the Java driver"}, {"useJDBCCompliantTimezoneShift", KEPT_ANYWAY, "of the Java driver"},
    {"forceConnectionTimeZoneToSession", KEPT_ANYWAY, "points in time are sent in UTC"}, {"noAccessToProcedureBodies", KEPT_ANYWAY, "no procedures are called"},
    {"tinyInt1isBit", KEPT_ANYWAY, "the type declared in the job file decides"}, {"transformedBitIsBoolean", KEPT_ANYWAY, "the declared type decides"},
    {"yearIsDateType", KEPT_ANYWAY, "the declared type decides"}, {"autoReconnect", KEPT_ANYWAY, "a lost connection is made again"},
    {"autoReconnectForPools", KEPT_ANYWAY, "a lost connection is made again"}, {"failOverReadOnly", KEPT_ANYWAY, "there is one server"},
    {"maxReconnects", KEPT_ANYWAY, "'connection.max-retry-timeout' says how long it is tried"}, {"tcpKeepAlive", KEPT_ANYWAY, "of the Java driver"},
    {"tcpNoDelay", KEPT_ANYWAY, "of the Java driver"}, {"useOldAliasMetadataBehavior", KEPT_ANYWAY, "of the Java driver"},
    {"useColumnNamesInFindColumn", KEPT_ANYWAY, "of the Java driver"}, {"dontTrackOpenResources", KEPT_ANYWAY, "of the Java driver"},
    {"useAffectedRows", KEPT_ANYWAY, "affected rows are not asked for"}, {"logger", KEPT_ANYWAY, "of the Java driver"}, {"profileSQL", KEPT_ANYWAY, "of the Java driver"},
    {"allowMultiQueries", KEPT_ANYWAY, "statements are sent one by one"}, {"paranoid", KEPT_ANYWAY, "messages hold no secrets"},
    {"allowPublicKeyRetrieval", MUST_BE_TRUE, "the client library asks the server for its key where the login needs it; sslMode=REQUIRED does without"},
    {"jdbcCompliantTruncation", MUST_BE_TRUE, "a value that does not fit is an error here, never cut"},
    {"createDatabaseIfNotExist", MUST_BE_FALSE, "create it with: CREATE DATABASE"},
    {"allowLoadLocalInfile", MUST_BE_FALSE, "files of this machine are never given to a server"},
    {"allowUrlInLocalInfile", MUST_BE_FALSE, "files of this machine are never given to a server"},
    {"trustCertificateKeyStoreUrl", REFUSED, "a Java key store cannot be read; export the certificate as PEM (keytool -exportcert -rfc) and write sslCa=PATH"},
    {"trustCertificateKeyStoreType", REFUSED, "write sslCa=PATH of a PEM file"}, {"trustCertificateKeyStorePassword", REFUSED, "write sslCa=PATH of a PEM file"},
    {"trustStore", REFUSED, "a Java key store cannot be read; write sslCa=PATH of a PEM file"}, {"trustStorePassword", REFUSED, "write sslCa=PATH of a PEM file"},
    {"keyStore", REFUSED, "a Java key store cannot be read; write sslCert=PATH and sslKey=PATH of PEM files"}, {"keyStorePassword", REFUSED, "write sslCert=PATH and sslKey=PATH"},
    {"clientCertificateKeyStoreUrl", REFUSED, "a Java key store cannot be read; write sslCert=PATH and sslKey=PATH of PEM files"},
    {"clientCertificateKeyStoreType", REFUSED, "write sslCert=PATH and sslKey=PATH of PEM files"},
    {"clientCertificateKeyStorePassword", REFUSED, "write sslCert=PATH and sslKey=PATH of PEM files"},
    {"localSocket", REFUSED, "connections are made by TCP"}, {"pipe", REFUSED, "connections are made by TCP"}, {"socketFactory", REFUSED, "connections are made by TCP"},
};

struct url {
    struct sq_ctx *ctx;
    struct sq_arena *arena;
    struct sq_span at;
    struct sq_jdbc_table *t;
    struct sq_mysql_place *p;
    bool mode_given, no_tls, tls, required, verified, distrusts;
};

static sq_rc bad_value(struct url *u, struct sq_str key, struct sq_str v, const char *want)
{
    sq_fail_at(u->ctx, SQ_SEMANTIC, u->at, "'url': %.*s cannot be '%.*s'", SQ_FMT(key), (int)sq_jdbc_cut(v), v.p);
    return sq_hint(u->ctx, "it is %s", want);
}

/* ---- percent-encoding ---- */

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1; }

static sq_rc decode(struct url *u, struct sq_str s, struct sq_str *out)
{
    char *p = sq_arena_get(u->arena, s.n + 1, 1);
    uint32_t n = 0;
    if (!p)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < s.n; i++) {
        int a = s.p[i] == '%' && i + 2 < s.n ? hex(s.p[i + 1]) : -1, b = a >= 0 ? hex(s.p[i + 2]) : -1;
        if (b >= 0 && (a || b)) {
            p[n++] = (char)(a * 16 + b);
            i += 2;
        } else {
            p[n++] = s.p[i];
        }
    }
    p[n] = 0;
    *out = (struct sq_str){p, n};
    return SQ_OK;
}

/* ---- parameters ---- */

static bool get_flag(struct sq_str v, bool *out)
{
    *out = sq_str_iis(v, "true") || sq_str_iis(v, "yes") || sq_str_iis(v, "1");
    return *out || sq_str_iis(v, "false") || sq_str_iis(v, "no") || sq_str_iis(v, "0");
}

static sq_rc ssl_mode(struct url *u, struct sq_str key, struct sq_str v)
{
    static const struct { const char *name; enum sq_mysql_tls mode; } modes[] = {
        {"DISABLED", SQ_MYSQL_PLAIN}, {"disable", SQ_MYSQL_PLAIN}, {"PREFERRED", SQ_MYSQL_TLS_PREFERRED}, {"REQUIRED", SQ_MYSQL_TLS_REQUIRED}, {"trust", SQ_MYSQL_TLS_REQUIRED},
        {"VERIFY_CA", SQ_MYSQL_TLS_VERIFIED}, {"verify-ca", SQ_MYSQL_TLS_VERIFIED}, {"VERIFY_IDENTITY", SQ_MYSQL_TLS_VERIFIED}, {"verify-full", SQ_MYSQL_TLS_VERIFIED},
    };
    for (size_t i = 0; i < SQ_LEN(modes); i++)
        if (sq_str_iis(v, modes[i].name)) {
            u->p->tls = modes[i].mode;
            u->p->tls_name = modes[i].name;
            u->mode_given = true;
            return SQ_OK;
        }
    return bad_value(u, key, v, "DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY (both of the latter check the name too)");
}

static sq_rc flag(struct url *u, enum param what, struct sq_str key, struct sq_str v)
{
    bool on;
    if (!get_flag(v, &on))
        return bad_value(u, key, v, "true or false");
    switch (what) {
    case USE_SSL:
        u->no_tls = !on;
        u->tls = on;
        break;
    case REQUIRE_SSL: u->required = on; break;
    case VERIFY_SERVER: u->verified = on; break;
    case TRUST_SERVER: u->distrusts = !on; break;
    default: u->p->compress = on; break;
    }
    return SQ_OK;
}

static sq_rc number_ms(struct url *u, struct sq_str key, struct sq_str v, int64_t *out)
{
    if (sq_parse_int(v, out) && *out >= 0 && *out <= INT32_MAX)
        return SQ_OK;
    return bad_value(u, key, v, "a number of milliseconds");
}

static sq_rc zone(struct url *u, struct sq_str key, struct sq_str v)
{
    if (sq_str_iis(v, "LOCAL") || sq_str_iis(v, "auto"))
        return SQ_OK;                                    /* the session's: 'table.local-time-zone' */
    if (sq_str_iis(v, "SERVER"))
        return bad_value(u, key, v, "a zone, as in Europe/Berlin; without it the zone is 'table.local-time-zone'");
    if (sq_tz_find(u->ctx, u->arena, v, &u->t->tz) == SQ_OK)
        return SQ_OK;
    u->ctx->err.span = u->at;
    return sq_wrap(u->ctx, "'url': %.*s", SQ_FMT(key));
}

static sq_rc zero_dates(struct url *u, struct sq_str key, struct sq_str v)
{
    if (sq_str_iis(v, "EXCEPTION"))
        u->p->zero = SQ_MYSQL_ZERO_FAILS;
    else if (sq_str_iis(v, "CONVERT_TO_NULL") || sq_str_iis(v, "convertToNull"))
        u->p->zero = SQ_MYSQL_ZERO_IS_NULL;
    else if (sq_str_iis(v, "ROUND"))
        u->p->zero = SQ_MYSQL_ZERO_IS_YEAR_1;
    else
        return bad_value(u, key, v, "EXCEPTION, CONVERT_TO_NULL or ROUND");
    return SQ_OK;
}

/* What keeps values exact is not to be undone. */
static sq_rc variables(struct url *u, struct sq_str v)
{
    static const char *const ours[] = {"sql_mode", "time_zone", "character_set", "collation", "autocommit", "names"};
    for (size_t k = 0; k < SQ_LEN(ours); k++)
        for (size_t i = 0, n = strlen(ours[k]); i + n <= v.n; i++)
            if (strncasecmp(v.p + i, ours[k], n) == 0) {
                sq_fail_at(u->ctx, SQ_UNSUPPORTED, u->at, "'url': sessionVariables cannot set %s", ours[k]);
                return sq_hint(u->ctx, "leave it out: what keeps values exact is set when the connection is made");
            }
    u->p->variables = v.p;
    return SQ_OK;
}

static sq_rc must_be(struct url *u, bool want, struct sq_str key, struct sq_str v, const char *why)
{
    bool on;
    if (!get_flag(v, &on))
        return bad_value(u, key, v, "true or false");
    if (on == want)
        return SQ_OK;
    sq_fail_at(u->ctx, SQ_UNSUPPORTED, u->at, "'url': %.*s=%.*s is not supported", SQ_FMT(key), SQ_FMT(v));
    return sq_hint(u->ctx, "%s", why);
}

static sq_rc unknown(struct url *u, struct sq_str key)
{
    struct sq_str all[SQ_LEN(params)], near;
    for (size_t i = 0; i < SQ_LEN(params); i++)
        all[i] = sq_str_of(params[i].name);
    near = sq_nearest(key, all, SQ_LEN(params));
    sq_fail_at(u->ctx, SQ_SEMANTIC, u->at, "'url': there is no parameter '%.*s'", (int)sq_jdbc_cut(key), key.p);
    return near.n ? sq_hint(u->ctx, "did you mean '%.*s'?", SQ_FMT(near)) : sq_hint(u->ctx, "leave it out");
}

static sq_rc param(struct url *u, struct sq_str text)
{
    const char *eq = memchr(text.p, '=', text.n);
    struct sq_str key = {text.p, eq ? (uint32_t)(eq - text.p) : text.n}, v = {"", 0};
    size_t i = 0;
    while (i < SQ_LEN(params) && !sq_str_iis(key, params[i].name))
        i++;
    if (i == SQ_LEN(params))
        return unknown(u, key);
    if (eq)
        SQ_TRY(decode(u, (struct sq_str){eq + 1, text.n - key.n - 1}, &v));
    switch (params[i].what) {
    case SSL_MODE: return ssl_mode(u, key, v);
    case USE_SSL:
    case REQUIRE_SSL:
    case VERIFY_SERVER:
    case TRUST_SERVER:
    case COMPRESS: return flag(u, params[i].what, key, v);
    case SSL_CA: u->p->ca = v.p; break;
    case SSL_CERT: u->p->cert = v.p; break;
    case SSL_KEY: u->p->key = v.p; break;
    case TLS_VERSIONS: u->p->tls_versions = v.p; break;
    case CONNECT_TIMEOUT: return number_ms(u, key, v, &u->p->connect_ms);
    case SOCKET_TIMEOUT: return number_ms(u, key, v, &u->p->socket_ms);
    case ZONE: return zone(u, key, v);
    case VARIABLES: return variables(u, v);
    case ZERO_DATES: return zero_dates(u, key, v);
    case USER: u->p->user = v.p; break;
    case KEPT_ANYWAY: break;
    case MUST_BE_TRUE: return must_be(u, true, key, v, params[i].why);
    case MUST_BE_FALSE: return must_be(u, false, key, v, params[i].why);
    case REFUSED:
        sq_fail_at(u->ctx, SQ_UNSUPPORTED, u->at, "'url': the parameter '%.*s' is not supported", SQ_FMT(key));
        return sq_hint(u->ctx, "%s", params[i].why);
    }
    return SQ_OK;
}

/* The old parameters of Java's driver, where sslMode is not given: useSSL=false wins, then the strictest. */
static void settle_tls(struct url *u)
{
    if (u->mode_given)
        return;
    if (u->no_tls) {
        u->p->tls = SQ_MYSQL_PLAIN;
        u->p->tls_name = "DISABLED (useSSL=false)";
    } else if (u->verified || (u->tls && u->distrusts)) {
        u->p->tls = SQ_MYSQL_TLS_VERIFIED;
        u->p->tls_name = "VERIFY_CA (verifyServerCertificate=true)";
    } else if (u->required) {
        u->p->tls = SQ_MYSQL_TLS_REQUIRED;
        u->p->tls_name = "REQUIRED (requireSSL=true)";
    }
}

/* ---- host, port, database ---- */

static sq_rc bad_form(struct url *u, const char *what)
{
    sq_fail_at(u->ctx, SQ_SEMANTIC, u->at, "'url': %s", what);
    return sq_hint(u->ctx, "write 'jdbc:%s://HOST:PORT/DATABASE'", u->t->dialect->scheme);
}

static sq_rc host_and_port(struct url *u, struct sq_str s)
{
    const char *colon = NULL;
    struct sq_str host = s;
    int64_t port = 3306;
    if (memchr(s.p, ',', s.n)) {
        sq_fail_at(u->ctx, SQ_UNSUPPORTED, u->at, "'url': several hosts are not supported");
        return sq_hint(u->ctx, "name one of them");
    }
    if (memchr(s.p, '(', s.n))
        return bad_form(u, "hosts as (host=…) are not supported");
    if (s.n && s.p[0] == '[') {
        const char *end = memchr(s.p, ']', s.n);
        if (!end)
            return bad_form(u, "the address has '[' without ']'");
        host = (struct sq_str){s.p + 1, (uint32_t)(end - s.p - 1)};
        colon = end + 1 < s.p + s.n ? end + 1 : NULL;
        if (colon && *colon != ':')
            return bad_form(u, "behind ']' stands something else than ':PORT'");
    } else if ((colon = memchr(s.p, ':', s.n)) != NULL) {
        host.n = (uint32_t)(colon - s.p);
    }
    if (colon && colon + 1 < s.p + s.n) {
        struct sq_str digits = {colon + 1, (uint32_t)(s.p + s.n - colon - 1)};
        if (!sq_parse_int(digits, &port) || port < 1 || port > 65535)
            return bad_form(u, "the port is a number from 1 to 65535");
    }
    if (host.n == 0)
        host = SQ_STR("localhost");                      /* as the Java drivers have it */
    u->p->port = (unsigned)port;
    u->p->host = sq_str_dup(u->arena, host).p;
    return u->p->host ? SQ_OK : SQ_NOMEM;
}

/* A client library would take a Unix socket for "localhost" and ignore the port; here it means TCP to 127.0.0.1. Certificates are made out for
 * the name, so where they are checked the name is kept, and the protocol is forced when connecting. */
static sq_rc settle_names(struct url *u)
{
    struct sq_mysql_place *p = u->p;
    bool v6 = strchr(p->host, ':') != NULL;
    if (strcasecmp(p->host, "localhost") == 0 && p->tls != SQ_MYSQL_TLS_VERIFIED)
        p->host = "127.0.0.1";
    if (u->t->options.username.p && !(p->user = sq_str_dup(u->arena, u->t->options.username).p))
        return SQ_NOMEM;
    if (u->t->options.password.p && !(p->password = sq_str_dup(u->arena, u->t->options.password).p))
        return SQ_NOMEM;
    u->t->database = sq_arena_printf(u->arena, v6 ? "[%s]:%u/%s" : "%s:%u/%s", p->host, p->port, p->database);
    return u->t->database ? SQ_OK : SQ_NOMEM;
}

sq_rc sq_mysql_url(struct sq_ctx *ctx, struct sq_arena *arena, struct sq_span at, struct sq_str rest, struct sq_jdbc_table *t)
{
    struct sq_mysql_place *p = SQ_NEW(arena, struct sq_mysql_place);
    struct url u = {.ctx = ctx, .arena = arena, .at = at, .t = t, .p = p};
    struct sq_str database;
    if (!p)
        return SQ_NOMEM;
    p->tls = SQ_MYSQL_TLS_PREFERRED;
    p->tls_name = "PREFERRED";
    p->connect_ms = 10000;
    t->place = p;
    if (rest.n < 2 || memcmp(rest.p, "//", 2) != 0) {
        if (memmem(rest.p, rest.n, "://", 3)) {
            sq_fail_at(ctx, SQ_UNSUPPORTED, at, "'url': failover, load balancing and replication are not supported");
            return sq_hint(ctx, "write 'jdbc:%s://HOST:PORT/DATABASE'", t->dialect->scheme);
        }
        return bad_form(&u, "behind the kind of database stands '//'");
    }
    rest = (struct sq_str){rest.p + 2, rest.n - 2};
    const char *end = rest.p + rest.n, *q = memchr(rest.p, '?', rest.n), *slash = memchr(rest.p, '/', (size_t)((q ? q : end) - rest.p));
    SQ_TRY(host_and_port(&u, (struct sq_str){rest.p, (uint32_t)((slash ? slash : q ? q : end) - rest.p)}));
    if (!slash || slash + 1 == (q ? q : end))
        return bad_form(&u, "it names no database");
    SQ_TRY(decode(&u, (struct sq_str){slash + 1, (uint32_t)((q ? q : end) - slash - 1)}, &database));
    p->database = database.p;
    while (q && q + 1 < end) {
        const char *from = q + 1, *amp = memchr(from, '&', (size_t)(end - from));
        if ((amp ? amp : end) > from)
            SQ_TRY(param(&u, (struct sq_str){from, (uint32_t)((amp ? amp : end) - from)}));
        q = amp;
    }
    settle_tls(&u);
    return settle_names(&u);
}
