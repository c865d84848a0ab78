/* SPDX-License-Identifier: Apache-2.0
 *
 * partition.h: PARTITIONED BY: columns whose values stand in the names of directories, "dt=2024-01-01/hour=10/", and not in the files.
 */
#ifndef SQ_CONNECTORS_FILESYSTEM_PARTITION_H
#define SQ_CONNECTORS_FILESYSTEM_PARTITION_H

#include "connectors/filesystem/filesystem.h"

/* Whether the table may be partitioned so; errors have their place. Makes fs->stored, the table without those columns. */
sq_rc sq_fs_partition_check(struct sq_ctx *, struct sq_arena *, const struct sq_table_spec *, struct sq_fs_table *);
/* The format's own check, of the columns that are in the files. */
sq_rc sq_fs_check_format(struct sq_ctx *, const struct sq_table_spec *, const struct sq_fs_table *, bool encode);
bool sq_fs_is_partition_column(const struct sq_table_spec *, uint32_t col);
/* Appends the directories of row r of a batch whose columns are the table's: "dt=2024-01-01/hour=10/". SQ_DATA: a value that is too long for a name. */
sq_rc sq_fs_partition_put(struct sq_ctx *, const struct sq_table_spec *, const struct sq_fs_table *, const struct sq_batch *, uint32_t r, struct sq_buf *);
/* The same as text. The path ends with '/', or the name of a file. */
sq_rc sq_fs_partition_text(struct sq_ctx *, struct sq_arena *, struct sq_str column, const char *path, struct sq_str *value);
/* The value that the path of a file gives to a column, as a constant. SQ_DATA: it has no directory for it, or not a value of that type. */
sq_rc sq_fs_partition_value(struct sq_ctx *, struct sq_arena *, const struct sq_fs_table *, const struct sq_table_column *, const char *path, struct sq_vec **);

#endif
