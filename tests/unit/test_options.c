/* SPDX-License-Identifier: Apache-2.0
 *
 * test_options.c: options as rows of tables: values, defaults, old spellings, expansion, secrets, and what an error says.
 */
#include "base/os.h"
#include "connectors/option.h"
#include "connectors/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct opts {
    struct sq_str name, pass;
    bool flag, on;
    int64_t n, m, wait, size, none, big;
    int mode;
    struct sq_option_map props, mins;
};

#define OFF(f) offsetof(struct opts, f)
static const struct sq_option rows[] = {
    {"name", "old.name|older.name", SQ_OPT_STRING, NULL, OFF(name), NULL, SQ_OPT_REQUIRED, "what it is called"},
    {"password", NULL, SQ_OPT_STRING, NULL, OFF(pass), NULL, SQ_OPT_SECRET, "secret"},
    {"flag", NULL, SQ_OPT_BOOL, "false", OFF(flag), NULL, 0, ""},
    {"on", NULL, SQ_OPT_BOOL, "true", OFF(on), NULL, 0, ""},
    {"scan.count", "count-old", SQ_OPT_INT, "7", OFF(n), NULL, 0, ""},
    {"limit", NULL, SQ_OPT_INT, NULL, OFF(m), NULL, 0, ""},
    {"wait", NULL, SQ_OPT_DURATION, "10 s", OFF(wait), NULL, 0, ""},
    {"size", NULL, SQ_OPT_MEMORY, "2mb", OFF(size), NULL, 0, ""},
    {"none", NULL, SQ_OPT_MEMORY, NULL, OFF(none), NULL, 0, ""},
    {"scan.startup.mode", "startup-mode", SQ_OPT_ENUM, "group-offsets", OFF(mode), "group-offsets|earliest-offset|latest-offset", 0, ""},
    {"properties.*", "connector.properties.*", SQ_OPT_MAP, NULL, OFF(props), NULL, 0, ""},
    {"fields.#.min", NULL, SQ_OPT_MAP, NULL, OFF(mins), NULL, 0, ""},
    {"later", NULL, SQ_OPT_STRING, NULL, 0, NULL, SQ_OPT_UNSUPPORTED, "it comes with partitions"},
};

struct world {
    struct sq_ctx ctx;
    struct sq_arena arena;
    char notices[1024];
};

static void note(void *arg, const char *text)
{
    struct world *w = arg;
    size_t n = strlen(w->notices);
    snprintf(w->notices + n, sizeof w->notices - n, "%s\n", text);
}

static void begin(struct world *w)
{
    *w = (struct world){.ctx = {.os = &sq_os_posix, .notice = note, .notice_arg = w}};
    sq_arena_init(&w->arena, &w->ctx);
}

/* Parses "key=value;key=value"; spans: key at 100*i+1, value at 100*i+2. */
static sq_rc parse(struct world *w, const char *text, struct opts *o)
{
    static const char *const skip[] = {"connector", NULL};
    struct sq_option_set set = {rows, SQ_LEN(rows), "", o};
    struct sq_kv kv[16];
    uint32_t n = 0;
    w->notices[0] = 0;
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, ";"), eq = strcspn(p, "=");
        kv[n] = (struct sq_kv){{p, (uint32_t)eq}, {p + eq + 1, (uint32_t)(len - eq - 1)}, {100 * n + 1, 1}, {100 * n + 2, 1}};
        n++;
        p += len + (p[len] == ';');
    }
    return sq_options_parse(&w->ctx, &w->arena, "connector 'toy'", (struct sq_span){9000, 3}, kv, n, skip, &set, 1);
}

