/* SPDX-License-Identifier: Apache-2.0
 *
 * conn_kit.h: what tests of connectors share: tables by their options in short, rows in short.
 */
#ifndef SQ_TEST_CONN_KIT_H
#define SQ_TEST_CONN_KIT_H

#include "base/os.h"
#include "base/text.h"
#include "connectors/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- tables and rows ---- */

static const uint32_t kit_first[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19};

/* A table 't' with the options of "key=value;key=value". */
static inline struct sq_table_spec *kit_spec(struct sq_arena *a, const struct sq_table_column *cols, uint32_t ncols, const char *with)
{
    struct sq_table_spec *t = SQ_NEW(a, struct sq_table_spec);
    struct sq_kv *kv = SQ_NEW_ARRAY(a, struct sq_kv, 32);
    uint32_t n = 0;
    struct sq_str text = sq_str_dup(a, sq_str_of(with));
    for (const char *p = text.p; *p;) {
        size_t len = strcspn(p, ";"), eq = strcspn(p, "=");
        kv[n++] = (struct sq_kv){{p, (uint32_t)eq}, {p + eq + 1, (uint32_t)(len - eq - 1)}, {1, 1}, {1, 1}};
        p += len + (p[len] == ';');
    }
    *t = (struct sq_table_spec){.name = SQ_STR("t"), .cols = cols, .ncols = ncols, .options = kv, .noptions = n};
    return t;
}

static const struct sq_table_column kit_cols[] = {{{"id", 2}, &sq_type_int, SQ_COL_PHYSICAL, {NULL, 0}}, {{"s", 1}, &sq_type_string, SQ_COL_PHYSICAL, {NULL, 0}}};

/* Rows of (id INT, s STRING): "1:a 2:b -3:x": +I, or with a sign before it -D ('-'), +U ('^'), -U ('~'). "#": NULL. */
static inline void kit_fill(struct sq_ctx *ctx, struct sq_out *o, const char *rows)
{
    const struct sq_type *types[] = {&sq_type_int, &sq_type_string};
    assert_int_equal(sq_out_init(o, ctx, types, 2), SQ_OK);
    for (const char *p = rows; *p; p += *p == ' ') {
        enum sq_kind kind = *p == '-' ? SQ_DELETE : *p == '^' ? SQ_UPDATE_AFTER : *p == '~' ? SQ_UPDATE_BEFORE : SQ_INSERT;
        p += kind != SQ_INSERT;
        if (*p == '#') {
            assert_int_equal(sq_col_append_null(&o->cols[0]), SQ_OK);
            p++;
        } else {
            int32_t id = (int32_t)strtol(p, (char **)&p, 10);
            assert_int_equal(sq_col_append_fixed(&o->cols[0], &id), SQ_OK);
        }
        p++;
        size_t n = strcspn(p, " ");
        if (n == 1 && *p == '#')
            assert_int_equal(sq_col_append_null(&o->cols[1]), SQ_OK);
        else
            assert_int_equal(sq_col_append_view(&o->cols[1], p, (uint32_t)n), SQ_OK);
        assert_int_equal(sq_out_row(o, kind), SQ_OK);
        p += n;
    }
}

#endif
