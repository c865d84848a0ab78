/* SPDX-License-Identifier: Apache-2.0
 *
 * type.h: the logical types of Flink SQL and the physical layout that each has in a vector. The layout is final:
 * decoders, kernels, packed rows and snapshots depend on it.
 *
 *   logical                     physical           C element
 *   BOOLEAN                     SQ_P_BOOL          uint8_t, 0 or 1
 *   TINYINT SMALLINT INT BIGINT SQ_P_I8 … I64      int8_t … int64_t
 *   FLOAT DOUBLE                SQ_P_F32, F64      float, double
 *   DECIMAL(p,s), p <= 38       SQ_P_I128          __int128, unscaled, aligned to 16
 *   CHAR VARCHAR BINARY …       SQ_P_VIEW          struct sq_view, 16 bytes (STRING is VARCHAR(2147483647))
 *   DATE                        SQ_P_I32           days since 1970-01-01
 *   TIME(p)                     SQ_P_I32           milliseconds of the day (Flink keeps no more)
 *   TIMESTAMP(p), _LTZ(p) p<=6  SQ_P_I64           microseconds since 1970-01-01 00:00:00 (UTC for _LTZ)
 *   TIMESTAMP(p), _LTZ(p) p>6   SQ_P_TS16          struct sq_ts16
 *   INTERVAL YEAR TO MONTH      SQ_P_I32           months
 *   INTERVAL DAY TO SECOND      SQ_P_I64           milliseconds (as Flink)
 *   ARRAY<t>                    SQ_P_LIST          struct sq_list into child[0]
 *   MAP<k,v>, MULTISET<t>       SQ_P_LIST          struct sq_list into child[0] keys, child[1] values (counts: INT)
 *   ROW<…>                      SQ_P_STRUCT        no data; children of the same length
 *   NULL                        SQ_P_NULL          no data; every row is NULL (type of a bare NULL literal)
 *
 * Types are immutable once made; they live in an arena or are one of the constants below, and are passed by pointer.
 */
#ifndef SQ_BASE_TYPE_H
#define SQ_BASE_TYPE_H

#include "base/str.h"

enum sq_tid {
    SQ_T_NULL, SQ_T_BOOLEAN, SQ_T_TINYINT, SQ_T_SMALLINT, SQ_T_INT, SQ_T_BIGINT, SQ_T_FLOAT, SQ_T_DOUBLE, SQ_T_DECIMAL,
    SQ_T_CHAR, SQ_T_VARCHAR, SQ_T_BINARY, SQ_T_VARBINARY, SQ_T_DATE, SQ_T_TIME, SQ_T_TIMESTAMP, SQ_T_TIMESTAMP_LTZ,
    SQ_T_INTERVAL_YM, SQ_T_INTERVAL_DS, SQ_T_ARRAY, SQ_T_MAP, SQ_T_MULTISET, SQ_T_ROW,
    SQ_T_SYMBOL,   /* a keyword argument such as DAY or LEADING; never in a table; its vector is a constant string */
    SQ_T_COUNT
};

enum sq_phys {
    SQ_P_NULL, SQ_P_BOOL, SQ_P_I8, SQ_P_I16, SQ_P_I32, SQ_P_I64, SQ_P_F32, SQ_P_F64, SQ_P_I128, SQ_P_TS16, SQ_P_VIEW,
    SQ_P_LIST, SQ_P_STRUCT
};

enum { SQ_STRING_MAX = 2147483647, SQ_DECIMAL_MAX = 38 };

struct sq_type;
struct sq_field {
    struct sq_str name;
    const struct sq_type *type;
};

struct sq_type {
    enum sq_tid id;
    bool nullable;
    int32_t p;                      /* DECIMAL: precision; TIME, TIMESTAMP: fraction digits; CHAR, VARCHAR, BINARY, VARBINARY: length */
    int32_t s;                      /* DECIMAL: scale */
    uint32_t nchild;                /* ARRAY 1; MAP 2; MULTISET 2 (element, INT count); ROW n */
    const struct sq_field *child;   /* names only in a ROW */
};

/* Nullable constants, for signatures, tests and literals. */
extern const struct sq_type sq_type_null, sq_type_boolean, sq_type_tinyint, sq_type_smallint, sq_type_int, sq_type_bigint,
    sq_type_float, sq_type_double, sq_type_string, sq_type_bytes, sq_type_date, sq_type_time0, sq_type_timestamp3,
    sq_type_timestamp6, sq_type_timestamp9, sq_type_ltz3, sq_type_ltz6, sq_type_ltz9, sq_type_interval_ym, sq_type_interval_ds,
    sq_type_symbol;

/* NULL when out of memory (the arena's context has the error). */
const struct sq_type *sq_type_new(struct sq_arena *, enum sq_tid, bool nullable, int32_t p, int32_t s);
const struct sq_type *sq_type_array(struct sq_arena *, bool nullable, const struct sq_type *element);
const struct sq_type *sq_type_map(struct sq_arena *, bool nullable, const struct sq_type *key, const struct sq_type *value);
const struct sq_type *sq_type_multiset(struct sq_arena *, bool nullable, const struct sq_type *element);
const struct sq_type *sq_type_row(struct sq_arena *, bool nullable, const struct sq_field *, uint32_t n);   /* copies the array */
const struct sq_type *sq_type_nullable(struct sq_arena *, const struct sq_type *, bool nullable);           /* the same, but nullable or not */
const struct sq_type *sq_type_dup(struct sq_arena *, const struct sq_type *);                               /* deep */

bool sq_type_equal(const struct sq_type *, const struct sq_type *, bool with_nullability);
enum sq_phys sq_type_phys(const struct sq_type *);
uint32_t sq_phys_size(enum sq_phys);             /* bytes of an element; 0 for STRUCT and NULL */
/* As Flink prints it: DECIMAL(10, 2) NOT NULL, ROW<`a` INT>; STRING and BYTES for the longest. */
sq_rc sq_type_print(struct sq_buf *, const struct sq_type *);
const char *sq_tid_name(enum sq_tid);            /* "TIMESTAMP_LTZ" */

static inline bool sq_tid_is_int(enum sq_tid t) { return t >= SQ_T_TINYINT && t <= SQ_T_BIGINT; }
static inline bool sq_tid_is_numeric(enum sq_tid t) { return t >= SQ_T_TINYINT && t <= SQ_T_DECIMAL; }
static inline bool sq_tid_is_approx(enum sq_tid t) { return t == SQ_T_FLOAT || t == SQ_T_DOUBLE; }
static inline bool sq_tid_is_string(enum sq_tid t) { return t == SQ_T_CHAR || t == SQ_T_VARCHAR; }
static inline bool sq_tid_is_binary(enum sq_tid t) { return t == SQ_T_BINARY || t == SQ_T_VARBINARY; }
static inline bool sq_tid_is_timestamp(enum sq_tid t) { return t == SQ_T_TIMESTAMP || t == SQ_T_TIMESTAMP_LTZ; }
static inline bool sq_tid_is_temporal(enum sq_tid t) { return t >= SQ_T_DATE && t <= SQ_T_TIMESTAMP_LTZ; }
static inline bool sq_tid_is_interval(enum sq_tid t) { return t == SQ_T_INTERVAL_YM || t == SQ_T_INTERVAL_DS; }
/* An integer type seen as a DECIMAL: TINYINT 3, SMALLINT 5, INT 10, BIGINT 19 digits. */
int32_t sq_tid_digits(enum sq_tid);

#endif
