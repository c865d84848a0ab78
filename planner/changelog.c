/* SPDX-License-Identifier: Apache-2.0
 *
 * changelog.c: what flows on each edge. Two walks under each root:
 *
 *   upward    whether a node's output is inserts only, its unique keys, whether it ends
 *   downward  what the consumer needs: a sink that keeps the last row of each key takes UPSERT (no row is taken back), where the query has that key
 *             and it survives to the sink; everything else that is updated is sent as RETRACT, because filters, aggregates and joins
 *             must see what a row was before
 *
 * A filter over updated rows asks for RETRACT: an update may leave it, and that is then a retraction alone. The sink operator
 * turns RETRACT into UPSERT for a writer that wants it.
 *
 * A scan that gives upserts (upsert-kafka) gets a node over it, and over its watermark, that makes RETRACT of them, unless a sink of that key takes them as they are. FLINK: does
 * so too since 2.1 (before, the node was always there).
 *
 * Emission: one change of each key and batch (net) where the consumer keeps last rows, every change (each) where it shows them. In batch mode every
 * operator puts out final rows only, which are inserts; the key is inferred as in streaming, so a rerun upserts the same rows.
 *
 * FLINK: where a sink's PRIMARY KEY does not hold the query's key Flink materializes upserts; this is refused here. DISTINCT over inserts is known to put out
 * inserts only.
 */
#include "planner/bind.h"

/* ---- upward ---- */

/* The output takes rows back or updates them (in streaming mode). */
static bool updates(const struct sq_plan *p)
{
    bool input = false;
    for (uint32_t i = 0; i < p->ninputs; i++)
        input |= updates(p->inputs[i]);
    switch (p->kind) {
    case SQ_N_SCAN:
        return p->u.scan.info.mode != SQ_MODE_INSERT;
    case SQ_N_RANK:
        return input || !p->u.rank.windowed;
    case SQ_N_AGGREGATE:
        return input || p->u.agg.nitems > 0 || p->u.agg.global;
    case SQ_N_JOIN:
        if (p->u.join.how == SQ_JOIN_TEMPORAL)
            return updates(p->inputs[0]);
        return input || (p->u.join.kind != SQ_JOIN_INNER && p->u.join.kind != SQ_JOIN_SEMI && p->u.join.how == SQ_JOIN_REGULAR);
    case SQ_N_SORT:
    case SQ_N_WINDOW_AGGREGATE:
    case SQ_N_OVER:
        return false;                                            /* wait for the end, of all or of a window */
    default:
        return input;
    }
}

/* The node that is the reason for the updates of p. */
static const struct sq_plan *culprit(const struct sq_plan *p)
{
    for (;;) {
        if (p->kind == SQ_N_AGGREGATE || p->kind == SQ_N_SCAN || (p->kind == SQ_N_RANK && !p->u.rank.windowed) || (p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_REGULAR && p->u.join.kind != SQ_JOIN_INNER && p->u.join.kind != SQ_JOIN_SEMI))
            return p;
        const struct sq_plan *next = NULL;
        for (uint32_t i = 0; i < p->ninputs && !next; i++)
            if (updates(p->inputs[i]))
                next = p->inputs[i];
        if (!next)
            return p;
        p = next;
    }
}

static const char *reason(const struct sq_plan *p)
{
    switch (p->kind) {
    case SQ_N_RANK:
        return "ROW_NUMBER";
    case SQ_N_AGGREGATE:
        return p->u.agg.global ? "an aggregate over all rows" : p->u.agg.nitems ? "GROUP BY" : "DISTINCT";
    case SQ_N_JOIN:
        return p->u.join.kind == SQ_JOIN_ANTI ? "NOT EXISTS or NOT IN" : p->u.join.kind == SQ_JOIN_LEFT ? "LEFT JOIN" : p->u.join.kind == SQ_JOIN_RIGHT ? "RIGHT JOIN" : "FULL JOIN";
    default:
        return "it reads a table of changes";
    }
}

