/* Where routes and next hops are in the configuration: RFC 6901 pointers and errors at them. Every
 * function writes at most size bytes to to, cut and terminated when that is too few. */
#ifndef PLUGINS_ROUTING_PLACE_H
#define PLUGINS_ROUTING_PLACE_H

#include "plugins/routing/model.h"

/* JSON pointer of a map of routes: of the main table's or another one's. */
void place_table(const struct table_want *table, char *to, size_t size);
/* JSON pointer of a route or, hop not NULL, of one of its next hops. */
void place_route(const struct route_want *route, const struct hop_want *hop, char *to, size_t size);
/* JSON pointer of the preferred source that holds for one of its next hops. */
void place_source(const struct route_want *route, const struct hop_want *hop, char *to,
                  size_t size);
/* Fails with ORB_E_VETO at that path. */
int place_refuse(struct orb_err *err, const struct route_want *route, const struct hop_want *hop,
                 const char *text);
/* "203.0.113.1", or "interface wan0": written to to when it must be. */
const char *place_hop_text(const struct hop_want *hop, char *to, size_t size);

#endif
