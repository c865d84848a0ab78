/* SPDX-License-Identifier: Apache-2.0
 *
 * function.h: the registry of functions, their kernels, casts and aggregates. A function is one row of a table; operators are
 * functions too ("+", "=", "||", "LIKE", "NOT", "IS NULL").
 *
 * A kernel computes one vector from vectors, for the rows that are selected. It never sees AND, OR, CASE, COALESCE, IF:
 * these are lazy and belong to the evaluator (executor/expr.c).
 */
#ifndef SQ_FUNCTIONS_FUNCTION_H
#define SQ_FUNCTIONS_FUNCTION_H

#include "base/text.h"
#include "base/vec.h"

/* What a kernel is called with besides its arguments. */
struct sq_call {
    struct sq_ctx *ctx;
    const struct sq_session *session;
    const struct sq_type *ret;              /* the result's type as resolved */
    struct sq_arena *heap;                  /* for long strings and lists of the result: lives as long as the result's batch */
    void *state;                            /* from `prepare`, or NULL */
    uint64_t *overflows;                    /* counter of values that wrapped or became NULL */
    struct sq_col *builder;                 /* SQ_NESTED: where the result goes */
};

/* The rows to compute: n rows, sel NULL: 0..n-1. */
struct sq_rows {
    const uint32_t *sel;
    uint32_t n;
};
#define SQ_EACH_ROW(rows, i, r) for (uint32_t i = 0, r; i < (rows).n && (r = (rows).sel ? (rows).sel[i] : i, 1); i++)

/* Fills out->data (and out->valid) at the selected rows. Arguments are FLAT or CONST (never DICT). `out` is a flat vector with room for every
 * physical row: data is writable, valid is a writable bitmap with all bits set.
 * With SQ_STRICT the evaluator has dealt with NULLs: out->valid is already the AND of the arguments' and rows
 * that are NULL are not in `rows`. Nested results (ARRAY, MAP, ROW): see SQ_NESTED. */
typedef sq_rc sq_kernel(struct sq_call *, const struct sq_vec *args, uint32_t nargs, struct sq_rows rows, struct sq_vec *out);

enum {
    SQ_STRICT = 1,          /* NULL in, NULL out; nullable exactly if an argument is */
    SQ_PURE = 2,            /* same arguments, same result: constant calls are folded */
    SQ_NEVER_NULL = 4,      /* the result is NOT NULL whatever comes in (IS NULL, COUNT) */
    SQ_ALWAYS_NULLABLE = 8, /* may give NULL for arguments that are not (SPLIT_INDEX, TRY_CAST, x / y of decimals) */
    SQ_NESTED = 16,         /* the result is nested (ARRAY, MAP, ROW): the kernel appends one element for each of `rows`, in their order, to call->builder; out is not used */
    SQ_LAZY = 32,           /* CASE, COALESCE, AND, OR, IF, NULLIF: kernel is NULL, the evaluator knows them by name */
    SQ_OWNS = 256,          /* what `prepare` makes begins with a pointer to the function that frees it: struct sq_owned */
    SQ_MATCHES = 128,       /* code of its own tells what it takes (collection.c); the signature is for people alone */
    SQ_OPERATOR = 64        /* written with operator syntax; not listed among the named functions */
};

struct sq_function;
/* The beginning of a state that holds more than the arena's memory (SQ_OWNS). */
struct sq_owned { void (*release)(void *state); };
/* Tells the result type for argument types (NULL: the signature's). May refuse with an error about the arguments. */
typedef sq_rc sq_derive(struct sq_ctx *, struct sq_arena *, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret);

/* One overload. Several rows with one name are tried in order; the first whose parameters take the arguments, exactly or by an
 * implicit cast (Flink's: integer widening, to DECIMAL, to DOUBLE, CHAR to VARCHAR, NULL to all), is taken; fewer casts win.
 *
 * signature: "(STRING, INT [, INT]) -> STRING", "(ANY, ANY) -> BOOLEAN"; parameter words: a type name (STRING takes CHAR and VARCHAR;
 * DECIMAL and TIMESTAMP take every precision), NUMERIC (any numeric), INTEGER (TINYINT … BIGINT), EXACT (those and DECIMAL), APPROX (FLOAT, DOUBLE),
 * TEMPORAL (DATE, TIME, TIMESTAMP, TIMESTAMP_LTZ), DATETIME (without TIME), INTERVAL_YM, INTERVAL_DS, T (any type, the same for all T after finding
 * the common type; "INTEGER T": one of that class), ANY (any type, each its own), COMPARABLE, SYMBOL; "..." after the last: repeated. "-> T" gives T's
 * type, "-> NUMERIC" and other classes that of the first argument of the class. `derive` is given the arguments' types as they are, before casts. */
struct sq_function {
    const char *name;
    const char *signature;
    unsigned flags;
    sq_kernel *kernel;
    sq_derive *derive;
    const char *help;       /* a line, beginning in lower case */
    const char *example;    /* "SPLIT_INDEX('a,b,c', ',', 1) = 'b'": run by the tests; NULL only for operators without */
    /* Optional: called once per expression with the constant arguments (NULL where not constant); makes call->state in the arena. */
    sq_rc (*prepare)(struct sq_call *, struct sq_arena *, const struct sq_vec *const *const_args, uint32_t n, void **state);
};

/* What name and argument types resolve to. */
struct sq_resolved {
    const struct sq_function *fn;
    const struct sq_type *ret;               /* nullability included */
    const struct sq_type **param;            /* per argument: the type it must be cast to (equal: no cast) */
};

