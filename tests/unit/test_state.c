/* SPDX-License-Identifier: Apache-2.0
 *
 * test_state.c: what keyed state is made of: the slab, key hashing and packing, the hash table against a naive model.
 */
#include "exec_kit.h"

#include "executor/hashtab.h"
#include "executor/keys.h"

static void slab(void **state)
{
    enum { N = 3000 };
    static struct { unsigned char *p; size_t n; unsigned char fill; } piece[N];
    uint64_t seed = 11;
    struct sq_slab s;
    struct kit k;
    (void)state;
    kit_init(&k);
    sq_slab_init(&s, &k.ctx);
    memset(piece, 0, sizeof piece);
    size_t settled = 0;
    for (int step = 0; step < 40000; step++) {
        int i = (int)(kit_random(&seed) % N);
        if (step == 20000)
            settled = s.bytes;
        if (piece[i].p) {
            for (size_t b = 0; b < piece[i].n; b++)
                assert_int_equal(piece[i].p[b], piece[i].fill);
            sq_slab_put(&s, piece[i].p, piece[i].n);
            piece[i].p = NULL;
            continue;
        }
        piece[i].n = kit_random(&seed) % 50 == 0 ? 4000 + kit_random(&seed) % 3000 : 1 + kit_random(&seed) % 300;
        piece[i].fill = (unsigned char)kit_random(&seed);
        piece[i].p = sq_slab_get(&s, piece[i].n);
        assert_non_null(piece[i].p);
        assert_int_equal((uintptr_t)piece[i].p % 16, 0);
        memset(piece[i].p, piece[i].fill, piece[i].n);
    }
    assert_true(s.bytes < settled + settled / 3);        /* churn does not grow it */
    sq_slab_free(&s);
    assert_int_equal(s.bytes, 0);
    kit_free(&k);
}

/* ---- keys ---- */

static void fill(struct kit *k, struct sq_out *out, const char *types, const int64_t (*v)[4], uint32_t n)
{
    const struct sq_type *t[4];
    uint32_t cols = (uint32_t)strlen(types);
    for (uint32_t c = 0; c < cols; c++)
        t[c] = kit_type(types[c]);
    kit_ok(k, sq_out_init(out, &k->ctx, t, cols));
    for (uint32_t r = 0; r < n; r++) {
        for (uint32_t c = 0; c < cols; c++)
            kit_append(&out->cols[c], v[r][c]);
        kit_ok(k, sq_out_row(out, SQ_INSERT));
    }
}

static void load(struct kit *k, struct sq_keys *keys, const char *types, const struct sq_batch *b)
{
    const struct sq_type *t[4];
    for (uint32_t c = 0; types[c]; c++)
        t[c] = kit_type(types[c]);
    kit_ok(k, sq_keys_init(keys, &k->ctx, t, NULL, (uint32_t)strlen(types)));
    kit_ok(k, sq_keys_load(keys, b));
}

