/* SPDX-License-Identifier: Apache-2.0
 *
 * explain.c: plans as text: one line a node, inputs indented below it.
 *
 *   Sink sensor_result (jdbc) upsert by (id), emit=net
 *     Aggregate by (id): COUNT(*), SUM(value) [upsert by (id)]  state: one row for each (id), kept for good; …
 *       Join INNER on id = id, where timestamp >= tstart [insert]  state: …
 *
 * In brackets: what the node puts out, where that is not inserts only (always with CHANGELOG_MODE). State: what is remembered, and what bounds it.
 */
#include "planner/bind.h"

static const char *ttl_hint = "'table.exec.state.ttl' would bound it";

static void columns(struct sq_buf *b, const struct sq_field *f, const uint32_t *which, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        sq_buf_puts(b, i ? ", " : "");
        sq_buf_str(b, f[which ? which[i] : i].name);
    }
}

static void condition(struct sq_buf *b, const struct sq_expr *e, const struct sq_plan *p)
{
    sq_expr_print(b, e, p->cols, p->ncols);
}

/* ---- what a node does ---- */

static void describe_scan(struct sq_buf *b, const struct sq_plan *p)
{
    const struct sq_table_spec *t = p->u.scan.table;
    sq_buf_printf(b, "Scan %.*s (%s", SQ_FMT(t->name), p->u.scan.connector->name);
    for (uint32_t i = 0; i < t->noptions; i++)
        if (sq_str_is(t->options[i].key, "path") || sq_str_is(t->options[i].key, "topic") || sq_str_is(t->options[i].key, "table-name"))
            sq_buf_printf(b, ": %.*s", SQ_FMT(t->options[i].value));
    sq_buf_puts(b, ") columns ");
    for (uint32_t i = 0; i < p->ncols; i++) {
        sq_buf_puts(b, i ? ", " : "");
        sq_buf_str(b, t->cols[p->u.scan.cols[i]].name);
    }
    for (uint32_t i = 0; i < p->u.scan.nafter; i++)
        sq_buf_printf(b, "%s%.*s", i ? ", " : ", after ", SQ_FMT(p->u.scan.after[i]->u.scan.table->name));
    if (p->u.scan.nafter)
        sq_buf_puts(b, p->u.scan.continues ? " (holds no watermark back until then)" : " (holds the watermark back until then)");
}

static void describe_project(struct sq_buf *b, const struct sq_plan *p)
{
    const struct sq_plan *in = p->inputs[0];
    sq_buf_puts(b, "Project ");
    for (uint32_t i = 0; i < p->ncols; i++) {
        const struct sq_expr *e = p->u.project.exprs[i];
        size_t from;
        sq_buf_puts(b, i ? ", " : "");
        from = b->n;
        condition(b, e, in);
        struct sq_str text = b->p ? (struct sq_str){b->p + from, (uint32_t)(b->n - from)} : (struct sq_str){"", 0};
        if (!sq_str_eq(text, p->cols[i].name))
            sq_buf_printf(b, " AS %.*s", SQ_FMT(p->cols[i].name));
    }
}

static void aggregates(struct sq_buf *b, const struct sq_plan *in, const struct sq_agg_item *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct sq_agg_item *it = &items[i];
        sq_buf_printf(b, "%s%s(%s", i ? ", " : ": ", it->agg->name, it->distinct ? "DISTINCT " : "");
        if (it->arg >= 0)
            sq_buf_str(b, in->cols[it->arg].name);
        else
            sq_buf_putc(b, '*');
        if (it->opt) {
            sq_buf_puts(b, ", ");
            sq_expr_print(b, it->opt, in->cols, in->ncols);
        }
        sq_buf_putc(b, ')');
        if (it->filter >= 0)
            sq_buf_printf(b, " FILTER (WHERE %.*s)", SQ_FMT(in->cols[it->filter].name));
    }
}

