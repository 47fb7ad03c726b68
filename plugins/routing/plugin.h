/* The routing service: what it keeps while it runs. */
#ifndef PLUGINS_ROUTING_PLUGIN_H
#define PLUGINS_ROUTING_PLUGIN_H

#include "orbital/orbital.h"
#include "plugins/routing/apply.h"
#include "plugins/lib/follow.h"

/* Made by prepare, put in use by apply. */
struct routing_config {
    struct routes_want routes;
    cJSON *interfaces; /* /interfaces, NULL: nothing configured */
};

struct routing {
    struct follow follow;
    struct routing_config *now; /* never NULL */
    uint64_t missing;           /* a digest of what does not fit, 0: nothing */
    uint64_t retake_from_ms;
    unsigned retaken; /* since then */
    bool foreign;     /* foreign routes may precede ours */
    bool cut_off;     /* routes to networks of our addresses may have been removed */
};

/* Reports misfits to the host (problems and, when changed, the log); returns their number. */
unsigned report_misfits(struct orb_ctx *ctx, struct routing *self);
/* Method list. */
int list_answer(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err);

#endif
