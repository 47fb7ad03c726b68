/* libmicrohttpd, one instance per connection: so that this service schedules connections, not the
 * library, which serves all that are ready. */
#ifndef API_LIBRARY_H
#define API_LIBRARY_H

#include "api/connection.h"

/* What it calls, with the connection as cls: api->calls. */
struct library_calls {
    void *(*on_uri)(void *cls, const char *uri, struct MHD_Connection *connection);
    MHD_AccessHandlerCallback on_access;
    MHD_RequestCompletedCallback on_completed;
};

/* The connection's descriptor is the library's from then on. false: there was no memory. */
bool library_open(struct connection *c);
/* Reads or writes according to events, and calls the handlers. Returns the events to wait for, 0:
 * can continue at once. Sets c->ended when the library closed the connection. */
unsigned library_run(struct connection *c, unsigned events);
/* Closes the connection, if the library did not, and takes the instance down. */
void library_close(struct connection *c);

#endif
