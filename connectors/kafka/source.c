/* SPDX-License-Identifier: Apache-2.0
 *
 * source.c: reads the partitions of topics.
 *
 * librdkafka's threads fetch ahead into one queue of the reader. A fetch takes up to a batch's worth of messages from it: a callback lays
 * their values side by side into one padded buffer, and librdkafka gets them back at once. (The decoder may read 64 bytes beyond a record,
 * which librdkafka's buffers do not promise; copying small values costs 2 % of what fetching them does. The callback, with rd_kafka_yield behind
 * the last message, takes the queue's lock once for all of them; rd_kafka_consume_batch_queue takes it for each.) The messages are then cut
 * into *runs* of one partition, and a run is decoded: a batch is of one partition. Long strings of it point into the buffer, which is filled
 * anew only at a later poll (decode.c).
 *
 * When all brokers are gone, a notice says so, librdkafka goes on trying, and the job fails when nothing came for
 * 'properties.default.api.timeout.ms'.
 */
#ifdef SQ_HAVE_KAFKA
#include "connectors/kafka/reader.h"

#include <stdio.h>

enum { PAD = 64, FETCH_BYTES = 1 << 20, TEXT_MIN = 256 << 10, IDLE_US = 250, IDLE_MAX_US = 10000, PROBE_MS = 200, LOOK_MS = 1000 };
enum { QUEUE_KB = 65536, QUEUE_MIN_KB = 1024, QUEUE_MAX_KB = 16384 };   /* fetched ahead: of all partitions, of each */

static struct sq_kafka_reader *reader_of(struct sq_reader *self) { return (struct sq_kafka_reader *)(void *)self; }
static int64_t mono_ns(const struct sq_kafka_reader *r) { return r->ctx->os->mono_ns(r->ctx->os->arg); }

/* ---- opening ---- */

static void give_back(struct sq_kafka_reader *r)
{
    for (uint32_t i = 0; r->wants_headers && i < r->nmsg; i++) {
        if (r->extra[i].headers)
            r->client.api.headers_destroy(r->extra[i].headers);
        r->extra[i].headers = NULL;
    }
    r->nmsg = r->at = r->done = r->end = 0;
    r->text_n = 0;
}

static void disconnect(struct sq_kafka_reader *r)
{
    if (!r->connected)
        return;
    give_back(r);
    if ((r->table->props.commit_ms || r->epochs) && !r->client.down)
        sq_kafka_commit_offsets(r, true);
    for (size_t i = 0; i < r->nparts; i++) {
        struct sq_kafka_part *p = &r->parts[i];
        if (p->reading)
            r->client.api.consume_stop(p->rkt, p->range.partition);
        if (p->rkt)
            r->client.api.topic_destroy(p->rkt);
    }
    if (r->queue)
        r->client.api.queue_destroy(r->queue);
    sq_kafka_disconnect(&r->client);
    r->connected = false;
}

static void kafka_close(struct sq_reader *self)
{
    struct sq_kafka_reader *r = reader_of(self);
    if (!r)
        return;
    struct sq_ctx *ctx = r->ctx;
    disconnect(r);
    sq_kafka_close_columns(r);
    for (size_t i = 0; i < r->nparts; i++) {
        sq_free(ctx, (void *)r->parts[i].id.p);
        sq_free(ctx, (void *)r->parts[i].payload.p);
    }
    void *owned[] = {r->parts, r->rec, r->key, r->offset, r->time_ms, r->from_part, r->err, r->extra, r->text, r->row_record, r->key_record, r->key_index, r->key_row, r->from,
                     r->vecs, r->meta_kind, r->live, r->live_of, r->value_index, r->kinds};
    for (size_t i = 0; i < SQ_LEN(owned); i++)
        sq_free(ctx, owned[i]);
    sq_free(ctx, r);
}

