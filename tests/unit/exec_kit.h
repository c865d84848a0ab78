/* SPDX-License-Identifier: Apache-2.0
 *
 * exec_kit.h: for the executor's tests: plans made by hand over VALUES with changelogs, and tables put together from what comes out.
 *
 * A test row is a kind and integers; a column of type STRING shows the integer as text (long for some, so that both forms of a view occur).
 */
#ifndef SQ_TESTS_EXEC_KIT_H
#define SQ_TESTS_EXEC_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "executor/job.h"

enum { KIT_COLS = 8 };
#define KIT_NULL INT64_MIN

struct kit_row { uint8_t kind; int64_t v[KIT_COLS]; };
struct kit_rows { struct kit_row *r; uint32_t n, cap; };

struct kit {
    struct sq_budget budget;
    struct sq_ctx ctx;
    struct sq_arena arena;
    uint32_t nodes;
    struct sq_job_plan plan;
};

/* What came out: a bag of row texts, or by key the last text. */
struct kit_entry { char *text; int64_t n; };
struct kit_table {
    struct kit_entry *e; uint32_t n, cap;
    uint32_t nkey;                        /* > 0: upserts by the first columns */
    bool quiet;                           /* no changelog text */
    struct sq_buf log;
    uint64_t changes;
    char wrong[256];
};

static inline void kit_init(struct kit *k)
{
    memset(k, 0, sizeof *k);
    k->ctx.budget = &k->budget;
    k->ctx.os = &sq_os_posix;
    sq_arena_init(&k->arena, &k->ctx);
    k->plan.config.batch_rows = SQ_BATCH_ROWS;
    k->plan.config.parallelism = 1;
    k->plan.config.mini_batch = -1;
    k->plan.config.session = (struct sq_session){.tz = sq_tz_utc, .os = &sq_os_posix};
    k->plan.bounded = true;
}

/* Everything taken was given back. */
static inline void kit_free(struct kit *k)
{
    sq_arena_free(&k->arena);
    assert_int_equal(k->budget.used, 0);
}

static inline void kit_add(struct kit_rows *rows, struct kit_row r)
{
    if (rows->n == rows->cap) {
        rows->cap = rows->cap ? rows->cap * 2 : 64;
        rows->r = realloc(rows->r, rows->cap * sizeof *rows->r);
    }
    rows->r[rows->n++] = r;
}

static inline uint64_t kit_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* Appends to a text in an array of n bytes. */
static inline void kit_say(char *s, size_t n, const char *fmt, ...) SQ_PRINTF(3, 4);
static inline void kit_say(char *s, size_t n, const char *fmt, ...)
{
    size_t had = strlen(s);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s + had, n - had, fmt, ap);
    va_end(ap);
}

/* ---- plans ---- */

static inline struct sq_plan *kit_node(struct kit *k, enum sq_plan_kind kind, struct sq_plan *a, struct sq_plan *b)
{
    struct sq_plan *p = SQ_NEW(&k->arena, struct sq_plan);
    p->kind = kind;
    p->id = k->nodes++;
    p->uid = 1000 + p->id;
    p->inputs = SQ_NEW_ARRAY(&k->arena, struct sq_plan *, 2);
    p->inputs[0] = a;
    p->inputs[1] = b;
    p->ninputs = !a ? 0 : !b ? 1 : 2;
    p->mode = SQ_MODE_INSERT;
    p->bounded = true;
    if (a) {
        p->cols = a->cols;
        p->ncols = a->ncols;
    }
    return p;
}

static inline const struct sq_type *kit_type(char c)
{
    switch (c) {
    case 'b': return &sq_type_boolean;
    case 't': return &sq_type_tinyint;
    case 'h': return &sq_type_smallint;
    case 'i': return &sq_type_int;
    case 'l': return &sq_type_bigint;
    case 'f': return &sq_type_float;
    case 'd': return &sq_type_double;
    case 'D': return &sq_type_date;
    case 'T': return &sq_type_timestamp3;
    default: return &sq_type_string;
    }
}

