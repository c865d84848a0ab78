/* SPDX-License-Identifier: Apache-2.0
 *
 * testcrash.c: the run of a test file whose INSERTs crash. They have checkpoints, of a few rows each; between any two turns one is broken off with a
 * chance of one in six, up to three times, and begun again with another number of workers. A query runs as an INSERT of its changes into files, which are read back.
 *
 * Everything is drawn from a seed that stands in the run's name, but what the thread that commits had done by then: so a failure may need a few runs to come again.
 */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ONE_IN = 6 };

void t_crash_init(struct t_crash *c, uint64_t seed)
{
    *c = (struct t_crash){ .on = true, .random = seed };
}

/* splitmix64 */
uint32_t t_crash_draw(struct t_crash *c, uint32_t below)
{
    uint64_t z = c->random += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) % below);
}

int t_crash_turn(void *arg)
{
    struct t_crash *c = arg;

    if (c->left == 0 || t_crash_draw(c, ONE_IN) != 0)
        return 0;
    c->left--;
    c->broken = true;
    return 1;
}

void t_crash_settings(struct t_crash *c, const char *dir, struct sh_buf *sql)
{
    sh_addf(sql, "SET 'execution.checkpointing.interval' = '10 ms'; SET 'execution.checkpointing.dir' = '%s/.checkpoints'; "
                 "SET 'execution.trigger.max-rows' = '%u'",
            dir, 1 + t_crash_draw(c, 5));
}

int t_crash_workers(struct t_crash *c, int before)
{
    static const int counts[] = { 1, 2, 4 };
    int n;

    do
        n = counts[t_crash_draw(c, 3)];
    while (n == before);
    return n;
}

bool t_crash_may(sqluice *db, const char *dir, const char *text)
{
    const char *interval = sqluice_setting(db, "execution.checkpointing.interval"), *chosen;

    if (strncasecmp(text, "INSERT", 6) != 0 && strncasecmp(text, "EXECUTE", 7) != 0)
        return false;
    if (!interval || strcmp(interval, "10 ms") != 0)            /* the test has set or reset it */
        return false;
    chosen = sqluice_setting(db, "execution.checkpointing.dir");
    return chosen && strncmp(chosen, dir, strlen(dir)) == 0;
}

static void add_name(struct sh_buf *b, const char *name)
{
    sh_adds(b, "`");
    for (const char *p = name; *p; p++)
        sh_add(b, *p == '`' ? "``" : p, *p == '`' ? 2 : 1);
    sh_adds(b, "`");
}

char *t_crash_table(struct t_crash *c, sqluice_stmt *q, const char *dir, char name[32])
{
    struct sh_buf b = { 0 };
    int n = sqluice_column_count(q);

    snprintf(name, 32, "changes_%u", ++c->tables);
    sh_addf(&b, "CREATE TABLE %s (", name);
    for (int i = 0; i < n; i++) {
        sh_adds(&b, i ? ", " : "");
        add_name(&b, sqluice_column_name(q, i));
        sh_addf(&b, " %s", sqluice_column_decltype(q, i));
    }
    sh_addf(&b, ") WITH ('connector' = 'filesystem', 'path' = '%s/.%s%s', 'format' = 'debezium-json')", dir, name,
            t_crash_draw(c, 2) ? "/" : ".ndjson");
    return b.p;
}
