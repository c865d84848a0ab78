/* SPDX-License-Identifier: Apache-2.0
 *
 * filesystem.c: the filesystem connector's options and descriptor.
 *
 * FLINK: a path may also be one file (Flink always takes it for a directory), a pattern such as 'in/2024-*.ndjson', or a
 * pipe ('/dev/stdin'). A path that ends with '/' or is a directory is written as Flink writes it: by new part files.
 */
#include "connectors/filesystem/partition.h"
#include "connectors/filesystem/ready.h"
#include "connectors/kafka/kafka.h"     /* sq_kafka_pattern */
#include "connectors/registry.h"

#include <regex.h>

enum { HALF_AN_HOUR_MS = 30 * 60 * 1000 };

#define OFF(field) offsetof(struct sq_fs_options, field)

static const struct sq_option rows[] = {
    {"path", "connector.path", SQ_OPT_STRING, NULL, OFF(path), NULL, SQ_OPT_REQUIRED, "a file, a directory (its files, nested ones too), or a pattern with * and ?"},
    {"partition.default-name", NULL, SQ_OPT_STRING, "__DEFAULT_PARTITION__", OFF(default_partition), NULL, 0, "the partition of NULL"},
    {"source.report-statistics", NULL, SQ_OPT_ENUM, "ALL", OFF(report_statistics), "ALL|NONE", 0, "what the optimizer may ask the files for"},
    {"scan.parallelism", NULL, SQ_OPT_INT, NULL, OFF(scan_parallelism), NULL, 0, "how many workers read; the result does not depend on it"},
    {"sink.parallelism", NULL, SQ_OPT_INT, NULL, OFF(sink_parallelism), NULL, 0, "how many workers write; the rows do not depend on it"},
    {"sink.rolling-policy.file-size", NULL, SQ_OPT_MEMORY, "128MB", OFF(rolling_size), NULL, 0, "when a part file of a directory has grown to this size, the next one is begun"},
    {"source.monitor-interval", NULL, SQ_OPT_DURATION, NULL, OFF(monitor_ms), NULL, 0, "how often to look for new files; each is read once, as it is when it is found. Not given: what is there at the start is all"},
    {"source.path.regex-pattern", NULL, SQ_OPT_STRING, NULL, OFF(regex), NULL, 0, "which files below the path are read: a regular expression of Java's that their absolute path matches from end to end"},
    {"sink.rolling-policy.rollover-interval", NULL, SQ_OPT_DURATION, NULL, OFF(rollover_ms), NULL, 0, "with checkpoints: part files stay hidden, and are written to, for so long (30 min where only inactivity-interval is given). Not given: they end at each checkpoint"},
    {"sink.rolling-policy.inactivity-interval", NULL, SQ_OPT_DURATION, NULL, OFF(inactivity_ms), NULL, 0, "with checkpoints: the same; they end earlier where no rows came for so long (30 min where only rollover-interval is given)"},
    {"sink.rolling-policy.check-interval", NULL, SQ_OPT_DURATION, "1min", OFF(check_ms), NULL, 0, "how often the two are looked at between checkpoints"},
    {"sink.shuffle-by-partition.enable", NULL, SQ_OPT_BOOL, "false", OFF(shuffle), NULL, 0, "one writer writes all partitions, so it changes nothing"},
    {"sink.partition-commit.policy.kind", NULL, SQ_OPT_STRING, NULL, OFF(policy), NULL, 0, "'success-file': a partition that is complete gets a file that says so"},
    {"sink.partition-commit.success-file.name", NULL, SQ_OPT_STRING, "_SUCCESS", OFF(success), NULL, 0, "the name of that file"},
    {"sink.partition-commit.trigger", NULL, SQ_OPT_ENUM, "process-time", OFF(by_partition_time), "process-time|partition-time", 0, "what tells that a partition is complete: the clock, or the watermark"},
    {"sink.partition-commit.delay", NULL, SQ_OPT_DURATION, "0 ms", OFF(commit_delay_ms), NULL, 0, "how long after its first file, or behind the time that its values name, a partition is complete"},
    {"sink.partition-commit.watermark-time-zone", NULL, SQ_OPT_STRING, "UTC", OFF(watermark_zone), NULL, 0, "the zone of the times that partitions name; UTC where the watermark is of a TIMESTAMP"},
    {"sink.partition-commit.policy.class", NULL, SQ_OPT_STRING, NULL, 0, NULL, SQ_OPT_UNSUPPORTED, "it names a class of Java"},
    {"sink.partition-commit.policy.class.parameters", NULL, SQ_OPT_STRING, NULL, 0, NULL, SQ_OPT_UNSUPPORTED, "they are for a class of Java"},
    {"partition.time-extractor.kind", NULL, SQ_OPT_ENUM, "default", OFF(extractor), "default", 0, "how the time of a partition is found; 'custom' is a class of Java"},
    {"partition.time-extractor.class", NULL, SQ_OPT_STRING, NULL, 0, NULL, SQ_OPT_UNSUPPORTED, "it names a class of Java"},
    {"partition.time-extractor.timestamp-pattern", NULL, SQ_OPT_STRING, NULL, OFF(pattern), NULL, 0, "puts the time together: '$dt $hour:00:00'. Not given: the first column's value"},
    {"partition.time-extractor.timestamp-formatter", NULL, SQ_OPT_STRING, NULL, OFF(formatter), NULL, 0, "how to read it: 'yyyyMMddHH'. Not given: yyyy-MM-dd HH:mm:ss or yyyy-MM-dd"},
    {"auto-compaction", NULL, SQ_OPT_BOOL, "false", OFF(compaction), NULL, 0, "'true' is refused: one writer writes each file, and as large as it may be"},
    {"compaction.file-size", NULL, SQ_OPT_MEMORY, NULL, OFF(compaction_size), NULL, 0, "means nothing without auto-compaction"},
    {"compaction.parallelism", NULL, SQ_OPT_INT, NULL, OFF(compaction_parallelism), NULL, 0, "means nothing without auto-compaction"},
};