static const struct sq_plan *unbounded_scan(const struct sq_plan *p)
{
    if (p->kind == SQ_N_SCAN)
        return p->bounded ? NULL : p;
    for (uint32_t i = 0; i < p->ninputs; i++) {
        const struct sq_plan *s = unbounded_scan(p->inputs[i]);
        if (s)
            return s;
    }
    return NULL;
}

static sq_rc refuse_unbounded(struct sq_infer *c, const struct sq_plan *p, sq_rc rc, struct sq_span span, const char *what)
{
    const struct sq_plan *s = unbounded_scan(p);
    return sq_fail_at(c->ctx, rc, span.len ? span : s->span, "%s needs an input that ends, and table '%.*s' (connector '%s') does not end", what, SQ_FMT(s->u.scan.table->name),
                      s->u.scan.connector->name);
}

static sq_rc check_scan(struct sq_infer *c, struct sq_plan *p)
{
    p->bounded = p->u.scan.info.bounded;
    if (!c->config->batch)
        return SQ_OK;
    if (!p->bounded) {
        refuse_unbounded(c, p, SQ_SEMANTIC, p->span, "batch mode");
        return sq_hint(c->ctx, "SET 'execution.runtime-mode' = 'streaming'");
    }
    if (p->u.scan.info.mode != SQ_MODE_INSERT) {
        sq_fail_at(c->ctx, SQ_SEMANTIC, p->span, "table '%.*s' is a table of changes, and batch mode reads only tables of rows", SQ_FMT(p->u.scan.table->name));
        return sq_hint(c->ctx, "SET 'execution.runtime-mode' = 'streaming'");
    }
    return SQ_OK;
}

static sq_rc upward(struct sq_infer *c, struct sq_plan *p)
{
    bool bounded = true;
    for (uint32_t i = 0; i < p->ninputs; i++) {
        SQ_TRY(upward(c, p->inputs[i]));
        bounded &= p->inputs[i]->bounded;
    }
    if (p->kind != SQ_N_SIDE)                                    /* the binder knows */
        p->bounded = bounded;
    p->final = c->config->batch;
    if (p->kind == SQ_N_RANK && updates(p->inputs[0]))
        p->u.rank.windowed = false;
    if (p->kind == SQ_N_OVER && !c->config->batch && updates(p->inputs[0]))
        return sq_fail_at(c->ctx, SQ_UNSUPPORTED, p->span, "OVER takes rows that only come, and its input is updated (%s)", reason(culprit(p->inputs[0])));
    if (p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_OF_WINDOWS && (updates(p->inputs[0]) || updates(p->inputs[1])))
        p->u.join.how = SQ_JOIN_REGULAR;
    if (p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_INTERVAL && (c->config->batch || updates(p->inputs[0]) || updates(p->inputs[1])))
        SQ_TRY(sq_drop_interval(c->arena, p));
    if (p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_TEMPORAL)
        SQ_TRY(sq_check_temporal(c->ctx, p, !c->config->batch && updates(p->inputs[0]), updates(p->inputs[1])));
    if (p->kind == SQ_N_SCAN)
        SQ_TRY(check_scan(c, p));
    if (p->kind == SQ_N_AGGREGATE && !c->config->batch && sq_groups_by_half_window(p))
        sq_notice(c->ctx, "GROUP BY one of window_start and window_end alone is no window: late rows count, and results change and are kept; GROUP BY both for one result per window");
    if (p->kind == SQ_N_LIMIT && !c->config->batch && updates(p->inputs[0])) {
        if (!bounded)
            return refuse_unbounded(c, p, SQ_UNSUPPORTED, p->span, "LIMIT over rows that are updated");
        p->kind = SQ_N_SORT;                                     /* which rows there are is known at the end */
    }
    if (p->kind == SQ_N_SORT && !bounded)
        return refuse_unbounded(c, p, SQ_UNSUPPORTED, p->span, "ORDER BY");
    return SQ_OK;
}

