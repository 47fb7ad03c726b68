/* From a route to the code that serves it. */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "api/request.h"

/* Begins the work of q->route: the response is set at once, or a call is on its way. */
void routes_start(struct request *q);

#endif