/* Finds the overload. Errors (SQ_SEMANTIC) name the function, the argument types and what would fit, with a
 * "did you mean" on an unknown name; the caller adds the place. Names are matched ignoring case. */
sq_rc sq_function_resolve(struct sq_ctx *, struct sq_arena *, struct sq_str name, const struct sq_type *const *args, uint32_t n, struct sq_resolved *);
/* The result's type where constant arguments have a say in it (consts: NULL where not constant), else r->ret: ROUND(d, 2) of a DECIMAL has scale 2;
 * a DATE plus hours is a TIMESTAMP. To be asked after the resolution; kernels follow call->ret. */
sq_rc sq_function_refine(struct sq_ctx *, struct sq_arena *, const struct sq_resolved *r, const struct sq_vec *const *consts, uint32_t n, const struct sq_type **ret);
bool sq_function_exists(struct sq_str name);
/* All rows, for SHOW FUNCTIONS, HELP and the tests: i from 0; NULL at the end. Aggregates have rows of
 * their own: sq_agg_at. */
const struct sq_function *sq_function_at(size_t i);

/* ---- casts ---- */

/* The kernel for a cast, or NULL when there is none. A cast that fails sets SQ_DATA ("cannot cast 'abc' to INT"); with TRY the kernel
 * is told by call->state != NULL and gives NULL instead. Casts are SQ_STRICT. */
sq_kernel *sq_cast_kernel(const struct sq_type *from, const struct sq_type *to);
/* True when a value that is there may become NULL: a number that has too many digits for a DECIMAL. */
bool sq_cast_gives_null(const struct sq_type *from, const struct sq_type *to);
bool sq_cast_implicit(const struct sq_type *from, const struct sq_type *to);   /* may be done without being asked for */
/* May a query column of type `from` be written to a sink column of type `to` (Flink's rules for INSERT)? */
bool sq_cast_assignable(const struct sq_type *from, const struct sq_type *to);
/* The least restrictive type of both (UNION, CASE, comparisons); NULL when there is none (no error set) or out of memory. */
const struct sq_type *sq_type_common(struct sq_arena *, const struct sq_type *a, const struct sq_type *b);
const struct sq_type *sq_decimal_result(struct sq_arena *, char op, const struct sq_type *a, const struct sq_type *b);   /* Flink's precision rules: + - * / % */

/* ---- aggregates ---- */

/* An accumulator is `acc_size` bytes in a column beside the group table: acc of group g is base + g * stride. Zeroed bytes are
 * the empty accumulator. What does not fit (MIN/MAX under retraction, string values) hangs on it and is freed by `drop`. */
struct sq_agg;
struct sq_agg_call {                         /* one aggregate of one operator */
    struct sq_ctx *ctx;
    const struct sq_agg *agg;
    const struct sq_type *arg;               /* NULL: COUNT(*) */
    const struct sq_vec *opt;                /* the constant second argument; NULL: not given */
    const struct sq_type *ret;
    bool retracts;                           /* the input may take rows back */
    uint64_t *overflows;
    uint64_t *state_bytes;                   /* what hangs on accumulators is added and taken off here */
};

enum {
    SQ_AGG_NULLS = 1 << 17,                  /* NULL is a value like others, under DISTINCT too */
    SQ_AGG_OPT = 1 << 18                     /* may have a second argument, which is constant: LISTAGG's separator */
};

struct sq_agg {
    const char *name;                        /* "SUM" */
    const char *signature;                   /* "(NUMERIC) -> NUMERIC" for the docs */
    const char *help, *example;
    unsigned flags;                          /* SQ_NEVER_NULL for COUNT; SQ_AGG_… */
    /* Tells whether it takes the argument and what it returns (SUM(INT) is INT, AVG(INT) is INT, …) nullable as Flink has it. */
    sq_derive *derive;
    size_t (*acc_size)(const struct sq_agg_call *);      /* a multiple of 16 */
    /* Adds (or, where the kind says so, takes back) rows: row i of `rows` goes to acc[i]. NULL arguments are skipped by the callee
     * where the aggregate ignores NULLs. kind NULL: all add. Kinds are by physical row. arg may be CONST, DICT or FLAT; NULL for COUNT(*). */
    sq_rc (*update)(struct sq_agg_call *, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind);
    sq_rc (*merge)(struct sq_agg_call *, void *into, const void *from);
    /* Appends the result to out (a builder of type ret). */
    sq_rc (*result)(struct sq_agg_call *, const void *acc, struct sq_col *out);
    sq_rc (*save)(struct sq_agg_call *, const void *acc, struct sq_buf *);
    sq_rc (*load)(struct sq_agg_call *, void *acc, const char **at, const char *end);
    void (*drop)(struct sq_agg_call *, void *acc);       /* NULL: nothing hangs on it */
    /* The results of n accumulators at once; NULL: `result` of each. */
    sq_rc (*results)(struct sq_agg_call *, void *const *acc, uint32_t n, struct sq_col *out);
    /* Merges the accumulator at byte `at` of from[i] into that of into[i], in this order: one may be there several times. NULL: `merge` of each. */
    sq_rc (*merges)(struct sq_agg_call *, void *const *into, void *const *from, size_t at, uint32_t n);
};
/* NULL: no aggregate of that name. DISTINCT is dealt with by the operator (a set of seen values with counts beside it). */
const struct sq_agg *sq_agg_find(struct sq_str name);
const struct sq_agg *sq_agg_at(size_t i);

#endif
