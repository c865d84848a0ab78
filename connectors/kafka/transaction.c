/* SPDX-License-Identifier: Apache-2.0
 *
 * transaction.c: an epoch's messages in one transaction, and with them its number, the marker.
 *
 * The marker is the committed offset of a consumer group that nobody is in: its name is the transactional id, its one partition is partition 0 of
 * the sink's (first) topic, the offset is the epoch, and the metadata beside it is "<job's UUID>:<epoch>". It is sent with
 * rd_kafka_send_offsets_to_transaction, so messages and marker become visible at one moment, or not at all. It is read after init_transactions
 * alone: that call ends what an older run left open (committing what had been decided, aborting the rest) and locks that run out, so
 * nothing can change the marker afterwards. A topic that is deleted takes its marker with it, and the job is then refused by the runtime.
 *
 *     open        init_transactions
 *     send        begin_transaction, lazily; librdkafka sends in the background
 *     commit(n)   send_offsets_to_transaction, commit_transaction
 *
 * What fails: an answer that does not come is asked for again, for as long as 'properties.default.api.timeout.ms' says; librdkafka goes on with a
 * commit where it was. A transaction that must be aborted is sent again from `kept`, where the runtime needs the epoch's messages anyway;
 * otherwise the job ends, and goes on from its checkpoint when it is started again. A fatal error (this id was taken over, or the
 * broker gave the transaction up at transaction.timeout.ms) ends the job.
 */
#ifdef SQ_HAVE_KAFKA
#include "connectors/kafka/producer.h"
#include "base/fault.h"

#include <stdio.h>

enum { ABORT_MS = 50, CLOSE_TRIES = 40, AGAIN_MOST = 5 };
#define KEPT_MOST ((size_t)2 << 30)

/* ---- errors ---- */

/* What a call of librdkafka gave: again (it may be called once more), abort (the transaction is lost), or neither. */
struct outcome {
    rd_kafka_resp_err_t err;
    bool again, abort, fatal;
    char text[300];
};

static void judge(const struct sq_kafka_txn *t, rd_kafka_error_t *e, struct outcome *o)
{
    const struct sq_kafka_api *k = &t->producer->client.api;
    *o = (struct outcome){.err = RD_KAFKA_RESP_ERR_NO_ERROR};
    if (!e)
        return;
    o->err = k->error_code(e);
    o->abort = k->error_txn_requires_abort(e) != 0;
    o->fatal = k->error_is_fatal(e) != 0;
    o->again = !o->abort && !o->fatal && (k->error_is_retriable(e) || sq_kafka_transient(o->err));
    snprintf(o->text, sizeof o->text, "%s", k->error_string(e));
    k->error_destroy(e);
}

static bool is_fenced(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__FENCED || err == RD_KAFKA_RESP_ERR_PRODUCER_FENCED || err == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* A message was turned away because the transaction is over for its partition: another run, or its timeout, has ended it. Which error a broker gives depends on how far that has come. */
static bool is_ended(const struct sq_kafka_producer *p)
{
    return p->nlost && (is_fenced(p->lost) || p->lost == RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
}

static sq_rc taken_over(struct sq_kafka_txn *t)
{
    struct sq_kafka_producer *p = t->producer;
    sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': another run of this job writes with the transactional id '%s', or a transaction took longer than %lld ms", SQ_FMT(p->name), t->id,
            (long long)t->timeout_ms);
    sq_lasting(p->ctx);
    return sq_hint(p->ctx, "one job has one run, and 'sink.transactional-id-prefix' belongs to one job; 'properties.transaction.timeout.ms' is how long a transaction may take");
}

static sq_rc given_up(struct sq_kafka_txn *t, const struct outcome *o, const char *what)
{
    struct sq_kafka_producer *p = t->producer;
    char why[300] = "";
    rd_kafka_resp_err_t fatal = p->client.api.fatal_error(p->client.rk, why, sizeof why);
    if (is_fenced(o->err) || is_fenced(fatal))
        return taken_over(t);
    if (o->err == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT) {
        sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': kafka at '%s' does not take transactions of %lld ms", SQ_FMT(p->name), p->table->props.servers, (long long)t->timeout_ms);
        sq_lasting(p->ctx);
        return sq_hint(p->ctx, "set 'properties.transaction.timeout.ms' to at most the brokers' transaction.max.timeout.ms, and to more than the time between two checkpoints");
    }
    if (p->client.refused && p->client.refused != RD_KAFKA_RESP_ERR__FATAL)
        return sq_kafka_unreachable(&p->client, what, 0);
    return sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': kafka at '%s', transactional id '%s', %s: %s", SQ_FMT(p->name), p->table->props.servers, t->id, what,
                   why[0] ? why : o->text);
}

