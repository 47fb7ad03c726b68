/* Scheduling: principals (principal.h) take turns, one unit of work each. A layer below connections
 * and requests, which are only entries of its queues. */
#ifndef API_TURN_H
#define API_TURN_H

#include "api/principal.h"

struct connection;

/* Makes the timers; api->run is called with the connection whose turn it is. */
void turn_start(struct api *api);
/* Frees them, when there is no connection and no request any more. */
void turn_stop(struct api *api);

/* The connection has something to do; it is run in a turn of its principal. */
void turn_add(struct connection *c);
/* Removes it from its queue: it ended, or is charged to another principal. */
void turn_remove(struct connection *c);

/* Starts the host call of a request. */
typedef void turn_begin_fn(struct request *q);

/* begin(q), now or when fewer than API_USER_AT_ONCE others of p are with the host, those that take
 * long not counted. ORB_E_BUSY: too many wait already. */
int turn_begin(struct principal *p, struct request *q, turn_begin_fn *begin, struct orb_err *err);
/* The host is done with q, or q is given up while it waits. Does nothing for one that did not
 * begin. */
void turn_end(struct request *q);

#endif
