/* Refuses a head that two readers could understand in two ways (RFC 9112). */
#ifndef API_FRAMING_H
#define API_FRAMING_H

#include "api/api_internal.h"

/* version: of the request line. ORB_E_INVALID names the header and the reason; the begin of the
 * next request on the connection is then unknown. */
int framing_check(struct MHD_Connection *connection, const char *version, struct orb_err *err);

#endif
