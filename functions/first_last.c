/* SPDX-License-Identifier: Apache-2.0
 *
 * first_last.c: FIRST_VALUE and LAST_VALUE: of the values that are not NULL, the one that came first, or last.
 *
 * Where rows are only added an accumulator holds one value: fixed-width ones in place, others as a packed row (base/row.h) in a block of its own that grows. Where rows may be
 * taken back it is the list of all values in the order they came (collect.c).
 *
 * FLINK: under retraction it orders values by the clock's millisecond in which they came, here by their arrival; of equal values the first is taken back, as there.
 */
#include "base/row.h"
#include "functions/agg.h"

struct one {
    _Alignas(16) char fixed[16];
    char *p;                               /* packed; NULL: `fixed` */
    uint32_t len, cap;
    uint32_t has, pad[3];
};

size_t sq_first_last_size(const struct sq_agg_call *c)
{
    return c->retracts ? sq_collect_size(c) : (sizeof(struct one) + 15) / 16 * 16;
}

sq_rc sq_first_last_derive(struct sq_ctx *ctx, struct sq_arena *a, const struct sq_type *const *args, uint32_t n, const struct sq_type **ret)
{
    if (n != 1 || args[0]->id == SQ_T_NULL || args[0]->id == SQ_T_SYMBOL)
        return sq_fail(ctx, SQ_SEMANTIC, "FIRST_VALUE and LAST_VALUE take one value of a known type");
    *ret = sq_type_nullable(a, args[0], true);
    return *ret ? SQ_OK : SQ_NOMEM;
}

/* True for what is kept in place. */
static bool in_place(const struct sq_agg_call *c)
{
    enum sq_phys p = sq_type_phys(c->arg);
    return c->arg->nchild == 0 && p != SQ_P_VIEW && p != SQ_P_NULL;
}

static sq_rc set_packed(struct sq_agg_call *c, struct one *o, struct sq_str s)
{
    if (o->cap < s.n || !o->p) {
        uint32_t cap = s.n < 32 ? 32 : s.n;
        char *p = sq_realloc(c->ctx, o->p, cap);
        if (!p)
            return c->ctx->err.rc;
        *c->state_bytes += cap - o->cap;
        o->p = p;
        o->cap = cap;
    }
    if (s.n)
        memcpy(o->p, s.p, s.n);
    o->len = s.n;
    o->has = 1;
    return SQ_OK;
}

static void update_fixed(void **acc, const struct sq_agg_in *in, struct sq_rows rows, bool last)
{
    uint32_t w = sq_phys_size(in->phys);

    SQ_EACH_ROW(rows, i, r) {
        uint32_t e = sq_agg_at_row(in, r);
        struct one *o = acc[i];
        if (!sq_agg_present(in, e) || (o->has && !last))
            continue;
        memcpy(o->fixed, (const char *)in->data + (size_t)e * w, w);
        o->has = 1;
    }
}

static sq_rc update(struct sq_agg_call *c, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind, bool last)
{
    struct sq_buf value;
    struct sq_agg_in in;
    sq_rc rc = SQ_OK;

    if (c->retracts)
        return sq_collect_update(c, acc, arg, rows, kind);
    if (in_place(c)) {
        sq_agg_in(&in, arg);
        update_fixed(acc, &in, rows, last);
        return SQ_OK;
    }
    sq_buf_init(&value, c->ctx);
    SQ_EACH_ROW(rows, i, r) {
        struct one *o = acc[i];
        if ((o->has && !last) || sq_vec_null(arg, r))
            continue;
        sq_buf_reset(&value);
        SQ_TRY_OUT(sq_row_pack(&value, arg, NULL, 1, r));
        if (value.n > UINT32_MAX)
            SQ_TRY_OUT(sq_fail(c->ctx, SQ_LIMIT, "a value of %s takes more than 4 GB", c->agg->name));
        SQ_TRY_OUT(set_packed(c, o, sq_buf_view(&value)));
    }
out:
    sq_buf_free(&value);
    return rc;
}

sq_rc sq_first_update(struct sq_agg_call *c, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind)
{
    return update(c, acc, arg, rows, kind, false);
}

