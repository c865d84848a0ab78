/* SPDX-License-Identifier: Apache-2.0
 *
 * test_kafka_write.c: the kafka writer against librdkafka's own mock of a cluster: what it does when calls of a transaction fail in each of their ways, when
 * memory runs out, when it is interrupted; records as bytes. What brokers do is tested in tests/system/test_kafka_sink.py.
 */
#include "conn_kit.h"

#ifdef SQ_HAVE_KAFKA
#include "connectors/kafka/producer.h"

#include <dlfcn.h>
#include <librdkafka/rdkafka_mock.h>

enum { PRODUCE = 0, INIT_PRODUCER_ID = 22, ADD_OFFSETS = 25, END_TXN = 26, TXN_OFFSET_COMMIT = 28 };

struct world {
    struct sq_budget budget;
    struct sq_ctx ctx;
    struct sq_arena arena;
    void *library;
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    struct sq_table_spec *table;
    struct sq_sink_spec spec;
    struct sq_writer *writer;
    struct sq_buf pending;
    char notices[4000];
};

#define CALL(w, f) ((__typeof__(&f))dlsym((w)->library, #f))

static const struct sq_sink_class *const sink = &sq_kafka_sink;

static void notice(void *arg, const char *text)
{
    struct world *w = arg;
    size_t n = strlen(w->notices);
    snprintf(w->notices + n, sizeof w->notices - n, "%s\n", text);
}

