/* SPDX-License-Identifier: Apache-2.0
 *
 * settings.c: SET and RESET. Every key that means something is a row of a table: type, default, a line of help, and what the key is to
 * this engine:
 *
 *   EFFECT   it does what it says
 *   LATER    it would change results and has no effect here yet: any value but the default is refused
 *   TUNING   Flink's, of no use here (or not yet) and harmless: accepted with a notice
 *
 * A key that is in no row is kept and shown, with a notice; when it is a letter or two away from a known one, the notice asks. Values are checked
 * by type; what is kept is the text, in the spelling of the choices.
 *
 * FLINK: the keys, their old spellings and defaults are Flink's. It takes any key silently.
 */
#include "base/os.h"
#include "base/text.h"
#include "connectors/option.h"
#include "planner/catalog.h"

enum role { EFFECT, LATER, TUNING };

struct row {
    const char *key, *aliases;     /* old spellings, '|' between */
    int type;                      /* enum sq_option_type */
    const char *fallback;
    const char *choices;           /* ENUM */
    enum role role;
    const char *help;
};

enum { KEY_MAX = 128 };

static const struct row rows[] = {
    /* how a job runs */
    {"execution.runtime-mode", NULL, SQ_OPT_ENUM, "streaming", "streaming|batch", EFFECT, "streaming: changes as they come; batch: final rows only, at the end of bounded input"},
    {"execution.trigger", NULL, SQ_OPT_STRING, "continuous", "continuous|available-now", EFFECT, "how a stream is cut into epochs: 'continuous', 'available-now' (what is there now, then stop) or an interval such as '10 s'"},
    {"execution.trigger.max-rows", NULL, SQ_OPT_INT, "0", NULL, EFFECT, "most rows that an epoch takes from each source; 0: no limit"},
    {"execution.parallelism", "parallelism.default|table.exec.resource.default-parallelism", SQ_OPT_INT, "1", NULL, EFFECT, "workers of a job"},
    {"execution.attached", NULL, SQ_OPT_BOOL, "true", NULL, TUNING, "whether the client waits for its jobs"},
    {"pipeline.name", "execution.job-name", SQ_OPT_STRING, NULL, NULL, EFFECT, "name of the jobs that are started from now on"},
    {"table.dml-sync", NULL, SQ_OPT_BOOL, "false", NULL, EFFECT, "an INSERT ends before the next statement begins"},
    {"table.local-time-zone", "table.exec.local-time-zone", SQ_OPT_STRING, "default", NULL, EFFECT, "the session's time zone: 'Europe/Berlin', 'GMT+02:00', 'UTC'"},
    /* state and checkpoints */
    {"table.exec.state.ttl", NULL, SQ_OPT_DURATION, "0 ms", NULL, EFFECT, "how long joins, aggregates, DISTINCT, upserts and Top-N keep what is not written again, by the clock; 0: for good"},
    {"execution.checkpointing.interval", NULL, SQ_OPT_DURATION, "0 ms", NULL, EFFECT, "how often state, positions and results are committed together; 0: no checkpoints"},
    {"execution.checkpointing.dir", "state.checkpoints.dir|execution.checkpointing.directory|state.checkpoint-storage.dir|state.backend.fs.checkpointdir", SQ_OPT_STRING, NULL, NULL, EFFECT, "where checkpoints are kept, a directory of its own for each job; not given: ./sqluice-checkpoints"},
    {"execution.checkpointing.mode", NULL, SQ_OPT_ENUM, "EXACTLY_ONCE", "EXACTLY_ONCE|AT_LEAST_ONCE", EFFECT, "what a restart promises of the sinks"},
    {"execution.checkpointing.timeout", NULL, SQ_OPT_DURATION, "10 min", NULL, EFFECT, "a checkpoint that takes longer fails the job"},
    {"execution.checkpointing.min-pause", NULL, SQ_OPT_DURATION, "0 ms", NULL, EFFECT, "least time between the end of a checkpoint and the begin of the next"},
    {"execution.checkpointing.num-retained", "state.checkpoints.num-retained", SQ_OPT_INT, "1", NULL, EFFECT, "finished checkpoints that are kept; while one is being made, the one before is always kept"},
    {"execution.checkpointing.externalized-checkpoint-retention", NULL, SQ_OPT_ENUM, "RETAIN_ON_CANCELLATION", "NO_EXTERNALIZED_CHECKPOINTS|RETAIN_ON_CANCELLATION|DELETE_ON_CANCELLATION", EFFECT, "what becomes of checkpoints when a job is stopped: here they are kept, its next run goes on from them"},
    {"execution.checkpointing.ignore-sink-epochs", NULL, SQ_OPT_BOOL, "false", NULL, EFFECT, "go on from a checkpoint though a sink is at another epoch: rows may be lost or doubled"},
    {"execution.checkpointing.max-concurrent-checkpoints", NULL, SQ_OPT_INT, "1", NULL, TUNING, "checkpoints under way at one time; here one"},
    {"execution.checkpointing.tolerable-failed-checkpoints", NULL, SQ_OPT_INT, "0", NULL, TUNING, "failed checkpoints that a job survives; here none"},
    {"execution.checkpointing.unaligned", "execution.checkpointing.unaligned.enabled", SQ_OPT_BOOL, "false", NULL, TUNING, "barriers overtake rows"},
    {"execution.checkpointing.aligned-checkpoint-timeout", "execution.checkpointing.alignment-timeout", SQ_OPT_DURATION, "0 ms", NULL, TUNING, "when barriers begin to overtake rows"},
    {"execution.checkpointing.interval-during-backlog", NULL, SQ_OPT_DURATION, NULL, NULL, TUNING, "another interval while old rows are read"},
    {"execution.checkpointing.incremental", "state.backend.incremental", SQ_OPT_BOOL, "false", NULL, TUNING, "write only what has changed; here a checkpoint is whole"},
    {"execution.checkpointing.storage", "state.checkpoint-storage", SQ_OPT_STRING, NULL, NULL, TUNING, "kind of storage; here files"},
    {"execution.checkpointing.checkpoints-after-tasks-finish", "execution.checkpointing.checkpoints-after-tasks-finish.enabled", SQ_OPT_BOOL, "true", NULL, TUNING, "checkpoints go on when parts of a job have ended"},
    {"execution.checkpointing.savepoint-dir", "state.savepoints.dir|savepoints.state.backend.fs.dir", SQ_OPT_STRING, NULL, NULL, EFFECT, "where savepoints go that are given no path; not given: the job's checkpoints"},
    {"execution.savepoint.path", "execution.state-recovery.path", SQ_OPT_STRING, NULL, NULL, EFFECT, "a savepoint, a checkpoint or a job's directory to start from"},
    {"execution.savepoint.ignore-unclaimed-state", "execution.state-recovery.ignore-unclaimed-state", SQ_OPT_BOOL, "false", NULL, EFFECT, "start from a checkpoint though some of its state fits nowhere in the job: that is dropped"},
    {"execution.state-recovery.claim-mode", "execution.savepoint-restore-mode|execution.savepoint.restore-mode", SQ_OPT_ENUM, "NO_CLAIM", "NO_CLAIM|CLAIM|LEGACY", TUNING, "who owns a savepoint; here it stays its maker's and is never deleted"},
    {"state.backend", "state.backend.type", SQ_OPT_STRING, "hashmap", NULL, TUNING, "where state is kept"},
    /* restarts */
    {"restart-strategy.type", "restart-strategy", SQ_OPT_ENUM, "exponential-delay", "exponential-delay|fixed-delay|failure-rate|none", EFFECT, "when a job with checkpoints goes on by itself after a broker or database failed it"},
    {"restart-strategy.exponential-delay.initial-backoff", NULL, SQ_OPT_DURATION, "1 s", NULL, EFFECT, "pause before the first restart"},
    {"restart-strategy.exponential-delay.max-backoff", NULL, SQ_OPT_DURATION, "1 min", NULL, EFFECT, "longest pause"},
    {"restart-strategy.exponential-delay.backoff-multiplier", NULL, SQ_OPT_STRING, "1.5", NULL, EFFECT, "each pause is so many times the one before"},
    {"restart-strategy.exponential-delay.jitter-factor", NULL, SQ_OPT_STRING, "0.1", NULL, EFFECT, "each pause is longer or shorter by up to this part of it, at random"},
    {"restart-strategy.exponential-delay.reset-backoff-threshold", NULL, SQ_OPT_DURATION, "1 h", NULL, EFFECT, "after so long without a failure the pauses begin anew"},
    {"restart-strategy.exponential-delay.attempts-before-reset-backoff", NULL, SQ_OPT_INT, NULL, NULL, EFFECT, "restarts before the job fails for good; not given: no limit"},
    {"restart-strategy.fixed-delay.attempts", NULL, SQ_OPT_INT, "1", NULL, EFFECT, "restarts before the job fails for good"},
    {"restart-strategy.fixed-delay.delay", NULL, SQ_OPT_DURATION, "1 s", NULL, EFFECT, "pause before each of them"},
    {"restart-strategy.failure-rate.max-failures-per-interval", NULL, SQ_OPT_INT, "1", NULL, EFFECT, "failures within the interval that are followed by a restart"},
    {"restart-strategy.failure-rate.failure-rate-interval", NULL, SQ_OPT_DURATION, "1 min", NULL, EFFECT, "the interval"},
    {"restart-strategy.failure-rate.delay", NULL, SQ_OPT_DURATION, "1 s", NULL, EFFECT, "pause before each restart"},
    /* mini-batches */
    {"table.exec.mini-batch.enabled", NULL, SQ_OPT_BOOL, "false", NULL, EFFECT, "send only the net change of each key and batch; not given: as the sink allows"},
    {"table.exec.mini-batch.allow-latency", NULL, SQ_OPT_DURATION, "0 ms", NULL, TUNING, "how long rows may be held back; here a batch goes on after a few milliseconds"},
    {"table.exec.mini-batch.size", NULL, SQ_OPT_INT, "-1", NULL, TUNING, "most rows of a mini-batch; here 2,048"},
    /* time */
    {"table.exec.source.idle-timeout", NULL, SQ_OPT_DURATION, "0 ms", NULL, EFFECT, "a partition of a source that gives nothing for so long no longer holds the watermark back"},
    {"pipeline.auto-watermark-interval", NULL, SQ_OPT_DURATION, "200 ms", NULL, TUNING, "how often watermarks are emitted; here with every batch"},
    {"table.exec.emit.early-fire.enabled", NULL, SQ_OPT_BOOL, "false", NULL, LATER, "windows show results before they close"},
    {"table.exec.emit.early-fire.delay", NULL, SQ_OPT_DURATION, NULL, NULL, LATER, "how often they do"},
    {"table.exec.emit.late-fire.enabled", NULL, SQ_OPT_BOOL, "false", NULL, LATER, "late rows update windows that have closed"},
    {"table.exec.emit.late-fire.delay", NULL, SQ_OPT_DURATION, NULL, NULL, LATER, "how often they do"},
    {"table.exec.emit.allow-lateness", NULL, SQ_OPT_DURATION, NULL, NULL, LATER, "how long windows are kept for late rows"},
    /* sinks */
    {"table.exec.sink.not-null-enforcer", NULL, SQ_OPT_ENUM, "ERROR", "ERROR|DROP", EFFECT, "a NULL for a NOT NULL column of a sink: fail, or drop the row and count it"},
    {"table.exec.sink.type-length-enforcer", NULL, SQ_OPT_ENUM, "IGNORE", "IGNORE|TRIM_PAD|ERROR", LATER, "texts longer than a sink column's type"},
    {"table.exec.sink.upsert-materialize", NULL, SQ_OPT_ENUM, "AUTO", "NONE|AUTO|FORCE", TUNING, "put changes of one key in order before a sink; here they are in order"},
    {"table.exec.sink.keyed-shuffle", NULL, SQ_OPT_ENUM, "AUTO", "NONE|AUTO|FORCE", TUNING, "rows of one key go to one writer"},
    {"table.exec.sink.require-on-conflict", NULL, SQ_OPT_BOOL, "true", NULL, TUNING, "ask for ON CONFLICT where keys differ"},
    {"table.exec.sink.rowtime-inserter", NULL, SQ_OPT_ENUM, "ENABLED", "ENABLED|DISABLED", TUNING, "rows carry their event time to the sink"},
    {"table.exec.legacy-cast-behaviour", NULL, SQ_OPT_ENUM, "DISABLED", "ENABLED|DISABLED", LATER, "casts that fail give NULL"},
    {"table.exec.simplify-operator-name-enabled", NULL, SQ_OPT_BOOL, "true", NULL, TUNING, "short operator names"},
    {"table.column-expansion-strategy", NULL, SQ_OPT_STRING, "", NULL, LATER, "which columns * leaves out"},
    /* plans: results do not depend on these */
    {"table.optimizer.agg-phase-strategy", NULL, SQ_OPT_ENUM, "AUTO", "AUTO|TWO_PHASE|ONE_PHASE", TUNING, "aggregates in one or two phases"},
    {"table.optimizer.distinct-agg.split.enabled", NULL, SQ_OPT_BOOL, "false", NULL, TUNING, "DISTINCT aggregates in two levels"},
    {"table.optimizer.distinct-agg.split.bucket-num", NULL, SQ_OPT_INT, "1024", NULL, TUNING, "buckets of the first level"},
    {"table.optimizer.join-reorder-enabled", NULL, SQ_OPT_BOOL, "false", NULL, TUNING, "reorder joins"},
    {"table.optimizer.multiple-input-enabled", NULL, SQ_OPT_BOOL, "true", NULL, TUNING, "one task for several inputs"},
    {"table.optimizer.reuse-source-enabled", NULL, SQ_OPT_BOOL, "true", NULL, TUNING, "scans of one table are shared"},
    {"table.optimizer.reuse-sub-plan-enabled", NULL, SQ_OPT_BOOL, "true", NULL, TUNING, "equal parts of a plan are shared"},
    {"table.optimizer.source.predicate-pushdown-enabled", NULL, SQ_OPT_BOOL, "true", NULL, TUNING, "predicates are given to the source"},
    {"table.optimizer.nonDeterministicUpdate.strategy", "table.optimizer.non-deterministic-update.strategy", SQ_OPT_ENUM, "IGNORE", "TRY_RESOLVE|IGNORE", TUNING, "what to do about changes that cannot be matched"},
    {"table.exec.async-lookup.buffer-capacity", NULL, SQ_OPT_INT, "100", NULL, TUNING, "lookups under way at one time"},
    {"table.exec.async-lookup.timeout", NULL, SQ_OPT_DURATION, "3 min", NULL, TUNING, "a lookup that takes longer fails"},
    {"table.exec.async-lookup.output-mode", NULL, SQ_OPT_ENUM, "ORDERED", "ORDERED|ALLOW_UNORDERED", TUNING, "order of what lookups give"},
    {"table.exec.resource.default-parallelism.auto", NULL, SQ_OPT_BOOL, "false", NULL, TUNING, "parallelism by size"},
    {"table.exec.disabled-operators", NULL, SQ_OPT_STRING, NULL, NULL, TUNING, "operators that may not be used"},
    {"table.exec.window-agg.buffer-size-limit", NULL, SQ_OPT_INT, "100000", NULL, TUNING, "rows kept per window"},
    {"table.plan.force-recompile", NULL, SQ_OPT_BOOL, "false", NULL, TUNING, "ignore a stored plan"},
    {"table.generated-code.max-length", NULL, SQ_OPT_INT, "4000", NULL, TUNING, "size of generated code"},
    {"table.planner", NULL, SQ_OPT_STRING, "BLINK", NULL, TUNING, "which planner; there is one"},
    {"pipeline.max-parallelism", NULL, SQ_OPT_INT, "-1", NULL, TUNING, "key groups; here 128"},
    {"pipeline.object-reuse", NULL, SQ_OPT_BOOL, "false", NULL, TUNING, "rows are not copied between operators"},
    {"pipeline.operator-chaining", "pipeline.operator-chaining.enabled", SQ_OPT_BOOL, "true", NULL, TUNING, "operators share a thread"},
    {"taskmanager.numberOfTaskSlots", NULL, SQ_OPT_INT, "1", NULL, TUNING, "slots of a cluster's worker"},
    {"taskmanager.memory.process.size", NULL, SQ_OPT_MEMORY, NULL, NULL, TUNING, "memory of a cluster's worker"},
    {"jobmanager.memory.process.size", NULL, SQ_OPT_MEMORY, NULL, NULL, TUNING, "memory of a cluster's head"},
    {"execution.target", NULL, SQ_OPT_STRING, NULL, NULL, TUNING, "where a client sends its jobs"},
    /* the command */
    {"sql-client.execution.result-mode", "execution.result-mode", SQ_OPT_ENUM, "TABLE", "TABLE|CHANGELOG|TABLEAU", EFFECT, "how a SELECT shows its result"},
    {"sql-client.execution.max-table-result.rows", "execution.max-table-result-rows", SQ_OPT_INT, NULL, NULL, EFFECT, "most rows that a query gives in result mode 'table'; not given: all of them"},
    {"sql-client.verbose", NULL, SQ_OPT_BOOL, "false", NULL, TUNING, "errors with all their causes"},
    {"sql-client.display.max-column-width", "sql-client.display.max_column_width|table.display.max-column-width", SQ_OPT_INT, "30", NULL, TUNING, "widest column that a table shows; here as wide as the terminal"},
    {"sql-client.display.print-time-cost", NULL, SQ_OPT_BOOL, "true", NULL, TUNING, "show how long a statement took"},
};

