/* SPDX-License-Identifier: Apache-2.0
 *
 * json_internal.h: what the files of the JSON formats share.
 *
 * A decoder compiles the wanted columns into a tree of fields. json_value.c appends one value to the column of a field; json_decode.c
 * walks the records. Malformed text (MALFORMED) is a matter of the record; a value that does not fit its column is a matter of the field:
 * NULL and a report with json.ignore-parse-errors, else an error (FATAL). A row without a value in a NOT NULL column is a bad record: the planner
 * and the kernels rely on the type.
 */
#ifndef SQ_FORMATS_JSON_INTERNAL_H
#define SQ_FORMATS_JSON_INTERNAL_H

#include "connectors/connector.h"
#include "connectors/formats/formats.h"
#include "connectors/formats/json_scan.h"

enum { SQ_JSON_SQL, SQ_JSON_ISO };                         /* timestamp-format.standard */
enum { SQ_JSON_KEY_FAIL, SQ_JSON_KEY_DROP, SQ_JSON_KEY_LITERAL };

struct sq_json_options {
    bool fail_on_missing, ignore_errors, parser, plain_decimal, ignore_null_fields, schema_include;
    int timestamp, null_key;
    struct sq_str null_key_literal;
};

sq_rc sq_json_check_types(struct sq_ctx *, const char *format, const struct sq_table_spec *);
/* The place of the option in the WITH clause that ends in `key`, else of the table. */
struct sq_span sq_json_option_span(const struct sq_table_spec *, const char *key);

/* ---- decoding ---- */

struct sq_json_field {
    struct sq_str name;
    const struct sq_type *type;
    struct sq_json_field *child;
    uint32_t nchild;
    uint32_t *slot;                                        /* ROW: open-addressing table of children by name, child + 1; 0: empty */
    uint32_t mask;
};

enum sq_json_status { SQ_JSON_OK, SQ_JSON_MALFORMED, SQ_JSON_FATAL };

struct sq_json_dec {
    struct sq_ctx *ctx;
    struct sq_json_options opt;
    const char *format;                                    /* "json": the prefix of its options, for hints */
    struct sq_arena arena;                                 /* lives as long as the decoder */
    struct sq_json_field root;                             /* a ROW of the wanted columns */
    struct sq_arena *heap;                                 /* of the batch: strings that are not in the record as they stand */
    struct sq_buf scratch;                                 /* unescaped keys, numbers, compacted values */
    bool not_null;                                         /* some wanted column is NOT NULL */
    struct sq_buf reports;                                 /* field errors of the current record: u32 column, 0-terminated reason */
    uint32_t column;                                       /* the wanted column being decoded, for messages */
};

sq_rc sq_json_dec_init(struct sq_json_dec *, struct sq_ctx *, const struct sq_json_options *, const struct sq_table_column *, uint32_t n);
void sq_json_dec_free(struct sq_json_dec *);
/* The child of that name, or UINT32_MAX. `hint` is the one to try first. */
uint32_t sq_json_child(struct sq_json_dec *, const struct sq_json_field *row, struct sq_json_text key, uint32_t hint);
/* Appends the value at in->p (no white space before it) to the column. */
enum sq_json_status sq_json_value(struct sq_json_dec *, const struct sq_json_field *, struct sq_col *, struct sq_json_in *, int depth);
/* in->p stands on '{'. Appends one element to each of cols[0..row->nchild), which all have `at` elements; NULL where the object has no such field. */
enum sq_json_status sq_json_object(struct sq_json_dec *, const struct sq_json_field *row, struct sq_col *cols, uint32_t at, struct sq_json_in *, int depth);
/* A value that does not fit. `p`, `n`: the text of it. */
enum sq_json_status sq_json_unfit(struct sq_json_dec *, const struct sq_json_field *, struct sq_col *, const char *p, size_t n, const char *why);
enum sq_json_status sq_json_missing(struct sq_json_dec *, const struct sq_json_field *, struct sq_col *);
/* Whether the row behind the last finished one has a value in each column that is NOT NULL; else a message for sq_json_bad_record. */
bool sq_json_not_null(const struct sq_json_dec *, const struct sq_out *, char *msg, size_t n);
/* "malformed JSON at byte 12: why: text". */
void sq_json_malformed(const struct sq_json_in *, char *msg, size_t n);
/* Hands the record's reports to the caller's function and forgets them. */
void sq_json_report(struct sq_json_dec *, struct sq_decode *, uint32_t record);
/* The record itself when it is padded, else a padded copy on the heap; p NULL: out of memory. */
struct sq_json_in sq_json_padded(struct sq_json_dec *, const struct sq_decode *, uint32_t record);
/* A record that cannot be taken: skipped and counted with ignore-parse-errors (SQ_OK), else SQ_DATA. */
sq_rc sq_json_bad_record(struct sq_json_dec *, struct sq_decode *, uint32_t record, const char *msg);

/* The decoder of the json format. guess_shapes false: the general path only (tests). */
sq_rc sq_json_decoder_open(struct sq_ctx *, const struct sq_json_options *, const struct sq_table_column *wanted, uint32_t n, bool guess_shapes,
                           struct sq_decoder **);
sq_rc sq_json_decode(struct sq_decoder *, struct sq_decode *);
void sq_json_decoder_close(struct sq_decoder *);

/* ---- encoding ---- */

struct sq_json_enc {
    struct sq_ctx *ctx;
    struct sq_json_options opt;
    struct sq_arena arena;
    const struct sq_type *row;                             /* of the columns */
    struct sq_str *key;                                    /* "name": as it is written, with colon */
    uint32_t n;
};

sq_rc sq_json_enc_init(struct sq_json_enc *, struct sq_ctx *, const struct sq_json_options *, const struct sq_table_column *, uint32_t n);
void sq_json_enc_free(struct sq_json_enc *);
/* What both formats open; only how a record is written differs. */
struct sq_encoder { struct sq_json_enc e; };
sq_rc sq_json_encoder_open(struct sq_ctx *, const void *options, const struct sq_session *, const struct sq_table_column *, uint32_t n, struct sq_encoder **);
void sq_json_encoder_close(struct sq_encoder *);
/* One row as an object. */
sq_rc sq_json_encode_row(struct sq_json_enc *, const struct sq_vec *cols, uint32_t r, struct sq_buf *);

#endif
