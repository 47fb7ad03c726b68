/* Commits that wait for their turn, in the order in which they are begun. The engine owns those in
 * its queue. */
#ifndef CONFIG_JOB_H
#define CONFIG_JOB_H

#include "plugins/config/engine_internal.h"

struct job {
    struct job *next;
    char *user;
    char *comment;
    uint32_t confirm_s;
    bool dry_run;
    bool canceled;    /* while it was being checked, in slices */
    uint64_t undoes;  /* 0: commits the user's candidate */
    void *req;        /* NULL: no client waits */
    char **reads;     /* what its user may read, NULL: all */
    json_t *question; /* {"service", "input"}: of a dry run, to a service about the candidate; NULL:
                         none */
    /* The service that disconnected during this commit's prepare, NULL: none. It is waited for
     * until wait_until (monotonic), and called once more. */
    char *again;
    uint64_t wait_until;
};

/* Queues job (taken, also on failure), at the front if first. Error: ORB_E_BUSY, too many wait;
 * never for first. */
int job_push(struct engine *engine, struct job *job, bool first, struct orb_err *err);
/* The first of the queue is engine->beginning. */
void job_take(struct engine *engine);
/* engine->beginning is the first of the queue again, behind an undo that came meanwhile. */
void job_put_back(struct engine *engine);
/* NULL: nothing; all in the queue, and the one taken. */
void job_free(struct job *job);
void job_free_all(struct engine *engine);

#endif