struct setting {
    struct sq_str key, value;         /* owned; key in today's spelling */
    struct setting *next;             /* sorted by key */
};

struct sq_settings {
    struct sq_ctx *ctx;
    struct setting *list;
    uint64_t version;
};

/* ---- the table ---- */

static bool in_list(const char *list, struct sq_str word)
{
    while (list && *list) {
        const char *bar = strchr(list, '|');
        struct sq_str one = {list, (uint32_t)(bar ? (size_t)(bar - list) : strlen(list))};

        if (sq_str_eq(one, word))
            return true;
        list = bar ? bar + 1 : NULL;
    }
    return false;
}

static const struct row *find_row(struct sq_str key)
{
    for (size_t i = 0; i < SQ_LEN(rows); i++)
        if (sq_str_is(key, rows[i].key) || in_list(rows[i].aliases, key))
            return &rows[i];
    return NULL;
}

/* Edits (insert, delete, replace) between two keys, or `most` + 1 when there are more. */
static uint32_t edits(struct sq_str a, struct sq_str b, uint32_t most)
{
    uint32_t line[KEY_MAX + 1];

    if (a.n > KEY_MAX || b.n > KEY_MAX || (a.n > b.n ? a.n - b.n : b.n - a.n) > most)
        return most + 1;
    for (uint32_t j = 0; j <= b.n; j++)
        line[j] = j;
    for (uint32_t i = 1; i <= a.n; i++) {
        uint32_t corner = line[0];

        line[0] = i;
        for (uint32_t j = 1; j <= b.n; j++) {
            uint32_t best = corner + ((a.p[i - 1] | 32) != (b.p[j - 1] | 32));
            corner = line[j];
            if (line[j] + 1 < best)
                best = line[j] + 1;
            if (line[j - 1] + 1 < best)
                best = line[j - 1] + 1;
            line[j] = best;
        }
    }
    return line[b.n] > most ? most + 1 : line[b.n];
}