static void describe_aggregate(struct sq_buf *b, const struct sq_plan *p)
{
    const struct sq_plan *in = p->inputs[0];
    if (!p->u.agg.nitems && !p->u.agg.global)
        sq_buf_puts(b, "Distinct");
    else
        sq_buf_puts(b, "Aggregate");
    if (p->u.agg.ngroup) {
        sq_buf_puts(b, " by (");
        columns(b, in->cols, p->u.agg.group, p->u.agg.ngroup);
        sq_buf_putc(b, ')');
    }
    aggregates(b, p->inputs[0], p->u.agg.items, p->u.agg.nitems);
}

static void duration(struct sq_buf *b, int64_t us)
{
    static const struct { int64_t us; const char *unit; } units[] = {{INT64_C(86400000000), "d"}, {INT64_C(3600000000), "h"}, {60000000, "min"}, {1000000, "s"}, {1000, "ms"}, {1, "us"}};
    size_t i = 0;
    while (i + 1 < SQ_LEN(units) && us % units[i].us != 0)
        i++;
    sq_buf_printf(b, "%lld %s", (long long)(us / units[i].us), units[i].unit);
}

static void describe_window(struct sq_buf *b, const struct sq_window_spec *w, const struct sq_plan *in, uint32_t time)
{
    sq_buf_printf(b, "%s(", sq_window_kind_name(w->kind));
    if (in)
        sq_buf_printf(b, "%.*s, ", SQ_FMT(in->cols[time].name));
    duration(b, w->size);
    if (w->kind == SQ_WINDOW_HOP || w->kind == SQ_WINDOW_CUMULATE) {
        sq_buf_puts(b, " by ");
        duration(b, w->step);
    }
    if (w->offset) {
        sq_buf_puts(b, " offset ");
        duration(b, w->offset);
    }
    sq_buf_putc(b, ')');
}

static void describe_window_aggregate(struct sq_buf *b, const struct sq_plan *p)
{
    sq_buf_puts(b, "WindowAggregate ");
    describe_window(b, p->u.agg.window, p->u.agg.attached ? NULL : p->inputs[0], p->u.agg.time);
    if (p->u.agg.attached)
        sq_buf_puts(b, " of the rows");
    if (p->u.agg.ngroup) {
        sq_buf_puts(b, " by (");
        columns(b, p->inputs[0]->cols, p->u.agg.group, p->u.agg.ngroup);
        sq_buf_putc(b, ')');
    }
    aggregates(b, p->inputs[0], p->u.agg.items, p->u.agg.nitems);
}

static void partition(struct sq_buf *b, const struct sq_plan *in, const uint32_t *cols, uint32_t n, const struct sq_sort_key *keys, uint32_t nkeys)
{
    if (n) {
        sq_buf_puts(b, " by (");
        columns(b, in->cols, cols, n);
        sq_buf_putc(b, ')');
    }
    sq_buf_puts(b, " order");
    for (uint32_t i = 0; i < nkeys; i++)
        sq_buf_printf(b, "%s %.*s%s", i ? "," : "", SQ_FMT(in->cols[keys[i].col].name), keys[i].desc ? " DESC" : "");
}

static void describe_rank(struct sq_buf *b, const struct sq_plan *p)
{
    sq_buf_puts(b, p->u.rank.windowed ? "WindowRank " : "Rank ");
    if (p->u.rank.from > 1)
        sq_buf_printf(b, "%lld to ", (long long)p->u.rank.from);
    sq_buf_printf(b, "%lld", (long long)p->u.rank.to);
    partition(b, p->inputs[0], p->u.rank.partition, p->u.rank.npartition, p->u.rank.keys, p->u.rank.nkeys);
}

