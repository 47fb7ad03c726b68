/* Destination NAT that sends several ports to one and does not say that this is meant: in force, as
 * it was before it had to be said, and shown. */
#ifndef PLUGINS_FIREWALL_FOLD_H
#define PLUGINS_FIREWALL_FOLD_H

#include "orbital/orbital.h"

/* Reports each as a problem, or takes it back. tree: the configuration in force; borrowed. */
void fold_report(struct orb_ctx *ctx, const cJSON *tree);

#endif
