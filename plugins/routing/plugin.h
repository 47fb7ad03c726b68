/* The routing service: what it keeps while it runs. */
#ifndef PLUGINS_ROUTING_PLUGIN_H
#define PLUGINS_ROUTING_PLUGIN_H

#include "orbital/orbital.h"
#include "plugins/routing/apply.h"
#include "plugins/lib/follow.h"

struct routing {
    struct follow follow;
    struct routes_want current;
    cJSON *interfaces; /* /interfaces as it is now, NULL: nothing configured */
    char missing[64];  /* a route that cannot be made now, "" when all are there */
};

/* Method list. */
int on_list(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err);

#endif
