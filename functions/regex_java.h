/* SPDX-License-Identifier: Apache-2.0
 *
 * regex_java.h: regular expressions of Java, as Flink's users write them, in the words of PCRE2.
 */
#ifndef SQ_FUNCTIONS_REGEX_JAVA_H
#define SQ_FUNCTIONS_REGEX_JAVA_H

#include "base/str.h"

enum sq_regex_verdict {
    SQ_REGEX_FINE,
    SQ_REGEX_WRONG,                      /* Java refuses it too */
    SQ_REGEX_UNSUPPORTED                 /* Java knows it, this engine does not */
};

/* Appends the pattern to out (whose rc tells of memory); *why says what is wrong with it: a literal text. */
enum sq_regex_verdict sq_regex_from_java(struct sq_buf *out, struct sq_str pattern, const char **why);
/* The pattern of SIMILAR TO as a regular expression of Java (as Calcite has it); escape: one character, or empty. */
enum sq_regex_verdict sq_regex_from_similar(struct sq_buf *out, struct sq_str pattern, struct sq_str escape, const char **why);

#endif