static const struct row *near_miss(struct sq_str key)
{
    const struct row *best = NULL;
    uint32_t least = 4;               /* long keys with long common parts: three edits at most */

    for (size_t i = 0; i < SQ_LEN(rows); i++) {
        uint32_t d = edits(key, sq_str_of(rows[i].key), least - 1);
        if (d < least) {
            least = d;
            best = &rows[i];
        }
    }
    return best;
}

/* ---- values ---- */

static bool parse_bool(struct sq_str v, bool *b)
{
    *b = sq_str_iis(v, "true");
    return *b || sq_str_iis(v, "false");
}

static bool parse_whole(struct sq_str v, int64_t *out)
{
    int64_t n = 0;
    uint32_t i = v.n && v.p[0] == '-';

    if (i == v.n || v.n > 18)
        return false;
    for (uint32_t k = i; k < v.n; k++) {
        if (v.p[k] < '0' || v.p[k] > '9')
            return false;
        n = n * 10 + (v.p[k] - '0');
    }
    *out = i ? -n : n;
    return true;
}

static sq_rc wrong(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, const char *expected)
{
    return sq_fail_at(ctx, SQ_SEMANTIC, kv->value_span, "'%.*s' is not a value of '%s': expected %s", SQ_FMT(kv->value), r->key, expected);
}

