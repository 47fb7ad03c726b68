/* The firewall service: what it keeps while it runs. */
#ifndef PLUGINS_FIREWALL_PLUGIN_H
#define PLUGINS_FIREWALL_PLUGIN_H

#include "plugins/firewall/fold.h"
#include "plugins/firewall/health.h"
#include "plugins/firewall/relay.h"
#include "plugins/firewall/retry.h"
#include "plugins/firewall/rows.h"
#include "plugins/firewall/dptx.h"

struct firewall {
    struct dptx dptx;
    struct retry retry;
    struct rows rows;   /* of the rules in use */
    struct folds folds; /* of the configuration in use */
    struct health health;
    struct relay *relays; /* requests of others that are with the data plane */
};

#endif
