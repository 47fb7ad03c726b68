/* Fetching the configuration, and large patches, from the config service in slices. */
#ifndef CORE_WORKER_SDK_ATTACH_H
#define CORE_WORKER_SDK_ATTACH_H

#include <stddef.h>

struct orb_ctx;
struct sdk_timer;

/* (Re)starts attach; the tree arrives in sdk_conf_attached. */
void sdk_attach_start(struct orb_ctx *ctx);
/* Attach is tried again; sdk_open() gives it to the timer. */
void sdk_attach_on_timer(struct sdk_timer *timer);
/* Fetches {what}: slices until conf->want bytes are in conf->text; then sdk_conf_fetched. */
void sdk_attach_fetch_tx(struct orb_ctx *ctx, size_t bytes);

#endif
