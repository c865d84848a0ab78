/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c: the writer of the connectors kafka and upsert-kafka: rows become messages, and messages go to a producer, or into a transaction.
 *
 * A batch is encoded whole, its keys and its values each into one text; the messages then point into them, and librdkafka copies. An upsert table
 * sends a message without a value for a row that goes; one that is replaced by the row behind it (-U, +U of one key) is left out.
 *
 * Guarantees ('sink.delivery-guarantee'):
 *   none            nobody waits for deliveries before the end; a failed one ends the job all the same
 *   at-least-once   the end of an epoch, or of the input, waits until the brokers have everything
 *   exactly-once    with epochs: transaction.c. Without: one transaction for an input that ends; otherwise it is at least once, which a notice says
 *
 * FLINK: one writer writes, whatever 'sink.parallelism' says. Its transactional id is "<prefix>-<table>" and stays; there a number is added to it.
 */
#ifdef SQ_HAVE_KAFKA
#include "connectors/kafka/producer.h"
#include "connectors/sink_rows.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUFFER_BYTES = 32 << 20, TRANSACTION_MS = 900000 /* what brokers take at most, by default */ };

struct side {                      /* the key, or the value */
    struct sq_encoder *encoder;
    const struct sq_format *format;
    uint32_t *cols, n;             /* columns of the table */
    struct sq_vec *vecs;
    struct sq_batch batch;
    struct sq_buf text;
    uint32_t *ends;
};

struct writer {
    struct sq_ctx *ctx;
    const struct sq_sink_spec *spec;
    const struct sq_kafka_table *table;
    struct sq_kafka_producer producer;
    struct sq_kafka_txn txn;
    bool transactional, last;      /* last: the next epoch is the last one */
    struct side key, value;
    int32_t meta_topic, meta_time, meta_headers;      /* columns; -1: none */
    struct sq_sink_rows buffer;    /* of upsert-kafka: the last row of each key, for as long as 'sink.buffer-flush.*' say */
    int64_t first_ns;              /* when its oldest came */
    bool buffers, has_re;
    regex_t re;                    /* 'topic-pattern' */
    struct sq_str topic;           /* of the last row; a copy in topic_text */
    struct sq_buf topic_text;
    uint32_t *sel, *live;
    struct sq_kafka_header *headers;
    struct sq_arena arena;
};

static struct writer *writer_of(struct sq_writer *self) { return (struct writer *)(void *)self; }

/* ---- opening ---- */

static sq_rc open_side(struct writer *w, struct side *s, bool of_key)
{
    const struct sq_table_spec *t = w->spec->table;
    const struct sq_table_format *f = &w->table->format[of_key];
    struct sq_table_column *cols = SQ_NEW_ARRAY(&w->arena, struct sq_table_column, t->ncols + 1);
    sq_buf_init(&s->text, w->ctx);
    s->format = f->format;
    s->n = of_key ? w->table->nkey : 0;
    s->cols = SQ_NEW_ARRAY(&w->arena, uint32_t, t->ncols + 1);
    s->vecs = SQ_NEW_ARRAY(&w->arena, struct sq_vec, t->ncols + 1);
    s->ends = SQ_NEW_ARRAY(&w->arena, uint32_t, SQ_BATCH_ROWS);
    if (!cols || !s->cols || !s->vecs || !s->ends)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->ncols; i++) {
        uint32_t at = of_key ? w->table->from_key[i] - 1u : s->n;
        if (of_key ? !sq_kafka_in_key(w->table, i) : !sq_kafka_in_value(w->table, t, i))
            continue;
        s->n += !of_key;
        s->cols[at] = i;
        cols[at] = t->cols[i];
        if (of_key) {
            uint32_t cut = w->table->options.key_prefix.n;
            cols[at].name = (struct sq_str){cols[at].name.p + cut, cols[at].name.n - cut};
        }
    }
    for (uint32_t i = 0; i < s->n; i++) {
        cols[i].ordinal = i;
        cols[i].nfields = s->n;
    }
    return f->format->encoder_open(w->ctx, f->options, w->spec->session, cols, s->n, &s->encoder);
}

