/* SPDX-License-Identifier: Apache-2.0
 *
 * vec.h: column vectors, batches, and the builders that make them.
 *
 * Ownership: a batch is *borrowed*. Whoever is handed one may read it until it returns, and must copy what it wants to keep
 * (sq_row_pack, sq_col_append). Its producer reuses the buffers for the next one, so nothing is allocated in steady state
 * and no buffer is counted. Exchanges and state copy bytes.
 *
 * Rows of a batch are addressed by their *physical* row number r < rows. `sel`, where present, lists the physical rows that
 * are in the batch, ascending. Vectors made from a batch by expressions stay aligned with the physical rows; what stands
 * in rows that are not selected is unspecified, and never read.
 */
#ifndef SQ_BASE_VEC_H
#define SQ_BASE_VEC_H

#include "base/type.h"

enum { SQ_BATCH_ROWS = 2048 };          /* the most rows of a batch on an edge between operators */

enum sq_kind { SQ_INSERT, SQ_UPDATE_BEFORE, SQ_UPDATE_AFTER, SQ_DELETE };   /* +I -U +U -D */
static inline bool sq_kind_adds(uint8_t k) { return k == SQ_INSERT || k == SQ_UPDATE_AFTER; }
const char *sq_kind_name(uint8_t);      /* "+I" */

/* 16-byte string view, short strings inline (as Arrow's, but with a pointer). Bytes behind a short string are zero, so
 * two short views are equal when their 16 bytes are. */
struct sq_view {
    uint32_t len;
    char prefix[4];                     /* the first bytes, in both forms */
    union {
        char rest[8];                   /* len <= 12: bytes 4.. of the string */
        const char *ptr;                /* len > 12: all of it */
    } u;
};
_Static_assert(sizeof(struct sq_view) == 16, "views are 16 bytes");
#define SQ_VIEW_INLINE 12

static inline const char *sq_view_ptr(const struct sq_view *v) { return v->len <= SQ_VIEW_INLINE ? (const char *)v + 4 : v->u.ptr; }
static inline struct sq_str sq_view_str(const struct sq_view *v) { return (struct sq_str){sq_view_ptr(v), v->len}; }
static inline struct sq_view sq_view_of(const char *p, uint32_t n)   /* borrows p when n > 12 */
{
    struct sq_view v = {.len = n};
    if (n <= SQ_VIEW_INLINE) {
        if (n)
            memcpy((char *)&v + 4, p, n);
    } else {
        memcpy(v.prefix, p, 4);
        v.u.ptr = p;
    }
    return v;
}
static inline bool sq_view_eq(const struct sq_view *a, const struct sq_view *b)
{
    if (memcmp(a, b, 8) != 0)            /* length and first four bytes */
        return false;
    if (a->len <= SQ_VIEW_INLINE)
        return memcmp(a->u.rest, b->u.rest, 8) == 0;
    return memcmp(a->u.ptr, b->u.ptr, a->len) == 0;
}

struct sq_ts16 {                        /* TIMESTAMP(7..9) */
    int64_t us;                         /* microseconds since 1970 */
    int32_t ns;                         /* 0..999 within the microsecond */
    int32_t pad;                        /* 0 */
};

struct sq_list {                        /* a row of ARRAY, MAP, MULTISET: elements [off, off+len) of the children */
    uint32_t off, len;
};

enum sq_enc {
    SQ_FLAT,
    SQ_CONST,                           /* element 0 stands for every row */
    SQ_DICT                             /* row r is element index[r] of child[0], which is flat and of the same type */
};

struct sq_vec {
    const struct sq_type *type;
    enum sq_enc enc;
    void *data;                         /* elements as in type.h; NULL for STRUCT, NULL type and DICT */
    uint64_t *valid;                    /* bit r % 64 of word r / 64 is 1: present; NULL: all present. CONST: bit 0. DICT: NULL (look in child[0]) */
    const uint32_t *index;              /* DICT only */
    struct sq_vec *child;               /* DICT: 1. ARRAY 1, MAP and MULTISET 2 (own length), ROW n (same length) */
    uint32_t nchild;
};

