/* SPDX-License-Identifier: Apache-2.0
 *
 * ready.c: a partition that is complete gets a file, "_SUCCESS", that tells its readers so.
 *
 * A partition waits from the moment its first file is begun. It is complete, with 'process-time', so long after that; with 'partition-time', when the
 * watermark has passed the time that its values name, and so long; and in any case when the input has ended. The file is written behind the commit of
 * the epoch in which that is found, when the rows up to there are visible. Late rows make it wait, and be complete, once more.
 *
 * FLINK: the same; and without checkpoints, where a streaming job there says nothing, partitions that are complete when the job ends are said to be.
 */
#include "connectors/filesystem/ready.h"
#include "connectors/filesystem/partition.h"

#include "base/text.h"

#include <fcntl.h>

/* ---- options ---- */

static struct sq_span given_at(const struct sq_table_spec *t, const char *key)
{
    const struct sq_kv *kv = sq_option_given(t->options, t->noptions, key);
    return kv ? kv->value_span : t->span;
}

/* 'success-file', 'metastore', a list of both with commas. */
static sq_rc check_kinds(struct sq_ctx *ctx, const struct sq_table_spec *t, struct sq_fs_table *fs)
{
    static const char key[] = "sink.partition-commit.policy.kind";
    struct sq_str s = fs->options.policy;
    while (s.p) {
        const char *comma = memchr(s.p, ',', s.n);
        struct sq_str one = sq_str_trim((struct sq_str){s.p, comma ? (uint32_t)(comma - s.p) : s.n});
        if (sq_str_iis(one, "metastore"))
            return sq_fail_at(ctx, SQ_SEMANTIC, given_at(t, key), "'%s': there is no metastore: the partitions of a table of files are its directories", key);
        if (sq_str_iis(one, "custom"))
            return sq_fail_at(ctx, SQ_UNSUPPORTED, given_at(t, key), "'%s': 'custom' names a class of Java", key);
        if (!sq_str_iis(one, "success-file")) {
            sq_fail_at(ctx, SQ_SEMANTIC, given_at(t, key), "'%s': there is no policy '%.*s'", key, SQ_FMT(one));
            return sq_hint(ctx, "there is 'success-file'");
        }
        fs->says_ready = true;
        s = comma ? (struct sq_str){comma + 1, (uint32_t)(s.n - (size_t)(comma + 1 - s.p))} : (struct sq_str){NULL, 0};
    }
    return SQ_OK;
}

