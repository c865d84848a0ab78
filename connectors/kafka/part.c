/* SPDX-License-Identifier: Apache-2.0
 *
 * part.c: the partitions of a reader: where each begins and ends, its position, and what goes wrong with it.
 *
 * Position: the next offset; how many rows of that message were handed on already (a message may be an array); and of the last message before it the
 * offset and a mark (its time and its value, hashed). A restored partition is read from that message on, which must still be the same: a
 * topic that was deleted and made anew in between is found out, also where it has the offset again. When only that message is gone, reading goes on behind it.
 * The same is done while the job runs, when a broker says that it has no such topic (sq_kafka_doubt).
 *
 * An end: a message at or behind the stop offset comes, or the log's end is reached there. Offsets may have holes (compaction, the marks of
 * transactions), so counting would not do.
 *
 * An offset that is not there (the log begins behind it, or ends before it) is an error that names the offsets; with 'properties.auto.offset.reset' =
 * 'earliest' or 'latest' the partition goes on there, and a notice says what was left out. FLINK: the start mode decides, in silence: earliest-offset begins at
 * the earliest again, latest-offset at the latest; only group-offsets looks at the property.
 */
#ifdef SQ_HAVE_KAFKA
#include "connectors/kafka/reader.h"
#include "connectors/sink_rows.h"

#include <stdio.h>

enum { POSITION_BYTES = 28 };

static struct sq_kafka_reader *reader_of(struct sq_reader *self) { return (struct sq_kafka_reader *)(void *)self; }

/* ---- positions ---- */

uint64_t sq_kafka_mark(int64_t time_ms, struct sq_slice value)
{
    return sq_hash_of((uint64_t)time_ms * 0xff51afd7ed558ccdu, value.p, value.n);
}

static bool read_position(struct sq_str s, struct sq_kafka_part *p)
{
    if (s.n != POSITION_BYTES)
        return false;
    memcpy(&p->next, s.p, 8);
    memcpy(&p->drop, s.p + 8, 4);
    memcpy(&p->last, s.p + 12, 8);
    memcpy(&p->mark, s.p + 20, 8);
    return (p->next >= 0 || p->next == SQ_KAFKA_BEGINNING) && p->last >= -1 && p->last < (p->next >= 0 ? p->next : 0);
}

sq_rc sq_kafka_part_position(struct sq_reader *self, uint32_t split, struct sq_buf *out)
{
    struct sq_kafka_reader *r = reader_of(self);
    if (split >= r->nparts)
        return sq_fail(r->ctx, SQ_INTERNAL, "there is no split %u", split);
    const struct sq_kafka_part *p = &r->parts[split];
    sq_buf_u64(out, (uint64_t)p->next);
    sq_buf_u32(out, p->next_rows + p->drop);
    sq_buf_u64(out, (uint64_t)p->last);
    return sq_buf_u64(out, p->mark);
}

sq_rc sq_kafka_show_position(struct sq_str position, struct sq_buf *out)
{
    struct sq_kafka_part p = {0};
    if (!read_position(position, &p))
        return sq_buf_puts(out, "damaged");
    if (p.next < 0)
        return sq_buf_puts(out, "its beginning");
    sq_buf_printf(out, "offset %lld", (long long)p.next);
    return p.drop ? sq_buf_printf(out, ", row %u", p.drop) : out->rc;
}

/* ---- partitions ---- */

sq_rc sq_kafka_add_part(struct sq_kafka_reader *r, const struct sq_split *in, struct sq_str position)
{
    struct sq_kafka_part p = {.last = -1, .commit = -1};
    size_t cur = r->cur ? (size_t)(r->cur - r->parts) : 0;
    SQ_TRY(sq_grow(r->ctx, &r->parts, &r->cap_parts, r->nparts + 1, sizeof *r->parts));
    if (r->cur)
        r->cur = r->parts + cur;
    char *id = sq_str_copy(r->ctx, in->id), *payload = sq_str_copy(r->ctx, in->payload);
    p.id = (struct sq_str){id, in->id.n};
    p.payload = (struct sq_str){payload, in->payload.n};
    bool good = id && payload && sq_kafka_range_read(p.payload, &p.range);
    p.next = good ? p.range.start : 0;
    if (good && position.p)
        good = read_position(position, &p);
    if (!good) {
        sq_rc rc = id && payload ? sq_fail(r->ctx, SQ_INTERNAL, "split '%.*s' is damaged", SQ_FMT(in->id)) : SQ_NOMEM;
        sq_free(r->ctx, id);
        sq_free(r->ctx, payload);
        return rc;
    }
    p.checking = p.last >= 0;
    r->parts[r->nparts++] = p;
    return r->connected ? sq_kafka_start_part(r, &r->parts[r->nparts - 1]) : SQ_OK;
}

