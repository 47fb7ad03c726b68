/* The state of the engine, which its files share, and the limits of what it holds. The objects it
 * owns have a header each. */
#ifndef CONFIG_ENGINE_INTERNAL_H
#define CONFIG_ENGINE_INTERNAL_H

#include "plugins/config/engine.h"
#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"
#include "plugins/config/refs.h"
#include "plugins/config/requests.h"
#include "plugins/config/store.h"

/* From the last sign of progress (orb_progress), and deadlines.progress-ms in all. */
#define ENGINE_PREPARE_MS 10000u
#define ENGINE_APPLY_MS 20000u
#define ENGINE_GRACE_MS 3000u /* after a restart: for known subscribers to attach again */
#define ENGINE_RETRY_MS 5000u
#define ENGINE_SNAPSHOT_MS 1000u
#define ENGINE_HEAL_MS 5000u /* between attempts to write on a disk that took nothing */
#define ENGINE_ABORT_MS                                                                            \
    1000u                     /* a refused change is live at most so much longer than a deadline   \
                               */
#define ENGINE_TURN_MS 500u   /* for the services to follow one after the other; then all at once */
#define ENGINE_ATTACH_MS 500u /* for a transaction to end; then attach does not wait any more */
#define ENGINE_LOCK_MS (3600u * 1000)
#define ENGINE_MAX_CANDIDATES 64u
#define ENGINE_CANDIDATES_LOCAL 8u /* the last of them are for users of this machine */
/* Of uncommitted changes, in memory: of one service, of all services; of a user, of all. */
#define ENGINE_CANDIDATE_SERVICE (4u * 1024 * 1024)
#define ENGINE_CANDIDATE_SERVICES (32u * 1024 * 1024)
#define ENGINE_CHANGES_SERVICE 4096u /* checking so many keeps the loop for 50 ms at most */
#define ENGINE_CANDIDATE_USER (384u * 1024 * 1024)
#define ENGINE_CANDIDATE_ALL (512u * 1024 * 1024)
/* However much the others have, each identity has room for so much: a service, a user. */
#define ENGINE_CANDIDATE_OWN_SERVICE (1024u * 1024)
#define ENGINE_CANDIDATE_OWN_USER (2u * 1024 * 1024)
#define ENGINE_MAX_LOAD (64u * 1024 * 1024)
#define ENGINE_MAX_JOBS 64u
#define ENGINE_JOBS_OF_ONE 8u /* identity: the others' commits have room */
#define ENGINE_FOR_USERS 2u   /* one of so many candidates, or jobs, is no service's */
#define ENGINE_MAX_DUMPS 128u
#define ENGINE_DUMPS_OF_ONE 4u                 /* identity: then its oldest is freed */
#define ENGINE_DUMP_BYTES (128u * 1024 * 1024) /* one may always be read */
#define ENGINE_DUMP_IDLE_MS 30000u             /* not read on for so long, it may go */
#define ENGINE_MAX_CONFIRM_S 86400u
#define ENGINE_ITSELF "system" /* the name under which the engine commits */
#define GRANT_PATH_MAX 1024u
#define SLICE_BYTES (128u * 1024)  /* of text */
#define SLICE_QUOTED (200u * 1024) /* of the same text as a JSON string in a frame */
#define INLINE_BYTES (128u * 1024) /* patch or value inside a frame */

struct call;
struct candidate;
struct dump;
struct job;
struct seen;
struct subscriber;
struct tx;
struct waiting_attach;

struct engine {
    struct engine_host host;
    struct store store;
    struct parts parts;
    struct refs refs;
    json_t *unfit; /* {part: why} */
    struct candidate *candidates;
    struct subscriber *subscribers;
    struct waiting_attach *waiting;
    struct job *jobs;
    struct tx *tx;
    struct tx *aside;      /* to begin when no other is in progress, NULL: none */
    struct call *calls;    /* on their way */
    struct job *beginning; /* the next commit, which is being checked, perhaps in slices */
    void (*tx_ended)(struct engine *engine); /* continues above a transaction */
    uint64_t applying;                       /* the revision tx is bringing services to, 0: none */
    struct dump *dumps;
    struct requests requests;
    struct seen *seen;
    uint64_t edits;       /* ever */
    uint64_t entered;     /* subscribers, ever */
    uint64_t grace_until; /* monotonic */
    json_t *undone;       /* the patch that was undone at start, until the grace is over */
    uint64_t confirm_at;  /* monotonic; 0: nothing to undo */
    uint64_t snapshot_at;
    uint64_t heal_at;
    uint64_t applied_us; /* monotonic: when the unconfirmed commit was applied */
    uint64_t given_tx;   /* number of the transaction begun last, 0: none in this run */
    char *lock_user;
    uint64_t lock_at;      /* monotonic */
    uint64_t lock_made_us; /* of lock_user, if that is a token */
};

/* A request being answered: refuse or reply exactly once. */
struct ask {
    struct engine *engine;
    const struct engine_caller *caller;
    const json_t *in;
    void *req;
    char who[80];       /* grants_identity() */
    const bool *gone;   /* has the caller disconnected? */
    struct read **read; /* the request's (read.h) */
    bool more;          /* the method is called again for the same request, in another slice */
};

/* A method of config@1: answers its request, now or later, or sets more. */
typedef void method_fn(struct ask *ask);

#endif
