/* What a new configuration changes of the one before. */
#ifndef PLUGINS_ROUTING_COMPARE_H
#define PLUGINS_ROUTING_COMPARE_H

#include "plugins/routing/model.h"

/* Marks in new what differs from old, and takes over what is known of the rest. */
void compare_routes(struct routes_want *new, const struct routes_want *old);
/* Refuses (ORB_E_VETO, path) the first misfit that old did not have. */
int compare_misfits(const struct routes_want *new, const struct routes_want *old,
                    struct orb_err *err);

#endif
