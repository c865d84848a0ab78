/* SPDX-License-Identifier: Apache-2.0
 *
 * regex_java.c: a regular expression of Java (java.util.regex.Pattern) rewritten for PCRE2, and a pattern of SIMILAR TO for Java.
 *
 * The pattern is read once, by recursive descent, and every part is written anew, so what PCRE2 has beyond Java never gets through, and what Java has beyond PCRE2 is either said in other
 * words or refused. Flags are followed through groups and acted upon where a part is written; none is handed on:
 *     (?i)        letters of ASCII in both cases, as Java has it without (?u); with (?u) by Unicode
 *     (?s)        '.' takes line ends too; without it is the set of all but Java's six
 *     (?x)        blanks and comments are left out, in sets too
 *     [a[b]&&[c]] a set is written as [...], (?:A|B), (?:(?=A)B) or (?:(?!A)(?s:.)), whichever it needs
 * \d, \w, \s and \b go by ASCII, as in Java without (?U); \p{Alpha} and its kin too.
 *
 * Refused: (?d), (?U), \X, \N, blocks (\p{InGreek}), properties named java…, references to groups that are not yet closed or not there, and back references under (?i).
 * FLINK: \b goes by ASCII as in Java 19 and later; '$' stands before a last U+0085, U+2028 or U+2029 in Java only.
 */
#include "functions/regex_java.h"
#include "base/text.h"
#include "functions/utf8.h"

#include <string.h>

enum { NESTING_MAX = 200, REPEAT_MAX = 65535, GROUPS_MAX = 1000 };

struct flags { bool i, u, m, s, x; };

struct reader {
    struct sq_str in;
    uint32_t at;
    struct sq_buf *out;
    struct flags f;
    uint32_t groups;                     /* begun */
    uint64_t open[GROUPS_MAX / 64 + 1];  /* groups that are begun and not closed */
    uint32_t depth;
    enum sq_regex_verdict verdict;
    const char *why;
};

static bool wrong(struct reader *r, const char *why)
{
    r->verdict = SQ_REGEX_WRONG;
    r->why = why;
    return false;
}

