/* SPDX-License-Identifier: Apache-2.0
 *
 * datagen.c: a source that makes its rows up, as Flink's datagen connector does: every column at random, or as a sequence.
 *
 * A column is a tree of generators (ROW, ARRAY, MAP and MULTISET have children), built once from type and options; options
 * of nested parts are named by path: fields.r.a.min, fields.list.element.max, fields.map.key.length, fields.map.value.min.
 * All randomness comes from one generator (xoshiro256**), seeded once through ctx->os, so a held seed gives the same rows.
 * The table ends after 'number-of-rows', or with the first sequence that ends. 'rows-per-second' is kept by answering
 * polls with "nothing now".
 *
 * FLINK: one split makes all rows, so a sequence comes in order whatever the parallelism. Random numbers follow the same
 * ranges and defaults, not the same values.
 */
#include "base/os.h"
#include "base/text.h"
#include "connectors/registry.h"

#include <math.h>
#include <stdio.h>

enum { MAX_LENGTH = 16 << 20, MAX_PER_POLL_US = 10000 };

struct options {
    int64_t rows_per_second, number_of_rows, parallelism;
    struct sq_option_map kind, min, max, max_past, length, var_len, null_rate, start, end;
};

#define OFF(f) offsetof(struct options, f)
static const struct sq_option rows[] = {
    {"rows-per-second", NULL, SQ_OPT_INT, "10000", OFF(rows_per_second), NULL, 0, "how many rows come in a second"},
    {"number-of-rows", NULL, SQ_OPT_INT, NULL, OFF(number_of_rows), NULL, 0, "ends after so many rows; without it rows come for ever"},
    {"scan.parallelism", NULL, SQ_OPT_INT, NULL, OFF(parallelism), NULL, 0, "how many workers; the rows are made by one"},
    {"fields.#.kind", NULL, SQ_OPT_MAP, NULL, OFF(kind), NULL, 0, "random or sequence"},
    {"fields.#.min", NULL, SQ_OPT_MAP, NULL, OFF(min), NULL, 0, "least random number"},
    {"fields.#.max", NULL, SQ_OPT_MAP, NULL, OFF(max), NULL, 0, "greatest random number"},
    {"fields.#.max-past", NULL, SQ_OPT_MAP, NULL, OFF(max_past), NULL, 0, "how far back random timestamps go"},
    {"fields.#.length", NULL, SQ_OPT_MAP, NULL, OFF(length), NULL, 0, "characters, bytes or elements: 100 of strings, 3 of collections unless given"},
    {"fields.#.var-len", NULL, SQ_OPT_MAP, NULL, OFF(var_len), NULL, 0, "true: strings of 1 to length characters"},
    {"fields.#.null-rate", NULL, SQ_OPT_MAP, NULL, OFF(null_rate), NULL, 0, "how many are NULL, from 0.0 to 1.0"},
    {"fields.#.start", NULL, SQ_OPT_MAP, NULL, OFF(start), NULL, 0, "first number of a sequence"},
    {"fields.#.end", NULL, SQ_OPT_MAP, NULL, OFF(end), NULL, 0, "last number of a sequence"},
};

struct gen {                       /* how one value is made */
    const struct sq_type *type;
    bool sequence, var_len;
    int64_t start, end;            /* sequence */
    int64_t lo, hi;                /* random integers and intervals */
    double dlo, dhi;               /* random FLOAT, DOUBLE */
    sq_i128 declo, dechi;          /* random DECIMAL, unscaled */
    int64_t past_ms;               /* timestamps */
    int64_t length;
    double null_rate;
    struct gen *kid;
    uint32_t nkid;
};

struct table {
    struct options options;
    struct gen *cols;
    int64_t count;                 /* rows in all; INT64_MAX: no end */
};

struct rng { uint64_t s[4]; };

static uint64_t rotl(uint64_t x, int k) { return x << k | x >> (64 - k); }

