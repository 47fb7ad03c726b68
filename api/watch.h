/* The descriptors of the connections: one epoll instance for all, which the loop polls as one
 * descriptor. An event disarms its connection, and closing the descriptor removes it: a system call
 * for each new connection and one for each time it waits, where a watch of the loop (orb_watch) has
 * seven. A new connection of one client waits for the cost of those that others opened before. */
#ifndef API_WATCH_H
#define API_WATCH_H

#include "api/api_internal.h"

/* Called for each connection that can do something; it may close none. Events as orb_watch_fn. */
typedef void watch_fn(struct connection *c, unsigned events);

/* Makes the instance. Error: codes of epoll_create1(2). */
int watch_start(struct api *api, watch_fn *fn, struct orb_err *err);
/* Ends it, once all connections are closed. */
void watch_stop(struct api *api);

/* Waits for the first bytes of a new connection; false: the kernel refuses it. */
bool watch_add(struct connection *c);
/* Waits again, once, for these events. */
void watch_again(struct connection *c, unsigned events);

#endif