static sq_rc failed(struct sq_kafka_reader *r, const struct sq_kafka_part *p, const char *text)
{
    if (p->next >= 0)
        return sq_fail(r->ctx, SQ_EXTERNAL, "topic %s, partition %d, offset %lld: %s", p->range.topic, p->range.partition, (long long)p->next, text);
    return sq_fail(r->ctx, SQ_EXTERNAL, "topic %s, partition %d: %s", p->range.topic, p->range.partition, text);
}

static sq_rc start_at(struct sq_kafka_reader *r, struct sq_kafka_part *p, int64_t from)
{
    if (r->client.api.consume_start_queue(p->rkt, p->range.partition, from == SQ_KAFKA_BEGINNING ? RD_KAFKA_OFFSET_BEGINNING : from, r->queue) != 0)
        return failed(r, p, r->client.api.err2str(r->client.api.last_error()));
    p->reading = true;
    return SQ_OK;
}

void sq_kafka_stop_part(struct sq_kafka_reader *r, struct sq_kafka_part *p)
{
    if (p->reading)
        r->client.api.consume_stop(p->rkt, p->range.partition);
    p->reading = false;
    p->ended = true;
    r->ended++;
}

/* ---- offsets that are not there ---- */

static sq_rc ask_range(struct sq_kafka_reader *r, const struct sq_kafka_part *p, int64_t *low, int64_t *high)
{
    struct sq_kafka_wait w;
    rd_kafka_resp_err_t err;
    SQ_TRY(sq_kafka_wait_begin(&r->client, &w));
    while ((err = r->client.api.query_watermark_offsets(r->client.rk, p->range.topic, p->range.partition, low, high, SQ_KAFKA_STEP_MS)) != RD_KAFKA_RESP_ERR_NO_ERROR)
        SQ_TRY(sq_kafka_wait_again(&r->client, &w, err, "offsets"));
    return SQ_OK;
}

static sq_rc restart(struct sq_kafka_reader *r, struct sq_kafka_part *p, int64_t from)
{
    if (p->reading)
        r->client.api.consume_stop(p->rkt, p->range.partition);
    p->reading = p->checking = false;
    return p->rkt ? start_at(r, p, from) : SQ_OK;       /* else it was not begun yet */
}

/* The offset to be read next is not in the log. */
static sq_rc out_of_range(struct sq_kafka_reader *r, struct sq_kafka_part *p)
{
    const char *reset = r->table->props.reset;
    int64_t low, high;
    char there[100];
    SQ_TRY(ask_range(r, p, &low, &high));
    if (p->checking && p->next >= low && p->next <= high)
        return restart(r, p, p->next);                  /* only the message before it is gone */
    if (low < high)
        snprintf(there, sizeof there, "the log has the offsets %lld to %lld", (long long)low, (long long)high - 1);
    else
        snprintf(there, sizeof there, "the log is empty, its next offset is %lld", (long long)high);
    if (reset) {
        bool latest = strcmp(reset, "latest") == 0;
        sq_notice(r->ctx, "topic %s, partition %d: offset %lld was to be read, and %s: it goes on at %lld ('properties.auto.offset.reset' = '%s')", p->range.topic, p->range.partition,
                  (long long)p->next, there, (long long)(latest ? high : low), reset);
        p->next = latest ? high : low;
        p->last = -1;
        p->next_rows = p->drop = 0;
        return restart(r, p, p->next);
    }
    sq_fail(r->ctx, SQ_EXTERNAL, "topic %s, partition %d: offset %lld was to be read, and %s", p->range.topic, p->range.partition, (long long)p->next, there);
    sq_lasting(r->ctx);
    if (p->next > high)
        return sq_hint(r->ctx, "was the topic deleted and made anew? 'properties.auto.offset.reset' = 'earliest' reads it from its beginning");
    return sq_hint(r->ctx, "messages were deleted before they were read; 'properties.auto.offset.reset' = 'earliest' goes on with what is there");
}

/* ---- beginning ---- */

sq_rc sq_kafka_start_part(struct sq_kafka_reader *r, struct sq_kafka_part *p)
{
    if (p->next > p->range.stop && (r->spec->available_now || r->table->options.bounded == SQ_KAFKA_TO_LATEST))
        SQ_TRY(out_of_range(r, p));                     /* behind the log's end */
    if (p->next >= p->range.stop) {
        p->ended = true;
        r->ended++;
        return SQ_OK;
    }
    p->rkt = r->client.api.topic_new(r->client.rk, p->range.topic, NULL);
    if (!p->rkt)
        return failed(r, p, r->client.api.err2str(r->client.api.last_error()));
    return start_at(r, p, p->checking ? p->last : p->next);
}

