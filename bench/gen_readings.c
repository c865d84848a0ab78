/* SPDX-License-Identifier: Apache-2.0
 *
 * gen_readings.c: sensor readings as NDJSON on standard output, about 60 bytes a line: gen_readings ROWS IDS SEED
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s ROWS IDS SEED\n", argv[0]);
        return 2;
    }
    uint64_t rows = strtoull(argv[1], NULL, 10), ids = strtoull(argv[2], NULL, 10), x = strtoull(argv[3], NULL, 10) * 2 + 1;
    int64_t ts = INT64_C(1700000000000);
    static char out[1 << 16];

    setvbuf(stdout, out, _IOFBF, sizeof out);
    for (uint64_t i = 0; i < rows && ids; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        uint64_t r = x * UINT64_C(0x2545F4914F6CDD1D);
        ts += (int64_t)(r >> 60);
        printf("{\"id\":\"sensor-%04" PRIu64 "\",\"timestamp\":%" PRId64 ",\"value\":%.3f}\n", (r >> 32) % ids, ts, (double)(r % 100000) / 1000);
    }
    return fflush(stdout) != 0;
}
