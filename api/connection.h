/* The open connections: what each is doing, since when, and whom it counts for. */
#ifndef API_CONNECTION_H
#define API_CONNECTION_H

#include "api/api_internal.h"

enum connection_state {
    CONNECTION_HEAD, /* waits for a request's head */
    CONNECTION_BODY,
    CONNECTION_WORK, /* waits for the host: no fault of the client */
    CONNECTION_ANSWER,
};

/* One TCP connection, as long as libmicrohttpd has it. */
struct connection {
    struct api *api;
    struct connection *prev, *next;
    int fd; /* libmicrohttpd's */
    enum connection_state state;
    uint64_t since_ms; /* of the state */
    uint64_t opened_ms;
    uint64_t owner;          /* whom it counts for: the source address, then the user */
    struct request *request; /* set in CONNECTION_BODY and _WORK */
    struct request *begun;   /* its first line came, and nothing of it was asked or freed yet */
    size_t answer_bytes;
    bool answered; /* not its first request */
    bool closing;
};

/* Makes the timer that looks at slow connections; server_stop() frees it. */
void connection_start(struct api *api);
/* MHD_OPTION_NOTIFY_CONNECTION: a connection began (its struct becomes the socket context) or
 * ended (the struct is freed). */
void connection_on_change(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code);
/* NULL: there was no memory for it. */
struct connection *connection_of(struct MHD_Connection *connection);
/* What it does from now on; q: the request, which says whom it counts for. */
void connection_is(struct connection *c, enum connection_state state, struct request *q);
/* When it is too late for what it does, 0: never. */
uint64_t connection_due(const struct connection *c);
/* How many others of its owner wait for the host. */
unsigned connection_working(const struct connection *c);
/* Bytes of their bodies. */
size_t connection_working_bytes(const struct connection *c);
/* What a source is: an IPv4 address, the /64 of an IPv6 one, all of this machine. */
uint64_t connection_source(const struct sockaddr *address);

#endif