sq_rc sq_last_update(struct sq_agg_call *c, void **acc, const struct sq_vec *arg, struct sq_rows rows, const uint8_t *kind)
{
    return update(c, acc, arg, rows, kind, true);
}

/* What `from` holds came after what `into` holds. */
static sq_rc merge(struct sq_agg_call *c, void *into, const void *from, bool last)
{
    struct one *o = into;
    const struct one *f = from;

    if (c->retracts)
        return sq_collect_merge(c, into, from);
    if (!f->has || (o->has && !last))
        return SQ_OK;
    if (f->p)
        return set_packed(c, o, (struct sq_str){f->p, f->len});
    memcpy(o->fixed, f->fixed, sizeof o->fixed);
    o->has = 1;
    return SQ_OK;
}

sq_rc sq_first_merge(struct sq_agg_call *c, void *into, const void *from) { return merge(c, into, from, false); }
sq_rc sq_last_merge(struct sq_agg_call *c, void *into, const void *from) { return merge(c, into, from, true); }

static sq_rc result(struct sq_agg_call *c, const void *acc, struct sq_col *out, bool last)
{
    const struct one *o = acc;
    struct sq_str s;

    if (c->retracts) {
        if (!sq_collect_end(acc, last, &s))
            return sq_col_append_null(out);
    } else if (!o->has)
        return sq_col_append_null(out);
    else if (o->p)
        s = (struct sq_str){o->p, o->len};
    else
        return sq_col_append_fixed(out, o->fixed);
    if (!sq_row_unpack(s.p, s.p + s.n, out, 1))
        return c->ctx->err.rc ? c->ctx->err.rc : sq_fail(c->ctx, SQ_DATA, "the saved state of %s is damaged", c->agg->name);
    return SQ_OK;
}

sq_rc sq_first_result(struct sq_agg_call *c, const void *acc, struct sq_col *out) { return result(c, acc, out, false); }
sq_rc sq_last_result(struct sq_agg_call *c, const void *acc, struct sq_col *out) { return result(c, acc, out, true); }

/* Saved: a byte, 0 nothing, 1 in place (16 bytes), 2 packed (a length and the bytes). */
sq_rc sq_first_last_save(struct sq_agg_call *c, const void *acc, struct sq_buf *b)
{
    const struct one *o = acc;

    if (c->retracts)
        return sq_collect_save(c, acc, b);
    SQ_TRY(sq_buf_putc(b, (char)(!o->has ? 0 : o->p ? 2 : 1)));
    if (!o->has)
        return SQ_OK;
    if (!o->p)
        return sq_buf_add(b, o->fixed, sizeof o->fixed);
    SQ_TRY(sq_buf_u32(b, o->len));
    return sq_buf_add(b, o->p, o->len);
}

sq_rc sq_first_last_load(struct sq_agg_call *c, void *acc, const char **at, const char *end)
{
    struct one *o = acc;
    uint8_t how;
    uint32_t len;

    if (c->retracts)
        return sq_collect_load(c, acc, at, end);
    SQ_TRY(sq_agg_take(c, at, end, &how, 1));
    if (how > 2 || (how && (how == 1) != in_place(c)))
        return sq_fail(c->ctx, SQ_DATA, "the saved state of %s is damaged", c->agg->name);
    if (how == 1) {
        o->has = 1;
        return sq_agg_take(c, at, end, o->fixed, sizeof o->fixed);
    }
    if (how == 0)
        return SQ_OK;
    SQ_TRY(sq_agg_take(c, at, end, &len, sizeof len));
    if ((size_t)(end - *at) < len)
        return sq_fail(c->ctx, SQ_DATA, "the saved state of %s is cut short", c->agg->name);
    SQ_TRY(set_packed(c, o, (struct sq_str){*at, len}));
    *at += len;
    return SQ_OK;
}

void sq_first_last_drop(struct sq_agg_call *c, void *acc)
{
    struct one *o = acc;

    if (c->retracts) {
        sq_collect_drop(c, acc);
        return;
    }
    if (o->p) {
        *c->state_bytes -= o->cap;
        sq_free(c->ctx, o->p);
    }
    memset(o, 0, sizeof *o);
}