/* Equal rows have equal hashes and keys whatever the encoding; others differ; keys come back as they went in. */
static void keys_of_all_types(void **state)
{
    static const char *const types[] = {"s", "i", "l", "t", "h", "b", "d", "f", "T", "si", "dls", "ssi"};
    static const int64_t v[][4] = {{1, 2, 3, 4}, {0, 2, 3, 4}, {KIT_NULL, 2, 3, 4}, {1, KIT_NULL, 3, 4}, {1, 2, 3, 4}, {0, 2, 6, 4}, {KIT_NULL, 2, 3, 4}};
    enum { N = 7 };
    (void)state;
    for (size_t i = 0; i < SQ_LEN(types); i++) {
        uint32_t cols = (uint32_t)strlen(types[i]), index[N], sel[] = {1, 2, 4, 6};
        struct sq_vec dict[4], con[4];
        struct sq_keys a, b, c;
        struct sq_hashtab t;
        struct sq_entry *e[N], *again[N];
        struct sq_out out, back;
        struct kit k;
        kit_init(&k);
        fill(&k, &out, types[i], v, N);
        fill(&k, &back, types[i], v, 0);
        const struct sq_batch *flat = sq_out_batch(&out);
        struct sq_batch turned = *flat, one = *flat;
        load(&k, &a, types[i], flat);
        for (uint32_t r = 0; r < N; r++)
            index[r] = N - 1 - r;
        for (uint32_t col = 0; col < cols; col++) {
            dict[col] = (struct sq_vec){.type = flat->cols[col].type, .enc = SQ_DICT, .index = index, .child = (struct sq_vec *)(uintptr_t)&flat->cols[col], .nchild = 1};
            con[col] = *sq_vec_const(&k.arena, &flat->cols[col], 1);
        }
        turned.cols = dict;
        turned.sel = sel;
        turned.nsel = 4;
        load(&k, &b, types[i], &turned);
        for (uint32_t p = 0; p < 4; p++) {
            uint32_t r = N - 1 - sel[p];
            assert_int_equal(b.hash[p], a.hash[r]);
            assert_int_equal(b.null && b.null[p], a.null && a.null[r]);
            assert_true((a.null && a.null[r]) || sq_view_eq(&a.key[r], &b.key[p]));
        }
        one.cols = con;
        load(&k, &c, types[i], &one);
        for (uint32_t r = 0; r < N; r++)
            assert_int_equal(c.hash[r], a.hash[1]);

        kit_ok(&k, sq_hashtab_init(&t, &k.ctx, 16));
        kit_ok(&k, sq_hashtab_upsert(&t, N, a.hash, a.key, a.null, e));
        for (uint32_t r = 0; r < N; r++)
            for (uint32_t q = 0; q < N; q++) {
                bool same = true;
                for (uint32_t col = 0; col < cols; col++)
                    same &= v[r][col] == v[q][col];
                if (types[i][0] == 'b')
                    same = v[r][0] == v[q][0];
                assert_int_equal(e[r] == e[q], same);
            }
        sq_hashtab_find(&t, 4, b.hash, b.key, b.null, again);
        for (uint32_t p = 0; p < 4; p++)
            assert_ptr_equal(again[p], e[N - 1 - sel[p]]);
        kit_ok(&k, sq_keys_append(&a, e, N, back.cols));
        kit_ok(&k, sq_out_rows(&back, N));
        sq_out_batch(&back);
        for (uint32_t r = 0; r < N; r++)
            for (uint32_t col = 0; col < cols; col++)
                assert_int_equal(sq_vec_compare(&back.cols[col].vec, r, &flat->cols[col], r), 0);
        sq_hashtab_free(&t);
        sq_keys_free(&a);
        sq_keys_free(&b);
        sq_keys_free(&c);
        sq_out_free(&out);
        sq_out_free(&back);
        kit_free(&k);
    }
}

static void floats_are_one_zero_and_one_nan(void **state)
{
    double d[] = {0.0, -0.0, __builtin_nan("1"), -__builtin_nan("2"), 1.0};
    struct sq_vec v = {.type = &sq_type_double, .data = d};
    struct sq_batch b = {.rows = 5, .nsel = 5, .ncols = 1, .cols = &v};
    struct sq_keys keys;
    struct kit k;
    (void)state;
    kit_init(&k);
    load(&k, &keys, "d", &b);
    assert_true(keys.hash[0] == keys.hash[1] && sq_view_eq(&keys.key[0], &keys.key[1]));
    assert_true(keys.hash[2] == keys.hash[3] && sq_view_eq(&keys.key[2], &keys.key[3]));
    assert_true(keys.hash[0] != keys.hash[4]);
    sq_keys_free(&keys);
    kit_free(&k);
}

/* Hashes spread over key groups and tags, also of numbers in a row. */
static void hashes_spread(void **state)
{
    enum { N = 2048 };
    static int64_t v[N];
    static struct sq_view s[N];
    char buf[32];
    (void)state;
    for (int what = 0; what < 2; what++) {
        struct sq_vec vec = {.type = what ? &sq_type_string : &sq_type_bigint, .data = what ? (void *)s : (void *)v};
        struct sq_batch b = {.rows = N, .nsel = N, .ncols = 1, .cols = &vec};
        uint32_t high[128] = {0}, low[128] = {0};
        struct sq_keys keys;
        struct kit k;
        kit_init(&k);
        for (int i = 0; i < N; i++) {
            v[i] = i * 1024;
            s[i] = sq_view_of(buf, (uint32_t)snprintf(buf, sizeof buf, "sensor%04d", i));
        }
        load(&k, &keys, what ? "s" : "l", &b);
        for (int i = 0; i < N; i++) {
            high[sq_key_group(keys.hash[i])]++;
            low[keys.hash[i] & 127]++;
        }
        for (int i = 0; i < 128; i++) {
            assert_in_range(high[i], 2, 45);
            assert_in_range(low[i], 2, 45);
        }
        sq_keys_free(&keys);
        kit_free(&k);
    }
}

/* ---- the table against an array ---- */

struct item { char key[40]; uint32_t len; struct sq_entry *e; int64_t value; bool live; };