static void describe_over(struct sq_buf *b, const struct sq_plan *p)
{
    sq_buf_puts(b, "Over");
    partition(b, p->inputs[0], p->u.over.partition, p->u.over.npartition, p->u.over.keys, p->u.over.nkeys);
    sq_buf_puts(b, p->u.over.rows ? " rows " : " range ");
    if (p->u.over.preceding == INT64_MAX)
        sq_buf_puts(b, "unbounded");
    else if (p->u.over.rows)
        sq_buf_printf(b, "%lld", (long long)p->u.over.preceding);
    else
        duration(b, p->u.over.preceding);
    aggregates(b, p->inputs[0], p->u.over.items, p->u.over.nitems);
}

/* Over the columns of both sides: SEMI and ANTI joins put out those of the left one. */
static void residual(struct sq_buf *b, const struct sq_plan *p)
{
    const struct sq_plan *l = p->inputs[0], *r = p->inputs[1];
    struct sq_field *cols = sq_alloc(b->ctx, (l->ncols + r->ncols + 1) * sizeof *cols);
    struct sq_plan both = *p;
    if (!cols) {
        b->rc = SQ_NOMEM;
        return;
    }
    for (uint32_t i = 0; i < l->ncols + r->ncols; i++)
        cols[i] = i < l->ncols ? l->cols[i] : r->cols[i - l->ncols];
    both.cols = cols;
    both.ncols = l->ncols + r->ncols;
    condition(b, p->u.join.residual, &both);
    sq_free(b->ctx, cols);
}

/* A distance of times, with its sign. */
static void distance(struct sq_buf *b, int64_t us)
{
    if (us == 0)
        return;
    sq_buf_puts(b, us < 0 ? " - " : " + ");
    duration(b, us < 0 ? -us : us);
}

static void interval(struct sq_buf *b, const struct sq_plan *p)
{
    struct sq_str right = p->inputs[1]->cols[p->u.join.right_time].name;
    sq_buf_printf(b, "%s%.*s between %.*s", p->u.join.nkeys ? ", " : " on ", SQ_FMT(p->inputs[0]->cols[p->u.join.left_time].name), SQ_FMT(right));
    distance(b, p->u.join.low);
    sq_buf_printf(b, " and %.*s", SQ_FMT(right));
    distance(b, p->u.join.high);
}

static void describe_join(struct sq_buf *b, const struct sq_plan *p)
{
    static const char *const kinds[] = {"INNER", "LEFT", "RIGHT", "FULL", "CROSS", "SEMI", "ANTI"};
    static const char *const hows[] = {[SQ_JOIN_REGULAR] = "", [SQ_JOIN_OF_WINDOWS] = "Window", [SQ_JOIN_INTERVAL] = "Interval", [SQ_JOIN_TEMPORAL] = "Temporal"};
    sq_buf_printf(b, "%sJoin %s", hows[p->u.join.how], p->u.join.kind == SQ_JOIN_INNER && !p->u.join.nkeys && !p->u.join.residual ? "CROSS" : kinds[p->u.join.kind]);
    for (uint32_t i = 0; i < p->u.join.nkeys; i++) {
        sq_buf_puts(b, i ? " AND " : " on ");
        sq_buf_str(b, p->inputs[0]->cols[p->u.join.keys[i].left].name);
        sq_buf_puts(b, p->u.join.null_safe && p->u.join.null_safe[i] ? " IS NOT DISTINCT FROM " : " = ");
        sq_buf_str(b, p->inputs[1]->cols[p->u.join.keys[i].right].name);
    }
    if (p->u.join.how == SQ_JOIN_INTERVAL)
        interval(b, p);
    if (p->u.join.how == SQ_JOIN_TEMPORAL)
        sq_buf_printf(b, ", as of %.*s, versions from %.*s on", SQ_FMT(p->inputs[0]->cols[p->u.join.left_time].name), SQ_FMT(p->inputs[1]->cols[p->u.join.right_time].name));
    if (p->u.join.residual) {
        sq_buf_puts(b, p->u.join.nkeys ? ", where " : " where ");
        residual(b, p);
    }
}

