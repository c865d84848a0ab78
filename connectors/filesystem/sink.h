/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.h: what the parts of the writer share: sink.c (the class, opening, rows, the end without epochs), parts.c (files that are being written), epoch.c
 * (prepare, commit, recover), onefile.c (a target that is one file).
 */
#ifndef SQ_CONNECTORS_FILESYSTEM_SINK_H
#define SQ_CONNECTORS_FILESYSTEM_SINK_H

#include "base/fault.h"
#include "connectors/filesystem/filesystem.h"

/* A file that is being written, or is whole and waits to get its name. */
struct sq_fs_part {
    struct sq_fs_place *place;               /* the partition; NULL: there are none */
    const char *name;                        /* that it will have; without directories, like the next one */
    const char *hidden;                      /* that it has now, in the table's directory whatever the partition */
    uint64_t number;
    int64_t size;                            /* bytes, those that are not written out yet too */
    int64_t made_us, written_us;
    bool closed;                             /* whole and durable: it waits for its name */
    bool kept;                               /* a checkpoint may name it: it stays when the writer is closed */
    bool named;                              /* it has its name */

    int fd;                                  /* -1: none now */
    uint64_t used;                           /* when the descriptor was, last */
    bool dirty;                              /* written to since the last fsync */
    struct sq_buf text;                      /* not written out yet */
};

/* A partition that has files, or waits for its own commit. */
struct sq_fs_place {
    struct sq_fs_place *next;                /* in its bucket */
    struct sq_fs_part *open;                 /* the file that is being written; NULL: none */
    uint64_t hash;
    uint32_t nparts;                         /* files that belong to it */
    bool waits, ready;                       /* ready.c: until it is complete; it is, and is to be said so at the commit */
    int64_t since_us, time_us;               /* from when on it waits; the time that its values name */
    bool touched;                            /* a file has got its name, and the directories are not synced yet */
    struct sq_fs_place *after;               /* rows of a batch: the next partition, … */
    uint32_t first, last;                    /* … and the rows of this one; UINT32_MAX: none */
    uint32_t n;
    char path[];                             /* "dt=2024-01-01/hour=10/": n bytes, and a 0 */
};

enum { SQ_FS_OPEN_FILES = 64, SQ_FS_BUCKETS = 512, SQ_FS_WRITE_AT = 256 << 10, SQ_FS_BUFFERED = 16 << 20 };

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
    char tag[33];                            /* whose files these are: with durable epochs 16 hex digits of the job and the sink, else random */
    char run[9];                             /* this run, in names, so that two that go on from one checkpoint never meet */
    uint64_t counter;                        /* number of the next file */

    struct sq_fs_part **parts;
    size_t nparts, cap_parts;
    struct sq_fs_part *open;                 /* without partitions: the one that is being written; NULL: none */
    struct sq_fs_part *with_fd[SQ_FS_OPEN_FILES];
    uint32_t nfd;
    uint64_t clock;                          /* counts uses of descriptors */
    size_t buffered;                         /* bytes in all the texts */

    /* partitions */
    int64_t watermark;                       /* INT64_MIN: none */
    struct sq_fs_place **buckets;            /* SQ_FS_BUCKETS; NULL: the table has none */
    struct sq_buf spot;                      /* the partition of a row */
    uint32_t *rows_after, *rows_sel;         /* rows of a batch: the next one of the same partition; a selection */
    struct sq_vec *vecs;                     /* the columns that go to files */

    /* one file */
    struct stat old;                         /* what was there at the beginning; without epochs it was copied into the hidden file first */
    bool had_old;
    int64_t copied;
    uint64_t rows;

    /* epochs */
    bool begun;                              /* strays were removed */
    bool recovered, committed;               /* recover was called; since then commit was */
    bool last, input_ended;                  /* the next prepare is the last of this run; of the job */
    int64_t looked_us;                       /* when files were last looked through for old ones */
    bool new_names;                          /* files were made in `dir` since it was last synced */
};

