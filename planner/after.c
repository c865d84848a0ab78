/* SPDX-License-Identifier: Apache-2.0
 *
 * after.c: 'scan.after': a table that is not read before others have been read to their end: a history (files, a database) before the topic that goes on from there, a table of rates
 * before what is valued with it.
 *
 * The option names tables that the same job reads. Nothing is read of the table that waits, though where it will begin is fixed when the job begins ('latest-offset' is what is the end
 * then), and checkpoints keep that. How its watermark stands while it waits depends on where its rows meet those of the others: in a UNION ALL it *continues* them, so it is idle and
 * holds nothing back; in a join it holds the watermark back, so nothing of the other side goes before it has come.
 *
 * FLINK: has no such thing in SQL; in its other interface HybridSource.
 */
#include "planner/bind.h"

struct find {
    struct sq_bind_env *env;
    struct sq_job_plan *j;
    struct sq_plan **scans;
    uint32_t n;
};

static void list(struct find *f, struct sq_plan *p)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < p->ninputs; i++)
        list(f, p->inputs[i]);
    if (p->kind != SQ_N_SCAN)
        return;
    while (f->scans && k < f->n && f->scans[k] != p)
        k++;
    if (f->scans && k == f->n)
        f->scans[k] = p;
    f->n += !f->scans || k == f->n;
}

/* ---- names ---- */

/* A table's full name, of which `name` may be the end: the rest is the scan's own. */
static bool is_named(const struct sq_plan *scan, const struct sq_plan *other, struct sq_str name)
{
    struct sq_str own = scan->u.scan.path, path = other->u.scan.path;
    if (path.n < name.n || memcmp(path.p + path.n - name.n, name.p, name.n) != 0)
        return false;
    uint32_t rest = path.n - name.n;
    return rest == 0 || (path.p[rest - 1] == '.' && own.n >= rest && memcmp(own.p, path.p, rest) == 0);
}

static struct sq_str next_name(struct sq_str *list)
{
    struct sq_str s = *list;
    uint32_t n = 0;
    while (n < s.n && s.p[n] != ';')
        n++;
    *list = (struct sq_str){s.p + (n < s.n ? n + 1 : n), s.n - (n < s.n ? n + 1 : n)};
    s.n = n;
    while (s.n && s.p[0] == ' ')
        s = (struct sq_str){s.p + 1, s.n - 1};
    while (s.n && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

static sq_rc take(struct find *f, struct sq_plan *scan, struct sq_str name, const struct sq_plan **after, uint32_t *n)
{
    struct sq_ctx *ctx = f->env->ctx;
    bool found = false;
    for (uint32_t i = 0; i < f->n; i++) {
        const struct sq_plan *other = f->scans[i];
        if (!is_named(scan, other, name))
            continue;
        found = true;
        if (other == scan)
            return sq_fail_at(ctx, SQ_SEMANTIC, scan->span, "'scan.after' of '%.*s' names the table itself", SQ_FMT(scan->u.scan.table->name));
        if (!other->u.scan.info.bounded) {
            sq_fail_at(ctx, SQ_SEMANTIC, scan->span, "'scan.after' of '%.*s': '%.*s' does not end, so nothing would ever be read behind it", SQ_FMT(scan->u.scan.table->name), SQ_FMT(name));
            return sq_hint(ctx, "it has to be a file, a database, or a topic with 'scan.bounded.mode'");
        }
        f->scans[i]->u.scan.waited_for = true;
        after[(*n)++] = other;
    }
    if (found)
        return SQ_OK;
    sq_fail_at(ctx, SQ_SEMANTIC, scan->span, "'scan.after' of '%.*s' names '%.*s', which this job does not read", SQ_FMT(scan->u.scan.table->name), SQ_FMT(name));
    return sq_hint(ctx, "where only some jobs read both, give it there: %.*s /*+ OPTIONS('scan.after' = '…') */", SQ_FMT(scan->u.scan.table->name));
}

/* ---- where rows meet ---- */

static bool holds(const struct sq_plan *p, const struct sq_plan *scan)
{
    bool some = p == scan;
    for (uint32_t i = 0; i < p->ninputs && !some; i++)
        some = holds(p->inputs[i], scan);
    return some;
}

/* False: they meet somewhere below p in another way than in a UNION ALL. */
static bool continues(const struct sq_plan *p, const struct sq_plan *scan, const struct sq_plan *other)
{
    bool here = holds(p, scan) && holds(p, other);
    for (uint32_t i = 0; i < p->ninputs; i++) {
        if (!continues(p->inputs[i], scan, other))
            return false;
        here = here && !(holds(p->inputs[i], scan) && holds(p->inputs[i], other));
    }
    return !here || p->kind == SQ_N_UNION;
}

/* It waits, through others, for itself. */
static bool in_circle(const struct sq_plan *scan, const struct sq_plan *p, uint32_t depth)
{
    for (uint32_t i = 0; i < p->u.scan.nafter; i++)
        if (p->u.scan.after[i] == scan || (depth > 0 && in_circle(scan, p->u.scan.after[i], depth - 1)))
            return true;
    return false;
}

static sq_rc find_one(struct find *f, struct sq_plan *scan)
{
    struct sq_scan_options o;
    SQ_TRY(sq_scan_options_of(f->env->ctx, f->env->arena, scan->u.scan.table, &o));
    if (!o.after.p)
        return SQ_OK;
    const struct sq_plan **after = SQ_NEW_ARRAY(f->env->arena, const struct sq_plan *, (size_t)f->n * (o.after.n + 1));
    if (!after)
        return SQ_NOMEM;
    for (struct sq_str names = o.after; names.n;) {
        struct sq_str name = next_name(&names);
        if (name.n)
            SQ_TRY(take(f, scan, name, after, &scan->u.scan.nafter));
    }
    scan->u.scan.after = after;
    scan->u.scan.continues = true;
    for (uint32_t i = 0; i < scan->u.scan.nafter; i++)
        for (uint32_t r = 0; r < f->j->nroots; r++)
            scan->u.scan.continues &= continues(f->j->roots[r], scan, after[i]);
    return SQ_OK;
}

sq_rc sq_find_after(struct sq_bind_env *env, struct sq_job_plan *j)
{
    struct find f = {.env = env, .j = j};
    for (uint32_t i = 0; i < j->nroots; i++)
        list(&f, j->roots[i]);
    if (!(f.scans = SQ_NEW_ARRAY(env->arena, struct sq_plan *, f.n + 1)))
        return SQ_NOMEM;
    f.n = 0;
    for (uint32_t i = 0; i < j->nroots; i++)
        list(&f, j->roots[i]);
    for (uint32_t i = 0; i < f.n; i++)
        SQ_TRY(find_one(&f, f.scans[i]));
    for (uint32_t i = 0; i < f.n; i++)
        if (in_circle(f.scans[i], f.scans[i], f.n))
            return sq_fail_at(env->ctx, SQ_SEMANTIC, f.scans[i]->span, "'scan.after' of '%.*s' goes round in a circle: it waits, through other tables, for itself", SQ_FMT(f.scans[i]->u.scan.table->name));
    return SQ_OK;
}
