/* Ways of connections through the appliance: conntrack does not record interfaces, so they are
 * derived from route lookups for both ends. */
#ifndef DATAPLANE_WAYS_H
#define DATAPLANE_WAYS_H

#include "dataplane/dataplane_internal.h"
#include "dataplane/flow_nat.h"

struct way_route {
    uint8_t address[16];
    uint8_t family; /* 0: free */
    bool local;     /* delivered locally */
    uint32_t oif;
};

struct way_address {
    uint8_t address[16];
    uint8_t family;
    uint32_t ifindex;
};

struct ways {
    int routes; /* netlink */
    struct way_route *cache;
    struct link_list links;
    struct way_address *addresses;
    unsigned address_count;
    bool incomplete; /* addresses kept changing while they were dumped: some may be missing */
};

/* Reads the interfaces and opens a route socket. After a failure nothing is left to close. */
int ways_open(struct ways *ways, struct orb_err *err);
void ways_close(struct ways *ways);
/* The way by the routes. false: from the appliance to itself. */
bool ways_find(struct ways *ways, const struct flow *flow, struct flow_way *ret_way);
/* Whether the address is one of that interface. */
bool ways_has(const struct ways *ways, const char *interface, uint8_t family,
              const uint8_t address[16]);
/* Whether it is an address of any interface. */
bool ways_own(const struct ways *ways, uint8_t family, const uint8_t address[16]);

#endif
