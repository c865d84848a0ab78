/* SPDX-License-Identifier: Apache-2.0
 *
 * option.c: reads a WITH clause into option structs by the rows of option.h.
 *
 * Every key of the clause is matched against the rows of all sets: plain keys first, then old spellings, then patterns
 * (`properties.*`, `fields.#.min`). The value is expanded (${env:NAME}, ${file:PATH}), parsed by the row's type and stored
 * at the row's offset. Messages show a value as it was written, so what an expansion brought in is never shown; the value
 * of a secret is not shown at all.
 */
#include "connectors/option.h"
#include "base/os.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_SECRET_FILE = 65536, MAX_CANDIDATES = 512 };

/* ---- durations and sizes ---- */

struct unit {
    const char *name;
    int64_t mul, div;
};

static const struct unit duration_units[] = {
    {"", 1, 1}, {"ms", 1, 1}, {"milli", 1, 1}, {"millis", 1, 1}, {"millisecond", 1, 1}, {"milliseconds", 1, 1},
    {"s", 1000, 1}, {"sec", 1000, 1}, {"secs", 1000, 1}, {"second", 1000, 1}, {"seconds", 1000, 1},
    {"m", 60000, 1}, {"min", 60000, 1}, {"minute", 60000, 1}, {"minutes", 60000, 1},
    {"h", 3600000, 1}, {"hour", 3600000, 1}, {"hours", 3600000, 1},
    {"d", 86400000, 1}, {"day", 86400000, 1}, {"days", 86400000, 1},
    {"\xc2\xb5s", 1, 1000}, {"micro", 1, 1000}, {"micros", 1, 1000}, {"microsecond", 1, 1000}, {"microseconds", 1, 1000},
    {"ns", 1, 1000000}, {"nano", 1, 1000000}, {"nanos", 1, 1000000}, {"nanosecond", 1, 1000000}, {"nanoseconds", 1, 1000000},
};

static const struct unit memory_units[] = {
    {"", 1, 1}, {"b", 1, 1}, {"bytes", 1, 1},
    {"k", 1 << 10, 1}, {"kb", 1 << 10, 1}, {"kibibytes", 1 << 10, 1},
    {"m", 1 << 20, 1}, {"mb", 1 << 20, 1}, {"mebibytes", 1 << 20, 1},
    {"g", 1 << 30, 1}, {"gb", 1 << 30, 1}, {"gibibytes", 1 << 30, 1},
    {"t", INT64_C(1) << 40, 1}, {"tb", INT64_C(1) << 40, 1}, {"tebibytes", INT64_C(1) << 40, 1},
};

/* A number, white space, a unit. */
static bool parse_quantity(struct sq_str s, const struct unit *units, size_t nunits, int64_t *out)
{
    s = sq_str_trim(s);
    uint32_t n = 0;
    int64_t v = 0;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9') {
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, s.p[n] - '0', &v))
            return false;
        n++;
    }
    if (n == 0)
        return false;
    struct sq_str unit = sq_str_trim((struct sq_str){s.p + n, s.n - n});
    for (size_t i = 0; i < nunits; i++)
        if (sq_str_iis(unit, units[i].name)) {
            if (__builtin_mul_overflow(v, units[i].mul, &v))
                return false;
            *out = v / units[i].div;
            return true;
        }
    return false;
}

bool sq_parse_duration(struct sq_str s, int64_t *ms) { return parse_quantity(s, duration_units, SQ_LEN(duration_units), ms); }
bool sq_parse_memory(struct sq_str s, int64_t *bytes) { return parse_quantity(s, memory_units, SQ_LEN(memory_units), bytes); }

/* ---- matching keys ---- */

bool sq_option_match(const char *pattern, struct sq_str key, struct sq_str *rest)
{
    const char *hole = strpbrk(pattern, "*#");
    *rest = (struct sq_str){NULL, 0};
    if (!hole)
        return sq_str_is(key, pattern);
    size_t before = (size_t)(hole - pattern), after = strlen(hole + 1);
    if (key.n <= before + after || memcmp(key.p, pattern, before) != 0 || memcmp(key.p + key.n - after, hole + 1, after) != 0)
        return false;
    *rest = (struct sq_str){key.p + before, (uint32_t)(key.n - before - after)};
    return true;
}

