/* SPDX-License-Identifier: Apache-2.0
 *
 * decode.c: the messages of one partition, side by side in the reader's buffer, as rows. See source.c for where they come from.
 *
 * Keys: the run's keys are decoded before its values, into columns of their own; the output's columns refer to them as dictionaries. A message
 * whose key gives no row gives none either (as in Flink), and is counted as filtered. A message without a value is filtered too.
 *
 * Upserts (connector upsert-kafka): the key's columns come from the key, and a message without a value is a deletion: a row of the key's columns and
 * NULLs. In a run with such messages the output's columns refer to the decoded rows, and to one row of NULLs behind them, as dictionaries.
 * FLINK: where the value holds the key's columns too, it takes them from there.
 */
#ifdef SQ_HAVE_KAFKA
#include "connectors/kafka/reader.h"

enum { RAW_SHOWN = 4096 };

/* ---- columns ---- */

struct columns { const struct sq_type **type[3]; struct sq_table_column *wanted[2]; uint32_t n[3]; };

/* Where the column stands among the fields of the value's record, for formats that go by position. */
static void place_in_value(const struct sq_kafka_reader *r, uint32_t at, struct sq_table_column *named)
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
static sq_rc place_columns(struct sq_kafka_reader *r, struct columns *c)
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

static sq_rc open_decoders(struct sq_kafka_reader *r, const struct columns *c)
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

sq_rc sq_kafka_open_columns(struct sq_kafka_reader *r)
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

void sq_kafka_close_columns(struct sq_kafka_reader *r)
{
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
}

/* ---- runs ---- */

static void move_record(struct sq_kafka_reader *r, uint32_t i, uint32_t to)
{
    if (i == to)
        return;
    r->rec[to] = r->rec[i];
    r->offset[to] = r->offset[i];
    r->time_ms[to] = r->time_ms[i];
    if (r->has_keys) {
        r->key[to] = r->key[i];
        r->key_row[to] = r->key_row[i];
    }
    if (r->extra) {                                     /* swapped: give_back finds every header */
        struct sq_kafka_extra x = r->extra[to];
        r->extra[to] = r->extra[i];
        r->extra[i] = x;
    }
}

static sq_rc failed(struct sq_kafka_reader *r, const struct sq_kafka_part *p, int64_t offset, bool key)
{
    return sq_wrap(r->ctx, "topic %s, partition %d, offset %lld%s", p->range.topic, p->range.partition, (long long)offset, key ? ", key" : "");
}

struct bad_arg { struct sq_kafka_reader *r; uint32_t first; const struct sq_slice *rec; };

static void bad_record(void *arg, uint32_t record, struct sq_str column, const char *reason)
{
    const struct bad_arg *b = arg;
    const struct sq_kafka_reader *r = b->r;
    struct sq_slice raw = b->rec[record];
    r->spec->bad(r->spec->bad_arg, r->cur->id, r->offset[b->first + record], column, reason,
                 (struct sq_str){raw.p, raw.n > RAW_SHOWN ? RAW_SHOWN : (uint32_t)raw.n});
}

/* The same for a run whose records are those of `live`. */
static void bad_live(void *arg, uint32_t record, struct sq_str column, const char *reason)
{
    const struct bad_arg *b = arg;
    const struct sq_kafka_reader *r = b->r;
    struct sq_slice raw = b->rec[record];
    r->spec->bad(r->spec->bad_arg, r->cur->id, r->offset[b->first + r->live_of[record]], column, reason,
                 (struct sq_str){raw.p, raw.n > RAW_SHOWN ? RAW_SHOWN : (uint32_t)raw.n});
}

/* Takes the messages out of the run that have no value (or no key). */
static void drop_nulls(struct sq_kafka_reader *r, const struct sq_slice *of)
{
    uint32_t n = r->done;
    for (uint32_t i = r->done; i < r->end; i++)
        if (of[i].p)
            move_record(r, i, n++);
    r->stats.filtered += r->end - n;
    r->end = n;
}

/* Decodes the keys of the run; messages whose key gives no row are taken out of it. */
static sq_rc decode_keys(struct sq_kafka_reader *r)
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
    r->stats.bad_values += d.nbad_values;
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

sq_rc sq_kafka_begin_run(struct sq_kafka_reader *r)
{
    uint32_t i = r->at, part = r->from_part[i];
    struct sq_kafka_part *p = part < r->nparts ? &r->parts[part] : NULL;
    bool nulls = false;
    if (!p || p->ended || r->offset[i] >= p->range.stop) {
        if (p && !p->ended)
            sq_kafka_stop_part(r, p);
        r->at++;
        return SQ_OK;
    }
    if (SQ_UNLIKELY(p->checking)) {
        bool skip;
        SQ_TRY(sq_kafka_part_check(r, p, i, &skip));
        r->at += skip;
        if (skip)
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
        sq_kafka_stop_part(r, p);                                /* no need to wait for the log's end */
    return SQ_OK;
}

/* ---- rows ---- */

static sq_rc append_headers(struct sq_kafka_reader *r, struct sq_col *col, const rd_kafka_headers_t *h)
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

static sq_rc append_meta(struct sq_kafka_reader *r, struct sq_col *col, int kind, uint32_t record)
{
    const struct sq_kafka_extra *i = &r->extra[record];
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
static sq_rc fill_meta(struct sq_kafka_reader *r, uint32_t base, uint32_t n)
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

static sq_rc make_batch(struct sq_kafka_reader *r, uint32_t base, uint32_t dropped)
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
static sq_rc decode_live(struct sq_kafka_reader *r)
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
    r->stats.bad_values += d.nbad_values;
    r->stats.filtered += d.nfiltered;
    return SQ_OK;
}

/* Messages of the run up to here are done with: the last of them marks the place. */
static void read_up_to(struct sq_kafka_reader *r, uint32_t end)
{
    r->cur->last = r->offset[end - 1];
    r->cur->mark = sq_kafka_mark(r->time_ms[end - 1], r->rec[end - 1]);
}

/* A run with deletions: puts their rows between those of the values. */
static sq_rc decode_deletes(struct sq_kafka_reader *r, struct sq_poll *out)
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
    read_up_to(r, r->end);
    r->done = r->end;
    r->cur->next = r->run_next;
    r->cur->next_rows = r->cur->drop = 0;
    r->stats.rows += n;
    if (n)
        *out = (struct sq_poll){.state = SQ_POLL_ROWS, .split = (uint32_t)(r->cur - r->parts), .batch = &r->batch};
    return SQ_OK;
}

sq_rc sq_kafka_decode(struct sq_kafka_reader *r, struct sq_poll *out)
{
    if (r->deletes)
        return decode_deletes(r, out);
    struct sq_kafka_part *p = r->cur;
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
    if (d.consumed)
        read_up_to(r, r->done);
    p->next = r->done < r->end ? r->offset[r->done] : r->run_next;
    r->stats.bad += d.nbad;
    r->stats.bad_values += d.nbad_values;
    r->stats.filtered += d.nfiltered;
    if (r->out.n > dropped) {
        r->stats.rows += r->out.n - dropped;
        SQ_TRY(make_batch(r, base, dropped));
        *out = (struct sq_poll){.state = SQ_POLL_ROWS, .split = (uint32_t)(p - r->parts), .batch = &r->batch};
    }
    return SQ_OK;
}
#endif