static inline bool sq_bit(const uint64_t *bits, uint32_t i) { return bits[i >> 6] >> (i & 63) & 1; }
static inline void sq_bit_set(uint64_t *bits, uint32_t i) { bits[i >> 6] |= (uint64_t)1 << (i & 63); }
static inline void sq_bit_clear(uint64_t *bits, uint32_t i) { bits[i >> 6] &= ~((uint64_t)1 << (i & 63)); }
enum { SQ_BATCH_WORDS = SQ_BATCH_ROWS / 64 };

/* Follows CONST and DICT: the vector that holds the element of row r, and its position there. */
static inline const struct sq_vec *sq_vec_at(const struct sq_vec *v, uint32_t *r)
{
    if (v->enc == SQ_CONST)
        *r = 0;
    else if (v->enc == SQ_DICT) {
        *r = v->index[*r];
        return v->child;
    }
    return v;
}
static inline bool sq_vec_null(const struct sq_vec *v, uint32_t r)
{
    v = sq_vec_at(v, &r);
    return v->type->id == SQ_T_NULL || (v->valid && !sq_bit(v->valid, r));
}

/* The elements of rows 0 … n - 1 stand one behind the other in `data`, and none is NULL. */
static inline bool sq_vec_dense(const struct sq_vec *v, uint32_t n)
{
    uint64_t gaps = 0;
    if (v->enc != SQ_FLAT || v->type->id == SQ_T_NULL)
        return false;
    for (uint32_t i = 0; v->valid && i < n / 64; i++)
        gaps |= ~v->valid[i];
    if (v->valid && n % 64)
        gaps |= ~v->valid[n / 64] & (((uint64_t)1 << n % 64) - 1);
    return gaps == 0;
}

struct sq_batch {
    uint32_t rows;                      /* physical rows */
    uint32_t nsel;                      /* rows in the batch: `rows` where sel is NULL */
    const uint32_t *sel;                /* NULL: all of them */
    const uint8_t *kind;                /* enum sq_kind by physical row; NULL: every row is an insert */
    uint32_t ncols;
    const struct sq_vec *cols;
    /* Event time: by physical row, the watermark of the rows before it in its split. NULL: no row is at or below that of its split, so none can be late. Who copies
     * rows into a batch of his own copies it too, or leaves it NULL where they are no longer the rows that came (op.h: sq_row_watermark). */
    const int64_t *wm;
    uint32_t split;                     /* of the source, from 1; 0: not known, or of several. Good as far as the WATERMARK node */
};

/* The physical row of the i-th row in the batch. */
static inline uint32_t sq_row(const struct sq_batch *b, uint32_t i) { return b->sel ? b->sel[i] : i; }
static inline uint8_t sq_row_kind(const struct sq_batch *b, uint32_t r) { return b->kind ? b->kind[r] : SQ_INSERT; }

/* Total order of two elements of one type, NULL first, as ORDER BY and MIN/MAX have it (bytes for strings; NaN last; -0.0 = 0.0).
 * Nested types compare element by element. */
int sq_vec_compare(const struct sq_vec *a, uint32_t ra, const struct sq_vec *b, uint32_t rb);

/* ---- builders ---- */

/* A column being built. Elements are appended, or written straight into vec.data (fixed-width) after sq_col_reserve. */
struct sq_col {
    struct sq_vec vec;                  /* flat; vec.child points at the children's vec copies, refreshed by sq_col_seal */
    uint32_t n, cap;
    struct sq_arena *heap;              /* long strings are copied here by the appending calls */
    struct sq_ctx *ctx;
    struct sq_col *kid;                 /* children of nested types */
    uint32_t nkid;
    uint64_t *bits;                     /* storage for vec.valid; vec.valid stays NULL until the first NULL */
};

