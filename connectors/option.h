/* SPDX-License-Identifier: Apache-2.0
 *
 * option.h: options as rows of a table. Validation, defaults, "did you mean", redaction, SHOW OPTIONS and the reference pages come
 * from the same rows.
 */
#ifndef SQ_CONNECTORS_OPTION_H
#define SQ_CONNECTORS_OPTION_H

#include "base/str.h"

enum sq_option_type {
    SQ_OPT_STRING,      /* struct sq_str; p NULL: not given and without default */
    SQ_OPT_BOOL,        /* bool */
    SQ_OPT_INT,         /* int64_t */
    SQ_OPT_DURATION,    /* int64_t milliseconds: '10 s', '5min', '1h', '500' (ms), as Flink's TimeUtils */
    SQ_OPT_MEMORY,      /* int64_t bytes: '128MB', '1 gb' */
    SQ_OPT_ENUM,        /* int: index into choices, matched ignoring case */
    SQ_OPT_MAP          /* struct sq_option_map; the key ends in '*' or contains '#': everything that matches the pattern, as given */
};
enum { SQ_OPT_REQUIRED = 1, SQ_OPT_SECRET = 2, SQ_OPT_UNSUPPORTED = 4 /* known to Flink, refused here with `help` saying why */ };

struct sq_option_map { const struct sq_kv *kv; uint32_t n; };    /* keys cut to what '*' or '#' stands for; values expanded */

struct sq_option {
    const char *key;        /* "scan.startup.mode"; "properties.*"; "fields.#.min" */
    const char *aliases;    /* old spellings, '|' between; NULL: none. Their use is noted once */
    int type;
    const char *fallback;   /* default as text; NULL: none (BOOL false, numbers INT64_MIN: not given) */
    size_t offset;          /* of the value in the options struct */
    const char *choices;    /* ENUM: "group-offsets|earliest-offset|…" */
    unsigned flags;
    const char *help;
};

/* One table's worth of rows with the struct they fill. Several sets (connector's, format's) may share a WITH clause. */
struct sq_option_set {
    const struct sq_option *rows;
    uint32_t n;
    const char *prefix;     /* "json." is part of the rows' keys already; this one is for 'key.' / 'value.' formats: "" mostly */
    void *into;
};

/* Fills every set from kv. A key that no set knows, a value that cannot be, a required key that is missing is SQ_SEMANTIC at its place, with the
 * nearest right one. `what` names the owner in errors ("connector 'filesystem'"); `where` is where a missing key is reported. Values may
 * hold ${env:NAME} and ${file:PATH}, replaced here. Strings live in the arena. Keys in `skip` (0-terminated list: "connector", "format") are not looked at. */
sq_rc sq_options_parse(struct sq_ctx *, struct sq_arena *, const char *what, struct sq_span where, const struct sq_kv *kv, uint32_t n,
                       const char *const *skip, const struct sq_option_set *sets, uint32_t nsets);
/* True when the value must not be shown: a row flagged SECRET, or a key that looks like one (password, secret, token, jaas). */
bool sq_option_secret(const struct sq_option *rows, uint32_t n, struct sq_str key);
/* What matches a row's key or alias pattern: true, and what '*' or '#' stands for in *rest (p NULL for plain keys). */
bool sq_option_match(const char *pattern, struct sq_str key, struct sq_str *rest);
/* The WITH entry of that key, or NULL; for errors that point at it. */
const struct sq_kv *sq_option_given(const struct sq_kv *, uint32_t n, const char *key);
bool sq_parse_duration(struct sq_str, int64_t *ms);
bool sq_parse_memory(struct sq_str, int64_t *bytes);

#endif