/* The choice that a text means; p NULL: none. */
static struct sq_str choice(const char *choices, struct sq_str v)
{
    for (const char *p = choices; *p;) {
        const char *bar = strchr(p, '|');
        struct sq_str one = {p, (uint32_t)(bar ? (size_t)(bar - p) : strlen(p))};

        if (sq_str_ieq(one, v))
            return one;
        if (!bar)
            break;
        p = bar + 1;
    }
    return (struct sq_str){0};
}

/* FLINK: strategies have more than one spelling. */
static struct sq_str strategy(const struct row *r, struct sq_str v)
{
    static const char *const other[][2] = {{"off", "none"}, {"disable", "none"}, {"fixeddelay", "fixed-delay"}, {"failurerate", "failure-rate"},
                                           {"exponentialdelay", "exponential-delay"}};

    for (size_t i = 0; i < SQ_LEN(other) && strcmp(r->key, "restart-strategy.type") == 0; i++)
        if (sq_str_iis(v, other[i][0]))
            return sq_str_of(other[i][1]);
    return v;
}

static sq_rc wrong_choice(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv)
{
    struct sq_str word[16], near;
    size_t n = 0;
    char list[256];
    size_t len = 0;

    for (const char *p = r->choices; n < SQ_LEN(word);) {
        const char *bar = strchr(p, '|');
        word[n] = (struct sq_str){p, (uint32_t)(bar ? (size_t)(bar - p) : strlen(p))};
        if (len + word[n].n + 8 < sizeof list) {
            const char *sep = n == 0 ? "" : bar ? ", " : " or ";
            memcpy(list + len, sep, strlen(sep));
            len += strlen(sep);
            memcpy(list + len, word[n].p, word[n].n);
            len += word[n].n;
        }
        n++;
        if (!bar)
            break;
        p = bar + 1;
    }
    list[len] = 0;
    wrong(ctx, r, kv, list);
    near = sq_nearest(kv->value, word, n);
    return near.n ? sq_hint(ctx, "did you mean '%.*s'?", SQ_FMT(near)) : ctx->err.rc;
}

