/* SPDX-License-Identifier: Apache-2.0
 *
 * print.c: a sink that shows every change as a line, `+I[1, a]`, as Flink's print connector does. Where the lines go is
 * the program's matter: they are handed to the context's print hook, a batch at a time.
 *
 * FLINK: with one worker there is no task number in front; NULL prints as `null`.
 */
#include "connectors/registry.h"
#include "base/text.h"

struct options {
    struct sq_str identifier;
    bool to_stderr;
    int64_t parallelism;
};

static const struct sq_option rows[] = {
    {"print-identifier", NULL, SQ_OPT_STRING, NULL, offsetof(struct options, identifier), NULL, 0, "text before every line: 'out' prints out> +I[…]"},
    {"standard-error", NULL, SQ_OPT_BOOL, "false", offsetof(struct options, to_stderr), NULL, 0, "print to standard error instead of standard output"},
    {"sink.parallelism", NULL, SQ_OPT_INT, NULL, offsetof(struct options, parallelism), NULL, 0, "how many workers write; order and result do not depend on it"},
};

struct writer {
    struct sq_ctx *ctx;
    const struct options *options;
    const struct sq_tz *tz;
    struct sq_buf text;
};

static sq_rc print_accept(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_table_ext *ext, unsigned *modes)
{
    (void)ctx;
    (void)t;
    (void)ext;
    *modes = SQ_MODE_INSERT | SQ_MODE_RETRACT;          /* it shows -U too, so an upsert stream would be less than it promises */
    return SQ_OK;
}

static bool print_shows_changes(const struct sq_table_spec *t, const struct sq_table_ext *ext)
{
    (void)t;
    (void)ext;
    return true;
}

static sq_rc print_open(struct sq_ctx *ctx, const struct sq_sink_spec *spec, struct sq_writer **out)
{
    if (!ctx->print) {
        sq_fail(ctx, SQ_MISUSE, "table '%.*s' prints, and this program has not said where to", SQ_FMT(spec->table->name));
        return sq_hint(ctx, "the embedding program sets the print callback before it runs a statement that inserts into a print table");
    }
    struct writer *w = sq_calloc(ctx, sizeof *w);
    if (!w)
        return SQ_NOMEM;
    w->ctx = ctx;
    w->options = (const struct options *)spec->ext;
    w->tz = spec->session ? spec->session->tz : sq_tz_utc;
    sq_buf_init(&w->text, ctx);
    *out = (struct sq_writer *)w;
    return SQ_OK;
}

static sq_rc print_write(struct sq_writer *self, const struct sq_batch *b)
{
    struct writer *w = (struct writer *)self;
    sq_buf_reset(&w->text);
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t r = sq_row(b, i);
        if (w->options->identifier.n) {
            sq_buf_str(&w->text, w->options->identifier);
            sq_buf_puts(&w->text, "> ");
        }
        sq_buf_puts(&w->text, sq_kind_name(sq_row_kind(b, r)));
        for (uint32_t c = 0; c < b->ncols; c++) {
            sq_buf_puts(&w->text, c ? ", " : "[");
            if (sq_vec_null(&b->cols[c], r))
                sq_buf_puts(&w->text, "null");
            else
                SQ_TRY(sq_print_value(&w->text, &b->cols[c], r, w->tz));
        }
        sq_buf_puts(&w->text, b->ncols ? "]\n" : "[]\n");
    }
    if (w->text.rc != SQ_OK)
        return w->text.rc;
    if (w->text.n)
        w->ctx->print(w->ctx->print_arg, w->options->to_stderr, w->text.p, w->text.n);
    return SQ_OK;
}

static sq_rc print_nothing(struct sq_writer *self)
{
    (void)self;
    return SQ_OK;
}

static void print_close(struct sq_writer *self)
{
    struct writer *w = (struct writer *)self;
    if (!w)
        return;
    sq_buf_free(&w->text);
    sq_free(w->ctx, w);
}

static const struct sq_sink_class sink = {
    .accepts = SQ_MODE_INSERT | SQ_MODE_RETRACT, .accept = print_accept, .shows_changes = print_shows_changes, .open = print_open, .write = print_write,
    .flush = print_nothing, .finish = print_nothing, .close = print_close,
};

static sq_rc print_table(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_table_ext **ext)
{
    struct options *o = SQ_NEW(arena, struct options);
    if (!o)
        return SQ_NOMEM;
    *ext = (struct sq_table_ext *)o;
    return sq_table_options(ctx, arena, &sq_connector_print, t, o, NULL);
}

const struct sq_connector sq_connector_print = {
    .name = "print", .help = "a sink that shows every change as a line, +I[1, a]", .options = rows, .noptions = SQ_LEN(rows), .sink = &sink,
    .table = print_table,
};
