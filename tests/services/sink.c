/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c: the writer of a connector, called as the runtime calls it, one call a line: for tests that look at what is outside between two calls, or
 * kill it there. Answers each line with one: "ok …" or "error …".
 *
 *   open OPTION=VALUE;…        a table t of (id INT, s STRING) with these options, and of these words before '|' of the line:
 *                              pk (id is its PRIMARY KEY), epochs, copies, bounded, job=UUID, sink=NAME, interval=MS, mode=insert|upsert|retract
 *   write 1:a -2:b ^3:c ~4:#   rows: +I, -D, +U, -U; '#' is NULL
 *   prepare N [FILE]           pending goes to the file
 *   commit N | recover N FILE | marker | mark N | flush | finish | pending | last | close
 */
#include "base/os.h"
#include "base/text.h"
#include "connectors/registry.h"

#include <stdio.h>
#include <stdlib.h>

struct world {
    struct sq_budget budget;
    struct sq_ctx ctx;
    struct sq_arena arena;
    struct sq_table_spec table;
    struct sq_sink_spec spec;
    struct sq_kv kv[64];
    const struct sq_sink_class *sink;
    struct sq_writer *writer;
};

static const struct sq_type int_not_null = {.id = SQ_T_INT, .nullable = false};
static struct sq_table_column cols[] = {{{"id", 2}, &sq_type_int, SQ_COL_PHYSICAL, {NULL, 0}, 0, 0}, {{"s", 1}, &sq_type_string, SQ_COL_PHYSICAL, {NULL, 0}, 0, 0}};
static const uint32_t key[] = {0};

static void notice(void *arg, const char *text)
{
    (void)arg;
    printf("note %s\n", text);
}

static struct sq_str word(struct world *w, const char *text)
{
    return sq_str_dup(&w->arena, sq_str_of(text));
}

static void read_options(struct world *w, char *text)
{
    char *save;
    for (char *one = strtok_r(text, ";", &save); one && w->table.noptions < SQ_LEN(w->kv); one = strtok_r(NULL, ";", &save)) {
        char *eq = strchr(one, '=');
        if (!eq)
            continue;
        *eq = 0;
        w->kv[w->table.noptions++] = (struct sq_kv){.key = word(w, one), .value = word(w, eq + 1)};
    }
}

static void read_words(struct world *w, char *text)
{
    char *save;
    struct sq_sink_epochs *e = &w->spec.epoch;
    for (char *one = strtok_r(text, " ", &save); one; one = strtok_r(NULL, " ", &save)) {
        char *value = strchr(one, '=');
        if (value)
            *value++ = 0;
        if (strcmp(one, "pk") == 0) {
            cols[0].type = &int_not_null;
            w->table.pk = w->spec.key = key;
            w->table.npk = w->spec.nkey = 1;
        }
        e->on |= strcmp(one, "epochs") == 0;
        e->copies |= strcmp(one, "copies") == 0;
        w->spec.bounded |= strcmp(one, "bounded") == 0;
        if (value && strcmp(one, "job") == 0)
            e->job = word(w, value);
        if (value && strcmp(one, "sink") == 0)
            e->sink = word(w, value);
        if (value && strcmp(one, "interval") == 0)
            e->interval_ms = atoll(value);
        if (value && strcmp(one, "mode") == 0)
            w->spec.mode = *value == 'u' ? SQ_MODE_UPSERT : *value == 'r' ? SQ_MODE_RETRACT : SQ_MODE_INSERT;
    }
}

static sq_rc open_sink(struct world *w, char *line)
{
    static const struct sq_session session = {.os = &sq_os_posix};
    const struct sq_connector *c;
    struct sq_table_ext *ext;
    unsigned modes;
    char *bar = strchr(line, '|');
    w->table = (struct sq_table_spec){.name = SQ_STR("t"), .cols = cols, .ncols = 2, .options = w->kv};
    w->spec = (struct sq_sink_spec){.table = &w->table, .session = &session, .mode = SQ_MODE_INSERT, .epoch.owner = SQ_STR("0123456789abcdef")};
    if (bar) {
        *bar = 0;
        read_words(w, line);
        line = bar + 1;
    }
    read_options(w, line);
    SQ_TRY(sq_connector_find(&w->ctx, &w->table, &c));
    SQ_TRY(c->table(&w->ctx, &w->arena, &w->table, &ext));
    w->spec.ext = ext;
    w->sink = c->sink;
    if (c->sink->accept)
        SQ_TRY(c->sink->accept(&w->ctx, &w->table, ext, &modes));
    return c->sink->open(&w->ctx, &w->spec, &w->writer);
}