/* ---- downward ---- */

/* The columns by which the node would upsert; *found false: it cannot. */
static sq_rc upsert_key(struct sq_infer *c, const struct sq_plan *p, struct sq_key *k, bool *found)
{
    struct sq_key below;
    *found = false;
    switch (p->kind) {
    case SQ_N_AGGREGATE:
        *k = p->keys[0];
        *found = true;
        return SQ_OK;
    case SQ_N_SCAN:
        if (p->u.scan.info.mode == SQ_MODE_UPSERT && p->nkeys) {
            *k = p->keys[0];
            *found = true;
        }
        return SQ_OK;
    case SQ_N_WATERMARK:
        return upsert_key(c, p->inputs[0], k, found);
    case SQ_N_PROJECT:
        SQ_TRY(upsert_key(c, p->inputs[0], &below, found));
        return *found ? sq_project_key(c->arena, p, &below, k, found) : SQ_OK;
    default:
        return SQ_OK;
    }
}

/* Puts a node over one of upserts that keeps the last row of each key. */
static sq_rc normalize(struct sq_infer *c, struct sq_plan **slot, const struct sq_key *key)
{
    struct sq_plan *in = *slot, *p = sq_node_new(c->arena, SQ_N_NORMALIZE, in, in->span);
    if (!p)
        return SQ_NOMEM;
    p->u.normalize.key = *key;
    p->mode = SQ_MODE_RETRACT;
    p->keys = in->keys;
    p->nkeys = in->nkeys;
    p->bounded = in->bounded;
    p->final = in->final;
    *slot = p;
    return SQ_OK;
}

static sq_rc downward(struct sq_infer *c, struct sq_plan **slot, bool upsert);

/* Watermarks are of splits, so they are found before rows are sorted out by key: the node goes over them. *done false: the key is not all there. */
static sq_rc normalize_over_time(struct sq_infer *c, struct sq_plan **slot, bool *done)
{
    struct sq_plan *p = *slot;
    struct sq_key key;
    SQ_TRY(upsert_key(c, p, &key, done));
    if (!*done)
        return SQ_OK;
    p->mode = SQ_MODE_UPSERT;
    p->upsert_key = key;
    p->u.watermark.every = true;                                 /* what a row was before may be late where the row is not */
    SQ_TRY(downward(c, &p->inputs[0], true));
    return normalize(c, slot, &key);
}

static sq_rc downward(struct sq_infer *c, struct sq_plan **slot, bool upsert)
{
    struct sq_plan *p = *slot;
    bool changes = !c->config->batch && updates(p), below = false, done = false;
    if (changes && upsert)
        SQ_TRY(upsert_key(c, p, &p->upsert_key, &upsert));
    p->mode = !changes ? SQ_MODE_INSERT : upsert ? SQ_MODE_UPSERT : SQ_MODE_RETRACT;
    switch (p->kind) {
    case SQ_N_SCAN:
        p->mode = p->u.scan.info.mode;
        if (p->mode == SQ_MODE_UPSERT && p->nkeys)
            p->upsert_key = p->keys[0];
        if (p->mode != SQ_MODE_UPSERT || upsert)
            return SQ_OK;
        if (!p->nkeys)
            return sq_fail_at(c->ctx, SQ_INTERNAL, p->span, "table '%.*s' gives upserts and has no key", SQ_FMT(p->u.scan.table->name));
        return normalize(c, slot, &p->keys[0]);
    case SQ_N_WATERMARK:
        if (changes && !upsert)
            SQ_TRY(normalize_over_time(c, slot, &done));
        if (done)
            return SQ_OK;
        below = upsert;
        break;
    case SQ_N_PROJECT:
        below = upsert;
        break;
    default:
        break;
    }
    for (uint32_t i = 0; i < p->ninputs; i++)
        SQ_TRY(downward(c, &p->inputs[i], below || (i == 1 && p->kind == SQ_N_JOIN && p->u.join.how == SQ_JOIN_TEMPORAL)));
    return SQ_OK;
}