/* The epoch's messages are gone, and this run cannot send them again. */
static sq_rc lost(struct sq_kafka_txn *t, const char *why)
{
    struct sq_kafka_producer *p = t->producer;
    sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': the transaction of an epoch failed: %s", SQ_FMT(p->name), why);
    return sq_hint(p->ctx, "nothing of the epoch is visible; started again, the job goes on from its last checkpoint");
}

/* ---- opening ---- */

sq_rc sq_kafka_txn_open(struct sq_kafka_txn *t)
{
    struct sq_kafka_client *c = &t->producer->client;
    struct sq_kafka_wait w;
    struct outcome o;
    SQ_TRY(sq_kafka_wait_begin(c, &w));
    for (;;) {
        judge(t, c->api.init_transactions(c->rk, SQ_KAFKA_STEP_MS), &o);
        if (!o.err) {
            SQ_FAULT(t->ctx, "kafka.fenced");
            return SQ_OK;
        }
        if (!o.again)
            return given_up(t, &o, "init_transactions");
        SQ_TRY(sq_kafka_wait_again(c, &w, RD_KAFKA_RESP_ERR__TIMED_OUT, "the coordinator of transactions"));
    }
}

/* One try; the reports of what was thrown away are taken in between, for which librdkafka waits. */
static void abort_once(struct sq_kafka_txn *t, struct outcome *o)
{
    struct sq_kafka_client *c = &t->producer->client;
    judge(t, c->api.abort_transaction(c->rk, ABORT_MS), o);
    sq_kafka_serve(c);
    if (o->err)
        return;
    t->begun = t->marking = false;
    sq_kafka_producer_forget(t->producer);
}

static sq_rc abort_now(struct sq_kafka_txn *t)
{
    struct sq_kafka_client *c = &t->producer->client;
    struct sq_kafka_wait w;
    struct outcome o;
    SQ_TRY(sq_kafka_wait_begin(c, &w));
    for (int i = 0;; i++) {
        abort_once(t, &o);
        if (!o.err)
            return SQ_OK;
        if (!o.again)
            return given_up(t, &o, "abort_transaction");
        if (i > 0)
            SQ_TRY(sq_kafka_wait_again(c, &w, RD_KAFKA_RESP_ERR__TIMED_OUT, "the end of a transaction"));
    }
}

void sq_kafka_txn_close(struct sq_kafka_txn *t)
{
    struct outcome o = {.again = true};
    for (int i = 0; t->begun && o.again && i < CLOSE_TRIES && !t->producer->client.down; i++)
        abort_once(t, &o);                              /* else the next run does it, or the broker after transaction.timeout.ms */
    sq_buf_free(&t->kept);
}

/* ---- the marker ---- */

/* "<uuid>:<epoch>" of this job, and the same number as the offset. */
static uint64_t read_marker(const struct sq_kafka_txn *t, const rd_kafka_topic_partition_t *at)
{
    char want[80];
    int n = snprintf(want, sizeof want, "%.*s:%lld", SQ_FMT(t->job), (long long)at->offset);
    bool ours = n > 0 && (size_t)n < sizeof want && at->offset > 0 && at->metadata && at->metadata_size >= (size_t)n && memcmp(at->metadata, want, (size_t)n) == 0;
    return ours ? (uint64_t)at->offset : 0;
}