static void test_values(void **state)
{
    struct world w;
    struct opts o;
    (void)state;
    begin(&w);
    assert_int_equal(parse(&w, "connector=toy;name=", &o), SQ_OK);
    assert_true(o.name.p && o.name.n == 0);
    assert_true(!o.pass.p && !o.flag && o.on);
    assert_int_equal(o.n, 7);
    assert_true(o.m == INT64_MIN && o.none == INT64_MIN);
    assert_int_equal(o.wait, 10000);
    assert_int_equal(o.size, 2 << 20);
    assert_int_equal(o.mode, 0);
    assert_true(o.props.n == 0 && o.mins.n == 0);

    assert_int_equal(parse(&w, "name=x;flag=TRUE;on=False;scan.count=-12;limit=3;wait=5min;size=1 GB;none=0;scan.startup.mode=LATEST-offset", &o), SQ_OK);
    assert_true(sq_str_is(o.name, "x") && o.flag && !o.on);
    assert_int_equal(o.n, -12);
    assert_int_equal(o.m, 3);
    assert_int_equal(o.wait, 300000);
    assert_int_equal(o.size, 1 << 30);
    assert_int_equal(o.none, 0);
    assert_int_equal(o.mode, 2);
    assert_string_equal(w.notices, "");

    assert_int_equal(parse(&w, "name=x;properties.a.b=1;properties.c=2;fields.f.g.min=3", &o), SQ_OK);
    assert_int_equal(o.props.n, 2);
    assert_true(sq_str_is(o.props.kv[0].key, "a.b") && sq_str_is(o.props.kv[1].value, "2"));
    assert_true(o.mins.n == 1 && sq_str_is(o.mins.kv[0].key, "f.g") && sq_str_is(o.mins.kv[0].value, "3"));
    sq_arena_free(&w.arena);
}

static void test_durations(void **state)
{
    static const struct { const char *text; int64_t ms; } good[] = {
        {"0", 0}, {"500", 500}, {"1ms", 1}, {" 10 s ", 10000}, {"2 SECONDS", 2000}, {"1m", 60000}, {"3min", 180000}, {"1h", 3600000}, {"2 d", 172800000},
        {"1 day", 86400000}, {"1500 micros", 1}, {"2000000ns", 2},
    };
    static const char *const bad[] = {"", "s", "-1 s", "1.5 s", "1 parsec", "1 s s", "99999999999999999999", "9223372036854775807 d"};
    static const struct { const char *text; int64_t bytes; } sizes[] = {{"12", 12}, {"1b", 1}, {"2 kb", 2048}, {"1m", 1 << 20}, {"1 Gibibytes", 1 << 30}};
    int64_t v;
    (void)state;
    for (size_t i = 0; i < SQ_LEN(good); i++) {
        assert_true(sq_parse_duration(sq_str_of(good[i].text), &v));
        assert_int_equal(v, good[i].ms);
    }
    for (size_t i = 0; i < SQ_LEN(bad); i++) {
        assert_false(sq_parse_duration(sq_str_of(bad[i]), &v));
        assert_false(sq_parse_memory(sq_str_of(bad[i]), &v));
    }
    for (size_t i = 0; i < SQ_LEN(sizes); i++) {
        assert_true(sq_parse_memory(sq_str_of(sizes[i].text), &v));
        assert_int_equal(v, sizes[i].bytes);
    }
}

