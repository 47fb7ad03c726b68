/* Addresses that the appliance had and that went. */
#ifndef DATAPLANE_GONE_H
#define DATAPLANE_GONE_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

struct gone_address {
    uint8_t family;
    uint8_t address[16]; /* network byte order; IPv4 in the first 4 bytes */
};

/* Zeroed: none. The owner of the struct calls gone_fini. */
struct gone_addresses {
    struct gone_address *items;
    unsigned count;
    bool unknown; /* others may be gone: events were lost, or there were too many */
};

/* Adds an address, once. */
void gone_add(struct gone_addresses *gone, uint8_t family, const uint8_t address[16]);
/* Adds what an RTM_DELADDR message is about. */
void gone_note(struct gone_addresses *gone, const struct nlmsghdr *h);
/* Whether that address was added. */
bool gone_has(const struct gone_addresses *gone, uint8_t family, const uint8_t address[16]);
void gone_fini(struct gone_addresses *gone);

#endif