/* The i-th of "a|b|c"; p NULL behind the last. */
static struct sq_str part_at(const char *list, uint32_t i)
{
    if (!list)
        return (struct sq_str){NULL, 0};
    for (; i > 0; i--) {
        list = strchr(list, '|');
        if (!list)
            return (struct sq_str){NULL, 0};
        list++;
    }
    const char *end = strchr(list, '|');
    return (struct sq_str){list, (uint32_t)(end ? (size_t)(end - list) : strlen(list))};
}

struct found {
    const struct sq_option *row;
    const struct sq_option_set *set;
    uint32_t number;                /* of the row, counted over all sets */
    struct sq_str rest;             /* what the pattern's hole stands for */
    bool by_alias;
};

static bool match_row(const struct sq_option *row, struct sq_str key, bool aliases, struct sq_str *rest)
{
    if (!aliases)
        return sq_option_match(row->key, key, rest);
    char buf[128];
    struct sq_str a;
    for (uint32_t i = 0; (a = part_at(row->aliases, i)).p; i++) {
        if (a.n >= sizeof buf)
            continue;
        memcpy(buf, a.p, a.n);
        buf[a.n] = 0;
        if (sq_option_match(buf, key, rest))
            return true;
    }
    return false;
}

static bool find_row(const struct sq_option_set *sets, uint32_t nsets, struct sq_str key, struct found *f)
{
    for (int pass = 0; pass < 4; pass++) {           /* plain keys, plain aliases, patterns, alias patterns */
        bool aliases = pass & 1, patterns = pass >= 2;
        uint32_t number = 0;
        for (uint32_t s = 0; s < nsets; s++) {
            struct sq_str k = key;
            size_t pn = sets[s].prefix ? strlen(sets[s].prefix) : 0;
            bool mine = pn == 0 || (k.n > pn && memcmp(k.p, sets[s].prefix, pn) == 0);
            if (mine)
                k = (struct sq_str){k.p + pn, (uint32_t)(k.n - pn)};
            for (uint32_t i = 0; i < sets[s].n; i++, number++) {
                struct sq_str rest;
                if (!mine || !match_row(&sets[s].rows[i], k, aliases, &rest) || (rest.p != NULL) != patterns)
                    continue;
                *f = (struct found){&sets[s].rows[i], &sets[s], number, rest, aliases};
                return true;
            }
        }
    }
    return false;
}

const struct sq_kv *sq_option_given(const struct sq_kv *kv, uint32_t n, const char *key)
{
    for (uint32_t i = 0; i < n; i++)
        if (sq_str_is(kv[i].key, key))
            return &kv[i];
    return NULL;
}

/* ---- secrets ---- */

bool sq_option_secret(const struct sq_option *rows, uint32_t n, struct sq_str key)
{
    struct sq_option_set set = {.rows = rows, .n = n};
    struct found f;
    if (rows && find_row(&set, 1, key, &f) && (f.row->flags & SQ_OPT_SECRET))
        return true;
    return sq_secret_name(key);
}

/* ---- ${env:NAME} and ${file:PATH} ---- */

static sq_rc add_env(struct sq_ctx *ctx, const struct sq_kv *kv, struct sq_str name, struct sq_buf *out)
{
    char buf[256];
    if (name.n == 0 || name.n >= sizeof buf)
        return sq_fail_at(ctx, SQ_SEMANTIC, kv->value_span, "'%.*s': ${env:…} needs the name of an environment variable", SQ_FMT(kv->key));
    memcpy(buf, name.p, name.n);
    buf[name.n] = 0;
    const char *v = getenv(buf);
    if (!v)
        return sq_fail_at(ctx, SQ_SEMANTIC, kv->value_span, "'%.*s': the environment variable '%s' is not set", SQ_FMT(kv->key), buf);
    return sq_buf_puts(out, v);
}