/* Checks the value by the row's type; *v becomes the spelling that is kept. */
static sq_rc check_value(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str *v)
{
    int64_t n;
    bool b;

    *v = sq_str_trim(kv->value);
    switch (r->type) {
    case SQ_OPT_BOOL:
        return parse_bool(*v, &b) ? SQ_OK : wrong(ctx, r, kv, "true or false");
    case SQ_OPT_INT:
        return parse_whole(*v, &n) ? SQ_OK : wrong(ctx, r, kv, "a whole number");
    case SQ_OPT_DURATION:
        return sq_parse_duration(*v, &n) ? SQ_OK : wrong(ctx, r, kv, "a duration such as '10 s', '5 min' or '1 h'");
    case SQ_OPT_MEMORY:
        return sq_parse_memory(*v, &n) ? SQ_OK : wrong(ctx, r, kv, "a size such as '128 mb' or '1 gb'");
    case SQ_OPT_ENUM:
        *v = choice(r->choices, strategy(r, *v));
        return v->p ? SQ_OK : wrong_choice(ctx, r, kv);
    default:
        *v = kv->value;
        return SQ_OK;
    }
}

/* Whether a value is the row's default, however it is written. */
static bool is_default(const struct row *r, struct sq_str v)
{
    int64_t a, b;

    if (!r->fallback)
        return (r->type == SQ_OPT_DURATION && sq_parse_duration(v, &a) && a == 0) || (r->type == SQ_OPT_STRING && v.n == 0);
    if (r->type == SQ_OPT_DURATION)
        return sq_parse_duration(v, &a) && sq_parse_duration(sq_str_of(r->fallback), &b) && a == b;
    return sq_str_iis(v, r->fallback);
}

