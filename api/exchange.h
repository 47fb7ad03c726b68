/* What libmicrohttpd calls for each request: its head, its body, its end. */
#ifndef API_EXCHANGE_H
#define API_EXCHANGE_H

#include "api/library.h"

/* Makes a request of a connection's head, answers it, and frees it at its end, or leaves that to
 * the answer that is due. */
extern const struct library_calls exchange_calls;

#endif
