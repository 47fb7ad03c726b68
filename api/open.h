/* Routes that are open to all: without a token, answered with what the host said last, or says
 * next. */
#ifndef API_OPEN_H
#define API_OPEN_H

#include "api/request.h"

/* The host's health, asked of it at most once a moment for all who wait. The response is set at
 * once from a young answer, or when the host answers; 503 when it cannot be asked. */
void open_health(struct request *q);
/* Whether the host is ready, asked and answered as open_health(). */
void open_ready(struct request *q);

#endif