static sq_rc add_file(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_kv *kv, struct sq_str name, struct sq_buf *out)
{
    char why[128];
    struct sq_str path = sq_str_dup(arena, name);
    if (!path.p)
        return SQ_NOMEM;
    int fd = ctx->os->open(ctx->os->arg, path.p, O_RDONLY, 0);
    if (fd < 0)
        return sq_fail_at(ctx, SQ_IO, kv->value_span, "'%.*s': cannot read '%s': %s", SQ_FMT(kv->key), path.p, sq_os_strerror(-fd, why, sizeof why));
    size_t from = out->n;
    sq_rc rc = sq_buf_reserve(out, MAX_SECRET_FILE + 1);
    ssize_t got = 1;
    while (rc == SQ_OK && got > 0 && out->n - from <= MAX_SECRET_FILE) {
        got = ctx->os->pread(ctx->os->arg, fd, out->p + out->n, MAX_SECRET_FILE + 1 - (out->n - from), (int64_t)(out->n - from));
        if (got > 0)
            out->n += (size_t)got;
    }
    ctx->os->close(ctx->os->arg, fd);
    if (rc != SQ_OK)
        return rc;
    if (got < 0)
        return sq_fail_at(ctx, SQ_IO, kv->value_span, "'%.*s': cannot read '%s': %s", SQ_FMT(kv->key), path.p, sq_os_strerror((int)-got, why, sizeof why));
    if (out->n - from > MAX_SECRET_FILE)
        return sq_fail_at(ctx, SQ_LIMIT, kv->value_span, "'%.*s': '%s' is longer than %d bytes", SQ_FMT(kv->key), path.p, MAX_SECRET_FILE);
    while (out->n > from && (out->p[out->n - 1] == '\n' || out->p[out->n - 1] == '\r'))
        out->n--;
    out->p[out->n] = 0;
    return SQ_OK;
}

static bool starts_with(struct sq_str s, const char *word)
{
    size_t n = strlen(word);
    return s.n >= n && memcmp(s.p, word, n) == 0;
}

static sq_rc expand_into(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_kv *kv, struct sq_buf *out)
{
    struct sq_str v = kv->value;
    for (uint32_t i = 0; i < v.n;) {
        struct sq_str at = {v.p + i, v.n - i};
        bool env = starts_with(at, "${env:"), file = starts_with(at, "${file:");
        const char *close = env || file ? memchr(at.p, '}', at.n) : NULL;
        if ((env || file) && !close)
            return sq_fail_at(ctx, SQ_SEMANTIC, kv->value_span, "'%.*s': ${ without its }", SQ_FMT(kv->key));
        if (!close) {
            SQ_TRY(sq_buf_putc(out, v.p[i++]));
            continue;
        }
        uint32_t skip = env ? 6 : 7;
        struct sq_str name = {at.p + skip, (uint32_t)(close - at.p) - skip};
        SQ_TRY(env ? add_env(ctx, kv, name, out) : add_file(ctx, arena, kv, name, out));
        i += (uint32_t)(close - at.p) + 1;
    }
    return SQ_OK;
}

static sq_rc expand(struct sq_ctx *ctx, struct sq_arena *arena, const struct sq_kv *kv, struct sq_str *out)
{
    sq_rc rc = SQ_OK;
    struct sq_buf buf;
    sq_buf_init(&buf, ctx);
    if (kv->value.n > 2 && memmem(kv->value.p, kv->value.n, "${", 2)) {
        SQ_TRY_OUT(expand_into(ctx, arena, kv, &buf));
        *out = sq_str_dup(arena, sq_buf_view(&buf));
    } else {
        *out = sq_str_dup(arena, kv->value);
    }
    if (!out->p)
        rc = SQ_NOMEM;
out:
    sq_buf_free(&buf);
    return rc;
}

/* ---- values ---- */

