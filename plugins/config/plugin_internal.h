/* The package around the engine: what its parts share. */
#ifndef CONFIG_PLUGIN_INTERNAL_H
#define CONFIG_PLUGIN_INTERNAL_H

#include "core/base/buf.h"
#include "core/base/log.h"
#include "orbital/orbital.h"
#include "plugins/config/engine.h"

#define HOST_DEADLINE_MS 10000
#define HOST_ENFORCED "enforced"
#define FIRST_PROBLEM "first-config"

struct plugin {
    struct orb_ctx *ctx;
    struct engine *engine;
    struct orb_timer *timer, *soon;
    struct buf schemas; /* while starting, as the two below */
    uint64_t was_enforced, was_enforced_id, was_void_tx, was_good;
    struct log_sink log;
};

/* plugin_host.c: how the engine reaches the SDK. p->log must be set; the members about the boot
 * (was_…, safe_revision) are the caller's to fill. */
struct engine_host plugin_host(struct plugin *p);
/* The callback for the progress of calls (orb_on_progress): passed to the engine. */
void plugin_host_progress(struct orb_ctx *ctx, void *arg, const char *phase, int percent);
/* plugin_start.c: reads the schemas from the host and opens the engine; orb_ready() is called when
 * that is done. Returns ORB_LATER, or below 0 with err. */
int plugin_start(struct plugin *p, struct orb_err *err);

#endif
