#include "core/host/service_control.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/xalloc.h"
#include "core/host/confpart.h"
#include "core/host/follow.h"
#include "core/host/host_internal.h"
#include "core/ipc/host.h"
#include "core/json/scan.h"
#include "core/sup/control.h"

/* One request, with all of its caller that is needed later. */
struct service_control_job {
    struct service_control_job *next;
    struct host_req *req;
    enum peer_kind kind;
    char *user, *method, *input;
};

static void free_job(struct service_control_job *job)
{
    free(job->user);
    free(job->method);
    free(job->input);
    free(job);
}

static int run(struct orbitald *host, const char *method, const char *name, const char *user,
               struct orb_err *err)
{
    if (!strcmp(method, "service-start"))
        return control_start(host->supervisor, name, err);
    if (!strcmp(method, "service-restart"))
        return control_restart(host->supervisor, name, err);
    if (follow_may_stop(host, name, err) < 0)
        return err->code;
    return control_stop(host->supervisor, name, user, err);
}

static void do_job(struct orbitald *host, const struct service_control_job *job)
{
    struct orb_err err = {0};
    char name[80];
    int r;

    json_text_member(job->input, strlen(job->input), "name", name, sizeof(name));
    r = run(host, job->method, name, job->user, &err);
    if (peer_kind_is_user(job->kind))
        log_notice(host->log, "audit.order", KV("user", job->user),
                   KV("kind", peer_kind_name(job->kind)), KV("method", job->method),
                   KV("input", job->input), KV("result", r < 0 ? err.text : "ok"));
    if (r < 0)
        host_reply_error(job->req, &err);
    else
        host_reply(job->req, "{}", 2);
}

bool service_control_request(struct orbitald *host, struct host_req *req,
                             const struct host_caller *caller, const char *method,
                             const char *input, size_t len)
{
    struct service_control_job *job, **end = &host->control_first;
    char name[80];

    if (strcmp(method, "service-start") && strcmp(method, "service-stop") &&
        strcmp(method, "service-restart"))
        return false;
    job = xcalloc(1, sizeof(*job));
    job->req = req;
    job->kind = caller->kind;
    job->user = xstrdup(caller->name);
    job->method = xstrdup(method);
    job->input = xstrndup(input, len);
    json_text_member(job->input, strlen(job->input), "name", name, sizeof(name));
    /* the config service itself is what the reading waits for */
    if (confpart_is_being_read(host->services) && strcmp(name, "config")) {
        while (*end)
            end = &(*end)->next;
        *end = job;
        return true;
    }
    do_job(host, job);
    free_job(job);
    return true;
}

void service_control_resume(struct orbitald *host)
{
    struct service_control_job *job = host->control_first, *next;

    host->control_first = NULL;
    for (; job; job = next) {
        next = job->next;
        do_job(host, job);
        free_job(job);
    }
}

void service_control_end(struct orbitald *host)
{
    struct service_control_job *job = host->control_first, *next;
    struct orb_err err = {0};

    host->control_first = NULL;
    orb_fail(&err, ORB_E_UNAVAILABLE, "the host is stopping");
    for (; job; job = next) {
        next = job->next;
        host_reply_error(job->req, &err);
        free_job(job);
    }
}
