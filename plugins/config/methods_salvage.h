/* Methods about a datastore that is not whole. */
#ifndef CONFIG_METHODS_SALVAGE_H
#define CONFIG_METHODS_SALVAGE_H

#include "plugins/config/engine_internal.h"

/* salvage, salvage-accept. */
method_fn methods_salvage, methods_salvage_accept;

#endif