static void find_metadata(struct writer *w)
{
    const struct sq_table_spec *t = w->spec->table;
    w->meta_topic = w->meta_time = w->meta_headers = -1;
    for (uint32_t i = 0; i < t->ncols; i++) {
        int m = t->cols[i].role == SQ_COL_METADATA ? sq_kafka_meta(t->cols[i].metadata_key) : -1;
        if (m == SQ_KAFKA_META_TOPIC && w->table->ntopics != 1)
            w->meta_topic = (int32_t)i;
        else if (m == SQ_KAFKA_META_TIMESTAMP)
            w->meta_time = (int32_t)i;
        else if (m == SQ_KAFKA_META_HEADERS)
            w->meta_headers = (int32_t)i;
    }
}

static sq_rc open_pattern(struct writer *w)
{
    const char *why, *text = sq_kafka_pattern(&w->arena, w->table->options.topic_pattern, &why);
    if (!text)
        return SQ_NOMEM;
    if (regcomp(&w->re, text, REG_EXTENDED | REG_NOSUB) != 0)
        return sq_fail(w->ctx, SQ_SEMANTIC, "'topic-pattern': '%.*s' is not a regular expression", SQ_FMT(w->table->options.topic_pattern));
    w->has_re = true;
    return SQ_OK;
}

static sq_rc open_columns(struct writer *w)
{
    SQ_TRY(open_side(w, &w->value, false));
    if (w->table->nkey)
        SQ_TRY(open_side(w, &w->key, true));
    find_metadata(w);
    w->sel = SQ_NEW_ARRAY(&w->arena, uint32_t, SQ_BATCH_ROWS);
    w->live = SQ_NEW_ARRAY(&w->arena, uint32_t, SQ_BATCH_ROWS);
    w->headers = w->meta_headers >= 0 ? SQ_NEW_ARRAY(&w->arena, struct sq_kafka_header, SQ_KAFKA_HEADERS_MAX) : NULL;
    if (!w->sel || !w->live || (w->meta_headers >= 0 && !w->headers))
        return SQ_NOMEM;
    if (!w->table->ntopics)
        SQ_TRY(open_pattern(w));
    w->buffers = w->table->upsert && w->table->options.flush_rows > 0;
    return w->buffers ? sq_sink_rows_init(&w->buffer, w->ctx, w->spec->table, w->spec->table->pk, w->spec->table->npk) : SQ_OK;
}

/* "<prefix>-<sink>"; without a prefix the job's id is it, and without that one of this run. */
static const char *transactional_id(struct writer *w)
{
    const struct sq_sink_epochs *e = &w->spec->epoch;
    struct sq_str prefix = w->table->options.id_prefix, sink = e->sink.n ? e->sink : w->spec->table->name, job = e->on && e->job.n ? e->job : e->owner;
    unsigned char r[8];
    char random[17];
    if (prefix.n)
        return sq_arena_printf(&w->arena, "%.*s-%.*s", SQ_FMT(prefix), SQ_FMT(sink));
    w->ctx->os->random(w->ctx->os->arg, r, sizeof r);
    for (size_t i = 0; i < sizeof r; i++)
        snprintf(random + 2 * i, 3, "%02x", r[i]);
    return sq_arena_printf(&w->arena, "sqluice-%.*s-%.*s", SQ_FMT(job.n ? job : sq_str_of(random)), SQ_FMT(sink));
}

static sq_rc transaction_timeout(struct writer *w, int64_t *ms)
{
    const struct sq_sink_epochs *e = &w->spec->epoch;
    int64_t given = w->table->props.transaction_ms, interval = e->on ? e->interval_ms : 0;
    *ms = given ? given : interval < TRANSACTION_MS ? TRANSACTION_MS : interval + (e->timeout_ms > 0 ? e->timeout_ms : TRANSACTION_MS);
    if (*ms > interval && *ms <= INT32_MAX)
        return SQ_OK;
    sq_fail(w->ctx, SQ_SEMANTIC, "table '%.*s': a transaction may take %lld ms, and there are %lld ms between two checkpoints", SQ_FMT(w->spec->table->name), (long long)*ms,
            (long long)interval);
    return sq_hint(w->ctx, "raise 'properties.transaction.timeout.ms' (the brokers take at most their transaction.max.timeout.ms), or make checkpoints more often");
}

static sq_rc open_transactions(struct writer *w, struct sq_kafka_role *role)
{
    SQ_TRY(transaction_timeout(w, &role->transaction_ms));
    role->transactional_id = transactional_id(w);
    if (!role->transactional_id)
        return SQ_NOMEM;
    w->txn = (struct sq_kafka_txn){
        .producer = &w->producer, .ctx = w->ctx, .id = role->transactional_id, .topic = w->table->topic[0], .timeout_ms = role->transaction_ms,
        .job = w->spec->epoch.on ? w->spec->epoch.job : (struct sq_str){NULL, 0}, .keeps = w->spec->epoch.on && w->spec->epoch.copies,
    };
    sq_buf_init(&w->txn.kept, w->ctx);
    return SQ_OK;
}