static sq_rc alloc_reader(struct sq_kafka_reader *r)
{
    size_t n = r->batch_rows + 1;
    r->rec = sq_calloc(r->ctx, n * sizeof *r->rec);
    r->offset = sq_calloc(r->ctx, n * sizeof *r->offset);
    r->time_ms = sq_calloc(r->ctx, n * sizeof *r->time_ms);
    r->from_part = sq_calloc(r->ctx, n * sizeof *r->from_part);
    r->err = sq_calloc(r->ctx, n * sizeof *r->err);
    r->row_record = sq_calloc(r->ctx, n * sizeof *r->row_record);
    r->text = sq_alloc(r->ctx, TEXT_MIN);
    r->text_cap = TEXT_MIN;
    if (!r->rec || !r->offset || !r->time_ms || !r->from_part || !r->err || !r->row_record || !r->text)
        return SQ_NOMEM;
    if (r->wants_meta && !(r->extra = sq_calloc(r->ctx, n * sizeof *r->extra)))
        return SQ_NOMEM;
    if (!r->has_keys)
        return SQ_OK;
    r->key = sq_calloc(r->ctx, n * sizeof *r->key);
    r->key_record = sq_calloc(r->ctx, n * sizeof *r->key_record);
    r->key_index = sq_calloc(r->ctx, n * sizeof *r->key_index);
    r->key_row = sq_calloc(r->ctx, n * sizeof *r->key_row);
    if (!r->key || !r->key_record || !r->key_index || !r->key_row)
        return SQ_NOMEM;
    if (!r->upserts)
        return SQ_OK;
    r->live = sq_calloc(r->ctx, n * sizeof *r->live);
    r->live_of = sq_calloc(r->ctx, n * sizeof *r->live_of);
    r->value_index = sq_calloc(r->ctx, n * sizeof *r->value_index);
    r->kinds = sq_calloc(r->ctx, n);
    return r->live && r->live_of && r->value_index && r->kinds ? SQ_OK : SQ_NOMEM;
}

static sq_rc kafka_open(struct sq_ctx *ctx, const struct sq_scan_spec *spec, struct sq_reader **out)
{
    struct sq_kafka_reader *r = sq_calloc(ctx, sizeof *r);
    if (!r)
        return SQ_NOMEM;
    r->ctx = ctx;
    r->spec = spec;
    r->table = sq_kafka_table_of(spec->ext);
    r->batch_rows = spec->batch_rows && spec->batch_rows <= SQ_BATCH_ROWS ? spec->batch_rows : SQ_BATCH_ROWS;
    r->has_keys = r->table->nkey > 0;
    r->upserts = r->table->upsert;
    r->idle_us = IDLE_US;
    r->stats.total_bytes = -1;
    sq_rc rc = sq_kafka_open_columns(r);
    if (rc == SQ_OK)
        rc = alloc_reader(r);
    if (rc != SQ_OK) {
        kafka_close((struct sq_reader *)(void *)r);
        return rc;
    }
    *out = (struct sq_reader *)(void *)r;
    return SQ_OK;
}

/* ---- the client ---- */

static sq_rc kafka_add_split(struct sq_reader *self, const struct sq_split *in, struct sq_str position)
{
    return sq_kafka_add_part(reader_of(self), in, position);
}

static sq_rc connect_reader(struct sq_kafka_reader *r)
{
    uint32_t kb = QUEUE_KB / (uint32_t)(r->nparts ? r->nparts : 1);
    kb = kb < QUEUE_MIN_KB ? QUEUE_MIN_KB : kb > QUEUE_MAX_KB ? QUEUE_MAX_KB : kb;
    SQ_TRY(sq_kafka_connect(r->ctx, r->table, &(struct sq_kafka_role){.reset = "error", .queue_kb = kb, .watch_topics = true}, &r->client));
    r->connected = true;
    if (r->wants_epoch && !r->client.api.message_leader_epoch) {
        sq_fail(r->ctx, SQ_UNSUPPORTED, "metadata 'leader-epoch' needs librdkafka 2.1 or newer; this one is %s", r->client.api.version_str());
        return sq_hint(r->ctx, "leave the column out");
    }
    r->queue = r->client.api.queue_new(r->client.rk);
    r->looked_ns = r->committed_ns = r->heard_ns = mono_ns(r);
    if (r->spec->available_now)
        SQ_TRY(sq_kafka_find_ends(r));
    for (size_t i = 0; i < r->nparts; i++)
        SQ_TRY(sq_kafka_start_part(r, &r->parts[i]));
    return SQ_OK;
}

static uint32_t part_of(struct sq_kafka_reader *r, const rd_kafka_message_t *m)
{
    if (SQ_LIKELY(m->rkt == r->last_rkt && m->partition == r->last_partition))
        return r->last_part;
    const char *topic = m->rkt ? r->client.api.topic_name(m->rkt) : "";
    uint32_t i = 0;
    while (i < r->nparts && (r->parts[i].range.partition != m->partition || (r->parts[i].rkt != m->rkt && strcmp(r->parts[i].range.topic, topic) != 0)))
        i++;
    r->last_rkt = m->rkt;
    r->last_partition = m->partition;
    r->last_part = i;
    return i;
}

