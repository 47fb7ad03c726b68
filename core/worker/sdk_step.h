/* The steps of a change: the calls of prepare, apply and abort, and what follows from them. */
#ifndef CORE_WORKER_SDK_STEP_H
#define CORE_WORKER_SDK_STEP_H

#include "orbital/orbital.h"

struct orb_ctx;
struct sdk_conf;

/* Calls the package's callback for the present state. */
void sdk_step_run(struct orb_ctx *ctx);
/* Answers the request being worked on, if there is one; out is taken. */
void sdk_step_answer(struct orb_ctx *ctx, cJSON *out, const struct orb_err *err);
/* Frees the patch of the change. */
void sdk_step_drop_patch(struct sdk_conf *conf);
/* Frees the undo list. */
void sdk_step_drop_undo(struct sdk_conf *conf);

#endif
