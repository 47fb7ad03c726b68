/* The listening socket, and all that is served. */
#ifndef API_SERVER_H
#define API_SERVER_H

#include "api/api_internal.h"

/* Serves the socket "http". Below 0 with the reason; what was made until then is the worker's end's
 * to free. */
int server_start(struct api *api, struct orb_err *err);
/* Ends all requests and connections; api holds nothing afterwards. */
void server_stop(struct api *api);

#endif