static void emission(struct sq_plan *p, bool net)
{
    p->net = net;
    for (uint32_t i = 0; i < p->ninputs; i++)
        emission(p->inputs[i], net);
}

static bool emits_net(const struct sq_infer *c, bool shows)
{
    return c->config->mini_batch >= 0 ? c->config->mini_batch == 1 : !shows;
}

/* ---- sinks ---- */

static bool holds(const struct sq_key *k, uint32_t col)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (k->cols[i] == col)
            return true;
    return false;
}

/* The same set, but for columns that are constant: they tell no rows apart. */
static bool fits(const struct sq_plan *in, const struct sq_key *a, const struct sq_key *b)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (!holds(b, a->cols[i]) && !sq_column_constant(in, a->cols[i]))
            return false;
    for (uint32_t i = 0; i < b->n; i++)
        if (!holds(a, b->cols[i]) && !sq_column_constant(in, b->cols[i]))
            return false;
    return true;
}

/* Every column of the query's key is in the sink's: rows are unique by it too. When another of its columns changes, the row goes to another
 * place, and what it was is taken away as a retraction. */
static bool covers(const struct sq_plan *in, const struct sq_key *sink, const struct sq_key *query)
{
    for (uint32_t i = 0; i < query->n; i++)
        if (!holds(sink, query->cols[i]) && !sq_column_constant(in, query->cols[i]))
            return false;
    return true;
}

static void print_key(struct sq_buf *b, const struct sq_plan *p, const struct sq_key *k)
{
    for (uint32_t i = 0; i < k->n; i++) {
        sq_buf_puts(b, i ? ", " : "");
        sq_buf_str(b, p->cols[k->cols[i]].name);
    }
}

/* Runs `say` with the names of a key. */
static sq_rc with_key(struct sq_infer *c, const struct sq_plan *p, const struct sq_key *k, const char **text)
{
    struct sq_buf b;
    sq_buf_init(&b, c->ctx);
    print_key(&b, p, k);
    struct sq_str s = b.rc == SQ_OK ? sq_str_dup(c->arena, sq_buf_view(&b)) : (struct sq_str){NULL, 0};
    sq_buf_free(&b);
    *text = s.p;
    return s.p ? SQ_OK : SQ_NOMEM;
}

static const struct sq_key *first_key(const struct sq_plan *in)
{
    for (uint32_t i = 0; i < in->nkeys; i++)
        if (in->keys[i].n)
            return &in->keys[i];
    return NULL;
}

static sq_rc no_key(struct sq_infer *c, const struct sq_plan *sink, const struct sq_plan *in)
{
    const struct sq_plan *why = culprit(in);
    struct sq_str name = sink->u.sink.table->name;
    sq_fail_at(c->ctx, SQ_SEMANTIC, why->span, "the query updates rows (%s), but '%.*s' has no PRIMARY KEY and the query has no key of its own to upsert by", reason(why), SQ_FMT(name));
    if (in->nkeys)
        return sq_hint(c->ctx, "the result is one row: select a constant beside it ('all' AS name), and declare that column of the table PRIMARY KEY NOT ENFORCED");
    if (why->kind == SQ_N_AGGREGATE)
        return sq_hint(c->ctx, "select the columns of GROUP BY too: they are the key");
    return sq_hint(c->ctx, "its rows may come twice: group them, or write to a sink that takes retractions (format 'debezium-json')");
}