static sq_rc write_rows(struct world *w, char *line)
{
    const struct sq_type *types[] = {cols[0].type, cols[1].type};
    struct sq_out out;
    char *save;
    sq_rc rc = sq_out_init(&out, &w->ctx, types, 2);
    for (char *p = strtok_r(line, " ", &save); rc == SQ_OK && p; p = strtok_r(NULL, " ", &save)) {
        enum sq_kind kind = *p == '-' ? SQ_DELETE : *p == '^' ? SQ_UPDATE_AFTER : *p == '~' ? SQ_UPDATE_BEFORE : SQ_INSERT;
        int32_t id = (int32_t)strtol(p + (kind != SQ_INSERT), &p, 10);
        p += *p == ':';
        sq_col_append_fixed(&out.cols[0], &id);
        if (strcmp(p, "#") == 0)
            sq_col_append_null(&out.cols[1]);
        else
            sq_col_append_view(&out.cols[1], p, (uint32_t)strlen(p));
        rc = sq_out_row(&out, kind);
    }
    if (rc == SQ_OK)
        rc = w->sink->write(w->writer, sq_out_batch(&out));
    sq_out_free(&out);
    return rc;
}

static sq_rc prepare(struct world *w, char *line)
{
    char *file, *number = strtok_r(line, " ", &file);
    struct sq_buf pending;
    sq_buf_init(&pending, &w->ctx);
    bool wants = file && *file;
    sq_rc rc = w->sink->prepare(w->writer, strtoull(number, NULL, 10), wants ? &pending : NULL);
    FILE *f = rc == SQ_OK && wants ? fopen(file, "w") : NULL;
    if (f) {
        fwrite(pending.p, 1, pending.n, f);
        fclose(f);
    }
    sq_buf_free(&pending);
    return rc;
}

static sq_rc recover(struct world *w, char *line)
{
    char *file, *number = strtok_r(line, " ", &file);
    FILE *f = fopen(file, "r");
    struct sq_buf pending;
    int c;
    sq_buf_init(&pending, &w->ctx);
    while (f && (c = fgetc(f)) != EOF)
        sq_buf_putc(&pending, (char)c);
    if (f)
        fclose(f);
    sq_rc rc = w->sink->recover(w->writer, strtoull(number, NULL, 10), sq_buf_view(&pending));
    sq_buf_free(&pending);
    return rc;
}

static void close_writer(struct world *w)
{
    if (w->writer)
        w->sink->close(w->writer);
    w->writer = NULL;
}

static sq_rc answer(struct world *w, const char *what, char *rest, uint64_t *value)
{
    *value = 0;
    if (strcmp(what, "open") == 0)
        return open_sink(w, rest);
    if (!w->writer)
        return sq_fail(&w->ctx, SQ_MISUSE, "nothing is open");
    if (strcmp(what, "write") == 0)
        return write_rows(w, rest);
    if (strcmp(what, "prepare") == 0)
        return prepare(w, rest);
    if (strcmp(what, "commit") == 0)
        return w->sink->commit(w->writer, strtoull(rest, NULL, 10));
    if (strcmp(what, "recover") == 0)
        return recover(w, rest);
    if (strcmp(what, "marker") == 0)
        return w->sink->marker(w->writer, value);
    if (strcmp(what, "mark") == 0)
        return w->sink->set_marker(w->writer, strtoull(rest, NULL, 10));
    if (strcmp(what, "flush") == 0)
        return w->sink->flush(w->writer);
    if (strcmp(what, "finish") == 0)
        return w->sink->finish(w->writer);
    if (strcmp(what, "last") == 0 && w->sink->last)
        w->sink->last(w->writer, true);
    if (strcmp(what, "close") == 0)
        close_writer(w);
    if (strcmp(what, "pending") == 0)
        *value = w->sink->pending_bytes ? w->sink->pending_bytes(w->writer) : 0;
    return SQ_OK;
}

int main(void)
{
    struct world w = {.ctx = {.budget = &w.budget, .os = &sq_os_posix, .notice = notice}};
    char *line = NULL, *rest;
    size_t cap = 0;
    ssize_t n;
    uint64_t value;
    sq_arena_init(&w.arena, &w.ctx);
    setvbuf(stdout, NULL, _IOLBF, 0);
    while ((n = getline(&line, &cap, stdin)) > 0) {
        if (line[n - 1] == '\n')
            line[n - 1] = 0;
        char *what = strtok_r(line, " ", &rest);
        if (!what)
            continue;
        w.ctx.err = (struct sq_error){0};
        if (answer(&w, what, rest, &value) == SQ_OK)
            printf("ok %llu\n", (unsigned long long)value);
        else
            printf("error %s%s%s\n", w.ctx.err.msg, w.ctx.err.hint[0] ? " | " : "", w.ctx.err.hint);
    }
    close_writer(&w);
    sq_arena_free(&w.arena);
    free(line);
    if (w.budget.used) {
        printf("error %lld bytes were not freed\n", (long long)w.budget.used);
        return 1;
    }
    return 0;
}
