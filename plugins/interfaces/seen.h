/* Links as they were last seen: what of an event is news, and is published. */
#ifndef PLUGINS_INTERFACES_SEEN_H
#define PLUGINS_INTERFACES_SEEN_H

#include "orbital/orbital.h"
#include "plugins/lib/rtnl.h"

struct interfaces;

/* A link as it was last seen. */
struct seen {
    int index;
    char name[16];
    bool up, carrier, noarp;
    unsigned mtu;
    int master;
};

/* One event about a link. Whether it is news; name, state and carrier are published. A ctx of NULL
 * publishes nothing. */
bool seen_link(struct orb_ctx *ctx, struct interfaces *self, const struct rtnl_link *link);
/* The link was deleted: it is forgotten, and that is published. false: it was not known. */
bool seen_gone(struct orb_ctx *ctx, struct interfaces *self, const struct rtnl_link *link);
/* Events were lost: what happened shows in a fresh look. False: not now. */
bool seen_all(struct orb_ctx *ctx, struct interfaces *self);

#endif
