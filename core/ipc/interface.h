/* The interfaces known to a broker: provider, subscribers, and the last values of state topics. An
 * interface outlives its provider; the values of a provider that ended are dropped. */
#ifndef CORE_IPC_INTERFACE_H
#define CORE_IPC_INTERFACE_H

#include "core/ipc/host.h"
#include "core/ipc/peer_internal.h"

#define INTERFACE_VALUES_MAX (1u << 20) /* bytes of the last values of all its state topics */

struct pending;
struct sub;

/* Delivers a request to a provider inside the host; input is len bytes, valid during the call. */
typedef void interface_deliver(struct pending *p, const char *input, size_t len);

struct topic_value { /* last value of a state topic */
    char *topic;
    char *text;
    size_t len;
    struct topic_value *next;
};

struct ipc_interface {
    char *name;
    const struct contract *contract; /* of the present provider, else expected, else NULL */
    const struct contract *expected;
    struct ipc_peer *provider;  /* NULL: down. The host's own: broker->host */
    interface_deliver *deliver; /* of the host's own; NULL: by a frame */
    host_handler *handler;      /* deliver's, with arg */
    void *arg;
    uint32_t base; /* method numbers of the provider start here (+ 1) */
    bool early;    /* service.NAME: served from HELLO on */
    bool known;    /* it has, or had, a contract; else it is here for its subscribers only */
    struct sub *subs;
    struct topic_value *values;
    struct ipc_interface *next;
};

/* What a request is for. */
struct target {
    struct ipc_interface *interface;
    const struct contract_method *method;
    struct ipc_peer *provider;
};

/* NULL: there is none of that name. */
struct ipc_interface *interface_find(struct broker *broker, const char *name);
/* Made when there is none, and known from then on. NULL with err: ORB_E_LIMIT. */
struct ipc_interface *interface_get(struct broker *broker, const char *name, struct orb_err *err);
/* For a subscriber of what nothing has provided yet; it is charged to the peer. NULL with err:
 * ORB_E_LIMIT. */
struct ipc_interface *interface_get_early(struct ipc_peer *peer, const char *name,
                                          struct orb_err *err);
/* Frees it when it existed for subscribers only and the last one is gone. */
void interface_maybe_free(struct broker *broker, struct ipc_interface *interface);
/* peer provides contract's interface from now on, its methods numbered from base + 1; contract is
 * the peer's. ORB_E_CONFLICT: another one does; ORB_E_LIMIT. */
int interface_provide(struct broker *broker, const struct contract *contract, struct ipc_peer *peer,
                      uint32_t base, bool early, struct ipc_interface **ret_interface,
                      struct orb_err *err);
/* The peer provides nothing any more. */
void interface_leave(struct broker *broker, struct ipc_peer *peer);
/* As broker_expect() and broker_unexpect(). */
int interface_expect(struct broker *broker, const struct contract *contract, struct orb_err *err);
/* As broker_unexpect(). */
void interface_unexpect(struct broker *broker, const struct contract *contract);
/* Is there room for a last value of len bytes? ORB_E_LIMIT. */
int interface_may_keep(const struct ipc_interface *interface, const char *topic, size_t len,
                       struct orb_err *err);
/* Keeps a copy of text as the last value of the topic. */
void interface_keep(struct ipc_interface *interface, const char *topic, const char *text,
                    size_t len);
/* Frees all of them, and subscriptions of the host. */
void interface_free_all(struct broker *broker);

#endif
