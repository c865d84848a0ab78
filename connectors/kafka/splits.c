/* SPDX-License-Identifier: Apache-2.0
 *
 * splits.c: the partitions of a table's topics, and the offsets at which each begins and ends. Everything is looked up when the job
 * starts, with a client that lives as long as that: 'latest-offset' is what was the end then, whenever the reader gets to it.
 *
 * FLINK: partitions found later begin at their first message. A partition without a committed offset is an error unless
 * 'properties.auto.offset.reset' says where to begin; one that is not in 'scan.startup.specific-offsets' begins at the group's
 * offset, else at its first message; one that is not in 'scan.bounded.specific-offsets' is an error (Flink reads nothing of it).
 */
#ifdef SQ_HAVE_KAFKA
#include "connectors/kafka/client.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOPICS_SHOWN = 12 };

struct list {
    struct sq_kafka_client *c;
    struct sq_arena *arena;
    struct sq_kafka_range *at;
    size_t n, cap;                     /* at is of the context, grown */
};

/* ---- the payload of a split ---- */

sq_rc sq_kafka_range_write(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_kafka_range *r, struct sq_split *out)
{
    struct sq_buf b;
    char *id = sq_arena_printf(arena, "%s-%d", r->topic, r->partition);
    sq_buf_init(&b, ctx);
    sq_buf_u32(&b, (uint32_t)r->partition);
    sq_buf_u64(&b, (uint64_t)r->start);
    sq_buf_u64(&b, (uint64_t)r->stop);
    sq_buf_add(&b, r->topic, strlen(r->topic) + 1);
    *out = (struct sq_split){sq_str_of(id), b.rc == SQ_OK ? sq_str_dup(arena, sq_buf_view(&b)) : (struct sq_str){NULL, 0}};
    sq_buf_free(&b);
    return id && out->payload.p ? SQ_OK : SQ_NOMEM;
}

bool sq_kafka_range_read(struct sq_str p, struct sq_kafka_range *r)
{
    if (p.n < 22 || p.p[p.n - 1] != 0 || memchr(p.p + 20, 0, p.n - 20) != p.p + p.n - 1)
        return false;
    memcpy(&r->partition, p.p, 4);
    memcpy(&r->start, p.p + 4, 8);
    memcpy(&r->stop, p.p + 12, 8);
    r->topic = p.p + 20;
    return r->partition >= 0;
}

/* ---- the topics' partitions ---- */

static sq_rc add_topic(struct list *l, const struct rd_kafka_metadata_topic *t)
{
    struct sq_str name = sq_str_dup(l->arena, sq_str_of(t->topic));
    if (!name.p)
        return SQ_NOMEM;
    SQ_TRY(sq_grow(l->c->ctx, &l->at, &l->cap, l->n + (size_t)t->partition_cnt, sizeof *l->at));
    for (int i = 0; i < t->partition_cnt; i++)
        l->at[l->n++] = (struct sq_kafka_range){name.p, t->partitions[i].id, SQ_KAFKA_BEGINNING, INT64_MAX};
    return SQ_OK;
}

