/* Scheduler of requests of config@1. Identities take turns: next is the oldest request of the one
 * whose requests took least time, so that one with many or expensive requests delays only itself.
 * Long ones are done in slices: each request is answered in a fiber, which is suspended at
 * requests_pause(). While one is suspended others read, edit their own candidates, attach, and
 * answer in transactions; what changes the running tree calls requests_settle() first. */
#ifndef CONFIG_REQUESTS_H
#define CONFIG_REQUESTS_H

#include "plugins/config/engine.h"
#include "plugins/config/fiber.h"
#include "plugins/config/parts.h"

#define REQUESTS_OF_ONE 128u                     /* identity */
#define REQUESTS_BYTES_OF_ONE (2u * 1024 * 1024) /* one request may always wait */
#define REQUESTS_BYTES (32u * 1024 * 1024)       /* of all; then each has a part of its own: */
#define REQUESTS_BYTES_AT_LEAST (512u * 1024)
#define REQUESTS_SLICE_US 500u /* then the loop runs, and another identity is next */

struct asker;
struct engine;
struct read;
struct request;

/* Work of the engine's own, in the turns of an identity. */
typedef void requests_work(struct engine *engine, void *arg);
/* Answers a request. true: it continues from *read, called again. */
typedef bool requests_fn(struct engine *engine, const struct request *request, struct read **read);

struct request {
    struct request *next;
    struct engine_caller caller; /* name and grants are the request's */
    char *method, *text;
    size_t len;
    void *req;
    struct read *read; /* as far as it got in the slices before; NULL: it was not begun */
    struct engine *engine;
    requests_fn *answer;
    requests_work *work; /* instead of answer; NULL: it is a request */
    void *arg;           /* of work */
    const struct asker *owner;
    struct fiber *fiber;        /* stopped half-way; NULL: it is not */
    bool more;                  /* returned by answer */
    struct parts_request parts; /* while it is stopped */
    bool gone;                  /* the peer went away while it was stopped */
};

struct requests {
    void (*forget)(struct read *read); /* it is above this file; NULL: there are no such reads */
    void (*left)(struct engine *engine,
                 uint32_t peer); /* a request whose peer disconnected has ended */
    struct asker *askers;
    struct fibers fibers;
    struct request *running; /* in a fiber of its own, NULL: none */
    unsigned settling;       /* nothing stops */
    size_t bytes;            /* that wait, of all */
    uint64_t floor_us;       /* time taken by the one served last: new identities begin there */
    uint64_t spent_us;       /* in this turn of the loop */
    uint64_t until_us;       /* of the clock: when the slice is over */
    bool resting;            /* until the loop has turned */
};

/* Answers the request now, or has it wait: requests_go_on() answers it then. All is copied. */
void requests_take(struct engine *engine, const struct request *request, requests_fn *answer);
/* The loop has turned (engine_host.soon): answers what waits, for a slice. */
void requests_go_on(struct engine *engine);
/* Has work done in slices, in the turns of the identity who, behind what of it has begun: at once
 * inside of a request of who, and where nothing is done in slices. arg and what it needs belong to
 * the engine, as the work may never begin. */
void requests_do(struct engine *engine, const char *who, requests_work *work, void *arg);
/* Is the slice over? A read that has more to do stops then. */
bool requests_time_up(const struct engine *engine);
/* Stops the request that is being answered when the slice is over, until its next. Nothing but it
 * may have changed what it looks at: see above. */
void requests_pause(struct engine *engine);
/* Resumes all suspended requests until none is left. */
void requests_settle(struct engine *engine);
/* Refuses the waiting requests of a peer that disconnected; suspended ones are completed. */
void requests_peer_gone(struct engine *engine, uint32_t peer);
/* Frees all without an answer. */
void requests_free_all(struct engine *engine);

#endif
