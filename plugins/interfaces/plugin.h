/* The interfaces service: what it keeps while it runs. */
#ifndef PLUGINS_INTERFACES_PLUGIN_H
#define PLUGINS_INTERFACES_PLUGIN_H

#include "orbital/orbital.h"
#include "plugins/interfaces/apply.h"
#include "plugins/lib/follow.h"

/* Last published state of a link. */
struct seen {
    int index;
    char name[16];
    bool up, carrier;
};

struct interfaces {
    struct follow follow;
    struct wants current;
    struct befores befores;
    struct seen *seen;
    unsigned seen_count;
    char absent[16]; /* a configured link that does not exist, "" when all do */
};

/* Method list. */
int on_list(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err);

#endif