static sq_rc wrong_key(struct sq_infer *c, const struct sq_plan *sink, const struct sq_plan *in)
{
    const char *pk, *own;
    const struct sq_key *k = first_key(in);
    const struct sq_plan *why = culprit(in);
    SQ_TRY(with_key(c, sink, &sink->u.sink.key, &pk));
    if (!k) {
        sq_fail_at(c->ctx, SQ_UNSUPPORTED, why->span, "the query updates rows (%s) and has no key, so they cannot be upserted by the PRIMARY KEY (%s) of '%.*s': that is not supported yet",
                   reason(why), pk, SQ_FMT(sink->u.sink.table->name));
        return sq_hint(c->ctx, why->kind == SQ_N_AGGREGATE && !why->u.agg.global ? "select the columns of GROUP BY: they are the key" : "group the rows by (%s)", pk);
    }
    SQ_TRY(with_key(c, in, k, &own));
    sq_fail_at(c->ctx, SQ_UNSUPPORTED, why->span, "the rows of the query are updated by (%s), but the PRIMARY KEY of '%.*s' is (%s): that is not supported yet", own,
               SQ_FMT(sink->u.sink.table->name), pk);
    SQ_TRY(with_key(c, sink, k, &own));
    return sq_hint(c->ctx, "declare PRIMARY KEY (%s) NOT ENFORCED, or group the rows by (%s)", own, pk);
}

static sq_rc only_inserts(struct sq_infer *c, const struct sq_plan *sink, const struct sq_plan *in)
{
    const struct sq_plan *why = culprit(in);
    sq_fail_at(c->ctx, SQ_SEMANTIC, why->span, "sink '%.*s' (connector '%s') takes only inserts, but the query updates rows (%s)", SQ_FMT(sink->u.sink.table->name),
               sink->u.sink.connector->name, reason(why));
    return sq_hint(c->ctx, "write to a table with a PRIMARY KEY in a database, use the format 'debezium-json', or run it with 'execution.runtime-mode' = 'batch'");
}

static void use_key(struct sq_plan *sink, const struct sq_key *k)
{
    sink->u.sink.mode = SQ_MODE_UPSERT;
    sink->u.sink.key = *k;
}

/* The sink keeps rows by key: which? */
static sq_rc choose_key(struct sq_infer *c, struct sq_plan *sink, const struct sq_plan *in)
{
    if (sink->u.sink.key.n) {
        for (uint32_t i = 0; i < in->nkeys; i++)
            if (covers(in, &sink->u.sink.key, &in->keys[i])) {
                sink->u.sink.mode = SQ_MODE_UPSERT;
                return SQ_OK;
            }
        return wrong_key(c, sink, in);
    }
    const struct sq_key *k = first_key(in);
    const char *text;
    if (!k)
        return no_key(c, sink, in);
    use_key(sink, k);
    sink->u.sink.key_derived = true;
    SQ_TRY(with_key(c, sink, k, &text));
    sq_notice(c->ctx, "%.*s has no PRIMARY KEY; rows are upserted by (%s), the key of the query", SQ_FMT(sink->u.sink.table->name), text);
    return SQ_OK;
}

/* What a sink of rows that stay gets: upserts where it keeps rows by key, as Flink does, and in batch mode where it would in streaming, so that a
 * rerun doubles nothing; else inserts. */
static sq_rc final_mode(struct sq_infer *c, struct sq_plan *sink, unsigned takes, bool shows)
{
    const struct sq_plan *in = sink->inputs[0];
    bool derives = !sink->u.sink.key.n && sink->u.sink.connector->sink->derives_key;
    if (sink->u.sink.key.n && (takes & SQ_MODE_UPSERT) && !shows)
        sink->u.sink.mode = SQ_MODE_UPSERT;
    else if (derives && updates(in) && first_key(in))
        return choose_key(c, sink, in);
    else
        sink->u.sink.mode = takes & SQ_MODE_INSERT ? SQ_MODE_INSERT : takes & SQ_MODE_RETRACT ? SQ_MODE_RETRACT : SQ_MODE_UPSERT;
    return SQ_OK;
}

