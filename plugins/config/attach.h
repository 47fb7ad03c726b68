/* How a service attaches, and fetches in slices what does not fit into an answer. */
#ifndef CONFIG_ATTACH_H
#define CONFIG_ATTACH_H

#include "plugins/config/engine_internal.h"

struct waiting_attach {
    struct waiting_attach *next;
    char *name, *who; /* who: its identity */
    uint32_t peer;    /* 0: it went away */
    bool served;      /* what it gets is being made, perhaps in slices */
    json_t *paths;
    char **secrets;
    uint64_t until; /* monotonic: then it is answered all the same */
    void *req;
};

/* Methods attach and fetch. attach waits a moment for a transaction in progress; then it is
 * answered with the running configuration, and the service follows after the commit (aside.h). */
method_fn attach_method, attach_fetch;
/* Answers those that wait, as a transaction has ended. */
void attach_serve_all(struct engine *engine);
/* Answers those that have waited long enough for a transaction. */
void attach_tick(struct engine *engine);
/* Frees those that wait, unanswered. */
void attach_free_all(struct engine *engine);

#endif
