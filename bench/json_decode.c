/* SPDX-License-Identifier: Apache-2.0
 *
 * json_decode.c: the json decoder alone over an NDJSON file of readings (id STRING, timestamp BIGINT, value DOUBLE): json_decode FILE [general].
 * Prints rows, CPU seconds, rows per CPU-second. With "general" it makes no guesses about shapes.
 */
#include "base/os.h"
#include "connectors/formats/json_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static double cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    enum { ROOM = 1 << 20 };
    struct sq_budget budget = {0};
    struct sq_ctx ctx = {.budget = &budget, .os = &sq_os_posix};
    const struct sq_type *types[] = {&sq_type_string, &sq_type_bigint, &sq_type_double};
    struct sq_table_column cols[3] = {{.name = SQ_STR("id"), .type = types[0]}, {.name = SQ_STR("timestamp"), .type = types[1]}, {.name = SQ_STR("value"), .type = types[2]}};
    struct sq_json_options opt = {.parser = true};
    struct sq_decoder *dec;
    struct sq_out out;
    static struct sq_slice rec[SQ_BATCH_ROWS];
    char *buf = malloc(ROOM + SQ_JSON_PAD);
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;

    if (!f || !buf)
        return 2;
    double begin = cpu();
    if (sq_json_decoder_open(&ctx, &opt, cols, 3, argc < 3, &dec) != SQ_OK || sq_out_init(&out, &ctx, types, 3) != SQ_OK)
        return 1;
    size_t have = 0, n, rows = 0, length = 0;
    int64_t ts = 0;
    double sum = 0;
    while ((n = fread(buf + have, 1, ROOM - have, f)) > 0) {
        char *p = buf, *end = buf + (have += n), *nl = p;
        while (nl) {
            uint32_t k = 0;
            for (; k < SQ_BATCH_ROWS && (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1)
                rec[k++] = (struct sq_slice){p, (size_t)(nl - p)};
            sq_out_reset(&out);
            struct sq_decode d = {.rec = rec, .nrec = k, .padded = true, .max_rows = SQ_BATCH_ROWS, .out = &out};
            if (sq_json_decode(dec, &d) != SQ_OK) {
                fprintf(stderr, "%s\n", ctx.err.msg);
                return 1;
            }
            const struct sq_batch *b = sq_out_batch(&out);
            for (uint32_t i = 0; i < b->rows; i++) {
                length += ((const struct sq_view *)b->cols[0].data)[i].len;
                ts += ((const int64_t *)b->cols[1].data)[i];
                sum += ((const double *)b->cols[2].data)[i];
            }
            rows += b->rows;
        }
        have = (size_t)(end - p);
        memmove(buf, p, have);
    }
    double used = cpu() - begin;
    printf("sqluice: %zu rows, %.3f CPU-seconds, %.2f M rows per CPU-second (checks: %zu %lld %.3f)\n", rows, used, (double)rows / used / 1e6, length, (long long)ts, sum);
    sq_json_decoder_close(dec);
    sq_out_free(&out);
    fclose(f);
    free(buf);
    return 0;
}