static sq_rc open_writer(struct writer *w)
{
    struct sq_kafka_role role = {.producer = true};
    bool exactly = w->table->options.guarantee == SQ_KAFKA_EXACTLY_ONCE;
    SQ_TRY(open_columns(w));
    w->transactional = exactly && w->table->ntopics && (w->spec->epoch.on || w->spec->bounded);
    if (exactly && !w->transactional)
        sq_notice(w->ctx, "table '%.*s': 'sink.delivery-guarantee' = 'exactly-once' needs checkpoints (SET 'execution.checkpointing.interval'): without them rows are written at least once",
                  SQ_FMT(w->spec->table->name));
    if (w->transactional)
        SQ_TRY(open_transactions(w, &role));
    SQ_TRY(sq_kafka_producer_open(w->ctx, w->spec->table->name, w->table, role, &w->producer));
    for (uint32_t i = 0; i < w->table->ntopics; i++)
        SQ_TRY(sq_kafka_producer_topic(&w->producer, sq_str_of(w->table->topic[i])));
    return w->transactional ? sq_kafka_txn_open(&w->txn) : SQ_OK;
}

static void close_side(struct side *s)
{
    if (s->encoder)
        s->format->encoder_close(s->encoder);
    if (s->text.ctx)
        sq_buf_free(&s->text);
}

static void kafka_close(struct sq_writer *self)
{
    struct writer *w = writer_of(self);
    if (!w)
        return;
    if (w->transactional && w->producer.open)
        sq_kafka_txn_close(&w->txn);
    sq_kafka_producer_close(&w->producer);
    close_side(&w->key);
    close_side(&w->value);
    sq_sink_rows_free(&w->buffer);
    if (w->has_re)
        regfree(&w->re);
    if (w->txn.kept.ctx)
        sq_buf_free(&w->txn.kept);
    sq_buf_free(&w->topic_text);
    sq_arena_free(&w->arena);
    sq_free(w->ctx, w);
}

static sq_rc kafka_open(struct sq_ctx *ctx, const struct sq_sink_spec *spec, struct sq_writer **out)
{
    struct writer *w = sq_calloc(ctx, sizeof *w);
    if (!w)
        return SQ_NOMEM;
    w->ctx = ctx;
    w->spec = spec;
    w->table = sq_kafka_table_of(spec->ext);
    sq_arena_init(&w->arena, ctx);
    sq_buf_init(&w->topic_text, ctx);
    sq_rc rc = open_writer(w);
    if (rc != SQ_OK) {
        struct sq_error keep = ctx->err;
        kafka_close((struct sq_writer *)(void *)w);
        ctx->err = keep;
        return rc;
    }
    *out = (struct sq_writer *)(void *)w;
    return SQ_OK;
}

/* ---- rows as messages ---- */

static sq_rc encode(struct writer *w, struct side *s, const struct sq_batch *in, const uint32_t *sel, uint32_t n)
{
    uint32_t records;
    for (uint32_t i = 0; i < s->n; i++)
        s->vecs[i] = in->cols[s->cols[i]];
    s->batch = *in;
    s->batch.cols = s->vecs;
    s->batch.ncols = s->n;
    s->batch.sel = sel;
    s->batch.nsel = n;
    if (s == &w->key || w->table->upsert)
        s->batch.kind = NULL;
    sq_buf_reset(&s->text);
    sq_rc rc = s->format->encode(s->encoder, &s->batch, false, &s->text, s->ends, &records);
    if (rc == SQ_DATA)
        return sq_wrap(w->ctx, "table '%.*s'%s", SQ_FMT(w->spec->table->name), s == &w->key ? ", key" : "");
    SQ_TRY(rc);
    if (records != n)
        return sq_fail(w->ctx, SQ_INTERNAL, "format '%s' made %u records of %u rows", s->format->name, records, n);
    return s->text.n > UINT32_MAX ? sq_fail(w->ctx, SQ_LIMIT, "table '%.*s': %u rows are more than 4 GB of messages", SQ_FMT(w->spec->table->name), n) : SQ_OK;
}

