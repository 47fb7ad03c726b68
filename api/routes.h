/* From a route to the code that serves it. */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "api/request.h"

/* Starts the handler of q->route: it sets the response, or makes a call. */
void routes_start(struct request *q);

#endif