sq_rc sq_kafka_no_topic(struct sq_kafka_client *c, struct sq_arena *arena, const char *topic)
{
    const struct rd_kafka_metadata *md = NULL;
    struct sq_str near, *names;
    char shown[SQ_HINT_MAX / 2] = "";
    size_t at = 0;
    sq_fail(c->ctx, SQ_EXTERNAL, "kafka at '%s' has no topic '%s'", c->table->props.servers, topic);
    sq_lasting(c->ctx);
    if (c->api.metadata(c->rk, 1, NULL, &md, SQ_KAFKA_STEP_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return SQ_EXTERNAL;
    names = SQ_NEW_ARRAY(arena, struct sq_str, md->topic_cnt + 1);
    uint32_t n = 0;
    for (int i = 0; names && i < md->topic_cnt; i++) {
        if (strncmp(md->topics[i].topic, "__", 2) == 0)
            continue;
        names[n] = sq_str_of(md->topics[i].topic);
        int w = n < TOPICS_SHOWN ? snprintf(shown + at, sizeof shown - at, "%s'%.*s'", n ? ", " : "", SQ_FMT(names[n])) : 0;
        if (w > 0 && (size_t)w < sizeof shown - at)
            at += (size_t)w;
        shown[at] = 0;
        n++;
    }
    near = names ? sq_nearest(sq_str_of(topic), names, n) : (struct sq_str){NULL, 0};
    if (near.n)
        sq_hint(c->ctx, "did you mean '%.*s'?", SQ_FMT(near));
    else if (n)
        sq_hint(c->ctx, "it has %s%s", shown, n > TOPICS_SHOWN ? ", …" : "");
    else
        sq_hint(c->ctx, "it has no topics at all");
    c->api.metadata_destroy(md);
    return SQ_EXTERNAL;
}

static rd_kafka_resp_err_t ask_topic(struct list *l, const char *topic, int timeout_ms, sq_rc *rc)
{
    struct sq_kafka_client *c = l->c;
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_topic_t *rkt = c->api.topic_new(c->rk, topic, NULL);
    if (!rkt)
        return c->api.last_error();
    rd_kafka_resp_err_t err = c->api.metadata(c->rk, 0, rkt, &md, timeout_ms);
    c->api.topic_destroy(rkt);
    if (err)
        return err;
    err = md->topic_cnt == 1 ? md->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (!err && md->topics[0].partition_cnt == 0)
        err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    if (!err)
        *rc = add_topic(l, &md->topics[0]);
    c->api.metadata_destroy(md);
    return err;
}

static rd_kafka_resp_err_t ask_pattern(struct list *l, const regex_t *re, int timeout_ms, sq_rc *rc)
{
    struct sq_kafka_client *c = l->c;
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t err = c->api.metadata(c->rk, 1, NULL, &md, timeout_ms);
    if (err)
        return err;
    for (int i = 0; i < md->topic_cnt && *rc == SQ_OK; i++)
        if (!md->topics[i].err && regexec(re, md->topics[i].topic, 0, NULL, 0) == 0)
            *rc = add_topic(l, &md->topics[i]);
    c->api.metadata_destroy(md);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static sq_rc compile(struct list *l, regex_t *re)
{
    const char *why, *text = sq_kafka_pattern(l->arena, l->c->table->options.topic_pattern, &why);
    char msg[128] = "out of memory";
    int err = text ? regcomp(re, text, REG_EXTENDED | REG_NOSUB) : REG_ESPACE;
    if (!err)
        return SQ_OK;
    if (text)
        regerror(err, re, msg, sizeof msg);
    return sq_fail(l->c->ctx, SQ_SEMANTIC, "'topic-pattern': '%.*s' is not a regular expression: %s", SQ_FMT(l->c->table->options.topic_pattern), msg);
}

static sq_rc list_partitions(struct list *l)
{
    struct sq_kafka_client *c = l->c;
    struct sq_kafka_wait w;
    sq_rc rc = SQ_OK;
    rd_kafka_resp_err_t err;
    SQ_TRY(sq_kafka_wait_begin(c, &w));
    if (!c->table->ntopics) {
        regex_t re;
        SQ_TRY(compile(l, &re));
        while (rc == SQ_OK && (err = ask_pattern(l, &re, SQ_KAFKA_STEP_MS, &rc)) != RD_KAFKA_RESP_ERR_NO_ERROR)
            rc = sq_kafka_wait_again(c, &w, err, "the topics");
        regfree(&re);
        return rc;
    }
    for (uint32_t i = 0; i < c->table->ntopics; i++)
        while (rc == SQ_OK && (err = ask_topic(l, c->table->topic[i], SQ_KAFKA_STEP_MS, &rc)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
                return sq_kafka_no_topic(c, l->arena, c->table->topic[i]);
            if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
                return sq_fail(c->ctx, SQ_EXTERNAL, "kafka at '%s' does not let this user read the topic '%s'", c->table->props.servers, c->table->topic[i]);
            rc = sq_kafka_wait_again(c, &w, err, "the topics");
        }
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct sq_kafka_range *x = a, *y = b;
    int c = strcmp(x->topic, y->topic);
    return c ? c : (x->partition > y->partition) - (x->partition < y->partition);
}

/* ---- offsets ---- */

enum { LATEST = -1, EARLIEST = -2, COMMITTED = -3 };   /* instead of a timestamp */

static rd_kafka_resp_err_t lookup(struct list *l, int64_t when, int64_t *out, const struct sq_kafka_range **bad)
{
    struct sq_kafka_client *c = l->c;
    rd_kafka_topic_partition_list_t *tp = c->api.topic_partition_list_new((int)l->n);
    rd_kafka_resp_err_t err;
    *bad = NULL;
    for (size_t i = 0; i < l->n; i++)
        c->api.topic_partition_list_add(tp, l->at[i].topic, l->at[i].partition)->offset = when;
    err = when == COMMITTED ? c->api.committed(c->rk, tp, SQ_KAFKA_STEP_MS) : c->api.offsets_for_times(c->rk, tp, SQ_KAFKA_STEP_MS);
    for (size_t i = 0; !err && i < l->n; i++) {
        out[i] = tp->elems[i].offset;
        err = tp->elems[i].err;
        if (err)
            *bad = &l->at[i];
    }
    c->api.topic_partition_list_destroy(tp);
    return err;
}

/* Of every partition: its end, its beginning, the group's offset (negative: none), or the first offset not older than a timestamp (negative:
 * none). */
static sq_rc offsets(struct list *l, int64_t when, int64_t **out)
{
    const struct sq_kafka_range *bad;
    struct sq_kafka_wait w;
    rd_kafka_resp_err_t err;
    char what[400];
    *out = SQ_NEW_ARRAY(l->arena, int64_t, l->n + 1);
    if (!*out)
        return SQ_NOMEM;
    SQ_TRY(sq_kafka_wait_begin(l->c, &w));
    while (l->n && (err = lookup(l, when, *out, &bad)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        snprintf(what, sizeof what, when == COMMITTED ? "the offsets of group '%.100s'" : "offsets", l->c->table->props.group);
        if (bad)
            snprintf(what, sizeof what, "the offset of topic %s, partition %d", bad->topic, bad->partition);
        SQ_TRY(sq_kafka_wait_again(l->c, &w, err, what));
    }
    return SQ_OK;
}

static const struct sq_kafka_offset *listed(const struct sq_kafka_offsets *o, int32_t partition)
{
    for (uint32_t i = 0; i < o->n; i++)
        if (o->at[i].partition == partition)
            return &o->at[i];
    return NULL;
}

static sq_rc all_exist(struct list *l, const struct sq_kafka_offsets *o, const char *key)
{
    for (uint32_t i = 0; i < o->n; i++) {
        size_t k = 0;
        while (k < l->n && l->at[k].partition != o->at[i].partition)
            k++;
        if (k == l->n)
            return sq_fail(l->c->ctx, SQ_EXTERNAL, "'%s': topic '%s' has no partition %d; it has %zu", key, l->c->table->topic[0], o->at[i].partition, l->n);
    }
    return SQ_OK;
}

static sq_rc no_committed(struct list *l, const struct sq_kafka_range *r, const char *mode_key)
{
    sq_fail(l->c->ctx, SQ_EXTERNAL, "topic %s, partition %d: the group '%s' has no committed offset", r->topic, r->partition, l->c->table->props.group);
    if (strcmp(mode_key, "scan.startup.mode") == 0)
        return sq_hint(l->c->ctx, "'scan.startup.mode' is 'group-offsets': add 'properties.auto.offset.reset' = 'earliest' (or 'latest') for partitions without one, "
                                  "or take 'scan.startup.mode' = 'earliest-offset'");
    return sq_hint(l->c->ctx, "'%s' = 'group-offsets' needs one for every partition", mode_key);
}

static sq_rc start_group(struct list *l)
{
    int64_t *committed, *latest = NULL;
    const char *reset = l->c->table->props.reset;
    SQ_TRY(offsets(l, COMMITTED, &committed));
    if (reset && strcmp(reset, "latest") == 0)
        SQ_TRY(offsets(l, LATEST, &latest));
    for (size_t i = 0; i < l->n; i++) {
        if (committed[i] < 0 && !reset)
            return no_committed(l, &l->at[i], "scan.startup.mode");
        l->at[i].start = committed[i] >= 0 ? committed[i] : latest ? latest[i] : SQ_KAFKA_BEGINNING;
    }
    return SQ_OK;
}

static sq_rc start_specific(struct list *l)
{
    const struct sq_kafka_offsets *o = &l->c->table->start;
    int64_t *earliest, *latest, *committed = NULL;
    SQ_TRY(all_exist(l, o, "scan.startup.specific-offsets"));
    if (o->n < l->n)
        SQ_TRY(offsets(l, COMMITTED, &committed));
    SQ_TRY(offsets(l, EARLIEST, &earliest));
    SQ_TRY(offsets(l, LATEST, &latest));
    for (size_t i = 0; i < l->n; i++) {
        struct sq_kafka_range *r = &l->at[i];
        const struct sq_kafka_offset *s = listed(o, r->partition);
        r->start = s ? s->offset : committed[i] >= 0 ? committed[i] : SQ_KAFKA_BEGINNING;
        if (s && (s->offset < earliest[i] || s->offset > latest[i])) {
            sq_notice(l->c->ctx, "topic %s, partition %d has the offsets %lld to %lld: instead of %lld it is read from its beginning", r->topic, r->partition,
                      (long long)earliest[i], (long long)latest[i] - 1, (long long)s->offset);
            r->start = SQ_KAFKA_BEGINNING;
        }
    }
    return SQ_OK;
}

static sq_rc start_offsets(struct list *l)
{
    int64_t *at, *latest;
    switch (l->c->table->options.startup) {
    case SQ_KAFKA_EARLIEST:
        return SQ_OK;
    case SQ_KAFKA_LATEST:
        SQ_TRY(offsets(l, LATEST, &at));
        for (size_t i = 0; i < l->n; i++)
            l->at[i].start = at[i];
        return SQ_OK;
    case SQ_KAFKA_TIMESTAMP:
        SQ_TRY(offsets(l, l->c->table->options.start_timestamp, &at));
        SQ_TRY(offsets(l, LATEST, &latest));
        for (size_t i = 0; i < l->n; i++)
            l->at[i].start = at[i] >= 0 ? at[i] : latest[i];
        return SQ_OK;
    case SQ_KAFKA_SPECIFIC:
        return start_specific(l);
    default:
        return start_group(l);
    }
}

static sq_rc stop_offsets(struct list *l)
{
    const struct sq_kafka_offsets *o = &l->c->table->stop;
    int mode = l->c->table->options.bounded;
    int64_t *at = NULL, *latest = NULL, *earliest;
    if (mode == SQ_KAFKA_UNBOUNDED)
        return SQ_OK;
    if (mode == SQ_KAFKA_TO_SPECIFIC)
        SQ_TRY(all_exist(l, o, "scan.bounded.specific-offsets"));
    SQ_TRY(offsets(l, LATEST, &latest));
    SQ_TRY(offsets(l, EARLIEST, &earliest));
    if (mode == SQ_KAFKA_TO_GROUP)
        SQ_TRY(offsets(l, COMMITTED, &at));
    if (mode == SQ_KAFKA_TO_TIMESTAMP)
        SQ_TRY(offsets(l, l->c->table->options.stop_timestamp, &at));
    for (size_t i = 0; i < l->n; i++) {
        struct sq_kafka_range *r = &l->at[i];
        const struct sq_kafka_offset *s = listed(o, r->partition);
        if (mode == SQ_KAFKA_TO_SPECIFIC && !s)
            return sq_fail(l->c->ctx, SQ_EXTERNAL, "'scan.bounded.specific-offsets' does not say where partition %d of topic '%s' ends", r->partition, r->topic);
        if (mode == SQ_KAFKA_TO_GROUP && at[i] < 0)
            return no_committed(l, r, "scan.bounded.mode");
        r->stop = s ? s->offset : at && at[i] >= 0 ? at[i] : latest[i];
        if (r->stop <= earliest[i])
            r->stop = earliest[i];                      /* nothing is there to end at */
        if (r->start == SQ_KAFKA_BEGINNING)
            r->start = earliest[i];
    }
    return SQ_OK;
}

sq_rc sq_kafka_ends(struct sq_kafka_client *c, struct sq_kafka_range *at, size_t n)
{
    struct sq_arena arena;
    struct list l = {.c = c, .arena = &arena, .at = at, .n = n};
    int64_t *latest;
    sq_arena_init(&arena, c->ctx);
    sq_rc rc = offsets(&l, LATEST, &latest);
    for (size_t i = 0; rc == SQ_OK && i < n; i++)
        at[i].stop = latest[i];
    sq_arena_free(&arena);
    return rc;
}

/* ---- splits ---- */

static sq_rc as_splits(struct list *l, struct sq_split **out, uint32_t *n)
{
    if (l->n)
        qsort(l->at, l->n, sizeof *l->at, by_name);
    *out = SQ_NEW_ARRAY(l->arena, struct sq_split, l->n + 1);
    if (!*out)
        return SQ_NOMEM;
    for (size_t i = 0; i < l->n; i++)
        SQ_TRY(sq_kafka_range_write(l->c->ctx, l->arena, &l->at[i], &(*out)[i]));
    *n = (uint32_t)l->n;
    return SQ_OK;
}

sq_rc sq_kafka_splits(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_scan_spec *spec, uint32_t want, struct sq_split **out, uint32_t *n)
{
    const struct sq_kafka_table *t = sq_kafka_table_of(spec->ext);
    struct sq_kafka_client c;
    struct list l = {.c = &c, .arena = arena};
    sq_rc rc;
    (void)want;                                         /* a partition is read by one reader */
    *n = 0;
    SQ_TRY(sq_kafka_connect(ctx, t, &(struct sq_kafka_role){.reset = "error"}, &c));
    SQ_TRY_OUT(list_partitions(&l));
    if (l.n == 0)
        sq_notice(ctx, "table '%.*s': no topic matches the pattern '%.*s' yet", SQ_FMT(spec->table->name), SQ_FMT(t->options.topic_pattern));
    SQ_TRY_OUT(start_offsets(&l));
    SQ_TRY_OUT(stop_offsets(&l));
    rc = as_splits(&l, out, n);
out:
    sq_kafka_disconnect(&c);
    sq_free(ctx, l.at);
    return rc;
}

sq_rc sq_kafka_rediscover(struct sq_kafka_client *c, struct sq_arena *arena, int timeout_ms, struct sq_split **out, uint32_t *n)
{
    struct list l = {.c = c, .arena = arena};
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    sq_rc rc = SQ_OK;
    *n = 0;
    if (!c->table->ntopics) {
        regex_t re;
        SQ_TRY(compile(&l, &re));
        err = ask_pattern(&l, &re, timeout_ms, &rc);
        regfree(&re);
    }
    for (uint32_t i = 0; i < c->table->ntopics && rc == SQ_OK && !err; i++)
        err = ask_topic(&l, c->table->topic[i], timeout_ms, &rc);
    if (rc == SQ_OK && !err)
        rc = as_splits(&l, out, n);
    sq_free(c->ctx, l.at);
    return rc;
}
#endif
