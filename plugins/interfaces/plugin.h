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
    struct orb_timer *check; /* of the settings that change without an event */
    struct wants *current;   /* never NULL */
    struct misfits misfits;  /* as last reported */
    struct befores befores;
    struct seen *seen;
    unsigned seen_count;
    bool events_lost;
    char twins[2][16];      /* links with one hardware address, as last said */
    char befores_told[200]; /* why the file of what was before is not right, as last logged */
    struct conflicts conflicts;
};

#endif
