/* Routes without a token, answered from the last or the pending answer of the host. */
#ifndef API_OPEN_H
#define API_OPEN_H

#include "api/request.h"

/* The host's health, queried at most once per interval for all clients. The response is set at once
 * from a recent answer, or when the host answers; 503 when it cannot be queried. */
void open_health(struct request *q);
/* Whether the host is ready, as open_health(). */
void open_ready(struct request *q);

#endif
