/* SPDX-License-Identifier: Apache-2.0
 *
 * source.c: reads the partitions of topics.
 *
 * librdkafka's threads fetch ahead into one queue of the reader. A fetch takes up to a batch's worth of messages from it: a callback lays
 * their values side by side into one padded buffer, and librdkafka gets them back at once. (The decoder may read 64 bytes beyond a record,
 * which librdkafka's buffers do not promise; copying small values costs 2 % of what fetching them does. The callback, with rd_kafka_yield behind
 * the last message, takes the queue's lock once for all of them; rd_kafka_consume_batch_queue takes it for each.) The messages are then cut
 * into *runs* of one partition, and a run is decoded: a batch is of one partition. Long strings of it point into the buffer, which is filled
 * anew only at a later poll.
 *
 * Keys: the run's keys are decoded before its values, into columns of their own; the output's columns refer to them as dictionaries. A message
 * whose key gives no row gives none either (as in Flink), and is counted as filtered. A message without a value is filtered too.
 *
 * Upserts (connector upsert-kafka): the key's columns come from the key, and a message without a value is a deletion: a row of the key's columns and
 * NULLs. In a run with such messages the output's columns refer to the decoded rows, and to one row of NULLs behind them, as dictionaries.
 * FLINK: where the value holds the key's columns too, it takes them from there.
 *
 * Position: the next offset, and how many rows of that message were handed on already (a message may be an array).
 *
 * A bounded partition ends when a message at or behind its stop offset comes, or the log's end is reached there: offsets may have holes
 * (compaction, marks of transactions), so counting would not do.
 *
 * When all brokers are gone, a notice says so, librdkafka goes on trying, and the job fails when nothing came for
 * 'properties.default.api.timeout.ms'.
 */
#ifdef SQ_HAVE_KAFKA
#include "connectors/kafka/client.h"

#include <stdio.h>

enum { PAD = 64, RAW_SHOWN = 4096, FETCH_BYTES = 1 << 20, TEXT_MIN = 256 << 10, IDLE_US = 1000, IDLE_MAX_US = 10000, PROBE_MS = 200, LOOK_MS = 1000 };
enum { QUEUE_KB = 65536, QUEUE_MIN_KB = 1024, QUEUE_MAX_KB = 16384 };   /* fetched ahead: of all partitions, of each */

struct part {
    struct sq_kafka_range range;   /* topic points into payload */
    struct sq_str id, payload;
    int64_t next;                  /* offset of the next message; SQ_KAFKA_BEGINNING: not known yet */
    uint32_t next_rows;            /* rows of that message that were handed on */
    uint32_t drop;                 /* … and are to be dropped when it is decoded again */
    rd_kafka_topic_t *rkt;
    bool reading, ended, told;     /* told: the end was handed on */
    bool moved;                    /* since the last commit */
};

struct extra {                     /* of a message, for metadata columns */
    int64_t ts_ms;
    int32_t epoch;
    uint8_t ts_type;
    rd_kafka_headers_t *headers;
};

struct reader {
    struct sq_ctx *ctx;
    const struct sq_scan_spec *spec;
    const struct sq_kafka_table *table;
    struct sq_kafka_client client;
    rd_kafka_queue_t *queue;
    bool connected;

    struct part *parts;
    size_t nparts, cap_parts;
    uint32_t ended, reported;      /* how many parts */

    uint32_t batch_rows;

    /* the messages of a fetch, side by side; [at, nmsg) are still to be looked at */
    uint32_t nmsg, at;
    struct sq_slice *rec, *key;    /* p NULL: the message has none */
    int64_t *offset;
    uint32_t *from_part;
    rd_kafka_resp_err_t *err;      /* not a message: what happened to the partition */
    struct extra *extra;           /* NULL: not wanted */
    char *text;                    /* values and keys, padded */
    size_t text_n, text_cap;
    char said[300];                /* of the last err that is an error */
    const rd_kafka_topic_t *last_rkt;
    int32_t last_partition;
    uint32_t last_part;
    sq_rc taking;                  /* what went wrong in the callback */

    /* the run: messages [begin, end) of one partition, [done, end) are still to be decoded */
    struct part *cur;
    uint32_t done, end;
    int64_t run_next;              /* offset behind the run */
    uint32_t *row_record;

    struct sq_decoder *values, *keys;
    struct sq_out out, key_out, meta;
    uint32_t *key_record, *key_index, *key_row;
    struct sq_slice *live;         /* upserts: the values of a run that are there, */
    uint32_t *live_of, *value_index;   /* which message each is of, and the row of values of each row that is put out */
    uint8_t *kinds;
    bool upserts, deletes;         /* deletes: the run has messages without a value */
    bool has_keys, wants_meta, wants_headers, wants_epoch;
    struct from { uint8_t where; uint32_t col; } *from;   /* per wanted column: 0 out, 1 key_out, 2 meta */
    uint8_t *meta_kind;            /* per column of meta: enum sq_kafka_meta */
    struct sq_vec *vecs;
    struct sq_batch batch;

