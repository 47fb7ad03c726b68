/* Which parts of the configuration the package gets. */
#ifndef CORE_WORKER_SDK_PATHS_H
#define CORE_WORKER_SDK_PATHS_H

#include "orbital/orbital.h"

struct orb_ctx;

/* Sets conf.paths; ORB_E_DENIED when the package uses a path it was not granted. */
int sdk_paths_choose(struct orb_ctx *ctx, struct orb_err *err);

#endif