static sq_rc ask_marker(struct sq_kafka_txn *t, struct sq_kafka_client *c)
{
    struct sq_kafka_wait w;
    SQ_TRY(sq_kafka_wait_begin(c, &w));
    for (;;) {
        rd_kafka_topic_partition_list_t *tp = c->api.topic_partition_list_new(1);
        c->api.topic_partition_list_add(tp, t->topic, 0);
        rd_kafka_resp_err_t err = c->api.committed(c->rk, tp, SQ_KAFKA_STEP_MS);
        if (!err)
            err = tp->elems[0].err;
        if (!err)
            t->marker = read_marker(t, &tp->elems[0]);
        c->api.topic_partition_list_destroy(tp);
        if (!err) {
            t->marked = true;
            return SQ_OK;
        }
        if (err == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT)
            err = RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;   /* the commit before is being written */
        SQ_TRY(sq_kafka_wait_again(c, &w, err, "the sink's last epoch"));
    }
}

sq_rc sq_kafka_txn_marker(struct sq_kafka_txn *t, uint64_t *epoch)
{
    struct sq_kafka_client c;
    const struct sq_kafka_role role = {.reset = "error", .group = t->id, .isolation = "read_committed"};
    *epoch = 0;
    if (!t->job.n)
        return SQ_OK;
    SQ_TRY(sq_kafka_connect(t->ctx, t->producer->table, &role, &c));
    sq_rc rc = ask_marker(t, &c);
    sq_kafka_disconnect(&c);
    *epoch = t->marker;
    return rc;
}

sq_rc sq_kafka_txn_follows(struct sq_kafka_txn *t, uint64_t epoch)
{
    struct sq_kafka_producer *p = t->producer;
    if (!t->marked || t->marker + 1 == epoch)
        return SQ_OK;
    return sq_fail(p->ctx, SQ_EXTERNAL, "table '%.*s': the last epoch that was committed to topic '%s' is %llu, and %llu does not follow it", SQ_FMT(p->name), t->topic,
                   (unsigned long long)t->marker, (unsigned long long)epoch);
}

/* ---- messages ---- */

static sq_rc begin(struct sq_kafka_txn *t)
{
    struct outcome o;
    if (SQ_LIKELY(t->begun))
        return SQ_OK;
    judge(t, t->producer->client.api.begin_transaction(t->producer->client.rk), &o);
    if (o.err)
        return given_up(t, &o, "begin_transaction");
    t->begun = true;
    return SQ_OK;
}

static sq_rc send_kept(struct sq_kafka_txn *t)
{
    struct sq_kafka_header *headers = sq_alloc(t->ctx, SQ_KAFKA_HEADERS_MAX * sizeof *headers);
    struct sq_str in = sq_buf_view(&t->kept);
    struct sq_kafka_record r;
    sq_rc rc = headers ? begin(t) : SQ_NOMEM;
    while (rc == SQ_OK && in.n)
        rc = sq_kafka_record_unpack(&in, &r, headers, SQ_KAFKA_HEADERS_MAX) ? sq_kafka_produce(t->producer, &r) : sq_fail(t->ctx, SQ_INTERNAL, "a kept message is damaged");
    sq_free(t->ctx, headers);
    return rc;
}

/* Would sending the same messages again go better? */
static bool worth_it(const struct sq_kafka_txn *t)
{
    const struct sq_kafka_producer *p = t->producer;
    return !p->client.refused && !p->client.api.fatal_error(p->client.rk, NULL, 0) &&
           (!p->nlost || p->lost == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || sq_kafka_transient(p->lost));
}

