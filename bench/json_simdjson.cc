// SPDX-License-Identifier: Apache-2.0
//
// json_simdjson.cc: the yardstick of the decoder: simdjson On-Demand over each line of an NDJSON file of readings, reading the fields id,
// timestamp and value and nothing else. g++ -O3 json_simdjson.cc -lsimdjson. Prints rows, CPU seconds, rows per CPU-second.
#include <simdjson.h>

#include <cstdio>
#include <cstring>
#include <sys/resource.h>
#include <vector>

static double cpu()
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return double(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + double(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return fprintf(stderr, "usage: %s FILE\n", argv[0]), 2;
    FILE *f = fopen(argv[1], "rb");
    if (!f)
        return perror(argv[1]), 1;
    double begin = cpu();
    std::vector<char> buf((1 << 20) + simdjson::SIMDJSON_PADDING);
    simdjson::ondemand::parser parser;
    size_t have = 0, rows = 0, length = 0, n;
    int64_t ts = 0;
    double sum = 0;
    const size_t room = buf.size() - simdjson::SIMDJSON_PADDING;

    while ((n = fread(buf.data() + have, 1, room - have, f)) > 0) {
        have += n;
        char *p = buf.data(), *end = p + have;
        while (char *nl = static_cast<char *>(memchr(p, '\n', size_t(end - p)))) {
            size_t rest = size_t(buf.data() + buf.size() - p);
            auto doc = parser.iterate(p, size_t(nl - p), rest);
            std::string_view id;
            int64_t t;
            double v;
            auto object = doc.get_object();
            if (object["id"].get(id) || object["timestamp"].get(t) || object["value"].get(v))
                return fprintf(stderr, "row %zu is malformed\n", rows), 1;
            length += id.size();
            ts += t;
            sum += v;
            rows++;
            p = nl + 1;
        }
        have = size_t(end - p);
        memmove(buf.data(), p, have);
    }
    double used = cpu() - begin;
    printf("simdjson: %zu rows, %.3f CPU-seconds, %.2f M rows per CPU-second (checks: %zu %lld %.3f)\n", rows, used, double(rows) / used / 1e6, length,
           (long long)ts, sum);
    fclose(f);
}
