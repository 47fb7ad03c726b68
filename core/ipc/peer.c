/* Coming and going of peers. A peer that ends is marked dead at once and taken out of the tables at
 * the end of the turn, when nobody walks them. */
#include <errno.h>
#include <string.h>

#include "core/ipc/room.h"
#include "core/json/scan.h"

static void on_scope_done(struct loop_scope *scope)
{
    struct ipc_peer *peer = container_of(scope, struct ipc_peer, scope);
    struct broker *broker = peer->broker;

    peer_free(peer);
    broker->peers_left--;
    broker_maybe_free(broker);
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
    routes_free(peer);
    charges_free(peer);
    free(peer->part);
    free(peer->backlog);
    free(peer);
}

void peer_limit(struct ipc_peer *peer, size_t queue_bytes, unsigned requests)
{
    peer->queue_max = queue_bytes ? queue_bytes : PEER_QUEUE_MAX;
    peer->pending_max = requests ? requests : PEER_MAX_PENDING;
}

struct ipc_peer *peer_make(struct broker *broker, int fd, const struct peer_spec *spec)
{
    struct ipc_peer *peer = xcalloc(1, sizeof(*peer));
    struct principal *self = &peer->self;
    size_t n = 0;

    peer->broker = broker;
    peer->fd = fd;
    peer->client = spec->kind == PEER_USER;
    peer->contract = contract_ref(spec->contract);
    peer->events = spec->events;
    peer->arg = spec->arg;
    peer->progress_ms = spec->progress_ms;
    peer_limit(peer, spec->queue_bytes, spec->requests);
    self->kind = spec->kind;
    self->owner = peer;
    memcpy(self->name, spec->name, sizeof(self->name) - 1);
    memcpy(self->role, spec->role, sizeof(self->role) - 1);
    self->rank = spec->kind == PEER_USER ? role_rank(self->role) : 0;
    while (spec->capabilities && spec->capabilities[n])
        n++;
    peer->capabilities = xcalloc(n + 1, sizeof(*peer->capabilities));
    for (size_t i = 0; i < n; i++) {
        peer->capabilities[i] = xstrdup(spec->capabilities[i]);
        if (!strcmp(spec->capabilities[i], "session.delegate"))
            peer->delegate = true;
    }
    if (spec->has_config)
        peer->service_contract = contract_of_service(self->name);
    return peer;
}

static int provide(struct ipc_peer *peer, struct orb_err *err)
{
    struct iface *iface;
    int r = 0;

    if (peer->contract)
        r = iface_provide(peer->broker, peer->contract, peer, 0, false, &iface, err);
    if (r == 0 && peer->service_contract)
        r = iface_provide(peer->broker, peer->service_contract, peer,
                          peer->contract ? (uint32_t)peer->contract->method_count : 0, true, &iface,
                          err);
    return r;
}

struct ipc_peer *broker_add_peer(struct broker *broker, int fd, const struct peer_spec *spec,
                                 struct orb_err *err)
{
    struct ipc_peer *peer = NULL;
    struct orb_err local;
    int r;

    if (!err)
        err = &local;
    if (spec->kind == PEER_HOST) {
        orb_fail(err, ORB_E_INVALID, "the host is no connection; use broker_provide");
        return NULL;
    }
    peer = peer_make(broker, fd, spec);
    r = provide(peer, err);
    if (r < 0)
        goto fail;
    loop_scope_init(&peer->scope, on_scope_done);
    r = uv_poll_init(broker->loop, &peer->poll, fd);
    if (r < 0) {
        orb_fail(err, r, "cannot watch the connection of %s", spec->name);
        goto fail;
    }
    loop_scope_adopt(&peer->scope, (uv_handle_t *)&peer->poll);
    rest_begin(peer);
    broker->peers_left++;
    principal_add(broker, &peer->self);
    peer->next = broker->peers;
    if (peer->next)
        peer->next->prev = peer;
    broker->peers = peer;
    peer_poll_start(peer);
    return peer;
fail:
    iface_leave(broker, peer);
    peer_free(peer);
    return NULL;
}

/* Takes every pointer to peer out of the broker and closes it. */
static void detach(struct ipc_peer *peer)
{
    struct broker *broker = peer->broker;

    offload_leave(peer);
    requests_leave(peer);
    sessions_close(peer);
    links_close(&peer->self);
    links_leave(broker, peer);
    routes_leave(broker, peer);
    iface_leave(broker, peer);
    subs_leave(peer);
    principal_remove(broker, &peer->self);
    while (peer->sessions) {
        struct principal *session = peer->sessions;

        peer->sessions = session->next_session;
        principal_remove(broker, session);
        held_free(session);
        free(session);
    }
    broker_undirty(peer);
    rest_end(peer);
    if (peer->prev)
        peer->prev->next = peer->next;
    else
        broker->peers = peer->next;
    if (peer->next)
        peer->next->prev = peer->prev;
    if (peer->accepted)
        broker->listen.clients--;
}

void broker_tell_ended(struct broker *broker)
{
    struct ipc_peer *peer;

    while ((peer = broker->ended)) {
        broker->ended = peer->ended_next;
        detach(peer);
        if (!peer->silent && peer->events && peer->events->closed)
            peer->events->closed(peer->arg, &peer->end);
        loop_scope_close(&peer->scope);
        close(peer->fd);
        peer->fd = -1;
    }
}

void peer_end(struct ipc_peer *peer, const struct orb_err *err)
{
    struct ipc_peer **at = &peer->broker->ended;

    if (peer->dead)
        return;
    peer->dead = true;
    if (err)
        peer->end = *err;
    while (*at)
        at = &(*at)->ended_next;
    *at = peer;
}

void peer_throw(struct ipc_peer *peer, const struct orb_err *err)
{
    if (peer->dead)
        return;
    request_count(peer, err);
    if (peer->client && listen_may_log(peer->broker))
        log_notice(peer->broker->log, "ipc.client-thrown-out", KV("user", peer->self.name),
                   KV("reason", err->text));
    peer_send_err(peer, 0, err);
    peer_flush(peer);
    peer_end(peer, err);
}

void peer_close(struct ipc_peer *peer)
{
    if (!peer)
        return;
    if (!peer->dead)
        peer_flush(peer);
    peer->silent = true;
    peer_end(peer, NULL);
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

void peer_complain(struct ipc_peer *peer, const char *event, const struct orb_err *err)
{
    uint64_t now = uv_now(peer->broker->loop);

    if (peer->complained_ms && now - peer->complained_ms < 1000)
        return;
    peer->complained_ms = now ? now : 1;
    log_warn(peer->broker->log, event, KV("peer", peer->self.name),
             KV("code", orb_code_name(err->code)), KV("path", (const char *)err->path),
             KV("text", (const char *)err->text), KV("refused", peer->refused));
}