/* Why it failed: the message that was not delivered, else what librdkafka logged of it, else the context's error. */
static void reason(const struct sq_kafka_txn *t, char *why, size_t n)
{
    const struct sq_kafka_producer *p = t->producer;
    const char *msg = t->ctx->err.msg, *cut = strncmp(msg, "table '", 7) == 0 ? strstr(msg, "': ") : NULL;
    snprintf(why, n, "%s", p->client.said[0] && !p->nlost ? p->client.said : cut ? cut + 3 : msg);
}

/* After a failure, which is the context's error: aborts, and sends the epoch's messages again where they are kept. */
static sq_rc again(struct sq_kafka_txn *t)
{
    struct sq_kafka_producer *p = t->producer;
    char why[SQ_MSG_MAX];
    sq_rc rc = SQ_EXTERNAL;
    for (int i = 0; rc == SQ_EXTERNAL; i++) {
        reason(t, why, sizeof why);
        if (is_fenced(p->client.api.fatal_error(p->client.rk, NULL, 0)) || is_ended(p))
            return taken_over(t);
        if (!worth_it(t))
            return rc;
        SQ_TRY(abort_now(t));
        if (!t->keeps || i == AGAIN_MOST)
            return lost(t, why);
        sq_notice(t->ctx, "table '%.*s': the transaction of an epoch failed (%s); its %u messages are sent again", SQ_FMT(p->name), why, t->nkept);
        p->client.said[0] = 0;
        rc = send_kept(t);
        if (rc == SQ_OK)
            rc = sq_kafka_producer_flush(p);
    }
    return rc;
}

sq_rc sq_kafka_txn_send(struct sq_kafka_txn *t, const struct sq_kafka_record *r)
{
    SQ_TRY(begin(t));
    if (t->keeps) {
        SQ_TRY(sq_kafka_record_pack(&t->kept, r));
        if (++t->nkept == UINT32_MAX || t->kept.n > KEPT_MOST)
            return sq_fail(t->ctx, SQ_LIMIT, "table '%.*s': an epoch has more than 2 GB of messages; make checkpoints more often", SQ_FMT(t->producer->name));
    }
    sq_rc rc = sq_kafka_produce(t->producer, r);
    return SQ_UNLIKELY(rc == SQ_EXTERNAL) ? again(t) : rc;
}

sq_rc sq_kafka_txn_flush(struct sq_kafka_txn *t)
{
    sq_rc rc = sq_kafka_producer_flush(t->producer);
    SQ_FAULT(t->ctx, "kafka.flushed");
    return rc == SQ_EXTERNAL && t->begun ? again(t) : rc;
}

/* ---- saving and recovering ---- */

static const char saved_head[] = "kafka-1\n";

sq_rc sq_kafka_txn_save(struct sq_kafka_txn *t, struct sq_buf *out)
{
    sq_buf_puts(out, saved_head);
    sq_buf_u32(out, t->nkept);
    return sq_buf_add(out, t->kept.p, t->kept.n);
}

static sq_rc damaged(struct sq_kafka_txn *t)
{
    return sq_fail(t->ctx, SQ_DATA, "table '%.*s': what the checkpoint holds of the sink's messages is damaged", SQ_FMT(t->producer->name));
}

static sq_rc check_saved(struct sq_kafka_txn *t, struct sq_str in, uint32_t n)
{
    struct sq_kafka_header *headers = sq_alloc(t->ctx, SQ_KAFKA_HEADERS_MAX * sizeof *headers);
    struct sq_kafka_record r;
    bool good = headers != NULL;
    if (!headers)
        return SQ_NOMEM;
    for (; good && n > 0; n--)
        good = sq_kafka_record_unpack(&in, &r, headers, SQ_KAFKA_HEADERS_MAX);
    sq_free(t->ctx, headers);
    return good && in.n == 0 ? SQ_OK : damaged(t);
}

