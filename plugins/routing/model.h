/* /routing/static as wanted: parsed and checked without the kernel. */
#ifndef PLUGINS_ROUTING_MODEL_H
#define PLUGINS_ROUTING_MODEL_H

#include <cjson/cJSON.h>

#include "plugins/lib/rtnl.h"

struct hop_want {
    struct address gateway;
    char key[48];       /* as configured */
    char interface[16]; /* "": by address */
    unsigned weight;
};

struct route_want {
    char key[64]; /* as configured */
    struct prefix destination;
    uint32_t metric; /* as the kernel will report it */
    bool blackhole;
    struct hop_want *hops;
    unsigned hop_count;
};

struct routes_want {
    struct route_want *items;
    unsigned count;
};

/* Parses the /routing part (NULL: nothing). Errors (ORB_E_VETO) carry the path. */
int routes_read(const cJSON *routing, struct routes_want *ret_routes, struct orb_err *err);
void routes_fini(struct routes_want *routes);
/* JSON pointer of a route or, hop not NULL, of one of its next hops. */
void route_path(const struct route_want *route, const struct hop_want *hop, char *to, size_t size);

#endif
