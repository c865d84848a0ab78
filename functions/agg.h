/* SPDX-License-Identifier: Apache-2.0
 *
 * agg.h: what the files of the aggregates share: reading an argument of any encoding, and MIN and MAX.
 */
#ifndef SQ_FUNCTIONS_AGG_H
#define SQ_FUNCTIONS_AGG_H

#include "functions/function.h"

/* An argument with its encoding taken apart: the element of physical row r is at index[r], or at r & mask. */
struct sq_agg_in {
    enum sq_phys phys;
    const void *data;
    const uint64_t *valid;
    const uint32_t *index;
    uint32_t mask;
    bool all_null;
};

/* True when an element may be NULL. */
static inline bool sq_agg_in(struct sq_agg_in *in, const struct sq_vec *v)
{
    in->index = v->enc == SQ_DICT ? v->index : NULL;
    in->mask = v->enc == SQ_CONST ? 0 : UINT32_MAX;
    if (v->enc == SQ_DICT)
        v = v->child;
    in->phys = sq_type_phys(v->type);
    in->data = v->data;
    in->valid = v->valid;
    in->all_null = in->phys == SQ_P_NULL;
    return in->valid || in->all_null;
}
static inline uint32_t sq_agg_at_row(const struct sq_agg_in *in, uint32_t r) { return in->index ? in->index[r] : r & in->mask; }
static inline bool sq_agg_present(const struct sq_agg_in *in, uint32_t e) { return !in->all_null && (!in->valid || sq_bit(in->valid, e)); }

/* A result that is too large for its type. */
static inline void sq_agg_overflowed(struct sq_agg_call *c)
{
    if (c->overflows)
        ++*c->overflows;
}

/* Takes n bytes of saved state, or fails. */
sq_rc sq_agg_take(struct sq_agg_call *, const char **at, const char *end, void *into, size_t n);

size_t sq_minmax_size(const struct sq_agg_call *);
sq_rc sq_min_derive(struct sq_ctx *, struct sq_arena *, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret);
sq_rc sq_max_derive(struct sq_ctx *, struct sq_arena *, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret);
sq_rc sq_min_update(struct sq_agg_call *, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind);
sq_rc sq_max_update(struct sq_agg_call *, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind);
sq_rc sq_min_merge(struct sq_agg_call *, void *into, const void *from);
sq_rc sq_max_merge(struct sq_agg_call *, void *into, const void *from);
sq_rc sq_min_result(struct sq_agg_call *, const void *acc, struct sq_col *out);
sq_rc sq_max_result(struct sq_agg_call *, const void *acc, struct sq_col *out);
sq_rc sq_minmax_save(struct sq_agg_call *, const void *acc, struct sq_buf *);
sq_rc sq_min_load(struct sq_agg_call *, void *acc, const char **at, const char *end);
sq_rc sq_max_load(struct sq_agg_call *, void *acc, const char **at, const char *end);
void sq_minmax_drop(struct sq_agg_call *, void *acc);

/* variance.c */
size_t sq_variance_size(const struct sq_agg_call *);
sq_rc sq_variance_derive(struct sq_ctx *, struct sq_arena *, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret);
sq_rc sq_variance_update(struct sq_agg_call *, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind);
sq_rc sq_variance_merge(struct sq_agg_call *, void *into, const void *from);
sq_rc sq_var_pop_result(struct sq_agg_call *, const void *acc, struct sq_col *out);
sq_rc sq_var_samp_result(struct sq_agg_call *, const void *acc, struct sq_col *out);
sq_rc sq_stddev_pop_result(struct sq_agg_call *, const void *acc, struct sq_col *out);
sq_rc sq_stddev_samp_result(struct sq_agg_call *, const void *acc, struct sq_col *out);
sq_rc sq_variance_save(struct sq_agg_call *, const void *acc, struct sq_buf *);
sq_rc sq_variance_load(struct sq_agg_call *, void *acc, const char **at, const char *end);

/* collect.c */
size_t sq_collect_size(const struct sq_agg_call *);
sq_rc sq_array_agg_derive(struct sq_ctx *, struct sq_arena *, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret);
sq_rc sq_collect_derive(struct sq_ctx *, struct sq_arena *, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret);
sq_rc sq_listagg_derive(struct sq_ctx *, struct sq_arena *, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret);
sq_rc sq_listagg_result(struct sq_agg_call *, const void *acc, struct sq_col *out);
sq_rc sq_collect_update(struct sq_agg_call *, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind);
sq_rc sq_collect_merge(struct sq_agg_call *, void *into, const void *from);
sq_rc sq_collect_result(struct sq_agg_call *, const void *acc, struct sq_col *out);
sq_rc sq_collect_save(struct sq_agg_call *, const void *acc, struct sq_buf *);
sq_rc sq_collect_load(struct sq_agg_call *, void *acc, const char **at, const char *end);
void sq_collect_drop(struct sq_agg_call *, void *acc);

/* first_last.c */
size_t sq_first_last_size(const struct sq_agg_call *);
sq_rc sq_first_last_derive(struct sq_ctx *, struct sq_arena *, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret);
sq_rc sq_first_update(struct sq_agg_call *, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind);
sq_rc sq_last_update(struct sq_agg_call *, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind);
sq_rc sq_first_merge(struct sq_agg_call *, void *into, const void *from);
sq_rc sq_last_merge(struct sq_agg_call *, void *into, const void *from);
sq_rc sq_first_result(struct sq_agg_call *, const void *acc, struct sq_col *out);
sq_rc sq_last_result(struct sq_agg_call *, const void *acc, struct sq_col *out);
sq_rc sq_first_last_save(struct sq_agg_call *, const void *acc, struct sq_buf *);
sq_rc sq_first_last_load(struct sq_agg_call *, void *acc, const char **at, const char *end);
void sq_first_last_drop(struct sq_agg_call *, void *acc);

/* collect.c: the first or last value that is there; false: none */
bool sq_collect_end(const void *acc, bool last, struct sq_str *value);

#endif