static inline void kit_cols(struct kit *k, struct sq_plan *p, const char *types)
{
    struct sq_field *f = SQ_NEW_ARRAY(&k->arena, struct sq_field, strlen(types) + 1);
    p->ncols = (uint32_t)strlen(types);
    for (uint32_t i = 0; i < p->ncols; i++)
        f[i] = (struct sq_field){sq_str_of(sq_arena_printf(&k->arena, "c%u", i)), kit_type(types[i])};
    p->cols = f;
}

static inline void kit_text(int64_t v, char *buf, size_t n)
{
    snprintf(buf, n, v % 3 == 0 ? "key number %lld of the test" : "k%lld", (long long)v);
}

static inline void kit_append(struct sq_col *c, int64_t v)
{
    char buf[64];
    double d = (double)v;
    float f = (float)v;
    if (v == KIT_NULL) {
        assert_int_equal(sq_col_append_null(c), SQ_OK);
    } else if (sq_type_phys(c->vec.type) == SQ_P_VIEW) {
        kit_text(v, buf, sizeof buf);
        assert_int_equal(sq_col_append_view(c, buf, (uint32_t)strlen(buf)), SQ_OK);
    } else {
        assert_int_equal(sq_col_append_fixed(c, c->vec.type->id == SQ_T_DOUBLE ? (void *)&d : c->vec.type->id == SQ_T_FLOAT ? (void *)&f : (void *)&v), SQ_OK);
    }
}

/* A VALUES node over the rows, `per` of them to a batch. Some batches come with a selection, to have those tested as well. */
static inline struct sq_plan *kit_values(struct kit *k, const char *types, const struct kit_rows *rows, uint32_t per, unsigned mode)
{
    struct sq_plan *p = kit_node(k, SQ_N_VALUES, NULL, NULL);
    uint32_t nb = (rows->n + per - 1) / per;
    struct sq_batch *b = SQ_NEW_ARRAY(&k->arena, struct sq_batch, nb + 1);
    const struct sq_type *t[KIT_COLS];
    struct sq_out out;

    kit_cols(k, p, types);
    p->mode = mode;
    for (uint32_t i = 0; i < p->ncols; i++)
        t[i] = p->cols[i].type;
    for (uint32_t i = 0; i < nb; i++) {
        uint32_t from = i * per, n = rows->n - from < per ? rows->n - from : per;
        bool gaps = i % 3 == 1 && n < SQ_BATCH_ROWS / 2;
        uint32_t *sel = SQ_NEW_ARRAY(&k->arena, uint32_t, n + 1);
        struct sq_vec *vecs = SQ_NEW_ARRAY(&k->arena, struct sq_vec, p->ncols + 1);
        assert_int_equal(sq_out_init(&out, &k->ctx, t, p->ncols), SQ_OK);
        for (uint32_t r = 0; r < n; r++) {
            const struct kit_row *row = &rows->r[from + r];
            for (int twice = 0; twice < (gaps ? 2 : 1); twice++) {
                for (uint32_t c = 0; c < p->ncols; c++)
                    kit_append(&out.cols[c], row->v[c]);
                assert_int_equal(sq_out_row(&out, row->kind), SQ_OK);
            }
            sel[r] = gaps ? 2 * r + 1 : r;
        }
        b[i] = *sq_out_batch(&out);
        for (uint32_t c = 0; c < p->ncols; c++) {             /* copied to the arena: the plan outlives the builder */
            struct sq_vec *v = &vecs[c];
            uint32_t w = sq_phys_size(sq_type_phys(t[c]));
            *v = b[i].cols[c];
            v->data = memcpy(sq_arena_get(&k->arena, (size_t)w * b[i].rows + 16, 16), v->data, (size_t)w * b[i].rows);
            if (v->valid)
                v->valid = memcpy(sq_arena_get(&k->arena, (b[i].rows / 64 + 1) * 8, 16), v->valid, (b[i].rows + 63) / 64 * 8);
            for (uint32_t r = 0; w == 16 && sq_type_phys(t[c]) == SQ_P_VIEW && r < b[i].rows; r++) {
                struct sq_view *view = (struct sq_view *)v->data + r;
                if (view->len > SQ_VIEW_INLINE)
                    view->u.ptr = sq_str_dup(&k->arena, sq_view_str(view)).p;
            }
        }
        b[i].cols = vecs;
        if (b[i].kind)
            b[i].kind = memcpy(sq_arena_get(&k->arena, b[i].rows + 1, 1), b[i].kind, b[i].rows);
        if (gaps) {
            b[i].sel = sel;
            b[i].nsel = n;
        }
        sq_out_free(&out);
    }
    p->u.values.rows = b;
    p->u.values.nbatches = nb;
    return p;
}