static uint64_t next_random(struct rng *r)
{
    uint64_t *s = r->s, out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

static double unit(struct rng *r) { return (double)(next_random(r) >> 11) * 0x1.0p-53; }     /* [0, 1) */

/* Uniform in [0, span]; span of all ones means every value. */
static uint64_t below(struct rng *r, uint64_t span)
{
    return span == UINT64_MAX ? next_random(r) : (uint64_t)((unsigned __int128)next_random(r) * ((unsigned __int128)span + 1) >> 64);
}
static int64_t between(struct rng *r, int64_t lo, int64_t hi) { return (int64_t)((uint64_t)lo + below(r, (uint64_t)hi - (uint64_t)lo)); }

/* ---- options into generators ---- */

struct build {
    struct sq_ctx *ctx;
    struct sq_arena *arena;
    const struct sq_table_spec *t;
    const struct options *o;
};

/* The option of a field, or NULL. */
static const struct sq_kv *field_option(const struct sq_option_map *m, struct sq_str path)
{
    for (uint32_t i = 0; i < m->n; i++)
        if (sq_str_eq(m->kv[i].key, path))
            return &m->kv[i];
    return NULL;
}

static sq_rc bad_option(struct build *b, struct sq_str path, const char *name, const struct sq_kv *kv, const char *why)
{
    return sq_fail_at(b->ctx, SQ_SEMANTIC, kv->value_span, "'fields.%.*s.%s': '%.*s' %s", SQ_FMT(path), name, SQ_FMT(kv->value), why);
}

static sq_rc int_option(struct build *b, const struct sq_option_map *m, const char *name, struct sq_str path, int64_t lo, int64_t hi, int64_t *v)
{
    const struct sq_kv *kv = field_option(m, path);
    char why[96];
    if (!kv)
        return SQ_OK;
    if (!sq_parse_int(sq_str_trim(kv->value), v))
        return bad_option(b, path, name, kv, "is not a whole number");
    if (*v >= lo && *v <= hi)
        return SQ_OK;
    snprintf(why, sizeof why, "must be from %lld to %lld", (long long)lo, (long long)hi);
    return bad_option(b, path, name, kv, why);
}

static sq_rc double_option(struct build *b, const struct sq_option_map *m, const char *name, struct sq_str path, double *v)
{
    const struct sq_kv *kv = field_option(m, path);
    if (!kv)
        return SQ_OK;
    if (!sq_parse_double(sq_str_trim(kv->value), false, v) || !isfinite(*v))
        return bad_option(b, path, name, kv, "is not a number");
    return SQ_OK;
}

static sq_rc decimal_option(struct build *b, const struct sq_option_map *m, const char *name, struct sq_str path, const struct sq_type *t, sq_i128 *v)
{
    const struct sq_kv *kv = field_option(m, path);
    if (!kv)
        return SQ_OK;
    if (!sq_parse_decimal(sq_str_trim(kv->value), t->p, t->s, v))
        return bad_option(b, path, name, kv, "does not fit the column's DECIMAL");
    return SQ_OK;
}

static sq_rc check_order(struct build *b, struct sq_str path, bool good)
{
    const struct sq_kv *kv = field_option(&b->o->min, path);
    if (good)
        return SQ_OK;
    if (!kv)
        kv = field_option(&b->o->max, path);
    return sq_fail_at(b->ctx, SQ_SEMANTIC, kv ? kv->value_span : b->t->span, "'fields.%.*s.min' is greater than 'fields.%.*s.max'", SQ_FMT(path), SQ_FMT(path));
}

/* An option that this kind of column does not have. */
static sq_rc refuse(struct build *b, const struct sq_option_map *m, const char *name, struct sq_str path, const struct gen *g)
{
    const struct sq_kv *kv = field_option(m, path);
    if (!kv)
        return SQ_OK;
    return sq_fail_at(b->ctx, SQ_SEMANTIC, kv->key_span, "'fields.%.*s.%s' means nothing for a %s %s", SQ_FMT(path), name,
                      g->sequence ? "sequence of" : "random", sq_tid_name(g->type->id));
}

static void int_range(const struct sq_type *t, int64_t *lo, int64_t *hi)
{
    switch (t->id) {
    case SQ_T_TINYINT: *lo = INT8_MIN; *hi = INT8_MAX; break;
    case SQ_T_SMALLINT: *lo = INT16_MIN; *hi = INT16_MAX; break;
    case SQ_T_INT: *lo = INT32_MIN; *hi = INT32_MAX; break;
    case SQ_T_INTERVAL_YM: *lo = 0; *hi = 120000; break;              /* 10,000 years */
    case SQ_T_INTERVAL_DS: *lo = 0; *hi = INT64_C(864000000); break;  /* 10 days */
    default: *lo = INT64_MIN; *hi = INT64_MAX; break;
    }
}

static sq_rc build_sequence(struct build *b, struct gen *g, struct sq_str path)
{
    enum sq_tid id = g->type->id;
    int64_t lo = INT64_MIN, hi = INT64_MAX;
    const struct sq_kv *start = field_option(&b->o->start, path), *end = field_option(&b->o->end, path);
    const struct sq_kv *kind = field_option(&b->o->kind, path);
    if (!sq_tid_is_numeric(id) && !sq_tid_is_string(id))
        return sq_fail_at(b->ctx, SQ_SEMANTIC, kind->value_span, "'fields.%.*s.kind': a %s cannot be a sequence", SQ_FMT(path), sq_tid_name(id));
    if (!start || !end)
        return sq_fail_at(b->ctx, SQ_SEMANTIC, kind->value_span, "a sequence needs 'fields.%.*s.%s'", SQ_FMT(path), start ? "end" : "start");
    if (sq_tid_is_int(id))
        int_range(g->type, &lo, &hi);
    SQ_TRY(int_option(b, &b->o->start, "start", path, lo, hi, &g->start));
    SQ_TRY(int_option(b, &b->o->end, "end", path, lo, hi, &g->end));
    if (g->start > g->end)
        return sq_fail_at(b->ctx, SQ_SEMANTIC, start->value_span, "'fields.%.*s.start' is greater than 'fields.%.*s.end'", SQ_FMT(path), SQ_FMT(path));
    SQ_TRY(refuse(b, &b->o->min, "min", path, g));
    SQ_TRY(refuse(b, &b->o->max, "max", path, g));
    SQ_TRY(refuse(b, &b->o->length, "length", path, g));
    SQ_TRY(refuse(b, &b->o->null_rate, "null-rate", path, g));
    return SQ_OK;
}

static sq_rc build_gen(struct build *b, struct gen *g, const struct sq_type *t, struct sq_str path);

static sq_rc build_kids(struct build *b, struct gen *g, struct sq_str path)
{
    const struct sq_type *t = g->type;
    g->nkid = t->id == SQ_T_MULTISET ? 2 : t->nchild;
    g->kid = SQ_NEW_ARRAY(b->arena, struct gen, g->nkid + 1);
    if (!g->kid)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < t->nchild; i++) {
        struct sq_str name = t->id == SQ_T_ROW ? t->child[i].name : t->id == SQ_T_MAP ? (i ? SQ_STR("value") : SQ_STR("key")) : SQ_STR("element");
        char *sub = sq_arena_printf(b->arena, "%.*s.%.*s", SQ_FMT(path), SQ_FMT(name));
        if (!sub)
            return SQ_NOMEM;
        SQ_TRY(build_gen(b, &g->kid[i], t->child[i].type, sq_str_of(sub)));
    }
    if (t->id == SQ_T_MULTISET)                         /* how often each element is there */
        g->kid[1] = (struct gen){.type = &sq_type_int, .lo = 1, .hi = 10};
    return SQ_OK;
}

