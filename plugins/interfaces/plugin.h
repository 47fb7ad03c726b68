/* The interfaces service: what it keeps while it runs. */
#ifndef PLUGINS_INTERFACES_PLUGIN_H
#define PLUGINS_INTERFACES_PLUGIN_H

#include "orbital/orbital.h"
#include "plugins/interfaces/apply.h"
#include "plugins/interfaces/conflict.h"
#include "plugins/lib/follow.h"

/* A link as it was last seen. */
struct seen {
    int index;
    char name[16];
    bool up, carrier, noarp;
    unsigned mtu;
    int master;
};

struct interfaces {
    struct follow follow;
    struct orb_timer *check; /* of the settings that change without an event */
    struct wants current;
    struct misfits left_out; /* of the configuration of the start */
    struct misfits misfits;  /* as last reported */
    struct befores befores;
    struct seen *seen;
    unsigned seen_count;
    bool events_lost;
    char twins[2][16];      /* links with one hardware address, as last said */
    char befores_told[200]; /* why the file of what was before is not right, as last logged */
    struct conflicts conflicts;
};

/* One event about a link. Whether it is news; name, state and carrier are published. A ctx of NULL
 * publishes nothing. */
bool seen_link(struct orb_ctx *ctx, struct interfaces *self, const struct rtnl_link *link);
bool seen_gone(struct orb_ctx *ctx, struct interfaces *self, const struct rtnl_link *link);
/* Events were lost: what happened shows in a fresh look. False: not now. */
bool seen_all(struct orb_ctx *ctx, struct interfaces *self);

/* Method list. */
int list_answer(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err);

#endif