sq_rc sq_col_init(struct sq_col *, struct sq_ctx *, struct sq_arena *heap, const struct sq_type *);
void sq_col_free(struct sq_col *);
void sq_col_reset(struct sq_col *);                                   /* no rows; keeps the storage */
sq_rc sq_col_reserve(struct sq_col *, uint32_t rows);                 /* capacity for n + rows */
sq_rc sq_col_append_null(struct sq_col *);
sq_rc sq_col_append_view(struct sq_col *, const char *, uint32_t len); /* strings and bytes; copies long ones to the heap */
sq_rc sq_col_append_fixed(struct sq_col *, const void *element);      /* copies sq_phys_size bytes */
/* Lists: append the elements to kid[0] (and kid[1]) first, then call this with how many they were. */
sq_rc sq_col_append_list(struct sq_col *, uint32_t len);
/* Rows of ROW type: append to every kid first, then call this. */
sq_rc sq_col_append_struct(struct sq_col *);
/* A deep copy of row r of a vector of an equal type (any encoding). */
sq_rc sq_col_append(struct sq_col *, const struct sq_vec *, uint32_t r);
/* The same for rows sel[0..n) (sel NULL: 0..n). */
sq_rc sq_col_append_many(struct sq_col *, const struct sq_vec *, const uint32_t *sel, uint32_t n);
void sq_col_set_null(struct sq_col *, uint32_t r);                    /* marks row r < n; clears an already appended element */
void sq_col_truncate(struct sq_col *, uint32_t n);                    /* forgets rows n and later */
void sq_col_seal(struct sq_col *);                                    /* refreshes vec.child; call before reading nested columns */

/* A batch being built: columns, kinds and one heap for their strings. */
struct sq_out {
    struct sq_ctx *ctx;
    struct sq_col *cols;
    uint32_t ncols;
    uint32_t n;                         /* rows finished: every column has n rows */
    struct sq_arena heap;
    uint8_t *kind;                      /* storage, kind_cap rows */
    uint32_t kind_cap;
    bool has_kind;                      /* some row is not an insert */
    struct sq_batch batch;              /* filled by sq_out_batch */
    struct sq_vec *vecs;
};

sq_rc sq_out_init(struct sq_out *, struct sq_ctx *, const struct sq_type *const *types, uint32_t ncols);
void sq_out_free(struct sq_out *);
void sq_out_reset(struct sq_out *);                                   /* empty; keeps the storage */
/* Ends the row whose elements were appended to every column. */
sq_rc sq_out_row(struct sq_out *, enum sq_kind);
/* Ends `n` rows at once, all of them inserts (columns were filled in bulk). */
sq_rc sq_out_rows(struct sq_out *, uint32_t n);
/* Appends rows sel[0..n) of a batch (sel NULL: rows 0..n), with their kinds. */
sq_rc sq_out_append(struct sq_out *, const struct sq_batch *, const uint32_t *sel, uint32_t n);
/* Undoes what was appended behind the last finished row (a record that turned out to be bad). */
void sq_out_rollback(struct sq_out *);
/* A batch that views what was built; good until the next reset or append. */
const struct sq_batch *sq_out_batch(struct sq_out *);

/* ---- constants and flattening ---- */

/* A CONST vector in the arena with a deep copy of row r of v. NULL: out of memory. */
struct sq_vec *sq_vec_const(struct sq_arena *, const struct sq_vec *v, uint32_t r);
struct sq_vec *sq_vec_const_null(struct sq_arena *, const struct sq_type *);
struct sq_vec *sq_vec_const_fixed(struct sq_arena *, const struct sq_type *, const void *element);
struct sq_vec *sq_vec_const_str(struct sq_arena *, const struct sq_type *, struct sq_str);   /* copies */

/* Checks what a batch on an edge must hold (sizes, selection ascending, views and offsets in range); NULL when well
 * formed, else what is wrong. For debug builds and tests. */
const char *sq_batch_check(const struct sq_batch *);

#endif
