/* Cancels a commit: see cancel.h. One in the middle of prepare ends as if a service had refused it,
 * once those that were called have answered. */
#include "plugins/config/cancel.h"

#include <string.h>

#include "plugins/config/job.h"
#include "plugins/config/participant.h"
#include "plugins/config/reply.h"

int cancel_fail(const char *who, struct orb_err *err)
{
    return orb_fail(err, ORB_E_STATE, "canceled by %s; nothing was changed", who);
}

static bool is_of(const struct ask *ask, const struct job *job)
{
    return job && !job->undoes && !strcmp(job->user, ask->who);
}

/* The commit that is in progress. */
static int cancel_running(const struct ask *ask, struct tx *tx, struct orb_err *err)
{
    if (tx->prepared || tx->live_at)
        return orb_fail(err, ORB_E_STATE,
                        "the commit is being applied and cannot be canceled any more; wait for its "
                        "end, then `orbctl config rollback 1` and commit");
    if (!tx->err.code)
        cancel_fail(ask->who, &tx->err);
    return 0;
}

/* One that waits, or is being checked for its turn, in slices. */
static bool cancel_waiting(const struct ask *ask)
{
    struct engine *e = ask->engine;
    struct orb_err why;

    if (is_of(ask, e->beginning) && !e->beginning->canceled) {
        e->beginning->canceled = true;
        return true;
    }
    cancel_fail(ask->who, &why);
    for (struct job **at = &e->jobs; *at; at = &(*at)->next) {
        struct job *job = *at;

        if (!is_of(ask, job))
            continue;
        *at = job->next;
        reply_refuse(e, job->req, &why);
        job_free(job);
        return true;
    }
    return false;
}

void cancel_method(struct ask *ask)
{
    struct engine *e = ask->engine;
    struct orb_err err = {0};

    if (e->tx && is_of(ask, e->tx->job))
        cancel_running(ask, e->tx, &err);
    else if (!cancel_waiting(ask))
        orb_fail(&err, ORB_E_STATE, "no commit of %s is in progress or waits", ask->who);
    if (err.code)
        reply_refuse(e, ask->req, &err);
    else
        reply_tree(e, ask->req, json_object());
}
