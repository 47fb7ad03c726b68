/* Commits that do not wait for the services they are about: see urgent.h. */
#include "core/base/own.h"
#include "plugins/config/bypass.h"
#include "plugins/config/call.h"
#include "plugins/config/candidate.h"
#include "plugins/config/giveup.h"
#include "plugins/config/grants.h"
#include "plugins/config/job.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/urgent.h"

/* The patch of a job that is about /services; NULL: it is not. */
static json_t *services_patch(struct engine *engine, const struct job *job)
{
    const struct candidate *c = job->dry_run ? NULL : candidate_find(engine, job->user);
    AUTO(json_t) json_t *patch = NULL;
    char *services = (char *)"/services";

    if (!c)
        return NULL;
    patch = overlay_patch(&c->changes, engine->store.running);
    return grants_patch_within(&engine->parts, patch, &services, 1);
}

/* The first participant that the transaction waits for and from which the patch takes something
 * away. */
static struct participant *takes_from(const struct tx *tx, const json_t *patch)
{
    for (size_t i = 0; i < tx->count; i++)
        if (call_of(&tx->parts[i]) && bypass_takes_away(tx->engine, tx->parts[i].name, patch))
            return &tx->parts[i];
    return NULL;
}

bool urgent_is(struct engine *engine, const struct job *job)
{
    AUTO(json_t) json_t *patch = engine->tx ? services_patch(engine, job) : NULL;

    return patch && engine->tx && takes_from(engine->tx, patch); /* it may have ended meanwhile */
}

void urgent_pass(struct engine *engine, const struct job *job)
{
    AUTO(json_t) json_t *patch = services_patch(engine, job);
    uint64_t id = engine->tx->id;
    struct participant *p;

    while (engine->tx && engine->tx->id == id && (p = takes_from(engine->tx, patch)))
        giveup(p, "a commit that disables it, or takes something from it, came");
}