/* The value as a message may show it. */
static struct sq_str shown(const struct sq_option *row, const struct sq_kv *kv)
{
    if ((row->flags & SQ_OPT_SECRET) || sq_option_secret(NULL, 0, kv->key))
        return SQ_STR("***");
    struct sq_str s = kv->value;
    if (s.n > 80) {
        s.n = 80;
        while (s.n > 0 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
            s.n--;
    }
    return s;
}

static sq_rc bad_value(struct sq_ctx *ctx, const struct sq_option *row, const struct sq_kv *kv, const char *expected)
{
    struct sq_str s = shown(row, kv);
    return sq_fail_at(ctx, SQ_SEMANTIC, kv->value_span, "'%.*s': '%.*s' is not %s", SQ_FMT(kv->key), SQ_FMT(s), expected);
}

static sq_rc bad_choice(struct sq_ctx *ctx, const struct sq_option *row, const struct sq_kv *kv, struct sq_str v)
{
    struct sq_str all[64], near;
    char list[SQ_HINT_MAX / 2];
    size_t at = 0;
    uint32_t n = 0;
    list[0] = 0;
    for (; n < SQ_LEN(all) && (all[n] = part_at(row->choices, n)).p; n++) {
        int w = snprintf(list + at, sizeof list - at, "%s'%.*s'", n ? ", " : "", SQ_FMT(all[n]));
        if (w > 0 && (size_t)w < sizeof list - at)
            at += (size_t)w;
    }
    list[at] = 0;
    bad_value(ctx, row, kv, "one of its values");
    near = sq_nearest(v, all, n);
    if (near.n && !(row->flags & SQ_OPT_SECRET))
        return sq_hint(ctx, "did you mean '%.*s'? It can be %s", SQ_FMT(near), list);
    return sq_hint(ctx, "it can be %s", list);
}

static bool parse_bool(struct sq_str v, bool *out)
{
    *out = sq_str_iis(v, "true");
    return *out || sq_str_iis(v, "false");
}

static bool find_choice(const char *choices, struct sq_str v, int *out)
{
    struct sq_str c;
    for (uint32_t i = 0; (c = part_at(choices, i)).p; i++)
        if (sq_str_ieq(c, v)) {
            *out = (int)i;
            return true;
        }
    return false;
}

static sq_rc store(struct sq_ctx *ctx, const struct sq_option *row, void *into, const struct sq_kv *kv, struct sq_str v)
{
    void *at = (char *)into + row->offset;
    struct sq_str t = sq_str_trim(v);
    switch (row->type) {
    case SQ_OPT_STRING:
        *(struct sq_str *)at = v;
        return SQ_OK;
    case SQ_OPT_BOOL:
        if (parse_bool(t, at))
            return SQ_OK;
        bad_value(ctx, row, kv, "a BOOLEAN");
        return sq_hint(ctx, "write 'true' or 'false'");
    case SQ_OPT_INT:
        if (sq_parse_int(t, at))
            return SQ_OK;
        return bad_value(ctx, row, kv, "a whole number");
    case SQ_OPT_DURATION:
        if (sq_parse_duration(t, at))
            return SQ_OK;
        bad_value(ctx, row, kv, "a duration");
        return sq_hint(ctx, "write a number and a unit, as in '10 s', '5 min', '500 ms', '1 h', '2 d'");
    case SQ_OPT_MEMORY:
        if (sq_parse_memory(t, at))
            return SQ_OK;
        bad_value(ctx, row, kv, "a size");
        return sq_hint(ctx, "write a number and a unit, as in '64 kb', '128MB', '1 gb'");
    default:
        SQ_ASSERT(row->type == SQ_OPT_ENUM);
        if (find_choice(row->choices, t, at))
            return SQ_OK;
        return bad_choice(ctx, row, kv, t);
    }
}

static void store_default(const struct sq_option *row, void *into)
{
    void *at = (char *)into + row->offset;
    struct sq_str v = sq_str_of(row->fallback);
    if (row->flags & SQ_OPT_UNSUPPORTED)
        return;                                     /* no value of it is ever read, its offset means nothing */
    switch (row->type) {
    case SQ_OPT_STRING:
        *(struct sq_str *)at = row->fallback ? v : (struct sq_str){NULL, 0};
        break;
    case SQ_OPT_BOOL:
        parse_bool(v, at);
        break;
    case SQ_OPT_INT:
        if (!row->fallback || !sq_parse_int(v, at))
            *(int64_t *)at = INT64_MIN;
        break;
    case SQ_OPT_DURATION:
        if (!row->fallback || !sq_parse_duration(v, at))
            *(int64_t *)at = INT64_MIN;
        break;
    case SQ_OPT_MEMORY:
        if (!row->fallback || !sq_parse_memory(v, at))
            *(int64_t *)at = INT64_MIN;
        break;
    case SQ_OPT_ENUM:
        if (!row->fallback || !find_choice(row->choices, v, at))
            *(int *)at = -1;
        break;
    default:
        *(struct sq_option_map *)at = (struct sq_option_map){NULL, 0};
    }
}

static sq_rc store_in_map(struct sq_ctx *ctx, struct sq_arena *arena, const struct found *f, const struct sq_kv *kv, struct sq_str v, uint32_t room)
{
    struct sq_option_map *m = (struct sq_option_map *)((char *)f->set->into + f->row->offset);
    struct sq_kv *all = (struct sq_kv *)m->kv;
    for (uint32_t i = 0; i < m->n; i++)
        if (sq_str_eq(all[i].key, f->rest))
            return sq_fail_at(ctx, SQ_SEMANTIC, kv->key_span, "'%.*s' is given twice", SQ_FMT(kv->key));
    if (!all) {
        all = SQ_NEW_ARRAY(arena, struct sq_kv, room);
        if (!all)
            return SQ_NOMEM;
        m->kv = all;
    }
    all[m->n++] = (struct sq_kv){f->rest, v, kv->key_span, kv->value_span};
    return SQ_OK;
}

/* ---- unknown keys ---- */

/* A pattern as a candidate near `key`: what the user wrote stands for the hole. */
static struct sq_str candidate(struct sq_arena *arena, const char *pattern, struct sq_str key)
{
    const char *hole = strpbrk(pattern, "*#");
    if (!hole)
        return sq_str_of(pattern);
    size_t before = (size_t)(hole - pattern);
    if (*hole == '*' || key.n <= before || memcmp(key.p, pattern, before) != 0)
        return (struct sq_str){NULL, 0};
    uint32_t last = key.n;
    while (last > before && key.p[last - 1] != '.')
        last--;
    if (last <= before + 1)
        return (struct sq_str){NULL, 0};
    return sq_str_of(sq_arena_printf(arena, "%.*s%s", (int)(last - 1), key.p, hole + 1));
}

static sq_rc unknown_key(struct sq_ctx *ctx, struct sq_arena *arena, const char *what, const struct sq_kv *kv, const struct sq_option_set *sets,
                         uint32_t nsets)
{
    struct sq_str *all = SQ_NEW_ARRAY(arena, struct sq_str, MAX_CANDIDATES);
    uint32_t n = 0;
    if (!all)
        return SQ_NOMEM;
    for (uint32_t s = 0; s < nsets; s++)
        for (uint32_t i = 0; i < sets[s].n && n + 1 < MAX_CANDIDATES; i++) {
            const char *key = sets[s].rows[i].key;
            if (sets[s].prefix && sets[s].prefix[0])
                key = sq_arena_printf(arena, "%s%s", sets[s].prefix, key);
            struct sq_str c = key ? candidate(arena, key, kv->key) : (struct sq_str){NULL, 0};
            if (c.n)
                all[n++] = c;
        }
    struct sq_str near = sq_nearest(kv->key, all, n);
    sq_fail_at(ctx, SQ_SEMANTIC, kv->key_span, "%s has no option '%.*s'", what, SQ_FMT(kv->key));
    if (near.n)
        return sq_hint(ctx, "did you mean '%.*s'?", SQ_FMT(near));
    for (uint32_t i = 0; i < n; i++)                 /* 'startup-mode' for 'scan.startup-mode': the end is right */
        if (kv->key.n >= 4 && all[i].n > kv->key.n + 1 && memcmp(all[i].p + all[i].n - kv->key.n, kv->key.p, kv->key.n) == 0 &&
            all[i].p[all[i].n - kv->key.n - 1] == '.')
            return sq_hint(ctx, "did you mean '%.*s'?", SQ_FMT(all[i]));
    return SQ_SEMANTIC;
}

/* ---- the whole clause ---- */

static bool is_skipped(const char *const *skip, struct sq_str key)
{
    for (; skip && *skip; skip++)
        if (sq_str_is(key, *skip))
            return true;
    return false;
}

static sq_rc note_alias(struct sq_ctx *ctx, const struct found *f, const struct sq_kv *kv)
{
    const char *prefix = f->set->prefix ? f->set->prefix : "", *hole = strpbrk(f->row->key, "*#");
    if (hole)
        sq_notice(ctx, "'%.*s' is the old spelling of '%s%.*s%.*s%s'", SQ_FMT(kv->key), prefix, (int)(hole - f->row->key), f->row->key, SQ_FMT(f->rest),
                  hole + 1);
    else
        sq_notice(ctx, "'%.*s' is the old spelling of '%s%s'", SQ_FMT(kv->key), prefix, f->row->key);
    return SQ_OK;
}

static sq_rc parse_one(struct sq_ctx *ctx, struct sq_arena *arena, const char *what, const struct sq_kv *kv, uint32_t i, const struct sq_option_set *sets,
                       uint32_t nsets, uint32_t nkv, uint32_t *seen)
{
    struct found f;
    struct sq_str v;
    if (!find_row(sets, nsets, kv[i].key, &f))
        return unknown_key(ctx, arena, what, &kv[i], sets, nsets);
    if (f.row->flags & SQ_OPT_UNSUPPORTED)
        return sq_fail_at(ctx, SQ_UNSUPPORTED, kv[i].key_span, "'%.*s' is not supported yet: %s", SQ_FMT(kv[i].key), f.row->help);
    if (f.row->type != SQ_OPT_MAP) {
        const struct sq_kv *first = seen[f.number] ? &kv[seen[f.number] - 1] : NULL;
        if (first && sq_str_eq(first->key, kv[i].key))
            return sq_fail_at(ctx, SQ_SEMANTIC, kv[i].key_span, "'%.*s' is given twice", SQ_FMT(kv[i].key));
        if (first)
            return sq_fail_at(ctx, SQ_SEMANTIC, kv[i].key_span, "'%.*s' and '%.*s' are the same option in two spellings", SQ_FMT(first->key),
                              SQ_FMT(kv[i].key));
        seen[f.number] = i + 1;
    }
    SQ_TRY(expand(ctx, arena, &kv[i], &v));
    if (f.by_alias)
        SQ_TRY(note_alias(ctx, &f, &kv[i]));
    if (f.row->type == SQ_OPT_MAP)
        return store_in_map(ctx, arena, &f, &kv[i], v, nkv);
    return store(ctx, f.row, f.set->into, &kv[i], v);
}

static sq_rc check_required(struct sq_ctx *ctx, const char *what, struct sq_span where, const struct sq_option_set *sets, uint32_t nsets, const uint32_t *seen)
{
    uint32_t number = 0;
    for (uint32_t s = 0; s < nsets; s++)
        for (uint32_t i = 0; i < sets[s].n; i++, number++) {
            const struct sq_option *row = &sets[s].rows[i];
            if (!(row->flags & SQ_OPT_REQUIRED) || seen[number])
                continue;
            sq_fail_at(ctx, SQ_SEMANTIC, where, "%s needs the option '%s%s'", what, sets[s].prefix ? sets[s].prefix : "", row->key);
            return sq_hint(ctx, "'%s%s': %s", sets[s].prefix ? sets[s].prefix : "", row->key, row->help);
        }
    return SQ_OK;
}

sq_rc sq_options_parse(struct sq_ctx *ctx, struct sq_arena *arena, const char *what, struct sq_span where, const struct sq_kv *kv, uint32_t n,
                       const char *const *skip, const struct sq_option_set *sets, uint32_t nsets)
{
    uint32_t total = 0;
    for (uint32_t s = 0; s < nsets; s++) {
        total += sets[s].n;
        for (uint32_t i = 0; i < sets[s].n; i++)
            store_default(&sets[s].rows[i], sets[s].into);
    }
    uint32_t *seen = SQ_NEW_ARRAY(arena, uint32_t, total + 1);   /* by row: 1 + the entry that set it */
    if (!seen)
        return SQ_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        if (!is_skipped(skip, kv[i].key))
            SQ_TRY(parse_one(ctx, arena, what, kv, i, sets, nsets, n, seen));
    return check_required(ctx, what, where, sets, nsets, seen);
}