static inline struct sq_fs_writer *sq_fs_writer_of(struct sq_writer *w) { return (struct sq_fs_writer *)(void *)w; }

/* sink.c */
sq_rc sq_fs_fail_io(struct sq_fs_writer *, const char *what, const char *path, int err);
void sq_fs_random_tag(struct sq_fs_writer *);            /* 32 hex digits */

/* parts.c */
/* "<dir>/<place><name>", good until the next call with the same buffer. NULL: out of memory. */
const char *sq_fs_path(struct sq_fs_writer *, struct sq_buf *, const char *place, const char *name);
const char *sq_fs_hidden(struct sq_fs_writer *, const struct sq_fs_part *);       /* in `path` */
const char *sq_fs_final(struct sq_fs_writer *, const struct sq_fs_part *);        /* in `to` */
sq_rc sq_fs_part_new(struct sq_fs_writer *, struct sq_fs_place *, const char *name, uint64_t number, struct sq_fs_part **);
sq_rc sq_fs_part_open(struct sq_fs_writer *, struct sq_fs_place *, struct sq_fs_part **);   /* the open one, or the next */
sq_rc sq_fs_part_fd(struct sq_fs_writer *, struct sq_fs_part *);                  /* it has a descriptor */
sq_rc sq_fs_part_out(struct sq_fs_writer *, struct sq_fs_part *);                 /* writes the text out */
sq_rc sq_fs_part_wrote(struct sq_fs_writer *, struct sq_fs_part *, size_t before);   /* the text has grown; writes out when there is much */
sq_rc sq_fs_part_sync(struct sq_fs_writer *, struct sq_fs_part *);                /* and makes it durable */
sq_rc sq_fs_part_close(struct sq_fs_writer *, struct sq_fs_part *);               /* and closes it: it waits for its name */
sq_rc sq_fs_out_all(struct sq_fs_writer *);
sq_rc sq_fs_close_all(struct sq_fs_writer *);
void sq_fs_parts_forget(struct sq_fs_writer *, bool all);   /* those that are closed; or all. And partitions without files */
sq_rc sq_fs_place_get(struct sq_fs_writer *, struct sq_str path, struct sq_fs_place **);
sq_rc sq_fs_place_make(struct sq_fs_writer *, const struct sq_fs_place *);        /* makes the directories */
sq_rc sq_fs_sync_place(struct sq_fs_writer *, const struct sq_fs_place *);        /* each of them, from above */
sq_rc sq_fs_sync_places(struct sq_fs_writer *);            /* those that got files, and the table's directory */

/* onefile.c */
const char *sq_fs_one_base(const struct sq_fs_writer *);   /* the last part of the target's path */
sq_rc sq_fs_one_begin(struct sq_fs_writer *);
sq_rc sq_fs_one_finish(struct sq_fs_writer *);
sq_rc sq_fs_one_commit(struct sq_fs_writer *, struct sq_fs_part *);
sq_rc sq_fs_gone(struct sq_fs_writer *, const char *final, const char *hidden);   /* the error: neither is there */

/* epoch.c */
sq_rc sq_fs_epoch_open(struct sq_fs_writer *);
sq_rc sq_fs_epoch_begin(struct sq_fs_writer *);          /* before the first rows, or the first prepare, of a run */
sq_rc sq_fs_end_old(struct sq_fs_writer *);              /* between epochs: closes files that are large or old, now and then */
void sq_fs_last(struct sq_writer *, bool input_ended);
bool sq_fs_holds(struct sq_writer *);
sq_rc sq_fs_prepare(struct sq_writer *, uint64_t epoch, struct sq_buf *pending);
sq_rc sq_fs_recover(struct sq_writer *, uint64_t epoch, struct sq_str pending);
sq_rc sq_fs_commit(struct sq_writer *, uint64_t epoch);

#endif
