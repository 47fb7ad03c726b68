/* Calls of other threads, made on the loop (orb_post). */
#ifndef CORE_WORKER_SDK_POST_H
#define CORE_WORKER_SDK_POST_H

#include "orbital/error.h"

struct orb_ctx;

/* Takes calls from now on. */
int sdk_post_open(struct orb_ctx *ctx, struct orb_err *err);
/* Refuses further ones, and makes those that wait unless init failed. */
void sdk_post_close(struct orb_ctx *ctx);
void sdk_post_fini(struct orb_ctx *ctx);

#endif
