/* Candidates: what a user has edited and not yet committed, as changes over the running tree. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/candidate.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/overlay.h"
#include "plugins/config/validate.h"

void candidate_free(struct candidate *c)
{
    overlay_fini(&c->changes);
    buf_fini(&c->load);
    free(c->user);
    free(c);
}

void candidate_free_all(struct engine *engine)
{
    while (engine->candidates) {
        struct candidate *c = engine->candidates;

        engine->candidates = c->next;
        candidate_free(c);
    }
}

struct candidate *candidate_find(struct engine *engine, const char *user)
{
    for (struct candidate *c = engine->candidates; c; c = c->next)
        if (!strcmp(c->user, user))
            return c;
    return NULL;
}

struct candidate *candidate_new(struct engine *engine, const char *user)
{
    struct candidate *c = xcalloc(1, sizeof(*c));

    c->user = xstrdup(user);
    c->changes.parts = &engine->parts;
    c->next = engine->candidates;
    engine->candidates = c;
    return c;
}
