/* The next hops of one static route: parse and check, each by itself and among each other. */
#ifndef PLUGINS_ROUTING_HOPS_H
#define PLUGINS_ROUTING_HOPS_H

#include "plugins/routing/model.h"

/* Parses next-hops and interface of route, whose table, destination, metric and source have been
 * read. The hops are allocated into the route, set_fini() frees them, also after a failure. Error:
 * ORB_E_VETO with path, or no memory. */
int hops_read(const cJSON *item, struct route_want *route, struct orb_err *err);

#endif
