/* The network interfaces there are, and rtnetlink's events about them. */
#ifndef DATAPLANE_LINK_H
#define DATAPLANE_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct dataplane;
struct link_info;
struct link_list;
struct orb_err;

/* All interfaces of this network namespace; the caller frees with own_link_list. Negative errno. */
int link_read(struct link_list *ret_list, struct orb_err *err);
/* Part of list; NULL: none of that name. */
const struct link_info *link_find(const struct link_list *list, const char *name);
/* A socket that gets rtnetlink's events about links, addresses, routes, rules, neighbours and
 * queueing disciplines; the caller closes it. Negative errno. */
int link_events(struct orb_err *err);
/* Reads pending events. DATAPLANE_PORTS: interfaces changed; DATAPLANE_SETTINGS: forwarding
 * settings; DATAPLANE_FOREIGN: queueing disciplines and filters; DATAPLANE_ADDRESSES: addresses
 * were removed (dp->gone). All when events were lost. LINK_EVENTS: there were any. */
#define LINK_EVENTS (1u << 31)
/* dp->events is read without waiting, a bounded number of messages. */
unsigned link_events_drain(struct dataplane *dp);
/* Counter `name` of ethtool -S summed over queues ("*_" before it); -1 unknown. */
int64_t link_statistic(const char *interface, const char *suffix);
/* Turns the card's taking off of VLAN tags off; false: it stays on. */
bool link_keep_tags(const char *interface);

#endif