static void test_errors(void **state)
{
    static const struct { const char *with; sq_rc rc; uint32_t at; const char *msg, *hint; } t[] = {
        {"nmae=x", SQ_SEMANTIC, 1, "connector 'toy' has no option 'nmae'", "did you mean 'name'?"},
        {"name=x;fields.f.mni=1", SQ_SEMANTIC, 101, "connector 'toy' has no option 'fields.f.mni'", "did you mean 'fields.f.min'?"},
        {"name=x;quux=1", SQ_SEMANTIC, 101, "connector 'toy' has no option 'quux'", ""},
        {"name=x;properties.=1", SQ_SEMANTIC, 101, "connector 'toy' has no option 'properties.'", NULL},
        {"flag=true", SQ_SEMANTIC, 9000, "connector 'toy' needs the option 'name'", "'name': what it is called"},
        {"name=x;name=y", SQ_SEMANTIC, 101, "'name' is given twice", ""},
        {"name=x;old.name=y", SQ_SEMANTIC, 101, "'name' and 'old.name' are the same option in two spellings", ""},
        {"name=x;properties.a=1;properties.a=2", SQ_SEMANTIC, 201, "'properties.a' is given twice", ""},
        {"name=x;flag=yes", SQ_SEMANTIC, 102, "'flag': 'yes' is not a BOOLEAN", "write 'true' or 'false'"},
        {"name=x;limit=1e3", SQ_SEMANTIC, 102, "'limit': '1e3' is not a whole number", ""},
        {"name=x;limit=99999999999999999999", SQ_SEMANTIC, 102, "'limit': '99999999999999999999' is not a whole number", ""},
        {"name=x;wait=soon", SQ_SEMANTIC, 102, "'wait': 'soon' is not a duration", NULL},
        {"name=x;size=big", SQ_SEMANTIC, 102, "'size': 'big' is not a size", NULL},
        {"name=x;scan.startup.mode=earliest", SQ_SEMANTIC, 102, "'scan.startup.mode': 'earliest' is not one of its values",
         "it can be 'group-offsets', 'earliest-offset', 'latest-offset'"},
        {"name=x;scan.startup.mode=earlest-offset", SQ_SEMANTIC, 102, "'scan.startup.mode': 'earlest-offset' is not one of its values",
         "did you mean 'earliest-offset'? It can be 'group-offsets', 'earliest-offset', 'latest-offset'"},
        {"name=x;later=1", SQ_UNSUPPORTED, 101, "'later' is not supported yet: it comes with partitions", ""},
        {"name=${env:SQ_NO_SUCH_VARIABLE}", SQ_SEMANTIC, 2, "'name': the environment variable 'SQ_NO_SUCH_VARIABLE' is not set", ""},
        {"name=${env:HOME", SQ_SEMANTIC, 2, "'name': ${ without its }", ""},
        {"name=${file:/no/such/file}", SQ_IO, 2, "'name': cannot read '/no/such/file': no such file or directory", ""},
    };
    struct world w;
    struct opts o;
    (void)state;
    begin(&w);
    for (size_t i = 0; i < SQ_LEN(t); i++) {
        w.ctx.err = (struct sq_error){0};
        assert_int_equal(parse(&w, t[i].with, &o), t[i].rc);
        assert_string_equal(w.ctx.err.msg, t[i].msg);
        if (t[i].hint)
            assert_string_equal(w.ctx.err.hint, t[i].hint);
        assert_int_equal(w.ctx.err.span.at, t[i].at);
    }
    sq_arena_free(&w.arena);
}

static void test_aliases(void **state)
{
    struct world w;
    struct opts o;
    (void)state;
    begin(&w);
    assert_int_equal(parse(&w, "older.name=x;startup-mode=earliest-offset;connector.properties.k=v", &o), SQ_OK);
    assert_true(sq_str_is(o.name, "x"));
    assert_int_equal(o.mode, 1);
    assert_true(o.props.n == 1 && sq_str_is(o.props.kv[0].key, "k"));
    assert_string_equal(w.notices, "'older.name' is the old spelling of 'name'\n"
                                   "'startup-mode' is the old spelling of 'scan.startup.mode'\n"
                                   "'connector.properties.k' is the old spelling of 'properties.k'\n");
    sq_arena_free(&w.arena);
}

static void test_expansion(void **state)
{
    struct world w;
    struct opts o;
    char path[] = "/tmp/sq_optXXXXXX", with[200];
    (void)state;
    begin(&w);
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "s3cret\r\n", 8) == 8);
    close(fd);
    setenv("SQ_TEST_OPTION", "v=1", 1);
    snprintf(with, sizeof with, "name=a ${env:SQ_TEST_OPTION} ${b} $;password=${file:%s};limit=${env:SQ_TEST_N}", path);
    setenv("SQ_TEST_N", "42", 1);
    assert_int_equal(parse(&w, with, &o), SQ_OK);
    assert_true(sq_str_is(o.name, "a v=1 ${b} $"));
    assert_true(sq_str_is(o.pass, "s3cret"));
    assert_int_equal(o.m, 42);
    setenv("SQ_TEST_N", "hidden", 1);                   /* what an expansion brought in is not shown */
    assert_int_equal(parse(&w, "name=x;limit=${env:SQ_TEST_N}", &o), SQ_SEMANTIC);
    assert_string_equal(w.ctx.err.msg, "'limit': '${env:SQ_TEST_N}' is not a whole number");
    unlink(path);
    sq_arena_free(&w.arena);
}