static sq_rc build_length(struct build *b, struct gen *g, struct sq_str path)
{
    enum sq_tid id = g->type->id;
    bool text = sq_tid_is_string(id) || sq_tid_is_binary(id), fixed = id == SQ_T_CHAR || id == SQ_T_BINARY;
    const struct sq_kv *kv = field_option(&b->o->length, path), *var = field_option(&b->o->var_len, path);
    int64_t most = text && g->type->p < MAX_LENGTH ? g->type->p : MAX_LENGTH;
    if (fixed && kv)
        return sq_fail_at(b->ctx, SQ_SEMANTIC, kv->key_span, "'fields.%.*s.length': the length of a %s is part of its type", SQ_FMT(path), sq_tid_name(id));
    if ((fixed || !text) && var)
        return sq_fail_at(b->ctx, SQ_SEMANTIC, var->key_span, "'fields.%.*s.var-len' is for VARCHAR, STRING, VARBINARY and BYTES", SQ_FMT(path));
    g->length = !text ? 3 : g->type->p == SQ_STRING_MAX ? 100 : g->type->p;
    SQ_TRY(int_option(b, &b->o->length, "length", path, 1, most, &g->length));
    if (g->length > most)
        g->length = most;
    if (var) {
        g->var_len = sq_str_iis(sq_str_trim(var->value), "true");
        if (!g->var_len && !sq_str_iis(sq_str_trim(var->value), "false"))
            return bad_option(b, path, "var-len", var, "is neither 'true' nor 'false'");
    }
    return SQ_OK;
}

