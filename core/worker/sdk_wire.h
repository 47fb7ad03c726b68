/* The connection of a worker to its host: frames out and in, and what is not taken yet. */
#ifndef CORE_WORKER_SDK_WIRE_H
#define CORE_WORKER_SDK_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/ipc/frame_stream.h"
#include "orbital/orbital.h"

struct orb_ctx;

/* Waits for the host on ctx->wire, by handles of ctx->scope. Errors: of libuv. */
int sdk_wire_open(struct orb_ctx *ctx, struct orb_err *err);
/* Queues a frame. ORB_E_LIMIT when it is too big (nothing is queued). */
int sdk_wire_send(struct orb_ctx *ctx, const struct frame *head, const char *env, size_t env_len,
                  const char *payload, size_t len, struct orb_err *err);
/* More is queued than logs and events may add to. */
bool sdk_wire_full(const struct orb_ctx *ctx);
size_t sdk_wire_waiting(const struct orb_ctx *ctx); /* bytes that the host has not taken */
/* Writes what is queued, waiting up to wait_ms in all. */
void sdk_wire_drain(struct orb_ctx *ctx, int wait_ms);

#endif