static void describe_sort(struct sq_buf *b, const struct sq_plan *p)
{
    if (p->kind == SQ_N_LIMIT)
        sq_buf_puts(b, "Limit");
    else
        sq_buf_puts(b, p->u.sort.nkeys ? "Sort by" : "Materialize");
    for (uint32_t i = 0; i < p->u.sort.nkeys; i++) {
        const struct sq_sort_key *k = &p->u.sort.keys[i];
        sq_buf_printf(b, "%s %.*s%s%s", i ? "," : "", SQ_FMT(p->cols[k->col].name), k->desc ? " DESC" : "", k->nulls_first == !k->desc ? "" : k->nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
    if (p->u.sort.limit >= 0 && p->kind == SQ_N_LIMIT)
        sq_buf_printf(b, " %lld", (long long)p->u.sort.limit);
    else if (p->u.sort.limit >= 0)
        sq_buf_printf(b, " limit %lld", (long long)p->u.sort.limit);
    if (p->u.sort.offset > 0)
        sq_buf_printf(b, " offset %lld", (long long)p->u.sort.offset);
}

static void describe_values(struct sq_buf *b, const struct sq_plan *p)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < p->u.values.nbatches; i++)
        rows += p->u.values.rows[i].rows;
    sq_buf_printf(b, "Values %llu row%s", (unsigned long long)rows, rows == 1 ? "" : "s");
    if (p->ncols) {
        sq_buf_puts(b, ", columns ");
        columns(b, p->cols, NULL, p->ncols);
    }
}

static void describe_expand(struct sq_buf *b, const struct sq_plan *p)
{
    sq_buf_puts(b, "Expand to sets ");
    for (uint32_t k = 0; k < p->u.expand.nsets; k++) {
        bool some = false;
        sq_buf_puts(b, k ? ", (" : "(");
        for (uint32_t i = 0; i < p->u.expand.ngroup; i++)
            if (p->u.expand.sets[k] >> i & 1) {
                sq_buf_puts(b, some ? ", " : "");
                sq_buf_str(b, p->cols[i].name);
                some = true;
            }
        sq_buf_putc(b, ')');
    }
}

static void describe_unnest(struct sq_buf *b, const struct sq_plan *p)
{
    sq_buf_printf(b, "Unnest %s%.*s AS ", p->u.unnest.left ? "LEFT " : "", SQ_FMT(p->inputs[0]->cols[p->u.unnest.col].name));
    columns(b, p->cols + p->u.unnest.npass, NULL, p->ncols - p->u.unnest.npass);
}

