/* Leaves that more than one kind of entry has. path: JSON pointer of the entry or leaf for errors,
 * which are ORB_E_VETO. */
#ifndef PLUGINS_ROUTING_LEAF_H
#define PLUGINS_ROUTING_LEAF_H

#include "plugins/routing/model.h"

/* "blackhole", "unreachable", "reject": reads whichever is true; more than one is refused at path.
 */
int leaf_last(const cJSON *item, const char *path, uint8_t *ret_last, struct orb_err *err);
/* A preferred source address of this family, family 0 when there is none; refused at path. */
int leaf_source(const cJSON *item, uint8_t family, const char *path, struct address *ret_source,
                struct orb_err *err);

#endif
