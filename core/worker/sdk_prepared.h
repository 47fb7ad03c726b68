/* What prepare made for apply (orb_change's slot). */
#ifndef CORE_WORKER_SDK_PREPARED_H
#define CORE_WORKER_SDK_PREPARED_H

#include "orbital/orbital.h"

struct orb_ctx;

/* After prepare: what is in the slot can be freed. */
int sdk_prepared_check(struct orb_ctx *ctx, struct orb_err *err);
/* The change cannot be undone any more, or the worker ends: frees what is in the slot. */
void sdk_prepared_discard(struct orb_ctx *ctx);

#endif