sq_rc sq_plan_describe(struct sq_buf *b, const struct sq_plan *p)
{
    switch (p->kind) {
    case SQ_N_SCAN:
        describe_scan(b, p);
        break;
    case SQ_N_VALUES:
        describe_values(b, p);
        break;
    case SQ_N_WATERMARK:
        sq_buf_printf(b, "Watermark %.*s AS ", SQ_FMT(p->cols[p->u.watermark.col].name));
        condition(b, p->u.watermark.expr, p);
        break;
    case SQ_N_FILTER:
        sq_buf_puts(b, "Filter ");
        condition(b, p->u.filter.pred, p->inputs[0]);
        break;
    case SQ_N_PROJECT:
        describe_project(b, p);
        break;
    case SQ_N_AGGREGATE:
        describe_aggregate(b, p);
        break;
    case SQ_N_JOIN:
        describe_join(b, p);
        break;
    case SQ_N_WINDOW:
        sq_buf_puts(b, "Window ");
        describe_window(b, p->u.window.spec, p->inputs[0], p->u.window.time);
        break;
    case SQ_N_WINDOW_AGGREGATE:
        describe_window_aggregate(b, p);
        break;
    case SQ_N_RANK:
        describe_rank(b, p);
        break;
    case SQ_N_OVER:
        describe_over(b, p);
        break;
    case SQ_N_UNION:
        sq_buf_puts(b, "Union");
        break;
    case SQ_N_SORT:
    case SQ_N_LIMIT:
        describe_sort(b, p);
        break;
    case SQ_N_EXCHANGE:
        sq_buf_puts(b, p->single ? "Exchange to one worker" : "Exchange by hash of (");
        columns(b, p->cols, p->u.exchange.cols, p->u.exchange.ncols);
        sq_buf_puts(b, p->single ? "" : ")");
        break;
    case SQ_N_SINK:
        sq_buf_printf(b, "Sink %.*s (%s)", SQ_FMT(p->u.sink.table->name), p->u.sink.connector->name);
        break;
    case SQ_N_COLLECT:
        sq_buf_puts(b, "Collect");
        break;
    case SQ_N_EXPAND:
        describe_expand(b, p);
        break;
    case SQ_N_REPLICATE:
        sq_buf_puts(b, "Replicate");
        break;
    case SQ_N_UNNEST:
        describe_unnest(b, p);
        break;
    case SQ_N_SIDE:
        sq_buf_printf(b, p->u.side.late ? "Late rows of %.*s" : "Bad records of %.*s", SQ_FMT(p->u.side.name));
        break;
    case SQ_N_NORMALIZE:
        sq_buf_puts(b, "ChangelogNormalize(key=[");
        columns(b, p->cols, p->u.normalize.key.cols, p->u.normalize.key.n);
        sq_buf_puts(b, "])");
        break;
    }
    return b->rc;
}

/* ---- what it puts out ---- */

static void key(struct sq_buf *b, const struct sq_plan *p, const struct sq_key *k)
{
    if (!k->n)                                                   /* there is one row */
        return;
    sq_buf_puts(b, " by (");
    columns(b, p->cols, k->cols, k->n);
    sq_buf_putc(b, ')');
}

static void mode(struct sq_buf *b, const struct sq_plan *p, bool always)
{
    if (p->mode == SQ_MODE_UPSERT) {
        sq_buf_puts(b, " [upsert");
        key(b, p, &p->upsert_key);
        sq_buf_putc(b, ']');
    } else if (p->mode == SQ_MODE_RETRACT) {
        sq_buf_puts(b, " [retract]");
    } else if (always) {
        sq_buf_puts(b, " [insert]");
    }
}

static void sink(struct sq_buf *b, const struct sq_plan *p)
{
    if (p->kind == SQ_N_COLLECT) {
        sq_buf_printf(b, " %s, emit=%s", p->mode == SQ_MODE_INSERT ? "inserts" : p->u.collect.changelog ? "changes" : "rows", p->net ? "net" : "each");
        return;
    }
    sq_buf_puts(b, p->u.sink.overwrite ? " overwrite" : "");
    if (p->u.sink.mode == SQ_MODE_UPSERT) {
        sq_buf_puts(b, " upsert");
        key(b, p, &p->u.sink.key);
        sq_buf_puts(b, p->u.sink.key_derived ? " (the key of the query)" : "");
    } else {
        sq_buf_puts(b, p->u.sink.mode == SQ_MODE_INSERT ? " insert" : " retract");
    }
    sq_buf_printf(b, ", emit=%s", p->net ? "net" : "each");
}

/* ---- what it remembers ---- */

static void dropped(struct sq_buf *b, const struct sq_plan *p, const struct sq_job_config *c, uint32_t input)
{
    static const struct { int64_t ms; const char *name; } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    int64_t ms = sq_state_ttl_ms(p, c, input);
    uint32_t u = 0;
    while (ms % units[u].ms)
        u++;
    sq_buf_printf(b, "dropped when not written for %lld %s (%s)", (long long)(ms / units[u].ms), units[u].name, p->ttl_hint[input] ? "STATE_TTL" : "'table.exec.state.ttl'");
}