    int64_t idle_us, looked_ns, down_ns, committed_ns, heard_ns;
    bool down_told;
    struct sq_source_stats stats;
};

static struct reader *reader_of(struct sq_reader *self) { return (struct reader *)(void *)self; }
static int64_t mono_ns(const struct reader *r) { return r->ctx->os->mono_ns(r->ctx->os->arg); }

/* ---- opening ---- */

struct columns { const struct sq_type **type[3]; struct sq_table_column *wanted[2]; uint32_t n[3]; };

/* Where the column stands among the fields of the value's record, for formats that go by position. */
static void place_in_value(const struct reader *r, uint32_t at, struct sq_table_column *named)
{
    const struct sq_table_spec *t = r->spec->table;
    named->ordinal = named->nfields = 0;
    for (uint32_t i = 0; i < t->ncols; i++) {
        bool in = t->cols[i].role == SQ_COL_PHYSICAL && !(r->table->from_key[i] && r->table->options.fields_include == SQ_KAFKA_FIELDS_EXCEPT_KEY);
        named->ordinal += in && i < at;
        named->nfields += in;
    }
}

/* Sorts the wanted columns into those of the value, of the key, and metadata. */
static sq_rc place_columns(struct reader *r, struct columns *c)
{
    const struct sq_scan_spec *s = r->spec;
    for (uint32_t i = 0; i < s->ncols; i++) {
        const struct sq_table_column *col = &s->table->cols[s->cols[i]];
        struct sq_table_column named = *col;
        bool key = r->table->from_key[s->cols[i]] && (r->upserts || r->table->options.fields_include == SQ_KAFKA_FIELDS_EXCEPT_KEY);
        uint8_t where = col->role == SQ_COL_METADATA ? 2 : key ? 1 : 0;
        if (where == 2) {
            int m = sq_kafka_meta(col->metadata_key);
            if (m < 0 || !sq_type_equal(col->type, sq_kafka_metadata[m].type, false))
                return sq_fail(r->ctx, SQ_INTERNAL, "column '%.*s' is not metadata of connector 'kafka'", SQ_FMT(col->name));
            r->meta_kind[c->n[2]] = (uint8_t)m;
            r->wants_meta = true;
            r->wants_headers |= m == SQ_KAFKA_META_HEADERS;
            r->wants_epoch |= m == SQ_KAFKA_META_EPOCH;
        } else {
            place_in_value(r, s->cols[i], &named);
            if (key) {
                named.ordinal = r->table->from_key[s->cols[i]] - 1u;
                named.nfields = r->table->nkey;
                named.name = (struct sq_str){col->name.p + r->table->options.key_prefix.n, col->name.n - r->table->options.key_prefix.n};
            }
            c->wanted[where][c->n[where]] = named;
        }
        r->from[i] = (struct from){where, c->n[where]};
        c->type[where][c->n[where]++] = col->type;
    }
    return SQ_OK;
}

static sq_rc open_decoders(struct reader *r, const struct columns *c)
{
    const struct sq_table_format *f = r->table->format;
    SQ_TRY(sq_out_init(&r->out, r->ctx, c->type[0], c->n[0]));
    SQ_TRY(f[0].format->decoder_open(r->ctx, f[0].options, r->spec->session, c->wanted[0], c->n[0], &r->values));
    if (r->has_keys) {
        SQ_TRY(sq_out_init(&r->key_out, r->ctx, c->type[1], c->n[1]));
        SQ_TRY(f[1].format->decoder_open(r->ctx, f[1].options, r->spec->session, c->wanted[1], c->n[1], &r->keys));
    }
    return r->wants_meta ? sq_out_init(&r->meta, r->ctx, c->type[2], c->n[2]) : SQ_OK;
}

static sq_rc open_columns(struct reader *r)
{
    struct columns c = {0};
    size_t n = r->spec->ncols + 1;
    sq_rc rc = SQ_OK;
    r->from = sq_calloc(r->ctx, n * sizeof *r->from);
    r->vecs = sq_calloc(r->ctx, n * sizeof *r->vecs);
    r->meta_kind = sq_calloc(r->ctx, n);
    for (int i = 0; i < 3; i++)
        c.type[i] = sq_calloc(r->ctx, n * sizeof *c.type[i]);
    for (int i = 0; i < 2; i++)
        c.wanted[i] = sq_calloc(r->ctx, n * sizeof *c.wanted[i]);
    if (!r->from || !r->vecs || !r->meta_kind || !c.type[0] || !c.type[1] || !c.type[2] || !c.wanted[0] || !c.wanted[1])
        rc = SQ_NOMEM;
    if (rc == SQ_OK)
        rc = place_columns(r, &c);
    if (rc == SQ_OK)
        rc = open_decoders(r, &c);
    for (int i = 0; i < 3; i++)
        sq_free(r->ctx, c.type[i]);
    for (int i = 0; i < 2; i++)
        sq_free(r->ctx, c.wanted[i]);
    return rc;
}

