/* Requests of one principal in flight at one provider. While such a record exists the provider
 * was sent the principal (PEER), until GONE. */
#ifndef CORE_IPC_INFLIGHT_H
#define CORE_IPC_INFLIGHT_H

#include "core/ipc/peer_internal.h"

#define INFLIGHT_MAX_REQUESTS 64 /* from one principal to one provider */
#define INFLIGHT_MAX_BYTES 262144u

struct inflight {
    struct ipc_peer *provider;
    struct inflight *next;
    uint32_t requests;
    uint32_t bytes;
};

/* NULL: there is none. */
struct inflight *inflight_find(const struct principal *who, const struct ipc_peer *provider);
/* The record of who at provider; created, and PEER sent, if needed. Never NULL; owned by who. */
struct inflight *inflight_get(struct principal *who, struct ipc_peer *provider);
/* Frees all of who, after its requests have ended, and sends GONE to the providers. */
void inflight_close(struct principal *who);
/* Frees those of all principals at a provider that disconnects. */
void inflight_leave(struct broker *broker, struct ipc_peer *provider);

#endif
