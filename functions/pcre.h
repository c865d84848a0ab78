/* SPDX-License-Identifier: Apache-2.0
 *
 * pcre.h: the functions of PCRE2, found with dlopen when an expression first needs them, and patterns compiled by it. The header <pcre2.h> is used at build time
 * only. Without it the build has no regular expressions (SQ_HAVE_PCRE2 is not defined), and sq_pcre_open refuses.
 */
#ifndef SQ_FUNCTIONS_PCRE_H
#define SQ_FUNCTIONS_PCRE_H

#include "base/ctx.h"
#include "base/str.h"

struct sq_pcre;                          /* the library, with limits and a stack for its machine code */
struct sq_pcre_code;                     /* a pattern */

/* SQ_EXTERNAL or SQ_UNSUPPORTED, naming Debian's package, when there is none. */
sq_rc sq_pcre_open(struct sq_ctx *, struct sq_pcre **);
void sq_pcre_close(struct sq_pcre *);

/* *out is NULL when the pattern is none that PCRE2 can compile; `unsupported`: because of a limit of PCRE2, not because it is wrong. *why says what is wrong: buf >= 160. */
sq_rc sq_pcre_compile(struct sq_pcre *, struct sq_str pattern, struct sq_pcre_code **out, bool *unsupported, char *why);
void sq_pcre_free(struct sq_pcre *, struct sq_pcre_code *);
uint32_t sq_pcre_groups(const struct sq_pcre_code *);
/* Looks for the pattern in s from byte `at` on; `whole`: it must match all of s. The places of group g are span[2 * g] and span[2 * g + 1], SIZE_MAX where it has none; good until
 * the next match. Fails with SQ_LIMIT when it takes too many steps. */
sq_rc sq_pcre_match(struct sq_pcre *, struct sq_pcre_code *, struct sq_str s, uint32_t at, bool whole, bool *found, const size_t **span);

#endif
