/* The open connections: state of each, since when, and the principal it is charged to. */
#ifndef API_CONNECTION_H
#define API_CONNECTION_H

#include <sys/socket.h>

#include "api/api_internal.h"
#include "api/principal.h"

enum connection_state {
    CONNECTION_HEAD, /* waits for a request's head */
    CONNECTION_BODY,
    CONNECTION_WORK, /* waits for the host: no fault of the client */
    CONNECTION_ANSWER,
};

/* One TCP connection, with an instance of libmicrohttpd of its own. */
struct connection {
    struct api *api;
    struct connection *prev, *next;
    int fd; /* the library's, once it is known there */
    struct sockaddr_storage address;
    socklen_t address_len;
    struct MHD_Daemon *library; /* NULL until its first turn */
    unsigned events;            /* received and waiting for its turn */
    enum connection_state state;
    uint64_t since_ms; /* of the state */
    uint64_t opened_ms;
    struct principal *principal; /* charged for it: the source, then the user */
    struct request *request;     /* NULL in CONNECTION_HEAD */
    struct request *begun;       /* its first line came, and nothing of it was asked or freed yet */
    size_t answer_bytes;
    uint64_t completed; /* requests */
    bool answered;      /* not its first request */
    bool ended;         /* the library closed it */
    bool queued;        /* for a turn: turn.c */
    unsigned queue;
    struct connection *queue_prev, *queue_next;
};

/* Makes the timer that looks at slow connections, and their watch; sets api->run. Error: codes of
 * watch_start(). */
int connection_start(struct api *api, struct orb_err *err);
/* Ends all, the timer and the watch. */
void connection_stop(struct api *api);

/* Accepts a client; fd belongs to the connection. When connections run short another one is closed
 * first. */
void connection_open(struct api *api, int fd, const struct sockaddr_storage *address,
                     socklen_t len);
/* May one more be opened, if need be in the place of another one? */
bool connection_has_room(struct api *api);
/* Closes it; not while it runs. */
void connection_close(struct connection *c);
/* The same for a client that is too slow, or in the way of others: counted, and logged with why. */
void connection_cut(struct connection *c, const char *why);

/* The connection of a handle of libmicrohttpd. */
struct connection *connection_of(struct MHD_Connection *connection);
/* Sets its state; q: the request, whose principal it is charged to. */
void connection_is(struct connection *c, enum connection_state state, struct request *q);
/* When it is too late for what it does, 0: never. */
uint64_t connection_due(const struct connection *c);
/* Bytes of other bodies of its principal that wait for the host. */
size_t connection_working_bytes(const struct connection *c);

#endif
