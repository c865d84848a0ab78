/* SPDX-License-Identifier: Apache-2.0
 *
 * secret.c: finds what is secret in a text that is about to be shown: the SQL of a statement, a URL, the value of an option.
 *
 * The text is often the one that is wrong (a quote too few, a key with a typing error), so it is not parsed. Every word is looked at by its
 * form, and what stands behind a word that reads like a secret's name is its value:
 *     'a.password' = 'x'     "token": "x"     password = x     'secret' 'x'     ?apikey=x&…     scheme://user:x@host
 * A value in quotes goes up to its closing quote, or to the end of the text; one without goes up to the next blank or sign that ends it.
 * Too much may be hidden (WHERE token = 'x'), too little should not. Time is linear in the text.
 */
#include "base/text.h"

static const char *const words[] = {"password", "passwd", "passphrase", "secret", "token", "jaas", "credential", "apikey", "api-key", "private-key"};

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static bool is_quote(char c) { return c == '\'' || c == '"' || c == '`'; }
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static bool is_word(char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'; }

bool sq_secret_name(struct sq_str key)
{
    for (size_t w = 0; w < SQ_LEN(words); w++) {
        uint32_t n = (uint32_t)strlen(words[w]);

        for (uint32_t i = 0; i + n <= key.n; i++)
            if (lower(key.p[i]) == words[w][0] && sq_str_iis((struct sq_str){key.p + i, n}, words[w]))
                return true;
    }
    return false;
}

/* A secret's name, maybe with a typing error. */
static bool near_secret(struct sq_str key)
{
    struct sq_str all[SQ_LEN(words) + 2];
    uint32_t from = 0;

    if (sq_secret_name(key))
        return true;
    if (key.n > 200)
        return false;
    for (size_t w = 0; w < SQ_LEN(words); w++)
        all[w] = sq_str_of(words[w]);
    for (uint32_t i = 0; i <= key.n; i++) {   /* part by part: properties.ssl.keystore.pasword */
        struct sq_str part = {key.p + from, i - from};

        if (i < key.n && key.p[i] != '.' && key.p[i] != '_' && key.p[i] != '-')
            continue;
        if (sq_str_iis(part, "pass") || sq_str_iis(part, "pwd") || (part.n > 3 && sq_nearest(part, all, SQ_LEN(words)).n))
            return true;
        from = i + 1;
    }
    return false;
}

static uint32_t skip_blanks(struct sq_str t, uint32_t i)
{
    while (i < t.n && is_blank(t.p[i]))
        i++;
    return i;
}

/* Behind the text in quotes that begins at `at`, on the closing quote; a doubled quote is a quote. */
static uint32_t quoted_end(struct sq_str t, uint32_t at)
{
    for (uint32_t i = at; i < t.n; i++)
        if (t.p[i] == t.p[at - 1]) {
            if (i + 1 == t.n || t.p[i + 1] != t.p[i])
                return i;
            i++;
        }
    return t.n;
}

static bool may_have_value(struct sq_str t, uint32_t i)
{
    if (i < t.n && (is_quote(t.p[i]) || t.p[i] == '\\'))
        return true;
    i = skip_blanks(t, i);
    return i < t.n && (t.p[i] == '=' || t.p[i] == ':');
}

/* What separates a word that ends at `i` from its value: how, and where the value begins. */
struct gap { bool sign, quote, comma; uint32_t at; };

static struct gap gap_behind(struct sq_str t, uint32_t i)
{
    struct gap g = {false, false, false, i};

    if (g.at < t.n && (is_quote(t.p[g.at]) || t.p[g.at] == '\\')) {
        g.at += t.p[g.at] == '\\' && g.at + 1 < t.n && is_quote(t.p[g.at + 1]) ? 2 : 1;
        g.quote = true;
    }
    for (g.at = skip_blanks(t, g.at); g.at < t.n; g.at = skip_blanks(t, g.at + 1)) {
        char c = t.p[g.at];

        if (c == '=' || c == ':')
            g.sign = true;
        else if (c == ',' && !g.comma && !g.sign)
            g.comma = true;
        else if (!(c == '>' && g.sign) && !(c == '\\' && g.at + 1 < t.n && is_quote(t.p[g.at + 1])))
            break;
    }
    return g;
}

/* May the word that begins at `from` name a value that has no quotes? It does in a list, in a URL and behind SET. */
static bool names_bare_value(struct sq_str t, uint32_t from)
{
    uint32_t i = from;

    while (i > 0 && is_blank(t.p[i - 1]))
        i--;
    return i == 0 || strchr("(,?&;'\"`{", t.p[i - 1]) || (i >= 3 && sq_str_iis((struct sq_str){t.p + i - 3, 3}, "SET"));
}

/* l.token = r.token joins two tables. */
static bool same_column(struct sq_str key, struct sq_str value)
{
    uint32_t n = 0;

    while (n < key.n && n < value.n && key.p[key.n - 1 - n] == value.p[value.n - 1 - n] && key.p[key.n - 1 - n] != '.')
        n++;
    return n > 0 && n < value.n && value.p[value.n - 1 - n] == '.' && (n == key.n || key.p[key.n - 1 - n] == '.');
}

/* The value of the word [from, to): [*a, *b). */
static bool value_of(struct sq_str t, uint32_t from, uint32_t to, uint32_t *a, uint32_t *b)
{
    struct gap g = gap_behind(t, to);
    bool url = from > 0 && strchr("?&;", t.p[from - 1]);
    uint32_t i;

    if (g.at >= t.n || (!g.sign && !g.quote))
        return false;
    if (is_quote(t.p[g.at]) && !(g.sign && url)) {
        *a = g.at + 1;
        *b = quoted_end(t, *a);
        i = skip_blanks(t, *b < t.n ? *b + 1 : *b);
        if (g.comma && i < t.n && (t.p[i] == '=' || t.p[i] == ':'))   /* the key of the next option */
            return false;
        while (*b + 1 < t.n && is_word(t.p[*b + 1]))                   /* the quote was part of it: 'it's' */
            for (++*b; *b < t.n && !is_quote(t.p[*b]) && t.p[*b] != '\n';)
                ++*b;
        return *b > *a;
    }
    if (!g.sign || g.comma || !names_bare_value(t, from - (from > 0 && is_quote(t.p[from - 1]))))
        return false;
    for (i = g.at; i < t.n && is_word(t.p[i]);)
        i++;
    if (same_column((struct sq_str){t.p + from, to - from}, (struct sq_str){t.p + g.at, i - g.at}))
        return false;
    *a = g.at;
    while (i < t.n && !is_blank(t.p[i]) && !is_quote(t.p[i]) && !strchr(url ? "&;" : ",);", t.p[i]))
        i++;
    *b = i;
    return i > *a;
}

enum { URL = 1024 };   /* how far its '@' is looked for */

/* scheme://user:password@host, where `i` is behind the "://". */
static bool user_info(struct sq_str t, uint32_t i, uint32_t *a, uint32_t *b)
{
    uint32_t slash = UINT32_MAX, colon = UINT32_MAX, at = UINT32_MAX;
    uint32_t end = t.n - i < URL ? t.n : i + URL;
    bool port = true;

    for (; i < end && !is_blank(t.p[i]) && t.p[i] != '\'' && t.p[i] != '"'; i++) {
        if (t.p[i] == ':' && colon == UINT32_MAX)
            colon = i;
        else if (t.p[i] == '@' && (slash == UINT32_MAX || !port))
            at = i;
        else if (slash == UINT32_MAX && strchr("/?#", t.p[i]))
            slash = i;
        else if (slash == UINT32_MAX && colon != UINT32_MAX && (t.p[i] < '0' || t.p[i] > '9'))
            port = false;
    }
    if (colon == UINT32_MAX || at == UINT32_MAX || at < colon)
        return false;
    *a = colon + 1;
    *b = at;
    return *b > *a;
}

bool sq_secret_next(struct sq_str t, uint32_t *at, uint32_t *a, uint32_t *b)
{
    uint32_t i = *at, from;

    while (i < t.n) {
        if (t.p[i] == ':' && i + 2 < t.n && t.p[i + 1] == '/' && t.p[i + 2] == '/') {
            i += 3;
            if (user_info(t, i, a, b)) {
                *at = *b;
                return true;
            }
        } else if (!is_word(t.p[i])) {
            i++;
        } else {
            from = i;
            while (i < t.n && is_word(t.p[i]))
                i++;
            if (may_have_value(t, i) && near_secret((struct sq_str){t.p + from, i - from}) && value_of(t, from, i, a, b)) {
                *at = *b;      /* what is inside is hidden with it */
                return true;
            }
        }
    }
    return false;
}

sq_rc sq_secrets_hide(struct sq_buf *out, struct sq_str t)
{
    uint32_t at = 0, done = 0, a, b;

    while (sq_secret_next(t, &at, &a, &b)) {
        if (b <= done)
            continue;
        a = a > done ? a : done;
        sq_buf_add(out, t.p + done, a - done);
        sq_buf_puts(out, SQ_HIDDEN);
        done = b;
    }
    return sq_buf_add(out, t.p + done, t.n - done);
}

/* How many bytes of the secret stand at msg[i]: all of it, or what the end of the message has left of it. */
static uint32_t match(const char *msg, uint32_t n, uint32_t i, struct sq_str secret)
{
    uint32_t k = 0;

    while (k < secret.n && i + k < n && msg[i + k] == secret.p[k])
        k++;
    if (k == secret.n && k < 4)   /* a short one is an accident, unless it stands alone */
        return i > 0 && is_quote(msg[i - 1]) && i + k < n && is_quote(msg[i + k]) ? k : 0;
    return k == secret.n || (k >= 4 && i + k == n) ? k : 0;
}

void sq_secrets_scrub(char *msg, struct sq_str text)
{
    uint32_t at = 0, a, b, n = (uint32_t)strlen(msg), hidden = (uint32_t)strlen(SQ_HIDDEN);

    while (sq_secret_next(text, &at, &a, &b))
        for (uint32_t i = 0; i < n; i++) {
            uint32_t k = match(msg, n, i, (struct sq_str){text.p + a, b - a}), put = k < hidden ? k : hidden;

            if (k == 0)
                continue;
            memcpy(msg + i, SQ_HIDDEN, put);          /* never longer than what it stands for */
            memmove(msg + i + put, msg + i + k, n - i - k + 1);
            n -= k - put;
            i += put - 1;
        }
}
