/* Commits that wait: see job.h. */
#include <stdlib.h>
#include <string.h>

#include "plugins/config/grants.h"
#include "plugins/config/job.h"

void job_free(struct job *job)
{
    if (!job)
        return;
    free(job->user);
    free(job->comment);
    free(job->again);
    grants_paths_free(job->reads);
    json_decref(job->question);
    free(job);
}

/* An identity with many commits must not block those of others. */
static int check_room(const struct engine *engine, const struct job *job, struct orb_err *err)
{
    bool service = grants_is_service(job->user);
    unsigned n = 0, own = 0, of_services = 0;

    for (const struct job *j = engine->jobs; j; j = j->next) {
        own += !strcmp(j->user, job->user);
        of_services += grants_is_service(j->user);
        n++;
    }
    if (own >= ENGINE_JOBS_OF_ONE)
        return orb_fail(err, ORB_E_BUSY, "%u commits of %s are waiting already", own, job->user);
    if (n >= ENGINE_MAX_JOBS || (service && of_services >= ENGINE_MAX_JOBS / ENGINE_FOR_USERS))
        return orb_fail(err, ORB_E_BUSY, "%u commits are waiting already",
                        service ? of_services : n);
    return 0;
}

int job_push(struct engine *engine, struct job *job, bool first, struct orb_err *err)
{
    struct job **at = &engine->jobs;

    if (!first && check_room(engine, job, err) < 0) {
        job_free(job);
        return ORB_E_BUSY;
    }
    while (*at && !first)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
    return 0;
}

void job_take(struct engine *engine)
{
    engine->beginning = engine->jobs;
    engine->jobs = engine->jobs->next;
    engine->beginning->next = NULL;
}

void job_put_back(struct engine *engine)
{
    struct job **at = &engine->jobs;

    if (*at && (*at)->undoes)
        at = &(*at)->next;
    engine->beginning->next = *at;
    *at = engine->beginning;
    engine->beginning = NULL;
}

void job_free_all(struct engine *engine)
{
    job_free(engine->beginning);
    engine->beginning = NULL;
    while (engine->jobs) {
        struct job *job = engine->jobs;

        engine->jobs = job->next;
        job_free(job);
    }
}