sq_rc sq_kafka_txn_recover(struct sq_kafka_txn *t, struct sq_str in)
{
    size_t head = sizeof saved_head - 1;
    uint32_t n;
    if (in.n < head + 4 || memcmp(in.p, saved_head, head) != 0)
        return damaged(t);
    memcpy(&n, in.p + head, 4);
    in = (struct sq_str){in.p + head + 4, in.n - (uint32_t)head - 4};
    SQ_TRY(check_saved(t, in, n));
    bool keeps = t->keeps;
    t->keeps = true;                                    /* until they are committed */
    sq_buf_reset(&t->kept);
    SQ_TRY(sq_buf_add(&t->kept, in.p, in.n));
    t->nkept = n;
    sq_rc rc = send_kept(t);
    if (rc == SQ_OK)
        rc = sq_kafka_producer_flush(t->producer);
    if (rc == SQ_EXTERNAL)
        rc = again(t);
    t->keeps = keeps;
    return rc;
}

/* ---- committing ---- */

static rd_kafka_error_t *send_marker(struct sq_kafka_txn *t, uint64_t epoch)
{
    const struct sq_kafka_client *c = &t->producer->client;
    char text[80];
    int n = snprintf(text, sizeof text, "%.*s:%llu", SQ_FMT(t->job), (unsigned long long)epoch);
    rd_kafka_topic_partition_list_t *tp = c->api.topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = c->api.topic_partition_list_add(tp, t->topic, 0);
    rd_kafka_consumer_group_metadata_t *group = c->api.consumer_group_metadata_new(t->id);
    at->offset = (int64_t)epoch;
    at->metadata = text;
    at->metadata_size = (size_t)n;
    rd_kafka_error_t *e = c->api.send_offsets_to_transaction(c->rk, tp, group, SQ_KAFKA_STEP_MS);
    at->metadata = NULL;                                /* it is not the list's to free */
    at->metadata_size = 0;
    c->api.consumer_group_metadata_destroy(group);
    c->api.topic_partition_list_destroy(tp);
    return e;
}

static sq_rc try_commit(struct sq_kafka_txn *t, uint64_t epoch, struct outcome *o)
{
    const struct sq_kafka_client *c = &t->producer->client;
    SQ_TRY(begin(t));
    *o = (struct outcome){.err = RD_KAFKA_RESP_ERR_NO_ERROR};
    if (epoch && !t->marking) {
        judge(t, send_marker(t, epoch), o);
        t->marking = !o->err;
        SQ_FAULT(t->ctx, "kafka.marker");
    }
    if (!o->err)
        judge(t, c->api.commit_transaction(c->rk, SQ_KAFKA_STEP_MS), o);
    return SQ_OK;
}

sq_rc sq_kafka_txn_commit(struct sq_kafka_txn *t, uint64_t epoch)
{
    struct sq_kafka_client *c = &t->producer->client;
    struct sq_kafka_wait w;
    struct outcome o;
    uint64_t marker = t->job.n ? epoch : 0;
    SQ_TRY(sq_kafka_wait_begin(c, &w));
    for (;;) {
        SQ_TRY(try_commit(t, marker, &o));
        if (!o.err)
            break;
        if (o.abort) {
            sq_fail(t->ctx, SQ_EXTERNAL, "%s", o.text);
            SQ_TRY(again(t));
        } else if (!o.again) {
            return given_up(t, &o, "commit_transaction");
        } else {
            SQ_TRY(sq_kafka_wait_again(c, &w, sq_kafka_transient(o.err) ? o.err : RD_KAFKA_RESP_ERR__TIMED_OUT, "the commit of a transaction"));
        }
    }
    SQ_FAULT(t->ctx, "kafka.committed");
    t->begun = t->marking = false;
    sq_buf_reset(&t->kept);
    t->nkept = 0;
    if (epoch)
        t->marker = epoch;
    return SQ_OK;
}