static void give_back(struct reader *r)
{
    for (uint32_t i = 0; r->wants_headers && i < r->nmsg; i++) {
        if (r->extra[i].headers)
            r->client.api.headers_destroy(r->extra[i].headers);
        r->extra[i].headers = NULL;
    }
    r->nmsg = r->at = r->done = r->end = 0;
    r->text_n = 0;
}

static sq_rc commit_offsets(struct reader *r, bool wait);

static void disconnect(struct reader *r)
{
    if (!r->connected)
        return;
    give_back(r);
    if (r->table->props.commit_ms)
        commit_offsets(r, true);
    for (size_t i = 0; i < r->nparts; i++) {
        struct part *p = &r->parts[i];
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
    struct reader *r = reader_of(self);
    if (!r)
        return;
    struct sq_ctx *ctx = r->ctx;
    disconnect(r);
    if (r->values)
        r->table->format[0].format->decoder_close(r->values);
    if (r->keys)
        r->table->format[1].format->decoder_close(r->keys);
    if (r->out.ctx)
        sq_out_free(&r->out);
    if (r->key_out.ctx)
        sq_out_free(&r->key_out);
    if (r->meta.ctx)
        sq_out_free(&r->meta);
    for (size_t i = 0; i < r->nparts; i++) {
        sq_free(ctx, (void *)r->parts[i].id.p);
        sq_free(ctx, (void *)r->parts[i].payload.p);
    }
    void *owned[] = {r->parts, r->rec, r->key, r->offset, r->from_part, r->err, r->extra, r->text, r->row_record, r->key_record, r->key_index, r->key_row, r->from,
                     r->vecs, r->meta_kind, r->live, r->live_of, r->value_index, r->kinds};
    for (size_t i = 0; i < SQ_LEN(owned); i++)
        sq_free(ctx, owned[i]);
    sq_free(ctx, r);
}

static sq_rc alloc_reader(struct reader *r)
{
    size_t n = r->batch_rows + 1;
    r->rec = sq_calloc(r->ctx, n * sizeof *r->rec);
    r->offset = sq_calloc(r->ctx, n * sizeof *r->offset);
    r->from_part = sq_calloc(r->ctx, n * sizeof *r->from_part);
    r->err = sq_calloc(r->ctx, n * sizeof *r->err);
    r->row_record = sq_calloc(r->ctx, n * sizeof *r->row_record);
    r->text = sq_alloc(r->ctx, TEXT_MIN);
    r->text_cap = TEXT_MIN;
    if (!r->rec || !r->offset || !r->from_part || !r->err || !r->row_record || !r->text)
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
    struct reader *r = sq_calloc(ctx, sizeof *r);
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
    sq_rc rc = open_columns(r);
    if (rc == SQ_OK)
        rc = alloc_reader(r);
    if (rc != SQ_OK) {
        kafka_close((struct sq_reader *)(void *)r);
        return rc;
    }
    *out = (struct sq_reader *)(void *)r;
    return SQ_OK;
}

static sq_rc start_part(struct reader *r, struct part *p);

static sq_rc kafka_add_split(struct sq_reader *self, const struct sq_split *in, struct sq_str position)
{
    struct reader *r = reader_of(self);
    struct part p = {0};
    size_t cur = r->cur ? (size_t)(r->cur - r->parts) : 0;
    SQ_TRY(sq_grow(r->ctx, &r->parts, &r->cap_parts, r->nparts + 1, sizeof *r->parts));
    if (r->cur)
        r->cur = r->parts + cur;
    char *id = sq_str_copy(r->ctx, in->id), *payload = sq_str_copy(r->ctx, in->payload);
    p.id = (struct sq_str){id, in->id.n};
    p.payload = (struct sq_str){payload, in->payload.n};
    bool good = id && payload && sq_kafka_range_read(p.payload, &p.range) && (!position.p || position.n == 12);
    if (!good) {
        sq_rc rc = id && payload ? sq_fail(r->ctx, SQ_INTERNAL, "split '%.*s' is damaged", SQ_FMT(in->id)) : SQ_NOMEM;
        sq_free(r->ctx, id);
        sq_free(r->ctx, payload);
        return rc;
    }
    p.next = p.range.start;
    if (position.p) {
        memcpy(&p.next, position.p, 8);
        memcpy(&p.drop, position.p + 8, 4);
    }
    r->parts[r->nparts++] = p;
    return r->connected ? start_part(r, &r->parts[r->nparts - 1]) : SQ_OK;
}

/* ---- the client ---- */

static sq_rc start_part(struct reader *r, struct part *p)
{
    int64_t from = p->next == SQ_KAFKA_BEGINNING ? RD_KAFKA_OFFSET_BEGINNING : p->next;
    if (p->next >= p->range.stop) {
        p->ended = true;
        r->ended++;
        return SQ_OK;
    }
    p->rkt = r->client.api.topic_new(r->client.rk, p->range.topic, NULL);
    if (p->rkt && r->client.api.consume_start_queue(p->rkt, p->range.partition, from, r->queue) == 0) {
        p->reading = true;
        return SQ_OK;
    }
    return sq_fail(r->ctx, SQ_EXTERNAL, "topic %s, partition %d: %s", p->range.topic, p->range.partition, r->client.api.err2str(r->client.api.last_error()));
}

static sq_rc connect_reader(struct reader *r)
{
    uint32_t kb = QUEUE_KB / (uint32_t)(r->nparts ? r->nparts : 1);
    kb = kb < QUEUE_MIN_KB ? QUEUE_MIN_KB : kb > QUEUE_MAX_KB ? QUEUE_MAX_KB : kb;
    SQ_TRY(sq_kafka_connect(r->ctx, r->table, &(struct sq_kafka_role){.reset = sq_kafka_reset(r->table), .queue_kb = kb}, &r->client));
    r->connected = true;
    if (r->wants_epoch && !r->client.api.message_leader_epoch) {
        sq_fail(r->ctx, SQ_UNSUPPORTED, "metadata 'leader-epoch' needs librdkafka 2.1 or newer; this one is %s", r->client.api.version_str());
        return sq_hint(r->ctx, "leave the column out");
    }
    r->queue = r->client.api.queue_new(r->client.rk);
    r->looked_ns = r->committed_ns = r->heard_ns = mono_ns(r);
    for (size_t i = 0; i < r->nparts; i++)
        SQ_TRY(start_part(r, &r->parts[i]));
    return SQ_OK;
}

static void stop_part(struct reader *r, struct part *p)
{
    if (p->reading)
        r->client.api.consume_stop(p->rkt, p->range.partition);
    p->reading = false;
    p->ended = true;
    r->ended++;
}

static uint32_t part_of(struct reader *r, const rd_kafka_message_t *m)
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

/* msg[i] is not a message, but says what happened to its partition. */
static sq_rc event(struct reader *r, uint32_t i)
{
    struct part *p = r->from_part[i] < r->nparts ? &r->parts[r->from_part[i]] : NULL;
    rd_kafka_resp_err_t err = r->err[i];
    if (!p || p->ended)
        return SQ_OK;
    if (err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        r->client.down = false;
        if (r->offset[i] > p->next || p->next == SQ_KAFKA_BEGINNING)
            p->next = r->offset[i];
        if (r->offset[i] >= p->range.stop)
            stop_part(r, p);
        return SQ_OK;
    }
    if (sq_kafka_transient(err))
        return SQ_OK;                                   /* tried again by librdkafka */
    const char *text = r->said[0] ? r->said : r->client.api.err2str(err);
    if (p->next >= 0)
        sq_fail(r->ctx, SQ_EXTERNAL, "topic %s, partition %d, offset %lld: %s", p->range.topic, p->range.partition, (long long)p->next, text);
    else
        sq_fail(r->ctx, SQ_EXTERNAL, "topic %s, partition %d: %s", p->range.topic, p->range.partition, text);
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        return sq_hint(r->ctx, "was the topic deleted while the job ran?");
    return SQ_EXTERNAL;
}

/* What the client said since the last time. With every broker gone: told, waited for, given up. */
static sq_rc check_client(struct reader *r)
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

static sq_rc commit_offsets(struct reader *r, bool wait)
{
    const struct sq_kafka_api *k = &r->client.api;
    rd_kafka_topic_partition_list_t *tp = k->topic_partition_list_new((int)r->nparts);
    int n = 0;
    for (size_t i = 0; i < r->nparts; i++) {
        struct part *p = &r->parts[i];
        if (!p->moved || p->next < 0)
            continue;
        k->topic_partition_list_add(tp, p->range.topic, p->range.partition)->offset = p->next;
        p->moved = false;
        n++;
    }
    if (n)
        k->commit(r->client.rk, tp, !wait);             /* at least once: what could not be committed is read again */
    k->topic_partition_list_destroy(tp);
    return SQ_OK;
}

/* ---- messages in ---- */

/* Room for `n` more bytes and the padding; what points into the buffer moves with it. */
static sq_rc room(struct reader *r, size_t n)
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

static struct sq_slice copy_in(struct reader *r, const void *p, size_t n)
{
    struct sq_slice s = {p ? r->text + r->text_n : NULL, n};
    if (n)
        memcpy(r->text + r->text_n, p, n);
    r->text_n += n;
    return s;
}

static void describe(const struct reader *r, rd_kafka_message_t *m, struct extra *x)
{
    rd_kafka_timestamp_type_t type;
    x->ts_ms = r->client.api.message_timestamp(m, &type);
    x->ts_type = (uint8_t)type;
    x->epoch = r->wants_epoch ? r->client.api.message_leader_epoch(m) : -1;
    x->headers = NULL;
    if (r->wants_headers && r->client.api.message_detach_headers(m, &x->headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        x->headers = NULL;
}

static void keep_error(struct reader *r, const rd_kafka_message_t *m)
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
    struct reader *r = arg;
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
        if (r->has_keys)
            r->key[i] = copy_in(r, m->key, m->key_len);
        if (r->extra)
            describe(r, m, &r->extra[i]);
    }
    r->nmsg = i + 1;
    if (SQ_UNLIKELY(r->nmsg == r->batch_rows || r->text_n > FETCH_BYTES))
        r->client.api.yield(r->client.rk);
}

/* ---- runs ---- */

static void move_record(struct reader *r, uint32_t i, uint32_t to)
{
    if (i == to)
        return;
    r->rec[to] = r->rec[i];
    r->offset[to] = r->offset[i];
    if (r->has_keys) {
        r->key[to] = r->key[i];
        r->key_row[to] = r->key_row[i];
    }
    if (r->extra) {                                     /* swapped: give_back finds every header */
        struct extra x = r->extra[to];
        r->extra[to] = r->extra[i];
        r->extra[i] = x;
    }
}

static sq_rc failed(struct reader *r, const struct part *p, int64_t offset, bool key)
{
    return sq_wrap(r->ctx, "topic %s, partition %d, offset %lld%s", p->range.topic, p->range.partition, (long long)offset, key ? ", key" : "");
}

struct bad_arg { struct reader *r; uint32_t first; const struct sq_slice *rec; };

static void bad_record(void *arg, uint32_t record, struct sq_str column, const char *reason)
{
    const struct bad_arg *b = arg;
    const struct reader *r = b->r;
    struct sq_slice raw = b->rec[record];
    r->spec->bad(r->spec->bad_arg, r->cur->id, r->offset[b->first + record], column, reason,
                 (struct sq_str){raw.p, raw.n > RAW_SHOWN ? RAW_SHOWN : (uint32_t)raw.n});
}

/* The same for a run whose records are those of `live`. */
static void bad_live(void *arg, uint32_t record, struct sq_str column, const char *reason)
{
    const struct bad_arg *b = arg;
    const struct reader *r = b->r;
    struct sq_slice raw = b->rec[record];
    r->spec->bad(r->spec->bad_arg, r->cur->id, r->offset[b->first + r->live_of[record]], column, reason,
                 (struct sq_str){raw.p, raw.n > RAW_SHOWN ? RAW_SHOWN : (uint32_t)raw.n});
}

/* Takes the messages out of the run that have no value (or no key). */
static void drop_nulls(struct reader *r, const struct sq_slice *of)
{
    uint32_t n = r->done;
    for (uint32_t i = r->done; i < r->end; i++)
        if (of[i].p)
            move_record(r, i, n++);
    r->stats.filtered += r->end - n;
    r->end = n;
}

/* Decodes the keys of the run; messages whose key gives no row are taken out of it. */
static sq_rc decode_keys(struct reader *r)
{
    uint32_t n = r->done, row = 0, first = r->done;
    if (r->upserts || !r->table->format[1].format->nulls)
        drop_nulls(r, r->key);
    struct bad_arg bad = {r, first, r->key + first};
    struct sq_decode d = {
        .rec = r->key + first, .nrec = r->end - first, .padded = true, .max_rows = r->batch_rows, .out = &r->key_out, .row_record = r->key_record,
        .bad = r->spec->bad ? bad_record : NULL, .bad_arg = &bad,
    };
    sq_out_reset(&r->key_out);
    sq_rc rc = r->table->format[1].format->decode(r->keys, &d);
    if (rc == SQ_DATA || rc == SQ_LIMIT)
        return failed(r, r->cur, r->offset[first + d.failed], true);
    SQ_TRY(rc);
    r->stats.bad += d.nbad;
    r->stats.filtered += d.nfiltered;
    for (uint32_t i = 0; i < r->key_out.n; i++)
        if ((i && r->key_record[i] == r->key_record[i - 1]) || d.consumed < d.nrec) {
            sq_fail(r->ctx, SQ_DATA, "it gives several rows");
            return failed(r, r->cur, r->offset[first + (d.consumed < d.nrec ? d.consumed : r->key_record[i])], true);
        }
    for (uint32_t i = first; i < r->end; i++)
        if (row < r->key_out.n && r->key_record[row] == i - first) {
            r->key_row[i] = row++;
            move_record(r, i, n++);
        }
    r->end = n;
    return SQ_OK;
}

/* Makes the messages from `at` on of one partition the run. Without a record in it there is nothing to decode. */
static sq_rc begin_run(struct reader *r)
{
    uint32_t i = r->at, part = r->from_part[i];
    struct part *p = part < r->nparts ? &r->parts[part] : NULL;
    bool nulls = false;
    if (!p || p->ended || r->offset[i] >= p->range.stop) {
        if (p && !p->ended)
            stop_part(r, p);
        r->at++;
        return SQ_OK;
    }
    for (; i < r->nmsg && r->from_part[i] == part && !r->err[i] && r->offset[i] < p->range.stop; i++) {
        nulls |= !r->rec[i].p;
        r->stats.bytes += r->rec[i].n;
    }
    r->cur = p;
    r->done = r->at;
    r->end = i;
    r->stats.records += i - r->at;
    r->run_next = r->offset[i - 1] + 1;
    r->at = i;
    r->client.down = false;
    p->moved = true;
    r->deletes = nulls && r->upserts;
    if (nulls && !r->upserts && !r->table->format[0].format->nulls)
        drop_nulls(r, r->rec);
    if (r->has_keys && r->done < r->end)
        SQ_TRY(decode_keys(r));
    bool any = r->done < r->end;
    if (p->drop && (!any || r->offset[r->done] != p->next))
        p->drop = 0;                                    /* the message is gone */
    if (!any) {
        p->next = r->run_next;
        p->next_rows = 0;
    }
    if (r->run_next >= p->range.stop)
        stop_part(r, p);                                /* no need to wait for the log's end */
    return SQ_OK;
}

/* ---- rows ---- */

static sq_rc append_headers(struct reader *r, struct sq_col *col, const rd_kafka_headers_t *h)
{
    const struct sq_kafka_api *k = &r->client.api;
    const char *name, *later;
    const void *value;
    size_t size;
    uint32_t n = 0;
    for (size_t i = 0; h && k->header_get_all(h, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        bool again = false;                             /* of one name the last counts */
        const void *v;
        size_t vn;
        for (size_t j = i + 1; !again && k->header_get_all(h, j, &later, &v, &vn) == RD_KAFKA_RESP_ERR_NO_ERROR; j++)
            again = strcmp(name, later) == 0;
        if (again)
            continue;
        SQ_TRY(sq_col_append_view(&col->kid[0], name, (uint32_t)strlen(name)));
        SQ_TRY(value ? sq_col_append_view(&col->kid[1], value, (uint32_t)size) : sq_col_append_null(&col->kid[1]));
        n++;
    }
    return sq_col_append_list(col, n);
}

static sq_rc append_meta(struct reader *r, struct sq_col *col, int kind, uint32_t record)
{
    const struct extra *i = &r->extra[record];
    int64_t us = i->ts_ms * SQ_US_PER_MS;
    const char *type = i->ts_type == RD_KAFKA_TIMESTAMP_CREATE_TIME ? "CreateTime" : i->ts_type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? "LogAppendTime" : "NoTimestampType";
    switch (kind) {
    case SQ_KAFKA_META_TOPIC: return sq_col_append_view(col, r->cur->range.topic, (uint32_t)strlen(r->cur->range.topic));
    case SQ_KAFKA_META_PARTITION: return sq_col_append_fixed(col, &r->cur->range.partition);
    case SQ_KAFKA_META_OFFSET: return sq_col_append_fixed(col, &r->offset[record]);
    case SQ_KAFKA_META_TIMESTAMP: return sq_col_append_fixed(col, &us);
    case SQ_KAFKA_META_TYPE: return sq_col_append_view(col, type, (uint32_t)strlen(type));
    case SQ_KAFKA_META_EPOCH: return i->epoch < 0 ? sq_col_append_null(col) : sq_col_append_fixed(col, &i->epoch);
    default: return append_headers(r, col, i->headers);
    }
}

/* Of `n` rows; `base`: the record that row_record counts from. */
static sq_rc fill_meta(struct reader *r, uint32_t base, uint32_t n)
{
    sq_out_reset(&r->meta);
    for (uint32_t c = 0; c < r->meta.ncols; c++)
        for (uint32_t i = 0; i < n; i++)
            SQ_TRY(append_meta(r, &r->meta.cols[c], r->meta_kind[c], base + r->row_record[i]));
    return sq_out_rows(&r->meta, n);
}

static struct sq_vec as_dict(const struct sq_vec *v, const uint32_t *index)
{
    return (struct sq_vec){.type = v->type, .enc = SQ_DICT, .index = index, .child = (struct sq_vec *)v, .nchild = 1};
}

static sq_rc make_batch(struct reader *r, uint32_t base, uint32_t dropped)
{
    const struct sq_batch *b = sq_out_batch(&r->out), *meta = NULL, *keys = NULL;
    r->batch = *b;
    if (r->wants_meta) {
        SQ_TRY(fill_meta(r, base, b->rows));
        meta = sq_out_batch(&r->meta);
    }
    if (r->has_keys) {
        keys = sq_out_batch(&r->key_out);
        for (uint32_t i = 0; i < b->rows; i++)
            r->key_index[i] = r->key_row[base + r->row_record[i]];
    }
    for (uint32_t i = 0; i < r->spec->ncols; i++) {
        const struct from *f = &r->from[i];
        if (f->where == 1)
            r->vecs[i] = as_dict(&keys->cols[f->col], r->key_index);
        else
            r->vecs[i] = f->where == 0 ? b->cols[f->col] : meta->cols[f->col];
    }
    r->batch.cols = r->vecs;
    r->batch.ncols = r->spec->ncols;
    if (dropped) {
        for (uint32_t i = dropped; i < b->rows; i++)
            r->row_record[i - dropped] = i;             /* used and counted already: free for a selection */
        r->batch.sel = r->row_record;
        r->batch.nsel = b->rows - dropped;
    }
    return SQ_OK;
}

/* The values of the run that are there, into out; row_record and value_index are of them. */
static sq_rc decode_live(struct reader *r)
{
    uint32_t n = 0;
    for (uint32_t i = r->done; i < r->end; i++)
        if (r->rec[i].p) {
            r->live[n] = r->rec[i];
            r->live_of[n++] = i - r->done;
        }
    struct bad_arg bad = {r, r->done, r->live};
    struct sq_decode d = {
        .rec = r->live, .nrec = n, .padded = true, .max_rows = r->batch_rows, .out = &r->out, .row_record = r->row_record, .bad = r->spec->bad ? bad_live : NULL, .bad_arg = &bad,
    };
    sq_out_reset(&r->out);
    sq_rc rc = n ? r->table->format[0].format->decode(r->values, &d) : SQ_OK;
    if (rc == SQ_DATA || rc == SQ_LIMIT)
        return failed(r, r->cur, r->offset[r->done + r->live_of[d.failed]], false);
    SQ_TRY(rc);
    for (uint32_t i = 1; i <= r->out.n; i++)
        if (i < r->out.n ? r->row_record[i] == r->row_record[i - 1] : d.consumed < n) {
            sq_fail(r->ctx, SQ_DATA, "it gives several rows");
            return failed(r, r->cur, r->offset[r->done + r->live_of[r->row_record[i - 1]]], false);
        }
    r->stats.bad += d.nbad;
    r->stats.filtered += d.nfiltered;
    return SQ_OK;
}

/* A run with deletions: puts their rows between those of the values. */
static sq_rc decode_deletes(struct reader *r, struct sq_poll *out)
{
    uint32_t base = r->done, live = 0, n = 0;
    const struct sq_batch *values, *keys = sq_out_batch(&r->key_out), *meta = NULL;
    SQ_TRY(decode_live(r));
    uint32_t none = r->out.n;
    for (uint32_t c = 0; c < r->out.ncols; c++)
        SQ_TRY(sq_col_append_null(&r->out.cols[c]));
    SQ_TRY(sq_out_row(&r->out, SQ_INSERT));
    for (uint32_t i = 0; i < none; i++)
        r->key_record[i] = r->live_of[r->row_record[i]];             /* used and counted already: free for this */
    for (uint32_t i = base; i < r->end; i++) {
        bool row = live < none && r->key_record[live] == i - base;
        if (!row && r->rec[i].p)
            continue;                                                /* a value that gave none */
        r->value_index[n] = row ? live++ : none;
        r->kinds[n] = row ? SQ_INSERT : SQ_DELETE;
        r->key_index[n] = r->key_row[i];
        r->row_record[n++] = i - base;
    }
    if (r->wants_meta) {
        SQ_TRY(fill_meta(r, base, n));
        meta = sq_out_batch(&r->meta);
    }
    values = sq_out_batch(&r->out);
    for (uint32_t i = 0; i < r->spec->ncols; i++) {
        const struct from *f = &r->from[i];
        r->vecs[i] = f->where == 0 ? as_dict(&values->cols[f->col], r->value_index) : f->where == 1 ? as_dict(&keys->cols[f->col], r->key_index) : meta->cols[f->col];
    }
    r->batch = (struct sq_batch){.rows = n, .nsel = n, .kind = r->kinds, .cols = r->vecs, .ncols = r->spec->ncols};
    r->done = r->end;
    r->cur->next = r->run_next;
    r->cur->next_rows = r->cur->drop = 0;
    r->stats.rows += n;
    if (n)
        *out = (struct sq_poll){.state = SQ_POLL_ROWS, .split = (uint32_t)(r->cur - r->parts), .batch = &r->batch};
    return SQ_OK;
}

/* Decodes what is left of the run, as far as a batch goes. */
static sq_rc decode(struct reader *r, struct sq_poll *out)
{
    if (r->deletes)
        return decode_deletes(r, out);
    struct part *p = r->cur;
    uint32_t base = r->done, part = 0, dropped = 0;
    struct bad_arg bad = {r, base, r->rec + base};
    struct sq_decode d = {
        .rec = r->rec + base, .nrec = r->end - base, .padded = true, .max_rows = r->batch_rows, .out = &r->out, .row_record = r->row_record,
        .bad = r->spec->bad ? bad_record : NULL, .bad_arg = &bad,
    };
    sq_out_reset(&r->out);
    sq_rc rc = r->table->format[0].format->decode(r->values, &d);
    if (rc == SQ_DATA || rc == SQ_LIMIT)
        return failed(r, p, r->offset[base + d.failed], false);
    SQ_TRY(rc);
    if (d.consumed == 0 && r->out.n == 0)
        return sq_fail(r->ctx, SQ_INTERNAL, "format '%s' makes no progress", r->table->format[0].format->name);
    while (d.consumed < d.nrec && part < r->out.n && r->row_record[r->out.n - 1 - part] == d.consumed)
        part++;                                         /* rows of a message that is not done with */
    if (SQ_UNLIKELY(p->drop)) {                         /* a restored position stands inside a message: its first rows were handed on */
        while (dropped < r->out.n && dropped < p->drop && r->row_record[dropped] == 0)
            dropped++;
        p->drop = d.consumed ? 0 : p->drop - dropped;
    }
    p->next_rows = d.consumed == 0 ? p->next_rows + part : part;
    r->done += d.consumed;
    p->next = r->done < r->end ? r->offset[r->done] : r->run_next;
    r->stats.bad += d.nbad;
    r->stats.filtered += d.nfiltered;
    if (r->out.n > dropped) {
        r->stats.rows += r->out.n - dropped;
        SQ_TRY(make_batch(r, base, dropped));
        *out = (struct sq_poll){.state = SQ_POLL_ROWS, .split = (uint32_t)(p - r->parts), .batch = &r->batch};
    }
    return SQ_OK;
}

/* ---- polling ---- */

static bool report_end(struct reader *r, struct sq_poll *out)
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
static sq_rc fetch(struct reader *r)
{
    int64_t now = mono_ns(r);
    give_back(r);
    r->taking = SQ_OK;
    r->client.api.consume_callback_queue(r->queue, 0, take, r);
    SQ_TRY(r->taking);
    memset(r->text + r->text_n, 0, PAD);
    if (r->nmsg)
        r->idle_us = IDLE_US;
    if (r->nmsg == 0 || now - r->heard_ns > 100000000) {      /* events: when idle, and now and then */
        r->heard_ns = now;
        SQ_TRY(check_client(r));
    }
    if (r->table->props.commit_ms && now - r->committed_ns >= r->table->props.commit_ms * 1000000) {
        r->committed_ns = now;
        return commit_offsets(r, false);
    }
    return SQ_OK;
}

static sq_rc kafka_poll(struct sq_reader *self, struct sq_poll *out)
{
    struct reader *r = reader_of(self);
    bool bounded = r->table->options.bounded != SQ_KAFKA_UNBOUNDED;
    *out = (struct sq_poll){.state = SQ_POLL_IDLE};
    SQ_TRY(sq_check_interrupt(r->ctx));
    if (!r->connected)
        SQ_TRY(connect_reader(r));
    for (;;) {
        while (r->done < r->end) {
            SQ_TRY(decode(r, out));
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
            SQ_TRY(event(r, r->at++));
        } else {
            SQ_TRY(begin_run(r));
        }
    }
    out->wait_us = r->idle_us;
    r->idle_us = r->idle_us * 2 > IDLE_MAX_US ? IDLE_MAX_US : r->idle_us * 2;
    return SQ_OK;
}

static sq_rc kafka_position(struct sq_reader *self, uint32_t split, struct sq_buf *out)
{
    struct reader *r = reader_of(self);
    if (split >= r->nparts)
        return sq_fail(r->ctx, SQ_INTERNAL, "there is no split %u", split);
    const struct part *p = &r->parts[split];
    sq_buf_u64(out, (uint64_t)p->next);
    return sq_buf_u32(out, p->next_rows + p->drop);
}

static void kafka_stats(struct sq_reader *self, struct sq_source_stats *st)
{
    struct reader *r = reader_of(self);
    *st = r->stats;
    for (size_t i = 0; r->connected && i < r->nparts; i++) {
        const struct part *p = &r->parts[i];
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
    struct reader *r = reader_of(self);
    *n = 0;
    if (r->table->options.bounded != SQ_KAFKA_UNBOUNDED || r->table->options.discovery_ms == 0 || !r->connected || r->client.down)
        return SQ_OK;
    int64_t now = mono_ns(r);
    if ((now - r->looked_ns) / 1000000 < r->table->options.discovery_ms)
        return SQ_OK;
    r->looked_ns = now;
    return sq_kafka_rediscover(&r->client, arena, LOOK_MS, out, n);
}

const struct sq_source_class sq_kafka_source = {
    .info = sq_kafka_info, .splits = sq_kafka_splits, .open = kafka_open, .add_split = kafka_add_split, .poll = kafka_poll, .position = kafka_position,
    .stats = kafka_stats, .close = kafka_close, .discover = kafka_discover,
};
#endif
