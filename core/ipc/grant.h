/* What the capabilities of a service allow it to call and to subscribe to:
 * ipc.call:INTERFACE/METHOD and ipc.subscribe:INTERFACE/TOPIC, "*" for any METHOD or TOPIC,
 * "service.*" for any INTERFACE of the host's to a service. */
#ifndef CORE_IPC_GRANT_H
#define CORE_IPC_GRANT_H

#include <stdbool.h>

#include "orbital/error.h"

enum grant_kind { GRANT_CALL, GRANT_SUBSCRIBE };

/* Does the capability allow it? interface: without @version. */
bool grant_covers(const char *capability, enum grant_kind kind, const char *interface,
                  const char *name);
/* Capabilities that come with this one, as it cannot be used without them: NULL
 * ends the list, which may be empty; constants. */
const char *const *grant_implied(const char *capability);
/* ORB_E_DENIED: the capability that service lacks. */
int grant_refuse(const char *service, enum grant_kind kind, const char *interface, const char *name,
                 struct orb_err *err);

#endif
