/* SPDX-License-Identifier: Apache-2.0
 *
 * function.c: the registry: finds the overload that takes the arguments, tells the types they must be cast to and what comes out.
 *
 * Nothing is built at start: a look-up walks the tables and reads the signatures of the rows that bear the name. Each row that takes the
 * arguments is weighed by the casts it needs; the lightest wins, the first among equals.
 *
 * In a signature a parameter is a word, or a word and T ("INTEGER T"): all T together take their common type, which must be of that class.
 * A string or timestamp argument keeps its own length or precision where the layout is the same, so no cast is needed.
 */
#include "functions/kernel.h"

enum { MAX_PARAMS = 8, CAST_COST = 1, FAR_COST = 4, NO_MATCH = -1 };

static const struct sq_function *const tables[] = {
    sq_functions_arith, sq_functions_interval, sq_functions_compare, sq_functions_conditional, sq_functions_math, sq_functions_string,
    sq_functions_pattern, sq_functions_text, sq_functions_temporal, sq_functions_timefmt, sq_functions_window, sq_functions_collection,
    sq_functions_regex,
};

/* What Flink has and this engine has not yet: refused by name, so that nobody looks for a spelling mistake. */
static const char *const missing[] = {
    "RAND", "RAND_INTEGER", "UUID",     "MD5", "SHA1", "SHA2", "SHA224", "SHA256", "SHA384", "SHA512", "PARSE_URL", "URL_ENCODE", "URL_DECODE", "SPLIT",
    "TRANSLATE", "TRANSLATE3", "ELT", "PRINTF", "JSON", "JSON_VALUE", "JSON_QUERY", "JSON_EXISTS", "JSON_STRING", "JSON_OBJECT", "JSON_ARRAY",
    "JSON_QUOTE", "JSON_UNQUOTE", "IS JSON", "DECODE", "ENCODE", "BIN", "UNHEX", "CURRENT_WATERMARK", "TYPEOF",
    "CURRENT_DATABASE", "TRY_PARSE_JSON", "PARSE_JSON", "SOURCE_WATERMARK", "MATCH_PROCTIME", "MATCH_ROWTIME", "PERCENTILE",
    "APPROX_COUNT_DISTINCT", "JSON_OBJECTAGG", "JSON_ARRAYAGG", "IS_ALPHA", "IS_DECIMAL", "IS_DIGIT", "OBJECT_OF", "OBJECT_UPDATE", "INET_ATON", "INET_NTOA",
    "BITMAP_AND", "BITMAP_ANDNOT", "BITMAP_AND_AGG", "BITMAP_AND_CARDINALITY_AGG", "BITMAP_BUILD", "BITMAP_BUILD_AGG", "BITMAP_BUILD_CARDINALITY_AGG", "BITMAP_CARDINALITY",
    "BITMAP_FROM_BYTES", "BITMAP_OR", "BITMAP_OR_AGG", "BITMAP_OR_CARDINALITY_AGG", "BITMAP_TO_ARRAY", "BITMAP_TO_BYTES", "BITMAP_TO_STRING", "BITMAP_XOR",
    "BITMAP_XOR_AGG", "BITMAP_XOR_CARDINALITY_AGG", "ML_PREDICT", "TO_CHANGELOG", "FROM_CHANGELOG",
};

const struct sq_function *sq_function_at(size_t i)
{
    for (size_t t = 0; t < SQ_LEN(tables); t++)
        for (const struct sq_function *f = tables[t]; f->name; f++)
            if (i-- == 0)
                return f;
    return NULL;
}

bool sq_function_exists(struct sq_str name)
{
    for (size_t t = 0; t < SQ_LEN(tables); t++)
        for (const struct sq_function *f = tables[t]; f->name; f++)
            if (sq_str_iis(name, f->name))
                return true;
    return false;
}

/* ---- signatures ---- */

