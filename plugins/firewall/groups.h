/* Groups of many addresses or ports: the data plane gets them once, in pieces that fit its
 * messages, and entries name them. Smaller ones are written out in each entry. */
#ifndef PLUGINS_FIREWALL_GROUPS_H
#define PLUGINS_FIREWALL_GROUPS_H

#include "plugins/firewall/batch.h"
#include "plugins/firewall/translate.h"

/* Messages with the group as it is now; NULL: it was deleted. Errors: ORB_E_VETO with path. */
int groups_put(struct batches *batches, const char *name, const cJSON *group, struct orb_err *err);
/* Whether an entry's lists name the group. */
bool groups_named(const cJSON *entry, const char *name);

#endif