static void test_secrets(void **state)
{
    (void)state;
    assert_true(sq_option_secret(rows, SQ_LEN(rows), sq_str_of("password")));
    assert_true(sq_option_secret(NULL, 0, sq_str_of("properties.sasl.jaas.config")));
    assert_true(sq_option_secret(NULL, 0, sq_str_of("properties.ssl.Key.Password")));
    assert_false(sq_option_secret(rows, SQ_LEN(rows), sq_str_of("name")));
}

/* ---- through the registry ---- */

static struct sq_table_column cols[] = {{{"id", 2}, &sq_type_string, SQ_COL_PHYSICAL, {NULL, 0}, 0, 0}, {{"v", 1}, &sq_type_double, SQ_COL_PHYSICAL, {NULL, 0}, 0, 0}};

static sq_rc make_table(struct world *w, const char *text, const struct sq_connector **c, struct sq_table_ext **ext)
{
    struct sq_table_spec *t = SQ_NEW(&w->arena, struct sq_table_spec);
    struct sq_kv *kv = SQ_NEW_ARRAY(&w->arena, struct sq_kv, 16);
    uint32_t n = 0;
    w->notices[0] = 0;
    w->ctx.err = (struct sq_error){0};
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, ";"), eq = strcspn(p, "=");
        kv[n] = (struct sq_kv){{p, (uint32_t)eq}, {p + eq + 1, (uint32_t)(len - eq - 1)}, {100 * n + 1, 1}, {100 * n + 2, 1}};
        n++;
        p += len + (p[len] == ';');
    }
    *t = (struct sq_table_spec){.name = SQ_STR("t"), .span = {9000, 1}, .cols = cols, .ncols = 2, .options = kv, .noptions = n};
    SQ_TRY(sq_connector_find(&w->ctx, t, c));
    return (*c)->table(&w->ctx, &w->arena, t, ext);
}