enum word {
    W_ANY, W_COMPARABLE, W_NUMERIC, W_INTEGER, W_EXACT, W_APPROX, W_TEMPORAL, W_DATETIME, W_STRING, W_BYTES, W_BOOLEAN, W_TINYINT, W_SMALLINT, W_INT,
    W_BIGINT, W_FLOAT, W_DOUBLE, W_DECIMAL, W_DATE, W_TIME, W_TIMESTAMP, W_LTZ, W_YM, W_DS, W_SYMBOL, W_T, W_COUNT
};
static const char *const words[W_COUNT] = {
    "ANY", "COMPARABLE", "NUMERIC", "INTEGER", "EXACT", "APPROX", "TEMPORAL", "DATETIME", "STRING", "BYTES", "BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT",
    "FLOAT", "DOUBLE", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP_LTZ", "INTERVAL_YM", "INTERVAL_DS", "SYMBOL", "T",
};

struct param {
    enum word word;
    bool shared;                         /* one of the T */
};

struct signature {
    struct param param[MAX_PARAMS];
    uint32_t n, least;                   /* how many there are, how many must be given */
    bool repeats;                        /* the last one, any number of times (at least `least` in all) */
    enum word ret;
    int32_t ret_p;                       /* TIMESTAMP(3): 3; -1 none */
};

