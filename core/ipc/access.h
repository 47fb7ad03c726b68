/* Access decisions for methods and topics: a service by its capabilities, a user by the rank of its
 * role, the host always. */
#ifndef CORE_IPC_ACCESS_H
#define CORE_IPC_ACCESS_H

#include "core/ipc/grant.h"
#include "core/ipc/interface.h"
#include "core/ipc/principal.h"

/* What a role covers; 0: there is no such role. */
enum contract_rank access_rank(const char *role);
/* Before anything is looked up: whether a service was granted name (of a method or topic) of `to`
 * ("NAME[@…]"), whether or not there is such a thing, so that no refusal discloses what there is.
 * ORB_E_DENIED; users: 0. */
int access_names(const struct principal *who, enum grant_kind kind, const char *to,
                 const char *name, struct orb_err *err);
/* 0, or ORB_E_DENIED: err names the capability or the role that is missing. err may be NULL. */
int access_method(const struct principal *who, const struct target *target, struct orb_err *err);
/* The same for a topic, "*": all of them. For a user the contract of interface is known. */
int access_topic(const struct principal *who, const struct ipc_interface *interface,
                 const char *topic, struct orb_err *err);

#endif
