/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern.c: 'topic-pattern' is a regular expression of Java's; topics are matched with POSIX's regexec. What both have is taken over, the classes
 * \d \w \s are written out, groups that do not capture become groups, and what POSIX cannot say (looking around, lazy and possessive
 * repetition, back references) is refused. A topic's name holds letters, digits, '.', '_' and '-' only.
 */
#include "connectors/kafka/kafka.h"

enum { PATTERN_MAX = 1000 };

static const char *class_of(char c)
{
    return c == 'd' ? "0-9" : c == 'w' ? "A-Za-z0-9_" : c == 's' ? " \t" : NULL;
}

/* [...]: a backslash is a plain character in POSIX. Returns what is behind it, or NULL. */
static const char *bracket(const char *p, const char *end, struct sq_buf *out, const char **why)
{
    bool dash = false;                                  /* \- goes to the end, where it is no range */
    sq_buf_putc(out, *p++);
    if (p < end && *p == '^')
        sq_buf_putc(out, *p++);
    for (bool first = true; p < end && (*p != ']' || first); first = false, p++) {
        const char *cls = NULL;
        if (*p == '[' || (*p == '&' && p + 1 < end && p[1] == '&')) {
            *why = "brackets within brackets, and && there";
            return NULL;
        }
        if (*p == '\\' && p + 1 < end) {
            p++;
            cls = class_of(*p);
            if (!cls && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == ']' || *p == '\\' || *p == '^' || (*p >= '0' && *p <= '9'))) {
                *why = "this character behind a backslash in brackets";
                return NULL;
            }
            if (*p == '-') {
                dash = true;
                continue;
            }
        }
        if (cls)
            sq_buf_puts(out, cls);
        else if (*p == '-' && p + 1 < end && p[1] == ']')
            dash = true;
        else
            sq_buf_putc(out, *p);
    }
    if (dash)
        sq_buf_putc(out, '-');
    if (p == end) {
        *why = "a '[' without its ']'";
        return NULL;
    }
    sq_buf_putc(out, *p);
    return p + 1;
}

static const char *escape(const char *p, struct sq_buf *out, const char **why)
{
    const char *cls = class_of(*p);
    bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'), digit = *p >= '0' && *p <= '9';
    if (cls || *p == 'D' || *p == 'W' || *p == 'S') {
        sq_buf_printf(out, "[%s%s]", cls ? "" : "^", cls ? cls : class_of((char)(*p - 'A' + 'a')));
    } else if (letter || digit) {
        *why = digit ? "references to groups" : "this character behind a backslash";
        return NULL;
    } else {
        sq_buf_printf(out, strchr("-_\"'#/:,<>=!@%&~`; ", *p) ? "%c" : "\\%c", *p);
    }
    return p + 1;
}

static bool translate(struct sq_str java, struct sq_buf *out, const char **why)
{
    const char *p = java.p, *end = java.p + java.n;
    while (p && p < end) {
        char c = *p;
        bool repeats = c == '*' || c == '+' || c == '?' || c == '}';
        if (c == '[') {
            p = bracket(p, end, out, why);
        } else if (c == '\\') {
            p = p + 1 < end ? escape(p + 1, out, why) : NULL;
            if (!p && !*why)
                *why = "a backslash at the end";
        } else if (c == '(' && end - p > 2 && p[1] == '?') {
            if (p[2] == ':') {
                sq_buf_putc(out, '(');
                p += 3;
            } else {
                *why = "groups that begin with (? other than (?:";
                return false;
            }
        } else if (repeats && p + 1 < end && (p[1] == '?' || p[1] == '+')) {
            *why = "lazy and possessive repetition";
            return false;
        } else {
            sq_buf_putc(out, c);
            p++;
        }
    }
    return p != NULL;
}

const char *sq_kafka_pattern(struct sq_arena *arena, struct sq_str java, const char **why)
{
    struct sq_buf out;
    const char *text = NULL;
    *why = NULL;
    if (java.n > PATTERN_MAX || memchr(java.p, 0, java.n)) {
        *why = java.n > PATTERN_MAX ? "patterns of more than 1000 bytes" : "NUL bytes";
        return NULL;
    }
    sq_buf_init(&out, arena->ctx);
    sq_buf_puts(&out, "^(");
    if (translate(java, &out, why)) {
        sq_buf_puts(&out, ")$");
        if (out.rc == SQ_OK)
            text = sq_arena_printf(arena, "%.*s", (int)out.n, out.p);
        if (!text)
            *why = "more memory than there is";
    }
    sq_buf_free(&out);
    return text;
}
