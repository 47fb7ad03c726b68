/* The method diff. */
#ifndef CONFIG_METHODS_DIFF_H
#define CONFIG_METHODS_DIFF_H

#include "plugins/config/engine_internal.h"

method_fn methods_diff;

#endif
