/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_sql.c: any bytes as SQL text. Each statement either parses, and then prints, parses and prints the same; or is refused with a message
 * and a place in the text. The error is rendered too.
 */
#include "parser/parser.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok, const char *what, struct sq_str text)
{
    if (ok)
        return;
    fprintf(stderr, "%s:\n%.*s\n", what, SQ_FMT(text));
    abort();
}

static void round_trip(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_ast_stmt *s)
{
    struct sq_buf one, two;
    struct sq_ast_stmt *again = NULL;
    uint32_t at = 0;
    sq_rc rc;

    sq_buf_init(&one, ctx);
    sq_buf_init(&two, ctx);
    check(sq_unparse_stmt(&one, s) == SQ_OK, "not printed", SQ_STR(""));
    rc = sq_parse(ctx, arena, sq_buf_view(&one), &at, &again, NULL);
    if (rc != SQ_LIMIT) {   /* FROM f(x) prints as FROM TABLE(f(x)): one more bracket */
        check(rc == SQ_OK && again && at == one.n, "printed, but not parsed", sq_buf_view(&one));
        sq_unparse_stmt(&two, again);
        check(sq_str_eq(sq_buf_view(&one), sq_buf_view(&two)), "printed differently", sq_buf_view(&one));
    }
    sq_buf_free(&one);
    sq_buf_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sq_budget budget = {0};
    struct sq_ctx ctx = {.budget = &budget};
    struct sq_arena arena;
    struct sq_str text = {(const char *)data, (uint32_t)size};
    uint32_t at = 0;
    bool complete = false;

    sq_arena_init(&arena, &ctx);
    while (at < text.n) {
        struct sq_ast_stmt *s = NULL;
        uint32_t before = at;
        sq_rc rc = sq_parse(&ctx, &arena, text, &at, &s, &complete);

        check(at > before, "stands still", text);
        if (rc == SQ_OK && s) {
            check(s->span.at >= before && s->span.at + s->span.len <= text.n, "a statement outside of the text", text);
            round_trip(&ctx, &arena, s);
        } else if (rc != SQ_OK) {
            struct sq_buf b;

            check(ctx.err.msg[0] && ctx.err.span.len && ctx.err.span.at <= text.n, "an error without a text or a place", text);
            sq_buf_init(&b, &ctx);
            sq_render_error(&b, &ctx.err, "fuzz.sql", text, 1);
            sq_buf_free(&b);
        }
        sq_arena_reset(&arena);
    }
    sq_arena_free(&arena);
    check(budget.used == 0, "memory is left", text);
    return 0;
}
