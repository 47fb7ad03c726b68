/* Entries for NAT and untracked connections, in the form of the data plane. */
#ifndef PLUGINS_FIREWALL_NAT_H
#define PLUGINS_FIREWALL_NAT_H

#include "plugins/firewall/translate.h"

/* One entry each, see translate_fn. */
translate_fn nat_source;
translate_fn nat_destination;
translate_fn nat_notrack;
/* Whether a destination NAT entry sends several ports to one without "fold". */
bool nat_folds(const struct view *view, const cJSON *item);

#endif
