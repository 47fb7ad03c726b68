/* Events of others that the package subscribed to. */
#ifndef CORE_WORKER_SDK_EVENT_H
#define CORE_WORKER_SDK_EVENT_H

#include "orbital/orbital.h"

struct inframe;
struct orb_ctx;

struct sdk_sub {
    struct sdk_sub *next;
    char *interface; /* without @version */
    char *topic;
    orb_event_fn *cb;
    void *arg;
};

/* EVENT: one the package subscribed to. */
void sdk_event_frame(struct orb_ctx *ctx, const struct inframe *frame);
/* GAP: events were dropped. */
void sdk_event_gap(struct orb_ctx *ctx, const struct inframe *frame);
void sdk_event_fini(struct orb_ctx *ctx);

#endif
