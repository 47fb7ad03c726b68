/* Where calls go: by name, or by a handle once they come often. */
#ifndef CORE_WORKER_SDK_TARGET_H
#define CORE_WORKER_SDK_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "orbital/orbital.h"

struct buf;
struct inframe;
struct orb_ctx;

struct sdk_target {
    struct sdk_target *next;
    char *to;
    char *method;
    uint32_t handle; /* 0: none */
    uint64_t ok_at;  /* when a call last succeeded */
    bool opening;
    bool watched; /* config@1 attach: sdk_conf_provider_gone() is called when the handle becomes
                     void */
};

/* The target to/method, created if needed. */
struct sdk_target *sdk_target_of(struct orb_ctx *ctx, const char *to, const char *method);
/* Sets target->handle to one that may be used now, or to 0. */
void sdk_target_choose(struct orb_ctx *ctx, struct sdk_target *target);
/* Writes {"to": to, key: value}. */
void sdk_target_write(struct buf *env, const char *to, const char *key, const char *value);
/* The host's answer to OPEN; err NULL: the handle is in the frame. */
void sdk_target_opened(struct orb_ctx *ctx, struct sdk_target *target, const struct inframe *frame,
                       const struct orb_err *err);
/* Opens a handle for to/method and watches its provider. */
void sdk_target_watch(struct orb_ctx *ctx, const char *to, const char *method);
/* The next call of to/method travels by name; nothing is watched any more. */
void sdk_target_forget(struct orb_ctx *ctx, const char *to, const char *method);
/* The provider of a handle is gone. */
void sdk_target_gone(struct orb_ctx *ctx, uint32_t handle);
void sdk_target_fini(struct orb_ctx *ctx);

#endif
