/* IPv4 addresses used by another machine, too. The host sends and receives ARP (arp@1); the service
 * passes it the addresses, and reports conflicts. */
#ifndef PLUGINS_INTERFACES_CONFLICT_H
#define PLUGINS_INTERFACES_CONFLICT_H

#include <cjson/cJSON.h>

#include "orbital/orbital.h"

struct conflicts {
    char *asked;  /* the list as the host has it; NULL: it has none */
    cJSON *found; /* of {interface, address, mac} */
    bool failed;  /* the host cannot, which was logged */
};

/* Subscribes to arp/conflict; conflicts must stay where it is. */
void conflict_start(struct orb_ctx *ctx, struct conflicts *conflicts);
void conflict_fini(struct conflicts *conflicts);
/* list: of {interface, index, address}, taken; NULL: no change. Sent to the host when it differs
 * from the previous one. */
void conflict_watch(struct orb_ctx *ctx, struct conflicts *conflicts, cJSON *list);
/* Sets the problems of all that is known; for after a clearing. */
void conflict_report(struct orb_ctx *ctx, const struct conflicts *conflicts);

#endif
