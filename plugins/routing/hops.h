/* The next hops of one static route: parse and check, each alone and against each other. */
#ifndef PLUGINS_ROUTING_HOPS_H
#define PLUGINS_ROUTING_HOPS_H

#include "plugins/routing/model.h"

/* Parses the leaves next-hops (NULL: none) and interface (NULL: none) of route, whose table,
 * destination, metric and source have been read. The hops are allocated into the route, set_fini()
 * frees them, also after a failure. Error: ORB_E_VETO with path, or no memory. */
int hops_read(const cJSON *hops, const char *interface, struct route_want *route,
              struct orb_err *err);

#endif
