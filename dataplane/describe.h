/* Interfaces as the programs see them. */
#ifndef DATAPLANE_DESCRIBE_H
#define DATAPLANE_DESCRIBE_H

#include <stdint.h>

struct dataplane;
struct link_list;
struct policy;
struct port_list;

/* Describes all interfaces for policy slot `slot` in the map `ifaces`. */
void describe_links(struct dataplane *dp, int ifaces, const struct policy *policy, uint32_t slot,
                    const struct link_list *links, struct port_list *ports);

#endif