static bool word_char(char c)
{
    return (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
}

static enum word read_word(const char **p)
{
    const char *from = *p;

    while (word_char(**p))
        ++*p;
    for (int w = 0; w < W_COUNT; w++)
        if (strlen(words[w]) == (size_t)(*p - from) && memcmp(words[w], from, (size_t)(*p - from)) == 0)
            return (enum word)w;
    SQ_ASSERT(!"a signature's word is known");
    return W_ANY;
}

static void read_param(const char **p, struct signature *s, bool optional)
{
    struct param *q = &s->param[s->n++];

    q->word = read_word(p);
    q->shared = q->word == W_T;
    if (q->shared)
        q->word = W_ANY;
    if ((*p)[0] == ' ' && (*p)[1] == 'T' && !word_char((*p)[2])) {
        q->shared = true;
        *p += 2;
    }
    if (!optional)
        s->least = s->n;
}

static void read_signature(const char *p, struct signature *s)
{
    bool optional = false;

    memset(s, 0, sizeof *s);
    s->ret_p = -1;
    for (p++; *p != ')';) {
        if (*p == '[') {
            optional = true;
            p++;
        } else if (*p == ' ' || *p == ',' || *p == ']')
            p++;
        else if (*p == '.') {
            s->repeats = true;
            p++;
        } else {
            SQ_ASSERT(s->n < MAX_PARAMS);
            read_param(&p, s, optional);
        }
    }
    p += 5;                                  /* ") -> " */
    s->ret = read_word(&p);
    if (*p == '(')
        s->ret_p = p[1] - '0';
}

/* ---- matching ---- */

static const struct sq_type *numeric_type(enum word w)
{
    static const struct sq_type *const types[] = {&sq_type_tinyint, &sq_type_smallint, &sq_type_int, &sq_type_bigint, &sq_type_float, &sq_type_double};

    return types[w - W_TINYINT];
}

static bool in_class(enum word w, const struct sq_type *t)
{
    enum sq_tid id = t->id;

    switch (w) {
    case W_ANY: return id != SQ_T_SYMBOL;
    case W_COMPARABLE: return id != SQ_T_SYMBOL && id != SQ_T_MAP && id != SQ_T_MULTISET;
    case W_NUMERIC: return sq_tid_is_numeric(id);
    case W_INTEGER: return sq_tid_is_int(id);
    case W_EXACT: return sq_tid_is_int(id) || id == SQ_T_DECIMAL;
    case W_APPROX: return sq_tid_is_approx(id);
    case W_TEMPORAL: return sq_tid_is_temporal(id);
    case W_DATETIME: return sq_tid_is_timestamp(id) || id == SQ_T_DATE;
    case W_STRING: return sq_tid_is_string(id);
    case W_BYTES: return sq_tid_is_binary(id);
    case W_BOOLEAN: return id == SQ_T_BOOLEAN;
    case W_TINYINT: return id == SQ_T_TINYINT;
    case W_SMALLINT: return id == SQ_T_SMALLINT;
    case W_INT: return id == SQ_T_INT;
    case W_BIGINT: return id == SQ_T_BIGINT;
    case W_FLOAT: return id == SQ_T_FLOAT;
    case W_DOUBLE: return id == SQ_T_DOUBLE;
    case W_DECIMAL: return id == SQ_T_DECIMAL;
    case W_DATE: return id == SQ_T_DATE;
    case W_TIME: return id == SQ_T_TIME;
    case W_TIMESTAMP: return id == SQ_T_TIMESTAMP;
    case W_LTZ: return id == SQ_T_TIMESTAMP_LTZ;
    case W_YM: return id == SQ_T_INTERVAL_YM;
    case W_DS: return id == SQ_T_INTERVAL_DS;
    case W_SYMBOL: return id == SQ_T_SYMBOL;
    default: return false;
    }
}

/* The type that a bare NULL takes. */
static const struct sq_type *null_as(enum word w)
{
    static const struct sq_type decimal10 = {.id = SQ_T_DECIMAL, .nullable = true, .p = 10};

    switch (w) {
    case W_NUMERIC: case W_INTEGER: case W_EXACT: case W_INT: return &sq_type_int;
    case W_TINYINT: case W_SMALLINT: case W_BIGINT: case W_FLOAT: case W_DOUBLE: return numeric_type(w);
    case W_APPROX: return &sq_type_double;
    case W_DECIMAL: return &decimal10;
    case W_TEMPORAL: case W_DATETIME: case W_TIMESTAMP: return &sq_type_timestamp3;
    case W_LTZ: return &sq_type_ltz3;
    case W_STRING: return &sq_type_string;
    case W_BYTES: return &sq_type_bytes;
    case W_BOOLEAN: return &sq_type_boolean;
    case W_DATE: return &sq_type_date;
    case W_TIME: return &sq_type_time0;
    case W_YM: return &sq_type_interval_ym;
    case W_DS: return &sq_type_interval_ds;
    case W_SYMBOL: return NULL;
    default: return &sq_type_null;
    }
}

/* What an argument must be cast to for a parameter that stands alone, and the weight; NO_MATCH. *to keeps the argument's own type where it fits. */
static int match_alone(struct sq_arena *a, enum word w, const struct sq_type *arg, const struct sq_type **to)
{
    *to = arg;
    if (arg->id == SQ_T_NULL) {
        *to = null_as(w);
        return *to ? (*to == &sq_type_null ? 0 : CAST_COST) : NO_MATCH;
    }
    if (in_class(w, arg))
        return w == W_ANY || w == W_COMPARABLE ? CAST_COST : 0;       /* a row that names the type wins over one that takes all */
    if (w >= W_SMALLINT && w <= W_BIGINT && sq_tid_is_int(arg->id) && arg->id < numeric_type(w)->id) {
        *to = sq_type_nullable(a, numeric_type(w), arg->nullable);
        return CAST_COST;
    }
    if ((w == W_DOUBLE || w == W_FLOAT) && sq_tid_is_numeric(arg->id) && (w == W_DOUBLE || arg->id != SQ_T_DOUBLE)) {
        *to = sq_type_nullable(a, numeric_type(w), arg->nullable);
        return FAR_COST;
    }
    if (w == W_DECIMAL && sq_tid_is_int(arg->id)) {
        *to = sq_type_new(a, SQ_T_DECIMAL, arg->nullable, sq_tid_digits(arg->id), 0);
        return CAST_COST;
    }
    if (w == W_TIMESTAMP && arg->id == SQ_T_DATE) {
        *to = sq_type_nullable(a, &sq_type_timestamp3, arg->nullable);
        return FAR_COST;
    }
    return NO_MATCH;
}

/* True when a vector of type a can stand where one of type b is expected, element for element. */
static bool same_layout(const struct sq_type *a, const struct sq_type *b)
{
    if (sq_tid_is_string(a->id) && sq_tid_is_string(b->id))
        return true;
    if (sq_tid_is_binary(a->id) && sq_tid_is_binary(b->id))
        return true;
    if (a->id == b->id && (sq_tid_is_timestamp(a->id) || a->id == SQ_T_TIME))
        return sq_type_phys(a) == sq_type_phys(b);
    return sq_type_equal(a, b, false);
}

/* The common type of two operands of a comparison: besides the usual, a text is read as the date or time it is compared with. */
static const struct sq_type *comparable(struct sq_arena *a, const struct sq_type *x, const struct sq_type *y)
{
    const struct sq_type *time = NULL;

    if (sq_tid_is_temporal(x->id) && sq_tid_is_string(y->id))
        time = x;
    else if (sq_tid_is_string(x->id) && sq_tid_is_temporal(y->id))
        time = y;
    else if (x->id == SQ_T_DATE && sq_tid_is_timestamp(y->id))
        time = y;
    else if (sq_tid_is_timestamp(x->id) && y->id == SQ_T_DATE)
        time = x;
    if (time)
        return sq_type_nullable(a, time, x->nullable || y->nullable);
    return sq_type_common(a, x, y);
}

struct match {
    const struct sq_function *fn;
    const struct sq_type **param;
    const struct sq_type *common;        /* of the T; NULL: none */
    struct signature sig;
    int cost;
};

static const struct param *param_of(const struct signature *s, uint32_t i)
{
    return &s->param[i < s->n ? i : s->n - 1];
}

static const struct sq_type *common_of(struct sq_arena *a, const struct signature *s, const struct sq_type *const *args, uint32_t n)
{
    const struct sq_type *common = NULL;

    for (uint32_t i = 0; i < n; i++) {
        const struct param *p = param_of(s, i);

        if (!p->shared)
            continue;
        if (!common)
            common = args[i];
        else
            common = p->word == W_COMPARABLE ? comparable(a, common, args[i]) : sq_type_common(a, common, args[i]);
        if (!common)
            return NULL;
    }
    return common;
}

static int match_shared(struct sq_arena *a, const struct param *p, const struct sq_type *arg, const struct sq_type *common, const struct sq_type **to)
{
    if (arg->id == SQ_T_SYMBOL || (common->id == SQ_T_NULL ? p->word != W_ANY && p->word != W_COMPARABLE : !in_class(p->word, common)))
        return NO_MATCH;
    *to = arg;
    if (same_layout(arg, common))
        return 0;
    *to = sq_type_nullable(a, common, arg->nullable);
    if (sq_tid_is_approx(common->id) && !sq_tid_is_approx(arg->id))
        return FAR_COST;
    return CAST_COST;
}

static bool count_fits(const struct signature *s, uint32_t n)
{
    return n >= s->least && (s->repeats || n <= s->n);
}

/* Fills m->param and m->common and weighs; m->cost is NO_MATCH when the row does not take the arguments. */
static sq_rc match_row(struct sq_arena *a, struct match *m, const struct sq_type *const *args, uint32_t n)
{
    m->cost = NO_MATCH;
    read_signature(m->fn->signature, &m->sig);
    if (!count_fits(&m->sig, n))
        return SQ_OK;
    m->param = SQ_NEW_ARRAY(a, const struct sq_type *, n + 1);
    if (!m->param)
        return a->ctx->err.rc;
    a->ctx->err.rc = SQ_OK;                      /* tells "no common type" from "no memory" */
    m->common = common_of(a, &m->sig, args, n);
    if (a->ctx->err.rc)
        return a->ctx->err.rc;
    for (uint32_t i = 0, cost = 0; i < n || (m->cost = (int)cost, false); i++) {
        const struct param *p = param_of(&m->sig, i);
        int c = !p->shared ? match_alone(a, p->word, args[i], &m->param[i])
                : m->common ? match_shared(a, p, args[i], m->common, &m->param[i])
                            : NO_MATCH;

        if (c == NO_MATCH)
            return SQ_OK;
        if (!m->param[i])
            return a->ctx->err.rc;
        cost += (uint32_t)c;
    }
    return SQ_OK;
}

/* CASE: when, then, when, then, …, else. The conditions are BOOLEAN, the others share their common type. */
static sq_rc match_case(struct sq_arena *a, struct match *m, const struct sq_type *const *args, uint32_t n)
{
    m->cost = NO_MATCH;
    if (n < 3 || n % 2 == 0)
        return SQ_OK;
    m->param = SQ_NEW_ARRAY(a, const struct sq_type *, n);
    if (!m->param)
        return a->ctx->err.rc;
    a->ctx->err.rc = SQ_OK;
    for (uint32_t i = 0; i < n; i++) {
        if (i % 2 == 0 && i + 1 < n) {
            if (match_alone(a, W_BOOLEAN, args[i], &m->param[i]) == NO_MATCH)
                return SQ_OK;
        } else {
            m->common = m->common ? sq_type_common(a, m->common, args[i]) : args[i];
            if (!m->common)
                return a->ctx->err.rc;
        }
    }
    for (uint32_t i = 1; i < n; i += i + 2 < n ? 2 : 1)
        if (match_shared(a, &(struct param){W_ANY, true}, args[i], m->common, &m->param[i]) == NO_MATCH || !m->param[i])
            return a->ctx->err.rc;
    m->cost = 0;
    m->sig.ret = W_T;
    return SQ_OK;
}

/* ---- the result ---- */

static sq_rc result_type(struct sq_ctx *ctx, struct sq_arena *a, const struct match *m, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    unsigned flags = m->fn->flags;
    bool nullable = false;

    if (m->fn->derive)
        SQ_TRY(m->fn->derive(ctx, a, args, n, ret));
    else if (m->sig.ret == W_T)
        *ret = m->common;
    else if (m->sig.ret_p >= 0)
        *ret = sq_type_new(a, m->sig.ret == W_LTZ ? SQ_T_TIMESTAMP_LTZ : m->sig.ret == W_TIME ? SQ_T_TIME : SQ_T_TIMESTAMP, true, m->sig.ret_p, 0);
    else if (m->sig.ret == W_NUMERIC || m->sig.ret == W_ANY || m->sig.ret == W_DATETIME || m->sig.ret == W_APPROX || m->sig.ret == W_INTEGER ||
             m->sig.ret == W_TIMESTAMP || m->sig.ret == W_LTZ || m->sig.ret == W_DECIMAL || m->sig.ret == W_TEMPORAL) {
        *ret = m->param[0];                      /* the first argument that is of that class */
        for (uint32_t i = 0; i < n; i++)
            if (in_class(m->sig.ret, m->param[i])) {
                *ret = m->param[i];
                break;
            }
    } else
        *ret = null_as(m->sig.ret);
    if (!*ret)
        return ctx->err.rc;
    if (m->fn->derive && (flags & SQ_LAZY))
        return SQ_OK;
    for (uint32_t i = 0; i < n; i++)
        nullable |= args[i]->nullable;
    nullable |= flags & SQ_DERIVED_NULL && (*ret)->nullable;
    if (flags & SQ_LAZY)                         /* CASE and IF: as their branches; AND and OR: as their operands */
        nullable = m->sig.ret == W_T ? m->common->nullable : nullable;
    else if (!(flags & SQ_STRICT) || (flags & SQ_ALWAYS_NULLABLE))
        nullable = true;
    if (flags & SQ_NEVER_NULL)
        nullable = false;
    *ret = sq_type_nullable(a, *ret, nullable);
    return *ret ? SQ_OK : ctx->err.rc;
}

/* ---- errors ---- */

static void print_arg_types(struct sq_buf *b, const struct sq_type *const *args, uint32_t n)
{
    sq_buf_putc(b, '(');
    for (uint32_t i = 0; i < n; i++) {
        struct sq_type t = *args[i];

        if (i)
            sq_buf_puts(b, ", ");
        t.nullable = true;
        if (t.id == SQ_T_SYMBOL)
            sq_buf_puts(b, "keyword");
        else
            sq_type_print(b, &t);
    }
    sq_buf_putc(b, ')');
}

/* A signature's parameters for people: "INTEGER T" is INTEGER, T is ANY. */
static void print_params(struct sq_buf *b, const char *p)
{
    for (char before = 0; *p != ')'; before = *p++) {
        if (p[0] == ' ' && p[1] == 'T' && !word_char(p[2]) && word_char(before))
            p++;
        else if (p[0] == 'T' && !word_char(p[1]) && !word_char(before))
            sq_buf_puts(b, "ANY");
        else
            sq_buf_putc(b, *p);
    }
    sq_buf_putc(b, ')');
}

static sq_rc unknown_name(struct sq_ctx *ctx, struct sq_arena *a, struct sq_str name)
{
    struct sq_str *all, near;
    size_t n = 0;

    for (size_t i = 0; i < SQ_LEN(missing); i++)
        if (sq_str_iis(name, missing[i]))
            return sq_fail(ctx, SQ_UNSUPPORTED, "%s is not supported yet", missing[i]);
    while (sq_function_at(n))
        n++;
    for (size_t i = 0; sq_agg_at(i); i++)
        n++;
    all = SQ_NEW_ARRAY(a, struct sq_str, n + 1);
    if (!all)
        return ctx->err.rc;
    for (size_t i = n = 0; sq_function_at(i); i++)
        if (!(sq_function_at(i)->flags & SQ_OPERATOR))
            all[n++] = sq_str_of(sq_function_at(i)->name);
    for (size_t i = 0; sq_agg_at(i); i++)
        all[n++] = sq_str_of(sq_agg_at(i)->name);
    near = sq_nearest(name, all, n);
    sq_fail(ctx, SQ_SEMANTIC, "no function '%.*s'", SQ_FMT(name));
    return near.n ? sq_hint(ctx, "did you mean %.*s?", SQ_FMT(near)) : sq_hint(ctx, "SHOW FUNCTIONS lists what there is");
}

static bool has_class(const struct sq_type *const *args, uint32_t n, bool (*test)(enum sq_tid))
{
    for (uint32_t i = 0; i < n; i++)
        if (test(args[i]->id))
            return true;
    return false;
}

static sq_rc hint_for(struct sq_ctx *ctx, const struct sq_function *fn, const struct sq_type *const *args, uint32_t n)
{
    if (fn->flags & SQ_OPERATOR) {
        if (n == 2 && has_class(args, n, sq_tid_is_string) && has_class(args, n, sq_tid_is_numeric))
            return sq_hint(ctx, "cast one side: CAST(… AS %s)", fn->name[0] == '|' ? "STRING" : "INT) or CAST(… AS STRING");
        if (n == 2 && sq_str_is(sq_str_of(fn->name), "-") && sq_tid_is_temporal(args[0]->id) && sq_tid_is_temporal(args[1]->id))
            return sq_hint(ctx, "use TIMESTAMPDIFF(SECOND, from, to)");
    }
    return ctx->err.rc;
}

static sq_rc no_match(struct sq_ctx *ctx, struct sq_str name, const struct sq_type *const *args, uint32_t n)
{
    struct sq_buf have = {.ctx = ctx}, want = {.ctx = ctx};
    const struct sq_function *f = NULL, *some = NULL;
    unsigned listed = 0;
    sq_rc rc;

    print_arg_types(&have, args, n);
    for (size_t i = 0; (f = sq_function_at(i)); i++) {
        if (!sq_str_iis(name, f->name))
            continue;
        some = f;
        if (listed++)
            sq_buf_puts(&want, " or ");
        print_params(&want, f->signature);
    }
    if (have.rc || want.rc)
        rc = ctx->err.rc;
    else if (some->flags & SQ_OPERATOR && n == 2 && !(some->flags & SQ_LAZY)) {
        sq_fail(ctx, SQ_SEMANTIC, "cannot apply '%s' to %.*s", some->name, SQ_FMT(sq_buf_view(&have)));
        rc = hint_for(ctx, some, args, n);
    } else
        rc = sq_fail(ctx, SQ_SEMANTIC, "no function %s%.*s: it takes %.*s", some->name, SQ_FMT(sq_buf_view(&have)), SQ_FMT(sq_buf_view(&want)));
    sq_buf_free(&have);
    sq_buf_free(&want);
    return rc;
}

/* ---- entry ---- */

/* A row that knows itself what it takes. */
static sq_rc match_own(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_function *f, const struct sq_type *const *args, uint32_t n, struct sq_resolved *out, bool *fits)
{
    out->fn = f;
    out->param = SQ_NEW_ARRAY(a, const struct sq_type *, n + 1);
    *fits = false;
    if (!out->param)
        return ctx->err.rc;
    for (uint32_t i = 0; i < n; i++)
        out->param[i] = args[i];
    return sq_collection_match(f)(ctx, a, args, n, out->param, &out->ret, fits);
}

sq_rc sq_function_resolve(struct sq_ctx *ctx, struct sq_arena *a, struct sq_str name, const struct sq_type *const *args, uint32_t n, struct sq_resolved *out)
{
    struct match best = {.cost = NO_MATCH};
    bool known = false;

    for (size_t t = 0; t < SQ_LEN(tables); t++)
        for (const struct sq_function *f = tables[t]; f->name; f++) {
            struct match m = {.fn = f};

            if (!sq_str_iis(name, f->name))
                continue;
            known = true;
            if (f->flags & SQ_MATCHES) {
                bool fits;

                SQ_TRY(match_own(ctx, a, f, args, n, out, &fits));
                if (fits)
                    return SQ_OK;
                continue;
            }
            SQ_TRY(f->flags & SQ_LAZY && strcmp(f->name, "CASE") == 0 ? match_case(a, &m, args, n) : match_row(a, &m, args, n));
            if (m.cost != NO_MATCH && (best.cost == NO_MATCH || m.cost < best.cost))
                best = m;
        }
    if (!known)
        return unknown_name(ctx, a, name);
    if (best.cost == NO_MATCH)
        return no_match(ctx, name, args, n);
    out->fn = best.fn;
    out->param = best.param;
    return result_type(ctx, a, &best, args, n, &out->ret);
}

sq_rc sq_function_refine(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_resolved *r, const struct sq_vec *const *consts, uint32_t n, const struct sq_type **ret)
{
    static const struct {
        const char *name;
        sq_refine *refine;
    } of[] = {
        {"ROUND", sq_refine_round}, {"TRUNCATE", sq_refine_round}, {"+", sq_refine_date_shift}, {"-", sq_refine_date_shift},
        {"TIMESTAMPADD", sq_refine_timestampadd},
    };

    (void)ctx;
    *ret = r->ret;
    for (size_t i = 0; i < SQ_LEN(of); i++)
        if (strcmp(r->fn->name, of[i].name) == 0)
            return of[i].refine(a, r->param, consts, n, ret);
    return SQ_OK;
}

/* ---- what the kernels share ---- */

sq_rc sq_put_copy(struct sq_call *call, struct sq_vec *out, uint32_t r, const char *p, size_t n)
{
    char *to;

    if (n > SQ_STRING_MAX)
        return sq_fail(call->ctx, SQ_LIMIT, "a text of %zu bytes is too long", n);
    if (n > SQ_VIEW_INLINE) {
        to = sq_text_room(call, n);
        if (!to)
            return call->ctx->err.rc;
        memcpy(to, p, n);
        p = to;
    }
    sq_put_view(out, r, p, (uint32_t)n);
    return SQ_OK;
}

const char *sq_shorten(struct sq_str s, char *buf)
{
    uint32_t n = s.n;

    if (n > 64)
        for (n = 64; n && ((unsigned char)s.p[n] & 0xC0) == 0x80;)
            n--;
    if (n)
        memcpy(buf, s.p, n);
    memcpy(buf + n, s.n > n ? "…" : "", s.n > n ? sizeof "…" : 1);
    return buf;
}

const struct sq_tz *sq_call_tz(const struct sq_call *call)
{
    return call->session && call->session->tz ? call->session->tz : sq_tz_utc;
}