static sq_rc build_numbers(struct build *b, struct gen *g, struct sq_str path)
{
    const struct sq_type *t = g->type;
    int64_t lo, hi;
    switch (t->id) {
    case SQ_T_FLOAT:
    case SQ_T_DOUBLE:
        g->dhi = t->id == SQ_T_FLOAT ? 3.4028234663852886e38 : 1.7976931348623157e308;
        SQ_TRY(double_option(b, &b->o->min, "min", path, &g->dlo));
        SQ_TRY(double_option(b, &b->o->max, "max", path, &g->dhi));
        return check_order(b, path, g->dlo <= g->dhi);
    case SQ_T_DECIMAL:
        g->dechi = sq_pow10_i128[t->p] - 1;
        SQ_TRY(decimal_option(b, &b->o->min, "min", path, t, &g->declo));
        SQ_TRY(decimal_option(b, &b->o->max, "max", path, t, &g->dechi));
        return check_order(b, path, g->declo <= g->dechi);
    default:
        int_range(t, &lo, &hi);
        g->lo = lo;
        g->hi = hi;
        if (t->id == SQ_T_INTERVAL_YM)
            lo = INT32_MIN, hi = INT32_MAX;
        if (t->id == SQ_T_INTERVAL_DS)
            lo = INT64_MIN, hi = INT64_MAX;
        SQ_TRY(int_option(b, &b->o->min, "min", path, lo, hi, &g->lo));
        SQ_TRY(int_option(b, &b->o->max, "max", path, lo, hi, &g->hi));
        return check_order(b, path, g->lo <= g->hi);
    }
}

static sq_rc build_random(struct build *b, struct gen *g, struct sq_str path)
{
    const struct sq_type *t = g->type;
    bool numbers = sq_tid_is_numeric(t->id) || sq_tid_is_interval(t->id);
    bool sized = sq_tid_is_string(t->id) || sq_tid_is_binary(t->id) || t->id == SQ_T_ARRAY || t->id == SQ_T_MAP || t->id == SQ_T_MULTISET;
    const struct sq_kv *past = field_option(&b->o->max_past, path), *rate = field_option(&b->o->null_rate, path);
    if (!numbers) {
        SQ_TRY(refuse(b, &b->o->min, "min", path, g));
        SQ_TRY(refuse(b, &b->o->max, "max", path, g));
    }
    if (!sized) {
        SQ_TRY(refuse(b, &b->o->length, "length", path, g));
        SQ_TRY(refuse(b, &b->o->var_len, "var-len", path, g));
    }
    if (!sq_tid_is_timestamp(t->id))
        SQ_TRY(refuse(b, &b->o->max_past, "max-past", path, g));
    SQ_TRY(refuse(b, &b->o->start, "start", path, g));
    SQ_TRY(refuse(b, &b->o->end, "end", path, g));
    if (past && !sq_parse_duration(past->value, &g->past_ms))
        return bad_option(b, path, "max-past", past, "is not a duration");
    SQ_TRY(double_option(b, &b->o->null_rate, "null-rate", path, &g->null_rate));
    if (g->null_rate < 0 || g->null_rate > 1)
        return bad_option(b, path, "null-rate", rate, "must be from 0.0 to 1.0");
    if (g->null_rate > 0 && !t->nullable)
        return sq_fail_at(b->ctx, SQ_SEMANTIC, rate->key_span, "'fields.%.*s.null-rate': the column is NOT NULL", SQ_FMT(path));
    if (numbers)
        SQ_TRY(build_numbers(b, g, path));
    if (sized)
        SQ_TRY(build_length(b, g, path));
    return t->nchild ? build_kids(b, g, path) : SQ_OK;
}

static sq_rc build_gen(struct build *b, struct gen *g, const struct sq_type *t, struct sq_str path)
{
    const struct sq_kv *kind = field_option(&b->o->kind, path);
    g->type = t;
    if (kind) {
        g->sequence = sq_str_iis(sq_str_trim(kind->value), "sequence");
        if (!g->sequence && !sq_str_iis(sq_str_trim(kind->value), "random"))
            return bad_option(b, path, "kind", kind, "is neither 'random' nor 'sequence'");
    }
    return g->sequence ? build_sequence(b, g, path) : build_random(b, g, path);
}

/* ---- options that name no field ---- */

static bool path_exists(const struct sq_type *t, struct sq_str path)
{
    if (path.n == 0)
        return true;
    for (uint32_t i = 0; i < t->nchild; i++) {
        struct sq_str name = t->id == SQ_T_ROW ? t->child[i].name : t->id == SQ_T_MAP ? (i ? SQ_STR("value") : SQ_STR("key")) : SQ_STR("element");
        if (path.n > name.n && path.p[0] == '.' && memcmp(path.p + 1, name.p, name.n) == 0 && (path.n == name.n + 1 || path.p[name.n + 1] == '.'))
            if (path_exists(t->child[i].type, (struct sq_str){path.p + name.n + 1, path.n - name.n - 1}))
                return true;
    }
    return false;
}

