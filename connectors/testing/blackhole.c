/* SPDX-License-Identifier: Apache-2.0
 *
 * blackhole.c: a sink that takes every row and keeps none, for measuring. It takes any changelog, and asks for each
 * change, so that what feeds it does the work that a sink showing all of them would bring.
 */
#include "connectors/registry.h"

struct writer {
    struct sq_ctx *ctx;
    uint64_t rows;
};

static sq_rc blackhole_accept(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_table_ext *ext, unsigned *modes)
{
    (void)ctx;
    (void)t;
    (void)ext;
    *modes = SQ_MODE_INSERT | SQ_MODE_UPSERT | SQ_MODE_RETRACT;
    return SQ_OK;
}

/* With a PRIMARY KEY it stands for a table that keeps the last row of a key, without one for a log of every change. */
static bool blackhole_shows_changes(const struct sq_table_spec *t, const struct sq_table_ext *ext)
{
    (void)ext;
    return t->npk == 0;
}

static sq_rc blackhole_open(struct sq_ctx *ctx, const struct sq_sink_spec *spec, struct sq_writer **out)
{
    (void)spec;
    struct writer *w = sq_calloc(ctx, sizeof *w);
    if (!w)
        return SQ_NOMEM;
    w->ctx = ctx;
    *out = (struct sq_writer *)w;
    return SQ_OK;
}

static sq_rc blackhole_write(struct sq_writer *self, const struct sq_batch *b)
{
    ((struct writer *)self)->rows += b->nsel;
    return SQ_OK;
}

static sq_rc blackhole_nothing(struct sq_writer *self)
{
    (void)self;
    return SQ_OK;
}

static void blackhole_close(struct sq_writer *self)
{
    struct writer *w = (struct writer *)self;
    if (w)
        sq_free(w->ctx, w);
}

static const struct sq_sink_class sink = {
    .any_worker = true, .accepts = SQ_MODE_INSERT | SQ_MODE_UPSERT | SQ_MODE_RETRACT, .accept = blackhole_accept, .shows_changes = blackhole_shows_changes,
    .open = blackhole_open, .write = blackhole_write, .flush = blackhole_nothing, .finish = blackhole_nothing, .close = blackhole_close,
};

static sq_rc blackhole_table(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_table_ext **ext)
{
    char *none = sq_arena_zero(arena, 1);
    if (!none)
        return SQ_NOMEM;
    *ext = (struct sq_table_ext *)none;
    return sq_table_options(ctx, arena, &sq_connector_blackhole, t, none, NULL);
}

const struct sq_connector sq_connector_blackhole = {
    .name = "blackhole", .help = "a sink that takes every row and keeps none", .sink = &sink, .table = blackhole_table,
};
