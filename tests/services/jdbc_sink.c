/* SPDX-License-Identifier: Apache-2.0
 *
 * jdbc_sink.c: drives the jdbc sink by hand, call by call, for tests of its faults on a real database.
 *
 * Commands come from standard input, one a line, fields with tabs between; NAME is one of 26 writers, a letter. Each is answered by one line, "ok MS [value]"
 * or "error RC message | hint", where MS is how long the call took; notices come before it as "notice text". Tables have the columns (id INT, s STRING).
 *
 *   open NAME key|append JOB SINK OWNER OLD-JOB options…    options as 'key=value'; JOB '-': no job; OWNER '-': no epochs
 *   write NAME rows          "1:a 2:b -3:c": inserts, or deletes where '-' is before
 *   fill NAME FROM TO text   ids FROM to TO
 *   prepare NAME N [FILE]    with a file: what a checkpoint would keep goes there
 *   recover NAME N FILE      commit NAME N      marker NAME      set NAME N      pending NAME      flush NAME      finish NAME      close NAME
 *   read NAME options… / poll NAME / position NAME FILE / resume NAME FILE options…     a scan: poll answers with the rows of a batch
 */
#include "base/os.h"
#include "base/text.h"
#include "connectors/registry.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIELDS = 32 };

struct slot {
    struct sq_arena arena;
    struct sq_table_spec *table;
    struct sq_table_ext *ext;
    struct sq_sink_spec sink;
    struct sq_writer *w;
    struct sq_scan_spec scan;
    struct sq_reader *r;
};

struct world {
    struct sq_ctx ctx;
    struct sq_session session;
    struct slot slots[26];
};

static _Atomic int stop;
static void on_signal(int s) { stop = s; }
static void note(void *arg, const char *text) { (void)arg; printf("notice %s\n", text); }

static const struct sq_table_column cols[] = {{{"id", 2}, &sq_type_int, SQ_COL_PHYSICAL, {NULL, 0}, 0, 0}, {{"s", 1}, &sq_type_string, SQ_COL_PHYSICAL, {NULL, 0}, 0, 0}};
static const uint32_t key[] = {0}, both[] = {0, 1};

/* ---- tables ---- */

static sq_rc make_table(struct world *w, struct slot *s, char **options, int n)
{
    struct sq_kv *kv = SQ_NEW_ARRAY(&s->arena, struct sq_kv, n + 1);
    kv[0] = (struct sq_kv){SQ_STR("connector"), SQ_STR("jdbc"), {1, 1}, {1, 1}};
    for (int i = 0; i < n; i++) {
        struct sq_str o = sq_str_dup(&s->arena, sq_str_of(options[i]));
        uint32_t eq = (uint32_t)strcspn(o.p, "=");
        kv[i + 1] = (struct sq_kv){{o.p, eq}, {o.p + eq + 1, o.n - eq - 1}, {1, 1}, {1, 1}};
    }
    s->table = SQ_NEW(&s->arena, struct sq_table_spec);
    *s->table = (struct sq_table_spec){.name = SQ_STR("t"), .cols = cols, .ncols = 2, .options = kv, .noptions = (uint32_t)n + 1};
    return sq_connector_jdbc.table(&w->ctx, &s->arena, s->table, &s->ext);
}

static struct sq_str keep(struct slot *s, const char *text) { return strcmp(text, "-") == 0 ? (struct sq_str){NULL, 0} : sq_str_dup(&s->arena, sq_str_of(text)); }

static sq_rc open_sink(struct world *w, struct slot *s, char **f, int n)
{
    bool keyed = strcmp(f[0], "key") == 0;
    SQ_TRY(make_table(w, s, f + 5, n - 5));
    s->sink = (struct sq_sink_spec){.table = s->table, .ext = s->ext, .session = &w->session, .mode = keyed ? SQ_MODE_UPSERT : SQ_MODE_INSERT, .key = key, .nkey = keyed};
    s->sink.epoch = (struct sq_sink_epochs){.on = strcmp(f[3], "-") != 0, .job = keep(s, f[1]), .sink = keep(s, f[2]), .owner = keep(s, f[3]), .old_job = keep(s, f[4])};
    return sq_connector_jdbc.sink->open(&w->ctx, &s->sink, &s->w);
}

/* ---- rows ---- */

static sq_rc add(struct sq_out *o, int32_t id, const char *text, size_t n, enum sq_kind kind)
{
    SQ_TRY(sq_col_append_fixed(&o->cols[0], &id));
    SQ_TRY(sq_col_append_view(&o->cols[1], text, (uint32_t)n));
    return sq_out_row(o, kind);
}

