/* Refuses a head that two readers could understand in two ways (RFC 9112). */
#ifndef API_FRAMING_H
#define API_FRAMING_H

#include "api/api_internal.h"

/* version: of the request line. ORB_E_INVALID says which header and why; where the next request of
 * the connection would begin is not known then. */
int framing_check(struct MHD_Connection *connection, const char *version, struct orb_err *err);

#endif
