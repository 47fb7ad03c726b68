/* The interfaces service: what it keeps while it runs. */
#ifndef PLUGINS_INTERFACES_PLUGIN_H
#define PLUGINS_INTERFACES_PLUGIN_H

#include "orbital/orbital.h"
#include "plugins/interfaces/apply.h"
#include "plugins/interfaces/conflict.h"
#include "plugins/interfaces/seen.h"
#include "plugins/lib/follow.h"

struct interfaces {
    struct follow follow;
    struct orb_timer *check;      /* of the settings that change without an event */
    struct desired_list *current; /* never NULL */
    struct misfits misfits;       /* as last reported */
    struct link_states saved;
    struct seen *seen;
    unsigned seen_count;
    bool events_lost;
    char twins[2][16];        /* links with the same hardware address, as last reported */
    char saved_reported[200]; /* why the file of what was before is not right, as last logged */
    struct conflicts conflicts;
};

#endif