/* What the client said since the last time. With every broker gone: told, waited for, given up. */
static sq_rc check_client(struct sq_kafka_reader *r)
{
    struct sq_kafka_client *c = &r->client;
    sq_kafka_serve(c);
    if (c->refused)
        return sq_kafka_unreachable(c, "messages", 0);
    if (!c->down) {
        r->down_ns = 0;
        if (r->down_told)
            sq_notice(r->ctx, "kafka at '%s' answers again", r->table->props.servers);
        r->down_told = false;
        return SQ_OK;
    }
    const struct rd_kafka_metadata *md = NULL;
    int64_t now = mono_ns(r), before = r->down_ns ? r->down_ns : (r->down_ns = now);
    int64_t waited_ms = (now - before) / 1000000;
    if (c->api.metadata(c->rk, 0, NULL, &md, PROBE_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        c->api.metadata_destroy(md);
        c->down = false;
        return check_client(r);
    }
    if (!r->down_told)
        sq_notice(r->ctx, "kafka at '%s' cannot be reached (%s); trying again for %lld s", r->table->props.servers, c->said,
                  (long long)((r->table->props.timeout_ms - waited_ms + 999) / 1000));
    r->down_told = true;
    return waited_ms >= r->table->props.timeout_ms ? sq_kafka_unreachable(c, "messages", waited_ms) : SQ_OK;
}

/* ---- messages in ---- */

/* Room for `n` more bytes and the padding; what points into the buffer moves with it. */
static sq_rc room(struct sq_kafka_reader *r, size_t n)
{
    size_t cap = r->text_cap;
    if (SQ_LIKELY(r->text_n + n + PAD <= cap))
        return SQ_OK;
    while (cap < r->text_n + n + PAD)
        cap *= 2;
    char *grown = sq_alloc(r->ctx, cap);
    if (!grown)
        return SQ_NOMEM;
    memcpy(grown, r->text, r->text_n);
    for (uint32_t i = 0; i < r->nmsg; i++) {
        if (r->rec[i].p)
            r->rec[i].p = grown + (r->rec[i].p - r->text);
        if (r->has_keys && r->key[i].p)
            r->key[i].p = grown + (r->key[i].p - r->text);
    }
    sq_free(r->ctx, r->text);
    r->text = grown;
    r->text_cap = cap;
    return SQ_OK;
}

static struct sq_slice copy_in(struct sq_kafka_reader *r, const void *p, size_t n)
{
    struct sq_slice s = {p ? r->text + r->text_n : NULL, n};
    if (n)
        memcpy(r->text + r->text_n, p, n);
    r->text_n += n;
    return s;
}

static void describe(const struct sq_kafka_reader *r, rd_kafka_message_t *m, struct sq_kafka_extra *x)
{
    rd_kafka_timestamp_type_t type;
    x->ts_ms = r->client.api.message_timestamp(m, &type);
    x->ts_type = (uint8_t)type;
    x->epoch = r->wants_epoch ? r->client.api.message_leader_epoch(m) : -1;
    x->headers = NULL;
    if (r->wants_headers && r->client.api.message_detach_headers(m, &x->headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        x->headers = NULL;
}

static void keep_error(struct sq_kafka_reader *r, const rd_kafka_message_t *m)
{
    size_t n = m->len < sizeof r->said ? m->len : sizeof r->said - 1;
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF || sq_kafka_transient(m->err))
        return;
    r->said[0] = 0;
    if (m->payload && n) {
        memcpy(r->said, m->payload, n);
        r->said[n] = 0;
    }
}

/* Called by librdkafka on the reader's thread, from fetch(). */
static void take(rd_kafka_message_t *m, void *arg)
{
    struct sq_kafka_reader *r = arg;
    uint32_t i = r->nmsg;
    bool event = m->err != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (SQ_UNLIKELY(r->taking != SQ_OK))
        return;
    r->from_part[i] = part_of(r, m);
    r->offset[i] = m->offset;
    r->err[i] = m->err;
    if (SQ_UNLIKELY(event)) {
        keep_error(r, m);
        r->rec[i] = (struct sq_slice){NULL, 0};
        if (r->has_keys)
            r->key[i] = r->rec[i];
        if (r->extra)
            r->extra[i].headers = NULL;
    } else {
        r->taking = room(r, m->len + (r->has_keys ? m->key_len : 0));
        if (SQ_UNLIKELY(r->taking != SQ_OK)) {
            r->client.api.yield(r->client.rk);
            return;
        }
        r->rec[i] = copy_in(r, m->payload, m->len);
        r->time_ms[i] = r->client.api.message_timestamp(m, NULL);
        if (r->has_keys)
            r->key[i] = copy_in(r, m->key, m->key_len);
        if (r->extra)
            describe(r, m, &r->extra[i]);
    }
    r->nmsg = i + 1;
    if (SQ_UNLIKELY(r->nmsg == r->batch_rows || r->text_n > FETCH_BYTES))
        r->client.api.yield(r->client.rk);
}

/* ---- polling ---- */

static bool report_end(struct sq_kafka_reader *r, struct sq_poll *out)
{
    for (size_t i = 0; i < r->nparts; i++)
        if (r->parts[i].ended && !r->parts[i].told) {
            r->parts[i].told = true;
            r->reported++;
            *out = (struct sq_poll){.state = SQ_POLL_SPLIT_END, .split = (uint32_t)i};
            return true;
        }
    return false;
}

/* The next messages; nmsg 0 when there are none now. */
static sq_rc fetch(struct sq_kafka_reader *r)
{
    int64_t now = mono_ns(r);
    give_back(r);
    r->taking = SQ_OK;
    r->client.api.consume_callback_queue(r->queue, 0, take, r);
    SQ_TRY(r->taking);
    memset(r->text + r->text_n, 0, PAD);
    sq_kafka_serve(&r->client);                         /* what was logged before these messages came */
    if (SQ_UNLIKELY(r->client.doubt))
        SQ_TRY(sq_kafka_doubt(r));
    if (r->nmsg)
        r->idle_us = IDLE_US;
    if (r->nmsg == 0 || now - r->heard_ns > 100000000) {      /* events: when idle, and now and then */
        r->heard_ns = now;
        SQ_TRY(check_client(r));
    }
    if (r->epochs || (r->table->props.commit_ms && now - r->committed_ns >= r->table->props.commit_ms * 1000000)) {
        r->committed_ns = now;
        sq_kafka_commit_offsets(r, false);
    }
    return SQ_OK;
}

static sq_rc kafka_poll(struct sq_reader *self, struct sq_poll *out)
{
    struct sq_kafka_reader *r = reader_of(self);
    bool bounded = r->table->options.bounded != SQ_KAFKA_UNBOUNDED || r->spec->available_now;
    *out = (struct sq_poll){.state = SQ_POLL_IDLE};
    SQ_TRY(sq_check_interrupt(r->ctx));
    if (!r->connected)
        SQ_TRY(connect_reader(r));
    for (;;) {
        while (r->done < r->end) {
            SQ_TRY(sq_kafka_decode(r, out));
            if (out->state == SQ_POLL_ROWS)
                return SQ_OK;
        }
        if (r->at == r->nmsg) {
            if (r->reported < r->ended && report_end(r, out))
                return SQ_OK;
            if (bounded && r->ended == r->nparts) {
                out->state = SQ_POLL_END;
                return SQ_OK;
            }
            SQ_TRY(fetch(r));
            if (r->nmsg == 0)
                break;
        }
        if (r->err[r->at]) {
            SQ_TRY(sq_kafka_part_event(r, r->at++));
        } else {
            SQ_TRY(sq_kafka_begin_run(r));
        }
    }
    out->wait_us = r->idle_us;
    r->idle_us = r->idle_us * 2 > IDLE_MAX_US ? IDLE_MAX_US : r->idle_us * 2;
    return SQ_OK;
}

static void kafka_stats(struct sq_reader *self, struct sq_source_stats *st)
{
    struct sq_kafka_reader *r = reader_of(self);
    *st = r->stats;
    for (size_t i = 0; r->connected && i < r->nparts; i++) {
        const struct sq_kafka_part *p = &r->parts[i];
        int64_t low, high;
        if (!p->reading || r->client.api.get_watermark_offsets(r->client.rk, p->range.topic, p->range.partition, &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        int64_t end = high < p->range.stop ? high : p->range.stop, at = p->next < low ? low : p->next;
        if (end > at)
            st->lag += (uint64_t)(end - at);
    }
}

/* Asks for the partitions when the interval is over. A broker that does not answer now is asked again after the next one. */
static sq_rc kafka_discover(struct sq_reader *self, struct sq_arena *arena, struct sq_split **out, uint32_t *n)
{
    struct sq_kafka_reader *r = reader_of(self);
    *n = 0;
    if (r->table->options.bounded != SQ_KAFKA_UNBOUNDED || r->spec->available_now || r->table->options.discovery_ms == 0 || !r->connected || r->client.down)
        return SQ_OK;
    int64_t now = mono_ns(r);
    if ((now - r->looked_ns) / 1000000 < r->table->options.discovery_ms)
        return SQ_OK;
    r->looked_ns = now;
    return sq_kafka_rediscover(&r->client, arena, LOOK_MS, out, n);
}

const struct sq_source_class sq_kafka_source = {
    .info = sq_kafka_info, .splits = sq_kafka_splits, .open = kafka_open, .add_split = kafka_add_split, .poll = kafka_poll,
    .position = sq_kafka_part_position, .stats = kafka_stats, .close = kafka_close, .discover = kafka_discover, .show_position = sq_kafka_show_position,
    .committed = sq_kafka_committed,
};
#endif
