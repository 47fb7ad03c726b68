/* Safe mode: see safe.h. */
#include <inttypes.h>

#include "core/base/own.h"
#include "plugins/config/commit.h"
#include "plugins/config/history.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/safe.h"

#define SAFE_PROBLEM "safe-mode"

/* What runs in safe mode is committed, so that it is in the history and commits can follow. */
static int go_back(struct engine *engine, uint64_t revision, struct orb_err *err)
{
    AUTO_FREE char *comment = buf_format(
        "safe mode: revision %" PRIu64 " is the last that is known to run well", revision);
    struct revision meta = {.user = (char *)ENGINE_ITSELF, .comment = comment};
    AUTO(overlay) struct overlay old = {0};
    AUTO(json_t) json_t *patch = NULL;
    int r = history_overlay(&engine->store, revision, &old, err);

    if (r < 0)
        return r;
    patch = overlay_patch(&old, engine->store.running);
    return json_array_size(patch) ? commit_alone(engine, &meta, patch, err) : 0;
}

/* Until a user commits something, or the service restarts. older: the running configuration is not
 * the last committed one. */
static void tell_safe(struct engine *engine, bool older, const char *what)
{
    if (engine->host.problem)
        engine->host.problem(engine->host.arg, SAFE_PROBLEM, older, what,
                             "mend what kept orbitald from running, then commit again, or go "
                             "back with `orbctl config rollback`");
}

void safe_over(struct engine *engine)
{
    tell_safe(engine, false, NULL);
}

void safe_at_boot(struct engine *engine)
{
    uint64_t revision = engine->host.safe_revision, was = engine->store.revision;
    struct orb_err err = {0};

    if (!revision || revision >= was || engine->store.held || engine->store.damage.lost)
        return;
    if (go_back(engine, revision, &err) < 0) {
        AUTO_FREE char *what = buf_format("safe mode could not go back to revision %" PRIu64
                                          ", so %" PRIu64 " runs: %s",
                                          revision, was, err.text);

        log_error(engine->host.log, "config.safe-mode.not-possible", KV("revision", revision),
                  KV("why", err.text));
        tell_safe(engine, false, what);
    } else {
        AUTO_FREE char *what = buf_format("safe mode runs revision %" PRIu64 " instead of %" PRIu64
                                          ", which was committed last",
                                          revision, was);

        log_warn(engine->host.log, "config.safe-mode", KV("revision", revision),
                 KV("instead-of", was));
        if (engine->store.revision != was) /* else the two are the same */
            tell_safe(engine, true, what);
    }
}
