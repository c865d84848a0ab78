/* SPDX-License-Identifier: Apache-2.0
 *
 * restore.c FILE: what restoring a checkpoint cannot do without: reads every chunk with its checksum, and puts the keys of its groups into an empty
 * hash table, 2,048 at a time. Prints how many.
 */
#include "base/os.h"
#include "executor/checkpoint/store.h"
#include "executor/hashtab.h"
#include "executor/runtime/cut.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 2048 };

static void must(struct sq_ctx *ctx, sq_rc rc)
{
    if (rc == SQ_OK)
        return;
    fprintf(stderr, "restore: %s\n", ctx->err.msg);
    exit(1);
}

struct keys {
    uint32_t n;
    uint64_t hash[BATCH];
    struct sq_view key[BATCH];
    uint8_t null[BATCH];
    struct sq_entry *entry[BATCH];
};

static void insert(struct sq_ctx *ctx, struct sq_hashtab *t, struct keys *k)
{
    must(ctx, sq_hashtab_upsert(t, k->n, k->hash, k->key, k->null, k->entry));
    k->n = 0;
}

/* Records as executor/runtime/cut.h has them; of a group: 'G', u64 hash, u8 null, u32 length and the key. */
static void insert_chunk(struct sq_ctx *ctx, struct sq_hashtab *t, struct keys *k, struct sq_str s)
{
    enum { GROUP = 1 + 8 + 1 + 4 };
    for (const char *p = s.p, *end = s.p + s.n; end - p >= SQ_RECORD_HEADER;) {
        uint16_t small;
        uint64_t len;
        uint32_t n;
        memcpy(&small, p + 2, 2);
        p += SQ_RECORD_HEADER;
        len = small;
        if (small == SQ_RECORD_LONG) {
            memcpy(&len, p, 8);
            p += 8;
        }
        if (len >= GROUP && *p == 'G') {
            memcpy(&k->hash[k->n], p + 1, 8);
            k->null[k->n] = (uint8_t)p[9];
            memcpy(&n, p + 10, 4);
            k->key[k->n++] = sq_view_of(p + GROUP, n);
        }
        if (k->n == BATCH)
            insert(ctx, t, k);
        p += len;
    }
    insert(ctx, t, k);                     /* views point into the chunk */
}

int main(int argc, char **argv)
{
    static struct keys keys;
    struct sq_budget budget = {0};
    struct sq_ctx ctx = {.budget = &budget, .os = &sq_os_posix};
    struct sq_store_reader *r;
    struct sq_saved saved;
    struct sq_hashtab t;
    struct sq_str s;

    if (argc != 2) {
        fprintf(stderr, "usage: restore FILE\n");
        return 2;
    }
    must(&ctx, sq_store_read(&ctx, argv[1], &r, &saved));
    must(&ctx, sq_hashtab_init(&t, &ctx, 96));
    for (uint32_t i = 0; i < saved.nops; i++)
        for (uint32_t seq = 0; seq < saved.ops[i].nchunks; seq++) {
            must(&ctx, saved.chunk(saved.arg, i, seq, &s));
            insert_chunk(&ctx, &t, &keys, s);
        }
    printf("%zu keys\n", t.count);
    sq_hashtab_free(&t);
    sq_store_reader_close(r);
    return 0;
}
