/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.h: what the parts of the writer share: sink.c (the class, opening, rows), parts.c (part files), epoch.c (prepare, commit, recover),
 * onefile.c (a target that is one file).
 */
#ifndef SQ_CONNECTORS_FILESYSTEM_SINK_H
#define SQ_CONNECTORS_FILESYSTEM_SINK_H

#include "base/fault.h"
#include "connectors/filesystem/filesystem.h"

#define SQ_FS_IN_PROGRESS ".inprogress-"     /* a file that is being written is ".<name>.inprogress-<tag>", in the table's directory */

/* A file that is being written, or is whole and waits to get its name. */
struct sq_fs_part {
    struct sq_fs_partition *partition;       /* which one it belongs to; NULL: a table without partitions, or one file */
    const char *name;                        /* that it will have */
    const char *hidden;                      /* that it has now */
    bool made;                               /* it exists */
    bool closed;                             /* whole and durable: it waits for its name */
    bool kept;                               /* a checkpoint names it: it stays when the writer is closed */
    bool named;                              /* it has its name */
    bool dirty;                              /* written to since the last fsync */
    int fd;                                  /* -1: not open now */
    uint64_t used;                           /* when it was last, for the choice of whose descriptor is closed */
    int64_t size;                            /* bytes, those in `text` too */
    int64_t made_us, written_us;
    struct sq_buf text;                      /* not written out yet */
};

/* A partition that has an open file, or waits for its own commit. */
struct sq_fs_partition {
    struct sq_fs_partition *next;            /* in its bucket */
    struct sq_fs_part *part;                 /* its open file; NULL: none */
    uint64_t hash;
    uint32_t nparts;                         /* that belong to it */
    bool touched;                            /* a file in it has got its name and its directory is not synced yet */
    uint32_t n;
    char path[];                             /* "dt=2024-01-01/hour=10/", n bytes and a 0 */
};

enum { SQ_FS_OPEN_FILES = 64, SQ_FS_BUCKETS = 1024, SQ_FS_WRITE_AT = 256 << 10, SQ_FS_BUFFERED = 16 << 20 };

struct sq_fs_writer {
    struct sq_ctx *ctx;
    const struct sq_sink_spec *spec;
    const struct sq_fs_table *table;
    struct sq_encoder *encoder;
    struct sq_arena names;                   /* live as long as the writer */
    struct sq_buf path, to;                  /* paths for the next call */
    bool directory;
    const char *dir;                         /* where the files are: "." or "out" */
    const char *target;                      /* one file: its path */
    char tag[33];                            /* whose files these are: with durable epochs of the job and the sink, else random */
    char run[9];                             /* this run, in names, so that two that go on from one checkpoint never meet */
    uint64_t counter;                        /* of the next part file */

    struct sq_fs_part **parts;
    size_t nparts, cap_parts;
    struct sq_fs_part *open;                 /* of a table without partitions: the file being written */
    struct sq_fs_partition *buckets[SQ_FS_BUCKETS];
    struct sq_fs_part *with_fd[SQ_FS_OPEN_FILES];
    uint32_t nfd;
    uint64_t clock;
    size_t buffered;                         /* bytes in all the texts */

    /* one file without epochs */
    struct stat old;                         /* what was copied into it first */
    bool had_old;
    int64_t copied;
    uint64_t rows;

    /* epochs */
    bool begun, recovered, committed;        /* strays were removed; recover was called; since then commit was, or need not be */
    bool ending, input_ended;
    bool new_names;                          /* files came up in `dir` since it was last synced */
    int64_t checked_us;                      /* when files were last looked through for old ones */
};

static inline struct sq_fs_writer *sq_fs_writer_of(struct sq_writer *w) { return (struct sq_fs_writer *)(void *)w; }

/* sink.c */
sq_rc sq_fs_fail_io(struct sq_fs_writer *, const char *what, const char *path, int err);
void sq_fs_random_tag(struct sq_fs_writer *);            /* 32 hex digits */

/* parts.c */
/* "<dir>/<partition><name>", good until the next call with the same buffer. NULL: out of memory. */
const char *sq_fs_path(struct sq_fs_writer *, struct sq_buf *, const char *partition, const char *name);
const char *sq_fs_hidden(struct sq_fs_writer *, const struct sq_fs_part *);
const char *sq_fs_final(struct sq_fs_writer *, const struct sq_fs_part *);
/* A part by its names; hidden NULL: by the rule. */
sq_rc sq_fs_part_new(struct sq_fs_writer *, struct sq_fs_partition *, const char *name, const char *hidden, struct sq_fs_part **);
/* The open part of the partition, or a new one. */
sq_rc sq_fs_part_open(struct sq_fs_writer *, struct sq_fs_partition *, struct sq_fs_part **);
sq_rc sq_fs_part_fd(struct sq_fs_writer *, struct sq_fs_part *);                  /* opens it, or makes it */
sq_rc sq_fs_part_wrote(struct sq_fs_writer *, struct sq_fs_part *, size_t before);   /* text has grown from `before` */
sq_rc sq_fs_write_all(struct sq_fs_writer *, struct sq_fs_part *, const void *, size_t);   /* to its descriptor */
sq_rc sq_fs_part_out(struct sq_fs_writer *, struct sq_fs_part *);                 /* writes the text out */
sq_rc sq_fs_part_sync(struct sq_fs_writer *, struct sq_fs_part *);                /* and makes it durable */
sq_rc sq_fs_part_close(struct sq_fs_writer *, struct sq_fs_part *);               /* and closes it: it waits for its name */
void sq_fs_part_free(struct sq_fs_writer *, struct sq_fs_part *);                 /* forgets it (not in `parts` then) */
sq_rc sq_fs_close_all(struct sq_fs_writer *);
sq_rc sq_fs_out_all(struct sq_fs_writer *);
/* Makes the partition's directories, and each of them durable in the one above. */
sq_rc sq_fs_make_dirs(struct sq_fs_writer *, const struct sq_fs_partition *);
sq_rc sq_fs_sync_partition(struct sq_fs_writer *, const struct sq_fs_partition *);
sq_rc sq_fs_partition_get(struct sq_fs_writer *, struct sq_str path, struct sq_fs_partition **);
void sq_fs_partitions_prune(struct sq_fs_writer *);                               /* forgets those without a file */
void sq_fs_parts_free(struct sq_fs_writer *);

/* onefile.c */
sq_rc sq_fs_one_begin(struct sq_fs_writer *);
sq_rc sq_fs_one_finish(struct sq_fs_writer *);
sq_rc sq_fs_one_commit(struct sq_fs_writer *, struct sq_fs_part *);
const char *sq_fs_one_base(const struct sq_fs_writer *);   /* the last part of the target's path */

/* epoch.c */
sq_rc sq_fs_epoch_open(struct sq_fs_writer *);
sq_rc sq_fs_epoch_begin(struct sq_fs_writer *);          /* before the first rows, or the first prepare, of a run */
sq_rc sq_fs_prepare(struct sq_writer *, uint64_t epoch, struct sq_buf *pending);
sq_rc sq_fs_recover(struct sq_writer *, uint64_t epoch, struct sq_str pending);
sq_rc sq_fs_commit(struct sq_writer *, uint64_t epoch);
/* Closes open files that are too old, or were not written to for too long. */
sq_rc sq_fs_roll_old(struct sq_fs_writer *, bool now);

#endif
