/* Subscriptions of peers, and of the host itself, in the list of their interface. */
#ifndef CORE_IPC_SUBS_H
#define CORE_IPC_SUBS_H

#include "core/ipc/host.h"
#include "core/ipc/interface.h"

struct sub {
    struct ipc_peer *peer; /* NULL: the host, cb */
    char topic[52];        /* "*": all */
    bool early;            /* made before anything provided the interface */
    bool ended;            /* a strict event was dropped: removed after GAP was sent */
    uint64_t dropped;      /* since the last GAP */
    host_event *cb;
    void *arg;
    struct sub *next;
};

/* NULL: the peer has no subscription to just this topic ("*" as well). */
struct sub *sub_find(struct ipc_interface *interface, const struct ipc_peer *peer,
                     const char *topic);
/* Made and entered; topic fits. peer NULL: the host's, and the caller sets cb and arg. */
struct sub *sub_add(struct ipc_interface *interface, struct ipc_peer *peer, const char *topic);
/* Is an event of the topic meant for sub? */
bool sub_matches(const struct sub *sub, const char *topic);
/* Takes out and frees one of a peer. */
void sub_drop(struct sub **at);
/* Drops those of a peer that disconnects, and interfaces that existed for them only. */
void sub_leave(struct ipc_peer *peer);

#endif