static bool unsupported(struct reader *r, const char *why)
{
    r->verdict = SQ_REGEX_UNSUPPORTED;
    r->why = why;
    return false;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(uint32_t c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

static void skip_blanks(struct reader *r)
{
    while (r->f.x && r->at < r->in.n) {
        char c = r->in.p[r->at];

        if (c == ' ' || (c >= '\t' && c <= '\r'))
            r->at++;
        else if (c == '#')
            while (r->at < r->in.n && r->in.p[r->at] != '\n' && r->in.p[r->at] != '\r')
                r->at++;
        else
            break;
    }
}

/* The byte that comes next; 0 at the end. */
static char peek(struct reader *r)
{
    skip_blanks(r);
    return r->at < r->in.n ? r->in.p[r->at] : 0;
}

static bool at_end(struct reader *r)
{
    skip_blanks(r);
    return r->at >= r->in.n;
}

static bool took(struct reader *r, char c)
{
    if (at_end(r) || r->in.p[r->at] != c)
        return false;
    r->at++;
    return true;
}

static bool stands(const struct reader *r, const char *word)
{
    size_t n = strlen(word);

    return r->in.n - r->at >= n && memcmp(r->in.p + r->at, word, n) == 0;
}

static uint32_t next_point(struct reader *r)
{
    const unsigned char *p = (const unsigned char *)r->in.p + r->at;
    uint32_t n = sq_cp_step(r->in, r->at);

    r->at += n;
    switch (n) {
    case 1: return p[0];
    case 2: return (p[0] & 31U) << 6 | (p[1] & 63U);
    case 3: return (p[0] & 15U) << 12 | (p[1] & 63U) << 6 | (p[2] & 63U);
    default: return (p[0] & 7U) << 18 | (p[1] & 63U) << 12 | (p[2] & 63U) << 6 | (p[3] & 63U);
    }
}

/* ---- characters ---- */

static void put_char(struct reader *r, uint32_t c)
{
    if (is_letter(c) || (c >= '0' && c <= '9'))
        sq_buf_putc(r->out, (char)c);
    else
        sq_buf_printf(r->out, "\\x{%x}", c);
}

static void put_literal(struct reader *r, uint32_t c)
{
    if (r->f.i && r->f.u)
        sq_buf_printf(r->out, "(?i:\\x{%x})", c);
    else if (r->f.i && is_letter(c))
        sq_buf_printf(r->out, "[%c%c]", (int)(c | 32), (int)(c & ~32U));
    else
        put_char(r, c);
}

static int hex_value(char c)
{
    return is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static bool read_hex(struct reader *r, uint32_t least, uint32_t most, uint32_t *c)
{
    uint32_t n = 0;

    for (*c = 0; n < most && r->at < r->in.n && hex_value(r->in.p[r->at]) >= 0; n++)
        *c = *c << 4 | (uint32_t)hex_value(r->in.p[r->at++]);
    return n >= least || wrong(r, "hexadecimal digits are missing");
}

static bool read_u(struct reader *r, uint32_t *c)
{
    uint32_t low;

    if (!read_hex(r, 4, 4, c))
        return false;
    if (*c < 0xD800 || *c > 0xDFFF)
        return true;
    if (*c > 0xDBFF || !stands(r, "\\u"))
        return unsupported(r, "half of a surrogate pair");
    r->at += 2;
    if (!read_hex(r, 4, 4, &low))
        return false;
    if (low < 0xDC00 || low > 0xDFFF)
        return unsupported(r, "half of a surrogate pair");
    *c = 0x10000 + ((*c - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

static bool read_x(struct reader *r, uint32_t *c)
{
    if (r->at >= r->in.n || r->in.p[r->at] != '{')
        return read_hex(r, 2, 2, c);
    r->at++;
    if (!read_hex(r, 1, 8, c))
        return false;
    if (*c > 0x10FFFF || r->at >= r->in.n || r->in.p[r->at++] != '}')
        return wrong(r, "\\x{…} is no character");
    return (*c < 0xD800 || *c > 0xDFFF) || unsupported(r, "half of a surrogate pair");
}

/* \0, then up to three octal digits, at most \0377. */
static bool read_octal(struct reader *r, uint32_t *c)
{
    uint32_t n = 0;

    for (*c = 0; n < 3 && r->at < r->in.n && r->in.p[r->at] >= '0' && r->in.p[r->at] <= '7' && *c * 8 + (uint32_t)(r->in.p[r->at] - '0') <= 255; n++)
        *c = *c * 8 + (uint32_t)(r->in.p[r->at++] - '0');
    return n > 0 || wrong(r, "octal digits are missing");
}

/* An escape that stands for one character, `e` being read. False: it does not (verdict unchanged), or is wrong. */
static bool char_escape(struct reader *r, char e, uint32_t *c)
{
    static const char names[] = "tnrfae", codes[] = "\t\n\r\f\a\033";
    const char *p = strchr(names, e);

    if (p && e) {
        *c = (uint32_t)codes[p - names];
        return true;
    }
    switch (e) {
    case '0': return read_octal(r, c);
    case 'x': return read_x(r, c);
    case 'u': return read_u(r, c);
    case 'c':
        if (r->at >= r->in.n)
            return wrong(r, "\\c without a character");
        *c = next_point(r) ^ 64;
        return *c < 128 || wrong(r, "\\c without a character of ASCII");
    default: break;
    }
    if (is_letter((unsigned char)e) || is_digit(e))
        return false;
    r->at--;
    *c = next_point(r);
    return true;
}

/* ---- properties ---- */

/* Names of Java that PCRE2 spells otherwise: `set` as in [ ], `not` its complement; NULL: as \p{…}. */
static const struct { const char *name, *set, *not; } properties[] = {
    {"Lower", "[:lower:]", "[:^lower:]"}, {"Upper", "[:upper:]", "[:^upper:]"}, {"Alpha", "[:alpha:]", "[:^alpha:]"}, {"Digit", "[:digit:]", "[:^digit:]"},
    {"Alnum", "[:alnum:]", "[:^alnum:]"}, {"Punct", "[:punct:]", "[:^punct:]"}, {"Graph", "[:graph:]", "[:^graph:]"}, {"Print", "[:print:]", "[:^print:]"},
    {"Blank", "[:blank:]", "[:^blank:]"}, {"Cntrl", "[:cntrl:]", "[:^cntrl:]"}, {"XDigit", "[:xdigit:]", "[:^xdigit:]"}, {"Space", "\\s", "\\S"},
    {"ASCII", "\\x00-\\x7f", "\\x{80}-\\x{10ffff}"}, {"IsLetter", "\\p{L}", "\\P{L}"}, {"IsPunctuation", "\\p{P}", "\\P{P}"}, {"IsControl", "\\p{Cc}", "\\P{Cc}"},
    {"IsDigit", "\\p{Nd}", "\\P{Nd}"}, {"IsTitlecase", "\\p{Lt}", "\\P{Lt}"}, {"LC", "\\p{L&}", "\\P{L&}"}, {"IsWhite_Space", "\\p{White_Space}", "\\P{White_Space}"},
};

static bool is_category(struct sq_str s)
{
    static const char all[] = "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co Cn ";
    char word[4] = {0};

    if (s.n == 0 || s.n > 2)
        return false;
    memcpy(word, s.p, s.n);
    word[s.n] = ' ';
    for (const char *p = strstr(all, word); p; p = strstr(p + 1, word))
        if (p == all || p[-1] == ' ')
            return true;
    return false;
}

static bool plain_name(struct sq_str s)
{
    for (uint32_t i = 0; i < s.n; i++)
        if (!is_letter((unsigned char)s.p[i]) && s.p[i] != '_')
            return false;
    return s.n > 0;
}

static struct sq_str after(struct sq_str s, uint32_t n)
{
    return (struct sq_str){s.p + n, s.n - n};
}

/* Writes the part of a set, without its brackets. */
static bool put_property(struct reader *r, struct sq_str name, bool not)
{
    struct sq_str of = name;

    for (size_t i = 0; i < SQ_LEN(properties); i++)
        if (sq_str_is(name, properties[i].name)) {
            sq_buf_puts(r->out, not ? properties[i].not : properties[i].set);
            return true;
        }
    if ((name.n > 2 && memcmp(name.p, "In", 2) == 0) || (name.n > 4 && (memcmp(name.p, "java", 4) == 0 || memcmp(name.p, "blk=", 4) == 0)))
        return unsupported(r, "blocks and properties of Java's own are not supported");
    if (name.n > 3 && (memcmp(name.p, "gc=", 3) == 0 || memcmp(name.p, "sc=", 3) == 0))
        of = after(name, 3);
    else if (name.n > 2 && memcmp(name.p, "Is", 2) == 0)
        of = after(name, 2);
    else if (!is_category(name))
        return wrong(r, "there is no such property");
    if (!plain_name(of))
        return wrong(r, "there is no such property");
    sq_buf_printf(r->out, "\\%c{%.*s}", not ? 'P' : 'p', SQ_FMT(of));
    return true;
}

static bool property(struct reader *r, bool not)
{
    struct sq_str name = {r->in.p + r->at, 1};

    if (r->at >= r->in.n)
        return wrong(r, "\\p without a name");
    if (*name.p == '{') {
        const char *end = memchr(name.p, '}', r->in.n - r->at);

        if (!end)
            return wrong(r, "\\p{ is not closed");
        name = (struct sq_str){name.p + 1, (uint32_t)(end - name.p - 1)};
        r->at += name.n + 2;
    } else
        r->at++;
    return put_property(r, name, not);
}

/* An escape that stands for a set, `e` being read: writes it as it stands within [ ]. */
static bool set_escape(struct reader *r, char e, bool *is_set)
{
    *is_set = true;
    if (e && strchr("dDwWsShHvV", e)) {
        sq_buf_printf(r->out, "\\%c", e);
        return true;
    }
    if (e == 'p' || e == 'P')
        return property(r, e == 'P');
    *is_set = false;
    return true;
}

/* ---- sets ---- */

static bool set(struct reader *r, struct sq_buf *to);

/* Characters from a to b, in both cases under (?i). */
static void put_range(struct reader *r, uint32_t a, uint32_t b)
{
    sq_buf_printf(r->out, b > a ? "\\x{%x}-\\x{%x}" : "\\x{%x}", a, b);
    for (int upper = 0; r->f.i && !r->f.u && upper < 2; upper++) {
        uint32_t from = upper ? 'A' : 'a', to = from + 25;

        if (b < from || a > to)
            continue;
        from = a > from ? a : from;
        to = b < to ? b : to;
        sq_buf_printf(r->out, "\\x{%x}-\\x{%x}", from ^ 32, to ^ 32);
    }
}

/* One character of a set; *is_set: it was \d or the like, and is written. */
static bool set_char(struct reader *r, uint32_t *c, bool *is_set)
{
    char e;

    *is_set = false;
    if (r->in.p[r->at] != '\\') {
        *c = next_point(r);
        return true;
    }
    if (++r->at >= r->in.n)
        return wrong(r, "a backslash at the end");
    e = r->in.p[r->at++];
    if (!set_escape(r, e, is_set) || *is_set)
        return *is_set && r->verdict == SQ_REGEX_FINE;
    return char_escape(r, e, c) || r->verdict != SQ_REGEX_FINE ? r->verdict == SQ_REGEX_FINE : wrong(r, "there is no such escape in a set");
}

/* A character, a range or \Q…\E. */
static bool set_item(struct reader *r)
{
    uint32_t a, b;
    bool is_set;

    if (stands(r, "\\Q")) {
        for (r->at += 2; r->at < r->in.n && !stands(r, "\\E");) {
            a = next_point(r);
            put_range(r, a, a);
        }
        r->at += r->at < r->in.n ? 2 : 0;
        return true;
    }
    if (!set_char(r, &a, &is_set))
        return false;
    if (is_set)
        return true;
    b = a;
    if (peek(r) == '-' && r->at + 1 < r->in.n && r->in.p[r->at + 1] != ']' && r->in.p[r->at + 1] != '[') {
        r->at++;
        skip_blanks(r);
        if (at_end(r) || !set_char(r, &b, &is_set))
            return r->verdict == SQ_REGEX_FINE ? wrong(r, "a set is not closed") : false;
        if (is_set || b < a)
            return wrong(r, "a range that goes backwards");
    }
    put_range(r, a, b);
    return true;
}

/* One operand of &&: `flat` within brackets, `others` sets beside it, each with '|' before it. */
static bool set_operand(struct reader *r, struct sq_buf *flat, struct sq_buf *others, bool first)
{
    struct sq_buf *out = r->out;
    bool any = !first;

    r->out = flat;
    for (;; any = true) {
        if (at_end(r))
            return wrong(r, "a set is not closed");
        if (stands(r, "&&") || (peek(r) == ']' && (any || flat->n || others->n)))
            break;
        if (took(r, '[')) {
            sq_buf_putc(others, '|');
            if (!set(r, others))
                return false;
        } else if (!set_item(r))
            return false;
    }
    r->out = out;
    return flat->n || others->n || wrong(r, "a set without characters");
}

static void put_operand(struct reader *r, struct sq_buf *to, const struct sq_buf *flat, const struct sq_buf *others)
{
    if (others->n)
        sq_buf_puts(to, "(?:");
    if (flat->n)
        sq_buf_printf(to, r->f.i && r->f.u ? "(?i:[%.*s])" : "[%.*s]", SQ_FMT(sq_buf_view(flat)));
    if (others->n)
        sq_buf_printf(to, "%.*s)", SQ_FMT(after(sq_buf_view(others), flat->n ? 0 : 1)));
}

/* What stands between [ and ], with all operands of &&: to `all`; simple: it is one bracket. */
static bool set_operands(struct reader *r, struct sq_buf *all, struct sq_buf *flat, struct sq_buf *others, bool *simple)
{
    *simple = true;
    if (!set_operand(r, flat, others, true))
        return false;
    *simple = !others->n && !stands(r, "&&");
    put_operand(r, all, flat, others);
    while (stands(r, "&&")) {
        struct sq_buf before = *all;

        r->at += 2;
        sq_buf_init(all, before.ctx);
        sq_buf_reset(flat);
        sq_buf_reset(others);
        sq_buf_printf(all, "(?:(?=%.*s)", SQ_FMT(sq_buf_view(&before)));
        sq_buf_free(&before);
        if (!set_operand(r, flat, others, false))
            return false;
        put_operand(r, all, flat, others);
        sq_buf_putc(all, ')');
    }
    return true;
}

/* Behind '['. */
static bool set(struct reader *r, struct sq_buf *to)
{
    struct sq_buf *out = r->out, all, flat, others;
    bool not = took(r, '^'), simple, ok;

    if (++r->depth > NESTING_MAX)
        return unsupported(r, "it is nested too deeply");
    sq_buf_init(&all, to->ctx);
    sq_buf_init(&flat, to->ctx);
    sq_buf_init(&others, to->ctx);
    ok = set_operands(r, &all, &flat, &others, &simple);
    r->out = out;
    r->depth--;
    if (ok) {
        r->at++;                             /* ] */
        if (not && simple)
            sq_buf_printf(to, r->f.i && r->f.u ? "(?i:[^%.*s])" : "[^%.*s]", SQ_FMT(sq_buf_view(&flat)));
        else if (not)
            sq_buf_printf(to, "(?:(?!%.*s)(?s:.))", SQ_FMT(sq_buf_view(&all)));
        else
            sq_buf_str(to, sq_buf_view(&all));
    }
    if (all.rc || flat.rc || others.rc)
        to->rc = to->rc ? to->rc : SQ_NOMEM;
    sq_buf_free(&all);
    sq_buf_free(&flat);
    sq_buf_free(&others);
    return ok;
}

/* ---- escapes outside of sets ---- */

static bool back_reference(struct reader *r, char e)
{
    uint32_t n = (uint32_t)(e - '0');

    while (r->at < r->in.n && is_digit(r->in.p[r->at]) && n * 10 + (uint32_t)(r->in.p[r->at] - '0') <= r->groups)
        n = n * 10 + (uint32_t)(r->in.p[r->at++] - '0');
    if (r->f.i)
        return unsupported(r, "a back reference under (?i)");
    if (n > r->groups || r->open[n / 64] >> (n % 64) & 1)
        return unsupported(r, "a reference to a group that does not end before it");
    sq_buf_printf(r->out, "\\g{%u}", n);
    return true;
}

static bool group_name(struct reader *r, struct sq_str *name)
{
    const char *from = r->in.p + r->at, *end = memchr(from, '>', r->in.n - r->at);

    if (!end || end == from || !is_letter((unsigned char)*from))
        return wrong(r, "a group's name begins with a letter and ends with '>'");
    *name = (struct sq_str){from, (uint32_t)(end - from)};
    for (uint32_t i = 0; i < name->n; i++)
        if (!is_letter((unsigned char)from[i]) && !is_digit(from[i]))
            return wrong(r, "a group's name has letters and digits only");
    r->at += name->n + 1;
    return name->n <= 32 || unsupported(r, "a group's name of more than 32 letters");
}

static bool named_reference(struct reader *r)
{
    struct sq_str name;

    if (!took(r, '<'))
        return wrong(r, "\\k without <name>");
    if (r->f.i)
        return unsupported(r, "a back reference under (?i)");
    if (!group_name(r, &name))
        return false;
    sq_buf_printf(r->out, "\\k<%.*s>", SQ_FMT(name));
    return true;
}

/* Each character of \Q…\E; a quantifier behind it is for the last one. */
static bool quoted(struct reader *r)
{
    while (r->at < r->in.n && !stands(r, "\\E"))
        put_literal(r, next_point(r));
    r->at += r->at < r->in.n ? 2 : 0;
    return true;
}

/* \Q…\E with nothing in it is no part that could be repeated. */
static bool escape(struct reader *r)
{
    uint32_t from = (uint32_t)r->out->n, c;
    bool is_set;
    char e;

    if (r->at >= r->in.n)
        return wrong(r, "a backslash at the end");
    e = r->in.p[r->at++];
    if (e >= '1' && e <= '9')
        return back_reference(r, e);
    if (e == 'Q')
        return quoted(r);
    if (e == 'k')
        return named_reference(r);
    if (e == 'X' || e == 'N')
        return unsupported(r, "\\X and \\N are not supported");
    if (e && strchr("bBAGzZR", e)) {
        sq_buf_printf(r->out, "\\%c", e);
        return true;
    }
    sq_buf_putc(r->out, '[');
    if (!set_escape(r, e, &is_set))
        return false;
    if (is_set) {
        sq_buf_putc(r->out, ']');
        return true;
    }
    r->out->n = from;
    if (char_escape(r, e, &c)) {
        put_literal(r, c);
        return true;
    }
    return r->verdict != SQ_REGEX_FINE ? false : wrong(r, "there is no such escape");
}

/* ---- groups and repetition ---- */

static bool alternatives(struct reader *r);

/* (?i), (?i-s), (?i:…): sets the flags; *only: it was no group. */
static bool flag_group(struct reader *r, bool *only)
{
    bool on = true;

    for (;; r->at++) {
        char c = r->at < r->in.n ? r->in.p[r->at] : 0;

        switch (c) {
        case 'i': r->f.i = on; break;
        case 'u': r->f.u = on; break;
        case 'm': r->f.m = on; break;
        case 's': r->f.s = on; break;
        case 'x': r->f.x = on; break;
        case 'd':
        case 'U': return unsupported(r, "the flags d and U are not supported");
        case '-':
            if (!on)
                return wrong(r, "there is no such group");
            on = false;
            break;
        case ')':
        case ':':
            *only = c == ')';
            r->at++;
            return true;
        default: return wrong(r, "there is no such group");
        }
    }
}

static bool close_group(struct reader *r, struct flags f)
{
    if (!alternatives(r))
        return false;
    r->f = f;
    if (r->at >= r->in.n)
        return wrong(r, "a group is not closed");
    r->at++;
    sq_buf_putc(r->out, ')');
    return true;
}

static bool capture(struct reader *r, struct flags f)
{
    uint32_t n = ++r->groups;

    if (n > GROUPS_MAX)
        return unsupported(r, "it has too many groups");
    r->open[n / 64] |= (uint64_t)1 << n % 64;
    if (!close_group(r, f))
        return false;
    r->open[n / 64] &= ~((uint64_t)1 << n % 64);
    return true;
}

/* Behind '('. *part: something that may be repeated. */
static bool group(struct reader *r, bool *part)
{
    static const char *const kinds[] = {"?:", "?=", "?!", "?>", "?<=", "?<!"};
    struct flags f = r->f;
    struct sq_str name;
    bool only;

    *part = true;
    if (r->at >= r->in.n || r->in.p[r->at] != '?') {
        sq_buf_putc(r->out, '(');
        return capture(r, f);
    }
    for (size_t i = 0; i < SQ_LEN(kinds); i++)
        if (stands(r, kinds[i])) {
            r->at += (uint32_t)strlen(kinds[i]);
            sq_buf_printf(r->out, "(%s", kinds[i]);
            return close_group(r, f);
        }
    if (stands(r, "?<")) {
        r->at += 2;
        if (!group_name(r, &name))
            return false;
        sq_buf_printf(r->out, "(?<%.*s>", SQ_FMT(name));
        return capture(r, f);
    }
    r->at++;
    if (!flag_group(r, &only))
        return false;
    if (only) {
        *part = false;
        return true;
    }
    sq_buf_puts(r->out, "(?:");
    return close_group(r, f);
}

static bool read_count(struct reader *r, uint32_t *n)
{
    uint64_t v = 0;
    uint32_t from = r->at;

    while (r->at < r->in.n && is_digit(r->in.p[r->at]) && v <= REPEAT_MAX)
        v = v * 10 + (uint64_t)(r->in.p[r->at++] - '0');
    if (r->at == from)
        return wrong(r, "a repetition without a number");
    *n = (uint32_t)v;
    return v <= REPEAT_MAX || unsupported(r, "a part is repeated more than 65535 times");
}

/* {n}, {n,}, {n,m} */
static bool counted(struct reader *r)
{
    uint32_t least, most;

    r->at++;
    if (!read_count(r, &least))
        return false;
    sq_buf_printf(r->out, "{%u", least);
    if (r->at < r->in.n && r->in.p[r->at] == ',') {
        r->at++;
        sq_buf_putc(r->out, ',');
        if (r->at < r->in.n && r->in.p[r->at] != '}') {
            if (!read_count(r, &most))
                return false;
            if (most < least)
                return wrong(r, "a repetition that goes backwards");
            sq_buf_printf(r->out, "%u", most);
        }
    }
    if (r->at >= r->in.n || r->in.p[r->at++] != '}')
        return wrong(r, "a repetition is not closed");
    sq_buf_putc(r->out, '}');
    return true;
}

static bool repetition(struct reader *r)
{
    char c = peek(r);

    if (c == '*' || c == '+' || c == '?') {
        sq_buf_putc(r->out, c);
        r->at++;
    } else if (c != '{')
        return true;
    else if (!counted(r))
        return false;
    c = peek(r);
    if (c == '?' || c == '+') {
        sq_buf_putc(r->out, c);
        r->at++;
    }
    return peek(r) != '{' || unsupported(r, "a repetition of a repetition");
}

static bool part(struct reader *r)
{
    bool repeats = true, ok = true;
    uint32_t c = (unsigned char)peek(r);

    switch (c) {
    case '(':
        r->at++;
        if (++r->depth > NESTING_MAX)
            return unsupported(r, "it is nested too deeply");
        ok = group(r, &repeats);
        r->depth--;
        break;
    case '[':
        r->at++;
        ok = set(r, r->out);
        break;
    case '\\':
        r->at++;
        ok = escape(r);
        break;
    case '.':
        r->at++;
        sq_buf_puts(r->out, r->f.s ? "(?s:.)" : "[^\\n\\r\\x{85}\\x{2028}\\x{2029}]");
        break;
    case '^':
    case '$':
        r->at++;
        sq_buf_printf(r->out, r->f.m ? "(?m:%c)" : "%c", (int)c);
        break;
    case '*':
    case '+':
    case '?':
    case '{': return wrong(r, "a repetition of nothing");
    default: put_literal(r, next_point(r)); break;
    }
    return ok && (!repeats || repetition(r));
}

/* Up to ')' or the end. */
static bool alternatives(struct reader *r)
{
    while (!at_end(r)) {
        if (r->out->rc)
            return false;
        if (r->in.p[r->at] == ')')
            return r->depth > 0 || wrong(r, "')' without '('");
        if (took(r, '|'))
            sq_buf_putc(r->out, '|');
        else if (!part(r))
            return false;
    }
    return true;
}

enum sq_regex_verdict sq_regex_from_java(struct sq_buf *out, struct sq_str pattern, const char **why)
{
    struct reader r = {.in = pattern, .out = out};

    alternatives(&r);
    *why = r.why;
    return r.verdict;
}

/* ---- SIMILAR TO ---- */

static const char specials[] = "[]()|^-+*_%?{}", java_specials[] = "[]()|^-+*?{}$\\.";

static const struct { const char *name, *java; } char_classes[] = {
    {"[:ALPHA:]", "\\p{Alpha}"}, {"[:alpha:]", "\\p{Alpha}"}, {"[:UPPER:]", "\\p{Upper}"}, {"[:upper:]", "\\p{Upper}"}, {"[:LOWER:]", "\\p{Lower}"},
    {"[:lower:]", "\\p{Lower}"}, {"[:DIGIT:]", "\\d"}, {"[:digit:]", "\\d"}, {"[:SPACE:]", " "}, {"[:space:]", " "}, {"[:WHITESPACE:]", "\\s"},
    {"[:whitespace:]", "\\s"}, {"[:ALNUM:]", "\\p{Alnum}"}, {"[:alnum:]", "\\p{Alnum}"},
};

static bool one_of(const char *set_of, char c)
{
    return c && strchr(set_of, c);
}

static bool escaped(struct reader *r, struct sq_str escape)
{
    struct sq_str rest;

    r->at += escape.n;
    rest = after(r->in, r->at);
    if (rest.n && one_of(specials, *rest.p)) {
        if (one_of(java_specials, *rest.p))
            sq_buf_putc(r->out, '\\');
        sq_buf_putc(r->out, *rest.p);
        r->at++;
        return true;
    }
    if (rest.n < escape.n || memcmp(rest.p, escape.p, escape.n) != 0)
        return wrong(r, "the escape character stands before no special one");
    sq_buf_str(r->out, escape);
    r->at += escape.n;
    return true;
}

static bool is_escape(const struct reader *r, struct sq_str escape)
{
    return escape.n && r->in.n - r->at >= escape.n && memcmp(r->in.p + r->at, escape.p, escape.n) == 0;
}

/* Behind '[', up to ']'. */
static bool similar_set(struct reader *r, struct sq_str escape)
{
    while (r->at < r->in.n && r->in.p[r->at] != ']') {
        char c = r->in.p[r->at];

        if (is_escape(r, escape)) {
            if (!escaped(r, escape))
                return false;
        } else if (c == '-' || c == '^') {
            sq_buf_putc(r->out, c);
            r->at++;
        } else if (stands(r, "[:")) {
            size_t i = 0;

            while (i < SQ_LEN(char_classes) && !stands(r, char_classes[i].name))
                i++;
            if (i == SQ_LEN(char_classes))
                return wrong(r, "there is no such class of characters");
            sq_buf_puts(r->out, char_classes[i].java);
            r->at += (uint32_t)strlen(char_classes[i].name);
        } else if (one_of(specials, c))
            return wrong(r, "a special character in a set");
        else {
            sq_buf_putc(r->out, c);
            r->at++;
        }
    }
    return r->at < r->in.n || wrong(r, "a set is not closed");
}

static bool similar(struct reader *r, struct sq_str escape)
{
    while (r->at < r->in.n) {
        char c = r->in.p[r->at];

        if (is_escape(r, escape)) {
            if (!escaped(r, escape))
                return false;
            continue;
        }
        r->at++;
        if (c == '_')
            sq_buf_putc(r->out, '.');
        else if (c == '%')
            sq_buf_puts(r->out, "(?s:.*)");
        else if (c == '[') {
            sq_buf_putc(r->out, '[');
            if (!similar_set(r, escape))
                return false;
            sq_buf_putc(r->out, ']');
            r->at++;
        } else if (c == ']')
            return wrong(r, "']' without '['");
        else if (c == '\\' || c == '$')
            sq_buf_printf(r->out, "\\%c", c);
        else
            sq_buf_putc(r->out, c);
    }
    return true;
}

enum sq_regex_verdict sq_regex_from_similar(struct sq_buf *out, struct sq_str pattern, struct sq_str escape, const char **why)
{
    struct reader r = {.in = pattern, .out = out};

    similar(&r, escape);
    *why = r.why;
    return r.verdict;
}