static sq_rc check_fields(struct build *b, const struct sq_option_map *m, const char *name)
{
    for (uint32_t i = 0; i < m->n; i++) {
        struct sq_str path = m->kv[i].key, names[256], near;
        uint32_t n = 0;
        bool found = false;
        for (uint32_t c = 0; c < b->t->ncols && !found; c++) {
            struct sq_str col = b->t->cols[c].name;
            if (n < SQ_LEN(names))
                names[n++] = col;
            found = path.n >= col.n && memcmp(path.p, col.p, col.n) == 0 && (path.n == col.n || path.p[col.n] == '.') &&
                    path_exists(b->t->cols[c].type, (struct sq_str){path.p + col.n, path.n - col.n});
        }
        if (found)
            continue;
        near = sq_nearest(path, names, n);
        sq_fail_at(b->ctx, SQ_SEMANTIC, m->kv[i].key_span, "'fields.%.*s.%s': table '%.*s' has no column '%.*s'", SQ_FMT(path), name, SQ_FMT(b->t->name),
                   SQ_FMT(path));
        return near.n ? sq_hint(b->ctx, "did you mean 'fields.%.*s.%s'?", SQ_FMT(near), name) : SQ_SEMANTIC;
    }
    return SQ_OK;
}

static sq_rc check_all_fields(struct build *b)
{
    const struct options *o = b->o;
    const struct { const struct sq_option_map *m; const char *name; } maps[] = {
        {&o->kind, "kind"}, {&o->min, "min"}, {&o->max, "max"}, {&o->max_past, "max-past"}, {&o->length, "length"}, {&o->var_len, "var-len"},
        {&o->null_rate, "null-rate"}, {&o->start, "start"}, {&o->end, "end"},
    };
    for (size_t i = 0; i < SQ_LEN(maps); i++)
        SQ_TRY(check_fields(b, maps[i].m, maps[i].name));
    return SQ_OK;
}

/* The shortest sequence below a generator ends the table. */
static void limit_count(const struct gen *g, int64_t *count)
{
    int64_t n;
    if (g->sequence && !__builtin_sub_overflow(g->end, g->start, &n) && n < *count - 1)
        *count = n + 1;
    if (g->type->id == SQ_T_ROW)
        for (uint32_t i = 0; i < g->nkid; i++)
            limit_count(&g->kid[i], count);
}

static sq_rc check_nested_sequence(struct build *b, const struct gen *g, bool in_list)
{
    if (g->sequence && in_list)
        return sq_fail_at(b->ctx, SQ_UNSUPPORTED, b->t->span, "a sequence inside an ARRAY, MAP or MULTISET is not supported");
    for (uint32_t i = 0; i < g->nkid; i++)
        SQ_TRY(check_nested_sequence(b, &g->kid[i], in_list || g->type->id != SQ_T_ROW));
    return SQ_OK;
}

static sq_rc check_positive(struct sq_ctx *ctx, const struct sq_table_spec *t, const char *key, int64_t v, int64_t least)
{
    const struct sq_kv *kv = sq_option_given(t->options, t->noptions, key);
    if (v >= least || v == INT64_MIN)
        return SQ_OK;
    return sq_fail_at(ctx, SQ_SEMANTIC, kv ? kv->value_span : t->span, "'%s' must be %lld or more", key, (long long)least);
}

static sq_rc datagen_table(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_table_spec *t, struct sq_table_ext **ext)
{
    struct table *d = SQ_NEW(arena, struct table);
    if (!d || !(d->cols = SQ_NEW_ARRAY(arena, struct gen, t->ncols + 1)))
        return SQ_NOMEM;
    struct build b = {ctx, arena, t, &d->options};
    SQ_TRY(sq_table_options(ctx, arena, &sq_connector_datagen, t, &d->options, NULL));
    SQ_TRY(check_positive(ctx, t, "rows-per-second", d->options.rows_per_second, 1));
    SQ_TRY(check_positive(ctx, t, "number-of-rows", d->options.number_of_rows, 0));
    SQ_TRY(check_all_fields(&b));
    d->count = d->options.number_of_rows == INT64_MIN ? INT64_MAX : d->options.number_of_rows;
    for (uint32_t i = 0; i < t->ncols; i++) {
        if (t->cols[i].role == SQ_COL_METADATA)
            return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "connector 'datagen' has no metadata columns ('%.*s')", SQ_FMT(t->cols[i].name));
        SQ_TRY(build_gen(&b, &d->cols[i], t->cols[i].type, t->cols[i].name));
        SQ_TRY(check_nested_sequence(&b, &d->cols[i], false));
        limit_count(&d->cols[i], &d->count);
    }
    *ext = (struct sq_table_ext *)(void *)d;
    return SQ_OK;
}

/* ---- making values ---- */

struct reader {
    struct sq_ctx *ctx;
    const struct sq_scan_spec *spec;
    const struct table *table;
    struct sq_out out;
    struct rng rng;
    struct sq_buf text;
    uint32_t nsplits;
    bool ended;
    int64_t made;                  /* rows since the table's beginning */
    int64_t since, since_made;     /* clock and rows when the pace was last set */
    int64_t now_us;
    struct sq_source_stats stats;
};

