/* The method history. */
#ifndef CONFIG_METHODS_HISTORY_H
#define CONFIG_METHODS_HISTORY_H

#include "plugins/config/engine_internal.h"

method_fn methods_history;

#endif