static sq_rc write_rows(struct world *w, struct slot *s, const char *p)
{
    const struct sq_type *types[] = {&sq_type_int, &sq_type_string};
    struct sq_out o;
    SQ_TRY(sq_out_init(&o, &w->ctx, types, 2));
    sq_rc rc = SQ_OK;
    while (rc == SQ_OK && *p) {
        enum sq_kind kind = *p == '-' ? SQ_DELETE : SQ_INSERT;
        p += *p == '-';
        size_t id = strcspn(p, ":"), n = strcspn(p, " ");
        rc = add(&o, (int32_t)strtol(p, NULL, 10), p + id + 1, n - id - 1, kind);
        p += n + (p[n] == ' ');
    }
    if (rc == SQ_OK)
        rc = sq_connector_jdbc.sink->write(s->w, sq_out_batch(&o));
    sq_out_free(&o);
    return rc;
}

static sq_rc fill(struct world *w, struct slot *s, char **f)
{
    const struct sq_type *types[] = {&sq_type_int, &sq_type_string};
    int32_t from = (int32_t)strtol(f[0], NULL, 10), to = (int32_t)strtol(f[1], NULL, 10);
    struct sq_out o;
    SQ_TRY(sq_out_init(&o, &w->ctx, types, 2));
    sq_rc rc = SQ_OK;
    while (rc == SQ_OK && from <= to) {
        sq_out_reset(&o);
        for (; rc == SQ_OK && from <= to && o.n < SQ_BATCH_ROWS; from++)
            rc = add(&o, from, f[2], strlen(f[2]), SQ_INSERT);
        if (rc == SQ_OK)
            rc = sq_connector_jdbc.sink->write(s->w, sq_out_batch(&o));
    }
    sq_out_free(&o);
    return rc;
}

static sq_rc to_file(struct sq_ctx *ctx, const char *path, const struct sq_buf *b)
{
    FILE *f = fopen(path, "w");
    bool good = f && fwrite(b->p ? b->p : "", 1, b->n, f) == b->n;
    good = f && fclose(f) == 0 && good;
    return good ? SQ_OK : sq_fail(ctx, SQ_IO, "cannot write '%s'", path);
}

static sq_rc from_file(struct sq_ctx *ctx, const char *path, struct sq_buf *b)
{
    FILE *f = fopen(path, "r");
    char part[65536];
    size_t n;
    if (!f)
        return sq_fail(ctx, SQ_IO, "cannot read '%s'", path);
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        sq_buf_add(b, part, n);
    fclose(f);
    return b->rc;
}

static sq_rc prepare(struct world *w, struct slot *s, uint64_t n, const char *path)
{
    struct sq_buf b;
    sq_buf_init(&b, &w->ctx);
    sq_rc rc = sq_connector_jdbc.sink->prepare(s->w, n, path ? &b : NULL);
    if (rc == SQ_OK && path)
        rc = to_file(&w->ctx, path, &b);
    sq_buf_free(&b);
    return rc;
}

static sq_rc recover(struct world *w, struct slot *s, uint64_t n, const char *path)
{
    struct sq_buf b;
    sq_buf_init(&b, &w->ctx);
    sq_rc rc = from_file(&w->ctx, path, &b);
    if (rc == SQ_OK)
        rc = sq_connector_jdbc.sink->recover(s->w, n, sq_buf_view(&b));
    sq_buf_free(&b);
    return rc;
}

/* ---- scans ---- */

static sq_rc open_scan(struct world *w, struct slot *s, const char *path, char **options, int n)
{
    const struct sq_source_class *c = sq_connector_jdbc.source;
    struct sq_split *splits;
    struct sq_buf b;
    uint32_t nsplits;
    SQ_TRY(make_table(w, s, options, n));
    s->scan = (struct sq_scan_spec){.table = s->table, .ext = s->ext, .session = &w->session, .cols = both, .ncols = 2, .batch_rows = 3};
    SQ_TRY(c->splits(&w->ctx, &s->arena, &s->scan, 1, &splits, &nsplits));
    SQ_TRY(c->open(&w->ctx, &s->scan, &s->r));
    sq_buf_init(&b, &w->ctx);
    sq_rc rc = path ? from_file(&w->ctx, path, &b) : SQ_OK;
    if (rc == SQ_OK)
        rc = c->add_split(s->r, &splits[0], path ? sq_buf_view(&b) : (struct sq_str){NULL, 0});
    sq_buf_free(&b);
    return rc;
}

static sq_rc poll_scan(struct slot *s, struct sq_buf *out)
{
    struct sq_poll p;
    SQ_TRY(sq_connector_jdbc.source->poll(s->r, &p));
    for (uint32_t i = 0; p.batch && i < p.batch->nsel; i++) {
        sq_buf_puts(out, i ? " " : "");
        sq_print_value(out, &p.batch->cols[0], i, sq_tz_utc);
        sq_buf_putc(out, ':');
        sq_print_value(out, &p.batch->cols[1], i, sq_tz_utc);
    }
    return p.state == SQ_POLL_ROWS ? out->rc : sq_buf_puts(out, " .");
}

