/* How much of the newest revisions a service may read: see seen.h. */
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/seen.h"

struct seen {
    struct seen *next;
    char *grants;
    size_t at; /* the entry that is replaced next */
    struct {
        uint64_t id;
        int changes;
    } list[SEEN_REVISIONS];
};

static void seen_free(struct seen *seen)
{
    free(seen->grants);
    free(seen);
}

/* Takes out the one of these grants, or the last when there are as many as may be. */
static struct seen *take(struct seen **at, const char *grants)
{
    struct seen *found;

    for (unsigned n = 1; *at && strcmp((*at)->grants, grants); n++) {
        if (n == SEEN_MAX) {
            seen_free(*at);
            *at = NULL;
            return NULL;
        }
        at = &(*at)->next;
    }
    found = *at;
    if (found)
        *at = found->next;
    return found;
}

struct seen *seen_of(struct engine *engine, const struct engine_caller *caller)
{
    AUTO(buf) struct buf grants = {0};
    struct seen *seen;

    for (const char *const *grant = caller->grants; grant && *grant; grant++)
        buf_addf(&grants, "%s\n", *grant);
    seen = take(&engine->seen, buf_str(&grants));
    if (!seen) {
        seen = xcalloc(1, sizeof(*seen));
        seen->grants = xstrdup(buf_str(&grants));
    }
    seen->next = engine->seen;
    engine->seen = seen;
    return seen;
}

bool seen_get(const struct seen *seen, uint64_t id, int *ret_changes)
{
    for (size_t i = 0; id && i < SEEN_REVISIONS; i++)
        if (seen->list[i].id == id) {
            *ret_changes = seen->list[i].changes;
            return true;
        }
    return false;
}

void seen_put(struct seen *seen, uint64_t id, int changes)
{
    seen->list[seen->at].id = id;
    seen->list[seen->at].changes = changes;
    seen->at = (seen->at + 1) % SEEN_REVISIONS;
}

void seen_free_all(struct engine *engine)
{
    while (engine->seen) {
        struct seen *s = engine->seen;

        engine->seen = s->next;
        seen_free(s);
    }
}