/* A letter of a DateTimeFormatter and how many of it there are; 0 for other text. */
static char letters(const char *p, const char *end, uint32_t *n)
{
    for (*n = 0; p + *n < end && p[*n] == *p; (*n)++)
        ;
    return (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ? *p : 0;
}

static sq_rc check_formatter(struct sq_ctx *ctx, const struct sq_table_spec *t, struct sq_str f)
{
    static const char key[] = "partition.time-extractor.timestamp-formatter";
    const char *end = f.p + f.n;
    uint32_t n;
    for (const char *p = f.p; p < end; p += n) {
        char c = letters(p, end, &n);
        if (*p == '\'') {
            const char *close = memchr(p + 1, '\'', (size_t)(end - p - 1));
            if (!close)
                return sq_fail_at(ctx, SQ_SEMANTIC, given_at(t, key), "'%s': a quote is not closed", key);
            n = (uint32_t)(close + 1 - p);
        } else if (c && (!strchr("yuMdHmsS", c) || n > (c == 'y' || c == 'u' ? 4 : c == 'S' ? 9 : 2) || ((c == 'y' || c == 'u') && n != 4))) {
            sq_fail_at(ctx, SQ_UNSUPPORTED, given_at(t, key), "'%s': '%.*s' is not supported yet", key, (int)n, p);
            return sq_hint(ctx, "there are yyyy, MM, dd, HH, mm, ss, S (fractions), text in quotes, and what is no letter");
        }
    }
    return SQ_OK;
}

sq_rc sq_fs_ready_check(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_fs_table *fs)
{
    static const char name[] = "sink.partition-commit.success-file.name", trigger[] = "sink.partition-commit.trigger", zone[] = "sink.partition-commit.watermark-time-zone";
    struct sq_fs_options *o = &fs->options;
    SQ_TRY(check_kinds(ctx, t, fs));
    if (o->success.n == 0 || o->success.n > 255 || memchr(o->success.p, '/', o->success.n))
        return sq_fail_at(ctx, SQ_SEMANTIC, given_at(t, name), "'%s': '%.*s' is not the name of a file", name, SQ_FMT(o->success));
    if (o->commit_delay_ms < 0)
        return sq_fail_at(ctx, SQ_SEMANTIC, given_at(t, "sink.partition-commit.delay"), "'sink.partition-commit.delay' is negative");
    if (o->formatter.p)
        SQ_TRY(check_formatter(ctx, t, o->formatter));
    if (sq_tz_find(ctx, arena, o->watermark_zone, &fs->zone) != SQ_OK) {
        ctx->err.span = given_at(t, zone);
        return sq_wrap(ctx, "'%s'", zone);
    }
    if (o->by_partition_time && t->npartition == 0)
        return sq_fail_at(ctx, SQ_SEMANTIC, given_at(t, trigger), "'%s' = 'partition-time' needs a table that is PARTITIONED BY a time", trigger);
    return SQ_OK;
}

/* ---- the time of a partition ---- */

struct civil { int32_t year, month, day, hour, minute, second; int64_t ns; };

static bool digits(const char **p, const char *end, uint32_t least, uint32_t most, int32_t *v)
{
    uint32_t n = 0;
    for (*v = 0; n < most && *p < end && **p >= '0' && **p <= '9'; n++, (*p)++)
        *v = *v * 10 + (**p - '0');
    return n >= least;
}

static bool fraction(const char **p, const char *end, uint32_t n, int64_t *ns)
{
    int64_t v = 0;
    for (uint32_t i = 0; i < 9; i++) {
        if (i < n && (*p == end || **p < '0' || **p > '9'))
            return false;
        v = v * 10 + (i < n ? *(*p)++ - '0' : 0);
    }
    *ns = v;
    return true;
}

static bool field(char c, uint32_t n, const char **p, const char *end, struct civil *t)
{
    uint32_t most = n == 1 ? 2 : n;
    switch (c) {
    case 'y': case 'u': return digits(p, end, n, n, &t->year);
    case 'M': return digits(p, end, n, most, &t->month);
    case 'd': return digits(p, end, n, most, &t->day);
    case 'H': return digits(p, end, n, most, &t->hour);
    case 'm': return digits(p, end, n, most, &t->minute);
    case 's': return digits(p, end, n, most, &t->second);
    default: return fraction(p, end, n, &t->ns);
    }
}

static bool exists(const struct civil *t, int64_t *us)
{
    int32_t y, m, d, days;
    if (t->year < 1 || t->year > 9999 || t->month < 1 || t->month > 12 || t->day < 1 || t->day > 31 || t->hour > 23 || t->minute > 59 || t->second > 59)
        return false;
    days = sq_days_from_civil(t->year, t->month, t->day);
    sq_civil_from_days(days, &y, &m, &d);
    *us = days * SQ_US_PER_DAY + ((int64_t)t->hour * 3600 + t->minute * 60 + t->second) * SQ_US_PER_S + t->ns / 1000;
    return d == t->day;
}

static bool by_formatter(struct sq_str f, struct sq_str s, int64_t *us)
{
    struct civil t = {.month = 1, .day = 1};
    const char *p = s.p, *end = s.p + s.n, *fend = f.p + f.n;
    uint32_t n;
    for (const char *at = f.p; at < fend; at += n) {
        char c = letters(at, fend, &n);
        if (c && !field(c, n, &p, end, &t))
            return false;
        if (c)
            continue;
        const char *text = at;
        uint32_t len = n;
        if (*at == '\'') {                               /* 'T'; two quotes are one */
            n = (uint32_t)((const char *)memchr(at + 1, '\'', (size_t)(fend - at - 1)) + 1 - at);
            text = n == 2 ? at : at + 1;
            len = n == 2 ? 1 : n - 2;
        }
        if ((size_t)(end - p) < len || memcmp(p, text, len) != 0)
            return false;
        p += len;
    }
    return p == end && exists(&t, us);
}

static bool by_default(struct sq_str s, int64_t *us)
{
    struct sq_ts16 ts;
    int32_t days;
    if (sq_parse_timestamp(s, false, 9, &ts)) {
        *us = ts.us;
        return true;
    }
    if (!sq_parse_date(s, &days))
        return false;
    *us = days * SQ_US_PER_DAY;
    return true;
}

/* Puts the column's value for each "$column". */
static sq_rc put_in(struct sq_arena *a, struct sq_str column, struct sq_str value, struct sq_str *s)
{
    struct sq_buf b;
    sq_buf_init(&b, a->ctx);
    for (uint32_t i = 0; i < s->n;) {
        if (s->p[i] == '$' && s->n - i - 1 >= column.n && memcmp(s->p + i + 1, column.p, column.n) == 0) {
            sq_buf_str(&b, value);
            i += 1 + column.n;
        } else {
            sq_buf_putc(&b, s->p[i++]);
        }
    }
    sq_rc rc = b.rc;
    if (rc == SQ_OK) {
        *s = sq_str_dup(a, sq_buf_view(&b));
        rc = s->p ? SQ_OK : SQ_NOMEM;
    }
    sq_buf_free(&b);
    return rc;
}

static sq_rc time_text(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_table_spec *t, const struct sq_fs_table *fs, struct sq_str place, struct sq_str *s)
{
    struct sq_str value;
    struct sq_str path = sq_str_dup(a, place);
    if (!path.p)
        return SQ_NOMEM;
    *s = fs->options.pattern;
    for (uint32_t i = 0; i < t->npartition; i++) {
        struct sq_str column = t->cols[t->partition[i]].name;
        SQ_TRY(sq_fs_partition_text(ctx, a, column, path.p, &value));
        if (fs->options.pattern.p)
            SQ_TRY(put_in(a, column, value, s));
        else if (i == 0)
            *s = value;
    }
    return SQ_OK;
}

sq_rc sq_fs_partition_time(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_fs_table *fs, struct sq_str place, int64_t *us)
{
    struct sq_arena a;
    struct sq_str s;
    sq_arena_init(&a, ctx);
    sq_rc rc = time_text(ctx, &a, t, fs, place, &s);
    if (rc == SQ_OK && !(fs->options.formatter.p ? by_formatter(fs->options.formatter, s, us) : by_default(s, us))) {
        rc = sq_fail(ctx, SQ_DATA, "table '%.*s': the partition '%.*s' names no time: '%.*s' is not %s%.*s", SQ_FMT(t->name), (int)place.n - 1, place.p, SQ_FMT(s),
                     fs->options.formatter.p ? "of the form " : "yyyy-MM-dd HH:mm:ss or yyyy-MM-dd", SQ_FMT(fs->options.formatter));
        sq_hint(ctx, "'partition.time-extractor.timestamp-pattern' puts it together ('$dt $hour:00:00'); rows without a time can be filtered out");
    } else if (rc == SQ_OK) {
        *us = sq_tz_to_utc(fs->zone, *us);
    }
    sq_arena_free(&a);
    return rc;
}

/* ---- partitions that wait ---- */

sq_rc sq_fs_ready_wait(struct sq_fs_writer *w, struct sq_fs_place *p)
{
    if (!sq_fs_says_ready(w) || p->waits)
        return SQ_OK;
    if (w->table->options.by_partition_time)
        SQ_TRY(sq_fs_partition_time(w->ctx, w->spec->table, w->table, (struct sq_str){p->path, p->n}, &p->time_us));
    p->since_us = w->ctx->os->now_us(w->ctx->os->arg);
    p->waits = true;
    return SQ_OK;
}

static bool passed(int64_t now_us, int64_t from_us, int64_t delay_ms) { return now_us > from_us && (now_us - from_us) / SQ_US_PER_MS > delay_ms; }

static bool complete(const struct sq_fs_writer *w, const struct sq_fs_place *p, int64_t now)
{
    const struct sq_fs_options *o = &w->table->options;
    if (o->by_partition_time)
        return w->watermark != INT64_MIN && passed(w->watermark, p->time_us, o->commit_delay_ms);
    return o->commit_delay_ms == 0 || passed(now, p->since_us, o->commit_delay_ms);
}

void sq_fs_ready_find(struct sq_fs_writer *w, bool all, bool *some)
{
    int64_t now = w->ctx->os->now_us(w->ctx->os->arg);
    *some = false;
    for (size_t b = 0; w->buckets && b < SQ_FS_BUCKETS; b++)
        for (struct sq_fs_place *p = w->buckets[b]; p; p = p->next) {
            p->ready = p->waits && (all || complete(w, p, now));
            *some |= p->ready;
        }
}

void sq_fs_ready_forget(struct sq_fs_writer *w)
{
    for (size_t b = 0; w->buckets && b < SQ_FS_BUCKETS; b++)
        for (struct sq_fs_place *p = w->buckets[b]; p; p = p->next)
            if (p->ready)
                p->ready = p->waits = false;
}

static sq_rc say(struct sq_fs_writer *w, struct sq_fs_place *p)
{
    SQ_TRY(sq_fs_place_make(w, p));
    const char *path = sq_fs_path(w, &w->to, p ? p->path : "", w->table->options.success.p);
    if (!path)
        return SQ_NOMEM;
    int fd = w->ctx->os->open(w->ctx->os->arg, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0)
        return sq_fs_fail_io(w, "create", path, fd);
    w->ctx->os->close(w->ctx->os->arg, fd);
    SQ_FAULT(w->ctx, "fs.ready");
    return p ? sq_fs_sync_place(w, p) : sq_os_sync_dir(w->ctx, w->dir);
}

sq_rc sq_fs_ready_say(struct sq_fs_writer *w)
{
    if (!w->buckets)
        return sq_fs_says_ready(w) ? say(w, NULL) : SQ_OK;
    for (size_t b = 0; b < SQ_FS_BUCKETS; b++)
        for (struct sq_fs_place *p = w->buckets[b]; p; p = p->next)
            if (p->ready)
                SQ_TRY(say(w, p));
    sq_fs_ready_forget(w);
    return SQ_OK;
}