static sq_rc position(struct world *w, struct slot *s, const char *path, struct sq_buf *out)
{
    struct sq_buf b;
    sq_buf_init(&b, &w->ctx);
    sq_rc rc = sq_connector_jdbc.source->position(s->r, 0, &b);
    if (rc == SQ_OK && sq_connector_jdbc.source->show_position)
        rc = sq_connector_jdbc.source->show_position(sq_buf_view(&b), out);
    if (rc == SQ_OK)
        rc = to_file(&w->ctx, path, &b);
    sq_buf_free(&b);
    return rc;
}

/* ---- commands ---- */

static void close_slot(struct slot *s)
{
    if (s->w)
        sq_connector_jdbc.sink->close(s->w);
    if (s->r)
        sq_connector_jdbc.source->close(s->r);
    s->w = NULL;
    s->r = NULL;
    sq_arena_reset(&s->arena);
}

static sq_rc run(struct world *w, char **f, int n, struct sq_buf *out)
{
    const struct sq_sink_class *sink = sq_connector_jdbc.sink;
    const char *verb = f[0];
    struct slot *s = &w->slots[n > 1 && f[1][0] >= 'a' && f[1][0] <= 'z' ? f[1][0] - 'a' : 0];
    uint64_t epoch = n > 2 ? strtoull(f[2], NULL, 10) : 0;
    if (strcmp(verb, "open") == 0 || strcmp(verb, "read") == 0 || strcmp(verb, "resume") == 0)
        close_slot(s);
    if (strcmp(verb, "open") == 0 && n > 7) return open_sink(w, s, f + 2, n - 2);
    if (strcmp(verb, "read") == 0 && n > 2) return open_scan(w, s, NULL, f + 2, n - 2);
    if (strcmp(verb, "resume") == 0 && n > 3) return open_scan(w, s, f[2], f + 3, n - 3);
    if (strcmp(verb, "poll") == 0 && s->r) return poll_scan(s, out);
    if (strcmp(verb, "position") == 0 && s->r && n > 2) return position(w, s, f[2], out);
    if (strcmp(verb, "close") == 0) {
        close_slot(s);
        return SQ_OK;
    }
    if (!s->w)
        return sq_fail(&w->ctx, SQ_MISUSE, "no such command, or it is not open: %s", verb);
    if (strcmp(verb, "write") == 0 && n > 2) return write_rows(w, s, f[2]);
    if (strcmp(verb, "fill") == 0 && n > 4) return fill(w, s, f + 2);
    if (strcmp(verb, "prepare") == 0) return prepare(w, s, epoch, n > 3 ? f[3] : NULL);
    if (strcmp(verb, "recover") == 0 && n > 3) return recover(w, s, epoch, f[3]);
    if (strcmp(verb, "commit") == 0) return sink->commit(s->w, epoch);
    if (strcmp(verb, "set") == 0) return sink->set_marker(s->w, epoch);
    if (strcmp(verb, "flush") == 0) return sink->flush(s->w);
    if (strcmp(verb, "finish") == 0) return sink->finish(s->w);
    if (strcmp(verb, "pending") == 0) return sq_buf_printf(out, "%zu", sink->pending_bytes(s->w));
    if (strcmp(verb, "marker") == 0) {
        SQ_TRY(sink->marker(s->w, &epoch));
        return sq_buf_printf(out, "%llu", (unsigned long long)epoch);
    }
    return sq_fail(&w->ctx, SQ_MISUSE, "no such command: %s", verb);
}

int main(void)
{
    static struct world w;
    char *line = NULL, *fields[FIELDS];
    size_t cap = 0;
    struct sq_buf out;
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &act, NULL);
    w.ctx = (struct sq_ctx){.os = &sq_os_posix, .notice = note, .interrupt = &stop};
    w.session = (struct sq_session){.tz = sq_tz_utc, .os = &sq_os_posix};
    for (size_t i = 0; i < SQ_LEN(w.slots); i++)
        sq_arena_init(&w.slots[i].arena, &w.ctx);
    sq_buf_init(&out, &w.ctx);
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (getline(&line, &cap, stdin) > 0) {
        int n = 0;
        line[strcspn(line, "\n")] = 0;
        for (char *p = line; p && n < FIELDS; n++) {
            fields[n] = p;
            p = strchr(p, '\t');
            if (p)
                *p++ = 0;
        }
        sq_buf_reset(&out);
        stop = 0;
        int64_t begun = sq_os_posix.mono_ns(NULL);
        sq_rc rc = run(&w, fields, n, &out);
        if (rc == SQ_OK)
            printf("ok %lld %s\n", (long long)(sq_os_posix.mono_ns(NULL) - begun) / 1000000, out.p ? out.p : "");
        else
            printf("error %d %s | %s\n", (int)rc, w.ctx.err.msg, w.ctx.err.hint);
    }
    for (size_t i = 0; i < SQ_LEN(w.slots); i++) {
        close_slot(&w.slots[i]);
        sq_arena_free(&w.slots[i].arena);
    }
    sq_buf_free(&out);
    free(line);
    return 0;
}
