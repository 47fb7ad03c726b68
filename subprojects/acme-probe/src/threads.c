/* Long work in a thread, which leaves the loop free. The thread calls nothing but orb_post();
 * shared data is passed with the call. */
#include "probe.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct job {
    struct job *next;
    struct orb_ctx *ctx;
    struct orb_req *req;
    pthread_t thread;
    int64_t steps;
    int64_t counted; /* the loop's */
    atomic_bool cancelled;
};

static void on_step(struct orb_ctx *ctx, void *arg)
{
    struct job *job = arg;

    job->counted++;
}

static void on_finished(struct orb_ctx *ctx, void *arg)
{
    struct probe *probe = orb_user(ctx);
    struct job **at = &probe->jobs, *job = arg;
    cJSON *out = cJSON_CreateObject();

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    orb_add_int64(out, "counted", job->counted);
    orb_reply(job->req, out);
    pthread_join(job->thread, NULL);
    free(job);
}

/* False: the worker stops, and no caller waits for the job any more. */
static bool post(struct job *job, orb_post_fn *fn)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    int r;

    while ((r = orb_post(job->ctx, fn, job, NULL)) == ORB_E_BUSY)
        nanosleep(&pause, NULL); /* the loop is behind */
    return r == 0;
}

static void *run(void *arg)
{
    struct job *job = arg;
    bool ok = true;

    for (int64_t i = 0; ok && i < job->steps; i++)
        ok = !atomic_load(&job->cancelled) && post(job, on_step);
    if (ok)
        post(job, on_finished);
    return NULL;
}

int probe_on_count(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct probe *probe = orb_user(ctx);
    struct job *job = calloc(1, sizeof(*job));
    int r;

    if (!job)
        return orb_fail(err, ORB_E_NOMEM, "no memory for one more job");
    job->ctx = ctx;
    job->req = req;
    job->steps = orb_number(in, "steps", 1);
    r = pthread_create(&job->thread, NULL, run, job);
    if (r) {
        free(job);
        return orb_fail(err, -r, "no thread for one more job (limits.threads)");
    }
    job->next = probe->jobs;
    probe->jobs = job;
    return 0;
}

void probe_jobs_end(struct probe *probe)
{
    while (probe->jobs) {
        struct job *job = probe->jobs;

        probe->jobs = job->next;
        atomic_store(&job->cancelled, true);
        pthread_join(job->thread, NULL);
        free(job);
    }
}