static void test_registry(void **state)
{
    static const struct { const char *with; sq_rc rc; uint32_t at; const char *msg, *hint; } t[] = {
        {"path=x", SQ_SEMANTIC, 9000, "table 't' does not say where its rows are: the option 'connector' is missing", NULL},
        {"connector=filesytem", SQ_SEMANTIC, 2, "there is no connector 'filesytem'", "did you mean 'filesystem'?"},
        {"connector=pulsar", SQ_UNSUPPORTED, 2, "connector 'pulsar' is not supported yet", ""},
        {"connector=zzzzzzzzz", SQ_SEMANTIC, 2, "there is no connector 'zzzzzzzzz'", "there are 'filesystem', 'kafka', 'upsert-kafka', 'jdbc', 'datagen', 'print', 'blackhole'"},
        {"connector=filesystem;path=x", SQ_SEMANTIC, 9000, "connector 'filesystem' needs the option 'format'", "add 'format' = 'json'"},
        {"connector=filesystem;path=x;format=jsn", SQ_SEMANTIC, 202, "there is no format 'jsn'", "did you mean 'json'?"},
        {"connector=filesystem;path=x;format=parquet", SQ_UNSUPPORTED, 202, "format 'parquet' is not supported yet", ""},
        {"connector=filesystem;format=json", SQ_SEMANTIC, 9000, "connector 'filesystem' with format 'json' needs the option 'path'", NULL},
        {"connector=filesystem;path=x;format=json;json.ignore-parse-error=true", SQ_SEMANTIC, 301,
         "connector 'filesystem' with format 'json' has no option 'json.ignore-parse-error'", "did you mean 'json.ignore-parse-errors'?"},
        {"connector=filesystem;path=x;format=json;auto-compaction=true", SQ_UNSUPPORTED, 302, "'auto-compaction' is not supported yet", NULL},
        {"connector=filesystem;path=hdfs://n/x;format=json", SQ_UNSUPPORTED, 102, "'path': the file system 'hdfs' is not supported yet; only local files are", ""},
        {"connector=filesystem;path=;format=json", SQ_SEMANTIC, 102, "'path' is empty", ""},
        {"connector=filesystem;path=x;format=json;update-mode=add", SQ_SEMANTIC, 302, "'update-mode': 'add' is not one of its values", NULL},
        {"connector=jdbc;url=jdbc:oracle:thin:@h/d;table-name=t", SQ_UNSUPPORTED, 102, "'url': databases of the kind 'jdbc:oracle:' are not supported yet", NULL},
        {"connector=jdbc;url=jdbc:sqllite:x;table-name=t", SQ_SEMANTIC, 102, "'url': there is no kind of database 'jdbc:sqllite:'", "did you mean 'jdbc:sqlite:'?"},
        {"connector=jdbc;url=x.db;table-name=t", SQ_SEMANTIC, 102, "'url' does not begin with 'jdbc:'", "there are 'jdbc:sqlite:PATH', 'jdbc:mysql://HOST:PORT/DATABASE' and 'jdbc:mariadb://HOST:PORT/DATABASE'"},
        {"connector=jdbc;url=jdbc:sqlite:;table-name=t", SQ_UNSUPPORTED, 102, "'url': a database in memory would be gone with the job", NULL},
        {"connector=jdbc;url=jdbc:sqlite:x?cache=shared;table-name=t", SQ_UNSUPPORTED, 102, "'url': the parameter 'cache' is not supported", NULL},
        {"connector=jdbc;url=jdbc:sqlite:x;table-name=t;driver=com.mysql.jdbc.Driver", SQ_SEMANTIC, 302,
         "'driver' = 'com.mysql.jdbc.Driver' does not go with a url of 'jdbc:sqlite:'", "it belongs to 'jdbc:mysql:'; leave 'driver' out: it is not needed"},
        {"connector=jdbc;url=jdbc:sqlite:x;table-name=t;scan.partition.num=3", SQ_SEMANTIC, 9000,
         "of the options 'scan.partition.column', '.num', '.lower-bound' and '.upper-bound' 1 is given", "give all four, or none"},
        {"connector=jdbc;url=jdbc:sqlite:x;table-name=", SQ_SEMANTIC, 202, "'table-name' is empty", ""},
        {"connector=print;print-identifer=x", SQ_SEMANTIC, 101, "connector 'print' has no option 'print-identifer'", "did you mean 'print-identifier'?"},
        {"connector=print;format=json", SQ_SEMANTIC, 101, "connector 'print' has no option 'format'", ""},
        {"connector=datagen;fields.idd.length=3", SQ_SEMANTIC, 101, "'fields.idd.length': table 't' has no column 'idd'", "did you mean 'fields.id.length'?"},
        {"connector=datagen;fields.v.min=5;fields.v.max=4", SQ_SEMANTIC, 102, "'fields.v.min' is greater than 'fields.v.max'", ""},
        {"connector=datagen;fields.v.length=5", SQ_SEMANTIC, 101, "'fields.v.length' means nothing for a random DOUBLE", ""},
        {"connector=datagen;fields.v.kind=sequence;fields.v.start=1", SQ_SEMANTIC, 102, "a sequence needs 'fields.v.end'", ""},
        {"connector=datagen;rows-per-second=0", SQ_SEMANTIC, 102, "'rows-per-second' must be 1 or more", ""},
        {"connector=blackhole;scan.watermark.alignment.group=g", SQ_UNSUPPORTED, 101,
         "'scan.watermark.alignment.group' is not supported yet: splits do not wait for each other", ""},
        {"connector=blackhole;scan.watermark.null-time=drop", SQ_SEMANTIC, 102, "'scan.watermark.null-time': 'drop' is not one of its values", "it can be 'fail', 'skip'"},
    };
    static const char *const good[] = {
        "connector=filesystem;path=file:///tmp/x;format=json;json.ignore-parse-errors=true",
        "connector=filesystem;path=x;format=json;auto-compaction=false;compaction.file-size=1mb;sink.rolling-policy.check-interval=1s;sink.shuffle-by-partition.enable=true",
        "connector.type=filesystem;connector.path=x;format.type=json;format.fail-on-missing-field=true;format.derive-schema=true;update-mode=append;"
        "connector.property-version=1",
        "connector=jdbc;url=jdbc:sqlite:x.db?busy_timeout=100;table-name=t;driver=org.sqlite.JDBC;sink.buffer-flush.interval=0;lookup.cache=PARTIAL",
        "connector=jdbc;url=jdbc:sqlite:x.db;table-name=t;scan.partition.column=id;scan.partition.num=3;scan.partition.lower-bound=0;scan.partition.upper-bound=9",
        "connector=datagen;number-of-rows=3;fields.id.length=5;fields.v.min=-1.5;fields.v.max=1.5",
        "connector=print;print-identifier=x;standard-error=true", "connector=blackhole",
    };
    struct world w;
    const struct sq_connector *c;
    struct sq_table_ext *ext;
    (void)state;
    begin(&w);
    for (size_t i = 0; i < SQ_LEN(t); i++) {
        assert_int_equal(make_table(&w, t[i].with, &c, &ext), t[i].rc);
        assert_string_equal(w.ctx.err.msg, t[i].msg);
        if (t[i].hint)
            assert_string_equal(w.ctx.err.hint, t[i].hint);
        assert_int_equal(w.ctx.err.span.at, t[i].at);
    }
    for (size_t i = 0; i < SQ_LEN(good); i++) {
        sq_rc rc = make_table(&w, good[i], &c, &ext);
        if (rc != SQ_OK)
            print_error("%s: %s\n", good[i], w.ctx.err.msg);
        assert_int_equal(rc, SQ_OK);
    }
    sq_arena_free(&w.arena);
}

