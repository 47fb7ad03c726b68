/* All of /routing as wanted: reading it, and looking up what it holds. Metrics are the kernel's
 * numbers. */
#ifndef PLUGINS_ROUTING_SET_H
#define PLUGINS_ROUTING_SET_H

#include "plugins/routing/model.h"

/* Parses the /routing part (NULL: nothing). Error: no memory. */
int set_read(const cJSON *routing, struct routes_want *ret_routes, struct orb_err *err);
/* Frees what set_read() allocated. */
void set_fini(struct routes_want *routes);
/* Records an invalid entry. */
int set_note(struct routes_want *routes, const struct orb_err *why, struct orb_err *err);
/* The route of this table to exactly this network, NULL: none. */
struct route_want *set_find(const struct routes_want *routes, uint32_t table,
                            const struct prefix *destination);
/* The table's name; a number, written to to, when it is not configured. */
const char *set_table_name(const struct routes_want *routes, uint32_t table, char *to, size_t size);
/* Whether a configured route has a kernel route of this metric, present or not. */
bool set_has_metric(const struct route_want *route, uint32_t metric);
/* Is the hop the first one of its metric? */
bool set_is_first(const struct route_want *route, const struct hop_want *hop);
/* The metric of the fallback after the next hops. */
uint32_t set_last_metric(const struct route_want *route);

#endif
