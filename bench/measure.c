/* SPDX-License-Identifier: Apache-2.0
 *
 * measure.c: runs a command N times and prints what the kernel counted for it, as one line of
 *
 *     cpu_s=1.234 wall_ms=1240.5 rss_kb=9876 runs=5 status=0
 *
 * CPU (user and system of all threads) and wall time are medians, resident memory the largest. It is small and written in C so that what it
 * measures is not its own start. The command's standard output goes to /dev/null unless -o is given.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    int runs = 1, quiet = 1, opt;
    while ((opt = getopt(argc, argv, "+n:o")) != -1) {
        if (opt == 'n')
            runs = (int)strtol(optarg, NULL, 10);
        else if (opt == 'o')
            quiet = 0;
        else
            return 2;
    }
    if (optind >= argc || runs < 1 || runs > 1000) {
        fprintf(stderr, "usage: measure [-n RUNS] [-o] COMMAND [ARG ...]\n");
        return 2;
    }
    double cpu[1000], wall[1000];
    long rss = 0;
    int status = 0;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    if (quiet)
        posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    for (int i = 0; i < runs; i++) {
        struct rusage u;
        pid_t pid;
        double begin = now_ms();
        if (posix_spawnp(&pid, argv[optind], &files, NULL, argv + optind, environ) != 0) {
            fprintf(stderr, "measure: cannot start %s\n", argv[optind]);
            return 2;
        }
        int st;
        if (wait4(pid, &st, 0, &u) != pid)
            return 2;
        wall[i] = now_ms() - begin;
        cpu[i] = seconds(u.ru_utime) + seconds(u.ru_stime);
        if (u.ru_maxrss > rss)
            rss = u.ru_maxrss;
        if (st)
            status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
    }
    qsort(cpu, (size_t)runs, sizeof *cpu, by_value);
    qsort(wall, (size_t)runs, sizeof *wall, by_value);
    printf("cpu_s=%.4f wall_ms=%.3f rss_kb=%ld runs=%d status=%d\n", cpu[runs / 2], wall[runs / 2], rss, runs, status);
    return status != 0;
}
