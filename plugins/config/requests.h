/* Requests of config@1 that wait to be answered. Identities take turns: next is the oldest request
 * of the one whose requests took least time, so who asks much, or what is dear, waits alone. A read
 * that takes long is answered in slices, between which others have their turn. */
#ifndef CONFIG_REQUESTS_H
#define CONFIG_REQUESTS_H

#include "plugins/config/engine.h"

#define REQUESTS_OF_ONE 128u                     /* identity */
#define REQUESTS_BYTES_OF_ONE (2u * 1024 * 1024) /* one request may always wait */
#define REQUESTS_BYTES (32u * 1024 * 1024)       /* of all; then each has a part of its own: */
#define REQUESTS_BYTES_AT_LEAST (512u * 1024)
#define REQUESTS_SLICE_US 4000u /* then the loop turns, and others are asked for */

struct asker;
struct engine;
struct read;

struct request {
    struct request *next;
    struct engine_caller caller; /* name and grants are the request's */
    char *method, *text;
    size_t len;
    void *req;
    struct read *read; /* as far as it got in the slices before; NULL: it was not begun */
};

struct requests {
    void (*forget)(struct read *read); /* it is above this file; NULL: there are no such reads */
    struct asker *askers;
    size_t bytes;      /* that wait, of all */
    uint64_t floor_us; /* what the one served last had taken: who comes anew begins there */
    uint64_t spent_us; /* in this turn of the loop */
    uint64_t until_us; /* of the clock: when the slice is over */
    bool resting;      /* until the loop has turned */
};

/* Answers what a request asks for. true: it goes on from *read in another slice. */
typedef bool requests_fn(struct engine *engine, const struct request *request, struct read **read);

/* Answers the request now, or has it wait: requests_go_on() answers it then. All is copied. */
void requests_take(struct engine *engine, const struct request *request, requests_fn *answer);
/* The loop has turned (engine_host.soon): answers what waits, for a slice. */
void requests_go_on(struct engine *engine, requests_fn *answer);
/* Is the slice over? A read that has more to do stops then. */
bool requests_time_up(const struct engine *engine);
/* Refuses what waits of a peer that went away. */
void requests_peer_gone(struct engine *engine, uint32_t peer);
/* Frees all without an answer. */
void requests_free_all(struct engine *engine);

#endif