/* Record i of what was encoded, which is of row r. */
static struct sq_slice record(const struct side *s, uint32_t i, uint32_t r)
{
    uint32_t from = i ? s->ends[i - 1] : 0;
    if (s->format->nulls && s->n == 1 && sq_vec_null(&s->vecs[0], r))
        return (struct sq_slice){NULL, 0};
    return (struct sq_slice){s->text.p ? s->text.p + from : "", s->ends[i] - from};
}

static bool listed(const struct writer *w, struct sq_str topic, const char *text)
{
    for (uint32_t i = 0; i < w->table->ntopics; i++)
        if (sq_str_is(topic, w->table->topic[i]))
            return true;
    return w->has_re && topic.n && topic.n <= 249 && regexec(&w->re, text, 0, NULL, 0) == 0;
}

static sq_rc find_topic(struct writer *w, const struct sq_batch *b, uint32_t r, struct sq_str *out)
{
    const struct sq_table_spec *t = w->spec->table;
    if (w->meta_topic < 0) {
        *out = sq_str_of(w->table->topic[0]);
        return SQ_OK;
    }
    const struct sq_vec *v = &b->cols[w->meta_topic];
    if (sq_vec_null(v, r))
        return sq_fail(w->ctx, SQ_DATA, "table '%.*s': a row names no topic (column '%.*s' is NULL)", SQ_FMT(t->name), SQ_FMT(t->cols[w->meta_topic].name));
    v = sq_vec_at(v, &r);
    struct sq_str s = sq_view_str((const struct sq_view *)v->data + r);
    if (!w->topic_text.n || !sq_str_eq(s, sq_buf_view(&w->topic_text))) {
        sq_buf_reset(&w->topic_text);
        SQ_TRY(sq_buf_str(&w->topic_text, s));
        if (!listed(w, s, w->topic_text.p ? w->topic_text.p : "")) {
            sq_buf_reset(&w->topic_text);
            return sq_fail(w->ctx, SQ_DATA, "table '%.*s': a row names the topic '%.*s', which is not one of '%s'", SQ_FMT(t->name), (int)(s.n < 249 ? s.n : 249), s.p,
                           w->table->ntopics ? "topic" : "topic-pattern");
        }
    }
    *out = sq_buf_view(&w->topic_text);
    return SQ_OK;
}

static sq_rc find_time(struct writer *w, const struct sq_batch *b, uint32_t r, int64_t *ms)
{
    *ms = -1;
    if (w->meta_time < 0 || sq_vec_null(&b->cols[w->meta_time], r))
        return SQ_OK;
    const struct sq_vec *v = sq_vec_at(&b->cols[w->meta_time], &r);
    int64_t us = ((const int64_t *)v->data)[r];
    if (us < 0)
        return sq_fail(w->ctx, SQ_DATA, "table '%.*s': a row has a timestamp before 1970, which kafka does not take", SQ_FMT(w->spec->table->name));
    *ms = us / 1000;
    return SQ_OK;
}

static struct sq_slice bytes_at(const struct sq_vec *v, uint32_t i)
{
    if (sq_vec_null(v, i))
        return (struct sq_slice){NULL, 0};
    v = sq_vec_at(v, &i);
    struct sq_str s = sq_view_str((const struct sq_view *)v->data + i);
    return (struct sq_slice){s.p, s.n};
}

/* FLINK: an entry without a name or a value is left out. */
static sq_rc find_headers(struct writer *w, const struct sq_batch *b, uint32_t r, struct sq_kafka_record *out)
{
    if (w->meta_headers < 0 || sq_vec_null(&b->cols[w->meta_headers], r))
        return SQ_OK;
    const struct sq_vec *v = sq_vec_at(&b->cols[w->meta_headers], &r);
    const struct sq_list *l = (const struct sq_list *)v->data + r;
    out->headers = w->headers;
    for (uint32_t i = 0; i < l->len; i++) {
        struct sq_slice name = bytes_at(&v->child[0], l->off + i), value = bytes_at(&v->child[1], l->off + i);
        if (!name.p || !value.p)
            continue;
        if (out->nheaders == SQ_KAFKA_HEADERS_MAX)
            return sq_fail(w->ctx, SQ_LIMIT, "table '%.*s': a row has more than %d headers", SQ_FMT(w->spec->table->name), SQ_KAFKA_HEADERS_MAX);
        w->headers[out->nheaders++] = (struct sq_kafka_header){{name.p, (uint32_t)name.n}, value};
    }
    return SQ_OK;
}

