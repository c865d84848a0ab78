/* SPDX-License-Identifier: Apache-2.0
 *
 * restart.c: whether a job that the outside has failed goes on by itself, and after how long a pause.
 *
 * Only a job with checkpoints does, only after SQ_EXTERNAL (a broker or a database), and only when trying again can help (sq_lasting): what is wrong with a
 * record, a statement or this machine is as wrong the next time. It is closed, and opened again from the same plan; so it goes on from its
 * newest checkpoint, as a new process would. What cannot be opened the first time is an error at once.
 *
 * FLINK: strategies, their keys and defaults are Flink's (without checkpoints: none; with: exponential-delay). It restarts after any failure of a task.
 */
#include "api/api.h"
#include "base/text.h"

#include <stdio.h>

static double factor(const struct sq_settings *set, const char *key)
{
    double d = 1;

    return sq_parse_double(sq_str_trim(sq_setting(set, key)), false, &d) ? d : 1;
}

void sq_restart_freeze(const struct sq_settings *set, struct sq_restart *r)
{
    struct sq_str type = sq_setting(set, "restart-strategy.type");

    *r = (struct sq_restart){.kind = SQ_RESTART_NONE};
    if (sq_str_is(type, "fixed-delay")) {
        r->kind = SQ_RESTART_FIXED;
        r->most = sq_setting_int(set, "restart-strategy.fixed-delay.attempts");
        r->delay_ms = sq_setting_ms(set, "restart-strategy.fixed-delay.delay");
    } else if (sq_str_is(type, "failure-rate")) {
        r->kind = SQ_RESTART_RATE;
        r->most = sq_setting_int(set, "restart-strategy.failure-rate.max-failures-per-interval");
        r->delay_ms = sq_setting_ms(set, "restart-strategy.failure-rate.delay");
        r->interval_ms = sq_setting_ms(set, "restart-strategy.failure-rate.failure-rate-interval");
    } else if (sq_str_is(type, "exponential-delay")) {
        r->kind = SQ_RESTART_EXPONENTIAL;
        r->most = sq_setting_given(set, "restart-strategy.exponential-delay.attempts-before-reset-backoff")
                      ? sq_setting_int(set, "restart-strategy.exponential-delay.attempts-before-reset-backoff") : INT64_MAX;
        r->delay_ms = sq_setting_ms(set, "restart-strategy.exponential-delay.initial-backoff");
        r->most_ms = sq_setting_ms(set, "restart-strategy.exponential-delay.max-backoff");
        r->interval_ms = sq_setting_ms(set, "restart-strategy.exponential-delay.reset-backoff-threshold");
        r->multiplier = factor(set, "restart-strategy.exponential-delay.backoff-multiplier");
        r->jitter = factor(set, "restart-strategy.exponential-delay.jitter-factor");
    }
}

/* At most `most` failures within the interval: the one that was so many failures ago is older. */
static bool rate_allows(struct sq_restart *r, int64_t now_ms)
{
    int64_t n = r->most < SQ_RESTART_RATE_MOST ? r->most : SQ_RESTART_RATE_MOST;
    int64_t *slot = &r->failed_ms[r->failures % (uint64_t)n];
    bool allowed = r->failures < (uint64_t)n || now_ms - *slot > r->interval_ms;

    *slot = now_ms;
    return allowed;
}

/* random: 0 .. 1. */
static int64_t growing_pause(struct sq_restart *r, int64_t now_ms, double random)
{
    double ms;

    if (r->attempts > 0 && now_ms - r->last_ms >= r->interval_ms + r->pause_ms)
        r->attempts = 0;
    r->pause_ms = r->attempts == 0 ? r->delay_ms : (int64_t)((double)r->pause_ms * r->multiplier + 0.5);
    if (r->pause_ms > r->most_ms)
        r->pause_ms = r->most_ms;
    ms = (double)r->pause_ms * (1 + r->jitter * (2 * random - 1));
    return ms > (double)r->most_ms ? r->most_ms : (int64_t)ms;
}

bool sq_restart_next(struct sq_restart *r, int64_t now_ms, double random, int64_t *pause_ms)
{
    bool go = false;

    *pause_ms = r->delay_ms;
    switch (r->kind) {
    case SQ_RESTART_NONE: break;
    case SQ_RESTART_FIXED: go = r->attempts < r->most; break;
    case SQ_RESTART_RATE: go = rate_allows(r, now_ms); break;
    case SQ_RESTART_EXPONENTIAL:
        *pause_ms = growing_pause(r, now_ms, random);
        go = r->attempts < r->most;
        break;
    }
    r->failures++;
    r->last_ms = now_ms;
    r->attempts += go;
    return go;
}

bool sq_restart_after(struct sq_ctx *ctx, struct sq_restart *r, const struct sq_job_plan *plan, int64_t *pause_ms)
{
    const struct sq_os *os = ctx->os;
    uint32_t random = 0;
    char hint[SQ_HINT_MAX + 4];

    if (ctx->err.rc != SQ_EXTERNAL || ctx->err.lasting || plan->config.epochs.dir.n == 0)
        return false;
    os->random(os->arg, &random, sizeof random);
    if (!sq_restart_next(r, os->mono_ns(os->arg) / 1000000, (double)random / UINT32_MAX, pause_ms)) {
        if (r->kind != SQ_RESTART_NONE && r->failures > 1)
            sq_wrap(ctx, "failed for good after %llu restart%s", (unsigned long long)r->failures - 1, r->failures == 2 ? "" : "s");
        return false;
    }
    snprintf(hint, sizeof hint, "%s%s%s", ctx->err.hint[0] ? " (" : "", ctx->err.hint, ctx->err.hint[0] ? ")" : "");
    sq_notice(ctx, "failed: %s%s; it goes on from its newest checkpoint in %.1f s (restart %llu)", ctx->err.msg, hint, (double)*pause_ms / 1000,
              (unsigned long long)r->failures);
    memset(&ctx->err, 0, sizeof ctx->err);
    return true;
}