static void begin(struct world *w, bool copies, const char *more)
{
    char why[200];
    memset(w, 0, sizeof *w);
    w->ctx = (struct sq_ctx){.budget = &w->budget, .os = &sq_os_posix, .notice = notice, .notice_arg = w};
    sq_arena_init(&w->arena, &w->ctx);
    sq_buf_init(&w->pending, &w->ctx);
    w->library = dlopen("librdkafka.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    assert_non_null(w->library);
    rd_kafka_conf_t *conf = CALL(w, rd_kafka_conf_new)();
    CALL(w, rd_kafka_conf_set)(conf, "log_level", "0", why, sizeof why);
    w->rk = CALL(w, rd_kafka_new)(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(w->rk);
    w->cluster = CALL(w, rd_kafka_mock_cluster_new)(w->rk, 1);
    assert_non_null(w->cluster);
    CALL(w, rd_kafka_mock_topic_create)(w->cluster, "x", 1, 1);
    const char *with = sq_arena_printf(&w->arena, "connector=kafka;topic=x;format=json;properties.bootstrap.servers=%s;%s",
                                       CALL(w, rd_kafka_mock_cluster_bootstraps)(w->cluster), more);
    const struct sq_connector *c;
    struct sq_table_ext *ext;
    w->table = kit_spec(&w->arena, kit_cols, 2, with);
    assert_int_equal(sq_connector_find(&w->ctx, w->table, &c), SQ_OK);
    assert_int_equal(c->table(&w->ctx, &w->arena, w->table, &ext), SQ_OK);
    w->spec = (struct sq_sink_spec){.table = w->table, .ext = ext, .mode = SQ_MODE_INSERT};
    w->spec.epoch = (struct sq_sink_epochs){.on = true, .copies = copies, .job = SQ_STR("11111111-2222-3333-4444-555555555555"), .sink = SQ_STR("t"),
                                            .owner = SQ_STR("0000000000000000")};
}

#define EXACTLY "sink.delivery-guarantee=exactly-once;sink.transactional-id-prefix=p;properties.transaction.timeout.ms=60000;properties.default.api.timeout.ms=5000"

static void open_sink(struct world *w) { assert_int_equal(sink->open(&w->ctx, &w->spec, &w->writer), SQ_OK); }

static sq_rc write_rows(struct world *w, const char *rows)
{
    struct sq_out out;
    kit_fill(&w->ctx, &out, rows);
    sq_rc rc = sink->write(w->writer, sq_out_batch(&out));
    sq_out_free(&out);
    return rc;
}

static void end(struct world *w)
{
    if (w->writer)
        sink->close(w->writer);
    CALL(w, rd_kafka_mock_cluster_destroy)(w->cluster);
    CALL(w, rd_kafka_destroy)(w->rk);
    dlclose(w->library);
    sq_buf_free(&w->pending);
    sq_arena_free(&w->arena);
    assert_int_equal(w->budget.used, 0);
}

static void says(const struct world *w, const char *text)
{
    if (!strstr(w->ctx.err.msg, text))
        fail_msg("'%s' is not in '%s'", text, w->ctx.err.msg);
}

/* ---- what fails in a transaction ---- */

static void test_again(void **state)
{
    struct world w;
    uint64_t marker;
    (void)state;
    begin(&w, false, EXACTLY);
    CALL(&w, rd_kafka_mock_push_request_errors)(w.cluster, INIT_PRODUCER_ID, 2, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    open_sink(&w);
    assert_int_equal(sink->marker(w.writer, &marker), SQ_OK);
    assert_int_equal(marker, 0);
    assert_int_equal(write_rows(&w, "1:a 2:b"), SQ_OK);
    assert_int_equal(sink->prepare(w.writer, 1, NULL), SQ_OK);
    CALL(&w, rd_kafka_mock_push_request_errors)(w.cluster, TXN_OFFSET_COMMIT, 2, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    CALL(&w, rd_kafka_mock_push_request_errors)(w.cluster, END_TXN, 2, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS);
    assert_int_equal(sink->commit(w.writer, 1), SQ_OK);              /* (the mock keeps no offsets of transactions) */
    assert_int_equal(sink->pending_bytes(w.writer), 0);
    end(&w);
}

/* A transaction that must be aborted: with copies it is made again, without them it is an error. */
static void test_aborted(void **state)
{
    struct world w;
    uint64_t marker;
    (void)state;
    for (int copies = 0; copies < 2; copies++) {
        begin(&w, copies, EXACTLY);
        open_sink(&w);
        assert_int_equal(sink->marker(w.writer, &marker), SQ_OK);
        assert_int_equal(write_rows(&w, "1:a 2:b"), SQ_OK);
        assert_int_equal(sink->prepare(w.writer, 1, copies ? &w.pending : NULL), SQ_OK);
        assert_int_equal(w.pending.n > 0, copies);
        assert_int_equal(sink->pending_bytes(w.writer) > 0, copies);
        CALL(&w, rd_kafka_mock_push_request_errors)(w.cluster, TXN_OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
        sq_rc rc = sink->commit(w.writer, 1);
        assert_int_equal(rc, copies ? SQ_OK : SQ_EXTERNAL);
        if (copies) {
            assert_non_null(strstr(w.notices, "table 't': the transaction of an epoch failed ("));
            assert_non_null(strstr(w.notices, "its 2 messages are sent again"));
        } else {
            says(&w, "table 't': the transaction of an epoch failed: ");
            assert_string_equal(w.ctx.err.hint, "nothing of the epoch is visible; started again, the job goes on from its last checkpoint");
        }
        end(&w);
    }
}

static void test_fenced(void **state)
{
    static const struct { int16_t request; rd_kafka_resp_err_t err; } t[] = {
        {END_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH}, {END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED}, {ADD_OFFSETS, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH},
    };
    struct world w;
    (void)state;
    for (size_t i = 0; i < SQ_LEN(t); i++) {
        begin(&w, true, EXACTLY);
        open_sink(&w);
        assert_int_equal(write_rows(&w, "1:a"), SQ_OK);
        assert_int_equal(sink->prepare(w.writer, 1, &w.pending), SQ_OK);
        CALL(&w, rd_kafka_mock_push_request_errors)(w.cluster, t[i].request, 1, t[i].err);
        assert_int_equal(sink->commit(w.writer, 1), SQ_EXTERNAL);
        says(&w, "table 't': another run of this job writes with the transactional id 'p-t', or a transaction took longer than 60000 ms");
        end(&w);
    }
}

/* A message that the broker does not take is not sent again. */
static void test_refused_message(void **state)
{
    struct world w;
    (void)state;
    for (int exactly = 0; exactly < 2; exactly++) {
        begin(&w, exactly, exactly ? EXACTLY : "");
        open_sink(&w);
        CALL(&w, rd_kafka_mock_push_request_errors)(w.cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
        assert_int_equal(write_rows(&w, "1:a"), SQ_OK);
        assert_int_equal(sink->prepare(w.writer, 1, exactly ? &w.pending : NULL), SQ_EXTERNAL);
        says(&w, "does not let this user write to the topic 'x'");
        end(&w);
    }
}

/* ---- interrupts, memory ---- */

static void test_interrupted(void **state)
{
    struct world w;
    _Atomic int stop = 0;
    (void)state;
    for (int exactly = 0; exactly < 2; exactly++) {
        begin(&w, false, exactly ? EXACTLY : "");
        w.ctx.interrupt = &stop;
        stop = 0;
        open_sink(&w);
        CALL(&w, rd_kafka_mock_broker_set_down)(w.cluster, 1);
        assert_int_equal(write_rows(&w, "1:a"), SQ_OK);
        stop = 1;
        assert_int_equal(sink->prepare(w.writer, 1, NULL), SQ_INTERRUPT);
        int64_t began = sq_os_posix.mono_ns(NULL);
        sink->close(w.writer);
        w.writer = NULL;
        assert_true(sq_os_posix.mono_ns(NULL) - began < INT64_C(6000000000));
        end(&w);
    }
}

/* A queue that is full is waited for, and the wait can be interrupted. */
static void test_full_queue(void **state)
{
    struct world w;
    _Atomic int stop = 0;
    (void)state;
    begin(&w, false, "properties.queue.buffering.max.messages=3");
    w.ctx.interrupt = &stop;
    open_sink(&w);
    assert_int_equal(write_rows(&w, "1:a 2:b 3:c 4:d 5:e 6:f 7:g 8:h 9:i"), SQ_OK);
    assert_int_equal(sink->prepare(w.writer, 1, NULL), SQ_OK);
    CALL(&w, rd_kafka_mock_broker_set_down)(w.cluster, 1);
    stop = 1;
    assert_int_equal(write_rows(&w, "1:a 2:b 3:c 4:d 5:e"), SQ_INTERRUPT);
    end(&w);
}

/* False: an allocation failed, and that was said. */
static bool one_epoch(struct world *w, const struct sq_batch *rows, int64_t fail_at)
{
    w->budget.fail_at = fail_at;
    sq_rc rc = sink->open(&w->ctx, &w->spec, &w->writer);
    if (rc == SQ_OK)
        rc = sink->write(w->writer, rows);
    if (rc == SQ_OK)
        rc = sink->prepare(w->writer, 1, &w->pending);
    if (rc == SQ_OK)
        rc = sink->recover(w->writer, 1, sq_buf_view(&w->pending));
    w->budget.fail_at = 0;
    assert_true(rc == SQ_OK || rc == SQ_NOMEM);
    if (w->writer)
        sink->close(w->writer);
    w->writer = NULL;
    sq_buf_free(&w->pending);
    sq_buf_init(&w->pending, &w->ctx);
    return rc == SQ_OK;
}

static void test_out_of_memory(void **state)
{
    struct world w;
    struct sq_budget budget = {0};
    struct sq_ctx other = {.budget = &budget, .os = &sq_os_posix};
    struct sq_out out;
    int64_t n = 1;
    (void)state;
    kit_fill(&other, &out, "1:a 2:b 1:a-text-that-is-longer-than-a-view");
    begin(&w, true, EXACTLY ";key.format=json;key.fields=id");
    int64_t before = w.budget.used;
    while (!one_epoch(&w, sq_out_batch(&out), n)) {
        assert_int_equal(w.budget.used, before);
        n++;
    }
    assert_true(n > 10);
    assert_int_equal(w.budget.used, before);
    end(&w);
    sq_out_free(&out);
}

/* ---- records as bytes ---- */

static void test_records(void **state)
{
    struct sq_budget budget = {0};
    struct sq_ctx ctx = {.budget = &budget, .os = &sq_os_posix};
    struct sq_kafka_header h[2] = {{SQ_STR("a"), {"x\0y", 3}}, {SQ_STR(""), {NULL, 0}}}, got[2];
    struct sq_kafka_record in[3] = {
        {.topic = SQ_STR("t"), .key = {NULL, 0}, .value = {"v", 1}, .ts_ms = -1},
        {.topic = SQ_STR("other"), .key = {"", 0}, .value = {NULL, 0}, .ts_ms = 0},
        {.topic = SQ_STR("t"), .key = {"k", 1}, .value = {"", 0}, .ts_ms = INT64_MAX, .headers = h, .nheaders = 2},
    }, r;
    struct sq_buf b;
    (void)state;
    sq_buf_init(&b, &ctx);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sq_kafka_record_pack(&b, &in[i]), SQ_OK);
    struct sq_str at = sq_buf_view(&b);
    for (int i = 0; i < 3; i++) {
        assert_true(sq_kafka_record_unpack(&at, &r, got, 2));
        assert_true(sq_str_eq(r.topic, in[i].topic));
        assert_int_equal(r.ts_ms, in[i].ts_ms);
        assert_int_equal(r.key.n, in[i].key.n);
        assert_int_equal(r.value.n, in[i].value.n);
        assert_int_equal(r.key.p == NULL, in[i].key.p == NULL);
        assert_int_equal(r.value.p == NULL, in[i].value.p == NULL);
        assert_int_equal(r.nheaders, in[i].nheaders);
    }
    assert_int_equal(at.n, 0);
    assert_int_equal(got[0].value.n, 3);
    assert_memory_equal(got[0].value.p, "x\0y", 3);
    assert_null(got[1].value.p);
    at = sq_buf_view(&b);
    sq_kafka_record_unpack(&at, &r, got, 2);
    sq_kafka_record_unpack(&at, &r, got, 2);
    assert_false(sq_kafka_record_unpack(&at, &r, got, 1));          /* too many headers */
    for (size_t cut = 0; cut < b.n; cut++) {                        /* cut off anywhere, and every byte changed: never out of bounds */
        at = (struct sq_str){b.p, (uint32_t)cut};
        while (at.n && sq_kafka_record_unpack(&at, &r, got, 2))
            ;
        b.p[cut] ^= 0x55;
        at = sq_buf_view(&b);
        while (at.n && sq_kafka_record_unpack(&at, &r, got, 2))
            ;
        b.p[cut] ^= 0x55;
    }
    sq_buf_free(&b);
    assert_int_equal(budget.used, 0);
}
#endif

int main(void)
{
#ifdef SQ_HAVE_KAFKA
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_again), cmocka_unit_test(test_aborted), cmocka_unit_test(test_fenced), cmocka_unit_test(test_refused_message),
        cmocka_unit_test(test_interrupted), cmocka_unit_test(test_full_queue), cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
#else
    return 0;
#endif
}
