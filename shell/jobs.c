/* SPDX-License-Identifier: Apache-2.0
 *
 * jobs.c: the jobs that a session has left running in the background: where their statements stand (for their errors), which of them have ended and
 * were not told yet, and waiting for them at the end of the files.
 */
#include "shell.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 200 };

static int line_of(const struct sh_script *s, size_t at)
{
    int line = 1;

    for (size_t i = 0; i < at; i++)
        line += s->text[i] == '\n';
    return line;
}

void sh_job_started(struct sh *sh, const struct sh_script *s, const char *file, sqluice_stmt *q)
{
    const char *id = sqluice_stmt_job(q), *name = "?";
    sqluice_job job;

    for (int i = 0; sqluice_job_at(sh->db, i, &job); i++)
        if (strcmp(job.id, id) == 0)
            name = job.name;
    sh->jobs = sh_grow(sh->jobs, sizeof *sh->jobs, sh->njobs, &sh->jobs_cap);
    sh->jobs[sh->njobs++] = (struct sh_job){
        .id = sh_strndup(id, strlen(id)), .name = sh_strndup(name, strlen(name)), .file = sh_strndup(file, strlen(file)),
        .text = sh_strndup(s->text + s->base, s->pos - s->base), .first_line = line_of(s, s->base),
    };
    if (sh->interactive && !sh->quiet)
        fprintf(stderr, "job %s (%s) runs in the background; .jobs shows it, STOP JOB '%s' ends it\n", id, name, id);
}

static void free_job(struct sh_job *j)
{
    free(j->id);
    free(j->name);
    free(j->file);
    free(j->text);
}

void sh_jobs_free(struct sh *sh)
{
    for (size_t i = 0; i < sh->njobs; i++)
        free_job(&sh->jobs[i]);
    free(sh->jobs);
    sh->jobs = NULL;
    sh->njobs = sh->jobs_cap = 0;
}

/* 0: the engine has forgotten it. */
static int status_of(struct sh *sh, const struct sh_job *j)
{
    sqluice_job job;

    for (int i = 0; sqluice_job_at(sh->db, i, &job); i++)
        if (strcmp(job.id, j->id) == 0)
            return job.status;
    return 0;
}

bool sh_job_failed(struct sh *sh)
{
    for (size_t i = 0; i < sh->njobs; i++)
        if (!sh->jobs[i].told && status_of(sh, &sh->jobs[i]) == SQLUICE_JOB_FAILED)
            return true;
    return false;
}

bool sh_jobs_running(struct sh *sh)
{
    sqluice_job job;

    for (int i = 0; sqluice_job_at(sh->db, i, &job); i++)
        if (job.status == SQLUICE_JOB_RUNNING)
            return true;
    return false;
}

static void tell_failed(struct sh *sh, const struct sh_job *j)
{
    const char *text;
    size_t n;

    sqluice_job_error(sh->db, j->id);
    text = sqluice_error_render(sh->db, j->file, j->text, j->first_line);
    n = strlen(text);
    sh_erase(sh);
    fflush(stdout);
    if (sh->njobs > 1 || sh->interactive)
        fprintf(stderr, "job %s (%s) failed\n", j->id, j->name);
    fputs(text, stderr);
    if (n == 0 || text[n - 1] != '\n')
        putc('\n', stderr);
}

static void tell(struct sh *sh, const struct sh_job *j, int status)
{
    bool several = sh->njobs > 1 && !sh->interactive;

    if (status == SQLUICE_JOB_FAILED) {
        tell_failed(sh, j);
    } else if (sh->interactive && !sh->quiet) {
        sh_erase(sh);
        fprintf(stderr, "job %s (%s) %s\n", j->id, j->name, status == SQLUICE_JOB_CANCELED ? "was stopped" : "has finished");
    }
    sh_show_account(sh, several ? j->name : NULL, sqluice_job_account(sh->db, j->id));
}

int sh_jobs_tell(struct sh *sh)
{
    int code = EXIT_DONE;

    for (size_t i = 0; i < sh->njobs; i++) {
        struct sh_job *j = &sh->jobs[i];
        int status = j->told ? 0 : status_of(sh, j);

        if (j->told || status == SQLUICE_JOB_RUNNING)
            continue;
        j->told = true;
        if (status == 0)
            continue;
        tell(sh, j, status);
        if (status == SQLUICE_JOB_FAILED)
            code = EXIT_FAILED;
    }
    return code;
}

int sh_jobs_wait(struct sh *sh, bool stop)
{
    int code = EXIT_DONE, rc = SQLUICE_OK;
    bool asked = false;

    for (;;) {
        if ((stop || sh_interrupted()) && !asked && sh_jobs_running(sh)) {
            asked = true;
            sqluice_job_stop(sh->db, NULL, 0);
        }
        rc = sqluice_job_wait(sh->db, NULL, LOOK_MS);
        sh_erase(sh);
        if (fflush(stdout) != 0 || sh->output_failed) {
            code = code == EXIT_DONE ? sh_output_gone(sh) : code;
            sh->output_failed = false;
            stop = true;
        }
        if (sh_jobs_tell(sh) != EXIT_DONE) {
            code = EXIT_FAILED;
            stop = true;
        }
        if (rc == SQLUICE_DONE)
            return code;
        if (!sh->interactive)
            sh_progress(sh, NULL);
    }
}
