/* From a configuration change to what must be sent: a change of single rules sends these, a change
 * of what others refer to (zones, groups) sends everything anew. */
#ifndef PLUGINS_FIREWALL_WORK_H
#define PLUGINS_FIREWALL_WORK_H

#include <stdbool.h>

#include "orbital/orbital.h"
#include "plugins/firewall/puts.h"

enum work_kind {
    WORK_RULE,
    WORK_SOURCE_NAT,
    WORK_DESTINATION_NAT,
    WORK_NOTRACK,
    WORK_PORT,
    WORK_DEFAULT
};

struct work_item {
    enum work_kind kind;
    bool quiet;   /* only the description: nothing to send */
    char key[32]; /* rule number or interface, "" for the defaults */
};

struct work {
    bool full;
    struct work_item *items; /* the touched entries unless full */
    unsigned count, size;
    struct puts puts;
};

/* Fills work (zeroed by the caller, or full set: everything is sent; work_fini in any case).
 * Errors: as translate.h. */
int work_build(struct work *work, const struct orb_change *change, struct orb_err *err);
void work_fini(struct work *work);
/* A line for people about one item. */
void work_describe(const struct work_item *item, const cJSON *tree, char *to, size_t size);

#endif