static inline struct sq_plan *kit_agg(struct kit *k, struct sq_plan *in, uint32_t ngroup, const uint32_t *group, const struct sq_agg_item *items, uint32_t n)
{
    struct sq_plan *p = kit_node(k, SQ_N_AGGREGATE, in, NULL);
    struct sq_agg_item *it = SQ_NEW_ARRAY(&k->arena, struct sq_agg_item, n + 1);
    struct sq_field *f = SQ_NEW_ARRAY(&k->arena, struct sq_field, ngroup + n + 1);
    uint32_t *g = SQ_NEW_ARRAY(&k->arena, uint32_t, ngroup + 1);

    for (uint32_t i = 0; i < ngroup; i++) {
        g[i] = group[i];
        f[i] = in->cols[group[i]];
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct sq_type *arg = items[i].arg < 0 ? NULL : in->cols[items[i].arg].type;
        it[i] = items[i];
        assert_int_equal(it[i].agg->derive(&k->ctx, &k->arena, &arg, arg ? 1 : 0, &it[i].ret), SQ_OK);
        f[ngroup + i] = (struct sq_field){SQ_STR("a"), it[i].ret};
    }
    p->cols = f;
    p->ncols = ngroup + n;
    p->u.agg.group = g;
    p->u.agg.ngroup = ngroup;
    p->u.agg.items = it;
    p->u.agg.nitems = n;
    p->u.agg.global = ngroup == 0;
    p->mode = SQ_MODE_RETRACT;
    return p;
}

static inline void kit_root(struct kit *k, struct sq_plan *in)
{
    struct sq_plan **roots = SQ_NEW_ARRAY(&k->arena, struct sq_plan *, 1);
    roots[0] = kit_node(k, SQ_N_COLLECT, in, NULL);
    roots[0]->mode = in->mode;
    k->plan.roots = roots;
    k->plan.nroots = 1;
    k->plan.nnodes = k->nodes;
}

/* ---- expressions ---- */

static inline struct sq_expr *kit_expr(struct kit *k, enum sq_expr_kind kind, const struct sq_type *t, uint32_t n, ...)
{
    struct sq_expr *e = SQ_NEW(&k->arena, struct sq_expr);
    va_list ap;
    e->kind = kind;
    e->type = t;
    e->nargs = n;
    e->args = SQ_NEW_ARRAY(&k->arena, struct sq_expr *, n + 1);
    va_start(ap, n);
    for (uint32_t i = 0; i < n; i++)
        e->args[i] = va_arg(ap, struct sq_expr *);
    va_end(ap);
    return e;
}
static inline struct sq_expr *kit_col(struct kit *k, const struct sq_plan *in, uint32_t col)
{
    struct sq_expr *e = kit_expr(k, SQ_X_COL, in->cols[col].type, 0);
    e->col = col;
    return e;
}
static inline struct sq_expr *kit_const(struct kit *k, const struct sq_type *t, const void *element)
{
    struct sq_expr *e = kit_expr(k, SQ_X_CONST, t, 0);
    e->value = element ? sq_vec_const_fixed(&k->arena, t, element) : sq_vec_const_null(&k->arena, t);
    return e;
}
static inline struct sq_expr *kit_int(struct kit *k, int32_t v) { return kit_const(k, &sq_type_int, &v); }
static inline struct sq_expr *kit_long(struct kit *k, int64_t v) { return kit_const(k, &sq_type_bigint, &v); }
static inline struct sq_expr *kit_double(struct kit *k, double v) { return kit_const(k, &sq_type_double, &v); }
static inline struct sq_expr *kit_bool(struct kit *k, bool v) { uint8_t b = v; return kit_const(k, &sq_type_boolean, &b); }
static inline struct sq_expr *kit_str(struct kit *k, const char *s)
{
    struct sq_expr *e = kit_expr(k, SQ_X_CONST, &sq_type_string, 0);
    e->value = sq_vec_const_str(&k->arena, &sq_type_string, sq_str_of(s));
    return e;
}
/* A call by name, arguments cast as the registry says. */
static inline struct sq_expr *kit_call(struct kit *k, const char *name, uint32_t n, ...)
{
    struct sq_expr *e = SQ_NEW(&k->arena, struct sq_expr), *arg;
    const struct sq_type *types[8];
    struct sq_resolved res;
    va_list ap;

    e->kind = SQ_X_CALL;
    e->nargs = n;
    e->args = SQ_NEW_ARRAY(&k->arena, struct sq_expr *, n + 1);
    va_start(ap, n);
    for (uint32_t i = 0; i < n; i++) {
        e->args[i] = va_arg(ap, struct sq_expr *);
        types[i] = e->args[i]->type;
    }
    va_end(ap);
    if (sq_function_resolve(&k->ctx, &k->arena, sq_str_of(name), types, n, &res) != SQ_OK)
        fail_msg("%s: %s", name, k->ctx.err.msg);
    e->fn = res.fn;
    e->type = res.ret;
    for (uint32_t i = 0; i < n; i++)
        if (!sq_type_equal(res.param[i], types[i], false)) {
            arg = kit_expr(k, SQ_X_CAST, res.param[i], 1, e->args[i]);
            e->args[i] = arg;
        }
    return e;
}

