/* Which networks will be directly connected once a change is made: what the new /interfaces says
 * plus what the kernel has by other hands. */
#ifndef PLUGINS_ROUTING_REACH_H
#define PLUGINS_ROUTING_REACH_H

#include "plugins/routing/model.h"

struct connected {
    char interface[16];
    struct prefix prefix; /* the interface's own address and length */
    bool enabled;         /* false: configured on an interface that is switched off */
};

struct reach {
    struct connected *items;
    unsigned count;
    struct rtnl_links links;
};

/* interfaces: the part /interfaces as it will be (NULL: none). */
int reach_read(struct nl_sock *socket, const cJSON *interfaces, struct reach *ret_reach,
               struct orb_err *err);
void reach_fini(struct reach *reach);
/* Checks every next hop of every route. Error (ORB_E_VETO) with path, why and what is connected. */
int reach_check(const struct reach *reach, const struct routes_want *routes, struct orb_err *err);
/* The interface that leads to a next hop, NULL when none does. */
const char *reach_interface(const struct reach *reach, const struct hop_want *hop);

#endif