static sq_rc make(struct reader *r, const struct gen *g, struct sq_col *out);

static sq_rc make_text(struct reader *r, const struct gen *g, struct sq_col *out)
{
    static const char hex[] = "0123456789abcdef";
    int64_t n = g->var_len ? between(&r->rng, 1, g->length) : g->length;
    sq_buf_reset(&r->text);
    SQ_TRY(sq_buf_reserve(&r->text, (size_t)n + 16));
    for (int64_t i = 0; i < n; i += 16) {
        uint64_t v = next_random(&r->rng);
        for (int k = 0; k < 16; k++, v >>= 4)
            r->text.p[i + k] = hex[v & 15];
    }
    if (sq_tid_is_binary(g->type->id))
        for (int64_t i = 0; i < n; i++)
            r->text.p[i] = (char)(next_random(&r->rng) & 0xff);
    return sq_col_append_view(out, r->text.p, (uint32_t)n);
}

static sq_rc append_int(struct sq_col *out, int64_t v)
{
    int8_t i8 = (int8_t)v;
    int16_t i16 = (int16_t)v;
    int32_t i32 = (int32_t)v;
    switch (sq_type_phys(out->vec.type)) {
    case SQ_P_I8: return sq_col_append_fixed(out, &i8);
    case SQ_P_I16: return sq_col_append_fixed(out, &i16);
    case SQ_P_I32: return sq_col_append_fixed(out, &i32);
    default: return sq_col_append_fixed(out, &v);
    }
}

static sq_rc append_double(struct sq_col *out, double v)
{
    float f = (float)v;
    return out->vec.type->id == SQ_T_FLOAT ? sq_col_append_fixed(out, &f) : sq_col_append_fixed(out, &v);
}

static sq_rc make_double(struct reader *r, const struct gen *g, struct sq_col *out)
{
    double u = unit(&r->rng);
    return append_double(out, g->dlo * (1 - u) + g->dhi * u);       /* the difference could overflow */
}

static sq_rc make_decimal(struct reader *r, const struct gen *g, struct sq_col *out)
{
    unsigned __int128 span = (unsigned __int128)(g->dechi - g->declo) + 1;
    unsigned __int128 v = (unsigned __int128)next_random(&r->rng) << 64 | next_random(&r->rng);
    sq_i128 d = g->declo + (sq_i128)(v % span);
    return sq_col_append_fixed(out, &d);
}

static int64_t floor_mod(int64_t a, int64_t m) { return a % m < 0 ? a % m + m : a % m; }

static sq_rc make_time(struct reader *r, const struct gen *g, struct sq_col *out)
{
    const struct sq_tz *tz = r->spec->session ? r->spec->session->tz : sq_tz_utc;
    int64_t local = sq_tz_to_local(tz, r->now_us);
    if (g->type->id == SQ_T_DATE)
        return append_int(out, (local - floor_mod(local, SQ_US_PER_DAY)) / SQ_US_PER_DAY);
    if (g->type->id == SQ_T_TIME)
        return append_int(out, floor_mod(local, SQ_US_PER_DAY) / SQ_US_PER_MS);
    int64_t us = g->type->id == SQ_T_TIMESTAMP ? local : r->now_us, step = SQ_US_PER_MS;
    if (g->past_ms > 0)
        us -= between(&r->rng, 0, g->past_ms) * SQ_US_PER_MS;
    for (int p = g->type->p; p < 3; p++)
        step *= 10;
    struct sq_ts16 ts = {.us = us - floor_mod(us, step)};
    return sq_type_phys(g->type) == SQ_P_TS16 ? sq_col_append_fixed(out, &ts) : sq_col_append_fixed(out, &ts.us);
}

static bool same_key(const struct sq_col *keys, uint32_t from, uint32_t n)
{
    for (uint32_t i = from; i < n; i++)
        if (sq_vec_compare(&keys->vec, i, &keys->vec, n) == 0)
            return true;
    return false;
}

static sq_rc make_list(struct reader *r, const struct gen *g, struct sq_col *out)
{
    uint32_t n = 0, from = out->kid[0].n;
    bool keyed = g->nkid == 2;
    for (int64_t i = 0; i < g->length; i++) {
        SQ_TRY(make(r, &g->kid[0], &out->kid[0]));
        sq_col_seal(&out->kid[0]);
        if (keyed && same_key(&out->kid[0], from, from + n)) {
            sq_col_truncate(&out->kid[0], from + n);    /* a key comes once */
            continue;
        }
        if (keyed)
            SQ_TRY(make(r, &g->kid[1], &out->kid[1]));
        n++;
    }
    return sq_col_append_list(out, n);
}