static sq_rc check_zone(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    struct sq_arena tmp;
    const struct sq_tz *tz;
    sq_rc rc;

    (void)r;
    (void)v;
    if (sq_str_iis(kv->value, "default"))
        return SQ_OK;
    sq_arena_init(&tmp, ctx);
    rc = sq_tz_find(ctx, &tmp, kv->value, &tz);
    sq_arena_free(&tmp);
    if (rc != SQ_OK && ctx->err.span.len == 0)
        ctx->err.span = kv->value_span;
    return rc;
}

static sq_rc check_workers(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    int64_t n = 0;

    parse_whole(v, &n);
    if (n == 0 || n < -1)
        return wrong(ctx, r, kv, "a whole number from 1 on");
    if (n > sq_os_workers())
        sq_notice(ctx, "'%s' = '%lld': jobs run with %lld workers, as this machine has no more cores", r->key, (long long)n, (long long)sq_os_workers());
    return SQ_OK;
}

/* ---- epochs ---- */

bool sq_trigger_parse(struct sq_str v, enum sq_trigger *t, int64_t *ms)
{
    *ms = 0;
    *t = sq_str_iis(v, "continuous") ? SQ_TRIGGER_CONTINUOUS : sq_str_iis(v, "available-now") ? SQ_TRIGGER_AVAILABLE_NOW : SQ_TRIGGER_INTERVAL;
    return *t != SQ_TRIGGER_INTERVAL || (sq_parse_duration(v, ms) && *ms > 0);
}

static sq_rc check_trigger(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    const struct sq_str words[] = {SQ_STR("continuous"), SQ_STR("available-now"), SQ_STR("availableNow")};
    enum sq_trigger t;
    struct sq_str near;
    int64_t ms;

    if (sq_trigger_parse(v, &t, &ms))
        return SQ_OK;
    wrong(ctx, r, kv, "'continuous', 'available-now' or an interval such as '10 s'");
    if (sq_str_iis(v, "once"))
        return sq_hint(ctx, "'available-now' processes what is there, commits and stops");
    if (sq_parse_duration(v, &ms))
        return sq_hint(ctx, "an interval is longer than zero; for epochs as short as can be leave it 'continuous'");
    near = sq_nearest(v, words, SQ_LEN(words));
    return near.n ? sq_hint(ctx, "did you mean '%s'?", sq_str_is(near, "continuous") ? "continuous" : "available-now") : ctx->err.rc;
}

/* FLINK: less than 10 ms is refused there too, and so is 0; here that is a way to say none. */
static sq_rc check_interval(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    int64_t ms = 0;

    sq_parse_duration(v, &ms);
    return ms == 0 || ms >= 10 ? SQ_OK : wrong(ctx, r, kv, "10 ms or more, or 0 for no checkpoints");
}

static sq_rc check_long(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    int64_t ms = 0;

    sq_parse_duration(v, &ms);
    return ms > 0 ? SQ_OK : wrong(ctx, r, kv, "a time longer than zero");
}

static sq_rc check_from_0(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    int64_t n = 0;

    parse_whole(v, &n);
    return n >= 0 ? SQ_OK : wrong(ctx, r, kv, "a whole number from 0 on");
}

static sq_rc check_from_1(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    int64_t n = 0;

    parse_whole(v, &n);
    return n >= 1 && n <= INT32_MAX ? SQ_OK : wrong(ctx, r, kv, "a whole number from 1 on");
}

static sq_rc check_to_100(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    int64_t n = 0;

    parse_whole(v, &n);
    return n >= 1 && n <= 100 ? SQ_OK : wrong(ctx, r, kv, "a whole number from 1 to 100");
}

static sq_rc check_factor(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    double d, least = strstr(r->key, "multiplier") ? 1 : 0, most = least == 0 ? 1 : 1e6;

    if (sq_parse_double(sq_str_trim(v), false, &d) && d >= least && d <= most)
        return SQ_OK;
    return wrong(ctx, r, kv, least == 0 ? "a number from 0 to 1" : "a number from 1 on");
}

struct sq_str sq_path_local(struct sq_str v)
{
    v = sq_str_trim(v);
    if (v.n < 5 || memcmp(v.p, "file:", 5) != 0)
        return v;
    v = (struct sq_str){v.p + 5, v.n - 5};
    while (v.n > 1 && v.p[0] == '/' && v.p[1] == '/')          /* file:/x, file:///x */
        v = (struct sq_str){v.p + 1, v.n - 1};
    return v;
}

static sq_rc check_path(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    uint32_t i = 0;

    v = sq_path_local(v);
    while (i < v.n && ((v.p[i] | 32) >= 'a' ? (v.p[i] | 32) <= 'z' : (v.p[i] >= '0' && v.p[i] <= '9')))
        i++;
    if (i == 0 || v.n < i + 3 || memcmp(v.p + i, "://", 3) != 0)
        return memchr(v.p, 0, v.n) ? wrong(ctx, r, kv, "a path") : SQ_OK;
    sq_fail_at(ctx, SQ_UNSUPPORTED, kv->value_span, "'%s' is on this machine, not in '%.*s'", r->key, (int)i + 3, v.p);
    return sq_hint(ctx, "give a path, or one that begins with file://");
}

