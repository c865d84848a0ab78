/* SPDX-License-Identifier: Apache-2.0
 *
 * buf.c: growing text, files read whole, and how wide a character is on a terminal.
 */
#include "shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void out_of_memory(void)
{
    fputs("sqluice: out of memory\n", stderr);
    exit(EXIT_FAILED);
}

void *sh_alloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);

    if (!p)
        out_of_memory();
    return p;
}

void *sh_grow(void *p, size_t item, size_t n, size_t *cap)
{
    if (n < *cap)
        return p;
    *cap = *cap ? *cap * 2 : 16;
    p = realloc(p, item * *cap);
    if (!p)
        out_of_memory();
    return p;
}

char *sh_strndup(const char *p, size_t n)
{
    char *s = sh_alloc(n + 1);

    memcpy(s, p, n);
    return s;
}

void sh_add(struct sh_buf *b, const char *p, size_t n)
{
    if (b->n + n + 1 > b->cap) {
        size_t cap = b->cap ? b->cap : 128;

        while (cap < b->n + n + 1)
            cap *= 2;
        b->p = realloc(b->p, cap);
        if (!b->p)
            out_of_memory();
        b->cap = cap;
    }
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = 0;
}

void sh_adds(struct sh_buf *b, const char *s)
{
    sh_add(b, s, strlen(s));
}

void sh_addf(struct sh_buf *b, const char *fmt, ...)
{
    char small[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    if ((size_t)n < sizeof small) {
        sh_add(b, small, (size_t)n);
        return;
    }
    char *big = sh_alloc((size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(big, (size_t)n + 1, fmt, ap);
    va_end(ap);
    sh_add(b, big, (size_t)n);
    free(big);
}

void sh_add_grouped(struct sh_buf *b, unsigned long long v)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", v);

    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            sh_add(b, ",", 1);
        sh_add(b, digits + i, 1);
    }
}

void sh_addjson(struct sh_buf *b, const char *p, size_t n)
{
    sh_add(b, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c == '"' || c == '\\')
            sh_addf(b, "\\%c", c);
        else if (c == '\n')
            sh_adds(b, "\\n");
        else if (c == '\t')
            sh_adds(b, "\\t");
        else if (c == '\r')
            sh_adds(b, "\\r");
        else if (c < 0x20)
            sh_addf(b, "\\u%04x", c);
        else
            sh_add(b, p + i, 1);
    }
    sh_add(b, "\"", 1);
}

void sh_free(struct sh_buf *b)
{
    free(b->p);
    *b = (struct sh_buf){ 0 };
}

bool sh_read_file(const char *path, struct sh_buf *out)
{
    bool std = strcmp(path, "-") == 0;
    int fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    char chunk[65536];
    ssize_t n;
    int saved;

    if (fd < 0)
        return false;
    sh_add(out, "", 0);
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        sh_add(out, chunk, (size_t)n);
    }
    saved = errno;
    if (!std)
        close(fd);
    errno = saved;
    return n == 0;
}

size_t sh_utf8(const char *s, size_t n, unsigned *code)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xC2 && p[0] < 0xE0 ? 2 : p[0] >= 0xE0 && p[0] < 0xF0 ? 3 : p[0] >= 0xF0 && p[0] < 0xF5 ? 4 : 0;

    *code = 0xFFFD;
    if (len == 0 || len > n)
        return 1;
    unsigned c = len == 1 ? p[0] : p[0] & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 1;
        c = c << 6 | (p[i] & 0x3F);
    }
    *code = c;
    return len;
}

/* The blocks that matter in data: combining marks take no column, East Asian and emoji take two. */
int sh_char_width(unsigned c)
{
    static const struct { unsigned from, to; int width; } range[] = {
        { 0x0300, 0x036F, 0 }, { 0x0483, 0x0489, 0 }, { 0x0591, 0x05BD, 0 }, { 0x0610, 0x061A, 0 }, { 0x064B, 0x065F, 0 },
        { 0x1100, 0x115F, 2 }, { 0x1AB0, 0x1AFF, 0 }, { 0x1DC0, 0x1DFF, 0 }, { 0x200B, 0x200F, 0 }, { 0x20D0, 0x20FF, 0 },
        { 0x2E80, 0x303E, 2 }, { 0x3041, 0x4DBF, 2 }, { 0x4E00, 0xA4CF, 2 }, { 0xA960, 0xA97F, 2 }, { 0xAC00, 0xD7A3, 2 },
        { 0xF900, 0xFAFF, 2 }, { 0xFE00, 0xFE0F, 0 }, { 0xFE10, 0xFE19, 2 }, { 0xFE20, 0xFE2F, 0 }, { 0xFE30, 0xFE6F, 2 },
        { 0xFEFF, 0xFEFF, 0 }, { 0xFF00, 0xFF60, 2 }, { 0xFFE0, 0xFFE6, 2 }, { 0x1F300, 0x1F64F, 2 }, { 0x1F680, 0x1F6FF, 2 },
        { 0x1F900, 0x1F9FF, 2 }, { 0x20000, 0x3FFFD, 2 }, { 0xE0100, 0xE01EF, 0 },
    };

    for (size_t i = 0; c >= 0x0300 && i < sizeof range / sizeof *range; i++)
        if (c >= range[i].from && c <= range[i].to)
            return range[i].width;
    return 1;
}
