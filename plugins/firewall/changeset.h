/* From a configuration change to the entries to send: a change of single rules sends these, one of
 * a group the entries that name it, and a change of zones, to which most refer, everything again.
 */
#ifndef PLUGINS_FIREWALL_CHANGESET_H
#define PLUGINS_FIREWALL_CHANGESET_H

#include <stdbool.h>

#include "orbital/orbital.h"
#include "plugins/firewall/batch.h"

enum changeset_kind {
    CHANGESET_GROUP, /* first: others name it */
    CHANGESET_RULE,
    CHANGESET_SOURCE_NAT,
    CHANGESET_DESTINATION_NAT,
    CHANGESET_NOTRACK,
    CHANGESET_PORT,
    CHANGESET_DEFAULT
};

struct changeset_item {
    enum changeset_kind kind;
    bool unchanged; /* only the description: nothing to send */
    bool follows;   /* because of a group that it names */
    char key[32];   /* rule number or interface, "" for the defaults */
};

struct changeset {
    bool full;
    struct changeset_item *items; /* the touched entries unless full */
    unsigned count, size;
    struct batches batches;
};

/* Fills changes (zeroed by the caller, or full set: everything is sent; changeset_fini in any
 * case). Errors: as translate.h. */
int changeset_build(struct changeset *changes, const struct orb_change *change,
                    struct orb_err *err);
void changeset_fini(struct changeset *changes);
/* A plan line about one item. */
void changeset_describe(const struct changeset_item *item, const cJSON *tree, char *to,
                        size_t size);

#endif
