/* What a peer is made of, and sending frames to it. */
#include <string.h>

#include "core/base/xalloc.h"
#include "core/ipc/access.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/contract_service.h"
#include "core/ipc/share.h"

#define QUEUE_BYTES (8u << 20) /* queued for a peer without configured limits */
#define REQUESTS 4096          /* of one connection in flight, all its sessions together */

const char *peer_kind_name(enum peer_kind kind)
{
    static const char *const names[] = {
        [PEER_SERVICE] = "service",
        [PEER_USER] = "user",
        [PEER_TOKEN] = "token",
        [PEER_HOST] = "host",
    };

    return names[kind];
}

static void copy_capabilities(struct ipc_peer *peer, const char *const *capabilities)
{
    size_t n = 0;

    while (capabilities && capabilities[n])
        n++;
    peer->capabilities = xcalloc(n + 1, sizeof(*peer->capabilities));
    for (size_t i = 0; i < n; i++) {
        peer->capabilities[i] = xstrdup(capabilities[i]);
        if (!strcmp(capabilities[i], "session.delegate"))
            peer->delegate = true;
    }
}

void peer_limit(struct ipc_peer *peer, size_t queue_bytes, unsigned requests)
{
    peer->conn.queue_max = queue_bytes ? queue_bytes : QUEUE_BYTES;
    peer->pending_max = requests ? requests : REQUESTS;
}

struct ipc_peer *peer_new(struct broker *broker, int fd, const struct peer_spec *spec,
                          const struct conn_events *events)
{
    struct ipc_peer *peer = xcalloc(1, sizeof(*peer));
    struct principal *self = &peer->self;

    peer->broker = broker;
    peer->client = spec->kind == PEER_USER;
    peer->shipped = spec->shipped;
    peer->contract = contract_ref(spec->contract);
    peer->events = spec->events;
    peer->arg = spec->arg;
    peer->progress_ms = spec->progress_ms;
    self->kind = spec->kind;
    self->owner = peer;
    memcpy(self->name, spec->name, sizeof(self->name) - 1);
    memcpy(self->role, spec->role, sizeof(self->role) - 1);
    self->rank = spec->kind == PEER_USER ? access_rank(self->role) : 0;
    conn_init(&peer->conn, &broker->conns, fd, self->name, events);
    peer_limit(peer, spec->queue_bytes, spec->requests);
    copy_capabilities(peer, spec->capabilities);
    if (spec->has_config)
        peer->service_contract = contract_service(self->name);
    return peer;
}

void peer_free(struct ipc_peer *peer)
{
    if (!peer)
        return;
    for (char **c = peer->capabilities; c && *c; c++)
        free(*c);
    free(peer->capabilities);
    contract_free(peer->service_contract);
    contract_free((struct contract *)(uintptr_t)peer->contract);
    conn_fini(&peer->conn);
    free(peer);
}

void peer_send(struct ipc_peer *peer, const struct frame *frame, const char *env,
               const char *payload, size_t len)
{
    size_t envlen = env ? strlen(env) : 0;
    unsigned char *p;

    if (peer->conn.dead || peer_is_host(peer))
        return;
    if (frame_fits(envlen, len, NULL) < 0)
        abort(); /* a defect: callers bound what they send */
    p = turn_memory_get(&peer->broker->conns.memory, FRAME_HEADER + envlen + len);
    frame_write(p, frame, env, envlen, payload, len);
    peer_pass(peer, p, FRAME_HEADER + envlen + len);
}

void peer_pass(struct ipc_peer *peer, const unsigned char *data, size_t len)
{
    struct orb_err err;

    if (!peer->conn.dead && !share_has_room(peer, len, SHARE_ENDS)) {
        orb_fail(&err, ORB_E_LIMIT, "%s does not read: over %d bytes wait for its connections",
                 peer->self.name, SHARE_ENDS);
        conn_end(&peer->conn, &err);
        return;
    }
    peer->frames_out++;
    peer->broker->frames_out++;
    conn_send(&peer->conn, data, len);
}

void peer_close(struct ipc_peer *peer)
{
    if (!peer)
        return;
    if (!peer->conn.dead)
        conn_flush(&peer->conn);
    peer->silent = true;
    conn_end(&peer->conn, NULL);
}

void peer_ping(struct ipc_peer *peer)
{
    peer->ping_open = true;
    peer_send(peer, &(struct frame){.type = FRAME_PING}, NULL, NULL, 0);
}

void peer_stop(struct ipc_peer *peer)
{
    peer_send(peer, &(struct frame){.type = FRAME_STOP}, NULL, NULL, 0);
}

uint32_t peer_id(const struct ipc_peer *peer)
{
    return peer->self.id;
}

void peer_open(struct ipc_peer *peer)
{
    peer->open = true;
}
