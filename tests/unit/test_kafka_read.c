/* SPDX-License-Identifier: Apache-2.0
 *
 * test_kafka_read.c: the kafka reader alone, against librdkafka's own mock of a cluster: positions. Wherever reading is cut off and taken up
 * again, each row comes once, also within a message that is an array; and when the topic is another one by then, that is found out. What is there
 * now and no more (available-now); offsets that a group is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "connectors/registry.h"

#ifdef SQ_HAVE_KAFKA
#include "connectors/kafka/client.h"

#include <dlfcn.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>

struct world {
    struct sq_budget budget;
    struct sq_ctx ctx;
    struct sq_arena arena;
    void *library;
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    struct sq_table_spec table;
    struct sq_scan_spec scan;
    uint32_t col;
    int64_t got[64];
    uint32_t n;
    char notices[2000];
};

static struct sq_table_column column = {{"v", 1}, &sq_type_bigint, SQ_COL_PHYSICAL, {NULL, 0}, 0, 1};

#define CALL(w, f) ((__typeof__(&f))dlsym((w)->library, #f))

static void produce(struct world *w, const char *text, int32_t partition)
{
    rd_kafka_vu_t v[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = "x"}, {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)text, strlen(text)}}, {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
    };
    assert_null(CALL(w, rd_kafka_produceva)(w->rk, v, SQ_LEN(v)));
    assert_int_equal(CALL(w, rd_kafka_flush)(w->rk, 10000), 0);
}

/* more: "key=value;key=value" */
static void make_table(struct world *w, const char *more)
{
    static struct sq_kv kv[12];
    const struct sq_connector *c;
    uint32_t n = 6;
    struct sq_table_ext *ext;
    const char *text[][2] = {{"connector", "kafka"}, {"topic", "x"}, {"format", "json"}, {"scan.startup.mode", "earliest-offset"},
                             {"scan.bounded.mode", "latest-offset"}, {"properties.bootstrap.servers", CALL(w, rd_kafka_mock_cluster_bootstraps)(w->cluster)}};
    for (size_t i = 0; i < SQ_LEN(text); i++)
        kv[i] = (struct sq_kv){.key = sq_str_of(text[i][0]), .value = sq_str_of(text[i][1])};
    for (const char *p = more; *p && n < SQ_LEN(kv); p += *p == ';') {
        size_t len = strcspn(p, ";"), eq = strcspn(p, "=");
        struct sq_kv one = {.key = {p, (uint32_t)eq}, .value = {p + eq + 1, (uint32_t)(len - eq - 1)}};
        uint32_t at = 0;
        while (at < n && !sq_str_eq(kv[at].key, one.key))
            at++;
        kv[at] = one;
        n += at == n;
        p += len;
    }
    w->table = (struct sq_table_spec){.name = SQ_STR("t"), .cols = &column, .ncols = 1, .options = kv, .noptions = n};
    assert_int_equal(sq_connector_find(&w->ctx, &w->table, &c), SQ_OK);
    assert_int_equal(c->table(&w->ctx, &w->arena, &w->table, &ext), SQ_OK);
    w->scan = (struct sq_scan_spec){.table = &w->table, .ext = ext, .cols = &w->col, .ncols = 1};
}

static void notice(void *arg, const char *text)
{
    struct world *w = arg;
    size_t n = strlen(w->notices);
    snprintf(w->notices + n, sizeof w->notices - n, "%s\n", text);
}

