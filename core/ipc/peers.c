/* A peer that ends is marked at once, and taken out of the tables at the end of the turn, when no
 * list is being walked. */
#include "core/ipc/peers.h"

#include <string.h>
#include <unistd.h>

#include "core/ipc/broker_internal.h"
#include "core/ipc/charge.h"
#include "core/ipc/dispatch.h"
#include "core/ipc/held.h"
#include "core/ipc/inflight.h"
#include "core/ipc/offload.h"
#include "core/ipc/publish.h"
#include "core/ipc/refusal.h"
#include "core/ipc/rights.h"
#include "core/ipc/request.h"
#include "core/ipc/resolve.h"
#include "core/ipc/session.h"
#include "core/ipc/share.h"

static struct ipc_peer *peer_of(struct conn *conn)
{
    return container_of(conn, struct ipc_peer, conn);
}

static void on_frame(struct conn *conn, struct inframe *in)
{
    dispatch_frame(peer_of(conn), in);
}

static void on_broken(struct conn *conn, const struct orb_err *err)
{
    refusal_disconnect(peer_of(conn), err);
}

static bool on_drained(struct conn *conn)
{
    return publish_gaps(peer_of(conn));
}

static void on_stalled(struct conn *conn)
{
    rest_stalled(peer_of(conn));
}

static uint64_t on_turn(struct conn *conn, uint64_t took_ns)
{
    return share_left(peer_of(conn), took_ns);
}

static void on_ended(struct conn *conn)
{
    struct ipc_peer *peer = peer_of(conn), **at = &peer->broker->ended;

    while (*at)
        at = &(*at)->ended_next;
    *at = peer;
}

static void on_served(struct conn *conn, uint64_t took_ns)
{
    struct ipc_peer *peer = peer_of(conn);
    struct broker *broker = peer->broker;

    if (took_ns > broker->busiest_ns) {
        broker->busiest_ns = took_ns;
        snprintf(broker->busiest, sizeof(broker->busiest), "%s", peer->self.name);
    }
    rest_after(peer, took_ns > peer->charged_ns ? took_ns - peer->charged_ns : 0);
    peer->charged_ns = 0;
}

static const struct conn_events events = {
    .frame = on_frame,
    .broken = on_broken,
    .drained = on_drained,
    .stalled = on_stalled,
    .turn = on_turn,
    .ended = on_ended,
    .served = on_served,
};

static void drop(struct ipc_peer *peer)
{
    resolve_free_all(peer);
    charge_free_all(peer);
    peer_free(peer);
}

static void on_scope_done(struct loop_scope *scope)
{
    struct ipc_peer *peer = container_of(scope, struct ipc_peer, scope);
    struct broker *broker = peer->broker;

    drop(peer);
    broker->peers_left--;
    broker->peer_freed(broker);
}

void peers_add_host(struct broker *broker)
{
    static const struct peer_spec host = {.kind = PEER_HOST, .name = "host"};

    broker->host = peer_new(broker, -1, &host, &events);
    principal_add(&broker->principals, &broker->host->self);
}

void peers_free_host(struct broker *broker)
{
    inflight_close(&broker->host->self); /* to itself */
    drop(broker->host);
    broker->host = NULL;
}

static int provide(struct ipc_peer *peer, struct orb_err *err)
{
    struct ipc_interface *interface;
    int r = 0;

    if (peer->contract)
        r = interface_provide(peer->broker, peer->contract, peer, 0, false, &interface, err);
    if (r == 0 && peer->service_contract)
        r = interface_provide(peer->broker, peer->service_contract, peer,
                              peer->contract ? (uint32_t)peer->contract->method_count : 0, true,
                              &interface, err);
    return r;
}

struct ipc_peer *peers_add(struct broker *broker, int fd, const struct peer_spec *spec,
                           struct orb_err *err)
{
    struct ipc_peer *peer = NULL;
    struct orb_err local;
    int r;

    if (!err)
        err = &local;
    if (spec->kind == PEER_HOST) {
        orb_fail(err, ORB_E_INVALID, "the host is no connection; use host_serve");
        return NULL;
    }
    peer = peer_new(broker, fd, spec, &events);
    r = provide(peer, err);
    if (r < 0)
        goto fail;
    loop_scope_init(&peer->scope, on_scope_done);
    r = conn_start(&peer->conn, broker->loop, &peer->scope);
    if (r < 0) {
        orb_fail(err, r, "cannot watch the connection of %s", spec->name);
        goto fail;
    }
    if (spec->kind == PEER_USER)
        share_join(peer);
    rest_begin(peer);
    held_begin(peer, request_of_session);
    broker->peers_left++;
    principal_add(&broker->principals, &peer->self);
    peer->next = broker->peers;
    if (peer->next)
        peer->next->prev = peer;
    broker->peers = peer;
    return peer;
fail:
    interface_leave(broker, peer);
    peer_free(peer);
    return NULL;
}

/* Takes every pointer to peer out of the broker and closes it. */
static void detach(struct ipc_peer *peer)
{
    struct broker *broker = peer->broker;

    offload_leave(peer);
    request_leave(peer);
    session_close_all(peer);
    inflight_close(&peer->self);
    inflight_leave(broker, peer);
    resolve_leave(broker, peer);
    interface_leave(broker, peer);
    sub_leave(peer);
    principal_remove(&broker->principals, &peer->self);
    session_free_all(peer);
    conn_group_remove(&peer->conn);
    rest_end(peer);
    share_leave(peer);
    if (peer->prev)
        peer->prev->next = peer->next;
    else
        broker->peers = peer->next;
    if (peer->next)
        peer->next->prev = peer->prev;
    if (peer->accepted)
        broker->listen.clients--;
}

void peers_settle(struct broker *broker)
{
    struct ipc_peer *peer;

    while ((peer = broker->ended)) {
        broker->ended = peer->ended_next;
        detach(peer);
        if (!peer->silent && peer->events && peer->events->closed)
            peer->events->closed(peer->arg, &peer->conn.end);
        loop_scope_close(&peer->scope);
        rights_close(peer->conn.fd, peer->accepted && broker->listen.rights);
        peer->conn.fd = -1;
    }
}
