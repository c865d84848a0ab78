/* SPDX-License-Identifier: Apache-2.0
 *
 * filesystem.h: what the parts of the filesystem connector share: filesystem.c (options, paths, the descriptor), list.c
 * (files and splits), source.c (the reader), sink.h (the parts of the writer).
 */
#ifndef SQ_CONNECTORS_FILESYSTEM_H
#define SQ_CONNECTORS_FILESYSTEM_H

#include "base/os.h"
#include "connectors/connector.h"

struct sq_fs_options {
    struct sq_str path, default_partition, regex;
    struct sq_str policy, success, watermark_zone, pattern, formatter;   /* ready.c */
    int64_t commit_delay_ms;
    int by_partition_time, extractor;
    int64_t rolling_size, scan_parallelism, sink_parallelism;
    int64_t rollover_ms, inactivity_ms, check_ms;
    bool spans;                          /* one of the first two was given: files may stay open over epochs */
    int64_t monitor_ms;                  /* not more than 0: a directory is read once */
    int report_statistics;
    bool shuffle, compaction;
    int64_t compaction_size, compaction_parallelism;
};

struct sq_fs_table {                     /* the connector's sq_table_ext */
    struct sq_fs_options options;
    struct sq_table_format format;
    const char *path;                    /* as given, without file://; 0-terminated */
    const char *regex;                   /* of the absolute paths of the files that are read, POSIX's; NULL: all */
    bool skips_bad;                      /* the format's ignore-parse-errors */
    int64_t line_limit;                  /* longest line, bytes */
    size_t block;                        /* bytes of a read */
    bool says_ready;                     /* a partition that is complete gets a file that says so */
    const struct sq_tz *zone;            /* of the times that partitions name */
    uint32_t open_files;                 /* of a writer at one time; 0: as many as are good */
    const struct sq_table_spec *stored;  /* the table without partition columns: what is in the files */
    const uint32_t *stored_from;         /* per column of it: its position in the table */
};

enum { SQ_FS_BLOCK = 256 << 10, SQ_FS_SPLIT_ROW = 2048 };   /* a split is worth a batch of rows of so many bytes: 4 MB */
#define SQ_FS_LINE_LIMIT (INT64_C(64) << 20)

static inline const struct sq_fs_table *sq_fs_table_of(const struct sq_table_ext *ext) { return (const struct sq_fs_table *)(const void *)ext; }

enum sq_fs_meta { SQ_FS_PATH, SQ_FS_NAME, SQ_FS_SIZE, SQ_FS_MTIME, SQ_FS_NMETA };
extern const struct sq_metadata_key sq_fs_metadata[SQ_FS_NMETA];

/* A split's payload: a range of a file. Owns the lines that begin in [start, end). */
struct sq_fs_range {
    const char *path;                    /* 0-terminated */
    int64_t start, end, size, mtime_us;
    bool stream;                         /* a pipe or terminal: read once, from beginning to end, whatever its size */
};
/* The range's path points into the split's payload. False: the payload is damaged. */
bool sq_fs_range_read(struct sq_str payload, struct sq_fs_range *);

/* Splits are whole files, named by their paths alone: they may grow, or others come, between the times when they are listed. */
static inline bool sq_fs_whole(const struct sq_fs_table *t, const struct sq_scan_spec *s) { return s->available_now || t->options.monitor_ms > 0; }

/* list.c */
sq_rc sq_fs_splits(struct sq_ctx *, struct sq_arena *, const struct sq_scan_spec *, uint32_t want, struct sq_split **, uint32_t *n);
/* Calls fn for every visible regular file below the directory, sorted by name. */
typedef sq_rc sq_fs_file_fn(void *arg, const char *path, const struct stat *st);
sq_rc sq_fs_walk(struct sq_ctx *, struct sq_arena *, const char *dir, sq_fs_file_fn *fn, void *arg);
/* All names in the directory, hidden ones too, sorted. Free *names with sq_free, after a failure too. */
sq_rc sq_fs_names(struct sq_ctx *, struct sq_arena *, const char *dir, struct sq_str **names, size_t *n);
bool sq_fs_is_pattern(const char *path);

extern const struct sq_source_class sq_fs_source;
extern const struct sq_sink_class sq_fs_sink;

#endif
