/* Leaves that more than one kind of entry has. path: JSON pointer of the entry or leaf for errors,
 * which are ORB_E_VETO. */
#ifndef PLUGINS_ROUTING_LEAF_H
#define PLUGINS_ROUTING_LEAF_H

#include "plugins/routing/model.h"

/* The leaves of these names. */
struct leaf_ends {
    bool blackhole, unreachable, reject;
};

/* The type of whichever is true, 0: none; more than one is refused at path. */
int leaf_last(const struct leaf_ends *ends, const char *path, uint8_t *ret_last,
              struct orb_err *err);
/* Reads preferred-source, an address of this family; text NULL: nothing is written. Refused at
 * path. */
int leaf_source(const char *text, uint8_t family, const char *path, struct address *ret_source,
                struct orb_err *err);

#endif