/* ---- records as bytes ----
 * u32 length of what follows, u8 topic, i64 timestamp, u32 key, u32 value (UINT32_MAX: none), u16 headers, each u32 name, u32 value; then the bytes. */

static uint32_t length(struct sq_slice s) { return s.p ? (uint32_t)s.n : UINT32_MAX; }

static void put_slice(struct sq_buf *b, struct sq_slice s)
{
    if (s.p)
        sq_buf_add(b, s.p, s.n);
}

sq_rc sq_kafka_record_pack(struct sq_buf *b, const struct sq_kafka_record *r)
{
    size_t at = b->n;
    uint16_t nheaders = (uint16_t)r->nheaders;
    sq_buf_u32(b, 0);
    sq_buf_putc(b, (char)r->topic.n);
    sq_buf_u64(b, (uint64_t)r->ts_ms);
    sq_buf_u32(b, length(r->key));
    sq_buf_u32(b, length(r->value));
    sq_buf_add(b, &nheaders, 2);
    for (uint32_t i = 0; i < r->nheaders; i++) {
        sq_buf_u32(b, r->headers[i].name.n);
        sq_buf_u32(b, length(r->headers[i].value));
    }
    sq_buf_str(b, r->topic);
    put_slice(b, r->key);
    put_slice(b, r->value);
    for (uint32_t i = 0; i < r->nheaders; i++) {
        sq_buf_str(b, r->headers[i].name);
        put_slice(b, r->headers[i].value);
    }
    if (b->rc == SQ_OK) {
        uint32_t n = (uint32_t)(b->n - at - 4);
        memcpy(b->p + at, &n, 4);
    }
    return b->rc;
}

struct scan { const char *p, *end; bool bad; };

static const char *take(struct scan *s, size_t n)
{
    const char *p = s->p;
    if (s->bad || (size_t)(s->end - s->p) < n) {
        s->bad = true;
        return NULL;
    }
    s->p += n;
    return p;
}

static uint32_t take_u32(struct scan *s)
{
    uint32_t v = 0;
    const char *p = take(s, 4);
    if (p)
        memcpy(&v, p, 4);
    return v;
}

static struct sq_slice take_slice(struct scan *s, uint32_t n)
{
    if (n == UINT32_MAX)
        return (struct sq_slice){NULL, 0};
    return (struct sq_slice){take(s, n), n};
}

bool sq_kafka_record_unpack(struct sq_str *in, struct sq_kafka_record *r, struct sq_kafka_header *headers, uint32_t max)
{
    struct scan s = {in->p, in->p + in->n, false};
    uint32_t n = take_u32(&s), key, value;
    uint16_t nheaders = 0;
    const char *p = take(&s, n);
    if (!p)
        return false;
    *in = (struct sq_str){p + n, in->n - n - 4};
    s = (struct scan){p, p + n, false};
    *r = (struct sq_kafka_record){.headers = headers};
    if ((p = take(&s, 1)) != NULL)
        r->topic.n = (unsigned char)*p;
    if ((p = take(&s, 8)) != NULL)
        memcpy(&r->ts_ms, p, 8);
    key = take_u32(&s);
    value = take_u32(&s);
    if ((p = take(&s, 2)) != NULL)
        memcpy(&nheaders, p, 2);
    if (s.bad || nheaders > max)
        return false;
    r->nheaders = nheaders;
    for (uint32_t i = 0; i < nheaders; i++) {
        headers[i].name.n = take_u32(&s);
        headers[i].value.n = take_u32(&s);
    }
    r->topic.p = take(&s, r->topic.n);
    r->key = take_slice(&s, key);
    r->value = take_slice(&s, value);
    for (uint32_t i = 0; i < nheaders; i++) {
        headers[i].name.p = take(&s, headers[i].name.n);
        headers[i].value = take_slice(&s, (uint32_t)headers[i].value.n);
    }
    return !s.bad && s.p == s.end && r->topic.n > 0;
}
#endif