static sq_rc make_sequence(struct reader *r, const struct gen *g, struct sq_col *out)
{
    int64_t v = g->start + r->made;
    char text[32];
    sq_i128 d;
    int n;
    switch (g->type->id) {
    case SQ_T_FLOAT:
    case SQ_T_DOUBLE: return append_double(out, (double)v);
    case SQ_T_DECIMAL:
        if (!sq_decimal_rescale(v, 0, g->type->p, g->type->s, &d))
            return sq_fail(r->ctx, SQ_DATA, "datagen: %lld does not fit the column's DECIMAL", (long long)v);
        return sq_col_append_fixed(out, &d);
    case SQ_T_CHAR:
    case SQ_T_VARCHAR:
        n = sq_print_int(v, text);
        if (n > g->type->p)
            return sq_fail(r->ctx, SQ_DATA, "datagen: '%.*s' is longer than the column", n, text);
        return sq_col_append_view(out, text, (uint32_t)n);
    default: return append_int(out, v);
    }
}

static sq_rc make(struct reader *r, const struct gen *g, struct sq_col *out)
{
    uint8_t bit;
    if (g->sequence)
        return make_sequence(r, g, out);
    if (g->null_rate > 0 && unit(&r->rng) < g->null_rate)
        return sq_col_append_null(out);
    switch (g->type->id) {
    case SQ_T_NULL: return sq_col_append_null(out);
    case SQ_T_BOOLEAN:
        bit = (uint8_t)(next_random(&r->rng) >> 63);
        return sq_col_append_fixed(out, &bit);
    case SQ_T_FLOAT:
    case SQ_T_DOUBLE: return make_double(r, g, out);
    case SQ_T_DECIMAL: return make_decimal(r, g, out);
    case SQ_T_CHAR:
    case SQ_T_VARCHAR:
    case SQ_T_BINARY:
    case SQ_T_VARBINARY: return make_text(r, g, out);
    case SQ_T_DATE:
    case SQ_T_TIME:
    case SQ_T_TIMESTAMP:
    case SQ_T_TIMESTAMP_LTZ: return make_time(r, g, out);
    case SQ_T_ARRAY:
    case SQ_T_MAP:
    case SQ_T_MULTISET: return make_list(r, g, out);
    case SQ_T_ROW:
        for (uint32_t i = 0; i < g->nkid; i++)
            SQ_TRY(make(r, &g->kid[i], &out->kid[i]));
        return sq_col_append_struct(out);
    default: return append_int(out, between(&r->rng, g->lo, g->hi));
    }
}

/* ---- the source ---- */

static sq_rc datagen_info(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_table_ext *ext, struct sq_source_info *info)
{
    const struct table *d = (const struct table *)(const void *)ext;
    (void)ctx;
    (void)t;
    *info = (struct sq_source_info){.bounded = d->count != INT64_MAX, .mode = SQ_MODE_INSERT, .rows = d->count == INT64_MAX ? -1 : d->count};
    return SQ_OK;
}

static sq_rc datagen_splits(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_scan_spec *spec, uint32_t want, struct sq_split **out, uint32_t *n)
{
    (void)ctx;
    (void)spec;
    (void)want;
    *out = SQ_NEW(arena, struct sq_split);
    if (!*out)
        return SQ_NOMEM;
    **out = (struct sq_split){.id = SQ_STR("datagen"), .payload = SQ_STR("")};
    *n = 1;
    return SQ_OK;
}

static void datagen_close(struct sq_reader *self)
{
    struct reader *r = (struct reader *)(void *)self;
    if (!r)
        return;
    if (r->out.ctx)
        sq_out_free(&r->out);
    sq_buf_free(&r->text);
    sq_free(r->ctx, r);
}

static sq_rc datagen_open(struct sq_ctx *ctx, const struct sq_scan_spec *spec, struct sq_reader **out)
{
    struct reader *r = sq_calloc(ctx, sizeof *r);
    const struct sq_type **types = sq_calloc(ctx, (spec->ncols + 1) * sizeof *types);
    if (!r || !types) {
        sq_free(ctx, r);
        sq_free(ctx, types);
        return SQ_NOMEM;
    }
    r->ctx = ctx;
    r->spec = spec;
    r->table = (const struct table *)(const void *)spec->ext;
    r->stats.total_bytes = -1;
    sq_buf_init(&r->text, ctx);
    ctx->os->random(ctx->os->arg, &r->rng, sizeof r->rng);
    r->rng.s[0] |= 1;                                   /* all zero would stay so */
    for (uint32_t i = 0; i < spec->ncols; i++)
        types[i] = spec->table->cols[spec->cols[i]].type;
    sq_rc rc = sq_out_init(&r->out, ctx, types, spec->ncols);
    sq_free(ctx, types);
    if (rc != SQ_OK) {
        datagen_close((struct sq_reader *)(void *)r);
        return rc;
    }
    *out = (struct sq_reader *)(void *)r;
    return SQ_OK;
}

