/* The interfaces service: what it keeps while it runs. */
#ifndef PLUGINS_INTERFACES_PLUGIN_H
#define PLUGINS_INTERFACES_PLUGIN_H

#include "orbital/orbital.h"
#include "plugins/interfaces/apply.h"
#include "plugins/interfaces/conflict.h"
#include "plugins/lib/follow.h"

/* Last published state of a link. */
struct seen {
    int index;
    char name[16];
    bool up, carrier;
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
    struct conflicts conflicts;
};

/* Method list. */
int on_list(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err);

#endif