/* Every row of every descriptor: a type that is known, a default that parses, help that can be shown. */
static void check_rows(const struct sq_option *o, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        int64_t v;
        assert_true(o[i].key && o[i].key[0] && o[i].help && o[i].help[0]);
        assert_true((o[i].type == SQ_OPT_ENUM) == (o[i].choices != NULL));
        assert_true((o[i].type == SQ_OPT_MAP) == (strpbrk(o[i].key, "*#") != NULL));
        if (o[i].type == SQ_OPT_DURATION && o[i].fallback)
            assert_true(sq_parse_duration(sq_str_of(o[i].fallback), &v));
        if (o[i].type == SQ_OPT_MEMORY && o[i].fallback)
            assert_true(sq_parse_memory(sq_str_of(o[i].fallback), &v));
        for (uint32_t k = 0; k < i; k++)
            assert_string_not_equal(o[i].key, o[k].key);
    }
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; sq_connector_at(i); i++) {
        const struct sq_connector *c = sq_connector_at(i);
        assert_true(c->table && c->help && (c->source || c->sink));
        check_rows(c->options, c->noptions);
    }
    for (size_t i = 0; sq_format_at(i); i++)
        check_rows(sq_format_at(i)->options, sq_format_at(i)->noptions);
    assert_non_null(sq_option_lookup(sq_str_of("jdbc"), sq_str_of("password")));
    assert_non_null(sq_option_lookup(sq_str_of("filesystem"), sq_str_of("json.ignore-parse-errors")));
    assert_null(sq_option_lookup(sq_str_of("print"), sq_str_of("path")));
}

/* Out of memory at every allocation: an error, no leak. */
static void test_out_of_memory(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 1000; n++) {
        struct world w;
        struct sq_budget budget = {.limit = 0};
        const struct sq_connector *c;
        struct sq_table_ext *ext;
        begin(&w);
        w.ctx.budget = &budget;
        budget.fail_at = n;
        sq_rc rc = SQ_NOMEM;
        struct sq_table_spec *probe = SQ_NEW(&w.arena, struct sq_table_spec);
        if (probe && SQ_NEW_ARRAY(&w.arena, struct sq_kv, 16))
            rc = make_table(&w, "connector=filesystem;path=${env:HOME};format=json;json.ignore-parse-errors=true", &c, &ext);
        sq_arena_free(&w.arena);
        assert_int_equal(budget.used, 0);
        if (rc == SQ_OK) {
            assert_true(n > 1);
            return;
        }
        assert_int_equal(rc, SQ_NOMEM);
    }
    fail_msg("never succeeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_durations), cmocka_unit_test(test_errors), cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_expansion), cmocka_unit_test(test_secrets), cmocka_unit_test(test_registry), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
