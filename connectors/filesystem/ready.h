/* SPDX-License-Identifier: Apache-2.0
 *
 * ready.h: when a partition is complete, and how that is said: 'sink.partition-commit.*', 'partition.time-extractor.*'.
 */
#ifndef SQ_CONNECTORS_FILESYSTEM_READY_H
#define SQ_CONNECTORS_FILESYSTEM_READY_H

#include "connectors/filesystem/sink.h"

/* Cross-checks of the options; finds the zone. */
sq_rc sq_fs_ready_check(struct sq_ctx *, struct sq_arena *, const struct sq_table_spec *, struct sq_fs_table *);
/* The time that the partition's values name, in UTC. SQ_DATA: they name none. */
sq_rc sq_fs_partition_time(struct sq_ctx *, const struct sq_table_spec *, const struct sq_fs_table *, struct sq_str place, int64_t *us);

static inline bool sq_fs_says_ready(const struct sq_fs_writer *w) { return w->table->options.success.n > 0 && w->table->says_ready; }
/* A file of the partition was begun: it waits until it is complete. */
sq_rc sq_fs_ready_wait(struct sq_fs_writer *, struct sq_fs_place *);
/* Finds those that are complete now (all: every one) and marks them; *some: there are. */
void sq_fs_ready_find(struct sq_fs_writer *, bool all, bool *some);
/* Says of the marked ones that they are complete. */
sq_rc sq_fs_ready_say(struct sq_fs_writer *);
/* They were said to be. */
void sq_fs_ready_forget(struct sq_fs_writer *);

#endif
