/* One end of the bus: a worker or a client with its connection, or the host itself. */
#ifndef CORE_IPC_PEER_H
#define CORE_IPC_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/json_write.h"
#include "core/ipc/contract.h"
#include "orbital/error.h"

struct broker;
struct ipc_peer;

/* Kinds of principals; names are unique within a kind only. PEER_USER: a local user, identified by
 * SO_PEERCRED; PEER_TOKEN: the owner of an API token, identified by a session. */
enum peer_kind { PEER_SERVICE, PEER_USER, PEER_TOKEN, PEER_HOST };

/* "service", "user", "token", "host" */
const char *peer_kind_name(enum peer_kind kind);
/* Has it a role (and no capabilities)? */
static inline bool peer_kind_is_user(enum peer_kind kind)
{
    return kind == PEER_USER || kind == PEER_TOKEN;
}

/* Callbacks to the supervisor about a worker's connection, called on the loop. data/len: the
 * scanned payload of the frame, valid during the call. Any may be NULL. */
struct peer_events {
    void (*hello)(void *arg);
    /* Writes further members of WELCOME, before hello. */
    void (*welcome)(void *arg, struct json_write *w);
    void (*ready)(void *arg, uint64_t revision);
    void (*progress)(void *arg); /* PROGRESS was received */
    void (*answered)(void *arg); /* a request that waited for it, with a reply or an error */
    /* From READY on: what it does follows another revision now. */
    void (*applied)(void *arg, uint64_t revision);
    void (*pong)(void *arg, const char *degraded /* "" when fine */);
    void (*failed)(void *arg, const char *text); /* FAIL frame */
    /* The whole list of what is wrong with the service now; it replaces the one before. */
    void (*problems)(void *arg, const char *data, size_t len);
    void (*log)(void *arg, const char *data, size_t len);
    void (*metric)(void *arg, const char *data, size_t len);
    /* Connection ended: end of file, or disconnected (err->code ORB_E_PROTOCOL, ORB_E_LIMIT). The
     * peer is freed by the broker after this call. */
    void (*closed)(void *arg, const struct orb_err *err);
};

struct peer_spec {
    enum peer_kind kind;
    char name[64];                   /* service or user name */
    char role[16];                   /* "metrics", "viewer", "operator", "admin"; "" for services */
    const char *const *capabilities; /* services: granted ones, NULL ends; copied */
    const struct contract *contract; /* of a service, NULL: none; the broker holds on to it */
    bool has_config;                 /* provides service.NAME@1 */
    bool shipped;                    /* not of a third party: what its answers cost the thread is
                                      * their callers' to pay */
    uint32_t progress_ms;            /* services: limit of a call with PROGRESS, 0: none */
    size_t queue_bytes;              /* that may wait for it, 0: 8 MiB */
    unsigned requests;               /* it may have in flight, 0: 4096 */
    const struct peer_events *events; /* NULL for clients */
    void *arg;                        /* of events; the caller's */
};

/* Ends the connection; no closed event follows, and the peer is the broker's to free. NULL: nothing
 * is done. */
void peer_close(struct ipc_peer *peer);
/* As in peer_spec, from now on. */
void peer_limit(struct ipc_peer *peer, size_t queue_bytes, unsigned requests);
/* Sends PING; the pong event follows when the worker answers. */
void peer_ping(struct ipc_peer *peer);
/* Sends STOP: the worker finishes and exits. */
void peer_stop(struct ipc_peer *peer);
/* Its number as src of frames; unique per run of the broker. */
uint32_t peer_id(const struct ipc_peer *peer);
/* A worker serves requests only between peer_open (supervisor: Running) and peer_close; before that
 * callers get `unavailable`. service.NAME@1 is served from HELLO on. */
void peer_open(struct ipc_peer *peer);

#endif
