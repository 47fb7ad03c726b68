/* Resolves interface, version and name of a method to its provider; and the handles that OPEN
 * returns, so that requests need not name the method. */
#ifndef CORE_IPC_RESOLVE_H
#define CORE_IPC_RESOLVE_H

#include "core/ipc/interface.h"

#define HANDLES_MAX 1024 /* of one peer */

struct method_handle { /* a handle given by OPENED is its index + 1 */
    char *to;
    char *method_name;
    struct target target; /* provider NULL: disconnected */
    bool allowed;         /* to the connection itself; sessions are checked one by one */
};

/* Finds the interface of `to`, "NAME[@MAJOR[.MINOR]]", with a known contract of a compatible
 * version. ORB_E_INVALID, ORB_E_NOT_FOUND (err suggests a similar one), ORB_E_UNAVAILABLE,
 * ORB_E_VERSION. who asks (NULL: the host): to a
 * service an error names nothing else that there is. */
int resolve_interface(struct broker *broker, const char *to, const struct principal *who,
                      struct ipc_interface **ret_interface, struct orb_err *err);
/* The current provider of method of `to`; ret_target->provider is NULL when there is none. Errors
 * as of resolve_interface(). */
int resolve_method(struct broker *broker, const char *to, const char *method,
                   const struct principal *who, struct target *ret_target, struct orb_err *err);
/* 0: the provider takes requests; ORB_E_UNAVAILABLE, ORB_E_GONE. err may be NULL. */
int resolve_available(const struct target *target, struct orb_err *err);

/* OPEN frame: answered with OPENED or ERR. */
void resolve_on_open(struct ipc_peer *peer, struct inframe *in);
/* NULL: the handle was never given to the peer. */
struct method_handle *resolve_handle(struct ipc_peer *peer, uint32_t handle);
/* A provider disconnects: handles to it become void, and their owners get GONE. */
void resolve_leave(struct broker *broker, struct ipc_peer *provider);
void resolve_free_all(struct ipc_peer *peer);

#endif