static sq_rc sink_mode(struct sq_infer *c, struct sq_plan *sink, bool shows)
{
    const struct sq_plan *in = sink->inputs[0];
    const struct sq_sink_class *cls = sink->u.sink.connector->sink;
    unsigned takes = cls->accepts;
    if (cls->accept)
        SQ_TRY(cls->accept(c->ctx, sink->u.sink.table, sink->u.sink.ext, &takes));
    bool upserts = sink->u.sink.key.n ? (takes & SQ_MODE_UPSERT) != 0 : cls->derives_key;
    if (c->config->batch || !updates(in))
        return final_mode(c, sink, takes, shows);
    if (upserts && !(shows && (takes & SQ_MODE_RETRACT)))
        return choose_key(c, sink, in);
    if (!(takes & SQ_MODE_RETRACT))
        return only_inserts(c, sink, in);
    sink->u.sink.mode = SQ_MODE_RETRACT;
    return SQ_OK;
}

/* A row that upserts say is deleted has its key alone: NULL in all else. */
static bool takes_keys_alone(const struct sq_plan *sink)
{
    const struct sq_plan *p = sink->inputs[0];
    while (p->kind == SQ_N_PROJECT || p->kind == SQ_N_WATERMARK)
        p = p->inputs[0];
    if (p->kind != SQ_N_SCAN || p->u.scan.info.mode != SQ_MODE_UPSERT)
        return true;
    for (uint32_t i = 0; i < sink->u.sink.table->ncols; i++)
        if (!sink->u.sink.table->cols[i].type->nullable && !holds(&sink->u.sink.key, i))
            return false;
    for (uint32_t i = 0; i < p->ncols; i++)
        if (!p->cols[i].type->nullable && !(p->nkeys && holds(&p->keys[0], i)))
            return false;
    return true;
}

static sq_rc infer_sink(struct sq_infer *c, struct sq_plan *sink)
{
    const struct sq_sink_class *cls = sink->u.sink.connector->sink;
    struct sq_plan *in = sink->inputs[0];
    struct sq_key k;
    bool shows = cls->shows_changes && cls->shows_changes(sink->u.sink.table, sink->u.sink.ext), upsert = false;
    SQ_TRY(sink_mode(c, sink, shows));
    if (sink->u.sink.mode == SQ_MODE_UPSERT && updates(in)) {
        SQ_TRY(upsert_key(c, in, &k, &upsert));
        upsert = upsert && fits(in, &k, &sink->u.sink.key);
    }
    SQ_TRY(downward(c, &sink->inputs[0], upsert && takes_keys_alone(sink)));
    sink->mode = sink->u.sink.mode;
    sink->upsert_key = sink->u.sink.key;
    emission(sink, emits_net(c, shows));
    return SQ_OK;
}

/* ---- collecting ---- */

/* Final rows of rows that are updated: a sort without keys keeps them until the end. */
static sq_rc materialize(struct sq_infer *c, struct sq_plan *root)
{
    struct sq_plan *in = root->inputs[0], *s = sq_node_new(c->arena, SQ_N_SORT, in, in->span);
    if (!s)
        return SQ_NOMEM;
    s->u.sort.limit = -1;
    s->bounded = in->bounded;
    s->final = in->final;
    s->keys = in->keys;
    s->nkeys = in->nkeys;
    root->inputs[0] = s;
    return SQ_OK;
}

static sq_rc infer_collect(struct sq_infer *c, struct sq_plan *root)
{
    if (!root->u.collect.changelog && root->bounded && !c->config->batch && updates(root->inputs[0]))
        SQ_TRY(materialize(c, root));
    SQ_TRY(downward(c, &root->inputs[0], false));
    root->mode = root->inputs[0]->mode;
    emission(root, emits_net(c, root->u.collect.changelog));
    return SQ_OK;
}

sq_rc sq_infer_changelog(struct sq_infer *c, struct sq_plan *root)
{
    SQ_TRY(upward(c, root));
    SQ_TRY(sq_check_intervals(c, root));
    SQ_TRY(sq_infer_keys(c->arena, root));
    return root->kind == SQ_N_SINK ? infer_sink(c, root) : infer_collect(c, root);
}
