/* Entries of address translation and of connections that are not tracked, in the data plane's
 * words. */
#ifndef PLUGINS_FIREWALL_NAT_H
#define PLUGINS_FIREWALL_NAT_H

#include "plugins/firewall/translate.h"

/* One entry each, as translate_fn says. */
translate_fn nat_source;
translate_fn nat_destination;
translate_fn nat_notrack;
/* Whether a destination NAT entry sends several ports to one without saying "fold". */
bool nat_folds(const struct view *view, const cJSON *item);

#endif
