/* Events about a commit: see publish.h. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/grants.h"
#include "plugins/config/member.h"
#include "plugins/config/publish.h"
#include "plugins/config/report.h"

#define MAX_PATHS_TOLD 100

/* Paths, truncated to what all may see, without duplicates; with parts_only just the parts. */
static json_t *paths_told(const struct tx *tx, bool parts_only)
{
    json_t *told = json_object();

    for (size_t i = 0; i < json_array_size(tx->patch); i++) {
        const char *path = member_text(json_array_get(tx->patch, i), "path", "/");
        AUTO_FREE char *part = parts_only ? xstrndup(path, 1 + strcspn(path + 1, "/"))
                                          : grants_path(tx->engine, NULL, path);

        json_object_set_new(told, part, json_true());
        parts_pause(&tx->engine->parts);
    }
    return told;
}

void publish_committed(const struct tx *tx)
{
    struct engine *engine = tx->engine;
    struct schema_shared shared = {.units = PARTS_UNITS}; /* of all paths */
    struct parts_request request = engine->parts.now;
    AUTO(json_t) json_t *told = NULL;
    const char *paths[MAX_PATHS_TOLD], *key;
    json_t *flag;
    size_t count = 0;

    /* More than that: only which parts, as everything below them may have changed. */
    engine->parts.now.shared = &shared;
    told = paths_told(tx, json_array_size(tx->patch) > MAX_PATHS_TOLD);
    engine->parts.now = request;
    json_object_foreach (told, key, flag) {
        if (count < MAX_PATHS_TOLD)
            paths[count++] = key;
    }
    engine->host.publish(engine->host.arg, engine->store.revision, paths, count);
    report_step(engine, "published");
}