static void bound(struct sq_buf *b, const struct sq_plan *p, const struct sq_job_config *c, const char *grows)
{
    if (sq_state_ttl_ms(p, c, 0) > 0) {
        sq_buf_puts(b, ", ");
        dropped(b, p, c, 0);
    } else if (p->bounded)
        sq_buf_puts(b, ", until the end of input");
    else
        sq_buf_printf(b, ", %s; %s", grows, ttl_hint);
}

/* Aggregates that remember values, not only what they come to. */
static bool kept_values(struct sq_buf *b, const struct sq_plan *p)
{
    const struct sq_plan *in = p->inputs[0];
    bool values = false;
    for (uint32_t i = 0; i < p->u.agg.nitems; i++) {
        const struct sq_agg_item *it = &p->u.agg.items[i];
        bool extreme = strcmp(it->agg->name, "MIN") == 0 || strcmp(it->agg->name, "MAX") == 0;
        if (it->distinct || (extreme && in->mode == SQ_MODE_RETRACT)) {
            sq_buf_printf(b, "%s%.*s", values ? ", " : " and every different value of ", SQ_FMT(in->cols[it->arg].name));
            values = true;
        }
    }
    return values;
}

static void window_aggregate_state(struct sq_buf *b, const struct sq_plan *p)
{
    static const char *const of[] = {[SQ_WINDOW_TUMBLE] = "open window", [SQ_WINDOW_HOP] = "slice of open windows", [SQ_WINDOW_CUMULATE] = "open window", [SQ_WINDOW_SESSION] = "open session"};
    const struct sq_window_spec *w = p->u.agg.window;
    sq_buf_puts(b, p->u.agg.ngroup ? "  state: one row for each (" : "  state: one row for each ");
    columns(b, p->inputs[0]->cols, p->u.agg.group, p->u.agg.ngroup);
    sq_buf_printf(b, "%s%s", p->u.agg.ngroup ? ") and " : "", p->u.agg.attached ? "open window" : of[w->kind]);
    kept_values(b, p);
    sq_buf_printf(b, ", until the %s is at its end", w->time == SQ_TIME_PROC ? "clock" : "watermark");
}

/* Of a join whose sides are kept for unequal times. */
static void bound_sides(struct sq_buf *b, const struct sq_plan *p, const struct sq_job_config *c)
{
    for (uint32_t i = 0; i < 2; i++) {
        sq_buf_puts(b, i ? ", the right ones " : ", the left ones ");
        if (sq_state_ttl_ms(p, c, i) > 0)
            dropped(b, p, c, i);
        else
            sq_buf_puts(b, p->bounded ? "until the end of input" : "kept for good");
    }
}

static void aggregate_state(struct sq_buf *b, const struct sq_plan *p, const struct sq_job_config *c)
{
    const struct sq_plan *in = p->inputs[0];
    bool values = false;
    if (p->u.agg.global) {
        sq_buf_puts(b, "  state: one row");
    } else {
        sq_buf_puts(b, "  state: one row for each (");
        columns(b, in->cols, p->u.agg.group, p->u.agg.ngroup);
        sq_buf_putc(b, ')');
    }
    values = kept_values(b, p);
    if (!p->u.agg.global || values || sq_state_ttl_ms(p, c, 0) > 0)
        bound(b, p, c, "kept for good");
}

/* What the watermark waits for: said where it does not wait for everything. */
static void waiting(struct sq_buf *b, const struct sq_plan *p)
{
    const struct sq_plan *in = p->inputs[0];

    while (in->ninputs == 1)
        in = in->inputs[0];
    if (in->kind == SQ_N_SCAN && in->u.scan.idle_ms > 0)
        sq_buf_printf(b, "  a part that gives nothing for %lld ms does not hold it back", (long long)in->u.scan.idle_ms);
}

