/* SPDX-License-Identifier: Apache-2.0
 *
 * unparse.h: what the two files that print share.
 */
#ifndef SQ_PARSER_UNPARSE_H
#define SQ_PARSER_UNPARSE_H

#include "parser/parser.h"

void sq_unparse_name(struct sq_buf *, const struct sq_name *);
void sq_unparse_names(struct sq_buf *, const struct sq_str *, uint32_t n);
void sq_unparse_kvs(struct sq_buf *, const struct sq_kv *, uint32_t n, const char *sep);
void sq_unparse_hint(struct sq_buf *, const struct sq_kv *, uint32_t n);   /* with a blank before it */
void sq_unparse_type(struct sq_buf *, const struct sq_type *);

#endif
