/* SPDX-License-Identifier: Apache-2.0
 *
 * append.h: text put behind the text in a fixed array; one that does not fit fails the test.
 */
#ifndef SQ_TEST_APPEND_H
#define SQ_TEST_APPEND_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

__attribute__((format(printf, 3, 4))) static inline void append(char *s, size_t cap, const char *fmt, ...)
{
    size_t n = strlen(s);
    va_list ap;
    va_start(ap, fmt);
    int more = vsnprintf(s + n, cap - n, fmt, ap);
    va_end(ap);
    assert_in_range(more, 0, cap - n - 1);
}

#define APPEND(array, ...) append(array, sizeof(array), __VA_ARGS__)

#endif
