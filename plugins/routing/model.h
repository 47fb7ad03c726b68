/* /routing/static as wanted: parsed and checked without the kernel. A route that cannot be read
 * stops no other one: it is a misfit with its path, and the caller decides (a commit refuses the
 * misfits it brings, a start goes on without them). */
#ifndef PLUGINS_ROUTING_MODEL_H
#define PLUGINS_ROUTING_MODEL_H

#include <cjson/cJSON.h>

#include "plugins/lib/rtnl.h"

/* The metric of what stands behind the next hops (blackhole, unreachable, reject): worse than any a
 * person gives; the one routing daemons use for it as well. */
#define LAST_METRIC 4278198272u

struct hop_want {
    struct address gateway; /* family 0: none, everything is a neighbour on the interface */
    char key[48];           /* as configured; "" is the route's own interface */
    char interface[16];     /* "": by address */
    unsigned weight;
    uint32_t metric; /* as the kernel will report it */
    bool onlink;     /* a neighbour on the interface although no address there covers it */
    bool held;       /* the kernel had it from us when we last looked */
    char *why;       /* why the kernel has it not, NULL: it has, or nobody looked yet */
    const char *todo;
};

struct route_want {
    char key[64]; /* as configured */
    struct prefix destination;
    uint32_t metric; /* of hops that name none, as the kernel will report it */
    uint8_t last;    /* RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT; 0: none */
    bool changed;    /* not as in the configuration before */
    bool last_held;  /* as hop_want.held, of the last one */
    char *why;       /* why the last one is not in the kernel */
    struct hop_want *hops;
    unsigned hop_count;
};

struct route_misfit {
    char path[ORB_ERR_PATH];
    char text[ORB_ERR_TEXT];
};

struct routes_want {
    struct route_want **sorted; /* by destination, none twice */
    unsigned count;
    struct route_want *items; /* their memory */
    unsigned item_count;
    struct route_misfit *misfits;
    unsigned misfit_count;
};

/* Parses one member of /routing/static into *route (all zero; what it allocated stays in it also
 * after a failure). Error: ORB_E_VETO with path, or no memory. */
int route_read(const cJSON *item, struct route_want *route, struct orb_err *err);
/* Parses the /routing part (NULL: nothing). Error: no memory. */
int routes_read(const cJSON *routing, struct routes_want *ret_routes, struct orb_err *err);
void routes_fini(struct routes_want *routes);
/* The route to exactly this network, NULL: none. */
struct route_want *routes_find(const struct routes_want *routes, const struct prefix *destination);
/* Does a configured route make (or want to make) a kernel route of this metric? */
bool route_has_metric(const struct route_want *route, uint32_t metric);
/* The metric of what stands behind the next hops. */
uint32_t route_last_metric(const struct route_want *route);
/* Marks in new what differs from old, and takes over what is known of the rest. */
void routes_compare(struct routes_want *new, const struct routes_want *old);
/* Refuses (ORB_E_VETO, path) the first misfit that old did not have. */
int routes_check_misfits(const struct routes_want *new, const struct routes_want *old,
                         struct orb_err *err);
/* JSON pointer of a route or, hop not NULL, of one of its next hops. */
void route_path(const struct route_want *route, const struct hop_want *hop, char *to, size_t size);
/* Fails with ORB_E_VETO at that path. */
int route_refuse(struct orb_err *err, const struct route_want *route, const struct hop_want *hop,
                 const char *text);
/* "203.0.113.1", or "interface wan0": written to to when it must be. */
const char *hop_text(const struct hop_want *hop, char *to, size_t size);

#endif
