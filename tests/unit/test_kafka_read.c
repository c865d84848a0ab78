/* SPDX-License-Identifier: Apache-2.0
 *
 * test_kafka_read.c: the kafka reader alone, against librdkafka's own mock of a cluster: positions. Wherever reading is cut off and taken up
 * again, each row comes once, also within a message that is an array.
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

static void make_table(struct world *w)
{
    static struct sq_kv kv[6];
    const struct sq_connector *c;
    struct sq_table_ext *ext;
    const char *text[][2] = {{"connector", "kafka"}, {"topic", "x"}, {"format", "json"}, {"scan.startup.mode", "earliest-offset"},
                             {"scan.bounded.mode", "latest-offset"}, {"properties.bootstrap.servers", CALL(w, rd_kafka_mock_cluster_bootstraps)(w->cluster)}};
    for (size_t i = 0; i < SQ_LEN(text); i++)
        kv[i] = (struct sq_kv){.key = sq_str_of(text[i][0]), .value = sq_str_of(text[i][1])};
    w->table = (struct sq_table_spec){.name = SQ_STR("t"), .cols = &column, .ncols = 1, .options = kv, .noptions = SQ_LEN(kv)};
    assert_int_equal(sq_connector_find(&w->ctx, &w->table, &c), SQ_OK);
    assert_int_equal(c->table(&w->ctx, &w->arena, &w->table, &ext), SQ_OK);
    w->scan = (struct sq_scan_spec){.table = &w->table, .ext = ext, .cols = &w->col, .ncols = 1};
}

static void begin(struct world *w)
{
    char why[200];
    memset(w, 0, sizeof *w);
    w->ctx = (struct sq_ctx){.budget = &w->budget, .os = &sq_os_posix};
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
    make_table(w);
}

static void end(struct world *w)
{
    CALL(w, rd_kafka_mock_cluster_destroy)(w->cluster);
    CALL(w, rd_kafka_destroy)(w->rk);
    dlclose(w->library);
    sq_arena_free(&w->arena);
    assert_int_equal(w->budget.used, 0);
}

/* Reads up to `batches` batches from the position on, which it moves. True when there is nothing more. */
static bool read_some(struct world *w, int batches, struct sq_buf *position)
{
    const struct sq_source_class *c = &sq_kafka_source;
    struct sq_split *splits;
    struct sq_reader *r;
    struct sq_poll p;
    uint32_t n;
    bool over = false;
    assert_int_equal(c->splits(&w->ctx, &w->arena, &w->scan, 1, &splits, &n), SQ_OK);
    assert_int_equal(n, 1);
    assert_true(sq_str_is(splits[0].id, "x-0"));
    assert_int_equal(c->open(&w->ctx, &w->scan, &r), SQ_OK);
    assert_int_equal(c->add_split(r, &splits[0], position->n ? sq_buf_view(position) : (struct sq_str){NULL, 0}), SQ_OK);
    for (int tries = 0; batches > 0 && !over && tries < 10000; tries++) {
        assert_int_equal(c->poll(r, &p), SQ_OK);
        over = p.state == SQ_POLL_END;
        if (p.state == SQ_POLL_IDLE)
            w->ctx.os->sleep_us(w->ctx.os->arg, p.wait_us);
        if (p.state != SQ_POLL_ROWS)
            continue;
        for (uint32_t i = 0; i < p.batch->nsel; i++)
            w->got[w->n++] = ((const int64_t *)p.batch->cols[0].data)[sq_row(p.batch, i)];
        batches--;
    }
    sq_buf_reset(position);
    assert_int_equal(c->position(r, 0, position), SQ_OK);
    c->close(r);
    return over;
}

static void test_positions(void **state)
{
    static const char *const messages[] = {"{\"v\":0}", "[{\"v\":1},{\"v\":2},{\"v\":3},{\"v\":4},{\"v\":5}]", "{\"v\":6}", "", "[{\"v\":7},{\"v\":8}]", "{\"v\":9}"};
    static const uint32_t sizes[] = {1, 2, 3, 2048};
    struct world w;
    (void)state;
    begin(&w);
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
    begin(&w);
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_positions), cmocka_unit_test(test_damaged)};
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
