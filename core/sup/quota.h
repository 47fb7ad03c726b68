/* What packages of third parties hold in /state. A package over its limit is ended, and started
 * again only once it is below. */
#ifndef CORE_SUP_QUOTA_H
#define CORE_SUP_QUOTA_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/loop/loop_scope.h"
#include "orbital/error.h"

struct service;
struct supervisor;

struct quota {
    struct supervisor *sup; /* set by the owner once there is one */
    uv_loop_t *loop;
    uv_timer_t timer;
    bool runs;       /* counting, or about to */
    unsigned counts; /* so far */
    bool stopped;    /* the owner is being closed */
    void (*hold)(void *arg);
    void (*put)(void *arg);
    void *arg;
};

/* Counts on threads of loop, as long as there is something to count. hold and put: the supervisor
 * must live from one to the other. Its handle is adopted by scope. */
void quota_init(struct quota *quota, uv_loop_t *loop, struct loop_scope *scope,
                void (*hold)(void *arg), void (*put)(void *arg), void *arg);
/* Before scope is closed: no further count begins. */
void quota_stop(struct quota *quota);
/* Before service gets a worker: ORB_E_LIMIT while it is over its limit. Ensures that it is counted
 * from now on. */
int quota_check(struct quota *quota, const struct service *service, struct orb_err *err);

#endif