static sq_rc check_retention(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    if (sq_str_is(v, "NO_EXTERNALIZED_CHECKPOINTS"))
        sq_notice(ctx, "'%s': here checkpoints are kept when a job is stopped; to begin anew, remove the job's directory", r->key);
    if (!sq_str_is(v, "DELETE_ON_CANCELLATION"))
        return SQ_OK;
    sq_fail_at(ctx, SQ_UNSUPPORTED, kv->value_span, "'%s' = 'DELETE_ON_CANCELLATION' is not supported", r->key);
    return sq_hint(ctx, "checkpoints are kept when a job is stopped ('RETAIN_ON_CANCELLATION'); to begin anew, remove the job's directory");
}

static sq_rc check_mode(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    (void)kv;
    if (sq_str_is(v, "AT_LEAST_ONCE"))
        sq_notice(ctx, "'%s' = 'AT_LEAST_ONCE' has no effect: state is exactly once here in any case, and so are sinks that can be", r->key);
    return SQ_OK;
}

/* ---- what the engine can do about a value that is well formed ---- */

static const struct {
    const char *key;
    sq_rc (*fn)(struct sq_ctx *, const struct row *, const struct sq_kv *, struct sq_str);
} checks[] = {
    {"execution.parallelism", check_workers},
    {"execution.trigger", check_trigger},
    {"execution.trigger.max-rows", check_from_0},
    {"execution.checkpointing.interval", check_interval},
    {"execution.checkpointing.mode", check_mode},
    {"execution.checkpointing.timeout", check_long},
    {"execution.checkpointing.num-retained", check_from_1},
    {"execution.checkpointing.dir", check_path},
    {"execution.checkpointing.savepoint-dir", check_path},
    {"execution.savepoint.path", check_path},
    {"execution.checkpointing.externalized-checkpoint-retention", check_retention},
    {"restart-strategy.exponential-delay.initial-backoff", check_long},
    {"restart-strategy.exponential-delay.max-backoff", check_long},
    {"restart-strategy.exponential-delay.backoff-multiplier", check_factor},
    {"restart-strategy.exponential-delay.jitter-factor", check_factor},
    {"restart-strategy.exponential-delay.attempts-before-reset-backoff", check_from_1},
    {"restart-strategy.fixed-delay.attempts", check_from_0},
    {"restart-strategy.failure-rate.max-failures-per-interval", check_to_100},
    {"restart-strategy.failure-rate.failure-rate-interval", check_long},
    {"table.local-time-zone", check_zone},
};

static sq_rc check_effect(struct sq_ctx *ctx, const struct row *r, const struct sq_kv *kv, struct sq_str v)
{
    if (r->role == LATER && !is_default(r, v)) {
        sq_fail_at(ctx, SQ_UNSUPPORTED, kv->key_span.len ? kv->key_span : kv->value_span, "'%s' = '%.*s' is not supported yet", r->key, SQ_FMT(v));
        return sq_hint(ctx, "it would change what the job does (%s); leave it out", r->help);
    }
    if (r->role == TUNING)
        sq_notice(ctx, "'%s' has no effect here", r->key);
    for (size_t i = 0; i < SQ_LEN(checks); i++)
        if (strcmp(checks[i].key, r->key) == 0)
            return checks[i].fn(ctx, r, kv, v);
    return SQ_OK;
}

/* ---- the values that were given ---- */

static void free_setting(struct sq_ctx *ctx, struct setting *s)
{
    sq_free(ctx, (void *)(uintptr_t)s->key.p);
    sq_free(ctx, (void *)(uintptr_t)s->value.p);
    sq_free(ctx, s);
}

sq_rc sq_settings_new(struct sq_ctx *ctx, struct sq_settings **s)
{
    *s = sq_calloc(ctx, sizeof **s);
    if (!*s)
        return ctx->err.rc;
    (*s)->ctx = ctx;
    return SQ_OK;
}

static void clear(struct sq_settings *s)
{
    while (s->list) {
        struct setting *x = s->list;
        s->list = x->next;
        free_setting(s->ctx, x);
    }
}

void sq_settings_free(struct sq_settings *s)
{
    if (!s)
        return;
    clear(s);
    sq_free(s->ctx, s);
}

uint64_t sq_settings_version(const struct sq_settings *s)
{
    return s->version;
}

static struct sq_str own(struct sq_ctx *ctx, struct sq_str s)
{
    char *p = sq_alloc(ctx, (size_t)s.n + 1);

    if (!p)
        return (struct sq_str){0};
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return (struct sq_str){p, s.n};
}

static struct setting **slot(struct sq_settings *s, struct sq_str key)
{
    struct setting **at = &s->list;

    while (*at && sq_str_cmp((*at)->key, key) < 0)
        at = &(*at)->next;
    return at;
}

static sq_rc store(struct sq_ctx *ctx, struct sq_settings *s, struct sq_str key, struct sq_str value)
{
    struct setting **at = slot(s, key), *x = sq_calloc(ctx, sizeof *x);

    if (!x)
        return ctx->err.rc;
    x->key = own(ctx, key);
    x->value = own(ctx, value);
    if (!x->key.p || !x->value.p) {
        free_setting(ctx, x);
        return ctx->err.rc;
    }
    x->next = *at;
    if (*at && sq_str_eq((*at)->key, key)) {
        x->next = (*at)->next;
        free_setting(ctx, *at);
    }
    *at = x;
    s->version++;
    return SQ_OK;
}

