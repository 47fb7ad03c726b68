/* Method schema: what is allowed at a path. */
#ifndef CONFIG_METHODS_SCHEMA_H
#define CONFIG_METHODS_SCHEMA_H

#include "plugins/config/engine_internal.h"

/* schema. */
method_fn methods_schema;

#endif
