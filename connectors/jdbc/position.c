/* SPDX-License-Identifier: Apache-2.0
 *
 * position.c: where a scan of a table stands, as bytes for a checkpoint and as text for people.
 *
 *     u32 "SQP" 1 · u8 1 ended, 2 keyed · u64 rows · u64 hash of the order · u8 keys · keys: u8 kind, and 8 bytes, or u32 length and so many bytes
 *
 * The bytes come back from a file, so they are not trusted; a key becomes a literal by its kind (struct sq_jdbc_dialect), never by what it says.
 */
#include "base/text.h"
#include "connectors/jdbc/jdbc.h"

static const uint32_t MAGIC = 'S' | 'Q' << 8 | 'P' << 16 | 1 << 24;

static bool has_text(enum sq_jdbc_kind k) { return k == SQ_JDBC_TEXT || k == SQ_JDBC_BYTES; }

sq_rc sq_jdbc_position_write(struct sq_buf *b, const struct sq_jdbc_position *p)
{
    sq_buf_u32(b, MAGIC);
    sq_buf_putc(b, (char)(p->ended | p->keyed << 1));
    sq_buf_u64(b, p->rows);
    sq_buf_u64(b, p->order);
    sq_buf_putc(b, (char)p->nkeys);
    for (uint32_t i = 0; i < p->nkeys; i++) {
        const struct sq_jdbc_value *v = &p->keys[i];
        uint64_t bits;
        memcpy(&bits, v->kind == SQ_JDBC_DOUBLE ? (const void *)&v->d : (const void *)&v->i, sizeof bits);
        sq_buf_putc(b, (char)v->kind);
        if (has_text(v->kind)) {
            sq_buf_u32(b, v->s.n);
            sq_buf_add(b, v->s.p, v->s.n);
        } else {
            sq_buf_u64(b, bits);
        }
    }
    return b->rc;
}

/* Takes n bytes, or says that there are fewer. */
static bool take(struct sq_str *in, void *to, uint32_t n)
{
    if (in->n < n)
        return false;
    memcpy(to, in->p, n);
    in->p += n;
    in->n -= n;
    return true;
}

static bool take_key(struct sq_str *in, struct sq_jdbc_value *v)
{
    uint8_t kind;
    *v = (struct sq_jdbc_value){.kind = SQ_JDBC_NULL};
    if (!take(in, &kind, 1) || (kind != SQ_JDBC_INT && kind != SQ_JDBC_DOUBLE && !has_text(kind)))
        return false;
    v->kind = kind;
    if (!has_text(v->kind))
        return take(in, kind == SQ_JDBC_DOUBLE ? (void *)&v->d : (void *)&v->i, 8);
    if (!take(in, &v->s.n, 4) || in->n < v->s.n)
        return false;
    v->s.p = in->p;
    in->p += v->s.n;
    in->n -= v->s.n;
    return true;
}

bool sq_jdbc_position_read(struct sq_str in, struct sq_jdbc_position *p)
{
    uint32_t magic;
    uint8_t flags, n;
    *p = (struct sq_jdbc_position){.rows = 0};
    if (!take(&in, &magic, 4) || magic != MAGIC || !take(&in, &flags, 1) || flags > 3 || !take(&in, &p->rows, 8) || !take(&in, &p->order, 8) || !take(&in, &n, 1) ||
        n > SQ_JDBC_ORDER_MAX)
        return false;
    p->ended = flags & 1;
    p->keyed = flags >> 1 & 1;
    p->nkeys = n;
    for (uint32_t i = 0; i < n; i++)
        if (!take_key(&in, &p->keys[i]))
            return false;
    return in.n == 0 && (p->keyed || n == 0);
}

static void show_key(struct sq_buf *out, const struct sq_jdbc_value *v)
{
    char text[40];
    uint32_t n = v->s.n;
    switch (v->kind) {
    case SQ_JDBC_INT: sq_buf_printf(out, "%lld", (long long)v->i); return;
    case SQ_JDBC_DOUBLE: sq_buf_add(out, text, (size_t)sq_print_double(v->d, text)); return;
    case SQ_JDBC_TEXT:
        n = sq_jdbc_cut(v->s);
        sq_buf_putc(out, '\'');
        for (uint32_t i = 0; i < n; i++)
            sq_buf_putc(out, (unsigned char)v->s.p[i] < ' ' ? '?' : v->s.p[i]);
        break;
    default:
        n = n > SQ_JDBC_SHOWN / 2 ? SQ_JDBC_SHOWN / 2 : n;
        sq_buf_puts(out, "x'");
        for (uint32_t i = 0; i < n; i++)
            sq_buf_printf(out, "%02x", (unsigned char)v->s.p[i]);
    }
    sq_buf_puts(out, n < v->s.n ? "…'" : "'");
}

sq_rc sq_jdbc_position_show(struct sq_str in, struct sq_buf *out)
{
    struct sq_jdbc_position p;
    if (in.n == 0)
        return sq_buf_puts(out, "at the first row");
    if (!sq_jdbc_position_read(in, &p))
        return sq_buf_puts(out, "damaged");
    if (p.ended)
        return sq_buf_printf(out, "all %llu rows", (unsigned long long)p.rows);
    sq_buf_printf(out, "row %llu", (unsigned long long)p.rows);
    for (uint32_t i = 0; i < p.nkeys; i++) {
        sq_buf_puts(out, i ? ", " : ", key ");
        show_key(out, &p.keys[i]);
    }
    return out->rc;
}
