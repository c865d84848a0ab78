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
    const char *name;                        /* that it will have; without the directory, like the next one */
    const char *hidden;                      /* that it has now */
    uint64_t number;
    int64_t size;                            /* bytes, those that are not written out yet too */
    bool closed;                             /* whole and durable: it waits for its name */
    bool kept;                               /* a checkpoint may name it: it stays when the writer is closed */
    bool named;                              /* it has its name */
};

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
    struct sq_fs_part *open;                 /* the one that is being written; NULL: none */
    int fd;                                  /* its descriptor; -1: none now */
    bool dirty;                              /* written to since the last fsync */
    struct sq_buf text;                      /* not written out yet */

    /* one file */
    struct stat old;                         /* what was there at the beginning; without epochs it was copied into the hidden file first */
    bool had_old;
    int64_t copied;
    uint64_t rows;

    /* epochs */
    bool begun;                              /* strays were removed */
    bool recovered, committed;               /* recover was called; since then commit was */
    bool last;                               /* the next prepare is the last of this run */
    bool new_names;                          /* files were made in `dir` since it was last synced */
};

static inline struct sq_fs_writer *sq_fs_writer_of(struct sq_writer *w) { return (struct sq_fs_writer *)(void *)w; }

/* sink.c */
sq_rc sq_fs_fail_io(struct sq_fs_writer *, const char *what, const char *path, int err);
void sq_fs_random_tag(struct sq_fs_writer *);            /* 32 hex digits */

/* parts.c */
/* "<dir>/<name>", good until the next call with the same buffer. NULL: out of memory. */
const char *sq_fs_path(struct sq_fs_writer *, struct sq_buf *, const char *name);
const char *sq_fs_hidden(struct sq_fs_writer *, const struct sq_fs_part *);       /* in `path` */
const char *sq_fs_final(struct sq_fs_writer *, const struct sq_fs_part *);        /* in `to` */
sq_rc sq_fs_part_new(struct sq_fs_writer *, const char *name, uint64_t number, struct sq_fs_part **);
sq_rc sq_fs_part_open(struct sq_fs_writer *);            /* afterwards `open` is there: as it was, the next one, or the first */
sq_rc sq_fs_part_fd(struct sq_fs_writer *);              /* opens the file of `open`, or makes it */
sq_rc sq_fs_part_out(struct sq_fs_writer *);             /* writes the text out */
sq_rc sq_fs_part_sync(struct sq_fs_writer *);            /* and makes it durable */
sq_rc sq_fs_part_close(struct sq_fs_writer *);           /* and closes it: it waits for its name. Nothing where none is open */
void sq_fs_parts_forget(struct sq_fs_writer *, bool all);   /* those that are closed; or all */

/* onefile.c */
const char *sq_fs_one_base(const struct sq_fs_writer *);   /* the last part of the target's path */
sq_rc sq_fs_one_begin(struct sq_fs_writer *);
sq_rc sq_fs_one_finish(struct sq_fs_writer *);
sq_rc sq_fs_one_commit(struct sq_fs_writer *, struct sq_fs_part *);
sq_rc sq_fs_gone(struct sq_fs_writer *, const char *final, const char *hidden);   /* the error: neither is there */

/* epoch.c */
sq_rc sq_fs_epoch_open(struct sq_fs_writer *);
sq_rc sq_fs_epoch_begin(struct sq_fs_writer *);          /* before the first rows, or the first prepare, of a run */
void sq_fs_last(struct sq_writer *);
sq_rc sq_fs_prepare(struct sq_writer *, uint64_t epoch, struct sq_buf *pending);
sq_rc sq_fs_recover(struct sq_writer *, uint64_t epoch, struct sq_str pending);
sq_rc sq_fs_commit(struct sq_writer *, uint64_t epoch);

#endif