/* ---- results ---- */

static inline void kit_table_init(struct kit *k, struct kit_table *t, uint32_t nkey)
{
    memset(t, 0, sizeof *t);
    t->nkey = nkey;
    sq_buf_init(&t->log, &k->ctx);
}

static inline void kit_table_free(struct kit_table *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        free(t->e[i].text);
    free(t->e);
    sq_buf_free(&t->log);
}

static inline struct kit_entry *kit_find(struct kit_table *t, const char *text, size_t n)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->e[i].n && strncmp(t->e[i].text, text, n) == 0 && (t->nkey || t->e[i].text[n] == 0))
            return &t->e[i];
    return NULL;
}

static inline void kit_table_row(struct kit_table *t, uint8_t kind, const char *text)
{
    size_t n = strlen(text);
    struct kit_entry *e;

    t->changes++;
    if (t->nkey) {                       /* up to the separator behind the key */
        const char *p = text;
        for (uint32_t i = 0; i < t->nkey; i++)
            p = strchr(p, '|') + 1;
        n = (size_t)(p - text);
    }
    e = kit_find(t, text, n);
    if (!sq_kind_adds(kind)) {
        if (!e || (t->nkey && kind == SQ_UPDATE_BEFORE))
            snprintf(t->wrong, sizeof t->wrong, "%s of a row that is not there: %s", sq_kind_name(kind), text);
        else
            e->n--;
        return;
    }
    if (t->nkey && kind == SQ_INSERT && e)
        snprintf(t->wrong, sizeof t->wrong, "+I of a key that is there: %s", text);
    if (t->nkey && kind == SQ_UPDATE_AFTER && !e)
        snprintf(t->wrong, sizeof t->wrong, "+U of a key that is not there: %s", text);
    if (t->nkey && e)
        e->n = 0;
    else if (e) {
        e->n++;
        return;
    }
    for (uint32_t i = 0; i < t->n; i++)
        if (t->e[i].n == 0) {
            free(t->e[i].text);
            t->e[i] = (struct kit_entry){strdup(text), 1};
            return;
        }
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->e = realloc(t->e, t->cap * sizeof *t->e);
    }
    t->e[t->n++] = (struct kit_entry){strdup(text), 1};
}

static inline sq_rc kit_collect(void *arg, const struct sq_batch *b)
{
    struct kit_table *t = arg;
    const char *wrong = sq_batch_check(b);
    struct sq_buf text;

    if (wrong)
        snprintf(t->wrong, sizeof t->wrong, "%s", wrong);
    sq_buf_init(&text, t->log.ctx);
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t r = sq_row(b, i);
        sq_buf_reset(&text);
        for (uint32_t c = 0; c < b->ncols; c++) {
            if (c)
                sq_buf_putc(&text, '|');
            if (sq_vec_null(&b->cols[c], r))
                sq_buf_puts(&text, "NULL");
            else
                sq_print_value(&text, &b->cols[c], r, sq_tz_utc);
        }
        kit_table_row(t, sq_row_kind(b, r), text.p ? text.p : "");
        if (!t->quiet)
            sq_buf_printf(&t->log, "%s%s(%s)", t->log.n ? " " : "", sq_kind_name(sq_row_kind(b, r)), text.p ? text.p : "");
    }
    sq_buf_free(&text);
    return SQ_OK;
}