static sq_rc send_row(struct writer *w, const struct sq_batch *b, uint32_t r, struct sq_slice key, struct sq_slice value)
{
    struct sq_kafka_record m = {.key = key, .value = value};
    SQ_TRY(find_topic(w, b, r, &m.topic));
    SQ_TRY(find_time(w, b, r, &m.ts_ms));
    SQ_TRY(find_headers(w, b, r, &m));
    return w->transactional ? sq_kafka_txn_send(&w->txn, &m) : sq_kafka_produce(&w->producer, &m);
}

static bool same(struct sq_slice a, struct sq_slice b) { return a.n == b.n && (a.p != NULL) == (b.p != NULL) && (!a.n || memcmp(a.p, b.p, a.n) == 0); }

/* Rows sel[0..n) of an upsert table: a row that goes, and whose key comes again right behind it, needs no message. */
static sq_rc send_upserts(struct writer *w, const struct sq_batch *b, const uint32_t *sel, uint32_t n)
{
    uint32_t nlive = 0, live = 0;
    for (uint32_t i = 0; i < n; i++)
        if (sq_kind_adds(sq_row_kind(b, sel[i])))
            w->live[nlive++] = sel[i];
    SQ_TRY(encode(w, &w->value, b, w->live, nlive));
    for (uint32_t i = 0; i < n; i++) {
        struct sq_slice key = record(&w->key, i, sel[i]), none = {NULL, 0};
        bool adds = sq_kind_adds(sq_row_kind(b, sel[i]));
        if (!adds && i + 1 < n && sq_kind_adds(sq_row_kind(b, sel[i + 1])) && same(key, record(&w->key, i + 1, sel[i + 1])))
            continue;
        SQ_TRY(send_row(w, b, sel[i], key, adds ? record(&w->value, live, sel[i]) : none));
        live += adds;
    }
    return SQ_OK;
}

static sq_rc send_rows(struct writer *w, const struct sq_batch *b, const uint32_t *sel, uint32_t n)
{
    w->producer.turn++;
    if (w->key.encoder)
        SQ_TRY(encode(w, &w->key, b, sel, n));
    if (w->table->upsert)
        return send_upserts(w, b, sel, n);
    SQ_TRY(encode(w, &w->value, b, sel, n));
    for (uint32_t i = 0; i < n; i++) {
        struct sq_slice none = {NULL, 0};
        SQ_TRY(send_row(w, b, sel[i], w->key.encoder ? record(&w->key, i, sel[i]) : none, record(&w->value, i, sel[i])));
    }
    return SQ_OK;
}

/* Encoded texts are kept below some GB also where messages may be big. */
static sq_rc write_batch(struct writer *w, const struct sq_batch *b)
{
    int64_t most = (INT64_C(1) << 31) / w->table->props.max_request;
    uint32_t step = most < 1 ? 1 : most < SQ_BATCH_ROWS ? (uint32_t)most : SQ_BATCH_ROWS;
    for (uint32_t i = 0; i < b->nsel; i++)
        w->sel[i] = sq_row(b, i);
    for (uint32_t i = 0; i < b->nsel; i += step)
        SQ_TRY(send_rows(w, b, w->sel + i, b->nsel - i < step ? b->nsel - i : step));
    return SQ_OK;
}

/* ---- the buffer ---- */

static sq_rc drain(struct writer *w)
{
    for (size_t at = 0; at < w->buffer.n;) {
        SQ_TRY(sq_sink_rows_next(&w->buffer, SQ_ROWS_ALL, &at));
        SQ_TRY(write_batch(w, sq_out_batch(&w->buffer.out)));
    }
    sq_sink_rows_clear(&w->buffer);
    return SQ_OK;
}

static bool due(const struct writer *w)
{
    int64_t now = w->buffer.n ? w->ctx->os->mono_ns(w->ctx->os->arg) : 0;
    return w->buffer.n && (now - w->first_ns) / 1000000 >= w->table->options.flush_ms;
}

static sq_rc buffer_batch(struct writer *w, const struct sq_batch *b)
{
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t r = sq_row(b, i);
        if (w->buffer.n == 0)
            w->first_ns = w->ctx->os->mono_ns(w->ctx->os->arg);
        SQ_TRY(sq_sink_rows_add(&w->buffer, b, r, !sq_kind_adds(sq_row_kind(b, r))));
        if ((int64_t)w->buffer.n >= w->table->options.flush_rows || w->buffer.bytes.n >= BUFFER_BYTES)
            SQ_TRY(drain(w));
    }
    return due(w) ? drain(w) : SQ_OK;
}