sq_rc sq_kafka_find_ends(struct sq_kafka_reader *r)
{
    struct sq_kafka_range *at = sq_calloc(r->ctx, (r->nparts + 1) * sizeof *at);
    sq_rc rc = at ? SQ_OK : SQ_NOMEM;
    for (size_t i = 0; at && i < r->nparts; i++)
        at[i] = r->parts[i].range;
    if (at)
        rc = sq_kafka_ends(&r->client, at, r->nparts);
    for (size_t i = 0; rc == SQ_OK && i < r->nparts; i++)
        if (at[i].stop < r->parts[i].range.stop)
            r->parts[i].range.stop = at[i].stop;
    sq_free(r->ctx, at);
    return rc;
}

/* ---- what comes instead of messages ---- */

static sq_rc at_end(struct sq_kafka_reader *r, struct sq_kafka_part *p, int64_t offset)
{
    r->client.down = false;
    if (p->next >= 0 && offset < p->next)
        return out_of_range(r, p);                      /* the log is shorter than it was */
    p->checking = false;
    p->next = offset;
    if (offset >= p->range.stop)
        sq_kafka_stop_part(r, p);
    return SQ_OK;
}

sq_rc sq_kafka_part_event(struct sq_kafka_reader *r, uint32_t i)
{
    struct sq_kafka_part *p = r->from_part[i] < r->nparts ? &r->parts[r->from_part[i]] : NULL;
    rd_kafka_resp_err_t err = r->err[i];
    if (!p || p->ended)
        return SQ_OK;
    if (err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return at_end(r, p, r->offset[i]);
    if (err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
        return out_of_range(r, p);
    if (sq_kafka_transient(err))
        return SQ_OK;                                   /* tried again by librdkafka */
    failed(r, p, r->said[0] ? r->said : r->client.api.err2str(err));
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
        sq_lasting(r->ctx);
        return sq_hint(r->ctx, "was the topic deleted while the job ran?");
    }
    return SQ_EXTERNAL;
}

sq_rc sq_kafka_part_check(struct sq_kafka_reader *r, struct sq_kafka_part *p, uint32_t i, bool *skip)
{
    *skip = r->offset[i] < p->next;
    if (!*skip)
        p->checking = false;
    if (r->offset[i] != p->last || sq_kafka_mark(r->time_ms[i], r->rec[i]) == p->mark)
        return SQ_OK;
    sq_fail(r->ctx, SQ_EXTERNAL, "topic %s, partition %d: offset %lld holds another message than the one that was read", p->range.topic, p->range.partition,
            (long long)p->last);
    sq_lasting(r->ctx);
    return sq_hint(r->ctx, "was the topic deleted and made anew? What was read of it is part of the job's state: begin without the checkpoint");
}

sq_rc sq_kafka_doubt(struct sq_kafka_reader *r)
{
    r->client.doubt = false;
    for (size_t i = 0; i < r->nparts; i++) {
        struct sq_kafka_part *p = &r->parts[i];
        if (!p->reading || p->last < 0)
            continue;                                   /* nothing was read that it could be compared with */
        SQ_TRY(restart(r, p, p->last));
        p->checking = true;
        for (uint32_t m = 0; m < r->nmsg; m++)
            if (r->from_part[m] == i)
                r->from_part[m] = UINT32_MAX;           /* what came already comes again */
    }
    return SQ_OK;
}

/* ---- telling the group ---- */

void sq_kafka_commit_offsets(struct sq_kafka_reader *r, bool wait)
{
    const struct sq_kafka_api *k = &r->client.api;
    rd_kafka_topic_partition_list_t *tp = NULL;
    for (size_t i = 0; i < r->nparts; i++) {
        struct sq_kafka_part *p = &r->parts[i];
        int64_t at = r->epochs ? p->commit : p->moved ? p->next : -1;
        if (at < 0)
            continue;
        if (!tp)
            tp = k->topic_partition_list_new((int)r->nparts);
        k->topic_partition_list_add(tp, p->range.topic, p->range.partition)->offset = at;
        p->moved = false;
        p->commit = -1;
    }
    if (!tp)
        return;
    k->commit(r->client.rk, tp, !wait);                 /* at least once: what could not be committed is read again */
    k->topic_partition_list_destroy(tp);
}

/* FLINK: as there, where a group was named; then 'enable.auto.commit' says nothing more. */
void sq_kafka_committed(struct sq_reader *self, uint32_t split, struct sq_str position)
{
    struct sq_kafka_reader *r = reader_of(self);
    struct sq_kafka_part at = {0};
    r->epochs = true;
    if (split < r->nparts && r->table->props.group_given && read_position(position, &at) && at.next >= 0)
        r->parts[split].commit = at.next;
}
#endif