static void table_model(void **state)
{
    enum { N = 4000 };
    static struct item items[N];
    uint64_t seed = 77, hash[64];
    struct sq_view view[64];
    struct sq_entry *e[64];
    uint32_t which[64];
    struct sq_hashtab t;
    struct kit k;
    size_t live = 0;
    (void)state;
    kit_init(&k);
    kit_ok(&k, sq_hashtab_init(&t, &k.ctx, sizeof(int64_t)));
    memset(items, 0, sizeof items);
    for (int i = 0; i < N; i++)
        items[i].len = (uint32_t)snprintf(items[i].key, sizeof items[i].key, i % 3 ? "k%d" : "a much longer key, number %d", i);
    for (int step = 0; step < 6000; step++) {
        uint32_t n = 1 + (uint32_t)(kit_random(&seed) % 64);
        int range = step < 3000 ? N : 50;                /* later: few keys, so the table empties and fills */
        for (uint32_t i = 0; i < n; i++) {
            which[i] = (uint32_t)(kit_random(&seed) % (uint64_t)range);
            view[i] = sq_view_of(items[which[i]].key, items[which[i]].len);
            hash[i] = sq_hash_bytes(items[which[i]].key, items[which[i]].len);
        }
        if (kit_random(&seed) % 3) {
            kit_ok(&k, sq_hashtab_upsert(&t, n, hash, view, NULL, e));
            for (uint32_t i = 0; i < n; i++) {
                struct item *it = &items[which[i]];
                int64_t *value = SQ_PAYLOAD(e[i]);
                if (!it->live) {
                    assert_int_equal(*value, 0);         /* fresh */
                    *it = (struct item){.len = it->len, .e = e[i], .value = (int64_t)(kit_random(&seed) | 1), .live = true};
                    memcpy(it->key, sq_view_ptr(&e[i]->key), it->len);
                    *value = it->value;
                    live++;
                }
                assert_ptr_equal(e[i], it->e);           /* stable */
                assert_int_equal(*value, it->value);
            }
        } else {
            sq_hashtab_find(&t, n, hash, view, NULL, e);
            for (uint32_t i = 0; i < n; i++)
                assert_ptr_equal(e[i], items[which[i]].live ? items[which[i]].e : NULL);
            for (uint32_t i = 0; i < n; i++) {
                struct item *it = &items[which[i]];
                if (it->live && kit_random(&seed) % 2) {
                    sq_hashtab_remove(&t, it->e);
                    it->live = false;
                    live--;
                }
            }
        }
        assert_int_equal(t.count, live);
    }
    struct sq_hashtab_iter iter = {0};
    struct sq_entry *entry;
    size_t seen = 0;
    while ((entry = sq_hashtab_next(&t, &iter)))
        seen++;
    assert_int_equal(seen, live);
    sq_hashtab_free(&t);
    kit_free(&k);
}

/* All keys in one home group with one tag: slow, and right. */
static void colliding_hashes(void **state)
{
    enum { N = 500 };
    struct sq_entry *e[N], *found[N];
    struct sq_view view[N];
    uint64_t hash[N];
    struct sq_hashtab t;
    struct kit k;
    char buf[16];
    (void)state;
    kit_init(&k);
    kit_ok(&k, sq_hashtab_init(&t, &k.ctx, 8));
    for (int i = 0; i < N; i++) {
        view[i] = sq_view_of(buf, (uint32_t)snprintf(buf, sizeof buf, "%d", i));
        hash[i] = 42;
    }
    kit_ok(&k, sq_hashtab_upsert(&t, N, hash, view, NULL, e));
    for (int i = 0; i < N; i += 2)
        sq_hashtab_remove(&t, e[i]);
    sq_hashtab_find(&t, N, hash, view, NULL, found);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(found[i], i % 2 ? e[i] : NULL);
    sq_hashtab_free(&t);
    kit_free(&k);
}

/* A NULL is not the empty string. */
static void null_keys(void **state)
{
    struct sq_entry *e[3];
    struct sq_view view[3] = {{0}, {0}, {0}};
    uint64_t hash[3] = {7, 7, 7};
    uint8_t null[3] = {0, 1, 1};
    struct sq_hashtab t;
    struct kit k;
    (void)state;
    kit_init(&k);
    kit_ok(&k, sq_hashtab_init(&t, &k.ctx, 8));
    kit_ok(&k, sq_hashtab_upsert(&t, 3, hash, view, null, e));
    assert_ptr_not_equal(e[0], e[1]);
    assert_ptr_equal(e[1], e[2]);
    sq_hashtab_free(&t);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slab), cmocka_unit_test(keys_of_all_types), cmocka_unit_test(floats_are_one_zero_and_one_nan), cmocka_unit_test(hashes_spread),
        cmocka_unit_test(table_model), cmocka_unit_test(colliding_hashes), cmocka_unit_test(null_keys),
    };
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