/* ---- the calls ---- */

static sq_rc kafka_write(struct sq_writer *self, const struct sq_batch *b)
{
    struct writer *w = writer_of(self);
    if (!w->transactional)
        SQ_TRY(sq_kafka_producer_check(&w->producer));
    return w->buffers ? buffer_batch(w, b) : write_batch(w, b);
}

/* Between batches: librdkafka sends by itself; what failed is found here too. */
static sq_rc kafka_flush(struct sq_writer *self)
{
    struct writer *w = writer_of(self);
    if (w->buffers && due(w))
        SQ_TRY(drain(w));
    return sq_kafka_producer_check(&w->producer);
}

static sq_rc kafka_finish(struct sq_writer *self)
{
    struct writer *w = writer_of(self);
    if (w->buffers)
        SQ_TRY(drain(w));
    if (!w->transactional)
        return sq_kafka_producer_flush(&w->producer);
    SQ_TRY(sq_kafka_txn_flush(&w->txn));
    return w->txn.begun ? sq_kafka_txn_commit(&w->txn, 0) : SQ_OK;
}

static sq_rc kafka_marker(struct sq_writer *self, uint64_t *epoch) { return sq_kafka_txn_marker(&writer_of(self)->txn, epoch); }

static sq_rc kafka_set_marker(struct sq_writer *self, uint64_t epoch)
{
    struct writer *w = writer_of(self);
    w->txn.marked = false;
    SQ_TRY(sq_kafka_txn_commit(&w->txn, epoch));
    w->txn.marked = true;
    return SQ_OK;
}

static void kafka_last(struct sq_writer *self, bool input_ended)
{
    (void)input_ended;
    writer_of(self)->last = true;
}

static sq_rc kafka_prepare(struct sq_writer *self, uint64_t epoch, struct sq_buf *pending)
{
    struct writer *w = writer_of(self);
    if (w->buffers)
        SQ_TRY(drain(w));
    if (!w->transactional)
        return w->table->options.guarantee == SQ_KAFKA_NO_GUARANTEE && !w->last ? sq_kafka_producer_check(&w->producer) : sq_kafka_producer_flush(&w->producer);
    SQ_TRY(sq_kafka_txn_follows(&w->txn, epoch));
    SQ_TRY(sq_kafka_txn_flush(&w->txn));
    if (!pending)
        return SQ_OK;
    if (!w->txn.keeps)
        return sq_fail(w->ctx, SQ_INTERNAL, "table '%.*s': the messages of the epoch were not kept", SQ_FMT(w->spec->table->name));
    return sq_kafka_txn_save(&w->txn, pending);
}

static sq_rc kafka_recover(struct sq_writer *self, uint64_t epoch, struct sq_str pending)
{
    struct writer *w = writer_of(self);
    if (!w->transactional || (w->txn.marked && w->txn.marker >= epoch))
        return SQ_OK;                                   /* it is visible */
    return sq_kafka_txn_recover(&w->txn, pending);
}

static sq_rc kafka_commit(struct sq_writer *self, uint64_t epoch)
{
    struct writer *w = writer_of(self);
    if (!w->transactional || (w->txn.marked && w->txn.marker == epoch && !w->txn.begun))
        return SQ_OK;
    SQ_TRY(sq_kafka_txn_follows(&w->txn, epoch));
    return sq_kafka_txn_commit(&w->txn, epoch);
}

static size_t kafka_pending(struct sq_writer *self)
{
    const struct writer *w = writer_of(self);
    return w->txn.kept.n + w->buffer.bytes.n;
}

const struct sq_sink_class sq_kafka_sink = {
    .accepts = SQ_MODE_INSERT | SQ_MODE_UPSERT | SQ_MODE_RETRACT, .accept = sq_kafka_accept, .shows_changes = sq_kafka_shows_changes, .open = kafka_open,
    .write = kafka_write, .flush = kafka_flush, .finish = kafka_finish, .close = kafka_close, .promise = sq_kafka_promise, .marker = kafka_marker,
    .set_marker = kafka_set_marker, .prepare = kafka_prepare, .recover = kafka_recover, .commit = kafka_commit, .last = kafka_last, .pending_bytes = kafka_pending,
};
#endif
