/* Principals, to which connections and requests are charged: the user of the token, or the source
 * address of a connection without one. They take turns (turn.h), and only a few requests of each
 * are sent to the host at once, so that a client with many requests delays only its own. */
#ifndef API_PRINCIPAL_H
#define API_PRINCIPAL_H

#include <sys/socket.h>

#include "api/api_internal.h"

struct principal {
    struct api *api;
    struct principal *next;
    uint64_t key;
    unsigned uses;        /* connections and requests; without any it is freed */
    unsigned connections; /* open ones */
    unsigned working;     /* requests that are with the host */
    unsigned slow;        /* of them, those that take long, e.g. because their service hangs */
    unsigned waiting_count;
    struct request *waiting, *waiting_last;      /* for one of those to end; by next_waiting */
    struct connection *ready[2], *ready_last[2]; /* turn.h */
    bool answered_next;                          /* the queue of those that were answered before */
    bool queued;                                 /* for a turn, by queue_next */
    struct principal *queue_next;
    uint64_t record_ms;    /* the next record is due then, or was */
    uint64_t not_recorded; /* since the last one */
    unsigned closable;     /* of its connections, those that wait for the client: connection.c */
};

/* Keys: of a user, by name. */
uint64_t principal_of_user(const char *user);
/* Of an address: an IPv4 one, the /64 of an IPv6 one, all of this machine. */
uint64_t principal_of_source(const struct sockaddr *address);

/* The one with this key, made if need be; it is freed when it was given back as often. */
struct principal *principal_take(struct api *api, uint64_t key);
/* See principal_take. */
void principal_give_back(struct principal *p);

/* Whether one more request of it may be logged. A few per second are, so that the records of others
 * are not displaced. ret_lost: number of those not logged, to be logged with this one. */
bool principal_may_record(struct principal *p, uint64_t *ret_lost);

#endif
