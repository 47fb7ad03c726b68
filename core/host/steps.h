/* Start-up after the control socket is open: one step per turn of the loop, so that clients can
 * query the progress. */
#ifndef CORE_HOST_STEPS_H
#define CORE_HOST_STEPS_H

#include "core/host/host_internal.h"
#include "core/loop/loop_scope.h"

struct steps {
    struct orbitald *host;
    const struct supervisor_setup *supervisor; /* the events, which main handles */
    /* r < 0: a step failed, nothing was started. Called once, unless steps_stop came first. */
    void (*done)(void *arg, int r, const struct orb_err *err);
    void *arg;
    uv_idle_t turn;
    uv_work_t work;            /* the part of a step that a thread does */
    struct crash_log *crashes; /* of earlier runs, one a package, as the thread read them */
    unsigned crash_count;
    struct refusal *refused; /* packages found on the thread */
    unsigned refused_count,
        refused_level;   /* reported; the worst level of those that share a problem */
    struct orb_err uids; /* of the thread: what is wrong with the file of uids; code 0: nothing */
    unsigned at;
    bool running;
};

/* The first five are the caller's; scope adopts the handle. host->starting names the step. */
void steps_start(struct steps *steps, struct loop_scope *scope);
/* No step is begun any more; done is not called unless it was. Any number of times. */
void steps_stop(struct steps *steps);

#endif
