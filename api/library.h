/* libmicrohttpd, one instance for each connection: so it is we who say which connection goes on,
 * and for how long, and not the library, which goes on with all that can. */
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
/* Reads or writes as events say, and calls the handlers. The events it waits for, 0: it could go on
 * at once. Sets c->ended when the library closed the connection. */
unsigned library_run(struct connection *c, unsigned events);
/* Closes the connection, if the library did not, and takes the instance down. */
void library_close(struct connection *c);

#endif