static void begin(struct world *w, const char *more)
{
    char why[200];
    memset(w, 0, sizeof *w);
    w->ctx = (struct sq_ctx){.budget = &w->budget, .os = &sq_os_posix, .notice = notice, .notice_arg = w};
    sq_arena_init(&w->arena, &w->ctx);
    w->library = dlopen("librdkafka.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    assert_non_null(w->library);
    rd_kafka_conf_t *conf = CALL(w, rd_kafka_conf_new)();
    CALL(w, rd_kafka_conf_set)(conf, "log_level", "0", why, sizeof why);
    w->rk = CALL(w, rd_kafka_new)(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(w->rk);
    w->cluster = CALL(w, rd_kafka_mock_cluster_new)(w->rk, 1);
    assert_non_null(w->cluster);
    CALL(w, rd_kafka_mock_topic_create)(w->cluster, "x", 1, 1);
    assert_int_equal(CALL(w, rd_kafka_brokers_add)(w->rk, CALL(w, rd_kafka_mock_cluster_bootstraps)(w->cluster)), 1);
    make_table(w, more);
}

static void end(struct world *w)
{
    CALL(w, rd_kafka_mock_cluster_destroy)(w->cluster);
    CALL(w, rd_kafka_destroy)(w->rk);
    dlclose(w->library);
    sq_arena_free(&w->arena);
    assert_int_equal(w->budget.used, 0);
}

static struct sq_reader *open_reader(struct world *w, const struct sq_buf *position)
{
    const struct sq_source_class *c = &sq_kafka_source;
    struct sq_split *splits;
    struct sq_reader *r;
    uint32_t n;
    assert_int_equal(c->splits(&w->ctx, &w->arena, &w->scan, 1, &splits, &n), SQ_OK);
    assert_int_equal(n, 1);
    assert_true(sq_str_is(splits[0].id, "x-0"));
    assert_int_equal(c->open(&w->ctx, &w->scan, &r), SQ_OK);
    assert_int_equal(c->add_split(r, &splits[0], position->n ? sq_buf_view(position) : (struct sq_str){NULL, 0}), SQ_OK);
    return r;
}

/* Polls until there are `batches` batches more, or nothing is to come; *over then. */
static sq_rc poll_some(struct world *w, struct sq_reader *r, int batches, bool *over)
{
    struct sq_poll p;
    *over = false;
    for (int tries = 0; batches > 0 && !*over && tries < 3000; tries++) {
        SQ_TRY(sq_kafka_source.poll(r, &p));
        *over = p.state == SQ_POLL_END;
        if (p.state == SQ_POLL_IDLE)
            w->ctx.os->sleep_us(w->ctx.os->arg, p.wait_us);
        if (p.state != SQ_POLL_ROWS)
            continue;
        for (uint32_t i = 0; i < p.batch->nsel; i++)
            w->got[w->n++] = ((const int64_t *)p.batch->cols[0].data)[sq_row(p.batch, i)];
        batches--;
    }
    return SQ_OK;
}

static void keep_position(struct sq_reader *r, struct sq_buf *position)
{
    sq_buf_reset(position);
    assert_int_equal(sq_kafka_source.position(r, 0, position), SQ_OK);
}

/* Reads up to `batches` batches from the position on, which it moves. True when there is nothing more. */
static bool read_some(struct world *w, int batches, struct sq_buf *position)
{
    struct sq_reader *r = open_reader(w, position);
    bool over;
    assert_int_equal(poll_some(w, r, batches, &over), SQ_OK);
    keep_position(r, position);
    sq_kafka_source.close(r);
    return over;
}

static void test_positions(void **state)
{
    static const char *const messages[] = {"{\"v\":0}", "[{\"v\":1},{\"v\":2},{\"v\":3},{\"v\":4},{\"v\":5}]", "{\"v\":6}", "", "[{\"v\":7},{\"v\":8}]", "{\"v\":9}"};
    static const uint32_t sizes[] = {1, 2, 3, 2048};
    struct world w;
    (void)state;
    begin(&w, "");
    for (size_t i = 0; i < SQ_LEN(messages); i++)
        produce(&w, messages[i], 0);
    for (size_t s = 0; s < SQ_LEN(sizes); s++)
        for (int cut = 1; cut < 4; cut++) {
            struct sq_buf position;
            bool over = false;
            sq_buf_init(&position, &w.ctx);
            w.scan.batch_rows = sizes[s];
            w.n = 0;
            for (int parts = 0; !over && parts < 30; parts++)
                over = read_some(&w, cut, &position);
            assert_true(over);
            assert_int_equal(w.n, 10);
            for (uint32_t i = 0; i < w.n; i++)
                assert_int_equal(w.got[i], i);
            sq_buf_free(&position);
        }
    end(&w);
}

/* What a damaged or foreign position or payload does: an error, nothing else. */
static void test_damaged(void **state)
{
    struct world w;
    struct sq_split *splits, bad;
    struct sq_reader *r;
    uint32_t n;
    (void)state;
    begin(&w, "");
    produce(&w, "{\"v\":0}", 0);
    assert_int_equal(sq_kafka_source.splits(&w.ctx, &w.arena, &w.scan, 1, &splits, &n), SQ_OK);
    assert_int_equal(sq_kafka_source.open(&w.ctx, &w.scan, &r), SQ_OK);
    assert_int_equal(sq_kafka_source.add_split(r, &splits[0], SQ_STR("short")), SQ_INTERNAL);
    for (uint32_t cut = 0; cut < splits[0].payload.n; cut++) {
        bad = splits[0];
        bad.payload.n = cut;
        assert_int_equal(sq_kafka_source.add_split(r, &bad, (struct sq_str){NULL, 0}), SQ_INTERNAL);
    }
    sq_kafka_source.close(r);
    end(&w);
}

/* ---- another topic of the same name ---- */

static void numbers(struct world *w, int from, int to)
{
    char text[40];
    for (int i = from; i < to; i++) {
        snprintf(text, sizeof text, "{\"v\":%d}", i);
        produce(w, text, 0);
    }
}

static void shows(struct world *w, const struct sq_buf *position, const char *want)
{
    struct sq_buf b;
    sq_buf_init(&b, &w->ctx);
    assert_int_equal(sq_kafka_source.show_position(sq_buf_view(position), &b), SQ_OK);
    assert_string_equal(b.p, want);
    sq_buf_free(&b);
}

/* Reads `had` messages of one topic, then goes on in another, of w, that has those from `from` to `to`. */
static sq_rc go_on(struct world *w, int had, int from, int to, const char *more)
{
    struct world old;
    struct sq_buf position;
    char shown[40];
    bool over;
    begin(w, more);
    numbers(w, from, to);
    begin(&old, "");
    numbers(&old, 0, had);
    sq_buf_init(&position, &old.ctx);
    while (!read_some(&old, 1, &position))
        ;
    snprintf(shown, sizeof shown, "offset %d", had);
    shows(&old, &position, shown);
    struct sq_reader *r = open_reader(w, &position);
    sq_rc rc = poll_some(w, r, 1000, &over);
    sq_kafka_source.close(r);
    sq_buf_free(&position);
    end(&old);
    return rc;
}

static void test_made_anew(void **state)
{
    struct world w;
    (void)state;
    assert_int_equal(go_on(&w, 5, 100, 110, ""), SQ_EXTERNAL);              /* longer: the message before is another one */
    assert_string_equal(w.ctx.err.msg, "topic x, partition 0: offset 4 holds another message than the one that was read");
    assert_non_null(strstr(w.ctx.err.hint, "begin without the checkpoint"));
    end(&w);
    assert_int_equal(go_on(&w, 5, 0, 10, ""), SQ_EXTERNAL);                 /* the same values, but not the same time */
    end(&w);
    assert_int_equal(go_on(&w, 5, 0, 3, ""), SQ_EXTERNAL);                  /* shorter */
    assert_string_equal(w.ctx.err.msg, "topic x, partition 0: offset 5 was to be read, and the log has the offsets 0 to 2");
    assert_non_null(strstr(w.ctx.err.hint, "was the topic deleted and made anew?"));
    end(&w);
    assert_int_equal(go_on(&w, 5, 0, 4, "scan.bounded.mode=unbounded"), SQ_EXTERNAL);   /* by one */
    assert_string_equal(w.ctx.err.msg, "topic x, partition 0: offset 5 was to be read, and the log has the offsets 0 to 3");
    end(&w);
    assert_int_equal(go_on(&w, 5, 0, 0, ""), SQ_EXTERNAL);
    assert_string_equal(w.ctx.err.msg, "topic x, partition 0: offset 5 was to be read, and the log is empty, its next offset is 0");
    end(&w);
    assert_int_equal(go_on(&w, 5, 7, 10, "properties.auto.offset.reset=earliest"), SQ_OK);   /* asked for, and said */
    assert_int_equal(w.n, 3);
    assert_int_equal(w.got[0], 7);
    assert_non_null(strstr(w.notices, "topic x, partition 0: offset 5 was to be read, and the log has the offsets 0 to 2: it goes on at 0 ('properties.auto.offset.reset' = 'earliest')"));
    end(&w);
}

/* ---- available-now ---- */

static void test_available_now(void **state)
{
    struct world w;
    struct sq_buf position;
    struct sq_poll p;
    bool over;
    (void)state;
    begin(&w, "scan.bounded.mode=unbounded");
    w.scan.available_now = true;
    sq_buf_init(&position, &w.ctx);
    numbers(&w, 0, 4);
    for (int run = 0; run < 3; run++) {                                     /* each goes on where the one before ended */
        w.n = 0;
        struct sq_reader *r = open_reader(&w, &position);
        if (run < 2) {
            do
                assert_int_equal(sq_kafka_source.poll(r, &p), SQ_OK);
            while (p.state == SQ_POLL_IDLE);
            assert_int_equal(p.state, SQ_POLL_ROWS);
            w.n = (uint32_t)p.batch->nsel;
            numbers(&w, 4 * run + 4, 4 * run + 8);                          /* too late for this run */
        }
        assert_int_equal(poll_some(&w, r, 1000, &over), SQ_OK);
        assert_true(over);
        assert_int_equal(w.n, 4);
        keep_position(r, &position);
        sq_kafka_source.close(r);
    }
    shows(&w, &position, "offset 12");
    w.n = 0;
    assert_true(read_some(&w, 1, &position));                               /* nothing new */
    assert_int_equal(w.n, 0);
    shows(&w, &position, "offset 12");
    sq_buf_free(&position);
    end(&w);
}

/* ---- telling the group ---- */

static int64_t committed_offset(struct world *w)
{
    char why[200];
    rd_kafka_conf_t *conf = CALL(w, rd_kafka_conf_new)();
    CALL(w, rd_kafka_conf_set)(conf, "group.id", "g", why, sizeof why);
    CALL(w, rd_kafka_conf_set)(conf, "bootstrap.servers", CALL(w, rd_kafka_mock_cluster_bootstraps)(w->cluster), why, sizeof why);
    rd_kafka_t *rk = CALL(w, rd_kafka_new)(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    rd_kafka_topic_partition_list_t *tp = CALL(w, rd_kafka_topic_partition_list_new)(1);
    CALL(w, rd_kafka_topic_partition_list_add)(tp, "x", 0);
    assert_int_equal(CALL(w, rd_kafka_committed)(rk, tp, 10000), 0);
    int64_t at = tp->elems[0].offset;
    CALL(w, rd_kafka_topic_partition_list_destroy)(tp);
    CALL(w, rd_kafka_destroy)(rk);
    return at;
}

static void test_group(void **state)
{
    static const struct { const char *with; int64_t want; } t[] = {
        {"scan.bounded.mode=unbounded", RD_KAFKA_OFFSET_INVALID}, {"properties.group.id=g", 3}, {"properties.group.id=g;properties.enable.auto.commit=true", 3},
    };
    struct sq_buf position, later;
    struct world w;
    bool over;
    (void)state;
    for (size_t i = 0; i < SQ_LEN(t); i++) {
        begin(&w, t[i].with);
        w.scan.batch_rows = 1;                                           /* larger ones have what the broker sent by then */
        sq_buf_init(&position, &w.ctx);
        sq_buf_init(&later, &w.ctx);
        numbers(&w, 0, 6);
        struct sq_reader *r = open_reader(&w, &position);
        assert_int_equal(poll_some(&w, r, 3, &over), SQ_OK);
        keep_position(r, &position);
        assert_int_equal(poll_some(&w, r, 1, &over), SQ_OK);
        sq_kafka_source.committed(r, 0, sq_buf_view(&position));            /* the epoch that ended in between */
        sq_kafka_source.committed(r, 7, SQ_STR("nonsense"));
        sq_kafka_source.close(r);
        for (int tries = 0; tries < 50 && committed_offset(&w) != t[i].want; tries++)      /* it is told in the background */
            sq_os_posix.sleep_us(NULL, 100 * 1000);
        assert_int_equal(committed_offset(&w), t[i].want);
        sq_buf_free(&position);
        end(&w);
    }
}

static void test_shown(void **state)
{
    struct world w = {.ctx = {.os = &sq_os_posix}};
    struct sq_buf b;
    (void)state;
    w.ctx.budget = &w.budget;
    sq_buf_init(&b, &w.ctx);
    shows(&w, &b, "damaged");
    sq_buf_u64(&b, (uint64_t)SQ_KAFKA_BEGINNING);
    sq_buf_u32(&b, 0);
    sq_buf_u64(&b, UINT64_MAX);
    sq_buf_u64(&b, 0);
    shows(&w, &b, "its beginning");
    sq_buf_reset(&b);
    sq_buf_u64(&b, 7);
    sq_buf_u32(&b, 2);
    sq_buf_u64(&b, 6);
    sq_buf_u64(&b, 0);
    shows(&w, &b, "offset 7, row 2");
    b.p[0] = 6;                                                             /* the last message would be the next one */
    shows(&w, &b, "damaged");
    sq_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions), cmocka_unit_test(test_damaged), cmocka_unit_test(test_made_anew), cmocka_unit_test(test_available_now),
        cmocka_unit_test(test_group), cmocka_unit_test(test_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
static void test_not_built(void **state)
{
    struct sq_budget budget = {0};
    struct sq_ctx ctx = {.budget = &budget};
    struct sq_table_spec t = {.name = SQ_STR("t")};
    struct sq_source_info info;
    (void)state;
    assert_int_equal(sq_connector_kafka.source->info(&ctx, &t, NULL, &info), SQ_UNSUPPORTED);
    assert_string_equal(ctx.err.msg, "connector 'kafka' is not part of this build");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_not_built)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