static const struct sq_type string_not_null = {.id = SQ_T_VARCHAR, .nullable = false, .p = SQ_STRING_MAX};
static const struct sq_type bigint_not_null = {.id = SQ_T_BIGINT, .nullable = false};
static const struct sq_type ltz3_not_null = {.id = SQ_T_TIMESTAMP_LTZ, .nullable = false, .p = 3};

const struct sq_metadata_key sq_fs_metadata[SQ_FS_NMETA] = {
    [SQ_FS_PATH] = {"file.path", &string_not_null, false, "the file's path, as found"},
    [SQ_FS_NAME] = {"file.name", &string_not_null, false, "the last part of the path"},
    [SQ_FS_SIZE] = {"file.size", &bigint_not_null, false, "the file's size in bytes"},
    [SQ_FS_MTIME] = {"file.modification-time", &ltz3_not_null, false, "when the file was last written"},
};

static const struct sq_kv *path_option(const struct sq_table_spec *t)
{
    const struct sq_kv *kv = sq_option_given(t->options, t->noptions, "path");
    return kv ? kv : sq_option_given(t->options, t->noptions, "connector.path");
}

static bool begins(struct sq_str s, const char *word, uint32_t *n)
{
    *n = (uint32_t)strlen(word);
    return s.n >= *n && sq_str_ieq((struct sq_str){s.p, *n}, sq_str_of(word));
}

/* 'file:///a', 'file:/a', 'file://localhost/a' and plain paths; other schemes are refused. */
static sq_rc resolve_path(struct sq_ctx *ctx, const struct sq_table_spec *t, struct sq_fs_table *fs)
{
    struct sq_str p = fs->options.path;
    struct sq_span at = path_option(t) ? path_option(t)->value_span : t->span;
    uint32_t n;
    if (begins(p, "file://localhost/", &n))
        p = (struct sq_str){p.p + n - 1, p.n - n + 1};
    else if (begins(p, "file:///", &n))
        p = (struct sq_str){p.p + n - 1, p.n - n + 1};
    else if (begins(p, "file://", &n))
        return sq_fail_at(ctx, SQ_SEMANTIC, at, "'path': a file:// URL of another machine: '%.*s'", SQ_FMT(p));
    else if (begins(p, "file:", &n))
        p = (struct sq_str){p.p + n, p.n - n};
    uint32_t colon = 0;
    while (colon < p.n && ((p.p[colon] >= 'a' && p.p[colon] <= 'z') || (p.p[colon] >= '0' && p.p[colon] <= '9')))
        colon++;
    if (colon > 1 && p.n >= colon + 3 && memcmp(p.p + colon, "://", 3) == 0)
        return sq_fail_at(ctx, SQ_UNSUPPORTED, at, "'path': the file system '%.*s' is not supported yet; only local files are", (int)colon, p.p);
    if (p.n == 0)
        return sq_fail_at(ctx, SQ_SEMANTIC, at, "'path' is empty");
    if (memchr(p.p, 0, p.n))
        return sq_fail_at(ctx, SQ_SEMANTIC, at, "'path' holds a NUL byte");
    fs->path = p.p;
    return SQ_OK;
}

/* Whether the format was told to skip what it cannot read: then a line that is too long is skipped as well. */
static bool skips_bad(const struct sq_table_format *f)
{
    static const char suffix[] = "ignore-parse-errors";
    for (uint32_t i = 0; i < f->format->noptions; i++) {
        const struct sq_option *o = &f->format->options[i];
        size_t n = strlen(o->key);
        if (o->type == SQ_OPT_BOOL && n >= sizeof suffix - 1 && strcmp(o->key + n - (sizeof suffix - 1), suffix) == 0)
            return *(const bool *)((const char *)f->options + o->offset);
    }
    return false;
}

