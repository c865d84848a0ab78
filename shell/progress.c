/* SPDX-License-Identifier: Apache-2.0
 *
 * progress.c: what stands at the bottom of a terminal while work goes on: a line for the statement that runs and one for each job in the
 * background, drawn over a few times a second and taken away before anything else is written. In a pipe there is none.
 */
#include "shell.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { MOST_LINES = 8, SECOND_MS = 1000, HELD_MS = 5000 };

void sh_erase(struct sh *sh)
{
    if (sh->prompt) {
        fputs("\r\033[K", stdout);
        fflush(stdout);
        sh->prompt = NULL;
    }
    if (sh->progress_lines == 0)
        return;
    for (; sh->progress_lines > 1; sh->progress_lines--)
        fputs("\r\033[K\033[A", stderr);
    fputs("\r\033[K", stderr);
    fflush(stderr);
    sh->progress_lines = 0;
}

static void add_work(struct sh_buf *b, const sqluice_progress *p, double rate)
{
    sh_add_grouped(b, p->rows_in);
    sh_adds(b, " rows, ");
    sh_add_grouped(b, (unsigned long long)(rate + 0.5));
    sh_adds(b, " rows/s");
    if (p->bytes_in)
        sh_addf(b, ", %.1f MB", (double)p->bytes_in / 1e6);
    if (p->bytes_in && p->bytes_total > 0)
        sh_addf(b, " of %.1f, %d %%", (double)p->bytes_total / 1e6,
                p->bytes_in >= (uint64_t)p->bytes_total ? 100 : (int)((double)p->bytes_in * 100 / (double)p->bytes_total));
    if (p->lag) {
        sh_adds(b, ", ");
        sh_add_grouped(b, p->lag);
        sh_adds(b, " behind");
    }
    if (p->epoch)
        sh_addf(b, ", epoch %llu", (unsigned long long)p->epoch);
    if (p->checkpoints)
        sh_addf(b, " (%.1f MB in %lld ms)", (double)p->checkpoint_bytes / 1e6, (long long)p->checkpoint_ms);
    if (p->watermark_us > INT64_MIN) {
        time_t sec = (time_t)(p->watermark_us / 1000000 - (p->watermark_us % 1000000 < 0));
        struct tm tm;
        char text[32];

        if (gmtime_r(&sec, &tm) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm))
            sh_addf(b, ", watermark %s", text);
    }
    if (p->held_by[0] && p->held_ms >= HELD_MS)
        sh_addf(b, " held back by %s (nothing for %lld s)", p->held_by, (long long)(p->held_ms / 1000));
}

/* Over the last second or so; at first over all of the time. */
static double rate_of(struct sh_job *j, const sqluice_progress *p)
{
    long long ms = p->elapsed_ms - j->rate_ms;

    if (ms >= SECOND_MS) {
        j->rate = (double)(p->rows_in - j->rate_rows) * 1000.0 / (double)ms;
        j->rate_rows = p->rows_in;
        j->rate_ms = p->elapsed_ms;
    }
    return j->rate;
}

static struct sh_job *known(struct sh *sh, const char *id)
{
    for (size_t i = 0; i < sh->njobs; i++)
        if (strcmp(sh->jobs[i].id, id) == 0)
            return &sh->jobs[i];
    return NULL;
}

struct lines { struct sh_buf text[MOST_LINES]; int n, jobs; unsigned long long rows; double rate; };

static void add_jobs(struct sh *sh, struct lines *l, int room)
{
    sqluice_job job;
    struct sh_job *j;

    for (int i = 0; sqluice_job_at(sh->db, i, &job); i++) {
        if (job.status != SQLUICE_JOB_RUNNING || job.progress.elapsed_ms < SECOND_MS || !(j = known(sh, job.id)))
            continue;
        double rate = rate_of(j, &job.progress);

        l->jobs++;
        l->rows += job.progress.rows_in;
        l->rate += rate;
        if (l->n >= room)
            continue;
        if (sh->njobs > 1)
            sh_addf(&l->text[l->n], "%s: ", job.name);
        add_work(&l->text[l->n++], &job.progress, rate);
    }
}

/* More jobs than lines: one line for all of them. */
static void sum_up(struct lines *l, int from)
{
    for (int i = from; i < l->n; i++)
        l->text[i].n = 0;
    l->n = from + 1;
    sh_addf(&l->text[from], "%d jobs: ", l->jobs);
    sh_add_grouped(&l->text[from], l->rows);
    sh_adds(&l->text[from], " rows, ");
    sh_add_grouped(&l->text[from], (unsigned long long)(l->rate + 0.5));
    sh_adds(&l->text[from], " rows/s");
}

static void print_cut(const struct sh_buf *b, int columns)
{
    size_t i = 0;
    unsigned code;

    for (int used = 0; i < b->n; ) {
        size_t len = sh_utf8(b->p + i, b->n - i, &code);

        used += sh_char_width(code);
        if (used >= columns)
            break;
        i += len;
    }
    fwrite(b->p, 1, i, stderr);
}

void sh_progress(struct sh *sh, const sqluice_progress *p)
{
    struct winsize size = { .ws_row = 24, .ws_col = 80 };
    struct lines l = { 0 };
    int room;

    if (!sh->progress || sh->quiet || (sh->interactive && !p))
        return;
    ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
    room = size.ws_row > MOST_LINES || size.ws_row == 0 ? MOST_LINES : size.ws_row > 2 ? size.ws_row - 1 : 1;
    if (p && p->elapsed_ms >= SECOND_MS)
        add_work(&l.text[l.n++], p, (double)p->rows_in * 1000.0 / (double)p->elapsed_ms);
    if (!sh->interactive) {
        int from = l.n < room ? l.n : room - 1;

        add_jobs(sh, &l, room);
        if (l.jobs > room - from)
            sum_up(&l, from);
    }
    sh_erase(sh);
    fflush(stdout);
    for (int i = 0; i < l.n; i++) {
        if (i)
            putc('\n', stderr);
        print_cut(&l.text[i], size.ws_col ? size.ws_col : 80);
    }
    fflush(stderr);
    sh->progress_lines = l.n;
    for (int i = 0; i < MOST_LINES; i++)
        sh_free(&l.text[i]);
}