static inline int kit_cmp(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The rows of a table, sorted, one a line. Freed by the caller. */
static inline char *kit_text_of(const struct kit_table *t)
{
    size_t n = 0, bytes = 1;
    char **lines, *all, *p;

    for (uint32_t i = 0; i < t->n; i++)
        for (int64_t k = 0; k < t->e[i].n; k++, n++)
            bytes += strlen(t->e[i].text) + 1;
    lines = malloc((n + 1) * sizeof *lines);
    p = all = malloc(bytes);
    n = 0;
    for (uint32_t i = 0; i < t->n; i++)
        for (int64_t k = 0; k < t->e[i].n; k++)
            lines[n++] = t->e[i].text;
    qsort(lines, n, sizeof *lines, kit_cmp);
    *p = 0;
    for (size_t i = 0; i < n; i++)
        p += snprintf(p, bytes - (size_t)(p - all), "%s\n", lines[i]);
    free(lines);
    return all;
}

#define kit_ok(k, call)                                                    \
    do {                                                                   \
        if ((call) != SQ_OK)                                               \
            fail_msg("%s: %s", #call, (k)->ctx.err.msg);                   \
    } while (0)

/* Runs the plan; after `cut` turns (cut >= 0) through a snapshot into a new job. */
static inline void kit_run(struct kit *k, struct kit_table *t, int cut)
{
    struct sq_job *job;
    struct sq_job_stats st;
    bool done = false;

    kit_ok(k, sq_job_open(&k->ctx, &k->plan, kit_collect, t, &job));
    for (int turn = 0; !done; turn++) {
        if (turn == cut) {
            struct sq_buf snap;
            sq_buf_init(&snap, &k->ctx);
            kit_ok(k, sq_job_snapshot(job, &snap));
            sq_job_close(job);
            kit_ok(k, sq_job_open(&k->ctx, &k->plan, kit_collect, t, &job));
            kit_ok(k, sq_job_restore(job, sq_buf_view(&snap)));
            sq_buf_free(&snap);
        }
        kit_ok(k, sq_job_turn(job, 0, &done));
    }
    sq_job_stats(job, &st);
    if (!st.balanced && cut < 0) {
        struct sq_buf b;
        sq_buf_init(&b, &k->ctx);
        sq_job_account(job, &b);
        fail_msg("%s", b.p);
    }
    sq_job_close(job);
    if (t->wrong[0])
        fail_msg("%s", t->wrong);
}

/* ---- shorthands ---- */

static inline const struct sq_agg *agg(const char *name) { return sq_agg_find(sq_str_of(name)); }

#define ROW(k, ...) {k, {__VA_ARGS__}}
#define ROWS(...) ((struct kit_rows){.r = (struct kit_row[]){__VA_ARGS__}, .n = sizeof((struct kit_row[]){__VA_ARGS__}) / sizeof(struct kit_row)})

static inline void expect_log(struct kit *k, const char *want)
{
    struct kit_table t;
    kit_table_init(k, &t, 0);
    kit_run(k, &t, -1);
    assert_string_equal(t.log.p ? t.log.p : "", want);
    kit_table_free(&t);
}

static inline struct sq_plan *sort_node(struct kit *k, enum sq_plan_kind kind, struct sq_plan *in, bool desc, bool nulls_first, int64_t limit, int64_t offset)
{
    struct sq_plan *p = kit_node(k, kind, in, NULL);
    struct sq_sort_key *keys = SQ_NEW_ARRAY(&k->arena, struct sq_sort_key, 1);
    keys[0] = (struct sq_sort_key){.col = 0, .desc = desc, .nulls_first = nulls_first};
    p->u.sort.keys = keys;
    p->u.sort.nkeys = kind == SQ_N_SORT;
    p->u.sort.limit = limit;
    p->u.sort.offset = offset;
    return p;
}

#endif