/* What is given must be more than 0; what is not gets *v. */
static sq_rc positive(struct sq_ctx *ctx, const struct sq_table_spec *t, const char *key, int64_t *v, int64_t fallback)
{
    const struct sq_kv *kv = sq_option_given(t->options, t->noptions, key);
    if (!kv)
        *v = fallback;
    else if (*v <= 0)
        return sq_fail_at(ctx, SQ_SEMANTIC, kv->value_span, "'%s' must be more than 0", key);
    return SQ_OK;
}

static sq_rc no_compaction(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_fs_options *o)
{
    const struct sq_kv *kv = sq_option_given(t->options, t->noptions, "auto-compaction");
    if (!o->compaction || !kv)
        return SQ_OK;
    sq_fail_at(ctx, SQ_UNSUPPORTED, kv->value_span, "'auto-compaction' is not supported yet");
    return sq_hint(ctx, "for fewer and larger files give 'sink.rolling-policy.rollover-interval': files then stay open over checkpoints for so long");
}

static sq_rc check_intervals(struct sq_ctx *ctx, const struct sq_table_spec *t, struct sq_fs_options *o)
{
    o->spans = sq_option_given(t->options, t->noptions, "sink.rolling-policy.rollover-interval") ||
               sq_option_given(t->options, t->noptions, "sink.rolling-policy.inactivity-interval");
    SQ_TRY(positive(ctx, t, "sink.rolling-policy.file-size", &o->rolling_size, o->rolling_size));
    SQ_TRY(positive(ctx, t, "sink.rolling-policy.rollover-interval", &o->rollover_ms, HALF_AN_HOUR_MS));
    SQ_TRY(positive(ctx, t, "sink.rolling-policy.inactivity-interval", &o->inactivity_ms, HALF_AN_HOUR_MS));
    SQ_TRY(positive(ctx, t, "sink.rolling-policy.check-interval", &o->check_ms, o->check_ms));
    return positive(ctx, t, "source.monitor-interval", &o->monitor_ms, 0);
}

static sq_rc check_regex(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_fs_table *fs)
{
    static const char key[] = "source.path.regex-pattern";
    const struct sq_kv *kv = sq_option_given(t->options, t->noptions, key);
    const char *why;
    char msg[128];
    regex_t re;
    if (!kv)
        return SQ_OK;
    if (!(fs->regex = sq_kafka_pattern(arena, fs->options.regex, &why)))
        return sq_fail_at(ctx, SQ_UNSUPPORTED, kv->value_span, "'%s': not supported: %s", key, why);
    int e = regcomp(&re, fs->regex, REG_EXTENDED | REG_NOSUB);
    if (e == 0) {
        regfree(&re);
        return SQ_OK;
    }
    regerror(e, &re, msg, sizeof msg);
    return sq_fail_at(ctx, SQ_SEMANTIC, kv->value_span, "'%s': '%.*s' is not a regular expression: %s", key, SQ_FMT(fs->options.regex), msg);
}

static sq_rc fs_table(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_table_ext **ext)
{
    struct sq_fs_table *fs = SQ_NEW(arena, struct sq_fs_table);
    if (!fs)
        return SQ_NOMEM;
    SQ_TRY(sq_table_options(ctx, arena, &sq_connector_filesystem, t, &fs->options, &fs->format));
    SQ_TRY(resolve_path(ctx, t, fs));
    SQ_TRY(sq_fs_partition_check(ctx, arena, t, fs));
    if (!fs->format.format->lines)
        return sq_fail_at(ctx, SQ_UNSUPPORTED, t->span, "format '%s' is not supported yet by connector 'filesystem'", fs->format.format->name);
    SQ_TRY(check_intervals(ctx, t, &fs->options));
    SQ_TRY(no_compaction(ctx, t, &fs->options));
    SQ_TRY(check_regex(ctx, arena, t, fs));
    SQ_TRY(sq_fs_ready_check(ctx, arena, t, fs));
    fs->skips_bad = skips_bad(&fs->format);
    fs->line_limit = SQ_FS_LINE_LIMIT;
    fs->block = SQ_FS_BLOCK;
    *ext = (struct sq_table_ext *)(void *)fs;
    return SQ_OK;
}

const struct sq_connector sq_connector_filesystem = {
    .name = "filesystem", .help = "files of the local file system, one record a line", .options = rows, .noptions = SQ_LEN(rows), .takes_format = 1,
    .metadata = sq_fs_metadata, .nmetadata = SQ_FS_NMETA, .source = &sq_fs_source, .sink = &sq_fs_sink, .table = fs_table,
};