static sq_rc datagen_add_split(struct sq_reader *self, const struct sq_split *in, struct sq_str position)
{
    struct reader *r = (struct reader *)(void *)self;
    if (r->nsplits || (position.p && position.n != 8 + sizeof r->rng))
        return sq_fail(r->ctx, SQ_INTERNAL, "split '%.*s' is damaged", SQ_FMT(in->id));
    if (position.p) {
        memcpy(&r->made, position.p, 8);
        memcpy(&r->rng, position.p + 8, sizeof r->rng);
    }
    r->nsplits++;
    return SQ_OK;
}

/* How many rows may come now; 0: wait *wait_us. */
static int64_t allowed(struct reader *r, int64_t *wait_us)
{
    int64_t rate = r->table->options.rows_per_second, now = r->ctx->os->mono_ns(r->ctx->os->arg);
    if (r->since == 0) {
        r->since = now ? now : 1;
        r->since_made = r->made;
    }
    double due = (double)(now - r->since) * (double)rate / 1e9 + 1;
    double more = due - (double)(r->made - r->since_made);
    if (more >= 1)
        return more > SQ_BATCH_ROWS ? SQ_BATCH_ROWS : (int64_t)more;
    double us = (1 - more) * 1e6 / (double)rate;
    *wait_us = us > MAX_PER_POLL_US ? MAX_PER_POLL_US : (int64_t)us + 1;
    return 0;
}

static sq_rc datagen_poll(struct sq_reader *self, struct sq_poll *p)
{
    struct reader *r = (struct reader *)(void *)self;
    *p = (struct sq_poll){.state = SQ_POLL_END};
    if (!r->nsplits || r->ended)
        return SQ_OK;
    SQ_TRY(sq_check_interrupt(r->ctx));
    if (r->made >= r->table->count) {
        r->ended = true;
        p->state = SQ_POLL_SPLIT_END;
        return SQ_OK;
    }
    int64_t n = allowed(r, &p->wait_us), max = r->spec->batch_rows && r->spec->batch_rows <= SQ_BATCH_ROWS ? r->spec->batch_rows : SQ_BATCH_ROWS;
    if (n == 0) {
        p->state = SQ_POLL_IDLE;
        return SQ_OK;
    }
    n = n > max ? max : n;
    n = n > r->table->count - r->made ? r->table->count - r->made : n;
    r->now_us = r->ctx->os->now_us(r->ctx->os->arg);
    sq_out_reset(&r->out);
    for (int64_t i = 0; i < n; i++) {
        for (uint32_t c = 0; c < r->spec->ncols; c++)
            SQ_TRY(make(r, &r->table->cols[r->spec->cols[c]], &r->out.cols[c]));
        SQ_TRY(sq_out_row(&r->out, SQ_INSERT));
        r->made++;
    }
    r->stats.rows += (uint64_t)n;
    r->stats.records += (uint64_t)n;
    p->state = SQ_POLL_ROWS;
    p->batch = sq_out_batch(&r->out);
    return SQ_OK;
}

static sq_rc datagen_position(struct sq_reader *self, uint32_t split, struct sq_buf *out)
{
    struct reader *r = (struct reader *)(void *)self;
    (void)split;
    sq_buf_u64(out, (uint64_t)r->made);
    return sq_buf_add(out, &r->rng, sizeof r->rng);
}

static sq_rc datagen_show_position(struct sq_str position, struct sq_buf *out)
{
    uint64_t made;
    if (position.n < sizeof made)
        return SQ_OK;
    memcpy(&made, position.p, sizeof made);
    return sq_buf_printf(out, "row %llu", (unsigned long long)made);
}

static void datagen_stats(struct sq_reader *self, struct sq_source_stats *st) { *st = ((struct reader *)(void *)self)->stats; }

static const struct sq_source_class source = {
    .info = datagen_info, .splits = datagen_splits, .open = datagen_open, .add_split = datagen_add_split, .poll = datagen_poll,
    .position = datagen_position, .stats = datagen_stats, .close = datagen_close,
    .show_position = datagen_show_position,
};

const struct sq_connector sq_connector_datagen = {
    .name = "datagen", .help = "a source that makes its rows up", .options = rows, .noptions = SQ_LEN(rows), .source = &source, .table = datagen_table,
};
