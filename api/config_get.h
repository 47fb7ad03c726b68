/* The route that reads the running and the candidate datastore. A handler as in plain.h; the path
 * of a URL below the datastore is a JSON pointer. */
#ifndef API_CONFIG_GET_H
#define API_CONFIG_GET_H

#include "api/request.h"

/* The value at the path, of the running configuration or the user's candidate, depending on the
 * route; a large one is read in slices, up to API_VALUE_MAX bytes. */
void config_get(struct request *q);

#endif
