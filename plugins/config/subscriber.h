/* Participants of transactions: services that attached, in the order of first attaching. Owned by
 * the engine; they stay in the list when they disconnect. */
#ifndef CONFIG_SUBSCRIBER_H
#define CONFIG_SUBSCRIBER_H

#include "plugins/config/engine_internal.h"

enum presence {
    SUB_UNKNOWN, /* known from disk, not attached since this start */
    SUB_ATTACHED,
    SUB_OFFLINE,
};

/* LEFT_SPOILT: it hung, died, or did not apply what it had agreed to. LEFT_SLOW: commits waited too
 * long for it. LEFT_REFUSES: it refuses what runs. LEFT_REFUSED_ALL: it refused too many in a row.
 */
enum left_out { LEFT_NOT, LEFT_SPOILT, LEFT_SLOW, LEFT_REFUSES, LEFT_REFUSED_ALL };

struct subscriber {
    struct subscriber *next; /* in the order of first attaching: dependencies come first */
    char *name;
    char **paths;   /* attached to: each was granted */
    char **secrets; /* below which it sees secrets, NULL-terminated */
    size_t path_count;
    enum presence presence;
    bool tried; /* it brought what waits to be confirmed into the kernel, or may have */
    uint32_t peer;
    uint64_t revision; /* revision at attach */
    uint64_t due;      /* the newest that changed what it reads; 0: not known in this run */
    struct buf text;   /* configuration that attach returns in slices */
    uint64_t joined;   /* the transaction during which it attached, 0: between two */
    uint64_t entered;  /* number of its last attach among all */
    /* strikes.h */
    unsigned strikes;       /* for transactions it spoilt, less those it followed */
    unsigned refused;       /* commits in a row */
    bool propose;           /* to be tested with the running configuration */
    enum left_out left_out; /* why it is left out */
    uint64_t probe_at;      /* monotonic: tried again */
    unsigned times_out;     /* left out since the administrator looked at it */
    uint64_t waited_ms;     /* how long commits waited for it, as of waited_at */
    uint64_t waited_at;     /* monotonic */
};

/* The one that was attached by this peer, if any, is offline. */
void subscriber_peer_gone(struct engine *engine, uint32_t peer);
/* NULL: it never attached. */
struct subscriber *subscriber_find(struct engine *engine, const char *name);
/* The one of that name, made when it is new, with these paths (borrowed, subscriber_are_paths())
 * and secrets (taken); saved when the paths are others than before. */
struct subscriber *subscriber_enter(struct engine *engine, const char *name, const json_t *paths,
                                    char **secrets);
/* Is it a list of texts? */
bool subscriber_are_paths(const json_t *paths);
/* Copies paths and secrets, which an attach replaces; freed by subscriber_copy_free(). */
void subscriber_copy(const struct subscriber *from, struct subscriber *to);
/* Frees what subscriber_copy() made. */
void subscriber_copy_free(struct subscriber *copy);
/* The ops of patch that concern the subscriber, as it may see them; NULL when none does. The
 * caller releases it. */
json_t *subscriber_patch(const struct engine *engine, const struct subscriber *sub,
                         const json_t *patch);
/* Reads the saved list. One that cannot be read is logged: the services attach again. Returns 0. */
int subscriber_load_all(struct engine *engine, struct orb_err *err);
/* Frees them all. */
void subscriber_free_all(struct engine *engine);
/* Method subscribers. */
method_fn subscriber_list;

#endif