static void state(struct sq_buf *b, const struct sq_plan *p, const struct sq_job_config *c)
{
    switch (p->kind) {
    case SQ_N_WATERMARK:
        waiting(b, p);
        return;
    case SQ_N_AGGREGATE:
        aggregate_state(b, p, c);
        return;
    case SQ_N_RANK:
        if (p->u.rank.windowed)
            sq_buf_puts(b, "  state: the rows of open windows, until the watermark is at their end");
        else if (p->inputs[0]->mode == SQ_MODE_INSERT)
            sq_buf_printf(b, "  state: %lld row%s for each partition", (long long)p->u.rank.to, p->u.rank.to == 1 ? "" : "s");
        else
            sq_buf_puts(b, "  state: all rows, as each may move up");
        if (!p->u.rank.windowed)
            bound(b, p, c, "kept for good");
        return;
    case SQ_N_OVER:
        sq_buf_puts(b, "  state: the rows that wait for the watermark, and ");
        sq_buf_puts(b, p->u.over.preceding == INT64_MAX ? "one row for each partition" : "those that later rows' windows hold");
        sq_buf_puts(b, p->bounded ? ", until the end of input" : ", kept for good");
        return;
    case SQ_N_WINDOW_AGGREGATE:
        window_aggregate_state(b, p);
        return;
    case SQ_N_WINDOW:
        if (p->u.window.spec->kind == SQ_WINDOW_SESSION)
            sq_buf_puts(b, "  state: the rows of open sessions, until the watermark is at their end");
        return;
    case SQ_N_JOIN:
        if (p->u.join.how == SQ_JOIN_TEMPORAL) {
            sq_buf_puts(b, "  state: the left rows that wait for the watermark; of each key the last version, and those ahead of the watermark");
            return;
        }
        sq_buf_puts(b, "  state: the rows of both sides");
        if (p->u.join.how == SQ_JOIN_OF_WINDOWS) {
            sq_buf_puts(b, " in open windows, until the watermark is at their end");
            return;
        }
        if (p->u.join.how == SQ_JOIN_INTERVAL) {
            sq_buf_printf(b, ", until %s", sq_plan_time(p->inputs[0], p->u.join.left_time) == SQ_TIME_PROC ? "no partner can come by the clock" : "the watermark says that no partner can come");
            return;
        }
        if (sq_state_ttl_ms(p, c, 0) == sq_state_ttl_ms(p, c, 1))
            bound(b, p, c, "kept for good");
        else
            bound_sides(b, p, c);
        return;
    case SQ_N_NORMALIZE:
        sq_buf_puts(b, "  state: the last row of each (");
        columns(b, p->cols, p->u.normalize.key.cols, p->u.normalize.key.n);
        sq_buf_putc(b, ')');
        bound(b, p, c, "kept until it is deleted");
        return;
    case SQ_N_SORT:
        sq_buf_puts(b, "  state: all rows, until the end of input");
        return;
    default:
        return;
    }
}

static void explain(struct sq_buf *b, const struct sq_plan *p, const struct sq_job_config *c, uint32_t depth, bool modes, uint32_t *next)
{
    bool again = p->id < *next;                                  /* nodes are numbered in this order: a scan that was printed before */
    *next += !again;
    for (uint32_t i = 0; i < depth; i++)
        sq_buf_puts(b, "  ");
    sq_plan_describe(b, p);
    if (p->kind == SQ_N_SINK || p->kind == SQ_N_COLLECT)
        sink(b, p);
    else
        mode(b, p, modes);
    sq_buf_puts(b, again ? " (the same as above)" : "");
    state(b, p, c);
    sq_buf_putc(b, '\n');
    for (uint32_t i = 0; i < p->ninputs && !again && !sq_side_apart(p); i++)
        explain(b, p->inputs[i], c, depth + 1, modes, next);
}

sq_rc sq_explain(struct sq_buf *b, const struct sq_job_plan *j, bool changelog_mode)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < j->nroots; i++)
        explain(b, j->roots[i], &j->config, 0, changelog_mode, &next);
    return b->rc;
}