static void unknown(struct sq_ctx *ctx, struct sq_str key)
{
    const struct row *near = near_miss(key);

    if (near)
        sq_notice(ctx, "warning: no setting '%.*s' is known, it has no effect; did you mean '%s'?", SQ_FMT(key), near->key);
    else
        sq_notice(ctx, "setting '%.*s' is not known here and has no effect", SQ_FMT(key));
}

sq_rc sq_settings_set(struct sq_ctx *ctx, struct sq_settings *s, const struct sq_kv *kv)
{
    const struct row *r = find_row(kv->key);
    struct sq_str v = kv->value;

    if (kv->key.n == 0)
        return sq_fail_at(ctx, SQ_SEMANTIC, kv->key_span, "a setting needs a name");
    if (!r) {
        unknown(ctx, kv->key);
        return store(ctx, s, kv->key, kv->value);
    }
    SQ_TRY(check_value(ctx, r, kv, &v));
    SQ_TRY(check_effect(ctx, r, kv, v));
    return store(ctx, s, sq_str_of(r->key), v);
}

sq_rc sq_settings_reset(struct sq_ctx *ctx, struct sq_settings *s, const struct sq_kv *kv)
{
    const struct row *r;
    struct sq_str key;
    struct setting **at, *x;

    s->version++;
    if (!kv) {
        clear(s);
        return SQ_OK;
    }
    r = find_row(kv->key);
    key = r ? sq_str_of(r->key) : kv->key;
    at = slot(s, key);
    x = *at;
    if (x && sq_str_eq(x->key, key)) {
        *at = x->next;
        free_setting(s->ctx, x);
    } else if (!r) {
        unknown(ctx, key);
    }
    return SQ_OK;
}

/* ---- reading ---- */

static const struct setting *given(const struct sq_settings *s, struct sq_str key)
{
    for (const struct setting *x = s ? s->list : NULL; x; x = x->next)
        if (sq_str_eq(x->key, key))
            return x;
    return NULL;
}

struct sq_str sq_setting(const struct sq_settings *s, const char *key)
{
    const struct row *r = find_row(sq_str_of(key));
    const struct setting *x = given(s, sq_str_of(r ? r->key : key));

    if (x)
        return x->value;
    return r && r->fallback ? sq_str_of(r->fallback) : (struct sq_str){r ? "" : NULL, 0};
}

bool sq_setting_given(const struct sq_settings *s, const char *key)
{
    const struct row *r = find_row(sq_str_of(key));

    return given(s, sq_str_of(r ? r->key : key)) != NULL;
}

bool sq_setting_bool(const struct sq_settings *s, const char *key)
{
    return sq_str_iis(sq_setting(s, key), "true");
}

int64_t sq_setting_int(const struct sq_settings *s, const char *key)
{
    int64_t n = 0;

    parse_whole(sq_setting(s, key), &n);
    return n;
}

int64_t sq_setting_ms(const struct sq_settings *s, const char *key)
{
    int64_t n;

    return sq_parse_duration(sq_setting(s, key), &n) ? n : 0;
}

/* ---- listing ---- */

/* The smallest key behind `after` (n 0: the first) among rows with an effect and given values. */
static struct sq_str next_key(const struct sq_settings *s, struct sq_str after)
{
    struct sq_str best = {0};

    for (size_t i = 0; i < SQ_LEN(rows); i++) {
        struct sq_str k = sq_str_of(rows[i].key);
        if (rows[i].role == EFFECT && sq_str_cmp(k, after) > 0 && (!best.p || sq_str_cmp(k, best) < 0))
            best = k;
    }
    for (const struct setting *x = s->list; x; x = x->next)
        if (sq_str_cmp(x->key, after) > 0 && (!best.p || sq_str_cmp(x->key, best) < 0))
            best = x->key;
    return best;
}

bool sq_settings_at(const struct sq_settings *s, size_t i, struct sq_str *key, struct sq_str *value)
{
    struct sq_str k = {"", 0};

    for (size_t j = 0; j <= i; j++) {
        k = next_key(s, k);
        if (!k.p)
            return false;
    }
    *key = k;
    *value = sq_option_secret(NULL, 0, k) ? SQ_STR("****") : sq_setting(s, k.p);
    return true;
}

struct sq_str sq_setting_known(size_t i)
{
    return i < SQ_LEN(rows) ? sq_str_of(rows[i].key) : (struct sq_str){0};
}

const char *sq_setting_help(size_t i, const char **fallback, const char **choices, bool *effect)
{
    if (i >= SQ_LEN(rows))
        return NULL;
    *fallback = rows[i].fallback;
    *choices = rows[i].choices;
    *effect = rows[i].role == EFFECT;
    return rows[i].help;
}
